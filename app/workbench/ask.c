#include "app/workbench/ask.h"

#include "app/workbench/parts.h"
#include "app/workbench/resume.h"
#include "app/workbench/say.h"
#include "views/text.h"

#include <stdlib.h>
#include <string.h>

enum { COMMAND_COLS = 60 }; /* of a question of two lines of 80 */

void pl_screen_ask_nothing(pl_screen *screen)
{
    free(screen->asking.question);
    free(screen->asking.line);
    screen->asking = (pl_asking){0};
}

void pl_screen_ask(pl_screen *screen, const char *question, const char *line)
{
    pl_buf text = {0};
    pl_screen_ask_nothing(screen);
    pl_buf_printf(&text, "%s  y/n", question);
    char *copy = strdup(line);
    if (text.failed || copy == NULL) {
        pl_buf_deinit(&text);
        free(copy);
        return; /* nothing is done unasked */
    }
    screen->asking = (pl_asking){.question = text.data, .line = copy};
    screen->model.message_seen = false; /* it may take two lines */
    screen->loop.dirty = true;
}

bool pl_screen_is_asking(const pl_screen *screen)
{
    return screen->asking.question != NULL;
}

bool pl_screen_answer(pl_screen *screen, pl_press press)
{
    if (screen->asking.question == NULL) {
        return false;
    }
    const bool yes = press.key == 'y' || press.key == 'Y';
    char *line = screen->asking.line;
    screen->asking.line = NULL;
    pl_screen_ask_nothing(screen);
    pl_error err = {0};
    if (!yes) {
        pl_screen_say(screen, PL_MESSAGE_INFO, "no: nothing has changed");
    } else if (pl_typed_add(&screen->typed, line, &err) != PL_OK) {
        pl_screen_say(screen, PL_MESSAGE_ERROR, err.message);
    }
    free(line);
    return true;
}

void pl_screen_ask_quit(pl_screen *screen)
{
    const pl_screen_job *job = pl_jobs_slow(&screen->jobs);
    if (job == NULL) {
        screen->loop.quit = true;
        return;
    }
    pl_buf text = {0};
    const size_t shown = pl_text_fit(job->call->text, COMMAND_COLS);
    pl_buf_printf(&text, "`%.*s%s` runs", (int)shown, job->call->text,
                  job->call->text[shown] != '\0' ? "..." : "");
    pl_resume_put_kept(job->call, &job->shown, &text);
    pl_buf_puts(&text, ".  Quit?");
    if (!text.failed) {
        pl_screen_ask(screen, text.data, "quit");
    }
    pl_buf_deinit(&text);
}
