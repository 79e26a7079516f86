#include "core/tensor/hadamard.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>

static pl_hadamard *make_hadamard(size_t n)
{
    pl_error err;
    pl_hadamard *h = NULL;
    pl_check_ok(pl_hadamard_create(n, &h, &err), err);
    return h;
}

/* The dense matrix of pl_hadamard_rows: what it does to the unit rows, times sqrt(block). */
static float *dense_of(const pl_hadamard *h, size_t n)
{
    float *dense = calloc(n * n, sizeof *dense);
    const float size = sqrtf((float)pl_hadamard_largest(n));
    assert_non_null(dense);
    for (size_t i = 0; i < n; i++) {
        dense[i * n + i] = 1.0f;
    }
    pl_hadamard_rows(h, dense, n, n);
    for (size_t i = 0; i < n * n; i++) {
        dense[i] *= size;
    }
    return dense;
}

/* H H^T = block I with entries of 1 and -1 inside the blocks and 0 outside. */
static void check_order(size_t n)
{
    pl_hadamard *h = make_hadamard(n);
    float *dense = dense_of(h, n);
    const size_t block = pl_hadamard_largest(n);
    assert_int_equal(n % block, 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            const double want = i / block == j / block ? 1.0 : 0.0;
            pl_check_close(fabsf(dense[i * n + j]), want, 0, 1e-5);
            double dot = 0.0;
            for (size_t k = i / block * block; k < (i / block + 1) * block; k++) {
                dot += (double)dense[i * n + k] * (double)dense[j * n + k];
            }
            pl_check_close(dot, i == j ? (double)block : 0.0, 1e-4, 1e-3);
        }
    }
    free(dense);
    pl_hadamard_destroy(h);
}

static void small_orders(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 160; n++) {
        check_order(n);
    }
}

/* Paley I and II over primes and prime powers (28 = 27 + 1, 52 = 2 (25 + 1), 100 = 2 (49 + 1)). */
static void paley_orders(void **state)
{
    (void)state;
    static const size_t orders[] = {12, 20, 24, 28, 36, 44, 52, 60, 68, 76, 84, 100, 108, 140, 148};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        assert_true(pl_hadamard_is_known(orders[i]));
        check_order(orders[i]);
    }
    assert_false(pl_hadamard_is_known(6));
}

/* What no field gives is stored; of the multiples of 4 up to 187 none is missing then. */
static void stored_orders(void **state)
{
    (void)state;
    static const size_t orders[] = {92, 116, 156, 172, 184, 232};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        check_order(orders[i]);
    }
    for (size_t n = 4; n < 188; n += 4) {
        assert_true(pl_hadamard_is_known(n));
    }
    assert_false(pl_hadamard_is_known(188));
}

/* Widths of real models: whole, orthonormal (a random row keeps its norm, the transposed gives it
 * back), and every entry of some rows is of size 1. */
static void real_widths(void **state)
{
    (void)state;
    static const size_t widths[] = {576,  1536,  2048,  4096,  4864,  5632, 8960,
                                    9728, 11008, 17408, 18944, 25600, 29568};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        const size_t n = widths[i];
        pl_hadamard *h = make_hadamard(n);
        float *x = calloc(2 * n, sizeof *x), *y = calloc(2 * n, sizeof *y);
        assert_non_null(x);
        assert_non_null(y);
        assert_int_equal(pl_hadamard_largest(n), n); /* 8960 = 140 x 2^6, 11008 = 172 x 2^6 */
        x[n - 1] = 1.0f;
        for (size_t c = 0; c < n; c++) {
            x[n + c] = (float)((c * 2654435761u) % 1000) / 500.0f - 1.0f;
        }
        memcpy(y, x, 2 * n * sizeof *y);
        pl_hadamard_rows(h, y, 2, n);
        double before = 0.0, after = 0.0;
        const size_t block = pl_hadamard_largest(n);
        for (size_t c = 0; c < n; c++) {
            const double want = c / block == (n - 1) / block ? 1.0 / sqrt((double)block) : 0.0;
            pl_check_close(fabsf(y[c]), want, 1e-5, 1e-9);
            before += (double)x[n + c] * (double)x[n + c];
            after += (double)y[n + c] * (double)y[n + c];
        }
        pl_check_close(after, before, 1e-5, 0);
        pl_hadamard_rows_transposed(h, y, 2, n);
        for (size_t c = 0; c < 2 * n; c++) {
            pl_check_close(y[c], x[c], 0, 1e-5);
        }
        free(x);
        free(y);
        pl_hadamard_destroy(h);
    }
}

static void says_what_it_is(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *text;
    } known[] = {{576, "36 x 2^4"},
                 {1536, "12 x 2^7"},
                 {64, "2^6"},
                 {9, "of 9 blocks: 2^0"},
                 {29568, "924 x 2^5"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        pl_buf text = {0};
        pl_hadamard *h = make_hadamard(known[i].n);
        pl_hadamard_describe(h, &text);
        assert_string_equal(text.data, known[i].text);
        pl_buf_deinit(&text);
        pl_hadamard_destroy(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_orders),    cmocka_unit_test(paley_orders),
        cmocka_unit_test(stored_orders),   cmocka_unit_test(real_widths),
        cmocka_unit_test(says_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
