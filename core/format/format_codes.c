#include "core/format/format.h"

#include <float.h>

void pl_format_codes_from_0(int bits, int *least, int *most)
{
    *least = 0;
    *most = (1 << bits) - 1;
}

float pl_format_store_scale(pl_dtype dtype, double scale)
{
    float stored = (float)scale;
    if (dtype == PL_F16) {
        stored = pl_f16_to_f32(pl_f32_to_f16(stored));
        stored = stored > 0.0f ? stored : 0x1p-24f;
        return stored <= 65504.0f ? stored : 65504.0f;
    }
    if (dtype == PL_BF16) {
        stored = pl_bf16_to_f32(pl_f32_to_bf16(stored));
        stored = stored > 0.0f ? stored : 0x1p-133f;
        return stored <= 0x1.fep127f ? stored : 0x1.fep127f;
    }
    stored = stored > 0.0f ? stored : 0x1p-149f;
    return stored <= FLT_MAX ? stored : FLT_MAX;
}
