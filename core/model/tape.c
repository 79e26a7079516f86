#include "core/model/tape.h"

#include "core/base/checked.h"
#include "core/model/model_parts.h"
#include "core/model/stream.h"
#include "core/model/tape_parts.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

enum { QKV = 3 }; /* queries, keys and values */

/* All matrices have a row for each token of all windows. */
struct pl_tape {
    pl_forward *f; /* weights, angles and the block's own states */
    const pl_config *c;
    size_t length, most;            /* tokens of a window, windows at once */
    size_t windows;                 /* of the last forward pass */
    size_t stride;                  /* rows of q, k and v together */
    const float *x;                 /* borrowed */
    float *raw[PL_SITE_ROLE_COUNT]; /* a site's input; those of o and down are the forward pass's */
    float *in[PL_SITE_ROLE_COUNT];  /* what its layers got: raw where no hook replaces it */
    float *hooked[PL_SITE_ROLE_COUNT]; /* room for that, NULL until it is needed */
    float *qkv[QKV];                   /* after RoPE */
    float *seen[QKV];                  /* what attention got */
    float *cached[QKV];                /* room for that */
    float *o_out, *middle, *down_out;  /* before the norm; x + attention; before the norm */
    float *grad_q[QKV];
    float *wide, *narrow;   /* gradients: of outputs side by side, of inputs */
    float *head_k, *head_v; /* [heads, length, D] */
    float *scratch;         /* of attention backward */
    float *minus_sine;      /* [length, rotary_dim / 2] */
    float *direct;          /* dL/dy, where attention and the MLP are added at once; else NULL */
};

static size_t cols_of(const pl_tape *t, pl_site_role role)
{
    return role == PL_SITE_O      ? t->f->q_rows
           : role == PL_SITE_DOWN ? t->c->intermediate_size
                                  : t->c->hidden_size;
}

static size_t role_outputs(const pl_tape *t, pl_site_role role)
{
    return role == PL_SITE_QKV       ? t->stride
           : role == PL_SITE_GATE_UP ? pl_forward_mlp_outputs(t->c, t->c->intermediate_size)
                                     : t->c->hidden_size;
}

static size_t part_cols(const pl_tape *t, size_t part)
{
    return part == 0 ? t->f->q_rows : t->f->kv_rows;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool allocate_tape(pl_tape *t)
{
    const pl_config *c = t->c;
    const size_t all = t->most * t->length, hidden = c->hidden_size;
    bool failed = false;
    t->raw[PL_SITE_QKV] = pl_forward_floats(all, hidden, &failed);
    t->raw[PL_SITE_GATE_UP] = pl_forward_floats(all, hidden, &failed);
    t->raw[PL_SITE_O] = t->f->attended;
    t->raw[PL_SITE_DOWN] = t->f->act;
    for (size_t part = 0; part < QKV; part++) {
        t->qkv[part] = pl_forward_floats(all, part_cols(t, part), &failed);
        t->grad_q[part] = pl_forward_floats(all, part_cols(t, part), &failed);
    }
    t->o_out = pl_forward_floats(all, hidden, &failed);
    t->middle = pl_forward_floats(all, hidden, &failed);
    t->down_out = pl_forward_floats(all, hidden, &failed);
    t->wide = pl_forward_floats(all, larger(2 * c->intermediate_size, t->stride), &failed);
    t->narrow =
        pl_forward_floats(all, larger(hidden, larger(c->intermediate_size, t->f->q_rows)), &failed);
    t->head_k = pl_forward_floats(t->length, t->f->q_rows, &failed);
    t->head_v = pl_forward_floats(t->length, t->f->q_rows, &failed);
    t->scratch =
        pl_forward_floats(t->f->scratch_threads, pl_attend_back_scratch(t->length), &failed);
    t->minus_sine = pl_forward_floats(t->length, c->rotary_dim / 2, &failed);
    t->direct = c->arch->parallel ? pl_forward_floats(all, hidden, &failed) : NULL;
    return !failed;
}

pl_status pl_tape_create(pl_model *model, size_t length, size_t windows, pl_tape **out,
                         pl_error *err)
{
    *out = NULL;
    size_t rows = 0;
    pl_status able = pl_model_need_backward(model, "this", err);
    if (able != PL_OK) {
        return able;
    }
    pl_tape *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return pl_error_memory(err, "a block's backward pass");
    }
    t->length = length;
    t->most = windows;
    t->c = pl_model_config(model);
    pl_status status = pl_mul(length, windows, &rows)
                           ? pl_forward_create_at(model, rows, length, &t->f, err)
                           : pl_error_memory(err, "a block's backward pass");
    if (status == PL_OK) {
        t->stride = t->f->q_rows + 2 * t->f->kv_rows;
        status = allocate_tape(t)
                     ? PL_OK
                     : pl_error_memory(err, "a block's backward pass over %zu tokens", rows);
    }
    if (status != PL_OK) {
        pl_tape_destroy(t);
        return status;
    }
    *out = t;
    return PL_OK;
}

