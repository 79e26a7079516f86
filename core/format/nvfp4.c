/* NVFP4: E2M1 elements in blocks of 16, a positive E4M3 scale a block, one float32 g for the
 * tensor; value = element * scale / g.  As compressed-tensors computes it, in float32
 * (quantization/utils/helpers.py: generate_gparam, calculate_qparams): g = 448 * 6 / max|W|, a
 * block's scale E4M3(g * max|block| / 6), 0.125 where that is 0. */
#include "core/format/element.h"

/* Four over six leaves room for 1.5 times the scale below 448 (arXiv 2512.02010). */
static float most_scale(pl_scale_mode mode)
{
    return mode == PL_SCALE_FOUR_OVER_SIX ? 256.0f : 448.0f;
}

static float tensor_scale(const pl_scaling *scaling)
{
    const float g = most_scale(scaling->mode) * PL_E2M1.most / scaling->most;
    return g > 0.0f && g <= FLT_MAX ? g : 1.0f;
}

static float e4m3(float x)
{
    return pl_minifloat_nearest(PL_E4M3, x);
}

/* stretch: 1, or what takes the block's maximum to 4. */
static pl_grid_param fit_stretched(const pl_scaling *scaling, double lo, double hi, float stretch)
{
    const float a = (float)pl_format_farther(lo, hi);
    const pl_scaling known = {.mode = scaling->mode,
                              .most = scaling->most > 0.0f ? scaling->most : a};
    const float g = tensor_scale(&known);
    const float scale = e4m3(g * (a / PL_E2M1.most) * stretch);
    return (pl_grid_param){(scale > 0.0f ? scale : 0.125f) / g, 0};
}

static pl_grid_param fit_nvfp4(int bits, const pl_scaling *scaling, double lo, double hi)
{
    (void)bits;
    return fit_stretched(scaling, lo, hi, 1.0f);
}

static bool second(int bits, const pl_scaling *scaling, double lo, double hi, pl_grid_param *out)
{
    (void)bits;
    if (scaling->mode != PL_SCALE_FOUR_OVER_SIX) {
        return false;
    }
    *out = fit_stretched(scaling, lo, hi, 1.5f);
    return true;
}

static uint32_t stored_scale(const pl_scaling *scaling, float scale)
{
    return (uint32_t)pl_minifloat_code(PL_E4M3, scale * tensor_scale(scaling));
}

PL_ELEMENT_INLINE int code_of(float x, float scale)
{
    return pl_minifloat_code(PL_E2M1, x / scale);
}

PL_ELEMENT_INLINE float value_of(int code)
{
    return pl_minifloat_value(PL_E2M1, code);
}

PL_ELEMENT_INLINE float nearest_to(float x, float scale)
{
    return pl_minifloat_nearest(PL_E2M1, x / scale);
}

PL_ELEMENT_MEMBERS(nvfp4, code_of, value_of, nearest_to)

const pl_format pl_format_nvfp4 = {
    .name = "NVFP4",
    .key = "nvfp4",
    .bits = 4,
    .blocks = true,
    .group_size = 16,
    .scale_bits = 8,
    .modes = 1u << PL_SCALE_AMAX | 1u << PL_SCALE_FOUR_OVER_SIX,
    .fit = fit_nvfp4,
    .second = second,
    .stored_scale = stored_scale,
    .tensor_scale = tensor_scale,
    PL_ELEMENT_ROWS(nvfp4),
};
