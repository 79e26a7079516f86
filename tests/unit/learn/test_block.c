/* FlatQuant's hand-written gradients on a block against central differences, in float64, of a plain
 * block whose rounding offsets are held, every group of parameters; and against PyTorch's autograd
 * (tests/golden/make_block_values.py). */
#include "tests/unit/learn/block_reference.h"

#include "core/base/rng.h"
#include "core/learn/flatquant.h"
#include "core/tensor/linalg.h"
#include "tests/support/own_folder.h"

#include <math.h>

/* A token whose attention is on one other (the first's always is) gets that one's values
 * themselves. Behind a cache with few levels several of them are equal, and where they decide the
 * range of their row, it has no slope that differences could find: the settings below keep off
 * that.  (In block 1 of llama4 with a cache of 4 bits, token 13: its largest two of 64 are equal,
 * no other row has such.)
 */

static void check_group(block *b, double *params, const double *gradient, size_t first,
                        size_t count)
{
    static const double STEP = 1e-6;
    double *keep = block_zeros(count), most = 0.0, slope = 0.0;
    memcpy(keep, params + first, count * sizeof *keep);
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(gradient[first + i]));
        slope += gradient[first + i] * (double)formula_number("along", i);
    }
    /* Of one parameter, moved alone it says all. */
    for (int way = count > 1 ? 0 : 1; way < (count > 1 ? 4 : 2); way++) {
        const size_t single = (size_t)way * 7919 % count;
        double ends[2];
        for (int end = 0; end < 2; end++) {
            for (size_t i = 0; i < count; i++) {
                const double move =
                    way > 0 ? (i == single ? 1.0 : 0.0) : (double)formula_number("along", i);
                params[first + i] = keep[i] + (end == 0 ? STEP : -STEP) * move;
            }
            ends[end] = block_reference(b, params);
        }
        const double measured = (ends[0] - ends[1]) / (2.0 * STEP);
        expect_close(way > 0 ? gradient[first + single] : slope, measured,
                     (way > 0 ? 1e-3 : 2e-4 * sqrt((double)count) + 1e-3) * most + 5e-6);
    }
    memcpy(params + first, keep, count * sizeof *keep);
    free(keep);
}

/* Of a mixture, the first expert, the second, which shares the first one's T, and the last. */
static bool is_checked(const block *b, size_t site)
{
    return site < b->in.mixture + 4 || site + 2 >= b->in.n_sites;
}

static void check_gradients(block *b, double *params, const double *gradient)
{
    for (size_t r = 0; r < b->in.n_sites; r++) {
        if (!is_checked(b, r)) {
            continue;
        }
        const pl_flat_layout *at = &b->at.sites[r];
        const size_t clipped = at->weight_high - at->weight_low;
        if (pl_block_turn(&b->at, r) == r) {
            check_group(b, params, gradient, at->first, at->n1 * at->n1);
            check_group(b, params, gradient, at->second, at->n2 * at->n2);
        }
        if (pl_block_turn(&b->at, r) == r && at->scale != PL_FLAT_NONE) {
            check_group(b, params, gradient, at->scale, at->n);
        }
        if (clipped > 0) {
            check_group(b, params, gradient, at->weight_low, clipped);
            check_group(b, params, gradient, at->weight_high, clipped);
        }
        if (pl_block_turn(&b->at, r) == r && at->input_high > at->input_low) {
            check_group(b, params, gradient, at->input_low, 1);
            check_group(b, params, gradient, at->input_high, 1);
        }
    }
    if (b->at.key != PL_FLAT_NONE) {
        check_group(b, params, gradient, b->at.key, b->in.head_dim * b->in.head_dim);
        check_group(b, params, gradient, b->at.cache, 4);
    }
}

/* An expert that no token of the batch is for gets no gradient, any other does. */
static void check_reached(const block *b, const double *gradient)
{
    for (size_t site = b->in.mixture + 1; site < b->in.n_sites; site += 2) {
        const pl_flat_layout *at = &b->at.sites[site];
        double most = 0.0;
        for (size_t i = 0; i < at->n1 * at->n1; i++) {
            most = fmax(most, fabs(gradient[at->first + i]));
        }
        assert_int_equal(most > 0.0, b->seen[site] > 0);
    }
}

static json_t *values;

