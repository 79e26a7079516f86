#include "core/lab/fused.h"
#include "core/lab/lab_parts.h"
#include "core/lab/weights.h"
#include "tests/support/demo_lab.h"

#include <dirent.h>
#include <math.h>

enum { DEMO_DOWN1 = 13 }; /* model.layers.1.mlp.down_proj: [144, 400] */

/* Entries of one kind in the store; damages each if damage is set. */
static size_t entries(demo_lab *d, const char *kind, bool damage)
{
    char folder[700];
    size_t count = 0;
    snprintf(folder, sizeof folder, "%s/%s", d->store, kind);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[1024];
        if (entry->d_name[0] == '.') {
            continue;
        }
        count++;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        struct stat st;
        if (damage) {
            assert_int_equal(stat(path, &st), 0);
            pl_temp_flip(path, (long)st.st_size / 4);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

/* The same to the last bit, but for the time it took and what was stored anew. */
static void check_same(pl_solve_report a, pl_solve_report b)
{
    a.seconds = b.seconds = 0;
    const double *x = (const double *)&a;
    const double *y = (const double *)&b;
    for (size_t i = 0; i < offsetof(pl_solve_report, made) / sizeof *x; i++) {
        if (!isnan(x[i]) || !isnan(y[i])) {
            expect_close(x[i], y[i], 0);
        }
    }
}

static void test_second_solve_is_found_in_the_store(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro beta=0.001");
    demo_method(&d.state, "gptq bits=3");
    pl_solve_report first = demo_solve(&d, DEMO_DOWN1);
    expect_less(0, first.objective);
    expect_at_most(0, first.gap);
    expect_less(first.gap, 0.5);
    expect_less(0, first.relative_error);
    expect_less(first.relative_error, 1);
    expect_less(0, first.rounded_relative_error);
    expect_less(first.rounded_relative_error, 1);
    expect_less(0, first.bound);
    expect_less(first.group_max_after, first.group_max_before);
    assert_int_equal((int)first.iterations, 20);
    float *after = demo_weights(&d, DEMO_DOWN1, PL_WHICH_AFTER);
    float *between = demo_weights(&d, DEMO_DOWN1, PL_WHICH_PRECONDITIONED);
    float *before = demo_weights(&d, DEMO_DOWN1, PL_WHICH_BEFORE);
    size_t bytes = demo_bytes(&d, DEMO_DOWN1);
    assert_memory_not_equal(after, between, bytes);
    assert_memory_not_equal(before, between, bytes);

    demo_lab_restart(&d);
    pl_solve_report second = demo_solve(&d, DEMO_DOWN1);
    check_same(first, second);
    pl_check_close(second.seconds, first.seconds, 1e-12, 0); /* of the solve, not of the search */
    pl_solve_report told;
    pl_error err;
    pl_check_ok(pl_result_report(d.lab, &d.state, DEMO_DOWN1,
                                 *pl_state_result(&d.state, DEMO_DOWN1), &told, &err),
                err);
    check_same(first, told);
    float *again = demo_weights(&d, DEMO_DOWN1, PL_WHICH_AFTER);
    assert_memory_equal(after, again, bytes);
    free(again);
    again = demo_weights(&d, DEMO_DOWN1, PL_WHICH_PRECONDITIONED);
    assert_memory_equal(between, again, bytes);
    free(again);
    free(after);
    free(between);
    free(before);
    demo_lab_deinit(&d);
}

static void test_bit_widths_share_the_preconditioned_weights(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "magr");
    demo_method(&d.state, "rtn bits=3");
    pl_solve_report w3 = demo_solve(&d, DEMO_Q1);
    float *from3 = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    demo_method(&d.state, "rtn bits=4");
    pl_solve_report w4 = demo_solve(&d, DEMO_Q1);
    float *from4 = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    assert_int_equal(entries(&d, "precondition", false), 1);
    assert_int_equal(entries(&d, "round", false), 2);
    assert_memory_equal(from3, from4, demo_bytes(&d, DEMO_Q1));
    expect_less(w4.rounded_relative_error, w3.rounded_relative_error);
    pl_check_close(w4.objective, w3.objective, 0, 0);
    free(from3);
    free(from4);
    demo_lab_deinit(&d);
}

static void test_without_a_preconditioner_its_numbers_are_absent(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "rtn");
    pl_solve_report r = demo_solve(&d, 0);
    assert_true(isnan(r.objective));
    assert_true(isnan(r.gap));
    assert_true(isnan(r.iterations));
    pl_check_close(r.relative_error, 0, 0, 0);
    pl_check_close(r.group_max_after, r.group_max_before, 0, 0);
    float *before = demo_weights(&d, 0, PL_WHICH_BEFORE);
    float *between = demo_weights(&d, 0, PL_WHICH_PRECONDITIONED);
    assert_memory_equal(before, between, demo_bytes(&d, 0)); /* the original stands */
    free(before);
    free(between);
    demo_lab_deinit(&d);
}

