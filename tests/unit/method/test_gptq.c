#include "core/method/method.h"
#include "core/tensor/linalg.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 300, ROWS = 5 }; /* two blocks of 128 columns and a short one */

typedef struct fixture {
    float *g, *w, *decoded;
    double *expected;
    pl_factors *factors;
} fixture;

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert_non_null(memory);
    return memory;
}

static void setup(fixture *x, uint64_t seed, double spread, double tokens)
{
    pl_error err;
    *x = (fixture){allocate(N * N, 4), allocate(ROWS * N, 4), allocate(ROWS * N, 4),
                   allocate(ROWS * N, 8), NULL};
    ref_gram(seed, N, (size_t)tokens, spread, x->g);
    ref_weights(seed + 1, ROWS * N, x->w);
    pl_check_ok(
        pl_factors_create(&(pl_sym){.n = N, .square = x->g}, tokens, "block.0", &x->factors, &err),
        err);
}

static void teardown(fixture *x)
{
    pl_factors_destroy(x->factors);
    free(x->g);
    free(x->w);
    free(x->decoded);
    free(x->expected);
}

/* Space-separated key=value words on top of the defaults and float32 scales. */
static pl_spec spec_of(const char *name, const char *words)
{
    pl_error err;
    pl_spec spec = pl_spec_default(pl_method_find(name));
    pl_check_ok(pl_spec_set(&spec, "scale_dtype", "f32", &err), err);
    char copy[200];
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        pl_check_ok(pl_spec_set(&spec, word, equals + 1, &err), err);
    }
    return spec;
}

static double value_of(const pl_spec *spec, const char *name)
{
    const size_t param = pl_method_param(spec->method, name);
    expect_less(param, spec->method->n_params);
    return spec->values[param];
}

/* What GPTQ reports, by name; NaN where it does not. */
static double reported(const pl_spec *spec, const pl_method_report *report, const char *name)
{
    for (size_t i = 0; i < spec->method->n_reported; i++) {
        if (strcmp(spec->method->reported[i].name, name) == 0) {
            return report->own[i];
        }
    }
    return (double)NAN;
}

static pl_method_report run(fixture *x, const pl_spec *spec)
{
    pl_error err;
    pl_qweights q;
    pl_method_report report;
    const pl_layer_input in = {
        .layer = "block.0.q_proj", .factors = x->factors, .w = {x->w, ROWS, N, N}};
    pl_check_ok(spec->method->round(spec, &in, &q, &report, NULL, &err), err);
    pl_qweights_decode(&q, x->decoded);
    pl_qweights_deinit(&q);
    return report;
}

/* Float32 and float64 part at a rounding boundary sooner or later, and from there the row goes its
 * own way: all rows must have the same error, and most the same weights. */
static void check_against_reference(fixture *x, const pl_spec *spec)
{
    const pl_grid grid = pl_spec_grid(spec);
    ref_gptq(x->g, N, ROWS, &grid, value_of(spec, "damping"), value_of(spec, "act_order") > 0.0,
             value_of(spec, "static_groups") > 0.0, x->w, x->expected);
    size_t same = 0;
    float *expected = allocate(ROWS * N, sizeof *expected);
    for (size_t i = 0; i < ROWS * N; i++) {
        expected[i] = (float)x->expected[i];
        same += fabs((double)x->decoded[i] - x->expected[i]) <= 1e-4 ? 1 : 0;
    }
    expect_at_most(ROWS * N * 8 / 10, same);
    pl_check_close(ref_output_error(x->g, N, ROWS, x->w, x->decoded),
                   ref_output_error(x->g, N, ROWS, x->w, expected), 0.02, 0);
    free(expected);
}

static void matches_the_reference(void **state)
{
    (void)state;
    const char *const cases[] = {
        "bits=3 group_size=64",
        "bits=4 group_size=192",             /* groups that straddle blocks */
        "bits=3 group_size=50 symmetric=no", /* and whose ends do */
        "bits=4 group_size=0 symmetric=full",
        "bits=3 group_size=64 act_order=yes",
        "bits=3 group_size=70 act_order=yes static_groups=yes symmetric=no",
        "bits=4 group_size=100 static_groups=yes",
        "bits=2 group_size=128 damping=0.1",
    };
    fixture x;
    setup(&x, 5, 3.0, 400);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const pl_spec spec = spec_of("gptq", cases[i]);
        const pl_method_report report = run(&x, &spec);
        expect_close(reported(&spec, &report, "damping_used"), value_of(&spec, "damping"), 0);
        expect_close(reported(&spec, &report, "dead_columns"), 0.0, 0);
        check_against_reference(&x, &spec);
    }
    teardown(&x);
}

