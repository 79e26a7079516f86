#include "app/workbench/knob.h"

#include "app/report.h"
#include "core/lab/strength.h"
#include "core/lab/transformed.h"

#include <math.h>
#include <string.h>

/* --- on the worker ---------------------------------------------------------------------------- */

/* A frame that nobody took in time is replaced. */
static void offer_frame(void *ctx, pl_picture *frame)
{
    pl_screen_job *job = ctx;
    pl_picture_destroy(atomic_exchange(&job->frame, frame));
    pl_worker_wake(job->worker);
}

pl_status pl_knob_run_solve(pl_screen_job *job, pl_task *task, pl_error *err)
{
    const size_t layer = job->state.layer;
    pl_solve_report report;
    pl_id result;
    pl_status status =
        pl_site_learning_due(pl_job_context(job, task), layer, &job->learn_first, err);
    if (status != PL_OK || job->learn_first) {
        return status != PL_OK ? status
                               : pl_error_set(err, PL_ERR_CANCELLED, "to be learned first");
    }
    status = pl_live_solve(job->live, pl_job_context(job, task), layer, offer_frame, job, &report,
                           &result, err);
    job->call->warning = pl_lab_take_warning(job->lab);
    PL_THEN(pl_note_solve(job->call, &job->state, layer, result, &report, err));
    PL_THEN(pl_call_apply(job->call, &job->state, err));
    PL_THEN(pl_picture_create(pl_job_context(job, task), layer, &job->picture, err));
    return status;
}

pl_status pl_knob_run_idle(pl_screen_job *job, pl_task *task, pl_error *err)
{
    const size_t layer = job->state.layer;
    if (job->kind == PL_JOB_KIND_READY) {
        return pl_live_prepare(job->live, pl_job_context(job, task), layer, err);
    }
    job->strength = (pl_strength){(double)NAN, (double)NAN, (double)NAN};
    bool due = false;
    pl_status status = pl_site_learning_due(pl_job_context(job, task), layer, &due, err);
    if (status != PL_OK || due) {
        return status; /* without its coordinates a strength means nothing yet */
    }
    status = pl_live_factors(pl_job_context(job, task), layer, err);
    const pl_spec *spec = pl_state_spec(&job->state, layer, PL_SLOT_PRECONDITION);
    if (status == PL_OK && spec->method != NULL && spec->method->strength != NULL) {
        status = pl_layer_strength(pl_job_context(job, task), layer, &job->strength, err);
    }
    return status;
}

/* --- frames ----------------------------------------------------------------------------------- */

bool pl_knob_lend(pl_screen *screen, pl_screen_job *job)
{
    if (screen->knob.live == NULL && pl_live_create(&screen->knob.live, NULL) != PL_OK) {
        return false;
    }
    job->live = screen->knob.live;
    return true;
}

bool pl_knob_take_frames(pl_screen *screen)
{
    bool taken = false;
    for (pl_screen_job *job = screen->jobs.first; job != NULL; job = job->next) {
        pl_picture *frame = atomic_exchange(&job->frame, NULL);
        if (frame == NULL) {
            continue;
        }
        job->frames++;
        if (job->state.source != screen->state->source || frame->layer != screen->state->layer) {
            pl_picture_destroy(frame); /* another layer is looked at */
            continue;
        }
        pl_sight_take(&screen->sight, frame, job->plan);
        taken = true;
    }
    return taken;
}

/* --- while nothing else is to be done --------------------------------------------------------- */

static pl_strength_key strength_key(const pl_screen *screen, const pl_state *state)
{
    pl_strength_key key = {
        .source = state->source,
        .layer = state->layer,
        .length = state->calibration.protocol.length,
        .windows = state->calibration.protocol.windows,
        .calibration = state->calibration.known ? state->calibration.key : (pl_id){0},
    };
    const pl_spec *spec =
        state->source != NULL ? pl_state_spec(state, state->layer, PL_SLOT_PRECONDITION) : NULL;
    if (state->source != NULL) {
        key.transform = *pl_state_spec(state, state->layer, PL_SLOT_TRANSFORM);
    }
    key.learned = pl_spec_is_learned(&key.transform) ? screen->learned.count : 0;
    if (spec != NULL && spec->method != NULL && spec->method->strength != NULL) {
        key.method = spec->method;
        key.group_size = pl_spec_group_size(spec, &(pl_spec){0}, 0);
    }
    return key;
}

