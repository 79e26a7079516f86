/* allocate: bits for each layer, role, block or input at an average of bits. */
#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/study/allocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NUMBERS = 8 };

static int compare_ints(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* "2,3,4": each once, rising. */
static pl_status read_numbers(const char *key, const char *text, long least, long most,
                              const char *what, const char *such, int out[MOST_NUMBERS],
                              size_t *count, pl_error *err)
{
    size_t n = 0;
    for (const char *at = text;; at++) {
        char *end = NULL;
        const long value = at[0] >= '0' && at[0] <= '9' ? strtol(at, &end, 10) : least - 1;
        if (end == NULL || value < least || value > most || (*end != ',' && *end != '\0') ||
            n == MOST_NUMBERS) {
            return pl_error_set(
                err, PL_ERR_USAGE,
                "allocate: %s=%s: expected at most %d %s from %ld to %ld such as %s", key, text,
                MOST_NUMBERS, what, least, most, such);
        }
        out[n++] = (int)value;
        at = end;
        if (*at == '\0') {
            break;
        }
    }
    qsort(out, n, sizeof *out, compare_ints);
    *count = 1;
    for (size_t i = 1; i < n; i++) {
        if (out[i] != out[*count - 1]) {
            out[(*count)++] = out[i];
        }
    }
    return PL_OK;
}

/* Every number of bits with every group size. */
static pl_status read_choices(const pl_call *call, pl_allocating *out, pl_error *err)
{
    int bits[MOST_NUMBERS], groups[MOST_NUMBERS] = {-1};
    size_t n_bits = 0, n_groups = 1;
    const char *text = pl_call_value(call, "groups");
    pl_status status = read_numbers("choices", pl_usage_text(call, "choices"), 1, 16,
                                    "numbers of bits", "2,3,4", bits, &n_bits, err);
    if (text != NULL) {
        PL_THEN(read_numbers("groups", text, 0, 1 << 20, "group sizes", "32,128", groups, &n_groups,
                             err));
    }
    if (status == PL_OK && n_bits * n_groups > PL_MOST_CHOICES) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "allocate: %zu choices of bits and group size, expected at most %d",
                              n_bits * n_groups, PL_MOST_CHOICES);
    }
    for (size_t i = 0; status == PL_OK && i < n_bits * n_groups; i++) {
        out->choices[out->n_choices++] =
            (pl_choice){.bits = bits[i / n_groups], .group_size = groups[i % n_groups]};
    }
    return status;
}

/* The command as a figure's file has it: it only finds the curve. */
static pl_status put_said(const pl_call *call, pl_buf *out, pl_error *err)
{
    static const char *const left_out[] = {"file", "set", "test", "test_windows"};
    pl_buf_puts(out, "allocate");
    for (size_t i = 0; i < call->n_words; i++) {
        pl_buf_puts(out, " ");
        pl_command_quote(call->words[i], out);
    }
    for (size_t i = 0; i < call->n_keys; i++) {
        bool kept = true;
        for (size_t k = 0; k < sizeof left_out / sizeof *left_out; k++) {
            kept = kept && strcmp(call->names[i], left_out[k]) != 0;
        }
        if (kept) {
            const bool text = strcmp(call->names[i], "text") == 0;
            pl_buf_printf(out, " %s=", call->names[i]);
            pl_command_quote(text ? pl_path_name(call->values[i]) : call->values[i], out);
        }
    }
    static const char *const measured[] = {"length", "windows"};
    for (size_t i = 0; i < 2 && strcmp(pl_usage_text(call, "metric"), "error") != 0; i++) {
        if (pl_call_value(call, measured[i]) == NULL) {
            pl_buf_printf(out, " %s=%s", measured[i], pl_usage_text(call, measured[i]));
        }
    }
    pl_buf_puts(out, " set=no");
    return pl_buf_check(out, err);
}

