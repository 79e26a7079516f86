#include "core/learn/block.h"

#include "core/base/checked.h"
#include "core/learn/factor.h"
#include "core/tensor/kron.h"

#include <math.h>
#include <stdlib.h>

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

size_t pl_block_turn(const pl_block_layout *at, size_t site)
{
    return site > at->mixture && (site - at->mixture) % 2 == 0 ? at->mixture : site;
}

/* A site's parts begin at *parts and its clipping at *clips, which go on behind them. */
static void place_site(pl_block_layout *at, size_t site, size_t *parts, size_t *clips)
{
    const size_t turn = pl_block_turn(at, site);
    pl_flat_layout *own = &at->sites[site];
    const pl_flat_layout *of = &at->sites[turn];
    const size_t own_parts = own->clips, own_clips = own->count - own->clips;
    const size_t weight_clips = own->input_low - own->clips;
    pl_flat_layout_move(own, *parts, *clips);
    if (turn == site) {
        *parts += own_parts;
        *clips += own_clips;
        return;
    }
    own->first = of->first;
    own->second = of->second;
    own->scale = of->scale;
    own->input_low = of->input_low;
    own->input_high = of->input_high;
    *clips += weight_clips;
}

pl_status pl_block_layout_init(pl_block_layout *at, const pl_block_input *in, pl_error *err)
{
    const bool cache = in->kv.bits > 0 && !in->latent;
    *at = (pl_block_layout){.n_sites = in->n_sites,
                            .mixture = in->mixture,
                            .o = turned_o(in),
                            .head_dim = in->head_dim,
                            .value_rows = in->latent ? 0 : in->kv_heads * in->head_dim,
                            .key = PL_FLAT_NONE,
                            .cache = PL_FLAT_NONE};
    at->sites = pl_alloc(in->n_sites, sizeof *at->sites);
    if (at->sites == NULL) {
        at->n_sites = 0;
        return pl_error_memory(err, "the transforms of %s", in->name);
    }
    size_t parts = 0;
    for (size_t i = 0; i < at->n_sites; i++) {
        at->sites[i] = site_layout(in, i);
        parts += pl_block_turn(at, i) == i ? at->sites[i].clips : 0;
    }
    if (cache) {
        at->key = parts;
        parts += pl_factor_params(in->head_dim);
    }
    at->clips = parts;
    size_t from = 0, clips = parts;
    for (size_t i = 0; i < at->n_sites; i++) {
        place_site(at, i, &from, &clips);
    }
    if (cache) {
        at->cache = clips;
        clips += CACHE_CLIPS;
    }
    at->count = clips;
    for (size_t i = 0; i < at->n_sites; i++) {
        at->sites[i].clips = at->clips;
        at->sites[i].count = at->count;
    }
    return PL_OK;
}

void pl_block_layout_deinit(pl_block_layout *at)
{
    free(at->sites);
    *at = (pl_block_layout){0};
}

/* The T that all experts' gate and up have starts from all of their rows, and from the largest
 * inputs of any. */
static pl_status start_shared(const pl_flat_layout *at, const pl_block_input *in, double alpha,
                              uint64_t seed, double *params, pl_error *err)
{
    pl_site_input all = in->sites[in->mixture];
    size_t count = 0, filled = 0;
    for (size_t i = in->mixture; i < in->n_sites; i += 2) {
        count += in->sites[i].n_weights;
    }
    pl_view *views = pl_alloc(count, sizeof *views);
    float *largest = calloc(all.n, sizeof *largest);
    pl_status status = views != NULL && largest != NULL
                           ? PL_OK
                           : pl_error_memory(err, "the transform of %s", in->name);
    for (size_t i = in->mixture; status == PL_OK && i < in->n_sites; i += 2) {
        for (size_t k = 0; k < in->sites[i].n_weights; k++) {
            views[filled++] = in->sites[i].weights[k];
        }
        for (size_t c = 0; c < all.n; c++) {
            largest[c] = fmaxf(largest[c], in->sites[i].max_abs[c]);
        }
    }
    if (status == PL_OK) {
        all.weights = views;
        all.n_weights = count;
        all.max_abs = largest;
        status = pl_flat_start(at, &all, alpha, seed, params, err);
    }
    free(views);
    free(largest);
    return status;
}

pl_status pl_block_start(const pl_block_layout *at, const pl_block_input *in, double alpha,
                         uint64_t seed, double *params, pl_error *err)
{
    const uint64_t seeds = at->n_sites + 1; /* one for each site, and one for the keys */
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < at->n_sites; i++) {
        pl_flat_layout own = at->sites[i];
        own.count = own.clips; /* all of the clipping starts below */
        if (i == at->mixture) {
            status = start_shared(&own, in, alpha, seeds * seed + i, params, err);
        } else if (pl_block_turn(at, i) == i) {
            status = pl_flat_start(&own, &in->sites[i], alpha, seeds * seed + i, params, err);
        }
    }
    if (status == PL_OK && at->key != PL_FLAT_NONE) {
        status =
            pl_factor_start(at->head_dim, 2 * (seeds * seed + at->n_sites), params + at->key, err);
    }
    for (size_t i = at->clips; status == PL_OK && i < at->count; i++) {
        params[i] = PL_FLAT_CLIP_START;
    }
    for (size_t i = 0; status == PL_OK && i < at->n_sites; i++) {
        const pl_flat_layout *own = &at->sites[i];
        if (own->input_high > own->input_low) {
            params[own->input_low] = params[own->input_high] =
                pl_flat_clip_start(&in->sites[i].activations);
        }
    }
    for (size_t i = 0; status == PL_OK && at->cache != PL_FLAT_NONE && i < CACHE_CLIPS; i++) {
        params[at->cache + i] = pl_flat_clip_start(&in->kv);
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
