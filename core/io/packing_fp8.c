/* Layers of FP8 (E4M3) with a scale a tensor, a row or a block of 128 rows and columns:
 * compressed-tensors' float-quantized, and DeepSeek-V3's weight_scale_inv, which has blocks alone.
 */
#include "core/base/json.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODES, SCALES }; /* places in endings */
enum { FP8_CODES = 256 };
enum { BLOCK = 128 }; /* rows and columns that share a scale */

static size_t blocks_of(size_t size)
{
    return (size + BLOCK - 1) / BLOCK;
}

static bool open_fp8(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    (void)checkpoint;
    (void)config;
    const pl_tensor *codes = &packed->parts[CODES], *scales = &packed->parts[SCALES];
    if (!pl_part_is(codes, "F8_E4M3", 2) || scales->dtype_name == NULL || scales->dtype > PL_BF16 ||
        codes->dims[0] == 0 || codes->dims[1] == 0) {
        return false;
    }
    packed->bits = 8;
    packed->rows = (size_t)codes->dims[0];
    packed->cols = (size_t)codes->dims[1];
    const size_t count = (size_t)pl_tensor_elements(scales);
    const bool by_block = scales->n_dims == 2 && scales->dims[0] == blocks_of(packed->rows) &&
                          scales->dims[1] == blocks_of(packed->cols);
    const bool by_row = count == packed->rows && scales->dims[0] == packed->rows;
    packed->groups = by_block && count != 1 ? blocks_of(packed->cols) : 1;
    packed->group_size = packed->groups > 1 ? BLOCK : packed->cols;
    return count == 1 || by_row || by_block;
}

static pl_status unpack_fp8(const pl_packed *packed, void *const data[PL_PACK_PARTS], pl_codes *out,
                            pl_error *err)
{
    const pl_tensor *part = &packed->parts[SCALES];
    const size_t count = (size_t)pl_tensor_elements(part), groups = packed->groups;
    float *scales = pl_pack_room(count, sizeof *scales);
    if (scales == NULL) {
        return pl_error_memory(err, "%zu scales", count);
    }
    pl_dtype_decode(part->dtype, data[SCALES], count, scales);
    out->bits = 8;
    out->in_order = true;
    out->group_size = packed->group_size;
    for (unsigned i = 0; i < FP8_CODES; i++) {
        out->table[i] = pl_e4m3(i);
    }
    out->values = out->table;
    memcpy(out->codes, data[CODES], packed->rows * packed->cols);
    for (size_t r = 0; r < packed->rows; r++) {
        const size_t first = count == 1                             ? 0
                             : groups == 1 && count == packed->rows ? r
                                                                    : r / BLOCK * groups;
        for (size_t g = 0; g < groups; g++) {
            out->scales[r * groups + g] = scales[first + g];
        }
    }
    for (size_t c = 0; c < packed->cols; c++) {
        out->group_of[c] = (uint32_t)(c / packed->group_size);
    }
    free(scales);
    return PL_OK;
}

/* Whether the rows of each block of the file have the same scales: a diagonal that is folded into
 * them, or a fused tensor whose parts begin in the middle of a block, may give them others. */
static bool has_blocks(const pl_codes *codes)
{
    const size_t width = codes->groups * sizeof *codes->scales;
    bool same = codes->block_rows == BLOCK && codes->in_order &&
                (codes->group_size == BLOCK || codes->groups == 1);
    for (size_t r = 0; same && r < codes->rows; r++) {
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): to the bit */
        same = memcmp(codes->scales + r * codes->groups,
                      codes->scales + r / BLOCK * BLOCK * codes->groups, width) == 0;
    }
    return same;
}

static const char *fp8_misfit(const pl_codes *codes)
{
    return codes->block_rows > 1
               ? (has_blocks(codes) ? NULL : "rows of a block of 128 have different scales")
           : codes->groups > 1 ? "it has several scales a row, expected one"
                               : NULL;
}

static const char *misfit_block(const pl_codes *codes)
{
    return codes->block_rows > 1 ? fp8_misfit(codes)
                                 : "it has no scale for each 128 rows and columns "
                                   "(scale_mode=block of the rounder)";
}

/* Codes, and scales of blocks behind the ending. */
static pl_status pack_blocks(const pl_codes *codes, const char *ending, pl_dtype dtype, bool fill,
                             pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    const size_t high = blocks_of(codes->rows), row = codes->groups * pl_dtype_block_bytes(dtype);
    parts[CODES] = (pl_pack_part){".weight", "F8_E4M3", 2, {codes->rows, codes->cols}, NULL};
    parts[SCALES] = (pl_pack_part){ending, pl_dtype_name(dtype), 2, {high, codes->groups}, NULL};
    *count = 2;
    pl_status status = fill ? pl_pack_rooms(parts, *count, err) : PL_OK;
    if (status == PL_OK && fill) {
        memcpy(parts[CODES].data, codes->codes, codes->rows * codes->cols);
        for (size_t b = 0; b < high; b++) {
            pl_dtype_encode(dtype, codes->scales + b * BLOCK * codes->groups, codes->groups,
                            (char *)parts[SCALES].data + b * row);
        }
    }
    return status;
}

