#include "core/model/config_parts.h"
#include "core/model/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
    pl_checkpoint *checkpoint;
    const json_t *metadata;
    const char *path, *prefix;
} source;

/* The value of "<architecture>.<key>"; NULL if missing. */
static const json_t *get(const source *from, const char *key, char name[96])
{
    snprintf(name, 96, "%s.%s", from->prefix, key);
    return json_object_get(from->metadata, name);
}

/* A positive integer, or an array of equal ones (some writers give one a block). */
static pl_status read_gguf_size(const source *from, const char *key, size_t fallback, size_t *out,
                                pl_error *err)
{
    char name[96];
    const json_t *value = get(from, key, name);
    if (value == NULL && fallback > 0) {
        *out = fallback;
        return PL_OK;
    }
    const json_t *first = json_is_array(value) ? json_array_get(value, 0) : value;
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        if (!json_equal(item, first)) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "%s: %s differs between blocks, which is not supported", from->path,
                                name);
        }
    }
    json_int_t number = json_is_integer(first) ? json_integer_value(first) : 0;
    if (number < 1 || number > 1 << 24) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected an integer from 1 to 16777216",
                            from->path, name);
    }
    *out = (size_t)number;
    return PL_OK;
}

/* The shortest decimal that is the same float32: 1e-05, not 9.99999974737875e-06. */
static double shortest(double value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtof(text, NULL) == (float)value) {
            return strtod(text, NULL);
        }
    }
    return value;
}

static pl_status read_real(const source *from, const char *key, double fallback, double *out,
                           pl_error *err)
{
    char name[96];
    const json_t *value = get(from, key, name);
    if (value == NULL && fallback > 0) {
        *out = fallback;
        return PL_OK;
    }
    double number = json_number_value(value);
    if (!json_is_number(value) || !isfinite(number) || number <= 0) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected a positive number", from->path,
                            name);
    }
    *out = shortest(number);
    return PL_OK;
}

/* Llama 3's parameters from the divisors d_i it makes of the plain frequencies f_i: in the ramp
 * (1/d - 1/factor) / (1 - 1/factor) = (positions·f/2π - low) / (high - low), a line in f. */
static bool explain(const pl_config *config, pl_config *out)
{
    *out = *config;
    size_t count = config->rope_divisors;
    double factor = 1;
    for (size_t i = 0; i < count; i++) {
        factor = fmax(factor, (double)config->rope_divisor[i]);
    }
    double x[2] = {0};
    double y[2] = {0};
    size_t points = 0;
    float plain[PL_MAX_HEAD_DIM / 2];
    out->rope_divisors = 0;
    out->rope = PL_ROPE_PLAIN;
    pl_config_frequencies(out, 0, plain);
    for (size_t i = 0; i < count && factor > 1; i++) {
        double d = (double)config->rope_divisor[i];
        if (d > 1 && d < factor) {
            size_t at = points > 0 ? 1 : 0; /* the first and the last point of the ramp */
            x[at] = (double)plain[i] / (2 * 3.14159265358979323846);
            y[at] = (1 / d - 1 / factor) / (1 - 1 / factor);
            points++;
        }
    }
    out->rope = PL_ROPE_LLAMA3;
    out->rope_factor = factor;
    out->rope_low_freq_factor = 1;
    out->rope_high_freq_factor = 4; /* what every published model has */
    out->rope_original_positions = 8192;
    if (points > 1 && y[0] > y[1]) {
        double slope = (y[0] - y[1]) / (x[0] - x[1]);
        double intercept = y[0] - slope * x[0];
        double high = 1 - 1 / intercept;
        out->rope_high_freq_factor = round(high * 1e3) / 1e3;
        out->rope_original_positions =
            (size_t)fmin(fmax(round(slope * (out->rope_high_freq_factor - 1)), 1), 1e9);
    }
    float scaled[PL_MAX_HEAD_DIM / 2];
    bool same = factor > 1 && out->rope_high_freq_factor > 1;
    pl_config_frequencies(out, 0, scaled);
    for (size_t i = 0; i < count && same; i++) {
        float wanted = plain[i] / config->rope_divisor[i];
        same = fabsf(scaled[i] - wanted) <= 2e-6f * wanted;
    }
    return same;
}

