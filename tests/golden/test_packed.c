/* Packed layers: written as the packages that own the layouts write them, and read back to the
 * bit.  Values by make_packed_values.py. */
#include "core/io/gguf_write.h"
#include "core/io/packing.h"
#include "core/io/safetensors.h"
#include "tests/support/check.h"
#include "tests/support/shared.h"
#include "tests/support/temp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 32, COLS = 64, GROUPS = 2 };

static json_t *values;

static int setup(void **ctx)
{
    (void)ctx;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[600];
    snprintf(path, sizeof path, "%s/tests/golden/packed_values.json", root != NULL ? root : ".");
    values = json_load_file(path, 0, NULL);
    return values != NULL ? 0 : 1;
}

static int teardown(void **ctx)
{
    (void)ctx;
    json_decref(values);
    return 0;
}

static const pl_packing *packing_of(const json_t *about)
{
    const char *name = json_string_value(json_object_get(about, "packing"));
    for (size_t i = 0; i < PL_PACKING_COUNT; i++) {
        if (strcmp(pl_packing_at(i)->name, name) == 0) {
            return pl_packing_at(i);
        }
    }
    fail_msg("no packing %s", name);
    return NULL;
}

/* The layer that the script packs, by the same formulas. */
static void make_codes(const json_t *about, pl_codes *codes)
{
    pl_error err;
    const char *name = json_string_value(json_object_get(about, "packing"));
    const size_t bits = (size_t)json_integer_value(json_object_get(about, "bits"));
    const size_t levels = (size_t)1 << bits,
                 least = strcmp(name, "gptq_v2") == 0 || strcmp(name, "awq") == 0 ? 0 : 1;
    const bool asymmetric = json_is_true(json_object_get(about, "asymmetric"));
    const bool act_order = json_is_true(json_object_get(about, "act_order"));
    pl_check_ok(pl_codes_init(codes, ROWS, COLS, GROUPS, &err), err);
    codes->bits = (int)bits;
    codes->group_size = COLS / GROUPS;
    codes->symmetric = !asymmetric;
    codes->in_order = !act_order;
    codes->scale_dtype = PL_F16;
    for (size_t c = 0; c < COLS; c++) {
        codes->group_of[c] = (uint32_t)(act_order ? c % 2 : c / 32);
    }
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLS; c++) {
            codes->codes[r * COLS + c] = (uint8_t)((r * 31 + c * 17 + r * c % 7) % levels);
        }
        for (size_t g = 0; g < GROUPS; g++) {
            codes->scales[r * GROUPS + g] = (float)(16 + (r * 7 + g * 13) % 101) / 4096.0f;
            codes->zeros[r * GROUPS + g] =
                (int16_t)(asymmetric ? least + (r * 5 + g * 3) % (levels - least) : levels / 2);
        }
    }
}

static void check_part(const json_t *part, const pl_pack_part *made)
{
    const char *hex = json_string_value(json_object_get(part, "bytes"));
    const json_t *dims = json_object_get(part, "dims");
    const size_t size = strlen(hex) / 2;
    uint64_t elements = 1;
    assert_string_equal(made->ending, json_string_value(json_object_get(part, "ending")));
    assert_string_equal(made->dtype, json_string_value(json_object_get(part, "dtype")));
    assert_int_equal(made->n_dims, json_array_size(dims));
    for (size_t d = 0; d < made->n_dims; d++) {
        assert_int_equal(made->dims[d], json_integer_value(json_array_get(dims, d)));
        elements *= made->dims[d];
    }
    assert_int_equal(size, elements * pl_st_raw_width(made->dtype));
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 256;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        assert_int_equal(((const unsigned char *)made->data)[i], byte);
    }
}

