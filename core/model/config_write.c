#include "core/base/json.h"
#include "core/model/config_parts.h"
#include "core/model/config.h"

#include <math.h>

static json_t *divisors_json(const float *divisor, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        pl_json_append(list, json_real((double)divisor[i]));
    }
    return list;
}

static json_t *size_or_null(size_t value)
{
    return value > 0 ? json_integer((json_int_t)value) : json_null();
}

static json_t *rope_json(const pl_config *config)
{
    if (config->rope == PL_ROPE_LONG) { /* transformers' Phi3Config wants just these three */
        return json_pack("{s:s, s:o, s:o}", "type", "longrope", "short_factor",
                         divisors_json(config->rope_divisor, config->rope_divisors), "long_factor",
                         divisors_json(config->rope_long_divisor, config->rope_divisors));
    }
    if (config->rope == PL_ROPE_LINEAR) {
        return json_pack("{s:s, s:f}", "rope_type", "linear", "factor", config->rope_factor);
    }
    if (config->rope == PL_ROPE_DYNAMIC) {
        return json_pack("{s:s, s:f}", "rope_type", "dynamic", "factor", config->rope_factor);
    }
    if (config->rope == PL_ROPE_YARN) {
        json_t *yarn =
            json_pack("{s:s, s:f, s:f, s:f, s:f}", "rope_type", "yarn", "factor",
                      config->rope_factor, "beta_fast", config->rope_beta_fast, "beta_slow",
                      config->rope_beta_slow, "attention_factor", config->rope_amplitude);
        if (config->rope_untruncated) {
            pl_json_set(yarn, "truncate", json_false());
        }
        if (config->arch->deep_yarn && config->rope_factor > 1) {
            /* Scores are multiplied by the square of 1 + 0.1 mscale_all_dim ln(factor). */
            const double by = sqrt(config->attention_scale * sqrt((double)config->head_dim));
            const double mscale = (by - 1) / (0.1 * log(config->rope_factor));
            pl_json_set(yarn, "mscale_all_dim", json_real(mscale));
        }
        if (config->rope_original_positions != config->max_positions) {
            pl_json_set(yarn, "original_max_position_embeddings",
                        size_or_null(config->rope_original_positions));
        }
        return yarn;
    }
    if (config->rope == PL_ROPE_LLAMA3) {
        return json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor",
                         config->rope_factor, "low_freq_factor", config->rope_low_freq_factor,
                         "high_freq_factor", config->rope_high_freq_factor,
                         "original_max_position_embeddings",
                         (json_int_t)config->rope_original_positions);
    }
    return json_null();
}

/* Which blocks slide, in the words of the architecture. */
static void put_windows(const pl_config *config, json_t *json)
{
    pl_window_rule rule = config->arch->windows;
    if (rule == PL_WINDOW_NONE || rule == PL_WINDOW_REFUSED) {
        return;
    }
    pl_json_set(json, "sliding_window", size_or_null(config->window));
    if (rule == PL_WINDOW_SWITCH) {
        pl_json_set(json, "use_sliding_window", json_boolean(config->window > 0));
    }
    if (rule != PL_WINDOW_ALL) {
        json_t *types = json_array();
        for (size_t b = 0; b < config->blocks; b++) {
            bool slides = (config->block_kind[b] & PL_BLOCK_SLIDES) != 0;
            pl_json_append(types, json_string(slides ? "sliding_attention" : "full_attention"));
        }
        pl_json_set(json, "layer_types", types);
    }
}

/* llama4: which blocks are chunked, the norms of their heads, how queries of the others grow. */
static void put_chunks(const pl_config *config, json_t *json)
{
    json_t *types = json_array(), *mixed = json_array();
    for (size_t b = 0; b < config->blocks; b++) {
        const bool chunked = (config->block_kind[b] & PL_BLOCK_CHUNKED) != 0;
        pl_json_append(types, json_string(chunked ? "chunked_attention" : "full_attention"));
        if ((config->block_kind[b] & PL_BLOCK_EXPERTS) != 0) {
            pl_json_append(mixed, json_integer((json_int_t)b));
        }
    }
    pl_json_set(json, "layer_types", types);
    pl_json_set(json, "moe_layers", mixed);
    pl_json_set(json, "attention_chunk_size", size_or_null(config->chunk));
    pl_json_set(json, "use_qk_norm", json_boolean(config->normed_heads));
    pl_json_set(json, "attn_temperature_tuning", json_boolean(config->temper_floor > 0));
    if (config->temper_floor > 0) {
        pl_json_set(json, "floor_scale", json_real(config->temper_floor));
        pl_json_set(json, "attn_scale", json_real(config->temper_scale));
    }
}

