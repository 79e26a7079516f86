/* tasks: the published tasks, from local files, scored as lm-evaluation-harness does. */
#include "app/commands/parts.h"
#include "app/commands/task_files.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/number.h"
#include "core/model/bare.h"

#include <string.h>

enum { SIDES = 2, CHOSEN_BEFORE = 0, CHOSEN_BOTH = 2 };

static const char *const side_names[SIDES] = {"before", "after"};
static const pl_which side_whichs[SIDES] = {PL_WHICH_BEFORE, PL_WHICH_AFTER};

typedef struct asked_tasks {
    size_t which;
    pl_task_files files;
    json_t *samples[SIDES]; /* of the sides asked, those of all files one behind the other */
    const char *names[SIDES];
    size_t n_sides;
    size_t distinct, tokens, known;
} asked_tasks;

static pl_status check_items_file(const pl_call *call, pl_error *err)
{
    const char *path = pl_call_value(call, "items");
    return path == NULL || pl_text_ends(path, ".jsonl")
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "tasks: items=%s: expected a name that ends in .jsonl", path);
}

static pl_status score_sides(const pl_call *call, pl_context cx, asked_tasks *asked, pl_error *err)
{
    const double sides = asked->which == CHOSEN_BOTH ? 2.0 : 1.0;
    pl_task_run run = {.cx = cx,
                       .arguments = pl_call_value(call, "items") != NULL,
                       .total = pl_task_files_items(&asked->files) * sides};
    pl_status status = PL_OK;
    for (size_t s = 0; status == PL_OK && s < SIDES; s++) {
        if (asked->which == CHOSEN_BOTH || asked->which == s) {
            run.which = side_whichs[s];
            asked->names[asked->n_sides] = side_names[s];
            status = pl_task_files_score(&asked->files, &run, &asked->samples[asked->n_sides], err);
            asked->n_sides += status == PL_OK;
        }
    }
    asked->distinct = run.distinct;
    asked->tokens = run.tokens;
    asked->known = run.known;
    return status;
}

/* A sample a line, with the side that it is of. */
static pl_status write_items(pl_call *call, const asked_tasks *asked, pl_error *err)
{
    const char *path = pl_call_value(call, "items");
    pl_buf text = {0};
    if (path == NULL) {
        return PL_OK;
    }
    for (size_t s = 0; s < asked->n_sides; s++) {
        for (size_t i = 0; i < json_array_size(asked->samples[s]); i++) {
            json_t *sample = json_array_get(asked->samples[s], i);
            pl_json_set(sample, "which", json_string(asked->names[s]));
            char *line = pl_json_text(sample, JSON_COMPACT);
            pl_buf_puts(&text, line != NULL ? line : "");
            pl_buf_puts(&text, "\n");
            free(line);
        }
    }
    pl_status status = pl_buf_check(&text, err);
    PL_THEN(pl_file_write_all(path, text.data != NULL ? text.data : "", text.size, err));
    if (status == PL_OK) {
        pl_json_set(call->result, "items", json_string(path));
    }
    pl_buf_deinit(&text);
    return status;
}

static pl_status run_tasks(pl_call *call, pl_context cx, pl_error *err)
{
    const double start = pl_clock_now();
    asked_tasks asked = {0};
    json_t *rows = NULL;
    pl_status status = pl_model_need_forward(cx.state->source->model, "tasks", err);
    PL_THEN(pl_rows_check_file(call, err));
    PL_THEN(check_items_file(call, err));
    PL_THEN(pl_usage_choice(call, "which", &asked.which, err));
    PL_THEN(asked.which == CHOSEN_BEFORE ? PL_OK : pl_need_after(cx.state, err));
    PL_THEN(pl_task_files_read(call, (const char *const *)call->words, call->n_words, &asked.files,
                               err));
    PL_THEN(score_sides(call, cx, &asked, err));
    PL_THEN(write_items(call, &asked, err));
    if (status == PL_OK) {
        rows = pl_task_rows(asked.samples, asked.names, asked.n_sides, asked.files.shots);
        pl_json_set(call->result, "tasks", json_incref(rows));
        pl_json_set(call->result, "from_store", json_integer((json_int_t)asked.known));
        pl_json_set(call->result, "tokens", json_integer((json_int_t)asked.tokens));
        pl_json_set(call->result, "tokens_computed", json_integer((json_int_t)asked.distinct));
    }
    PL_THEN(pl_rows_write(call, cx.state, rows, cx.task, err));
    pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    json_decref(rows);
    for (size_t i = 0; i < SIDES; i++) {
        json_decref(asked.samples[i]);
    }
    pl_task_files_deinit(&asked.files);
    return status;
}

