/* compressed-tensors' pack-quantized: codes of a row one after the other in I32, zero points packed
 * along the rows (vllm-project/compressed-tensors compressors/pack_quantized). */
#include "core/base/json.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODES, SCALES, SHAPE, ZEROS, GROUPS }; /* places in endings */

static pl_lanes code_lanes(int bits, pl_pack_order order, size_t cols)
{
    return (pl_lanes){.bits = bits,
                      .order = order,
                      .length = cols,
                      .stream_step = pl_lanes_words(bits, order, cols),
                      .word_step = 1};
}

static pl_lanes zero_lanes(int bits, pl_pack_order order, size_t rows, size_t groups)
{
    return (pl_lanes){
        .bits = bits, .order = order, .length = rows, .stream_step = 1, .word_step = groups};
}

/* --- writing ---------------------------------------------------------------------------------- */

static void fill_codes(const pl_codes *codes, pl_pack_order order, uint32_t *words)
{
    const pl_lanes lanes = code_lanes(codes->bits, order, codes->cols);
    for (size_t r = 0; r < codes->rows; r++) {
        for (size_t c = 0; c < codes->cols; c++) {
            pl_lanes_put(&lanes, words, r, c, codes->codes[r * codes->cols + c]);
        }
    }
}

static void fill_zeros(const pl_codes *codes, pl_pack_order order, uint32_t *words)
{
    const pl_lanes lanes = zero_lanes(codes->bits, order, codes->rows, codes->groups);
    for (size_t r = 0; r < codes->rows; r++) {
        for (size_t g = 0; g < codes->groups; g++) {
            pl_lanes_put(&lanes, words, g, r, (unsigned)codes->zeros[r * codes->groups + g]);
        }
    }
}

static pl_status pack_compressed(const pl_codes *codes, pl_pack_order order, bool fill,
                                 pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    const size_t words = pl_lanes_words(codes->bits, order, codes->cols);
    const size_t zero_words = pl_lanes_words(codes->bits, order, codes->rows);
    const size_t params = codes->rows * codes->groups;
    size_t n = 0;
    parts[n++] = (pl_pack_part){".weight_packed", "I32", 2, {codes->rows, words}, NULL};
    parts[n++] = (pl_pack_part){
        ".weight_scale", pl_dtype_name(codes->scale_dtype), 2, {codes->rows, codes->groups}, NULL};
    parts[n++] = (pl_pack_part){".weight_shape", "I64", 1, {2}, NULL};
    if (!codes->symmetric) {
        parts[n++] =
            (pl_pack_part){".weight_zero_point", "I32", 2, {zero_words, codes->groups}, NULL};
    }
    if (!codes->in_order) {
        parts[n++] = (pl_pack_part){".weight_g_idx", "I32", 1, {codes->cols}, NULL};
    }
    *count = n;
    pl_status status = fill ? pl_pack_rooms(parts, n, err) : PL_OK;
    if (status == PL_OK && fill) {
        const int64_t shape[2] = {(int64_t)codes->rows, (int64_t)codes->cols};
        fill_codes(codes, order, parts[CODES].data);
        pl_dtype_encode(codes->scale_dtype, codes->scales, params, parts[SCALES].data);
        memcpy(parts[SHAPE].data, shape, sizeof shape);
        if (!codes->symmetric) {
            fill_zeros(codes, order, parts[3].data);
        }
        if (!codes->in_order) {
            memcpy(parts[n - 1].data, codes->group_of, codes->cols * sizeof *codes->group_of);
        }
    }
    return status;
}

static bool same_scheme(const pl_pack_module *a, const pl_pack_module *b)
{
    return a->bits == b->bits && a->symmetric == b->symmetric && a->in_order == b->in_order &&
           a->one_group == b->one_group && (a->one_group || a->group_size == b->group_size);
}

static json_t *scheme_json(const pl_pack_module *module, json_t *targets)
{
    json_t *weights =
        json_pack("{s:i, s:s, s:b, s:s, s:o, s:b, s:o, s:n, s:s, s:{}}", "num_bits", module->bits,
                  "type", "int", "symmetric", (int)module->symmetric, "strategy",
                  module->one_group ? "channel" : "group", "group_size",
                  module->one_group ? json_null() : json_integer((json_int_t)module->group_size),
                  "dynamic", 0, "actorder", module->in_order ? json_null() : json_string("group"),
                  "block_structure", "observer", "minmax", "observer_kwargs");
    return json_pack("{s:o, s:n, s:n, s:o}", "targets", targets, "input_activations",
                     "output_activations", "weights", weights);
}

