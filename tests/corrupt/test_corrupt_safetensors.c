#include "tests/corrupt/open_bad.h"
#include "tests/support/own_folder.h"

#include <math.h>

#define F32(name, shape, a, b)                                                                     \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #a "," #b "]}"

static const struct {
    const char *what, *json;
    size_t data;
    const char *words;
} cases[] = {
    {"no JSON", "hello", 0, "header: not valid"},
    {"empty header", "", 0, "header: not valid"},
    {"header cut inside", "{\"a\":{\"dtype\":", 0, "header: not valid"},
    {"not an object", "[1,2]", 0, "header: expected a JSON object"},
    {"two documents", "{}{}", 0, "header: not valid"},
    {"bad UTF-8", "{\"\xff\":1}", 0, "header: not valid UTF-8|0xff"},
    {"NUL in a name", "{\"a\\u0000b\":1}", 0, "header: not valid"},
    {"duplicate tensor", "{" F32("a", "[1]", 0, 4) "," F32("a", "[1]", 0, 4) "}", 4,
     "unique keys|duplicate"},
    {"duplicate field", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}", 4, "duplicate"},
    {"entry is a number", "{\"a\":3}", 0, "tensor 'a'|expected an object"},
    {"no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor 'a'|dtype: expected"},
    {"dtype a number", "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "dtype: expected"},
    {"no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
     "shape: expected an array"},
    {"shape a number", "{" F32("a", "4", 0, 4) "}", 4, "shape: expected an array"},
    {"negative size", "{" F32("a", "[-1]", 0, 4) "}", 4, "shape: expected whole numbers"},
    {"size a real", "{" F32("a", "[1.0]", 0, 4) "}", 4, "shape: expected whole numbers"},
    {"size beyond 64 bits", "{" F32("a", "[18446744073709551616]", 0, 4) "}", 4,
     "header: not valid|too big integer"},
    {"nine dimensions", "{" F32("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4,
     "too many dimensions, expected at most 8"},
    {"shape overflows", "{" F32("a", "[4294967296,4294967296,4294967296]", 0, 4) "}", 4,
     "tensor 'a'|product of its shape overflows"},
    {"bytes overflow to the right size", "{" F32("a", "[4611686018427387905]", 0, 4) "}", 4,
     "product of its shape overflows"},
    {"empty but overflowing", "{" F32("a", "[0,9223372036854775807,9223372036854775807]", 0, 0) "}",
     0, "product of its shape overflows"},
    {"no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets: expected two"},
    {"one offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4]}}", 4,
     "data_offsets: expected two"},
    {"negative offset", "{" F32("a", "[1]", -4, 0) "}", 4, "data_offsets: expected two"},
    {"offsets reversed", "{" F32("a", "[1]", 4, 0) "}", 4, "the start is greater than the end"},
    {"wrong product", "{" F32("a", "[3]", 0, 8) "}", 8, "tensor 'a'|span 8 bytes, expected 12"},
    {"wrong product of an I64", "{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,4]}}",
     4, "span 4 bytes, expected 8"},
    {"half a byte", "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1,
     "no whole number of bytes"},
    {"overlap", "{" F32("a", "[2]", 0, 8) "," F32("b", "[2]", 4, 12) "}", 12,
     "tensor 'b'|start at 4, expected 8|overlap"},
    {"the same bytes twice", "{" F32("a", "[1]", 0, 4) "," F32("b", "[1]", 0, 4) "}", 4, "overlap"},
    {"hole", "{" F32("a", "[1]", 0, 4) "," F32("b", "[1]", 8, 12) "}", 12,
     "tensor 'b'|start at 8, expected 4|hole"},
    {"hole at the start", "{" F32("a", "[1]", 4, 8) "}", 8, "start at 4, expected 0|hole"},
    {"data cut short", "{" F32("a", "[2]", 0, 8) "}", 7, "cut short|expected"},
    {"data too long", "{" F32("a", "[2]", 0, 8) "}", 9, "left over"},
    {"huge offsets", "{" F32("a", "[2305843009213693951]", 0, 9223372036854775804) "}", 8,
     "overflow"},
    {"far offsets of an empty one",
     "{" F32("a", "[0]", 9223372036854775807, 9223372036854775807) "}", 8, "hole"},
    {"metadata a list", "{\"__metadata__\":[1]}", 0, "__metadata__: expected an object of strings"},
    {"metadata holds a number", "{\"__metadata__\":{\"format\":3}}", 0,
     "__metadata__|'format': expected a string"},
    {"unknown dtype, overflowing shape",
     "{\"a\":{\"dtype\":\"Q9\",\"shape\":[9223372036854775807,4],\"data_offsets\":[0,4]}}", 4,
     "overflows"},
    {"control characters", "{\"a\\u001b[31m\":3}", 0, "a\\x1b[31m"},
};

static void every_bad_header_is_named(void **state)
{
    pl_temp *temp = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf file = {0};
        make_safetensors(&file, cases[i].json, cases[i].data);
        check_refused(cases[i].what, pl_temp_write(temp, "x.safetensors", file.data, file.size),
                      cases[i].words);
        pl_buf_deinit(&file);
    }
}

static void bad_lengths(void **state)
{
    pl_temp *temp = *state;
    static const struct {
        uint64_t length;
        const char *words;
    } lengths[] = {
        {100000001, "header length is 100000001|at most 100000000|limit"},
        {UINT64_MAX, "header length is 18446744073709551615|limit"},
        {UINT64_MAX - 7, "limit"},
        {3, "header length is 3 bytes, expected at most 2|what the file holds"},
    };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        pl_buf file = {0};
        make_u64(&file, lengths[i].length);
        pl_buf_puts(&file, "{}");
        check_refused("length", pl_temp_write(temp, "x.safetensors", file.data, file.size),
                      lengths[i].words);
        pl_buf_deinit(&file);
    }
    check_refused("empty file", pl_temp_write(temp, "x.safetensors", "", 0),
                  "has 0 bytes, expected at least 8");
    check_refused("7 bytes", pl_temp_write(temp, "x.safetensors", "1234567", 7),
                  "has 7 bytes, expected at least 8");
}

