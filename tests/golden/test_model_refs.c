/* The three reference checkpoints against what transformers computes: ../shared/refs/README.md. */
#include "core/base/file.h"
#include "core/model/forward.h"
#include "core/tensor/linalg.h"
#include "tests/support/scored.h"
#include "tests/support/shared.h"

#include <math.h>

enum { MAX_CHANNELS = 256 };

typedef struct seen {
    const pl_model *model;
    double max[4][MAX_CHANNELS], square[4][MAX_CHANNELS]; /* of block 1, by site role */
} seen;

static pl_status see_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                           size_t cols, pl_error *err)
{
    seen *s = ctx;
    const pl_site *about = pl_model_site(s->model, site);
    (void)window;
    (void)err;
    assert_int_equal(cols, about->cols);
    expect_at_most(cols, MAX_CHANNELS);
    for (size_t i = 0; about->block == 1 && i < rows * cols; i++) {
        double value = fabs((double)x[i]);
        double *max = &s->max[about->role][i % cols];
        *max = value > *max ? value : *max;
        s->square[about->role][i % cols] += value * value;
    }
    return PL_OK;
}

static void check_tokens(const pl_model *model, const char *name, const json_t *reference,
                         int32_t **ids, size_t *count)
{
    pl_error err = {0};
    char probe[128];
    char path[PL_TEST_PATH];
    char *text = NULL;
    size_t size = 0;
    const pl_tokenizer *tokenizer = NULL;
    snprintf(probe, sizeof probe, "refs/%s/probe.txt", name);
    pl_check_ok(pl_file_read_all(pl_test_shared(probe, path), 1 << 20, &text, &size, &err), err);
    pl_check_ok(pl_model_need_tokenizer(model, &tokenizer, &err), err);
    pl_check_ok(pl_tokenizer_encode(tokenizer, text, size, 0, ids, count, NULL, &err), err);
    const json_t *expected = json_object_get(reference, "tokens");
    assert_int_equal(*count, json_array_size(expected));
    for (size_t i = 0; i < *count; i++) {
        assert_int_equal((*ids)[i], json_integer_value(json_array_get(expected, i)));
    }
    free(text);
}

static void check_inputs(const seen *s, const json_t *reference)
{
    size_t checked = 0;
    for (size_t i = 0; i < pl_model_layer_count(s->model); i++) {
        const pl_layer *layer = pl_model_layer(s->model, i);
        if (layer->block != 1) {
            continue;
        }
        const json_t *about = json_object_get(json_object_get(reference, "inputs"), layer->name);
        const json_t *max = json_object_get(about, "channel_max");
        const json_t *l2 = json_object_get(about, "channel_l2");
        pl_site_role role = pl_model_site(s->model, layer->site)->role;
        assert_int_equal(json_array_size(max), layer->cols);
        for (size_t c = 0; c < layer->cols; c++) {
            pl_check_close(s->max[role][c], json_real_value(json_array_get(max, c)), 1e-3, 1e-6);
            pl_check_close(sqrt(s->square[role][c]), json_real_value(json_array_get(l2, c)), 1e-3,
                           1e-6);
        }
        checked++;
    }
    assert_int_equal(checked, PL_ROLE_DOWN + 1); /* of a plain block */
}

static void check_reference(const char *name)
{
    pl_error err = {0};
    char file[128];
    char path[PL_TEST_PATH];
    pl_model *model = NULL;
    pl_forward *forward = NULL;
    int32_t *ids = NULL;
    size_t count = 0;
    snprintf(file, sizeof file, "refs/%s/reference.json", name);
    json_t *reference = pl_test_shared_json(file);
    snprintf(file, sizeof file, "refs/%s", name);
    pl_check_ok(pl_model_open(pl_test_shared(file, path), &model, &err), err);
    check_tokens(model, name, reference, &ids, &count);

    size_t window = (size_t)json_integer_value(json_object_get(reference, "window"));
    size_t hidden = pl_model_config(model)->hidden_size;
    float *x = malloc(window * hidden * sizeof *x);
    static seen s;
    s = (seen){.model = model};
    pl_hooks hooks = {.ctx = &s, .input = see_input};
    expect_less(1, window);
    expect_at_most(window, count);
    assert_non_null(x);
    pl_check_ok(pl_forward_create(model, window, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, ids, window, x, &err), err);
    for (size_t block = 0; block < pl_model_config(model)->blocks; block++) {
        pl_check_ok(pl_forward_load(forward, block, &hooks, NULL, &err), err);
        pl_check_ok(pl_forward_run(forward, x, window, 0, &hooks, NULL, &err), err);
    }
    static scored result;
    result = (scored){.ids = ids, .length = window};
    pl_check_ok(pl_forward_logits(forward, x, window, score_logits, &result, NULL, &err), err);
    double nll = result.nll / (double)(window - 1);
    pl_check_close(exp(nll), json_real_value(json_object_get(reference, "perplexity")), 1e-4, 0);
    const json_t *last = json_object_get(reference, "logits_last");
    assert_int_equal(json_array_size(last), pl_model_config(model)->vocab_size);
    for (size_t i = 0; i < json_array_size(last); i++) {
        pl_check_close(result.last[i], json_real_value(json_array_get(last, i)), 0, 1e-3);
    }
    check_inputs(&s, reference);

    free(x);
    free(ids);
    pl_forward_destroy(forward);
    pl_model_close(model);
    json_decref(reference);
}

static void llama2_sharded_bf16(void **state)
{
    (void)state;
    check_reference("llama2");
}

static void llama3_f16_scaled_rope_tied(void **state)
{
    (void)state;
    check_reference("llama3");
}

static void qwen2_f32_with_biases(void **state)
{
    (void)state;
    check_reference("qwen2");
}

int main(void)
{
    pl_error err = {0};
    if (pl_linalg_set_threads(pl_linalg_default_threads(), &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama2_sharded_bf16),
        cmocka_unit_test(llama3_f16_scaled_rope_tied),
        cmocka_unit_test(qwen2_f32_with_biases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
