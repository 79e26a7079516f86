/* Completion of a command line, from the same tables that run it. */
#include "app/command.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

typedef struct matches {
    char **list;
    size_t count;
    const char *prefix;
    size_t prefix_length;
} matches;

static void offer(matches *m, const char *text)
{
    if (strncmp(text, m->prefix, m->prefix_length) != 0) {
        return;
    }
    char **grown = realloc(m->list, (m->count + 2) * sizeof *grown);
    char *copy = strdup(text);
    if (grown != NULL) {
        m->list = grown;
    }
    if (grown == NULL || copy == NULL) {
        free(copy);
        return;
    }
    m->list[m->count++] = copy;
    m->list[m->count] = NULL;
}

static void offer_layers(matches *m, const pl_state *state)
{
    if (state->source == NULL) {
        return;
    }
    const pl_model *model = state->source->model;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        const char *last = strrchr(layer->name, '.');
        pl_buf brief = {0};
        pl_buf_printf(&brief, "%zu%s", layer->block, last != NULL ? last : "");
        if (!brief.failed) {
            offer(m, brief.data);
        }
        pl_buf_deinit(&brief);
        if (m->prefix_length > 0 && m->prefix[0] == 'm') {
            offer(m, layer->name);
        }
    }
}

/* Offers lead + name for the entries of the folder that value points into. */
static void offer_files(matches *m, const char *lead, const char *value)
{
    const char *slash = strrchr(value, '/');
    size_t folder_length = slash != NULL ? (size_t)(slash - value) + 1 : 0;
    char *folder = folder_length > 0 ? strndup(value, folder_length) : strdup("./");
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        pl_buf text = {0};
        pl_buf_printf(&text, "%s%.*s%s%s", lead, (int)folder_length, value, entry->d_name,
                      entry->d_type == DT_DIR ? "/" : "");
        if (!text.failed) {
            offer(m, text.data);
        }
        pl_buf_deinit(&text);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    free(folder);
}

static void offer_choices(matches *m, const char *lead, const char *choices)
{
    while (*choices != '\0') {
        size_t length = strcspn(choices, "|");
        pl_buf text = {0};
        pl_buf_printf(&text, "%s%.*s", lead, (int)length, choices);
        if (!text.failed) {
            offer(m, text.data);
        }
        pl_buf_deinit(&text);
        choices += length;
        choices += *choices == '|';
    }
}

static void offer_values(matches *m, const pl_command *command, const pl_method *method,
                         const char *word)
{
    size_t length = strcspn(word, "=");
    char *lead = strndup(word, length + 1);
    if (lead == NULL) {
        return;
    }
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        if (strlen(key->name) != length || strncmp(key->name, word, length) != 0) {
            continue;
        }
        if (key->choices != NULL) {
            offer_choices(m, lead, key->choices);
        } else if (key->kind == PL_KEY_FILE || key->kind == PL_KEY_NEW_FILE) {
            offer_files(m, lead, word + length + 1);
        }
    }
    for (size_t i = 0; method != NULL && i < method->n_params; i++) {
        const pl_param *param = &method->params[i];
        if (strlen(param->name) != length || strncmp(param->name, word, length) != 0 ||
            param->choices == NULL) {
            continue;
        }
        for (const char *const *choice = param->choices; *choice != NULL; choice++) {
            offer_choices(m, lead, *choice);
        }
    }
    free(lead);
}

static void offer_keys(matches *m, const pl_command *command, const pl_method *method)
{
    pl_buf text = {0};
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        text.size = 0;
        pl_buf_printf(&text, "%s=", key->name);
        offer(m, text.data != NULL ? text.data : "");
    }
    for (size_t i = 0; method != NULL && i < method->n_params; i++) {
        text.size = 0;
        pl_buf_printf(&text, "%s=", method->params[i].name);
        offer(m, text.data != NULL ? text.data : "");
    }
    pl_buf_deinit(&text);
}

static void offer_positional(matches *m, const pl_state *state, const pl_command *command,
                             size_t position, const char *word)
{
    const char *name = command->name;
    if (strcmp(name, "method") == 0) {
        for (const pl_method *const *method = pl_methods(); *method != NULL; method++) {
            offer(m, (*method)->name);
        }
        offer(m, "none");
    } else if (strcmp(name, "help") == 0) {
        for (const pl_command *c = pl_commands(); c->name != NULL; c++) {
            offer(m, c->name);
        }
    } else if (strcmp(name, "open") == 0) {
        offer_files(m, "", word);
    } else if (position == 0 && strcmp(name, "plot") == 0) {
        offer_choices(m, "", "histogram|channels");
    } else if (position == 0 && strcmp(name, "dump") == 0) {
        offer_choices(m, "", "gram|weights|inputs|stats");
    } else if (strstr(command->positional, "LAYER") != NULL) {
        if (strcmp(name, "solve") == 0) {
            offer(m, "all");
        }
        offer_layers(m, state);
    }
}

char **pl_complete(const pl_state *state, const char *line)
{
    const char *start = strrchr(line, ';');
    start = start != NULL ? start + 1 : line;
    start += strspn(start, " \t");
    const char *word = start + strlen(start);
    while (word > start && word[-1] != ' ' && word[-1] != '\t') {
        word--;
    }
    matches m = {.prefix = word, .prefix_length = strlen(word)};
    if (word == start) {
        for (const pl_command *c = pl_commands(); c->name != NULL; c++) {
            offer(&m, c->name);
        }
        return m.list;
    }
    char *head = strndup(start, (size_t)(word - start));
    pl_call *call = NULL;
    size_t name_length = strcspn(start, " \t");
    char *name = strndup(start, name_length);
    const pl_command *command = name != NULL ? pl_command_find(name) : NULL;
    if (head != NULL && command != NULL) {
        /* A half-typed line may not parse: then there is no method to complete keys of. */
        pl_status parsed = pl_call_parse(head, &call, NULL);
        const pl_method *method = parsed == PL_OK && command->any_key && call->n_words > 0
                                      ? pl_method_find(call->words[0])
                                      : NULL;
        size_t position = parsed == PL_OK ? call->n_words : 0;
        if (strchr(word, '=') != NULL) {
            offer_values(&m, command, method, word);
        } else {
            if (position < command->max_words && (parsed != PL_OK || call->n_keys == 0)) {
                offer_positional(&m, state, command, position, word);
            }
            if (parsed == PL_OK && position >= command->min_words) {
                offer_keys(&m, command, method);
            }
        }
    }
    pl_call_destroy(call);
    free(name);
    free(head);
    return m.list;
}

void pl_completions_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}