static pl_status read_divisors(const source *from, pl_config *config, pl_error *err)
{
    const pl_tensor *tensor = pl_checkpoint_find(from->checkpoint, "rope_freqs.weight");
    size_t count = config->rotary_dim / 2;
    if (tensor == NULL) {
        return PL_OK;
    }
    if (pl_tensor_elements(tensor) != count) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: rope_freqs.weight has %llu elements, expected %zu", from->path,
                            (unsigned long long)pl_tensor_elements(tensor), count);
    }
    pl_status status = pl_checkpoint_read(from->checkpoint, tensor, 0, pl_tensor_rows(tensor),
                                          config->rope_divisor, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        if (!(config->rope_divisor[i] > 0)) {
            status = pl_error_set(err, PL_ERR_FORMAT, "%s: rope_freqs.weight[%zu] is not positive",
                                  from->path, i);
        }
    }
    if (status != PL_OK) {
        return status;
    }
    config->rope_divisors = count;
    pl_config explained;
    if (config->rope == PL_ROPE_PLAIN && explain(config, &explained)) {
        explained.rope_divisors = count; /* the file's own numbers are the ones used */
        *config = explained;
    }
    return PL_OK;
}

/* A tensor of rotary_dim / 2 positive numbers. */
static pl_status read_factors(const source *from, const char *name, size_t count, float *out,
                              pl_error *err)
{
    const pl_tensor *tensor = pl_checkpoint_find(from->checkpoint, name);
    if (tensor == NULL || pl_tensor_elements(tensor) != count) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected a tensor of %zu elements",
                            from->path, name, count);
    }
    pl_status status =
        pl_checkpoint_read(from->checkpoint, tensor, 0, pl_tensor_rows(tensor), out, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        if (!(out[i] > 0)) {
            status = pl_error_set(err, PL_ERR_FORMAT, "%s: %s[%zu] is not positive", from->path,
                                  name, i);
        }
    }
    return status;
}

static pl_status read_long_rope(const source *from, pl_config *config, pl_error *err)
{
    if (!config->arch->long_rope) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the RoPE type 'longrope' is not supported for the architecture "
                            "%s",
                            from->path, config->architecture);
    }
    size_t count = config->rotary_dim / 2;
    pl_status status =
        read_factors(from, "rope_factors_short.weight", count, config->rope_divisor, err);
    PL_THEN(read_factors(from, "rope_factors_long.weight", count, config->rope_long_divisor, err));
    PL_THEN(read_gguf_size(from, "rope.scaling.original_context_length", config->max_positions,
                           &config->rope_original_positions, err));
    config->rope = PL_ROPE_LONG;
    config->rope_divisors = count;
    return status == PL_OK
               ? read_real(from, "rope.scaling.attn_factor", pl_config_long_amplitude(config),
                           &config->rope_amplitude, err)
               : status;
}

/* Keys of YaRN that no model of these architectures uses.  from_deep: skips the first, which
 * DeepSeek's have. */
static pl_status refuse_yarn_keys(const source *from, bool from_deep, pl_error *err)
{
    static const char *const keys[] = {"rope.scaling.yarn_log_multiplier",
                                       "rope.scaling.yarn_ext_factor",
                                       "rope.scaling.yarn_attn_factor"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char name[96];
        const json_t *value = get(from, keys[i], name);
        double number = json_number_value(value);
        bool neutral = i == 0 ? number == 0 || from_deep : number == 1 || (i == 1 && number < 0);
        if (value != NULL && !neutral) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED, "%s: %s = %g is not supported", from->path,
                                name, number);
        }
    }
    return PL_OK;
}

