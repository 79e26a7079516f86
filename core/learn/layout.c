#include "core/learn/layout.h"

#include "core/base/checked.h"
#include "core/learn/factor.h"
#include "core/learn/rounding.h"
#include "core/tensor/kron.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Channels that are silent on one side still need a scale (FlatQuant's own code). */
static const float LEAST = 1e-5f;

static const double CLIP_NOTHING = 40.0; /* sigmoid is 1 */

/* group_size: 0 for one group a row. */
static pl_flat_layout lay_out(size_t n1, size_t n2, bool diagonal, size_t rows, bool weights,
                              size_t group_size, bool inputs)
{
    const size_t n = n1 * n2;
    pl_flat_layout at = {.n1 = n1, .n2 = n2, .n = n, .rows = rows, .groups = 1, .width = n};
    size_t clipped = 0;
    if (weights) {
        at.groups = pl_grid_groups(&(pl_grid){.group_size = group_size}, n);
        at.width = at.groups > 1 ? group_size : n;
        clipped = at.rows * at.groups;
    }
    at.second = pl_factor_params(at.n1);
    at.scale = at.second + pl_factor_params(at.n2);
    at.clips = at.weight_low = at.scale + (diagonal ? n : 0);
    at.scale = diagonal ? at.scale : PL_FLAT_NONE;
    at.weight_high = at.weight_low + clipped;
    at.input_low = at.weight_high + clipped;
    at.input_high = at.input_low + (inputs ? 1 : 0);
    at.count = at.input_high + (inputs ? 1 : 0);
    return at;
}

pl_flat_layout pl_flat_layout_split(const pl_site_input *in, size_t n1, size_t n2, bool diagonal)
{
    size_t rows = 0;
    for (size_t i = 0; i < in->n_weights; i++) {
        rows += in->weights[i].rows;
    }
    return lay_out(n1, n2, diagonal, rows, in->grid != NULL,
                   in->grid != NULL ? in->grid->group_size : 0, in->activations.bits > 0);
}

pl_flat_layout pl_flat_layout_of(const pl_site_input *in)
{
    size_t n1, n2;
    pl_kron_split(in->n, &n1, &n2);
    return pl_flat_layout_split(in, n1, n2, true);
}

void pl_flat_layout_move(pl_flat_layout *at, size_t parts, size_t clips)
{
    const size_t from = at->clips;
    at->first += parts;
    at->second += parts;
    at->scale += at->scale != PL_FLAT_NONE ? parts : 0;
    at->weight_low += clips - from;
    at->weight_high += clips - from;
    at->input_low += clips - from;
    at->input_high += clips - from;
}

bool pl_flat_layout_fits(const pl_flat_layout *at, size_t n, size_t rows)
{
    if (at->width == 0 || at->width > n) {
        return false;
    }
    size_t n1, n2;
    pl_kron_split(n, &n1, &n2);
    const pl_flat_layout own = lay_out(n1, n2, true, rows, at->weight_high > at->weight_low,
                                       at->width, at->input_high > at->input_low);
    return memcmp(&own, at, sizeof own) == 0; /* sizes alone: there is no padding */
}

double pl_flat_share(double p)
{
    return 1.0 / (1.0 + exp(-p));
}

/* Per input channel max |W_c| over the site's layers. */
static float column_max(const pl_site_input *in, size_t c)
{
    float most = 0.0f;
    for (size_t i = 0; i < in->n_weights; i++) {
        const pl_view w = in->weights[i];
        for (size_t r = 0; r < w.rows; r++) {
            most = fmaxf(most, fabsf(w.data[r * w.stride + c]));
        }
    }
    return most;
}

double pl_flat_clip_start(const pl_act_grid *grid)
{
    const pl_rounding rounding = pl_rounding_of_activations(grid);
    return rounding.steps_by_two || (grid->fixed && grid->group_size > 0) ? CLIP_NOTHING
                                                                          : PL_FLAT_CLIP_START;
}

