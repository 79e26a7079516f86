/* Scoring a task by log-likelihoods over the time that SGEMM, at the rate measured for a
 * perplexity, takes for the same forward pass: the linear layers on the distinct tokens, the
 * attention they need and lm_head on the rows that predict a scored token.
 *
 * SmolLM2, items as long as those of ARC (20 to 45 tokens of context, four choices of 1 to 8), made
 * of seeded tokens; a fifth of the 1,000 that the limit is meant for, so that it takes a minute. */
#include "core/base/rng.h"
#include "core/metrics/likelihood.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"
#include "tests/bench/sgemm.h"

#include <math.h>
#include <string.h>

enum { ITEMS = 200, CHOICES = 4, MOST = 64, TURNS = 3 };

typedef struct work {
    int32_t ids[ITEMS * CHOICES][MOST];
    pl_request requests[ITEMS * CHOICES];
    pl_likelihood found[ITEMS * CHOICES];
    double distinct, keys, rows; /* tokens, keys their queries see, rows of logits */
} work;

static void make_item(work *w, size_t item, pl_rng *rng, size_t vocab)
{
    const size_t context = 20 + pl_rng_below(rng, 26);
    int32_t *first = w->ids[item * CHOICES];
    for (size_t i = 0; i < context; i++) {
        /* the first one is the item's own, so that no two share it */
        first[i] = (int32_t)(i == 0 ? 1000 + item : pl_rng_below(rng, vocab));
        w->keys += (double)(i + 1);
    }
    w->distinct += (double)context;
    w->rows += 1.0;
    for (size_t c = 0; c < CHOICES; c++) {
        const size_t own = 1 + pl_rng_below(rng, 8);
        int32_t *ids = w->ids[item * CHOICES + c];
        memcpy(ids, first, context * sizeof *ids);
        for (size_t i = 0; i < own; i++) {
            /* the first one differs, so that no more is shared */
            ids[context + i] = (int32_t)(i == 0 ? 100 + c : pl_rng_below(rng, vocab));
            w->keys += i > 0 ? (double)(context + i) : 0.0;
        }
        w->distinct += (double)(own - 1);
        w->rows += (double)(own - 1);
        w->requests[item * CHOICES + c] =
            (pl_request){.ids = ids, .count = context + own, .context = context};
    }
}

static double forward_flops(const work *w, const pl_model *model)
{
    const pl_config *c = pl_model_config(model);
    double linear = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        linear += 2.0 * (double)layer->rows * (double)layer->cols;
    }
    return w->distinct * linear +
           w->keys * 4.0 * (double)c->blocks * (double)(c->heads * c->head_dim) +
           w->rows * 2.0 * (double)c->vocab_size * (double)c->hidden_size;
}

int main(void)
{
    static work w;
    pl_error err = {0};
    pl_rng rng;
    double ratios[TURNS], rates[TURNS];
    if (!bench_have_model()) {
        bench_row("tasks", "a task's log-likelihoods over SGEMM on its distinct tokens", NAN,
                  BENCH_AT_MOST, 1.3, NULL);
        return 0;
    }
    bench_threads();
    pl_model *model = bench_model();
    pl_rng_init(&rng, 1);
    for (size_t i = 0; i < ITEMS; i++) {
        make_item(&w, i, &rng, pl_model_config(model)->vocab_size);
    }
    for (size_t t = 0; t < TURNS; t++) {
        size_t distinct = 0;
        const double before = bench_sgemm_speed(model, 512, true), start = bench_now();
        if (pl_likelihoods(model, w.requests, ITEMS * CHOICES, NULL, NULL, NULL, w.found, &distinct,
                           NULL, &err) != PL_OK) {
            bench_fail("likelihoods", &err);
        }
        const double seconds = bench_now() - start;
        rates[t] = 0.5 * (before + bench_sgemm_speed(model, 512, true));
        ratios[t] = seconds * rates[t] / forward_flops(&w, model);
        if ((double)distinct != w.distinct) {
            bench_fail("tokens that are not distinct", NULL);
        }
    }
    bench_row("tasks", "a task's log-likelihoods over SGEMM on its distinct tokens",
              bench_median(ratios, TURNS), BENCH_AT_MOST, 1.3,
              json_pack("{s:i, s:f, s:f}", "items", ITEMS, "distinct_tokens", w.distinct,
                        "sgemm_gflops", bench_median(rates, TURNS) / 1e9));
    return 0;
}
