/* Whatever has a name in a table is explained by `help`, and by no text of its own. */
#include "app/topics.h"
#include "views/topics.h"
#include "views/view.h"

#include <string.h>

#include "tests/support/check.h"

static void count_one(void *ctx, const pl_explained *one)
{
    size_t *count = ctx;
    assert_non_null(one->text);
    assert_int_not_equal(one->text[0], '\0');
    assert_non_null(one->name);
    assert_non_null(one->kind);
    (*count)++;
}

static void expect_topic(const char *name)
{
    size_t count = 0;
    pl_topics_each(name, count_one, &count);
    if (count == 0) {
        fail_msg("help %s: nothing", name);
    }
}

static void test_every_name(void **state)
{
    (void)state;
    size_t params = 0;
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        for (size_t i = 0; i < (*m)->n_params; i++, params++) {
            expect_topic((*m)->params[i].name);
        }
    }
    expect_less(20, params);
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        expect_topic(pl_columns[c].name);
    }
    for (size_t i = 0; pl_told(i) != NULL; i++) {
        expect_topic(pl_told(i)->name);
    }
    for (const pl_screen_view *const *v = pl_views(); *v != NULL; v++) {
        expect_topic((*v)->name);
    }
    for (const pl_topic *t = pl_topics(); t->name != NULL; t++) {
        expect_topic(t->name);
        char other[64];
        for (const char *s = t->also; s != NULL;) {
            const size_t length = strcspn(s, "|");
            snprintf(other, sizeof other, "%.*s", (int)length, s);
            expect_topic(other);
            s = s[length] != '\0' ? s + length + 1 : NULL;
        }
        for (const pl_topic *before = pl_topics(); before != t; before++) {
            assert_string_not_equal(before->name, t->name);
        }
    }
    expect_topic("Group-Max"); /* blanks, - and _ are the same, and so are letters of either case */
    size_t none = 0;
    pl_topics_each("", count_one, &none);
    pl_topics_each("group", count_one, &none);
    assert_int_equal(none, 0);
}

/* Every line of the numbers fits, and none of their words is lost. */
static void test_lines(void **state)
{
    (void)state;
    pl_buf out = {0};
    pl_topics_put_numbers(&out);
    size_t letters = 0, wanted = 0;
    for (const char *s = out.data; *s != '\0'; s++) {
        letters += *s != ' ' && *s != '\n';
    }
    for (const pl_topic *t = pl_topics(); t->name != NULL; t++) {
        for (const char *s = t->name; !t->rare && *s != '\0'; s++) {
            wanted += *s != ' ';
        }
        for (const char *s = t->text; !t->rare && *s != '\0'; s++) {
            wanted += *s != ' ';
        }
    }
    assert_int_equal(letters, wanted);
    for (const char *s = out.data; *s != '\0';) {
        const size_t length = strcspn(s, "\n");
        expect_at_most(length, 84); /* bytes: a few letters take two */
        s += length + (s[length] != '\0');
    }
    pl_buf_deinit(&out);
}

static void test_unknown(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"dampin", "damping"},    {"perplexty", "perplexity"},
                                           {"solv", "solve"},        {"histgram", "histogram"},
                                           {"kurtosys", "kurtosis"}, {"gtpq", "gptq"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pl_error err = {0};
        char said[64];
        snprintf(said, sizeof said, "\"%s\": did you mean %s?", pairs[i][0], pairs[i][1]);
        assert_int_equal(pl_topics_unknown(pairs[i][0], &err), PL_ERR_NOT_FOUND);
        pl_check_says(err, said);
    }
    pl_error err = {0};
    assert_int_equal(pl_topics_unknown("zzzzzzzzz", &err), PL_ERR_NOT_FOUND);
    pl_check_says(err, "named \"zzzzzzzzz\"");
    assert_null(strstr(err.message, "did you mean"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
