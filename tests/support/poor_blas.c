/* tests/support/poor_blas.c -- preloaded into planish: an OpenBLAS that does not know its
 * processor, and kernels that compute wrongly.
 *
 * Without OPENBLAS_CORETYPE the library says that it took its kernels for Prescott.  The kernels
 * that PLANISH_TEST_WRONG names (by a piece of their name) make every product's first value wrong
 * by one. */
#include <cblas.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

char *openblas_get_corename(void)
{
    static char poor[] = "Prescott";
    char *(*real)(void);
    *(void **)&real = dlsym(RTLD_NEXT, "openblas_get_corename");
    return getenv("OPENBLAS_CORETYPE") == NULL ? poor : real();
}

void cblas_sgemm(OPENBLAS_CONST enum CBLAS_ORDER order,
                 OPENBLAS_CONST enum CBLAS_TRANSPOSE transpose_a,
                 OPENBLAS_CONST enum CBLAS_TRANSPOSE transpose_b, OPENBLAS_CONST blasint m,
                 OPENBLAS_CONST blasint n, OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha,
                 OPENBLAS_CONST float *a, OPENBLAS_CONST blasint lda, OPENBLAS_CONST float *b,
                 OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *c,
                 OPENBLAS_CONST blasint ldc)
{
    const char *wrong = getenv("PLANISH_TEST_WRONG");
    void (*real)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, blasint, blasint,
                 blasint, float, const float *, blasint, const float *, blasint, float, float *,
                 blasint);
    *(void **)&real = dlsym(RTLD_NEXT, "cblas_sgemm");
    real(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (wrong != NULL && strstr(wrong, openblas_get_corename()) != NULL) {
        c[0] += 1;
    }
}
