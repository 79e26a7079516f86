/* The error landscape: what quantization loses, over layers and tokens. */
#include "plots/build.h"
#include "plots/kinds.h"
#include "plots/overview.h"

#include "core/study/landscape.h"

#include <math.h>
#include <string.h>

enum { FORM_ROLE, FORM_ALL };

#define DECADES 1e-4 /* colours reach so far below the largest value */

static pl_status add_names(const pl_state *state, const pl_landscape *land, pl_figure *out,
                           pl_error *err)
{
    pl_status status = pl_figure_names(&out->y, land->n, err);
    out->y.downward = true;
    for (size_t i = 0; status == PL_OK && i < land->n; i++) {
        const pl_layer *info = pl_model_layer(state->source->model, land->layers[i]);
        char name[128];
        pl_layer_short(info, false, name, sizeof name);
        /* From the top, as in the layer list. */
        status = pl_figure_text(&out->y.names[land->n - 1 - i], name, err);
    }
    return status;
}

static pl_status add_heat(const pl_landscape *land, pl_figure *out, pl_error *err)
{
    pl_status status = pl_figure_heat(out, land->n, land->cols, "token's error / mean energy", err);
    if (status != PL_OK) {
        return status;
    }
    double lo = (double)INFINITY, hi = 0.0;
    if (land->step > 1.0 && (status = pl_figure_heat_several(out, err)) != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < land->n; i++) {
        if (out->heat->at != NULL) {
            memcpy(out->heat->at + (land->n - 1 - i) * land->cols, land->tokens + i * land->cols,
                   land->cols * sizeof *land->tokens);
        }
        memcpy(out->heat->values + (land->n - 1 - i) * land->cols, land->values + i * land->cols,
               land->cols * sizeof *land->values);
    }
    for (size_t i = 0; i < land->n * land->cols; i++) {
        const double value = (double)land->values[i];
        lo = value > 0.0 ? fmin(lo, value) : lo;
        hi = value > 0.0 ? fmax(hi, value) : hi;
    }
    out->heat->step = land->step;
    out->heat->log = true;
    out->heat->hi = hi > 0.0 ? hi : 1.0;
    out->heat->lo = fmin(fmax(lo, DECADES * out->heat->hi), 0.5 * out->heat->hi);
    out->x.lo = -0.5;
    out->x.hi = (double)land->cols * land->step - 0.5;
    out->x.whole = true;
    out->y.lo = -0.5;
    out->y.hi = (double)land->n - 0.5;
    return PL_OK;
}

static void add_landscape_facts(const pl_state *state, const pl_landscape *land, pl_figure *out)
{
    double worst = -1.0;
    size_t layer = 0, token = 0;
    for (size_t i = 0; i < land->n * land->cols; i++) {
        if ((double)land->values[i] > worst) {
            worst = (double)land->values[i];
            layer = land->layers[i / land->cols];
            token = land->tokens[i];
        }
    }
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_figure_fact(out, "worst", "%.3g: %zu.%s @%zu", worst, info->block,
                   pl_overview_layer_name(info), token);
    if (land->solved < land->n) {
        pl_figure_fact(out, "not_solved", "%zu of %zu layers", land->n - land->solved, land->n);
    }
    pl_figure_fact(out, "tokens_per_column", "%.0f", land->step);
}

/* What the cells without a value are, for the x axis on paper: of layers that are not solved, or of
 * columns in which no token is stored. */
static const char *gap_words(const pl_landscape *land)
{
    size_t empty = 0, rows = 0;
    for (size_t i = 0; i < land->n; i++) {
        size_t gaps = 0;
        for (size_t c = 0; c < land->cols; c++) {
            gaps += isnan(land->values[i * land->cols + c]) ? 1 : 0;
        }
        rows += gaps == land->cols ? 1 : 0;
        empty += gaps < land->cols ? gaps : 0;
    }
    return rows > 0 && empty > 0
               ? "token of the calibration text (hatched: layer not solved, or no "
                 "stored token)"
           : rows > 0  ? "token of the calibration text (hatched: layer not solved)"
           : empty > 0 ? "token of the calibration text (white: no stored token)"
                       : "token of the calibration text";
}

static pl_status make_landscape(pl_context cx, const pl_request *request, pl_figure *out,
                                pl_error *err)
{
    pl_landscape land = {0};
    pl_id calibration = {0};
    pl_buf title = {0};
    pl_buf_puts(&title, "error of the layers' output");
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(
        pl_landscape_load(cx, calibration, request->layer, request->form == FORM_ALL, &land, err));
    const char *words =
        status == PL_OK && request->paper ? gap_words(&land) : "token of the calibration text";
    PL_THEN(pl_figure_texts(out, title.data, words, "layer", err));
    PL_THEN(add_heat(&land, out, err));
    if (status == PL_OK) {
        status = add_names(cx.state, &land, out, err);
        add_landscape_facts(cx.state, &land, out);
    }
    pl_landscape_deinit(&land);
    pl_buf_deinit(&title);
    return status;
}

static size_t landscape_layers(const pl_state *state, const pl_request *request, size_t *out)
{
    return pl_landscape_layers(state->source->model, request->layer, request->form == FORM_ALL,
                               out);
}

/* --- on the screen ---------------------------------------------------------------------------- */

static void say_landscape(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    pl_look_say_named_cell(at, "token", x, row, out);
}

const pl_kind pl_kind_landscape = {
    .name = "landscape",
    .title = "Landscape",
    .summary = "What the solved layers lose of each stored token's output: the layers of the "
               "selected one's role in every block, or all; tokens that stand out are lines",
    .forms = "role|all",
    .uses =
        PL_USES_LAYER | PL_NEEDS_INPUTS | PL_NEEDS_SOLVED | PL_USES_METHODS | PL_USES_ACTIVATIONS,
    .slow = true,
    .unit = "layers",
    .layers = landscape_layers,
    .make = make_landscape,
    .look = {.help = "What the solved layers lose of each stored token's output, activations "
                     "quantized: rows are layers, columns tokens.",
             .follows = true,
             .say = say_landscape},
};
