/* Figures of one layer: channels, fan, histogram, boxes, groups, outliers; against the weights. */
#include "tests/unit/plots/kinds_fixture.h"

#include "core/live/picture.h"
#include "core/metrics/outliers.h"
#include "core/metrics/recon.h"
#include "core/metrics/spread.h"

#include <math.h>

static void channels_draw_before_pins_and_after(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_channels);
    request.pins = true;
    request.channel = 17;
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 3);
    float *w[] = {demo_weights(d, DEMO_Q1, PL_WHICH_BEFORE),
                  pin_weights(d, PL_WHICH_PRECONDITIONED),
                  demo_weights(d, DEMO_Q1, PL_WHICH_PRECONDITIONED)};
    const pl_tone tones[] = {PL_TONE_BEFORE, PL_TONE_EXTRA, PL_TONE_PRECONDITIONED};
    const char *const labels[] = {"before", "astro beta=0.001", "astro, β = 0.01"};
    for (size_t s = 0; s < 3; s++) {
        float max[COLS];
        pl_column_stats((pl_view){w[s], ROWS, COLS, COLS}, max, NULL, NULL);
        assert_int_equal(f.series[s].tone, tones[s]);
        assert_int_equal(f.series[s].mark, s == 1 ? PL_MARK_POINTS : PL_MARK_STEMS);
        assert_string_equal(f.series[s].label, labels[s]);
        for (size_t c = 0; c < COLS; c++) {
            pl_check_close(f.series[s].y[c], max[c], 0, 0);
        }
        free(w[s]);
    }
    const pl_rule *mark = &f.rules[f.n_rules - 1];
    assert_true(mark->vertical);
    pl_check_close(mark->at, 17, 0, 0);
    assert_string_equal(mark->label, "channel 17");
    char text[48];
    snprintf(text, sizeof text, "17: %.4g \u2192 %.4g", f.series[0].y[17], f.series[2].y[17]);
    assert_string_equal(fact_of(&f, "channel"), text);
    pl_figure_deinit(&f);

    request.sorted = true;
    f = make_figure(d, &request);
    mark = &f.rules[f.n_rules - 1];
    size_t rank = (size_t)mark->at;
    assert_true(mark->vertical);
    expect_at_most(1, rank);
    expect_at_most(rank, COLS);
    char prefix[48];
    snprintf(prefix, sizeof prefix, "17: %.4g ", f.series[0].y[rank - 1]);
    assert_memory_equal(text, prefix, strlen(prefix));
    for (size_t s = 0; s < 3; s++) {
        for (size_t i = 1; i < COLS; i++) {
            expect_at_most(f.series[s].y[i], f.series[s].y[i - 1]);
        }
    }
    pl_figure_deinit(&f);
}

static void unsolved_layers_show_before_only(void **state)
{
    demo_lab *d = *state;
    const pl_kind *const kinds[] = {&pl_kind_channels, &pl_kind_histogram, &pl_kind_box,
                                    &pl_kind_groups};
    for (size_t k = 0; k < 4; k++) {
        pl_request request = request_of(d, kinds[k]);
        request.layer = DEMO_Q1 + 1;
        request.pins = true; /* of another layer */
        pl_figure f = make_figure(d, &request);
        const pl_series *last = &f.series[f.n_series - 1];
        assert_int_equal(f.n_series, kinds[k] == &pl_kind_groups ? 2 : 1);
        assert_string_equal(last->label, "before");
        assert_int_equal(last->tone, PL_TONE_BEFORE);
        pl_figure_deinit(&f);
        request.which = PL_WHICH_AFTER;
        f = make_figure(d, &request);
        assert_string_equal(f.series[f.n_series - 1].label, "after (not solved)");
        assert_int_equal(f.series[0].tone, PL_TONE_BEFORE);
        pl_figure_deinit(&f);
    }
}

/* Column c of w, sorted by the library's own selection, itself tested against sorting. */
static void column_spread(const float *w, size_t c, bool magnitudes, double out[PL_SPREAD])
{
    float column[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
        column[r] = magnitudes ? fabsf(w[r * COLS + c]) : w[r * COLS + c];
    }
    pl_spread(column, ROWS, out);
}

