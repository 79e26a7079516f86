/* A model without a calibration: what needs no inputs works, and gives the same weights. */
#include "tests/e2e/run_planish.h"

#include "core/method/method.h"

#include <stdlib.h>
#include <unistd.h>

/* The demo as any other folder: it does not calibrate itself. */
static run run_folder_script(const char *script)
{
    return RUN("--json", "--store", run_path("store"), run_demo_folder(), "-c", script);
}

/* Every transform that is blind, and none, before every rounder that is. */
static void test_the_same_weights(void **ctx)
{
    (void)ctx;
    char script[2048];
    size_t tried = 0;
    for (const pl_method *const *t = pl_methods(); *t != NULL; t++) {
        const bool turns = (*t)->blind && (*t)->slot == PL_SLOT_TRANSFORM;
        if (!turns && tried > 0) {
            continue; /* the first one stands for none */
        }
        for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
            if (!(*m)->blind || (*m)->slot != PL_SLOT_ROUND) {
                continue;
            }
            snprintf(script, sizeof script,
                     "method %s bits=3; method %s; solve all; "
                     "perplexity which=after windows=1 text='%s/evaluation.txt'; "
                     "calibrate windows=1 text='%s/calibration.txt'; solve all sequential=no; "
                     "perplexity which=after windows=1 text='%s/evaluation.txt'",
                     (*m)->name, turns ? (*t)->name : "none slot=transform", run_demo_folder(),
                     run_demo_folder(), run_demo_folder());
            run r = run_folder_script(script);
            const json_t *blind = run_result(&r, 3), *seeing = run_result(&r, 6);
            run_check_keys(blind, "relative_error? rounded_relative_error? bound? output_error? "
                                  "group_max_before group_max_after bits_per_weight inputs");
            run_check_keys(seeing, "relative_error rounded_relative_error output_error inputs");
            assert_string_equal(json_string_value(json_object_get(blind, "inputs")),
                                "none: errors need a calibration");
            pl_check_close(run_number(blind, "group_max_after"),
                           run_number(seeing, "group_max_after"), 1e-12, 0);
            pl_check_close(run_number(run_result(&r, 4), "perplexity"),
                           run_number(run_result(&r, 7), "perplexity"), 1e-12, 0);
            expect_less(1.1, run_number(run_result(&r, 4), "perplexity"));
            run_free(&r);
            tried++;
        }
    }
    expect_at_most(3, tried); /* without a transform, hadamard, orthogonal */
}

static void test_what_is_made_of_it(void **ctx)
{
    (void)ctx;
    char folder[1024];
    assert_int_equal(chdir(run_folder()), 0);
    run r = run_folder_script("method rtn bits=3; solve 1.q_proj; layers top=1 on=*1.*q_proj; "
                              "plot histogram 1.q_proj which=after file=after.png; "
                              "rebuild after.png; method hadamard; solve all; "
                              "plot transform 1.q_proj file=turned.csv; "
                              "sweep 1.q_proj bits=3:4:lin2; export dir=blind");
    const json_t *row = json_array_get(json_object_get(run_result(&r, 3), "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "method")), "rtn");
    run_check_keys(row, "sqnr? bits_per_weight");
    assert_true(json_is_true(json_object_get(run_result(&r, 5), "same")));
    expect_close(run_number(run_last(&r), "layers_solved"), 28, 0);
    run_free(&r);
    snprintf(folder, sizeof folder, "%s", run_path("blind"));
    r = RUN("--json", folder, "-c", "info");
    assert_int_equal(r.status, 0);
    run_free(&r);
}

/* What needs inputs asks for them, also where it is one layer of many. */
static void test_what_needs_inputs_asks(void **ctx)
{
    (void)ctx;
    static const char *const scripts[] = {
        "method gptq; solve 1.q_proj",
        "method rtn; method smoothquant; solve 1.q_proj",
        "method rtn; method astro on=*3.*q_proj; solve all",
        "method rtn; solve all sequential=yes",
        "method rtn refine=2; solve all",
        "method rtn scales=search; solve all",
        "method rtn; solve all; plot groups 1.q_proj file=x.png",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        run r = run_folder_script(scripts[i]);
        run_check_failed(&r, 1, "this needs calibration: run `calibrate text=FILE` first");
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_weights),
        cmocka_unit_test(test_what_is_made_of_it),
        cmocka_unit_test(test_what_needs_inputs_asks),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
