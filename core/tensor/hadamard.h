/* core/tensor/hadamard.h -- orthonormal Hadamard matrices and their fast application.
 *
 * H has entries of 1 and -1 and H H^T = n I.  Sylvester's doubling, H_{2n} = H_2 (x) H_n, and
 * Paley's two constructions from finite fields (J. Math. Phys. 12, 1933) give orders
 * n = m 2^k with m = 1, m - 1 a prime power = 3 (mod 4), or m / 2 - 1 a prime power = 1 (mod 4);
 * a few more m are stored.
 * Where n is none of these the matrix is block-diagonal, in equal blocks of the largest order that
 * divides n. */
#ifndef PL_TENSOR_HADAMARD_H
#define PL_TENSOR_HADAMARD_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_hadamard pl_hadamard;

/* Whether a matrix of order n can be made without blocks. */
bool pl_hadamard_is_known(size_t n);

/* The largest order that divides n and whose matrix is known: n itself where it is. */
size_t pl_hadamard_largest(size_t n);

/* n >= 1.  Immutable once made; the caller owns *out. */
PL_NODISCARD pl_status pl_hadamard_create(size_t n, pl_hadamard **out, pl_error *err);
/* The same in equal blocks of order `block`.  PL_ERR_USAGE where it does not divide n, or no matrix
 * of that order is known. */
PL_NODISCARD pl_status pl_hadamard_create_blocks(size_t n, size_t block, pl_hadamard **out,
                                                 pl_error *err);
void pl_hadamard_destroy(pl_hadamard *h); /* NULL is fine */

/* In place on each of the rows of x, ld apart: x <- x H / sqrt(block); transposed: x <- x H^T /
 * sqrt(block), the inverse.  Rows are shared between the threads. */
void pl_hadamard_rows(const pl_hadamard *h, float *x, size_t rows, size_t ld);
void pl_hadamard_rows_transposed(const pl_hadamard *h, float *x, size_t rows, size_t ld);

/* Additions and multiplications for one row. */
double pl_hadamard_flops(const pl_hadamard *h);

/* "36 x 2^4", or "of 3 blocks: 12 x 2^2", appended. */
void pl_hadamard_describe(const pl_hadamard *h, pl_buf *out);

/* --- hadamard_make.c -------------------------------------------------------------------------- */

/* Whether Paley's constructions give the order m.  pl_paley_make: the matrix [m, m] of 1 and -1;
 * false where they do not give it, or memory is out. */
bool pl_paley_is_known(size_t m);
bool pl_paley_make(size_t m, int8_t *h);

/* The same for the orders whose matrix is stored (hadamard_stored.c). */
bool pl_hadamard_is_stored(size_t m);
bool pl_hadamard_make_stored(size_t m, int8_t *h);

#endif
