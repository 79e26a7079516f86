#include "core/solve/linf.h"

#include "core/base/checked.h"
#include "core/solve/linf_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The arrays a frame points to. */
typedef struct frame_store {
    pl_linf_frame frame;
    double *weights;
    float *taus;
} frame_store;

static void frame_deinit(frame_store *store)
{
    free(store->weights);
    free(store->taus);
    *store = (frame_store){0};
}

static pl_status check_problem(const pl_factors *factors, const pl_linf_problem *problem,
                               pl_error *err)
{
    const char *label = pl_factors_label(factors);
    const size_t n = pl_factors_n(factors);
    const pl_view w0 = problem->w0;
    if (w0.cols != n) {
        return pl_error_set(err, PL_ERR_NUMERIC,
                            "%s: the weights have %zu columns, the Gram matrix has %zu", label,
                            w0.cols, n);
    }
    const size_t at = pl_view_first_nonfinite(w0);
    if (at < w0.rows * n) {
        return pl_error_set(err, PL_ERR_NUMERIC, "%s: weight [%zu, %zu] is not finite", label,
                            at / n, at % n);
    }
    if (!(problem->beta > 0.0) || !isfinite(problem->beta)) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: beta is %g; a positive number is expected",
                            label, problem->beta);
    }
    for (size_t k = 0; k < pl_linf_groups(problem); k++) {
        if (!(problem->alpha[k] >= 0.0f) || !isfinite(problem->alpha[k])) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "%s: alpha of group %zu is %g; a number >= 0 is expected", label, k,
                                (double)problem->alpha[k]);
        }
    }
    return PL_OK;
}

/* The problem as its row engine sees it; rho turns weights into thresholds. */
static pl_status frame_init(frame_store *store, pl_factors *factors, const pl_linf_problem *problem,
                            double rho, pl_error *err)
{
    const size_t n = pl_factors_n(factors);
    *store = (frame_store){0};
    pl_linf_frame *f = &store->frame;
    *f = (pl_linf_frame){.w0 = problem->w0, .n = n};
    f->width = pl_linf_width(problem);
    f->groups = pl_linf_groups(problem);
    store->weights = pl_alloc(f->groups, sizeof *store->weights);
    store->taus = pl_alloc(f->groups, sizeof *store->taus);
    if (store->weights == NULL || store->taus == NULL) {
        frame_deinit(store);
        return pl_error_memory(err, "%zu groups", f->groups);
    }
    for (size_t k = 0; k < f->groups; k++) {
        store->weights[k] = problem->beta * (double)problem->alpha[k];
        store->taus[k] = (float)(store->weights[k] / rho);
    }
    f->weights = store->weights;
    f->taus = store->taus;
    return PL_OK;
}

static void sum_up(const pl_linf_bounds *bounds, size_t rows, bool certified,
                   pl_linf_report *report)
{
    double primal = 0.0, dual = 0.0;
    report->worst_row_gap = 0.0;
    report->worst_row = 0;
    for (size_t r = 0; r < rows; r++) {
        primal += bounds[r].primal;
        dual += bounds[r].dual;
        const double gap =
            bounds[r].primal > 0.0 ? (bounds[r].primal - bounds[r].dual) / bounds[r].primal : 0.0;
        if (gap > report->worst_row_gap) {
            report->worst_row_gap = gap;
            report->worst_row = r;
        }
    }
    report->objective = primal;
    report->dual = certified ? dual : (double)NAN;
    report->gap = primal > 0.0 ? (primal - report->dual) / primal : 0.0;
    if (!certified) {
        report->gap = report->worst_row_gap = (double)NAN;
    }
}

/* The factor that certifies, of lean factors: M goes first, of which its metric is kept. */
typedef struct late_factor {
    pl_factors *factors;
    frame_store *store;
    pl_linf_kernel *kernel;
    float *metric;
} late_factor;

static pl_status make_late(void *ctx, pl_task *task, pl_error *err)
{
    late_factor *late = ctx;
    pl_linf_frame *frame = &late->store->frame;
    if (frame->metric != NULL) {
        late->metric = pl_alloc(frame->n, sizeof *late->metric);
        if (late->metric == NULL) {
            return pl_error_memory(err, "%zu channels", frame->n);
        }
        memcpy(late->metric, frame->metric, frame->n * sizeof *late->metric);
        frame->metric = late->kernel->metric = late->metric;
    }
    late->kernel->matrix = NULL;
    pl_factors_drop(late->factors);
    return pl_factors_cholesky(late->factors, &frame->lower, task, err);
}

