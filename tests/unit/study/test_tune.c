/* Tuned parameters: against errors and KL divergences taken by themselves. */
#include "core/study/tune.h"

#include "core/lab/quantized.h"
#include "core/model/forward.h"
#include "tests/support/demo_lab.h"

#include <math.h>

enum { LENGTH = 64, WINDOWS = 2, COUNT = LENGTH * WINDOWS + 7 };

static const pl_ppl_spec text = {.length = LENGTH, .windows = WINDOWS};

/* "mse=no,yes" */
static pl_tuning tuning_of(const char *param, const char *values)
{
    pl_tuning t = {.n_params = 1, .any_slot = true, .unit = PL_UNIT_LAYER};
    snprintf(t.params[0].name, sizeof t.params[0].name, "%s", param);
    for (const char *at = values; *at != '\0'; at += strcspn(at, ",") + (strchr(at, ',') != NULL)) {
        snprintf(t.params[0].values[t.params[0].count++], PL_TUNE_TEXT, "%.*s",
                 (int)strcspn(at, ","), at);
    }
    return t;
}

static void test_least(void **ctx)
{
    (void)ctx;
    const double alike[] = {0.5, 0.5, 0.5}, falls[] = {0.5, 0.4, 0.3, 0.3};
    const double lost[] = {(double)NAN, 2.0, (double)NAN, 1.0}, none[] = {(double)NAN, (double)NAN};
    assert_int_equal(pl_tune_least(alike, 3), 0); /* what there is stays */
    assert_int_equal(pl_tune_least(falls, 4), 2);
    assert_int_equal(pl_tune_least(lost, 4), 3);
    assert_int_equal(pl_tune_least(none, 2), 0);
    assert_int_equal(pl_tune_least(falls, 1), 0);
}

/* --- settings --------------------------------------------------------------------------------- */

static bool has_bits(const pl_state *state, size_t layer, int bits)
{
    return (int)pl_state_spec(state, layer, PL_SLOT_ROUND)->values[PL_GRID_BITS] == bits;
}

/* Layers that get the same value are one setting, in a state, in a session and in commands. */
static void test_settings_are_few(void **ctx)
{
    (void)ctx;
    pl_state state, again;
    pl_error err;
    int given[DEMO_LAYERS];
    demo_state(&state, true);
    demo_method(&state, "rtn bits=4");
    const pl_tuning t = tuning_of("bits", "2,3,4");
    pl_tuning checked = t;
    pl_check_ok(pl_tune_check(&state, &checked, &err), err);
    assert_int_equal(checked.candidates, 3);
    for (size_t i = 0; i < DEMO_LAYERS; i++) { /* down_proj 2; block 1 and 0.q_proj 3; else 4 */
        given[i] = i % 7 == 6 ? 1 : i / 7 == 1 || i == 0 ? 2 : i % 2 == 0 ? 3 : 0;
    }
    pl_check_ok(pl_tune_set(&state, &checked, given, &err), err);
    assert_int_equal(state.n_overrides, 2);
    assert_string_equal(state.overrides[1].glob, "*.down_proj");
    assert_string_equal(state.overrides[0].glob,
                        "0.q_proj,1.q_proj,1.k_proj,1.v_proj,1.o_proj,1.gate_proj,1.up_proj");
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        assert_true(has_bits(&state, i, given[i] == 1 ? 2 : given[i] == 2 ? 3 : 4));
    }
    json_t *json = pl_state_to_json(&state);
    pl_check_ok(pl_state_restore(&again, json, state.source, &err), err);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        assert_true(pl_spec_equal(pl_state_spec(&state, i, PL_SLOT_ROUND),
                                  pl_state_spec(&again, i, PL_SLOT_ROUND)));
    }
    json_decref(json);
    pl_state_deinit(&again);
    /* A block's layers, and what a former setting has for the others. */
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        given[i] = i / 7 == 1 ? 1 : 0;
    }
    pl_check_ok(pl_tune_set(&state, &checked, given, &err), err);
    assert_int_equal(state.n_overrides, 2);
    assert_true(has_bits(&state, 0, 3));
    assert_true(has_bits(&state, 8, 2));
    assert_true(has_bits(&state, 6, 2));
    assert_true(has_bits(&state, 1, 4));
    assert_string_equal(state.overrides[1].glob, "*.down_proj,1.*");
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        given[i] = 2;
    }
    pl_check_ok(pl_tune_set(&state, &checked, given, &err), err);
    assert_int_equal(state.n_overrides, 0); /* all alike: the general one */
    assert_true(has_bits(&state, 27, 3));
    pl_state_deinit(&state);
}

