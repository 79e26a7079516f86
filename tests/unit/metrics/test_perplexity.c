/* Perplexity, KL divergence and the probe against a plain float64 walk of the forward pass. */
#include "core/metrics/perplexity.h"

#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { LENGTH = 16, TEXT = 100, BOS = 1 };

typedef struct fixture {
    pl_temp temp;
    pl_model *model;
    int32_t ids[TEXT];
} fixture;

static fixture open_fixture(tiny_options options)
{
    fixture f;
    pl_temp_init(&f.temp);
    f.model = tiny_model(&f.temp, options);
    tiny_ids(f.ids, TEXT);
    return f;
}

static void close_fixture(fixture *f)
{
    pl_model_close(f->model);
    pl_temp_deinit(&f->temp);
}

/* Turns v_proj's sign in every block: a "solved" model that differs. */
static pl_status flip(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    pl_model *model = ctx;
    const pl_layer *l = pl_model_layer(model, layer);
    *provided = l->role == PL_ROLE_V;
    pl_status status = *provided ? pl_model_read_weight(model, layer, out, err) : PL_OK;
    for (size_t i = 0; *provided && i < l->rows * l->cols; i++) {
        out[i] = -out[i];
    }
    return status;
}

static pl_hooks flip_hooks(const fixture *f)
{
    return (pl_hooks){.ctx = f->model, .weight = flip};
}

static pl_status copy_logits(void *ctx, size_t first, const float *logits, size_t count,
                             size_t vocab, pl_error *err)
{
    (void)err;
    double *out = ctx;
    for (size_t i = 0; i < count * vocab; i++) {
        out[first * vocab + i] = (double)logits[i];
    }
    return PL_OK;
}

/* log softmax of every row of one sequence, to out[length, vocab]. */
static void plain_log_p(const fixture *f, const int32_t *ids, size_t length, const pl_hooks *hooks,
                        double *out)
{
    static float x[LENGTH * TINY_HIDDEN];
    pl_forward *forward = NULL;
    pl_error err;
    expect_at_most(length, LENGTH);
    pl_check_ok(pl_forward_create(f->model, length, &forward, &err), err);
    pl_check_ok(pl_forward_embed(forward, ids, length, x, &err), err);
    for (size_t b = 0; b < TINY_BLOCKS; b++) {
        pl_check_ok(pl_forward_load(forward, b, hooks, NULL, &err), err);
        pl_check_ok(pl_forward_run(forward, x, length, 0, hooks, NULL, &err), err);
    }
    pl_check_ok(pl_forward_logits(forward, x, length, copy_logits, out, NULL, &err), err);
    for (size_t t = 0; t < length; t++) {
        double sum = 0;
        for (size_t v = 0; v < TINY_VOCAB; v++) {
            sum += exp(out[t * TINY_VOCAB + v]);
        }
        for (size_t v = 0; v < TINY_VOCAB; v++) {
            out[t * TINY_VOCAB + v] -= log(sum);
        }
    }
    pl_forward_destroy(forward);
}

typedef struct expected {
    double nll, nll2, kl, kl_max, agreed;
    size_t tokens;
} expected;

/* Scores targets [first, LENGTH) of one window. */
static void plain_window(const fixture *f, const int32_t *ids, size_t first, const pl_hooks *after,
                         expected *e)
{
    static double p[LENGTH * TINY_VOCAB], q[LENGTH * TINY_VOCAB];
    plain_log_p(f, ids, LENGTH, NULL, p);
    plain_log_p(f, ids, LENGTH, after, q);
    for (size_t t = first; t < LENGTH; t++) {
        const double *lp = p + (t - 1) * TINY_VOCAB;
        const double *lq = q + (t - 1) * TINY_VOCAB;
        double kl = 0;
        size_t best_p = 0, best_q = 0;
        for (size_t v = 0; v < TINY_VOCAB; v++) {
            kl += exp(lp[v]) * (lp[v] - lq[v]);
            best_p = lp[v] > lp[best_p] ? v : best_p;
            best_q = lq[v] > lq[best_q] ? v : best_q;
        }
        e->nll -= lq[ids[t]];
        e->nll2 += lq[ids[t]] * lq[ids[t]];
        e->kl += kl;
        e->kl_max = fmax(e->kl_max, kl);
        e->agreed += best_p == best_q ? 1 : 0;
        e->tokens++;
    }
}

