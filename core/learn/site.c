#include "core/learn/site.h"

#include "core/base/checked.h"
#include "core/tensor/groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static pl_status allocate_quantizers(pl_flat_site *s, const char *site, pl_error *err)
{
    const pl_flat_layout *at = &s->at;
    const size_t inputs = s->most * s->input_groups;
    s->groups = pl_alloc(at->rows * at->groups + inputs, sizeof *s->groups);
    s->ends = pl_alloc(2 * inputs, sizeof *s->ends);
    s->layer_ends = pl_alloc(s->n_layers, sizeof *s->layer_ends);
    return s->groups != NULL && s->ends != NULL && s->layer_ends != NULL
               ? PL_OK
               : pl_error_memory(err, "learning a transform of %s", site);
}

static pl_status allocate_turn(pl_flat_site *s, const char *site, pl_error *err)
{
    const pl_flat_layout *at = &s->at;
    const size_t a = at->n1 * at->n1, b = at->n2 * at->n2, n = at->n;
    s->f1 = pl_alloc(2 * (a + b + n), sizeof *s->f1);
    s->sums = pl_alloc(2 * (a + b + n), sizeof *s->sums);
    if (s->f1 == NULL || s->sums == NULL) {
        return pl_error_memory(err, "learning a transform of %s", site);
    }
    s->f2 = s->f1 + a;
    s->g1 = s->f2 + b;
    s->g2 = s->g1 + a;
    s->scale = s->g2 + b;
    s->unscale = s->scale + n;
    s->f1_sum = s->sums;
    s->f2_sum = s->f1_sum + a;
    s->g1_sum = s->f2_sum + b;
    s->g2_sum = s->g1_sum + a;
    s->scale_sum = s->g2_sum + b;
    s->unscale_sum = s->scale_sum + n;
    pl_status status = pl_factor_init(&s->p1, at->n1, err);
    return status == PL_OK ? pl_factor_init(&s->p2, at->n2, err) : status;
}

pl_status pl_flat_site_init(pl_flat_site *s, const pl_flat_layout *at, const pl_site_input *in,
                            size_t most, bool turns, pl_error *err)
{
    const pl_act_grid *act = &in->activations;
    const bool grouped = act->bits > 0 && act->group_size > 0;
    *s = (pl_flat_site){
        .at = *at,
        .inputs = pl_rounding_of_activations(act),
        .act_share = act->bits > 0 ? (float)act->clip : 1.0f,
        .act_fixed = act->fixed && !grouped,
        .act_shared = act->fixed,
        .input_width = grouped ? pl_group_width(at->n, act->group_size) : at->n,
        .most = most,
        .n_layers = in->n_weights,
    };
    s->input_groups = (at->n + s->input_width - 1) / s->input_width;
    if (in->grid != NULL) {
        s->weights = pl_rounding_of_weights(in->grid);
    }
    pl_status status = pl_round_check(in->site, &s->inputs, err);
    PL_THEN(pl_round_check(in->site, &s->weights, err));
    PL_THEN(allocate_quantizers(s, in->site, err));
    for (size_t i = 0, end = 0; status == PL_OK && i < s->n_layers; i++) {
        s->layer_ends[i] = end += in->weights[i].rows;
    }
    return status == PL_OK && turns ? allocate_turn(s, in->site, err) : status;
}

void pl_flat_site_deinit(pl_flat_site *s)
{
    free(s->f1);
    free(s->groups);
    free(s->ends);
    free(s->layer_ends);
    free(s->sums);
    pl_factor_deinit(&s->p1);
    pl_factor_deinit(&s->p2);
    *s = (pl_flat_site){0};
}

static pl_status make_scale(pl_flat_site *s, const double *params, pl_error *err)
{
    const pl_flat_layout *at = &s->at;
    for (size_t c = 0; c < at->n; c++) {
        const double log = at->scale != PL_FLAT_NONE ? params[at->scale + c] : 0.0;
        s->scale[c] = (float)exp(log);
        s->unscale[c] = (float)exp(-log);
        if (!isfinite(log) || !(s->scale[c] > 0.0f) || !isfinite(s->scale[c]) ||
            !(s->unscale[c] > 0.0f) || !isfinite(s->unscale[c])) {
            return pl_error_set(err, PL_ERR_NUMERIC, "the scale of channel %zu is %.3g", c,
                                (double)s->scale[c]);
        }
    }
    return PL_OK;
}

