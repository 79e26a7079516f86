/* The knob on the screen: frames while a live solve runs, what a strength means, perplexity beside
 * it, and which turns are one step to undo. */
#include "app/report.h"
#include "app/workbench/parts.h"
#include "core/base/clock.h"
#include "core/run/transformed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Presses of one knob that follow each other within this time are one turn. */
static const double TURN_SECONDS = 1.0;

/* --- on the worker ---------------------------------------------------------------------------- */

/* A frame that nobody took in time is replaced. */
static void offer_frame(void *ctx, pl_picture *frame)
{
    pl_screen_job *job = ctx;
    pl_picture_destroy(atomic_exchange(&job->frame, frame));
    pl_worker_wake(job->worker);
}

pl_status pl_screen_run_live(pl_screen_job *job, pl_task *task, pl_error *err)
{
    const size_t layer = job->state.layer;
    pl_solve_report report;
    pl_id result;
    pl_status status =
        pl_site_learning_due(job->lab, &job->state, layer, &job->learn_first, task, err);
    if (status != PL_OK || job->learn_first) {
        return status != PL_OK ? status
                               : pl_error_set(err, PL_ERR_CANCELLED, "to be learned first");
    }
    status = pl_live_solve(job->live, job->lab, &job->state, layer, offer_frame, job,
                                     &report, &result, task, err);
    job->call->warning = pl_lab_take_warning(job->lab);
    if (status == PL_OK) {
        status = pl_note_solve(job->call, &job->state, layer, result, &report, err);
    }
    if (status == PL_OK) {
        status = pl_call_apply(job->call, &job->state, err);
    }
    if (status == PL_OK) {
        status = pl_picture_create(job->lab, &job->state, layer, &job->picture, task, err);
    }
    return status;
}

pl_status pl_screen_run_idle(pl_screen_job *job, pl_task *task, pl_error *err)
{
    const size_t layer = job->state.layer;
    if (job->kind == PL_JOB_KIND_READY) {
        return pl_live_prepare(job->live, job->lab, &job->state, layer, task, err);
    }
    job->strength = (pl_strength){(double)NAN, (double)NAN, (double)NAN};
    bool due = false;
    pl_status status = pl_site_learning_due(job->lab, &job->state, layer, &due, task, err);
    if (status != PL_OK || due) {
        return status; /* without its coordinates a strength means nothing yet */
    }
    status = pl_live_factors(job->lab, &job->state, layer, task, err);
    const pl_spec *spec = pl_state_spec(&job->state, layer, PL_SLOT_PRECONDITION);
    if (status == PL_OK && spec->method != NULL && spec->method->alpha != NULL) {
        status = pl_live_strength(job->lab, &job->state, layer, &job->strength, task, err);
    }
    return status;
}

/* --- frames ----------------------------------------------------------------------------------- */

bool pl_screen_lend_live(pl_screen *screen, pl_screen_job *job)
{
    if (screen->live.live == NULL && pl_live_create(&screen->live.live, NULL) != PL_OK) {
        return false;
    }
    job->live = screen->live.live;
    job->worker = screen->options->worker;
    return true;
}

void pl_screen_take_frames(pl_screen *screen)
{
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        pl_picture *frame = atomic_exchange(&job->frame, NULL);
        if (frame == NULL) {
            continue;
        }
        job->frames++;
        if (job->state.source != screen->state->source || frame->layer != screen->state->layer) {
            pl_picture_destroy(frame); /* another layer is looked at */
            continue;
        }
        pl_picture_destroy(screen->picture);
        screen->picture = frame;
        screen->picture_plan = job->plan;
        screen->picture_error[0] = '\0';
        screen->dirty = true;
    }
}

/* --- while nothing else is to be done --------------------------------------------------------- */

static pl_strength_key key_of(const pl_screen *screen, const pl_state *state)
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
    key.learned = pl_spec_is_learned(&key.transform) ? screen->learned : 0;
    if (spec != NULL && spec->method != NULL && spec->method->alpha != NULL) {
        key.method = spec->method;
        key.group_size = spec->method->group_size(spec);
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
    for (size_t i = 0; i < screen->live.n_strengths; i++) {
        if (same_key(&screen->live.strengths[i].key, key)) {
            return &screen->live.strengths[i].value;
        }
    }
    return NULL;
}

pl_job_kind pl_screen_idle_kind(const pl_screen *screen)
{
    const pl_state *state = screen->state;
    const pl_picture *picture = screen->picture;
    if (picture == NULL || picture->layer != state->layer || picture->input == NULL ||
        picture->preview_rows > 0 || screen->live_wanted) {
        return PL_JOB_KIND_COUNT;
    }
    for (const pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        if (job->kind != PL_JOB_KIND_COMMAND && job->kind != PL_JOB_KIND_SCORES) {
            return PL_JOB_KIND_COUNT;
        }
    }
    const pl_screen_live *live = &screen->live;
    if (live->ready_source != state->source || live->ready_layer != state->layer) {
        return PL_JOB_KIND_READY;
    }
    const pl_strength_key key = key_of(screen, state);
    return find_strength(screen, &key) == NULL && !same_key(&key, &live->asked)
               ? PL_JOB_KIND_MEANING
               : PL_JOB_KIND_COUNT;
}