static void check_warns(demo_lab *d, const char *says)
{
    char *warning = pl_lab_take_warning(d->lab);
    assert_non_null(warning);
    assert_non_null(strstr(warning, says));
    free(warning);
}

static void test_damaged_report_is_solved_again(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro");
    demo_method(&d.state, "gptq bits=3");
    pl_solve_report first = demo_solve(&d, DEMO_Q1);
    float *after = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
    assert_int_equal(entries(&d, "result", true), 1);
    demo_lab_restart(&d);
    check_same(first, demo_solve(&d, DEMO_Q1));
    check_warns(&d, "q_proj: a damaged result");
    float *again = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
    assert_memory_equal(after, again, demo_bytes(&d, DEMO_Q1));
    free(after);
    free(again);
    demo_lab_deinit(&d);
}

/* use_first: the weights are asked for before the layer is solved again. */
static void check_damaged_part(const char *kind, bool use_first)
{
    pl_error err;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro");
    demo_method(&d.state, "gptq bits=3");
    pl_solve_report first = demo_solve(&d, DEMO_Q1);
    float *after = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
    float *between = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    float *read = demo_weights(&d, DEMO_Q1, PL_WHICH_BEFORE);
    size_t bytes = demo_bytes(&d, DEMO_Q1);
    assert_int_equal(entries(&d, kind, true), 1);
    demo_lab_restart(&d);
    pl_which damaged = strcmp(kind, "round") == 0 ? PL_WHICH_AFTER : PL_WHICH_PRECONDITIONED;
    if (use_first) {
        assert_int_equal(pl_weights_read(demo_context(&d), DEMO_Q1,
                                         (pl_weights_of){.which = damaged}, read, &err),
                         PL_ERR_NOT_FOUND);
        pl_check_says(err, "model.layers.1.self_attn.q_proj");
        pl_check_says(err, "solve again");
    }
    free(read);
    check_same(first, demo_solve(&d, DEMO_Q1));
    check_warns(&d, "q_proj: a damaged result");
    read = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
    assert_memory_equal(after, read, bytes);
    free(read);
    read = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    assert_memory_equal(between, read, bytes);
    free(read);
    free(after);
    free(between);
    demo_lab_deinit(&d);
}

static void test_damaged_weights_are_solved_again(void **ctx)
{
    (void)ctx;
    check_damaged_part("precondition", true);
    check_damaged_part("round", true);
    check_damaged_part("precondition", false);
    check_damaged_part("round", false);
}

static void test_damaged_calibration_is_rebuilt_with_a_warning(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "gptq bits=3");
    pl_solve_report first = demo_solve(&d, DEMO_DOWN1);
    char *warning = pl_lab_take_warning(d.lab);
    assert_null(warning);
    expect_less(0, entries(&d, "site", true));
    assert_int_equal(entries(&d, "result", true), 1);
    assert_int_equal(entries(&d, "round", true), 1);
    demo_lab_restart(&d);
    check_same(first, demo_solve(&d, DEMO_DOWN1));
    check_warns(&d, "damaged entries of the calibration");
    /* The calibration's summary, beside its sites. */
    assert_int_equal(entries(&d, "calib", true), 1);
    demo_lab_restart(&d);
    check_same(first, demo_solve(&d, DEMO_DOWN1));
    check_warns(&d, "1 damaged entry of the calibration");
    demo_lab_deinit(&d);
}

