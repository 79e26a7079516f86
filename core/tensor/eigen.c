#include "core/tensor/eigen.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"

#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 32, UPDATE = 512, LANES = 16, REFLECTORS = 64, PIECE = 1 << 20 };

/* Column-major.  The lower triangle of a becomes the tridiagonal matrix and, below it, the
 * reflectors H_j = I - tau_j v_j v_j^T, v_j(0..j) = 0, v_j(j+1) = 1, as LAPACK's dsytrd leaves
 * them: A = Q T Q^T, Q = H_0 H_1 ... */
typedef struct reduction {
    size_t n;
    double *a;        /* [n, n] */
    double *diagonal; /* [n] */
    double *below;    /* [n]: the subdiagonal, its last element unused */
    double *tau;      /* [n] */
    double *w;        /* [PANEL, n]: column k of the panel's W is w + k n */
    double *small;    /* [PANEL] */
    pl_task *task;
} reduction;

static void reduction_deinit(reduction *r)
{
    free(r->a);
    free(r->diagonal);
    free(r->w);
}

static pl_status reduction_init(reduction *r, const pl_sym *g, pl_error *err)
{
    const size_t n = g->n;
    size_t cells = 0;
    if (n > INT32_MAX / 2 || !pl_mul(n, n, &cells)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "eigenvalues: %zu is too wide", n);
    }
    r->n = n;
    r->a = pl_alloc(cells, sizeof(double));
    r->diagonal = pl_alloc(3 * n, sizeof(double));
    r->w = pl_alloc((n + 1) * PANEL, sizeof(double));
    if (r->a == NULL || r->diagonal == NULL || r->w == NULL) {
        return pl_error_memory(err, "the eigenvalues of a %zu x %zu matrix", n, n);
    }
    r->below = r->diagonal + n;
    r->tau = r->below + n;
    r->small = r->w + n * PANEL;
    const size_t a_tick = n < PIECE ? PIECE / n : 1; /* rows */
    size_t row = 0, column = 0;
    if (pl_sym_find_nonfinite(g, &row, &column)) {
        return pl_error_set(err, PL_ERR_NUMERIC, "eigenvalues: row %zu, column %zu is not finite",
                            row, column);
    }
    for (size_t i = 0; i < n; i++) {
        pl_status status = i % a_tick == 0 ? pl_task_tick(r->task, err) : PL_OK;
        if (status != PL_OK) {
            return status;
        }
        const float *from = pl_sym_row(g, i);
        for (size_t j = i; j < n; j++) {
            r->a[i * n + j] = r->a[j * n + i] = (double)from[j - i];
        }
    }
    return PL_OK;
}

/* y -= M x for the column-major M[rows, cols], or y = M^T x. */
static void subtract_product(const double *m, size_t rows, size_t cols, size_t ld, const double *x,
                             size_t step, double *y)
{
    if (cols > 0) {
        cblas_dgemv(CblasColMajor, CblasNoTrans, (int)rows, (int)cols, -1.0, m, (int)ld, x,
                    (int)step, 1.0, y, 1);
    }
}

static void product_transposed(const double *m, size_t rows, size_t cols, size_t ld,
                               const double *x, double *y)
{
    if (cols > 0) {
        cblas_dgemv(CblasColMajor, CblasTrans, (int)rows, (int)cols, 1.0, m, (int)ld, x, 1, 0.0, y,
                    1);
    }
}

/* The reflector that maps x[size] to (beta, 0, ...): x becomes v (x[0] = 1), *beta and tau are
 * returned.  LAPACK's dlarfg without its care for subnormal numbers: a Gram matrix in float32 has
 * none after squaring that matter. */
