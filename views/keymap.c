#include "views/keymap.h"

#include "core/base/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pl_keymap {
    pl_binding *rows; /* [count + 1], the last one's name is NULL */
    size_t count, capacity;
    char **names; /* of keys that the table does not name so */
    size_t n_names;
};

static pl_status out_of_memory(pl_error *err)
{
    return pl_error_memory(err, "the keys");
}

static pl_status reserve_bindings(pl_keymap *map, size_t count, pl_error *err)
{
    if (count + 1 <= map->capacity) {
        return PL_OK;
    }
    size_t capacity = 2 * count + 16;
    pl_binding *rows = realloc(map->rows, capacity * sizeof *rows);
    if (rows == NULL) {
        return out_of_memory(err);
    }
    map->rows = rows;
    map->capacity = capacity;
    return PL_OK;
}

/* Puts a row at an index; the terminating row moves with the rest. */
static pl_status insert_binding(pl_keymap *map, size_t at, const pl_binding *row, pl_error *err)
{
    pl_status status = reserve_bindings(map, map->count + 1, err);
    if (status == PL_OK) {
        memmove(map->rows + at + 1, map->rows + at, (map->count + 1 - at) * sizeof *map->rows);
        map->rows[at] = *row;
        map->count++;
    }
    return status;
}

pl_status pl_keymap_create(pl_keymap **out, pl_error *err)
{
    *out = NULL;
    pl_keymap *map = calloc(1, sizeof *map);
    if (map == NULL) {
        return out_of_memory(err);
    }
    size_t count = 0;
    while (pl_bindings()[count].name != NULL) {
        count++;
    }
    pl_status status = reserve_bindings(map, count, err);
    if (status != PL_OK) {
        pl_keymap_destroy(map);
        return status;
    }
    memcpy(map->rows, pl_bindings(), (count + 1) * sizeof *map->rows);
    map->count = count;
    *out = map;
    return PL_OK;
}

void pl_keymap_destroy(pl_keymap *map)
{
    if (map == NULL) {
        return;
    }
    for (size_t i = 0; i < map->n_names; i++) {
        free(map->names[i]);
    }
    free(map->names);
    free(map->rows);
    free(map);
}

static const char *own_name(pl_keymap *map, uint32_t key)
{
    char name[PL_KEY_NAME];
    pl_key_name(key, name);
    for (size_t i = 0; i < map->n_names; i++) {
        if (strcmp(map->names[i], name) == 0) {
            return map->names[i];
        }
    }
    char **names = realloc(map->names, (map->n_names + 1) * sizeof *names);
    if (names == NULL) {
        return NULL;
    }
    map->names = names;
    names[map->n_names] = strdup(name);
    return names[map->n_names] != NULL ? names[map->n_names++] : NULL;
}

/* --- changing ------------------------------------------------------------------------------- */

/* A row named after two keys ("\u2191\u2193") is called by its own where the other one is gone. */
static pl_status split_pairs(pl_keymap *map, const char *gone, uint32_t key, unsigned where,
                             pl_error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        pl_binding row = map->rows[i];
        char name[PL_KEY_NAME];
        pl_key_name(row.key, name);
        if (row.key == key || (row.where & where) == 0 || strcmp(row.name, name) == 0 ||
            strstr(row.name, gone) == NULL) {
            continue;
        }
        map->rows[i].where &= ~where;
        row.where &= where;
        row.name = own_name(map, row.key);
        pl_status status =
            row.name != NULL ? insert_binding(map, ++i, &row, err) : out_of_memory(err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

static pl_status unmap(pl_keymap *map, uint32_t key, unsigned where, pl_error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        if (map->rows[i].key == key) {
            map->rows[i].where &= ~where;
        }
    }
    char name[PL_KEY_NAME];
    pl_key_name(key, name);
    return split_pairs(map, name, key, where, err);
}

/* The new row goes behind the action's others: it is hinted only where they are gone. */
static pl_status add_mapping(pl_keymap *map, uint32_t key, unsigned where, pl_action action,
                             pl_error *err)
{
    pl_binding row = {.key = key, .action = action, .where = where};
    row.name = own_name(map, key);
    if (row.name == NULL) {
        return out_of_memory(err);
    }
    size_t at = map->count;
    for (size_t i = 0; i < map->count; i++) {
        const pl_binding *b = &map->rows[i];
        if (b->action == action) {
            at = i + 1;
            bool here = (b->where & where) != 0;
            row.hint = row.hint == NULL && here ? b->hint : row.hint;
            row.help = row.help == NULL && here ? b->help : row.help;
        }
    }
    row.help = row.help == NULL ? pl_action_name(action) : row.help;
    return insert_binding(map, at, &row, err);
}

/* --- reading -------------------------------------------------------------------------------- */

typedef struct line_of {
    char *words[5]; /* one more than any line may have */
    size_t count;
} line_of;

static line_of split_line(char *text)
{
    line_of line = {.count = 0};
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t\r", &rest); word != NULL && word[0] != '#';
         word = strtok_r(NULL, " \t\r", &rest)) {
        if (line.count < sizeof line.words / sizeof *line.words) {
            line.words[line.count++] = word;
        }
    }
    return line;
}

