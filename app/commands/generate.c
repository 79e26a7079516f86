/* generate: a text continued by the model, before and after. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/study/generate.h"

#include <stdlib.h>
#include <string.h>

enum { CHOSEN_BEFORE, CHOSEN_AFTER, CHOSEN_BOTH };

typedef struct asked_text {
    size_t which, tokens;
    pl_sampling sampling;
    int32_t *prompt; /* with the special tokens before a text */
    size_t n_prompt;
} asked_text;

static pl_status read_sampling(const pl_call *call, asked_text *out, pl_error *err)
{
    size_t seed = 0;
    out->sampling.top_p = 1.0;
    pl_status status = pl_usage_choice(call, "which", &out->which, err);
    PL_THEN(pl_usage_size(call, "tokens", 1, 1u << 20, &out->tokens, err));
    PL_THEN(pl_usage_size(call, "seed", 0, SIZE_MAX, &seed, err));
    PL_THEN(pl_usage_real(call, "temperature", 0, 100, &out->sampling.temperature, err));
    PL_THEN(pl_usage_real(call, "top_p", 0, 1, &out->sampling.top_p, err));
    if (status == PL_OK && !(out->sampling.top_p > 0)) {
        status = pl_error_set(err, PL_ERR_USAGE, "generate: top_p=0: expected a number above 0");
    }
    if (status == PL_OK && !(out->sampling.temperature > 0) &&
        (pl_call_value(call, "seed") != NULL || pl_call_value(call, "top_p") != NULL)) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "generate: seed= and top_p= go with temperature=: without it the "
                              "likeliest token is taken");
    }
    out->sampling.seed = seed;
    return status;
}

static pl_status read_prompt(const pl_call *call, const pl_state *state, pl_lab *lab,
                             asked_text *out, pl_task *task, pl_error *err)
{
    const char *text = call->words[0];
    const pl_tokenizer *tokenizer = NULL;
    int32_t *ids = NULL;
    size_t count = 0;
    pl_status status = pl_model_need_tokenizer(state->source->model, &tokenizer, err);
    PL_THEN(pl_tokenizer_encode(tokenizer, text, strlen(text), pl_lab_memory_limit(lab), &ids,
                                &count, task, err));
    if (status != PL_OK) {
        return status;
    }
    const pl_frame *frame = pl_tokenizer_frame(tokenizer);
    out->prompt = pl_alloc(frame->n_front + count + 1, sizeof *out->prompt);
    if (out->prompt == NULL) {
        status = pl_error_memory(err, "a text");
    } else if (frame->n_front + count == 0) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "generate: the text is empty, expected at least one token");
    } else {
        memcpy(out->prompt, frame->front, frame->n_front * sizeof *out->prompt);
        memcpy(out->prompt + frame->n_front, ids, count * sizeof *out->prompt);
        out->n_prompt = frame->n_front + count;
    }
    free(ids);
    return status;
}

static pl_status need_something_after(const pl_state *state, size_t which, pl_error *err)
{
    if (which == CHOSEN_BEFORE || pl_state_solved_count(state) > 0 || pl_state_quantizes(state)) {
        return which == CHOSEN_BEFORE ? PL_OK : pl_state_check_origin(state, false, err);
    }
    return pl_error_set(err, PL_ERR_STATE,
                        "generate: no layer is solved with the present methods: run `solve all` "
                        "first, or which=before");
}

static void put_continuation(json_t *out, const pl_tokenizer *tokenizer, const pl_continuation *c)
{
    pl_buf text = {0};
    json_t *ids = json_array();
    for (size_t i = 0; i < c->count; i++) {
        pl_tokenizer_show(tokenizer, c->ids[i], &text);
        pl_json_append(ids, json_integer(c->ids[i]));
    }
    pl_json_set(out, "text", json_string(text.data != NULL ? text.data : ""));
    pl_json_set(out, "ids", ids);
    pl_json_set(out, "ended", json_boolean(c->ended));
    pl_json_set(out, "prompt_seconds", json_real(c->reading));
    /* The last token is written, not read. */
    pl_json_set(out, "tokens_per_second",
                c->count > 1 ? pl_json_number((double)(c->count - 1) / c->writing) : json_null());
    pl_buf_deinit(&text);
}

/* The token at which a text stands, or that it has ended. */
static json_t *token_at(const pl_tokenizer *tokenizer, const pl_continuation *c, size_t at)
{
    pl_buf text = {0};
    if (at < c->count) {
        pl_tokenizer_show(tokenizer, c->ids[at], &text);
    }
    json_t *out = at < c->count ? json_string(text.data != NULL ? text.data : "") : json_null();
    pl_buf_deinit(&text);
    return out;
}

