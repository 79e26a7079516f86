/* Rotations: transforms that are part of a rotation of the whole model. */
#include "core/base/checked.h"
#include "core/method/transform_parts.h"

#include <stdlib.h>
#include <string.h>

static pl_status copy_square(const float *q, size_t order, float **out, pl_error *err)
{
    *out = pl_alloc(order * order, sizeof **out);
    if (*out == NULL) {
        return pl_error_memory(err, "a matrix of %zu channels", order);
    }
    memcpy(*out, q, order * order * sizeof *q);
    return PL_OK;
}

pl_status pl_transform_rotation(const pl_rotation_parts *parts, pl_transform **out, pl_error *err)
{
    pl_transform *t = NULL;
    *out = NULL;
    pl_status status = pl_transform_new(parts->n, &t, err);
    if (status == PL_OK && parts->scale != NULL) {
        status = pl_transform_set_scale(t, parts->scale, true, err);
    }
    if (status == PL_OK && parts->block > 0) {
        status = pl_hadamard_create_blocks(parts->n, parts->block, &t->hadamard, err);
    }
    if (status == PL_OK && parts->q != NULL) {
        status = copy_square(parts->q, parts->order, &t->q, err);
        t->order = parts->order;
    }
    if (status == PL_OK && parts->q != NULL && parts->back != NULL) {
        status = copy_square(parts->back, parts->order, &t->back, err);
    }
    if (status == PL_OK && parts->across > 1 && pl_hadamard_largest(parts->across) > 1) {
        status = pl_hadamard_create(parts->across, &t->across, err);
        t->shape[PL_SHAPE_ACROSS] = (float)parts->across;
    }
    if (status != PL_OK) {
        pl_transform_destroy(t);
        return status;
    }
    if (parts->clip != NULL) {
        t->has_clip = true;
        t->clip = *parts->clip;
    }
    t->shape[PL_SHAPE_CHANNELS] = (float)parts->n;
    t->shape[PL_SHAPE_BLOCK] = (float)parts->block;
    t->shape[PL_SHAPE_MERGED] = parts->merged ? 1.0f : 0.0f;
    *out = t;
    return PL_OK;
}

void pl_transform_set_outputs(pl_transform *t, size_t member, pl_transform *outputs)
{
    pl_transform_destroy(t->outputs);
    t->outputs = outputs;
    t->shape[PL_SHAPE_MEMBER] = (float)member;
}

void pl_transform_set_keys(pl_transform *t, pl_transform *keys)
{
    pl_transform_destroy(t->keys);
    t->keys = keys;
}

bool pl_transform_is_merged(const pl_transform *t)
{
    return t->shape[PL_SHAPE_MERGED] > 0.0f && t->across == NULL;
}

pl_status pl_transform_left(const pl_transform *t, pl_transform **out, pl_error *err)
{
    *out = NULL;
    if (t->across == NULL || t->shape[PL_SHAPE_MERGED] <= 0.0f) {
        return PL_OK;
    }
    const pl_rotation_parts parts = {.n = t->n, .across = (size_t)t->shape[PL_SHAPE_ACROSS]};
    return pl_transform_rotation(&parts, out, err);
}

const pl_transform *pl_transform_outputs(const pl_transform *t, size_t member)
{
    return t->outputs != NULL && (float)member == t->shape[PL_SHAPE_MEMBER] ? t->outputs : NULL;
}

const pl_transform *pl_transform_keys(const pl_transform *t)
{
    return t->keys;
}

/* w^T <- w^T S or w^T S^-1. */
static pl_status turn_outputs(const pl_transform *t, size_t member, bool back, float *w,
                              size_t rows, size_t cols, pl_task *task, pl_error *err)
{
    const pl_transform *s = pl_transform_outputs(t, member);
    if (s == NULL) {
        return PL_OK;
    }
    if (s->n != rows) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "a transform turns %zu outputs of a layer that has %zu", s->n, rows);
    }
    float *flipped = pl_alloc(rows * cols, sizeof *flipped);
    if (flipped == NULL) {
        return pl_error_memory(err, "a rotation of %zu outputs", rows);
    }
    pl_transform_transpose(w, rows, cols, flipped);
    pl_status status = back ? pl_transform_inputs_back(s, flipped, cols, task, err)
                            : pl_transform_inputs(s, flipped, cols, task, err);
    if (status == PL_OK) {
        pl_transform_transpose(flipped, cols, rows, w);
    }
    free(flipped);
    return status;
}

pl_status pl_transform_outputs_weights(const pl_transform *t, size_t member, float *w, size_t rows,
                                       size_t cols, pl_task *task, pl_error *err)
{
    return turn_outputs(t, member, false, w, rows, cols, task, err);
}

pl_status pl_transform_outputs_weights_back(const pl_transform *t, size_t member, float *w,
                                            size_t rows, size_t cols, pl_task *task, pl_error *err)
{
    return turn_outputs(t, member, true, w, rows, cols, task, err);
}
