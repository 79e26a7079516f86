/* app/workbench/log.h -- the commands of this run with what they gave. */
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

/* A command has ended that began so many seconds ago.  light: a key's, which takes the place of
 * the last line if that was the same command's and a key's, too. */
void pl_call_log_add(pl_call_log *log, const char *command, const char *result, bool ok,
                     double seconds, bool light);
/* The same of one that began at `at` (seconds since 1970). */
void pl_call_log_add_at(pl_call_log *log, const char *command, const char *result, bool ok,
                        double seconds, bool light, int64_t at);
/* All of it as text. */
void pl_call_log_put(const pl_call_log *log, pl_buf *out);
void pl_call_log_deinit(pl_call_log *log);

#endif
