/* Box plots: the groups of one layer, or the layers of one kind over the depth. */
#include "plots/build.h"
#include "plots/drawn.h"
#include "plots/fan.h"
#include "plots/fit.h"
#include "plots/overview.h"

#include "core/metrics/outliers.h"
#include "core/metrics/spread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM_GROUPS, FORM_LAYERS };

#define BOX_ROOM 0.8 /* of the unit between two groups that its boxes share */

/* --- groups ----------------------------------------------------------------------------------- */

/* Before and after side by side: the i-th of n boxes of group 0. */
static double offset(size_t i, size_t n)
{
    return ((double)i - 0.5 * (double)(n - 1)) * BOX_ROOM / (double)n;
}

static pl_status box_weights(pl_context cx, const pl_request *request, size_t group_size,
                             pl_figure *out, pl_error *err)
{
    pl_drawn_list list;
    pl_mat w = {0};
    pl_drawn_find(cx.lab, cx.state, request, &list);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < list.count; i++) {
        const pl_drawn *drawn = &list.items[i];
        status = pl_drawn_weights(cx.lab, cx.state, request->layer, drawn, &w, err);
        pl_spread_series series = {.label = drawn->label,
                                   .mark = PL_MARK_BOX,
                                   .tone = drawn->tone,
                                   .w = pl_mat_view(&w),
                                   .group_size = group_size,
                                   .magnitudes = request->log,
                                   .first = offset(i, list.count)};
        PL_THEN(pl_fan_add(out, &series, cx.task, err));
    }
    pl_drawn_facts(&list, out);
    pl_mat_deinit(&w);
    return status;
}

/* The sample may miss the rare tokens that hold the maxima: those of all tokens are points. */
static pl_status add_maxima(const pl_site_stats *stats, size_t group_size, pl_figure *out,
                            pl_error *err)
{
    char label[64];
    pl_series *points = NULL;
    size_t groups = pl_group_count(stats->n, group_size);
    size_t size = group_size == 0 ? stats->n : group_size;
    snprintf(label, sizeof label, "max |x| of all %.0f tokens", stats->tokens);
    pl_status status =
        pl_figure_add(out, label, PL_MARK_POINTS, PL_TONE_EXTRA, groups, &points, err);
    for (size_t k = 0; status == PL_OK && k < groups; k++) {
        points->x[k] = (double)k;
        for (size_t c = k * size; c < stats->n && c < (k + 1) * size; c++) {
            points->y[k] = fmax(points->y[k], (double)stats->max[c]);
        }
    }
    return status;
}

