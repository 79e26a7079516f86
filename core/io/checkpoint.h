/* core/io/checkpoint.h -- the tensors of a checkpoint, whatever its container.
 *
 * A checkpoint is one safetensors file, a set of them under an index, one GGUF file, or one NumPy
 * array (.npy), whose tensor has the file's name without its ending.  Opening
 * reads headers only.  Tensor data is read by position, block by block, when asked for. */
#ifndef PL_IO_CHECKPOINT_H
#define PL_IO_CHECKPOINT_H

#include "core/base/file.h"
#include "core/base/task.h"
#include "core/tensor/dtype.h"
#include "core/tensor/mat.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PL_MAX_DIMS = 8 };

typedef struct pl_tensor {
    const char *name; /* as in the file; owned by the checkpoint, unescaped */
    pl_dtype dtype;
    const char *dtype_name; /* the file's own word, also for PL_DTYPE_OTHER */
    size_t n_dims;
    uint64_t dims[PL_MAX_DIMS]; /* slowest first, as PyTorch prints them */
    size_t shard;               /* index of its file */
    uint64_t offset;            /* of its first byte in that file */
    uint64_t bytes;
    struct pl_packed *packed; /* of a layer whose codes and scales are tensors of their own
                                 (packing.h): place and bytes are those of the codes, dtype that of
                                 the scales (BF16 of 8-bit ones); else NULL */
} pl_tensor;

typedef enum pl_container {
    PL_SAFETENSORS,
    PL_GGUF,
    PL_NPY,
    PL_NO_CONTAINER, /* of a file: none of these */
} pl_container;

/* What a file is by its first bytes, whatever its name. */
pl_container pl_checkpoint_kind(const char *path);

typedef struct pl_checkpoint pl_checkpoint;

/* path: a safetensors, GGUF or npy file of any name, a .safetensors.index.json, or a folder that
 * holds model.safetensors or model.safetensors.index.json (in that order, which is transformers').
 * One shard under an index, or one part of a split GGUF, stands for all of them.
 * PL_ERR_UNSUPPORTED with the way out for what is known but not read: pickles, packed weights
 * but those of packing.h, adapters.  Caller owns *out. */
PL_NODISCARD pl_status pl_checkpoint_open(const char *path, pl_checkpoint **out, pl_error *err);
void pl_checkpoint_close(pl_checkpoint *checkpoint);

/* For a folder without a checkpoint: PL_ERR_UNSUPPORTED with the way out where it holds an adapter
 * or weights that PyTorch pickled (pytorch_model.bin), else PL_OK. */
PL_NODISCARD pl_status pl_checkpoint_refuse_folder(const char *folder, pl_error *err);

/* Of a name that ends in "-00002-of-00003" and `ending`: the length of what is before, and the two
 * numbers; false for any other name. */
bool pl_checkpoint_part(const char *name, const char *ending, size_t *stem, size_t *part,
                        size_t *parts);

/* What a person should know of the choice of files: NULL, or sentences without a full stop (", "
 * between them), safe to show. */
const char *pl_checkpoint_note(const pl_checkpoint *checkpoint);

/* Path of the index that lists its shards; NULL without. */
const char *pl_checkpoint_index(const pl_checkpoint *checkpoint);

pl_container pl_checkpoint_container(const pl_checkpoint *checkpoint);

/* Folder that holds the checkpoint's files. */
const char *pl_checkpoint_folder(const pl_checkpoint *checkpoint);
size_t pl_checkpoint_count(const pl_checkpoint *checkpoint);
const pl_tensor *pl_checkpoint_tensor(const pl_checkpoint *checkpoint, size_t index);

/* NULL if there is none of that name. */
const pl_tensor *pl_checkpoint_find(const pl_checkpoint *checkpoint, const char *name);

size_t pl_checkpoint_shards(const pl_checkpoint *checkpoint);
pl_file *pl_checkpoint_shard(const pl_checkpoint *checkpoint, size_t shard);

/* Sum of the files' sizes. */
uint64_t pl_checkpoint_bytes(const pl_checkpoint *checkpoint);

/* GGUF's key-value metadata as a JSON object (integers, reals, booleans, strings, arrays; null for
 * a real that is not finite), or the union of the shards' __metadata__.  Borrowed.  GGUF's long
 * arrays of the tokenizer are here too.  A string that is not valid UTF-8 is stored escaped
 * (pl_text_escape), except tokens: see pl_checkpoint_strings. */
const json_t *pl_checkpoint_metadata(const pl_checkpoint *checkpoint);

/* GGUF only: a string-array value with its raw bytes, which may be no UTF-8
 * (tokenizer.ggml.tokens). *strings and *sizes are borrowed arrays of *count; false if the key is
 * absent or another type. */
bool pl_checkpoint_strings(const pl_checkpoint *checkpoint, const char *key,
                           const char *const **strings, const size_t **sizes, size_t *count);

/* The product of `count` dimensions, 1 of none: of those of a file's tensors it does not wrap. */
uint64_t pl_dims_elements(const uint64_t *dims, size_t count);
/* Elements of a tensor; its last dimension; the product of the others (1 for 0-rank). */
uint64_t pl_tensor_elements(const pl_tensor *tensor);
size_t pl_tensor_cols(const pl_tensor *tensor);
size_t pl_tensor_rows(const pl_tensor *tensor);

/* Decodes rows [first, first + count) of a tensor seen as [rows, cols] to float32 in
 * out[count, cols].  PL_ERR_UNSUPPORTED names the tensor and its dtype if that is not decodable;
 * PL_ERR_NUMERIC names the tensor and the index of the first NaN or infinity.  Thread-safe. */
PL_NODISCARD pl_status pl_checkpoint_read(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                          size_t first, size_t count, float *out, pl_error *err);

#endif
