/* What a block that learns makes of its sites' inputs and of its cache; and back. */
#include "core/learn/block_parts.h"

#include "core/tensor/linalg.h"

#include <string.h>

/* sum[d, d] += a^T b over rows of [rows, d], in pieces that float32 sums well. */
static void add_product(const pl_block_objective *o, const float *a, const float *b, size_t rows,
                        double *sum)
{
    enum { PIECE = 512 };
    const size_t d = o->in.head_dim;
    for (size_t first = 0; first < rows; first += PIECE) {
        const size_t count = rows - first < PIECE ? rows - first : (size_t)PIECE;
        pl_gemm_tn(d, d, count, a + first * d, d, b + first * d, d, 0.0f, o->product, d);
        for (size_t i = 0; i < d * d; i++) {
            sum[i] += (double)o->product[i];
        }
    }
}

/* Attention's output is in P_v's coordinates already: across the heads alone. */
static pl_scaled_kron input_map(const pl_block_objective *o, size_t site)
{
    pl_scaled_kron map = pl_flat_site_input_map(o->sites[site].turn);
    if (site == o->at.o) {
        map.p2 = o->identity;
    }
    return map;
}

static bool is_expert(const pl_block_objective *o, size_t site)
{
    return site >= o->at.mixture;
}

/* An expert's weights stand in a room that all share: they are made anew for either pass. */
static pl_status make_expert(void *ctx, size_t site, bool back, pl_error *err)
{
    pl_block_objective *o = ctx;
    const pl_flat_layout *at = &o->at.sites[site];
    (void)err;
    if (is_expert(o, site)) {
        pl_block_round_site(o, site);
        if (back) { /* wg was the rounding's scratch, too */
            memset(o->sites[site].wg, 0, at->rows * at->n * sizeof *o->sites[site].wg);
        }
    }
    return PL_OK;
}

static pl_status see_input(void *ctx, size_t site, const float *x, size_t rows, float *out,
                           pl_error *err)
{
    pl_block_objective *o = ctx;
    pl_block_site *s = &o->sites[site];
    const pl_scaled_kron map = input_map(o, site);
    (void)err;
    pl_scaled_kron_rows(&map, x, rows, s->xt, out);
    pl_flat_site_round_inputs(&s->flat, o->params, s->xt, rows, out);
    return PL_OK;
}

static pl_status input_back(void *ctx, size_t site, const float *x, size_t rows, float *grad,
                            pl_error *err)
{
    pl_block_objective *o = ctx;
    pl_block_site *s = &o->sites[site];
    pl_flat_site *turn = s->turn;
    const size_t n = s->flat.at.n;
    const pl_scaled_kron map = input_map(o, site);
    if (is_expert(o, site)) {
        pl_scaled_kron_rows(&map, x, rows, s->xt, o->scratch);
    }
    pl_flat_site_inputs_back(&s->flat, o->params, s->xt, rows, grad, o->gradient);
    pl_status status = pl_scaled_kron_gradient(&map, x, rows, grad, turn->f1_sum,
                                               site == o->at.o ? o->unused_sum : turn->f2_sum,
                                               turn->scale_sum, err);
    if (status == PL_OK) {
#pragma omp parallel for schedule(static)
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < n; c++) {
                grad[r * n + c] *= turn->scale[c];
            }
        }
    }
    return status == PL_OK && is_expert(o, site) ? pl_block_site_back(o, site, err) : status;
}

/* Group i of keys or values [rows * kv_heads, head_dim]. */
static pl_flat_span cache_span(const pl_block_objective *o, size_t i)
{
    return pl_flat_span_in(o->in.head_dim, o->head_groups, o->cache_width, i);
}

static pl_act_range cache_share(const pl_block_objective *o, bool values)
{
    const size_t at = o->at.cache + (values ? 2 : 0);
    pl_act_range share = pl_flat_shares(o->params, at, at + 1);
    share.lo *= (float)o->in.kv.clip;
    share.hi *= (float)o->in.kv.clip;
    return share;
}

