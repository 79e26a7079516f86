/* core/model/arch.h -- the description table of architectures; private to core/model.
 *
 * Adding an architecture that fits the switches below is one entry of the table in arch.c. */
#ifndef PL_MODEL_ARCH_H
#define PL_MODEL_ARCH_H

#include "core/base/error.h"
#include "core/model/roles.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_arch pl_arch;

/* A tensor's name in the two conventions, without ".weight".  Block tensors have no prefix here:
 * "self_attn.q_proj" stands for model.layers.N.self_attn.q_proj, "attn_q" for blk.N.attn_q. */
typedef struct pl_names {
    const char *hf, *gguf;
} pl_names;

/* Gains of a block's norms; an architecture names those it has. */
typedef enum pl_norm_role {
    PL_NORM_ATTENTION,     /* before attention */
    PL_NORM_ATTENTION_OUT, /* after it, before the sum */
    PL_NORM_MLP,
    PL_NORM_MLP_OUT,
    PL_NORM_Q, /* of queries and keys before RoPE: by head, or of all heads together */
    PL_NORM_K,
    PL_NORM_Q_LATENT, /* of the latent vectors of latent attention */
    PL_NORM_KV_LATENT,
    PL_NORM_COUNT,
} pl_norm_role;

/* Which blocks attend through a window. */
typedef enum pl_window_rule {
    PL_WINDOW_NONE,    /* no such setting */
    PL_WINDOW_ALL,     /* every block, where sliding_window is set */
    PL_WINDOW_SWITCH,  /* use_sliding_window, then layer_types or max_window_layers */
    PL_WINDOW_PATTERN, /* layer_types, else all but every window_pattern-th block */
    PL_WINDOW_REFUSED, /* use_sliding_window is refused by name */
} pl_window_rule;

/* Mixtures of experts: in HF's names the expert's number stands between prefix and layer name. */
typedef struct pl_expert_names {
    pl_names prefix;                /* "mlp.experts" */
    pl_names layers[PL_ROLE_COUNT]; /* gate, up, down; GGUF's hold all experts in one tensor */
    pl_names router;                /* [experts, hidden] */
    pl_names shared[PL_ROLE_COUNT]; /* gate, up, down of the shared expert; NULL: none */
    pl_names shared_gate;           /* [1, hidden] */
    const char *score_bias[2]; /* [experts] added to the scores that experts are chosen by, not to
                                  their weights: HF's name and GGUF's, whole; NULL: none */
    const char *shared_count;  /* field for the number of shared experts, which are stored as one
                                  wide expert without a gate; NULL: see shared_gate */
    const char *first_dense;   /* field for the number of blocks before the first with experts */
    const char *scale;         /* field for the factor of all experts' weights; NULL: 1 */
    bool grouped;              /* n_group, topk_group may limit the choice */
    bool group_pairs;          /* a group's score is the sum of its best two, not its best */
    bool sigmoid;              /* a score is a sigmoid, not one of a softmax over all */
    size_t default_used; /* experts of a token where the field is missing; 0: it must be there */
    /* shared_count, first_dense, n_group, topk_group and scale (0: 1) where config.json leaves them
     * out. */
    size_t default_shared, default_dense, default_groups, default_groups_used;
    double default_scale;
    bool gguf_inner;        /* a GGUF states the experts' width, though `inner` is NULL */
    bool one_shared;        /* a shared expert as wide as the others, without a gate */
    bool input_scaled;      /* weights multiply an expert's input, not its output */
    const char *stacked[2]; /* HF's tensor of all experts' gate and up, [experts, in, out], and of
                               down, whole names; NULL: each expert has tensors of its own */
    bool alternating;       /* in stacked[0] the outputs of gate and up alternate */
    bool biased;            /* experts have biases ("..._bias"), and the router has one */
    const char *step; /* field n: every n-th block has experts; `list`: field with those blocks */
    const char *list;
    const char *count; /* config.json's field for the number of experts */
    const char *inner; /* and for their inner width; NULL: intermediate_size */
    bool normalized; /* the chosen experts' weights always sum to 1; else norm_topk_prob says if */
    bool normalized_by_default; /* norm_topk_prob where it is missing */
    bool gguf_normalized;       /* llama.cpp makes them sum to 1 always, whatever the file says */
    bool sparse_blocks; /* decoder_sparse_step and mlp_only_layers leave some blocks without */
} pl_expert_names;

/* Which blocks attend without RoPE. */
typedef enum pl_no_rope_rule {
    PL_NO_ROPE_NONE,
    PL_NO_ROPE_LIST, /* no_rope_layers, else every no_rope_layer_interval-th, which is 4 in GGUF */
    PL_NO_ROPE_FULL, /* those that do not slide */
} pl_no_rope_rule;

/* The architecture's own names of config.json's fields hidden_size, ...; NULL: the usual name. */
typedef struct pl_field_names {
    const char *hidden_size, *intermediate_size, *blocks, *heads, *positions, *eps, *activation;
} pl_field_names;