static json_t *config_compressed(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    json_t *groups = json_object(), *ignore = json_array();
    size_t n_groups = 0;
    bool *done = pl_pack_room(count, sizeof *done), one = true;
    for (size_t i = 0, first = SIZE_MAX; i < count; i++) {
        first = first == SIZE_MAX && modules[i].packed ? i : first;
        one = one && (!modules[i].packed || same_scheme(&modules[i], &modules[first]));
        if (!modules[i].packed) {
            pl_json_append(ignore, json_string(modules[i].name));
        }
    }
    for (size_t i = 0; done != NULL && i < count; i++) {
        if (done[i] || !modules[i].packed) {
            continue;
        }
        char name[32];
        json_t *targets = json_array();
        for (size_t k = i; k < count; k++) {
            if (modules[k].packed && !done[k] && same_scheme(&modules[i], &modules[k])) {
                done[k] = true;
                if (!one) {
                    pl_json_append(targets, json_string(modules[k].name));
                }
            }
        }
        if (one) {
            pl_json_append(targets, json_string("Linear"));
        }
        snprintf(name, sizeof name, "group_%zu", n_groups++);
        pl_json_set(groups, name, scheme_json(&modules[i], targets));
    }
    free(done);
    return json_pack("{s:s, s:s, s:s, s:s, s:n, s:o, s:n, s:o}", "quant_method",
                     "compressed-tensors", "format", "pack-quantized", "quantization_status",
                     "compressed", "version", order == PL_PACK_DENSE ? "0.17.0" : "0.16.0",
                     "global_compression_ratio", "ignore", ignore, "kv_cache_scheme",
                     "config_groups", groups);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Bit b: some group of the configuration has codes of b bits; without one all that there are. */
static unsigned stated_bits(const json_t *config)
{
    unsigned bits = 0;
    const char *key;
    json_t *group;
    json_object_foreach(json_object_get(config, "config_groups"), key, group)
    {
        const json_int_t b =
            json_integer_value(json_object_get(json_object_get(group, "weights"), "num_bits"));
        bits |= b >= 2 && b <= 8 ? 1u << b : 0;
    }
    return bits != 0 ? bits : pl_packing_compressed.bits;
}

/* "0.17.0" and later pack densely. */
static bool is_dense(const json_t *config)
{
    const char *version = json_string_value(json_object_get(config, "version"));
    char *rest = NULL;
    const long major = version != NULL ? strtol(version, &rest, 10) : 0;
    return version == NULL || major > 0 || (*rest == '.' && strtol(rest + 1, NULL, 10) >= 17);
}

/* Bits and order under which a row of `cols` codes has that many words: the stated version's
 * where both orders do.  False where none or several bits do. */
static bool find_bits(pl_packed *packed, size_t words, unsigned bits, bool dense)
{
    const pl_pack_order orders[] = {dense ? PL_PACK_DENSE : PL_PACK_PADDED,
                                    dense ? PL_PACK_PADDED : PL_PACK_DENSE};
    size_t found = 0;
    for (int b = 2; b <= 8; b++) {
        for (size_t i = 0; i < 2; i++) {
            if ((bits & 1u << b) != 0 && pl_lanes_words(b, orders[i], packed->cols) == words) {
                packed->bits = b;
                packed->order = orders[i];
                found++;
                break;
            }
        }
    }
    return found == 1;
}

/* The shape [out, in] that the file states; false where it cannot be. */
static bool read_packed_shape(pl_checkpoint *checkpoint, const pl_tensor *part, int64_t shape[2])
{
    int32_t narrow[2];
    const bool wide = part->bytes == 2 * sizeof(int64_t);
    pl_file *file = checkpoint->shards[part->shard];
    if (!wide && part->bytes != sizeof narrow) {
        return false;
    }
    void *to = wide ? (void *)shape : (void *)narrow;
    if (pl_file_read(file, part->offset, to, (size_t)part->bytes, NULL) != PL_OK) {
        return false;
    }
    for (size_t i = 0; i < 2 && !wide; i++) {
        shape[i] = narrow[i];
    }
    return shape[0] > 0 && shape[1] > 0 && shape[1] <= INT32_MAX;
}

static bool open_compressed(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    const pl_tensor *codes = &packed->parts[CODES], *scales = &packed->parts[SCALES];
    const pl_tensor *zeros = &packed->parts[ZEROS];
    int64_t shape[2] = {0};
    if (!pl_part_is(codes, "I32", 2) || !pl_part_is_scale(scales, 2) ||
        !read_packed_shape(checkpoint, &packed->parts[SHAPE], shape) ||
        codes->dims[0] != (uint64_t)shape[0] || scales->dims[0] != codes->dims[0]) {
        return false;
    }
    packed->rows = (size_t)shape[0];
    packed->cols = (size_t)shape[1];
    packed->groups = (size_t)scales->dims[1];
    if (packed->groups == 0 || packed->cols % packed->groups != 0 ||
        !find_bits(packed, (size_t)codes->dims[1], stated_bits(config), is_dense(config))) {
        return false;
    }
    packed->group_size = packed->cols / packed->groups;
    const bool plain = pl_part_is(zeros, "I8", 2) && zeros->dims[0] == packed->rows;
    const bool packs = pl_part_is(zeros, "I32", 2) &&
                       zeros->dims[0] == pl_lanes_words(packed->bits, packed->order, packed->rows);
    const pl_tensor *groups = &packed->parts[GROUPS];
    return (zeros->dtype_name == NULL || ((plain || packs) && zeros->dims[1] == packed->groups)) &&
           (groups->dtype_name == NULL ||
            (pl_part_is(groups, "I32", 1) && groups->dims[0] == packed->cols));
}

static pl_status unpack_compressed(const pl_packed *packed, void *const data[PL_PACK_PARTS],
                                   pl_codes *out, pl_error *err)
{
    (void)err;
    const int middle = 1 << (packed->bits - 1);
    const pl_lanes lanes = code_lanes(packed->bits, packed->order, packed->cols);
    const pl_lanes zeros = zero_lanes(packed->bits, packed->order, packed->rows, packed->groups);
    const bool plain = packed->parts[ZEROS].dims[0] == packed->rows &&
                       packed->parts[ZEROS].bytes == packed->rows * packed->groups;
    const uint32_t *group_of = data[GROUPS];
    out->bits = packed->bits;
    out->group_size = packed->group_size;
    out->scale_dtype = packed->parts[SCALES].dtype;
    out->symmetric = data[ZEROS] == NULL;
    out->in_order = group_of == NULL;
    for (size_t r = 0; r < packed->rows; r++) {
        for (size_t c = 0; c < packed->cols; c++) {
            out->codes[r * packed->cols + c] = (uint8_t)pl_lanes_get(&lanes, data[CODES], r, c);
        }
        for (size_t g = 0; g < packed->groups; g++) {
            const size_t at = r * packed->groups + g;
            out->zeros[at] = (int16_t)(data[ZEROS] == NULL ? middle
                                       : plain ? ((const int8_t *)data[ZEROS])[at] + middle
                                               : (int)pl_lanes_get(&zeros, data[ZEROS], g, r));
        }
    }
    pl_dtype_decode(packed->parts[SCALES].dtype, data[SCALES], packed->rows * packed->groups,
                    out->scales);
    for (size_t c = 0; c < packed->cols; c++) {
        out->group_of[c] = group_of != NULL ? group_of[c] : (uint32_t)(c / packed->group_size);
    }
    return PL_OK;
}

const pl_packing pl_packing_compressed = {
    .name = "compressed-tensors",
    .about = "transformers with compressed-tensors, vLLM",
    .bits = 0x1fc,
    .orders = true,
    .act_order = true,
    .scale_dtype = PL_DTYPE_OTHER,
    .pack = pack_compressed,
    .config = config_compressed,
    .method = "compressed-tensors",
    .endings = {".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point",
                ".weight_g_idx"},
    .needed = 3,
    .open = open_compressed,
    .unpack = unpack_compressed,
};
