/* Completion of a command line, from the same tables that run it. */
#include "app/topics.h"

#include "core/state/kept.h"
#include "plots/kinds.h"
#include "views/view.h"
#include "sessions/catalog.h"

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

/* Each tag that a layer has, once, behind what leads to it. */
static void offer_tags_behind(matches *m, const pl_state *state, const char *before)
{
    for (size_t i = 0; i < state->n_remarks; i++) {
        bool known = !state->remarks[i].tag;
        for (size_t k = 0; k < i && !known; k++) {
            known = state->remarks[k].tag &&
                    strcmp(state->remarks[k].text, state->remarks[i].text) == 0;
        }
        pl_buf text = {0};
        pl_buf_printf(&text, "%s%s", before, state->remarks[i].text);
        if (!known && !text.failed) {
            offer(m, text.data);
        }
        pl_buf_deinit(&text);
    }
}

static void offer_tags(matches *m, const pl_state *state, const char *word)
{
    (void)word;
    offer_tags_behind(m, state, "");
}

static void offer_layers(matches *m, const pl_state *state, const char *word)
{
    (void)word;
    if (state->source == NULL) {
        return;
    }
    const pl_model *model = state->source->model;
    offer_tags_behind(m, state, "tag:");
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        const char *last = strrchr(layer->name, '.');
        pl_buf brief = {0};
        if (layer->brief != NULL) {
            pl_buf_puts(&brief, layer->brief);
        } else if (layer->needs_part) {
            pl_buf_puts(&brief, layer->name + strlen("model.layers."));
        } else {
            pl_buf_printf(&brief, "%zu%s", layer->block, last != NULL ? last : "");
        }
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
    pl_buf folder = {0}, spelled = {0};
    if (strcmp(value, "~") == 0) {
        pl_buf_printf(&folder, "%s~/", lead);
        offer(m, folder.failed ? "" : folder.data);
        folder.size = 0;
    }
    pl_buf_append(&folder, folder_length > 0 ? value : "./", folder_length > 0 ? folder_length : 2);
    pl_command_path(folder.failed ? "./" : folder.data, &spelled);
    DIR *dir = !spelled.failed ? opendir(spelled.data) : NULL;
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
    pl_buf_deinit(&folder);
    pl_buf_deinit(&spelled);
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

static void offer_values(matches *m, const pl_state *state, const pl_command *command,
                         const pl_method *method, const char *word)
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
        if (pl_key_choices(key) != NULL) {
            offer_choices(m, lead, pl_key_choices(key));
        } else if (strcmp(key->name, "on") == 0) {
            pl_buf before = {0};
            pl_buf_printf(&before, "%stag:", lead);
            offer_tags_behind(m, state, before.data != NULL ? before.data : "");
            pl_buf_deinit(&before);
        } else if (key->kind == PL_KEY_FORM) {
            for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
                offer_choices(m, lead, (*kind)->forms != NULL ? (*kind)->forms : "");
            }
        } else if (key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES ||
                   key->kind == PL_KEY_NEW_FILE) {
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

/* Any number of the methods in use: "beta=". */
static void offer_params(matches *m, const pl_state *state, const char *word)
{
    (void)word;
    for (pl_slot slot = 0; state->source != NULL && slot < PL_SLOT_COUNT; slot++) {
        const pl_method *method = pl_state_spec(state, state->layer, slot)->method;
        for (size_t i = 0; method != NULL && i < method->n_params; i++) {
            pl_buf text = {0};
            pl_buf_printf(&text, "%s=", method->params[i].name);
            if (method->params[i].type != PL_PARAM_CHOICE && !text.failed) {
                offer(m, text.data);
            }
            pl_buf_deinit(&text);
        }
    }
}

static void offer_methods(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    for (const pl_method *const *method = pl_methods(); *method != NULL; method++) {
        offer(m, (*method)->name);
    }
}

static void offer_commands(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        offer(m, (*c)->name);
    }
}

static void offer_figures(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        offer(m, (*kind)->name);
    }
}

