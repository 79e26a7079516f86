/* plots/levels.h -- the weights of one layer on the grid of its rounder, in units of their group's
 * scale, so that all groups share one set of levels; and the level to which each weight rounds.
 * Every group rounds to nearest with its own scale, as RTN does, and GPTQ apart from its
 * updates. */
#ifndef PL_PLOTS_LEVELS_H
#define PL_PLOTS_LEVELS_H

#include "core/format/grid.h"
#include "plots/drawn.h"

enum { PL_LEVELS = 256 };

typedef struct pl_levels {
    pl_grid grid;
    pl_drawn_list list;  /* at most two items: before, and what the rounder gets */
    pl_mat w[2];         /* the items' weights, as they are or after pl_levels_take_units */
    float at[PL_LEVELS]; /* the levels in units of the scale, rising (plus the zero point) */
    size_t count;
    double shares[2][PL_LEVELS]; /* share of the weights that round to each, 0 ... 1 */
    double outside[2]; /* share of those beyond the first or the last level, which saturate */
    bool turned;       /* what the rounder gets is behind a transform */
    char *title;       /* "1.q_proj, int3" */
} pl_levels;

/* Reads the weights that the request draws.  `who` begins the sentence of PL_ERR_STATE where no
 * rounder is set.  Caller deinits out; empty on failure. */
PL_NODISCARD pl_status pl_levels_read(const char *who, pl_context cx, const pl_request *request,
                                      pl_levels *out, pl_error *err);
void pl_levels_deinit(pl_levels *levels);

/* Every group of row-major weights with the parameters fitted to it. */
typedef void (*pl_levels_use)(void *ctx, const pl_grid *grid, pl_grid_param param, float *w,
                              size_t count);
void pl_levels_each_group(pl_levels *levels, size_t item, pl_levels_use use, void *ctx);

/* w <- w / scale + zero point in all items; fills shares and outside. */
void pl_levels_take_units(pl_levels *levels);

/* The border between levels i and i + 1; behind the last level, as far from it as the border before
 * it. */
double pl_levels_edge(const pl_levels *levels, size_t i);

/* The facts "levels", "saturated" and "entropy" of all items. */
void pl_levels_facts(const pl_levels *levels, pl_figure *out);

#endif
