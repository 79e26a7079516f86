/* The table of the largest channels: size, ratio to the median, the token that caused it. */
#include "views/view.h"

#include "views/mouse.h"

#include "core/model/bare.h"
#include "views/text.h"

#include <stdio.h>

static const pl_channel_row *shown_channels(const pl_screen_model *model, size_t *count)
{
    const pl_picture *picture = pl_present_picture(model);
    *count = 0;
    if (picture == NULL) {
        return NULL;
    }
    bool input = model->state->side == PL_SIDE_INPUT;
    *count = input ? picture->n_inputs : picture->n_weights;
    return input ? picture->inputs : picture->weights;
}

/* Right ends of the columns of numbers, and where the token starts. */
typedef struct columns {
    int channel, max, ratio, token;
} columns;

static columns columns_of(pl_rect rect)
{
    return rect.w >= 42 ? (columns){8, 17, 27, 29} : (columns){6, 13, 20, 21};
}

static void draw_channel_row(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                             int line, const pl_channel_row *row, bool selected, bool focused)
{
    unsigned stale = model->stale ? PL_STALE : 0;
    columns c = columns_of(rect);
    char number[PL_NUMBER_TEXT];
    pl_put(surface, rect, line, 0, PL_STYLE_STRONG, selected ? ">" : " ");
    snprintf(number, sizeof number, "%zu", row->channel);
    pl_put_right(surface, rect, line, c.channel, PL_STYLE_STRONG | stale, number);
    pl_format_number(row->max, number);
    pl_put_right(surface, rect, line, c.max, PL_STYLE_TEXT | stale, number);
    pl_format_number(row->ratio, number);
    unsigned tone = row->ratio > 6 ? PL_STYLE_BAD : PL_STYLE_TEXT;
    pl_put_right(surface, rect, line, c.ratio, tone | stale, number);
    if (row->token_position >= 0) {
        char at[32];
        snprintf(at, sizeof at, "@%lld", (long long)row->token_position);
        int width = (int)pl_text_width(at);
        char token[64] = "";
        if (row->token_id >= 0) { /* of given inputs only the position is known */
            snprintf(token, sizeof token, "\"%s\"", row->token);
        }
        int room = rect.w - c.token - width - 1;
        int used = pl_put_cut(surface, rect, line, c.token, room > 4 ? room : rect.w - c.token,
                              PL_STYLE_TEXT | stale, token);
        if (room > 4) {
            pl_put(surface, rect, line, c.token + (used > 0 ? 1 + used : 0), PL_STYLE_FAINT | stale,
                   at);
        }
    }
    if (selected && focused) {
        pl_mark_row(surface, rect, line, PL_REVERSE);
    }
}

static void draw_weight_side(const pl_screen_model *model, pl_surface *surface, pl_rect rect,
                             int line, const pl_channel_row *row)
{
    char number[PL_NUMBER_TEXT];
    pl_format_number(row->rms, number);
    pl_put_right(surface, rect, line, columns_of(rect).token + 8,
                 PL_STYLE_FAINT | (model->stale ? PL_STALE : 0), number);
}

static void draw_no_outliers(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    if (model->calibrating && model->state->side == PL_SIDE_INPUT) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_FAINT, "calibrating");
    } else if (model->state->side == PL_SIDE_INPUT && pl_present_picture(model) != NULL &&
               model->state->calibration.n_texts == 0) {
        const pl_source *source = model->state->source;
        bool bare = source != NULL && pl_model_is_bare(source->model);
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_TEXT,
                   bare ? "no inputs:" : "not calibrated:");
        pl_put_cut(surface, rect, 3, 1, rect.w - 2, PL_STYLE_KEY,
                   bare ? ":open W inputs=X" : ":calibrate text=FILE");
    } else if (model->picture_error != NULL) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_ERROR, model->picture_error);
    } else {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_FAINT,
                   model->state->source != NULL ? "reading the layer" : "no model is open");
    }
}

static void draw_channel_heads(pl_surface *surface, pl_rect rect, bool input)
{
    columns c = columns_of(rect);
    bool wide = c.channel > 6;
    pl_put_right(surface, rect, 1, c.channel, PL_STYLE_FAINT, wide ? "channel" : "chan");
    pl_put_right(surface, rect, 1, c.max, PL_STYLE_FAINT,
                 !wide   ? "max"
                 : input ? "max |x|"
                         : "max |w|");
    pl_put_right(surface, rect, 1, c.ratio, PL_STYLE_FAINT, wide ? "\u00d7 median" : "\u00d7 med");
    if (input) {
        pl_put(surface, rect, 1, c.token, PL_STYLE_FAINT, wide ? "token @ position" : "token");
    } else {
        pl_put_right(surface, rect, 1, c.token + 8, PL_STYLE_FAINT, "rms");
    }
}

