/* The sizes of inputs or weights as a surface over channels and tokens or outputs, the figure of
 * the SmoothQuant paper (Xiao et al., 2023) and of massive activations (Sun et al., 2024). */
#include "plots/build.h"
#include "plots/kinds.h"

#include "core/lab/turned.h"
#include "core/lab/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a page can show; larger ones are pooled by their maxima. */
enum { ROWS = 96, COLS = 384 };

/* Rows first ... last - 1 of values, columns in steps: their largest |value|. */
static void pool_row(pl_view values, size_t first, size_t last, pl_heat *heat, size_t row)
{
    const size_t step = (size_t)heat->step;
    float *out = heat->values + row * heat->cols;
    for (size_t c = 0; c < heat->cols; c++) {
        out[c] = -1.0f;
        for (size_t k = c * step; k < (c + 1) * step && k < values.cols; k++) {
            for (size_t r = first; r < last; r++) {
                const float size = fabsf(values.data[r * values.stride + k]);
                if (size > out[c] && heat->at != NULL) {
                    heat->at[row * heat->cols + c] = (uint32_t)k;
                }
                out[c] = fmaxf(out[c], size);
            }
        }
    }
}

/* names: of each row of values, or NULL: its number.  The first row stands at the back, the heat
 * map's top. */
static pl_status pool(pl_view values, const uint32_t *names, const char *label, pl_figure *out,
                      pl_error *err)
{
    const size_t many = (values.rows + ROWS - 1) / ROWS, step = (values.cols + COLS - 1) / COLS;
    const size_t rows = (values.rows + many - 1) / many, cols = (values.cols + step - 1) / step;
    pl_status status = pl_figure_heat(out, rows, cols, label, err);
    if (status == PL_OK && step > 1) {
        status = pl_figure_heat_several(out, err);
    }
    PL_THEN(pl_figure_names(&out->y, rows, err));
    for (size_t i = 0; status == PL_OK && i < rows; i++) {
        const size_t row = rows - 1 - i, first = i * many;
        const size_t last = first + many < values.rows ? first + many : values.rows;
        char name[32];
        out->heat->step = (double)step;
        pool_row(values, first, last, out->heat, row);
        snprintf(name, sizeof name, "%zu", names != NULL ? (size_t)names[first] : first);
        status = pl_figure_text(&out->y.names[row], name, err);
    }
    if (status == PL_OK && many > 1) {
        pl_figure_fact(out, "rows_per_line", "%zu, their largest", many);
    }
    if (status == PL_OK && step > 1) {
        pl_figure_fact(out, "channels_per_column", "%zu, their largest", step);
    }
    return status;
}

static void set_ranges(pl_figure *out, bool input)
{
    pl_heat *heat = out->heat;
    size_t best = 0;
    for (size_t i = 1; i < heat->rows * heat->cols; i++) {
        best = heat->values[i] > heat->values[best] ? i : best;
    }
    const double largest = (double)heat->values[best];
    const double channel = pl_heat_x(heat, best / heat->cols, best % heat->cols);
    heat->lo = 0;
    heat->hi = largest > 0 ? largest : 1;
    out->relief = true;
    out->x.lo = -0.5;
    out->x.hi = (double)heat->cols * heat->step - 0.5;
    out->x.whole = true;
    out->y.lo = -0.5;
    out->y.hi = (double)heat->rows - 0.5;
    pl_note *note = &out->notes[out->n_notes++];
    *note = (pl_note){.x = channel, .y = (double)(best / heat->cols)};
    snprintf(note->text, sizeof note->text, "%.0f", channel);
    pl_figure_fact(out, "largest", "%.4g in channel %.0f, %s %s%s", largest, channel,
                   input ? "token" : "output", out->y.names[best / heat->cols],
                   heat->rows < ROWS ? "" : " or next");
}

