/* tests/support/ref_quant.h -- plain, slow float64 versions of what core/format, core/solve and
 * core/method compute, written from methods.md and sharing no code with it (sorts, eliminations,
 * triple loops). */
#ifndef PL_TESTS_REF_QUANT_H
#define PL_TESTS_REF_QUANT_H

#include "core/format/grid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A reproducible Gram matrix g[n, n] of `tokens` correlated rows, channel c scaled by up to
 * 2^spread (0: alike); and Gaussian weights w[count].  The values are float32. */
void ref_gram(uint64_t seed, size_t n, size_t tokens, double spread, float *g);
void ref_weights(uint64_t seed, size_t count, float *w);

/* The level of the prox of tau max|.|: sorts, as methods.md 2 writes it. */
double ref_level(const float *v, size_t count, double tau);

/* 1/2 (w-w0)^T Gn (w-w0) + sum_k weights_k max|w^(k)|, groups of `width`. */
double ref_objective(const float *gn, size_t n, const float *w0, const float *w, size_t width,
                     const double *weights);

/* y^T w0 - 1/2 y^T Gn^-1 y by Gaussian elimination. */
double ref_dual(const float *gn, size_t n, const float *w0, const double *y);

/* The least objective of one row that ADMM in float64 with one rho reaches, for four rho. */
double ref_optimum(const float *gn, size_t n, const float *w0, size_t width, const double *weights);

/* A group's scale and zero point (no range search), and a weight's code. */
pl_grid_param ref_fit(const pl_grid *grid, const float *w, size_t count);
int ref_code(const pl_grid *grid, pl_grid_param param, double w);

/* GPTQ as optimal brain surgery: after every column the inverse Hessian of the columns that are
 * left, by one step of elimination.  w[rows, n] in, the rounded weights out. */
void ref_gptq(const float *g, size_t n, size_t rows, const pl_grid *grid, double damping,
              bool act_order, bool static_groups, const float *w, double *out);

/* tr((W - W0) G (W - W0)^T). */
double ref_output_error(const float *g, size_t n, size_t rows, const float *w0, const float *w);

#endif
