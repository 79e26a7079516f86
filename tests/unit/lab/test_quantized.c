/* The hooks of a quantized model: what they leave alone, where heads end, and Q(X T) T^-1. */
#include "core/lab/quantized.h"

#include "core/lab/results.h"

#include "tests/support/demo_lab.h"

#include <math.h>

enum { ROWS = 6, N = 144 };

static void fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)((i * 2654435761u) % 2003) / 1000.0f - 1.0f;
    }
}

/* Symmetric, float64: the row's own range. */
static void plain(const float *x, size_t n, int bits, double *out)
{
    double most = 0.0;
    for (size_t c = 0; c < n; c++) {
        most = fmax(most, fabs((double)x[c]));
    }
    const double levels = (double)(1 << (bits - 1)) - 1, scale = most / levels;
    for (size_t c = 0; c < n; c++) {
        out[c] = scale * fmin(fmax(rint((double)x[c] / scale), -levels - 1), levels);
    }
}

static void start(demo_lab *d, pl_quantized *q, pl_which which, pl_hooks *hooks)
{
    pl_error err;
    pl_check_ok(pl_quantized_init(q, demo_context(d), which, hooks, &err), err);
}

static void test_off_is_off(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_quantized q;
    pl_hooks hooks;
    demo_lab_init(&d);
    start(&d, &q, PL_WHICH_AFTER, &hooks);
    assert_null(hooks.input);
    assert_null(hooks.key);
    assert_null(hooks.value);
    pl_quantized_deinit(&q);
    /* The original is never quantized. */
    d.state.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    d.state.kv = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    start(&d, &q, PL_WHICH_BEFORE, &hooks);
    assert_null(hooks.input);
    assert_null(hooks.key);
    assert_null(hooks.value);
    pl_quantized_deinit(&q);
    start(&d, &q, PL_WHICH_AFTER, &hooks);
    assert_true(hooks.input != NULL && hooks.key != NULL && hooks.value != NULL);
    pl_quantized_deinit(&q);
    demo_lab_deinit(&d);
}

/* One head is a thousand times as large as the others: a group that crossed its border would round
 * the neighbour to 0.  The last group of a head may be short. */
static void test_groups_end_with_their_head(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_quantized q;
    pl_hooks hooks;
    pl_error err;
    demo_lab_init(&d);
    const pl_config *config = pl_model_config(d.state.source->model);
    const size_t head = config->head_dim, cols = config->kv_heads * head;
    static const size_t sizes[] = {0, 5, 1024};
    float *x = malloc(ROWS * cols * sizeof *x), *y = malloc(ROWS * cols * sizeof *y);
    double *want = malloc(head * sizeof *want);
    assert_non_null(x);
    assert_non_null(y);
    assert_non_null(want);
    expect_less(1, config->kv_heads);
    d.state.kv = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        d.state.kv_group_size = sizes[s];
        fill(x, ROWS * cols);
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < head; c++) {
                x[r * cols + c] *= 1000.0f;
            }
        }
        memcpy(y, x, ROWS * cols * sizeof *y);
        start(&d, &q, PL_WHICH_AFTER, &hooks);
        pl_check_ok(hooks.key(hooks.ctx, 0, y, ROWS, cols, &err), err);
        pl_quantized_deinit(&q);
        const size_t width = sizes[s] == 0 || sizes[s] > head ? head : sizes[s];
        for (size_t at = 0; at < ROWS * cols; at += head) {
            for (size_t first = 0; first < head; first += width) {
                const size_t count = head - first < width ? head - first : width;
                plain(x + at + first, count, 4, want);
                for (size_t c = 0; c < count; c++) {
                    pl_check_close(y[at + first + c], want[c], 1e-5, 1e-7);
                }
            }
        }
    }
    free(x);
    free(y);
    free(want);
    demo_lab_deinit(&d);
}

/* The site of 1.q_proj with a dense T from the transform itself: its input becomes Q(X T) T^-1, and
 * T is orthogonal here, so that T^-1 is its transpose. */
