#include "core/solve/factors_parts.h"

#include "core/base/checked.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 128 };

pl_status pl_factors_set_cross(pl_factors *f, float *cross, pl_error *err)
{
    for (size_t i = 0; i < f->n * f->n; i++) {
        if (!isfinite(cross[i])) {
            free(cross);
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "%s: element [%zu, %zu] of the products of the original inputs and "
                                "the quantized model's is not finite",
                                f->label, i / f->n, i % f->n);
        }
    }
    free(f->cross);
    f->cross = cross;
    return PL_OK;
}

const float *pl_factors_cross(const pl_factors *f)
{
    return f->cross;
}

/* Rows [first, first + count) of 2 D in the columns' order, from column `first` on. */
static void take_rows(const pl_factors *f, const size_t *perm, size_t first, size_t count,
                      float *out)
{
    const size_t n = f->n, wide = n - first;
    for (size_t i = 0; i < count; i++) {
        const float *from = f->cross + (perm != NULL ? perm[first + i] : first + i) * n;
        for (size_t j = 0; j < wide; j++) {
            out[i * wide + j] = 2.0f * from[perm != NULL ? perm[first + j] : first + j];
        }
    }
}

/* Tile by tile of rows, for which only what lies right of the tile's first column counts. */
static pl_status make_p(const pl_factors *f, const float *u, const size_t *perm, float *p,
                        pl_task *task, pl_error *err)
{
    const size_t n = f->n;
    float *d = pl_alloc(TILE * n, sizeof *d), *a = pl_alloc(TILE * n, sizeof *a);
    pl_status status = d != NULL && a != NULL ? PL_OK : pl_factors_no_memory(f, err);
    memset(p, 0, n * n * sizeof *p);
    for (size_t first = 0; status == PL_OK && first < n; first += TILE) {
        const size_t count = n - first < TILE ? n - first : TILE, wide = n - first;
        const float *corner = u + first * n + first;
        take_rows(f, perm, first, count, d);
        pl_gemm_nt(count, wide, wide, 1.0f, d, wide, corner, n, 0.0f, a, wide);
        for (size_t i = 0; i < count; i++) {
            memset(a + i * wide, 0, (i + 1) * sizeof *a); /* triu(., 1) */
        }
        pl_gemm_nn(count, wide, wide, 1.0f, a, wide, corner, n, 0.0f, p + first * n + first, n);
        status = pl_task_tick(task, err);
    }
    free(d);
    free(a);
    return status;
}

pl_status pl_factors_gptaq(pl_factors *f, double damping, size_t order, const float **p,
                           pl_task *task, pl_error *err)
{
    *p = NULL;
    pl_factors_hold(f); /* U and the order while P is made of them */
    const pl_kept *entry = pl_factors_find(f, PL_KEPT_GPTAQ, damping, order);
    pl_status status = PL_OK;
    if (entry == NULL) {
        pl_kept model = {.kind = PL_KEPT_GPTAQ, .key = damping, .order = order};
        pl_gptq_factor factor;
        const size_t *perm = NULL;
        float *made = pl_alloc(f->n * f->n, sizeof *made);
        status = made != NULL ? PL_OK : pl_factors_no_memory(f, err);
        PL_THEN(pl_factors_order(f, order, &perm, err));
        PL_THEN(pl_factors_gptq(f, damping, order, &factor, task, err));
        PL_THEN(make_p(f, factor.u, perm, made, task, err));
        if (status == PL_OK) {
            entry = pl_factors_keep(f, model, made, err);
            status = entry != NULL ? PL_OK : PL_ERR_MEMORY;
        } else {
            free(made);
        }
    }
    *p = status == PL_OK ? entry->data : NULL;
    pl_factors_release(f);
    return status;
}