static void put_scales(const pl_config *config, json_t *json)
{
    const pl_arch *arch = config->arch;
    static const char *const activations[] = {[PL_SILU] = "silu",
                                              [PL_GELU_TANH] = "gelu_pytorch_tanh",
                                              [PL_GELU] = "gelu",
                                              [PL_RELU] = "relu",
                                              [PL_CLAMPED_SWIGLU] = "silu"};
    pl_json_set(json, pl_arch_fields(arch).activation,
                json_string(activations[config->activation]));
    if (arch->logit_scale) {
        pl_json_set(json, "logit_scale", json_real(config->logits_scale));
    }
    if (arch->multipliers) {
        pl_json_set(json, "embedding_multiplier", json_real(config->embedding_scale));
        pl_json_set(json, "attention_multiplier", json_real(config->attention_scale));
        pl_json_set(json, "residual_multiplier", json_real(config->residual_scale));
        pl_json_set(json, "logits_scaling", json_real(1 / config->logits_scale));
    }
    if (arch->no_rope == PL_NO_ROPE_LIST) {
        json_t *list = json_array();
        for (size_t b = 0; b < config->blocks; b++) {
            const bool none = (config->block_kind[b] & PL_BLOCK_NO_ROPE) != 0;
            pl_json_append(list, json_integer(none ? 0 : 1));
        }
        pl_json_set(json, "no_rope_layers", list);
    }
    if (arch->chunks) {
        put_chunks(config, json);
    }
    if (arch->query_scalar) {
        double scalar = 1 / (config->attention_scale * config->attention_scale);
        bool whole = fabs(scalar - round(scalar)) < 1e-6 * scalar;
        pl_json_set(json, "query_pre_attn_scalar",
                    whole ? json_integer((json_int_t)round(scalar)) : json_real(scalar));
    }
    if (arch->soft_caps) {
        pl_json_set(json, "attn_logit_softcapping",
                    config->attention_cap > 0 ? json_real(config->attention_cap) : json_null());
        pl_json_set(json, "final_logit_softcapping",
                    config->logits_cap > 0 ? json_real(config->logits_cap) : json_null());
    }
    if (arch->attention_bias) {
        pl_json_set(json, "attention_bias", json_boolean(pl_config_role_biased(config, PL_ROLE_Q)));
    }
    if (arch->bias_switch != NULL) {
        pl_json_set(json, arch->bias_switch,
                    json_boolean(pl_config_role_biased(config, PL_ROLE_DOWN)));
    }
    if (arch->mlp_bias) {
        pl_json_set(json, "mlp_bias", json_boolean(pl_config_role_biased(config, PL_ROLE_DOWN)));
    }
    if (config->rope_local_theta > 0) {
        pl_json_set(json, "rope_local_base_freq", json_real(config->rope_local_theta));
    }
    if (config->rope == PL_ROPE_LONG) {
        pl_json_set(json, "original_max_position_embeddings",
                    size_or_null(config->rope_original_positions));
    }
    if (arch->partial_rotary) {
        pl_json_set(json, "partial_rotary_factor",
                    json_real((double)config->rotary_dim / (double)config->head_dim));
    }
}

