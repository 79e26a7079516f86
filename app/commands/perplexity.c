/* perplexity: of the model, as it was or as it is solved. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/quantized.h"
#include "core/metrics/perplexity.h"
#include "core/model/bare.h"
#include "core/state/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *spread_json(const pl_ppl_spec *spec, const pl_ppl_result *found)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:i}", "runs", (json_int_t)spec->spread, "least",
                     pl_json_number(found->spread_least), "largest",
                     pl_json_number(found->spread_largest), "deviation",
                     pl_json_number(found->spread_deviation), "digits",
                     pl_digits_of(found->perplexity, found->spread_deviation));
}

/* The digits that the spread leaves, and no more. */
static void put_perplexity_text(const pl_call *call, pl_buf *out)
{
    const double value = json_number_value(json_object_get(call->result, "perplexity"));
    const int digits = pl_perplexity_digits(call);
    json_t *shown = digits < 5 && value > 0.0 ? json_copy(call->result) : NULL;
    if (shown != NULL) {
        char text[48];
        pl_format_digits(value, digits, text, sizeof text);
        pl_json_set(shown, "perplexity", json_string(text));
    }
    pl_result_object(shown != NULL ? shown : call->result, out);
    json_decref(shown);
}

static pl_status run_perplexity(pl_call *call, pl_context cx, pl_error *err)
{
    double start = pl_clock_now();
    const char *files[PL_MAX_TEXTS];
    size_t n_files = 0;
    size_t protocol = PL_PPL_GPTQ;
    size_t which = PL_WHICH_BEFORE;
    char *owned = NULL;
    pl_tokens text = {0};
    pl_ppl_spec spec = {.memory_limit = pl_lab_memory_limit(cx.lab)};
    pl_status status = pl_model_need_forward(cx.state->source->model, "perplexity", err);
    PL_THEN(pl_usage_choice(call, "protocol", &protocol, err));
    PL_THEN(pl_usage_choice(call, "which", &which, err));
    PL_THEN(pl_usage_size(call, "length", 2, 1u << 20, &spec.length, err));
    PL_THEN(pl_usage_size(call, "windows", 0, 1u << 20, &spec.windows, err));
    PL_THEN(pl_usage_size(call, "spread", 0, 1000, &spec.spread, err));
    PL_THEN(pl_check_length(call, cx.state, spec.length, err));
    PL_THEN(which == PL_WHICH_BEFORE ? PL_OK : pl_need_after(cx.state, err));
    PL_THEN(pl_text_files(call, cx.state, "evaluation.txt", files, &n_files, &owned, err));
    PL_THEN(pl_lab_own_tokens(cx, files, n_files, &text, err));
    if (status == PL_OK) {
        spec.protocol = (pl_ppl_protocol)protocol;
        pl_quantized quantized;
        pl_hooks hooks;
        pl_ppl_result found = {0};
        bool compare = which != PL_WHICH_BEFORE;
        status = pl_quantized_init(&quantized, cx, (pl_which)which, &hooks, err);
        PL_THEN(pl_perplexity(cx.state->source->model, text.ids, text.count, &spec,
                              compare ? &hooks : NULL, compare, &found, cx.task, err));
        pl_quantized_deinit(&quantized);
        if (status == PL_OK && (which == PL_WHICH_AFTER || !compare)) {
            pl_buf how = {0};
            pl_put_measured(call, &spec, files, n_files, &how);
            const char *said = how.failed ? NULL : how.data;
            if (compare) {
                pl_note_measured(cx.state, said, &found, pl_state_solved_count(cx.state));
            } else {
                pl_note_original(cx.state, said, &found);
            }
            pl_buf_deinit(&how);
        }
        json_t *out = call->result;
        pl_json_set(out, "perplexity", pl_json_number(found.perplexity));
        pl_json_set(out, "perplexity_error", pl_json_number(found.perplexity_error));
        if (spec.spread > 0) {
            pl_json_set(out, "spread", spread_json(&spec, &found));
        }
        pl_json_set(out, "mean_nll", pl_json_number(found.mean_nll));
        pl_json_set(out, "tokens", json_integer((json_int_t)found.tokens));
        pl_json_set(out, "windows", json_integer((json_int_t)found.windows));
        pl_json_set(out, "kl_mean", compare ? pl_json_number(found.kl_mean) : json_null());
        pl_json_set(out, "kl_max", compare ? pl_json_number(found.kl_max) : json_null());
        pl_json_set(out, "original_perplexity", pl_json_number(found.original));
        pl_json_set(out, "original_error", pl_json_number(found.original_error));
        pl_json_set(out, "top1_agreement",
                    compare ? pl_json_number(found.top1_agreement) : json_null());
        pl_json_set(out, "layers_solved",
                    compare ? json_integer((json_int_t)pl_state_solved_count(cx.state))
                            : json_null());
        pl_json_set(out, "layers_quantized",
                    compare ? json_integer((json_int_t)pl_quantized_layers(cx.state))
                            : json_null());
        if (compare && pl_state_quantizes(cx.state)) {
            pl_json_set(out, "activations", pl_activations_json(cx.state));
            pl_json_set(out, "kv", pl_kv_json(cx.state));
        }
        pl_json_set(out, "seconds", json_real(pl_clock_now() - start));
    }
    pl_tokens_deinit(&text);
    free(owned);
    return status;
}

static const pl_key perplexity_keys[] = {
    {"text", PL_KEY_FILES, NULL, NULL, "the text to score; may be given again"},
    {"protocol", PL_KEY_CHOICE, "gptq", "gptq|llama.cpp", "which targets are scored"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "20", NULL, "how many windows; 0: all the text has"},
    {"which", PL_KEY_CHOICE, "before", "before|preconditioned|after", "whose weights"},
    {"spread", PL_KEY_INT, "0", NULL,
     "runs more, each with embeddings moved by 1e-7: how much of the number is noise"},
    {0},
};

static const pl_alias perplexity_aliases[] = {
    {"ppl", "which=after text=", "the solved model's perplexity on a text", true},
    {0},
};

const pl_command pl_command_perplexity = {
    .name = "perplexity",
    .positional = "",
    .keys = perplexity_keys,
    .aliases = perplexity_aliases,
    .needs_model = true,
    .summary = "Measure perplexity by a named protocol, and KL against the original",
    .put_line = pl_line_perplexity,
    .run = run_perplexity,
    .put_text = put_perplexity_text,
    .slow = pl_slow_always,
    .unit = "scored tokens",
    .brings = PL_BRINGS_PERPLEXITY,
};
