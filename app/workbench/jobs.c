/* What the screen lets the worker do: pictures, scores, live solves, typed commands. */
#include "app/workbench/parts.h"
#include "plots/kinds.h"

#include "core/base/clock.h"
#include "core/model/bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A superseded live solve is cancelled as soon as it has shown a frame, so that a held key shows
 * frames on its way, or has run so long without one. */
static const double SUPERSEDED_SECONDS = 0.25;

/* --- on the worker ---------------------------------------------------------------------------- */

static pl_status run_call(pl_screen_job *job, pl_task *task, pl_error *err)
{
    pl_lab_begin(job->lab);
    pl_status status = pl_call_run(job->call, &job->state, job->lab, task, err);
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
    return pl_solve_layer(job->lab, &job->state, job->state.layer, &job->report, &result, task,
                          err);
}

static pl_status run_prepare(pl_screen_job *job, pl_task *task, pl_error *err)
{
    pl_id key;
    return pl_lab_calibration(job->lab, &job->state, &key, task, err);
}

static pl_status run_scores(pl_screen_job *job, pl_task *task, pl_error *err)
{
    return pl_layer_rows(job->lab, &job->state, job->first, job->count, job->rows, task, err);
}

static pl_status run_job(void *arg, pl_task *task, pl_error *err)
{
    pl_screen_job *job = arg;
    switch (job->kind) {
    case PL_JOB_KIND_COMMAND:
        return run_call(job, task, err);
    case PL_JOB_KIND_LIVE:
        return pl_screen_run_live(job, task, err);
    case PL_JOB_KIND_PICTURE:
        return pl_picture_create(job->lab, &job->state, job->state.layer, &job->picture, task, err);
    case PL_JOB_KIND_SCORES:
        return run_scores(job, task, err);
    case PL_JOB_KIND_PLAIN:
        return run_plain(job, task, err);
    case PL_JOB_KIND_READY:
    case PL_JOB_KIND_MEANING:
        return pl_screen_run_idle(job, task, err);
    case PL_JOB_KIND_FIGURE:
        return pl_kind_make(job->lab, &job->state, &job->request, &job->figure, task, err);
    default:
        return run_prepare(job, task, err);
    }
}

/* --- submitting ------------------------------------------------------------------------------- */

void pl_screen_destroy_job(pl_screen_job *job)
{
    if (job != NULL) {
        pl_state_deinit(&job->state);
        pl_call_destroy(job->call);
        pl_picture_destroy(job->picture);
        pl_picture_destroy(atomic_load(&job->frame));
        pl_figure_deinit(&job->figure);
        free(job);
    }
}

static pl_screen_job *find_kind(const pl_screen *screen, pl_job_kind kind)
{
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        if (job->kind == kind) {
            return job;
        }
    }
    return NULL;
}

pl_status pl_screen_make_job(pl_screen *screen, pl_job_kind kind, const char *name,
                             pl_screen_job **out, pl_error *err)
{
    *out = NULL;
    pl_screen_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for a job");
    }
    pl_status status = pl_state_copy(&job->state, screen->state, err);
    if (status != PL_OK) {
        free(job);
        return status;
    }
    job->kind = kind;
    job->lab = screen->options->lab;
    job->started = pl_clock_now();
    snprintf(job->shown.name, sizeof job->shown.name, "%s", name);
    if (job->state.source != NULL) {
        job->plan = pl_state_plan(&job->state, job->state.layer);
    }
    *out = job;
    return PL_OK;
}

pl_status pl_screen_submit_job(pl_screen *screen, pl_screen_job *job, pl_urgency urgency,
                               pl_error *err)
{
    job->urgent = urgency == PL_JOB_URGENT;
    const char *unit = job->kind == PL_JOB_KIND_COMMAND ? pl_call_unit(job->call)
                       : job->kind == PL_JOB_KIND_PREPARE ? "tokens"
                       : job->kind == PL_JOB_KIND_FIGURE  ? job->request.kind->unit
                                                          : NULL;
    job->id =
        pl_worker_submit(screen->options->worker, urgency, job->shown.name, unit, run_job, job);
    if (job->id == 0) {
        job->call = NULL;
        pl_screen_destroy_job(job);
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for a job");
    }
    pl_screen_job **end = &screen->jobs;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = job;
    return PL_OK;
}

