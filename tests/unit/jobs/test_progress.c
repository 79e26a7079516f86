/* One bar of several passes: it never goes back, its last report is its end. */
#include "core/jobs/progress.h"

#include "tests/support/check.h"

#include <math.h>

/* Reports 0 ... total of a pass, with parts of `inner` in each of its steps. */
static void run_pass(pl_progress *p, const char *what, int total, const char *inner)
{
    for (int i = 0; i <= total; i++) {
        const double before = p->share;
        pl_progress_take(p, what, i, total);
        expect_at_most(before, p->share);
        for (int k = 0; inner != NULL && i < total && k <= 4; k++) {
            const double now = p->share;
            pl_progress_take(p, inner, k, 4);
            expect_at_most(now, p->share);
            expect_at_most(p->share, 1);
            assert_string_equal(p->what, what); /* what is counted is the pass */
            pl_check_close(p->done, i, 0, 0);
        }
    }
}

static void test_own_unit_has_most(void **ctx)
{
    (void)ctx;
    pl_progress p = {.unit = "layers"};
    run_pass(&p, "bytes", 10, NULL);
    expect_less(0, p.share);
    expect_at_most(p.share, 0.1);
    run_pass(&p, "tokens", 7, "rows");
    expect_less(0.1, p.share);
    expect_at_most(p.share, 0.2);
    const double before = p.share;
    pl_progress_take(&p, "layers", 0, 28);
    pl_check_close(p.share, before, 0, 0);
    pl_progress_take(&p, "layers", 14, 28);
    pl_check_close(p.share, before + 0.5 * (1 - before), 1e-12, 0);
    pl_progress_take(&p, "rows", 100, 200); /* half of the next layer */
    pl_check_close(p.share, before + 14.5 / 28 * (1 - before), 1e-12, 0);
    pl_progress_take(&p, "steps", 1, 200); /* another part of it: not back */
    pl_check_close(p.share, before + 14.5 / 28 * (1 - before), 1e-12, 0);
    run_pass(&p, "layers", 28, "steps");
    pl_check_close(p.share, 1, 1e-12, 0);
}

static void test_without_others(void **ctx)
{
    (void)ctx;
    pl_progress p = {.unit = "layers"};
    run_pass(&p, "layers", 5, NULL); /* all before it was found in the store */
    pl_check_close(p.share, 1, 1e-12, 0);
    p = (pl_progress){0};
    run_pass(&p, "columns", 5, NULL);
    pl_check_close(p.share, 1, 1e-12, 0);
    run_pass(&p, "rows", 5, NULL);
    pl_check_close(p.share, 1, 1e-12, 0);
}

/* A pass before that is given up does not keep the job's own from being counted. */
static void test_left_pass(void **ctx)
{
    (void)ctx;
    pl_progress p = {.unit = "points"};
    pl_progress_take(&p, "bytes", 3, 10);
    pl_progress_take(&p, "points", 1, 2);
    assert_string_equal(p.what, "points");
    expect_less(0.5, p.share);
    expect_less(p.share, 0.6);
    pl_progress_take(&p, "points", NAN, 2); /* nothing is known: nothing changes */
    pl_progress_take(&p, "points", 1, 0);
    expect_less(0.5, p.share);
    expect_less(p.share, 0.6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_unit_has_most),
        cmocka_unit_test(test_without_others),
        cmocka_unit_test(test_left_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
