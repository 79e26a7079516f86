#include "app/workbench/learning.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "core/base/clock.h"

/* Between two pictures of what is being learned. */
static const double PICTURE_SECONDS = 0.5;

bool pl_screen_pause(pl_screen *screen)
{
    const pl_screen_job *job = pl_jobs_bringing(&screen->jobs, PL_BRINGS_TRANSFORM);
    if (job != NULL) {
        pl_jobs_cancel(&screen->jobs, job);
    }
    return job != NULL;
}

void pl_screen_note_learning(pl_screen *screen)
{
    if (pl_clock_now() - screen->learned.at >= PICTURE_SECONDS) {
        screen->learned.count++;
        screen->learned.at = pl_clock_now();
    }
}

void pl_screen_follow_learning(pl_screen *screen, pl_status how)
{
    screen->learned.count++;
    if (how == PL_OK) {
        pl_wants_now_of(&screen->wants, screen->state->layer);
    } else if (how != PL_ERR_CANCELLED) {
        pl_wants_never(&screen->wants);
    } else { /* a promised solve stays promised */
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      screen->wants.later ? "paused: `learn` goes on where it was and solves then, "
                                            "`learn reset` forgets it"
                                          : "paused: `learn` goes on where it was, "
                                            "`learn reset` forgets it");
    }
}
