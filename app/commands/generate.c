/* generate: a text continued by the model, before and after. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/model/chat.h"
#include "core/study/generate.h"
#include "views/text.h"

#include <stdlib.h>
#include <string.h>

enum { CHOSEN_BEFORE, CHOSEN_AFTER, CHOSEN_BOTH };

typedef struct asked_text {
    size_t which, tokens;
    pl_sampling sampling;
    int32_t *prompt; /* with the special tokens before a text */
    size_t n_prompt;
    size_t chat;     /* whether the text is what a user says */
    pl_buf rendered; /* then: what the checkpoint's template makes of it */
    int32_t ends[PL_MAX_ENDS];
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
    PL_THEN(pl_usage_choice(call, "chat", &out->chat, err));
    if (status == PL_OK && out->chat == 0 && pl_call_value(call, "system") != NULL) {
        status = pl_error_set(err, PL_ERR_USAGE, "generate: system= goes with chat=yes");
    }
    out->sampling.seed = seed;
    return status;
}

/* The text that the model reads: the words given, or a chat with them. */
static pl_status take_prompt(const pl_call *call, pl_model *model, asked_text *out, pl_task *task,
                             pl_error *err)
{
    size_t n_ends = 0;
    pl_status status = pl_chat_ends(model, out->ends, &n_ends, err);
    out->sampling.ends = out->ends;
    out->sampling.n_ends = n_ends;
    if (status == PL_OK && out->chat != 0) {
        status = pl_chat_text(model, pl_call_value(call, "system"), call->words[0], time(NULL),
                              &out->rendered, task, err);
        if (status != PL_OK) {
            pl_error_prefix(err, "generate: chat=yes: ");
        }
    } else if (status == PL_OK) {
        pl_buf_puts(&out->rendered, call->words[0]);
        status = pl_buf_check(&out->rendered, err);
    }
    return status;
}

static pl_status read_prompt(const pl_call *call, pl_context cx, asked_text *out, pl_error *err)
{
    const pl_tokenizer *tokenizer = NULL;
    int32_t *ids = NULL;
    size_t count = 0;
    pl_status status = pl_model_need_tokenizer(cx.state->source->model, &tokenizer, err);
    PL_THEN(take_prompt(call, cx.state->source->model, out, cx.task, err));
    const char *text = out->rendered.data != NULL ? out->rendered.data : "";
    PL_THEN(pl_tokenizer_encode(tokenizer, text, out->rendered.size, pl_lab_memory_limit(cx.lab),
                                &ids, &count, cx.task, err));
    if (status != PL_OK) {
        return status;
    }
    /* A template writes its special tokens itself. */
    static const pl_frame none;
    const pl_frame *frame = out->chat != 0 ? &none : pl_tokenizer_frame(tokenizer);
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

/* Where two texts first differ: the token's number, from 0, the bytes before it in each text, and
 * each one's token; null: they are equal. */
static json_t *first_difference(const pl_tokenizer *tokenizer, const pl_continuation *a,
                                const pl_continuation *b)
{
    size_t n = 0;
    pl_buf before = {0};
    while (n < a->count && n < b->count && a->ids[n] == b->ids[n]) {
        pl_tokenizer_show(tokenizer, a->ids[n++], &before);
    }
    json_t *made = n == a->count && n == b->count
                       ? json_null()
                       : json_pack("{s:I, s:I, s:o, s:o}", "token", (json_int_t)n, "at",
                                   (json_int_t)before.size, "before", token_at(tokenizer, a, n),
                                   "after", token_at(tokenizer, b, n));
    pl_buf_deinit(&before);
    return made;
}

static pl_status run_generate(pl_call *call, pl_context cx, pl_error *err)
{
    static const char *const names[] = {"before", "after"};
    static const pl_which whichs[] = {PL_WHICH_BEFORE, PL_WHICH_AFTER};
    asked_text asked = {0};
    pl_continuation made[2] = {{0}};
    const pl_tokenizer *tokenizer = pl_model_tokenizer(cx.state->source->model);
    pl_status status = pl_model_need_forward(cx.state->source->model, "generate", err);
    PL_THEN(read_sampling(call, &asked, err));
    PL_THEN(need_something_after(cx.state, asked.which, err));
    PL_THEN(read_prompt(call, cx, &asked, err));
    for (size_t i = 0; status == PL_OK && i < 2; i++) {
        if (asked.which != CHOSEN_BOTH && asked.which != i) {
            continue;
        }
        json_t *out = json_object();
        status = pl_generate(cx, whichs[i], asked.prompt, asked.n_prompt, asked.tokens,
                             &asked.sampling, &made[i], err);
        if (status == PL_OK) {
            put_continuation(out, tokenizer, &made[i]);
        }
        pl_json_set(call->result, names[i], out);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "prompt_tokens", json_integer((json_int_t)asked.n_prompt));
        if (asked.chat != 0) {
            pl_json_set(call->result, "chat", json_string(asked.rendered.data));
        }
        if (asked.which == CHOSEN_BOTH) {
            pl_json_set(call->result, "first_difference",
                        first_difference(tokenizer, &made[0], &made[1]));
        }
    }
    free(made[0].ids);
    free(made[1].ids);
    free(asked.prompt);
    pl_buf_deinit(&asked.rendered);
    return status;
}

