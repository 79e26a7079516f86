#include "app/workbench/mouse.h"

#include "app/workbench/draft.h"
#include "app/workbench/keys.h"
#include "app/workbench/parts.h"
#include "core/base/clock.h"
#include "views/mouse.h"

static const double TWICE_SECONDS = 0.4;

/* A second press on the same cell soon after the first; a third is a first one again. */
static bool is_second(pl_clicks *clicks, pl_mouse mouse)
{
    const double now = pl_clock_now();
    const bool second = clicks->at > 0 && now - clicks->at < TWICE_SECONDS &&
                        clicks->y == mouse.y && clicks->x == mouse.x;
    *clicks = (pl_clicks){.at = second ? 0 : now, .y = mouse.y, .x = mouse.x};
    return second;
}

static bool over_panes(const pl_screen *screen)
{
    return screen->over.palette.open || screen->over.jobs.open || screen->over.help.open;
}

/* The wheel is the arrow keys of what lies over the panes, a click chooses one of its lines. */
static void point_at_overlay(pl_screen *screen, pl_mouse mouse)
{
    const bool up = mouse.kind == PL_MOUSE_WHEEL_UP;
    if (up || mouse.kind == PL_MOUSE_WHEEL_DOWN) {
        for (int i = 0; i < PL_WHEEL_LINES; i++) {
            pl_screen_key(screen, (pl_press){.key = up ? PL_K_UP : PL_K_DOWN});
        }
    } else if (mouse.kind == PL_MOUSE_PRESS && screen->over.palette.open) {
        if (pl_palette_point(&screen->over.palette, mouse) && mouse.twice) {
            pl_screen_key(screen, (pl_press){.key = PL_KEY_ENTER});
        }
    } else if (mouse.kind == PL_MOUSE_PRESS && screen->over.jobs.open) {
        pl_jobs_point(&screen->over.jobs, &screen->model, mouse);
    }
}

/* What waits is kept; of more than there is room for, the newest is not. */
static void give_to_panes(pl_screen *screen, pl_mouse mouse)
{
    pl_early *early = &screen->early;
    pl_intent intent = {.focus = -1};
    pl_screen_mouse(&screen->model, mouse, &intent);
    if (intent.wait && early->n < PL_MOST_EARLY) {
        early->reports[early->n++] = mouse;
    }
    pl_screen_follow_intent(screen, &intent);
}

bool pl_screen_take_early_mouse(pl_screen *screen)
{
    const pl_early early = screen->early;
    screen->early.n = 0;
    if (early.n == 0 || over_panes(screen) || pl_prompt_is_open(screen->prompt)) {
        return false;
    }
    for (size_t i = 0; i < early.n; i++) {
        give_to_panes(screen, early.reports[i]);
    }
    return screen->early.n < early.n;
}

void pl_screen_take_mouse(pl_screen *screen, pl_mouse mouse)
{
    if (mouse.kind == PL_MOUSE_PRESS) {
        screen->early.n = 0; /* the hand has gone on */
    }
    if (pl_prompt_is_open(screen->prompt)) {
        if (mouse.kind == PL_MOUSE_PRESS) {
            pl_draft_point(screen, mouse); /* else a line that is being typed stays as it is */
        }
        return;
    }
    mouse.twice = mouse.kind == PL_MOUSE_PRESS && is_second(&screen->clicks, mouse);
    screen->typing = (pl_typing){0};
    if (over_panes(screen)) {
        point_at_overlay(screen, mouse);
        return;
    }
    give_to_panes(screen, mouse);
}
