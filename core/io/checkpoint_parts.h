/* core/io/checkpoint_parts.h -- what checkpoint.c and the readers of each container share. */
#ifndef PL_IO_CHECKPOINT_PARTS_H
#define PL_IO_CHECKPOINT_PARTS_H

#include "core/base/text.h"
#include "core/io/checkpoint.h"

/* A GGUF array of strings with its raw bytes; each string is NUL-terminated in `bytes`. */
typedef struct pl_string_array {
    char *key;
    char *bytes;
    const char **strings;
    size_t *sizes;
    size_t count;
} pl_string_array;

struct pl_checkpoint {
    pl_container container;
    char *folder;
    pl_file **shards;
    size_t shard_count;
    pl_tensor *tensors; /* by shard, then by offset; each name owns "name\0dtype_name\0" */
    size_t count, capacity;
    size_t *by_name; /* [count] indices into tensors, in strcmp order of their names */
    json_t *metadata;
    char *index; /* path; NULL without */
    pl_buf note;
    pl_string_array *arrays;
    size_t array_count;
};

/* Adds a sentence to the note. */
void pl_checkpoint_say(pl_checkpoint *checkpoint, const char *format, ...) PL_PRINTF(2, 3);

/* Empties it, but for its folder. */
void pl_checkpoint_clear(pl_checkpoint *checkpoint);

/* Opens path as the next shard. */
PL_NODISCARD pl_status pl_checkpoint_add_shard(pl_checkpoint *checkpoint, const char *path,
                                               pl_file **file, pl_error *err);

/* Appends a copy of *tensor, whose name (size bytes, no NUL inside) and dtype_name are copied. */
PL_NODISCARD pl_status pl_checkpoint_add_tensor(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                                const char *name, size_t size, pl_error *err);

/* Builds by_name; a name that occurs twice is PL_ERR_FORMAT. */
PL_NODISCARD pl_status pl_checkpoint_index_names(pl_checkpoint *checkpoint, pl_error *err);

/* Adds one safetensors file: its shard, its tensors in the order of their data, its metadata. */
PL_NODISCARD pl_status pl_safetensors_add_file(pl_checkpoint *checkpoint, const char *path,
                                               pl_error *err);

/* Each fills an empty checkpoint whose folder is set. */
PL_NODISCARD pl_status pl_safetensors_load(pl_checkpoint *checkpoint, const char *path,
                                           pl_error *err);
PL_NODISCARD pl_status pl_safetensors_load_index(pl_checkpoint *checkpoint, const char *path,
                                                 pl_error *err);
PL_NODISCARD pl_status pl_gguf_load(pl_checkpoint *checkpoint, const char *path, pl_error *err);
PL_NODISCARD pl_status pl_npy_load(pl_checkpoint *checkpoint, const char *path, pl_error *err);

/* PL_ERR_UNSUPPORTED with the way out, else PL_OK: for a file that is no container; for what the
 * tensors and the metadata of one say it is. */
PL_NODISCARD pl_status pl_refuse_file(const char *path, pl_error *err);
PL_NODISCARD pl_status pl_refuse_packed(const pl_checkpoint *checkpoint, pl_error *err);

/* Puts layers that a checkpoint holds in parts in their place (packing.h). */
PL_NODISCARD pl_status pl_packed_find(pl_checkpoint *checkpoint, pl_error *err);

/* As pl_checkpoint_read, of a packed layer. */
PL_NODISCARD pl_status pl_packed_read(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                      size_t first, size_t count, float *out, pl_error *err);

/* The product of the dimensions, false when that of the non-zero ones overflows (so that any
 * partial product of an accepted shape fits, too). */
bool pl_dims_product(const uint64_t *dims, size_t n_dims, uint64_t *product);

/* A name from a file, short enough for a sentence. */
typedef struct pl_brief {
    char text[100];
} pl_brief;
pl_brief pl_brief_of(const char *raw, size_t size);

#endif