/* The parts as a file of their own with a configuration beside it. */
static void write_layer(pl_temp *temp, const pl_packing *packing, const pl_codes *codes,
                        pl_pack_order order, const pl_pack_part *parts, size_t count)
{
    pl_error err;
    pl_st_entry entries[PL_PACK_PARTS];
    const char *raws[PL_PACK_PARTS];
    char names[PL_PACK_PARTS][64];
    pl_st_writer *writer = NULL;
    const pl_pack_module module = {.name = "l",
                                   .packed = true,
                                   .bits = codes->bits,
                                   .symmetric = codes->symmetric,
                                   .in_order = codes->in_order,
                                   .group_size = codes->group_size};
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "l%s", parts[i].ending);
        raws[i] = parts[i].dtype;
        entries[i] =
            (pl_st_entry){.name = names[i], .n_dims = parts[i].n_dims, .dims = parts[i].dims};
    }
    json_t *config = json_pack("{s:o}", "quantization_config", packing->config(&module, 1, order));
    assert_int_equal(json_dump_file(config, pl_temp_path(temp, "config.json"), 0), 0);
    json_decref(config);
    pl_check_ok(pl_st_writer_create(pl_temp_path(temp, "model.safetensors"), entries, raws, count,
                                    NULL, &writer, &err),
                err);
    for (size_t i = 0; i < count; i++) {
        const pl_pack_part *part = &parts[pl_st_writer_order(writer, i)];
        const uint64_t elements = part->dims[0] * (part->n_dims > 1 ? part->dims[1] : 1);
        pl_check_ok(pl_st_writer_put_raw(writer, part->data,
                                         (size_t)elements * pl_st_raw_width(part->dtype), &err),
                    err);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
}

static void check_read(pl_temp *temp, const pl_codes *codes)
{
    pl_error err;
    pl_checkpoint *checkpoint = NULL;
    float found[ROWS * COLS], rows[8 * COLS];
    pl_check_ok(pl_checkpoint_open(pl_temp_path(temp, "model.safetensors"), &checkpoint, &err),
                err);
    assert_int_equal(pl_checkpoint_count(checkpoint), 1);
    const pl_tensor *tensor = pl_checkpoint_find(checkpoint, "l.weight");
    assert_non_null(tensor);
    assert_int_equal(tensor->dims[0], ROWS);
    assert_int_equal(tensor->dims[1], COLS);
    pl_check_ok(pl_checkpoint_read(checkpoint, tensor, 0, ROWS, found, &err), err);
    pl_check_ok(pl_checkpoint_read(checkpoint, tensor, 5, 8, rows, &err), err);
    assert_memory_equal(rows, found + 5 * COLS, sizeof rows);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLS; c++) {
            const size_t at = r * GROUPS + codes->group_of[c];
            const float meant =
                codes->scales[at] * (float)(codes->codes[r * COLS + c] - codes->zeros[at]);
            pl_check_close(found[r * COLS + c], meant, 0, 0);
        }
    }
    pl_checkpoint_close(checkpoint);
}

static void test_every_layout(void **ctx)
{
    (void)ctx;
    size_t index;
    json_t *about;
    json_array_foreach(json_object_get(values, "layers"), index, about)
    {
        pl_error err;
        pl_temp temp;
        pl_codes codes;
        size_t count = 0;
        pl_pack_part parts[PL_PACK_PARTS];
        const pl_packing *packing = packing_of(about);
        const json_t *meant = json_object_get(about, "parts");
        const pl_pack_order order =
            json_is_true(json_object_get(about, "padded")) ? PL_PACK_PADDED : PL_PACK_DENSE;
        pl_temp_init(&temp);
        make_codes(about, &codes);
        assert_true(packing->misfit == NULL || packing->misfit(&codes) == NULL);
        pl_check_ok(packing->pack(&codes, order, true, parts, &count, &err), err);
        assert_int_equal(count, json_array_size(meant));
        for (size_t i = 0; i < count; i++) {
            check_part(json_array_get(meant, i), &parts[i]);
        }
        write_layer(&temp, packing, &codes, order, parts, count);
        check_read(&temp, &codes);
        for (size_t i = 0; i < count; i++) {
            free(parts[i].data);
        }
        pl_codes_deinit(&codes);
        pl_temp_deinit(&temp);
    }
}

/* Groups of 48 columns of 64 as groups of 16, in order and not: the same weights. */
static void test_split_keeps_the_weights(void **ctx)
{
    (void)ctx;
    for (int act_order = 0; act_order < 2; act_order++) {
        pl_error err;
        pl_codes codes;
        float before[2 * COLS], after[2 * COLS];
        pl_check_ok(pl_codes_init(&codes, 2, COLS, 2, &err), err);
        codes.group_size = 48;
        for (size_t c = 0; c < COLS; c++) {
            const size_t place = act_order ? (c * 5) % COLS : c;
            codes.group_of[c] = (uint32_t)(place / 48);
            codes.codes[c] = (uint8_t)(c % 16);
            codes.codes[COLS + c] = (uint8_t)(c * 3 % 16);
        }
        for (size_t i = 0; i < 4; i++) {
            codes.scales[i] = (float)(i + 1);
            codes.zeros[i] = (int16_t)(3 * i);
        }
        pl_codes_decode(&codes, 0, 2, before);
        pl_check_ok(pl_codes_split(&codes, 16, &err), err);
        pl_codes_decode(&codes, 0, 2, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(codes.groups, 4);
        assert_int_equal(codes.in_order, !act_order);
        size_t columns[4] = {0};
        for (size_t c = 0; c < COLS; c++) {
            columns[codes.group_of[c]]++;
        }
        for (size_t g = 0; g < 4; g++) {
            assert_int_equal(columns[g], 16);
        }
        pl_codes_deinit(&codes);
    }
}

static void from_hex(const char *hex, void *out)
{
    unsigned char *to = out;
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned byte = 256;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        to[i] = (unsigned char)byte;
    }
}

