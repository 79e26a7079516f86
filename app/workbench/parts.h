/* app/workbench/parts.h -- what the event loop's files share: screen.c (loop, drawing),
 * screen_keys.c (what keys do), screen_commands.c (typed lines, undo), screen_jobs.c (what runs on
 * the worker) and screen_results.c (what that brings). */
#ifndef PL_APP_WORKBENCH_PARTS_H
#define PL_APP_WORKBENCH_PARTS_H

#include "app/workbench/prompt.h"
#include "app/workbench/screen.h"
#include "app/workbench/services.h"
#include "core/run/live.h"
#include "app/workbench/figures.h"
#include "core/run/picture.h"
#include "plots/kinds.h"
#include "views/help.h"
#include "views/jobs.h"
#include "views/layers.h"
#include "views/palette.h"
#include "views/panel.h"
#include "views/terminal.h"
#include "views/tour.h"

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
    PL_JOB_KIND_COUNT,
} pl_job_kind;

enum { PL_SCORES_PIECE = 8, PL_UNDO_DEPTH = 200 };

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
    pl_solve_report report; /* plain */
    pl_request request;     /* figure */
    pl_figure figure;
    pl_id figure_key, figure_base;
    uint64_t line;          /* typed line it belongs to, 0: none */
    pl_job_line shown;      /* name and progress, for the header */
    double started;
    bool urgent;
    /* Live: frames on the way; the newest is whosoever takes it out. */
    pl_worker *worker;
    pl_live *live;
    _Atomic(pl_picture *) frame;
    size_t frames;        /* taken */
    pl_strength strength; /* meaning */
    bool learn_first;     /* live: not solved, since the transform is to be learned first */
    struct pl_screen_job *next;
} pl_screen_job;

/* A typed line: its commands run one after another, the next when the one before has ended. */
typedef struct pl_typed_line {
    uint64_t id;
    char *text;
    const char *rest;
    bool busy;
    struct pl_typed_line *next;
} pl_typed_line;

typedef struct pl_undo {
    pl_state states[PL_UNDO_DEPTH];
    size_t count;
} pl_undo;

enum { PL_ENDED_JOBS = 20, PL_LOG_LINES = 500, PL_MOST_COUNT = 9999 };

/* What the lists of jobs and commands are made from. */
typedef struct pl_screen_lists {
    pl_job_row ended[PL_ENDED_JOBS]; /* newest first */
    size_t n_ended;
    pl_job_row *rows; /* running, queued, ended: made anew for every frame */
    size_t capacity;
    pl_log_line log[PL_LOG_LINES]; /* oldest first */
    size_t n_log;
} pl_screen_lists;

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

/* The knob and what stands beside it (screen_live.c). */
typedef struct pl_screen_live {
    pl_live *live; /* the worker's */
    const pl_source *ready_source; /* of the layer that the worker is ready for */
    size_t ready_layer;
    struct {
        pl_strength_key key;
        pl_strength value;
    } strengths[PL_STRENGTHS]; /* newest first */
    size_t n_strengths;
    pl_strength_key asked; /* the last one asked for, so that a failure is not repeated */
    pl_measured measured;
    bool have_measured;
    pl_id measured_weights; /* identity of the solved weights it is of */
    char measure[600];      /* the command that measured them, "" for none yet */
    bool pin_later;         /* when the running solve has ended */
    int knob;               /* the last one turned, and when */
    double knob_at;
} pl_screen_live;

struct pl_screen {
    const pl_screen_options *options;
    pl_state *state;
    pl_terminal *terminal;
    pl_prompt *prompt;
    pl_surface surface;
    pl_help_view help;
    pl_palette palette;
    pl_jobs_view jobs_view;
    pl_screen_lists lists;
    pl_tour_step tour;
    pl_theme theme;
    bool tour_turned;  /* the side has been another one since */
    pl_side tour_side; /* what the tour's present step began with */
    size_t tour_layer;
    size_t count; /* digits typed so far: 10 of `10j` */
    bool went_first; /* the last key was g: a second one belongs to it */
    pl_screen_model model;
    char message[PL_ERROR_TEXT + 64];

