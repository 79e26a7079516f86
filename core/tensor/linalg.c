#include "core/tensor/linalg.h"

#include <assert.h>
#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* BLAS takes 32-bit sizes; a matrix side beyond them is a programmer's error (checkpoints are
 * checked against it when a model is opened). */
static int blas_size(size_t n)
{
    assert(n <= INT_MAX);
    return (int)n;
}

/* BLAS refuses a leading dimension of 0, which an empty matrix may have. */
static int blas_stride(size_t stride)
{
    return stride > 0 ? blas_size(stride) : 1;
}

/* What a product's tiles share. */
typedef struct product {
    enum CBLAS_TRANSPOSE transpose_a, transpose_b;
    size_t m, n, k, lda, ldb, ldc;
    const float *a, *b;
    float *c;
    float alpha, beta;
} product;

/* Rows first to first + rows of C, and its columns from `left` on. */
static void multiply_tile(const product *p, size_t first, size_t rows, size_t left, size_t cols)
{
    const float *a = p->a + (p->transpose_a == CblasNoTrans ? first * p->lda : first);
    const float *b = p->b + (p->transpose_b == CblasNoTrans ? left : left * p->ldb);
    cblas_sgemm(CblasRowMajor, p->transpose_a, p->transpose_b, blas_size(rows), blas_size(cols),
                blas_size(p->k), p->alpha, a, blas_stride(p->lda), b, blas_stride(p->ldb), p->beta,
                p->c + first * p->ldc + left, blas_stride(p->ldc));
}

/* Pieces of a side: as many as keep each at most `MOST` long, all but the last as long as the
 * first. Their number is no matter of threads: some of OpenBLAS's kernels add up an element in
 * another way at another place of a tile, and the bytes shall not depend on who makes them. */
static size_t tile_side(size_t side)
{
    enum { MOST = 288, UNIT = 16 /* rows or columns that a kernel keeps in registers */ };
    const size_t pieces = (side + MOST - 1) / MOST;
    return pieces <= 1 ? side : ((side + pieces - 1) / pieces + UNIT - 1) / UNIT * UNIT;
}

/* Tiles on several threads, each by single-threaded BLAS.  OpenBLAS's own threads wait for each
 * other inside a product, spinning: if the machine has other work, one of them is often not
 * running, and the rest waits.  Here any running thread takes the next tile, and threads without
 * one sleep. */
static void multiply_tiles(const product *p)
{
    /* FLOP that cost less than to wake a thread, and that OpenBLAS leaves to one, too. */
    const double small = 5e5;
    if (p->m == 0 || p->n == 0) {
        return;
    }
    if (2.0 * (double)p->m * (double)p->n * (double)p->k <= small) {
        multiply_tile(p, 0, p->m, 0, p->n);
        return;
    }
    const size_t rows = tile_side(p->m), cols = tile_side(p->n);
    const size_t down = (p->m + rows - 1) / rows, across = (p->n + cols - 1) / cols;
#pragma omp parallel for collapse(2) schedule(dynamic, 1)
    for (size_t i = 0; i < down; i++) {
        for (size_t j = 0; j < across; j++) {
            const size_t first = i * rows, left = j * cols;
            multiply_tile(p, first, p->m - first < rows ? p->m - first : rows, left,
                          p->n - left < cols ? p->n - left : cols);
        }
    }
}

void pl_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    multiply_tiles(
        &(product){CblasNoTrans, CblasTrans, m, n, k, lda, ldb, ldc, a, b, c, alpha, beta});
}

void pl_gemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    multiply_tiles(
        &(product){CblasNoTrans, CblasNoTrans, m, n, k, lda, ldb, ldc, a, b, c, alpha, beta});
}

