#include "core/base/checked.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdlib.h>

static int compare_values(const void *a, const void *b, void *ctx)
{
    const double *values = ctx;
    const double x = values[*(const size_t *)a], y = values[*(const size_t *)b];
    return (x > y) - (x < y);
}

/* Ranks of values[n] from 0; equal ones share the mean of theirs. */
static void rank_values(const double *values, size_t n, size_t *order, double *ranks)
{
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
    }
    qsort_r(order, n, sizeof *order, compare_values, (void *)values);
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && !(values[order[end]] > values[order[i]])) {
            end++;
        }
        for (size_t j = i; j < end; j++) {
            ranks[order[j]] = 0.5 * (double)(i + end - 1);
        }
        i = end;
    }
}

/* Of two rankings of n, whose means are both (n - 1) / 2. */
static double correlation(const double *x, const double *y, size_t n)
{
    const double mean = 0.5 * (double)(n - 1);
    double xx = 0.0, yy = 0.0, xy = 0.0;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
        xy += (x[i] - mean) * (y[i] - mean);
    }
    return xx > 0.0 && yy > 0.0 ? xy / sqrt(xx * yy) : (double)NAN;
}

pl_status pl_rank_correlation(const double *x, const double *y, size_t n, double *out,
                              pl_error *err)
{
    size_t *order = pl_alloc(n + 1, sizeof *order), pairs = 0;
    double *room = pl_alloc(4 * (n + 1), sizeof *room);
    *out = NAN;
    if (order == NULL || room == NULL) {
        free(order);
        free(room);
        return pl_error_memory(err, "a rank correlation");
    }
    double *a = room, *b = room + n, *rank_a = room + 2 * n, *rank_b = room + 3 * n;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(x[i]) && isfinite(y[i])) {
            a[pairs] = x[i];
            b[pairs++] = y[i];
        }
    }
    if (pairs >= 3) {
        rank_values(a, pairs, order, rank_a);
        rank_values(b, pairs, order, rank_b);
        *out = correlation(rank_a, rank_b, pairs);
    }
    free(order);
    free(room);
    return PL_OK;
}
