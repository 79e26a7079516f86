/* tests/support/golden.h -- the values that scripts in tests/golden have made. */
#ifndef PL_TEST_GOLDEN_H
#define PL_TEST_GOLDEN_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* Of the file of that name; the caller's.  Ends the program where it cannot be read. */
static inline json_t *golden_values(const char *name)
{
    const char *root = getenv("PLANISH_SOURCE_ROOT");
    char path[4096];
    json_error_t why;
    snprintf(path, sizeof path, "%s/tests/golden/%s", root != NULL ? root : ".", name);
    json_t *values = json_load_file(path, 0, &why);
    if (values == NULL) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        exit(1);
    }
    return values;
}

#endif
