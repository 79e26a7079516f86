/* What an architecture's config says beyond sizes and RoPE. */
#include "core/model/arch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXPERTS = 1 << 20 }; /* of all blocks */

static bool missing(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

void pl_config_set_arch(const pl_arch *arch, pl_config *out)
{
    out->body = "model.";
    out->head = "";
    out->rope_amplitude = 1;
    for (size_t role = PL_ROLE_Q; role <= PL_ROLE_V; role++) {
        out->biased[role] = arch->qkv_bias;
    }
    out->unit_norms = arch->unit_norms;
    out->activation = arch->gelu ? PL_GELU_TANH : PL_SILU;
}

/* Whether one switch of config.json gives both their biases: attention_bias or mlp_bias. */
static bool in_group(pl_role a, pl_role b)
{
    return (a <= PL_ROLE_O) == (b <= PL_ROLE_O);
}

bool pl_config_role_biased(const pl_config *config, pl_role role)
{
    const pl_arch *arch = config->arch;
    bool whole = role <= PL_ROLE_O ? arch->attention_bias : arch->mlp_bias;
    bool biased = config->biased[role];
    for (int other = 0; whole && other < PL_ROLE_COUNT; other++) {
        biased = biased || (in_group(role, (pl_role)other) && config->biased[other]);
    }
    return biased;
}

bool pl_config_says_biases(const pl_config *config)
{
    const pl_arch *arch = config->arch;
    bool said = true;
    for (int role = 0; role < PL_ROLE_COUNT; role++) {
        bool can = role <= PL_ROLE_O ? arch->attention_bias : arch->mlp_bias;
        said = said && (can || config->biased[role] == (arch->qkv_bias && role <= PL_ROLE_V));
    }
    return said;
}

static void read_biases(const json_t *json, pl_config *out)
{
    const pl_arch *arch = out->arch;
    bool attention = arch->attention_bias && json_is_true(json_object_get(json, "attention_bias"));
    bool mlp = arch->mlp_bias && json_is_true(json_object_get(json, "mlp_bias"));
    for (int role = 0; role < PL_ROLE_COUNT; role++) {
        out->biased[role] = out->biased[role] || (role <= PL_ROLE_O ? attention : mlp);
    }
}

void pl_config_mark_windows(pl_config *out, size_t pattern)
{
    for (size_t b = 0; b < out->blocks; b++) {
        bool slides = pattern == 0 || (b + 1) % pattern != 0;
        out->block_kind[b] |= slides ? PL_BLOCK_SLIDES : 0;
    }
}

/* layer_types: "sliding_attention" or "full_attention" for each block. */
static pl_status read_layer_types(const json_t *types, const char *path, pl_config *out,
                                  pl_error *err)
{
    if (!json_is_array(types) || json_array_size(types) != out->blocks) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: layer_types: expected an array of %zu words",
                            path, out->blocks);
    }
    size_t b;
    json_t *type;
    json_array_foreach(types, b, type)
    {
        const char *name = json_string_value(type);
        if (name != NULL && strcmp(name, "sliding_attention") == 0) {
            out->block_kind[b] |= PL_BLOCK_SLIDES;
        } else if (name == NULL || strcmp(name, "full_attention") != 0) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "%s: layer_types[%zu]: expected sliding_attention or "
                                "full_attention",
                                path, b);
        }
    }
    return PL_OK;
}

/* The window, 0 where there is none: the default only stands in for a missing field, not null. */
static pl_status read_window(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const pl_arch *arch = out->arch;
    const json_t *value = json_object_get(json, "sliding_window");
    bool off = arch->windows == PL_WINDOW_SWITCH &&
               !json_is_true(json_object_get(json, "use_sliding_window"));
    if (arch->windows == PL_WINDOW_NONE || arch->windows == PL_WINDOW_REFUSED || off ||
        json_is_null(value) || (value == NULL && arch->default_window == 0)) {
        return PL_OK;
    }
    return pl_config_size(json, path, "sliding_window", arch->default_window, &out->window, err);
}

static pl_status read_windows(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const pl_arch *arch = out->arch;
    const json_t *types = json_object_get(json, "layer_types");
    size_t pattern = arch->window_pattern;
    pl_status status = read_window(json, path, out, err);
    if (status != PL_OK || out->window == 0) {
        return status;
    }
    if (arch->windows == PL_WINDOW_ALL) {
        pl_config_mark_windows(out, 0);
    } else if (!missing(types)) {
        status = read_layer_types(types, path, out, err);
    } else if (arch->windows == PL_WINDOW_SWITCH) {
        const json_t *from = json_object_get(json, "max_window_layers");
        json_int_t first = json_is_integer(from) ? json_integer_value(from) : 28;
        for (size_t b = 0; b < out->blocks; b++) {
            out->block_kind[b] |= (json_int_t)b >= first ? PL_BLOCK_SLIDES : 0;
        }
    } else {
        if (arch->default_local_theta > 0) { /* gemma3's configs may say another pattern */
            status = pl_config_size(json, path, "sliding_window_pattern", pattern, &pattern, err);
        }
        pl_config_mark_windows(out, pattern);
    }
    return status;
}

