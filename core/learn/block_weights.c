/* The weights of a block that learns: turned, v's rows by heads too, clipped and rounded; and back.
 */
#include "core/learn/block_parts.h"

#include "core/tensor/linalg.h"

#include <string.h>

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
    const float *p = o->at.value_rows > 0 ? o->sites[o->at.o].flat.f2 : NULL;
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
    pl_flat_site *s = &o->sites[PL_SITE_QKV].flat;
    const pl_flat_layout *at = &s->at;
    const size_t first = value_first(o) * at->n, count = o->at.value_rows * at->groups;
    const bool rounds = s->weights.bits > 0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = pl_flat_span_of(at, value_group(o, i));
        const float *w = o->sites[PL_SITE_QKV].wt + span.first;
        pl_clip_apply(pl_act_row_range(w, span.count),
                      rounds ? clip_share(o, value_group(o, i)) : whole, w, span.count,
                      o->clipped + (span.first - first));
    }
    turn_values(o, false, o->clipped, at->n, o->mixed);
    if (!rounds) {
        memcpy(o->sites[PL_SITE_QKV].wq + first, o->mixed,
               o->at.value_rows * at->n * sizeof *o->mixed);
        return;
    }
    const float most = pl_act_farther(pl_act_row_range(o->mixed, o->at.value_rows * at->n));
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        const pl_flat_span span = pl_flat_span_of(at, value_group(o, i));
        const float *w = o->mixed + (span.first - first);
        pl_round_group *group = &s->groups[value_group(o, i)];
        *group =
            pl_round_fit(&s->weights, pl_act_row_range(w, span.count), whole, most, w, span.count);
        pl_round_apply(&s->weights, group, w, span.count, o->sites[PL_SITE_QKV].wq + span.first);
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
    pl_flat_site *s = &o->sites[PL_SITE_QKV].flat;
    const pl_flat_layout *at = &s->at;
    const size_t first = value_first(o) * at->n, count = o->at.value_rows * at->groups;
    float *grad = o->sites[PL_SITE_QKV].wg + first;
    const float *bias = pl_tape_biases(o->in.tape, PL_SITE_QKV);
    if (count == 0) {
        return;
    }
    double *turn_sum = o->sites[o->at.o].flat.f2_sum;
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
        const float *w = o->sites[PL_SITE_QKV].wt + span.first;
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

void pl_block_round_site(pl_block_objective *o, size_t site)
{
    pl_block_site *s = &o->sites[site];
    const pl_scaled_kron map = pl_flat_site_weight_map(s->turn);
    pl_scaled_kron_rows(&map, block_weights(o, site), s->flat.at.rows, s->wt, s->wg);
    pl_flat_site_round_weights(&s->flat, o->params, 0, plain_rows(o, site), s->wt, s->wq);
}

pl_status pl_block_site_back(pl_block_objective *o, size_t site, pl_error *err)
{
    pl_block_site *s = &o->sites[site];
    pl_flat_site *turn = s->turn;
    const pl_scaled_kron map = pl_flat_site_weight_map(turn);
    pl_flat_site_weights_back(&s->flat, o->params, 0, plain_rows(o, site), s->wt, s->wg,
                              o->gradient);
    return pl_scaled_kron_gradient(&map, block_weights(o, site), s->flat.at.rows, s->wg,
                                   turn->g1_sum, turn->g2_sum, turn->unscale_sum, err);
}

pl_status pl_block_round_weights(pl_block_objective *o, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t site = 0; status == PL_OK && site < o->at.mixture; site++) {
        pl_block_round_site(o, site);
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

pl_status pl_block_weights_back(pl_block_objective *o, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    values_back(o);
    for (size_t site = 0; status == PL_OK && site < o->at.mixture; site++) {
        status = pl_block_site_back(o, site, err);
        PL_THEN(pl_task_tick(task, err));
    }
    return status;
}