static pl_status read_allocating(const pl_call *call, const pl_state *state, pl_allocating *out,
                                 pl_error *err)
{
    size_t metric = 0, unit = 0;
    *out = (pl_allocating){0};
    pl_status status = PL_OK;
    if (pl_call_value(call, "bits") == NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "allocate: needs bits=N, the average a weight, scales counted: e.g. "
                            "bits=3.5");
    }
    status = pl_usage_real(call, "bits", 1, 32, &out->average, err);
    PL_THEN(read_choices(call, out, err));
    PL_THEN(pl_usage_choice(call, "metric", &metric, err));
    PL_THEN(pl_usage_choice(call, "unit", &unit, err));
    PL_THEN(pl_usage_size(call, "length", 2, 1u << 20, &out->measured.text.length, err));
    PL_THEN(pl_usage_size(call, "windows", 0, 1u << 20, &out->measured.text.windows, err));
    PL_THEN(pl_check_length(call, state, out->measured.text.length, err));
    PL_THEN(pl_usage_size(call, "probes", 1, 1u << 20, &out->measured.probes, err));
    PL_THEN(pl_usage_size(call, "test_windows", 0, 1u << 20, &out->test_windows.windows, err));
    out->test_windows.length = out->measured.text.length;
    out->by = (pl_allocating_by)metric;
    out->measured.probes = out->by == PL_BY_ESTIMATE ? out->measured.probes : 0;
    out->measured.unit = (pl_unit)unit;
    out->measured.glob = call->n_words > 0 && !pl_call_is_of_all(call) ? call->words[0] : NULL;
    return status;
}

/* A choice as keys of an object. */
static void put_choice(json_t *line, pl_choice choice)
{
    pl_json_set(line, "bits", json_integer(choice.bits));
    if (choice.group_size >= 0) {
        pl_json_set(line, "group_size", json_integer(choice.group_size));
    }
}

static json_t *units_of(const pl_allocating *asked, const pl_allocated *found)
{
    json_t *list = json_array();
    const size_t k = asked->n_choices;
    for (size_t u = 0; u < found->count; u++) {
        const size_t c = found->chosen[u];
        json_t *line = json_pack("{s:s}", "unit", found->units[u].name);
        put_choice(line, asked->choices[c]);
        pl_json_set(line, "loss", pl_json_number(found->loss[u * k + c]));
        pl_json_set(line, "bits_per_weight", pl_json_number(found->bits[u * k + c]));
        pl_json_set(line, "layers", json_integer((json_int_t)found->units[u].layers));
        json_t *losses = json_array();
        for (size_t i = 0; i < k; i++) {
            pl_json_append(losses, pl_json_number(found->loss[u * k + i]));
        }
        pl_json_set(line, "losses", losses);
        pl_json_append(list, line);
    }
    return list;
}

static json_t *tested_json(const pl_allocating *asked, const pl_allocated *found)
{
    json_t *list = json_array();
    for (size_t i = 0; i < found->n_tested; i++) {
        const pl_ppl_result *r = &found->test[i];
        const size_t c = found->tested[i];
        const bool mixed = c == SIZE_MAX;
        json_t *line = json_pack("{s:s}", "setting", mixed ? "allocated" : "uniform");
        if (!mixed) {
            put_choice(line, asked->choices[c]);
        }
        pl_json_set(line, "bits_per_weight",
                    pl_json_number(mixed ? found->found.bits : found->uniform_bits[c]));
        pl_json_set(line, "perplexity", pl_json_number(r->perplexity));
        pl_json_set(line, "perplexity_error", pl_json_number(r->perplexity_error));
        pl_json_set(line, "kl_mean", pl_json_number(r->kl_mean));
        pl_json_set(line, "tokens", json_integer((json_int_t)r->tokens));
        pl_json_append(list, line);
    }
    return list;
}

