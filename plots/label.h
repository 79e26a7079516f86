/* plots/label.h -- simple mathematics in the texts that a figure's author gives: "x^2", "W_0",
 * "10^{-4}", "\beta".  In a figure's texts a raised or lowered piece stands between two marks of
 * Unicode's private area; everything that draws or writes such a text knows them by this file. */
#ifndef PL_PLOTS_LABEL_H
#define PL_PLOTS_LABEL_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends the text of what was typed.  `^` and `_` raise and lower what follows: `{...}`, one
 * letter or sign, or a number.  `_` does so only behind a letter or `}` that stands alone and
 * before what ends there, so that q_proj and group_max stay names; `\_` is a plain one, and so is
 * any sign behind `\`.  `\beta` and the like are Greek letters and signs.  PL_ERR_USAGE names a
 * word behind `\` that is unknown, and a brace without its other. */
PL_NODISCARD pl_status pl_label_read(const char *typed, pl_buf *out, pl_error *err);

/* Appends the text without marks, for where nothing is raised: "x²", "e^{ab}". */
void pl_label_plain(const char *text, pl_buf *out);

/* A piece of a text that is drawn at one height. */
typedef struct pl_label_piece {
    int level;          /* 1: raised, -1: lowered, 0: neither */
    size_t first, size; /* bytes of pl_label_pieces' out */
} pl_label_piece;

enum { PL_LABEL_PIECES = 32 };

/* Cuts a text into pieces and appends their bytes, without marks, to out; returns how many (the
 * last one takes what is left).  signs: Unicode's raised and lowered digits and letters, too, are
 * pieces of plain ones, for fonts that lack them. */
size_t pl_label_pieces(const char *text, bool signs, pl_buf *out,
                       pl_label_piece pieces[PL_LABEL_PIECES]);

#endif
