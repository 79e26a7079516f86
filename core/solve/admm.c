#include "core/base/checked.h"
#include "core/solve/linf_parts.h"

#include <math.h>
#include <stdlib.h>

/* Over-relaxed ADMM (Boyd et al. 2011, 3.4.3) on methods.md 2.2, with a rho for each channel,
 * R = diag(rho_i):
 *     x = w0 + (z - u - w0) M,   v = 1.6 x - 0.6 z + u,   z = prox(v),   u = v - z
 * with M = R (Gn + R)^-1 and the prox in the metric R, which clips as the plain one does.  Written
 * in v and z alone, D = z - u - w0 = 2 z - v - w0 and what v needs beside 1.6 D M is
 * u + 1.6 w0 - 0.6 z = v - 1.6 z + 1.6 w0. */
static const float RELAX = 1.6f;

/* ADMM is fast where rho_i is about |y_i| over the way that weight i has to go.  A weak push moves
 * it by y_i / h_i (h_i: see pl_factors_metric).  A strong one moves it by about its own size, and
 * y_i is then bounded twice: ||y^(k)||_1 <= beta alpha_k, and |y_i| <= const sqrt(Gn_ii) by
 * Cauchy-Schwarz, so that
 *     rho_i = h_i + theta alpha_k sqrt(Gn_ii) / mean_k sqrt(Gn_jj),
 *     theta = 1.5 beta / mean ||w0^(k)||_1,
 * rounded to a power of two, which costs nothing and lets near betas and layers of a site share M.
 * Scaling W0 and beta alike scales the solution and leaves M as it is. */
static const double THETA = 1.5;

static double choose_theta(const pl_linf_problem *problem)
{
    const pl_view w0 = problem->whole.data != NULL ? problem->whole : problem->w0;
    const double groups = (double)pl_linf_groups(problem);
    double norm = 0.0;
    for (size_t r = 0; r < w0.rows; r++) {
        norm += pl_linf_magnitudes(w0.data + r * w0.stride, w0.cols) / groups;
    }
    norm /= (double)w0.rows;
    return exp2(round(log2(THETA * problem->beta / (norm > 0.0 ? norm : 1.0))));
}

static void choose_shape(const pl_linf_problem *problem, const float *diagonal, float *shape)
{
    const size_t n = problem->w0.cols, width = pl_linf_width(problem);
    for (size_t k = 0, first = 0; first < n; k++, first += width) {
        const size_t end = n - first < width ? n : first + width;
        double mean = 0.0;
        for (size_t i = first; i < end; i++) {
            mean += sqrt((double)diagonal[i]) / (double)(end - first);
        }
        const double scale = mean > 0.0 ? (double)problem->alpha[k] / mean : 0.0;
        for (size_t i = first; i < end; i++) {
            shape[i] = (float)(scale * sqrt((double)diagonal[i]));
        }
    }
}

static pl_status take_metric(pl_factors *factors, const pl_linf_problem *problem,
                             const float *diagonal, bool ready, pl_metric *out, pl_task *task,
                             pl_error *err)
{
    float *shape = pl_alloc(problem->w0.cols, sizeof *shape);
    if (shape == NULL) {
        return pl_error_memory(err, "%zu channels", problem->w0.cols);
    }
    double theta = choose_theta(problem);
    choose_shape(problem, diagonal, shape);
    if (ready) {
        const double near = pl_factors_metric_near(factors, theta, shape);
        theta = near > 0.0 ? near : theta;
    }
    pl_status status = pl_factors_metric(factors, theta, shape, out, task, err);
    free(shape);
    return status;
}

pl_status pl_linf_admm_kernel(pl_factors *factors, const pl_linf_problem *problem,
                              double rho_factor, bool ready, pl_linf_kernel *out, pl_task *task,
                              pl_error *err)
{
    pl_normalized normal;
    pl_status status = pl_factors_scale(factors, &normal, task, err);
    if (status != PL_OK) {
        return status;
    }
    *out = (pl_linf_kernel){
        .gain = RELAX, .d_z = 2.0f, .d_v = -1.0f, .c_z = -RELAX, .c_v = 1.0f, .c_w = RELAX};
    if (rho_factor > 0.0) {
        out->rho = rho_factor * normal.mean_diag;
        return pl_factors_admm(factors, out->rho, &out->matrix, task, err);
    }
    pl_metric made;
    status = take_metric(factors, problem, normal.diagonal, ready, &made, task, err);
    if (status == PL_OK) {
        out->matrix = made.m;
        out->rho = made.rho;
        out->metric = made.metric;
    }
    return status;
}
