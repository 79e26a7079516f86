#include "core/base/nearest.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

enum { TOO_FAR = 4 };

pl_nearest pl_nearest_to(const char *typed)
{
    return (pl_nearest){.typed = typed, .least = TOO_FAR};
}

void pl_nearest_try(pl_nearest *nearest, const char *candidate)
{
    const size_t length = strlen(nearest->typed);
    const bool begins = length > 0 && strncmp(candidate, nearest->typed, length) == 0;
    const size_t distance = begins ? 1 : pl_text_distance(nearest->typed, candidate);
    /* More than half of it other letters: that was not meant. */
    if (distance < nearest->least && (distance <= 1 || 2 * distance <= length)) {
        nearest->least = distance;
        nearest->best = candidate;
    }
}

const char *pl_nearest_hint(const pl_nearest *nearest, const char *before, const char *behind,
                            char out[PL_NEAREST_HINT])
{
    out[0] = '\0';
    if (nearest->best != NULL) {
        snprintf(out, PL_NEAREST_HINT, "%sdid you mean %s?%s", before, nearest->best, behind);
    }
    return out;
}
