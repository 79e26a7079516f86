/* Every architecture of the description table against transformers, on tiny checkpoints that a
 * formula makes: tests/golden/make_arch_values.py. */
#include "core/metrics/likelihood.h"
#include "core/model/decode.h"
#include "core/model/stream.h"
#include "core/tensor/linalg.h"
#include "tests/support/formula_cases.h"
#include "tests/support/own_folder.h"
#include "tests/support/scored.h"

#include <math.h>

enum { MOST_SITES = 64, MOST_COLS = 128, LAST_LOGITS = 16 };

typedef struct seen {
    const pl_model *model;
    const pl_forward *forward;
    size_t length;
    size_t rows[MOST_SITES];
    double max[MOST_SITES][MOST_COLS], square[MOST_SITES][MOST_COLS];
} seen;

static pl_status see_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                           size_t cols, pl_error *err)
{
    seen *s = ctx;
    const uint32_t *tokens = pl_forward_rows(s->forward);
    (void)window;
    (void)err;
    expect_less(site, MOST_SITES);
    assert_int_equal(cols, pl_model_site(s->model, site)->cols);
    expect_at_most(cols, MOST_COLS);
    if (tokens == NULL) {
        assert_int_equal(rows, s->length);
    }
    for (size_t r = 0; tokens != NULL && r < rows; r++) {
        expect_less(tokens[r], s->length);
        if (r > 0) {
            expect_less(tokens[r - 1], tokens[r]);
        }
    }
    s->rows[site] += rows;
    for (size_t i = 0; i < rows * cols; i++) {
        double value = fabs((double)x[i]);
        double *max = &s->max[site][i % cols];
        *max = value > *max ? value : *max;
        s->square[site][i % cols] += value * value;
    }
    return PL_OK;
}

static void check_inputs(const seen *s, const json_t *about)
{
    const json_t *inputs = json_object_get(about, "inputs");
    const json_t *rows = json_object_get(about, "rows");
    size_t checked = 0;
    for (size_t i = 0; i < pl_model_site_count(s->model); i++) {
        const pl_site *site = pl_model_site(s->model, i);
        const json_t *expected = json_object_get(inputs, site->name);
        assert_int_equal(s->rows[i], json_integer_value(json_object_get(rows, site->name)));
        checked += expected != NULL ? 1 : 0;
        for (size_t c = 0; expected != NULL && c < site->cols; c++) {
            double max = json_number_value(json_array_get(json_object_get(expected, "max"), c));
            double l2 = json_number_value(json_array_get(json_object_get(expected, "l2"), c));
            pl_check_close(s->max[i][c], max, 1e-3, 1e-6);
            pl_check_close(sqrt(s->square[i][c]), l2, 1e-3, 1e-6);
        }
    }
    assert_int_equal(checked, json_object_size(inputs));
}

/* Token by token behind the first half, with keys and values kept: the same logits at the end. */
static void check_decoder(pl_model *model, const int32_t *ids, size_t length, const float *last)
{
    pl_error err = {0};
    const pl_config *c = pl_model_config(model);
    pl_decoder *decoder = NULL;
    const pl_status status = pl_decoder_create(model, length, NULL, 0, &decoder, NULL, &err);
    if (length > (c->rope == PL_ROPE_LONG ? c->rope_original_positions : c->max_positions)) {
        assert_int_equal(status, PL_ERR_USAGE); /* its keys would be of other frequencies */
        pl_check_says(err, "its RoPE ends");
        return;
    }
    pl_check_ok(status, err);
    float *logits = malloc(c->vocab_size * sizeof *logits);
    assert_non_null(logits);
    for (size_t at = 0; at < length;) {
        const size_t count = at == 0 ? length / 2 : 1;
        pl_check_ok(pl_decoder_read(decoder, ids + at, count, logits, NULL, &err), err);
        at += count;
        assert_int_equal(pl_decoder_length(decoder), at);
    }
    for (size_t i = 0; i < LAST_LOGITS; i++) {
        pl_check_close(logits[i], last[i], 1e-4, 1e-5);
    }
    assert_int_equal(pl_decoder_read(decoder, ids, 1, logits, NULL, &err), PL_ERR_USAGE);
    free(logits);
    pl_decoder_destroy(decoder);
}

