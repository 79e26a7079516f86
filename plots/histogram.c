#include "plots/figure.h"

#include "plots/build.h"

#include "core/base/checked.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE = 1 << 16, BINS_MIN = 60, BINS_MAX = 200, BINS_LIMIT = 4096 };

#define COUNT_FLOOR 0.5 /* log counts start below 1, so that a bin of one value shows */

static const char *label_of(const pl_histogram_data *data, size_t s)
{
    return data->labels[s] != NULL ? data->labels[s] : "";
}

static pl_status check_data(const pl_histogram_data *data, pl_error *err)
{
    if (data->n_series == 0 || data->n_series > PL_FIGURE_SERIES || data->bins > BINS_LIMIT) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "histogram: expected 1 to %d series and at most %d bins, got %zu and "
                            "%zu",
                            PL_FIGURE_SERIES, BINS_LIMIT, data->n_series, data->bins);
    }
    for (size_t s = 0; s < data->n_series; s++) {
        pl_view v = data->values[s];
        if (v.rows == 0 || v.cols == 0) {
            return pl_error_set(err, PL_ERR_USAGE, "histogram: \"%s\" holds no values",
                                label_of(data, s));
        }
        size_t bad = pl_view_first_nonfinite(v);
        if (bad < v.rows * v.cols) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "histogram: \"%s\": row %zu, column %zu is not finite",
                                label_of(data, s), bad / v.cols, bad % v.cols);
        }
    }
    return PL_OK;
}

static void find_range(const pl_histogram_data *data, double *lo, double *hi)
{
    float low = INFINITY;
    float high = -INFINITY;
    for (size_t s = 0; s < data->n_series; s++) {
        pl_view v = data->values[s];
        for (size_t i = 0; i < v.rows; i++) {
            const float *row = v.data + i * v.stride;
            for (size_t j = 0; j < v.cols; j++) {
                low = row[j] < low ? row[j] : low;
                high = row[j] > high ? row[j] : high;
            }
        }
    }
    *lo = (double)low;
    *hi = (double)high;
}

static int rising(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Freedman and Diaconis, 1981: bin width 2 IQR / n^(1/3); the quartiles from an even sample. */
static size_t choose_bins(pl_view v, double span)
{
    size_t total = v.rows * v.cols;
    size_t count = total < SAMPLE ? total : SAMPLE;
    float *sample = pl_alloc(count, sizeof *sample);
    if (sample == NULL) {
        return BINS_MIN;
    }
    double stride = (double)total / (double)count;
    for (size_t i = 0; i < count; i++) {
        size_t k = (size_t)((double)i * stride);
        sample[i] = v.data[k / v.cols * v.stride + k % v.cols];
    }
    qsort(sample, count, sizeof *sample, rising);
    double iqr = (double)sample[count * 3 / 4] - (double)sample[count / 4];
    free(sample);
    double bins = iqr > 0 ? span * cbrt((double)total) / (2 * iqr) : BINS_MAX;
    return bins < BINS_MIN ? BINS_MIN : bins > BINS_MAX ? BINS_MAX : (size_t)bins;
}

static void count_values(pl_view v, double lo, double hi, size_t bins, double *counts)
{
    double scale = (double)bins / (hi - lo);
    for (size_t i = 0; i < v.rows; i++) {
        const float *row = v.data + i * v.stride;
        for (size_t j = 0; j < v.cols; j++) {
            size_t bin = (size_t)(((double)row[j] - lo) * scale);
            counts[bin < bins ? bin : bins - 1] += 1;
        }
    }
}

static pl_status add_counts(const pl_histogram_data *data, double lo, double hi, size_t bins,
                            pl_figure *figure, pl_error *err)
{
    for (size_t s = 0; s < data->n_series; s++) {
        pl_series *series = NULL;
        pl_status status = pl_figure_add(figure, label_of(data, s), PL_MARK_STEPS, data->tones[s],
                                         bins, &series, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t i = 0; i <= bins; i++) {
            double part = (double)i / (double)bins;
            series->x[i] = i == bins ? hi : lo + (hi - lo) * part;
        }
        count_values(data->values[s], lo, hi, bins, series->y);
    }
    return PL_OK;
}

static void set_counts_axis(pl_figure *figure)
{
    double top = 1;
    for (size_t s = 0; s < figure->n_series; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            top = fmax(top, figure->series[s].y[i]);
        }
    }
    figure->y.log = true;
    figure->y.lo = COUNT_FLOOR;
    figure->y.hi = top * fmax(1.5, pow(top / COUNT_FLOOR, 0.06));
}

pl_status pl_figure_histogram(const pl_histogram_data *data, pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    pl_status status = check_data(data, err);
    if (status == PL_OK) {
        status = pl_figure_texts(out, data->title, data->x_label, "count per bin", err);
    }
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    double lo = 0;
    double hi = 0;
    find_range(data, &lo, &hi);
    if (!(lo < hi)) {
        double room = lo != 0 ? 0.1 * fabs(lo) : 0.5;
        lo -= room;
        hi += room;
    }
    size_t bins = data->bins > 0 ? data->bins : choose_bins(data->values[0], hi - lo);
    status = add_counts(data, lo, hi, bins, out, err);
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    out->x.lo = lo - 0.02 * (hi - lo);
    out->x.hi = hi + 0.02 * (hi - lo);
    set_counts_axis(out);
    return PL_OK;
}

static double edge(size_t bin)
{
    return exp2((double)PL_HIST_LOW + (double)bin / PL_HIST_PER_OCTAVE);
}

pl_status pl_figure_input_histogram(const char *title, const uint64_t counts[PL_HIST_BINS],
                                    pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    size_t first = 0;
    size_t last = PL_HIST_BINS;
    while (first < PL_HIST_BINS && counts[first] == 0) {
        first++;
    }
    if (first == PL_HIST_BINS) {
        return pl_error_set(err, PL_ERR_STATE, "histogram: no input has been counted yet");
    }
    while (counts[last - 1] == 0) {
        last--;
    }
    pl_status status = pl_figure_texts(out, title, "|x|, layer input", "count per 1/8 octave", err);
    pl_series *series = NULL;
    if (status == PL_OK) {
        status = pl_figure_add(out, "", PL_MARK_STEPS, PL_TONE_INPUT, last - first, &series, err);
    }
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    for (size_t i = first; i <= last; i++) {
        series->x[i - first] = edge(i);
    }
    for (size_t i = first; i < last; i++) {
        series->y[i - first] = (double)counts[i];
    }
    double room = pow(edge(last) / edge(first), 0.02);
    out->x.log = true;
    out->x.lo = edge(first) / room;
    out->x.hi = edge(last) * room;
    set_counts_axis(out);
    return PL_OK;
}
