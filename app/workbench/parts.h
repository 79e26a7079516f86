/* app/workbench/parts.h -- the screen's struct, part by part.
 *
 * Parts with headers of their own are written only by functions declared there; for the others a
 * comment says which file writes them. */
#ifndef PL_APP_WORKBENCH_PARTS_H
#define PL_APP_WORKBENCH_PARTS_H

#include "app/draft.h"
#include "app/workbench/jobs.h"
#include "app/workbench/log.h"
#include "app/workbench/measuring.h"
#include "app/workbench/prompt.h"
#include "app/workbench/scores.h"
#include "app/workbench/screen.h"
#include "app/workbench/sight.h"
#include "app/workbench/typed.h"
#include "app/workbench/undo.h"
#include "app/workbench/wants.h"
#include "views/help.h"
#include "views/jobs.h"
#include "views/palette.h"
#include "views/terminal.h"
#include "views/tour.h"

enum { PL_STRENGTHS = 8 };

/* What a strength's meaning depends on. */
typedef struct pl_strength_key {
    const pl_source *source;
    size_t layer, group_size, length, windows;
    const pl_method *method; /* NULL: no preconditioner with a strength */
    pl_spec transform;
    uint64_t learned;
    pl_id calibration;
} pl_strength_key;

/* What the worker has ready for the knob's next turn, and what strengths mean (knob.c). */
typedef struct pl_knob {
    pl_live *live;                 /* the worker's */
    const pl_source *ready_source; /* source of the layer that the worker is ready for */
    size_t ready_layer;
    struct {
        pl_strength_key key;
        pl_strength value;
    } strengths[PL_STRENGTHS]; /* newest first */
    size_t n_strengths;
    struct {
        pl_strength_key key;
        pl_spec round;
        double value;
    } bests[PL_STRENGTHS]; /* where the rounded error was least, newest first */
    size_t n_bests;
    pl_strength_key asked; /* the last meaning asked for, so that a failure is not repeated */
} pl_knob;

/* Counts changes of a transform being learned, after which its figures are made again
 * (learning.c). */
typedef struct pl_learned {
    uint64_t count;
    double at; /* when it was counted last */
} pl_learned;

/* The tour's present step, and how the screen was when it began (tour.c). */
typedef struct pl_tour_state {
    pl_tour_step step;
    bool turned; /* the side has changed since */
    pl_side side;
    size_t layer;
} pl_tour_state;

/* Where (loop.c) and with which colours (looks.c) the screen is drawn. */
typedef struct pl_face {
    pl_terminal *terminal;
    pl_surface surface;
    pl_theme theme;
    bool mouse, pixels;
} pl_face;

/* The main pane's figure as an image (pixels.c; looks.c starts waiting for an answer). */
typedef struct pl_pixels {
    double asked;    /* when a question was sent whose answer must be reported; 0: none */
    bool unanswered; /* it was reported that no answer came in time */
    uint64_t job;    /* the job that makes `wanted`; 0: none */
    pl_id wanted;    /* identity of the image that should be shown */
    bool failed;     /* it cannot be made */
    pl_buf bytes;    /* the last image made; empty: none */
    uint64_t serial; /* counts the images made */
    pl_id key, base; /* identity of what it shows, with and without the marked channel */
    pl_rect place;   /* that it was made for */
    pl_graphics protocol;
} pl_pixels;

/* The figure of the line that is being typed (draft.c). */
typedef struct pl_drafting {
    bool open;
    char *line, *valid; /* the line read last; the last valid one */
    const pl_command *command;
    pl_draft draft;            /* of `valid` */
    char wrong[PL_ERROR_TEXT]; /* with `line`, or "" */
    pl_id wanted, key;         /* identity of the wanted figure; of the one made */
    uint64_t job;              /* 0: none runs */
    bool made, failed;         /* with this sentence: */
    char failure[PL_ERROR_TEXT];
    pl_figure bases[PL_KIND_ROW];   /* [panels] as its kind makes them */
    pl_figure figures[PL_KIND_ROW]; /* [panels] with the options of `valid` that suit them */
    size_t panels;
    char *title;         /* over a row of two; or NULL */
    bool dirty;          /* `figures` must be made from `bases` */
    const pl_key *fresh; /* the field with the cursor, while it is empty; or NULL */
    pl_rect list;        /* where its fields were drawn, */
    size_t top;          /* from this one on */
} pl_drafting;

/* Overlays over the panes (keys.c, palette.c, show.c). */
typedef struct pl_overlays {
    pl_help_view help;
    pl_palette palette;
    pl_jobs_view jobs;
} pl_overlays;

/* Keys that are the beginning of a longer input (keys.c). */
typedef struct pl_typing {
    size_t count;    /* digits typed so far: 10 of `10j` */
    bool went_first; /* the last key was g, the first of gg */
} pl_typing;

/* The last press, to recognise a double one (mouse.c). */
typedef struct pl_clicks {
    double at; /* 0: there is none */
    int y, x;
} pl_clicks;

/* Reports of the mouse that came before what they point at, oldest first (mouse.c). */
enum { PL_MOST_EARLY = 64 };
typedef struct pl_early {
    pl_mouse reports[PL_MOST_EARLY];
    size_t n;
} pl_early;

/* Whether the loop must draw or end (loop.c; set also by say.c, tour.c, keys.c and lines.c). */
typedef struct pl_loop {
    bool dirty, quit;
    int signal;
} pl_loop;

/* A question that one key answers (ask.c). */
typedef struct pl_asking {
    char *question; /* NULL: nothing is asked */
    char *line;     /* of commands, run on y */
} pl_asking;

/* A long command that was stopped or cut off (resume.c; results.c writes how far a job has
 * come). */
typedef struct pl_resume {
    char *line;        /* NULL: there is none */
    bool restore;      /* it is an earlier run's, whose state must be restored first */
    pl_job_line shown; /* progress of the job whose call ends now */
} pl_resume;

struct pl_screen {
    const pl_screen_options *options;
    pl_state *state;
    pl_screen_model model;            /* filled by show.c; views change their own parts */
    char message[PL_ERROR_TEXT + 64]; /* say.c */

    pl_jobs jobs;
    pl_wants wants;
    pl_scores scores;
    pl_sight sight;
    pl_measuring measuring;
    pl_typed typed;
    pl_undo undo;
    pl_call_log log;
    pl_asking asking;
    pl_resume resume;
    pl_prompt *prompt;
    struct pl_screen_figures *figures; /* figures.c */

    pl_knob knob;
    pl_learned learned;
    pl_tour_state tour;
    pl_face face;
    pl_pixels pixels;
    pl_drafting drafting;
    pl_overlays over;
    pl_typing typing;
    pl_clicks clicks;
    pl_early early;
    pl_loop loop;
};

#endif
