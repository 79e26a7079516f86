/* The lists of jobs and of commands that the screen shows, and what is known of solved layers. */
#include "app/workbench/parts.h"
#include "core/base/clock.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- jobs ------------------------------------------------------------------------------------ */

bool pl_screen_job_is_own(const pl_screen_job *job)
{
    switch (job->kind) {
    case PL_JOB_KIND_COMMAND:
    case PL_JOB_KIND_LIVE:
    case PL_JOB_KIND_PREPARE:
        return false;
    case PL_JOB_KIND_FIGURE:
        return !job->request.kind->slow; /* one waits for a slow one */
    default:
        return true;
    }
}

/* The worker takes urgent jobs first, and goes on with the ordinary one it has begun. */
static bool is_running(const pl_screen *screen, const pl_screen_job *job)
{
    if (job->shown.share > 0) {
        return true;
    }
    for (const pl_screen_job *other = screen->jobs; other != NULL; other = other->next) {
        if (other == job) {
            return true; /* none before it in its class */
        }
        if (other->urgent || !job->urgent) {
            return false;
        }
    }
    return false;
}

static pl_job_row row_of(const pl_screen *screen, const pl_screen_job *job)
{
    pl_job_row row = {.line = job->shown, .id = job->id, .own = pl_screen_job_is_own(job)};
    row.line.seconds = pl_clock_now() - job->started;
    row.phase = is_running(screen, job) ? PL_JOB_PHASE_RUNNING : PL_JOB_PHASE_QUEUED;
    return row;
}

void pl_screen_fill_lists(pl_screen *screen)
{
    pl_screen_lists *lists = &screen->lists;
    size_t need = lists->n_ended;
    for (const pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        need++;
    }
    if (need > lists->capacity) {
        pl_job_row *rows = realloc(lists->rows, (need + 16) * sizeof *rows);
        if (rows == NULL) {
            screen->model.n_all_jobs = 0;
            return;
        }
        lists->rows = rows;
        lists->capacity = need + 16;
    }
    size_t n = 0;
    for (int running = 1; running >= 0; running--) {
        for (const pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
            pl_job_row row = row_of(screen, job);
            if ((row.phase == PL_JOB_PHASE_RUNNING) == (running == 1)) {
                lists->rows[n++] = row;
            }
        }
    }
    for (size_t i = 0; i < lists->n_ended; i++) {
        lists->rows[n++] = lists->ended[i];
    }
    screen->model.all_jobs = lists->rows;
    screen->model.n_all_jobs = n;
    screen->model.log = lists->log;
    screen->model.n_log = lists->n_log;
}

void pl_screen_job_ended(pl_screen *screen, const pl_screen_job *job, pl_status status,
                         const char *why)
{
    pl_screen_lists *lists = &screen->lists;
    pl_job_row row = row_of(screen, job);
    row.phase = status == PL_OK              ? PL_JOB_PHASE_DONE
                : status == PL_ERR_CANCELLED ? PL_JOB_PHASE_CANCELLED
                                             : PL_JOB_PHASE_FAILED;
    if (row.own && row.phase != PL_JOB_PHASE_FAILED) {
        return; /* many, small, and nobody asked for them */
    }
    snprintf(row.why, sizeof row.why, "%.*s", (int)sizeof row.why - 1, why != NULL ? why : "");
    pl_text_trim_utf8(row.why);
    size_t keep = lists->n_ended < PL_ENDED_JOBS ? lists->n_ended : PL_ENDED_JOBS - 1;
    memmove(lists->ended + 1, lists->ended, keep * sizeof *lists->ended);
    lists->ended[0] = row;
    lists->n_ended = keep + 1;
}

/* --- the log --------------------------------------------------------------------------------- */

static void free_line(pl_log_line *line)
{
    free(line->command);
    free(line->result);
}

void pl_screen_log(pl_screen *screen, const char *command, const char *result, bool ok,
                   double seconds, bool again)
{
    pl_screen_lists *lists = &screen->lists;
    pl_log_line line = {.at = (int64_t)time(NULL) - (int64_t)seconds,
                        .seconds = seconds,
                        .ok = ok,
                        .command = strdup(command),
                        .result = strdup(result)};
    if (line.command == NULL || line.result == NULL) {
        free_line(&line);
        return;
    }
    const char *last = lists->n_log > 0 ? lists->log[lists->n_log - 1].command : "";
    size_t word = strcspn(command, " ");
    if (again && strncmp(last, command, word) == 0 && strcspn(last, " ") == word) {
        free_line(&lists->log[--lists->n_log]);
    } else if (lists->n_log == PL_LOG_LINES) {
        free_line(&lists->log[0]);
        lists->n_log--;
        memmove(lists->log, lists->log + 1, lists->n_log * sizeof *lists->log);
    }
    lists->log[lists->n_log++] = line;
}

void pl_screen_show_log(pl_screen *screen)
{
    pl_buf text = {0};
    for (size_t i = 0; i < screen->lists.n_log; i++) {
        const pl_log_line *line = &screen->lists.log[i];
        time_t at = (time_t)line->at;
        struct tm day = {0};
        char clock[16] = "";
        char seconds[PL_NUMBER_TEXT];
        localtime_r(&at, &day);
        strftime(clock, sizeof clock, "%H:%M:%S", &day);
        pl_format_seconds(line->seconds, seconds);
        pl_buf_printf(&text, "%s  %s", clock, line->command);
        if (line->seconds > 0) {
            pl_buf_printf(&text, "  (%s)", seconds);
        }
        pl_buf_puts(&text, "\n");
        if (line->result[0] != '\0') {
            pl_buf_printf(&text, "          %s%s\n", line->ok ? "" : "error: ", line->result);
        }
    }
    pl_error err = {0};
    const char *s = text.data != NULL ? text.data : "nothing yet";
    if (pl_help_show(&screen->help, "Log of this session", s, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    } else {
        screen->help.top = SIZE_MAX; /* the newest */
    }
    pl_buf_deinit(&text);
}

void pl_screen_free_lists(pl_screen *screen)
{
    for (size_t i = 0; i < screen->lists.n_log; i++) {
        free_line(&screen->lists.log[i]);
    }
    free(screen->lists.rows);
}

/* --- solved layers --------------------------------------------------------------------------- */

void pl_screen_keep_solutions(pl_screen *screen, const pl_call *call)
{
    for (size_t i = 0; i < call->n_solved; i++) {
        if (call->solved[i].layer < screen->overview.n) {
            pl_layer_row_solved(&screen->overview.rows[call->solved[i].layer],
                                call->solved[i].result, &call->solved[i].report);
        }
    }
}
