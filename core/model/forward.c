#include "core/model/forward.h"

#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A piece of logits: enough rows that lm_head's packing inside BLAS does not count, in 64 MB where
 * half as many fit. */
enum { LOGITS_ROWS = 256, LOGITS_BYTES = 64 << 20 };

/* x[length, hidden] += the learned positions from `first` on. */
static pl_status add_positions(pl_forward *f, size_t first, size_t length, float *x, pl_error *err)
{
    const pl_config *c = &f->model->config;
    const size_t hidden = c->hidden_size;
    bool failed = first > c->max_positions || length > c->max_positions - first;
    if (failed) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%zu tokens behind %zu: the model has learned %zu positions", length,
                            first, c->max_positions);
    }
    float *row = pl_forward_floats(1, hidden, &failed);
    pl_status status = failed ? pl_error_memory(err, "positions") : PL_OK;
    for (size_t t = 0; status == PL_OK && t < length; t++) {
        status = pl_checkpoint_read(f->model->checkpoint, f->model->positions,
                                    c->arch->position_offset + first + t, 1, row, err);
        for (size_t i = 0; status == PL_OK && i < hidden; i++) {
            x[t * hidden + i] += row[i];
        }
    }
    free(row);
    return status;
}

pl_status pl_forward_embed(pl_forward *forward, const int32_t *ids, size_t length, float *x,
                           pl_error *err)
{
    return pl_forward_embed_at(forward, ids, 0, length, x, err);
}

pl_status pl_forward_embed_at(pl_forward *forward, const int32_t *ids, size_t first, size_t length,
                              float *x, pl_error *err)
{
    const pl_model *model = forward->model;
    float scale = (float)model->config.embedding_scale;
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
        for (size_t i = 0; scale != 1.0f && i < hidden; i++) {
            x[t * hidden + i] *= scale;
        }
    }
    return model->positions != NULL ? add_positions(forward, first, length, x, err) : PL_OK;
}

/* The input hook of the block's site of a role, which sees the whole window. */
static pl_status see_input(const pl_step *s, pl_site_role role, float *x, size_t cols,
                           pl_error *err)
{
    return pl_forward_see(s, s->f->model->blocks[s->f->w.block].sites[role], x, s->length, cols,
                          err);
}

/* y[length, outputs], the outputs of a site's layers, gets their biases. */
static void add_biases(const pl_step *s, pl_site_role site, float *y, size_t outputs)
{
    if (s->f->w.biased[site]) {
        pl_add_bias(y, outputs, s->length, outputs, s->f->w.biases[site]);
    }
}

/* llama4's norm of queries and keys, behind RoPE and without a gain. */
static void norm_turned_heads(const pl_step *s, float *keys)
{
    const pl_config *c = s->c;
    float ones[PL_MAX_HEAD_DIM];
    for (size_t i = 0; i < c->head_dim; i++) {
        ones[i] = 1.0f;
    }
    pl_head_norm(s->f->qkv, s->f->q_stride, s->length, c->heads, c->head_dim, ones, c->norm_eps);
    pl_head_norm(keys, s->f->kv_rows, s->length, c->kv_heads, c->head_dim, ones, c->norm_eps);
}

static void temper(const pl_step *s)
{
    for (size_t t = 0; t < s->length; t++) {
        const size_t at = s->packed != NULL ? s->packed->positions[s->past + t] : s->past + t;
        pl_forward_scale(s->f->qkv + t * s->f->q_stride, s->f->q_rows,
                         (double)pl_forward_temper(s->c, at));
    }
}

/* f->normed = the norm of x, or x itself where the architecture has no norm there: an input hook
 * may replace what it sees, never the residual stream. */
static void norm_input(const pl_step *s, pl_norm_role role, const float *x)
{
    pl_forward *f = s->f;
    role = pl_forward_input_norm(s->c, role);
    if (f->w.norms[role] != NULL) {
        pl_forward_norm(s->c, f->w.norms[role], f->w.norm_biases[role], x, s->length, f->normed);
    } else {
        memcpy(f->normed, x, s->length * s->c->hidden_size * sizeof *x);
    }
}

