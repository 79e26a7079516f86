/* core/learn/stiefel.h -- descent on orthogonal matrices by Cayley's transform (Li, Li and
 * Todorovic, ICLR 2020, algorithm 1, without momentum; as SpinQuant learns its rotations). */
#ifndef PL_LEARN_STIEFEL_H
#define PL_LEARN_STIEFEL_H

#include "core/base/error.h"

#include <stddef.h>

/* In place R[n, n] <- (I + a/2 W)^-1 (I - a/2 W) R with W = (G R^T - R G^T) / 2 for the gradient
 * G[n, n] of what falls, and a = share * min(rate, 1 / ||W||_1): the longest step of which the
 * fixed point Y = R - a/2 W (R + Y), five rounds of it, is sure to converge.  R is orthogonal to
 * float32's last digits afterwards.  share: in [0, 1], where a schedule stands. */
PL_NODISCARD pl_status pl_stiefel_step(size_t n, float *r, const float *g, double rate,
                                       double share, pl_error *err);

#endif
