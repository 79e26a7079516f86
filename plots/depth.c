/* What preconditioners gain over the quantizer alone, over all layers in their order. */
#include "plots/build.h"
#include "plots/fit.h"
#include "plots/kinds.h"
#include "plots/overview.h"
#include "plots/provenance.h"

#include "core/study/depth.h"

#include <math.h>
#include <string.h>

/* Layers of the block that a layer is in, and its place among them. */
static void place_in_block(const pl_model *model, size_t layer, size_t *place, size_t *count)
{
    *place = *count = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        if (pl_model_layer(model, i)->block == pl_model_layer(model, layer)->block) {
            *place += i < layer;
            (*count)++;
        }
    }
}

static double ratio_of(const pl_depth *d, size_t setting, size_t layer)
{
    return d->settings[setting].error[layer] / d->settings[0].error[layer];
}

static bool compares(const pl_depth *d, size_t setting, size_t layer)
{
    return isfinite(ratio_of(d, setting, layer));
}

/* "astro beta=0.0003", on paper "Astro β = 3e-4". */
static void put_telling_setting(const pl_spec *spec, bool paper, pl_buf *out)
{
    const size_t telling = pl_spec_telling(spec);
    pl_buf chain = {0};
    pl_buf_puts(&chain, spec->method->name);
    if (telling != SIZE_MAX) {
        pl_buf_printf(&chain, " %s=", spec->method->params[telling].name);
        pl_spec_format_value(spec, telling, &chain);
    }
    if (paper && chain.data != NULL) {
        pl_kind_in_full(chain.data, out);
    } else {
        pl_buf_puts(out, chain.data != NULL ? chain.data : "");
    }
    out->failed = out->failed || chain.failed;
    pl_buf_deinit(&chain);
}

/* A point a layer: block b's stand from b on, in their order. */
static pl_status add_setting(const pl_state *state, const pl_depth *d, size_t setting, bool paper,
                             pl_figure *out, pl_error *err)
{
    const pl_model *model = state->source->model;
    size_t known = 0, at = 0, better = 0;
    double logs = 0;
    pl_buf label = {0};
    pl_series *series = NULL;
    for (size_t i = 0; i < d->layers; i++) {
        known += compares(d, setting, i);
    }
    if (known == 0) {
        return PL_OK;
    }
    put_telling_setting(&d->settings[setting].precondition, paper, &label);
    pl_status status = pl_buf_check(&label, err);
    PL_THEN(pl_figure_add(out, label.data, PL_MARK_LINE,
                          (pl_tone)(PL_TONE_EXTRA + out->n_series % 8), known, &series, err));
    if (status == PL_OK && (series->at = calloc(known, sizeof *series->at)) == NULL) {
        status = pl_error_memory(err, "%zu points", known);
    }
    for (size_t i = 0; status == PL_OK && i < d->layers; i++) {
        if (compares(d, setting, i)) {
            size_t place = 0, count = 0;
            place_in_block(model, i, &place, &count);
            series->x[at] = (double)pl_model_layer(model, i)->block + (double)place / (double)count;
            series->at[at] = (double)i;
            series->y[at++] = ratio_of(d, setting, i);
            logs += log(ratio_of(d, setting, i));
            better += ratio_of(d, setting, i) < 1.0;
        }
    }
    if (status == PL_OK) {
        const char *name = d->settings[setting].precondition.method->name;
        pl_figure_fact(out, name, "\u00d7 %.3g on average, better in %zu of %zu",
                       exp(logs / (double)known), better, known);
        if (known < d->layers) {
            pl_figure_fact(out, "not_solved", "%zu of %zu layers with %s", d->layers - known,
                           d->layers, name);
        }
    }
    pl_buf_deinit(&label);
    return status;
}

/* Which commands make what there is nothing of. */
static pl_status say_missing(const pl_state *state, const pl_depth *d, pl_error *err)
{
    pl_buf lines = {0}, text = {0};
    for (size_t i = 0; i < d->count && i < 2; i++) {
        if (d->settings[i].solved < d->layers) {
            pl_depth_commands(state, d, i, true, &lines);
        }
    }
    pl_provenance_line(lines.data != NULL ? lines.data : "", &text);
    pl_status status = pl_error_set(
        err, PL_ERR_STATE,
        "depth: no layer is solved both with %s alone and behind a preconditioner on the original "
        "model's inputs: `%s`",
        state->slots[PL_SLOT_ROUND].method->name, text.data != NULL ? text.data : "");
    pl_buf_deinit(&lines);
    pl_buf_deinit(&text);
    return status;
}

