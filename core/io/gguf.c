/* Reading a GGUF file's header (format: ggml-org/ggml, docs/gguf.md), versions 2 and 3. */
#include "core/io/gguf_parts.h"

#include "core/io/checkpoint_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBERS_LIMIT = 1 << 24, /* elements of a numeric array kept as JSON */
    KEY_LIMIT = 65535,
    KV_BYTES = 8 + 4 + 1, /* least size of a key-value pair */
    DEFAULT_ALIGNMENT = 32
};

static pl_status key_error(const pl_gguf_reader *r, const char *key, size_t size, const char *what,
                           pl_error *err)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: key '%s': %s", r->path,
                        pl_brief_of(key, size).text, what);
}

static pl_status out_of_memory(const pl_gguf_reader *r, pl_error *err)
{
    return pl_error_memory(err, "%s", r->path);
}

static pl_status read_scalar(pl_gguf_reader *r, const char *key, uint32_t type, json_t **out,
                             pl_error *err)
{
    char bytes[8];
    pl_status status = pl_cursor_take(&r->cursor, bytes, pl_gguf_value_bytes(type), key, err);
    if (status != PL_OK) {
        return status;
    }
    *out = pl_gguf_scalar(type, bytes);
    return *out != NULL ? PL_OK
                        : key_error(r, key, strlen(key), "expected a boolean of 0 or 1", err);
}

static pl_status read_text(pl_gguf_reader *r, const char *key, json_t **out, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    pl_status status = pl_cursor_string(&r->cursor, PL_GGUF_COUNT_LIMIT, &text, &size, key, err);
    if (status == PL_OK) {
        *out = pl_gguf_text(text, size);
        status = *out != NULL ? PL_OK : out_of_memory(r, err);
    }
    free(text);
    return status;
}

/* Appends one string's bytes to blob and its place to the array; the pointers are set at the end,
 * when blob stays where it is. */
static pl_status read_array_text(pl_gguf_reader *r, const char *key, pl_string_array *array,
                                 pl_buf *blob, json_t *json, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    pl_status status = pl_cursor_string(&r->cursor, PL_GGUF_COUNT_LIMIT, &text, &size, key, err);
    if (status != PL_OK) {
        return status;
    }
    pl_buf_append(blob, text, size + 1);
    array->sizes[array->count++] = size;
    if (blob->failed || json_array_append_new(json, pl_gguf_text(text, size)) != 0) {
        status = out_of_memory(r, err);
    }
    free(text);
    return status;
}

static pl_status read_texts(pl_gguf_reader *r, const char *key, size_t count, json_t *json,
                            pl_error *err)
{
    pl_checkpoint *checkpoint = r->checkpoint;
    pl_string_array *arrays =
        realloc(checkpoint->arrays, (checkpoint->array_count + 1) * sizeof *arrays);
    if (arrays == NULL) {
        return out_of_memory(r, err);
    }
    checkpoint->arrays = arrays;
    pl_string_array *array = &arrays[checkpoint->array_count++];
    *array = (pl_string_array){
        .key = strdup(key),
        .strings = calloc(count + 1, sizeof *array->strings),
        .sizes = calloc(count + 1, sizeof *array->sizes),
    };
    if (array->key == NULL || array->strings == NULL || array->sizes == NULL) {
        return out_of_memory(r, err);
    }
    pl_buf blob = {0};
    pl_status status = PL_OK;
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        status = read_array_text(r, key, array, &blob, json, err);
    }
    array->bytes = blob.data;
    const char *at = blob.data;
    for (size_t i = 0; i < array->count && status == PL_OK; i++) {
        array->strings[i] = at;
        at += array->sizes[i] + 1;
    }
    return status;
}

static pl_status read_array(pl_gguf_reader *r, const char *key, json_t **out, pl_error *err)
{
    uint32_t type = 0;
    uint64_t count = 0;
    pl_status status = pl_cursor_take(&r->cursor, &type, sizeof type, key, err);
    PL_THEN(pl_cursor_take(&r->cursor, &count, sizeof count, key, err));
    if (status != PL_OK) {
        return status;
    }
    if (type == PL_GGUF_ARRAY || type >= PL_GGUF_VALUE_COUNT) {
        return key_error(r, key, strlen(key),
                         type == PL_GGUF_ARRAY
                             ? "an array of arrays, expected an array of plain values"
                             : "an array of an unknown value type, expected 0 to 12",
                         err);
    }
    const bool texts = type == PL_GGUF_STRING;
    const uint64_t least = texts ? 8 : pl_gguf_value_bytes(type);
    const uint64_t fit = pl_cursor_left(&r->cursor) / least;
    const uint64_t limit = texts ? PL_GGUF_COUNT_LIMIT : NUMBERS_LIMIT;
    if (count > fit || count > limit) {
        char what[120];
        snprintf(what, sizeof what, "an array of %llu values, expected at most %llu%s",
                 (unsigned long long)count, (unsigned long long)(fit < limit ? fit : limit),
                 fit < limit ? " (what the rest of the file can hold)" : "");
        return key_error(r, key, strlen(key), what, err);
    }
    *out = json_array();
    if (*out == NULL) {
        return out_of_memory(r, err);
    }
    if (texts) {
        return read_texts(r, key, (size_t)count, *out, err);
    }
    for (uint64_t i = 0; i < count && status == PL_OK; i++) {
        json_t *value = NULL;
        status = read_scalar(r, key, type, &value, err);
        if (status == PL_OK && json_array_append_new(*out, value) != 0) {
            status = out_of_memory(r, err);
        }
    }
    return status;
}

