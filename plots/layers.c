/* The model at a glance: channel maxima over its depth. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/overview.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORM_CURVES, FORM_STRIP };

/* --- curves ----------------------------------------------------------------------------------- */

/* series 0, 1, 2: the largest channels; 3: their median. */
static double pick(const pl_layer_summary *summary, size_t series)
{
    return series < PL_SUMMARY_TOP ? summary->top[series] : summary->spread[PL_SPREAD_NUMBERS / 2];
}

static pl_status add_curves(const pl_overview_row *row, pl_figure *out, pl_error *err)
{
    static const char *const labels[] = {"largest", "2nd", "3rd", "median"};
    pl_status status = PL_OK;
    for (size_t s = 0; status == PL_OK && s < sizeof labels / sizeof labels[0]; s++) {
        pl_series *series = NULL;
        status = pl_figure_add(out, labels[s], PL_MARK_LINE, (pl_tone)(PL_TONE_EXTRA + s),
                               row->known, &series, err);
        size_t at = 0;
        for (size_t b = 0; status == PL_OK && b < row->blocks; b++) {
            if (row->summaries[b].known) {
                series->x[at] = (double)b;
                series->y[at++] = pick(&row->summaries[b], s);
            }
        }
    }
    return status;
}

/* The blocks that stand out, with the channel that does it. */
static void add_notes(const pl_overview_row *row, pl_figure *out)
{
    size_t best = SIZE_MAX;
    for (size_t b = 0; b < row->blocks; b++) {
        const pl_layer_summary *s = &row->summaries[b];
        if (s->known &&
            (best == SIZE_MAX || pl_summary_ratio(s) > pl_summary_ratio(&row->summaries[best]))) {
            best = b;
        }
    }
    if (best != SIZE_MAX) {
        pl_note *note = &out->notes[out->n_notes++];
        note->x = (double)best;
        note->y = row->summaries[best].top[0];
        snprintf(note->text, sizeof note->text, "channel %zu", row->summaries[best].channels[0]);
    }
}

static pl_status make_curves(pl_context cx, const pl_request *request, pl_figure *out,
                             pl_error *err)
{
    pl_overview_row row = {0};
    pl_status status = pl_overview_read(cx, request->layer, request->side, 0, 1, &row, err);
    PL_THEN(pl_overview_texts(cx.state, &row, request->side, out, err));
    PL_THEN(add_curves(&row, out, err));
    if (status == PL_OK) {
        add_notes(&row, out);
        pl_overview_facts(&row, out);
        pl_fit_positions(&out->x, 0, row.blocks);
        pl_fit_y(out, request->log, 0);
        status = pl_overview_mark(cx.state, request->layer, out, err);
    }
    pl_overview_row_deinit(&row);
    return status;
}

/* --- strip ------------------------------------------------------------------------------------ */

/* A row of the strip: a layer of each role; of inputs, of each site. */
typedef struct strip {
    size_t n, blocks;
    size_t layers[PL_ROLE_COUNT]; /* one layer of that row, any block */
    double worst;
    size_t worst_block, worst_row;
    size_t not_read;
} strip;

static const char *const site_names[PL_SITE_ROLE_COUNT] = {"q/k/v", "o", "gate/up", "down"};

/* A latent site has one layer, whose name it has. */
static bool by_layer(const pl_model *model, pl_side side, const pl_layer *info)
{
    return side != PL_SIDE_INPUT || pl_model_site(model, info->site)->role == PL_SITE_LATENT;
}

static void find_rows(const pl_model *model, pl_side side, strip *out)
{
    bool seen[PL_ROLE_COUNT] = {false};
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const pl_layer *info = pl_model_layer(model, i);
        size_t key = by_layer(model, side, info) ? (size_t)info->role
                                                 : (size_t)pl_model_site(model, info->site)->role;
        if (!seen[key]) {
            seen[key] = true;
            out->layers[out->n++] = i;
        }
    }
}

static const char *row_name(const pl_model *model, pl_side side, size_t layer)
{
    const pl_layer *info = pl_model_layer(model, layer);
    if (info->brief != NULL) {
        return "matrices";
    }
    return by_layer(model, side, info) ? pl_overview_layer_name(info)
                                       : site_names[pl_model_site(model, info->site)->role];
}

/* Rows from the top: the first layer of a block is the uppermost, as in the layer list. */
static void put_strip_row(strip *s, const pl_overview_row *row, size_t index, pl_heat *heat)
{
    float *values = heat->values + (s->n - 1 - index) * s->blocks;
    for (size_t b = 0; b < row->blocks; b++) {
        if (!row->summaries[b].known) {
            s->not_read++;
            continue;
        }
        double ratio = pl_summary_ratio(&row->summaries[b]);
        /* A median of 0 has no ratio: the strongest colour there is. */
        values[b] = ratio < (double)FLT_MAX ? (float)ratio : FLT_MAX;
        if (ratio > s->worst) {
            s->worst = ratio;
            s->worst_block = b;
            s->worst_row = index;
        }
    }
}

