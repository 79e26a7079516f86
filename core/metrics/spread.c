#include "core/metrics/spread.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

enum { LINE = 16 /* columns gathered together: a cache line */, PIECE = 1 << 20 };

static const double quantiles[PL_SPREAD_NUMBERS] = {0, 0.01, 0.25, 0.5, 0.75, 0.99, 1};

static float median_of_three(float a, float b, float c)
{
    const float low = a < b ? a : b;
    const float high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Lomuto's partition without a branch on the data, which would be mispredicted every other time:
 * moves what is below the pivot (or equal to it, where `equal`) to the front, returns its end. */
static size_t partition(float *v, size_t left, size_t right, float pivot, bool equal)
{
    size_t end = left;
    if (equal) {
        for (size_t i = left; i <= right; i++) {
            const float x = v[i];
            v[i] = v[end];
            v[end] = x;
            end += x <= pivot ? 1 : 0;
        }
    } else {
        for (size_t i = left; i <= right; i++) {
            const float x = v[i];
            v[i] = v[end];
            v[end] = x;
            end += x < pivot ? 1 : 0;
        }
    }
    return end;
}

/* Quickselect within [left, right]. */
static float select_between(float *v, size_t left, size_t right, size_t k)
{
    while (left < right) {
        const float pivot = median_of_three(v[left], v[left + (right - left) / 2], v[right]);
        const size_t below = partition(v, left, right, pivot, false);
        if (k < below) {
            right = below - 1;
            continue;
        }
        const size_t above = partition(v, below, right, pivot, true);
        if (k < above) {
            break; /* equal to the pivot */
        }
        left = above;
    }
    return v[k];
}

float pl_select(float *values, size_t count, size_t k)
{
    return select_between(values, 0, count - 1, k);
}

static float least(const float *v, size_t first, size_t last)
{
    float low = v[first];
    for (size_t i = first + 1; i <= last; i++) {
        low = v[i] < low ? v[i] : low;
    }
    return low;
}

static float greatest(const float *v, size_t first, size_t last)
{
    float high = v[first];
    for (size_t i = first + 1; i <= last; i++) {
        high = v[i] > high ? v[i] : high;
    }
    return high;
}

/* The middle first, then each half within what it leaves: every value is moved about three
 * times.  Behind an order statistic, its successor is the least up to the next one. */
void pl_spread(float *values, size_t count, double out[PL_SPREAD_NUMBERS])
{
    enum { LAST = PL_SPREAD_NUMBERS - 1 };
    memset(out, 0, PL_SPREAD_NUMBERS * sizeof *out);
    if (count == 0) {
        return;
    }
    size_t at[PL_SPREAD_NUMBERS];
    for (size_t q = 0; q <= LAST; q++) {
        at[q] = (size_t)(quantiles[q] * (double)(count - 1));
    }
    select_between(values, 0, count - 1, at[3]);
    for (size_t q = 2; q >= 1; q--) {
        if (at[q] < at[q + 1]) {
            select_between(values, 0, at[q + 1] - 1, at[q]);
        }
    }
    for (size_t q = 4; q < LAST; q++) {
        if (at[q] > at[q - 1]) {
            select_between(values, at[q - 1] + 1, count - 1, at[q]);
        }
    }
    for (size_t q = 1; q < LAST; q++) {
        const double part = quantiles[q] * (double)(count - 1) - (double)at[q];
        const double low = (double)values[at[q]];
        out[q] = low;
        if (part > 0) {
            /* The next order statistic may be that of several quantiles, in a short list. */
            size_t next = q + 1;
            while (next < LAST && at[next] == at[q]) {
                next++;
            }
            out[q] += part * ((double)least(values, at[q] + 1, at[next]) - low);
        }
    }
    out[0] = (double)least(values, 0, at[1]);
    out[LAST] = (double)greatest(values, at[LAST - 1], count - 1);
    for (size_t q = 1; q <= LAST; q++) {
        out[q] = out[q] < out[q - 1] ? out[q - 1] : out[q]; /* a rounding of the interpolation */
    }
    out[LAST - 1] = fmin(out[LAST - 1], out[LAST]);
}

/* What the threads share. */
typedef struct job {
    pl_view w;
    size_t size, groups; /* columns of a group */
    size_t step;         /* groups gathered together */
    bool magnitudes;
    double *out;
} job;

/* Copies columns [first, first + count) into scratch, one group after the other. */
static void gather_columns(const job *j, size_t first, size_t count, float *scratch)
{
    const pl_view w = j->w;
    for (size_t r = 0; r < w.rows; r++) {
        const float *row = w.data + r * w.stride + first;
        if (j->size == 1) {
            for (size_t c = 0; c < count; c++) {
                scratch[c * w.rows + r] = row[c];
            }
        } else {
            for (size_t c = 0; c < count; c += j->size) {
                const size_t now = count - c < j->size ? count - c : j->size;
                memcpy(scratch + c * w.rows + r * now, row + c, now * sizeof *row);
            }
        }
    }
    for (size_t i = 0; j->magnitudes && i < count * w.rows; i++) {
        scratch[i] = fabsf(scratch[i]);
    }
}

static void spread_groups(const job *j, size_t first_group, float *scratch)
{
    const size_t first = first_group * j->size;
    const size_t width = j->step * j->size;
    const size_t count = j->w.cols - first < width ? j->w.cols - first : width;
    gather_columns(j, first, count, scratch);
    for (size_t c = 0; c < count; c += j->size) {
        const size_t now = count - c < j->size ? count - c : j->size;
        pl_spread(scratch + c * j->w.rows, now * j->w.rows,
                  j->out + (first_group + c / j->size) * PL_SPREAD_NUMBERS);
    }
}

static size_t thread_count(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_max_threads();
#else
    return 1;
#endif
}

/* Chunks of groups [begin, end), each thread with a scratch of its own. */
static void spread_range(const job *j, size_t begin, size_t end, float *scratch, size_t each)
{
    const size_t chunks = (end - begin + j->step - 1) / j->step;
#pragma omp parallel for schedule(dynamic, 1) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        spread_groups(j, begin + i * j->step, scratch + pl_linalg_thread() * each);
    }
}

