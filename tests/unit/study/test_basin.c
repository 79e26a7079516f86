#include "core/study/basin.h"

#include "core/base/checked.h"
#include "tests/support/demo_lab.h"

#include <math.h>

static pl_basin load(demo_lab *d, pl_basin_loss loss)
{
    pl_error err;
    pl_basin basin;
    pl_check_ok(pl_basin_load(demo_context(d), DEMO_Q1, loss, &basin, &err), err);
    return basin;
}

static size_t index_of(const pl_basin *basin, double t)
{
    size_t i = 0;
    while (i < basin->points && !(fabs(basin->t[i] - t) < 1e-12)) {
        i++;
    }
    expect_less(i, basin->points);
    return i;
}

/* ||X (t D)^T||^2 / ||X W0^T||^2 in float64, D = W - W0, on all sample rows. */
static double reference(demo_lab *d, double t)
{
    pl_error err;
    pl_id key = {0};
    pl_site_stats stats;
    const pl_layer *info = pl_model_layer(d->state.source->model, DEMO_Q1);
    float *w0 = demo_weights(d, DEMO_Q1, PL_WHICH_BEFORE);
    float *w = demo_weights(d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    pl_check_ok(pl_lab_calibration(demo_context(d), &key, &err), err);
    pl_check_ok(
        pl_lab_load_site(demo_context(d), key, info->site, PL_GRAM_NONE, true, &stats, &err), err);
    double moved = 0, energy = 0;
    for (size_t r = 0; r < stats.sample_rows; r++) {
        for (size_t j = 0; j < info->rows; j++) {
            double y = 0, dy = 0;
            for (size_t i = 0; i < info->cols; i++) {
                double x = (double)stats.sample[r * info->cols + i];
                size_t at = j * info->cols + i;
                y += x * (double)w0[at];
                dy += x * t * ((double)w[at] - (double)w0[at]);
            }
            energy += y * y;
            moved += dy * dy;
        }
    }
    pl_site_stats_deinit(&stats);
    free(w0);
    free(w);
    return moved / energy;
}

static void test_the_layer_against_float64(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro beta=0.001");
    demo_solve(&d, DEMO_Q1);
    pl_basin basin = load(&d, PL_BASIN_LAYER);
    assert_int_equal(basin.points, 31);
    assert_int_equal(basin.rows, basin.of_rows);
    pl_check_close(basin.loss[PL_BASIN_SOLVED][index_of(&basin, 1)], reference(&d, 1), 1e-5, 0);
    pl_check_close(basin.loss[PL_BASIN_SOLVED][index_of(&basin, -0.5)], reference(&d, -0.5), 1e-5,
                   0);
    expect_less(0, basin.norm);
    expect_less(basin.norm, 1);
    /* The directions in their order of cost, all of them 0 at W0 and equal on both sides. */
    size_t one = index_of(&basin, 1), zero = index_of(&basin, 0);
    double top = basin.loss[PL_BASIN_TOP][one], tail = basin.loss[PL_BASIN_TAIL][one];
    expect_less(basin.loss[PL_BASIN_RANDOM][one], top);
    expect_less(basin.loss[PL_BASIN_SOLVED][one], basin.loss[PL_BASIN_RANDOM][one]);
    expect_less(tail, basin.loss[PL_BASIN_SOLVED][one]);
    expect_less(tail, 1e-2 * top);
    for (size_t k = 0; k < PL_BASIN_DIRECTIONS; k++) {
        pl_check_close(basin.loss[k][zero], 0, 0, 1e-300);
        pl_check_close(basin.loss[k][index_of(&basin, -1)], basin.loss[k][one], 1e-3, 1e-9);
        pl_check_close(basin.loss[k][index_of(&basin, 1.5)], 2.25 * basin.loss[k][one], 1e-3, 1e-9);
    }
    demo_lab_deinit(&d);
}

typedef struct watch {
    int turns, told;
    char what[24];
} watch;

static void count_turns(void *ctx)
{
    ((watch *)ctx)->turns++;
}

static void note(void *ctx, const char *what, double done, double total)
{
    watch *w = ctx;
    w->told++;
    expect_at_most(0, done);
    expect_at_most(done, total);
    snprintf(w->what, sizeof w->what, "%s", what);
}

static void test_the_model_and_the_store(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_basin again;
    watch seen = {0};
    pl_task task = {.give_way = count_turns, .progress = note, .ctx = &seen};
    demo_lab_init(&d);
    d.state.calibration.protocol.length = 48;
    demo_method(&d.state, "astro beta=0.01"); /* the layer's solve is done on the way */
    pl_basin basin = load(&d, PL_BASIN_MODEL);
    assert_int_equal(basin.rows, 2 * 47);
    size_t one = index_of(&basin, 1), zero = index_of(&basin, 0);
    for (size_t k = 0; k < PL_BASIN_DIRECTIONS; k++) {
        expect_less(0.5, basin.loss[k][zero]);
        expect_less(basin.loss[k][zero], 20);
        pl_check_close(basin.loss[k][zero], basin.loss[0][zero], 0, 0);
    }
    expect_less(1e-6, fabs(basin.loss[PL_BASIN_TOP][one] - basin.loss[PL_BASIN_TOP][zero]));
    demo_lab_restart(&d);
    pl_check_ok(
        pl_basin_load((pl_context){d.lab, &d.state, &task}, DEMO_Q1, PL_BASIN_MODEL, &again, &err),
        err);
    assert_memory_equal(&basin, &again, sizeof basin);
    /* Other weights are another basin, and its progress is told in points. */
    demo_method(&d.state, "astro beta=0.02");
    pl_check_ok(
        pl_basin_load((pl_context){d.lab, &d.state, &task}, DEMO_Q1, PL_BASIN_MODEL, &again, &err),
        err);
    expect_less(basin.norm, again.norm);
    assert_string_equal(seen.what, "points");
    expect_less(36, seen.turns);
    demo_lab_deinit(&d);
}

static void cancel(void *ctx, const char *what, double done, double total)
{
    (void)total;
    if (strcmp(what, "points") == 0 && done >= 3) {
        atomic_store(&((pl_task *)ctx)->cancel, true);
    }
}

static void test_refusals_and_cancel(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_basin basin;
    pl_task task = {.progress = cancel};
    task.ctx = &task;
    demo_lab_init(&d);
    assert_int_equal(pl_basin_load(demo_context(&d), DEMO_Q1, PL_BASIN_LAYER, &basin, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "choose a method");
    demo_method(&d.state, "astro beta=0.001");
    assert_int_equal(
        pl_basin_load((pl_context){d.lab, &d.state, &task}, DEMO_Q1, PL_BASIN_LAYER, &basin, &err),
        PL_ERR_CANCELLED);
    d.state.slots[PL_SLOT_PRECONDITION] = (pl_spec){0};
    demo_method(&d.state, "rtn bits=8 scale_dtype=f32");
    pl_check_ok(pl_basin_load(demo_context(&d), DEMO_Q1, PL_BASIN_LAYER, &basin, &err), err);
    expect_less(0, basin.norm);
    expect_less(basin.norm, 0.02); /* of the rounded weights */
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_layer_against_float64),
        cmocka_unit_test(test_the_model_and_the_store),
        cmocka_unit_test(test_refusals_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
