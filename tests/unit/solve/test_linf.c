#include "core/solve/linf.h"

#include "core/tensor/linalg.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>

enum { N = 50, ROWS = 20, GROUP = 16, GROUPS = 4 };

typedef struct fixture {
    float g[N * N], w0[ROWS * N], alpha[GROUPS], w[ROWS * N];
    pl_factors *factors;
    pl_linf_problem problem;
} fixture;

static void setup(fixture *x, uint64_t seed, double beta)
{
    pl_error err;
    ref_gram(seed, N, 400, 2.0, x->g);
    ref_weights(seed + 1, ROWS * N, x->w0);
    pl_check_ok(
        pl_factors_create(&(pl_sym){.n = N, .square = x->g}, 400, "site", &x->factors, &err), err);
    pl_factors_alpha(x->factors, GROUP, x->alpha);
    x->problem = (pl_linf_problem){
        .w0 = {x->w0, ROWS, N, N}, .group_size = GROUP, .alpha = x->alpha, .beta = beta};
}

static pl_linf_report solve(fixture *x, pl_solver solver, int iterations, double gap)
{
    pl_error err;
    pl_linf_report report;
    const pl_linf_options options = {
        .solver = solver, .iterations = iterations, .gap = gap, .certify = true};
    pl_check_ok(pl_linf_solve(x->factors, &x->problem, &options, NULL, x->w, &report, NULL, &err),
                err);
    return report;
}

static void gap_option(void **state)
{
    (void)state;
    fixture x;
    setup(&x, 11, 1e-2);
    pl_linf_report report = solve(&x, PL_SOLVER_ADMM, 5000, 1e-4);
    expect_at_most(report.worst_row_gap, 1e-4);
    expect_at_most(report.gap, 1e-4);
    expect_less(report.iterations, 5000);
    assert_int_equal(report.iterations % 5, 0);
    report = solve(&x, PL_SOLVER_ADMM, 7, 1e-12);
    assert_int_equal(report.iterations, 7);
    report = solve(&x, PL_SOLVER_PGD, 9, 0.5);
    assert_int_equal(report.iterations, 9);
    double objective = 0.0;
    pl_error err;
    pl_check_ok(pl_linf_objective(x.factors, &x.problem, (pl_view){x.w, ROWS, N, N}, &objective,
                                  NULL, &err),
                err);
    pl_check_close(objective, report.objective, 1e-12, 0);
    pl_factors_destroy(x.factors);
}

/* A row is the same alone and among others, through a stride; a second run gives the same bytes. */
static void rows_are_independent(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 21, 3e-3);
    solve(&x, PL_SOLVER_ADMM, 30, 0.0);
    float wide[ROWS * (N + 3)], alone[N];
    for (size_t r = 0; r < ROWS; r++) {
        memcpy(wide + r * (N + 3), x.w0 + r * N, N * sizeof(float));
    }
    pl_linf_problem one = x.problem;
    one.w0 = (pl_view){wide + 13 * (N + 3), 1, N, N + 3};
    pl_linf_report report;
    const pl_linf_options options = {.solver = PL_SOLVER_ADMM, .iterations = 30};
    pl_check_ok(pl_linf_solve(x.factors, &one, &options, NULL, alone, &report, NULL, &err), err);
    assert_true(isnan(report.gap));
    assert_true(isnan(report.dual));
    for (size_t i = 0; i < N; i++) {
        pl_check_close(alone[i], x.w[13 * N + i], 1e-4, 1e-4);
    }
    float again[ROWS * N];
    memcpy(again, x.w, sizeof again);
    solve(&x, PL_SOLVER_ADMM, 30, 0.0);
    assert_memory_equal(again, x.w, sizeof again);
    pl_factors_destroy(x.factors);
}

/* With a gap each row stops by itself: its result, iterations and warm state are those it has
 * alone, whatever rows are beside it. */
