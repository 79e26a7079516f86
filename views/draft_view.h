/* views/draft_view.h -- the figure dialog: the fields of the line being typed, and its figure, as
 * characters or as an image. */
#ifndef PL_VIEWS_DRAFT_VIEW_H
#define PL_VIEWS_DRAFT_VIEW_H

#include "views/screen_model.h"

typedef struct pl_draft_field {
    const char *name;
    const char *value;   /* as typed; NULL: the default */
    const char *initial; /* that default, or NULL */
} pl_draft_field;

/* Borrowed for the call. */
typedef struct pl_draft_view {
    const pl_draft_field *fields;
    size_t n, row, top;       /* row: the one with the cursor, n: none; top: the first shown, in and
                                 out */
    const pl_figure *figures; /* [n_figures] with the options: none, one, or a row of two, */
    size_t n_figures;
    const char *title;     /* title over both, or NULL */
    const pl_table *table; /* in its place, or NULL */
    bool legend, below;    /* it has a legend; the legend is below the plot */
    bool stale;            /* the figure is of an earlier line */
    const char *wrong;     /* what is wrong with the line, or "" */
    const char *note;      /* why there is no figure; or NULL */
    pl_rect list;          /* out: where the fields were drawn */
} pl_draft_view;

/* Fills the rectangle, and model->image with the place for an image of the figure. */
void pl_draft_view_draw(pl_screen_model *model, pl_surface *surface, pl_rect rect,
                        pl_draft_view *view);

#endif
