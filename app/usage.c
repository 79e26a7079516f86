#include "app/usage.h"

#include "core/base/nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

pl_status pl_usage_unknown_command(const char *name, pl_error *err)
{
    pl_nearest near = pl_nearest_to(name);
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        pl_nearest_try(&near, (*c)->name);
        for (const pl_alias *a = (*c)->aliases; a != NULL && a->name != NULL; a++) {
            if (strcmp(a->name, name) == 0) {
                return pl_error_set(err, PL_ERR_USAGE,
                                    "unknown command \"%s\": did you mean `%s%s%s`?", name,
                                    (*c)->name, a->call[0] != '\0' ? " " : "", a->call);
            }
        }
    }
    return near.best != NULL
               ? pl_error_set(err, PL_ERR_USAGE, "unknown command \"%s\": did you mean `%s`?", name,
                              near.best)
               : pl_error_set(err, PL_ERR_USAGE, "unknown command \"%s\": see `help`", name);
}

const pl_key *pl_usage_key(const pl_command *command, const char *name)
{
    for (const pl_key *key = command->keys; key != NULL && key->name != NULL; key++) {
        if (strcmp(key->name, name) == 0) {
            return key;
        }
    }
    return NULL;
}

static void name_key(const char *name, pl_nearest *near, pl_buf *out)
{
    pl_nearest_try(near, name);
    pl_buf_printf(out, "%s%s", out->size > 0 ? ", " : "", name);
}

/* "dir, format": the keys that the command and the method take; tries which is near. */
static void name_keys(const pl_command *command, const pl_method *method, pl_nearest *near,
                      pl_buf *out)
{
    for (const pl_key *key = command->keys; key != NULL && key->name != NULL; key++) {
        name_key(key->name, near, out);
    }
    for (size_t i = 0; method != NULL && i < method->n_params; i++) {
        name_key(method->params[i].name, near, out);
    }
}

static pl_status unknown_key(const pl_call *call, const pl_method *method, const char *name,
                             pl_error *err)
{
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    pl_buf known = {0};
    name_keys(call->command, method, &near, &known);
    pl_status status = pl_error_set(
        err, PL_ERR_USAGE, "%s%s%s: unknown key \"%s\"; it takes %s%s", call->command->name,
        method != NULL ? " " : "", method != NULL ? method->name : "", name,
        known.size > 0 ? known.data : "no keys", pl_nearest_hint(&near, " (", ")", hint));
    pl_buf_deinit(&known);
    return status;
}

/* The first key, not given yet, that takes a file: one to write, or one to read. */
static const pl_key *file_key(const pl_call *call, bool writes)
{
    for (const pl_key *key = call->command->keys; key != NULL && key->name != NULL; key++) {
        const bool reads = key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES;
        if ((writes ? key->kind == PL_KEY_NEW_FILE : reads) &&
            pl_call_value(call, key->name) == NULL) {
            return key;
        }
    }
    return NULL;
}

/* A file's name by itself was probably meant for the key that takes one. */
static void put_meant_file(const pl_call *call, const char *word, pl_buf *out)
{
    const bool exists = access(word, F_OK) == 0;
    const pl_key *read = file_key(call, false), *written = file_key(call, true);
    const pl_key *key = (exists && read != NULL) || written == NULL ? read : written;
    if (key != NULL) {
        pl_buf_printf(out, " (did you mean %s=", key->name);
        pl_command_quote(word, out);
        pl_buf_puts(out, "?)");
    }
}

static pl_status surplus_word(const pl_call *call, const pl_method *method, pl_error *err)
{
    const pl_command *command = call->command;
    const char *word = call->words[command->max_words];
    const size_t surplus = call->n_words - command->max_words;
    const bool words = command->positional[0] != '\0';
    char many[48] = "one word";
    pl_nearest near = pl_nearest_to(word);
    pl_buf keys = {0}, meant = {0};
    if (surplus > 1) {
        snprintf(many, sizeof many, "the first of %zu words", surplus);
    }
    name_keys(command, method, &near, &keys);
    put_meant_file(call, word, &meant);
    pl_status status =
        pl_error_set(err, PL_ERR_USAGE, "%s%s%s: \"%s\" is %s too many; it takes %s%s%s%s",
                     command->name, method != NULL ? " " : "", method != NULL ? method->name : "",
                     word, many, words || keys.size > 0 ? command->positional : "no words",
                     words && keys.size > 0 ? ", then " : "", keys.size > 0 ? keys.data : "",
                     meant.data != NULL ? meant.data : "");
    pl_buf_deinit(&keys);
    pl_buf_deinit(&meant);
    return status;
}

