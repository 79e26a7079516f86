/* compare, where it measures: rows as the single commands say them, kept, cut off, drawn. */
#include "tests/e2e/run_planish.h"

#include "core/base/file.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const json_t *row_at(const json_t *result, size_t i)
{
    const json_t *row = json_array_get(json_object_get(result, "rows"), i);
    assert_non_null(row);
    return row;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    assert_non_null(text);
    return text;
}

static void same_number(const json_t *a, const char *key, const json_t *b, const char *other)
{
    pl_check_close(run_number(a, key), run_number(b, other), 0, 0);
}

static void test_a_row_is_what_the_commands_say(void **ctx)
{
    (void)ctx;
    run r = run_demo("calibrate windows=2 length=128; method rtn bits=4; keep K; "
                     "activations bits=8; "
                     "compare K \"rtn bits={3,4}; activations none\" \"W3: gptq bits=3; "
                     "activations bits=6\" now windows=3 length=64; layers top=1; "
                     "method gptq bits=3; activations bits=6; solve all; perplexity which=after "
                     "windows=3 length=64; "
                     "compare K \"rtn bits={3,4}; activations none\" windows=3 length=64");
    const json_t *all = run_result(&r, 4), *solved = run_result(&r, 8);
    const json_t *measured = run_result(&r, 9), *again = run_result(&r, 10);
    const json_t *row = row_at(all, 3);
    assert_int_equal(json_array_size(json_object_get(all, "rows")), 5);
    assert_string_equal(text_of(all, "measured"),
                        "protocol=gptq length=64 windows=3 text=evaluation.txt");
    assert_string_equal(text_of(row, "setting"), "W3");
    assert_string_equal(text_of(row, "methods"), "gptq bits=3, activations 6 bits");
    same_number(row, "perplexity", measured, "perplexity");
    same_number(row, "perplexity_error", measured, "perplexity_error");
    same_number(row, "kl_mean", measured, "kl_mean");
    same_number(row, "top1_agreement", measured, "top1_agreement");
    same_number(row, "bits_per_weight", solved, "bits_per_weight");
    pl_check_close(run_number(row, "rounded_relative_error"),
                   run_number(solved, "rounded_relative_error"), 1e-12, 0);
    same_number(all, "original_perplexity", measured, "original_perplexity");
    /* The kept one is without activations, as it was; "rtn bits=4" is the same setting. */
    assert_string_equal(text_of(row_at(all, 0), "setting"), "K");
    same_number(row_at(all, 0), "perplexity", row_at(all, 2), "perplexity");
    pl_check_close(run_number(row_at(all, 2), "nll_difference"), 0, 0, 0);
    assert_true(json_is_false(json_object_get(row_at(all, 2), "differs")));
    assert_true(json_is_null(json_object_get(row_at(all, 0), "differs")));
    const double difference = log(run_number(row_at(all, 1), "perplexity")) -
                              log(run_number(row_at(all, 0), "perplexity"));
    pl_check_close(run_number(row_at(all, 1), "nll_difference"), difference, 1e-9, 1e-12);
    assert_int_equal(json_is_true(json_object_get(row_at(all, 1), "differs")),
                     difference > 2 * run_number(row_at(all, 1), "nll_difference_error"));
    assert_string_equal(text_of(row_at(all, 4), "setting"), "now");
    assert_string_equal(text_of(row_at(all, 4), "methods"), "rtn bits=4, activations 8 bits");
    /* Nothing is measured twice, whatever was done in between. */
    pl_check_close(run_number(again, "from_store"), 3, 0, 0);
    same_number(row_at(again, 1), "perplexity", row_at(all, 1), "perplexity");
    run_free(&r);
}

