/* The transforms of a block that are learned together: paused and gone on with, kept for all of the
 * block's sites, used by solves and by a quantized cache, forgotten, refused. */
#include "core/lab/halves.h"
#include "core/lab/quantized.h"
#include "core/lab/results.h"
#include "core/lab/transformed.h"
#include "tests/support/formula_demo.h"

#include <math.h>

enum { VALUES = 2, STEPS = 3, DEMO_K1 = DEMO_Q1 + 1, DEMO_V1 = DEMO_Q1 + 2, DEMO_O1 = DEMO_Q1 + 3 };
enum { DEMO_DOWN1 = DEMO_Q1 + 6, DEMO_Q2 = DEMO_Q1 + 7 };

static void init(demo_lab *d, int bits)
{
    const pl_act_grid grid = {.bits = bits, .format = &pl_format_symmetric, .clip = 1.0};
    char round[64];
    demo_lab_init(d);
    d->state.activations = grid;
    d->state.kv = grid;
    snprintf(round, sizeof round, "rtn bits=%d group_size=0", bits);
    demo_method(&d->state, "flatquant scope=block steps=3 batch=2");
    demo_method(&d->state, round);
}

static pl_learning learn(demo_lab *d, size_t layer, uint64_t until)
{
    pl_error err;
    pl_learning reached;
    pl_check_ok(pl_site_learn(demo_context(d), demo_calibration(d), layer, until, &reached, &err),
                err);
    return reached;
}

static bool is_due(demo_lab *d, size_t layer)
{
    pl_error err;
    bool due = false;
    pl_check_ok(pl_site_learning_due(demo_context(d), layer, &due, &err), err);
    return due;
}

static pl_transform *now(demo_lab *d, size_t layer)
{
    pl_error err;
    pl_transform *t = NULL;
    pl_id key;
    pl_check_ok(pl_site_transform_now(demo_context(d), demo_calibration(d), layer,
                                      pl_state_spec(&d->state, layer, PL_SLOT_TRANSFORM), &t, &key,
                                      &err),
                err);
    return t;
}

/* In one go, and paused with the program started again in between: the same bytes; whatever layer
 * of the block one learns, all of its sites have their transforms. */
static void test_goes_on(void **ctx)
{
    (void)ctx;
    demo_lab whole, parts;
    init(&whole, 4);
    init(&parts, 4);
    assert_true(is_due(&whole, DEMO_Q1));
    assert_null(now(&whole, DEMO_O1));
    pl_learning all = learn(&whole, DEMO_Q1, PL_LEARN_ALL);
    assert_true(pl_learning_done(&all));
    expect_less(all.losses[STEPS], all.losses[0]);
    pl_learning part = learn(&parts, DEMO_DOWN1, 1);
    assert_int_equal(part.step, 1);
    pl_transform *half = now(&parts, DEMO_O1);
    assert_non_null(half);
    pl_transform_destroy(half);
    demo_lab_restart(&parts);
    pl_learning rest = learn(&parts, DEMO_O1, PL_LEARN_ALL);
    assert_int_equal(rest.at.scale, PL_FLAT_NONE);
    expect_less(1, rest.at.n2);
    assert_int_equal(pl_learning_count(&rest), pl_learning_count(&all));
    assert_memory_equal(rest.numbers, all.numbers, pl_learning_count(&all) * sizeof(double));
    const size_t layers[] = {DEMO_Q1, DEMO_O1, DEMO_DOWN1};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        pl_transform *a = now(&whole, layers[i]), *b = now(&parts, layers[i]);
        assert_false(is_due(&whole, layers[i]));
        assert_non_null(a);
        assert_true(pl_transform_equal(a, b));
        assert_int_equal(pl_transform_outputs(a, VALUES) != NULL, layers[i] == DEMO_Q1);
        pl_transform_destroy(a);
        pl_transform_destroy(b);
    }
    assert_true(is_due(&whole, DEMO_Q2));
    whole.state.kv.bits = 0; /* what was learned for a cache is of that cache */
    assert_true(is_due(&whole, DEMO_Q1));
    whole.state.kv.bits = 4;
    pl_error err;
    pl_check_ok(pl_site_forget((pl_context){whole.lab, &whole.state, NULL},
                               demo_calibration(&whole), DEMO_O1, &err),
                err);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        assert_true(is_due(&whole, layers[i]));
    }
    pl_learning_deinit(&all);
    pl_learning_deinit(&part);
    pl_learning_deinit(&rest);
    demo_lab_deinit(&whole);
    demo_lab_deinit(&parts);
}

