#include "core/study/sweep.h"

#include "tests/support/demo_lab.h"

#include <math.h>

static pl_sweep beta(size_t layer)
{
    return (pl_sweep){.set = true,
                      .slot = PL_SLOT_PRECONDITION,
                      .param = "beta",
                      .from = 1e-4,
                      .to = 1e-2,
                      .points = 4,
                      .logarithmic = true,
                      .layer = layer};
}

static void test_equal_to_single_solves(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_sweep_result r;
    demo_lab_init(&d);
    demo_method(&d.state, "astro beta=0.0005");
    demo_method(&d.state, "rtn bits=3");
    demo_override(&d.state, PL_SLOT_PRECONDITION, "1.q_proj", "astro beta=0.0007");
    pl_solve_report own = demo_solve(&d, DEMO_Q1);
    pl_id result = *pl_state_result(&d.state, DEMO_Q1);
    pl_sweep sweep = beta(DEMO_Q1);
    pl_check_ok(pl_sweep_run(demo_context(&d), &sweep, &r, &err), err);
    assert_int_equal(r.count, 4);
    static const double values[] = {1e-4, 4.642e-4, 2.154e-3, 1e-2};
    pl_check_close(pl_sweep_present(&d.state, &sweep), 0.0007, 1e-12, 0);
    for (size_t i = 0; i < 4; i++) {
        char text[64];
        pl_check_close(r.points[i].value, values[i], 1e-15, 0);
        assert_true(isnan(r.points[i].perplexity));
        snprintf(text, sizeof text, "astro beta=%.9g", values[i]);
        d.state.overrides[0].spec = demo_spec(text);
        pl_solve_report one = demo_solve(&d, DEMO_Q1);
        pl_check_close(r.points[i].report.relative_error, one.relative_error, 0, 0);
        pl_check_close(r.points[i].report.rounded_relative_error, one.rounded_relative_error, 0, 0);
        pl_check_close(r.points[i].report.bound, one.bound, 0, 0);
        pl_check_close(r.points[i].report.group_max_after, one.group_max_after, 0, 0);
        pl_check_close(r.points[i].report.seconds, one.seconds, 0, 0); /* found, not solved again */
        if (i > 0) {
            expect_less(r.points[i - 1].report.relative_error, r.points[i].report.relative_error);
        }
    }
    /* The user's own solve is as it was. */
    d.state.overrides[0].spec = demo_spec("astro beta=0.0007");
    pl_solve_report again = demo_solve(&d, DEMO_Q1);
    assert_true(pl_id_equal(result, *pl_state_result(&d.state, DEMO_Q1)));
    pl_check_close(again.seconds, own.seconds, 0, 0);
    demo_lab_deinit(&d);
}

static int turns;

static void count_turns(void *ctx)
{
    (void)ctx;
    turns++;
}

static void test_the_model_with_perplexity(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_sweep_result first, second;
    pl_task task = {.give_way = count_turns};
    demo_lab_init(&d);
    demo_method(&d.state, "rtn");
    demo_override(&d.state, PL_SLOT_ROUND, "*.down_proj", "rtn bits=8");
    pl_sweep sweep = {.set = true,
                      .slot = PL_SLOT_ROUND,
                      .param = "bits",
                      .from = 2,
                      .to = 8,
                      .points = 3,
                      .whole = true,
                      .perplexity = true,
                      .length = 48,
                      .windows = 2};
    pl_check_ok(pl_sweep_run((pl_context){d.lab, &d.state, &task}, &sweep, &first, &err), err);
    assert_int_equal(first.count, 3);
    pl_check_close(first.points[1].value, 5, 0, 0);
    expect_less(first.points[2].perplexity, first.points[0].perplexity);
    expect_less(1, first.points[2].perplexity);
    expect_less(0, first.points[2].perplexity_error);
    assert_true(isnan(first.points[0].report.gap));
    assert_true(isnan(first.points[0].report.bound));
    assert_int_equal(pl_state_solved_count(&d.state), 0);
    demo_lab_restart(&d);
    turns = 0;
    pl_check_ok(pl_sweep_run((pl_context){d.lab, &d.state, &task}, &sweep, &second, &err), err);
    for (size_t i = 0; i < 3; i++) {
        pl_check_close(second.points[i].perplexity, first.points[i].perplexity, 0, 0);
        pl_check_close(second.points[i].perplexity_error, first.points[i].perplexity_error, 0, 0);
        pl_check_close(second.points[i].report.rounded_relative_error,
                       first.points[i].report.rounded_relative_error, 0, 0);
    }
    expect_less(turns, 300); /* layers to find, no forward pass */
    demo_lab_deinit(&d);
}

static pl_sweep_point point(double value, double error, double group_max, double rounded)
{
    return (pl_sweep_point){.value = value,
                            .report = {.relative_error = error,
                                       .group_max_after = group_max,
                                       .rounded_relative_error = rounded}};
}

