/* The grammar: from a script to commands, from a command's text to a checked call. */
#include "app/command.h"

#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/state/remarks.h"
#include "core/state/record.h"

#include "app/usage.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Skips a quoted part that starts at s; NULL if it never ends. */
static const char *after_quote(const char *s)
{
    const char *end = strchr(s + 1, *s);
    return end != NULL ? end + 1 : NULL;
}

static bool starts_comment(const char *begin, const char *s)
{
    return *s == '#' && (s == begin || isspace((unsigned char)s[-1]) || s[-1] == ';');
}

/* A backslash at a line's end, which may be a DOS one: the command goes on in the next line. How
 * many bytes that is, else 0. */
static size_t goes_on(const char *s)
{
    if (s[0] != '\\') {
        return 0;
    }
    return s[1] == '\n' ? 2 : s[1] == '\r' && s[2] == '\n' ? 3 : 0;
}

/* The end of the command that starts at s: its `;`, its newline, a comment or the end. */
static pl_status command_end(const char *s, const char **end, pl_error *err)
{
    const char *begin = s;
    while (*s != '\0' && *s != ';' && *s != '\n' && !starts_comment(begin, s)) {
        if (*s != '\'' && *s != '"') {
            const size_t joined = goes_on(s);
            s += joined > 0 ? joined : 1;
            continue;
        }
        const char *next = after_quote(s);
        if (next == NULL) {
            return pl_error_set(err, PL_ERR_USAGE, "unclosed quote: %.60s", s);
        }
        s = next;
    }
    *end = s;
    return PL_OK;
}

/* Its lines become one; quoted texts stay as they are. */
static void join_lines(char *text)
{
    for (char *s = text; *s != '\0';) {
        if (*s == '\'' || *s == '"') {
            s += after_quote(s) - s;
        } else if (goes_on(s) > 0) {
            const size_t joined = goes_on(s);
            memset(s, ' ', joined);
            s += joined;
        } else {
            s++;
        }
    }
}

const char *pl_script_begin(const char *text)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors' byte order mark of UTF-8 */
    return text + (strncmp(text, mark, 3) == 0 ? 3 : 0);
}

const char *pl_script_command(const char *script)
{
    for (;;) {
        while (isspace((unsigned char)*script) || *script == ';' || goes_on(script) > 0) {
            script++;
        }
        if (*script != '#') {
            return script;
        }
        script += strcspn(script, "\n");
    }
}

pl_status pl_script_next(const char **script, char **text, pl_error *err)
{
    *text = NULL;
    const char *s = pl_script_command(*script);
    *script = s;
    if (*s == '\0') {
        return PL_OK;
    }
    const char *end = NULL;
    pl_status status = command_end(s, &end, err);
    if (status != PL_OK) {
        return status;
    }
    const char *last = end;
    while (last > s && isspace((unsigned char)last[-1])) {
        last--;
    }
    *text = strndup(s, (size_t)(last - s));
    if (*text == NULL) {
        return pl_error_memory(err, "a command");
    }
    join_lines(*text);
    *script = end;
    return PL_OK;
}

bool pl_script_goes_on(const char *text, size_t size)
{
    const char *begin = text, *end = text + size;
    const size_t joined = size >= 3 && end[-2] == '\r' ? 3 : 2;
    if (size < 2 || end[-1] != '\n' || goes_on(end - joined) != joined) {
        return false;
    }
    for (const char *s = text; s < end - joined; s++) {
        if (*s == '\'' || *s == '"') {
            const char *next = memchr(s + 1, *s, (size_t)(end - s - 1));
            if (next == NULL) {
                return false; /* an error, which need not wait */
            }
            s = next;
        } else if (*s == ';' || *s == '\n') {
            begin = s + 1;
        } else if (starts_comment(begin, s)) {
            return false;
        }
    }
    return true;
}

/* One word with its quotes removed.  *equals is the offset of the `=` that makes it key=value, or
 * SIZE_MAX: an unquoted one after a plain key name. */
static pl_status take_word(const char **text, pl_buf *word, size_t *equals, pl_error *err)
{
    const char *s = *text;
    bool key = true;
    *equals = SIZE_MAX;
    while (*s != '\0' && !isspace((unsigned char)*s)) {
        if (*s == '\'' || *s == '"') {
            const char *next = after_quote(s);
            if (next == NULL) {
                return pl_error_set(err, PL_ERR_USAGE, "unclosed quote: %.60s", s);
            }
            pl_buf_append(word, s + 1, (size_t)(next - s) - 2);
            s = next;
            key = false;
            continue;
        }
        if (*s == '=' && key && *equals == SIZE_MAX && word->size > 0) {
            *equals = word->size;
        }
        key = key && (isalnum((unsigned char)*s) || *s == '_');
        pl_buf_append(word, s, 1);
        s++;
    }
    if (word->data == NULL) {
        pl_buf_append(word, "", 0);
    }
    *text = s;
    return pl_buf_check(word, err);
}

