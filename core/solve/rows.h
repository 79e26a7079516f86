/* core/solve/rows.h -- a layer's rows while they are solved: who is told that they are final, and
 * where they are left for a later solve to begin from. */
#ifndef PL_SOLVE_ROWS_H
#define PL_SOLVE_ROWS_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Told by a solve, on its thread and between its steps, that rows [first, first + count) of the
 * result are final. */
typedef struct pl_rows_watch {
    void (*done)(void *ctx, size_t first, size_t count);
    void *ctx;
} pl_rows_watch;

/* Rows as their last solves left them.  Rows are independent: each one is empty (a solve of it
 * begins cold) or holds the end of some solve of it. */
typedef struct pl_warm {
    size_t rows, cols;
    const void *owner; /* an address by which a method knows `own` for its own */
    bool *full;        /* [rows], whether the row has a state */
    float *w;          /* [rows, cols]: what the row's last solve gave */
    float *own;        /* [rows, cols]: what else the method begins from */
} pl_warm;

PL_NODISCARD pl_status pl_warm_create(size_t rows, size_t cols, pl_warm **out, pl_error *err);
void pl_warm_destroy(pl_warm *warm); /* NULL is fine */

/* What a method does before it uses the rows: those of another owner are emptied. */
void pl_warm_claim(pl_warm *warm, const void *owner);

/* What a row's last solve gave, [cols], borrowed; NULL for an empty row. */
const float *pl_warm_row(const pl_warm *warm, size_t row);

/* Puts w[cols] in place of what the row's last solve gave. */
void pl_warm_put(pl_warm *warm, size_t row, const float *w);

#endif
