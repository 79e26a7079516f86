/* Single fields of a config.json. */
#include "core/base/json.h"
#include "core/model/config_parts.h"

#include <math.h>
#include <stdlib.h>

pl_status pl_config_refuse(pl_error *err, const char *path, const char *field, const char *expected)
{
    return pl_error_set(err, PL_ERR_FORMAT, "%s: %s: expected %s", path, field, expected);
}

bool pl_config_missing(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

pl_status pl_config_size(const json_t *json, const char *path, const char *field, size_t fallback,
                         size_t *out, pl_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (pl_config_missing(value) && fallback > 0) {
        *out = fallback;
        return PL_OK;
    }
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
    if (number < 1 || number > PL_CONFIG_LARGEST) {
        return pl_config_refuse(err, path, field, "an integer from 1 to 16777216");
    }
    *out = (size_t)number;
    return PL_OK;
}

pl_status pl_config_real(const json_t *json, const char *path, const char *field, double fallback,
                         double *out, pl_error *err)
{
    const json_t *value = json_object_get(json, field);
    if (pl_config_missing(value) && fallback > 0) {
        *out = fallback;
        return PL_OK;
    }
    double number = json_number_value(value);
    if (!json_is_number(value) || !isfinite(number) || number <= 0) {
        return pl_config_refuse(err, path, field, "a positive number");
    }
    *out = number;
    return PL_OK;
}

pl_status pl_config_refuse_value(pl_error *err, const char *path, const char *field,
                                 const json_t *value)
{
    char *text = pl_json_text(value, JSON_ENCODE_ANY | JSON_COMPACT);
    pl_status status = pl_error_set(err, PL_ERR_UNSUPPORTED, "%s: %s = %.80s is not supported",
                                    path, field, text != NULL ? text : "");
    free(text);
    return status;
}