static pl_status push_text(char ***list, size_t *count, char *item, pl_error *err)
{
    char **grown = item != NULL ? realloc(*list, (*count + 1) * sizeof *grown) : NULL;
    if (grown == NULL) {
        free(item);
        return pl_error_memory(err, "a command");
    }
    grown[*count] = item;
    *list = grown;
    (*count)++;
    return PL_OK;
}

static pl_status add_word(pl_call *call, const pl_buf *word, size_t equals, pl_error *err)
{
    if (equals == SIZE_MAX) {
        if (call->n_keys > 0) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "\"%s\" stands after a key=value: positional words come first",
                                word->data);
        }
        return push_text(&call->words, &call->n_words, strdup(word->data), err);
    }
    size_t names = call->n_keys;
    pl_status status = push_text(&call->names, &names, strndup(word->data, equals), err);
    if (status != PL_OK) {
        return status;
    }
    size_t values = call->n_keys;
    status = push_text(&call->values, &values, strdup(word->data + equals + 1), err);
    if (status != PL_OK) {
        free(call->names[call->n_keys]);
        return status;
    }
    call->n_keys++;
    return PL_OK;
}

static bool is_path(const pl_command *command, const char *word, size_t equals)
{
    if (equals == SIZE_MAX) {
        return strstr(command->positional, "FILE") != NULL ||
               strstr(command->positional, "PATH") != NULL;
    }
    for (const pl_key *key = command->keys; key != NULL && key->name != NULL; key++) {
        if (strlen(key->name) == equals && strncmp(key->name, word, equals) == 0) {
            return key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES ||
                   key->kind == PL_KEY_NEW_FILE;
        }
    }
    return false;
}

/* A path in $HOME, which no shell expands here.  *said is the command's text with it, up to *left
 * of the typed one: what is recorded means the same file to everybody. */
static pl_status expand_home(const pl_command *command, pl_buf *word, size_t equals,
                             const char *typed, const char *end, pl_buf *said, const char **left,
                             pl_error *err)
{
    const size_t at = equals == SIZE_MAX ? 0 : equals + 1;
    if (command == NULL || word->data[at] != '~' || !is_path(command, word->data, equals)) {
        return PL_OK;
    }
    pl_buf whole = {0};
    pl_buf_append(&whole, word->data, at);
    pl_command_path(word->data + at, &whole);
    pl_status status = pl_buf_check(&whole, err);
    if (status == PL_OK && strcmp(whole.data, word->data) != 0) {
        pl_buf_append(said, *left, (size_t)(typed - *left));
        pl_buf_append(said, whole.data, at);
        if (at > 0) {
            pl_command_quote(whole.data + at, said);
        } else {
            pl_command_quote_word(whole.data, said);
        }
        *left = end;
        pl_buf_deinit(word);
        *word = whole;
        return pl_buf_check(said, err);
    }
    pl_buf_deinit(&whole);
    return status;
}

static pl_status replace_text(pl_call *call, pl_buf *said, const char *left, pl_error *err)
{
    if (said->size == 0) {
        return PL_OK;
    }
    pl_buf_puts(said, left);
    pl_status status = pl_buf_check(said, err);
    if (status == PL_OK) {
        free(call->text);
        call->text = said->data;
        *said = (pl_buf){0};
    }
    return status;
}

static pl_status split_words(pl_call *call, const char *text, char **name, pl_error *err)
{
    const char *left = text;
    pl_buf said = {0};
    pl_status status = PL_OK;
    while (status == PL_OK) {
        while (isspace((unsigned char)*text)) {
            text++;
        }
        const pl_command *command = *name != NULL ? pl_command_find(*name) : NULL;
        if (*text == '\0') {
            break;
        }
        if (command != NULL && command->raw) {
            return push_text(&call->words, &call->n_words, strdup(text), err);
        }
        pl_buf word = {0};
        size_t equals = SIZE_MAX;
        const char *typed = text;
        status = take_word(&text, &word, &equals, err);
        PL_THEN(expand_home(command, &word, equals, typed, text, &said, &left, err));
        if (status == PL_OK && *name == NULL) {
            *name = strdup(word.data);
            status = *name == NULL ? pl_error_memory(err, "a command") : PL_OK;
        } else if (status == PL_OK) {
            status = add_word(call, &word, equals, err);
        }
        pl_buf_deinit(&word);
    }
    PL_THEN(replace_text(call, &said, left, err));
    pl_buf_deinit(&said);
    return status;
}

pl_status pl_call_parse(const char *text, pl_call **out, pl_error *err)
{
    *out = NULL;
    char *name = NULL;
    pl_call *call = calloc(1, sizeof *call);
    pl_status status = PL_OK;
    if (call == NULL || (call->text = strdup(text)) == NULL ||
        (call->result = json_object()) == NULL) {
        status = pl_error_memory(err, "a command");
        goto done;
    }
    status = split_words(call, text, &name, err);
    if (status == PL_OK && name == NULL) {
        status = pl_error_set(err, PL_ERR_USAGE, "an empty command");
    }
    if (status != PL_OK) {
        goto done;
    }
    call->command = pl_command_find(name);
    status =
        call->command == NULL ? pl_usage_unknown_command(name, err) : pl_usage_check(call, err);
done:
    free(name);
    if (status != PL_OK) {
        pl_call_destroy(call);
        return status;
    }
    *out = call;
    return PL_OK;
}

