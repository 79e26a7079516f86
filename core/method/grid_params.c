#include "core/method/method_parts.h"

#include <assert.h>

const char *const pl_no_yes[3] = {"no", "yes", NULL};
const char *const pl_scale_names[4] = {"f16", "f32", "bf16", NULL};

const char *const pl_scale_rules[3] = {"range", "search", NULL};
const char *const pl_fused_scale_names[3] = {"own", "shared", NULL};

static const pl_dtype scale_dtypes[] = {PL_F16, PL_F32, PL_BF16};

const pl_format *pl_spec_number_format(const pl_spec *spec)
{
    return pl_format_chosen((size_t)spec->values[PL_GRID_FORMAT],
                            (size_t)spec->values[PL_GRID_SYMMETRIC]);
}

bool pl_grid_is_int(const pl_spec *spec)
{
    return pl_format_is_int(pl_spec_number_format(spec));
}

bool pl_grid_has_scale_dtype(const pl_spec *spec)
{
    return pl_spec_number_format(spec)->scale_bits == 0;
}

bool pl_grid_has_modes(const pl_spec *spec)
{
    return pl_spec_number_format(spec)->modes != 0;
}

bool pl_grid_is_of_tensor(const pl_spec *spec)
{
    return pl_format_of_tensor(pl_spec_number_format(spec),
                               (pl_scale_mode)spec->values[PL_GRID_SCALE_MODE]);
}

bool pl_spec_shares_scale(const pl_spec *round)
{
    return round->method != NULL && round->method->slot == PL_SLOT_ROUND &&
           pl_grid_is_of_tensor(round) && round->values[PL_GRID_FUSED_SCALES] > 0.0;
}

pl_grid pl_spec_grid(const pl_spec *spec)
{
    const double *values = spec->values;
    assert(spec->method != NULL && spec->method->slot == PL_SLOT_ROUND);
    return (pl_grid){.bits = (int)values[PL_GRID_BITS],
                     .group_size = (pl_scale_mode)values[PL_GRID_SCALE_MODE] == PL_SCALE_BLOCK
                                       ? PL_SCALE_BLOCK_SIZE
                                       : (size_t)values[PL_GRID_GROUP_SIZE],
                     .format = pl_spec_number_format(spec),
                     .mse = values[PL_GRID_MSE] > 0.0,
                     .weighted = values[PL_GRID_SCALES] > 0.0,
                     .scale_dtype = scale_dtypes[(size_t)values[PL_GRID_SCALE_DTYPE]],
                     .scale_mode = (pl_scale_mode)values[PL_GRID_SCALE_MODE]};
}

bool pl_spec_has_blocks(const pl_spec *round)
{
    return round->method != NULL && !pl_grid_is_int(round);
}
