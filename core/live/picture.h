/* core/live/picture.h -- snapshots for the screen: immutable, small, counted.
 *
 * The worker makes them, any thread may read them.  They hold only what is drawn: numbers per
 * channel, a table. */
#ifndef PL_LIVE_PICTURE_H
#define PL_LIVE_PICTURE_H

#include "core/lab/pipeline.h"
#include "core/study/channel_table.h"

#include <stddef.h>

enum { PL_PICTURE_TOP = 24 };

/* Everything the first screen shows of one layer. */
typedef struct pl_picture {
    size_t layer, rows, cols;
    float *before;         /* [cols] max |w| per input channel */
    float *extreme;        /* [cols] that weight itself, with its sign; or NULL */
    float *preconditioned; /* or NULL */
    float *after;          /* or NULL */
    float *input;          /* [cols] max |x|, or NULL before calibration */
    pl_channel_row weights[PL_PICTURE_TOP], inputs[PL_PICTURE_TOP];
    size_t n_weights, n_inputs;
    bool solved;             /* or, of a preview, being solved */
    pl_solve_report report;  /* valid when solved; a preview's are estimates, NaN for none */
    double group_max_before; /* of the original, on the report's groups; always valid */

    /* A preview (preview.h): the maxima are over so many rows; 0: the picture is whole.
     * preview_rounding: the preconditioned rows are final, it is the rounded ones that are counted.
     */
    size_t preview_rows;
    bool preview_rounding;

    double flatness_before, kurtosis_before; /* of the original; after: the report's */

    /* What kept settings have of the layer, in the state's order. */
    size_t n_pins;
    struct {
        float *max;   /* [cols], owned: of the preconditioned weights, else of the rounded */
        bool named;   /* the label is the name that `keep` gave */
        size_t index; /* in the state's kept settings */
        char label[sizeof((pl_pin *)0)->label];
        pl_solve_report report;
    } pins[PL_MAX_KEPT];
} pl_picture;

/* Caller owns *out. */
PL_NODISCARD pl_status pl_picture_create(pl_context cx, size_t layer, pl_picture **out,
                                         pl_error *err);
void pl_picture_destroy(pl_picture *picture); /* NULL is fine */

#endif
