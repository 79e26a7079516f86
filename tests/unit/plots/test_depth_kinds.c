/* The figures over all blocks and layers, on the demo, from the store's raw arrays. */
#include "tests/support/rising.h"
#include "tests/unit/plots/kinds_fixture.h"

#include "core/study/channels_by_block.h"

#include <math.h>

static double median_by_sorting(const float *values, size_t n)
{
    float *sorted = malloc(n * sizeof *sorted);
    assert_non_null(sorted);
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, rising_floats);
    const double median = n % 2 == 1 ? (double)sorted[n / 2]
                                     : ((double)sorted[n / 2 - 1] + (double)sorted[n / 2]) / 2;
    free(sorted);
    return median;
}

/* A channel of a block is the larger one of its two inputs, each over its own median; the demo's
 * planted channels are outliers in one block each. */
static void test_channels_by_block(void **state)
{
    demo_lab *d = *state;
    const pl_model *model = d->state.source->model;
    pl_request request = request_of(d, &pl_kind_channels_by_block);
    request.channel = 99;
    pl_figure f = make_figure(d, &request);
    pl_error err = {0};
    pl_id calibration = {0};
    pl_check_ok(pl_lab_calibration(demo_context(d), &calibration, &err), err);
    const size_t blocks = DEMO_LAYERS / 7;
    assert_int_equal(f.heat->rows, blocks);
    assert_int_equal(f.heat->cols, COLS);
    assert_true(f.heat->log);
    for (size_t b = 0; b < blocks; b++) {
        double expected[COLS] = {0};
        for (size_t i = 7 * b; i < 7 * b + 7; i++) {
            const pl_layer *layer = pl_model_layer(model, i);
            if (strstr(layer->name, "q_proj") == NULL && strstr(layer->name, "gate") == NULL) {
                continue;
            }
            pl_site_stats stats = {0};
            pl_check_ok(pl_lab_load_site(demo_context(d), calibration, layer->site, PL_GRAM_NONE,
                                         false, &stats, &err),
                        err);
            const double median = median_by_sorting(stats.max, COLS);
            for (size_t c = 0; c < COLS; c++) {
                expected[c] = fmax(expected[c], (double)stats.max[c] / median);
            }
            pl_site_stats_deinit(&stats);
        }
        for (size_t c = 0; c < COLS; c++) {
            pl_check_close(f.heat->values[(blocks - 1 - b) * COLS + c], expected[c], 1e-6, 0);
        }
    }
    assert_string_equal(f.y.names[0], "3");
    assert_int_equal(f.n_rules, 1);
    assert_true(f.rules[0].vertical);
    expect_close(f.rules[0].at, 99, 0);
    assert_int_equal(f.n_notes, 0); /* no channel is an outlier in two blocks */
    assert_string_equal(fact_of(&f, "outliers_in_many"), "0 of 144 channels");
    pl_figure_deinit(&f);

    /* The input of down_proj has other channels: none is marked. */
    request.layer = 6;
    f = make_figure(d, &request);
    assert_int_equal(f.n_rules, 0);
    pl_figure_deinit(&f);
}

static void test_channels_in_many(void **state)
{
    (void)state;
    size_t counts[] = {0, 2, 5, 1, 5, 3, 9}, best[3] = {99, 99, 99};
    const pl_channels_by_block t = {.n = 7, .blocks = 12, .known = 10, .outlier_in = counts};
    assert_int_equal(pl_channels_in_many(&t, 3, best), 4); /* a quarter of 10 is 2.5 */
    assert_int_equal(best[0], 6);
    assert_int_equal(best[1], 2);
    assert_int_equal(best[2], 4);
    assert_int_equal(pl_channels_in_many(&t, 0, NULL), 4);
    assert_int_equal(pl_channels_in_many(&t, 1, best), 4);
    assert_int_equal(best[0], 6);
}

