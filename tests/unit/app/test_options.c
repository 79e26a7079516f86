#include "tests/support/check.h"

#include "app/options.h"

enum { MOST = 12 };

/* Parses a command line given as words, NULL-terminated, after the program's name. */
static pl_status parse(const char *const *words, pl_options *out, pl_error *err)
{
    static char kept[MOST][64]; /* options borrow from argv */
    char *argv[MOST] = {(char[]){"planish"}};
    int argc = 1;
    for (; *words != NULL; words++, argc++) {
        snprintf(kept[argc], sizeof kept[argc], "%s", *words);
        argv[argc] = kept[argc];
    }
    return pl_options_parse(argc, argv, out, err);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static pl_options accept(const char *const *words)
{
    pl_error err;
    pl_options o;
    pl_check_ok(parse(words, &o, &err), err);
    return o;
}

static void check_words_refused(const char *const *words, const char *says)
{
    pl_error err;
    pl_options o;
    assert_int_equal(parse(words, &o, &err), PL_ERR_USAGE);
    pl_check_says(err, says);
}

static void test_nothing(void **ctx)
{
    (void)ctx;
    pl_options o = accept(WORDS(NULL));
    assert_null(o.model);
    assert_null(o.commands);
    assert_null(o.batch);
    assert_int_equal(o.threads, 0);
    assert_int_equal(o.memory, 0);
    assert_false(o.json || o.help || o.version);
}

static void test_before_and_after_the_model(void **ctx)
{
    (void)ctx;
    const char *const *orders[] = {
        WORDS("--json", "--store", "d", "m", "-c", "info"),
        WORDS("m", "-c", "info", "--store=d", "--json"),
        WORDS("-c", "info", "m", "--json", "--store", "d"),
    };
    for (size_t i = 0; i < 3; i++) {
        pl_options o = accept(orders[i]);
        assert_string_equal(o.model, "m");
        assert_string_equal(o.commands, "info");
        assert_string_equal(o.store, "d");
        assert_true(o.json);
    }
}

static void test_every_option(void **ctx)
{
    (void)ctx;
    pl_options o = accept(
        WORDS("--batch", "f", "--session=s=t", "--threads", "3", "--memory=8G", "--version", "-h"));
    assert_string_equal(o.batch, "f");
    assert_string_equal(o.session, "s=t");
    assert_int_equal(o.threads, 3);
    assert_int_equal(o.memory, (size_t)8 << 30);
    assert_true(o.version);
    assert_true(o.help);
    assert_string_equal(accept(WORDS("--", "-model")).model, "-model");
    assert_string_equal(accept(WORDS("-")).model, "-");
    assert_string_equal(accept(WORDS("-c", "-c")).commands, "-c");
}

static void test_sizes(void **ctx)
{
    (void)ctx;
    assert_int_equal(accept(WORDS("--memory", "512M")).memory, (size_t)512 << 20);
    assert_int_equal(accept(WORDS("--memory", "1.5GiB")).memory, (size_t)3 << 29);
    assert_int_equal(accept(WORDS("--memory", "2g")).memory, (size_t)2 << 30);
    assert_int_equal(accept(WORDS("--memory", "1048576")).memory, 1048576);
    check_words_refused(WORDS("--memory", "8X"), "--memory 8X: expected a size");
    check_words_refused(WORDS("--memory", "nan"), "expected a size");
    check_words_refused(WORDS("--memory", "inf"), "expected a size");
    check_words_refused(WORDS("--memory", "-1G"), "expected a size");
    check_words_refused(WORDS("--memory", "12"), "expected a size");
    check_words_refused(WORDS("--memory="), "expected a size");
    check_words_refused(WORDS("--threads", "0"), "--threads 0: expected a whole number");
    check_words_refused(WORDS("--threads", "two"), "--threads two");
    check_words_refused(WORDS("--threads", "2x"), "--threads 2x");
}

static void test_unknown(void **ctx)
{
    (void)ctx;
    check_words_refused(WORDS("--jsn"), "unknown option --jsn: did you mean --json?");
    check_words_refused(WORDS("--keep-goin"),
                        "unknown option --keep-goin: did you mean --keep-going?");
    check_words_refused(WORDS("--xyzzy"), "unknown option --xyzzy: see planish --help");
    check_words_refused(WORDS("-x"), "unknown option -x");
    check_words_refused(WORDS("--json=yes"), "unknown option --json=yes");
    check_words_refused(WORDS("m", "--stor=d"), "unknown option --stor=d");
    check_words_refused(WORDS("-c"), "-c: needs a value");
    check_words_refused(WORDS("--session"), "--session: needs a value");
    check_words_refused(WORDS("m", "n"), "n: a second model");
    check_words_refused(WORDS("--\033[2J"), "\\x1b");
}

static void test_the_screens(void **ctx)
{
    (void)ctx;
    pl_options o =
        accept(WORDS("--keys", "my.keys", "--theme=safe", "--marks", "ascii", "--mouse=no"));
    assert_string_equal(o.keys, "my.keys");
    assert_string_equal(o.theme, "safe");
    assert_string_equal(o.marks, "ascii");
    assert_string_equal(o.mouse, "no");
    assert_true(accept(WORDS("--actions")).actions);
    check_words_refused(WORDS("--theme", "puce"),
                        "--theme puce: expected dark, light, safe or none");
    check_words_refused(WORDS("--marks=dots"),
                        "--marks dots: expected braille, blocks, ascii or auto");
    check_words_refused(WORDS("--mouse=off"), "--mouse off: expected yes or no");
    check_words_refused(WORDS("--keys"), "--keys: needs a value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),      cmocka_unit_test(test_before_and_after_the_model),
        cmocka_unit_test(test_every_option), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_unknown),      cmocka_unit_test(test_the_screens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
