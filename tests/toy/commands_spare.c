/* spare1 to spare3: figures of one line, so that there are more than sixteen views. */
#include "plots/build.h"
#include "plots/kinds.h"

enum { POINTS = 101 };

static pl_status make_spare(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    (void)cx;
    pl_series *series = NULL;
    pl_status status = pl_figure_texts(out, request->kind->title, "step", "height", err);
    if (status == PL_OK) {
        status = pl_figure_add(out, "steps", PL_MARK_LINE, PL_TONE_BEFORE, POINTS, &series, err);
    }
    for (size_t i = 0; status == PL_OK && i < POINTS; i++) {
        series->x[i] = series->y[i] = (double)i;
    }
    out->x.whole = true;
    out->x.hi = out->y.hi = POINTS;
    return status;
}

#define SPARE(number)                                                                              \
    const pl_kind pl_kind_spare##number = {                                                        \
        .name = "spare" #number,                                                                   \
        .title = "Spare " #number,                                                                 \
        .summary = "One line",                                                                     \
        .make = make_spare,                                                                        \
        .look = {.help = "One line.", .whole = true},                                              \
    };

SPARE(1)
SPARE(2)
SPARE(3)