/* --- held out --------------------------------------------------------------------------------- */

typedef struct seen {
    size_t site, rows, cols;
    float *x;
} seen;

static pl_status see_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                           size_t cols, pl_error *err)
{
    seen *s = ctx;
    (void)window;
    (void)err;
    if (site == s->site) {
        s->x = malloc(rows * cols * sizeof *x);
        assert_non_null(s->x);
        memcpy(s->x, x, rows * cols * sizeof *x);
        s->rows = rows;
        s->cols = cols;
    }
    return PL_OK;
}

/* The inputs of a site on a window of the calibration's text, by the forward pass itself. */
static seen inputs_of(demo_lab *d, size_t site, size_t window)
{
    pl_error err;
    pl_calib_spec spec;
    pl_tokens tokens;
    pl_forward *forward = NULL;
    seen s = {.site = site};
    const pl_hooks hooks = {.ctx = &s, .input = see_input};
    pl_check_ok(pl_lab_calib_spec(demo_context(d), &spec, &tokens, &err), err);
    const size_t length = spec.protocol.length, width = pl_model_config(spec.model)->hidden_size;
    float *x = calloc(length * width, sizeof *x);
    assert_non_null(x);
    pl_check_ok(pl_forward_create(spec.model, length, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, tokens.ids + window * length, length, x, &err), err);
    for (size_t b = 0; s.x == NULL; b++) {
        pl_check_ok(pl_forward_load(forward, b, NULL, NULL, &err), err);
        pl_check_ok(pl_forward_run(forward, x, length, window, &hooks, NULL, &err), err);
    }
    pl_forward_destroy(forward);
    pl_tokens_deinit(&tokens);
    free(x);
    return s;
}

/* ||X (W - W0)^T||^2 / ||X W0^T||^2, term by term. */
static double plain_error(const seen *s, const float *w0, const float *w, size_t rows)
{
    double lost = 0.0, all = 0.0;
    for (size_t t = 0; t < s->rows; t++) {
        for (size_t i = 0; i < rows; i++) {
            double d = 0.0, y = 0.0;
            for (size_t c = 0; c < s->cols; c++) {
                const double x = (double)s->x[t * s->cols + c];
                d += x * ((double)w[i * s->cols + c] - (double)w0[i * s->cols + c]);
                y += x * (double)w0[i * s->cols + c];
            }
            lost += d * d;
            all += y * y;
        }
    }
    return lost / all;
}

/* Solved on the first window alone, measured on the second: as a calibration of one window has it,
 * and plain sums over the second's inputs. */
static void test_heldout(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_tuned found;
    demo_lab_init(&d);
    demo_method(&d.state, "astro target=0.2");
    demo_method(&d.state, "gptq bits=3");
    pl_tuning t = tuning_of("target", "0.3,0.5");
    t.glob = "1.[qk]_proj";
    pl_check_ok(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), err);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.measured, 6);
    expect_at_most(found.found, found.start);
    const seen s = inputs_of(&d, pl_model_layer(d.state.source->model, DEMO_Q1)->site, 1);
    static const char *const specs[] = {"astro target=0.2", "astro target=0.3", "astro target=0.5"};
    d.state.calibration.protocol.windows = 1;
    for (size_t c = 0; c < 3; c++) {
        demo_method(&d.state, specs[c]);
        demo_solve(&d, DEMO_Q1);
        float *w0 = demo_weights(&d, DEMO_Q1, PL_WHICH_BEFORE),
              *w = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
        pl_check_close(found.loss[c], plain_error(&s, w0, w, 144), 1e-3, 0);
        free(w0);
        free(w);
    }
    assert_int_equal(found.chosen[0], pl_tune_least(found.loss, 3));
    double mean = 0.0;
    for (size_t u = 0; u < 2; u++) {
        mean += found.loss[u * 3 + found.chosen[u]] / 2.0;
    }
    pl_check_close(found.found, mean, 1e-9, 0);
    free(s.x);
    pl_tuned_deinit(&found);
    /* Asked again, with the store alone: nothing is measured. */
    d.state.calibration.protocol.windows = 2;
    demo_method(&d.state, specs[0]);
    demo_lab_restart(&d);
    pl_check_ok(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), err);
    assert_int_equal(found.measured, 0);
    assert_int_equal(found.known, 6);
    pl_tuned_deinit(&found);
    d.state.calibration.protocol.windows = 1;
    assert_int_equal(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), PL_ERR_USAGE);
    pl_check_says(err, "a single window, which cannot be halved");
    demo_lab_deinit(&d);
}