static void check_result(const pl_ppl_result *r, const expected *e, bool compared)
{
    const double n = (double)e->tokens;
    const double mean = e->nll / n;
    assert_int_equal(r->tokens, e->tokens);
    pl_check_close(r->mean_nll, mean, 1e-6, 0);
    pl_check_close(r->perplexity, exp(mean), 1e-5, 0);
    pl_check_close(r->perplexity_error, exp(mean) * sqrt((e->nll2 / n - mean * mean) / (n - 1)),
                   1e-4, 0);
    if (compared) {
        pl_check_close(r->kl_mean, e->kl / n, 1e-5, 1e-8);
        pl_check_close(r->kl_max, e->kl_max, 1e-5, 1e-8);
        pl_check_close(r->top1_agreement, e->agreed / n, 1e-12, 0);
    } else {
        assert_true(isnan(r->kl_mean));
        assert_true(isnan(r->kl_max));
        assert_true(isnan(r->top1_agreement));
    }
}

static pl_ppl_result measure(const fixture *f, pl_ppl_spec spec, const pl_hooks *after,
                             bool compare)
{
    pl_ppl_result r;
    pl_error err;
    pl_check_ok(pl_perplexity(f->model, f->ids, TEXT, &spec, after, compare, &r, NULL, &err), err);
    return r;
}

static void test_gptq_protocol(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){0});
    expected e = {0};
    for (size_t w = 0; w < 5; w++) {
        plain_window(&f, f.ids + w * LENGTH, 1, NULL, &e);
    }
    assert_int_equal(e.tokens, 5 * (LENGTH - 1));
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 5};
    const pl_ppl_result r = measure(&f, spec, NULL, false);
    check_result(&r, &e, false);
    assert_int_equal(r.windows, 5);
    const pl_ppl_result whole =
        measure(&f, (pl_ppl_spec){.protocol = PL_PPL_GPTQ, .length = LENGTH}, NULL, false);
    assert_int_equal(whole.windows, TEXT / LENGTH);
    close_fixture(&f);
}

/* One BOS, at the very start of the text. */
static void test_gptq_protocol_with_bos(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){.bos = 1});
    int32_t ids[TEXT + 1] = {BOS};
    memcpy(ids + 1, f.ids, sizeof f.ids);
    expected e = {0};
    for (size_t w = 0; w < 3; w++) {
        plain_window(&f, ids + w * LENGTH, 1, NULL, &e);
    }
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 3};
    const pl_ppl_result r = measure(&f, spec, NULL, false);
    check_result(&r, &e, false);
    close_fixture(&f);
}

/* Several special tokens in front, and one behind, which is the last of the last window. */
static void test_tokens_on_both_sides(void **state)
{
    (void)state;
    enum { COUNT = 2 * LENGTH - 3 };
    fixture f = open_fixture((tiny_options){.bos = 2});
    int32_t ids[2 * LENGTH] = {1, 0};
    memcpy(ids + 2, f.ids, COUNT * sizeof *ids);
    ids[2 * LENGTH - 1] = 2;
    expected e = {0};
    for (size_t w = 0; w < 2; w++) {
        plain_window(&f, ids + w * LENGTH, 1, NULL, &e);
    }
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH};
    pl_ppl_result r;
    pl_error err;
    pl_check_ok(pl_perplexity(f.model, f.ids, COUNT, &spec, NULL, false, &r, NULL, &err), err);
    assert_int_equal(r.windows, 2);
    check_result(&r, &e, false);
    close_fixture(&f);
}

/* Targets n/2+1 .. n-1; a BOS in front of the text and in the place of each chunk's first token. */
static void check_llama(int bos, size_t per_window)
{
    fixture f = open_fixture((tiny_options){.bos = bos});
    int32_t ids[TEXT + 1] = {BOS};
    memcpy(ids + bos, f.ids, sizeof f.ids);
    expected e = {0};
    for (size_t w = 0; w < 4; w++) {
        if (bos) {
            ids[w * LENGTH] = BOS;
        }
        plain_window(&f, ids + w * LENGTH, LENGTH / 2 + 1, NULL, &e);
    }
    assert_int_equal(e.tokens, 4 * per_window);
    const pl_ppl_spec spec = {.protocol = PL_PPL_LLAMA_CPP, .length = LENGTH, .windows = 4};
    const pl_ppl_result r = measure(&f, spec, NULL, false);
    check_result(&r, &e, false);
    close_fixture(&f);
}

static void test_llama_protocol(void **state)
{
    (void)state;
    check_llama(0, LENGTH / 2 - 1);
    check_llama(1, LENGTH / 2 - 1);
}