/* The row of the marked channel, else the row selected last; count where the marked channel is none
 * of these. */
static size_t selected_row(const pl_screen_model *model, const pl_channel_row *rows, size_t count,
                           size_t last)
{
    size_t channel = model->state->channel;
    if (channel == SIZE_MAX) {
        return last < count ? last : count - 1;
    }
    size_t row = 0;
    while (row < count && rows[row].channel != channel) {
        row++;
    }
    return row;
}

static void draw_outliers(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    bool input = model->state->side == PL_SIDE_INPUT;
    pl_panel_title(model, surface, rect, pane, "Outlier channels", input ? "inputs" : "weights");
    size_t count = 0;
    const pl_channel_row *rows = shown_channels(model, &count);
    if (count == 0) {
        draw_no_outliers(model, surface, rect);
        return;
    }
    draw_channel_heads(surface, rect, input);
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    size_t selected = selected_row(model, rows, count, memo->row);
    memo->row = selected < count ? selected : memo->row < count ? memo->row : count - 1;
    pl_rect body = {rect.y + 2, rect.x, rect.h - 2, rect.w};
    memo->top = pl_panel_scroll_held(memo->top, memo->row, &memo->held, count, body.h);
    for (int line = 0; line < body.h && memo->top + (size_t)line < count; line++) {
        size_t at = memo->top + (size_t)line;
        if (!input) {
            draw_weight_side(model, surface, body, line, &rows[at]);
        }
        draw_channel_row(model, surface, body, line, &rows[at], at == selected,
                         model->focus == pane);
    }
}

static bool move_to_outlier(pl_screen_model *model, pl_pane pane, long by, bool absolute,
                            pl_intent *intent)
{
    size_t count = 0;
    const pl_channel_row *rows = shown_channels(model, &count);
    if (count == 0) {
        return true;
    }
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    size_t now = selected_row(model, rows, count, memo->row);
    long to = absolute ? by : (long)(now < count ? now : memo->row) + by;
    to = to < 0 ? 0 : to >= (long)count ? (long)count - 1 : to;
    memo->row = (size_t)to;
    intent->mark = true;
    intent->channel = rows[to].channel;
    return true;
}

static bool act_in_outliers(pl_screen_model *model, pl_pane pane, pl_action action,
                            pl_intent *intent)
{
    switch (action) {
    case PL_ACT_UP:
        return move_to_outlier(model, pane, -1, false, intent);
    case PL_ACT_DOWN:
        return move_to_outlier(model, pane, 1, false, intent);
    case PL_ACT_PAGE_UP:
        return move_to_outlier(model, pane, -8, false, intent);
    case PL_ACT_PAGE_DOWN:
        return move_to_outlier(model, pane, 8, false, intent);
    case PL_ACT_FIRST:
        return move_to_outlier(model, pane, 0, true, intent);
    case PL_ACT_LAST:
        return move_to_outlier(model, pane, 1000000L, true, intent);
    case PL_ACT_NEXT_PEAK:
        return move_to_outlier(model, pane, 1, false, intent);
    case PL_ACT_PREV_PEAK:
        return move_to_outlier(model, pane, -1, false, intent);
    case PL_ACT_LEFT:
        return pl_tuner_turn(model, -1, intent);
    case PL_ACT_RIGHT:
        return pl_tuner_turn(model, 1, intent);
    case PL_ACT_FAR_LEFT:
        return pl_tuner_turn(model, -4, intent);
    case PL_ACT_FAR_RIGHT:
        return pl_tuner_turn(model, 4, intent);
    default:
        return false;
    }
}

static bool mouse_in_outliers(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                              pl_intent *intent)
{
    pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
    size_t count = 0;
    (void)shown_channels(model, &count);
    intent->wait = pl_picture_comes(model);
    const int line = pl_mouse_line(mouse, rect, 2);
    const bool row = line >= 0 && memo->top + (size_t)line < count;
    if (pl_mouse_scroll(mouse, memo->row, &memo->top, &memo->held) ||
        mouse.kind != PL_MOUSE_PRESS || !row) {
        return false;
    }
    return move_to_outlier(model, pane, (long)memo->top + line, true, intent);
}

const pl_screen_view pl_view_outliers = {
    .name = "outliers",
    .draw = draw_outliers,
    .act = act_in_outliers,
    .mouse = mouse_in_outliers,
};
