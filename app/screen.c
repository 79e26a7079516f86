#include "app/screen.h"

#include "app/screen_parts.h"
#include "views/rescue.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_MS = 100 }; /* how often running times are drawn */

double pl_screen_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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
    model->calibrating = false;
    double now = pl_screen_now();
    for (pl_screen_job *job = screen->jobs; job != NULL; job = job->next) {
        double seconds = now - job->started;
        bool solves = job->kind == PL_JOB_KIND_LIVE;
        if (solves) {
            model->solving = true;
            model->solving_seconds = seconds;
        }
        bool typed = job->kind == PL_JOB_KIND_COMMAND || job->kind == PL_JOB_KIND_PREPARE;
        model->calibrating = model->calibrating || strcmp(job->shown.name, "calibrate") == 0;
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
    show_jobs(screen);
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
    pl_screen_draw(&screen->model, surface, open);
    pl_panes layout = pl_panes_make(rows, cols, screen->model.focus);
    if (screen->help.open) {
        surface->cursor_y = -1;
        pl_help_draw(&screen->help, surface, layout.body);
    }
    if (open) {
        pl_prompt_draw(screen->prompt, surface,
                       layout.kind == PL_LAYOUT_NOTICE ? (pl_rect){rows - 1, 0, 1, cols}
                                                       : layout.prompt);
    }
    screen->model.message = message;
    screen->model.message_kind = kind;
    screen->dirty = false;
    return pl_terminal_show(screen->terminal, surface, err);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void open_prompt(pl_screen *screen, const char *text)
{
    pl_screen_say(screen, PL_MESSAGE_INFO, "");
    pl_prompt_open(screen->prompt, text);
}

static void cycle_view(pl_screen *screen, bool side)
{
    static const char *const sides[] = {"weight", "input"};
    static const char *const whichs[] = {"before", "preconditioned", "after", "both"};
    char text[96];
    if (side) {
        snprintf(text, sizeof text, "view side=%s",
                 sides[screen->state->side == PL_SIDE_WEIGHT ? 1 : 0]);
    } else {
        snprintf(text, sizeof text, "view which=%s", whichs[(screen->state->which + 1) % 4]);
    }
    screen->model.views.channels.placed = screen->model.views.channels.placed && !side;
    screen->model.views.outliers.row = side ? 0 : screen->model.views.outliers.row;
    pl_screen_key_command(screen, text, false);
    if (!side && screen->state->side == PL_SIDE_INPUT) {
        strcat(text, " is for the weights; s shows them");
        pl_screen_say(screen, PL_MESSAGE_INFO, text);
    }
}

static void offer_figure(pl_screen *screen)
{
    const pl_state *state = screen->state;
    if (state->source == NULL) {
        return;
    }
    static const char *const whichs[] = {"before", "preconditioned", "after", "both"};
    char name[80];
    pl_layer_short(pl_model_layer(state->source->model, state->layer), false, name, sizeof name);
    bool input = state->side == PL_SIDE_INPUT;
    bool solved = screen->picture != NULL && screen->picture->solved;
    const pl_channels_view *view = &screen->model.views.channels;
    char text[400];
    snprintf(text, sizeof text, "plot channels file=%s-%s.png side=%s%s%s%s%s", name,
             input ? "inputs" : "weights", input ? "input" : "weight",
             !input && solved ? " which=" : "", !input && solved ? whichs[state->which] : "",
             view->sorted ? " order=sorted" : "", view->log ? " scale=log" : "");
    open_prompt(screen, text);
}

static void open_help(pl_screen *screen)
{
    pl_buf text = {0};
    pl_help(NULL, &text);
    pl_error err = {0};
    if (pl_help_open(&screen->help, text.data != NULL ? text.data : "", &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    }
    pl_buf_deinit(&text);
}

static void change_pane(pl_screen *screen, int by)
{
    pl_pane pane = screen->model.focus;
    screen->model.focus = (pl_pane)(((int)pane + by + PL_PANE_COUNT) % PL_PANE_COUNT);
}

static void cancel(pl_screen *screen)
{
    if (!pl_screen_cancel(screen)) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "nothing runs; q quits");
    }
}