/* Iterations of a preview; rows that begin warm need fewer. */
enum { ROUGH_LEAST = 2, ROUGH_WARM = 5, ROUGH_COLD = 10 };

static int rough_iterations(const pl_linf_problem *problem, const pl_linf_options *options,
                            const pl_warm *warm)
{
    const double n = (double)problem->w0.cols;
    const double fit = options->rough / (n * n * (double)problem->w0.rows);
    const size_t first = options->place != NULL ? options->place[0] : 0;
    const bool begins = warm != NULL && first != SIZE_MAX && pl_warm_row(warm, first) != NULL;
    const int most = begins ? ROUGH_WARM : ROUGH_COLD;
    const int count = fit < ROUGH_LEAST ? ROUGH_LEAST : fit > most ? most : (int)fit;
    return count < options->iterations ? count : options->iterations;
}

static pl_status solve_held(pl_factors *factors, const pl_linf_problem *problem,
                            const pl_linf_options *options, pl_warm *warm, float *w,
                            pl_linf_report *report, pl_task *task, pl_error *err)
{
    pl_normalized normal;
    pl_linf_kernel kernel;
    pl_linf_bounds *bounds = NULL;
    frame_store store = {0};
    const bool admm = options->solver == PL_SOLVER_ADMM, rough = options->rough > 0.0;
    pl_status status = pl_factors_scale(factors, &normal, task, err);
    PL_THEN(
        admm ? pl_linf_admm_kernel(factors, problem, options->rho_factor, rough, &kernel, task, err)
             : pl_linf_pgd_kernel(factors, &kernel, task, err));
    if (status == PL_OK) {
        status = frame_init(&store, factors, problem, kernel.rho, err);
        store.frame.metric = kernel.metric;
    }
    if (status != PL_OK) {
        return status;
    }
    pl_linf_options plain = *options;
    plain.gap = admm && !rough ? options->gap : 0.0;
    plain.certify = options->certify && !rough;
    plain.iterations = rough ? rough_iterations(problem, options, warm) : options->iterations;
    plain.iterations = plain.iterations > 0 ? plain.iterations : 1;
    late_factor late = {factors, &store, &kernel, NULL};
    const pl_linf_certifier certifier = {make_late, &late};
    const bool waits = pl_factors_are_lean(factors) && admm && !rough && !(plain.gap > 0);
    status = waits ? PL_OK : pl_factors_cholesky(factors, &store.frame.lower, task, err);
    if (status != PL_OK) {
        goto done;
    }
    bounds = pl_alloc(problem->w0.rows, sizeof *bounds);
    if (bounds == NULL) {
        status = pl_error_memory(err, "%zu rows", problem->w0.rows);
        goto done;
    }
    pl_linf_effort effort;
    status = pl_linf_run_rows(&store.frame, &kernel, &plain, waits ? &certifier : NULL, warm, w,
                              bounds, &effort, task, err);
    if (status == PL_OK) {
        sum_up(bounds, problem->w0.rows, plain.certify, report);
        report->iterations = effort.most;
        report->mean_iterations = (double)effort.all / fmax(1.0, (double)problem->w0.rows);
        report->rho = admm ? kernel.rho : 0.0;
        report->ridge = normal.ridge;
        report->lambda_max = normal.lambda_max;
    }
done:
    free(late.metric);
    free(bounds);
    frame_deinit(&store);
    return status;
}

