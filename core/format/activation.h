/* core/format/activation.h -- fake quantization of activations, keys and values (methods.md 1), in
 * the formats that weights have.
 *
 * A row's range is clip times its minimum and maximum, 0 included; scales are float32.  A row of
 * zeros stays zero; finite values stay finite, also at the ends of float32. */
#ifndef PL_FORMAT_ACTIVATION_H
#define PL_FORMAT_ACTIVATION_H

#include "core/base/text.h"
#include "core/format/format.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_act_grid {
    int bits; /* 2..8; 0: activations are not quantized */
    const pl_format *format;
    bool fixed;               /* one range for all tokens, from calibration; else one a token */
    double clip;              /* (0, 1]: what is kept of a token's range */
    size_t group_size;        /* adjacent values with a range of their own; 0: the row's */
    pl_scale_mode scale_mode; /* where the format has several */
} pl_act_grid;

/* The range that a row is quantized to where it is not the row's own (fixed, or learned clipping):
 * lo <= 0 <= hi. */
typedef struct pl_act_range {
    float lo, hi;
} pl_act_range;

/* What is kept of a range's ends: the grid's clip times the learned one (NULL: 1). */
pl_act_range pl_act_share(const pl_act_grid *grid, const pl_act_range *clip);

/* A row's minimum and maximum, 0 included. */
pl_act_range pl_act_row_range(const float *x, size_t n);

/* What shares of its ends leave of a range. */
pl_act_range pl_act_kept(pl_act_range own, pl_act_range share);

/* |x| of a range's farther end. */
float pl_act_farther(pl_act_range range);

/* What beside its own values a group's scale depends on (NVFP4's second level), is the row's
 * largest value, or with `fixed` that of all tokens.
 *
 * In place x <- Q(x), x[rows, n] contiguous, values finite, each group by its own range times the
 * grid's clip.  clip: NULL, or further factors for this input's lower and upper end (learned).
 * bits 0: nothing happens. */
void pl_act_quantize(const pl_act_grid *grid, const pl_act_range *clip, float *x, size_t rows,
                     size_t n);

/* The same with one range for all rows, used as it is: of whole rows, or in groups as the largest
 * value that their scales know. */
void pl_act_quantize_fixed(const pl_act_grid *grid, pl_act_range range, float *x, size_t rows,
                           size_t n);

/* In place, groups of group_size adjacent values, whatever the grid's, each with a range of its
 * own; group_size 0: a row is one group.  n need not be a multiple of it.  clip: as above. */
void pl_act_quantize_groups(const pl_act_grid *grid, const pl_act_range *clip, size_t group_size,
                            float *x, size_t rows, size_t n);

/* "4 bits, symmetric yes" or "4 bits, mxfp4 floor"; appended. */
void pl_act_put_words(const pl_act_grid *grid, pl_buf *out);

/* Every setting, for the keys of what was made with it; appended. */
void pl_act_format(const pl_act_grid *grid, pl_buf *out);

#endif
