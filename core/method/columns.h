/* core/method/columns.h -- the column solver that GPTQ and its kin share: column after column is
 * rounded, and what that takes away is made up for by the columns behind it.
 *
 *   q_i = Q(w_i),  e_i = (w_i - q_i) / U_ii,  w_j += -e_i U_ij + w_i P_ij   for j behind i
 *
 * in float32, rows in fixed pieces: what comes out depends on the thread count, never on timing.
 * Private to core/method. */
#ifndef PL_METHOD_COLUMNS_H
#define PL_METHOD_COLUMNS_H

#include "core/method/method.h"

typedef struct pl_columns {
    pl_view w;          /* [rows, n]: what the scales are found from, and what is rounded ... */
    pl_view moved;      /* [rows, n]: ... but where this is given (data not NULL): it, then */
    const float *first; /* [rows]: what is rounded in place of the first position's weight, whose
                           error stays that of the weight; NULL: the weight */
    const float *u;     /* [n, n], upper, by position */
    const float *p;     /* [n, n], strictly upper, by position: P over `share`; NULL: zeros */
    float share;
    const bool *dead;     /* [n], by column: their weights become 0 */
    const size_t *perm;   /* position -> column; NULL: columns in order */
    bool static_groups;   /* scales from w before any update */
    const float *blocks;  /* pl_grid_blocks of w, with static groups; NULL: rows share no scales */
    const float *weights; /* [n], by column: scales are searched for the least sum of these times
                             error^2; NULL: as the grid says */
    const pl_rows_watch *watch;
    pl_qweights *out; /* made (pl_qweights_init); group_of says which parameters a column has */
} pl_columns;

/* The rows [first, first + count), dead columns at 0, to w[count, n]; by position where perm, which
 * is as above, is not NULL. */
void pl_columns_load(pl_view rows, const bool *dead, const size_t *perm, size_t first, size_t count,
                     float *w);

/* Groups begin at every grid.group_size-th position; their parameters are found there.
 * PL_ERR_MEMORY, or what a tick gives. */
PL_NODISCARD pl_status pl_columns_round(const pl_columns *job, pl_task *task, pl_error *err);

#endif
