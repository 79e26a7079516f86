/* core/method/transform.h -- an invertible map T on the input channels of a site.
 *
 * X' = X T, W' = W T^-T, so that X' W'^T = X W^T, and G' = T^T G T.  Every T here is
 * diag(scale) B with B the identity, an orthonormal Hadamard matrix, an orthogonal matrix or a
 * Kronecker product P1 (x) P2 (methods.md 3).  A quantizer Q in the new coordinates is, seen from
 * the old ones, Q(X T) T^-1 and Q(W T^-T) T^T: what a forward pass is given.
 *
 * A rotation of the whole model (QuaRot, SpinQuant) is, site by site, such a T, which undoes the
 * gain of the norm before it, and an S on the outputs of one of the site's layers: W' = S^T W T^-T
 * and Y' = Y S, whose inverse is part of the T of who reads Y.
 *
 * Immutable once made; may be read by several threads. */
#ifndef PL_METHOD_TRANSFORM_H
#define PL_METHOD_TRANSFORM_H

#include "core/base/task.h"
#include "core/base/text.h"
#include "core/format/activation.h"
#include "core/format/grid.h"
#include "core/tensor/mat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_transform pl_transform;

/* How a site takes part in a rotation of the residual stream. */
typedef enum pl_stream_role {
    PL_STREAM_UNKNOWN, /* of matrices without a model */
    PL_STREAM_QKV,     /* reads the stream; v's outputs are heads */
    PL_STREAM_O,       /* reads heads, writes to the stream */
    PL_STREAM_GATE_UP, /* reads the stream */
    PL_STREAM_DOWN,    /* writes to the stream */
} pl_stream_role;

typedef struct pl_stream {
    pl_stream_role role;
    size_t block, site;               /* indices in the model */
    size_t hidden, head_dim, kv_rows; /* widths of the stream, of a head, of v's outputs */
    const float *gain; /* [n], of the norm between the stream and the site; NULL: none */
} pl_stream;

/* What a transform method sees of a site.  A `blind` one may find nothing of its inputs: gram,
 * max_abs and mean_abs NULL, sample without rows. */
typedef struct pl_site_input {
    const char *site;       /* name, for error sentences */
    size_t n;               /* input channels */
    const pl_view *weights; /* [n_weights] the site's layers, original, each [out, n] */
    size_t n_weights;
    const bool *whole_range; /* [n_weights] layers whose range is never shrunk (attention's q and k,
                                as llm-awq does); NULL: none */
    const float *gram;       /* [n, n], X^T X / T */
    const float *max_abs;    /* [n] max |x| over all calibration tokens */
    const float *mean_abs;   /* [n] */
    pl_view sample;          /* [rows, n] stored rows of X; rows may be 0 */
    const pl_grid *grid;     /* of the rounder; NULL without one */
    pl_act_grid activations;
    pl_stream stream; /* where the site lies, for a method that turns the stream */
} pl_site_input;

/* --- making (each takes copies) --------------------------------------------------------------- */

/* T = diag(scale): scale[n] finite and > 0, else PL_ERR_NUMERIC names the channel. */
PL_NODISCARD pl_status pl_transform_scaling(size_t n, const float *scale, pl_transform **out,
                                            pl_error *err);

/* T = H / sqrt(n), or block-diagonal where no Hadamard matrix of order n is known. */
PL_NODISCARD pl_status pl_transform_hadamard(size_t n, pl_transform **out, pl_error *err);

/* T = Q[n, n], which must be orthogonal. */
PL_NODISCARD pl_status pl_transform_orthogonal(size_t n, const float *q, pl_transform **out,
                                               pl_error *err);

/* T = diag(scale) (P1 (x) P2); scale NULL: no diagonal.  p1[n1, n1], p2[n2, n2] and their inverses
 * i1, i2.  clip: NULL, or the learned clipping of this input. */
