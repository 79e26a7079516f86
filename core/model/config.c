#include "core/model/config.h"

#include "core/base/json.h"
#include "core/io/packing.h"
#include "core/model/config_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pl_status read_llama3(const json_t *rope, const char *path, pl_config *out, pl_error *err)
{
    pl_status status =
        pl_config_real(rope, path, "low_freq_factor", 0, &out->rope_low_freq_factor, err);
    PL_THEN(pl_config_real(rope, path, "high_freq_factor", 0, &out->rope_high_freq_factor, err));
    PL_THEN(pl_config_size(rope, path, "original_max_position_embeddings", out->max_positions,
                           &out->rope_original_positions, err));
    if (status == PL_OK && !(out->rope_high_freq_factor > out->rope_low_freq_factor)) {
        status = pl_config_refuse(err, path, "high_freq_factor", "more than low_freq_factor");
    }
    return status;
}

/* rope_parameters (new) holds theta and scaling; rope_theta and rope_scaling (old) are apart. */
static pl_status read_rope(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const json_t *rope = json_object_get(json, "rope_parameters");
    bool is_new = json_is_object(rope);
    if (json_is_object(json_object_get(rope, "full_attention"))) { /* gemma3: by kind of block */
        rope = json_object_get(rope, "full_attention");
    }
    rope = is_new ? rope : json_object_get(json, "rope_scaling");
    bool own_theta = is_new && json_object_get(rope, "rope_theta") != NULL;
    double theta = out->arch->default_theta > 0 ? out->arch->default_theta : 10000.0;
    pl_status status =
        pl_config_real(own_theta ? rope : json, path, "rope_theta", theta, &out->rope_theta, err);
    if (status != PL_OK || pl_config_missing(rope)) {
        return status;
    }
    const json_t *type = json_object_get(rope, "rope_type");
    const char *name = json_string_value(type != NULL ? type : json_object_get(rope, "type"));
    if (name == NULL && is_new && json_object_get(rope, "factor") == NULL && own_theta) {
        name = "default";
    }
    if (name == NULL) {
        return pl_config_refuse(
            err, path, is_new ? "rope_parameters.rope_type" : "rope_scaling.rope_type", "a string");
    }
    if (strcmp(name, "default") == 0) {
        return PL_OK;
    }
    if (out->arch->long_rope &&
        (strcmp(name, "longrope") == 0 || strcmp(name, "su") == 0 || strcmp(name, "yarn") == 0)) {
        return pl_config_read_long_rope(json, rope, path, out, err);
    }
    if (!out->arch->long_rope && strcmp(name, "yarn") == 0) {
        return pl_config_read_yarn(rope, path, out, err);
    }
    if (!out->arch->long_rope && strcmp(name, "dynamic") == 0) {
        return pl_config_read_dynamic(rope, path, out, err);
    }
    out->rope = strcmp(name, "linear") == 0 ? PL_ROPE_LINEAR : PL_ROPE_LLAMA3;
    if (out->rope == PL_ROPE_LLAMA3 && strcmp(name, "llama3") != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: the RoPE type '%.80s' is not supported; supported: default, "
                            "linear, llama3%s",
                            path, name, out->arch->long_rope ? ", longrope" : ", yarn, dynamic");
    }
    status = pl_config_real(rope, path, "factor", 0, &out->rope_factor, err);
    return status == PL_OK && out->rope == PL_ROPE_LLAMA3 ? read_llama3(rope, path, out, err)
                                                          : status;
}

/* Beside the other fields (old) or in rope_parameters (new); *field: its name. */
static const json_t *find_partial(const json_t *json, const char **field)
{
    static const char prefix[] = "rope_parameters.",
                      name[] = "rope_parameters.partial_rotary_factor";
    const char *plain = name + sizeof prefix - 1;
    const json_t *beside = json_object_get(json, plain);
    const json_t *inside = json_object_get(json_object_get(json, "rope_parameters"), plain);
    *field = beside == NULL && inside != NULL ? name : plain;
    return beside != NULL ? beside : inside;
}

/* Weights that some tool packed, in a way their tensors' names do not tell. */
static pl_status refuse_quantized(const json_t *json, const char *path, pl_error *err)
{
    const json_t *quantized = json_object_get(json, "quantization_config");
    bool mlx = !json_is_object(quantized) && json_is_object(json_object_get(json, "quantization"));
    if (!json_is_object(quantized) && !mlx) {
        return PL_OK;
    }
    const char *by = json_string_value(json_object_get(quantized, "quant_method")), *what = NULL;
    if (pl_packing_reads(quantized, &what)) {
        return PL_OK; /* packed tensors that are not read are refused by name */
    }
    if (what != NULL) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s: quantization_config: %s: the layers work in other coordinates, "
                            "which are not read; open the model that it was made from",
                            path, what);
    }
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "%s: %s: the weights are quantized (by %.40s); open the model they were "
                        "made from, or dequantize them to F16, BF16 or F32 safetensors with the "
                        "tool that made them",
                        path, mlx ? "quantization" : "quantization_config",
                        mlx          ? "MLX"
                        : by != NULL ? by
                                     : "a tool it does not name");
}

