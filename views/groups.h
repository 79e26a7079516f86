/* views/groups.h -- plots over groups of channels: from a channel to its group and back. */
#ifndef PL_VIEWS_GROUPS_H
#define PL_VIEWS_GROUPS_H

#include "views/figure_view.h"

/* The group of the marked channel, NaN without one.  The axis' names are the groups'. */
double pl_group_of_channel(const pl_screen_model *model, const pl_figure *figure);

/* The largest channel of the group at x, by the side that is shown; SIZE_MAX if there is none. */
size_t pl_channel_of_group(const pl_screen_model *model, const pl_figure *figure, double x);

#endif
