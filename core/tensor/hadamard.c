#include "core/tensor/hadamard.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Orders that are applied densely; what is mixed at a time lies on the stack. */
enum { MOST_BASE = 8192 };

struct pl_hadamard {
    size_t n, block;
    size_t m, power; /* block = m * power, power = 2^k */
    int8_t *base;    /* [m, m], row-major; NULL for m = 1 */
};

/* The smallest m of n = m 2^k whose matrix is known; 0 for none. */
static size_t base_order(size_t n)
{
    size_t found = 0;
    for (size_t m = n; m > 0; m /= 2) {
        found = m <= MOST_BASE && pl_paley_is_known(m) ? m : found;
        if (m % 2 != 0) {
            break;
        }
    }
    return found;
}

bool pl_hadamard_is_known(size_t n)
{
    return n > 0 && base_order(n) != 0;
}

pl_status pl_hadamard_create(size_t n, pl_hadamard **out, pl_error *err)
{
    *out = NULL;
    pl_hadamard *h = calloc(1, sizeof *h);
    bool made = h != NULL && n > 0;
    if (made) {
        h->n = n;
        h->block = n;
        for (size_t parts = 2; !pl_hadamard_is_known(h->block); parts++) {
            h->block = n % parts == 0 ? n / parts : h->block;
        }
        h->m = base_order(h->block);
        h->power = h->block / h->m;
    }
    if (made && h->m > 1) {
        h->base = pl_alloc(h->m, h->m);
        made = h->base != NULL && pl_paley_make(h->m, h->base);
    }
    if (!made) {
        pl_hadamard_destroy(h);
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for a Hadamard matrix of order %zu",
                            n);
    }
    *out = h;
    return PL_OK;
}

void pl_hadamard_destroy(pl_hadamard *h)
{
    if (h != NULL) {
        free(h->base);
        free(h);
    }
}

size_t pl_hadamard_block(const pl_hadamard *h)
{
    return h->block;
}

/* The butterflies of Sylvester's matrix on x[size], size a power of 2. */
PL_CLONES static void butterflies(float *restrict x, size_t size)
{
    size_t h = 1;
    for (; h < 8 && h < size; h *= 2) {
        for (size_t i = 0; i < size; i += 2 * h) {
            for (size_t j = i; j < i + h; j++) {
                const float a = x[j], b = x[j + h];
                x[j] = a + b;
                x[j + h] = a - b;
            }
        }
    }
    for (; h < size; h *= 2) {
        for (size_t i = 0; i < size; i += 2 * h) {
            float *restrict low = x + i, *restrict high = x + i + h;
            for (size_t j = 0; j < h; j++) {
                const float a = low[j], b = high[j];
                low[j] = a + b;
                high[j] = a - b;
            }
        }
    }
}

/* Columns [first, first + width) of x[m, power] <- scale H_m^T x (flip: H_m x); y: [m, width]. */
PL_CLONES static void mix(const pl_hadamard *h, bool flip, float scale, float *restrict x,
                          size_t first, size_t width, float *restrict y)
{
    const size_t m = h->m, power = h->power;
    for (size_t to = 0; to < m; to++) {
        float *restrict out = y + to * width;
        memset(out, 0, width * sizeof *out);
        for (size_t from = 0; from < m; from++) {
            const float sign = (float)h->base[flip ? to * m + from : from * m + to];
            const float *restrict in = x + from * power + first;
            for (size_t j = 0; j < width; j++) {
                out[j] += sign * in[j];
            }
        }
    }
    for (size_t to = 0; to < m; to++) {
        for (size_t j = 0; j < width; j++) {
            x[to * power + first + j] = scale * y[to * width + j];
        }
    }
}

static void apply_block(const pl_hadamard *h, bool flip, float *x, float *y)
{
    const float scale = 1.0f / sqrtf((float)h->block);
    for (size_t part = 0; part < h->m; part++) {
        butterflies(x + part * h->power, h->power);
    }
    if (h->base == NULL) {
        for (size_t i = 0; i < h->block; i++) {
            x[i] *= scale;
        }
        return;
    }
    const size_t step = MOST_BASE / h->m;
    for (size_t first = 0; first < h->power; first += step) {
        mix(h, flip, scale, x, first, h->power - first < step ? h->power - first : step, y);
    }
}

static void apply(const pl_hadamard *h, bool flip, float *x, size_t rows, size_t ld)
{
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (rows * h->n > 16384)
#endif
    for (size_t r = 0; r < rows; r++) {
        float scratch[MOST_BASE];
        for (size_t at = 0; at < h->n; at += h->block) {
            apply_block(h, flip, x + r * ld + at, scratch);
        }
    }
}

void pl_hadamard_rows(const pl_hadamard *h, float *x, size_t rows, size_t ld)
{
    apply(h, false, x, rows, ld);
}

void pl_hadamard_rows_transposed(const pl_hadamard *h, float *x, size_t rows, size_t ld)
{
    apply(h, true, x, rows, ld);
}

double pl_hadamard_flops(const pl_hadamard *h)
{
    const double n = (double)h->n, stages = log2((double)h->power);
    return n * stages + (h->m > 1 ? 2.0 * n * (double)h->m : n);
}

void pl_hadamard_describe(const pl_hadamard *h, pl_buf *out)
{
    int k = 0;
    for (size_t power = h->power; power > 1; power /= 2) {
        k++;
    }
    if (h->block < h->n) {
        pl_buf_printf(out, "of %zu blocks: ", h->n / h->block);
    }
    if (h->m > 1) {
        pl_buf_printf(out, "%zu x 2^%d", h->m, k);
    } else {
        pl_buf_printf(out, "2^%d", k);
    }
}
