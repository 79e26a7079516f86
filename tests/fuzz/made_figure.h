/* tests/fuzz/made_figure.h -- random figures that pl_figure_check passes: every mark, heat map and
 * table, few points and many, flat and wild, with names that are wide, long or empty. */
#ifndef PL_TESTS_MADE_FIGURE_H
#define PL_TESTS_MADE_FIGURE_H

#include "core/base/rng.h"
#include "plots/figure.h"

/* The caller deinits out. */
void made_figure(pl_rng *rng, pl_figure *out);

#endif
