#include "app/workbench/services.h"

#include "app/workbench/parts.h"

#include <stdio.h>

pl_status pl_screen_save(pl_screen *screen, pl_error *err)
{
    if (screen->options->save == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "save: there is no session to save to");
    }
    return screen->options->save(screen->options->ctx, screen->state, err);
}

pl_status pl_screen_filter(pl_screen *screen, const char *expression, pl_error *err)
{
    pl_status status = pl_layers_filter(&screen->model, expression, err);
    if (status == PL_OK) {
        screen->model.views.layers.typing = false;
        pl_screen_say(screen, PL_MESSAGE_INFO,
                      expression[0] == '\0' ? "all layers are listed"
                                            : "filtered; :filter none lists all layers");
    }
    return status;
}

void pl_screen_choose_columns(pl_screen *screen, const pl_column *columns, size_t count)
{
    pl_layers_view *view = &screen->model.views.layers;
    for (size_t i = 0; i < count; i++) {
        view->chosen[i] = columns[i];
    }
    view->n_chosen = count;
}

void pl_screen_show_jobs(pl_screen *screen)
{
    screen->jobs_view = (pl_jobs_view){.open = true};
}

pl_status pl_screen_write_log(pl_screen *screen, const char *file, pl_error *err)
{
    if (screen->options->script == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "log: there is no session to write");
    }
    pl_status status = screen->options->script(screen->options->ctx, file, err);
    if (status == PL_OK) {
        char text[400];
        snprintf(text, sizeof text, "the session's commands are in %.300s; planish --batch runs it",
                 file);
        pl_screen_say(screen, PL_MESSAGE_INFO, text);
    }
    return status;
}

pl_status pl_screen_show_help(pl_screen *screen, const char *text, bool keys, pl_error *err)
{
    return keys ? pl_help_open(&screen->help, screen->model.keys, text, err)
                : pl_help_show(&screen->help, "Planish help", text, err);
}

static bool shows_solved(const pl_screen *screen)
{
    return screen->picture != NULL && screen->picture->solved;
}

void pl_screen_follow_inputs(pl_screen *screen)
{
    pl_screen_new_inputs(screen);
    screen->live_wanted = screen->live_wanted || screen->solve_later || shows_solved(screen);
    screen->solve_later = false;
}

void pl_screen_follow_methods(pl_screen *screen)
{
    if (shows_solved(screen)) {
        screen->live_wanted = true; /* who looks at a solved layer sees what the change does */
    } else {
        screen->picture_wanted = true;
    }
}
