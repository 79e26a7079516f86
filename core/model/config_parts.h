/* core/model/config_parts.h -- what the files that read and write a config share; private to
 * core/model. */
#ifndef PL_MODEL_CONFIG_PARTS_H
#define PL_MODEL_CONFIG_PARTS_H

#include "core/model/arch.h"
#include "core/model/config.h"

/* Checks that hold for a config of either source. */
PL_NODISCARD pl_status pl_config_check(const pl_config *config, const char *path, pl_error *err);

/* PL_ERR_FORMAT: "path: field: expected ...". */
pl_status pl_config_refuse(pl_error *err, const char *path, const char *field,
                           const char *expected);

/* PL_ERR_UNSUPPORTED: "path: field = value is not supported". */
pl_status pl_config_refuse_value(pl_error *err, const char *path, const char *field,
                                 const json_t *value);

/* Whether a field is not there, or null. */
bool pl_config_missing(const json_t *value);

/* The largest size that a config.json may give. */
enum { PL_CONFIG_LARGEST = 1 << 24 };

/* A positive integer or real of config.json; `fallback` if it is missing (0: it is required). */
PL_NODISCARD pl_status pl_config_size(const json_t *json, const char *path, const char *field,
                                      size_t fallback, size_t *out, pl_error *err);
PL_NODISCARD pl_status pl_config_real(const json_t *json, const char *path, const char *field,
                                      double fallback, double *out, pl_error *err);

/* LongRoPE's two lists of divisors and amplitude (config_rope.c). */
PL_NODISCARD pl_status pl_config_read_long_rope(const json_t *json, const json_t *rope,
                                                const char *path, pl_config *out, pl_error *err);
/* YaRN and dynamic scaling of a config.json (config_rope.c); what of a model's amplitude is due to
 * YaRN's factor: 1 + 0.1 mscale ln(factor). */
PL_NODISCARD pl_status pl_config_read_yarn(const json_t *rope, const char *path, pl_config *out,
                                           pl_error *err);
PL_NODISCARD pl_status pl_config_read_dynamic(const json_t *rope, const char *path, pl_config *out,
                                              pl_error *err);
double pl_config_yarn_amplitude(double factor, double mscale);
/* LongRoPE's amplitude, from how much longer the positions are than the original ones. */
double pl_config_long_amplitude(const pl_config *config);

/* What config.json says beyond sizes and RoPE: windows, caps, scales, experts (config_arch.c).
 * Sizes, head_dim and rotary_dim are there already. */
PL_NODISCARD pl_status pl_config_read_arch(const json_t *json, const char *path, pl_config *out,
                                           pl_error *err);

/* Checks of the numbers of experts (config_arch.c). */
PL_NODISCARD pl_status pl_config_check_experts(const pl_config *config, const char *path,
                                               pl_error *err);

/* Whether every layer of a role has a bias in Hugging Face's form of a model with these biases; and
 * whether that form can say all of them (config_arch.c). */
bool pl_config_role_biased(const pl_config *config, pl_role role);
bool pl_config_says_biases(const pl_config *config);

/* Scales and the activation that follow from the architecture alone. */
void pl_config_set_arch(const pl_arch *arch, pl_config *out);

/* The activation of a name such as "gelu_new"; false: none is known by it. */
bool pl_config_activation(const char *name, pl_activation *out);

/* Marks the blocks without RoPE by the architecture's rule; interval: of PL_NO_ROPE_LIST. */
void pl_config_mark_no_rope(pl_config *out, size_t interval);

/* Marks all blocks from number `dense` on as mixtures of experts. */
void pl_config_mark_experts(pl_config *out, size_t dense);

/* Marks the blocks that slide by the architecture's pattern, or all of them. */
void pl_config_mark_windows(pl_config *out, size_t pattern);

#endif
