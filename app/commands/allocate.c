/* allocate: bits for each layer, role, block or input at an average of bits. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/study/allocation.h"

#include <stdlib.h>
#include <string.h>

static int compare_ints(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* "2,3,4": each once, rising. */
static pl_status read_choices(const pl_call *call, pl_allocating *out, pl_error *err)
{
    const char *text = pl_usage_text(call, "choices");
    for (const char *at = text;; at++) {
        char *end = NULL;
        const long bits = at[0] >= '0' && at[0] <= '9' ? strtol(at, &end, 10) : 0;
        if (end == NULL || bits < 1 || bits > 16 || (*end != ',' && *end != '\0') ||
            out->n_choices == PL_MOST_CHOICES) {
            return pl_error_set(err, PL_ERR_USAGE,
                                "allocate: choices=%s: expected at most %d numbers of bits such as "
                                "2,3,4",
                                text, PL_MOST_CHOICES);
        }
        out->choices[out->n_choices++] = (int)bits;
        at = end;
        if (*at == '\0') {
            break;
        }
    }
    qsort(out->choices, out->n_choices, sizeof *out->choices, compare_ints);
    size_t kept = 1;
    for (size_t i = 1; i < out->n_choices; i++) {
        if (out->choices[i] != out->choices[kept - 1]) {
            out->choices[kept++] = out->choices[i];
        }
    }
    out->n_choices = kept;
    return PL_OK;
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
    out->by_error = metric == 1;
    out->measured.unit = (pl_unit)unit;
    out->measured.glob = call->n_words > 0 && !pl_call_is_of_all(call) ? call->words[0] : NULL;
    return status;
}

static json_t *units_of(const pl_allocating *asked, const pl_allocated *found)
{
    json_t *list = json_array();
    const size_t k = asked->n_choices;
    for (size_t u = 0; u < found->count; u++) {
        const size_t c = found->chosen[u];
        json_t *line = json_pack("{s:s, s:i, s:o, s:o, s:I}", "unit", found->units[u].name, "bits",
                                 asked->choices[c], "loss", pl_json_number(found->loss[u * k + c]),
                                 "bits_per_weight", pl_json_number(found->bits[u * k + c]),
                                 "layers", (json_int_t)found->units[u].layers);
        json_t *losses = json_array();
        for (size_t i = 0; i < k; i++) {
            pl_json_append(losses, pl_json_number(found->loss[u * k + i]));
        }
        pl_json_set(line, "losses", losses);
        pl_json_append(list, line);
    }
    return list;
}

static void put_allocated(pl_call *call, const pl_allocating *asked, const pl_allocated *found)
{
    json_t *out = call->result, *uniform = json_array();
    pl_json_set(out, "metric", json_string(pl_usage_text(call, "metric")));
    pl_json_set(out, "unit", json_string(pl_usage_text(call, "unit")));
    pl_json_set(out, "bits_per_weight", pl_json_number(found->found.bits));
    pl_json_set(out, "loss", pl_json_number(found->found.loss));
    pl_json_set(out, "bound", pl_json_number(found->found.bound));
    for (size_t i = 0; i < asked->n_choices; i++) {
        pl_json_append(uniform, json_pack("{s:i, s:o, s:o}", "bits", asked->choices[i],
                                          "bits_per_weight", pl_json_number(found->uniform_bits[i]),
                                          "loss", pl_json_number(found->uniform_loss[i])));
    }
    pl_json_set(out, "uniform", uniform);
    pl_json_set(out, "units", units_of(asked, found));
}

static pl_status run_allocate(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                              pl_error *err)
{
    pl_allocating asked;
    pl_allocated found = {0};
    pl_tokens text = {0};
    pl_status status = read_allocating(call, state, &asked, err);
    PL_THEN(pl_rows_check_file(call, err));
    if (status == PL_OK && !asked.by_error) {
        status = pl_model_need_forward(state->source->model, "metric=kl", err);
        PL_THEN(pl_read_text(call, state, lab, &text, task, err));
    }
    PL_THEN(pl_allocation_run(lab, state, &asked, text.ids, text.count, &found, task, err));
    if (status == PL_OK) {
        put_allocated(call, &asked, &found);
        const size_t n = pl_model_layer_count(state->source->model);
        call->given = calloc(n + 1, sizeof *call->given);
        status = call->given == NULL ? pl_error_memory(err, "a result") : PL_OK;
        for (size_t i = 0; status == PL_OK && i < n; i++) {
            call->given[i] =
                found.unit_of[i] >= 0 ? asked.choices[found.chosen[found.unit_of[i]]] : 0;
        }
        call->n_given = n;
    }
    PL_THEN(pl_rows_write(call, state, json_object_get(call->result, "units"), task, err));
    pl_allocated_deinit(&found);
    pl_tokens_deinit(&text);
    return status;
}

static pl_status apply_allocate(pl_call *call, pl_state *state, pl_error *err)
{
    pl_status status = PL_OK;
    state->suggested = false; /* what has bits of its own is taken */
    for (size_t i = 0; status == PL_OK && i < call->n_given; i++) {
        if (call->given[i] > 0) {
            status = pl_allocation_set(state, i, call->given[i], err);
        }
    }
    PL_THEN(pl_state_give(state, PL_SLOT_ROUND, NULL, NULL, err)); /* one setting for each choice */
    return status;
}

static void put_allocate_text(const pl_call *call, pl_buf *out)
{
    const json_t *units = json_object_get(call->result, "units");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(units) && i < PL_UNITS_SHOWN; i++) {
        pl_json_append(list, json_incref(json_array_get(units, i)));
    }
    pl_put_units_text(call, list, "more", out);
}

static void follow_allocate(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_follow_methods(screen);
    }
}

static const pl_key allocate_keys[] = {
    {"bits", PL_KEY_REAL, NULL, NULL, "the average bits a weight, scales counted"},
    {"choices", PL_KEY_TEXT, "2,3,4", NULL, "bits that a unit may get"},
    {"metric", PL_KEY_CHOICE, "kl", "kl|error",
     "what a unit loses: KL with it alone rounded, or its layers' relative errors"},
    {"unit", PL_KEY_CHOICE, "layer", PL_UNIT_CHOICES, "what gets bits together"},
    {"text", PL_KEY_FILE, NULL, NULL, "with metric=kl: the text to score; may be given again"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "4", NULL, "how many windows; 0: all the text has"},
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
    .put_text = put_allocate_text,
    .slow = pl_slow_always,
    .unit = "choices",
    .follow = follow_allocate,
};
