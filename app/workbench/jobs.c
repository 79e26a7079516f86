#include "app/workbench/jobs.h"

#include "core/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- one job ---------------------------------------------------------------------------------- */

void pl_jobs_destroy(pl_screen_job *job)
{
    if (job != NULL) {
        pl_state_deinit(&job->state);
        pl_call_destroy(job->call);
        pl_picture_destroy(job->picture);
        pl_picture_destroy(atomic_load(&job->frame));
        pl_figure_deinit(&job->figure);
        pl_figure_deinit(&job->beside);
        pl_buf_deinit(&job->image);
        free(job);
    }
}

pl_status pl_jobs_create(const pl_jobs *jobs, pl_job_kind kind, const char *name,
                         const pl_state *state, pl_screen_job **out, pl_error *err)
{
    *out = NULL;
    pl_screen_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return pl_error_memory(err, "a job");
    }
    pl_status status = pl_state_copy(&job->state, state, err);
    if (status != PL_OK) {
        free(job);
        return status;
    }
    job->kind = kind;
    job->worker = jobs->worker;
    job->lab = jobs->lab;
    job->started = pl_clock_now();
    snprintf(job->shown.name, sizeof job->shown.name, "%s", name);
    if (job->state.source != NULL) {
        job->plan = pl_state_plan(&job->state, job->state.layer);
    }
    *out = job;
    return PL_OK;
}

pl_status pl_jobs_submit(pl_jobs *jobs, pl_screen_job *job, pl_urgency urgency,
                         pl_status (*run)(void *job, pl_task *task, pl_error *err), pl_error *err)
{
    job->urgent = urgency == PL_JOB_URGENT;
    const char *unit = job->kind == PL_JOB_KIND_COMMAND   ? pl_call_unit(job->call)
                       : job->kind == PL_JOB_KIND_PREPARE ? "tokens"
                       : job->kind == PL_JOB_KIND_FIGURE  ? job->request.kind->unit
                                                          : NULL;
    job->id = pl_worker_submit(jobs->worker, urgency, job->shown.name, unit, run, job);
    if (job->id == 0) {
        job->call = NULL;
        pl_jobs_destroy(job);
        return pl_error_memory(err, "a job");
    }
    pl_screen_job **end = &jobs->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = job;
    return PL_OK;
}

/* --- looking for one -------------------------------------------------------------------------- */

/* The screen's own: nobody asked for it or waits for it. */
static bool is_own_job(const pl_screen_job *job)
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

pl_screen_job *pl_jobs_find(const pl_jobs *jobs, pl_job_kind kind)
{
    pl_screen_job *job = jobs->first;
    while (job != NULL && job->kind != kind) {
        job = job->next;
    }
    return job;
}

pl_screen_job *pl_jobs_of_id(const pl_jobs *jobs, uint64_t id)
{
    pl_screen_job *job = jobs->first;
    while (job != NULL && job->id != id) {
        job = job->next;
    }
    return job;
}

pl_screen_job *pl_jobs_bringing(const pl_jobs *jobs, pl_brings what)
{
    pl_screen_job *job = jobs->first;
    while (job != NULL &&
           (job->kind != PL_JOB_KIND_COMMAND || job->call->command->brings != what)) {
        job = job->next;
    }
    return job;
}

const pl_screen_job *pl_jobs_slow(const pl_jobs *jobs)
{
    const pl_screen_job *job = jobs->first;
    while (job != NULL && (job->kind != PL_JOB_KIND_COMMAND || !pl_call_is_slow(job->call))) {
        job = job->next;
    }
    return job;
}

bool pl_jobs_slow_run(const pl_jobs *jobs)
{
    return pl_jobs_slow(jobs) != NULL;
}

void pl_jobs_cancel(const pl_jobs *jobs, const pl_screen_job *job)
{
    pl_worker_cancel(jobs->worker, job->id);
}

/* --- events ----------------------------------------------------------------------------------- */

pl_screen_job *pl_jobs_take(pl_jobs *jobs, const pl_job_event *event)
{
    pl_screen_job **at = &jobs->first;
    while (*at != NULL && (*at)->id != event->job) {
        at = &(*at)->next;
    }
    pl_screen_job *job = *at;
    if (job == NULL) {
        return NULL;
    }
    if (event->done) {
        *at = job->next;
        return job;
    }
    memcpy(job->shown.what, event->what, sizeof job->shown.what);
    job->shown.amount = event->amount;
    job->shown.total = event->total;
    job->shown.share = event->share;
    return NULL;
}

