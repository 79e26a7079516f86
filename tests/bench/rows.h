/* tests/bench/rows.h -- a row of the bench: a ratio beside the limit it is held to; and the same
 * work in PyTorch, to compare with. */
#ifndef PL_TESTS_BENCH_ROWS_H
#define PL_TESTS_BENCH_ROWS_H

#include <jansson.h>

typedef enum bench_sense { BENCH_AT_MOST, BENCH_AT_LEAST } bench_sense;

/* Prints {"bench", "row", "ratio", "limit", "sense", "met", ...more}.  ratio NaN: what it needs is
 * not installed, both "ratio" and "met" are null.  more may be NULL; the reference is taken. */
void bench_row(const char *bench, const char *row, double ratio, bench_sense sense, double limit,
               json_t *more);

/* Seconds that tests/bench/torch_rows.py ARGS measures for that work, with as many threads as
 * planish; NaN where PLANISH_BENCH_PYTHON is not set or cannot import PyTorch. */
double bench_torch(const char *args);

#endif
