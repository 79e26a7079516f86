/* views/screen_model.h -- what panels draw, and the little they remember themselves.
 *
 * The event loop (app/screen.c) owns the model and fills it; a panel reads it and changes only its
 * own part (views.*).  Snapshots are borrowed for the call. */
#ifndef PL_VIEWS_SCREEN_MODEL_H
#define PL_VIEWS_SCREEN_MODEL_H

#include "core/live/live.h"
#include "core/live/picture.h"
#include "core/state/kept.h"
#include "core/study/layer_table.h"
#include "plots/figure.h"
#include "views/canvas.h"
#include "views/display.h"
#include "views/keymap.h"
#include "views/panes.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_layers_view {
    bool sorted; /* by the column; else in model order */
    pl_column column;
    bool rising;
    pl_column chosen[PL_COLUMN_COUNT]; /* columns behind the sorted one; none: as many as fit */
    size_t n_chosen;
    size_t top, held; /* held: pl_panel_scroll_held */
    char filter[128]; /* as typed; "" lists all */
    bool typing;      /* it is being typed, in the prompt's line */
    char typed[128];  /* then the text so far; it filters as far as it can be understood */
    char last[128];   /* the filter before, which up recalls */
    char wrong[160];  /* why it cannot be understood, or "" */
} pl_layers_view;

typedef struct pl_tuner_view {
    size_t row, top, held; /* of the list of parameters */
    bool chosen;           /* a key has moved it, to this row: */
    pl_slot slot;
    size_t param; /* SIZE_MAX: the slot's method */
    bool editing;
    char text[32];   /* the value being typed */
    char wrong[200]; /* why it was not taken, or "" */
} pl_tuner_view;

/* Which part of its view a pane shows, and where the user is in it. */
typedef struct pl_pane_memo {
    double first, shown;         /* zoom: the range of x; shown 0: all */
    double row_first, row_shown; /* the same along y, for heat maps */
    size_t row, top, held;       /* selected and first line of a table or heat map */
    bool placed;                 /* the crosshair has been moved by hand */
    double cursor;               /* its x; channel views follow state->channel instead */
    pl_rect area;                /* where the plot's data was drawn; h == 0: nowhere */
    bool dragging;               /* a range is being selected with the mouse, */
    pl_mouse from, to;           /* from here to there */
} pl_pane_memo;

typedef struct pl_shown {
    const pl_figure *figure; /* NULL until it is made */
    bool stale;              /* of an earlier state: a newer one is on its way */
    bool working;            /* a job is making it */
    double seconds;          /* since that job was asked for */
    double share;            /* share of it that is done, 0 ... 1; 0: unknown */
    const char *error;       /* why there is none, or NULL */
    const char *needs; /* what the user must do first: "{solve} solves" (pl_keymap_say), or NULL */
    pl_pane_memo memo; /* changed by the view */
} pl_shown;

enum { PL_SHOWN = PL_DISPLAY_PANES + PL_MAX_KEPT, PL_MAX_JOBS_SHOWN = 4 };

typedef struct pl_job_line {
    char name[48], what[24];
    double amount, total, seconds; /* of the pass that runs; since the job began */
    double share;                  /* of the whole job, 0 ... 1; 0: unknown */
} pl_job_line;

typedef enum pl_job_phase {
    PL_JOB_PHASE_RUNNING,
    PL_JOB_PHASE_QUEUED,
    PL_JOB_PHASE_DONE,
    PL_JOB_PHASE_FAILED,
    PL_JOB_PHASE_CANCELLED,
} pl_job_phase;

/* A line of the list of jobs. */
typedef struct pl_job_row {
    pl_job_line line;
    uint64_t id;
    pl_job_phase phase;
    bool own;     /* the screen's own: pictures, scores, figures */
    char why[96]; /* of a failure */
} pl_job_row;

/* A line of the log: a command or a job that is no command, newest last. */
typedef struct pl_log_line {
    int64_t at;     /* seconds since the epoch when it began */
    double seconds; /* it took; NaN while it runs */
    bool ok;
    char *command;
    char *result; /* the result or error in one line; never NULL */
} pl_log_line;

/* The perplexity last measured of the solved model. */
typedef struct pl_measured {
    double before, before_error, after, after_error; /* before: the original's; NaN: not measured */
    size_t solved;                                   /* layers solved then */
    bool stale;                                      /* it is of another setting */
    char of[PL_KEPT_NAME]; /* then that setting's name, "" if it is not kept */
} pl_measured;

typedef enum pl_message_kind {
    PL_MESSAGE_INFO,
    PL_MESSAGE_ERROR,
    PL_MESSAGE_WARNING
} pl_message_kind;

typedef struct pl_screen_model {
    const pl_state *state;
    const pl_overview *overview;  /* scores; NULL before a model is open */
    const pl_picture *picture;    /* NULL until the first has come */
    bool stale;                   /* the picture shows an earlier state */
    pl_id plan;                   /* that the picture shows (pl_state_plan) */
    bool calibrated;              /* the picture has, or will have, inputs */
    bool not_kept;                /* no session records what is done */
    const pl_strength *strength;  /* of the selected layer's preconditioner, or NULL */
    double best_strength;         /* the value with the least rounded error so far; 0: unknown */
    const pl_measured *measured;  /* perplexity, or NULL */
    bool measuring;               /* it is being measured */
    const pl_solve_report *plain; /* the rounder alone on this layer, or NULL */
    bool solving;                 /* a solve of the selected layer is on its way */
    double solving_seconds;
    bool calibrating;
    bool solve_later;          /* a wanted solve waits for the calibration */
    const char *picture_error; /* why there is no picture, or NULL */

    pl_job_line jobs[PL_MAX_JOBS_SHOWN]; /* what the user started, oldest first */
    size_t n_jobs;
    const char *message;
    pl_message_kind message_kind;
    bool message_seen; /* a key was pressed since: a long message then yields to the footer */
    pl_pane focus;
    pl_panes panes;  /* as they were drawn last */
    pl_pane pressed; /* where the mouse's button went down; PL_PANE_COUNT: it is up */
    pl_marks marks;
    int colours;                /* of the terminal: 256, 8 or 0 */
    const pl_keymap *keys;      /* NULL: the table as it is */
    size_t count;               /* repeat count (`10j`); 0: none was typed */
    const pl_job_row *all_jobs; /* running, queued, then recently ended */
    size_t n_all_jobs;
    const pl_log_line *log; /* oldest first */
    size_t n_log;
    pl_shown shown[PL_SHOWN]; /* main, second, table; then the main view in each kept setting */

    struct {
        pl_rect place; /* the main pane's plot in the frame; h == 0: none */
        pl_rect of;    /* the place that the image was made for; h == 0: no image */
        bool shown;    /* both are the same: the cells are left to the image */
    } image;

    struct {
        pl_layers_view layers;
        pl_tuner_view tuner;
    } views;
} pl_screen_model;

#endif
