#include "core/model/forward.h"

#include "core/base/checked.h"
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A piece of logits: enough rows that lm_head's packing inside BLAS does not count, in 64 MB. */
enum { LOGITS_ROWS = 256, LOGITS_BYTES = 64 << 20 };

static float *floats(size_t rows, size_t cols, bool *failed)
{
    size_t count = 0;
    float *data = pl_mul(rows, cols, &count) ? pl_alloc(count, sizeof *data) : NULL;
    *failed = *failed || data == NULL;
    return data;
}

/* Angles position * frequency and their cosines, all in float32 as transformers computes them. */
static void fill_angles(pl_forward *f, const pl_config *config)
{
    size_t half = config->head_dim / 2;
    float frequencies[PL_MAX_HEAD_DIM / 2];
    pl_config_frequencies(config, frequencies);
    for (size_t t = 0; t < f->max_length; t++) {
        for (size_t i = 0; i < half; i++) {
            float angle = (float)t * frequencies[i];
            f->cosine[t * half + i] = cosf(angle);
            f->sine[t * half + i] = sinf(angle);
        }
    }
}

static bool allocate(pl_forward *f, const pl_config *c)
{
    bool failed = false;
    size_t hidden = c->hidden_size;
    size_t inner = c->intermediate_size;
    size_t length = f->max_length;
    size_t qkv_rows = f->q_rows + 2 * f->kv_rows;
    f->w_qkv = floats(qkv_rows, hidden, &failed);
    f->b_qkv = floats(qkv_rows, 1, &failed);
    f->w_o = floats(hidden, f->q_rows, &failed);
    f->w_gate_up = floats(2 * inner, hidden, &failed);
    f->w_down = floats(hidden, inner, &failed);
    f->attention_norm = floats(hidden, 1, &failed);
    f->mlp_norm = floats(hidden, 1, &failed);
    f->final_norm = floats(hidden, 1, &failed);
    f->cosine = floats(length, c->head_dim / 2, &failed);
    f->sine = floats(length, c->head_dim / 2, &failed);
    f->normed = floats(length, hidden, &failed);
    f->qkv = floats(length, qkv_rows, &failed);
    f->k = floats(length, f->kv_rows, &failed);
    f->v = floats(length, f->kv_rows, &failed);
    f->attended = floats(length, f->q_rows, &failed);
    f->gate_up = floats(length, 2 * inner, &failed);
    f->act = floats(length, inner, &failed);
    f->scratch = floats(f->scratch_threads * PL_QUERY_BLOCK, length, &failed);
    return !failed;
}

pl_status pl_forward_create(pl_model *model, size_t max_length, pl_forward **out, pl_error *err)
{
    *out = NULL;
    const pl_config *config = pl_model_config(model);
    if (max_length == 0 || max_length > (size_t)1 << 24) {
        return pl_error_set(err, PL_ERR_USAGE, "a window of %zu tokens: expected 1 to 16777216",
                            max_length);
    }
    pl_forward *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "no memory for the forward pass");
    }
    f->model = model;
    f->max_length = max_length;
    f->block = SIZE_MAX;
    f->q_rows = config->heads * config->head_dim;
    f->kv_rows = config->kv_heads * config->head_dim;
    int threads = pl_linalg_threads();
    f->scratch_threads = threads > 0 ? (size_t)threads : 1;
    if (!allocate(f, config)) {
        pl_forward_destroy(f);
        return pl_error_set(err, PL_ERR_MEMORY, "no memory for a forward pass over %zu tokens",
                            max_length);
    }
    fill_angles(f, config);
    *out = f;
    return PL_OK;
}

void pl_forward_destroy(pl_forward *f)
{
    if (f == NULL) {
        return;
    }
    float *const owned[] = {f->w_qkv,          f->w_o,      f->w_gate_up,  f->w_down,  f->b_qkv,
                            f->attention_norm, f->mlp_norm, f->final_norm, f->lm_head, f->cosine,
                            f->sine,           f->normed,   f->qkv,        f->k,       f->v,
                            f->attended,       f->gate_up,  f->act,        f->scratch, f->logits,
                            f->logits_in};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        free(owned[i]);
    }
    free(f);
}

