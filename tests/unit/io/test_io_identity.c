#include "core/io/identity.h"

#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/temp.h"

static void text_form_round_trips(void **state)
{
    (void)state;
    char text[PL_ID_TEXT];
    pl_id id = {0x0123456789abcdef, 0xfedcba9876543210}, back;
    pl_id_format(id, text);
    assert_string_equal(text, "0123456789abcdeffedcba9876543210");
    assert_true(pl_id_parse(text, &back));
    assert_true(pl_id_equal(id, back));
    assert_false(pl_id_parse("0123456789abcdeffedcba987654321", &back));
    assert_false(pl_id_parse("0123456789abcdeffedcba98765432100", &back));
    assert_false(pl_id_parse("0123456789ABCDEFfedcba9876543210", &back));
    assert_false(pl_id_parse("", &back));
    /* The published XXH3-128 of nothing. */
    pl_id_format(pl_id_bytes("", 0), text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
}

static pl_id of_texts(const char *a, const char *b)
{
    pl_hasher *hasher = NULL;
    pl_error err;
    pl_check_ok(pl_hasher_create(&hasher, &err), err);
    pl_hasher_text(hasher, a);
    pl_hasher_text(hasher, b);
    pl_id id = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return id;
}

static pl_id of_real(double value)
{
    pl_hasher *hasher = NULL;
    pl_error err;
    pl_check_ok(pl_hasher_create(&hasher, &err), err);
    pl_hasher_f64(hasher, value);
    pl_id id = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return id;
}

static void fields_do_not_run_together(void **state)
{
    (void)state;
    assert_true(pl_id_equal(of_texts("ab", "c"), of_texts("ab", "c")));
    assert_false(pl_id_equal(of_texts("ab", "c"), of_texts("a", "bc")));
    assert_false(pl_id_equal(of_texts("", "abc"), of_texts("abc", "")));
    assert_true(pl_id_equal(of_real(0.0), of_real(-0.0)));
    assert_false(pl_id_equal(of_real(1.0), of_real(1.0000000000000002)));
}

static void pieces_hash_like_the_whole(void **state)
{
    (void)state;
    pl_hasher *hasher = NULL;
    pl_error err;
    char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7);
    }
    pl_check_ok(pl_hasher_create(&hasher, &err), err);
    pl_hasher_bytes(hasher, bytes, 333);
    pl_hasher_bytes(hasher, NULL, 0);
    pl_hasher_bytes(hasher, bytes + 333, 667);
    assert_true(pl_id_equal(pl_hasher_finish(hasher), pl_id_bytes(bytes, 1000)));
    pl_hasher_destroy(hasher);
    pl_hasher_destroy(NULL);
}

/* A file of two tensors, named and filled as told. */
static void identify(pl_temp *temp, const char *file_name, const char *json, int fill, pl_id *whole,
                     pl_id *first)
{
    pl_buf file = {0};
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    make_safetensors(&file, json, 16);
    memset(file.data + file.size - 16, fill, 8);
    pl_check_ok(
        pl_checkpoint_open(pl_temp_write(temp, file_name, file.data, file.size), &checkpoint, &err),
        err);
    pl_check_ok(pl_checkpoint_identity(checkpoint, whole, NULL, &err), err);
    pl_check_ok(
        pl_tensor_identity(checkpoint, pl_checkpoint_find(checkpoint, "a"), first, NULL, &err),
        err);
    pl_task task = {0};
    atomic_store(&task.cancel, 1);
    pl_id none;
    assert_int_equal(pl_checkpoint_identity(checkpoint, &none, &task, &err), PL_ERR_CANCELLED);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&file);
}

static void a_model_is_its_tensors(void **state)
{
    (void)state;
    pl_temp temp;
    pl_temp_init(&temp);
    pl_id base, a, other, b;
    const char *plain = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}";
    const char *spaced = "{ \"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
                         "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ";
    const char *shaped = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}";
    identify(&temp, "1.safetensors", plain, 1, &base, &a);
    identify(&temp, "2.safetensors", spaced, 1, &other, &b);
    assert_true(pl_id_equal(base, other));
    assert_true(pl_id_equal(a, b));
    identify(&temp, "3.safetensors", plain, 2, &other, &b);
    assert_false(pl_id_equal(base, other) || pl_id_equal(a, b));
    identify(&temp, "4.safetensors", shaped, 1, &other, &b);
    assert_false(pl_id_equal(base, other) || pl_id_equal(a, b));
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_form_round_trips),
        cmocka_unit_test(fields_do_not_run_together),
        cmocka_unit_test(pieces_hash_like_the_whole),
        cmocka_unit_test(a_model_is_its_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