/* Sequences that part from one another: what they share computed once gives what each has alone,
 * and the whole text's is the sum of its losses. */
static void check_branches(pl_model *model, const int32_t *ids, size_t length, double nll)
{
    enum { SEQUENCES = 5 };
    pl_error err = {0};
    const pl_config *c = pl_model_config(model);
    const size_t half = length / 2, third = length / 3;
    int32_t *parted = malloc(SEQUENCES * length * sizeof *parted);
    pl_request requests[SEQUENCES];
    pl_likelihood together[SEQUENCES], alone;
    size_t distinct = 0;
    assert_non_null(parted);
    for (size_t i = 0; i < SEQUENCES; i++) {
        int32_t *own = parted + i * length;
        memcpy(own, ids, length * sizeof *own);
        requests[i] = (pl_request){.ids = own, .count = length, .context = i == 0 ? 1 : half};
    }
    parted[length + third] = ids[0];    /* parts early */
    parted[2 * length + half] = ids[1]; /* and at the first scored token */
    parted[3 * length + half] = ids[1]; /* with the one before, up to its end */
    parted[4 * length - 1] = ids[2];
    requests[4].count = half + 1; /* the beginning of the first */
    const pl_status status = pl_likelihoods(model, requests, SEQUENCES, NULL, NULL, NULL, together,
                                            &distinct, NULL, &err);
    if (length - 1 > (c->rope == PL_ROPE_LONG ? c->rope_original_positions : c->max_positions)) {
        assert_int_equal(status, PL_ERR_USAGE);
        pl_check_says(err, "its RoPE ends");
        free(parted);
        return;
    }
    pl_check_ok(status, err);
    expect_less(distinct, 3 * (length - 1));
    pl_check_close(together[0].sum, -nll, 1e-5, 0);
    for (size_t i = 0; i < SEQUENCES; i++) {
        pl_check_ok(
            pl_likelihoods(model, &requests[i], 1, NULL, NULL, NULL, &alone, NULL, NULL, &err),
            err);
        pl_check_close(together[i].sum, alone.sum, 1e-5, 1e-5);
        assert_int_equal(together[i].greedy, alone.greedy);
    }
    parted[length - 1] = (int32_t)c->vocab_size; /* the last one is scored and never embedded */
    assert_int_equal(pl_likelihoods(model, requests, 1, NULL, NULL, NULL, &alone, NULL, NULL, &err),
                     PL_ERR_FORMAT);
    pl_check_says(err, "the model's vocabulary has");
    free(parted);
}

/* The parts of each block in order, which a sequential solve walks, give the bytes of the whole. */
static void check_parts(const pl_model *model, pl_forward *forward, size_t blocks, size_t hidden,
                        const int32_t *ids, size_t length, const float *whole)
{
    const pl_site_role *parts = NULL;
    const size_t n_parts = pl_model_parts(model, &parts);
    pl_error err = {0};
    float *x = malloc(length * hidden * sizeof *x);
    float *between = malloc(length * pl_forward_between(forward) * sizeof *between);
    assert_true(x != NULL && between != NULL);
    pl_check_ok(pl_forward_embed(forward, ids, length, x, &err), err);
    for (size_t b = 0; b < blocks; b++) {
        pl_check_ok(pl_forward_part_begin(forward, b, &err), err);
        for (size_t i = 0; i < n_parts; i++) {
            const pl_site_role role = parts[i];
            pl_check_ok(pl_forward_part_load(forward, role, NULL, NULL, &err), err);
            pl_check_ok(pl_forward_part_see(forward, role, x, between, length, 0, NULL, NULL, &err),
                        err);
            pl_check_ok(pl_forward_part_run(forward, role, x, between, length, 0, NULL, NULL, &err),
                        err);
        }
    }
    assert_memory_equal(x, whole, length * hidden * sizeof *x);
    free(x);
    free(between);
}

