/* The tables of a report. */
#include "app/commands/report_parts.h"

#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "core/base/file.h"
#include "core/base/number.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/state/kept.h"
#include "core/state/record.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_OVERRIDES = 12 };

/* --- names with values ------------------------------------------------------------------------ */

/* The next value's text, to be appended to, under that name. */
static pl_buf *next_pair(pl_pairs *p, const char *name)
{
    const size_t at = p->n < PL_MOST_PAIRS ? p->n++ : PL_MOST_PAIRS - 1;
    pl_buf_puts(&p->names[at], name);
    return &p->values[at];
}

void pl_pair_number(pl_pairs *p, const char *name, const char *format, double value)
{
    if (isfinite(value)) {
        char text[64], shown[64];
        snprintf(text, sizeof text, format, value);
        pl_text_minus(text, shown, sizeof shown);
        pl_buf_puts(next_pair(p, name), shown);
    }
}

pl_status pl_report_add_pairs(pl_report_draft *draft, pl_pairs *p, const char *head,
                              const char *caption, pl_error *err)
{
    pl_table table = {0};
    pl_status status = p->n > 0 ? pl_table_init(&table, p->n, 2, err) : PL_OK;
    for (size_t i = 0; i < p->n; i++) {
        PL_THEN(pl_buf_check(&p->names[i], err));
        PL_THEN(pl_buf_check(&p->values[i], err));
        PL_THEN(pl_table_text(&table, i, 0, p->names[i].data, err));
        PL_THEN(pl_table_text(&table, i, 1, p->values[i].data, err));
    }
    if (p->n > 0) {
        PL_THEN(pl_table_head(&table, 0, head, err));
        PL_THEN(pl_table_head(&table, 1, "value", err));
        PL_THEN(pl_document_add_table(&draft->document, &table, caption, err));
    }
    pl_table_deinit(&table);
    for (size_t i = 0; i < p->n; i++) {
        pl_buf_deinit(&p->names[i]);
        pl_buf_deinit(&p->values[i]);
    }
    p->n = 0;
    return status;
}

/* --- what was set ----------------------------------------------------------------------------- */

void pl_put_spaced(const char *name, pl_buf *out)
{
    for (; *name != '\0'; name++) {
        pl_buf_append(out, *name == '_' ? " " : name, 1);
    }
    pl_buf_puts(out, "");
}

/* "Astro: beta 0.0003, group size 128, ..." */
static void put_spec_in_full(const pl_spec *spec, pl_buf *out)
{
    if (spec->method == NULL) {
        pl_buf_puts(out, "none");
        return;
    }
    pl_buf_puts(out, spec->method->title != NULL ? spec->method->title : spec->method->name);
    const char *before = ": ";
    for (size_t i = 0; i < spec->method->n_params; i++) {
        if (pl_spec_is_written(spec, i)) {
            pl_buf_puts(out, before);
            pl_put_spaced(spec->method->params[i].name, out);
            pl_buf_puts(out, " ");
            pl_spec_format_value(spec, i, out);
            before = ", ";
        }
    }
}

static const char *const slot_names[PL_SLOT_COUNT] = {
    [PL_SLOT_TRANSFORM] = "Transform",
    [PL_SLOT_PRECONDITION] = "Preconditioner",
    [PL_SLOT_ROUND] = "Rounding",
};

/* The methods of the layer, or of all and then of those that have their own. */
static void put_method_pairs(const pl_report_draft *draft, pl_pairs *p)
{
    const pl_state *state = draft->cx.state;
    const bool one = draft->layer != SIZE_MAX;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = one ? pl_state_spec(state, draft->layer, slot) : &state->slots[slot];
        if (spec->method != NULL) {
            put_spec_in_full(spec, next_pair(p, slot_names[slot]));
        }
    }
    for (size_t i = 0; i < state->n_overrides && !one; i++) {
        const pl_override *over = &state->overrides[i];
        if (state->n_overrides > MOST_OVERRIDES) {
            pl_buf_printf(next_pair(p, "Of single layers"),
                          "%zu settings of their own, see the commands", state->n_overrides);
            break;
        }
        char name[160], safe[128];
        pl_text_escape(over->glob, strlen(over->glob), safe, sizeof safe);
        snprintf(name, sizeof name, "%s of %s", slot_names[over->slot], safe);
        put_spec_in_full(&over->spec, next_pair(p, name));
    }
}

