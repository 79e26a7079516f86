/* Attention of a block's backward pass: from the first site's outputs to o's input, and back. */
#include "core/model/model_parts.h"
#include "core/model/tape_parts.h"

#include <string.h>

size_t pl_tape_part_cols(const pl_tape *t, size_t part)
{
    return part == 0 ? t->f->q_rows : part == 1 ? t->f->kv_rows : t->f->value_rows;
}

/* --- forward ---------------------------------------------------------------------------------- */

static pl_step window_step(const pl_tape *t)
{
    return (pl_step){.f = t->f, .c = t->c, .length = t->length};
}

/* Heads' norms as in the forward pass; the linear layers' outputs stay as they are. */
static void norm_heads(const pl_tape_pass *p, pl_norm_role role, float *x, size_t cols)
{
    const pl_tape *t = p->t;
    const size_t size = pl_model_norm_size(t->c, role);
    if (t->f->w.norms[role] != NULL) {
        pl_head_norm(x, cols, p->rows, cols / size, size, t->f->w.norms[role], t->c->norm_eps);
    }
}

/* Queries and keys turned by RoPE, in place; or back. */
static void turn_heads(const pl_tape_pass *p, bool back, float *const qk[])
{
    const pl_tape *t = p->t;
    const size_t heads[2] = {t->c->heads, t->c->kv_heads};
    for (size_t part = 0; part < 2; part++) {
        pl_tape_turn(p, back, qk[part], pl_tape_part_cols(t, part), heads[part],
                     pl_forward_rotated(t->f));
    }
}

/* Whether norms stand behind RoPE in the loaded block, and whether its queries grow with their
 * position. */
static bool norms_turned(const pl_tape *t)
{
    return t->c->normed_heads && pl_forward_rotated(t->f) > 0;
}

static bool tempers(const pl_tape *t)
{
    return t->c->temper_floor > 0 && pl_forward_rotated(t->f) == 0;
}

/* Queries [rows, heads * head_dim], or their gradients. */
static void temper_rows(const pl_tape_pass *p, float *q)
{
    const pl_tape *t = p->t;
    for (size_t r = 0; tempers(t) && r < p->rows; r++) {
        pl_forward_scale(q + r * t->f->q_rows, t->f->q_rows,
                         (double)pl_forward_temper(t->c, r % t->length));
    }
}

static void fill_ones(float *ones, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ones[i] = 1.0f;
    }
}

/* llama4's norms behind RoPE, which keep what they are made of. */
static void norm_turned(const pl_tape_pass *p)
{
    const pl_tape *t = p->t;
    const size_t d = t->c->head_dim;
    float ones[PL_MAX_HEAD_DIM];
    fill_ones(ones, d);
    for (size_t part = 0; norms_turned(t) && part < 2; part++) {
        const size_t cols = pl_tape_part_cols(t, part);
        memcpy(t->turned[part], t->qkv[part], p->rows * cols * sizeof(float));
        pl_head_norm(t->qkv[part], cols, p->rows, cols / d, d, ones, t->c->norm_eps);
    }
}

static void split_qkv(const pl_tape_pass *p)
{
    const pl_tape *t = p->t;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < p->rows; r++) {
        const float *from = t->f->qkv + r * t->f->outputs;
        for (size_t part = 0; part < PL_TAPE_QKV; part++) {
            const size_t cols = pl_tape_part_cols(t, part);
            memcpy(t->qkv[part] + r * cols, from, cols * sizeof *from);
            from += cols;
        }
    }
}

