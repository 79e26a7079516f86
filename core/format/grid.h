/* core/format/grid.h -- grids of weights: a number format, its bits, the groups that share
 * parameters (methods.md 1).
 *
 * A group's range always includes 0; a group of zeros gets scale 1 and stays zero. */
#ifndef PL_FORMAT_GRID_H
#define PL_FORMAT_GRID_H

#include "core/format/format.h"
#include "core/tensor/dtype.h"
#include "core/tensor/mat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_grid {
    int bits;          /* 2..8 */
    size_t group_size; /* 0: one group a row */
    const pl_format *format;
    bool mse;             /* search the range: p = 1 - i/100, i = 0..79, least sum |w - w^|^2.4 */
    bool weighted;        /* the rounder searches it for the least error weighted by the inputs */
    pl_dtype scale_dtype; /* PL_F32, PL_F16 or PL_BF16 */
} pl_grid;

/* ceil(cols / group_size), 1 for group_size 0. */
size_t pl_grid_groups(const pl_grid *grid, size_t cols);

/* Bits per weight, scales and zero points counted over the real group count. */
double pl_grid_bits_per_weight(const pl_grid *grid, size_t cols);

/* w: count values stride apart.  Values must be finite. */
pl_grid_param pl_grid_fit(const pl_grid *grid, const float *w, size_t count, size_t stride);

/* The same of adjacent values with a searched range, p = 1 - i/100, i = 0..79: the p with the least
 * sum weights[i] (w - w^)^2, the largest of equal ones.  weights[count] >= 0. */
pl_grid_param pl_grid_fit_weighted(const pl_grid *grid, const float *w, const float *weights,
                                   size_t count);

/* The code of one weight, and the weight of a code. */
int pl_grid_code(const pl_grid *grid, pl_grid_param param, float w);
float pl_grid_value(const pl_grid *grid, pl_grid_param param, int code);

/* One column of count rows, each with its own scale and zero point: codes[count], and what rounding
 * takes away, w - w^, to lost[count].  The same numbers as code and value give. */
void pl_grid_column(const pl_grid *grid, const float *scales, const float *zeros, const float *w,
                    size_t count, int16_t *codes, float *lost);

/* The codes of count adjacent weights. */
void pl_grid_codes(const pl_grid *grid, pl_grid_param param, const float *w, size_t count,
                   int16_t *codes);

/* A quantized matrix: w^[r,c] is the value of code[r,c] under scale[r, g] and zero[r, g], g =
 * group_of[c].  Column c's group is explicit since act_order forms groups along a permutation.
 * {0} is empty. */
typedef struct pl_qweights {
    pl_grid grid;
    size_t rows, cols, groups;
    int16_t *codes;     /* [rows, cols]; asymmetric codes reach 255 */
    float *scales;      /* [rows, groups] */
    int16_t *zeros;     /* [rows, groups] */
    uint32_t *group_of; /* [cols] */
} pl_qweights;

/* A matrix of zero weights in contiguous groups: codes and zeros 0, scales 1. */
PL_NODISCARD pl_status pl_qweights_init(pl_qweights *q, const pl_grid *grid, size_t rows,
                                        size_t cols, pl_error *err);
void pl_qweights_deinit(pl_qweights *q);

/* out[rows, cols], contiguous. */
void pl_qweights_decode(const pl_qweights *q, float *out);

#endif
