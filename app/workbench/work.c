#include "app/workbench/work.h"

#include "app/workbench/draft.h"
#include "app/workbench/figures.h"
#include "app/workbench/knob.h"
#include "app/workbench/parts.h"
#include "app/workbench/pixels.h"
#include "app/workbench/say.h"
#include "core/base/clock.h"
#include "core/model/bare.h"
#include "views/panel.h"

#include <stdio.h>
#include <stdlib.h>

/* A superseded live solve is cancelled as soon as it has shown a frame, so that a held key still
 * shows frames, or when it has run too long without one. */
static const double SUPERSEDED_SECONDS = 0.25;

/* --- on the worker ---------------------------------------------------------------------------- */

static pl_status run_command_job(pl_screen_job *job, pl_task *task, pl_error *err)
{
    pl_lab_begin(job->lab);
    pl_status status = pl_call_run(job->call, pl_job_context(job, task), err);
    char *warning = pl_lab_take_warning(job->lab);
    if (warning != NULL) {
        free(job->call->warning);
        job->call->warning = warning;
    }
    return status;
}

static pl_status run_plain(pl_screen_job *job, pl_task *task, pl_error *err)
{
    pl_id result;
    return pl_solve_layer(pl_job_context(job, task), job->state.layer, &job->report, &result, err);
}

static pl_status run_prepare(pl_screen_job *job, pl_task *task, pl_error *err)
{
    pl_id key;
    return pl_lab_calibration(pl_job_context(job, task), &key, err);
}

static pl_status run_scores(pl_screen_job *job, pl_task *task, pl_error *err)
{
    return pl_layer_rows(pl_job_context(job, task), job->first, job->count, job->rows, err);
}

static pl_status run_screen_job(void *arg, pl_task *task, pl_error *err)
{
    pl_screen_job *job = arg;
    switch (job->kind) {
    case PL_JOB_KIND_COMMAND:
        return run_command_job(job, task, err);
    case PL_JOB_KIND_LIVE:
        return pl_knob_run_solve(job, task, err);
    case PL_JOB_KIND_PICTURE:
        return pl_picture_create(pl_job_context(job, task), job->state.layer, &job->picture, err);
    case PL_JOB_KIND_SCORES:
        return run_scores(job, task, err);
    case PL_JOB_KIND_PLAIN:
        return run_plain(job, task, err);
    case PL_JOB_KIND_READY:
    case PL_JOB_KIND_MEANING:
        return pl_knob_run_idle(job, task, err);
    default:
        return run_prepare(job, task, err);
    }
}

/* --- submitting ------------------------------------------------------------------------------- */

/* A solve that has to learn its transform first leaves room for pictures of that. */
static bool learns_first(const pl_state *state, const pl_call *call)
{
    return state->source != NULL && call->command->learns &&
           pl_spec_is_learned(pl_state_spec(state, state->layer, PL_SLOT_TRANSFORM));
}

pl_status pl_screen_submit_call(pl_screen *screen, pl_call *call, uint64_t line, pl_error *err)
{
    pl_screen_job *job = NULL;
    const bool slow = pl_call_is_slow(call);
    const bool ordinary = slow || learns_first(screen->state, call);
    char shown[48];
    snprintf(shown, sizeof shown, "%s%s", call->command->name,
             slow && pl_call_is_of_all(call) ? " all" : "");
    pl_status status =
        pl_jobs_create(&screen->jobs, PL_JOB_KIND_COMMAND, shown, screen->state, &job, err);
    if (status == PL_OK) {
        job->call = call;
        job->line = line;
        status = pl_jobs_submit(&screen->jobs, job, ordinary ? PL_JOB_ORDINARY : PL_JOB_URGENT,
                                run_screen_job, err);
    }
    if (status == PL_OK && screen->options->begun != NULL && slow && pl_call_unit(call) != NULL) {
        screen->options->begun(screen->options->ctx, call, screen->state);
    }
    return status;
}

/* Submits one of the screen's own jobs; if that fails, the next round of the loop tries again. */
static bool start_job(pl_screen *screen, pl_screen_job *job, pl_urgency urgency)
{
    return pl_jobs_submit(&screen->jobs, job, urgency, run_screen_job, NULL) == PL_OK;
}

static bool new_job(pl_screen *screen, pl_job_kind kind, const char *name, pl_screen_job **out)
{
    return pl_jobs_create(&screen->jobs, kind, name, screen->state, out, NULL) == PL_OK;
}

