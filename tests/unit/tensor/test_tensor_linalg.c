#include "core/tensor/linalg.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "tests/support/check.h"
#include "tests/support/eigenvalues.h"

#include <math.h>
#include <stdlib.h>

static float *random_floats(size_t count, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    float *x = pl_alloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)pl_rng_normal(&rng);
    }
    return x;
}

static double *random_spd(size_t n, uint64_t seed)
{
    float *x = random_floats(2 * n * n, seed);
    double *a = pl_alloc(n * n, sizeof *a);
    assert_non_null(a);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = i == j ? 0.1 : 0;
            for (size_t k = 0; k < 2 * n; k++) {
                sum += (double)x[k * n + i] * (double)x[k * n + j];
            }
            a[i * n + j] = sum;
        }
    }
    free(x);
    return a;
}

static void gemms_agree_with_their_definition(void **state)
{
    (void)state;
    const size_t m = 7, n = 5, k = 9, lda = 11, ldb = 12, ldc = 8;
    float *a = random_floats(m * lda, 1), *b = random_floats(k * ldb, 2);
    float *c = random_floats(m * ldc, 3), *old = random_floats(m * ldc, 3);
    pl_gemm_nt(m, n, k, 0.5f, a, lda, b, ldb, 2.0f, c, ldc);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < ldc; j++) {
            double sum = 0;
            for (size_t l = 0; l < k && j < n; l++) {
                sum += (double)a[i * lda + l] * (double)b[j * ldb + l];
            }
            double before = (double)old[i * ldc + j];
            pl_check_close(c[i * ldc + j], j < n ? 0.5 * sum + 2 * before : before, 1e-5, 1e-5);
        }
    }
    pl_gemm_nn(m, n, k, 1.0f, a, lda, b, ldb, 0.0f, c, ldc);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++) {
                sum += (double)a[i * lda + l] * (double)b[l * ldb + j];
            }
            pl_check_close(c[i * ldc + j], sum, 1e-5, 1e-5);
        }
    }
    pl_gemm_nt(0, n, k, 1, a, 0, b, 0, 0, c, 0);
    pl_gemm_nt(1, 1, 0, 1, a, 0, b, 0, 0, c, 1);
    expect_close(c[0], 0, 0);
    free(a);
    free(b);
    free(c);
    free(old);
}

/* The three products against plain loops, on one thread and on several, where they are cut into
 * tiles: whole numbers, so that any order of summation gives the same. */
static void check_product(size_t m, size_t n, size_t k, int threads)
{
    pl_error err;
    const size_t lda = k + 3, ldb = n + k + 5, ldc = n + 2;
    float *a = pl_alloc(m * lda, sizeof *a), *at = pl_alloc(k * (m + 1), sizeof *at);
    float *b = pl_alloc((n + k) * ldb, sizeof *b), *bt = pl_alloc((n + k) * ldb, sizeof *bt);
    float *c = pl_alloc(m * ldc, sizeof *c);
    assert_true(a != NULL && at != NULL && b != NULL && bt != NULL && c != NULL);
    pl_rng rng;
    pl_rng_init(&rng, m + n + k);
    for (size_t i = 0; i < m * k; i++) {
        const float value = (float)pl_rng_below(&rng, 9) - 4;
        a[i / k * lda + i % k] = value;
        at[i % k * (m + 1) + i / k] = value;
    }
    for (size_t i = 0; i < n * k; i++) {
        const float value = (float)pl_rng_below(&rng, 9) - 4;
        b[i / k * ldb + i % k] = value;
        bt[i % k * ldb + i / k] = value;
    }
    pl_check_ok(pl_linalg_set_threads(threads, &err), err);
    for (int form = 0; form < 3; form++) {
        for (size_t i = 0; i < m * ldc; i++) {
            c[i] = 7;
        }
        const float beta = form == 0 ? 2 : 0;
        if (form == 0) {
            pl_gemm_nt(m, n, k, 3, a, lda, b, ldb, beta, c, ldc);
        } else if (form == 1) {
            pl_gemm_nn(m, n, k, 3, a, lda, bt, ldb, beta, c, ldc);
        } else {
            pl_gemm_tn(m, n, k, at, m + 1, bt, ldb, beta, c, ldc);
        }
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < ldc; j++) {
                float sum = 0;
                for (size_t l = 0; l < k && j < n; l++) {
                    sum += a[i * lda + l] * b[j * ldb + l];
                }
                const float want = j < n ? (form == 2 ? 1 : 3) * sum + beta * 7 : 7;
                expect_close(c[i * ldc + j], want, 0);
            }
        }
    }
    pl_check_ok(pl_linalg_set_threads(1, &err), err);
    free(a);
    free(at);
    free(b);
    free(bt);
    free(c);
}

