/* app/commands/compare_rows.h -- the measuring form of `compare`: settings from words, a row for
 * each. */
#ifndef PL_APP_COMMANDS_COMPARE_ROWS_H
#define PL_APP_COMMANDS_COMPARE_ROWS_H

#include "app/command.h"

/* Whether the call asks for measured rows: by a key such as windows=, or by a list of methods. */
bool pl_compare_measures(const pl_call *call);

/* The run half of such a call: solves and measures every setting that its words stand for, or finds
 * it in the store; the state does not change. */
PL_NODISCARD pl_status pl_compare_run_rows(pl_call *call, pl_context cx, pl_error *err);

/* A row of its result as a line of a paper's table, by the heads that stand there: what was
 * measured with its standard error, tasks with the difference of their mean.  Caller decrefs. */
json_t *pl_compare_paper_line(const json_t *row);

/* Its result for a person. */
void pl_compare_put_rows(const pl_call *call, pl_buf *out);
/* The same in a sentence. */
void pl_compare_put_line(const pl_call *call, pl_buf *out);

#endif