static void check_model(const char *path, const json_t *about)
{
    pl_error err = {0};
    pl_model *model = NULL;
    pl_forward *forward = NULL;
    pl_check_ok(pl_model_open(path, &model, &err), err);
    const pl_config *config = pl_model_config(model);
    size_t length = (size_t)json_integer_value(json_object_get(about, "length"));
    int32_t *ids = malloc(length * sizeof *ids);
    float *x = malloc(length * config->hidden_size * sizeof *x);
    assert_non_null(ids);
    assert_non_null(x);
    expect_at_most(pl_model_site_count(model), MOST_SITES);
    formula_ids(config->vocab_size, ids, length);
    pl_check_ok(pl_forward_create(model, length, &forward, &err), err);
    static seen s;
    s = (seen){.model = model, .forward = forward, .length = length};
    pl_hooks hooks = {.ctx = &s, .input = see_input};
    pl_check_ok(pl_forward_embed(forward, ids, length, x, &err), err);
    for (size_t block = 0; block < config->blocks; block++) {
        pl_check_ok(pl_forward_load(forward, block, &hooks, NULL, &err), err);
        pl_check_ok(pl_forward_run(forward, x, length, 0, &hooks, NULL, &err), err);
    }
    check_parts(model, forward, config->blocks, config->hidden_size, ids, length, x);
    scored result = {.ids = ids, .length = length};
    pl_check_ok(pl_forward_logits(forward, x, length, score_logits, &result, NULL, &err), err);
    pl_check_close(exp(result.nll / (double)(length - 1)),
                   json_number_value(json_object_get(about, "perplexity")), 1e-4, 0);
    const json_t *last = json_object_get(about, "logits_last");
    for (size_t i = 0; i < LAST_LOGITS; i++) {
        pl_check_close(result.last[i], json_number_value(json_array_get(last, i)), 1e-3, 1e-3);
    }
    check_inputs(&s, about);
    check_decoder(model, ids, length, result.last);
    check_branches(model, ids, length, result.nll);
    free(x);
    free(ids);
    pl_forward_destroy(forward);
    pl_model_close(model);
}

static json_t *values;

static void each_architecture_agrees_with_transformers(void **state)
{
    pl_temp *temp = *state;
    size_t i;
    json_t *about;
    json_array_foreach(json_object_get(values, "cases"), i, about)
    {
        print_message("  %s\n", json_string_value(json_object_get(about, "name")));
        formula_write_hf(about, temp);
        check_model(temp->folder, about);
    }
    expect_at_most(54, i);
}

static void the_same_from_gguf(void **state)
{
    pl_temp *temp = *state;
    size_t i;
    size_t checked = 0;
    json_t *about;
    json_array_foreach(json_object_get(values, "cases"), i, about)
    {
        if (json_object_get(about, "gguf") != NULL) {
            print_message("  %s\n", json_string_value(json_object_get(about, "name")));
            formula_write_gguf(about, temp);
            check_model(pl_temp_path(temp, "model.gguf"), about);
            checked++;
        }
    }
    expect_at_most(31, checked);
}

/* Latent attention: what turns heads of values by themselves says why it does not go. */
static void latent_attention_is_not_turned(void **ctx)
{
    pl_temp *temp = *ctx;
    static const struct {
        const char *model, *says;
    } cases[] = {
        {"deepseek_v3", "who rotates the heads of v_proj, too, and deepseek_v3 has latent"},
        {"gpt_oss", NULL},
        {"llama4", NULL},
        {"qwen3", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pl_model *model = NULL;
        pl_error err;
        formula_write_hf(formula_case(values, cases[i].model), temp);
        pl_check_ok(pl_model_open(temp->folder, &model, &err), err);
        assert_int_equal(pl_model_need_stream(model, "who", &err),
                         cases[i].says != NULL ? PL_ERR_UNSUPPORTED : PL_OK);
        if (cases[i].says != NULL) {
            pl_check_says(err, cases[i].says);
        }
        pl_model_close(model);
    }
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
        cmocka_unit_test_setup_teardown(each_architecture_agrees_with_transformers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_same_from_gguf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(latent_attention_is_not_turned, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(values);
    return failed;
}
