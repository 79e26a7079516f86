#include "core/model/decode.h"

#include "core/base/checked.h"
#include "core/model/bare.h"
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_AT_ONCE = 128 }; /* tokens of a prompt that go through a block together */

struct pl_decoder {
    pl_model *model;
    const pl_hooks *hooks;
    size_t positions, length; /* length: tokens read */
    pl_forward *forward;
    pl_block_weights own;     /* the forward's own room, while it has a block's */
    pl_block_weights *blocks; /* [blocks] */
    size_t n_blocks;
    float *keys, *values; /* [blocks, positions, kv_rows], [blocks, positions, value_rows] */
    float *x;             /* [MOST_AT_ONCE, hidden] */
};

static double parameters_of(const pl_model *model)
{
    double sum = 0.0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        sum += (double)layer->rows * (double)layer->cols;
    }
    return sum;
}

/* That all weights and the cache take. */
static double decoder_bytes(const pl_model *model, size_t positions)
{
    const pl_config *c = pl_model_config(model);
    const double cache = (double)c->blocks * (double)positions *
                         (double)(c->kv_heads * (c->head_dim + c->value_dim));
    return 4.0 * (parameters_of(model) + cache + (double)c->vocab_size * (double)c->hidden_size);
}

/* Where frequencies depend on the length, keys kept from before would be of other ones. */
static pl_status check_positions(const pl_model *model, size_t positions, pl_error *err)
{
    const pl_config *c = pl_model_config(model);
    size_t most = pl_config_longest(c);
    if (c->rope == PL_ROPE_LONG && c->rope_original_positions < most) {
        most = c->rope_original_positions;
    }
    if (c->rope == PL_ROPE_DYNAMIC && c->max_positions < most) {
        most = c->max_positions;
    }
    if (positions == 0 || (most > 0 && positions > most)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%zu tokens in all: expected 1 to %zu, beyond which the model or its "
                            "RoPE ends",
                            positions, most);
    }
    return PL_OK;
}

static pl_status check_memory(const pl_model *model, size_t positions, size_t limit, pl_error *err)
{
    const double bytes = decoder_bytes(model, positions);
    if (limit > 0 && bytes > (double)limit) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "all weights and a cache of %zu tokens take %.0f MB, the memory limit "
                            "is %.0f MB",
                            positions, bytes / 1e6, (double)limit / 1e6);
    }
    return PL_OK;
}

static pl_status allocate_decoder(pl_decoder *d, pl_error *err)
{
    const pl_config *c = pl_model_config(d->model);
    bool failed = false;
    size_t rows = 0;
    pl_status status =
        pl_forward_create_at(d->model, d->positions < MOST_AT_ONCE ? d->positions : MOST_AT_ONCE,
                             d->positions, &d->forward, err);
    if (status != PL_OK) {
        return status;
    }
    d->forward->reads_on = true;
    failed = !pl_mul(c->blocks, d->positions, &rows);
    d->blocks = calloc(c->blocks + 1, sizeof *d->blocks);
    d->keys = failed ? NULL : pl_forward_floats(rows, d->forward->kv_rows, &failed);
    d->values = failed ? NULL : pl_forward_floats(rows, d->forward->value_rows, &failed);
    d->x = pl_forward_floats(MOST_AT_ONCE, c->hidden_size, &failed);
    return failed || d->blocks == NULL ? pl_error_memory(err, "a cache of %zu tokens", d->positions)
                                       : PL_OK;
}

/* The forward pass works with a block's weights until leave_block. */
static void enter_block(pl_decoder *d, size_t block)
{
    d->own = d->forward->w;
    d->forward->w = d->blocks[block];
}

static void leave_block(pl_decoder *d, size_t block)
{
    d->blocks[block] = d->forward->w;
    d->forward->w = d->own;
}

