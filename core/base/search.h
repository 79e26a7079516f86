/* core/base/search.h -- a search over one number: where a value is reached, or where it is least.
 *
 * Each value costs a solve, so that few are asked for: the caller computes y where
 * pl_search_next points, and tells it.  All that is known is the list of points; the same points
 * give the same next one. */
#ifndef PL_BASE_SEARCH_H
#define PL_BASE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

enum { PL_SEARCH_MOST = 12 };

typedef enum pl_search_end {
    PL_SEARCH_GOES_ON,
    PL_SEARCH_FOUND,     /* as near as asked for */
    PL_SEARCH_NEAREST,   /* no nearer within `most` values, or within the numbers there are */
    PL_SEARCH_BEYOND,    /* y stays on one side of `want` from end to end */
    PL_SEARCH_NO_NUMBER, /* y is not finite at the last x */
} pl_search_end;

typedef struct pl_search {
    /* What is asked for. */
    double low, high; /* of x, low < high; above 0 where logarithmic */
    bool logarithmic; /* x counts by its logarithm */
    bool whole;       /* x is a whole number; else it is rounded to four digits, so that a person
                         can give the same one */
    double start;     /* the first x, put into the range */
    bool least;       /* the x of the least y; else y = want > 0 */
    double want, tolerance; /* |y - want| <= tolerance want; of a least y: as near in x */
    double slope;           /* d log y / d log x to begin with; 0: 0.7, a rising one */
    size_t most;            /* values, at most PL_SEARCH_MOST; 0: so many */
    /* What is known; zeros at first. */
    double x[PL_SEARCH_MOST], y[PL_SEARCH_MOST];
    size_t count;
    size_t best; /* the nearest point, or the least; of count > 0 */
    pl_search_end end;
} pl_search;

/* The next x to compute y at; false: the search is over, and `end` says how. */
bool pl_search_next(pl_search *search, double *x);
/* y at that x. */
void pl_search_tell(pl_search *search, double x, double y);

/* d log y / d log x between the two points nearest to the goal; 0 where that is not known. */
double pl_search_slope(const pl_search *search);

#endif