/* A side's text, >>the token<< marked at which both part. */
static void put_marked(const json_t *result, const char *name, pl_buf *out)
{
    const json_t *difference = json_object_get(result, "first_difference");
    const char *text = json_string_value(json_object_get(json_object_get(result, name), "text"));
    const size_t size = text != NULL ? strlen(text) : 0;
    const size_t at = (size_t)json_integer_value(json_object_get(difference, "at"));
    if (!json_is_object(difference) || at > size) {
        pl_buf_puts(out, text != NULL ? text : "");
        return;
    }
    const char *token = json_string_value(json_object_get(difference, name));
    const size_t marked = token == NULL ? 0 : strlen(token) < size - at ? strlen(token) : size - at;
    pl_buf_append(out, text, at);
    pl_buf_puts(out, ">>");
    pl_buf_append(out, text + at, marked);
    pl_buf_puts(out, "<<");
    pl_buf_puts(out, text + at + marked);
}

static void put_side_head(const json_t *side, const char *name, pl_buf *out)
{
    const double rate = json_number_value(json_object_get(side, "tokens_per_second"));
    pl_buf_printf(out, "%s, %zu tokens%s", name, json_array_size(json_object_get(side, "ids")),
                  json_is_true(json_object_get(side, "ended")) ? ", ended" : "");
    if (rate > 0.0) {
        pl_buf_printf(out, ", %.3g a second", rate);
    }
}

static void put_side(const json_t *result, const char *name, pl_buf *out)
{
    const json_t *side = json_object_get(result, name);
    if (side != NULL) {
        put_side_head(side, name, out);
        pl_buf_puts(out, ":\n  ");
        put_marked(result, name, out);
        pl_buf_puts(out, "\n");
    }
}

/* The next line of a text in so many columns, and blanks to its end where another stands behind. */
static const char *put_wrapped(const char *text, size_t columns, bool fill, pl_buf *out)
{
    size_t next = 0;
    const size_t size = pl_text_wrap(text, columns, &next), from = out->size;
    pl_buf_append(out, text, size);
    const size_t width = size > 0 && !out->failed ? pl_text_width(out->data + from) : 0;
    for (size_t i = width; fill && i < columns; i++) {
        pl_buf_puts(out, " ");
    }
    return text + (next > 0 ? next : strlen(text));
}

/* Both sides beside each other. */
static void put_columns(const json_t *result, size_t columns, pl_buf *out)
{
    static const char *const names[] = {"before", "after"};
    const size_t width = (columns - 3) / 2;
    pl_buf texts[2] = {{0}};
    const char *left[2];
    for (size_t i = 0; i < 2; i++) {
        pl_buf head = {0};
        put_side_head(json_object_get(result, names[i]), names[i], &head);
        put_wrapped(head.data != NULL ? head.data : "", width, i == 0, out);
        pl_buf_puts(out, i == 0 ? " | " : "\n");
        pl_buf_deinit(&head);
        put_marked(result, names[i], &texts[i]);
        left[i] = texts[i].data != NULL ? texts[i].data : "";
    }
    while (*left[0] != '\0' || *left[1] != '\0') {
        left[0] = put_wrapped(left[0], width, true, out);
        pl_buf_puts(out, " | ");
        left[1] = put_wrapped(left[1], width, false, out);
        pl_buf_puts(out, "\n");
    }
    pl_buf_deinit(&texts[0]);
    pl_buf_deinit(&texts[1]);
}

static void put_generate(const pl_call *call, pl_buf *out)
{
    enum { LEAST_COLUMNS = 40 };
    const json_t *at = json_object_get(call->result, "first_difference");
    if (at != NULL && call->columns >= LEAST_COLUMNS) {
        put_columns(call->result, call->columns, out);
    } else {
        put_side(call->result, "before", out);
        put_side(call->result, "after", out);
    }
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

static void put_generate_line(const pl_call *call, pl_buf *out)
{
    static const char *const names[] = {"before", "after"};
    const json_t *at = json_object_get(call->result, "first_difference");
    for (size_t i = 0; i < 2; i++) {
        const json_t *side = json_object_get(call->result, names[i]);
        if (side != NULL) {
            pl_buf_puts(out, out->size > 0 ? "; " : "");
            put_side_head(side, names[i], out);
        }
    }
    if (json_is_object(at)) {
        pl_buf_printf(out, "; they part at token %lld",
                      (long long)json_integer_value(json_object_get(at, "token")));
    }
}

/* What was written stands over the panes. */
static void follow_generate(pl_screen *screen, const pl_call *call, pl_status how)
{
    pl_buf text = {0};
    if (how == PL_OK) {
        put_generate(call, &text);
        pl_screen_show_text(screen, call->text, text.data != NULL ? text.data : "");
    }
    pl_buf_deinit(&text);
}

static const pl_key generate_keys[] = {
    {"which", PL_KEY_CHOICE, "before", "before|after|both", "whose weights"},
    {"tokens", PL_KEY_INT, "64", NULL, "at most so many"},
    {"temperature", PL_KEY_REAL, "0", NULL, "0: always the likeliest token"},
    {"top_p", PL_KEY_REAL, NULL, NULL, "of the likeliest tokens that together have so much"},
    {"seed", PL_KEY_INT, "0", NULL, "of the chance that temperature gives"},
    {"chat", PL_KEY_CHOICE, "no", "no|yes", "yes: TEXT is a user's, put into the model's template"},
    {"system", PL_KEY_TEXT, NULL, NULL, "chat=yes: what stands before it, such as rules"},
    {0},
};

static const pl_alias generate_aliases[] = {
    {"chat", "\"Who are you?\" which=both chat=yes",
     "the answer to a question by the chat template, before and after", true},
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
    .put_line = put_generate_line,
    .follow = follow_generate,
    .slow = pl_slow_always,
    .unit = "tokens",
    .aliases = generate_aliases,
};
