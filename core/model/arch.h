/* core/model/arch.h -- the description table of architectures; private to core/model.
 *
 * Adding an architecture that fits the switches below is one entry of the table in arch.c. */
#ifndef PL_MODEL_ARCH_H
#define PL_MODEL_ARCH_H

#include "core/model/model.h"

/* A tensor's name in the two conventions, without ".weight".  Block tensors have no prefix here:
 * "self_attn.q_proj" stands for model.layers.N.self_attn.q_proj, "attn_q" for blk.N.attn_q. */
typedef struct pl_names {
    const char *hf, *gguf;
} pl_names;

struct pl_arch {
    const char *model_type; /* config.json's */
    const char *gguf;       /* GGUF's general.architecture, and its keys' prefix */
    const char *hf_class;   /* config.json's architectures */
    bool qkv_bias;          /* q, k and v have biases */
    bool gguf_permuted;     /* GGUF stores q and k rows in pairs for its other RoPE */
    bool sliding_switch;    /* has use_sliding_window, max_window_layers */
    size_t default_positions;
    pl_names layers[PL_ROLE_COUNT];
    pl_names attention_norm, mlp_norm; /* in a block */
    pl_names embedding, norm, lm_head; /* of the model */
};

/* NULL if there is none. */
const pl_arch *pl_arch_by_type(const char *model_type);
const pl_arch *pl_arch_by_gguf(const char *name);

/* Sets the sentence that refuses an architecture, with the list of those that work. */
pl_status pl_arch_refuse(pl_error *err, const char *where, const char *field, const char *name);

/* Checks that hold for a config of either source (in config.c). */
PL_NODISCARD pl_status pl_config_check(const pl_config *config, const char *path, pl_error *err);

#endif
