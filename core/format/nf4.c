/* NF4 (QLoRA, arXiv 2305.14314): 16 quantiles of a normal distribution times a block's largest
 * value; bitsandbytes' table, and its rounding: to the nearest of x (1 / max), the lower of two. */
#include "core/format/element.h"

static const float values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

static pl_grid_param fit_nf4(int bits, const pl_scaling *scaling, double lo, double hi)
{
    (void)bits;
    return (pl_grid_param){pl_format_store_scale(scaling->dtype, pl_format_farther(lo, hi)), 0};
}

PL_ELEMENT_INLINE int code_of(float x, float scale)
{
    const float v = x * (1.0f / (scale > 1e-38f ? scale : 1e-38f));
    int code = 0;
    for (int i = 0; i < 15; i++) {
        code += v > (values[i] + values[i + 1]) / 2.0f;
    }
    return code;
}

PL_ELEMENT_INLINE float value_of(int code)
{
    return values[code & 15];
}

PL_ELEMENT_INLINE float nearest_to(float x, float scale)
{
    return value_of(code_of(x, scale));
}

PL_ELEMENT_MEMBERS(nf4, code_of, value_of, nearest_to)

const pl_format pl_format_nf4 = {
    .name = "NF4",
    .key = "nf4",
    .bits = 4,
    .blocks = true,
    .group_size = 64,
    .most_group_size = 4096,
    .fit = fit_nf4,
    PL_ELEMENT_ROWS(nf4),
};
