/* SmolLM2 calibrated on 8 windows of 512 tokens, and what the solvers make of two of its layers,
 * against an independent program: ../shared/refs/smollm2.json.  With PLANISH_TEST_ALL every layer
 * of the file and all ten perplexity windows. */
#include "core/calib/calib.h"
#include "core/method/method.h"
#include "core/metrics/outliers.h"
#include "core/metrics/perplexity.h"
#include "core/metrics/recon.h"
#include "core/solve/linf.h"
#include "core/tensor/linalg.h"
#include "tests/e2e/run_planish.h"
#include "tests/support/shared.h"
#include "tests/support/temp.h"

#include <math.h>
#include <stdbool.h>

static struct {
    json_t *json;
    pl_model *model;
    pl_tokens tokens;
    pl_temp temp;
    pl_store *store;
    pl_id key;
} smol;

static bool all(void)
{
    return getenv("PLANISH_TEST_ALL") != NULL;
}

/* cmocka cannot skip in a group's setup, so the first test makes the calibration. */
static void test_calibrates(void **state)
{
    (void)state;
    char path[PL_TEST_PATH];
    const char *text = pl_test_shared("data/wikitext2-valid.txt", path);
    const pl_tokenizer *tokenizer = NULL;
    pl_calib_report report;
    pl_error err;
    pl_check_ok(pl_model_open(pl_test_smollm2(), &smol.model, &err), err);
    pl_check_ok(pl_model_need_tokenizer(smol.model, &tokenizer, &err), err);
    pl_check_ok(pl_tokens_read(tokenizer, &text, 1, 0, &smol.tokens, NULL, &err), err);
    pl_temp_init(&smol.temp);
    pl_check_ok(pl_store_open(pl_test_smollm2_store(smol.temp.folder), 0, &smol.store, &err), err);
    const pl_calib_spec spec = {.model = smol.model,
                                .tokens = &smol.tokens,
                                .protocol = {.length = 512, .windows = 8},
                                .sample_rows = 4096};
    pl_check_ok(pl_calib_run(&spec, smol.store, &smol.key, &report, NULL, &err), err);
    assert_int_equal(report.tokens, 4096);
    assert_int_equal(report.sites_computed, 120);
    smol.json = pl_test_shared_json("refs/smollm2.json");
}

static void need_calibration(void)
{
    if (smol.json == NULL) {
        skip();
    }
}

static int close_all(void **state)
{
    (void)state;
    if (smol.store != NULL) {
        pl_store_close(smol.store);
        pl_temp_deinit(&smol.temp);
    }
    pl_tokens_deinit(&smol.tokens);
    pl_model_close(smol.model);
    json_decref(smol.json);
    return 0;
}

/* A listed [channel, value, ...]: our value agrees, and no channel that is not listed is larger
 * than the list's least by more than a tie. */
static void check_top(const json_t *list, const float *values, size_t n, double tolerance)
{
    const size_t count = json_array_size(list);
    size_t top[8];
    assert_int_equal(count, 8);
    assert_int_equal(pl_top_channels(values, n, count, top), count);
    double least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        const size_t channel = (size_t)json_integer_value(json_array_get(entry, 0));
        const double value = json_number_value(json_array_get(entry, 1));
        expect_less(channel, n);
        pl_check_close(values[channel], value, tolerance, 0);
        least = value < least ? value : least;
    }
    pl_check_close(values[top[count - 1]], least, tolerance, 1e-5);
}

static void check_positions(const json_t *list, const pl_site_stats *s)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const size_t channel = (size_t)json_integer_value(json_array_get(entry, 0));
        assert_int_equal(s->max_position[channel], json_integer_value(json_array_get(entry, 2)));
        assert_int_equal(s->max_token[channel], smol.tokens.ids[s->max_position[channel]]);
    }
}

/* "15.qkv", "15.o", "15.ug", "15.down". */
static size_t find_site(const char *name)
{
    static const char *const roles[] = {"qkv", "o", "ug", "down"};
    char *role = NULL;
    const size_t block = strtoul(name, &role, 10);
    for (size_t s = 0; s < pl_model_site_count(smol.model); s++) {
        const pl_site *site = pl_model_site(smol.model, s);
        if (site->block == block && strcmp(roles[site->role], role + 1) == 0) {
            return s;
        }
    }
    return SIZE_MAX;
}

