#include "core/tensor/kron.h"
#include "core/tensor/orthogonal.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>

static void splits(void **state)
{
    (void)state;
    static const size_t known[][3] = {{576, 24, 24},    {1536, 32, 48}, {4096, 64, 64},
                                      {11008, 86, 128}, {5632, 64, 88}, {6, 2, 3},
                                      {450, 18, 25},    {13, 1, 13},    {1, 1, 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n1 = 0, n2 = 0;
        pl_kron_split(known[i][0], &n1, &n2);
        assert_int_equal(n1, known[i][1]);
        assert_int_equal(n2, known[i][2]);
    }
}

static void rows_by_the_dense_product(void **state)
{
    (void)state;
    enum { N1 = 3, N2 = 5, N = N1 * N2, ROWS = 7 };
    float p1[N1 * N1], p2[N2 * N2], x[ROWS * N], y[ROWS * N], scratch[ROWS * N];
    ref_weights(1, N1 * N1, p1);
    ref_weights(2, N2 * N2, p2);
    ref_weights(3, ROWS * N, x);
    memcpy(y, x, sizeof x);
    pl_kron_rows(p1, N1, p2, N2, y, y, ROWS, scratch);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t to = 0; to < N; to++) {
            double want = 0.0, size = 0.0;
            for (size_t from = 0; from < N; from++) {
                const double term = (double)x[r * N + from] * (double)p1[from / N2 * N1 + to / N2] *
                                    (double)p2[from % N2 * N2 + to % N2];
                want += term;
                size += fabs(term);
            }
            pl_check_close(y[r * N + to], want, 0, 1e-6 * size);
        }
    }
}

/* Orthogonal, the same for a seed, and with R's diagonal positive: Q^T A is upper triangular for
 * the Gaussian A it came from, which another seed's is not. */
static void random_rotations(void **state)
{
    (void)state;
    enum { N = 40 };
    pl_error err;
    float q[N * N], again[N * N], other[N * N];
    pl_check_ok(pl_orthogonal_random(N, 7, q, NULL, &err), err);
    pl_check_ok(pl_orthogonal_random(N, 7, again, NULL, &err), err);
    pl_check_ok(pl_orthogonal_random(N, 8, other, NULL, &err), err);
    assert_memory_equal(q, again, sizeof q);
    assert_memory_not_equal(q, other, sizeof q);
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            double dot = 0.0;
            for (size_t k = 0; k < N; k++) {
                dot += (double)q[i * N + k] * (double)q[j * N + k];
            }
            pl_check_close(dot, i == j ? 1.0 : 0.0, 0, 1e-6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits),
        cmocka_unit_test(rows_by_the_dense_product),
        cmocka_unit_test(random_rotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