static bool same_key(const pl_strength_key *a, const pl_strength_key *b)
{
    return a->source == b->source && a->layer == b->layer && a->group_size == b->group_size &&
           a->length == b->length && a->windows == b->windows && a->method == b->method &&
           pl_id_equal(a->calibration, b->calibration) && a->learned == b->learned &&
           pl_spec_equal(&a->transform, &b->transform);
}

static const pl_strength *find_strength(const pl_screen *screen, const pl_strength_key *key)
{
    for (size_t i = 0; i < screen->knob.n_strengths; i++) {
        if (same_key(&screen->knob.strengths[i].key, key)) {
            return &screen->knob.strengths[i].value;
        }
    }
    return NULL;
}

pl_job_kind pl_knob_idle_kind(const pl_screen *screen)
{
    const pl_state *state = screen->state;
    const pl_picture *picture = screen->sight.picture;
    if (picture == NULL || picture->layer != state->layer || picture->input == NULL ||
        picture->preview_rows > 0 || screen->wants.solve) {
        return PL_JOB_KIND_COUNT;
    }
    for (const pl_screen_job *job = screen->jobs.first; job != NULL; job = job->next) {
        if (job->kind != PL_JOB_KIND_COMMAND && job->kind != PL_JOB_KIND_SCORES) {
            return PL_JOB_KIND_COUNT;
        }
    }
    const pl_knob *knob = &screen->knob;
    if (knob->ready_source != state->source || knob->ready_layer != state->layer) {
        return PL_JOB_KIND_READY;
    }
    const pl_strength_key key = strength_key(screen, state);
    return find_strength(screen, &key) == NULL && !same_key(&key, &knob->asked)
               ? PL_JOB_KIND_MEANING
               : PL_JOB_KIND_COUNT;
}

void pl_knob_begin_idle(pl_screen *screen, pl_job_kind kind)
{
    if (kind == PL_JOB_KIND_READY) {
        screen->knob.ready_source = screen->state->source;
        screen->knob.ready_layer = screen->state->layer;
    } else {
        screen->knob.asked = strength_key(screen, screen->state);
    }
}

void pl_knob_end_idle(pl_screen *screen, const pl_screen_job *job, pl_status status)
{
    pl_knob *knob = &screen->knob;
    if (job->kind == PL_JOB_KIND_READY) {
        return;
    }
    if (status == PL_ERR_CANCELLED) {
        knob->asked = (pl_strength_key){0};
    }
    if (status != PL_OK || job->state.source != screen->state->source) {
        return;
    }
    const size_t kept = knob->n_strengths < PL_STRENGTHS ? knob->n_strengths : PL_STRENGTHS - 1;
    memmove(knob->strengths + 1, knob->strengths, kept * sizeof *knob->strengths);
    knob->strengths[0].key = strength_key(screen, &job->state);
    knob->strengths[0].value = job->strength;
    knob->n_strengths = kept + 1;
}

const pl_strength *pl_knob_strength(const pl_screen *screen)
{
    const pl_strength_key key = strength_key(screen, screen->state);
    return key.method != NULL ? find_strength(screen, &key) : NULL;
}

void pl_knob_note_best(pl_screen *screen, size_t layer, double value)
{
    pl_knob *knob = &screen->knob;
    pl_state at = *screen->state; /* read only */
    at.layer = layer;
    const size_t kept = knob->n_bests < PL_STRENGTHS ? knob->n_bests : PL_STRENGTHS - 1;
    memmove(knob->bests + 1, knob->bests, kept * sizeof *knob->bests);
    knob->bests[0].key = strength_key(screen, &at);
    knob->bests[0].round = *pl_state_spec(&at, layer, PL_SLOT_ROUND);
    knob->bests[0].value = value;
    knob->n_bests = kept + 1;
}

double pl_knob_best(const pl_screen *screen)
{
    const pl_knob *knob = &screen->knob;
    const pl_state *state = screen->state;
    const pl_strength_key key = strength_key(screen, state);
    for (size_t i = 0; key.method != NULL && i < knob->n_bests; i++) {
        if (same_key(&knob->bests[i].key, &key) &&
            pl_spec_equal(&knob->bests[i].round,
                          pl_state_spec(state, state->layer, PL_SLOT_ROUND))) {
            return knob->bests[i].value;
        }
    }
    return 0;
}

void pl_knob_reset(pl_screen *screen)
{
    screen->knob.ready_source = NULL;
}

void pl_knob_free(pl_screen *screen)
{
    pl_live_destroy(screen->knob.live);
    screen->knob.live = NULL;
}
