#include "core/solve/factors.h"

#include "core/base/checked.h"
#include "core/solve/factors_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_ADMM = 4, KEPT_METRIC = 2, KEPT_GPTQ = 3, KEPT_GPTAQ = 2 };

static const double FIRST_RIDGE = 1e-6, LAST_RIDGE = 1e-2; /* times mean(diag Gn) */

pl_status pl_factors_no_memory(const pl_factors *f, pl_error *err)
{
    return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory for a factor of %zu x %zu", f->label,
                        f->n, f->n);
}

pl_status pl_factors_create(const pl_sym *gram, double tokens, const char *label, pl_factors **out,
                            pl_error *err)
{
    const size_t n = gram->n;
    size_t row = 0, column = 0;
    *out = NULL;
    if (pl_sym_find_nonfinite(gram, &row, &column)) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "%s: element [%zu, %zu] of the Gram matrix is not finite", label, row,
                            column);
    }
    pl_factors *f = calloc(1, sizeof *f);
    if (f != NULL) {
        f->gram = *gram;
        f->n = n;
        f->tokens = tokens;
        f->label = strdup(label);
        f->dead = pl_alloc(n, sizeof *f->dead);
    }
    if (f == NULL || f->label == NULL || f->dead == NULL) {
        pl_factors_destroy(f);
        return pl_error_memory(err, "%s", label);
    }
    for (size_t i = 0; i < n; i++) {
        const float d = pl_sym_row(gram, i)[0];
        if (d < 0.0f) {
            pl_factors_destroy(f);
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "%s: the Gram matrix has %g on its diagonal at channel %zu, "
                                "where a mean of squares is expected",
                                label, (double)d, i);
        }
        f->dead[i] = !(d > 0.0f);
    }
    *out = f;
    return PL_OK;
}

void pl_factors_destroy(pl_factors *f)
{
    if (f == NULL) {
        return;
    }
    while (f->list != NULL) {
        pl_kept *next = f->list->next;
        free(f->list->data);
        free(f->list);
        f->list = next;
    }
    pl_lower_destroy(f->lower);
    free(f->gn);
    free(f->diagonal);
    free(f->given);
    free(f->cross);
    while (f->orders != NULL) {
        pl_order *order = f->orders;
        f->orders = order->next;
        free(order);
    }
    free(f->dead);
    free(f->label);
    free(f);
}

size_t pl_factors_n(const pl_factors *f)
{
    return f->n;
}

double pl_factors_tokens(const pl_factors *f)
{
    return f->tokens;
}

const char *pl_factors_label(const pl_factors *f)
{
    return f->label;
}

const pl_sym *pl_factors_gram(const pl_factors *f)
{
    return &f->gram;
}

void pl_factors_set_lean(pl_factors *f, bool lean)
{
    f->lean = lean;
}

bool pl_factors_are_lean(const pl_factors *f)
{
    return f->lean && f->holds <= 1;
}

size_t pl_factors_bytes(const pl_factors *f)
{
    const size_t single = f->n * f->n * sizeof(float);
    size_t bytes = sizeof *f + f->n * sizeof *f->dead;
    for (const pl_order *order = f->orders; order != NULL; order = order->next) {
        bytes += sizeof *order + f->n * sizeof *order->perm;
    }
    bytes += f->gn != NULL ? single : 0;
    bytes += f->diagonal != NULL ? f->n * sizeof *f->diagonal : 0;
    bytes += f->lower != NULL ? pl_lower_bytes(f->lower) : 0;
    bytes += f->cross != NULL ? single : 0;
    bytes += f->given != NULL ? f->n * sizeof *f->given : 0;
    for (const pl_kept *entry = f->list; entry != NULL; entry = entry->next) {
        bytes += sizeof *entry + single;
        bytes += entry->kind == PL_KEPT_METRIC ? 2 * f->n * sizeof(float) : 0;
    }
    return bytes;
}

