/* core/format/format.h -- the table of number formats: how a range of values becomes codes, and
 * codes become values again.  Weights, activations and the cache use the same table.
 *
 * A format is one file that defines its rows and one line for each in list.h.  Nobody outside a
 * format's file knows how its values come from scale, zero point and code. */
#ifndef PL_FORMAT_FORMAT_H
#define PL_FORMAT_FORMAT_H

#include "core/base/error.h"
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

/* How a group's scale comes from its largest value a.  The powers of two of MX are E8M0's, emax is
 * the exponent of the element's largest power of two (OCP MX v1.0, 6.3; the names are torchao's).
 */
#define PL_SCALE_MODE_LIST(MODE)                                                                   \
    MODE(AMAX, "amax")                   /* a becomes the largest value */                         \
    MODE(FLOOR, "floor")                 /* 2^(floor(log2 a) - emax): the standard's own */        \
    MODE(EVEN, "even")                   /* the same of a rounded to the element's mantissa */     \
    MODE(CEIL, "ceil")                   /* 2^(ceil(log2 a) - emax) */                             \
    MODE(RCEIL, "rceil")                 /* 2^ceil(log2(a / largest value)): nothing saturates */  \
    MODE(FOUR_OVER_SIX, "four_over_six") /* a becomes 6 or 4, by the squared error */              \
    MODE(TENSOR, "tensor")               /* one for the whole tensor, by its largest value */      \
    MODE(BLOCK, "block")                 /* one for 128 rows and columns of a matrix, likewise */

#define PL_SCALE_MODE_NUMBER(mode, name) PL_SCALE_##mode,
typedef enum pl_scale_mode {
    PL_SCALE_MODE_LIST(PL_SCALE_MODE_NUMBER) PL_SCALE_MODES
} pl_scale_mode;
#undef PL_SCALE_MODE_NUMBER

/* Their names, which NULL ends; and "amax|floor|..." as a command's key lists them. */
extern const char *const pl_scale_mode_names[PL_SCALE_MODES + 1];
#define PL_SCALE_MODE_CHOICE(mode, name) "|" name
#define PL_SCALE_MODE_CHOICES &("" PL_SCALE_MODE_LIST(PL_SCALE_MODE_CHOICE))[1]

/* What a scale depends on beside its group's range. */
typedef struct pl_scaling {
    pl_dtype dtype;     /* of the stored scale, where the format leaves it open */
    pl_scale_mode mode; /* one of the format's */
    float most;         /* max |x| of the tensor, where a scale depends on it (pl_format_of_tensor),
                           or of the block of rows; 0: not known, and the group's own stands for
                           it */
} pl_scaling;

/* Values are finite.  Threads may call any of these at once. */
typedef struct pl_format {
    const char *name;
    const char *key; /* as the value of symmetric= or format= (format_list.h) */
    /* What the format fixes; 0 is what bits= and group_size= say. */
    int bits;               /* of one code, in 2 ... 8 */
    bool blocks;            /* group_size is the format's: */
    size_t group_size;      /* this by default (0: a row), and up to */
    size_t most_group_size; /* this in powers of two (0: this default alone) */
    int scale_bits;         /* of a group's stored scale; 0: as its dtype has */
    unsigned modes;         /* bits 1 << pl_scale_mode; 0: AMAX alone */
    pl_scale_mode mode;     /* the default */
    double search_from;     /* > 1: a search of ranges begins at so much of the group's */
    bool zero_point;        /* one of `bits` bits is stored beside each scale */
    bool has_bound;         /* Astro's Theorem 4.5 speaks of it, without a range search */
    /* The parameters over lo ... hi, lo <= 0 <= hi; both 0 only where scale_bits > 0.  The scale is
     * rounded to its dtype: one that rounds to 0 is the smallest positive number of it, one that
     * overflows the largest finite. */
    pl_grid_param (*fit)(int bits, const pl_scaling *scaling, double lo, double hi);
    /* NULL, or whether the mode has a second candidate over the same range, which is kept where its
     * squared error is smaller. */
    bool (*second)(int bits, const pl_scaling *scaling, double lo, double hi, pl_grid_param *out);
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
     * the scale is the range over them.  For what is learned (core/learn), in loops of its own;
     * NULL: the format's values are not evenly spaced, and what is learned rounds by `fit` and
     * `round`. */
    double (*steps)(int bits);
    /* The least and the largest code; NaN is the value of those that no value has. */
    void (*codes)(int bits, int *least, int *most);
    /* A group's scale as it is stored: scale_bits bits, E8M0 or E4M3.  NULL: in its dtype. */
    uint32_t (*stored_scale)(const pl_scaling *scaling, float scale);
    /* The float32 that is stored once for a tensor, by which stored scales are divided; NULL: none.
     */
    float (*tensor_scale)(const pl_scaling *scaling);
} pl_format;

