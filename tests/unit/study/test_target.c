/* A strength by what it does: the method's own target= and the search of any parameter. */
#include "core/study/target.h"

#include "tests/support/demo_lab.h"

#include <math.h>
#include <stdlib.h>

enum { DEMO_GATE1 = 11, DEMO_DOWN1 = 13 };

static double fall(const pl_solve_report *report)
{
    return 1.0 - report->group_max_after / report->group_max_before;
}

static double told(const pl_solve_report *report, const char *name)
{
    for (size_t i = 0; pl_told(i) != NULL; i++) {
        if (strcmp(pl_told(i)->name, name) == 0) {
            return report->told[i];
        }
    }
    return (double)NAN;
}

/* target= is met on every kind of layer, by both methods and both solvers, in few solves, with the
 * certificate; and the weights are those of the beta that it reports, to the bit. */
static void a_method_meets_its_target(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *spec;
        size_t layer;
    } cases[] = {
        {"astro target=0.18 ", DEMO_Q1},
        {"astro target=0.4 ", DEMO_GATE1},
        {"astro target=0.02 ", DEMO_DOWN1},
        {"magr target=0.9 ", DEMO_Q1},
        {"magr target=0.18 ", DEMO_DOWN1},
        {"astro solver=pgd steps=20 target=0.3 ", DEMO_Q1},
        {"astro group_size=0 target=0.25 ", DEMO_GATE1},
    };
    demo_lab d;
    demo_lab_init(&d);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        demo_method(&d.state, cases[i].spec);
        const pl_solve_report sought = demo_solve(&d, cases[i].layer);
        const double target = strtod(strstr(cases[i].spec, "target=") + 7, NULL);
        const double beta = told(&sought, "beta_found");
        expect_close(fall(&sought), target, 1e-3 * target);
        expect_less(0, told(&sought, "solves"));
        expect_at_most(told(&sought, "solves"), PL_SEARCH_MOST);
        expect_at_most(-1e-6, sought.gap);
        expect_less(sought.gap, 1.0);
        snprintf(text, sizeof text, "%.*sbeta=%.17g",
                 (int)(strstr(cases[i].spec, "target=") - cases[i].spec), cases[i].spec, beta);
        demo_method(&d.state, text);
        const pl_solve_report given = demo_solve(&d, cases[i].layer);
        assert_true(isnan(told(&given, "beta_found")));
        assert_true(isnan(told(&given, "solves")));
        expect_close(given.group_max_after, sought.group_max_after, 0);
        expect_close(given.objective, sought.objective, 0);
        expect_close(given.dual, sought.dual, 0);
        expect_close(given.relative_error, sought.relative_error, 0);
    }
    demo_lab_deinit(&d);
}

/* Where beta is given, nothing is said of a target: the text, and with it every key, is as it was
 * before there were targets. */
static void no_target_is_not_said(void **ctx)
{
    (void)ctx;
    pl_buf text = {0};
    pl_spec spec = demo_spec("astro target=0.3 beta=3e-4");
    pl_spec_format(&spec, &text);
    assert_string_equal(text.data, "astro beta=0.0003 group_size=128 solver=admm iterations=20 "
                                   "gap=0 rho=0");
    text.size = 0;
    spec = demo_spec("astro target=0.18");
    pl_spec_format(&spec, &text);
    assert_string_equal(text.data, "astro target=0.18 group_size=128 solver=admm iterations=20 "
                                   "gap=0 rho=0");
    assert_string_equal(spec.method->params[pl_spec_telling(&spec)].name, "target");
    pl_spec back;
    pl_error err;
    pl_check_ok(pl_spec_parse("it", text.data, &back, &err), err);
    assert_true(pl_spec_equal(&spec, &back));
    pl_buf_deinit(&text);
}

static pl_target_found search(demo_lab *d, size_t layer, const pl_target *target)
{
    pl_error err;
    pl_target_found found;
    pl_check_ok(pl_target_search(demo_context(d), layer, target, &found, &err), err);
    expect_less(0, found.solves);
    expect_at_most(found.solves, PL_SEARCH_MOST);
    return found;
}

/* Each goal of beta, and other parameters of other methods; what was found is what a solve gives.
 */
static void goals_are_met(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro");
    demo_method(&d.state, "gptq bits=3");
    static const double wants[] = {0.4, 0.01, 0.02};
    static const pl_goal goals[] = {PL_GOAL_GROUP_MAX, PL_GOAL_ERROR, PL_GOAL_OUTPUT_ERROR};
    for (size_t i = 0; i < 3; i++) {
        const pl_target target = {.goal = goals[i], .want = wants[i], .any_slot = true};
        const pl_target_found found = search(&d, DEMO_Q1, &target);
        assert_int_equal(found.end, PL_SEARCH_FOUND);
        expect_close(found.reached, wants[i], 1e-3 * wants[i]);
        char text[64];
        snprintf(text, sizeof text, "astro beta=%.17g", found.value);
        demo_method(&d.state, text);
        const pl_solve_report report = demo_solve(&d, DEMO_Q1);
        expect_close(report.relative_error, found.report.relative_error, 0);
        expect_close(report.rounded_relative_error, found.report.rounded_relative_error, 0);
    }
    demo_lab_deinit(&d);
}

