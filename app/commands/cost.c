/* cost: what a transform costs at inference. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/online.h"
#include "core/lab/transformed.h"
#include "core/study/latency.h"

#include <string.h>

/* Seconds for x <- x T on rows, the median of some rounds. */
static pl_status time_inputs(const pl_transform *t, pl_view rows, double *out, pl_task *task,
                             pl_error *err)
{
    enum { ROUNDS = 7 };
    double times[ROUNDS];
    pl_mat x = {0};
    pl_status status = pl_mat_copy(&x, rows, err);
    for (size_t i = 0; status == PL_OK && i < ROUNDS; i++) {
        memcpy(x.data, rows.data, x.rows * x.cols * sizeof *x.data);
        const double start = pl_clock_now();
        status = pl_transform_inputs(t, x.data, x.rows, task, err);
        const double took = pl_clock_now() - start;
        size_t at = i;
        for (; at > 0 && times[at - 1] > took; at--) {
            times[at] = times[at - 1];
        }
        times[at] = took;
    }
    *out = status == PL_OK ? times[ROUNDS / 2] : 0.0;
    pl_mat_deinit(&x);
    return status;
}

/* Seconds a token: the site's input on its stored rows, and the heads of queries and keys. */
static pl_status measure_transform(const pl_online *cost, const pl_transform *t,
                                   const pl_site_stats *stats, double *out, pl_task *task,
                                   pl_error *err)
{
    const size_t rows = stats->sample_rows;
    const pl_view sample = {stats->sample, rows, stats->n, stats->n};
    double inputs = 0.0, heads = 0.0;
    pl_transform *left = NULL;
    pl_mat keys = {0};
    pl_status status = PL_OK;
    if (cost->inputs) {
        status = pl_transform_left(t, &left, err);
        PL_THEN(time_inputs(left != NULL ? left : t, sample, &inputs, task, err));
    }
    if (cost->keys != NULL) { /* numbers of any size take the same time */
        PL_THEN(pl_mat_init(&keys, rows * cost->heads, cost->head_dim, err));
        PL_THEN(time_inputs(cost->keys, pl_mat_view(&keys), &heads, task, err));
    }
    *out = (inputs + heads) / (double)rows;
    pl_transform_destroy(left);
    pl_mat_deinit(&keys);
    return status;
}

static void put_online(json_t *out, const pl_online *cost, const pl_transform *t, double seconds)
{
    pl_buf text = {0};
    pl_transform_describe(t, &text);
    pl_json_set(out, "transform", json_string(text.data != NULL ? text.data : ""));
    pl_json_set(out, "folds",
                cost->folds && cost->fold != NULL ? json_string(cost->fold) : json_null());
    pl_json_set(out, "online", json_boolean(cost->online));
    pl_json_set(out, "flops_per_token", pl_json_number(cost->flops));
    pl_json_set(out, "bytes", pl_json_number(cost->bytes));
    pl_json_set(out, "share_of_layers", pl_json_number(cost->share));
    pl_json_set(out, "seconds_per_token", pl_json_number(seconds));
    pl_buf_deinit(&text);
}

/* The cost of a learned transform does not depend on what it has learned: if learning has not
 * begun, its initial value is taken, and discarded afterwards. */
static pl_status take_transform(pl_context cx, pl_id calibration, size_t layer, const pl_spec *spec,
                                pl_transform **out, pl_error *err)
{
    pl_id key = {0};
    pl_learning start = {0};
    pl_status status = pl_site_transform_now(cx, calibration, layer, spec, out, &key, err);
    if (status == PL_OK && *out == NULL) {
        status = pl_site_learn(cx, calibration, layer, 0, &start, err);
        pl_learning_deinit(&start);
        PL_THEN(pl_site_transform_now(cx, calibration, layer, spec, out, &key, err));
        PL_THEN(pl_site_forget(cx, calibration, layer, err));
    }
    return status;
}

/* --- measure=yes -------------------------------------------------------------------------------
 */