void pl_tape_destroy(pl_tape *t)
{
    if (t == NULL) {
        return;
    }
    free(t->raw[PL_SITE_QKV]);
    free(t->raw[PL_SITE_GATE_UP]);
    for (size_t role = 0; role < PL_SITE_ROLE_COUNT; role++) {
        free(t->hooked[role]);
    }
    for (size_t part = 0; part < QKV; part++) {
        free(t->qkv[part]);
        free(t->cached[part]);
        free(t->grad_q[part]);
    }
    float *const owned[] = {t->o_out,  t->middle, t->down_out, t->wide,       t->narrow,
                            t->head_k, t->head_v, t->scratch,  t->minus_sine, t->direct};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        free(owned[i]);
    }
    pl_forward_destroy(t->f);
    free(t);
}

pl_status pl_tape_load(pl_tape *t, size_t block, pl_task *task, pl_error *err)
{
    if ((t->c->block_kind[block] & PL_BLOCK_EXPERTS) != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "model.layers.%zu is a mixture of experts, which has no backward pass "
                            "here: expected a dense block",
                            block);
    }
    t->windows = 0;
    return pl_forward_load(t->f, block, NULL, task, err);
}

static float *site_weights(const pl_tape *t, pl_site_role role)
{
    float *const all[PL_SITE_ROLE_COUNT] = {t->f->w.qkv, t->f->w.o, t->f->w.gate_up, t->f->w.down};
    return all[role];
}

float *pl_tape_weights(pl_tape *t, pl_site_role role, size_t *rows, size_t *cols)
{
    *rows = role_outputs(t, role);
    *cols = cols_of(t, role);
    return site_weights(t, role);
}

float *pl_tape_biases(pl_tape *t, pl_site_role role)
{
    return t->f->w.biased[role] ? t->f->w.biases[role] : NULL;
}

static void fold_gain(pl_tape *t, pl_norm_role norm, pl_site_role role)
{
    float *gain = t->f->w.norms[norm], *w = site_weights(t, role);
    const size_t rows = role_outputs(t, role), cols = cols_of(t, role);
    for (size_t i = 0; gain != NULL && i < rows * cols; i++) {
        w[i] *= gain[i % cols];
    }
    for (size_t c = 0; gain != NULL && c < cols; c++) {
        gain[c] = 1.0f;
    }
}

void pl_tape_fold_gains(pl_tape *t)
{
    fold_gain(t, PL_NORM_ATTENTION, PL_SITE_QKV);
    fold_gain(t, PL_NORM_MLP, PL_SITE_GATE_UP);
}

/* --- forward ---------------------------------------------------------------------------------- */

/* What the steps below work on. */
typedef struct pass {
    pl_tape *t;
    const pl_tape_hooks *hooks; /* never NULL */
    size_t rows;
    pl_task *task;
} pass;

static const pl_tape_hooks no_hooks = {0};

static pass pass_of(pl_tape *t, const pl_tape_hooks *hooks, pl_task *task)
{
    return (pass){t, hooks != NULL ? hooks : &no_hooks, t->windows * t->length, task};
}

static const float *pass_weights(const pass *p, pl_site_role role)
{
    return p->hooks->weights[role] != NULL ? p->hooks->weights[role] : site_weights(p->t, role);
}

/* The loaded block as the forward pass's steps take one window of it. */
static pl_step window_step(const pl_tape *t)
{
    return (pl_step){.f = t->f, .c = t->c, .length = t->length};
}

