/* Codes and what layouts of packed layers share: words of 32 bits, rooms, what a part is. */
#include "core/io/packing_parts.h"

#include "core/base/checked.h"
#include "core/base/memory.h"
#include "core/io/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- codes ------------------------------------------------------------------------------------ */

pl_status pl_codes_init(pl_codes *codes, size_t rows, size_t cols, size_t groups, pl_error *err)
{
    size_t weights = 0, params = 0;
    *codes = (pl_codes){.rows = rows, .cols = cols, .groups = groups};
    if (pl_mul(rows, cols, &weights) && pl_mul(rows, groups, &params)) {
        codes->codes = calloc(weights + 1, sizeof *codes->codes);
        codes->scales = calloc(params + 1, sizeof *codes->scales);
        codes->zeros = calloc(params + 1, sizeof *codes->zeros);
        codes->group_of = calloc(cols + 1, sizeof *codes->group_of);
        codes->stored = calloc(params + 1, sizeof *codes->stored);
    }
    if (codes->codes == NULL || codes->scales == NULL || codes->zeros == NULL ||
        codes->group_of == NULL || codes->stored == NULL) {
        pl_codes_deinit(codes);
        return pl_error_memory(err, "%zu x %zu codes", rows, cols);
    }
    return PL_OK;
}

void pl_codes_deinit(pl_codes *codes)
{
    free(codes->codes);
    free(codes->scales);
    free(codes->zeros);
    free(codes->group_of);
    free(codes->stored);
    *codes = (pl_codes){0};
}

void pl_codes_decode(const pl_codes *codes, size_t first, size_t count, float *out)
{
    for (size_t r = 0; r < count; r++) {
        const uint8_t *row = codes->codes + (first + r) * codes->cols;
        const float *scales = codes->scales + (first + r) * codes->groups;
        const int16_t *zeros = codes->zeros + (first + r) * codes->groups;
        for (size_t c = 0; c < codes->cols; c++) {
            const uint32_t g = codes->group_of[c];
            out[r * codes->cols + c] =
                scales[g] *
                (codes->values != NULL ? codes->values[row[c]] : (float)(row[c] - zeros[g]));
        }
    }
}

bool pl_codes_one_scale(const pl_codes *codes)
{
    bool one = codes->groups == 1;
    for (size_t r = 1; one && r < codes->rows; r++) {
        one = memcmp(&codes->scales[r], &codes->scales[0], sizeof *codes->scales) == 0;
    }
    return one;
}

pl_status pl_codes_split(pl_codes *codes, size_t size, pl_error *err)
{
    const size_t groups = codes->cols / size;
    float *scales = calloc(codes->rows * groups + 1, sizeof *scales);
    int16_t *zeros = calloc(codes->rows * groups + 1, sizeof *zeros);
    size_t *first = calloc(codes->groups + 1, sizeof *first); /* a group's first part */
    size_t *seen = calloc(codes->groups + 1, sizeof *seen);   /* its columns so far */
    pl_status status = scales == NULL || zeros == NULL || first == NULL || seen == NULL
                           ? pl_error_memory(err, "%zu x %zu scales", codes->rows, groups)
                           : PL_OK;
    if (status == PL_OK) {
        for (size_t c = 0; c < codes->cols; c++) {
            seen[codes->group_of[c]]++;
        }
        for (size_t g = 0; g < codes->groups; g++) {
            first[g + 1] = first[g] + seen[g] / size;
            seen[g] = 0;
        }
        codes->in_order = true;
        for (size_t c = 0; c < codes->cols; c++) {
            const size_t old = codes->group_of[c];
            const size_t g = first[old] + seen[old]++ / size;
            for (size_t r = 0; r < codes->rows; r++) {
                scales[r * groups + g] = codes->scales[r * codes->groups + old];
                zeros[r * groups + g] = codes->zeros[r * codes->groups + old];
            }
            codes->group_of[c] = (uint32_t)g;
            codes->in_order = codes->in_order && g == c / size;
        }
        free(codes->scales);
        free(codes->zeros);
        codes->scales = scales;
        codes->zeros = zeros;
        codes->groups = groups;
        codes->group_size = size;
        scales = NULL;
        zeros = NULL;
    }
    free(scales);
    free(zeros);
    free(first);
    free(seen);
    return status;
}

