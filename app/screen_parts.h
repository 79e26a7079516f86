/* app/screen_parts.h -- what the event loop's files share: screen.c (loop, keys, drawing),
 * screen_commands.c (typed lines, undo), screen_jobs.c (what runs on the worker) and
 * screen_results.c (what that brings). */
#ifndef PL_APP_SCREEN_PARTS_H
#define PL_APP_SCREEN_PARTS_H

#include "app/prompt.h"
#include "app/screen.h"
#include "core/run/picture.h"
#include "views/help.h"
#include "views/panel.h"
#include "views/terminal.h"

typedef struct pl_screen pl_screen;

typedef enum pl_job_kind {
    PL_JOB_KIND_COMMAND, /* a typed command's run half */
    PL_JOB_KIND_LIVE,    /* a turn of the knob: solve, then a picture */
    PL_JOB_KIND_PICTURE,
    PL_JOB_KIND_SCORES,
    PL_JOB_KIND_PLAIN,   /* the rounder alone, to compare with */
    PL_JOB_KIND_PREPARE, /* the demo calibrates itself */
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
    pl_layer_score scores[PL_SCORES_PIECE];
    pl_solve_report report; /* plain */
    uint64_t line;          /* typed line it belongs to, 0: none */
    pl_job_line shown;      /* name and progress, for the header */
    double started;
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

struct pl_screen {
    const pl_screen_options *options;
    pl_state *state;
    pl_terminal *terminal;
    pl_prompt *prompt;
    pl_surface surface;
    pl_help_view help;
    pl_screen_model model;
    char message[PL_ERROR_TEXT + 64];

    pl_screen_job *jobs; /* in order of submission */
    pl_typed_line *lines;
    uint64_t last_line;
    pl_undo undo, redo;
    char last_command[32]; /* of the last undo entry: selects in a row are one */

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
    bool picture_wanted, live_wanted, prepare_wanted;
    bool solve_later; /* a wanted solve waits for a calibration */
    bool dirty, quit;
    int signal;
};

double pl_screen_now(void);
void pl_screen_say(pl_screen *screen, pl_message_kind kind, const char *text);

/* --- screen_jobs.c ------------------------------------------------------------------------- */

/* Submits whatever is wanted and not under way. */
void pl_screen_pump_jobs(pl_screen *screen);

/* NULL is fine. */
void pl_screen_destroy_job(pl_screen_job *job);

/* A command's run half; line: 0 or the typed line that waits for it.  Takes call over. */
PL_NODISCARD pl_status pl_screen_submit_call(pl_screen *screen, pl_call *call, uint64_t line,
                                             pl_error *err);
bool pl_screen_is_ordinary(const pl_call *call);
bool pl_screen_ordinary_runs(const pl_screen *screen);

/* Cancels the newest thing the user started; false if nothing runs. */
bool pl_screen_cancel(pl_screen *screen);

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

void pl_screen_step_history(pl_screen *screen, bool back);
void pl_screen_restore(pl_screen *screen);
void pl_screen_free_commands(pl_screen *screen);

#endif
