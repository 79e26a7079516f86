#include "core/base/checked.h"
#include "core/solve/factors_parts.h"
#include "core/tensor/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* out[n, n] = scale (Gn + add I + diag(rho))^-1, float32; rho[n] or NULL. */
static pl_status invert(const pl_factors *f, double add, const double *rho, double scale,
                        float *out, pl_task *task, pl_error *err)
{
    size_t column = 0;
    bool positive = false;
    pl_lower *lower = pl_lower_create(f->n);
    pl_status status = lower != NULL ? pl_task_tick(task, err) : pl_factors_no_memory(f, err);
    if (status == PL_OK) {
        pl_factors_fill(f, f->normal.lambda_max, f->diagonal, add, lower);
        for (size_t i = 0; rho != NULL && i < f->n; i++) {
            pl_lower_row(lower, i)[i] += rho[i];
        }
        status = pl_lower_cholesky(lower, &positive, &column, task, err);
    }
    if (status == PL_OK && !positive) {
        status = pl_error_set(err, PL_ERR_NUMERIC,
                              "%s: the Cholesky factorization of Gn + rho fails at channel %zu, "
                              "where rho is %g",
                              f->label, column, rho != NULL ? rho[column] : add);
    }
    PL_THEN(pl_task_tick(task, err));
    if (status == PL_OK) {
        status = pl_lower_inverse(lower, scale, out, task, err);
        lower = NULL;
    }
    pl_lower_destroy(lower);
    return status;
}

static pl_status make_admm(pl_factors *f, double rho, const pl_kept **out, pl_task *task,
                           pl_error *err)
{
    float *a = pl_alloc(f->n * f->n, sizeof *a);
    pl_status status =
        a != NULL ? invert(f, rho, NULL, rho, a, task, err) : pl_factors_no_memory(f, err);
    if (status != PL_OK) {
        free(a);
        return status;
    }
    *out = pl_factors_keep(f, (pl_kept){.kind = PL_KEPT_ADMM, .key = rho}, a, err);
    return *out != NULL ? PL_OK : PL_ERR_MEMORY;
}

pl_status pl_factors_admm(pl_factors *f, double rho, const float **a, pl_task *task, pl_error *err)
{
    *a = NULL;
    pl_normalized normal;
    pl_status status = pl_factors_scale(f, &normal, task, err);
    const pl_kept *entry = NULL;
    if (status == PL_OK) {
        entry = pl_factors_find(f, PL_KEPT_ADMM, rho, PL_ORDER_NONE);
        status = entry == NULL ? make_admm(f, rho, &entry, task, err) : PL_OK;
    }
    if (status == PL_OK) {
        *a = entry->data;
    }
    return status;
}

/* --- one rho a channel ------------------------------------------------------------------------ */

/* sums[count] += the squares of row[count]. */
PL_CLONES
static void add_squares(const double *row, size_t count, double *sums)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += row[i] * row[i];
    }
}

/* h_i = 1 / (Gn^-1)_ii from Gn^-1 = L^-T L^-1, once a site. */
static pl_status need_given(pl_factors *f, pl_task *task, pl_error *err)
{
    const size_t n = f->n;
    const pl_lower *kept = NULL;
    if (f->given != NULL) {
        return PL_OK;
    }
    pl_status status = pl_factors_cholesky(f, &kept, task, err);
    if (status != PL_OK) {
        return status;
    }
    double *given = calloc(n, sizeof *given);
    const bool lean = pl_factors_are_lean(f);
    pl_lower *inverse = lean ? f->lower : pl_lower_create(n);
    status = given != NULL && inverse != NULL ? PL_OK : pl_factors_no_memory(f, err);
    for (size_t i = 0; status == PL_OK && !lean && i < n; i++) {
        memcpy(pl_lower_row(inverse, i), pl_lower_row(f->lower, i), (i + 1) * sizeof *given);
    }
    f->lower = lean ? NULL : f->lower; /* is inverted in place, and made again when needed */
    PL_THEN(pl_lower_invert(inverse, task, err));
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        add_squares(pl_lower_row(inverse, i), i + 1, given);
    }
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        given[i] = 1.0 / given[i];
    }
    if (status == PL_OK && f->given == NULL) { /* a tick may have made them in the meantime */
        f->given = given;
        given = NULL;
    }
    pl_lower_destroy(inverse);
    free(given);
    return status;
}

