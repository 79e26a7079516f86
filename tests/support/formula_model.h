/* tests/support/formula_model.h -- tiny checkpoints of any architecture, whose weights a formula
 * makes: tests/golden/make_arch_values.py has the same one and what transformers computes of it.
 *
 * A case (one object of arch_values.json) lists config, tensors and, for GGUF, keys and names. */
#ifndef PL_TESTS_FORMULA_MODEL_H
#define PL_TESTS_FORMULA_MODEL_H

#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/temp.h"

#include "core/base/file.h"
#include "core/io/safetensors.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

enum { FORMULA_TENSORS = 160 };

/* Number i of a name's sequence, in [-1, 1), exact in float32. */
static inline float formula_number(const char *name, size_t i)
{
    uint32_t x = 2166136261u;
    for (; *name != '\0'; name++) {
        x = (x ^ (uint8_t)*name) * 16777619u;
    }
    x += (uint32_t)i * 2654435761u;
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    x ^= x >> 16;
    return (float)((double)(x >> 8) / 8388608.0 - 1.0);
}

static inline bool formula_ends(const char *name, const char *end)
{
    size_t n = strlen(name);
    size_t m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static inline float formula_weight(const char *name, size_t i, bool unit_norms)
{
    float value = formula_number(name, i);
    bool bias = formula_ends(name, ".bias");
    if (formula_ends(name, "norm.weight") || formula_ends(name, "norm.bias") ||
        strstr(name, "layernorm") != NULL || strstr(name, "ln_") != NULL) {
        return value * 0.25f + (unit_norms || bias ? 0.0f : 1.0f);
    }
    if (formula_ends(name, "gate.weight") || formula_ends(name, "router.weight")) {
        return value;
    }
    if (formula_ends(name, "e_score_correction_bias")) {
        return value * 0.25f + 0.25f;
    }
    bool embedding = strstr(name, "embed_tokens") != NULL || strstr(name, "wte.") != NULL;
    return value * (embedding ? 0.5f : 0.25f);
}

static inline size_t formula_shape(const json_t *shape, uint64_t dims[3])
{
    size_t count = 1;
    for (size_t i = 0; i < json_array_size(shape); i++) {
        dims[i] = (uint64_t)json_integer_value(json_array_get(shape, i));
        count *= (size_t)dims[i];
    }
    return count;
}

static inline void formula_fill(const json_t *about, const char *name, float *out, size_t count)
{
    bool unit = json_is_true(json_object_get(about, "unit_norms"));
    for (size_t i = 0; i < count; i++) {
        out[i] = formula_weight(name, i, unit);
    }
}

/* config.json and model.safetensors into the folder. */
static inline void formula_write_hf(const json_t *about, pl_temp *temp)
{
    static pl_st_entry entries[FORMULA_TENSORS];
    static uint64_t dims[FORMULA_TENSORS][3];
    json_t *tensors = json_object_get(about, "tensors");
    pl_error err = {0};
    pl_st_writer *writer = NULL;
    const char *name;
    json_t *shape;
    size_t n = 0;
    size_t largest = 0;
    json_object_foreach(tensors, name, shape)
    {
        expect_less(n, FORMULA_TENSORS);
        size_t count = formula_shape(shape, dims[n]);
        largest = count > largest ? count : largest;
        entries[n] = (pl_st_entry){name, PL_F32, json_array_size(shape), dims[n]};
        n++;
    }
    float *values = malloc(largest * sizeof *values);
    assert_non_null(values);
    pl_check_ok(pl_st_writer_create(pl_temp_path(temp, "model.safetensors"), entries, NULL, n, NULL,
                                    &writer, &err),
                err);
    for (size_t i = 0; i < n; i++) {
        const pl_st_entry *entry = &entries[pl_st_writer_order(writer, i)];
        uint64_t ignored[3];
        size_t count = formula_shape(json_object_get(tensors, entry->name), ignored);
        formula_fill(about, entry->name, values, count);
        pl_check_ok(pl_st_writer_put(writer, values, count, NULL, &err), err);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    free(values);
    char *config = json_dumps(json_object_get(about, "config"), 0);
    assert_non_null(config);
    pl_temp_write(temp, "config.json", config, strlen(config));
    free(config);
}

static inline void formula_put_key(pl_buf *out, const char *architecture, const char *key,
                                   const json_t *value)
{
    char whole[96];
    snprintf(whole, sizeof whole, "%s.%s", architecture, key);
    if (json_is_string(value)) {
        make_key(out, whole, 8);
        make_text(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        make_u32_key(out, whole, (uint32_t)json_integer_value(value));
    } else if (json_is_boolean(value)) {
        const uint8_t on = json_is_true(value) ? 1 : 0;
        make_key(out, whole, 7);
        pl_buf_append(out, &on, 1);
    } else {
        float number = (float)json_real_value(value);
        make_key(out, whole, 6);
        pl_buf_append(out, &number, sizeof number);
    }
}

/* The tensor's rows in GGUF's order (row 2i + j of a head is Hugging Face's j * half + i), plus
 * what GGUF adds to norms. */
static inline void formula_put_tensor(const json_t *about, const char *hf, const json_t *how,
                                      pl_buf *out)
{
    uint64_t dims[3] = {0};
    const json_t *shape = json_object_get(json_object_get(about, "tensors"), hf);
    size_t count = formula_shape(shape, dims);
    size_t heads = (size_t)json_integer_value(json_object_get(how, "permuted_heads"));
    bool bias = json_array_size(shape) == 1 && heads > 0; /* a row is one number */
    size_t cols = bias ? 1 : (size_t)dims[json_array_size(shape) - 1];
    size_t head = heads > 0 ? count / cols / heads : 1;
    float add = (float)json_integer_value(json_object_get(how, "add"));
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    formula_fill(about, hf, values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] += add;
    }
    if (json_is_true(json_object_get(how, "transposed"))) { /* Conv1D's [in, out] */
        for (size_t i = 0; i < count; i++) {
            const size_t in = (size_t)dims[0];
            pl_buf_append(out, values + i % in * cols + i / in, sizeof(float));
        }
        free(values);
        return;
    }
    const size_t parts = (size_t)json_integer_value(json_object_get(how, "heads"));
    if (parts > 0) { /* some rows of each head, maybe turned */
        const json_t *rows = json_object_get(how, "rows");
        const size_t each = (size_t)dims[0] / parts;
        const size_t low = (size_t)json_integer_value(json_array_get(rows, 0));
        const size_t high = (size_t)json_integer_value(json_array_get(rows, 1));
        const bool turned = json_is_true(json_object_get(how, "turned"));
        for (size_t i = 0; i < parts * (high - low) * cols; i++) {
            const size_t h = i / ((high - low) * cols), inside = i % ((high - low) * cols);
            const size_t r = turned ? inside % (high - low) : inside / cols;
            const size_t c = turned ? inside / (high - low) : inside % cols;
            pl_buf_append(out, values + (h * each + low + r) * cols + c, sizeof(float));
        }
        free(values);
        return;
    }
    const size_t step = (size_t)json_integer_value(json_object_get(how, "step"));
    if (step > 0) { /* of experts in one tensor [experts, in, out]: every so many-th output */
        const size_t from = (size_t)json_integer_value(json_object_get(how, "first"));
        const bool turned = json_is_true(json_object_get(how, "turned"));
        const size_t in = turned ? (size_t)dims[1] : 1;
        for (size_t e = 0; e < (size_t)dims[0]; e++) {
            for (size_t o = from; o < cols; o += step) {
                for (size_t i = 0; i < in; i++) {
                    pl_buf_append(out, values + (e * in + i) * cols + o, sizeof(float));
                }
            }
        }
        free(values);
        return;
    }
    for (size_t r = 0; r < count / cols; r++) {
        size_t inside = r % head;
        size_t from = head > 1 ? r - inside + (inside % 2) * (head / 2) + inside / 2 : r;
        pl_buf_append(out, values + from * cols, cols * sizeof(float));
    }
    free(values);
}

/* GGUF's dims, fastest first: those of the Hugging Face tensor, and the number of experts. */
static inline size_t formula_put_info(const json_t *about, const char *name, const json_t *how,
                                      uint64_t offset, pl_buf *out)
{
    const json_t *from = json_object_get(how, "from");
    uint64_t dims[3] = {0};
    uint64_t turned[3] = {0};
    const char *first = json_string_value(json_array_get(from, 0));
    const json_t *shape = json_object_get(json_object_get(about, "tensors"), first);
    size_t count = formula_shape(shape, dims);
    size_t n = json_array_size(shape);
    const bool transposed = json_is_true(json_object_get(how, "transposed"));
    for (size_t i = 0; i < n; i++) {
        turned[i] = transposed ? dims[i] : dims[n - 1 - i];
    }
    const size_t step = (size_t)json_integer_value(json_object_get(how, "step"));
    if (step > 0) {
        const bool whole = json_is_true(json_object_get(how, "turned"));
        turned[0] = whole ? dims[1] : dims[1] / step;
        turned[1] = whole ? dims[2] / step : dims[0];
        turned[2] = dims[0];
        count /= step;
    }
    const size_t parts = (size_t)json_integer_value(json_object_get(how, "heads"));
    if (parts > 0) {
        const json_t *rows = json_object_get(how, "rows");
        const uint64_t some = (uint64_t)(json_integer_value(json_array_get(rows, 1)) -
                                         json_integer_value(json_array_get(rows, 0)));
        const bool whole = json_is_true(json_object_get(how, "turned"));
        turned[0] = whole ? some : dims[1];
        turned[1] = whole ? dims[1] : some;
        turned[2] = parts;
        n = 3;
        count = parts * (size_t)(some * dims[1]);
    }
    if (n == 2 && dims[0] == 1) {
        n = 1; /* as the converter squeezes it */
    }
    if (json_array_size(from) > 1) {
        turned[n++] = json_array_size(from);
    }
    make_info(out, name, (uint32_t)n, turned, 0, offset);
    return count * json_array_size(from);
}

/* Token i as a byte-level tokenizer writes it: the characters from space on, then the newline. */
static inline const char *formula_token(size_t i, char out[4])
{
    if (i == 0 || i == 95) {
        memcpy(out, i == 0 ? "\xc4\xa0" : "\xc4\x8a", 3);
    } else {
        out[0] = (char)(' ' + i);
        out[1] = '\0';
    }
    return out;
}

enum { FORMULA_VOCAB = 96 };

/* tokenizer.json into the folder: one token a character. */
static inline void formula_write_tokenizer(pl_temp *temp)
{
    json_t *vocab = json_object();
    char token[4];
    for (size_t i = 0; i < FORMULA_VOCAB; i++) {
        json_object_set_new(vocab, formula_token(i, token), json_integer((json_int_t)i));
    }
    json_t *json = json_pack(
        "{s:s, s:[], s:n, s:{s:s, s:b, s:b, s:b}, s:n, s:{s:s}, s:{s:s, s:o, s:[]}}", "version",
        "1.0", "added_tokens", "normalizer", "pre_tokenizer", "type", "ByteLevel",
        "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1, "post_processor", "decoder",
        "type", "ByteLevel", "model", "type", "BPE", "vocab", vocab, "merges");
    char *text = json_dumps(json, 0);
    assert_non_null(text);
    pl_temp_write(temp, "tokenizer.json", text, strlen(text));
    free(text);
    json_decref(json);
}

enum { FORMULA_TOKENIZER_KEYS = 4 };

static inline void formula_put_tokenizer(pl_buf *out)
{
    char token[4];
    make_key(out, "tokenizer.ggml.model", 8);
    make_text(out, "gpt2");
    make_key(out, "tokenizer.ggml.pre", 8);
    make_text(out, "gpt-2");
    make_key(out, "tokenizer.ggml.tokens", 9);
    make_u32(out, 8);
    make_u64(out, FORMULA_VOCAB);
    for (size_t i = 0; i < FORMULA_VOCAB; i++) {
        make_text(out, formula_token(i, token));
    }
    make_key(out, "tokenizer.ggml.merges", 9);
    make_u32(out, 8);
    make_u64(out, 0);
}

/* A text of that many characters, whose tokens are formula_ids. */
static inline void formula_write_text(pl_temp *temp, const char *name, size_t count)
{
    char *text = malloc(count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        int id = (int)(((double)formula_number("tokens", i) + 1) / 2 * FORMULA_VOCAB);
        text[i] = id == 95 ? '\n' : (char)(' ' + id);
    }
    pl_temp_write(temp, name, text, count);
    free(text);
}

/* model.gguf into the folder. */
static inline void formula_write_gguf(const json_t *about, pl_temp *temp)
{
    const json_t *gguf = json_object_get(about, "gguf");
    const char *architecture = json_string_value(json_object_get(gguf, "architecture"));
    json_t *keys = json_object_get(gguf, "keys");
    json_t *tensors = json_object_get(gguf, "tensors");
    json_t *arrays = json_object_get(gguf, "arrays"); /* tensors given by their numbers */
    pl_buf out = {0};
    const char *name;
    json_t *value;
    uint64_t offset = 0;
    make_gguf(&out, 3, json_object_size(tensors) + json_object_size(arrays),
              json_object_size(keys) + 1 + FORMULA_TOKENIZER_KEYS);
    make_key(&out, "general.architecture", 8);
    make_text(&out, architecture);
    json_object_foreach(keys, name, value)
    {
        formula_put_key(&out, architecture, name, value);
    }
    formula_put_tokenizer(&out);
    json_object_foreach(tensors, name, value)
    {
        size_t count = formula_put_info(about, name, value, offset, &out);
        offset += (count * sizeof(float) + 31) / 32 * 32;
    }
    json_object_foreach(arrays, name, value)
    {
        make_info(&out, name, 1, &(uint64_t){json_array_size(value)}, 0, offset);
        offset += (json_array_size(value) * sizeof(float) + 31) / 32 * 32;
    }
    make_padding(&out, 32);
    json_object_foreach(tensors, name, value)
    {
        size_t i;
        json_t *hf;
        json_array_foreach(json_object_get(value, "from"), i, hf)
        {
            formula_put_tensor(about, json_string_value(hf), value, &out);
        }
        make_padding(&out, 32);
    }
    json_object_foreach(arrays, name, value)
    {
        for (size_t i = 0; i < json_array_size(value); i++) {
            float number = (float)json_number_value(json_array_get(value, i));
            pl_buf_append(&out, &number, sizeof number);
        }
        make_padding(&out, 32);
    }
    assert_false(out.failed);
    pl_temp_write(temp, "model.gguf", out.data, out.size);
    pl_buf_deinit(&out);
}

/* The text's token ids. */
static inline void formula_ids(size_t vocab, int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int32_t)(((double)formula_number("tokens", i) + 1) / 2 * (double)vocab);
    }
}

#endif
