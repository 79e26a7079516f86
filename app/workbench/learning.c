/* Transforms on the screen: the next one by a key, and learning one: begun, paused, gone on with,
 * watched. */
#include "app/workbench/parts.h"
#include "core/base/clock.h"

#include <stdio.h>
#include <string.h>

/* Between two pictures of what is being learned. */
static const double PICTURE_SECONDS = 0.5;

static const pl_spec *transform_of(const pl_screen *screen)
{
    return pl_state_spec(screen->state, screen->state->layer, PL_SLOT_TRANSFORM);
}

void pl_screen_next_transform(pl_screen *screen)
{
    if (screen->state->source == NULL) {
        return;
    }
    const pl_method *next = pl_method_next(PL_SLOT_TRANSFORM, transform_of(screen)->method, 1);
    char command[80];
    snprintf(command, sizeof command, "method %s%s", next != NULL ? next->name : "none",
             next != NULL ? "" : " slot=transform");
    pl_screen_key_command(screen, command, false);
}

static pl_screen_job *learning_job(const pl_screen *screen)
{
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        if (job->kind == PL_JOB_KIND_COMMAND &&
            job->call->command->brings == PL_BRINGS_TRANSFORM) {
            return job;
        }
    }
    return NULL;
}

bool pl_screen_pause(pl_screen *screen)
{
    const pl_screen_job *job = learning_job(screen);
    if (job != NULL) {
        pl_worker_cancel(screen->options->worker, job->id);
    }
    return job != NULL;
}

void pl_screen_learn(pl_screen *screen)
{
    if (screen->state->source == NULL || pl_screen_pause(screen)) {
        return;
    }
    if (!pl_spec_is_learned(transform_of(screen))) {
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      "this transform is not learned:  :method flatquant is the one that is");
        return;
    }
    pl_screen_key_command(screen, "learn", false);
}

void pl_screen_learn_first(pl_screen *screen, const pl_screen_job *job)
{
    if (job->state.layer != screen->state->layer) {
        return;
    }
    if (learning_job(screen) == NULL) {
        pl_screen_key_command(screen, "learn", false);
    }
    screen->solve_later = true;
    screen->solve_later_layer = job->state.layer;
    pl_screen_say(screen, PL_MESSAGE_INFO,
                  "learning the transform first; the solve starts when it is done");
}

void pl_screen_note_learning(pl_screen *screen)
{
    if (pl_clock_now() - screen->learned_at >= PICTURE_SECONDS) {
        screen->learned++;
        screen->learned_at = pl_clock_now();
    }
}

void pl_screen_follow_learning(pl_screen *screen, pl_status how)
{
    screen->learned++;
    if (how == PL_ERR_CANCELLED) { /* a promised solve stays promised */
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      screen->solve_later ? "paused: `learn` goes on where it was and solves then, "
                                            "`learn reset` forgets it"
                                          : "paused: `learn` goes on where it was, "
                                            "`learn reset` forgets it");
        return;
    }
    screen->live_wanted = screen->live_wanted ||
                          (how == PL_OK && screen->solve_later &&
                           screen->solve_later_layer == screen->state->layer);
    screen->solve_later = false;
}
