/* core/io/safetensors.h -- writing safetensors.  (Reading is behind checkpoint.h.)
 *
 * Format: huggingface/safetensors: u64 LE header length, JSON header padded with spaces to a
 * multiple of 8, then the data; tensors in the order they were declared here. */
#ifndef PL_IO_SAFETENSORS_H
#define PL_IO_SAFETENSORS_H

#include "core/base/file.h"
#include "core/tensor/dtype.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pl_st_entry {
    const char *name; /* borrowed during create */
    pl_dtype dtype;   /* PL_F32, PL_F16 or PL_BF16 */
    size_t n_dims;
    const uint64_t *dims; /* slowest first */
} pl_st_entry;

typedef struct pl_st_writer pl_st_writer;

/* Sorts the entries by dtype alignment (widest first), then name, and writes the header to a
 * temporary file beside path.  raws[i], a constant, or NULL: the format's word ("I32", "F16", ...)
 * for the type of a tensor whose bytes the caller gives (pl_st_writer_put_raw); entries[i].dtype is
 * not read then.  raws may be NULL.  metadata: pairs "key","value",..., NULL-terminated, or NULL.
 */
PL_NODISCARD pl_status pl_st_writer_create(const char *path, const pl_st_entry *entries,
                                           const char *const *raws, size_t count,
                                           const char *const *metadata, pl_st_writer **out,
                                           pl_error *err);

/* The position-th tensor to be written is entries[pl_st_writer_order(w, position)]. */
size_t pl_st_writer_order(const pl_st_writer *writer, size_t position);

/* Appends elements, rounded to the dtype of the running tensor (it goes on to the next where one
 * is full).  *max_error (if not NULL) becomes the largest |stored - given| seen so far if that is
 * larger.  PL_ERR_NUMERIC names the tensor and the element that is not finite, given or stored. */
PL_NODISCARD pl_status pl_st_writer_put(pl_st_writer *writer, const float *values, size_t count,
                                        double *max_error, pl_error *err);

/* Appends bytes of the running tensor, one with a raw type, as they are to lie in the file. */
PL_NODISCARD pl_status pl_st_writer_put_raw(pl_st_writer *writer, const void *bytes, size_t size,
                                            pl_error *err);

/* Bytes of an element of such a type, 0 where it is not written. */
size_t pl_st_raw_width(const char *word);

/* Fails if bytes are missing; then syncs and renames into place. */
PL_NODISCARD pl_status pl_st_writer_commit(pl_st_writer *writer, pl_error *err);
void pl_st_writer_destroy(pl_st_writer *writer);

#endif
