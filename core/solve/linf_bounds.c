#include "core/solve/linf_parts.h"

#include "core/tensor/clones.h"
#include "core/tensor/lower.h"

#include <math.h>

enum { LANES = 8 };

static inline __attribute__((always_inline)) double add_lanes(const double *lanes)
{
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
           ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

PL_CLONES
static double sum_of_squares(const double *x, size_t count)
{
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            lanes[lane] += x[i + (size_t)lane] * x[i + (size_t)lane];
        }
    }
    for (; i < count; i++) {
        lanes[i % LANES] += x[i] * x[i];
    }
    return add_lanes(lanes);
}

PL_CLONES
static void subtract_to_double(const float *w, const float *w0, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (double)w[i] - (double)w0[i];
    }
}

PL_CLONES
static float largest_by_lanes(const float *w, size_t count)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            const float a = fabsf(w[i + (size_t)lane]);
            lanes[lane] = a > lanes[lane] ? a : lanes[lane];
        }
    }
    for (; i < count; i++) {
        const float a = fabsf(w[i]);
        lanes[0] = a > lanes[0] ? a : lanes[0];
    }
    float max = 0.0f;
    for (int lane = 0; lane < LANES; lane++) {
        max = lanes[lane] > max ? lanes[lane] : max;
    }
    return max;
}

void pl_linf_primal(const pl_linf_frame *frame, pl_view w0, size_t count, const float *w,
                    size_t stride, double *work, pl_linf_bounds *bounds)
{
    const size_t n = frame->n;
    for (size_t r = 0; r < count; r++) {
        subtract_to_double(w + r * stride, w0.data + r * w0.stride, n, work + r * n);
    }
    pl_lower_mul(frame->lower, work, count);
    for (size_t r = 0; r < count; r++) {
        double penalty = 0.0;
        for (size_t k = 0, at = 0; k < frame->groups; k++, at += frame->width) {
            const size_t size = n - at < frame->width ? n - at : frame->width;
            penalty += frame->weights[k] * (double)largest_by_lanes(w + r * stride + at, size);
        }
        bounds[r].primal = 0.5 * sum_of_squares(work + r * n, n) + penalty;
    }
}

/* y = rho metric (v - clip(v, c)) of one group, and ||y||_1. */
static inline __attribute__((always_inline)) double dual_of(const float *v, const float *metric,
                                                            size_t count, float c, double rho,
                                                            double *y)
{
    for (size_t i = 0; i < count; i++) {
        const float capped = v[i] < c ? v[i] : c;
        const float z = capped > -c ? capped : -c;
        y[i] = (metric != NULL ? rho * (double)metric[i] : rho) * ((double)v[i] - (double)z);
    }
    double lanes[LANES] = {0};
    const size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            lanes[lane] += fabs(y[i + lane]);
        }
    }
    for (size_t i = whole; i < count; i++) {
        lanes[i % LANES] += fabs(y[i]);
    }
    return add_lanes(lanes);
}

PL_CLONES
static double group_dual(const float *v, size_t count, float c, double rho, double *y)
{
    return dual_of(v, NULL, count, c, rho, y);
}

PL_CLONES
static double group_dual_in(const float *v, const float *metric, size_t count, float c, double rho,
                            double *y)
{
    return dual_of(v, metric, count, c, rho, y);
}

/* y := s y, and y . w0. */
PL_CLONES
static double scale_and_dot(double *y, size_t count, double s, const float *w0)
{
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            y[i + (size_t)lane] *= s;
            lanes[lane] += y[i + (size_t)lane] * (double)w0[i + (size_t)lane];
        }
    }
    for (; i < count; i++) {
        y[i] *= s;
        lanes[i % LANES] += y[i] * (double)w0[i];
    }
    return add_lanes(lanes);
}

void pl_linf_dual(const pl_linf_frame *frame, pl_view w0, size_t count, const float *v,
                  const float *levels, double rho, double *work, pl_linf_bounds *bounds)
{
    const size_t n = frame->n;
    for (size_t r = 0; r < count; r++) {
        const float *start = w0.data + r * w0.stride;
        double linear = 0.0;
        for (size_t k = 0, at = 0; k < frame->groups; k++, at += frame->width) {
            const size_t size = n - at < frame->width ? n - at : frame->width;
            double *y = work + r * n + at;
            const float c = levels[r * frame->groups + k], *from = v + r * n + at;
            const double norm = frame->metric != NULL
                                    ? group_dual_in(from, frame->metric + at, size, c, rho, y)
                                    : group_dual(from, size, c, rho, y);
            const double s = norm > frame->weights[k] ? frame->weights[k] / norm : 1.0;
            linear += scale_and_dot(y, size, s, start + at);
        }
        bounds[r].dual = linear;
    }
    pl_lower_solve(frame->lower, work, count);
    for (size_t r = 0; r < count; r++) {
        const double linear = bounds[r].dual;
        const double square = sum_of_squares(work + r * n, n);
        double t = linear < square ? linear / square : 1.0;
        t = t > 0.0 ? t : 0.0;
        bounds[r].dual = t * (linear - 0.5 * t * square);
    }
}
