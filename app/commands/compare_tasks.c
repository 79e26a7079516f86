#include "app/commands/compare_tasks.h"

#include "app/commands/parts.h"
#include "app/usage.h"
#include "core/base/file.h"
#include "core/base/json.h"

#include <math.h>
#include <string.h>

/* --- what is asked ---------------------------------------------------------------------------- */

static pl_status check_task_keys(const pl_call *call, size_t on, size_t files, pl_error *err)
{
    static const char *const keys[] = {"tasks", "shots", "limit", "examples"};
    const bool alone = pl_call_value(call, "on") == NULL;
    if (on == PL_COMPARE_ON_TASKS && files == 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "compare: on=tasks needs tasks=FILE, a file as `tasks` reads it");
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (pl_call_value(call, keys[i]) != NULL &&
            (files == 0 || (!alone && on != PL_COMPARE_ON_TASKS))) {
            return pl_error_set(err, PL_ERR_USAGE, "compare: %s= goes with on=tasks", keys[i]);
        }
    }
    return PL_OK;
}

/* As a figure's file has them: files by their last names. */
static void say_tasks(const pl_call *call, const pl_task_files *files, const char *const *paths,
                      pl_buf *said)
{
    const char *examples = pl_call_value(call, "examples");
    pl_buf_puts(said, " on=tasks");
    for (size_t i = 0; i < files->count; i++) {
        pl_buf_puts(said, " tasks=");
        pl_command_quote(pl_path_name(paths[i]), said);
    }
    pl_buf_printf(said, " shots=%zu limit=%zu", files->shots, files->limit);
    if (examples != NULL) {
        pl_buf_puts(said, " examples=");
        pl_command_quote(pl_path_name(examples), said);
    }
}

static pl_status identify_items(pl_compare_tasks *tasks, pl_error *err)
{
    pl_buf all = {0};
    for (size_t i = 0; i <= tasks->files.count; i++) {
        const bool last = i == tasks->files.count;
        const pl_task_set *set = last ? &tasks->files.examples : &tasks->files.sets[i];
        char *text = set->docs != NULL ? pl_json_text(set->docs, JSON_COMPACT) : NULL;
        pl_buf_printf(&all, "%s %s\n", set->kind != NULL ? set->kind->name : "",
                      text != NULL ? text : "");
        all.failed = all.failed || (set->docs != NULL && text == NULL);
        free(text);
    }
    pl_status status = pl_buf_check(&all, err);
    if (status == PL_OK) {
        tasks->id = pl_id_bytes(all.data, all.size);
    }
    pl_buf_deinit(&all);
    return status;
}

pl_status pl_compare_tasks_read(const pl_call *call, pl_compare_tasks *out, pl_buf *said,
                                pl_error *err)
{
    const char *paths[PL_MAX_TEXTS];
    size_t on = 0, count = 0;
    *out = (pl_compare_tasks){0};
    pl_status status = pl_usage_choice(call, "on", &on, err);
    PL_THEN(pl_files_of_key(call, "tasks", "files of tasks", paths, &count, err));
    PL_THEN(check_task_keys(call, on, count, err));
    if (status != PL_OK || count == 0) {
        return status;
    }
    status = pl_task_files_read(call, paths, count, &out->files, err);
    PL_THEN(identify_items(out, err));
    if (status == PL_OK) {
        say_tasks(call, &out->files, paths, said);
    }
    return status;
}

void pl_compare_tasks_deinit(pl_compare_tasks *tasks)
{
    pl_task_files_deinit(&tasks->files);
    json_decref(tasks->first);
    *tasks = (pl_compare_tasks){0};
}

/* --- scores ----------------------------------------------------------------------------------- */

pl_status pl_compare_tasks_score(pl_compare_tasks *tasks, pl_context cx, pl_which which,
                                 bool *found, json_t **rows, pl_error *err)
{
    json_t *samples = NULL, *row = NULL;
    const double items = pl_task_files_items(&tasks->files);
    pl_task_run run = {.cx = cx, .which = which, .total = items};
    size_t i = 0;
    *rows = NULL;
    pl_status status = pl_task_files_score(&tasks->files, &run, &samples, err);
    if (status != PL_OK) {
        return status;
    }
    *found = *found && (double)run.known >= items;
    *rows = pl_task_compare(tasks->first, samples, tasks->files.shots);
    json_array_foreach(*rows, i, row)
    {
        const double difference = pl_json_number_of(row, "difference");
        const double error = pl_json_number_of(row, "difference_stderr");
        pl_json_set(row, "differs",
                    isfinite(difference) && isfinite(error)
                        ? json_boolean(fabs(difference) > PL_COMPARE_REAL * error)
                        : json_null());
    }
    if (which == PL_WHICH_AFTER && tasks->first == NULL) {
        tasks->first = json_incref(samples);
    }
    json_decref(samples);
    return PL_OK;
}

