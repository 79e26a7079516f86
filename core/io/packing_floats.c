/* Layers whose codes are floats of four bits: compressed-tensors' nvfp4-pack-quantized and
 * mxfp4-pack-quantized (two E2M1 a byte, the first in the low nibble; scales E4M3 over a float32 of
 * the tensor, or E8M0). */
#include "core/base/json.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CODES, SCALES, WHOLE }; /* places in endings */
enum { FP4_CODES = 16 };

static const float e2m1[FP4_CODES] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                      -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

static float e4m3_over(unsigned stored, float whole)
{
    return pl_e4m3(stored) / whole;
}

/* 2^(code - 127), 255 is NaN. */
static float e8m0(unsigned stored, float whole)
{
    (void)whole;
    return stored == 255 ? NAN : ldexpf(1.0f, (int)stored - 127);
}

/* --- two E2M1 a byte -------------------------------------------------------------------------- */

static bool open_fp4(pl_packed *packed, const char *scale_dtype, size_t group_size)
{
    const pl_tensor *codes = &packed->parts[CODES], *scales = &packed->parts[SCALES];
    if (!pl_part_is(codes, "U8", 2) || !pl_part_is(scales, scale_dtype, 2) ||
        codes->dims[1] > UINT32_MAX || codes->dims[0] != scales->dims[0] || codes->dims[0] == 0 ||
        codes->dims[1] == 0 || codes->dims[1] * 2 != scales->dims[1] * group_size) {
        return false;
    }
    packed->bits = 4;
    packed->rows = (size_t)codes->dims[0];
    packed->cols = (size_t)codes->dims[1] * 2;
    packed->groups = (size_t)scales->dims[1];
    packed->group_size = group_size;
    return true;
}

static bool open_nvfp4(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    (void)checkpoint;
    (void)config;
    const pl_tensor *whole = &packed->parts[WHOLE];
    return open_fp4(packed, "F8_E4M3", 16) && whole->dtype_name != NULL &&
           strcmp(whole->dtype_name, "F32") == 0 && whole->bytes == sizeof(float);
}

static bool open_mxfp4(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    (void)checkpoint;
    (void)config;
    return open_fp4(packed, "U8", 32);
}

static void unpack_fp4(const pl_packed *packed, const uint8_t *bytes, pl_codes *out)
{
    out->bits = 4;
    out->group_size = packed->group_size;
    out->in_order = true;
    out->values = e2m1;
    for (size_t i = 0; i < packed->rows * packed->cols; i++) {
        out->codes[i] = (uint8_t)(bytes[i / 2] >> i % 2 * 4 & 15);
    }
    for (size_t c = 0; c < packed->cols; c++) {
        out->group_of[c] = (uint32_t)(c / packed->group_size);
    }
}

static pl_status unpack_nvfp4(const pl_packed *packed, void *const data[PL_PACK_PARTS],
                              pl_codes *out, pl_error *err)
{
    (void)err;
    const uint8_t *scales = data[SCALES];
    float whole;
    memcpy(&whole, data[WHOLE], sizeof whole);
    unpack_fp4(packed, data[CODES], out);
    for (size_t i = 0; i < packed->rows * packed->groups; i++) {
        out->scales[i] = e4m3_over(scales[i], whole);
    }
    return PL_OK;
}

static pl_status unpack_mxfp4(const pl_packed *packed, void *const data[PL_PACK_PARTS],
                              pl_codes *out, pl_error *err)
{
    (void)err;
    const uint8_t *scales = data[SCALES];
    unpack_fp4(packed, data[CODES], out);
    for (size_t i = 0; i < packed->rows * packed->groups; i++) {
        out->scales[i] = e8m0(scales[i], 1.0f);
    }
    return PL_OK;
}

