/* app/braces.h -- a{b,c}d as abd and acd: several texts in one, as a shell has them. */
#ifndef PL_APP_BRACES_H
#define PL_APP_BRACES_H

#include "core/base/error.h"

#include <stddef.h>

enum { PL_BRACES_MOST = 256 };

/* All texts that `text` stands for, the last braces' choices first to change; the text itself where
 * it has none.  A choice may be empty and hold blanks, `;` and quotes, which mean nothing here.
 * PL_ERR_USAGE with a sentence for a brace that is not closed or not opened, braces within braces,
 * and more than PL_BRACES_MOST texts.  Caller frees (*out)[0 ... *count - 1] and *out, with
 * pl_braces_free. */
PL_NODISCARD pl_status pl_braces_expand(const char *text, char ***out, size_t *count,
                                        pl_error *err);
void pl_braces_free(char **texts, size_t count);

#endif