typedef struct pl_kron_parts {
    size_t n1, n2;
    const float *scale, *p1, *p2, *i1, *i2;
    const pl_act_range *clip;
} pl_kron_parts;
PL_NODISCARD pl_status pl_transform_kron(const pl_kron_parts *parts, pl_transform **out,
                                         pl_error *err);

/* T = diag(scale) B with B orthogonal: scale[n] finite and not 0, NULL for none; B is H / sqrt of
 * blocks of the order `block` (0: no Hadamard matrix), or Q[order, order] on each of the n / order
 * parts of the channels (NULL: none).  merged: nothing of T is left for inference, since who makes
 * the input and the weights hold it.  PL_ERR_USAGE where no such Hadamard matrix is known.
 *
 * With `across` > 1, T = diag(scale) B (H (x) I): H / sqrt of blocks of the largest known order
 * turns the `across` equal parts of the channels, heads, into one another, as QuaRot does before
 * o_proj. That is left for inference, whatever `merged` says of the rest.
 *
 * With `back`, the inverse of Q, Q need not be orthogonal: FlatQuant's P_v and P_h, which are
 * learned with a clipping of what a cache holds in their coordinates (clip, or NULL). */
typedef struct pl_rotation_parts {
    size_t n;
    const float *scale;
    size_t block;
    const float *q, *back;
    size_t order;
    bool merged;
    size_t across;
    const pl_act_range *clip;
} pl_rotation_parts;
PL_NODISCARD pl_status pl_transform_rotation(const pl_rotation_parts *parts, pl_transform **out,
                                             pl_error *err);

/* Gives t the S of the site's layer with the index `member`, and what turns each head of the keys
 * behind RoPE; both are made by pl_transform_rotation, and t's from here on. */
void pl_transform_set_outputs(pl_transform *t, size_t member, pl_transform *outputs);
void pl_transform_set_keys(pl_transform *t, pl_transform *keys);

/* Factors in (0, 1] for the range of the site's transformed weights: ranges[rows, groups], groups
 * of clip_group_size columns (0: the whole row), rows as they are in the site's layers one after
 * the other.  Copied. */
PL_NODISCARD pl_status pl_transform_set_clip(pl_transform *t, const pl_act_range *ranges,
                                             size_t rows, size_t clip_group_size, pl_error *err);

void pl_transform_destroy(pl_transform *t); /* NULL is fine */

/* --- using ------------------------------------------------------------------------------------ */

size_t pl_transform_n(const pl_transform *t);