void pl_screen_begin_idle(pl_screen *screen, pl_job_kind kind)
{
    if (kind == PL_JOB_KIND_READY) {
        screen->live.ready_source = screen->state->source;
        screen->live.ready_layer = screen->state->layer;
    } else {
        screen->live.asked = key_of(screen, screen->state);
    }
}

void pl_screen_end_idle(pl_screen *screen, const pl_screen_job *job, pl_status status)
{
    pl_screen_live *live = &screen->live;
    if (job->kind == PL_JOB_KIND_READY) {
        return;
    }
    if (status == PL_ERR_CANCELLED) {
        live->asked = (pl_strength_key){0};
    }
    if (status != PL_OK || job->state.source != screen->state->source) {
        return;
    }
    const size_t kept = live->n_strengths < PL_STRENGTHS ? live->n_strengths : PL_STRENGTHS - 1;
    memmove(live->strengths + 1, live->strengths, kept * sizeof *live->strengths);
    live->strengths[0].key = key_of(screen, &job->state);
    live->strengths[0].value = job->strength;
    live->n_strengths = kept + 1;
}

/* --- perplexity ------------------------------------------------------------------------------- */

/* Names all solved weights: results are named by what they came from. */
static pl_id solved_weights(const pl_state *state)
{
    pl_buf text = {0};
    const size_t n = state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
    for (size_t i = 0; i < n; i++) {
        const pl_id *result = pl_state_result(state, i);
        char id[PL_ID_TEXT] = "-";
        if (result != NULL) {
            pl_id_format(*result, id);
        }
        pl_buf_puts(&text, id);
    }
    const pl_id id = text.failed ? (pl_id){0} : pl_id_bytes(text.data, text.size);
    pl_buf_deinit(&text);
    return id;
}

static double number_of(const pl_call *call, const char *name)
{
    const json_t *value = json_object_get(call->result, name);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

void pl_screen_note_measured(pl_screen *screen, const pl_screen_job *job, pl_status status)
{
    const pl_call *call = job->call;
    pl_screen_live *live = &screen->live;
    if (status != PL_OK || call == NULL || call->command->brings != PL_BRINGS_PERPLEXITY ||
        job->state.source != screen->state->source) {
        return;
    }
    const char *which = pl_call_value(call, "which");
    if (which == NULL || strcmp(which, "after") != 0) {
        return;
    }
    live->measured = (pl_measured){
        .before = number_of(call, "original_perplexity"),
        .before_error = number_of(call, "original_error"),
        .after = number_of(call, "perplexity"),
        .after_error = number_of(call, "perplexity_error"),
        .solved = (size_t)fmax(0, number_of(call, "layers_solved")),
    };
    live->have_measured = true;
    live->measured_weights = solved_weights(&job->state);
    snprintf(live->measure, sizeof live->measure, "%s", call->text);
    char text[160], after[48];
    pl_format_digits(live->measured.after, pl_perplexity_digits(call), after, sizeof after);
    snprintf(text, sizeof text, "perplexity %s \u00b1 %.2g, of the original %.5g", after,
             live->measured.after_error, live->measured.before);
    pl_screen_say(screen, PL_MESSAGE_INFO, text);
}

void pl_screen_pin(pl_screen *screen)
{
    bool solving = screen->live_wanted;
    for (const pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        solving = solving || job->kind == PL_JOB_KIND_LIVE;
    }
    screen->live.pin_later = solving;
    if (solving) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "pinned when the solve has finished");
    } else {
        pl_screen_key_command(screen, "pin", false);
    }
}

void pl_screen_measure(pl_screen *screen)
{
    const pl_state *state = screen->state;
    if (state->source == NULL) {
        return;
    }
    if (screen->live.measure[0] != '\0') {
        pl_screen_key_command(screen, screen->live.measure, false);
    } else if (state->source->demo != NULL) {
        pl_screen_key_command(screen, "perplexity which=after", false);
    } else {
        pl_screen_open_prompt(screen, "perplexity which=after text=");
    }
}

void pl_screen_fill_live(pl_screen *screen)
{
    pl_screen_model *model = &screen->model;
    pl_screen_live *live = &screen->live;
    const pl_strength_key key = key_of(screen, screen->state);
    model->strength = key.method != NULL ? find_strength(screen, &key) : NULL;
    model->measured = NULL;
    model->measuring = pl_screen_brings(screen, PL_BRINGS_PERPLEXITY);
    if (live->have_measured) {
        live->measured.stale =
            !pl_id_equal(live->measured_weights, solved_weights(screen->state));
        model->measured = &live->measured;
    }
}

/* --- turns and undo --------------------------------------------------------------------------- */

void pl_screen_follow_knob(pl_screen *screen, const pl_intent *intent)
{
    pl_screen_live *live = &screen->live;
    const bool again = intent->knob != 0 && intent->knob == live->knob &&
                       pl_clock_now() - live->knob_at < TURN_SECONDS;
    live->knob = again ? -intent->knob : 0; /* negative: this command goes on a turn */
    pl_screen_key_command(screen, intent->command, intent->live);
    live->knob = intent->knob;
    live->knob_at = pl_clock_now();
}

bool pl_screen_knob_goes_on(pl_screen *screen)
{
    const bool goes_on = screen->live.knob < 0;
    screen->live.knob = 0;
    return goes_on;
}

void pl_screen_free_live(pl_screen *screen)
{
    pl_live_destroy(screen->live.live);
    screen->live.live = NULL;
}
