/* core/lab/import.h -- another checkpoint's weights as the "after" of the open model: another
 * tool's result, a fine-tune.
 *
 * A layer's imported weights lie in the store like solved ones, so that views, perplexity, export,
 * undo and sessions need no more than their key; the checkpoint itself is read once.  In a state an
 * imported layer has the method "import" in place of what the slots hold, until `method` names
 * another one for it.  Worker thread only, but for what state.h declares. */
#ifndef PL_LAB_IMPORT_H
#define PL_LAB_IMPORT_H

#include "core/lab/pipeline.h"

#include <stdbool.h>

typedef struct pl_import pl_import;

/* path: a folder, .safetensors, .npy or .gguf.  Layers are found by their tensors' Hugging Face
 * names (of a bare model: the file's own), in a GGUF by their canonical ones.  Reads every byte for
 * the identity.  The state's model is borrowed.  Caller closes *out. */
PL_NODISCARD pl_status pl_import_open(const pl_state *state, const char *path, pl_import **out,
                                      pl_task *task, pl_error *err);
void pl_import_close(pl_import *import);
pl_id pl_import_id(const pl_import *import);

typedef struct pl_import_report {
    size_t layers, missing; /* imported; not in that checkpoint, so that they stay original */
    size_t same;            /* of the imported ones: exactly the model's own weights */
    size_t others;          /* norms, embeddings, ... that differ; they stay the model's own */
    char other[96];         /* one of them */
    double relative_error;  /* mean; NaN without calibration */
    double group_max_before, group_max_after, seconds;
} pl_import_report;

/* Stores the weights of layer `only` (SIZE_MAX: all that are there), calls each(ctx, ...) with the
 * result of every one.  PL_ERR_FORMAT with both shapes where a layer does not fit, PL_ERR_NOT_FOUND
 * if there is none. */
PL_NODISCARD pl_status pl_import_layers(pl_context cx, pl_import *import, size_t only,
                                        pl_solved_fn each, void *ctx, pl_import_report *report,
                                        pl_error *err);

/* The report of an imported layer anew, against the calibration that the state has now. */
PL_NODISCARD pl_status pl_import_measure(pl_context cx, size_t layer, pl_solve_report *report,
                                         pl_id *result, pl_error *err);

#endif
