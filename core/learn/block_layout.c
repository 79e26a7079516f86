#include "core/learn/block.h"

#include "core/base/checked.h"
#include "core/learn/factor.h"
#include "core/tensor/kron.h"

#include <stdlib.h>

static const double CLIP_START = 4.0;

enum { CACHE_CLIPS = 4 };

/* Latent attention has no layer of values alone that could take P_v. */
static size_t turned_o(const pl_block_input *in)
{
    return in->latent ? PL_FLAT_NONE : (size_t)PL_SITE_O;
}

static pl_flat_layout site_layout(const pl_block_input *in, size_t site)
{
    const pl_site_input *own = &in->sites[site];
    const bool heads = site == turned_o(in);
    size_t n1 = in->heads, n2 = in->head_dim;
    if (!heads) {
        pl_kron_split(own->n, &n1, &n2);
    }
    return pl_flat_layout_split(own, n1, n2, !heads);
}

pl_block_layout pl_block_layout_of(const pl_block_input *in)
{
    const bool cache = in->kv.bits > 0 && !in->latent;
    pl_block_layout at = {.n_sites = in->n_sites,
                          .o = turned_o(in),
                          .head_dim = in->head_dim,
                          .value_rows = in->latent ? 0 : in->kv_heads * in->head_dim,
                          .key = PL_FLAT_NONE,
                          .cache = PL_FLAT_NONE};
    size_t parts = 0;
    for (size_t i = 0; i < at.n_sites; i++) {
        at.sites[i] = site_layout(in, i);
        parts += at.sites[i].clips;
    }
    if (cache) {
        at.key = parts;
        parts += pl_factor_params(in->head_dim);
    }
    at.clips = parts;
    size_t from = 0, clips = parts;
    for (size_t i = 0; i < at.n_sites; i++) {
        pl_flat_layout *site = &at.sites[i];
        const size_t own = site->clips, own_clips = site->count - site->clips;
        pl_flat_layout_move(site, from, clips);
        from += own;
        clips += own_clips;
    }
    if (cache) {
        at.cache = clips;
        clips += CACHE_CLIPS;
    }
    at.count = clips;
    for (size_t i = 0; i < at.n_sites; i++) {
        at.sites[i].clips = at.clips;
        at.sites[i].count = at.count;
    }
    return at;
}

pl_status pl_block_start(const pl_block_layout *at, const pl_block_input *in, double alpha,
                         uint64_t seed, double *params, pl_error *err)
{
    const uint64_t seeds = at->n_sites + 1; /* one for each site, and one for the keys */
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < at->n_sites; i++) {
        status = pl_flat_start(&at->sites[i], &in->sites[i], alpha, seeds * seed + i, params, err);
    }
    if (status == PL_OK && at->key != PL_FLAT_NONE) {
        status =
            pl_factor_start(at->head_dim, 2 * (seeds * seed + at->n_sites), params + at->key, err);
    }
    for (size_t i = at->clips; status == PL_OK && i < at->count; i++) {
        params[i] = CLIP_START;
    }
    return status;
}

/* P and its inverse in float32, [2, n, n]. */
static pl_status factor_floats(size_t n, const double *params, const char *name, float *out,
                               pl_error *err)
{
    pl_factor f = {0};
    pl_status status = pl_factor_init(&f, n, err);
    PL_THEN(pl_factor_make(&f, params, name, err));
    for (size_t i = 0; status == PL_OK && i < n * n; i++) {
        out[i] = (float)f.p[i];
        out[n * n + i % n * n + i / n] = (float)f.inverse_t[i];
    }
    pl_factor_deinit(&f);
    return status;
}

/* P of head_dim channels, on each of n / head_dim parts, from its parameters. */
static pl_status make_turn(size_t n, size_t head_dim, const double *params, const char *name,
                           const pl_act_range *clip, pl_transform **out, pl_error *err)
{
    const size_t square = head_dim * head_dim;
    float *floats = pl_alloc(2 * square, sizeof *floats);
    const pl_rotation_parts parts = {
        .n = n, .q = floats, .back = floats + square, .order = head_dim, .clip = clip};
    *out = NULL;
    pl_status status = floats != NULL ? PL_OK : pl_error_memory(err, "a transform");
    PL_THEN(factor_floats(head_dim, params, name, floats, err));
    PL_THEN(pl_transform_rotation(&parts, out, err));
    free(floats);
    return status;
}

/* P_v on the outputs of v, the third of the site's layers, and P_h on keys. */
static pl_status add_turns(const pl_block_layout *at, const double *params, pl_transform *t,
                           pl_error *err)
{
    enum { VALUES = 2 };
    const bool cache = at->key != PL_FLAT_NONE;
    const pl_act_range clips[] = {
        cache ? pl_flat_shares(params, at->cache, at->cache + 1) : (pl_act_range){1.0f, 1.0f},
        cache ? pl_flat_shares(params, at->cache + 2, at->cache + 3) : (pl_act_range){1.0f, 1.0f}};
    pl_transform *values = NULL, *keys = NULL;
    pl_status status = make_turn(at->value_rows, at->head_dim, params + at->sites[at->o].second,
                                 "factor P_v", cache ? &clips[1] : NULL, &values, err);
    if (status == PL_OK) {
        pl_transform_set_outputs(t, VALUES, values);
    }
    if (status == PL_OK && cache) {
        status = make_turn(at->head_dim, at->head_dim, params + at->key, "factor P_h", &clips[0],
                           &keys, err);
        pl_transform_set_keys(t, keys);
    }
    return status;
}

pl_status pl_block_transform(const pl_block_layout *at, size_t site, const double *params,
                             pl_transform **out, pl_error *err)
{
    pl_status status = pl_flat_transform(&at->sites[site], params, out, err);
    if (status == PL_OK && site == PL_SITE_QKV && at->value_rows > 0) {
        status = add_turns(at, params, *out, err);
    }
    if (status != PL_OK) {
        pl_transform_destroy(*out);
        *out = NULL;
    }
    return status;
}
