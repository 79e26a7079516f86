/* Tables of a batch on a terminal: columns are left out rather than wrapped.  A pane follows what a
 * command has found without a change of the state. */
#include "tests/screen/pty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/own_folder.h"

static void check_at(int cols, const char *head, const char *last)
{
    static const char *const args[] = {"-c", "layers top=3", NULL};
    pl_pty *pty = pl_pty_start(own_folder.folder, 24, cols, "xterm-256color", "C.UTF-8", args);
    double seconds = 0;
    assert_int_equal(pl_pty_wait_end(pty, 20 * pl_pty_patience(), &seconds), 0);
    const char *shown = pl_pty_row(pty, 0, 0, cols);
    if (strncmp(shown, head, strlen(head)) != 0) {
        fail_msg("%d columns: %s", cols, shown);
    }
    shown = pl_pty_row(pty, 4, 0, cols);
    assert_int_equal(strncmp(shown, last, strlen(last)), 0);
    pl_pty_stop(pty);
}

static void test_narrow_and_wide(void **state)
{
    (void)state;
    check_at(80, "name                             rows  cols  weight_max  weight_ratio        ",
             "(wider than the terminal: without input_ratio, method, sqnr, bits_per_weight)");
    check_at(160,
             "name                             rows  cols  weight_max  weight_ratio  input_ratio  "
             "method  sqnr  bits_per_weight",
             "        ");
}

/* `outlier_in` and `of` say one thing together: both are there or none. */
static void test_columns_that_belong_together(void **state)
{
    (void)state;
    static const char *const args[] = {"-c", "outliers all top=3", NULL};
    for (int cols = 80; cols <= 160; cols += 40) {
        pl_pty *pty = pl_pty_start(own_folder.folder, 24, cols, "xterm-256color", "C.UTF-8", args);
        double seconds = 0;
        assert_int_equal(pl_pty_wait_end(pty, 20 * pl_pty_patience(), &seconds), 0);
        const char *head = pl_pty_row(pty, 0, 0, cols);
        const bool of = strstr(head, " of ") != NULL || strstr(head, "  of") != NULL;
        assert_int_equal(of, strstr(head, "outlier_in") != NULL);
        pl_pty_stop(pty);
    }
}

/* The figure that could not be made before is there behind the command that it names. */
static void test_pane_follows_allocate(void **state)
{
    (void)state;
    const double patience = 20 * pl_pty_patience();
    pl_pty *pty = pl_pty_start(own_folder.folder, 24, 80, "xterm-256color", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "Layers", patience);
    pl_pty_send(pty, ":method rtn bits=3; view main=allocation\r");
    pl_pty_wait_text(pty, "nothing is allocated under", patience);
    pl_pty_send(pty, ":allocate bits=3 metric=error set=no\r");
    pl_pty_wait_text(pty, "; nothing is set", patience);
    pl_pty_send(pty, "\x1b");
    pl_pty_wait_text(pty, "the same for all: W2, W3, W4", patience);
    pl_pty_leave(pty, patience);
}

/* compare on=tasks: its table stands below the text, means before tasks. */
static void test_compare_on_tasks(void **state)
{
    (void)state;
    const double patience = 20 * pl_pty_patience();
    char line[1200];
    snprintf(
        line, sizeof line,
        ":compare 'rtn bits={3,4}' windows=1 length=64 limit=2 "
        "tasks=%s/tests/golden/tasks/winogrande.jsonl tasks=%s/tests/golden/tasks/piqa.jsonl\r",
        getenv("PLANISH_SOURCE_ROOT"), getenv("PLANISH_SOURCE_ROOT"));
    pl_pty *pty = pl_pty_start(own_folder.folder, 24, 80, "xterm-256color", "C.UTF-8", NULL);
    pl_pty_wait_text(pty, "Layers", patience);
    pl_pty_send(pty, line);
    pl_pty_wait_text(pty, "2 settings measured, ", patience);
    pl_pty_wait_text(pty, "highest mean acc 0.", patience);
    pl_pty_send(pty, "\x1b");
    pl_pty_wait_text(pty, "mean norm", patience);
    pl_pty_wait_text(pty, " RTN, W4", patience);
    pl_pty_leave(pty, patience);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_narrow_and_wide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_columns_that_belong_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pane_follows_allocate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compare_on_tasks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