static void rows_stop_by_themselves(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 23, 2e-3);
    for (size_t i = 0; i < N; i++) { /* some are easy, some hard */
        x.w0[3 * N + i] *= 1e-3f;
        x.w0[11 * N + i] *= 30.0f;
    }
    pl_warm *warm = NULL;
    pl_check_ok(pl_warm_create(ROWS, N, &warm, &err), err);
    pl_linf_options options = {
        .solver = PL_SOLVER_ADMM, .iterations = 400, .gap = 0.02, .certify = true};
    pl_linf_report all;
    pl_check_ok(pl_linf_solve(x.factors, &x.problem, &options, warm, x.w, &all, NULL, &err), err);
    expect_at_most(all.worst_row_gap, 0.02);
    double sum = 0;
    double objective = 0;
    int most = 0;
    int least = 1000;
    for (size_t r = 0; r < ROWS; r++) {
        float alone[N];
        pl_linf_report report;
        pl_linf_problem one = x.problem;
        one.whole = x.problem.w0;
        one.w0 = (pl_view){x.w0 + r * N, 1, N, N};
        pl_check_ok(pl_linf_solve(x.factors, &one, &options, NULL, alone, &report, NULL, &err),
                    err);
        const float *kept = pl_warm_row(warm, r);
        assert_memory_equal(kept, x.w + r * N, sizeof alone);
        for (size_t i = 0; i < N; i++) {
            pl_check_close(alone[i], x.w[r * N + i], 1e-4, 1e-5);
        }
        sum += report.iterations;
        objective += report.objective;
        most = report.iterations > most ? report.iterations : most;
        least = report.iterations < least ? report.iterations : least;
    }
    expect_less(least, most);
    assert_int_equal(all.iterations, most);
    pl_check_close(all.mean_iterations, sum / ROWS, 1e-12, 0);
    pl_check_close(all.objective, objective, 1e-5, 0);
    pl_warm_destroy(warm);
    pl_factors_destroy(x.factors);
}

static void warm_start(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 31, 1e-2);
    const double optimum = solve(&x, PL_SOLVER_ADMM, 2000, 0.0).objective;
    const double cold = solve(&x, PL_SOLVER_ADMM, 3, 0.0).objective;
    pl_warm *warm = NULL;
    pl_check_ok(pl_warm_create(ROWS, N, &warm, &err), err);
    pl_linf_report report;
    pl_linf_options options = {.solver = PL_SOLVER_ADMM, .iterations = 300, .certify = true};
    x.problem.beta = 0.9e-2;
    pl_check_ok(pl_linf_solve(x.factors, &x.problem, &options, warm, x.w, &report, NULL, &err),
                err);
    x.problem.beta = 1e-2;
    options.iterations = 3;
    options.rho_factor = 0.7; /* the kept u must be rescaled */
    pl_check_ok(pl_linf_solve(x.factors, &x.problem, &options, warm, x.w, &report, NULL, &err),
                err);
    expect_less(report.objective - optimum, 0.1 * (cold - optimum));
    expect_at_most(report.dual, optimum * (1.0 + 1e-6));
    pl_warm_destroy(warm);
    pl_check_ok(pl_warm_create(ROWS - 1, N, &warm, &err), err);
    assert_int_equal(pl_linf_solve(x.factors, &x.problem, &options, warm, x.w, &report, NULL, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "warm start");
    pl_warm_destroy(warm);
    pl_factors_destroy(x.factors);
}

/* All rows are zero from `zero` on and not below; 0.1 % of the group maxima are gone at `low`. */
static void beta_range(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 41, 1.0);
    double low = 0.0, zero = 0.0;
    pl_check_ok(pl_linf_beta_range(x.factors, &x.problem, &low, &zero, NULL, &err), err);
    expect_less(0.0, low);
    expect_less(low, zero);
    for (int above = 0; above < 2; above++) {
        x.problem.beta = zero * (above ? 1.01 : 0.95);
        solve(&x, PL_SOLVER_ADMM, 3000, 0.0);
        double sum = 0.0;
        for (size_t i = 0; i < ROWS * N; i++) {
            sum += fabs((double)x.w[i]);
        }
        if (above) {
            expect_less(sum, 1e-3);
        } else {
            expect_less(1e-3, sum);
        }
    }
    x.problem.beta = low;
    solve(&x, PL_SOLVER_ADMM, 500, 0.0);
    double before = 0.0, after = 0.0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t k = 0; k < GROUPS; k++) {
            float a = 0.0f, b = 0.0f;
            for (size_t i = k * GROUP; i < N && i < (k + 1) * GROUP; i++) {
                a = fmaxf(a, fabsf(x.w0[r * N + i]));
                b = fmaxf(b, fabsf(x.w[r * N + i]));
            }
            before += (double)a;
            after += (double)b;
        }
    }
    pl_check_close(1.0 - after / before, 1e-3, 0.1, 0);
    memset(x.w0, 0, sizeof x.w0);
    pl_check_ok(pl_linf_beta_range(x.factors, &x.problem, &low, &zero, NULL, &err), err);
    expect_close(low, 0.0, 0);
    expect_close(zero, 0.0, 0);
    pl_factors_destroy(x.factors);
}

