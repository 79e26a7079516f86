/* Rows of a result, an array of objects, as a table. */
#include "app/report.h"
#include "app/usage.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "plots/provenance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

/* Whether any row has a text there. */
static bool column_has_text(json_t *rows, const char *name)
{
    size_t i = 0;
    json_t *row = NULL;
    bool text = false;
    json_array_foreach(rows, i, row)
    {
        const json_t *value = json_object_get(row, name);
        text = text || json_is_string(value) || json_is_boolean(value);
    }
    return text;
}

static pl_status put_column(json_t *rows, const char *name, size_t col, pl_table *out,
                            pl_error *err)
{
    const bool texts = column_has_text(rows, name);
    size_t i = 0;
    json_t *row = NULL;
    char number[64];
    pl_status status = pl_table_head(out, col, name, err);
    json_array_foreach(rows, i, row)
    {
        const json_t *value = json_object_get(row, name);
        if (!texts) {
            PL_THEN(pl_table_number(out, i, col, json_is_integer(value) ? "%.0f" : "%.5g",
                                    json_is_number(value) ? json_number_value(value) : (double)NAN,
                                    "-", err));
        } else if (json_is_string(value)) {
            PL_THEN(pl_table_text(out, i, col, json_string_value(value), err));
        } else if (json_is_boolean(value)) {
            PL_THEN(pl_table_text(out, i, col, json_is_true(value) ? "yes" : "no", err));
        } else if (json_is_number(value)) {
            snprintf(number, sizeof number, "%.9g", json_number_value(value));
            PL_THEN(pl_table_text(out, i, col, number, err));
        }
    }
    return status;
}

pl_status pl_rows_table(json_t *rows, pl_table *out, pl_error *err)
{
    json_t *first = json_array_get(rows, 0), *value = NULL;
    const char *name = NULL;
    size_t cols = 0;
    json_object_foreach(first, name, value)
    {
        cols += is_plain(value);
    }
    pl_status status = pl_table_init(out, json_array_size(rows), cols, err);
    cols = 0;
    json_object_foreach(first, name, value)
    {
        if (is_plain(value)) {
            PL_THEN(put_column(rows, name, cols++, out, err));
        }
    }
    if (status != PL_OK) {
        pl_table_deinit(out);
    }
    return status;
}

pl_status pl_rows_check_file(const pl_call *call, pl_error *err)
{
    const char *path = pl_call_value(call, "file");
    return path == NULL || pl_text_ends(path, ".csv") || pl_text_ends(path, ".tex") ||
                   pl_text_ends(path, ".json")
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "%s: file=%s: expected a name that ends in .csv, .tex or .json",
                              call->command->name, path);
}

void pl_rows_put_call(const pl_call *call, pl_buf *commands)
{
    pl_buf_puts(commands, call->command->name);
    for (size_t i = 0; i < call->n_words; i++) {
        pl_buf_puts(commands, " ");
        pl_command_quote_word(call->words[i], commands);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        if (strcmp(call->names[i], "file") != 0) {
            const pl_key *key = pl_usage_key(call->command, call->names[i]);
            const bool text =
                key != NULL && (key->kind == PL_KEY_FILE || key->kind == PL_KEY_FILES);
            pl_buf_printf(commands, " %s=", call->names[i]);
            pl_command_quote(text ? pl_path_name(call->values[i]) : call->values[i], commands);
        }
    }
}

/* made_by: the commands that make the rows; NULL: the state's and the call. */
static pl_status put_made_by(const pl_call *call, const pl_state *state, const char *made_by,
                             pl_buf *out, pl_task *task, pl_error *err)
{
    pl_buf commands = {0};
    pl_id model = {0};
    char id[PL_ID_TEXT];
    pl_status status = pl_model_identity(state->source->model, &model, task, err);
    pl_id_format(model, id);
    if (made_by != NULL) {
        pl_buf_puts(&commands, made_by);
    } else {
        pl_state_commands(state, true, &commands);
        if (pl_state_solved_count(state) == 0) { /* which leaves methods out where nothing is */
            pl_state_results_commands(state, &commands);
        }
        pl_rows_put_call(call, &commands);
    }
    pl_buf_puts(out, "% Planish-Commands: ");
    pl_provenance_line(commands.data != NULL ? commands.data : "", out);
    pl_buf_printf(out, "\n%% Planish-Model: %s %s\n%% Planish-Version: %s\n",
                  pl_model_name(state->source->model), id, PL_VERSION);
    out->failed = out->failed || commands.failed;
    pl_buf_deinit(&commands);
    return status;
}

pl_status pl_rows_write(pl_call *call, const pl_state *state, json_t *rows, pl_task *task,
                        pl_error *err)
{
    return pl_rows_write_made_by(call, state, rows, NULL, task, err);
}

pl_status pl_rows_write_made_by(pl_call *call, const pl_state *state, json_t *rows,
                                const char *made_by, pl_task *task, pl_error *err)
{
    const char *path = pl_call_value(call, "file");
    pl_buf text = {0};
    pl_table table = {0};
    if (path == NULL) {
        return PL_OK;
    }
    const bool latex = pl_text_ends(path, ".tex");
    pl_status status = pl_rows_table(rows, &table, err);
    if (status == PL_OK && latex) {
        status = put_made_by(call, state, made_by, &text, task, err);
        pl_table_put_latex(&table, &text);
    } else if (status == PL_OK && pl_text_ends(path, ".json")) {
        char *json = pl_json_text(rows, JSON_INDENT(1));
        pl_buf_printf(&text, "%s\n", json != NULL ? json : "");
        status = json != NULL ? PL_OK : pl_error_memory(err, "a table");
        free(json);
    } else if (status == PL_OK) {
        pl_table_put_csv(&table, &text);
    }
    PL_THEN(pl_buf_check(&text, err));
    PL_THEN(pl_file_write_all(path, text.data, text.size, err));
    if (status == PL_OK) {
        pl_json_set(call->result, "file", json_string(path));
    }
    pl_table_deinit(&table);
    pl_buf_deinit(&text);
    return status;
}
