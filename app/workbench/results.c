#include "app/workbench/results.h"

#include "app/workbench/acts.h"
#include "app/workbench/draft.h"
#include "app/workbench/figures.h"
#include "app/workbench/knob.h"
#include "app/workbench/learning.h"
#include "app/workbench/lines.h"
#include "app/workbench/parts.h"
#include "app/workbench/pixels.h"
#include "app/workbench/say.h"
#include "app/workbench/work.h"

static void take_picture(pl_screen *screen, pl_screen_job *job)
{
    if (job->picture != NULL && job->state.source == screen->state->source) {
        pl_sight_take(&screen->sight, job->picture, job->plan);
        job->picture = NULL;
    }
}

/* A perplexity beside the header, and in its own words. */
static void note_measured(pl_screen *screen, const pl_screen_job *job, pl_status status)
{
    pl_buf said = {0};
    if (status == PL_OK && job->call->command->brings == PL_BRINGS_PERPLEXITY &&
        job->state.source == screen->state->source &&
        pl_measuring_take(&screen->measuring, job->call, &said) && !said.failed) {
        pl_screen_say(screen, PL_MESSAGE_INFO, said.data);
    }
    pl_buf_deinit(&said);
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
        pl_screen_end_call(screen, call, 0, job->started, PL_OK, NULL);
        /* The picture has it already, unless another layer or other methods have been chosen
         * meanwhile. */
        screen->wants.picture =
            screen->state->layer != job->state.layer ||
            !pl_id_equal(job->plan, pl_state_plan(screen->state, job->state.layer));
        if (screen->wants.pin && !screen->wants.solve) {
            pl_screen_pin(screen);
        }
        return;
    }
    if (job->learn_first) {
        screen->wants.picture = true; /* the former transform's numbers are none of this one's */
        pl_screen_learn_first(screen, job->state.layer);
        return;
    }
    if (event->status == PL_ERR_CANCELLED && screen->wants.solve) {
        return;
    }
    bool cancelled = event->status == PL_ERR_CANCELLED;
    screen->wants.pin = false;
    pl_screen_say(screen, cancelled ? PL_MESSAGE_WARNING : PL_MESSAGE_ERROR,
                  cancelled ? "solve: cancelled" : event->error.message);
    screen->wants.picture = true;
}

static void end_scores(pl_screen *screen, const pl_screen_job *job, const pl_job_event *event)
{
    if (job->state.source != screen->state->source) {
        return;
    }
    if (event->status == PL_OK) {
        pl_scores_take(&screen->scores, job->first, job->count, job->rows);
        return;
    }
    pl_scores_fail(&screen->scores, event->status != PL_ERR_CANCELLED);
    if (event->status != PL_ERR_CANCELLED) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, event->error.message);
    }
}

static void end_job(pl_screen *screen, pl_screen_job *job, const pl_job_event *event)
{
    pl_call *call = job->call;
    pl_jobs_remember(&screen->jobs, job, event->status, event->error.message);
    switch (job->kind) {
    case PL_JOB_KIND_COMMAND:
        note_measured(screen, job, event->status);
        screen->resume.shown = job->shown;
        job->call = NULL;
        pl_screen_end_call(screen, call, job->line, job->started, event->status, &event->error);
        break;
    case PL_JOB_KIND_LIVE:
        end_live(screen, job, event);
        break;
    case PL_JOB_KIND_PICTURE:
        take_picture(screen, job);
        if (event->status != PL_OK && job->state.source == screen->state->source) {
            pl_sight_fail(&screen->sight, event->error.message);
        }
        break;
    case PL_JOB_KIND_SCORES:
        end_scores(screen, job, event);
        break;
    case PL_JOB_KIND_READY:
    case PL_JOB_KIND_MEANING:
        pl_knob_end_idle(screen, job, event->status);
        break;
    case PL_JOB_KIND_FIGURE:
        pl_figures_take(screen, job, event);
        pl_draft_take(screen, job, event);
        break;
    case PL_JOB_KIND_PIXELS:
        pl_pixels_take(screen, job, event);
        break;
    case PL_JOB_KIND_PLAIN:
        pl_sight_take_plain(&screen->sight, &job->report, job->plan, job->state.layer,
                            event->status);
        break;
    default:
        if (event->status == PL_OK) {
            pl_screen_new_inputs(screen);
        } else if (event->status == PL_ERR_CANCELLED) {
            pl_screen_say(screen, PL_MESSAGE_WARNING, "calibrate: cancelled");
        } else {
            pl_screen_say(screen, PL_MESSAGE_ERROR, event->error.message);
        }
        break;
    }
    pl_jobs_destroy(job);
}

bool pl_screen_take_events(pl_screen *screen)
{
    pl_job_event event;
    bool any = pl_knob_take_frames(screen);
    while (pl_worker_next(screen->jobs.worker, &event)) {
        any = true;
        pl_screen_job *ended = pl_jobs_take(&screen->jobs, &event);
        if (ended != NULL) {
            end_job(screen, ended, &event);
        } else if (event.learns && pl_jobs_of_id(&screen->jobs, event.job) != NULL) {
            pl_screen_note_learning(screen);
        }
    }
    return any;
}
