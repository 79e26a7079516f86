/* core/base/latex.h -- plain text as LaTeX. */
#ifndef PL_BASE_LATEX_H
#define PL_BASE_LATEX_H

#include "core/base/text.h"

/* Appends UTF-8 text so that LaTeX sets it as it reads: characters that are its commands are
 * escaped, the mathematical signs that captions and tables use become its own. */
void pl_latex_put(pl_buf *out, const char *text);

#endif
