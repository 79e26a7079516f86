/* core/method/rotations.h -- the rotations of a whole model, as the transform of one of its sites.
 *
 * QuaRot (Ashkboos et al., NeurIPS 2024) and SpinQuant (Liu et al., ICLR 2025): R1 turns the
 * residual stream, R2 each head of a block's values, R3 each head of its queries and keys behind
 * RoPE, R4 down_proj's inputs.  With the stream x' = x R1 and norms without gains g,
 *   q, k, gate, up:  W' = W diag(g) R1             v:  W' = (I (x) R2)^T W diag(g) R1
 *   o:  W' = R1^T W (I (x) R2)                     down:  W' = R1^T W R4
 * and R1 and R2 cost nothing at inference; R3 and R4 are computed for every token, and so is
 * QuaRot's Hadamard matrix H across the heads of attention's output, behind which o_proj's inputs
 * are quantized: W' = R1^T W (I (x) R2) (H (x) I), with R2 = H too the full one of all channels
 * (their section 4, stages 1c and 1d). */
#ifndef PL_METHOD_ROTATIONS_H
#define PL_METHOD_ROTATIONS_H

#include "core/method/transform.h"

typedef struct pl_rotations {
    pl_rotation_parts r1; /* n: the hidden size */
    pl_rotation_parts r2; /* n: head_dim; of the site's block */
    pl_rotation_parts r3; /* n: head_dim; without block and q: none */
    pl_rotation_parts r4; /* n: the site's inputs; likewise.  Read for down_proj alone */
    bool across;          /* H across the heads before o_proj */
} pl_rotations;

/* in->stream must be known.  The parts' `merged` is not read.  PL_ERR_NUMERIC names the channel
 * where a norm's gain is 0, which cannot be undone. */
PL_NODISCARD pl_status pl_rotations_of_site(const pl_site_input *in, const pl_rotations *rotations,
                                            pl_transform **out, pl_error *err);

/* Hadamard matrices with random signs from `seed`, for the site: QuaRot's, and what learned ones
 * start from.  online: R3 and R4, too.  The caller frees it, also after a failure. */
typedef struct pl_random_rotations {
    float *stream, *head, *inner; /* signs */
    pl_rotations is;              /* points to them */
} pl_random_rotations;
PL_NODISCARD pl_status pl_rotations_random(const pl_stream *stream, size_t n, uint64_t seed,
                                           bool online, pl_random_rotations *out, pl_error *err);
void pl_rotations_random_free(pl_random_rotations *rotations);

/* The places of the parameters of methods that learn R1 and R2 (core/learn). */
enum {
    PL_ROTATIONS_STEPS,
    PL_ROTATIONS_SEED,
    PL_ROTATIONS_ONLINE,
    PL_ROTATIONS_RATE,
    PL_ROTATIONS_BATCH,
    PL_ROTATIONS_PARAMS
};

#endif
