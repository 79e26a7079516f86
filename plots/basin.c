/* The loss around a layer's weights, along four directions of the same length. */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/kinds.h"

#include "core/study/basin.h"

#include <math.h>

/* A logarithmic axis shows no loss below this: float32 arithmetic holds nothing there. */
#define LOWEST 1e-12

static const struct {
    const char *label, *fact;
    pl_tone tone;
} directions[PL_BASIN_DIRECTIONS] = {
    [PL_BASIN_SOLVED] = {"W₀ → W", "at_W", PL_TONE_PRECONDITIONED},
    [PL_BASIN_RANDOM] = {"random", "at_random", PL_TONE_EXTRA},
    [PL_BASIN_TOP] = {"top eigenvector", "at_top", PL_TONE_EXTRA + 1},
    [PL_BASIN_TAIL] = {"last eigenvector", "at_tail", PL_TONE_EXTRA + 2},
};

/* Where a log axis begins: below the least loss above 0.  W0 itself has no loss and is drawn
 * there. */
static double find_floor(const pl_basin *basin)
{
    double least = INFINITY;
    for (size_t d = 0; d < PL_BASIN_DIRECTIONS; d++) {
        for (size_t i = 0; i < basin->points; i++) {
            double loss = basin->loss[d][i];
            least = loss > LOWEST ? fmin(least, loss) : least;
        }
    }
    return isfinite(least) ? least / 4 : LOWEST;
}

/* The layer's loss is one parabola a t², which straight lines would draw as a polygon: so points
 * are added between the evaluated ones.  The model's loss is drawn as evaluated. */
static double loss_between(const pl_basin *basin, size_t direction, double t)
{
    const double *loss = basin->loss[direction];
    size_t i = 0;
    while (i + 2 < basin->points && basin->t[i + 1] < t) {
        i++;
    }
    const double t0 = basin->t[i], t1 = basin->t[i + 1];
    const double part = (t - t0) / (t1 - t0);
    const bool zero0 = fabs(t0) < 1e-9, zero1 = fabs(t1) < 1e-9;
    const double a1 = zero1 ? loss[i] / (t0 * t0) : loss[i + 1] / (t1 * t1);
    const double a0 = zero0 ? a1 : loss[i] / (t0 * t0);
    return (a0 + part * (a1 - a0)) * t * t;
}

static pl_status add_parabola(const pl_basin *basin, size_t d, double floor, pl_figure *out,
                              pl_error *err)
{
    enum { BETWEEN = 10 };
    pl_series *series = NULL;
    const size_t count = (basin->points - 1) * BETWEEN + 1;
    pl_status status = pl_figure_add(out, directions[d].label, PL_MARK_LINE, directions[d].tone,
                                     count, &series, err);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const size_t k = i / BETWEEN;
        const double t0 = basin->t[k], step = k + 1 < basin->points ? basin->t[k + 1] - t0 : 0;
        const bool evaluated = i % BETWEEN == 0;
        series->x[i] = evaluated ? t0 : t0 + step * (double)(i % BETWEEN) / BETWEEN;
        const double loss = evaluated ? basin->loss[d][k] : loss_between(basin, d, series->x[i]);
        series->y[i] = fmax(loss, floor);
    }
    return status;
}

static pl_status add_basin_series(const pl_basin *basin, double floor, pl_figure *out,
                                  pl_error *err)
{
    for (size_t d = 0; d < PL_BASIN_DIRECTIONS; d++) {
        pl_series *series = NULL;
        pl_status status = pl_figure_add(out, directions[d].label, PL_MARK_LINE, directions[d].tone,
                                         basin->points, &series, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t i = 0; i < basin->points; i++) {
            series->x[i] = basin->t[i];
            series->y[i] = fmax(basin->loss[d][i], floor);
        }
    }
    return PL_OK;
}

