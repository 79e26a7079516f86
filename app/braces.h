/* app/braces.h -- a{b,c}d as abd and acd: several texts written as one, as in a shell. */
#ifndef PL_APP_BRACES_H
#define PL_APP_BRACES_H

#include "core/base/error.h"

#include <stddef.h>

enum { PL_BRACES_MOST = 256 };

/* All texts that `text` stands for, the last braces' choices changing fastest; the text itself if
 * it has no braces.  A choice may be empty; blanks, `;` and quotes in it have no meaning here.
 * PL_ERR_USAGE with a sentence for a brace that is not closed or not opened, braces within braces,
 * and more than PL_BRACES_MOST texts.  Caller frees (*out)[0 ... *count - 1] and *out, with
 * pl_braces_free. */
PL_NODISCARD pl_status pl_braces_expand(const char *text, char ***out, size_t *count,
                                        pl_error *err);
void pl_braces_free(char **texts, size_t count);

#endif