const pl_kept *pl_factors_find(pl_factors *f, pl_kept_kind kind, double key, size_t order)
{
    for (pl_kept *entry = f->list; entry != NULL; entry = entry->next) {
        if (entry->kind == kind && entry->order == order && !(entry->key < key) &&
            !(entry->key > key)) {
            entry->used_at = ++f->clock;
            return entry;
        }
    }
    return NULL;
}

/* Frees the least recently used, of a kind or of any (NULL); false if there is none. */
static bool drop_oldest(pl_factors *f, const pl_kept_kind *kind)
{
    pl_kept **oldest = NULL;
    for (pl_kept **at = &f->list; *at != NULL; at = &(*at)->next) {
        if (kind == NULL || (*at)->kind == *kind) {
            oldest = oldest == NULL || (*at)->used_at < (*oldest)->used_at ? at : oldest;
        }
    }
    if (oldest == NULL) {
        return false;
    }
    pl_kept *gone = *oldest;
    *oldest = gone->next;
    free(gone->data);
    free(gone);
    return true;
}

/* Keeps the `limit` most recently used of a kind, and all while the factors are held. */
static void trim_kept(pl_factors *f, pl_kept_kind kind, int limit)
{
    int count = 0;
    for (const pl_kept *entry = f->list; entry != NULL; entry = entry->next) {
        count += entry->kind == kind ? 1 : 0;
    }
    while (f->holds == 0 && count > limit && drop_oldest(f, &kind)) {
        count--;
    }
}

static void let_go(pl_factors *f, size_t bytes)
{
    if (pl_factors_bytes(f) > bytes) {
        free(f->gn);
        f->gn = NULL;
    }
    if (pl_factors_bytes(f) > bytes) {
        pl_lower_destroy(f->lower);
        f->lower = NULL;
    }
    while (pl_factors_bytes(f) > bytes && drop_oldest(f, NULL)) {
    }
}

void pl_factors_shrink(pl_factors *f, size_t bytes)
{
    if (f->holds == 0) {
        let_go(f, bytes);
    }
}

void pl_factors_drop(pl_factors *f)
{
    if (f->holds <= 1) {
        let_go(f, 0);
    }
}

static void trim_all(pl_factors *f)
{
    trim_kept(f, PL_KEPT_ADMM, KEPT_ADMM);
    trim_kept(f, PL_KEPT_METRIC, KEPT_METRIC);
    trim_kept(f, PL_KEPT_GPTQ, KEPT_GPTQ);
    trim_kept(f, PL_KEPT_GPTAQ, KEPT_GPTAQ);
}

void pl_factors_hold(pl_factors *f)
{
    f->holds++;
}

void pl_factors_release(pl_factors *f)
{
    f->holds--;
    trim_all(f);
}

const pl_kept *pl_factors_keep(pl_factors *f, pl_kept model, float *data, pl_error *err)
{
    pl_kept *entry = malloc(sizeof *entry);
    if (entry == NULL) {
        free(data);
        (void)pl_factors_no_memory(f, err);
        return NULL;
    }
    *entry = model;
    entry->data = data;
    entry->used_at = ++f->clock;
    entry->next = f->list;
    f->list = entry;
    trim_all(f);
    return entry;
}

/* Element of Gn beside its diagonal, or there without a ridge. */
static inline float scaled(float g, double inverse)
{
    return (float)((double)g * inverse);
}

void pl_factors_fill(const pl_factors *f, double lambda_max, const float *diagonal, double add,
                     pl_lower *lower)
{
    enum { TILE = 64 };
    const size_t n = f->n;
    const double inverse = 1.0 / lambda_max;
#pragma omp parallel for schedule(dynamic, 1) if (n >= 256)
    for (size_t top = 0; top < n; top += TILE) { /* rows of the lower triangle, by tiles */
        const size_t end = n - top < TILE ? n : top + TILE;
        double *rows[TILE];
        for (size_t i = top; i < end; i++) {
            rows[i - top] = pl_lower_row(lower, i);
            rows[i - top][i] = (double)diagonal[i] + add;
        }
        for (size_t j = 0; j < end; j++) {
            const float *column = pl_sym_row(&f->gram, j);
            for (size_t i = j + 1 > top ? j + 1 : top; i < end; i++) {
                rows[i - top][j] = (double)scaled(column[i - j], inverse);
            }
        }
    }
}

