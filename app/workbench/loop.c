#include "app/workbench/screen.h"

#include "app/workbench/parts.h"
#include "core/base/clock.h"
#include "views/rescue.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 100 }; /* how often running times are drawn */

void pl_screen_say(pl_screen *screen, pl_message_kind kind, const char *text)
{
    snprintf(screen->message, sizeof screen->message, "%s", text);
    pl_text_trim_utf8(screen->message);
    screen->model.message = screen->message;
    screen->model.message_kind = kind;
    screen->model.message_seen = false;
    screen->dirty = true;
}

/* --- drawing ---------------------------------------------------------------------------------- */

static void show_jobs(pl_screen *screen)
{
    pl_screen_model *model = &screen->model;
    model->n_jobs = 0;
    model->solving = screen->live_wanted;
    model->solving_seconds = 0;
    model->solve_later = screen->solve_later;
    model->calibrating = pl_screen_brings(screen, PL_BRINGS_INPUTS);
    double now = pl_clock_now();
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        double seconds = now - job->started;
        bool solves = job->kind == PL_JOB_KIND_LIVE;
        if (solves) {
            model->solving = true;
            model->solving_seconds = seconds;
        }
        bool typed = job->kind == PL_JOB_KIND_COMMAND || job->kind == PL_JOB_KIND_PREPARE;
        model->calibrating = model->calibrating || job->kind == PL_JOB_KIND_PREPARE;
        if ((typed || (solves && seconds > 0.3)) && model->n_jobs < PL_MAX_JOBS_SHOWN) {
            job->shown.seconds = seconds;
            model->jobs[model->n_jobs++] = job->shown;
        }
    }
}

static void fill_model(pl_screen *screen)
{
    pl_screen_model *model = &screen->model;
    const pl_state *state = screen->state;
    model->state = state;
    model->overview = screen->overview.n > 0 ? &screen->overview : NULL;
    model->picture = screen->picture;
    model->picture_error = screen->picture_error[0] != '\0' ? screen->picture_error : NULL;
    model->stale = screen->picture != NULL && state->source != NULL &&
                   !pl_id_equal(screen->picture_plan, pl_state_plan(state, state->layer));
    model->calibrated = screen->picture != NULL && screen->picture->input != NULL;
    model->plain =
        screen->have_plain && screen->plain_layer == state->layer ? &screen->plain : NULL;
    model->colours = pl_terminal_colours(screen->terminal);
    show_jobs(screen);
    pl_screen_fill_live(screen);
    pl_screen_fill_figures(screen);
    pl_screen_fill_lists(screen);
}

