/* Learned transforms in the store: paused, cut off and gone on with, forgotten, damaged; and the
 * error landscape of what they make. */
#include "core/lab/transformed.h"
#include "core/lab/turned.h"
#include "core/study/landscape.h"
#include "tests/support/demo_lab.h"

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>

enum { N = 144, STEPS = 24 };

static void init(demo_lab *d)
{
    demo_lab_init(d);
    d->state.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    demo_method(&d->state, "flatquant steps=24 rows=256");
    demo_method(&d->state, "rtn bits=4 group_size=0");
}

static pl_learning learn(demo_lab *d, uint64_t until)
{
    pl_error err;
    pl_learning reached;
    pl_check_ok(pl_site_learn(demo_context(d), demo_calibration(d), DEMO_Q1, until, &reached, &err),
                err);
    return reached;
}

static pl_transform *now(demo_lab *d)
{
    pl_error err;
    pl_transform *t = NULL;
    pl_id key;
    const pl_spec *spec = pl_state_spec(&d->state, DEMO_Q1, PL_SLOT_TRANSFORM);
    pl_check_ok(
        pl_site_transform_now(demo_context(d), demo_calibration(d), DEMO_Q1, spec, &t, &key, &err),
        err);
    return t;
}

static bool is_due(demo_lab *d)
{
    pl_error err;
    bool due = false;
    pl_check_ok(pl_site_learning_due(demo_context(d), DEMO_Q1, &due, &err), err);
    return due;
}

static void check_same(const pl_transform *a, const pl_transform *b)
{
    pl_transform_array x[PL_TRANSFORM_ARRAYS], y[PL_TRANSFORM_ARRAYS];
    const size_t count = pl_transform_arrays(a, x);
    assert_int_equal(pl_transform_arrays(b, y), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(x[i].count, y[i].count);
        assert_memory_equal(x[i].data, y[i].data, x[i].count * sizeof(float));
    }
}

/* In one go, and paused twice with the program started again in between: the same transform. */
static void test_goes_on(void **ctx)
{
    (void)ctx;
    demo_lab whole, parts;
    init(&whole);
    init(&parts);
    assert_true(is_due(&whole));
    assert_null(now(&whole));
    pl_learning all = learn(&whole, PL_LEARN_ALL);
    assert_true(pl_learning_done(&all));
    assert_false(is_due(&whole));
    for (uint64_t until = 7; until < STEPS; until += 8) {
        pl_learning part = learn(&parts, until);
        assert_int_equal(part.step, until);
        assert_false(pl_learning_done(&part));
        assert_memory_equal(part.losses, all.losses, until * sizeof *part.losses);
        pl_learning_deinit(&part);
        pl_transform *t = now(&parts);
        assert_non_null(t);
        pl_transform_destroy(t);
        demo_lab_restart(&parts);
    }
    /* A solve learns the rest. */
    assert_true(is_due(&parts));
    const pl_solve_report report = demo_solve(&parts, DEMO_Q1);
    expect_less(report.function_error, 1e-4);
    expect_less(0.0, report.function_error);
    expect_less(1.0, report.condition);
    pl_transform *a = now(&whole), *b = now(&parts);
    check_same(a, b);
    pl_transform_destroy(a);
    pl_transform_destroy(b);
    pl_learning_deinit(&all);
    demo_lab_deinit(&whole);
    demo_lab_deinit(&parts);
}

typedef struct stopper {
    pl_task task;
    int steps;
} stopper;

static void count_step(void *ctx, const char *what, double done, double total)
{
    stopper *s = ctx;
    expect_at_most(done, total);
    if (strcmp(what, "steps") == 0 && ++s->steps == 9) {
        atomic_store(&s->task.cancel, true);
    }
}

