#include "tests/corrupt/open_bad.h"
#include "tests/support/own_folder.h"

/* Each builder makes one bad file.  The seeds that broke other parsers are named by what they do:
 * unchecked lengths and counts, size sums and byte counts that wrap, dimensions beyond the data,
 * huge alignments, unchecked element types. */

static const uint64_t two[] = {2}, block_of_32[] = {32, 1};

static void one_tensor(pl_buf *out, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                       uint64_t offset, size_t data)
{
    make_gguf(out, 3, 1, 0);
    make_info(out, "t", n_dims, dims, type, offset);
    make_padding(out, 32);
    make_zeros(out, data);
}

static void wrong_magic(pl_buf *out)
{
    pl_buf_append(out, "GGML\3\0\0\0", 8);
    make_zeros(out, 16);
}

static void big_endian_magic(pl_buf *out)
{
    pl_buf_append(out, "FUGG\3\0\0\0", 8);
    make_zeros(out, 16);
}

static void big_endian_version(pl_buf *out)
{
    pl_buf_append(out, "GGUF\0\0\0\3", 8);
    make_zeros(out, 16);
}

static void version_0(pl_buf *out)
{
    make_gguf(out, 0, 0, 0);
}

static void version_1(pl_buf *out)
{
    make_gguf(out, 1, 0, 0);
}

static void version_4(pl_buf *out)
{
    make_gguf(out, 4, 0, 0);
}

static void cut_magic(pl_buf *out)
{
    pl_buf_append(out, "GGU", 3);
}

static void cut_counts(pl_buf *out)
{
    pl_buf_append(out, "GGUF\3\0\0\0\1\0\0", 11);
}

static void huge_tensor_count(pl_buf *out)
{
    make_gguf(out, 3, UINT64_MAX, 0);
    make_zeros(out, 100);
}

static void huge_key_count(pl_buf *out)
{
    make_gguf(out, 3, 0, UINT64_C(1) << 61);
    make_zeros(out, 100);
}

static void count_beyond_the_keys(pl_buf *out)
{
    make_gguf(out, 3, 4, 1);
    make_key(out, "k", 8);
    make_text(out, "a value that takes most of the file, so that no four tensors can follow it, "
                   "whatever the header says about them");
}

static void missing_key(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
}

static void duplicate_key(pl_buf *out)
{
    make_gguf(out, 3, 0, 2);
    make_u32_key(out, "same", 1);
    make_u32_key(out, "same", 2);
}

static void duplicate_key_after_null(pl_buf *out)
{
    const uint32_t nan = 0x7fc00000;
    make_gguf(out, 3, 0, 2);
    make_key(out, "same", 6);
    make_u32(out, nan);
    make_u32_key(out, "same", 2);
}

static void key_not_utf8(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u32_key(out, "k\xff", 2);
}

static void empty_key(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u32_key(out, "", 2);
}

static void key_with_nul(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u64(out, 3);
    pl_buf_append(out, "a\0b", 3);
    make_u32(out, 4);
    make_u32(out, 1);
}

static void key_past_the_end(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u64(out, 1000);
    make_zeros(out, 20);
}

static void key_of_all_memory(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u64(out, UINT64_MAX);
    make_zeros(out, 20);
}

static void string_past_the_end(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "general.name", 8);
    make_u64(out, 5000);
    make_zeros(out, 20);
}

static void string_of_all_memory(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "general.name", 8);
    make_u64(out, UINT64_MAX);
    make_zeros(out, 20);
}

static void value_type_13(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "k", 13);
    make_zeros(out, 20);
}

static void bool_of_2(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "flag", 7);
    pl_buf_append(out, "\2", 1);
}

static void nested_array(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "deep", 9);
    make_u32(out, 9);
    make_u64(out, 1);
    make_zeros(out, 20);
}

static void array_of_type_99(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "list", 9);
    make_u32(out, 99);
    make_u64(out, 1);
    make_zeros(out, 20);
}

static void array_past_the_end(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "list", 9);
    make_u32(out, 5);
    make_u64(out, 6);
    make_zeros(out, 20);
}