static void test_compare(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){0});
    const pl_hooks hooks = flip_hooks(&f);
    expected e = {0};
    for (size_t w = 0; w < 5; w++) {
        plain_window(&f, f.ids + w * LENGTH, 1, &hooks, &e);
    }
    expect_less(0.01, e.kl);
    expect_less(e.agreed, (double)e.tokens);
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 5};
    const pl_ppl_result both = measure(&f, spec, &hooks, true);
    check_result(&both, &e, true);
    const pl_ppl_result alone = measure(&f, spec, &hooks, false);
    check_result(&alone, &e, false);
    expect_close(alone.mean_nll, both.mean_nll, 0);
    const pl_ppl_result same = measure(&f, spec, NULL, true);
    expect_close(same.kl_mean, 0.0, 0);
    expect_close(same.kl_max, 0.0, 0);
    expect_close(same.top1_agreement, 1.0, 0);
    close_fixture(&f);
}

/* The least memory that works runs one window at a time: the same numbers. */
static void test_memory_limit_same_numbers(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){0});
    const pl_hooks hooks = flip_hooks(&f);
    pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 5};
    const pl_ppl_result free_run = measure(&f, spec, &hooks, true);
    size_t low = 1, high = (size_t)1 << 30;
    pl_ppl_result r;
    pl_error err;
    while (high - low > 512) {
        spec.memory_limit = low + (high - low) / 2;
        const pl_status status =
            pl_perplexity(f.model, f.ids, TEXT, &spec, &hooks, true, &r, NULL, &err);
        if (status == PL_OK) {
            high = spec.memory_limit;
        } else {
            assert_int_equal(status, PL_ERR_MEMORY);
            pl_check_says(err, "the memory limit is");
            low = spec.memory_limit;
        }
    }
    spec.memory_limit = high;
    r = measure(&f, spec, &hooks, true);
    expect_close(r.mean_nll, free_run.mean_nll, 0);
    expect_close(r.kl_mean, free_run.kl_mean, 0);
    spec.spread = 3; /* a window is moved alike wherever it stands */
    r = measure(&f, spec, &hooks, true);
    const pl_ppl_result one_by_one = r;
    spec.memory_limit = 0;
    r = measure(&f, spec, &hooks, true);
    expect_close(r.spread_deviation, one_by_one.spread_deviation, 0);
    close_fixture(&f);
}

/* What float32 cannot tell apart moves a number by its noise and no more; the number itself stays
 * that of a run without a spread. */
static void test_spread(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){0});
    const pl_hooks hooks = flip_hooks(&f);
    pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH};
    const pl_ppl_result plain = measure(&f, spec, &hooks, true);
    assert_true(isnan(plain.spread_least));
    assert_true(isnan(plain.spread_deviation));
    spec.spread = 5;
    const pl_ppl_result r = measure(&f, spec, &hooks, true);
    const pl_ppl_result again = measure(&f, spec, &hooks, true);
    expect_close(r.perplexity, plain.perplexity, 0);
    expect_close(r.kl_mean, plain.kl_mean, 0);
    expect_at_most(r.spread_least, r.perplexity);
    expect_at_most(r.perplexity, r.spread_largest);
    expect_less(0, r.spread_deviation);
    expect_less(r.spread_deviation, 1e-5 * r.perplexity);
    expect_at_most(r.spread_deviation, r.spread_largest - r.spread_least);
    expect_close(r.spread_deviation, again.spread_deviation, 0);
    expect_close(r.spread_least, again.spread_least, 0);
    spec.spread = 6; /* the first five are the same ones */
    const pl_ppl_result more = measure(&f, spec, &hooks, true);
    expect_at_most(more.spread_least, r.spread_least);
    expect_at_most(r.spread_largest, more.spread_largest);
    close_fixture(&f);
    assert_int_equal(pl_digits_of(1286.23, 40), 3);
    assert_int_equal(pl_digits_of(39.87, 1.2), 2);
    assert_int_equal(pl_digits_of(1.8205, 8e-5), 6);
    assert_int_equal(pl_digits_of(5, 50), 1);
    assert_int_equal(pl_digits_of(5, 0), 17);
    assert_int_equal(pl_digits_of(5, (double)NAN), 17);
}

static void check_fails(const fixture *f, pl_ppl_spec spec, pl_status status, const char *says)
{
    pl_ppl_result r;
    pl_error err;
    assert_int_equal(pl_perplexity(f->model, f->ids, TEXT, &spec, NULL, false, &r, NULL, &err),
                     status);
    pl_check_says(err, says);
}

static void test_bad_specs(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){0});
    check_fails(&f, (pl_ppl_spec){.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 7},
                PL_ERR_STATE, "the text has 6 windows of 16 tokens, 7 were asked");
    check_fails(&f, (pl_ppl_spec){.protocol = PL_PPL_GPTQ, .length = 101}, PL_ERR_STATE,
                "the text has 0 windows of 101 tokens");
    check_fails(&f, (pl_ppl_spec){.protocol = PL_PPL_GPTQ, .length = 1}, PL_ERR_USAGE,
                "length is 1, expected at least 2");
    check_fails(&f, (pl_ppl_spec){.protocol = PL_PPL_LLAMA_CPP, .length = 2}, PL_ERR_USAGE,
                "length is 2, expected at least 3");
    close_fixture(&f);
}