/* Whether experts have other tokens than in full precision. */
static bool check(pl_temp *temp, setting set)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    double got = 0.0;
    pl_rng rng;
    block_open(&b, temp, values, set);
    pl_check_ok(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), err);
    double *params = block_zeros(2 * o.at.count), *gradient = params + o.at.count;
    pl_check_ok(pl_block_start(&o.at, &b.in, 0.3, 1, params, &err), err);
    pl_rng_init(&rng, 77);
    for (size_t i = 0; i < o.at.count; i++) {
        params[i] += 0.1 * pl_rng_normal(&rng) - (i >= o.at.clips ? 2.5 : 0.0);
    }
    pl_check_ok(pl_block_objective_value(&o, params, 0, &got, gradient, NULL, &err), err);
    block_find_target(&b);
    b.hold = false;
    const double expected = block_reference(&b, params);
    b.hold = true;
    pl_check_close(log(got), expected, 0, 2e-4);
    check_reached(&b, gradient);
    const bool moved = memcmp(b.seen, b.full, sizeof b.seen) != 0;
    check_gradients(&b, params, gradient);
    free(params);
    pl_block_objective_deinit(&o);
    block_close(&b);
    return moved;
}

static void every_gradient_agrees_with_differences(void **state)
{
    const setting settings[] = {
        {"qwen3", 4, 4, 4, &pl_format_asymmetric, 16, 4, 0, 0},
        {"llama_biases", 4, 4, 4, &pl_format_symmetric, 0, 0, 0, 0},
        {"gemma2", 3, 0, 0, &pl_format_symmetric, 0, 0, 0, 0},
        {"olmo2", 0, 4, 0, &pl_format_asymmetric, 0, 0, 0, 0},
        {"phi3", 0, 0, 3, &pl_format_symmetric, 0, 0, 0, 0},
        {"llama4", 4, 4, 4, &pl_format_asymmetric, 16, 0, 16, 0},
        {"deepseek_v3", 4, 4, 0, &pl_format_asymmetric, 16, 0, 0, 0},
        {"deepseek_v3_dense", 4, 4, 0, &pl_format_symmetric, 0, 0, 0, 0},
        /* values that are not evenly spaced, inputs in groups */
        {"qwen3", 4, 4, 4, &pl_format_nvfp4, 16, 4, 0, 0},
        {"llama_biases", 4, 4, 4, &pl_format_mxfp4, 8, 4, 0, 0},
        /* mixtures of experts */
        {"mixtral", 4, 4, 4, &pl_format_asymmetric, 16, 4, 0, 0},
        {"qwen2_moe", 4, 4, 0, &pl_format_asymmetric, 0, 0, 0, 1},
        {"qwen3_moe_mixed", 4, 4, 4, &pl_format_asymmetric, 0, 0, 0, 1},
        {"olmoe_normalized", 3, 0, 0, &pl_format_symmetric, 0, 0, 0, 1},
        {"gpt_oss", 4, 4, 4, &pl_format_asymmetric, 16, 0, 0, 1},
        {"llama4", 4, 4, 8, &pl_format_asymmetric, 16, 0, 16, 1},
        {"llama4", 4, 4, 4, &pl_format_asymmetric, 16, 0, 16, 3},
        {"deepseek_v2", 4, 4, 0, &pl_format_asymmetric, 0, 0, 0, 1},
        {"deepseek_v3", 4, 4, 0, &pl_format_asymmetric, 16, 0, 0, 2},
    };
#ifdef __SANITIZE_ADDRESS__
    enum { STEP = 3 }; /* six times slower, and test_block_experts.c has the mixtures, too */
#else
    enum { STEP = 1 };
#endif
    size_t moved = 0;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i += STEP) {
        print_message("  %s, block %zu\n", settings[i].model, settings[i].block);
        moved += check(*state, settings[i]) ? 1 : 0;
    }
    expect_less(0, moved); /* what the quantized block's own router chooses is checked */
}

/* The parameters of make_block_values.py. */
static void make_golden(const pl_block_layout *at, double *params)
{
    for (size_t i = 0; i < at->count; i++) {
        params[i] = (double)formula_number("flat parameters", i) + (i >= at->clips ? 1.5 : 0.0);
    }
    for (size_t r = 0; r < at->n_sites; r++) {
        const pl_flat_layout *site = &at->sites[r];
        const struct {
            size_t first, n;
        } factors[] = {{site->first, site->n1}, {site->second, site->n2}, {at->key, at->head_dim}};
        for (size_t f = 0; f < (r == 0 ? 3 : 2); f++) {
            double *d = params + factors[f].first + factors[f].n * (factors[f].n - 1);
            for (size_t i = 0; i < factors[f].n; i++) {
                d[i] = 1.0 + 0.2 * d[i];
            }
        }
        for (size_t c = 0; site->scale != PL_FLAT_NONE && c < site->n; c++) {
            params[site->scale + c] *= 0.3;
        }
    }
}

