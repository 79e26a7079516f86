#include "plots/fan.h"

#include "plots/build.h"
#include "plots/drawn.h"
#include "plots/fit.h"

#include "core/base/checked.h"
#include "core/metrics/outliers.h"
#include "core/metrics/spread.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)PL_SPREAD == (int)PL_SPREAD_NUMBERS, "a spread's numbers are drawn as they are");

/* The order of a figure's channels, and where they stand. */
typedef struct order {
    size_t n;
    size_t *channels; /* [n] position -> channel */
    bool sorted;
} order;

pl_status pl_fan_add(pl_figure *figure, const pl_spread_series *series, pl_task *task,
                     pl_error *err)
{
    size_t groups = pl_group_count(series->w.cols, series->group_size);
    pl_series *out = NULL;
    double *spreads = pl_alloc(groups * PL_SPREAD, sizeof *spreads);
    pl_status status = spreads == NULL ? pl_error_memory(err, "a figure")
                                       : pl_group_spreads(series->w, series->group_size,
                                                          series->magnitudes, spreads, task, err);
    if (status == PL_ERR_NUMERIC) {
        pl_error_prefix(err, "\"%s\": ", series->label);
    }
    PL_THEN(pl_figure_add(figure, series->label, series->mark, series->tone, groups, &out, err));
    for (size_t k = 0; status == PL_OK && k < groups; k++) {
        size_t from = series->order != NULL ? series->order[k] : k;
        out->x[k] = series->first + (double)k;
        memcpy(out->y + k * PL_SPREAD, spreads + from * PL_SPREAD, PL_SPREAD * sizeof *spreads);
    }
    free(spreads);
    return status;
}

/* By falling max; called for the first series, before any is added. */
static void set_order(order *o, const float *max)
{
    if (o->sorted) {
        o->n = pl_top_channels(max, o->n, o->n, o->channels);
        return;
    }
    for (size_t i = 0; i < o->n; i++) {
        o->channels[i] = i;
    }
}

static pl_status fan_weights(pl_context cx, const pl_request *request, const pl_drawn_list *list,
                             order *o, pl_figure *out, pl_error *err)
{
    pl_mat w = {0};
    float *max = pl_alloc(o->n, sizeof *max);
    pl_status status = max == NULL ? pl_error_memory(err, "a figure") : PL_OK;
    for (size_t i = 0; status == PL_OK && i < list->count; i++) {
        const pl_drawn *drawn = &list->items[i];
        status = pl_drawn_weights(cx.lab, cx.state, request->layer, drawn, &w, err);
        if (status == PL_OK && i == 0) {
            pl_column_stats(pl_mat_view(&w), max, NULL, NULL);
            set_order(o, max);
        }
        pl_spread_series series = {.label = drawn->label,
                                   .mark = PL_MARK_FAN,
                                   .tone = drawn->tone,
                                   .w = pl_mat_view(&w),
                                   .group_size = 1,
                                   .magnitudes = request->log,
                                   .first = o->sorted ? 1 : 0,
                                   .order = o->channels};
        PL_THEN(pl_fan_add(out, &series, cx.task, err));
    }
    free(max);
    pl_mat_deinit(&w);
    return status;
}

static pl_status add_all_tokens(const pl_site_stats *stats, const order *o, pl_figure *out,
                                pl_error *err)
{
    char label[64];
    pl_series *points = NULL;
    snprintf(label, sizeof label, "max |x| of all %.0f tokens", stats->tokens);
    pl_status status = pl_figure_add(out, label, o->sorted ? PL_MARK_LINE : PL_MARK_POINTS,
                                     PL_TONE_EXTRA, o->n, &points, err);
    for (size_t i = 0; status == PL_OK && i < o->n; i++) {
        points->x[i] = (double)i + (o->sorted ? 1 : 0);
        points->y[i] = (double)stats->max[o->channels[i]];
    }
    return status;
}

