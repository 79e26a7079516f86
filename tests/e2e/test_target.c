/* target: through the program, in text and JSON, and what it leaves behind. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>

#define SET "method astro; method gptq bits=3; "

static void test_json(void **ctx)
{
    (void)ctx;
    run r = run_demo(SET "target *.q_proj group_max=-25%; solve 2.q_proj; target 1.q_proj best");
    const json_t *all = run_result(&r, 2), *one = run_result(&r, 4);
    run_check_keys(all, "layers found solves");
    const json_t *layers = json_object_get(all, "layers");
    assert_int_equal(json_array_size(layers), 4);
    json_int_t solves = 0;
    for (size_t i = 0; i < 4; i++) {
        const json_t *line = json_array_get(layers, i);
        run_check_keys(line, "name parameter value reached met solves gap said");
        expect_close(run_number(line, "reached"), -0.25, 2.5e-4);
        assert_true(json_is_true(json_object_get(line, "met")));
        expect_at_most(run_number(line, "solves"), 12);
        solves += json_integer_value(json_object_get(line, "solves"));
    }
    assert_int_equal(json_integer_value(json_object_get(all, "solves")), solves);
    assert_string_equal(json_string_value(json_object_get(one, "found")),
                        json_string_value(json_object_get(
                            json_array_get(json_object_get(one, "layers"), 0), "said")));
    /* The layer is solved with what was found. */
    const json_t *second = run_result(&r, 3);
    expect_close(run_number(second, "group_max_after"),
                 0.75 * run_number(second, "group_max_before"), 1e-3);
    run_free(&r);
}

static void test_text(void **ctx)
{
    (void)ctx;
    run r = RUN("--store", run_path("store"), "-c",
                SET "target 1.q_proj group_max=-40%; target *1.*_proj error=0.5%");
    assert_int_equal(r.status, 0);
    const char *said = strstr(r.out, "1.q_proj: beta ");
    assert_non_null(said);
    assert_non_null(strstr(said, ", group max -40 %, gap \u2264 "));
    assert_non_null(strstr(said, "solves\n"));
    assert_non_null(strstr(said, "7 of 7 layers, "));
    run_free(&r);
}

/* A figure's commands hold the value found, not the search. */
static void test_provenance(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             SET "select 1.q_proj; target group_max=-30%%; plot histogram file='%s'; rebuild '%s'",
             run_path("t.svg"), run_path("t.svg"));
    run r = run_demo(script);
    const json_t *rebuilt = run_last(&r);
    assert_true(json_is_true(json_object_get(rebuilt, "same")));
    size_t size = 0;
    char *svg = run_read(run_path("t.svg"), &size);
    const json_t *line = json_array_get(json_object_get(run_result(&r, 3), "layers"), 0);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "method astro beta=%.4g ", run_number(line, "value"));
    assert_non_null(strstr(svg, wanted));
    assert_null(strstr(svg, "; target"));
    free(svg);
    run_free(&r);
}

/* target= of the method: whole models in sequence, a sweep of it, and what a figure says of it. */
static void test_method_target(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "method astro target=0.18; method gptq bits=3; solve all; "
             "sweep 1.q_proj target=0.1:0.4:lin3; sweep 1.q_proj beta=1e-5:1e-3:log3; "
             "select 1.q_proj; solve; "
             "plot histogram file='%s'; rebuild '%s'",
             run_path("m.svg"), run_path("m.svg"));
    run r = run_demo(script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    const json_t *layers = json_object_get(run_result(&r, 2), "layers");
    expect_less(0, run_number(run_result(&r, 2), "beta_found"));
    expect_at_most(run_number(run_result(&r, 2), "solves"), 12);
    expect_close(run_number(run_result(&r, 2), "group_max_after"),
                 0.82 * run_number(run_result(&r, 2), "group_max_before"), 1e-3);
    assert_int_equal(json_array_size(layers), 28);
    const json_t *points = json_object_get(run_result(&r, 3), "points");
    for (size_t i = 0; i < 3; i++) {
        const json_t *p = json_array_get(points, i);
        expect_close(run_number(p, "group_max_after"),
                     (1.0 - run_number(p, "value")) * run_number(p, "group_max_before"), 1e-3);
    }
    /* Where a beta is given it rules. */
    points = json_object_get(run_result(&r, 4), "points");
    for (size_t i = 1; i < 3; i++) {
        expect_less(run_number(json_array_get(points, i - 1), "relative_error"),
                    run_number(json_array_get(points, i), "relative_error"));
    }
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *command, *says;
    } cases[] = {
        {"target 1.q_proj", "target: no goal: one of group_max=-40%"},
        {"target 1.q_proj best error=1%", "target: more than one goal"},
        {"target 1.q_proj group_max=-120%", "group_max=-120%: expected a change such as -40%"},
        {"target 1.q_proj error=min", "error=min: expected a share such as 1%"},
        {"target 1.q_proj rounded_error=x", "expected a share such as 1%, or min"},
        {"target 1.q_proj all error=1%", "target: found \"all\", expected best"},
        {"target x* best", "target: no layer matches x*"},
        {"target 1.q_proj error=0.00000001%", "1.q_proj: error 1.0e-10 is not reached"},
        {"target *.q_proj error=0.00000001%", "; nor is it on any other layer"},
        {"method astro target=2", "target=2: a number from 0 to 0.95 expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[256];
        snprintf(script, sizeof script, SET "%s", cases[i].command);
        run r = run_demo(script);
        run_check_failed(&r, r.status, cases[i].says);
        assert_int_not_equal(r.status, 0);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_provenance), cmocka_unit_test(test_method_target),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
