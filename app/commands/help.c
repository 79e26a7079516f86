/* help: of one command or method, or of all. */
#include "app/commands/parts.h"
#include "app/workbench/services.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

/* The default as what it is: a number, or the word that stands for it. */
static json_t *default_json(const pl_key *key)
{
    if (key->initial == NULL) {
        return json_null();
    }
    return key->kind == PL_KEY_INT    ? json_integer(atoll(key->initial))
           : key->kind == PL_KEY_REAL ? json_real(atof(key->initial))
                                      : json_string(key->initial);
}

static json_t *command_json(const pl_command *command)
{
    json_t *keys = json_array();
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        pl_json_append(keys, json_pack("{s:s, s:o, s:s?, s:s}", "name", key->name, "default",
                                       default_json(key), "choices", pl_key_choices(key), "help",
                                       key->help));
    }
    return json_pack("{s:s, s:s, s:s, s:b, s:i, s:o}", "name", command->name, "words",
                     command->positional, "summary", command->summary, "batch",
                     !pl_command_is_screen_only(command), "version", command->revision + 1, "keys",
                     keys);
}

static json_t *method_json(const pl_method *method)
{
    json_t *keys = json_array();
    const pl_spec spec = pl_spec_default(method);
    for (size_t i = 0; i < method->n_params; i++) {
        const pl_param *param = &method->params[i];
        pl_json_append(keys, json_pack("{s:s, s:o, s:s, s:s}", "name", param->name, "default",
                                       pl_param_json(&spec, i), "unit", param->unit, "help",
                                       param->help));
    }
    json_t *reports = json_array();
    for (size_t i = 0; i < method->n_reported; i++) {
        const pl_reported *number = &method->reported[i];
        if (number->told) {
            pl_json_append(reports, json_pack("{s:s, s:s, s:s}", "name", number->name, "unit",
                                              number->unit, "help", number->help));
        }
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", method->name, "slot",
                     pl_slot_name(method->slot), "summary", method->summary, "keys", keys,
                     "reports", reports);
}

static pl_status run_help(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                          pl_error *err)
{
    (void)state;
    (void)lab;
    (void)task;
    const char *name = call->n_words > 0 ? call->words[0] : NULL;
    const pl_command *one = name != NULL ? pl_command_find(name) : NULL;
    const pl_method *method = name != NULL && one == NULL ? pl_method_find(name) : NULL;
    if (name != NULL && one == NULL && method == NULL) {
        return pl_error_set(err, PL_ERR_NOT_FOUND, "help: no command or method is named \"%s\"",
                            name);
    }
    json_t *commands = json_array();
    json_t *methods = json_array();
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        if (name == NULL || *c == one) {
            pl_json_append(commands, command_json(*c));
        }
    }
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        if (name == NULL || *m == method) {
            pl_json_append(methods, method_json(*m));
        }
    }
    pl_json_set(call->result, "commands", commands);
    pl_json_set(call->result, "methods", methods);
    return PL_OK;
}

static void put_help(const pl_call *call, pl_buf *out)
{
    const char *name = call->n_words > 0 ? call->words[0] : NULL;
    const pl_command *one = name != NULL ? pl_command_find(name) : NULL;
    const pl_method *method = name != NULL && one == NULL ? pl_method_find(name) : NULL;
    if (method != NULL) {
        pl_help_method(method, out);
    } else {
        pl_help(one, out);
    }
}

/* Over the panes, all of it behind the keys.  It needs neither state nor lab. */
static pl_status help_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    pl_buf text = {0};
    pl_status status = pl_call_run(call, NULL, NULL, NULL, err);
    *taken = status == PL_OK;
    if (status != PL_OK) {
        return status;
    }
    pl_result_text(call, &text);
    const char *s = text.data != NULL ? text.data : "";
    if (call->n_words > 0) {
        pl_screen_show_text(screen, "Planish help", s);
    } else {
        pl_screen_show_keys(screen, s);
    }
    pl_buf_deinit(&text);
    return PL_OK;
}

const pl_command pl_command_help = {
    .name = "help",
    .positional = "[COMMAND|METHOD]",
    .max_words = 1,
    .keys = pl_no_keys,
    .summary = "Explain the commands",
    .run = run_help,
    .history = PL_HISTORY_NONE,
    .on_screen = help_on_screen,
    .put_text = put_help,
};
