/* Learning a site: it lowers the loss, goes on where it was left with the same bytes, and takes
 * back what leads nowhere. */
#include "core/learn/flatquant.h"

#include "core/base/rng.h"
#include "core/tensor/linalg.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>

enum { N = 24, ROWS = 20, SAMPLES = 96 };

typedef struct site {
    float x[SAMPLES * N], w[ROWS * N], max_abs[N];
    pl_view view;
    pl_grid grid;
    pl_site_input in;
} site;

/* Two outlier channels in X. */
static void make_site(site *s)
{
    pl_rng rng;
    pl_rng_init(&rng, 8);
    memset(s->max_abs, 0, sizeof s->max_abs);
    for (size_t i = 0; i < SAMPLES * N; i++) {
        s->x[i] = (float)pl_rng_normal(&rng) * (i % N == 3 || i % N == 17 ? 20.0f : 1.0f);
        s->max_abs[i % N] = fmaxf(s->max_abs[i % N], fabsf(s->x[i]));
    }
    for (size_t i = 0; i < ROWS * N; i++) {
        s->w[i] = (float)pl_rng_normal(&rng) * 0.1f;
    }
    s->view = (pl_view){s->w, ROWS, N, N};
    s->grid = (pl_grid){.bits = 4, .format = &pl_format_symmetric, .scale_dtype = PL_F32};
    s->in =
        (pl_site_input){.site = "block.site",
                        .n = N,
                        .weights = &s->view,
                        .n_weights = 1,
                        .max_abs = s->max_abs,
                        .sample = {s->x, SAMPLES, N, N},
                        .grid = &s->grid,
                        .activations = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0}};
}

static pl_spec spec_of(const char *const *settings)
{
    pl_error err;
    pl_spec spec = pl_spec_default(pl_method_find("flatquant"));
    for (size_t i = 0; settings[i] != NULL; i += 2) {
        pl_check_ok(pl_spec_set(&spec, settings[i], settings[i + 1], &err), err);
    }
    return spec;
}

#define SPEC(...) spec_of((const char *const[]){__VA_ARGS__, NULL})

static void learn(pl_flatquant *f, uint64_t until)
{
    pl_error err;
    while (!pl_learning_done(&f->now) && f->now.step < until) {
        pl_check_ok(pl_flatquant_step(f, NULL, &err), err);
    }
}

static void begin_learning(pl_flatquant *f, const pl_spec *spec, const site *s,
                           const pl_learning *from)
{
    pl_error err;
    pl_check_ok(pl_flatquant_init(f, spec, &s->in, from, NULL, &err), err);
}

static void test_learns(void **ctx)
{
    (void)ctx;
    site s;
    pl_flatquant f;
    make_site(&s);
    const pl_spec spec = SPEC("steps", "200", "rows", "32");
    begin_learning(&f, &spec, &s, NULL);
    assert_int_equal(pl_objective_batches(&f.objective), 3);
    learn(&f, UINT64_MAX);
    assert_int_equal(f.now.step, 200);
    assert_int_equal(f.now.rollbacks, 0);
    double first = 0.0, last = 0.0;
    for (size_t i = 0; i < 9; i++) {
        first += f.now.losses[i];
        last += f.now.losses[192 + i];
    }
    expect_less(last, 0.6 * first);
    pl_flatquant_deinit(&f);
}

/* Left after 23 steps, kept as numbers, gone on with: the same bytes as without. */
static void test_goes_on(void **ctx)
{
    (void)ctx;
    site s;
    pl_flatquant whole, part, rest, other;
    make_site(&s);
    const pl_spec spec = SPEC("steps", "40", "rows", "32", "seed", "2");
    const pl_spec another = SPEC("steps", "40", "rows", "32", "seed", "3");
    begin_learning(&whole, &spec, &s, NULL);
    learn(&whole, UINT64_MAX);
    begin_learning(&part, &spec, &s, NULL);
    learn(&part, 23);
    begin_learning(&rest, &spec, &s, &part.now);
    pl_flatquant_deinit(&part);
    learn(&rest, UINT64_MAX);
    assert_memory_equal(whole.now.numbers, rest.now.numbers,
                        pl_learning_count(&whole.now) * sizeof(double));
    begin_learning(&other, &another, &s, NULL);
    learn(&other, UINT64_MAX);
    assert_memory_not_equal(whole.now.params, other.now.params,
                            whole.now.at.count * sizeof(double));
    pl_flatquant_deinit(&whole);
    pl_flatquant_deinit(&rest);
    pl_flatquant_deinit(&other);
}

/* A rate that makes factors singular: each such step is taken back and named, and where nothing
 * helps learning stops at a step that is good. */
static void test_takes_back(void **ctx)
{
    (void)ctx;
    site s;
    pl_flatquant f;
    pl_error err;
    pl_transform *t = NULL;
    make_site(&s);
    const pl_spec wild = SPEC("steps", "60", "rate", "3", "seed", "1");
    begin_learning(&f, &wild, &s, NULL);
    learn(&f, UINT64_MAX);
    expect_less(0, f.now.rollbacks);
    expect_less(f.now.rate_share, 1.0);
    pl_check_says(f.now.trouble, "rolled back to step");
    if (!f.now.stopped) {
        assert_int_equal(f.now.step, 60);
    }
    pl_check_ok(pl_flat_transform(&f.now.at, f.good, &t, &err), err);
    double worst = 0.0;
    for (uint64_t i = 0; i <= f.good_step; i++) {
        assert_true(isfinite(f.now.losses[i]));
        worst = fmax(worst, f.now.losses[i]);
    }
    expect_at_most(worst, 10.0 * f.now.losses[0]);
    pl_transform_destroy(t);
    pl_flatquant_deinit(&f);

    const pl_spec hopeless = SPEC("steps", "60", "clip_rate", "0", "rate", "10");
    begin_learning(&f, &hopeless, &s, NULL);
    /* Moments that no rate makes good: the next step's direction is not finite. */
    f.now.m[f.now.at.scale] = (double)INFINITY;
    f.now.step = 1;
    f.now.losses[0] = 1.0;
    learn(&f, UINT64_MAX);
    assert_true(f.now.stopped);
    pl_check_says(f.now.trouble, "where learning stops: rates were tried down to");
    pl_flatquant_deinit(&f);
}

static void test_cancel(void **ctx)
{
    (void)ctx;
    site s;
    pl_flatquant f;
    pl_error err;
    pl_task task = {.cancel = true};
    make_site(&s);
    const pl_spec spec = SPEC("steps", "10");
    begin_learning(&f, &spec, &s, NULL);
    learn(&f, 4);
    double *kept = malloc(3 * f.now.at.count * sizeof *kept);
    memcpy(kept, f.now.params, 3 * f.now.at.count * sizeof *kept);
    assert_int_equal(pl_flatquant_step(&f, &task, &err), PL_ERR_CANCELLED);
    assert_int_equal(f.now.step, 4);
    assert_memory_equal(kept, f.now.params, 3 * f.now.at.count * sizeof *kept);
    free(kept);
    pl_flatquant_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_takes_back),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
