/* A text continued before and after: beside each other over the panes, the token marked at which
 * both part. */
#include "tests/screen/pty.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/temp.h"

static void check_at(int rows, int cols)
{
    pl_temp temp;
    const double patience = 20 * pl_pty_patience();
    pl_temp_init(&temp);
    pl_pty *pty = pl_pty_start(temp.folder, rows, cols, "vt100", "C", NULL);
    pl_pty_wait_text(pty, "Layers", patience);
    pl_pty_send(pty, ":method rtn bits=2\r:solve all\r");
    pl_pty_wait_text(pty, "28 solved", patience);
    pl_pty_send(pty, ":generate 'The king' which=both tokens=40\r");
    pl_pty_wait_text(pty, "they part at token 0: \"", patience);
    bool beside = false, both = false;
    for (int i = 0; i < rows; i++) {
        const char *row = pl_pty_row(pty, i, 0, cols);
        beside = beside || (strstr(row, "before, 40 tokens") != NULL &&
                            strstr(row, " | after, 40 tokens") != NULL);
        const char *left = strstr(row, ">>"), *line = strstr(row, " | ");
        both = both || (left != NULL && line > left && strstr(line, ">>") != NULL);
    }
    assert_true(beside);
    assert_true(both);
    /* Esc closes it, and so does what asks for the next thing. */
    pl_pty_send(pty, "\x1b");
    pl_pty_wait_text(pty, "Tuner", patience);
    pl_pty_send(pty, ":help gap\r");
    pl_pty_wait_text(pty, "Esc closes", patience);
    pl_pty_leave(pty, patience);
    pl_temp_deinit(&temp);
}

static void test_small(void **ctx)
{
    (void)ctx;
    check_at(24, 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