static void array_that_wraps(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "list", 9);
    make_u32(out, 10);
    make_u64(out, (UINT64_C(1) << 61) + 1);
    make_zeros(out, 20);
}

static void strings_past_the_end(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "tokenizer.ggml.tokens", 9);
    make_u32(out, 8);
    make_u64(out, 2);
    make_text(out, "first");
    make_u64(out, 77);
    make_zeros(out, 20);
}

static void too_many_strings(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "tokenizer.ggml.tokens", 9);
    make_u32(out, 8);
    make_u64(out, UINT64_C(1) << 31);
    make_zeros(out, 20);
}

static void alignment_of_48(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u32_key(out, "general.alignment", 48);
}

static void alignment_of_0(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_u32_key(out, "general.alignment", 0);
}

static void alignment_a_string(pl_buf *out)
{
    make_gguf(out, 3, 0, 1);
    make_key(out, "general.alignment", 5);
    make_u32(out, 32);
}

static void huge_alignment(pl_buf *out)
{
    make_gguf(out, 3, 1, 1);
    make_u32_key(out, "general.alignment", 1u << 31);
    make_info(out, "t", 1, two, 0, 0);
    make_zeros(out, 100);
}

static void name_of_64_bytes(pl_buf *out)
{
    make_gguf(out, 3, 1, 0);
    make_info(out, "0123456789012345678901234567890123456789012345678901234567890123", 1, two, 0,
              0);
    make_zeros(out, 100);
}

static void empty_name(pl_buf *out)
{
    make_gguf(out, 3, 1, 0);
    make_info(out, "", 1, two, 0, 0);
    make_zeros(out, 100);
}

static void duplicate_name(pl_buf *out)
{
    make_gguf(out, 3, 2, 0);
    make_info(out, "t", 1, two, 0, 0);
    make_info(out, "t", 1, two, 0, 32);
    make_padding(out, 32);
    make_zeros(out, 64);
}

static void five_dimensions(pl_buf *out)
{
    static const uint64_t dims[] = {1, 1, 1, 1, 1};
    one_tensor(out, 5, dims, 0, 0, 64);
}

static void huge_n_dims(pl_buf *out)
{
    make_gguf(out, 3, 1, 0);
    make_text(out, "t");
    make_u32(out, UINT32_MAX);
    make_zeros(out, 100);
}

static void dims_that_wrap(pl_buf *out)
{
    static const uint64_t dims[] = {UINT64_C(1) << 32, UINT64_C(1) << 32, 1, 1};
    one_tensor(out, 4, dims, 0, 0, 64);
}

static void bytes_that_wrap(pl_buf *out)
{
    static const uint64_t dims[] = {UINT64_C(1) << 62};
    one_tensor(out, 1, dims, 0, 0, 64);
}

static void dims_beyond_the_data(pl_buf *out)
{
    static const uint64_t dims[] = {32, 1000};
    one_tensor(out, 2, dims, 3, 0, 64);
}

static void rows_of_half_a_block(pl_buf *out)
{
    static const uint64_t dims[] = {48, 2};
    one_tensor(out, 2, dims, 3, 0, 64);
}

static void rows_of_half_a_k_block(pl_buf *out)
{
    static const uint64_t dims[] = {128, 2};
    one_tensor(out, 2, dims, 12, 0, 4096);
}

/* As many elements as one block, but no row of them. */
static void a_k_block_over_two_rows(pl_buf *out)
{
    static const uint64_t dims[] = {384, 2};
    one_tensor(out, 2, dims, 14, 0, 4096);
}

static void a_k_block_cut_short(pl_buf *out)
{
    static const uint64_t dims[] = {256, 3};
    one_tensor(out, 2, dims, 10, 0, 3 * 84 - 1);
}

static void offset_not_0(pl_buf *out)
{
    one_tensor(out, 1, two, 0, 32, 128);
}

static void offset_unpadded(pl_buf *out)
{
    make_gguf(out, 3, 2, 0);
    make_info(out, "t", 1, two, 0, 0);
    make_info(out, "u", 1, two, 0, 8);
    make_padding(out, 32);
    make_zeros(out, 64);
}