/* One line a role, at its block; nothing solved is a sentence that names the command. */
static void test_error_by_block(void **state)
{
    demo_lab *d = *state;
    pl_error err = {0};
    pl_solve_report report;
    pl_check_ok(pl_result_report(d->lab, &d->state, DEMO_Q1, *pl_state_result(&d->state, DEMO_Q1),
                                 &report, &err),
                err);
    const double expected[] = {report.rounded_relative_error, report.relative_error};
    pl_request request = request_of(d, &pl_kind_error_by_block);
    for (request.form = 0; request.form < 2; request.form++) {
        pl_figure f = make_figure(d, &request);
        assert_int_equal(f.n_series, 1);
        assert_int_equal(f.series[0].count, 1);
        assert_string_equal(f.series[0].label, "q_proj");
        assert_true(f.y.log);
        expect_close(f.series[0].x[0], 1, 0);
        pl_check_close(f.series[0].y[0], expected[request.form], 0, 0);
        assert_string_equal(fact_of(&f, "not_solved"), "27 of 28 layers: `solve all`");
        pl_figure_deinit(&f);
    }
    pl_state plain;
    demo_state(&plain, true);
    pl_figure f;
    request = pl_request_of(&plain, &pl_kind_error_by_block);
    assert_int_equal(pl_kind_make((pl_context){d->lab, &plain, NULL}, &request, &f, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "error_by_block: no layer has a rounded error with the present methods, "
                       "`solve all` first");
    pl_state_deinit(&plain);
}

/* Norms and maxima of the raw rows, sorted; a rotation keeps the sum of squares. */
static void test_envelope(void **state)
{
    demo_lab *d = *state;
    pl_error err = {0};
    float *w = calloc(1, demo_bytes(d, DEMO_Q1));
    assert_non_null(w);
    pl_check_ok(pl_weights_read(demo_context(d), DEMO_Q1, (pl_weights_of){0}, w, &err), err);
    pl_request request = request_of(d, &pl_kind_envelope);
    for (request.form = 0; request.form < 2; request.form++) {
        float sizes[COLS] = {0};
        double sum = 0;
        for (size_t c = 0; c < COLS; c++) {
            double square = 0, max = 0;
            for (size_t r = 0; r < ROWS; r++) {
                const double value = (double)w[r * COLS + c];
                square += value * value;
                max = fmax(max, fabs(value));
            }
            sizes[c] = (float)(request.form == 0 ? sqrt(square) : max);
            sum += square;
        }
        qsort(sizes, COLS, sizeof *sizes, rising_floats);
        pl_figure f = make_figure(d, &request);
        expect_at_most(3, f.n_series);
        assert_string_equal(f.series[0].label, "no transform");
        for (size_t i = 0; i < COLS; i++) {
            expect_close(f.series[0].x[i], (double)(i + 1), 0);
            pl_check_close(f.series[0].y[i], (double)sizes[COLS - 1 - i], 1e-5, 0);
        }
        double rotated = 0;
        for (size_t i = 0; i < COLS; i++) {
            rotated += f.series[2].y[i] * f.series[2].y[i];
        }
        assert_string_equal(f.series[2].label, "hadamard");
        if (request.form == 0) {
            pl_check_close(rotated, sum, 1e-4, 0);
        }
        pl_figure_deinit(&f);
    }
    free(w);
    pl_request row[PL_KIND_ROW];
    request.any_side = true;
    assert_int_equal(pl_kind_envelope.row(&d->state, &request, row), 2);
    assert_int_equal(row[0].side, PL_SIDE_WEIGHT);
    assert_int_equal(row[1].side, PL_SIDE_INPUT);
    request.any_side = false;
    assert_int_equal(pl_kind_envelope.row(&d->state, &request, row), 1);
}

/* Ratios of the reports that solving under each setting gives; what is missing is counted. */
static void test_depth(void **state)
{
    demo_lab *d = *state;
    pl_error err = {0};
    pl_request request = request_of(d, &pl_kind_depth);
    pl_figure f;
    assert_int_equal(pl_kind_make(demo_context(d), &request, &f, &err), PL_ERR_STATE);
    pl_check_says(err, "depth: no layer is solved both with rtn alone and behind a preconditioner "
                       "on the original model's inputs: `method none slot=precondition; solve all "
                       "sequential=no; method astro beta=0.01 ");

    pl_state alone;
    pl_solve_report plain, own;
    pl_id result = {0};
    pl_check_ok(pl_state_copy(&alone, &d->state, &err), err);
    alone.slots[PL_SLOT_PRECONDITION] = (pl_spec){0};
    pl_check_ok(pl_solve_layer((pl_context){d->lab, &alone, NULL}, DEMO_Q1, &plain, &result, &err),
                err);
    pl_check_ok(pl_solve_layer(demo_context(d), DEMO_Q1, &own, &result, &err), err);
    f = make_figure(d, &request);
    assert_int_equal(f.n_series, 1);
    assert_string_equal(f.series[0].label, "astro beta=0.01");
    assert_int_equal(f.series[0].count, 1);
    pl_check_close(f.series[0].x[0], 1, 0, 0); /* the first layer of block 1 */
    pl_check_close(f.series[0].y[0], own.rounded_relative_error / plain.rounded_relative_error, 0,
                   0);
    assert_string_equal(fact_of(&f, "not_solved"), "27 of 28 layers with astro");
    assert_int_equal(f.n_rules, 1);
    expect_close(f.rules[0].at, 1, 0);
    assert_false(f.rules[0].vertical);
    assert_string_equal(f.rules[0].label, "rtn alone");
    pl_figure_deinit(&f);

    alone.slots[PL_SLOT_ROUND] = (pl_spec){0};
    assert_int_equal(pl_kind_make((pl_context){d->lab, &alone, NULL}, &request, &f, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "depth: no rounder is set to compare with, `method gptq` first");
    pl_state_deinit(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_by_block),
        cmocka_unit_test(test_channels_in_many),
        cmocka_unit_test(test_error_by_block),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, kinds_setup, kinds_teardown);
}