static void put_grids(const pl_state *state, pl_pairs *p)
{
    const pl_act_grid *a = &state->activations, *kv = &state->kv;
    if (a->bits > 0) {
        pl_buf *out = next_pair(p, "Activations");
        pl_act_put_words(a, out);
        pl_buf_printf(out, ", %s", a->fixed ? "one range for all tokens" : "a range per token");
        pl_buf_puts(out, a->clip < 1.0 ? ", clipped at " : "");
        if (a->clip < 1.0) {
            pl_buf_printf(out, "%g of it", a->clip);
        }
    }
    if (kv->bits > 0) {
        pl_buf *out = next_pair(p, "Keys and values");
        pl_act_put_words(kv, out);
        pl_buf_puts(out, ", ");
        if (state->kv_group_size > 0) {
            pl_buf_printf(out, "groups of %zu", state->kv_group_size);
        } else {
            pl_buf_puts(out, "a range per head");
        }
    }
}

static void put_names(const char *const *paths, size_t count, pl_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        char safe[256];
        const char *name = pl_path_name(paths[i]);
        pl_text_escape(name, strlen(name), safe, sizeof safe);
        pl_buf_printf(out, "%s%s", i > 0 ? ", " : "", safe);
    }
}

static void put_calibration_pair(const pl_report_draft *draft, pl_pairs *p)
{
    const pl_calibration *calibration = &draft->cx.state->calibration;
    const pl_protocol *protocol = &calibration->protocol;
    const pl_model *model = draft->cx.state->source->model;
    if (!draft->inputs) {
        return;
    }
    pl_buf *out = next_pair(p, "Calibration");
    if (pl_model_inputs(model) != NULL) {
        pl_buf_printf(out, "the inputs of %s", pl_model_inputs_name(model));
    }
    if (calibration->n_texts > 0) {
        pl_buf_printf(out, "%zu %swindows of %zu tokens of ", protocol->windows,
                      protocol->sample == PL_SAMPLE_RANDOM ? "random " : "", protocol->length);
        put_names((const char *const *)calibration->texts, calibration->n_texts, out);
        if (protocol->sample == PL_SAMPLE_RANDOM) {
            pl_buf_printf(out, ", seed %llu", (unsigned long long)protocol->seed);
        }
    }
}

static void put_solved(const pl_report_draft *draft, pl_pairs *p)
{
    const pl_state *state = draft->cx.state;
    const size_t layers = pl_model_layer_count(state->source->model);
    const size_t solved = pl_state_solved_count(state);
    size_t sequential = 0;
    for (size_t i = 0; i < layers; i++) {
        sequential += pl_state_result(state, i) != NULL && state->solved[i].sequential;
    }
    pl_buf *out = next_pair(p, "Solved");
    pl_buf_printf(out, "%zu of %zu layers, ", solved, layers);
    pl_buf_puts(out, !draft->inputs    ? "without inputs"
                     : sequential == 0 ? "on the original model's inputs"
                                       : "block by block on what the quantized blocks before give");
    if (sequential > 0 && sequential < solved) {
        pl_buf_printf(out, "; %zu of them on the original model's inputs", solved - sequential);
    }
    if (state->imported.path != NULL && pl_state_import_count(state) > 0) {
        pl_buf_printf(next_pair(p, "Imported"), "%zu layers of %s", pl_state_import_count(state),
                      pl_path_name(state->imported.path));
    }
}

