#include "core/method/rotations.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/tensor/hadamard.h"

#include <math.h>
#include <stdlib.h>

/* The layers of the site whose outputs are turned: v among q, k and v, and o or down alone. */
enum { VALUES = 2, ALONE = 0 };

static bool is_none(const pl_rotation_parts *r)
{
    return r->block == 0 && r->q == NULL && r->scale == NULL;
}

/* diag(1 / gain) R1. */
static pl_status read_stream(const pl_site_input *in, const pl_rotation_parts *r1,
                             pl_transform **out, pl_error *err)
{
    pl_rotation_parts parts = *r1;
    float *scale = pl_alloc(in->n, sizeof *scale);
    if (scale == NULL) {
        return pl_error_memory(err, "a rotation of %s", in->site);
    }
    for (size_t c = 0; c < in->n; c++) {
        const float gain = in->stream.gain[c];
        scale[c] = (r1->scale != NULL ? r1->scale[c] : 1.0f) / gain;
        if (!isfinite(scale[c])) {
            free(scale);
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "%s: the gain of the norm before it is %g in channel %zu, expected "
                                "a number that can be divided by, since a rotation of the residual "
                                "stream moves it into the weights",
                                in->site, (double)gain, c);
        }
    }
    parts.scale = scale;
    parts.merged = true;
    pl_status status = pl_transform_rotation(&parts, out, err);
    free(scale);
    return status;
}

/* R on each of n / R's channels heads; across: H across them behind it. */
static pl_status turn_heads(const pl_rotation_parts *r, size_t n, bool merged, bool across,
                            pl_transform **out, pl_error *err)
{
    pl_rotation_parts parts = *r;
    float *scale = r->scale != NULL ? pl_alloc(n, sizeof *scale) : NULL;
    if (r->scale != NULL && scale == NULL) {
        return pl_error_memory(err, "a rotation of %zu channels", n);
    }
    for (size_t c = 0; r->scale != NULL && c < n; c++) {
        scale[c] = r->scale[c % r->n];
    }
    parts.n = n;
    parts.scale = scale;
    parts.merged = merged;
    parts.across = across ? n / r->n : 0;
    pl_status status = pl_transform_rotation(&parts, out, err);
    free(scale);
    return status;
}

static pl_status add_outputs(pl_transform *t, size_t member, const pl_rotation_parts *r, size_t n,
                             pl_error *err)
{
    pl_transform *outputs = NULL;
    pl_status status = turn_heads(r, n, true, false, &outputs, err);
    if (status == PL_OK) {
        pl_transform_set_outputs(t, member, outputs);
    }
    return status;
}

static pl_status add_keys(pl_transform *t, const pl_rotation_parts *r3, pl_error *err)
{
    pl_transform *keys = NULL;
    if (is_none(r3)) {
        return PL_OK;
    }
    pl_status status = turn_heads(r3, r3->n, false, false, &keys, err);
    if (status == PL_OK) {
        pl_transform_set_keys(t, keys);
    }
    return status;
}

pl_status pl_rotations_of_site(const pl_site_input *in, const pl_rotations *rotations,
                               pl_transform **out, pl_error *err)
{
    const pl_stream *stream = &in->stream;
    pl_transform *t = NULL;
    pl_status status = PL_OK;
    *out = NULL;
    switch (stream->role) {
    case PL_STREAM_QKV:
        status = read_stream(in, &rotations->r1, &t, err);
        PL_THEN(add_outputs(t, VALUES, &rotations->r2, stream->kv_rows, err));
        PL_THEN(add_keys(t, &rotations->r3, err));
        break;
    case PL_STREAM_GATE_UP:
        status = read_stream(in, &rotations->r1, &t, err);
        break;
    case PL_STREAM_O:
        status = turn_heads(&rotations->r2, in->n, true, rotations->across, &t, err);
        PL_THEN(add_outputs(t, ALONE, &rotations->r1, stream->hidden, err));
        break;
    case PL_STREAM_DOWN:
        status = pl_transform_rotation(&rotations->r4, &t, err);
        PL_THEN(add_outputs(t, ALONE, &rotations->r1, stream->hidden, err));
        break;
    case PL_STREAM_UNKNOWN:
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: how it takes part in a residual stream is not known", in->site);
        break;
    }
    if (status != PL_OK) {
        pl_transform_destroy(t);
        return status;
    }
    *out = t;
    return PL_OK;
}

/* Each rotation has signs of its own. */
static float *make_signs(size_t n, uint64_t seed, uint64_t which)
{
    float *signs = pl_alloc(n, sizeof *signs);
    pl_rng rng;
    pl_rng_init(&rng, seed + (which << 32));
    for (size_t i = 0; signs != NULL && i < n; i++) {
        signs[i] = pl_rng_next(&rng) >> 63 != 0 ? -1.0f : 1.0f;
    }
    return signs;
}

static pl_rotation_parts signed_hadamard(size_t n, const float *signs)
{
    return (pl_rotation_parts){.n = n, .scale = signs, .block = pl_hadamard_largest(n)};
}

pl_status pl_rotations_random(const pl_stream *stream, size_t n, uint64_t seed, bool online,
                              pl_random_rotations *out, pl_error *err)
{
    /* The stream's signs, those of each block's heads, and behind them each site's. */
    enum { OF_STREAM = 0, OF_HEADS = 1, OF_SITES = 1 << 24 };
    const size_t head = stream->head_dim;
    *out = (pl_random_rotations){
        .stream = make_signs(stream->hidden, seed, OF_STREAM),
        .head = make_signs(head, seed, OF_HEADS + stream->block),
        .inner = make_signs(n, seed, OF_SITES + stream->site),
    };
    if (out->stream == NULL || out->head == NULL || out->inner == NULL) {
        return pl_error_memory(err, "rotations of %zu channels", n);
    }
    out->is = (pl_rotations){
        .r1 = signed_hadamard(stream->hidden, out->stream),
        .r2 = signed_hadamard(head, out->head),
        .r3 = online ? signed_hadamard(head, NULL) : (pl_rotation_parts){.n = head},
        .r4 = online ? signed_hadamard(n, out->inner) : (pl_rotation_parts){.n = n},
    };
    return PL_OK;
}

void pl_rotations_random_free(pl_random_rotations *rotations)
{
    free(rotations->stream);
    free(rotations->head);
    free(rotations->inner);
    *rotations = (pl_random_rotations){0};
}