static bool measures(const pl_call *call)
{
    const char *value = pl_call_value(call, "measure");
    return value != NULL && strcmp(value, "yes") == 0;
}

/* A paper's page has no room for all columns; CSV and JSON have them. */
static json_t *rows_for_paper(json_t *rows)
{
    static const char *const kept[] = {
        "part",   "phase",          "product",         "transform", "online",  "threads",
        "kernel", "online_seconds", "product_seconds", "seconds",   "speedup", "slowdown"};
    json_t *out = json_array();
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        json_t *line = json_object();
        for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
            pl_json_set(line, kept[k], json_incref(json_object_get(row, kept[k])));
        }
        pl_json_append(out, line);
    }
    return out;
}

static pl_status write_rows(pl_call *call, const pl_state *state, json_t *rows, pl_task *task,
                            pl_error *err)
{
    const char *path = pl_call_value(call, "file");
    const bool paper = path != NULL && pl_text_ends(path, ".tex");
    json_t *written = paper ? rows_for_paper(rows) : json_incref(rows);
    pl_status status = pl_rows_write(call, state, written, task, err);
    json_decref(written);
    return status;
}

static pl_status run_measured(pl_call *call, pl_context cx, size_t layer, pl_error *err)
{
    const double start = pl_clock_now();
    pl_latency_spec spec = {.layer = layer};
    pl_buf said = {0};
    json_t *found = NULL;
    pl_status status = pl_usage_size(call, "tokens", 2, 1u << 16, &spec.tokens, err);
    PL_THEN(pl_usage_size(call, "repeats", 1, 1000, &spec.repeats, err));
    PL_THEN(pl_rows_check_file(call, err));
    if (status == PL_OK) {
        pl_buf_printf(&said, "cost %s measure=yes tokens=%zu repeats=%zu\n",
                      pl_model_layer(cx.state->source->model, layer)->name, spec.tokens,
                      spec.repeats);
        status = pl_buf_check(&said, err);
    }
    PL_THEN(pl_latency_run(cx, &spec, said.data, &found, err));
    PL_THEN(write_rows(call, cx.state, json_object_get(found, "rows"), cx.task, err));
    if (status == PL_OK) {
        (void)json_object_update(call->result, found);
        pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    }
    json_decref(found);
    pl_buf_deinit(&said);
    return status;
}

static const struct {
    const char *head, *key, *format;
    double unit;
} shown[] = {
    {"transform", "transform_seconds", "%.4g", 1e3},
    {"quantize", "quantize_seconds", "%.4g", 1e3},
    {"online", "online_seconds", "%.4g", 1e3},
    {"product", "product_seconds", "%.4g", 1e3},
    {"total", "seconds", "%.4g", 1e3},
    {"25 %", "seconds_q1", "%.4g", 1e3},
    {"75 %", "seconds_q3", "%.4g", 1e3},
    {"speedup", "speedup", "%.2fx", 1.0},
    {"slowdown", "slowdown", "%.2fx", 1.0},
};
enum { SHOWN = sizeof shown / sizeof *shown };

/* "int8 hadamard fused". */
static void put_way(const json_t *row, pl_buf *out)
{
    const char *online = json_string_value(json_object_get(row, "online"));
    pl_buf_puts(out, json_string_value(json_object_get(row, "product")));
    if (online != NULL && strcmp(online, "none") != 0) {
        pl_buf_printf(out, " %s %s", json_string_value(json_object_get(row, "transform")), online);
    }
}

