#include "core/metrics/recon.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Rows at a time; of W beside a packed G more, since every band of it is unpacked for each. */
enum { BAND = 128, PACKED_ROWS = 512, LANES = 64 };

PL_CLONES
static void subtract_floats(const float *restrict a, const float *restrict b, size_t count,
                            float *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = a[i] - b[i];
    }
}

PL_CLONES
static void multiply_lanes(const float *restrict a, const float *restrict b, size_t count,
                           double *restrict lanes)
{
    for (size_t l = 0; l < count; l++) {
        lanes[l] += (double)a[l] * (double)b[l];
    }
}

static double dot(const float *a, const float *b, size_t count)
{
    double lanes[LANES] = {0};
    for (size_t i = 0; i < count; i += LANES) {
        multiply_lanes(a + i, b + i, count - i < LANES ? count - i : LANES, lanes);
    }
    double sum = 0.0;
    for (size_t l = 0; l < LANES; l++) {
        sum += lanes[l];
    }
    return sum;
}

/* Room for one band of rows D: the differences, D G, and of a packed G a band at a time. */
typedef struct energy_work {
    size_t rows; /* at a time */
    float *d, *product, *band;
} energy_work;

/* Of a packed G rows [first, first + count) are used from their diagonal block on: what is right of
 * the block counts for both triangles.  energies[rows] are added to, or NULL. */
static double packed_energy(const energy_work *w, size_t rows, const pl_sym *gram, double *energies)
{
    const size_t n = gram->n;
    double sum = 0.0;
    for (size_t first = 0; first < n; first += BAND) {
        const size_t count = n - first < BAND ? n - first : BAND, wide = n - first;
        pl_sym_band(gram, first, count, w->band);
        pl_gemm_nn(rows, wide, count, 1.0f, w->d + first, n, w->band, wide, 0.0f, w->product, wide);
        for (size_t r = 0; r < rows; r++) {
            const float *d = w->d + r * n + first, *product = w->product + r * wide;
            const double part =
                dot(d, product, count) + 2.0 * dot(d + count, product + count, wide - count);
            sum += part;
            if (energies != NULL) {
                energies[r] += part;
            }
        }
    }
    return sum;
}

/* D G of the rows of d (contiguous), for a square G. */
static void multiply_gram(const energy_work *w, size_t rows, const pl_sym *gram)
{
    const size_t n = gram->n;
    pl_gemm_nn(rows, n, n, 1.0f, w->d, n, gram->square, n, 0.0f, w->product, n);
}

/* tr(D G D^T) of the rows of d (contiguous). */
static double energy(const energy_work *w, size_t rows, const pl_sym *gram)
{
    if (gram->square == NULL) {
        return packed_energy(w, rows, gram, NULL);
    }
    multiply_gram(w, rows, gram);
    return dot(w->d, w->product, rows * gram->n);
}

static pl_status energy_work_init(energy_work *work, pl_factors *factors, pl_error *err)
{
    const pl_sym *gram = pl_factors_gram(factors);
    const size_t rows = gram->square != NULL ? BAND : PACKED_ROWS, n = gram->n;
    *work = (energy_work){
        .rows = rows,
        .d = pl_alloc(rows * n, sizeof(float)),
        .product = pl_alloc(rows * n, sizeof(float)),
        .band = gram->square == NULL ? pl_alloc(BAND * n, sizeof(float)) : NULL,
    };
    return work->d != NULL && work->product != NULL && (gram->square != NULL || work->band != NULL)
               ? PL_OK
               : pl_error_memory(err, "its error of %s", pl_factors_label(factors));
}

static void energy_work_deinit(energy_work *work)
{
    free(work->d);
    free(work->product);
    free(work->band);
}

pl_status pl_relative_error(pl_factors *factors, pl_view w0, pl_view w, double *out, pl_task *task,
                            pl_error *err)
{
    const size_t n = pl_factors_n(factors);
    const pl_sym *gram = pl_factors_gram(factors);
    *out = NAN;
    assert(w0.cols == n && w.cols == n && w0.rows == w.rows);
    energy_work work;
    double error = 0.0, whole = 0.0;
    pl_status status = energy_work_init(&work, factors, err);
    for (size_t r = 0; status == PL_OK && r < w.rows; r += work.rows) {
        const size_t rows = w.rows - r < work.rows ? w.rows - r : work.rows;
        status = pl_task_tick(task, err);
        for (size_t i = 0; i < rows; i++) {
            memcpy(work.d + i * n, w0.data + (r + i) * w0.stride, n * sizeof(float));
        }
        whole += energy(&work, rows, gram);
        for (size_t i = 0; i < rows; i++) {
            subtract_floats(w.data + (r + i) * w.stride, w0.data + (r + i) * w0.stride, n,
                            work.d + i * n);
        }
        error += energy(&work, rows, gram);
    }
    if (status == PL_OK) {
        /* A Gram matrix has no negative energy; rounding of a nearly null one may. */
        error = error > 0.0 ? error : 0.0;
        *out = error == 0.0 ? 0.0 : error / whole;
    }
    energy_work_deinit(&work);
    return status;
}

