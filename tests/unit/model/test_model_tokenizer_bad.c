#include "tests/support/make_files.h"
#include "tests/unit/model/tokens.h"
#include "tests/support/own_folder.h"

static void unsupported_parts_are_named(void **state)
{
    static const struct {
        const char *key, *value;
        pl_status status;
        const char *says;
    } cases[] = {
        {"normalizer", "{\"type\": \"Lowercase\"}", PL_ERR_UNSUPPORTED, "normalizer 'Lowercase'"},
        {"normalizer",
         "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a\"}, \"content\": \"\"}",
         PL_ERR_UNSUPPORTED, "Regex"},
        {"normalizer",
         "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"\"}",
         PL_ERR_FORMAT, "normalizer.pattern is empty"},
        {"normalizer", "{\"type\": \"Prepend\"}", PL_ERR_FORMAT, "normalizer.prepend"},
        {"normalizer", "{\"type\": \"a\\u001bb\"}", PL_ERR_UNSUPPORTED, "a\\x1bb"},
        {"pre_tokenizer", "{\"type\": \"Whitespace\"}", PL_ERR_UNSUPPORTED, "'Whitespace'"},
        {"pre_tokenizer",
         "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, \"behavior\":"
         "\"Isolated\"}",
         PL_ERR_UNSUPPORTED, "does not compile"},
        {"pre_tokenizer",
         "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\":"
         "\"Merged\"}",
         PL_ERR_UNSUPPORTED, "'Merged'"},
        {"pre_tokenizer", "{\"type\": \"Punctuation\", \"behavior\": 3}", PL_ERR_UNSUPPORTED,
         "'(none)'"},
        {"pre_tokenizer",
         "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"ByteLevel\"},"
         "{\"type\": \"Metaspace\", \"replacement\": \"_\"}]}",
         PL_ERR_UNSUPPORTED, "after ByteLevel"},
        {"post_processor", "{\"type\": \"BertProcessing\"}", PL_ERR_UNSUPPORTED, "BertProcessing"},
        {"post_processor",
         "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\":"
         "{\"id\": \"<s>\"}}], \"special_tokens\": {\"<s>\": {\"ids\": [9999]}}}",
         PL_ERR_FORMAT, "'<s>' has no id"},
        {"added_tokens", "[{\"id\": -1, \"content\": \"x\"}]", PL_ERR_FORMAT, "entry 0"},
        {"added_tokens", "[{\"id\": 99999999999, \"content\": \"x\"}]", PL_ERR_FORMAT, "entry 0"},
        {"added_tokens", "[{\"id\": 5, \"content\": \"xyz\"}]", PL_ERR_FORMAT,
         "'xyz' has the id 5 of another token"},
        {"added_tokens", "{}", PL_ERR_FORMAT, "added_tokens"},
        {"model", "{\"type\": \"Unigram\", \"vocab\": []}", PL_ERR_UNSUPPORTED, "'Unigram'"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}", PL_ERR_FORMAT, "vocab"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}",
         PL_ERR_FORMAT, "two tokens have the id 0"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {\"a\": -4}, \"merges\": []}", PL_ERR_FORMAT,
         "the id of 'a'"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}",
         PL_ERR_FORMAT, "its second part is not in the vocabulary"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a a\"]}",
         PL_ERR_FORMAT, "its result is not in the vocabulary"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a\"]}", PL_ERR_FORMAT,
         "model.merges: entry 0"},
        {"model",
         "{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"unk_token\": \"u\"}",
         PL_ERR_FORMAT, "unk_token 'u'"},
        {"model", "{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"dropout\": 0.1}",
         PL_ERR_UNSUPPORTED, "dropout"},
        {"model",
         "{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [],"
         "\"end_of_word_suffix\": \"</w>\"}",
         PL_ERR_UNSUPPORTED, "end_of_word_suffix"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_error err;
        pl_tokenizer *tokenizer = NULL;
        json_t *json = tokens_byte_level(NULL, 0);
        tokens_set(json, cases[i].key, cases[i].value);
        assert_int_equal(tokens_read(*state, json, &tokenizer, &err), cases[i].status);
        assert_null(tokenizer);
        pl_check_says(err, cases[i].says);
        pl_check_says(err, "tokenizer.json");
    }
}

static void invalid_utf8_is_refused_with_its_offset(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {{"ab\xff", "0xff at offset 2"},
                 {"\xc3", "0xc3 at offset 0"},
                 {"a\xed\xa0\x80", "offset 1"},
                 {"\xc0\xaf", "offset 0"}};
    pl_error err;
    pl_tokenizer *t = NULL;
    pl_check_ok(tokens_read(*state, tokens_byte_level(NULL, 0), &t, &err), err);
    for (size_t i = 0; i < 4; i++) {
        int32_t *ids = NULL;
        size_t count = 7;
        assert_int_equal(pl_tokenizer_encode(t, cases[i].text, strlen(cases[i].text), 0, &ids,
                                             &count, NULL, &err),
                         PL_ERR_FORMAT);
        assert_null(ids);
        assert_int_equal(count, 0);
        pl_check_says(err, cases[i].says);
    }
    pl_tokenizer_destroy(t);
}

