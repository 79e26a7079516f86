#include "core/lib/parts.h"

#include "core/metrics/least_error.h"
#include "core/metrics/recon.h"
#include "core/solve/linf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_report(const pl_method *method, const pl_method_report *from, planish_report *to)
{
    if (to == NULL) {
        return;
    }
    *to = (planish_report){.objective = from->objective,
                           .dual = from->dual,
                           .gap = from->gap,
                           .worst_row_gap = from->worst_row_gap,
                           .worst_row = from->worst_row,
                           .iterations = from->iterations,
                           .n_own = method->n_reported};
    _Static_assert(sizeof to->own / sizeof *to->own > PL_MAX_REPORTED,
                   "there is room for all, and a rounder's bound");
    for (size_t i = 0; i < method->n_reported; i++) {
        to->own_names[i] = method->reported[i].name;
        to->own[i] = from->own[i];
    }
}

static pl_status precondition(planish_site *site, const pl_spec *spec, pl_view w, float *out,
                              pl_method_report *report, pl_error *err)
{
    const pl_layer_input in = {.layer = "W", .factors = site->factors, .w = w};
    pl_status status = spec->method->precondition(spec, &in, out, report, NULL, err);
    pl_factors_shrink(site->factors, (size_t)512 << 20);
    return status;
}

int planish_precondition(planish_site *site, const char *method, const float *w, size_t rows,
                         size_t stride, float *out, planish_report *report, planish_error *err)
{
    pl_error error = {0};
    pl_spec spec;
    pl_view view;
    pl_method_report made;
    pl_status status = pl_lib_enter(&error);
    PL_THEN(pl_lib_given("the site", site, &error));
    PL_THEN(pl_lib_spec(method, PL_SLOT_PRECONDITION, &spec, &error));
    PL_THEN(pl_lib_view("W", w, rows, site->gram.n, stride, &view, &error));
    PL_THEN(pl_lib_given("out", out, &error));
    PL_THEN(precondition(site, &spec, view, out, &made, &error));
    if (status == PL_OK) {
        put_report(spec.method, &made, report);
    }
    return pl_lib_leave(status, &error, err);
}

/* The strength of the problem that a solve has posed: what it has found, or what the spec says. */
static double strength_of(const pl_spec *spec, const pl_method_report *report)
{
    const pl_method *method = spec->method;
    const size_t telling = pl_method_telling(method);
    for (size_t i = 0; pl_spec_seeks(spec, telling) && i < method->n_reported; i++) {
        if (strcmp(method->reported[i].name, method->params[telling].found) == 0) {
            return report->own[i];
        }
    }
    return spec->values[telling];
}

static pl_status certify(planish_site *site, const pl_spec *spec, pl_view w0, pl_view w,
                         pl_method_report *report, pl_error *err)
{
    const pl_grid grid = {.group_size = spec->method->group_size(spec)};
    float *solved = malloc(w0.rows * w0.cols * sizeof *solved);
    float *alpha = malloc(pl_grid_groups(&grid, w0.cols) * sizeof *alpha);
    pl_status status = solved != NULL && alpha != NULL
                           ? precondition(site, spec, w0, solved, report, err)
                           : pl_error_memory(err, "a solve of %zu rows", w0.rows);
    if (status == PL_OK) {
        spec->method->alpha(spec, site->factors, alpha);
        const pl_linf_problem problem = {.w0 = w0,
                                         .group_size = grid.group_size,
                                         .alpha = alpha,
                                         .beta = strength_of(spec, report)};
        status = pl_linf_objective(site->factors, &problem, w, &report->objective, NULL, err);
    }
    if (status == PL_OK) { /* rows were certified for the solve, not for w */
        report->gap =
            report->objective > 0.0 ? (report->objective - report->dual) / report->objective : 0.0;
        report->worst_row_gap = (double)NAN;
        report->worst_row = 0;
    }
    free(solved);
    free(alpha);
    return status;
}

