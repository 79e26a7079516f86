#include "core/method/linf_method.h"

#include "core/base/checked.h"
#include "core/solve/linf.h"
#include "core/tensor/groups.h"

#include <math.h>
#include <stdlib.h>

static const char *const solver_names[] = {"admm", "pgd", NULL};

const pl_param pl_linf_params[PL_LINF_PARAMS] = {
    [PL_LINF_BETA] = PL_REAL("beta", PL_LINF_LEAST_BETA, PL_LINF_MOST_BETA, 3e-4, "",
                             "Strength of the penalty on group maxima, for the Gram matrix divided "
                             "by its largest eigenvalue.",
                             PL_BY(PL_TWELFTH_OF_10), .telling = true, .symbol = "β",
                             PL_SOUGHT_BY(PL_LINF_TARGET, "beta_found")),
    [PL_LINF_TARGET] =
        PL_REAL("target", 0, 0.95, 0.2, "",
                "By how much the layer's mean group maximum is to fall, as a share: beta is found "
                "for it; 0: beta is as given.",
                .step = 0.01, .optional = true),
    [PL_LINF_GROUP_SIZE] = PL_GROUP_SIZE(
        "Columns whose maximum is penalized together; 0 is one group a row; by itself "
        "the block of the rounder's format, as that maximum is what its scale is of."),
    [PL_LINF_SOLVER] = PL_CHOICE(
        "solver", solver_names, PL_SOLVER_ADMM,
        "admm: near the optimum, with a certificate; pgd: the papers' proximal gradient."),
    [PL_LINF_ITERATIONS] = PL_INT(
        "iterations", 1, 100000, 20, "", "ADMM iterations; with gap=... the most that are made.",
        PL_BY(PL_HALF_OF_2), PL_ONLY_WITH(PL_LINF_SOLVER, PL_SOLVER_ADMM)),
    [PL_LINF_STEPS] = PL_INT("steps", 1, 100000, 200, "", "Proximal gradient steps.",
                             PL_BY(PL_HALF_OF_2), PL_ONLY_WITH(PL_LINF_SOLVER, PL_SOLVER_PGD)),
    [PL_LINF_GAP] =
        PL_REAL("gap", 0, 1, 0, "",
                "Stop once every row is certified this near its optimum (relative); 0: never.",
                PL_BY(PL_QUARTER_OF_10), PL_ONLY_WITH(PL_LINF_SOLVER, PL_SOLVER_ADMM)),
    [PL_LINF_RHO] = PL_REAL("rho", 0, 1e4, 0, "mean diag Gn",
                            "ADMM's rho over the mean of Gn's diagonal; 0: one for each channel, "
                            "chosen.",
                            PL_BY(PL_QUARTER_OF_10), PL_ONLY_WITH(PL_LINF_SOLVER, PL_SOLVER_ADMM)),
};

enum { RHO, RIDGE, LAMBDA_MAX, BETA_FOUND, SOLVES };
const pl_reported pl_linf_reported[PL_LINF_REPORTED] = {
    [RHO] = {.name = "rho", .unit = "Gn", .help = "ADMM's rho, the mean over the channels."},
    [RIDGE] = {.name = "ridge",
               .unit = "Gn",
               .help = "Added to the diagonal of Gn, the Gram matrix over its largest eigenvalue.",
               .told = true},
    [LAMBDA_MAX] = {.name = "lambda_max", .unit = "G", .help = "Largest eigenvalue of G."},
    [BETA_FOUND] = {.name = "beta_found",
                    .unit = "",
                    .help = "The beta that target= has found.",
                    .told = true},
    [SOLVES] = {.name = "solves",
                .unit = "",
                .help = "Solves of the layer that target= took.",
                .whole = true,
                .told = true},
};

size_t pl_linf_group_size(const pl_spec *spec)
{
    return (size_t)spec->values[PL_LINF_GROUP_SIZE];
}

