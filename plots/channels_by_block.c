/* The channels of the residual stream over the depth: block by block, where the outliers live. */
#include "plots/build.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/base/number.h"
#include "core/study/channels_by_block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_RATIO, FORM_ABSOLUTE };

#define DECADES 1e-3 /* colours reach so far below the largest value */

/* Colours from the 2nd percentile to the largest: the bulk is dark, an outlier bright. */
static pl_status set_block_colours(pl_heat *heat, pl_error *err)
{
    const size_t count = heat->rows * heat->cols;
    float *sorted = calloc(count + 1, sizeof *sorted);
    size_t known = 0;
    if (sorted == NULL) {
        return pl_error_memory(err, "a figure");
    }
    for (size_t i = 0; i < count; i++) {
        if (!isnan(heat->values[i])) {
            sorted[known++] = heat->values[i];
        }
    }
    qsort(sorted, known, sizeof *sorted, pl_floats_rising);
    const double largest = (double)sorted[known - 1];
    heat->log = true;
    heat->hi = largest > 0.0 ? largest : 1.0;
    heat->lo = fmax(DECADES * heat->hi, fmin((double)sorted[known / 50], 0.5 * heat->hi));
    free(sorted);
    return PL_OK;
}

/* Block 0 on top, as in the layer list. */
static pl_status fill_heat(const pl_channels_by_block *t, const float *values, const char *label,
                           pl_figure *out, pl_error *err)
{
    pl_status status = pl_figure_heat(out, t->blocks, t->n, label, err);
    PL_THEN(pl_figure_names(&out->y, t->blocks, err));
    out->y.downward = true;
    for (size_t b = 0; status == PL_OK && b < t->blocks; b++) {
        char name[24];
        const size_t row = t->blocks - 1 - b;
        snprintf(name, sizeof name, "%zu", b);
        memcpy(out->heat->values + row * t->n, values + b * t->n, t->n * sizeof *values);
        status = pl_figure_text(&out->y.names[row], name, err);
    }
    if (status != PL_OK) {
        return status;
    }
    out->x.lo = out->y.lo = -0.5;
    out->x.hi = (double)t->n - 0.5;
    out->y.hi = (double)t->blocks - 0.5;
    out->x.whole = true;
    return set_block_colours(out->heat, err);
}

/* A note at the block in which a channel is largest. */
static void add_note(const pl_channels_by_block *t, size_t channel, pl_figure *out)
{
    size_t best = 0;
    for (size_t b = 1; b < t->blocks; b++) {
        const float ratio = t->ratio[b * t->n + channel], most = t->ratio[best * t->n + channel];
        best = ratio > most || isnan(most) ? b : best;
    }
    pl_note *note = &out->notes[out->n_notes++];
    *note = (pl_note){.x = (double)channel, .y = (double)(t->blocks - 1 - best)};
    snprintf(note->text, sizeof note->text, "%zu", channel);
}

static void add_outlier_facts(const pl_channels_by_block *t, const size_t *many, size_t count,
                              pl_figure *out)
{
    for (size_t i = 0; i < count && i < PL_FIGURE_NOTES; i++) {
        char name[32];
        snprintf(name, sizeof name, "channel_%zu", many[i]);
        pl_figure_fact(out, name, "outlier in %zu of %zu blocks", t->outlier_in[many[i]], t->known);
    }
    pl_figure_fact(out, "outliers_in_many", "%zu of %zu channels", count, t->n);
    size_t best = 0;
    for (size_t i = 1; i < t->blocks * t->n; i++) {
        best = t->ratio[i] > t->ratio[best] || isnan(t->ratio[best]) ? i : best;
    }
    pl_figure_fact(out, "worst", "%.4g \u00d7 median: block %zu, channel %zu",
                   (double)t->ratio[best], best / t->n, best % t->n);
}

static pl_status make_channels_by_block(pl_context cx, const pl_request *request, pl_figure *out,
                                        pl_error *err)
{
    const bool ratio = request->form == FORM_RATIO;
    size_t many[PL_FIGURE_NOTES] = {0}, count = 0;
    pl_id calibration = {0};
    pl_channels_by_block t = {0};
    pl_buf title = {0};
    pl_overview_put_model(cx.state->source->model, &title);
    pl_buf_puts(&title, ", channels of the residual stream");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_channels_by_block_load(cx, calibration, &t, err));
    PL_THEN(pl_figure_texts(out, title.data, "channel", "block", err));
    PL_THEN(fill_heat(&t, ratio ? t.ratio : t.max,
                      ratio ? "max |x| / median over channels" : "max |x|", out, err));
    if (status == PL_OK) {
        count = pl_channels_in_many(&t, PL_FIGURE_NOTES, many);
        for (size_t i = 0; i < count && i < PL_FIGURE_NOTES; i++) {
            add_note(&t, many[i], out);
        }
        add_outlier_facts(&t, many, count, out);
    }
    if (status == PL_OK && request->channel < t.n &&
        pl_reads_residual(cx.state->source->model, request->layer)) {
        char label[32];
        snprintf(label, sizeof label, "channel %zu", request->channel);
        status = pl_figure_rule(out, (double)request->channel, true, label, err);
    }
    pl_channels_by_block_deinit(&t);
    pl_buf_deinit(&title);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* Another input's channel of that number is another one. */
static bool shares_channels(const pl_state *state)
{
    return state->source != NULL && pl_reads_residual(state->source->model, state->layer);
}

static double place_in_blocks(const pl_looked *at)
{
    const double channel = (double)at->state->channel;
    return shares_channels(at->state) && channel <= at->figure->x.hi ? channel : (double)NAN;
}

static size_t channel_in_blocks(const pl_looked *at, double x)
{
    return shares_channels(at->state) && x > -0.5 ? (size_t)(x + 0.5) : SIZE_MAX;
}

static void say_block(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    pl_buf_printf(out, "block %zu, channel %.0f", at->figure->y.n_names - 1 - row, x);
}

const pl_kind pl_kind_channels_by_block = {
    .name = "channels_by_block",
    .title = "Channels by block",
    .summary = "The channels of the residual stream in every block, as the layers behind its norms "
               "see them: over each input's median channel, or as they are; those that are "
               "outliers in a quarter of the blocks, and in two at least, are named",
    .forms = "ratio|absolute",
    .uses = PL_USES_CHANNEL | PL_NEEDS_INPUTS,
    .unit = "layers",
    .make = make_channels_by_block,
    .look = {.help = "The channels of the residual stream in every block: a column that stays "
                     "bright is an outlier that the blocks share.",
             .follows = true,
             .whole = true,
             .place = place_in_blocks,
             .channel = channel_in_blocks,
             .say = say_block},
};
