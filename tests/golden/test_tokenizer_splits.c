/* Texts are cut as Hugging Face's tokenizers cuts them: split_values.json, by the pre-tokenizers of
 * tokenizer.json and by those that GGUF names. */
#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"
#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/temp.h"

#include <jansson.h>
#include <stdlib.h>

/* The bytes and nothing else, by name. */
static pl_tokenizer *read_gguf(pl_temp *temp, const char *pre)
{
    pl_error err = {0};
    pl_buf bytes = {0};
    pl_checkpoint *checkpoint = NULL;
    pl_tokenizer *t = NULL;
    make_gguf(&bytes, 3, 0, 5);
    make_u32_key(&bytes, "tokenizer.ggml.bos_token_id", 0);
    make_key(&bytes, "tokenizer.ggml.model", 8);
    make_text(&bytes, "gpt2");
    make_key(&bytes, "tokenizer.ggml.pre", 8);
    make_text(&bytes, pre);
    make_key(&bytes, "tokenizer.ggml.tokens", 9);
    make_u32(&bytes, 8);
    make_u64(&bytes, 256);
    for (int i = 0; i < 256; i++) {
        char name[3] = {0};
        pl_byte_stand_in((unsigned char)i, name);
        make_text(&bytes, name);
    }
    make_key(&bytes, "tokenizer.ggml.merges", 9);
    make_u32(&bytes, 8);
    make_u64(&bytes, 0);
    make_padding(&bytes, 32);
    const char *path = pl_temp_write(temp, "t.gguf", bytes.data, bytes.size);
    pl_check_ok(pl_checkpoint_open(path, &checkpoint, &err), err);
    pl_check_ok(pl_tokenizer_from_gguf(checkpoint, &t, &err), err);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&bytes);
    return t;
}

static pl_tokenizer *read_json(pl_temp *temp, const json_t *pre_tokenizer)
{
    pl_error err = {0};
    pl_tokenizer *t = NULL;
    json_t *vocab = json_object();
    for (int byte = 0; byte < 256; byte++) {
        char name[2];
        size_t size = pl_byte_stand_in((unsigned char)byte, name);
        json_object_setn_new(vocab, name, size, json_integer(byte));
    }
    json_t *json = json_pack("{s:{s:s, s:o, s:[]}, s:O}", "model", "type", "BPE", "vocab", vocab,
                             "merges", "pre_tokenizer", pre_tokenizer);
    const char *path = pl_temp_path(temp, "tokenizer.json");
    assert_int_equal(json_dump_file(json, path, 0), 0);
    json_decref(json);
    pl_check_ok(pl_tokenizer_from_json(path, &t, &err), err);
    return t;
}

/* The sizes of a text's pieces, a base-36 digit each. */
static void put_sizes(const pl_tokenizer *t, const char *text, size_t size, pl_buf *out)
{
    pl_error err = {0};
    pl_meter meter;
    pl_splitter splitter;
    pl_meter_init(&meter, size, t->n_splits, 0, NULL);
    pl_check_ok(pl_splitter_init(&splitter, &meter, &err), err);
    pl_check_ok(pl_splitter_run(&splitter, t->splits, t->n_splits, text, size, true, &err), err);
    out->size = 0;
    pl_buf_puts(out, "");
    for (size_t i = 0; i < splitter.pieces.count; i++) {
        size_t n = splitter.pieces.items[i].size;
        pl_buf_append(out, &"0123456789abcdefghijklmnopqrstuvwxyz"[n < 35 ? n : 35], 1);
    }
    pl_splitter_deinit(&splitter);
}

static void check_kind(const pl_tokenizer *t, const json_t *kind, const json_t *texts)
{
    pl_buf sizes = {0};
    size_t i;
    json_t *text;
    json_array_foreach(texts, i, text)
    {
        const char *expected = json_string_value(json_array_get(json_object_get(kind, "sizes"), i));
        put_sizes(t, json_string_value(text), json_string_length(text), &sizes);
        if (strcmp(sizes.data, expected) != 0) {
            char *shown = json_dumps(kind, JSON_COMPACT);
            fprintf(stderr, "%.300s\n'%s'\n%s, expected %s\n", shown, json_string_value(text),
                    sizes.data, expected);
            free(shown);
            fail();
        }
    }
    pl_buf_deinit(&sizes);
}

static void texts_are_cut_as_by_tokenizers(void **state)
{
    (void)state;
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/golden/split_values.json", root != NULL ? root : ".");
    json_t *values = json_load_file(path, 0, NULL);
    assert_non_null(values);
    const json_t *kinds = json_object_get(values, "kinds");
    const json_t *texts = json_object_get(values, "texts");
    pl_temp temp;
    size_t i, named = 0;
    json_t *kind;
    pl_temp_init(&temp);
    expect_less(30, json_array_size(kinds));
    expect_less(30, json_array_size(texts));
    json_array_foreach(kinds, i, kind)
    {
        const char *pre = json_string_value(json_object_get(kind, "pre"));
        pl_tokenizer *t = read_json(&temp, json_object_get(kind, "pre_tokenizer"));
        check_kind(t, kind, texts);
        pl_tokenizer_destroy(t);
        if (pre != NULL) {
            t = read_gguf(&temp, pre);
            check_kind(t, kind, texts);
            pl_tokenizer_destroy(t);
            named++;
        }
    }
    expect_at_most(12, named);
    json_decref(values);
    pl_temp_deinit(&temp);
}

/* All names that GGUF may give, each once, have patterns that compile. */
static void every_name_can_be_read(void **state)
{
    (void)state;
    pl_buf names = {0};
    pl_temp temp;
    pl_temp_init(&temp);
    pl_pre_list(&names);
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(names.data, " ", &rest); name != NULL;
         name = strtok_r(NULL, " ", &rest)) {
        pl_tokenizer *t = read_gguf(&temp, name);
        assert_non_null(pl_pre_find(name));
        pl_tokenizer_destroy(t);
        count++;
    }
    expect_at_most(75, count);
    assert_null(pl_pre_find(""));
    assert_null(pl_pre_find("llama"));
    pl_buf_deinit(&names);
    pl_temp_deinit(&temp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_by_tokenizers),
        cmocka_unit_test(every_name_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