bool pl_screen_slow_runs(const pl_screen *screen)
{
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        if (job->kind == PL_JOB_KIND_COMMAND && pl_call_is_slow(job->call)) {
            return true;
        }
    }
    return false;
}

bool pl_screen_brings(const pl_screen *screen, pl_brings what)
{
    for (const pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        if (job->kind == PL_JOB_KIND_COMMAND && job->call->command->brings == what) {
            return true;
        }
    }
    return false;
}

/* A solve that has to learn its transform first leaves room for pictures of that. */
static bool learns(const pl_state *state, const pl_call *call)
{
    return state->source != NULL && call->command->learns &&
           pl_spec_is_learned(pl_state_spec(state, state->layer, PL_SLOT_TRANSFORM));
}

pl_status pl_screen_submit_call(pl_screen *screen, pl_call *call, uint64_t line, pl_error *err)
{
    pl_screen_job *job = NULL;
    const bool slow = pl_call_is_slow(call);
    const bool ordinary = slow || learns(screen->state, call);
    char shown[48];
    snprintf(shown, sizeof shown, "%s%s", call->command->name,
             slow && pl_call_is_of_all(call) ? " all" : "");
    pl_status status = pl_screen_make_job(screen, PL_JOB_KIND_COMMAND, shown, &job, err);
    if (status == PL_OK) {
        job->call = call;
        job->line = line;
        status = pl_screen_submit_job(
            screen, job, ordinary ? PL_JOB_ORDINARY : PL_JOB_URGENT, err);
    }
    return status;
}

/* Submits a job of the screen's own; one that cannot be made is tried again in the next round
 * of the loop. */
static bool start(pl_screen *screen, pl_screen_job *job, pl_urgency urgency)
{
    return pl_screen_submit_job(screen, job, urgency, NULL) == PL_OK;
}

static void start_live(pl_screen *screen)
{
    pl_screen_job *running = find_kind(screen, PL_JOB_KIND_LIVE);
    pl_screen_job *plain = find_kind(screen, PL_JOB_KIND_PLAIN);
    if (plain != NULL) {
        pl_worker_cancel(screen->options->worker, plain->id);
    }
    if (running != NULL) {
        bool other = running->state.layer != screen->state->layer;
        if (other || running->frames > 0 ||
            pl_clock_now() - running->started > SUPERSEDED_SECONDS) {
            pl_worker_cancel(screen->options->worker, running->id);
        }
        return;
    }
    pl_screen_job *job = NULL;
    if (pl_screen_make_job(screen, PL_JOB_KIND_LIVE, "solve", &job, NULL) != PL_OK) {
        return;
    }
    if (!pl_screen_lend_live(screen, job) || pl_call_parse("solve", &job->call, NULL) != PL_OK) {
        pl_screen_destroy_job(job);
        return;
    }
    screen->live_wanted = !start(screen, job, PL_JOB_URGENT);
    screen->picture_wanted = screen->picture_wanted && screen->picture == NULL;
}

