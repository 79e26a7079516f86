/* core/format/grid.h -- grids of weights: a number format, its bits, the groups that share
 * parameters (methods.md 1).
 *
 * A group's range always includes 0; a group of zeros stays zero, by scale 1 or by what the format
 * stores for it. */
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
    pl_dtype scale_dtype; /* PL_F32, PL_F16 or PL_BF16, where the format leaves it open */
    pl_scale_mode scale_mode;
    float most; /* max |w| of the matrix, where scales depend on it: pl_grid_begin; or of a block of
                   rows: pl_grid_of_block */
} pl_grid;

/* ceil(cols / group_size), 1 for group_size 0. */
size_t pl_grid_groups(const pl_grid *grid, size_t cols);

/* Bits per weight, scales and zero points counted over the real group count, with what is stored
 * once for the matrix. */
double pl_grid_bits_per_weight(const pl_grid *grid, size_t rows, size_t cols);

/* max |w|. */
float pl_grid_most(pl_view w);

/* What the grid takes from the whole matrix, before its groups are fitted. */
void pl_grid_begin(pl_grid *grid, pl_view w);

/* Rows that share the scales of their groups: PL_SCALE_BLOCK_SIZE, or 1. */
size_t pl_grid_block_rows(const pl_grid *grid);

/* max |w| of each block of those rows and a group's columns: *out[blocks, groups], the caller's to
 * free; NULL where rows share none.  dead: columns that do not count, [cols], or NULL. */
PL_NODISCARD pl_status pl_grid_blocks(const pl_grid *grid, pl_view w, const bool *dead, float **out,
                                      pl_error *err);

/* The grid for the group of a row; blocks: as above, or NULL. */
pl_grid pl_grid_of_block(const pl_grid *grid, const float *blocks, size_t groups, size_t row,
                         size_t group);

/* What a scale of the grid depends on beside its group's range. */
pl_scaling pl_grid_scaling(const pl_grid *grid);

/* w: count values stride apart.  Values must be finite. */
pl_grid_param pl_grid_fit(const pl_grid *grid, const float *w, size_t count, size_t stride);

/* The same of adjacent values with a searched range, p = 1 - i/100, i = 0..79: the p with the least
 * sum weights[i] (w - w^)^2, the largest of equal ones.  weights[count] >= 0. */
pl_grid_param pl_grid_fit_weighted(const pl_grid *grid, const float *w, const float *weights,
                                   size_t count);

/* The values of all codes, rising, each once, to levels[256]; how many. */
size_t pl_grid_levels(const pl_grid *grid, pl_grid_param param, float *levels);

/* A scale as it is stored: an E8M0 or E4M3 byte, or the bits of an F16, BF16 or F32; and the F32
 * that is stored once for the matrix, by which NVFP4's stored scales are divided (1: none is). */
uint32_t pl_grid_stored_scale(const pl_grid *grid, float scale);
float pl_grid_tensor_scale(const pl_grid *grid);

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
 * group_of[c].  A code is an integer, or the element's own bits (E2M1: sign, exponent, mantissa;
 * NF4: the place in its table); pl_grid_stored_scale gives a scale's.  Column c's group is explicit
 * since act_order forms groups along a permutation. {0} is empty. */
typedef struct pl_qweights {
    pl_grid grid;
    size_t rows, cols, groups;
    int16_t *codes;     /* [rows, cols]; asymmetric codes and FP8 reach 255 */
    float *scales;      /* [rows, groups]: what a code's number is multiplied by */
    int16_t *zeros;     /* [rows, groups] */
    uint32_t *group_of; /* [cols] */
} pl_qweights;

/* A matrix of zero weights in contiguous groups: codes of 0, zeros 0, scales 1. */
PL_NODISCARD pl_status pl_qweights_init(pl_qweights *q, const pl_grid *grid, size_t rows,
                                        size_t cols, pl_error *err);
void pl_qweights_deinit(pl_qweights *q);

/* out[rows, cols], contiguous. */
void pl_qweights_decode(const pl_qweights *q, float *out);

#endif
