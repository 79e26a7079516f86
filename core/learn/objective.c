#include "core/learn/objective.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- making ----------------------------------------------------------------------------------- */

static pl_status no_memory(const char *site, pl_error *err)
{
    return pl_error_memory(err, "learning a transform of %s", site);
}

/* The gradient goes through rounding as if it were not there, for which steps must be even. */
static pl_status check_format(const char *site, const pl_format *format, pl_error *err)
{
    return format == NULL || format->steps != NULL
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "%s: nothing is learned for symmetric=%s, whose values are not "
                              "evenly spaced: choose another format",
                              site, format->key);
}

static pl_status check_site(const pl_site_input *in, pl_error *err)
{
    if (in->sample.rows == 0) {
        return pl_error_set(err, PL_ERR_STATE, "%s: no rows of its input are stored to learn from",
                            in->site);
    }
    if (in->grid == NULL && in->activations.bits == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: nothing is quantized, so a transform has nothing to learn: set "
                            "activations bits=4, or a rounder",
                            in->site);
    }
    return PL_OK;
}

/* The stored rows in a seeded order (Fisher and Yates), so that a batch is a fair sample. */
static pl_status shuffle_rows(const pl_site_input *in, uint64_t seed, float *out, pl_error *err)
{
    const size_t rows = in->sample.rows, n = in->n;
    size_t *order = pl_alloc(rows, sizeof *order);
    if (order == NULL) {
        return no_memory(in->site, err);
    }
    pl_rng rng;
    pl_rng_init(&rng, seed);
    for (size_t i = 0; i < rows; i++) {
        const size_t other = (size_t)pl_rng_below(&rng, i + 1);
        order[i] = i;
        order[i] = order[other];
        order[other] = i;
    }
    for (size_t i = 0; i < rows; i++) {
        memcpy(out + i * n, in->sample.data + order[i] * in->sample.stride, n * sizeof *out);
    }
    free(order);
    return PL_OK;
}

static void copy_weights(const pl_site_input *in, float *out)
{
    for (size_t i = 0; i < in->n_weights; i++) {
        const pl_view w = in->weights[i];
        for (size_t r = 0; r < w.rows; r++, out += in->n) {
            memcpy(out, w.data + r * w.stride, in->n * sizeof *out);
        }
    }
}

static size_t sums_count(const pl_flat_layout *at)
{
    return 2 * (at->n1 * at->n1 + at->n2 * at->n2 + at->n);
}

static pl_status allocate(pl_objective *o, pl_error *err)
{
    const pl_flat_layout *at = &o->at;
    const size_t a = at->n1 * at->n1, b = at->n2 * at->n2, n = at->n;
    const size_t inputs = o->batch * n, weights = at->rows * n;
    const size_t sizes[] = {
        a, b, a, b, n, n, inputs, inputs, inputs, weights, weights, weights, o->batch * at->rows};
    float **const parts[] = {&o->f1, &o->f2, &o->g1, &o->g2, &o->scale, &o->unscale, &o->xt,
                             &o->xq, &o->xg, &o->wt, &o->wq, &o->wg,    &o->lost};
    size_t all = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        all += sizes[i];
    }
    o->x = pl_alloc(o->samples * n, sizeof *o->x);
    o->w = pl_alloc(weights, sizeof *o->w);
    o->y = pl_alloc(o->samples * at->rows, sizeof *o->y);
    o->work = pl_alloc(all, sizeof *o->work);
    o->groups = pl_alloc(at->rows * at->groups + o->batch, sizeof *o->groups);
    o->sums = pl_alloc(sums_count(at), sizeof *o->sums);
    if (o->x == NULL || o->w == NULL || o->y == NULL || o->work == NULL || o->groups == NULL ||
        o->sums == NULL) {
        return no_memory(o->site, err);
    }
    float *next = o->work;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = next;
        next += sizes[i];
    }
    pl_status status = pl_factor_init(&o->p1, at->n1, err);
    return status == PL_OK ? pl_factor_init(&o->p2, at->n2, err) : status;
}

