/* A turn of the knob: frames on the way, and a record that knows nothing of them. */
#include "core/live/live.h"
#include "core/state/kept.h"

#include "core/lab/strength.h"

#include "tests/support/demo_lab.h"

#include <dirent.h>
#include <math.h>

enum { DEMO_GATE1 = 11 };

typedef struct watcher {
    size_t frames, last_rows, rows;
    bool rounding;
    size_t cancel_at; /* this frame cancels; 0: none */
    pl_task *task;
    pl_solve_report shown[64]; /* the frames' numbers */
} watcher;

static void on_frame(void *ctx, pl_picture *frame)
{
    watcher *w = ctx;
    w->frames++;
    expect_less(0, frame->preview_rows);
    expect_at_most(frame->preview_rows, frame->rows);
    assert_true(frame->solved);
    assert_non_null(frame->before);
    assert_true(isnan(frame->report.gap));
    assert_true(isnan(frame->report.objective));
    assert_true(isnan(frame->report.flatness_weight_after));
    expect_less(0, frame->flatness_before);
    if (w->frames <= sizeof w->shown / sizeof *w->shown) {
        w->shown[w->frames - 1] = frame->report;
    }
    w->last_rows = frame->preview_rows;
    w->rows = frame->rows;
    w->rounding = frame->preview_rounding;
    pl_picture_destroy(frame);
    if (w->frames == w->cancel_at) {
        atomic_store(&w->task->cancel, true);
    }
}

