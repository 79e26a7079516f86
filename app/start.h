/* app/start.h -- what a program sets before it computes: standard streams, signals, how OpenMP's
 * threads wait, which of OpenBLAS's kernels compute.
 *
 * Both libraries read their environment while they are loaded, so a program that wants another
 * setting starts itself once more.  The tests and benches start in the same way
 * (tests/support/start.c). */
#ifndef PL_APP_START_H
#define PL_APP_START_H

/* Returns in the process that goes on; does nothing where the user's environment sets everything
 * (OMP_WAIT_POLICY or GOMP_SPINCOUNT, OPENBLAS_CORETYPE). */
void pl_start(char **argv);

/* The kernels that OpenBLAS had chosen, if pl_start replaced them; else NULL.  Valid as long as the
 * environment. */
const char *pl_start_own_kernel(void);

#endif
