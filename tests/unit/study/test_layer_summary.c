#include "core/study/layer_summary.h"

#include "core/lab/weights.h"
#include "core/metrics/outliers.h"
#include "core/state/kept.h"
#include "tests/support/demo_lab.h"

#include <dirent.h>
#include <math.h>

enum { SHORT_STORE = 600 };

/* Entries of summaries in the store; cuts each short if damage is set. */
static size_t entries(demo_lab *d, bool damage)
{
    char folder[SHORT_STORE + 50];
    size_t count = 0;
    snprintf(folder, sizeof folder, "%s/summary", d->store);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (damage) {
            pl_temp_flip(path, 9);
        }
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

/* What the summary of a layer's weights must be, from the weights. */
static void check_weights(demo_lab *d, size_t layer, const pl_layer_summary *s)
{
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    float *w = demo_weights(d, layer, PL_WHICH_BEFORE);
    float *max = calloc(info->cols, sizeof *max);
    assert_non_null(max);
    pl_column_stats((pl_view){w, info->rows, info->cols, info->cols}, max, NULL, NULL);
    size_t top[PL_SUMMARY_TOP];
    assert_int_equal(pl_top_channels(max, info->cols, PL_SUMMARY_TOP, top), PL_SUMMARY_TOP);
    assert_true(s->known);
    for (size_t i = 0; i < PL_SUMMARY_TOP; i++) {
        assert_int_equal(s->channels[i], top[i]);
        pl_check_close(s->top[i], max[top[i]], 0, 0);
    }
    pl_check_close(s->spread[6], max[top[0]], 0, 0);
    pl_check_close(s->spread[3], pl_median(max, info->cols), 1e-7, 0);
    pl_check_close(pl_summary_ratio(s), pl_outlier_ratio(max, info->cols), 1e-7, 0);
    free(max);
    free(w);
}

static void weights_are_read_once(void **state)
{
    (void)state;
    demo_lab d;
    pl_error err;
    pl_layer_summary first, again;
    demo_lab_init(&d);
    pl_check_ok(pl_layer_summarize(demo_context(&d), DEMO_Q1, PL_SIDE_WEIGHT, &first, &err), err);
    check_weights(&d, DEMO_Q1, &first);
    assert_int_equal(entries(&d, false), 1);
    demo_lab_restart(&d);
    pl_check_ok(pl_layer_summarize(demo_context(&d), DEMO_Q1, PL_SIDE_WEIGHT, &again, &err), err);
    assert_int_equal(entries(&d, false), 1);
    assert_memory_equal(first.spread, again.spread, sizeof first.spread);
    assert_memory_equal(first.top, again.top, sizeof first.top);
    /* A damaged entry is computed again, and whole afterwards. */
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(entries(&d, pass == 0), 1);
        pl_check_ok(pl_layer_summarize(demo_context(&d), DEMO_Q1, PL_SIDE_WEIGHT, &again, &err),
                    err);
        check_weights(&d, DEMO_Q1, &again);
    }
    demo_lab_deinit(&d);
}

static void inputs_come_from_the_calibration(void **state)
{
    (void)state;
    demo_lab d;
    pl_error err;
    pl_layer_summary s;
    demo_lab_init(&d);
    pl_check_ok(pl_layer_summarize(demo_context(&d), DEMO_Q1, PL_SIDE_INPUT, &s, &err), err);
    pl_id calibration = {0};
    pl_site_stats stats = {0};
    const pl_layer *info = pl_model_layer(d.state.source->model, DEMO_Q1);
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    pl_check_ok(pl_lab_load_site(demo_context(&d), calibration, info->site, PL_GRAM_NONE, false,
                                 &stats, &err),
                err);
    float largest = 0;
    for (size_t c = 0; c < stats.n; c++) {
        largest = fmaxf(largest, stats.max[c]);
    }
    pl_check_close(s.top[0], largest, 0, 0);
    pl_check_close(s.top[0], stats.max[s.channels[0]], 0, 0);
    pl_check_close(pl_summary_ratio(&s), pl_outlier_ratio(stats.max, stats.n), 1e-7, 0);
    pl_site_stats_deinit(&stats);
    assert_int_equal(entries(&d, false), 0);
    demo_lab_deinit(&d);
}

