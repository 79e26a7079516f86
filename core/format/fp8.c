/* FP8: E4M3 elements, one scale a row (a token), for the tensor or for 128 rows and columns:
 * max|x| / 448, as compressed-tensors' FP8 presets store it and, by blocks, DeepSeek-V3. */
#include "core/format/element.h"

static pl_grid_param fit_fp8(int bits, const pl_scaling *scaling, double lo, double hi)
{
    (void)bits;
    const bool shared = scaling->mode == PL_SCALE_TENSOR || scaling->mode == PL_SCALE_BLOCK;
    const bool whole = shared && scaling->most > 0.0f;
    const float a = whole ? scaling->most : (float)pl_format_farther(lo, hi);
    return (pl_grid_param){pl_format_store_scale(scaling->dtype, (double)(a / PL_E4M3.most)), 0};
}

PL_ELEMENT_INLINE int code_of(float x, float scale)
{
    return pl_minifloat_code(PL_E4M3, x / scale);
}

PL_ELEMENT_INLINE float value_of(int code)
{
    return pl_minifloat_value(PL_E4M3, code);
}

PL_ELEMENT_INLINE float nearest_to(float x, float scale)
{
    return pl_minifloat_nearest(PL_E4M3, x / scale);
}

PL_ELEMENT_MEMBERS(fp8, code_of, value_of, nearest_to)

const pl_format pl_format_fp8 = {
    .name = "FP8 (E4M3)",
    .key = "fp8",
    .bits = 8,
    .blocks = true,
    .modes = 1u << PL_SCALE_AMAX | 1u << PL_SCALE_TENSOR | 1u << PL_SCALE_BLOCK,
    .fit = fit_fp8,
    PL_ELEMENT_ROWS(fp8),
};
