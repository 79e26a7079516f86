/* The grammar: from a script to commands, from a command to words and keys. */
#include "tests/support/check.h"

#include "app/command.h"

#include <stdlib.h>

/* Checks a script against the commands it holds, NULL-terminated. */
static void check_commands(const char *script, const char *const *expected)
{
    pl_error err;
    for (size_t i = 0;; i++) {
        char *text = NULL;
        pl_check_ok(pl_script_next(&script, &text, &err), err);
        if (expected[i] == NULL) {
            assert_null(text);
            return;
        }
        assert_non_null(text);
        assert_string_equal(text, expected[i]);
        free(text);
    }
}

#define COMMANDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_commands_end(void **ctx)
{
    (void)ctx;
    check_commands("info; layers\nhelp", COMMANDS("info", "layers", "help"));
    check_commands("  info  ;", COMMANDS("info"));
    check_commands(";;\n ; info ;;\r\n;", COMMANDS("info"));
    check_commands("info\r\nlayers\r\n", COMMANDS("info", "layers"));
    check_commands("", COMMANDS(NULL));
    check_commands(" \n;; \t", COMMANDS(NULL));
}

static void test_lines_go_on(void **ctx)
{
    (void)ctx;
    check_commands("plot a \\\n  file=b\ninfo", COMMANDS("plot a     file=b", "info"));
    check_commands("plot a \\\r\n file=b\r\ninfo", COMMANDS("plot a     file=b", "info"));
    check_commands("probe 'a\\\nb'", COMMANDS("probe 'a\\\nb'"));
    check_commands("probe a\\b; info \\", COMMANDS("probe a\\b", "info \\"));
}

static void test_comments(void **ctx)
{
    (void)ctx;
    check_commands("# all of it", COMMANDS(NULL));
    check_commands("#! a; b\ninfo # the rest; layers\nlayers", COMMANDS("info", "layers"));
    check_commands("info;# here\nlayers;#", COMMANDS("info", "layers"));
    check_commands("probe a#b; probe '# c'", COMMANDS("probe a#b", "probe '# c'"));
}

static void test_quotes_hide_separators(void **ctx)
{
    (void)ctx;
    check_commands("probe 'a;b\nc'; probe \"it's; # so\"",
                   COMMANDS("probe 'a;b\nc'", "probe \"it's; # so\""));
    check_commands("probe '\"'; info", COMMANDS("probe '\"'", "info"));
}

static void test_unclosed_quote(void **ctx)
{
    (void)ctx;
    pl_error err;
    char *text = NULL;
    const char *script = "probe \"never";
    assert_int_equal(pl_script_next(&script, &text, &err), PL_ERR_USAGE);
    assert_null(text);
    pl_check_says(err, "unclosed quote: \"never");
    pl_call *call = NULL;
    assert_int_equal(pl_call_parse("probe it's", &call, &err), PL_ERR_USAGE);
    assert_null(call);
    pl_check_says(err, "unclosed quote");
}

static pl_call *parse(const char *text)
{
    pl_error err;
    pl_call *call = NULL;
    pl_check_ok(pl_call_parse(text, &call, &err), err);
    if (strchr(text, '~') == NULL) { /* a path in $HOME is spelled out */
        assert_string_equal(call->text, text);
    }
    return call;
}

static void test_words_then_keys(void **ctx)
{
    (void)ctx;
    pl_call *call = parse("  plot channels\t1.q_proj file='a b.png'  dpi=72 ");
    assert_string_equal(call->command->name, "plot");
    assert_int_equal(call->n_words, 2);
    assert_string_equal(call->words[0], "channels");
    assert_string_equal(call->words[1], "1.q_proj");
    assert_int_equal(call->n_keys, 2);
    assert_string_equal(pl_call_value(call, "file"), "a b.png");
    assert_string_equal(pl_call_value(call, "dpi"), "72");
    assert_null(pl_call_value(call, "width"));
    pl_call_destroy(call);

    pl_error err;
    assert_int_equal(pl_call_parse("plot file=a.png channels", &call, &err), PL_ERR_USAGE);
    pl_check_says(err, "\"channels\"");
    pl_check_says(err, "come first");
}

static void check_probe(const char *typed, const char *meant)
{
    pl_call *call = parse(typed);
    assert_int_equal(call->n_words, 1);
    assert_int_equal(call->n_keys, 0);
    assert_string_equal(call->words[0], meant);
    pl_call_destroy(call);
}

static void test_quoted_words_are_positional(void **ctx)
{
    (void)ctx;
    check_probe("probe 'a=b'", "a=b");
    check_probe("probe a'='b", "a=b");
    check_probe("probe \"a\"=b", "a=b");
    check_probe("probe =b", "=b");
    check_probe("probe ./a=b", "./a=b"); /* no key is named like a path */
    check_probe("probe ''", "");
    check_probe("probe a'b c'\"d\"", "ab cd");
    check_probe("probe 'x\ny'", "x\ny");
}

static void test_values_keep_what_follows_the_first_equals_sign(void **ctx)
{
    (void)ctx;
    pl_call *call = parse("tokenize text=a=b.txt limit='7'");
    assert_string_equal(pl_call_value(call, "text"), "a=b.txt");
    assert_string_equal(pl_call_value(call, "limit"), "7");
    pl_call_destroy(call);
    call = parse("calibrate text=a.txt text= text='c d'");
    assert_int_equal(call->n_keys, 3);
    assert_string_equal(call->values[1], "");
    assert_string_equal(pl_call_value(call, "text"), "c d");
    pl_call_destroy(call);
}

/* A path's `~` is $HOME, in what the call has and in what is recorded of it. */
static void test_paths_in_the_home_folder(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *typed, *value, *text;
    } cases[] = {
        {"calibrate text=~/a.txt windows=2", "/my home/a.txt",
         "calibrate text='/my home/a.txt' windows=2"},
        {"tokenize  text='~/b c' limit=3", "/my home/b c", "tokenize  text='/my home/b c' limit=3"},
        {"tokenize text=a~/b", "a~/b", "tokenize text=a~/b"},
        {"tokenize text=~bob/b", "~bob/b", "tokenize text=~bob/b"},
        {"tokenize text=./~/b", "./~/b", "tokenize text=./~/b"},
    };
    setenv("HOME", "/my home", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_call *call = parse(cases[i].typed);
        assert_string_equal(pl_call_value(call, "text"), cases[i].value);
        assert_string_equal(call->text, cases[i].text);
        pl_call_destroy(call);
    }
    pl_call *call = parse("open ~ inputs=~/x");
    assert_string_equal(call->words[0], "/my home");
    assert_string_equal(pl_call_value(call, "inputs"), "/my home/x");
    assert_string_equal(call->text, "open '/my home' inputs='/my home/x'");
    pl_call_destroy(call);
    call = parse("layers on=~/x"); /* no path */
    assert_string_equal(pl_call_value(call, "on"), "~/x");
    pl_call_destroy(call);
    unsetenv("HOME");
    call = parse("plot channels file=~/x.png");
    assert_string_equal(pl_call_value(call, "file"), "~/x.png");
    pl_call_destroy(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_end),
        cmocka_unit_test(test_lines_go_on),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_quotes_hide_separators),
        cmocka_unit_test(test_unclosed_quote),
        cmocka_unit_test(test_words_then_keys),
        cmocka_unit_test(test_quoted_words_are_positional),
        cmocka_unit_test(test_paths_in_the_home_folder),
        cmocka_unit_test(test_values_keep_what_follows_the_first_equals_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