static void fans_share_one_order(void **state)
{
    demo_lab *d = *state;
    float *w[] = {demo_weights(d, DEMO_Q1, PL_WHICH_BEFORE),
                  demo_weights(d, DEMO_Q1, PL_WHICH_PRECONDITIONED)};
    float max[COLS];
    size_t order[COLS];
    pl_column_stats((pl_view){w[0], ROWS, COLS, COLS}, max, NULL, NULL);
    pl_top_channels(max, COLS, COLS, order);
    for (int variant = 0; variant < 4; variant++) {
        pl_request request = request_of(d, &pl_kind_channels);
        request.form = 1;
        request.sorted = (variant & 1) != 0;
        request.log = (variant & 2) != 0;
        request.channel = order[5];
        pl_figure f = make_figure(d, &request);
        assert_int_equal(f.n_series, 2);
        for (size_t s = 0; s < 2; s++) {
            assert_int_equal(f.series[s].mark, PL_MARK_FAN);
            assert_int_equal(f.series[s].count, COLS);
            for (size_t i = 0; i < COLS; i++) {
                double expected[PL_SPREAD];
                column_spread(w[s], request.sorted ? order[i] : i, request.log, expected);
                pl_check_close(f.series[s].x[i], (double)i + (request.sorted ? 1 : 0), 0, 0);
                for (size_t q = 0; q < PL_SPREAD; q++) {
                    pl_check_close(f.series[s].y[i * PL_SPREAD + q], expected[q], 0, 0);
                }
            }
        }
        assert_int_equal(f.y.log, request.log);
        double low = INFINITY; /* a log axis starts at the 1 % quantiles, not at the minima */
        for (size_t i = 0; request.log && i < 2 * COLS; i++) {
            double y = f.series[i / COLS].y[i % COLS * PL_SPREAD + 1];
            low = y > 0 ? fmin(low, y) : low;
        }
        if (request.log) {
            expect_less(f.y.lo, low);
            expect_less(low / 3, f.y.lo);
        }
        pl_check_close(f.rules[0].at, request.sorted ? 6 : (double)order[5], 0, 0);
        pl_figure_deinit(&f);
    }
    free(w[0]);
    free(w[1]);
}

static pl_site_stats load_stats(demo_lab *d)
{
    pl_error err;
    pl_id calibration = {0};
    pl_site_stats stats = {0};
    size_t site = pl_model_layer(d->state.source->model, DEMO_Q1)->site;
    pl_check_ok(pl_lab_calibration(demo_context(d), &calibration, &err), err);
    pl_check_ok(
        pl_lab_load_site(demo_context(d), calibration, site, PL_GRAM_SQUARE, true, &stats, &err),
        err);
    return stats;
}

static void inputs_show_every_maximum(void **state)
{
    demo_lab *d = *state;
    pl_site_stats stats = load_stats(d);
    pl_request request = request_of(d, &pl_kind_channels);
    request.side = PL_SIDE_INPUT;
    request.form = 1;
    request.log = true;
    pl_figure f = make_figure(d, &request);
    bool whole = (double)stats.sample_rows >= stats.tokens;
    assert_int_equal(f.n_series, whole ? 1 : 2);
    for (size_t c = 0; c < COLS; c++) {
        double top = whole ? f.series[0].y[c * PL_SPREAD + PL_SPREAD - 1] : f.series[1].y[c];
        pl_check_close(top, stats.max[c], 0, 0);
    }
    assert_int_equal(f.series[0].tone, PL_TONE_INPUT);
    pl_figure_deinit(&f);

    request.form = 0;
    f = make_figure(d, &request);
    char text[64];
    snprintf(text, sizeof text, "%zu of %d above", pl_outlier_count(stats.max, COLS, 6), COLS);
    assert_memory_equal(fact_of(&f, "outlier_channels"), text, strlen(text));
    pl_figure_deinit(&f);
    pl_site_stats_deinit(&stats);
}

/* With more tokens than the sample keeps, the points show the maxima the sample may miss. */
static void a_sample_is_said_to_be_one(void **state)
{
    demo_lab *d = *state;
    size_t windows = d->state.calibration.protocol.windows;
    d->state.calibration.protocol.windows = 12;
    pl_site_stats stats = load_stats(d);
    expect_less((double)stats.sample_rows, stats.tokens);
    const pl_kind *const kinds[] = {&pl_kind_channels, &pl_kind_box};
    for (size_t k = 0; k < 2; k++) {
        pl_request request = request_of(d, kinds[k]);
        request.side = PL_SIDE_INPUT;
        request.form = kinds[k] == &pl_kind_channels ? 1 : 0;
        pl_figure f = make_figure(d, &request);
        assert_int_equal(f.n_series, 2);
        assert_int_equal(f.series[1].mark, PL_MARK_POINTS);
        double top = 0;
        double expected = 0;
        for (size_t i = 0; i < f.series[1].count; i++) {
            top = fmax(top, f.series[1].y[i]);
        }
        for (size_t c = 0; c < COLS; c++) {
            expected = fmax(expected, (double)stats.max[c]);
        }
        pl_check_close(top, expected, 0, 0);
        char text[64];
        snprintf(text, sizeof text, "%zu of %.0f tokens", stats.sample_rows, stats.tokens);
        assert_string_equal(fact_of(&f, "sample"), text);
        pl_figure_deinit(&f);
    }
    pl_site_stats_deinit(&stats);
    d->state.calibration.protocol.windows = windows;
}

