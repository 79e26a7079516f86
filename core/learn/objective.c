#include "core/learn/objective.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- making ----------------------------------------------------------------------------------- */

static pl_status no_memory_objective(const char *site, pl_error *err)
{
    return pl_error_memory(err, "learning a transform of %s", site);
}

static pl_status check_learnable(const pl_site_input *in, pl_error *err)
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
        return no_memory_objective(in->site, err);
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

static pl_status allocate_objective(pl_objective *o, pl_error *err)
{
    const pl_flat_layout *at = &o->at;
    const size_t n = at->n, inputs = o->batch * n, weights = at->rows * n;
    const size_t sizes[] = {inputs, inputs, inputs, weights, weights, weights, o->batch * at->rows};
    float **const parts[] = {&o->xt, &o->xq, &o->xg, &o->wt, &o->wq, &o->wg, &o->lost};
    size_t all = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        all += sizes[i];
    }
    o->x = pl_alloc(o->samples * n, sizeof *o->x);
    o->w = pl_alloc(weights, sizeof *o->w);
    o->y = pl_alloc(o->samples * at->rows, sizeof *o->y);
    o->work = pl_alloc(all, sizeof *o->work);
    if (o->x == NULL || o->w == NULL || o->y == NULL || o->work == NULL) {
        return no_memory_objective(o->name, err);
    }
    float *next = o->work;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = next;
        next += sizes[i];
    }
    return PL_OK;
}

pl_status pl_objective_init(pl_objective *o, const pl_site_input *in, size_t batch, uint64_t seed,
                            pl_task *task, pl_error *err)
{
    const size_t samples = in->sample.rows;
    *o = (pl_objective){
        .name = in->site,
        .at = pl_flat_layout_of(in),
        .samples = samples,
        .batch = batch < samples ? batch : samples,
    };
    pl_status status = check_learnable(in, err);
    PL_THEN(pl_flat_site_init(&o->site, &o->at, in, o->batch, true, err));
    PL_THEN(allocate_objective(o, err));
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
    pl_flat_site_deinit(&o->site);
    *o = (pl_objective){0};
}

/* What is left over after the last whole batch waits for another seed: all batches weigh the same.
 */
size_t pl_objective_batches(const pl_objective *o)
{
    return o->samples / o->batch;
}

/* --- forward ---------------------------------------------------------------------------------- */

/* lost <- what the quantized site gives less what it should, and the sums of both squares. */
PL_CLONES static void subtract_row(const float *restrict y, float *restrict lost, size_t n,
                                   double *error, double *energy)
{
    enum { LANES = 16 };
    float e[LANES] = {0}, t[LANES] = {0};
    const size_t whole = n / LANES * LANES;
    /* A loop for each: compilers turn two sums in one loop round. */
    for (size_t i = 0; i < n; i++) {
        lost[i] -= y[i];
    }
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            e[k] += lost[i + k] * lost[i + k];
        }
    }
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t k = 0; k < LANES; k++) {
            t[k] += y[i + k] * y[i + k];
        }
    }
    for (size_t i = whole; i < n; i++) {
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
    const pl_scaled_kron inputs = pl_flat_site_input_map(&o->site);
    const pl_scaled_kron weights = pl_flat_site_weight_map(&o->site);
    pl_scaled_kron_rows(&inputs, o->x + first * n, o->batch, o->xt, o->xg);
    pl_flat_site_round_inputs(&o->site, params, o->xt, o->batch, o->xq);
    pl_status status = pl_task_tick(task, err);
    if (status == PL_OK) {
        pl_scaled_kron_rows(&weights, o->w, m, o->wt, o->wg);
        pl_flat_site_round_weights(&o->site, params, 0, m, o->wt, o->wq);
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
    pl_flat_site *s = &o->site;
    const pl_scaled_kron inputs = pl_flat_site_input_map(s), weights = pl_flat_site_weight_map(s);
    pl_status status = pl_scaled_kron_gradient(&inputs, o->x + batch * o->batch * o->at.n, o->batch,
                                               o->xg, s->f1_sum, s->f2_sum, s->scale_sum, err);
    PL_THEN(pl_task_tick(task, err));
    PL_THEN(pl_scaled_kron_gradient(&weights, o->w, o->at.rows, o->wg, s->g1_sum, s->g2_sum,
                                    s->unscale_sum, err));
    if (status == PL_OK) {
        pl_flat_site_gradient(s, params, gradient);
        status = pl_task_tick(task, err);
    }
    return status;
}

static pl_status backward(pl_objective *o, const double *params, size_t batch, double error,
                          double *gradient, pl_task *task, pl_error *err)
{
    pl_status status = product_gradients(o, task, err);
    memset(gradient, 0, o->at.count * sizeof *gradient);
    if (status == PL_OK) {
        pl_flat_site_weights_back(&o->site, params, 0, o->at.rows, o->wt, o->wg, gradient);
        pl_flat_site_inputs_back(&o->site, params, o->xt, o->batch, o->xg, gradient);
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
    pl_status status = pl_flat_site_make(&o->site, params, err);
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
