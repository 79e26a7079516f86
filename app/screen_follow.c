/* What the screen does behind a command that has ended, for the table of commands. */
#include "app/handlers.h"
#include "app/screen_parts.h"

static bool shows_solved(const pl_screen *screen)
{
    return screen->picture != NULL && screen->picture->solved;
}

void pl_screen_follow_inputs(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_new_inputs(screen);
        screen->live_wanted = screen->live_wanted || screen->solve_later || shows_solved(screen);
        screen->solve_later = false;
    }
}

void pl_screen_follow_method(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK && shows_solved(screen)) {
        screen->live_wanted = true; /* who looks at a solved layer sees what the change does */
    } else if (how == PL_OK) {
        screen->picture_wanted = true;
    }
}

/* Panes take what they show from the state: nothing is to be made. */
void pl_screen_follow_view(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)screen;
    (void)call;
    (void)how;
}
