#include "app/workbench/resume.h"

#include "app/workbench/parts.h"
#include "app/workbench/say.h"
#include "app/workbench/steps.h"

#include <stdlib.h>
#include <string.h>

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

void pl_screen_note_cut_off(pl_screen *screen, const char *line, bool restore)
{
    free(screen->resume.line);
    screen->resume = (pl_resume){0};
    screen->resume.line = line != NULL ? strdup(line) : NULL;
    screen->resume.restore = restore;
}

void pl_screen_note_stopped(pl_screen *screen, const pl_call *call)
{
    pl_buf text = {0};
    const pl_job_line shown = screen->resume.shown;
    pl_buf_printf(&text, "%s stopped", call->text);
    pl_resume_put_kept(call, &shown, &text);
    pl_buf_puts(&text, call->command->keeps ? "; :resume goes on" : "; :resume begins it again");
    pl_screen_note_cut_off(screen, call->text, false);
    pl_screen_say(screen, PL_MESSAGE_WARNING, text.failed ? "stopped" : text.data);
    pl_buf_deinit(&text);
}

pl_status pl_screen_resume(pl_screen *screen, pl_error *err)
{
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
