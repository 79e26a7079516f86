/* The rounder's grid on one layer: where the weights fall between its levels, what saturates, and
 * the error per element against |w|.  Each group is rounded to nearest by its own scale, as RTN
 * and, but for the updates on the way, GPTQ do. */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/drawn.h"

#include <math.h>
#include <stdio.h>

enum { HISTOGRAM, RELATIVE = 2 }; /* forms */
enum { BINS = 48, RUG_LEVELS = 64, LEVELS = 256 };
static const uint32_t RUG_COLOUR = 0x707070;

typedef struct grid_view {
    pl_grid grid;
    pl_drawn_list list;
    pl_mat w[2]; /* of the list's items: in units of their scales, or as they are */
    double outside[2];
    float levels[LEVELS]; /* in those units */
    size_t n_levels;
} grid_view;

typedef void (*group_use)(void *ctx, const pl_grid *grid, float *w, size_t count);

static void each_group(pl_grid *grid, pl_mat *w, group_use use, void *ctx)
{
    const size_t width = grid->group_size == 0 ? w->cols : grid->group_size;
    pl_grid_begin(grid, pl_mat_view(w));
    for (size_t r = 0; r < w->rows; r++) {
        for (size_t at = 0; at < w->cols; at += width) {
            use(ctx, grid, w->data + r * w->cols + at, w->cols - at < width ? w->cols - at : width);
        }
    }
}

/* w <- w / scale + zero. */
static void take_units(void *ctx, const pl_grid *grid, float *w, size_t count)
{
    (void)ctx;
    const pl_grid_param param = pl_grid_fit(grid, w, count, 1);
    for (size_t i = 0; i < count; i++) {
        w[i] = w[i] / param.scale + (float)param.zero;
    }
}

static void count_outside(grid_view *view, size_t item)
{
    const pl_mat *w = &view->w[item];
    size_t outside = 0;
    for (size_t i = 0; i < w->rows * w->cols; i++) {
        outside += w->data[i] < view->levels[0] || w->data[i] > view->levels[view->n_levels - 1];
    }
    view->outside[item] = (double)outside / ((double)w->rows * (double)w->cols);
}

/* --- the histogram and its levels ------------------------------------------------------------- */

static pl_status add_rug(const grid_view *view, pl_figure *out, pl_error *err)
{
    pl_series *rug = NULL;
    size_t first = 0, end = view->n_levels;
    for (; first < end && (double)view->levels[first] < out->x.lo; first++) {
    }
    for (; end > first && (double)view->levels[end - 1] > out->x.hi; end--) {
    }
    if (end == first || end - first > RUG_LEVELS) {
        return PL_OK;
    }
    pl_status status =
        pl_figure_add(out, "", PL_MARK_POINTS, PL_TONE_AFTER, end - first, &rug, err);
    for (size_t i = first; status == PL_OK && i < end; i++) {
        rug->x[i - first] = (double)view->levels[i];
        rug->y[i - first] = out->y.lo * pow(out->y.hi / out->y.lo, 0.05);
    }
    if (status == PL_OK) {
        rug->coloured = true;
        rug->rgb = RUG_COLOUR;
    }
    return status;
}

static pl_status make_levels(grid_view *view, const char *title, pl_figure *out, pl_error *err)
{
    pl_histogram_data data = {
        .title = title, .x_label = "weight / scale (marks: levels)", .n_series = view->list.count};
    for (size_t i = 0; i < view->list.count; i++) {
        each_group(&view->grid, &view->w[i], take_units, NULL);
        count_outside(view, i);
        data.values[i] = pl_mat_view(&view->w[i]);
        data.labels[i] = view->list.items[i].label;
        data.tones[i] = view->list.items[i].tone;
    }
    pl_status status = pl_figure_histogram(&data, out, err);
    PL_THEN(add_rug(view, out, err));
    pl_figure_fact(out, "levels", "%zu", view->n_levels);
    for (size_t i = 0; status == PL_OK && i < view->list.count; i++) {
        char name[64];
        snprintf(name, sizeof name, "saturated%s", view->list.items[i].suffix);
        pl_figure_fact(out, name, "%.3g %%", 100 * view->outside[i]);
    }
    return status;
}