pl_status pl_row_energies(pl_factors *factors, pl_view w0, pl_view w, double *out, pl_task *task,
                          pl_error *err)
{
    const size_t n = pl_factors_n(factors);
    const pl_sym *gram = pl_factors_gram(factors);
    energy_work work;
    pl_status status = energy_work_init(&work, factors, err);
    for (size_t first = 0; status == PL_OK && first < w.rows; first += work.rows) {
        const size_t rows = w.rows - first < work.rows ? w.rows - first : work.rows;
        status = pl_task_tick(task, err);
        for (size_t i = 0; i < rows; i++) {
            const float *row = w.data + (first + i) * w.stride;
            if (w0.data != NULL) {
                subtract_floats(row, w0.data + (first + i) * w0.stride, n, work.d + i * n);
            } else {
                memcpy(work.d + i * n, row, n * sizeof(float));
            }
            out[first + i] = 0.0;
        }
        if (gram->square == NULL) {
            (void)packed_energy(&work, rows, gram, out + first);
        } else {
            multiply_gram(&work, rows, gram);
            for (size_t i = 0; i < rows; i++) {
                out[first + i] = dot(work.d + i * n, work.product + i * n, n);
            }
        }
        for (size_t i = 0; i < rows; i++) {
            out[first + i] = fmax(out[first + i], 0.0); /* rounding of a nearly null G */
        }
    }
    energy_work_deinit(&work);
    return status;
}

static size_t groups_of(size_t cols, size_t group_size)
{
    return group_size == 0 ? 1 : (cols + group_size - 1) / group_size;
}

PL_CLONES
static float max_abs(const float *w, size_t count)
{
    /* Magnitudes order as their bits do, and integer maxima need no NaN rule to vectorize. */
    int32_t max = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, w + i, sizeof bits);
        bits &= 0x7fffffff;
        max = bits > max ? bits : max;
    }
    float value;
    memcpy(&value, &max, sizeof value);
    return value;
}

void pl_group_max(pl_view w, size_t group_size, double *largest, double *mean)
{
    const size_t groups = groups_of(w.cols, group_size);
    const size_t size = group_size == 0 ? w.cols : group_size;
#pragma omp parallel for schedule(static) if (w.rows * w.cols >= 65536)
    for (size_t k = 0; k < groups; k++) {
        const size_t first = k * size;
        const size_t count = w.cols - first < size ? w.cols - first : size;
        double top = 0.0, sum = 0.0;
        for (size_t r = 0; r < w.rows; r++) {
            const double m = (double)max_abs(w.data + r * w.stride + first, count);
            top = m > top ? m : top;
            sum += m;
        }
        if (largest != NULL) {
            largest[k] = top;
        }
        if (mean != NULL) {
            mean[k] = w.rows > 0 ? sum / (double)w.rows : 0.0;
        }
    }
}

double pl_sqnr(double relative_error)
{
    return relative_error > 0.0 ? -10.0 * log10(relative_error) : (double)NAN;
}

double pl_group_max_mean(pl_view w, size_t group_size)
{
    const size_t groups = groups_of(w.cols, group_size);
    if (w.rows == 0 || w.cols == 0) {
        return 0.0;
    }
    double *mean = pl_alloc(groups, sizeof *mean);
    if (mean == NULL) {
        return NAN;
    }
    pl_group_max(w, group_size, NULL, mean);
    double sum = 0.0;
    for (size_t k = 0; k < groups; k++) {
        sum += mean[k];
    }
    free(mean);
    return sum / (double)groups;
}

void pl_group_input_norms(const float *rms, size_t cols, double tokens, size_t group_size,
                          double *out)
{
    const size_t groups = groups_of(cols, group_size);
    const size_t size = group_size == 0 ? cols : group_size;
    for (size_t k = 0; k < groups; k++) {
        double sum = 0.0;
        for (size_t c = k * size; c < cols && c < (k + 1) * size; c++) {
            sum += (double)rms[c] * (double)rms[c];
        }
        out[k] = sqrt(tokens * sum);
    }
}

/* The inputs of a bound: factors, or RMS per channel. */
typedef struct bound_inputs {
    pl_factors *factors;
    const float *rms;
    double tokens;
} bound_inputs;

static double bound_of(const bound_inputs *in, const pl_grid *grid, pl_view w)
{
    if (!grid->format->has_bound || grid->mse || grid->weighted) {
        return NAN;
    }
    const size_t groups = groups_of(w.cols, grid->group_size);
    const size_t size = grid->group_size == 0 ? w.cols : grid->group_size;
    double *norms = pl_alloc(groups, sizeof *norms);
    double *mean = pl_alloc(groups, sizeof *mean);
    double bound = NAN;
    if (norms != NULL && mean != NULL) {
        if (in->factors != NULL) {
            pl_factors_group_norms(in->factors, grid->group_size, norms);
        } else {
            pl_group_input_norms(in->rms, w.cols, 1.0, grid->group_size, norms);
        }
        pl_group_max(w, grid->group_size, NULL, mean);
        bound = 0.0;
        for (size_t k = 0; k < groups; k++) {
            bound += norms[k] * mean[k] * (double)w.rows;
        }
        const double steps = (double)((1 << (grid->bits - 1)) - 1);
        bound *= sqrt(in->tokens * (double)size) / (2.0 * steps);
    }
    free(norms);
    free(mean);
    return bound;
}

double pl_error_bound(pl_factors *factors, const pl_grid *grid, pl_view w)
{
    const bound_inputs in = {.factors = factors, .tokens = pl_factors_tokens(factors)};
    return bound_of(&in, grid, w);
}

double pl_error_bound_rms(const float *rms, double tokens, const pl_grid *grid, pl_view w)
{
    const bound_inputs in = {.rms = rms, .tokens = tokens};
    return bound_of(&in, grid, w);
}
