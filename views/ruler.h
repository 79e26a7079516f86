/* views/ruler.h -- the ruler under a knob: where a parameter's value lies in its range, and which
 * part of the range has an effect. */
#ifndef PL_VIEWS_RULER_H
#define PL_VIEWS_RULER_H

#include "core/live/live.h"
#include "core/method/method.h"
#include "views/surface.h"

typedef struct pl_ruler {
    double low, high; /* the ends; low > 0 where logarithmic */
    bool logarithmic;
    double value;
    double from, to; /* the useful part; NaN: not known, or all of it */
} pl_ruler;

/* strength: if the parameter is one, its meaning on the layer, which narrows the ruler to the
 * useful part; or NULL.  columns: the layer's, 0 if none is open.  A choice has no ruler (low ==
 * high). */
pl_ruler pl_ruler_make(const pl_param *param, double value, const pl_strength *strength,
                       size_t columns);

/* Column of a value on a bar of so many columns, 0 ... columns - 1. */
int pl_ruler_column(const pl_ruler *ruler, double value, int columns);

/* One line, as wide as the rectangle: end, bar, end.  Narrower than 12 columns nothing. */
void pl_ruler_draw(const pl_ruler *ruler, pl_surface *surface, pl_rect rect, int line);

/* A choice's names in one line, the chosen one marked. */
void pl_choices_draw(const pl_param *param, double value, pl_surface *surface, pl_rect rect,
                     int line);

/* "does something from 2.1e-5 to 0.31 (all rows zero); tau 0.4 x mean |w|". */
void pl_ruler_words(double beta, const pl_strength *strength, pl_buf *out);

#endif
