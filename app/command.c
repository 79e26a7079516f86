#include "app/command.h"

#include "app/commands/list.h"
#include "views/view.h"

#include <stdlib.h>
#include <string.h>

#define PL_COMMAND_POINTER(name) &pl_command_##name,
static const pl_command *const command_table[] = {PL_COMMANDS(PL_COMMAND_POINTER) NULL};
#undef PL_COMMAND_POINTER

const pl_key pl_no_keys[] = {{0}};

const char *pl_key_choices(const pl_key *key)
{
    return key->kind == PL_KEY_VIEW     ? pl_view_names()
           : key->kind == PL_KEY_FORMAT ? pl_format_choice_text
                                        : key->choices;
}

const char *pl_call_value(const pl_call *call, const char *key)
{
    /* The last one given wins, as in a shell's options; `text` may be given several times. */
    for (size_t i = call->n_keys; i > 0; i--) {
        if (strcmp(call->names[i - 1], key) == 0) {
            return call->values[i - 1];
        }
    }
    return NULL;
}

const char *pl_call_unit(const pl_call *call)
{
    const pl_command *command = call->command;
    return command->slow != NULL && command->slow(call) ? command->unit : NULL;
}

bool pl_call_is_of_all(const pl_call *call)
{
    return call->n_words > 0 && strcmp(call->words[0], "all") == 0;
}

bool pl_call_is_slow(const pl_call *call)
{
    return call->command->slow != NULL && call->command->slow(call);
}

bool pl_command_is_screen_only(const pl_command *command)
{
    return command->on_screen != NULL && command->run == NULL && command->in_batch == NULL;
}

const pl_command *const *pl_commands(void)
{
    return command_table;
}

const pl_command *pl_command_find(const char *name)
{
    for (const pl_command *const *command = command_table; *command != NULL; command++) {
        if (strcmp((*command)->name, name) == 0) {
            return *command;
        }
    }
    return NULL;
}

#define QUOTED " \t\n;#'\"\\"

void pl_command_quote(const char *value, pl_buf *out)
{
    pl_text_quote(value, QUOTED, out);
}

void pl_command_quote_word(const char *word, pl_buf *out)
{
    pl_text_quote(word, QUOTED "=", out);
}

void pl_command_path(const char *value, pl_buf *out)
{
    const char *home = getenv("HOME");
    const bool of_home = value[0] == '~' && (value[1] == '/' || value[1] == '\0');
    if (of_home && home != NULL && home[0] != '\0') {
        pl_buf_puts(out, home);
        value++;
    }
    pl_buf_puts(out, value);
}
