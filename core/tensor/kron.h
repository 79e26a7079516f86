/* core/tensor/kron.h -- Kronecker products applied to rows, and how to split a width for them. */
#ifndef PL_TENSOR_KRON_H
#define PL_TENSOR_KRON_H

#include <stddef.h>

/* n = n1 n2, n1 the largest divisor of n up to sqrt(n).  FlatQuant's code searches the smallest a
 * with n = (a - b)(a + b): the same split where n1 and n2 are both odd or both even, as at the
 * usual widths. */
void pl_kron_split(size_t n, size_t *n1, size_t *n2);

/* y[rows, n1 n2] = x (P1 (x) P2): a row as X~[n1, n2], row-major, becomes P1^T X~ P2, with
 * p1[n1, n1] and p2[n2, n2].  y may be x; scratch: [rows, n1 n2]. */
void pl_kron_rows(const float *p1, size_t n1, const float *p2, size_t n2, const float *x, float *y,
                  size_t rows, float *scratch);

#endif
