/* Names as one types them: `set`, `help NAME`, and what was probably meant. */
#include "tests/e2e/run_planish.h"

#include <stdio.h>
#include <string.h>

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void test_set(void **ctx)
{
    (void)ctx;
    run r = run_demo("set bits=3; set group_size=64 beta=1e-3; method rtn bits=5 on=0.*; "
                     "set mse=yes; set bits=2; solve 1.q_proj; solve 0.q_proj");
    const json_t *one = json_array_get(json_object_get(run_result(&r, 0), "set"), 0);
    assert_string_equal(word(one, "method"), "gptq");
    assert_string_equal(word(one, "slot"), "round");
    assert_int_equal(json_integer_value(json_object_get(one, "value")), 3);
    /* Both methods have it, and each says so; keys keep their order. */
    const json_t *list = json_object_get(run_result(&r, 1), "set");
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(word(json_array_get(list, 0), "method"), "astro");
    assert_string_equal(word(json_array_get(list, 1), "method"), "gptq");
    assert_string_equal(word(json_array_get(list, 2), "parameter"), "beta");
    /* What is set was chosen: another `method` does not take its place. */
    list = json_object_get(run_result(&r, 4), "set");
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_is_null(json_object_get(json_array_get(list, 0), "on")));
    assert_string_equal(word(json_array_get(list, 1), "on"), "0.*");
    assert_int_equal(r.status, 0);
    run_free(&r);
    /* What is set is what a solve uses: as `method` says it. */
    r = run_demo("method astro; method gptq; set bits=3 group_size=64; solve 1.q_proj");
    const double set = run_number(run_last(&r), "rounded_relative_error");
    run_free(&r);
    r = run_demo("method astro group_size=64; method gptq bits=3 group_size=64; solve 1.q_proj");
    const double named = run_number(run_last(&r), "rounded_relative_error");
    run_free(&r);
    expect_close(set, named, 0);
    r = RUN("-c", "set group_size=64");
    assert_string_equal(r.out, "astro: group_size=64\ngptq: group_size=64\n");
    run_free(&r);
}

static void check(const char *script, int status, const char *says)
{
    run r = RUN("-c", script);
    run_check_failed(&r, status, says);
    run_free(&r);
}

static void test_what_was_meant(void **ctx)
{
    (void)ctx;
    check("sovle", 2, "unknown command \"sovle\": did you mean `solve`?");
    check("worst", 2, "did you mean `layers sort=input_ratio top=10`?");
    check("best", 2, "did you mean `target rounded_error=min`?");
    check("layers srot=gap", 2, "(did you mean sort?)");
    check("layers sort=gapp", 1, "(did you mean gap?)");
    check("layers columns=inputratio", 1, "\"inputratio\": did you mean input_ratio?");
    check("method gtpq", 1, "(did you mean gptq?)");
    check("method gptq bist=3", 2, "(did you mean bits?)");
    check("set bist=3", 1,
          "set: no method in use (astro, gptq) has a parameter \"bist\": did you "
          "mean bits?");
    check("set bits=77", 1, "method gptq: bits=77: a whole number from 2 to 8 expected");
    check("set", 1, "set: expected a parameter of a method in use");
    check("method none slot=round; method none slot=precondition; set bits=3", 1,
          "set: no method is in use that could have a parameter \"bits\"");
    check("view main=histgram", 1, "(did you mean histogram?)");
    check("view histgram", 1, "(did you mean histogram?)");
    check("view a b", 2, "view: \"b\" is one word too many; it takes [VIEW], then side, ");
    check("undo now", 2, "undo: \"now\" is one word too many; it takes no words");
    check("method", 2, "method: expected `method METHOD|none`, found 0 words");
    check("plot histgram file=x.png", 1, "(did you mean histogram?)");
    check("select 0.qproj", 1, "did you mean model.layers.0.self_attn.q_proj,");
    check("help dampin", 1, "\"dampin\": did you mean damping?");
}

/* Whatever a solve and what measures it report is explained, under the name it has there. */
static void test_reports_are_explained(void **ctx)
{
    (void)ctx;
    char script[8000];
    snprintf(
        script, sizeof script,
        "calibrate; solve 1.q_proj; perplexity which=after windows=1 spread=1; "
        "sweep 1.q_proj beta=1e-4:1e-3:log2; export dir=%s partial=yes; method hadamard; cost; "
        "method rtn; method flatquant steps=1; learn 1.q_proj",
        run_path("words"));
    run r = run_demo(script);
    if (r.status != 0) {
        fprintf(stderr, "%s\n", r.err);
    }
    assert_int_equal(r.status, 0);
    snprintf(script, sizeof script, "help group max");
    size_t asked = 0;
    for (size_t i = 0; i < r.n_lines; i++) {
        const char *key;
        json_t *value;
        json_object_foreach(run_result(&r, i), key, value)
        {
            const size_t used = strlen(script);
            asked += !json_is_string(value);
            snprintf(script + used, sizeof script - used, "%s%s",
                     json_is_string(value) ? "" : "; help ", json_is_string(value) ? "" : key);
        }
    }
    expect_less(40, asked);
    run_free(&r);
    r = run_demo(script);
    if (r.status != 0) {
        fprintf(stderr, "%s\n", r.err);
    }
    const json_t *topics = json_object_get(run_last(&r), "topics");
    expect_less(0, json_array_size(topics));
    topics = json_object_get(run_result(&r, 0), "topics");
    assert_string_equal(word(json_array_get(topics, 0), "kind"), "number");
    assert_string_equal(word(json_array_get(topics, 0), "name"), "group max");
    run_free(&r);
    /* As a person reads it: what several methods have in common stands there once. */
    r = RUN("-c", "help beta");
    assert_non_null(strstr(r.out, "parameter beta of astro (1e-09 to 1000; default 0.0003)\n"
                                  "  parameter beta of magr"));
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_what_was_meant),
        cmocka_unit_test(test_reports_are_explained),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
