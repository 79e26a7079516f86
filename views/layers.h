/* views/layers.h -- the layer list's filter, as typed and as a command. */
#ifndef PL_VIEWS_LAYERS_H
#define PL_VIEWS_LAYERS_H

#include "views/panel.h"

/* Lists only the layers that the filter matches (views/filter.h); "" lists all.  On PL_ERR_USAGE
 * the list stays as it is. */
PL_NODISCARD pl_status pl_layers_filter(pl_screen_model *model, const char *text, pl_error *err);

/* `/`: starts typing the filter in the prompt's line; from now on every key goes to
 * pl_layers_type. */
void pl_layers_type_start(pl_screen_model *model);
void pl_layers_type(pl_screen_model *model, pl_press press, pl_intent *intent);

/* Draws that line and sets the surface's cursor; returns the columns that the text took. */
int pl_layers_draw_typing(const pl_screen_model *model, pl_surface *surface, pl_rect rect);

#endif
