#include "core/run/transform_entry.h"

#include "core/base/checked.h"

#include <stdlib.h>

size_t pl_transform_sections(const pl_transform *t, json_t *about,
                             pl_section sections[PL_TRANSFORM_ARRAYS])
{
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    const size_t count = pl_transform_arrays(t, arrays);
    for (size_t i = 0; i < count; i++) {
        sections[i] = (pl_section){arrays[i].name, arrays[i].data, arrays[i].count * sizeof(float)};
    }
    json_object_set_new(about, "kind", json_string(pl_transform_kind(t)));
    json_object_set_new(about, "n", json_integer((json_int_t)pl_transform_n(t)));
    json_object_set_new(about, "clip_group_size",
                        json_integer((json_int_t)pl_transform_clip_group_size(t)));
    return count;
}

static const char *const array_names[] = {"scale", "q", "p1", "p2", "i1", "i2", "clip", "row_clip"};

pl_status pl_transform_from_entry(pl_entry *entry, pl_transform **out)
{
    *out = NULL;
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    float *data[PL_TRANSFORM_ARRAYS] = {0};
    size_t count = 0;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < sizeof array_names / sizeof *array_names; i++) {
        const size_t bytes = pl_entry_section_bytes(entry, array_names[i]);
        if (bytes == SIZE_MAX) {
            continue;
        }
        data[count] = pl_alloc(bytes, 1);
        status = data[count] == NULL
                     ? PL_ERR_MEMORY
                     : pl_entry_read(entry, array_names[i], data[count], bytes, NULL);
        arrays[count] = (pl_transform_array){array_names[i], data[count], bytes / sizeof(float)};
        count++;
    }
    if (status == PL_OK) {
        const json_t *about = pl_entry_about(entry);
        const char *kind = json_string_value(json_object_get(about, "kind"));
        const json_int_t n = json_integer_value(json_object_get(about, "n"));
        const json_int_t width = json_integer_value(json_object_get(about, "clip_group_size"));
        status = kind == NULL || n <= 0 || width < 0
                     ? PL_ERR_FORMAT
                     : pl_transform_from_arrays(kind, (size_t)n, arrays, count, (size_t)width, out,
                                                NULL);
    }
    for (size_t i = 0; i < PL_TRANSFORM_ARRAYS; i++) {
        free(data[i]);
    }
    return status;
}