static void norm_rows(const pass *p, pl_norm_role role, const float *x, float *out)
{
    const pl_tape *t = p->t;
    const pl_block_weights *w = &t->f->w;
    if (w->norms[role] != NULL) {
        pl_forward_norm(t->c, w->norms[role], w->norm_biases[role], x, p->rows, out);
    } else if (out != x) {
        memcpy(out, x, p->rows * t->c->hidden_size * sizeof *out);
    }
}

/* y[rows, outputs] = what the site's layers give for its raw input. */
static pl_status run_site(const pass *p, pl_site_role role, float *y, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t cols = cols_of(t, role), outputs = role_outputs(t, role);
    const float *bias =
        p->hooks->biases[role] != NULL ? p->hooks->biases[role] : pl_tape_biases(t, role);
    pl_status status = PL_OK;
    t->in[role] = t->raw[role];
    if (p->hooks->input != NULL) {
        bool failed = false;
        if (t->hooked[role] == NULL) {
            t->hooked[role] = pl_forward_floats(t->most * t->length, cols, &failed);
        }
        t->in[role] = t->hooked[role];
        status =
            failed ? pl_error_memory(err, "a block's inputs")
                   : p->hooks->input(p->hooks->ctx, role, t->raw[role], p->rows, t->in[role], err);
    }
    PL_THEN(pl_forward_multiply(t->in[role], p->rows, pass_weights(p, role), outputs, cols, y,
                                p->task, err));
    if (status == PL_OK && bias != NULL) {
        pl_add_bias(y, outputs, p->rows, outputs, bias);
    }
    return status;
}

/* Heads' norms as in the forward pass; the linear layers' outputs stay as they are. */
static void norm_heads(const pass *p, pl_norm_role role, float *x, size_t cols)
{
    const pl_tape *t = p->t;
    const size_t size = pl_model_norm_size(t->c, role);
    if (t->f->w.norms[role] != NULL) {
        pl_head_norm(x, cols, p->rows, cols / size, size, t->f->w.norms[role], t->c->norm_eps);
    }
}

/* Queries and keys of all windows turned by RoPE, in place; sine: of the angles, or less them. */
static void turn(const pass *p, const float *cosine, const float *sine, float *const qk[])
{
    const pl_tape *t = p->t;
    const size_t heads[2] = {t->c->heads, t->c->kv_heads};
    for (size_t w = 0; w < t->windows; w++) {
        for (size_t part = 0; part < 2; part++) {
            const size_t cols = part_cols(t, part);
            float *x = qk[part] + w * t->length * cols;
            pl_rope(x, cols, t->length, heads[part], t->c->head_dim, pl_forward_rotated(t->f),
                    t->c->arch->neighbours, cosine, sine, x, cols);
        }
    }
}

static void split_qkv(const pass *p)
{
    const pl_tape *t = p->t;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < p->rows; r++) {
        const float *from = t->f->qkv + r * t->stride;
        for (size_t part = 0; part < QKV; part++) {
            const size_t cols = part_cols(t, part);
            memcpy(t->qkv[part] + r * cols, from, cols * sizeof *from);
            from += cols;
        }
    }
}

static void join_qkv(const pass *p, float *out)
{
    const pl_tape *t = p->t;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < p->rows; r++) {
        float *to = out + r * t->stride;
        for (size_t part = 0; part < QKV; part++) {
            const size_t cols = part_cols(t, part);
            memcpy(to, t->grad_q[part] + r * cols, cols * sizeof *to);
            to += cols;
        }
    }
}

static pl_status see_cache(const pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    bool failed = false;
    memcpy(t->seen, t->qkv, sizeof t->seen);
    if (p->hooks->cache == NULL) {
        return PL_OK;
    }
    for (size_t part = 0; part < QKV; part++) {
        if (t->cached[part] == NULL) {
            t->cached[part] = pl_forward_floats(t->most * t->length, part_cols(t, part), &failed);
        }
        t->seen[part] = t->cached[part];
    }
    return failed ? pl_error_memory(err, "a block's keys and values")
                  : p->hooks->cache(p->hooks->ctx, (const float *const *)t->qkv, p->rows, t->seen,
                                    err);
}

