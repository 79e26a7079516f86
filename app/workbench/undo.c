#include "app/workbench/undo.h"

#include "core/base/clock.h"
#include "core/state/difference.h"

#include <string.h>

/* Presses of one knob that follow each other within this time are one turn. */
static const double TURN_SECONDS = 1.0;

static void clear_states(pl_states *states)
{
    for (size_t i = 0; i < states->count; i++) {
        pl_state_deinit(&states->list[i]);
    }
    states->count = 0;
}

/* Takes the state over. */
static void push_state(pl_states *states, const pl_state *state)
{
    if (states->count == PL_UNDO_DEPTH) {
        pl_state_deinit(&states->list[0]);
        states->count--;
        memmove(states->list, states->list + 1, states->count * sizeof *states->list);
    }
    states->list[states->count++] = *state;
}

/* Whether the command belongs to the newest step. */
static bool goes_on_with_step(const pl_undo *undo, const pl_command *command)
{
    return command == undo->last && command->history == PL_HISTORY_KNOB && undo->knob < 0;
}

void pl_undo_add(pl_undo *undo, const pl_command *command, pl_state *before, bool changed)
{
    const bool step = command->apply != NULL && command->history != PL_HISTORY_NONE &&
                      command->history != PL_HISTORY_LOOK;
    const bool again = goes_on_with_step(undo, command);
    if (step) {
        undo->knob = 0; /* a command in between ends a turn */
    }
    if (!changed || !step || again) {
        pl_state_deinit(before);
        return;
    }
    push_state(&undo->before, before);
    clear_states(&undo->after);
    undo->last = command;
}

void pl_undo_add_state(pl_undo *undo, pl_state *before)
{
    push_state(&undo->before, before);
    clear_states(&undo->after);
    undo->last = NULL;
}

bool pl_undo_step(pl_undo *undo, bool back, pl_state *state, pl_state *old)
{
    pl_states *from = back ? &undo->before : &undo->after;
    pl_states *to = back ? &undo->after : &undo->before;
    if (from->count == 0) {
        return false;
    }
    *old = *state;
    *state = from->list[--from->count];
    pl_state_keep_looks(state, old);
    push_state(to, old);
    undo->last = NULL;
    return true;
}

void pl_undo_begin_turn(pl_undo *undo, int knob)
{
    const bool again =
        knob != 0 && knob == undo->knob && pl_clock_now() - undo->knob_at < TURN_SECONDS;
    undo->knob = again ? -knob : 0;
}

void pl_undo_end_turn(pl_undo *undo, int knob)
{
    undo->knob = knob;
    undo->knob_at = pl_clock_now();
}

void pl_undo_deinit(pl_undo *undo)
{
    clear_states(&undo->before);
    clear_states(&undo->after);
}
