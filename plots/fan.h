/* plots/fan.h -- channels, form=fan: how the values of every input channel are spread. */
#ifndef PL_PLOTS_FAN_H
#define PL_PLOTS_FAN_H

#include "plots/kinds.h"

/* Weights: each drawn series' columns.  Inputs: the stored sample of tokens; where that is not all
 * tokens, also max |x| over all, as points.  Values are signed; on a log axis magnitudes.  Sorted:
 * all series in the order of the first one's falling maxima, so that a channel has one place. */
PL_NODISCARD pl_status pl_fan_make(pl_context cx, const pl_request *request, pl_figure *out,
                                   pl_error *err);

/* A series of spreads, one for each group of columns of w: at x = first + k that of group k, or of
 * group order[k] where order is not NULL.  w is borrowed; PL_ERR_NUMERIC names label, row and
 * column. */
typedef struct pl_spread_series {
    const char *label;
    pl_mark mark;
    pl_tone tone;
    pl_view w;
    size_t group_size; /* 1: every column */
    bool magnitudes;
    double first;
    const size_t *order;
} pl_spread_series;
PL_NODISCARD pl_status pl_fan_add(pl_figure *figure, const pl_spread_series *series, pl_task *task,
                                  pl_error *err);

#endif
