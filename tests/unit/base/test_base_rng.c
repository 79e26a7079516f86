#include "core/base/rng.h"

#include "tests/support/check.h"

/* The generator written out again from the authors' public-domain description. */
static uint64_t reference_next(uint64_t s[4])
{
    uint64_t x = s[1] * 5;
    uint64_t result = ((x << 7) | (x >> 57)) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

static void known_first_numbers(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 0);
    assert_int_equal(rng.s[0], UINT64_C(0xe220a8397b1dcdaf)); /* SplitMix64's first from seed 0 */
    assert_int_equal(rng.s[1], UINT64_C(0x6e789e6aa1b965f4));
    uint64_t s[4];
    memcpy(s, rng.s, sizeof s);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pl_rng_next(&rng), reference_next(s));
    }
    /* xoshiro256**'s first outputs from the state 1, 2, 3, 4 (published test vector). */
    rng = (pl_rng){{1, 2, 3, 4}};
    assert_int_equal(pl_rng_next(&rng), 11520);
    assert_int_equal(pl_rng_next(&rng), 0);
    assert_int_equal(pl_rng_next(&rng), 1509978240);
}

static void below_is_even(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 7);
    int seen[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t x = pl_rng_below(&rng, 6);
        expect_less(x, 6);
        seen[x]++;
    }
    for (int i = 0; i < 6; i++) {
        pl_check_close(seen[i], 10000, 0.05, 0);
    }
    assert_int_equal(pl_rng_below(&rng, 1), 0);
}

static void uniform_and_normal_have_their_moments(void **state)
{
    (void)state;
    pl_rng rng;
    pl_rng_init(&rng, 42);
    enum { COUNT = 100000 };
    double sum = 0, square = 0, fourth = 0, uniform = 0;
    for (int i = 0; i < COUNT; i++) {
        double u = pl_rng_uniform(&rng);
        expect_at_most(0, u);
        expect_less(u, 1);
        uniform += u;
        double z = pl_rng_normal(&rng);
        sum += z;
        square += z * z;
        fourth += z * z * z * z;
    }
    pl_check_close(uniform / COUNT, 0.5, 0, 0.005);
    pl_check_close(sum / COUNT, 0, 0, 0.015);
    pl_check_close(square / COUNT, 1, 0.02, 0);
    pl_check_close(fourth / COUNT, 3, 0.07, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_first_numbers),
        cmocka_unit_test(below_is_even),
        cmocka_unit_test(uniform_and_normal_have_their_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
