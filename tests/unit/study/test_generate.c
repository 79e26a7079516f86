/* Texts continued: against the whole forward pass of all that was written so far. */
#include "core/study/generate.h"

#include "core/lab/quantized.h"
#include "tests/support/demo_lab.h"

#include <math.h>

enum { PROMPT = 5, TOKENS = 12, ALL = PROMPT + TOKENS };

static const int32_t prompt[PROMPT] = {40, 72, 101, 32, 119};

typedef struct last_row {
    size_t row;
    float *logits;
} last_row;

static pl_status keep_row(void *ctx, size_t first, const float *logits, size_t count, size_t vocab,
                          pl_error *err)
{
    (void)err;
    last_row *last = ctx;
    if (last->row >= first && last->row < first + count) {
        memcpy(last->logits, logits + (last->row - first) * vocab, vocab * sizeof *logits);
    }
    return PL_OK;
}

/* The logits behind ids[count], all of them in one window. */
static void whole_pass(pl_model *model, const pl_hooks *hooks, const int32_t *ids, size_t count,
                       float *logits)
{
    pl_error err;
    pl_forward *forward = NULL;
    const pl_config *c = pl_model_config(model);
    float *x = calloc(count * c->hidden_size, sizeof *x);
    pl_check_ok(pl_forward_create(model, count, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, ids, count, x, &err), err);
    for (size_t b = 0; b < c->blocks; b++) {
        pl_check_ok(pl_forward_load(forward, b, hooks, NULL, &err), err);
        pl_check_ok(pl_forward_run(forward, x, count, 0, hooks, NULL, &err), err);
    }
    last_row last = {count - 1, logits};
    pl_check_ok(pl_forward_logits(forward, x, count, keep_row, &last, NULL, &err), err);
    pl_forward_destroy(forward);
    free(x);
}

static void check_greedy(demo_lab *d, pl_which which)
{
    pl_error err;
    pl_model *model = d->state.source->model;
    const size_t vocab = pl_model_config(model)->vocab_size;
    const pl_sampling greedy = {.top_p = 1};
    pl_continuation made;
    pl_quantized q;
    pl_hooks hooks;
    int32_t ids[ALL];
    float *logits = calloc(vocab, sizeof *logits);
    pl_check_ok(pl_generate(demo_context(d), which, prompt, PROMPT, TOKENS, &greedy, &made, &err),
                err);
    assert_int_equal(made.count, TOKENS);
    pl_check_ok(pl_quantized_init(&q, demo_context(d), which, &hooks, &err), err);
    memcpy(ids, prompt, sizeof prompt);
    for (size_t i = 0; i < TOKENS; i++) {
        whole_pass(model, &hooks, ids, PROMPT + i, logits);
        for (size_t t = 0; t < vocab; t++) {
            expect_at_most(logits[t], logits[made.ids[i]] + 1e-4f);
        }
        ids[PROMPT + i] = made.ids[i];
    }
    pl_quantized_deinit(&q);
    free(made.ids);
    free(logits);
}

static void test_greedy(void **ctx)
{
    (void)ctx;
    demo_lab d;
    demo_lab_init(&d);
    check_greedy(&d, PL_WHICH_BEFORE);
    demo_method(&d.state, "rtn bits=2");
    d.state.activations = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    d.state.kv = (pl_act_grid){.bits = 4, .format = &pl_format_symmetric, .clip = 1.0};
    demo_solve(&d, 0);
    demo_solve(&d, 9);
    check_greedy(&d, PL_WHICH_AFTER);
    demo_lab_deinit(&d);
}

/* Shares of 10,000 draws against the softmax, cut at top_p. */
static void test_sampling(void **ctx)
{
    (void)ctx;
    enum { N = 6, DRAWS = 10000 };
    const float logits[N] = {0.0f, 2.0f, 1.0f, -3.0f, 2.0f, 0.5f};
    uint32_t room[N];
    size_t drawn[N] = {0};
    const pl_sampling greedy = {.temperature = 0, .top_p = 1};
    assert_int_equal(pl_sample_token(logits, N, &greedy, 0.999, room), 1);
    const pl_sampling s = {.temperature = 2, .top_p = 0.7};
    for (size_t i = 0; i < DRAWS; i++) {
        drawn[pl_sample_token(logits, N, &s, ((double)i + 0.5) / DRAWS, room)]++;
    }
    /* exp(x / 2): 2.718 twice, 1.649, 1.284, 1, 0.223 of 9.593; 70 % are reached with three. */
    const double kept = 2 * exp(1.0) + exp(0.5);
    pl_check_close((double)drawn[1] / DRAWS, exp(1.0) / kept, 0, 2e-4);
    pl_check_close((double)drawn[4] / DRAWS, exp(1.0) / kept, 0, 2e-4);
    pl_check_close((double)drawn[2] / DRAWS, exp(0.5) / kept, 0, 2e-4);
    assert_int_equal(drawn[0] + drawn[3] + drawn[5], 0);
    const pl_sampling narrow = {.temperature = 1, .top_p = 1e-9};
    assert_int_equal(pl_sample_token(logits, N, &narrow, 0.9, room), 1);
}

static void test_refusals(void **ctx)
{
    (void)ctx;
    demo_lab d;
    pl_error err;
    pl_continuation made;
    const pl_sampling greedy = {.top_p = 1};
    demo_lab_init(&d);
    assert_int_equal(pl_generate(demo_context(&d), PL_WHICH_BEFORE, prompt, PROMPT, 1 << 20,
                                 &greedy, &made, &err),
                     PL_ERR_USAGE);
    pl_check_says(err, "1048581 tokens in all: expected 1 to ");
    assert_null(made.ids);
    demo_lab_deinit(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
