/* The table of outlier channels, with the tokens that cause them. */
#include "plots/build.h"
#include "plots/kinds.h"

#include "core/live/picture.h"
#include "core/metrics/outliers.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = PL_PICTURE_TOP };

static pl_status put_number_cell(pl_table *table, size_t row, size_t col, const char *format,
                                 double value, pl_error *err)
{
    return pl_table_number(table, row, col, format, value, "\u2014", err);
}

static pl_status put_channel_row(const pl_channel_row *row, size_t at, pl_table *table,
                                 pl_error *err)
{
    char text[72];
    pl_status status = put_number_cell(table, at, 0, "%.0f", (double)row->channel, err);
    PL_THEN(put_number_cell(table, at, 1, "%#.4g", row->max, err));
    PL_THEN(put_number_cell(table, at, 2, "%.1f", row->ratio, err));
    PL_THEN(put_number_cell(table, at, 3, "%#.4g", row->rms, err));
    if (status == PL_OK && row->token_id >= 0) {
        snprintf(text, sizeof text, "\u201c%s\u201d", row->token);
        status = pl_table_text(table, at, 4, text, err);
    }
    if (status == PL_OK && row->token_position >= 0) {
        status = put_number_cell(table, at, 5, "%.0f", (double)row->token_position, err);
    }
    return status;
}

static pl_status put_heads(pl_side side, pl_table *table, pl_error *err)
{
    const char *const heads[] = {"channel",       side == PL_SIDE_INPUT ? "max |x|" : "max |w|",
                                 "\u00d7 median", "RMS",
                                 "token",         "position"};
    pl_status status = PL_OK;
    for (size_t c = 0; status == PL_OK && c < table->cols; c++) {
        status = pl_table_head(table, c, heads[c], err);
    }
    return status;
}

static void add_outliers_facts(const pl_channel_row *rows, size_t count, size_t channels,
                               pl_figure *figure)
{
    size_t outliers = 0;
    for (size_t i = 0; i < count; i++) {
        outliers += rows[i].ratio > PL_OUTLIER_FACTOR ? 1 : 0;
    }
    pl_figure_fact(figure, "outlier_channels", "%zu%s of %zu above 6 \u00d7 median", outliers,
                   outliers == ROWS ? " or more" : "", channels);
    if (count > 0) {
        pl_figure_fact(figure, "median", "%.4g", rows[0].max / rows[0].ratio);
    }
}

static pl_status make_outliers(pl_context cx, const pl_request *request, pl_figure *out,
                               pl_error *err)
{
    pl_channel_row rows[ROWS];
    size_t count = 0;
    size_t channels = pl_model_layer(cx.state->source->model, request->layer)->cols;
    pl_buf title = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_buf_puts(&title, request->side == PL_SIDE_INPUT ? ", outlier channels of the input"
                                                       : ", outlier channels of the weights");
    pl_status status = pl_channel_table(cx, request->layer, request->side, ROWS, rows, &count, err);
    PL_THEN(pl_buf_check(&title, err));
    PL_THEN(pl_figure_texts(out, title.data, "", "", err));
    PL_THEN(pl_figure_table(out, count, request->side == PL_SIDE_INPUT ? 6 : 4, err));
    PL_THEN(put_heads(request->side, out->table, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = put_channel_row(&rows[i], i, out->table, err);
    }
    if (status == PL_OK) {
        add_outliers_facts(rows, count, channels, out);
    }
    pl_buf_deinit(&title);
    return status;
}

const pl_kind pl_kind_outliers = {
    .name = "outliers",
    .title = "Outlier channels",
    .summary = "The largest channels, how far they are from the median one, and the tokens that "
               "cause them",
    .uses = PL_USES_LAYER | PL_USES_SIDE,
    .make = make_outliers,
    .look = {.help = "The largest channels: size, ratio to the median, and the token that caused "
                     "each."},
};
