/* Speed of writing a text token by token, against the memory: a token takes one pass over all
 * float32 weights and lm_head, and the reference is a plain sum over as many bytes, by as many
 * threads, in turns with it. */
#include "core/base/checked.h"
#include "core/model/decode.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <stdlib.h>

enum { TURNS = 9, TOKENS = 6, PROMPT = 64 };

static size_t weights_read(const pl_model *model)
{
    const pl_config *c = pl_model_config(model);
    size_t count = c->vocab_size * c->hidden_size;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        count += pl_model_layer(model, i)->rows * pl_model_layer(model, i)->cols;
    }
    return count;
}

/* Seconds of one pass over the bytes; whole numbers, so that the sum may be in any order. */
static double read_seconds(const uint64_t *words, size_t count, uint64_t *sum)
{
    uint64_t all = 0;
    const double start = bench_now();
#pragma omp parallel for schedule(static) reduction(+ : all)
    for (size_t i = 0; i < count; i++) {
        all += words[i];
    }
    *sum += all;
    return bench_now() - start;
}

static double token_seconds(pl_decoder *decoder, float *logits)
{
    pl_error err = {0};
    const double start = bench_now();
    for (int32_t i = 0; i < TOKENS; i++) {
        const int32_t id = 100 + i;
        if (pl_decoder_read(decoder, &id, 1, logits, NULL, &err) != PL_OK) {
            bench_fail("decode", &err);
        }
    }
    return (bench_now() - start) / TOKENS;
}

int main(void)
{
    double ratio[TURNS], seconds[TURNS], passes[TURNS];
    pl_error err = {0};
    pl_decoder *decoder = NULL;
    uint64_t sum = 0;
    bench_threads();
    if (!bench_have_model()) {
        bench_print(json_pack("{s:s, s:s}", "bench", "decode", "skipped",
                              "needs PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    const size_t count = weights_read(bench_model());
    uint64_t *words = pl_alloc(count / 2, sizeof *words);
    float *logits = pl_alloc(pl_model_config(bench_model())->vocab_size, sizeof *logits);
    if (words == NULL || logits == NULL ||
        pl_decoder_create(bench_model(), PROMPT + TOKENS * (TURNS + 1), NULL, 0, &decoder, NULL,
                          &err) != PL_OK ||
        pl_decoder_read(decoder, bench_tokens()->ids, PROMPT, logits, NULL, &err) != PL_OK) {
        bench_fail("decode", &err);
    }
    for (size_t i = 0; i < count / 2; i++) {
        words[i] = i;
    }
    token_seconds(decoder, logits);
    for (int i = 0; i < TURNS; i++) {
        passes[i] = read_seconds(words, count / 2, &sum);
        seconds[i] = token_seconds(decoder, logits);
        ratio[i] = (passes[i] + read_seconds(words, count / 2, &sum)) / 2.0 / seconds[i];
    }
    bench_row("decode", "tokens a second at batch 1, over reads of all weights a second",
              bench_median(ratio, TURNS), BENCH_AT_LEAST, 0.7, NULL);
    bench_print(json_pack("{s:s, s:f, s:f, s:f, s:b}", "bench", "decode", "over_reads",
                          bench_median(ratio, TURNS), "tokens_per_second",
                          1.0 / bench_median(seconds, TURNS), "gigabytes_per_second",
                          4e-9 * (double)count / bench_median(passes, TURNS), "summed", sum != 0));
    pl_decoder_destroy(decoder);
    free(words);
    free(logits);
    return 0;
}