static void test_solve_says_what_is_missing(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_state other;
    pl_solve_report report;
    pl_id result;
    demo_lab_init(&d);
    assert_int_equal(pl_solve_layer(demo_context(&d), DEMO_Q1, &report, &result, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "model.layers.1.self_attn.q_proj");
    pl_check_says(err, "`method astro`");
    assert_true(isnan(report.objective));
    demo_state(&other, false);
    demo_method(&other, "gptq");
    assert_int_equal(pl_solve_layer((pl_context){d.lab, &other, NULL}, 0, &report, &result, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "`calibrate text=FILE`");
    pl_state_deinit(&other);

    pl_task task = {0};
    atomic_store(&task.cancel, true);
    demo_method(&d.state, "astro");
    assert_int_equal(
        pl_solve_layer((pl_context){d.lab, &d.state, &task}, 0, &report, &result, &err),
        PL_ERR_CANCELLED);
    demo_lab_deinit(&d);
}

typedef struct seen {
    size_t count;
    pl_id results[DEMO_LAYERS];
    double objective, error, max_before;
} seen;

static void on_layer(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    seen *s = ctx;
    assert_int_equal(layer, s->count);
    s->results[s->count++] = result;
    s->objective += report->objective;
    s->error += report->rounded_relative_error / DEMO_LAYERS;
    s->max_before += report->group_max_before / DEMO_LAYERS;
}

static void test_solve_all_adds_up(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    seen s = {0};
    pl_solve_report total;
    demo_lab_init(&d);
    demo_method(&d.state, "astro iterations=5");
    demo_method(&d.state, "rtn bits=4");
    pl_check_ok(pl_solve_all(demo_context(&d), false, on_layer, &s, &total, &err), err);
    assert_int_equal(s.count, DEMO_LAYERS);
    pl_check_close(total.objective, s.objective, 1e-12, 0);
    pl_check_close(total.gap, (total.objective - total.dual) / total.objective, 1e-12, 0);
    pl_check_close(total.rounded_relative_error, s.error, 1e-12, 0);
    pl_check_close(total.group_max_before, s.max_before, 1e-12, 0);
    assert_int_equal((int)total.iterations, 5);
    assert_true(isnan(total.bound));
    demo_lab_deinit(&d);
}

static void note_layer(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    (void)report;
    seen *s = ctx;
    s->results[layer] = result;
    s->count++;
}

/* on=GLOB alone: the layers it does not name have no method and stay as they are. */
static void test_solve_all_leaves_layers_without_a_method(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_solve_report total;
    demo_lab_init(&d);
    assert_int_equal(pl_solve_all(demo_context(&d), false, NULL, NULL, &total, &err), PL_ERR_STATE);
    pl_check_says(err, "`method astro`");
    demo_override(&d.state, PL_SLOT_ROUND, "*.down_proj", "gptq bits=4");
    for (int sequential = 0; sequential < 2; sequential++) {
        seen s = {0};
        pl_check_ok(pl_solve_all(demo_context(&d), sequential != 0, note_layer, &s, &total, &err),
                    err);
        assert_int_equal(s.count, DEMO_LAYERS / 7);
        assert_true(pl_id_equal(s.results[DEMO_Q1], (pl_id){0}));
        assert_false(pl_id_equal(s.results[DEMO_DOWN1], (pl_id){0}));
        expect_less(0, total.rounded_relative_error);
    }
    demo_lab_deinit(&d);
}

static void test_sequential_sees_the_quantized_blocks(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    seen apart = {0};
    seen chained = {0};
    seen again = {0};
    pl_solve_report total;
    demo_lab_init(&d);
    demo_method(&d.state, "gptq bits=3");
    pl_check_ok(pl_solve_all(demo_context(&d), false, on_layer, &apart, &total, &err), err);
    size_t sites = entries(&d, "site", false);
    pl_check_ok(pl_solve_all(demo_context(&d), true, on_layer, &chained, &total, &err), err);
    assert_int_equal(chained.count, DEMO_LAYERS);
    expect_less(0, total.rounded_relative_error);
    assert_int_equal(entries(&d, "site", false), sites); /* Gram matrices of its own have gone */
    /* The first part's inputs are the original's either way: the same results; later ones' are not,
     * of the same block too. */
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        assert_int_equal(pl_id_equal(apart.results[i], chained.results[i]), i < 3);
    }
    const size_t layers[] = {0, 3, DEMO_DOWN1};
    for (size_t k = 0; k < 3; k++) {
        pl_state *s = &d.state;
        pl_check_ok(pl_state_set_result(s, layers[k], pl_state_plan(s, layers[k]),
                                        apart.results[layers[k]], &err),
                    err);
        float *a = demo_weights(&d, layers[k], PL_WHICH_AFTER);
        s->solved[layers[k]].result = chained.results[layers[k]];
        float *b = demo_weights(&d, layers[k], PL_WHICH_AFTER);
        assert_int_equal(memcmp(a, b, demo_bytes(&d, layers[k])) == 0, layers[k] == 0);
        free(a);
        free(b);
    }
    demo_lab_restart(&d);
    pl_check_ok(pl_solve_all(demo_context(&d), true, on_layer, &again, &total, &err), err);
    assert_memory_equal(again.results, chained.results, sizeof again.results);
    demo_lab_deinit(&d);
}

static void test_sequential_refuses_another_text(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_solve_report total;
    char *text = NULL;
    size_t size = 0;
    demo_lab_init(&d);
    pl_state *s = &d.state;
    pl_check_ok(pl_file_read_all(s->calibration.texts[0], 1 << 20, &text, &size, &err), err);
    const char *paths[] = {pl_temp_write(&d.temp, "text.txt", text, size)};
    const pl_protocol protocol = {.length = 128, .windows = 2};
    pl_check_ok(pl_calibration_set(&s->calibration, paths, 1, &protocol, &err), err);
    pl_check_ok(pl_lab_calibrate((pl_context){d.lab, s, NULL}, &s->calibration.key, NULL, &err),
                err);
    s->calibration.known = true;
    demo_method(s, "rtn");
    pl_temp_write(&d.temp, "text.txt", text + 1, size - 1);
    assert_int_equal(pl_solve_all((pl_context){d.lab, s, NULL}, true, NULL, NULL, &total, &err),
                     PL_ERR_CHANGED);
    pl_check_says(err, "`calibrate`");
    pl_temp_write(&d.temp, "text.txt", text, size);
    pl_check_ok(pl_solve_all((pl_context){d.lab, s, NULL}, true, NULL, NULL, &total, &err), err);
    free(text);
    demo_lab_deinit(&d);
}

/* Layers under one scale: the largest weight of all of the site, found once. */
static void test_a_site_has_one_largest_weight(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_id calibration = {0};
    pl_bench bench = {0};
    float most = 0.0f, again = 0.0f, own = 0.0f;
    demo_lab_init(&d);
    demo_method(&d.state, "rtn format=nvfp4 fused_scales=shared");
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    const pl_site *site = pl_model_site(d.state.source->model, 0);
    pl_check_ok(pl_lab_site(demo_context(&d), calibration, 0, &bench, &err), err);
    for (size_t i = 0; i < site->n_layers; i++) {
        pl_mat w = {0};
        const pl_weights_of before = {.which = PL_WHICH_BEFORE};
        pl_check_ok(pl_weights_make(demo_context(&d), site->layers[i], before, &w, &err), err);
        most = fmaxf(most, pl_floats_largest(w.data, w.rows * w.cols));
        pl_mat_deinit(&w);
    }
    for (size_t i = 0; i < site->n_layers; i++) {
        pl_check_ok(pl_fused_most(demo_context(&d), site->layers[i], NULL, &bench, &again, &err),
                    err);
        expect_close(again, most, 0);
        expect_close(((const pl_lab_bench *)bench.hold)->fused_most, most, 0);
    }
    demo_method(&d.state, "rtn format=nvfp4");
    pl_check_ok(pl_fused_most(demo_context(&d), site->layers[0], NULL, &bench, &own, &err), err);
    expect_close(own, 0, 0);
    pl_lab_release(d.lab, &bench);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_solve_is_found_in_the_store),
        cmocka_unit_test(test_bit_widths_share_the_preconditioned_weights),
        cmocka_unit_test(test_without_a_preconditioner_its_numbers_are_absent),
        cmocka_unit_test(test_damaged_report_is_solved_again),
        cmocka_unit_test(test_damaged_weights_are_solved_again),
        cmocka_unit_test(test_damaged_calibration_is_rebuilt_with_a_warning),
        cmocka_unit_test(test_solve_says_what_is_missing),
        cmocka_unit_test(test_a_site_has_one_largest_weight),
        cmocka_unit_test(test_solve_all_adds_up),
        cmocka_unit_test(test_solve_all_leaves_layers_without_a_method),
        cmocka_unit_test(test_sequential_sees_the_quantized_blocks),
        cmocka_unit_test(test_sequential_refuses_another_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
