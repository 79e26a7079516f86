#include "core/io/gguf_keys.h"

#include "core/base/checked.h"
#include "core/io/gguf_parts.h"

#include <stdlib.h>
#include <string.h>

void pl_gguf_keys_deinit(pl_gguf_keys *keys)
{
    pl_buf_deinit(&keys->bytes);
    *keys = (pl_gguf_keys){0};
}

/* --- a source's keys -------------------------------------------------------------------------- */

/* A walk over a header that was checked when the file was opened; short says that it ended. */
typedef struct walk {
    const char *at, *end;
    bool short_;
} walk;

static uint64_t take_bytes(walk *w, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(w->end - w->at) < size) {
        w->short_ = true;
        return 0;
    }
    memcpy(&value, w->at, size < sizeof value ? size : sizeof value);
    w->at += size;
    return value;
}

static void skip(walk *w, uint64_t size)
{
    if ((uint64_t)(w->end - w->at) < size) {
        w->short_ = true;
    } else {
        w->at += size;
    }
}

static void skip_value(walk *w, uint32_t type)
{
    uint64_t count = 1;
    if (type == PL_GGUF_ARRAY) {
        type = (uint32_t)take_bytes(w, sizeof type);
        count = take_bytes(w, sizeof count);
    }
    if (type == PL_GGUF_STRING) {
        for (uint64_t i = 0; i < count && !w->short_; i++) {
            skip(w, take_bytes(w, sizeof(uint64_t)));
        }
    } else {
        skip(w, count * pl_gguf_value_bytes(type));
    }
}

/* Keys that are of the source's tensors and files, not of the model. */
static bool is_replaced(const char *key, size_t size)
{
    static const char *const names[] = {"general.file_type", "general.quantization_version"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], key, size) == 0) {
            return true;
        }
    }
    return size > 6 && memcmp(key, "split.", 6) == 0;
}

pl_status pl_gguf_keys_copy(pl_checkpoint *source, pl_gguf_keys *keys, pl_error *err)
{
    const json_t *stated = json_object_get(pl_checkpoint_metadata(source), "general.alignment");
    keys->alignment =
        json_integer_value(stated) > 0 ? (uint64_t)json_integer_value(stated) : keys->alignment;
    pl_file *file = pl_checkpoint_shard(source, 0);
    uint64_t size = pl_file_size(file);
    for (size_t i = 0; i < pl_checkpoint_count(source); i++) {
        const pl_tensor *tensor = pl_checkpoint_tensor(source, i);
        size = tensor->shard == 0 && tensor->offset < size ? tensor->offset : size;
    }
    char *header = malloc((size_t)size + 1);
    if (header == NULL) {
        return pl_error_memory(err, "%s", pl_file_path(file));
    }
    pl_status status = pl_file_read(file, 0, header, (size_t)size, err);
    if (status == PL_OK) {
        walk w = {.at = header, .end = header + size};
        skip(&w, 4 + sizeof(uint32_t) + sizeof(uint64_t)); /* magic, version, tensors */
        const uint64_t count = take_bytes(&w, sizeof count);
        for (uint64_t i = 0; i < count && !w.short_; i++) {
            const char *first = w.at;
            const uint64_t length = take_bytes(&w, sizeof length);
            const char *key = w.at;
            skip(&w, length);
            const uint32_t type = (uint32_t)take_bytes(&w, sizeof type);
            skip_value(&w, type);
            if (!w.short_ && !is_replaced(key, (size_t)length)) {
                pl_buf_append(&keys->bytes, first, (size_t)(w.at - first));
                keys->count++;
            }
        }
        status = w.short_ ? pl_error_set(err, PL_ERR_FORMAT,
                                         "%s: its keys end before its tensors begin, expected "
                                         "them whole",
                                         pl_file_path(file))
                          : pl_buf_check(&keys->bytes, err);
    }
    free(header);
    return status;
}

/* --- keys one by one -------------------------------------------------------------------------- */

static void put_size(pl_gguf_keys *keys, uint64_t size)
{
    pl_buf_append(&keys->bytes, &size, sizeof size);
}

static void put_type(pl_gguf_keys *keys, uint32_t type)
{
    pl_buf_append(&keys->bytes, &type, sizeof type);
}

void pl_gguf_element_text(pl_gguf_keys *keys, const char *text, size_t size)
{
    put_size(keys, size);
    pl_buf_append(&keys->bytes, text, size);
}

void pl_gguf_element_i32(pl_gguf_keys *keys, int32_t value)
{
    pl_buf_append(&keys->bytes, &value, sizeof value);
}

void pl_gguf_element_f32(pl_gguf_keys *keys, float value)
{
    pl_buf_append(&keys->bytes, &value, sizeof value);
}

void pl_gguf_element_bool(pl_gguf_keys *keys, bool value)
{
    const uint8_t byte = value;
    pl_buf_append(&keys->bytes, &byte, sizeof byte);
}

static void begin_key(pl_gguf_keys *keys, const char *key, uint32_t type)
{
    pl_gguf_element_text(keys, key, strlen(key));
    put_type(keys, type);
    keys->count++;
}

void pl_gguf_put_u32(pl_gguf_keys *keys, const char *key, uint32_t value)
{
    begin_key(keys, key, PL_GGUF_U32);
    pl_buf_append(&keys->bytes, &value, sizeof value);
}

void pl_gguf_put_f32(pl_gguf_keys *keys, const char *key, float value)
{
    begin_key(keys, key, PL_GGUF_F32);
    pl_gguf_element_f32(keys, value);
}

void pl_gguf_put_bool(pl_gguf_keys *keys, const char *key, bool value)
{
    begin_key(keys, key, PL_GGUF_BOOL);
    pl_gguf_element_bool(keys, value);
}

void pl_gguf_put_text(pl_gguf_keys *keys, const char *key, const char *text, size_t size)
{
    begin_key(keys, key, PL_GGUF_STRING);
    pl_gguf_element_text(keys, text, size);
}

void pl_gguf_put_array(pl_gguf_keys *keys, const char *key, pl_gguf_element of, size_t count)
{
    static const uint32_t types[] = {[PL_GGUF_TEXTS] = PL_GGUF_STRING,
                                     [PL_GGUF_I32S] = PL_GGUF_I32,
                                     [PL_GGUF_F32S] = PL_GGUF_F32,
                                     [PL_GGUF_BOOLS] = PL_GGUF_BOOL};
    begin_key(keys, key, PL_GGUF_ARRAY);
    put_type(keys, types[of]);
    put_size(keys, count);
}
