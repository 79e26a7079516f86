#include "core/learn/block.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- making ----------------------------------------------------------------------------------- */

static pl_status no_memory_block(const char *name, pl_error *err)
{
    return pl_error_memory(err, "learning the transforms of %s", name);
}

static pl_status check_block(const pl_block_input *in, pl_error *err)
{
    bool quantized = in->kv.bits > 0 && !in->latent;
    for (size_t site = 0; site < in->n_sites; site++) {
        quantized =
            quantized || in->sites[site].grid != NULL || in->sites[site].activations.bits > 0;
    }
    return quantized ? PL_OK
                     : pl_error_set(err, PL_ERR_STATE,
                                    "%s: nothing is quantized, so transforms have nothing to "
                                    "learn: set activations bits=4, or a rounder",
                                    in->name);
}

static size_t batch_rows(const pl_block_objective *o)
{
    return o->batch * o->in.length;
}

static size_t cached_cols(const pl_block_objective *o)
{
    return o->in.kv_heads * o->in.head_dim;
}

/* Groups of the keys, or of the values, of one head. */
static size_t head_groups(const pl_block_objective *o)
{
    return (o->in.head_dim + o->cache_width - 1) / o->cache_width;
}

static size_t cached_groups(const pl_block_objective *o)
{
    return batch_rows(o) * o->in.kv_heads * head_groups(o);
}

/* One piece of the floats: where it goes, and its size. */
typedef struct piece {
    float **at;
    size_t count;
} piece;

static pl_status share_floats(pl_block_objective *o, pl_error *err)
{
    const size_t rows = batch_rows(o), square = o->in.head_dim * o->in.head_dim;
    const size_t hidden = o->in.hidden, states = rows * hidden;
    piece pieces[4 * PL_BLOCK_SITES + 12];
    size_t count = 0, all = 0;
    for (size_t site = 0; site < o->at.n_sites; site++) {
        const pl_flat_layout *at = &o->at.sites[site];
        pieces[count++] = (piece){&o->xt[site], rows * at->n};
        pieces[count++] = (piece){&o->wt[site], at->rows * at->n};
        pieces[count++] = (piece){&o->wq[site], at->rows * at->n};
        pieces[count++] = (piece){&o->wg[site], at->rows * at->n};
    }
    const size_t outputs = o->at.sites[PL_SITE_QKV].rows;
    const piece others[] = {{&o->clipped, o->at.value_rows * hidden},
                            {&o->mixed, o->at.value_rows * hidden},
                            {&o->biases, outputs},
                            {&o->bias_sum, outputs},
                            {&o->p_h, square},
                            {&o->p_h_back, square},
                            {&o->identity, square},
                            {&o->product, square},
                            {&o->batch_x, states},
                            {&o->y, states},
                            {&o->lost, states},
                            {&o->kt, rows * cached_cols(o)}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        pieces[count++] = others[i];
    }
    for (size_t i = 0; i < count; i++) {
        all += pieces[i].count;
    }
    o->floats = pl_alloc(all, sizeof *o->floats);
    if (o->floats == NULL) {
        return no_memory_block(o->in.name, err);
    }
    float *next = o->floats;
    for (size_t i = 0; i < count; i++) {
        *pieces[i].at = next;
        next += pieces[i].count;
    }
    return PL_OK;
}

