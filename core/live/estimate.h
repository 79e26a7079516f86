/* core/live/estimate.h -- a number of a whole layer from some of its rows, and whether it is near
 * enough to be shown.
 *
 * y_r is known for the rows that were solved, and x_r > 0, about proportional to it, for all: what
 * W0 alone says of a row.  Rows are independent, and a few of them hold most of a sum where the
 * inputs have massive channels: those that are largest by x are always solved (taken), and of the
 * others a stratified sample (drawn), whose ratio sum y / sum x stands for the rest. */
#ifndef PL_LIVE_ESTIMATE_H
#define PL_LIVE_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_row_known { PL_ROW_UNKNOWN, PL_ROW_TAKEN, PL_ROW_DRAWN } pl_row_known;

/* A number on the screen is within this of the final one, or is not shown. */
#define PL_SHOWN_WITHIN 0.1

/* The sum of y over all rows, NaN where it may be further than PL_SHOWN_WITHIN from the true one.
 * It is exact where every row is known.  Rows whose x is 0 have y = 0. */
double pl_estimate_sum(const double *x, const double *y, const unsigned char *known, size_t rows);

#endif