/* rho[n], and its mean; metric[n] is what float32 keeps of rho over it, and rho follows that. */
static double choose_rho(const pl_factors *f, double theta, const float *shape, double *rho,
                         float *metric)
{
    double mean = 0.0;
    for (size_t i = 0; i < f->n; i++) {
        rho[i] = f->given[i] + theta * (double)shape[i];
        mean += rho[i] / (double)f->n;
    }
    for (size_t i = 0; i < f->n; i++) {
        metric[i] = (float)(rho[i] / mean);
        rho[i] = mean * (double)metric[i];
    }
    return mean;
}

static pl_status make_metric(pl_factors *f, double theta, const float *shape, const pl_kept **out,
                             pl_task *task, pl_error *err)
{
    const size_t n = f->n;
    double *rho = pl_alloc(n, sizeof *rho);
    float *data = pl_alloc(n * n + 2 * n, sizeof *data);
    pl_kept model = {.kind = PL_KEPT_METRIC, .key = theta};
    pl_status status = rho == NULL || data == NULL ? pl_factors_no_memory(f, err) : PL_OK;
    if (status == PL_OK) {
        model.used = choose_rho(f, theta, shape, rho, data + n * n);
        memcpy(data + n * n + n, shape, n * sizeof *shape);
        status = invert(f, 0.0, rho, model.used, data, task, err);
    }
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            data[i * n + j] *= data[n * n + i];
        }
    }
    if (status == PL_OK) {
        *out = pl_factors_keep(f, model, data, err);
        status = *out != NULL ? PL_OK : PL_ERR_MEMORY;
        data = NULL;
    }
    free(rho);
    free(data);
    return status;
}

static bool has_shape(const pl_factors *f, const pl_kept *entry, const float *shape)
{
    return entry->kind == PL_KEPT_METRIC &&
           memcmp(entry->data + f->n * f->n + f->n, shape, f->n * sizeof *shape) == 0;
}

static const pl_kept *find_metric(pl_factors *f, double theta, const float *shape)
{
    for (pl_kept *entry = f->list; entry != NULL; entry = entry->next) {
        if (has_shape(f, entry, shape) && !(entry->key < theta) && !(entry->key > theta)) {
            entry->used_at = ++f->clock;
            return entry;
        }
    }
    return NULL;
}

pl_status pl_factors_metric(pl_factors *f, double theta, const float *shape, pl_metric *out,
                            pl_task *task, pl_error *err)
{
    *out = (pl_metric){0};
    pl_normalized normal;
    pl_status status = pl_factors_scale(f, &normal, task, err);
    const pl_kept *entry = NULL;
    PL_THEN(need_given(f, task, err));
    if (status == PL_OK) {
        entry = find_metric(f, theta, shape);
        status = entry == NULL ? make_metric(f, theta, shape, &entry, task, err) : PL_OK;
    }
    if (status == PL_OK) {
        *out = (pl_metric){entry->data, entry->used, entry->data + f->n * f->n};
    }
    return status;
}

double pl_factors_metric_near(const pl_factors *f, double theta, const float *shape)
{
    double near = 0.0;
    for (const pl_kept *entry = f->list; entry != NULL; entry = entry->next) {
        if (has_shape(f, entry, shape) && entry->key > 0.0 &&
            (!(near > 0.0) || fabs(log(entry->key / theta)) < fabs(log(near / theta)))) {
            near = entry->key;
        }
    }
    return near;
}
