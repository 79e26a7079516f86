/* The fused kernel against the transform and the quantizer one after the other. */
#include "core/method/fused.h"
#include "core/tensor/kron.h"
#include "core/tensor/orthogonal.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 301 };

/* In passes apart codes and scales are the same bits where the transform's are: a Hadamard matrix
 * and a diagonal see each row alone, a GEMM of another number of rows may sum in another order.
 * Values are scale times code. */
static void check_apart(const pl_transform *t, size_t n, const pl_act_grid *grid, const float *x)
{
    pl_error err;
    float *y = malloc(ROWS * n * sizeof *y), *values = malloc(ROWS * n * sizeof *values);
    float *scales = malloc(2 * ROWS * sizeof *scales);
    int8_t *codes = malloc(2 * ROWS * n);
    assert_true(y != NULL && values != NULL && scales != NULL && codes != NULL);
    int8_t *fused = codes + ROWS * n;
    memcpy(y, x, ROWS * n * sizeof *x);
    if (t != NULL) {
        pl_check_ok(pl_transform_inputs(t, y, ROWS, NULL, &err), err);
    }
    pl_apart_quantize(grid, t != NULL ? pl_transform_clip(t) : NULL, y, ROWS, n,
                      &(pl_quantized){codes, NULL, scales});
    pl_check_ok(
        pl_fused_quantize(t, n, grid, x, ROWS, &(pl_quantized){fused, NULL, scales + ROWS}, &err),
        err);
    if (t == NULL || strcmp(pl_transform_kind(t), "hadamard") == 0 ||
        strcmp(pl_transform_kind(t), "scaling") == 0) {
        assert_memory_equal(codes, fused, ROWS * n);
        assert_memory_equal(scales, scales + ROWS, ROWS * sizeof *scales);
    }
    pl_check_ok(
        pl_fused_quantize(t, n, grid, x, ROWS, &(pl_quantized){NULL, values, scales + ROWS}, &err),
        err);
    for (size_t i = 0; i < ROWS * n; i++) {
        pl_check_close(values[i], (double)(scales[ROWS + i / n] * (float)fused[i]), 0, 0);
    }
    free(y);
    free(values);
    free(scales);
    free(codes);
}

/* Codes may differ by one where x T lies on the border of two, by rounding of the transform. */
static void check(pl_transform *t, int bits, double clip)
{
    pl_error err;
    const size_t n = pl_transform_n(t);
    const pl_act_grid grid = {.bits = bits, .format = &pl_format_symmetric, .clip = clip};
    float *x = malloc(ROWS * n * sizeof *x), *y = malloc(ROWS * n * sizeof *y);
    float *scales = malloc(ROWS * sizeof *scales);
    int8_t *codes = malloc(ROWS * n);
    assert_true(x != NULL && y != NULL && scales != NULL && codes != NULL);
    ref_weights(4, ROWS * n, x);
    memset(x + 3 * n, 0, n * sizeof *x);
    memcpy(y, x, ROWS * n * sizeof *x);
    pl_check_ok(pl_transform_inputs(t, y, ROWS, NULL, &err), err);
    pl_act_quantize(&grid, pl_transform_clip(t), y, ROWS, n);
    pl_check_ok(pl_fused_quantize(t, n, &grid, x, ROWS, &(pl_quantized){codes, NULL, scales}, &err),
                err);
    size_t apart = 0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < n; c++) {
            const double got = (double)scales[r] * codes[r * n + c];
            const double off = fabs(got - (double)y[r * n + c]);
            apart += off > 0.5 * (double)scales[r] ? 1 : 0;
            expect_at_most(off, 1.0001 * (double)scales[r]);
        }
    }
    expect_close(scales[3], 0.0f, 0);
    assert_int_equal(codes[3 * n], 0);
    expect_at_most(apart * 1000, ROWS * n);
    check_apart(t, n, &grid, x);
    free(x);
    free(y);
    free(scales);
    free(codes);
    pl_transform_destroy(t);
}

static void by_hadamard(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 144, 576, 21};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pl_error err;
        pl_transform *t = NULL;
        pl_check_ok(pl_transform_hadamard(sizes[i], &t, &err), err);
        check(t, 4, 1.0);
    }
}

static void by_the_others(void **state)
{
    (void)state;
    enum { N1 = 6, N2 = 8, N = N1 * N2 };
    pl_error err;
    pl_transform *t = NULL;
    float scale[N], q[N * N], p1[N1 * N1], p2[N2 * N2];
    const pl_act_range clip = {0.8f, 0.7f};
    for (size_t c = 0; c < N; c++) {
        scale[c] = 0.5f + 0.05f * (float)c;
    }
    pl_check_ok(pl_transform_scaling(N, scale, &t, &err), err);
    check(t, 8, 0.9);
    pl_check_ok(pl_orthogonal_random(N, 1, q, NULL, &err), err);
    pl_check_ok(pl_transform_orthogonal(N, q, &t, &err), err);
    check(t, 3, 1.0);
    pl_check_ok(pl_orthogonal_random(N1, 2, p1, NULL, &err), err);
    pl_check_ok(pl_orthogonal_random(N2, 3, p2, NULL, &err), err);
    /* The inverses are not read. */
    const pl_kron_parts parts = {
        .n1 = N1, .n2 = N2, .scale = scale, .p1 = p1, .p2 = p2, .i1 = p1, .i2 = p2, .clip = &clip};
    pl_check_ok(pl_transform_kron(&parts, &t, &err), err);
    check(t, 4, 1.0);
}

/* The codes of every value of a plain row, by division and rounding: the loop without conversions
 * gives the same. */
static void codes_of_a_plain_row(void **state)
{
    (void)state;
    enum { N = 4096 };
    static const int widths[] = {2, 4, 8};
    static float x[N];
    static int8_t codes[N];
    float scale = 0.0f;
    for (size_t i = 0; i < N; i++) {
        x[i] = ((float)i - 2047.3f) / 512.0f;
    }
    x[5] = -0.0f;
    x[6] = 1e-30f;
    for (size_t w = 0; w < 3; w++) {
        const pl_act_grid grid = {.bits = widths[w], .format = &pl_format_symmetric, .clip = 0.7};
        const float most = (float)((1 << (widths[w] - 1)) - 1);
        pl_apart_quantize(&grid, NULL, x, 1, N, &(pl_quantized){codes, NULL, &scale});
        for (size_t i = 0; i < N; i++) {
            const float q = rintf(x[i] / scale);
            assert_int_equal(codes[i], (int)fminf(fmaxf(q, -most - 1), most));
        }
        check_apart(NULL, 64,
                    &(pl_act_grid){.bits = widths[w], .format = &pl_format_symmetric, .clip = 1.0},
                    (float[ROWS * 64]){1.0f, -3.0f, 0.25f});
    }
    /* What float32 has no inverse of is as good as zeros. */
    for (size_t i = 0; i < N; i++) {
        x[i] = 1e-42f;
    }
    const pl_act_grid grid = {.bits = 8, .format = &pl_format_symmetric, .clip = 1.0};
    pl_apart_quantize(&grid, NULL, x, 1, N, &(pl_quantized){codes, NULL, &scale});
    expect_close(scale, 0.0f, 0);
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[N - 1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hadamard),
        cmocka_unit_test(by_the_others),
        cmocka_unit_test(codes_of_a_plain_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
