/* The command table is consistent, and what is wrong in a call is said with near names. */
#include "tests/support/check.h"

#include "app/command.h"
#include "app/usage.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_name(const char *text)
{
    for (const char *s = text; *s != '\0'; s++) {
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_') {
            return false;
        }
    }
    return text[0] != '\0';
}

static void check_key(const pl_command *command, const pl_key *key)
{
    assert_true(is_name(key->name));
    assert_non_null(key->help);
    assert_int_not_equal(key->help[0], '\0');
    for (const pl_key *other = command->keys; other != key; other++) {
        assert_string_not_equal(other->name, key->name);
    }
    assert_int_equal(key->kind == PL_KEY_CHOICE || key->kind == PL_KEY_VIEW ||
                         key->kind == PL_KEY_FORMAT,
                     pl_key_choices(key) != NULL);
    if (pl_key_choices(key) != NULL && key->initial != NULL) {
        bool found = false;
        for (const char *choice = pl_key_choices(key); *choice != '\0';) {
            size_t length = strcspn(choice, "|");
            expect_less(0, length);
            found = found ||
                    (strlen(key->initial) == length && strncmp(key->initial, choice, length) == 0);
            choice += length + (choice[length] == '|');
        }
        assert_true(found);
    }
}

static void test_what_ends_a_run(void **ctx)
{
    (void)ctx;
    assert_true(pl_text_ends_run("quit"));
    assert_true(pl_text_ends_run("  quit # enough"));
    assert_false(pl_text_ends_run("quite"));
    assert_false(pl_text_ends_run("solve all"));
    assert_false(pl_text_ends_run(""));
}

static void test_table_is_consistent(void **ctx)
{
    (void)ctx;
    size_t count = 0;
    for (const pl_command *const *at = pl_commands(); *at != NULL; at++) {
        const pl_command *c = *at;
        count++;
        assert_true(is_name(c->name));
        assert_ptr_equal(pl_command_find(c->name), c);
        assert_non_null(c->summary);
        assert_int_not_equal(c->summary[0], '\0');
        assert_null(strpbrk(c->summary, "\n\r"));
        assert_non_null(c->positional);
        expect_at_most(c->min_words, c->max_words);
        /* Parameters of the methods in use are keys without a table. */
        assert_true((c->max_words == 0) == (c->positional[0] == '\0') || c->any_key);
        assert_non_null(c->keys);
        assert_true(c->run != NULL || c->apply != NULL || c->on_screen != NULL || c->ends_run);
        assert_true(c->apply != NULL || c->history == PL_HISTORY_NONE ||
                    c->history == PL_HISTORY_STEP);
        for (const pl_key *key = c->keys; key->name != NULL; key++) {
            check_key(c, key);
        }
    }
    expect_at_most(17, count);
    assert_null(pl_command_find(""));
    assert_null(pl_command_find("INFO"));
}

/* Scripts depend on these. */
static void test_promised_commands_are_there(void **ctx)
{
    (void)ctx;
    static const char *const calls[] = {
        "open x",
        "info",
        "layers",
        "tokenize text=f limit=3",
        "calibrate text=f length=512 windows=8",
        "calibrate text=f sample=random seed=3",
        "select x",
        "outliers x side=weight top=8",
        "method astro beta=3e-4 group_size=128 solver=admm iterations=20",
        "method magr beta=3e-4 solver=pgd steps=200 on=*.q_proj",
        "method gptq bits=4 group_size=128 symmetric=yes mse=no scale_dtype=f16 damping=0.01 "
        "act_order=no static_groups=no",
        "method rtn bits=4 symmetric=full",
        "method none slot=transform",
        "solve",
        "solve all",
        "solve all sequential=yes",
        "solve x",
        "perplexity text=f protocol=gptq length=512 windows=20 which=before",
        "probe 'a text'",
        "plot histogram file=f side=weight which=both width=6.4in height=4.8in dpi=300",
        "plot channels file=f",
        "dump gram x file=f",
        "export dir=d format=hf weights=rounded",
        "save",
        "quit",
        "help",
        "help solve",
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        pl_error err;
        pl_call *call = NULL;
        pl_check_ok(pl_call_parse(calls[i], &call, &err), err);
        pl_call_destroy(call);
    }
}