static pl_status load_blocks(pl_decoder *d, pl_task *task, pl_error *err)
{
    const size_t blocks = pl_model_config(d->model)->blocks;
    pl_status status = PL_OK;
    for (size_t b = 0; status == PL_OK && b < blocks; b++) {
        const bool fits = pl_block_weights_init(&d->blocks[b], d->forward);
        d->n_blocks = b + 1;
        if (!fits) {
            return pl_error_memory(err, "the weights of block %zu", b);
        }
        enter_block(d, b);
        status = pl_forward_load(d->forward, b, d->hooks, task, err);
        leave_block(d, b);
        pl_task_progress(task, "blocks", (double)(b + 1), (double)blocks);
    }
    return status;
}

pl_status pl_decoder_create(pl_model *model, size_t positions, const pl_hooks *hooks,
                            size_t memory_limit, pl_decoder **out, pl_task *task, pl_error *err)
{
    *out = NULL;
    pl_status status = pl_model_need_forward(model, "this", err);
    PL_THEN(check_positions(model, positions, err));
    PL_THEN(check_memory(model, positions, memory_limit, err));
    if (status != PL_OK) {
        return status;
    }
    pl_decoder *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return pl_error_memory(err, "a decoder");
    }
    d->model = model;
    d->hooks = hooks;
    d->positions = positions;
    status = allocate_decoder(d, err);
    PL_THEN(load_blocks(d, task, err));
    if (status != PL_OK) {
        pl_decoder_destroy(d);
        return status;
    }
    *out = d;
    return PL_OK;
}

void pl_decoder_destroy(pl_decoder *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t b = 0; b < d->n_blocks; b++) {
        pl_block_weights_free(&d->blocks[b]);
    }
    free(d->blocks);
    pl_forward_destroy(d->forward);
    free(d->keys);
    free(d->values);
    free(d->x);
    free(d);
}

size_t pl_decoder_length(const pl_decoder *decoder)
{
    return decoder->length;
}

void pl_decoder_rewind(pl_decoder *decoder, size_t length)
{
    decoder->length = length < decoder->length ? length : decoder->length;
}

static pl_status read_piece(pl_decoder *d, const int32_t *ids, size_t count, pl_task *task,
                            pl_error *err)
{
    const pl_config *c = pl_model_config(d->model);
    const size_t keys = d->positions * d->forward->kv_rows;
    const size_t values = d->positions * d->forward->value_rows;
    pl_status status = pl_forward_embed_at(d->forward, ids, d->length, count, d->x, err);
    for (size_t b = 0; status == PL_OK && b < c->blocks; b++) {
        enter_block(d, b);
        status = pl_forward_run_behind(d->forward, d->x, count, d->length, d->keys + b * keys,
                                       d->values + b * values, d->hooks, task, err);
        leave_block(d, b);
    }
    d->length += status == PL_OK ? count : 0;
    return status;
}

static pl_status take_logits(void *ctx, size_t first, const float *logits, size_t count,
                             size_t vocab, pl_error *err)
{
    (void)first;
    (void)count;
    (void)err;
    memcpy(ctx, logits, vocab * sizeof *logits);
    return PL_OK;
}

pl_status pl_decoder_read(pl_decoder *d, const int32_t *ids, size_t count, float *logits,
                          pl_task *task, pl_error *err)
{
    if (count == 0 || count > d->positions - d->length) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%zu tokens behind %zu: there is room for %zu in all", count, d->length,
                            d->positions);
    }
    pl_status status = PL_OK;
    size_t last = 0;
    for (size_t i = 0; status == PL_OK && i < count; i += last) {
        last = count - i < MOST_AT_ONCE ? count - i : MOST_AT_ONCE;
        status = read_piece(d, ids + i, last, task, err);
    }
    const size_t hidden = pl_model_config(d->model)->hidden_size;
    PL_THEN(pl_forward_logits(d->forward, d->x + (last - 1) * hidden, 1, take_logits, logits, task,
                              err));
    return status;
}
