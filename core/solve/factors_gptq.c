#include "core/solve/factors_parts.h"

#include "core/base/checked.h"
#include "core/base/text.h"

#include <stdlib.h>
#include <string.h>

/* H's diagonal: 2 G_ii, 1 for a dead column. */
static double hessian_diagonal(const pl_factors *f, size_t column)
{
    return f->dead[column] ? 1.0 : 2.0 * (double)pl_sym_row(&f->gram, column)[0];
}

typedef struct ranked {
    double group, key; /* the largest of its group, its own */
    size_t first;      /* column of its group */
    size_t column;
} ranked;

/* Groups by their largest key, and inside by their own; the lower column first where they tie. */
static int by_falling_key(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->group > b->group || a->group < b->group) {
        return a->group > b->group ? -1 : 1;
    }
    if (a->first != b->first) {
        return a->first < b->first ? -1 : 1;
    }
    if (a->key > b->key || a->key < b->key) {
        return a->key > b->key ? -1 : 1;
    }
    return a->column < b->column ? -1 : a->column > b->column;
}

/* columns[n] for pl_factors_order; one column is a group of its own for PL_ORDER_FALLING. */
static void rank_columns(const pl_factors *f, size_t width, ranked *columns)
{
    for (size_t first = 0; first < f->n; first += width) {
        const size_t end = f->n - first < width ? f->n : first + width;
        double largest = 0.0;
        for (size_t i = first; i < end; i++) {
            const double key = hessian_diagonal(f, i);
            largest = key > largest ? key : largest;
        }
        for (size_t i = first; i < end; i++) {
            columns[i] = (ranked){largest, hessian_diagonal(f, i), first, i};
        }
    }
}

pl_status pl_factors_order(pl_factors *f, size_t order, const size_t **perm, pl_error *err)
{
    *perm = NULL;
    if (order == PL_ORDER_NONE) {
        return PL_OK;
    }
    for (const pl_order *known = f->orders; known != NULL; known = known->next) {
        if (known->order == order) {
            *perm = known->perm;
            return PL_OK;
        }
    }
    ranked *columns = pl_alloc(f->n, sizeof *columns);
    pl_order *made = malloc(sizeof *made + f->n * sizeof *made->perm);
    if (columns == NULL || made == NULL) {
        free(columns);
        free(made);
        return pl_factors_no_memory(f, err);
    }
    rank_columns(f, order, columns);
    const size_t whole = f->n - f->n % order;
    qsort(columns, whole, sizeof *columns, by_falling_key);
    for (size_t i = 0; i < f->n; i++) {
        made->perm[i] = columns[i].column;
    }
    free(columns);
    made->order = order;
    made->next = f->orders;
    f->orders = made;
    *perm = made->perm;
    return PL_OK;
}

/* h = J H J + damping mean(diag H) I in the permuted order, J reversing it; its lower triangle. */
static void reversed_hessian(const pl_factors *f, const size_t *perm, double damping, pl_lower *h)
{
    const size_t n = f->n;
    double mean = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += hessian_diagonal(f, i) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t row = perm != NULL ? perm[n - 1 - i] : n - 1 - i;
        const float *from = pl_sym_row(&f->gram, row);
        double *to = pl_lower_row(h, i);
        for (size_t j = 0; j < i; j++) {
            const size_t column = perm != NULL ? perm[n - 1 - j] : n - 1 - j;
            const float g = perm != NULL ? pl_sym_at(&f->gram, row, column) : from[column - row];
            to[j] = f->dead[column] || f->dead[row] ? 0.0 : 2.0 * (double)g;
        }
        to[i] = hessian_diagonal(f, row) + damping * mean;
    }
}

static double next_damping(double damping)
{
    if (!(damping > 0.0)) {
        return 0.01;
    }
    return damping < 0.0999 ? 10.0 * damping : 1.0;
}

/* Climbs the ladder of dampings until the Cholesky of J H J exists; its inverse is in h then. */
static pl_status factor_hessian(const pl_factors *f, const size_t *perm, double damping,
                                pl_lower *h, double *used, pl_task *task, pl_error *err)
{
    pl_buf tried = {0};
    pl_status status = PL_OK;
    for (double d = damping;; d = next_damping(d)) {
        if ((status = pl_task_tick(task, err)) != PL_OK) {
            break;
        }
        size_t column = 0;
        bool positive = false;
        reversed_hessian(f, perm, d, h);
        if ((status = pl_lower_cholesky_invert(h, &positive, &column, task, err)) != PL_OK) {
            break;
        }
        if (positive) {
            *used = d;
            break;
        }
        pl_buf_printf(&tried, "%s%g", tried.size > 0 ? ", " : "", d);
        if (d >= 1.0) {
            const size_t position = f->n - 1 - column;
            status = pl_error_set(err, PL_ERR_NUMERIC,
                                  "%s: GPTQ's Cholesky factorization of the Hessian fails at input "
                                  "channel %zu with every damping tried (%s)",
                                  f->label, perm != NULL ? perm[position] : position,
                                  tried.data != NULL ? tried.data : "");
            break;
        }
    }
    pl_buf_deinit(&tried);
    return status;
}

static pl_status make_gptq(pl_factors *f, pl_kept *model, float **out, pl_task *task, pl_error *err)
{
    const size_t *perm = NULL;
    float *u = pl_alloc(f->n * f->n, sizeof *u);
    pl_lower *h = pl_lower_create(f->n);
    pl_status status = u != NULL && h != NULL ? PL_OK : pl_factors_no_memory(f, err);
    PL_THEN(pl_factors_order(f, model->order, &perm, err));
    PL_THEN(factor_hessian(f, perm, model->key, h, &model->used, task, err));
    if (status == PL_OK) { /* U = J L^-1 J */
        pl_lower_reverse(h, u);
        h = NULL;
        *out = u;
        u = NULL;
    }
    pl_lower_destroy(h);
    free(u);
    return status;
}

pl_status pl_factors_gptq(pl_factors *f, double damping, size_t order, pl_gptq_factor *out,
                          pl_task *task, pl_error *err)
{
    *out = (pl_gptq_factor){0};
    const pl_kept *entry = pl_factors_find(f, PL_KEPT_GPTQ, damping, order);
    if (entry == NULL) {
        pl_kept model = {.kind = PL_KEPT_GPTQ, .key = damping, .order = order};
        float *u = NULL;
        pl_status status = make_gptq(f, &model, &u, task, err);
        if (status != PL_OK) {
            return status;
        }
        entry = pl_factors_keep(f, model, u, err);
    }
    if (entry == NULL) {
        return PL_ERR_MEMORY;
    }
    *out = (pl_gptq_factor){entry->data, f->dead, entry->used};
    return PL_OK;
}