/* The spec's problem on the weights of `in`, with alpha[groups], which the caller frees. */
static pl_status pose(const pl_spec *spec, const pl_layer_input *in, pl_linf_problem *out,
                      float **alpha, pl_error *err)
{
    *out = (pl_linf_problem){.w0 = in->w,
                             .group_size = pl_linf_group_size(spec),
                             .beta = spec->values[PL_LINF_BETA],
                             .whole = in->whole};
    *alpha = NULL;
    pl_status status = pl_check_layer(in, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_grid grid = {.group_size = out->group_size};
    out->alpha = *alpha = pl_alloc(pl_grid_groups(&grid, in->w.cols), sizeof **alpha);
    if (*alpha == NULL) {
        return pl_error_memory(err, "%s", in->layer);
    }
    spec->method->alpha(spec, in->factors, *alpha);
    return PL_OK;
}

static pl_linf_options options_of(const pl_spec *spec, const pl_layer_input *in)
{
    const pl_solver solver = (pl_solver)spec->values[PL_LINF_SOLVER];
    const size_t count = solver == PL_SOLVER_ADMM ? PL_LINF_ITERATIONS : PL_LINF_STEPS;
    return (pl_linf_options){.solver = solver,
                             .iterations = (int)spec->values[count],
                             .gap = spec->values[PL_LINF_GAP],
                             .rho_factor = spec->values[PL_LINF_RHO],
                             .certify = true,
                             .rough = in->rough,
                             .watch = in->watch,
                             .place = in->place,
                             .cold = !(in->rough > 0.0)};
}

/* Some rows of a layer, or a preview, take about the beta that the whole layer finds. */
static pl_status solve_rows(const pl_spec *spec, const pl_layer_input *in, pl_linf_problem *problem,
                            float *w, pl_linf_report *found, pl_linf_reached *reached,
                            pl_task *task, pl_error *err)
{
    const pl_linf_options options = options_of(spec, in);
    const double target = spec->values[PL_LINF_TARGET];
    double slope = 0.0;
    pl_status status = PL_OK;
    *reached = (pl_linf_reached){.beta = (double)NAN};
    if (target > 0.0 && in->whole.data == NULL && !(in->rough > 0.0)) {
        return pl_linf_solve_target(in->factors, problem, &options, target, in->warm, w, found,
                                    reached, task, err);
    }
    if (target > 0.0) {
        status = pl_linf_estimate_beta(in->factors, problem, &options, target, &problem->beta,
                                       &slope, task, err);
        reached->beta = problem->beta;
    }
    return status == PL_OK
               ? pl_linf_solve(in->factors, problem, &options, in->warm, w, found, task, err)
               : status;
}

pl_status pl_linf_method(const pl_spec *spec, const pl_layer_input *in, float *w,
                         pl_method_report *report, pl_task *task, pl_error *err)
{
    pl_linf_problem problem;
    pl_linf_report found;
    pl_linf_reached reached;
    float *alpha = NULL;
    *report = pl_method_report_empty();
    pl_status status = pose(spec, in, &problem, &alpha, err);
    PL_THEN(solve_rows(spec, in, &problem, w, &found, &reached, task, err));
    if (status == PL_OK) {
        *report = (pl_method_report){
            .objective = found.objective,
            .dual = found.dual,
            .gap = found.gap,
            .worst_row_gap = found.worst_row_gap,
            .worst_row = found.worst_row,
            .iterations = found.iterations,
            .own = {[RHO] = found.rho,
                    [RIDGE] = found.ridge,
                    [LAMBDA_MAX] = found.lambda_max,
                    [BETA_FOUND] = reached.beta,
                    [SOLVES] = reached.solves > 0 ? (double)reached.solves : (double)NAN}};
    }
    free(alpha);
    return status;
}

pl_status pl_linf_settle(const pl_spec *spec, const pl_layer_input *in, pl_spec *out, pl_task *task,
                         pl_error *err)
{
    pl_linf_problem problem;
    const pl_linf_options options = options_of(spec, in);
    const double target = spec->values[PL_LINF_TARGET];
    float *alpha = NULL;
    double slope = 0.0;
    if (!(target > 0.0)) {
        return PL_OK;
    }
    pl_status status = pose(spec, in, &problem, &alpha, err);
    PL_THEN(pl_linf_estimate_beta(in->factors, &problem, &options, target,
                                  &out->values[PL_LINF_BETA], &slope, task, err));
    out->values[PL_LINF_TARGET] = 0.0;
    free(alpha);
    return status;
}

pl_status pl_linf_factor(const pl_spec *spec, const pl_layer_input *in, pl_task *task,
                         pl_error *err)
{
    pl_linf_problem problem;
    pl_spec settled = *spec;
    float *alpha = NULL;
    if ((pl_solver)spec->values[PL_LINF_SOLVER] != PL_SOLVER_ADMM) {
        return PL_OK;
    }
    pl_status status = pl_linf_settle(spec, in, &settled, task, err);
    PL_THEN(pose(&settled, in, &problem, &alpha, err));
    PL_THEN(pl_linf_prepare(in->factors, &problem, spec->values[PL_LINF_RHO], task, err));
    free(alpha);
    return status;
}

/* The optimum loses at most P(w0) = beta sum_k alpha_k max|w0^(k)| in Gn's units, and G is
 * lambda_max Gn; P has half of the quadratic form. */
pl_status pl_linf_most_lost(const pl_spec *spec, const pl_layer_input *in, double *most,
                            pl_task *task, pl_error *err)
{
    pl_linf_problem problem;
    pl_normalized normal;
    float *alpha = NULL;
    pl_status status = pose(spec, in, &problem, &alpha, err);
    PL_THEN(pl_factors_scale(in->factors, &normal, task, err));
    for (size_t r = 0; status == PL_OK && r < in->w.rows; r++) {
        const float *row = in->w.data + r * in->w.stride;
        const size_t n = in->w.cols;
        const size_t width = problem.group_size == 0 ? n : problem.group_size;
        most[r] = 0.0;
        for (size_t k = 0, i = 0; i < n; k++) {
            const double weight = 2.0 * normal.lambda_max * problem.beta * (double)alpha[k];
            float max = 0.0f;
            for (; i < n && i < (k + 1) * width; i++) {
                max = fmaxf(max, fabsf(row[i]));
            }
            most[r] += weight * (double)max;
        }
    }
    free(alpha);
    return status;
}

/* Mean over the groups of alpha_k / mean |w^(k)|; groups without weights or inputs are left out. */
static double tau_ratio(pl_view w0, size_t group_size, const float *alpha)
{
    const size_t width = pl_group_width(w0.cols, group_size);
    double sum = 0.0;
    size_t counted = 0;
    for (size_t k = 0, first = 0; first < w0.cols; k++, first += width) {
        const size_t size = w0.cols - first < width ? w0.cols - first : width;
        double total = 0.0;
        for (size_t r = 0; r < w0.rows; r++) {
            for (size_t c = first; c < first + size; c++) {
                total += fabs((double)w0.data[r * w0.stride + c]);
            }
        }
        if (total > 0.0 && alpha[k] > 0.0f) {
            sum += (double)alpha[k] * (double)w0.rows * (double)size / total;
            counted++;
        }
    }
    return counted > 0 ? sum / (double)counted : (double)NAN;
}

pl_status pl_linf_strength(const pl_spec *spec, const pl_layer_input *in, pl_strength *out,
                           pl_task *task, pl_error *err)
{
    pl_linf_problem problem;
    float *alpha = NULL;
    pl_status status = pose(spec, in, &problem, &alpha, err);
    if (status == PL_OK) {
        status = pl_linf_beta_range(in->factors, &problem, &out->low, &out->zero, task, err);
        out->tau = tau_ratio(problem.w0, problem.group_size, alpha);
    }
    free(alpha);
    return status;
}