/* |X| of the stored rows, or |X T|. */
static pl_status make_of_inputs(pl_context cx, const pl_request *request, pl_figure *out,
                                pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, request->layer);
    const pl_spec *spec = pl_state_spec(cx.state, request->layer, PL_SLOT_TRANSFORM);
    const bool after = request->which != PL_WHICH_BEFORE;
    pl_id calibration = {0};
    pl_site_stats stats = {0};
    pl_mat x = {0};
    bool turned = false, keeps = false;
    pl_status status = PL_OK;
    if (after && spec->method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "surface: %s has no transform that its input goes through: "
                            "`method hadamard`, or which=before",
                            info->name);
    }
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_lab_load_site(cx, calibration, info->site, PL_GRAM_NONE, true, &stats, err));
    PL_THEN(pl_turned_values(cx, calibration, request->layer, PL_SIDE_INPUT, &x, err));
    if (status == PL_OK && after) {
        status = pl_turned_turn(cx, calibration, request->layer, PL_SIDE_INPUT, spec, &x, &turned,
                                &keeps, err);
    }
    PL_THEN(pool(pl_mat_view(&x), x.rows == stats.sample_rows ? stats.sample_position : NULL,
                 after ? "|X T|" : "|X|", out, err));
    pl_mat_deinit(&x);
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status make_of_weights(pl_context cx, const pl_request *request, pl_figure *out,
                                 pl_error *err)
{
    pl_mat w = {0};
    pl_status status =
        pl_weights_make(cx, request->layer, (pl_weights_of){.which = request->which}, &w, err);
    PL_THEN(pool(pl_mat_view(&w), NULL, request->which == PL_WHICH_BEFORE ? "|W\u2080|" : "|W|",
                 out, err));
    pl_mat_deinit(&w);
    return status;
}

/* The screen and a panel of `figure` show one of both: the later. */
static size_t row_of_surface(const pl_state *state, const pl_request *request,
                             pl_request out[PL_KIND_ROW])
{
    pl_which whichs[PL_KIND_ROW] = {PL_WHICH_BEFORE, PL_WHICH_AFTER};
    const bool input = request->side == PL_SIDE_INPUT;
    out[0] = out[1] = *request;
    size_t count = input && request->which == PL_WHICH_BOTH &&
                           pl_state_spec(state, request->layer, PL_SLOT_TRANSFORM)->method == NULL
                       ? 1
                   : input ? 2
                           : pl_kind_whichs(state, request, whichs);
    count = request->which == PL_WHICH_BOTH ? count : 1;
    for (size_t i = 0; i < count && request->which == PL_WHICH_BOTH; i++) {
        out[i].which = whichs[i];
    }
    return count;
}

static pl_status make_surface(pl_context cx, const pl_request *request, pl_figure *out,
                              pl_error *err)
{
    const bool input = request->side == PL_SIDE_INPUT;
    pl_request row[PL_KIND_ROW];
    const pl_request *shown = &row[row_of_surface(cx.state, request, row) - 1];
    pl_buf title = {0}, label = {0};
    pl_kind_layer_title(cx.state, request->layer, &title);
    if (input) {
        pl_buf_puts(&title, shown->which == PL_WHICH_BEFORE ? ", input" : ", input, transformed");
    } else {
        pl_kind_label(cx.state, request->layer, shown->which, request->paper, &label);
        pl_buf_printf(&title, ", %s", label.data != NULL ? label.data : "");
    }
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(input ? make_of_inputs(cx, shown, out, err) : make_of_weights(cx, shown, out, err));
    PL_THEN(pl_figure_texts(out, title.data, "input channel", input ? "token" : "output", err));
    if (status == PL_OK) {
        set_ranges(out, input);
    }
    pl_buf_deinit(&title);
    pl_buf_deinit(&label);
    return status;
}

/* --- on the screen ---------------------------------------------------------------------------- */

static double place_in_surface(const pl_looked *at)
{
    const double channel = (double)at->state->channel;
    return channel <= at->figure->x.hi ? channel : (double)NAN;
}

static size_t channel_in_surface(const pl_looked *at, double x)
{
    const pl_heat *heat = at->figure->heat;
    return heat != NULL && x >= 0 ? (size_t)pl_heat_x(heat, at->row, pl_heat_col(heat, x))
                                  : SIZE_MAX;
}

static void say_surface(const pl_looked *at, double x, size_t row, pl_buf *out)
{
    const pl_axis *y = &at->figure->y;
    const char *name = pl_axis_name(y, row);
    if (y->label != NULL && name != NULL) {
        pl_buf_printf(out, "%s %s  ", y->label, name);
    }
    pl_look_say_cell(at, "channel", x, row, out);
}

const pl_kind pl_kind_surface = {
    .name = "surface",
    .title = "Surface",
    .summary = "|X| over tokens or |W| over outputs and channels, in three dimensions on paper and "
               "as a heat map on the screen; which=both: before and after side by side",
    .uses = PL_USES_LAYER | PL_USES_SIDE | PL_USES_WHICH | PL_USES_METHODS | PL_USES_LEARNING,
    .row = row_of_surface,
    .make = make_surface,
    .look = {.help =
                 "|X| over tokens or |W| over outputs and channels; exported, it stands in three "
                 "dimensions.",
             .follows = true,
             .place = place_in_surface,
             .channel = channel_in_surface,
             .say = say_surface},
};