pl_status pl_objective_init(pl_objective *o, const pl_site_input *in, size_t batch, uint64_t seed,
                            pl_task *task, pl_error *err)
{
    const size_t samples = in->sample.rows;
    *o = (pl_objective){
        .site = in->site,
        .at = pl_flat_layout_of(in),
        .inputs = pl_rounding_of_activations(&in->activations),
        .act_share = in->activations.bits > 0 ? (float)in->activations.clip : 1.0f,
        .act_fixed = in->activations.fixed,
        .samples = samples,
        .batch = batch < samples ? batch : samples,
    };
    if (in->grid != NULL) {
        o->weights = pl_rounding_of_weights(in->grid);
    }
    pl_status status = check_site(in, err);
    PL_THEN(check_format(in->site, o->inputs.format, err));
    PL_THEN(check_format(in->site, o->weights.format, err));
    PL_THEN(allocate(o, err));
    PL_THEN(shuffle_rows(in, seed, o->x, err));
    if (status == PL_OK) {
        copy_weights(in, o->w);
        status = pl_gemm_nt_tick(samples, o->at.rows, in->n, o->x, in->n, o->w, in->n, o->y,
                                 o->at.rows, task, err);
    }
    return status;
}

void pl_objective_deinit(pl_objective *o)
{
    free(o->x);
    free(o->w);
    free(o->y);
    free(o->work);
    free(o->groups);
    free(o->sums);
    pl_factor_deinit(&o->p1);
    pl_factor_deinit(&o->p2);
    *o = (pl_objective){0};
}

/* What is left over after the last whole batch waits for another seed: all batches weigh the same.
 */
size_t pl_objective_batches(const pl_objective *o)
{
    return o->samples / o->batch;
}

/* --- forward ---------------------------------------------------------------------------------- */

static pl_status make_factors(pl_objective *o, const double *params, pl_error *err)
{
    const pl_flat_layout *at = &o->at;
    pl_status status = pl_factor_make(&o->p1, params + at->first, "factor P1", err);
    PL_THEN(pl_factor_make(&o->p2, params + at->second, "factor P2", err));
    if (status != PL_OK) {
        return status;
    }
    pl_to_float(o->p1.p, at->n1 * at->n1, o->f1);
    pl_to_float(o->p2.p, at->n2 * at->n2, o->f2);
    pl_to_float(o->p1.inverse_t, at->n1 * at->n1, o->g1);
    pl_to_float(o->p2.inverse_t, at->n2 * at->n2, o->g2);
    for (size_t c = 0; c < at->n; c++) {
        o->scale[c] = (float)exp(params[at->scale + c]);
        o->unscale[c] = (float)exp(-params[at->scale + c]);
        if (!isfinite(params[at->scale + c]) || !(o->scale[c] > 0.0f) || !isfinite(o->scale[c]) ||
            !(o->unscale[c] > 0.0f) || !isfinite(o->unscale[c])) {
            return pl_error_set(err, PL_ERR_NUMERIC, "the scale of channel %zu is %.3g", c,
                                (double)o->scale[c]);
        }
    }
    return PL_OK;
}

static pl_act_range share_of(const double *params, size_t low, size_t high)
{
    return (pl_act_range){(float)pl_flat_share(params[low]), (float)pl_flat_share(params[high])};
}

/* Group i of the weights' [rows, groups]: where its values begin, and how many they are. */
typedef struct span {
    size_t first, count;
} span;

static span span_of(const pl_flat_layout *at, size_t i)
{
    const size_t before = i % at->groups * at->width, left = at->n - before;
    return (span){i / at->groups * at->n + before, left < at->width ? left : at->width};
}

static pl_act_range weight_share(const pl_flat_layout *at, const double *params, size_t i)
{
    return share_of(params, at->weight_low + i, at->weight_high + i);
}