static pl_status allocate_block(pl_block_objective *o, pl_error *err)
{
    const size_t square = o->in.head_dim * o->in.head_dim;
    o->order = pl_alloc(o->in.windows, sizeof *o->order);
    o->cached = pl_alloc(2 * cached_groups(o), sizeof *o->cached);
    o->ends = pl_alloc(2 * cached_groups(o), sizeof *o->ends);
    o->key_sum = pl_alloc(3 * square, sizeof *o->key_sum);
    o->window_sums = pl_alloc(2 * o->batch, sizeof *o->window_sums);
    o->targets = pl_alloc(o->in.windows * o->in.length * o->in.hidden, sizeof *o->targets);
    if (o->order == NULL || o->window_sums == NULL || o->cached == NULL || o->ends == NULL ||
        o->key_sum == NULL || o->targets == NULL) {
        return no_memory_block(o->in.name, err);
    }
    o->key_back_sum = o->key_sum + square;
    o->unused_sum = o->key_back_sum + square;
    pl_status status = share_floats(o, err);
    for (size_t i = 0; status == PL_OK && i < square; i++) {
        o->identity[i] = i % (o->in.head_dim + 1) == 0 ? 1.0f : 0.0f;
    }
    return status == PL_OK && o->at.key != PL_FLAT_NONE
               ? pl_factor_init(&o->key, o->in.head_dim, err)
               : status;
}

/* The windows in a seeded order (Fisher and Yates). */
static void shuffle_windows(pl_block_objective *o, uint64_t seed)
{
    pl_rng rng;
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < o->in.windows; i++) {
        const size_t other = (size_t)pl_rng_below(&rng, i + 1);
        o->order[i] = i;
        o->order[i] = o->order[other];
        o->order[other] = i;
    }
}

/* What the block gives in full precision. */
static pl_status find_targets(pl_block_objective *o, pl_task *task, pl_error *err)
{
    const size_t each = o->in.length * o->in.hidden;
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < o->in.windows; first += o->batch) {
        const size_t left = o->in.windows - first;
        status =
            pl_tape_forward(o->in.tape, o->in.x + first * each, left < o->batch ? left : o->batch,
                            NULL, o->targets + first * each, task, err);
    }
    return status;
}

pl_status pl_block_objective_init(pl_block_objective *o, const pl_block_input *in, size_t batch,
                                  uint64_t seed, pl_task *task, pl_error *err)
{
    const size_t width = in->kv_group_size;
    *o = (pl_block_objective){
        .in = *in,
        .at = pl_block_layout_of(in),
        .batch = batch < in->windows ? batch : in->windows,
        .cache = pl_rounding_of_activations(&in->kv),
        .cache_width = width == 0 || width > in->head_dim ? in->head_dim : width,
    };
    pl_status status = check_block(in, err);
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        status = pl_flat_site_init(&o->sites[site], &o->at.sites[site], &in->sites[site],
                                   batch_rows(o), err);
    }
    PL_THEN(pl_round_check(in->name, &o->cache, err));
    PL_THEN(allocate_block(o, err));
    if (status == PL_OK) {
        shuffle_windows(o, seed);
        status = find_targets(o, task, err);
    }
    return status;
}

void pl_block_objective_deinit(pl_block_objective *o)
{
    for (size_t site = 0; site < o->at.n_sites; site++) {
        pl_flat_site_deinit(&o->sites[site]);
    }
    pl_factor_deinit(&o->key);
    free(o->order);
    free(o->cached);
    free(o->ends);
    free(o->key_sum);
    free(o->window_sums);
    free(o->targets);
    free(o->floats);
    *o = (pl_block_objective){0};
}

size_t pl_block_objective_batches(const pl_block_objective *o)
{
    return o->in.windows / o->batch;
}

/* --- weights ---------------------------------------------------------------------------------- */

/* v's rows are the last of the first site's. */
static size_t value_first(const pl_block_objective *o)
{
    return o->at.sites[PL_SITE_QKV].rows - o->at.value_rows;
}

/* to[value_rows, cols] = P_v^T from in each head, or P_v from. */
static void turn_values(const pl_block_objective *o, bool back, const float *from, size_t cols,
                        float *to)
{
    const size_t d = o->in.head_dim;
    const float *p = o->at.value_rows > 0 ? o->sites[o->at.o].f2 : NULL;
    const size_t heads = o->at.value_rows / d;
#pragma omp parallel for schedule(static)
    for (size_t head = 0; head < heads; head++) {
        const float *x = from + head * d * cols;
        float *out = to + head * d * cols;
        if (back) {
            pl_gemm_nn(d, cols, d, 1.0f, p, d, x, cols, 0.0f, out, cols);
        } else {
            pl_gemm_tn(d, cols, d, p, d, x, cols, 0.0f, out, cols);
        }
    }
}