/* What a field of config.json must be, or be missing or null; anything else is refused by name. */
typedef struct pl_setting {
    const char *field; /* NULL: the end of a list */
    enum { PL_MUST_BE_OFF, PL_MUST_BE_ON, PL_MUST_BE_HIDDEN_SIZE, PL_MUST_BE_WORD } must;
    const char *word; /* of PL_MUST_BE_WORD: the field's text or number as JSON writes it */
} pl_setting;

enum { PL_MOST_SETTINGS = 8 };

struct pl_arch {
    const char *model_type; /* config.json's */
    const char *gguf;     /* GGUF's general.architecture, and its keys' prefix; NULL: it has none */
    const char *hf_class; /* config.json's architectures */
    const char *tokenizer;   /* transformers' class where no file names one; NULL: of no effect */
    bool qkv_bias;           /* q, k and v have biases */
    bool attention_bias;     /* config.json's attention_bias gives them and o biases */
    bool mlp_bias;           /* its mlp_bias gives gate, up and down biases */
    bool o_unbiased;         /* attention_bias does not give o one */
    bool default_bias;       /* attention_bias is true where it is missing */
    bool all_biased;         /* all layers have biases, but where the field bias_switch is false */
    const char *bias_switch; /* NULL: none */
    bool gguf_permuted; /* GGUF permutes the rows of q and k, since its RoPE turns neighbours */
    bool whole_qk_norm; /* q_norm and k_norm go over all heads together */
    bool layer_norm;    /* norms take away the mean: LayerNorm in place of RMSNorm */
    bool norm_biases;   /* and add a bias */
    bool parallel;      /* attention and MLP read one norm, and their outputs are added at once */
    bool unit_norms;    /* norms multiply by 1 + weight; GGUF holds 1 + weight */
    bool scaled_embedding; /* times sqrt(hidden size) */
    pl_activation activation;
    bool any_activation; /* config.json's field names it */
    bool neighbours;     /* RoPE turns neighbouring dimensions in place of halves */
    bool transposed;     /* Hugging Face's files hold weights as [in, out] (Conv1D) */
    bool multipliers;    /* has embedding_, attention_ and residual_multiplier, logits_scaling */
    bool logit_scale;    /* has logit_scale */
    bool partial_rotary; /* has partial_rotary_factor */
    bool long_rope;      /* RoPE scaling may be longrope (also called su or yarn) */
    bool latent;         /* latent attention: kv_lora_rank, q_lora_rank, qk_nope_head_dim, ... */
    bool deep_yarn; /* YaRN's mscale_all_dim also multiplies the attention scores, by the square of
                       its amplitude */
    bool query_scalar; /* has query_pre_attn_scalar */
    bool soft_caps;    /* has attn_logit_softcapping, final_logit_softcapping */
    bool tied_by_default;
    bool kv_heads_needed; /* transformers' default for num_key_value_heads is a number */
    pl_window_rule windows;
    pl_no_rope_rule no_rope;
    size_t default_window; /* 0: none */
    size_t window_pattern;
    size_t default_positions, default_head_dim;            /* 0: hidden size / heads */
    size_t default_heads, default_kv_heads, default_vocab; /* 0: they must be given */
    size_t wide_blocks; /* GGUF: so many blocks mean query_pre_attn_scalar = hidden / heads */
    double default_theta, default_local_theta; /* 0: 10000; no RoPE of its own in windows */
    double default_eps;                        /* 0: 1e-6 */
    double default_partial;                    /* 0: RoPE turns whole heads */
    double default_attention_cap;              /* 0: scores are not capped, whatever a file says */
    double default_logits_cap;
    const char *body[2];    /* prefix of tensor names in a whole model, and in one saved without its
                               head; NULL: "model." */
    const char *block_list; /* "layers" */
    pl_field_names fields;
    pl_setting settings[PL_MOST_SETTINGS]; /* that would change the mathematics */
    pl_names layers[PL_ROLE_COUNT];
    pl_names fused_qkv, fused_gate_up; /* one tensor of all their rows; NULL: none */
    pl_names norms[PL_NORM_COUNT];     /* NULL: none */
    pl_names embedding, norm, lm_head; /* of the model */
    pl_names positions; /* learned: [offset + positions, hidden]; NULL: there is RoPE */
    size_t position_offset;
    const char *sinks[2];  /* [heads] of each block, HF's name and GGUF's, whole: one more score in
                              each head's softmax, with no value */
    bool chunks;           /* attention_chunk_size, floor_scale, attn_scale, use_qk_norm (llama4) */
    bool gguf_untruncated; /* a GGUF's YaRN is untruncated, though no key says so (gpt_oss) */
    const pl_expert_names *experts; /* NULL: none */
};

/* NULL if there is none. */
const pl_arch *pl_arch_by_type(const char *model_type);
const pl_arch *pl_arch_by_gguf(const char *name, bool experts);

/* The names of config.json's fields for an architecture, none of them NULL. */
pl_field_names pl_arch_fields(const pl_arch *arch);

/* Prefixes of tensor names: "model." of a whole model, "model.layers" of its blocks. */
const char *pl_arch_body(const pl_arch *arch);
const char *pl_arch_block_list(const pl_arch *arch);

/* Sets the sentence that refuses an architecture, with the list of those that work. */
pl_status pl_arch_refuse(pl_error *err, const char *where, const char *field, const char *name);

#endif
