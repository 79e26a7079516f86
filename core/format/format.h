/* core/format/format.h -- the table of number formats: how a range of values becomes codes, and
 * codes become values again.  Weights, activations and the cache use the same table.
 *
 * A format is one file that defines its rows and one line for each in list.h.  Nobody outside a
 * format's file knows how its values come from scale, zero point and code. */
#ifndef PL_FORMAT_FORMAT_H
#define PL_FORMAT_FORMAT_H

#include "core/format/format_list.h"
#include "core/tensor/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a group of values shares. */
typedef struct pl_grid_param {
    float scale;
    int zero; /* 0 for formats without a zero point */
} pl_grid_param;

/* bits: of one code, 2 to 8.  Values are finite.  Threads may call any of these at once. */
typedef struct pl_format {
    const char *name;
    const char *key; /* as the value of symmetric= */
    bool zero_point; /* one of `bits` bits is stored beside each scale */
    bool has_bound;  /* Astro's Theorem 4.5 speaks of it, without a range search */
    /* The parameters over lo ... hi, lo <= 0 <= hi and not both 0.  The scale is rounded to its
     * dtype: one that rounds to 0 is the smallest positive number of it, one that overflows the
     * largest finite. */
    pl_grid_param (*fit)(int bits, pl_dtype scale_dtype, double lo, double hi);
    /* The codes of count adjacent values. */
    void (*encode)(int bits, pl_grid_param param, const float *x, size_t count, int16_t *codes);
    /* One column of count rows, each with parameters of its own: codes, and what rounding takes
     * away, x - x^, to lost.  The same numbers as encode and decode give. */
    void (*column)(int bits, const float *scales, const float *zeros, const float *x, size_t count,
                   int16_t *codes, float *lost);
    /* The values of a row of codes; group_of[count] indexes scales and zeros. */
    void (*decode)(const float *scales, const int16_t *zeros, const uint32_t *group_of,
                   const int16_t *codes, size_t count, float *out);
    /* In place x <- x^; finite values stay finite, also at the ends of float32. */
    void (*round)(int bits, pl_grid_param param, float *x, size_t count);
    /* sum |x - x^|^2.4 over adjacent values, in units of `unit`. */
    double (*range_error)(int bits, pl_grid_param param, const float *x, size_t count, float unit);
    /* Steps between 0 and the range's farther end, or over all of it where there is a zero point:
     * the scale is the range over them.  For what is learned (core/learn); NULL: the format's
     * values are not evenly spaced, and nothing is learned for it. */
    double (*steps)(int bits);
} pl_format;

#define PL_FORMAT_DECLARATION(name, key) extern const pl_format pl_format_##name;
PL_FORMATS(PL_FORMAT_DECLARATION)
#undef PL_FORMAT_DECLARATION

#define PL_FORMAT_ONE(name, key) +1
enum { PL_FORMAT_COUNT = 0 PL_FORMATS(PL_FORMAT_ONE) };
#undef PL_FORMAT_ONE

/* By the place in the list; their keys in the same order, NULL-terminated, and "no|yes|full": the
 * choices of a parameter and of a command's key. */
const pl_format *pl_format_at(size_t index);
extern const char *const pl_format_keys[PL_FORMAT_COUNT + 1];
extern const char *const pl_format_choices;

/* The place of a format in the list. */
size_t pl_format_index(const pl_format *format);
/* NULL where no format has the key. */
const pl_format *pl_format_find(const char *key);

/* Rounds a positive scale to its dtype, kept positive and finite: what every format's fit does. */
float pl_format_store_scale(pl_dtype dtype, double scale);

/* e^2.4 for e >= 0 without a call, good to 1e-6 relative, 0 for 0: for range_error. */
static inline __attribute__((always_inline)) float pl_power_2_4(float e)
{
    /* With t = e^2: t * t^(1/5), t^(-1/5) by Newton from a guess through the exponent bits. */
    const float t = e * e;
    union {
        float f;
        int32_t i;
    } guess = {.f = t};
    guess.i = 0x4c2a3d71 - (int32_t)((float)guess.i * 0.2f);
    float y = guess.f;
    for (int i = 0; i < 3; i++) {
        const float y2 = y * y;
        y = y * (1.2f - 0.2f * t * y2 * y2 * y);
    }
    const float y2 = y * y;
    return t * (t * y2 * y2);
}

#endif
