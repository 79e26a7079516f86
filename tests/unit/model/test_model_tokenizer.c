#include "tests/unit/model/tokens.h"
#include "tests/support/own_folder.h"

static const char *const merges[] = {"a b", "ab c", "b c", "Ġ a", "a a", "aa aa", NULL};
enum { AB = 256, ABC, BC, SPACE_A, AA, AAAA };

static pl_tokenizer *open_tokens(pl_temp *temp, json_t *json)
{
    pl_error err;
    pl_tokenizer *tokenizer = NULL;
    pl_check_ok(tokens_read(temp, json, &tokenizer, &err), err);
    return tokenizer;
}

static void merges_go_by_rank_then_position(void **state)
{
    for (int pairs = 0; pairs < 2; pairs++) {
        pl_tokenizer *t = open_tokens(*state, tokens_byte_level(merges, pairs));
        assert_int_equal(pl_tokenizer_vocab_size(t), 262);
        TOKENS(t, "abc", ABC);
        TOKENS(t, "bc", BC);
        TOKENS(t, "abcbc", ABC, BC);
        TOKENS(t, "aaa", AA, 'a');
        TOKENS(t, "aaaaa", AAAA, 'a');
        TOKENS(t, "x a", 'x', SPACE_A);
        TOKENS(t, "\xc3\xa9", 0xc3, 0xa9);
        TOKENS(t, "a\nb", 'a', '\n', 'b');
        tokens_check(t, "", NULL, 0);
        pl_tokenizer_destroy(t);
    }
}

static void gpt2s_pattern_splits(void **state)
{
    static const char *const joins[] = {"' s", "Ġ Ġ", "1 2", "a '", "1 a", ". a", NULL};
    pl_tokenizer *t = open_tokens(*state, tokens_byte_level(joins, 0));
    TOKENS(t, "a's", 'a', 256); /* "a '" cannot merge across the split */
    TOKENS(t, "12", 258);
    TOKENS(t, "1a.a", '1', 'a', '.', 'a');
    TOKENS(t, "a   b", 'a', 257, ' ', 'b'); /* the last blank goes with the word */
    TOKENS(t, "a  ", 'a', 257);
    pl_tokenizer_destroy(t);
}

static void unicodes_blanks_are_those_of_its_property(void **state)
{
    json_t *json = tokens_byte_level(NULL, 0);
    tokens_set(json, "pre_tokenizer",
               "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\":"
               "{\"Regex\": \"\\\\s+\"}, \"behavior\": \"Removed\", \"invert\": false},"
               "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}");
    pl_tokenizer *t = open_tokens(*state, json);
    TOKENS(t, "a\xc2\x85\xe3\x80\x80\t b", 'a', 'b');
    TOKENS(t, "\xe1\xa0\x8e", 0xe1, 0xa0, 0x8e);
    TOKENS(t, "\xe2\x80\x8b", 0xe2, 0x80, 0x8b);
    pl_tokenizer_destroy(t);
}

static void whole_pieces_come_first_with_ignore_merges(void **state)
{
    json_t *json = tokens_byte_level(merges, 1);
    json_object_set_new(json_object_get(json_object_get(json, "model"), "vocab"), "xyz",
                        json_integer(300));
    pl_tokenizer *plain = open_tokens(*state, json_deep_copy(json));
    TOKENS(plain, "xyz", 'x', 'y', 'z');
    tokens_set(json_object_get(json, "model"), "ignore_merges", "true");
    pl_tokenizer *whole = open_tokens(*state, json);
    TOKENS(whole, "xyz", 300);
    TOKENS(whole, "xyzabc", 'x', 'y', 'z', ABC);
    assert_int_equal(pl_tokenizer_vocab_size(whole), 301);
    pl_tokenizer_destroy(plain);
    pl_tokenizer_destroy(whole);
}