static pl_status draw(pl_screen *screen, pl_error *err)
{
    int rows = 0;
    int cols = 0;
    pl_terminal_size(screen->terminal, &rows, &cols);
    pl_surface *surface = &screen->surface;
    if (surface->rows != rows || surface->cols != cols) {
        pl_status status = pl_surface_resize(surface, rows, cols, err);
        if (status != PL_OK) {
            return status;
        }
    }
    fill_model(screen);
    const char *message = screen->model.message;
    pl_message_kind kind = screen->model.message_kind;
    bool open = pl_prompt_is_open(screen->prompt);
    if (open && pl_prompt_candidates(screen->prompt)[0] != '\0') {
        screen->model.message = pl_prompt_candidates(screen->prompt);
        screen->model.message_kind = PL_MESSAGE_INFO;
    }
    pl_screen_draw_with_tour(screen, open);
    pl_panes panes = pl_screen_panes(&screen->model, rows, cols);
    if (screen->help.open) {
        surface->cursor_y = -1;
        pl_help_draw(&screen->help, surface, panes.body);
    }
    if (panes.kind != PL_PANES_NOTICE && screen->jobs_view.open) {
        pl_jobs_draw(&screen->jobs_view, &screen->model, surface, panes.body);
    }
    if (panes.kind != PL_PANES_NOTICE && screen->palette.open) {
        pl_palette_draw(&screen->palette, surface, panes.body);
    }
    if (open) {
        pl_prompt_draw(screen->prompt, surface,
                       panes.kind == PL_PANES_NOTICE ? (pl_rect){rows - 1, 0, 1, cols}
                                                     : panes.prompt);
    }
    screen->model.message = message;
    screen->model.message_kind = kind;
    screen->dirty = false;
    return pl_terminal_show(screen->terminal, surface, err);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void take_signals(pl_screen *screen)
{
    for (int signo = 0; (signo = pl_rescue_next()) != 0;) {
        screen->dirty = true;
        switch (signo) {
        case SIGWINCH:
        case SIGCONT:
            pl_terminal_resized(screen->terminal);
            break;
        case SIGTSTP:
            pl_terminal_suspend(screen->terminal);
            break;
        default:
            screen->signal = signo;
            screen->quit = true;
            break;
        }
    }
}

static pl_status go_round(pl_screen *screen, pl_error *err)
{
    pl_screen_pump_lines(screen);
    pl_screen_pump_jobs(screen);
    if (screen->quit) {
        return PL_OK;
    }
    if (screen->dirty) {
        pl_status status = draw(screen, err);
        if (status != PL_OK) {
            return status;
        }
    }
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = pl_worker_fd(screen->options->worker), .events = POLLIN},
        {.fd = pl_rescue_fd(), .events = POLLIN},
    };
    int ready = poll(fds, 3, screen->jobs != NULL || pl_screen_figures_rest(screen) ? BUSY_MS : -1);
    if (ready < 0 && errno != EINTR) {
        return pl_error_set(err, PL_ERR_IO, "waiting for keys failed: %s", strerror(errno));
    }
    screen->dirty = screen->dirty || ready == 0;
    take_signals(screen);
    pl_press press;
    for (int i = 0; i < 256 && !screen->quit && pl_terminal_key(screen->terminal, &press); i++) {
        pl_screen_key(screen, press);
    }
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
        screen->signal = SIGHUP; /* the terminal is gone */
        screen->quit = true;
    }
    pl_screen_take_events(screen);
    return PL_OK;
}

static pl_status open_screen(pl_screen *screen, pl_error *err)
{
    const pl_screen_options *options = screen->options;
    pl_status status = pl_prompt_create(options->history, options->state, &screen->prompt, err);
    if (status == PL_OK) {
        status = pl_terminal_open(options->marks, &screen->terminal, err);
    }
    if (status != PL_OK) {
        return status;
    }
    pl_screen_set_looks(screen);
    screen->model.keys = options->keys;
    screen->model.views.tuner.row = 1; /* the first parameter: the strength */
    status = pl_screen_make_figures(screen, err);
    if (status != PL_OK) {
        return status;
    }
    pl_screen_new_model(screen);
    if (options->failure != NULL) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, options->failure);
    } else if (pl_terminal_notice(screen->terminal) != NULL) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, pl_terminal_notice(screen->terminal));
    } else if (options->notice != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, options->notice);
    }
    if (options->first_run) {
        pl_screen_set_tour(screen, PL_TOUR_LAYERS);
    }
    screen->dirty = false;
    return draw(screen, err); /* names and panes, before anything is computed */
}

static void close_screen(pl_screen *screen)
{
    pl_terminal_close(screen->terminal);
    pl_screen_stop_jobs(screen);
    pl_screen_free_commands(screen);
    pl_prompt_destroy(screen->prompt);
    pl_help_close(&screen->help);
    pl_palette_close(&screen->palette);
    pl_screen_free_lists(screen);
    pl_screen_free_figures(screen);
    pl_picture_destroy(screen->picture);
    free(screen->overview.rows);
    free(screen->scored);
    pl_surface_deinit(&screen->surface);
    free(screen);
}

pl_status pl_screen_run(const pl_screen_options *options, int *exit_status, pl_error *err)
{
    *exit_status = 0;
    pl_screen *screen = calloc(1, sizeof *screen);
    if (screen == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for the screen");
    }
    screen->options = options;
    screen->state = options->state;
    pl_status status = open_screen(screen, err);
    while (status == PL_OK && !screen->quit) {
        status = go_round(screen, err);
    }
    *exit_status = screen->signal != 0 ? 128 + screen->signal : 0;
    close_screen(screen);
    return status;
}
