/* core/model/config.h -- what a checkpoint says of its architecture, in one form.
 *
 * Read from config.json or from GGUF's metadata through the description table in arch.c, where
 * one entry is one architecture. */
#ifndef PL_MODEL_CONFIG_H
#define PL_MODEL_CONFIG_H

#include "core/io/checkpoint.h"
#include "core/io/gguf_keys.h"
#include "core/io/identity.h"
#include "core/model/roles.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PL_MAX_HEAD_DIM = 512, PL_MAX_BLOCKS = 4096 };

typedef enum pl_rope_kind {
    PL_ROPE_PLAIN,
    PL_ROPE_LINEAR,
    PL_ROPE_LLAMA3,
    PL_ROPE_LONG,
    PL_ROPE_YARN,
    PL_ROPE_DYNAMIC,
} pl_rope_kind;

/* How a block differs from a plain one: flags. */
enum { PL_BLOCK_SLIDES = 1, PL_BLOCK_EXPERTS = 2, PL_BLOCK_NO_ROPE = 4, PL_BLOCK_CHUNKED = 8 };

/* One architecture: names and switches.  Adding one is one entry of the table in arch.c. */
typedef struct pl_arch pl_arch;

typedef struct pl_config {
    const pl_arch *arch;
    char architecture[64]; /* "llama", "gemma3_text" */
    /* Prefixes of safetensors' names: of all but lm_head ("model."), and of lm_head; other ones
     * inside a model with a vision tower. */
    const char *body, *head;
    size_t hidden_size, intermediate_size, blocks, heads, kv_heads, head_dim, vocab_size;
    size_t rotary_dim; /* dimensions of a head that RoPE turns: head_dim, less in phi3 and glm4; 0:
                          positions are learned */
    size_t value_dim;  /* of a head's values: head_dim but for latent attention */
    size_t kv_latent; /* latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): width of the
                         latent vector of keys and values, else 0.  RoPE turns the last dimensions
                         of each head; in keys all heads share these */
    size_t q_latent;  /* of the latent vector of queries; 0: q_proj makes them at once */
    double latent_eps; /* of the norms of both */
    size_t max_positions;
    double norm_eps;
    bool unit_norms; /* norms multiply by 1 + the stored gain (gemma in safetensors) */
    pl_activation activation;
    bool gated;             /* the MLP is down(act(gate x) * up x), else down(act(up x)) */
    double attention_scale; /* of q k^T: 1 / sqrt(head_dim) but for gemma and granite */
    double embedding_scale; /* 1, or gemma's sqrt(hidden size), or granite's multiplier */
    double residual_scale;  /* of what a half adds to the residual stream */
    double logits_scale;    /* of the logits, before their cap */
    double attention_cap, logits_cap; /* x -> cap tanh(x / cap) of scores and logits; 0: none */
    size_t window; /* keys that a query of a sliding block sees; 0: no block slides */
    size_t chunk;  /* positions a chunk; a query of a chunked block sees its own chunk; 0: no block
                      is chunked */
    bool normed_heads; /* queries and keys pass an RMSNorm without a gain after RoPE (llama4) */
    /* Queries at position p of blocks without RoPE are multiplied by
     * 1 + temper_scale ln(1 + floor((p + 1) / temper_floor)); temper_floor 0: they are not. */
    double temper_floor, temper_scale;
    uint8_t block_kind[PL_MAX_BLOCKS]; /* PL_BLOCK_ flags of each block */
    size_t experts, experts_used;      /* of a mixture of experts, else 0 */
    size_t expert_size, shared_size;   /* inner width of an expert, of the shared one (0: none) */
    bool experts_normalized;           /* the chosen experts' weights are scaled to sum to 1 */
    double experts_scale;              /* and are multiplied by this */
    size_t expert_groups;              /* groups of experts; 0: none */
    size_t expert_groups_used;         /* of which so many, the best, may be chosen from */
    bool tied_embeddings;
    bool biased[PL_ROLE_COUNT]; /* the role's layers have biases, in some blocks at least */
    pl_rope_kind rope;
    double rope_theta;
    double rope_local_theta; /* of sliding blocks, never scaled; 0: as the others */
    double rope_factor;      /* linear, llama3, yarn, dynamic */
    double rope_beta_fast;   /* yarn: a frequency with more turns than this over the original */
    double rope_beta_slow; /*       positions stays; with fewer than this it is divided by the whole
                              factor */
    double rope_low_freq_factor;    /* llama3 */
    double rope_high_freq_factor;   /* llama3 */
    size_t rope_original_positions; /* llama3, long, yarn */
    size_t rope_divisors;           /* rotary_dim / 2 if GGUF gives divisors of the frequencies */
    float rope_divisor[PL_MAX_HEAD_DIM / 2];
    float rope_long_divisor[PL_MAX_HEAD_DIM / 2]; /* long: of windows longer than the original
                                                     positions; rope_divisor: of the others */
    bool rope_untruncated;  /* yarn: the ramp's ends are not rounded to whole dimensions */
    double rope_amplitude;  /* of cosines and sines: 1, but for long and yarn */
    int64_t bos_id, eos_id; /* -1: not known; for the export of a config.json */
} pl_config;

