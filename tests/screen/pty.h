/* tests/screen/pty.h -- planish in a real pseudo-terminal, its output in a terminal emulator.
 *
 * Every wait has a time limit; a test that runs out of it fails and shows the screen. */
#ifndef PL_TESTS_PTY_H
#define PL_TESTS_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct pl_pty pl_pty;

/* Starts the program that PLANISH_BIN names, with these arguments (NULL-terminated, without the
 * program itself; NULL: none) in a terminal of that size.  Its home, state, store and working
 * folder are folder's.  term and locale go to TERM and LC_ALL. */
pl_pty *pl_pty_start(const char *folder, int rows, int cols, const char *term, const char *locale,
                     const char *const *args);

/* The same with more to say of how it runs; {0} is what pl_pty_start does. */
typedef struct pl_pty_options {
    const char *program;    /* NULL: what PLANISH_BIN names */
    const char *cache;      /* NULL: folder/cache; else another one, which several may share */
    const char *const *env; /* "NAME", "value", ..., NULL: set besides; NULL: none */
    const char *err;        /* file for what goes to standard error; NULL: the terminal */
} pl_pty_options;
pl_pty *pl_pty_start_with(const char *folder, int rows, int cols, const char *term,
                          const char *locale, const char *const *args,
                          const pl_pty_options *options);

/* From here on the emulator answers no question of the program: the test does. */
void pl_pty_mute(pl_pty *pty);

/* Kills what still runs; NULL is fine. */
void pl_pty_stop(pl_pty *pty);

void pl_pty_send(pl_pty *pty, const char *keys);
void pl_pty_resize(pl_pty *pty, int rows, int cols);
void pl_pty_signal(pl_pty *pty, int signo);

/* Reads for so long. */
void pl_pty_run(pl_pty *pty, double seconds);

/* Reads until nothing has come for so long while the program did nothing, at most `limit` seconds;
 * false if it never came to rest. */
bool pl_pty_rest(pl_pty *pty, double quiet, double limit);

/* Sends bytes however slowly they are taken, reading what comes meanwhile. */
void pl_pty_feed(pl_pty *pty, const char *bytes, size_t size);

/* Until there(pty, ctx), looking after each piece of output; seconds since the call, or -1 after
 * `limit`: then, or when the program has ended, the caller says what is wrong. */
double pl_pty_wait(pl_pty *pty, bool (*there)(pl_pty *pty, const void *ctx), const void *ctx,
                   double limit);

/* Until the screen shows the text; returns the seconds it took.  gone: until it does not. */
double pl_pty_wait_text(pl_pty *pty, const char *text, double limit);
void pl_pty_wait_gone(pl_pty *pty, const char *text, double limit);

/* Sends the keys, and waits for the text. */
void pl_pty_send_wait(pl_pty *pty, const char *keys, const char *text, double limit);

/* Leaves by `:quit`: the program must end, with status 0; and stops it. */
void pl_pty_leave(pl_pty *pty, double limit);

/* Until the program ends; returns its status as a shell does (128 + signal), and how long it
 * took. */
int pl_pty_wait_end(pl_pty *pty, double limit, double *seconds);

/* The screen's text, a line per row, good until the next call. */
const char *pl_pty_text(pl_pty *pty);
bool pl_pty_shows(pl_pty *pty, const char *text);

/* Text of row [from, to) columns. */
const char *pl_pty_row(pl_pty *pty, int row, int from, int to);

/* How a cell looks.  Colours: 0 ... 255, -1 the terminal's own. */
typedef struct pl_pty_cell {
    uint32_t code; /* 0: blank; UINT32_MAX: right half of a wide character */
    short fg, bg;
    bool bold, underline, reverse;
} pl_pty_cell;
pl_pty_cell pl_pty_cell_at(pl_pty *pty, int row, int col);

/* Appends a character at *to, which is moved; at most 4 bytes. */
void pl_pty_utf8(char **to, uint32_t code);

int pl_pty_rows(const pl_pty *pty);
int pl_pty_cols(const pl_pty *pty);
size_t pl_pty_bytes(const pl_pty *pty); /* that the program has sent so far */
bool pl_pty_ended(pl_pty *pty);

bool pl_pty_alternate(const pl_pty *pty); /* the alternate screen is on */
bool pl_pty_cursor_visible(const pl_pty *pty);
/* Which reports of the mouse the program has asked for: 0 none, 1 presses, 2 drags, too. */
int pl_pty_mouse(const pl_pty *pty);

/* Every byte that came since the last call, as it came; good until the next one.  The first call
 * begins it. */
const char *pl_pty_record(pl_pty *pty);

bool pl_pty_cooked(const pl_pty *pty); /* the line discipline edits and echoes */

/* Limits are for a machine that does nothing else; they grow under sanitizers. */
double pl_pty_patience(void);

#endif
