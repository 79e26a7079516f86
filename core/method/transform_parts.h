/* core/method/transform_parts.h -- what a transform is made of; private to core/method. */
#ifndef PL_METHOD_TRANSFORM_PARTS_H
#define PL_METHOD_TRANSFORM_PARTS_H

#include "core/method/transform.h"
#include "core/tensor/hadamard.h"

/* What a stored transform says of itself in numbers. */
enum {
    PL_SHAPE_CHANNELS,
    PL_SHAPE_BLOCK,
    PL_SHAPE_MERGED,
    PL_SHAPE_MEMBER,
    PL_SHAPE_ACROSS, /* not stored where it is 0, as by older versions */
    PL_SHAPE_COUNT
};

struct pl_transform {
    size_t n;
    float *scale;          /* [n] or NULL; below zero only in a rotation */
    pl_hadamard *hadamard; /* at most one of these three */
    float *q;              /* [order, order], of each of n / order parts of the channels */
    float *back;           /* its inverse, NULL where it is orthogonal */
    size_t order;
    pl_hadamard *across; /* behind B, of the parts of the channels; or NULL */
    float *kron;         /* p1, p2, i1, i2, then the transpose of each */
    size_t n1, n2;
    bool has_clip;
    pl_act_range clip;
    pl_act_range *row_clip; /* [rows, groups of clip_group_size] or NULL */
    size_t rows, clip_group_size;
    /* Of a rotation; all zeros in any other. */
    float shape[PL_SHAPE_COUNT]; /* n; the order of the Hadamard blocks, 0 without; 1 where T is
                                    merged; the member of the site that has outputs; the parts
                                    that `across` turns, 0 without */
    pl_transform *outputs;       /* S of that member of the site, or NULL */
    pl_transform *keys;          /* of each head of the keys behind RoPE, or NULL */
};

/* An empty one of n channels. */
PL_NODISCARD pl_status pl_transform_new(size_t n, pl_transform **out, pl_error *err);

/* scale[n] is copied, which must be finite and above 0; signed_scale: anything but 0. */
PL_NODISCARD pl_status pl_transform_set_scale(pl_transform *t, const float *scale,
                                              bool signed_scale, pl_error *err);

/* Groups of columns that a row's clipping has. */
size_t pl_transform_clip_groups(const pl_transform *t);

/* to[cols, rows] <- from[rows, cols]. */
void pl_transform_transpose(const float *from, size_t rows, size_t cols, float *to);

/* In place x[rows, n] <- x (H (x) I), or with H^T in H's place; scratch: [rows, n]. */
void pl_transform_turn_across(const pl_transform *t, bool transposed, float *x, size_t rows,
                              float *scratch);

/* In place x[rows, n] <- x B, all rows at once and without its diagonal; scratch: [rows, n]. */
void pl_transform_turn(const pl_transform *t, float *x, size_t rows, float *scratch);

#endif