/* Another rounder for q_proj is another transform for k_proj. */
static void test_rounder_of_an_input(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_tuned found;
    demo_lab_init(&d);
    demo_method(&d.state, "awq");
    demo_method(&d.state, "rtn bits=3");
    pl_tuning t = tuning_of("bits", "2,4");
    t.glob = "1.[qk]_proj";
    assert_int_equal(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), PL_ERR_USAGE);
    pl_check_says(err, "awq is made for one rounder of all layers of an input: expected unit=site");
    t.glob = "1.[qkv]_proj";
    t.unit = PL_UNIT_SITE;
    pl_check_ok(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), err);
    pl_tuned_deinit(&found);
    demo_lab_deinit(&d);
}

/* --- by KL ------------------------------------------------------------------------------------ */

static void note(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    (void)report;
    demo_lab *d = ctx;
    pl_error err;
    const bool sequential = pl_solve_runs_in_sequence(&d->state) && d->state.sweep.whole;
    pl_check_ok(pl_state_take_result(&d->state, layer, sequential, result, &err), err);
}

/* The KL divergence of the state's setting as `solve all` and `perplexity` have it. */
static double measured_kl(demo_lab *d, bool sequential, const int32_t *ids)
{
    pl_error err;
    pl_quantized q;
    pl_hooks hooks;
    pl_ppl_result found;
    pl_solve_report total;
    d->state.sweep.whole = sequential; /* what `note` reads */
    pl_check_ok(pl_solve_all(demo_context(d), sequential, note, d, &total, &err), err);
    pl_check_ok(pl_quantized_init(&q, demo_context(d), PL_WHICH_AFTER, &hooks, &err), err);
    pl_check_ok(
        pl_perplexity(d->state.source->model, ids, COUNT, &text, &hooks, true, &found, NULL, &err),
        err);
    pl_quantized_deinit(&q);
    return found.kl_mean;
}

static void check_kl(pl_tuning t, const char *method, const int32_t *ids)
{
    demo_lab d;
    pl_error err;
    pl_tuned found;
    int given[DEMO_LAYERS];
    demo_lab_init(&d);
    demo_method(&d.state, method);
    t.by_kl = true;
    t.text = text;
    pl_check_ok(pl_tune_check(&d.state, &t, &err), err);
    pl_check_ok(pl_tune_run(demo_context(&d), &t, ids, COUNT, &found, &err), err);
    expect_at_most(found.found, found.start); /* whatever the values */
    for (size_t c = 0; c <= t.candidates; c++) {
        expect_at_most(found.found, found.uniform[c]);
    }
    pl_check_close(measured_kl(&d, t.sequential, ids), found.start, 1e-5, 1e-12);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        given[i] = found.unit_of[i] >= 0 ? (int)found.chosen[found.unit_of[i]] : 0;
    }
    pl_check_ok(pl_tune_set(&d.state, &t, given, &err), err);
    pl_check_close(measured_kl(&d, t.sequential, ids), found.found, 1e-5, 1e-12);
    pl_tuned_deinit(&found);
    demo_lab_deinit(&d);
}

static void test_kl_never_rises(void **ctx)
{
    (void)ctx;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    pl_tuning t = tuning_of("mse", "no,yes");
    t.unit = PL_UNIT_ROLE;
    t.glob = "*.[qo]_proj";
    check_kl(t, "rtn bits=3", ids);
    t = tuning_of("mse", "yes");
    t.sequential = t.whole = true;
    check_kl(t, "rtn bits=3", ids);
}

