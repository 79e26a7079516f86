#include "core/model/config.h"

#include "core/model/arch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 24, MAX_BLOCKS = 4096 };

static pl_status refuse(pl_error *err, const char *path, const char *field, const char *expected)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected %s", path, field, expected);
}

static bool missing(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

/* A positive integer; `fallback` if the field is missing (0: it is required). */
static pl_status read_size(const json_t *json, const char *path, const char *field, size_t fallback,
                           size_t *out, pl_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (missing(value) && fallback > 0) {
        *out = fallback;
        return PL_OK;
    }
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    if (number < 1 || number > MAX_SIZE) {
        return refuse(err, path, field, "an integer from 1 to 16777216");
    }
    *out = (size_t)number;
    return PL_OK;
}

static pl_status read_real(const json_t *json, const char *path, const char *field, double fallback,
                           double *out, pl_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (missing(value) && fallback > 0) {
        *out = fallback;
        return PL_OK;
    }
    double number = json_number_value(value);
    if (!json_is_number(value) || !isfinite(number) || number <= 0) {
        return refuse(err, path, field, "a positive number");
    }
    *out = number;
    return PL_OK;
}

static pl_status read_llama3(const json_t *rope, const char *path, pl_config *out, pl_error *err)
{
    pl_status status = read_real(rope, path, "low_freq_factor", 0, &out->rope_low_freq_factor, err);
    if (status == PL_OK) {
        status = read_real(rope, path, "high_freq_factor", 0, &out->rope_high_freq_factor, err);
    }
    if (status == PL_OK) {
        status = read_size(rope, path, "original_max_position_embeddings", out->max_positions,
                           &out->rope_original_positions, err);
    }
    if (status == PL_OK && !(out->rope_high_freq_factor > out->rope_low_freq_factor)) {
        status = refuse(err, path, "high_freq_factor", "more than low_freq_factor");
    }
    return status;
}

/* rope_parameters (new) holds theta and scaling; rope_theta and rope_scaling (old) are apart. */
static pl_status read_rope(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const json_t *rope = json_object_get(json, "rope_parameters");
    bool is_new = json_is_object(rope);
    rope = is_new ? rope : json_object_get(json, "rope_scaling");
    bool own_theta = is_new && json_object_get(rope, "rope_theta") != NULL;
    pl_status status =
        read_real(own_theta ? rope : json, path, "rope_theta", 10000.0, &out->rope_theta, err);
    if (status != PL_OK || missing(rope)) {
        return status;
    }
    const json_t *type = json_object_get(rope, "rope_type");
    const char *name = json_string_value(type != NULL ? type : json_object_get(rope, "type"));
    if (name == NULL && is_new && json_object_get(rope, "factor") == NULL && own_theta) {
        name = "default";
    }
    if (name == NULL) {
        return refuse(err, path, is_new ? "rope_parameters.rope_type" : "rope_scaling.rope_type",
                      "a string");
    }
    if (strcmp(name, "default") == 0) {
        return PL_OK;
    }
    out->rope = strcmp(name, "linear") == 0 ? PL_ROPE_LINEAR : PL_ROPE_LLAMA3;
    if (out->rope == PL_ROPE_LLAMA3 && strcmp(name, "llama3") != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the RoPE type '%.80s' is not supported; supported: default, "
                            "linear, llama3",
                            path, name);
    }
    status = read_real(rope, path, "factor", 0, &out->rope_factor, err);
    return status == PL_OK && out->rope == PL_ROPE_LLAMA3 ? read_llama3(rope, path, out, err)
                                                          : status;
}

/* A switch that would change the mathematics and is not supported. */
static pl_status refuse_if(const json_t *json, const char *path, const char *field, bool set,
                           pl_error *err)
{
    if (!set) {
        return PL_OK;
    }
    char *text = json_dumps(json_object_get(json, field), JSON_ENCODE_ANY | JSON_COMPACT);
    pl_status status = pl_error_set(err, PL_ERR_UNSUPPORTED, "%s: %s = %.80s is not supported",
                                    path, field, text != NULL ? text : "");
    free(text);
    return status;
}

/* Whether a block attends through a window shorter than the model's positions. */
static bool slides(const json_t *json, const pl_config *config)
{
    const json_t *window = json_object_get(json, "sliding_window");
    if (!json_is_true(json_object_get(json, "use_sliding_window")) || !json_is_integer(window) ||
        (size_t)json_integer_value(window) >= config->max_positions) {
        return false;
    }
    const json_t *types = json_object_get(json, "layer_types");
    if (!json_is_array(types)) {
        const json_t *from = json_object_get(json, "max_window_layers");
        return (json_is_integer(from) ? json_integer_value(from) : 28) < (json_int_t)config->blocks;
    }
    size_t i;
    json_t *type;
    json_array_foreach(types, i, type)
    {
        const char *name = json_string_value(type);
        if (name != NULL && strcmp(name, "sliding_attention") == 0) {
            return true;
        }
    }
    return false;
}

