#include "plots/figure.h"

#include "plots/build.h"
#include "plots/drawn.h"
#include "plots/fan.h"
#include "plots/fit.h"

#include "core/base/checked.h"
#include "core/lab/turned.h"
#include "core/metrics/outliers.h"

#include <math.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static pl_status check_data(const pl_channels_data *data, pl_error *err)
{
    if (data->n_series == 0 || data->n_series > PL_FIGURE_SERIES || data->n == 0 ||
        data->base >= data->n_series) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "channel plot: expected 1 to %d series of at least one channel, got "
                            "%zu series of %zu",
                            PL_FIGURE_SERIES, data->n_series, data->n);
    }
    for (size_t s = 0; s < data->n_series; s++) {
        for (size_t i = 0; i < data->n; i++) {
            if (!isfinite(data->values[s][i])) {
                return pl_error_set(err, PL_ERR_NUMERIC,
                                    "channel plot: \"%s\": channel %zu is not finite",
                                    data->labels[s] != NULL ? data->labels[s] : "", i);
            }
        }
    }
    return PL_OK;
}

/* The bits of a float in an order in which larger floats come first. */
static uint32_t falling_key(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x80000000u) != 0 ? bits : ~(bits | 0x80000000u);
}

/* By radix: 100,000 channels are sorted anew for every frame that the screen draws of them. */
static pl_status put_falling(const float *values, size_t n, double *out, pl_error *err)
{
    enum { DIGITS = 1 << 11, PASSES = 3 };
    uint32_t *keys = pl_alloc(2 * n, sizeof *keys);
    if (keys == NULL) {
        return pl_error_memory(err, "%zu sorted channels", n);
    }
    uint32_t *from = keys;
    uint32_t *to = keys + n;
    for (size_t i = 0; i < n; i++) {
        from[i] = falling_key(values[i]);
    }
    for (unsigned pass = 0; pass < PASSES; pass++) {
        size_t start[DIGITS + 1] = {0};
        for (size_t i = 0; i < n; i++) {
            start[((from[i] >> (11 * pass)) & (DIGITS - 1)) + 1]++;
        }
        for (size_t d = 0; d < DIGITS; d++) {
            start[d + 1] += start[d];
        }
        for (size_t i = 0; i < n; i++) {
            to[start[(from[i] >> (11 * pass)) & (DIGITS - 1)]++] = from[i];
        }
        uint32_t *done = to;
        to = from;
        from = done;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (from[i] & 0x80000000u) != 0 ? from[i] : ~from[i] & 0x7fffffffu;
        float value = 0;
        memcpy(&value, &bits, sizeof value);
        out[i] = (double)value;
    }
    free(keys);
    return PL_OK;
}

