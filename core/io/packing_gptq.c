/* GPTQ's layout: codes packed along the inputs, scales [groups, out], zero points packed along the
 * outputs (ModelCloud/GPTQModel nn_modules/qlinear).  Version 1 stores zero points less 1, which
 * leaves no place for 0; version 2 as they are. */
#include "core/base/json.h"
#include "core/base/text.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/packing_parts.h"

#include <stdlib.h>
#include <string.h>

enum { CODES, SCALES, ZEROS, GROUPS }; /* places in endings */

static pl_lanes code_lanes(int bits, size_t rows, size_t cols)
{
    return (pl_lanes){.bits = bits, .length = cols, .stream_step = 1, .word_step = rows};
}

static pl_lanes zero_lanes(int bits, size_t rows)
{
    return (pl_lanes){.bits = bits,
                      .length = rows,
                      .stream_step = pl_lanes_words(bits, PL_PACK_DENSE, rows),
                      .word_step = 1};
}

/* --- writing ---------------------------------------------------------------------------------- */

static const char *gptq_misfit(const pl_codes *codes)
{
    const size_t bits = (size_t)codes->bits;
    return codes->cols * bits % 32 != 0 || codes->rows * bits % 32 != 0
               ? "its sides times its bits are no multiples of 32"
               : NULL;
}

static const char *misfit_v1(const pl_codes *codes)
{
    const char *found = gptq_misfit(codes);
    for (size_t i = 0; found == NULL && i < codes->rows * codes->groups; i++) {
        found = codes->zeros[i] == 0 ? "it has a zero point of 0, which version 1 cannot hold "
                                       "(format=gptq_v2 can)"
                                     : NULL;
    }
    return found;
}

static void fill_parts(const pl_codes *codes, int offset, pl_pack_part *parts)
{
    const pl_lanes lanes = code_lanes(codes->bits, codes->rows, codes->cols);
    const pl_lanes zeros = zero_lanes(codes->bits, codes->rows);
    uint16_t *scales = parts[SCALES].data;
    for (size_t r = 0; r < codes->rows; r++) {
        for (size_t c = 0; c < codes->cols; c++) {
            pl_lanes_put(&lanes, parts[CODES].data, r, c, codes->codes[r * codes->cols + c]);
        }
        for (size_t g = 0; g < codes->groups; g++) {
            const size_t at = r * codes->groups + g;
            pl_lanes_put(&zeros, parts[ZEROS].data, g, r, (unsigned)(codes->zeros[at] - offset));
            scales[g * codes->rows + r] = pl_f32_to_f16(codes->scales[at]);
        }
    }
    memcpy(parts[GROUPS].data, codes->group_of, codes->cols * sizeof *codes->group_of);
}

static pl_status pack_gptq(const pl_codes *codes, int offset, bool filled, pl_pack_part *parts,
                           size_t *count, pl_error *err)
{
    const size_t words = pl_lanes_words(codes->bits, PL_PACK_DENSE, codes->cols);
    const size_t zero_words = pl_lanes_words(codes->bits, PL_PACK_DENSE, codes->rows);
    parts[CODES] = (pl_pack_part){".qweight", "I32", 2, {words, codes->rows}, NULL};
    parts[SCALES] = (pl_pack_part){".scales", "F16", 2, {codes->groups, codes->rows}, NULL};
    parts[ZEROS] = (pl_pack_part){".qzeros", "I32", 2, {codes->groups, zero_words}, NULL};
    parts[GROUPS] = (pl_pack_part){".g_idx", "I32", 1, {codes->cols}, NULL};
    *count = 4;
    pl_status status = filled ? pl_pack_rooms(parts, *count, err) : PL_OK;
    if (status == PL_OK && filled) {
        fill_parts(codes, offset, parts);
    }
    return status;
}

static pl_status pack_v1(const pl_codes *codes, pl_pack_order order, bool filled,
                         pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    return pack_gptq(codes, 1, filled, parts, count, err);
}

static pl_status pack_v2(const pl_codes *codes, pl_pack_order order, bool filled,
                         pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err)
{
    (void)order;
    return pack_gptq(codes, 0, filled, parts, count, err);
}

