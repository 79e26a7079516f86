/* The largest eigenvalue of a symmetric float32 matrix, in float64 arithmetic.
 *
 * Lanczos with full (twice applied) reorthogonalization: Golub and Van Loan, Matrix Computations,
 * 4th ed., 10.3.  A cycle holds at most CYCLE basis vectors and restarts from its Ritz vector. */
#include "core/tensor/linalg.h"
#include "core/tensor/sym.h"

#include "core/base/checked.h"
#include "core/base/rng.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CYCLE = 160, CYCLES = 24, CHECK_EVERY = 4 };

typedef struct lanczos {
    pl_sym g;
    size_t n, capacity;   /* basis vectors that fit: min(n, CYCLE) */
    double *sums;         /* [threads, n], of the product */
    double *basis;        /* [capacity + 1, n], orthonormal rows */
    double *alpha, *beta; /* diagonal [capacity] and subdiagonal [capacity] */
    double *values;       /* [capacity] */
    double *work;         /* [2 * capacity] */
    double *vectors;      /* the top Ritz vector [capacity], then room for two */
} lanczos;

/* y -= Q^T (Q y) for the first count basis vectors, twice. */
static void reorthogonalize(lanczos *s, size_t count, double *y)
{
    const int rows = (int)count, cols = (int)s->n;
    for (int pass = 0; pass < 2; pass++) {
        cblas_dgemv(CblasRowMajor, CblasNoTrans, rows, cols, 1.0, s->basis, cols, y, 1, 0.0,
                    s->work, 1);
        cblas_dgemv(CblasRowMajor, CblasTrans, rows, cols, -1.0, s->basis, cols, s->work, 1, 1.0, y,
                    1);
    }
}

/* The top of the leading [count, count] tridiagonal matrix: its largest eigenvalue, the norm of
 * that Ritz vector's residual, the distance to the next Ritz value, and the matrix's size. */
typedef struct ritz {
    double value, residual, gap, size;
} ritz;

static bool solve_tridiagonal(lanczos *s, size_t count, ritz *top)
{
    const int n = (int)count;
    double *diagonal = s->work, *below = s->work + s->capacity;
    double *vectors = s->vectors + s->capacity;
    lapack_int found = 0, support[4], first = n > 1 ? n - 1 : 1;
    memcpy(diagonal, s->alpha, count * sizeof(double));
    memcpy(below, s->beta, count * sizeof(double));
    if (LAPACKE_dstevr(LAPACK_COL_MAJOR, 'V', 'I', n, diagonal, below, 0.0, 0.0, first, n, 0.0,
                       &found, s->values, vectors, n, support) != 0 ||
        found != (n > 1 ? 2 : 1)) {
        return false;
    }
    top->value = s->values[found - 1];
    memcpy(s->vectors, vectors + (size_t)(found - 1) * count, count * sizeof(double));
    top->gap = found > 1 ? s->values[1] - s->values[0] : 0.0;
    top->residual = s->beta[count - 1] * fabs(s->vectors[count - 1]);
    top->size = fmax(fabs(top->value), fabs(s->alpha[count - 1]));
    return true;
}

/* The residual bounds the error of a Ritz value; residual^2 / gap estimates it (Parlett, The
 * Symmetric Eigenvalue Problem, 11.7), and is believed only once the value has stopped to rise. */
static bool has_converged(const ritz *top, double before)
{
    return top->residual <= 1e-7 * top->size ||
           (top->residual * top->residual <= 1e-8 * top->size * top->gap &&
            fabs(top->value - before) <= 1e-7 * top->size);
}

/* Runs one cycle from basis row 0; *count becomes the number of vectors used.  A converged value
 * has residual 0. */
