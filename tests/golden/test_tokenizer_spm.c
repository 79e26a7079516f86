/* The vocabulary of refs/llama2 as a GGUF "llama" tokenizer, with the score 259 - id as Llama's own
 * file has it, against PyPI's sentencepiece 0.2.3 on the same pieces (ModelProto with identity
 * normalization, dummy prefix, byte fallback; fragments between <unk>, <s>, </s> one by one).
 * `hash` is FNV-1a over the ids:
 *
 *   h = 0xcbf29ce484222325
 *   for x in ids: h = ((h ^ x) * 0x100000001b3) & (2**64 - 1)
 */
#include "core/base/file.h"
#include "tests/support/make_spm.h"
#include "tests/support/shared.h"
#include "tests/unit/model/tokens.h"

enum { COUNT = 700, SPECIAL = 3, BYTES = 256 };

static json_t *make_tokens(spm_token tokens[COUNT])
{
    json_t *json = pl_test_shared_json("refs/llama2/tokenizer.json");
    json_t *vocab = json_object_get(json_object_get(json, "model"), "vocab");
    const char *text;
    json_t *value;
    assert_int_equal(json_object_size(vocab), COUNT);
    json_object_foreach(vocab, text, value)
    {
        const json_int_t id = json_integer_value(value);
        const bool normal = id >= SPECIAL + BYTES;
        expect_at_most(0, id);
        expect_less(id, COUNT);
        tokens[id] = (spm_token){text, normal ? (float)(SPECIAL + BYTES - id) : 0,
                                 normal          ? SPM_NORMAL
                                 : id >= SPECIAL ? SPM_BYTE
                                 : id > 0        ? SPM_CONTROL
                                                 : SPM_UNKNOWN};
    }
    return json; /* owns the texts */
}

static void check_file(const pl_tokenizer *t, const char *name, size_t expected, uint64_t hash)
{
    char path[PL_TEST_PATH];
    char *text = NULL;
    size_t size = 0;
    size_t count = 0;
    int32_t *ids = NULL;
    pl_error err = {0};
    pl_check_ok(pl_file_read_all(pl_test_shared(name, path), 1 << 24, &text, &size, &err), err);
    pl_check_ok(pl_tokenizer_encode(t, text, size, 0, &ids, &count, NULL, &err), err);
    assert_int_equal(count, expected);
    uint64_t found = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; i++) {
        found = (found ^ (uint64_t)ids[i]) * UINT64_C(0x100000001b3);
    }
    assert_int_equal(found, hash);
    free(ids);
    free(text);
}

static void check_texts(const pl_tokenizer *t)
{
    tokens_check(t, "", NULL, 0);
    TOKENS(t, "a", 345, 314);
    TOKENS(t, " a", 345, 345, 314);
    TOKENS(t, "  a b", 345, 345, 345, 377, 315);
    TOKENS(t, "   ", 345, 345, 345, 345);
    TOKENS(t, "\n \n", 345, 388, 259);
    TOKENS(t, "\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82", 345, 233, 154, 168, 233, 159, 175, 345,
           243, 162, 156, 133);
    TOKENS(t, "<0x41>", 345, 284, 272, 337, 276, 273, 286);
    TOKENS(t, "a<s>b</s> c<unk>", 345, 314, 1, 345, 315, 2, 345, 345, 316, 0);
    TOKENS(t, "the theatre", 345, 353, 597, 371, 383);
    TOKENS(t, "\x01\xe2\x96\x81x", 345, 4, 345, 337);
    TOKENS(t, "na\xc3\xafve caf\xc3\xa9", 345, 327, 314, 198, 178, 335, 346, 316, 533, 198, 172);
    check_file(t, "refs/llama2/probe.txt", 263, UINT64_C(0x80bb4b40d28c7feb));
    check_file(t, "data/wikitext2-valid.txt", 510507, UINT64_C(0x8c20b2cc3813c707));
}

static void ids_are_sentencepieces(void **state)
{
    (void)state;
    static spm_token tokens[COUNT];
    pl_temp temp;
    pl_error err = {0};
    pl_tokenizer *t = NULL;
    pl_tokenizer *written = NULL;
    pl_buf text = {0};
    json_t *json = make_tokens(tokens);
    const spm_file file = {tokens, COUNT, COUNT, COUNT, -1, 1};
    pl_temp_init(&temp);
    pl_check_ok(read_spm(&temp, &file, &t, &err), err);
    check_texts(t);
    /* And as the tokenizer.json of an export. */
    pl_check_ok(pl_tokenizer_to_json(t, &text, &err), err);
    pl_check_ok(pl_tokenizer_from_json(pl_temp_write(&temp, "w.json", text.data, text.size),
                                       &written, &err),
                err);
    check_texts(written);
    tokens_check_bos(written, 1);
    pl_buf_deinit(&text);
    pl_tokenizer_destroy(written);
    pl_tokenizer_destroy(t);
    json_decref(json);
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_are_sentencepieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
