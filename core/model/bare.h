/* core/model/bare.h -- a model made of weight matrices alone, for architectures that no table here
 * describes: no blocks, no tokenizer, no forward pass.
 *
 * Every matrix [out, in] of the file (F32, F16 or BF16) is a layer, in the natural order of names
 * (2 before 10).  Its inputs X [tokens, in] (all dimensions but the last count as tokens) come from
 * a second file.  The inputs of the weight NAME are the first of these that the second file has:
 * NAME; NAME without its ending ".weight" and with ".input"; NAME without ".weight".  A .npy file
 * holds one array and no name: two files of one matrix each are a pair, too.  A layer whose name is
 * written NAME.weight is called NAME.  Layers with the same inputs are one site, also where the
 * file has those inputs under several names.
 *
 * The functions of model.h work on such a model, except those about blocks.  Its identity covers
 * both files. */
#ifndef PL_MODEL_BARE_H
#define PL_MODEL_BARE_H

#include "core/model/model.h"

#include <stdbool.h>

bool pl_model_is_bare(const pl_model *model);

/* PL_ERR_UNSUPPORTED for a bare model, with the reason; what: "perplexity". */
PL_NODISCARD pl_status pl_model_need_forward(const pl_model *model, const char *what,
                                             pl_error *err);

/* The file of inputs, and its name without folders, escaped; NULL where there is none. */
pl_checkpoint *pl_model_inputs(const pl_model *model);
const char *pl_model_inputs_name(const pl_model *model);

/* A site's inputs, NULL where there are none. */
const pl_tensor *pl_model_site_inputs(const pl_model *model, size_t site);

/* A layer of a bare model whose inputs are not known. */
bool pl_model_is_blind(const pl_model *model, size_t layer);

/* PL_ERR_STATE that says how to give the layer its inputs; PL_OK where they are known, or come
 * from a calibration. */
PL_NODISCARD pl_status pl_model_need_inputs(const pl_model *model, size_t layer, pl_error *err);

/* Identity of the inputs' file, kept while it is open (reads every byte).  There must be one. */
PL_NODISCARD pl_status pl_model_inputs_identity(pl_model *model, pl_id *out, pl_task *task,
                                                pl_error *err);

#endif