typedef struct watch {
    pl_task task;
    double last;
    bool stop;
} watch;

static void progress(void *ctx, const char *what, double done, double total)
{
    watch *w = ctx;
    assert_string_equal(what, "scored tokens");
    expect_less(w->last, done);
    expect_at_most(done, total * (1 + 1e-9));
    expect_close(total, 5 * LENGTH, 0);
    w->last = done;
    if (w->stop && done > 0.3 * total) {
        atomic_store(&w->task.cancel, true);
    }
}

static void test_progress_and_cancel(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){0});
    const pl_hooks hooks = flip_hooks(&f);
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 5};
    pl_ppl_result r;
    pl_error err;
    watch w = {.task = {.progress = progress}};
    w.task.ctx = &w;
    pl_check_ok(pl_perplexity(f.model, f.ids, TEXT, &spec, &hooks, true, &r, &w.task, &err), err);
    pl_check_close(w.last, 5 * LENGTH, 1e-9, 0);
    w.last = 0;
    w.stop = true;
    assert_int_equal(pl_perplexity(f.model, f.ids, TEXT, &spec, &hooks, true, &r, &w.task, &err),
                     PL_ERR_CANCELLED);
    expect_less(w.last, 4 * LENGTH);
    close_fixture(&f);
}

static void test_nonfinite_logits(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){.up_scale = 1e38});
    pl_ppl_result r;
    pl_error err;
    const pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ, .length = LENGTH, .windows = 1};
    assert_int_equal(pl_perplexity(f.model, f.ids, TEXT, &spec, NULL, false, &r, NULL, &err),
                     PL_ERR_NUMERIC);
    close_fixture(&f);
}

typedef struct largest {
    size_t block, channel;
    float value;
} largest;

static pl_status note_largest(void *ctx, size_t block, size_t window, const float *x, size_t rows,
                              size_t hidden, pl_error *err)
{
    (void)window;
    (void)err;
    largest *tokens = ctx;
    for (size_t i = 0; i < rows * hidden; i++) {
        largest *t = &tokens[i / hidden];
        if (fabsf(x[i]) > fabsf(t->value)) {
            *t = (largest){block, i % hidden, x[i]};
        }
    }
    return PL_OK;
}

static void test_probe(void **state)
{
    (void)state;
    fixture f = open_fixture((tiny_options){.massive_row = 30});
    static double p[LENGTH * TINY_VOCAB];
    pl_probe_token out[LENGTH];
    largest seen[LENGTH] = {0};
    const pl_hooks watch_residual = {.ctx = seen, .residual = note_largest};
    size_t massive = 0;
    pl_error err;
    plain_log_p(&f, f.ids, LENGTH, &watch_residual, p);
    pl_check_ok(pl_probe(f.model, f.ids, LENGTH, NULL, out, NULL, &err), err);
    assert_true(isnan(out[0].loss));
    for (size_t t = 0; t < LENGTH; t++) {
        assert_int_equal(out[t].id, f.ids[t]);
        assert_int_equal(out[t].channel, seen[t].channel);
        assert_int_equal(out[t].block, seen[t].block);
        expect_close(out[t].channel_value, seen[t].value, 0);
        massive += out[t].channel == 5 ? 1 : 0;
        if (t > 0) {
            pl_check_close(out[t].loss, -p[(t - 1) * TINY_VOCAB + (size_t)f.ids[t]], 1e-5, 1e-5);
        }
    }
    expect_less(0, massive);
    pl_check_ok(pl_probe(f.model, f.ids, 1, NULL, out, NULL, &err), err);
    assert_true(isnan(out[0].loss));
    assert_int_equal(pl_probe(f.model, f.ids, 0, NULL, out, NULL, &err), PL_ERR_USAGE);
    const pl_hooks hooks = flip_hooks(&f);
    plain_log_p(&f, f.ids, LENGTH, &hooks, p);
    pl_check_ok(pl_probe(f.model, f.ids, LENGTH, &hooks, out, NULL, &err), err);
    pl_check_close(out[3].loss, -p[2 * TINY_VOCAB + (size_t)f.ids[3]], 1e-5, 1e-5);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gptq_protocol),
        cmocka_unit_test(test_gptq_protocol_with_bos),
        cmocka_unit_test(test_tokens_on_both_sides),
        cmocka_unit_test(test_llama_protocol),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_memory_limit_same_numbers),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_progress_and_cancel),
        cmocka_unit_test(test_nonfinite_logits),
        cmocka_unit_test(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
