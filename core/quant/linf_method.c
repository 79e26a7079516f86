#include "core/base/checked.h"
#include "core/quant/method_parts.h"

#include <stdlib.h>

static const char *const solver_names[] = {"admm", "pgd", NULL};

const pl_param pl_linf_params[PL_LINF_PARAMS] = {
    {.name = "beta",
     .type = PL_PARAM_REAL,
     .minimum = 1e-9,
     .maximum = 1e3,
     .initial = 3e-4,
     .logarithmic = true,
     .step = 1.2115276586285884, /* 10^(1/12) */
     .unit = "",
     .help = "Strength of the penalty on group maxima, for the Gram matrix divided by its largest "
             "eigenvalue."},
    {.name = "group_size",
     .type = PL_PARAM_INT,
     .minimum = 0,
     .maximum = 1048576,
     .initial = 128,
     .logarithmic = true,
     .step = 2,
     .unit = "columns",
     .help = "Columns whose maximum is penalized together; 0 is one group a row."},
    {.name = "solver",
     .type = PL_PARAM_CHOICE,
     .minimum = 0,
     .maximum = 1,
     .initial = PL_SOLVER_ADMM,
     .choices = solver_names,
     .step = 1,
     .unit = "",
     .help = "admm: near the optimum, with a certificate; pgd: the papers' proximal gradient."},
    {.name = "iterations",
     .type = PL_PARAM_INT,
     .minimum = 1,
     .maximum = 100000,
     .initial = 20,
     .logarithmic = true,
     .step = 1.4142135623730951,
     .unit = "",
     .help = "ADMM iterations; with gap=... the most that are made.",
     .needs = "solver",
     .needs_value = PL_SOLVER_ADMM},
    {.name = "steps",
     .type = PL_PARAM_INT,
     .minimum = 1,
     .maximum = 100000,
     .initial = 200,
     .logarithmic = true,
     .step = 1.4142135623730951,
     .unit = "",
     .help = "Proximal gradient steps.",
     .needs = "solver",
     .needs_value = PL_SOLVER_PGD},
    {.name = "gap",
     .type = PL_PARAM_REAL,
     .minimum = 0,
     .maximum = 1,
     .initial = 0,
     .logarithmic = true,
     .step = 1.7782794100389228, /* 10^(1/4) */
     .unit = "",
     .help = "Stop once every row is certified this near its optimum (relative); 0: never.",
     .needs = "solver",
     .needs_value = PL_SOLVER_ADMM},
    {.name = "rho",
     .type = PL_PARAM_REAL,
     .minimum = 0,
     .maximum = 1e4,
     .initial = 0,
     .logarithmic = true,
     .step = 1.7782794100389228,
     .unit = "mean diag Gn",
     .help = "ADMM's rho over the mean of Gn's diagonal; 0: one for each channel, chosen.",
     .needs = "solver",
     .needs_value = PL_SOLVER_ADMM},
};

size_t pl_linf_group_size(const pl_spec *spec)
{
    return (size_t)pl_spec_value(spec, "group_size");
}

static pl_status solve(const pl_spec *spec, const pl_layer_input *in, const float *alpha,
                       pl_linf_warm *warm, float *w, pl_linf_report *report, pl_task *task,
                       pl_error *err)
{
    const pl_solver solver = (pl_solver)pl_spec_value(spec, "solver");
    const pl_linf_problem problem = {.w0 = in->w,
                                     .group_size = pl_linf_group_size(spec),
                                     .alpha = alpha,
                                     .beta = pl_spec_value(spec, "beta"),
                                     .whole = in->whole};
    pl_linf_options options = {
        .solver = solver,
        .iterations = (int)pl_spec_value(spec, solver == PL_SOLVER_ADMM ? "iterations" : "steps"),
        .gap = pl_spec_value(spec, "gap"),
        .rho_factor = pl_spec_value(spec, "rho"),
        .certify = true,
        .watch = in->watch,
        .keep = in->keep,
        .warm_first = in->warm_first};
    if (in->rough > 0) {
        options.rough = true;
        options.iterations = in->rough < options.iterations ? in->rough : options.iterations;
    }
    return pl_linf_solve(in->factors, &problem, &options, warm, w, report, task, err);
}

pl_status pl_linf_method(const pl_spec *spec, const pl_layer_input *in, pl_linf_warm *warm,
                         float *w, pl_linf_report *report, pl_task *task, pl_error *err)
{
    pl_status status = pl_check_layer(in, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_grid grid = {.group_size = pl_linf_group_size(spec)};
    float *alpha = pl_alloc(pl_grid_groups(&grid, pl_factors_n(in->factors)), sizeof *alpha);
    if (alpha == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "%s: out of memory", in->layer);
    }
    spec->method->alpha(spec, in->factors, alpha);
    status = solve(spec, in, alpha, warm, w, report, task, err);
    free(alpha);
    return status;
}
