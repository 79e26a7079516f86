/* app/workbench/screen.h -- the workbench on a terminal: one event loop over keys, the worker's
 * events and signals. */
#ifndef PL_APP_WORKBENCH_SCREEN_H
#define PL_APP_WORKBENCH_SCREEN_H

#include "app/command.h"
#include "app/settings.h"
#include "core/jobs/worker.h"
#include "sessions/session.h"
#include "views/keymap.h"

typedef struct pl_screen_options {
    pl_worker *worker;   /* borrowed; the screen takes all its events while it runs */
    pl_lab *lab;         /* borrowed; used on the worker only */
    pl_state *state;     /* taken over and changed; holds the last state when the screen is left */
    const char *history; /* file of the lines typed at the prompt, or NULL */
    const char *marks;   /* "braille", "blocks", "ascii", or NULL: by locale and terminal */
    const char *theme;   /* "dark", ..., or NULL: as remembered, else by the background */
    const char *mouse;   /* "yes", "no", or NULL: as remembered, else yes */
    const pl_keymap *keys; /* borrowed; NULL: the table as it is */
    pl_settings *settings; /* borrowed, changed and written; NULL: none are kept */
    bool first_run;        /* the tour is shown */
    const char *notice;    /* first message, or NULL */
    bool restored;         /* the state comes from the session already */
    const char *failure;   /* first message, shown as a warning, or NULL */

    /* The session; each may be NULL.  Called on the UI thread; none may take long. */
    void *ctx;
    /* A long command begins. */
    void (*begun)(void *ctx, const pl_call *call, const pl_state *state);
    /* A command has ended: call with its result, or err with why it failed (else NULL). */
    void (*ended)(void *ctx, const pl_call *call, const pl_error *err, const pl_state *state);
    /* The state has changed by undo, redo or restore. */
    void (*changed)(void *ctx, const char *how, const pl_state *state);
    /* The command that an earlier run of the session had begun and not ended, or NULL. */
    const char *(*cut_off)(void *ctx);
    /* Whether what is done is recorded; else the header says so. */
    bool (*kept)(void *ctx);
    /* A sentence about the session after restore or take, or ""; the callee's string, which the
     * screen empties. */
    char *(*told)(void *ctx);
    /* The last session's state to *state (initialised by the callee on success). */
    pl_status (*restore)(void *ctx, const pl_state *present, pl_state *state, pl_error *err);
    /* sessions: lists all into a result.  take: as restore, the one with that number or name. */
    pl_status (*sessions)(void *ctx, json_t *result, pl_error *err);
    pl_status (*take)(void *ctx, const char *which, pl_state *state, pl_error *err);
    /* Carries out a pl_session_act. */
    pl_status (*act)(void *ctx, pl_call *call, pl_session_act act, pl_state *state, bool *moved,
                     pl_error *err);
    /* The session's newest commands, oldest first. */
    pl_status (*commands)(void *ctx, size_t most,
                          void (*each)(void *to, const pl_session_command *one), void *to,
                          pl_error *err);
    pl_status (*save)(void *ctx, const pl_state *state, pl_error *err);
    /* Writes the session's commands as a batch script. */
    pl_status (*script)(void *ctx, const char *path, pl_error *err);
} pl_screen_options;

/* Runs until the user leaves.  *exit_status: 0, or 128 + the signal that ended it.  On return the
 * terminal is restored, and no job of the screen runs.  PL_ERR_STATE if there is no usable
 * terminal. */
PL_NODISCARD pl_status pl_screen_run(const pl_screen_options *options, int *exit_status,
                                     pl_error *err);

#endif