static void put_experts(const pl_config *config, json_t *json)
{
    const pl_expert_names *names = config->arch->experts;
    if (names == NULL) {
        return;
    }
    pl_json_set(json, names->count, size_or_null(config->experts));
    pl_json_set(json, "num_experts_per_tok", size_or_null(config->experts_used));
    if (names->inner != NULL) {
        pl_json_set(json, names->inner, size_or_null(config->expert_size));
    }
    if (names->shared_gate.hf != NULL) {
        pl_json_set(json, "shared_expert_intermediate_size", size_or_null(config->shared_size));
    }
    if (!names->normalized) {
        pl_json_set(json, "norm_topk_prob", json_boolean(config->experts_normalized));
    }
    if (names->shared_count != NULL) {
        pl_json_set(json, names->shared_count,
                    size_or_null(config->shared_size / config->expert_size));
    }
    if (names->scale != NULL) {
        pl_json_set(json, names->scale, json_real(config->experts_scale));
    }
    if (names->grouped) { /* one group is none */
        const bool some = config->expert_groups > 0;
        pl_json_set(json, "topk_method",
                    json_string(names->sigmoid ? "noaux_tc"
                                : some         ? "group_limited_greedy"
                                               : "greedy"));
        pl_json_set(json, "scoring_func", json_string(names->sigmoid ? "sigmoid" : "softmax"));
        pl_json_set(json, "n_group", json_integer(some ? (json_int_t)config->expert_groups : 1));
        pl_json_set(json, "topk_group",
                    json_integer(some ? (json_int_t)config->expert_groups_used : 1));
    }
    if (names->first_dense != NULL) {
        size_t first = 0;
        while (first < config->blocks && (config->block_kind[first] & PL_BLOCK_EXPERTS) == 0) {
            first++;
        }
        pl_json_set(json, names->first_dense, json_integer((json_int_t)first));
    }
    if (names->sparse_blocks) {
        json_t *dense = json_array();
        for (size_t b = 0; b < config->blocks; b++) {
            if ((config->block_kind[b] & PL_BLOCK_EXPERTS) == 0) {
                pl_json_append(dense, json_integer((json_int_t)b));
            }
        }
        pl_json_set(json, "decoder_sparse_step", json_integer(1));
        pl_json_set(json, "mlp_only_layers", dense);
    }
}

static void put_heads(const pl_config *config, json_t *json)
{
    if (config->kv_latent == 0) {
        pl_json_set(json, "head_dim", size_or_null(config->head_dim));
        return;
    }
    pl_json_set(json, "kv_lora_rank", size_or_null(config->kv_latent));
    pl_json_set(json, "q_lora_rank", size_or_null(config->q_latent));
    pl_json_set(json, "qk_rope_head_dim", size_or_null(config->rotary_dim));
    pl_json_set(json, "qk_nope_head_dim", size_or_null(config->head_dim - config->rotary_dim));
    pl_json_set(json, "v_head_dim", size_or_null(config->value_dim));
}

pl_status pl_config_to_json(const pl_config *config, const char *torch_dtype, json_t **out,
                            pl_error *err)
{
    *out = NULL;
    bool plain = true;
    for (size_t i = 0; i < config->rope_divisors; i++) {
        plain = plain && config->rope_divisor[i] == 1.0f;
    }
    if (!plain && config->rope != PL_ROPE_LLAMA3 && config->rope != PL_ROPE_LONG) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the model's RoPE divisors (rope_freqs.weight) are not llama3's, so no "
                            "config.json can say them");
    }
    if (!pl_config_says_biases(config)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the model has biases that no config.json of %s can say",
                            config->arch->hf_class);
    }
    const unsigned before = pl_memory_failures();
    const pl_field_names names = pl_arch_fields(config->arch);
    json_t *json = json_pack(
        "{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:b, s:s}", "architectures",
        config->arch->hf_class, "model_type", config->arch->model_type, names.hidden_size,
        (json_int_t)config->hidden_size, names.intermediate_size,
        (json_int_t)config->intermediate_size, names.blocks, (json_int_t)config->blocks,
        names.heads, (json_int_t)config->heads, "vocab_size", (json_int_t)config->vocab_size,
        names.positions, (json_int_t)config->max_positions, names.eps, config->norm_eps,
        "tie_word_embeddings", config->tied_embeddings, "use_cache", 1, "torch_dtype", torch_dtype);
    if (json == NULL) {
        return pl_error_memory(err, "a written config.json");
    }
    if (config->rotary_dim > 0) { /* older models with learned positions have none of these */
        pl_json_set(json, "num_key_value_heads", size_or_null(config->kv_heads));
        put_heads(config, json);
        pl_json_set(json, "rope_theta", json_real(config->rope_theta));
        pl_json_set(json, "rope_scaling", rope_json(config));
    }
    pl_json_set(json, "bos_token_id",
                config->bos_id >= 0 ? json_integer(config->bos_id) : json_null());
    pl_json_set(json, "eos_token_id",
                config->eos_id >= 0 ? json_integer(config->eos_id) : json_null());
    put_windows(config, json);
    put_scales(config, json);
    put_experts(config, json);
    pl_status status = pl_memory_check(before, err);
    if (status != PL_OK) {
        json_decref(json);
        return status;
    }
    *out = json;
    return PL_OK;
}
