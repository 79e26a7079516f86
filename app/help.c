/* Help as plain lines, made from the tables of commands and methods. */
#include "app/topics.h"

#include "plots/kinds.h"

#include <string.h>

static void put_keys(const pl_command *command, pl_buf *out)
{
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        pl_buf_printf(out, "    %s=", key->name);
        size_t width = strlen(key->name);
        const char *value = key->initial != NULL          ? key->initial
                            : pl_key_choices(key) != NULL ? pl_key_choices(key)
                                                          : "...";
        pl_buf_puts(out, value);
        width += strlen(value);
        pl_buf_printf(out, "%*s %s", width < 20 ? (int)(20 - width) : 0, "", key->help);
        if (key->initial != NULL && pl_key_choices(key) != NULL) {
            pl_buf_printf(out, " (%s)", pl_key_choices(key));
        }
        pl_buf_puts(out, "\n");
    }
}

void pl_help_method(const pl_method *method, pl_buf *out)
{
    pl_buf_printf(out, "  method %s   fills the slot %s%s\n    %s\n", method->name,
                  pl_slot_name(method->slot), method->blind ? ", needs no calibration" : "",
                  method->summary);
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
    for (size_t i = 0; i < method->n_reported; i++) {
        const pl_reported *number = &method->reported[i];
        if (number->told) {
            pl_buf_printf(out, "    reports %s%s%s%s: %s\n", number->name,
                          number->unit[0] != '\0' ? " (" : "", number->unit,
                          number->unit[0] != '\0' ? ")" : "", number->help);
        }
    }
}

static void put_command(const pl_command *command, pl_buf *out)
{
    pl_buf_printf(out, "  %s%s%s\n    %s\n", command->name, command->positional[0] ? " " : "",
                  command->positional, command->summary);
    put_keys(command, out);
}

void pl_help_kinds(pl_buf *out)
{
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        pl_buf_printf(out, "  figure %s%s%s\n    %s\n", (*kind)->name,
                      (*kind)->forms != NULL ? "   form=" : "",
                      (*kind)->forms != NULL ? (*kind)->forms : "", (*kind)->summary);
    }
}

/* What the numbers beside the knob mean (methods.md 2, 4, 5). */
static void put_numbers(pl_buf *out)
{
    pl_buf_puts(
        out,
        "\nNumbers of the tuner: the rounder alone on the original weights -> the solve; a ~\n"
        "marks a preview's estimate, which is within 10 % of the final number, and an ellipsis\n"
        "what is not known so well yet.  `help NAME` explains one of these, and any parameter,\n"
        "column, view or key.  JSON has the same names, with _before and _after.\n\n");
    pl_topics_put_numbers(out);
}

void pl_help_methods(pl_buf *out)
{
    pl_buf_puts(out,
                "  Until a method is named, screen and batch use astro, then gptq; the first\n"
                "  `method` takes their place whole, `method none slot=...` takes from them, and\n"
                "  the keys of the tuner change one and keep the other.\n");
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        pl_help_method(*m, out);
    }
}

void pl_help(const pl_command *command, pl_buf *out)
{
    if (command != NULL) {
        put_command(command, out);
        if (command->more_help != NULL) {
            command->more_help(out);
        }
        return;
    }
    pl_buf_puts(out, "Commands: words first, then key=value; `;` ends a command, `#` starts a "
                     "comment.\nThe values shown are the defaults.\n\n");
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        put_command(*c, out);
    }
    pl_buf_puts(out, "\nFigures, for `plot` and `figure`, and views of the screen\n\n");
    pl_help_kinds(out);
    put_numbers(out);
    pl_buf_puts(out, "\nMethods (a run is transform, then precondition, then round)\n\n");
    pl_help_methods(out);
}
