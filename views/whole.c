/* The whole screen: where its panes are, and all of them drawn. */
#include "views/view.h"

#include <stdio.h>
#include <string.h>

/* Settings side by side need as much. */
enum { COMPARE_ROWS = 40, COMPARE_COLS = 120 };

pl_panes pl_screen_panes(const pl_screen_model *model, int rows, int cols)
{
    const pl_state *state = model->state;
    pl_pane zoom = pl_zoomed_pane(state);
    /* Settings side by side need room: on a small screen they take all of it while they have the
     * focus. */
    if (zoom == PL_PANE_COUNT && model->focus == PL_PANE_MAIN &&
        pl_view_compares(state, PL_PANE_MAIN) && (rows < COMPARE_ROWS || cols < COMPARE_COLS)) {
        zoom = PL_PANE_MAIN;
    }
    return pl_panes_make(rows, cols, model->focus, pl_display_is_split(state), zoom);
}

static void draw_notice(pl_surface *surface)
{
    pl_rect all = {0, 0, surface->rows, surface->cols};
    char text[96];
    snprintf(text, sizeof text, "planish needs %dx%d, this is %dx%d", PL_PANES_MIN_COLS,
             PL_PANES_MIN_ROWS, surface->cols, surface->rows);
    /* Broken at blanks into the lines there are. */
    int row = 0;
    int col = 0;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        int width = (int)strlen(word);
        if (col > 0 && col + 1 + width > all.w) {
            row++;
            col = 0;
        }
        col += col > 0;
        col += pl_put(surface, all, row, col, PL_STYLE_TEXT, word);
    }
}

static void draw_dividers(pl_surface *surface, const pl_panes *panes)
{
    for (int i = 0; i < panes->n_dividers; i++) {
        pl_fill(surface, panes->dividers[i], PL_STYLE_FAINT, surface->ascii ? '|' : 0x2502);
    }
}

void pl_screen_draw(pl_screen_model *model, pl_surface *surface, bool prompt_open)
{
    pl_surface_clear(surface);
    pl_panes panes = pl_screen_panes(model, surface->rows, surface->cols);
    model->panes = panes;
    if (panes.kind == PL_PANES_NOTICE) {
        draw_notice(surface);
        return;
    }
    pl_header_draw(model, surface, panes.header);
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        if (panes.panes[pane].h > 0) {
            pl_panel_of(pane)->draw(model, surface, panes.panes[pane]);
        }
    }
    draw_dividers(surface, &panes);
    /* A long message has the footer's line, too, until a key has been pressed. */
    pl_rect message = panes.message;
    message.h += !prompt_open && !model->message_seen && !model->views.tuner.editing;
    if (pl_message_draw(model, surface, message) < 2 && !prompt_open) {
        pl_footer_draw(model, surface, panes.prompt);
    }
}