/* What may take long leaves room for what is quick: of every command that takes `all`, too. */
static void test_slow_calls(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *text;
        bool slow;
    } calls[] = {
        {"solve", false},
        {"solve x", false},
        {"solve all", true},
        {"import all", true},
        {"import x after=f", false},
        {"learn", true},
        {"learn pause", false},
        {"plot basin", true},
        {"plot channels", false},
        {"perplexity", true},
        {"layers", false},
        {"filter input_ratio >= 2", false},
        {"sweep beta=1e-5:1e-3:log5", true},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        pl_error err;
        pl_call *call = NULL;
        pl_check_ok(pl_call_parse(calls[i].text, &call, &err), err);
        if (pl_call_is_slow(call) != calls[i].slow) {
            fprintf(stderr, "%s: expected it to be %s\n", calls[i].text,
                    calls[i].slow ? "slow" : "quick");
            fail();
        }
        pl_call_destroy(call);
    }
}

/* What a line without words says is one word, `=` and quotes included. */
static void test_raw_words(void **ctx)
{
    (void)ctx;
    pl_error err;
    pl_call *call = NULL;
    pl_check_ok(pl_call_parse("filter  input_ratio >= 2 and not solved", &call, &err), err);
    assert_int_equal(call->n_words, 1);
    assert_int_equal(call->n_keys, 0);
    assert_string_equal(call->words[0], "input_ratio >= 2 and not solved");
    pl_call_destroy(call);
}

static void check_usage(const char *text, const char *const *says)
{
    pl_error err;
    pl_call *call = NULL;
    assert_int_equal(pl_call_parse(text, &call, &err), PL_ERR_USAGE);
    assert_null(call);
    for (; *says != NULL; says++) {
        pl_check_says(err, *says);
    }
}

#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_unknown_names(void **ctx)
{
    (void)ctx;
    check_usage("calibrat", SAYS("unknown command \"calibrat\"", "`calibrate`"));
    check_usage("outlier", SAYS("`outliers`"));
    check_usage("perplexty x", SAYS("`perplexity`"));
    check_usage("foo", SAYS("unknown command \"foo\"", "`help`")); /* `log` is not near */
    check_usage("xyzzyxyzzy", SAYS("unknown command \"xyzzyxyzzy\"", "`help`"));
    check_usage("a\033[2Jb", SAYS("\\x1b"));
    check_usage("export out", SAYS("export: \"out\" is one word too many; it takes dir, format, ",
                                   "(did you mean dir=out?)"));
    check_usage("export 'my out' dir=x",
                SAYS("export: \"my out\" is one word too many; it takes dir, format, "));
    check_usage("layers 'my rows.csv'", SAYS("(did you mean file='my rows.csv'?)"));
    check_usage("view a b c", SAYS("view: \"b\" is the first of 2 words too many; it takes "
                                   "[VIEW], then "));
    check_usage("method gptq 4", SAYS("method gptq: \"4\" is one word too many", "damping"));
    check_usage("calibrate wiki.txt", SAYS("(did you mean text=wiki.txt?)"));
    check_usage("undo now", SAYS("undo: \"now\" is one word too many; it takes no words"));
    check_usage("method", SAYS("method: expected `method METHOD|none`, found 0 words"));
    check_usage("outliers sid=input",
                SAYS("outliers: unknown key \"sid\"", "side, top", "mean side"));
    check_usage("info text=x", SAYS("info: unknown key \"text\"", "no keys"));
    check_usage("method gptq bit=3",
                SAYS("method gptq: unknown key \"bit\"", "damping", "mean bits"));
    check_usage("method none bits=3", SAYS("unknown key \"bits\""));
}

static void test_word_counts(void **ctx)
{
    (void)ctx;
    check_usage("select a b",
                SAYS("select: \"b\" is one word too many; it takes [LAYER], then channel"));
    check_usage("info all", SAYS("info: \"all\" is one word too many; it takes no words"));
    check_usage("method", SAYS("method: expected `method METHOD|none`"));
    check_usage("outliers top=1 top=2", SAYS("outliers: key \"top\" is given twice"));
    check_usage("'' x", SAYS("unknown command \"\""));
}

static pl_call *parse(const char *text)
{
    pl_error err;
    pl_call *call = NULL;
    pl_check_ok(pl_call_parse(text, &call, &err), err);
    return call;
}

