/* The keys and RoPE tensors that llama.cpp reads of a model, as its converter writes them
 * (ggml-org/llama.cpp convert_hf_to_gguf.py, gguf-py/gguf/constants.py). */
#include "core/model/config_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct sink {
    const pl_config *config;
    pl_gguf_keys *keys;
    char name[96];
} sink;

static const char *whole(sink *to, const char *key)
{
    snprintf(to->name, sizeof to->name, "%s.%s", to->config->arch->gguf, key);
    return to->name;
}

static void size_key(sink *to, const char *key, size_t value)
{
    pl_gguf_put_u32(to->keys, whole(to, key), (uint32_t)value);
}

static void real_key(sink *to, const char *key, double value)
{
    pl_gguf_put_f32(to->keys, whole(to, key), (float)value);
}

static void text_key(sink *to, const char *key, const char *value)
{
    pl_gguf_put_text(to->keys, whole(to, key), value, strlen(value));
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

static pl_status refuse_config_key(const pl_config *config, const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "export: format=gguf: llama.cpp's %s has no key for %s of this model",
                        config->arch->gguf, what);
}

static void put_sizes(sink *to)
{
    const pl_config *c = to->config;
    size_key(to, "block_count", c->blocks);
    size_key(to, "context_length", c->max_positions);
    size_key(to, "embedding_length", c->hidden_size);
    size_key(to, "feed_forward_length", c->intermediate_size);
    size_key(to, "attention.head_count", c->heads);
    size_key(to, "attention.head_count_kv", c->kv_heads);
    size_key(to, "attention.key_length", c->head_dim);
    size_key(to, "attention.value_length", c->value_dim);
    if (c->kv_latent > 0) {
        size_key(to, "attention.kv_lora_rank", c->kv_latent);
    }
    if (c->q_latent > 0) {
        size_key(to, "attention.q_lora_rank", c->q_latent);
    }
    real_key(to, "attention.layer_norm_rms_epsilon", c->norm_eps);
    size_key(to, "vocab_size", c->vocab_size);
    size_key(to, "rope.dimension_count", c->rotary_dim);
    real_key(to, "rope.freq_base", c->rope_theta);
}

/* What the scores are multiplied by in DeepSeek's YaRN: 1 in other models. */
static double deep_scale(const pl_config *c)
{
    return c->attention_scale * sqrt((double)c->head_dim);
}

/* llama.cpp's deepseek2 has no key for cosines and sines of another amplitude than 1. */
static pl_status put_deep_yarn(sink *to, pl_error *err)
{
    const pl_config *c = to->config;
    if (!close_to(c->rope_amplitude, 1) || !(c->rope_factor > 1)) {
        return refuse_config_key(c, "a YaRN whose mscale is not its mscale_all_dim", err);
    }
    real_key(to, "rope.scaling.yarn_log_multiplier",
             (sqrt(deep_scale(c)) - 1) / log(c->rope_factor));
    return PL_OK;
}

static pl_status put_rope(sink *to, pl_error *err)
{
    const pl_config *c = to->config;
    switch (c->rope) {
    case PL_ROPE_LINEAR:
        text_key(to, "rope.scaling.type", "linear");
        real_key(to, "rope.scaling.factor", c->rope_factor);
        break;
    case PL_ROPE_YARN:
        if (c->rope_untruncated != c->arch->gguf_untruncated) {
            return refuse_config_key(c, "YaRN's truncate", err);
        }
        text_key(to, "rope.scaling.type", "yarn");
        real_key(to, "rope.scaling.factor", c->rope_factor);
        size_key(to, "rope.scaling.original_context_length", c->rope_original_positions);
        real_key(to, "rope.scaling.yarn_beta_fast", c->rope_beta_fast);
        real_key(to, "rope.scaling.yarn_beta_slow", c->rope_beta_slow);
        if (c->arch->deep_yarn) {
            return put_deep_yarn(to, err);
        }
        real_key(to, "rope.scaling.attn_factor",
                 c->rope_amplitude / pl_config_yarn_amplitude(c->rope_factor, 1));
        break;
    case PL_ROPE_LONG:
        size_key(to, "rope.scaling.original_context_length", c->rope_original_positions);
        real_key(to, "rope.scaling.attn_factor", c->rope_amplitude);
        break;
    case PL_ROPE_DYNAMIC:
        return refuse_config_key(c, "the dynamic RoPE scaling", err);
    case PL_ROPE_PLAIN:
    case PL_ROPE_LLAMA3: /* a tensor */
        break;
    }
    if (c->rope_local_theta > 0) {
        real_key(to, "rope.freq_base_swa", c->rope_local_theta);
    }
    return PL_OK;
}

