#include "core/base/task.h"

#include "tests/support/check.h"

#include <stdbool.h>

typedef struct log {
    int turns;
    double done, total;
    const char *what;
    pl_task *cancel_in_turn;
} log;

static void give_way_to_owner(void *ctx)
{
    log *seen = ctx;
    seen->turns++;
    if (seen->cancel_in_turn != NULL) {
        atomic_store(&seen->cancel_in_turn->cancel, true);
    }
}

static void hear(void *ctx, const char *what, double done, double total)
{
    log *seen = ctx;
    seen->what = what;
    seen->done = done;
    seen->total = total;
}

static void no_task_is_never_cancelled(void **state)
{
    (void)state;
    assert_int_equal(pl_task_tick(NULL, NULL), PL_OK);
    pl_task_progress(NULL, "tokens", 1, 2);
    pl_task silent = {0};
    pl_task_progress(&silent, "tokens", 1, 2);
    assert_int_equal(pl_task_tick(&silent, NULL), PL_OK);
}

static void ticks_give_turns_until_cancelled(void **state)
{
    (void)state;
    log seen = {0};
    pl_error err = {0};
    pl_task task = {.give_way = give_way_to_owner, .progress = hear, .ctx = &seen};
    assert_int_equal(pl_task_tick(&task, &err), PL_OK);
    pl_task_progress(&task, "tokens", 3, 4);
    assert_string_equal(seen.what, "tokens");
    expect_close(seen.done, 3, 0);
    expect_close(seen.total, 4, 0);
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_task_tick(&task, &err), PL_ERR_CANCELLED);
    pl_check_says(err, "cancelled");
    assert_int_equal(seen.turns, 1);
}

static void a_turn_may_cancel(void **state)
{
    (void)state;
    log seen = {0};
    pl_task task = {.give_way = give_way_to_owner, .ctx = &seen};
    seen.cancel_in_turn = &task;
    assert_int_equal(pl_task_tick(&task, NULL), PL_ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_task_is_never_cancelled),
        cmocka_unit_test(ticks_give_turns_until_cancelled),
        cmocka_unit_test(a_turn_may_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
