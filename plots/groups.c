/* Astro's table: where the input is large, the group maxima fall (methods.md 2). */
#include "core/base/number.h"
#include "plots/build.h"
#include "plots/drawn.h"
#include "plots/fit.h"

#include "core/base/checked.h"
#include "core/metrics/recon.h"
#include "core/metrics/spread.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM_SCATTER, FORM_BARS, FORM_TABLE };

/* What the forms show of a layer's groups. */
typedef struct group_data {
    pl_drawn_list list;
    size_t n, cols, group_size;
    int bits; /* of the bounds; 0: there is none */
    double tokens;
    double *norms;                  /* [n] ||X^(k)||_F */
    double *alpha;                  /* [n] */
    double *means;                  /* [list.count, n] mean over rows of ||w^(k)||_inf */
    double bounds[2 + PL_MAX_KEPT]; /* NaN where the rounder has none */
    size_t *order;                  /* [n] position -> group */
    pl_axis names;                  /* of the groups */
} group_data;

static void data_deinit(group_data *d)
{
    pl_figure holder = {.x = d->names};
    pl_figure_deinit(&holder);
    free(d->norms);
    free(d->alpha);
    free(d->means);
    free(d->order);
}

static const double *means_of(const group_data *d, size_t series)
{
    return d->means + series * d->n;
}

/* alpha_k = ||X^(k)||_F over their mean; 1 for all without any input. */
static void set_alpha(group_data *d)
{
    double mean = 0;
    for (size_t k = 0; k < d->n; k++) {
        mean += d->norms[k] / (double)d->n;
    }
    for (size_t k = 0; k < d->n; k++) {
        d->alpha[k] = mean > 0 ? d->norms[k] / mean : 1;
    }
}

/* By falling alpha, ties by lower group: few groups, so by insertion. */
static void set_order(group_data *d, bool sorted)
{
    for (size_t k = 0; k < d->n; k++) {
        size_t at = k;
        for (; sorted && at > 0 && d->alpha[d->order[at - 1]] < d->alpha[k]; at--) {
            d->order[at] = d->order[at - 1];
        }
        d->order[at] = k;
    }
}

static pl_status read_weights(pl_context cx, size_t layer, const pl_site_stats *stats,
                              group_data *d, pl_error *err)
{
    const pl_spec *round = pl_state_spec(cx.state, layer, PL_SLOT_ROUND);
    pl_mat w = {0};
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < d->list.count; i++) {
        const pl_drawn *drawn = &d->list.items[i];
        status = pl_drawn_weights(cx.lab, cx.state, layer, drawn, &w, err);
        if (status == PL_OK) {
            pl_group_max(pl_mat_view(&w), d->group_size, NULL, d->means + i * d->n);
            d->bounds[i] = NAN;
            status = pl_task_tick(cx.task, err);
        }
        /* The bound is of weights that are handed to the rounder. */
        if (status == PL_OK && round->method != NULL && drawn->which != PL_WHICH_AFTER) {
            pl_grid grid = pl_spec_grid(round);
            d->bits = grid.bits;
            d->bounds[i] = pl_error_bound_rms(stats->rms, stats->tokens, &grid, pl_mat_view(&w));
        }
    }
    pl_mat_deinit(&w);
    return status;
}

static pl_status read_data(pl_context cx, const pl_request *request, group_data *d, pl_error *err)
{
    pl_site_stats stats = {0};
    pl_drawn_find(cx.lab, cx.state, request, &d->list);
    d->cols = pl_model_layer(cx.state->source->model, request->layer)->cols;
    d->group_size = pl_drawn_group_size(cx.state, request->layer);
    d->n = pl_group_count(d->cols, d->group_size);
    d->norms = calloc(d->n, sizeof *d->norms);
    d->alpha = calloc(d->n, sizeof *d->alpha);
    d->means = calloc(d->n * d->list.count, sizeof *d->means);
    d->order = calloc(d->n, sizeof *d->order);
    if (d->norms == NULL || d->alpha == NULL || d->means == NULL || d->order == NULL) {
        return pl_error_memory(err, "%zu groups", d->n);
    }
    pl_status status = pl_drawn_inputs(cx, request->layer, false, &stats, err);
    if (status == PL_OK) {
        d->tokens = stats.tokens;
        pl_group_input_norms(stats.rms, d->cols, stats.tokens, d->group_size, d->norms);
        set_alpha(d);
        set_order(d, request->sorted);
        status = read_weights(cx, request->layer, &stats, d, err);
    }
    PL_THEN(pl_drawn_group_names(&d->names, d->cols, d->group_size, err));
    pl_site_stats_deinit(&stats);
    return status;
}

