/* The layers of a report: their table, the worst, what predicts their cost, and the outliers. */
#include "app/commands/report_parts.h"

#include "core/state/remarks.h"
#include "core/study/channel_table.h"
#include "core/study/sensitivity.h"
#include "plots/kinds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TOP_CHANNELS = 12, TOP_LAYERS = 8 };

/* Columns that a channel of weights has, and one of inputs, without its token. */
enum { WEIGHT_HEADS = 4, INPUT_HEADS = 5 };

/* --- layers ----------------------------------------------------------------------------------- */

/* How a column's numbers are written. */
static const struct layer_column {
    pl_column column;
    const char *format;
} layer_columns[] = {
    {PL_COLUMN_WEIGHT_MAX, "%.5g"},   {PL_COLUMN_WEIGHT_RATIO, "%.5g"},
    {PL_COLUMN_INPUT_RATIO, "%.5g"},  {PL_COLUMN_KURTOSIS, "%.5g"},
    {PL_COLUMN_ERROR, "%.5g"},        {PL_COLUMN_ROUNDED_ERROR, "%.5g"},
    {PL_COLUMN_OUTPUT_ERROR, "%.5g"}, {PL_COLUMN_KL, "%.5g"},
    {PL_COLUMN_BITS, "%.5g"},
};

enum { LAYER_COLUMNS = sizeof layer_columns / sizeof *layer_columns };

double pl_report_number(const pl_report_draft *draft, size_t layer, pl_column column)
{
    return pl_layer_number(&draft->rows[layer], column, pl_state_result(draft->cx.state, layer));
}

/* Columns of the layers that a report shows, where any layer has a number there; returns how many.
 */
static size_t report_columns(const pl_report_draft *draft, pl_column out[PL_COLUMN_COUNT])
{
    size_t n = 0;
    for (size_t c = 0; c < LAYER_COLUMNS; c++) {
        bool known = false;
        for (size_t i = 0; i < pl_model_layer_count(draft->cx.state->source->model); i++) {
            known = known || isfinite(pl_report_number(draft, i, layer_columns[c].column));
        }
        if (known) {
            out[n++] = layer_columns[c].column;
        }
    }
    return n;
}

/* "rounded error"; "KL" as its head writes it. */
static void put_column_name(const pl_column_info *column, pl_buf *out)
{
    pl_put_spaced(strcasecmp(column->name, column->head) == 0 ? column->head : column->name, out);
}

static const char *column_format(pl_column column)
{
    size_t c = 0;
    while (layer_columns[c].column != column) {
        c++;
    }
    return layer_columns[c].format;
}

static pl_status put_layer_row(const pl_report_draft *draft, size_t layer, const pl_column *columns,
                               size_t n, bool shape, pl_table *table, size_t row, pl_error *err)
{
    const pl_layer *info = pl_model_layer(draft->cx.state->source->model, layer);
    pl_buf name = {0}, size = {0};
    size_t col = 0;
    pl_kind_layer_title(draft->cx.state, layer, &name);
    pl_buf_printf(&size, "%zu\u00a0×\u00a0%zu", info->rows, info->cols);
    pl_status status = pl_buf_check(&name, err);
    PL_THEN(pl_buf_check(&size, err));
    PL_THEN(pl_table_text(table, row, col++, name.data, err));
    if (shape) {
        PL_THEN(pl_table_text(table, row, col++, size.data, err));
    }
    for (size_t i = 0; i < n; i++) {
        PL_THEN(pl_table_number(table, row, col++, column_format(columns[i]),
                                pl_report_number(draft, layer, columns[i]), "", err));
    }
    pl_buf_deinit(&name);
    pl_buf_deinit(&size);
    return status;
}

