#include "core/model/forward.h"
#include "tests/unit/model/tiny.h"
#include "tests/support/own_folder.h"

#include <math.h>

enum { LENGTH = 12 };

static tiny weights;
static const int32_t ids[LENGTH] = {3, 1, 4, 1, 5, 9, 2, 6, 49, 3, 5, 0};

static int set_up_weights(void **state)
{
    tiny_make(&weights);
    return set_up(state);
}

typedef struct logits {
    float values[LENGTH * TINY_VOCAB];
    size_t rows;
} logits;

static pl_status keep(void *ctx, size_t first, const float *values, size_t count, size_t vocab,
                      pl_error *err)
{
    logits *out = ctx;
    (void)err;
    assert_int_equal(first, out->rows);
    assert_int_equal(vocab, TINY_VOCAB);
    expect_at_most(first + count, LENGTH);
    memcpy(out->values + first * vocab, values, count * vocab * sizeof *values);
    out->rows += count;
    return PL_OK;
}

static pl_status run(const char *path, size_t length, const pl_hooks *hooks, logits *out,
                     pl_error *err)
{
    pl_model *model = NULL;
    pl_forward *forward = NULL;
    float x[LENGTH * TINY_HIDDEN];
    *out = (logits){.rows = 0};
    pl_check_ok(pl_model_open(path, &model, err), *err);
    pl_check_ok(pl_forward_create(model, LENGTH, &forward, err), *err);
    pl_check_ok(pl_forward_embed(forward, ids, length, x, err), *err);
    pl_status status = PL_OK;
    for (size_t block = 0; block < TINY_BLOCKS && status == PL_OK; block++) {
        status = pl_forward_load(forward, block, hooks, NULL, err);
        if (status == PL_OK) {
            status = pl_forward_run(forward, x, length, 5, hooks, NULL, err);
        }
    }
    if (status == PL_OK) {
        status = pl_forward_logits(forward, x, length, keep, out, NULL, err);
    }
    pl_forward_destroy(forward);
    pl_model_close(model);
    return status;
}

static void check_same(const logits *a, const logits *b, double tolerance)
{
    expect_less(0, a->rows);
    assert_int_equal(a->rows, b->rows);
    for (size_t i = 0; i < a->rows * TINY_VOCAB; i++) {
        pl_check_close(a->values[i], b->values[i], tolerance, tolerance);
    }
}

static void gguf_gives_what_safetensors_gives(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    static logits a;
    static logits b;
    tiny_write_hf(&weights, temp, NULL);
    tiny_write_gguf(&weights, temp, "llama", NULL);
    pl_check_ok(run(temp->folder, LENGTH, NULL, &a, &err), err);
    pl_check_ok(run(pl_temp_path(temp, "model.gguf"), LENGTH, NULL, &b, &err), err);
    check_same(&a, &b, 0);
}

/* The same model with biases behind its projections; a GGUF that lacks some is the model whose
 * others are 0.  They are no small matter: without them the logits are others. */
static void biases_count_in_both_containers(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    static logits plain;
    static logits a;
    static logits b;
    static tiny biased;
    static const unsigned sets[] = {0x7f, 0x78, 0x01, 0x50};
    tiny_write_hf(&weights, temp, NULL);
    pl_check_ok(run(temp->folder, LENGTH, NULL, &plain, &err), err);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        biased = weights;
        tiny_add_biases(&biased, sets[i], false);
        tiny_write_gguf(&biased, temp, "llama", NULL);
        biased = weights;
        tiny_add_biases(&biased, sets[i], true);
        tiny_write_hf(&biased, temp,
                      "\"model_type\": \"llama\", \"attention_bias\": true,"
                      "\"mlp_bias\": true, ");
        pl_check_ok(run(temp->folder, LENGTH, NULL, &a, &err), err);
        pl_check_ok(run(pl_temp_path(temp, "model.gguf"), LENGTH, NULL, &b, &err), err);
        check_same(&a, &b, 0);
        double far = 0;
        for (size_t k = 0; k < a.rows * TINY_VOCAB; k++) {
            far = fmax(far, fabs((double)a.values[k] - (double)plain.values[k]));
        }
        expect_less(0.01, far);
    }
}

