#include "core/io/gguf_write.h"

#include "core/base/checked.h"
#include "core/io/gguf_parts.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ALIGNMENT = 32, VERSION = 3, QUANTIZATION_VERSION = 2 };

struct pl_gguf_writer {
    pl_writer *file;
    char *path;
    uint64_t *bytes; /* [count] of the tensors */
    size_t count, at;
    uint64_t done; /* of the running one */
    uint64_t alignment;
};

static void put_gguf_bytes(pl_buf *to, const void *bytes, size_t size)
{
    pl_buf_append(to, bytes, size);
}

static void put_u32(pl_buf *to, uint32_t value)
{
    put_gguf_bytes(to, &value, sizeof value);
}

static void put_u64(pl_buf *to, uint64_t value)
{
    put_gguf_bytes(to, &value, sizeof value);
}

static void put_gguf_text(pl_buf *to, const char *text)
{
    put_u64(to, strlen(text));
    put_gguf_bytes(to, text, strlen(text));
}

/* --- the file --------------------------------------------------------------------------------- */

static uint64_t padding(uint64_t size, uint64_t alignment)
{
    return (alignment - size % alignment) % alignment;
}

static void put_zeros(pl_buf *to, uint64_t count)
{
    static const char zeros[64];
    while (count > 0) {
        const size_t now = count < sizeof zeros ? (size_t)count : sizeof zeros;
        put_gguf_bytes(to, zeros, now);
        count -= now;
    }
}

static pl_status write_gguf_header(pl_gguf_writer *writer, const pl_gguf_keys *keys,
                                   uint32_t file_type, const pl_gguf_entry *entries, pl_error *err)
{
    pl_buf header = {0};
    uint64_t offset = 0;
    pl_status status = pl_buf_check(&keys->bytes, err);
    if (status == PL_OK) {
        put_gguf_bytes(&header, "GGUF", 4);
        put_u32(&header, VERSION);
        put_u64(&header, writer->count);
        put_u64(&header, keys->count + 2);
        put_gguf_bytes(&header, keys->bytes.data != NULL ? keys->bytes.data : "", keys->bytes.size);
        put_gguf_text(&header, "general.file_type");
        put_u32(&header, PL_GGUF_U32);
        put_u32(&header, file_type);
        put_gguf_text(&header, "general.quantization_version");
        put_u32(&header, PL_GGUF_U32);
        put_u32(&header, QUANTIZATION_VERSION);
    }
    for (size_t i = 0; i < writer->count && status == PL_OK; i++) {
        const pl_gguf_entry *entry = &entries[i];
        uint32_t id = 0;
        if (!pl_gguf_type_find(entry->type, &id)) {
            status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                                  "%s: tensor '%s' has the type %s, which is not written",
                                  writer->path, entry->name, entry->type);
        }
        put_gguf_text(&header, entry->name);
        put_u32(&header, (uint32_t)entry->n_dims);
        for (size_t d = entry->n_dims; d > 0; d--) {
            put_u64(&header, entry->dims[d - 1]);
        }
        put_u32(&header, id);
        put_u64(&header, offset);
        offset += entry->bytes + padding(entry->bytes, writer->alignment);
    }
    put_zeros(&header, padding(header.size, writer->alignment));
    PL_THEN(pl_buf_check(&header, err));
    PL_THEN(pl_writer_write(writer->file, header.data, header.size, err));
    pl_buf_deinit(&header);
    return status;
}

/* A tensor without elements has no bytes to come, and no padding. */
static void pass_empty(pl_gguf_writer *writer)
{
    while (writer->at < writer->count && writer->bytes[writer->at] == 0) {
        writer->at++;
    }
}

pl_status pl_gguf_writer_create(const char *path, const pl_gguf_keys *keys, uint32_t file_type,
                                const pl_gguf_entry *entries, size_t count, pl_gguf_writer **out,
                                pl_error *err)
{
    *out = NULL;
    pl_gguf_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || (writer->path = strdup(path)) == NULL ||
        (writer->bytes = calloc(count + 1, sizeof *writer->bytes)) == NULL) {
        pl_gguf_writer_destroy(writer);
        return pl_error_memory(err, "%s", path);
    }
    writer->count = count;
    writer->alignment = keys->alignment > 0 ? keys->alignment : DEFAULT_ALIGNMENT;
    for (size_t i = 0; i < count; i++) {
        writer->bytes[i] = entries[i].bytes;
    }
    pl_status status = pl_writer_create(path, &writer->file, err);
    PL_THEN(write_gguf_header(writer, keys, file_type, entries, err));
    pass_empty(writer);
    if (status != PL_OK) {
        pl_gguf_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return PL_OK;
}

pl_status pl_gguf_writer_put(pl_gguf_writer *writer, const void *bytes, size_t size, pl_error *err)
{
    const uint64_t left = writer->at < writer->count ? writer->bytes[writer->at] - writer->done : 0;
    if (size > left) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: %zu bytes for a tensor that takes %llu more",
                            writer->path, size, (unsigned long long)left);
    }
    if (size == 0) {
        return PL_OK;
    }
    pl_status status = pl_writer_write(writer->file, bytes, size, err);
    writer->done += size;
    if (status == PL_OK && size == left) {
        pl_buf zeros = {0};
        put_zeros(&zeros, padding(writer->done, writer->alignment));
        status = pl_buf_check(&zeros, err);
        PL_THEN(
            pl_writer_write(writer->file, zeros.data != NULL ? zeros.data : "", zeros.size, err));
        pl_buf_deinit(&zeros);
        writer->at++;
        writer->done = 0;
        pass_empty(writer);
    }
    return status;
}

pl_status pl_gguf_writer_commit(pl_gguf_writer *writer, pl_error *err)
{
    if (writer->at < writer->count) {
        return pl_error_set(err, PL_ERR_STATE, "%s: has %zu of its %zu tensors, expected all",
                            writer->path, writer->at, writer->count);
    }
    return pl_writer_commit(writer->file, err);
}

void pl_gguf_writer_destroy(pl_gguf_writer *writer)
{
    if (writer != NULL) {
        pl_writer_destroy(writer->file);
        free(writer->path);
        free(writer->bytes);
        free(writer);
    }
}
