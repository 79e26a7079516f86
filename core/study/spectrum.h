/* core/study/spectrum.h -- the spectrum of a site's Gram matrix (methods.md 2.3): computed once,
 * then found in the store under the key of the Gram matrix's entry.  Worker thread only. */
#ifndef PL_STUDY_SPECTRUM_H
#define PL_STUDY_SPECTRUM_H

#include "core/lab/lab.h"

#include <stddef.h>

/* Eigenvectors kept at each end of the spectrum, fewer where the site is narrower than both ends
 * together. */
enum { PL_SPECTRUM_ENDS = 4 };

#define PL_SPECTRUM_EPSILON 1e-4 /* of the epsilon-rank (methods.md 5) */

typedef struct pl_spectrum {
    size_t n;
    double *values; /* [n] of G, falling.  G is stored in float32: values below `floor` are rounding
                       errors and may be negative */
    double mean_diag; /* of G: the mean eigenvalue */
    double floor;     /* 2^-23 times the largest */
    size_t eps_rank;  /* values above PL_SPECTRUM_EPSILON times the largest */
    size_t ends;      /* eigenvectors at each end */
    double *vectors;  /* [2 ends, n] unit rows: of the `ends` largest, then of the `ends` least
                         values, both falling */
} pl_spectrum;

/* Caller deinits out; empty on failure.  PL_ERR_MEMORY where the work space of 8 n^2 bytes exceeds
 * the lab's limit, PL_ERR_NUMERIC where G is zero. */
PL_NODISCARD pl_status pl_spectrum_load(pl_context cx, pl_id calibration, size_t site,
                                        pl_spectrum *out, pl_error *err);
void pl_spectrum_deinit(pl_spectrum *spectrum);

/* Key of a site's spectrum in the store. */
PL_NODISCARD pl_status pl_spectrum_key(pl_id calibration, size_t site, pl_id *out, pl_error *err);

#endif