static void added_tokens_are_cut_out_first(void **state)
{
    json_t *json = tokens_byte_level(merges, 1);
    tokens_set(json, "added_tokens",
               "[{\"id\": 400, \"content\": \"<x>\", \"special\": true},"
               "{\"id\": 401, \"content\": \"<x>y\", \"special\": true},"
               "{\"id\": 402, \"content\": \"LL\", \"special\": true, \"lstrip\": true},"
               "{\"id\": 403, \"content\": \"RR\", \"special\": true, \"rstrip\": true},"
               "{\"id\": 404, \"content\": \"word\", \"special\": true, \"single_word\": true}]");
    pl_tokenizer *t = open_tokens(*state, json);
    TOKENS(t, "ab<x>c", AB, 400, 'c');
    TOKENS(t, "<x>yab", 401, AB);
    TOKENS(t, "<x<x>", '<', 'x', 400);
    TOKENS(t, "b \n LLb", 'b', 402, 'b');
    TOKENS(t, "bRR \tb", 'b', 403, 'b');
    TOKENS(t, "RR  LL", 403, 402);
    TOKENS(t, "word", 404);
    TOKENS(t, "words", 'w', 'o', 'r', 'd', 's');
    TOKENS(t, "\xc3\xa9word", 0xc3, 0xa9, 'w', 'o', 'r', 'd');
    TOKENS(t, "-word.", '-', 404, '.');
    assert_int_equal(pl_tokenizer_vocab_size(t), 405);
    pl_tokenizer_destroy(t);
}

static void nfc_composes(void **state)
{
    json_t *json = tokens_byte_level(NULL, 1);
    tokens_set(json, "normalizer", "{\"type\": \"NFC\"}");
    tokens_set(json, "added_tokens",
               "[{\"id\": 400, \"content\": \"\\u212b\", \"special\": false,"
               "\"normalized\": true}]");
    pl_tokenizer *t = open_tokens(*state, json);
    TOKENS(t, "e\xcc\x81", 0xc3, 0xa9);
    TOKENS(t, "A\xcc\x8a!", 400, '!'); /* the angstrom sign and A with a ring compose alike */
    pl_tokenizer_destroy(t);
}

static const char metaspace_json[] =
    "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", "
    "\"prepend\": \"\\u2581\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"},"
    "\"content\": \"\\u2581\"}]}, \"pre_tokenizer\": null, \"added_tokens\": [{\"id\": 1,"
    "\"content\": \"<s>\", \"special\": true}], \"post_processor\": {\"type\":"
    "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}},"
    "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"special_tokens\": {\"<s>\": {\"id\":"
    "\"<s>\", \"ids\": [1], \"tokens\": [\"<s>\"]}}}, \"model\": {\"type\": \"BPE\", \"unk_token\":"
    "\"<unk>\", \"fuse_unk\": true, \"byte_fallback\": true, \"vocab\": {\"<unk>\": 0, \"<s>\": 1,"
    "\"\\u2581\": 2, \"a\": 3, \"\\u2581a\": 4, \"<0xC3>\": 5, \"<0xA9>\": 6, \"b\": 7, \"<0x0A>\":"
    "8, \"a\\u2581\": 9}, \"merges\": [[\"\\u2581\", \"a\"], [\"a\", \"\\u2581\"]]}}";

static void metaspace_and_byte_fallback(void **state)
{
    pl_tokenizer *t = open_tokens(*state, tokens_parse(metaspace_json));
    TOKENS(t, "a", 4);
    TOKENS(t, " a", 2, 4);
    TOKENS(t, "a<s>a", 4, 1, 4); /* the prefix comes after an added token, too */
    TOKENS(t, "a \xc3\xa9", 4, 2, 5, 6);
    TOKENS(t, "b\n", 2, 7, 8);
    TOKENS(t, "xyzb", 2, 0, 7); /* no bytes for x, y, z: one fused unknown */
    TOKENS(t, "<0x0A>", 2, 0);  /* written out it is text: not the byte's token */
    tokens_check_bos(t, 1);
    pl_tokenizer_destroy(t);
}