/* "+:^model\.layers\.0\.q_proj$" */
static void put_rule(json_t *rules, char sign, const char *name, json_t *value)
{
    pl_buf text = {0};
    pl_buf_printf(&text, "%c:^", sign);
    for (const char *c = name; *c != '\0'; c++) {
        pl_buf_puts(&text, *c == '.' ? "\\" : "");
        pl_buf_append(&text, c, 1);
    }
    pl_buf_puts(&text, "$");
    if (text.failed) {
        pl_memory_failed();
    }
    pl_json_set(rules, text.failed ? "" : text.data, value);
    pl_buf_deinit(&text);
}

static bool same_rule(const pl_pack_module *a, const pl_pack_module *b)
{
    return a->packed && b->packed && a->bits == b->bits && a->symmetric == b->symmetric;
}

/* One of those of which there are most. */
static const pl_pack_module *find_base(const pl_pack_module *modules, size_t count)
{
    const pl_pack_module *base = NULL;
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t k = 0; k < count; k++) {
            same += same_rule(&modules[i], &modules[k]);
        }
        base = same > most ? &modules[i] : base;
        most = same > most ? same : most;
    }
    return base;
}

static json_t *config_of(const pl_pack_module *modules, size_t count, const char *version)
{
    const pl_pack_module *base = find_base(modules, count);
    json_t *rules = json_object();
    bool ordered = true;
    for (size_t i = 0; i < count; i++) {
        ordered = ordered && (!modules[i].packed || modules[i].in_order);
    }
    for (size_t i = 0; base != NULL && i < count; i++) {
        const pl_pack_module *m = &modules[i];
        if (!m->packed) {
            put_rule(rules, '-', m->name, json_object());
        } else if (!same_rule(m, base)) {
            put_rule(rules, '+', m->name,
                     json_pack("{s:i, s:b}", "bits", m->bits, "sym", (int)m->symmetric));
        }
    }
    if (json_object_size(rules) == 0) {
        json_decref(rules);
        rules = json_null();
    }
    return base == NULL
               ? NULL
               : json_pack("{s:i, s:I, s:b, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:b, s:f, s:o, "
                           "s:{s:[s]}}",
                           "bits", base->bits, "group_size",
                           (json_int_t)pl_pack_one_group_size(modules, count), "desc_act",
                           (int)!ordered, "sym", (int)base->symmetric, "lm_head", 0, "quant_method",
                           "gptq", "method", "gptq", "format", version, "checkpoint_format",
                           version, "pack_dtype", "int32", "true_sequential", 1, "damp_percent",
                           0.01, "dynamic", rules, "meta", "quantizer", "planish:" PL_VERSION);
}

static json_t *config_v1(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    return config_of(modules, count, "gptq");
}

