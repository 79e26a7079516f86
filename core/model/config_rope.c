/* Scalings of RoPE with parameters of their own: LongRoPE (phi3: divisors of the frequencies for
 * short windows and for long ones), YaRN, dynamic NTK. */
#include "core/model/config_parts.h"

#include <math.h>

double pl_config_long_amplitude(const pl_config *config)
{
    double original = (double)config->rope_original_positions;
    double factor = (double)config->max_positions / original;
    return factor > 1 && original > 1 ? sqrt(1 + log(factor) / log(original)) : 1;
}

static pl_status read_divisors(const json_t *rope, const char *path, const char *field,
                               size_t count, float *out, pl_error *err)
{
    const json_t *list = json_object_get(rope, field);
    if (!json_is_array(list) || json_array_size(list) != count) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected an array of %zu numbers", path,
                            field, count);
    }
    for (size_t i = 0; i < count; i++) {
        double value = json_number_value(json_array_get(list, i));
        if (!(value > 0 && value < 1e30)) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: %s[%zu]: expected a positive number", path,
                                field, i);
        }
        out[i] = (float)value;
    }
    return PL_OK;
}

pl_status pl_config_read_long_rope(const json_t *json, const json_t *rope, const char *path,
                                   pl_config *out, pl_error *err)
{
    size_t count = out->rotary_dim / 2;
    if (count == 0 || count > PL_MAX_HEAD_DIM / 2) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: RoPE over %zu dimensions; expected 2 to %d",
                            path, out->rotary_dim, PL_MAX_HEAD_DIM);
    }
    out->rope = PL_ROPE_LONG;
    out->rope_divisors = count;
    pl_status status = read_divisors(rope, path, "short_factor", count, out->rope_divisor, err);
    PL_THEN(read_divisors(rope, path, "long_factor", count, out->rope_long_divisor, err));
    /* phi3's configs say it beside rope_scaling; rope_parameters (new) inside. */
    const char *field = "original_max_position_embeddings";
    bool inside = json_object_get(rope, field) != NULL;
    PL_THEN(pl_config_size(inside ? rope : json, path, field, 4096, &out->rope_original_positions,
                           err));
    PL_THEN(pl_config_real(rope, path, "attention_factor", pl_config_long_amplitude(out),
                           &out->rope_amplitude, err));
    return status;
}

double pl_config_yarn_amplitude(double factor, double mscale)
{
    return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

/* A number that counts; 0 where it is missing, null or 0, which transformers takes for missing. */
static pl_status read_optional(const json_t *rope, const char *path, const char *field, double *out,
                               pl_error *err)
{
    const json_t *value = json_object_get(rope, field);
    bool none = value == NULL || json_is_null(value) ||
                (json_is_number(value) && json_number_value(value) == 0);
    *out = 0;
    return none ? PL_OK : pl_config_real(rope, path, field, 0, out, err);
}

/* As transformers 4.57 and 5 read it (4.53 ignored `factor` beside
 * original_max_position_embeddings): the factor as it is given, and where it is not,
 * max_position_embeddings over the original ones. */
pl_status pl_config_read_yarn(const json_t *rope, const char *path, pl_config *out, pl_error *err)
{
    static const char original[] = "original_max_position_embeddings";
    double fast = 0, slow = 0, mscale = 0, mscale_all = 0;
    const bool given = !pl_config_missing(json_object_get(rope, original));
    const bool ratio = given && pl_config_missing(json_object_get(rope, "factor"));
    out->rope = PL_ROPE_YARN;
    out->rope_original_positions = out->max_positions;
    pl_status status =
        given ? pl_config_size(rope, path, original, 0, &out->rope_original_positions, err) : PL_OK;
    if (status == PL_OK && ratio) {
        out->rope_factor = (double)out->max_positions / (double)out->rope_original_positions;
    } else {
        PL_THEN(pl_config_real(rope, path, "factor", 0, &out->rope_factor, err));
    }
    PL_THEN(read_optional(rope, path, "beta_fast", &fast, err));
    PL_THEN(read_optional(rope, path, "beta_slow", &slow, err));
    PL_THEN(read_optional(rope, path, "mscale", &mscale, err));
    PL_THEN(read_optional(rope, path, "mscale_all_dim", &mscale_all, err));
    out->rope_untruncated = json_is_false(json_object_get(rope, "truncate"));
    out->rope_beta_fast = fast > 0 ? fast : 32;
    out->rope_beta_slow = slow > 0 ? slow : 1;
    double amplitude = pl_config_yarn_amplitude(out->rope_factor, 1);
    if (mscale > 0 && mscale_all > 0) {
        amplitude = pl_config_yarn_amplitude(out->rope_factor, mscale) /
                    pl_config_yarn_amplitude(out->rope_factor, mscale_all);
    }
    return status == PL_OK ? pl_config_real(rope, path, "attention_factor", amplitude,
                                            &out->rope_amplitude, err)
                           : status;
}

pl_status pl_config_read_dynamic(const json_t *rope, const char *path, pl_config *out,
                                 pl_error *err)
{
    out->rope = PL_ROPE_DYNAMIC;
    pl_status status = pl_config_real(rope, path, "factor", 0, &out->rope_factor, err);
    if (status == PL_OK && (out->rotary_dim < 4 || out->rope_factor < 1)) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: dynamic RoPE by the factor %g over %zu dimensions; expected at "
                              "least 1 and 4",
                              path, out->rope_factor, out->rotary_dim);
    }
    return status;
}