/* v's rows are rounded in P_v's coordinates and read back; keys and values go through the cache in
 * theirs. */
static void test_serves(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    init(&d, 8);
    const pl_model *model = d.state.source->model;
    const pl_layer *info = pl_model_layer(model, DEMO_V1);
    const size_t count = info->rows * info->cols, head = pl_model_config(model)->head_dim;
    const size_t width = pl_model_config(model)->kv_heads * head;
    const pl_solve_report report = demo_solve(&d, DEMO_V1);
    expect_less(report.rounded_relative_error, 1e-3);
    expect_less(0.0, report.rounded_relative_error);
    float *w = malloc(2 * count * sizeof *w), *w0 = w + count;
    assert_non_null(w);
    int provided = 0;
    pl_check_ok(pl_result_weights(d.lab, &d.state, DEMO_V1, *pl_state_result(&d.state, DEMO_V1),
                                  PL_WHICH_AFTER, false, w, &provided, &err),
                err);
    assert_int_equal(provided, 1);
    pl_check_ok(pl_model_read_weight(d.state.source->model, DEMO_V1, w0, &err), err);
    double lost = 0.0, all = 0.0;
    for (size_t i = 0; i < count; i++) {
        lost += pow((double)(w[i] - w0[i]), 2.0);
        all += pow((double)w0[i], 2.0);
    }
    expect_less(lost, 5e-3 * all);
    /* A solve that finds the result reports the same of it. */
    demo_lab_restart(&d);
    pl_check_close(demo_solve(&d, DEMO_V1).rounded_relative_error, report.rounded_relative_error,
                   1e-12, 0);
    pl_quantized q;
    pl_hooks hooks;
    float keys[3 * 512], same[3 * 512];
    expect_at_most(width, 512);
    pl_transform *t = now(&d, DEMO_Q1);
    pl_quantized_begin(&q, (pl_context){d.lab, &d.state, NULL}, PL_WHICH_AFTER, &hooks);
    for (int part = 0; part < 2; part++) {
        for (size_t i = 0; i < 3 * width; i++) {
            keys[i] = same[i] = sinf((float)(i * i % 97));
        }
        pl_check_ok((part == 0 ? hooks.key : hooks.value)(hooks.ctx, 1, keys, 3, width, &err), err);
        const pl_transform *turn =
            part == 0 ? pl_transform_keys(t) : pl_transform_outputs(t, VALUES);
        const size_t rows = 3 * width / pl_transform_n(turn);
        pl_check_ok(pl_transform_inputs(turn, same, rows, NULL, &err), err);
        pl_act_quantize_groups(&d.state.kv, pl_transform_clip(turn), d.state.kv_group_size, same,
                               3 * width / head, head);
        pl_check_ok(pl_transform_inputs_back(turn, same, rows, NULL, &err), err);
        assert_memory_equal(keys, same, 3 * width * sizeof *keys);
        for (size_t i = 0; i < 3 * width; i++) {
            expect_close(keys[i], sinf((float)(i * i % 97)), 0.05);
        }
    }
    pl_quantized_deinit(&q);
    pl_transform_destroy(t);
    free(w);
    demo_lab_deinit(&d);
}

/* What is learned for one grid serves no other: neither another format's, nor one whose scales are
 * found in another way. */
