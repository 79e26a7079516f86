/* core/quant/transform_parts.h -- what a transform is made of; private to core/quant. */
#ifndef PL_QUANT_TRANSFORM_PARTS_H
#define PL_QUANT_TRANSFORM_PARTS_H

#include "core/quant/transform.h"
#include "core/tensor/hadamard.h"

/* A Kronecker product applied from the right to rows: X~ -> a^T X~ b. */
typedef struct pl_kron_pair {
    const float *a, *b;
} pl_kron_pair;

struct pl_transform {
    int references;
    size_t n;
    float *scale;          /* [n] or NULL */
    pl_hadamard *hadamard; /* at most one of these three */
    float *q;              /* [n, n] */
    float *kron;           /* p1, p2, i1, i2, then the transpose of each */
    size_t n1, n2;
    bool has_clip;
    pl_act_range clip;
    float *row_clip; /* [rows * clip_groups, 2] or NULL */
    size_t rows, clip_group_size;
};

/* An empty one of n channels, one reference. */
PL_NODISCARD pl_status pl_transform_new(size_t n, pl_transform **out, pl_error *err);

/* PL_ERR_NUMERIC names the first channel whose scale is not finite and positive. */
PL_NODISCARD pl_status pl_transform_set_scale(pl_transform *t, const float *scale, pl_error *err);

#endif
