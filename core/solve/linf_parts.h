/* core/solve/linf_parts.h -- what linf.c's solvers and its row engine share; private to core/solve.
 *
 * ADMM and proximal gradient have the same shape.  One iteration of a block of rows:
 *     C := C + gain D M            (one GEMM; C is then v)
 *     z := clip of v, group by group, to the level that pl_prox_linf_levels finds
 *     D := d_z z + d_v v - w0,   C := c_z z + c_v v + c_w w0
 * and u = v - z gives the dual point y_i = rho metric_i u_i.  Nothing but C (kept in the result's
 * rows), D and the levels exists between iterations. */
#ifndef PL_SOLVE_LINF_PARTS_H
#define PL_SOLVE_LINF_PARTS_H

#include "core/solve/linf.h"

/* Columns of a group (the last may be shorter), and groups of a row. */
size_t pl_linf_width(const pl_linf_problem *problem);
size_t pl_linf_groups(const pl_linf_problem *problem);

/* sum |x_i|, of a group or of a whole row. */
double pl_linf_magnitudes(const float *x, size_t count);

typedef struct pl_linf_kernel {
    const float *matrix; /* M[n, n]: A for ADMM, Gn for PGD */
    float gain;
    float d_z, d_v;
    float c_z, c_v, c_w;
    double rho;          /* tau_k = beta alpha_k / rho; 1 for PGD (step 1 on Gn) */
    const float *metric; /* [n], channel i has rho metric_i; NULL: 1 everywhere */
} pl_linf_kernel;

/* rho_factor > 0: the same rho for every channel; 0: a rho for each (admm.c), with the nearest
 * theta that is factored, if any is, where `ready` is set. */
PL_NODISCARD pl_status pl_linf_admm_kernel(pl_factors *factors, const pl_linf_problem *problem,
                                           double rho_factor, bool ready, pl_linf_kernel *out,
                                           pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_linf_pgd_kernel(pl_factors *factors, pl_linf_kernel *out, pl_task *task,
                                          pl_error *err);

/* Bounds of one row of the problem. */
typedef struct pl_linf_bounds {
    double primal, dual;
} pl_linf_bounds;

/* What every block reads.  Group k is columns [k width, min((k+1) width, n)). */
typedef struct pl_linf_frame {
    pl_view w0;
    size_t n, width, groups;
    const double *weights; /* [groups]: beta alpha_k, which bounds ||y^(k)||_1 */
    const float *taus;     /* [groups] */
    const float *metric;   /* [n], of the kernel; NULL: 1 everywhere */
    const pl_lower *lower; /* Cholesky factor of Gn; NULL: certifier makes it */
} pl_linf_frame;

/* Called where the frame has no factor, when M is no longer needed and the rows are not yet
 * certified: sets `lower`, and `metric` if that lay with M. */
typedef struct pl_linf_certifier {
    pl_status (*make)(void *ctx, pl_task *task, pl_error *err);
    void *ctx;
} pl_linf_certifier;

/* P for `count` rows that begin at w0's, w[count, n] with stride; work[count, n].  Float64. */
void pl_linf_primal(const pl_linf_frame *frame, pl_view w0, size_t count, const float *w,
                    size_t stride, double *work, pl_linf_bounds *bounds);

/* D at y_i = rho metric_i (v - clip(v))_i: feasible after scaling each group by
 * min(1, beta alpha_k / ||y^(k)||_1), then scaled as a whole by the t in [0, 1] that makes D(t y)
 * greatest (any such t keeps it feasible; t = 1 at the optimum). */
void pl_linf_dual(const pl_linf_frame *frame, pl_view w0, size_t count, const float *v,
                  const float *levels, double rho, double *work, pl_linf_bounds *bounds);

/* Iterations: of the row that took most, and of all rows together. */
typedef struct pl_linf_effort {
    int most;
    size_t all;
} pl_linf_effort;

/* Runs the kernel on all rows into w[rows, n], bounds[rows] (dual NaN unless certified).
 * certifier: NULL where the frame has its factor; else no gap may be asked for. */
PL_NODISCARD pl_status pl_linf_run_rows(const pl_linf_frame *frame, const pl_linf_kernel *kernel,
                                        const pl_linf_options *options,
                                        const pl_linf_certifier *certifier, pl_warm *warm, float *w,
                                        pl_linf_bounds *bounds, pl_linf_effort *effort,
                                        pl_task *task, pl_error *err);

/* Rows of one block: about what a cache holds beside M; equally many blocks for every thread; one
 * iteration within a step of the worker (50 ms at width 4096). */
size_t pl_linf_block_rows(size_t rows, size_t n);

#endif
