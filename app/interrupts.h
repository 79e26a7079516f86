/* app/interrupts.h -- what SIGINT, SIGTERM and SIGHUP do to a batch. */
#ifndef PL_APP_INTERRUPTS_H
#define PL_APP_INTERRUPTS_H

#include "core/base/error.h"

#include <stdbool.h>

/* They end the process, with one sentence; signals that were ignored from the start (nohup, a
 * script's &) stay ignored. */
void pl_interrupts_end_all(void);

/* From here on SIGINT only asks the running command to stop.  A process has one. */
typedef struct pl_interrupts pl_interrupts;
PL_NODISCARD pl_status pl_interrupts_open(pl_interrupts **out, pl_error *err);
void pl_interrupts_close(pl_interrupts *interrupts);

/* Readable when SIGINT has come; -1 for NULL, which poll ignores. */
int pl_interrupts_fd(const pl_interrupts *interrupts);
/* Whether SIGINT has come since the last call. */
bool pl_interrupts_take(pl_interrupts *interrupts);

#endif
