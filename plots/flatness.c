/* The flatness of a layer's channels under several transforms: the figure of FlatQuant's paper,
 * with the channels' identity kept. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"

#include "core/study/flatness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_SORTED, FORM_INDEX, FORM_TABLE };

/* Position -> channel: by falling norm, or as they are. */
static size_t *order_of(const pl_flatness *f, const pl_flatness_curve *curve, bool sorted)
{
    size_t *order = calloc(f->n, sizeof *order);
    for (size_t i = 0; order != NULL && i < f->n; i++) {
        order[i] = i;
    }
    if (order != NULL && sorted) {
        pl_top_channels(curve->norms, f->n, f->n, order);
    }
    return order;
}

/* The marked channel on a curve that knows it: its number at its point. */
static void mark_flat_channel(const pl_series *series, size_t channel, pl_figure *out)
{
    for (size_t i = 0; i < series->count && out->n_notes < PL_FIGURE_NOTES; i++) {
        if (series->at[i] >= (double)channel && series->at[i] <= (double)channel) {
            pl_note *note = &out->notes[out->n_notes++];
            *note = (pl_note){.x = series->x[i], .y = series->y[i]};
            snprintf(note->text, sizeof note->text, "%zu", channel);
        }
    }
}

static pl_status add_flatness_curve(const pl_flatness *f, size_t index, const pl_request *request,
                                    pl_figure *out, pl_error *err)
{
    const pl_flatness_curve *curve = &f->curves[index];
    const bool sorted = request->form == FORM_SORTED;
    const pl_tone tone = index == 0 ? PL_TONE_BEFORE : (pl_tone)(PL_TONE_EXTRA + index - 1);
    pl_buf label = {0};
    pl_series *series = NULL;
    if (request->paper) {
        pl_kind_in_full(index == 0 ? "no transform" : curve->label, &label);
    } else {
        pl_buf_puts(&label, curve->label);
    }
    pl_buf_printf(&label, ": %.3g", curve->numbers.flatness);
    pl_status status = pl_buf_check(&label, err);
    PL_THEN(pl_figure_add(out, label.data, PL_MARK_LINE, tone, f->n, &series, err));
    size_t *order = order_of(f, curve, sorted);
    if (status == PL_OK) {
        series->at = malloc(f->n * sizeof *series->at);
        status = order != NULL && series->at != NULL ? PL_OK
                                                     : pl_error_memory(err, "%zu channels", f->n);
    }
    for (size_t i = 0; status == PL_OK && i < f->n; i++) {
        series->x[i] = (double)(i + (sorted ? 1 : 0));
        series->y[i] = (double)curve->norms[order[i]];
        series->at[i] = (double)order[i];
    }
    if (status == PL_OK && curve->keeps_channels && request->channel < f->n) {
        mark_flat_channel(series, request->channel, out);
    }
    free(order);
    pl_buf_deinit(&label);
    return status;
}

static pl_status make_curves(const pl_flatness *f, const pl_request *request, pl_figure *out,
                             pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < f->count; i++) {
        /* By index a rotation's channels are new ones: beside the old ones they mean nothing. */
        if (request->form == FORM_SORTED || f->curves[i].keeps_channels) {
            status = add_flatness_curve(f, i, request, out, err);
        }
    }
    if (status == PL_OK) {
        pl_fit_positions(&out->x, request->form == FORM_SORTED ? 1 : 0, f->n);
        pl_fit_y(out, request->log || (request->free_scale && pl_fit_wants_log(out)), 1);
        status = pl_figure_rule(out, 1, false, "flat", err);
    }
    return status;
}

/* --- table ------------------------------------------------------------------------------------ */

static pl_status make_table(const pl_flatness *f, bool paper, pl_figure *out, pl_error *err)
{
    static const char *const heads[] = {"transform",   "flatness", "max/mean",    "max/median",
                                        "incoherence", "kurtosis", "top 8 energy"};
    enum { COLS = sizeof heads / sizeof *heads };
    pl_status status = pl_figure_table(out, f->count, COLS, err);
    for (size_t c = 0; status == PL_OK && c < COLS; c++) {
        status = pl_table_head(out->table, c, heads[c], err);
    }
    for (size_t r = 0; status == PL_OK && r < f->count; r++) {
        const pl_flatness_curve *curve = &f->curves[r];
        const double numbers[COLS - 1] = {
            curve->numbers.flatness,    curve->numbers.flatness_max, curve->ratio,
            curve->numbers.incoherence, curve->numbers.kurtosis,     curve->top_energy};
        pl_buf label = {0};
        pl_kind_in_full(curve->label, &label);
        status = pl_buf_check(&label, err);
        PL_THEN(pl_table_text(out->table, r, 0, paper ? label.data : curve->label, err));
        pl_buf_deinit(&label);
        for (size_t c = 1; status == PL_OK && c < COLS; c++) {
            status = pl_table_number(out->table, r, c, "%#.4g", numbers[c - 1], "-", err);
        }
    }
    return status;
}