pl_status pl_flat_start(const pl_flat_layout *at, const pl_site_input *in, double alpha,
                        uint64_t seed, double *params, pl_error *err)
{
    pl_status status = pl_factor_start(at->n1, 2 * seed, params + at->first, err);
    PL_THEN(pl_factor_start(at->n2, 2 * seed + 1, params + at->second, err));
    for (size_t c = 0; status == PL_OK && at->scale != PL_FLAT_NONE && c < at->n; c++) {
        params[at->scale + c] = (1.0 - alpha) * log((double)fmaxf(column_max(in, c), LEAST)) -
                                alpha * log((double)fmaxf(in->max_abs[c], LEAST));
    }
    for (size_t i = at->clips; i < at->count; i++) {
        params[i] = i < at->input_low ? PL_FLAT_CLIP_START : pl_flat_clip_start(&in->activations);
    }
    return status;
}

static void transpose_to_float(const double *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            to[j * n + i] = (float)from[i * n + j];
        }
    }
}

/* Both factors, made from their parameters. */
static pl_status make_factors(const pl_flat_layout *at, const double *params, pl_factor *p1,
                              pl_factor *p2, pl_error *err)
{
    pl_status status = pl_factor_init(p1, at->n1, err);
    PL_THEN(pl_factor_init(p2, at->n2, err));
    PL_THEN(pl_factor_make(p1, params + at->first, "factor P1", err));
    return status == PL_OK ? pl_factor_make(p2, params + at->second, "factor P2", err) : status;
}

static pl_act_range shares_at(const double *params, size_t low, size_t high)
{
    return (pl_act_range){(float)pl_flat_share(params[low]), (float)pl_flat_share(params[high])};
}

/* floats: [n + 2 (n1^2 + n2^2)]. */
static pl_status kron_of_params(const pl_flat_layout *at, const double *params, const pl_factor *p1,
                                const pl_factor *p2, float *floats, pl_transform **out,
                                pl_error *err)
{
    const size_t a = at->n1 * at->n1, b = at->n2 * at->n2;
    float *f1 = floats + at->n, *f2 = f1 + a, *i1 = f2 + b, *i2 = i1 + a;
    pl_act_range clip = {1.0f, 1.0f};
    pl_kron_parts parts = {.n1 = at->n1, .n2 = at->n2, .p1 = f1, .p2 = f2, .i1 = i1, .i2 = i2};
    pl_to_float(p1->p, a, f1);
    pl_to_float(p2->p, b, f2);
    transpose_to_float(p1->inverse_t, at->n1, i1);
    transpose_to_float(p2->inverse_t, at->n2, i2);
    if (at->scale != PL_FLAT_NONE) {
        parts.scale = floats;
        for (size_t c = 0; c < at->n; c++) {
            floats[c] = (float)exp(params[at->scale + c]);
        }
    }
    if (at->input_high > at->input_low) {
        clip = shares_at(params, at->input_low, at->input_high);
        parts.clip = &clip;
    }
    return pl_transform_kron(&parts, out, err);
}

static pl_status set_clips(const pl_flat_layout *at, const double *params, pl_transform *t,
                           pl_error *err)
{
    const size_t count = at->weight_high - at->weight_low;
    if (count == 0) {
        return PL_OK;
    }
    pl_act_range *shares = pl_alloc(count, sizeof *shares);
    if (shares == NULL) {
        return pl_error_memory(err, "a transform's clipping");
    }
    for (size_t i = 0; i < count; i++) {
        shares[i] = shares_at(params, at->weight_low + i, at->weight_high + i);
    }
    pl_status status =
        pl_transform_set_clip(t, shares, at->rows, at->groups > 1 ? at->width : 0, err);
    free(shares);
    return status;
}

pl_status pl_flat_transform(const pl_flat_layout *at, const double *params, pl_transform **out,
                            pl_error *err)
{
    *out = NULL;
    pl_factor p1 = {0}, p2 = {0};
    float *floats = pl_alloc(at->n + 2 * (at->n1 * at->n1 + at->n2 * at->n2), sizeof *floats);
    pl_status status = floats != NULL ? PL_OK : pl_error_memory(err, "a transform");
    PL_THEN(make_factors(at, params, &p1, &p2, err));
    PL_THEN(kron_of_params(at, params, &p1, &p2, floats, out, err));
    PL_THEN(set_clips(at, params, *out, err));
    if (status != PL_OK) {
        pl_transform_destroy(*out);
        *out = NULL;
    }
    pl_factor_deinit(&p1);
    pl_factor_deinit(&p2);
    free(floats);
    return status;
}
