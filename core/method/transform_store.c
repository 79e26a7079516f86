/* A transform as named arrays, and back. */
#include "core/method/transform_parts.h"

#include <string.h>

static const char kind_scaling[] = "scaling", kind_hadamard[] = "hadamard",
                  kind_orthogonal[] = "orthogonal", kind_kron[] = "kron",
                  kind_identity[] = "identity";

const char *pl_transform_kind(const pl_transform *t)
{
    return t->hadamard != NULL ? kind_hadamard
           : t->q != NULL      ? kind_orthogonal
           : t->kron != NULL   ? kind_kron
           : t->scale != NULL  ? kind_scaling
                               : kind_identity;
}

/* Those of a rotation, which a transform may have on its outputs and keys, too. */
enum { SCALE, SQUARE, SHAPE, BACK, CLIP, ROTATION_NAMES };
static const char *const own_names[ROTATION_NAMES] = {"scale", "q", "shape", "back", "clip"};
static const char *const outputs_names[ROTATION_NAMES] = {
    "outputs_scale", "outputs_q", "outputs_shape", "outputs_back", "outputs_clip"};
static const char *const keys_names[ROTATION_NAMES] = {"keys_scale", "keys_q", "keys_shape",
                                                       "keys_back", "keys_clip"};

static size_t rotation_arrays(const pl_transform *t, const char *const names[ROTATION_NAMES],
                              pl_transform_array *arrays)
{
    size_t count = 0;
    if (t->scale != NULL) {
        arrays[count++] = (pl_transform_array){names[SCALE], t->scale, t->n};
    }
    if (t->q != NULL) {
        arrays[count++] = (pl_transform_array){names[SQUARE], t->q, t->order * t->order};
    }
    if (t->shape[PL_SHAPE_CHANNELS] > 0.0f || t->outputs != NULL) {
        const size_t stored = t->across != NULL ? PL_SHAPE_COUNT : PL_SHAPE_ACROSS;
        arrays[count++] = (pl_transform_array){names[SHAPE], t->shape, stored};
    }
    if (t->back != NULL) {
        arrays[count++] = (pl_transform_array){names[BACK], t->back, t->order * t->order};
    }
    if (t->has_clip && t->kron == NULL) {
        arrays[count++] = (pl_transform_array){names[CLIP], &t->clip.lo, 2};
    }
    return count;
}

size_t pl_transform_arrays(const pl_transform *t, pl_transform_array arrays[PL_TRANSFORM_ARRAYS])
{
    size_t count = rotation_arrays(t, own_names, arrays);
    if (t->outputs != NULL) {
        count += rotation_arrays(t->outputs, outputs_names, arrays + count);
    }
    if (t->keys != NULL) {
        count += rotation_arrays(t->keys, keys_names, arrays + count);
    }
    if (t->kron != NULL) {
        const size_t a = t->n1 * t->n1, b = t->n2 * t->n2;
        arrays[count++] = (pl_transform_array){"p1", t->kron, a};
        arrays[count++] = (pl_transform_array){"p2", t->kron + a, b};
        arrays[count++] = (pl_transform_array){"i1", t->kron + a + b, a};
        arrays[count++] = (pl_transform_array){"i2", t->kron + 2 * a + b, b};
    }
    if (t->has_clip && t->kron != NULL) {
        arrays[count++] = (pl_transform_array){own_names[CLIP], &t->clip.lo, 2};
    }
    if (t->row_clip != NULL) {
        arrays[count++] = (pl_transform_array){"row_clip", &t->row_clip->lo,
                                               2 * t->rows * pl_transform_clip_groups(t)};
    }
    return count;
}

size_t pl_transform_clip_group_size(const pl_transform *t)
{
    return t->clip_group_size;
}

bool pl_transform_equal(const pl_transform *a, const pl_transform *b)
{
    pl_transform_array mine[PL_TRANSFORM_ARRAYS], other[PL_TRANSFORM_ARRAYS];
    if (a == NULL || b == NULL || a == b) {
        return a == b;
    }
    const size_t count = pl_transform_arrays(a, mine);
    if (pl_transform_n(a) != pl_transform_n(b) ||
        strcmp(pl_transform_kind(a), pl_transform_kind(b)) != 0 ||
        pl_transform_clip_group_size(a) != pl_transform_clip_group_size(b) ||
        pl_transform_arrays(b, other) != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mine[i].name, other[i].name) != 0 || mine[i].count != other[i].count ||
            memcmp(mine[i].data, other[i].data, mine[i].count * sizeof(float)) != 0) {
            return false;
        }
    }
    return true;
}

