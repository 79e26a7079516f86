/* Products of 8-bit codes against plain sums of whole numbers. */
#include "core/tensor/int8.h"

#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <string.h>

enum { ROWS = 37, COLS = 75, MOST_TOKENS = 5, COPIES = 3 };

static void make_codes(int seed, size_t count, int8_t *out)
{
    float values[ROWS * COLS];
    ref_weights((uint64_t)seed, count, values);
    for (size_t i = 0; i < count; i++) {
        const float value = 60.0f * values[i];
        out[i] = (int8_t)(value > 127.0f ? 127.0f : value < -128.0f ? -128.0f : value);
    }
    out[0] = -128;
    out[1] = 127;
}

/* Of one token and of some, and of every copy of the weights. */
static void test_products_are_sums(void **ctx)
{
    (void)ctx;
    static const size_t tokens[] = {1, MOST_TOKENS};
    pl_error err;
    int8_t w[ROWS * COLS], x[MOST_TOKENS * COLS];
    float w_scales[ROWS], x_scales[MOST_TOKENS], y[MOST_TOKENS * ROWS];
    make_codes(1, ROWS * COLS, w);
    make_codes(2, MOST_TOKENS * COLS, x);
    for (size_t r = 0; r < ROWS; r++) {
        w_scales[r] = 0.25f * (float)(r + 1);
    }
    for (size_t t = 0; t < MOST_TOKENS; t++) {
        x_scales[t] = 0.5f + (float)t;
    }
    for (size_t i = 0; i < 2; i++) {
        pl_int8 *product = NULL;
        if (pl_int8_missing() != NULL) { /* a sentence says why */
            assert_int_equal(
                pl_int8_create(w, w_scales, ROWS, COLS, tokens[i], COPIES, &product, &err),
                PL_ERR_UNSUPPORTED);
            assert_null(product);
            assert_non_null(strstr(err.message, pl_int8_missing()));
            continue;
        }
        pl_check_ok(pl_int8_create(w, w_scales, ROWS, COLS, tokens[i], COPIES, &product, &err),
                    err);
        assert_non_null(strstr(pl_int8_kernel(product), "oneDNN "));
        for (size_t copy = 0; copy <= COPIES; copy++) {
            memset(y, 0, sizeof y);
            pl_check_ok(pl_int8_multiply(product, copy, x, x_scales, y, &err), err);
            for (size_t t = 0; t < tokens[i]; t++) {
                for (size_t r = 0; r < ROWS; r++) {
                    int sum = 0;
                    for (size_t c = 0; c < COLS; c++) {
                        sum += x[t * COLS + c] * w[r * COLS + c];
                    }
                    pl_check_close(y[t * ROWS + r], (double)x_scales[t] * (double)w_scales[r] * sum,
                                   1e-6, 0);
                }
            }
        }
        pl_int8_destroy(product);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_are_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
