#include "plots/figure.h"

#include "tests/support/check.h"

#include <math.h>

static double total(const pl_series *series)
{
    double sum = 0;
    for (size_t i = 0; i < series->count; i++) {
        sum += series->y[i];
    }
    return sum;
}

static void histogram_counts_every_value(void **state)
{
    (void)state;
    enum { ROWS = 37, COLS = 53, STRIDE = 60 };
    static float before[ROWS * STRIDE];
    static float after[ROWS * COLS];
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < STRIDE; j++) {
            before[i * STRIDE + j] = j < COLS ? sinf((float)(i * 131 + j * 17)) : 1e9f;
        }
        for (size_t j = 0; j < COLS; j++) {
            after[i * COLS + j] = 0.5f * before[i * STRIDE + j];
        }
    }
    before[5 * STRIDE + 3] = -7.5f;
    before[6 * STRIDE + 4] = 9.25f;
    pl_histogram_data data = {.title = "t",
                              .x_label = "weight",
                              .values = {{before, ROWS, COLS, STRIDE}, {after, ROWS, COLS, COLS}},
                              .labels = {"before", "after"},
                              .tones = {PL_TONE_BEFORE, PL_TONE_AFTER},
                              .n_series = 2};
    pl_error err = {0};
    for (size_t bins = 0; bins <= 4096; bins = bins * 8 + 1) {
        data.bins = bins;
        pl_figure figure;
        pl_check_ok(pl_figure_histogram(&data, &figure, &err), err);
        assert_int_equal(figure.n_series, 2);
        for (size_t s = 0; s < 2; s++) {
            const pl_series *series = &figure.series[s];
            assert_int_equal(series->mark, PL_MARK_STEPS);
            if (bins > 0) {
                assert_int_equal(series->count, bins);
            } else {
                expect_at_most(60, series->count);
                expect_at_most(series->count, 200);
            }
            pl_check_close(total(series), ROWS * COLS, 0, 0);
            pl_check_close(series->x[0], -7.5, 0, 0);
            pl_check_close(series->x[series->count], 9.25, 0, 0);
        }
        expect_at_most(1, figure.series[0].y[0]);
        expect_at_most(1, figure.series[0].y[figure.series[0].count - 1]);
        assert_true(figure.y.log);
        expect_less(0, figure.y.lo);
        expect_less(figure.y.lo, 1);
        expect_less(figure.x.lo, -7.5);
        expect_less(9.25, figure.x.hi);
        pl_check_ok(pl_figure_check(&figure, &err), err);
        pl_figure_deinit(&figure);
    }
}

static void histogram_takes_constant_data(void **state)
{
    (void)state;
    const float values[] = {0, -3, 1e30f, 1e-30f};
    for (size_t i = 0; i < 4; i++) {
        float data[6] = {values[i], values[i], values[i], values[i], values[i], values[i]};
        pl_histogram_data histogram = {
            .values = {{data, 2, 3, 3}}, .labels = {NULL}, .n_series = 1};
        pl_figure figure;
        pl_error err = {0};
        pl_check_ok(pl_figure_histogram(&histogram, &figure, &err), err);
        pl_check_close(total(&figure.series[0]), 6, 0, 0);
        pl_check_ok(pl_figure_check(&figure, &err), err);
        pl_figure_deinit(&figure);
    }
}

