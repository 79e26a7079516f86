/* AutoAWQ's GEMM layout: codes and zero points packed along the outputs, eight to a word in the
 * order 0 2 4 6 1 3 5 7 (casper-hansen/AutoAWQ modules/linear/gemm.py). */
#include "core/base/json.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CODES, SCALES, ZEROS, BITS = 4, PER_WORD = 8 };

/* Nibble i of a word holds column order[i]: here the nibble of each column. */
static const unsigned char nibble_of[PER_WORD] = {0, 4, 1, 5, 2, 6, 3, 7};

/* Of both codes [in, out] and zero points [groups, out]: a stream for each input or group. */
static pl_lanes lanes_of(size_t rows)
{
    return (pl_lanes){.bits = BITS,
                      .within = nibble_of,
                      .length = rows,
                      .stream_step = rows / PER_WORD,
                      .word_step = 1};
}

static const char *awq_misfit(const pl_codes *codes)
{
    return codes->rows % PER_WORD != 0 ? "its outputs are no multiple of 8" : NULL;
}

static pl_status pack_awq(const pl_codes *codes, pl_pack_order order, bool fill,
                          pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    const size_t rows = codes->rows, groups = codes->groups, words = rows / PER_WORD;
    const pl_lanes lanes = lanes_of(rows);
    parts[CODES] = (pl_pack_part){".qweight", "I32", 2, {codes->cols, words}, NULL};
    parts[SCALES] = (pl_pack_part){".scales", "F16", 2, {groups, rows}, NULL};
    parts[ZEROS] = (pl_pack_part){".qzeros", "I32", 2, {groups, words}, NULL};
    *count = 3;
    pl_status status = fill ? pl_pack_rooms(parts, *count, err) : PL_OK;
    uint16_t *scales = parts[SCALES].data;
    for (size_t r = 0; status == PL_OK && fill && r < rows; r++) {
        for (size_t c = 0; c < codes->cols; c++) {
            pl_lanes_put(&lanes, parts[CODES].data, c, r, codes->codes[r * codes->cols + c]);
        }
        for (size_t g = 0; g < groups; g++) {
            pl_lanes_put(&lanes, parts[ZEROS].data, g, r, (unsigned)codes->zeros[r * groups + g]);
            scales[g * rows + r] = pl_f32_to_f16(codes->scales[r * groups + g]);
        }
    }
    return status;
}

static json_t *config_awq(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    bool any = false;
    json_t *left = json_array();
    for (size_t i = 0; i < count; i++) {
        any = any || modules[i].packed;
        if (!modules[i].packed) {
            pl_json_append(left, json_string(modules[i].name));
        }
    }
    if (!any) {
        json_decref(left);
        return NULL;
    }
    return json_pack("{s:s, s:i, s:I, s:b, s:s, s:o}", "quant_method", "awq", "bits", BITS,
                     "group_size", (json_int_t)pl_pack_one_group_size(modules, count), "zero_point",
                     1, "version", "gemm", "modules_to_not_convert", left);
}

static bool open_awq(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    (void)checkpoint;
    const pl_tensor *codes = &packed->parts[CODES], *scales = &packed->parts[SCALES];
    const pl_tensor *zeros = &packed->parts[ZEROS];
    const char *version = json_string_value(json_object_get(config, "version"));
    if (!pl_part_is(codes, "I32", 2) || !pl_part_is_scale(scales, 2) ||
        !pl_part_is(zeros, "I32", 2) || codes->dims[1] > UINT32_MAX ||
        scales->dims[1] != codes->dims[1] * PER_WORD || zeros->dims[1] != codes->dims[1] ||
        scales->dims[0] != zeros->dims[0] || scales->dims[0] == 0 ||
        codes->dims[0] % scales->dims[0] != 0 ||
        (version != NULL && strcasecmp(version, "gemm") != 0)) {
        return false;
    }
    packed->bits = BITS;
    packed->rows = (size_t)scales->dims[1];
    packed->cols = (size_t)codes->dims[0];
    packed->groups = (size_t)scales->dims[0];
    packed->group_size = packed->cols / packed->groups;
    return packed->rows > 0 && packed->cols > 0;
}

static pl_status unpack_awq(const pl_packed *packed, void *const data[PL_PACK_PARTS], pl_codes *out,
                            pl_error *err)
{
    const size_t rows = packed->rows, cols = packed->cols, params = rows * packed->groups;
    const pl_lanes lanes = lanes_of(rows);
    float *scales = pl_pack_room(params, sizeof *scales);
    if (scales == NULL) {
        return pl_error_memory(err, "%zu scales", params);
    }
    pl_dtype_decode(packed->parts[SCALES].dtype, data[SCALES], params, scales);
    out->bits = BITS;
    out->group_size = packed->group_size;
    out->scale_dtype = packed->parts[SCALES].dtype;
    out->in_order = true;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            out->codes[r * cols + c] = (uint8_t)pl_lanes_get(&lanes, data[CODES], c, r);
        }
        for (size_t g = 0; g < packed->groups; g++) {
            out->scales[r * packed->groups + g] = scales[g * rows + r];
            out->zeros[r * packed->groups + g] = (int16_t)pl_lanes_get(&lanes, data[ZEROS], g, r);
        }
    }
    for (size_t c = 0; c < cols; c++) {
        out->group_of[c] = (uint32_t)(c / packed->group_size);
    }
    free(scales);
    return PL_OK;
}

const pl_packing pl_packing_awq = {
    .name = "awq",
    .about = "AutoAWQ, transformers with it, vLLM",
    .bits = 1u << BITS,
    .one_group_size = true,
    .scale_dtype = PL_F16,
    .misfit = awq_misfit,
    .pack = pack_awq,
    .config = config_awq,
    .method = "awq",
    .endings = {".qweight", ".scales", ".qzeros"},
    .needed = 3,
    .open = open_awq,
    .unpack = unpack_awq,
};
