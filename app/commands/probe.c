/* probe: one typed sentence, token by token. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/metrics/perplexity.h"
#include "core/model/bare.h"

#include <stdlib.h>
#include <string.h>

static void put_probe(json_t *list, const pl_tokenizer *tokenizer, const pl_probe_token *token)
{
    pl_buf text = {0};
    pl_tokenizer_show(tokenizer, token->id, &text);
    pl_json_append(list, json_pack("{s:s, s:i, s:I, s:o, s:I, s:o}", "text",
                                   text.data != NULL ? text.data : "", "id", (int)token->id,
                                   "channel", (json_int_t)token->channel, "value",
                                   pl_json_number((double)token->channel_value), "block",
                                   (json_int_t)token->block, "loss", pl_json_number(token->loss)));
    pl_buf_deinit(&text);
}

static pl_status run_probe(pl_call *call, pl_context cx, pl_error *err)
{
    const char *text = call->words[0];
    const pl_tokenizer *tokenizer = NULL;
    int32_t *ids = NULL;
    size_t count = 0;
    pl_probe_token *tokens = NULL;
    pl_status status = pl_model_need_forward(cx.state->source->model, "probe", err);
    PL_THEN(pl_model_need_tokenizer(cx.state->source->model, &tokenizer, err));
    PL_THEN(pl_tokenizer_encode(tokenizer, text, strlen(text), pl_lab_memory_limit(cx.lab), &ids,
                                &count, cx.task, err));
    size_t limit = pl_config_longest(pl_model_config(cx.state->source->model));
    if (status == PL_OK && (count == 0 || (limit > 0 && count > limit))) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "probe: the text has %zu tokens, expected 1 to %zu", count, limit);
    }
    if (status == PL_OK && (tokens = calloc(count, sizeof *tokens)) == NULL) {
        status = pl_error_memory(err, "a result");
    }
    PL_THEN(pl_probe(cx.state->source->model, ids, count, NULL, tokens, cx.task, err));
    if (status == PL_OK) {
        json_t *list = json_array();
        pl_json_set(call->result, "tokens", list);
        for (size_t i = 0; i < count; i++) {
            put_probe(list, tokenizer, &tokens[i]);
        }
    }
    free(tokens);
    free(ids);
    return status;
}

const pl_command pl_command_probe = {
    .name = "probe",
    .positional = "\"TEXT\"",
    .min_words = 1,
    .max_words = 1,
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Run a typed sentence: loss and largest channel per token",
    .run = run_probe,
};