static void start_live(pl_screen *screen)
{
    pl_screen_job *running = pl_jobs_find(&screen->jobs, PL_JOB_KIND_LIVE);
    pl_screen_job *plain = pl_jobs_find(&screen->jobs, PL_JOB_KIND_PLAIN);
    if (plain != NULL) {
        pl_jobs_cancel(&screen->jobs, plain);
    }
    if (running != NULL) {
        bool other = running->state.layer != screen->state->layer;
        if (other || running->frames > 0 ||
            pl_clock_now() - running->started > SUPERSEDED_SECONDS) {
            pl_jobs_cancel(&screen->jobs, running);
        }
        return;
    }
    pl_screen_job *job = NULL;
    if (!new_job(screen, PL_JOB_KIND_LIVE, "solve", &job)) {
        return;
    }
    if (!pl_knob_lend(screen, job) || pl_call_parse("solve", &job->call, NULL) != PL_OK) {
        pl_jobs_destroy(job);
        return;
    }
    screen->wants.solve = !start_job(screen, job, PL_JOB_URGENT);
    screen->wants.picture = screen->wants.picture && screen->sight.picture == NULL;
}

/* A solve without a calibration is kept until there is one. */
static void postpone_live(pl_screen *screen)
{
    const bool bare = pl_model_is_bare(screen->state->source->model);
    pl_wants_postpone(&screen->wants, !bare);
    if (bare) {
        pl_screen_say(screen, PL_MESSAGE_WARNING,
                      "solving needs inputs:  :open W.safetensors inputs=X.safetensors");
    } else if (pl_jobs_bringing(&screen->jobs, PL_BRINGS_INPUTS) != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "the solve starts when the calibration is done");
    } else {
        char text[120];
        pl_keymap_say(screen->model.keys, screen->model.focus,
                      "solving needs a calibration:  :calibrate text=FILE  (key {calibrate})", text,
                      sizeof text);
        pl_screen_say(screen, PL_MESSAGE_WARNING, text);
    }
}

static void start_picture(pl_screen *screen)
{
    const pl_screen_job *live = pl_jobs_find(&screen->jobs, PL_JOB_KIND_LIVE);
    if (live != NULL && live->state.layer == screen->state->layer) {
        return; /* it brings its own, solved */
    }
    pl_screen_job *job = NULL;
    if (pl_jobs_find(&screen->jobs, PL_JOB_KIND_PICTURE) == NULL &&
        new_job(screen, PL_JOB_KIND_PICTURE, "picture", &job)) {
        screen->wants.picture = !start_job(screen, job, PL_JOB_URGENT);
    }
}

/* The next piece of layers without scores, the selected one's first. */
static void start_scores(pl_screen *screen)
{
    /* Behind a calibration they would wait for its end: small urgent pieces go in between. */
    const bool between = pl_jobs_slow_run(&screen->jobs);
    size_t first = 0;
    const size_t count = pl_scores_next(&screen->scores, screen->state->layer,
                                        between ? 1 : PL_SCORES_PIECE, &first);
    pl_screen_job *job = NULL;
    if (count > 0 && pl_jobs_find(&screen->jobs, PL_JOB_KIND_SCORES) == NULL &&
        new_job(screen, PL_JOB_KIND_SCORES, "scores", &job)) {
        job->first = first;
        job->count = count;
        bool started = start_job(screen, job, between ? PL_JOB_URGENT : PL_JOB_ORDINARY);
        (void)started; /* tried again in the next round */
    }
}