static void check_golden(const json_t *gradients, const char *site, const char *part,
                         const double *gradient, size_t count)
{
    char name[64];
    double along = 0.0, square = 0.0;
    snprintf(name, sizeof name, "%s%s", site, part);
    const json_t *expected = json_object_get(gradients, name);
    assert_int_equal(json_array_size(expected), 2);
    for (size_t i = 0; i < count; i++) {
        along += gradient[i] * (double)formula_number(name, i);
        square += gradient[i] * gradient[i];
    }
    const double norm = json_number_value(json_array_get(expected, 1));
    pl_check_close(sqrt(square), norm, 1e-4, 0);
    expect_close(along, json_number_value(json_array_get(expected, 0)), 1e-4 * norm);
}

static void every_gradient_agrees_with_autograd(void **state)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    json_error_t why;
    double got = 0.0;
    char path[4096];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/golden/block_values.json", root != NULL ? root : ".");
    json_t *golden = json_load_file(path, 0, &why);
    assert_non_null(golden);
    block_open(
        &b, *state, values,
        (setting){"mistral_no_window", 4, 4, 4, &pl_format_asymmetric, 0, 0, GOLDEN_LENGTH, 0});
    b.in.kv.clip = 1.0;
    for (size_t r = 0; r < b.in.n_sites; r++) {
        b.sites[r].activations.clip = 1.0;
    }
    pl_check_ok(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), err);
    double *params = block_zeros(2 * o.at.count), *gradient = params + o.at.count;
    make_golden(&o.at, params);
    pl_check_ok(pl_block_objective_value(&o, params, 0, &got, gradient, NULL, &err), err);
    expect_close(log(got), json_number_value(json_object_get(golden, "log_loss")), 1e-5);
    const json_t *all = json_object_get(golden, "gradients");
    for (size_t r = 0; r < o.at.n_sites; r++) {
        const pl_flat_layout *at = &o.at.sites[r];
        const char *site = b.in.sites[r].site;
        check_golden(all, site, ".first", gradient + at->first, at->n1 * at->n1);
        check_golden(all, site, ".second", gradient + at->second, at->n2 * at->n2);
        if (at->scale != PL_FLAT_NONE) {
            check_golden(all, site, ".scale", gradient + at->scale, at->n);
        }
        check_golden(all, site, ".weight_low", gradient + at->weight_low, at->rows);
        check_golden(all, site, ".weight_high", gradient + at->weight_high, at->rows);
        check_golden(all, site, ".input_low", gradient + at->input_low, 1);
        check_golden(all, site, ".input_high", gradient + at->input_high, 1);
    }
    check_golden(all, "key", "", gradient + o.at.key, b.in.head_dim * b.in.head_dim);
    check_golden(all, "cache", "", gradient + o.at.cache, 4);
    free(params);
    json_decref(golden);
    pl_block_objective_deinit(&o);
    block_close(&b);
}

/* What learning takes for the transforms' function is what the transforms do: without quantizers'
 * error, at 8 bits, nearly nothing is lost; and the transforms made of the parameters undo
 * themselves. */