static void norm_output(const pl_step *s, pl_norm_role role)
{
    pl_forward *f = s->f;
    if (f->w.norms[role] != NULL) {
        pl_forward_norm(s->c, f->w.norms[role], f->w.norm_biases[role], f->normed, s->length,
                        f->normed);
    }
}

static void norm_heads(const pl_step *s)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t stride = f->q_stride;
    const struct {
        pl_norm_role role;
        float *x;
        size_t rows;
    } parts[] = {{PL_NORM_Q, f->qkv, f->q_rows}, {PL_NORM_K, f->qkv + f->q_rows, f->kv_rows}};
    for (size_t i = 0; i < 2; i++) {
        size_t size = pl_model_norm_size(c, parts[i].role);
        if (f->w.norms[parts[i].role] != NULL) {
            pl_head_norm(parts[i].x, stride, s->length, parts[i].rows / size, size,
                         f->w.norms[parts[i].role], c->norm_eps);
        }
    }
}

static void keys_and_values(const pl_step *s)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t stride = f->q_stride;
    const float *v = f->qkv + f->q_rows + f->kv_rows;
    const float *cosine, *sine;
    pl_forward_turns(s, &cosine, &sine);
    float *keys = pl_forward_keys(s), *values = pl_forward_values(s);
    const size_t rotated = pl_forward_rotated(f);
    const bool neighbours = c->arch->neighbours;
    pl_rope(f->qkv, stride, s->length, c->heads, c->head_dim, rotated, neighbours, cosine, sine,
            f->qkv, stride);
    pl_rope(f->qkv + f->q_rows, stride, s->length, c->kv_heads, c->head_dim, rotated, neighbours,
            cosine, sine, keys, f->kv_rows);
    if (c->normed_heads && rotated > 0) {
        norm_turned_heads(s, keys);
    }
    if (c->temper_floor > 0 && rotated == 0) {
        temper(s);
    }
    for (size_t t = 0; t < s->length; t++) {
        memcpy(values + t * f->value_rows, v + t * stride, f->value_rows * sizeof *v);
    }
}

/* The first site's layers: out[length, outputs]. */
static pl_status run_first(const pl_step *s, const float *x, float *out, pl_error *err)
{
    pl_forward *f = s->f;
    norm_input(s, PL_NORM_ATTENTION, x);
    pl_status status = see_input(s, PL_SITE_QKV, f->normed, s->c->hidden_size, err);
    PL_THEN(pl_forward_linear(s, f->normed, f->w.qkv, f->outputs, s->c->hidden_size, out, err));
    if (status == PL_OK) {
        add_biases(s, PL_SITE_QKV, out, f->outputs);
    }
    return status;
}

/* q, k, v and what attention makes of them: attended[length, o_cols]. */
static pl_status run_qkv(const pl_step *s, const float *x, float *attended, pl_error *err)
{
    pl_status status = run_first(s, x, s->f->qkv, err);
    if (status != PL_OK) {
        return status;
    }
    norm_heads(s);
    keys_and_values(s);
    return pl_forward_attend(s, attended, err);
}

/* Attention up to o's input. */
static pl_status run_attention(const pl_step *s, const float *x, float *attended, pl_error *err)
{
    if (s->c->kv_latent == 0) {
        return run_qkv(s, x, attended, err);
    }
    pl_status status = run_first(s, x, s->f->latent, err);
    return status == PL_OK ? pl_forward_latent_run(s, s->f->latent, attended, err) : status;
}

/* x += the output of a half; a value that is not finite is an error naming the block. */
static pl_status add_half(const pl_step *s, float *x, float *half_out, const char *half,
                          pl_error *err)
{
    const size_t count = s->length * s->c->hidden_size;
    pl_forward_scale(half_out, count, s->c->residual_scale);
    if (!pl_add_finite(x, half_out, count)) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "model.layers.%zu: the residual stream is not finite after %s (window "
                            "%zu)",
                            s->f->w.block, half, s->window);
    }
    return PL_OK;
}

