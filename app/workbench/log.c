#include "app/workbench/log.h"

#include "views/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void free_log_line(pl_log_line *line)
{
    free(line->command);
    free(line->result);
}

void pl_call_log_add(pl_call_log *log, const char *command, const char *result, bool ok,
                     double seconds, bool light)
{
    pl_call_log_add_at(log, command, result, ok, seconds, light,
                       (int64_t)time(NULL) - (int64_t)seconds);
}

void pl_call_log_add_at(pl_call_log *log, const char *command, const char *result, bool ok,
                        double seconds, bool light, int64_t at)
{
    pl_log_line line = {.at = at,
                        .seconds = seconds,
                        .ok = ok,
                        .command = strdup(command),
                        .result = strdup(result)};
    const bool again = light && log->light;
    log->light = light;
    if (line.command == NULL || line.result == NULL) {
        free_log_line(&line);
        return;
    }
    const char *last = log->count > 0 ? log->lines[log->count - 1].command : "";
    size_t word = strcspn(command, " ");
    if (again && strncmp(last, command, word) == 0 && strcspn(last, " ") == word) {
        free_log_line(&log->lines[--log->count]);
    } else if (log->count == PL_LOG_LINES) {
        free_log_line(&log->lines[0]);
        log->count--;
        memmove(log->lines, log->lines + 1, log->count * sizeof *log->lines);
    }
    log->lines[log->count++] = line;
}

void pl_call_log_put(const pl_call_log *log, pl_buf *out)
{
    for (size_t i = 0; i < log->count; i++) {
        const pl_log_line *line = &log->lines[i];
        time_t at = (time_t)line->at;
        struct tm day = {0};
        char clock[32] = "";
        char seconds[PL_NUMBER_TEXT];
        localtime_r(&at, &day);
        /* A restored session's may be of another day. */
        const bool old = time(NULL) - at > 24 * 60 * 60;
        strftime(clock, sizeof clock, old ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &day);
        pl_format_seconds(line->seconds, seconds);
        pl_buf_printf(out, "%s  %s", clock, line->command);
        if (line->seconds > 0) {
            pl_buf_printf(out, "  (%s)", seconds);
        }
        pl_buf_puts(out, "\n");
        if (line->result[0] != '\0') {
            pl_buf_printf(out, "          %s%s\n", line->ok ? "" : "error: ", line->result);
        }
    }
}

void pl_call_log_deinit(pl_call_log *log)
{
    for (size_t i = 0; i < log->count; i++) {
        free_log_line(&log->lines[i]);
    }
    log->count = 0;
}