static double make_reflector(double *x, size_t size, double *beta)
{
    double rest = size > 1 ? cblas_dnrm2((int)size - 1, x + 1, 1) : 0.0;
    double head = x[0];
    x[0] = 1.0;
    if (!(rest > 0.0)) {
        *beta = head;
        return 0.0;
    }
    *beta = -copysign(hypot(head, rest), head);
    cblas_dscal((int)size - 1, 1.0 / (head - *beta), x + 1, 1);
    return (*beta - head) / *beta;
}

/* Column j = first + k of the panel that begins at first: LAPACK's dlatrd, one turn of its loop. */
static void reduce_column(reduction *r, size_t first, size_t k)
{
    const size_t n = r->n, j = first + k, size = n - j - 1;
    double *a = r->a, *w = r->w + k * n;
    double *column = a + j * n + j;
    double *left = a + first * n; /* the panel's reflectors so far: [n, k] */
    subtract_product(left + j, n - j, k, n, r->w + j, n, column);
    subtract_product(r->w + j, n - j, k, n, left + j, n, column);
    r->diagonal[j] = column[0];
    r->below[j] = r->tau[j] = 0.0;
    if (size == 0) {
        return;
    }
    double *v = column + 1;
    r->tau[j] = make_reflector(v, size, &r->below[j]);
    double *out = w + j + 1;
    memset(w, 0, (j + 1) * sizeof *w);
    cblas_dsymv(CblasColMajor, CblasLower, (int)size, 1.0, a + (j + 1) * n + j + 1, (int)n, v, 1,
                0.0, out, 1);
    product_transposed(r->w + j + 1, size, k, n, v, r->small);
    subtract_product(left + j + 1, size, k, n, r->small, 1, out);
    product_transposed(left + j + 1, size, k, n, v, r->small);
    subtract_product(r->w + j + 1, size, k, n, r->small, 1, out);
    cblas_dscal((int)size, r->tau[j], out, 1);
    double half = -0.5 * r->tau[j] * cblas_ddot((int)size, out, 1, v, 1);
    cblas_daxpy((int)size, half, v, 1, out, 1);
}

/* A -= V W^T + W V^T on the lower triangle right of a finished panel, in bands of columns. */
static pl_status update_rest(reduction *r, size_t first, size_t count, pl_error *err)
{
    const size_t n = r->n;
    const double *v = r->a + first * n, *w = r->w;
    for (size_t at = first + count; at < n; at += UPDATE) {
        size_t width = n - at < UPDATE ? n - at : UPDATE;
        size_t low = at + width;
        pl_status status = pl_task_tick(r->task, err);
        if (status != PL_OK) {
            return status;
        }
        cblas_dsyr2k(CblasColMajor, CblasLower, CblasNoTrans, (int)width, (int)count, -1.0, v + at,
                     (int)n, w + at, (int)n, 1.0, r->a + at * n + at, (int)n);
        if (low < n) {
            double *corner = r->a + at * n + low;
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)(n - low), (int)width,
                        (int)count, -1.0, v + low, (int)n, w + at, (int)n, 1.0, corner, (int)n);
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasTrans, (int)(n - low), (int)width,
                        (int)count, -1.0, w + low, (int)n, v + at, (int)n, 1.0, corner, (int)n);
        }
    }
    return PL_OK;
}