/* llama.cpp's rule: the factor as it is given, and an amplitude from it times attn_factor. */
static pl_status read_yarn(const source *from, pl_config *config, pl_error *err)
{
    double factor = 1;
    pl_status status = refuse_yarn_keys(from, config->arch->deep_yarn, err);
    PL_THEN(read_real(from, "rope.scaling.factor", 0, &config->rope_factor, err));
    PL_THEN(read_gguf_size(from, "rope.scaling.original_context_length", config->max_positions,
                           &config->rope_original_positions, err));
    PL_THEN(read_real(from, "rope.scaling.yarn_beta_fast", 32, &config->rope_beta_fast, err));
    PL_THEN(read_real(from, "rope.scaling.yarn_beta_slow", 1, &config->rope_beta_slow, err));
    PL_THEN(read_real(from, "rope.scaling.attn_factor", 1, &factor, err));
    if (status == PL_OK && pl_checkpoint_find(from->checkpoint, "rope_freqs.weight") != NULL) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: yarn RoPE scaling together with rope_freqs.weight is not "
                              "supported",
                              from->path);
    }
    config->rope = PL_ROPE_YARN;
    config->rope_untruncated = config->arch->gguf_untruncated;
    config->rope_amplitude = factor * pl_config_yarn_amplitude(config->rope_factor, 1);
    if (status == PL_OK && config->arch->deep_yarn) {
        config->rope_amplitude = factor; /* llama.cpp's deepseek2 takes it back */
    }
    return status;
}

static pl_status read_rope(const source *from, pl_config *config, pl_error *err)
{
    char name[96];
    const char *type = json_string_value(get(from, "rope.scaling.type", name));
    double theta = config->arch->default_theta > 0 ? config->arch->default_theta : 10000.0;
    pl_status status = read_real(from, "rope.freq_base", theta, &config->rope_theta, err);
    if (status != PL_OK) {
        return status;
    }
    if (pl_checkpoint_find(from->checkpoint, "rope_factors_long.weight") != NULL ||
        (type != NULL && strcmp(type, "longrope") == 0)) {
        return read_long_rope(from, config, err);
    }
    if (type != NULL && strcmp(type, "yarn") == 0) {
        return read_yarn(from, config, err);
    }
    if (type != NULL && strcmp(type, "none") != 0 && strcmp(type, "linear") != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the RoPE type '%.80s' (%s) is not supported; supported: none, "
                            "linear, yarn, and llama3 by rope_freqs.weight",
                            from->path, type, name);
    }
    bool linear = type != NULL && strcmp(type, "linear") == 0;
    bool old = type == NULL && get(from, "rope.scale_linear", name) != NULL;
    if (linear || old) {
        status = read_real(from, old ? "rope.scale_linear" : "rope.scaling.factor", 0,
                           &config->rope_factor, err);
        config->rope = config->rope_factor == 1.0 ? PL_ROPE_PLAIN : PL_ROPE_LINEAR;
    }
    PL_THEN(read_divisors(from, config, err));
    if (status == PL_OK && config->rope == PL_ROPE_LINEAR && config->rope_divisors > 0) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: linear RoPE scaling together with rope_freqs.weight is not "
                              "supported",
                              from->path);
    }
    return status;
}

/* Latent attention: the widths of heads after keys and values are made of the latent vector.  A
 * file that splits kv_b, for products with the latent vector itself, states these widths
 * separately, and one head of keys. */
static pl_status read_latent_sizes(const source *from, pl_config *config, pl_error *err)
{
    char name[96];
    const bool split = get(from, "attention.key_length_mla", name) != NULL;
    pl_status status =
        read_gguf_size(from, "attention.head_count_kv", config->heads, &config->kv_heads, err);
    PL_THEN(read_gguf_size(from, split ? "attention.key_length_mla" : "attention.key_length", 0,
                           &config->head_dim, err));
    PL_THEN(read_gguf_size(from, split ? "attention.value_length_mla" : "attention.value_length", 0,
                           &config->value_dim, err));
    config->kv_heads = split ? config->heads : config->kv_heads;
    PL_THEN(read_gguf_size(from, "rope.dimension_count", 0, &config->rotary_dim, err));
    PL_THEN(read_gguf_size(from, "attention.kv_lora_rank", 0, &config->kv_latent, err));
    if (status == PL_OK && get(from, "attention.q_lora_rank", name) != NULL) {
        status = read_gguf_size(from, "attention.q_lora_rank", 0, &config->q_latent, err);
    }
    if (status == PL_OK &&
        (config->kv_heads != config->heads || config->rotary_dim > config->head_dim)) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: latent attention of %zu heads with %zu of keys, and RoPE over "
                              "%zu of %zu dimensions; expected as many heads, and at most a head's "
                              "width",
                              from->path, config->heads, config->kv_heads, config->rotary_dim,
                              config->head_dim);
    }
    return status;
}