static void offsets_overlap(pl_buf *out)
{
    make_gguf(out, 3, 2, 0);
    make_info(out, "t", 2, block_of_32, 3, 0);
    make_info(out, "u", 1, two, 0, 0);
    make_padding(out, 32);
    make_zeros(out, 64);
}

static void offset_after_unknown_type(pl_buf *out)
{
    make_gguf(out, 3, 2, 0);
    make_info(out, "t", 2, block_of_32, 77, 0);
    make_info(out, "u", 1, two, 0, 40);
    make_padding(out, 32);
    make_zeros(out, 128);
}

static void sums_that_wrap(pl_buf *out)
{
    static const uint64_t dims[] = {(UINT64_C(1) << 61) - 1};
    make_gguf(out, 3, 2, 0);
    make_info(out, "t", 1, dims, 0, 0);
    make_info(out, "u", 1, dims, 0, 0);
    make_padding(out, 32);
    make_zeros(out, 64);
}

static void offset_at_the_end_of_numbers(pl_buf *out)
{
    make_gguf(out, 3, 2, 0);
    make_info(out, "t", 2, block_of_32, 77, 0);
    make_info(out, "u", 1, two, 0, UINT64_MAX - 31);
    make_padding(out, 32);
    make_zeros(out, 64);
}

static void data_missing(pl_buf *out)
{
    make_gguf(out, 3, 1, 0);
    make_info(out, "t", 1, two, 0, 0);
}

static void control_characters(pl_buf *out)
{
    make_gguf(out, 3, 1, 0);
    make_info(out, "\x1b]0;hi\a", 1, two, 0, 32);
    make_zeros(out, 100);
}

static const struct {
    void (*make)(pl_buf *out);
    const char *what, *words;
} cases[] = {
#define CASE(name, words)                                                                          \
    {                                                                                              \
        name, #name, words                                                                         \
    }
    CASE(wrong_magic, "magic number: expected GGUF"),
    CASE(big_endian_magic, "big-endian|expected little-endian"),
    CASE(big_endian_version, "big-endian"),
    CASE(version_0, "version 0, expected 2 or 3"),
    CASE(version_1, "version 1, expected 2 or 3"),
    CASE(version_4, "version 4, expected 2 or 3"),
    CASE(cut_magic, "magic number|ends after 3 more bytes, expected 4"),
    CASE(cut_counts, "counts|ends after 3 more bytes, expected 16"),
    CASE(huge_tensor_count, "18446744073709551615 tensors, expected at most 4"),
    CASE(huge_key_count, "2305843009213693952 keys, expected at most 7"),
    CASE(count_beyond_the_keys, "4 tensors, expected at most 0|rest of the file"),
    CASE(missing_key, "1 keys, expected at most 0"),
    CASE(duplicate_key, "key 'same': occurs twice"),
    CASE(duplicate_key_after_null, "key 'same': occurs twice"),
    CASE(key_not_utf8, "key 'k\\xff': expected a name in UTF-8"),
    CASE(empty_key, "key '': expected a name"),
    CASE(key_with_nul, "key 'a\\x00b': expected a name"),
    CASE(key_past_the_end, "the name of key 0|1000 bytes, expected at most 20"),
    CASE(key_of_all_memory, "the name of key 0|18446744073709551615 bytes, expected at most 20"),
    CASE(string_past_the_end, "general.name|5000 bytes, expected at most 20"),
    CASE(string_of_all_memory, "general.name|expected at most 20"),
    CASE(value_type_13, "key 'k': value type 13, expected 0 to 12"),
    CASE(bool_of_2, "key 'flag': expected a boolean of 0 or 1"),
    CASE(nested_array, "key 'deep': an array of arrays"),
    CASE(array_of_type_99, "key 'list': an array of an unknown value type"),
    CASE(array_past_the_end, "key 'list': an array of 6 values, expected at most 5"),
    CASE(array_that_wraps, "key 'list'|expected at most 2"),
    CASE(strings_past_the_end, "tokenizer.ggml.tokens|77 bytes, expected at most 20"),
    CASE(too_many_strings, "tokenizer.ggml.tokens|2147483648 values"),
    CASE(alignment_of_48, "general.alignment': expected a power of two"),
    CASE(alignment_of_0, "general.alignment': expected a power of two"),
    CASE(alignment_a_string, "general.alignment': expected a power of two, as a uint32"),
    CASE(huge_alignment, "general.alignment 2147483648|within the file"),
    CASE(name_of_64_bytes, "the entry of tensor 0|64 bytes, expected at most 63"),
    CASE(empty_name, "tensor '': expected a name"),
    CASE(duplicate_name, "tensor 't' occurs twice"),
    CASE(five_dimensions, "tensor 't': 5 dimensions, expected at most 4"),
    CASE(huge_n_dims, "4294967295 dimensions, expected at most 4"),
    CASE(dims_that_wrap, "tensor 't'|product of its dimensions overflows"),
    CASE(bytes_that_wrap, "tensor 't'|size in bytes overflows"),
    CASE(dims_beyond_the_data, "needs 20000 bytes at offset 0|at most 64"),
    CASE(rows_of_half_a_block, "rows of 48 elements, expected a multiple of Q4_1's 32"),
    CASE(rows_of_half_a_k_block, "rows of 128 elements, expected a multiple of Q4_K's 256"),
    CASE(a_k_block_over_two_rows, "rows of 384 elements, expected a multiple of Q6_K's 256"),
    CASE(a_k_block_cut_short, "needs 252 bytes at offset 0|at most 251"),
    CASE(offset_not_0, "offset 32, expected 0"),
    CASE(offset_unpadded, "tensor 'u': offset 8, expected 32"),
    CASE(offsets_overlap, "tensor 'u': offset 0, expected 32"),
    CASE(offset_after_unknown_type, "offset 40, expected an aligned one of at least 0"),
    CASE(sums_that_wrap, "tensor 't'|the file is too short"),
    CASE(offset_at_the_end_of_numbers, "tensor 'u'|the file is too short"),
    CASE(data_missing, "the data begins at byte 64|expected it within the file's"),
    CASE(control_characters, "\\x1b]0;hi\\x07"),
#undef CASE
};