static void round_weights(pl_objective *o, const double *params)
{
    const pl_flat_layout *at = &o->at;
    if (o->weights.bits == 0) {
        memcpy(o->wq, o->wt, at->rows * at->n * sizeof *o->wq);
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < at->rows * at->groups; i++) {
        const span s = span_of(at, i);
        const float *w = o->wt + s.first;
        o->groups[i] =
            pl_round_fit(&o->weights, pl_act_row_range(w, s.count), weight_share(at, params, i));
        pl_round_apply(&o->weights, &o->groups[i], w, s.count, o->wq + s.first);
    }
}

static pl_act_range input_share(const pl_objective *o, const double *params)
{
    pl_act_range share = share_of(params, o->at.input_low, o->at.input_high);
    share.lo *= o->act_share;
    share.hi *= o->act_share;
    return share;
}

/* Rows of the batch that share a range: all of them, or each has its own. */
static size_t rows_together(const pl_objective *o)
{
    return o->act_fixed ? o->batch : 1;
}

static void round_inputs(pl_objective *o, const double *params)
{
    const size_t n = o->at.n, together = rows_together(o);
    pl_round_group *groups = o->groups + o->at.rows * o->at.groups;
    if (o->inputs.bits == 0) {
        memcpy(o->xq, o->xt, o->batch * n * sizeof *o->xq);
        return;
    }
    const pl_act_range share = input_share(o, params);
#pragma omp parallel for schedule(static)
    for (size_t g = 0; g < o->batch / together; g++) {
        groups[g] = pl_round_fit(&o->inputs,
                                 pl_act_row_range(o->xt + g * together * n, together * n), share);
    }
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < o->batch; r++) {
        pl_round_apply(&o->inputs, &groups[r / together], o->xt + r * n, n, o->xq + r * n);
    }
}

static pl_scaled_kron input_product(const pl_objective *o)
{
    return (pl_scaled_kron){o->at.n1, o->at.n2, o->scale, o->f1, o->f2};
}

static pl_scaled_kron weight_product(const pl_objective *o)
{
    return (pl_scaled_kron){o->at.n1, o->at.n2, o->unscale, o->g1, o->g2};
}

/* lost <- what the quantized site gives less what it should, and the sums of both squares. */
PL_CLONES static void subtract_row(const float *restrict y, float *restrict lost, size_t n,
                                   double *error, double *energy)
{
    enum { LANES = 16 };
    float e[LANES] = {0}, t[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            lost[i + k] -= y[i + k];
            e[k] += lost[i + k] * lost[i + k];
            t[k] += y[i + k] * y[i + k];
        }
    }
    for (; i < n; i++) {
        lost[i] -= y[i];
        e[0] += lost[i] * lost[i];
        t[0] += y[i] * y[i];
    }
    *error = *energy = 0.0;
    for (size_t k = 0; k < LANES; k++) {
        *error += (double)e[k];
        *energy += (double)t[k];
    }
}

static pl_status forward(pl_objective *o, const double *params, size_t batch, double *error,
                         double *energy, pl_task *task, pl_error *err)
{
    const pl_flat_layout *at = &o->at;
    const size_t n = at->n, m = at->rows, first = batch * o->batch;
    const pl_scaled_kron inputs = input_product(o), weights = weight_product(o);
    pl_scaled_kron_rows(&inputs, o->x + first * n, o->batch, o->xt, o->xg);
    round_inputs(o, params);
    pl_status status = pl_task_tick(task, err);
    if (status == PL_OK) {
        pl_scaled_kron_rows(&weights, o->w, m, o->wt, o->wg);
        round_weights(o, params);
        status = pl_gemm_nt_tick(o->batch, m, n, o->xq, n, o->wq, n, o->lost, m, task, err);
    }
    *error = *energy = 0.0;
    for (size_t r = 0; status == PL_OK && r < o->batch; r++) {
        double lost = 0.0, all = 0.0;
        subtract_row(o->y + (first + r) * m, o->lost + r * m, m, &lost, &all);
        *error += lost;
        *energy += all;
    }
    return status;
}