pl_status pl_usage_check(const pl_call *call, pl_error *err)
{
    const pl_command *command = call->command;
    if (call->n_words < command->min_words) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: expected `%s%s%s`, found %zu word%s",
                            command->name, command->name, command->positional[0] ? " " : "",
                            command->positional, call->n_words, call->n_words == 1 ? "" : "s");
    }
    /* `method NAME` brings the method's own parameters as keys; an unknown NAME is reported when
     * the command is applied, as any wrong value is. */
    const char *first = command->any_key && call->n_words > 0 ? call->words[0] : "";
    const pl_method *method = command->min_words > 0 ? pl_method_find(first) : NULL;
    if (call->n_words > command->max_words) {
        return surplus_word(call, method, err);
    }
    bool open_ended = command->any_key && method == NULL && strcmp(first, "none") != 0;
    for (size_t i = 0; i < call->n_keys; i++) {
        const char *name = call->names[i];
        const pl_key *key = pl_usage_key(command, name);
        bool known = key != NULL || (method != NULL && pl_method_param(method, name) != SIZE_MAX);
        if (!known && !open_ended) {
            return unknown_key(call, method, name, err);
        }
        for (size_t j = 0; j < i && (key == NULL || key->kind != PL_KEY_FILES); j++) {
            if (strcmp(call->names[j], name) == 0) {
                return pl_error_set(err, PL_ERR_USAGE, "%s: key \"%s\" is given twice",
                                    command->name, name);
            }
        }
    }
    return PL_OK;
}

const char *pl_usage_text(const pl_call *call, const char *key)
{
    const char *given = pl_call_value(call, key);
    const pl_key *entry = pl_usage_key(call->command, key);
    return given != NULL ? given : entry != NULL ? entry->initial : NULL;
}

pl_status pl_usage_size(const pl_call *call, const char *key, size_t minimum, size_t maximum,
                        size_t *out, pl_error *err)
{
    const char *text = pl_usage_text(call, key);
    if (text == NULL) {
        return PL_OK;
    }
    errno = 0;
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < minimum ||
        value > maximum) {
        return maximum == SIZE_MAX
                   ? pl_error_set(err, PL_ERR_USAGE,
                                  "%s: %s=%s: expected a whole number of at least %zu",
                                  call->command->name, key, text, minimum)
                   : pl_error_set(err, PL_ERR_USAGE,
                                  "%s: %s=%s: expected a whole number from %zu to %zu",
                                  call->command->name, key, text, minimum, maximum);
    }
    *out = (size_t)value;
    return PL_OK;
}

static pl_status unknown_choice(const pl_call *call, const char *key, const char *text,
                                const char *choices, pl_error *err)
{
    pl_nearest near = pl_nearest_to(text);
    char hint[PL_NEAREST_HINT];
    char *copy = strdup(choices);
    char *rest = NULL;
    for (char *name = copy != NULL ? strtok_r(copy, "|", &rest) : NULL; name != NULL;
         name = strtok_r(NULL, "|", &rest)) {
        pl_nearest_try(&near, name);
    }
    pl_status status =
        pl_error_set(err, PL_ERR_USAGE, "%s: %s=%s: expected one of %s%s", call->command->name, key,
                     text, choices, pl_nearest_hint(&near, " (", ")", hint));
    free(copy);
    return status;
}

pl_status pl_usage_choice(const pl_call *call, const char *key, size_t *out, pl_error *err)
{
    const char *text = pl_usage_text(call, key);
    const pl_key *entry = pl_usage_key(call->command, key);
    if (text == NULL) {
        return PL_OK;
    }
    size_t index = 0;
    for (const char *choice = pl_key_choices(entry); *choice != '\0'; index++) {
        size_t length = strcspn(choice, "|");
        if (strlen(text) == length && strncmp(choice, text, length) == 0) {
            *out = index;
            return PL_OK;
        }
        choice += length;
        choice += *choice == '|';
    }
    return unknown_choice(call, key, text, pl_key_choices(entry), err);
}

pl_status pl_usage_real(const pl_call *call, const char *key, double minimum, double maximum,
                        double *out, pl_error *err)
{
    const char *text = pl_usage_text(call, key);
    if (text == NULL) {
        return PL_OK;
    }
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= minimum && value <= maximum)) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: %s=%s: expected a number from %g to %g",
                            call->command->name, key, text, minimum, maximum);
    }
    *out = value;
    return PL_OK;
}

pl_status pl_usage_inches(const pl_call *call, const char *key, double *out, pl_error *err)
{
    const char *text = pl_usage_text(call, key);
    char *end = NULL;
    double value = strtod(text, &end);
    bool millimetres = strcmp(end, "mm") == 0;
    if (millimetres) {
        value /= 25.4;
    }
    if (end == text || (!millimetres && strcmp(end, "in") != 0) ||
        !(value >= 0.5 && value <= 40.0)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: %s=%s: expected a length from 0.5in to 40in, such as 6.4in or "
                            "89mm",
                            call->command->name, key, text);
    }
    *out = value;
    return PL_OK;
}
