/* core/solve/linf.h -- the problem Astro and MagR share, and its solvers.
 *
 * Per row w0 of W0 (methods.md 2):
 *     min_w  1/2 (w - w0)^T Gn (w - w0) + beta * sum_k alpha_k ||w^(k)||_inf
 * Astro (arXiv 2602.07596): alpha_k = ||X^(k)||_F / mean.  MagR (NeurIPS 2024): alpha_k = 1. */
#ifndef PL_SOLVE_LINF_H
#define PL_SOLVE_LINF_H

#include "core/solve/factors.h"
#include "core/solve/rows.h"
#include "core/tensor/mat.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_solver { PL_SOLVER_ADMM, PL_SOLVER_PGD } pl_solver;

typedef struct pl_linf_problem {
    pl_view w0;         /* [rows, n], finite */
    size_t group_size;  /* 0: one group a row */
    const float *alpha; /* [groups], > 0 or 0 for a group without input */
    double beta;        /* > 0, in Gn's units */
    pl_view whole; /* the layer that w0's rows are from: rho is chosen by all its rows, so that a
                      part is solved as in the whole; data NULL: w0 */
} pl_linf_problem;

typedef struct pl_linf_options {
    pl_solver solver;
    int iterations;    /* ADMM iterations, or PGD steps */
    double gap;        /* > 0: each row stops once its gap is below (ADMM; tested every 5th
                          iteration, iterations is then the maximum); 0: run them all */
    double rho_factor; /* rho = rho_factor * mean(diag Gn); 0: one rho a channel, chosen from Gn,
                          beta, alpha and the size of the weights (admm.c) */
    bool certify;      /* compute the dual bound */
    double rough;      /* > 0: a preview of about as many multiplications: no bounds (objective,
                          dual and gap are NaN), and with rho_factor 0 the nearest theta that is
                          factored already, if any */
    const pl_rows_watch *watch; /* NULL: nobody watches */
    const size_t *place; /* [rows]: each row's row in warm, SIZE_MAX: none; NULL: the same number */
    bool cold;           /* rows do not begin from warm, but their ends are left there */
} pl_linf_options;

typedef struct pl_linf_report {
    double objective; /* sum over rows of P(w) */
    double dual;      /* sum over rows of D, a lower bound on the optimum; NaN if not certified */
    double gap;       /* (objective - dual) / objective; 0 for objective 0 */
    double worst_row_gap;
    size_t worst_row;
    int iterations;         /* of the row that took most */
    double mean_iterations; /* over rows: what the products cost */
    double rho;             /* with rho_factor 0 the mean over channels; 0 for PGD */
    double ridge, lambda_max;
} pl_linf_report;

/* w: [rows, n] contiguous, may not alias w0.  Rows are independent and always cut into the same
 * blocks.  A row starts from warm (NULL: none) where that holds a state of the same solver for it,
 * else cold; warm is updated block by block.  Its `own` is the dual point y, which does not depend
 * on rho. */
PL_NODISCARD pl_status pl_linf_solve(pl_factors *factors, const pl_linf_problem *problem,
                                     const pl_linf_options *options, pl_warm *warm, float *w,
                                     pl_linf_report *report, pl_task *task, pl_error *err);

/* P(w) summed over rows, evaluated directly in float64: for reports and tests. */
PL_NODISCARD pl_status pl_linf_objective(pl_factors *factors, const pl_linf_problem *problem,
                                         pl_view w, double *out, pl_task *task, pl_error *err);

/* Makes the factors that a solve of this problem with ADMM needs (rho_factor as in the options),
 * and nothing else, so that a knob's next turns find them. */
PL_NODISCARD pl_status pl_linf_prepare(pl_factors *factors, const pl_linf_problem *problem,
                                       double rho_factor, pl_task *task, pl_error *err);

/* The range of beta that has an effect: `low` is where the mean group maximum has fallen by 0.1 %
 * (found by solving a fixed stratified sample of rows), `zero` where all rows are zero: max over
 * rows and groups of ||(Gn w0)^(k)||_1 / alpha_k. */
PL_NODISCARD pl_status pl_linf_beta_range(pl_factors *factors, const pl_linf_problem *problem,
                                          double *low, double *zero, pl_task *task, pl_error *err);

/* The range in which a beta is searched for. */
#define PL_LINF_LEAST_BETA 1e-9
#define PL_LINF_MOST_BETA 1e3

typedef struct pl_linf_reached {
    double beta;   /* rounded to four digits */
    size_t solves; /* of all rows, at most PL_SEARCH_MOST */
} pl_linf_reached;

/* pl_linf_solve at the beta where the mean group maximum is (1 - target) of w0's, within 1e-3 of
 * target, 0 < target < 1, found by cold solves: w and *report are what pl_linf_solve gives at
 * reached->beta, to the bit.  problem->beta is not read.  The search begins from a stratified
 * sample of rows. */
PL_NODISCARD pl_status pl_linf_solve_target(pl_factors *factors, const pl_linf_problem *problem,
                                            const pl_linf_options *options, double target,
                                            pl_warm *warm, float *w, pl_linf_report *report,
                                            pl_linf_reached *reached, pl_task *task, pl_error *err);

/* An estimate of that beta from the sample alone; *slope: d log(fall) / d log(beta) there, 0 where
 * unknown. */
PL_NODISCARD pl_status pl_linf_estimate_beta(pl_factors *factors, const pl_linf_problem *problem,
                                             const pl_linf_options *options, double target,
                                             double *beta, double *slope, pl_task *task,
                                             pl_error *err);

#endif
