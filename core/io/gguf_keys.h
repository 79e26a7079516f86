/* core/io/gguf_keys.h -- the keys of a GGUF to write: another GGUF's, or made one by one.
 *
 * Format: ggml-org/ggml docs/gguf.md.  Memory that runs out is found by pl_gguf_writer_create. */
#ifndef PL_IO_GGUF_KEYS_H
#define PL_IO_GGUF_KEYS_H

#include "core/io/checkpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys as they lie in a file; {0} has none. */
typedef struct pl_gguf_keys {
    pl_buf bytes;
    uint64_t count;
    uint64_t alignment; /* of the tensors; 0: the format's own 32 */
} pl_gguf_keys;

void pl_gguf_keys_deinit(pl_gguf_keys *keys);

/* Appends a GGUF's keys, but for those of its split and of its tensors' types. */
PL_NODISCARD pl_status pl_gguf_keys_copy(pl_checkpoint *source, pl_gguf_keys *keys, pl_error *err);

void pl_gguf_put_u32(pl_gguf_keys *keys, const char *key, uint32_t value);
void pl_gguf_put_f32(pl_gguf_keys *keys, const char *key, float value);
void pl_gguf_put_bool(pl_gguf_keys *keys, const char *key, bool value);
void pl_gguf_put_text(pl_gguf_keys *keys, const char *key, const char *text, size_t size);

/* An array of `count` elements, which the element functions append next. */
typedef enum pl_gguf_element {
    PL_GGUF_TEXTS,
    PL_GGUF_I32S,
    PL_GGUF_F32S,
    PL_GGUF_BOOLS
} pl_gguf_element;
void pl_gguf_put_array(pl_gguf_keys *keys, const char *key, pl_gguf_element of, size_t count);
void pl_gguf_element_text(pl_gguf_keys *keys, const char *text, size_t size);
void pl_gguf_element_i32(pl_gguf_keys *keys, int32_t value);
void pl_gguf_element_f32(pl_gguf_keys *keys, float value);
void pl_gguf_element_bool(pl_gguf_keys *keys, bool value);

#endif
