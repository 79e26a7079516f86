#include "core/method/fused.h"

#include "core/base/checked.h"
#include "core/format/activation.h"
#include "core/method/transform_parts.h"
#include "core/tensor/clones.h"

#include <assert.h>
#include <float.h>
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

/* Behind a sum with 1.5 * 2^23 a float's last bits are the whole number next to it, halves to even.
 * A loop without conversions is what compilers make vectors of. */
static const float to_whole = 12582912.0f;

/* x / scale by the scale's inverse, which is finite, clamped to the codes: another code than that
 * of x / scale only where that lies within two roundings of the border between two. */
static inline __attribute__((always_inline)) float find_code(float x, float inverse, float most)
{
    const float q = x * inverse, above = q > -most - 1 ? q : -most - 1;
    return (above < most ? above : most) + to_whole;
}

PL_CLONES static void encode(const float *restrict x, size_t n, float inverse, float most,
                             int8_t *restrict codes)
{
    for (size_t c = 0; c < n; c++) {
        const float code = find_code(x[c], inverse, most);
        int32_t bits;
        memcpy(&bits, &code, sizeof bits);
        codes[c] = (int8_t)(bits & 255);
    }
}

PL_CLONES static void round_row(const float *restrict x, size_t n, float inverse, float scale,
                                float most, float *restrict values)
{
    for (size_t c = 0; c < n; c++) {
        values[c] = scale * (find_code(x[c], inverse, most) - to_whole);
    }
}

typedef struct fused {
    const pl_transform *t; /* NULL: none */
    const float *x;
    size_t rows, n, tile;
    pl_act_range share; /* of each row's range */
    float most;         /* the largest code */
    const pl_quantized *out;
} fused;

static fused begin_fused(const pl_act_grid *grid, const pl_act_range *clip, const float *x,
                         size_t rows, size_t n, const pl_quantized *out)
{
    assert(grid->bits >= 2 && grid->bits <= 8 && grid->format == &pl_format_symmetric &&
           !grid->fixed && grid->group_size == 0);
    const size_t fit = TILE_BYTES / (n * sizeof(float));
    return (fused){.x = x,
                   .rows = rows,
                   .n = n,
                   .tile = fit < 1 ? 1 : fit,
                   .share = pl_act_share(grid, clip),
                   .most = (float)((1 << (grid->bits - 1)) - 1),
                   .out = out};
}

static float find_scale(const fused *f, const float *y)
{
    const pl_act_range range = pl_act_row_range(y, f->n);
    const float scale = fmaxf(f->share.hi * range.hi, -f->share.lo * range.lo) / f->most;
    /* Of such a small one the inverse is no number of float32: the row is as good as zeros. */
    return scale < FLT_MIN ? 0.0f : scale;
}

/* The row-th row, y its values, by the scale that is out's already. */
static void quantize_fused_row(const fused *f, const float *y, size_t row)
{
    const size_t n = f->n;
    const float scale = f->out->scales[row];
    if (f->out->codes != NULL && scale > 0.0f) {
        encode(y, n, 1.0f / scale, f->most, f->out->codes + row * n);
    } else if (f->out->codes != NULL) {
        memset(f->out->codes + row * n, 0, n);
    } else if (scale > 0.0f) {
        round_row(y, n, 1.0f / scale, scale, f->most, f->out->values + row * n);
    } else {
        memset(f->out->values + row * n, 0, n * sizeof *y);
    }
}

/* y[count, n] <- x T; y stays in the cache.  x itself where there is nothing to do. */
static const float *turn_tile(const fused *f, const float *x, size_t count, float *y,
                              float *scratch)
{
    const pl_transform *t = f->t;
    if (t == NULL) {
        return x;
    }
    for (size_t r = 0; t->scale != NULL && r < count; r++) {
        scale_row(x + r * t->n, t->scale, t->n, y + r * t->n);
    }
    if (t->scale == NULL) {
        memcpy(y, x, count * t->n * sizeof *y);
    }
    pl_transform_turn(t, y, count, scratch);
    return y;
}

/* Asks for a row of the next tile, so that it comes while this one is computed. */
static void fetch_row(const float *x, size_t n)
{
    enum { LINE = 64 / sizeof(float) };
    for (size_t c = 0; c < n; c += LINE) {
        __builtin_prefetch(x + c, 0, 2);
    }
}

static void quantize_tile(const fused *f, size_t first, float *y, float *scratch)
{
    const size_t count = f->rows - first < f->tile ? f->rows - first : f->tile;
    const float *turned = turn_tile(f, f->x + first * f->n, count, y, scratch);
    for (size_t r = 0; r < count; r++) {
        if (first + f->tile + r < f->rows) {
            fetch_row(f->x + (first + f->tile + r) * f->n, f->n);
        }
        f->out->scales[first + r] = find_scale(f, turned + r * f->n);
        quantize_fused_row(f, turned + r * f->n, first + r);
    }
}

pl_status pl_fused_quantize(const pl_transform *t, size_t n, const pl_act_grid *grid,
                            const float *x, size_t rows, const pl_quantized *out, pl_error *err)
{
    fused f = begin_fused(grid, t != NULL ? pl_transform_clip(t) : NULL, x, rows, n, out);
    f.t = t;
    const size_t room = 2 * (f.tile < rows ? f.tile : rows) * n;
    int failed = 0;
#pragma omp parallel reduction(| : failed) if (rows > f.tile)
    {
        float *y = pl_alloc(room, sizeof *y);
        failed |= y == NULL;
#pragma omp for schedule(static)
        for (size_t first = 0; first < rows; first += f.tile) {
            if (y != NULL) {
                quantize_tile(&f, first, y, y + room / 2);
            }
        }
        free(y);
    }
    return failed ? pl_error_memory(err, "a transform of %zu channels", n) : PL_OK;
}

void pl_apart_quantize(const pl_act_grid *grid, const pl_act_range *clip, const float *x,
                       size_t rows, size_t n, const pl_quantized *out)
{
    const fused f = begin_fused(grid, clip, x, rows, n, out);
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (size_t r = 0; r < rows; r++) {
        out->scales[r] = find_scale(&f, x + r * n);
    }
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (size_t r = 0; r < rows; r++) {
        quantize_fused_row(&f, x + r * n, r);
    }
}
