#include "core/solve/diagonal_below.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 14, HALVINGS = 60 };

static const double FIRST_MU = 0.3, LOWER = 0.25; /* of mu, in units of gain_i / (G^-1)_ii */
static const double KEPT = 0.95;                  /* of the way to d_i = 0 */
static const double LEAST_GAIN = 1e-6;            /* of the mean gain: every d_i has some */

/* Channels that are alive, in the order of the whole. */
typedef struct problem {
    size_t n;
    const size_t *at; /* [n]: their indices */
    const pl_sym *gram;
    double *gain, *d, *step, *next; /* [n] */
    double *inverse, *hessian;      /* [n, n] */
} problem;

/* a = G - diag(d), the lower triangle, less `margin` on the diagonal; d NULL: zeros. */
static void fill_lower(const problem *p, const double *d, double margin, double *a)
{
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j <= i; j++) {
            a[i * p->n + j] = (double)pl_sym_at(p->gram, p->at[i], p->at[j]);
        }
        a[i * p->n + i] -= (d != NULL ? d[i] : 0.0) + margin;
    }
}

static bool is_below(const problem *p, const double *d, double margin, double *room)
{
    size_t column = 0;
    fill_lower(p, d, margin, room);
    return pl_cholesky(room, p->n, &column);
}

/* In place b <- A^-1 b from the lower Cholesky factor l. */
static void solve(const double *l, size_t n, double *b)
{
    pl_solve_lower(l, n, b, 1);
    for (size_t i = n; i-- > 0;) {
        b[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++) {
            b[j] -= l[i * n + j] * b[i];
        }
    }
}

/* Newton's step of the barrier problem at d, whose G - diag(d) has been factored in p->inverse;
 * *found false where float64 has no such step. */
static pl_status find_step(const problem *p, double mu, bool *found, pl_task *task, pl_error *err)
{
    const size_t n = p->n;
    size_t column = 0;
    pl_status status = pl_cholesky_inverse(p->inverse, n, err);
    PL_THEN(pl_task_tick(task, err));
    if (status != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            const double m = p->inverse[i * n + j];
            p->hessian[i * n + j] = mu * m * m;
        }
        p->hessian[i * n + i] += mu / (p->d[i] * p->d[i]);
        p->step[i] = p->gain[i] - mu * p->inverse[i * n + i] + mu / p->d[i];
    }
    *found = pl_cholesky(p->hessian, n, &column);
    if (*found) {
        solve(p->hessian, n, p->step);
    }
    return PL_OK;
}

/* Follows the step as far as d stays inside; returns the fraction taken, or 0.  p->inverse then
 * holds the factor of the new G - diag(d). */
static pl_status go(const problem *p, double *out, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    double share = 1.0;
    *out = 0.0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->step[i] < 0.0) {
            share = fmin(share, -KEPT * p->d[i] / p->step[i]);
        }
    }
    for (int half = 0; status == PL_OK && half < HALVINGS; half++, share *= 0.7) {
        for (size_t i = 0; i < p->n; i++) {
            p->next[i] = p->d[i] + share * p->step[i];
        }
        if (is_below(p, p->next, 0.0, p->inverse)) {
            memcpy(p->d, p->next, p->n * sizeof *p->d);
            *out = share;
            break;
        }
        status = pl_task_tick(task, err);
    }
    return status;
}

/* d = t / (G^-1)_ii with a t that is below; *mu from the same.  *found false where G is singular.
 */
static pl_status begin_below(const problem *p, double *mu, bool *found, pl_task *task,
                             pl_error *err)
{
    const size_t n = p->n;
    *found = is_below(p, NULL, 0.0, p->inverse);
    pl_status status = pl_task_tick(task, err);
    if (status == PL_OK && *found) {
        status = pl_cholesky_inverse(p->inverse, n, err);
    }
    *mu = 0.0;
    for (size_t i = 0; status == PL_OK && *found && i < n; i++) {
        p->step[i] = 1.0 / p->inverse[i * n + i];
        *mu += FIRST_MU * p->gain[i] * p->step[i] / (double)n;
    }
    bool below = false;
    double t = 0.5;
    for (int half = 0; status == PL_OK && *found && !below && half < HALVINGS; half++, t *= 0.5) {
        for (size_t i = 0; i < n; i++) {
            p->d[i] = t * p->step[i];
        }
        status = pl_task_tick(task, err);
        below = status == PL_OK && is_below(p, p->d, 0.0, p->inverse);
    }
    *found = *found && below;
    return status;
}

