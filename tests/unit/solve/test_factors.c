#include "core/solve/factors.h"
#include "core/solve/factors_parts.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 40 };

static pl_factors *make_factors(const float *g, double tokens)
{
    pl_error err;
    pl_factors *f = NULL;
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = g}, tokens, "block.3.qkv", &f, &err),
                err);
    return f;
}

/* U^T U (H + damping) = I for the permuted H. */
static void check_gptq(const float *g, const size_t *perm, const pl_gptq_factor *factor)
{
    double mean = 0.0;
    for (size_t i = 0; i < N; i++) {
        mean += (g[i * N + i] > 0.0f ? 2.0 * (double)g[i * N + i] : 1.0) / N;
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < N; k++) {
                double inverse = 0.0; /* (U^T U)[i, k] */
                for (size_t r = 0; r < N; r++) {
                    inverse += (double)factor->u[r * N + i] * (double)factor->u[r * N + k];
                }
                const size_t a = perm != NULL ? perm[k] : k, b = perm != NULL ? perm[j] : j;
                double h = 2.0 * (double)g[a * N + b];
                h += a == b ? factor->used * mean + (g[a * N + a] > 0.0f ? 0.0 : 1.0) : 0.0;
                sum += inverse * h;
            }
            pl_check_close(sum, i == j ? 1.0 : 0.0, 0.0, 1e-4);
        }
    }
}

static void normalized_and_matrices(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N];
    ref_gram(1, N, 200, 3.0, g);
    pl_factors *f = make_factors(g, 200);
    pl_normalized normal;
    pl_check_ok(pl_factors_normalized(f, &normal, NULL, &err), err);
    expect_close(normal.ridge, 0.0, 0);
    double trace = 0.0;
    for (size_t i = 0; i < N; i++) {
        trace += (double)g[i * N + i];
        for (size_t j = 0; j < N; j++) {
            pl_check_close(normal.gn[i * N + j], (double)g[i * N + j] / normal.lambda_max, 1e-6, 0);
        }
    }
    pl_check_close(normal.mean_diag, trace / normal.lambda_max / N, 1e-6, 0);
    const pl_lower *factor_of_gn = NULL;
    double l[N * N] = {0};
    pl_check_ok(pl_factors_cholesky(f, &factor_of_gn, NULL, &err), err);
    for (size_t i = 0; i < N; i++) {
        l[i * N + i] = 1.0;
    }
    pl_lower_mul(factor_of_gn, l, N); /* rows of the unit matrix times L */
    const float *a = NULL;
    const double rho = 0.3 * normal.mean_diag;
    pl_check_ok(pl_factors_admm(f, rho, &a, NULL, &err), err);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double product = 0.0, square = 0.0;
            for (size_t k = 0; k < N; k++) {
                product += (double)a[i * N + k] *
                           ((double)normal.gn[k * N + j] + (k == j ? rho : 0.0)) / rho;
                square += k <= i && k <= j ? l[i * N + k] * l[j * N + k] : 0.0;
            }
            pl_check_close(product, i == j ? 1.0 : 0.0, 0.0, 1e-4);
            pl_check_close(square, normal.gn[i * N + j], 1e-9, 1e-12);
        }
    }
    pl_gptq_factor factor;
    const size_t *perm = NULL;
    pl_check_ok(pl_factors_gptq(f, 0.01, false, &factor, NULL, &err), err);
    pl_check_close(factor.used, 0.01, 1e-15, 0);
    check_gptq(g, NULL, &factor);
    pl_check_ok(pl_factors_gptq(f, 0.01, true, &factor, NULL, &err), err);
    pl_check_ok(pl_factors_order(f, PL_ORDER_FALLING, &perm, &err), err);
    for (size_t i = 1; i < N; i++) {
        expect_at_most(g[perm[i] * (N + 1)], g[perm[i - 1] * (N + 1)]);
    }
    check_gptq(g, perm, &factor);
    expect_at_most((4 + 8 + 4 + 4 + 4) * N * N, pl_factors_bytes(f));
    pl_factors_destroy(f);
}