/* 0 if there is no such pane. */
static unsigned panes_of(const char *word)
{
    if (strcmp(word, "all") == 0) {
        return PL_EVERYWHERE;
    }
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        if (strcmp(pl_pane_word(pane), word) == 0) {
            return 1u << pane;
        }
    }
    return 0;
}

/* What is wrong with a line, as the end of a sentence in *why; the change otherwise. */
static pl_status take_map_line(pl_keymap *map, const line_of *line, pl_buf *why, pl_error *err)
{
    bool maps = strcmp(line->words[0], "map") == 0;
    char safe[96];
    if (!maps && strcmp(line->words[0], "unmap") != 0) {
        pl_text_escape(line->words[0], strlen(line->words[0]), safe, sizeof safe);
        pl_buf_printf(why, "\"%s\": expected map or unmap", safe);
        return PL_OK;
    }
    if (line->count != (maps ? 4 : 3)) {
        pl_buf_puts(why, maps ? "expected map PANE KEY ACTION" : "expected unmap PANE KEY");
        return PL_OK;
    }
    unsigned where = panes_of(line->words[1]);
    if (where == 0) {
        pl_text_escape(line->words[1], strlen(line->words[1]), safe, sizeof safe);
        pl_buf_printf(why,
                      "no pane is named \"%s\", expected all, layers, main, second, table or "
                      "tuner",
                      safe);
        return PL_OK;
    }
    uint32_t key = pl_key_find(line->words[2]);
    if (key == 0) {
        pl_text_escape(line->words[2], strlen(line->words[2]), safe, sizeof safe);
        pl_buf_printf(why,
                      "no key is named \"%s\", expected a character or a name such as Ctrl-P, "
                      "Space, Up, F1",
                      safe);
        return PL_OK;
    }
    pl_action action = maps ? pl_action_find(line->words[3]) : PL_ACT_NONE;
    if (maps && action == PL_ACT_NONE) {
        char hint[PL_NEAREST_HINT];
        pl_nearest near = pl_nearest_to(line->words[3]);
        for (action = PL_ACT_NONE + 1; action < PL_ACT_COUNT; action++) {
            pl_nearest_try(&near, pl_action_name(action));
        }
        pl_text_escape(line->words[3], strlen(line->words[3]), safe, sizeof safe);
        pl_buf_printf(why, "no action is named \"%s\"%s", safe,
                      pl_nearest_hint(&near, ": ", "", hint));
        return PL_OK;
    }
    pl_status status = unmap(map, key, where, err);
    return status == PL_OK && maps ? add_mapping(map, key, where, action, err) : status;
}

pl_status pl_keymap_read(pl_keymap *map, const char *name, const char *text, pl_buf *wrong,
                         pl_error *err)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return out_of_memory(err);
    }
    pl_status status = PL_OK;
    size_t number = 0;
    for (char *s = copy; s != NULL && status == PL_OK;) {
        char *end = strchr(s, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        number++;
        line_of line = split_line(s);
        pl_buf why = {0};
        if (line.count > 0) {
            status = take_map_line(map, &line, &why, err);
        }
        if (why.data != NULL) {
            pl_buf_printf(wrong, "%s: line %zu: %s\n", name, number, why.data);
        }
        pl_buf_deinit(&why);
        s = end != NULL ? end + 1 : NULL;
    }
    free(copy);
    return status == PL_OK ? pl_buf_check(wrong, err) : status;
}

/* --- asking --------------------------------------------------------------------------------- */

const pl_binding *pl_keymap_bindings(const pl_keymap *map)
{
    return map != NULL ? map->rows : pl_bindings();
}

pl_action pl_keymap_action(const pl_keymap *map, uint32_t key, pl_pane pane)
{
    if (key == '\n') {
        key = PL_KEY_ENTER;
    }
    for (const pl_binding *b = pl_keymap_bindings(map); b->name != NULL; b++) {
        if (b->key == key && (b->where & (1u << pane)) != 0) {
            return b->action;
        }
    }
    return PL_ACT_NONE;
}

const char *pl_keymap_key_of(const pl_keymap *map, pl_action action, pl_pane pane)
{
    for (const pl_binding *b = pl_keymap_bindings(map); b->name != NULL; b++) {
        if (b->action == action && (b->where & (1u << pane)) != 0) {
            return b->name;
        }
    }
    return NULL;
}

void pl_keymap_say(const pl_keymap *map, pl_pane pane, const char *sentence, char *out,
                   size_t capacity)
{
    pl_buf text = {0};
    for (const char *s = sentence; *s != '\0';) {
        char name[32] = "";
        size_t length = *s == '{' ? strcspn(s, "}") : 0;
        if (length > 0 && s[length] != '\0' && length <= sizeof name) {
            memcpy(name, s + 1, length - 1);
            name[length - 1] = '\0';
        }
        const pl_action action = pl_action_find(name);
        if (action == PL_ACT_NONE) { /* other braces, as in `compare "gptq bits={3,4}"` */
            pl_buf_append(&text, s++, 1);
            continue;
        }
        const char *key = pl_keymap_key_of(map, action, pane);
        pl_buf_printf(&text, "%s%s", key != NULL ? "" : ":", key != NULL ? key : name);
        s += length + 1;
    }
    snprintf(out, capacity, "%s", text.data != NULL ? text.data : "");
    pl_text_trim_utf8(out);
    pl_buf_deinit(&text);
}
