/* core/state/origin.h -- which model a session's results belong to.
 *
 * A session names results in the store by their keys, which were made from a model's weights.  It
 * also holds what tells that model from another one under the same path: of its files the size, the
 * times and the inode, and the identity of its weights, inputs and config where that is known. */
#ifndef PL_STATE_ORIGIN_H
#define PL_STATE_ORIGIN_H

#include "core/state/state.h"

/* {"files": ..., "model": ...}; NULL when memory is out.  Reads nothing. */
json_t *pl_origin_json(const pl_source *source);

/* *same: the source is what pl_origin_json described.  Reads nothing where the files are the same;
 * where they are not, and the JSON has an identity, it reads the whole model on the caller's
 * thread, so nobody else may have the source yet. */
PL_NODISCARD pl_status pl_origin_check(pl_source *source, const json_t *json, bool *same,
                                       pl_error *err);

/* A quick fingerprint of a model, whatever its path, for the name of its session: from headers,
 * config and 4 kB of each of 64 tensors, in milliseconds.  Whether results belong to a model is for
 * pl_origin_check to say.  On the thread that may read the model. */
PL_NODISCARD pl_status pl_origin_print(const pl_source *source, pl_id *out, pl_error *err);

#endif