pl_status pl_group_spreads(pl_view w, size_t group_size, bool magnitudes, double *out,
                           pl_task *task, pl_error *err)
{
    const size_t bad = pl_view_first_nonfinite(w);
    if (bad < w.rows * w.cols) {
        return pl_error_set(err, PL_ERR_NUMERIC, "row %zu, column %zu is not finite", bad / w.cols,
                            bad % w.cols);
    }
    job j = {.w = w, .magnitudes = magnitudes, .out = out};
    j.size = pl_group_width(w.cols, group_size);
    j.groups = pl_group_count(w.cols, group_size);
    j.step = j.size < LINE && j.size > 0 ? LINE / j.size : 1;
    size_t each = 0, whole = 0;
    float *scratch = NULL;
    if (pl_mul(j.step * j.size, w.rows, &each) && pl_mul(each, thread_count(), &whole)) {
        scratch = pl_alloc(whole, sizeof *scratch);
    }
    if (scratch == NULL) {
        return pl_error_memory(err, "the spread of %zu x %zu values", w.rows, w.cols);
    }
    /* Pieces of a few milliseconds between ticks, whole chunks for every thread. */
    const size_t chunks = each > 0 ? (PIECE / each + 1) * thread_count() : 1;
    pl_status status = PL_OK;
    for (size_t g = 0; status == PL_OK && g < j.groups; g += chunks * j.step) {
        const size_t end = j.groups - g < chunks * j.step ? j.groups : g + chunks * j.step;
        spread_range(&j, g, end, scratch, each);
        status = pl_task_tick(task, err);
    }
    free(scratch);
    return status;
}
