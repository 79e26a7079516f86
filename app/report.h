/* app/report.h -- results as commands and screen show them. */
#ifndef PL_APP_REPORT_H
#define PL_APP_REPORT_H

#include "app/command.h"
#include "core/base/table.h"
#include "core/study/token_context.h"

/* The significant digits of a perplexity, by its standard error; 5 where that is unknown.  format:
 * prints at least one digit, and zeros for the others before the point. */
int pl_perplexity_digits(const pl_call *call);
void pl_format_digits(double value, int digits, char *out, size_t capacity);

/* Puts a solve's report, of a layer or all, into a result.  sequential: solved in sequence. */
void pl_put_solve(json_t *result, const pl_solve_report *report, bool sequential);

/* Passes a solved layer on to the call's apply half. */
PL_NODISCARD pl_status pl_note_result(pl_call *call, const pl_state *state, size_t layer,
                                      pl_id result, bool sequential, const pl_solve_report *report,
                                      pl_error *err);
/* The same as the ctx of a pl_solved_fn; status and err keep the first failure. */
typedef struct pl_collector {
    pl_call *call;
    const pl_state *state;
    bool sequential;
    pl_status status;
    pl_error *err;
} pl_collector;
void pl_collect_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report);

/* Both, for a layer that was solved alone. */
PL_NODISCARD pl_status pl_note_solve(pl_call *call, const pl_state *state, size_t layer,
                                     pl_id result, const pl_solve_report *report, pl_error *err);

/* Adds the place of a token in the text: "window", "window_position", and "context" if the text can
 * be read; null where no window holds it. */
void pl_put_token_context(json_t *line, const pl_token_context *context, size_t position);

/* An array of objects as a table: a column for each plain key of the first object; null gives an
 * empty cell.  Caller deinits out; empty on failure. */
PL_NODISCARD pl_status pl_rows_table(json_t *rows, pl_table *out, pl_error *err);

/* PL_ERR_USAGE where there is a file= that does not end in .csv, .tex or .json. */
PL_NODISCARD pl_status pl_rows_check_file(const pl_call *call, pl_error *err);

/* Writes that table to the call's file=, and names the file in the result; LaTeX begins with a
 * comment of commands that make it again; JSON is the rows.  Does nothing without file=. */
PL_NODISCARD pl_status pl_rows_write(pl_call *call, const pl_state *state, json_t *rows,
                                     pl_task *task, pl_error *err);

/* The same where the state's commands and the call alone would not make the rows again: made_by are
 * the commands that do, the call's own, which names no kept setting that they do not make, last. */
PL_NODISCARD pl_status pl_rows_write_made_by(pl_call *call, const pl_state *state, json_t *rows,
                                             const char *made_by, pl_task *task, pl_error *err);

/* Appends the call as such commands have it: without its file=, texts by their names alone. */
void pl_rows_put_call(const pl_call *call, pl_buf *commands);

#endif
