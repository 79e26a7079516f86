/* The products of two models' inputs: against float64, and the same bytes however the windows come.
 */
#include "core/calib/cross.h"

#include "core/base/rng.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 150, WINDOWS = 5, ROWS = 9 }; /* more channels than a tile has rows */

typedef struct fixture {
    float x0[WINDOWS][ROWS * N], x[WINDOWS][ROWS * N];
} fixture;

static fixture *make_inputs_of_two_models(void)
{
    fixture *f = malloc(sizeof *f);
    assert_non_null(f);
    pl_rng rng;
    pl_rng_init(&rng, 7);
    for (size_t w = 0; w < WINDOWS; w++) {
        for (size_t i = 0; i < ROWS * N; i++) {
            f->x0[w][i] = (float)pl_rng_normal(&rng);
            f->x[w][i] = f->x0[w][i] + 0.1f * (float)pl_rng_normal(&rng);
        }
    }
    return f;
}

static pl_cross *make_cross(void)
{
    pl_cross *cross = NULL;
    pl_error err;
    pl_check_ok(pl_cross_create(N, WINDOWS, &cross, &err), err);
    return cross;
}

/* rows: of the window; at: which tokens they are, or NULL. */
static void add_rows(pl_cross *cross, const fixture *f, size_t w, size_t rows, const uint32_t *at)
{
    pl_error err;
    pl_check_ok(pl_cross_note(cross, f->x0[w], ROWS, NULL, &err), err);
    pl_check_ok(pl_cross_add(cross, w, f->x[w], rows, at, &err), err);
}

static float *sum_all(const fixture *f)
{
    pl_cross *cross = make_cross();
    for (size_t w = 0; w < WINDOWS; w++) {
        add_rows(cross, f, w, ROWS, NULL);
    }
    float *sum = pl_cross_take(cross, (double)WINDOWS * ROWS);
    pl_cross_destroy(cross);
    assert_non_null(sum);
    return sum;
}

static void test_against_float64(void **state)
{
    (void)state;
    fixture *f = make_inputs_of_two_models();
    float *sum = sum_all(f);
    for (size_t i = 0; i < N; i += 7) {
        for (size_t k = 0; k < N; k++) {
            double want = 0.0;
            for (size_t w = 0; w < WINDOWS; w++) {
                for (size_t r = 0; r < ROWS; r++) {
                    want += ((double)f->x0[w][r * N + i] - (double)f->x[w][r * N + i]) *
                            (double)f->x[w][r * N + k];
                }
            }
            pl_check_close((double)sum[i * N + k], want / (WINDOWS * ROWS), 0.0, 1e-6);
        }
    }
    free(sum);
    free(f);
}

/* Nodes of the tree, made apart: windows [0, 2), [2, 4) and [4, 5), or each by itself. */
static void test_parts_same_bytes(void **state)
{
    (void)state;
    static const size_t orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 2, 0}};
    fixture *f = make_inputs_of_two_models();
    float *whole = sum_all(f);
    pl_error err;
    for (size_t level = 0; level < 2; level++) {
        const size_t parts = level == 0 ? WINDOWS : 3;
        for (size_t o = 0; o < 3; o++) {
            pl_cross *all = make_cross();
            for (size_t p = 0; p < parts; p++) {
                pl_cross *part = make_cross();
                const size_t index = level == 0 ? (p * (o + 1) + o) % WINDOWS : orders[o][p];
                for (size_t w = index << level; w < (index + 1) << level && w < WINDOWS; w++) {
                    add_rows(part, f, w, ROWS, NULL);
                }
                const float *sum = pl_cross_part(part);
                assert_non_null(sum);
                pl_check_ok(pl_cross_add_part(all, level, index, sum, &err), err);
                pl_cross_destroy(part);
            }
            float *joined = pl_cross_take(all, (double)WINDOWS * ROWS);
            assert_memory_equal(whole, joined, N * N * sizeof *whole);
            free(joined);
            pl_cross_destroy(all);
        }
    }
    free(whole);
    free(f);
}

/* Of an expert: what the original has sent elsewhere counts as the same; no token at all is 0. */
static void test_tokens_of_an_expert(void **state)
{
    (void)state;
    static const uint32_t noted[] = {1, 4}, sent[] = {0, 4, 6};
    fixture *f = make_inputs_of_two_models();
    pl_cross *cross = make_cross();
    pl_error err;
    for (size_t w = 0; w < WINDOWS; w++) {
        pl_check_ok(pl_cross_note(cross, f->x0[w], w == 2 ? 2 : 0, noted, &err), err);
        pl_check_ok(pl_cross_add(cross, w, f->x[w], w == 2 ? 3 : 0, sent, &err), err);
    }
    float *sum = pl_cross_take(cross, 1.0);
    assert_non_null(sum);
    for (size_t i = 0; i < N; i++) { /* row 1 of both is token 4 */
        const float differ = f->x0[2][N + i] - f->x[2][N + i];
        pl_check_close((double)sum[i * N + 3], (double)(differ * f->x[2][N + 3]), 0.0, 1e-6);
    }
    free(sum);
    pl_cross_destroy(cross);
    free(f);
}

static void test_no_part(void **state)
{
    (void)state;
    fixture *f = make_inputs_of_two_models();
    pl_cross *cross = make_cross();
    pl_error err;
    assert_null(pl_cross_part(cross));
    add_rows(cross, f, 1, ROWS, NULL);
    add_rows(cross, f, 2, ROWS, NULL);
    assert_null(pl_cross_part(cross)); /* no node of the tree */
    assert_int_equal(pl_cross_add_part(cross, 4, 0, f->x[0], &err), PL_ERR_FORMAT);
    assert_int_equal(pl_cross_add_part(cross, 0, WINDOWS, f->x[0], &err), PL_ERR_FORMAT);
    pl_cross_destroy(cross);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_float64),
        cmocka_unit_test(test_parts_same_bytes),
        cmocka_unit_test(test_tokens_of_an_expert),
        cmocka_unit_test(test_no_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