static void every_bad_file_is_named(void **state)
{
    pl_temp *temp = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_buf file = {0};
        cases[i].make(&file);
        check_refused(cases[i].what, pl_temp_write(temp, "x.gguf", file.data, file.size),
                      cases[i].words);
        pl_buf_deinit(&file);
    }
}

/* A good file with every kind of value, cut after each byte of its header. */
static void every_prefix_is_refused(void **state)
{
    pl_temp *temp = *state;
    pl_buf file = {0};
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    make_gguf(&file, 2, 2, 3);
    make_u32_key(&file, "general.alignment", 8);
    make_key(&file, "tokenizer.ggml.tokens", 9);
    make_u32(&file, 8);
    make_u64(&file, 2);
    make_text(&file, "ab");
    make_text(&file, "\xff");
    make_key(&file, "list", 9);
    make_u32(&file, 3);
    make_u64(&file, 2);
    make_u32(&file, 0x00020001);
    make_info(&file, "t", 2, block_of_32, 8, 0);
    make_info(&file, "u", 1, two, 0, 40);
    make_padding(&file, 8);
    make_zeros(&file, 48);
    for (size_t size = 0; size < file.size; size++) {
        check_refused("prefix", pl_temp_write(temp, "p.gguf", file.data, size), "expected");
    }
    pl_check_ok(
        pl_checkpoint_open(pl_temp_write(temp, "p.gguf", file.data, file.size), &checkpoint, &err),
        err);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&file);
}

static void values_that_are_not_finite(void **state)
{
    pl_temp *temp = *state;
    pl_buf file = {0};
    pl_checkpoint *checkpoint = NULL;
    pl_error err;
    float out[32];
    one_tensor(&file, 2, block_of_32, 3, 0, 20);
    file.data[file.size - 19] = 0x7c; /* the scale is an infinity */
    pl_check_ok(
        pl_checkpoint_open(pl_temp_write(temp, "n.gguf", file.data, file.size), &checkpoint, &err),
        err);
    assert_int_equal(
        pl_checkpoint_read(checkpoint, pl_checkpoint_tensor(checkpoint, 0), 0, 1, out, &err),
        PL_ERR_NUMERIC);
    pl_check_says(err, "tensor 't' holds NaN at element 0"); /* 0 * infinity */
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&file);
}