    pl_screen_job *jobs; /* in order of submission */
    pl_screen_figures *figures;
    pl_screen_memos memos[PL_DISPLAY_PANES];
    pl_typed_line *lines;
    uint64_t last_line;
    pl_undo undo, redo;
    double call_began;     /* of the call that is about to end; 0: now */
    bool key_logged;       /* the log's last line is a key's command */
    const pl_command *last_command; /* of the last undo entry, or NULL */

    pl_overview overview;
    bool *scored; /* [overview.n] */
    bool scores_failed;
    pl_picture *picture;
    pl_id picture_plan;
    char picture_error[PL_ERROR_TEXT];
    pl_solve_report plain;
    pl_id plain_plan; /* of the state without preconditioner that `plain` is of */
    size_t plain_layer;
    bool have_plain;
    pl_screen_live live;
    bool picture_wanted, live_wanted, prepare_wanted;
    bool solve_later; /* a wanted solve waits for a calibration, or for a transform to be learned */
    size_t solve_later_layer; /* whose that is */
    uint64_t learned; /* counts what has been learned since: figures of it are made anew */
    double learned_at;
    bool dirty, quit;
    int signal;
};


/* --- screen_keys.c ------------------------------------------------------------------------- */

void pl_screen_key(pl_screen *screen, pl_press press);
/* Does what a key of the table does. */
void pl_screen_act(pl_screen *screen, pl_action action);
void pl_screen_open_prompt(pl_screen *screen, const char *text);

/* --- screen_words.c ------------------------------------------------------------------------ */

/* Theme and marks as the options and the settings want them. */
void pl_screen_set_looks(pl_screen *screen);

/* --- screen_tour.c ------------------------------------------------------------------------- */

/* Goes on if the present step has been done.  call: what has just ended, or NULL. */
void pl_screen_follow_tour(pl_screen *screen, const pl_call *call);
/* Draws the screen with the tour's line, if there is one. */
void pl_screen_draw_with_tour(pl_screen *screen, bool prompt_open);

/* --- screen_palette.c ---------------------------------------------------------------------- */

void pl_screen_open_palette(pl_screen *screen);
void pl_screen_palette_key(pl_screen *screen, pl_press press);

/* --- screen_lists.c ------------------------------------------------------------------------ */

/* The screen's own: nobody asked for it or waits for it. */
bool pl_screen_job_is_own(const pl_screen_job *job);
/* Fills the model's list of jobs and log. */
void pl_screen_fill_lists(pl_screen *screen);
/* A job has ended; why: of a failure. */
void pl_screen_job_ended(pl_screen *screen, const pl_screen_job *job, pl_status status,
                         const char *why);
/* A command has ended that began so many seconds ago.  again: a key's, which takes the place of
 * the last line if that was the same command's. */
void pl_screen_log(pl_screen *screen, const char *command, const char *result, bool ok,
                   double seconds, bool again);
void pl_screen_free_lists(pl_screen *screen);
/* Gaps and errors of what a call has solved; of a layer solved earlier (on the worker). */
void pl_screen_keep_solutions(pl_screen *screen, const pl_call *call);

/* --- screen_jobs.c ------------------------------------------------------------------------- */

/* Submits whatever is wanted and not under way. */
void pl_screen_pump_jobs(pl_screen *screen);

/* A job with a copy of the state; submitting takes it over, failing destroys it (its call is left
 * alone). */
PL_NODISCARD pl_status pl_screen_make_job(pl_screen *screen, pl_job_kind kind, const char *name,
                                          pl_screen_job **out, pl_error *err);
PL_NODISCARD pl_status pl_screen_submit_job(pl_screen *screen, pl_screen_job *job,
                                            pl_urgency urgency, pl_error *err);

/* NULL is fine. */
void pl_screen_destroy_job(pl_screen_job *job);