static json_t *config_v2(const pl_pack_module *modules, size_t count, pl_pack_order order)
{
    (void)order;
    return config_of(modules, count, "gptq_v2");
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool open_gptq(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed)
{
    (void)checkpoint;
    const pl_tensor *codes = &packed->parts[CODES], *scales = &packed->parts[SCALES];
    const pl_tensor *zeros = &packed->parts[ZEROS], *groups = &packed->parts[GROUPS];
    if (!pl_part_is(codes, "I32", 2) || !pl_part_is_scale(scales, 2) ||
        !pl_part_is(zeros, "I32", 2) || codes->dims[1] == 0 || scales->dims[1] != codes->dims[1] ||
        scales->dims[0] != zeros->dims[0] || scales->dims[0] == 0) {
        return false;
    }
    packed->rows = (size_t)codes->dims[1];
    packed->groups = (size_t)scales->dims[0];
    packed->bits = (int)(32 * zeros->dims[1] / packed->rows);
    if (packed->bits < 2 || packed->bits > 8 || (packed->packing->bits & 1u << packed->bits) == 0 ||
        codes->dims[0] > UINT32_MAX) {
        return false;
    }
    packed->cols = (size_t)codes->dims[0] * 32 / (size_t)packed->bits;
    const json_int_t stated = json_integer_value(json_object_get(config, "group_size"));
    packed->group_size = (packed->cols + packed->groups - 1) / packed->groups;
    if (stated > 0 && packed->groups == (packed->cols + (size_t)stated - 1) / (size_t)stated) {
        packed->group_size = (size_t)stated;
    }
    const char *format = json_string_value(json_object_get(config, "checkpoint_format"));
    format = format != NULL ? format : json_string_value(json_object_get(config, "format"));
    const bool second = format != NULL && strcmp(format, "gptq_v2") == 0;
    packed->zero_offset = second ? 0 : 1;
    return (format == NULL || second || strcmp(format, "gptq") == 0) &&
           pl_lanes_words(packed->bits, PL_PACK_DENSE, packed->rows) == zeros->dims[1] &&
           pl_lanes_words(packed->bits, PL_PACK_DENSE, packed->cols) == codes->dims[0] &&
           (groups->dtype_name == NULL ||
            (pl_part_is(groups, "I32", 1) && groups->dims[0] == packed->cols));
}

static pl_status unpack_gptq(const pl_packed *packed, void *const data[PL_PACK_PARTS],
                             pl_codes *out, pl_error *err)
{
    const size_t rows = packed->rows, cols = packed->cols, params = rows * packed->groups;
    const pl_lanes lanes = code_lanes(packed->bits, rows, cols);
    const pl_lanes zeros = zero_lanes(packed->bits, rows);
    const uint32_t *group_of = data[GROUPS];
    float *scales = pl_pack_room(params, sizeof *scales);
    if (scales == NULL) {
        return pl_error_memory(err, "%zu scales", params);
    }
    pl_dtype_decode(packed->parts[SCALES].dtype, data[SCALES], params, scales);
    out->bits = packed->bits;
    out->group_size = packed->group_size;
    out->scale_dtype = packed->parts[SCALES].dtype;
    out->in_order = true;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            out->codes[r * cols + c] = (uint8_t)pl_lanes_get(&lanes, data[CODES], r, c);
        }
        for (size_t g = 0; g < packed->groups; g++) {
            out->scales[r * packed->groups + g] = scales[g * rows + r];
            out->zeros[r * packed->groups + g] =
                (int16_t)((int)pl_lanes_get(&zeros, data[ZEROS], g, r) + packed->zero_offset);
        }
    }
    for (size_t c = 0; c < cols; c++) {
        const uint32_t g = (uint32_t)(c / packed->group_size);
        out->group_of[c] = group_of != NULL ? group_of[c] : g;
        out->in_order = out->in_order && out->group_of[c] == g;
    }
    free(scales);
    return PL_OK;
}

const pl_packing pl_packing_gptq = {
    .name = "gptq",
    .about = "GPTQModel, AutoGPTQ, transformers with them, vLLM",
    .bits = 1u << 2 | 1u << 3 | 1u << 4 | 1u << 8,
    .one_group_size = true,
    .file = "quantize_config.json",
    .act_order = true,
    .scale_dtype = PL_F16,
    .misfit = misfit_v1,
    .pack = pack_v1,
    .config = config_v1,
    .method = "gptq",
    .endings = {".qweight", ".scales", ".qzeros", ".g_idx"},
    .needed = 3,
    .open = open_gptq,
    .unpack = unpack_gptq,
};

/* Reading tells the versions apart by the configuration, under the first one's row. */
const pl_packing pl_packing_gptq_v2 = {
    .name = "gptq_v2",
    .about = "GPTQModel",
    .bits = 1u << 2 | 1u << 3 | 1u << 4 | 1u << 8,
    .one_group_size = true,
    .file = "quantize_config.json",
    .act_order = true,
    .scale_dtype = PL_F16,
    .misfit = gptq_misfit,
    .pack = pack_v2,
    .config = config_v2,
    .method = "gptq",
    .endings = {".qweight", ".scales", ".qzeros", ".g_idx"},
    .needed = 3,
    .open = open_gptq,
    .unpack = unpack_gptq,
};