/* v's groups: i of [value_rows, groups], among all of the site's. */
static size_t value_group(const pl_block_objective *o, size_t i)
{
    return value_first(o) * o->at.sites[PL_SITE_QKV].groups + i;
}

static pl_act_range clip_share(const pl_block_objective *o, size_t group)
{
    const pl_flat_layout *at = &o->at.sites[PL_SITE_QKV];
    return pl_flat_shares(o->params, at->weight_low + group, at->weight_high + group);
}

static const pl_act_range whole = {1.0f, 1.0f};

/* v's rows: clipped, turned by P_v, rounded to their own range. */
static void round_values(pl_block_objective *o)
{
    pl_flat_site *s = &o->sites[PL_SITE_QKV];
    const pl_flat_layout *at = &s->at;
    const size_t first = value_first(o) * at->n, count = o->at.value_rows * at->groups;
    const bool rounds = s->weights.bits > 0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = pl_flat_span_of(at, value_group(o, i));
        const float *w = o->wt[PL_SITE_QKV] + span.first;
        pl_clip_apply(pl_act_row_range(w, span.count),
                      rounds ? clip_share(o, value_group(o, i)) : whole, w, span.count,
                      o->clipped + (span.first - first));
    }
    turn_values(o, false, o->clipped, at->n, o->mixed);
    if (!rounds) {
        memcpy(o->wq[PL_SITE_QKV] + first, o->mixed, o->at.value_rows * at->n * sizeof *o->mixed);
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = pl_flat_span_of(at, value_group(o, i));
        const float *w = o->mixed + (span.first - first);
        pl_round_group *group = &s->groups[value_group(o, i)];
        *group = pl_round_fit(&s->weights, pl_act_row_range(w, span.count), whole);
        pl_round_apply(&s->weights, group, w, span.count, o->wq[PL_SITE_QKV] + span.first);
    }
}

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

/* sum[i, j] += sum over heads and columns of a[head i, c] b[head j, c]. */
static void add_row_product(const pl_block_objective *o, const float *a, const float *b,
                            size_t cols, double *sum)
{
    const size_t d = o->in.head_dim;
    for (size_t head = 0; head < o->in.kv_heads; head++) {
        pl_gemm_nt(d, d, cols, 1.0f, a + head * d * cols, cols, b + head * d * cols, cols, 0.0f,
                   o->product, d);
        for (size_t i = 0; i < d * d; i++) {
            sum[i] += (double)o->product[i];
        }
    }
}

static void values_back(pl_block_objective *o)
{
    pl_flat_site *s = &o->sites[PL_SITE_QKV];
    const pl_flat_layout *at = &s->at;
    const size_t first = value_first(o) * at->n, count = o->at.value_rows * at->groups;
    float *grad = o->wg[PL_SITE_QKV] + first;
    const float *bias = pl_tape_biases(o->in.tape, PL_SITE_QKV);
    if (count == 0) {
        return;
    }
    double *turn_sum = o->sites[o->at.o].f2_sum;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = pl_flat_span_of(at, value_group(o, i));
        double low, high;
        if (s->weights.bits > 0) {
            pl_round_back(&s->weights, &s->groups[value_group(o, i)], whole,
                          o->mixed + (span.first - first), span.count, grad + (span.first - first),
                          &low, &high);
        }
    }
    add_row_product(o, o->clipped, grad, at->n, turn_sum);
    if (bias != NULL) {
        add_row_product(o, bias + value_first(o), o->bias_sum + value_first(o), 1, turn_sum);
    }
    memcpy(o->mixed, grad, o->at.value_rows * at->n * sizeof *grad);
    turn_values(o, true, o->mixed, at->n, grad);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const size_t group = value_group(o, i);
        const pl_flat_span span = pl_flat_span_of(at, group);
        const float *w = o->wt[PL_SITE_QKV] + span.first;
        double low = 0.0, high = 0.0;
        if (s->weights.bits > 0) {
            const pl_act_range share = clip_share(o, group);
            pl_clip_back(pl_act_row_range(w, span.count), share, w, span.count,
                         grad + (span.first - first), &low, &high);
            o->gradient[at->weight_low + group] = low * pl_flat_slope(share.lo);
            o->gradient[at->weight_high + group] = high * pl_flat_slope(share.hi);
        }
    }
}

