/* app/start.h -- what has to be settled before a program computes: standard streams, signals, how
 * OpenMP's threads wait, and which of OpenBLAS's kernels computes.
 *
 * Both libraries read their environment while they are loaded, so a program that wants another
 * setting starts itself once more.  The tests and benches start in the same way
 * (tests/support/start.c). */
#ifndef PL_APP_START_H
#define PL_APP_START_H

/* Returns in the process that goes on; does nothing where the user's environment has settled
 * everything (OMP_WAIT_POLICY or GOMP_SPINCOUNT, OPENBLAS_CORETYPE). */
void pl_start(char **argv);

/* The kernels that OpenBLAS chose by itself, where pl_start had others in their place; else NULL.
 * Good as long as the environment is. */
const char *pl_start_own_kernel(void);

#endif
