#include "views/panel.h"

#include "core/lab/pipeline.h"
#include "core/model/bare.h"
#include "views/text.h"

#include <stdio.h>
#include <string.h>

void pl_panel_title(const pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane,
                    const char *title, const char *right)
{
    bool focused = model->focus == pane;
    uint32_t line = surface->ascii ? (focused ? '=' : '-') : (focused ? 0x2501 : 0x2500);
    pl_rect top = {rect.y, rect.x, 1, rect.w};
    pl_fill(surface, top, focused ? PL_STYLE_FOCUS : PL_STYLE_FAINT, line);
    unsigned style = focused ? PL_STYLE_FOCUS | PL_REVERSE : PL_STYLE_TITLE;
    char text[200];
    snprintf(text, sizeof text, " %s ", title);
    int used = pl_put_cut(surface, top, 0, 1, rect.w - 2, style, text);
    if (right != NULL && right[0] != '\0') {
        const int room = rect.w - used - 3;
        const size_t size = room >= 6 ? pl_text_phrase(right, (size_t)room - 2) : 0;
        snprintf(text, sizeof text, " %.*s ", (int)(size > 0 ? size : strlen(right)), right);
        const int width = (int)pl_text_width(text);
        if (room >= 6) {
            int col = width <= room ? rect.w - 1 - width : rect.w - 1 - room;
            pl_put_cut(surface, top, 0, col, room, PL_STYLE_FAINT, text);
        }
    }
}

void pl_panel_layer_title(const pl_screen_model *model, size_t index, const char *prefix, int width,
                          const char *right, char *out, size_t capacity)
{
    const pl_layer *layer = pl_model_layer(model->state->source->model, index);
    int room = width - 7 - (right != NULL ? (int)pl_text_width(right) : 0);
    char shape[48];
    snprintf(shape, sizeof shape, "  [%zu, %zu]", layer->rows, layer->cols);
    for (int words = 3; words >= 1; words--) { /* long name and shape; short name; that alone */
        char name[80];
        pl_layer_short(layer, words == 3, name, sizeof name);
        snprintf(out, capacity, "%s%s%s", prefix, name, words > 1 ? shape : "");
        if ((int)pl_text_width(out) <= room) {
            return;
        }
    }
}

size_t pl_panel_scroll(size_t top, size_t row, size_t count, int rows)
{
    size_t shown = rows > 0 ? (size_t)rows : 1;
    if (row < top) {
        top = row;
    }
    if (row >= top + shown) {
        top = row - shown + 1;
    }
    if (top + shown > count) {
        top = count > shown ? count - shown : 0;
    }
    return top;
}

size_t pl_panel_scroll_held(size_t top, size_t row, size_t *held, size_t count, int rows)
{
    const size_t shown = rows > 0 ? (size_t)rows : 1;
    if (*held != row + 1) {
        *held = 0;
        return pl_panel_scroll(top, row, count, rows);
    }
    const size_t most = count > shown ? count - shown : 0;
    return top < most ? top : most;
}

bool pl_can_solve(const pl_state *state)
{
    if (state->source == NULL || state->calibration.n_texts > 0) {
        return state->calibration.n_texts > 0;
    }
    return pl_source_has_inputs(state->source) || pl_solve_is_blind(state, state->layer);
}

const char *pl_calibrate_hint(const pl_state *state)
{
    bool bare = state->source != NULL && pl_model_is_bare(state->source->model);
    return bare ? "needs inputs=X" : "{calibrate} calibrates";
}

const pl_picture *pl_present_picture(const pl_screen_model *model)
{
    const pl_picture *picture = model->picture;
    return picture != NULL && picture->layer == model->state->layer ? picture : NULL;
}

bool pl_picture_comes(const pl_screen_model *model)
{
    return model->state->source != NULL && model->picture_error == NULL &&
           pl_present_picture(model) == NULL;
}
