/* Back through latent attention (latent.c). */
#include "core/model/tape_parts.h"

#include <stdlib.h>
#include <string.h>

struct pl_tape_latent {
    float *low[2]; /* [rows, q_latent], [rows, kv_latent]: behind the norms; queries' may be NULL */
    float *made;   /* [rows, those of kv_b]: its outputs, and then their gradients */
};

/* Columns of the first site's outputs: queries' latent vector (or the queries), keys' and values'
 * latent vector, and the part of all keys that RoPE turns. */
static size_t query_cols(const pl_tape *t)
{
    return t->c->q_latent > 0 ? t->c->q_latent : t->f->q_rows;
}

/* What RoPE leaves of a head, and what kv_b makes for one. */
static size_t plain_dims(const pl_config *c)
{
    return c->head_dim - c->rotary_dim;
}

static size_t made_dims(const pl_config *c)
{
    return plain_dims(c) + c->value_dim;
}

/* Numbers of the sites of q_b and of kv_b. */
static size_t keys_site(const pl_tape *t)
{
    return t->c->q_latent > 0 ? 2 : 1;
}

pl_status pl_tape_latent_create(const pl_tape *t, pl_tape_latent **out, pl_error *err)
{
    const pl_config *c = t->c;
    const size_t rows = t->most * t->length;
    bool failed = false;
    pl_tape_latent *l = calloc(1, sizeof *l);
    *out = l;
    if (l != NULL) {
        l->low[0] = c->q_latent > 0 ? pl_forward_floats(rows, c->q_latent, &failed) : NULL;
        l->low[1] = pl_forward_floats(rows, c->kv_latent, &failed);
        l->made = pl_forward_floats(rows, c->heads * made_dims(c), &failed);
    }
    return l != NULL && !failed
               ? PL_OK
               : pl_error_memory(err, "latent attention's backward pass over %zu tokens", rows);
}

void pl_tape_latent_destroy(pl_tape_latent *l)
{
    if (l != NULL) {
        free(l->low[0]);
        free(l->low[1]);
        free(l->made);
        free(l);
    }
}

/* low[rows, width] = the norm of so many columns of the latent vectors from `first` on. */
static void norm_latent(const pl_tape_pass *p, size_t first, size_t width, pl_norm_role norm,
                        float *low)
{
    const pl_tape *t = p->t;
    for (size_t r = 0; r < p->rows; r++) {
        memcpy(low + r * width, t->f->latent + r * t->f->outputs + first, width * sizeof *low);
    }
    pl_rms_norm(low, t->f->w.norms[norm], t->c->latent_eps, p->rows, width, low);
}

static pl_status make_queries(const pl_tape_pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t q_rows = t->f->q_rows;
    pl_status status = PL_OK;
    if (t->c->q_latent > 0) {
        norm_latent(p, 0, t->c->q_latent, PL_NORM_Q_LATENT, t->latent->low[0]);
        status = pl_tape_site_run(p, 1, t->latent->low[0], p->rows, t->qkv[0], err);
    }
    for (size_t r = 0; t->c->q_latent == 0 && r < p->rows; r++) {
        memcpy(t->qkv[0] + r * q_rows, t->f->latent + r * t->f->outputs, q_rows * sizeof(float));
    }
    pl_tape_turn(p, false, t->qkv[0] + plain_dims(t->c), q_rows, t->c->heads, t->c->rotary_dim);
    return status;
}

