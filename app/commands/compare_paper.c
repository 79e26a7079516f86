/* The rows of `compare` as a table for a paper: few columns, heads in words, and no more digits
 * than a standard error leaves. */
#include "app/commands/compare_rows.h"

#include "core/base/json.h"
#include "core/base/number.h"
#include "core/study/tasks.h"
#include "plots/compared.h"
#include "plots/kinds.h"

#include <math.h>
#include <string.h>

/* A number and its error by their keys; an asterisk where a difference to the first row is beyond
 * two standard errors. */
static void set_measured(json_t *line, const char *head, const json_t *of, const char *value,
                         const char *error, bool difference)
{
    char text[PL_MEASURED_TEXT + 2];
    pl_format_measured(pl_json_number_of(of, value), pl_json_number_of(of, error), text);
    if (difference && json_is_true(json_object_get(of, "differs"))) {
        strcat(text, "*");
    }
    pl_json_set(line, head, json_string(text[0] != '\0' ? text : "-"));
}

static void set_digits(json_t *line, const char *head, const char *format, double value)
{
    char text[PL_NUMBER_TEXT] = "-";
    if (isfinite(value)) {
        snprintf(text, sizeof text, format, value);
    }
    pl_json_set(line, head, json_string(text));
}

static void set_tasks(json_t *line, const json_t *tasks)
{
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const json_t *of = json_array_get(tasks, i);
        const char *task = pl_json_text_of(of, "task");
        char head[128];
        snprintf(head, sizeof head, "%s %s", task, pl_json_text_of(of, "metric"));
        set_measured(line, head, of, "score", "score_stderr", false);
        if (strcmp(task, PL_TASK_MEAN) == 0) {
            snprintf(head, sizeof head, "Δ %s %s", task, pl_json_text_of(of, "metric"));
            set_measured(line, head, of, "difference", "difference_stderr", true);
        }
    }
}

json_t *pl_compare_paper_line(const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "setting"));
    const char *methods = json_string_value(json_object_get(row, "methods"));
    const json_t *tasks = json_object_get(row, "tasks");
    json_t *line = json_object();
    pl_buf full = {0};
    pl_kind_in_full(pl_compared_is_named(name) ? name : methods, &full);
    pl_json_set(line, "Setting", json_string(full.data != NULL ? full.data : ""));
    pl_buf_deinit(&full);
    set_digits(line, "Bits", "%.2f", pl_json_number_of(row, "bits_per_weight"));
    set_measured(line, "Perplexity", row, "perplexity", "perplexity_error", false);
    if (tasks == NULL) {
        set_measured(line, "Δ NLL", row, "nll_difference", "nll_difference_error", true);
        set_measured(line, "KL", row, "kl_mean", "kl_error", false);
        set_digits(line, "Top-1", "%.3f", pl_json_number_of(row, "top1_agreement"));
    }
    set_tasks(line, tasks);
    return line;
}