static void histogram_refuses_bad_data(void **state)
{
    (void)state;
    float data[4] = {1, 2, NAN, 4};
    pl_histogram_data histogram = {
        .values = {{data, 2, 2, 2}}, .labels = {"before"}, .n_series = 1};
    pl_figure figure;
    pl_error err = {0};
    assert_int_equal(pl_figure_histogram(&histogram, &figure, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "histogram: \"before\": row 1, column 0 is not finite");
    assert_null(figure.title);
    histogram.values[0].rows = 0;
    assert_int_equal(pl_figure_histogram(&histogram, &figure, &err), PL_ERR_USAGE);
    pl_check_says(err, "\"before\" holds no values");
    histogram.n_series = PL_FIGURE_SERIES + 1;
    assert_int_equal(pl_figure_histogram(&histogram, &figure, &err), PL_ERR_USAGE);
    pl_check_says(err, "expected 1 to 12 series");
    assert_int_equal(pl_figure_histogram(&histogram, &figure, NULL), PL_ERR_USAGE);
}

static void input_histogram_trims_empty_bins(void **state)
{
    (void)state;
    uint64_t counts[PL_HIST_BINS] = {0};
    pl_figure figure;
    pl_error err = {0};
    assert_int_equal(pl_figure_input_histogram("t", counts, &figure, &err), PL_ERR_STATE);
    pl_check_says(err, "no input has been counted");
    counts[PL_HIST_PER_OCTAVE * 24] = 5; /* from 1 on */
    counts[PL_HIST_PER_OCTAVE * 26] = 1;
    pl_check_ok(pl_figure_input_histogram("t", counts, &figure, &err), err);
    const pl_series *series = &figure.series[0];
    assert_int_equal(series->count, 2 * PL_HIST_PER_OCTAVE + 1);
    pl_check_close(series->x[0], 1, 0, 0);
    pl_check_close(series->x[2 * PL_HIST_PER_OCTAVE], 4, 1e-15, 0);
    pl_check_close(total(series), 6, 0, 0);
    assert_true(figure.x.log);
    assert_true(figure.y.log);
    pl_check_ok(pl_figure_check(&figure, &err), err);
    pl_figure_deinit(&figure);
    memset(counts, 0, sizeof counts);
    counts[0] = 3;
    pl_check_ok(pl_figure_input_histogram(NULL, counts, &figure, &err), err);
    pl_check_ok(pl_figure_check(&figure, &err), err);
    pl_figure_deinit(&figure);
}

static void channels_note_the_outliers(void **state)
{
    (void)state;
    float values[100];
    for (size_t i = 0; i < 100; i++) {
        values[i] = 1;
    }
    values[7] = 9;
    values[60] = 30;
    values[61] = 5.9f;
    pl_channels_data data = {
        .values = {values}, .labels = {"before"}, .n_series = 1, .n = 100, .median_rule = true};
    pl_figure figure;
    pl_error err = {0};
    pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
    assert_int_equal(figure.n_notes, 2);
    assert_string_equal(figure.notes[0].text, "60");
    assert_string_equal(figure.notes[1].text, "7");
    assert_int_equal(figure.n_rules, 1);
    pl_check_close(figure.rules[0].at, 6, 0, 0);
    assert_string_equal(figure.rules[0].label, "6\u2009\u00d7\u2009median");
    expect_close(figure.y.lo, 0, 0);
    expect_less(30, figure.y.hi);
    expect_less(figure.y.hi, 40);
    expect_less(figure.x.lo, 0);
    expect_less(99, figure.x.hi);
    assert_int_equal(figure.series[0].mark, PL_MARK_STEMS);
    pl_figure_deinit(&figure);
    /* Sorted: a falling line over ranks from 1, also on a log axis. */
    data.sorted = true;
    data.log_x = true;
    pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
    const pl_series *series = &figure.series[0];
    assert_int_equal(series->mark, PL_MARK_LINE);
    pl_check_close(series->x[0], 1, 0, 0);
    pl_check_close(series->y[0], 30, 0, 0);
    for (size_t i = 1; i < series->count; i++) {
        expect_at_most(series->y[i], series->y[i - 1]);
    }
    assert_true(figure.x.log);
    expect_less(0, figure.x.lo);
    pl_figure_deinit(&figure);
}

static void channels_take_zeros_and_one_channel(void **state)
{
    (void)state;
    float zeros[5] = {0};
    float mixed[5] = {0, 1e-20f, 0, 3, 0};
    const float *const inputs[] = {zeros, mixed};
    pl_error err = {0};
    for (int k = 0; k < 16; k++) {
        pl_channels_data data = {.values = {inputs[k & 1]},
                                 .labels = {NULL},
                                 .n_series = 1,
                                 .n = k & 2 ? 1 : 5,
                                 .log = (k & 4) != 0,
                                 .sorted = (k & 8) != 0,
                                 .log_x = true,
                                 .median_rule = true};
        pl_figure figure;
        pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
        pl_check_ok(pl_figure_check(&figure, &err), err);
        if ((k & 4) != 0 && (k & 1) != 0 && (k & 2) == 0) {
            assert_true(figure.y.log);
            expect_at_most(3, figure.y.hi);
            expect_at_most(1e-8, figure.y.lo);
        }
        pl_figure_deinit(&figure);
    }
}

static void channels_refuse_bad_data(void **state)
{
    (void)state;
    float values[3] = {1, 2, INFINITY};
    pl_channels_data data = {.values = {values}, .labels = {"after"}, .n_series = 1, .n = 3};
    pl_figure figure;
    pl_error err = {0};
    assert_int_equal(pl_figure_channels(&data, &figure, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "channel plot: \"after\": channel 2 is not finite");
    data.n = 0;
    assert_int_equal(pl_figure_channels(&data, &figure, &err), PL_ERR_USAGE);
    pl_check_says(err, "at least one channel");
}

static void check_names_the_fault(void **state)
{
    (void)state;
    double x[2] = {0, 1};
    double y[2] = {0, NAN};
    char label[] = "before";
    pl_figure figure = {.x = {.lo = 0, .hi = 1}, .y = {.lo = 0, .hi = 1}, .n_series = 1};
    figure.series[0] =
        (pl_series){.label = label, .mark = PL_MARK_LINE, .count = 2, .x = x, .y = y};
    pl_error err = {0};
    assert_int_equal(pl_figure_check(&figure, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "series \"before\": y of point 1 is not finite");
    y[1] = 1;
    pl_check_ok(pl_figure_check(&figure, &err), err);
    figure.y.log = true;
    assert_int_equal(pl_figure_check(&figure, &err), PL_ERR_USAGE);
    pl_check_says(err, "the y axis goes from 0 to 1, expected a rising range above 0");
    figure.x.hi = NAN;
    assert_int_equal(pl_figure_check(&figure, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "the x axis is not finite");
    figure.n_series = 0;
    assert_int_equal(pl_figure_check(&figure, &err), PL_ERR_USAGE);
    pl_check_says(err, "expected 1 to 12 series");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histogram_counts_every_value),
        cmocka_unit_test(histogram_takes_constant_data),
        cmocka_unit_test(histogram_refuses_bad_data),
        cmocka_unit_test(input_histogram_trims_empty_bins),
        cmocka_unit_test(channels_note_the_outliers),
        cmocka_unit_test(channels_take_zeros_and_one_channel),
        cmocka_unit_test(channels_refuse_bad_data),
        cmocka_unit_test(check_names_the_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
