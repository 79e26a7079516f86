/* The bound from below of rounding at given scales, against all roundings there are. */
#include "core/metrics/least_error.h"
#include "core/method/method.h"
#include "core/solve/diagonal_below.h"
#include "core/tensor/linalg.h"

#include "tests/support/check.h"
#include "tests/support/eigenvalues.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>

enum { N = 6, ROWS = 4, GROUP = 4 };

typedef struct rounded {
    pl_factors *factors;
    pl_qweights q;
    double least[ROWS];
} rounded;

static void round_rows(const float *g, const float *w, int bits, const char *format,
                       const char *how, rounded *out)
{
    pl_error err;
    pl_spec spec = pl_spec_default(pl_method_find(how));
    pl_method_report report;
    spec.values[PL_GRID_BITS] = bits;
    spec.values[PL_GRID_GROUP_SIZE] = GROUP;
    pl_check_ok(pl_spec_set(&spec, "symmetric", format, &err), err);
    pl_check_ok(pl_factors_create(&(pl_sym){.n = N, .square = g}, 100, "site", &out->factors, &err),
                err);
    const pl_layer_input in = {.layer = "layer", .factors = out->factors, .w = {w, ROWS, N, N}};
    pl_check_ok(pl_round(&spec, &in, &out->q, &report, NULL, &err), err);
    pl_check_ok(pl_least_rounded(out->factors, in.w, &out->q, out->least, NULL, &err), err);
}

static void drop(rounded *r)
{
    pl_qweights_deinit(&r->q);
    pl_factors_destroy(r->factors);
}

static double error_of(const float *g, const double *d)
{
    double sum = 0.0;
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            sum += d[i] * (double)g[i * N + k] * d[k];
        }
    }
    return sum;
}

/* The least error over all codes of one row, [2^bits]^N of them. */
static double exhaustive(const float *g, const float *w, const pl_qweights *q, size_t row,
                         bool zero)
{
    const int levels = 1 << q->grid.bits;
    size_t all = 1;
    for (size_t i = 0; i < N; i++) {
        all *= (size_t)levels;
    }
    double best = INFINITY;
    for (size_t number = 0; number < all; number++) {
        double d[N];
        size_t left = number;
        for (size_t i = 0; i < N; i++) {
            const size_t at = row * q->groups + q->group_of[i];
            const pl_grid_param p = {q->scales[at], q->zeros[at]};
            const int code = (int)(left % (size_t)levels) - (zero ? 0 : levels / 2);
            left /= (size_t)levels;
            d[i] = (double)w[row * N + i] - (double)pl_grid_value(&q->grid, p, code);
        }
        best = fmin(best, error_of(g, d));
    }
    return best;
}

static void below_all_roundings(void **state)
{
    (void)state;
    static float g[N * N], w[ROWS * N];
    const char *const formats[] = {"yes", "no", "full"};
    double logs = 0.0, count = 0.0;
    for (uint64_t seed = 0; seed < 24; seed++) {
        rounded r;
        const int bits = seed % 8 == 7 ? 3 : 2;
        const char *format = formats[seed % 3];
        ref_gram(seed, N, 12 + 10 * (size_t)(seed % 5), (double)(seed % 4), g);
        ref_weights(100 + seed, ROWS * N, w);
        round_rows(g, w, bits, format, seed % 2 == 0 ? "gptq" : "rtn", &r);
        for (size_t row = 0; row < (bits == 3 ? 1 : ROWS); row++) {
            const double best = exhaustive(g, w, &r.q, row, seed % 3 == 1);
            expect_at_most(r.least[row], best);
            expect_less(0.0, r.least[row]);
            logs += log(best / r.least[row]);
            count += 1.0;
        }
        drop(&r);
    }
    expect_less(exp(logs / count), 8.0); /* it says something */
}

/* Independent channels: rounding to nearest is the best, and the bound is its error. */
static void tight_where_channels_are_independent(void **state)
{
    (void)state;
    static float g[N * N], w[ROWS * N];
    rounded r;
    for (size_t i = 0; i < N; i++) {
        g[i * N + i] = i == 2 ? 0.0f : (float)(i + 1); /* a dead one among them */
    }
    ref_weights(3, ROWS * N, w);
    round_rows(g, w, 3, "yes", "rtn", &r);
    for (size_t row = 0; row < ROWS; row++) {
        const double best = exhaustive(g, w, &r.q, row, false);
        expect_at_most(r.least[row], best);
        expect_less(0.999 * best, r.least[row]);
    }
    drop(&r);
}

