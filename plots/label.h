/* plots/label.h -- simple mathematics in the texts that a figure's author gives: "x^2", "W_0",
 * "10^{-4}", "\beta".  In a figure's texts two marks of Unicode's private area enclose a raised or
 * lowered piece; this file alone knows them. */
#ifndef PL_PLOTS_LABEL_H
#define PL_PLOTS_LABEL_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends what was typed as a figure's text.  `^` and `_` raise and lower what follows: `{...}`,
 * one letter or sign, or a number.  `_` lowers only behind a single letter or `}`, and only what
 * ends a word, so that q_proj and group_max stay names; `\_` is a plain `_`, and `\` makes any sign
 * plain.  `\beta` and the like are Greek letters and signs.  PL_ERR_USAGE names an unknown word
 * behind `\`, or an unmatched brace. */
PL_NODISCARD pl_status pl_label_read(const char *typed, pl_buf *out, pl_error *err);

/* Appends the text without marks, for plain text: "x²", "e^{ab}". */
void pl_label_plain(const char *text, pl_buf *out);

/* A piece of a text at one height. */
typedef struct pl_label_piece {
    int level;          /* 1: raised, -1: lowered, 0: neither */
    size_t first, size; /* bytes of pl_label_pieces' out */
} pl_label_piece;

enum { PL_LABEL_PIECES = 32 };

/* Cuts a text into pieces and appends their bytes, without marks, to out; returns how many (the
 * last one takes what is left).  signs: turns Unicode's raised and lowered digits and letters into
 * pieces of plain ones, for fonts that lack them. */
size_t pl_label_pieces(const char *text, bool signs, pl_buf *out,
                       pl_label_piece pieces[PL_LABEL_PIECES]);

#endif
