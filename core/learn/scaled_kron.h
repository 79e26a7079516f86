/* core/learn/scaled_kron.h -- rows through diag(scale) (P1 (x) P2), and the gradient of its parts.
 *
 * With A = x diag(scale), a row as A~[n1, n2]: B~ = P1^T A~ P2 = P1^T Z.  Then, for D = dL/dB,
 * dL/dP1 = sum Z D~^T, dL/dZ = P1 D~, dL/dP2 = sum A~^T dL/dZ, dL/dA~ = dL/dZ P2^T, and
 * dL/dscale_c = sum over the rows of dL/dA_c x_c. */
#ifndef PL_LEARN_SCALED_KRON_H
#define PL_LEARN_SCALED_KRON_H

#include "core/base/error.h"

#include <stddef.h>

typedef struct pl_scaled_kron {
    size_t n1, n2;
    const float *scale;   /* [n1 n2] */
    const float *p1, *p2; /* [n1, n1], [n2, n2] */
} pl_scaled_kron;

/* out[rows, n1 n2], another array than x; scratch of the same size. */
void pl_scaled_kron_rows(const pl_scaled_kron *product, const float *x, size_t rows, float *out,
                         float *scratch);

/* Adds dL/dP1[n1, n1], dL/dP2[n2, n2] and dL/dscale[n1 n2] of these rows; grad[rows, n1 n2] is
 * dL/dB, and overwritten. */
PL_NODISCARD pl_status pl_scaled_kron_gradient(const pl_scaled_kron *product, const float *x,
                                               size_t rows, float *grad, double *p1_grad,
                                               double *p2_grad, double *scale_grad, pl_error *err);

#endif
