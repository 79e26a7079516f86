/* app/workbench/acts.h -- what keys do that takes more than one command. */
#ifndef PL_APP_WORKBENCH_ACTS_H
#define PL_APP_WORKBENCH_ACTS_H

#include "app/command.h"
#include "views/panel.h"

/* Pins the present result, or the one that a running solve brings. */
void pl_screen_pin(pl_screen *screen);
/* Measures again as before, at once on the demo, else asks for the text. */
void pl_screen_measure(pl_screen *screen);
/* A command made by a key; a turn of a knob that goes on is no new step to undo. */
void pl_screen_follow_knob(pl_screen *screen, const pl_intent *intent);

/* The layer's transform slot gets the next method of the registry, behind the last one none. */
void pl_screen_next_transform(pl_screen *screen);
/* Learns the selected layer's transform on; pauses it where it is being learned. */
void pl_screen_learn(pl_screen *screen);
/* A live solve of that layer has found that its transform is to be learned: learns it, and solves
 * behind it. */
void pl_screen_learn_first(pl_screen *screen, size_t layer);

#endif