/* --- the kind --------------------------------------------------------------------------------- */

static pl_status set_flatness_texts(const pl_state *state, const pl_request *request,
                                    pl_figure *out, pl_error *err)
{
    pl_buf title = {0};
    const bool input = request->side == PL_SIDE_INPUT;
    pl_kind_layer_title(state, request->layer, &title);
    pl_buf_puts(&title, input ? ", inputs" : ", weights");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(
        out, title.data,
        request->form == FORM_SORTED ? "rank of the channel, by falling norm" : "input channel",
        input ? "channel norm of X T / mean" : "channel norm of W T\u207b\u1d40 / mean", err));
    pl_buf_deinit(&title);
    return status;
}

/* "flatness_smoothquant" of "smoothquant alpha=0.5", "flatness_hadamard_astro" of "hadamard >
 * astro". */
static void put_fact_name(const char *label, pl_buf *out)
{
    pl_buf_puts(out, "flatness");
    for (const char *word = label; word != NULL;) {
        pl_buf_printf(out, "_%.*s", (int)strcspn(word, " "), word);
        word = strstr(word, " > ");
        word = word != NULL ? word + 3 : NULL;
    }
}

static pl_status make_flatness(pl_context cx, const pl_request *request, pl_figure *out,
                               pl_error *err)
{
    pl_id calibration = {0};
    pl_flatness f = {0};
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    PL_THEN(pl_flatness_load(cx, calibration, request->layer, request->side, &f, err));
    PL_THEN(set_flatness_texts(cx.state, request, out, err));
    PL_THEN(request->form == FORM_TABLE ? make_table(&f, request->paper, out, err)
                                        : make_curves(&f, request, out, err));
    for (size_t i = 0; status == PL_OK && i < f.count; i++) {
        pl_buf name = {0};
        put_fact_name(f.curves[i].label, &name);
        pl_figure_fact(out, name.data != NULL ? name.data : "flatness", "%.4g",
                       f.curves[i].numbers.flatness);
        pl_buf_deinit(&name);
    }
    if (status == PL_OK && request->side == PL_SIDE_INPUT) {
        pl_figure_fact(out, "rows", "%zu", f.rows);
    }
    pl_flatness_deinit(&f);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* Rank of the marked channel on the curve without a transform; by index it is its own place. */
static double place_in_flatness(const pl_looked *at)
{
    const pl_series *plain = at->figure->n_series > 0 ? &at->figure->series[0] : NULL;
    const double channel = (double)at->state->channel;
    for (size_t i = 0; plain != NULL && plain->at != NULL && i < plain->count; i++) {
        if (plain->at[i] >= channel && plain->at[i] <= channel) {
            return plain->x[i];
        }
    }
    return (double)NAN;
}

static size_t channel_in_flatness(const pl_looked *at, double x)
{
    size_t point = 0;
    const pl_series *plain = at->figure->n_series > 0 ? &at->figure->series[0] : NULL;
    return plain != NULL && plain->at != NULL && pl_series_at(plain, &at->figure->x, x, &point)
               ? (size_t)plain->at[point]
               : SIZE_MAX;
}

/* "rank 12: channel 131". */
static void say_flatness(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    (void)row;
    const size_t channel = channel_in_flatness(at, x);
    const pl_series *plain = at->figure->n_series > 0 ? &at->figure->series[0] : NULL;
    if (plain != NULL && plain->count > 0 && plain->x[0] > 0.5) {
        pl_buf_printf(out, "rank %.0f", x);
        if (channel != SIZE_MAX) {
            pl_buf_puts(out, ", without a transform ");
        }
    }
    if (channel != SIZE_MAX) {
        pl_buf_printf(out, "channel %zu", channel);
    }
}

const pl_kind pl_kind_flatness = {
    .name = "flatness",
    .title = "Flatness",
    .summary = "Norms of the channels without a transform, under SmoothQuant, Hadamard and the "
               "layer's own, and of the weights that a solved layer's rounder was handed: the "
               "flatter, the less a quantizer's range is wasted",
    .forms = "sorted|index|table",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_SCALE | PL_USES_CHANNEL | PL_NEEDS_INPUTS |
            PL_USES_METHODS | PL_USES_LEARNING | PL_USES_SOLVED,
    .make = make_flatness,
    .look = {.help = "Channel norms over their mean, without a transform and under several: the "
                     "number in the legend is the mean distance from 1, so 0 is flat. A "
                     "rotation's channels are new ones: they carry no mark.",
             .snaps = true,
             .place = place_in_flatness,
             .channel = channel_in_flatness,
             .say = say_flatness},
};
