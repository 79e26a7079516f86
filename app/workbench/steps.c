#include "app/workbench/steps.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "app/workbench/work.h"
#include "core/state/record.h"

/* Follows a change of the whole state. */
static void state_replaced(pl_screen *screen, const pl_state *old, const char *how)
{
    bool solved = old->source == screen->state->source && old->source != NULL &&
                  old->layer == screen->state->layer && pl_state_result(old, old->layer) != NULL;
    if (old->source != screen->state->source) {
        pl_screen_new_model(screen);
    } else {
        pl_screen_new_inputs(screen);
    }
    pl_state_recall(screen->state);
    /* A step that never got its result while the knob was turned is solved now. */
    if (solved && pl_state_result(screen->state, screen->state->layer) == NULL) {
        pl_wants_solve(&screen->wants);
    }
    if (screen->options->changed != NULL) {
        screen->options->changed(screen->options->ctx, how, screen->state);
    }
}

void pl_screen_step_history(pl_screen *screen, bool back)
{
    pl_state old;
    if (!pl_undo_step(&screen->undo, back, screen->state, &old)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, back ? "nothing to undo" : "nothing to redo");
        return;
    }
    state_replaced(screen, &old, back ? "undo" : "redo");
    pl_screen_say(screen, PL_MESSAGE_INFO, back ? "undone" : "redone");
}

void pl_screen_restore(pl_screen *screen)
{
    pl_state state;
    pl_error err = {0};
    if (screen->options->restore == NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "there is no last session");
        return;
    }
    if (screen->options->restore(screen->options->ctx, &state, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
        return;
    }
    pl_state old = *screen->state;
    *screen->state = state;
    pl_undo_add_state(&screen->undo, &old);
    state_replaced(screen, &old, "restore");
    if (pl_state_check_origin(screen->state, true, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, err.message);
    } else {
        pl_screen_say(screen, PL_MESSAGE_INFO, "the last session is restored; u undoes it");
    }
}
