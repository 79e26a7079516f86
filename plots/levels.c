#include "plots/levels.h"

#include "core/lab/turned.h"
#include "core/tensor/groups.h"
#include "plots/build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What is handed to the rounder is drawn, not the rounded weights: behind a transform it is other
 * than the original without a preconditioner, too. */
static void drop_rounded(const pl_state *state, const pl_request *request, pl_drawn_list *list)
{
    const pl_spec *transform = pl_state_spec(state, request->layer, PL_SLOT_TRANSFORM);
    size_t kept = 0;
    for (size_t i = 0; i < list->count && kept < 2; i++) {
        pl_drawn *drawn = &list->items[i];
        if (drawn->which == PL_WHICH_AFTER && transform->method != NULL) {
            pl_drawn_set_own(state, request, PL_WHICH_PRECONDITIONED, drawn);
        }
        if (drawn->which != PL_WHICH_AFTER) {
            list->items[kept++] = *drawn;
        }
    }
    list->count = kept;
}

/* The weights of an item; those that the rounder gets behind a transform are in its coordinates. */
static pl_status read_item(pl_context cx, const pl_request *request, pl_levels *levels, size_t item,
                           pl_error *err)
{
    pl_drawn *drawn = &levels->list.items[item];
    bool turned = false;
    if (drawn->which == PL_WHICH_BEFORE) {
        return pl_drawn_weights(cx.lab, cx.state, request->layer, drawn, &levels->w[item], err);
    }
    pl_status status = pl_turned_to_round(cx, request->layer, &levels->w[item], &turned, err);
    if (status == PL_OK && turned) {
        levels->turned = true;
        snprintf(drawn->suffix, sizeof drawn->suffix, "_transformed");
        if (!request->paper) {
            pl_turned_handed_label(cx.state, request->layer, drawn->label, sizeof drawn->label);
        }
    }
    return status;
}

static pl_status set_title(const pl_state *state, size_t layer, pl_levels *levels, pl_error *err)
{
    pl_buf title = {0};
    pl_kind_layer_title(state, layer, &title);
    pl_buf_printf(&title, ", %s", pl_format_choice(levels->grid.format));
    if (pl_format_is_int(levels->grid.format)) {
        pl_buf_printf(&title, "%d", levels->grid.bits);
    }
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_figure_text(&levels->title, title.data, err));
    pl_buf_deinit(&title);
    return status;
}

pl_status pl_levels_read(const char *who, pl_context cx, const pl_request *request, pl_levels *out,
                         pl_error *err)
{
    const pl_spec *round = pl_state_spec(cx.state, request->layer, PL_SLOT_ROUND);
    pl_request own = *request;
    *out = (pl_levels){0};
    if (round->method == NULL) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: the slot round is empty: choose a rounder, e.g. `method rtn`",
                            who);
    }
    out->grid = pl_spec_grid(round);
    out->count = pl_grid_levels(&out->grid, (pl_grid_param){1.0f, 0}, out->at);
    own.pins = false; /* kept settings have grids of their own */
    if (own.which == PL_WHICH_AFTER) {
        /* Rounded weights are levels, of scales that a fit to them would not find again. */
        own.which = PL_WHICH_PRECONDITIONED;
    }
    pl_drawn_find(cx.lab, cx.state, &own, &out->list);
    drop_rounded(cx.state, request, &out->list);
    pl_status status = set_title(cx.state, request->layer, out, err);
    for (size_t i = 0; status == PL_OK && i < out->list.count; i++) {
        status = read_item(cx, request, out, i, err);
        PL_THEN(pl_task_tick(cx.task, err));
    }
    if (status != PL_OK) {
        pl_levels_deinit(out);
    }
    return status;
}

void pl_levels_deinit(pl_levels *levels)
{
    pl_mat_deinit(&levels->w[0]);
    pl_mat_deinit(&levels->w[1]);
    free(levels->title);
    *levels = (pl_levels){0};
}

