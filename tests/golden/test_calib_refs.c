/* The calibration path and the perplexity of three tiny checkpoints against transformers' numbers:
 * ../shared/refs. */
#include "core/calib/calib.h"
#include "core/metrics/perplexity.h"
#include "tests/support/shared.h"
#include "tests/support/temp.h"

#include <math.h>

typedef struct reference {
    json_t *json;
    pl_model *model;
    pl_tokens tokens;
    size_t window;
} reference;

static reference open_reference(const char *name)
{
    reference r = {0};
    char file[256], path[PL_TEST_PATH];
    pl_error err;
    const pl_tokenizer *tokenizer = NULL;
    snprintf(file, sizeof file, "refs/%s/reference.json", name);
    r.json = pl_test_shared_json(file);
    r.window = (size_t)json_integer_value(json_object_get(r.json, "window"));
    snprintf(file, sizeof file, "refs/%s", name);
    pl_check_ok(pl_model_open(pl_test_shared(file, path), &r.model, &err), err);
    pl_check_ok(pl_model_need_tokenizer(r.model, &tokenizer, &err), err);
    snprintf(file, sizeof file, "refs/%s/probe.txt", name);
    const char *text = pl_test_shared(file, path);
    pl_check_ok(pl_tokens_read(tokenizer, &text, 1, 0, &r.tokens, NULL, &err), err);
    return r;
}

static void close_reference(reference *r)
{
    pl_tokens_deinit(&r->tokens);
    pl_model_close(r->model);
    json_decref(r->json);
}

static void check_channels(const reference *r, pl_store *store, pl_id key)
{
    const char *name;
    json_t *numbers;
    size_t layers = 0;
    json_object_foreach(json_object_get(r->json, "inputs"), name, numbers)
    {
        size_t layer = 0;
        pl_site_stats s;
        pl_error err;
        pl_check_ok(pl_model_find_layer(r->model, name, &layer, &err), err);
        pl_check_ok(pl_calib_load_site(store, key, r->model, pl_model_layer(r->model, layer)->site,
                                       PL_GRAM_SQUARE, false, &s, &err),
                    err);
        const json_t *max = json_object_get(numbers, "channel_max");
        const json_t *l2 = json_object_get(numbers, "channel_l2");
        assert_int_equal(json_array_size(max), s.n);
        for (size_t c = 0; c < s.n; c++) {
            const double norm = json_number_value(json_array_get(l2, c));
            pl_check_close(s.max[c], json_number_value(json_array_get(max, c)), 1e-3, 0);
            pl_check_close(s.rms[c] * sqrt(s.tokens), norm, 1e-3, 0);
            pl_check_close(s.gram[c * s.n + c] * s.tokens, norm * norm, 2e-3, 0);
        }
        pl_site_stats_deinit(&s);
        layers++;
    }
    assert_int_equal(layers, 7);
}

static void check_reference(const char *name)
{
    reference r = open_reference(name);
    pl_temp temp;
    pl_store *store = NULL;
    pl_id key;
    pl_error err;
    const pl_calib_spec spec = {.model = r.model,
                                .tokens = &r.tokens,
                                .protocol = {.length = r.window, .windows = 1},
                                .sample_rows = PL_CALIB_SAMPLE_ROWS};
    pl_temp_init(&temp);
    pl_check_ok(pl_store_open(temp.folder, 0, &store, &err), err);
    pl_check_ok(pl_calib_run(&spec, store, &key, NULL, NULL, &err), err);
    check_channels(&r, store, key);
    pl_store_close(store);
    pl_temp_deinit(&temp);

    pl_ppl_result result;
    const pl_ppl_spec one = {.protocol = PL_PPL_GPTQ, .length = r.window, .windows = 1};
    pl_check_ok(pl_perplexity(r.model, r.tokens.ids, r.tokens.count, &one, NULL, false, &result,
                              NULL, &err),
                err);
    assert_int_equal(result.tokens, r.window - 1);
    pl_check_close(result.mean_nll, json_number_value(json_object_get(r.json, "mean_nll")), 1e-5,
                   0);
    pl_check_close(result.perplexity, json_number_value(json_object_get(r.json, "perplexity")),
                   1e-4, 0);
    close_reference(&r);
}

static void test_llama2(void **state)
{
    (void)state;
    check_reference("llama2");
}

static void test_llama3(void **state)
{
    (void)state;
    check_reference("llama3");
}

static void test_qwen2(void **state)
{
    (void)state;
    check_reference("qwen2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama2),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_qwen2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
