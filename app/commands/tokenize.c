/* tokenize: a text as token ids. */
#include "app/commands/parts.h"
#include "app/usage.h"
#include "core/base/json.h"

#include <stdlib.h>

static pl_status run_tokenize(pl_call *call, pl_context cx, pl_error *err)
{
    const char *files[PL_MAX_TEXTS];
    size_t n_files = 0;
    char *owned = NULL;
    size_t limit = SIZE_MAX;
    const pl_tokens *tokens = NULL;
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_tokenizer(cx.state->source->model, &tokenizer, err);
    PL_THEN(pl_usage_size(call, "limit", 0, SIZE_MAX, &limit, err));
    PL_THEN(pl_text_files(call, cx.state, "evaluation.txt", files, &n_files, &owned, err));
    PL_THEN(pl_lab_tokens(cx, files, n_files, &tokens, err));
    if (status == PL_OK) {
        json_t *ids = json_array();
        for (size_t i = 0; i < tokens->count && i < limit; i++) {
            pl_json_append(ids, json_integer(tokens->ids[i]));
        }
        pl_json_set(call->result, "count", json_integer((json_int_t)tokens->count));
        pl_json_set(call->result, "ids", ids);
    }
    free(owned);
    return status;
}

static const pl_key tokenize_keys[] = {
    {"text", PL_KEY_FILE, NULL, NULL, "a .txt file, or .jsonl or .json with `text` fields"},
    {"limit", PL_KEY_INT, NULL, NULL, "show only the first ids"},
    {0},
};

const pl_command pl_command_tokenize = {
    .name = "tokenize",
    .positional = "",
    .keys = tokenize_keys,
    .needs_model = true,
    .summary = "Turn a text into token ids",
    .run = run_tokenize,
};