static pl_attention attention_of(const pl_tape *t, size_t window)
{
    const pl_step s = window_step(t);
    const size_t first = window * t->length;
    pl_attention a = pl_forward_attention(&s, t->raw[PL_SITE_O] + first * t->f->q_rows);
    a.q = t->seen[0] + first * t->f->q_rows;
    a.q_stride = t->f->q_rows;
    a.k = t->seen[1] + first * t->f->kv_rows;
    a.v = t->seen[2] + first * t->f->kv_rows;
    return a;
}

static pl_status attend(const pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_step s = window_step(t);
    const float *cosine, *sine;
    norm_rows(p, PL_NORM_ATTENTION, t->x, t->raw[PL_SITE_QKV]);
    pl_status status = run_site(p, PL_SITE_QKV, t->f->qkv, err);
    if (status != PL_OK) {
        return status;
    }
    split_qkv(p);
    norm_heads(p, PL_NORM_Q, t->qkv[0], t->f->q_rows);
    norm_heads(p, PL_NORM_K, t->qkv[1], t->f->kv_rows);
    pl_forward_turns(&s, &cosine, &sine);
    turn(p, cosine, sine, t->qkv);
    status = see_cache(p, err);
    for (size_t w = 0; status == PL_OK && w < t->windows; w++) {
        const pl_attention a = attention_of(t, w);
        pl_attend(&a);
        status = pl_task_tick(p->task, err);
    }
    return status;
}

/* sum = x + the norm of out, where the block has one there. */
static pl_status add_half(const pass *p, const float *x, pl_norm_role role, const float *out,
                          float *sum, pl_error *err)
{
    const size_t hidden = p->t->c->hidden_size;
    norm_rows(p, role, out, sum);
    pl_forward_scale(sum, p->rows * hidden, p->t->c->residual_scale);
    return pl_add_finite(sum, x, p->rows * hidden)
               ? PL_OK
               : pl_error_set(err, PL_ERR_NUMERIC,
                              "model.layers.%zu: the residual stream is not finite",
                              p->t->f->w.block);
}

/* What the norm before the MLP sees. */
static const float *mlp_input(const pl_tape *t)
{
    return t->c->arch->parallel ? t->x : t->middle;
}

pl_status pl_tape_forward(pl_tape *t, const float *x, size_t windows, const pl_tape_hooks *hooks,
                          float *y, pl_task *task, pl_error *err)
{
    if (t->f->w.block == SIZE_MAX || windows == 0 || windows > t->most) {
        return pl_error_set(err, PL_ERR_STATE,
                            "a block's forward pass over %zu windows needs a loaded block and 1 to "
                            "%zu windows",
                            windows, t->most);
    }
    t->x = x;
    t->windows = windows;
    const pass p = pass_of(t, hooks, task);
    pl_status status = attend(&p, err);
    PL_THEN(run_site(&p, PL_SITE_O, t->o_out, err));
    PL_THEN(add_half(&p, x, PL_NORM_ATTENTION_OUT, t->o_out, t->middle, err));
    if (status == PL_OK) {
        norm_rows(&p, pl_forward_input_norm(t->c, PL_NORM_MLP), mlp_input(t),
                  t->raw[PL_SITE_GATE_UP]);
        status = run_site(&p, PL_SITE_GATE_UP, t->f->gate_up, err);
    }
    if (status == PL_OK) {
        const size_t inner = t->c->intermediate_size;
        if (t->c->gated) {
            pl_gate_mul(t->c->activation, t->f->gate_up, 2 * inner, p.rows, inner,
                        t->raw[PL_SITE_DOWN]);
        } else {
            pl_activate(t->c->activation, t->f->gate_up, p.rows, inner, t->raw[PL_SITE_DOWN]);
        }
        status = run_site(&p, PL_SITE_DOWN, t->down_out, err);
    }
    PL_THEN(add_half(&p, t->middle, PL_NORM_MLP_OUT, t->down_out, y, err));
    if (status != PL_OK) {
        t->windows = 0;
    }
    return status;
}

/* --- backward --------------------------------------------------------------------------------- */

/* FLOP between two ticks. */
static const double PIECE = 2e9;