/* The layers in that order, a row each. */
static pl_status add_layer_table(pl_report_draft *draft, const size_t *layers, size_t count,
                                 bool shape, const char *caption, pl_error *err)
{
    pl_column columns[PL_COLUMN_COUNT];
    const size_t n = report_columns(draft, columns), first = shape ? 2 : 1;
    pl_table table = {0};
    pl_status status = pl_table_init(&table, count, first + n, err);
    PL_THEN(pl_table_head(&table, 0, "layer", err));
    if (shape) {
        PL_THEN(pl_table_head(&table, 1, "rows × columns", err));
    }
    for (size_t i = 0; i < n && status == PL_OK; i++) {
        pl_buf head = {0};
        put_column_name(&pl_columns[columns[i]], &head);
        status = pl_buf_check(&head, err);
        PL_THEN(pl_table_head(&table, first + i, head.data, err));
        pl_buf_deinit(&head);
    }
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        status = put_layer_row(draft, layers[i], columns, n, shape, &table, i, err);
    }
    PL_THEN(pl_document_add_table(&draft->document, &table, caption, err));
    pl_table_deinit(&table);
    return status;
}

/* In the order of a column, the largest first, or in the model's. */
static pl_status ordered(const pl_report_draft *draft, pl_column column, size_t **layers,
                         pl_error *err)
{
    const size_t n = pl_model_layer_count(draft->cx.state->source->model);
    double *values = calloc(n + 1, sizeof *values);
    *layers = calloc(n + 1, sizeof **layers);
    if (*layers == NULL || values == NULL) {
        free(values);
        return pl_error_memory(err, "a report");
    }
    for (size_t i = 0; i < n; i++) {
        (*layers)[i] = i;
        values[i] = column < PL_COLUMN_COUNT ? pl_report_number(draft, i, column) : 0;
    }
    pl_layers_order(*layers, n, column < PL_COLUMN_COUNT ? values : NULL, false);
    free(values);
    return PL_OK;
}

pl_status pl_report_layers(pl_report_draft *draft, pl_error *err)
{
    const size_t n = pl_model_layer_count(draft->cx.state->source->model);
    pl_column columns[PL_COLUMN_COUNT];
    const size_t count = report_columns(draft, columns);
    size_t *layers = NULL;
    pl_buf caption = {0};
    pl_buf_puts(&caption, "All linear layers in model order.");
    for (size_t i = 0; i < count; i++) {
        pl_buf_puts(&caption, i == 0 ? " " : "; ");
        put_column_name(&pl_columns[columns[i]], &caption);
        pl_buf_printf(&caption, ": %s", pl_columns[columns[i]].help);
    }
    pl_buf_puts(&caption, count > 0 ? "." : "");
    pl_status status = ordered(draft, PL_COLUMN_COUNT, &layers, err);
    PL_THEN(pl_buf_check(&caption, err));
    PL_THEN(add_layer_table(draft, layers, n, true, caption.data, err));
    free(layers);
    pl_buf_deinit(&caption);
    return status;
}

static pl_status put_remarks(const pl_report_draft *draft, size_t layer, pl_table *table,
                             size_t row, pl_error *err)
{
    pl_buf name = {0}, tags = {0};
    const char *note = pl_state_note(draft->cx.state, layer);
    pl_kind_layer_title(draft->cx.state, layer, &name);
    pl_state_put_tags(draft->cx.state, layer, &tags);
    pl_buf_puts(&tags, "");
    pl_status status = pl_buf_check(&name, err);
    PL_THEN(pl_buf_check(&tags, err));
    PL_THEN(pl_table_text(table, row, 0, name.data, err));
    PL_THEN(pl_table_text(table, row, 1, tags.data, err));
    PL_THEN(pl_table_text(table, row, 2, note != NULL ? note : "", err));
    pl_buf_deinit(&name);
    pl_buf_deinit(&tags);
    return status;
}

/* Whether the i-th remark is its layer's first, of a layer that the report is of. */
static bool begins_row(const pl_report_draft *draft, size_t i)
{
    const pl_remark *list = draft->cx.state->remarks;
    return (draft->layer == SIZE_MAX || list[i].layer == draft->layer) &&
           (i == 0 || list[i - 1].layer != list[i].layer);
}

pl_status pl_report_remarks(pl_report_draft *draft, pl_error *err)
{
    const pl_state *state = draft->cx.state;
    size_t rows = 0, row = 0;
    for (size_t i = 0; i < state->n_remarks; i++) {
        rows += begins_row(draft, i);
    }
    if (rows == 0) {
        return PL_OK;
    }
    pl_table table = {0};
    pl_status status = pl_table_init(&table, rows, 3, err);
    PL_THEN(pl_table_head(&table, 0, "layer", err));
    PL_THEN(pl_table_head(&table, 1, "tags", err));
    PL_THEN(pl_table_head(&table, 2, "note", err));
    for (size_t i = 0; status == PL_OK && i < state->n_remarks; i++) {
        if (begins_row(draft, i)) {
            status = put_remarks(draft, state->remarks[i].layer, &table, row++, err);
        }
    }
    PL_THEN(pl_document_add_table(&draft->document, &table, "Notes and tags of layers.", err));
    pl_table_deinit(&table);
    return status;
}

