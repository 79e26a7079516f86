/* Latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): queries, keys and values are made
 * from two short vectors a token.  RoPE turns only some dimensions of a head, which in keys are the
 * same for all heads. */
#include "core/model/forward_parts.h"
#include "core/model/model_parts.h"

#include <string.h>

/* Columns of the first site's outputs that are the queries', or their latent vector. */
static size_t query_cols(const pl_step *s)
{
    return s->c->q_latent > 0 ? s->c->q_latent : s->f->q_rows;
}

/* f->low[length, width] = the norm of so many columns of latent from `first` on. */
static void norm_latent(const pl_step *s, const float *latent, size_t first, size_t width,
                        pl_norm_role norm)
{
    pl_forward *f = s->f;
    for (size_t t = 0; t < s->length; t++) {
        memcpy(f->low + t * width, latent + t * f->outputs + first, width * sizeof *f->low);
    }
    pl_rms_norm(f->low, f->w.norms[norm], s->c->latent_eps, s->length, width, f->low);
}

static pl_status see_queries(const pl_step *s, const float *latent, pl_error *err)
{
    const size_t site = s->f->model->blocks[s->f->w.block].sites[PL_SITE_LATENT];
    norm_latent(s, latent, 0, s->c->q_latent, PL_NORM_Q_LATENT);
    return pl_forward_see(s, site, s->f->low, s->length, s->c->q_latent, err);
}

/* What is cached of keys and values, and then the input of kv_b. */
static pl_status see_keys(const pl_step *s, const float *latent, pl_error *err)
{
    const pl_hooks *hooks = s->hooks;
    const size_t first = s->f->model->blocks[s->f->w.block].sites[PL_SITE_LATENT];
    const size_t site = first + (s->c->q_latent > 0 ? 1 : 0), width = s->c->kv_latent;
    pl_status status = PL_OK;
    norm_latent(s, latent, query_cols(s), width, PL_NORM_KV_LATENT);
    if (hooks != NULL && hooks->value != NULL) {
        status = hooks->value(hooks->ctx, s->f->w.block, s->f->low, s->length, width, err);
    }
    return status == PL_OK ? pl_forward_see(s, site, s->f->low, s->length, width, err) : status;
}

/* f->low[length, rotary_dim] = the part of all heads' keys that RoPE turns, as it is cached. */
static pl_status turn_shared_key(const pl_step *s, const float *latent, const float *cosine,
                                 const float *sine, pl_error *err)
{
    const pl_hooks *hooks = s->hooks;
    const size_t turned = s->c->rotary_dim;
    pl_rope(latent + query_cols(s) + s->c->kv_latent, s->f->outputs, s->length, 1, turned, turned,
            s->c->arch->neighbours, cosine, sine, s->f->low, turned);
    return hooks != NULL && hooks->key != NULL
               ? hooks->key(hooks->ctx, s->f->w.block, s->f->low, s->length, turned, err)
               : PL_OK;
}

pl_status pl_forward_latent_see(const pl_step *s, const float *latent, pl_error *err)
{
    pl_status status = s->c->q_latent > 0 ? see_queries(s, latent, err) : PL_OK;
    return status == PL_OK ? see_keys(s, latent, err) : status;
}

/* f->qkv[length, q_rows], with RoPE. */
static pl_status make_queries(const pl_step *s, const float *latent, const float *cosine,
                              const float *sine, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    pl_status status = PL_OK;
    if (c->q_latent > 0) {
        status = see_queries(s, latent, err);
        PL_THEN(pl_forward_linear(s, f->low, f->w.q_b, f->q_rows, c->q_latent, f->qkv, err));
    }
    for (size_t t = 0; c->q_latent == 0 && t < s->length; t++) {
        memcpy(f->qkv + t * f->q_rows, latent + t * f->outputs, f->q_rows * sizeof *f->qkv);
    }
    float *turned = f->qkv + c->head_dim - c->rotary_dim;
    if (status == PL_OK) {
        pl_rope(turned, f->q_rows, s->length, c->heads, c->head_dim, c->rotary_dim,
                c->arch->neighbours, cosine, sine, turned, f->q_rows);
    }
    return status;
}

/* Behind the queries in f->qkv what kv_b makes; from there to keys and values. */
static pl_status make_keys(const pl_step *s, const float *latent, const float *cosine,
                           const float *sine, pl_error *err)
{
    pl_forward *f = s->f;
    const pl_config *c = s->c;
    const size_t plain = c->head_dim - c->rotary_dim, each = plain + c->value_dim;
    float *made = f->qkv + s->length * f->q_rows;
    float *keys = pl_forward_keys(s), *values = pl_forward_values(s);
    pl_status status = see_keys(s, latent, err);
    PL_THEN(pl_forward_linear(s, f->low, f->w.kv_b, c->heads * each, c->kv_latent, made, err));
    PL_THEN(turn_shared_key(s, latent, cosine, sine, err));
    for (size_t t = 0; status == PL_OK && t < s->length; t++) {
        float *key = keys + t * f->kv_rows, *value = values + t * f->value_rows;
        for (size_t h = 0; h < c->heads; h++) {
            const float *from = made + (t * c->heads + h) * each;
            memcpy(key + h * c->head_dim, from, plain * sizeof *key);
            memcpy(key + h * c->head_dim + plain, f->low + t * c->rotary_dim,
                   c->rotary_dim * sizeof *key);
            memcpy(value + h * c->value_dim, from + plain, c->value_dim * sizeof *value);
        }
    }
    return status;
}

pl_status pl_forward_latent_run(const pl_step *s, const float *latent, float *attended,
                                pl_error *err)
{
    const float *cosine, *sine;
    pl_forward_turns(s, &cosine, &sine);
    pl_status status = make_queries(s, latent, cosine, sine, err);
    PL_THEN(make_keys(s, latent, cosine, sine, err));
    return status == PL_OK ? pl_forward_attend(s, attended, err) : status;
}