/* --- what a configuration says ---------------------------------------------------------------- */

/* A layer as wide as the groups of wider ones has one group, and their size. */
long pl_pack_one_group_size(const pl_pack_module *modules, size_t count)
{
    long size = -1;
    for (size_t i = 0; i < count; i++) {
        if (modules[i].packed && !modules[i].one_group) {
            size = (long)modules[i].group_size;
        }
    }
    return size;
}

/* --- words ------------------------------------------------------------------------------------ */

size_t pl_lanes_words(int bits, pl_pack_order order, size_t length)
{
    const size_t per = 32 / (size_t)bits;
    return order == PL_PACK_PADDED ? (length + per - 1) / per : (length * (size_t)bits + 31) / 32;
}

/* The first bit of code i in its stream. */
static size_t bit_of(const pl_lanes *lanes, size_t i)
{
    const size_t bits = (size_t)lanes->bits, per = 32 / bits;
    const size_t at = lanes->within != NULL ? lanes->within[i % per] : i % per;
    return lanes->order == PL_PACK_PADDED || lanes->within != NULL ? i / per * 32 + at * bits
                                                                   : i * bits;
}

unsigned pl_lanes_get(const pl_lanes *lanes, const uint32_t *words, size_t stream, size_t i)
{
    const size_t bit = bit_of(lanes, i), used = bit % 32;
    const uint32_t *word = words + stream * lanes->stream_step + bit / 32 * lanes->word_step;
    unsigned code = *word >> used;
    if (used + (size_t)lanes->bits > 32) {
        code |= word[lanes->word_step] << (32 - used);
    }
    return code & ((1u << lanes->bits) - 1);
}

void pl_lanes_put(const pl_lanes *lanes, uint32_t *words, size_t stream, size_t i, unsigned code)
{
    const size_t bit = bit_of(lanes, i), used = bit % 32;
    uint32_t *word = words + stream * lanes->stream_step + bit / 32 * lanes->word_step;
    *word |= code << used;
    if (used + (size_t)lanes->bits > 32) {
        word[lanes->word_step] |= code >> (32 - used);
    }
}

uint64_t pl_pack_part_bytes(const pl_pack_part *part)
{
    return pl_dims_elements(part->dims, part->n_dims) * pl_st_raw_width(part->dtype);
}

pl_status pl_pack_rooms(pl_pack_part *parts, size_t count, pl_error *err)
{
    const unsigned before = pl_memory_failures();
    for (size_t i = 0; i < count; i++) {
        parts[i].data = pl_pack_room((size_t)pl_pack_part_bytes(&parts[i]), 1);
    }
    return pl_memory_check(before, err);
}

void *pl_pack_room(size_t count, size_t size)
{
    void *room = calloc(count + 1, size);
    if (room == NULL) {
        pl_memory_failed();
    }
    return room;
}

bool pl_part_is(const pl_tensor *part, const char *dtype, size_t n_dims)
{
    return part->dtype_name != NULL && strcmp(part->dtype_name, dtype) == 0 &&
           part->n_dims == n_dims;
}

bool pl_part_is_scale(const pl_tensor *part, size_t n_dims)
{
    return part->dtype_name != NULL && part->dtype <= PL_BF16 && part->n_dims == n_dims;
}

float pl_e4m3(unsigned code)
{
    const unsigned exponent = code >> 3 & 15, mantissa = code & 7;
    const float size = exponent == 0 ? ldexpf((float)mantissa, -9)
                                     : ldexpf((float)(8 + mantissa), (int)exponent - 10);
    const float value = (code & 0x7f) == 0x7f ? NAN : size;
    return (code & 0x80) != 0 ? -value : value;
}