static void check_input(const char *transform)
{
    demo_lab d;
    pl_quantized q;
    pl_hooks hooks;
    pl_error err;
    pl_id calibration = {0}, key;
    pl_transform *t = NULL;
    static float dense[N * N], x[ROWS * N], y[ROWS * N];
    demo_lab_init(&d);
    memset(dense, 0, sizeof dense);
    for (size_t i = 0; i < N; i++) {
        dense[i * N + i] = 1.0f;
    }
    if (transform != NULL) {
        const pl_spec spec = demo_spec(transform);
        demo_method(&d.state, transform);
        pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
        pl_check_ok(
            pl_site_transform(demo_context(&d), calibration, DEMO_Q1, &spec, &t, &key, &err), err);
        pl_check_ok(pl_transform_inputs(t, dense, N, NULL, &err), err);
        pl_transform_destroy(t);
    }
    d.state.activations = (pl_act_grid){.bits = 8, .format = &pl_format_symmetric, .clip = 1.0};
    fill(x, ROWS * N);
    memcpy(y, x, sizeof x);
    start(&d, &q, PL_WHICH_AFTER, &hooks);
    const size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    pl_check_ok(hooks.input(hooks.ctx, site, 0, y, ROWS, N, &err), err);
    pl_quantized_deinit(&q);
    size_t apart = 0;
    for (size_t r = 0; r < ROWS; r++) {
        float turned[N];
        double codes[N], most = 0.0;
        for (size_t c = 0; c < N; c++) {
            double sum = 0.0;
            for (size_t k = 0; k < N; k++) {
                sum += (double)x[r * N + k] * (double)dense[k * N + c];
            }
            turned[c] = (float)sum;
            most = fmax(most, fabs(sum));
        }
        plain(turned, N, 8, codes);
        for (size_t c = 0; c < N; c++) {
            double want = 0.0;
            for (size_t k = 0; k < N; k++) {
                want += codes[k] * (double)dense[c * N + k];
            }
            /* A code on the border of two may fall on the other side: one step, spread by T. */
            const double off = fabs((double)y[r * N + c] - want);
            expect_at_most(off, 2.0 * most / 127);
            apart += off > 1e-4 ? 1 : 0;
        }
        /* Quantized at all: X itself is further away than rounding. */
        assert_memory_not_equal(x + r * N, y + r * N, N * sizeof *x);
    }
    expect_at_most(apart, N); /* of six rows at most one met such a border */
    demo_lab_deinit(&d);
}

static void test_inputs(void **ctx)
{
    (void)ctx;
    check_input(NULL);
    check_input("hadamard");
    check_input("orthogonal seed=2");
}

