/* core/tensor/linalg.h -- dense linear algebra; the one place that calls BLAS and LAPACK.
 *
 * All matrices are row-major.  BLAS and OpenMP belong to one thread at a time (the worker).
 * OpenBLAS is the OpenMP build: called inside an OpenMP region it runs single-threaded, which the
 * blocked solvers use.  Products of floats are the same bytes on any number of threads; factors and
 * float64's products depend on it, never on timing. */
#ifndef PL_TENSOR_LINALG_H
#define PL_TENSOR_LINALG_H

#include "core/base/task.h"
#include "core/tensor/mat.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_sym pl_sym; /* sym.h */

/* Threads for BLAS and OpenMP, n >= 1.  Call it on the thread that computes (the worker): OpenMP
 * keeps the number per thread, and OpenBLAS follows its caller's.  Fails (PL_ERR_STATE) if the
 * linked OpenBLAS is not the OpenMP build (openblas_get_parallel() != 2), PL_ERR_MEMORY as
 * pl_linalg_check_room does. */
PL_NODISCARD pl_status pl_linalg_set_threads(int n, pl_error *err);

/* Usable processors: affinity mask and cgroup v2/v1 quota, at least 1. */
int pl_linalg_default_threads(void);
int pl_linalg_threads(void);

/* Processors of the affinity mask alone, at least 1.  When it is loaded, OpenBLAS makes buffers for
 * that many threads, unless its environment names fewer. */
int pl_linalg_processors(void);

/* OpenBLAS waits for ever if it gets no memory for its buffers, so ask before: PL_ERR_MEMORY names
 * the limit of this process (RLIMIT_AS, RLIMIT_DATA) that leaves no room for so many threads, and
 * the limit that would.  buffered: threads that have buffers already. */
PL_NODISCARD pl_status pl_linalg_check_room(int threads, int buffered, pl_error *err);

/* The number of this thread in the present OpenMP region, from 0. */
size_t pl_linalg_thread(void);

/* Binds each OpenMP thread of the caller (BLAS uses them, too) to a processor of its own, until
 * pl_linalg_unpin lets it use all of them again; NULL where the system refuses. */
typedef struct pl_pinned pl_pinned;
pl_pinned *pl_linalg_pin(void);
void pl_linalg_unpin(pl_pinned *pinned); /* NULL is fine */

/* openblas_get_config(), for the record. */
const char *pl_linalg_config(void);

/* C[m,n] = alpha * A[m,k] * B[n,k]^T + beta * C   (a linear layer: X W^T). */
void pl_gemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* C[m,n] = alpha * A[m,k] * B[k,n] + beta * C. */
void pl_gemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* C[m,n] = A[k,m]^T * B[k,n] + beta * C. */
void pl_gemm_tn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                size_t ldb, float beta, float *c, size_t ldc);

/* The same as pl_gemm_nt, cut along m into pieces of at most 2 GFLOP with a tick between. */
PL_NODISCARD pl_status pl_gemm_nt_tick(size_t m, size_t n, size_t k, const float *a, size_t lda,
                                       const float *b, size_t ldb, float *c, size_t ldc,
                                       pl_task *task, pl_error *err);

/* y[rows] = W[rows, cols] x, at the rate of a read of W; OpenBLAS's product of one row takes
 * several times as long. */
void pl_matvec(size_t rows, size_t cols, const float *w, const float *x, float *y);

/* Upper triangle of C[n,n] += X[rows,n]^T X. */
void pl_syrk_upper(size_t n, size_t rows, const float *x, size_t ldx, float *c, size_t ldc);

/* Copies the upper triangle of A[n,n] to the lower one. */
void pl_symmetrize(size_t n, float *a);

/* Largest eigenvalue of a symmetric matrix, good to 1e-6 relative: Lanczos with full
 * reorthogonalization in float64 arithmetic, seeded start.  0 for a zero matrix. */
PL_NODISCARD pl_status pl_lambda_max(const pl_sym *g, double *out, pl_task *task, pl_error *err);

/* In place: the lower triangle of A[n,n] (float64, row-major) becomes L, A = L L^T; the strict
 * upper one stays.  Returns false if the matrix is not positive definite; *column is then the
 * 0-based column whose pivot failed. */
bool pl_cholesky(double *a, size_t n, size_t *column);

/* Solves L y = b (lower triangle of l[n,n], row-major) for each of count right-hand sides, in
 * place: row i of b[count, n] is one right-hand side. */
void pl_solve_lower(const double *l, size_t n, double *b, size_t count);

/* In place b := b L (lower triangle of l[n,n], row-major): each of the count rows of b[count, n]
 * becomes (L^T b_i)^T, so that ||L^T b_i||^2 = b_i^T A b_i for A = L L^T. */
void pl_mul_lower(const double *l, size_t n, double *b, size_t count);

/* In place inverse of A = L L^T from its factor: the whole symmetric A^-1 is written to a. */
PL_NODISCARD pl_status pl_cholesky_inverse(double *l, size_t n, pl_error *err);

/* C[m,n] = op(A) op(B) + beta C in float64, all row-major and contiguous; op(A) [m,k] is A or
 * (transpose_a) A^T, op(B) [k,n] likewise.  For small matrices. */
void pl_multiply(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const double *a,
                 const double *b, double beta, double *c);

/* In place a[n, n] (float64, row-major) <- its inverse, by LU with partial pivoting.
 * PL_ERR_NUMERIC where a pivot is 0. */
PL_NODISCARD pl_status pl_invert(double *a, size_t n, pl_error *err);

/* In place a[n, n] (float64, row-major) <- the Q of its QR factorization whose R has a positive
 * diagonal.  PL_ERR_NUMERIC where a is singular. */
PL_NODISCARD pl_status pl_orthogonalize(double *a, size_t n, pl_error *err);

#endif
