#include "core/base/clock.h"
#include "tests/support/check.h"

#include "core/jobs/worker.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What the jobs of a test did, in order. */
typedef struct journal {
    atomic_int count;
    char entries[32];
    atomic_bool go; /* lets a job that waits end */
} journal;

typedef struct note {
    journal *journal;
    char letter;
} note;

static void write_down(journal *j, char letter)
{
    j->entries[atomic_fetch_add(&j->count, 1)] = letter;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static pl_status quick(void *arg, pl_task *task, pl_error *err)
{
    (void)task;
    (void)err;
    note *n = arg;
    write_down(n->journal, n->letter);
    return PL_OK;
}

/* Ticks until it may end; lower case when it starts, the letter when it ends. */
static pl_status patient(void *arg, pl_task *task, pl_error *err)
{
    note *n = arg;
    write_down(n->journal, (char)(n->letter | 0x20));
    while (!atomic_load(&n->journal->go)) {
        pl_status status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
        nap();
    }
    write_down(n->journal, n->letter);
    return PL_OK;
}

static pl_status failing(void *arg, pl_task *task, pl_error *err)
{
    (void)arg;
    (void)task;
    return pl_error_set(err, PL_ERR_STATE, "not today");
}

static pl_worker *start(void)
{
    pl_error err;
    pl_worker *worker = NULL;
    pl_check_ok(pl_worker_create(&worker, &err), err);
    return worker;
}

/* The next done event; progress is skipped. */
static pl_job_event next_done(pl_worker *worker)
{
    pl_job_event event = {0};
    do {
        pl_worker_wait(worker);
        assert_true(pl_worker_next(worker, &event));
    } while (!event.done);
    return event;
}

static void wait_for(journal *j, int count)
{
    while (atomic_load(&j->count) < count) {
        nap();
    }
}

static void test_jobs_run_in_order(void **ctx)
{
    (void)ctx;
    journal j = {0};
    note notes[3] = {{&j, 'A'}, {&j, 'B'}, {&j, 'C'}};
    pl_worker *worker = start();
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(pl_worker_submit(worker, PL_JOB_ORDINARY, "quick", NULL, quick, &notes[i]),
                         i + 1);
    }
    for (uint64_t i = 0; i < 3; i++) {
        pl_job_event event = next_done(worker);
        assert_int_equal(event.job, i + 1);
        assert_int_equal(event.status, PL_OK);
        assert_ptr_equal(event.arg, &notes[i]);
        assert_string_equal(event.name, "quick");
    }
    assert_string_equal(j.entries, "ABC");
    pl_job_event none;
    assert_false(pl_worker_next(worker, &none));
    pl_worker_destroy(worker, NULL);
}

static void test_events_wake_poll(void **ctx)
{
    (void)ctx;
    journal j = {0};
    note n = {&j, 'A'};
    pl_job_event event;
    pl_worker *worker = start();
    struct pollfd waiting = {.fd = pl_worker_fd(worker), .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 0), 0);
    assert_false(pl_worker_next(worker, &event));
    assert_int_not_equal(pl_worker_submit(worker, PL_JOB_ORDINARY, "quick", NULL, quick, &n), 0);
    assert_int_equal(poll(&waiting, 1, 10000), 1);
    assert_true(pl_worker_next(worker, &event));
    assert_true(event.done);
    assert_int_equal(poll(&waiting, 1, 0), 0);
    pl_worker_destroy(worker, NULL);
}

static void test_urgent_runs_inside_a_tick(void **ctx)
{
    (void)ctx;
    journal j = {0};
    note long_one = {&j, 'L'};
    note ordinary = {&j, 'O'};
    note urgent[2] = {{&j, 'U'}, {&j, 'V'}};
    pl_worker *worker = start();
    uint64_t first = pl_worker_submit(worker, PL_JOB_ORDINARY, "long", NULL, patient, &long_one);
    wait_for(&j, 1);
    pl_worker_submit(worker, PL_JOB_ORDINARY, "later", NULL, quick, &ordinary);
    uint64_t second = pl_worker_submit(worker, PL_JOB_URGENT, "knob", NULL, quick, &urgent[0]);
    assert_int_equal(next_done(worker).job, second);
    assert_string_equal(j.entries, "lU");
    uint64_t third = pl_worker_submit(worker, PL_JOB_URGENT, "knob", NULL, quick, &urgent[1]);
    assert_int_equal(next_done(worker).job, third);
    atomic_store(&j.go, true);
    assert_int_equal(next_done(worker).job, first);
    next_done(worker);
    assert_string_equal(j.entries, "lUVLO");
    pl_worker_destroy(worker, NULL);
}

static void test_cancel_running_and_queued(void **ctx)
{
    (void)ctx;
    journal j = {0};
    note running = {&j, 'R'};
    note queued = {&j, 'Q'};
    pl_job_event ended = {0};
    pl_worker *worker = start();
    uint64_t first = pl_worker_submit(worker, PL_JOB_ORDINARY, "running", NULL, patient, &running);
    uint64_t second = pl_worker_submit(worker, PL_JOB_ORDINARY, "queued", NULL, quick, &queued);
    wait_for(&j, 1);
    pl_worker_cancel(worker, 99);
    /* What waits ends at once, though what runs goes on. */
    pl_worker_cancel(worker, second);
    assert_true(pl_worker_next(worker, &ended));
    assert_int_equal(ended.job, second);
    assert_true(ended.done);
    assert_ptr_equal(ended.arg, &queued);
    assert_string_equal(ended.name, "queued");
    assert_int_equal(ended.status, PL_ERR_CANCELLED);
    assert_int_equal(ended.error.code, PL_ERR_CANCELLED);
    pl_worker_cancel(worker, second);
    assert_false(pl_worker_next(worker, &ended));
    uint64_t third = pl_worker_submit(worker, PL_JOB_ORDINARY, "third", NULL, quick, &queued);
    pl_worker_cancel(worker, first);
    ended = next_done(worker);
    assert_int_equal(ended.job, first);
    assert_int_equal(ended.status, PL_ERR_CANCELLED);
    ended = next_done(worker);
    assert_int_equal(ended.job, third);
    assert_int_equal(ended.status, PL_OK);
    assert_string_equal(j.entries, "rQ");
    pl_worker_destroy(worker, NULL);
}

