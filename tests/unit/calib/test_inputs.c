/* Statistics of given inputs, against float64 sums over the same formula. */
#include "core/calib/calib.h"

#include "core/model/bare.h"
#include "tests/support/matrices.h"
#include "tests/support/temp.h"

#include <math.h>
#include <string.h>

enum { ROWS = 1300, COLS = 24, SEED = 9 };

typedef struct fixture {
    pl_temp temp;
    pl_store *store;
    pl_model *model;
    char weights[1100], inputs[1100];
} fixture;

static void open_fixture(fixture *f, size_t poison, float bad)
{
    pl_error err;
    char store[600];
    pl_temp_init(&f->temp);
    snprintf(f->weights, sizeof f->weights, "%s/W.safetensors", f->temp.folder);
    snprintf(f->inputs, sizeof f->inputs, "%s/X.safetensors", f->temp.folder);
    snprintf(store, sizeof store, "%s/store", f->temp.folder);
    PL_WRITE_MATRICES(f->weights, {"q.weight", 4, COLS, 1, PL_F32},
                      {"z.weight", 4, COLS, 2, PL_F32});
    pl_write_matrices(f->inputs, (const pl_test_matrix[]){{"q.input", ROWS, COLS, SEED, PL_F32}}, 1,
                      poison, bad);
    pl_check_ok(pl_store_open(store, 0, &f->store, &err), err);
    pl_check_ok(pl_model_open_matrices(f->weights, f->inputs, &f->model, &err), err);
}

static void close_fixture(fixture *f)
{
    pl_model_close(f->model);
    pl_store_close(f->store);
    pl_temp_deinit(&f->temp);
}

static void check_channel(const pl_site_stats *stats, size_t c)
{
    double sum = 0, square = 0, largest = 0;
    size_t position = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double x = (double)pl_test_value(SEED, r, c);
        sum += fabs(x);
        square += x * x;
        if (fabs(x) > largest) {
            largest = fabs(x);
            position = r;
        }
    }
    pl_check_close(stats->max[c], largest, 0, 0);
    assert_int_equal(stats->max_position[c], position);
    assert_int_equal(stats->max_token[c], -1);
    pl_check_close(stats->mean_abs[c], sum / ROWS, 1e-6, 0);
    pl_check_close(stats->rms[c], sqrt(square / ROWS), 1e-6, 0);
}

static void statistics_are_those_of_the_rows(void **state)
{
    (void)state;
    fixture f;
    pl_error err;
    pl_id key = {0};
    pl_site_stats stats = {0};
    open_fixture(&f, SIZE_MAX, 0);
    const pl_inputs_spec spec = {.model = f.model, .sample_rows = 100};
    pl_check_ok(pl_calib_inputs_key(f.model, 100, &key, NULL, &err), err);
    pl_check_ok(pl_calib_inputs_site(&spec, key, 0, f.store, NULL, &err), err);
    pl_check_ok(pl_calib_load_site(f.store, key, f.model, 0, PL_GRAM_SQUARE, true, &stats, &err),
                err);
    assert_int_equal(stats.n, COLS);
    pl_check_close(stats.tokens, ROWS, 0, 0);
    for (size_t i = 0; i < COLS; i++) {
        check_channel(&stats, i);
        for (size_t j = 0; j < COLS; j++) {
            double sum = 0;
            for (size_t r = 0; r < ROWS; r++) {
                sum += (double)pl_test_value(SEED, r, i) * (double)pl_test_value(SEED, r, j);
            }
            pl_check_close(stats.gram[i * COLS + j], sum / ROWS, 1e-6, 1e-6);
        }
    }
    assert_int_equal(stats.sample_rows, 100);
    for (size_t s = 0; s < 100; s++) {
        size_t row = stats.sample_position[s];
        expect_less(row, ROWS);
        if (s > 0) {
            expect_less(stats.sample_position[s - 1], row);
        }
        for (size_t c = 0; c < COLS; c++) {
            pl_check_close(stats.sample[s * COLS + c], pl_test_value(SEED, row, c), 0, 0);
        }
    }
    pl_site_stats_deinit(&stats);
    close_fixture(&f);
}

static void a_nan_is_refused_where_it_stands(void **state)
{
    (void)state;
    fixture f;
    pl_error err;
    pl_id key = {0};
    open_fixture(&f, 700 * COLS + 5, NAN);
    const pl_inputs_spec spec = {.model = f.model, .sample_rows = 100};
    pl_check_ok(pl_calib_inputs_key(f.model, 100, &key, NULL, &err), err);
    assert_int_equal(pl_calib_inputs_site(&spec, key, 0, f.store, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "X.safetensors: tensor 'q.input' holds NaN");
    pl_check_says(err, "(row 700, column 5)");
    assert_false(pl_store_has(f.store, "site", pl_calib_site_key(key, 0)));
    close_fixture(&f);
    open_fixture(&f, 3, INFINITY);
    const pl_inputs_spec again = {.model = f.model, .sample_rows = 100};
    assert_int_equal(pl_calib_inputs_site(&again, key, 0, f.store, NULL, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "holds an infinity at element 3 (row 0, column 3)");
    close_fixture(&f);
}

static void the_key_is_of_the_inputs(void **state)
{
    (void)state;
    fixture f;
    pl_error err;
    pl_id first = {0}, same = {0}, other = {0}, fewer = {0};
    open_fixture(&f, SIZE_MAX, 0);
    pl_check_ok(pl_calib_inputs_key(f.model, 100, &first, NULL, &err), err);
    pl_check_ok(pl_calib_inputs_key(f.model, 99, &fewer, NULL, &err), err);
    pl_model_close(f.model);
    PL_WRITE_MATRICES(f.weights, {"q.weight", 4, COLS, 77, PL_F32},
                      {"z.weight", 4, COLS, 2, PL_F32});
    pl_check_ok(pl_model_open_matrices(f.weights, f.inputs, &f.model, &err), err);
    pl_check_ok(pl_calib_inputs_key(f.model, 100, &same, NULL, &err), err);
    pl_model_close(f.model);
    PL_WRITE_MATRICES(f.inputs, {"q.input", ROWS, COLS, SEED + 1, PL_F32});
    pl_check_ok(pl_model_open_matrices(f.weights, f.inputs, &f.model, &err), err);
    pl_check_ok(pl_calib_inputs_key(f.model, 100, &other, NULL, &err), err);
    assert_true(pl_id_equal(first, same)); /* other weights, the same inputs */
    assert_false(pl_id_equal(first, other));
    assert_false(pl_id_equal(first, fewer));
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_are_those_of_the_rows),
        cmocka_unit_test(a_nan_is_refused_where_it_stands),
        cmocka_unit_test(the_key_is_of_the_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
