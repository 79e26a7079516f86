#include "core/tensor/hadamard.h"

#include "core/base/checked.h"
#include "core/tensor/clones.h"
#include "core/tensor/lanes.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Orders that are applied densely; what is mixed at a time lies on the stack. */
enum { MOST_BASE = 8192 };

struct pl_hadamard {
    size_t n, block;
    size_t m, power; /* block = m * power, power = 2^k */
    int8_t *base;    /* [m, m], row-major; NULL for m = 1 */
    uint16_t *picks; /* [2, m, m / 4] for H_m^T and H_m (mix_groups); NULL: not used */
};

/* Four inputs have 16 signed sums; what is mixed at a time is LANES columns wide. */
enum { GROUP = 4, SUMS = 16, LANES = PL_LANES, MOST_GROUPS = 64 };

/* Where the sum with these signs lies among the group's: bit 3 - i is set where input i is taken
 * away. */
static void make_picks(pl_hadamard *h)
{
    const size_t m = h->m, groups = m / GROUP;
    for (size_t flip = 0; flip < 2; flip++) {
        for (size_t to = 0; to < m; to++) {
            for (size_t g = 0; g < groups; g++) {
                size_t sum = 0;
                for (size_t i = 0; i < GROUP; i++) {
                    const size_t from = g * GROUP + i;
                    sum = 2 * sum + (h->base[flip ? to * m + from : from * m + to] < 0);
                }
                h->picks[(flip * m + to) * groups + g] = (uint16_t)((g * SUMS + sum) * LANES);
            }
        }
    }
}

/* The smallest m of n = m 2^k whose matrix is known; 0 for none. */
static size_t base_order(size_t n)
{
    size_t found = 0;
    for (size_t m = n; m > 0; m /= 2) {
        const bool known = pl_paley_is_known(m) || pl_hadamard_is_stored(m);
        found = m <= MOST_BASE && known ? m : found;
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

size_t pl_hadamard_largest(size_t n)
{
    size_t block = n;
    for (size_t parts = 2; n > 0 && !pl_hadamard_is_known(block); parts++) {
        block = n % parts == 0 ? n / parts : block;
    }
    return block;
}

pl_status pl_hadamard_create(size_t n, pl_hadamard **out, pl_error *err)
{
    return pl_hadamard_create_blocks(n, pl_hadamard_largest(n), out, err);
}

static pl_status refuse_block(size_t n, size_t block, pl_error *err)
{
    char above[48] = "";
    size_t low = block < n ? block : n, high = low + 1;
    low = low > 0 ? low : 1;
    while (low > 1 && !(n % low == 0 && pl_hadamard_is_known(low))) {
        low--;
    }
    while (high <= n && !(n % high == 0 && pl_hadamard_is_known(high))) {
        high++;
    }
    if (high <= n) {
        snprintf(above, sizeof above, " and %zu", high);
    }
    return pl_error_set(err, PL_ERR_USAGE,
                        "blocks of %zu channels: expected a divisor of %zu of which a Hadamard "
                        "matrix is known; the nearest: %zu%s",
                        block, n, low, above);
}

pl_status pl_hadamard_create_blocks(size_t n, size_t block, pl_hadamard **out, pl_error *err)
{
    *out = NULL;
    if (block == 0 || n % block != 0 || !pl_hadamard_is_known(block)) {
        return refuse_block(n, block, err);
    }
    pl_hadamard *h = calloc(1, sizeof *h);
    bool made = h != NULL;
    if (made) {
        h->n = n;
        h->block = block;
        h->m = base_order(h->block);
        h->power = h->block / h->m;
    }
    if (made && h->m > 1) {
        h->base = pl_alloc(h->m, h->m);
        made = h->base != NULL &&
               (pl_hadamard_make_stored(h->m, h->base) || pl_paley_make(h->m, h->base));
    }
    if (made && h->m % GROUP == 0 && h->m <= GROUP * MOST_GROUPS && h->power >= LANES) {
        h->picks = pl_alloc(2 * h->m * (h->m / GROUP), sizeof *h->picks);
        made = h->picks != NULL;
        if (made) {
            make_picks(h);
        }
    }
    if (!made) {
        pl_hadamard_destroy(h);
        return pl_error_memory(err, "a Hadamard matrix of order %zu", n);
    }
    *out = h;
    return PL_OK;
}

void pl_hadamard_destroy(pl_hadamard *h)
{
    if (h != NULL) {
        free(h->base);
        free(h->picks);
        free(h);
    }
}

/* The butterflies of 16 neighbours, in two registers: a lane without its partner's bit has a + b,
 * the other one a - b. */
static inline __attribute__((always_inline)) void butterflies_of_lanes(float *x)
{
    const int32_t minus = INT32_MIN; /* the sign's bit */
    const pl_half_lane_bits signs[3] = {{0, minus, 0, minus, 0, minus, 0, minus},
                                        {0, 0, minus, minus, 0, 0, minus, minus},
                                        {0, 0, 0, 0, minus, minus, minus, minus}};
    pl_half_lanes halves[2];
    for (size_t k = 0; k < 2; k++) {
        pl_half_lanes v;
        memcpy(&v, x + k * (LANES / 2), sizeof v);
        v = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6) +
            (pl_half_lanes)((pl_half_lane_bits)v ^ signs[0]);
        v = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5) +
            (pl_half_lanes)((pl_half_lane_bits)v ^ signs[1]);
        v = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3) +
            (pl_half_lanes)((pl_half_lane_bits)v ^ signs[2]);
        halves[k] = v;
    }
    const pl_half_lanes more = halves[0] + halves[1], less = halves[0] - halves[1];
    memcpy(x, &more, sizeof more);
    memcpy(x + LANES / 2, &less, sizeof less);
}