/* As `solve all sequential=no` solves, which the figure's commands say, too. */
static void test_on_the_originals_inputs(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script,
             "compare \"gptq bits=3; activations bits=4\" windows=2 length=64 sequential=no; "
             "plot pareto file='%s'; compare \"gptq bits=3; activations bits=4\" windows=2 "
             "length=64; activations bits=4; method gptq bits=3; solve all sequential=no; "
             "perplexity which=after windows=2 length=64; rebuild '%s'",
             run_path("apart.png"), run_path("apart.png"));
    run r = run_demo(script);
    const json_t *apart = row_at(run_result(&r, 0), 0), *follows = row_at(run_result(&r, 2), 0);
    same_number(apart, "perplexity", run_result(&r, 6), "perplexity");
    expect_less(1e-6, fabs(run_number(apart, "perplexity") - run_number(follows, "perplexity")));
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
}

/* make_comparison_values.py has the numbers by transformers and numpy, in float64. */
static void test_numbers_of_numpy(void **ctx)
{
    (void)ctx;
    static const char *const keys[] = {"perplexity",    "perplexity_error", "kl_mean",
                                       "kl_error",      "nll_difference",   "nll_difference_error",
                                       "top1_agreement"};
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/comparison_values.json",
             getenv("PLANISH_SOURCE_ROOT"));
    json_t *expected = json_load_file(path, 0, NULL);
    assert_non_null(expected);
    run r = run_demo("compare \"rtn bits={3,4}\" windows=8 length=64");
    pl_check_close(run_number(run_last(&r), "original_perplexity"),
                   run_number(expected, "original_perplexity"), 1e-6, 0);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = row_at(run_last(&r), i), *known = row_at(expected, i);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            /* The first row has nothing to be compared with. */
            if (i > 0 || strncmp(keys[k], "nll", 3) != 0) {
                pl_check_close(run_number(row, keys[k]), run_number(known, keys[k]), 1e-5, 0);
            }
        }
    }
    json_decref(expected);
    run_free(&r);
}

/* The methods, results and activations that were set stay, also where a row fails. */
static void test_the_state_stays(void **ctx)
{
    (void)ctx;
    static const char *const scripts[] = {
        "method rtn bits=2; solve 1.q_proj; compare \"rtn bits=3\" windows=2 length=64; layers",
        "method rtn bits=2; solve 1.q_proj; compare \"gptq bits=3\" \"hadamrd\" windows=2; layers",
    };
    run plain = run_demo("method rtn bits=2; solve 1.q_proj; layers");
    json_t *before = json_copy((json_t *)(uintptr_t)run_last(&plain));
    json_object_del(before, "seconds");
    for (size_t i = 0; i < 2; i++) {
        run r = RUN("--json", "--keep-going", "--store", run_path("store"), "-c", scripts[i]);
        json_t *after = json_copy(json_object_get(r.lines[r.n_lines - 1], "result"));
        json_object_del(after, "seconds");
        assert_true(json_equal(before, after));
        json_decref(after);
        run_free(&r);
    }
    json_decref(before);
    run_free(&plain);
}

static void test_files(void **ctx)
{
    (void)ctx;
    char script[2048];
    snprintf(script, sizeof script,
             "compare \"kv none; rtn bits={3,4}\" windows=2 length=64 file=%s; "
             "compare \"kv none; rtn bits={3,4}\" windows=2 length=64 file=%s; "
             "compare \"kv none; rtn bits={3,4}\" windows=2 length=64 file=%s",
             run_path("t.csv"), run_path("t.tex"), run_path("t.json"));
    run r = run_demo(script);
    size_t size = 0;
    char *csv = run_read(run_path("t.csv"), &size), *tex = run_read(run_path("t.tex"), &size);
    char *json = run_read(run_path("t.json"), &size);
    assert_non_null(strstr(csv, "setting,methods,perplexity,perplexity_error,nll_difference,"));
    assert_non_null(strstr(csv, "\nkv none; rtn bits=4,rtn bits=4,"));
    assert_non_null(strstr(tex,
                           "\\begin{tabular}{lrrrrr}\n\\toprule\nSetting & Bits & Perplexity & "
                           "$\\Delta$ NLL & KL & Top-1 \\\\\n"));
    assert_non_null(strstr(tex, "RTN, W4 & 4.21 & "));
    assert_int_equal(run_count(tex, "~$\\pm$~"), 5); /* the first row has no difference */
    assert_non_null(strstr(tex, "; compare 'kv none; rtn bits={3,4}' protocol=gptq length=64 "
                                "windows=2\n"));
    json_t *rows = json_loads(json, 0, NULL);
    assert_true(json_is_array(rows));
    assert_int_equal(json_array_size(rows), 2);
    pl_check_close(run_number(json_array_get(rows, 1), "perplexity"),
                   run_number(row_at(run_last(&r), 1), "perplexity"), 1e-11, 0);
    json_decref(rows);
    free(csv);
    free(tex);
    free(json);
    run_free(&r);
    /* As a person reads it. */
    r = RUN("--store", run_path("store"), "-c",
            "compare \"W3: rtn bits=3\" \"rtn bits=4\" windows=3 length=64");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "  1  W3: rtn bits=3\n  2  rtn bits=4\n"));
    assert_non_null(strstr(r.out, "\n2  *  "));
    run_free(&r);
}