pl_status pl_gemm_nt_tick(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                          size_t ldb, float *c, size_t ldc, pl_task *task, pl_error *err)
{
    const double flops_a_row = 2.0 * (double)n * (double)k;
    size_t piece = m;
    if (flops_a_row * (double)m > 2e9) {
        piece = (size_t)(2e9 / flops_a_row);
        piece = piece >= 8 ? piece / 8 * 8 : piece > 0 ? piece : 1;
    }
    for (size_t i = 0; i < m; i += piece) {
        pl_status status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
        size_t rows = m - i < piece ? m - i : piece;
        pl_gemm_nt(rows, n, k, 1.0f, a + i * lda, lda, b, ldb, 0.0f, c + i * ldc, ldc);
    }
    return PL_OK;
}

/* One tile of the upper triangle of X^T X.  128 rows at a time: the sums inside BLAS stay short, so
 * that each element is good to a few units of float32's rounding however many rows there are. */
static void syrk_tile(size_t n, size_t rows, const float *x, size_t ldx, float *c, size_t ldc,
                      size_t size, size_t ti, size_t tj)
{
    enum { PIECE = 128 };
    const size_t i = ti * size, j = tj * size;
    const size_t height = n - i < size ? n - i : size;
    const size_t width = n - j < size ? n - j : size;
    for (size_t r = 0; r < rows; r += PIECE) {
        const float *at = x + r * ldx;
        const size_t count = rows - r < PIECE ? rows - r : PIECE;
        if (ti == tj) {
            cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, blas_size(height), blas_size(count),
                        1.0f, at + i, blas_stride(ldx), 1.0f, c + i * ldc + i, blas_stride(ldc));
        } else {
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, blas_size(height),
                        blas_size(width), blas_size(count), 1.0f, at + i, blas_stride(ldx), at + j,
                        blas_stride(ldx), 1.0f, c + i * ldc + j, blas_stride(ldc));
        }
    }
}

/* Tiles on several threads, each by single-threaded BLAS: at width 576 half as fast again as
 * OpenBLAS' own threaded SYRK, and the bytes do not depend on the thread count. */
void pl_syrk_upper(size_t n, size_t rows, const float *x, size_t ldx, float *c, size_t ldc)
{
    size_t size = (n / 4 + 15) / 16 * 16;
    size = size < 96 ? 96 : size > 384 ? 384 : size;
    const size_t side = (n + size - 1) / size;
#pragma omp parallel for collapse(2) schedule(dynamic, 1)
    for (size_t ti = 0; ti < side; ti++) {
        for (size_t tj = 0; tj < side; tj++) {
            if (tj >= ti) {
                syrk_tile(n, rows, x, ldx, c, ldc, size, ti, tj);
            }
        }
    }
}

enum { TILE = 32 };

/* Mirrors the tiles of one band of TILE rows (those right of and on the diagonal). */
static void mirror_band(size_t n, float *a, size_t top)
{
    size_t bottom = top + TILE < n ? top + TILE : n;
    for (size_t left = top; left < n; left += TILE) {
        size_t right = left + TILE < n ? left + TILE : n;
        for (size_t j = left; j < right; j++) {
            size_t end = j < bottom ? j : bottom;
            for (size_t i = top; i < end; i++) {
                a[j * n + i] = a[i * n + j];
            }
        }
    }
}

void pl_gemm_tn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc)
{
    multiply_tiles(&(product){CblasTrans, CblasNoTrans, m, n, k, lda, ldb, ldc, a, b, c, 1, beta});
}

void pl_symmetrize(size_t n, float *a)
{
    const size_t bands = (n + TILE - 1) / TILE;
#pragma omp parallel for schedule(dynamic, 1) if (n >= 512)
    for (size_t band = 0; band < bands; band++) {
        mirror_band(n, a, band * TILE);
    }
}

/* A row-major lower triangle is a column-major upper one: A = U^T U with U = L^T, so LAPACK works
 * in place without a transposed copy. */

static size_t first_bad_row(const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            if (!isfinite(a[i * n + j])) {
                return i;
            }
        }
    }
    return n;
}

