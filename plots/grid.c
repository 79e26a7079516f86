/* The rounder's grid on one layer: how many of the weights go to each level, what saturates, and
 * the error per element against |w|. */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/levels.h"

#include <math.h>
#include <stdio.h>

enum { FORM_LEVELS, FORM_RELATIVE = 2 };
enum { BINS = 48 };

/* --- shares of the levels --------------------------------------------------------------------- */

static pl_status add_shares(const pl_levels *levels, size_t item, pl_figure *out, pl_error *err)
{
    const pl_drawn *drawn = &levels->list.items[item];
    pl_series *steps = NULL;
    pl_status status =
        pl_figure_add(out, drawn->label, PL_MARK_STEPS, drawn->tone, levels->count, &steps, err);
    for (size_t i = 0; status == PL_OK && i < levels->count; i++) {
        steps->x[i + 1] = pl_levels_edge(levels, i);
        steps->y[i] = 100.0 * levels->shares[item][i];
        out->y.hi = fmax(out->y.hi, 1.06 * steps->y[i]);
    }
    if (status == PL_OK) {
        steps->x[0] = 2.0 * (double)levels->at[0] - steps->x[1];
        out->x.lo = steps->x[0];
        out->x.hi = steps->x[levels->count];
    }
    return status;
}

static pl_status make_levels(pl_levels *levels, pl_figure *out, pl_error *err)
{
    pl_levels_take_units(levels);
    pl_status status = pl_figure_texts(out, levels->title, "weight / scale",
                                       "share that rounds to the level, %", err);
    for (size_t i = 0; status == PL_OK && i < levels->list.count; i++) {
        status = add_shares(levels, i, out, err);
    }
    out->explanation =
        "A step spans the values that round to one level and is as high as their share, each group "
        "rounded to nearest by its own scale; saturated are those beyond the last level; the "
        "entropy of the shares is what the codes hold of their bits.";
    pl_levels_facts(levels, out);
    return status;
}

/* --- error against |w| ------------------------------------------------------------------------ */

typedef struct error_sums {
    double squares[BINS], counts[BINS];
    double all, energy;
} error_sums;

static void add_errors(void *ctx, const pl_grid *grid, pl_grid_param param, float *w, size_t count)
{
    error_sums *sums = ctx;
    float most = 0.0f;
    for (size_t i = 0; i < count; i++) {
        most = fmaxf(most, fabsf(w[i]));
    }
    for (size_t i = 0; most > 0.0f && i < count; i++) {
        float rounded = w[i];
        grid->format->round(grid->bits, param, &rounded, 1);
        const double lost = (double)(w[i] - rounded) / (double)most;
        const double share = (double)fabsf(w[i]) / (double)most;
        const size_t bin = share < 1.0 ? (size_t)(share * BINS) : BINS - 1;
        sums->squares[bin] += lost * lost;
        sums->counts[bin] += 1.0;
        sums->all += lost * lost;
        sums->energy += share * share;
    }
}

/* RMS errors by |w| over its group's largest, both in units of that; relative: over |w|. */
static pl_status add_error_line(pl_levels *levels, size_t item, bool relative, pl_figure *out,
                                pl_error *err)
{
    const pl_drawn *drawn = &levels->list.items[item];
    error_sums sums = {0};
    size_t used = 0;
    pl_series *line = NULL;
    pl_levels_each_group(levels, item, add_errors, &sums);
    for (size_t b = 0; b < BINS; b++) {
        used += sums.counts[b] > 0.0;
    }
    if (used == 0) {
        return pl_error_set(err, PL_ERR_STATE, "grid: all weights are 0");
    }
    pl_status status =
        pl_figure_add(out, drawn->label, PL_MARK_LINE, drawn->tone, used, &line, err);
    for (size_t b = 0, at = 0; status == PL_OK && b < BINS; b++) {
        if (sums.counts[b] > 0.0) {
            const double x = ((double)b + 0.5) / BINS;
            const double error = sqrt(sums.squares[b] / sums.counts[b]);
            line->x[at] = x;
            line->y[at++] = relative ? error / x : error;
        }
    }
    char name[64];
    snprintf(name, sizeof name, "relative_error%s", drawn->suffix);
    pl_figure_fact(out, name, "%.3g", sqrt(sums.all / sums.energy));
    return status;
}

static pl_status make_errors(pl_levels *levels, bool relative, pl_figure *out, pl_error *err)
{
    pl_status status =
        pl_figure_texts(out, levels->title, "|w| / largest of its group",
                        relative ? "RMS error / |w|" : "RMS error / largest of its group", err);
    for (size_t i = 0; status == PL_OK && i < levels->list.count; i++) {
        status = add_error_line(levels, i, relative, out, err);
    }
    double top = 0.0, least = INFINITY;
    for (size_t s = 0; status == PL_OK && s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) {
            top = fmax(top, out->series[s].y[i]);
            least = fmin(least, out->series[s].y[i] > 0.0 ? out->series[s].y[i] : INFINITY);
        }
    }
    out->explanation = "Each group is rounded to nearest by its own scale; a point is the root of "
                       "the mean squared error of the weights of that size.";
    out->x.lo = 0.0;
    out->x.hi = 1.0;
    out->y.log = relative && least < top;
    out->y.lo = out->y.log ? least / 1.2 : 0.0;
    out->y.hi = top > 0.0 ? 1.1 * top : 1.0;
    for (size_t s = 0; out->y.log && s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) { /* an error of 0 has no logarithm */
            out->series[s].y[i] = fmax(out->series[s].y[i], out->y.lo);
        }
    }
    return status;
}

/* --- the kind --------------------------------------------------------------------------------- */

static pl_status make_grid(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    pl_levels levels;
    *out = (pl_figure){0};
    pl_status status = pl_levels_read("grid", cx, request, &levels, err);
    PL_THEN(request->form == FORM_LEVELS
                ? make_levels(&levels, out, err)
                : make_errors(&levels, request->form == FORM_RELATIVE, out, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
    }
    pl_levels_deinit(&levels);
    return status;
}

static void say_grid(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    char number[PL_NUMBER_TEXT];
    (void)at;
    (void)row;
    pl_format_number(x, number);
    pl_buf_puts(out, number);
}

const pl_kind pl_kind_grid = {
    .name = "grid",
    .title = "Grid",
    .summary =
        "How many of the weights go to each of the rounder's levels, what saturates, and the "
        "error per element against |w|",
    .forms = "levels|error|relative",
    .uses = PL_USES_LAYER | PL_USES_WHICH | PL_USES_METHODS,
    .make = make_grid,
    .look = {.help = "The share of the weights that goes to each level of the rounder, or how far "
                     "off a weight is by its size, before and after.",
             .say = say_grid},
};
