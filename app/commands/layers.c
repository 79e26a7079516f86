/* layers: the linear layers with their scores. */
#include "app/commands/parts.h"
#include "app/commands/remarks.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/metrics/recon.h"
#include "core/model/bare.h"
#include "core/study/layer_table.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "astro > gptq", "import": what a solved layer was solved with; null for others. */
static const char of_another_model[] = "of another model";

static void put_method_of(json_t *line, const pl_state *state, size_t layer)
{
    pl_buf text = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT && pl_state_result(state, layer) != NULL; slot++) {
        const pl_spec *spec = pl_state_spec(state, layer, slot);
        if (spec->method != NULL) {
            pl_buf_printf(&text, "%s%s", text.size > 0 ? " > " : "", spec->method->name);
        }
    }
    if (pl_state_is_foreign(state, layer)) {
        pl_buf_puts(&text, of_another_model);
    }
    pl_json_set(line, "method", text.size > 0 ? json_string(text.data) : json_null());
    pl_buf_deinit(&text);
}

/* Why a layer's weight cannot be read; the first few of a file are told. */
static void warn_problem(pl_lab *lab, pl_model *model, size_t layer, size_t before)
{
    const size_t told = 3;
    const pl_layer *info = pl_model_layer(model, layer);
    pl_mat w = {0};
    pl_error why = {0};
    pl_status status = pl_mat_init(&w, info->rows, info->cols, &why);
    if (status == PL_OK && before < told) {
        status = pl_model_read_weight(model, layer, w.data, &why);
    }
    if (status != PL_OK) {
        pl_lab_warn(lab, why.message);
    } else if (before == told) {
        pl_lab_warn(lab, "more layers cannot be read");
    }
    pl_mat_deinit(&w);
}

/* What is listed, and how. */
typedef struct listing {
    pl_column sort; /* PL_COLUMN_COUNT: model order */
    bool rising;
    size_t top;
    pl_column columns[PL_COLUMN_COUNT]; /* none: the usual ones */
    size_t n_columns;
    const char *glob;
} listing;

static pl_status read_listing(const pl_call *call, listing *out, pl_error *err)
{
    size_t sort = 0, rising = 0;
    *out = (listing){.top = SIZE_MAX, .glob = pl_call_value(call, "on")};
    const char *columns = pl_call_value(call, "columns");
    pl_status status = pl_usage_choice(call, "sort", &sort, err);
    PL_THEN(pl_usage_choice(call, "order", &rising, err));
    if (status == PL_OK && pl_call_value(call, "top") != NULL) {
        status = pl_usage_size(call, "top", 1, SIZE_MAX, &out->top, err);
    }
    if (status == PL_OK && columns != NULL) {
        status = pl_read_columns(call, columns, out->columns, &out->n_columns, err);
    }
    PL_THEN(pl_rows_check_file(call, err));
    out->sort = sort == 0 ? PL_COLUMN_COUNT : (pl_column)(sort - 1);
    out->rising = rising == 1;
    return status;
}

static bool lists(const listing *l, pl_column column)
{
    bool listed = l->sort == column;
    for (size_t i = 0; i < l->n_columns && l->n_columns < PL_COLUMN_COUNT; i++) {
        listed = listed || l->columns[i] == column;
    }
    return listed;
}

/* Losses on different texts or windows make no order. */
static void warn_of_costs(pl_context cx, const listing *l)
{
    static const pl_column columns[] = {PL_COLUMN_KL, PL_COLUMN_KL_ESTIMATE};
    pl_error why = {0};
    for (size_t i = 0; i < 2; i++) {
        if (lists(l, columns[i]) &&
            pl_sensitivity_check(cx.lab, cx.state, "layers", i == 1, NULL, &why) != PL_OK) {
            pl_lab_warn(cx.lab, why.message);
        }
    }
}

static bool asks_for_inputs(const listing *l)
{
    bool asks = l->sort != PL_COLUMN_COUNT && pl_columns[l->sort].source == PL_OF_INPUTS;
    for (size_t i = 0; i < l->n_columns && l->n_columns < PL_COLUMN_COUNT; i++) {
        asks = asks || pl_columns[l->columns[i]].source == PL_OF_INPUTS;
    }
    return asks;
}

static double listed_number(const pl_state *state, const pl_layer_row *rows, size_t layer,
                            pl_column c)
{
    return pl_layer_number(&rows[layer], c, pl_state_result(state, layer));
}

static void put_numbers(json_t *line, const pl_state *state, const pl_layer_row *rows, size_t layer,
                        const pl_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const pl_column_info *info = &pl_columns[columns[i]];
        const double number = listed_number(state, rows, layer, columns[i]);
        const bool whole = info->scale == PL_COUNTED && isfinite(number);
        if (json_object_get(line, info->name) == NULL) {
            pl_json_set(line, info->name,
                        whole ? json_integer((json_int_t)number) : pl_json_number(number));
        }
    }
}

