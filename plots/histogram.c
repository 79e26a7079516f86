#include "plots/figure.h"

#include "plots/build.h"
#include "plots/levels.h"

#include "core/base/checked.h"
#include "core/base/number.h"
#include "core/metrics/outliers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FORM_WEIGHTS, FORM_LEVELS };
enum { MARKED_LEVELS = 64 }; /* more would hide the bins */
enum { SAMPLE = 1 << 16, BINS_MIN = 60, BINS_MAX = 200, BINS_LIMIT = 4096 };

#define LABEL_ROOM 4.0  /* above the points, on the log axis */
#define COUNT_FLOOR 0.5 /* log counts start below 1, so that a bin of one value shows */

static const char *label_of_bins(const pl_histogram_data *data, size_t s)
{
    return data->labels[s] != NULL ? data->labels[s] : "";
}

static pl_status check_data(const pl_histogram_data *data, pl_error *err)
{
    if (data->n_series == 0 || data->n_series > PL_FIGURE_SERIES || data->bins > BINS_LIMIT) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "histogram: expected 1 to %d series and at most %d bins, got %zu and "
                            "%zu",
                            PL_FIGURE_SERIES, BINS_LIMIT, data->n_series, data->bins);
    }
    for (size_t s = 0; s < data->n_series; s++) {
        pl_view v = data->values[s];
        if (v.rows == 0 || v.cols == 0) {
            return pl_error_set(err, PL_ERR_USAGE, "histogram: \"%s\" holds no values",
                                label_of_bins(data, s));
        }
        size_t bad = pl_view_first_nonfinite(v);
        if (bad < v.rows * v.cols) {
            return pl_error_set(err, PL_ERR_NUMERIC,
                                "histogram: \"%s\": row %zu, column %zu is not finite",
                                label_of_bins(data, s), bad / v.cols, bad % v.cols);
        }
    }
    return PL_OK;
}

static void find_values_range(const pl_histogram_data *data, double *lo, double *hi)
{
    float low = INFINITY;
    float high = -INFINITY;
    for (size_t s = 0; s < data->n_series; s++) {
        pl_view v = data->values[s];
        for (size_t i = 0; i < v.rows; i++) {
            const float *row = v.data + i * v.stride;
            for (size_t j = 0; j < v.cols; j++) {
                low = row[j] < low ? row[j] : low;
                high = row[j] > high ? row[j] : high;
            }
        }
    }
    *lo = (double)low;
    *hi = (double)high;
}

/* Freedman and Diaconis, 1981: bin width 2 IQR / n^(1/3); the quartiles from an even sample. */
static pl_status choose_bins(pl_view v, double span, size_t *out, pl_error *err)
{
    size_t total = v.rows * v.cols;
    size_t count = total < SAMPLE ? total : SAMPLE;
    float *sample = pl_alloc(count, sizeof *sample);
    if (sample == NULL) {
        return pl_error_memory(err, "a sample of %zu values", count);
    }
    double stride = (double)total / (double)count;
    for (size_t i = 0; i < count; i++) {
        size_t k = (size_t)((double)i * stride);
        sample[i] = v.data[k / v.cols * v.stride + k % v.cols];
    }
    qsort(sample, count, sizeof *sample, pl_floats_rising);
    double iqr = (double)sample[count * 3 / 4] - (double)sample[count / 4];
    free(sample);
    double bins = iqr > 0 ? span * cbrt((double)total) / (2 * iqr) : BINS_MAX;
    *out = bins < BINS_MIN ? BINS_MIN : bins > BINS_MAX ? BINS_MAX : (size_t)bins;
    return PL_OK;
}

static void count_values(pl_view v, double lo, double hi, size_t bins, double *counts)
{
    double scale = (double)bins / (hi - lo);
    for (size_t i = 0; i < v.rows; i++) {
        const float *row = v.data + i * v.stride;
        for (size_t j = 0; j < v.cols; j++) {
            size_t bin = (size_t)(((double)row[j] - lo) * scale);
            counts[bin < bins ? bin : bins - 1] += 1;
        }
    }
}

