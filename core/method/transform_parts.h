/* core/method/transform_parts.h -- what a transform is made of; private to core/method. */
#ifndef PL_METHOD_TRANSFORM_PARTS_H
#define PL_METHOD_TRANSFORM_PARTS_H

#include "core/method/transform.h"
#include "core/tensor/hadamard.h"

struct pl_transform {
    size_t n;
    float *scale;          /* [n] or NULL */
    pl_hadamard *hadamard; /* at most one of these three */
    float *q;              /* [n, n] */
    float *kron;           /* p1, p2, i1, i2, then the transpose of each */
    size_t n1, n2;
    bool has_clip;
    pl_act_range clip;
    pl_act_range *row_clip; /* [rows, groups of clip_group_size] or NULL */
    size_t rows, clip_group_size;
};

/* Groups of columns that a row's clipping has. */
size_t pl_transform_clip_groups(const pl_transform *t);

/* In place x[rows, n] <- x B, all rows at once and without its diagonal; scratch: [rows, n]. */
void pl_transform_turn(const pl_transform *t, float *x, size_t rows, float *scratch);

#endif
