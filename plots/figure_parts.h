/* plots/figure_parts.h -- what a figure owns, freed; private to figure.c and build.c. */
#ifndef PL_PLOTS_FIGURE_PARTS_H
#define PL_PLOTS_FIGURE_PARTS_H

#include "plots/figure.h"

/* texts[count] and what they point to; NULL is fine. */
void pl_figure_free_texts(char **texts, size_t count);

/* The figure then has none. */
void pl_figure_drop_heat(pl_figure *figure);
void pl_figure_drop_table(pl_figure *figure);

#endif