static pl_status add_counts(const pl_histogram_data *data, double lo, double hi, size_t bins,
                            pl_figure *figure, pl_error *err)
{
    for (size_t s = 0; s < data->n_series; s++) {
        pl_series *series = NULL;
        pl_status status = pl_figure_add(figure, label_of_bins(data, s), PL_MARK_STEPS,
                                         data->tones[s], bins, &series, err);
        if (status != PL_OK) {
            return status;
        }
        for (size_t i = 0; i <= bins; i++) {
            double part = (double)i / (double)bins;
            series->x[i] = i == bins ? hi : lo + (hi - lo) * part;
        }
        count_values(data->values[s], lo, hi, bins, series->y);
    }
    return PL_OK;
}

static void set_counts_axis(pl_figure *figure)
{
    double top = 1;
    for (size_t s = 0; s < figure->n_series; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            top = fmax(top, figure->series[s].y[i]);
        }
    }
    figure->y.log = true;
    figure->y.lo = COUNT_FLOOR;
    figure->y.hi = top * fmax(1.5, pow(top / COUNT_FLOOR, 0.06));
}

pl_status pl_figure_histogram(const pl_histogram_data *data, pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    pl_status status = check_data(data, err);
    PL_THEN(pl_figure_texts(out, data->title, data->x_label, "count per bin", err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    double lo = 0;
    double hi = 0;
    find_values_range(data, &lo, &hi);
    if (!(lo < hi)) {
        double room = lo != 0 ? 0.1 * fabs(lo) : 0.5;
        lo -= room;
        hi += room;
    }
    size_t bins = data->bins;
    status = bins > 0 ? PL_OK : choose_bins(data->values[0], hi - lo, &bins, err);
    PL_THEN(add_counts(data, lo, hi, bins, out, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    out->x.lo = lo - 0.02 * (hi - lo);
    out->x.hi = hi + 0.02 * (hi - lo);
    set_counts_axis(out);
    return PL_OK;
}

static double edge(size_t bin)
{
    return exp2((double)PL_HIST_LOW + (double)bin / PL_HIST_PER_OCTAVE);
}

pl_status pl_figure_input_histogram(const char *title, const uint64_t counts[PL_HIST_BINS],
                                    pl_figure *out, pl_error *err)
{
    *out = (pl_figure){0};
    size_t first = 0;
    size_t last = PL_HIST_BINS;
    while (first < PL_HIST_BINS && counts[first] == 0) {
        first++;
    }
    if (first == PL_HIST_BINS) {
        return pl_error_set(err, PL_ERR_STATE, "histogram: no input has been counted yet");
    }
    while (counts[last - 1] == 0) {
        last--;
    }
    pl_status status = pl_figure_texts(out, title, "|x|, layer input", "count per 1/8 octave", err);
    pl_series *series = NULL;
    PL_THEN(pl_figure_add(out, "", PL_MARK_STEPS, PL_TONE_INPUT, last - first, &series, err));
    if (status != PL_OK) {
        pl_figure_deinit(out);
        return status;
    }
    for (size_t i = first; i <= last; i++) {
        series->x[i - first] = edge(i);
    }
    for (size_t i = first; i < last; i++) {
        series->y[i - first] = (double)counts[i];
    }
    double room = pow(edge(last) / edge(first), 0.02);
    out->x.log = true;
    out->x.lo = edge(first) / room;
    out->x.hi = edge(last) * room;
    set_counts_axis(out);
    return PL_OK;
}

/* --- the kind --------------------------------------------------------------------------------- */

/* The numbers that say how heavy the tails are. */
static void add_histogram_facts(pl_view w, const char *suffix, pl_figure *figure)
{
    pl_tensor_numbers numbers = pl_describe(w);
    char name[64];
    snprintf(name, sizeof name, "kurtosis%s", suffix);
    pl_figure_fact(figure, name, "%.4g", numbers.kurtosis);
    snprintf(name, sizeof name, "max_over_rms%s", suffix);
    pl_figure_fact(figure, name, "%.4g", numbers.max_over_rms);
    snprintf(name, sizeof name, "above_6_sigma%s", suffix);
    pl_figure_fact(figure, name, "%.3g %%", 100 * numbers.share_above_6_sigma);
}

static pl_status read_drawn_weights(pl_context cx, size_t layer, const pl_drawn_list *list,
                                    pl_mat *weights, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    double bytes = (double)info->rows * (double)info->cols * sizeof(float) * (double)list->count;
    if (bytes > (double)pl_lab_memory_limit(cx.lab) / 2) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "histogram: %s: %zu series need %.0f MB, more than half of the memory "
                            "limit: take pins away",
                            info->name, list->count, bytes / 1e6);
    }
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < list->count; i++) {
        status = pl_drawn_weights(cx.lab, cx.state, layer, &list->items[i], &weights[i], err);
        PL_THEN(pl_task_tick(cx.task, err));
    }
    return status;
}

static pl_status histogram_of_weights(pl_context cx, const pl_request *request, const char *title,
                                      pl_figure *out, pl_error *err)
{
    pl_drawn_list list;
    pl_mat weights[2 + PL_MAX_KEPT] = {{0}};
    pl_drawn_find(cx.lab, cx.state, request, &list);
    pl_histogram_data data = {.title = title, .x_label = "weight w", .n_series = list.count};
    pl_status status = read_drawn_weights(cx, request->layer, &list, weights, err);
    for (size_t i = 0; status == PL_OK && i < list.count; i++) {
        data.values[i] = pl_mat_view(&weights[i]);
        data.labels[i] = list.items[i].label;
        data.tones[i] = list.items[i].tone;
    }
    PL_THEN(pl_figure_histogram(&data, out, err));
    if (status == PL_OK) {
        add_histogram_facts(data.values[list.base], list.items[list.base].suffix, out);
        if (list.live != list.base) {
            add_histogram_facts(data.values[list.live], list.items[list.live].suffix, out);
        }
        pl_drawn_facts(&list, out);
    }
    for (size_t i = 0; i < list.count; i++) {
        pl_mat_deinit(&weights[i]);
    }
    return status;
}

/* --- on the grid of the rounder --------------------------------------------------------------- */

static const char levels_explained[] =
    "Each weight is in units of its group's scale, so that all groups share one grid; a point "
    "stands "
    "at a level, as high as the count of the weights that round to it, and what lies beyond the "
    "first and the last level saturates.";
static const char many_explained[] =
    "Each weight is in units of its group's scale, so that all groups share one grid, whose levels "
    "are too many to mark; what lies beyond the first and the last saturates.";

/* A point at each level, as high as the count that rounds to it. */
static pl_status add_level_points(const pl_levels *levels, size_t item, pl_figure *out,
                                  pl_error *err)
{
    const pl_mat *w = &levels->w[item];
    pl_series *points = NULL;
    size_t known = 0;
    for (size_t i = 0; i < levels->count; i++) {
        known += levels->shares[item][i] > 0.0;
    }
    const pl_drawn *drawn = &levels->list.items[item];
    pl_buf label = {0};
    pl_buf_printf(&label, "%s%sper level", drawn->label, drawn->label[0] != '\0' ? ", " : "");
    pl_status status = pl_buf_check(&label, err);
    PL_THEN(pl_figure_add(out, label.data, PL_MARK_POINTS, drawn->tone, known, &points, err));
    pl_buf_deinit(&label);
    if (status == PL_OK) {
        points->at = pl_alloc(known, sizeof *points->at);
        status = points->at != NULL ? PL_OK : pl_error_memory(err, "a figure");
    }
    for (size_t i = 0, at = 0; status == PL_OK && i < levels->count; i++) {
        if (levels->shares[item][i] > 0.0) {
            points->x[at] = (double)levels->at[i];
            points->y[at] = levels->shares[item][i] * (double)w->rows * (double)w->cols;
            points->at[at++] = levels->shares[item][i];
        }
    }
    return status;
}

/* Where values begin to saturate, if any do: "saturated 2.03 %, preconditioned 11.7 %". */
static pl_status add_ends(const pl_levels *levels, pl_figure *out, pl_error *err)
{
    pl_buf text = {0};
    pl_buf_puts(&text, "saturated");
    bool any = false;
    for (size_t i = 0; i < levels->list.count; i++) {
        any = any || levels->outside[i] > 0.0;
        pl_buf_printf(&text, "%s %.3g %%", i == 0 ? "" : " \u2192", 100 * levels->outside[i]);
    }
    pl_status status = pl_buf_check(&text, err);
    for (int end = 0; status == PL_OK && any && end < 2; end++) {
        const double at = (double)levels->at[end == 0 ? 0 : levels->count - 1];
        if (at > out->x.lo && at < out->x.hi) {
            status = pl_figure_rule(out, at, true, end == 1 ? text.data : "", err);
        }
    }
    if (out->n_rules > 0) {
        out->y.hi *= LABEL_ROOM;
    }
    pl_buf_deinit(&text);
    return status;
}

static pl_status make_on_levels(pl_context cx, const pl_request *request, pl_figure *out,
                                pl_error *err)
{
    pl_levels levels;
    pl_status status = pl_levels_read("histogram form=levels", cx, request, &levels, err);
    if (status != PL_OK) {
        return status;
    }
    pl_levels_take_units(&levels);
    pl_histogram_data data = {.title = levels.title,
                              .x_label = "weight / scale of its group",
                              .n_series = levels.list.count};
    for (size_t i = 0; i < levels.list.count; i++) {
        data.values[i] = pl_mat_view(&levels.w[i]);
        data.labels[i] = levels.list.items[i].label;
        data.tones[i] = levels.list.items[i].tone;
    }
    status = pl_figure_histogram(&data, out, err);
    for (size_t i = 0; status == PL_OK && levels.count <= MARKED_LEVELS && i < levels.list.count;
         i++) {
        status = add_level_points(&levels, i, out, err);
    }
    if (status == PL_OK) {
        set_counts_axis(out);
        status = add_ends(&levels, out, err);
    }
    if (status == PL_OK) {
        out->explanation = levels.count <= MARKED_LEVELS ? levels_explained : many_explained;
        pl_levels_facts(&levels, out);
    } else {
        pl_figure_deinit(out);
    }
    pl_levels_deinit(&levels);
    return status;
}

/* Largest and RMS over all tokens; moments about the mean only from the sample. */
static void add_input_facts(const pl_site_stats *stats, pl_figure *figure)
{
    double max = 0;
    double square = 0;
    for (size_t c = 0; c < stats->n; c++) {
        max = fmax(max, (double)stats->max[c]);
        square += (double)stats->rms[c] * (double)stats->rms[c] / (double)stats->n;
    }
    if (square > 0) {
        pl_figure_fact(figure, "max_over_rms", "%.4g", max / sqrt(square));
    }
    pl_figure_fact(figure, "max", "%.4g", max);
    if (stats->sample_rows > 0) {
        pl_tensor_numbers numbers =
            pl_describe((pl_view){stats->sample, stats->sample_rows, stats->n, stats->n});
        pl_figure_fact(figure, "kurtosis", "%.4g (of %zu sampled tokens)", numbers.kurtosis,
                       stats->sample_rows);
        pl_figure_fact(figure, "above_6_sigma", "%.3g %% (of the sample)",
                       100 * numbers.share_above_6_sigma);
    }
    pl_figure_fact(figure, "tokens", "%.0f", stats->tokens);
}

static pl_status histogram_of_inputs(pl_context cx, const pl_request *request, const char *title,
                                     pl_figure *out, pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status = pl_drawn_inputs(cx, request->layer, true, &stats, err);
    PL_THEN(pl_figure_input_histogram(title, stats.histogram, out, err));
    if (status == PL_OK) {
        add_input_facts(&stats, out);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status make_histogram(pl_context cx, const pl_request *request, pl_figure *out,
                                pl_error *err)
{
    pl_buf title = {0};
    if (request->form == FORM_LEVELS && request->side == PL_SIDE_INPUT) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "histogram: form=levels shows weights on the rounder's grid: expected "
                            "side=weight, or form=weights");
    }
    if (request->form == FORM_LEVELS) {
        return make_on_levels(cx, request, out, err);
    }
    pl_kind_layer_title(cx.state, request->layer, &title);
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(request->side == PL_SIDE_INPUT
                ? histogram_of_inputs(cx, request, title.data, out, err)
                : histogram_of_weights(cx, request, title.data, out, err));
    pl_buf_deinit(&title);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

static double place_in_histogram(const pl_looked *at)
{
    const pl_picture *picture = at->picture;
    size_t channel = at->state->channel;
    const bool levels = at->figure != NULL && at->figure->explanation != NULL;
    if (picture == NULL || channel >= picture->cols || levels) {
        return NAN; /* in units of scales a channel has as many places as groups of rows */
    }
    /* Of inputs the figure counts sizes; of weights it has both signs. */
    const float *values = at->state->side == PL_SIDE_INPUT ? picture->input : picture->extreme;
    return values != NULL ? (double)values[channel] : NAN;
}

/* An edge to a tenth of the bin's width: three digits would not tell apart those near 0. */
static void put_edge(const pl_axis *axis, double edge, double width, pl_buf *out)
{
    char number[PL_NUMBER_TEXT];
    char text[PL_NUMBER_TEXT + 4];
    double digits = ceil(-log10(width)) + 1;
    if (axis->log || !(digits <= 6) || fabs(edge) >= 1e5) {
        pl_format_number(edge, number);
    } else {
        snprintf(number, sizeof number, "%.*f", digits > 0 ? (int)digits : 0, edge);
    }
    pl_text_minus(number, text, sizeof text);
    pl_buf_puts(out, text);
}

/* "level 2: 4.1 %, 9.3 %; bin": the level that x rounds to, with the shares before and after. */
static bool say_level(const pl_figure *figure, double x, pl_buf *out)
{
    bool said = false;
    for (size_t s = 0; s < figure->n_series; s++) {
        const pl_series *points = &figure->series[s];
        size_t best = 0;
        char number[PL_NUMBER_TEXT], level[PL_NUMBER_TEXT + 4];
        if (points->mark != PL_MARK_POINTS || points->at == NULL || points->count == 0) {
            continue;
        }
        for (size_t i = 1; i < points->count; i++) {
            best = fabs(points->x[i] - x) < fabs(points->x[best] - x) ? i : best;
        }
        if (!said) {
            pl_format_number(points->x[best], number);
            pl_text_minus(number, level, sizeof level);
            pl_buf_printf(out, "level %s: ", level);
        }
        pl_buf_printf(out, "%s%.3g %%", said ? ", " : "", 100.0 * points->at[best]);
        said = true;
    }
    pl_buf_puts(out, said ? "; bin" : ""); /* whose counts follow */
    return said;
}

/* The bin: "0.12 ... 0.14". */
static void say_histogram(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    if (say_level(at->figure, x, out)) {
        return;
    }
    size_t bin = 0;
    const pl_series *series = &at->figure->series[0];
    if (at->figure->n_series > 0 && series->mark == PL_MARK_STEPS &&
        pl_series_at(series, &at->figure->x, x, &bin)) {
        double width = series->x[bin + 1] - series->x[bin];
        put_edge(&at->figure->x, series->x[bin], width, out);
        pl_buf_puts(out, " \u2026 ");
        put_edge(&at->figure->x, series->x[bin + 1], width, out);
    }
}

const pl_kind pl_kind_histogram = {
    .name = "histogram",
    .title = "Histogram",
    .summary =
        "How many weights or inputs have which size, on a log scale: the tails are outliers; "
        "form=levels: weights in units of their scale on the rounder's grid",
    .forms = "weights|levels",
    .methods_form = "levels",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_WHICH | PL_USES_PINS | PL_USES_METHODS,
    .make = make_histogram,
    .look = {.help = "How many weights or inputs have which size: far tails are outliers. f: in "
                     "units of their scale, with the rounder's levels.",
             .place = place_in_histogram,
             .say = say_histogram},
};
