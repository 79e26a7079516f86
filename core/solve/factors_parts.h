/* core/solve/factors_parts.h -- what factors.c, factors_admm.c and factors_gptq.c share; private to
 * core/solve. */
#ifndef PL_SOLVE_FACTORS_PARTS_H
#define PL_SOLVE_FACTORS_PARTS_H

#include "core/solve/factors.h"

#include <stdint.h>

typedef enum pl_kept_kind {
    PL_KEPT_ADMM,
    PL_KEPT_METRIC,
    PL_KEPT_GPTQ,
    PL_KEPT_GPTAQ
} pl_kept_kind;

/* A factor that depends on a number: rho, theta, or GPTQ's damping (and its order). */
typedef struct pl_kept {
    struct pl_kept *next;
    pl_kept_kind kind;
    double key;
    size_t order; /* of the columns */
    double used;  /* the damping that worked; the mean rho of a metric */
    float *data;  /* [n, n]; of a metric, metric[n] and shape[n] follow */
    uint64_t used_at;
} pl_kept;

/* An order of the columns, kept to the end: solves point to it across ticks. */
typedef struct pl_order {
    struct pl_order *next;
    size_t order;
    size_t perm[];
} pl_order;

struct pl_factors {
    pl_sym gram;
    size_t n;
    double tokens;
    char *label;
    bool *dead;              /* [n] */
    struct pl_order *orders; /* those asked for */
    float *diagonal;         /* [n], of Gn, ridge included; NULL until normal is known */
    pl_normalized normal;
    float *gn; /* NULL until asked for, and so is lower */
    pl_lower *lower;
    float *cross;  /* [n, n], or NULL */
    double *given; /* [n], h of the metric; NULL until asked for */
    pl_kept *list;
    uint64_t clock;
    int holds;
    bool lean;
};

/* PL_ERR_MEMORY with the site's label. */
pl_status pl_factors_no_memory(const pl_factors *factors, pl_error *err);

/* lower = Gn + add I. */
void pl_factors_fill(const pl_factors *factors, double lambda_max, const float *diagonal,
                     double add, pl_lower *lower);

/* The entry of this key, marked as used; NULL if there is none. */
const pl_kept *pl_factors_find(pl_factors *factors, pl_kept_kind kind, double key, size_t order);

/* Adds an entry and lets old ones go.  Takes data over, also on failure (NULL: out of memory). */
const pl_kept *pl_factors_keep(pl_factors *factors, pl_kept model, float *data, pl_error *err);

#endif
