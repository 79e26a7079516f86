#include "core/learn/factor.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"
#include "core/tensor/orthogonal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LEAST_D = 1e-4, MOST_CONDITION = 1e5;

enum { KEPT = 6, WORK = 5 };

pl_status pl_factor_init(pl_factor *f, size_t n, pl_error *err)
{
    *f = (pl_factor){.n = n};
    double *all = pl_alloc((KEPT + WORK) * n * n, sizeof *all);
    if (all == NULL) {
        return pl_error_memory(err, "a factor of %zu x %zu", n, n);
    }
    double **const parts[KEPT] = {&f->u, &f->v, &f->u_solve, &f->v_solve, &f->p, &f->inverse_t};
    for (size_t i = 0; i < KEPT; i++) {
        *parts[i] = all + i * n * n;
    }
    f->work = all + KEPT * n * n;
    return PL_OK;
}

void pl_factor_deinit(pl_factor *f)
{
    free(f->u); /* the first part of one block */
    *f = (pl_factor){0};
}

size_t pl_factor_params(size_t n)
{
    return n * n; /* n (n - 1) / 2 twice, and n */
}

static size_t lower_count(size_t n)
{
    return n * (n - 1) / 2;
}

pl_status pl_factor_start(size_t n, uint64_t seed, double *params, pl_error *err)
{
    float *q = pl_alloc(n * n, sizeof *q);
    pl_status status = q != NULL ? PL_OK : pl_error_memory(err, "a factor");
    for (uint64_t side = 0; status == PL_OK && side < 2; side++) {
        status = pl_orthogonal_random(n, 2 * seed + side, q, NULL, err);
        for (size_t i = 0; status == PL_OK && i < n; i++) {
            for (size_t j = 0; j < i; j++) {
                *params++ = (double)q[i * n + j];
            }
        }
    }
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        *params++ = 1.0;
    }
    free(q);
    return status;
}

/* q = solve (I + A/2) with solve = (I - A/2)^-1. */
static pl_status cayley(size_t n, const double *lower, double *q, double *solve, double *work,
                        pl_error *err)
{
    memset(work, 0, n * n * sizeof *work);
    memset(solve, 0, n * n * sizeof *solve);
    for (size_t i = 0; i < n; i++) {
        work[i * n + i] = solve[i * n + i] = 1.0;
        for (size_t j = 0; j < i; j++) {
            const double half = 0.5 * *lower++;
            work[i * n + j] = solve[j * n + i] = half;
            work[j * n + i] = solve[i * n + j] = -half;
        }
    }
    pl_status status = pl_invert(solve, n, err);
    if (status == PL_OK) {
        pl_multiply(false, false, n, n, n, solve, work, 0.0, q);
    }
    return status;
}

static pl_status check_params(pl_factor *f, const double *params, const char *name, pl_error *err)
{
    const double *d = params + 2 * lower_count(f->n);
    double low = INFINITY, high = 0.0;
    for (size_t i = 0; i < pl_factor_params(f->n); i++) {
        if (!isfinite(params[i])) {
            return pl_error_set(err, PL_ERR_NUMERIC, "%s is not finite", name);
        }
    }
    for (size_t i = 0; i < f->n; i++) {
        low = fmin(low, fabs(d[i]));
        high = fmax(high, fabs(d[i]));
    }
    f->condition = high / low;
    return low >= LEAST_D && f->condition <= MOST_CONDITION
               ? PL_OK
               : pl_error_set(err, PL_ERR_NUMERIC,
                              "%s is singular: its singular values go from %.3g to %.3g", name, low,
                              high);
}

/* out = U diag(d) V^T, or with 1/d. */
static void compose(const pl_factor *f, const double *d, bool divide, double *out)
{
    const size_t n = f->n;
    double *scaled = f->work;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            scaled[i * n + j] = divide ? f->u[i * n + j] / d[j] : f->u[i * n + j] * d[j];
        }
    }
    pl_multiply(false, true, n, n, n, scaled, f->v, 0.0, out);
}

pl_status pl_factor_make(pl_factor *f, const double *params, const char *name, pl_error *err)
{
    const size_t n = f->n, lower = lower_count(n);
    pl_status status = check_params(f, params, name, err);
    PL_THEN(cayley(n, params, f->u, f->u_solve, f->work, err));
    PL_THEN(cayley(n, params + lower, f->v, f->v_solve, f->work, err));
    if (status == PL_OK) {
        compose(f, params + 2 * lower, false, f->p);
        compose(f, params + 2 * lower, true, f->inverse_t);
    }
    return status;
}

/* dL/dA = 1/2 M^T G (Q + I)^T for Q = M (I + A/2), M = (I - A/2)^-1, of which L takes the lower
 * triangle less the upper one. */
static void cayley_gradient(size_t n, const double *q, const double *solve, const double *q_grad,
                            double *work, double *gradient)
{
    double *half = work, *all = work + n * n;
    memcpy(half, q, n * n * sizeof *half);
    for (size_t i = 0; i < n; i++) {
        half[i * n + i] += 1.0;
    }
    pl_multiply(false, true, n, n, n, q_grad, half, 0.0, all);
    pl_multiply(true, false, n, n, n, solve, all, 0.0, half);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            *gradient++ = 0.5 * (half[i * n + j] - half[j * n + i]);
        }
    }
}

/* out[., j] = from[., j] d_j + back[., j] / d_j */
static void scale_columns(size_t n, const double *d, const double *from, const double *back,
                          double *out)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            out[i * n + j] = from[i * n + j] * d[j] + back[i * n + j] / d[j];
        }
    }
}

void pl_factor_gradient(pl_factor *f, const double *params, const double *p_grad,
                        const double *inverse_t_grad, double *gradient)
{
    const size_t n = f->n, lower = lower_count(n);
    const double *d = params + 2 * lower;
    double *a = f->work + 2 * n * n, *b = a + n * n, *q_grad = b + n * n;
    /* dL/dV = (G_P^T U) diag(d) + (G_I^T U) diag(1/d) */
    pl_multiply(true, false, n, n, n, p_grad, f->u, 0.0, a);
    pl_multiply(true, false, n, n, n, inverse_t_grad, f->u, 0.0, b);
    scale_columns(n, d, a, b, q_grad);
    cayley_gradient(n, f->v, f->v_solve, q_grad, f->work, gradient + lower);
    /* dL/dU likewise, and dL/dd_j = (U^T G_P V)_jj - (U^T G_I V)_jj / d_j^2 */
    pl_multiply(false, false, n, n, n, p_grad, f->v, 0.0, a);
    pl_multiply(false, false, n, n, n, inverse_t_grad, f->v, 0.0, b);
    scale_columns(n, d, a, b, q_grad);
    for (size_t j = 0; j < n; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < n; i++) {
            sum += f->u[i * n + j] * (a[i * n + j] - b[i * n + j] / (d[j] * d[j]));
        }
        gradient[2 * lower + j] = sum;
    }
    cayley_gradient(n, f->u, f->u_solve, q_grad, f->work, gradient);
}

void pl_to_float(const double *from, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = (float)from[i];
    }
}
