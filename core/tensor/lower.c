#include "core/tensor/lower.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <string.h>

struct pl_lower {
    size_t n, width, panels;
    double *panel[]; /* [rows, end]: rows [first, end) and columns [0, end) */
};

/* A panel's place; first is also how many columns lie before its diagonal block. */
typedef struct place {
    size_t first, rows, end;
} place;

static place panel_place(const pl_lower *l, size_t p)
{
    const size_t first = p * l->width;
    const size_t end = l->n - first < l->width ? l->n : first + l->width;
    return (place){first, end - first, end};
}

/* BLAS takes 32-bit sizes, which models are checked against when they are opened. */
static int size_of(size_t n)
{
    assert(n <= INT_MAX);
    return (int)n;
}

pl_lower *pl_lower_create(size_t n)
{
    const size_t width = n <= PL_LOWER_WHOLE ? n : PL_LOWER_PANEL;
    const size_t panels = n > 0 ? (n + width - 1) / width : 0;
    pl_lower *l = calloc(1, sizeof *l + panels * sizeof l->panel[0]);
    if (l == NULL) {
        return NULL;
    }
    l->n = n;
    l->width = width;
    l->panels = panels;
    for (size_t p = 0; p < panels; p++) {
        const place at = panel_place(l, p);
        l->panel[p] = pl_alloc(at.rows * at.end, sizeof(double));
        if (l->panel[p] == NULL) {
            pl_lower_destroy(l);
            return NULL;
        }
    }
    return l;
}

void pl_lower_destroy(pl_lower *l)
{
    for (size_t p = 0; l != NULL && p < l->panels; p++) {
        free(l->panel[p]);
    }
    free(l);
}

size_t pl_lower_bytes(const pl_lower *l)
{
    size_t bytes = sizeof *l + l->panels * sizeof l->panel[0];
    for (size_t p = 0; p < l->panels; p++) {
        const place at = panel_place(l, p);
        bytes += at.rows * at.end * sizeof(double);
    }
    return bytes;
}

double *pl_lower_row(pl_lower *l, size_t i)
{
    const size_t p = i / l->width;
    const place at = panel_place(l, p);
    return l->panel[p] + (i - at.first) * at.end;
}

/* L y = b with the first `panels` panels; rows of b lie ld apart. */
static void solve(const pl_lower *l, size_t panels, double *b, size_t count, size_t ld)
{
    for (size_t p = 0; p < panels && count > 0; p++) {
        const place at = panel_place(l, p);
        if (at.first > 0) {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, size_of(count), size_of(at.rows),
                        size_of(at.first), -1.0, b, size_of(ld), l->panel[p], size_of(at.end), 1.0,
                        b + at.first, size_of(ld));
        }
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, size_of(count),
                    size_of(at.rows), 1.0, l->panel[p] + at.first, size_of(at.end), b + at.first,
                    size_of(ld));
    }
}

/* b := b L likewise: what is left of a panel's columns is still to be had when it is its turn. */
static void multiply_panels(const pl_lower *l, size_t panels, double *b, size_t count, size_t ld)
{
    for (size_t p = 0; p < panels && count > 0; p++) {
        const place at = panel_place(l, p);
        if (at.first > 0) {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size_of(count),
                        size_of(at.first), size_of(at.rows), 1.0, b + at.first, size_of(ld),
                        l->panel[p], size_of(at.end), 1.0, b, size_of(ld));
        }
        cblas_dtrmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit,
                    size_of(count), size_of(at.rows), 1.0, l->panel[p] + at.first, size_of(at.end),
                    b + at.first, size_of(ld));
    }
}

void pl_lower_solve(const pl_lower *l, double *b, size_t count)
{
    solve(l, l->panels, b, count, l->n);
}

void pl_lower_mul(const pl_lower *l, double *b, size_t count)
{
    multiply_panels(l, l->panels, b, count, l->n);
}

/* The factor of a panel's diagonal block, in a square of its own for LAPACK; SIZE_MAX if it
 * exists, else the failed column in the block. */
static size_t factor_block(double *block, size_t rows, size_t ld, double *square)
{
    size_t failed = SIZE_MAX;
    size_t column = 0;
    for (size_t i = 0; i < rows; i++) {
        memcpy(square + i * rows, block + i * ld, (i + 1) * sizeof *square);
    }
    if (!pl_cholesky(square, rows, &column)) {
        failed = column;
    }
    for (size_t i = 0; i < rows; i++) {
        memcpy(block + i * ld, square + i * rows, (i + 1) * sizeof *square);
    }
    return failed;
}

