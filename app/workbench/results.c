/* What the worker's jobs bring to the screen when they end, and what they start from. */
#include "app/workbench/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_picture(pl_screen *screen, pl_screen_job *job)
{
    if (job->picture == NULL || job->state.source != screen->state->source) {
        return;
    }
    pl_picture_destroy(screen->picture);
    screen->picture = job->picture;
    job->picture = NULL;
    screen->picture_plan = job->plan;
    screen->picture_error[0] = '\0';
}

static void end_live(pl_screen *screen, pl_screen_job *job, const pl_job_event *event)
{
    if (job->state.source != screen->state->source) {
        return;
    }
    if (event->status == PL_OK) {
        take_picture(screen, job);
        pl_call *call = job->call;
        job->call = NULL;
        pl_screen_end_call(screen, call, 0, PL_OK, NULL);
        /* The picture has it already, unless another layer has been selected meanwhile. */
        screen->picture_wanted = screen->state->layer != job->state.layer;
        if (screen->live.pin_later && !screen->live_wanted) {
            pl_screen_pin(screen);
        }
        return;
    }
    if (job->learn_first) {
        screen->picture_wanted = true; /* the former transform's numbers are none of this one's */
        pl_screen_learn_first(screen, job);
        return;
    }
    if (event->status == PL_ERR_CANCELLED && screen->live_wanted) {
        return;
    }
    bool cancelled = event->status == PL_ERR_CANCELLED;
    screen->live.pin_later = false;
    pl_screen_say(screen, cancelled ? PL_MESSAGE_WARNING : PL_MESSAGE_ERROR,
                  cancelled ? "solve: cancelled" : event->error.message);
    screen->picture_wanted = true;
}

static void end_scores(pl_screen *screen, const pl_screen_job *job, const pl_job_event *event)
{
    if (job->state.source != screen->state->source) {
        return;
    }
    if (event->status != PL_OK) {
        screen->scores_failed = event->status != PL_ERR_CANCELLED;
        if (screen->scores_failed) {
            pl_screen_say(screen, PL_MESSAGE_ERROR, event->error.message);
        }
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        screen->overview.rows[job->first + i] = job->rows[i];
        screen->scored[job->first + i] = true;
    }
}

static void end_job(pl_screen *screen, pl_screen_job *job, const pl_job_event *event)
{
    pl_call *call = job->call;
    screen->call_began = job->started;
    pl_screen_job_ended(screen, job, event->status, event->error.message);
    switch (job->kind) {
    case PL_JOB_KIND_COMMAND:
        pl_screen_note_measured(screen, job, event->status);
        job->call = NULL;
        pl_screen_end_call(screen, call, job->line, event->status, &event->error);
        break;
    case PL_JOB_KIND_LIVE:
        end_live(screen, job, event);
        break;
    case PL_JOB_KIND_PICTURE:
        take_picture(screen, job);
        if (event->status != PL_OK && job->state.source == screen->state->source) {
            snprintf(screen->picture_error, sizeof screen->picture_error, "%s",
                     event->error.message);
        }
        break;
    case PL_JOB_KIND_SCORES:
        end_scores(screen, job, event);
        break;
    case PL_JOB_KIND_READY:
    case PL_JOB_KIND_MEANING:
        pl_screen_end_idle(screen, job, event->status);
        break;
    case PL_JOB_KIND_FIGURE:
        pl_screen_end_figure(screen, job, event);
        break;
    case PL_JOB_KIND_PLAIN:
        screen->plain = job->report;
        screen->have_plain = event->status == PL_OK && job->state.layer == screen->plain_layer &&
                             pl_id_equal(job->plan, screen->plain_plan);
        if (event->status == PL_ERR_CANCELLED) {
            screen->plain_plan = (pl_id){0};
        }
        break;
    default:
        if (event->status == PL_OK) {
            pl_screen_new_inputs(screen);
        } else {
            pl_screen_say(screen, PL_MESSAGE_ERROR, event->error.message);
        }
        break;
    }
    screen->call_began = 0;
    pl_screen_destroy_job(job);
}