static void special_inputs(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 51, 1e-3);
    memset(x.w0 + 2 * N, 0, N * sizeof(float)); /* a zero row stays zero */
    solve(&x, PL_SOLVER_ADMM, 20, 0.0);
    for (size_t i = 0; i < N; i++) {
        expect_close(x.w[2 * N + i], 0.0f, 0);
    }
    x.w0[5 * N + 7] = INFINITY;
    pl_linf_report report;
    const pl_linf_options options = {.solver = PL_SOLVER_ADMM, .iterations = 3};
    assert_int_equal(pl_linf_solve(x.factors, &x.problem, &options, NULL, x.w, &report, NULL, &err),
                     PL_ERR_NUMERIC);
    pl_check_says(err, "site: weight [5, 7] is not finite");
    x.w0[5 * N + 7] = 0.0f;
    x.problem.beta = NAN;
    assert_int_equal(pl_linf_solve(x.factors, &x.problem, &options, NULL, x.w, &report, NULL, &err),
                     PL_ERR_USAGE);
    x.problem.beta = 1e-3;
    pl_task task = {0};
    atomic_store(&task.cancel, true);
    assert_int_equal(
        pl_linf_solve(x.factors, &x.problem, &options, NULL, x.w, &report, &task, &err),
        PL_ERR_CANCELLED);
    pl_factors_destroy(x.factors);
}

/* A group without any input costs nothing and keeps its weights; the ridge is reported. */
static void dead_group(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 61, 1e-2);
    pl_factors_destroy(x.factors);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 32; j < 48; j++) {
            x.g[i * N + j] = x.g[j * N + i] = 0.0f;
        }
    }
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = x.g}, 400, "site", &x.factors, &err),
                err);
    pl_factors_alpha(x.factors, GROUP, x.alpha);
    expect_close(x.alpha[2], 0.0f, 0);
    const pl_linf_report report = solve(&x, PL_SOLVER_ADMM, 300, 0.0);
    expect_less(0.0, report.ridge);
    expect_less(report.gap, 1e-3);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 32; i < 48; i++) {
            pl_check_close(x.w[r * N + i], x.w0[r * N + i], 1e-5, 1e-6);
        }
    }
    pl_factors_destroy(x.factors);
}

/* Lean factors give the same bytes, and afterwards hold no more than what certified; a gap, and a
 * second holder, are served all the same. */
static void lean(void **state)
{
    (void)state;
    fixture x, y;
    setup(&x, 31, 3e-3);
    setup(&y, 31, 3e-3);
    const pl_linf_report plain = solve(&x, PL_SOLVER_ADMM, 30, 0.0);
    pl_factors_set_lean(y.factors, true);
    for (int holders = 1; holders <= 2; holders++) {
        const pl_linf_report spare = solve(&y, PL_SOLVER_ADMM, 30, 0.0);
        assert_memory_equal(x.w, y.w, sizeof x.w);
        pl_check_close(spare.objective, plain.objective, 0, 0);
        pl_check_close(spare.dual, plain.dual, 0, 0);
        pl_check_close(spare.worst_row_gap, plain.worst_row_gap, 0, 0);
        assert_int_equal(spare.iterations, 30);
        if (holders == 1) {
            expect_less(pl_factors_bytes(y.factors), N * N * sizeof(double) + 64 * N);
            expect_less(pl_factors_bytes(y.factors), pl_factors_bytes(x.factors));
            pl_factors_hold(y.factors);
        }
    }
    expect_less(N * N * sizeof(double) + 64 * N, pl_factors_bytes(y.factors));
    pl_factors_release(y.factors);
    const pl_linf_report small = solve(&y, PL_SOLVER_ADMM, 5000, 1e-4);
    expect_at_most(small.worst_row_gap, 1e-4);
    expect_less(small.iterations, 5000);
    pl_factors_destroy(x.factors);
    pl_factors_destroy(y.factors);
}

int main(void)
{
    pl_error err;
    if (pl_linalg_set_threads(2, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gap_option),     cmocka_unit_test(rows_are_independent),
        cmocka_unit_test(warm_start),     cmocka_unit_test(beta_range),
        cmocka_unit_test(special_inputs), cmocka_unit_test(dead_group),
        cmocka_unit_test(lean),           cmocka_unit_test(rows_stop_by_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