static void test_sites(void **state)
{
    (void)state;
    need_calibration();
    const char *name;
    json_t *numbers;
    size_t sites = 0;
    json_object_foreach(json_object_get(smol.json, "layers"), name, numbers)
    {
        const json_t *rms = json_object_get(numbers, "channel_rms_top8");
        if (rms == NULL) {
            continue; /* a layer's solvers, see below */
        }
        pl_site_stats s;
        pl_error err;
        pl_check_ok(pl_calib_load_site(smol.store, smol.key, smol.model, find_site(name),
                                       PL_GRAM_SQUARE, false, &s, &err),
                    err);
        const json_t *max = json_object_get(numbers, "channel_max_top8");
        check_top(rms, s.rms, s.n, 1e-3);
        check_top(max, s.max, s.n, 1e-3);
        check_positions(max, &s);
        double lambda = 0, trace = 0;
        for (size_t c = 0; c < s.n; c++) {
            trace += (double)s.gram[c * s.n + c];
        }
        pl_check_ok(pl_lambda_max(&(pl_sym){.n = s.n, .square = s.gram}, &lambda, NULL, &err), err);
        pl_check_close(lambda, run_number(numbers, "lambda_max"), 1e-3, 0);
        pl_check_close(trace, run_number(numbers, "trace"), 1e-3, 0);
        pl_site_stats_deinit(&s);
        sites++;
    }
    assert_int_equal(sites, 12);
}

/* One layer with all that its numbers are made of. */
typedef struct layer {
    const pl_layer *layer;
    pl_site_stats stats;
    pl_factors *factors;
    pl_mat w0;
} layer;

static void open_layer(layer *l, const char *name)
{
    char full[64];
    size_t index = 0;
    pl_error err;
    snprintf(full, sizeof full, "blk.%s", name);
    pl_check_ok(pl_model_find_layer(smol.model, full, &index, &err), err);
    l->layer = pl_model_layer(smol.model, index);
    pl_check_ok(pl_calib_load_site(smol.store, smol.key, smol.model, l->layer->site, PL_GRAM_SQUARE,
                                   false, &l->stats, &err),
                err);
    pl_check_ok(pl_factors_create(&(pl_sym){.n = l->stats.n, .square = l->stats.gram},
                                  l->stats.tokens, name, &l->factors, &err),
                err);
    pl_check_ok(pl_mat_init(&l->w0, l->layer->rows, l->layer->cols, &err), err);
    pl_check_ok(pl_model_read_weight(smol.model, index, l->w0.data, &err), err);
}

static void close_layer(layer *l)
{
    pl_mat_deinit(&l->w0);
    pl_factors_destroy(l->factors);
    pl_site_stats_deinit(&l->stats);
}

static double relative_error(layer *l, const pl_mat *w)
{
    double error = NAN;
    pl_error err;
    pl_check_ok(
        pl_relative_error(l->factors, pl_mat_view(&l->w0), pl_mat_view(w), &error, NULL, &err),
        err);
    return error;
}

/* The error of w rounded by a method to groups of 128 with float32 scales. */
static double rounded_error(layer *l, const pl_mat *w, const char *method, const char *bits)
{
    pl_spec spec = pl_spec_default(pl_method_find(method));
    const pl_layer_input in = {.layer = l->layer->name, .factors = l->factors, .w = pl_mat_view(w)};
    pl_qweights q;
    pl_method_report report;
    pl_mat rounded;
    pl_error err;
    pl_check_ok(pl_spec_set(&spec, "bits", bits, &err), err);
    pl_check_ok(pl_spec_set(&spec, "group_size", "128", &err), err);
    pl_check_ok(pl_spec_set(&spec, "scale_dtype", "f32", &err), err);
    pl_check_ok(spec.method->round(&spec, &in, &q, &report, NULL, &err), err);
    pl_check_ok(pl_mat_init(&rounded, w->rows, w->cols, &err), err);
    pl_qweights_decode(&q, rounded.data);
    const double error = relative_error(l, &rounded);
    pl_mat_deinit(&rounded);
    pl_qweights_deinit(&q);
    return error;
}

static double solve(layer *l, const pl_linf_problem *problem, pl_solver solver, int iterations,
                    pl_mat *w)
{
    const pl_linf_options options = {.solver = solver, .iterations = iterations};
    pl_linf_report report;
    pl_error err;
    double objective = NAN;
    pl_check_ok(pl_linf_solve(l->factors, problem, &options, NULL, w->data, &report, NULL, &err),
                err);
    pl_check_ok(pl_linf_objective(l->factors, problem, pl_mat_view(w), &objective, NULL, &err),
                err);
    pl_check_close(report.objective, objective, 1e-3, 0);
    return objective;
}