static void the_least_is_no_worse_than_the_start(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    static const struct {
        const char *first, *round, *param;
    } cases[] = {{"astro beta=0.1", "gptq bits=3", ""},
                 {"magr beta=1e-6", "rtn bits=4", "beta"},
                 {"astro", "gptq bits=2", "damping"},
                 {"astro target=0.1", "gptq bits=3", "beta"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_target target = {.goal = PL_GOAL_ROUNDED_ERROR, .least = true, .any_slot = true};
        snprintf(target.param, sizeof target.param, "%s", cases[i].param);
        demo_method(&d.state, cases[i].first);
        demo_method(&d.state, cases[i].round);
        const pl_solve_report before = demo_solve(&d, DEMO_Q1);
        const pl_target_found found = search(&d, DEMO_Q1, &target);
        assert_int_equal(found.end, PL_SEARCH_FOUND);
        expect_close(found.reached, found.report.rounded_relative_error, 0);
        expect_at_most(found.reached, 1.0001 * before.rounded_relative_error);
        if (i != 2) { /* no target= beside a found beta */
            expect_at_most(found.spec.values[1], 0.0);
        }
    }
    demo_lab_deinit(&d);
}

/* A transform's parameter is its site's. */
static void a_site_shares_what_is_found(void **ctx)
{
    (void)ctx;
    pl_error err;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "smoothquant");
    demo_method(&d.state, "gptq bits=3");
    const pl_target target = {.goal = PL_GOAL_ROUNDED_ERROR, .least = true, .any_slot = true};
    const pl_target_found found = search(&d, DEMO_Q1, &target);
    pl_check_ok(pl_target_set(&d.state, DEMO_Q1, PL_SLOT_TRANSFORM, &found.spec, &err), err);
    assert_int_equal(d.state.n_overrides, 3);
    const pl_solve_report report = demo_solve(&d, DEMO_Q1 + 1);
    assert_true(isfinite(report.rounded_relative_error));
    demo_lab_deinit(&d);
}

static void what_cannot_be_is_said(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_buf said = {0};
    pl_target_found found;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "astro");
    pl_target target = {.goal = PL_GOAL_ERROR, .want = 1e-10, .any_slot = true};
    pl_check_ok(pl_target_search(demo_context(&d), DEMO_Q1, &target, &found, &err), err);
    assert_int_equal(found.end, PL_SEARCH_BEYOND);
    pl_check_ok(pl_target_check(&d.state, DEMO_Q1, &target, &err), err);
    pl_target_say(&target, pl_model_layer(d.state.source->model, DEMO_Q1), &found, &said);
    assert_non_null(strstr(said.data, "1.q_proj: error 1.0e-10 is not reached: the least"
                                      " is "));
    assert_non_null(strstr(said.data, ", at beta "));
    pl_buf_deinit(&said);
    target = (pl_target){.goal = PL_GOAL_ROUNDED_ERROR, .least = true, .any_slot = true};
    assert_int_equal(pl_target_check(&d.state, DEMO_Q1, &target, &err), PL_ERR_STATE);
    pl_check_says(err, "rounded_error needs a method that rounds");
    static const struct {
        const char *param, *says;
    } bad[] = {
        {"gamma", "no method in use has a parameter \"gamma\"; there are beta of astro, target"},
        {"solver", "solver of astro is a choice, only a number can be searched for"},
        {"steps", "steps of astro has a meaning only with solver=pgd"},
        {"group_size", "both astro and gptq have a parameter group_size: say slot="},
    };
    demo_method(&d.state, "gptq");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        target = (pl_target){.goal = PL_GOAL_ROUNDED_ERROR, .least = true, .any_slot = true};
        snprintf(target.param, sizeof target.param, "%s", bad[i].param);
        assert_int_equal(pl_target_check(&d.state, DEMO_Q1, &target, &err), PL_ERR_USAGE);
        pl_check_says(err, bad[i].says);
    }
    d.state.slots[PL_SLOT_PRECONDITION] = (pl_spec){0};
    target = (pl_target){.goal = PL_GOAL_ERROR, .want = 0.01, .any_slot = true};
    assert_int_equal(pl_target_check(&d.state, DEMO_Q1, &target, &err), PL_ERR_STATE);
    pl_check_says(err, "has no method with a strength");
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_method_meets_its_target),
        cmocka_unit_test(no_target_is_not_said),
        cmocka_unit_test(goals_are_met),
        cmocka_unit_test(the_least_is_no_worse_than_the_start),
        cmocka_unit_test(a_site_shares_what_is_found),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