static void set_axes(const pl_basin *basin, bool log, pl_figure *out)
{
    double lo = INFINITY, hi = -INFINITY;
    for (size_t s = 0; s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) {
            lo = fmin(lo, out->series[s].y[i]);
            hi = fmax(hi, out->series[s].y[i]);
        }
    }
    hi = lo < hi ? hi : lo + fmax(fabs(lo), 1e-6);
    out->x.lo = basin->t[0] * 1.02;
    out->x.hi = basin->t[basin->points - 1] * 1.02;
    out->y.log = log;
    out->y.lo = log ? lo : lo - 0.04 * (hi - lo);
    out->y.hi = log ? hi * 1.5 : hi + 0.04 * (hi - lo);
}

static void add_basin_facts(const pl_basin *basin, pl_basin_loss loss, pl_figure *out)
{
    size_t zero = 0, one = 0;
    for (size_t i = 0; i < basin->points; i++) {
        zero = basin->t[i] > -1e-9 && basin->t[i] < 1e-9 ? i : zero;
        one = basin->t[i] > 1.0 - 1e-9 && basin->t[i] < 1.0 + 1e-9 ? i : one;
    }
    for (size_t d = 0; d < PL_BASIN_DIRECTIONS; d++) {
        double value = basin->loss[d][one];
        if (loss == PL_BASIN_MODEL) {
            pl_figure_fact(out, directions[d].fact, "%+.3g nats", value - basin->loss[d][zero]);
        } else {
            pl_figure_fact(out, directions[d].fact, "%.3g", value);
        }
    }
    pl_figure_fact(out, "step", "%.3g of the norm of W0", basin->norm);
    pl_figure_fact(out, "tail_lambda", "%.2g of lambda_max", basin->tail);
    if (loss == PL_BASIN_MODEL) {
        pl_figure_fact(out, "scored", "%zu tokens", basin->rows);
    } else {
        pl_figure_fact(out, "rows", "%zu of %zu sample rows", basin->rows, basin->of_rows);
    }
}

static pl_status make_basin(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    const pl_basin_loss loss = request->form == 1 ? PL_BASIN_MODEL : PL_BASIN_LAYER;
    const char *y_label = loss == PL_BASIN_MODEL ? "mean negative log-likelihood of the model"
                                                 : "relative output error of the layer";
    const bool parabola = request->paper && loss == PL_BASIN_LAYER;
    pl_buf title = {0};
    pl_basin basin;
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_basin_load(cx, request->layer, loss, &basin, err));
    PL_THEN(pl_figure_texts(out, title.data, "step t, in units of ‖W − W₀‖", y_label, err));
    const double floor = status == PL_OK && request->log ? find_floor(&basin) : 0;
    for (size_t d = 0; status == PL_OK && parabola && d < PL_BASIN_DIRECTIONS; d++) {
        status = add_parabola(&basin, d, floor, out, err);
    }
    if (status == PL_OK && !parabola) {
        status = add_basin_series(&basin, floor, out, err);
    }
    if (status == PL_OK) {
        set_axes(&basin, request->log, out);
        status = pl_figure_rule(out, 1.0, true, "W", err);
        add_basin_facts(&basin, loss, out);
    }
    pl_buf_deinit(&title);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* Where the weights were: one starts there. */
static double place_in_basin(const pl_looked *at)
{
    (void)at;
    return 0;
}

/* The step: along W0 -> W, 1 is where the method has gone. */
static void say_basin(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)at;
    (void)row;
    char number[PL_NUMBER_TEXT];
    char text[PL_NUMBER_TEXT + 4];
    pl_format_number(x, number);
    pl_text_minus(number, text, sizeof text);
    pl_buf_printf(out, "t = %s", text);
}

const pl_kind pl_kind_basin = {
    .name = "basin",
    .title = "Loss basin",
    .summary = "The loss along W₀ → W and along random, top and tail directions of the same "
               "length: tail directions cost little (Theorem 4.3)",
    .forms = "layer|model",
    .uses = PL_USES_LAYER | PL_USES_SCALE | PL_NEEDS_INPUTS | PL_NEEDS_SOLVED,
    .slow = true,
    .make = make_basin,
    .look = {.help = "The loss along straight lines from the weights, really evaluated: flat "
                     "directions are free to move in.",
             .place = place_in_basin,
             .say = say_basin},
};
