/* tests/corrupt/open_bad.h -- opening a bad file: what must be said. */
#ifndef PL_TESTS_OPEN_BAD_H
#define PL_TESTS_OPEN_BAD_H

#include "core/io/checkpoint.h"
#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/temp.h"

/* The file must be refused with a sentence that begins with its path and says all of `words`
 * (separated by '|'). */
static inline void check_refused(const char *what, const char *path, const char *words)
{
    pl_error err = {0};
    pl_checkpoint *checkpoint = NULL;
    pl_status status = pl_checkpoint_open(path, &checkpoint, &err);
    if (status == PL_OK) {
        fprintf(stderr, "%s: was opened\n", what);
        fail();
    }
    assert_null(checkpoint);
    assert_int_equal(err.code, status);
    char list[400];
    snprintf(list, sizeof list, "%s", words);
    char *rest = list;
    for (char *word = strsep(&rest, "|"); word != NULL; word = strsep(&rest, "|")) {
        if (strstr(err.message, word) == NULL) {
            fprintf(stderr, "%s: \"%s\" does not say \"%s\"\n", what, err.message, word);
            fail();
        }
    }
    assert_ptr_equal(strstr(err.message, path), err.message);
}

#endif
