#include "app/workbench/say.h"

#include "app/workbench/parts.h"

#include <stdio.h>

void pl_screen_say(pl_screen *screen, pl_message_kind kind, const char *text)
{
    snprintf(screen->message, sizeof screen->message, "%s", text);
    pl_text_trim_utf8(screen->message);
    screen->model.message = screen->message;
    screen->model.message_kind = kind;
    screen->model.message_seen = false;
    screen->loop.dirty = true;
}

void pl_screen_open_prompt(pl_screen *screen, const char *text)
{
    pl_screen_say(screen, PL_MESSAGE_INFO, "");
    pl_prompt_open(screen->prompt, text);
}