/* Which blocks slide, where llama.cpp's own rule for the architecture does not say it. */
static pl_status put_windows(sink *to, pl_error *err)
{
    const pl_config *c = to->config;
    const pl_arch *arch = c->arch;
    if (c->window == 0) {
        return PL_OK;
    }
    const bool patterned = arch->windows == PL_WINDOW_PATTERN;
    bool usual = true;
    for (size_t b = 0; b < c->blocks; b++) {
        const bool slides = (c->block_kind[b] & PL_BLOCK_SLIDES) != 0;
        usual = usual && slides == (!patterned || (b + 1) % arch->window_pattern != 0);
    }
    size_key(to, "attention.sliding_window", c->window);
    const bool fixed = !patterned || arch->sinks[0] != NULL; /* gpt-oss: every second block */
    if (!usual && fixed) {
        return refuse_config_key(c, "windows in some blocks only", err);
    }
    if (!usual) {
        pl_gguf_put_array(to->keys, whole(to, "attention.sliding_window_pattern"), PL_GGUF_BOOLS,
                          c->blocks);
        for (size_t b = 0; b < c->blocks; b++) {
            pl_gguf_element_bool(to->keys, (c->block_kind[b] & PL_BLOCK_SLIDES) != 0);
        }
    }
    return PL_OK;
}

/* llama.cpp takes the scale of gemma's scores from its widths. */
static pl_status put_scales(sink *to, pl_error *err)
{
    const pl_config *c = to->config;
    const pl_arch *arch = c->arch;
    const size_t scalar = arch->wide_blocks > 0 && c->blocks == arch->wide_blocks
                              ? c->hidden_size / c->heads
                              : c->head_dim;
    const bool deep = arch->deep_yarn && c->rope == PL_ROPE_YARN; /* put_rope has said it */
    if (!deep && !close_to(c->attention_scale, 1 / sqrt((double)scalar))) {
        return refuse_config_key(c, "query_pre_attn_scalar", err);
    }
    if (arch->soft_caps && arch->default_attention_cap > 0) {
        real_key(to, "attn_logit_softcapping", c->attention_cap);
        real_key(to, "final_logit_softcapping", c->logits_cap);
    } else if (c->attention_cap > 0 || c->logits_cap > 0) {
        return refuse_config_key(c, "caps of scores and logits", err);
    }
    return PL_OK;
}

