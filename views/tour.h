/* views/tour.h -- the first-run tour: five things to do, one line at the screen's edge.
 *
 * It takes no key: a step is done when the user has done it.  A screen of at least PL_TOUR_ROWS
 * rows has a line for it above the message; a smaller one shows it where the message
 * leaves room. */
#ifndef PL_VIEWS_TOUR_H
#define PL_VIEWS_TOUR_H

#include "views/screen_model.h"

enum { PL_TOUR_ROWS = 26 };

typedef enum pl_tour_step {
    PL_TOUR_OFF,
    PL_TOUR_LAYERS,
    PL_TOUR_SIDE,
    PL_TOUR_SOLVE,
    PL_TOUR_TURN,
    PL_TOUR_FIGURE,
    PL_TOUR_DONE,
} pl_tour_step;

/* What a step asks the user to do, with the keys as mapped. */
void pl_tour_text(pl_tour_step step, const pl_keymap *keys, char *out, size_t capacity);

/* At the right end of a line, behind column `used`; nothing where it does not fit. */
void pl_tour_draw(pl_tour_step step, const pl_keymap *keys, pl_surface *surface, pl_rect rect,
                  int used);

#endif