static double mean_of(const double *values, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++) {
        sum += values[k];
    }
    return sum / (double)n;
}

/* Percent of change; NaN from nothing. */
static double change(double before, double after)
{
    return before > 0 ? 100 * (after / before - 1) : (double)NAN;
}

/* "0.118 -> 0.062, -47 %". */
static void add_change(pl_figure *figure, const char *name, double before, double after)
{
    if (isfinite(change(before, after))) {
        pl_figure_fact(figure, name, "%.4g \u2192 %.4g, %+.1f %%", before, after,
                       change(before, after));
    }
}

static void add_groups_facts(const group_data *d, pl_figure *figure)
{
    size_t base = d->list.base;
    size_t live = d->list.live;
    double before = mean_of(means_of(d, base), d->n);
    size_t top = 0;
    size_t low = 0;
    for (size_t k = 0; k < d->n; k++) {
        top = d->alpha[k] > d->alpha[top] ? k : top;
        low = d->alpha[k] < d->alpha[low] ? k : low;
    }
    if (live != base) {
        add_change(figure, "group_max_mean", before, mean_of(means_of(d, live), d->n));
        add_change(figure, "group_max_at_largest_input", means_of(d, base)[top],
                   means_of(d, live)[top]);
        add_change(figure, "bound", d->bounds[base], d->bounds[live]);
    } else {
        pl_figure_fact(figure, "group_max_mean", "%.4g", before);
    }
    if (isfinite(d->bounds[base]) && !(live != base && isfinite(d->bounds[live]))) {
        pl_figure_fact(figure, "bound", "%.4g", d->bounds[base]);
    }
    pl_figure_fact(figure, "group_size", "%zu", d->group_size > 0 ? d->group_size : d->cols);
    if (d->bits > 0) {
        pl_figure_fact(figure, "bits", "%d", d->bits);
    }
    pl_figure_fact(figure, "alpha", "%.3g \u2026 %.3g", d->alpha[low], d->alpha[top]);
    pl_figure_fact(figure, "tokens", "%.0f", d->tokens);
    pl_drawn_facts(&d->list, figure);
}

/* --- scatter: over the size of the input ------------------------------------------------------ */

/* Groups by rising norm, for the lines. */
static pl_status add_points(const group_data *d, size_t series, const size_t *rising, double least,
                            pl_mark mark, const char *label, pl_figure *out, pl_error *err)
{
    pl_series *points = NULL;
    pl_status status =
        pl_figure_add(out, label, mark, d->list.items[series].tone, d->n, &points, err);
    if (status == PL_OK) {
        points->at = malloc(d->n * sizeof *points->at);
        status = points->at != NULL ? PL_OK : pl_error_memory(err, "a figure");
    }
    for (size_t i = 0; status == PL_OK && i < d->n; i++) {
        size_t k = rising[i];
        points->at[i] = (double)(k * d->group_size);
        points->x[i] = fmax(d->norms[k], least);
        points->y[i] = means_of(d, series)[k];
    }
    return status;
}

static void rising_norms(const group_data *d, size_t *out)
{
    for (size_t k = 0; k < d->n; k++) {
        size_t at = k;
        for (; at > 0 && d->norms[out[at - 1]] > d->norms[k]; at--) {
            out[at] = out[at - 1];
        }
        out[at] = k;
    }
}

