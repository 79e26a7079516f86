/* views/sequence.h -- what a terminal sends besides keys: reports of the mouse, answers to
 * questions.  Texts here are what follows ESC [, final byte included. */
#ifndef PL_VIEWS_SEQUENCE_H
#define PL_VIEWS_SEQUENCE_H

#include "views/keys.h"

/* Switches reports of presses, drags and the wheel on and off, with coordinates in decimals (xterm
 * control sequences, modes 1000, 1002, 1006). */
#define PL_MOUSE_ON "\033[?1000h\033[?1002h\033[?1006h"
#define PL_MOUSE_OFF "\033[?1006l\033[?1002l\033[?1000l"

/* Synchronized output: what is sent between these is shown at once (mode 2026). */
enum { PL_MODE_SYNC = 2026 };
#define PL_SYNC_BEGIN "\033[?2026h"
#define PL_SYNC_END "\033[?2026l"
#define PL_SYNC_ASK "\033[?2026$p" /* DECRQM: the answer says whether the terminal knows it */

/* Asks whether it shows images: a kitty image of one pixel, CSI 16 t for the size of a cell, and
 * last the attributes (DA1; 4 is sixel), which every terminal answers. */
enum { PL_ATTRIBUTE_SIXEL = 4 };
#define PL_IMAGES_ASK "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[16t\033[c"
#define PL_IMAGE_DELETE "\033_Ga=d,d=I,i=32,q=2\033\\" /* of kitty's protocol, PL_IMAGE_ID */

/* "<0;12;5M" (SGR 1006).  False, with kind PL_MOUSE_NONE, for anything but a report of the left
 * button or the wheel. */
bool pl_mouse_parse(const char *text, pl_mouse *out);

/* The same from the three bytes behind ESC [ M (each plus 32), of terminals without mode 1006. */
bool pl_mouse_from_bytes(const unsigned char bytes[3], pl_mouse *out);

/* Whether "?2026;2$y" says that the terminal knows a mode and lets it be changed. */
bool pl_mode_is_known(const char *text, int mode);

/* Whether a text such as "?62;4;22c" lists a terminal's attributes; whether one is among them. */
bool pl_is_attributes(const char *text);
bool pl_has_attribute(const char *text, int attribute);

/* The pixels of a cell from "6;20;10t"; false, with both left as they are, for any other text. */
bool pl_cell_size(const char *text, int *width, int *height);

/* Whether the text behind ESC _ is kitty's yes, "Gi=31;OK". */
bool pl_is_kitty(const char *text);

/* Sends bytes to the terminal past ncurses, whose buffer is empty between two refreshes. */
void pl_sequence_send(const char *bytes, size_t size);

#endif