static void transforms_mean_what_is_learned(void **state)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    double got = 0.0;
    block_open(&b, *state, values, (setting){"qwen3", 8, 8, 8, &pl_format_symmetric, 0, 0, 0, 0});
    b.in.kv.clip = 1.0;
    for (size_t r = 0; r < b.in.n_sites; r++) {
        b.sites[r].activations.clip = 1.0;
    }
    pl_check_ok(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), err);
    double *params = block_zeros(o.at.count);
    pl_check_ok(pl_block_start(&o.at, &b.in, 0.3, 1, params, &err), err);
    for (size_t i = o.at.clips; i < o.at.count; i++) {
        params[i] = 30.0;
    }
    pl_check_ok(pl_block_objective_value(&o, params, 0, &got, NULL, NULL, &err), err);
    expect_less(got, 2e-3);
    pl_transform *t = NULL;
    enum { VALUES = 2 };
    pl_check_ok(pl_block_transform(&o.at, PL_SITE_QKV, params, &t, &err), err);
    const pl_transform *turn = pl_transform_outputs(t, VALUES);
    assert_non_null(turn);
    assert_non_null(pl_transform_keys(t));
    const size_t turned = pl_transform_n(turn);
    assert_int_equal(turned, b.in.kv_heads * b.in.head_dim);
    const size_t first = b.views[PL_SITE_QKV].rows - turned;
    const size_t rows = b.views[PL_SITE_QKV].rows, n = b.in.hidden;
    float *w = malloc(rows * n * sizeof *w);
    assert_non_null(w);
    memcpy(w, b.views[PL_SITE_QKV].data, rows * n * sizeof *w);
    pl_check_ok(pl_transform_weights(t, w, rows, NULL, &err), err);
    pl_check_ok(pl_transform_outputs_weights(t, VALUES, w + first * n, turned, n, NULL, &err), err);
    for (size_t i = 0; i < rows * n; i++) {
        const float *of = i / n < first ? o.sites[PL_SITE_QKV].wt : o.mixed - first * n;
        expect_close(w[i], of[i], 1e-5);
    }
    pl_check_ok(pl_transform_outputs_weights_back(t, VALUES, w + first * n, turned, n, NULL, &err),
                err);
    pl_check_ok(pl_transform_weights_back(t, w, rows, NULL, &err), err);
    for (size_t i = 0; i < rows * n; i++) {
        expect_close(w[i], b.views[PL_SITE_QKV].data[i], 1e-5);
    }
    free(w);
    pl_transform_destroy(t);
    free(params);
    pl_block_objective_deinit(&o);
    block_close(&b);
}

/* The rate of parameter i: a diagonal's, the clipping's, or the factors'. */
static double rate_of(const pl_flatquant *f, size_t i, double factors, double diagonals,
                      double clips)
{
    for (size_t s = 0; s < f->block.at.n_sites; s++) {
        const pl_flat_layout *site = &f->block.at.sites[s];
        if (site->scale != PL_FLAT_NONE && i >= site->scale && i < site->scale + site->n) {
            return diagonals;
        }
    }
    return i < f->block.at.clips ? factors : clips;
}

/* AdamW's first step is as long as the rate, whatever the slope; each kind of parameter has its
 * own. */
static void each_part_steps_by_its_own_rate(void **state)
{
    pl_error err = {0};
    block b;
    pl_flatquant f;
    pl_spec spec = pl_spec_default(pl_method_find("flatquant"));
    const char *const settings[] = {"scope",         "block", "steps",     "40",  "rate", "0.001",
                                    "diagonal_rate", "0.02",  "clip_rate", "0.3", NULL};
    for (size_t i = 0; settings[i] != NULL; i += 2) {
        pl_check_ok(pl_spec_set(&spec, settings[i], settings[i + 1], &err), err);
    }
    block_open(&b, *state, values, (setting){"qwen3", 4, 4, 4, &pl_format_symmetric, 0, 0, 0, 0});
    pl_check_ok(pl_flatquant_init_block(&f, &spec, &b.in, NULL, NULL, &err), err);
    const size_t count = f.now.at.count;
    double *before = block_zeros(count);
    memcpy(before, f.now.params, count * sizeof *before);
    pl_check_ok(pl_flatquant_step(&f, NULL, &err), err);
    for (size_t i = 0; i < count; i++) {
        if (fabs(f.gradient[i]) > 1e-5) { /* below, AdamW's 1e-8 shows */
            const double rate = rate_of(&f, i, 0.001, 0.02, 0.3);
            pl_check_close(fabs(f.now.params[i] - before[i]), rate, 2e-3, 0);
        }
    }
    free(before);
    pl_flatquant_deinit(&f);
    block_close(&b);
}

static void what_cannot_be_learned_is_refused(void **state)
{
    pl_error err = {0};
    block b;
    pl_block_objective o;
    block_open(&b, *state, values, (setting){"qwen3", 0, 0, 0, &pl_format_symmetric, 0, 0, 0, 0});
    assert_int_equal(pl_block_objective_init(&o, &b.in, WINDOWS, 3, NULL, &err), PL_ERR_STATE);
    pl_check_says(err, "nothing is quantized, so transforms have nothing to learn");
    pl_block_objective_deinit(&o);
    block_close(&b);
}

int main(void)
{
    pl_error err = {0};
    if (pl_linalg_set_threads(1, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    values = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_gradient_agrees_with_differences, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_gradient_agrees_with_autograd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(transforms_mean_what_is_learned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_part_steps_by_its_own_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_learned_is_refused, set_up, tear_down),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