/* From a Hugging Face config.json text already parsed; path names it in errors.  Other
 * architectures are PL_ERR_UNSUPPORTED with the list of those that work.  Unsupported settings
 * (another activation, a rope type) are refused by name, never ignored. */
PL_NODISCARD pl_status pl_config_from_json(const json_t *json, const char *path, pl_config *out,
                                           pl_error *err);

/* From GGUF's metadata and its rope_freqs.weight.  Divisors that llama3 scaling explains are also
 * given as llama3's parameters (with low_freq_factor 1, as all published models have it). */
PL_NODISCARD pl_status pl_config_from_gguf(pl_checkpoint *checkpoint, pl_config *out,
                                           pl_error *err);

/* RoPE's inverse frequencies, out[rotary_dim / 2], in float32 as transformers computes them.
 * length: tokens of the window; only dynamic scaling reads it, beyond max_positions (each window
 * has its own frequencies, whereas transformers keeps those of the longest so far); 0: at most
 * max_positions. */
void pl_config_frequencies(const pl_config *config, size_t length, float *out);

/* The second set: of sliding blocks (gemma3: plain ones of rope_local_theta), or of windows longer
 * than the original positions (phi3's long RoPE).  False if the config has none. */
bool pl_config_other_frequencies(const pl_config *config, float *out);

/* The longest window of tokens: max_positions, times the factor of dynamic scaling;
 * of YaRN the original positions times its factor, where that is more. */
size_t pl_config_longest(const pl_config *config);

/* Identity of all that the forward pass takes from a config: the same weights with another config
 * are another model. */
PL_NODISCARD pl_status pl_config_identity(const pl_config *config, pl_id *out, pl_error *err);

/* The config.json that Hugging Face's transformers reads for this model (for export from GGUF).
 * torch_dtype: "float16", ...  Caller decrefs.  PL_ERR_UNSUPPORTED if the model's RoPE divisors
 * cannot be said in a config.json. */
PL_NODISCARD pl_status pl_config_to_json(const pl_config *config, const char *torch_dtype,
                                         json_t **out, pl_error *err);

/* The keys of the model that llama.cpp reads ("general." and "<architecture>."), appended.
 * PL_ERR_UNSUPPORTED names what has no key. */
PL_NODISCARD pl_status pl_config_to_gguf(const pl_config *config, pl_gguf_keys *keys,
                                         pl_error *err);

/* The tensors of a GGUF that hold a part of RoPE, rotary_dim / 2 values each; returns how many. */
typedef struct pl_gguf_vector {
    const char *name;
    float values[PL_MAX_HEAD_DIM / 2];
} pl_gguf_vector;
size_t pl_config_gguf_tensors(const pl_config *config, pl_gguf_vector out[2]);

#endif