static void put_tasks(const pl_call *call, pl_buf *out)
{
    pl_result_table(call, json_object_get(call->result, "tasks"), out);
    const json_int_t known = json_integer_value(json_object_get(call->result, "from_store"));
    const char *items = json_string_value(json_object_get(call->result, "items"));
    const char *file = json_string_value(json_object_get(call->result, "file"));
    if (known > 0) {
        pl_buf_printf(out, "%lld items were in the store\n", (long long)known);
    }
    if (file != NULL) {
        pl_buf_printf(out, "the table is in %s\n", file);
    }
    if (items != NULL) {
        pl_buf_printf(out, "what each item scored is in %s\n", items);
    }
}

/* The first metric of each task; of mmlu all of it, which is its last row. */
static void put_tasks_line(const pl_call *call, pl_buf *out)
{
    const json_t *rows = json_object_get(call->result, "tasks");
    const size_t n = json_array_size(rows);
    const char *before = "";
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(rows, i);
        const char *task = json_string_value(json_object_get(row, "task"));
        const bool part = strncmp(task, "mmlu_", 5) == 0;
        char text[PL_NUMBER_TEXT];
        if (part || strcmp(task, before) == 0) {
            continue;
        }
        pl_buf_printf(out, "%s%s %s", before[0] != '\0' ? ", " : "", task,
                      json_string_value(json_object_get(row, "metric")));
        for (size_t side = 0; side < SIDES; side++) {
            if (json_object_get(row, side_names[side]) != NULL) {
                pl_format_number(pl_json_number_of(row, side_names[side]), text);
                pl_buf_printf(out, "%s%s",
                              side > 0 && json_object_get(row, side_names[0]) != NULL ? " → " : " ",
                              text);
            }
        }
        before = task;
    }
}

static void help_tasks(pl_buf *out)
{
    pl_buf_puts(
        out,
        "A task is a file of questions with known answers.  Where there are choices, the\n"
        "model's answer is the one it finds likeliest behind the question: acc counts how\n"
        "often that is right, acc_norm the same with the log-likelihood divided by the\n"
        "length of the choice.  In triviaqa and nq_open it writes the answer: exact_match.\n"
        "Prompts, examples (shots) and scores are those of lm-evaluation-harness.\n"
        "stderr is the standard error: two numbers closer than that are not different.\n"
        "\n"
        "Files are the published ones, as JSON lines or one JSON array, with these fields\n"
        "(which also tell the task; arc's two by the file's path or task=), arc's also as AI2\n"
        "distributes it, with stem and choices in question:\n");
    for (const pl_task_kind *const *kind = pl_task_kinds(); *kind != NULL; kind++) {
        pl_buf_printf(out, "  %-14s", (*kind)->name);
        for (const char *at = (*kind)->fields; *at != '\0'; at += strspn(at, " ")) {
            const size_t n = strcspn(at, ":");
            pl_buf_printf(out, " %.*s", (int)n, at);
            at += n + 2;
        }
        pl_buf_puts(out, "\n");
    }
    pl_buf_puts(out,
                "\n"
                "Examples are drawn from examples=FILE (the training split; of mmlu the first of\n"
                "each subject in dev), else from the other items of the file itself.\n"
                "What was scored is kept in the store: a run that was stopped goes on.\n"
                "which=both shows how many answers changed, and how many right ones were lost.\n");
}

static const pl_key tasks_keys[] = {
    {"which", PL_KEY_CHOICE, "before", "before|after|both", "whose weights"},
    {"shots", PL_KEY_INT, "0", NULL, "examples before each question"},
    {"examples", PL_KEY_FILE, NULL, NULL, "the file they are drawn from"},
    {"limit", PL_KEY_INT, "0", NULL, "the first so many items of each file; 0: all"},
    {"task", PL_KEY_TEXT, NULL, NULL, "which task it is, where the fields do not tell"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "also as a table: .csv or .tex"},
    {"items", PL_KEY_NEW_FILE, NULL, NULL, "what each item scored: .jsonl"},
    {0},
};

const pl_command pl_command_tasks = {
    .name = "tasks",
    .positional = "FILE ...",
    .min_words = 1,
    .max_words = PL_MAX_TEXTS,
    .keys = tasks_keys,
    .needs_model = true,
    .summary = "Score the model on published tasks (arc, hellaswag, piqa, winogrande, mmlu, ...)",
    .run = run_tasks,
    .more_help = help_tasks,
    .least = "shots before_stderr after_stderr gained",
    .put_text = put_tasks,
    .put_line = put_tasks_line,
    .slow = pl_slow_always,
    .unit = "items",
    .keeps = true,
};
