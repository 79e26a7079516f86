/* core/io/gguf_parts.h -- the cursor, the value and type tables, and the reader behind gguf.c. */
#ifndef PL_IO_GGUF_PARTS_H
#define PL_IO_GGUF_PARTS_H

#include "core/base/file.h"
#include "core/io/checkpoint_parts.h"
#include "core/tensor/dtype.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a header forwards through a window, so that opening touches nothing of the data. */
typedef struct pl_cursor {
    pl_file *file;
    uint64_t offset; /* of the next byte */
    uint64_t window_offset;
    size_t window_size;
    char *window;
} pl_cursor;

enum { PL_GGUF_COUNT_LIMIT = 1 << 30 };

PL_NODISCARD pl_status pl_cursor_init(pl_cursor *cursor, pl_file *file, pl_error *err);
void pl_cursor_deinit(pl_cursor *cursor);
uint64_t pl_cursor_left(const pl_cursor *cursor);

/* what: named by the sentence when the file ends before size bytes. */
PL_NODISCARD pl_status pl_cursor_take(pl_cursor *cursor, void *out, size_t size, const char *what,
                                      pl_error *err);

/* A length-prefixed string, bounded by limit and by what is left of the file before anything is
 * allocated.  Caller frees *out (NUL-terminated). */
PL_NODISCARD pl_status pl_cursor_string(pl_cursor *cursor, uint64_t limit, char **out, size_t *size,
                                        const char *what, pl_error *err);

enum pl_gguf_value {
    PL_GGUF_U8,
    PL_GGUF_I8,
    PL_GGUF_U16,
    PL_GGUF_I16,
    PL_GGUF_U32,
    PL_GGUF_I32,
    PL_GGUF_F32,
    PL_GGUF_BOOL,
    PL_GGUF_STRING,
    PL_GGUF_ARRAY,
    PL_GGUF_U64,
    PL_GGUF_I64,
    PL_GGUF_F64,
    PL_GGUF_VALUE_COUNT
};

/* Bytes of a scalar value, 0 for strings and arrays. */
size_t pl_gguf_value_bytes(uint32_t type);

/* A scalar from its bytes: integer, real or boolean; null for a real that is not finite (JSON has
 * none) and for memory that is out; a u64 beyond int64 becomes a real.  NULL for a boolean that is
 * neither 0 nor 1. */
json_t *pl_gguf_scalar(uint32_t type, const char *bytes);

/* A string as JSON: as it is when it is valid UTF-8, else escaped.  NULL when memory is out. */
json_t *pl_gguf_text(const char *bytes, size_t size);

/* A tensor's element type.  block == 0: the size is unknown. */
typedef struct pl_gguf_type {
    const char *name; /* NULL: the id is unknown */
    pl_dtype dtype;
    uint32_t block, block_bytes;
} pl_gguf_type;
pl_gguf_type pl_gguf_type_of(uint32_t id);
/* The id of a name, false where there is none. */
bool pl_gguf_type_find(const char *name, uint32_t *id);

/* A file's header on its way into a checkpoint. */
typedef struct pl_gguf_reader {
    pl_cursor cursor;
    pl_checkpoint *checkpoint;
    json_t *metadata; /* where its keys go */
    const char *path;
    uint64_t alignment;
    uint64_t data;    /* offset of the data section in the file */
    uint64_t running; /* padded sum of the tensors so far, relative to data */
    bool open_ended;  /* the size of the tensor before is unknown */
} pl_gguf_reader;

enum { PL_GGUF_INFO_BYTES = 8 + 4 + 4 + 8 }; /* least size of a tensor's entry */

/* Reads the entries of count tensors (bounded by the file's size) and adds them. */
PL_NODISCARD pl_status pl_gguf_read_tensors(pl_gguf_reader *reader, uint64_t count, pl_error *err);

#endif