/* |x| of the farther end of a range around 0. */
static inline double pl_format_farther(double lo, double hi)
{
    return -lo > hi ? -lo : hi;
}

#define PL_FORMAT_DECLARATION(name, key) extern const pl_format pl_format_##name;
PL_FORMATS(PL_FORMAT_DECLARATION)
#undef PL_FORMAT_DECLARATION

/* By the place in the list, integer formats first; and the place of a format in it. */
const pl_format *pl_format_at(size_t index);
size_t pl_format_index(const pl_format *format);
/* NULL where no format has the key. */
const pl_format *pl_format_find(const char *key);

/* The choices of format= ("int" is the first, and all integer formats) and of symmetric=: arrays
 * that end with NULL, and "int|mxfp4|...", "no|yes|full" as a command's key lists them. */
#define PL_FORMAT_CHOICE_OF(name, key) "|" key
extern const char *const pl_format_choice_text;
#define PL_SYMMETRIC_CHOICES &("" PL_INT_FORMATS(PL_FORMAT_CHOICE_OF))[1]
#define PL_FORMAT_ONE(name, key) +1
enum {
    PL_SYMMETRIC_COUNT = 0 PL_INT_FORMATS(PL_FORMAT_ONE),
    PL_FORMAT_CHOICE_COUNT = 1 PL_OTHER_FORMATS(PL_FORMAT_ONE),
    PL_FORMAT_COUNT = PL_SYMMETRIC_COUNT + PL_FORMAT_CHOICE_COUNT - 1
};
#undef PL_FORMAT_ONE
extern const char *const pl_format_choices[PL_FORMAT_CHOICE_COUNT + 1];
extern const char *const pl_symmetric_choices[PL_SYMMETRIC_COUNT + 1];

/* The format of a choice of each. */
const pl_format *pl_format_chosen(size_t format, size_t symmetric);
bool pl_format_is_int(const pl_format *format);
/* "int", or the key. */
const char *pl_format_choice(const pl_format *format);

/* By its name; AMAX where it has none, or name is NULL. */
pl_scale_mode pl_scale_mode_find(const char *name);

/* Rows and columns of a block of PL_SCALE_BLOCK (DeepSeek-V3, arXiv 2412.19437, 3.3.2). */
enum { PL_SCALE_BLOCK_SIZE = 128 };

/* Whether scales depend on the whole tensor: pl_scaling's `most` is its. */
bool pl_format_of_tensor(const pl_format *format, pl_scale_mode mode);

/* What a format allows of bits, group size (0: one group a row) and scale mode: PL_ERR_USAGE with a
 * sentence that `who` begins. */
PL_NODISCARD pl_status pl_format_check_bits(const char *who, const pl_format *format, int bits,
                                            pl_error *err);
PL_NODISCARD pl_status pl_format_check_group_size(const char *who, const pl_format *format,
                                                  size_t group_size, pl_error *err);
PL_NODISCARD pl_status pl_format_check_mode(const char *who, const pl_format *format,
                                            pl_scale_mode mode, pl_error *err);

/* The parameters of count adjacent values x over lo ... hi, the better where a mode has two. */
pl_grid_param pl_format_fit(const pl_format *format, int bits, const pl_scaling *scaling, double lo,
                            double hi, const float *x, size_t count);

/* 0 ... 2^bits - 1: a format's `codes`. */
void pl_format_codes_from_0(int bits, int *least, int *most);

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