/* SmoothQuant with alpha = 1 divides channel c by the largest |x_c| of all tokens. */
static void inputs_stand_before_and_behind_a_transform(void **state)
{
    demo_lab *d = *state;
    pl_site_stats stats = load_stats(d);
    demo_method(&d->state, "smoothquant alpha=1");
    pl_request request = request_of(d, &pl_kind_channels);
    request.side = PL_SIDE_INPUT;
    pl_request_settle(&d->state, &request);
    assert_true(pl_request_turns_inputs(&request));
    assert_true(pl_request_uses_methods(&request));
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 2);
    assert_string_equal(f.series[0].label, "before");
    assert_string_equal(f.series[1].label, "behind smoothquant");
    for (size_t c = 0; c < COLS; c++) {
        const double before = f.series[0].y[c], behind = f.series[1].y[c];
        expect_at_most(before, (double)stats.max[c]); /* some rows of all tokens */
        expect_at_most(fabs(behind * (double)stats.max[c] - before), 1e-5 * before);
    }
    pl_figure_deinit(&f);
    /* Without the transform, or of `before`, they are the inputs of all tokens, as ever. */
    request.which = PL_WHICH_BEFORE;
    f = make_figure(d, &request);
    assert_int_equal(f.n_series, 1);
    expect_close(f.series[0].y[3], (double)stats.max[3], 0);
    pl_figure_deinit(&f);
    d->state.slots[PL_SLOT_TRANSFORM] = (pl_spec){0};
    request.which = PL_WHICH_BOTH;
    pl_request_settle(&d->state, &request);
    assert_int_equal(request.which, PL_WHICH_BEFORE);
    pl_site_stats_deinit(&stats);
}

static void histograms_count_pins_too(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_histogram);
    request.pins = true;
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 3);
    for (size_t s = 0; s < 3; s++) {
        double sum = 0;
        for (size_t i = 0; i < f.series[s].count; i++) {
            sum += f.series[s].y[i];
        }
        pl_check_close(sum, ROWS * COLS, 0, 0);
    }
    assert_int_equal(f.series[1].tone, PL_TONE_EXTRA);
    float *w = demo_weights(d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    pl_tensor_numbers numbers = pl_describe((pl_view){w, ROWS, COLS, COLS});
    char text[48];
    snprintf(text, sizeof text, "%.4g", numbers.kurtosis);
    assert_string_equal(fact_of(&f, "kurtosis_preconditioned"), text);
    snprintf(text, sizeof text, "%.4g", numbers.max_over_rms);
    assert_string_equal(fact_of(&f, "max_over_rms_preconditioned"), text);
    assert_non_null(strstr(fact_of(&f, "above_6_sigma"), "%"));
    free(w);
    pl_figure_deinit(&f);
    request.side = PL_SIDE_INPUT;
    f = make_figure(d, &request);
    fact_of(&f, "max_over_rms");
    fact_of(&f, "kurtosis");
    pl_figure_deinit(&f);
}

