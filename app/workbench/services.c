#include "app/workbench/services.h"

#include "app/workbench/parts.h"
#include "views/layers.h"
#include "views/tuner.h"

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

void pl_screen_follow_inputs(pl_screen *screen)
{
    pl_screen_new_inputs(screen);
    pl_wants_now(&screen->wants, pl_sight_is_solved(&screen->sight));
}

void pl_screen_follow_scores(pl_screen *screen)
{
    pl_scores_again(&screen->scores);
}

void pl_screen_follow_layer(pl_screen *screen)
{
    pl_wants_picture(&screen->wants);
}

void pl_screen_follow_methods(pl_screen *screen)
{
    const pl_state *state = screen->state;
    pl_tuner_follow(&screen->model);
    pl_scores_renew(&screen->scores, state);
    if (pl_state_result(state, state->layer) != NULL) {
        pl_wants_no_solve(&screen->wants); /* the setting was solved before */
        pl_wants_picture(&screen->wants);
    } else if (pl_sight_is_solved(&screen->sight)) {
        pl_wants_solve(&screen->wants); /* who looks at a solved layer sees what the change does */
    } else {
        pl_wants_picture(&screen->wants);
    }
}

void pl_screen_add_line(pl_screen *screen, const char *line)
{
    pl_error err = {0};
    if (pl_typed_add(&screen->typed, line, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    }
}