static pl_status pack_fp4(const pl_codes *codes, const char *scale_dtype, bool fill,
                          pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    const size_t half = codes->cols / 2;
    parts[CODES] = (pl_pack_part){".weight_packed", "U8", 2, {codes->rows, half}, NULL};
    parts[SCALES] =
        (pl_pack_part){".weight_scale", scale_dtype, 2, {codes->rows, codes->groups}, NULL};
    *count = 2;
    pl_status status = fill ? pl_pack_rooms(parts, *count, err) : PL_OK;
    uint8_t *bytes = parts[CODES].data;
    for (size_t i = 0; status == PL_OK && fill && i < codes->rows * codes->cols; i++) {
        bytes[i / 2] = (uint8_t)(bytes[i / 2] | codes->codes[i] << i % 2 * 4);
    }
    if (status == PL_OK && fill) {
        memcpy(parts[SCALES].data, codes->stored, codes->rows * codes->groups);
    }
    return status;
}

static pl_status pack_nvfp4(const pl_codes *codes, pl_pack_order order, bool fill,
                            pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    pl_status status = pack_fp4(codes, "F8_E4M3", fill, parts, count, err);
    parts[WHOLE] = (pl_pack_part){".weight_global_scale", "F32", 1, {1}, NULL};
    *count = 3;
    if (status == PL_OK && fill) {
        status = pl_pack_rooms(&parts[WHOLE], 1, err);
    }
    if (status == PL_OK && fill) {
        memcpy(parts[WHOLE].data, &codes->whole, sizeof codes->whole);
    }
    return status;
}

static pl_status pack_mxfp4(const pl_codes *codes, pl_pack_order order, bool fill,
                            pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    return pack_fp4(codes, "U8", fill, parts, count, err);
}

/* scale_dtype: NULL where every version knows it by the format. */
static json_t *config_fp4(const pl_pack_module *modules, size_t count, const char *format,
                          const char *strategy, int group_size, const char *scale_dtype)
{
    json_t *ignore = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!modules[i].packed) {
            pl_json_append(ignore, json_string(modules[i].name));
        }
    }
    json_t *weights =
        json_pack("{s:i, s:s, s:b, s:s, s:i, s:b}", "num_bits", 4, "type", "float", "symmetric", 1,
                  "strategy", strategy, "group_size", group_size, "dynamic", 0);
    if (scale_dtype != NULL) {
        pl_json_set(weights, "scale_dtype", json_string(scale_dtype));
    }
    return json_pack("{s:s, s:s, s:s, s:n, s:o, s:n, s:{s:{s:[s], s:n, s:n, s:o}}}", "quant_method",
                     "compressed-tensors", "format", format, "quantization_status", "compressed",
                     "global_compression_ratio", "ignore", ignore, "kv_cache_scheme",
                     "config_groups", "group_0", "targets", "Linear", "input_activations",
                     "output_activations", "weights", weights);
}

static json_t *config_nvfp4(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    return config_fp4(modules, count, "nvfp4-pack-quantized", "tensor_group", 16, NULL);
}

static json_t *config_mxfp4(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    return config_fp4(modules, count, "mxfp4-pack-quantized", "group", 32, "torch.uint8");
}

const pl_packing pl_packing_nvfp4 = {
    .name = "nvfp4",
    .about = "compressed-tensors, vLLM",
    .element = "nvfp4",
    .bits = 1u << 4,
    .scale_dtype = PL_DTYPE_OTHER,
    .stored_scale = e4m3_over,
    .pack = pack_nvfp4,
    .config = config_nvfp4,
    .method = "compressed-tensors",
    .endings = {".weight_packed", ".weight_scale", ".weight_global_scale"},
    .needed = 3,
    .open = open_nvfp4,
    .unpack = unpack_nvfp4,
};

const pl_packing pl_packing_mxfp4 = {
    .name = "mxfp4",
    .about = "compressed-tensors, vLLM",
    .element = "mxfp4",
    .bits = 1u << 4,
    .scale_dtype = PL_DTYPE_OTHER,
    .stored_scale = e8m0,
    .pack = pack_mxfp4,
    .config = config_mxfp4,
    .method = "compressed-tensors",
    .endings = {".weight_packed", ".weight_scale"},
    .needed = 2,
    .open = open_mxfp4,
    .unpack = unpack_mxfp4,
};