/* The same bytes on any number of threads, where a product is large enough for several. */
static void products_do_not_follow_the_threads(void **state)
{
    (void)state;
    pl_error err;
    static const size_t shapes[][3] = {
        {512, 576, 192}, {37, 1536, 576}, {300, 20, 64}, {130, 257, 65}, {60, 70, 61}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        float *a = random_floats(m * k, 7), *b = random_floats(n * k, 8);
        float *one = random_floats(m * n, 9), *more = random_floats(m * n, 10);
        for (int form = 0; form < 3; form++) {
            for (int threads = 1; threads < 8; threads += 2) {
                float *c = threads == 1 ? one : more;
                pl_check_ok(pl_linalg_set_threads(threads, &err), err);
                if (form == 0) {
                    pl_gemm_nt(m, n, k, 1, a, k, b, k, 0, c, n);
                } else if (form == 1) {
                    pl_gemm_nn(m, n, k, 1, a, k, b, n, 0, c, n);
                } else {
                    pl_gemm_tn(m, n, k, a, m, b, n, 0, c, n);
                }
                assert_memory_equal(c, one, m * n * sizeof *c);
            }
        }
        free(a);
        free(b);
        free(one);
        free(more);
    }
    pl_check_ok(pl_linalg_set_threads(1, &err), err);
}

static void vector_products_agree_with_their_definition(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {3, 31}, {65, 32}, {200, 577}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t rows = sizes[s][0], cols = sizes[s][1];
        float *w = random_floats(rows * cols, 4), *x = random_floats(cols, 5);
        float *y = random_floats(rows, 6);
        pl_matvec(rows, cols, w, x, y);
        for (size_t i = 0; i < rows; i++) {
            double sum = 0;
            for (size_t j = 0; j < cols; j++) {
                sum += (double)w[i * cols + j] * (double)x[j];
            }
            pl_check_close(y[i], sum, 1e-5, 1e-4);
        }
        free(w);
        free(x);
        free(y);
    }
}

static void tiled_products_are_exact(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 700, 900},  {700, 1, 900},  {130, 257, 65},
                                       {512, 192, 40}, {300, 300, 30}, {1000, 129, 17},
                                       {17, 1000, 129}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int threads = 1; threads < 8; threads += 3) {
            check_product(shapes[i][0], shapes[i][1], shapes[i][2], threads);
        }
    }
}

static void count_turn(void *ctx)
{
    ++*(int *)ctx;
}

static void cut_gemm_equals_the_whole(void **state)
{
    (void)state;
    const size_t m = 2100, n = 700, k = 900; /* 2.6 GFLOP */
    float *a = random_floats(m * k, 1), *b = random_floats(n * k, 2);
    float *c = random_floats(m * n, 3), *whole = random_floats(m * n, 4);
    int turns = 0;
    pl_error err;
    pl_task task = {.give_way = count_turn, .ctx = &turns};
    pl_check_ok(pl_gemm_nt_tick(m, n, k, a, k, b, k, c, n, &task, &err), err);
    assert_int_equal(turns, 2);
    pl_gemm_nt(m, n, k, 1, a, k, b, k, 0, whole, n);
    for (size_t i = 0; i < m * n; i++) {
        pl_check_close(c[i], whole[i], 1e-4, 1e-3);
    }
    atomic_store(&task.cancel, 1);
    assert_int_equal(pl_gemm_nt_tick(m, n, k, a, k, b, k, c, n, &task, &err), PL_ERR_CANCELLED);
    free(a);
    free(b);
    free(c);
    free(whole);
}