/* By what they cost the model, where that was measured of most; else by their error. */
pl_status pl_report_worst(pl_report_draft *draft, pl_error *err)
{
    static const pl_column by[] = {PL_COLUMN_KL, PL_COLUMN_OUTPUT_ERROR, PL_COLUMN_ROUNDED_ERROR,
                                   PL_COLUMN_ERROR};
    const size_t n = pl_model_layer_count(draft->cx.state->source->model);
    for (size_t c = 0; c < sizeof by / sizeof *by; c++) {
        size_t known = 0;
        for (size_t i = 0; i < n; i++) {
            known += isfinite(pl_report_number(draft, i, by[c])) ? 1 : 0;
        }
        if (known < 2) {
            continue;
        }
        size_t *layers = NULL;
        pl_buf caption = {0};
        pl_buf_puts(&caption, "The worst layers by ");
        put_column_name(&pl_columns[by[c]], &caption);
        pl_buf_printf(&caption, ", %s.", pl_columns[by[c]].help);
        pl_status status = ordered(draft, by[c], &layers, err);
        PL_THEN(pl_buf_check(&caption, err));
        PL_THEN(add_layer_table(draft, layers, known < TOP_LAYERS ? known : TOP_LAYERS, false,
                                caption.data, err));
        free(layers);
        pl_buf_deinit(&caption);
        return status;
    }
    return PL_OK;
}

/* Which number of a layer ranks the layers as what they cost the model does. */
pl_status pl_report_predictors(pl_report_draft *draft, pl_error *err)
{
    const size_t n = pl_model_layer_count(draft->cx.state->source->model);
    pl_column columns[PL_COLUMN_COUNT];
    const size_t count = report_columns(draft, columns);
    double *values = calloc(2 * n + 1, sizeof *values);
    pl_pairs *p = calloc(1, sizeof *p);
    pl_status status = values != NULL && p != NULL ? PL_OK : pl_error_memory(err, "a report");
    for (size_t c = 0; c < count && status == PL_OK; c++) {
        double rho = 0;
        for (size_t i = 0; i < n; i++) {
            values[i] = pl_report_number(draft, i, PL_COLUMN_KL);
            values[n + i] = pl_report_number(draft, i, columns[c]);
        }
        status = pl_rank_correlation(values, values + n, n, &rho, err);
        if (status == PL_OK && columns[c] != PL_COLUMN_KL && isfinite(rho)) {
            pl_buf name = {0};
            put_column_name(&pl_columns[columns[c]], &name);
            pl_pair_number(p, name.data != NULL ? name.data : "", "%.3f", rho);
            pl_buf_deinit(&name);
        }
    }
    if (p != NULL) {
        PL_THEN(pl_report_add_pairs(
            draft, p, "score",
            "How well a layer's scores rank the layers as their cost to the model "
            "does: Spearman's rank correlation with the KL divergence of each layer "
            "quantized alone.",
            err));
    }
    free(values);
    free(p);
    return status;
}

/* --- outliers --------------------------------------------------------------------------------- */

/* In the order of add_channels' heads, the first `own` of them. */
static pl_status put_channel(pl_table *table, size_t row, size_t first, size_t own,
                             const pl_ranked_channel *ranked, pl_error *err)
{
    const pl_channel_row *c = &ranked->row;
    char token[80];
    pl_status status = pl_table_number(table, row, first, "%.0f", (double)c->channel, "", err);
    PL_THEN(pl_table_number(table, row, first + 1, "%.5g", c->max, "", err));
    PL_THEN(pl_table_number(table, row, first + 2, "%.5g", c->rms, "", err));
    PL_THEN(pl_table_number(table, row, first + 3, "%.5g", c->ratio, "", err));
    if (own > WEIGHT_HEADS) {
        PL_THEN(pl_table_number(table, row, first + 4, "%.0f",
                                c->token_position >= 0 ? (double)c->token_position : (double)NAN,
                                "", err));
    }
    if (own > INPUT_HEADS) {
        snprintf(token, sizeof token, "\u201c%s\u201d", c->token);
        PL_THEN(pl_table_text(table, row, first + 5, c->token_id >= 0 ? token : "", err));
    }
    return status;
}