static void round_cache(pl_block_objective *o, bool values, const float *x, size_t rows, float *out)
{
    const size_t count = rows * o->in.kv_heads * o->head_groups;
    pl_round_group *groups = o->cached + (values ? o->cache_groups : 0);
    const pl_act_range share = cache_share(o, values);
    const bool tensor = pl_round_of_tensor(&o->cache);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = cache_span(o, i);
        float most = 0.0f;
        if (tensor) { /* a head's vector */
            const size_t d = o->in.head_dim;
            const pl_act_range all = pl_act_row_range(x + i / o->head_groups * d, d);
            most = pl_act_farther(pl_act_kept(all, share));
        }
        groups[i] = pl_round_fit(&o->cache, pl_act_row_range(x + span.first, span.count), share,
                                 most, x + span.first, span.count);
        pl_round_apply(&o->cache, &groups[i], x + span.first, span.count, out + span.first);
    }
}

static void cache_round_back(pl_block_objective *o, bool values, const float *x, size_t rows,
                             float *grad)
{
    const size_t count = rows * o->in.kv_heads * o->head_groups;
    const size_t at = o->at.cache + (values ? 2 : 0);
    const pl_round_group *groups = o->cached + (values ? o->cache_groups : 0);
    const pl_act_range share = cache_share(o, values);
    const pl_act_range learned = pl_flat_shares(o->params, at, at + 1);
    double low = 0.0, high = 0.0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = cache_span(o, i);
        pl_round_back(&o->cache, &groups[i], share, x + span.first, span.count, grad + span.first,
                      &o->ends[2 * i], &o->ends[2 * i + 1]);
    }
    for (size_t i = 0; i < count; i++) {
        low += o->ends[2 * i];
        high += o->ends[2 * i + 1];
    }
    o->gradient[at] = low * o->in.kv.clip * pl_flat_slope(learned.lo);
    o->gradient[at + 1] = high * o->in.kv.clip * pl_flat_slope(learned.hi);
}

static pl_status see_cache(void *ctx, const float *const qkv[3], size_t rows, float *const out[3],
                           pl_error *err)
{
    pl_block_objective *o = ctx;
    const size_t d = o->in.head_dim;
    (void)err;
    pl_gemm_nn(rows * o->in.heads, d, d, 1.0f, qkv[0], d, o->p_h_back, d, 0.0f, out[0], d);
    pl_gemm_nn(rows * o->in.kv_heads, d, d, 1.0f, qkv[1], d, o->p_h, d, 0.0f, o->kt, d);
    round_cache(o, false, o->kt, rows, out[1]);
    round_cache(o, true, qkv[2], rows, out[2]);
    return PL_OK;
}

/* grad <- grad m^T; scratch[rows, head_dim]. */
static void turn_gradient(pl_block_objective *o, const float *m, size_t rows, float *grad,
                          float *scratch)
{
    const size_t d = o->in.head_dim;
    memcpy(scratch, grad, rows * d * sizeof *grad);
    pl_gemm_nt(rows, d, d, 1.0f, scratch, d, m, d, 0.0f, grad, d);
}

static pl_status cache_back(void *ctx, const float *const qkv[3], size_t rows, float *const grad[3],
                            pl_error *err)
{
    pl_block_objective *o = ctx;
    (void)err;
    cache_round_back(o, true, qkv[2], rows, grad[2]);
    cache_round_back(o, false, o->kt, rows, grad[1]);
    add_product(o, qkv[0], grad[0], rows * o->in.heads, o->key_back_sum);
    add_product(o, qkv[1], grad[1], rows * o->in.kv_heads, o->key_sum);
    turn_gradient(o, o->p_h_back, rows * o->in.heads, grad[0],
                  o->sites[o->at.o].xt); /* o is done */
    turn_gradient(o, o->p_h, rows * o->in.kv_heads, grad[1], o->kt);
    return PL_OK;
}

pl_tape_hooks pl_block_hooks(pl_block_objective *o)
{
    pl_tape_hooks hooks = {.ctx = o,
                           .weights = o->used_weights,
                           .biases = o->used_biases,
                           .weights_used = make_expert,
                           .input = see_input,
                           .input_back = input_back};
    for (size_t site = 0; site < o->at.n_sites; site++) {
        o->used_weights[site] = o->sites[site].wq;
    }
    o->used_biases[PL_SITE_QKV] =
        pl_tape_biases(o->in.tape, PL_SITE_QKV) != NULL ? o->biases : NULL;
    if (o->at.key != PL_FLAT_NONE) {
        hooks.cache = see_cache;
        hooks.cache_back = cache_back;
    }
    return hooks;
}
