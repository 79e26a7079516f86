#include "core/calib/moments.h"

#include "core/calib/histogram.h"
#include "core/tensor/clones.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Channels of one sums block: its sums stay in the L1 cache over all rows. */
enum { LANES = 64 };

enum { PARTS = 6 }; /* float64 arrays of a pl_moments */

size_t pl_moments_bytes(size_t n)
{
    return n * (PARTS * sizeof(double) + 3 * sizeof(int32_t));
}

void pl_moments_place(pl_moments *moments, size_t n, void *storage)
{
    double *real = storage;
    int32_t *word = (int32_t *)(real + PARTS * n);
    *moments = (pl_moments){
        .n = n,
        .mean = real,
        .m2 = real + n,
        .m3 = real + 2 * n,
        .m4 = real + 3 * n,
        .sum_abs = real + 4 * n,
        .max = word,
        .position = (uint32_t *)(word + n),
        .token = word + 2 * n,
    };
}

/* Running sums of a block of channels, around a shift that is the first row: it is at most
 * sqrt(rows) standard deviations from the mean, so the later subtraction loses few digits, and a
 * constant channel has sums of exactly zero. */
typedef struct sums {
    double shift[LANES], s1[LANES], s2[LANES], s3[LANES], s4[LANES], abs[LANES];
    int32_t max[LANES], row[LANES];
} sums;

PL_CLONES
static void add_extremes(const float *restrict x, size_t count, int32_t row, int32_t *restrict max,
                         int32_t *restrict at, int32_t *restrict bin)
{
    for (size_t c = 0; c < count; c++) {
        int32_t bits;
        memcpy(&bits, x + c, sizeof bits);
        bits &= 0x7fffffff; /* magnitudes order as their bits do, NaN above infinity */
        bool larger = bits > max[c];
        max[c] = larger ? bits : max[c];
        at[c] = larger ? row : at[c];
        /* The mantissa against 2^(j/8) - 1, j = 1..7, in units of 2^-23, rounded up. */
        int32_t m = bits & 0x7fffff;
        int32_t part = (m >= 759234) + (m >= 1587185) + (m >= 2490071) + (m >= 3474676) +
                       (m >= 4548395) + (m >= 5719293) + (m >= 6996167);
        int32_t b = ((bits >> 23) - 127 - PL_HIST_LOW) * PL_HIST_PER_OCTAVE + part;
        b = b > 0 ? b : 0;
        bin[c] = b < PL_HIST_BINS ? b : PL_HIST_BINS - 1;
    }
}

/* `rows` rows, stride floats apart: the sums stay in registers over them. */
static inline __attribute__((always_inline)) void add_rows(const float *restrict x, size_t stride,
                                                           size_t count, size_t rows,
                                                           sums *restrict s)
{
    for (size_t c = 0; c < count; c++) {
        const double shift = s->shift[c];
        double s1 = s->s1[c], s2 = s->s2[c], s3 = s->s3[c], s4 = s->s4[c], sum = s->abs[c];
        for (size_t r = 0; r < rows; r++) {
            const double v = (double)x[r * stride + c];
            const double d = v - shift;
            const double dd = d * d;
            s1 += d;
            s2 += dd;
            s3 += dd * d;
            s4 += dd * dd;
            sum += fabs(v);
        }
        s->s1[c] = s1;
        s->s2[c] = s2;
        s->s3[c] = s3;
        s->s4[c] = s4;
        s->abs[c] = sum;
    }
}

PL_CLONES
static void add_powers(const float *restrict x, size_t stride, size_t count, size_t rows,
                       sums *restrict s)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        add_rows(x + r * stride, stride, count, 4, s);
    }
    for (; r < rows; r++) {
        add_rows(x + r * stride, stride, count, 1, s);
    }
}

/* Four sub-histograms, so that neighbours in one bin do not wait for each other's store. */
typedef struct counts {
    uint32_t bins[4][PL_HIST_BINS];
} counts;

static void add_counts(counts *to, const int32_t *bin, size_t count)
{
    size_t c = 0;
    for (; c + 4 <= count; c += 4) {
        to->bins[0][bin[c]]++;
        to->bins[1][bin[c + 1]]++;
        to->bins[2][bin[c + 2]]++;
        to->bins[3][bin[c + 3]]++;
    }
    for (; c < count; c++) {
        to->bins[0][bin[c]]++;
    }
}

static void flush_counts(counts *from, uint64_t *histogram)
{
    for (size_t b = 0; b < PL_HIST_BINS; b++) {
        uint64_t sum =
            (uint64_t)from->bins[0][b] + from->bins[1][b] + from->bins[2][b] + from->bins[3][b];
        if (sum > 0) {
#pragma omp atomic
            histogram[b] += sum;
        }
    }
    memset(from, 0, sizeof *from);
}