/* What was let go of is made again, the same; nothing goes while the factors are held. */
static void shrink(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N], before[N * N];
    double row[N], again[N];
    ref_gram(2, N, 30, 0.0, g);
    pl_factors *f = make_factors(g, 30);
    const pl_lower *lower = NULL;
    const float *a = NULL;
    pl_gptq_factor factor;
    pl_check_ok(pl_factors_cholesky(f, &lower, NULL, &err), err);
    pl_check_ok(pl_factors_admm(f, 1.0, &a, NULL, &err), err);
    pl_check_ok(pl_factors_gptq(f, 0.01, false, &factor, NULL, &err), err);
    memcpy(before, a, sizeof before);
    for (size_t i = 0; i < N; i++) {
        row[i] = again[i] = (double)(i + 1);
    }
    pl_lower_mul(lower, row, 1);
    pl_factors_hold(f);
    const size_t all = pl_factors_bytes(f);
    pl_factors_shrink(f, 0);
    assert_int_equal(pl_factors_bytes(f), all);
    pl_factors_release(f);
    pl_factors_shrink(f, all);
    assert_int_equal(pl_factors_bytes(f), all);
    pl_factors_shrink(f, all - 1); /* the certificate's factor is enough */
    assert_non_null(pl_factors_find(f, PL_KEPT_ADMM, 1.0, PL_ORDER_NONE));
    expect_less(pl_factors_bytes(f), all);
    expect_less(2 * sizeof g, pl_factors_bytes(f));
    pl_factors_shrink(f, 0);
    assert_false(pl_factors_find(f, PL_KEPT_ADMM, 1.0, PL_ORDER_NONE) != NULL);
    expect_less(pl_factors_bytes(f), sizeof g);
    pl_check_ok(pl_factors_cholesky(f, &lower, NULL, &err), err);
    pl_lower_mul(lower, again, 1);
    assert_memory_equal(again, row, sizeof row);
    pl_check_ok(pl_factors_admm(f, 1.0, &a, NULL, &err), err);
    assert_memory_equal(a, before, sizeof before);
    pl_factors_destroy(f);
}

/* The four last rho stay, and all of them while the factors are held. */
static void cache(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N];
    ref_gram(2, N, 200, 0.0, g);
    pl_factors *f = make_factors(g, 200);
    const float *first = NULL, *again = NULL, *other = NULL;
    pl_factors_hold(f);
    pl_check_ok(pl_factors_admm(f, 1.0, &first, NULL, &err), err);
    for (int i = 2; i < 9; i++) {
        pl_check_ok(pl_factors_admm(f, i, &other, NULL, &err), err);
    }
    const size_t held = pl_factors_bytes(f);
    pl_check_ok(pl_factors_admm(f, 1.0, &again, NULL, &err), err);
    assert_ptr_equal(first, again);
    pl_factors_release(f);
    expect_less(pl_factors_bytes(f), held - 3 * N * N * sizeof(float));
    pl_check_ok(pl_factors_admm(f, 1.0, &again, NULL, &err), err);
    assert_ptr_equal(first, again);
    pl_factors_destroy(f);
}

/* rho_i = h_i + theta shape_i with h_i = 1 / (Gn^-1)_ii by elimination, and M (Gn + R) = R. */
static void metric(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N], shape[N], zeros[N] = {0};
    ref_gram(5, N, 300, 4.0, g);
    pl_factors *f = make_factors(g, 300);
    pl_normalized normal;
    pl_check_ok(pl_factors_normalized(f, &normal, NULL, &err), err);
    for (size_t i = 0; i < N; i++) {
        shape[i] = (float)(i % 5) * 0.5f;
    }
    const double theta = 0.1 * normal.mean_diag;
    pl_metric made;
    pl_factors_hold(f);
    pl_check_ok(pl_factors_metric(f, theta, shape, &made, NULL, &err), err);
    double mean = 0.0;
    for (size_t i = 0; i < N; i++) {
        double unit[N] = {0};
        unit[i] = 1.0;
        const double h = -0.5 / ref_dual(normal.gn, N, zeros, unit);
        const double rho = made.rho * (double)made.metric[i];
        pl_check_close(rho, h + theta * (double)shape[i], 1e-5, 0);
        mean += rho / N;
        for (size_t j = 0; j < N; j++) {
            double product = 0.0;
            for (size_t k = 0; k < N; k++) {
                const double own = k == j ? made.rho * (double)made.metric[k] : 0.0;
                product += (double)made.m[i * N + k] * ((double)normal.gn[k * N + j] + own);
            }
            pl_check_close(product, i == j ? rho : 0.0, 1e-4, 1e-5 * made.rho);
        }
    }
    pl_check_close(made.rho, mean, 1e-6, 0);
    pl_metric again;
    pl_check_ok(pl_factors_metric(f, theta, shape, &again, NULL, &err), err);
    assert_ptr_equal(again.m, made.m);
    expect_close(pl_factors_metric_near(f, 3.0 * theta, zeros), 0.0, 0);
    pl_check_ok(pl_factors_metric(f, theta, zeros, &again, NULL, &err), err);
    assert_ptr_not_equal(again.m, made.m);
    pl_check_ok(pl_factors_metric(f, 8.0 * theta, shape, &again, NULL, &err), err);
    expect_close(pl_factors_metric_near(f, 2.0 * theta, shape), theta, 0);
    expect_close(pl_factors_metric_near(f, 4.0 * theta, shape), 8.0 * theta, 0);
    const size_t held = pl_factors_bytes(f);
    pl_factors_release(f); /* two are kept: the first one goes */
    expect_at_most(pl_factors_bytes(f), held - N * N * sizeof(float));
    expect_close(pl_factors_metric_near(f, theta, shape), 8.0 * theta, 0);
    expect_close(pl_factors_metric_near(f, theta, zeros), theta, 0);
    pl_factors_destroy(f);
}