/* --- error against |w| ------------------------------------------------------------------------ */

typedef struct error_sums {
    double squares[BINS], counts[BINS];
    double all, energy;
} error_sums;

static void add_errors(void *ctx, const pl_grid *grid, float *w, size_t count)
{
    error_sums *sums = ctx;
    const pl_grid_param param = pl_grid_fit(grid, w, count, 1);
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
static pl_status add_error_line(grid_view *view, size_t item, bool relative, pl_figure *out,
                                pl_error *err)
{
    const pl_drawn *drawn = &view->list.items[item];
    error_sums sums = {0};
    size_t used = 0;
    pl_series *line = NULL;
    each_group(&view->grid, &view->w[item], add_errors, &sums);
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

static pl_status make_errors(grid_view *view, const char *title, bool relative, pl_figure *out,
                             pl_error *err)
{
    pl_status status =
        pl_figure_texts(out, title, "|w| / largest of its group",
                        relative ? "RMS error / |w|" : "RMS error / largest of its group", err);
    for (size_t i = 0; status == PL_OK && i < view->list.count; i++) {
        status = add_error_line(view, i, relative, out, err);
    }
    double top = 0.0, least = INFINITY;
    for (size_t s = 0; status == PL_OK && s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) {
            top = fmax(top, out->series[s].y[i]);
            least = fmin(least, out->series[s].y[i] > 0.0 ? out->series[s].y[i] : INFINITY);
        }
    }
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

/* Of what is handed to the rounder: the rounded weights are levels by themselves. */
static void drop_rounded(pl_drawn_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count && kept < 2; i++) {
        if (i == 0 || list->items[i].which != PL_WHICH_AFTER) {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

static pl_status read_weights(pl_context cx, const pl_request *request, grid_view *view,
                              pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < view->list.count; i++) {
        status = pl_drawn_weights(cx.lab, cx.state, request->layer, &view->list.items[i],
                                  &view->w[i], err);
        PL_THEN(pl_task_tick(cx.task, err));
    }
    return status;
}

static pl_status make_grid(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    const pl_spec *round = pl_state_spec(cx.state, request->layer, PL_SLOT_ROUND);
    grid_view view = {0};
    *out = (pl_figure){0};
    if (round->method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "grid: the slot round is empty: choose a rounder, e.g. `method rtn`");
    }
    view.grid = pl_spec_grid(round);
    view.n_levels = pl_grid_levels(&view.grid, (pl_grid_param){1.0f, 0}, view.levels);
    pl_drawn_find(cx.lab, cx.state, request, &view.list);
    drop_rounded(&view.list);
    pl_buf title = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_buf_printf(&title, ", %s", pl_format_choice(view.grid.format));
    if (pl_format_is_int(view.grid.format)) {
        pl_buf_printf(&title, "%d", view.grid.bits);
    }
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(read_weights(cx, request, &view, err));
    PL_THEN(request->form == HISTOGRAM
                ? make_levels(&view, title.data, out, err)
                : make_errors(&view, title.data, request->form == RELATIVE, out, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
    }
    pl_mat_deinit(&view.w[0]);
    pl_mat_deinit(&view.w[1]);
    pl_buf_deinit(&title);
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
    .summary = "Where the weights fall between the rounder's levels, what saturates, and the error "
               "per element against |w|",
    .forms = "histogram|error|relative",
    .uses = PL_USES_LAYER | PL_USES_WHICH | PL_USES_METHODS,
    .make = make_grid,
    .look = {.help = "Weights in units of their group's scale with the levels as ticks, or how far "
                     "off a weight is by its size, before and after.",
             .say = say_grid},
};
