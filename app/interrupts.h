/* app/interrupts.h -- what SIGINT, SIGTERM and SIGHUP do to a batch. */
#ifndef PL_APP_INTERRUPTS_H
#define PL_APP_INTERRUPTS_H

#include "core/base/error.h"

#include <stdbool.h>

/* They end the process, with one sentence; what was ignored from the start (nohup, a script's &)
 * stays so. */
void pl_interrupts_end_all(void);

/* From here on SIGINT asks only that the running command stops.  A process has one; NULL where it
 * asks for nothing. */
typedef struct pl_interrupts pl_interrupts;
PL_NODISCARD pl_status pl_interrupts_open(pl_interrupts **out, pl_error *err);
void pl_interrupts_close(pl_interrupts *interrupts);

/* Readable once somebody asked; -1 for NULL, which poll passes over. */
int pl_interrupts_fd(const pl_interrupts *interrupts);
/* Whether somebody asked since the last call. */
bool pl_interrupts_take(pl_interrupts *interrupts);

#endif