pl_status pl_lower_cholesky(pl_lower *l, bool *positive, size_t *column, pl_task *task,
                            pl_error *err)
{
    pl_status status = PL_OK;
    double *square = NULL;
    *positive = false;
    *column = 0;
    if (l->panels <= 1) {
        *positive = l->n == 0 || pl_cholesky(l->panel[0], l->n, column);
        return PL_OK;
    }
    square = pl_alloc(l->width * l->width, sizeof *square);
    if (square == NULL) {
        return pl_error_memory(err, "a factor of %zu x %zu", l->n, l->n);
    }
    for (size_t p = 0; p < l->panels; p++) {
        const place at = panel_place(l, p);
        double *rows = l->panel[p];
        if ((status = pl_task_tick(task, err)) != PL_OK) {
            goto done;
        }
        solve(l, p, rows, at.rows, at.end);
        if (at.first > 0) {
            cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, size_of(at.rows),
                        size_of(at.first), -1.0, rows, size_of(at.end), 1.0, rows + at.first,
                        size_of(at.end));
        }
        const size_t failed = factor_block(rows + at.first, at.rows, at.end, square);
        if (failed != SIZE_MAX) {
            *column = at.first + failed;
            goto done;
        }
    }
    *positive = true;
done:
    free(square);
    return status;
}

pl_status pl_lower_invert(pl_lower *l, pl_task *task, pl_error *err)
{
    for (size_t p = 0; p < l->panels; p++) {
        const place at = panel_place(l, p);
        double *rows = l->panel[p];
        double *block = rows + at.first;
        pl_status status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
        /* L^-1's rows: -L_pp^-1 L_p (L^-1 so far), then L_pp^-1. */
        multiply_panels(l, p, rows, at.rows, at.end);
        if (at.first > 0) {
            cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit,
                        size_of(at.rows), size_of(at.first), -1.0, block, size_of(at.end), rows,
                        size_of(at.end));
        }
        /* A row-major lower triangle is a column-major upper one. */
        const int info =
            LAPACKE_dtrtri(LAPACK_COL_MAJOR, 'U', 'N', size_of(at.rows), block, size_of(at.end));
        if (info != 0) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "the inverse of a triangular matrix failed (LAPACK dtrtri: %d)",
                                info);
        }
    }
    return PL_OK;
}

/* --- a factor's inverse, halved and halved again ---------------------------------------------- */

enum { SMALL = 32, TICK_ROWS = 512 };

/* a[n, n], rows ld apart, lower triangle A to L^-1; SIZE_MAX, or the column whose pivot failed. */
static size_t invert_small(double *a, size_t n, size_t ld)
{
    double sums[SMALL];
    for (size_t j = 0; j < n; j++) {
        double *row = a + j * ld, pivot = row[j];
        for (size_t i = 0; i < j; i++) {
            const double *above = a + i * ld; /* its diagonal holds 1 / L_ii already */
            double sum = row[i];
            for (size_t k = 0; k < i; k++) {
                sum -= row[k] * above[k];
            }
            row[i] = sum * above[i];
            pivot -= row[i] * row[i];
        }
        if (!(pivot > 0.0)) {
            return j;
        }
        row[j] = 1.0 / sqrt(pivot);
    }
    for (size_t i = 1; i < n; i++) {
        double *row = a + i * ld;
        memset(sums, 0, sizeof sums);
        for (size_t k = 0; k < i; k++) {
            for (size_t j = 0; j <= k; j++) {
                sums[j] += row[k] * a[k * ld + j];
            }
        }
        for (size_t j = 0; j < i; j++) {
            row[j] = -row[i] * sums[j];
        }
    }
    return SIZE_MAX;
}

/* With A = [A11 .; A21 A22] and M = L^-1: M11 from A11, L21 = A21 M11^T, M22 from A22 - L21 L21^T,
 * M21 = -M22 L21 M11: nothing but products, which run at GEMM's rate. */
static pl_status invert_halves(double *a, size_t n, size_t ld, size_t *failed, pl_task *task,
                               pl_error *err)
{
    if (n <= SMALL) {
        *failed = invert_small(a, n, ld);
        return PL_OK;
    }
    const size_t upper = (n / 2 + 7) / 8 * 8, lower = n - upper;
    const int rows = size_of(lower), cols = size_of(upper), stride = size_of(ld);
    double *left = a + upper * ld, *rest = left + upper;
    pl_status status = invert_halves(a, upper, ld, failed, task, err);
    if (status != PL_OK || *failed != SIZE_MAX) {
        return status;
    }
    if (n >= TICK_ROWS && (status = pl_task_tick(task, err)) != PL_OK) {
        return status;
    }
    cblas_dtrmm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rows, cols, 1.0, a,
                stride, left, stride);
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, rows, cols, -1.0, left, stride, 1.0, rest,
                stride);
    status = invert_halves(rest, lower, ld, failed, task, err);
    if (status != PL_OK || *failed != SIZE_MAX) {
        *failed += *failed != SIZE_MAX ? upper : 0;
        return status;
    }
    cblas_dtrmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, rows, cols, 1.0,
                a, stride, left, stride);
    cblas_dtrmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, rows, cols, -1.0,
                rest, stride, left, stride);
    return n >= TICK_ROWS ? pl_task_tick(task, err) : PL_OK;
}

