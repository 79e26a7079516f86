/* views/terminal.h -- the sole owner of ncurses: opens and closes the screen, shows surfaces, reads
 * keys.  UI thread only; one at a time. */
#ifndef PL_VIEWS_TERMINAL_H
#define PL_VIEWS_TERMINAL_H

#include "views/canvas.h"
#include "views/images.h"
#include "views/keys.h"
#include "views/surface.h"
#include "views/theme.h"

typedef struct pl_terminal pl_terminal;

/* marks: "braille", "blocks", "ascii", or NULL: by the locale's charset and TERM.  Colours follow
 * the terminal's description and NO_COLOR.  Sets LC_CTYPE from the environment, and no other part
 * of the locale.  A TERM that the terminfo database lacks is replaced by xterm, also in the
 * environment, and pl_terminal_notice says so.  PL_ERR_STATE if input or output is no terminal or
 * TERM cannot move its cursor.  Caller owns *out; the terminal is restored by pl_terminal_close,
 * and on fatal signals by rescue.c. */
PL_NODISCARD pl_status pl_terminal_open(const char *marks, pl_terminal **out, pl_error *err);
void pl_terminal_close(pl_terminal *terminal); /* NULL is fine */

/* A sentence on how it was opened, for the user, or NULL. */
const char *pl_terminal_notice(const pl_terminal *terminal);

/* At run time; as marks above. */
void pl_terminal_set_marks(pl_terminal *terminal, const char *marks);

/* The theme for this terminal's background: COLORFGBG says light, else dark. */
pl_theme pl_terminal_usual_theme(void);
void pl_terminal_set_theme(pl_terminal *terminal, pl_theme theme);

/* on: presses come as PL_K_MOUSE; off: the terminal's own selection works.  False if it has no
 * mouse. */
bool pl_terminal_set_mouse(pl_terminal *terminal, bool on);

/* Asks whether it shows images, and the size of a cell; the answers arrive among the keys.  False,
 * without asking, if it has no colours (NO_COLOR) or is too old. */
bool pl_terminal_ask_images(pl_terminal *terminal);
/* Whether it has said that it shows images of a protocol; NONE: whether it has answered. */
bool pl_terminal_shows(const pl_terminal *terminal, pl_graphics protocol);
/* Pixels of a cell; false where they are not known. */
bool pl_terminal_cell(const pl_terminal *terminal, int *width, int *height);
/* Sets the image for the next pl_terminal_show, whose surface leaves these cells blank; its bytes
 * are borrowed until then.  {0}: none. */
void pl_terminal_set_image(pl_terminal *terminal, pl_image image);

pl_marks pl_terminal_marks(const pl_terminal *terminal);
int pl_terminal_colours(const pl_terminal *terminal); /* 256, 8 or 0 */
void pl_terminal_size(const pl_terminal *terminal, int *rows, int *cols);

/* After SIGWINCH: asks the terminal for its size. */
void pl_terminal_resized(pl_terminal *terminal);

/* Puts the cells that changed on the screen. */
PL_NODISCARD pl_status pl_terminal_show(pl_terminal *terminal, const pl_surface *surface,
                                        pl_error *err);

/* Makes the next pl_terminal_show draw everything. */
void pl_terminal_redraw(pl_terminal *terminal);

/* Gives the terminal back to the shell and stops the process; on SIGCONT takes the
 * terminal again. */
void pl_terminal_suspend(pl_terminal *terminal);

/* The next key or report of the mouse, if one waits; never blocks (after an Escape it waits 25 ms
 * for the rest of a sequence). */
bool pl_terminal_key(pl_terminal *terminal, pl_press *press);

#endif