static size_t files_in(const char *folder)
{
    char command[1200], line[64] = "";
    snprintf(command, sizeof command, "find '%s' -type f | wc -l", run_path(folder));
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    return strtoul(line, NULL, 10);
}

/* Figures carry the settings, kept ones by their methods, and are made again elsewhere. */
static void test_figures_are_rebuilt(void **ctx)
{
    (void)ctx;
    static const char *const figures[] = {
        "pareto",
        "comparison form=perplexity",
        "comparison form=kl",
        "comparison form=table",
    };
    static const char *const files[] = {"p.png", "c.pdf", "k.svg", "t.csv"};
    char script[4096] = "calibrate windows=1 length=128; method rtn bits=4 on=*.q_proj; method rtn "
                        "bits=3; method rtn bits=8 "
                        "on=*.down_proj; keep mixed; method rtn bits=4; "
                        "compare mixed \"kv bits=8; rtn bits=3\" now windows=2 length=64; ";
    for (size_t i = 0; i < 4; i++) {
        const size_t at = strlen(script);
        snprintf(script + at, sizeof script - at, "plot %s preset=icml dpi=80 file=%s; ",
                 figures[i], run_path(files[i]));
    }
    run r = run_demo(script);
    assert_int_equal(r.status, 0);
    run_free(&r);
    for (size_t i = 0; i < 4; i++) {
        snprintf(script, sizeof script, "rebuild %s", run_path(files[i]));
        r = RUN("--json", "--store", run_path("other"), "-c", script);
        assert_true(json_is_true(json_object_get(run_last(&r), "same")));
        run_free(&r);
    }
    /* Three settings, compared four times: one calibration, and each measured once. */
    assert_int_equal(files_in("other/calib"), 1);
    assert_int_equal(files_in("other/scores"), 3);
    size_t size = 0;
    char *csv = run_read(run_path("t.csv"), &size);
    assert_non_null(strstr(csv, "mixed: rtn bits=3"));
    assert_non_null(strstr(csv, "on=*.down_proj"));
    free(csv);
    /* What a figure was rebuilt of is not what the session has compared. */
    snprintf(script, sizeof script,
             "compare \"rtn bits=3\" windows=2 length=64; rebuild %s; plot comparison form=table "
             "file=%s",
             run_path("t.csv"), run_path("own.csv"));
    r = run_demo(script);
    assert_int_equal(r.status, 0);
    csv = run_read(run_path("own.csv"), &size);
    assert_non_null(strstr(csv, "RTN, W3"));
    assert_null(strstr(csv, "\nmixed"));
    free(csv);
    run_free(&r);
}

/* A table's own commands make it again without the session: the kept settings that it names
 * are made first, or stand there by their methods. */