static double mean_of(const float *a, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i];
    }
    return sum / (double)n;
}

static bool needs_ridge(const pl_factors *f)
{
    bool dead = false;
    for (size_t i = 0; i < f->n; i++) {
        dead = dead || f->dead[i];
    }
    return dead || f->tokens < (double)f->n;
}

/* Raises the diagonal until the float64 Cholesky of Gn exists; lower receives the factor. */
static pl_status factor_normalized(pl_factors *f, float *diagonal, pl_lower *lower,
                                   pl_normalized *normal, pl_task *task, pl_error *err)
{
    double ridge = needs_ridge(f) ? FIRST_RIDGE * normal->mean_diag : 0.0;
    double added = 0.0;
    for (;;) {
        bool positive = false;
        size_t column = 0;
        for (size_t i = 0; i < f->n; i++) {
            diagonal[i] = (float)((double)diagonal[i] + (ridge - added));
        }
        added = ridge;
        pl_status status = pl_task_tick(task, err);
        if (status == PL_OK) {
            pl_factors_fill(f, normal->lambda_max, diagonal, 0.0, lower);
            status = pl_lower_cholesky(lower, &positive, &column, task, err);
        }
        if (status != PL_OK || positive) {
            normal->ridge = ridge;
            return status;
        }
        ridge = ridge > 0.0 ? 10.0 * ridge : FIRST_RIDGE * normal->mean_diag;
        if (ridge > 1.5 * LAST_RIDGE * normal->mean_diag) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "%s: the Gram matrix is not positive semidefinite: its Cholesky "
                                "factorization fails at channel %zu even with a ridge of %g times "
                                "its mean diagonal",
                                f->label, column, LAST_RIDGE);
        }
    }
}

static pl_status make_scale(pl_factors *f, pl_task *task, pl_error *err)
{
    const size_t n = f->n;
    float *diagonal = NULL;
    pl_lower *lower = NULL;
    pl_normalized normal = {0};
    pl_status status = pl_lambda_max(&f->gram, &normal.lambda_max, task, err);
    if (status != PL_OK) {
        pl_error_prefix(err, "%s: ", f->label);
        goto done;
    }
    if (!(normal.lambda_max > 0.0)) {
        status = pl_error_set(err, PL_ERR_NUMERIC,
                              "%s: the Gram matrix is zero: no input of this layer was ever "
                              "different from 0 in calibration",
                              f->label);
        goto done;
    }
    diagonal = pl_alloc(n, sizeof *diagonal);
    lower = pl_lower_create(n);
    if (diagonal == NULL || lower == NULL) {
        status = pl_factors_no_memory(f, err);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        diagonal[i] = scaled(pl_sym_row(&f->gram, i)[0], 1.0 / normal.lambda_max);
    }
    normal.mean_diag = mean_of(diagonal, n);
    status = factor_normalized(f, diagonal, lower, &normal, task, err);
    if (status == PL_OK && f->diagonal == NULL) { /* a tick may have made them in the meantime */
        f->normal = normal;
        f->diagonal = diagonal;
        f->normal.diagonal = diagonal;
        diagonal = NULL;
        f->lower = lower;
        lower = NULL;
    }
done:
    pl_lower_destroy(lower);
    free(diagonal);
    return status;
}

pl_status pl_factors_scale(pl_factors *f, pl_normalized *out, pl_task *task, pl_error *err)
{
    *out = (pl_normalized){0};
    pl_status status = f->diagonal != NULL ? PL_OK : make_scale(f, task, err);
    if (status == PL_OK) {
        *out = f->normal;
    }
    return status;
}