void pl_levels_each_group(pl_levels *levels, size_t item, pl_levels_use use, void *ctx)
{
    pl_mat *w = &levels->w[item];
    const size_t width = pl_group_width(w->cols, levels->grid.group_size);
    const size_t high = pl_grid_block_rows(&levels->grid); /* rows that share a scale */
    pl_grid_begin(&levels->grid, pl_mat_view(w));
    for (size_t first = 0; first < w->rows; first += high) {
        const size_t rows = w->rows - first < high ? w->rows - first : high;
        for (size_t at = 0; at < w->cols; at += width) {
            const size_t count = w->cols - at < width ? w->cols - at : width;
            float *corner = w->data + first * w->cols + at;
            if (high > 1) {
                levels->grid.most = pl_grid_most((pl_view){corner, rows, count, w->cols});
            }
            for (size_t r = 0; r < rows; r++) {
                float *group = corner + r * w->cols;
                use(ctx, &levels->grid, pl_grid_fit(&levels->grid, group, count, 1), group, count);
            }
        }
    }
}

/* The level next to a value that is one but for rounding. */
static size_t level_next_to(const pl_levels *levels, float value)
{
    size_t low = 0, high = levels->count - 1;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if ((double)value > ((double)levels->at[middle] + (double)levels->at[middle + 1]) / 2) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

typedef struct unit_sums {
    pl_levels *levels;
    size_t item;
} unit_sums;

static void take_units(void *ctx, const pl_grid *grid, pl_grid_param param, float *w, size_t count)
{
    const unit_sums *sums = ctx;
    pl_levels *levels = sums->levels;
    for (size_t i = 0; i < count; i++) {
        float rounded = w[i];
        grid->format->round(grid->bits, param, &rounded, 1);
        rounded = rounded / param.scale + (float)param.zero;
        w[i] = w[i] / param.scale + (float)param.zero;
        levels->shares[sums->item][level_next_to(levels, rounded)] += 1.0;
        /* The largest of a group is its scale's multiple but for what the scale's dtype rounds. */
        const float room = (grid->scale_dtype == PL_BF16 ? 4e-3f : 1e-3f) * fabsf(w[i]);
        levels->outside[sums->item] +=
            w[i] < levels->at[0] - room || w[i] > levels->at[levels->count - 1] + room;
    }
}

void pl_levels_take_units(pl_levels *levels)
{
    for (size_t i = 0; i < levels->list.count; i++) {
        unit_sums sums = {levels, i};
        const double total = (double)levels->w[i].rows * (double)levels->w[i].cols;
        pl_levels_each_group(levels, i, take_units, &sums);
        levels->outside[i] /= total;
        for (size_t k = 0; k < levels->count; k++) {
            levels->shares[i][k] /= total;
        }
    }
}

/* Entropy of the shares of an item in bits: what the codes hold of their bits at most. */
static double entropy_of_item(const pl_levels *levels, size_t item)
{
    double bits = 0.0;
    for (size_t k = 0; k < levels->count; k++) {
        const double share = levels->shares[item][k];
        bits -= share > 0.0 ? share * log2(share) : 0.0;
    }
    return bits;
}

double pl_levels_edge(const pl_levels *levels, size_t i)
{
    const size_t last = levels->count - 1;
    const double at = (double)levels->at[i];
    if (last == 0) {
        return at + 0.5;
    }
    return i < last ? (at + (double)levels->at[i + 1]) / 2
                    : at + (at - (double)levels->at[i - 1]) / 2;
}

void pl_levels_facts(const pl_levels *levels, pl_figure *out)
{
    const pl_grid *grid = &levels->grid;
    char bits[16] = "", groups[40] = "a group a row";
    if (pl_format_is_int(grid->format)) {
        snprintf(bits, sizeof bits, "%d", grid->bits);
    }
    if (grid->group_size > 0) {
        snprintf(groups, sizeof groups, "groups of %zu", grid->group_size);
    }
    pl_figure_fact(out, "levels", "%zu of %s%s, %s", levels->count, pl_format_choice(grid->format),
                   bits, groups);
    if (levels->turned) {
        pl_figure_fact(out, "transformed", "as the rounder gets them, S\u1d40 W T\u207b\u1d40");
    }
    for (size_t i = 0; i < levels->list.count; i++) {
        char name[64];
        snprintf(name, sizeof name, "saturated%s", levels->list.items[i].suffix);
        pl_figure_fact(out, name, "%.3g %%", 100 * levels->outside[i]);
        snprintf(name, sizeof name, "entropy%s", levels->list.items[i].suffix);
        pl_figure_fact(out, name, "%.3g of %d bits", entropy_of_item(levels, i), levels->grid.bits);
    }
}
