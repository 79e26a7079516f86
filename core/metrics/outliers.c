#include "core/metrics/outliers.h"

#include "core/base/checked.h"
#include "core/metrics/spread.h"
#include "core/tensor/clones.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 128, BAND = 64 };

typedef struct column_sums {
    float max[LANES];
    double squares[LANES], abs[LANES];
} column_sums;

PL_CLONES
static void add_row_sums(const float *restrict w, size_t count, column_sums *restrict s)
{
    for (size_t c = 0; c < count; c++) {
        const float a = fabsf(w[c]);
        const double d = (double)a;
        s->max[c] = a > s->max[c] ? a : s->max[c];
        s->squares[c] += d * d;
        s->abs[c] += d;
    }
}

static void column_block(pl_view w, size_t first, float *max, float *rms, float *mean_abs)
{
    const size_t count = w.cols - first < LANES ? w.cols - first : LANES;
    column_sums s = {0};
    for (size_t r = 0; r < w.rows; r++) {
        add_row_sums(w.data + r * w.stride + first, count, &s);
    }
    const double rows = w.rows > 0 ? (double)w.rows : 1.0;
    for (size_t c = 0; c < count; c++) {
        if (max != NULL) {
            max[first + c] = s.max[c];
        }
        if (rms != NULL) {
            rms[first + c] = (float)sqrt(s.squares[c] / rows);
        }
        if (mean_abs != NULL) {
            mean_abs[first + c] = (float)(s.abs[c] / rows);
        }
    }
}

void pl_column_stats(pl_view w, float *max, float *rms, float *mean_abs)
{
    const size_t blocks = (w.cols + LANES - 1) / LANES;
#pragma omp parallel for schedule(dynamic, 1) if (w.rows * w.cols >= 65536)
    for (size_t b = 0; b < blocks; b++) {
        column_block(w, b * LANES, max, rms, mean_abs);
    }
}

double pl_median(const float *values, size_t count)
{
    if (count == 0) {
        return 0.0;
    }
    float *copy = pl_alloc(count, sizeof *copy);
    if (copy == NULL) {
        return NAN;
    }
    memcpy(copy, values, count * sizeof *copy);
    double median = (double)pl_select(copy, count, count / 2);
    if (count % 2 == 0) {
        float below = copy[0];
        for (size_t i = 1; i < count / 2; i++) {
            below = copy[i] > below ? copy[i] : below;
        }
        median = 0.5 * (median + (double)below);
    }
    free(copy);
    return median;
}

double pl_outlier_ratio(const float *channel_max, size_t count)
{
    const double median = pl_median(channel_max, count);
    double max = 0.0;
    for (size_t i = 0; i < count; i++) {
        max = (double)channel_max[i] > max ? (double)channel_max[i] : max;
    }
    if (median == 0.0) {
        return max == 0.0 ? 1.0 : INFINITY;
    }
    return max / median;
}

/* Whether channel a comes after channel b in the ranking. */
static bool ranks_after(const float *values, size_t a, size_t b)
{
    return values[a] < values[b] || (values[a] == values[b] && a > b);
}

/* Restores the heap whose root is the entry that ranks last. */
static void sift_down(const float *values, size_t *heap, size_t size, size_t at)
{
    for (;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < size; child++) {
            if (ranks_after(values, heap[child], heap[last])) {
                last = child;
            }
        }
        if (last == at) {
            return;
        }
        const size_t t = heap[at];
        heap[at] = heap[last];
        heap[last] = t;
        at = last;
    }
}

size_t pl_top_channels(const float *values, size_t count, size_t top, size_t *out)
{
    const size_t size = top < count ? top : count;
    if (size == 0) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = i;
    }
    for (size_t i = size / 2; i-- > 0;) {
        sift_down(values, out, size, i);
    }
    for (size_t i = size; i < count; i++) {
        if (ranks_after(values, out[0], i)) {
            out[0] = i;
            sift_down(values, out, size, 0);
        }
    }
    for (size_t end = size - 1; end > 0; end--) {
        const size_t t = out[0];
        out[0] = out[end];
        out[end] = t;
        sift_down(values, out, end, 0);
    }
    return size;
}

size_t pl_outlier_count(const float *channel_max, size_t count, double factor)
{
    const double limit = factor * pl_median(channel_max, count);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += (double)channel_max[i] > limit ? 1 : 0;
    }
    return found;
}

/* Sums over a band of rows, added up in the order of the bands. */
typedef struct band_sums {
    double sum, abs, max, m2, m4;
    size_t far;
} band_sums;

typedef struct lane_sums {
    double a[LANES], b[LANES];
    float max[LANES];
} lane_sums;

