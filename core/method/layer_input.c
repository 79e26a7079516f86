#include "core/method/method_parts.h"

#include <math.h>

pl_method_report pl_method_report_empty(void)
{
    pl_method_report report = {.objective = (double)NAN,
                               .dual = (double)NAN,
                               .gap = (double)NAN,
                               .worst_row_gap = (double)NAN};
    for (size_t i = 0; i < PL_MAX_REPORTED; i++) {
        report.own[i] = (double)NAN;
    }
    return report;
}

void pl_grid_begin_of(pl_grid *grid, const pl_layer_input *in)
{
    pl_grid_begin(grid, in->w);
    if (pl_format_of_tensor(grid->format, grid->scale_mode) && in->most > grid->most) {
        grid->most = in->most;
    }
}

pl_status pl_check_layer(const pl_layer_input *in, pl_error *err)
{
    const size_t n = in->factors != NULL ? pl_factors_n(in->factors) : in->w.cols;
    if (in->w.cols != n) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: the weights have %zu columns, the Gram matrix of its input %zu",
                            in->layer, in->w.cols, n);
    }
    const size_t at = pl_view_first_nonfinite(in->w);
    if (at < in->w.rows * n) {
        return pl_error_set(err, PL_ERR_NUMERIC, "%s: weight [%zu, %zu] is not finite", in->layer,
                            at / n, at % n);
    }
    return PL_OK;
}