/* Where both part: the number of the token, from 0, and what each has there; null: they are one. */
static json_t *first_difference(const pl_tokenizer *tokenizer, const pl_continuation *a,
                                const pl_continuation *b)
{
    size_t n = 0;
    while (n < a->count && n < b->count && a->ids[n] == b->ids[n]) {
        n++;
    }
    return n == a->count && n == b->count
               ? json_null()
               : json_pack("{s:I, s:o, s:o}", "token", (json_int_t)n, "before",
                           token_at(tokenizer, a, n), "after", token_at(tokenizer, b, n));
}

static pl_status run_generate(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                              pl_error *err)
{
    static const char *const names[] = {"before", "after"};
    static const pl_which whichs[] = {PL_WHICH_BEFORE, PL_WHICH_AFTER};
    asked_text asked = {0};
    pl_continuation made[2] = {{0}};
    const pl_tokenizer *tokenizer = pl_model_tokenizer(state->source->model);
    pl_status status = pl_model_need_forward(state->source->model, "generate", err);
    PL_THEN(read_sampling(call, &asked, err));
    PL_THEN(need_something_after(state, asked.which, err));
    PL_THEN(read_prompt(call, state, lab, &asked, task, err));
    for (size_t i = 0; status == PL_OK && i < 2; i++) {
        if (asked.which != CHOSEN_BOTH && asked.which != i) {
            continue;
        }
        json_t *out = json_object();
        status = pl_generate(lab, state, whichs[i], asked.prompt, asked.n_prompt, asked.tokens,
                             &asked.sampling, &made[i], task, err);
        if (status == PL_OK) {
            put_continuation(out, tokenizer, &made[i]);
        }
        pl_json_set(call->result, names[i], out);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "prompt_tokens", json_integer((json_int_t)asked.n_prompt));
        if (asked.which == CHOSEN_BOTH) {
            pl_json_set(call->result, "first_difference",
                        first_difference(tokenizer, &made[0], &made[1]));
        }
    }
    free(made[0].ids);
    free(made[1].ids);
    free(asked.prompt);
    return status;
}

static void put_side(const json_t *result, const char *name, pl_buf *out)
{
    const json_t *side = json_object_get(result, name);
    if (side != NULL) {
        const double rate = json_number_value(json_object_get(side, "tokens_per_second"));
        pl_buf_printf(out, "%s, %zu tokens%s", name, json_array_size(json_object_get(side, "ids")),
                      json_is_true(json_object_get(side, "ended")) ? ", ended" : "");
        if (rate > 0.0) {
            pl_buf_printf(out, ", %.3g a second", rate);
        }
        pl_buf_printf(out, ":\n  %s\n", json_string_value(json_object_get(side, "text")));
    }
}

static void put_generate(const pl_call *call, pl_buf *out)
{
    const json_t *at = json_object_get(call->result, "first_difference");
    put_side(call->result, "before", out);
    put_side(call->result, "after", out);
    if (json_is_object(at)) {
        const char *before = json_string_value(json_object_get(at, "before"));
        const char *after = json_string_value(json_object_get(at, "after"));
        pl_buf_printf(out, "they part at token %lld: \"%s\" before, \"%s\" after\n",
                      (long long)json_integer_value(json_object_get(at, "token")),
                      before != NULL ? before : "(its end)", after != NULL ? after : "(its end)");
    } else if (at != NULL) {
        pl_buf_puts(out, "both are the same\n");
    }
}

static const pl_key generate_keys[] = {
    {"which", PL_KEY_CHOICE, "before", "before|after|both", "whose weights"},
    {"tokens", PL_KEY_INT, "64", NULL, "at most so many"},
    {"temperature", PL_KEY_REAL, "0", NULL, "0: always the likeliest token"},
    {"top_p", PL_KEY_REAL, NULL, NULL, "of the likeliest tokens that together have so much"},
    {"seed", PL_KEY_INT, "0", NULL, "of the chance that temperature gives"},
    {0},
};

const pl_command pl_command_generate = {
    .name = "generate",
    .positional = "\"TEXT\"",
    .min_words = 1,
    .max_words = 1,
    .keys = generate_keys,
    .needs_model = true,
    .summary = "Continue a text by the model as it was, as it is solved, or both",
    .run = run_generate,
    .put_text = put_generate,
    .slow = pl_slow_always,
    .unit = "tokens",
};
