/* tests/arrows/rules.h -- the rules of the house that a look at a source file can check: who may
 * include whom, who may call what, how long a file and a line may be. */
#ifndef PL_TESTS_RULES_H
#define PL_TESTS_RULES_H

#include "core/base/text.h"

/* Appends a line "path:line: what is wrong" to out for each violation; returns their number.
 * path: from the root, "core/method/gptq.c".  text: the file's content. */
size_t pl_rules_check(const char *path, const char *text, pl_buf *out);

#endif
