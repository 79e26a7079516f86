/* plots/caption.h -- the words below a figure, as text or LaTeX. */
#ifndef PL_PLOTS_CAPTION_H
#define PL_PLOTS_CAPTION_H

#include "plots/kinds.h"

/* What is shown (one sentence a panel, lettered where there are several), the facts, the methods
 * with every parameter, the model, the calibration and its protocol, the program's version.
 * measured: the commands that measured what is shown, a line each (pl_kind.commands), whose texts
 * and windows are named; NULL: none.  latex: inside \caption{...}, with special characters escaped.
 * Appended to out. */
void pl_caption(const pl_state *state, const pl_request *requests, const pl_figure *figures,
                size_t count, const char *measured, bool latex, pl_buf *out);

/* "Channels: max |w| per input channel of ..., for before and ..., with ...": only what is shown
 * and the facts, for a document that gives the rest elsewhere.  At most 26 panels.  Appended. */
void pl_caption_short(const pl_state *state, const pl_request *requests, const pl_figure *figures,
                      size_t count, pl_buf *out);

#endif
