/* The curves of the flatness figure against float64 sums over the same weights and rows. */
#include "core/run/flatness.h"

#include "core/run/transformed.h"
#include "tests/unit/run/demo_lab.h"

#include <math.h>

enum { N = 144 };

static void load(demo_lab *d, pl_side side, pl_flatness *out)
{
    pl_error err;
    pl_id key = {0};
    pl_check_ok(pl_lab_calibration(d->lab, &d->state, &key, NULL, &err), err);
    pl_check_ok(pl_flatness_load(d->lab, &d->state, key, DEMO_Q1, side, out, NULL, &err), err);
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
    assert_true(curve->top_energy > 0.0 && curve->top_energy <= 1.0);
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
    pl_check_ok(pl_lab_calibration(d.lab, &d.state, &calibration, NULL, &err), err);
    pl_check_ok(
        pl_site_transform(d.lab, &d.state, calibration, DEMO_Q1, &spec, &t, &key, NULL, &err), err);
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
    pl_check_ok(pl_lab_calibration(d.lab, &d.state, &calibration, NULL, &err), err);
    const size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    pl_check_ok(pl_lab_load_site(d.lab, &d.state, calibration, site, PL_GRAM_NONE, true, &stats,
                                 NULL, &err),
                err);
    assert_int_equal(f.rows, stats.sample_rows);
    check_curve(&f.curves[0], stats.sample, stats.sample_rows);
    for (size_t i = 1; i < f.count; i++) {
        assert_true(f.curves[i].numbers.flatness < f.curves[0].numbers.flatness);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
