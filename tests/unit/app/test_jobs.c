/* What Esc cancels, of what runs and what waits. */
#include "app/workbench/jobs.h"

#include "tests/support/check.h"

/* In order of submission; returns the place of what Esc cancels, or n. */
static size_t cancelled(pl_screen_job *list, size_t n)
{
    pl_jobs jobs = {.first = n > 0 ? list : NULL};
    for (size_t i = 0; i < n; i++) {
        list[i].next = i + 1 < n ? &list[i + 1] : NULL;
    }
    const pl_screen_job *job = pl_jobs_to_cancel(&jobs);
    return job != NULL ? (size_t)(job - list) : n;
}

#define CANCELLED(...)                                                                             \
    cancelled((pl_screen_job[]){__VA_ARGS__},                                                      \
              sizeof((pl_screen_job[]){__VA_ARGS__}) / sizeof(pl_screen_job))
#define COMMAND                                                                                    \
    {                                                                                              \
        .kind = PL_JOB_KIND_COMMAND                                                                \
    }
#define COMMAND_AT(amount)                                                                         \
    {                                                                                              \
        .kind = PL_JOB_KIND_COMMAND, .shown = {.share = (amount) }                                 \
    }
#define SCORES                                                                                     \
    {                                                                                              \
        .kind = PL_JOB_KIND_SCORES                                                                 \
    }
#define URGENT_SCORES                                                                              \
    {                                                                                              \
        .kind = PL_JOB_KIND_SCORES, .urgent = true                                                 \
    }
#define PREPARE                                                                                    \
    {                                                                                              \
        .kind = PL_JOB_KIND_PREPARE                                                                \
    }
#define LIVE                                                                                       \
    {                                                                                              \
        .kind = PL_JOB_KIND_LIVE, .urgent = true                                                   \
    }

static void test_what_runs(void **state)
{
    (void)state;
    assert_int_equal(CANCELLED(COMMAND, COMMAND), 0);
    assert_int_equal(CANCELLED(COMMAND, COMMAND_AT(0.1)), 1);
    assert_int_equal(CANCELLED(COMMAND_AT(0.1), COMMAND), 0);
    assert_int_equal(CANCELLED(PREPARE, COMMAND), 1);
    assert_int_equal(CANCELLED(PREPARE), 0);
    assert_int_equal(CANCELLED(COMMAND, LIVE), 1);
    assert_int_equal(CANCELLED(COMMAND_AT(0.1), LIVE), 1);
}

/* Nobody sees the screen's own jobs in the header: Esc is for the first of the others. */
static void test_behind_the_screens_own(void **state)
{
    (void)state;
    assert_int_equal(CANCELLED(SCORES, COMMAND, COMMAND), 1);
    assert_int_equal(CANCELLED(SCORES, COMMAND, SCORES, COMMAND), 1);
    assert_int_equal(CANCELLED(COMMAND, COMMAND, URGENT_SCORES), 0);
    assert_int_equal(CANCELLED(SCORES), 1);
    assert_int_equal(CANCELLED(SCORES, URGENT_SCORES), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_runs),
        cmocka_unit_test(test_behind_the_screens_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