static pl_status pack_inv(const pl_codes *codes, pl_pack_order order, bool fill,
                          pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    return pack_blocks(codes, ".weight_scale_inv", PL_F32, fill, parts, count, err);
}

static pl_status pack_fp8(const pl_codes *codes, pl_pack_order order, bool fill,
                          pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    if (codes->block_rows > 1) {
        return pack_blocks(codes, ".weight_scale", codes->scale_dtype, fill, parts, count, err);
    }
    const size_t weights = codes->rows * codes->cols,
                 scales = pl_codes_one_scale(codes) ? 1 : codes->rows;
    const char *dtype = pl_dtype_name(codes->scale_dtype);
    parts[CODES] = (pl_pack_part){".weight", "F8_E4M3", 2, {codes->rows, codes->cols}, NULL};
    parts[SCALES] = scales == 1 ? (pl_pack_part){".weight_scale", dtype, 1, {1}, NULL}
                                : (pl_pack_part){".weight_scale", dtype, 2, {scales, 1}, NULL};
    *count = 2;
    pl_status status = fill ? pl_pack_rooms(parts, *count, err) : PL_OK;
    if (status == PL_OK && fill) {
        memcpy(parts[CODES].data, codes->codes, weights);
        pl_dtype_encode(codes->scale_dtype, codes->scales, scales, parts[SCALES].data);
    }
    return status;
}

typedef enum strategy { CHANNEL, TENSOR, BY_BLOCK, STRATEGIES } strategy;

static json_t *scheme_json(strategy of, json_t *targets)
{
    static const char *const names[STRATEGIES] = {"channel", "tensor", "block"};
    json_t *weights = json_pack("{s:i, s:s, s:b, s:s, s:n, s:b}", "num_bits", 8, "type", "float",
                                "symmetric", 1, "strategy", names[of], "group_size", "dynamic", 0);
    if (of == BY_BLOCK) {
        pl_json_set(weights, "block_structure", json_pack("[i, i]", BLOCK, BLOCK));
    }
    return json_pack("{s:o, s:n, s:n, s:o}", "targets", targets, "input_activations",
                     "output_activations", "weights", weights);
}

static strategy strategy_of(const pl_pack_module *module)
{
    return module->by_block ? BY_BLOCK : module->one_scale ? TENSOR : CHANNEL;
}

static json_t *config_fp8(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    json_t *groups = json_object(), *ignore = json_array(), *targets[STRATEGIES];
    size_t kinds = 0;
    for (int i = 0; i < STRATEGIES; i++) {
        targets[i] = json_array();
    }
    for (size_t i = 0; i < count; i++) {
        pl_json_append(modules[i].packed ? targets[strategy_of(&modules[i])] : ignore,
                       json_string(modules[i].name));
    }
    for (int i = 0; i < STRATEGIES; i++) {
        kinds += json_array_size(targets[i]) > 0;
    }
    for (size_t i = 0, n = 0; i < STRATEGIES; i++) {
        if (json_array_size(targets[i]) > 0) {
            char key[16];
            json_t *to = kinds > 1 ? json_incref(targets[i]) : json_pack("[s]", "Linear");
            snprintf(key, sizeof key, "group_%zu", n++);
            pl_json_set(groups, key, scheme_json((strategy)i, to));
        }
        json_decref(targets[i]);
    }
    return json_pack("{s:s, s:s, s:s, s:n, s:o, s:n, s:o}", "quant_method", "compressed-tensors",
                     "format", "float-quantized", "quantization_status", "compressed",
                     "global_compression_ratio", "ignore", ignore, "kv_cache_scheme",
                     "config_groups", groups);
}

/* As DeepSeek-V3's own, with the names of the layers that are floats beside. */
static json_t *config_inv(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    json_t *left = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!modules[i].packed) {
            pl_json_append(left, json_string(modules[i].name));
        }
    }
    return json_pack("{s:s, s:s, s:s, s:[i, i], s:o}", "quant_method", "fp8", "fmt", "e4m3",
                     "activation_scheme", "dynamic", "weight_block_size", BLOCK, BLOCK,
                     "modules_to_not_convert", left);
}

const pl_packing pl_packing_fp8 = {
    .name = "fp8",
    .about = "transformers with compressed-tensors, vLLM",
    .element = "fp8",
    .bits = 1u << 8,
    .scale_dtype = PL_DTYPE_OTHER,
    .misfit = fp8_misfit,
    .pack = pack_fp8,
    .config = config_fp8,
    .method = "compressed-tensors",
    .endings = {".weight", ".weight_scale"},
    .needed = 2,
    .open = open_fp8,
    .unpack = unpack_fp8,
};

const pl_packing pl_packing_fp8_block = {
    .name = "fp8_block",
    .about = "transformers (FineGrainedFP8, which needs a GPU), vLLM, SGLang",
    .element = "fp8",
    .bits = 1u << 8,
    .scale_dtype = PL_DTYPE_OTHER,
    .misfit = misfit_block,
    .pack = pack_inv,
    .config = config_inv,
    .method = "fp8",
    .endings = {".weight", ".weight_scale_inv"},
    .needed = 2,
    .open = open_fp8,
    .unpack = unpack_fp8,
};