static void store_block(const pl_moments *out, const sums *s, size_t first, size_t count,
                        size_t rows, const uint32_t *at, size_t position, const int32_t *ids)
{
    const double t = (double)rows;
    for (size_t c = 0; c < count; c++) {
        const double a = s->s1[c] / t;
        const double m2 = s->s2[c] - t * a * a;
        const double m4 =
            s->s4[c] - 4.0 * a * s->s3[c] + 6.0 * a * a * s->s2[c] - 3.0 * t * a * a * a * a;
        const size_t row = at != NULL ? at[s->row[c]] : (size_t)s->row[c];
        out->mean[first + c] = s->shift[c] + a;
        out->m2[first + c] = m2 > 0.0 ? m2 : 0.0;
        out->m3[first + c] = s->s3[c] - 3.0 * a * s->s2[c] + 2.0 * t * a * a * a;
        out->m4[first + c] = m4 > 0.0 ? m4 : 0.0;
        out->sum_abs[first + c] = s->abs[c];
        out->max[first + c] = s->max[c];
        out->position[first + c] = (uint32_t)(position + row);
        out->token[first + c] = ids[row];
    }
}

static void pass_block(const pl_moments *out, const float *x, size_t rows, size_t first,
                       size_t count, const uint32_t *at, size_t position, const int32_t *ids,
                       uint64_t *histogram)
{
    sums s = {0};
    counts n = {0};
    int32_t bin[LANES];
    for (size_t c = 0; c < count; c++) {
        s.shift[c] = (double)x[first + c];
        s.max[c] = -1;
    }
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * out->n + first;
        add_extremes(row, count, (int32_t)r, s.max, s.row, bin);
        add_counts(&n, bin, count);
    }
    add_powers(x + first, out->n, count, rows, &s);
    flush_counts(&n, histogram);
    store_block(out, &s, first, count, rows, at, position, ids);
}

static pl_status check_moments_finite(const pl_moments *moments, pl_error *err)
{
    for (size_t c = 0; c < moments->n; c++) {
        if (moments->max[c] >= 0x7f800000) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "input channel %zu is %s at token %u of the text, expected a "
                                "finite value",
                                c, moments->max[c] > 0x7f800000 ? "not a number" : "infinite",
                                moments->position[c]);
        }
    }
    return PL_OK;
}

pl_status pl_moments_pass(pl_moments *moments, const float *x, size_t rows, const uint32_t *at,
                          size_t position, const int32_t *ids, uint64_t *histogram, pl_error *err)
{
    const size_t n = moments->n;
    const size_t blocks = (n + LANES - 1) / LANES;
    moments->tokens = (double)rows;
    if (rows == 0) {
        memset(moments->mean, 0, pl_moments_bytes(n)); /* the first of its arrays */
        return PL_OK;
    }
#pragma omp parallel for schedule(dynamic, 1) if (n * rows >= 16384)
    for (size_t b = 0; b < blocks; b++) {
        size_t first = b * LANES;
        size_t count = n - first < LANES ? n - first : LANES;
        pass_block(moments, x, rows, first, count, at, position, ids, histogram);
    }
    return check_moments_finite(moments, err);
}

void pl_moments_join(pl_moments *a, const pl_moments *b)
{
    const double na = a->tokens;
    const double nb = b->tokens;
    const double n = na + nb;
    if (!(nb > 0.0)) {
        return;
    }
    if (!(na > 0.0)) {
        memcpy(a->mean, b->mean, pl_moments_bytes(a->n));
        a->tokens = nb;
        return;
    }
    for (size_t c = 0; c < a->n; c++) {
        const double d = b->mean[c] - a->mean[c];
        const double d2 = d * d;
        const double a2 = a->m2[c], b2 = b->m2[c], a3 = a->m3[c], b3 = b->m3[c];
        a->mean[c] += d * nb / n;
        a->m2[c] = a2 + b2 + d2 * na * nb / n;
        a->m3[c] =
            a3 + b3 + d2 * d * na * nb * (na - nb) / (n * n) + 3.0 * d * (na * b2 - nb * a2) / n;
        a->m4[c] += b->m4[c] + d2 * d2 * na * nb * (na * na - na * nb + nb * nb) / (n * n * n) +
                    6.0 * d2 * (na * na * b2 + nb * nb * a2) / (n * n) +
                    4.0 * d * (na * b3 - nb * a3) / n;
        a->sum_abs[c] += b->sum_abs[c];
        if (b->max[c] > a->max[c]) {
            a->max[c] = b->max[c];
            a->position[c] = b->position[c];
            a->token[c] = b->token[c];
        }
    }
    a->tokens = n;
}