static pl_status run_o(const pl_step *s, float *x, float *attended, pl_error *err)
{
    pl_forward *f = s->f;
    pl_status status = see_input(s, PL_SITE_O, attended, f->o_cols, err);
    PL_THEN(pl_forward_linear(s, attended, f->w.o, s->c->hidden_size, f->o_cols, f->normed, err));
    if (status != PL_OK) {
        return status;
    }
    add_biases(s, PL_SITE_O, f->normed, s->c->hidden_size);
    norm_output(s, PL_NORM_ATTENTION_OUT);
    if (s->pending != NULL) {
        memcpy(s->pending, f->normed, s->length * s->c->hidden_size * sizeof *s->pending);
        return PL_OK;
    }
    return add_half(s, x, f->normed, "attention", err);
}

static bool has_experts(const pl_step *s)
{
    return (s->c->block_kind[s->f->w.block] & PL_BLOCK_EXPERTS) != 0;
}

/* The MLP up to down's input: act[length, intermediate]. */
static pl_status run_gate_up(const pl_step *s, const float *x, float *act, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    size_t inner = c->intermediate_size, outputs = pl_forward_mlp_outputs(c, inner);
    norm_input(s, PL_NORM_MLP, x);
    pl_status status = see_input(s, PL_SITE_GATE_UP, f->normed, c->hidden_size, err);
    PL_THEN(
        pl_forward_linear(s, f->normed, f->w.gate_up, outputs, c->hidden_size, f->gate_up, err));
    if (status != PL_OK) {
        return status;
    }
    add_biases(s, PL_SITE_GATE_UP, f->gate_up, outputs);
    if (c->gated) {
        pl_gate_mul(c->activation, f->gate_up, outputs, s->length, inner, act);
    } else {
        pl_activate(c->activation, f->gate_up, s->length, inner, act);
    }
    return PL_OK;
}

static pl_status add_mlp(const pl_step *s, float *x, pl_error *err)
{
    norm_output(s, PL_NORM_MLP_OUT);
    pl_status status = s->pending != NULL ? add_half(s, x, s->pending, "attention", err) : PL_OK;
    return status == PL_OK ? add_half(s, x, s->f->normed, "the MLP", err) : status;
}

static pl_status run_down(const pl_step *s, float *x, float *act, pl_error *err)
{
    pl_forward *f = s->f;
    size_t inner = s->c->intermediate_size;
    pl_status status = see_input(s, PL_SITE_DOWN, act, inner, err);
    if (status == PL_OK) {
        status = pl_forward_linear(s, act, f->w.down, s->c->hidden_size, inner, f->normed, err);
        add_biases(s, PL_SITE_DOWN, f->normed, s->c->hidden_size);
    }
    return status == PL_OK ? add_mlp(s, x, err) : status;
}

/* Up to the inputs of the experts' layers of that role, or (PL_SITE_ROLE_COUNT) all of them. */
static pl_status run_experts(const pl_step *s, float *x, pl_site_role until, pl_error *err)
{
    norm_input(s, PL_NORM_MLP, x);
    pl_status status = pl_forward_experts(s, until, err);
    return status == PL_OK && until == PL_SITE_ROLE_COUNT ? add_mlp(s, x, err) : status;
}

static pl_status check_window(const pl_forward *forward, size_t length, pl_error *err)
{
    if (forward->w.block == SIZE_MAX || length == 0 || length > forward->max_length) {
        return pl_error_set(err, PL_ERR_STATE,
                            "a forward pass over %zu tokens needs a loaded block "
                            "and 1 to %zu tokens",
                            length, forward->max_length);
    }
    return PL_OK;
}

static pl_step step_of(pl_forward *forward, size_t length, size_t window, const pl_hooks *hooks,
                       pl_task *task)
{
    return (pl_step){.f = forward,
                     .c = &forward->model->config,
                     .pending = forward->pending,
                     .hooks = hooks,
                     .length = length,
                     .window = window,
                     .task = task};
}

