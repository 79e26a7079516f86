/* The curves of the flatness figure against float64 sums over the same weights and rows. */
#include "core/study/flatness.h"

#include "core/lab/transformed.h"
#include "core/live/picture.h"
#include "core/metrics/recon.h"
#include "tests/support/demo_lab.h"

#include <math.h>

enum { N = 144 };

static void load(demo_lab *d, pl_side side, pl_flatness *out)
{
    pl_error err;
    pl_id key = {0};
    pl_check_ok(pl_lab_calibration(demo_context(d), &key, &err), err);
    pl_check_ok(pl_flatness_load(demo_context(d), key, DEMO_Q1, side, out, &err), err);
}

/* Column norms of values[rows, N] over their mean. */
static double norms_of(const float *values, size_t rows, double norms[N])
{
    double mean = 0.0, flatness = 0.0;
    for (size_t c = 0; c < N; c++) {
        double sum = 0.0;
        for (size_t r = 0; r < rows; r++) {
            sum += (double)values[r * N + c] * (double)values[r * N + c];
        }
        norms[c] = sqrt(sum);
        mean += norms[c] / N;
    }
    for (size_t c = 0; c < N; c++) {
        norms[c] /= mean;
        flatness += fabs(norms[c] - 1.0) / N;
    }
    return flatness;
}

static void check_curve(const pl_flatness_curve *curve, const float *values, size_t rows)
{
    double norms[N];
    const double flatness = norms_of(values, rows, norms);
    for (size_t c = 0; c < N; c++) {
        pl_check_close(curve->norms[c], norms[c], 1e-5, 0);
    }
    pl_check_close(curve->numbers.flatness, flatness, 1e-5, 0);
    expect_less(0.0, curve->top_energy);
    expect_at_most(curve->top_energy, 1.0);
}

static void test_weights(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_flatness f;
    pl_error err;
    pl_id calibration = {0}, key = {0};
    pl_transform *t = NULL;
    demo_lab_init(&d);
    load(&d, PL_SIDE_WEIGHT, &f);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.n, N);
    float *w = demo_weights(&d, DEMO_Q1, PL_WHICH_BEFORE);
    assert_string_equal(f.curves[0].label, "none");
    assert_true(f.curves[0].keeps_channels);
    check_curve(&f.curves[0], w, N);
    assert_string_equal(f.curves[2].label, "hadamard");
    assert_false(f.curves[2].keeps_channels);
    const pl_spec spec = demo_spec("hadamard");
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    pl_check_ok(pl_site_transform(demo_context(&d), calibration, DEMO_Q1, &spec, &t, &key, &err),
                err);
    pl_check_ok(pl_transform_weights(t, w, N, NULL, &err), err);
    check_curve(&f.curves[2], w, N);
    pl_transform_destroy(t);
    free(w);
    pl_flatness_deinit(&f);
    demo_lab_deinit(&d);
}

/* The demo's inputs have planted outliers: a rotation spreads them, and the layer's own transform
 * is a curve more. */
static void test_inputs(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_flatness f;
    pl_error err;
    pl_id calibration = {0};
    pl_site_stats stats = {0};
    demo_lab_init(&d);
    demo_method(&d.state, "orthogonal seed=3");
    load(&d, PL_SIDE_INPUT, &f);
    assert_int_equal(f.count, 4);
    assert_string_equal(f.curves[3].label, "orthogonal seed=3");
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    const size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    pl_check_ok(
        pl_lab_load_site(demo_context(&d), calibration, site, PL_GRAM_NONE, true, &stats, &err),
        err);
    assert_int_equal(f.rows, stats.sample_rows);
    check_curve(&f.curves[0], stats.sample, stats.sample_rows);
    for (size_t i = 1; i < f.count; i++) {
        expect_less(f.curves[i].numbers.flatness, f.curves[0].numbers.flatness);
    }
    pl_site_stats_deinit(&stats);
    pl_flatness_deinit(&f);

    /* One of the two defaults is replaced where it is the layer's own. */
    demo_method(&d.state, "smoothquant alpha=0.85");
    load(&d, PL_SIDE_INPUT, &f);
    assert_int_equal(f.count, 3);
    assert_string_equal(f.curves[1].label, "smoothquant alpha=0.85");
    assert_true(f.curves[1].keeps_channels);
    pl_flatness_deinit(&f);
    demo_lab_deinit(&d);
}

/* What the report, the picture and the figure say of the weights that the rounder was handed is one
 * number, that of (W T^-T preconditioned), computed here apart; they are compared with W. */
