/* core/metrics/recon.h -- reconstruction errors and the bound (methods.md 5). */
#ifndef PL_METRICS_RECON_H
#define PL_METRICS_RECON_H

#include "core/base/task.h"
#include "core/format/grid.h"
#include "core/solve/factors.h"
#include "core/tensor/mat.h"

#include <stddef.h>

/* tr((W-W0) G (W-W0)^T) / tr(W0 G W0^T) with the site's Gram matrix as given (no ridge).  0 where
 * both are 0.  Float64 sums. */
PL_NODISCARD pl_status pl_relative_error(pl_factors *factors, pl_view w0, pl_view w, double *out,
                                         pl_task *task, pl_error *err);

/* d G d^T of every row d of w - w0, or of w where w0.data is NULL, with the site's Gram matrix as
 * given: out[w.rows].  Float64 sums; ticks. */
PL_NODISCARD pl_status pl_row_energies(pl_factors *factors, pl_view w0, pl_view w, double *out,
                                       pl_task *task, pl_error *err);

/* -10 log10 of a relative output error, in dB (methods.md 5).  NaN for NaN, and for no error at
 * all, which has no finite ratio. */
double pl_sqnr(double relative_error);

/* Means over all groups of all rows of the group maxima max|w^(k)|. */
double pl_group_max_mean(pl_view w, size_t group_size);

/* Per group (over all rows): the largest and the mean group maximum; out arrays of groups. */
void pl_group_max(pl_view w, size_t group_size, double *largest, double *mean);

/* Theorem 4.5 of Astro: sqrt(T g) / (2 (2^(b-1)-1)) * sum_j sum_k sqrt(tr G_kk) ||w_j^(k)||_inf.
 * NaN for an asymmetric grid, for range search: it is no bound there. */
double pl_error_bound(pl_factors *factors, const pl_grid *grid, pl_view w);

/* The same from the inputs' RMS per channel, rms[w.cols], over `tokens` tokens: tr G_kk is the sum
 * of their squares, so no Gram matrix need be read. */
double pl_error_bound_rms(const float *rms, double tokens, const pl_grid *grid, pl_view w);

/* ||X^(k)||_F from the same: sqrt(tokens * sum of rms^2 over the group).  out[groups]. */
void pl_group_input_norms(const float *rms, size_t cols, double tokens, size_t group_size,
                          double *out);

#endif
