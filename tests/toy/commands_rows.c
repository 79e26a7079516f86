/* rows: a toy figure with its look on the screen, all of it. */
#include "core/lab/weights.h"
#include "plots/build.h"
#include "plots/kinds.h"

#include <math.h>

static pl_status add_norms(const pl_mat *w, pl_figure *out, pl_error *err)
{
    pl_series *series = NULL;
    double most = 0;
    pl_status status =
        pl_figure_add(out, "weights", PL_MARK_LINE, PL_TONE_BEFORE, w->rows, &series, err);
    for (size_t r = 0; status == PL_OK && r < w->rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < w->cols; c++) {
            const double value = (double)w->data[r * w->cols + c];
            sum += value * value;
        }
        series->x[r] = (double)r;
        series->y[r] = sqrt(sum);
        most = fmax(most, series->y[r]);
    }
    out->x.whole = true;
    out->x.hi = (double)w->rows;
    out->y.hi = 1.1 * most;
    pl_figure_fact(out, "largest", "%.4g", most);
    return status;
}

static pl_status make_rows(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    pl_mat w = {0};
    pl_buf title = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    if (status == PL_OK) {
        status =
            pl_weights_make(cx, request->layer, (pl_weights_of){.which = PL_WHICH_BEFORE}, &w, err);
    }
    if (status == PL_OK) {
        status = pl_figure_texts(out, title.data, "row", "norm of a row", err);
    }
    if (status == PL_OK) {
        status = add_norms(&w, out, err);
    }
    pl_buf_deinit(&title);
    pl_mat_deinit(&w);
    return status;
}

static void say_row(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)at;
    (void)row;
    pl_buf_printf(out, "output channel %.0f", x);
}

const pl_kind pl_kind_rows = {
    .name = "rows",
    .title = "Rows",
    .summary = "The norm of every row of the weights",
    .uses = PL_USES_LAYER,
    .make = make_rows,
    .look = {.help = "The norm of every row of the weights.", .say = say_row},
};
