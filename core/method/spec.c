#include "core/method/method_parts.h"

#include "core/base/number.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F32_NAME = 1 }; /* of pl_scale_names */

size_t pl_method_param(const pl_method *method, const char *name)
{
    for (size_t i = 0; i < method->n_params; i++) {
        if (strcmp(method->params[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool pl_method_leads(const pl_method *method, const char *name)
{
    const size_t param = method != NULL ? pl_method_param(method, name) : SIZE_MAX;
    return param != SIZE_MAX && method->params[param].leads;
}

pl_spec pl_spec_default(const pl_method *method)
{
    pl_spec spec = {.method = method};
    for (size_t i = 0; method != NULL && i < method->n_params; i++) {
        spec.values[i] = method->params[i].initial;
    }
    return spec;
}

bool pl_spec_applies(const pl_spec *spec, size_t param)
{
    const pl_param *p = &spec->method->params[param];
    return !pl_spec_seeks(spec, param) && (p->used == NULL || p->used(spec)) &&
           (!p->conditional || (int)spec->values[p->needs] == p->needs_value);
}

bool pl_spec_seeks(const pl_spec *spec, size_t param)
{
    const pl_param *p = &spec->method->params[param];
    return p->sought && spec->values[p->sought_by] > 0.0;
}

size_t pl_spec_telling(const pl_spec *spec)
{
    const size_t telling = pl_method_telling(spec->method);
    return telling != SIZE_MAX && pl_spec_seeks(spec, telling)
               ? spec->method->params[telling].sought_by
               : telling;
}

pl_status pl_spec_check_used(const char *who, const pl_spec *spec, size_t param, pl_error *err)
{
    const pl_param *p = &spec->method->params[param];
    if (pl_spec_applies(spec, param) || pl_spec_seeks(spec, param)) {
        return PL_OK;
    }
    const pl_param *other = &spec->method->params[p->needs];
    pl_buf values = {0};
    pl_spec with = *spec;
    for (int i = 0; other->choices[i] != NULL; i++) {
        with.values[p->needs] = i;
        if (pl_spec_applies(&with, param)) {
            pl_buf_printf(&values, "%s%s", values.size > 0 ? " or " : "", other->choices[i]);
        }
    }
    pl_error_set(err, PL_ERR_USAGE, "%s: %s of %s has a meaning only with %s=%s", who, p->name,
                 spec->method->name, other->name, values.data != NULL ? values.data : "another");
    pl_buf_deinit(&values);
    return PL_ERR_USAGE;
}

bool pl_spec_is_written(const pl_spec *spec, size_t param)
{
    const pl_param *p = &spec->method->params[param];
    return pl_spec_applies(spec, param) && (!p->optional || spec->values[param] > 0.0);
}

/* The names of a table, or a parameter's choices, as "a, b, c". */
static void list_names(const pl_method *method, const char *const *choices, pl_buf *out)
{
    for (size_t i = 0; choices != NULL ? choices[i] != NULL : i < method->n_params; i++) {
        pl_buf_printf(out, "%s%s", i > 0 ? ", " : "",
                      choices != NULL ? choices[i] : method->params[i].name);
    }
}

static pl_status refuse_key(const pl_method *method, const char *key, pl_error *err)
{
    pl_buf names = {0};
    list_names(method, NULL, &names);
    pl_error_set(err, PL_ERR_USAGE, "method %s has no parameter \"%s\"; it has %s", method->name,
                 key, names.data != NULL ? names.data : "none");
    pl_buf_deinit(&names);
    return PL_ERR_USAGE;
}

static pl_status refuse_value(const pl_method *method, const pl_param *p, const char *text,
                              pl_error *err)
{
    if (p->type != PL_PARAM_CHOICE) {
        return pl_error_set(err, PL_ERR_USAGE, "method %s: %s=%s: %s from %.10g to %.10g expected",
                            method->name, p->name, text,
                            p->type == PL_PARAM_INT ? "a whole number" : "a number", p->minimum,
                            p->maximum);
    }
    pl_buf names = {0};
    list_names(method, p->choices, &names);
    pl_error_set(err, PL_ERR_USAGE, "method %s: %s=%s: one of %s expected", method->name, p->name,
                 text, names.data != NULL ? names.data : "its choices");
    pl_buf_deinit(&names);
    return PL_ERR_USAGE;
}

static bool parse_choice(const pl_param *p, const char *text, double *value)
{
    for (size_t i = 0; p->choices[i] != NULL; i++) {
        if (strcmp(p->choices[i], text) == 0) {
            *value = (double)i;
            return true;
        }
    }
    return false;
}

/* Decimal notation only: no blanks, hexadecimal, inf or nan, which strtod would take. */
static bool parse_number(const pl_param *p, const char *text, double *value)
{
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    char *end = NULL;
    const double number = strtod(text, &end);
    if (end == text || *end != '\0' || !(number >= p->minimum && number <= p->maximum)) {
        return false;
    }
    if (p->type == PL_PARAM_INT && (number < floor(number) || number > floor(number))) {
        return false;
    }
    *value = number + 0.0; /* no negative zero */
    return true;
}

/* --- a grid's format -------------------------------------------------------------------------- */

bool pl_spec_fixes(const pl_spec *spec, size_t param)
{
    if (spec->method->slot != PL_SLOT_ROUND) {
        return false;
    }
    const pl_format *format = pl_spec_number_format(spec);
    return (param == PL_GRID_BITS && format->bits != 0) ||
           (param == PL_GRID_GROUP_SIZE && format->blocks && format->most_group_size == 0);
}

/* What the spec's format fixes, and what is usual beside it. */
static void take_format(pl_spec *spec)
{
    const pl_format *format = pl_spec_number_format(spec);
    const pl_param *params = spec->method->params;
    spec->values[PL_GRID_BITS] = format->bits > 0 ? format->bits : params[PL_GRID_BITS].initial;
    spec->values[PL_GRID_GROUP_SIZE] =
        format->blocks ? (double)format->group_size : params[PL_GRID_GROUP_SIZE].initial;
    spec->values[PL_GRID_SYMMETRIC] = params[PL_GRID_SYMMETRIC].initial;
    spec->values[PL_GRID_SCALE_DTYPE] =
        format->blocks ? F32_NAME : params[PL_GRID_SCALE_DTYPE].initial;
    spec->values[PL_GRID_SCALE_MODE] = format->mode;
    spec->values[PL_GRID_FUSED_SCALES] = params[PL_GRID_FUSED_SCALES].initial;
}

/* Whether the format allows the grid's parameter as it is now; of another format takes the rest. */
static pl_status settle_grid(pl_spec *spec, size_t param, double before, pl_error *err)
{
    char who[64];
    const double value = spec->values[param];
    snprintf(who, sizeof who, "method %s", spec->method->name);
    if (spec->method->params[param].used != NULL) {
        pl_status status = pl_spec_check_used("method", spec, param, err);
        if (status != PL_OK) {
            return status;
        }
    }
    switch (param) {
    case PL_GRID_BITS:
        return pl_format_check_bits(who, pl_spec_number_format(spec), (int)value, err);
    case PL_GRID_GROUP_SIZE:
        return pl_format_check_group_size(who, pl_spec_number_format(spec), (size_t)value, err);
    case PL_GRID_SCALE_MODE:
        return pl_format_check_mode(who, pl_spec_number_format(spec), (pl_scale_mode)value, err);
    case PL_GRID_FORMAT:
        if (value < before || value > before) {
            take_format(spec);
        }
        break;
    default:
        break;
    }
    return PL_OK;
}

pl_spec pl_spec_usual(const pl_spec *spec)
{
    pl_spec usual = pl_spec_default(spec->method);
    if (spec->method != NULL && spec->method->slot == PL_SLOT_ROUND) {
        usual.values[PL_GRID_FORMAT] = spec->values[PL_GRID_FORMAT];
        take_format(&usual);
    }
    return usual;
}

pl_status pl_spec_set(pl_spec *spec, const char *key, const char *text, pl_error *err)
{
    const size_t param = pl_method_param(spec->method, key);
    if (param == SIZE_MAX) {
        return refuse_key(spec->method, key, err);
    }
    const pl_param *p = &spec->method->params[param];
    double value = 0.0;
    if (!(p->type == PL_PARAM_CHOICE ? parse_choice(p, text, &value)
                                     : parse_number(p, text, &value))) {
        return refuse_value(spec->method, p, text, err);
    }
    pl_spec next = *spec;
    next.values[param] = value;
    if (p->sought) {
        next.values[p->sought_by] = 0.0;
    }
    pl_status status = PL_OK;
    if (spec->method->slot == PL_SLOT_ROUND) {
        status = settle_grid(&next, param, spec->values[param], err);
    }
    if (status == PL_OK) {
        *spec = next;
    }
    return status;
}

pl_status pl_spec_set_number(pl_spec *spec, const char *key, double value, pl_error *err)
{
    char text[PL_EXACT_TEXT];
    pl_format_exact(value, text);
    return pl_spec_set(spec, key, text, err);
}

void pl_spec_format_value(const pl_spec *spec, size_t param, pl_buf *out)
{
    const pl_param *p = &spec->method->params[param];
    const double value = spec->values[param];
    if (p->type == PL_PARAM_CHOICE) {
        pl_buf_puts(out, p->choices[(size_t)value]);
        return;
    }
    if (p->type == PL_PARAM_INT) {
        pl_buf_printf(out, "%.0f", value);
        return;
    }
    char text[PL_EXACT_TEXT];
    pl_format_exact(value, text);
    pl_buf_puts(out, text);
}

void pl_spec_format(const pl_spec *spec, pl_buf *out)
{
    if (spec->method == NULL) {
        pl_buf_puts(out, "none");
        return;
    }
    pl_buf_puts(out, spec->method->name);
    for (int leading = 1; leading >= 0; leading--) {
        for (size_t i = 0; i < spec->method->n_params; i++) {
            if (pl_spec_is_written(spec, i) && spec->method->params[i].leads == (leading == 1)) {
                pl_buf_printf(out, " %s=", spec->method->params[i].name);
                pl_spec_format_value(spec, i, out);
            }
        }
    }
}

bool pl_spec_equal(const pl_spec *a, const pl_spec *b)
{
    if (a->method != b->method) {
        return false;
    }
    for (size_t i = 0; a->method != NULL && i < a->method->n_params; i++) {
        if (a->values[i] < b->values[i] || a->values[i] > b->values[i]) {
            return false;
        }
    }
    return true;
}

bool pl_spec_is_blind(const pl_spec *spec)
{
    const double *values = spec->values;
    const bool looks = spec->method->slot == PL_SLOT_ROUND &&
                       (values[PL_GRID_SCALES] > 0.0 || values[PL_GRID_REFINE] > 0.0 ||
                        values[PL_GRID_CERTIFY] > 0.0);
    return spec->method->blind && !looks;
}

static double usual_group_size(const pl_param *param, const pl_spec *round)
{
    return pl_spec_has_blocks(round) ? (double)pl_spec_grid(round).group_size : param->initial;
}

void pl_spec_follow_format(pl_spec *precondition, const pl_spec *before, const pl_spec *now)
{
    const pl_method *method = precondition->method;
    if (method == NULL || method->slot != PL_SLOT_PRECONDITION) {
        return;
    }
    for (size_t i = 0; i < method->n_params; i++) {
        const pl_param *param = &method->params[i];
        const double usual = usual_group_size(param, before);
        if (param->counts_columns && !(precondition->values[i] < usual) &&
            !(precondition->values[i] > usual)) {
            precondition->values[i] = usual_group_size(param, now);
        }
    }
}

size_t pl_spec_group_size(const pl_spec *precondition, const pl_spec *round, size_t neither)
{
    const pl_method *first = precondition->method;
    if (first != NULL) {
        return first->group_size != NULL ? first->group_size(precondition) : 0;
    }
    return round->method != NULL ? pl_spec_grid(round).group_size : neither;
}

pl_status pl_spec_parse(const char *who, const char *text, pl_spec *spec, pl_error *err)
{
    *spec = (pl_spec){0};
    char *copy = strdup(text);
    if (copy == NULL) {
        return pl_error_memory(err, "%s", who);
    }
    char *rest = NULL;
    char *word = strtok_r(copy, " ", &rest);
    pl_status status = PL_OK;
    if (word != NULL) {
        const pl_method *method = pl_method_find(word);
        if (method == NULL) {
            status = pl_error_set(err, PL_ERR_FORMAT, "%s: no method is named \"%s\"", who, word);
        } else {
            *spec = pl_spec_default(method);
        }
    }
    while (status == PL_OK && word != NULL && (word = strtok_r(NULL, " ", &rest)) != NULL) {
        char *equals = strchr(word, '=');
        if (equals == NULL) {
            status =
                pl_error_set(err, PL_ERR_FORMAT, "%s: expected key=value, found \"%s\"", who, word);
        } else {
            *equals = '\0';
            status = pl_spec_set(spec, word, equals + 1, err);
        }
    }
    free(copy);
    return status;
}