static size_t stored(const demo_lab *d, const char *kind)
{
    char folder[700];
    size_t count = 0;
    snprintf(folder, sizeof folder, "%s/%s", d->store, kind);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

static pl_status turn(demo_lab *d, pl_live *live, size_t layer, size_t cancel_at, watcher *seen,
                      pl_id *result)
{
    pl_error err = {0};
    pl_task task = {0};
    pl_solve_report report;
    *seen = (watcher){.cancel_at = cancel_at, .task = &task};
    pl_status status = pl_live_solve(live, (pl_context){d->lab, &d->state, &task}, layer, on_frame,
                                     seen, &report, result, &err);
    if (status == PL_OK) {
        if (!isnan(report.gap)) {
            expect_at_most(0, report.gap);
        }
        pl_check_ok(
            pl_state_set_result(&d->state, layer, pl_state_plan(&d->state, layer), *result, &err),
            err);
    }
    return status;
}

/* Whatever was turned before, and whatever was given up: the result is that of a batch run. */
static void test_the_record_is_the_cold_solve(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab knob;
    demo_lab batch;
    pl_live *live = NULL;
    watcher seen;
    pl_id result;
    demo_lab_init(&knob);
    demo_lab_init(&batch);
    pl_check_ok(pl_live_create(&live, &err), err);
    demo_method(&knob.state, "gptq bits=3");
    demo_method(&knob.state, "magr beta=0.01");
    assert_int_equal(turn(&knob, live, DEMO_GATE1, 0, &seen, &result), PL_OK);
    expect_less(0, seen.frames);
    demo_method(&knob.state, "astro beta=0.0005");
    assert_int_equal(turn(&knob, live, DEMO_GATE1, 1, &seen, &result), PL_ERR_CANCELLED);
    demo_method(&knob.state, "astro beta=0.004 solver=pgd steps=20");
    assert_int_equal(turn(&knob, live, DEMO_GATE1, 0, &seen, &result), PL_OK);
    demo_method(&knob.state, "astro beta=0.002");
    assert_int_equal(turn(&knob, live, DEMO_Q1, 0, &seen, &result), PL_OK);
    assert_int_equal(turn(&knob, live, DEMO_GATE1, 0, &seen, &result), PL_OK);
    float *turned = demo_weights(&knob, DEMO_GATE1, PL_WHICH_PRECONDITIONED);
    float *rounded = demo_weights(&knob, DEMO_GATE1, PL_WHICH_AFTER);

    demo_method(&batch.state, "gptq bits=3");
    demo_method(&batch.state, "astro beta=0.002");
    demo_solve(&batch, DEMO_GATE1);
    assert_true(pl_id_equal(result, *pl_state_result(&batch.state, DEMO_GATE1)));
    float *plain = demo_weights(&batch, DEMO_GATE1, PL_WHICH_PRECONDITIONED);
    assert_memory_equal(turned, plain, demo_bytes(&batch, DEMO_GATE1));
    free(plain);
    plain = demo_weights(&batch, DEMO_GATE1, PL_WHICH_AFTER);
    assert_memory_equal(rounded, plain, demo_bytes(&batch, DEMO_GATE1));
    free(plain);
    free(turned);
    free(rounded);
    pl_live_destroy(live);
    demo_lab_deinit(&batch);
    demo_lab_deinit(&knob);
}

static void test_given_up_nothing_is_stored(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_live *live = NULL;
    watcher seen;
    pl_id result;
    demo_lab_init(&d);
    pl_check_ok(pl_live_create(&live, &err), err);
    demo_method(&d.state, "astro");
    demo_method(&d.state, "rtn");
    assert_int_equal(turn(&d, live, DEMO_Q1, 1, &seen, &result), PL_ERR_CANCELLED);
    assert_int_equal(seen.frames, 1);
    expect_less(seen.last_rows, seen.rows);
    assert_int_equal(stored(&d, "precondition"), 0);
    assert_int_equal(stored(&d, "result"), 0);
    /* And the picture of the state is that of an unsolved layer. */
    pl_picture *picture = NULL;
    pl_check_ok(pl_picture_create(demo_context(&d), DEMO_Q1, &picture, &err), err);
    assert_false(picture->solved);
    assert_int_equal(picture->preview_rows, 0);
    assert_null(picture->preconditioned);
    pl_picture_destroy(picture);
    pl_live_destroy(live);
    demo_lab_deinit(&d);
}

static void test_found_at_once_without_frames(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_live *live = NULL;
    watcher seen;
    pl_id first;
    pl_id second;
    pl_picture *picture = NULL;
    demo_lab_init(&d);
    pl_check_ok(pl_live_create(&live, &err), err);
    demo_method(&d.state, "astro beta=0.001");
    assert_int_equal(turn(&d, live, DEMO_Q1, 0, &seen, &first), PL_OK);
    pl_check_ok(pl_picture_create(demo_context(&d), DEMO_Q1, &picture, &err), err);
    assert_true(picture->solved);
    assert_int_equal(picture->preview_rows, 0);
    expect_less(0, picture->report.flatness_weight_after);
    expect_less(0, picture->report.kurtosis_weight_after);
    pl_picture_destroy(picture);
    assert_int_equal(turn(&d, live, DEMO_Q1, 0, &seen, &second), PL_OK);
    assert_int_equal(seen.frames, 0);
    assert_true(pl_id_equal(first, second));
    pl_live_destroy(live);
    demo_lab_deinit(&d);
}

/* Counts a number that a frame shows, which is near the final one. */
static void check_shown(double shown, double final, size_t *count)
{
    if (isfinite(shown)) {
        expect_at_most(fabs(shown - final), 0.1 * fabs(final));
        (*count)++;
    }
}

/* Every layer of the demo, from a beta that does little to one that leaves few weights: what a
 * frame shows is within 10 % of the final number, or it shows none. */
static void test_numbers_of_frames_are_near_the_final_ones(void **ctx)
{
    (void)ctx;
    static const char *const methods[] = {"astro beta=1e-5", "astro beta=1e-3", "astro beta=0.03",
                                          "magr beta=1e-3 solver=pgd steps=50", ""};
    pl_error err;
    demo_lab d;
    pl_live *live = NULL;
    size_t shown[4] = {0};
    size_t turns = 0;
    demo_lab_init(&d);
    pl_check_ok(pl_live_create(&live, &err), err);
    demo_method(&d.state, "gptq bits=3");
    for (size_t layer = 0; layer < DEMO_LAYERS; layer += 3) {
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++, turns++) {
            watcher seen;
            pl_id result;
            pl_solve_report final;
            d.state.slots[PL_SLOT_PRECONDITION] = demo_spec(methods[m]);
            seen = (watcher){0};
            pl_check_ok(pl_live_solve(live, demo_context(&d), layer, on_frame, &seen, &final,
                                      &result, &err),
                        err);
            expect_less(1, seen.frames);
            expect_at_most(seen.frames, 64);
            for (size_t f = 0; f < seen.frames; f++) {
                const pl_solve_report *r = &seen.shown[f];
                check_shown(r->group_max_after, final.group_max_after, &shown[0]);
                check_shown(r->relative_error, final.relative_error, &shown[1]);
                check_shown(r->rounded_relative_error, final.rounded_relative_error, &shown[2]);
                check_shown(r->bound, final.bound, &shown[3]);
            }
        }
    }
    for (size_t i = 0; i < 4; i++) {
        expect_at_most(turns / 2, shown[i]);
    }
    pl_live_destroy(live);
    demo_lab_deinit(&d);
}

