#include "core/method/rotations.h"

#include "core/base/checked.h"

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

/* R on each of n / R's channels heads. */
static pl_status turn_heads(const pl_rotation_parts *r, size_t n, bool merged, pl_transform **out,
                            pl_error *err)
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
    pl_status status = pl_transform_rotation(&parts, out, err);
    free(scale);
    return status;
}

static pl_status add_outputs(pl_transform *t, size_t member, const pl_rotation_parts *r, size_t n,
                             pl_error *err)
{
    pl_transform *outputs = NULL;
    pl_status status = turn_heads(r, n, true, &outputs, err);
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
    pl_status status = turn_heads(r3, r3->n, false, &keys, err);
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
        status = turn_heads(&rotations->r2, in->n, true, &t, err);
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