pl_status pl_flat_site_make(pl_flat_site *s, const double *params, pl_error *err)
{
    const pl_flat_layout *at = &s->at;
    const size_t a = at->n1 * at->n1, b = at->n2 * at->n2;
    pl_status status = pl_factor_make(&s->p1, params + at->first, "factor P1", err);
    PL_THEN(pl_factor_make(&s->p2, params + at->second, "factor P2", err));
    if (status != PL_OK) {
        return status;
    }
    pl_to_float(s->p1.p, a, s->f1);
    pl_to_float(s->p2.p, b, s->f2);
    pl_to_float(s->p1.inverse_t, a, s->g1);
    pl_to_float(s->p2.inverse_t, b, s->g2);
    memset(s->sums, 0, 2 * (a + b + at->n) * sizeof *s->sums);
    return make_scale(s, params, err);
}

pl_scaled_kron pl_flat_site_input_map(const pl_flat_site *s)
{
    return (pl_scaled_kron){s->at.n1, s->at.n2, s->scale, s->f1, s->f2};
}

pl_scaled_kron pl_flat_site_weight_map(const pl_flat_site *s)
{
    return (pl_scaled_kron){s->at.n1, s->at.n2, s->unscale, s->g1, s->g2};
}

pl_act_range pl_flat_shares(const double *params, size_t low, size_t high)
{
    return (pl_act_range){(float)pl_flat_share(params[low]), (float)pl_flat_share(params[high])};
}

double pl_flat_slope(float share)
{
    return (double)share * (1.0 - (double)share);
}

pl_flat_span pl_flat_span_in(size_t n, size_t groups, size_t width, size_t i)
{
    const size_t before = i % groups * width, left = n - before;
    return (pl_flat_span){i / groups * n + before, left < width ? left : width};
}

pl_flat_span pl_flat_span_of(const pl_flat_layout *at, size_t i)
{
    return pl_flat_span_in(at->n, at->groups, at->width, i);
}

static pl_act_range weight_share(const pl_flat_layout *at, const double *params, size_t i)
{
    return pl_flat_shares(params, at->weight_low + i, at->weight_high + i);
}

/* Groups [from, to), all of one layer. */
static void round_layer(pl_flat_site *s, const double *params, size_t from, size_t to,
                        const float *wt, float *wq)
{
    const pl_flat_layout *at = &s->at;
    float most = 0.0f;
    if (pl_round_of_tensor(&s->weights)) {
#pragma omp parallel for schedule(static) reduction(max : most)
        for (size_t i = from; i < to; i++) {
            const pl_flat_span span = pl_flat_span_of(at, i);
            const pl_act_range own = pl_act_row_range(wt + span.first, span.count);
            most = fmaxf(most, pl_act_farther(pl_act_kept(own, weight_share(at, params, i))));
        }
    }
#pragma omp parallel for schedule(static)
    for (size_t i = from; i < to; i++) {
        const pl_flat_span span = pl_flat_span_of(at, i);
        const float *w = wt + span.first;
        s->groups[i] = pl_round_fit(&s->weights, pl_act_row_range(w, span.count),
                                    weight_share(at, params, i), most, w, span.count);
        pl_round_apply(&s->weights, &s->groups[i], w, span.count, wq + span.first);
    }
}

void pl_flat_site_round_weights(pl_flat_site *s, const double *params, size_t first, size_t rows,
                                const float *wt, float *wq)
{
    const pl_flat_layout *at = &s->at;
    if (s->weights.bits == 0) {
        memcpy(wq + first * at->n, wt + first * at->n, rows * at->n * sizeof *wq);
        return;
    }
    for (size_t layer = 0, from = first; layer < s->n_layers && from < first + rows; layer++) {
        const size_t to = s->layer_ends[layer] < first + rows ? s->layer_ends[layer] : first + rows;
        if (to > from) {
            round_layer(s, params, from * at->groups, to * at->groups, wt, wq);
            from = to;
        }
    }
}

void pl_flat_site_weights_back(pl_flat_site *s, const double *params, size_t first, size_t rows,
                               const float *wt, float *grad, double *gradient)
{
    const pl_flat_layout *at = &s->at;
    if (s->weights.bits == 0) {
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = first * at->groups; i < (first + rows) * at->groups; i++) {
        const pl_flat_span span = pl_flat_span_of(at, i);
        const pl_act_range share = weight_share(at, params, i);
        double low, high;
        pl_round_back(&s->weights, &s->groups[i], share, wt + span.first, span.count,
                      grad + span.first, &low, &high);
        gradient[at->weight_low + i] = low * pl_flat_slope(share.lo);
        gradient[at->weight_high + i] = high * pl_flat_slope(share.hi);
    }
}

static pl_act_range input_share(const pl_flat_site *s, const double *params)
{
    pl_act_range share = pl_flat_shares(params, s->at.input_low, s->at.input_high);
    share.lo *= s->act_share;
    share.hi *= s->act_share;
    return share;
}

