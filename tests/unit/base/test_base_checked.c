#include "core/base/checked.h"

#include "tests/support/check.h"

static void arithmetic_notices_overflow(void **state)
{
    (void)state;
    size_t out = 0;
    assert_true(pl_mul(3, 5, &out));
    assert_int_equal(out, 15);
    assert_true(pl_add(SIZE_MAX - 1, 1, &out));
    assert_int_equal(out, SIZE_MAX);
    assert_false(pl_add(SIZE_MAX, 1, &out));
    assert_false(pl_mul(SIZE_MAX / 2, 3, &out));
    assert_true(pl_mul(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
}

static void storage_is_aligned_or_null(void **state)
{
    (void)state;
    for (size_t count = 0; count < 200; count += 7) {
        unsigned char *bytes = pl_alloc(count, 3);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % 64, 0);
        memset(bytes, 1, 3 * count);
        free(bytes);
    }
    assert_null(pl_alloc(SIZE_MAX, 2));
    assert_null(pl_alloc(SIZE_MAX - 3, 1));
    assert_null(pl_alloc(PTRDIFF_MAX, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_notices_overflow),
        cmocka_unit_test(storage_is_aligned_or_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