static const pl_transform_array *find(const pl_transform_array *arrays, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(arrays[i].name, name) == 0) {
            return &arrays[i];
        }
    }
    return NULL;
}

static pl_status bad(const char *kind, const char *name, pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT,
                        "a stored %s transform: the array \"%s\" is missing or of another size",
                        kind, name);
}

/* The side of a square array, 0 where it is none. */
static size_t side_of(const pl_transform_array *array)
{
    size_t side = 0;
    while (array != NULL && side * side < array->count) {
        side++;
    }
    return array != NULL && side * side == array->count ? side : 0;
}

static pl_status kron_of_arrays(size_t n, const pl_transform_array *arrays, size_t count,
                                const float *scale, pl_transform **out, pl_error *err)
{
    static const char *const names[4] = {"p1", "p2", "i1", "i2"};
    const pl_transform_array *found[4];
    for (size_t i = 0; i < 4; i++) {
        found[i] = find(arrays, count, names[i]);
        if (side_of(found[i]) == 0 || side_of(found[i]) != side_of(found[i % 2])) {
            return bad(kind_kron, names[i], err);
        }
    }
    const size_t n1 = side_of(found[0]), n2 = side_of(found[1]);
    const pl_transform_array *clip = find(arrays, count, "clip");
    if (n1 > n || n2 > n || n1 * n2 != n) {
        return bad(kind_kron, "p1", err);
    }
    if (clip != NULL && clip->count != 2) {
        return bad(kind_kron, "clip", err);
    }
    pl_act_range range = {1.0f, 1.0f};
    if (clip != NULL) {
        range = (pl_act_range){clip->data[0], clip->data[1]};
    }
    const pl_kron_parts parts = {.n1 = n1,
                                 .n2 = n2,
                                 .scale = scale,
                                 .p1 = found[0]->data,
                                 .p2 = found[1]->data,
                                 .i1 = found[2]->data,
                                 .i2 = found[3]->data,
                                 .clip = clip != NULL ? &range : NULL};
    return pl_transform_kron(&parts, out, err);
}

/* A whole number of a stored shape; 0 where it is none. */
static size_t whole(float number)
{
    return number >= 0.0f && number < 16777216.0f ? (size_t)number : 0;
}

static bool is_shape(const pl_transform_array *shape)
{
    return shape != NULL && (shape->count == PL_SHAPE_ACROSS || shape->count == PL_SHAPE_COUNT);
}

/* *out stays NULL where none of the names is there. */
static pl_status make_rotation(const pl_transform_array *arrays, size_t count,
                               const char *const names[ROTATION_NAMES], pl_transform **out,
                               pl_error *err)
{
    const pl_transform_array *scale = find(arrays, count, names[SCALE]);
    const pl_transform_array *q = find(arrays, count, names[SQUARE]);
    const pl_transform_array *shape = find(arrays, count, names[SHAPE]);
    const pl_transform_array *back = find(arrays, count, names[BACK]);
    const pl_transform_array *clip = find(arrays, count, names[CLIP]);
    pl_act_range range;
    *out = NULL;
    if (shape == NULL && scale == NULL && q == NULL) {
        return PL_OK;
    }
    const size_t n = is_shape(shape) ? whole(shape->data[PL_SHAPE_CHANNELS]) : 0;
    const size_t across =
        is_shape(shape) && shape->count > PL_SHAPE_ACROSS ? whole(shape->data[PL_SHAPE_ACROSS]) : 0;
    if (n == 0 || (across > 0 && n % across != 0)) {
        return bad("rotation", names[SHAPE], err);
    }
    if (q != NULL && (side_of(q) == 0 || n % side_of(q) != 0)) {
        return bad("rotation", names[SQUARE], err);
    }
    if (scale != NULL && scale->count != n) {
        return bad("rotation", names[SCALE], err);
    }
    if (back != NULL && (q == NULL || back->count != q->count)) {
        return bad("rotation", names[BACK], err);
    }
    if (clip != NULL && clip->count != 2) {
        return bad("rotation", names[CLIP], err);
    }
    if (clip != NULL) {
        range = (pl_act_range){clip->data[0], clip->data[1]};
    }
    const pl_rotation_parts parts = {.n = n,
                                     .scale = scale != NULL ? scale->data : NULL,
                                     .block = whole(shape->data[PL_SHAPE_BLOCK]),
                                     .q = q != NULL ? q->data : NULL,
                                     .back = back != NULL ? back->data : NULL,
                                     .order = side_of(q),
                                     .across = across,
                                     .clip = clip != NULL ? &range : NULL,
                                     .merged = shape->data[PL_SHAPE_MERGED] > 0.0f};
    return pl_transform_rotation(&parts, out, err);
}