/* A cap: null or missing without a default is none. */
static pl_status read_cap(const json_t *json, const char *path, const char *field, double fallback,
                          double *out, pl_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (json_is_null(value) || (value == NULL && !(fallback > 0))) {
        return PL_OK;
    }
    return pl_config_real(json, path, field, fallback, out, err);
}

static pl_status read_scales(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const pl_arch *arch = out->arch;
    double scalar = (double)out->head_dim;
    pl_status status = PL_OK;
    if (arch->query_scalar) {
        status = pl_config_real(json, path, "query_pre_attn_scalar", 256, &scalar, err);
    }
    out->attention_scale = 1 / sqrt(scalar);
    out->embedding_scale = arch->scaled_embedding ? sqrt((double)out->hidden_size) : 1;
    if (status == PL_OK && arch->soft_caps) {
        status = read_cap(json, path, "attn_logit_softcapping", arch->default_attention_cap,
                          &out->attention_cap, err);
    }
    if (status == PL_OK && arch->soft_caps) {
        status = read_cap(json, path, "final_logit_softcapping", arch->default_logits_cap,
                          &out->logits_cap, err);
    }
    if (status == PL_OK && arch->default_local_theta > 0) {
        const json_t *local =
            json_object_get(json_object_get(json, "rope_parameters"), "sliding_attention");
        bool is_new = json_is_object(local);
        status = pl_config_real(is_new ? local : json, path,
                                is_new ? "rope_theta" : "rope_local_base_freq",
                                arch->default_local_theta, &out->rope_local_theta, err);
    }
    return status;
}

/* Which blocks have experts: every decoder_sparse_step-th, but for mlp_only_layers. */
static pl_status read_sparse_blocks(const json_t *json, const char *path, pl_config *out,
                                    pl_error *err)
{
    size_t step = 1;
    const json_t *dense = json_object_get(json, "mlp_only_layers");
    pl_status status = pl_config_size(json, path, "decoder_sparse_step", 1, &step, err);
    for (size_t b = 0; status == PL_OK && b < out->blocks; b++) {
        out->block_kind[b] |= (b + 1) % step == 0 ? PL_BLOCK_EXPERTS : 0;
    }
    size_t i;
    json_t *item;
    json_array_foreach(dense, i, item)
    {
        json_int_t b = json_is_integer(item) ? json_integer_value(item) : -1;
        if (b < 0) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "%s: mlp_only_layers[%zu]: expected a block's number", path, i);
        }
        if ((size_t)b < out->blocks) {
            out->block_kind[b] &= (uint8_t)~PL_BLOCK_EXPERTS;
        }
    }
    return status;
}

pl_status pl_config_check_experts(const pl_config *config, const char *path, pl_error *err)
{
    if (config->experts_used > config->experts) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %zu experts for a token; expected at most %zu",
                            path, config->experts_used, config->experts);
    }
    if (config->experts > MAX_EXPERTS / config->blocks) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: %zu experts in each of %zu blocks; expected at most %d in all",
                            path, config->experts, config->blocks, MAX_EXPERTS);
    }
    return PL_OK;
}

static pl_status read_experts(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const pl_expert_names *names = out->arch->experts;
    const json_t *bias = json_object_get(json, "qkv_bias");
    if (out->arch->qkv_bias && json_is_false(bias)) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "%s: qkv_bias = false is not supported", path);
    }
    pl_status status = pl_config_size(json, path, names->count, 0, &out->experts, err);
    PL_THEN(pl_config_size(json, path, "num_experts_per_tok", 0, &out->experts_used, err));
    out->expert_size = out->intermediate_size;
    if (status == PL_OK && names->inner != NULL) {
        status = pl_config_size(json, path, names->inner, 0, &out->expert_size, err);
    }
    if (status == PL_OK && names->shared_gate.hf != NULL) {
        status = pl_config_size(json, path, "shared_expert_intermediate_size", 0, &out->shared_size,
                                err);
    }
    out->experts_normalized =
        names->normalized || json_is_true(json_object_get(json, "norm_topk_prob"));
    if (status == PL_OK && names->sparse_blocks) {
        status = read_sparse_blocks(json, path, out, err);
    } else if (status == PL_OK) {
        for (size_t b = 0; b < out->blocks; b++) {
            out->block_kind[b] |= PL_BLOCK_EXPERTS;
        }
    }
    return status == PL_OK ? pl_config_check_experts(out, path, err) : status;
}

pl_status pl_config_read_arch(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    read_biases(json, out);
    pl_status status = read_windows(json, path, out, err);
    PL_THEN(read_scales(json, path, out, err));
    return status == PL_OK && out->arch->experts != NULL ? read_experts(json, path, out, err)
                                                         : status;
}