static pl_status see_cache(const pl_tape_pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    bool failed = false;
    memcpy(t->seen, t->qkv, sizeof t->seen);
    if (p->hooks->cache == NULL) {
        return PL_OK;
    }
    for (size_t part = 0; part < PL_TAPE_QKV; part++) {
        if (t->cached[part] == NULL) {
            t->cached[part] =
                pl_forward_floats(t->most * t->length, pl_tape_part_cols(t, part), &failed);
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
    pl_attention a = pl_forward_attention(&s, t->f->attended + first * t->f->o_cols);
    a.q = t->seen[0] + first * t->f->q_rows;
    a.q_stride = t->f->q_rows;
    a.k = t->seen[1] + first * t->f->kv_rows;
    a.v = t->seen[2] + first * t->f->value_rows;
    return a;
}

/* t->qkv, of what stands behind the norm before attention. */
static pl_status make_qkv(const pl_tape_pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    const bool latent = t->latent != NULL;
    pl_status status =
        pl_tape_site_run(p, 0, t->attention_in, p->rows, latent ? t->f->latent : t->f->qkv, err);
    if (status != PL_OK || latent) {
        return status == PL_OK ? pl_tape_latent_run(p, err) : status;
    }
    split_qkv(p);
    norm_heads(p, PL_NORM_Q, t->qkv[0], t->f->q_rows);
    norm_heads(p, PL_NORM_K, t->qkv[1], t->f->kv_rows);
    turn_heads(p, false, t->qkv);
    norm_turned(p);
    temper_rows(p, t->qkv[0]);
    return PL_OK;
}

pl_status pl_tape_attend(const pl_tape_pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    pl_status status = make_qkv(p, err);
    PL_THEN(see_cache(p, err));
    for (size_t w = 0; status == PL_OK && w < t->windows; w++) {
        const pl_attention a = attention_of(t, w);
        pl_attend(&a);
        status = pl_task_tick(p->task, err);
    }
    return status;
}

/* --- backward --------------------------------------------------------------------------------- */

static void join_qkv(const pl_tape_pass *p, float *out)
{
    const pl_tape *t = p->t;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < p->rows; r++) {
        float *to = out + r * t->f->outputs;
        for (size_t part = 0; part < PL_TAPE_QKV; part++) {
            const size_t cols = pl_tape_part_cols(t, part);
            memcpy(to, t->grad_q[part] + r * cols, cols * sizeof *to);
            to += cols;
        }
    }
}

/* Of the linear layers' outputs, which the forward pass left in place. */
static void norm_heads_back(const pl_tape_pass *p, pl_norm_role role, size_t part)
{
    const pl_tape *t = p->t;
    const size_t size = pl_model_norm_size(t->c, role), cols = pl_tape_part_cols(t, part);
    if (t->f->w.norms[role] != NULL) {
        pl_rms_norm_back(t->f->qkv + (part == 0 ? 0 : t->f->q_rows), t->f->outputs,
                         t->f->w.norms[role], t->c->norm_eps, p->rows, cols / size, size,
                         t->grad_q[part], cols);
    }
}

static void norm_turned_back(const pl_tape_pass *p)
{
    const pl_tape *t = p->t;
    const size_t d = t->c->head_dim;
    float ones[PL_MAX_HEAD_DIM];
    fill_ones(ones, d);
    for (size_t part = 0; norms_turned(t) && part < 2; part++) {
        const size_t cols = pl_tape_part_cols(t, part);
        pl_rms_norm_back(t->turned[part], cols, ones, t->c->norm_eps, p->rows, cols / d, d,
                         t->grad_q[part], cols);
    }
}

pl_status pl_tape_attend_back(const pl_tape_pass *p, const float *out_grad, float *qkv_grad,
                              pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_status status = PL_OK;
    for (size_t w = 0; status == PL_OK && w < t->windows; w++) {
        const pl_attention a = attention_of(t, w);
        const size_t first = w * t->length;
        pl_attend_back(&a, out_grad + first * t->f->o_cols, t->grad_q[0] + first * t->f->q_rows,
                       t->head_k, t->head_v, t->scratch);
        pl_gather_heads(t->head_k, t->length, c->heads, c->kv_heads, c->head_dim,
                        t->grad_q[1] + first * t->f->kv_rows);
        pl_gather_heads(t->head_v, t->length, c->heads, c->kv_heads, c->value_dim,
                        t->grad_q[2] + first * t->f->value_rows);
        status = pl_task_tick(p->task, err);
    }
    if (status == PL_OK && p->hooks->cache != NULL) {
        status = p->hooks->cache_back(p->hooks->ctx, (const float *const *)t->qkv, p->rows,
                                      t->grad_q, err);
    }
    if (status != PL_OK || t->latent != NULL) {
        return status == PL_OK ? pl_tape_latent_back(p, qkv_grad, err) : status;
    }
    temper_rows(p, t->grad_q[0]);
    norm_turned_back(p);
    turn_heads(p, true, t->grad_q);
    norm_heads_back(p, PL_NORM_Q, 0);
    norm_heads_back(p, PL_NORM_K, 1);
    join_qkv(p, qkv_grad);
    return PL_OK;
}
