/* Settings with names: kept, gone back to, compared. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const json_t *row_of(const json_t *result, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(result, "settings"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0) {
            return row;
        }
    }
    fail();
    return NULL;
}

/* The row says what `solve` said of that setting. */
static void check_row(const json_t *row, const json_t *solved)
{
    static const char *const keys[] = {
        "relative_error",  "rounded_relative_error", "output_error",   "gap",
        "bits_per_weight", "group_max_before",       "group_max_after"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const double said = run_number(row, keys[i]), was = run_number(solved, keys[i]);
        expect_at_most(fabs(said - was), 1e-12 * fabs(was));
    }
    const double reduction = run_number(row, "group_max_reduction");
    const double before = run_number(row, "group_max_before");
    expect_at_most(fabs(before * (1.0 - reduction) - run_number(row, "group_max_after")), 1e-12);
}

static double worst(const json_t *solved, const char *key)
{
    double most = 0;
    size_t i;
    json_t *layer;
    json_array_foreach(json_object_get(solved, "layers"), i, layer)
    {
        most = fmax(most, run_number(layer, key));
    }
    return most;
}

static void numbers_of_settings_side_by_side(void **state)
{
    (void)state;
    const char *csv = run_path("settings.csv");
    char script[1024];
    snprintf(script, sizeof script,
             "method astro beta=3e-4; method gptq bits=3; solve all; keep strong; "
             "perplexity which=after windows=4; "
             "method gptq bits=4; solve all; keep W4; method gptq bits=3; compare strong W4; "
             "compare W4 1.q_proj; method rtn bits=2; solve 1.q_proj; compare W4 1.q_proj; "
             "compare all file=%s",
             csv);
    run r = run_demo(script);
    const json_t *first = run_result(&r, 2), *second = run_result(&r, 6);
    const json_t *back = run_result(&r, 8), *all = run_result(&r, 9);
    assert_int_equal(json_array_size(json_object_get(all, "settings")), 3);
    check_row(row_of(all, "strong"), first);
    check_row(row_of(all, "W4"), second);
    check_row(row_of(all, "now"), first); /* gone back to: nothing was solved again */
    expect_close(run_number(back, "layers_in_store"), 28, 0);
    expect_close(run_number(row_of(all, "now"), "layers_solved"), 28, 0);
    const double most = run_number(row_of(all, "W4"), "worst_rounded_relative_error");
    expect_at_most(fabs(most - worst(second, "rounded_error")), 1e-12);
    assert_string_equal(json_string_value(json_object_get(row_of(all, "W4"), "methods")),
                        "astro beta=0.0003 > gptq bits=4");
    /* A perplexity belongs to the setting that it was measured of. */
    expect_at_most(fabs(run_number(row_of(all, "strong"), "perplexity") -
                        run_number(run_result(&r, 4), "perplexity")),
                   1e-12);
    assert_true(json_is_null(json_object_get(row_of(all, "W4"), "perplexity")));
    expect_at_most(
        fabs(run_number(row_of(all, "now"), "kl_mean") - run_number(run_result(&r, 4), "kl_mean")),
        1e-12);
    /* One layer. */
    const json_t *one = run_result(&r, 10), *other = run_result(&r, 13);
    assert_string_equal(json_string_value(json_object_get(one, "layer")),
                        "model.layers.1.self_attn.q_proj");
    check_row(row_of(other, "now"), run_result(&r, 12));
    expect_less(run_number(row_of(other, "W4"), "rounded_relative_error"),
                run_number(row_of(other, "now"), "rounded_relative_error"));
    run_free(&r);
    size_t size = 0;
    char *text = run_read(csv, &size);
    assert_memory_equal(text, "name,methods,layers_solved,relative_error,",
                        strlen("name,methods,layers_solved,relative_error,"));
    assert_non_null(strstr(text, "\nnow,astro beta=0.0003 > rtn bits=2,1,"));
    free(text);
}

/* A word that another one takes back is not passed over. */
static void words_that_exclude_each_other(void **state)
{
    (void)state;
    static const char *const lines[] = {"method astro beta=1e-3 target=0.3",
                                        "method astro target=0.3 beta=1e-3"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        run r = RUN("-c", lines[i]);
        assert_int_equal(r.status, 1);
        assert_non_null(strstr(r.err, "method astro: target=0.3 and beta=1e-3 exclude each other"));
        run_free(&r);
    }
}

/* One kept setting is drawn where the present one has no results to draw. */
static void one_kept_setting_is_drawn(void **state)
{
    (void)state;
    char script[1024];
    snprintf(script, sizeof script,
             "method rtn bits=3; solve all sequential=no; keep three; set group_size=32; "
             "plot error_by_block form=error file=%s",
             run_path("kept.csv"));
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    size_t size = 0;
    char *text = run_read(run_path("kept.csv"), &size);
    assert_non_null(strstr(text, "three"));
    free(text);
}