/* What of them is written, too: the same bytes from codes and stored scales. */
static void check_float_packing(const json_t *about, uint8_t bytes[3][ROWS * COLS], size_t count)
{
    const char *name = json_string_value(json_object_get(about, "what"));
    for (size_t i = 0; i < PL_PACKING_COUNT; i++) {
        const pl_packing *packing = pl_packing_at(i);
        if (packing->element == NULL || strcmp(packing->element, name) != 0) {
            continue;
        }
        pl_error err;
        pl_codes codes;
        pl_pack_part parts[PL_PACK_PARTS];
        size_t made = 0, groups = strcmp(name, "nvfp4") == 0 ? COLS / 16 : COLS / 32;
        pl_check_ok(pl_codes_init(&codes, ROWS, COLS, groups, &err), err);
        codes.bits = 4;
        codes.whole = 384.5f;
        memcpy(codes.stored, bytes[1], ROWS * groups);
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < COLS; c++) {
                codes.codes[r * COLS + c] = (uint8_t)((r * 31 + c * 17 + r * c % 7) % 16);
            }
        }
        pl_check_ok(packing->pack(&codes, PL_PACK_DENSE, true, parts, &made, &err), err);
        assert_int_equal(made, count);
        for (size_t p = 0; p < made; p++) {
            const uint64_t size = parts[p].dims[0] * (parts[p].n_dims > 1 ? parts[p].dims[1] : 1) *
                                  pl_st_raw_width(parts[p].dtype);
            assert_memory_equal(parts[p].data, bytes[p], size);
            free(parts[p].data);
        }
        pl_codes_deinit(&codes);
    }
}

/* NVFP4, MXFP4 and FP8. */
static void test_floats_are_read(void **ctx)
{
    (void)ctx;
    size_t index;
    json_t *about;
    json_array_foreach(json_object_get(values, "floats"), index, about)
    {
        pl_error err;
        pl_temp temp;
        pl_st_entry entries[3];
        const char *raws[3];
        char names[3][64];
        uint64_t dims[3][2];
        static uint8_t bytes[3][ROWS * COLS];
        size_t sizes[3];
        float meant[ROWS * COLS], found[ROWS * COLS];
        pl_st_writer *writer = NULL;
        pl_checkpoint *checkpoint = NULL;
        const json_t *parts = json_object_get(about, "parts");
        const size_t count = json_array_size(parts);
        pl_temp_init(&temp);
        for (size_t i = 0; i < count; i++) {
            const json_t *part = json_array_get(parts, i), *shape = json_object_get(part, "dims");
            const char *hex = json_string_value(json_object_get(part, "bytes"));
            snprintf(names[i], sizeof names[i], "l%s",
                     json_string_value(json_object_get(part, "ending")));
            for (size_t d = 0; d < json_array_size(shape); d++) {
                dims[i][d] = (uint64_t)json_integer_value(json_array_get(shape, d));
            }
            raws[i] = json_string_value(json_object_get(part, "dtype"));
            entries[i] =
                (pl_st_entry){.name = names[i], .n_dims = json_array_size(shape), .dims = dims[i]};
            sizes[i] = strlen(hex) / 2;
            from_hex(hex, bytes[i]);
        }
        check_float_packing(about, bytes, count);
        const char *path = pl_temp_path(&temp, "model.safetensors");
        pl_check_ok(pl_st_writer_create(path, entries, raws, count, NULL, &writer, &err), err);
        for (size_t i = 0; i < count; i++) {
            const size_t at = pl_st_writer_order(writer, i);
            pl_check_ok(pl_st_writer_put_raw(writer, bytes[at], sizes[at], &err), err);
        }
        pl_check_ok(pl_st_writer_commit(writer, &err), err);
        pl_st_writer_destroy(writer);
        pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
        assert_int_equal(pl_checkpoint_count(checkpoint), 1);
        pl_check_ok(pl_checkpoint_read(checkpoint, pl_checkpoint_find(checkpoint, "l.weight"), 0,
                                       ROWS, found, &err),
                    err);
        from_hex(json_string_value(json_object_get(about, "weights")), meant);
        for (size_t i = 0; i < ROWS * COLS; i++) {
            pl_check_close(found[i], meant[i], 0, 0);
        }
        pl_checkpoint_close(checkpoint);
        pl_temp_deinit(&temp);
    }
    assert_int_equal(index, 4);
}

