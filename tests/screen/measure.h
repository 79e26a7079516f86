/* tests/screen/measure.h -- what a key costs: time to its frame, and bytes, for tests and benches.
 */
#ifndef PL_TESTS_MEASURE_H
#define PL_TESTS_MEASURE_H

#include "tests/screen/pty.h"

enum { PL_MEASURED = 64 };

typedef struct pl_measure {
    int count;
    double ms[PL_MEASURED];    /* from the key to the first frame whose panes differ */
    double bytes[PL_MEASURED]; /* until nothing more comes */
    int lost;                  /* keys that changed nothing within a second */
} pl_measure;

/* Sends the keys in turn, `count` (<= PL_MEASURED) in all, and waits after each for the panes (all
 * but the header and the last two lines, where running times stand) to change, then for rest:
 * `pause` seconds without output, at most five times that. */
pl_measure pl_measure_keys(pl_pty *pty, const char *const *keys, int n_keys, int count,
                           double pause);

/* Sorts the values. */
double pl_measure_p95(double *values, int count);
double pl_measure_median(double *values, int count);

#endif
