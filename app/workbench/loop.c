#include "app/workbench/screen.h"

#include "app/workbench/ask.h"
#include "app/workbench/draft.h"
#include "app/workbench/figures.h"
#include "app/workbench/keys.h"
#include "app/workbench/knob.h"
#include "app/workbench/lines.h"
#include "app/workbench/looks.h"
#include "app/workbench/mouse.h"
#include "app/workbench/parts.h"
#include "app/workbench/pixels.h"
#include "app/workbench/resume.h"
#include "app/workbench/results.h"
#include "app/workbench/say.h"
#include "app/workbench/show.h"
#include "app/workbench/tour.h"
#include "app/workbench/work.h"
#include "core/base/clock.h"
#include "views/rescue.h"
#include "views/tuner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 100 }; /* how often running times are drawn */

static void take_signals(pl_screen *screen)
{
    for (int signo = 0; (signo = pl_rescue_next()) != 0;) {
        screen->loop.dirty = true;
        switch (signo) {
        case SIGWINCH:
        case SIGCONT:
            pl_terminal_resized(screen->face.terminal);
            break;
        case SIGTSTP:
            pl_terminal_suspend(screen->face.terminal);
            break;
        default:
            screen->loop.signal = signo;
            screen->loop.quit = true;
            break;
        }
    }
}

/* Something may change without a key or an event. */
static bool waits(const pl_screen *screen)
{
    return screen->jobs.first != NULL || screen->loop.dirty || pl_figures_rest(screen) ||
           pl_pixels_rest(screen);
}

static pl_status go_round(pl_screen *screen, pl_error *err)
{
    pl_screen_pump_lines(screen);
    pl_screen_pump_jobs(screen);
    if (screen->loop.quit) {
        return PL_OK;
    }
    if (screen->loop.dirty) {
        pl_status status = pl_screen_show(screen, err);
        if (status != PL_OK) {
            return status;
        }
        screen->loop.dirty = false;
        pl_draft_pump(screen);
        pl_pixels_pump(screen);
        screen->loop.dirty = screen->loop.dirty || pl_screen_take_early_mouse(screen);
    }
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = pl_worker_fd(screen->options->worker), .events = POLLIN},
        {.fd = pl_rescue_fd(), .events = POLLIN},
    };
    int ready = poll(fds, 3, waits(screen) ? BUSY_MS : -1);
    if (ready < 0 && errno != EINTR) {
        return pl_error_set(err, PL_ERR_IO, "waiting for keys failed: %s", strerror(errno));
    }
    screen->loop.dirty = screen->loop.dirty || ready == 0;
    take_signals(screen);
    pl_press press;
    for (int i = 0; i < 256 && !screen->loop.quit && pl_terminal_key(screen->face.terminal, &press);
         i++) {
        screen->loop.dirty = true;
        if (press.key == PL_K_MOUSE) {
            pl_screen_take_mouse(screen, press.mouse);
        } else {
            pl_screen_key(screen, press);
        }
    }
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
        screen->loop.signal = SIGHUP; /* the terminal is gone */
        screen->loop.quit = true;
    }
    if (pl_screen_take_events(screen)) {
        screen->loop.dirty = true;
    }
    return PL_OK;
}

static pl_status open_screen(pl_screen *screen, pl_error *err)
{
    const pl_screen_options *options = screen->options;
    pl_status status = pl_prompt_create(options->history, options->state, &screen->prompt, err);
    PL_THEN(pl_terminal_open(options->marks, &screen->face.terminal, err));
    if (status != PL_OK) {
        return status;
    }
    pl_screen_set_looks(screen);
    screen->model.keys = options->keys;
    screen->model.views.tuner.row = 1; /* the first parameter: the strength */
    screen->model.state = screen->state;
    pl_tuner_follow(&screen->model);
    status = pl_figures_create(screen, err);
    if (status != PL_OK) {
        return status;
    }
    pl_screen_new_model(screen);
    if (options->failure != NULL) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, options->failure);
    } else if (pl_terminal_notice(screen->face.terminal) != NULL) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, pl_terminal_notice(screen->face.terminal));
    } else if (options->notice != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, options->notice);
    }
    pl_screen_look_for_cut_off(screen, !options->restored);
    if (options->first_run) {
        pl_screen_set_tour(screen, PL_TOUR_LAYERS);
    }
    screen->loop.dirty = false;
    return pl_screen_show(screen, err); /* names and panes, before anything is computed */
}

static void close_screen(pl_screen *screen)
{
    pl_terminal_close(screen->face.terminal);
    pl_jobs_stop(&screen->jobs);
    pl_knob_free(screen);
    pl_typed_deinit(&screen->typed);
    pl_screen_ask_nothing(screen);
    pl_screen_resume_nothing(screen);
    pl_undo_deinit(&screen->undo);
    pl_call_log_deinit(&screen->log);
    pl_prompt_destroy(screen->prompt);
    pl_help_close(&screen->over.help);
    pl_palette_close(&screen->over.palette);
    pl_figures_free(screen);
    pl_draft_drop(screen);
    pl_pixels_drop(screen);
    pl_sight_reset(&screen->sight);
    pl_scores_deinit(&screen->scores);
    pl_surface_deinit(&screen->face.surface);
    free(screen);
}

pl_status pl_screen_run(const pl_screen_options *options, int *exit_status, pl_error *err)
{
    *exit_status = 0;
    pl_screen *screen = calloc(1, sizeof *screen);
    if (screen == NULL) {
        return pl_error_memory(err, "the screen");
    }
    screen->options = options;
    screen->state = options->state;
    screen->jobs.worker = options->worker;
    screen->jobs.lab = options->lab;
    pl_status status = open_screen(screen, err);
    while (status == PL_OK && !screen->loop.quit) {
        status = go_round(screen, err);
    }
    *exit_status = screen->loop.signal != 0 ? 128 + screen->loop.signal : 0;
    close_screen(screen);
    return status;
}