static pl_status run_block_step(const pl_step *s, float *x, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_hooks *hooks = s->hooks;
    pl_status status = check_window(f, s->length, err);
    PL_THEN(run_attention(s, x, f->attended, err));
    PL_THEN(run_o(s, x, f->attended, err));
    if (status == PL_OK && has_experts(s)) {
        status = run_experts(s, x, PL_SITE_ROLE_COUNT, err);
    } else if (status == PL_OK) {
        status = run_gate_up(s, x, f->act, err);
        PL_THEN(run_down(s, x, f->act, err));
    }
    if (status == PL_OK && hooks != NULL && hooks->residual != NULL) {
        status = hooks->residual(hooks->ctx, f->w.block, s->window, x, s->length, s->c->hidden_size,
                                 err);
    }
    return status;
}

pl_status pl_forward_run(pl_forward *forward, float *x, size_t length, size_t window,
                         const pl_hooks *hooks, pl_task *task, pl_error *err)
{
    const pl_step s = step_of(forward, length, window, hooks, task);
    return run_block_step(&s, x, err);
}

pl_status pl_forward_run_behind(pl_forward *forward, float *x, size_t length, size_t past,
                                float *keys, float *values, const pl_hooks *hooks, pl_task *task,
                                pl_error *err)
{
    pl_step s = step_of(forward, length, 0, hooks, task);
    s.past = past;
    s.keys = keys;
    s.values = values;
    return run_block_step(&s, x, err);
}

pl_status pl_forward_run_packed(pl_forward *forward, float *x, size_t length, size_t row,
                                const pl_packed *packed, const pl_hooks *hooks, pl_task *task,
                                pl_error *err)
{
    pl_step s = step_of(forward, length, 0, hooks, task);
    s.past = row;
    s.keys = packed->keys;
    s.values = packed->values;
    s.packed = packed;
    return run_block_step(&s, x, err);
}

/* --- in parts --------------------------------------------------------------------------------- */

/* Columns of what one part hands to the next. */
static size_t widest_between(const pl_forward *forward)
{
    const pl_config *c = &forward->model->config;
    size_t most = forward->o_cols;
    most = c->kv_latent > 0 && forward->outputs > most ? forward->outputs : most;
    for (size_t b = 0; b < c->blocks; b++) {
        bool dense = (c->block_kind[b] & PL_BLOCK_EXPERTS) == 0;
        most = dense && c->intermediate_size > most ? c->intermediate_size : most;
    }
    return most;
}

/* Behind that, where the MLP reads attention's norm: attention's output. */
size_t pl_forward_between(const pl_forward *forward)
{
    const pl_config *c = &forward->model->config;
    return widest_between(forward) + (c->arch->parallel ? c->hidden_size : 0);
}

static pl_step pending_step(pl_forward *forward, float *between, size_t length, size_t window,
                            const pl_hooks *hooks, pl_task *task)
{
    pl_step s = step_of(forward, length, window, hooks, task);
    s.pending = s.pending != NULL ? between + length * widest_between(forward) : NULL;
    return s;
}

pl_status pl_forward_part_see(pl_forward *forward, pl_site_role role, float *x, float *between,
                              size_t length, size_t window, const pl_hooks *hooks, pl_task *task,
                              pl_error *err)
{
    const pl_step s = pending_step(forward, between, length, window, hooks, task);
    pl_status status = check_window(forward, length, err);
    if (status != PL_OK) {
        return status;
    }
    switch (role) {
    case PL_SITE_QKV:
        norm_input(&s, PL_NORM_ATTENTION, x);
        return see_input(&s, PL_SITE_QKV, forward->normed, s.c->hidden_size, err);
    case PL_SITE_O:
        return see_input(&s, PL_SITE_O, between, forward->o_cols, err);
    case PL_SITE_LATENT:
        return pl_forward_latent_see(&s, between, err);
    case PL_SITE_GATE_UP:
        if (has_experts(&s)) {
            return run_experts(&s, x, PL_SITE_GATE_UP, err);
        }
        norm_input(&s, PL_NORM_MLP, x);
        return see_input(&s, PL_SITE_GATE_UP, forward->normed, s.c->hidden_size, err);
    default:
        return has_experts(&s) ? run_experts(&s, x, PL_SITE_DOWN, err)
                               : see_input(&s, PL_SITE_DOWN, between, s.c->intermediate_size, err);
    }
}

