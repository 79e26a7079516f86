/* What mixed bits lose over their average: the best choices, the bound under them, one choice for
 * all. */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/study/allocation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *loss_label(size_t by)
{
    return by == PL_BY_KL         ? "summed KL divergence, nats"
           : by == PL_BY_ESTIMATE ? "summed KL estimate, nats"
                                  : "summed relative error";
}

static pl_status add_allocation_curve(const char *label, pl_mark mark, pl_tone tone,
                                      const double *x, const double *y, size_t count,
                                      pl_figure *out, pl_error *err)
{
    pl_series *series = NULL;
    pl_status status = pl_figure_add(out, label, mark, tone, count, &series, err);
    if (status == PL_OK) {
        memcpy(series->x, x, count * sizeof *x);
        memcpy(series->y, y, count * sizeof *y);
    }
    return status;
}

/* "the same for all: W2, W3, W4". */
static pl_status add_uniform(const pl_allocation_drawn *a, pl_figure *out, pl_error *err)
{
    pl_buf label = {0};
    pl_buf_puts(&label, "the same for all");
    bool sized = false;
    for (size_t i = 0; i < a->n_uniform; i++) {
        sized = sized || a->uniform[i].group_size >= 0;
    }
    for (size_t i = 0; !sized && i < a->n_uniform; i++) {
        pl_buf_printf(&label, "%s W%d", i == 0 ? ":" : ",", a->uniform[i].bits);
    }
    pl_status status = pl_buf_check(&label, err);
    PL_THEN(add_allocation_curve(label.data, PL_MARK_POINTS, PL_TONE_BEFORE, a->uniform_bits,
                                 a->uniform_loss, a->n_uniform, out, err));
    pl_buf_deinit(&label);
    return status;
}

static void fit_bits(const pl_figure *figure, pl_axis *axis)
{
    double lo = (double)INFINITY, hi = -(double)INFINITY;
    for (size_t s = 0; s < figure->n_series; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            lo = fmin(lo, figure->series[s].x[i]);
            hi = fmax(hi, figure->series[s].x[i]);
        }
    }
    const double room = lo < hi ? 0.03 * (hi - lo) : 0.5;
    axis->lo = lo - room;
    axis->hi = hi + room;
}

static pl_status make_allocation(pl_context cx, const pl_request *request, pl_figure *out,
                                 pl_error *err)
{
    pl_allocation_drawn a;
    pl_buf title = {0};
    (void)request;
    pl_status status = pl_allocation_last(cx.lab, cx.state, &a, NULL, err);
    if (status != PL_OK) {
        return status;
    }
    pl_overview_put_model(cx.state->source->model, &title);
    pl_buf_puts(&title, ", mixed bits");
    status = pl_buf_check(&title, err);
    PL_THEN(
        pl_figure_texts(out, title.data, "bits per weight, scales counted", loss_label(a.by), err));
    PL_THEN(add_allocation_curve("bound", PL_MARK_LINE, PL_TONE_EXTRA + 1, a.curve.bits,
                                 a.curve.bound, a.curve.count, out, err));
    PL_THEN(add_allocation_curve("allocated", PL_MARK_LINE, PL_TONE_EXTRA, a.curve.bits,
                                 a.curve.loss, a.curve.count, out, err));
    PL_THEN(add_uniform(&a, out, err));
    PL_THEN(add_allocation_curve("chosen", PL_MARK_POINTS, PL_TONE_AFTER, &a.found.bits,
                                 &a.found.loss, 1, out, err));
    if (status == PL_OK) {
        fit_bits(out, &out->x);
        pl_fit_y(out, true, 0);
        pl_figure_fact(out, "chosen", "%.4g bits, loss %.3g", a.found.bits, a.found.loss);
        pl_figure_fact(out, "bound", "%.3g", a.found.bound);
    }
    pl_buf_deinit(&title);
    return status;
}

static size_t allocated_layers(const pl_state *state, const pl_request *request, size_t *out)
{
    (void)state;
    (void)request;
    (void)out;
    return 0; /* it shows no layer's result */
}

static void put_allocating(pl_context cx, const pl_request *request, pl_buf *out)
{
    pl_allocation_drawn a;
    pl_buf said = {0};
    (void)request;
    if (pl_allocation_last(cx.lab, cx.state, &a, &said, NULL) == PL_OK && said.size > 0) {
        pl_buf_printf(out, "%s\n", said.data);
    }
    pl_buf_deinit(&said);
}

/* --- on the screen ---------------------------------------------------------------------------- */

static double place_of_allocated(const pl_looked *at)
{
    const pl_figure *f = at->figure;
    return f->n_series > 0 && f->series[f->n_series - 1].count == 1
               ? f->series[f->n_series - 1].x[0]
               : (double)NAN;
}

static void say_allocation(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    char number[PL_NUMBER_TEXT];
    (void)at;
    (void)row;
    pl_format_number(x, number);
    pl_buf_printf(out, "%s bits", number);
}

static void enter_allocation(const pl_looked *at, double x, size_t row, pl_buf *command,
                             bool *solves)
{
    (void)at;
    (void)row;
    (void)solves;
    pl_buf_printf(command, "allocate bits=%.4f", x);
}

const pl_kind pl_kind_allocation = {
    .name = "allocation",
    .title = "Allocation",
    .summary = "What mixed bits lose over their average (`allocate`): the least that whole choices "
               "lose, the bound under which no choice can be, and the same bits for all",
    .uses = PL_USES_METHODS | PL_USES_COSTS,
    .layers = allocated_layers,
    .commands = put_allocating,
    .make = make_allocation,
    .look = {.help =
                 "The least losses over the average of bits, the bound under them, and the same "
                 "bits for all; Enter allocates the average at the crosshair.",
             .whole = true,
             .snaps = true,
             .place = place_of_allocated,
             .say = say_allocation,
             .enter = enter_allocation},
};