static void test_tables_are_rebuilt(void **ctx)
{
    (void)ctx;
    static const char *const calls[] = {
        "compare \"rtn bits={2,3}\" mixed windows=2 length=64",
        "compare mixed 1.q_proj",
        "compare all",
        "allocate bits=3.5 choices=3,4",
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char script[1024];
        snprintf(script, sizeof script,
                 "calibrate windows=1 length=128; method rtn bits=3; %s method rtn bits=4; %s "
                 "file=%s",
                 i < 3 ? "solve all; keep mixed;" : "", calls[i], run_path("table.tex"));
        run r = run_demo(script);
        assert_int_equal(r.status, 0);
        run_free(&r);
        /* A result's seconds are measured anew where the store does not have it. */
        const bool times = i == 1 || i == 2;
        snprintf(script, sizeof script, "rebuild %s", run_path("table.tex"));
        r = times ? run_demo(script) : RUN("--json", "--store", run_path("bare"), "-c", script);
        assert_int_equal(r.status, 0);
        assert_true(json_is_true(json_object_get(run_last(&r), "same")));
        run_free(&r);
    }
}

/* A session knows what was compared last. */
static void test_a_session_has_the_rows(void **ctx)
{
    (void)ctx;
    run r = RUN("--json", "--store", run_path("store"), "--session", run_path("s.planish"), "-c",
                "compare \"rtn bits=4\" windows=2 length=64; method rtn bits=4");
    assert_int_equal(r.status, 0);
    run_free(&r);
    char script[1024];
    snprintf(script, sizeof script, "plot comparison form=table file=%s", run_path("four.csv"));
    r = RUN("--json", "--store", run_path("store"), "--session", run_path("s.planish"), "-c",
            script);
    assert_int_equal(r.status, 0);
    size_t size = 0;
    char *csv = run_read(run_path("four.csv"), &size);
    assert_non_null(strstr(csv, "RTN, W4"));
    free(csv);
    run_free(&r);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"compare windows=2", "compare: needs settings to measure, kept names or lists of methods "
                              "such as \"hadamard; gptq bits=4\""},
        {"compare all windows=2", "compare: no setting is kept: `keep NAME` keeps the present one"},
        {"compare \"hadamrd; gptq\" windows=2",
         "compare: \"hadamrd; gptq\": method: no method is named \"hadamrd\""},
        {"compare \"gptq bits=99\" windows=2", "compare: \"gptq bits=99\": "},
        {"compare \"gptq; solve all\" windows=2",
         "compare: \"gptq; solve all\": `solve` is no part of a setting, expected methods, "
         "`activations` and `kv`"},
        {"compare \"A: ;\" windows=2", "compare: \"A: ;\": expected methods such as gptq bits=4"},
        {"compare \"gptq bits={3,4\" windows=2", "compare: \"gptq bits={3,4\": a { without its }"},
        {"compare \"activations bits=4\" windows=2", "compare: \"activations bits=4\": solve all"},
        {"compare \"rtn\" windows=2 file=t.txt",
         "compare: file=t.txt: expected a name that ends in .csv, .tex or .json"},
        {"compare \"rtn\" on=tasks", "on"},
        {"compare \"rtn\" windows=100000", "windows"},
        {"compare \"rtn\" text=missing.txt", "missing.txt"},
        {"plot pareto file=p.png", "pareto: nothing was compared yet: e.g. `compare "},
        {"compare \"magr on=*.0.self_attn.q_proj\" windows=2 length=64; plot pareto file=p.png",
         "pareto: no compared setting has bits per weight and a finite perplexity: compare "
         "settings with a quantizer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = run_demo(cases[i].script);
        run_check_failed(&r, r.status, cases[i].says);
        assert_int_not_equal(r.status, 0);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_is_what_the_commands_say),
        cmocka_unit_test(test_on_the_originals_inputs),
        cmocka_unit_test(test_numbers_of_numpy),
        cmocka_unit_test(test_the_state_stays),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_figures_are_rebuilt),
        cmocka_unit_test(test_tables_are_rebuilt),
        cmocka_unit_test(test_a_session_has_the_rows),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