static pl_status read_sizes(const source *from, pl_config *config, pl_error *err)
{
    size_t rotated = 0;
    const struct {
        const char *key;
        size_t fallback;
        size_t *to;
    } required[] = {
        {"embedding_length", 0, &config->hidden_size},
        {"feed_forward_length", 0, &config->intermediate_size},
        {"block_count", 0, &config->blocks},
        {"attention.head_count", 0, &config->heads},
        {"context_length", config->arch->default_positions, &config->max_positions},
    };
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        pl_status status =
            read_gguf_size(from, required[i].key, required[i].fallback, required[i].to, err);
        if (status != PL_OK) {
            return status;
        }
    }
    if (config->arch->latent) {
        return read_latent_sizes(from, config, err);
    }
    size_t head_dim = config->hidden_size / config->heads;
    head_dim = head_dim > 0 ? head_dim : 1;
    pl_status status =
        read_gguf_size(from, "attention.head_count_kv", config->heads, &config->kv_heads, err);
    PL_THEN(read_gguf_size(from, "attention.key_length", head_dim, &config->head_dim, err));
    PL_THEN(read_gguf_size(from, "rope.dimension_count", config->head_dim, &rotated, err));
    rotated = config->arch->positions.hf != NULL ? 0 : rotated;
    config->rotary_dim = rotated;
    if (status == PL_OK && rotated > 0 && rotated != config->head_dim &&
        !config->arch->partial_rotary) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: RoPE over %zu of %zu dimensions is not supported", from->path,
                              rotated, config->head_dim);
    }
    config->value_dim = config->head_dim;
    PL_THEN(read_gguf_size(from, "attention.value_length", config->head_dim, &rotated, err));
    if (status == PL_OK && rotated != config->head_dim) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "%s: values of %zu beside keys of %zu dimensions are not supported",
                              from->path, rotated, config->head_dim);
    }
    return status;
}

static int64_t read_id(const json_t *metadata, const char *key)
{
    const json_t *value = json_object_get(metadata, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

/* The role whose layers a tensor "blk.N.<name>.bias" belongs to; PL_ROLE_COUNT: none. */
static pl_role bias_role(const pl_arch *arch, const char *tensor)
{
    const char *name = strncmp(tensor, "blk.", 4) == 0 ? strchr(tensor, '.') : NULL;
    name = name != NULL ? strchr(name + 1, '.') : NULL;
    const char *end = strrchr(tensor, '.');
    int role = name != NULL && end > name && strcmp(end, ".bias") == 0 ? 0 : PL_ROLE_COUNT;
    for (; role < PL_ROLE_COUNT; role++) {
        const char *fused = role <= PL_ROLE_V ? arch->fused_qkv.gguf : arch->fused_gate_up.gguf;
        bool apart = fused == NULL || role == PL_ROLE_O || role >= PL_ROLE_DOWN;
        const char *own = apart ? arch->layers[role].gguf : fused;
        size_t size = own != NULL ? strlen(own) : 0;
        if (size > 0 && (size_t)(end - name - 1) == size && memcmp(name + 1, own, size) == 0) {
            break;
        }
    }
    return (pl_role)role;
}

/* What the tensors themselves say: vocabulary, tied embeddings, biases. */
static pl_status read_tensors(const source *from, pl_config *config, pl_error *err)
{
    char name[96];
    snprintf(name, sizeof name, "%s.weight", config->arch->embedding.gguf);
    const pl_tensor *embedding = pl_checkpoint_find(from->checkpoint, name);
    if (embedding == NULL || embedding->n_dims != 2 || embedding->dims[0] > 1 << 24 ||
        embedding->dims[0] == 0) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected a tensor [vocabulary, %zu]",
                            from->path, name, config->hidden_size);
    }
    config->vocab_size = (size_t)embedding->dims[0];
    snprintf(name, sizeof name, "%s.weight", config->arch->lm_head.gguf);
    config->tied_embeddings = pl_checkpoint_find(from->checkpoint, name) == NULL;
    for (size_t i = 0; i < pl_checkpoint_count(from->checkpoint); i++) {
        pl_role role = bias_role(config->arch, pl_checkpoint_tensor(from->checkpoint, i)->name);
        bool fused = role <= PL_ROLE_V && config->arch->fused_qkv.gguf != NULL;
        for (int r = (int)role; role < PL_ROLE_COUNT && r <= (int)(fused ? PL_ROLE_V : role); r++) {
            config->biased[r] = true;
        }
    }
    return PL_OK;
}

