/* The state of a walk: its first failure, its steps and its depth. */
#include "core/model/template_parts.h"

#include <stdarg.h>
#include <stdio.h>

pl_tpl_value pl_tpl_fail(pl_tpl_machine *m, pl_status code, const char *format, ...)
{
    if (m->status == PL_OK) {
        char text[PL_ERROR_TEXT];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        pl_text_trim_utf8(text);
        m->status = pl_error_set(m->err, code, "the chat template, line %zu: %s", m->line, text);
    }
    return (pl_tpl_value){.kind = PL_TPL_UNDEFINED, .as.text = {"", 0}};
}

bool pl_tpl_step(pl_tpl_machine *m, size_t steps)
{
    enum { BETWEEN_TICKS = 20000 };
    m->steps += steps;
    if (m->status == PL_OK && m->steps > PL_TPL_STEPS) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "it does not end within %d steps", PL_TPL_STEPS);
    }
    if (m->status == PL_OK && m->steps - m->ticked > BETWEEN_TICKS) {
        m->ticked = m->steps;
        m->status = pl_task_tick(m->task, m->err);
    }
    return m->status == PL_OK;
}

bool pl_tpl_enter(pl_tpl_machine *m)
{
    if (m->depth >= PL_TPL_DEPTH) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "it calls itself, or nests, more than %d times deep",
                    PL_TPL_DEPTH);
        return false;
    }
    m->depth++;
    return m->status == PL_OK || (m->depth--, false);
}

void pl_tpl_leave(pl_tpl_machine *m)
{
    m->depth--;
}
