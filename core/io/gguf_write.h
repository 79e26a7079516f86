/* core/io/gguf_write.h -- writing GGUF, and blocks of 32 weights.
 * (Reading is behind checkpoint.h.)
 *
 * Blocks: ggml-org/llama.cpp ggml/src/ggml-quants.c, quantize_row_*_ref. */
#ifndef PL_IO_GGUF_WRITE_H
#define PL_IO_GGUF_WRITE_H

#include "core/io/gguf_keys.h"

typedef struct pl_gguf_entry {
    const char *name;
    const char *type; /* "Q4_0", "F32": a name of the format's types */
    size_t n_dims;
    const uint64_t *dims; /* slowest first */
    uint64_t bytes;
} pl_gguf_entry;

typedef struct pl_gguf_writer pl_gguf_writer;

/* Writes a header with these keys, with this general.file_type behind them, to a temporary file
 * beside path; the tensors follow in the order of the entries. */
PL_NODISCARD pl_status pl_gguf_writer_create(const char *path, const pl_gguf_keys *keys,
                                             uint32_t file_type, const pl_gguf_entry *entries,
                                             size_t count, pl_gguf_writer **out, pl_error *err);

/* Appends bytes of the running tensor, and what pads it where it is full. */
PL_NODISCARD pl_status pl_gguf_writer_put(pl_gguf_writer *writer, const void *bytes, size_t size,
                                          pl_error *err);

/* Fails if bytes are missing; then syncs and renames into place. */
PL_NODISCARD pl_status pl_gguf_writer_commit(pl_gguf_writer *writer, pl_error *err);
void pl_gguf_writer_destroy(pl_gguf_writer *writer);

enum { PL_GGUF_BLOCK = 32 };

/* The types that a block of codes may have, smallest first, and what general.file_type says of a
 * file of mostly such; PL_DTYPE_OTHER ends them. */
typedef struct pl_gguf_choice {
    pl_dtype dtype;
    uint32_t file_type;
    int bits;
    bool offset;         /* a least value of its own beside the scale */
    const char *element; /* the number format of its codes (core/format); NULL: integers */
} pl_gguf_choice;
extern const pl_gguf_choice pl_gguf_choices[];
/* The same number for F32, F16 and BF16. */
uint32_t pl_gguf_float_file_type(pl_dtype dtype);

/* A block of PL_GGUF_BLOCK values scale * steps[i] to out: false where the type cannot hold them
 * exactly, as it decodes them. */
bool pl_gguf_block_exact(pl_dtype dtype, float scale, const int *steps, uint8_t *out);

/* The same of any finite values, by the plain rounding of ggml. */
void pl_gguf_block_round(pl_dtype dtype, const float *x, uint8_t *out);

#endif