/* Llama 3's scaling in a config, and the divisors that a converter makes of it. */
static void rope_divisors_are_llama3_scaling(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    static logits a;
    static logits b;
    float plain[TINY_DIM / 2];
    float scaled[TINY_DIM / 2];
    float divisors[TINY_DIM / 2];
    tiny_write_hf(&weights, temp,
                  "\"model_type\": \"llama\", \"rope_scaling\": {\"rope_type\":"
                  "\"llama3\", \"factor\": 8, \"low_freq_factor\": 1,"
                  "\"high_freq_factor\": 100,"
                  "\"original_max_position_embeddings\": 2000}, ");
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    pl_config config = *pl_model_config(model);
    pl_model_close(model);
    pl_config_frequencies(&config, 0, scaled);
    config.rope = PL_ROPE_PLAIN;
    pl_config_frequencies(&config, 0, plain);
    size_t ramp = 0;
    for (size_t i = 0; i < TINY_DIM / 2; i++) {
        divisors[i] = plain[i] / scaled[i];
        ramp += divisors[i] > 1.01f && divisors[i] < 7.99f;
    }
    expect_at_most(2, ramp);
    tiny_write_gguf(&weights, temp, "llama", divisors);
    pl_check_ok(run(temp->folder, LENGTH, NULL, &a, &err), err);
    pl_check_ok(run(pl_temp_path(temp, "model.gguf"), LENGTH, NULL, &b, &err), err);
    check_same(&a, &b, 1e-5);
    pl_check_ok(pl_model_open(pl_temp_path(temp, "model.gguf"), &model, &err), err);
    const pl_config *read = pl_model_config(model);
    assert_int_equal(read->rope, PL_ROPE_LLAMA3);
    pl_check_close(read->rope_factor, 8, 1e-4, 0);
    pl_check_close(read->rope_high_freq_factor, 100, 1e-3, 0);
    pl_check_close((double)read->rope_original_positions, 2000, 1e-3, 0);
    pl_model_close(model);
}

static void run_block(pl_forward *forward, size_t length, float *x)
{
    pl_error err = {0};
    pl_check_ok(pl_forward_embed(forward, ids, length, x, &err), err);
    pl_check_ok(pl_forward_run(forward, x, length, 0, NULL, NULL, &err), err);
}

/* Dynamic RoPE: what a window gives does not depend on the windows before it. */
static void windows_of_any_length_stand_alone(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    static const size_t lengths[] = {12, 5, 10, 12, 8, 9};
    tiny_write_hf(&weights, temp,
                  "\"model_type\": \"llama\", \"rope_scaling\":"
                  "{\"rope_type\": \"dynamic\", \"factor\": 2}, ");
    json_t *json = json_load_file(pl_temp_path(temp, "config.json"), 0, NULL);
    json_object_set_new(json, "max_position_embeddings", json_integer(8));
    assert_int_equal(json_dump_file(json, pl_temp_path(temp, "config.json"), 0), 0);
    json_decref(json);
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    assert_int_equal(pl_config_longest(pl_model_config(model)), 16);
    pl_forward *used = NULL;
    pl_check_ok(pl_forward_create(model, LENGTH, &used, &err), err);
    pl_check_ok(pl_forward_load(used, 0, NULL, NULL, &err), err);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        float a[LENGTH * TINY_HIDDEN];
        float b[LENGTH * TINY_HIDDEN];
        pl_forward *fresh = NULL;
        pl_check_ok(pl_forward_create(model, LENGTH, &fresh, &err), err);
        pl_check_ok(pl_forward_load(fresh, 0, NULL, NULL, &err), err);
        run_block(used, lengths[i], a);
        run_block(fresh, lengths[i], b);
        assert_memory_equal(a, b, lengths[i] * TINY_HIDDEN * sizeof *a);
        pl_forward_destroy(fresh);
    }
    pl_forward_destroy(used);
    pl_model_close(model);
}

static void no_token_sees_a_later_one(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    static logits a;
    static logits b;
    tiny_write_hf(&weights, temp, NULL);
    pl_check_ok(run(temp->folder, LENGTH, NULL, &a, &err), err);
    pl_check_ok(run(temp->folder, 7, NULL, &b, &err), err);
    a.rows = 7;
    check_same(&a, &b, 1e-5);
}

typedef struct calls {
    size_t inputs, residuals, keys, values, weights;
    bool zero_weights, zero_inputs;
} calls;

static pl_status count_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    calls *c = ctx;
    (void)err;
    assert_int_equal(layer, c->weights++);
    if (c->zero_weights && (layer % 7 == 3 || layer % 7 == 6)) { /* o and down */
        size_t cols = layer % 7 == 3 ? TINY_HEADS * TINY_DIM : TINY_INNER;
        memset(out, 0, cols * TINY_HIDDEN * sizeof *out);
        *provided = 1;
    }
    return PL_OK;
}

static pl_status count_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                             size_t cols, pl_error *err)
{
    static const size_t widths[] = {TINY_HIDDEN, TINY_HEADS * TINY_DIM, TINY_HIDDEN, TINY_INNER};
    calls *c = ctx;
    (void)err;
    assert_int_equal(site, c->inputs++);
    assert_int_equal(window, 5);
    assert_int_equal(rows, LENGTH);
    assert_int_equal(cols, widths[site % 4]);
    if (c->zero_inputs && (site % 4 == 1 || site % 4 == 3)) {
        memset(x, 0, rows * cols * sizeof *x);
    }
    return PL_OK;
}

static pl_status count_residual(void *ctx, size_t block, size_t window, const float *x, size_t rows,
                                size_t hidden, pl_error *err)
{
    calls *c = ctx;
    (void)x;
    (void)err;
    assert_int_equal(block, c->residuals++);
    assert_int_equal(window, 5);
    assert_int_equal(rows, LENGTH);
    assert_int_equal(hidden, TINY_HIDDEN);
    return PL_OK;
}