static void put_allocated(pl_call *call, const pl_allocating *asked, const pl_allocated *found)
{
    json_t *out = call->result, *uniform = json_array(), *curve = json_array();
    pl_json_set(out, "metric", json_string(pl_usage_text(call, "metric")));
    pl_json_set(out, "unit", json_string(pl_usage_text(call, "unit")));
    pl_json_set(out, "bits_per_weight", pl_json_number(found->found.bits));
    pl_json_set(out, "loss", pl_json_number(found->found.loss));
    pl_json_set(out, "bound", pl_json_number(found->found.bound));
    for (size_t i = 0; i < asked->n_choices; i++) {
        json_t *line = json_object();
        put_choice(line, asked->choices[i]);
        pl_json_set(line, "bits_per_weight", pl_json_number(found->uniform_bits[i]));
        pl_json_set(line, "loss", pl_json_number(found->uniform_loss[i]));
        pl_json_append(uniform, line);
    }
    pl_json_set(out, "uniform", uniform);
    for (size_t i = 0; i < found->curve.count; i++) {
        pl_json_append(curve, json_pack("{s:o, s:o, s:o}", "bits_per_weight",
                                        pl_json_number(found->curve.bits[i]), "loss",
                                        pl_json_number(found->curve.loss[i]), "bound",
                                        pl_json_number(found->curve.bound[i])));
    }
    pl_json_set(out, "curve", curve);
    if (found->n_tested > 0) {
        pl_json_set(out, "test", tested_json(asked, found));
    }
    pl_json_set(out, "units", units_of(asked, found));
}

/* More bits than all units' dearest choices take, which nothing can be bought for. */
static void warn_of_rest(pl_lab *lab, const pl_allocating *asked, const pl_allocated *found)
{
    double most = 0.0, weights = 0.0;
    for (size_t u = 0; u < found->count; u++) {
        double dearest = 0.0;
        for (size_t k = 0; k < asked->n_choices; k++) {
            const double bits = found->bits[u * asked->n_choices + k];
            dearest = bits > dearest ? bits : dearest;
        }
        most += found->weights[u] * dearest;
        weights += found->weights[u];
    }
    if (asked->average * weights > most * (1.0 + 1e-9)) {
        char text[160];
        snprintf(text, sizeof text,
                 "allocate: bits=%g: the most that these choices take are %.4g a weight, scales "
                 "counted",
                 asked->average, most / weights);
        pl_lab_warn(lab, text);
    }
}

static pl_status run_allocate(pl_call *call, pl_context cx, pl_error *err)
{
    pl_allocating asked;
    pl_allocated found = {0};
    pl_tokens text = {0}, test = {0};
    pl_buf said = {0};
    const char *file = pl_call_value(call, "test");
    pl_status status = read_allocating(call, cx.state, &asked, err);
    PL_THEN(pl_rows_check_file(call, err));
    PL_THEN(put_said(call, &said, err));
    asked.said = said.data;
    if (status == PL_OK && file != NULL) {
        status = pl_model_need_forward(cx.state->source->model, "test=", err);
        PL_THEN(pl_lab_own_tokens(cx, &file, 1, &test, err));
        asked.test = test.ids;
        asked.n_test = test.count;
    }
    if (status == PL_OK && asked.by != PL_BY_ERROR) {
        status = pl_model_need_forward(cx.state->source->model,
                                       asked.by == PL_BY_KL ? "metric=kl" : "metric=estimate", err);
        PL_THEN(pl_read_text(call, cx, &text, err));
    }
    PL_THEN(pl_allocation_run(cx, &asked, text.ids, text.count, &found, err));
    if (status == PL_OK) {
        put_allocated(call, &asked, &found);
        warn_of_rest(cx.lab, &asked, &found);
        const size_t n = pl_model_layer_count(cx.state->source->model);
        call->given = calloc(2 * n + 1, sizeof *call->given);
        status = call->given == NULL ? pl_error_memory(err, "a result") : PL_OK;
        for (size_t i = 0; status == PL_OK && i < n; i++) {
            if (found.unit_of[i] >= 0) {
                const pl_choice chosen = asked.choices[found.chosen[found.unit_of[i]]];
                call->given[2 * i] = chosen.bits;
                call->given[2 * i + 1] = chosen.group_size;
            }
        }
        call->n_given = n;
    }
    PL_THEN(pl_rows_write(call, cx.state, json_object_get(call->result, "units"), cx.task, err));
    pl_allocated_deinit(&found);
    pl_tokens_deinit(&text);
    pl_tokens_deinit(&test);
    pl_buf_deinit(&said);
    return status;
}

