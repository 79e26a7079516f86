/* views/sequence.h -- what a terminal sends that is no key: reports of the mouse, answers to
 * questions.  Texts are what stands behind ESC [, the final byte included. */
#ifndef PL_VIEWS_SEQUENCE_H
#define PL_VIEWS_SEQUENCE_H

#include "views/keys.h"

/* Switches reports of presses, drags and the wheel on and off, with coordinates in decimals (xterm
 * control sequences, modes 1000, 1002, 1006). */
#define PL_MOUSE_ON "\033[?1000h\033[?1002h\033[?1006h"
#define PL_MOUSE_OFF "\033[?1006l\033[?1002l\033[?1000l"

/* Synchronized output: what stands between is shown at once (mode 2026). */
enum { PL_MODE_SYNC = 2026 };
#define PL_SYNC_BEGIN "\033[?2026h"
#define PL_SYNC_END "\033[?2026l"
#define PL_SYNC_ASK "\033[?2026$p" /* DECRQM: the answer says whether the terminal knows it */

/* Whether it shows images: kitty's protocol is asked for one pixel, CSI 16 t for the size of a
 * cell, and the attributes (DA1), of which 4 is sixel, last, since every terminal answers those. */
enum { PL_ATTRIBUTE_SIXEL = 4 };
#define PL_IMAGES_ASK "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[16t\033[c"
#define PL_IMAGE_DELETE "\033_Ga=d,d=I,i=32,q=2\033\\" /* of kitty's protocol, PL_IMAGE_ID */

/* "<0;12;5M" (SGR 1006).  False for what is no report of the left button or the wheel; then the
 * kind is PL_MOUSE_NONE. */
bool pl_mouse_parse(const char *text, pl_mouse *out);

/* The three bytes behind ESC [ M of terminals without mode 1006, 32 added to each. */
bool pl_mouse_from_bytes(const unsigned char bytes[3], pl_mouse *out);

/* Whether "?2026;2$y" says that the terminal knows a mode and lets it be changed. */
bool pl_mode_is_known(const char *text, int mode);

/* Whether "?62;4;22c" are a terminal's attributes; whether one is among them. */
bool pl_is_attributes(const char *text);
bool pl_has_attribute(const char *text, int attribute);

/* The pixels of a cell from "6;20;10t"; false, with both left as they are, for any other text. */
bool pl_cell_size(const char *text, int *width, int *height);

/* Whether "Gi=31;OK", behind ESC _, is the yes of kitty's protocol. */
bool pl_is_kitty(const char *text);

/* Sends bytes to the terminal past ncurses, whose buffer is empty between two refreshes. */
void pl_sequence_send(const char *bytes, size_t size);

#endif