/* Cancelled, it keeps every step; forgotten, it begins anew. */
static void test_cut_off(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_learning reached;
    stopper s = {.task = {.progress = count_step}};
    init(&d);
    s.task.ctx = &s;
    const pl_id calibration = demo_calibration(&d);
    assert_int_equal(pl_site_learn((pl_context){d.lab, &d.state, &s.task}, calibration, DEMO_Q1,
                                   PL_LEARN_ALL, &reached, &err),
                     PL_ERR_CANCELLED);
    pl_check_ok(pl_site_learning(demo_context(&d), calibration, DEMO_Q1, &reached, &err), err);
    assert_int_equal(reached.step, 9);
    pl_learning_deinit(&reached);
    pl_check_ok(pl_site_forget(demo_context(&d), calibration, DEMO_Q1, &err), err);
    assert_int_equal(pl_site_learning(demo_context(&d), calibration, DEMO_Q1, &reached, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "has not been learned yet");
    pl_transform *t = now(&d);
    assert_null(t);
    demo_method(&d.state, "hadamard");
    assert_int_equal(pl_site_learn(demo_context(&d), calibration, DEMO_Q1, 1, &reached, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "its transform is hadamard, which is not learned");
    demo_lab_deinit(&d);
}

static void wait_before_last(void *ctx, const char *what, double done, double total)
{
    (void)ctx;
    if (strcmp(what, "steps") == 0 && done > total - 1.5 && done < total - 0.5) {
        const struct timespec pause = {0, 600000000};
        nanosleep(&pause, NULL);
    }
}

/* A checkpoint of the last step without its loss lies beside the one with it: the latter counts. */
static void test_last_loss(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_learning reached;
    pl_task task = {.progress = wait_before_last};
    init(&d);
    const pl_id calibration = demo_calibration(&d);
    pl_check_ok(pl_site_learn((pl_context){d.lab, &d.state, &task}, calibration, DEMO_Q1,
                              PL_LEARN_ALL, &reached, &err),
                err);
    pl_learning_deinit(&reached);
    pl_check_ok(pl_site_learning(demo_context(&d), calibration, DEMO_Q1, &reached, &err), err);
    assert_true(pl_learning_done(&reached));
    pl_learning_deinit(&reached);
    demo_lab_deinit(&d);
}

/* Ruins the newest or all files of the learnings. */
static size_t ruin(const demo_lab *d)
{
    char folder[700], path[1200];
    snprintf(folder, sizeof folder, "%s/learning", d->store);
    DIR *dir = opendir(folder);
    size_t count = 0;
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            assert_int_equal(truncate(path, 100), 0);
            count++;
        }
    }
    closedir(dir);
    return count;
}

/* Checkpoints that are not whole are as none: it is learned again. */
static void test_damaged(void **ctx)
{
    (void)ctx;
    demo_lab d;
    init(&d);
    pl_learning first = learn(&d, 5);
    expect_less(0, ruin(&d));
    demo_lab_restart(&d);
    pl_learning again = learn(&d, 5);
    assert_int_equal(again.step, 5);
    assert_memory_equal(first.params, again.params, first.at.count * sizeof(double));
    pl_learning_deinit(&first);
    pl_learning_deinit(&again);
    demo_lab_deinit(&d);
}

/* The further of the two checkpoints with a number that its checksum does not fit: the other one
 * serves, and is not the one that is written over. */
static void test_newest_damaged(void **ctx)
{
    (void)ctx;
    demo_lab d;
    char folder[700], path[1200] = "", newest[1200] = "";
    struct timespec last = {0};
    init(&d);
    const struct timespec tick = {.tv_nsec = 20000000}; /* files are marked by ticks of 4 ms */
    pl_learning seven = learn(&d, 7);
    (void)nanosleep(&tick, NULL);
    pl_learning nine = learn(&d, 9);
    snprintf(folder, sizeof folder, "%s/learning", d.store);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.' && stat(path, &st) == 0 &&
            (st.st_mtim.tv_sec > last.tv_sec ||
             (st.st_mtim.tv_sec == last.tv_sec && st.st_mtim.tv_nsec >= last.tv_nsec))) {
            last = st.st_mtim;
            snprintf(newest, sizeof newest, "%s", path);
        }
    }
    closedir(dir);
    pl_temp_flip(newest, 1);
    demo_lab_restart(&d);
    pl_error err;
    pl_learning found;
    pl_check_ok(pl_site_learning(demo_context(&d), demo_calibration(&d), DEMO_Q1, &found, &err),
                err);
    assert_int_equal(found.step, 7);
    assert_memory_equal(found.params, seven.params, seven.at.count * sizeof(double));
    pl_learning again = learn(&d, 9);
    assert_memory_equal(again.params, nine.params, nine.at.count * sizeof(double));
    pl_learning_deinit(&seven);
    pl_learning_deinit(&nine);
    pl_learning_deinit(&found);
    pl_learning_deinit(&again);
    demo_lab_deinit(&d);
}

/* What a figure of the grid draws is what the rounder got: rounded to nearest it is the solve's
 * result, clipped as learned. */
