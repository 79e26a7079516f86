#include "core/tensor/mat.h"

#include "tests/support/check.h"

#include <math.h>

static void begins_zeroed_and_aligned(void **state)
{
    (void)state;
    pl_mat mat;
    pl_error err;
    pl_check_ok(pl_mat_init(&mat, 3, 5, &err), err);
    assert_int_equal((uintptr_t)mat.data % 64, 0);
    for (size_t i = 0; i < 15; i++) {
        expect_close(mat.data[i], 0, 0);
    }
    pl_mat_deinit(&mat);
    assert_null(mat.data);
    pl_mat_deinit(&mat);
    pl_check_ok(pl_mat_init(&mat, 0, 7, &err), err);
    assert_int_equal(pl_view_first_nonfinite(pl_mat_view(&mat)), 0);
    pl_mat_deinit(&mat);
}

static void a_size_that_wraps_is_out_of_memory(void **state)
{
    (void)state;
    pl_mat mat = {.rows = 1};
    pl_error err;
    assert_int_equal(pl_mat_init(&mat, SIZE_MAX / 2, 3, &err), PL_ERR_MEMORY);
    pl_check_says(err, "out of memory for a matrix of");
    assert_null(mat.data);
    assert_int_equal(mat.rows, 0);
    assert_int_equal(pl_mat_init(&mat, SIZE_MAX / 8, 1, &err), PL_ERR_MEMORY);
}

static void copies_strided_views(void **state)
{
    (void)state;
    float raw[12];
    for (int i = 0; i < 12; i++) {
        raw[i] = (float)i;
    }
    pl_view view = {raw, 3, 2, 4};
    pl_mat mat;
    pl_error err;
    pl_check_ok(pl_mat_copy(&mat, view, &err), err);
    static const float expected[] = {0, 1, 4, 5, 8, 9};
    assert_memory_equal(mat.data, expected, sizeof expected);
    pl_mat_deinit(&mat);
    pl_check_ok(pl_mat_copy(&mat, pl_view_rows(view, 1, 2), &err), err);
    assert_int_equal(mat.rows, 2);
    assert_memory_equal(mat.data, expected + 2, 4 * sizeof(float));
    pl_mat_deinit(&mat);
    pl_check_ok(pl_mat_copy(&mat, (pl_view){0}, &err), err);
    pl_mat_deinit(&mat);
}

/* Each place of a matrix larger than the search's pieces, by rows and contiguous. */
static void finds_the_first_nonfinite(void **state)
{
    (void)state;
    pl_mat mat;
    pl_error err;
    pl_check_ok(pl_mat_init(&mat, 5, 2003, &err), err);
    const size_t count = 5 * 2003;
    for (size_t i = 0; i < count; i++) {
        mat.data[i] = i % 2 == 0 ? 3.4e38f : -1e-45f;
    }
    const pl_view whole = pl_mat_view(&mat), narrow = {mat.data, 5, 2000, 2003};
    assert_int_equal(pl_view_first_nonfinite(whole), count);
    assert_int_equal(pl_view_first_nonfinite(narrow), 5 * 2000);
    static const float bad[] = {NAN, INFINITY, -INFINITY, -NAN};
    for (size_t at = 0; at < count; at += 61) {
        float old = mat.data[at];
        mat.data[at] = bad[at % 4];
        assert_int_equal(pl_view_first_nonfinite(whole), at);
        size_t row = at / 2003, col = at % 2003;
        assert_int_equal(pl_view_first_nonfinite(narrow), col < 2000 ? row * 2000 + col : 10000);
        mat.data[count - 1] = NAN;
        assert_int_equal(pl_view_first_nonfinite(whole), at);
        mat.data[count - 1] = 1;
        mat.data[at] = old;
    }
    pl_mat_deinit(&mat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_zeroed_and_aligned),
        cmocka_unit_test(a_size_that_wraps_is_out_of_memory),
        cmocka_unit_test(copies_strided_views),
        cmocka_unit_test(finds_the_first_nonfinite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