bool pl_cholesky(double *a, size_t n, size_t *column)
{
    if (n == 0) {
        return true;
    }
    int info = LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', blas_size(n), a, blas_stride(n));
    size_t failed = n;
    if (info > 0) {
        failed = (size_t)info - 1;
    } else if (info < 0) { /* LAPACKE found a NaN on entry */
        failed = first_bad_row(a, n);
    } else { /* an infinity on entry passes LAPACK's test and spoils a pivot */
        for (failed = 0; failed < n && isfinite(a[failed * n + failed]); failed++) {
        }
    }
    if (failed < n || info != 0) {
        *column = failed < n ? failed : 0;
        return false;
    }
    return true;
}

void pl_solve_lower(const double *l, size_t n, double *b, size_t count)
{
    if (n > 0 && count > 0) {
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                    blas_size(count), blas_size(n), 1.0, l, blas_stride(n), b, blas_stride(n));
    }
}

void pl_mul_lower(const double *l, size_t n, double *b, size_t count)
{
    if (n > 0 && count > 0) {
        cblas_dtrmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit,
                    blas_size(count), blas_size(n), 1.0, l, blas_stride(n), b, blas_stride(n));
    }
}

pl_status pl_cholesky_inverse(double *l, size_t n, pl_error *err)
{
    if (n == 0) {
        return PL_OK;
    }
    int info = LAPACKE_dpotri(LAPACK_COL_MAJOR, 'U', blas_size(n), l, blas_stride(n));
    if (info != 0) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "the inverse from a Cholesky factor failed (LAPACK dpotri: %d)", info);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            l[j * n + i] = l[i * n + j];
        }
    }
    return PL_OK;
}

pl_status pl_orthogonalize(double *a, size_t n, pl_error *err)
{
    double *tau = malloc(n * sizeof *tau);
    double *sign = malloc(n * sizeof *sign);
    pl_status status = PL_OK;
    if (tau == NULL || sign == NULL) {
        status = pl_error_memory(err, "a QR of %zu x %zu", n, n);
    }
    if (status == PL_OK && LAPACKE_dgeqrf(LAPACK_ROW_MAJOR, (lapack_int)n, (lapack_int)n, a,
                                          (lapack_int)n, tau) != 0) {
        status = pl_error_memory(err, "a QR of %zu x %zu", n, n);
    }
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        const double r = a[i * n + i];
        sign[i] = r < 0.0 ? -1.0 : 1.0;
        if (!(fabs(r) > 0.0)) {
            status = pl_error_set(err, PL_ERR_NUMERIC, "the matrix to orthogonalize is singular");
        }
    }
    if (status == PL_OK && LAPACKE_dorgqr(LAPACK_ROW_MAJOR, (lapack_int)n, (lapack_int)n,
                                          (lapack_int)n, a, (lapack_int)n, tau) != 0) {
        status = pl_error_memory(err, "a QR of %zu x %zu", n, n);
    }
    for (size_t i = 0; status == PL_OK && i < n * n; i++) {
        a[i] *= sign[i % n];
    }
    free(tau);
    free(sign);
    return status;
}

void pl_multiply(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const double *a,
                 const double *b, double beta, double *c)
{
    if (m == 0 || n == 0) {
        return;
    }
    cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1.0, a,
                (int)(transpose_a ? m : k), b, (int)(transpose_b ? k : n), beta, c, (int)n);
}

pl_status pl_invert(double *a, size_t n, pl_error *err)
{
    lapack_int *pivots = malloc(n * sizeof *pivots);
    if (pivots == NULL) {
        return pl_error_memory(err, "an inverse of %zu x %zu", n, n);
    }
    pl_status status = PL_OK;
    lapack_int info =
        LAPACKE_dgetrf(LAPACK_ROW_MAJOR, (lapack_int)n, (lapack_int)n, a, (lapack_int)n, pivots);
    if (info == 0) {
        info = LAPACKE_dgetri(LAPACK_ROW_MAJOR, (lapack_int)n, a, (lapack_int)n, pivots);
    }
    if (info > 0) {
        status = pl_error_set(err, PL_ERR_NUMERIC, "the matrix is singular: pivot %d is 0",
                              (int)info - 1);
    } else if (info < 0) {
        status = pl_error_set(err, PL_ERR_NUMERIC, "the matrix to invert is not finite");
    }
    free(pivots);
    return status;
}
