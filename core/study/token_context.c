#include "core/study/token_context.h"

#include "core/model/bare.h"

#include <stdlib.h>
#include <string.h>

/* Tokens on either side of the one in question. */
enum { AROUND = 4 };

pl_status pl_token_context_init(pl_context cx, pl_id calibration, pl_token_context *out,
                                pl_error *err)
{
    const pl_calibration *asked = &cx.state->calibration;
    const pl_protocol *protocol = &asked->protocol;
    const pl_tokens *tokens = NULL;
    pl_id text = {0};
    *out = (pl_token_context){.length = protocol->length, .windows = protocol->windows};
    if (pl_model_need_tokenizer(cx.state->source->model, &out->tokenizer, NULL) != PL_OK) {
        return PL_OK;
    }
    pl_status status =
        pl_lab_tokens(cx, (const char *const *)asked->texts, asked->n_texts, &tokens, err);
    if (status == PL_ERR_CANCELLED || status == PL_ERR_MEMORY) {
        return status;
    }
    if (status != PL_OK || !pl_calib_text(pl_lab_store(cx.lab), calibration, &text) ||
        !pl_id_equal(text, tokens->text)) {
        return PL_OK;
    }
    out->starts = calloc(out->windows + 1, sizeof *out->starts);
    if (out->starts == NULL) {
        return pl_error_memory(err, "a calibration's windows");
    }
    if (pl_protocol_starts(protocol, tokens->count, out->starts, NULL) == PL_OK) {
        out->tokens = tokens;
    }
    return PL_OK;
}

void pl_token_context_deinit(pl_token_context *context)
{
    free(context->starts);
    *context = (pl_token_context){0};
}

int32_t pl_token_context_id(const pl_token_context *context, size_t position)
{
    return context->tokens != NULL && position < context->tokens->count
               ? context->tokens->ids[position]
               : -1;
}

bool pl_token_context_window(const pl_token_context *context, size_t position, size_t *window,
                             size_t *at)
{
    for (size_t w = 0; context->tokens != NULL && w < context->windows; w++) {
        if (position >= context->starts[w] && position - context->starts[w] < context->length) {
            *window = w;
            *at = position - context->starts[w];
            return true;
        }
    }
    return false;
}

/* Tokens first ... last - 1 as one text: a character may be in several of them. */
static void put_tokens(const pl_token_context *context, size_t first, size_t last, pl_buf *out)
{
    pl_buf raw = {0};
    for (size_t i = first; i < last; i++) {
        pl_tokenizer_decode(context->tokenizer, context->tokens->ids[i], &raw);
    }
    const size_t length = pl_text_escape(raw.data != NULL ? raw.data : "", raw.size, NULL, 0);
    char *safe = malloc(length + 1);
    if (safe != NULL && raw.data != NULL) {
        pl_text_escape(raw.data, raw.size, safe, length + 1);
        pl_buf_puts(out, safe);
    }
    out->failed = out->failed || raw.failed || safe == NULL;
    free(safe);
    pl_buf_deinit(&raw);
}

/* " [war]" of " war". */
static void put_token(const pl_token_context *context, size_t position, pl_buf *out)
{
    pl_buf token = {0};
    put_tokens(context, position, position + 1, &token);
    const char *text = token.data != NULL ? token.data : "";
    const size_t blanks = strspn(text, " ") < token.size ? strspn(text, " ") : 0;
    pl_buf_printf(out, "%.*s[%s]", (int)blanks, text, text + blanks);
    out->failed = out->failed || token.failed;
    pl_buf_deinit(&token);
}

void pl_token_context_words(const pl_token_context *context, size_t position, pl_buf *out)
{
    size_t window = 0, at = 0;
    if (!pl_token_context_window(context, position, &window, &at)) {
        return;
    }
    const size_t before = at < AROUND ? at : AROUND;
    const size_t left = context->length - 1 - at, behind = left < AROUND ? left : AROUND;
    pl_buf_puts(out, at > before ? "\u2026" : "");
    put_tokens(context, position - before, position, out);
    put_token(context, position, out);
    put_tokens(context, position + 1, position + 1 + behind, out);
    pl_buf_puts(out, left > behind ? "\u2026" : "");
}