/* Nothing can be said where some direction costs nothing. */
static void zero_where_singular(void **state)
{
    (void)state;
    static float g[N * N], w[ROWS * N];
    rounded r;
    ref_weights(4, ROWS * N, w);
    for (size_t i = 0; i < N * N; i++) {
        g[i] = 1.0f;
    }
    round_rows(g, w, 3, "yes", "rtn", &r);
    for (size_t row = 0; row < ROWS; row++) {
        expect_close(r.least[row], 0.0, 0);
    }
    drop(&r);
}

/* G - diag(d) has no negative eigenvalue. */
static void diagonal_is_below(void **state)
{
    (void)state;
    enum { MANY = 60 };
    static float g[MANY * MANY];
    double d[MANY], gain[MANY], a[MANY * MANY], values[MANY];
    pl_error err;
    for (uint64_t seed = 0; seed < 6; seed++) {
        ref_gram(seed + 70, MANY, 90 + 100 * (size_t)seed, (double)seed, g);
        double held = 0.0, plain = INFINITY;
        for (size_t i = 0; i < MANY; i++) {
            gain[i] = (double)(i % 5);
            for (size_t k = 0; k < MANY; k++) {
                a[i * MANY + k] = (double)g[i * MANY + k];
            }
        }
        pl_check_ok(lapack_eigenvalues(a, MANY, values, &err), err);
        plain = values[0];
        pl_check_ok(pl_diagonal_below(&(pl_sym){.n = MANY, .square = g}, gain, d, NULL, &err), err);
        for (size_t i = 0; i < MANY; i++) {
            for (size_t k = 0; k < MANY; k++) {
                a[i * MANY + k] = (double)g[i * MANY + k] - (i == k ? d[i] : 0.0);
            }
            expect_at_most(0.0, d[i]);
            held += gain[i] * d[i];
        }
        pl_check_ok(lapack_eigenvalues(a, MANY, values, &err), err);
        expect_at_most(-1e-13 * values[MANY - 1], values[0]);
        expect_less(values[0], 1e-2 * plain);  /* at its limit */
        expect_less(2.0 * plain * MANY, held); /* the mean gain is 2: better than the eigenvalue */
    }
}

typedef struct stopper {
    pl_task task;
    size_t ticks, at;
} stopper;

static void count_tick(void *ctx)
{
    stopper *s = ctx;
    s->ticks++;
    if (s->ticks == s->at) {
        atomic_store(&s->task.cancel, true);
    }
}

/* A tick stands between any two factorizations, and each of them can be the last. */
static void ends_between_factorizations(void **state)
{
    (void)state;
    enum { MANY = 24, LAPACK_CALLS = 40 };
    static float g[MANY * MANY];
    double d[MANY], gain[MANY];
    pl_error err;
    ref_gram(5, MANY, 100, 2.0, g);
    for (size_t i = 0; i < MANY; i++) {
        gain[i] = 1.0;
    }
    stopper whole = {.task = {.give_way = count_tick}};
    whole.task.ctx = &whole;
    pl_check_ok(pl_diagonal_below(&(pl_sym){.n = MANY, .square = g}, gain, d, &whole.task, &err),
                err);
    expect_less(LAPACK_CALLS, whole.ticks);
    for (size_t at = 1; at < whole.ticks; at++) {
        stopper s = {.task = {.give_way = count_tick}, .at = at};
        s.task.ctx = &s;
        assert_int_equal(
            pl_diagonal_below(&(pl_sym){.n = MANY, .square = g}, gain, d, &s.task, &err),
            PL_ERR_CANCELLED);
        assert_int_equal(s.ticks, at);
    }
}

int main(void)
{
    pl_error err;
    if (pl_linalg_set_threads(1, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_all_roundings),
        cmocka_unit_test(tight_where_channels_are_independent),
        cmocka_unit_test(zero_where_singular),
        cmocka_unit_test(diagonal_is_below),
        cmocka_unit_test(ends_between_factorizations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