static pl_status fill_strip(pl_context cx, pl_side side, strip *s, pl_figure *out, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < s->n; i++) {
        pl_overview_row row = {0};
        status = pl_overview_read(cx, s->layers[i], side, i, s->n, &row, err);
        if (status == PL_ERR_UNSUPPORTED) {
            s->not_read += s->blocks;
            status = PL_OK;
        } else if (status == PL_OK) {
            put_strip_row(s, &row, i, out->heat);
        }
        PL_THEN(
            pl_figure_text(&out->y.names[s->n - 1 - i], row_name(model, side, s->layers[i]), err));
        pl_overview_row_deinit(&row);
    }
    return status;
}

/* From the least to the largest finite ratio. */
static void set_ratio_colours(pl_heat *heat)
{
    double lo = (double)INFINITY;
    double hi = 0;
    for (size_t i = 0; i < heat->rows * heat->cols; i++) {
        double value = (double)heat->values[i];
        if (value < (double)FLT_MAX) {
            lo = fmin(lo, value);
            hi = fmax(hi, value);
        }
    }
    heat->log = true;
    heat->lo = lo < hi ? lo : 1;
    heat->hi = lo < hi ? hi : fmax(hi, 1) * 1.1;
}

static pl_status strip_texts(const pl_state *state, const strip *s, pl_side side, pl_figure *out,
                             pl_error *err)
{
    pl_buf title = {0};
    pl_buf_printf(&title, "outlier ratio of the %s", side == PL_SIDE_INPUT ? "inputs" : "weights");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_texts(out, title.data, pl_overview_unit(state->source->model), "layer", err));
    PL_THEN(pl_figure_names(&out->y, s->n, err));
    pl_buf_deinit(&title);
    return status;
}

static pl_status make_strip(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    strip s = {.blocks = pl_overview_blocks(model)};
    find_rows(model, request->side, &s);
    pl_status status = strip_texts(cx.state, &s, request->side, out, err);
    PL_THEN(pl_figure_heat(out, s.n, s.blocks, "largest / median channel", err));
    PL_THEN(fill_strip(cx, request->side, &s, out, err));
    if (status == PL_OK && s.not_read == s.n * s.blocks) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "layers: no weights are in a dtype that Planish reads");
    }
    if (status == PL_OK) {
        set_ratio_colours(out->heat);
        out->x = (pl_axis){.label = out->x.label, .whole = true};
        out->x.lo = -0.5;
        out->x.hi = (double)s.blocks - 0.5;
        out->y.whole = true;
        out->y.lo = -0.5;
        out->y.hi = (double)s.n - 0.5;
        pl_figure_fact(out, "worst", "%.4g: block %zu, %s", s.worst, s.worst_block,
                       row_name(model, request->side, s.layers[s.worst_row]));
        if (s.not_read > 0) {
            pl_figure_fact(out, "not_read", "%zu of %zu layers", s.not_read, s.n * s.blocks);
        }
    }
    return status;
}

static pl_status make_layers(pl_context cx, const pl_request *request, pl_figure *out,
                             pl_error *err)
{
    return request->form == FORM_STRIP ? make_strip(cx, request, out, err)
                                       : make_curves(cx, request, out, err);
}

/* --- on the screen ---------------------------------------------------------------------------- */

/* The layer that a place stands for: of the row's kind in a strip, else of the selected one's kind,
 * in the block at x; NULL if there is none. */
static const pl_layer *layer_at_block(const pl_looked *at, double block, size_t row)
{
    const pl_model *m = at->state->source->model;
    const char *part = pl_overview_layer_name(pl_model_layer(m, at->state->layer));
    const char *name = pl_axis_name(&at->figure->y, row);
    if (at->figure->heat != NULL && name != NULL) {
        part = name;
    }
    for (size_t i = 0; i < pl_model_layer_count(m); i++) {
        const pl_layer *layer = pl_model_layer(m, i);
        if (fabs((double)layer->block - block) < 0.5 &&
            strcmp(pl_text_last_part(layer->name), pl_text_last_part(part)) == 0 &&
            (!layer->needs_part || strcmp(pl_overview_layer_name(layer), part) == 0)) {
            return layer;
        }
    }
    return NULL;
}

static void say_layers(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    const pl_layer *layer = layer_at_block(at, x, row);
    char name[80] = "";
    if (layer != NULL) {
        pl_layer_short(layer, false, name, sizeof name);
    }
    pl_buf_puts(out, name);
}

static void enter_in_layers(const pl_looked *at, double x, size_t row, pl_buf *command,
                            bool *solves)
{
    (void)solves;
    const pl_layer *layer = layer_at_block(at, x, row);
    if (layer != NULL) {
        pl_buf_printf(command, "select %s", layer->name);
    }
}

const pl_kind pl_kind_layers = {
    .name = "layers",
    .title = "Layers",
    .summary = "The largest channels beside the median one in every block: where a model's "
               "outliers live",
    .forms = "curves|strip",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_SCALE,
    .slow = true,
    .make = make_layers,
    .look = {.help = "The largest channels beside the median one in every block: where a model's "
                     "outliers live.",
             .whole = true,
             .place = pl_look_block,
             .say = say_layers,
             .enter = enter_in_layers},
};
