#include "core/method/fused.h"

#include "core/base/checked.h"
#include "core/format/activation.h"
#include "core/method/transform_parts.h"
#include "core/tensor/clones.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows a thread takes at a time: enough for the Kronecker product's first factor to be one GEMM,
 * few enough to stay in the second-level cache. */
enum { TILE_BYTES = 128 << 10 };

PL_CLONES static void scale_row(const float *restrict x, const float *restrict scale, size_t n,
                                float *restrict y)
{
    for (size_t c = 0; c < n; c++) {
        y[c] = x[c] * scale[c];
    }
}

PL_CLONES static void encode(const float *restrict x, size_t n, float scale, float most,
                             int8_t *restrict codes)
{
    for (size_t c = 0; c < n; c++) {
        const float q = rintf(x[c] / scale);
        codes[c] = (int8_t)(q < -most - 1 ? -most - 1 : q > most ? most : q);
    }
}

/* y[count, n] <- x T; y stays in the cache. */
static void turn_tile(const pl_transform *t, const float *x, size_t count, float *y, float *scratch)
{
    for (size_t r = 0; r < count; r++) {
        if (t->scale != NULL) {
            scale_row(x + r * t->n, t->scale, t->n, y + r * t->n);
        } else {
            memcpy(y + r * t->n, x + r * t->n, t->n * sizeof *y);
        }
    }
    pl_transform_turn(t, y, count, scratch);
}

typedef struct fused {
    const pl_transform *t;
    const float *x;
    size_t rows, tile;
    pl_act_range share; /* of each row's range */
    float most;         /* the largest code */
    int8_t *codes;
    float *scales;
} fused;

static void quantize_tile(const fused *f, size_t first, float *y, float *scratch)
{
    const size_t n = f->t->n;
    const size_t count = f->rows - first < f->tile ? f->rows - first : f->tile;
    turn_tile(f->t, f->x + first * n, count, y, scratch);
    for (size_t r = 0; r < count; r++) {
        const pl_act_range range = pl_act_row_range(y + r * n, n);
        const float scale = fmaxf(f->share.hi * range.hi, -f->share.lo * range.lo) / f->most;
        f->scales[first + r] = scale;
        if (scale > 0.0f) {
            encode(y + r * n, n, scale, f->most, f->codes + (first + r) * n);
        } else {
            memset(f->codes + (first + r) * n, 0, n);
        }
    }
}

pl_status pl_fused_quantize(const pl_transform *t, const pl_act_grid *grid, const float *x,
                            size_t rows, int8_t *codes, float *scales, pl_error *err)
{
    assert(grid->bits >= 2 && grid->bits <= 8 && grid->format == &pl_format_symmetric &&
           !grid->fixed);
    const size_t fit = TILE_BYTES / (t->n * sizeof(float));
    const fused f = {.t = t,
                     .x = x,
                     .rows = rows,
                     .tile = fit < 1 ? 1 : fit,
                     .share = pl_act_share(grid, pl_transform_clip(t)),
                     .most = (float)((1 << (grid->bits - 1)) - 1),
                     .codes = codes,
                     .scales = scales};
    int failed = 0;
#pragma omp parallel reduction(| : failed) if (rows > f.tile)
    {
        float *y = pl_alloc(2 * f.tile * t->n, sizeof *y);
        failed |= y == NULL;
#pragma omp for schedule(static)
        for (size_t first = 0; first < rows; first += f.tile) {
            if (y != NULL) {
                quantize_tile(&f, first, y, y + f.tile * t->n);
            }
        }
        free(y);
    }
    return failed ? pl_error_memory(err, "a transform of %zu channels", t->n) : PL_OK;
}
