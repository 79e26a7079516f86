/* The line and its editor: the same keys give the same text with either library. */
#include "app/workbench/line.h"
#include "core/base/file.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *waiting = "";
static char *entered;

static int next_byte(void)
{
    return *waiting != '\0' ? (unsigned char)*waiting++ : EOF;
}

static bool bytes_wait(void)
{
    return *waiting != '\0';
}

/* Tab ends the word as a file's name would be. */
static void complete(void)
{
    pl_line_replace(pl_line_cursor(), pl_line_cursor(), "ö.npy ", pl_line_cursor() + 7);
}

static void on_line(char *line)
{
    free(entered);
    entered = line;
}

static const pl_line_hooks hooks = {next_byte, bytes_wait, complete, on_line};

static void type(const char *keys)
{
    waiting = keys;
    while (bytes_wait()) {
        pl_line_read();
    }
}

static void expect_line(const char *text, size_t cursor)
{
    assert_string_equal(pl_line_text(), text);
    assert_int_equal(pl_line_length(), strlen(text));
    assert_int_equal(pl_line_cursor(), cursor);
}

static void enter(const char *keys, const char *want)
{
    pl_line_open("");
    type(keys);
    type("\r");
    assert_non_null(entered);
    assert_string_equal(entered, want);
    pl_line_remember(entered);
    free(entered);
    entered = NULL;
}

static int start(void **state)
{
    pl_temp *temp = malloc(sizeof *temp);
    assert_non_null(temp);
    pl_temp_init(temp);
    *state = temp;
    return 0;
}

static int stop(void **state)
{
    pl_temp_deinit(*state);
    free(*state);
    return 0;
}

static void a_line_is_edited(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_check_ok(pl_line_start(&hooks, NULL, &err), err);
    pl_line_open("so");
    expect_line("so", 2);
    assert_string_equal(pl_line_lead(), ":");
    type("lve 1.q_prö\x01"); /* Ctrl-A */
    expect_line("solve 1.q_prö", 0);
    type("\x06\x06\x04\x05!\x02\x7f"); /* Ctrl-F twice, Ctrl-D, Ctrl-E, Ctrl-B, backspace */
    expect_line("sove 1.q_pr!", 11);
    type("\x01\033f\x0b"); /* Ctrl-A, Alt-F, Ctrl-K */
    expect_line("sove", 4);
    type("\x19"); /* Ctrl-Y */
    expect_line("sove 1.q_pr!", 12);
    type("\x17"); /* Ctrl-W */
    expect_line("sove ", 5);
    type("W\t");
    expect_line("sove Wö.npy ", 13);
    pl_line_replace(0, 4, "öpen", 5);
    expect_line("öpen Wö.npy ", 5);
    pl_line_replace(5, 5, "", 99);
    expect_line("öpen Wö.npy ", 14);
    pl_line_replace(6, 14, "", 0);
    expect_line("öpen ", 0);
    type("\x05x\x15"); /* Ctrl-E, Ctrl-U */
    expect_line("", 0);
    pl_line_close();
    pl_line_open("");
    expect_line("", 0);
    char many[700];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    type(many); /* more than a screen is wide, or high */
    expect_line(many, sizeof many - 1);
    pl_line_close();
    assert_null(entered);
    pl_line_stop();
}

static void the_history_is_kept(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    const char *path = pl_temp_path(temp, "history");
    pl_temp_write(temp, "history", "open x\nsolve\n", 13);
    pl_check_ok(pl_line_start(&hooks, path, &err), err);
    pl_line_open("");
    type("\x10"); /* Ctrl-P */
    expect_line("solve", 5);
    type("\x10");
    expect_line("open x", 6);
    type("\x0e"); /* Ctrl-N */
    expect_line("solve", 5);
    pl_line_close();
    enter("compare \"a b\" \\", "compare \"a b\" \\");
    enter("compare \"a b\" \\", "compare \"a b\" \\"); /* not twice in a row */
    enter("öffnen", "öffnen");
    pl_line_stop();
    char *text = NULL;
    size_t size = 0;
    pl_check_ok(pl_file_read_all(path, 1000, &text, &size, &err), err);
    assert_string_equal(text, "open x\nsolve\ncompare \"a b\" \\\nöffnen\n");
    free(text);
    /* The next start has it, and keeps the newest 2000 lines. */
    pl_buf lines = {0};
    for (int i = 0; i < 2500; i++) {
        pl_buf_printf(&lines, "line %d\n", i);
    }
    pl_temp_write(temp, "history", lines.data, lines.size);
    pl_buf_deinit(&lines);
    pl_check_ok(pl_line_start(&hooks, path, &err), err);
    pl_line_open("");
    type("\x10\x10");
    expect_line("line 2498", 9);
    pl_line_close();
    pl_line_stop();
    pl_check_ok(pl_file_read_all(path, 100000, &text, &size, &err), err);
    assert_int_equal(strncmp(text, "line 500\n", 9), 0);
    assert_non_null(strstr(text, "\nline 2499\n"));
    free(text);
}

static void the_library_says_its_licence(void **state)
{
    (void)state;
    const bool readline = strncmp(pl_line_library(), "Readline ", 9) == 0;
    assert_true(readline || strncmp(pl_line_library(), "editline ", 9) == 0);
    assert_int_equal(readline, strstr(pl_line_licence(), "GNU General Public License") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_edited),
        cmocka_unit_test_setup_teardown(the_history_is_kept, start, stop),
        cmocka_unit_test(the_library_says_its_licence),
    };
    /* As the program: editline inserts what is a letter here. */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