/* A failure after an allocation failed is reported as lack of memory, whatever it says: half a text
 * is no JSON. */
static pl_status check_script_memory(pl_status status, unsigned before, pl_error *err)
{
    if (status == PL_OK) {
        return pl_memory_check(before, err);
    }
    if (pl_memory_failures() != before && status != PL_ERR_MEMORY && status != PL_ERR_CANCELLED) {
        pl_error_prefix(err, "out of memory: ");
        if (err != NULL) {
            err->code = PL_ERR_MEMORY;
        }
        return PL_ERR_MEMORY;
    }
    return status;
}

static pl_status expand_value(const pl_state *state, char **value, pl_error *err)
{
    pl_buf names = {0};
    if (state->source == NULL || !pl_glob_has_tags(*value)) {
        return PL_OK;
    }
    pl_status status = pl_state_expand_tags(state, *value, &names, err);
    if (status == PL_OK) {
        free(*value);
        *value = names.data;
        names = (pl_buf){0};
    }
    pl_buf_deinit(&names);
    return status;
}

/* `tag:NAME` among the words for layers, and in on=, becomes the names of the layers with the tag,
 * so that later changes of the tag do not matter, and a figure's commands need no tag. */
static pl_status expand_tags(pl_call *call, const pl_state *state, pl_error *err)
{
    pl_status status = PL_OK;
    const char *const words = call->command->positional;
    const bool layers = strstr(words, "LAYER") != NULL && strstr(words, "TEXT") == NULL;
    for (size_t i = 0; status == PL_OK && layers && i < call->n_words; i++) {
        status = expand_value(state, &call->words[i], err);
    }
    for (size_t i = 0; status == PL_OK && i < call->n_keys; i++) {
        if (strcmp(call->names[i], "on") == 0) {
            status = expand_value(state, &call->values[i], err);
        }
    }
    if (status != PL_OK) {
        pl_error_prefix(err, "%s: ", call->command->name);
    }
    return status;
}

/* A path that was left out, as by Enter behind `text=`. */
static pl_status check_paths(const pl_call *call, pl_error *err)
{
    for (size_t i = 0; i < call->n_words; i++) {
        if (call->words[i][0] == '\0' && is_path(call->command, "", SIZE_MAX)) {
            return pl_error_set(err, PL_ERR_USAGE, "%s: expected a path, found an empty word",
                                call->command->name);
        }
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        const char *name = call->names[i];
        if (call->values[i][0] == '\0' && is_path(call->command, name, strlen(name))) {
            return pl_error_set(err, PL_ERR_USAGE, "%s: %s= is empty, expected a path",
                                call->command->name, name);
        }
    }
    return PL_OK;
}

pl_status pl_call_run(pl_call *call, pl_context cx, pl_error *err)
{
    const unsigned before = pl_memory_failures();
    pl_status status = check_paths(call, err);
    PL_THEN(expand_tags(call, cx.state, err));
    if (status == PL_OK && call->command->run != NULL) {
        status = call->command->run(call, cx, err);
    }
    return check_script_memory(status, before, err);
}

pl_status pl_call_apply(pl_call *call, pl_state *state, pl_error *err)
{
    const unsigned before = pl_memory_failures();
    pl_status status = expand_tags(call, state, err);
    if (status == PL_OK && call->command->apply != NULL) {
        status = call->command->apply(call, state, err);
    }
    if (status == PL_OK && call->command->sets) {
        pl_record_all(state);
        pl_state_recall(state);
        const size_t solved = pl_state_solved_count(state) - pl_state_import_count(state);
        pl_json_set(call->result, "layers_in_store", json_integer((json_int_t)solved));
    }
    return check_script_memory(status, before, err);
}

void pl_call_destroy(pl_call *call)
{
    if (call == NULL) {
        return;
    }
    for (size_t i = 0; i < call->n_words; i++) {
        free(call->words[i]);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        free(call->names[i]);
        free(call->values[i]);
    }
    free(call->words);
    free(call->names);
    free(call->values);
    free(call->text);
    free(call->solved);
    free(call->given);
    free(call->warning);
    json_decref(call->result);
    pl_source_release(call->source);
    free(call);
}

bool pl_text_ends_run(const char *text)
{
    char *first = NULL;
    pl_call *call = NULL;
    const bool ends = pl_script_next(&text, &first, NULL) == PL_OK && first != NULL &&
                      pl_call_parse(first, &call, NULL) == PL_OK && call->command->ends_run;
    pl_call_destroy(call);
    free(first);
    return ends;
}