static void test_one_definition(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *transform, *precondition, *label;
    } cases[] = {{"hadamard", "astro beta=0.001", "hadamard > astro"},
                 {"hadamard", "", NULL},
                 {"", "astro beta=0.001", "astro"},
                 {"", "", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        demo_lab d;
        pl_flatness f;
        pl_error err;
        pl_id calibration = {0}, key = {0};
        pl_transform *t = NULL;
        pl_picture *picture = NULL;
        demo_lab_init(&d);
        d.state.layer = DEMO_Q1;
        const pl_spec transform = demo_spec(cases[i].transform);
        d.state.slots[PL_SLOT_TRANSFORM] = transform;
        d.state.slots[PL_SLOT_PRECONDITION] = demo_spec(cases[i].precondition);
        demo_method(&d.state, "rtn bits=3 group_size=128");
        const pl_solve_report report = demo_solve(&d, DEMO_Q1);
        load(&d, PL_SIDE_WEIGHT, &f);
        pl_check_ok(pl_picture_create(demo_context(&d), DEMO_Q1, &picture, &err), err);

        float *w = demo_weights(&d, DEMO_Q1, PL_WHICH_BEFORE);
        const pl_view view = {w, N, N, N};
        const pl_tensor_numbers before = pl_describe(view);
        pl_check_close(report.flatness_weight_before, before.flatness, 0, 0);
        pl_check_close(report.kurtosis_weight_before, before.kurtosis, 0, 0);
        pl_check_close(report.group_max_before, pl_group_max_mean(view, 128), 0, 0);
        pl_check_close(picture->flatness_before, before.flatness, 0, 0);
        pl_check_close(picture->kurtosis_before, before.kurtosis, 0, 0);
        pl_check_close(picture->group_max_before, report.group_max_before, 0, 0);

        /* After: from the original coordinates, where the pipeline reads its weights back to. */
        float *handed = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
        pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
        pl_check_ok(
            pl_site_transform(demo_context(&d), calibration, DEMO_Q1, &transform, &t, &key, &err),
            err);
        if (t != NULL) {
            pl_check_ok(pl_transform_weights(t, handed, N, NULL, &err), err);
        }
        const pl_tensor_numbers after = pl_describe((pl_view){handed, N, N, N});
        pl_check_close(report.flatness_weight_after, after.flatness, 1e-5, 0);
        pl_check_close(report.kurtosis_weight_after, after.kurtosis, 1e-4, 0);
        pl_check_close(report.group_max_after, pl_group_max_mean((pl_view){handed, N, N, N}, 128),
                       1e-5, 0);
        pl_check_close(picture->report.flatness_weight_after, report.flatness_weight_after, 0, 0);
        pl_check_close(picture->report.kurtosis_weight_after, report.kurtosis_weight_after, 0, 0);
        const pl_flatness_curve *curve = &f.curves[f.count - 1];
        if (cases[i].label != NULL) {
            assert_string_equal(curve->label, cases[i].label);
        } else {
            curve = cases[i].transform[0] != '\0' ? &f.curves[2] : &f.curves[0];
        }
        pl_check_close(curve->numbers.flatness, report.flatness_weight_after, 0, 0);
        pl_check_close(curve->numbers.kurtosis, report.kurtosis_weight_after, 0, 0);
        pl_transform_destroy(t);
        pl_picture_destroy(picture);
        pl_flatness_deinit(&f);
        free(handed);
        free(w);
        demo_lab_deinit(&d);
    }
}

/* 144 columns in groups of 128 are two groups: a scale of 16 bits, and a zero point of 3 where the
 * grid has one. */
static void test_bits_and_noise(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=3 group_size=128");
    pl_solve_report report = demo_solve(&d, DEMO_Q1);
    pl_check_close(report.bits_per_weight, 3 + 2.0 * 16 / 144, 1e-12, 0);
    pl_check_close(pl_report_sqnr(&report), -10 * log10(report.rounded_relative_error), 1e-12, 0);
    demo_method(&d.state, "rtn bits=3 group_size=128 symmetric=no");
    report = demo_solve(&d, DEMO_Q1);
    pl_check_close(report.bits_per_weight, 3 + 2.0 * (16 + 3) / 144, 1e-12, 0);
    d.state.slots[PL_SLOT_ROUND] = (pl_spec){0};
    demo_method(&d.state, "astro beta=0.001");
    report = demo_solve(&d, DEMO_Q1);
    assert_true(isnan(report.bits_per_weight));
    pl_check_close(pl_report_sqnr(&report), -10 * log10(report.relative_error), 1e-12, 0);
    report.relative_error = 0;
    assert_true(isnan(pl_report_sqnr(&report)));

    /* Of a whole model by its weights: [144 .. 400 columns] differ in their short last groups. */
    pl_error err;
    demo_method(&d.state, "rtn bits=3 group_size=128");
    d.state.slots[PL_SLOT_PRECONDITION] = (pl_spec){0};
    pl_check_ok(pl_solve_all(demo_context(&d), false, NULL, NULL, &report, &err), err);
    double bits = 0, weights = 0;
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        const pl_layer *info = pl_model_layer(d.state.source->model, i);
        const double groups = ceil((double)info->cols / 128);
        bits += (double)info->rows * (3 * (double)info->cols + 16 * groups);
        weights += (double)info->rows * (double)info->cols;
    }
    pl_check_close(report.bits_per_weight, bits / weights, 1e-12, 0);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_one_definition),
        cmocka_unit_test(test_bits_and_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
