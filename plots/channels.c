#include "plots/figure.h"

#include "plots/build.h"

#include "core/base/checked.h"
#include "core/metrics/outliers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define OUTLIER_FACTOR 6.0 /* methods.md 4: channel maximum > 6 x the median channel maximum */
#define LOG_FLOOR 1e-8     /* a log axis shows at most eight decades below the largest value */

static pl_status check_data(const pl_channels_data *data, pl_error *err)
{
    if (data->n_series == 0 || data->n_series > PL_FIGURE_SERIES || data->n == 0) {
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

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x < y) - (x > y);
}

static pl_status add_series(const pl_channels_data *data, pl_figure *figure, pl_error *err)
{
    for (size_t s = 0; s < data->n_series; s++) {
        pl_series *series = NULL;
        pl_status status =
            pl_figure_add(figure, data->labels[s], data->sorted ? PL_MARK_LINE : PL_MARK_STEMS,
                          data->tones[s], data->n, &series, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t i = 0; i < data->n; i++) {
            series->x[i] = (double)i + (data->sorted ? 1 : 0);
            series->y[i] = (double)data->values[s][i];
        }
        if (data->sorted) {
            qsort(series->y, data->n, sizeof *series->y, falling);
        }
    }
    return PL_OK;
}

typedef struct range {
    double lo, hi, positive; /* positive: the smallest value above 0, infinite if none */
} range;

static range find_range(const pl_figure *figure)
{
    range r = {INFINITY, -INFINITY, INFINITY};
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        for (size_t i = 0; i < series->count; i++) {
            double y = series->y[i];
            r.lo = fmin(r.lo, y);
            r.hi = fmax(r.hi, y);
            r.positive = y > 0 ? fmin(r.positive, y) : r.positive;
        }
    }
    return r;
}

/* A little room above the largest value, and nothing cut off. */
static void set_y(pl_axis *axis, range r, double rule)
{
    double top = fmax(r.hi, rule);
    if (axis->log && top > 0) {
        double low = fmax(fmin(r.positive, rule > 0 ? rule : r.positive), top * LOG_FLOOR);
        double room = pow(top / low, 0.05);
        axis->lo = low / fmax(room, 1.1);
        axis->hi = top * fmax(room, 1.2);
        return;
    }
    axis->log = false;
    axis->lo = r.lo < 0 ? r.lo * 1.06 : 0;
    axis->hi = top > 0 ? top * 1.06 : r.lo < 0 ? 0 : 1;
}

static void set_x(pl_axis *axis, const pl_channels_data *data)
{
    double n = (double)data->n;
    axis->log = data->sorted && data->log_x && data->n > 1;
    axis->whole = !axis->log;
    if (axis->log) {
        axis->lo = 1 / pow(n, 0.01);
        axis->hi = n * pow(n, 0.01);
        return;
    }
    /* Room for the first and last stems beside the spines. */
    double room = fmax(0.6, 0.01 * n);
    double first = data->sorted ? 1 : 0;
    axis->lo = first - room;
    axis->hi = first + n - 1 + room;
}

/* The rule is drawn where it explains the data: a linear axis is not stretched to twice them. */
static double find_rule(const pl_channels_data *data, const pl_figure *figure, double median)
{
    double at = OUTLIER_FACTOR * median;
    bool near = data->log || find_range(figure).hi > 0.5 * at;
    return data->median_rule && at > 0 && isfinite(at) && near ? at : 0;
}

static pl_status add_rule(pl_figure *figure, double at, pl_error *err)
{
    pl_rule *rule = &figure->rules[figure->n_rules];
    rule->at = at;
    figure->n_rules++;
    return pl_figure_text(&rule->label, "6\u2009\u00d7\u2009median", err);
}

static void add_notes(const pl_channels_data *data, double median, pl_figure *figure)
{
    size_t top[PL_FIGURE_NOTES];
    size_t count = pl_top_channels(data->values[0], data->n, PL_FIGURE_NOTES, top);
    for (size_t i = 0; i < count; i++) {
        double value = (double)data->values[0][top[i]];
        if (!(value > OUTLIER_FACTOR * median)) {
            break;
        }
        pl_note *note = &figure->notes[figure->n_notes++];
        note->x = (double)top[i];
        note->y = value;
        snprintf(note->text, sizeof note->text, "%zu", top[i]);
    }
}

pl_status pl_figure_channels(const pl_channels_data *data, pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    pl_status status = check_data(data, err);
    if (status == PL_OK) {
        status = pl_figure_texts(out, data->title,
                                 data->sorted ? "channel rank (by falling maximum)" : "channel",
                                 data->y_label, err);
    }
    if (status == PL_OK) {
        status = add_series(data, out, err);
    }
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    double median = pl_median(data->values[0], data->n);
    double rule = find_rule(data, out, median);
    out->y.log = data->log;
    set_x(&out->x, data);
    set_y(&out->y, find_range(out), rule);
    if (!data->sorted) {
        add_notes(data, median, out);
    }
    if (rule > 0) {
        status = add_rule(out, rule, err);
    }
    if (status != PL_OK) {
        pl_figure_deinit(out);
    }
    return status;
}
