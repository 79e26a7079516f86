#include "core/format/format.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#define FORMAT_ROW(name, key) &pl_format_##name,
static const pl_format *const formats[] = {PL_FORMATS(FORMAT_ROW)};
#undef FORMAT_ROW

#define FORMAT_KEY(name, key) key,
const char *const pl_format_keys[PL_FORMAT_COUNT + 1] = {PL_FORMATS(FORMAT_KEY) NULL};
#undef FORMAT_KEY

#define FORMAT_CHOICE(name, key) "|" key
const char *const pl_format_choices = &("" PL_FORMATS(FORMAT_CHOICE))[1];
#undef FORMAT_CHOICE

const pl_format *pl_format_at(size_t index)
{
    assert(index < PL_FORMAT_COUNT);
    return formats[index];
}

size_t pl_format_index(const pl_format *format)
{
    size_t index = 0;
    while (index < PL_FORMAT_COUNT && formats[index] != format) {
        index++;
    }
    assert(index < PL_FORMAT_COUNT);
    return index;
}

const pl_format *pl_format_find(const char *key)
{
    for (size_t i = 0; i < PL_FORMAT_COUNT; i++) {
        if (strcmp(pl_format_keys[i], key) == 0) {
            return formats[i];
        }
    }
    return NULL;
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