/* --- as columns and as text ------------------------------------------------------------------- */

void pl_compare_tasks_columns(const json_t *row, json_t *line)
{
    static const struct {
        const char *key, *behind;
    } parts[] = {
        {"score", ""},
        {"score_stderr", "_stderr"},
        {"difference", "_difference"},
        {"difference_stderr", "_difference_stderr"},
        {"differs", "_differs"},
    };
    const json_t *tasks = json_object_get(row, "tasks");
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const json_t *of = json_array_get(tasks, i);
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            char name[128];
            snprintf(name, sizeof name, "%s_%s%s", pl_json_text_of(of, "task"),
                     pl_json_text_of(of, "metric"), parts[k].behind);
            pl_json_set(line, name, json_incref(json_object_get(of, parts[k].key)));
        }
    }
}

static const struct {
    const char *head, *key;
} numbers[] = {{"score", "score"},
               {"\u00b1", "score_stderr"},
               {"\u0394", "difference"},
               {"\u00b1 ", "difference_stderr"}};
enum { TEXTS = 4, NUMBERS = sizeof numbers / sizeof *numbers };

static pl_status put_task_line(pl_table *table, size_t at, const json_t *of, const char *who,
                               bool first, pl_error *err)
{
    pl_status status = pl_table_text(table, at, 0, first ? pl_json_text_of(of, "task") : " ", err);
    PL_THEN(pl_table_text(table, at, 1, first ? pl_json_text_of(of, "metric") : " ", err));
    PL_THEN(pl_table_text(table, at, 2, who, err));
    PL_THEN(
        pl_table_text(table, at, 3, json_is_true(json_object_get(of, "differs")) ? "*" : " ", err));
    for (size_t k = 0; status == PL_OK && k < NUMBERS; k++) {
        status = pl_table_number(table, at, TEXTS + k, "%.4f",
                                 pl_json_number_of(of, numbers[k].key), " ", err);
    }
    return status;
}

/* Task by task, so that the settings of one stand below each other. */
static pl_status fill_tasks(const json_t *original, const json_t *rows, pl_table *table,
                            pl_error *err)
{
    static const char *const heads[TEXTS] = {"task", "metric", "row", ""};
    const size_t n = json_array_size(original), settings = json_array_size(rows);
    pl_status status = pl_table_init(table, n * (settings + 1), TEXTS + NUMBERS, err);
    for (size_t k = 0; status == PL_OK && k < TEXTS + NUMBERS; k++) {
        status = pl_table_head(table, k, k < TEXTS ? heads[k] : numbers[k - TEXTS].head, err);
    }
    for (size_t t = 0; status == PL_OK && t < n; t++) {
        status = put_task_line(table, t * (settings + 1), json_array_get(original, t), "original",
                               true, err);
        for (size_t i = 0; status == PL_OK && i < settings; i++) {
            char number[24];
            snprintf(number, sizeof number, "%zu", i + 1);
            status =
                put_task_line(table, t * (settings + 1) + 1 + i,
                              json_array_get(json_object_get(json_array_get(rows, i), "tasks"), t),
                              number, false, err);
        }
    }
    return status;
}

void pl_compare_tasks_put(const pl_call *call, pl_buf *out)
{
    const json_t *original = json_object_get(call->result, "original_tasks");
    pl_table table = {0};
    if (original != NULL &&
        fill_tasks(original, json_object_get(call->result, "rows"), &table, NULL) == PL_OK) {
        pl_table_put_text(&table, call->columns, "metric", out);
    }
    pl_table_deinit(&table);
}

void pl_compare_tasks_put_line(const pl_call *call, pl_buf *out)
{
    const json_t *rows = json_object_get(call->result, "rows");
    const json_t *tasks = json_object_get(json_array_get(rows, 0), "tasks");
    size_t at = 0, best = 0;
    double most = -INFINITY;
    for (size_t i = json_array_size(tasks); i > 0; i--) { /* the first of the means */
        at = strcmp(pl_json_text_of(json_array_get(tasks, i - 1), "task"), PL_TASK_MEAN) == 0
                 ? i - 1
                 : at;
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *own = json_object_get(json_array_get(rows, i), "tasks");
        const double score = pl_json_number_of(json_array_get(own, at), "score");
        if (score > most) {
            most = score;
            best = i + 1;
        }
    }
    if (best > 0) {
        const json_t *of = json_array_get(tasks, at);
        pl_buf_printf(out, "; highest %s %s %.3g: row %zu", pl_json_text_of(of, "task"),
                      pl_json_text_of(of, "metric"), most, best);
    }
}
