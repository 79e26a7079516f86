/* views/jobs.h -- the list of jobs over the panes: running, waiting and ended ones. */
#ifndef PL_VIEWS_JOBS_H
#define PL_VIEWS_JOBS_H

#include "views/keys.h"
#include "views/screen_model.h"

/* {0} is closed. */
typedef struct pl_jobs_view {
    bool open;
    size_t row, top;
    uint64_t id;  /* of the chosen row's job, which keeps the choice while others come and go */
    pl_rect list; /* where its lines were drawn */
} pl_jobs_view;

/* Returns the number of the job to cancel, or 0.  Every key is taken. */
uint64_t pl_jobs_key(pl_jobs_view *view, const pl_screen_model *model, pl_press press);
/* Chooses the job under the mouse. */
void pl_jobs_point(pl_jobs_view *view, const pl_screen_model *model, pl_mouse mouse);
void pl_jobs_draw(pl_jobs_view *view, const pl_screen_model *model, pl_surface *surface,
                  pl_rect rect);

#endif
