#include "app/workbench/show.h"

#include "app/workbench/draft.h"
#include "app/workbench/figures.h"
#include "app/workbench/knob.h"
#include "app/workbench/parts.h"
#include "app/workbench/pixels.h"
#include "app/workbench/say.h"
#include "app/workbench/tour.h"
#include "core/base/clock.h"
#include "views/view.h"

#include <stdint.h>

static void fill_jobs(pl_screen *screen)
{
    pl_screen_model *model = &screen->model;
    model->n_jobs = 0;
    model->solving = screen->wants.solve;
    model->solving_seconds = 0;
    model->solve_later = screen->wants.later;
    model->calibrating = pl_jobs_bringing(&screen->jobs, PL_BRINGS_INPUTS) != NULL;
    double now = pl_clock_now();
    for (pl_screen_job *job = screen->jobs.first; job != NULL; job = job->next) {
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
    model->overview = screen->scores.overview.n > 0 ? &screen->scores.overview : NULL;
    model->picture = screen->sight.picture;
    model->picture_error = screen->sight.error[0] != '\0' ? screen->sight.error : NULL;
    model->stale = screen->sight.picture != NULL && state->source != NULL &&
                   !pl_id_equal(screen->sight.plan, pl_state_plan(state, state->layer));
    model->plan = screen->sight.plan;
    model->calibrated = screen->sight.picture != NULL && screen->sight.picture->input != NULL;
    model->plain = screen->sight.have_plain && screen->sight.plain_layer == state->layer
                       ? &screen->sight.plain
                       : NULL;
    model->not_kept = screen->options->kept != NULL && !screen->options->kept(screen->options->ctx);
    model->colours = pl_terminal_colours(screen->face.terminal);
    model->strength = pl_knob_strength(screen);
    model->best_strength = pl_knob_best(screen);
    model->measured = pl_measuring_of(&screen->measuring, state);
    model->measuring = pl_jobs_bringing(&screen->jobs, PL_BRINGS_PERPLEXITY) != NULL;
    model->all_jobs = pl_jobs_list(&screen->jobs, &model->n_all_jobs);
    model->log = screen->log.lines;
    model->n_log = screen->log.count;
    fill_jobs(screen);
    pl_figures_fill(screen);
    pl_draft_fill(screen);
    pl_pixels_fill(screen);
}

pl_status pl_screen_show(pl_screen *screen, pl_error *err)
{
    int rows = 0;
    int cols = 0;
    pl_terminal_size(screen->face.terminal, &rows, &cols);
    pl_surface *surface = &screen->face.surface;
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
    if (screen->asking.question != NULL) {
        screen->model.message = screen->asking.question;
        screen->model.message_kind = PL_MESSAGE_INFO;
    }
    pl_buf drafted = {0};
    if (open && pl_draft_say(screen, &drafted)) {
        screen->model.message = drafted.data;
        screen->model.message_kind = PL_MESSAGE_INFO;
    }
    if (open && pl_prompt_candidates(screen->prompt)[0] != '\0') {
        screen->model.message = pl_prompt_candidates(screen->prompt);
        screen->model.message_kind = PL_MESSAGE_INFO;
    }
    pl_screen_draw_with_tour(screen, open);
    pl_panes panes = pl_screen_panes(&screen->model, rows, cols);
    if (screen->over.help.open) {
        surface->cursor_y = -1;
        pl_help_draw(&screen->over.help, surface, panes.body);
    }
    if (panes.kind != PL_PANES_NOTICE && screen->over.jobs.open) {
        pl_jobs_draw(&screen->over.jobs, &screen->model, surface, panes.body);
    }
    if (panes.kind != PL_PANES_NOTICE && screen->over.palette.open) {
        pl_palette_draw(&screen->over.palette, surface, panes.body);
    }
    if (panes.kind != PL_PANES_NOTICE && open) {
        pl_draft_draw(screen, panes.body);
    }
    if (open) {
        pl_prompt_draw(screen->prompt, surface,
                       panes.kind == PL_PANES_NOTICE ? (pl_rect){rows - 1, 0, 1, cols}
                                                     : panes.prompt);
    }
    screen->model.message = message;
    screen->model.message_kind = kind;
    pl_buf_deinit(&drafted);
    pl_pixels_place(screen);
    return pl_terminal_show(screen->face.terminal, surface, err);
}

/* --- over the panes --------------------------------------------------------------------------- */

void pl_screen_show_text(pl_screen *screen, const char *title, const char *text)
{
    pl_error err = {0};
    if (pl_help_show(&screen->over.help, title, text, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    }
}

void pl_screen_show_keys(pl_screen *screen, const char *text)
{
    pl_error err = {0};
    if (pl_help_open(&screen->over.help, screen->model.keys, text, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    }
}

void pl_screen_show_jobs(pl_screen *screen)
{
    screen->over.jobs = (pl_jobs_view){.open = true};
}

void pl_screen_show_log(pl_screen *screen)
{
    pl_buf text = {0};
    pl_call_log_put(&screen->log, &text);
    pl_screen_show_text(screen, "Log of this session",
                        text.data != NULL ? text.data : "nothing yet");
    screen->over.help.top = SIZE_MAX; /* the newest */
    pl_buf_deinit(&text);
}
