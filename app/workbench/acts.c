#include "app/workbench/acts.h"

#include "app/workbench/learning.h"
#include "app/workbench/lines.h"
#include "app/workbench/parts.h"
#include "app/workbench/say.h"

#include <stdio.h>

void pl_screen_pin(pl_screen *screen)
{
    const bool solving =
        screen->wants.solve || pl_jobs_find(&screen->jobs, PL_JOB_KIND_LIVE) != NULL;
    screen->wants.pin = solving;
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
    if (screen->measuring.command[0] != '\0') {
        pl_screen_key_command(screen, screen->measuring.command, false);
    } else if (state->source->demo != NULL) {
        pl_screen_key_command(screen, "perplexity which=after", false);
    } else {
        pl_screen_open_prompt(screen, "perplexity which=after text=");
    }
}

void pl_screen_follow_knob(pl_screen *screen, const pl_intent *intent)
{
    if (intent->select[0] != '\0') {
        char select[sizeof intent->select + 8];
        snprintf(select, sizeof select, "select %s", intent->select);
        pl_screen_key_command(screen, select, false);
    }
    pl_undo_begin_turn(&screen->undo, intent->knob);
    pl_screen_key_command(screen, intent->command, intent->live);
    pl_undo_end_turn(&screen->undo, intent->knob);
}

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

void pl_screen_learn(pl_screen *screen)
{
    if (screen->state->source == NULL || pl_screen_pause(screen)) {
        return;
    }
    if (!pl_spec_is_learned(transform_of(screen))) {
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      "this transform is not learned:  :method flatquant, kurtail or spinquant is");
        return;
    }
    pl_screen_key_command(screen, "learn", false);
}

void pl_screen_learn_first(pl_screen *screen, size_t layer)
{
    if (layer != screen->state->layer) {
        return;
    }
    if (pl_jobs_bringing(&screen->jobs, PL_BRINGS_TRANSFORM) == NULL) {
        pl_screen_key_command(screen, "learn", false);
    }
    pl_wants_later(&screen->wants, layer);
    pl_screen_say(screen, PL_MESSAGE_INFO,
                  "learning the transform first; the solve starts when it is done");
}