/* int3, symmetric: s = f16(max|w| / 3), code = round(w / s). */
static void levels_are_the_rounders(void **state)
{
    demo_lab *d = *state;
    const pl_kind *const kinds[] = {&pl_kind_histogram, &pl_kind_grid};
    float *w[] = {demo_weights(d, DEMO_Q1, PL_WHICH_BEFORE),
                  demo_weights(d, DEMO_Q1, PL_WHICH_PRECONDITIONED)};
    double counts[2][8] = {{0}};
    for (size_t i = 0; i < (size_t)2 * ROWS * GROUPS; i++) {
        const float *group = w[i / (ROWS * GROUPS)] + i % (ROWS * GROUPS) * GROUP;
        float most = 0.0f, scale = 0.0f;
        for (size_t j = 0; j < GROUP; j++) {
            most = fmaxf(most, fabsf(group[j]));
        }
        const float exact = most / 3.0f;
        uint8_t half[2];
        pl_dtype_encode(PL_F16, &exact, 1, half);
        pl_dtype_decode(PL_F16, half, 1, &scale);
        for (size_t j = 0; j < GROUP; j++) {
            counts[i / (ROWS * GROUPS)][4 + lrintf(group[j] / scale)] += 1.0;
        }
    }
    for (size_t k = 0; k < 2; k++) {
        pl_request request = request_of(d, kinds[k]);
        request.form = k == 0 ? 1 : 0;
        pl_figure f = make_figure(d, &request);
        assert_int_equal(f.n_series, k == 0 ? 4 : 2); /* beside the bins a point a level */
        for (size_t s = 0; s < 2; s++) {
            const pl_series *levels = &f.series[k == 0 ? 2 + s : s];
            if (k == 0) { /* the legend tells points from bars */
                assert_non_null(strstr(levels->label, f.series[s].label));
                assert_non_null(strstr(levels->label, ", per level"));
            }
            double sum = 0.0;
            for (size_t i = 0, at = 0; k == 0 && i < 8; i++) {
                if (counts[s][i] > 0.0) {
                    pl_check_close(levels->x[at], (double)i - 4.0, 0, 0);
                    pl_check_close(levels->y[at], counts[s][i], 0, 1e-6);
                    at++;
                }
            }
            for (size_t i = 0; k == 1 && i < 8; i++) {
                pl_check_close(levels->x[i], (double)i - 4.5, 0, 0);
                pl_check_close(levels->y[i], 100 * counts[s][i] / (ROWS * COLS), 0, 1e-6);
                sum += levels->y[i];
            }
            pl_check_close(sum, k == 1 ? 100.0 : 0.0, 0, 1e-6);
        }
        assert_string_equal(fact_of(&f, "levels"), "8 of int3, groups of 48");
        assert_string_equal(fact_of(&f, "saturated"), "0 %");
        pl_figure_deinit(&f);
    }
    free(w[0]);
    free(w[1]);
}

/* E2M1 at a power of two below: what is beyond 6 saturates, and two rules say where. */
static void what_saturates_stands_beyond_the_levels(void **state)
{
    demo_lab *d = *state;
    demo_method(&d->state, "rtn format=mxfp4");
    pl_request request = request_of(d, &pl_kind_histogram);
    request.form = 1;
    request.which = PL_WHICH_BEFORE;
    float *w = demo_weights(d, DEMO_Q1, PL_WHICH_BEFORE);
    size_t beyond = 0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t at = 0; at < COLS; at += 32) {
            const size_t count = COLS - at < 32 ? COLS - at : 32;
            float most = 0.0f;
            for (size_t j = at; j < at + count; j++) {
                most = fmaxf(most, fabsf(w[r * COLS + j]));
            }
            const float scale = exp2f(floorf(log2f(most)) - 2.0f);
            for (size_t j = at; j < at + count; j++) {
                beyond += fabsf(w[r * COLS + j]) > 6.0f * scale;
            }
        }
    }
    char expected[32];
    snprintf(expected, sizeof expected, "%.3g %%", 100.0 * (double)beyond / (ROWS * COLS));
    expect_less(0, beyond);
    pl_figure f = make_figure(d, &request);
    assert_string_equal(fact_of(&f, "saturated"), expected);
    assert_int_equal(f.n_rules, 2);
    pl_check_close(f.rules[1].at, 6, 0, 0);
    assert_non_null(strstr(f.rules[1].label, expected));
    assert_int_equal(f.series[1].count, 15);
    pl_figure_deinit(&f);
    request.side = PL_SIDE_INPUT;
    pl_error err = {0};
    assert_int_equal(pl_kind_make((pl_context){d->lab, &d->state, NULL}, &request, &f, &err),
                     PL_ERR_USAGE);
    pl_check_says(err, "expected side=weight");
    demo_method(&d->state, "rtn bits=3 group_size=48");
    free(w);
}