/* Part `no` (from 0) of a split file with one tensor of its own. */
static const char *write_part(pl_temp *temp, const char *name, uint32_t no, uint32_t count,
                              uint32_t tensors)
{
    pl_buf file = {0};
    char tensor[16];
    snprintf(tensor, sizeof tensor, "t%u", no);
    make_gguf(&file, 3, 1, 3);
    make_u32_key(&file, "split.no", no);
    make_u32_key(&file, "split.count", count);
    make_u32_key(&file, "split.tensors.count", tensors);
    make_info(&file, tensor, 1, two, 0, 0);
    make_padding(&file, 32);
    const float values[2] = {(float)no, 1};
    pl_buf_append(&file, values, sizeof values);
    make_padding(&file, 32);
    const char *path = pl_temp_write(temp, name, file.data, file.size);
    pl_buf_deinit(&file);
    return path;
}

/* Any part opens all; what does not fit together is named. */
static void parts_of_a_split_file(void **state)
{
    pl_temp *temp = *state;
    pl_error err = {0};
    for (uint32_t no = 0; no < 3; no++) {
        char name[64];
        snprintf(name, sizeof name, "m-%05u-of-00003.gguf", no + 1);
        write_part(temp, name, no, 3, 3);
    }
    for (int no = 0; no < 3; no++) {
        pl_checkpoint *checkpoint = NULL;
        char name[64];
        snprintf(name, sizeof name, "m-%05d-of-00003.gguf", no + 1);
        pl_check_ok(pl_checkpoint_open(pl_temp_path(temp, name), &checkpoint, &err), err);
        assert_int_equal(pl_checkpoint_count(checkpoint), 3);
        assert_int_equal(pl_checkpoint_shards(checkpoint), 3);
        for (size_t i = 0; i < 3; i++) {
            const pl_tensor *tensor = pl_checkpoint_tensor(checkpoint, i);
            float out[2];
            pl_check_ok(pl_checkpoint_read(checkpoint, tensor, 0, 1, out, &err), err);
            assert_int_equal(tensor->shard, i);
            expect_at_most((float)i, out[0]);
            expect_at_most(out[0], (float)i);
            expect_at_most(1, out[1]);
        }
        pl_checkpoint_close(checkpoint);
    }
    check_refused("renamed", write_part(temp, "other.gguf", 0, 3, 3),
                  "split.count is 3: expected a name that ends in -00001-of-00003.gguf");
    check_refused("renamed", write_part(temp, "other.gguf", 2, 3, 3),
                  "expected a name that ends in -00001-of-00003.gguf");
    check_refused("too many", write_part(temp, "o.gguf", 0, 70000, 3), "expected at most 65535");
    check_refused("other number", write_part(temp, "m-00001-of-00003.gguf", 0, 3, 9),
                  "split.tensors.count is 9, but its parts hold 3 tensors");
    const char *path = write_part(temp, "m-00001-of-00003.gguf", 0, 3, 3);
    write_part(temp, "m-00002-of-00003.gguf", 2, 3, 3);
    pl_checkpoint *checkpoint = NULL;
    assert_int_equal(pl_checkpoint_open(path, &checkpoint, &err), PL_ERR_FORMAT);
    pl_check_says(err, "m-00002-of-00003.gguf: split.no is 2 and split.count 3, expected 1 and 3");
    pl_temp_write(temp, "m-00002-of-00003.gguf", "GGUF", 4);
    assert_int_equal(pl_checkpoint_open(path, &checkpoint, &err), PL_ERR_FORMAT);
    pl_check_says(err, "m-00002-of-00003.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_file_is_named),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(values_that_are_not_finite),
        cmocka_unit_test(parts_of_a_split_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
