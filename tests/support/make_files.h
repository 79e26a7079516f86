/* tests/support/make_files.h -- checkpoints of a few bytes, built field by field, right or wrong.
 */
#ifndef PL_TESTS_MAKE_FILES_H
#define PL_TESTS_MAKE_FILES_H

#include "core/base/text.h"

#include <stdint.h>
#include <string.h>

static inline void make_u32(pl_buf *out, uint32_t value)
{
    pl_buf_append(out, &value, sizeof value);
}

static inline void make_u64(pl_buf *out, uint64_t value)
{
    pl_buf_append(out, &value, sizeof value);
}

static inline void make_zeros(pl_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pl_buf_append(out, "", 1);
    }
}

/* A safetensors file: header length, JSON, then count zero bytes of data. */
static inline void make_safetensors(pl_buf *out, const char *json, size_t count)
{
    make_u64(out, strlen(json));
    pl_buf_puts(out, json);
    make_zeros(out, count);
}

static inline void make_gguf(pl_buf *out, uint32_t version, uint64_t tensors, uint64_t keys)
{
    pl_buf_append(out, "GGUF", 4);
    make_u32(out, version);
    make_u64(out, tensors);
    make_u64(out, keys);
}

static inline void make_text(pl_buf *out, const char *text)
{
    make_u64(out, strlen(text));
    pl_buf_puts(out, text);
}

/* A key and its value type (0..12); the value follows. */
static inline void make_key(pl_buf *out, const char *key, uint32_t type)
{
    make_text(out, key);
    make_u32(out, type);
}

static inline void make_u32_key(pl_buf *out, const char *key, uint32_t value)
{
    make_key(out, key, 4);
    make_u32(out, value);
}

/* dims: fastest first. */
static inline void make_info(pl_buf *out, const char *name, uint32_t n_dims, const uint64_t *dims,
                             uint32_t type, uint64_t offset)
{
    make_text(out, name);
    make_u32(out, n_dims);
    pl_buf_append(out, dims, n_dims * sizeof *dims);
    make_u32(out, type);
    make_u64(out, offset);
}

static inline void make_padding(pl_buf *out, size_t alignment)
{
    while (out->size % alignment != 0) {
        pl_buf_append(out, "", 1);
    }
}

#endif
