/* core/solve/rows.h -- a layer's rows while they are solved: a callback when they are final, and
 * warm starts for later solves. */
#ifndef PL_SOLVE_ROWS_H
#define PL_SOLVE_ROWS_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A solve calls `done`, on its thread and between its steps, when rows [first, first + count) of
 * the result are final. */
typedef struct pl_rows_watch {
    void (*done)(void *ctx, size_t first, size_t count);
    void *ctx;
} pl_rows_watch;

/* Rows as their last solves left them.  Rows are independent: each one is empty (a solve of it
 * begins cold) or holds the end of some solve of it. */
typedef struct pl_warm {
    size_t rows, cols;
    const void *owner; /* an address that says which method `own` belongs to */
    bool *full;        /* [rows], whether the row has a state */
    float *w;          /* [rows, cols]: what the row's last solve gave */
    float *own;        /* [rows, cols]: whatever else the method begins from */
} pl_warm;

PL_NODISCARD pl_status pl_warm_create(size_t rows, size_t cols, pl_warm **out, pl_error *err);
void pl_warm_destroy(pl_warm *warm); /* NULL is fine */

/* A method calls this before it uses the rows: empties those of another owner. */
void pl_warm_claim(pl_warm *warm, const void *owner);

/* What a row's last solve gave, [cols], borrowed; NULL for an empty row. */
const float *pl_warm_row(const pl_warm *warm, size_t row);

/* Replaces what the row's last solve gave by w[cols]. */
void pl_warm_put(pl_warm *warm, size_t row, const float *w);

#endif
