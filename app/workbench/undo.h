/* app/workbench/undo.h -- states before and after the present one, and which commands count as one
 * step. */
#ifndef PL_APP_WORKBENCH_UNDO_H
#define PL_APP_WORKBENCH_UNDO_H

#include "app/command.h"

enum { PL_UNDO_DEPTH = 200 };

typedef struct pl_states {
    pl_state list[PL_UNDO_DEPTH];
    size_t count;
} pl_states;

typedef struct pl_undo {
    pl_states before, after;
    const pl_command *last; /* of the newest step, or NULL */
    int knob;               /* the knob turned last, negative while that turn goes on; 0: none */
    double knob_at;
} pl_undo;

/* After a command: `before` (taken over) becomes a step, unless the command continues the last step
 * or has nothing to undo. */
void pl_undo_add(pl_undo *undo, const pl_command *command, pl_state *before, bool changed);
/* Adds a step that no command made; takes `before` over. */
void pl_undo_add_state(pl_undo *undo, pl_state *before);

/* Goes one step back or forward, except for the looks, which stay.  *old: the state before, to
 * compare with; the stack keeps it.  False where there is no step. */
bool pl_undo_step(pl_undo *undo, bool back, pl_state *state, pl_state *old);

/* To be called around a command that turns a knob (0: none): presses within a second are
 * one turn. */
void pl_undo_begin_turn(pl_undo *undo, int knob);
void pl_undo_end_turn(pl_undo *undo, int knob);

void pl_undo_deinit(pl_undo *undo);

#endif