static void global_action(pl_screen *screen, pl_action action)
{
    switch (action) {
    case PL_ACT_SIDE:
    case PL_ACT_WHICH:
        cycle_view(screen, action == PL_ACT_SIDE);
        break;
    case PL_ACT_SOLVE:
        screen->live_wanted = screen->state->source != NULL;
        break;
    case PL_ACT_SOLVE_ALL:
        pl_screen_type_line(screen, "solve all");
        break;
    case PL_ACT_CALIBRATE:
        open_prompt(screen, "calibrate text=");
        break;
    case PL_ACT_FIGURE:
        offer_figure(screen);
        break;
    case PL_ACT_PROMPT:
        open_prompt(screen, "");
        break;
    case PL_ACT_HELP:
        open_help(screen);
        break;
    case PL_ACT_NEXT_PANE:
        change_pane(screen, 1);
        break;
    case PL_ACT_PREV_PANE:
        change_pane(screen, -1);
        break;
    case PL_ACT_CANCEL:
        cancel(screen);
        break;
    case PL_ACT_UNDO:
    case PL_ACT_REDO:
        pl_screen_step_history(screen, action == PL_ACT_UNDO);
        break;
    case PL_ACT_LAST_SESSION:
        pl_screen_restore(screen);
        break;
    case PL_ACT_REDRAW:
        pl_terminal_redraw(screen->terminal);
        break;
    case PL_ACT_SUSPEND:
        pl_terminal_suspend(screen->terminal);
        break;
    case PL_ACT_QUIT:
        screen->quit = true;
        break;
    default:
        break;
    }
}

static void follow_intent(pl_screen *screen, const pl_intent *intent)
{
    if (intent->focus >= 0) {
        screen->model.focus = (pl_pane)intent->focus;
    }
    if (intent->command[0] != '\0') {
        pl_screen_key_command(screen, intent->command, intent->live);
    }
    if (intent->prompt[0] != '\0') {
        open_prompt(screen, intent->prompt);
    }
}

static void pane_key(pl_screen *screen, pl_press press)
{
    const pl_panel *panel = pl_panel_of(screen->model.focus);
    pl_intent intent = {.focus = -1};
    if (panel->type != NULL && panel->type(&screen->model, press, &intent)) {
        follow_intent(screen, &intent);
        return;
    }
    pl_action action = pl_key_action(press.key, screen->model.focus);
    if (action != PL_ACT_NONE && !panel->act(&screen->model, action, &intent)) {
        global_action(screen, action);
    }
    follow_intent(screen, &intent);
}

static void one_key(pl_screen *screen, pl_press press)
{
    screen->dirty = true;
    if (press.key == PL_K_RESIZE) {
        return; /* ncurses' echo of a resize that take_signals has followed */
    }
    screen->model.message_seen = true;
    if (pl_prompt_is_open(screen->prompt)) {
        char *line = NULL;
        pl_prompt_key(screen->prompt, press, &line);
        if (line != NULL) {
            pl_screen_type_line(screen, line);
            free(line);
        }
        if (!press.alt || pl_prompt_is_open(screen->prompt) || line != NULL) {
            return;
        }
        press.alt = false; /* the Escape closed the prompt; the key behind it is another one */
    }
    if (press.alt) {
        one_key(screen, (pl_press){.key = PL_KEY_ESC});
        press.alt = false;
    }
    if (screen->help.open) {
        int rows = 0;
        int cols = 0;
        pl_terminal_size(screen->terminal, &rows, &cols);
        pl_help_key(&screen->help, press, rows - 3);
        return;
    }
    pane_key(screen, press);
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

static pl_status turn(pl_screen *screen, pl_error *err)
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
    int ready = poll(fds, 3, screen->jobs != NULL ? BUSY_MS : -1);
    if (ready < 0 && errno != EINTR) {
        return pl_error_set(err, PL_ERR_IO, "waiting for keys failed: %s", strerror(errno));
    }
    screen->dirty = screen->dirty || ready == 0;
    take_signals(screen);
    pl_press press;
    for (int i = 0; i < 256 && !screen->quit && pl_terminal_key(screen->terminal, &press); i++) {
        one_key(screen, press);
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
    screen->model.marks = pl_terminal_marks(screen->terminal);
    screen->surface.ascii = screen->model.marks == PL_MARKS_ASCII;
    screen->model.views.tuner.row = 1; /* the first parameter: the strength */
    bool empty = screen->state->n_overrides == 0;
    for (size_t slot = 0; slot < PL_SLOT_COUNT; slot++) {
        empty = empty && screen->state->slots[slot].method == NULL;
    }
    if (empty) {
        pl_state_default_methods(screen->state); /* knobs to turn from the first key on */
    }
    pl_screen_new_model(screen);
    if (options->failure != NULL) {
        pl_screen_say(screen, PL_MESSAGE_WARNING, options->failure);
    } else if (options->notice != NULL) {
        pl_screen_say(screen, PL_MESSAGE_INFO, options->notice);
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
    pl_picture_destroy(screen->picture);
    free(screen->overview.scores);
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
        status = turn(screen, err);
    }
    *exit_status = screen->signal != 0 ? 128 + screen->signal : 0;
    close_screen(screen);
    return status;
}
