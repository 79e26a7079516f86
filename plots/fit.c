#include "plots/fit.h"

#include "core/base/checked.h"
#include "core/metrics/outliers.h"

#include <math.h>
#include <stdlib.h>

typedef struct range {
    double lo, hi, positive; /* positive: the smallest value above 0, infinite if none */
} range;

/* tails: spreads' minima, too. */
static range find_series_range(const pl_figure *figure, bool tails)
{
    range r = {(double)INFINITY, -(double)INFINITY, (double)INFINITY};
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        size_t width = pl_mark_width(series->mark);
        for (size_t i = 0; i < series->count * width; i++) {
            double y = series->y[i];
            if (!tails && width > 1 && i % width == 0) {
                continue;
            }
            r.lo = fmin(r.lo, y);
            r.hi = fmax(r.hi, y);
            r.positive = y > 0 ? fmin(r.positive, y) : r.positive;
        }
    }
    return r;
}

static void fit_axis(pl_axis *axis, range r, bool log, double rule)
{
    double top = fmax(r.hi, rule);
    axis->log = log && top > 0;
    if (axis->log) {
        double low = rule > 0 ? fmin(r.positive, rule) : r.positive;
        low = fmax(low, top * PL_LOG_FLOOR);
        double room = pow(top / low, 0.05);
        axis->lo = low / fmax(room, 1.1);
        axis->hi = top * fmax(room, 1.2);
        return;
    }
    axis->lo = r.lo < 0 ? r.lo * 1.06 : 0;
    axis->hi = top > 0 ? top * 1.06 : r.lo < 0 ? 0 : 1;
}

void pl_fit_y(pl_figure *figure, bool log, double rule)
{
    fit_axis(&figure->y, find_series_range(figure, true), log, rule);
}

void pl_fit_magnitudes(pl_figure *figure)
{
    fit_axis(&figure->y, find_series_range(figure, false), true, 0);
}

void pl_fit_positions(pl_axis *axis, double first, size_t n)
{
    double room = fmax(0.6, 0.01 * (double)n);
    axis->log = false;
    axis->whole = true;
    axis->lo = first - room;
    axis->hi = first + (double)n - 1 + room;
}

void pl_fit_log(pl_axis *axis, double lo, double hi)
{
    double room = fmax(1.1, pow(hi / lo, 0.04));
    axis->log = true;
    axis->whole = false;
    axis->lo = lo / room;
    axis->hi = hi * room;
}

#define LOG_FROM 20.0 /* the largest channel over the median one: above, a log axis shows both */

bool pl_fit_wants_log(const pl_figure *figure)
{
    bool log = false;
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *series = &figure->series[s];
        const size_t n = series->count;
        float *norms = pl_alloc(n > 0 ? n : 1, sizeof *norms);
        double top = 0;
        for (size_t i = 0; norms != NULL && i < n; i++) {
            norms[i] = (float)series->y[i];
            top = fmax(top, series->y[i]);
        }
        log = log || (norms != NULL && n > 0 && top > LOG_FROM * pl_median(norms, n));
        free(norms);
    }
    return log;
}
