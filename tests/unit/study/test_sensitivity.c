/* What units cost the model, against perplexities measured one at a time. */
#include "core/study/sensitivity.h"

#include "core/lab/quantized.h"
#include "core/metrics/local_error.h"
#include "tests/support/demo_lab.h"

#include <math.h>

enum { LENGTH = 64, WINDOWS = 2, COUNT = LENGTH * WINDOWS + 7 };

static const pl_ppl_spec text = {.length = LENGTH, .windows = WINDOWS};

/* The demo with four layers of two blocks rounded. */
static const size_t solved[] = {0, 2, 8, 9};
enum { SOLVED = sizeof solved / sizeof *solved };

static void rounded_demo(demo_lab *d)
{
    demo_lab_init(d);
    demo_method(&d->state, "rtn bits=2");
    for (size_t i = 0; i < SOLVED; i++) {
        demo_solve(d, solved[i]);
    }
}

/* The state with the results of these layers only, measured as `perplexity` does. */
static pl_ppl_result measure(demo_lab *d, const size_t *layers, size_t count, const int32_t *ids)
{
    pl_error err;
    pl_state state;
    pl_quantized q;
    pl_hooks hooks;
    pl_ppl_result found;
    pl_check_ok(pl_state_copy(&state, &d->state, &err), err);
    for (size_t i = 0; i < DEMO_LAYERS; i++) {
        bool kept = false;
        for (size_t k = 0; k < count; k++) {
            kept = kept || layers[k] == i;
        }
        state.solved[i].set = state.solved[i].set && kept;
    }
    pl_check_ok(
        pl_quantized_init(&q, (pl_context){d->lab, &state, NULL}, PL_WHICH_AFTER, &hooks, &err),
        err);
    pl_check_ok(
        pl_perplexity(state.source->model, ids, COUNT, &text, &hooks, true, &found, NULL, &err),
        err);
    pl_quantized_deinit(&q);
    pl_state_deinit(&state);
    return found;
}

static void expect_same(const pl_loss *loss, const pl_ppl_result *alone)
{
    pl_check_close(loss->kl, alone->kl_mean, 1e-5, 1e-12);
    pl_check_close(loss->kl_max, alone->kl_max, 1e-4, 1e-12);
    pl_check_close(loss->perplexity, alone->perplexity, 1e-6, 0);
    pl_check_close(loss->perplexity_error, alone->perplexity_error, 1e-5, 0);
    pl_check_close(loss->agreement, alone->top1_agreement, 1e-12, 0);
}

static pl_sensitivities run_units(demo_lab *d, pl_sensitivity asked, const int32_t *ids)
{
    pl_error err;
    pl_sensitivities found;
    asked.text = text;
    asked.said = "sensitivity";
    pl_check_ok(pl_sensitivity_run(demo_context(d), &asked, ids, COUNT, &found, &err), err);
    return found;
}

static void test_only(void **ctx)
{
    (void)ctx;
    demo_lab d;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    rounded_demo(&d);
    pl_sensitivities s = run_units(&d, (pl_sensitivity){.unit = PL_UNIT_LAYER}, ids);
    assert_int_equal(s.count, SOLVED);
    assert_int_equal(s.unsolved, DEMO_LAYERS - SOLVED);
    for (size_t i = 0; i < SOLVED; i++) {
        const pl_ppl_result alone = measure(&d, &solved[i], 1, ids);
        assert_int_equal(s.units[i].layer, solved[i]);
        assert_false(s.units[i].found);
        expect_same(&s.units[i].loss, &alone);
        expect_less(0, s.units[i].loss.kl);
        pl_check_close(s.original, alone.original, 1e-9, 0);
        /* The table of layers has it from there on. */
        pl_check_close(
            pl_sensitivity_of_result(d.lab, &d.state, *pl_state_result(&d.state, solved[i])),
            s.units[i].loss.kl, 0, 0);
    }
    const pl_ppl_result all = measure(&d, solved, SOLVED, ids);
    expect_same(&s.together, &all);
    pl_sensitivities_deinit(&s);
    demo_lab_deinit(&d);
}