/* A log axis has no place for 0: groups without input stand at its lower end. */
static double set_norm_axis(const group_data *d, pl_axis *axis)
{
    double lo = (double)INFINITY;
    double hi = 0;
    size_t dead = 0;
    for (size_t k = 0; k < d->n; k++) {
        dead += d->norms[k] > 0 ? 0 : 1;
        lo = d->norms[k] > 0 ? fmin(lo, d->norms[k]) : lo;
        hi = fmax(hi, d->norms[k]);
    }
    if (hi == 0) {
        lo = hi = 1;
    }
    lo = dead > 0 ? lo / 2 : lo;
    pl_fit_log(axis, lo, hi);
    return lo;
}

static pl_status make_scatter(const group_data *d, pl_figure *out, pl_error *err)
{
    double least = set_norm_axis(d, &out->x);
    size_t *rising = calloc(d->n, sizeof *rising);
    if (rising == NULL) {
        return pl_error_memory(err, "a figure");
    }
    rising_norms(d, rising);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < d->list.count; i++) {
        const pl_drawn *drawn = &d->list.items[i];
        if (drawn->pin == NULL && d->n > 1) {
            status = add_points(d, i, rising, least, PL_MARK_LINE, "", out, err);
        }
        PL_THEN(add_points(d, i, rising, least, PL_MARK_POINTS, drawn->label, out, err));
    }
    free(rising);
    return status;
}

/* --- bars: group by group --------------------------------------------------------------------- */

static pl_status make_bars(const group_data *d, pl_figure *out, pl_error *err)
{
    pl_status status = pl_figure_names(&out->x, d->n, err);
    for (size_t i = 0; status == PL_OK && i < d->list.count; i++) {
        const pl_drawn *drawn = &d->list.items[i];
        pl_series *series = NULL;
        status =
            pl_figure_add(out, drawn->label, drawn->pin != NULL ? PL_MARK_POINTS : PL_MARK_STEMS,
                          drawn->tone, d->n, &series, err);
        for (size_t k = 0; status == PL_OK && k < d->n; k++) {
            series->x[k] = (double)k;
            series->y[k] = means_of(d, i)[d->order[k]];
        }
    }
    for (size_t k = 0; status == PL_OK && k < d->n; k++) {
        status = pl_figure_text(&out->x.names[k], d->names.names[d->order[k]], err);
    }
    pl_fit_positions(&out->x, 0, d->n);
    return status;
}

/* --- table ------------------------------------------------------------------------------------ */

static pl_status put_group_cell(pl_table *table, size_t row, size_t col, const char *format,
                                double value, pl_error *err)
{
    return pl_table_number(table, row, col, format, value, "", err);
}

enum { FIRST_COLUMNS = 3 }; /* channels, norm, alpha */

static pl_status make_heads(const group_data *d, pl_table *table, pl_error *err)
{
    static const char *const heads[FIRST_COLUMNS] = {"channels", "\u2016X\u207d\u1d4f\u207e\u2016",
                                                     "\u03b1"};
    pl_status status = PL_OK;
    for (size_t c = 0; status == PL_OK && c < FIRST_COLUMNS; c++) {
        status = pl_figure_text(&table->heads[c], heads[c], err);
    }
    for (size_t i = 0; status == PL_OK && i < d->list.count; i++) {
        status = pl_figure_text(&table->heads[FIRST_COLUMNS + i], d->list.items[i].label, err);
    }
    if (status == PL_OK && d->list.live != d->list.base) {
        status = pl_figure_text(&table->heads[FIRST_COLUMNS + d->list.count], "change %", err);
    }
    return status;
}

static pl_status make_row(const group_data *d, size_t row, pl_table *table, pl_error *err)
{
    size_t k = d->order[row];
    pl_status status = pl_figure_text(&table->cells[row * table->cols], d->names.names[k], err);
    PL_THEN(put_group_cell(table, row, 1, "%#.4g", d->norms[k], err));
    PL_THEN(put_group_cell(table, row, 2, "%.3f", d->alpha[k], err));
    for (size_t i = 0; status == PL_OK && i < d->list.count; i++) {
        status = put_group_cell(table, row, FIRST_COLUMNS + i, "%.4f", means_of(d, i)[k], err);
    }
    if (status == PL_OK && d->list.live != d->list.base) {
        status =
            put_group_cell(table, row, FIRST_COLUMNS + d->list.count, "%+.1f",
                           change(means_of(d, d->list.base)[k], means_of(d, d->list.live)[k]), err);
    }
    return status;
}