static pl_status make_keys(const pl_tape_pass *p, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    const size_t plain = plain_dims(c), each = made_dims(c), turned = c->rotary_dim;
    norm_latent(p, query_cols(t), c->kv_latent, PL_NORM_KV_LATENT, t->latent->low[1]);
    pl_status status =
        pl_tape_site_run(p, keys_site(t), t->latent->low[1], p->rows, t->latent->made, err);
    for (size_t r = 0; status == PL_OK && r < p->rows; r++) {
        const float *shared = t->f->latent + r * t->f->outputs + query_cols(t) + c->kv_latent;
        float *key = t->qkv[1] + r * t->f->kv_rows, *value = t->qkv[2] + r * t->f->value_rows;
        for (size_t h = 0; h < c->heads; h++) {
            const float *from = t->latent->made + (r * c->heads + h) * each;
            memcpy(key + h * c->head_dim, from, plain * sizeof *key);
            memcpy(key + h * c->head_dim + plain, shared, turned * sizeof *key);
            memcpy(value + h * c->value_dim, from + plain, c->value_dim * sizeof *value);
        }
    }
    pl_tape_turn(p, false, t->qkv[1] + plain, t->f->kv_rows, c->heads, turned);
    return status;
}

pl_status pl_tape_latent_run(const pl_tape_pass *p, pl_error *err)
{
    pl_status status = make_queries(p, err);
    return status == PL_OK ? make_keys(p, err) : status;
}

/* Columns of latent_grad from `first` on = the gradient low_grad[rows, width], back through the
 * norm. */
static void norm_latent_back(const pl_tape_pass *p, size_t first, size_t width, pl_norm_role norm,
                             float *low_grad, float *latent_grad)
{
    const pl_tape *t = p->t;
    pl_rms_norm_back(t->f->latent + first, t->f->outputs, t->f->w.norms[norm], t->c->latent_eps,
                     p->rows, 1, width, low_grad, width);
    for (size_t r = 0; r < p->rows; r++) {
        memcpy(latent_grad + r * t->f->outputs + first, low_grad + r * width,
               width * sizeof *low_grad);
    }
}

static pl_status queries_back(const pl_tape_pass *p, float *latent_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const size_t q_rows = t->f->q_rows;
    pl_status status = PL_OK;
    pl_tape_turn(p, true, t->grad_q[0] + plain_dims(t->c), q_rows, t->c->heads, t->c->rotary_dim);
    if (t->c->q_latent > 0) {
        status = pl_tape_site_back(p, 1, t->grad_q[0], t->narrow, err);
        if (status == PL_OK) {
            norm_latent_back(p, 0, t->c->q_latent, PL_NORM_Q_LATENT, t->narrow, latent_grad);
        }
        return status;
    }
    for (size_t r = 0; r < p->rows; r++) {
        memcpy(latent_grad + r * t->f->outputs, t->grad_q[0] + r * q_rows, q_rows * sizeof(float));
    }
    return PL_OK;
}

/* All heads' keys have the turned part: its gradient is their sum. */
static pl_status keys_back(const pl_tape_pass *p, float *latent_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    const size_t plain = plain_dims(c), each = made_dims(c), turned = c->rotary_dim;
    pl_tape_turn(p, true, t->grad_q[1] + plain, t->f->kv_rows, c->heads, turned);
    for (size_t r = 0; r < p->rows; r++) {
        const float *key = t->grad_q[1] + r * t->f->kv_rows;
        const float *value = t->grad_q[2] + r * t->f->value_rows;
        float *shared = latent_grad + r * t->f->outputs + query_cols(t) + c->kv_latent;
        memset(shared, 0, turned * sizeof *shared);
        for (size_t h = 0; h < c->heads; h++) {
            float *to = t->latent->made + (r * c->heads + h) * each;
            memcpy(to, key + h * c->head_dim, plain * sizeof *to);
            memcpy(to + plain, value + h * c->value_dim, c->value_dim * sizeof *to);
            for (size_t i = 0; i < turned; i++) {
                shared[i] += key[h * c->head_dim + plain + i];
            }
        }
    }
    pl_status status = pl_tape_site_back(p, keys_site(t), t->latent->made, t->narrow, err);
    if (status == PL_OK) {
        norm_latent_back(p, query_cols(t), c->kv_latent, PL_NORM_KV_LATENT, t->narrow, latent_grad);
    }
    return status;
}

pl_status pl_tape_latent_back(const pl_tape_pass *p, float *latent_grad, pl_error *err)
{
    pl_status status = queries_back(p, latent_grad, err);
    return status == PL_OK ? keys_back(p, latent_grad, err) : status;
}
