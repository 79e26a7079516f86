/* What an architecture's config says beyond sizes and RoPE. */
#include "core/model/config_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXPERTS = 1 << 20 }; /* of all blocks */

void pl_config_set_arch(const pl_arch *arch, pl_config *out)
{
    out->body = pl_arch_body(arch);
    out->head = "";
    out->rope_amplitude = 1;
    for (size_t role = PL_ROLE_Q; role <= PL_ROLE_V; role++) {
        out->biased[role] = arch->qkv_bias;
    }
    out->unit_norms = arch->unit_norms;
    out->activation = arch->activation;
    out->gated = arch->layers[PL_ROLE_GATE].hf != NULL;
    out->residual_scale = 1;
    out->logits_scale = 1;
    out->experts_scale = 1;
}

/* Whether one switch of config.json gives both their biases: attention_bias or mlp_bias. */
static bool in_group(pl_role a, pl_role b)
{
    return (a <= PL_ROLE_O) == (b <= PL_ROLE_O);
}

/* Whether a switch may give the role's layers biases. */
static bool may_have_bias(const pl_arch *arch, pl_role role)
{
    return role > PL_ROLE_DOWN ? false
           : arch->all_biased  ? arch->layers[role].hf != NULL
           : role == PL_ROLE_O ? arch->attention_bias && !arch->o_unbiased
           : role < PL_ROLE_O  ? arch->attention_bias
                               : arch->mlp_bias;
}

bool pl_config_role_biased(const pl_config *config, pl_role role)
{
    const pl_arch *arch = config->arch;
    bool whole = may_have_bias(arch, role);
    bool biased = config->biased[role];
    for (int other = 0; whole && other < PL_ROLE_COUNT; other++) {
        bool together = arch->all_biased || in_group(role, (pl_role)other);
        biased = biased || (together && config->biased[other]);
    }
    return biased;
}

bool pl_config_says_biases(const pl_config *config)
{
    const pl_arch *arch = config->arch;
    bool said = true;
    for (int role = 0; role < PL_ROLE_COUNT; role++) {
        bool can = may_have_bias(arch, (pl_role)role) &&
                   (!arch->all_biased || arch->bias_switch != NULL || config->biased[role]);
        said = said && (can || config->biased[role] == (arch->qkv_bias && role <= PL_ROLE_V));
    }
    return said;
}

static void read_biases(const json_t *json, pl_config *out)
{
    const pl_arch *arch = out->arch;
    const json_t *given = json_object_get(json, "attention_bias");
    const json_t *all = arch->bias_switch != NULL ? json_object_get(json, arch->bias_switch) : NULL;
    bool attention = pl_config_missing(given) ? arch->default_bias : json_is_true(given);
    bool mlp = json_is_true(json_object_get(json, "mlp_bias"));
    for (int role = 0; role < PL_ROLE_COUNT; role++) {
        bool on = arch->all_biased ? !json_is_false(all) : role <= PL_ROLE_O ? attention : mlp;
        out->biased[role] = out->biased[role] || (on && may_have_bias(arch, (pl_role)role));
    }
}

bool pl_config_activation(const char *name, pl_activation *out)
{
    static const struct {
        const char *name;
        pl_activation is;
    } known[] = {
        {"silu", PL_SILU},          {"swish", PL_SILU}, {"gelu_pytorch_tanh", PL_GELU_TANH},
        {"gelu_new", PL_GELU_TANH}, {"gelu", PL_GELU},  {"relu", PL_RELU}};
    for (size_t i = 0; name != NULL && i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].is;
            return true;
        }
    }
    return false;
}

/* Blocks without RoPE: no_rope_layers says 1 where a block has it. */
static pl_status read_no_rope(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const json_t *list = json_object_get(json, "no_rope_layers");
    size_t interval = 4;
    if (out->arch->no_rope != PL_NO_ROPE_LIST) {
        pl_config_mark_no_rope(out, 0);
        return PL_OK;
    }
    if (pl_config_missing(list) || (out->arch->chunks && json_array_size(list) == 0)) {
        pl_status status =
            pl_config_size(json, path, "no_rope_layer_interval", interval, &interval, err);
        pl_config_mark_no_rope(out, interval);
        return status;
    }
    if (!json_is_array(list) || json_array_size(list) != out->blocks) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: no_rope_layers: expected an array of %zu numbers, 0 or 1", path,
                            out->blocks);
    }
    for (size_t b = 0; b < out->blocks; b++) {
        const json_t *has = json_array_get(list, b);
        const json_int_t number = json_is_integer(has) ? json_integer_value(has) : -1;
        if (number != 0 && number != 1) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: no_rope_layers[%zu]: expected 0 or 1",
                                path, b);
        }
        out->block_kind[b] |= number == 0 ? PL_BLOCK_NO_ROPE : 0;
    }
    return PL_OK;
}

