/* core/study/piece.h -- one of several like parts of a job, as a task of its own: its progress is a
 * share of the job's, its ticks and its cancellation are the job's. */
#ifndef PL_STUDY_PIECE_H
#define PL_STUDY_PIECE_H

#include "core/base/task.h"

#include <stddef.h>

typedef struct pl_piece {
    pl_task task; /* for the part; not to be used after the piece */
    pl_task *whole;
    const char *what; /* the unit of the whole's progress: "points" */
    size_t done, total;
    size_t weight; /* how many of the total the running part counts for: 1 */
} pl_piece;

/* In place, since task.ctx points to the piece.  whole may be NULL. */
void pl_piece_init(pl_piece *piece, pl_task *whole, const char *what, size_t total);

/* A part has ended. */
void pl_piece_step(pl_piece *piece);

#endif
