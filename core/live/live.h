/* core/live/live.h -- a turn of the knob: previews at once, then the cold solve behind them.
 *
 * Keeps what the next turn of the same layer starts from: its weights, the previewed rows' warm
 * states, and what the picture shows beside the results.  What is stored, and what the caller
 * records, is the cold solve alone; it does not depend on what was turned before it.  Worker
 * thread only. */
#ifndef PL_LIVE_LIVE_H
#define PL_LIVE_LIVE_H

#include "core/live/picture.h"

typedef struct pl_live pl_live;

PL_NODISCARD pl_status pl_live_create(pl_live **out, pl_error *err);
void pl_live_destroy(pl_live *live); /* NULL is fine */

/* A picture to show now, which is the callee's: a preview of `state` (preview_rows > 0). */
typedef void (*pl_frame_fn)(void *ctx, pl_picture *frame);

/* As pl_solve_layer, with frames on the way: none where the store has the result of a layer small
 * enough to be read at once.  Cancelled, it leaves nothing but better warm starts. */
PL_NODISCARD pl_status pl_live_solve(pl_live *live, pl_context cx, size_t layer, pl_frame_fn frame,
                                     void *ctx, pl_solve_report *report, pl_id *result,
                                     pl_error *err);

/* What the next turn of a layer needs beside its factors: its weights, its rows, what the frames
 * show beside the results. */
PL_NODISCARD pl_status pl_live_prepare(pl_live *live, pl_context cx, size_t layer, pl_error *err);

/* The factors that the present plan needs; frames at near betas use them, too.  Without a pl_live:
 * it may be interrupted by a live solve at a tick. */
PL_NODISCARD pl_status pl_live_factors(pl_context cx, size_t layer, pl_error *err);

#endif