static bool setting_fits(const pl_setting *setting, const json_t *value, const pl_config *config)
{
    bool fits = false;
    switch (setting->must) {
    case PL_MUST_BE_OFF:
        return json_is_false(value);
    case PL_MUST_BE_ON:
        return json_is_true(value);
    case PL_MUST_BE_HIDDEN_SIZE:
        return json_is_integer(value) &&
               json_integer_value(value) == (json_int_t)config->hidden_size;
    case PL_MUST_BE_WORD: {
        char *text = pl_json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
        fits = text != NULL && strcmp(text, setting->word) == 0;
        free(text);
        break;
    }
    }
    return fits;
}

/* What the architecture wants of settings that would change the mathematics. */
static pl_status check_settings(const json_t *json, const char *path, const pl_config *config,
                                pl_error *err)
{
    const pl_setting *settings = config->arch->settings;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < PL_MOST_SETTINGS && settings[i].field != NULL; i++) {
        const json_t *value = json_object_get(json, settings[i].field);
        const bool fits = pl_config_missing(value) || setting_fits(&settings[i], value, config);
        status = fits ? PL_OK : pl_config_refuse_value(err, path, settings[i].field, value);
    }
    return status;
}

static pl_status check_switches(const json_t *json, const char *path, const pl_config *config,
                                pl_error *err)
{
    const pl_arch *arch = config->arch;
    const char *field = pl_arch_fields(arch).activation;
    const json_t *act = json_object_get(json, field);
    pl_activation activation;
    const pl_activation own = /* which config.json's word does not tell from a plain gate */
        arch->activation == PL_CLAMPED_SWIGLU ? PL_SILU : arch->activation;
    bool act_fits =
        pl_config_missing(act) || (pl_config_activation(json_string_value(act), &activation) &&
                                   (arch->any_activation || activation == own));
    const char *partial_field = NULL;
    const json_t *partial = find_partial(json, &partial_field);
    const json_t *biases = json_object_get(json, "attention_bias");
    const json_t *mlp_biases = json_object_get(json, "mlp_bias");
    const json_t *slides = json_object_get(json, "use_sliding_window");
    const struct {
        const char *field;
        const json_t *value;
        bool set;
    } switches[] = {
        {field, act, !act_fits},
        {"attention_bias", biases,
         !arch->attention_bias && !arch->qkv_bias && json_is_true(biases)},
        {"mlp_bias", mlp_biases, !arch->mlp_bias && json_is_true(mlp_biases)},
        {partial_field, partial,
         !arch->partial_rotary && json_is_number(partial) && json_number_value(partial) != 1.0},
        {"use_sliding_window", slides, arch->windows == PL_WINDOW_REFUSED && json_is_true(slides)},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (switches[i].set) {
            return pl_config_refuse_value(err, path, switches[i].field, switches[i].value);
        }
    }
    return check_settings(json, path, config, err);
}

pl_status pl_config_check(const pl_config *config, const char *path, pl_error *err)
{
    if (config->blocks > PL_MAX_BLOCKS) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %zu blocks; expected at most %d", path,
                            config->blocks, PL_MAX_BLOCKS);
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
    if (config->rotary_dim % 2 != 0 ||
        (config->rotary_dim == 0) != (config->arch->positions.hf != NULL) ||
        config->rotary_dim > config->head_dim) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: RoPE over %zu of %zu dimensions; expected an even number up to "
                            "the head's",
                            path, config->rotary_dim, config->head_dim);
    }
    if (config->value_dim > PL_MAX_HEAD_DIM) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: values of %zu a head; expected at most %d",
                            path, config->value_dim, PL_MAX_HEAD_DIM);
    }
    if (config->heads > PL_CONFIG_LARGEST / config->head_dim) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %zu heads of %zu are too wide", path,
                            config->heads, config->head_dim);
    }
    return PL_OK;
}

/* Latent attention has widths of its own; as many heads of keys and values as of queries. */
static pl_status read_latent_sizes(const json_t *json, const char *path, pl_config *out,
                                   pl_error *err)
{
    const json_t *rank = json_object_get(json, "q_lora_rank");
    size_t plain = 0;
    pl_status status =
        pl_config_size(json, path, "num_key_value_heads", out->heads, &out->kv_heads, err);
    PL_THEN(pl_config_size(json, path, "kv_lora_rank", 0, &out->kv_latent, err));
    if (status == PL_OK && !pl_config_missing(rank)) {
        status = pl_config_size(json, path, "q_lora_rank", 0, &out->q_latent, err);
    }
    PL_THEN(pl_config_size(json, path, "qk_nope_head_dim", 0, &plain, err));
    PL_THEN(pl_config_size(json, path, "qk_rope_head_dim", 0, &out->rotary_dim, err));
    PL_THEN(pl_config_size(json, path, "v_head_dim", 0, &out->value_dim, err));
    out->head_dim = plain + out->rotary_dim;
    out->latent_eps = 1e-6; /* transformers' default: it does not hand on rms_norm_eps */
    if (status == PL_OK && out->kv_heads != out->heads) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: num_key_value_heads is %zu; expected %zu as num_attention_heads "
                              "in latent attention",
                              path, out->kv_heads, out->heads);
    }
    return status;
}