static void test_to_round(void **ctx)
{
    (void)ctx;
    static const char *const transforms[] = {"flatquant steps=24 rows=256", "hadamard"};
    for (size_t i = 0; i < 2; i++) {
        demo_lab d;
        pl_error err;
        pl_mat got = {0}, solved = {0};
        bool turned = false;
        init(&d);
        demo_method(&d.state, transforms[i]);
        pl_check_ok(pl_turned_to_round(demo_context(&d), DEMO_Q1, &got, &turned, &err), err);
        assert_false(turned); /* no result yet: the original */
        pl_mat_deinit(&got);
        (void)demo_solve(&d, DEMO_Q1);
        pl_check_ok(pl_turned_to_round(demo_context(&d), DEMO_Q1, &got, &turned, &err), err);
        assert_true(turned);
        pl_transform *t = now(&d);
        const pl_weights_of of = {.which = PL_WHICH_AFTER, .transform = t, .as_solved = true};
        pl_check_ok(pl_weights_make(demo_context(&d), DEMO_Q1, of, &solved, &err), err);
        const pl_grid grid = pl_spec_grid(pl_state_spec(&d.state, DEMO_Q1, PL_SLOT_ROUND));
        for (size_t r = 0; r < got.rows; r++) {
            float *row = got.data + r * got.cols;
            const pl_grid_param param = pl_grid_fit(&grid, row, got.cols, 1);
            grid.format->round(grid.bits, param, row, got.cols);
        }
        assert_memory_equal(got.data, solved.data, got.rows * got.cols * sizeof *got.data);
        pl_transform_destroy(t);
        pl_mat_deinit(&got);
        pl_mat_deinit(&solved);
        demo_lab_deinit(&d);
    }
}

/* Every token's error against the same in float64, activations quantized behind the transform. */
static void test_landscape(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_landscape land;
    pl_site_stats stats = {0};
    init(&d);
    demo_method(&d.state, "hadamard");
    const pl_id calibration = demo_calibration(&d);
    assert_int_equal(pl_landscape_load(demo_context(&d), calibration, DEMO_Q1, false, &land, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "no layer of the landscape is solved");
    const pl_solve_report report = demo_solve(&d, DEMO_Q1);
    pl_check_ok(pl_landscape_load(demo_context(&d), calibration, DEMO_Q1, false, &land, &err), err);
    assert_int_equal(land.n, 4);
    assert_int_equal(land.solved, 1);
    assert_int_equal(land.layers[1], DEMO_Q1);

    const size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    pl_check_ok(
        pl_lab_load_site(demo_context(&d), calibration, site, PL_GRAM_NONE, true, &stats, &err),
        err);
    pl_transform *t = now(&d);
    float *w0 = demo_weights(&d, DEMO_Q1, PL_WHICH_BEFORE);
    float *w = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
    float *x = malloc(stats.sample_rows * N * sizeof *x);
    double *lost = calloc(stats.sample_rows, sizeof *lost), energy = 0.0, sum = 0.0;
    memcpy(x, stats.sample, stats.sample_rows * N * sizeof *x);
    pl_check_ok(pl_transform_inputs(t, x, stats.sample_rows, NULL, &err), err);
    pl_act_quantize(&d.state.activations, NULL, x, stats.sample_rows, N);
    pl_check_ok(pl_transform_inputs_back(t, x, stats.sample_rows, NULL, &err), err);
    for (size_t r = 0; r < stats.sample_rows; r++) {
        for (size_t j = 0; j < N; j++) {
            double y = 0.0, used = 0.0;
            for (size_t k = 0; k < N; k++) {
                y += (double)stats.sample[r * N + k] * (double)w0[j * N + k];
                used += (double)x[r * N + k] * (double)w[j * N + k];
            }
            lost[r] += (y - used) * (y - used);
            energy += y * y;
        }
        sum += lost[r];
    }
    pl_check_close(sum / energy, report.output_error, 1e-3, 0);
    for (size_t c = 0; c < land.cols; c++) {
        double most = (double)NAN;
        for (size_t r = 0; r < stats.sample_rows; r++) {
            if ((size_t)((double)stats.sample_position[r] / land.step) == c) {
                most = isnan(most) ? lost[r] : fmax(most, lost[r]);
            }
        }
        assert_true(isnan(land.values[c])); /* block 0 is not solved */
        if (isnan(most)) {
            assert_true(isnan(land.values[land.cols + c]));
        } else {
            pl_check_close(land.values[land.cols + c], most * (double)stats.sample_rows / energy,
                           1e-3, 0);
        }
    }
    free(w0);
    free(w);
    free(x);
    free(lost);
    pl_transform_destroy(t);
    pl_site_stats_deinit(&stats);
    pl_landscape_deinit(&land);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on),        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_last_loss),      cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_newest_damaged), cmocka_unit_test(test_to_round),
        cmocka_unit_test(test_landscape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