static void test_the_knee(void **ctx)
{
    (void)ctx;
    /* An L in log-log: the corner is the knee. */
    pl_sweep_point l[] = {point(1, 1e-6, 1, NAN), point(2, 1e-5, 0.1, NAN),
                          point(3, 1e-4, 0.08, NAN), point(4, 1e-3, 0.06, NAN)};
    assert_int_equal(pl_sweep_knee(l, 4, true), 1);
    /* A straight line has none, nor has one that bends away. */
    pl_sweep_point line[] = {point(1, 1e-4, 1, NAN), point(2, 1e-3, 0.1, NAN),
                             point(3, 1e-2, 0.01, NAN)};
    assert_int_equal(pl_sweep_knee(line, 3, true), SIZE_MAX);
    line[1].report.group_max_after = 0.9;
    assert_int_equal(pl_sweep_knee(line, 3, true), SIZE_MAX);
    assert_int_equal(pl_sweep_knee(l, 2, true), SIZE_MAX);
    /* With a rounder: the rounded error over the value. */
    pl_sweep_point bits[] = {point(2, 0, 1, 0.5), point(3, 0, 1, 1e-2), point(4, 0, 1, 5e-3),
                             point(5, 0, 1, 2e-3)};
    assert_int_equal(pl_sweep_knee(bits, 4, false), 1);
    bits[0].report.relative_error = 1e-3;
    assert_int_equal(pl_sweep_knee(bits, 4, false), 1);
    /* A group maximum of 0 is no point of a log curve. */
    l[3].report.group_max_after = 0;
    assert_int_equal(pl_sweep_knee(l, 4, true), 1);
}

static void refused(pl_state *state, pl_sweep sweep, bool any_slot, const char *sentence)
{
    pl_error err = {0};
    assert_int_not_equal(pl_sweep_check(state, &sweep, any_slot, &err), PL_OK);
    pl_check_says(err, sentence);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    pl_state state;
    pl_error err;
    demo_state(&state, true);
    pl_sweep sweep = beta(DEMO_Q1);
    refused(&state, sweep, true, "no method with a parameter \"beta\" is set");
    demo_method(&state, "astro");
    demo_method(&state, "gptq");
    sweep.slot = PL_SLOT_TRANSFORM;
    pl_check_ok(pl_sweep_check(&state, &sweep, true, &err), err);
    assert_int_equal(sweep.slot, PL_SLOT_PRECONDITION);
    snprintf(sweep.param, sizeof sweep.param, "betta");
    refused(&state, sweep, true, "did you mean beta?");
    snprintf(sweep.param, sizeof sweep.param, "group_size");
    refused(&state, sweep, true, "both astro and gptq have a parameter group_size");
    sweep.slot = PL_SLOT_ROUND;
    refused(&state, sweep, false, "sweep: method gptq: group_size=0.0001: a whole number");
    snprintf(sweep.param, sizeof sweep.param, "solver");
    refused(&state, sweep, true, "solver of astro is a choice, only a number can be swept");
    snprintf(sweep.param, sizeof sweep.param, "steps");
    refused(&state, sweep, true, "steps of astro has a meaning only with solver=pgd");
    sweep = beta(DEMO_Q1);
    state.slots[PL_SLOT_PRECONDITION].method = NULL;
    sweep.slot = PL_SLOT_ROUND;
    refused(&state, sweep, false, "sweep: method gptq has no parameter \"beta\"");
    demo_method(&state, "astro");
    sweep = beta(DEMO_Q1);
    sweep.to = 1e9;
    refused(&state, sweep, true, "beta=1000000000: a number from");
    sweep.to = sweep.from;
    refused(&state, sweep, true, "beta from 0.0001 to 0.0001, expected a rising range above 0");
    sweep = beta(DEMO_Q1);
    sweep.points = 65;
    refused(&state, sweep, true, "65 points asked for, expected 2 to 64");
    sweep.points = 4;
    sweep.perplexity = true;
    refused(&state, sweep, true, "perplexity=yes goes with `all`");
    pl_state_deinit(&state);
}

static void test_the_command(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_buf text = {0};
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    pl_state_sweep_command(&d.state, &text);
    assert_int_equal(text.size, 0);
    demo_method(&d.state, "magr beta=0.0003");
    d.state.sweep = beta(DEMO_Q1);
    pl_state_sweep_command(&d.state, &text);
    assert_string_equal(text.data, "sweep model.layers.1.self_attn.q_proj "
                                   "beta=0.0001:0.01:log4 slot=precondition\n");
    d.state.sweep.whole = d.state.sweep.perplexity = true;
    d.state.sweep.logarithmic = false;
    d.state.sweep.length = 512;
    d.state.sweep.windows = 20;
    snprintf(d.state.sweep.text, sizeof d.state.sweep.text, "/some/where/a b.txt");
    text.size = 0;
    pl_state_sweep_command(&d.state, &text);
    assert_string_equal(text.data, "sweep all beta=0.0001:0.01:lin4 slot=precondition "
                                   "perplexity=yes text='a b.txt' length=512 windows=20\n");
    pl_buf_deinit(&text);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_to_single_solves),
        cmocka_unit_test(test_the_model_with_perplexity),
        cmocka_unit_test(test_the_knee),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_the_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