static pl_status add_channel_series(const pl_channels_data *data, pl_figure *figure, pl_error *err)
{
    for (size_t s = 0; s < data->n_series; s++) {
        pl_series *series = NULL;
        pl_mark mark = data->sorted      ? PL_MARK_LINE
                       : data->points[s] ? PL_MARK_POINTS
                                         : PL_MARK_STEMS;
        pl_status status =
            pl_figure_add(figure, data->labels[s], mark, data->tones[s], data->n, &series, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t i = 0; i < data->n; i++) {
            series->x[i] = (double)i + (data->sorted ? 1 : 0);
            series->y[i] = (double)data->values[s][i];
        }
        if (data->sorted) {
            status = put_falling(data->values[s], data->n, series->y, err);
        }
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

static void set_x(pl_axis *axis, const pl_channels_data *data)
{
    if (data->sorted && data->log_x && data->n > 1) {
        double room = pow((double)data->n, 0.01);
        axis->log = true;
        axis->lo = 1 / room;
        axis->hi = (double)data->n * room;
        return;
    }
    pl_fit_positions(axis, data->sorted ? 1 : 0, data->n);
}

static double largest_channel(const pl_channels_data *data)
{
    double top = 0;
    for (size_t s = 0; s < data->n_series; s++) {
        for (size_t i = 0; i < data->n; i++) {
            top = fmax(top, (double)data->values[s][i]);
        }
    }
    return top;
}

/* The rule is drawn where it explains the data: a linear axis is not stretched to twice them. */
static double find_rule(const pl_channels_data *data, double median)
{
    double at = PL_OUTLIER_FACTOR * median;
    bool near = data->log || largest_channel(data) > 0.5 * at;
    return data->median_rule && at > 0 && isfinite(at) && near ? at : 0;
}

static void add_notes(const pl_channels_data *data, double median, pl_figure *figure)
{
    const float *values = data->values[data->base];
    size_t top[PL_FIGURE_NOTES];
    size_t count = pl_top_channels(values, data->n, PL_FIGURE_NOTES, top);
    for (size_t i = 0; i < count; i++) {
        double value = (double)values[top[i]];
        if (!(value > PL_OUTLIER_FACTOR * median)) {
            break;
        }
        pl_note *note = &figure->notes[figure->n_notes++];
        note->x = (double)top[i];
        note->y = value;
        snprintf(note->text, sizeof note->text, "%zu", top[i]);
    }
}

/* The marked channel: where it stands. */
static pl_status add_mark(const pl_channels_data *data, pl_figure *figure, pl_error *err)
{
    if (!data->mark || data->channel >= data->n) {
        return PL_OK;
    }
    const float *values = data->values[data->base];
    size_t rank = 1;
    for (size_t i = 0; i < data->n; i++) {
        float here = values[data->channel];
        rank += values[i] > here || (values[i] == here && i < data->channel) ? 1 : 0;
    }
    char text[48];
    snprintf(text, sizeof text, "channel %zu", data->channel);
    return pl_figure_rule(figure, data->sorted ? (double)rank : (double)data->channel, true, text,
                          err);
}

pl_status pl_figure_channels(const pl_channels_data *data, pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    pl_status status = check_data(data, err);
    PL_THEN(pl_figure_texts(out, data->title,
                            data->sorted ? "channel rank (by falling maximum)" : "channel",
                            data->y_label, err));
    PL_THEN(add_channel_series(data, out, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    double median = pl_median(data->values[data->base], data->n);
    double rule = find_rule(data, median);
    set_x(&out->x, data);
    pl_fit_y(out, data->log, rule);
    if (!data->sorted) {
        add_notes(data, median, out);
    }
    if (rule > 0) {
        status = pl_figure_rule(out, rule, false, "6\u2009\u00d7\u2009median", err);
    }
    PL_THEN(add_mark(data, out, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
    }
    return status;
}

/* --- the kind --------------------------------------------------------------------------------- */

enum { FORM_MAXIMA, FORM_FAN };

/* What stands out in one series; `suffix` tells it from the others. */
static void add_channels_facts(const float *max, size_t n, const char *suffix, pl_figure *figure)
{
    size_t top = 0;
    char name[64];
    if (pl_top_channels(max, n, 1, &top) == 0) {
        return;
    }
    snprintf(name, sizeof name, "outlier_channels%s", suffix);
    pl_figure_fact(figure, name, "%zu of %zu above 6 \u00d7 median",
                   pl_outlier_count(max, n, PL_OUTLIER_FACTOR), n);
    snprintf(name, sizeof name, "max_over_median%s", suffix);
    pl_figure_fact(figure, name, "%.4g (channel %zu)", pl_outlier_ratio(max, n), top);
}

/* The marked channel's exact values: "131: 0.603 \u2192 0.53". */
static void add_channel_fact(const pl_channels_data *data, size_t live, pl_figure *figure)
{
    if (!data->mark || data->channel >= data->n) {
        return;
    }
    double base = (double)data->values[data->base][data->channel];
    double now = (double)data->values[live][data->channel];
    if (live != data->base) {
        pl_figure_fact(figure, "channel", "%zu: %.4g \u2192 %.4g", data->channel, base, now);
    } else {
        pl_figure_fact(figure, "channel", "%zu: %.4g, %.3g \u00d7 median", data->channel, base,
                       base / pl_median(data->values[data->base], data->n));
    }
}

static pl_status read_maxima(pl_context cx, size_t layer, const pl_drawn_list *list, float *maxima,
                             size_t n, pl_error *err)
{
    pl_mat w = {0};
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < list->count; i++) {
        status = pl_drawn_weights(cx.lab, cx.state, layer, &list->items[i], &w, err);
        if (status == PL_OK) {
            pl_column_stats(pl_mat_view(&w), maxima + i * n, NULL, NULL);
            status = pl_task_tick(cx.task, err);
        }
    }
    pl_mat_deinit(&w);
    return status;
}

static pl_status channels_of_weights(pl_context cx, const pl_request *request,
                                     pl_channels_data *data, pl_figure *out, pl_error *err)
{
    pl_drawn_list list;
    pl_drawn_find(cx.lab, cx.state, request, &list);
    float *maxima = pl_alloc(list.count * data->n, sizeof *maxima);
    pl_status status = maxima == NULL
                           ? pl_error_memory(err, "a figure")
                           : read_maxima(cx, request->layer, &list, maxima, data->n, err);
    for (size_t i = 0; status == PL_OK && i < list.count; i++) {
        data->values[i] = maxima + i * data->n;
        data->labels[i] = list.items[i].label;
        data->tones[i] = list.items[i].tone;
        data->points[i] = list.items[i].pin != NULL;
    }
    data->n_series = list.count;
    data->base = list.base;
    PL_THEN(pl_figure_channels(data, out, err));
    if (status == PL_OK) {
        add_channels_facts(data->values[list.base], data->n, list.items[list.base].suffix, out);
        if (list.live != list.base) {
            add_channels_facts(data->values[list.live], data->n, list.items[list.live].suffix, out);
        }
        add_channel_fact(data, list.live, out);
        pl_drawn_facts(&list, out);
    }
    free(maxima);
    return status;
}

/* Of X and of X T on the stored rows; a learned T as far as it has been learned. */
static pl_status make_turned(pl_context cx, const pl_request *request, pl_channels_data *data,
                             pl_figure *out, pl_error *err)
{
    const pl_spec *spec = pl_state_spec(cx.state, request->layer, PL_SLOT_TRANSFORM);
    pl_mat plain = {0}, turned = {0};
    pl_id calibration = {0};
    bool has = false, keeps = false;
    char label[64];
    float *maxima = pl_alloc(2 * data->n, sizeof *maxima);
    pl_status status = maxima != NULL ? PL_OK : pl_error_memory(err, "a figure");
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_turned_values(cx, calibration, request->layer, PL_SIDE_INPUT, &plain, err));
    PL_THEN(pl_mat_copy(&turned, pl_mat_view(&plain), err));
    PL_THEN(pl_turned_turn(cx, calibration, request->layer, PL_SIDE_INPUT, spec, &turned, &has,
                           &keeps, err));
    if (status == PL_OK) {
        pl_column_stats(pl_mat_view(&plain), maxima, NULL, NULL);
        pl_column_stats(pl_mat_view(&turned), maxima + data->n, NULL, NULL);
        snprintf(label, sizeof label, "behind %s", spec->method->name);
        data->values[0] = maxima;
        data->values[1] = maxima + data->n;
        data->labels[0] = "before";
        data->labels[1] = label;
        data->tones[0] = PL_TONE_BEFORE;
        data->tones[1] = PL_TONE_INPUT;
        data->n_series = has ? 2 : 1;
        data->y_label = "max |x| per channel, stored rows";
        status = pl_figure_channels(data, out, err);
    }
    if (status == PL_OK) {
        add_channels_facts(maxima, data->n, "", out);
        if (has) {
            add_channels_facts(maxima + data->n, data->n, "_behind", out);
        } else {
            pl_figure_fact(out, "transform", "%s: not learned yet", spec->method->name);
        }
        add_channel_fact(data, has ? 1 : 0, out);
        pl_figure_fact(out, "rows", "%zu", plain.rows);
    }
    pl_mat_deinit(&plain);
    pl_mat_deinit(&turned);
    free(maxima);
    return status;
}

static pl_status channels_of_inputs(pl_context cx, const pl_request *request,
                                    pl_channels_data *data, pl_figure *out, pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status = pl_drawn_inputs(cx, request->layer, false, &stats, err);
    if (status == PL_OK) {
        data->values[0] = stats.max;
        data->labels[0] = "input";
        data->tones[0] = PL_TONE_INPUT;
        data->n_series = 1;
        status = pl_figure_channels(data, out, err);
    }
    if (status == PL_OK) {
        add_channels_facts(stats.max, stats.n, "", out);
        add_channel_fact(data, 0, out);
        pl_figure_fact(out, "tokens", "%.0f", stats.tokens);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status make_channels(pl_context cx, const pl_request *request, pl_figure *out,
                               pl_error *err)
{
    if (request->form == FORM_FAN) {
        return pl_fan_make(cx, request, out, err);
    }
    pl_buf title = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    bool input = request->side == PL_SIDE_INPUT;
    pl_channels_data data = {
        .title = title.data,
        .y_label = input ? "max |x| per input channel" : "max |w| per input channel",
        .n = pl_model_layer(cx.state->source->model, request->layer)->cols,
        .sorted = request->sorted,
        .log = request->log,
        .median_rule = true,
        .mark = request->channel != SIZE_MAX,
        .channel = request->channel,
    };
    const bool turns = pl_request_turns_inputs(request) &&
                       pl_state_spec(cx.state, request->layer, PL_SLOT_TRANSFORM)->method != NULL;
    PL_THEN(turns   ? make_turned(cx, request, &data, out, err)
            : input ? channels_of_inputs(cx, request, &data, out, err)
                    : channels_of_weights(cx, request, &data, out, err));
    pl_buf_deinit(&title);
    return status;
}

const pl_kind pl_kind_channels = {
    .name = "channels",
    .title = "Channels",
    .summary = "The largest weight or input of every input channel, or their distribution as a "
               "fan: outlier channels stand out",
    .forms = "maxima|fan",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_WHICH | PL_USES_ORDER | PL_USES_SCALE |
            PL_USES_PINS | PL_USES_CHANNEL | PL_USES_TURNED,
    .make = make_channels,
    .look = {.help = "The largest weight or input of every channel, or their distribution: "
                     "outlier channels stand out."},
};