PL_CLONES
static void add_values(const float *restrict w, size_t count, lane_sums *restrict s)
{
    for (size_t c = 0; c < count; c++) {
        const float a = fabsf(w[c]);
        s->max[c] = a > s->max[c] ? a : s->max[c];
        s->a[c] += (double)w[c];
        s->b[c] += (double)a;
    }
}

PL_CLONES
static void add_central(const float *restrict w, size_t count, double mean, lane_sums *restrict s)
{
    for (size_t c = 0; c < count; c++) {
        const double d = (double)w[c] - mean;
        s->a[c] += d * d;
        s->b[c] += d * d * (d * d);
    }
}

PL_CLONES
static uint32_t count_far(const float *restrict w, size_t count, double mean, double limit)
{
    uint32_t far = 0;
    for (size_t c = 0; c < count; c++) {
        far += fabs((double)w[c] - mean) > limit ? 1u : 0u;
    }
    return far;
}

/* What a pass over the tensor collects. */
typedef enum pass { PASS_MEAN, PASS_CENTRAL, PASS_FAR } pass;

static band_sums sum_band(pl_view w, size_t first, pass which, double mean, double limit)
{
    lane_sums s = {0};
    band_sums out = {0};
    const size_t end = first + BAND < w.rows ? first + BAND : w.rows;
    for (size_t r = first; r < end; r++) {
        for (size_t c = 0; c < w.cols; c += LANES) {
            const size_t count = w.cols - c < LANES ? w.cols - c : LANES;
            const float *at = w.data + r * w.stride + c;
            if (which == PASS_MEAN) {
                add_values(at, count, &s);
            } else if (which == PASS_CENTRAL) {
                add_central(at, count, mean, &s);
            } else {
                out.far += count_far(at, count, mean, limit);
            }
        }
    }
    for (size_t l = 0; l < LANES; l++) {
        out.max = (double)s.max[l] > out.max ? (double)s.max[l] : out.max;
        out.sum += s.a[l];
        out.abs += s.b[l];
    }
    out.m2 = out.sum;
    out.m4 = out.abs;
    return out;
}

static band_sums sum_tensor(pl_view w, pass which, double mean, double limit, band_sums *bands)
{
    const size_t count = (w.rows + BAND - 1) / BAND;
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
    for (size_t b = 0; b < count; b++) {
        bands[b] = sum_band(w, b * BAND, which, mean, limit);
    }
    band_sums all = {0};
    for (size_t b = 0; b < count; b++) {
        all.sum += bands[b].sum;
        all.abs += bands[b].abs;
        all.max = bands[b].max > all.max ? bands[b].max : all.max;
        all.m2 += bands[b].m2;
        all.m4 += bands[b].m4;
        all.far += bands[b].far;
    }
    return all;
}

/* Column norms over their mean: c_i (a common factor, as of the RMS, cancels). */
static void describe_flatness(const float *rms, size_t cols, pl_tensor_numbers *out)
{
    double mean = 0.0, max = 0.0, away = 0.0;
    for (size_t c = 0; c < cols; c++) {
        mean += (double)rms[c] / (double)cols;
        max = (double)rms[c] > max ? (double)rms[c] : max;
    }
    for (size_t c = 0; mean > 0.0 && c < cols; c++) {
        away += fabs((double)rms[c] / mean - 1.0) / (double)cols;
    }
    out->flatness = away;
    out->flatness_max = mean > 0.0 ? max / mean : 1.0;
}

pl_tensor_numbers pl_describe(pl_view w)
{
    pl_tensor_numbers out = {0};
    const double n = (double)w.rows * (double)w.cols;
    if (n == 0.0) {
        return out;
    }
    band_sums *bands = pl_alloc((w.rows + BAND - 1) / BAND, sizeof *bands);
    float *rms = pl_alloc(w.cols, sizeof *rms);
    if (bands == NULL || rms == NULL) {
        out = (pl_tensor_numbers){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    } else {
        const band_sums first = sum_tensor(w, PASS_MEAN, 0.0, 0.0, bands);
        const double mean = first.sum / n;
        const band_sums second = sum_tensor(w, PASS_CENTRAL, mean, 0.0, bands);
        const double variance = second.m2 / n;
        const double square = variance + mean * mean;
        out.max = first.max;
        out.rms = sqrt(square);
        out.mean_abs = first.abs / n;
        out.kurtosis = variance > 0.0 ? second.m4 / n / variance / variance : 0.0;
        out.max_over_rms = square > 0.0 ? out.max / out.rms : 1.0;
        out.share_above_6_sigma =
            (double)sum_tensor(w, PASS_FAR, mean, 6.0 * sqrt(variance), bands).far / n;
        out.incoherence = out.max_over_rms; /* max sqrt(n) / ||W||_F, and ||W||_F = rms sqrt(n) */
        pl_column_stats(w, NULL, rms, NULL);
        describe_flatness(rms, w.cols, &out);
    }
    free(bands);
    free(rms);
    return out;
}