/* Every proper prefix of a good file is refused. */
static void every_prefix_is_refused(void **state)
{
    pl_temp *temp = *state;
    pl_buf file = {0};
    make_safetensors(&file, "{" F32("a", "[2]", 0, 8) "," F32("e", "[0]", 8, 8) "}", 8);
    for (size_t size = 0; size < file.size; size++) {
        check_refused("prefix", pl_temp_write(temp, "x.safetensors", file.data, size), "expected");
        if (size == 16) {
            size = file.size - 10; /* between lies one JSON error */
        }
    }
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    pl_check_ok(pl_checkpoint_open(pl_temp_write(temp, "x.safetensors", file.data, file.size),
                                   &checkpoint, &err),
                err);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&file);
}

static void values_that_are_not_finite(void **state)
{
    pl_temp *temp = *state;
    static const struct {
        float value;
        const char *words;
    } bad[] = {{NAN, "holds NaN at element 4 (row 1, column 1)"},
               {-INFINITY, "holds an infinity at element 4 (row 1, column 1)"}};
    for (size_t i = 0; i < 2; i++) {
        pl_buf file = {0};
        pl_checkpoint *checkpoint = NULL;
        pl_error err;
        float out[6];
        make_safetensors(&file, "{" F32("w", "[2,3]", 0, 24) "}", 24);
        memcpy(file.data + file.size - 8, &bad[i].value, 4);
        pl_check_ok(pl_checkpoint_open(pl_temp_write(temp, "n.safetensors", file.data, file.size),
                                       &checkpoint, &err),
                    err);
        const pl_tensor *w = pl_checkpoint_find(checkpoint, "w");
        assert_int_equal(pl_checkpoint_read(checkpoint, w, 0, 2, out, &err), PL_ERR_NUMERIC);
        pl_check_says(err, bad[i].words);
        pl_check_says(err, "tensor 'w'");
        assert_int_equal(pl_checkpoint_read(checkpoint, w, 1, 1, out, &err), PL_ERR_NUMERIC);
        pl_check_says(err, bad[i].words);
        pl_check_ok(pl_checkpoint_read(checkpoint, w, 0, 1, out, &err), err);
        pl_checkpoint_close(checkpoint);
        pl_buf_deinit(&file);
    }
}

static void a_file_cut_after_opening(void **state)
{
    pl_temp *temp = *state;
    pl_buf file = {0};
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    float out[2];
    make_safetensors(&file, "{" F32("w", "[2]", 0, 8) "}", 8);
    const char *path = pl_temp_write(temp, "c.safetensors", file.data, file.size);
    pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(
        pl_checkpoint_read(checkpoint, pl_checkpoint_find(checkpoint, "w"), 0, 1, out, &err),
        PL_ERR_CHANGED);
    pl_check_says(err, "changed since it was opened");
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_header_is_named), cmocka_unit_test(bad_lengths),
        cmocka_unit_test(every_prefix_is_refused),   cmocka_unit_test(values_that_are_not_finite),
        cmocka_unit_test(a_file_cut_after_opening),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