static void check_astro(layer *l, const char *key, const json_t *numbers)
{
    float alpha[16];
    pl_linf_problem problem = {.w0 = pl_mat_view(&l->w0),
                               .group_size = 128,
                               .alpha = alpha,
                               .beta = strtod(key + 7, NULL)};
    pl_mat w;
    pl_error err;
    expect_at_most(l->w0.cols, 128 * 16);
    pl_factors_alpha(l->factors, 128, alpha);
    pl_check_ok(pl_mat_init(&w, l->w0.rows, l->w0.cols, &err), err);
    pl_check_close(solve(l, &problem, PL_SOLVER_PGD, 200, &w), run_number(numbers, "pgd200"), 1e-3,
                   0);
    pl_check_close(relative_error(l, &w), run_number(numbers, "pgd200_relerr"), 1e-2, 0);
    pl_check_close(solve(l, &problem, PL_SOLVER_ADMM, 200, &w), run_number(numbers, "optimum"),
                   1e-3, 0);
    pl_check_close(relative_error(l, &w), run_number(numbers, "optimum_relerr"), 1e-2, 0);
    pl_check_close(pl_group_max_mean(pl_mat_view(&l->w0), 128),
                   run_number(numbers, "group_max_mean_before"), 1e-3, 0);
    pl_check_close(pl_group_max_mean(pl_mat_view(&w), 128),
                   run_number(numbers, "group_max_mean_after"), 1e-2, 0);
    pl_check_close(rounded_error(l, &w, "gptq", "3"), run_number(numbers, "optimum_gptq_w3_relerr"),
                   2e-2, 0);
    pl_mat_deinit(&w);
}

/* With PLANISH_TEST_ALL both of the strengths that the file has, else that one. */
static void check_layer(const char *name, const char *strength)
{
    layer l;
    json_t *numbers = json_object_get(json_object_get(smol.json, "layers"), name);
    const char *key;
    json_t *value;
    size_t astro = 0;
    open_layer(&l, name);
    pl_check_close(rounded_error(&l, &l.w0, "rtn", "3"), run_number(numbers, "rtn_w3g128"), 1e-3,
                   0);
    pl_check_close(rounded_error(&l, &l.w0, "rtn", "4"), run_number(numbers, "rtn_w4g128"), 1e-3,
                   0);
    pl_check_close(rounded_error(&l, &l.w0, "gptq", "3"), run_number(numbers, "gptq_w3g128"), 1e-2,
                   0);
    pl_check_close(rounded_error(&l, &l.w0, "gptq", "4"), run_number(numbers, "gptq_w4g128"), 1e-2,
                   0);
    json_object_foreach(numbers, key, value)
    {
        if (strncmp(key, "astro_b", 7) == 0 && (all() || strcmp(key, strength) == 0)) {
            check_astro(&l, key, value);
            astro++;
        }
    }
    assert_int_equal(astro, all() ? 2 : 1);
    close_layer(&l);
}

static void test_attn_q(void **state)
{
    (void)state;
    need_calibration();
    check_layer("15.attn_q", "astro_b0.0003_g128");
}

static void test_attn_output(void **state)
{
    (void)state;
    need_calibration();
    check_layer("29.attn_output", "astro_b3e-05_g128");
}

static void test_ffn_down(void **state)
{
    (void)state;
    need_calibration();
    check_layer("15.ffn_down", NULL); /* with all only */
}

static void test_perplexity(void **state)
{
    (void)state;
    need_calibration();
    const json_t *nll = json_object_get(smol.json, "window_nll");
    const size_t windows = all() ? json_array_size(nll) : 2;
    pl_ppl_result result;
    pl_error err;
    double mean = 0;
    for (size_t w = 0; w < windows; w++) {
        mean += json_number_value(json_array_get(nll, w)) / (double)windows;
    }
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = 512, .windows = windows};
    pl_check_ok(pl_perplexity(smol.model, smol.tokens.ids, smol.tokens.count, &spec, NULL, false,
                              &result, NULL, &err),
                err);
    assert_int_equal(result.tokens, windows * 511);
    pl_check_close(result.perplexity, exp(mean), 1e-4, 0);
    if (all()) {
        pl_check_close(result.perplexity, run_number(smol.json, "perplexity"), 1e-4, 0);
    }
}

int main(void)
{
    pl_error err = {0};
    if (pl_linalg_set_threads(pl_linalg_default_threads(), &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(test_calibrates), cmocka_unit_test(test_sites),
        cmocka_unit_test(test_attn_q),     cmocka_unit_test(test_attn_output),
        cmocka_unit_test(test_perplexity),
    };
    const struct CMUnitTest every[] = {
        cmocka_unit_test(test_calibrates), cmocka_unit_test(test_sites),
        cmocka_unit_test(test_attn_q),     cmocka_unit_test(test_attn_output),
        cmocka_unit_test(test_ffn_down),   cmocka_unit_test(test_perplexity),
    };
    return all() ? cmocka_run_group_tests(every, NULL, close_all)
                 : cmocka_run_group_tests(quick, NULL, close_all);
}
