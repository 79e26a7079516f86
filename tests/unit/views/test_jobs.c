/* The list of jobs: who is chosen while others come and go. */
#include "views/jobs.h"

#include "tests/support/check.h"

static uint64_t press(pl_jobs_view *view, const pl_job_row *rows, size_t n, uint32_t key)
{
    pl_screen_model model = {.all_jobs = rows, .n_all_jobs = n};
    return pl_jobs_key(view, &model, (pl_press){.key = key});
}

static void test_who_is_chosen(void **state)
{
    (void)state;
    static const pl_job_row two[] = {{.id = 5, .phase = PL_JOB_PHASE_RUNNING},
                                     {.id = 6, .phase = PL_JOB_PHASE_QUEUED}};
    static const pl_job_row three[] = {{.id = 7, .own = true, .phase = PL_JOB_PHASE_RUNNING},
                                       {.id = 5, .phase = PL_JOB_PHASE_QUEUED},
                                       {.id = 6, .phase = PL_JOB_PHASE_QUEUED}};
    static const pl_job_row ended[] = {{.id = 5, .phase = PL_JOB_PHASE_DONE}};
    pl_jobs_view view = {.open = true};
    /* At first the user's own, also where one of the screen's runs before it. */
    assert_int_equal(press(&view, three, 3, 'x'), 5);
    /* It stays chosen in another row. */
    assert_int_equal(press(&view, two, 2, 'x'), 5);
    assert_int_equal(view.row, 0);
    press(&view, two, 2, PL_K_DOWN);
    assert_int_equal(press(&view, two, 2, 'x'), 6);
    assert_int_equal(press(&view, three, 3, 'x'), 6);
    assert_int_equal(view.row, 2);
    /* Gone: the row's, which has ended here. */
    assert_int_equal(press(&view, ended, 1, 'x'), 0);
    assert_int_equal(view.id, 5);
    assert_int_equal(press(&view, NULL, 0, 'x'), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_is_chosen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
