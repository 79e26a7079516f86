/* Tables as files: LaTeX that is rebuilt from its own comment, CSV, and what is no table. */
#include "tests/e2e/run_planish.h"

#include <math.h>
#include <stdlib.h>

static const char *const writers[] = {"layers columns=all top=4", "outliers all top=4",
                                      "plot outliers 1.q_proj side=input"};

/* Every brace closes, every row ends, and no sign of LaTeX's stands bare outside comments. */
static void check_latex(const char *tex, size_t rows)
{
    const char *at = strstr(tex, "\\begin{tabular}{");
    assert_non_null(at);
    assert_memory_equal(tex, "% Planish-Commands: ", 20);
    int depth = 0;
    size_t ends = 0;
    for (; *at != '\0'; at++) {
        if (*at == '\\') {
            ends += at[1] == '\\';
            at++;
            continue;
        }
        depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
        expect_at_most(0, depth);
        assert_null(strchr("%#~_", *at));
    }
    assert_int_equal(depth, 0);
    assert_int_equal(ends, rows + 1);
    assert_non_null(strstr(tex, "\\toprule\n"));
    assert_non_null(strstr(tex, "\\midrule\n"));
    assert_non_null(strstr(tex, "\\bottomrule\n\\end{tabular}\n"));
}

static void test_latex(void **ctx)
{
    (void)ctx;
    char script[1024];
    for (size_t i = 0; i < 3; i++) {
        snprintf(script, sizeof script, "%s file=%s", writers[i], run_path("t.tex"));
        run r = run_demo(script);
        run_check_keys(run_last(&r), "file");
        run_free(&r);
        char *tex = run_read(run_path("t.tex"), NULL);
        check_latex(tex, i < 2 ? 4 : 24);
        const char *made = i < 2 ? writers[i] : "plot outliers side=input width=6.4in dpi=300";
        assert_non_null(strstr(strstr(tex, made), "\n% Planish-Model: demo "));
        assert_null(strstr(tex, run_folder()));
        free(tex);
    }
    snprintf(script, sizeof script, "rebuild %s", run_path("t.tex"));
    run r = RUN("--json", "--store", run_path("other-store"), "-c", script);
    assert_true(json_is_true(json_object_get(run_last(&r), "same")));
    run_free(&r);
}

/* A value with blanks or signs of the grammar stands in quotes, so that its commands run again. */
static void test_values_in_quotes(void **ctx)
{
    (void)ctx;
    char script[1024];
    snprintf(script, sizeof script, "layers on='*1.*[q k;]_proj' file=%s", run_path("q.tex"));
    run r = run_demo(script);
    run_check_keys(run_last(&r), "file");
    run_free(&r);
    char *tex = run_read(run_path("q.tex"), NULL);
    char *line = strstr(tex, "layers on='*1.*[q k;]_proj'\n");
    assert_non_null(line);
    *strchr(line, '\n') = '\0';
    r = run_demo(line);
    expect_less(0, json_array_size(json_object_get(run_last(&r), "layers")));
    run_free(&r);
    free(tex);
}

static void check_refused(const char *script, const char *file, const char *says)
{
    char whole[1024];
    snprintf(whole, sizeof whole, "%s file=%s", script, run_path(file));
    run r = run_demo(whole);
    run_check_failed(&r, 1, says);
    run_free(&r);
}

static void test_what_is_no_table(void **ctx)
{
    (void)ctx;
    check_refused("layers", "t.txt", "t.txt: expected a name that ends in .csv, .tex or .json");
    check_refused("plot channels 1.q_proj which=before", "c.tex",
                  "c.tex: only one table becomes .tex, expected a name that ends in .png");
    check_refused("figure 1x2 outliers outliers", "c.tex", "only one table becomes .tex");
    check_refused("plot channels 1.q_proj which=before", "c.jpg", "or of a table in .tex");
}

/* The demo has no massive activations; what comes nearest is said with its place and words. */
static void test_nearest_massive(void **ctx)
{
    (void)ctx;
    run r = run_demo("massive; outliers 1.q_proj top=1");
    const json_t *result = run_result(&r, 0);
    run_check_keys(json_object_get(result, "thresholds"), "value median_ratio");
    assert_int_equal(json_array_size(json_object_get(result, "activations")), 0);
    const json_t *nearest = json_object_get(result, "nearest");
    run_check_keys(nearest, "block channel value median token_position token_id token window "
                            "window_position context median_ratio");
    const double ratio = run_number(nearest, "median_ratio");
    pl_check_close(ratio, fabs(run_number(nearest, "value")) / run_number(nearest, "median"), 1e-6,
                   0);
    expect_less(1, ratio);
    if (ratio > 1000) {
        expect_at_most(fabs(run_number(nearest, "value")), 100);
    }
    const json_t *row = json_array_get(json_object_get(run_result(&r, 1), "channels"), 0);
    const double at = run_number(row, "token_position");
    pl_check_close(run_number(row, "window") * 512 + run_number(row, "window_position"), at, 0, 0);
    assert_string_equal(json_string_value(json_object_get(row, "context")),
                        "\u2026orn of Ald[er] End\\nE\u2026");
    run_free(&r);
    r = RUN("-c", "massive");
    assert_int_equal(strncmp(r.out, "none above 1,000 x the median and 100; nearest: ", 48), 0);
    run_free(&r);
}

static void test_no_layer_matches(void **ctx)
{
    (void)ctx;
    run r = run_demo("outliers all on=*.typo");
    run_check_failed(&r, 1, "outliers: no layer matches on=*.typo");
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_layer_matches), cmocka_unit_test(test_latex),
        cmocka_unit_test(test_values_in_quotes), cmocka_unit_test(test_what_is_no_table),
        cmocka_unit_test(test_nearest_massive),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
