/* The rows of the last measured comparison: intervals, and the table that fills while it runs. */
#include "plots/build.h"
#include "plots/compared.h"
#include "plots/overview.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/study/tasks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_PERPLEXITY, FORM_KL, FORM_TABLE, FORM_TASKS };

/* --- intervals -------------------------------------------------------------------------------- */

/* On paper a box plot: the value as median, one standard error as box, two as whiskers.  On the
 * screen a line of two standard errors; its first point is the value, which the crosshair says. */
static void put_interval(pl_mark mark, double x, double value, double error, pl_series *series)
{
    static const double spread[PL_SPREAD] = {-2, -2, -1, 0, 1, 2, 2}, line[] = {0, -2, 2};
    const size_t width = pl_mark_width(mark);
    for (size_t k = 0; k < (mark == PL_MARK_LINE ? 3 : 1); k++, series->count++) {
        series->x[series->count] = x;
        for (size_t i = 0; i < width; i++) {
            const double at = width > 1 ? spread[i] : mark == PL_MARK_LINE ? line[k] : 0.0;
            series->y[series->count * width + i] = value + at * error;
        }
    }
}

/* Each row has a series of its own where there are few, else one is for all. */
static pl_status add_interval(const pl_compared_rows *rows, size_t row, double value, double error,
                              bool paper, pl_figure *out, pl_error *err)
{
    const bool own = rows->count <= PL_COMPARED_TONES;
    const pl_mark mark = paper ? PL_MARK_BOX : own ? PL_MARK_LINE : PL_MARK_POINTS;
    pl_series *series = NULL;
    pl_buf label = {0};
    if (own) {
        pl_buf_printf(&label, "%zu  ", row + 1);
        pl_compared_label(rows, row, &label);
    } else {
        pl_buf_printf(&label, "%zu settings", rows->count);
    }
    pl_status status = pl_buf_check(&label, err);
    if (status == PL_OK && (own || out->n_series == 0)) {
        status = pl_figure_add(out, label.data, mark, pl_compared_tone(own ? row : 0),
                               own ? 3 : rows->count, &series, err);
        if (status == PL_OK) {
            series->count = 0; /* counted as they come: a value may be infinite */
        }
    }
    if (status == PL_OK) {
        put_interval(mark, (double)row, value, error, &out->series[out->n_series - 1]);
    }
    pl_buf_deinit(&label);
    return status;
}

static pl_status name_rows(const pl_compared_rows *rows, pl_axis *axis, pl_error *err)
{
    pl_status status = pl_figure_names(axis, rows->count, err);
    for (size_t i = 0; status == PL_OK && i < rows->count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        status = pl_figure_text(&axis->names[i], number, err);
    }
    return status;
}

static pl_status make_intervals(const pl_state *state, const pl_compared_rows *rows, bool kl,
                                bool paper, pl_figure *out, pl_error *err)
{
    double lo = INFINITY, hi = -INFINITY;
    pl_buf title = {0};
    pl_overview_put_model(state->source->model, &title);
    pl_buf_puts(&title, kl ? ", KL divergence of settings" : ", perplexity of settings");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(out, title.data,
                            paper ? "setting; box \u00b1 1, whiskers \u00b1 2 standard errors"
                                  : "setting",
                            kl ? "KL divergence, nats" : "perplexity", err));
    PL_THEN(name_rows(rows, &out->x, err));
    for (size_t i = 0; status == PL_OK && i < rows->count; i++) {
        const double value = pl_compared_number(rows, i, kl ? "kl_mean" : "perplexity");
        double error = pl_compared_number(rows, i, kl ? "kl_error" : "perplexity_error");
        error = isfinite(error) ? error : 0.0;
        if (isfinite(value)) {
            status = add_interval(rows, i, value, error, paper, out, err);
            lo = fmin(lo, value - 2.0 * error);
            hi = fmax(hi, value + 2.0 * error);
        }
    }
    if (status == PL_OK && out->n_series == 0) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "comparison: no compared setting has a finite perplexity");
    }
    if (status == PL_OK) {
        pl_compared_fit(&out->y, lo, hi);
        out->x.lo = -0.6;
        out->x.hi = (double)rows->count - 0.4;
        out->x.whole = true;
    }
    pl_buf_deinit(&title);
    return status;
}

