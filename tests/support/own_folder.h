/* tests/support/own_folder.h -- every test in an empty folder of its own: give set_up and tear_down
 * to cmocka_unit_test_setup_teardown; a test finds it as own_folder or *state.  What a test leaves
 * running there is ended by before_tear_down, where that is set. */
#ifndef PL_TESTS_OWN_FOLDER_H
#define PL_TESTS_OWN_FOLDER_H

#include "tests/support/temp.h"

static pl_temp own_folder;
static void (*before_tear_down)(void);

static inline int set_up(void **state)
{
    pl_temp_init(&own_folder);
    *state = &own_folder;
    return 0;
}

static inline int tear_down(void **state)
{
    if (before_tear_down != NULL) {
        before_tear_down();
    }
    pl_temp_deinit(*state);
    return 0;
}

#endif
