#include "app/workbench/resume.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "app/workbench/steps.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_SAID = 60 };

void pl_resume_put_kept(const pl_call *call, const pl_job_line *shown, pl_buf *out)
{
    if (shown->total <= 0) {
        return;
    }
    if (call->command->keeps) {
        pl_buf_printf(out, ": %.0f of %.0f %s are done and kept", shown->amount, shown->total,
                      shown->what);
    } else {
        pl_buf_printf(out, " at %.0f %%, which is not kept", 100 * shown->share);
    }
}

void pl_screen_resume_nothing(pl_screen *screen)
{
    free(screen->resume.line);
    screen->resume = (pl_resume){0};
}

void pl_screen_look_for_cut_off(pl_screen *screen, bool restore)
{
    const pl_screen_options *options = screen->options;
    const char *line = options->cut_off != NULL ? options->cut_off(options->ctx) : NULL;
    if (line != NULL) {
        pl_screen_resume_nothing(screen);
        screen->resume = (pl_resume){.line = strdup(line), .restore = restore};
    }
}

void pl_screen_note_stopped(pl_screen *screen, const pl_call *call)
{
    pl_buf text = {0};
    const pl_job_line shown = screen->resume.shown;
    /* A long line would leave no room for what is kept. */
    const bool fits = strlen(call->text) <= LONGEST_SAID;
    pl_buf_printf(&text, "%s stopped", fits ? call->text : call->command->name);
    pl_resume_put_kept(call, &shown, &text);
    pl_buf_puts(&text, call->command->keeps ? "; :resume goes on" : "; :resume begins it again");
    pl_screen_resume_nothing(screen);
    screen->resume.line = strdup(call->text);
    pl_screen_say(screen, PL_MESSAGE_WARNING, text.failed ? "stopped" : text.data);
    pl_buf_deinit(&text);
}

pl_status pl_screen_resume(pl_screen *screen, pl_error *err)
{
    if (screen->resume.line == NULL) { /* of a session that was opened since */
        pl_screen_look_for_cut_off(screen, false);
    }
    if (screen->resume.line == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "resume: no command was stopped or cut off");
    }
    if (screen->resume.restore && !pl_screen_restore(screen)) {
        return PL_OK; /* it has said why */
    }
    char *line = screen->resume.line;
    screen->resume = (pl_resume){0};
    pl_status status = pl_typed_add(&screen->typed, line, err);
    pl_screen_say(screen, PL_MESSAGE_INFO, line);
    free(line);
    return status;
}