/* --- table ------------------------------------------------------------------------------------ */

static const struct {
    const char *head, *key, *format;
} columns[] = {
    {"perplexity", "perplexity", "%#.4g"},       {"\u00b1", "perplexity_error", "%#.2g"},
    {"bits", "bits_per_weight", "%#.3g"},        {"nll diff.", "nll_difference", "%.3f"},
    {"\u00b1 ", "nll_difference_error", "%.3f"}, {"KL", "kl_mean", "%#.3g"},
    {"top-1", "top1_agreement", "%.3f"},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static pl_status make_rows_table(const pl_state *state, const pl_compared_rows *rows,
                                 pl_figure *out, pl_error *err)
{
    size_t real = 0;
    pl_buf title = {0};
    pl_overview_put_model(state->source->model, &title);
    pl_buf_puts(&title, ", settings compared");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(out, title.data, "", "", err));
    PL_THEN(pl_figure_table(out, rows->count, COLUMNS + 1, err));
    PL_THEN(pl_table_head(out->table, 0, "setting", err));
    for (size_t k = 0; status == PL_OK && k < COLUMNS; k++) {
        status = pl_table_head(out->table, k + 1, columns[k].head, err);
    }
    for (size_t i = 0; status == PL_OK && i < rows->count; i++) {
        pl_buf label = {0};
        const bool differs =
            json_is_true(json_object_get(json_array_get(rows->rows, i), "differs"));
        real += differs;
        pl_compared_label(rows, i, &label);
        pl_buf_puts(&label, differs ? " *" : "");
        status = pl_buf_check(&label, err);
        PL_THEN(pl_table_text(out->table, i, 0, label.data, err));
        for (size_t k = 0; status == PL_OK && k < COLUMNS; k++) {
            status = pl_table_number(out->table, i, k + 1, columns[k].format,
                                     pl_compared_number(rows, i, columns[k].key), "", err);
        }
        pl_buf_deinit(&label);
    }
    pl_figure_fact(out, "differences", "%zu of %zu beyond 2 standard errors (*)", real,
                   rows->count - 1);
    pl_buf_deinit(&title);
    return status;
}

/* --- tasks ------------------------------------------------------------------------------------ */

static const json_t *task_at(const pl_compared_rows *rows, size_t row, size_t task)
{
    return json_array_get(json_object_get(json_array_get(rows->rows, row), "tasks"), task);
}

static bool is_mean(const json_t *task)
{
    return strcmp(pl_json_text_of(task, "task"), PL_TASK_MEAN) == 0;
}

static const struct {
    const char *key, *head;
    bool paired;
} task_numbers[] = {{"score", NULL, false},
                    {"score_stderr", "\u00b1", false},
                    {"difference", "diff.", true},
                    {"difference_stderr", "\u00b1 ", true}};
enum { TASK_NUMBERS = sizeof task_numbers / sizeof *task_numbers };

/* A column of the table of tasks. */
typedef struct task_column {
    size_t task, number;
} task_column;

/* Means come first, since a screen cuts the last columns; differences are of the means, if there
 * are any.  chosen[tasks * TASK_NUMBERS]; returns how many. */
static size_t choose_task_columns(const pl_compared_rows *rows, size_t tasks, task_column *chosen)
{
    const bool means = tasks > 0 && is_mean(task_at(rows, 0, tasks - 1));
    size_t count = 0;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t t = 0; t < tasks; t++) {
            const bool mean = is_mean(task_at(rows, 0, t));
            for (size_t k = 0; k < TASK_NUMBERS && mean == (pass == 0); k++) {
                if (!task_numbers[k].paired || mean == means) {
                    chosen[count++] = (task_column){t, k};
                }
            }
        }
    }
    return count;
}