/* A rounder alone: the rounded rows are what is counted. */
static void test_rounder_alone(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_live *live = NULL;
    watcher seen;
    pl_id result;
    demo_lab_init(&d);
    pl_check_ok(pl_live_create(&live, &err), err);
    demo_method(&d.state, "gptq bits=3");
    assert_int_equal(turn(&d, live, DEMO_Q1, 0, &seen, &result), PL_OK);
    expect_less(0, seen.frames);
    assert_true(seen.rounding);
    pl_live_destroy(live);
    demo_lab_deinit(&d);
}

static void test_strength(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_strength strength;
    demo_lab_init(&d);
    demo_method(&d.state, "gptq");
    assert_int_equal(pl_layer_strength(demo_context(&d), DEMO_Q1, &strength, &err), PL_ERR_STATE);
    pl_check_says(err, "model.layers.1.self_attn.q_proj");
    assert_true(isnan(strength.low));
    demo_method(&d.state, "astro");
    pl_check_ok(pl_live_factors(demo_context(&d), DEMO_Q1, &err), err);
    pl_check_ok(pl_layer_strength(demo_context(&d), DEMO_Q1, &strength, &err), err);
    expect_less(0, strength.low);
    expect_less(strength.low, strength.zero);
    expect_less(0, strength.tau);
    /* From `zero` on all rows are zero; below, not. */
    char text[64];
    snprintf(text, sizeof text, "astro iterations=200 beta=%.9g", strength.zero * 1.001);
    demo_method(&d.state, text);
    d.state.slots[PL_SLOT_ROUND] = (pl_spec){0};
    pl_solve_report report = demo_solve(&d, DEMO_Q1);
    expect_less(report.group_max_after, 1e-3 * report.group_max_before);
    demo_lab_deinit(&d);
}

/* Pins are in the picture, with their numbers, and can be made again by commands. */
static void test_pins(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    pl_picture *picture = NULL;
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    demo_method(&d.state, "astro beta=0.001");
    demo_method(&d.state, "rtn bits=3");
    demo_solve(&d, DEMO_Q1);
    float *first = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    pl_check_ok(pl_state_pin(&d.state, &err), err);
    d.state.slots[PL_SLOT_PRECONDITION] = (pl_spec){0};
    demo_solve(&d, DEMO_Q1);
    pl_check_ok(pl_state_pin(&d.state, &err), err);
    pl_check_ok(pl_picture_create(demo_context(&d), DEMO_Q1, &picture, &err), err);
    assert_int_equal(picture->n_pins, 2);
    assert_string_equal(picture->pins[0].label, "astro beta=0.001 > rtn bits=3");
    expect_less(0, picture->pins[0].report.rounded_relative_error);
    for (size_t c = 0; c < picture->cols; c++) { /* the same weight, with its sign */
        expect_close(fabsf(picture->extreme[c]), picture->before[c], 0);
    }
    float max = 0;
    for (size_t r = 0; r < picture->rows; r++) {
        max = fmaxf(max, fabsf(first[r * picture->cols]));
    }
    expect_close(picture->pins[0].max[0], max, 0);
    pl_picture_destroy(picture);
    pl_check_ok(pl_picture_create(demo_context(&d), 0, &picture, &err), err);
    assert_int_equal(picture->n_pins, 0); /* another layer's */
    pl_picture_destroy(picture);
    pl_buf text = {0};
    pl_pin_commands(&d.state, 0, &text);
    assert_int_equal(text.size, 0);
    pl_pin_commands(&d.state, DEMO_Q1, &text);
    assert_non_null(text.data);
    const char *again = strstr(text.data, "solve\npin\nmethod none slot=precondition\nmethod rtn");
    static const char begins[] = "select model.layers.1.self_attn.q_proj\nmethod astro beta=";
    assert_int_equal(strncmp(text.data, begins, strlen(begins)), 0);
    assert_non_null(again);
    pl_buf_deinit(&text);
    free(first);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_record_is_the_cold_solve),
        cmocka_unit_test(test_given_up_nothing_is_stored),
        cmocka_unit_test(test_found_at_once_without_frames),
        cmocka_unit_test(test_numbers_of_frames_are_near_the_final_ones),
        cmocka_unit_test(test_rounder_alone),
        cmocka_unit_test(test_strength),
        cmocka_unit_test(test_pins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
