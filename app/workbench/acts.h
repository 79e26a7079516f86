/* app/workbench/acts.h -- actions of keys that take more than one command. */
#ifndef PL_APP_WORKBENCH_ACTS_H
#define PL_APP_WORKBENCH_ACTS_H

#include "app/command.h"
#include "views/panel.h"

/* Pins the present result, or that of a running solve when it ends. */
void pl_screen_pin(pl_screen *screen);
/* Repeats the last measurement; the first time measures the demo at once, else asks for
 * the text. */
void pl_screen_measure(pl_screen *screen);
/* Runs a command that a key made; undo takes a whole turn of a knob as one step. */
void pl_screen_follow_knob(pl_screen *screen, const pl_intent *intent);

/* Puts the next method of the registry into the layer's transform slot; after the last one none. */
void pl_screen_next_transform(pl_screen *screen);
/* Goes on learning the selected layer's transform, or pauses it if it is being learned. */
void pl_screen_learn(pl_screen *screen);
/* When a live solve has found that the layer's transform must be learned first: learns it, then
 * solves. */
void pl_screen_learn_first(pl_screen *screen, size_t layer);

#endif