pl_status pl_report_setting(pl_report_draft *draft, pl_error *err)
{
    const pl_state *state = draft->cx.state;
    const pl_model *model = state->source->model;
    const pl_config *config = pl_model_config(model);
    pl_pairs *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "a report");
    }
    char safe[160], parameters[PL_NUMBER_TEXT];
    pl_text_escape(config->architecture, strlen(config->architecture), safe, sizeof safe);
    pl_buf_puts(next_pair(p, "Model"), pl_model_name(model));
    if (config->blocks > 0) {
        pl_buf_printf(next_pair(p, "Architecture"), "%s, %zu blocks, hidden size %zu", safe,
                      config->blocks, config->hidden_size);
    }
    pl_format_count((double)pl_model_parameters(model), parameters);
    pl_buf_puts(next_pair(p, "Parameters"), parameters);
    if (draft->layer != SIZE_MAX) {
        const pl_layer *layer = pl_model_layer(model, draft->layer);
        pl_buf_printf(next_pair(p, "Layer"), "%s, %zu rows, %zu columns", layer->name, layer->rows,
                      layer->cols);
    } else {
        pl_buf_printf(next_pair(p, "Linear layers"), "%zu", pl_model_layer_count(model));
    }
    put_calibration_pair(draft, p);
    const bool solved = draft->layer == SIZE_MAX ? pl_state_solved_count(state) > 0
                                                 : pl_state_result(state, draft->layer) != NULL;
    if (solved) {
        put_method_pairs(draft, p);
    }
    put_grids(state, p);
    if (solved) {
        put_solved(draft, p);
    }
    pl_status status = pl_report_add_pairs(draft, p, "setting", "What this report is of.", err);
    free(p);
    return status;
}

/* --- what came of it -------------------------------------------------------------------------- */

static const struct report_number {
    const char *name, *format;
    size_t at;
} report_numbers[] = {
    {"Bits per weight, with scales", "%.5g", offsetof(pl_solve_report, bits_per_weight)},
    {"Relative error before rounding", "%.5g", offsetof(pl_solve_report, relative_error)},
    {"Relative error of the rounded weights", "%.5g",
     offsetof(pl_solve_report, rounded_relative_error)},
    {"Relative error of the outputs", "%.5g", offsetof(pl_solve_report, output_error)},
    {"Certified gap to the optimum, at most", "%.3g", offsetof(pl_solve_report, gap)},
    {"Bound on the rounding error", "%.5g", offsetof(pl_solve_report, bound)},
    {"Mean group maximum before", "%.5g", offsetof(pl_solve_report, group_max_before)},
    {"Mean group maximum after", "%.5g", offsetof(pl_solve_report, group_max_after)},
    {"Weights' flatness before", "%.5g", offsetof(pl_solve_report, flatness_weight_before)},
    {"Weights' flatness after", "%.5g", offsetof(pl_solve_report, flatness_weight_after)},
    {"Inputs' flatness before", "%.5g", offsetof(pl_solve_report, flatness_input_before)},
    {"Inputs' flatness after", "%.5g", offsetof(pl_solve_report, flatness_input_after)},
    {"Weights' kurtosis before", "%.5g", offsetof(pl_solve_report, kurtosis_weight_before)},
    {"Weights' kurtosis after", "%.5g", offsetof(pl_solve_report, kurtosis_weight_after)},
    {"Inputs' kurtosis before", "%.5g", offsetof(pl_solve_report, kurtosis_input_before)},
    {"Inputs' kurtosis after", "%.5g", offsetof(pl_solve_report, kurtosis_input_after)},
};

pl_status pl_report_results(pl_report_draft *draft, pl_error *err)
{
    pl_solve_report report = pl_solve_report_empty();
    size_t layers = 0;
    pl_status status = PL_OK;
    const pl_id *result =
        draft->layer != SIZE_MAX ? pl_state_result(draft->cx.state, draft->layer) : NULL;
    if (result != NULL) {
        status =
            pl_result_report(draft->cx.lab, draft->cx.state, draft->layer, *result, &report, err);
    } else if (draft->layer == SIZE_MAX && pl_state_solved_count(draft->cx.state) > 0) {
        status = pl_solved_all(draft->cx, NULL, NULL, &report, &layers, err);
    }
    pl_pairs *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "a report");
    }
    for (size_t i = 0; i < sizeof report_numbers / sizeof *report_numbers; i++) {
        double value = 0;
        memcpy(&value, (const char *)&report + report_numbers[i].at, sizeof value);
        pl_pair_number(p, report_numbers[i].name, report_numbers[i].format, value);
    }
    PL_THEN(pl_report_add_pairs(
        draft, p, "result",
        draft->layer != SIZE_MAX
            ? "What the solve made of the layer. Errors are ratios of squared norms."
            : "Means over the solved layers. Errors are ratios of squared norms.",
        err));
    free(p);
    return status;
}

