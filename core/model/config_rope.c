/* LongRoPE (phi3): divisors of the frequencies for short windows and for long ones. */
#include "core/model/arch.h"

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
    pl_status status =
        read_divisors(rope, path, "short_factor", count, out->rope_divisor, err);
    if (status == PL_OK) {
        status = read_divisors(rope, path, "long_factor", count, out->rope_long_divisor, err);
    }
    /* phi3's configs say it beside rope_scaling; rope_parameters (new) inside. */
    const char *field = "original_max_position_embeddings";
    bool inside = json_object_get(rope, field) != NULL;
    if (status == PL_OK) {
        status = pl_config_size(inside ? rope : json, path, field, 4096,
                                &out->rope_original_positions, err);
    }
    if (status == PL_OK) {
        status = pl_config_real(rope, path, "attention_factor", pl_config_long_amplitude(out),
                                &out->rope_amplitude, err);
    }
    return status;
}