/* As many blocks of columns as rows: the scales are by blocks all the same. */
static void test_fp8_blocks_as_many_as_rows(void **ctx)
{
    (void)ctx;
    enum { HIGH = 3, BLOCK = 128, WIDE = HIGH * BLOCK };
    static uint8_t codes[HIGH * WIDE];
    static float found[HIGH * WIDE];
    static const float scales[HIGH] = {1.0f, 2.0f, 4.0f};
    const uint64_t of_codes[] = {HIGH, WIDE}, of_scales[] = {1, HIGH};
    const pl_st_entry entries[] = {{.name = "l.weight", .n_dims = 2, .dims = of_codes},
                                   {.name = "l.weight_scale_inv", .n_dims = 2, .dims = of_scales}};
    const char *const raws[] = {"F8_E4M3", "F32"};
    const void *const bytes[] = {codes, scales};
    const size_t sizes[] = {sizeof codes, sizeof scales};
    pl_error err;
    pl_temp temp;
    pl_st_writer *writer = NULL;
    pl_checkpoint *checkpoint = NULL;
    memset(codes, 0x38, sizeof codes); /* 1 */
    pl_temp_init(&temp);
    const char *path = pl_temp_path(&temp, "model.safetensors");
    pl_check_ok(pl_st_writer_create(path, entries, raws, 2, NULL, &writer, &err), err);
    for (size_t i = 0; i < 2; i++) {
        const size_t at = pl_st_writer_order(writer, i);
        pl_check_ok(pl_st_writer_put_raw(writer, bytes[at], sizes[at], &err), err);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
    pl_check_ok(pl_checkpoint_read(checkpoint, pl_checkpoint_find(checkpoint, "l.weight"), 0, HIGH,
                                   found, &err),
                err);
    for (size_t i = 0; i < HIGH * WIDE; i++) {
        pl_check_close(found[i], scales[i % WIDE / BLOCK], 0, 0);
    }
    pl_checkpoint_close(checkpoint);
    pl_temp_deinit(&temp);
}

/* Rounded as the gguf package rounds; and what is on a block's own grid comes back exactly. */
static void test_gguf_blocks(void **ctx)
{
    (void)ctx;
    enum { BLOCKS = 3, VALUES = BLOCKS * PL_GGUF_BLOCK };
    const json_t *about = json_object_get(values, "gguf");
    float x[VALUES];
    from_hex(json_string_value(json_object_get(about, "x")), x);
    for (const pl_gguf_choice *c = pl_gguf_choices; c->dtype != PL_DTYPE_OTHER; c++) {
        const size_t bytes = pl_dtype_block_bytes(c->dtype);
        uint8_t meant[VALUES * 4], made[64];
        from_hex(json_string_value(
                     json_object_get(json_object_get(about, "types"), pl_dtype_name(c->dtype))),
                 meant);
        for (size_t b = 0; b < BLOCKS; b++) {
            pl_gguf_block_round(c->dtype, x + b * PL_GGUF_BLOCK, made);
            assert_memory_equal(made, meant + b * bytes, bytes);
        }
        const int low = c->bits == 8 ? -128 : c->offset ? 3 : -(1 << (c->bits - 1));
        int steps[PL_GGUF_BLOCK];
        float back[PL_GGUF_BLOCK];
        static const int halves[] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};
        for (int i = 0; i < PL_GGUF_BLOCK; i++) {
            steps[i] = c->element != NULL ? halves[i * 7 % 15] : low + i * 7 % (1 << c->bits);
        }
        assert_true(pl_gguf_block_exact(c->dtype, 0.0625f, steps, made));
        pl_dtype_decode(c->dtype, made, PL_GGUF_BLOCK, back);
        for (int i = 0; i < PL_GGUF_BLOCK; i++) {
            pl_check_close(back[i], 0.0625f * (float)steps[i], 0, 0);
        }
        steps[5] = c->element != NULL ? 5 : low - 1; /* E2M1 has no 2.5 */
        steps[6] = low + (1 << c->bits) - 1;
        assert_false(pl_gguf_block_exact(c->dtype, 0.0625f, steps, made)); /* a level too many */
        steps[5] = steps[6] = low;
        assert_false(
            pl_gguf_block_exact(c->dtype, 0.1f, steps, made)); /* no float16, no power of two */
    }
}