/* --- perplexities ----------------------------------------------------------------------------- */

/* Those of the present setting, oldest first; by what else the original was measured alone, that.
 */
typedef struct measured {
    pl_measurement items[64];
    size_t n;
} measured;

static bool is_original(const pl_measurement *m)
{
    return pl_id_equal(m->setting, (pl_id){0});
}

static void find_measured(const pl_state *state, measured *out)
{
    const pl_id original = {0}, setting = pl_state_setting(state);
    json_t *list = pl_record_to_json(state->source);
    *out = (measured){.n = 0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *protocol =
            json_string_value(json_object_get(json_array_get(list, i), "protocol"));
        if (protocol != NULL && out->n < sizeof out->items / sizeof *out->items &&
            (pl_record_find(state->source, &setting, protocol, &out->items[out->n]) ||
             pl_record_find(state->source, &original, protocol, &out->items[out->n]))) {
            bool again = false; /* of another setting, by the same protocol */
            for (size_t k = 0; k < out->n; k++) {
                again = again || strcmp(out->items[k].protocol, protocol) == 0;
            }
            out->n += !again;
        }
    }
    json_decref(list);
}

/* "1.512 ± 0.03" */
static void put_with_error(double value, double error, char *out, size_t capacity)
{
    const int size = snprintf(out, capacity, "%.5g", value);
    if (isfinite(error) && size > 0 && (size_t)size < capacity) {
        snprintf(out + size, capacity - (size_t)size, "\u00a0±\u00a0%.2g", error);
    }
}

/* "20 windows of 512 tokens of test.txt, protocol gptq" of "protocol=gptq length=512 windows=20
 * text=test.txt". */
static void put_protocol(const pl_measurement *m, pl_buf *out)
{
    static const char key[] = " text=";
    char name[32] = "";
    size_t length = 0, windows = 0;
    int read = 0;
    if (sscanf(m->protocol, "protocol=%31s length=%zu windows=%zu%n", name, &length, &windows,
               &read) != 3) {
        pl_buf_puts(out, m->protocol);
        return;
    }
    if (windows > 0) {
        pl_buf_printf(out, "%zu windows", windows);
    } else {
        pl_buf_puts(out, "all windows");
    }
    pl_buf_printf(out, " of %zu tokens of ", length);
    const char *before = "";
    for (const char *text = strstr(m->protocol + read, key); text != NULL; before = ", ") {
        text += strlen(key);
        const char *next = strstr(text, key);
        const size_t size = next != NULL ? (size_t)(next - text) : strlen(text);
        pl_buf_printf(out, "%s%.*s", before, (int)size, text);
        text = next;
    }
    pl_buf_printf(out, ", protocol %s", name);
}

/* Of two columns: the original alone. */
static pl_status put_measured_row(pl_table *table, size_t row, const pl_measurement *m,
                                  pl_error *err)
{
    char original[64], now[64];
    put_with_error(m->original, m->original_error, original, sizeof original);
    put_with_error(m->perplexity, m->error, now, sizeof now);
    pl_buf protocol = {0};
    put_protocol(m, &protocol);
    pl_status status = pl_buf_check(&protocol, err);
    PL_THEN(pl_table_text(table, row, 0, protocol.data, err));
    PL_THEN(pl_table_text(table, row, 1, original, err));
    if (status == PL_OK && table->cols > 2) {
        status = pl_table_text(table, row, 2, is_original(m) ? "" : now, err);
        PL_THEN(pl_table_number(table, row, 3, "%.5g", m->kl_mean, "", err));
        PL_THEN(pl_table_number(table, row, 4, "%.0f",
                                is_original(m) ? (double)NAN : (double)m->solved, "", err));
    }
    pl_buf_deinit(&protocol);
    return status;
}