static void tokens_are_shown_safely(void **state)
{
    pl_buf out = {0};
    pl_tokenizer *t = open_tokens(*state, tokens_byte_level(NULL, 0));
    static const struct {
        int32_t id;
        const char *raw, *shown;
    } cases[] = {{'a', "a", "a"},         {27, "\033", "\\x1b"}, {'\n', "\n", "\\n"},
                 {0xc3, "\xc3", "\\xc3"}, {99999, "", ""},       {-1, "", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        out.size = 0;
        pl_buf_puts(&out, "");
        pl_tokenizer_decode(t, cases[i].id, &out);
        assert_string_equal(out.data, cases[i].raw);
        out.size = 0;
        pl_buf_puts(&out, "");
        pl_tokenizer_show(t, cases[i].id, &out);
        assert_string_equal(out.data, cases[i].shown);
    }
    pl_tokenizer_destroy(t);
    t = open_tokens(*state, tokens_parse(metaspace_json));
    out.size = 0;
    for (int32_t id = 0; id < 10; id++) {
        pl_tokenizer_show(t, id, &out);
        pl_buf_puts(&out, "|");
    }
    assert_string_equal(out.data, "<unk>|<s>| |a| a|\\xc3|\\xa9|b|\\n|a |");
    pl_buf_deinit(&out);
    pl_tokenizer_destroy(t);
}

static void written_tokenizer_gives_the_same_ids(void **state)
{
    static const char *const texts[] = {"abc aab  b\n12 e\xcc\x81", "<s> a\xc3\xa9 xa", "a<s>"};
    for (int kind = 0; kind < 2; kind++) {
        pl_error err = {0};
        pl_buf text = {0};
        pl_temp *temp = *state;
        pl_tokenizer *again = NULL;
        json_t *json = kind == 0 ? tokens_byte_level(merges, 0) : tokens_parse(metaspace_json);
        if (kind == 0) {
            tokens_set(json, "normalizer", "{\"type\": \"NFC\"}");
        }
        pl_tokenizer *first = open_tokens(temp, json);
        pl_check_ok(pl_tokenizer_to_json(first, &text, &err), err);
        const char *path = pl_temp_write(temp, "again.json", text.data, text.size);
        pl_check_ok(pl_tokenizer_from_json(path, &again, &err), err);
        for (size_t i = 0; i < 3; i++) {
            int32_t *ids = NULL;
            size_t count = 0;
            pl_check_ok(
                pl_tokenizer_encode(first, texts[i], strlen(texts[i]), 0, &ids, &count, NULL, &err),
                err);
            expect_less(0, count);
            tokens_check(again, texts[i], ids, count);
            free(ids);
        }
        const pl_frame *frame = pl_tokenizer_frame(first);
        tokens_check_bos(again, frame->n_front > 0 ? frame->front[0] : -1);
        pl_buf_deinit(&text);
        pl_tokenizer_destroy(first);
        pl_tokenizer_destroy(again);
    }
}

/* 1 MB without a place to split: a heap is needed, squares of it would take minutes. */
static void a_long_word_takes_linear_time(void **state)
{
    enum { SIZE = 1 << 20 };
    pl_error err = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    pl_tokenizer *t = open_tokens(*state, tokens_byte_level(merges, 1));
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    pl_check_ok(pl_tokenizer_encode(t, text, SIZE, 0, &ids, &count, NULL, &err), err);
    assert_int_equal(count, SIZE / 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ids[i], AAAA);
    }
    free(ids);
    memset(text, ' ', SIZE);
    pl_check_ok(pl_tokenizer_encode(t, text, SIZE, 0, &ids, &count, NULL, &err), err);
    assert_int_equal(count, SIZE);
    free(ids);
    pl_task task = {.give_way = NULL};
    atomic_store(&task.cancel, true);
    memset(text, 'a', SIZE);
    assert_int_equal(pl_tokenizer_encode(t, text, SIZE, 0, &ids, &count, &task, &err),
                     PL_ERR_CANCELLED);
    assert_null(ids);
    assert_int_equal(count, 0);
    free(text);
    pl_tokenizer_destroy(t);
}

static void matches_can_belong_to_the_text_before_them(void **state)
{
    pl_temp *temp = *state;
    pl_error err;
    pl_tokenizer *tokenizer = NULL;
    static const char *const pairs[] = {"a \xc4\xa0", "\xc4\xa0 b", "\xc4\xa0 \xc4\xa0", NULL};
    json_t *json = tokens_byte_level(pairs, 0);
    tokens_set(json, "pre_tokenizer",
               "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\":"
               "{\"String\": \" \"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false},"
               "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}");
    pl_check_ok(tokens_read(temp, json, &tokenizer, &err), err);
    TOKENS(tokenizer, "a b  c", 256, 'b', ' ', ' ', 'c'); /* "a ", "b ", " ", "c" */
    TOKENS(tokenizer, " ba ", ' ', 'b', 256);
    pl_tokenizer_destroy(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(merges_go_by_rank_then_position, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gpt2s_pattern_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(matches_can_belong_to_the_text_before_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(unicodes_blanks_are_those_of_its_property, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(whole_pieces_come_first_with_ignore_merges, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(added_tokens_are_cut_out_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nfc_composes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metaspace_and_byte_fallback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_are_shown_safely, set_up, tear_down),
        cmocka_unit_test_setup_teardown(written_tokenizer_gives_the_same_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_word_takes_linear_time, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
