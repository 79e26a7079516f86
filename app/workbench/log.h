/* app/workbench/log.h -- this run's commands and their results. */
#ifndef PL_APP_WORKBENCH_LOG_H
#define PL_APP_WORKBENCH_LOG_H

#include "core/base/text.h"
#include "views/screen_model.h"

enum { PL_LOG_LINES = 500 };

typedef struct pl_call_log {
    pl_log_line lines[PL_LOG_LINES]; /* oldest first */
    size_t count;
    bool light; /* the last one is a key's command */
} pl_call_log;

/* Adds a command that has just ended and took so many seconds.  light: a key made it; it replaces
 * the last line if that is of the same command, also made by a key. */
void pl_call_log_add(pl_call_log *log, const char *command, const char *result, bool ok,
                     double seconds, bool light);
/* The same for a command that began at `at` (seconds since 1970). */
void pl_call_log_add_at(pl_call_log *log, const char *command, const char *result, bool ok,
                        double seconds, bool light, int64_t at);
/* All of it as text. */
void pl_call_log_put(const pl_call_log *log, pl_buf *out);
void pl_call_log_deinit(pl_call_log *log);

#endif