enum { SET_YES, SET_NO };

static pl_status apply_allocate(pl_call *call, pl_state *state, pl_error *err)
{
    size_t set = 0;
    pl_status status = pl_usage_choice(call, "set", &set, err);
    call->unchanged = set == SET_NO;
    if (status != PL_OK || set == SET_NO) {
        return status;
    }
    state->suggested = false; /* what has bits of its own is taken */
    for (size_t i = 0; status == PL_OK && i < call->n_given; i++) {
        const pl_choice choice = {call->given[2 * i], call->given[2 * i + 1]};
        if (choice.bits > 0) {
            status = pl_allocation_set(state, i, choice, err);
        }
    }
    PL_THEN(pl_state_give(state, PL_SLOT_ROUND, NULL, NULL, err)); /* one setting for each choice */
    return status;
}

/* "3.2 bits per weight: loss 0.0401, bound 0.0399; 28 layers of ... are in the store". */
static void put_allocate_line(const pl_call *call, pl_buf *out)
{
    pl_buf_printf(out, "%.4g bits per weight: loss %.3g, bound %.3g",
                  pl_json_number_of(call->result, "bits_per_weight"),
                  pl_json_number_of(call->result, "loss"),
                  pl_json_number_of(call->result, "bound"));
    if (call->unchanged) {
        pl_buf_puts(out, "; nothing is set");
    } else {
        pl_put_stored(call, out);
    }
}

static void follow_allocate(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_follow_methods(screen);
        pl_screen_follow_scores(screen);
    }
}

static const pl_key allocate_keys[] = {
    {"bits", PL_KEY_REAL, NULL, NULL, "the average bits per weight, scales counted"},
    {"choices", PL_KEY_TEXT, "2,3,4", NULL, "bits that a unit may get"},
    {"groups", PL_KEY_TEXT, NULL, NULL, "group sizes that a unit may get, such as 32,128"},
    {"metric", PL_KEY_CHOICE, "kl", "kl|error|estimate",
     "what a unit loses: KL with it alone rounded, its layers' relative errors, or an estimate of "
     "that KL"},
    {"unit", PL_KEY_CHOICE, "layer", PL_UNIT_CHOICES, "what gets bits together"},
    {"text", PL_KEY_FILES, NULL, NULL,
     "with metric=kl or estimate: the text to score; may be given again"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "4", NULL, "how many windows; 0: all the text has"},
    {"probes", PL_KEY_INT, "4", NULL, "with metric=estimate: blocks measured for its scale"},
    {"test", PL_KEY_FILE, NULL, NULL,
     "a text that is not text=: perplexity of the outcome, and of the same bits for all next to "
     "it"},
    {"test_windows", PL_KEY_INT, "10", NULL, "how many windows of it; 0: all"},
    {"set", PL_KEY_CHOICE, "yes", "yes|no", "whether the layers get what is found"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "also as a table: .csv or .tex"},
    {0},
};

const pl_command pl_command_allocate = {
    .name = "allocate",
    .positional = "[LAYER|all]",
    .max_words = 1,
    .keys = allocate_keys,
    .needs_model = true,
    .summary = "Give each layer (or role, block, input) bits so that an average holds and the sum "
               "of losses is least",
    .run = run_allocate,
    .apply = apply_allocate,
    .sets = true,
    .least = "layers bits_per_weight",
    .put_text = pl_put_first_units,
    .put_line = put_allocate_line,
    .slow = pl_slow_always,
    .unit = "choices",
    .rebuild = PL_REBUILD_TEXTS,
    .follow = follow_allocate,
};