static void test_without(void **ctx)
{
    (void)ctx;
    demo_lab d;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    rounded_demo(&d);
    pl_sensitivities s =
        run_units(&d, (pl_sensitivity){.unit = PL_UNIT_BLOCK, .without = true}, ids);
    assert_int_equal(s.count, 2);
    const pl_ppl_result second = measure(&d, solved + 2, 2, ids),
                        first = measure(&d, solved, 2, ids);
    const pl_ppl_result all = measure(&d, solved, SOLVED, ids);
    expect_same(&s.units[0].loss, &second);
    expect_same(&s.units[1].loss, &first);
    expect_same(&s.together, &all);
    assert_int_equal(s.units[0].layers, 2);
    assert_true(
        isnan(pl_sensitivity_of_result(d.lab, &d.state, *pl_state_result(&d.state, solved[0]))));
    pl_sensitivities_deinit(&s);
    /* One unit that is all that is asked: without it and without none are two models, in the store
     * too. */
    for (int again = 0; again < 2; again++) {
        s = run_units(
            &d, (pl_sensitivity){.unit = PL_UNIT_BLOCK, .without = true, .glob = "*layers.0.*"},
            ids);
        assert_int_equal(s.count, 1);
        expect_same(&s.units[0].loss, &second);
        expect_same(&s.together, &all);
        pl_sensitivities_deinit(&s);
    }
    demo_lab_deinit(&d);
}

/* A role's layers are in all blocks: nothing stands before its first one. */
static void test_roles_and_sites(void **ctx)
{
    (void)ctx;
    demo_lab d;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=2");
    static const size_t queries[] = {0, 7}, inputs[] = {0, 1};
    demo_solve(&d, 0);
    demo_solve(&d, 1);
    demo_solve(&d, 7);
    pl_sensitivities roles = run_units(&d, (pl_sensitivity){.unit = PL_UNIT_ROLE}, ids);
    assert_int_equal(roles.count, 2);
    assert_string_equal(roles.units[0].name, "q_proj");
    const pl_ppl_result alone = measure(&d, queries, 2, ids);
    expect_same(&roles.units[0].loss, &alone);
    pl_sensitivities sites =
        run_units(&d, (pl_sensitivity){.unit = PL_UNIT_SITE, .glob = "0.*"}, ids);
    assert_int_equal(sites.count, 1);
    assert_string_equal(sites.units[0].name, "0.qkv");
    const pl_ppl_result site = measure(&d, inputs, 2, ids);
    expect_same(&sites.units[0].loss, &site);
    pl_sensitivities_deinit(&roles);
    pl_sensitivities_deinit(&sites);
    demo_lab_deinit(&d);
}

