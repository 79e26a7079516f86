/* plots/ink.h -- a coarse map of what is already drawn, to put text where it hides least. */
#ifndef PL_PLOTS_INK_H
#define PL_PLOTS_INK_H

#include "plots/layout.h"

/* How bad it is to hide a cell. */
#define PL_INK_BODY 1.0 /* the inside of a bar */
#define PL_INK_EDGE 4.0 /* the value itself: the top of a bar, a line */
#define PL_INK_TEXT 1e6 /* another text: never */

typedef struct pl_ink {
    pl_area area;
    size_t cols, rows;
    double *cells; /* [rows, cols] weights, row 0 on top */
} pl_ink;

PL_NODISCARD pl_status pl_ink_init(pl_ink *ink, pl_area area, pl_error *err);
void pl_ink_deinit(pl_ink *ink);

/* Adds a weight to every cell the rectangle touches. */
void pl_ink_add(pl_ink *ink, pl_area rect, double weight);

/* All series of a figure. */
PL_NODISCARD pl_status pl_ink_figure(pl_ink *ink, const pl_figure *figure, const pl_layout *layout,
                                     pl_error *err);

/* The sum of the weights below a rectangle; infinite if it leaves the area. */
double pl_ink_cost(const pl_ink *ink, pl_area rect);

#endif