void pl_screen_take_events(pl_screen *screen)
{
    pl_job_event event;
    pl_screen_take_frames(screen);
    while (pl_worker_next(screen->options->worker, &event)) {
        screen->dirty = true;
        for (pl_screen_job **at = &screen->jobs; *at != NULL; at = &(*at)->next) {
            pl_screen_job *job = *at;
            if (job->id != event.job) {
                continue;
            }
            if (event.done) {
                *at = job->next;
                end_job(screen, job, &event);
            } else {
                memcpy(job->shown.what, event.what, sizeof job->shown.what);
                job->shown.amount = event.amount;
                job->shown.total = event.total;
                job->shown.share = event.share;
                if (event.learns) {
                    pl_screen_note_learning(screen);
                }
            }
            break;
        }
    }
}

bool pl_screen_cancel(pl_screen *screen)
{
    pl_screen_job *last = NULL;
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        last = pl_screen_job_is_own(job) ? last : job;
    }
    if (last != NULL) {
        screen->live_wanted = screen->live_wanted && last->kind != PL_JOB_KIND_LIVE;
        pl_worker_cancel(screen->options->worker, last->id);
    }
    return last != NULL;
}

void pl_screen_cancel_job(pl_screen *screen, uint64_t id)
{
    for (const pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        if (job->id == id) {
            screen->live_wanted = screen->live_wanted && job->kind != PL_JOB_KIND_LIVE;
            pl_worker_cancel(screen->options->worker, id);
        }
    }
}

void pl_screen_stop_jobs(pl_screen *screen)
{
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        pl_worker_cancel(screen->options->worker, job->id);
    }
    while (screen->jobs != NULL) {
        pl_worker_wait(screen->options->worker);
        pl_job_event event;
        while (pl_worker_next(screen->options->worker, &event)) {
            for (pl_screen_job **at = &screen->jobs; *at != NULL; at = &(*at)->next) {
                pl_screen_job *job = *at;
                if (event.done && job->id == event.job) {
                    *at = job->next;
                    pl_screen_destroy_job(job);
                    break;
                }
            }
        }
    }
    pl_screen_free_live(screen);
}

void pl_screen_new_inputs(pl_screen *screen)
{
    for (size_t i = 0; i < screen->overview.n; i++) {
        screen->scored[i] = false;
        for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
            if (pl_columns[c].source == PL_OF_INPUTS) {
                screen->overview.rows[i].number[c] = NAN;
            }
        }
    }
    screen->picture_wanted = true;
    screen->scores_failed = false;
}

void pl_screen_new_model(pl_screen *screen)
{
    pl_picture_destroy(screen->picture);
    screen->picture = NULL;
    free(screen->overview.rows);
    free(screen->scored);
    screen->overview = (pl_overview){0};
    screen->scored = NULL;
    screen->scores_failed = false;
    screen->picture_error[0] = '\0';
    screen->have_plain = false;
    screen->plain_plan = (pl_id){0};
    screen->live.have_measured = false;
    screen->live.measure[0] = '\0';
    screen->live.ready_source = NULL;
    const pl_source *source = screen->state->source;
    size_t n = source != NULL ? pl_model_layer_count(source->model) : 0;
    screen->overview.rows = calloc(n + 1, sizeof *screen->overview.rows);
    screen->scored = calloc(n + 1, sizeof *screen->scored);
    if (screen->overview.rows != NULL && screen->scored != NULL) {
        screen->overview.n = n;
    }
    for (size_t i = 0; i < screen->overview.n; i++) {
        screen->overview.rows[i] = pl_layer_row_empty();
    }
    screen->picture_wanted = true;
    screen->live_wanted = screen->solve_later = false;
    screen->prepare_wanted = source != NULL && pl_source_has_inputs(source);
    pl_screen_drop_figures(screen);
    screen->model.views.layers.top = 0;
}