/* Rows of a site that are rounded as they are. */
static size_t plain_rows(const pl_block_objective *o, size_t site)
{
    return site == PL_SITE_QKV ? value_first(o) : o->at.sites[site].rows;
}

static const float *block_weights(const pl_block_objective *o, size_t site)
{
    size_t rows, cols;
    return pl_tape_weights(o->in.tape, site, &rows, &cols);
}

static pl_status round_block_weights(pl_block_objective *o, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        const pl_scaled_kron map = pl_flat_site_weight_map(&o->sites[site]);
        pl_scaled_kron_rows(&map, block_weights(o, site), o->at.sites[site].rows, o->wt[site],
                            o->wg[site]);
        pl_flat_site_round_weights(&o->sites[site], o->params, 0, plain_rows(o, site), o->wt[site],
                                   o->wq[site]);
        status = pl_task_tick(task, err);
    }
    if (status == PL_OK) {
        const float *bias = pl_tape_biases(o->in.tape, PL_SITE_QKV);
        round_values(o);
        if (bias != NULL) {
            memcpy(o->biases, bias, value_first(o) * sizeof *bias);
            turn_values(o, false, bias + value_first(o), 1, o->biases + value_first(o));
        }
    }
    return status;
}

static pl_status weights_back(pl_block_objective *o, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    values_back(o);
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        pl_flat_site *s = &o->sites[site];
        const pl_scaled_kron map = pl_flat_site_weight_map(s);
        pl_flat_site_weights_back(s, o->params, 0, plain_rows(o, site), o->wt[site], o->wg[site],
                                  o->gradient);
        status = pl_scaled_kron_gradient(&map, block_weights(o, site), s->at.rows, o->wg[site],
                                         s->g1_sum, s->g2_sum, s->unscale_sum, err);
        PL_THEN(pl_task_tick(task, err));
    }
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        pl_flat_site_gradient(&o->sites[site], o->params, o->gradient);
    }
    return status;
}

/* --- inputs and cache, as the block's hooks --------------------------------------------------- */

/* Attention's output is in P_v's coordinates already: across the heads alone. */
static pl_scaled_kron input_map(const pl_block_objective *o, size_t site)
{
    pl_scaled_kron map = pl_flat_site_input_map(&o->sites[site]);
    if (site == o->at.o) {
        map.p2 = o->identity;
    }
    return map;
}

static pl_status see_input(void *ctx, size_t site, const float *x, size_t rows, float *out,
                           pl_error *err)
{
    pl_block_objective *o = ctx;
    const pl_scaled_kron map = input_map(o, site);
    (void)err;
    pl_scaled_kron_rows(&map, x, rows, o->xt[site], out);
    pl_flat_site_round_inputs(&o->sites[site], o->params, o->xt[site], rows, out);
    return PL_OK;
}