static void boxes_stand_side_by_side(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_box);
    request.channel = 100;
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 2);
    assert_int_equal(f.x.n_names, GROUPS);
    assert_string_equal(f.x.names[1], "48\u201395");
    for (size_t s = 0; s < 2; s++) {
        float *w = demo_weights(d, DEMO_Q1, s == 0 ? PL_WHICH_BEFORE : PL_WHICH_PRECONDITIONED);
        double expected[GROUPS * PL_SPREAD];
        pl_error err;
        pl_check_ok(
            pl_group_spreads((pl_view){w, ROWS, COLS, COLS}, GROUP, false, expected, NULL, &err),
            err);
        assert_int_equal(f.series[s].mark, PL_MARK_BOX);
        for (size_t k = 0; k < GROUPS; k++) {
            pl_check_close(f.series[s].x[k], (double)k + (s == 0 ? -0.2 : 0.2), 0, 1e-12);
            for (size_t q = 0; q < PL_SPREAD; q++) {
                pl_check_close(f.series[s].y[k * PL_SPREAD + q], expected[k * PL_SPREAD + q], 0, 0);
            }
        }
        free(w);
    }
    pl_check_close(f.rules[0].at, 2, 0, 0);
    pl_figure_deinit(&f);
}

static void groups_are_astros_table(void **state)
{
    demo_lab *d = *state;
    pl_error err;
    pl_bench bench = {0};
    pl_id calibration = {0};
    double norms[GROUPS], before[GROUPS], after[GROUPS];
    float alpha[GROUPS];
    size_t site = pl_model_layer(d->state.source->model, DEMO_Q1)->site;
    pl_check_ok(pl_lab_calibration(demo_context(d), &calibration, &err), err);
    pl_check_ok(pl_lab_site(demo_context(d), calibration, site, &bench, &err), err);
    pl_factors_group_norms(bench.factors, GROUP, norms);
    pl_factors_alpha(bench.factors, GROUP, alpha);
    float *w0 = demo_weights(d, DEMO_Q1, PL_WHICH_BEFORE);
    float *w = demo_weights(d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    pl_group_max((pl_view){w0, ROWS, COLS, COLS}, GROUP, NULL, before);
    pl_group_max((pl_view){w, ROWS, COLS, COLS}, GROUP, NULL, after);
    pl_grid grid = pl_spec_grid(&d->state.slots[PL_SLOT_ROUND]);
    double bound = pl_error_bound(bench.factors, &grid, (pl_view){w, ROWS, COLS, COLS});

    pl_request request = request_of(d, &pl_kind_groups);
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 4);
    assert_true(f.x.log);
    for (size_t s = 0; s < 4; s++) {
        assert_int_equal(f.series[s].mark, s % 2 == 0 ? PL_MARK_LINE : PL_MARK_POINTS);
        double sum = 0;
        for (size_t i = 0; i < GROUPS; i++) {
            if (i > 0) {
                expect_at_most(f.series[s].x[i - 1], f.series[s].x[i]);
            }
            for (size_t k = 0; k < GROUPS; k++) {
                double x = sqrt(bench.stats->tokens) * norms[k];
                if (fabs(f.series[s].x[i] - x) < 1e-5 * x) {
                    pl_check_close(f.series[s].y[i], s < 2 ? before[k] : after[k], 0, 0);
                    sum += 1;
                }
            }
        }
        pl_check_close(sum, GROUPS, 0, 0);
    }
    double old = 0;
    double now = 0;
    assert_int_equal(sscanf(fact_of(&f, "bound"), "%lf \u2192 %lf", &old, &now), 2);
    pl_check_close(now, bound, 1e-3, 0);
    expect_less(now, old);
    pl_solve_report report = demo_solve(d, DEMO_Q1);
    assert_int_equal(sscanf(fact_of(&f, "group_max_mean"), "%lf \u2192 %lf", &old, &now), 2);
    pl_check_close(old, report.group_max_before, 1e-3, 0);
    pl_check_close(now, report.group_max_after, 1e-3, 0);
    pl_figure_deinit(&f);

    request.form = 1;
    request.sorted = true;
    f = make_figure(d, &request);
    assert_int_equal(f.n_series, 2);
    assert_int_equal(f.x.n_names, GROUPS);
    pl_figure_deinit(&f);

    request.form = 2;
    request.pins = true;
    f = make_figure(d, &request);
    assert_int_equal(f.table->rows, GROUPS);
    assert_int_equal(f.table->cols, 7); /* channels, norm, alpha, before, pin, after, change */
    double last = INFINITY;
    for (size_t r = 0; r < GROUPS; r++) {
        char **cells = f.table->cells + r * f.table->cols;
        size_t k = (size_t)strtoul(cells[0], NULL, 10) / GROUP;
        pl_check_close(strtod(cells[1], NULL), sqrt(bench.stats->tokens) * norms[k], 1e-3, 0);
        pl_check_close(strtod(cells[2], NULL), (double)alpha[k], 0, 6e-4);
        pl_check_close(strtod(cells[3], NULL), before[k], 0, 6e-5);
        pl_check_close(strtod(cells[5], NULL), after[k], 0, 6e-5);
        assert_memory_equal(cells[6], "\u2212", 3); /* a real minus */
        pl_check_close(-strtod(cells[6] + 3, NULL), 100 * (after[k] / before[k] - 1), 0, 0.06);
        expect_at_most((double)alpha[k], last);
        last = (double)alpha[k];
    }
    pl_figure_deinit(&f);
    pl_lab_release(d->lab, &bench);
    free(w0);
    free(w);
}