pl_status pl_report_perplexities(pl_report_draft *draft, pl_error *err)
{
    static const char *const heads[] = {"text", "perplexity, original", "perplexity, quantized",
                                        "KL divergence", "layers solved"};
    measured *m = calloc(1, sizeof *m);
    pl_table table = {0};
    if (m == NULL) {
        return pl_error_memory(err, "a report");
    }
    find_measured(draft->cx.state, m);
    pl_status status = PL_OK;
    bool solved = false;
    for (size_t i = 0; i < m->n; i++) {
        solved = solved || !is_original(&m->items[i]);
    }
    if (m->n > 0) {
        status = pl_table_init(&table, m->n, solved ? 5 : 2, err);
        for (size_t j = 0; j < table.cols; j++) {
            PL_THEN(pl_table_head(&table, j, heads[j], err));
        }
        for (size_t i = 0; i < m->n; i++) {
            PL_THEN(put_measured_row(&table, i, &m->items[i], err));
        }
        PL_THEN(pl_document_add_table(
            &draft->document, &table,
            solved ? "Perplexity with its standard error, and the mean KL divergence to the "
                     "original, nats a token, of the model as it is solved."
                   : "Perplexity of the original with its standard error.",
            err));
    }
    pl_table_deinit(&table);
    free(m);
    return status;
}

/* "perplexity protocol=gptq length=512 windows=20 text=... which=after"; the demo's own text needs
 * no name. */
static void put_perplexity_command(const pl_state *state, const pl_measurement *m, pl_buf *out)
{
    static const char key[] = " text=";
    const char *text = strstr(m->protocol, key);
    const size_t head = text != NULL ? (size_t)(text - m->protocol) : strlen(m->protocol);
    pl_buf_printf(out, "perplexity %.*s", (int)head, m->protocol);
    const bool own = state->source->demo != NULL && text != NULL &&
                     strcmp(text + strlen(key), "evaluation.txt") == 0;
    while (text != NULL && !own) {
        text += strlen(key);
        const char *next = strstr(text, key);
        char name[sizeof m->protocol];
        snprintf(name, sizeof name, "%.*s", next != NULL ? (int)(next - text) : (int)strlen(text),
                 text);
        pl_buf_puts(out, key);
        pl_command_quote(name, out);
        text = next;
    }
    pl_buf_puts(out, is_original(m) ? " which=before\n" : " which=after\n");
}

pl_status pl_report_measuring(const pl_report_draft *draft, pl_buf *out, pl_error *err)
{
    measured *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return pl_error_memory(err, "a report");
    }
    find_measured(draft->cx.state, m);
    for (size_t i = 0; i < m->n; i++) {
        put_perplexity_command(draft->cx.state, &m->items[i], out);
    }
    free(m);
    return PL_OK;
}

/* --- what computed ---------------------------------------------------------------------------- */

pl_status pl_report_makers(pl_report_draft *draft, pl_error *err)
{
    const pl_state *state = draft->cx.state;
    pl_id id = {0};
    char text[PL_ID_TEXT];
    pl_pairs *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return pl_error_memory(err, "a report");
    }
    pl_status status = pl_model_identity(state->source->model, &id, draft->cx.task, err);
    pl_id_format(id, text);
    pl_buf_puts(next_pair(p, "Planish"), PL_VERSION);
    pl_buf_printf(next_pair(p, "Model's identity"), "%s %s", pl_model_name(state->source->model),
                  text);
    if (status == PL_OK && state->calibration.n_texts > 0 && draft->inputs) {
        status =
            pl_figure_put_text((const char *const *)state->calibration.texts,
                               state->calibration.n_texts, next_pair(p, "Calibration text"), err);
    }
    if (state->imported.path != NULL) {
        pl_id_format(state->imported.id, text);
        pl_buf_printf(next_pair(p, "Imported"), "%s %s", pl_path_name(state->imported.path), text);
    }
    pl_buf_puts(next_pair(p, "Linear algebra"), pl_linalg_config());
    pl_buf_puts(next_pair(p, "Kernels"), pl_kernel_name());
    pl_buf_printf(next_pair(p, "Threads"), "%d", pl_linalg_threads());
    pl_page_libraries(next_pair(p, "Drawing"));
    PL_THEN(pl_report_add_pairs(
        draft, p, "what",
        "What made the numbers and this report. Identities are hashes of what was "
        "read.",
        err));
    free(p);
    return status;
}
