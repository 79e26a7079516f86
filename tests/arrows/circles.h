/* tests/arrows/circles.h -- whether the files of a room include each other in a circle.
 *
 * A module is what has one name: x.c, x.h and x_parts.h, which is private to it.  Files of other
 * names that implement a part of x.h are modules of their own, which nobody includes. */
#ifndef PL_TESTS_CIRCLES_H
#define PL_TESTS_CIRCLES_H

#include "core/base/text.h"

typedef struct pl_circles pl_circles;

pl_circles *pl_circles_create(void); /* NULL without memory */
void pl_circles_destroy(pl_circles *circles);

/* Takes a file in.  path: from the root, "core/method/gptq.c"; text: its content. */
void pl_circles_add(pl_circles *circles, const char *path, const char *text);

/* Appends a line "core/lab: a -> b -> a" to out for each circle; returns their number. */
size_t pl_circles_find(const pl_circles *circles, pl_buf *out);

#endif