static pl_status make_depth(pl_context cx, const pl_request *request, pl_figure *out, pl_error *err)
{
    const pl_spec *round = &cx.state->slots[PL_SLOT_ROUND];
    const char *alone = "";
    pl_depth d = {0};
    pl_buf title = {0}, label = {0};
    pl_status status = pl_depth_load(cx, &d, err);
    if (status == PL_OK) {
        alone = request->paper && round->method->title != NULL ? round->method->title
                                                               : round->method->name;
        pl_overview_put_model(cx.state->source->model, &title);
        pl_buf_puts(&title, ", rounded error over all layers");
        pl_buf_printf(&label, "rounded error / that of %s alone, %g bits", alone,
                      round->values[PL_GRID_BITS]);
        status = pl_buf_check(&title, err);
    }
    PL_THEN(pl_buf_check(&label, err));
    PL_THEN(pl_figure_texts(out, title.data, pl_overview_unit(cx.state->source->model), label.data,
                            err));
    for (size_t i = 1; status == PL_OK && i < d.count; i++) {
        status = add_setting(cx.state, &d, i, request->paper, out, err);
    }
    if (status == PL_OK && out->n_series == 0) {
        status = say_missing(cx.state, &d, err);
    }
    if (status == PL_OK) {
        pl_buf rule = {0};
        pl_buf_printf(&rule, "%s alone", alone);
        pl_fit_positions(&out->x, 0, pl_overview_blocks(cx.state->source->model) + 1);
        pl_fit_y(out, true, 1);
        out->y.hi = fmax(out->y.hi, 1.8); /* the rule's label stands above it */
        status = pl_buf_check(&rule, err);
        PL_THEN(pl_figure_rule(out, 1, false, rule.data, err));
        pl_buf_deinit(&rule);
    }
    pl_depth_deinit(&d);
    pl_buf_deinit(&title);
    pl_buf_deinit(&label);
    return status;
}

/* The solves of every setting that is drawn, and then the slot as it is. */
static void put_depth_commands(pl_context cx, const pl_request *request, pl_buf *out)
{
    const pl_spec *own = &cx.state->slots[PL_SLOT_PRECONDITION];
    pl_depth d = {0};
    (void)request;
    if (pl_depth_load(cx, &d, NULL) != PL_OK) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < d.count; i++) {
        if (d.settings[i].solved > 0) {
            pl_depth_commands(cx.state, &d, i, false, out);
        }
    }
    pl_buf_puts(out, "method ");
    if (own->method != NULL) {
        pl_spec_format(own, out);
    } else {
        pl_buf_puts(out, "none slot=precondition");
    }
    pl_buf_puts(out, "\n");
    pl_depth_deinit(&d);
}

/* --- on the screen ---------------------------------------------------------------------------- */

static const pl_layer *layer_at_depth(const pl_looked *at, double x)
{
    size_t point = 0;
    const pl_series *series = at->figure->n_series > 0 ? &at->figure->series[0] : NULL;
    return series != NULL && series->at != NULL && pl_series_at(series, &at->figure->x, x, &point)
               ? pl_model_layer(at->state->source->model, (size_t)series->at[point])
               : NULL;
}

static double place_in_depth(const pl_looked *at)
{
    size_t place = 0, count = 0;
    if (at->state->source == NULL) {
        return (double)NAN;
    }
    const pl_model *model = at->state->source->model;
    place_in_block(model, at->state->layer, &place, &count);
    return (double)pl_model_layer(model, at->state->layer)->block + (double)place / (double)count;
}

static void say_depth(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    const pl_layer *layer = layer_at_depth(at, x);
    char name[80] = "";
    (void)row;
    if (layer != NULL) {
        pl_layer_short(layer, false, name, sizeof name);
    }
    pl_buf_puts(out, name);
}

static void enter_depth(const pl_looked *at, double x, size_t row, pl_buf *command, bool *solves)
{
    const pl_layer *layer = layer_at_depth(at, x);
    (void)row;
    (void)solves;
    if (layer != NULL) {
        pl_buf_printf(command, "select %s", layer->name);
    }
}

const pl_kind pl_kind_depth = {
    .name = "depth",
    .title = "Depth",
    .summary = "The rounded error of every layer behind each preconditioner over that of the "
               "quantizer alone, of what has been solved on the original model's inputs (`solve "
               "LAYER`, `solve all sequential=no`): below 1 it helps",
    .uses = PL_USES_SOLVED | PL_USES_METHODS | PL_NEEDS_INPUTS,
    .commands = put_depth_commands,
    .make = make_depth,
    .look = {.help = "The rounded error of every layer behind each preconditioner over that of the "
                     "quantizer alone: below 1 it helps; Enter goes to the layer.",
             .whole = true,
             .snaps = true,
             .place = place_in_depth,
             .say = say_depth,
             .enter = enter_depth},
};