static pl_status fill_table(json_t *rows, const char *part, const char *phase, pl_table *table,
                            pl_error *err)
{
    size_t i = 0, count = 0, at = 0;
    const json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        count += pl_json_text_is(row, "part", part) && pl_json_text_is(row, "phase", phase);
    }
    pl_status status = pl_table_init(table, count, SHOWN + 1, err);
    PL_THEN(pl_table_head(table, 0, "", err));
    for (size_t k = 0; status == PL_OK && k < SHOWN; k++) {
        status = pl_table_head(table, k + 1, shown[k].head, err);
    }
    json_array_foreach(rows, i, row)
    {
        pl_buf way = {0};
        if (status != PL_OK || !pl_json_text_is(row, "part", part) ||
            !pl_json_text_is(row, "phase", phase)) {
            continue;
        }
        put_way(row, &way);
        PL_THEN(pl_buf_check(&way, err));
        PL_THEN(pl_table_text(table, at, 0, way.data, err));
        for (size_t k = 0; status == PL_OK && k < SHOWN; k++) {
            status = pl_table_number(table, at, k + 1, shown[k].format,
                                     shown[k].unit * pl_json_number_of(row, shown[k].key), "", err);
        }
        at++;
        pl_buf_deinit(&way);
    }
    return status;
}

static void put_cost_text(const pl_call *call, pl_buf *out)
{
    static const char *const parts[] = {"layer", "block"}, *const phases[] = {"prefill", "decode"};
    json_t *rows = json_object_get(call->result, "rows"), *rest = json_copy(call->result);
    json_object_del(rest, "rows");
    pl_result_object(rest, out);
    for (size_t i = 0; i < 4; i++) {
        pl_table table = {0};
        if (fill_table(rows, parts[i / 2], phases[i % 2], &table, NULL) == PL_OK &&
            table.rows > 0) {
            pl_buf_printf(out, "\n%s, %s: milliseconds\n", parts[i / 2], phases[i % 2]);
            pl_table_put_text(&table, call->columns, "25 % 75 % transform quantize", out);
        }
        pl_table_deinit(&table);
    }
    json_decref(rest);
}

/* "prefill: int8 2.61x as fast, less 0.26x behind hadamard, 0.07x behind kronecker, fused". */
static void put_measured_line(const pl_call *call, pl_buf *out)
{
    const json_t *rows = json_object_get(call->result, "rows");
    const char *missing = json_string_value(json_object_get(call->result, "int8_missing"));
    size_t i = 0;
    const json_t *row = NULL;
    if (missing != NULL) {
        pl_buf_printf(out, "float32 alone: %s", missing);
        return;
    }
    pl_buf_puts(out, "prefill");
    json_array_foreach(rows, i, row)
    {
        if (!pl_json_text_is(row, "part", "layer") || !pl_json_text_is(row, "phase", "prefill") ||
            !pl_json_text_is(row, "product", "int8") || !pl_json_text_is(row, "online", "fused")) {
            continue;
        }
        if (pl_json_text_is(row, "transform", "none")) {
            pl_buf_printf(out, ": int8 %.2fx", pl_json_number_of(row, "speedup"));
        } else if (pl_json_text_is(row, "transform", "hadamard") ||
                   pl_json_text_is(row, "transform", "kronecker")) {
            pl_buf_printf(out, ", %s \u2212%.2fx",
                          json_string_value(json_object_get(row, "transform")),
                          pl_json_number_of(row, "slowdown"));
        }
    }
}

static void put_cost(const pl_call *call, pl_buf *out)
{
    if (measures(call)) {
        put_cost_text(call, out);
    } else {
        pl_result_object(call->result, out);
    }
}

static void put_cost_line(const pl_call *call, pl_buf *out)
{
    if (measures(call)) {
        put_measured_line(call, out);
    } else {
        pl_line_cost(call, out);
    }
}

static void follow_cost(pl_screen *screen, const pl_call *call, pl_status how)
{
    if (how == PL_OK && measures(call)) {
        pl_screen_follow_scores(screen);
    }
}

