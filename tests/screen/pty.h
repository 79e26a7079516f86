/* tests/screen/pty.h -- planish in a real pseudo-terminal, its output in a terminal emulator.
 *
 * Every wait has a time limit; a test that runs out of it fails and shows the screen. */
#ifndef PL_TESTS_PTY_H
#define PL_TESTS_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct pl_pty pl_pty;

/* Starts the program that PLANISH_BIN names, with these arguments (NULL-terminated, without the
 * program itself; NULL: none) in a terminal of that size.  Its home, state and store are folder's.
 * term and locale go to TERM and LC_ALL. */
pl_pty *pl_pty_start(const char *folder, int rows, int cols, const char *term, const char *locale,
                     const char *const *args);

/* Kills what still runs; NULL is fine. */
void pl_pty_stop(pl_pty *pty);

void pl_pty_send(pl_pty *pty, const char *keys);
void pl_pty_resize(pl_pty *pty, int rows, int cols);
void pl_pty_signal(pl_pty *pty, int signo);

/* Reads for so long. */
void pl_pty_run(pl_pty *pty, double seconds);

/* Until the screen shows the text; returns the seconds it took.  gone: until it does not. */
double pl_pty_wait_text(pl_pty *pty, const char *text, double limit);
void pl_pty_wait_gone(pl_pty *pty, const char *text, double limit);

/* Until the program ends; returns its status as a shell does (128 + signal), and how long it
 * took. */
int pl_pty_wait_end(pl_pty *pty, double limit, double *seconds);

/* The screen's text, a line per row, good until the next call. */
const char *pl_pty_text(pl_pty *pty);
bool pl_pty_shows(pl_pty *pty, const char *text);

/* Text of row [from, to) columns. */
const char *pl_pty_row(pl_pty *pty, int row, int from, int to);

bool pl_pty_alternate(const pl_pty *pty); /* the alternate screen is on */
bool pl_pty_cursor_visible(const pl_pty *pty);
bool pl_pty_cooked(const pl_pty *pty); /* the line discipline edits and echoes */

/* Limits are for a machine that does nothing else; they grow under sanitizers. */
double pl_pty_patience(void);

#endif