/* A solve without a calibration is kept until there is one. */
static void postpone_live(pl_screen *screen)
{
    screen->live_wanted = false;
    screen->solve_later = true;
    if (pl_model_is_bare(screen->state->source->model)) {
        screen->solve_later = false;
        pl_screen_say(screen, PL_MESSAGE_WARNING,
                      "solving needs inputs:  :open W.safetensors inputs=X.safetensors");
    } else if (pl_screen_brings(screen, PL_BRINGS_INPUTS)) {
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
    const pl_screen_job *live = find_kind(screen, PL_JOB_KIND_LIVE);
    if (live != NULL && live->state.layer == screen->state->layer) {
        return; /* it brings its own, solved */
    }
    pl_screen_job *job = NULL;
    if (find_kind(screen, PL_JOB_KIND_PICTURE) == NULL &&
        pl_screen_make_job(screen, PL_JOB_KIND_PICTURE, "picture", &job, NULL) == PL_OK) {
        screen->picture_wanted = !start(screen, job, PL_JOB_URGENT);
    }
}

/* The next piece of layers without scores, the selected one's first. */
static void start_scores(pl_screen *screen)
{
    size_t n = screen->overview.n;
    if (screen->scores_failed || n == 0 || find_kind(screen, PL_JOB_KIND_SCORES) != NULL) {
        return;
    }
    size_t first = screen->state->layer < n ? screen->state->layer : 0;
    size_t tried = 0;
    while (tried < n && screen->scored[first]) {
        first = (first + 1) % n;
        tried++;
    }
    if (tried == n) {
        return;
    }
    /* Behind a calibration they would wait for its end: small urgent pieces go in between. */
    bool between = pl_screen_slow_runs(screen);
    size_t count = 0;
    while (count < (between ? 1 : PL_SCORES_PIECE) && first + count < n &&
           !screen->scored[first + count]) {
        count++;
    }
    pl_screen_job *job = NULL;
    if (pl_screen_make_job(screen, PL_JOB_KIND_SCORES, "scores", &job, NULL) == PL_OK) {
        job->first = first;
        job->count = count;
        bool started = start(screen, job, between ? PL_JOB_URGENT : PL_JOB_ORDINARY);
        (void)started; /* tried again in the next round */
    }
}

/* The rounder alone on the selected layer, once that is solved with something before it. */
static void start_plain(pl_screen *screen)
{
    const pl_state *state = screen->state;
    const pl_picture *picture = screen->picture;
    if (picture == NULL || !picture->solved || picture->preview_rows > 0 ||
        picture->layer != state->layer || screen->live_wanted ||
        find_kind(screen, PL_JOB_KIND_PLAIN) != NULL ||
        (pl_state_spec(state, state->layer, PL_SLOT_PRECONDITION)->method == NULL &&
         pl_state_spec(state, state->layer, PL_SLOT_TRANSFORM)->method == NULL) ||
        pl_state_spec(state, state->layer, PL_SLOT_ROUND)->method == NULL) {
        return;
    }
    pl_screen_job *job = NULL;
    if (pl_screen_make_job(screen, PL_JOB_KIND_PLAIN, "solve", &job, NULL) != PL_OK) {
        return;
    }
    job->state.slots[PL_SLOT_PRECONDITION].method = NULL;
    job->state.slots[PL_SLOT_TRANSFORM].method = NULL;
    for (size_t i = 0; i < job->state.n_overrides; i++) {
        if (job->state.overrides[i].slot != PL_SLOT_ROUND) {
            job->state.overrides[i].spec.method = NULL;
        }
    }
    pl_id plan = pl_state_plan(&job->state, job->state.layer);
    if (pl_id_equal(plan, screen->plain_plan) && screen->plain_layer == state->layer) {
        pl_screen_destroy_job(job);
        return;
    }
    job->plan = screen->plain_plan = plan;
    screen->plain_layer = state->layer;
    screen->have_plain = false;
    bool started = start(screen, job, PL_JOB_URGENT);
    (void)started; /* without it the numbers to compare with stay away */
}

static void start_prepare(pl_screen *screen)
{
    pl_screen_job *job = NULL;
    if (find_kind(screen, PL_JOB_KIND_PREPARE) == NULL &&
        pl_screen_make_job(screen, PL_JOB_KIND_PREPARE, "calibrate", &job, NULL) == PL_OK) {
        screen->prepare_wanted = !start(screen, job, PL_JOB_ORDINARY);
    }
}

static void start_idle(pl_screen *screen)
{
    const pl_job_kind kind = pl_screen_idle_kind(screen);
    pl_screen_job *job = NULL;
    const char *name = kind == PL_JOB_KIND_READY ? "weights" : "ruler";
    if (kind == PL_JOB_KIND_COUNT || pl_screen_make_job(screen, kind, name, &job, NULL) != PL_OK) {
        return;
    }
    if (!pl_screen_lend_live(screen, job)) {
        pl_screen_destroy_job(job);
        return;
    }
    /* The knob is the live solves' own, which nothing interrupts; the rest may be interrupted. */
    if (start(screen, job, kind == PL_JOB_KIND_READY ? PL_JOB_URGENT : PL_JOB_ORDINARY)) {
        pl_screen_begin_idle(screen, kind);
    }
}

void pl_screen_pump_jobs(pl_screen *screen)
{
    if (screen->state->source == NULL) {
        return;
    }
    if (screen->live_wanted && !pl_can_solve(screen->state)) {
        postpone_live(screen);
    }
    if (screen->live_wanted) {
        start_live(screen);
    } else if (screen->picture_wanted) {
        start_picture(screen);
    }
    if (screen->picture == NULL) {
        return; /* the first picture comes first */
    }
    start_scores(screen);
    if (screen->prepare_wanted) {
        start_prepare(screen);
    }
    start_plain(screen);
    pl_screen_pump_figures(screen);
    start_idle(screen);
}