/* The rounder alone on the selected layer, once that is solved with something before it. */
static void start_plain(pl_screen *screen)
{
    const pl_state *state = screen->state;
    const pl_picture *picture = screen->sight.picture;
    if (picture == NULL || !picture->solved || picture->preview_rows > 0 ||
        picture->layer != state->layer || screen->wants.solve ||
        pl_jobs_find(&screen->jobs, PL_JOB_KIND_PLAIN) != NULL ||
        (pl_state_spec(state, state->layer, PL_SLOT_PRECONDITION)->method == NULL &&
         pl_state_spec(state, state->layer, PL_SLOT_TRANSFORM)->method == NULL) ||
        pl_state_spec(state, state->layer, PL_SLOT_ROUND)->method == NULL) {
        return;
    }
    pl_screen_job *job = NULL;
    if (!new_job(screen, PL_JOB_KIND_PLAIN, "solve", &job)) {
        return;
    }
    job->state.slots[PL_SLOT_PRECONDITION].method = NULL;
    job->state.slots[PL_SLOT_TRANSFORM].method = NULL;
    for (size_t i = 0; i < job->state.n_overrides; i++) {
        if (job->state.overrides[i].slot != PL_SLOT_ROUND &&
            pl_state_respec(&job->state, i, &(pl_spec){0}, NULL) != PL_OK) {
            pl_jobs_destroy(job);
            return;
        }
    }
    job->plan = pl_state_plan(&job->state, job->state.layer);
    if (!pl_sight_asks_plain(&screen->sight, job->plan, state->layer)) {
        pl_jobs_destroy(job);
        return;
    }
    bool started = start_job(screen, job, PL_JOB_URGENT);
    (void)started; /* without it the numbers to compare with stay away */
}

static void start_prepare(pl_screen *screen)
{
    pl_screen_job *job = NULL;
    if (pl_jobs_find(&screen->jobs, PL_JOB_KIND_PREPARE) == NULL &&
        new_job(screen, PL_JOB_KIND_PREPARE, "calibrate", &job)) {
        screen->wants.calibration = !start_job(screen, job, PL_JOB_ORDINARY);
    }
}

static void start_idle(pl_screen *screen)
{
    const pl_job_kind kind = pl_knob_idle_kind(screen);
    pl_screen_job *job = NULL;
    const char *name = kind == PL_JOB_KIND_READY ? "weights" : "ruler";
    if (kind == PL_JOB_KIND_COUNT || !new_job(screen, kind, name, &job)) {
        return;
    }
    if (!pl_knob_lend(screen, job)) {
        pl_jobs_destroy(job);
        return;
    }
    /* The knob is the live solves' own, which nothing interrupts; the rest may be interrupted. */
    if (start_job(screen, job, kind == PL_JOB_KIND_READY ? PL_JOB_URGENT : PL_JOB_ORDINARY)) {
        pl_knob_begin_idle(screen, kind);
    }
}

void pl_screen_pump_jobs(pl_screen *screen)
{
    if (screen->state->source == NULL) {
        return;
    }
    if (screen->wants.solve && !pl_can_solve(screen->state)) {
        postpone_live(screen);
    }
    if (screen->wants.solve) {
        start_live(screen);
    } else if (screen->wants.picture) {
        start_picture(screen);
    }
    if (screen->sight.picture == NULL) {
        return; /* the first picture comes first */
    }
    start_scores(screen);
    if (screen->wants.calibration) {
        start_prepare(screen);
    }
    start_plain(screen);
    pl_figures_pump(screen);
    start_idle(screen);
}

/* --- cancelling ------------------------------------------------------------------------------- */

static bool cancel_job(pl_screen *screen, const pl_screen_job *job)
{
    if (job != NULL && job->kind == PL_JOB_KIND_LIVE) {
        pl_wants_no_solve(&screen->wants);
    }
    if (job != NULL) {
        pl_jobs_cancel(&screen->jobs, job);
    }
    return job != NULL;
}

bool pl_screen_cancel(pl_screen *screen)
{
    return cancel_job(screen, pl_jobs_to_cancel(&screen->jobs));
}

void pl_screen_cancel_job(pl_screen *screen, uint64_t id)
{
    cancel_job(screen, pl_jobs_of_id(&screen->jobs, id));
}

/* --- beginning anew --------------------------------------------------------------------------- */

void pl_screen_new_inputs(pl_screen *screen)
{
    pl_scores_forget(&screen->scores);
    pl_wants_picture(&screen->wants);
}

void pl_screen_new_model(pl_screen *screen)
{
    const pl_source *source = screen->state->source;
    /* Keys that wait come before the next frame, which fills these in again. */
    screen->model.picture = NULL;
    screen->model.plain = NULL;
    screen->model.overview = NULL;
    pl_sight_reset(&screen->sight);
    pl_scores_reset(&screen->scores, source);
    pl_measuring_reset(&screen->measuring);
    pl_knob_reset(screen);
    pl_wants_reset(&screen->wants, source != NULL && pl_source_has_inputs(source));
    pl_figures_drop(screen);
    pl_pixels_drop(screen);
    pl_draft_drop(screen);
    screen->model.views.layers.top = 0;
}
