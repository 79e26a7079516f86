/* plots/overview.h -- one kind of layer over the depth of a model: what its figures share. */
#ifndef PL_PLOTS_OVERVIEW_H
#define PL_PLOTS_OVERVIEW_H

#include "plots/kinds.h"

#include "core/study/layer_summary.h"

/* The layers of one role ("self_attn.q_proj"), one a block. */
typedef struct pl_overview_row {
    char name[64]; /* the layer's name within its block; of inputs, too */
    size_t blocks, known;
    pl_layer_summary *summaries; /* [blocks]; known is false where no layer can be read */
} pl_overview_row;

/* Blocks of a model. */
size_t pl_overview_blocks(const pl_model *model);

/* Reads the row of the layer's role: from the store or, the first time, from the model, with ticks;
 * its progress is that of row `part` of `parts`.  PL_ERR_UNSUPPORTED where none can be read.
 * Caller deinits. */
PL_NODISCARD pl_status pl_overview_read(pl_context cx, size_t layer, pl_side side, size_t part,
                                        size_t parts, pl_overview_row *out, pl_error *err);
void pl_overview_row_deinit(pl_overview_row *row);

/* name: "self_attn.q_proj" of "model.layers.15.self_attn.q_proj".  kind: "q_proj", or the name
 * where two layers of a block end alike. */
const char *pl_overview_layer_name(const pl_layer *layer);
const char *pl_overview_kind(const pl_layer *layer);

/* The unit of the axis: "block", or "layer" in a bare model, which has no blocks. */
const char *pl_overview_unit(const pl_model *model);

/* Title, the unit, "max |w| per input channel". */
PL_NODISCARD pl_status pl_overview_texts(const pl_state *state, const pl_overview_row *row,
                                         pl_side side, pl_figure *out, pl_error *err);

/* The block with the largest ratio, and the largest maximum. */
void pl_overview_facts(const pl_overview_row *row, pl_figure *out);

/* A vertical rule at the selected layer's block. */
PL_NODISCARD pl_status pl_overview_mark(const pl_state *state, size_t layer, pl_figure *out,
                                        pl_error *err);

/* The layers with a result, in order; returns how many.  For pl_kind.layers. */
size_t pl_overview_solved(const pl_state *state, size_t *out);

/* The model's name in a title: without the ending of its file; appended. */
void pl_overview_put_model(const pl_model *model, pl_buf *out);

#endif