static void check_size(const char *text, const char *key, size_t least, size_t most,
                       const char *says)
{
    pl_error err;
    size_t value = 77;
    pl_call *call = parse(text);
    assert_int_equal(pl_usage_size(call, key, least, most, &value, &err), PL_ERR_USAGE);
    pl_check_says(err, says);
    assert_int_equal(value, 77);
    pl_call_destroy(call);
}

static void test_sizes(void **ctx)
{
    (void)ctx;
    pl_error err;
    size_t value = 0;
    pl_call *call = parse("outliers");
    pl_check_ok(pl_usage_size(call, "top", 1, 100, &value, &err), err);
    assert_int_equal(value, 8);
    pl_call_destroy(call);
    check_size("outliers top=0", "top", 1, 100,
               "outliers: top=0: expected a whole number from 1 to 100");
    check_size("outliers top=101", "top", 1, 100, "from 1 to 100");
    check_size("outliers top=-1", "top", 1, SIZE_MAX, "of at least 1");
    check_size("outliers top=+1", "top", 1, SIZE_MAX, "of at least 1");
    check_size("outliers top=2.5", "top", 1, 100, "top=2.5");
    check_size("outliers top=", "top", 1, 100, "whole number");
    check_size("outliers top=' 3'", "top", 1, 100, "whole number");
    check_size("outliers top=99999999999999999999999", "top", 1, SIZE_MAX, "whole number");
}

static void test_reals_choices_lengths(void **ctx)
{
    (void)ctx;
    pl_error err;
    double value = 0;
    size_t index = 9;
    pl_call *call = parse("plot histogram width=89mm dpi=nan side=input height=3 which=all");
    pl_check_ok(pl_usage_inches(call, "width", &value, &err), err);
    pl_check_close(value, 89 / 25.4, 1e-12, 0);
    assert_int_equal(pl_usage_real(call, "dpi", 30, 2400, &value, &err), PL_ERR_USAGE);
    pl_check_says(err, "plot: dpi=nan: expected a number from 30 to 2400");
    assert_int_equal(pl_usage_inches(call, "height", &value, &err), PL_ERR_USAGE);
    pl_check_says(err, "plot: height=3: expected a length");
    pl_check_ok(pl_usage_choice(call, "side", &index, &err), err);
    assert_int_equal(index, 1);
    assert_int_equal(pl_usage_choice(call, "which", &index, &err), PL_ERR_USAGE);
    pl_check_says(err, "plot: which=all: expected one of before|preconditioned|after|both");
    assert_null(pl_usage_text(call, "file"));
    assert_string_equal(pl_usage_text(call, "order"), "index");
    pl_call_destroy(call);

    call = parse("plot histogram width=4.8in height=9000mm");
    pl_check_ok(pl_usage_inches(call, "width", &value, &err), err);
    pl_check_close(value, 4.8, 1e-12, 0);
    assert_int_equal(pl_usage_inches(call, "height", &value, &err), PL_ERR_USAGE);
    pl_check_ok(pl_usage_real(call, "dpi", 30, 2400, &value, &err), err);
    pl_check_close(value, 300, 0, 0);
    pl_call_destroy(call);
}

static void test_help_names_everything(void **ctx)
{
    (void)ctx;
    pl_buf all = {0};
    pl_help(NULL, &all);
    assert_int_equal(pl_buf_check(&all, NULL), PL_OK);
    for (const pl_command *const *at = pl_commands(); *at != NULL; at++) {
        const pl_command *c = *at;
        pl_buf one = {0};
        pl_help(c, &one);
        assert_non_null(strstr(one.data, c->summary));
        assert_non_null(strstr(all.data, c->summary));
        for (const pl_key *key = c->keys; key->name != NULL; key++) {
            assert_non_null(strstr(one.data, key->help));
        }
        pl_buf_deinit(&one);
    }
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        assert_non_null(strstr(all.data, (*m)->summary));
    }
    pl_buf_deinit(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_consistent),
        cmocka_unit_test(test_what_ends_a_run),
        cmocka_unit_test(test_promised_commands_are_there),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_slow_calls),
        cmocka_unit_test(test_raw_words),
        cmocka_unit_test(test_word_counts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_reals_choices_lengths),
        cmocka_unit_test(test_help_names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