static pl_status add_inputs(pl_context cx, const pl_request *request, size_t group_size,
                            pl_figure *out, pl_error *err)
{
    pl_site_stats stats = {0};
    char label[64] = "input";
    pl_status status = pl_drawn_inputs(cx, request->layer, true, &stats, err);
    bool sampled = (double)stats.sample_rows < stats.tokens;
    if (sampled) {
        snprintf(label, sizeof label, "input (%zu sampled tokens)", stats.sample_rows);
    }
    pl_spread_series series = {.label = label,
                               .mark = PL_MARK_BOX,
                               .tone = PL_TONE_INPUT,
                               .w = {stats.sample, stats.sample_rows, stats.n, stats.n},
                               .group_size = group_size,
                               .magnitudes = request->log};
    PL_THEN(pl_fan_add(out, &series, cx.task, err));
    if (status == PL_OK && sampled) {
        status = add_maxima(&stats, group_size, out, err);
    }
    if (status == PL_OK) {
        pl_figure_fact(out, "sample", "%zu of %.0f tokens", stats.sample_rows, stats.tokens);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

/* The group whose values reach farthest, in the first and the last series of boxes. */
static void add_group_facts(const pl_request *request, pl_figure *out)
{
    for (size_t s = 0; s < out->n_series; s++) {
        const pl_series *series = &out->series[s];
        bool own = series->mark == PL_MARK_BOX && series->tone < PL_TONE_EXTRA;
        size_t worst = 0;
        double far = -1;
        for (size_t k = 0; own && k < series->count; k++) {
            const double *y = series->y + k * PL_SPREAD;
            double reach = fmax(fabs(y[0]), fabs(y[PL_SPREAD - 1]));
            if (reach > far) {
                far = reach;
                worst = k;
            }
        }
        if (own) {
            pl_figure_fact(out, s == 0 ? "widest_group" : "widest_group_after", "%s: max |%s| %.4g",
                           out->x.names[worst], request->side == PL_SIDE_INPUT ? "x" : "w", far);
        }
    }
}

/* On paper the axis says what boxes and whiskers are. */
static pl_status explain_boxes(const pl_request *request, pl_figure *out, pl_error *err)
{
    pl_buf text = {0};
    pl_buf_printf(&text, "%s; box 25\u201375 %%, whiskers 1\u201399 %%, marks: extremes",
                  out->x.label);
    pl_status status = request->paper ? pl_buf_check(&text, err) : PL_OK;
    if (status == PL_OK && request->paper) {
        status = pl_figure_text(&out->x.label, text.data, err);
    }
    pl_buf_deinit(&text);
    return status;
}

static pl_status make_box_groups(pl_context cx, const pl_request *request, pl_figure *out,
                                 pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, request->layer);
    size_t group_size = pl_drawn_group_size(cx.state, request->layer);
    bool input = request->side == PL_SIDE_INPUT;
    pl_buf title = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    if (status == PL_OK) {
        const char *y = input ? (request->log ? "|x|, layer input" : "x, layer input")
                              : (request->log ? "|w|" : "weight w");
        status = pl_figure_texts(out, title.data, "group (channels)", y, err);
        PL_THEN(explain_boxes(request, out, err));
    }
    PL_THEN(pl_drawn_group_names(&out->x, info->cols, group_size, err));
    PL_THEN(input ? add_inputs(cx, request, group_size, out, err)
                  : box_weights(cx, request, group_size, out, err));
    if (status == PL_OK) {
        add_group_facts(request, out);
        pl_fit_positions(&out->x, 0, out->x.n_names);
        if (request->log) {
            pl_fit_magnitudes(out);
        } else {
            pl_fit_y(out, false, 0);
        }
    }
    if (status == PL_OK && request->channel < info->cols) {
        char text[48];
        size_t size = group_size == 0 ? info->cols : group_size;
        snprintf(text, sizeof text, "channel %zu", request->channel);
        status = pl_figure_rule(out, (double)(request->channel / size), true, text, err);
    }
    pl_buf_deinit(&title);
    return status;
}

/* --- layers ----------------------------------------------------------------------------------- */

static pl_status add_block_boxes(const pl_overview_row *row, pl_side side, pl_figure *out,
                                 pl_error *err)
{
    pl_series *series = NULL;
    pl_status status = pl_figure_add(
        out, side == PL_SIDE_INPUT ? "max |x| per channel" : "max |w| per channel", PL_MARK_BOX,
        side == PL_SIDE_INPUT ? PL_TONE_INPUT : PL_TONE_BEFORE, row->known, &series, err);
    size_t at = 0;
    for (size_t b = 0; status == PL_OK && b < row->blocks; b++) {
        const pl_layer_summary *summary = &row->summaries[b];
        if (summary->known) {
            series->x[at] = (double)b;
            for (size_t q = 0; q < PL_SPREAD; q++) {
                series->y[at * PL_SPREAD + q] = summary->spread[q];
            }
            at++;
        }
    }
    return status;
}

static pl_status make_box_layers(pl_context cx, const pl_request *request, pl_figure *out,
                                 pl_error *err)
{
    pl_overview_row row = {0};
    pl_status status = pl_overview_read(cx, request->layer, request->side, 0, 1, &row, err);
    PL_THEN(pl_overview_texts(cx.state, &row, request->side, out, err));
    PL_THEN(explain_boxes(request, out, err));
    PL_THEN(add_block_boxes(&row, request->side, out, err));
    if (status == PL_OK) {
        pl_overview_facts(&row, out);
        pl_fit_positions(&out->x, 0, row.blocks);
        pl_fit_y(out, request->log, 0);
        status = pl_overview_mark(cx.state, request->layer, out, err);
    }
    pl_overview_row_deinit(&row);
    return status;
}

static pl_status make_box(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    return request->form == FORM_LAYERS ? make_box_layers(cx, request, out, err)
                                        : make_box_groups(cx, request, out, err);
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* With the form "layers" an x is a block. */
static bool of_layers(const pl_figure *figure)
{
    return figure->x.names == NULL;
}

static double place_in_box(const pl_looked *at)
{
    return of_layers(at->figure) ? pl_look_block(at) : pl_look_group_of_channel(at);
}

static size_t channel_in_box(const pl_looked *at, double x)
{
    return of_layers(at->figure) ? SIZE_MAX : pl_look_channel_of_group(at, x);
}

const pl_kind pl_kind_box = {
    .name = "box",
    .title = "Box plots",
    .summary = "Boxes of each channel group's values, before and after, or of the channel maxima "
               "of one layer in every block: long whiskers are outliers",
    .forms = "groups|layers",
    .depth_form = "layers",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_WHICH | PL_USES_SCALE | PL_USES_PINS |
            PL_USES_CHANNEL | PL_USES_METHODS,
    .make = make_box,
    .look = {.help = "Boxes of each channel group's values, or of one kind of layer in every "
                     "block: long whiskers are outliers.",
             .place = place_in_box,
             .channel = channel_in_box},
};