static pl_status check_switches(const json_t *json, const char *path, const pl_config *config,
                                pl_error *err)
{
    const char *act = json_string_value(json_object_get(json, "hidden_act"));
    const json_t *partial = json_object_get(json, "partial_rotary_factor");
    const struct {
        const char *field;
        bool set;
    } switches[] = {
        {"hidden_act", act != NULL && strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0},
        {"attention_bias",
         !config->qkv_bias && json_is_true(json_object_get(json, "attention_bias"))},
        {"mlp_bias", json_is_true(json_object_get(json, "mlp_bias"))},
        {"partial_rotary_factor", json_is_number(partial) && json_number_value(partial) != 1.0},
        {"quantization_config", json_is_object(json_object_get(json, "quantization_config"))},
        {"use_sliding_window", config->arch->sliding_switch && slides(json, config)},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        pl_status status = refuse_if(json, path, switches[i].field, switches[i].set, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

pl_status pl_config_check(const pl_config *config, const char *path, pl_error *err)
{
    if (config->blocks > MAX_BLOCKS) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %zu blocks; expected at most %d", path,
                            config->blocks, MAX_BLOCKS);
    }
    if (config->heads % config->kv_heads != 0) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: %zu attention heads are no multiple of %zu key-value heads", path,
                            config->heads, config->kv_heads);
    }
    if (config->head_dim % 2 != 0 || config->head_dim > PL_MAX_HEAD_DIM) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: head_dim is %zu; expected an even number of "
                            "at most %d",
                            path, config->head_dim, PL_MAX_HEAD_DIM);
    }
    if (config->heads > MAX_SIZE / config->head_dim) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %zu heads of %zu are too wide", path,
                            config->heads, config->head_dim);
    }
    return PL_OK;
}

static pl_status read_sizes(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const struct {
        const char *field;
        size_t fallback;
        size_t *to;
    } required[] = {
        {"hidden_size", 0, &out->hidden_size},
        {"intermediate_size", 0, &out->intermediate_size},
        {"num_hidden_layers", 0, &out->blocks},
        {"num_attention_heads", 0, &out->heads},
        {"vocab_size", 0, &out->vocab_size},
        {"max_position_embeddings", out->arch->default_positions, &out->max_positions},
    };
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        pl_status status =
            read_size(json, path, required[i].field, required[i].fallback, required[i].to, err);
        if (status != PL_OK) {
            return status;
        }
    }
    pl_status status =
        read_size(json, path, "num_key_value_heads", out->heads, &out->kv_heads, err);
    if (status == PL_OK && missing(json_object_get(json, "head_dim")) &&
        out->hidden_size % out->heads != 0) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: hidden_size %zu is no multiple of %zu heads, "
                              "and there is no head_dim",
                              path, out->hidden_size, out->heads);
    }
    size_t head_dim = out->hidden_size / out->heads;
    if (status == PL_OK) {
        status =
            read_size(json, path, "head_dim", head_dim > 0 ? head_dim : 1, &out->head_dim, err);
    }
    return status;
}

static int64_t read_id(const json_t *json, const char *field)
{
    const json_t *value = json_object_get(json, field);
    value = json_is_array(value) ? json_array_get(value, 0) : value;
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

pl_status pl_config_from_json(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    *out = (pl_config){.bos_id = -1, .eos_id = -1};
    const char *type = json_string_value(json_object_get(json, "model_type"));
    if (type == NULL) {
        return refuse(err, path, "model_type", "a string");
    }
    pl_config config = *out;
    config.arch = pl_arch_by_type(type);
    if (config.arch == NULL) {
        return pl_arch_refuse(err, path, "model_type", type);
    }
    snprintf(config.architecture, sizeof config.architecture, "%s", config.arch->model_type);
    config.qkv_bias = config.arch->qkv_bias;
    config.tied_embeddings = json_is_true(json_object_get(json, "tie_word_embeddings"));
    config.bos_id = read_id(json, "bos_token_id");
    config.eos_id = read_id(json, "eos_token_id");
    pl_status status = read_sizes(json, path, &config, err);
    if (status == PL_OK) {
        status = read_real(json, path, "rms_norm_eps", 1e-6, &config.rms_norm_eps, err);
    }
    if (status == PL_OK) {
        status = read_rope(json, path, &config, err);
    }
    if (status == PL_OK) {
        status = check_switches(json, path, &config, err);
    }
    if (status == PL_OK) {
        status = pl_config_check(&config, path, err);
    }
    if (status == PL_OK) {
        *out = config;
    }
    return status;
}

static json_t *rope_json(const pl_config *config)
{
    if (config->rope == PL_ROPE_LINEAR) {
        return json_pack("{s:s, s:f}", "rope_type", "linear", "factor", config->rope_factor);
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

pl_status pl_config_to_json(const pl_config *config, const char *torch_dtype, json_t **out,
                            pl_error *err)
{
    *out = NULL;
    bool plain = true;
    for (size_t i = 0; i < config->rope_divisors; i++) {
        plain = plain && config->rope_divisor[i] == 1.0f;
    }
    if (!plain && config->rope != PL_ROPE_LLAMA3) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the model's RoPE divisors (rope_freqs.weight) are not llama3's, so no "
                            "config.json can say them");
    }
    json_t *json = json_pack(
        "{s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:b, s:b, s:s}",
        "architectures", config->arch->hf_class, "model_type", config->arch->model_type,
        "hidden_act", "silu", "hidden_size", (json_int_t)config->hidden_size, "intermediate_size",
        (json_int_t)config->intermediate_size, "num_hidden_layers", (json_int_t)config->blocks,
        "num_attention_heads", (json_int_t)config->heads, "num_key_value_heads",
        (json_int_t)config->kv_heads, "head_dim", (json_int_t)config->head_dim, "vocab_size",
        (json_int_t)config->vocab_size, "max_position_embeddings",
        (json_int_t)config->max_positions, "rms_norm_eps", config->rms_norm_eps, "rope_theta",
        config->rope_theta, "rope_scaling", rope_json(config), "tie_word_embeddings",
        config->tied_embeddings, "use_cache", 1, "torch_dtype", torch_dtype);
    if (json == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "no memory to write a config.json");
    }
    json_object_set_new(json, "bos_token_id",
                        config->bos_id >= 0 ? json_integer(config->bos_id) : json_null());
    json_object_set_new(json, "eos_token_id",
                        config->eos_id >= 0 ? json_integer(config->eos_id) : json_null());
    *out = json;
    return PL_OK;
}