static void outliers_name_their_tokens(void **state)
{
    demo_lab *d = *state;
    pl_channel_row rows[3];
    size_t count = 0;
    pl_error err;
    for (pl_side side = PL_SIDE_WEIGHT; side <= PL_SIDE_INPUT; side++) {
        pl_request request = request_of(d, &pl_kind_outliers);
        request.side = side;
        pl_figure f = make_figure(d, &request);
        pl_check_ok(pl_channel_table(demo_context(d), DEMO_Q1, side, 3, rows, &count, &err), err);
        assert_int_equal(f.table->cols, side == PL_SIDE_INPUT ? 6 : 4);
        assert_int_equal(f.table->rows, PL_PICTURE_TOP);
        for (size_t i = 0; i < count; i++) {
            char **cells = f.table->cells + i * f.table->cols;
            assert_int_equal(strtoul(cells[0], NULL, 10), rows[i].channel);
            pl_check_close(strtod(cells[1], NULL), rows[i].max, 1e-3, 0);
            pl_check_close(strtod(cells[2], NULL), rows[i].ratio, 0, 0.06);
            if (side == PL_SIDE_INPUT) {
                assert_non_null(strstr(cells[4], rows[i].token));
                assert_int_equal(strtol(cells[5], NULL, 10), rows[i].token_position);
            }
        }
        pl_figure_deinit(&f);
    }
}

static void a_lost_pin_is_left_out(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_channels);
    request.pins = true;
    d->state.kept[0]->pins[DEMO_Q1].result.low ^= 1;
    pl_figure f = make_figure(d, &request);
    d->state.kept[0]->pins[DEMO_Q1].result.low ^= 1;
    assert_int_equal(f.n_series, 2);
    assert_memory_equal(fact_of(&f, "pins_lost"), "1 ", 2);
    pl_figure_deinit(&f);
}

static void cancels_and_missing_calibrations_are_sentences(void **state)
{
    demo_lab *d = *state;
    const pl_kind *const kinds[] = {&pl_kind_channels, &pl_kind_histogram, &pl_kind_box,
                                    &pl_kind_groups};
    pl_task task = {0};
    pl_error err = {0};
    pl_figure f;
    atomic_store(&task.cancel, true);
    for (size_t k = 0; k < 4; k++) {
        pl_request request = request_of(d, kinds[k]);
        assert_int_equal(pl_kind_make((pl_context){d->lab, &d->state, &task}, &request, &f, &err),
                         PL_ERR_CANCELLED);
        assert_int_equal(f.n_series, 0);
    }
    pl_state plain;
    demo_state(&plain, false);
    pl_request request = pl_request_of(&plain, &pl_kind_groups);
    assert_int_equal(pl_kind_make((pl_context){d->lab, &plain, NULL}, &request, &f, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "calibrate");
    pl_state_deinit(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_draw_before_pins_and_after),
        cmocka_unit_test(unsolved_layers_show_before_only),
        cmocka_unit_test(fans_share_one_order),
        cmocka_unit_test(inputs_show_every_maximum),
        cmocka_unit_test(inputs_stand_before_and_behind_a_transform),
        cmocka_unit_test(histograms_count_pins_too),
        cmocka_unit_test(levels_are_the_rounders),
        cmocka_unit_test(what_saturates_stands_beyond_the_levels),
        cmocka_unit_test(boxes_stand_side_by_side),
        cmocka_unit_test(groups_are_astros_table),
        cmocka_unit_test(outliers_name_their_tokens),
        cmocka_unit_test(a_lost_pin_is_left_out),
        cmocka_unit_test(cancels_and_missing_calibrations_are_sentences),
        cmocka_unit_test(a_sample_is_said_to_be_one),
    };
    return cmocka_run_group_tests(tests, kinds_setup, kinds_teardown);
}