static pl_status read_windows(const source *from, pl_config *config, pl_error *err)
{
    const pl_arch *arch = config->arch;
    char name[96];
    bool patterned = arch->windows == PL_WINDOW_PATTERN;
    const json_t *given = get(from, "attention.sliding_window", name);
    if (given == NULL && !patterned) {
        return PL_OK;
    }
    if (!patterned && json_is_integer(given) && json_integer_value(given) == 0) {
        return PL_OK;
    }
    size_t pattern = patterned ? arch->window_pattern : 0;
    pl_status status = read_gguf_size(from, "attention.sliding_window",
                                      patterned ? arch->default_window : 0, &config->window, err);
    const json_t *list = get(from, "attention.sliding_window_pattern", name);
    if (status != PL_OK) {
        return status;
    }
    if (patterned && json_is_array(list)) {
        if (json_array_size(list) < config->blocks) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected %zu values", from->path, name,
                                config->blocks);
        }
        for (size_t b = 0; b < config->blocks; b++) {
            const json_t *item = json_array_get(list, b);
            bool slides = json_is_true(item) || json_integer_value(item) > 0;
            config->block_kind[b] |= slides ? PL_BLOCK_SLIDES : 0;
        }
        return PL_OK;
    }
    if (patterned) {
        status = read_gguf_size(from, "attention.sliding_window_pattern", pattern, &pattern, err);
    }
    pl_config_mark_windows(config, pattern);
    return status;
}

/* A cap: 0 or missing without a default is none. */
static pl_status read_cap(const source *from, const char *key, double fallback, double *out,
                          pl_error *err)
{
    char name[96];
    const json_t *value = get(from, key, name);
    if ((value == NULL && !(fallback > 0)) ||
        (json_is_number(value) && json_number_value(value) == 0)) {
        return PL_OK;
    }
    return read_real(from, key, fallback, out, err);
}

/* granite's numbers, and cohere's.  llama.cpp divides granite's logits by the number by which it
 * multiplies cohere's. */
static pl_status read_multipliers(const source *from, pl_config *config, pl_error *err)
{
    const pl_arch *arch = config->arch;
    double scale = 1;
    pl_status status = PL_OK;
    if (!arch->multipliers && !arch->logit_scale) {
        return PL_OK;
    }
    status = read_real(from, "logit_scale", arch->logit_scale ? 0 : 1, &scale, err);
    config->logits_scale = arch->logit_scale ? scale : 1 / scale;
    if (status == PL_OK && arch->multipliers) {
        status = read_real(from, "embedding_scale", 1, &config->embedding_scale, err);
        PL_THEN(read_real(from, "residual_scale", 1, &config->residual_scale, err));
    }
    return status;
}

/* GGUF has no query_pre_attn_scalar: it is the head's width, except in gemma's largest models,
 * known by their number of blocks, where it is hidden / heads. */
