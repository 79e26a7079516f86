/* The envelope of a layer's channels, the figure of FlatQuant's paper (Sun et al., 2024, figure 1):
 * weights and inputs side by side, each channel's size by falling size, under several transforms.
 */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"

#include "core/study/flatness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM_NORMS, FORM_MAXIMA };

static int by_falling_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* As flatness: the original in its tone, the transforms in theirs. */
static pl_status add_envelope(const pl_flatness *f, size_t index, const pl_request *request,
                              pl_figure *out, pl_error *err)
{
    const pl_flatness_curve *curve = &f->curves[index];
    const pl_tone tone = index == 0 ? PL_TONE_BEFORE : (pl_tone)(PL_TONE_EXTRA + index - 1);
    const char *name = index == 0 ? "no transform" : curve->label;
    pl_buf label = {0};
    pl_series *series = NULL;
    if (request->paper && index > 0) {
        pl_kind_in_full(name, &label);
    } else {
        pl_buf_puts(&label, name);
    }
    pl_status status = pl_buf_check(&label, err);
    PL_THEN(pl_figure_add(out, label.data, PL_MARK_LINE, tone, f->n, &series, err));
    for (size_t i = 0; status == PL_OK && i < f->n; i++) {
        series->x[i] = (double)(i + 1);
        series->y[i] = request->form == FORM_NORMS ? (double)curve->norms[i] * curve->mean
                                                   : (double)curve->max[i];
    }
    if (status == PL_OK) {
        qsort(series->y, f->n, sizeof *series->y, by_falling_size);
        pl_figure_fact(out, "largest", "%.4g: %s", series->y[0], label.data);
    }
    pl_buf_deinit(&label);
    return status;
}

static const char *value_label(pl_side side, int form)
{
    if (side == PL_SIDE_INPUT) {
        return form == FORM_NORMS ? "\u2016channel of X T\u2016\u2082" : "max |X T| of the channel";
    }
    return form == FORM_NORMS ? "\u2016channel of W T\u207b\u1d40\u2016\u2082"
                              : "max |W T\u207b\u1d40| of the channel";
}

static pl_status make_envelope(pl_context cx, const pl_request *request, pl_figure *out,
                               pl_error *err)
{
    pl_id calibration = {0};
    pl_flatness f = {0};
    pl_buf title = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_buf_puts(&title, request->side == PL_SIDE_INPUT ? ", input" : ", weights");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_flatness_load(cx, calibration, request->layer, request->side, &f, err));
    PL_THEN(pl_figure_texts(out, title.data, "rank of the channel, by falling size",
                            value_label(request->side, request->form), err));
    for (size_t i = 0; status == PL_OK && i < f.count; i++) {
        status = add_envelope(&f, i, request, out, err);
    }
    if (status == PL_OK) {
        pl_fit_positions(&out->x, 1, f.n);
        pl_fit_y(out, request->log || (request->free_scale && pl_fit_wants_log(out)), 0);
    }
    pl_flatness_deinit(&f);
    pl_buf_deinit(&title);
    return status;
}

/* Weights and inputs in one row, where no side is asked for. */
static size_t row_of_envelope(const pl_state *state, const pl_request *request,
                              pl_request out[PL_KIND_ROW])
{
    (void)state;
    out[0] = out[1] = *request;
    if (!request->any_side) {
        return 1;
    }
    out[0].side = PL_SIDE_WEIGHT;
    out[1].side = PL_SIDE_INPUT;
    return 2;
}

const pl_kind pl_kind_envelope = {
    .name = "envelope",
    .title = "Envelope",
    .summary =
        "The channels' norms or maxima by falling size, without a transform, under "
        "SmoothQuant, Hadamard and the layer's own: weights and inputs in one row, or one of "
        "them with side=",
    .forms = "norms|maxima",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_SCALE | PL_NEEDS_INPUTS | PL_USES_METHODS |
            PL_USES_LEARNING | PL_USES_SOLVED,
    .row = row_of_envelope,
    .make = make_envelope,
    .look = {.help = "The channels by falling size, without a transform and under several: the "
                     "lower the left end, the easier to quantize; s shows inputs."},
};
