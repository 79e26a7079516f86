/* A packed symmetric matrix is the same matrix: against the square, at a width that fills no tile.
 */
#include "core/tensor/sym.h"

#include "core/tensor/linalg.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>

enum { N = 53 };

typedef struct pair {
    float square[N * N], packed[N * (N + 1) / 2];
    pl_sym s, p;
} pair;

static void setup(pair *x)
{
    ref_gram(31, N, 300, 2.0, x->square);
    for (size_t i = 0, at = 0; i < N; i++) {
        for (size_t j = i; j < N; j++) {
            x->packed[at++] = x->square[i * N + j];
        }
    }
    x->s = (pl_sym){.n = N, .square = x->square};
    x->p = (pl_sym){.n = N, .packed = x->packed};
}

static void elements_and_bands(void **state)
{
    (void)state;
    pair x;
    float out[N * N], band[7 * N];
    setup(&x);
    assert_int_equal(pl_packed_size(N), N * (N + 1) / 2);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            pl_check_close(pl_sym_at(&x.p, i, j), x.square[i * N + j], 0, 0);
            pl_check_close(pl_sym_at(&x.s, i, j), x.square[i * N + j], 0, 0);
        }
    }
    pl_sym_square(&x.p, out);
    assert_memory_equal(out, x.square, sizeof out);
    for (size_t first = 0; first < N; first += 7) {
        const size_t count = N - first < 7 ? N - first : 7, wide = N - first;
        pl_sym_band(&x.p, first, count, band);
        for (size_t i = 0; i < count; i++) {
            assert_memory_equal(band + i * wide, x.square + (first + i) * N + first,
                                wide * sizeof *band);
        }
    }
}

static void nonfinite_is_found(void **state)
{
    (void)state;
    pair x;
    size_t row = 0, column = 0;
    setup(&x);
    assert_false(pl_sym_find_nonfinite(&x.p, &row, &column));
    x.packed[pl_packed_row(N, 9) + 4] = INFINITY;
    x.packed[pl_packed_row(N, 20)] = NAN;
    assert_true(pl_sym_find_nonfinite(&x.p, &row, &column));
    assert_int_equal(row, 9);
    assert_int_equal(column, 13);
}

/* With one thread and with more than there are processors. */
static void products_and_eigenvalue(void **state)
{
    (void)state;
    pair x;
    double v[N], y[N], lambda[2];
    pl_error err;
    setup(&x);
    for (size_t i = 0; i < N; i++) {
        v[i] = (double)(i % 7) - 2.5;
    }
    for (int threads = 1; threads <= 4; threads += 3) {
        pl_check_ok(pl_linalg_set_threads(threads, &err), err);
        double *sums = malloc((size_t)threads * N * sizeof *sums);
        assert_non_null(sums);
        pl_sym_multiply(&x.p, v, y, sums);
        for (size_t i = 0; i < N; i++) {
            double sum = 0, size = 0;
            for (size_t j = 0; j < N; j++) {
                sum += (double)x.square[i * N + j] * v[j];
                size += fabs((double)x.square[i * N + j] * v[j]);
            }
            pl_check_close(y[i], sum, 0, 1e-14 * size);
        }
        free(sums);
        pl_check_ok(pl_lambda_max(&x.p, &lambda[0], NULL, &err), err);
        pl_check_ok(pl_lambda_max(&x.s, &lambda[1], NULL, &err), err);
        pl_check_close(lambda[0], lambda[1], 1e-7, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_and_bands),
        cmocka_unit_test(nonfinite_is_found),
        cmocka_unit_test(products_and_eigenvalue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
