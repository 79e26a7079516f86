/* Reconstruction errors and the bound against plain float64 sums. */
#include "core/metrics/recon.h"

#include "core/base/rng.h"
#include "tests/support/check.h"
#include "tests/support/ref_quant.h"

#include <math.h>
#include <stdlib.h>

enum { N = 70, ROWS = 150, T = 90, STRIDE = 75 };

typedef struct fixture {
    float x[T * N], gram[N * N], w0[ROWS * STRIDE], w[ROWS * STRIDE];
    pl_factors *factors;
} fixture;

static fixture *make_fixture(void)
{
    fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    pl_rng rng;
    pl_rng_init(&rng, 99);
    for (size_t i = 0; i < T * N; i++) {
        f->x[i] = (float)(pl_rng_normal(&rng) * (i % N == 3 ? 30.0 : 1.0));
    }
    for (size_t a = 0; a < N; a++) {
        for (size_t b = 0; b < N; b++) {
            double sum = 0;
            for (size_t t = 0; t < T; t++) {
                sum += (double)f->x[t * N + a] * (double)f->x[t * N + b];
            }
            f->gram[a * N + b] = (float)(sum / T);
        }
    }
    for (size_t i = 0; i < ROWS * STRIDE; i++) {
        f->w0[i] = (float)pl_rng_normal(&rng);
        f->w[i] = f->w0[i] + (float)(0.01 * pl_rng_normal(&rng));
    }
    pl_error err;
    pl_check_ok(
        pl_factors_create(&(pl_sym){.n = N, .square = f->gram}, T, "x.site", &f->factors, &err),
        err);
    return f;
}

static void drop(fixture *f)
{
    pl_factors_destroy(f->factors);
    free(f);
}

/* ||X D^T||_F^2 / T by the definition. */
static double output_energy(const fixture *f, const float *a, const float *b)
{
    double sum = 0;
    for (size_t t = 0; t < T; t++) {
        for (size_t r = 0; r < ROWS; r++) {
            double y = 0;
            for (size_t c = 0; c < N; c++) {
                y += (double)f->x[t * N + c] *
                     ((double)a[r * STRIDE + c] - (b != NULL ? (double)b[r * STRIDE + c] : 0.0));
            }
            sum += y * y;
        }
    }
    return sum / T;
}

static void test_relative_error(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    const pl_view w0 = {f->w0, ROWS, N, STRIDE};
    double error = 0;
    pl_error err;
    pl_check_ok(
        pl_relative_error(f->factors, w0, (pl_view){f->w, ROWS, N, STRIDE}, &error, NULL, &err),
        err);
    pl_check_close(error, output_energy(f, f->w, f->w0) / output_energy(f, f->w0, NULL), 2e-5, 0);
    pl_check_ok(pl_relative_error(f->factors, w0, w0, &error, NULL, &err), err);
    pl_check_close(error, 0, 0, 0);
    memset(f->w0, 0, sizeof f->w0);
    pl_check_ok(pl_relative_error(f->factors, w0, w0, &error, NULL, &err), err);
    pl_check_close(error, 0, 0, 0);
    drop(f);
}

/* From the upper triangle alone, with more rows than are taken at once. */
static void test_packed(void **state)
{
    (void)state;
    enum { M = 300, TALL = 600 };
    float *square = malloc(M * M * sizeof *square),
          *packed = malloc(M * (M + 1) / 2 * sizeof *packed);
    float *w0 = malloc(TALL * M * sizeof *w0), *w = malloc(TALL * M * sizeof *w);
    double error[2] = {0};
    static double energies[2][2 * TALL]; /* of every row of W - W0, then of W0 */
    pl_error err;
    assert_true(square != NULL && packed != NULL && w0 != NULL && w != NULL);
    ref_gram(5, M, 800, 2.0, square);
    ref_weights(6, TALL * M, w0);
    ref_weights(7, TALL * M, w);
    for (size_t i = 0, at = 0; i < M; at += M - i, i++) {
        memcpy(packed + at, square + i * M + i, (M - i) * sizeof *packed);
    }
    for (int form = 0; form < 2; form++) {
        const pl_sym gram = {
            .n = M, .square = form == 0 ? square : NULL, .packed = form == 0 ? NULL : packed};
        pl_factors *factors = NULL;
        pl_check_ok(pl_factors_create(&gram, 800, "x.site", &factors, &err), err);
        pl_check_ok(pl_relative_error(factors, (pl_view){w0, TALL, M, M}, (pl_view){w, TALL, M, M},
                                      &error[form], NULL, &err),
                    err);
        pl_check_ok(pl_row_energies(factors, (pl_view){w0, TALL, M, M}, (pl_view){w, TALL, M, M},
                                    energies[form], NULL, &err),
                    err);
        pl_check_ok(pl_row_energies(factors, (pl_view){0}, (pl_view){w0, TALL, M, M},
                                    energies[form] + TALL, NULL, &err),
                    err);
        pl_factors_destroy(factors);
    }
    expect_less(0.1, error[0]);
    pl_check_close(error[1], error[0], 1e-6, 0);
    double lost = 0, whole = 0;
    for (size_t r = 0; r < TALL; r++) {
        lost += energies[1][r];
        whole += energies[0][TALL + r];
        for (size_t i = r; i < 2 * TALL; i += TALL) {
            expect_less(0, energies[0][i]);
            pl_check_close(energies[1][i], energies[0][i], 1e-5, 0);
        }
    }
    pl_check_close(lost / whole, error[0], 1e-6, 0);
    free(square);
    free(packed);
    free(w0);
    free(w);
}