int planish_certificate(planish_site *site, const char *method, const float *w0, size_t w0_stride,
                        const float *w, size_t stride, size_t rows, planish_report *report,
                        planish_error *err)
{
    pl_error error = {0};
    pl_spec spec;
    pl_view before, view;
    pl_method_report made;
    pl_status status = pl_lib_enter(&error);
    PL_THEN(pl_lib_given("the site", site, &error));
    PL_THEN(pl_lib_spec(method, PL_SLOT_PRECONDITION, &spec, &error));
    PL_THEN(pl_lib_view("W0", w0, rows, site->gram.n, w0_stride, &before, &error));
    PL_THEN(pl_lib_view("W", w, rows, site->gram.n, stride, &view, &error));
    PL_THEN(certify(site, &spec, before, view, &made, &error));
    if (status == PL_OK) {
        put_report(spec.method, &made, report);
    }
    return pl_lib_leave(status, &error, err);
}

int planish_relative_error(planish_site *site, const float *w0, size_t w0_stride, const float *w,
                           size_t stride, size_t rows, double *out, planish_error *err)
{
    pl_error error = {0};
    pl_view before, view;
    pl_status status = pl_lib_enter(&error);
    PL_THEN(pl_lib_given("the site", site, &error));
    PL_THEN(pl_lib_given("out", out, &error));
    PL_THEN(pl_lib_view("W0", w0, rows, site->gram.n, w0_stride, &before, &error));
    PL_THEN(pl_lib_view("W", w, rows, site->gram.n, stride, &view, &error));
    PL_THEN(pl_relative_error(site->factors, before, view, out, NULL, &error));
    return pl_lib_leave(status, &error, err);
}

/* What the interface shows of a matrix, and the matrix. */
typedef struct quantized {
    planish_quantized shown; /* first: one address is both */
    pl_qweights weights;
} quantized;

int planish_round(planish_site *site, const char *method, const float *w, size_t rows, size_t cols,
                  size_t stride, planish_quantized **out, planish_report *report,
                  planish_error *err)
{
    pl_error error = {0};
    pl_spec spec;
    pl_method_report made;
    double least = (double)NAN;
    pl_layer_input in = {.layer = "W", .factors = site != NULL ? site->factors : NULL};
    quantized *q = NULL;
    *out = NULL;
    pl_status status = pl_lib_enter(&error);
    PL_THEN(pl_lib_spec(method, PL_SLOT_ROUND, &spec, &error));
    PL_THEN(pl_lib_view("W", w, rows, cols, stride, &in.w, &error));
    if (status == PL_OK && site == NULL && !pl_spec_is_blind(&spec)) {
        status = pl_error_set(&error, PL_ERR_UNSUPPORTED,
                              "planish: %s needs the site whose inputs the layer sees", method);
    }
    if (status == PL_OK && (q = calloc(1, sizeof *q)) == NULL) {
        status = pl_error_memory(&error, "a quantized matrix");
    }
    PL_THEN(pl_round(&spec, &in, &q->weights, &made, NULL, &error));
    const bool certified = status == PL_OK && spec.values[PL_GRID_CERTIFY] > 0.0;
    if (certified) {
        status = pl_least_rounded_error(site->factors, in.w, &q->weights, &least, NULL, &error);
    }
    if (status != PL_OK) {
        planish_quantized_destroy(q != NULL ? &q->shown : NULL);
        return pl_lib_leave(status, &error, err);
    }
    const pl_qweights *made_of = &q->weights;
    q->shown = (planish_quantized){
        .rows = made_of->rows,
        .cols = made_of->cols,
        .groups = made_of->groups,
        .group_size = made_of->grid.group_size,
        .bits = made_of->grid.bits,
        .symmetric = made_of->grid.format->key,
        .codes = made_of->codes,
        .scales = made_of->scales,
        .zeros = made_of->zeros,
        .group_of = made_of->group_of,
    };
    put_report(spec.method, &made, report);
    if (certified && report != NULL) {
        report->own_names[report->n_own] = "least_rounded_error";
        report->own[report->n_own++] = least;
    }
    *out = &q->shown;
    return pl_lib_leave(status, &error, err);
}

void planish_dequantize(const planish_quantized *q, float *out)
{
    pl_qweights_decode(&((const quantized *)q)->weights, out);
}

void planish_quantized_destroy(planish_quantized *q)
{
    if (q != NULL) {
        pl_qweights_deinit(&((quantized *)q)->weights);
        free(q);
    }
}
