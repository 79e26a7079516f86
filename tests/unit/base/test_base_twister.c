/* Python's random.sample: values printed by CPython 3.11, one generator for all of them. */
#include "core/base/twister.h"
#include "tests/support/check.h"

typedef struct draw {
    size_t n, count;
    size_t expected[10];
} draw;

static void test_sample_is_cpythons(void **state)
{
    (void)state;
    static const draw draws[] = {
        {60, 5, {49, 28, 7, 0, 5}},
        {1000, 5, {932, 965, 961, 826, 596}},
        {21, 5, {1, 2, 3, 11, 7}},
        {22, 5, {0, 11, 20, 19, 15}},
        {100, 10, {78, 59, 19, 11, 23, 91, 14, 1, 64, 62}},
        {85, 6, {31, 8, 69, 59, 83, 76}},
        {86, 6, {11, 65, 74, 5, 34, 71}},
        {7, 7, {0, 5, 2, 3, 1, 4, 6}},
    };
    pl_twister twister;
    pl_error err = {0};
    size_t out[10];
    pl_twister_init(&twister, 1234);
    for (size_t i = 0; i < sizeof draws / sizeof draws[0]; i++) {
        pl_check_ok(pl_twister_sample(&twister, draws[i].n, draws[i].count, out, &err), err);
        for (size_t k = 0; k < draws[i].count; k++) {
            assert_int_equal(out[k], draws[i].expected[k]);
        }
    }
    assert_int_equal(pl_twister_sample(&twister, 4, 5, out, &err), PL_ERR_USAGE);
    pl_check_says(err, "5 of 4 cannot be drawn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sample_is_cpythons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