static void put_cost_help(pl_buf *out)
{
    pl_buf_puts(
        out,
        "\nWith measure=yes the layer, and all linear layers of its block, are timed on this\n"
        "machine: prefill (tokens= rows) and decoding (one row), in float32 (OpenBLAS) and with\n"
        "8-bit codes of weights and inputs (oneDNN, where the processor has AVX-512 VNNI; fewer\n"
        "bits take as long). Each is timed alone and behind every shape of transform: diagonal\n"
        "(smoothquant, awq, where it does not fold), hadamard, kronecker (flatquant) and a dense\n"
        "orthogonal matrix, with the inputs quantized per token; apart: a pass over all rows for\n"
        "the transform, one for the ranges, one for the codes; fused: all of it while a row is in\n"
        "the cache. Nothing needs to be calibrated or solved.\n\n"
        "speedup is float32's time over this one's; slowdown what of the speedup without a\n"
        "transform the transform takes, as FlatQuant's 0.07x and QuaRot's 0.26x are meant.\n"
        "Attention, norms and gates, the same under each, are not timed.\n\n"
        "The protocol: threads are bound to processors, a repeat goes through all ways once, each\n"
        "use of weights reads another copy of them so that no cache holds them, the first repeat\n"
        "is not counted; medians, and quartiles (25 %, 75 %) as the spread. Times are kept for\n"
        "`plot latency` under this machine's name alone, and `rebuild` of such a figure measures\n"
        "again: it differs.\n\n"
        "  cost 1.q_proj measure=yes file=latency.csv; plot latency file=latency.png\n");
}

static const pl_key cost_keys[] = {
    {"measure", PL_KEY_CHOICE, "no", "no|yes", "time the layer and its block on this machine"},
    {"tokens", PL_KEY_INT, "512", NULL, "of measure=yes: rows of a prefill"},
    {"repeats", PL_KEY_INT, "15", NULL, "of measure=yes: how often each is timed"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "of measure=yes: the rows as .csv, .tex or .json"},
    {0},
};

static pl_status run_cost(pl_call *call, pl_context cx, pl_error *err)
{
    size_t layer = 0;
    pl_id calibration = {0};
    pl_transform *t = NULL;
    pl_site_stats stats = {0};
    double seconds = 0.0;
    size_t choice = 0;
    pl_status status = pl_usage_choice(call, "measure", &choice, err);
    PL_THEN(pl_target_layer(call, cx.state, 0, &layer, err));
    if (status != PL_OK || measures(call)) {
        return status == PL_OK ? run_measured(call, cx, layer, err) : status;
    }
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    const pl_spec *spec = pl_state_spec(cx.state, layer, PL_SLOT_TRANSFORM);
    if (spec->method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: no transform is set: choose one, e.g. `method hadamard`",
                            info->name);
    }
    status = pl_lab_calibration(cx, &calibration, err);
    PL_THEN(take_transform(cx, calibration, layer, spec, &t, err));
    PL_THEN(pl_lab_load_site(cx, calibration, info->site, PL_GRAM_NONE, true, &stats, err));
    if (status == PL_OK) {
        const pl_site *site = pl_model_site(cx.state->source->model, info->site);
        const pl_online cost = pl_site_online(cx.state, site, t);
        if (stats.sample_rows > 0) {
            status = measure_transform(&cost, t, &stats, &seconds, cx.task, err);
        }
        pl_json_set(call->result, "layer", json_string(info->name));
        put_online(call->result, &cost, t, seconds);
    }
    pl_site_stats_deinit(&stats);
    pl_transform_destroy(t);
    return status;
}

const pl_command pl_command_cost = {
    .name = "cost",
    .positional = "[LAYER]",
    .max_words = 1,
    .keys = cost_keys,
    .needs_model = true,
    .of_run = "rows seconds_per_token processor threads pinned kernel int8_kernel int8_missing "
              "copied_bytes",
    .summary = "What the transform of a layer costs at inference, and what of it folds away; "
               "measured: float32 and int8, layer and block, behind every shape of transform",
    .put_text = put_cost,
    .put_line = put_cost_line,
    .run = run_cost,
    .slow = measures,
    .unit = "repeats",
    .rebuild = PL_REBUILD_RUN,
    .follow = follow_cost,
    .more_help = put_cost_help,
};
