/* tests/screen/own_screen.h -- every test in an empty folder of its own (own_folder), with a
 * program of its own on a terminal: a test starts it as `pty`, and what still runs ends with the
 * test. */
#ifndef PL_TESTS_OWN_SCREEN_H
#define PL_TESTS_OWN_SCREEN_H

#include "tests/screen/pty.h"
#include "tests/support/check.h"
#include "tests/support/own_folder.h"

#define SCREEN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down_screen)

static pl_pty *pty;

static inline int tear_down_screen(void **state)
{
    pl_pty_stop(pty);
    pty = NULL;
    return tear_down(state);
}

/* Seconds after which what is waited for does not come any more. */
static inline double patience(void)
{
    return 10 * pl_pty_patience();
}

#endif
