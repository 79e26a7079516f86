/* Which layers a filter lists, and what it says of text that is none. */
#include "views/filter.h"

#include <math.h>
#include <string.h>

#include "tests/support/check.h"

static const pl_filter_layer q15 = {
    .names = {"model.layers.15.self_attn.q_proj", "15.self_attn.q_proj", "15.q_proj"},
    .values = {[PL_COLUMN_INPUT_RATIO] = 14.1,
               [PL_COLUMN_WEIGHT_RATIO] = 2.75,
               [PL_COLUMN_WEIGHT_MAX] = 2.41,
               [PL_COLUMN_GAP] = 5.6e-4,
               [PL_COLUMN_ERROR] = 8.3e-3,
               [PL_COLUMN_BLOCK] = 15},
    .solved = true,
    .tags = "fragile later",
};
static const pl_filter_layer down5 = {
    .names = {"model.layers.5.mlp.down_proj", "5.mlp.down_proj", "5.down_proj"},
    .values = {[PL_COLUMN_INPUT_RATIO] = NAN,
               [PL_COLUMN_WEIGHT_RATIO] = 9,
               [PL_COLUMN_WEIGHT_MAX] = 1.5,
               [PL_COLUMN_GAP] = NAN,
               [PL_COLUMN_ERROR] = NAN,
               [PL_COLUMN_BLOCK] = 5},
};

static bool passes(const char *text, const pl_filter_layer *layer)
{
    pl_filter *filter = NULL;
    pl_error err = {0};
    pl_check_ok(pl_filter_parse(text, &filter, &err), err);
    bool matched = pl_filter_matches(filter, layer);
    pl_filter_destroy(filter);
    return matched;
}

static void check(const char *text, bool first, bool second)
{
    if (passes(text, &q15) != first || passes(text, &down5) != second) {
        fprintf(stderr, "filter \"%s\"\n", text);
        fail();
    }
}

static void test_names(void **state)
{
    (void)state;
    check("", true, true);
    check("   ", true, true);
    check("q_proj", true, false);
    check("Q_PROJ", true, false);
    check("proj", true, true);
    check("15.*", true, false);
    check("*.down_proj", false, true);
    check("5.*", false, true);
    check("1[0-9].*", true, false);
    check("mlp", false, true);
    check("nothing", false, false);
    check("tag:later", true, false);
    check("tag:Fragile and not solved", false, false);
    check("tag:late", false, false);
    check("not tag:later", false, true);
    check("q_proj or down", true, true);
    check("not mlp", true, false);
}

static void test_scores(void **state)
{
    (void)state;
    check("input_ratio > 14", true, false);
    check("input_ratio>14", true, false);
    check("input_ratio <= 14", false, false); /* not known is neither */
    check("weight_ratio >= 2.75", true, true);
    check("weight_ratio < 2.75", false, false);
    check("weight_max>=2 and input_ratio<5", false, false);
    check("weight_max >= 1.5", true, true);
    check("weight_max = 1.5", false, true);
    check("weight_max == 1.5", false, true);
    check("weight_max != 1.5", true, false);
    check("gap < 1e-3", true, false);
    check("gap < 0.1%", true, false);
    check("error > 0", true, false);
    check("error != 7", true, false);
    check("block >= 10", true, false);
    check("solved", true, false);
    check("not solved", false, true);
}

static void test_precedence(void **state)
{
    (void)state;
    check("mlp or q_proj and weight_max > 100", false, true);
    check("(mlp or q_proj) and weight_max > 100", false, false);
    check("not mlp and solved", true, false);
    check("not (mlp or solved)", false, false);
    check("not not mlp", false, true);
    check("15.* and input_ratio > 10 or block = 5", true, true);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"input_ratio", "filter: expected > >= < <= = or != at the end"},
        {"input_ratio 20", "filter: expected > >= < <= = or !=, not \"20\""},
        {"input_ratio >", "filter: expected a number at the end"},
        {"input_ratio > much", "filter: expected a number, not \"much\""},
        {"input_ratio > 20x", "filter: expected a number, not \"20x\""},
        {"input_ratio > nan", "filter: expected a number, not \"nan\""},
        {"input_ratio ! 3", "filter: expected > >= < <= = or !=, not \"!\""},
        {"input_ratoi > 20",
         "filter: no column is named \"input_ratoi\": did you mean input_ratio?"},
        {"zzzzzzzz > 20", "filter: no column is named \"zzzzzzzz\", expected input_ratio, "
                          "weight_ratio, weight_max, weight_outliers, kurtosis, input_max, "
                          "input_outliers, massive, error, rounded_error, output_error, gap, "
                          "times_least, kl, kl_estimate, bits_per_weight, seconds or block"},
        {"> 20", "filter: expected a name or a column, not \">\""},
        {"q_proj and", "filter: expected a name or a column at the end"},
        {"and", "filter: expected a name or a column, not \"and\""},
        {"q_proj k_proj", "filter: expected \"and\" or \"or\", not \"k_proj\""},
        {"not soled", "filter: \"soled\": did you mean solved?"},
        {"(q_proj", "filter: expected \")\" at the end"},
        {"q_proj)", "filter: expected \"and\" or \"or\", not \")\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_filter *filter = NULL;
        pl_error err = {0};
        assert_int_equal(pl_filter_parse(cases[i].text, &filter, &err), PL_ERR_USAGE);
        assert_null(filter);
        assert_string_equal(err.message, cases[i].sentence);
    }
}

static void test_limits(void **state)
{
    (void)state;
    pl_filter *filter = NULL;
    pl_error err = {0};
    char text[2048] = "";
    for (int i = 0; i < 100; i++) {
        strcat(text, "(");
    }
    assert_int_equal(pl_filter_parse(text, &filter, &err), PL_ERR_USAGE);
    assert_non_null(strstr(err.message, "nested"));
    text[0] = '\0';
    for (int i = 0; i < 100; i++) {
        strcat(text, i > 0 ? " or q" : "q");
    }
    assert_int_equal(pl_filter_parse(text, &filter, &err), PL_ERR_USAGE);
    assert_non_null(strstr(err.message, "terms"));
    memset(text, 'x', 500);
    text[500] = '\0';
    assert_int_equal(pl_filter_parse(text, &filter, &err), PL_ERR_USAGE);
    assert_non_null(strstr(err.message, "longer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_scores),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
