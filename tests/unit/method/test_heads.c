/* Heads that a Hadamard matrix turns into one another, behind what the weights hold. */
#include "core/method/transform.h"
#include "core/tensor/hadamard.h"
#include "core/tensor/orthogonal.h"
#include "tests/support/check.h"
#include "tests/unit/method/dense.h"

#include <string.h>

enum { N = 24, N1 = 4, N2 = 6 };

/* diag(s) (I (x) R) (H (x) I) = diag(s) (H (x) R), of which H is left for inference. */
static void heads_are_turned_into_one_another(void **state)
{
    (void)state;
    pl_error err;
    pl_buf text = {0};
    float dense[N * N], scale[N], q[N2 * N2], h[N1 * N1] = {0};
    pl_hadamard *heads = NULL;
    pl_transform *t = NULL;
    for (size_t c = 0; c < N; c++) {
        scale[c] = 0.25f + 0.125f * (float)c;
    }
    pl_check_ok(pl_orthogonal_random(N2, 5, q, NULL, &err), err);
    const pl_rotation_parts given = {
        .n = N, .scale = scale, .q = q, .order = N2, .merged = true, .across = N1};
    pl_check_ok(pl_transform_rotation(&given, &t, &err), err);
    for (size_t i = 0; i < N1; i++) {
        h[i * N1 + i] = 1.0f;
    }
    pl_check_ok(pl_hadamard_create(N1, &heads, &err), err);
    pl_hadamard_rows(heads, h, N1, N1);
    dense_of(t, N, dense);
    for (size_t i = 0; i < N * N; i++) {
        const size_t r = i / N, c = i % N;
        const double expected =
            (double)scale[r] * (double)h[r / N2 * N1 + c / N2] * (double)q[r % N2 * N2 + c % N2];
        pl_check_close(dense[i], expected, 0, 1e-6);
    }
    const pl_transform_cost cost = pl_transform_get_cost(t);
    assert_true(cost.online);
    assert_true(cost.merged);
    assert_false(pl_transform_is_merged(t));
    pl_check_close(cost.flops, N2 * pl_hadamard_flops(heads), 0, 0);
    pl_check_close(cost.bytes, 0, 0, 0);
    pl_transform_describe(t, &text);
    assert_string_equal(
        text.data, "diagonal, then orthogonal 6 x 6 in 4 parts, then Hadamard across heads 2^2");
    pl_buf_deinit(&text);
    pl_transform *left = NULL;
    pl_check_ok(pl_transform_left(t, &left, &err), err);
    dense_of(left, N, dense);
    for (size_t i = 0; i < N * N; i++) { /* H (x) I */
        const size_t r = i / N, c = i % N;
        pl_check_close(dense[i], r % N2 == c % N2 ? (double)h[r / N2 * N1 + c / N2] : 0.0, 0, 1e-6);
    }
    pl_transform_destroy(left);
    pl_hadamard_destroy(heads);
    pl_transform_destroy(t);
    /* Nine heads have no Hadamard matrix of any part: nothing turns them. */
    const pl_rotation_parts nine = {.n = 36, .block = 4, .merged = true, .across = 9};
    pl_check_ok(pl_transform_rotation(&nine, &t, &err), err);
    assert_true(pl_transform_is_merged(t));
    assert_false(pl_transform_get_cost(t).online);
    pl_transform_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(heads_are_turned_into_one_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