/* Fewer tokens than channels, or a dead channel: a ridge of 1e-6 mean(diag Gn), reported. */
static void singular(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N];
    ref_gram(3, N, 12, 1.0, g);
    pl_factors *f = make_factors(g, 12);
    pl_normalized normal;
    pl_check_ok(pl_factors_normalized(f, &normal, NULL, &err), err);
    expect_at_most(0.999e-6 * normal.mean_diag, normal.ridge);
    expect_at_most(normal.ridge, 1.001e-4 * normal.mean_diag);
    pl_factors_destroy(f);

    ref_gram(4, N, 200, 1.0, g);
    for (size_t i = 0; i < N; i++) {
        g[7 * N + i] = g[i * N + 7] = 0.0f;
    }
    f = make_factors(g, 200);
    pl_check_ok(pl_factors_normalized(f, &normal, NULL, &err), err);
    pl_check_close(normal.ridge, 1e-6 * normal.mean_diag, 1e-9, 0);
    pl_check_close(normal.gn[7 * N + 7], normal.ridge, 1e-6, 0);
    pl_gptq_factor factor;
    pl_check_ok(pl_factors_gptq(f, 0.01, false, &factor, NULL, &err), err);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(factor.dead[i], i == 7);
    }
    check_gptq(g, NULL, &factor);
    pl_factors_destroy(f);
}