/* A command's run half; line: 0 or the typed line that waits for it.  Takes call over. */
PL_NODISCARD pl_status pl_screen_submit_call(pl_screen *screen, pl_call *call, uint64_t line,
                                             pl_error *err);
/* Whether a command runs that waits for this, see pl_brings. */
bool pl_screen_brings(const pl_screen *screen, pl_brings what);
bool pl_screen_slow_runs(const pl_screen *screen);

/* Cancels one job by its number. */
void pl_screen_cancel_job(pl_screen *screen, uint64_t id);


/* --- screen_learn.c ------------------------------------------------------------------------ */

/* The layer's transform slot gets the next method of the registry, behind the last one none. */
void pl_screen_next_transform(pl_screen *screen);
/* Learns the selected layer's transform on; pauses it where it is being learned. */
void pl_screen_learn(pl_screen *screen);
/* A live solve has found that its transform is to be learned: learns it, and solves behind it. */
void pl_screen_learn_first(pl_screen *screen, const pl_screen_job *job);
/* A running job learns: figures of what it learns are made anew, now and then. */
void pl_screen_note_learning(pl_screen *screen);

/* --- screen_live.c ------------------------------------------------------------------------- */

/* On the worker: the job's solve with frames on the way, then the whole picture. */
PL_NODISCARD pl_status pl_screen_run_live(pl_screen_job *job, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_screen_run_idle(pl_screen_job *job, pl_task *task, pl_error *err);

/* Gives a job the worker's knob.  False when memory is out. */
bool pl_screen_lend_live(pl_screen *screen, pl_screen_job *job);
/* Shows what running live jobs have to show. */
void pl_screen_take_frames(pl_screen *screen);
/* What is to be done while nothing else is: PL_JOB_KIND_READY, _MEANING, or _COUNT for nothing. */
pl_job_kind pl_screen_idle_kind(const pl_screen *screen);
void pl_screen_begin_idle(pl_screen *screen, pl_job_kind kind);
void pl_screen_end_idle(pl_screen *screen, const pl_screen_job *job, pl_status status);
/* A command has been run on this state. */
void pl_screen_note_measured(pl_screen *screen, const pl_screen_job *job, pl_status status);
/* The key: pins the present result, or the one that a running solve brings. */
void pl_screen_pin(pl_screen *screen);
/* The key: measures again as before, at once on the demo, else asks for the text. */
void pl_screen_measure(pl_screen *screen);
/* Fills the model's strength and perplexity. */
void pl_screen_fill_live(pl_screen *screen);
/* A command made by a key; a turn of a knob that goes on is no new step to undo. */
void pl_screen_follow_knob(pl_screen *screen, const pl_intent *intent);
bool pl_screen_knob_goes_on(pl_screen *screen);
void pl_screen_free_live(pl_screen *screen);

/* --- screen_results.c ---------------------------------------------------------------------- */

/* Takes the worker's events. */
void pl_screen_take_events(pl_screen *screen);

/* Cancels all and waits until nothing runs. */
void pl_screen_stop_jobs(pl_screen *screen);

/* Forgets pictures and scores: another model is open. */
void pl_screen_new_model(pl_screen *screen);

/* The calibration is another one: input scores are computed again. */
void pl_screen_new_inputs(pl_screen *screen);

/* --- screen_commands.c --------------------------------------------------------------------- */

/* Runs a line of commands as if typed. */
void pl_screen_type_line(pl_screen *screen, const char *text);

/* One command made by a key; live: the selected layer is solved behind it. */
void pl_screen_key_command(pl_screen *screen, const char *text, bool live);

/* Goes on with the typed lines. */
void pl_screen_pump_lines(pl_screen *screen);

/* The apply half and everything that follows from it.  Destroys call. */
void pl_screen_end_call(pl_screen *screen, pl_call *call, uint64_t line, pl_status status,
                        const pl_error *err);

void pl_screen_free_commands(pl_screen *screen);

#endif