/* Every command that changes the setting takes back what was found under the new one. */
static void every_change_takes_results_back(void **state)
{
    (void)state;
    run r = run_demo("method rtn bits=3; solve all sequential=no; set bits=2; set bits=3; "
                     "allocate bits=3.3 metric=error unit=role choices=2,3; set bits=2; "
                     "allocate bits=2.3 metric=error choices=2; layers top=1 sort=rounded_error");
    expect_close(run_number(run_result(&r, 2), "layers_in_store"), 0, 0);
    expect_close(run_number(run_result(&r, 3), "layers_in_store"), 28, 0);
    expect_close(run_number(run_result(&r, 4), "layers_in_store"), 28, 0);
    expect_close(run_number(run_result(&r, 6), "layers_in_store"), 28, 0);
    const json_t *row = json_array_get(json_object_get(run_result(&r, 7), "layers"), 0);
    expect_less(0, run_number(row, "rounded_error"));
    run_free(&r);
}

/* A result counts only while all that its transform was learned for stands: the cache, and the
 * rounders of the whole block. */
static void what_a_transform_was_learned_for_belongs_to_the_plan(void **state)
{
    (void)state;
    run r = RUN("--json", "-c",
                "calibrate windows=1 length=32; method rtn bits=8; activations bits=4; "
                "method spinquant steps=1; solve 0.q_proj; kv bits=4; kv none; activations none; "
                "method flatquant scope=block steps=1; solve 0.q_proj; "
                "method rtn bits=4 on=*.1.mlp.down_proj; method rtn bits=4 on=*.0.mlp.down_proj; "
                "method rtn bits=8 on=*.0.mlp.down_proj");
    expect_close(run_number(run_result(&r, 5), "layers_in_store"), 0, 0);
    expect_close(run_number(run_result(&r, 6), "layers_in_store"), 1, 0);
    expect_close(run_number(run_result(&r, 10), "layers_in_store"), 1, 0);
    expect_close(run_number(run_result(&r, 11), "layers_in_store"), 0, 0);
    expect_close(run_number(run_result(&r, 12), "layers_in_store"), 1, 0);
    run_free(&r);
}

static void going_back_solves_nothing(void **state)
{
    (void)state;
    run r = run_demo("method rtn bits=3; solve 1.q_proj; solve 2.q_proj; activations bits=4; "
                     "method rtn bits=4; solve 1.q_proj; keep four; activations none; "
                     "method rtn bits=3; layers on=1.q_proj; use four; keep; unkeep four; keep");
    expect_close(run_number(run_result(&r, 8), "layers_in_store"), 2, 0);
    const json_t *row = json_array_get(json_object_get(run_result(&r, 9), "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "method")), "rtn");
    expect_close(run_number(run_result(&r, 10), "layers_in_store"), 1, 0);
    row = json_array_get(json_object_get(run_result(&r, 11), "kept"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "label")),
                        "rtn bits=4, activations 4 bits");
    assert_int_equal(json_array_size(json_object_get(run_result(&r, 13), "kept")), 0);
    run_free(&r);
    /* As text it is a sentence. */
    r = RUN("-c", "method rtn bits=3; solve 1.q_proj; method rtn bits=4; method rtn bits=3");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "1 layer of this setting is in the store\n"));
    run_free(&r);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"compare all", "compare: no setting is kept: `keep NAME` keeps the present one"},
        {"keep A; compare B", "compare: no setting is kept as \"B\", there are A"},
        {"keep A; compare A file=t.txt", "expected a name that ends in .csv"},
        {"keep 1.q_proj", "is a layer's name"},
        {"keep A away", "keep A: found \"away\", expected remove or nothing"},
        {"use A", "use: no setting is kept as \"A\", none is"},
        {"unkeep A", "unkeep: no setting is kept as \"A\""},
        {"keep A; unpin", "unpin: no baseline is pinned"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_demo(cases[i].script);
        run_check_failed(&r, 1, cases[i].says);
        run_free(&r);
    }
}

/* A figure with kept settings is made again by its own commands. */
static void figures_keep_their_settings(void **state)
{
    (void)state;
    char script[1024];
    snprintf(script, sizeof script,
             "select 1.q_proj; method astro beta=1e-3; method rtn bits=3; solve; keep strong; "
             "method astro beta=1e-4; solve; plot channels pins=yes dpi=80 file=%s; rebuild %s",
             run_path("kept.png"), run_path("kept.png"));
    run r = run_demo(script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
}

/* A parameter that only some layers' method has: what was solved with its former value does not
 * count. */
static void test_set_on_some_layers(void **ctx)
{
    (void)ctx;
    run r = run_demo("method rtn bits=3; method gptq bits=3 on=0.down_proj; calibrate windows=1; "
                     "solve all; set damping=0.5; generate x which=after tokens=1");
    run_check_failed(&r, 1, "no layer is solved with the present methods");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_settings_side_by_side),
        cmocka_unit_test(words_that_exclude_each_other),
        cmocka_unit_test(one_kept_setting_is_drawn),
        cmocka_unit_test(every_change_takes_results_back),
        cmocka_unit_test(what_a_transform_was_learned_for_belongs_to_the_plan),
        cmocka_unit_test(going_back_solves_nothing),
        cmocka_unit_test(figures_keep_their_settings),
        cmocka_unit_test(refusals),
        cmocka_unit_test(test_set_on_some_layers),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