static pl_status reduce(reduction *r, pl_error *err)
{
    const size_t n = r->n;
    for (size_t first = 0; first < n; first += PANEL) {
        size_t count = n - first < PANEL ? n - first : PANEL;
        for (size_t k = 0; k < count; k++) {
            pl_status status = pl_task_tick(r->task, err);
            if (status != PL_OK) {
                return status;
            }
            reduce_column(r, first, k);
        }
        pl_task_progress(r->task, "columns", (double)(first + count), (double)n);
        pl_status status = update_rest(r, first, count, err);
        if (status != PL_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(r->diagonal[i]) || !isfinite(r->below[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "eigenvalues: the matrix's values are too large");
        }
    }
    return PL_OK;
}

/* --- eigenvalues by bisection ----------------------------------------------------------------- */

/* For LANES shifts at once: eigenvalues of the tridiagonal matrix below each (the count of negative
 * pivots of T - x I; Golub and Van Loan, Matrix Computations, 4th ed., 8.4.1). */
PL_CLONES
static void count_below(const double *restrict diagonal, const double *restrict squares, size_t n,
                        double least, const double *restrict x, double *restrict counts)
{
    double q[LANES];
    for (size_t l = 0; l < LANES; l++) {
        q[l] = 1.0;
        counts[l] = 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        const double d = diagonal[i], s = i > 0 ? squares[i - 1] : 0.0;
        for (size_t l = 0; l < LANES; l++) {
            double pivot = d - x[l] - s / q[l];
            pivot = fabs(pivot) < least ? -least : pivot;
            counts[l] += pivot < 0.0 ? 1.0 : 0.0;
            q[l] = pivot;
        }
    }
}

/* values[first + l]: the eigenvalue of rank first + l, falling.  lo, hi hold all of them. */
static void bisect(const reduction *r, const double *squares, double least, double lo, double hi,
                   size_t first, double *values)
{
    const double n = (double)r->n, done = 2.0 * DBL_EPSILON * fmax(fabs(lo), fabs(hi));
    double low[LANES], high[LANES], middle[LANES], counts[LANES];
    for (size_t l = 0; l < LANES; l++) {
        low[l] = lo;
        high[l] = hi;
    }
    for (double width = hi - lo; width > done; width *= 0.5) {
        for (size_t l = 0; l < LANES; l++) {
            middle[l] = low[l] + 0.5 * (high[l] - low[l]);
        }
        count_below(r->diagonal, squares, r->n, least, middle, counts);
        for (size_t l = 0; l < LANES; l++) {
            /* At least n - rank eigenvalues below the middle: this one is among them. */
            bool under = counts[l] >= n - (double)(first + l);
            high[l] = under ? middle[l] : high[l];
            low[l] = under ? low[l] : middle[l];
        }
    }
    for (size_t l = 0; l < LANES && first + l < r->n; l++) {
        values[first + l] = low[l] + 0.5 * (high[l] - low[l]);
    }
}

static pl_status find_values(reduction *r, double *values, pl_error *err)
{
    const size_t n = r->n;
    double *squares = r->w; /* the panel's room is free now */
    double lo = INFINITY, hi = -INFINITY, largest = 0.0;
    for (size_t i = 0; i < n; i++) {
        double reach = (i > 0 ? fabs(r->below[i - 1]) : 0.0) + fabs(r->below[i]);
        lo = fmin(lo, r->diagonal[i] - reach); /* Gershgorin's discs */
        hi = fmax(hi, r->diagonal[i] + reach);
        squares[i] = r->below[i] * r->below[i];
        largest = fmax(largest, squares[i]);
    }
    const double least = DBL_MIN * fmax(1.0, largest);
    const double room = 4.0 * DBL_EPSILON * fmax(fabs(lo), fabs(hi));
    for (size_t first = 0; first < n; first += LANES) {
        pl_status status = pl_task_tick(r->task, err);
        if (status != PL_OK) {
            return status;
        }
        bisect(r, squares, least, lo - room, hi + room, first, values);
    }
    for (size_t i = 1; i < n; i++) {
        values[i] = fmin(values[i], values[i - 1]); /* equal ones, to the last bit */
    }
    return PL_OK;
}

/* --- eigenvectors ----------------------------------------------------------------------------- */

/* Eigenvectors of the tridiagonal matrix for values[count], falling, to rows of out[count, n]. */
static pl_status tridiagonal_vectors(const reduction *r, const double *values, size_t count,
                                     double *out, pl_error *err)
{
    const size_t n = r->n;
    double *rising = calloc(n, sizeof *rising); /* LAPACKE looks for NaN in n of them */
    lapack_int *block = calloc(2 * n + count, sizeof *block);
    pl_status status = PL_OK;
    if (rising == NULL || block == NULL) {
        status = pl_error_memory(err, "eigenvectors");
        goto done;
    }
    lapack_int *split = block + n, *failed = split + n;
    for (size_t i = 0; i < count; i++) {
        rising[i] = values[count - 1 - i];
        block[i] = 1;
    }
    split[0] = (lapack_int)n;
    int info = LAPACKE_dstein(LAPACK_COL_MAJOR, (lapack_int)n, r->diagonal, r->below,
                              (lapack_int)count, rising, block, split, out, (lapack_int)n, failed);
    if (info != 0) {
        status = pl_error_set(err, PL_ERR_NUMERIC,
                              "an eigenvector was not found (LAPACK dstein: %d)", info);
        goto done;
    }
    for (size_t i = 0; i < count / 2; i++) {
        cblas_dswap((int)n, out + i * n, 1, out + (count - 1 - i) * n, 1);
    }
done:
    free(rising);
    free(block);
    return status;
}

/* Rows of out[count, n] become Q times themselves. */
static pl_status back_transform(const reduction *r, size_t count, double *out, pl_error *err)
{
    const size_t n = r->n;
    for (size_t j = n - 1; j-- > 0;) {
        const size_t size = n - j - 1;
        const double *v = r->a + j * n + j + 1;
        if (j % REFLECTORS == 0) {
            pl_status status = pl_task_tick(r->task, err);
            if (status != PL_OK) {
                return status;
            }
        }
        for (size_t i = 0; i < count; i++) {
            double *x = out + i * n + j + 1;
            cblas_daxpy((int)size, -r->tau[j] * cblas_ddot((int)size, v, 1, x, 1), v, 1, x, 1);
        }
    }
    return PL_OK;
}

/* Unit length, and a sign that does not depend on rounding. */
static void normalize(double *x, size_t n)
{
    size_t largest = cblas_idamax((int)n, x, 1);
    double norm = cblas_dnrm2((int)n, x, 1);
    cblas_dscal((int)n, (x[largest] < 0.0 ? -1.0 : 1.0) / norm, x, 1);
}

static pl_status find_vectors(const reduction *r, pl_eigen *out, pl_error *err)
{
    const size_t n = r->n, count = out->top + out->tail;
    pl_status status = PL_OK;
    if (out->top > 0) {
        status = tridiagonal_vectors(r, out->values, out->top, out->vectors, err);
    }
    if (status == PL_OK && out->tail > 0) {
        status = tridiagonal_vectors(r, out->values + n - out->tail, out->tail,
                                     out->vectors + out->top * n, err);
    }
    PL_THEN(back_transform(r, count, out->vectors, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        normalize(out->vectors + i * n, n);
    }
    return status;
}

pl_status pl_eigen_symmetric(const pl_sym *g, size_t top, size_t tail, pl_eigen *out, pl_task *task,
                             pl_error *err)
{
    const size_t n = g->n;
    *out = (pl_eigen){.n = n, .top = top, .tail = tail};
    if (n == 0) {
        return PL_OK;
    }
    reduction r = {.task = task};
    pl_status status = reduction_init(&r, g, err);
    if (status == PL_OK) {
        out->values = pl_alloc(n, sizeof *out->values);
        out->vectors = pl_alloc((top + tail) * n, sizeof *out->vectors);
        if (out->values == NULL || out->vectors == NULL) {
            status = pl_error_memory(err, "%zu eigenvalues", n);
        }
    }
    PL_THEN(reduce(&r, err));
    PL_THEN(find_values(&r, out->values, err));
    PL_THEN(find_vectors(&r, out, err));
    reduction_deinit(&r);
    if (status != PL_OK) {
        pl_eigen_deinit(out);
    }
    return status;
}

void pl_eigen_deinit(pl_eigen *eigen)
{
    free(eigen->values);
    free(eigen->vectors);
    *eigen = (pl_eigen){0};
}
