/* plots/fan.h -- channels, form=fan: how the values of every input channel are spread. */
#ifndef PL_PLOTS_FAN_H
#define PL_PLOTS_FAN_H

#include "plots/kinds.h"

/* Weights: each drawn series' columns.  Inputs: the stored sample of tokens, with max |x| over all
 * tokens as points where the sample is not all of them.  Signed values; of magnitudes on a log
 * axis.  Sorted: every series in the order of the first one's falling maxima, so that a channel
 * stands at the same place in all. */
PL_NODISCARD pl_status pl_fan_make(pl_context cx, const pl_request *request, pl_figure *out,
                                   pl_error *err);

/* Series of spreads at x, one of each group of columns of w: group k at first + k, or, where order
 * is not NULL, group order[k].  Borrowed w; PL_ERR_NUMERIC names label, row and column. */
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