static void test_keys_tell_grids_apart(void **ctx)
{
    (void)ctx;
    static const char *const scopes[] = {"flatquant scope=layer", "flatquant scope=block"};
    static const char *const rounders[] = {"rtn bits=4",
                                           "rtn bits=4 group_size=32",
                                           "rtn bits=4 scale_dtype=bf16",
                                           "rtn format=mxfp8",
                                           "rtn format=fp8",
                                           "rtn format=fp8 scale_mode=tensor",
                                           "rtn format=nf4",
                                           "rtn format=nf4 scale_dtype=bf16"};
    enum { ROUNDERS = sizeof rounders / sizeof rounders[0] };
    demo_lab d;
    pl_error err;
    init(&d, 4);
    for (size_t scope = 0; scope < 2; scope++) {
        pl_id keys[ROUNDERS];
        demo_method(&d.state, scopes[scope]);
        for (size_t i = 0; i < ROUNDERS; i++) {
            demo_method(&d.state, rounders[i]);
            pl_check_ok(pl_site_transform_key(demo_context(&d), (pl_id){0}, DEMO_Q1,
                                              pl_state_spec(&d.state, DEMO_Q1, PL_SLOT_TRANSFORM),
                                              &keys[i], &err),
                        err);
            for (size_t k = 0; k < i; k++) {
                if (pl_id_equal(keys[i], keys[k])) {
                    fail_msg("%s: %s and %s share a key", scopes[scope], rounders[i], rounders[k]);
                }
            }
        }
        demo_method(&d.state, "gptq bits=4"); /* on RTN's grid */
        pl_id same;
        pl_check_ok(pl_site_transform_key(demo_context(&d), (pl_id){0}, DEMO_Q1,
                                          pl_state_spec(&d.state, DEMO_Q1, PL_SLOT_TRANSFORM),
                                          &same, &err),
                    err);
        assert_true(pl_id_equal(same, keys[0]));
    }
    demo_lab_deinit(&d);
}