static pl_status input_back(void *ctx, size_t site, const float *x, size_t rows, float *grad,
                            pl_error *err)
{
    pl_block_objective *o = ctx;
    pl_flat_site *s = &o->sites[site];
    const size_t n = s->at.n;
    const pl_scaled_kron map = input_map(o, site);
    pl_flat_site_inputs_back(s, o->params, o->xt[site], rows, grad, o->gradient);
    pl_status status =
        pl_scaled_kron_gradient(&map, x, rows, grad, s->f1_sum,
                                site == o->at.o ? o->unused_sum : s->f2_sum, s->scale_sum, err);
    if (status == PL_OK) {
#pragma omp parallel for schedule(static)
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < n; c++) {
                grad[r * n + c] *= s->scale[c];
            }
        }
    }
    return status;
}

/* Group i of keys or values [rows * kv_heads, head_dim]. */
static pl_flat_span cache_span(const pl_block_objective *o, size_t i)
{
    const size_t d = o->in.head_dim, each = head_groups(o), from = i % each * o->cache_width;
    const size_t left = d - from;
    return (pl_flat_span){i / each * d + from, left < o->cache_width ? left : o->cache_width};
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
    const size_t count = rows * o->in.kv_heads * head_groups(o);
    pl_round_group *groups = o->cached + (values ? cached_groups(o) : 0);
    const pl_act_range share = cache_share(o, values);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = cache_span(o, i);
        groups[i] = pl_round_fit(&o->cache, pl_act_row_range(x + span.first, span.count), share);
        pl_round_apply(&o->cache, &groups[i], x + span.first, span.count, out + span.first);
    }
}

static void cache_round_back(pl_block_objective *o, bool values, const float *x, size_t rows,
                             float *grad)
{
    const size_t count = rows * o->in.kv_heads * head_groups(o);
    const size_t at = o->at.cache + (values ? 2 : 0);
    const pl_round_group *groups = o->cached + (values ? cached_groups(o) : 0);
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
    turn_gradient(o, o->p_h_back, rows * o->in.heads, grad[0], o->xt[o->at.o]); /* o is done */
    turn_gradient(o, o->p_h, rows * o->in.kv_heads, grad[1], o->kt);
    return PL_OK;
}

static pl_tape_hooks hooks_of(pl_block_objective *o)
{
    pl_tape_hooks hooks = {.ctx = o,
                           .weights = o->used_weights,
                           .biases = o->used_biases,
                           .input = see_input,
                           .input_back = input_back};
    for (size_t site = 0; site < o->at.n_sites; site++) {
        o->used_weights[site] = o->wq[site];
    }
    o->used_biases[PL_SITE_QKV] =
        pl_tape_biases(o->in.tape, PL_SITE_QKV) != NULL ? o->biases : NULL;
    if (o->at.key != PL_FLAT_NONE) {
        hooks.cache = see_cache;
        hooks.cache_back = cache_back;
    }
    return hooks;
}

/* --- the value -------------------------------------------------------------------------------- */

static pl_status make_parts(pl_block_objective *o, const double *params, pl_error *err)
{
    const size_t square = o->in.head_dim * o->in.head_dim;
    pl_status status = PL_OK;
    o->params = params;
    memset(o->key_sum, 0, 3 * square * sizeof *o->key_sum);
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        status = pl_flat_site_make(&o->sites[site], params, err);
        if (status != PL_OK) {
            pl_error_prefix(err, "%s: ", o->in.sites[site].site);
        }
    }
    if (status == PL_OK && o->at.key != PL_FLAT_NONE) {
        status = pl_factor_make(&o->key, params + o->at.key, "factor P_h", err);
        pl_to_float(o->key.p, square, o->p_h);
        pl_to_float(o->key.inverse_t, square, o->p_h_back);
    }
    return status;
}

