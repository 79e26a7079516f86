/* app/workbench/ask.h -- a question that one key answers: y runs a line of commands, any other key
 * leaves everything as it is. */
#ifndef PL_APP_WORKBENCH_ASK_H
#define PL_APP_WORKBENCH_ASK_H

#include "app/command.h"
#include "views/keys.h"

/* Asks; " y/n" is put behind the question, which is shown until it is answered. */
void pl_screen_ask(pl_screen *screen, const char *question, const char *line);
/* Whether the key was the answer to a question. */
bool pl_screen_answer(pl_screen *screen, pl_press press);

/* Quits, after a question where a long job would end with it. */
void pl_screen_ask_quit(pl_screen *screen);

bool pl_screen_is_asking(const pl_screen *screen);
/* Nothing is asked any more. */
void pl_screen_ask_nothing(pl_screen *screen);

#endif