/* Two stages on four parts of h values at once: half of the loads and stores, the same sums. */
static inline __attribute__((always_inline)) void two_stages(float *restrict x, size_t h)
{
    float *restrict a = x, *restrict b = x + h, *restrict c = x + 2 * h, *restrict d = x + 3 * h;
    for (size_t j = 0; j < h; j++) {
        const float more = a[j] + b[j], less = a[j] - b[j];
        const float both = c[j] + d[j], rest = c[j] - d[j];
        a[j] = more + both;
        b[j] = less + rest;
        c[j] = more - both;
        d[j] = less - rest;
    }
}

/* The butterflies of Sylvester's matrix on x[size], size a power of 2. */
PL_CLONES static void butterflies(float *restrict x, size_t size)
{
    size_t h = 1;
    if (size >= LANES) {
        for (size_t i = 0; i < size; i += LANES) {
            butterflies_of_lanes(x + i);
        }
        h = LANES;
    }
    for (; h <= size / 4; h *= 4) {
        for (size_t i = 0; i < size; i += 4 * h) {
            two_stages(x + i, h);
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

/* The signed sums of four rows of LANES values. */
static inline __attribute__((always_inline)) void sum_group(const float *restrict x, size_t power,
                                                            float sums[SUMS][LANES])
{
    const float *a = x, *b = a + power, *c = b + power, *d = c + power;
    for (size_t j = 0; j < LANES; j++) {
        const float more = a[j] + b[j], less = a[j] - b[j];
        const float both = c[j] + d[j], rest = c[j] - d[j];
        sums[0][j] = more + both;
        sums[1][j] = more + rest;
        sums[2][j] = more - rest;
        sums[3][j] = more - both;
        sums[4][j] = less + both;
        sums[5][j] = less + rest;
        sums[6][j] = less - rest;
        sums[7][j] = less - both;
    }
    for (size_t i = 0; i < SUMS / 2; i++) {
        for (size_t j = 0; j < LANES; j++) {
            sums[SUMS - 1 - i][j] = -sums[i][j];
        }
    }
}

/* As mix, LANES columns, with a quarter of its additions: of each four inputs all signed sums are
 * made once, and an output picks one of them (Arlazarov et al., 1970: the four Russians). */
PL_CLONES static void mix_groups(const pl_hadamard *h, bool flip, float scale, float *restrict x)
{
    float sums[MOST_GROUPS][SUMS][LANES];
    const size_t m = h->m, power = h->power, groups = m / GROUP;
    const uint16_t *picks = h->picks + (flip ? m * groups : 0);
    for (size_t g = 0; g < groups; g++) {
        sum_group(x + g * GROUP * power, power, sums[g]);
    }
    for (size_t to = 0; to < m; to++) {
        const uint16_t *pick = picks + to * groups;
        pl_half_lanes all[2] = {0};
        for (size_t g = 0; g < groups; g++) {
            for (size_t k = 0; k < 2; k++) {
                pl_half_lanes picked;
                memcpy(&picked, &sums[0][0][0] + pick[g] + k * (LANES / 2), sizeof picked);
                all[k] += picked;
            }
        }
        for (size_t k = 0; k < 2; k++) {
            all[k] *= scale;
            memcpy(x + to * power + k * (LANES / 2), &all[k], sizeof all[k]);
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
    if (h->picks != NULL) {
        for (size_t first = 0; first < h->power; first += LANES) {
            mix_groups(h, flip, scale, x + first);
        }
        return;
    }
    const size_t step = MOST_BASE / h->m;
    for (size_t first = 0; first < h->power; first += step) {
        mix(h, flip, scale, x, first, h->power - first < step ? h->power - first : step, y);
    }
}

/* Blocks of so few columns a part that a lane is a row: [block, LANES] lies on the stack twice. */
enum { MOST_TURNED = 1024 };

static bool turns_rows(const pl_hadamard *h)
{
    return h->base != NULL && h->power < LANES && h->block <= MOST_TURNED;
}

/* x[m, power, LANES] through the butterflies of its parts, then y = H_m^T x (flip: H_m x): for each
 * lane the sums of `butterflies` and `mix`, in their order. */
PL_CLONES static void mix_rows(const pl_hadamard *h, bool flip, float scale, float *restrict x,
                               float *restrict y)
{
    const size_t m = h->m, power = h->power;
    for (size_t step = 1; step < power; step *= 2) {
        for (size_t at = 0; at < h->block; at++) {
            if ((at & step) == 0) { /* a power of 2 divides where a part begins */
                float *restrict low = x + at * LANES, *restrict high = low + step * LANES;
                for (size_t j = 0; j < LANES; j++) {
                    const float a = low[j], b = high[j];
                    low[j] = a + b;
                    high[j] = a - b;
                }
            }
        }
    }
    for (size_t to = 0; to < m; to++) {
        for (size_t k = 0; k < power; k++) {
            pl_half_lanes sums[2] = {0};
            for (size_t from = 0; from < m; from++) {
                const float sign = (float)h->base[flip ? to * m + from : from * m + to];
                for (size_t i = 0; i < 2; i++) {
                    pl_half_lanes in;
                    memcpy(&in, x + (from * power + k) * LANES + i * (LANES / 2), sizeof in);
                    sums[i] += sign * in;
                }
            }
            for (size_t i = 0; i < 2; i++) {
                sums[i] *= scale;
                memcpy(y + (to * power + k) * LANES + i * (LANES / 2), &sums[i], sizeof sums[i]);
            }
        }
    }
}

/* One block of at most LANES rows, each a lane. */
static void apply_turned(const pl_hadamard *h, bool flip, float *x, size_t rows, size_t ld)
{
    float turned[MOST_TURNED * LANES], mixed[MOST_TURNED * LANES];
    memset(turned, 0, h->block * LANES * sizeof *turned);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < h->block; c++) {
            turned[c * LANES + r] = x[r * ld + c];
        }
    }
    mix_rows(h, flip, 1.0f / sqrtf((float)h->block), turned, mixed);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < h->block; c++) {
            x[r * ld + c] = mixed[c * LANES + r];
        }
    }
}

static void apply(const pl_hadamard *h, bool flip, float *x, size_t rows, size_t ld)
{
    const size_t step = turns_rows(h) ? LANES : 1;
#pragma omp parallel for schedule(static) if (rows * h->n > 16384)
    for (size_t r = 0; r < rows; r += step) {
        float scratch[MOST_BASE];
        for (size_t at = 0; at < h->n; at += h->block) {
            if (step > 1) {
                apply_turned(h, flip, x + r * ld + at, rows - r < step ? rows - r : step, ld);
            } else {
                apply_block(h, flip, x + r * ld + at, scratch);
            }
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