static pl_status read_scales(const source *from, pl_config *config, pl_error *err)
{
    char name[96];
    double log_multiplier = 0;

    const pl_arch *arch = config->arch;
    size_t scalar = arch->wide_blocks > 0 && config->blocks == arch->wide_blocks
                        ? config->hidden_size / config->heads
                        : config->head_dim;
    pl_status status =
        read_real(from, "attention.scale", 1 / sqrt((double)scalar), &config->attention_scale, err);
    if (status == PL_OK && config->arch->deep_yarn && config->rope == PL_ROPE_YARN &&
        json_number_value(get(from, "rope.scaling.yarn_log_multiplier", name)) != 0) {
        status = read_real(from, "rope.scaling.yarn_log_multiplier", 0, &log_multiplier, err);
        const double by = pl_config_yarn_amplitude(config->rope_factor, 10 * log_multiplier);
        config->attention_scale *= by * by;
    }
    config->embedding_scale = arch->scaled_embedding ? sqrt((double)config->hidden_size) : 1;
    PL_THEN(read_multipliers(from, config, err));
    if (status == PL_OK && arch->soft_caps && arch->default_attention_cap > 0) {
        status = read_cap(from, "attn_logit_softcapping", arch->default_attention_cap,
                          &config->attention_cap, err);
    }
    if (status == PL_OK && arch->soft_caps) {
        status = read_cap(from, "final_logit_softcapping", arch->default_logits_cap,
                          &config->logits_cap, err);
    }
    if (status == PL_OK && arch->default_local_theta > 0) {
        status = read_real(from, "rope.freq_base_swa", arch->default_local_theta,
                           &config->rope_local_theta, err);
    }
    return status;
}

/* A count that may be missing or 0. */
static pl_status read_count(const source *from, const char *key, size_t *out, pl_error *err)
{
    char name[96];
    const json_t *value = get(from, key, name);
    *out = 0;
    return value == NULL || (json_is_integer(value) && json_integer_value(value) == 0)
               ? PL_OK
               : read_gguf_size(from, key, 0, out, err);
}

/* What DeepSeek's have besides. */
static pl_status read_more_of_experts(const source *from, pl_config *config, pl_error *err)
{
    const pl_expert_names *names = config->arch->experts;
    size_t shared = 0, dense = 0;
    pl_status status = PL_OK;
    if (names->shared_count != NULL) {
        status = read_count(from, "expert_shared_count", &shared, err);
        config->shared_size = shared * config->expert_size;
    }
    if (status == PL_OK && names->grouped) {
        status = read_count(from, "expert_group_count", &config->expert_groups, err);
        PL_THEN(read_count(from, "expert_group_used_count", &config->expert_groups_used, err));
        if (config->expert_groups <= 1 || config->expert_groups_used == 0 ||
            config->expert_groups_used == config->expert_groups) {
            config->expert_groups = config->expert_groups_used = 0;
        }
    }
    if (status == PL_OK && names->scale != NULL) {
        status = read_real(from, "expert_weights_scale", 1, &config->experts_scale, err);
    }
    if (status == PL_OK && names->first_dense != NULL) {
        status = read_count(from, "leading_dense_block_count", &dense, err);
    }
    pl_config_mark_experts(config, dense);
    return status;
}

/* llama.cpp's qwen2moe and olmoe never make the chosen weights sum to 1 unless the file says so;
 * its qwen3moe always does. */
static pl_status read_experts(const source *from, pl_config *config, pl_error *err)
{
    const pl_expert_names *names = config->arch->experts;
    char name[96];
    pl_status status = read_gguf_size(from, "expert_count", 0, &config->experts, err);
    PL_THEN(read_gguf_size(from, "expert_used_count", 0, &config->experts_used, err));
    config->expert_size = config->intermediate_size;
    if (status == PL_OK && names->inner != NULL) {
        status = read_gguf_size(from, "expert_feed_forward_length", 0, &config->expert_size, err);
    }
    if (status == PL_OK && names->shared_gate.hf != NULL) {
        status =
            read_gguf_size(from, "expert_shared_feed_forward_length", 0, &config->shared_size, err);
    }
    config->experts_normalized = names->normalized || names->gguf_normalized ||
                                 json_is_true(get(from, "expert_weights_norm", name));
    PL_THEN(read_more_of_experts(from, config, err));
    return status == PL_OK ? pl_config_check_experts(config, from->path, err) : status;
}