pl_status pl_lower_cholesky_invert(pl_lower *l, bool *positive, size_t *column, pl_task *task,
                                   pl_error *err)
{
    size_t failed = SIZE_MAX;
    *positive = l->n == 0;
    *column = 0;
    if (l->panels > 1) {
        pl_status status = pl_lower_cholesky(l, positive, column, task, err);
        return status == PL_OK && *positive ? pl_lower_invert(l, task, err) : status;
    }
    if (l->n == 0) {
        return PL_OK;
    }
    pl_status status = invert_halves(l->panel[0], l->n, l->n, &failed, task, err);
    *positive = status == PL_OK && failed == SIZE_MAX;
    *column = failed != SIZE_MAX ? failed : 0;
    return status;
}

static void mirror_lower(float *a, size_t n)
{
    enum { TILE = 64 };
    const size_t bands = (n + TILE - 1) / TILE;
#pragma omp parallel for schedule(dynamic, 1) if (n >= 512)
    for (size_t band = 0; band < bands; band++) {
        const size_t end = n - band * TILE < TILE ? n : (band + 1) * TILE;
        for (size_t left = 0; left < end; left += TILE) {
            for (size_t i = band * TILE; i < end; i++) {
                for (size_t j = left; j < left + TILE && j < i; j++) {
                    a[j * n + i] = a[i * n + j];
                }
            }
        }
    }
}

/* Rows [first, end) and columns [0, end) of X^T X for the X = L^-1 whose panels from p on are still
 * there. */
static void product_rows(const pl_lower *l, size_t p, double *out)
{
    const place at = panel_place(l, p);
    double *rows = l->panel[p];
    for (size_t i = 0; i + 1 < at.rows; i++) {
        memset(rows + i * at.end + at.first + i + 1, 0, (at.rows - i - 1) * sizeof *rows);
    }
    for (size_t k = p; k < l->panels; k++) {
        const place from = panel_place(l, k);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, size_of(at.rows), size_of(at.end),
                    size_of(from.rows), 1.0, l->panel[k] + at.first, size_of(from.end), l->panel[k],
                    size_of(from.end), k > p ? 1.0 : 0.0, out, size_of(at.end));
    }
}

/* Of one panel LAPACK makes less work. */
static pl_status inverse_of_one(pl_lower *l, double scale, float *out, pl_error *err)
{
    const size_t n = l->n;
    pl_status status = pl_cholesky_inverse(l->panel[0], n, err);
    for (size_t i = 0; status == PL_OK && i < n * n; i++) {
        out[i] = (float)(scale * l->panel[0][i]);
    }
    return status;
}

pl_status pl_lower_inverse(pl_lower *l, double scale, float *out, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    double *product = NULL;
    if (l->panels <= 1) {
        status = l->panels == 1 ? inverse_of_one(l, scale, out, err) : PL_OK;
        goto done;
    }
    if ((status = pl_lower_invert(l, task, err)) != PL_OK) {
        goto done;
    }
    product = pl_alloc(l->width * l->n, sizeof *product);
    if (product == NULL) {
        status = pl_error_memory(err, "an inverse of %zu x %zu", l->n, l->n);
        goto done;
    }
    for (size_t p = 0; p < l->panels; p++) {
        const place at = panel_place(l, p);
        if ((status = pl_task_tick(task, err)) != PL_OK) {
            goto done;
        }
        product_rows(l, p, product);
        free(l->panel[p]);
        l->panel[p] = NULL;
        for (size_t i = 0; i < at.rows; i++) {
            for (size_t j = 0; j <= at.first + i; j++) {
                out[(at.first + i) * l->n + j] = (float)(scale * product[i * at.end + j]);
            }
        }
    }
    mirror_lower(out, l->n);
done:
    free(product);
    pl_lower_destroy(l);
    return status;
}

void pl_lower_reverse(pl_lower *l, float *out)
{
    const size_t n = l->n;
    for (size_t p = l->panels; p-- > 0;) { /* large panels are given back first: out fills evenly */
        const place at = panel_place(l, p);
        for (size_t r = 0; r < at.rows; r++) {
            const size_t row = at.first + r;
            const double *from = l->panel[p] + r * at.end;
            float *to = out + (n - 1 - row) * n;
            memset(to, 0, (n - 1 - row) * sizeof *to);
            for (size_t j = 0; j <= row; j++) {
                to[n - 1 - j] = (float)from[j];
            }
        }
        free(l->panel[p]);
        l->panel[p] = NULL;
    }
    pl_lower_destroy(l);
}