/* Values that change nothing lose alike: every unit stays, nothing is run twice. */
static void test_alike_stays(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_tuned found;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=3 group_size=0");
    pl_tuning t = tuning_of("bits", "3");
    t.by_kl = true;
    t.unit = PL_UNIT_BLOCK;
    t.glob = "[23].*";
    t.text = text;
    pl_check_ok(pl_tune_run(demo_context(&d), &t, ids, COUNT, &found, &err), err);
    for (size_t u = 0; u < found.count; u++) {
        assert_int_equal(found.chosen[u], 0);
    }
    pl_check_close(found.found, found.start, 0, 0);
    assert_int_equal(found.measured, 1);
    pl_tuned_deinit(&found);
    demo_lab_deinit(&d);
}

/* What was measured before a cut stays, and the search ends as it would have. */
static void test_goes_on(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_tuned cut, after, whole;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=2 group_size=0");
    pl_tuning t = tuning_of("mse", "no,yes");
    t.by_kl = true;
    t.glob = "*.[qkvo]_proj";
    t.text = text;
    demo_stopper s = {.what = "trials", .most = 0.5};
    s.task.progress = demo_stop_at;
    s.task.ctx = &s;
    assert_int_equal(
        pl_tune_run((pl_context){d.lab, &d.state, &s.task}, &t, ids, COUNT, &cut, &err),
        PL_ERR_CANCELLED);
    assert_null(cut.units);
    pl_check_ok(pl_tune_run(demo_context(&d), &t, ids, COUNT, &after, &err), err);
    pl_check_ok(pl_tune_run(demo_context(&d), &t, ids, COUNT, &whole, &err), err);
    assert_in_range(after.known, 1, after.known + after.measured - 1);
    expect_less((double)after.measured, (double)whole.known);
    assert_int_equal(whole.measured, 0);
    pl_check_close(whole.found, after.found, 0, 0);
    pl_tuned_deinit(&after);
    pl_tuned_deinit(&whole);
    demo_lab_deinit(&d);
}

static void count_made(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    size_t *made = ctx;
    (void)layer;
    (void)result;
    *made += report->made != 0;
}

static size_t solve_in_sequence(demo_lab *d, const char *round)
{
    pl_error err;
    pl_solve_report total;
    size_t made = 0;
    demo_method(&d->state, "magr beta=0.01 iterations=2");
    demo_method(&d->state, round);
    pl_check_ok(pl_solve_all(demo_context(d), true, count_made, &made, &total, &err), err);
    return made;
}

/* Trials take away what they have made, and nothing that was there before: neither the results of
 * another setting that a trial meets, nor the part that its own has in common with them. */
static void test_forgets_its_own(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_tuned found;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    assert_int_equal(solve_in_sequence(&d, "rtn bits=3"), DEMO_LAYERS);
    demo_method(&d.state, "rtn bits=4");
    pl_tuning t = tuning_of("bits", "2,3");
    t.by_kl = t.whole = t.sequential = true;
    t.text = text;
    pl_check_ok(pl_tune_run(demo_context(&d), &t, ids, COUNT, &found, &err), err);
    assert_int_equal(found.measured, 3);
    pl_tuned_deinit(&found);
    assert_int_equal(solve_in_sequence(&d, "rtn bits=3"), 0);
    assert_int_equal(solve_in_sequence(&d, "rtn bits=2"), DEMO_LAYERS); /* the trial's has gone */
    demo_lab_deinit(&d);
}

static void test_transforms_are_shared(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_tuned found;
    demo_lab_init(&d);
    demo_method(&d.state, "smoothquant");
    demo_method(&d.state, "rtn bits=3");
    pl_tuning t = tuning_of("alpha", "0.5,0.85");
    assert_int_equal(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), PL_ERR_USAGE);
    pl_check_says(err, "alpha is a transform's");
    t.unit = PL_UNIT_SITE;
    t.glob = "3.[qkvo]_proj";
    pl_check_ok(pl_tune_run(demo_context(&d), &t, NULL, 0, &found, &err), err);
    assert_int_equal(found.count, 2);
    expect_at_most(found.found, found.start);
    pl_tuned_deinit(&found);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_settings_are_few),
        cmocka_unit_test(test_heldout),
        cmocka_unit_test(test_rounder_of_an_input),
        cmocka_unit_test(test_kl_never_rises),
        cmocka_unit_test(test_alike_stays),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_forgets_its_own),
        cmocka_unit_test(test_transforms_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