void pl_jobs_stop(pl_jobs *jobs)
{
    for (const pl_screen_job *job = jobs->first; job != NULL; job = job->next) {
        pl_jobs_cancel(jobs, job);
    }
    while (jobs->first != NULL) {
        pl_worker_wait(jobs->worker);
        pl_job_event event;
        while (pl_worker_next(jobs->worker, &event)) {
            pl_jobs_destroy(pl_jobs_take(jobs, &event));
        }
    }
    free(jobs->rows);
    jobs->rows = NULL;
    jobs->capacity = 0;
}

/* --- the list --------------------------------------------------------------------------------- */

/* The worker takes urgent jobs first, and goes on with the ordinary one it has begun.  of_user: the
 * screen's own jobs do not count: they are short, and behind them it is this one's turn. */
static bool is_first(const pl_jobs *jobs, const pl_screen_job *job, bool of_user)
{
    if (job->shown.share > 0) {
        return true;
    }
    for (const pl_screen_job *other = jobs->first; other != NULL; other = other->next) {
        if (other == job) {
            return true; /* none before it in its class */
        }
        if ((other->urgent || !job->urgent) && !(of_user && is_own_job(other))) {
            return false;
        }
    }
    return false;
}

/* What runs comes before what waits, and what the user has asked for before the calibration that a
 * model brings; among equals the newest. */
static int cancel_rank(const pl_jobs *jobs, const pl_screen_job *job)
{
    if (is_own_job(job)) {
        return 0;
    }
    return job->kind == PL_JOB_KIND_PREPARE ? 1 : is_first(jobs, job, true) ? 3 : 2;
}

pl_screen_job *pl_jobs_to_cancel(const pl_jobs *jobs)
{
    pl_screen_job *chosen = NULL;
    int best = 1;
    for (pl_screen_job *job = jobs->first; job != NULL; job = job->next) {
        const int rank = cancel_rank(jobs, job);
        chosen = rank >= best ? job : chosen;
        best = rank >= best ? rank : best;
    }
    return chosen;
}

static pl_job_row job_row(const pl_jobs *jobs, const pl_screen_job *job)
{
    pl_job_row row = {.line = job->shown, .id = job->id, .own = is_own_job(job)};
    row.line.seconds = pl_clock_now() - job->started;
    row.phase = is_first(jobs, job, false) ? PL_JOB_PHASE_RUNNING : PL_JOB_PHASE_QUEUED;
    return row;
}

const pl_job_row *pl_jobs_list(pl_jobs *jobs, size_t *count)
{
    size_t need = jobs->n_ended;
    *count = 0;
    for (const pl_screen_job *job = jobs->first; job != NULL; job = job->next) {
        need++;
    }
    if (need > jobs->capacity) {
        pl_job_row *rows = realloc(jobs->rows, (need + 16) * sizeof *rows);
        if (rows == NULL) {
            return jobs->rows;
        }
        jobs->rows = rows;
        jobs->capacity = need + 16;
    }
    for (int running = 1; running >= 0; running--) {
        for (const pl_screen_job *job = jobs->first; job != NULL; job = job->next) {
            pl_job_row row = job_row(jobs, job);
            if ((row.phase == PL_JOB_PHASE_RUNNING) == (running == 1)) {
                jobs->rows[(*count)++] = row;
            }
        }
    }
    for (size_t i = 0; i < jobs->n_ended; i++) {
        jobs->rows[(*count)++] = jobs->ended[i];
    }
    return jobs->rows;
}

void pl_jobs_remember(pl_jobs *jobs, const pl_screen_job *job, pl_status status, const char *why)
{
    pl_job_row row = job_row(jobs, job);
    row.phase = status == PL_OK              ? PL_JOB_PHASE_DONE
                : status == PL_ERR_CANCELLED ? PL_JOB_PHASE_CANCELLED
                                             : PL_JOB_PHASE_FAILED;
    if (row.own && row.phase != PL_JOB_PHASE_FAILED) {
        return; /* many, small, and nobody asked for them */
    }
    snprintf(row.why, sizeof row.why, "%.*s", (int)sizeof row.why - 1, why != NULL ? why : "");
    pl_text_trim_utf8(row.why);
    size_t keep = jobs->n_ended < PL_ENDED_JOBS ? jobs->n_ended : PL_ENDED_JOBS - 1;
    memmove(jobs->ended + 1, jobs->ended, keep * sizeof *jobs->ended);
    jobs->ended[0] = row;
    jobs->n_ended = keep + 1;
}