static void test_cancelling_the_urgent_one_spares_the_other(void **ctx)
{
    (void)ctx;
    journal j = {0};
    journal k = {0};
    note outer = {&j, 'A'};
    note inner = {&k, 'B'};
    pl_worker *worker = start();
    uint64_t first = pl_worker_submit(worker, PL_JOB_ORDINARY, "outer", NULL, patient, &outer);
    wait_for(&j, 1);
    uint64_t second = pl_worker_submit(worker, PL_JOB_URGENT, "inner", NULL, patient, &inner);
    wait_for(&k, 1);
    pl_worker_cancel(worker, second);
    pl_job_event event = next_done(worker);
    assert_int_equal(event.job, second);
    assert_int_equal(event.status, PL_ERR_CANCELLED);
    atomic_store(&j.go, true);
    event = next_done(worker);
    assert_int_equal(event.job, first);
    assert_int_equal(event.status, PL_OK);
    pl_worker_destroy(worker, NULL);
}

static void test_failure_brings_its_sentence(void **ctx)
{
    (void)ctx;
    pl_worker *worker = start();
    pl_worker_submit(worker, PL_JOB_ORDINARY, "failing", NULL, failing, NULL);
    pl_job_event event = next_done(worker);
    assert_int_equal(event.status, PL_ERR_STATE);
    pl_check_says(event.error, "not today");
    pl_worker_destroy(worker, NULL);
}

static pl_status counting(void *arg, pl_task *task, pl_error *err)
{
    (void)arg;
    (void)err;
    for (int i = 0; i <= 20; i++) {
        pl_task_progress(task, "tokens", i, 20);
        nap();
        nap();
        nap();
    }
    return PL_OK;
}

static void test_progress_is_coalesced(void **ctx)
{
    (void)ctx;
    pl_worker *worker = start();
    journal j = {.go = true};
    note after = {&j, 'A'};
    uint64_t job = pl_worker_submit(worker, PL_JOB_ORDINARY, "counting", NULL, counting, NULL);
    pl_worker_submit(worker, PL_JOB_ORDINARY, "quick", NULL, quick, &after);
    wait_for(&j, 1);
    pl_job_event event;
    assert_true(pl_worker_next(worker, &event)); /* all that was said, in one */
    assert_false(event.done);
    assert_int_equal(event.job, job);
    expect_at_most(20, event.amount);
    expect_at_most(20, event.total);
    pl_check_close(event.share, 1, 0, 0);
    assert_string_equal(event.what, "tokens");
    expect_less(0.02, event.seconds);
    assert_true(pl_worker_next(worker, &event));
    assert_true(event.done);
    assert_int_equal(event.job, job);
    pl_worker_destroy(worker, NULL);
}

static atomic_int dropped;

static void drop(void *arg)
{
    free(arg);
    atomic_fetch_add(&dropped, 1);
}

static pl_status endless(void *arg, pl_task *task, pl_error *err)
{
    atomic_bool *begun = *(atomic_bool **)arg;
    atomic_store(begun, true);
    pl_status status = PL_OK;
    while ((status = pl_task_tick(task, err)) == PL_OK) {
        nap();
    }
    return status;
}

static pl_status nothing(void *arg, pl_task *task, pl_error *err)
{
    (void)arg;
    (void)task;
    (void)err;
    return PL_OK;
}

static void test_destroy_while_busy(void **ctx)
{
    (void)ctx;
    atomic_bool begun = false;
    pl_worker *worker = start();
    void **finished = calloc(1, sizeof *finished);
    void **busy = calloc(1, sizeof *busy);
    void **queued = calloc(1, sizeof *queued);
    assert_true(finished != NULL && busy != NULL && queued != NULL);
    *busy = &begun;
    atomic_store(&dropped, 0);
    pl_worker_submit(worker, PL_JOB_ORDINARY, "finished", NULL, nothing, finished);
    pl_worker_submit(worker, PL_JOB_ORDINARY, "busy", NULL, endless, busy);
    pl_worker_submit(worker, PL_JOB_ORDINARY, "queued", NULL, nothing, queued);
    while (!atomic_load(&begun)) {
        nap();
    }
    double from = pl_clock_now();
    pl_worker_destroy(worker, drop);
    expect_less(pl_clock_now() - from, 1.0);
    assert_int_equal(atomic_load(&dropped), 3);
    pl_worker_destroy(NULL, drop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_run_in_order),
        cmocka_unit_test(test_events_wake_poll),
        cmocka_unit_test(test_urgent_runs_inside_a_tick),
        cmocka_unit_test(test_cancel_running_and_queued),
        cmocka_unit_test(test_cancelling_the_urgent_one_spares_the_other),
        cmocka_unit_test(test_failure_brings_its_sentence),
        cmocka_unit_test(test_progress_is_coalesced),
        cmocka_unit_test(test_destroy_while_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