/* --- backward --------------------------------------------------------------------------------- */

/* The part of a group's own range: dL/dshare to *low and *high, dL/dx to the values at its ends. */
static void spread_range(const pl_rounding *rounding, const pl_round_group *group,
                         const pl_round_sums *sums, pl_act_range share, const float *x,
                         size_t count, float *grad, double *low, double *high)
{
    double low_grad, high_grad;
    pl_round_range_gradient(rounding, group, sums, &low_grad, &high_grad);
    *low = low_grad * (double)group->own.lo;
    *high = high_grad * (double)group->own.hi;
    bool want_low = group->own.lo < 0.0f && (low_grad < 0.0 || low_grad > 0.0);
    bool want_high = group->own.hi > 0.0f && (high_grad < 0.0 || high_grad > 0.0);
    for (size_t i = 0; (want_low || want_high) && i < count; i++) {
        if (want_low && x[i] <= group->own.lo) {
            grad[i] += (float)(low_grad * (double)share.lo);
            want_low = false;
        }
        if (want_high && x[i] >= group->own.hi) {
            grad[i] += (float)(high_grad * (double)share.hi);
            want_high = false;
        }
    }
}

/* d sigmoid(p) / dp from the share itself. */
static double slope(double share)
{
    return share * (1.0 - share);
}

static void weight_gradient(pl_objective *o, const double *params, double *gradient)
{
    const pl_flat_layout *at = &o->at;
    if (o->weights.bits == 0) {
        return;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < at->rows * at->groups; i++) {
        const span s = span_of(at, i);
        const pl_act_range share = weight_share(at, params, i);
        const float *w = o->wt + s.first;
        float *grad = o->wg + s.first;
        pl_round_sums sums = {0};
        double low, high;
        pl_round_gradient(&o->weights, &o->groups[i], w, s.count, grad, &sums);
        spread_range(&o->weights, &o->groups[i], &sums, share, w, s.count, grad, &low, &high);
        gradient[at->weight_low + i] = low * slope((double)share.lo);
        gradient[at->weight_high + i] = high * slope((double)share.hi);
    }
}

static pl_status input_gradient(pl_objective *o, const double *params, double *gradient,
                                pl_error *err)
{
    const pl_flat_layout *at = &o->at;
    if (o->inputs.bits == 0) {
        return PL_OK;
    }
    const pl_act_range share = input_share(o, params);
    const pl_act_range learned = share_of(params, at->input_low, at->input_high);
    const pl_round_group *groups = o->groups + at->rows * at->groups;
    const size_t together = rows_together(o), count = together * at->n;
    double low_sum = 0.0, high_sum = 0.0;
    double *ends = pl_alloc(2 * o->batch, sizeof *ends);
    if (ends == NULL) {
        return no_memory(o->site, err);
    }
#pragma omp parallel for schedule(static)
    for (size_t g = 0; g < o->batch / together; g++) {
        const float *x = o->xt + g * count;
        float *grad = o->xg + g * count;
        pl_round_sums sums = {0};
        pl_round_gradient(&o->inputs, &groups[g], x, count, grad, &sums);
        spread_range(&o->inputs, &groups[g], &sums, share, x, count, grad, &ends[2 * g],
                     &ends[2 * g + 1]);
    }
    for (size_t g = 0; g < o->batch / together; g++) {
        low_sum += ends[2 * g];
        high_sum += ends[2 * g + 1];
    }
    gradient[at->input_low] = low_sum * (double)o->act_share * slope((double)learned.lo);
    gradient[at->input_high] = high_sum * (double)o->act_share * slope((double)learned.hi);
    free(ends);
    return PL_OK;
}

