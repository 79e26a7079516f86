/* Help as plain lines, made from the tables of commands and methods. */
#include "app/command.h"

#include <string.h>

static void put_keys(const pl_command *command, pl_buf *out)
{
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        pl_buf_printf(out, "    %s=", key->name);
        size_t width = strlen(key->name);
        const char *value = key->initial != NULL ? key->initial
                            : key->choices != NULL ? key->choices
                                                   : "...";
        pl_buf_puts(out, value);
        width += strlen(value);
        pl_buf_printf(out, "%*s %s", width < 20 ? (int)(20 - width) : 0, "", key->help);
        if (key->initial != NULL && key->choices != NULL) {
            pl_buf_printf(out, " (%s)", key->choices);
        }
        pl_buf_puts(out, "\n");
    }
}

void pl_help_method(const pl_method *method, pl_buf *out)
{
    pl_buf_printf(out, "  method %s   fills the slot %s\n    %s\n", method->name,
                  pl_slot_name(method->slot), method->summary);
    pl_spec spec = pl_spec_default(method);
    for (size_t i = 0; i < method->n_params; i++) {
        const pl_param *param = &method->params[i];
        pl_buf value = {0};
        pl_spec_format_value(&spec, i, &value);
        size_t width = strlen(param->name) + value.size;
        pl_buf_printf(out, "    %s=%s%*s %s\n", param->name, value.data != NULL ? value.data : "",
                      width < 20 ? (int)(20 - width) : 0, "", param->help);
        pl_buf_deinit(&value);
    }
}

static void put_command(const pl_command *command, pl_buf *out)
{
    pl_buf_printf(out, "  %s%s%s\n    %s\n", command->name, command->positional[0] ? " " : "",
                  command->positional, command->summary);
    put_keys(command, out);
}

void pl_help(const pl_command *command, pl_buf *out)
{
    if (command != NULL) {
        put_command(command, out);
        if (command->any_key) {
            for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
                pl_help_method(*m, out);
            }
        }
        return;
    }
    pl_buf_puts(out, "Commands: words first, then key=value; `;` ends a command, `#` starts a "
                     "comment.\nThe values shown are the defaults.\n\n");
    for (const pl_command *c = pl_commands(); c->name != NULL; c++) {
        put_command(c, out);
    }
    pl_buf_puts(out, "\nMethods (a run is transform, then precondition, then round)\n\n");
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        pl_help_method(*m, out);
    }
}