/* Rows of a product of so many FLOP a row, a multiple of 64, that take so long. */
static size_t piece_of(double flops_a_row, size_t rows)
{
    const double most = PIECE / flops_a_row;
    return most >= (double)rows ? rows : most < 64.0 ? 64 : (size_t)most / 64 * 64;
}

/* sum[outputs, cols] += grad[rows, outputs]^T x[rows, cols]. */
static pl_status add_weight_gradient(const pass *p, const float *grad, const float *x,
                                     size_t outputs, size_t cols, float *sum, pl_error *err)
{
    const size_t piece = piece_of(2.0 * (double)p->rows * (double)cols, outputs);
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < outputs; first += piece) {
        const size_t count = outputs - first < piece ? outputs - first : piece;
        status = pl_task_tick(p->task, err);
        if (status == PL_OK) {
            pl_gemm_tn(count, cols, p->rows, grad + first, outputs, x, cols, 1.0f,
                       sum + first * cols, cols);
        }
    }
    return status;
}

/* grad[rows, outputs], of what the site's layers gave, to in_grad[rows, cols], of its raw input. */
static pl_status site_back(const pass *p, pl_site_role role, const float *grad,
                           const pl_tape_sums *sums, float *in_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t cols = cols_of(t, role), outputs = role_outputs(t, role);
    const float *w = pass_weights(p, role);
    const size_t piece = piece_of(2.0 * (double)outputs * (double)cols, p->rows);
    pl_status status = PL_OK;
    if (sums != NULL && sums->weights[role] != NULL) {
        status = add_weight_gradient(p, grad, t->in[role], outputs, cols, sums->weights[role], err);
    }
    if (sums != NULL && sums->biases[role] != NULL) {
        pl_add_bias_back(grad, p->rows, outputs, sums->biases[role]);
    }
    for (size_t first = 0; status == PL_OK && first < p->rows; first += piece) {
        const size_t count = p->rows - first < piece ? p->rows - first : piece;
        status = pl_task_tick(p->task, err);
        if (status == PL_OK) {
            pl_gemm_nn(count, cols, outputs, 1.0f, grad + first * outputs, outputs, w, cols, 0.0f,
                       in_grad + first * cols, cols);
        }
    }
    if (status == PL_OK && p->hooks->input != NULL) {
        status = p->hooks->input_back(p->hooks->ctx, role, t->raw[role], p->rows, in_grad, err);
    }
    return status;
}

/* grad[rows, hidden] of a norm of x to that of x, in place. */
static void norm_back(const pass *p, pl_norm_role role, const float *x, float *grad)
{
    const pl_tape *t = p->t;
    const size_t hidden = t->c->hidden_size;
    if (t->f->w.norms[role] != NULL && t->c->arch->layer_norm) {
        pl_layer_norm_back(x, t->f->w.norms[role], t->c->norm_eps, p->rows, hidden, grad);
    } else if (t->f->w.norms[role] != NULL) {
        pl_rms_norm_back(x, hidden, t->f->w.norms[role], t->c->norm_eps, p->rows, 1, hidden, grad,
                         hidden);
    }
}

/* Of the linear layers' outputs, which the forward pass left in place. */
static void norm_heads_back(const pass *p, pl_norm_role role, size_t part)
{
    const pl_tape *t = p->t;
    const size_t size = pl_model_norm_size(t->c, role), cols = part_cols(t, part);
    if (t->f->w.norms[role] != NULL) {
        pl_rms_norm_back(t->f->qkv + (part == 0 ? 0 : t->f->q_rows), t->stride, t->f->w.norms[role],
                         t->c->norm_eps, p->rows, cols / size, size, t->grad_q[part], cols);
    }
}

