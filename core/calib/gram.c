#include "core/calib/gram.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"
#include "core/tensor/linalg.h"
#include "core/tensor/sym.h"

#include <stdlib.h>
#include <string.h>

/* Rows of a tile: enough for BLAS's packing not to count, few enough that what lies below the
 * diagonal, made and thrown away, does not either.  Memory traffic is in turns of so many floats:
 * one thread cannot saturate it. */
enum { TILE = 144, TURN_FLOATS = 1 << 14 };

#define TICK_FLOPS 4e9 /* between two ticks */

static size_t tile_of(size_t n)
{
    return n < TILE ? n : TILE;
}

bool pl_gram_init(pl_gram *gram, size_t n)
{
    *gram = (pl_gram){.n = n, .threads = (size_t)pl_linalg_threads()};
    size_t floats = 0;
    if (pl_mul(tile_of(n) * gram->threads, n, &floats)) {
        gram->scratch = pl_alloc(floats, sizeof(float));
    }
    return gram->scratch != NULL;
}

void pl_gram_deinit(pl_gram *gram)
{
    free(gram->scratch);
    gram->scratch = NULL;
}

size_t pl_gram_bytes(size_t n)
{
    return sizeof(float) * (size_t)pl_linalg_threads() * tile_of(n) * n;
}

PL_CLONES
static void add_floats(float *restrict a, const float *restrict b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        a[i] += b[i];
    }
}

void pl_gram_join(float *a, const float *b, size_t count)
{
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < count; first += TURN_FLOATS) {
        add_floats(a + first, b + first, count - first < TURN_FLOATS ? count - first : TURN_FLOATS);
    }
}

PL_CLONES
static void divide_floats(float *x, double by, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)((double)x[i] / by);
    }
}

void pl_gram_divide(float *a, double by, size_t count)
{
#pragma omp parallel for schedule(static)
    for (size_t first = 0; first < count; first += TURN_FLOATS) {
        divide_floats(a + first, by, count - first < TURN_FLOATS ? count - first : TURN_FLOATS);
    }
}

/* Rows [first, first + count) of the triangle. */
static void make_tile(const pl_gram *gram, const float *x, size_t rows, size_t first, size_t count,
                      float *scratch, float *packed, bool add)
{
    const size_t n = gram->n, wide = n - first;
    pl_gemm_tn(count, wide, rows, x + first, n, x + first, n, 0.0f, scratch, wide);
    for (size_t i = 0; i < count; i++) {
        float *to = packed + pl_packed_row(n, first + i);
        const float *from = scratch + i * wide + i;
        if (add) {
            add_floats(to, from, wide - i);
        } else {
            memcpy(to, from, (wide - i) * sizeof *to);
        }
    }
}

/* Tiles between two ticks: as many as are TICK_FLOPS, and at least one a thread. */
static size_t tiles_a_tick(const pl_gram *gram, size_t rows, size_t tile, size_t tiles)
{
    const double most = TICK_FLOPS / (2.0 * (double)rows * (double)tile * (double)gram->n);
    if (gram->n <= PL_GRAM_WHOLE || most >= (double)tiles) {
        return tiles;
    }
    return most > (double)gram->threads ? (size_t)most : gram->threads;
}

pl_status pl_gram_window(pl_gram *gram, const float *x, size_t rows, float *packed, bool add,
                         pl_task *task, pl_error *err)
{
    const size_t n = gram->n, tile = tile_of(n), tiles = (n + tile - 1) / tile;
    if (rows == 0) { /* an expert that no token of the window came to */
        if (!add) {
            memset(packed, 0, pl_packed_size(n) * sizeof *packed);
        }
        return PL_OK;
    }
    const size_t together = tiles_a_tick(gram, rows, tile, tiles);
    for (size_t begin = 0; begin < tiles; begin += together) {
        const size_t end = tiles - begin < together ? tiles : begin + together;
        pl_status status = pl_task_tick(task, err);
        if (status != PL_OK) {
            return status;
        }
        /* Long ones first, so that the threads finish together. */
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)gram->threads)
        for (size_t t = begin; t < end; t++) {
            const size_t first = t * tile;
            make_tile(gram, x, rows, first, n - first < tile ? n - first : tile,
                      gram->scratch + pl_linalg_thread() * tile * n, packed, add);
        }
    }
    return PL_OK;
}
