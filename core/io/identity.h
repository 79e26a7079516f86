/* core/io/identity.h -- XXH3-128 identities of tensors, checkpoints, texts and keys.
 *
 * A key is the hash of everything a result came from; it names the result in the store. */
#ifndef PL_IO_IDENTITY_H
#define PL_IO_IDENTITY_H

#include "core/base/task.h"
#include "core/io/checkpoint.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_id {
    uint64_t high, low;
} pl_id;

enum { PL_ID_TEXT = 33 }; /* 32 hexadecimal digits and a NUL */

bool pl_id_equal(pl_id a, pl_id b);
void pl_id_format(pl_id id, char out[PL_ID_TEXT]);
bool pl_id_parse(const char *text, pl_id *out);
/* The id of that name in an object; false where there is none. */
bool pl_id_of_json(const json_t *object, const char *name, pl_id *out);
pl_id pl_id_bytes(const void *bytes, size_t size);

/* Streaming: every field goes in with its length, so that "ab","c" differs from "a","bc". */
typedef struct pl_hasher pl_hasher;
PL_NODISCARD pl_status pl_hasher_create(pl_hasher **out, pl_error *err);
void pl_hasher_text(pl_hasher *hasher, const char *text);
void pl_hasher_u64(pl_hasher *hasher, uint64_t value);
void pl_hasher_f64(pl_hasher *hasher, double value);
void pl_hasher_id(pl_hasher *hasher, pl_id id);
void pl_hasher_bytes(pl_hasher *hasher, const void *bytes, size_t size); /* no length prefix */
pl_id pl_hasher_finish(const pl_hasher *hasher);
void pl_hasher_destroy(pl_hasher *hasher);

/* Identity of one tensor: name, dtype's name, shape and bytes (the file's, undecoded). */
PL_NODISCARD pl_status pl_tensor_identity(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                          pl_id *out, pl_task *task, pl_error *err);

/* Identity of a checkpoint: its tensors' identities in the order of their names (strcmp). */
PL_NODISCARD pl_status pl_checkpoint_identity(pl_checkpoint *checkpoint, pl_id *out, pl_task *task,
                                              pl_error *err);

#endif
