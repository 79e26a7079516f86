#include "app/workbench/tour.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "views/view.h"

#include <stdio.h>
#include <string.h>

static void remember_tour(pl_screen *screen, bool done)
{
    pl_settings *settings = screen->options->settings;
    pl_error err = {0};
    if (settings == NULL || settings->tour_done == done) {
        return;
    }
    settings->tour_done = done;
    if (pl_settings_write(settings, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, err.message);
    }
}

void pl_screen_set_tour(pl_screen *screen, pl_tour_step step)
{
    screen->tour.step = step == PL_TOUR_DONE ? PL_TOUR_OFF : step;
    screen->tour.layer = screen->state->layer;
    screen->tour.side = screen->state->side;
    screen->tour.turned = false;
    screen->loop.dirty = true;
    if (screen->tour.step == PL_TOUR_OFF) {
        remember_tour(screen, true);
    }
}

static bool is_done(const pl_screen *screen, const pl_call *call)
{
    switch (screen->tour.step) {
    case PL_TOUR_LAYERS:
        return screen->state->layer != screen->tour.layer;
    case PL_TOUR_SIDE:
        return screen->tour.turned && screen->state->side == screen->tour.side;
    case PL_TOUR_OFF:
        return false;
    default:
        return call != NULL && call->command->tour == screen->tour.step;
    }
}

void pl_screen_follow_tour(pl_screen *screen, const pl_call *call)
{
    screen->tour.turned = screen->tour.turned || screen->state->side != screen->tour.side;
    if (screen->tour.step == PL_TOUR_OFF || !is_done(screen, call)) {
        return;
    }
    bool last = screen->tour.step == PL_TOUR_FIGURE;
    pl_screen_set_tour(screen, last ? PL_TOUR_DONE : screen->tour.step + 1);
}

/* The room that text leaves in a row of the surface. */
static int used_columns(const pl_surface *surface, int row)
{
    const pl_cell *cells = surface->cells + (size_t)row * (size_t)surface->cols;
    int used = surface->cols;
    while (used > 0 && cells[used - 1].code == ' ') {
        used--;
    }
    return used;
}

/* On a large screen the panes give up one line, and message and prompt move below the tour's. */
static void draw_with_line(pl_screen *screen, bool prompt_open)
{
    pl_surface *surface = &screen->face.surface;
    size_t cols = (size_t)surface->cols;
    surface->rows--;
    pl_screen_draw(&screen->model, surface, prompt_open);
    surface->rows++;
    int strip = surface->rows - 3;
    pl_cell *cells = surface->cells + (size_t)strip * cols;
    memmove(cells + cols, cells, 2 * cols * sizeof *cells);
    if (surface->cursor_y >= strip) {
        surface->cursor_y++;
    }
    pl_rect line = {strip, 0, 1, surface->cols};
    char text[120];
    pl_tour_text(screen->tour.step, screen->model.keys, text, sizeof text);
    pl_fill(surface, line, PL_STYLE_TEXT, ' ');
    pl_put_cut(surface, line, 0, 1, line.w - 2, PL_STYLE_KEY, text);
}

void pl_screen_draw_with_tour(pl_screen *screen, bool prompt_open)
{
    pl_surface *surface = &screen->face.surface;
    bool room = surface->rows >= PL_PANES_MIN_ROWS && surface->cols >= PL_PANES_MIN_COLS;
    if (screen->tour.step == PL_TOUR_OFF || !room) {
        pl_screen_draw(&screen->model, surface, prompt_open);
        return;
    }
    if (surface->rows >= PL_TOUR_ROWS) {
        draw_with_line(screen, prompt_open);
        return;
    }
    pl_screen_draw(&screen->model, surface, prompt_open);
    pl_rect line = {surface->rows - 2, 0, 1, surface->cols};
    pl_tour_draw(screen->tour.step, screen->model.keys, surface, line,
                 used_columns(surface, line.y));
}
