/* core/lab/export_fold.h -- a model in the coordinates of its transforms; private to core/lab.
 *
 * What a rotation of the whole model turns is written turned: the layers' weights as their rounder
 * left them, on its grid; embedding, lm_head, routers and biases; norms with gains of 1, since
 * their readers hold them.
 *
 * Of transforms that are diagonals (SmoothQuant, AWQ) a site's layers are written as W T^-T, on
 * the rounder's grid, too, and what makes its input is multiplied by T: the norm's gain and bias,
 * or rows and biases of the layer before (v_proj, kv_b_proj's values, up_proj). */
#ifndef PL_LAB_EXPORT_FOLD_H
#define PL_LAB_EXPORT_FOLD_H

#include "core/lab/pipeline.h"
#include "core/lab/transformed.h"
#include "core/model/stream.h"

typedef struct pl_fold {
    pl_context cx;
    pl_transform *first; /* of a rotation: block 0's o_proj's, whose outputs go to the stream */
    float *gain;         /* [hidden], of the norm before what is being written */
    float **scales;      /* [sites], of diagonals: T of its inputs, NULL where it has none */
    float **factors;     /* [layers], of diagonals: what its rows are multiplied by, or NULL */
} pl_fold;

/* PL_ERR_STATE where the layers are not all solved behind one rotation of the model, or those of a
 * site not behind one diagonal that folds; and where something is turned while the model runs,
 * which no file can say.  Whatever it returns, the caller ends it. */
PL_NODISCARD pl_status pl_fold_begin(pl_fold *fold, pl_context cx, pl_error *err);
void pl_fold_end(pl_fold *fold);

/* Whether embedding and lm_head are turned, each in its own way. */
bool pl_fold_turns_stream(const pl_fold *fold);

/* Whether such a part has other numbers than before. */
bool pl_fold_changes(const pl_fold *fold, pl_stream_part part);

/* In place on rows[count, cols] of a tensor that is such a part (stream.h; a vector is one row). */
PL_NODISCARD pl_status pl_fold_rows(pl_fold *fold, pl_stream_part part, size_t of, float *rows,
                                    size_t count, size_t cols, pl_error *err);

/* The layer's weights of that kind in its transform's coordinates, to a new matrix. */
PL_NODISCARD pl_status pl_fold_weights(pl_fold *fold, size_t layer, pl_which which, pl_mat *out,
                                       pl_error *err);

/* What a diagonal behind the layer multiplies its rows by, [rows]; NULL: by nothing. */
const float *pl_fold_row_factors(const pl_fold *fold, size_t layer);

#endif