/* One range for all tokens is that of the stored rows, after T and without one alike. */
static void check_one_range(const char *transform, bool asymmetric)
{
    demo_lab d;
    pl_quantized q;
    pl_hooks hooks;
    pl_error err;
    pl_id calibration = {0}, key;
    pl_transform *t = NULL;
    pl_site_stats stats = {0};
    static float x[ROWS * N], y[ROWS * N];
    demo_lab_init(&d);
    d.state.calibration.protocol.rows = 100;
    const size_t site = pl_model_layer(d.state.source->model, DEMO_Q1)->site;
    const pl_spec spec = demo_spec(transform);
    d.state.slots[PL_SLOT_TRANSFORM] = spec;
    pl_check_ok(pl_lab_calibration(demo_context(&d), &calibration, &err), err);
    pl_check_ok(pl_site_transform(demo_context(&d), calibration, DEMO_Q1, &spec, &t, &key, &err),
                err);
    pl_check_ok(
        pl_lab_load_site(demo_context(&d), calibration, site, PL_GRAM_NONE, true, &stats, &err),
        err);
    assert_int_equal(stats.sample_rows, 100);
    if (t != NULL) {
        pl_check_ok(pl_transform_inputs(t, stats.sample, 100, NULL, &err), err);
    }
    double lo = 0.0, hi = 0.0;
    for (size_t i = 0; i < 100 * N; i++) {
        lo = fmin(lo, (double)stats.sample[i]);
        hi = fmax(hi, (double)stats.sample[i]);
    }
    d.state.activations =
        (pl_act_grid){.bits = 4,
                      .format = asymmetric ? &pl_format_asymmetric : &pl_format_symmetric,
                      .fixed = true,
                      .clip = 0.5};
    fill(x, ROWS * N);
    for (size_t i = 0; i < ROWS * N; i++) {
        x[i] *= 2.0f * (float)hi; /* past both ends */
    }
    memcpy(y, x, sizeof x);
    start(&d, &q, PL_WHICH_AFTER, &hooks);
    pl_check_ok(hooks.input(hooks.ctx, site, 0, y, ROWS, N, &err), err);
    pl_quantized_deinit(&q);
    if (t != NULL) { /* both as the grid sees them */
        pl_check_ok(pl_transform_inputs(t, x, ROWS, NULL, &err), err);
        pl_check_ok(pl_transform_inputs(t, y, ROWS, NULL, &err), err);
    }
    lo *= 0.5;
    hi *= 0.5;
    const double scale = asymmetric ? (hi - lo) / 15 : fmax(hi, -lo) / 7;
    const double zero = asymmetric ? rint(-lo / scale) : 0;
    const double least = asymmetric ? 0 : -8, most = asymmetric ? 15 : 7;
    size_t apart = 0;
    for (size_t i = 0; i < ROWS * N; i++) {
        const double code = fmin(fmax(rint((double)x[i] / scale) + zero, least), most);
        const double off = fabs((double)y[i] - scale * (code - zero));
        expect_at_most(off, 1.001 * scale); /* on a border of two codes: one step */
        apart += off > 1e-4 * scale ? 1 : 0;
    }
    expect_at_most(apart, 2);
    pl_transform_destroy(t);
    pl_site_stats_deinit(&stats);
    demo_lab_deinit(&d);
}

static void test_one_range_for_all_tokens(void **ctx)
{
    (void)ctx;
    for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
        check_one_range("", asymmetric != 0);
        check_one_range("hadamard", asymmetric != 0);
        check_one_range("smoothquant alpha=0.5", asymmetric != 0);
    }
}

typedef struct kept_results {
    pl_id results[DEMO_LAYERS];
} kept_results;

static void keep_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    (void)report;
    ((kept_results *)ctx)->results[layer] = result;
}

/* Layers solved on the quantized layers before them bring their T and a range of their own, which
 * the original model's inputs do not give: the hooks use those. */