static pl_status read_value(pl_gguf_reader *r, const char *key, json_t **out, pl_error *err)
{
    uint32_t type = 0;
    pl_status status = pl_cursor_take(&r->cursor, &type, sizeof type, key, err);
    if (status != PL_OK) {
        return status;
    }
    if (type >= PL_GGUF_VALUE_COUNT) {
        char what[80];
        snprintf(what, sizeof what, "value type %u, expected 0 to 12", type);
        return key_error(r, key, strlen(key), what, err);
    }
    if (type == PL_GGUF_STRING) {
        return read_text(r, key, out, err);
    }
    if (type == PL_GGUF_ARRAY) {
        return read_array(r, key, out, err);
    }
    status = read_scalar(r, key, type, out, err);
    if (status == PL_OK && strcmp(key, "general.alignment") == 0) {
        json_int_t value = type == PL_GGUF_U32 ? json_integer_value(*out) : 0;
        if (value <= 0 || (value & (value - 1)) != 0) {
            return key_error(r, key, strlen(key), "expected a power of two, as a uint32", err);
        }
        r->alignment = (uint64_t)value;
    }
    return status;
}

static pl_status read_pair(pl_gguf_reader *r, uint64_t index, pl_error *err)
{
    char what[64];
    char *key = NULL;
    size_t size = 0;
    json_t *value = NULL;
    snprintf(what, sizeof what, "the name of key %llu", (unsigned long long)index);
    pl_status status = pl_cursor_string(&r->cursor, KEY_LIMIT, &key, &size, what, err);
    if (status != PL_OK) {
        return status;
    }
    json_t *as_text = json_stringn(key, size);
    if (size == 0 || memchr(key, '\0', size) != NULL || as_text == NULL) {
        status = key_error(r, key, size, "expected a name in UTF-8 without a NUL byte", err);
    } else if (json_object_get(r->metadata, key) != NULL) {
        status = key_error(r, key, size, "occurs twice, expected unique keys", err);
    } else {
        status = read_value(r, key, &value, err);
    }
    if (status == PL_OK && json_object_set(r->metadata, key, value) != 0) {
        status = out_of_memory(r, err);
    }
    json_decref(as_text);
    json_decref(value);
    free(key);
    return status;
}

static pl_status read_magic(pl_gguf_reader *r, pl_error *err)
{
    char magic[4];
    uint32_t version = 0;
    pl_status status = pl_cursor_take(&r->cursor, magic, sizeof magic, "the magic number", err);
    PL_THEN(pl_cursor_take(&r->cursor, &version, sizeof version, "the version", err));
    if (status != PL_OK) {
        return status;
    }
    bool swapped = memcmp(magic, "FUGG", 4) == 0 || (version & 0xffff) == 0;
    if (memcmp(magic, "GGUF", 4) != 0 && memcmp(magic, "FUGG", 4) != 0) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: magic number: expected GGUF", r->path);
    }
    if (swapped && version != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: a big-endian GGUF file, expected little-endian", r->path);
    }
    if (version != 2 && version != 3) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "%s: GGUF version %u, expected 2 or 3",
                            r->path, version);
    }
    return PL_OK;
}

static pl_status read_gguf_header(pl_gguf_reader *r, pl_error *err)
{
    uint64_t counts[2] = {0}; /* tensors, keys */
    pl_status status = read_magic(r, err);
    PL_THEN(pl_cursor_take(&r->cursor, counts, sizeof counts, "the counts", err));
    if (status != PL_OK) {
        return status;
    }
    const uint64_t left = pl_cursor_left(&r->cursor);
    if (counts[0] > left / PL_GGUF_INFO_BYTES || counts[1] > left / KV_BYTES) {
        bool tensors = counts[0] > left / PL_GGUF_INFO_BYTES;
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: header: %llu %s, expected at most %llu (what the file can hold)",
                            r->path, (unsigned long long)counts[tensors ? 0 : 1],
                            tensors ? "tensors" : "keys",
                            (unsigned long long)(left / (tensors ? PL_GGUF_INFO_BYTES : KV_BYTES)));
    }
    for (uint64_t i = 0; i < counts[1]; i++) {
        status = read_pair(r, i, err);
        if (status != PL_OK) {
            return status;
        }
    }
    if (counts[0] > pl_cursor_left(&r->cursor) / PL_GGUF_INFO_BYTES) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: header: %llu tensors, expected at most %llu (what the rest of "
                            "the file can hold)",
                            r->path, (unsigned long long)counts[0],
                            (unsigned long long)(pl_cursor_left(&r->cursor) / PL_GGUF_INFO_BYTES));
    }
    return pl_gguf_read_tensors(r, counts[0], err);
}