/* lost <- F'(X) - F(X), and the sums of its squares and of those of the block's own part. */
static void compare_outputs(pl_block_objective *o, size_t batch, double *error, double *energy)
{
    const size_t each = o->in.length * o->in.hidden;
    *error = *energy = 0.0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->batch; i++) {
        const float *target = o->targets + o->order[batch * o->batch + i] * each;
        const float *x = o->batch_x + i * each, *y = o->y + i * each;
        float *lost = o->lost + i * each;
        double lost_sum = 0.0, own_sum = 0.0;
#pragma omp simd reduction(+ : lost_sum, own_sum)
        for (size_t j = 0; j < each; j++) {
            const float own = target[j] - x[j];
            lost[j] = y[j] - target[j];
            lost_sum += (double)(lost[j] * lost[j]);
            own_sum += (double)(own * own);
        }
        o->window_sums[2 * i] = lost_sum;
        o->window_sums[2 * i + 1] = own_sum;
    }
    for (size_t i = 0; i < o->batch; i++) {
        *error += o->window_sums[2 * i];
        *energy += o->window_sums[2 * i + 1];
    }
}

static pl_status backward(pl_block_objective *o, const pl_tape_hooks *hooks, double error,
                          pl_task *task, pl_error *err)
{
    float *weight_sums[PL_BLOCK_SITES], *bias_sums[PL_BLOCK_SITES] = {0};
    const pl_tape_sums sums = {weight_sums, bias_sums};
    memset(o->gradient, 0, o->at.count * sizeof *o->gradient);
    memset(o->bias_sum, 0, o->at.sites[PL_SITE_QKV].rows * sizeof *o->bias_sum);
    for (size_t site = 0; site < o->at.n_sites; site++) {
        const pl_flat_layout *at = &o->at.sites[site];
        memset(o->wg[site], 0, at->rows * at->n * sizeof *o->wg[site]);
        weight_sums[site] = o->wg[site];
    }
    bias_sums[PL_SITE_QKV] = o->used_biases[PL_SITE_QKV] != NULL ? o->bias_sum : NULL;
    pl_status status = pl_tape_backward(o->in.tape, hooks, o->lost, &sums, task, err);
    PL_THEN(weights_back(o, task, err));
    if (status == PL_OK && o->at.key != PL_FLAT_NONE) {
        pl_factor_gradient(&o->key, o->params + o->at.key, o->key_sum, o->key_back_sum,
                           o->gradient + o->at.key);
    }
    /* What went back was dL/d. / 2: of log L it is 2 / L times that. */
    const double by = error > 0.0 ? 2.0 / error : 0.0;
    for (size_t i = 0; status == PL_OK && i < o->at.count; i++) {
        o->gradient[i] *= by;
        if (!isfinite(o->gradient[i])) {
            status = pl_error_set(err, PL_ERR_NUMERIC, "the gradient is not finite");
        }
    }
    return status;
}

pl_status pl_block_objective_value(pl_block_objective *o, const double *params, size_t batch,
                                   double *value, double *gradient, pl_task *task, pl_error *err)
{
    const size_t each = o->in.length * o->in.hidden;
    const pl_tape_hooks hooks = hooks_of(o);
    double error = 0.0, energy = 0.0;
    *value = (double)NAN;
    o->gradient = gradient;
    pl_status status = make_parts(o, params, err);
    PL_THEN(round_block_weights(o, task, err));
    for (size_t i = 0; status == PL_OK && i < o->batch; i++) {
        memcpy(o->batch_x + i * each, o->in.x + o->order[batch * o->batch + i] * each,
               each * sizeof *o->batch_x);
    }
    PL_THEN(pl_tape_forward(o->in.tape, o->batch_x, o->batch, &hooks, o->y, task, err));
    if (status == PL_OK) {
        compare_outputs(o, batch, &error, &energy);
        status =
            isfinite(error) ? PL_OK : pl_error_set(err, PL_ERR_NUMERIC, "the loss is not finite");
    }
    if (status == PL_OK) {
        *value = energy > 0.0 ? error / energy : 0.0;
        status = gradient != NULL ? backward(o, &hooks, error, task, err) : PL_OK;
    }
    o->params = NULL;
    o->gradient = NULL;
    return status;
}