static pl_status add_channels(pl_report_draft *draft, pl_side side, const pl_ranked_channel *rows,
                              size_t count, pl_error *err)
{
    static const char *const heads[] = {"channel",         "largest",  "RMS",
                                        "over the median", "position", "token"};
    const bool inputs = side == PL_SIDE_INPUT, all = draft->layer == SIZE_MAX;
    bool tokens = false, residual = false; /* whether there are any */
    for (size_t i = 0; i < count && inputs; i++) {
        tokens = tokens || rows[i].row.token_id >= 0;
        residual = residual || rows[i].inputs > 0;
    }
    const size_t first = all ? 1 : 0, shared = all && residual ? 1 : 0;
    const size_t own = tokens ? INPUT_HEADS + 1 : inputs ? INPUT_HEADS : WEIGHT_HEADS;
    pl_table table = {0};
    pl_status status = pl_table_init(&table, count, first + own + shared, err);
    for (size_t j = 0; j < own; j++) {
        PL_THEN(pl_table_head(&table, first + j, heads[j], err));
    }
    if (all) {
        PL_THEN(pl_table_head(&table, 0, "layer", err));
    }
    if (shared > 0) {
        PL_THEN(pl_table_head(&table, first + own, "outlier in", err));
    }
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        pl_buf name = {0}, in = {0};
        pl_kind_layer_title(draft->cx.state, rows[i].layer, &name);
        status = pl_buf_check(&name, err);
        if (all) {
            PL_THEN(pl_table_text(&table, i, 0, name.data, err));
        }
        PL_THEN(put_channel(&table, i, first, own, &rows[i], err));
        if (status == PL_OK && shared > 0 && rows[i].inputs > 0) {
            pl_buf_printf(&in, "%zu\u00a0of\u00a0%zu", rows[i].outlier_in, rows[i].inputs);
            status = pl_buf_check(&in, err);
            PL_THEN(pl_table_text(&table, i, first + own, in.data, err));
        }
        pl_buf_deinit(&name);
        pl_buf_deinit(&in);
    }
    pl_buf caption = {0};
    pl_buf_printf(&caption,
                  "The %zu largest input channels of the %s by their maximum over that "
                  "of the median channel%s.",
                  count, inputs ? "inputs" : "weights", all ? " of the same layer" : "");
    pl_buf_puts(&caption, tokens ? " Position and token: of the calibration text, where the "
                                   "maximum is."
                          : inputs
                              ? " Position: the row of the inputs, from 0, where the maximum is."
                              : "");
    pl_buf_puts(&caption,
                shared > 0
                    ? " Outlier in: so many of the inputs of the residual stream in which the "
                      "channel is above 6 times the median."
                    : "");
    PL_THEN(pl_buf_check(&caption, err));
    PL_THEN(pl_document_add_table(&draft->document, &table, caption.data, err));
    pl_buf_deinit(&caption);
    pl_table_deinit(&table);
    return status;
}

pl_status pl_report_outliers(pl_report_draft *draft, pl_side side, pl_error *err)
{
    pl_ranked_channel ranked[TOP_CHANNELS] = {0};
    pl_channel_row rows[TOP_CHANNELS] = {0};
    size_t count = 0;
    if (side == PL_SIDE_INPUT && !draft->inputs) {
        return PL_OK;
    }
    pl_status status = PL_OK;
    if (draft->layer == SIZE_MAX) {
        status = pl_rank_channels(draft->cx, side, NULL, TOP_CHANNELS, ranked, &count, err);
    } else {
        status = pl_channel_table(draft->cx, draft->layer, side, TOP_CHANNELS, rows, &count, err);
        for (size_t i = 0; i < count; i++) {
            ranked[i] = (pl_ranked_channel){.layer = draft->layer, .row = rows[i]};
        }
    }
    return status == PL_OK && count > 0 ? add_channels(draft, side, ranked, count, err) : status;
}
