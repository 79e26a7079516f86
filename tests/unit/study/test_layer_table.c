/* The table of layers: its columns against the functions they are of, its order, its names. */
#include "core/study/layer_table.h"

#include "core/metrics/outliers.h"
#include "tests/support/demo_lab.h"

#include <math.h>

/* A second definition of each number, from the weights as they are. */
static void test_columns_of_weights(void **ctx)
{
    (void)ctx;
    demo_lab demo, *d = &demo;
    pl_error err = {0};
    const size_t layer = 13;
    demo_lab_init(d);
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    pl_layer_row row;
    pl_check_ok(pl_layer_rows(demo_context(d), layer, 1, &row, &err), err);
    float *w = demo_weights(d, layer, PL_WHICH_BEFORE);
    double largest = 0, mean = 0, m2 = 0, m4 = 0;
    const size_t n = info->rows * info->cols;
    float *max = calloc(info->cols, sizeof *max);
    assert_non_null(max);
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)w[i]));
        max[i % info->cols] = fmaxf(max[i % info->cols], fabsf(w[i]));
        mean += (double)w[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        const double x = (double)w[i] - mean;
        m2 += x * x / (double)n;
        m4 += x * x * x * x / (double)n;
    }
    const double median = pl_median(max, info->cols);
    size_t above = 0;
    for (size_t c = 0; c < info->cols; c++) {
        above += (double)max[c] > 6 * median;
    }
    pl_check_close(row.number[PL_COLUMN_WEIGHT_MAX], largest, 1e-12, 0);
    pl_check_close(row.number[PL_COLUMN_WEIGHT_RATIO], largest / median, 1e-12, 0);
    pl_check_close(row.number[PL_COLUMN_WEIGHT_OUTLIERS], (double)above, 0, 0);
    pl_check_close(row.number[PL_COLUMN_KURTOSIS], m4 / m2 / m2, 1e-6, 0);
    pl_check_close(row.number[PL_COLUMN_BLOCK], 1, 0, 0);
    assert_true(isnan(row.number[PL_COLUMN_GAP]));
    free(max);
    free(w);
    demo_lab_deinit(d);
}

/* A solution's numbers are those of its report, while the layer's result is that one. */
static void test_columns_of_solutions(void **ctx)
{
    (void)ctx;
    pl_layer_row row = pl_layer_row_empty();
    pl_solve_report report = pl_solve_report_empty();
    const pl_id first = {1, 0}, second = {2, 0};
    report.relative_error = 0.5;
    report.gap = 0.25;
    pl_layer_row_solved(&row, first, &report);
    pl_check_close(pl_layer_number(&row, PL_COLUMN_ERROR, &first), 0.5, 0, 0);
    pl_check_close(pl_layer_number(&row, PL_COLUMN_GAP, &first), 0.25, 0, 0);
    assert_true(isnan(pl_layer_number(&row, PL_COLUMN_ROUNDED_ERROR, &first)));
    assert_true(isnan(pl_layer_number(&row, PL_COLUMN_GAP, &second)));
    assert_true(isnan(pl_layer_number(&row, PL_COLUMN_GAP, NULL)));
    assert_true(isnan(pl_layer_number(&row, PL_COLUMN_TIMES_LEAST, &first)));
    report.rounded_relative_error = 0.75;
    report.least_rounded_error = 0.25;
    pl_layer_row_solved(&row, second, &report);
    pl_check_close(pl_layer_number(&row, PL_COLUMN_ROUNDED_ERROR, &second), 0.75, 0, 0);
    pl_check_close(pl_layer_number(&row, PL_COLUMN_TIMES_LEAST, &second), 3, 0, 0);
}

static void check_order(const double *values, bool rising, const size_t expected[5])
{
    size_t layers[5] = {4, 2, 0, 1, 3};
    pl_layers_order(layers, 5, values, rising);
    assert_memory_equal(layers, expected, 5 * sizeof *expected);
}

static void test_order(void **ctx)
{
    (void)ctx;
    const double values[5] = {2, NAN, 7, 2, INFINITY};
    check_order(values, false, (const size_t[]){4, 2, 0, 3, 1});
    check_order(values, true, (const size_t[]){0, 3, 2, 4, 1});
    check_order(NULL, false, (const size_t[]){0, 1, 2, 3, 4});
}

static void test_names(void **ctx)
{
    (void)ctx;
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        pl_column found = PL_COLUMN_COUNT;
        pl_error err = {0};
        pl_check_ok(
            pl_column_parse("layers", pl_columns[c].name, strlen(pl_columns[c].name), &found, &err),
            err);
        assert_int_equal(found, c);
        expect_at_most(strlen(pl_columns[c].head), 7);
    }
    pl_column found;
    pl_error err = {0};
    assert_int_equal(pl_column_parse("layers", "eror,x", 4, &found, &err), PL_ERR_USAGE);
    assert_string_equal(err.message, "layers: no column is named \"eror\": did you mean error?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_of_weights),
        cmocka_unit_test(test_columns_of_solutions),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
