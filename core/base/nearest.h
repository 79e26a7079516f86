/* core/base/nearest.h -- the name that was probably meant by a misspelt one. */
#ifndef PL_BASE_NEAREST_H
#define PL_BASE_NEAREST_H

#include <stddef.h>

typedef struct pl_nearest {
    const char *typed, *best; /* borrowed; best is NULL where none is near */
    size_t least;
} pl_nearest;

pl_nearest pl_nearest_to(const char *typed);

/* A name that begins with what was typed is near; another one if it differs by at most three
 * letters and by no more than half of them.  Of equal ones the first is kept. */
void pl_nearest_try(pl_nearest *nearest, const char *candidate);

/* "did you mean X?" between two texts, or "" where none is near. */
enum { PL_NEAREST_HINT = 160 };
const char *pl_nearest_hint(const pl_nearest *nearest, const char *before, const char *behind,
                            char out[PL_NEAREST_HINT]);

#endif