void pl_config_mark_no_rope(pl_config *out, size_t interval)
{
    for (size_t b = 0; b < out->blocks; b++) {
        const bool full = (out->block_kind[b] & PL_BLOCK_SLIDES) == 0;
        const bool none = out->arch->no_rope == PL_NO_ROPE_FULL ? full
                          : out->arch->no_rope == PL_NO_ROPE_LIST
                              ? interval > 0 && (b + 1) % interval == 0
                              : false;
        out->block_kind[b] |= none ? PL_BLOCK_NO_ROPE : 0;
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
        if (out->arch->chunks && name != NULL && strcmp(name, "chunked_attention") == 0) {
            out->block_kind[b] |= PL_BLOCK_CHUNKED;
        } else if (name != NULL && strcmp(name, "sliding_attention") == 0) {
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
    } else if (!pl_config_missing(types) || arch->no_rope == PL_NO_ROPE_LIST) {
        status = read_layer_types(types, path, out, err);
    } else if (arch->windows == PL_WINDOW_SWITCH) {
        const json_t *from = json_object_get(json, "max_window_layers");
        json_int_t first = json_is_integer(from) ? json_integer_value(from) : 28;
        for (size_t b = 0; b < out->blocks; b++) {
            out->block_kind[b] |= (json_int_t)b >= first ? PL_BLOCK_SLIDES : 0;
        }
    } else {
        if (!arch->soft_caps || arch->default_local_theta > 0) { /* gemma2's is 2 always */
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

/* granite's four numbers, and cohere's one. */
static pl_status read_multipliers(const json_t *json, const char *path, pl_config *out,
                                  pl_error *err)
{
    double divisor = 1;
    pl_status status = PL_OK;
    if (out->arch->logit_scale) {
        status = pl_config_real(json, path, "logit_scale", 0.0625, &out->logits_scale, err);
    }
    if (status != PL_OK || !out->arch->multipliers) {
        return status;
    }
    status = pl_config_real(json, path, "embedding_multiplier", 1, &out->embedding_scale, err);
    PL_THEN(pl_config_real(json, path, "attention_multiplier", 1, &out->attention_scale, err));
    PL_THEN(pl_config_real(json, path, "residual_multiplier", 1, &out->residual_scale, err));
    PL_THEN(pl_config_real(json, path, "logits_scaling", 1, &divisor, err));
    out->logits_scale = 1 / divisor;
    return status;
}

/* DeepSeek's scores are also multiplied by (1 + 0.1 mscale_all_dim ln(factor))^2. */
static pl_status deepen_yarn(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const json_t *rope = json_object_get(json, "rope_parameters");
    rope = json_is_object(rope) ? rope : json_object_get(json, "rope_scaling");
    const json_t *given = json_object_get(rope, "mscale_all_dim");
    double mscale = 0;
    const bool none =
        pl_config_missing(given) || (json_is_number(given) && json_number_value(given) == 0);
    pl_status status = none ? PL_OK : pl_config_real(rope, path, "mscale_all_dim", 0, &mscale, err);
    const double by = pl_config_yarn_amplitude(out->rope_factor, mscale);
    out->attention_scale *= by * by;
    return status;
}

/* gemma3's RoPE in windows: a theta of its own, and no scaling. */
static pl_status read_local_rope(const json_t *json, const char *path, pl_config *out,
                                 pl_error *err)
{
    const json_t *local =
        json_object_get(json_object_get(json, "rope_parameters"), "sliding_attention");
    const bool is_new = json_is_object(local);
    const json_t *type = json_object_get(local, "rope_type");
    type = type != NULL ? type : json_object_get(local, "type");
    const char *name = json_string_value(type);
    if (!pl_config_missing(type) && (name == NULL || strcmp(name, "default") != 0)) {
        return pl_config_refuse_value(err, path, "rope_parameters.sliding_attention.rope_type",
                                      type);
    }
    return pl_config_real(is_new ? local : json, path,
                          is_new ? "rope_theta" : "rope_local_base_freq",
                          out->arch->default_local_theta, &out->rope_local_theta, err);
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
    if (arch->deep_yarn && out->rope == PL_ROPE_YARN) {
        PL_THEN(deepen_yarn(json, path, out, err));
    }
    out->embedding_scale = arch->scaled_embedding ? sqrt((double)out->hidden_size) : 1;
    PL_THEN(read_multipliers(json, path, out, err));
    if (status == PL_OK && arch->soft_caps && arch->default_attention_cap > 0) {
        status = read_cap(json, path, "attn_logit_softcapping", arch->default_attention_cap,
                          &out->attention_cap, err);
    }
    if (status == PL_OK && arch->soft_caps) {
        status = read_cap(json, path, "final_logit_softcapping", arch->default_logits_cap,
                          &out->logits_cap, err);
    }
    if (status == PL_OK && arch->default_local_theta > 0) {
        status = read_local_rope(json, path, out, err);
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

/* The first so many blocks have none. */
void pl_config_mark_experts(pl_config *out, size_t dense)
{
    for (size_t b = dense; b < out->blocks; b++) {
        out->block_kind[b] |= PL_BLOCK_EXPERTS;
    }
}

/* Blocks with experts: a list of them, or every so many-th. */
static pl_status read_stepped_blocks(const json_t *json, const char *path, pl_config *out,
                                     pl_error *err)
{
    const pl_expert_names *names = out->arch->experts;
    const json_t *list = json_object_get(json, names->list);
    size_t step = 1, i;
    json_t *item;
    pl_status status = pl_config_size(json, path, names->step, 1, &step, err);
    for (size_t b = step - 1; status == PL_OK && pl_config_missing(list) && b < out->blocks;
         b += step) {
        out->block_kind[b] |= PL_BLOCK_EXPERTS;
    }
    json_array_foreach(list, i, item)
    {
        const json_int_t b = json_is_integer(item) ? json_integer_value(item) : -1;
        if (b < 0 || (size_t)b >= out->blocks) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "%s: %s[%zu]: expected a block's number below "
                                "%zu",
                                path, names->list, i, out->blocks);
        }
        out->block_kind[b] |= PL_BLOCK_EXPERTS;
    }
    return status;
}

/* The fallback where the field is missing, 0 where it is null or 0. */
static pl_status read_count(const json_t *json, const char *path, const char *field,
                            size_t fallback, size_t *out, pl_error *err)
{
    const json_t *value = json_object_get(json, field);
    *out = value == NULL ? fallback : 0;
    return pl_config_missing(value) || (json_is_integer(value) && json_integer_value(value) == 0)
               ? PL_OK
               : pl_config_size(json, path, field, 0, out, err);
}

/* Groups of experts; all of them in one group, or all groups used, is no limit. */
static pl_status read_groups(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const char *method = json_string_value(json_object_get(json, "topk_method"));
    const bool greedy = method != NULL && strcmp(method, "greedy") == 0;
    const pl_expert_names *names = out->arch->experts;
    pl_status status =
        read_count(json, path, "n_group", names->default_groups, &out->expert_groups, err);
    PL_THEN(read_count(json, path, "topk_group", names->default_groups_used,
                       &out->expert_groups_used, err));
    if (out->expert_groups <= 1 || out->expert_groups_used == 0 ||
        out->expert_groups_used == out->expert_groups || greedy) {
        out->expert_groups = out->expert_groups_used = 0;
    }
    return status;
}

/* Shared experts, groups, what weights are multiplied by, blocks without experts: DeepSeek's. */
static pl_status read_more_of_experts(const json_t *json, const char *path, pl_config *out,
                                      pl_error *err)
{
    const pl_expert_names *names = out->arch->experts;
    size_t shared = 0, dense = 0;
    pl_status status = PL_OK;
    if (names->shared_count != NULL) {
        status = read_count(json, path, names->shared_count, names->default_shared, &shared, err);
        out->shared_size = shared * out->expert_size;
    }
    if (names->one_shared) {
        out->shared_size = out->expert_size;
    }
    if (status == PL_OK && names->grouped) {
        status = read_groups(json, path, out, err);
    }
    if (status == PL_OK && names->scale != NULL) {
        const double usual = names->default_scale > 0 ? names->default_scale : 1;
        status = pl_config_real(json, path, names->scale, usual, &out->experts_scale, err);
    }
    if (status == PL_OK && names->first_dense != NULL) {
        status = read_count(json, path, names->first_dense, names->default_dense, &dense, err);
    }
    if (status == PL_OK && names->step != NULL) {
        return read_stepped_blocks(json, path, out, err);
    }
    if (status == PL_OK && !names->sparse_blocks) {
        pl_config_mark_experts(out, dense);
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
    if (config->expert_groups > 0 &&
        (config->experts % config->expert_groups != 0 ||
         config->expert_groups_used > config->expert_groups ||
         config->experts_used >
             config->experts / config->expert_groups * config->expert_groups_used)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: %zu of %zu experts from %zu of %zu groups; expected groups of one "
                            "size, with enough experts in those that are chosen from",
                            path, config->experts_used, config->experts, config->expert_groups_used,
                            config->expert_groups);
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
    static const char newer[] = "num_local_experts"; /* as transformers 5 writes qwen3_moe's */
    const bool renamed = pl_config_missing(json_object_get(json, names->count)) &&
                         !pl_config_missing(json_object_get(json, newer));
    pl_status status =
        pl_config_size(json, path, renamed ? newer : names->count, 0, &out->experts, err);
    PL_THEN(pl_config_size(json, path, "num_experts_per_tok", names->default_used,
                           &out->experts_used, err));
    out->expert_size = out->intermediate_size;
    if (status == PL_OK && names->inner != NULL) {
        status = pl_config_size(json, path, names->inner, 0, &out->expert_size, err);
    }
    if (status == PL_OK && names->shared_gate.hf != NULL) {
        status = pl_config_size(json, path, "shared_expert_intermediate_size", 0, &out->shared_size,
                                err);
    }
    const json_t *normalized = json_object_get(json, "norm_topk_prob");
    out->experts_normalized =
        names->normalized ||
        (pl_config_missing(normalized) ? names->normalized_by_default : json_is_true(normalized));
    if (status == PL_OK && names->sparse_blocks) {
        status = read_sparse_blocks(json, path, out, err);
    }
    PL_THEN(read_more_of_experts(json, path, out, err));
    return status == PL_OK ? pl_config_check_experts(out, path, err) : status;
}

/* llama4: which blocks are chunked, the norms of their heads, and how queries of the others grow.
 */
static pl_status read_chunks(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const json_t *types = json_object_get(json, "layer_types");
    const json_t *normed = json_object_get(json, "use_qk_norm");
    const json_t *tempered = json_object_get(json, "attn_temperature_tuning");
    const json_t *chunk = json_object_get(json, "attention_chunk_size");
    pl_status status = PL_OK;
    if (chunk == NULL || !json_is_null(chunk)) {
        status = pl_config_size(json, path, "attention_chunk_size", 8192, &out->chunk, err);
    }
    out->normed_heads = pl_config_missing(normed) || json_is_true(normed);
    if (status == PL_OK && (pl_config_missing(tempered) || json_is_true(tempered) ||
                            json_integer_value(tempered) > 0)) {
        status = pl_config_real(json, path, "floor_scale", 8192, &out->temper_floor, err);
        PL_THEN(pl_config_real(json, path, "attn_scale", 0.1, &out->temper_scale, err));
    }
    if (status == PL_OK && !pl_config_missing(types)) {
        return read_layer_types(types, path, out, err);
    }
    for (size_t b = 0; b < out->blocks; b++) {
        const bool turns = (out->block_kind[b] & PL_BLOCK_NO_ROPE) == 0;
        out->block_kind[b] |= turns ? PL_BLOCK_CHUNKED : 0;
    }
    return status;
}

pl_status pl_config_read_arch(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const char *activation =
        json_string_value(json_object_get(json, pl_arch_fields(out->arch).activation));
    if (out->activation != PL_CLAMPED_SWIGLU) {
        (void)pl_config_activation(activation, &out->activation); /* it fits, or is the default */
    }
    read_biases(json, out);
    pl_status status = read_windows(json, path, out, err);
    PL_THEN(read_no_rope(json, path, out, err));
    if (status == PL_OK && out->arch->chunks) {
        status = read_chunks(json, path, out, err);
    }
    PL_THEN(read_scales(json, path, out, err));
    return status == PL_OK && out->arch->experts != NULL ? read_experts(json, path, out, err)
                                                         : status;
}
