/* Strength by its effect: the beta for a given fall of the mean group maximum, which rises with
 * beta (methods.md 2.1). */
#include "core/base/checked.h"
#include "core/base/search.h"
#include "core/solve/linf_parts.h"
#include "core/tensor/groups.h"

#include <math.h>
#include <string.h>

/* Rows of the sample with which the search begins, and its tolerance; the tolerance on the whole
 * layer, where the last value but one may be better than the last, and is then solved again. */
enum { SAMPLE_ROWS = 48 };
static const double SAMPLE_TOLERANCE = 0.02, TOLERANCE = 5e-4;

/* Where a sample begins: within two or three decades of what layers want. */
static const double USUAL_BETA = 1e-4;

/* The mean over rows and groups of max|w^(k)|. */
static double mean_group_max(pl_view w, size_t group_size)
{
    const size_t width = pl_group_width(w.cols, group_size);
    double sum = 0.0;
    size_t groups = 0;
    for (size_t r = 0; r < w.rows; r++) {
        const float *row = w.data + r * w.stride;
        for (size_t first = 0; first < w.cols; first += width, groups++) {
            const size_t end = w.cols - first < width ? w.cols : first + width;
            float max = 0.0f;
            for (size_t i = first; i < end; i++) {
                max = fmaxf(max, fabsf(row[i]));
            }
            sum += (double)max;
        }
    }
    return groups > 0 ? sum / (double)groups : 0.0;
}

typedef struct aim {
    pl_factors *factors;
    pl_linf_problem problem;
    pl_linf_options options;
    pl_warm *warm;
    double before; /* the mean group maximum of w0 */
} aim;

static pl_status evaluate_beta(aim *a, double beta, float *w, double *fall, pl_linf_report *report,
                               pl_task *task, pl_error *err)
{
    const pl_view w0 = a->problem.w0;
    a->problem.beta = beta;
    pl_status status =
        pl_linf_solve(a->factors, &a->problem, &a->options, a->warm, w, report, task, err);
    const pl_view made = {w, w0.rows, w0.cols, w0.cols};
    *fall = status == PL_OK ? 1.0 - mean_group_max(made, a->problem.group_size) / a->before
                            : (double)NAN;
    return status;
}

static pl_search search_of(double target, double tolerance, double start, double slope)
{
    return (pl_search){.low = PL_LINF_LEAST_BETA,
                       .high = PL_LINF_MOST_BETA,
                       .logarithmic = true,
                       .want = target,
                       .tolerance = tolerance,
                       .start = start,
                       .slope = slope,
                       .most = PL_SEARCH_MOST - 1};
}

/* The middle row of each stratum. */
static pl_status take_sample(pl_view w0, pl_mat *out, pl_error *err)
{
    const size_t rows = w0.rows < SAMPLE_ROWS ? w0.rows : SAMPLE_ROWS;
    pl_status status = pl_mat_init(out, rows, w0.cols, err);
    for (size_t r = 0; r < rows && status == PL_OK; r++) {
        memcpy(out->data + r * w0.cols, w0.data + (2 * r + 1) * w0.rows / (2 * rows) * w0.stride,
               w0.cols * sizeof(float));
    }
    return status;
}

pl_status pl_linf_estimate_beta(pl_factors *factors, const pl_linf_problem *problem,
                                const pl_linf_options *options, double target, double *beta,
                                double *slope, pl_task *task, pl_error *err)
{
    const pl_view w0 = problem->whole.data != NULL ? problem->whole : problem->w0;
    aim a = {.factors = factors, .problem = *problem, .options = *options};
    pl_mat sample = {0}, w = {0};
    *slope = 0.0;
    *beta = USUAL_BETA;
    pl_status status = take_sample(w0, &sample, err);
    PL_THEN(pl_mat_init(&w, sample.rows, sample.cols, err));
    if (status == PL_OK) {
        a.problem.w0 = pl_mat_view(&sample);
        a.problem.whole = w0;
        a.options.certify = false;
        a.options.watch = NULL;
        a.options.place = NULL;
        a.options.cold = true;
        a.before = mean_group_max(a.problem.w0, problem->group_size);
    }
    pl_search search = search_of(target, SAMPLE_TOLERANCE, USUAL_BETA, 0.0);
    while (status == PL_OK && a.before > 0.0 && pl_search_next(&search, beta)) {
        pl_linf_report report;
        double fall = 0.0;
        status = evaluate_beta(&a, *beta, w.data, &fall, &report, task, err);
        pl_search_tell(&search, *beta, fall);
    }
    if (status == PL_OK && search.count > 0) {
        *beta = search.x[search.best];
        *slope = pl_search_slope(&search);
    }
    pl_mat_deinit(&sample);
    pl_mat_deinit(&w);
    return status;
}

pl_status pl_linf_solve_target(pl_factors *factors, const pl_linf_problem *problem,
                               const pl_linf_options *options, double target, pl_warm *warm,
                               float *w, pl_linf_report *report, pl_linf_reached *reached,
                               pl_task *task, pl_error *err)
{
    const pl_view w0 = problem->w0;
    aim a = {.factors = factors, .problem = *problem, .options = *options, .warm = warm};
    double slope = 0.0, fall = 0.0;
    a.options.watch = NULL; /* rows are final at the end only */
    a.options.cold = true;  /* what is found is what this beta gives by itself */
    a.before = mean_group_max(w0, problem->group_size);
    *reached = (pl_linf_reached){0};
    pl_status status =
        pl_linf_estimate_beta(factors, problem, options, target, &reached->beta, &slope, task, err);
    pl_search search = search_of(target, TOLERANCE, reached->beta, slope);
    while (status == PL_OK && a.before > 0.0 && pl_search_next(&search, &reached->beta)) {
        status = evaluate_beta(&a, reached->beta, w, &fall, report, task, err);
        pl_search_tell(&search, reached->beta, fall);
        reached->solves++;
    }
    const bool last = search.count > 0 && search.best + 1 == search.count;
    if (status == PL_OK && !last) { /* weights of zeros have nothing to fall, and one solve */
        reached->beta = search.count > 0 ? search.x[search.best] : reached->beta;
        status = evaluate_beta(&a, reached->beta, w, &fall, report, task, err);
        reached->solves++;
    }
    if (status == PL_OK && options->watch != NULL) {
        options->watch->done(options->watch->ctx, 0, w0.rows);
    }
    return status;
}