static pl_status count_key(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                           pl_error *err)
{
    calls *c = ctx;
    (void)x;
    (void)err;
    assert_int_equal(block, c->keys++);
    assert_int_equal(rows, LENGTH);
    assert_int_equal(cols, TINY_KV * TINY_DIM);
    return PL_OK;
}

static pl_status count_value(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                             pl_error *err)
{
    calls *c = ctx;
    (void)x;
    (void)err;
    assert_int_equal(block, c->values++);
    assert_int_equal(rows, LENGTH);
    assert_int_equal(cols, TINY_KV * TINY_DIM);
    return PL_OK;
}

/* With the outputs of both halves made zero, by weights or by inputs, the blocks change nothing. */
static void hooks_see_and_replace(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    static logits by_weights;
    static logits by_inputs;
    static logits plain;
    static logits watched;
    tiny_write_hf(&weights, temp, NULL);
    calls c = {.zero_weights = false};
    pl_hooks hooks = {&c, count_weight, count_input, count_residual, count_key, count_value};
    pl_check_ok(run(temp->folder, LENGTH, NULL, &plain, &err), err);
    pl_check_ok(run(temp->folder, LENGTH, &hooks, &watched, &err), err);
    check_same(&plain, &watched, 0);
    assert_int_equal(c.weights, 7 * TINY_BLOCKS);
    assert_int_equal(c.inputs, 4 * TINY_BLOCKS);
    assert_int_equal(c.residuals, TINY_BLOCKS);
    assert_int_equal(c.keys, TINY_BLOCKS);
    assert_int_equal(c.values, TINY_BLOCKS);
    c = (calls){.zero_weights = true};
    pl_check_ok(run(temp->folder, LENGTH, &hooks, &by_weights, &err), err);
    c = (calls){.zero_inputs = true};
    pl_check_ok(run(temp->folder, LENGTH, &hooks, &by_inputs, &err), err);
    check_same(&by_weights, &by_inputs, 0);
    size_t changed = 0;
    for (size_t i = 0; i < LENGTH * TINY_VOCAB; i++) {
        changed += by_weights.values[i] != plain.values[i];
    }
    expect_less(LENGTH * TINY_VOCAB / 2, changed);
}

static pl_status poison(void *ctx, size_t site, size_t window, float *x, size_t rows, size_t cols,
                        pl_error *err)
{
    (void)ctx;
    (void)window;
    (void)err;
    if (site == 4 + 3) { /* down of block 1 */
        x[rows * cols - 1] = NAN;
    }
    return PL_OK;
}

static void a_value_that_is_not_finite_names_the_block(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    static logits out;
    pl_hooks hooks = {.input = poison};
    tiny_write_hf(&weights, temp, NULL);
    assert_int_equal(run(temp->folder, LENGTH, &hooks, &out, &err), PL_ERR_NUMERIC);
    pl_check_says(err, "model.layers.1: ");
    pl_check_says(err, "window 5");
}

static void ids_and_lengths_are_checked(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    pl_model *model = NULL;
    pl_forward *forward = NULL;
    float x[4 * TINY_HIDDEN];
    const int32_t high[] = {1, TINY_VOCAB};
    const int32_t low[] = {-1};
    tiny_write_hf(&weights, temp, NULL);
    pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
    assert_int_equal(pl_forward_create(model, 0, &forward, &err), PL_ERR_USAGE);
    assert_null(forward);
    pl_check_ok(pl_forward_create(model, 4, &forward, &err), err);
    assert_int_equal(pl_forward_embed(forward, high, 2, x, &err), PL_ERR_FORMAT);
    pl_check_says(err, "token 1 has the id 50");
    assert_int_equal(pl_forward_embed(forward, low, 1, x, &err), PL_ERR_FORMAT);
    assert_int_equal(pl_forward_run(forward, x, 4, 0, NULL, NULL, &err), PL_ERR_STATE);
    pl_check_ok(pl_forward_load(forward, 0, NULL, NULL, &err), err);
    assert_int_equal(pl_forward_run(forward, x, 5, 0, NULL, NULL, &err), PL_ERR_STATE);
    pl_task task = {.give_way = NULL};
    atomic_store(&task.cancel, true);
    assert_int_equal(pl_forward_run(forward, x, 4, 0, NULL, &task, &err), PL_ERR_CANCELLED);
    pl_forward_destroy(forward);
    pl_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gguf_gives_what_safetensors_gives, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(biases_count_in_both_containers, set_up_weights, tear_down),
        cmocka_unit_test_setup_teardown(windows_of_any_length_stand_alone, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rope_divisors_are_llama3_scaling, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_token_sees_a_later_one, set_up_weights, tear_down),
        cmocka_unit_test_setup_teardown(hooks_see_and_replace, set_up_weights, tear_down),
        cmocka_unit_test_setup_teardown(a_value_that_is_not_finite_names_the_block, set_up_weights,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ids_and_lengths_are_checked, set_up_weights, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