/* E2M1 by its definition: sign, two bits of exponent with a bias of 1, one of mantissa. */
static double e2m1(unsigned code)
{
    const double mantissa = (double)(code & 1) / 2;
    const unsigned exponent = code >> 1 & 3;
    const double size = exponent == 0 ? mantissa : ldexp(1 + mantissa, (int)exponent - 1);
    return (code & 8) != 0 ? -size : size;
}

/* gpt_oss's experts: one tensor [experts, out, in] that is read by rows, and its NaN refused. */
static void test_blocks_of_experts_are_read(void **ctx)
{
    (void)ctx;
    enum { EXPERTS = 3, OUT = 5, BLOCKS = 2, BYTES = 16, IN = 2 * BYTES * BLOCKS };
    static uint8_t blocks[EXPERTS * OUT * BLOCKS * BYTES], scales[EXPERTS * OUT * BLOCKS];
    static float found[4 * IN];
    const uint64_t of_blocks[] = {EXPERTS, OUT, BLOCKS, BYTES},
                   of_scales[] = {EXPERTS, OUT, BLOCKS};
    const pl_st_entry entries[] = {{.name = "l.down_proj_blocks", .n_dims = 4, .dims = of_blocks},
                                   {.name = "l.down_proj_scales", .n_dims = 3, .dims = of_scales}};
    const char *const raws[] = {"U8", "U8"};
    const void *const bytes[] = {blocks, scales};
    const size_t sizes[] = {sizeof blocks, sizeof scales};
    for (size_t i = 0; i < sizeof blocks; i++) {
        blocks[i] = (uint8_t)(i * 37 + i / 7);
    }
    for (int nan = 0; nan < 2; nan++) {
        pl_error err;
        pl_temp temp;
        pl_st_writer *writer = NULL;
        pl_checkpoint *checkpoint = NULL;
        for (size_t i = 0; i < sizeof scales; i++) {
            scales[i] = (uint8_t)(120 + i % 9);
        }
        scales[(OUT + 2) * BLOCKS + 1] = nan != 0 ? 255 : 3;
        pl_temp_init(&temp);
        const char *path = pl_temp_path(&temp, "model.safetensors");
        pl_check_ok(pl_st_writer_create(path, entries, raws, 2, NULL, &writer, &err), err);
        for (size_t i = 0; i < 2; i++) {
            const size_t at = pl_st_writer_order(writer, i);
            pl_check_ok(pl_st_writer_put_raw(writer, bytes[at], sizes[at], &err), err);
        }
        pl_check_ok(pl_st_writer_commit(writer, &err), err);
        pl_st_writer_destroy(writer);
        pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
        const pl_tensor *tensor = pl_checkpoint_find(checkpoint, "l.down_proj");
        assert_non_null(tensor);
        assert_int_equal(pl_checkpoint_count(checkpoint), 1);
        assert_int_equal(tensor->n_dims, 3);
        assert_int_equal(tensor->dims[0], EXPERTS);
        assert_int_equal(tensor->dims[1], OUT);
        assert_int_equal(tensor->dims[2], IN);
        const size_t first = OUT + 1; /* of the second expert */
        const pl_status status = pl_checkpoint_read(checkpoint, tensor, first, 4, found, &err);
        assert_int_equal(status, nan != 0 ? PL_ERR_NUMERIC : PL_OK);
        for (size_t i = 0; nan == 0 && i < 4 * IN; i++) {
            const size_t at = first * IN + i;
            const unsigned code = blocks[at / 2] >> (at % 2 * 4) & 15;
            const double meant = ldexp(e2m1(code), scales[at / (2 * BYTES)] - 127);
            expect_close(found[i], meant, 0);
        }
        pl_checkpoint_close(checkpoint);
        pl_temp_deinit(&temp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layout),
        cmocka_unit_test(test_gguf_blocks),
        cmocka_unit_test(test_floats_are_read),
        cmocka_unit_test(test_fp8_blocks_as_many_as_rows),
        cmocka_unit_test(test_blocks_of_experts_are_read),
        cmocka_unit_test(test_split_keeps_the_weights),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
