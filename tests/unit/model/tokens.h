/* tests/unit/model/tokens.h -- tokenizers of a few tokens, written as tokenizer.json. */
#ifndef PL_TESTS_TOKENS_H
#define PL_TESTS_TOKENS_H

#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"
#include "tests/support/check.h"
#include "tests/support/temp.h"

#include <jansson.h>

/* All 256 bytes, id = byte, in the byte-level alphabet; then the merges' results from 256 on.
 * merges: "a b" strings (or pairs with as_pairs), NULL-terminated. */
static inline json_t *tokens_byte_level(const char *const *merges, int as_pairs)
{
    json_t *vocab = json_object();
    json_t *list = json_array();
    for (int byte = 0; byte < 256; byte++) {
        char name[2];
        size_t size = pl_byte_stand_in((unsigned char)byte, name);
        json_object_setn_new(vocab, name, size, json_integer(byte));
    }
    for (int i = 0; merges != NULL && merges[i] != NULL; i++) {
        const char *blank = strchr(merges[i], ' ');
        char whole[64];
        snprintf(whole, sizeof whole, "%.*s%s", (int)(blank - merges[i]), merges[i], blank + 1);
        json_object_set_new(vocab, whole, json_integer(256 + i));
        json_array_append_new(
            list, as_pairs ? json_pack("[s%, s]", merges[i], (size_t)(blank - merges[i]), blank + 1)
                           : json_string(merges[i]));
    }
    return json_pack("{s:{s:s, s:o, s:o}, s:{s:s, s:b, s:b}, s:[]}", "model", "type", "BPE",
                     "vocab", vocab, "merges", list, "pre_tokenizer", "type", "ByteLevel",
                     "add_prefix_space", 0, "use_regex", 1, "added_tokens");
}

static inline json_t *tokens_parse(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, 0, &why);
    if (json == NULL) {
        fprintf(stderr, "%s: %s\n", text, why.text);
        fail();
    }
    return json;
}

/* Sets a member of the tokenizer, or of its model, from JSON text. */
static inline void tokens_set(json_t *json, const char *key, const char *value)
{
    json_error_t why;
    json_t *parsed = json_loads(value, JSON_DECODE_ANY, &why);
    assert_non_null(parsed);
    json_object_set_new(json, key, parsed);
}

/* Writes json (stolen) to a file and reads it. */
static inline pl_status tokens_read(pl_temp *temp, json_t *json, pl_tokenizer **out, pl_error *err)
{
    const char *path = pl_temp_path(temp, "tokenizer.json");
    assert_int_equal(json_dump_file(json, path, 0), 0);
    json_decref(json);
    memset(err, 0, sizeof *err);
    return pl_tokenizer_from_json(path, out, err);
}

/* The token that begins a text must be bos; -1: none does. */
static inline void tokens_check_bos(const pl_tokenizer *tokenizer, int32_t bos)
{
    const pl_frame *frame = pl_tokenizer_frame(tokenizer);
    assert_int_equal(frame->n_front > 0 ? frame->front[0] : -1, bos);
}

/* The ids of a text must be those given. */
static inline void tokens_check(const pl_tokenizer *tokenizer, const char *text,
                                const int32_t *expected, size_t count)
{
    pl_error err = {0};
    int32_t *ids = NULL;
    size_t found = 0;
    pl_check_ok(pl_tokenizer_encode(tokenizer, text, strlen(text), 0, &ids, &found, NULL, &err),
                err);
    int same = found == count && (count == 0 || memcmp(ids, expected, count * sizeof *ids) == 0);
    for (size_t i = 0; !same && i < found; i++) {
        fprintf(stderr, "%s%d", i > 0 ? " " : "ids: ", (int)ids[i]);
    }
    free(ids);
    if (!same) {
        fprintf(stderr, " for \"%s\"\n", text);
        fail();
    }
}

#define TOKENS(tokenizer, text, ...)                                                               \
    do {                                                                                           \
        const int32_t expected_ids[] = {__VA_ARGS__};                                              \
        tokens_check((tokenizer), (text), expected_ids,                                            \
                     sizeof expected_ids / sizeof expected_ids[0]);                                \
    } while (0)

#endif
