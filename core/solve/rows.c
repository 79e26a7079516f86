#include "core/solve/rows.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>

pl_status pl_warm_create(size_t rows, size_t cols, pl_warm **out, pl_error *err)
{
    *out = NULL;
    size_t count = 0;
    pl_warm *warm = calloc(1, sizeof *warm);
    if (warm != NULL && pl_mul(rows, cols, &count)) {
        warm->rows = rows;
        warm->cols = cols;
        warm->w = pl_alloc(count, sizeof *warm->w);
        warm->own = pl_alloc(count, sizeof *warm->own);
        warm->full = calloc(rows + 1, sizeof *warm->full);
    }
    if (warm == NULL || warm->w == NULL || warm->own == NULL || warm->full == NULL) {
        pl_warm_destroy(warm);
        return pl_error_memory(err, "a warm start of %zu x %zu", rows, cols);
    }
    *out = warm;
    return PL_OK;
}

void pl_warm_destroy(pl_warm *warm)
{
    if (warm != NULL) {
        free(warm->w);
        free(warm->own);
        free(warm->full);
        free(warm);
    }
}

void pl_warm_claim(pl_warm *warm, const void *owner)
{
    if (warm->owner != owner) {
        memset(warm->full, 0, warm->rows * sizeof *warm->full);
        warm->owner = owner;
    }
}

const float *pl_warm_row(const pl_warm *warm, size_t row)
{
    return warm->full[row] ? warm->w + row * warm->cols : NULL;
}

void pl_warm_put(pl_warm *warm, size_t row, const float *w)
{
    if (!warm->full[row]) {
        memset(warm->own + row * warm->cols, 0, warm->cols * sizeof *warm->own);
        warm->full[row] = true;
    }
    memcpy(warm->w + row * warm->cols, w, warm->cols * sizeof *w);
}