pl_status pl_forward_embed(pl_forward *forward, const int32_t *ids, size_t length, float *x,
                           pl_error *err)
{
    const pl_model *model = forward->model;
    size_t hidden = model->config.hidden_size;
    for (size_t t = 0; t < length; t++) {
        if (ids[t] < 0 || (size_t)ids[t] >= model->config.vocab_size) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "token %zu has the id %d; the model's vocabulary has %zu", t,
                                (int)ids[t], model->config.vocab_size);
        }
        pl_status status = pl_checkpoint_read(model->checkpoint, model->embedding, (size_t)ids[t],
                                              1, x + t * hidden, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

static pl_status load_layer(pl_forward *f, size_t layer, const pl_hooks *hooks, float *out,
                            pl_error *err)
{
    int provided = 0;
    if (hooks != NULL && hooks->weight != NULL) {
        pl_status status = hooks->weight(hooks->ctx, layer, out, &provided, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return provided ? PL_OK : pl_model_read_weight(f->model, layer, out, err);
}

static pl_status load_vector(pl_forward *f, const pl_tensor *tensor, float *out, pl_error *err)
{
    return pl_checkpoint_read(f->model->checkpoint, tensor, 0, pl_tensor_rows(tensor), out, err);
}

pl_status pl_forward_load(pl_forward *forward, size_t block, const pl_hooks *hooks, pl_task *task,
                          pl_error *err)
{
    pl_forward *f = forward;
    const pl_config *c = &f->model->config;
    size_t hidden = c->hidden_size;
    float *const weights[PL_ROLE_COUNT] = {
        [PL_ROLE_Q] = f->w_qkv,
        [PL_ROLE_K] = f->w_qkv + f->q_rows * hidden,
        [PL_ROLE_V] = f->w_qkv + (f->q_rows + f->kv_rows) * hidden,
        [PL_ROLE_O] = f->w_o,
        [PL_ROLE_GATE] = f->w_gate_up,
        [PL_ROLE_UP] = f->w_gate_up + c->intermediate_size * hidden,
        [PL_ROLE_DOWN] = f->w_down,
    };
    float *const biases[] = {f->b_qkv, f->b_qkv + f->q_rows, f->b_qkv + f->q_rows + f->kv_rows};
    f->block = SIZE_MAX;
    pl_status status = PL_OK;
    for (size_t role = 0; role < PL_ROLE_COUNT && status == PL_OK; role++) {
        size_t layer = block * PL_ROLE_COUNT + role;
        status = load_layer(f, layer, hooks, weights[role], err);
        if (status == PL_OK && f->model->layers[layer].bias != NULL && role <= PL_ROLE_V) {
            status = load_vector(f, f->model->layers[layer].bias, biases[role], err);
        }
        if (status == PL_OK) {
            status = pl_task_tick(task, err);
        }
    }
    if (status == PL_OK) {
        status = load_vector(f, f->model->attention_norms[block], f->attention_norm, err);
    }
    if (status == PL_OK) {
        status = load_vector(f, f->model->mlp_norms[block], f->mlp_norm, err);
    }
    f->block = status == PL_OK ? block : SIZE_MAX;
    return status;
}

/* The window that a forward step works on. */
typedef struct step {
    pl_forward *f;
    const pl_config *c;
    const pl_hooks *hooks;
    size_t length, window;
    pl_task *task;
} step;

static pl_status see_input(const step *s, pl_site_role role, float *x, size_t cols, pl_error *err)
{
    if (s->hooks == NULL || s->hooks->input == NULL) {
        return PL_OK;
    }
    size_t site = s->f->block * PL_SITE_ROLE_COUNT + (size_t)role;
    return s->hooks->input(s->hooks->ctx, site, s->window, x, s->length, cols, err);
}

/* y[length, rows] = x[length, cols] W^T, cut along W's rows with a tick before each piece: cut
 * along x's, BLAS would pack all of W anew for every few tokens. */
static pl_status multiply(const float *x, size_t length, const float *w, size_t rows, size_t cols,
                          float *y, pl_task *task, pl_error *err)
{
    const double most = cols <= 1024 ? 2e9 : 8e9; /* FLOP between two ticks */
    double flops_a_row = 2.0 * (double)length * (double)cols;
    size_t piece = rows;
    if (flops_a_row * (double)rows > most) {
        piece = (size_t)(most / flops_a_row) / 64 * 64;
        piece = piece > 64 ? piece : 64;
    }
    pl_status status = PL_OK;
    for (size_t row = 0; row < rows && status == PL_OK; row += piece) {
        size_t count = rows - row < piece ? rows - row : piece;
        status = pl_task_tick(task, err);
        if (status == PL_OK) {
            pl_gemm_nt(length, count, cols, 1.0f, x, cols, w + row * cols, cols, 0.0f, y + row,
                       rows);
        }
    }
    return status;
}

static pl_status linear(const step *s, const float *x, const float *w, size_t rows, size_t cols,
                        float *y, pl_error *err)
{
    return multiply(x, s->length, w, rows, cols, y, s->task, err);
}

static pl_status keys_and_values(const step *s, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t stride = f->q_rows + 2 * f->kv_rows;
    const float *v = f->qkv + f->q_rows + f->kv_rows;
    pl_rope(f->qkv, stride, s->length, c->heads, c->head_dim, f->cosine, f->sine, f->qkv, stride);
    pl_rope(f->qkv + f->q_rows, stride, s->length, c->kv_heads, c->head_dim, f->cosine, f->sine,
            f->k, f->kv_rows);
    for (size_t t = 0; t < s->length; t++) {
        memcpy(f->v + t * f->kv_rows, v + t * stride, f->kv_rows * sizeof *v);
    }
    pl_status status = PL_OK;
    if (s->hooks != NULL && s->hooks->key != NULL) {
        status = s->hooks->key(s->hooks->ctx, f->block, f->k, s->length, f->kv_rows, err);
    }
    if (status == PL_OK && s->hooks != NULL && s->hooks->value != NULL) {
        status = s->hooks->value(s->hooks->ctx, f->block, f->v, s->length, f->kv_rows, err);
    }
    return status;
}

static pl_status run_attention(const step *s, const float *x, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t hidden = c->hidden_size;
    size_t stride = f->q_rows + 2 * f->kv_rows;
    pl_rms_norm(x, f->attention_norm, c->rms_norm_eps, s->length, hidden, f->normed);
    pl_status status = see_input(s, PL_SITE_QKV, f->normed, hidden, err);
    if (status == PL_OK) {
        status = linear(s, f->normed, f->w_qkv, stride, hidden, f->qkv, err);
    }
    if (status != PL_OK) {
        return status;
    }
    if (c->qkv_bias) {
        pl_add_bias(f->qkv, stride, s->length, stride, f->b_qkv);
    }
    status = keys_and_values(s, err);
    if (status != PL_OK) {
        return status;
    }
    pl_attend(&(pl_attention){.q = f->qkv,
                              .q_stride = stride,
                              .k = f->k,
                              .v = f->v,
                              .out = f->attended,
                              .length = s->length,
                              .heads = c->heads,
                              .kv_heads = c->kv_heads,
                              .head_dim = c->head_dim,
                              .scratch = f->scratch,
                              .scratch_stride = PL_QUERY_BLOCK * f->max_length,
                              .threads = f->scratch_threads});
    status = pl_task_tick(s->task, err);
    if (status == PL_OK) {
        status = see_input(s, PL_SITE_O, f->attended, f->q_rows, err);
    }
    return status == PL_OK ? linear(s, f->attended, f->w_o, hidden, f->q_rows, f->normed, err)
                           : status;
}

static pl_status run_mlp(const step *s, const float *x, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t inner = c->intermediate_size;
    pl_rms_norm(x, f->mlp_norm, c->rms_norm_eps, s->length, c->hidden_size, f->normed);
    pl_status status = see_input(s, PL_SITE_GATE_UP, f->normed, c->hidden_size, err);
    if (status == PL_OK) {
        status = linear(s, f->normed, f->w_gate_up, 2 * inner, c->hidden_size, f->gate_up, err);
    }
    if (status != PL_OK) {
        return status;
    }
    pl_silu_mul(f->gate_up, 2 * inner, s->length, inner, f->act);
    status = see_input(s, PL_SITE_DOWN, f->act, inner, err);
    return status == PL_OK ? linear(s, f->act, f->w_down, c->hidden_size, inner, f->normed, err)
                           : status;
}

/* x += the output of a half; a value that is not finite is an error naming the block. */
static pl_status add_half(const step *s, float *x, const char *half, pl_error *err)
{
    if (!pl_add_finite(x, s->f->normed, s->length * s->c->hidden_size)) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "model.layers.%zu: the residual stream is not finite after %s (window "
                            "%zu)",
                            s->f->block, half, s->window);
    }
    return PL_OK;
}

pl_status pl_forward_run(pl_forward *forward, float *x, size_t length, size_t window,
                         const pl_hooks *hooks, pl_task *task, pl_error *err)
{
    if (forward->block == SIZE_MAX || length == 0 || length > forward->max_length) {
        return pl_error_set(err, PL_ERR_STATE,
                            "a forward pass over %zu tokens needs a loaded block "
                            "and 1 to %zu tokens",
                            length, forward->max_length);
    }
    step s = {forward, &forward->model->config, hooks, length, window, task};
    pl_status status = run_attention(&s, x, err);
    if (status == PL_OK) {
        status = add_half(&s, x, "attention", err);
    }
    if (status == PL_OK) {
        status = run_mlp(&s, x, err);
    }
    if (status == PL_OK) {
        status = add_half(&s, x, "the MLP", err);
    }
    if (status == PL_OK && hooks != NULL && hooks->residual != NULL) {
        status =
            hooks->residual(hooks->ctx, forward->block, window, x, length, s.c->hidden_size, err);
    }
    return status;
}

/* Decodes lm_head once, in pieces with a tick between. */
static pl_status load_head(pl_forward *f, pl_task *task, pl_error *err)
{
    const pl_config *c = &f->model->config;
    const size_t piece = 1 << 12;
    bool failed = false;
    float *head = floats(c->vocab_size, c->hidden_size, &failed);
    size_t rows = (size_t)LOGITS_BYTES / sizeof(float) / c->vocab_size;
    rows = rows < 32 ? 32 : rows > LOGITS_ROWS ? LOGITS_ROWS : rows;
    f->logits_rows = rows < f->max_length ? rows : f->max_length;
    free(f->logits);
    free(f->logits_in);
    f->logits = floats(f->logits_rows, c->vocab_size, &failed);
    f->logits_in = floats(f->logits_rows, c->hidden_size, &failed);
    pl_status status = failed ? pl_error_set(err, PL_ERR_MEMORY, "no memory for lm_head [%zu, %zu]",
                                             c->vocab_size, c->hidden_size)
                              : load_vector(f, f->model->norm, f->final_norm, err);
    for (size_t row = 0; row < c->vocab_size && status == PL_OK; row += piece) {
        size_t count = c->vocab_size - row < piece ? c->vocab_size - row : piece;
        status = pl_checkpoint_read(f->model->checkpoint, f->model->lm_head, row, count,
                                    head + row * c->hidden_size, err);
        if (status == PL_OK) {
            status = pl_task_tick(task, err);
        }
    }
    if (status != PL_OK) {
        free(head);
        return status;
    }
    f->lm_head = head;
    return PL_OK;
}

pl_status pl_forward_logits(pl_forward *forward, const float *x, size_t rows, pl_logits_fn out,
                            void *ctx, pl_task *task, pl_error *err)
{
    pl_forward *f = forward;
    const pl_config *c = &f->model->config;
    pl_status status = f->lm_head == NULL ? load_head(f, task, err) : PL_OK;
    for (size_t row = 0; row < rows && status == PL_OK; row += f->logits_rows) {
        size_t count = rows - row < f->logits_rows ? rows - row : f->logits_rows;
        pl_rms_norm(x + row * c->hidden_size, f->final_norm, c->rms_norm_eps, count, c->hidden_size,
                    f->logits_in);
        status = multiply(f->logits_in, count, f->lm_head, c->vocab_size, c->hidden_size, f->logits,
                          task, err);
        if (status == PL_OK) {
            status = out(ctx, row, f->logits, count, c->vocab_size, err);
        }
    }
    return status;
}