static void test_refuses(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_id key;
    init(&d, 4);
    demo_override(&d.state, PL_SLOT_TRANSFORM, "1.o_proj", "flatquant scope=block steps=9");
    assert_int_equal(pl_site_transform_key(demo_context(&d), (pl_id){0}, DEMO_Q1,
                                           pl_state_spec(&d.state, DEMO_Q1, PL_SLOT_TRANSFORM),
                                           &key, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "model.layers.1.self_attn.o_proj: the transforms of a block are learned "
                       "together with scope=block, but on=GLOB gives its layers different ones");
    demo_lab_deinit(&d);
}

/* The demo's text on a tiny model of another architecture, calibrated. */
static void open_formula(demo_lab *d, pl_temp *temp, const char *name)
{
    pl_error err;
    pl_model *model = NULL;
    pl_source *source = NULL;
    char folder[512];
    demo_folder(folder);
    pl_temp_init(temp);
    formula_write_demo(name, temp);
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    pl_check_ok(pl_source_create(model, temp->folder, folder, &source, &err), err);
    pl_check_ok(pl_state_set_source(&d->state, source, &err), err);
    pl_source_release(source);
    d->state.calibration.protocol = (pl_protocol){.length = 64, .windows = 8};
    pl_check_ok(pl_lab_calibrate((pl_context){d->lab, &d->state, NULL}, &d->state.calibration.key,
                                 NULL, &err),
                err);
}

/* Rows of a formula through a layer's transform. */
static void turn_rows(demo_lab *d, size_t layer, float *rows, size_t count)
{
    pl_error err;
    pl_transform *t = now(d, layer);
    for (size_t i = 0; i < count; i++) {
        rows[i] = formula_number("rows", i);
    }
    assert_non_null(t);
    pl_check_ok(pl_transform_inputs(t, rows, count / pl_transform_n(t), NULL, &err), err);
    pl_transform_destroy(t);
}

static void check_layers(demo_lab *d, size_t layers)
{
    for (size_t i = 0; i < layers; i++) {
        assert_false(is_due(d, i));
        const pl_solve_report report = demo_solve(d, i);
        expect_less(report.rounded_relative_error, 0.1);
        expect_less(0.0, report.rounded_relative_error);
        expect_less(report.function_error, 1e-4);
    }
}

/* Of a mixture all sites learn together: experts' gate and up get one transform, down one for each;
 * cut off and gone on with, the same bytes. */
static void check_mixture(const char *name, bool cache)
{
    enum { ROUNDS = 40, COLS = 32 };
    pl_temp temps[2];
    demo_lab whole, parts;
    demo_lab *const labs[] = {&whole, &parts};
    print_message("  %s\n", name);
    for (size_t i = 0; i < 2; i++) {
        init(labs[i], 4);
        open_formula(labs[i], &temps[i], name);
        labs[i]->state.kv.bits = cache ? 4 : 0;
        demo_method(&labs[i]->state, "flatquant scope=block steps=40 batch=4");
    }
    const pl_model *model = whole.state.source->model;
    size_t first = 0;
    const size_t layers = pl_model_block_layers(model, 0, &first), last = layers - 1;
    assert_int_equal(pl_model_layer(model, last)->role, PL_ROLE_DOWN);
    expect_less(8, pl_model_block_sites(model, 0, &first));
    pl_learning all = learn(&whole, 0, PL_LEARN_ALL);
    assert_true(pl_learning_done(&all));
    double least = all.losses[0]; /* of the second half: one batch's is noisy */
    for (size_t i = ROUNDS / 2; i <= ROUNDS; i++) {
        least = fmin(least, all.losses[i]);
    }
    expect_less(least, 0.9 * all.losses[0]);
    pl_learning part = learn(&parts, last, 7);
    assert_int_equal(part.step, 7);
    pl_learning_deinit(&part);
    demo_lab_restart(&parts);
    part = learn(&parts, last, 20);
    assert_int_equal(part.step, 20);
    demo_lab_restart(&parts);
    pl_learning rest = learn(&parts, last - 1, PL_LEARN_ALL);
    assert_int_equal(pl_learning_count(&rest), pl_learning_count(&all));
    assert_memory_equal(rest.numbers, all.numbers, pl_learning_count(&all) * sizeof(double));
    float turned[2][4 * COLS] = {0};
    size_t experts = 0;
    for (size_t i = 0; i < layers; i++) {
        const pl_layer *info = pl_model_layer(model, i);
        if (info->expert != PL_NO_EXPERT && info->role == PL_ROLE_UP) {
            turn_rows(&whole, i, turned[experts > 0 ? 1 : 0], (size_t)4 * COLS);
            experts++;
            assert_true(experts < 2 || memcmp(turned[0], turned[1], sizeof turned[0]) == 0);
        }
        pl_transform *a = now(&whole, i), *b = now(&parts, i);
        assert_true(pl_transform_equal(a, b));
        pl_transform_destroy(a);
        pl_transform_destroy(b);
    }
    expect_at_most(4, experts);
    check_layers(&whole, layers);
    pl_learning_deinit(&all);
    pl_learning_deinit(&part);
    pl_learning_deinit(&rest);
    for (size_t i = 0; i < 2; i++) {
        demo_lab_deinit(labs[i]);
        pl_temp_deinit(&temps[i]);
    }
}

static void test_mixtures(void **ctx)
{
    (void)ctx;
    check_mixture("qwen2_moe", true); /* a shared expert */
    check_mixture("gpt_oss", true);
    check_mixture("olmoe", false);
}

/* Latent attention: six sites that learn together, each in a transform of its own. */
static void test_latent(void **ctx)
{
    (void)ctx;
    pl_temp temp;
    demo_lab d;
    pl_error err;
    init(&d, 4);
    open_formula(&d, &temp, "deepseek_v3");
    d.state.kv = (pl_act_grid){0};
    demo_method(&d.state, "flatquant scope=block steps=60 batch=4");
    const pl_model *model = d.state.source->model;
    size_t first = 0;
    assert_int_equal(pl_model_block_sites(model, 0, &first), 6);
    const size_t layers = pl_model_block_layers(model, 0, &first);
    pl_learning all = learn(&d, 2, PL_LEARN_ALL); /* q_b */
    assert_true(pl_learning_done(&all));
    expect_less(all.losses[60], 0.85 * all.losses[0]);
    for (size_t i = 0; i < layers; i++) {
        pl_transform *t = now(&d, i);
        assert_false(is_due(&d, i));
        assert_non_null(t);
        assert_int_equal(pl_transform_n(t), pl_model_layer(model, i)->cols);
        assert_null(pl_transform_outputs(t, VALUES));
        pl_transform_destroy(t);
        const pl_solve_report report = demo_solve(&d, i);
        expect_less(report.rounded_relative_error, 0.05);
        expect_less(0.0, report.rounded_relative_error);
    }
    pl_check_ok(pl_site_forget((pl_context){d.lab, &d.state, NULL}, demo_calibration(&d), 0, &err),
                err);
    for (size_t i = 0; i < layers; i++) {
        assert_true(is_due(&d, i));
    }
    const pl_act_grid cache = {.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    pl_id key;
    d.state.kv = cache;
    assert_int_equal(pl_site_transform_key(demo_context(&d), demo_calibration(&d), 0,
                                           pl_state_spec(&d.state, 0, PL_SLOT_TRANSFORM), &key,
                                           &err),
                     PL_ERR_UNSUPPORTED);
    pl_check_says(err,
                  "flatquant scope=block learns with a cache of keys and values by heads, and "
                  "that of deepseek_v3 holds latent vectors: expected kv none, or scope=layer");
    pl_learning_deinit(&all);
    demo_lab_deinit(&d);
    pl_temp_deinit(&temp);
}

/* Windows are those of the calibration asked for: all, a half, or none, since the text is another
 * one by now. */
static void test_windows_are_the_calibrations(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_id halves[2];
    pl_block_states whole, half, none;
    init(&d, 4);
    const pl_context cx = demo_context(&d);
    const pl_protocol *protocol = &d.state.calibration.protocol;
    pl_check_ok(pl_lab_take_states(cx, demo_calibration(&d), 0, &whole, &err), err);
    assert_int_equal(whole.windows, protocol->windows);
    pl_check_ok(pl_lab_halves(cx, pl_protocol_rows(protocol), halves, &err), err);
    for (size_t h = 0; h < 2; h++) {
        pl_check_ok(pl_lab_take_states(cx, halves[h], 0, &half, &err), err);
        assert_int_equal(half.windows, (protocol->windows + 1 - h) / 2);
        const size_t window =
            protocol->length * pl_model_config(d.state.source->model)->hidden_size;
        for (size_t w = 0; w < half.windows; w++) {
            assert_memory_equal(half.x + w * window, whole.x + (2 * w + h) * window,
                                window * sizeof *half.x);
        }
        pl_lab_give_states(d.lab, &half);
    }
    assert_int_equal(pl_lab_take_states(cx, (pl_id){1, 2}, 0, &none, &err), PL_ERR_CHANGED);
    pl_check_says(err, "the calibration text changed since `calibrate`: run it again");
    demo_method(&d.state, "spinquant steps=1 online=no");
    pl_learning on_all, on_half;
    pl_check_ok(pl_site_learn(cx, demo_calibration(&d), DEMO_Q1, 1, &on_all, &err), err);
    pl_check_ok(pl_site_learn(cx, halves[1], DEMO_Q1, 1, &on_half, &err), err);
    assert_true(on_all.losses[0] != on_half.losses[0]); /* another first window */
    pl_learning_deinit(&on_all);
    pl_learning_deinit(&on_half);
    pl_lab_give_states(d.lab, &whole);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_serves),
        cmocka_unit_test(test_keys_tell_grids_apart),
        cmocka_unit_test(test_windows_are_the_calibrations),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_latent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