pl_status pl_forward_part_run(pl_forward *forward, pl_site_role role, float *x, float *between,
                              size_t length, size_t window, const pl_hooks *hooks, pl_task *task,
                              pl_error *err)
{
    const pl_step s = pending_step(forward, between, length, window, hooks, task);
    pl_status status = check_window(forward, length, err);
    if (status != PL_OK) {
        return status;
    }
    switch (role) {
    case PL_SITE_QKV:
        return s.c->kv_latent > 0 ? run_first(&s, x, between, err) : run_qkv(&s, x, between, err);
    case PL_SITE_LATENT:
        return pl_forward_latent_run(&s, between, between, err);
    case PL_SITE_O:
        return run_o(&s, x, between, err);
    case PL_SITE_GATE_UP: /* what experts hand on would not fit: down runs them whole */
        return has_experts(&s) ? PL_OK : run_gate_up(&s, x, between, err);
    default:
        return has_experts(&s) ? run_experts(&s, x, PL_SITE_ROLE_COUNT, err)
                               : run_down(&s, x, between, err);
    }
}

size_t pl_forward_logits_rows(const pl_config *config)
{
    const size_t rows = (size_t)LOGITS_BYTES / sizeof(float) / config->vocab_size;
    return rows < LOGITS_ROWS / 2 ? LOGITS_ROWS / 2 : rows > LOGITS_ROWS ? LOGITS_ROWS : rows;
}

/* Decodes lm_head once, in pieces with a tick between. */
static pl_status load_head(pl_forward *f, pl_task *task, pl_error *err)
{
    const pl_config *c = &f->model->config;
    const size_t piece = 1 << 12;
    bool failed = false;
    float *head = pl_forward_floats(c->vocab_size, c->hidden_size, &failed);
    const size_t rows = pl_forward_logits_rows(c);
    f->logits_rows = rows < f->max_length ? rows : f->max_length;
    free(f->logits);
    free(f->logits_in);
    f->logits = pl_forward_floats(f->logits_rows, c->vocab_size, &failed);
    f->logits_in = pl_forward_floats(f->logits_rows, c->hidden_size, &failed);
    pl_status status =
        failed ? pl_error_memory(err, "lm_head [%zu, %zu]", c->vocab_size, c->hidden_size)
               : pl_forward_gain(f, f->model->norm, f->final_norm, err);
    if (status == PL_OK && f->final_bias != NULL) {
        status =
            pl_checkpoint_read(f->model->checkpoint, f->model->norm_bias, 0, 1, f->final_bias, err);
    }
    for (size_t row = 0; row < c->vocab_size && status == PL_OK; row += piece) {
        size_t count = c->vocab_size - row < piece ? c->vocab_size - row : piece;
        status = pl_checkpoint_read(f->model->checkpoint, f->model->lm_head, row, count,
                                    head + row * c->hidden_size, err);
        PL_THEN(pl_task_tick(task, err));
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
        pl_forward_norm(c, f->final_norm, f->final_bias, x + row * c->hidden_size, count,
                        f->logits_in);
        const pl_step s = {.f = f, .length = count, .task = task};
        status = pl_forward_linear(&s, f->logits_in, f->lm_head, c->vocab_size, c->hidden_size,
                                   f->logits, err);
        pl_forward_scale(f->logits, count * c->vocab_size, c->logits_scale);
        if (status == PL_OK && c->logits_cap > 0) {
            pl_soft_cap(f->logits, count, c->vocab_size, c->logits_cap);
        }
        PL_THEN(out(ctx, row, f->logits, count, c->vocab_size, err));
    }
    return status;
}