/* Heads of keys and values, their width, and how much of it RoPE turns. */
static pl_status read_head_sizes(const json_t *json, const char *path, pl_config *out,
                                 pl_error *err)
{
    const pl_arch *arch = out->arch;
    const char *partial_field = NULL;
    const json_t *partial = find_partial(json, &partial_field);
    if (arch->latent) {
        return read_latent_sizes(json, path, out, err);
    }
    size_t kv_heads = arch->default_kv_heads > 0 ? arch->default_kv_heads
                      : arch->kv_heads_needed    ? 0
                                                 : out->heads;
    pl_status status = PL_OK;
    out->kv_heads = out->heads; /* always, in models older than the field */
    if (arch->positions.hf == NULL) {
        status = pl_config_size(json, path, "num_key_value_heads", kv_heads, &out->kv_heads, err);
    }
    size_t head_dim = arch->default_head_dim;
    if (status == PL_OK && head_dim == 0 && pl_config_missing(json_object_get(json, "head_dim")) &&
        out->hidden_size % out->heads != 0) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: hidden_size %zu is no multiple of %zu heads, "
                              "and there is no head_dim",
                              path, out->hidden_size, out->heads);
    }
    head_dim = head_dim > 0 ? head_dim : out->hidden_size / out->heads;
    PL_THEN(
        pl_config_size(json, path, "head_dim", head_dim > 0 ? head_dim : 1, &out->head_dim, err));
    out->value_dim = out->head_dim;
    out->rotary_dim = arch->positions.hf != NULL ? 0 : out->head_dim;
    if (status == PL_OK && arch->partial_rotary &&
        (json_is_number(partial) || arch->default_partial > 0)) {
        double share = json_is_number(partial) ? json_number_value(partial) : arch->default_partial;
        if (!(share > 0 && share <= 1)) {
            return pl_config_refuse(err, path, partial_field, "a number above 0 and up to 1");
        }
        out->rotary_dim = (size_t)((double)out->head_dim * share);
    }
    return status;
}

static pl_status read_sizes(const json_t *json, const char *path, pl_config *out, pl_error *err)
{
    const pl_arch *arch = out->arch;
    const pl_field_names names = pl_arch_fields(arch);
    const struct {
        const char *field;
        size_t fallback;
        size_t *to;
    } required[] = {
        {names.hidden_size, 0, &out->hidden_size},
        {names.blocks, 0, &out->blocks},
        {names.heads, arch->default_heads, &out->heads},
        {"vocab_size", arch->default_vocab, &out->vocab_size},
        {names.positions, arch->default_positions, &out->max_positions},
    };
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < sizeof required / sizeof required[0]; i++) {
        status = pl_config_size(json, path, required[i].field, required[i].fallback, required[i].to,
                                err);
    }
    /* gpt2's n_inner may be null. */
    const size_t inner = arch->positions.hf != NULL ? 4 * out->hidden_size : 0;
    PL_THEN(
        pl_config_size(json, path, names.intermediate_size, inner, &out->intermediate_size, err));
    return status == PL_OK ? read_head_sizes(json, path, out, err) : status;
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
        return pl_config_refuse(err, path, "model_type", "a string");
    }
    pl_config config = *out;
    config.bos_id = read_id(json, "bos_token_id");
    config.eos_id = read_id(json, "eos_token_id");
    const json_t *text = json_object_get(json, "text_config");
    static const char *const whole[][2] = {{"gemma3", "gemma3_text"}, {"llama4", "llama4_text"}};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0] && json_is_object(text); i++) {
        if (strcmp(type, whole[i][0]) == 0) { /* with a vision tower, left alone */
            type = whole[i][1];
            json = text;
            break;
        }
    }
    config.arch = pl_arch_by_type(type);
    if (config.arch == NULL) {
        return pl_arch_refuse(err, path, "model_type", type);
    }
    snprintf(config.architecture, sizeof config.architecture, "%s", config.arch->model_type);
    pl_config_set_arch(config.arch, &config);
    const json_t *tied = json_object_get(json, "tie_word_embeddings");
    config.tied_embeddings =
        pl_config_missing(tied) ? config.arch->tied_by_default : json_is_true(tied);
    pl_status status = read_sizes(json, path, &config, err);
    if (status == PL_OK) {
        double eps = config.arch->default_eps > 0 ? config.arch->default_eps : 1e-6;
        status =
            pl_config_real(json, path, pl_arch_fields(config.arch).eps, eps, &config.norm_eps, err);
    }
    if (status == PL_OK && config.rotary_dim > 0) {
        status = read_rope(json, path, &config, err);
    }
    PL_THEN(check_switches(json, path, &config, err));
    PL_THEN(refuse_quantized(json, path, err));
    PL_THEN(pl_config_check(&config, path, err));
    PL_THEN(pl_config_read_arch(json, path, &config, err));
    if (status == PL_OK) {
        *out = config;
    }
    return status;
}