/* out_grad[rows, q_rows], of attention's output, to the gradient of q, k and v side by side. */
static pl_status attend_back(const pass *p, const float *out_grad, float *qkv_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_step s = window_step(t);
    const pl_config *c = t->c;
    const float *cosine, *sine;
    pl_status status = PL_OK;
    for (size_t w = 0; status == PL_OK && w < t->windows; w++) {
        const pl_attention a = attention_of(t, w);
        const size_t q_at = w * t->length * t->f->q_rows, kv_at = w * t->length * t->f->kv_rows;
        pl_attend_back(&a, out_grad + q_at, t->grad_q[0] + q_at, t->head_k, t->head_v, t->scratch);
        pl_gather_heads(t->head_k, t->length, c->heads, c->kv_heads, c->head_dim,
                        t->grad_q[1] + kv_at);
        pl_gather_heads(t->head_v, t->length, c->heads, c->kv_heads, c->head_dim,
                        t->grad_q[2] + kv_at);
        status = pl_task_tick(p->task, err);
    }
    if (status == PL_OK && p->hooks->cache != NULL) {
        status = p->hooks->cache_back(p->hooks->ctx, (const float *const *)t->qkv, p->rows,
                                      t->grad_q, err);
    }
    if (status == PL_OK) {
        pl_forward_turns(&s, &cosine, &sine);
        for (size_t i = 0; i < t->length * (c->rotary_dim / 2); i++) {
            t->minus_sine[i] = -sine[i];
        }
        turn(p, cosine, t->minus_sine, t->grad_q);
        norm_heads_back(p, PL_NORM_Q, 0);
        norm_heads_back(p, PL_NORM_K, 1);
        join_qkv(p, qkv_grad);
    }
    return status;
}

static void add_rows(float *to, const float *from, size_t count)
{
    const bool finite = pl_add_finite(to, from, count); /* whoever uses it asks */
    (void)finite;
}

static pl_status mlp_back(const pass *p, float *grad, const pl_tape_sums *sums, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t hidden = t->c->hidden_size, inner = t->c->intermediate_size;
    float *out_grad = t->f->normed;
    memcpy(out_grad, grad, p->rows * hidden * sizeof *grad);
    pl_forward_scale(out_grad, p->rows * hidden, t->c->residual_scale);
    norm_back(p, PL_NORM_MLP_OUT, t->down_out, out_grad);
    pl_status status = site_back(p, PL_SITE_DOWN, out_grad, sums, t->narrow, err);
    if (status == PL_OK) {
        if (t->c->gated) {
            pl_gate_mul_back(t->c->activation, t->f->gate_up, t->narrow, p->rows, inner, t->wide);
        } else {
            pl_activate_back(t->c->activation, t->f->gate_up, t->narrow, p->rows * inner, t->wide);
        }
        status = site_back(p, PL_SITE_GATE_UP, t->wide, sums, t->narrow, err);
    }
    if (status == PL_OK) {
        norm_back(p, pl_forward_input_norm(t->c, PL_NORM_MLP), mlp_input(t), t->narrow);
        add_rows(grad, t->narrow, p->rows * hidden);
    }
    return status;
}

static pl_status attention_back(const pass *p, float *grad, const pl_tape_sums *sums, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t hidden = t->c->hidden_size;
    float *out_grad = t->f->normed;
    memcpy(out_grad, t->direct != NULL ? t->direct : grad, p->rows * hidden * sizeof *grad);
    pl_forward_scale(out_grad, p->rows * hidden, t->c->residual_scale);
    norm_back(p, PL_NORM_ATTENTION_OUT, t->o_out, out_grad);
    pl_status status = site_back(p, PL_SITE_O, out_grad, sums, t->narrow, err);
    PL_THEN(attend_back(p, t->narrow, t->wide, err));
    PL_THEN(site_back(p, PL_SITE_QKV, t->wide, sums, t->narrow, err));
    if (status == PL_OK) {
        norm_back(p, PL_NORM_ATTENTION, t->x, t->narrow);
        add_rows(grad, t->narrow, p->rows * hidden);
    }
    return status;
}

pl_status pl_tape_backward(pl_tape *t, const pl_tape_hooks *hooks, float *grad,
                           const pl_tape_sums *sums, pl_task *task, pl_error *err)
{
    if (t->windows == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "a block's backward pass needs its forward pass before it");
    }
    const pass p = pass_of(t, hooks, task);
    if (t->direct != NULL) {
        memcpy(t->direct, grad, p.rows * t->c->hidden_size * sizeof *grad);
    }
    pl_status status = mlp_back(&p, grad, sums, err);
    return status == PL_OK ? attention_back(&p, grad, sums, err) : status;
}
