/* core/study/token_context.h -- where a token of the calibration's text stands: its window, and the
 * words around it.  Worker thread only. */
#ifndef PL_STUDY_TOKEN_CONTEXT_H
#define PL_STUDY_TOKEN_CONTEXT_H

#include "core/lab/lab.h"

/* Borrowed except starts; valid until the next call of pl_lab_tokens. */
typedef struct pl_token_context {
    const pl_tokenizer *tokenizer;
    const pl_tokens *tokens; /* NULL: the text cannot be read, or has changed */
    size_t *starts;          /* [windows] */
    size_t windows, length;
} pl_token_context;

/* A text that cannot be read is no error: its tokens are then unknown.  Caller deinits. */
PL_NODISCARD pl_status pl_token_context_init(pl_context cx, pl_id calibration,
                                             pl_token_context *out, pl_error *err);
void pl_token_context_deinit(pl_token_context *context);

/* The id at a position of the text, -1 where it is not known. */
int32_t pl_token_context_id(const pl_token_context *context, size_t position);

/* The first window that holds a position of the text, and where in it; false where none does. */
bool pl_token_context_window(const pl_token_context *context, size_t position, size_t *window,
                             size_t *at);

/* Appends "…in the [first] war…": the token and its neighbours in the window, safe to show; nothing
 * where they are unknown. */
void pl_token_context_words(const pl_token_context *context, size_t position, pl_buf *out);

#endif