static void dead_columns(void **state)
{
    (void)state;
    fixture x;
    setup(&x, 6, 1.0, 400);
    const size_t dead[] = {0, 130, 299};
    for (size_t d = 0; d < 3; d++) {
        for (size_t i = 0; i < N; i++) {
            x.g[dead[d] * N + i] = x.g[i * N + dead[d]] = 0.0f;
        }
        x.w[dead[d]] = 100.0f; /* must not widen its group's range */
    }
    pl_factors_destroy(x.factors);
    pl_error err;
    pl_check_ok(
        pl_factors_create(&(pl_sym){.n = N, .square = x.g}, 400, "block.0", &x.factors, &err), err);
    const char *const cases[] = {"bits=3 group_size=64", "bits=3 group_size=64 act_order=yes",
                                 "bits=3 group_size=64 static_groups=yes"};
    for (size_t i = 0; i < 3; i++) {
        const pl_spec spec = spec_of("gptq", cases[i]);
        const pl_method_report report = run(&x, &spec);
        expect_close(reported(&spec, &report, "dead_columns"), 3.0, 0);
        check_against_reference(&x, &spec);
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t d = 0; d < 3; d++) {
                expect_close(x.decoded[r * N + dead[d]], 0.0f, 0);
            }
        }
    }
    teardown(&x);
}

static void zero_rows_and_refusals(void **state)
{
    (void)state;
    pl_error err;
    fixture x;
    setup(&x, 7, 1.0, 400);
    memset(x.w + 2 * N, 0, N * sizeof(float));
    const char *const names[] = {"gptq", "rtn"};
    for (size_t m = 0; m < 2; m++) {
        pl_spec spec = spec_of(names[m], "bits=2");
        run(&x, &spec);
        for (size_t i = 0; i < N; i++) {
            expect_close(x.decoded[2 * N + i], 0.0f, 0);
        }
        x.w[N + 3] = NAN;
        pl_qweights q;
        pl_method_report report;
        pl_layer_input in = {
            .layer = "block.0.q_proj", .factors = x.factors, .w = {x.w, ROWS, N, N}};
        assert_int_equal(spec.method->round(&spec, &in, &q, &report, NULL, &err), PL_ERR_NUMERIC);
        pl_check_says(err, "block.0.q_proj: weight [1, 3] is not finite");
        assert_null(q.codes);
        x.w[N + 3] = 0.0f;
        in.w.cols = N - 1;
        assert_int_equal(spec.method->round(&spec, &in, &q, &report, NULL, &err), PL_ERR_STATE);
        pl_task task = {0};
        atomic_store(&task.cancel, true);
        in.w.cols = N;
        assert_int_equal(spec.method->round(&spec, &in, &q, &report, &task, &err),
                         PL_ERR_CANCELLED);
        assert_null(q.codes);
    }
    teardown(&x);
}

/* RTN against the reference, group by group. */
static void rtn(void **state)
{
    (void)state;
    fixture x;
    setup(&x, 8, 0.0, 400);
    const pl_spec spec = spec_of("rtn", "bits=3 group_size=128 symmetric=no scale_dtype=f16");
    const pl_grid grid = pl_spec_grid(&spec);
    const pl_method_report report = run(&x, &spec);
    assert_true(isnan(report.gap));
    assert_int_equal(spec.method->n_reported, 0);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < N; i++) {
            const size_t first = i / 128 * 128, size = N - first < 128 ? N - first : 128;
            const pl_grid_param param = ref_fit(&grid, x.w + r * N + first, size);
            const int code = pl_grid_code(&grid, param, x.w[r * N + i]);
            expect_close(x.decoded[r * N + i], pl_grid_value(&grid, param, code), 0);
        }
    }
    teardown(&x);
}

int main(void)
{
    pl_error err;
    if (pl_linalg_set_threads(2, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_the_reference),
        cmocka_unit_test(dead_columns),
        cmocka_unit_test(zero_rows_and_refusals),
        cmocka_unit_test(rtn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