/* In place on x[rows, n], contiguous: x <- x T, and x <- x T^-1. */
PL_NODISCARD pl_status pl_transform_inputs(const pl_transform *t, float *x, size_t rows,
                                           pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_transform_inputs_back(const pl_transform *t, float *x, size_t rows,
                                                pl_task *task, pl_error *err);

/* In place on w[rows, n], contiguous: w <- w T^-T, and w <- w T^T. */
PL_NODISCARD pl_status pl_transform_weights(const pl_transform *t, float *w, size_t rows,
                                            pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_transform_weights_back(const pl_transform *t, float *w, size_t rows,
                                                 pl_task *task, pl_error *err);

/* In place d[n, n] <- T^T D T, of any square matrix. */
PL_NODISCARD pl_status pl_transform_cross(const pl_transform *t, float *d, pl_task *task,
                                          pl_error *err);
/* S of a member of the site and what turns keys; NULL where there is none. */
const pl_transform *pl_transform_outputs(const pl_transform *t, size_t member);
const pl_transform *pl_transform_keys(const pl_transform *t);

/* In place on all rows of a member's weights w[rows, cols]: w <- S^T w, and w <- S^-T w.  Nothing
 * happens without S. */
PL_NODISCARD pl_status pl_transform_outputs_weights(const pl_transform *t, size_t member, float *w,
                                                    size_t rows, size_t cols, pl_task *task,
                                                    pl_error *err);
PL_NODISCARD pl_status pl_transform_outputs_weights_back(const pl_transform *t, size_t member,
                                                         float *w, size_t rows, size_t cols,
                                                         pl_task *task, pl_error *err);

/* out[n, n] = T^T G T, symmetric to the last bit; out may be g. */
PL_NODISCARD pl_status pl_transform_gram(const pl_transform *t, const float *g, float *out,
                                         pl_task *task, pl_error *err);

/* The learned clipping of the input, NULL where there is none. */
const pl_act_range *pl_transform_clip(const pl_transform *t);

/* In place, x[rows, n] of what a cache holds: each head of `head` values is quantized in groups of
 * group_size (0: a head is one group), in the coordinates of t, whose width is a head's or that of
 * all of them, with its clipping; NULL: in its own. */
PL_NODISCARD pl_status pl_transform_quantize_heads(const pl_transform *t, const pl_act_grid *grid,
                                                   size_t group_size, size_t head, float *x,
                                                   size_t rows, size_t n, pl_error *err);

/* In place w[count] <- w clipped to these shares of its own range's two ends. */
void pl_transform_clip_group(float *w, size_t count, pl_act_range share);

/* In place on w[count, n], transformed rows [first, first + count) of the site: each group's values
 * are clamped to the group's own range times the transform's factors, which is what quantizing
 * with the clipped range does to them.  Without factors nothing happens. */
void pl_transform_clip_weights(const pl_transform *t, size_t first, float *w, size_t count);
bool pl_transform_clips(const pl_transform *t);

/* sigma_max(T) / sigma_min(T). */
PL_NODISCARD pl_status pl_transform_condition(const pl_transform *t, double *out, pl_error *err);

/* What of it costs something at inference.  The diagonal folds into the producer (a norm's gain,
 * up_proj's rows); T^-T is in the weights.  flops and bytes (of T's own matrices) per token. */
typedef struct pl_transform_cost {
    bool folds_diagonal, online;
    bool merged; /* what is not online, is in the weights before and behind it */
    double flops, bytes;
} pl_transform_cost;
pl_transform_cost pl_transform_get_cost(const pl_transform *t);
/* All of it is merged. */
bool pl_transform_is_merged(const pl_transform *t);

/* What a partly merged T leaves for inference, as a transform of the caller's; *out NULL where t
 * leaves all of itself, or nothing. */
PL_NODISCARD pl_status pl_transform_left(const pl_transform *t, pl_transform **out, pl_error *err);

/* Whether channel c is still channel c: T is a diagonal at most. */
bool pl_transform_keeps_channels(const pl_transform *t);

/* "Hadamard 36 x 2^4", appended. */
void pl_transform_describe(const pl_transform *t, pl_buf *out);

/* --- as bytes, for the store: named float32 arrays and a few numbers ------------------------- */

enum { PL_TRANSFORM_ARRAYS = 20 };
typedef struct pl_transform_array {
    const char *name; /* "scale", "q", "p1", ... */
    const float *data;
    size_t count;
} pl_transform_array;

/* How T is made ("scaling", "hadamard", "orthogonal", "kron", "identity") and its arrays, borrowed;
 * returns how many. */
const char *pl_transform_kind(const pl_transform *t);
size_t pl_transform_arrays(const pl_transform *t, pl_transform_array arrays[PL_TRANSFORM_ARRAYS]);
size_t pl_transform_clip_group_size(const pl_transform *t);

/* The same to the last bit; NULL, no transform, equals only NULL. */
bool pl_transform_equal(const pl_transform *a, const pl_transform *b);

/* From such a list again.  PL_ERR_FORMAT where an array is missing or of another size. */
PL_NODISCARD pl_status pl_transform_from_arrays(const char *kind, size_t n,
                                                const pl_transform_array *arrays, size_t count,
                                                size_t clip_group_size, pl_transform **out,
                                                pl_error *err);

#endif