static void test_cancel(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    const pl_view w0 = {f->w0, ROWS, N, STRIDE};
    pl_task task = {0};
    double error = 0;
    pl_error err;
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_relative_error(f->factors, w0, w0, &error, &task, &err), PL_ERR_CANCELLED);
    drop(f);
}

static void test_group_max(void **state)
{
    (void)state;
    const float w[2][5] = {{1, -3, 2, 0, -9}, {-4, 2, 0, 0, 1}};
    const pl_view v = {w[0], 2, 5, 5};
    double largest[3], mean[3];
    pl_group_max(v, 2, largest, mean);
    pl_check_close(largest[0], 4, 0, 0);
    pl_check_close(largest[1], 2, 0, 0);
    pl_check_close(largest[2], 9, 0, 0);
    pl_check_close(mean[0], 3.5, 0, 0);
    pl_check_close(mean[1], 1, 0, 0);
    pl_check_close(mean[2], 5, 0, 0);
    pl_check_close(pl_group_max_mean(v, 2), 9.5 / 3, 1e-15, 0);
    pl_check_close(pl_group_max_mean(v, 0), 6.5, 1e-15, 0);
    pl_check_close(pl_group_max_mean(v, 128), 6.5, 1e-15, 0);
}

/* The bound's formula, and that it does bound symmetric round-to-nearest. */
static void check_bound(fixture *f, size_t group_size)
{
    const pl_grid grid = {
        .bits = 3, .group_size = group_size, .format = &pl_format_symmetric, .scale_dtype = PL_F32};
    const size_t g = group_size == 0 ? N : group_size;
    double sum = 0;
    for (size_t k = 0; k * g < N; k++) {
        double trace = 0;
        const size_t end = (k + 1) * g < N ? (k + 1) * g : N;
        for (size_t c = k * g; c < end; c++) {
            trace += (double)f->gram[c * N + c];
        }
        for (size_t r = 0; r < ROWS; r++) {
            double max = 0;
            for (size_t c = k * g; c < end; c++) {
                max = fmax(max, fabs((double)f->w0[r * STRIDE + c]));
            }
            sum += sqrt(trace) * max;
            for (size_t c = k * g; c < end; c++) {
                const double s = max / 3;
                f->w[r * STRIDE + c] = (float)(s * nearbyint((double)f->w0[r * STRIDE + c] / s));
            }
        }
    }
    const double bound = pl_error_bound(f->factors, &grid, (pl_view){f->w0, ROWS, N, STRIDE});
    pl_check_close(bound, sqrt((double)T * (double)g) / 6 * sum, 1e-6, 0);
    float rms[N];
    for (size_t c = 0; c < N; c++) {
        rms[c] = sqrtf(pl_sym_at(pl_factors_gram(f->factors), c, c));
    }
    pl_check_close(pl_error_bound_rms(rms, T, &grid, (pl_view){f->w0, ROWS, N, STRIDE}), bound,
                   1e-5, 0);
    double norms[N], from_factors[N];
    pl_group_input_norms(rms, N, T, group_size, norms);
    pl_factors_group_norms(f->factors, group_size, from_factors);
    for (size_t k = 0; k < (group_size == 0 ? 1 : (N + group_size - 1) / group_size); k++) {
        pl_check_close(norms[k], sqrt((double)T) * from_factors[k], 1e-6, 0);
    }
    const double error = sqrt(output_energy(f, f->w0, f->w) * T);
    expect_less(0, error);
    expect_at_most(error, bound);
}

static void test_bound(void **state)
{
    (void)state;
    fixture *f = make_fixture();
    check_bound(f, 32);
    check_bound(f, 0);
    pl_grid grid = {
        .bits = 3, .group_size = 32, .format = &pl_format_asymmetric, .scale_dtype = PL_F32};
    const pl_view w = {f->w0, ROWS, N, STRIDE};
    assert_true(isnan(pl_error_bound(f->factors, &grid, w)));
    grid.format = &pl_format_symmetric;
    grid.mse = true;
    assert_true(isnan(pl_error_bound(f->factors, &grid, w)));
    drop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relative_error), cmocka_unit_test(test_packed),
        cmocka_unit_test(test_cancel),         cmocka_unit_test(test_group_max),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
