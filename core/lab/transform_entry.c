#include "core/lab/transform_entry.h"

#include "core/base/checked.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

size_t pl_transform_sections(const pl_transform *t, json_t *about,
                             pl_section sections[PL_TRANSFORM_ARRAYS])
{
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    const size_t count = pl_transform_arrays(t, arrays);
    for (size_t i = 0; i < count; i++) {
        sections[i] = (pl_section){arrays[i].name, arrays[i].data, arrays[i].count * sizeof(float)};
    }
    pl_json_set(about, "kind", json_string(pl_transform_kind(t)));
    pl_json_set(about, "n", json_integer((json_int_t)pl_transform_n(t)));
    pl_json_set(about, "clip_group_size",
                json_integer((json_int_t)pl_transform_clip_group_size(t)));
    return count;
}

static const char *const array_names[] = {"scale",        "q",
                                          "p1",           "p2",
                                          "i1",           "i2",
                                          "clip",         "row_clip",
                                          "shape",        "outputs_scale",
                                          "outputs_q",    "outputs_shape",
                                          "outputs_back", "outputs_clip",
                                          "keys_scale",   "keys_q",
                                          "keys_shape",   "keys_back",
                                          "keys_clip"};

static bool is_finite(const float *values, size_t count)
{
    const pl_view view = {values, 1, count, count};
    return pl_view_first_nonfinite(view) == count;
}

pl_status pl_transform_from_entry(pl_entry *entry, size_t n, size_t rows, pl_transform **out)
{
    *out = NULL;
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    float *data[PL_TRANSFORM_ARRAYS] = {0};
    size_t count = 0;
    const json_t *about = pl_entry_about(entry);
    const char *kind = json_string_value(json_object_get(about, "kind"));
    const json_int_t own = json_integer_value(json_object_get(about, "n"));
    const json_int_t width = json_integer_value(json_object_get(about, "clip_group_size"));
    if (kind == NULL || own < 0 || (size_t)own != n || width < 0 || (size_t)width > n) {
        return PL_ERR_FORMAT;
    }
    /* No basis has more than a square of the channels, or of the outputs; a range is two numbers.
     */
    const size_t widest = n > rows ? n : rows;
    const size_t ranges = 2 * rows * pl_grid_groups(&(pl_grid){.group_size = (size_t)width}, n);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < sizeof array_names / sizeof *array_names; i++) {
        const size_t bytes = pl_entry_section_bytes(entry, array_names[i]);
        const size_t values = bytes / sizeof(float);
        if (bytes == SIZE_MAX) {
            continue;
        }
        const bool is_ranges = strcmp(array_names[i], "row_clip") == 0;
        if (bytes % sizeof(float) != 0 ||
            (is_ranges ? values != ranges : values / widest > widest)) {
            status = PL_ERR_FORMAT;
            break;
        }
        data[count] = pl_alloc(bytes, 1);
        status = data[count] == NULL
                     ? PL_ERR_MEMORY
                     : pl_entry_read(entry, array_names[i], data[count], bytes, NULL);
        if (status == PL_OK && !is_finite(data[count], values)) {
            status = PL_ERR_FORMAT;
        }
        arrays[count] = (pl_transform_array){array_names[i], data[count], values};
        count++;
    }
    PL_THEN(pl_transform_from_arrays(kind, n, arrays, count, (size_t)width, out, NULL));
    for (size_t i = 0; i < PL_TRANSFORM_ARRAYS; i++) {
        free(data[i]);
    }
    return status;
}
