/* tests/screen/shot.h -- a screen as text and looks, and files of stored ones to compare with.
 *
 * A file holds one scene at one size, for several modes (256, 8, none, ascii): a block of text per
 * mode, "text 8 as 256" where it is the same, and, of screens of PL_LOOKS_ROWS rows, a block of
 * looks under it: a letter a cell, ' ' for one that looks as the terminal does by itself.  What a
 * letter means stands in the file "looks", for all scenes ("a 255/24+bold": colour, background).
 * What differs from run to run is masked: durations become "#s", the digits of clock times 0.  Of
 * numbers with five digits and more, three are compared: sums end otherwise on other processors. */
#ifndef PL_TESTS_SHOT_H
#define PL_TESTS_SHOT_H

#include "tests/screen/pty.h"

/* Looks are stored at the smallest size only: a larger screen has the same styles. */
enum { PL_LOOKS_ROWS = 24 };

typedef struct pl_shot {
    int rows;
    char **text;  /* [rows] UTF-8, without the blanks at the end */
    char **looks; /* [rows] letters, the same */
} pl_shot;

pl_shot pl_shot_take(pl_pty *pty);
void pl_shot_deinit(pl_shot *shot);

/* $PLANISH_SOURCE_ROOT/tests/screen/stored/SCENE-COLSxROWS.txt. */
typedef struct pl_stored pl_stored;

/* NULL if there is no such file. */
pl_stored *pl_stored_read(const char *scene, int rows, int cols);
void pl_stored_free(pl_stored *stored); /* NULL is fine */

/* The shot is the stored one.  */
bool pl_stored_is(const pl_stored *stored, const char *mode, const pl_shot *shot);

/* Prints the rows that differ, expected above found, to standard error. */
void pl_stored_explain(const pl_stored *stored, const char *scene, const char *mode,
                       const pl_shot *shot);

/* Puts the shot in the file in place of what it has for this mode. */
void pl_stored_write(const char *scene, int rows, int cols, const char *mode, const pl_shot *shot);

/* Removes all stored files: before they are written anew. */
void pl_stored_clear(void);

#endif