static pl_status add_inputs(pl_context cx, const pl_request *request, order *o, pl_figure *out,
                            pl_error *err)
{
    pl_site_stats stats = {0};
    char label[64] = "input";
    pl_status status = pl_drawn_inputs(cx, request->layer, true, &stats, err);
    if (status == PL_OK && (double)stats.sample_rows < stats.tokens) {
        snprintf(label, sizeof label, "input (%zu sampled tokens)", stats.sample_rows);
    }
    if (status == PL_OK) {
        set_order(o, stats.max);
        pl_spread_series series = {.label = label,
                                   .mark = PL_MARK_FAN,
                                   .tone = PL_TONE_INPUT,
                                   .w = {stats.sample, stats.sample_rows, stats.n, stats.n},
                                   .group_size = 1,
                                   .magnitudes = request->log,
                                   .first = o->sorted ? 1 : 0,
                                   .order = o->channels};
        status = pl_fan_add(out, &series, cx.task, err);
    }
    if (status == PL_OK && (double)stats.sample_rows < stats.tokens) {
        status = add_all_tokens(&stats, o, out, err);
    }
    if (status == PL_OK) {
        pl_figure_fact(out, "sample", "%zu of %.0f tokens", stats.sample_rows, stats.tokens);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status add_mark(const pl_request *request, const order *o, pl_figure *out, pl_error *err)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->channels[i] == request->channel) {
            char text[48];
            snprintf(text, sizeof text, "channel %zu", request->channel);
            return pl_figure_rule(out, (double)i + (o->sorted ? 1 : 0), true, text, err);
        }
    }
    return PL_OK;
}

/* The widest channel of the first series: its middle half against all its values. */
static void add_widest_fact(const order *o, pl_figure *out)
{
    const pl_series *series = &out->series[0];
    size_t widest = 0;
    double most = -1;
    for (size_t i = 0; i < series->count; i++) {
        double range = series->y[i * PL_SPREAD + PL_SPREAD - 1] - series->y[i * PL_SPREAD];
        if (range > most) {
            most = range;
            widest = i;
        }
    }
    pl_figure_fact(out, "widest_channel", "%zu: %.4g \u2026 %.4g", o->channels[widest],
                   series->y[widest * PL_SPREAD], series->y[widest * PL_SPREAD + PL_SPREAD - 1]);
}

static pl_status set_fan_texts(const pl_state *state, const pl_request *request, const char *first,
                               pl_figure *out, pl_error *err)
{
    bool input = request->side == PL_SIDE_INPUT;
    pl_buf title = {0};
    pl_buf x = {0};
    pl_buf y = {0};
    const char *value = input ? "x" : "w";
    const char *bar = request->log ? "|" : "";
    pl_kind_layer_title(state, request->layer, &title);
    pl_buf_puts(&x, "channel");
    if (request->sorted) {
        pl_buf_printf(&x, " rank (by falling max |%s|%s%s)", value, first[0] != '\0' ? ", " : "",
                      first);
    }
    pl_buf_printf(&y, "%s%s%s: median, 25\u201375, 1\u201399, 0\u2013100 %%", bar, value, bar);
    pl_status status = title.failed || x.failed || y.failed
                           ? pl_error_memory(err, "a figure")
                           : pl_figure_texts(out, title.data, x.data, y.data, err);
    pl_buf_deinit(&title);
    pl_buf_deinit(&x);
    pl_buf_deinit(&y);
    return status;
}

pl_status pl_fan_make(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, request->layer);
    order o = {.n = info->cols, .sorted = request->sorted};
    pl_drawn_list list;
    bool input = request->side == PL_SIDE_INPUT;
    pl_drawn_find(cx.lab, cx.state, request, &list);
    o.channels = calloc(o.n, sizeof *o.channels);
    pl_status status =
        o.channels == NULL
            ? pl_error_memory(err, "a figure")
            : set_fan_texts(cx.state, request, input ? "" : list.items[0].label, out, err);
    PL_THEN(input ? add_inputs(cx, request, &o, out, err)
                  : fan_weights(cx, request, &list, &o, out, err));
    if (status == PL_OK) {
        add_widest_fact(&o, out);
        pl_fit_positions(&out->x, o.sorted ? 1 : 0, o.n);
        if (request->log) {
            pl_fit_magnitudes(out);
        } else {
            pl_fit_y(out, false, 0);
        }
        status = add_mark(request, &o, out, err);
    }
    if (status == PL_OK && !input) {
        pl_drawn_facts(&list, out);
    }
    free(o.channels);
    return status;
}
