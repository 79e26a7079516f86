/* app/workbench/jobs.h -- the screen's jobs on the worker, each with a copy of the state, in order
 * of submission. */
#ifndef PL_APP_WORKBENCH_JOBS_H
#define PL_APP_WORKBENCH_JOBS_H

#include "app/command.h"
#include "core/jobs/worker.h"
#include "core/live/live.h"
#include "core/live/picture.h"
#include "plots/kinds.h"
#include "plots/options.h"
#include "views/images.h"
#include "views/screen_model.h"

#include <stdatomic.h>

typedef enum pl_job_kind {
    PL_JOB_KIND_COMMAND, /* a typed command's run half */
    PL_JOB_KIND_LIVE,    /* a turn of the knob: solve, then a picture */
    PL_JOB_KIND_PICTURE,
    PL_JOB_KIND_SCORES,
    PL_JOB_KIND_PLAIN,   /* the rounder alone, to compare with */
    PL_JOB_KIND_PREPARE, /* the demo calibrates itself */
    PL_JOB_KIND_READY,   /* what the knob's next turn needs of the layer */
    PL_JOB_KIND_MEANING, /* its factors, and what a strength means on it */
    PL_JOB_KIND_FIGURE,  /* what a pane shows */
    PL_JOB_KIND_PIXELS,  /* the main pane's figure as an image */
    PL_JOB_KIND_COUNT,
} pl_job_kind;

enum { PL_SCORES_PIECE = 8, PL_ENDED_JOBS = 20 };

/* What an image is made for. */
typedef struct pl_pixels_page {
    pl_graphics protocol;
    size_t width, height; /* pixels */
    double dpi;
    double first, shown; /* the range of x, as in pl_pane_memo */
} pl_pixels_page;

/* One job, with its own copy of the state. */
typedef struct pl_screen_job {
    pl_job_kind kind;
    uint64_t id;
    pl_lab *lab;
    pl_state state;
    pl_call *call;
    pl_id plan; /* of the state's selected layer */
    pl_picture *picture;
    size_t first, count; /* scores */
    pl_layer_row rows[PL_SCORES_PIECE];
    pl_solve_report report;   /* plain */
    pl_request request;       /* figure */
    pl_figure figure, beside; /* beside: of the figure dialog: the second panel of a row */
    pl_id figure_key, figure_base;
    pl_pixels_page page; /* pixels: figure_key and figure_base are the image's */
    pl_rect place;
    pl_figure_options options; /* the author's; zeros where none is set */
    pl_buf image;
    uint64_t line;     /* number of its typed line; 0: none */
    pl_job_line shown; /* name and progress, for the header */
    double started;
    bool urgent;
    /* Live: intermediate frames; whoever exchanges the newest for NULL owns it. */
    pl_worker *worker;
    pl_live *live;
    _Atomic(pl_picture *) frame;
    size_t frames;        /* taken */
    pl_strength strength; /* meaning */
    bool learn_first;     /* live: not solved, since the transform must be learned first */
    struct pl_screen_job *next;
} pl_screen_job;

/* The context of a job: its own state, and the task that the worker runs. */
static inline pl_context pl_job_context(const pl_screen_job *job, pl_task *task)
{
    return (pl_context){job->lab, &job->state, task};
}

typedef struct pl_jobs {
    pl_worker *worker; /* borrowed */
    pl_lab *lab;       /* borrowed, the worker's */
    pl_screen_job *first;
    pl_job_row ended[PL_ENDED_JOBS]; /* newest first */
    size_t n_ended;
    pl_job_row *rows; /* running, queued, ended: made anew for every frame */
    size_t capacity;
} pl_jobs;

/* A job with a copy of the state.  submit takes it over and, on failure, destroys it, but not its
 * call; run gets the job. */
PL_NODISCARD pl_status pl_jobs_create(const pl_jobs *jobs, pl_job_kind kind, const char *name,
                                      const pl_state *state, pl_screen_job **out, pl_error *err);
PL_NODISCARD pl_status pl_jobs_submit(pl_jobs *jobs, pl_screen_job *job, pl_urgency urgency,
                                      pl_status (*run)(void *job, pl_task *task, pl_error *err),
                                      pl_error *err);
/* NULL is fine. */
void pl_jobs_destroy(pl_screen_job *job);

/* The first job of a kind; the job of that number; the first command that brings `what`;
 * or NULL. */
pl_screen_job *pl_jobs_find(const pl_jobs *jobs, pl_job_kind kind);
pl_screen_job *pl_jobs_of_id(const pl_jobs *jobs, uint64_t id);
pl_screen_job *pl_jobs_bringing(const pl_jobs *jobs, pl_brings what);
/* What Esc cancels: the job that runs for the user, or will behind one of the screen's own; else
 * the newest that waits, or NULL. */
pl_screen_job *pl_jobs_to_cancel(const pl_jobs *jobs);
/* Whether a slow command runs; its job, or NULL. */
bool pl_jobs_slow_run(const pl_jobs *jobs);
const pl_screen_job *pl_jobs_slow(const pl_jobs *jobs);
void pl_jobs_cancel(const pl_jobs *jobs, const pl_screen_job *job);

/* Handles an event: notes progress.  Returns a job that has ended, which is no longer listed and
 * the caller destroys; else NULL. */
pl_screen_job *pl_jobs_take(pl_jobs *jobs, const pl_job_event *event);
/* Keeps an ended job in the list; why: the failure's sentence. */
void pl_jobs_remember(pl_jobs *jobs, const pl_screen_job *job, pl_status status, const char *why);

/* The list, valid until the next call; *count is 0 where memory is out. */
const pl_job_row *pl_jobs_list(pl_jobs *jobs, size_t *count);

/* Cancels all, waits until nothing runs, and frees the list. */
void pl_jobs_stop(pl_jobs *jobs);

#endif