/* Whether "<name>.<key>" is there and more than 0. */
static bool has_positive(const json_t *metadata, const char *name, const char *key)
{
    char whole[128];
    snprintf(whole, sizeof whole, "%.64s.%s", name, key);
    return json_integer_value(json_object_get(metadata, whole)) > 0;
}

enum { GATING_SIGMOID = 2 }; /* llama.cpp's LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID */

/* GGUF's llama is also mistral, where there is a window, and mixtral, where there are experts; its
 * deepseek2 is also deepseek_v3, where the router's scores are sigmoids. */
static const pl_arch *find_arch(const json_t *metadata, const char *name)
{
    bool experts = has_positive(metadata, name, "expert_count");
    char gating[128];
    snprintf(gating, sizeof gating, "%.64s.expert_gating_func", name);
    if (strcmp(name, "deepseek2") == 0 &&
        json_integer_value(json_object_get(metadata, gating)) == GATING_SIGMOID) {
        return pl_arch_by_type("deepseek_v3");
    }
    if (strcmp(name, "llama") == 0 && !experts &&
        has_positive(metadata, name, "attention.sliding_window")) {
        return pl_arch_by_type("mistral");
    }
    return pl_arch_by_gguf(name, experts);
}

pl_status pl_config_from_gguf(pl_checkpoint *checkpoint, pl_config *out, pl_error *err)
{
    *out = (pl_config){.bos_id = -1, .eos_id = -1};
    source from = {.checkpoint = checkpoint,
                   .metadata = pl_checkpoint_metadata(checkpoint),
                   .path = pl_file_path(pl_checkpoint_shard(checkpoint, 0))};
    const char *name = json_string_value(json_object_get(from.metadata, "general.architecture"));
    if (name == NULL) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: general.architecture: expected a string",
                            from.path);
    }
    pl_config config = *out;
    config.arch = find_arch(from.metadata, name);
    if (config.arch == NULL && pl_arch_by_gguf(name, false) != NULL) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: a mixture of experts (%.64s.expert_count) of the architecture "
                            "'%.64s' is not supported",
                            from.path, name, name);
    }
    if (config.arch == NULL) {
        return pl_arch_refuse(err, from.path, "general.architecture", name);
    }
    from.prefix = config.arch->gguf;
    snprintf(config.architecture, sizeof config.architecture, "%s", config.arch->model_type);
    pl_config_set_arch(config.arch, &config);
    config.unit_norms = false; /* GGUF holds 1 + weight */
    config.bos_id = read_id(from.metadata, "tokenizer.ggml.bos_token_id");
    config.eos_id = read_id(from.metadata, "tokenizer.ggml.eos_token_id");
    pl_status status = read_sizes(&from, &config, err);
    PL_THEN(read_real(&from,
                      config.arch->layer_norm ? "attention.layer_norm_epsilon"
                                              : "attention.layer_norm_rms_epsilon",
                      0, &config.norm_eps, err));
    config.latent_eps = config.norm_eps;
    PL_THEN(read_tensors(&from, &config, err));
    if (status == PL_OK) {
        status = pl_config_check(&config, from.path, err); /* before head_dim sizes a buffer */
    }
    if (status == PL_OK && config.rotary_dim > 0) {
        status = read_rope(&from, &config, err);
    }
    PL_THEN(read_windows(&from, &config, err));
    pl_config_mark_no_rope(&config, 4);
    PL_THEN(read_scales(&from, &config, err));
    if (status == PL_OK && config.arch->experts != NULL) {
        status = read_experts(&from, &config, err);
    }
    if (status == PL_OK) {
        *out = config;
    }
    return status;
}