static pl_status make_table(const group_data *d, pl_figure *out, pl_error *err)
{
    size_t cols = FIRST_COLUMNS + d->list.count + (d->list.live != d->list.base ? 1 : 0);
    pl_status status = pl_figure_table(out, d->n, cols, err);
    PL_THEN(make_heads(d, out->table, err));
    for (size_t k = 0; status == PL_OK && k < d->n; k++) {
        status = make_row(d, k, out->table, err);
    }
    return status;
}

/* --- the kind --------------------------------------------------------------------------------- */

static pl_status set_group_texts(const pl_state *state, const pl_request *request, pl_figure *out,
                                 pl_error *err)
{
    pl_buf title = {0};
    pl_kind_layer_title(state, request->layer, &title);
    if (request->form == FORM_TABLE) {
        pl_buf_puts(&title, ", group max |w|, mean over rows");
    }
    pl_status status = pl_buf_check(&title, err);
    const char *x = request->form == FORM_SCATTER
                        ? "input of the group, \u2016X\u207d\u1d4f\u207e\u2016 (Frobenius)"
                    : request->sorted ? "group (channels), by falling \u03b1"
                                      : "group (channels)";
    PL_THEN(pl_figure_texts(out, title.data, x, "mean group maximum of |w|", err));
    pl_buf_deinit(&title);
    return status;
}

/* Bars start at 0; points are compared with each other. */
static void fit_scatter(pl_figure *out)
{
    double lo = (double)INFINITY, hi = -(double)INFINITY;
    for (size_t s = 0; s < out->n_series; s++) {
        for (size_t i = 0; i < out->series[s].count; i++) {
            lo = fmin(lo, out->series[s].y[i]);
            hi = fmax(hi, out->series[s].y[i]);
        }
    }
    const double room = lo < hi ? 0.08 * (hi - lo) : fmax(0.08 * fabs(lo), 1e-6);
    out->y.lo = lo - room;
    out->y.hi = hi + room;
}

static pl_status make_groups(pl_context cx, const pl_request *request, pl_figure *out,
                             pl_error *err)
{
    group_data d = {0};
    pl_status status = read_data(cx, request, &d, err);
    PL_THEN(set_group_texts(cx.state, request, out, err));
    PL_THEN(request->form == FORM_TABLE  ? make_table(&d, out, err)
            : request->form == FORM_BARS ? make_bars(&d, out, err)
                                         : make_scatter(&d, out, err));
    if (status == PL_OK) {
        pl_fit_y(out, request->log, 0);
        if (request->paper && request->form == FORM_SCATTER && !request->log) {
            fit_scatter(out);
        }
        add_groups_facts(&d, out);
    }
    data_deinit(&d);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* "0\u2013127  input norm 505": over the norm of the input there are no names on the axis. */
static void say_groups(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    size_t first = 0;
    size_t last = 0;
    if (!pl_look_group_at(at, x, &first, &last)) {
        return;
    }
    pl_buf_printf(out, "%zu\u2013%zu", first, last);
    if (at->figure->x.names == NULL) {
        char number[PL_NUMBER_TEXT];
        pl_format_number(x, number);
        pl_buf_printf(out, "  input norm %s", number);
    }
}

const pl_kind pl_kind_groups = {
    .name = "groups",
    .title = "Groups",
    .summary = "Each channel group's mean maximum against the size of its input: a preconditioner "
               "should lower it where the input is large",
    .forms = "scatter|bars|table",
    .uses = PL_USES_LAYER | PL_USES_WHICH | PL_USES_ORDER | PL_USES_SCALE | PL_USES_PINS |
            PL_NEEDS_INPUTS | PL_USES_METHODS,
    .make = make_groups,
    .look = {.help = "Input norm of each channel group, its strength, and the group's largest "
                     "weight before and after: Astro lowers the groups that the inputs use least.",
             .snaps = true,
             .place = pl_look_group_of_channel,
             .channel = pl_look_channel_of_group,
             .say = say_groups},
};