static void syrk_adds_to_the_upper_triangle(void **state)
{
    (void)state;
    const size_t n = 70, rows = 33, ldx = 75;
    float *x = random_floats(rows * ldx, 5), *c = random_floats(n * n, 6);
    float *old = random_floats(n * n, 6);
    pl_syrk_upper(n, rows, x, ldx, c, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = (double)old[i * n + j];
            for (size_t t = 0; t < rows && j >= i; t++) {
                sum += (double)x[t * ldx + i] * (double)x[t * ldx + j];
            }
            pl_check_close(c[i * n + j], sum, 1e-5, 1e-4);
        }
    }
    free(x);
    free(c);
    free(old);
}

static void symmetrize_mirrors_the_upper_triangle(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 31, 32, 33, 100, 600};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = sizes[s];
        float *a = random_floats(n * n, 7), *old = random_floats(n * n, 7);
        pl_symmetrize(n, a);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                expect_close(a[i * n + j], j >= i ? old[i * n + j] : old[j * n + i], 0);
            }
        }
        free(a);
        free(old);
    }
}

static void cholesky_and_its_solves(void **state)
{
    (void)state;
    const size_t n = 60;
    double *a = random_spd(n, 8), *l = random_spd(n, 8);
    size_t column = 99;
    assert_true(pl_cholesky(l, n, &column));
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k <= j; k++) {
                sum += l[i * n + k] * l[j * n + k];
            }
            pl_check_close(sum, a[i * n + j], 1e-12, 1e-11);
        }
        for (size_t j = i + 1; j < n; j++) {
            expect_close(l[i * n + j], a[i * n + j], 0);
        }
    }
    float *raw = random_floats(3 * n, 9);
    double b[3 * 60];
    for (size_t i = 0; i < 3 * n; i++) {
        b[i] = (double)raw[i];
    }
    pl_solve_lower(l, n, b, 3);
    for (size_t r = 0; r < 3; r++) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j <= i; j++) {
                sum += l[i * n + j] * b[r * n + j];
            }
            pl_check_close(sum, raw[r * n + i], 1e-10, 1e-10);
        }
    }
    pl_error err;
    pl_check_ok(pl_cholesky_inverse(l, n, &err), err);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++) {
                sum += l[i * n + k] * a[k * n + j];
            }
            pl_check_close(sum, i == j, 0, 1e-9);
            expect_close(l[i * n + j], l[j * n + i], 0);
        }
    }
    free(a);
    free(l);
    free(raw);
}

static void cholesky_names_the_bad_column(void **state)
{
    (void)state;
    const size_t n = 40;
    static const double bad[] = {-1, 0, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t at = 0; at < n; at += 13) {
            double *a = random_spd(n, 10);
            size_t column = 99;
            a[at * n + at] = bad[i];
            assert_false(pl_cholesky(a, n, &column));
            assert_int_equal(column, at);
            free(a);
        }
    }
    size_t column = 99;
    assert_true(pl_cholesky(NULL, 0, &column));
}

static void eigenvalues_are_ascending(void **state)
{
    (void)state;
    pl_error err;
    /* The second difference matrix: 2 - 2 cos(k pi / (n + 1)). */
    enum { N = 30 };
    static double a[N * N];
    double values[N];
    for (size_t i = 0; i < N; i++) {
        a[i * N + i] = 2;
        if (i > 0) {
            a[i * N + i - 1] = a[(i - 1) * N + i] = -1;
        }
    }
    pl_check_ok(lapack_eigenvalues(a, N, values, &err), err);
    for (size_t i = 0; i < N; i++) {
        pl_check_close(values[i], 2 - 2 * cos((double)(i + 1) * acos(-1.0) / (N + 1)), 0, 1e-13);
    }
    a[0] = (double)NAN;
    assert_int_equal(lapack_eigenvalues(a, N, values, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "not finite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemms_agree_with_their_definition),
        cmocka_unit_test(vector_products_agree_with_their_definition),
        cmocka_unit_test(products_do_not_follow_the_threads),
        cmocka_unit_test(tiled_products_are_exact),
        cmocka_unit_test(cut_gemm_equals_the_whole),
        cmocka_unit_test(syrk_adds_to_the_upper_triangle),
        cmocka_unit_test(symmetrize_mirrors_the_upper_triangle),
        cmocka_unit_test(cholesky_and_its_solves),
        cmocka_unit_test(cholesky_names_the_bad_column),
        cmocka_unit_test(eigenvalues_are_ascending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