static json_t *line_of(const pl_state *state, pl_lab *lab, const pl_layer_row *rows, size_t layer,
                       const listing *l)
{
    static const pl_column usual[] = {PL_COLUMN_WEIGHT_MAX, PL_COLUMN_WEIGHT_RATIO,
                                      PL_COLUMN_INPUT_RATIO};
    const pl_model *model = state->source->model;
    const pl_layer *info = pl_model_layer(model, layer);
    json_t *line = json_pack("{s:s, s:I, s:I}", "name", info->name, "rows", (json_int_t)info->rows,
                             "cols", (json_int_t)info->cols);
    if (l->n_columns > 0) {
        put_numbers(line, state, rows, layer, l->columns, l->n_columns);
    } else {
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
            pl_json_set(line, pl_columns[usual[i]].name,
                        pl_json_number(listed_number(state, rows, layer, usual[i])));
        }
        put_method_of(line, state, layer);
        const double rounded = listed_number(state, rows, layer, PL_COLUMN_ROUNDED_ERROR);
        const double error = listed_number(state, rows, layer, PL_COLUMN_ERROR);
        pl_json_set(line, "sqnr", pl_json_number(pl_sqnr(isfinite(rounded) ? rounded : error)));
        pl_json_set(line, "bits_per_weight",
                    pl_json_number(listed_number(state, rows, layer, PL_COLUMN_BITS)));
        if (pl_model_config(model)->experts > 0) { /* not every layer sees every token */
            const double tokens = pl_lab_site_tokens(lab, state, info->site);
            pl_json_set(line, "tokens",
                        isfinite(tokens) ? json_integer((json_int_t)tokens) : json_null());
        }
    }
    if (l->sort != PL_COLUMN_COUNT) {
        put_numbers(line, state, rows, layer, &l->sort, 1);
    }
    if (state->n_remarks > 0) {
        pl_put_remarks_of(line, state, layer);
    }
    return line;
}

/* The layers to list, in order: out[n]; returns how many. */
static size_t choose_listed(const pl_state *state, const pl_layer_row *rows, const listing *l,
                            size_t *out, double *values)
{
    const pl_model *model = state->source->model;
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        values[i] = l->sort == PL_COLUMN_COUNT ? 0 : listed_number(state, rows, i, l->sort);
        if (l->glob == NULL || pl_model_layer_matches(model, i, l->glob)) {
            out[count++] = i;
        }
    }
    pl_layers_order(out, count, l->sort == PL_COLUMN_COUNT ? NULL : values, l->rising);
    return count < l->top ? count : l->top;
}

static pl_status list_layers(pl_call *call, pl_context cx, const listing *l,
                             const pl_layer_row *rows, pl_error *err)
{
    const size_t n = pl_model_layer_count(cx.state->source->model);
    size_t *layers = calloc(n + 1, sizeof *layers), problems = 0;
    double *values = calloc(n + 1, sizeof *values);
    json_t *list = json_array();
    pl_status status = PL_OK;
    pl_json_set(call->result, "layers", list);
    if (layers == NULL || values == NULL) {
        status = pl_error_memory(err, "a result");
    } else {
        const size_t count = choose_listed(cx.state, rows, l, layers, values);
        for (size_t i = 0; i < count; i++) {
            if (rows[layers[i]].problem == PL_ERR_NUMERIC) {
                warn_problem(cx.lab, cx.state->source->model, layers[i], problems++);
            }
            pl_json_append(list, line_of(cx.state, cx.lab, rows, layers[i], l));
        }
        if (count == 0 && l->glob != NULL) {
            status = pl_error_set(err, PL_ERR_NOT_FOUND, "layers: no layer matches on=%s", l->glob);
        }
    }
    PL_THEN(pl_rows_write(call, cx.state, list, cx.task, err));
    free(layers);
    free(values);
    return status;
}

static pl_status run_layers_command(pl_call *call, pl_context cx, pl_error *err)
{
    listing l;
    pl_model *model = cx.state->source->model;
    const size_t n = pl_model_layer_count(model);
    pl_layer_row *rows = NULL;
    pl_id calibration = {0};
    pl_status status = read_listing(call, &l, err);
    /* Given inputs need no `calibrate`. */
    if (status == PL_OK && (asks_for_inputs(&l) || pl_model_inputs(model) != NULL)) {
        status = pl_lab_calibration(cx, &calibration, err);
    }
    if (status == PL_OK) {
        rows = calloc(n + 1, sizeof *rows);
        status =
            rows == NULL ? pl_error_memory(err, "a result") : pl_layer_rows(cx, 0, n, rows, err);
    }
    if (status == PL_OK) {
        warn_of_costs(cx, &l);
    }
    PL_THEN(list_layers(call, cx, &l, rows, err));
    free(rows);
    return status;
}

static const pl_key layers_keys[] = {
    {"sort", PL_KEY_CHOICE, "model", "model" PL_COLUMN_CHOICES, "order by a column"},
    {"order", PL_KEY_CHOICE, "falling", "falling|rising", "the largest or the smallest first"},
    {"top", PL_KEY_INT, NULL, NULL, "so many of them only"},
    {"columns", PL_KEY_TEXT, NULL, NULL, "these columns, separated by commas, or all"},
    {"on", PL_KEY_TEXT, NULL, NULL, "only layers whose name matches this glob"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "also as a table: .csv or .tex"},
    {0},
};

/* The columns there are, for help. */
static void help_layers(pl_buf *out)
{
    pl_buf_puts(out, "columns:\n");
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        pl_buf_printf(out, "  %-16s %s\n", pl_columns[c].name, pl_columns[c].help);
    }
}

static const pl_alias layers_aliases[] = {
    {"worst", "sort=input_ratio top=10", "the layers with the largest outliers", false},
    {"sort", "sort=", "the layers by any of their numbers, as a table", true},
    {0},
};

const pl_command pl_command_layers = {
    .name = "layers",
    .positional = "",
    .keys = layers_keys,
    .needs_model = true,
    .summary = "List the linear layers with what is known of them",
    .least = "rows cols sqnr weight_max",
    .run = run_layers_command,
    .aliases = layers_aliases,
    .more_help = help_layers,
};
