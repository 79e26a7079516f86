/* core/lab/export.h -- a Hugging Face folder with a state's weights in place of the original ones.
 *
 * A drop-in checkpoint: from a Hugging Face folder the names, dtypes, sharding, config and
 * tokenizer files are kept as they are; from a GGUF config.json and tokenizer.json are written from
 * its metadata and names are Hugging Face's; from a file of matrices (core/model/bare.h) it is one
 * safetensors file of the same names and dtypes.  With a packing (io/packing.h) each rounded layer
 * is written as its codes and scales, which give to the bit the weights that were measured.  The
 * folder appears whole, by one rename, after every tensor has been read back. */
#ifndef PL_LAB_EXPORT_H
#define PL_LAB_EXPORT_H

#include "core/io/packing.h"
#include "core/lab/pipeline.h"

typedef struct pl_export_spec {
    const char *folder; /* must not exist yet */
    pl_which which; /* PL_WHICH_PRECONDITIONED or PL_WHICH_AFTER (rounded); or, without a packing
                       and a fold, PL_WHICH_BEFORE: the model as it is */
    pl_dtype dtype; /* of floats; PL_DTYPE_OTHER: the checkpoint's own (f16 from a GGUF); of a
                       GGUF of a model as it is PL_Q8_0, too, rounded as ggml does */
    const pl_packing *packing; /* NULL: all weights as floats; else `which` is PL_WHICH_AFTER */
    pl_pack_order order;       /* of a packing that has both */
    bool gguf;                 /* one GGUF, in a folder as well; of a model that is one */
    bool lossy;   /* layers that the packing cannot hold exactly are rounded anew, else refused */
    bool fold;    /* in the coordinates of the model's rotations: weights on the rounder's
                     grid, embedding and lm_head turned (and untied), norms' gains 1 */
    bool partial; /* some layers are as they were, which was asked for: the model card says it */
} pl_export_spec;

typedef struct pl_export_report {
    size_t files;
    uint64_t bytes;
    double max_dtype_error;   /* largest |written - meant| over all layers' weights */
    double other_dtype_error; /* the same over the other tensors: norms, embeddings, biases */
    size_t packed;            /* layers written as codes */
    size_t requantized;       /* of them: rounded anew */
    size_t widened;           /* of them: their own codes, with more bits than they need */
    size_t cut;         /* of them: in groups narrower than they were solved with, each of which */
    size_t least_group; /* must divide the rows: the narrowest of these; 0 without any */
    char types[160];    /* of a GGUF: "Q4_0 180, Q5_0 30", types of its solved layers, or all */
    double fused_scales_apart; /* as `export` tells it (app/json.md); 0 without such scales */
    double loaded_error;       /* ||loaded - written|| / ||written|| over the packed layers, where
                                  loaded are the weights of a loader that rounds scales and weights
                                  to the configuration's dtype; NaN without packed layers */
    const char *scales_round; /* that dtype, where it rounds their scales, too; NULL: it does not */
    double requantization_error; /* ||written - meant|| / ||meant|| over those, 0 without any */
    double bits_per_weight; /* of the rounded layers it holds, scales and zero points counted: what
                               their codes take packed, or would; NaN where it holds none */
} pl_export_report;

PL_NODISCARD pl_status pl_export(pl_context cx, const pl_export_spec *spec,
                                 pl_export_report *report, pl_error *err);

/* Layers that an export of those weights would have as they are in the checkpoint: not solved under
 * the present methods, or, of rounded weights, not rounded. */
size_t pl_export_left(const pl_state *state, pl_which which);

#endif