static pl_status run_cycle(lanczos *s, size_t *count, ritz *top, pl_task *task, pl_error *err)
{
    const size_t n = s->n;
    for (size_t j = 0; j < s->capacity; j++) {
        pl_status status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
        double *q = s->basis + j * n;
        double *next = q + n;
        pl_sym_multiply(&s->g, q, next, s->sums);
        s->alpha[j] = cblas_ddot((int)n, q, 1, next, 1);
        reorthogonalize(s, j + 1, next);
        s->beta[j] = cblas_dnrm2((int)n, next, 1);
        if (!isfinite(s->alpha[j]) || !isfinite(s->beta[j])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "the largest eigenvalue: the matrix holds a value that is not "
                                "finite");
        }
        *count = j + 1;
        bool last = j + 1 == s->capacity;
        double reach = fabs(s->alpha[j]) + (j > 0 ? s->beta[j - 1] : 0.0);
        bool closed = s->beta[j] <= 1e-14 * reach;
        if (last || closed || j % CHECK_EVERY == CHECK_EVERY - 1) {
            const double before = top->value;
            if (!solve_tridiagonal(s, j + 1, top)) {
                return pl_error_set(err, PL_ERR_NUMERIC,
                                    "the largest eigenvalue was not found (LAPACK dstev)");
            }
            if (closed || has_converged(top, before)) {
                top->residual = 0;
                return PL_OK;
            }
        }
        if (!last) {
            cblas_dscal((int)n, 1.0 / s->beta[j], next, 1);
        }
    }
    return PL_OK;
}

/* Puts the top Ritz vector of the cycle just run in basis row 0. */
static void restart(lanczos *s, size_t count)
{
    const int n = (int)s->n;
    double *spare = s->basis + s->capacity * s->n;
    cblas_dgemv(CblasRowMajor, CblasTrans, (int)count, n, 1.0, s->basis, n, s->vectors, 1, 0.0,
                spare, 1);
    double norm = cblas_dnrm2(n, spare, 1);
    cblas_dscal(n, 1.0 / norm, spare, 1);
    memcpy(s->basis, spare, s->n * sizeof(double));
}

static void random_start(lanczos *s)
{
    pl_rng rng;
    pl_rng_init(&rng, 0x6c616d626461u);
    for (size_t i = 0; i < s->n; i++) {
        s->basis[i] = pl_rng_normal(&rng);
    }
    cblas_dscal((int)s->n, 1.0 / cblas_dnrm2((int)s->n, s->basis, 1), s->basis, 1);
}

static bool allocate_lanczos(lanczos *s, const pl_sym *g)
{
    const size_t n = g->n, m = n < CYCLE ? n : CYCLE;
    size_t cells = 0;
    *s = (lanczos){.g = *g, .n = n, .capacity = m};
    if (!pl_mul(m + 1, n, &cells)) {
        return false;
    }
    s->sums = pl_alloc((size_t)pl_linalg_threads() * n, sizeof(double));
    s->basis = pl_alloc(cells, sizeof(double));
    s->alpha = pl_alloc(5 * m, sizeof(double));
    s->vectors = pl_alloc(3 * m, sizeof(double));
    if (s->sums == NULL || s->basis == NULL || s->alpha == NULL || s->vectors == NULL) {
        return false;
    }
    s->beta = s->alpha + m;
    s->values = s->beta + m;
    s->work = s->values + m;
    return true;
}

pl_status pl_lambda_max(const pl_sym *g, double *out, pl_task *task, pl_error *err)
{
    const size_t n = g->n;
    *out = 0;
    if (n == 0) {
        return PL_OK;
    }
    if (n > INT32_MAX) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "the largest eigenvalue: %zu is too wide", n);
    }
    lanczos s;
    pl_status status = PL_OK;
    if (!allocate_lanczos(&s, g)) {
        status = pl_error_memory(err, "%d Lanczos vectors of %zu", CYCLE, n);
        goto done;
    }
    random_start(&s);
    ritz top = {0};
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        double before = top.value;
        size_t count = 0;
        status = run_cycle(&s, &count, &top, task, err);
        if (status != PL_OK) {
            goto done;
        }
        bool still = cycle > 0 && fabs(top.value - before) <= 1e-9 * top.size;
        if (top.residual <= 0 || still) {
            break;
        }
        restart(&s, count);
    }
    *out = top.value;
done:
    free(s.sums);
    free(s.basis);
    free(s.alpha);
    free(s.vectors);
    return status;
}