/* Adds one file: its shard, its tensors, its keys to metadata. */
static pl_status add_file(pl_checkpoint *checkpoint, const char *path, json_t *metadata,
                          pl_error *err)
{
    pl_file *file = NULL;
    pl_gguf_reader r = {.checkpoint = checkpoint,
                        .metadata = metadata,
                        .path = path,
                        .alignment = DEFAULT_ALIGNMENT};
    pl_status status = pl_checkpoint_add_shard(checkpoint, path, &file, err);
    PL_THEN(pl_cursor_init(&r.cursor, file, err));
    if (status == PL_OK) {
        status = read_gguf_header(&r, err);
        pl_cursor_deinit(&r.cursor);
    }
    return status;
}

/* --- split files ------------------------------------------------------------------------------ */

static json_int_t metadata_integer(const json_t *metadata, const char *key)
{
    const json_t *value = json_object_get(metadata, key);
    return json_is_integer(value) ? json_integer_value(value) : 0;
}

/* The path of part `no` (from 0) of a split file, from that of any part. */
static pl_status part_path(const char *path, size_t no, size_t count, pl_buf *out, pl_error *err)
{
    size_t stem = 0, part = 0, parts = 0;
    if (!pl_checkpoint_part(path, ".gguf", &stem, &part, &parts) || parts != count) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: split.count is %zu: expected a name that ends in "
                            "-%05d-of-%05zu.gguf, as the other parts' do",
                            path, count, 1, count);
    }
    pl_buf_append(out, path, stem);
    pl_buf_printf(out, "-%05zu-of-%05zu.gguf", no + 1, count);
    return pl_buf_check(out, err);
}

static pl_status add_part(pl_checkpoint *checkpoint, const char *first, size_t no, size_t count,
                          pl_error *err)
{
    pl_buf path = {0};
    json_t *metadata = json_object();
    pl_status status = metadata != NULL ? part_path(first, no, count, &path, err)
                                        : pl_error_memory(err, "%s", first);
    if (status == PL_OK) {
        status = add_file(checkpoint, path.data, metadata, err);
        if (status == PL_ERR_NOT_FOUND) {
            status = pl_error_set(err, status, "%s: part %zu of %zu, %s, is not in the folder",
                                  first, no + 1, count, pl_path_name(path.data));
        }
    }
    if (status == PL_OK && (metadata_integer(metadata, "split.no") != (json_int_t)no ||
                            metadata_integer(metadata, "split.count") != (json_int_t)count)) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: split.no is %lld and split.count %lld, expected %zu and %zu",
                              path.data, (long long)metadata_integer(metadata, "split.no"),
                              (long long)metadata_integer(metadata, "split.count"), no, count);
    }
    json_decref(metadata);
    pl_buf_deinit(&path);
    return status;
}

/* The first part is read already; its metadata is the whole checkpoint's. */
static pl_status add_other_parts(pl_checkpoint *checkpoint, const char *path, size_t count,
                                 pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t no = 1; no < count && status == PL_OK; no++) {
        status = add_part(checkpoint, path, no, count, err);
    }
    json_int_t tensors = metadata_integer(checkpoint->metadata, "split.tensors.count");
    if (status == PL_OK && tensors > 0 && (size_t)tensors != checkpoint->count) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: split.tensors.count is %lld, but its parts hold %zu tensors",
                              path, (long long)tensors, checkpoint->count);
    }
    return status;
}

pl_status pl_gguf_load(pl_checkpoint *checkpoint, const char *path, pl_error *err)
{
    pl_buf first = {0};
    pl_status status = add_file(checkpoint, path, checkpoint->metadata, err);
    json_int_t count = metadata_integer(checkpoint->metadata, "split.count");
    if (status == PL_OK && count > UINT16_MAX) {
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: split.count is %lld, expected at most %d",
                              path, (long long)count, UINT16_MAX);
    }
    if (status == PL_OK && count > 1 && metadata_integer(checkpoint->metadata, "split.no") != 0) {
        pl_checkpoint_clear(checkpoint); /* another part was named: begin with the first */
        status = part_path(path, 0, (size_t)count, &first, err);
        PL_THEN(add_file(checkpoint, first.data, checkpoint->metadata, err));
        if (status == PL_OK && (metadata_integer(checkpoint->metadata, "split.no") != 0 ||
                                metadata_integer(checkpoint->metadata, "split.count") != count)) {
            status =
                pl_error_set(err, PL_ERR_FORMAT, "%s: expected split.no 0 and split.count %lld",
                             first.data, (long long)count);
        }
    }
    if (status == PL_OK && count > 1) {
        status =
            add_other_parts(checkpoint, first.size > 0 ? first.data : path, (size_t)count, err);
    }
    checkpoint->container = PL_GGUF;
    pl_buf_deinit(&first);
    return status == PL_OK ? pl_checkpoint_index_names(checkpoint, err) : status;
}