static pl_status put_task_heads(const pl_compared_rows *rows, const task_column *chosen,
                                size_t count, pl_table *table, pl_error *err)
{
    pl_status status = pl_table_head(table, 0, "setting", err);
    for (size_t c = 0; status == PL_OK && c < count; c++) {
        const json_t *task = task_at(rows, 0, chosen[c].task);
        const bool normed = strcmp(pl_json_text_of(task, "metric"), "acc_norm") == 0;
        char head[96];
        snprintf(head, sizeof head, "%s%s", pl_json_text_of(task, "task"), normed ? " norm" : "");
        const char *own = task_numbers[chosen[c].number].head;
        status = pl_table_head(table, c + 1, own != NULL ? own : head, err);
    }
    return status;
}

static pl_status put_task_row(const pl_compared_rows *rows, size_t row, const task_column *chosen,
                              size_t count, pl_table *table, size_t *real, pl_error *err)
{
    pl_buf label = {0};
    const bool differs =
        json_is_true(json_object_get(task_at(rows, row, chosen[0].task), "differs"));
    *real += differs;
    pl_compared_label(rows, row, &label);
    pl_buf_puts(&label, differs ? " *" : "");
    pl_status status = pl_buf_check(&label, err);
    PL_THEN(pl_table_text(table, row, 0, label.data, err));
    for (size_t c = 0; status == PL_OK && c < count; c++) {
        status = pl_table_number(table, row, c + 1, "%.3f",
                                 pl_json_number_of(task_at(rows, row, chosen[c].task),
                                                   task_numbers[chosen[c].number].key),
                                 "", err);
    }
    pl_buf_deinit(&label);
    return status;
}

static pl_status make_tasks_table(const pl_state *state, const pl_compared_rows *rows,
                                  pl_figure *out, pl_error *err)
{
    const size_t tasks = json_array_size(json_object_get(json_array_get(rows->rows, 0), "tasks"));
    size_t real = 0, count = 0;
    pl_buf title = {0};
    if (tasks == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "comparison: form=tasks: the last `compare` scored no tasks: compare "
                            "with on=tasks tasks=FILE");
    }
    task_column *chosen = pl_alloc(tasks * TASK_NUMBERS, sizeof *chosen);
    pl_overview_put_model(state->source->model, &title);
    pl_buf_puts(&title, ", settings compared on tasks");
    pl_status status = chosen != NULL ? pl_buf_check(&title, err) : pl_error_memory(err, "a table");
    if (status == PL_OK) {
        count = choose_task_columns(rows, tasks, chosen);
    }
    PL_THEN(pl_figure_texts(out, title.data, "", "", err));
    PL_THEN(pl_figure_table(out, rows->count, count + 1, err));
    PL_THEN(put_task_heads(rows, chosen, count, out->table, err));
    for (size_t i = 0; status == PL_OK && i < rows->count; i++) {
        status = put_task_row(rows, i, chosen, count, out->table, &real, err);
    }
    pl_figure_fact(out, "differences", "%zu of %zu beyond 2 standard errors (*)", real,
                   rows->count - 1);
    free(chosen);
    pl_buf_deinit(&title);
    return status;
}

static pl_status make_comparison(pl_context cx, const pl_request *request, pl_figure *out,
                                 pl_error *err)
{
    pl_compared_rows rows = {0};
    pl_status status = pl_compared_read(cx.lab, cx.state, request, &rows, err);
    PL_THEN(
        request->form == FORM_TABLE ? make_rows_table(cx.state, &rows, out, err)
        : request->form == FORM_TASKS
            ? make_tasks_table(cx.state, &rows, out, err)
            : make_intervals(cx.state, &rows, request->form == FORM_KL, request->paper, out, err));
    pl_compared_free(&rows);
    return status;
}

const pl_kind pl_kind_comparison = {
    .name = "comparison",
    .title = "Comparison",
    .summary =
        "The settings of the last measured `compare`: perplexity or KL divergence with its "
        "standard error, or all numbers, or those of tasks, as a table that fills while they are "
        "measured",
    .forms = "perplexity|kl|table|tasks",
    .uses = PL_USES_COMPARISON,
    .commands = pl_compared_commands,
    .make = make_comparison,
    .look = {.help =
                 "Perplexity or KL divergence of the last measured `compare`: boxes of \u00b1 1 "
                 "standard error, whiskers of \u00b1 2; as a table * differs from the first "
                 "row.",
             .whole = true,
             .snaps = true,
             .say = pl_compared_say},
};