typedef struct gguf_case {
    const char *model, *pre;
    size_t types; /* entries of token_type */
    const char *merge;
    pl_status status;
    const char *says;
} gguf_case;

static pl_status read_gguf(pl_temp *temp, const gguf_case *c, pl_tokenizer **out, pl_error *err)
{
    /* 256 bytes, then "ab", a control token, a user-defined one, and a byte-typed one. */
    static const char *const others[] = {"ab", "<|c|>", "<u>", "<0x41>"};
    static const int32_t types[] = {1, 3, 4, 6};
    pl_buf bytes = {0};
    pl_checkpoint *checkpoint = NULL;
    make_gguf(&bytes, 3, 0, 6);
    make_u32_key(&bytes, "tokenizer.ggml.bos_token_id", 257);
    make_key(&bytes, "tokenizer.ggml.model", 8);
    make_text(&bytes, c->model);
    make_key(&bytes, "tokenizer.ggml.pre", 8);
    make_text(&bytes, c->pre);
    make_key(&bytes, "tokenizer.ggml.tokens", 9);
    make_u32(&bytes, 8);
    make_u64(&bytes, 260);
    for (int i = 0; i < 260; i++) {
        char name[3] = {0};
        if (i < 256) {
            pl_byte_stand_in((unsigned char)i, name);
        }
        make_text(&bytes, i < 256 ? name : others[i - 256]);
    }
    make_key(&bytes, "tokenizer.ggml.token_type", 9);
    make_u32(&bytes, 5);
    make_u64(&bytes, c->types);
    for (size_t i = 0; i < c->types; i++) {
        make_u32(&bytes, i < 256 ? 1 : (uint32_t)types[i - 256]);
    }
    make_key(&bytes, "tokenizer.ggml.merges", 9);
    make_u32(&bytes, 8);
    make_u64(&bytes, 1);
    make_text(&bytes, c->merge);
    make_padding(&bytes, 32);
    memset(err, 0, sizeof *err);
    pl_check_ok(
        pl_checkpoint_open(pl_temp_write(temp, "t.gguf", bytes.data, bytes.size), &checkpoint, err),
        *err);
    pl_status status = pl_tokenizer_from_gguf(checkpoint, out, err);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&bytes);
    return status;
}

static void gguf_tokenizers_are_checked(void **state)
{
    static const gguf_case cases[] = {
        {"t5", "smollm", 260, "a b", PL_ERR_UNSUPPORTED,
         "'t5' is not supported; supported: gpt2, llama"},
        {"llama", "default", 260, "a b", PL_ERR_FORMAT,
         "neither an unknown token nor one for the byte 0x00"},
        {"gpt2", "deep\033seek", 260, "a b", PL_ERR_UNSUPPORTED, "'deep\\x1bseek'"},
        {"gpt2", "smollm", 259, "a b", PL_ERR_FORMAT, "259 entries, expected 260"},
        {"gpt2", "smollm", 260, "ab", PL_ERR_FORMAT, "merges: entry 0"},
        {"gpt2", "smollm", 260, "b a", PL_ERR_FORMAT, "not in the vocabulary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pl_error err;
        pl_tokenizer *t = NULL;
        assert_int_equal(read_gguf(*state, &cases[i], &t, &err), cases[i].status);
        assert_null(t);
        pl_check_says(err, cases[i].says);
        pl_check_says(err, "t.gguf");
    }
}

static void gguf_types_say_what_is_found_in_text(void **state)
{
    static const char *const pres[] = {"smollm", "gpt-2", "llama-bpe", "qwen2"};
    for (size_t i = 0; i < 4; i++) {
        pl_error err;
        pl_tokenizer *t = NULL;
        const gguf_case c = {"gpt2", pres[i], 260, "a b", PL_OK, ""};
        pl_check_ok(read_gguf(*state, &c, &t, &err), err);
        TOKENS(t, "ab<|c|><u>", 256, 257, 258);
        TOKENS(t, "<0x41>", '<', '0', 'x', '4', '1', '>');
        tokens_check_bos(t, strcmp(pres[i], "llama-bpe") == 0 ? 257 : -1);
        pl_tokenizer_destroy(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unsupported_parts_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(invalid_utf8_is_refused_with_its_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gguf_tokenizers_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gguf_types_say_what_is_found_in_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