static void few_channels_and_dead_ones(void **state)
{
    (void)state;
    pl_error err;
    pl_layer_summary s;
    const float two[] = {1, 3};
    pl_check_ok(pl_summary_of(two, 2, &s, &err), err);
    assert_int_equal(s.channels[0], 1);
    assert_int_equal(s.channels[1], 0);
    assert_int_equal(s.channels[2], 0);
    pl_check_close(s.top[2], 1, 0, 0);
    pl_check_close(pl_summary_ratio(&s), 1.5, 1e-12, 0);
    const float dead[] = {0, 0, 0, 5};
    pl_check_ok(pl_summary_of(dead, 4, &s, &err), err);
    assert_true(isinf(pl_summary_ratio(&s)));
    pl_check_ok(pl_summary_of(dead, 3, &s, &err), err);
    pl_check_close(pl_summary_ratio(&s), 1, 0, 0);
}

/* A pin keeps its weights while the knob turns on. */
static void pins_keep_their_weights(void **state)
{
    (void)state;
    demo_lab d;
    pl_error err = {0};
    demo_lab_init(&d);
    demo_method(&d.state, "astro beta=0.001 group_size=48");
    demo_method(&d.state, "rtn bits=3 group_size=48");
    d.state.layer = DEMO_Q1;
    demo_solve(&d, DEMO_Q1);
    float *moved = demo_weights(&d, DEMO_Q1, PL_WHICH_PRECONDITIONED);
    float *after = demo_weights(&d, DEMO_Q1, PL_WHICH_AFTER);
    float *before = demo_weights(&d, DEMO_Q1, PL_WHICH_BEFORE);
    float *now = calloc(1, demo_bytes(&d, DEMO_Q1));
    assert_non_null(now);
    pl_check_ok(pl_state_pin(&d.state, &err), err);
    demo_method(&d.state, "astro beta=0.01 group_size=48");
    demo_solve(&d, DEMO_Q1);
    pl_pin *pin = &d.state.kept[0]->pins[DEMO_Q1];
    const float *expected[] = {before, moved, after, after};
    for (pl_which which = PL_WHICH_BEFORE; which <= PL_WHICH_BOTH; which++) {
        pl_check_ok(pl_weights_read(demo_context(&d), pin->layer,
                                    (pl_weights_of){.which = which, .pin = pin}, now, &err),
                    err);
        assert_memory_equal(now, expected[which], demo_bytes(&d, DEMO_Q1));
    }
    /* A key that belongs to a layer of another shape, as a session file may hold. */
    pin->layer = DEMO_Q1 + 6;
    assert_int_equal(pl_weights_read(demo_context(&d), pin->layer,
                                     (pl_weights_of){.which = PL_WHICH_AFTER, .pin = pin}, now,
                                     &err),
                     PL_ERR_CHANGED);
    pl_check_says(err, "pinned as \"astro");
    pl_check_says(err, "model.layers.1.mlp.down_proj [144, 400]: the result");
    pin->layer = DEMO_Q1;
    pin->result.low ^= 1;
    assert_int_equal(pl_weights_read(demo_context(&d), pin->layer,
                                     (pl_weights_of){.which = PL_WHICH_AFTER, .pin = pin}, now,
                                     &err),
                     PL_ERR_NOT_FOUND);
    free(now);
    free(before);
    free(moved);
    free(after);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_read_once),
        cmocka_unit_test(inputs_come_from_the_calibration),
        cmocka_unit_test(few_channels_and_dead_ones),
        cmocka_unit_test(pins_keep_their_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
