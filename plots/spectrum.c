/* The spectrum of a site's Gram matrix, with its epsilon-rank. */
#include "plots/build.h"
#include "plots/kinds.h"

#include "core/study/spectrum.h"

#include <float.h>
#include <math.h>

/* Eigenvalues this far below the largest are not drawn: float32 storage holds nothing there. */
#define LOWEST 1e-10

static pl_status add_values(const pl_spectrum *s, pl_figure *out, pl_error *err)
{
    pl_series *series = NULL;
    size_t shown = 0;
    while (shown < s->n && s->values[shown] > LOWEST * s->values[0]) {
        shown++;
    }
    pl_status status =
        pl_figure_add(out, "eigenvalues of G", PL_MARK_LINE, PL_TONE_INPUT, shown, &series, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < shown; i++) {
        series->x[i] = (double)i + 1;
        series->y[i] = s->values[i] / s->values[0];
    }
    double lowest = fmin(series->y[shown - 1], PL_SPECTRUM_EPSILON);
    double room = 0.02 * fmax((double)s->n, 10);
    out->x.whole = true;
    out->x.lo = 1 - room;
    out->x.hi = (double)s->n + room;
    out->y.log = true;
    out->y.lo = lowest / 2;
    out->y.hi = 2;
    return PL_OK;
}

static pl_status add_rules(const pl_spectrum *s, pl_figure *out, pl_error *err)
{
    pl_buf rank = {0};
    pl_buf_printf(&rank, "ε-rank %zu", s->eps_rank);
    pl_status status = pl_buf_check(&rank, err);
    PL_THEN(pl_figure_rule(out, PL_SPECTRUM_EPSILON, false, "ε = 10⁻⁴", err));
    PL_THEN(pl_figure_rule(out, (double)s->eps_rank, true, rank.data, err));
    if (status == PL_OK && out->y.lo < (double)FLT_EPSILON) {
        status = pl_figure_rule(out, (double)FLT_EPSILON, false, "float32", err);
    }
    pl_buf_deinit(&rank);
    return status;
}

static void add_spectrum_facts(const pl_spectrum *s, pl_figure *out)
{
    double least = s->values[s->n - 1];
    pl_figure_fact(out, "eps_rank", "%zu of %zu", s->eps_rank, s->n);
    pl_figure_fact(out, "lambda_max", "%.4g", s->values[0]);
    pl_figure_fact(out, "mean_diag", "%.3g of lambda_max", s->mean_diag / s->values[0]);
    if (least > s->floor) {
        pl_figure_fact(out, "condition", "%.3g", s->values[0] / least);
    } else {
        size_t below = 0;
        while (below < s->n && s->values[s->n - 1 - below] <= s->floor) {
            below++;
        }
        pl_figure_fact(out, "condition", "above %.2g (float32)", 1 / (double)FLT_EPSILON);
        pl_figure_fact(out, "below_float32", "%zu", below);
    }
}

static pl_status make_spectrum(pl_context cx, const pl_request *request, pl_figure *out,
                               pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, request->layer);
    pl_buf title = {0};
    pl_id calibration = {0};
    pl_spectrum spectrum = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_spectrum_load(cx, calibration, info->site, &spectrum, err));
    PL_THEN(pl_figure_texts(out, title.data, "rank", "eigenvalue of G / λₘₐₓ", err));
    PL_THEN(add_values(&spectrum, out, err));
    if (status == PL_OK) {
        status = add_rules(&spectrum, out, err);
        add_spectrum_facts(&spectrum, out);
    }
    pl_spectrum_deinit(&spectrum);
    pl_buf_deinit(&title);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* "rank 12". */
static void say_spectrum(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)at;
    (void)row;
    pl_buf_printf(out, "rank %.0f", x);
}

const pl_kind pl_kind_spectrum = {
    .name = "spectrum",
    .title = "Spectrum",
    .summary = "Eigenvalues of the input's Gram matrix: beyond the ε-rank, weights may move almost "
               "for free",
    .uses = PL_USES_LAYER | PL_NEEDS_INPUTS,
    .slow = true,
    .unit = "columns",
    .make = make_spectrum,
    .look = {.help = "Eigenvalues of the inputs' Gram matrix: directions behind the rank cost "
                     "nothing, so weights may move along them.",
             .say = say_spectrum},
};
