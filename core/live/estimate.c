#include "core/live/estimate.h"

#include <math.h>

/* Fewer rows say too little of how they scatter. */
enum { LEAST_DRAWN = 12 };

/* Standard errors that must fit within what is allowed: rows have longer tails than a Gaussian, and
 * several numbers of hundreds of layers are shown. */
static const double STANDARD_ERRORS = 5.5;

typedef struct sums {
    double known;            /* of y */
    double drawn_x, drawn_y; /* over what was drawn */
    double rest_x;           /* over what is unknown */
    size_t drawn, unknown;
} sums;

static sums sum_known_rows(const double *x, const double *y, const unsigned char *known,
                           size_t rows)
{
    sums s = {0};
    for (size_t r = 0; r < rows; r++) {
        const bool counts = x[r] > 0.0;
        if (known[r] == PL_ROW_UNKNOWN) {
            s.unknown += counts;
            s.rest_x += x[r];
            continue;
        }
        s.known += y[r];
        if (known[r] == PL_ROW_DRAWN && counts) {
            s.drawn++;
            s.drawn_x += x[r];
            s.drawn_y += y[r];
        }
    }
    return s;
}

/* The mean square of y - ratio x over what was drawn. */
static double scatter(const double *x, const double *y, const unsigned char *known, size_t rows,
                      const sums *s)
{
    const double ratio = s->drawn_y / s->drawn_x;
    double squares = 0.0;
    for (size_t r = 0; r < rows; r++) {
        if (known[r] == PL_ROW_DRAWN && x[r] > 0.0) {
            const double off = y[r] - ratio * x[r];
            squares += off * off;
        }
    }
    return squares / (double)(s->drawn - 1);
}

double pl_estimate_sum(const double *x, const double *y, const unsigned char *known, size_t rows)
{
    const sums s = sum_known_rows(x, y, known, rows);
    if (s.unknown == 0) {
        return s.known;
    }
    if (s.drawn < LEAST_DRAWN) {
        return (double)NAN;
    }
    /* The ratio estimator (Cochran, Sampling Techniques, chapter 6): the ratio is off by its own
     * error, alike for all rows that are unknown, and each of them by its own scatter. */
    const double stretch = s.rest_x / s.drawn_x;
    const double sum = s.known + s.drawn_y * stretch;
    const double variance =
        scatter(x, y, known, rows, &s) * ((double)s.drawn * stretch * stretch + (double)s.unknown);
    return STANDARD_ERRORS * sqrt(variance) <= PL_SHOWN_WITHIN * sum ? sum : (double)NAN;
}
