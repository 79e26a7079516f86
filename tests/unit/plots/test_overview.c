/* Figures over the depth of the demo: 4 blocks of 7 layers. */
#include "tests/unit/plots/kinds_fixture.h"

#include "core/metrics/outliers.h"

#include <math.h>

enum { BLOCKS = 4, ROLES = 7, SITES = 4 };

static int setup(void **state)
{
    static demo_lab d;
    demo_lab_init(&d);
    d.state.layer = DEMO_Q1;
    *state = &d;
    return 0;
}

/* Channel maxima of a layer's weights; caller frees. */
static float *maxima(demo_lab *d, size_t layer)
{
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    float *w = demo_weights(d, layer, PL_WHICH_BEFORE);
    float *max = calloc(info->cols, sizeof *max);
    assert_non_null(max);
    pl_column_stats((pl_view){w, info->rows, info->cols, info->cols}, max, NULL, NULL);
    free(w);
    return max;
}

static void curves_follow_one_layer(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_layers);
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 4);
    assert_non_null(strstr(f.title, "q_proj in 4 blocks"));
    for (size_t b = 0; b < BLOCKS; b++) {
        float *max = maxima(d, b * ROLES);
        size_t top[3];
        pl_top_channels(max, COLS, 3, top);
        for (size_t s = 0; s < 3; s++) {
            pl_check_close(f.series[s].x[b], (double)b, 0, 0);
            pl_check_close(f.series[s].y[b], max[top[s]], 0, 0);
        }
        pl_check_close(f.series[3].y[b], pl_median(max, COLS), 1e-7, 0);
        free(max);
    }
    assert_true(f.rules[0].vertical);
    pl_check_close(f.rules[0].at, 1, 0, 0);
    fact_of(&f, "worst_max_over_median");
    pl_figure_deinit(&f);
    request.side = PL_SIDE_INPUT;
    request.log = true;
    f = make_figure(d, &request);
    assert_true(f.y.log);
    assert_non_null(strstr(f.y.label, "|x|"));
    pl_figure_deinit(&f);
}

static void strips_show_every_layer(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_layers);
    request.form = 1;
    pl_figure f = make_figure(d, &request);
    assert_non_null(f.heat);
    assert_int_equal(f.heat->rows, ROLES);
    assert_int_equal(f.heat->cols, BLOCKS);
    assert_int_equal(f.y.n_names, ROLES);
    assert_string_equal(f.y.names[ROLES - 1], "self_attn.q_proj");
    assert_string_equal(f.y.names[0], "mlp.down_proj");
    double worst = 0;
    for (size_t i = 0; i < ROLES; i++) {
        for (size_t b = 0; b < BLOCKS; b++) {
            size_t layer = b * ROLES + i;
            float *max = maxima(d, layer);
            double ratio =
                pl_outlier_ratio(max, pl_model_layer(d->state.source->model, layer)->cols);
            pl_check_close(f.heat->values[(ROLES - 1 - i) * BLOCKS + b], ratio, 1e-6, 0);
            worst = fmax(worst, ratio);
            free(max);
        }
    }
    pl_check_close(f.heat->hi, worst, 1e-6, 0);
    assert_true(f.heat->log);
    expect_at_most(1, f.heat->lo);
    pl_figure_deinit(&f);
    request.side = PL_SIDE_INPUT;
    f = make_figure(d, &request);
    assert_int_equal(f.heat->rows, SITES);
    assert_string_equal(f.y.names[SITES - 1], "q/k/v");
    assert_string_equal(f.y.names[0], "down");
    pl_figure_deinit(&f);
}

static void boxes_of_layers_are_spreads_of_maxima(void **state)
{
    demo_lab *d = *state;
    pl_request request = request_of(d, &pl_kind_box);
    request.form = 1;
    pl_figure f = make_figure(d, &request);
    assert_int_equal(f.n_series, 1);
    assert_int_equal(f.series[0].count, BLOCKS);
    for (size_t b = 0; b < BLOCKS; b++) {
        float *max = maxima(d, b * ROLES);
        pl_check_close(f.series[0].y[b * PL_SPREAD + 3], pl_median(max, COLS), 1e-7, 0);
        size_t top = 0;
        pl_top_channels(max, COLS, 1, &top);
        pl_check_close(f.series[0].y[b * PL_SPREAD + 6], max[top], 0, 0);
        free(max);
    }
    pl_figure_deinit(&f);
}

typedef struct progress {
    double last, total;
    size_t calls;
} progress;

static void listen(void *ctx, const char *what, double done, double total)
{
    progress *p = ctx;
    assert_string_equal(what, "layers");
    if (p->calls != 0) {
        expect_at_most(p->last, done);
    }
    p->last = done;
    p->total = total;
    p->calls++;
}

static void reading_a_model_reports_and_stops(void **state)
{
    demo_lab *d = *state;
    progress p = {0};
    pl_task task = {.progress = listen, .ctx = &p};
    pl_error err = {0};
    pl_figure f;
    pl_request request = request_of(d, &pl_kind_layers);
    request.form = 1;
    pl_check_ok(pl_kind_make((pl_context){d->lab, &d->state, &task}, &request, &f, &err), err);
    pl_figure_deinit(&f);
    assert_int_equal(p.calls, BLOCKS * ROLES);
    pl_check_close(p.total, BLOCKS * ROLES, 0, 0);
    p = (progress){0};
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_kind_make((pl_context){d->lab, &d->state, &task}, &request, &f, &err),
                     PL_ERR_CANCELLED);
    assert_int_equal(p.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_follow_one_layer),
        cmocka_unit_test(strips_show_every_layer),
        cmocka_unit_test(boxes_of_layers_are_spreads_of_maxima),
        cmocka_unit_test(reading_a_model_reports_and_stops),
    };
    return cmocka_run_group_tests(tests, setup, kinds_teardown);
}
