/* What a layer or a block takes on this machine, by part, transform by transform: bars. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/base/json.h"
#include "core/base/number.h"
#include "core/study/latency.h"

#include <math.h>
#include <string.h>

enum { FORM_PREFILL, FORM_DECODE, FORM_LAYER_PREFILL, FORM_LAYER_DECODE };

/* Bars stand one before another: a lower one hides the foot of a higher one.  On paper their
 * colours have four lightnesses, so that touching parts differ in grey, too: luminances 217, 164,
 * 120, 61. */
enum { TURNED, QUANTIZED, FUSED, PRODUCT, STACK };
static const struct {
    const char *label;
    pl_tone tone;
    uint32_t rgb;
} stack[STACK] = {
    {"+ transform (apart)", PL_TONE_EXTRA + 2, 0xf0e442},
    {"+ quantization (apart)", PL_TONE_EXTRA + 1, 0xe69f00},
    {"+ both (fused)", PL_TONE_AFTER, 0xd55e00},
    {"product", PL_TONE_BEFORE, 0x004c86},
};

/* The bars from left to right: float32 alone, then each transform in passes apart and fused.  A
 * dense matrix would dwarf the others; it is only in the rows. */
static const struct {
    const char *name, *transform, *online;
} places[] = {{"float32", "none", "none"},    {"none", "none", "apart"},
              {"fused", "none", "fused"},     {"diagonal", "diagonal", "apart"},
              {"fused", "diagonal", "fused"}, {"Hadamard", "hadamard", "apart"},
              {"fused", "hadamard", "fused"}, {"Kronecker", "kronecker", "apart"},
              {"fused", "kronecker", "fused"}};
enum { PLACES = sizeof places / sizeof *places };

typedef struct latency_rows {
    json_t *found;
    const char *part, *phase, *product;
} latency_rows;

static const json_t *find_row(const latency_rows *rows, const char *product, const char *transform,
                              const char *online)
{
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(json_object_get(rows->found, "rows"), i, row)
    {
        if (pl_json_text_is(row, "part", rows->part) &&
            pl_json_text_is(row, "phase", rows->phase) &&
            pl_json_text_is(row, "product", product) &&
            pl_json_text_is(row, "transform", transform) &&
            pl_json_text_is(row, "online", online)) {
            return row;
        }
    }
    return NULL;
}

static double milliseconds(const json_t *row, const char *key)
{
    const double seconds = pl_json_number_of(row, key);
    return isfinite(seconds) ? 1e3 * seconds : 0.0;
}

/* The heights at one place, upwards: the product, with what comes before it added. */
static void put_bar(const latency_rows *rows, size_t at, pl_series *const series[STACK])
{
    const json_t *row = find_row(rows, at == 0 ? "float32" : rows->product, places[at].transform,
                                 places[at].online);
    const double product = milliseconds(row, "product_seconds");
    const double quantize = milliseconds(row, "quantize_seconds");
    for (size_t k = 0; k < STACK; k++) {
        series[k]->x[at] = (double)at;
    }
    series[PRODUCT]->y[at] = product;
    if (pl_json_text_is(row, "online", "fused")) {
        series[FUSED]->y[at] = product + milliseconds(row, "online_seconds");
    } else if (pl_json_text_is(row, "online", "apart")) {
        series[QUANTIZED]->y[at] = product + quantize;
        series[TURNED]->y[at] = product + quantize + milliseconds(row, "transform_seconds");
    }
}

static pl_status add_bars(const latency_rows *rows, pl_figure *out, pl_error *err)
{
    pl_series *series[STACK];
    pl_status status = PL_OK;
    for (size_t k = 0; status == PL_OK && k < STACK; k++) {
        status = pl_figure_add(out, stack[k].label, PL_MARK_STEMS, stack[k].tone, PLACES,
                               &series[k], err);
    }
    for (size_t i = 0; status == PL_OK && i < STACK; i++) {
        series[i] = &out->series[i];
        series[i]->coloured = true;
        series[i]->rgb = stack[i].rgb;
    }
    for (size_t p = 0; status == PL_OK && p < PLACES; p++) {
        put_bar(rows, p, series);
    }
    PL_THEN(pl_figure_names(&out->x, PLACES, err));
    for (size_t p = 0; status == PL_OK && p < PLACES; p++) {
        status = pl_figure_text(&out->x.names[p], places[p].name, err);
    }
    return status;
}

