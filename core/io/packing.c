#include "core/io/packing_parts.h"

#include <assert.h>
#include <string.h>

#define PACKING_ROW(name, key) &pl_packing_##name,
static const pl_packing *const packings[] = {PL_PACKINGS(PACKING_ROW)
                                                 PL_READ_PACKINGS(PACKING_ROW)};
#undef PACKING_ROW

const pl_packing *pl_packing_at(size_t index)
{
    assert(index < PL_PACKING_ALL);
    return packings[index];
}

bool pl_packing_reads(const json_t *config, const char **what)
{
    const char *method = json_string_value(json_object_get(config, "quant_method"));
    const json_t *transform = json_object_get(config, "transform_config");
    const bool turned = json_object_size(json_object_get(transform, "config_groups")) > 0;
    if (what != NULL) {
        *what = turned ? "transform_config" : NULL;
    }
    bool known = false;
    for (size_t i = 0; method != NULL && i < PL_PACKING_ALL; i++) {
        known = known || strcmp(packings[i]->method, method) == 0;
    }
    return known && !turned;
}
