/* views/screen_model.h -- what panels draw, and the little they remember themselves.
 *
 * The event loop (app/screen.c) owns the model and fills it; a panel reads it and changes only its
 * own part (views.*).  Snapshots are borrowed for the call. */
#ifndef PL_VIEWS_SCREEN_MODEL_H
#define PL_VIEWS_SCREEN_MODEL_H

#include "core/run/picture.h"
#include "core/run/state.h"
#include "views/canvas.h"
#include "views/layout.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_sort {
    PL_SORT_MODEL,
    PL_SORT_INPUT_RATIO,
    PL_SORT_WEIGHT_RATIO,
    PL_SORT_WEIGHT_MAX,
    PL_SORT_COUNT,
} pl_sort;

typedef struct pl_layers_view {
    pl_sort sort;
    size_t top;
} pl_layers_view;

typedef struct pl_channels_view {
    bool sorted, log;
    size_t cursor;       /* channel index */
    bool placed;         /* the crosshair has been moved by hand; else it is on the largest */
    size_t first, shown; /* zoom: ranks or indices shown; shown 0: all */
} pl_channels_view;

typedef struct pl_outliers_view {
    size_t row, top;
} pl_outliers_view;

typedef struct pl_tuner_view {
    size_t row, top; /* of the list of parameters */
    bool editing;
    char text[32]; /* the value being typed */
} pl_tuner_view;

enum { PL_MAX_JOBS_SHOWN = 4 };

typedef struct pl_job_line {
    char name[48], what[24];
    double amount, total, seconds;
} pl_job_line;

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
    bool calibrated;              /* the picture has, or will have, inputs */
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
    bool message_seen; /* a key has been pressed since: a long one gives the footer back */
    pl_pane focus;
    pl_marks marks;

    struct {
        pl_layers_view layers;
        pl_channels_view channels;
        pl_outliers_view outliers;
        pl_tuner_view tuner;
    } views;
} pl_screen_model;

#endif