static pl_status make_own_rotation(size_t n, const pl_transform_array *arrays, size_t count,
                                   pl_transform **out, pl_error *err)
{
    pl_status status = make_rotation(arrays, count, own_names, out, err);
    return status == PL_OK && (*out == NULL || (*out)->n != n)
               ? bad("rotation", own_names[SHAPE], err)
               : status;
}

/* What a transform has on its outputs and on keys. */
static pl_status add_turns(pl_transform *t, const pl_transform_array *arrays, size_t count,
                           pl_error *err)
{
    const pl_transform_array *shape = find(arrays, count, own_names[SHAPE]);
    pl_transform *outputs = NULL, *keys = NULL;
    pl_status status = make_rotation(arrays, count, outputs_names, &outputs, err);
    PL_THEN(make_rotation(arrays, count, keys_names, &keys, err));
    if (status == PL_OK && outputs != NULL && !is_shape(shape)) {
        status = bad("rotation", own_names[SHAPE], err);
    }
    if (status != PL_OK) {
        pl_transform_destroy(outputs);
        pl_transform_destroy(keys);
        return status;
    }
    if (outputs != NULL) {
        pl_transform_set_outputs(t, whole(shape->data[PL_SHAPE_MEMBER]), outputs);
    }
    pl_transform_set_keys(t, keys);
    return PL_OK;
}

static pl_status make_basis(const char *kind, size_t n, const pl_transform_array *arrays,
                            size_t count, const float *scale, pl_transform **out, pl_error *err)
{
    const pl_transform_array *q = find(arrays, count, "q");
    if (strcmp(kind, kind_kron) == 0) {
        return kron_of_arrays(n, arrays, count, scale, out, err);
    }
    if (find(arrays, count, own_names[SHAPE]) != NULL) {
        return make_own_rotation(n, arrays, count, out, err);
    }
    if (strcmp(kind, kind_hadamard) == 0) {
        return pl_transform_hadamard(n, out, err);
    }
    if (strcmp(kind, kind_orthogonal) == 0) {
        return q == NULL || q->count != n * n ? bad(kind, "q", err)
                                              : pl_transform_orthogonal(n, q->data, out, err);
    }
    if (strcmp(kind, kind_scaling) == 0) {
        return scale == NULL ? bad(kind, "scale", err) : pl_transform_scaling(n, scale, out, err);
    }
    return pl_error_set(err, PL_ERR_FORMAT, "a stored transform is of an unknown kind");
}

pl_status pl_transform_from_arrays(const char *kind, size_t n, const pl_transform_array *arrays,
                                   size_t count, size_t clip_group_size, pl_transform **out,
                                   pl_error *err)
{
    *out = NULL;
    const pl_transform_array *scale = find(arrays, count, "scale");
    const pl_transform_array *clip = find(arrays, count, "row_clip");
    if (scale != NULL && scale->count != n) {
        return bad(kind, "scale", err);
    }
    pl_status status =
        make_basis(kind, n, arrays, count, scale != NULL ? scale->data : NULL, out, err);
    PL_THEN(add_turns(*out, arrays, count, err));
    const size_t groups = pl_grid_groups(&(pl_grid){.group_size = clip_group_size}, n);
    if (status == PL_OK && clip != NULL) {
        /* A range is two floats, as the array has them. */
        status = clip->count % (2 * groups) != 0
                     ? bad(kind, "row_clip", err)
                     : pl_transform_set_clip(*out, (const pl_act_range *)(const void *)clip->data,
                                             clip->count / (2 * groups), clip_group_size, err);
    }
    if (status != PL_OK) {
        pl_transform_destroy(*out);
        *out = NULL;
    }
    return status;
}