/* Group i of rows of inputs [rows, n]: a token's, or all there is. */
static pl_flat_span input_span(const pl_flat_site *s, size_t rows, size_t i)
{
    return s->act_fixed ? (pl_flat_span){0, rows * s->at.n}
                        : pl_flat_span_in(s->at.n, s->input_groups, s->input_width, i);
}

static size_t input_count(const pl_flat_site *s, size_t rows)
{
    return s->act_fixed ? 1 : rows * s->input_groups;
}

/* Whether what is clipped is the range of all tokens, in place of the groups' own. */
static bool clips_tensor(const pl_flat_site *s)
{
    return s->act_shared && !s->act_fixed;
}

/* What is kept of a group's own range. */
static pl_act_range group_share(const pl_flat_site *s, pl_act_range share)
{
    return clips_tensor(s) ? (pl_act_range){1.0f, 1.0f} : share;
}

/* What the scales know of the tensor that count values x are. */
static float input_most(const pl_flat_site *s, pl_act_range share, const float *x, size_t count)
{
    return pl_round_of_tensor(&s->inputs)
               ? pl_act_farther(pl_act_kept(pl_act_row_range(x, count), share))
               : 0.0f;
}

static void fit_input(pl_flat_site *s, pl_act_range share, float most, const float *xt, size_t rows,
                      size_t i)
{
    const pl_flat_span span = input_span(s, rows, i);
    const float *x = xt + span.first;
    s->groups[s->at.rows * s->at.groups + i] = pl_round_fit(
        &s->inputs, pl_act_row_range(x, span.count), group_share(s, share), most, x, span.count);
}

void pl_flat_site_round_inputs(pl_flat_site *s, const double *params, const float *xt, size_t rows,
                               float *xq)
{
    const size_t n = s->at.n, each = s->input_groups;
    const pl_round_group *groups = s->groups + s->at.rows * s->at.groups;
    if (s->inputs.bits == 0) {
        if (xq != xt) {
            memcpy(xq, xt, rows * n * sizeof *xq);
        }
        return;
    }
    const pl_act_range share = input_share(s, params);
    const float all = s->act_shared ? input_most(s, share, xt, rows * n) : 0.0f;
    if (s->act_fixed) {
        fit_input(s, share, all, xt, rows, 0);
    }
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < rows; r++) {
        const float most = s->act_shared ? all : input_most(s, share, xt + r * n, n);
        for (size_t g = 0; g < each; g++) {
            const size_t i = s->act_fixed ? 0 : r * each + g;
            const pl_flat_span span = pl_flat_span_in(n, each, s->input_width, r * each + g);
            if (!s->act_fixed) {
                fit_input(s, share, most, xt, rows, i);
            }
            pl_round_apply(&s->inputs, &groups[i], xt + span.first, span.count, xq + span.first);
        }
    }
}

void pl_flat_site_inputs_back(pl_flat_site *s, const double *params, const float *xt, size_t rows,
                              float *grad, double *gradient)
{
    const pl_flat_layout *at = &s->at;
    if (s->inputs.bits == 0) {
        return;
    }
    const pl_act_range kept = group_share(s, input_share(s, params));
    const pl_act_range learned = pl_flat_shares(params, at->input_low, at->input_high);
    const pl_round_group *groups = s->groups + at->rows * at->groups;
    const size_t count = input_count(s, rows);
    double low_sum = 0.0, high_sum = 0.0;
#pragma omp parallel for schedule(static)
    for (size_t g = 0; g < count; g++) {
        const pl_flat_span span = input_span(s, rows, g);
        pl_round_back(&s->inputs, &groups[g], kept, xt + span.first, span.count, grad + span.first,
                      &s->ends[2 * g], &s->ends[2 * g + 1]);
    }
    for (size_t g = 0; g < count && !clips_tensor(s); g++) {
        low_sum += s->ends[2 * g];
        high_sum += s->ends[2 * g + 1];
    }
    gradient[at->input_low] += low_sum * (double)s->act_share * pl_flat_slope(learned.lo);
    gradient[at->input_high] += high_sum * (double)s->act_share * pl_flat_slope(learned.hi);
}

void pl_flat_site_gradient(pl_flat_site *s, const double *params, double *gradient)
{
    const pl_flat_layout *at = &s->at;
    pl_factor_gradient(&s->p1, params + at->first, s->f1_sum, s->g1_sum, gradient + at->first);
    pl_factor_gradient(&s->p2, params + at->second, s->f2_sum, s->g2_sum, gradient + at->second);
    for (size_t c = 0; at->scale != PL_FLAT_NONE && c < at->n; c++) {
        gradient[at->scale + c] =
            s->scale_sum[c] * (double)s->scale[c] - s->unscale_sum[c] * (double)s->unscale[c];
    }
}
