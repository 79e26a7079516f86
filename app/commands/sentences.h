/* app/commands/sentences.h -- results as sentences for the message line, for
 * pl_command.put_line. */
#ifndef PL_APP_COMMANDS_SENTENCES_H
#define PL_APP_COMMANDS_SENTENCES_H

#include "app/command.h"

void pl_line_activations(const pl_call *call, pl_buf *out);
void pl_line_calibrate(const pl_call *call, pl_buf *out);
void pl_line_cost(const pl_call *call, pl_buf *out);
void pl_line_export(const pl_call *call, pl_buf *out);
void pl_line_file(const pl_call *call, pl_buf *out); /* plot, figure, dump */
void pl_line_info(const pl_call *call, pl_buf *out); /* open, too */
void pl_line_kv(const pl_call *call, pl_buf *out);
void pl_line_learn(const pl_call *call, pl_buf *out);
void pl_line_massive(const pl_call *call, pl_buf *out);
void pl_line_method(const pl_call *call, pl_buf *out);
void pl_line_perplexity(const pl_call *call, pl_buf *out);
void pl_line_save(const pl_call *call, pl_buf *out);
void pl_line_select(const pl_call *call, pl_buf *out);
void pl_line_solve(const pl_call *call, pl_buf *out);
void pl_line_sweep(const pl_call *call, pl_buf *out);

/* Appends "; 28 layers of this setting are in the store", or nothing. */
void pl_put_stored(const pl_call *call, pl_buf *out);

#endif
