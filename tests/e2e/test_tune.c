/* tune, through the program. */
#include "tests/e2e/run_planish.h"

#include <stdlib.h>

/* What is found is set in few settings, solved so, and carried by a figure's file; the table goes
 * to a file; asked again nothing is measured and nothing changes. */
static void test_sets_what_it_finds(void **ctx)
{
    (void)ctx;
    char script[4096];
    snprintf(script, sizeof script,
             "calibrate windows=2 length=128; method astro target=0.2; method gptq bits=3; "
             "tune 1.[qko]* target=0.2:0.5:lin3 file='%s'; tune 1.[qko]* target=0.2:0.5:lin3; "
             "solve all; plot histogram 1.q_proj file='%s'; rebuild '%s' file='%s'",
             run_path("tune.csv"), run_path("tuned.png"), run_path("tuned.png"),
             run_path("tuned2.png"));
    run r = run_demo(script);
    const json_t *found = run_result(&r, 3), *again = run_result(&r, 4);
    expect_less(run_number(found, "found"), run_number(found, "before"));
    assert_int_equal(json_array_size(json_object_get(found, "units")), 3);
    expect_close(run_number(found, "measured") + run_number(found, "from_store"), 12, 0);
    expect_close(run_number(again, "measured"), 0, 0);
    expect_close(run_number(again, "changed"), 0, 0);
    pl_check_close(run_number(again, "before"), run_number(found, "found"), 1e-12, 0);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    size_t i = 0, size = 0;
    json_t *unit = NULL;
    char *png = run_read(run_path("tuned.png"), &size);
    json_array_foreach(json_object_get(found, "units"), i, unit)
    {
        expect_at_most(run_number(unit, "loss"), run_number(unit, "loss_before"));
        expect_at_most(0.2, run_number(unit, "value"));
        const char *name = json_string_value(json_object_get(unit, "unit"));
        /* Which value is found depends on the processor's kernels. */
        if (run_number(unit, "value") > 0.2 && memmem(png, size, name, strlen(name)) == NULL) {
            fprintf(stderr, "%s is not among the figure's settings\n", name);
            fail();
        }
    }
    run_free(&r);
    char *csv = run_read(run_path("tune.csv"), NULL);
    static const char head[] = "unit,before,value,loss_before,loss,layers\n1.q_proj,0.2,";
    assert_memory_equal(csv, head, sizeof head - 1);
    free(csv);
    static const char list[] = " on=1.";
    assert_non_null(memmem(png, size, list, sizeof list - 1));
    free(png);
}

/* Combinations of two parameters, for roles, by KL. */
static void test_by_kl(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "method rtn bits=3; tune *.q_proj,*.down_proj mse=no,yes bits=2,3 unit=role by=kl "
             "text='%s/sessions/demo/calibration.txt' length=64 windows=2 skip=1",
             getenv("PLANISH_SOURCE_ROOT"));
    run r = run_demo(script);
    const json_t *roles = run_result(&r, 1);
    expect_at_most(run_number(roles, "found"), run_number(roles, "before"));
    assert_int_equal(json_array_size(json_object_get(roles, "all_alike")), 4);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(roles, "all_alike"), 1), "value")),
                        "mse=no bits=3");
    assert_int_equal(json_array_size(json_object_get(roles, "units")), 2);
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"tune", "tune: needs a parameter and its values"},
        {"tune beta=1:2", "tune: beta=1:2: expected FROM:TO:logN"},
        {"tune beta=0.5:0.1:lin3", "tune: beta from 0.5 to 0.1, expected a rising range"},
        {"tune beta=0.1,,0.2", "tune: beta=0.1,,0.2: expected FROM:TO:logN"},
        {"tune betta=0.1,0.2", "no method in use has a parameter \\\"betta\\\""},
        {"tune beta=0.1,x", "method astro: beta=x: a number"},
        {"tune group_size=64,128", "both astro and gptq have a parameter group_size: say slot="},
        {"tune steps=100,200", "steps of astro has a meaning only with solver=pgd"},
        {"tune nothing beta=0.1", "tune: no layer matches nothing"},
        {"tune beta=0.1 target=0.1 bits=3 damping=0.01", "at most 3 parameters"},
        {"tune target=0.1:0.5:lin32 damping=0.01,0.02,0.05", "96 combinations of values"},
        {"tune beta=0.1 windows=2", "tune: windows= goes with by=kl"},
        {"tune beta=0.1 by=kl", "tune: by=kl needs text=FILE"},
        {"tune beta=0.1 by=target", "tune: by=target: expected one of heldout|kl"},
        {"tune beta=0.1 file=x.txt", "tune: file=x.txt"},
        {"method astro; tune beta=0.1", "has no method that rounds"},
        {"calibrate windows=1 length=64; tune target=0.3",
         "a single window, which cannot be halved"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_demo(cases[i].script);
        run_check_refused(&r, cases[i].script, cases[i].says);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_what_it_finds),
        cmocka_unit_test(test_by_kl),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
