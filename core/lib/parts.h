/* core/lib/parts.h -- what the files of libplanish share; private to core/lib. */
#ifndef PL_LIB_PARTS_H
#define PL_LIB_PARTS_H

#include "core/calib/stats.h"
#include "core/lib/planish.h"
#include "core/method/method.h"

struct planish_site {
    pl_factors *factors;
    pl_sym gram;
    pl_site_stats stats; /* tokens 0: the inputs were not seen; else it owns what gram points to */
    float *own;          /* what gram points to where it is a transformed site's */
};

/* Before anything is computed: the threads that were asked for. */
PL_NODISCARD pl_status pl_lib_enter(pl_error *err);

/* How every function of the interface ends. */
int pl_lib_leave(pl_status status, const pl_error *from, planish_error *to);

/* Refuses NULL for what a function cannot do without: "the site". */
PL_NODISCARD pl_status pl_lib_given(const char *what, const void *pointer, pl_error *err);

/* A spec of that slot from text. */
PL_NODISCARD pl_status pl_lib_spec(const char *text, pl_slot slot, pl_spec *out, pl_error *err);

/* w[rows, n], rows `stride` apart. */
PL_NODISCARD pl_status pl_lib_view(const char *what, const float *w, size_t rows, size_t n,
                                   size_t stride, pl_view *out, pl_error *err);

#endif