/* dL/dQ(X T) and dL/dQ(W T^-T), cut so that a tick comes in time. */
static pl_status product_gradients(pl_objective *o, pl_task *task, pl_error *err)
{
    const size_t n = o->at.n, m = o->at.rows, b = o->batch;
    const double each = 2.0 * (double)n, most = 2e9;
    const size_t input_step = (size_t)fmax(64.0, most / (each * (double)m));
    const size_t weight_step = (size_t)fmax(64.0, most / (each * (double)b));
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < b; first += input_step) {
        const size_t count = b - first < input_step ? b - first : input_step;
        pl_gemm_nn(count, n, m, 1.0f, o->lost + first * m, m, o->wq, n, 0.0f, o->xg + first * n, n);
        status = pl_task_tick(task, err);
    }
    for (size_t first = 0; status == PL_OK && first < m; first += weight_step) {
        const size_t count = m - first < weight_step ? m - first : weight_step;
        pl_gemm_tn(count, n, b, o->lost + first, m, o->xq, n, 0.0f, o->wg + first * n, n);
        status = pl_task_tick(task, err);
    }
    return status;
}

/* From dL/dX T and dL/dW T^-T to the factors' and the diagonal's parameters. */
static pl_status factor_gradients(pl_objective *o, const double *params, size_t batch,
                                  double *gradient, pl_task *task, pl_error *err)
{
    const pl_flat_layout *at = &o->at;
    const size_t a = at->n1 * at->n1, b = at->n2 * at->n2;
    double *f1 = o->sums, *f2 = f1 + a, *g1 = f2 + b, *g2 = g1 + a, *s = g2 + b, *u = s + at->n;
    const pl_scaled_kron inputs = input_product(o), weights = weight_product(o);
    memset(o->sums, 0, sums_count(at) * sizeof *o->sums);
    pl_status status = pl_scaled_kron_gradient(&inputs, o->x + batch * o->batch * at->n, o->batch,
                                               o->xg, f1, f2, s, err);
    PL_THEN(pl_task_tick(task, err));
    PL_THEN(pl_scaled_kron_gradient(&weights, o->w, at->rows, o->wg, g1, g2, u, err));
    if (status == PL_OK) {
        pl_factor_gradient(&o->p1, params + at->first, f1, g1, gradient + at->first);
        pl_factor_gradient(&o->p2, params + at->second, f2, g2, gradient + at->second);
        for (size_t c = 0; c < at->n; c++) {
            gradient[at->scale + c] = s[c] * (double)o->scale[c] - u[c] * (double)o->unscale[c];
        }
        status = pl_task_tick(task, err);
    }
    return status;
}

static pl_status backward(pl_objective *o, const double *params, size_t batch, double error,
                          double *gradient, pl_task *task, pl_error *err)
{
    pl_status status = product_gradients(o, task, err);
    if (status == PL_OK) {
        weight_gradient(o, params, gradient);
        status = input_gradient(o, params, gradient, err);
    }
    PL_THEN(factor_gradients(o, params, batch, gradient, task, err));
    /* The matrices hold dL/d. / 2: of log L it is 2 / L times that. */
    const double by = error > 0.0 ? 2.0 / error : 0.0;
    for (size_t i = 0; status == PL_OK && i < o->at.count; i++) {
        gradient[i] *= by;
        if (!isfinite(gradient[i])) {
            status = pl_error_set(err, PL_ERR_NUMERIC, "the gradient is not finite");
        }
    }
    return status;
}

pl_status pl_objective_value(pl_objective *o, const double *params, size_t batch, double *value,
                             double *gradient, pl_task *task, pl_error *err)
{
    double error = 0.0, energy = 0.0;
    *value = (double)NAN;
    pl_status status = make_factors(o, params, err);
    PL_THEN(forward(o, params, batch, &error, &energy, task, err));
    if (status == PL_OK && !isfinite(error)) {
        status = pl_error_set(err, PL_ERR_NUMERIC, "the loss is not finite");
    }
    if (status == PL_OK) {
        *value = energy > 0.0 ? error / energy : 0.0;
        if (gradient != NULL) {
            status = backward(o, params, batch, error, gradient, task, err);
        }
    }
    return status;
}
