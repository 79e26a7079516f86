/* app/report.h -- results as the commands and the screen say them. */
#ifndef PL_APP_REPORT_H
#define PL_APP_REPORT_H

#include "app/command.h"
#include "core/base/table.h"
#include "core/study/token_context.h"

/* A perplexity with the digits that its spread leaves; 5 where that is not known.  At least one
 * digit is written, zeros stand for the others before the point. */
int pl_perplexity_digits(const pl_call *call);
void pl_format_digits(double value, int digits, char *out, size_t capacity);

/* What `solve` says of a layer, or of all.  sequential: they were solved on the inputs that the
 * layers solved before them give. */
void pl_put_solve(json_t *result, const pl_solve_report *report, bool sequential);

/* Adds a solved layer to what the call hands on to its apply half. */
PL_NODISCARD pl_status pl_note_result(pl_call *call, const pl_state *state, size_t layer,
                                      pl_id result, bool sequential, const pl_solve_report *report,
                                      pl_error *err);
/* The same as a pl_solved_fn's ctx: the first failure stays in status and err. */
typedef struct pl_collector {
    pl_call *call;
    const pl_state *state;
    bool sequential;
    pl_status status;
    pl_error *err;
} pl_collector;
void pl_collect_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report);

/* What `solve` says and hands on once a layer is solved, for who has solved it by itself. */
PL_NODISCARD pl_status pl_note_solve(pl_call *call, const pl_state *state, size_t layer,
                                     pl_id result, const pl_solve_report *report, pl_error *err);

/* Adds where a token of the text stands: "window", "window_position", "context", where
 * its text is at hand; null where no window holds it. */
void pl_put_token_context(json_t *line, const pl_token_context *context, size_t position);

/* An array of objects as a table: a column for each plain key of the first, null is nothing.
 * Caller deinits out; empty on failure. */
PL_NODISCARD pl_status pl_rows_table(json_t *rows, pl_table *out, pl_error *err);

/* PL_ERR_USAGE where there is a file= that does not end in .csv, .tex or .json. */
PL_NODISCARD pl_status pl_rows_check_file(const pl_call *call, pl_error *err);

/* Writes that table to the call's file=, which goes to the result; LaTeX behind a comment with the
 * commands that make it again, JSON as the rows are.  Without file= it does nothing. */
PL_NODISCARD pl_status pl_rows_write(pl_call *call, const pl_state *state, json_t *rows,
                                     pl_task *task, pl_error *err);

#endif