static pl_status climb(const problem *p, pl_task *task, pl_error *err)
{
    double mu = 0.0;
    bool found = false;
    pl_status status = begin_below(p, &mu, &found, task, err);
    for (int i = 0; status == PL_OK && found && i < STEPS; i++) {
        double share = 0.0;
        status = pl_task_tick(task, err);
        PL_THEN(find_step(p, mu, &found, task, err));
        PL_THEN(pl_task_tick(task, err));
        if (status == PL_OK && found) {
            status = go(p, &share, task, err);
        }
        found = share > 0.0;
        mu *= share > 0.5 ? LOWER : 1.0;
    }
    return status;
}

/* The margin for rounding in a float64 Cholesky factorization: its residual is below (n + 1) eps /
 * (1 - (n + 1) eps) times the trace. */
static double margin_of(const problem *p)
{
    double trace = 0.0;
    for (size_t i = 0; i < p->n; i++) {
        trace += (double)pl_sym_row(p->gram, p->at[i])[0];
    }
    return 4.0 * (double)(p->n + 1) * DBL_EPSILON * trace;
}

/* Scales d down until it is proved to be below; to 0 where nothing else is. */
static pl_status prove(const problem *p, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    static const double shares[] = {1.0 - 1e-9, 1.0 - 1e-6, 0.999, 0.99, 0.9, 0.5, 0.1};
    const double margin = margin_of(p);
    for (size_t s = 0; status == PL_OK && s < sizeof shares / sizeof *shares; s++) {
        for (size_t i = 0; i < p->n; i++) {
            p->next[i] = shares[s] * p->d[i];
        }
        if (is_below(p, p->next, margin, p->inverse)) {
            return PL_OK;
        }
        status = pl_task_tick(task, err);
    }
    memset(p->next, 0, p->n * sizeof *p->next);
    return status;
}

pl_status pl_diagonal_below(const pl_sym *gram, const double *gain, double *d, pl_task *task,
                            pl_error *err)
{
    const size_t n = gram->n;
    assert(n <= PL_DIAGONAL_MOST);
    size_t *at = pl_alloc(n, sizeof *at), alive = 0;
    double *vectors = pl_alloc(4 * n, sizeof *vectors), mean = 0.0;
    memset(d, 0, n * sizeof *d);
    for (size_t i = 0; at != NULL && i < n; i++) {
        if (pl_sym_row(gram, i)[0] > 0.0f) {
            at[alive++] = i;
            mean += gain[i];
        }
    }
    double *squares = pl_alloc(2 * alive * alive + 1, sizeof *squares);
    pl_status status = at != NULL && vectors != NULL && squares != NULL
                           ? PL_OK
                           : pl_error_memory(err, "a diagonal below %zu x %zu", n, n);
    if (status == PL_OK && mean > 0.0) {
        const problem p = {.n = alive,
                           .at = at,
                           .gram = gram,
                           .gain = vectors,
                           .d = vectors + n,
                           .step = vectors + 2 * n,
                           .next = vectors + 3 * n,
                           .inverse = squares,
                           .hessian = squares + alive * alive};
        for (size_t i = 0; i < alive; i++) {
            p.d[i] = 0.0;
            p.gain[i] = fmax(gain[at[i]], LEAST_GAIN * mean / (double)alive);
        }
        status = climb(&p, task, err);
        PL_THEN(prove(&p, task, err));
        for (size_t i = 0; status == PL_OK && i < alive; i++) {
            d[at[i]] = p.next[i];
        }
    }
    free(at);
    free(vectors);
    free(squares);
    return status;
}
