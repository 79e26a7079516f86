/* help: of one command or method, or of all. */
#include "app/commands/parts.h"
#include "app/topics.h"
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

/* The words after `help` as one name; "" for none.  Caller frees. */
static char *asked_name(const pl_call *call)
{
    pl_buf name = {0};
    pl_buf_puts(&name, "");
    for (size_t i = 0; i < call->n_words; i++) {
        pl_buf_printf(&name, "%s%s", i > 0 ? " " : "", call->words[i]);
    }
    return name.data;
}

static void note_explained(void *ctx, const pl_explained *one)
{
    pl_json_append(ctx, json_pack("{s:s, s:s, s:s?, s:s}", "kind", one->kind, "name", one->name,
                                  "of", one->of, "help", one->text));
}

static pl_status run_help(pl_call *call, pl_context cx, pl_error *err)
{
    (void)cx;
    char *name = asked_name(call);
    if (name == NULL) {
        return pl_error_memory(err, "help");
    }
    const bool all = name[0] == '\0';
    json_t *commands = json_array();
    json_t *methods = json_array();
    json_t *topics = json_array();
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        if (all || strcmp((*c)->name, name) == 0) {
            pl_json_append(commands, command_json(*c));
        }
    }
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        if (all || strcmp((*m)->name, name) == 0) {
            pl_json_append(methods, method_json(*m));
        }
    }
    pl_topics_each(all ? NULL : name, note_explained, topics);
    const size_t found =
        json_array_size(commands) + json_array_size(methods) + json_array_size(topics);
    const pl_status status = found > 0 ? PL_OK : pl_topics_unknown(name, err);
    pl_json_set(call->result, "commands", commands);
    pl_json_set(call->result, "methods", methods);
    pl_json_set(call->result, "topics", topics);
    free(name);
    return status;
}

/* "2 to 8, 3 where it is not said", "one of yes, no". */
static void put_range(const pl_method *method, const pl_param *param, pl_buf *out)
{
    const pl_spec spec = pl_spec_default(method);
    pl_buf initial = {0};
    pl_spec_format_value(&spec, (size_t)(param - method->params), &initial);
    pl_buf_puts(out, " (");
    for (const char *const *choice = param->choices; choice != NULL && *choice != NULL; choice++) {
        pl_buf_printf(out, "%s%s", choice > param->choices ? ", " : "", *choice);
    }
    if (param->choices == NULL) {
        pl_buf_printf(out, "%.10g to %.10g", param->minimum, param->maximum);
    }
    pl_buf_printf(out, "; default %s%s%s)", initial.data != NULL ? initial.data : "",
                  param->unit[0] != '\0' ? " " : "", param->unit);
    pl_buf_deinit(&initial);
}

/* What several have in common is said once, behind the last of them. */
typedef struct listing {
    pl_buf *out;
    const char *text; /* not put yet; NULL: nothing */
} listing;

static void put_pending(listing *l, const char *next)
{
    if (l->text != NULL && (next == NULL || strcmp(l->text, next) != 0)) {
        pl_buf_printf(l->out, "    %s\n", l->text);
    }
    l->text = next;
}

static void put_explained(void *ctx, const pl_explained *one)
{
    listing *l = ctx;
    pl_buf *out = l->out;
    put_pending(l, one->text);
    pl_buf_printf(out, "  %s %s%s%s", one->kind, one->name, one->of != NULL ? " of " : "",
                  one->of != NULL ? one->of : "");
    if (one->param != NULL) {
        put_range(pl_method_find(one->of), one->param, out);
    }
    pl_buf_puts(out, "\n");
}

static void put_help(const pl_call *call, pl_buf *out)
{
    char *name = asked_name(call);
    if (call->n_words == 0 || name == NULL) {
        pl_help(NULL, out);
        free(name);
        return;
    }
    const pl_command *command = pl_command_find(name);
    const pl_method *method = pl_method_find(name);
    if (command != NULL) {
        pl_help(command, out);
    }
    if (method != NULL) {
        pl_help_method(method, out);
    }
    listing l = {.out = out};
    pl_topics_each(name, put_explained, &l);
    put_pending(&l, NULL);
    free(name);
}

/* Over the panes, all of it behind the keys.  It needs neither state nor lab. */
static pl_status help_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    pl_buf text = {0};
    pl_status status = pl_call_run(call, (pl_context){NULL, NULL, NULL}, err);
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
    .positional = "[COMMAND|METHOD|TOPIC] ...",
    .max_words = 4,
    .keys = pl_no_keys,
    .of_run = "*",
    .summary = "Explain a command, method, parameter, number, column or view, or all commands",
    .run = run_help,
    .history = PL_HISTORY_NONE,
    .on_screen = help_on_screen,
    .put_text = put_help,
};
