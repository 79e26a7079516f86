/* The cache of latent attention, quantized as `kv` has it, against engines' own way of computing
 * with such a cache in PyTorch (tests/golden/make_latent_values.py): whole and token by token. */
#include "core/lab/quantized.h"
#include "core/model/decode.h"
#include "tests/support/demo_lab.h"
#include "tests/support/formula_cases.h"
#include "tests/support/scored.h"

#include <math.h>

enum { LAST_LOGITS = 16 };

static json_t *values, *cases;

static void check_logits(const float *found, const json_t *about)
{
    const json_t *last = json_object_get(about, "logits_last");
    for (size_t i = 0; i < LAST_LOGITS; i++) {
        pl_check_close(found[i], json_number_value(json_array_get(last, i)), 1e-3, 1e-3);
    }
}

static void check_whole(pl_model *model, const pl_hooks *hooks, const int32_t *ids, size_t length,
                        const json_t *about)
{
    pl_error err;
    pl_forward *forward = NULL;
    const pl_config *c = pl_model_config(model);
    float *x = malloc(length * c->hidden_size * sizeof *x);
    assert_non_null(x);
    pl_check_ok(pl_forward_create(model, length, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, ids, length, x, &err), err);
    for (size_t b = 0; b < c->blocks; b++) {
        pl_check_ok(pl_forward_load(forward, b, hooks, NULL, &err), err);
        pl_check_ok(pl_forward_run(forward, x, length, 0, hooks, NULL, &err), err);
    }
    scored result = {.ids = ids, .length = length};
    pl_check_ok(pl_forward_logits(forward, x, length, score_logits, &result, NULL, &err), err);
    pl_check_close(exp(result.nll / (double)(length - 1)),
                   json_number_value(json_object_get(about, "perplexity")), 1e-4, 0);
    check_logits(result.last, about);
    pl_forward_destroy(forward);
    free(x);
}

static void check_decoder(pl_model *model, const pl_hooks *hooks, const int32_t *ids, size_t length,
                          const json_t *about)
{
    pl_error err;
    pl_decoder *decoder = NULL;
    float *logits = malloc(pl_model_config(model)->vocab_size * sizeof *logits);
    assert_non_null(logits);
    pl_check_ok(pl_decoder_create(model, length, hooks, 0, &decoder, NULL, &err), err);
    for (size_t at = 0; at < length;) {
        const size_t count = at == 0 ? length / 2 : 1;
        pl_check_ok(pl_decoder_read(decoder, ids + at, count, logits, NULL, &err), err);
        at += count;
    }
    check_logits(logits, about);
    pl_decoder_destroy(decoder);
    free(logits);
}

static void a_quantized_latent_cache_is_engines(void **ctx)
{
    (void)ctx;
    size_t i;
    json_t *about;
    json_array_foreach(json_object_get(values, "cases"), i, about)
    {
        pl_error err;
        pl_temp temp;
        pl_model *model = NULL;
        pl_source *source = NULL;
        pl_state state;
        pl_lab *lab = NULL;
        pl_quantized q;
        pl_hooks hooks;
        const json_t *model_case =
            formula_case(cases, json_string_value(json_object_get(about, "name")));
        const size_t length = (size_t)json_integer_value(json_object_get(model_case, "length"));
        pl_temp_init(&temp);
        formula_write_hf(model_case, &temp);
        const pl_lab_options options = {.store = pl_temp_path(&temp, "store")};
        pl_check_ok(pl_lab_create(&options, &lab, &err), err);
        pl_check_ok(pl_model_open(temp.folder, &model, &err), err);
        pl_check_ok(pl_source_create(model, temp.folder, NULL, &source, &err), err);
        pl_state_init(&state);
        pl_check_ok(pl_state_set_source(&state, source, &err), err);
        state.kv = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
        state.kv_group_size = (size_t)json_integer_value(json_object_get(values, "group_size"));
        int32_t *ids = malloc(length * sizeof *ids);
        assert_non_null(ids);
        formula_ids(pl_model_config(model)->vocab_size, ids, length);
        pl_check_ok(
            pl_quantized_init(&q, (pl_context){lab, &state, NULL}, PL_WHICH_AFTER, &hooks, &err),
            err);
        check_whole(model, &hooks, ids, length, about);
        check_decoder(model, &hooks, ids, length, about);
        pl_quantized_deinit(&q);
        pl_source_release(source);
        pl_state_deinit(&state);
        pl_lab_destroy(lab);
        pl_temp_deinit(&temp);
        free(ids);
    }
    expect_at_most(3, i);
}

int main(void)
{
    values = golden_values("latent_values.json");
    cases = formula_cases();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantized_latent_cache_is_engines),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    json_decref(cases);
    return failed;
}
