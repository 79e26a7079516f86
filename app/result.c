/* Results for a person: from the JSON object to text. */
#include "app/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL = 64 };

static void put_json_cell(const json_t *value, char out[CELL])
{
    out[0] = '\0';
    if (value == NULL) { /* a row without that column */
        return;
    }
    switch (json_typeof(value)) {
    case JSON_STRING:
        pl_text_escape(json_string_value(value), json_string_length(value), out, CELL);
        return;
    case JSON_INTEGER:
        snprintf(out, CELL, "%lld", (long long)json_integer_value(value));
        return;
    case JSON_REAL:
        snprintf(out, CELL, "%.5g", json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
        return;
    case JSON_NULL:
        snprintf(out, CELL, "-");
        return;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return;
    }
}

/* Commands escape what comes from a file before they put it into a result; escaping again changes
 * nothing then, and keeps the terminal safe if a command forgot. */
static void put_result_text(pl_buf *out, const char *text, size_t size, size_t width)
{
    size_t length = pl_text_escape(text, size, NULL, 0);
    char *safe = malloc(length + 1);
    if (safe == NULL) {
        out->failed = true;
        return;
    }
    pl_text_escape(text, size, safe, length + 1);
    pl_buf_printf(out, "%-*s", (int)width, safe);
    free(safe);
}

static void put_result_table(json_t *rows, size_t columns, const char *least, pl_buf *out)
{
    pl_table table = {0};
    if (pl_rows_table(rows, &table, NULL) == PL_OK) {
        pl_table_put_text(&table, columns, least, out);
    } else {
        out->failed = true;
    }
    pl_table_deinit(&table);
}

void pl_result_table(const pl_call *call, json_t *rows, pl_buf *out)
{
    put_result_table(rows, call->columns, call->command->least, out);
}

/* A list of plain values: the first ones, and how many there are. */
static void put_list(const char *name, const json_t *list, pl_buf *out)
{
    char cell[CELL];
    put_result_text(out, name, strlen(name), 22);
    for (size_t i = 0; i < json_array_size(list) && i < 16; i++) {
        put_json_cell(json_array_get(list, i), cell);
        pl_buf_printf(out, " %s", cell);
    }
    pl_buf_puts(out, json_array_size(list) > 16 ? " ...\n" : "\n");
}

/* What belongs together, under its name; a method's parameters stand for themselves. */
static void put_group(const char *name, json_t *group, pl_buf *out)
{
    const char *key;
    json_t *item;
    char cell[CELL];
    bool named = strcmp(name, "parameters") == 0;
    json_object_foreach(group, key, item)
    {
        if (json_is_null(item)) {
            continue;
        }
        if (!named) {
            put_result_text(out, name, strlen(name), 0);
            pl_buf_puts(out, "\n");
            named = true;
        }
        put_json_cell(item, cell);
        pl_buf_puts(out, "  ");
        put_result_text(out, key, strlen(key), 20);
        pl_buf_printf(out, " %s\n", cell);
    }
}

/* What a result does not have (null in JSON, whose keys are always the same) is left out. */
static void put_object(json_t *result, size_t columns, const char *least, pl_buf *out)
{
    const char *name;
    json_t *value;
    char cell[CELL];
    json_object_foreach(result, name, value)
    {
        if (json_is_null(value)) {
            continue;
        }
        if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
            put_result_table(value, columns, least, out);
        } else if (json_is_array(value)) {
            put_list(name, value, out);
        } else if (json_is_object(value)) {
            put_group(name, value, out);
        } else if (json_is_string(value)) {
            put_result_text(out, name, strlen(name), 22);
            pl_buf_puts(out, " ");
            put_result_text(out, json_string_value(value), json_string_length(value), 0);
            pl_buf_puts(out, "\n");
        } else {
            put_json_cell(value, cell);
            put_result_text(out, name, strlen(name), 22);
            pl_buf_printf(out, " %s\n", cell);
        }
    }
}

void pl_result_text(const pl_call *call, pl_buf *out)
{
    if (call->command->put_text != NULL) {
        call->command->put_text(call, out);
    } else {
        put_object(call->result, call->columns, call->command->least, out);
    }
}

void pl_result_object(json_t *result, pl_buf *out)
{
    put_object(result, 0, NULL, out);
}

/* For scripts (--json has them), not for one line on a screen. */
static bool is_for_scripts(const char *name)
{
    static const char *const names[] = {"key", "stored", "peak_bytes"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "tokens_per_second" as words. */
static void put_name_words(const char *name, pl_buf *out)
{
    size_t from = out->size;
    put_result_text(out, name, strlen(name), 0);
    for (size_t i = from; !out->failed && i < out->size; i++) {
        out->data[i] = out->data[i] == '_' ? ' ' : out->data[i];
    }
}

void pl_result_line(const pl_call *call, pl_buf *out)
{
    const char *name;
    json_t *value;
    char cell[CELL];
    if (call->command->put_line != NULL) {
        call->command->put_line(call, out);
        return;
    }
    pl_buf_printf(out, "%s:", call->command->name);
    json_object_foreach(call->result, name, value)
    {
        if (json_is_null(value) || is_for_scripts(name)) {
            continue;
        }
        if (json_is_array(value)) {
            pl_buf_printf(out, "  %zu ", json_array_size(value));
            put_name_words(name, out);
        } else if (json_is_string(value)) { /* a sentence may be longer than a cell */
            pl_buf_puts(out, "  ");
            put_name_words(name, out);
            pl_buf_puts(out, " ");
            put_result_text(out, json_string_value(value), json_string_length(value), 0);
        } else if (!json_is_object(value)) {
            put_json_cell(value, cell);
            pl_buf_puts(out, "  ");
            put_name_words(name, out);
            pl_buf_printf(out, " %s", cell);
        }
    }
}