static void add_machine_facts(const latency_rows *rows, pl_figure *out)
{
    static const char *const rotations[] = {"hadamard", "kronecker"};
    const json_t *found = rows->found;
    const char *int8 = json_string_value(json_object_get(found, "int8_missing"));
    const json_t *plain = find_row(rows, rows->product, "none", "fused");
    pl_figure_fact(out, "machine", "%.44s", json_string_value(json_object_get(found, "processor")));
    pl_figure_fact(out, "kernel", "%.24s, threads %d",
                   json_string_value(json_object_get(found, "kernel")),
                   (int)json_integer_value(json_object_get(found, "threads")));
    pl_figure_fact(out, "median_of", "%d repeats",
                   (int)json_integer_value(json_object_get(found, "repeats")));
    if (int8 != NULL) {
        pl_figure_fact(out, "no_int8", "%.44s", int8);
    } else {
        pl_figure_fact(out, "int8_speedup", "%.2fx", pl_json_number_of(plain, "speedup"));
    }
    for (size_t i = 0; i < 2; i++) {
        char name[32];
        const json_t *row = find_row(rows, rows->product, rotations[i], "fused");
        snprintf(name, sizeof name, "%s_slowdown", rotations[i]);
        pl_figure_fact(out, name, "%.2fx", pl_json_number_of(row, "slowdown"));
    }
}

static pl_status put_latency_texts(const pl_state *state, const pl_request *request,
                                   const latency_rows *rows, pl_figure *out, pl_error *err)
{
    const pl_layer *layer = pl_model_layer(state->source->model, request->layer);
    const bool decode = request->form % 2 == FORM_DECODE;
    pl_buf title = {0};
    if (request->form >= FORM_LAYER_PREFILL) {
        pl_kind_layer_title(state, request->layer, &title);
    } else {
        pl_overview_put_model(state->source->model, &title);
        pl_buf_printf(&title, ", block %zu", layer->block);
    }
    if (decode) {
        pl_buf_puts(&title, ", decoding a token");
    } else {
        pl_buf_printf(&title, ", prefill of %d tokens",
                      (int)json_integer_value(json_object_get(rows->found, "tokens")));
    }
    pl_buf_printf(&title, ", %s", rows->product);
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(out, title.data, "transform: in passes apart, then fused",
                            "milliseconds", err));
    pl_buf_deinit(&title);
    return status;
}

static pl_status make_latency(pl_context cx, const pl_request *request, pl_figure *out,
                              pl_error *err)
{
    latency_rows rows = {.part = request->form >= FORM_LAYER_PREFILL ? "layer" : "block",
                         .phase = request->form % 2 == FORM_DECODE ? "decode" : "prefill"};
    pl_status status = pl_latency_load(cx, request->layer, "latency", &rows.found, NULL, err);
    rows.product = json_is_string(json_object_get(rows.found, "int8_kernel")) ? "int8" : "float32";
    if (status == PL_OK && find_row(&rows, "float32", "none", "none") == NULL) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "latency: of dumps and experts a layer is timed, not a block: "
                              "form=layer_prefill or form=layer_decode");
    }
    PL_THEN(put_latency_texts(cx.state, request, &rows, out, err));
    PL_THEN(add_bars(&rows, out, err));
    if (status == PL_OK) {
        pl_fit_positions(&out->x, 0, PLACES);
        pl_fit_y(out, false, 0);
        out->stacked = true;
        add_machine_facts(&rows, out);
    }
    json_decref(rows.found);
    return status;
}

static void put_timing(pl_context cx, const pl_request *request, pl_buf *out)
{
    json_t *found = NULL;
    if (pl_latency_load(cx, request->layer, "latency", &found, out, NULL) != PL_OK) {
        out->failed = true;
    }
    json_decref(found);
}

static void say_latency(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    const pl_series *series = at->figure->series;
    const double place = floor(x + 0.5);
    char number[PL_NUMBER_TEXT];
    (void)row;
    if (!(place >= 0.0 && place < (double)PLACES) || at->figure->n_series != STACK) {
        return;
    }
    const size_t p = (size_t)place;
    for (size_t k = 0; k < STACK; k++) {
        if (p >= series[k].count) {
            return;
        }
    }
    double total = series[PRODUCT].y[p];
    for (size_t k = 0; k < PRODUCT; k++) {
        total = fmax(total, series[k].y[p]);
    }
    pl_format_number(total, number);
    pl_buf_printf(out, "%s%s%s  %s ms", p > 0 ? places[p].transform : places[p].name,
                  p > 0 ? " " : "", p > 0 ? places[p].online : "", number);
    pl_format_number(series[PRODUCT].y[p], number);
    pl_buf_printf(out, ", product %s", number);
}

const pl_kind pl_kind_latency = {
    .name = "latency",
    .title = "Latency",
    .summary = "What a block's linear layers, or a layer, take on this machine with 8-bit codes: "
               "product, quantization and transform, apart and fused, beside float32 "
               "(`cost measure=yes`)",
    .forms = "prefill|decode|layer_prefill|layer_decode",
    .uses = PL_USES_LAYER | PL_USES_COSTS,
    .commands = put_timing,
    .make = make_latency,
    .look = {.help =
                 "Times of the last `cost measure=yes` on this machine: bars of the product and "
                 "of what comes before it, for each shape of transform; in passes apart, "
                 "right fused.",
             .snaps = true,
             .say = say_latency},
};
