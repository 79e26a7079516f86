#include "core/base/checked.h"
#include "core/metrics/perplexity.h"
#include "core/metrics/softmax.h"

#include <math.h>

typedef struct probe {
    const int32_t *ids;
    pl_probe_token *out;
} probe;

/* Rows predict the next token. */
static pl_status score_probe_rows(void *ctx, size_t first, const float *logits, size_t count,
                                  size_t vocab, pl_error *err)
{
    const probe *p = ctx;
    for (size_t i = 0; i < count; i++) {
        const float *row = logits + i * vocab;
        const float max = pl_row_max(row, vocab);
        const size_t next = first + i + 1;
        const double loss = pl_row_log_sum_exp(row, vocab, max) - (double)row[p->ids[next]];
        if (!isfinite(loss)) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "the model's logits at token %zu are not "
                                "finite",
                                next - 1);
        }
        p->out[next].loss = loss;
    }
    return PL_OK;
}

/* Where the residual stream after a block is larger than it was before. */
static void note_largest(pl_probe_token *token, const float *x, size_t width, size_t block)
{
    for (size_t c = 0; c < width; c++) {
        if (fabsf(x[c]) > fabsf(token->channel_value)) {
            token->channel = c;
            token->channel_value = x[c];
            token->block = block;
        }
    }
}

pl_status pl_probe(pl_model *model, const int32_t *ids, size_t count, const pl_hooks *after,
                   pl_probe_token *out, pl_task *task, pl_error *err)
{
    const pl_config *config = pl_model_config(model);
    const size_t width = config->hidden_size;
    if (count == 0) {
        return pl_error_set(err, PL_ERR_USAGE, "the text is empty, expected at least one token");
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = (pl_probe_token){.id = ids[i], .loss = NAN};
    }
    size_t values = 0;
    pl_forward *forward = NULL;
    float *x = pl_mul(count, width, &values) ? pl_alloc(values, sizeof(float)) : NULL;
    pl_status status = x != NULL ? PL_OK : pl_error_memory(err, "%zu tokens", count);
    PL_THEN(pl_forward_create(model, count, &forward, err));
    PL_THEN(pl_forward_embed(forward, ids, count, x, err));
    for (size_t b = 0; status == PL_OK && b < config->blocks; b++) {
        status = pl_forward_load(forward, b, after, task, err);
        PL_THEN(pl_forward_run(forward, x, count, 0, after, task, err));
        for (size_t i = 0; status == PL_OK && i < count; i++) {
            note_largest(&out[i], x + i * width, width, b);
        }
    }
    if (status == PL_OK && count > 1) {
        probe p = {.ids = ids, .out = out};
        status = pl_forward_logits(forward, x, count - 1, score_probe_rows, &p, task, err);
    }
    pl_forward_destroy(forward);
    free(x);
    return status;
}