pl_status pl_linf_solve(pl_factors *factors, const pl_linf_problem *problem,
                        const pl_linf_options *options, pl_warm *warm, float *w,
                        pl_linf_report *report, pl_task *task, pl_error *err)
{
    *report = (pl_linf_report){0};
    if (warm != NULL && (warm->cols != problem->w0.cols ||
                         (options->place == NULL && warm->rows < problem->w0.rows))) {
        return pl_error_set(
            err, PL_ERR_STATE, "%s: the warm start has shape %zu x %zu, the weights %zu x %zu",
            pl_factors_label(factors), warm->rows, warm->cols, problem->w0.rows, problem->w0.cols);
    }
    pl_status status = check_problem(factors, problem, err);
    if (status != PL_OK) {
        return status;
    }
    if (warm != NULL) { /* the y of one solver is none of the other's */
        static const char owners[] = {[PL_SOLVER_ADMM] = 'a', [PL_SOLVER_PGD] = 'p'};
        pl_warm_claim(warm, &owners[options->solver]);
    }
    pl_factors_hold(factors);
    status = solve_held(factors, problem, options, warm, w, report, task, err);
    pl_factors_release(factors);
    return status;
}

pl_status pl_linf_prepare(pl_factors *factors, const pl_linf_problem *problem, double rho_factor,
                          pl_task *task, pl_error *err)
{
    pl_linf_kernel kernel;
    pl_status status = check_problem(factors, problem, err);
    return status == PL_OK
               ? pl_linf_admm_kernel(factors, problem, rho_factor, false, &kernel, task, err)
               : status;
}

pl_status pl_linf_objective(pl_factors *factors, const pl_linf_problem *problem, pl_view w,
                            double *out, pl_task *task, pl_error *err)
{
    *out = (double)NAN;
    pl_status status = check_problem(factors, problem, err);
    frame_store store = {0};
    PL_THEN(frame_init(&store, factors, problem, 1.0, err));
    PL_THEN(pl_factors_cholesky(factors, &store.frame.lower, task, err));
    if (status != PL_OK) {
        frame_deinit(&store);
        return status;
    }
    const size_t n = store.frame.n, piece = pl_linf_block_rows(w.rows, n);
    double *work = pl_alloc(piece * n, sizeof *work);
    pl_linf_bounds *bounds = pl_alloc(piece, sizeof *bounds);
    double sum = 0.0;
    if (work == NULL || bounds == NULL) {
        status = pl_error_memory(err, "%zu x %zu", piece, n);
    }
    for (size_t first = 0; status == PL_OK && first < w.rows; first += piece) {
        const size_t count = w.rows - first < piece ? w.rows - first : piece;
        const pl_view w0 = problem->w0;
        const pl_view rows = {w0.data + first * w0.stride, count, n, w0.stride};
        pl_linf_primal(&store.frame, rows, count, w.data + first * w.stride, w.stride, work,
                       bounds);
        for (size_t r = 0; r < count; r++) {
            sum += bounds[r].primal;
        }
        status = pl_task_tick(task, err);
    }
    if (status == PL_OK) {
        *out = sum;
    }
    free(bounds);
    free(work);
    frame_deinit(&store);
    return status;
}

/* max over rows and groups of ||(Gn w0)^(k)||_1 / alpha_k. */
static pl_status beta_of_zero(pl_factors *factors, const frame_store *store,
                              const pl_linf_problem *problem, double *out, pl_task *task,
                              pl_error *err)
{
    const pl_linf_frame *f = &store->frame;
    pl_normalized normal;
    pl_status status = pl_factors_normalized(factors, &normal, task, err);
    const size_t n = f->n, piece = pl_linf_block_rows(f->w0.rows, n);
    float *product = pl_alloc(piece * n, sizeof *product);
    double beta = 0.0;
    if (status == PL_OK && product == NULL) {
        status = pl_error_memory(err, "%zu x %zu", piece, n);
    }
    for (size_t first = 0; status == PL_OK && first < f->w0.rows; first += piece) {
        const size_t count = f->w0.rows - first < piece ? f->w0.rows - first : piece;
        pl_gemm_nn(count, n, n, 1.0f, f->w0.data + first * f->w0.stride, f->w0.stride, normal.gn, n,
                   0.0f, product, n);
        for (size_t r = 0; r < count; r++) {
            for (size_t k = 0, at = 0; k < f->groups; k++, at += f->width) {
                const size_t size = n - at < f->width ? n - at : f->width;
                const double norm = pl_linf_magnitudes(product + r * n + at, size);
                const double alpha = (double)problem->alpha[k];
                beta = alpha > 0.0 && norm > beta * alpha ? norm / alpha : beta;
            }
        }
        status = pl_task_tick(task, err);
    }
    free(product);
    *out = beta;
    return status;
}

