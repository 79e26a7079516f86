#include "core/study/generate.h"

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/lab/quantized.h"
#include "core/model/decode.h"

#include <math.h>
#include <stdlib.h>

/* The likelier first, of equals the one that comes first. */
static int compare_logits(const void *a, const void *b, void *ctx)
{
    const float *logits = ctx;
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    return logits[i] > logits[j] ? -1 : logits[i] < logits[j] ? 1 : (i > j) - (i < j);
}

static size_t likeliest(const float *logits, size_t vocab)
{
    size_t best = 0;
    for (size_t i = 1; i < vocab; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

size_t pl_sample_token(const float *logits, size_t vocab, const pl_sampling *sampling, double u,
                       uint32_t *room)
{
    if (!(sampling->temperature > 0.0)) {
        return likeliest(logits, vocab);
    }
    for (size_t i = 0; i < vocab; i++) {
        room[i] = (uint32_t)i;
    }
    qsort_r(room, vocab, sizeof *room, compare_logits, (void *)(uintptr_t)logits);
    const double top = (double)logits[room[0]], t = sampling->temperature;
    double all = 0.0, kept = 0.0;
    for (size_t i = 0; i < vocab; i++) {
        all += exp(((double)logits[room[i]] - top) / t);
    }
    size_t n = 0;
    while (n < vocab && (n == 0 || kept < sampling->top_p * all)) {
        kept += exp(((double)logits[room[n++]] - top) / t);
    }
    double left = u * kept;
    for (size_t i = 0; i + 1 < n; i++) {
        left -= exp(((double)logits[room[i]] - top) / t);
        if (left < 0.0) {
            return room[i];
        }
    }
    return room[n - 1];
}

static pl_status check_logits(const float *logits, size_t vocab, size_t position, pl_error *err)
{
    for (size_t i = 0; i < vocab; i++) {
        if (!isfinite(logits[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "the model's logits behind token %zu are not finite", position);
        }
    }
    return PL_OK;
}

static bool ends_text(const pl_config *config, const pl_sampling *sampling, int32_t id)
{
    bool ends = id == config->eos_id;
    for (size_t i = 0; i < sampling->n_ends; i++) {
        ends = ends || id == sampling->ends[i];
    }
    return ends;
}

static pl_status write_tokens(pl_decoder *decoder, const pl_config *config, size_t most,
                              const pl_sampling *sampling, float *logits, uint32_t *room,
                              pl_continuation *out, pl_task *task, pl_error *err)
{
    pl_rng rng;
    pl_status status = PL_OK;
    pl_rng_init(&rng, sampling->seed);
    while (status == PL_OK && out->count < most && !out->ended) {
        status = check_logits(logits, config->vocab_size, pl_decoder_length(decoder), err);
        if (status != PL_OK) {
            break;
        }
        const double u = sampling->temperature > 0.0 ? pl_rng_uniform(&rng) : 0.0;
        const int32_t next =
            (int32_t)pl_sample_token(logits, config->vocab_size, sampling, u, room);
        out->ended = ends_text(config, sampling, next);
        if (out->ended) {
            break;
        }
        out->ids[out->count++] = next;
        pl_task_progress(task, "tokens", (double)out->count, (double)most);
        if (out->count < most) {
            status = pl_decoder_read(decoder, &next, 1, logits, task, err);
        }
    }
    return status;
}

pl_status pl_generate(pl_context cx, pl_which which, const int32_t *prompt, size_t n_prompt,
                      size_t most, const pl_sampling *sampling, pl_continuation *out, pl_error *err)
{
    pl_model *model = cx.state->source->model;
    const pl_config *config = pl_model_config(model);
    pl_decoder *decoder = NULL;
    pl_quantized quantized = {0};
    pl_hooks hooks = {0};
    *out = (pl_continuation){.ids = pl_alloc(most, sizeof *out->ids)};
    float *logits = pl_alloc(config->vocab_size, sizeof *logits);
    uint32_t *room = pl_alloc(config->vocab_size, sizeof *room);
    pl_status status = out->ids == NULL || logits == NULL || room == NULL
                           ? pl_error_memory(err, "a text of %zu tokens", most)
                           : PL_OK;
    PL_THEN(pl_quantized_init(&quantized, cx, which, &hooks, err));
    PL_THEN(pl_decoder_create(model, n_prompt + most, which == PL_WHICH_BEFORE ? NULL : &hooks,
                              pl_lab_memory_limit(cx.lab), &decoder, cx.task, err));
    const double start = pl_clock_now();
    PL_THEN(pl_decoder_read(decoder, prompt, n_prompt, logits, cx.task, err));
    const double read = pl_clock_now();
    PL_THEN(write_tokens(decoder, config, most, sampling, logits, room, out, cx.task, err));
    out->reading = read - start;
    out->writing = pl_clock_now() - read;
    pl_decoder_destroy(decoder);
    pl_quantized_deinit(&quantized);
    free(logits);
    free(room);
    if (status != PL_OK) {
        free(out->ids);
        *out = (pl_continuation){0};
    }
    return status;
}