static pl_status make_gn(pl_factors *f, pl_error *err)
{
    const size_t n = f->n;
    const double inverse = 1.0 / f->normal.lambda_max;
    float *gn = pl_alloc(n * n, sizeof *gn);
    if (gn == NULL) {
        return pl_factors_no_memory(f, err);
    }
#pragma omp parallel for schedule(static) if (n >= 256)
    for (size_t i = 0; i < n; i++) {
        const float *row = pl_sym_row(&f->gram, i);
        for (size_t j = i + 1; j < n; j++) {
            gn[i * n + j] = scaled(row[j - i], inverse);
        }
        gn[i * n + i] = f->diagonal[i];
    }
    pl_symmetrize(n, gn);
    f->gn = gn;
    return PL_OK;
}

pl_status pl_factors_normalized(pl_factors *f, pl_normalized *out, pl_task *task, pl_error *err)
{
    pl_status status = pl_factors_scale(f, out, task, err);
    if (status == PL_OK && f->gn == NULL) {
        status = make_gn(f, err);
    }
    *out = status == PL_OK ? f->normal : (pl_normalized){0};
    out->gn = status == PL_OK ? f->gn : NULL;
    return status;
}

/* Again, after pl_factors_shrink. */
static pl_status remake_lower(pl_factors *f, pl_task *task, pl_error *err)
{
    bool positive = false;
    size_t column = 0;
    pl_lower *lower = pl_lower_create(f->n);
    if (lower == NULL) {
        return pl_factors_no_memory(f, err);
    }
    pl_factors_fill(f, f->normal.lambda_max, f->diagonal, 0.0, lower);
    pl_status status = pl_lower_cholesky(lower, &positive, &column, task, err);
    if (status == PL_OK && !positive) {
        status = pl_error_set(err, PL_ERR_NUMERIC,
                              "%s: the Cholesky factorization of the Gram matrix fails at channel "
                              "%zu",
                              f->label, column);
    }
    if (status == PL_OK && f->lower == NULL) {
        f->lower = lower;
        lower = NULL;
    }
    pl_lower_destroy(lower);
    return status;
}

pl_status pl_factors_cholesky(pl_factors *f, const pl_lower **l, pl_task *task, pl_error *err)
{
    pl_normalized normal;
    pl_status status = pl_factors_scale(f, &normal, task, err);
    if (status == PL_OK && f->lower == NULL) {
        status = remake_lower(f, task, err);
    }
    *l = status == PL_OK ? f->lower : NULL;
    return status;
}

static size_t group_count(const pl_factors *f, size_t group_size)
{
    return group_size == 0 ? 1 : (f->n + group_size - 1) / group_size;
}

void pl_factors_group_norms(const pl_factors *f, size_t group_size, double *out)
{
    const size_t width = group_size == 0 ? f->n : group_size;
    for (size_t k = 0; k < group_count(f, group_size); k++) {
        double trace = 0.0;
        for (size_t i = k * width; i < (k + 1) * width && i < f->n; i++) {
            trace += (double)pl_sym_row(&f->gram, i)[0];
        }
        out[k] = sqrt(trace);
    }
}

void pl_factors_alpha(const pl_factors *f, size_t group_size, float *out)
{
    const size_t groups = group_count(f, group_size);
    const size_t width = group_size == 0 ? f->n : group_size;
    double mean = 0.0;
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0.0;
        for (size_t k = 0; k < groups; k++) {
            double trace = 0.0;
            for (size_t i = k * width; i < (k + 1) * width && i < f->n; i++) {
                trace += (double)pl_sym_row(&f->gram, i)[0];
            }
            sum += sqrt(trace);
            out[k] = mean > 0.0 ? (float)(sqrt(trace) / mean) : 0.0f;
        }
        mean = sum / (double)groups;
    }
}