static double mean_group_max(const pl_linf_frame *f, const float *w)
{
    double sum = 0.0;
    for (size_t r = 0; r < f->w0.rows; r++) {
        for (size_t i = 0, k = 0; k < f->groups; k++) {
            float max = 0.0f;
            for (; i < f->n && i < (k + 1) * f->width; i++) {
                max = fmaxf(max, fabsf(w[r * f->n + i]));
            }
            sum += (double)max;
        }
    }
    return sum / (double)(f->w0.rows * f->groups);
}

enum { SAMPLE_ROWS = 24, SAMPLE_ITERATIONS = 30, LOW_SOLVES = 8 };

/* So small a beta wants a small rho: 20 iterations then agree with 1000 to 1e-3 of the fall. */
static const double LOW_FALL = 1e-3, LOW_TOLERANCE = 0.02, LOW_RHO = 0.02;

/* Secant on log(fall) against log(beta); the fall is nearly proportional to a small beta. */
static pl_status beta_of_fall(pl_factors *factors, const pl_linf_problem *sample, double zero,
                              double *out, pl_task *task, pl_error *err)
{
    const pl_linf_options options = {
        .solver = PL_SOLVER_ADMM, .iterations = SAMPLE_ITERATIONS, .rho_factor = LOW_RHO};
    pl_linf_problem problem = *sample;
    const pl_linf_frame f = {.w0 = sample->w0,
                             .n = sample->w0.cols,
                             .width = pl_linf_width(sample),
                             .groups = pl_linf_groups(sample)};
    const double before = mean_group_max(&f, sample->w0.data);
    pl_mat w = {0};
    pl_status status = pl_mat_init(&w, f.w0.rows, f.n, err);
    double beta = zero * 1e-4, last_beta = 0.0, last_fall = 0.0;
    for (int i = 0; i < LOW_SOLVES && status == PL_OK && before > 0.0; i++) {
        pl_linf_report report;
        problem.beta = beta;
        *out = beta;
        status = pl_linf_solve(factors, &problem, &options, NULL, w.data, &report, task, err);
        if (status != PL_OK) {
            break;
        }
        const double fall = fmax(1.0 - mean_group_max(&f, w.data) / before, 1e-9);
        if (fabs(fall / LOW_FALL - 1.0) < LOW_TOLERANCE) {
            break;
        }
        double slope = last_beta > 0.0 ? log(fall / last_fall) / log(beta / last_beta) : 1.0;
        slope = slope > 0.25 && slope < 4.0 ? slope : 1.0;
        last_beta = beta;
        last_fall = fall;
        beta = fmin(zero, beta * exp(log(LOW_FALL / fall) / slope));
    }
    pl_mat_deinit(&w);
    return status;
}

pl_status pl_linf_beta_range(pl_factors *factors, const pl_linf_problem *problem, double *low,
                             double *zero, pl_task *task, pl_error *err)
{
    *low = *zero = 0.0;
    frame_store store = {0};
    pl_linf_problem checked = *problem;
    checked.beta = 1.0; /* not read: the range does not depend on it */
    pl_status status = check_problem(factors, &checked, err);
    PL_THEN(frame_init(&store, factors, &checked, 1.0, err));
    PL_THEN(beta_of_zero(factors, &store, &checked, zero, task, err));
    frame_deinit(&store);
    if (status != PL_OK || !(*zero > 0.0)) {
        return status;
    }
    const size_t all = problem->w0.rows, rows = all < SAMPLE_ROWS ? all : SAMPLE_ROWS;
    pl_mat sample = {0};
    status = pl_mat_init(&sample, rows, problem->w0.cols, err);
    for (size_t r = 0; r < rows && status == PL_OK; r++) {
        const size_t from = (2 * r + 1) * all / (2 * rows); /* the middle of each stratum */
        memcpy(sample.data + r * sample.cols, problem->w0.data + from * problem->w0.stride,
               sample.cols * sizeof(float));
    }
    if (status == PL_OK) {
        checked.w0 = pl_mat_view(&sample);
        status = beta_of_fall(factors, &checked, *zero, low, task, err);
    }
    pl_mat_deinit(&sample);
    return status;
}