static void test_results_bring_their_transform(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_quantized q;
    pl_hooks hooks;
    pl_error err;
    pl_solve_report total;
    pl_id calibration = {0}, key;
    kept_results kept = {0};
    pl_result parts;
    pl_transform *own = NULL, *original = NULL;
    static float x[ROWS * N], y[ROWS * N], want[ROWS * N];
    enum { DEMO_Q3 = 21 };
    demo_lab_init(&d);
    pl_state *s = &d.state;
    s->activations =
        (pl_act_grid){.bits = 4, .format = &pl_format_asymmetric, .fixed = true, .clip = 1.0};
    demo_method(s, "smoothquant alpha=0.5");
    demo_method(s, "rtn bits=2");
    pl_check_ok(pl_solve_all((pl_context){d.lab, s, NULL}, true, keep_result, &kept, &total, &err),
                err);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        pl_check_ok(pl_state_set_result(s, i, pl_state_plan_sequential(s), kept.results[i], &err),
                    err);
        s->solved[i].sequential = true;
    }
    pl_check_ok(pl_result_read(d.lab, s, DEMO_Q3, kept.results[DEMO_Q3], &parts, NULL, &err), err);
    assert_true(parts.has_transform);
    expect_less(parts.range.lo, 0.0f);
    expect_less(0.0f, parts.range.hi);
    pl_check_ok(pl_transform_read(d.lab, s, DEMO_Q3, parts.transform, &own), err);
    pl_check_ok(pl_lab_calibration((pl_context){d.lab, s, NULL}, &calibration, &err), err);
    pl_check_ok(pl_site_transform((pl_context){d.lab, s, NULL}, calibration, DEMO_Q3,
                                  &s->slots[PL_SLOT_TRANSFORM], &original, &key, &err),
                err);
    assert_true(pl_transform_equal(own, original)); /* made from the original's inputs */
    pl_transform_destroy(original);
    fill(x, ROWS * N);
    memcpy(y, x, sizeof x);
    memcpy(want, x, sizeof x);
    const size_t site = pl_model_layer(s->source->model, DEMO_Q3)->site;
    start(&d, &q, PL_WHICH_AFTER, &hooks);
    pl_check_ok(hooks.input(hooks.ctx, site, 0, y, ROWS, N, &err), err);
    pl_quantized_deinit(&q);
    pl_check_ok(pl_transform_inputs(own, want, ROWS, NULL, &err), err);
    pl_act_quantize_fixed(&s->activations, parts.range, want, ROWS, N);
    pl_check_ok(pl_transform_inputs_back(own, want, ROWS, NULL, &err), err);
    assert_memory_equal(y, want, sizeof want);

    /* Unsolved, its range is the original's. */
    for (size_t i = 0; i < 3; i++) {
        s->solved[DEMO_Q3 + i].set = false;
    }
    memcpy(y, x, sizeof x);
    start(&d, &q, PL_WHICH_AFTER, &hooks);
    pl_check_ok(hooks.input(hooks.ctx, site, 0, y, ROWS, N, &err), err);
    pl_quantized_deinit(&q);
    assert_memory_not_equal(y, want, sizeof want);

    /* One of the site's layers solved behind another T: there is no such model. */
    const pl_id plan = pl_state_plan_sequential(s);
    pl_id result = {0};
    demo_method(s, "smoothquant alpha=0.7");
    pl_check_ok(pl_solve_layer((pl_context){d.lab, s, NULL}, DEMO_Q3, &total, &result, &err), err);
    demo_method(s, "smoothquant alpha=0.5");
    assert_true(pl_id_equal(plan, pl_state_plan_sequential(s)));
    for (size_t i = 0; i < 3; i++) {
        s->solved[DEMO_Q3 + i].set = true;
    }
    s->solved[DEMO_Q3].result = result;
    assert_int_equal(
        pl_quantized_init(&q, (pl_context){d.lab, s, NULL}, PL_WHICH_AFTER, &hooks, &err),
        PL_ERR_STATE);
    pl_check_says(err, "model.layers.3.self_attn.k_proj: it shares its input");
    pl_quantized_deinit(&q);
    pl_transform_destroy(own);
    demo_lab_deinit(&d);
}

static pl_id hash_of(const pl_state *state)
{
    pl_error err;
    pl_hasher *hasher = NULL;
    pl_check_ok(pl_hasher_create(&hasher, &err), err);
    pl_quantized_hash(state, hasher);
    const pl_id id = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return id;
}

/* What a measurement depends on: the calibration and the grid of the weights where a planned
 * transform or a range comes from them, and neither where nothing does. */
static void test_hash(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    pl_state *s = &d.state;
    s->activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    s->calibration.known = true;
    s->calibration.key = (pl_id){1, 2};
    demo_method(s, "rtn bits=4");
    const pl_id plain = hash_of(s);
    demo_method(s, "rtn bits=2");
    s->calibration.key = (pl_id){3, 4};
    assert_true(pl_id_equal(plain, hash_of(s)));
    s->activations.fixed = true;
    const pl_id fixed = hash_of(s);
    s->calibration.key = (pl_id){1, 2};
    assert_false(pl_id_equal(fixed, hash_of(s)));
    s->activations.fixed = false;
    demo_method(s, "smoothquant");
    const pl_id planned = hash_of(s);
    assert_false(pl_id_equal(plain, planned));
    demo_method(s, "rtn bits=4");
    assert_false(pl_id_equal(planned, hash_of(s)));
    demo_method(s, "rtn bits=2");
    assert_true(pl_id_equal(planned, hash_of(s)));
    s->calibration.key = (pl_id){3, 4};
    assert_false(pl_id_equal(planned, hash_of(s)));
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_is_off),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_groups_end_with_their_head),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_one_range_for_all_tokens),
        cmocka_unit_test(test_results_bring_their_transform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
