/* The log: what was asked for and what became of it, newest last. */
#include "views/view.h"

#include "views/mouse.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void draw_log_line(const pl_log_line *line, pl_surface *surface, pl_rect rect, int row)
{
    char clock[16] = "";
    char took[PL_NUMBER_TEXT] = "";
    struct tm when;
    time_t at = (time_t)line->at;
    if (localtime_r(&at, &when) != NULL) {
        strftime(clock, sizeof clock, "%H:%M:%S", &when);
    }
    if (isfinite(line->seconds)) {
        pl_format_seconds(line->seconds, took);
    }
    int col = 1;
    if (rect.w >= 50) {
        col += pl_put(surface, rect, row, col, PL_STYLE_FAINT, clock) + 1;
    }
    pl_put_right(surface, rect, row, col + 6, PL_STYLE_FAINT,
                 isfinite(line->seconds) ? took : "...");
    col += 8;
    const char *command = line->command != NULL ? line->command : "";
    const char *result = line->result != NULL ? line->result : "";
    /* "solve:  gap ..." beside "solve": its name once is enough. */
    size_t name = strcspn(command, " ");
    if (name > 0 && strncmp(result, command, name) == 0 && result[name] == ':') {
        result += name + 1 + strspn(result + name + 1, " ");
    }
    int room = rect.w - col - 1;
    int width = (int)pl_text_width(command);
    int most = result[0] != '\0' ? room / 2 : room;
    most = width <= room && width + 2 + (int)pl_text_width(result) <= room ? width : most;
    col += pl_put_cut(surface, rect, row, col, most, PL_STYLE_STRONG, command) + 2;
    pl_put_cut(surface, rect, row, col, rect.w - col - 1, line->ok ? PL_STYLE_TEXT : PL_STYLE_ERROR,
               result);
}

/* memo.top counts from the end: 0 keeps the newest in sight. */
static void draw_log(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    char right[64];
    snprintf(right, sizeof right, "%zu commands", model->n_log);
    pl_panel_title(model, surface, rect, pane, "Log", right);
    if (model->n_log == 0) {
        pl_put_cut(surface, rect, 2, 1, rect.w - 2, PL_STYLE_FAINT, "no command has run yet");
        return;
    }
    size_t lines = rect.h > 1 ? (size_t)rect.h - 1 : 0;
    size_t *back = &model->shown[pl_view_index(pane)].memo.top;
    size_t most = model->n_log > lines ? model->n_log - lines : 0;
    *back = *back < most ? *back : most;
    size_t end = model->n_log - *back;
    size_t first = end > lines ? end - lines : 0;
    for (size_t i = first; i < end; i++) {
        draw_log_line(&model->log[i], surface, rect, 1 + (int)(i - first));
    }
}

static bool act_in_log(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    (void)intent;
    size_t *back = &model->shown[pl_view_index(pane)].memo.top;
    switch (action) {
    case PL_ACT_UP:
        *back += 1;
        return true;
    case PL_ACT_DOWN:
        *back -= *back > 0;
        return true;
    case PL_ACT_PAGE_UP:
        *back += 8;
        return true;
    case PL_ACT_PAGE_DOWN:
        *back -= *back < 8 ? *back : 8;
        return true;
    case PL_ACT_FIRST:
        *back = model->n_log;
        return true;
    case PL_ACT_LAST:
        *back = 0;
        return true;
    default:
        return false;
    }
}

static bool mouse_in_log(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                         pl_intent *intent)
{
    (void)rect;
    if (mouse.kind == PL_MOUSE_WHEEL_UP || mouse.kind == PL_MOUSE_WHEEL_DOWN) {
        for (int i = 0; i < PL_WHEEL_LINES; i++) {
            (void)act_in_log(model, pane, mouse.kind == PL_MOUSE_WHEEL_UP ? PL_ACT_UP : PL_ACT_DOWN,
                             intent);
        }
    }
    return false;
}

const pl_screen_view pl_view_log = {
    .name = "log",
    .title = "Log",
    .help = "Every command and job, with what it brought.",
    .draw = draw_log,
    .act = act_in_log,
    .mouse = mouse_in_log,
};