static pl_status put_experts(sink *to, pl_error *err)
{
    const pl_config *c = to->config;
    const pl_expert_names *names = c->arch->experts;
    if (names == NULL) {
        return PL_OK;
    }
    size_t dense = 0;
    while (names->first_dense != NULL && dense < c->blocks &&
           (c->block_kind[dense] & PL_BLOCK_EXPERTS) == 0) {
        dense++;
    }
    for (size_t b = dense; b < c->blocks; b++) {
        if ((c->block_kind[b] & PL_BLOCK_EXPERTS) == 0) {
            return refuse_config_key(c, "blocks without experts", err);
        }
    }
    if (names->gguf_normalized && !c->experts_normalized) {
        return refuse_config_key(c, "weights of experts that do not sum to 1", err);
    }
    size_key(to, "expert_count", c->experts);
    size_key(to, "expert_used_count", c->experts_used);
    if (names->inner != NULL || names->gguf_inner) {
        size_key(to, "expert_feed_forward_length", c->expert_size);
    }
    if (names->first_dense != NULL) {
        size_key(to, "leading_dense_block_count", dense);
    }
    if (names->scale != NULL) {
        real_key(to, "expert_weights_scale", c->experts_scale);
        size_key(to, "expert_gating_func", names->sigmoid ? 2 : 1);
    }
    if (c->expert_groups > 0 && !names->group_pairs) {
        return refuse_config_key(c, "groups of experts, whose best expert counts", err);
    }
    if (c->expert_groups > 0) {
        size_key(to, "expert_group_count", c->expert_groups);
        size_key(to, "expert_group_used_count", c->expert_groups_used);
    }
    if (names->shared_count != NULL) {
        size_key(to, "expert_shared_count", c->shared_size / c->expert_size);
    } else if (c->shared_size > 0) {
        size_key(to, "expert_shared_feed_forward_length", c->shared_size);
    }
    if (!names->normalized && !names->gguf_normalized && c->experts_normalized) {
        pl_gguf_put_bool(to->keys, whole(to, "expert_weights_norm"), true);
    }
    return PL_OK;
}

/* Whether the keys and tensors below are all that there is to say of an architecture. */
static bool is_plain(const pl_config *config)
{
    const pl_arch *arch = config->arch;
    return arch->gguf != NULL && config->gated && arch->no_rope == PL_NO_ROPE_NONE &&
           arch->positions.hf == NULL && !arch->chunks && !arch->layer_norm && !arch->norm_biases &&
           !arch->parallel && (!arch->neighbours || arch->latent) && !arch->transposed &&
           !arch->multipliers && !arch->logit_scale;
}

pl_status pl_config_to_gguf(const pl_config *config, pl_gguf_keys *keys, pl_error *err)
{
    sink to = {.config = config, .keys = keys};
    if (!is_plain(config)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "export: format=gguf is not written from a Hugging Face folder of the "
                            "architecture %s (llama.cpp's convert_hf_to_gguf.py makes one, which "
                            "opens here)",
                            config->architecture);
    }
    pl_gguf_put_text(keys, "general.architecture", config->arch->gguf, strlen(config->arch->gguf));
    pl_gguf_put_text(keys, "general.type", "model", strlen("model"));
    put_sizes(&to);
    pl_status status = put_rope(&to, err);
    PL_THEN(put_windows(&to, err));
    PL_THEN(put_scales(&to, err));
    PL_THEN(put_experts(&to, err));
    return status;
}

/* What each frequency is divided by, as Llama 3's scaling has it. */
static void llama3_divisors(const pl_config *config, float *out)
{
    const double two_pi = 6.28318530717958647692;
    const double positions = (double)config->rope_original_positions;
    for (size_t i = 0; i < config->rotary_dim / 2; i++) {
        const double wave =
            two_pi * pow(config->rope_theta, 2 * (double)i / (double)config->rotary_dim);
        const double smooth = (positions / wave - config->rope_low_freq_factor) /
                              (config->rope_high_freq_factor - config->rope_low_freq_factor);
        const double inside = 1 / ((1 - smooth) / config->rope_factor + smooth);
        out[i] = (float)(wave < positions / config->rope_high_freq_factor  ? 1
                         : wave > positions / config->rope_low_freq_factor ? config->rope_factor
                                                                           : inside);
    }
}

size_t pl_config_gguf_tensors(const pl_config *config, pl_gguf_vector out[2])
{
    const size_t bytes = config->rotary_dim / 2 * sizeof *out->values;
    if (config->rope == PL_ROPE_LONG) {
        out[0].name = "rope_factors_long.weight";
        out[1].name = "rope_factors_short.weight";
        memcpy(out[0].values, config->rope_long_divisor, bytes);
        memcpy(out[1].values, config->rope_divisor, bytes);
        return 2;
    }
    if (config->rope == PL_ROPE_LLAMA3) {
        out[0].name = "rope_freqs.weight";
        llama3_divisors(config, out[0].values);
        return 1;
    }
    return 0;
}