/* An indefinite G: tenfold dampings until it works, or the list of what was tried. */
static void damping_ladder(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N] = {0};
    for (size_t i = 0; i < N; i++) {
        g[i * N + i] = 1.0f;
    }
    g[1] = g[N] = 1.05f; /* eigenvalue -0.05 of channels 0 and 1 */
    pl_factors *f = make_factors(g, 200);
    pl_gptq_factor factor;
    pl_check_ok(pl_factors_gptq(f, 0.01, false, &factor, NULL, &err), err);
    pl_check_close(factor.used, 0.1, 1e-12, 0);
    check_gptq(g, NULL, &factor);
    pl_factors_destroy(f);

    g[1] = g[N] = 5.0f;
    f = make_factors(g, 200);
    assert_int_equal(pl_factors_gptq(f, 0.01, true, &factor, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "block.3.qkv");
    pl_check_says(err, "channel 0");
    pl_check_says(err, "(0.01, 0.1, 1)");
    assert_null(factor.u);
    assert_int_equal(pl_factors_gptq(f, 0.0, false, &factor, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "(0, 0.01, 0.1, 1)");
    pl_normalized normal;
    assert_int_equal(pl_factors_normalized(f, &normal, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "not positive semidefinite");
    pl_factors_destroy(f);
}

static void refusals(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N] = {0};
    pl_factors *f = make_factors(g, 200);
    pl_normalized normal;
    assert_int_equal(pl_factors_normalized(f, &normal, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "block.3.qkv: the Gram matrix is zero");
    pl_factors_destroy(f);
    g[3 * N + 5] = NAN;
    assert_int_equal(pl_factors_create(&(pl_sym){.n = N, .square = g}, 9, "x", &f, &err),
                     PL_ERR_NUMERIC);
    assert_null(f);
    pl_check_says(err, "x: element [3, 5] of the Gram matrix is not finite");
    g[3 * N + 5] = 0.0f;
    g[2 * N + 2] = -1.0f;
    assert_int_equal(pl_factors_create(&(pl_sym){.n = N, .square = g}, 9, "x", &f, &err),
                     PL_ERR_NUMERIC);
    pl_check_says(err, "channel 2");
}

static void alphas(void **state)
{
    (void)state;
    float g[N * N] = {0}, alpha[3];
    for (size_t i = 0; i < N; i++) {
        g[i * N + i] = i < 16 ? 1.0f : i < 32 ? 4.0f : 2.0f; /* traces 16, 64, 16 */
    }
    pl_factors *f = make_factors(g, 200);
    double norms[3];
    pl_factors_group_norms(f, 16, norms);
    pl_check_close(norms[0], 4, 1e-12, 0);
    pl_check_close(norms[1], 8, 1e-12, 0);
    pl_check_close(norms[2], 4, 1e-12, 0);
    pl_factors_alpha(f, 16, alpha);
    pl_check_close(alpha[0], 0.75, 1e-6, 0);
    pl_check_close(alpha[1], 1.5, 1e-6, 0);
    pl_check_close(alpha[2], 0.75, 1e-6, 0);
    pl_factors_alpha(f, 0, alpha);
    pl_check_close(alpha[0], 1, 1e-6, 0);
    pl_factors_destroy(f);
}

/* The same bytes of a packed Gram matrix: every factor but lambda_max, which has its own order of
 * sums, and what it scales.  With a dead channel, at a width of two tiles. */
static void packed(void **state)
{
    (void)state;
    enum { M = 70 };
    pl_error err;
    float square[M * M], triangle[M * (M + 1) / 2], alpha[2][5];
    ref_gram(8, M, 300, 2.0, square);
    for (size_t i = 0; i < M; i++) {
        square[i * M + 11] = square[11 * M + i] = 0.0f;
    }
    for (size_t i = 0, at = 0; i < M; at += M - i, i++) {
        memcpy(triangle + at, square + i * M + i, (M - i) * sizeof *triangle);
    }
    const pl_sym forms[2] = {{.n = M, .square = square}, {.n = M, .packed = triangle}};
    pl_factors *f[2];
    pl_gptq_factor u[2][2];
    pl_normalized normal[2];
    const float *a[2];
    for (int i = 0; i < 2; i++) {
        pl_check_ok(pl_factors_create(&forms[i], 300, "site", &f[i], &err), err);
        pl_check_ok(pl_factors_gptq(f[i], 0.01, false, &u[i][0], NULL, &err), err);
        pl_check_ok(pl_factors_gptq(f[i], 0.01, true, &u[i][1], NULL, &err), err);
        pl_check_ok(pl_factors_normalized(f[i], &normal[i], NULL, &err), err);
        pl_check_ok(pl_factors_admm(f[i], 0.3, &a[i], NULL, &err), err);
        pl_factors_alpha(f[i], 16, alpha[i]);
    }
    assert_memory_equal(alpha[0], alpha[1], sizeof alpha[0]);
    assert_memory_equal(u[0][0].u, u[1][0].u, sizeof square);
    assert_memory_equal(u[0][1].u, u[1][1].u, sizeof square);
    pl_check_close(normal[1].lambda_max, normal[0].lambda_max, 1e-7, 0);
    for (size_t i = 0; i < M * M; i++) {
        pl_check_close(normal[1].gn[i], normal[0].gn[i], 1e-6, 1e-12);
        pl_check_close(a[1][i], a[0][i], 1e-4, 1e-6);
    }
    pl_factors_destroy(f[0]);
    pl_factors_destroy(f[1]);
}

static void cancel(void **state)
{
    (void)state;
    pl_error err;
    float g[N * N];
    ref_gram(5, N, 200, 0.0, g);
    pl_factors *f = make_factors(g, 200);
    pl_task task = {0};
    atomic_store(&task.cancel, true);
    pl_normalized normal;
    pl_gptq_factor factor;
    assert_int_equal(pl_factors_normalized(f, &normal, &task, &err), PL_ERR_CANCELLED);
    assert_null(normal.gn);
    assert_int_equal(pl_factors_gptq(f, 0.01, false, &factor, &task, &err), PL_ERR_CANCELLED);
    pl_check_ok(pl_factors_normalized(f, &normal, NULL, &err), err);
    pl_factors_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalized_and_matrices),
        cmocka_unit_test(cache),
        cmocka_unit_test(shrink),
        cmocka_unit_test(metric),
        cmocka_unit_test(singular),
        cmocka_unit_test(damping_ladder),
        cmocka_unit_test(refusals),
        cmocka_unit_test(alphas),
        cmocka_unit_test(packed),
        cmocka_unit_test(cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