static void offer_views(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    offer_choices(m, "", pl_view_names());
}

static void offer_paths(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    offer_files(m, "", word);
}

static void offer_sessions(matches *m, const pl_state *state, const char *word)
{
    pl_session_entry *list = NULL;
    size_t count = 0;
    (void)state;
    (void)word;
    if (pl_session_list(NULL, &list, &count, NULL) == PL_OK) {
        for (size_t i = 0; i < count; i++) {
            offer(m, list[i].name);
        }
        pl_session_list_free(list, count);
    }
}

static void offer_grids(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    offer_choices(m, "", "1x2|1x3|2x1|2x2|2x3|3x2");
}

static void offer_conditions(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    offer_choices(m, "", "input_ratio|weight_ratio|weight_max|gap|error|block|solved|not");
}

static void offer_settings(matches *m, const pl_state *state, const char *word)
{
    (void)word;
    for (size_t i = 0; i < state->n_kept; i++) {
        char name[PL_KEPT_NAME];
        pl_kept_name(state, i, name);
        offer(m, name);
    }
}

static void offer_explained(void *ctx, const pl_explained *one)
{
    matches *m = ctx;
    bool known = strchr(one->name, ' ') != NULL;
    for (size_t i = 0; i < m->count && !known; i++) {
        known = strcmp(m->list[i], one->name) == 0;
    }
    if (!known) {
        offer(m, one->name);
    }
}

static void offer_topics(matches *m, const pl_state *state, const char *word)
{
    (void)state;
    (void)word;
    pl_topics_each(NULL, offer_explained, m);
}

/* The kinds of words that a command's `positional` names in capitals. */
static const struct {
    const char *name;
    void (*offer)(matches *m, const pl_state *state, const char *word);
} word_kinds[] = {
    {"LAYER", offer_layers},     {"METHOD", offer_methods},   {"COMMAND", offer_commands},
    {"FIGURE", offer_figures},   {"PATH", offer_paths},       {"FILE", offer_paths},
    {"ROWS", offer_grids},       {"PARAM", offer_params},     {"EXPRESSION", offer_conditions},
    {"SETTING", offer_settings}, {"SESSION", offer_sessions}, {"TOPIC", offer_topics},
    {"VIEW", offer_views},       {"TAG", offer_tags},
};

/* One alternative of a position: "LAYER" or "all". */
static void offer_alternative(matches *m, const pl_state *state, const char *text, size_t length,
                              const char *word)
{
    const size_t capitals = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (size_t i = 0; i < sizeof word_kinds / sizeof *word_kinds; i++) {
        if (strlen(word_kinds[i].name) == capitals &&
            strncmp(word_kinds[i].name, text, capitals) == 0) {
            word_kinds[i].offer(m, state, word);
            return;
        }
    }
    if (capitals == 0) {
        char *plain = strndup(text, length);
        offer_choices(m, "", plain != NULL ? plain : "");
        free(plain);
    }
}

/* Where the positions of `positional` begin and end: "[A|b] \"C D\" ..." has three; the dots repeat
 * the last one.  Returns the start of the next position, NULL at the end. */
static const char *next_position(const char *at, size_t *length)
{
    at += strspn(at, " ");
    *length = at[0] == '"' ? (size_t)(strchr(at + 1, '"') + 1 - at) : strcspn(at, " ");
    return *length > 0 ? at : NULL;
}

/* Words allowed at a position; if it only has optional fixed words, also those of the next
 * position. */
static void offer_positional(matches *m, const pl_state *state, const pl_command *command,
                             size_t position, const char *word)
{
    size_t length = 0, kept_length = 0, i = 0;
    const char *kept = NULL;
    const char *at = next_position(command->positional, &length);
    for (; at != NULL; at = next_position(at + length, &length), i++) {
        if (at[0] != '.') {
            kept = at;
            kept_length = length;
        }
        if (i < position && at[0] != '.') {
            continue;
        }
        const char *s = kept + strspn(kept, "[\"");
        const char *end = kept + kept_length;
        const bool fixed = kept[0] == '[' && *s >= 'a' && *s <= 'z';
        while (s < end) {
            size_t here = strcspn(s, "|] \"");
            offer_alternative(m, state, s, here, word);
            s += here;
            if (*s != '|') {
                break;
            }
            s++;
        }
        if (!fixed) {
            return;
        }
    }
}

