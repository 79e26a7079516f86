#include "core/learn/block_parts.h"

#include "core/base/checked.h"
#include "core/base/rng.h"

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

/* Pieces of one block of floats: base NULL counts them alone. */
typedef struct pieces {
    float *base;
    size_t used;
} pieces;

static float *piece(pieces *p, size_t count)
{
    float *at = p->base != NULL ? p->base + p->used : NULL;
    p->used += count;
    return at;
}

/* Sites before a mixture have matrices of their own; all sites of a mixture have the same ones. */
static void place_sites(pl_block_objective *o, pieces *p)
{
    const size_t rows = batch_rows(o);
    size_t inputs = 0, weights = 0;
    for (size_t site = 0; site < o->at.n_sites; site++) {
        const pl_flat_layout *at = &o->at.sites[site];
        pl_block_site *s = &o->sites[site];
        const size_t in = rows * at->n, all = at->rows * at->n;
        if (site < o->at.mixture) {
            s->xt = piece(p, in);
            s->wt = piece(p, all);
            s->wq = piece(p, all);
            s->wg = piece(p, all);
        } else {
            inputs = in > inputs ? in : inputs;
            weights = all > weights ? all : weights;
        }
    }
    const pl_block_site room = {.xt = piece(p, inputs),
                                .wt = piece(p, weights),
                                .wq = piece(p, weights),
                                .wg = piece(p, weights)};
    o->scratch = piece(p, inputs);
    for (size_t site = o->at.mixture; site < o->at.n_sites; site++) {
        pl_block_site *s = &o->sites[site];
        s->xt = room.xt;
        s->wt = room.wt;
        s->wq = room.wq;
        s->wg = room.wg;
    }
}

static void place_floats(pl_block_objective *o, pieces *p)
{
    const size_t rows = batch_rows(o), square = o->in.head_dim * o->in.head_dim;
    const size_t hidden = o->in.hidden, states = rows * hidden;
    const size_t outputs = o->at.sites[PL_SITE_QKV].rows;
    place_sites(o, p);
    o->clipped = piece(p, o->at.value_rows * hidden);
    o->mixed = piece(p, o->at.value_rows * hidden);
    o->biases = piece(p, outputs);
    o->bias_sum = piece(p, outputs);
    o->p_h = piece(p, square);
    o->p_h_back = piece(p, square);
    o->identity = piece(p, square);
    o->product = piece(p, square);
    o->batch_x = piece(p, states);
    o->y = piece(p, states);
    o->lost = piece(p, states);
    o->kt = piece(p, rows * cached_cols(o));
}

static pl_status share_floats(pl_block_objective *o, pl_error *err)
{
    pieces p = {0};
    place_floats(o, &p);
    o->floats = pl_alloc(p.used, sizeof *o->floats);
    if (o->floats == NULL) {
        return no_memory_block(o->in.name, err);
    }
    p = (pieces){.base = o->floats};
    place_floats(o, &p);
    return PL_OK;
}

static pl_status allocate_sites(pl_block_objective *o, pl_error *err)
{
    const size_t count = o->at.n_sites;
    o->sites = calloc(count, sizeof *o->sites);
    o->used_weights = calloc(2 * count, sizeof *o->used_weights);
    o->weight_sums = calloc(2 * count, sizeof *o->weight_sums);
    if (o->sites == NULL || o->used_weights == NULL || o->weight_sums == NULL) {
        return no_memory_block(o->in.name, err);
    }
    for (size_t site = 0; site < count; site++) {
        o->sites[site].turn = &o->sites[pl_block_turn(&o->at, site)].flat;
    }
    o->used_biases = o->used_weights + count;
    o->bias_sums = o->weight_sums + count;
    return PL_OK;
}

static pl_status allocate_block(pl_block_objective *o, pl_error *err)
{
    const size_t square = o->in.head_dim * o->in.head_dim;
    o->head_groups = (o->in.head_dim + o->cache_width - 1) / o->cache_width;
    o->cache_groups = batch_rows(o) * o->in.kv_heads * o->head_groups;
    o->order = pl_alloc(o->in.windows, sizeof *o->order);
    o->cached = pl_alloc(2 * o->cache_groups, sizeof *o->cached);
    o->ends = pl_alloc(2 * o->cache_groups, sizeof *o->ends);
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
        .batch = batch < in->windows ? batch : in->windows,
        .cache = pl_rounding_of_activations(&in->kv),
        .cache_width = width == 0 || width > in->head_dim ? in->head_dim : width,
    };
    pl_status status = check_block(in, err);
    PL_THEN(pl_block_layout_init(&o->at, in, err));
    PL_THEN(allocate_sites(o, err));
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        status = pl_flat_site_init(&o->sites[site].flat, &o->at.sites[site], &in->sites[site],
                                   batch_rows(o), pl_block_turn(&o->at, site) == site, err);
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
    for (size_t site = 0; o->sites != NULL && site < o->at.n_sites; site++) {
        pl_flat_site_deinit(&o->sites[site].flat);
    }
    pl_factor_deinit(&o->key);
    pl_block_layout_deinit(&o->at);
    free(o->sites);
    free(o->used_weights);
    free(o->weight_sums);
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

/* --- the value -------------------------------------------------------------------------------- */

static pl_status make_parts(pl_block_objective *o, const double *params, pl_error *err)
{
    const size_t square = o->in.head_dim * o->in.head_dim;
    pl_status status = PL_OK;
    o->params = params;
    memset(o->key_sum, 0, 3 * square * sizeof *o->key_sum);
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        if (pl_block_turn(&o->at, site) == site) {
            status = pl_flat_site_make(&o->sites[site].flat, params, err);
        }
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
    const pl_tape_sums sums = {o->weight_sums, o->bias_sums};
    memset(o->gradient, 0, o->at.count * sizeof *o->gradient);
    memset(o->bias_sum, 0, o->at.sites[PL_SITE_QKV].rows * sizeof *o->bias_sum);
    for (size_t site = 0; site < o->at.n_sites; site++) {
        const pl_flat_layout *at = &o->at.sites[site];
        const pl_block_site *s = &o->sites[site];
        memset(s->wg, 0, site < o->at.mixture ? at->rows * at->n * sizeof *s->wg : 0);
        o->weight_sums[site] = s->wg;
    }
    o->bias_sums[PL_SITE_QKV] = o->used_biases[PL_SITE_QKV] != NULL ? o->bias_sum : NULL;
    pl_status status = pl_tape_backward(o->in.tape, hooks, o->lost, &sums, task, err);
    PL_THEN(pl_block_weights_back(o, task, err));
    for (size_t site = 0; status == PL_OK && site < o->at.n_sites; site++) {
        if (pl_block_turn(&o->at, site) == site) {
            pl_flat_site_gradient(&o->sites[site].flat, o->params, o->gradient);
        }
    }
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
    const pl_tape_hooks hooks = pl_block_hooks(o);
    double error = 0.0, energy = 0.0;
    *value = (double)NAN;
    o->gradient = gradient;
    pl_status status = make_parts(o, params, err);
    PL_THEN(pl_block_round_weights(o, task, err));
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
