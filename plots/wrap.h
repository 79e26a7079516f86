/* plots/wrap.h -- fits a text into a given width: on one line, smaller, or on several lines; never
 * cut. */
#ifndef PL_PLOTS_WRAP_H
#define PL_PLOTS_WRAP_H

#include "plots/fonts.h"

enum { PL_WRAP_LINES = 5 };

/* Points: no text on paper is smaller. */
#define PL_WRAP_LEAST 5.0

typedef struct pl_wrapped {
    double size;                    /* of its letters */
    double width, height, line;     /* of all lines; height of a line */
    size_t first[PL_WRAP_LINES], n; /* where its lines begin; how many */
    size_t length[PL_WRAP_LINES];   /* bytes of each line */
    double needs; /* the width it needs, more than `room`, if it fits at no size; else 0 */
} pl_wrapped;

/* `text` in `room` points and at most `lines` (1 ... PL_WRAP_LINES) lines: at `size` on one line,
 * else up to a fifth smaller, else on more lines, else smaller down to PL_WRAP_LEAST.  Lines end at
 * blanks, and behind `_`, `.`, `-` or `/` where nothing else helps. */
void pl_wrap(pl_fonts *fonts, const char *text, double size, double room, size_t lines,
             pl_wrapped *out);

/* place: how lines are aligned in `width`: 0 left, 0.5 centred, 1 right. */
void pl_wrap_draw(pl_fonts *fonts, cairo_t *cr, const char *text, const pl_wrapped *wrapped,
                  double x, double y, double width, double place);

#endif
