/* app/workbench/undo.h -- states before and after the present one, and which commands are one step.
 */
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
    int knob;               /* the one turned last, negative while that turn goes on; 0: none */
    double knob_at;
} pl_undo;

/* A command has changed the state: `before` (taken over) is a step, unless the command goes on with
 * the last one or adds nothing to take back. */
void pl_undo_add(pl_undo *undo, const pl_command *command, pl_state *before, bool changed);
/* A step that no command made; takes before over. */
void pl_undo_add_state(pl_undo *undo, pl_state *before);

/* Goes one step back or forward, but for what is looked at, which stays: *state becomes that one's,
 * *old (to compare with; it stays the stack's) what it was.  False where there is none. */
bool pl_undo_step(pl_undo *undo, bool back, pl_state *state, pl_state *old);

/* Around a command made by turning a knob (0: none): presses within a second are one turn. */
void pl_undo_begin_turn(pl_undo *undo, int knob);
void pl_undo_end_turn(pl_undo *undo, int knob);

void pl_undo_deinit(pl_undo *undo);

#endif
