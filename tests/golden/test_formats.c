/* The number formats to the last bit, against torchao, compressed-tensors, gguf, bitsandbytes and
 * ml_dtypes: format_values.json, by tests/golden/make_format_values.py. */
#include "core/format/grid.h"

#include "tests/support/check.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *read_values(void)
{
    char path[600];
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/golden/format_values.json", root != NULL ? root : ".");
    json_t *values = json_load_file(path, 0, NULL);
    assert_non_null(values);
    return values;
}

/* Bytes given in hexadecimal; *size of them. */
static unsigned char *bytes_of(const json_t *text, size_t *size)
{
    const char *hex = json_string_value(text);
    assert_non_null(hex);
    *size = strlen(hex) / 2;
    unsigned char *out = malloc(*size + 1);
    assert_non_null(out);
    for (size_t i = 0; i < *size; i++) {
        const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return out;
}

typedef struct golden_case {
    const json_t *json;
    pl_grid grid;
    size_t rows, cols;
    const float *x;
    const unsigned char *codes, *scales, *ties;
    size_t n_scales; /* bytes */
    bool keeps_sign; /* of -0 */
} golden_case;

static size_t size_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    assert_true(json_is_integer(value));
    return (size_t)json_integer_value(value);
}

static void check_code(const golden_case *c, size_t r, size_t k, size_t at, int found)
{
    const int expected = c->codes[r * c->cols + at];
    const bool gguf = c->ties != NULL;
    /* compressed-tensors takes -0 as 0, gguf all that rounds to it; gguf ties go to the smaller. */
    const bool no_sign =
        expected == 0 && found == 8 && (gguf || (!c->keeps_sign && c->x[r * c->cols + at] == 0.0f));
    const bool tie = gguf && c->ties[r * c->cols + at] != 0 && (found & 7) == (expected & 7) + 1;
    if (found != expected && !no_sign && !tie) {
        fail_msg("%s of %s: row %zu, group %zu, column %zu: %a has code %d, expected %d",
                 json_string_value(json_object_get(c->json, "format")),
                 json_string_value(json_object_get(c->json, "source")), r, k, at,
                 (double)c->x[r * c->cols + at], found, expected);
    }
}

static void check_groups(golden_case *c)
{
    const size_t groups = pl_grid_groups(&c->grid, c->cols);
    const size_t width = c->grid.group_size == 0 ? c->cols : c->grid.group_size;
    const bool bytes = c->grid.format->scale_bits == 8;
    const bool one = c->grid.scale_mode == PL_SCALE_TENSOR;
    assert_int_equal(c->n_scales, (one ? 1 : c->rows * groups) * (bytes ? 1 : 4));
    pl_grid_begin(&c->grid, (pl_view){c->x, c->rows, c->cols, c->cols});
    const json_t *tensor = json_object_get(c->json, "tensor_scale");
    if (tensor != NULL) {
        expect_close(pl_grid_tensor_scale(&c->grid), (float)json_number_value(tensor), 0);
    }
    for (size_t r = 0; r < c->rows; r++) {
        for (size_t k = 0; k < groups; k++) {
            const float *x = c->x + r * c->cols + k * width;
            const size_t count = c->cols - k * width < width ? c->cols - k * width : width;
            const pl_grid_param param = pl_grid_fit(&c->grid, x, count, 1);
            const size_t place = one ? 0 : r * groups + k;
            int16_t codes[128];
            uint32_t stored = c->scales[place];
            if (!bytes) {
                memcpy(&stored, c->scales + 4 * place, 4);
            }
            assert_int_equal(pl_grid_stored_scale(&c->grid, param.scale), stored);
            pl_grid_codes(&c->grid, param, x, count, codes);
            for (size_t i = 0; i < count; i++) {
                check_code(c, r, k, k * width + i, codes[i]);
                assert_true(isfinite(pl_grid_value(&c->grid, param, codes[i])));
            }
        }
    }
}

static void test_against_packages(void **ctx)
{
    (void)ctx;
    json_t *values = read_values();
    size_t i = 0;
    json_t *json = NULL;
    json_array_foreach(json_object_get(values, "cases"), i, json)
    {
        const pl_format *format =
            pl_format_find(json_string_value(json_object_get(json, "format")));
        assert_non_null(format);
        const json_t *mode = json_object_get(json, "mode"), *ties = json_object_get(json, "ties"),
                     *width = json_object_get(json, "group_size");
        size_t size = 0;
        golden_case c = {
            .json = json, .rows = size_of(json, "rows"), .cols = size_of(json, "cols")};
        c.grid = (pl_grid){.bits = format->bits,
                           .format = format,
                           .group_size = width != NULL ? (size_t)json_integer_value(width)
                                                       : format->group_size,
                           .scale_mode = mode != NULL ? pl_scale_mode_find(json_string_value(mode))
                                                      : format->mode};
        unsigned char *x =
            bytes_of(json_array_get(json_object_get(values, "inputs"), size_of(json, "x")), &size);
        assert_int_equal(size, c.rows * c.cols * sizeof(float));
        unsigned char *codes = bytes_of(json_object_get(json, "codes"), &size);
        assert_int_equal(size, c.rows * c.cols);
        unsigned char *scales = bytes_of(json_object_get(json, "scales"), &c.n_scales);
        unsigned char *tied = ties != NULL ? bytes_of(ties, &size) : NULL;
        c.x = (const float *)(const void *)x;
        c.codes = codes;
        c.scales = scales;
        c.ties = tied;
        c.keeps_sign =
            strcmp(json_string_value(json_object_get(json, "source")), "compressed-tensors") != 0;
        check_groups(&c);
        free(x);
        free(codes);
        free(scales);
        free(tied);
    }
    expect_at_most(29, i);
    json_decref(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_packages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