/* With inputs quantized, all of a site's layers or none: the sum of both is the whole model's. */
static void test_quantized_inputs(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[COUNT];
    pl_sensitivities refused;
    demo_ids(ids, COUNT);
    rounded_demo(&d);
    d.state.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    for (size_t i = 0; i < SOLVED; i++) {
        demo_solve(&d, solved[i]);
    }
    pl_sensitivity asked = {.unit = PL_UNIT_LAYER, .text = text};
    assert_int_equal(pl_sensitivity_run(demo_context(&d), &asked, ids, COUNT, &refused, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "expected unit=site or unit=block");
    pl_sensitivities s = run_units(&d, (pl_sensitivity){.unit = PL_UNIT_SITE}, ids);
    assert_int_equal(s.count, 2);
    for (size_t i = 0; i < s.count; i++) {
        expect_less(0, s.units[i].loss.kl);
        expect_less(s.units[i].loss.kl, s.together.kl);
    }
    pl_sensitivities_deinit(&s);
    demo_lab_deinit(&d);
}

/* What was measured before a cut stays; what is known is not measured again. */
static void test_goes_on(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    rounded_demo(&d);
    demo_stopper s = {.what = "units", .most = 0.7};
    s.task.progress = demo_stop_at;
    s.task.ctx = &s;
    pl_sensitivity asked = {.unit = PL_UNIT_LAYER, .text = text};
    pl_sensitivities cut;
    assert_int_equal(
        pl_sensitivity_run((pl_context){d.lab, &d.state, &s.task}, &asked, ids, COUNT, &cut, &err),
        PL_ERR_CANCELLED);
    assert_null(cut.units);
    pl_sensitivities after = run_units(&d, (pl_sensitivity){.unit = PL_UNIT_LAYER}, ids);
    size_t found = 0;
    for (size_t i = 0; i < after.count; i++) {
        found += after.units[i].found;
    }
    assert_in_range(found, 1, SOLVED - 1);
    pl_sensitivities again = run_units(&d, (pl_sensitivity){.unit = PL_UNIT_LAYER}, ids);
    for (size_t i = 0; i < again.count; i++) {
        assert_true(again.units[i].found);
        pl_check_close(again.units[i].loss.kl, after.units[i].loss.kl, 0, 0);
    }
    pl_check_close(again.original, after.original, 0, 0);
    pl_sensitivities_deinit(&after);
    pl_sensitivities_deinit(&again);
    demo_lab_deinit(&d);
}

static void test_nothing_to_measure(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[COUNT];
    pl_sensitivities s;
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=2");
    pl_sensitivity asked = {.unit = PL_UNIT_LAYER, .text = text};
    assert_int_equal(pl_sensitivity_run(demo_context(&d), &asked, ids, COUNT, &s, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "run `solve all` first");
    asked.glob = "nothing*";
    assert_int_equal(pl_sensitivity_run(demo_context(&d), &asked, ids, COUNT, &s, &err),
                     PL_ERR_NOT_FOUND);
    pl_check_says(err, "no layer matches nothing*");
    asked.glob = NULL;
    demo_solve(&d, 0);
    asked.text.windows = 1000;
    assert_int_equal(pl_sensitivity_run(demo_context(&d), &asked, ids, COUNT, &s, &err),
                     PL_ERR_STATE);
    pl_check_says(err, "windows of 64 tokens, 1000 were asked");
    demo_lab_deinit(&d);
}

/* One probed block fixes the scale: its estimate is what was measured.  An estimate is a layer's
 * column from there on. */
static void test_estimate(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    rounded_demo(&d);
    pl_sensitivity asked = {.unit = PL_UNIT_BLOCK, .text = text, .probes = 1};
    pl_sensitivities blocks, layers;
    pl_check_ok(pl_sensitivity_estimate(demo_context(&d), &asked, ids, COUNT, &blocks, &err), err);
    assert_int_equal(blocks.count, 2);
    const pl_ppl_result second = measure(&d, solved + 2, 2, ids);
    pl_check_close(blocks.units[1].estimate, second.kl_mean, 1e-5, 0);
    pl_check_close(blocks.original, second.original, 1e-9, 0);
    assert_true(isnan(blocks.units[1].loss.kl));
    assert_true(isnan(blocks.together.kl));
    asked.unit = PL_UNIT_LAYER;
    asked.probes = 2;
    asked.said = "sensitivity mode=estimate";
    pl_check_ok(pl_sensitivity_estimate(demo_context(&d), &asked, ids, COUNT, &layers, &err), err);
    assert_int_equal(layers.count, SOLVED);
    for (size_t i = 0; i < SOLVED; i++) {
        const pl_ppl_result alone = measure(&d, &solved[i], 1, ids);
        expect_less(alone.kl_mean / 6, layers.units[i].estimate);
        expect_less(layers.units[i].estimate, alone.kl_mean * 6);
        pl_check_close(
            pl_estimate_of_result(d.lab, &d.state, *pl_state_result(&d.state, solved[i])),
            layers.units[i].estimate, 0, 0);
    }
    pl_sensitivities_deinit(&blocks);
    pl_sensitivities_deinit(&layers);
    demo_lab_deinit(&d);
}

/* Everything but the only unit that is rounded is the original: nothing is lost. */
static void test_nothing_quantized_costs_nothing(void **ctx)
{
    (void)ctx;
    demo_lab d;
    int32_t ids[COUNT];
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    demo_method(&d.state, "rtn bits=2");
    demo_solve(&d, 8);
    pl_sensitivities s =
        run_units(&d, (pl_sensitivity){.unit = PL_UNIT_LAYER, .without = true}, ids);
    assert_int_equal(s.count, 1);
    pl_check_close(s.units[0].loss.kl, 0, 0, 0);
    pl_check_close(s.units[0].loss.perplexity, s.original, 0, 0);
    expect_less(0, s.together.kl);
    pl_sensitivities_deinit(&s);
    demo_lab_deinit(&d);
}

/* --- few windows at a time -------------------------------------------------------------------- */

enum { LONG = 256, MANY = 3 };

typedef struct few {
    pl_hooks hooks;
    float scale;
    pl_ppl_result result;
    unsigned char kept[2 * MANY][1024]; /* [variant, first window] */
    size_t sizes[2 * MANY], recalled;
} few;

static pl_status keep_few(void *ctx, size_t variant, size_t first, size_t count, const void *bytes,
                          size_t size, pl_error *err)
{
    few *f = ctx;
    (void)err;
    assert_int_equal(count, 1);
    expect_less(first, MANY - 1);
    expect_at_most((double)size, sizeof f->kept[0]);
    memcpy(f->kept[variant * MANY + first], bytes, size);
    f->sizes[variant * MANY + first] = size;
    return PL_OK;
}

static bool recall_few(void *ctx, size_t variant, size_t first, size_t count, void *bytes,
                       size_t size)
{
    few *f = ctx;
    (void)count;
    if (f->sizes[variant * MANY + first] != size) {
        return false;
    }
    memcpy(bytes, f->kept[variant * MANY + first], size);
    f->recalled++;
    return true;
}

static pl_status shrink_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                              size_t cols, pl_error *err)
{
    const few *f = ctx;
    (void)site;
    (void)window;
    (void)err;
    for (size_t i = 0; i < rows * cols; i++) {
        x[i] *= f->scale;
    }
    return PL_OK;
}

static bool touch_second(void *ctx, size_t variant, size_t block)
{
    (void)ctx;
    return block == 1 + variant;
}

static const pl_hooks *few_hooks(void *ctx, size_t variant)
{
    few *f = ctx;
    f->scale = variant == 0 ? 0.9F : 0.8F;
    return &f->hooks;
}

static pl_status few_done(void *ctx, size_t variant, const pl_ppl_result *r, pl_error *err)
{
    few *f = ctx;
    (void)err;
    if (variant == 1) {
        f->result = *r;
    }
    return PL_OK;
}

/* A memory limit under which not all windows fit changes how many are walked at a time, and no
 * number. */
static void test_small_memory(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[LONG * MANY];
    pl_ppl_result base;
    for (size_t i = 0; i < LONG * MANY; i++) {
        ids[i] = (int32_t)(5 + i * i % 200);
    }
    demo_lab_init(&d);
    few whole = {.hooks = {.input = shrink_input}}, parts = {.hooks = {.input = shrink_input}};
    whole.hooks.ctx = &whole;
    parts.hooks.ctx = &parts;
    pl_ppl_spec spec = {.length = LONG, .windows = MANY};
    pl_variants variants = {.count = 2,
                            .ctx = &whole,
                            .touches = touch_second,
                            .hooks = few_hooks,
                            .done = few_done,
                            .keep = keep_few,
                            .recall = recall_few};
    pl_check_ok(pl_variants_run(d.state.source->model, ids, LONG * MANY, &spec, NULL, &variants,
                                &base, NULL, &err),
                err);
    variants.ctx = &parts;
    pl_status status = PL_ERR_MEMORY;
    /* The least limit that is enough holds one window of three. */
    for (spec.memory_limit = 160u << 20; status == PL_ERR_MEMORY; spec.memory_limit += 1u << 18) {
        status = pl_variants_run(d.state.source->model, ids, LONG * MANY, &spec, NULL, &variants,
                                 &base, NULL, &err);
    }
    pl_check_ok(status, err);
    expect_less(0, whole.result.kl_mean);
    pl_check_close(parts.result.kl_mean, whole.result.kl_mean, 0, 0);
    pl_check_close(parts.result.perplexity, whole.result.perplexity, 0, 0);
    /* A second run takes from the first what it had in all groups but the last. */
    assert_int_equal(parts.recalled, 0);
    parts.result = (pl_ppl_result){0};
    spec.memory_limit -= 1u << 18;
    pl_check_ok(pl_variants_run(d.state.source->model, ids, LONG * MANY, &spec, NULL, &variants,
                                &base, NULL, &err),
                err);
    assert_int_equal(parts.recalled, 2 * (MANY - 1));
    pl_check_close(parts.result.kl_mean, whole.result.kl_mean, 0, 0);
    double moved[2], moved_in_parts[2];
    spec.memory_limit = 0;
    pl_check_ok(pl_local_errors(d.state.source->model, ids, LONG * MANY, &spec, &variants, moved,
                                NULL, &err),
                err);
    spec.memory_limit = 1 << 20; /* one window */
    pl_check_ok(pl_local_errors(d.state.source->model, ids, LONG * MANY, &spec, &variants,
                                moved_in_parts, NULL, &err),
                err);
    expect_less(0, moved[1]);
    pl_check_close(moved_in_parts[1], moved[1], 1e-12, 0);
    demo_lab_deinit(&d);
}

/* --- variants that change nothing ------------------------------------------------------------- */

static bool touch_third(void *ctx, size_t variant, size_t block)
{
    (void)ctx;
    return block >= 2 + variant;
}

static const pl_hooks *change_nothing(void *ctx, size_t variant)
{
    (void)ctx;
    (void)variant;
    static const pl_hooks none = {0};
    return &none;
}

static pl_status expect_nothing(void *ctx, size_t variant, const pl_ppl_result *r, pl_error *err)
{
    (void)err;
    size_t *seen = ctx;
    assert_int_equal(variant, (*seen)++);
    pl_check_close(r->kl_mean, 0, 0, 0);
    pl_check_close(r->perplexity, r->original, 0, 0);
    pl_check_close(r->top1_agreement, 1, 0, 0);
    return PL_OK;
}

static void test_unchanged_costs_nothing(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    int32_t ids[COUNT];
    size_t seen = 0;
    pl_ppl_result base;
    demo_ids(ids, COUNT);
    demo_lab_init(&d);
    const pl_variants variants = {.count = 2,
                                  .ctx = &seen,
                                  .touches = touch_third,
                                  .hooks = change_nothing,
                                  .done = expect_nothing};
    pl_check_ok(pl_variants_run(d.state.source->model, ids, COUNT, &text, NULL, &variants, &base,
                                NULL, &err),
                err);
    assert_int_equal(seen, 2);
    pl_check_close(base.kl_mean, 0, 0, 0);
    double moved[2] = {1, 1};
    pl_check_ok(
        pl_local_errors(d.state.source->model, ids, COUNT, &text, &variants, moved, NULL, &err),
        err);
    expect_close(moved[0], 0, 0);
    expect_close(moved[1], 0, 0);
    pl_ppl_spec poor = text;
    poor.memory_limit = 1000;
    assert_int_equal(pl_variants_run(d.state.source->model, ids, COUNT, &poor, NULL, &variants,
                                     &base, NULL, &err),
                     PL_ERR_MEMORY);
    pl_check_says(err, "the memory limit is 0 MB");
    demo_lab_deinit(&d);
}

/* --- ranks ------------------------------------------------------------------------------------ */

/* Pearson of the ranks by numpy. */
static void test_rank_correlation(void **ctx)
{
    (void)ctx;
    pl_error err;
    double rho = 0;
    const double x[] = {1, 2, 3, 4, 5, NAN}, y[] = {10, 100, 50, 2000, 3000, 1};
    const double tied[] = {1, 1, 2, 2, 3, 7}, flat[] = {4, 4, 4, 4, 4, 4};
    pl_check_ok(pl_rank_correlation(x, y, 6, &rho, &err), err);
    pl_check_close(rho, 0.9, 1e-12, 0);
    pl_check_ok(pl_rank_correlation(x, tied, 6, &rho, &err), err);
    pl_check_close(rho, 0.9486832980505138, 1e-12, 0);
    pl_check_ok(pl_rank_correlation(x, flat, 6, &rho, &err), err);
    assert_true(isnan(rho));
    pl_check_ok(pl_rank_correlation(x, y, 2, &rho, &err), err);
    assert_true(isnan(rho));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_without),
        cmocka_unit_test(test_roles_and_sites),
        cmocka_unit_test(test_quantized_inputs),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_nothing_quantized_costs_nothing),
        cmocka_unit_test(test_small_memory),
        cmocka_unit_test(test_nothing_to_measure),
        cmocka_unit_test(test_unchanged_costs_nothing),
        cmocka_unit_test(test_rank_correlation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