static bool takes_params(const pl_command *command)
{
    return strstr(command->positional, "PARAM") != NULL;
}

size_t pl_complete_word(const char *line)
{
    size_t start = 0;
    char quote = '\0';
    for (size_t i = 0; line[i] != '\0'; i++) {
        if (quote != '\0') {
            quote = line[i] == quote ? '\0' : quote;
        } else if (line[i] == '\'' || line[i] == '"') {
            quote = line[i];
        } else if (line[i] == ' ' || line[i] == '\t' || line[i] == ';') {
            start = i + 1;
        }
    }
    return start;
}

/* Behind the last `;` that no quote holds, and blanks. */
static const char *last_command(const char *line)
{
    const char *start = line;
    char quote = '\0';
    for (const char *s = line; *s != '\0'; s++) {
        if (quote != '\0') {
            quote = *s == quote ? '\0' : quote;
        } else if (*s == '\'' || *s == '"') {
            quote = *s;
        } else if (*s == ';') {
            start = s + 1;
        }
    }
    return start + strspn(start, " \t");
}

/* A word without its quotes; caller frees. */
static char *unquoted(const char *word)
{
    char *plain = strdup(word);
    char *to = plain;
    char quote = '\0';
    for (const char *s = word; plain != NULL && *s != '\0'; s++) {
        if (quote == '\0' && (*s == '\'' || *s == '"')) {
            quote = *s;
        } else if (quote != '\0' && *s == quote) {
            quote = '\0';
        } else {
            *to++ = *s;
        }
    }
    if (plain != NULL) {
        *to = '\0';
    }
    return plain;
}

/* Quotes what the grammar would take apart; a folder's quote stays open, to go on in it. */
static void quote_candidates(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        const char *equals = strchr(list[i], '=');
        const char *value = equals != NULL ? equals + 1 : list[i];
        if (strpbrk(value, " \t;#'\"") == NULL) {
            continue;
        }
        size_t length = strlen(value);
        bool folder = length > 0 && value[length - 1] == '/';
        pl_buf text = {0};
        pl_buf_append(&text, list[i], (size_t)(value - list[i]));
        if (strchr(value, '\'') != NULL && strchr(value, '"') == NULL) {
            pl_buf_printf(&text, "\"%s\"", value);
        } else {
            pl_command_quote(value, &text); /* with both kinds: one behind the other */
        }
        if (folder && !text.failed) {
            text.data[--text.size] = '\0';
        }
        if (text.failed) {
            pl_buf_deinit(&text);
            continue;
        }
        free(list[i]);
        list[i] = text.data;
    }
}

static char **complete_plain(const pl_state *state, const char *start, const char *head_end,
                             const char *word)
{
    matches m = {.prefix = word, .prefix_length = strlen(word)};
    if (head_end == start) {
        for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
            offer(&m, (*c)->name);
        }
        return m.list;
    }
    char *head = strndup(start, (size_t)(head_end - start));
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
            offer_values(&m, state, command, method, word);
        } else {
            if (position < command->max_words && (parsed != PL_OK || call->n_keys == 0)) {
                offer_positional(&m, state, command, position, word);
            }
            if (parsed == PL_OK && position >= command->min_words) {
                offer_keys(&m, command, method);
                if (takes_params(command)) {
                    offer_params(&m, state, word);
                }
            }
        }
    }
    pl_call_destroy(call);
    free(name);
    free(head);
    return m.list;
}

char **pl_complete(const pl_state *state, const char *line)
{
    const char *start = last_command(line);
    const char *end = line + pl_complete_word(line);
    char *word = unquoted(end);
    char **list = word != NULL ? complete_plain(state, start, end, word) : NULL;
    quote_candidates(list);
    free(word);
    return list;
}

void pl_completions_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}
