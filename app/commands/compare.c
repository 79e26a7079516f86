/* compare: kept settings and the present one, their numbers and, on the screen, side by side. */
#include "app/commands/compare_rows.h"
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/json.h"
#include "core/state/kept.h"
#include "core/state/record.h"

#include <math.h>
#include <string.h>

/* Who is compared, the present setting last. */
typedef struct compared {
    size_t kept[PL_MAX_KEPT]; /* indices, each once */
    size_t count;
    size_t layer; /* SIZE_MAX: all */
} compared;

static bool is_in_compared(const compared *c, size_t index)
{
    bool found = false;
    for (size_t i = 0; i < c->count; i++) {
        found = found || c->kept[i] == index;
    }
    return found;
}

/* Names, perhaps followed by a layer; `all`, or a layer alone, means all kept settings; no word
 * ends a comparison. */
static pl_status read_compared(const pl_call *call, const pl_state *state, compared *out,
                               pl_error *err)
{
    *out = (compared){.layer = SIZE_MAX};
    size_t names = 0;
    for (size_t i = 0; i < call->n_words; i++) {
        const char *word = call->words[i];
        size_t index = 0;
        if (strcmp(word, "all") == 0) {
            continue;
        }
        if (strcmp(word, "now") == 0) {
            names++;
            continue;
        }
        pl_status status = pl_state_find_kept(state, "compare", word, &index, err);
        if (status == PL_OK) {
            names++;
            if (!is_in_compared(out, index)) {
                out->kept[out->count++] = index;
            }
        } else if (i + 1 < call->n_words ||
                   pl_model_find_layer(state->source->model, word, &out->layer, NULL) != PL_OK) {
            return status;
        }
    }
    for (size_t i = 0; call->n_words > 0 && names == 0 && i < state->n_kept; i++) {
        out->kept[out->count++] = i;
    }
    if (call->n_words > 0 && out->count == 0) {
        return pl_error_set(err, PL_ERR_STATE,
                            "compare: no setting is kept: `keep NAME` keeps the present one");
    }
    return PL_OK;
}

/* The largest errors over layers. */
typedef struct worst {
    double error, rounded;
} worst;

static void note_worst(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    worst *w = ctx;
    (void)layer;
    (void)result;
    w->error = fmax(w->error, report->relative_error);
    w->rounded = fmax(w->rounded, report->rounded_relative_error);
}

/* Of the layer, or of all that are solved. */
static pl_status numbers_of(pl_context cx, size_t layer, pl_solve_report *total, worst *largest,
                            size_t *layers, pl_error *err)
{
    *largest = (worst){(double)NAN, (double)NAN};
    if (layer == SIZE_MAX) {
        return pl_solved_all(cx, note_worst, largest, total, layers, err);
    }
    const pl_id *result = pl_state_result(cx.state, layer);
    *total = pl_solve_report_empty();
    *layers = result != NULL;
    return result != NULL ? pl_result_report(cx.lab, cx.state, layer, *result, total, err) : PL_OK;
}

static pl_status put_compared_row(json_t *rows, pl_context cx, const char *name, size_t layer,
                                  const char *protocol, pl_error *err)
{
    pl_solve_report total;
    worst largest;
    size_t layers = 0;
    pl_buf label = {0};
    pl_status status = numbers_of(cx, layer, &total, &largest, &layers, err);
    pl_state_label(cx.state, layer, &label);
    PL_THEN(pl_buf_check(&label, err));
    if (status == PL_OK) {
        const pl_id setting = pl_state_setting(cx.state);
        pl_measurement m = {
            .perplexity = (double)NAN, .error = (double)NAN, .kl_mean = (double)NAN};
        const bool measured = protocol[0] != '\0' && layer == SIZE_MAX &&
                              pl_record_find(cx.state->source, &setting, protocol, &m);
        json_t *row = json_pack("{s:s, s:s, s:I}", "name", name, "methods", label.data,
                                "layers_solved", (json_int_t)layers);
        pl_json_set(row, "relative_error", pl_json_number(total.relative_error));
        if (layer == SIZE_MAX) {
            pl_json_set(row, "worst_relative_error", pl_json_number(largest.error));
        }
        pl_json_set(row, "rounded_relative_error", pl_json_number(total.rounded_relative_error));
        if (layer == SIZE_MAX) {
            pl_json_set(row, "worst_rounded_relative_error", pl_json_number(largest.rounded));
        }
        pl_json_set(row, "output_error", pl_json_number(total.output_error));
        pl_json_set(row, "gap", pl_json_number(total.gap));
        pl_json_set(row, "bits_per_weight", pl_json_number(total.bits_per_weight));
        pl_json_set(row, "group_max_before", pl_json_number(total.group_max_before));
        pl_json_set(row, "group_max_after", pl_json_number(total.group_max_after));
        pl_json_set(row, "group_max_reduction",
                    pl_json_number(1.0 - total.group_max_after / total.group_max_before));
        pl_json_set(row, "seconds", pl_json_number(total.seconds));
        if (layer == SIZE_MAX) {
            pl_json_set(row, "perplexity", pl_json_number(measured ? m.perplexity : (double)NAN));
            pl_json_set(row, "perplexity_error", pl_json_number(measured ? m.error : (double)NAN));
            pl_json_set(row, "kl_mean", pl_json_number(measured ? m.kl_mean : (double)NAN));
        }
        pl_json_append(rows, row);
    }
    pl_buf_deinit(&label);
    return status;
}

/* The protocol of the newest perplexity of any of them, so that like is compared with like. */
static void choose_protocol(const pl_state *state, const compared *c, char *out, size_t capacity)
{
    pl_measurement m;
    pl_id setting = pl_state_setting(state);
    bool found = pl_record_find(state->source, &setting, NULL, &m);
    for (size_t i = 0; !found && i < c->count; i++) {
        setting = state->kept[c->kept[i]]->setting;
        found = pl_record_find(state->source, &setting, NULL, &m);
    }
    snprintf(out, capacity, "%s", found ? m.protocol : "");
}

/* The kept settings with the results of all of their layers, then the present one. */
static void put_kept(const pl_state *state, pl_buf *out)
{
    const pl_figure_needs nothing = {.layers = &state->layer};
    const pl_state *before = state;
    pl_state_figure_commands(state, &nothing, out);
    pl_state_calibration_command(state, out);
    pl_state_quantized_commands(state, out);
    for (size_t i = 0; i < state->n_kept; i++) {
        const pl_kept *kept = state->kept[i];
        pl_setting_commands(before, &kept->is, out);
        pl_buf_printf(out, kept->name[0] != '\0' ? "keep %s\n" : "pin%s\n", kept->name);
        before = &kept->is;
    }
    pl_setting_commands(before, state, out);
}

/* A layer's comparison makes what the settings have of that layer first, as a figure with pins
 * does. */
static pl_status write_compared(pl_call *call, pl_context cx, const compared *c, json_t *rows,
                                pl_error *err)
{
    pl_buf commands = {0};
    size_t layer = c->layer;
    bool result = true;
    uint64_t learned = 0;
    const pl_figure_needs needs = {.layers = &layer,
                                   .n_layers = 1,
                                   .results = &result,
                                   .learned = &learned,
                                   .methods = true,
                                   .activations = true,
                                   .pins = true};
    if (layer == SIZE_MAX) {
        put_kept(cx.state, &commands);
    } else {
        pl_state_figure_commands(cx.state, &needs, &commands);
    }
    pl_rows_put_call(call, &commands);
    pl_status status = pl_buf_check(&commands, err);
    PL_THEN(pl_rows_write_made_by(call, cx.state, rows, commands.data, cx.task, err));
    pl_buf_deinit(&commands);
    return status;
}

static pl_status run_compare(pl_call *call, pl_context cx, pl_error *err)
{
    if (pl_compare_measures(call)) {
        return pl_compare_run_rows(call, cx, err);
    }
    compared c;
    char protocol[sizeof((pl_measurement *)0)->protocol];
    json_t *rows = json_array();
    pl_status status = read_compared(call, cx.state, &c, err);
    PL_THEN(pl_rows_check_file(call, err));
    if (status == PL_OK) {
        choose_protocol(cx.state, &c, protocol, sizeof protocol);
        protocol[0] = c.layer == SIZE_MAX ? protocol[0] : '\0';
    }
    for (size_t i = 0; status == PL_OK && i < c.count; i++) {
        char name[PL_KEPT_NAME];
        pl_kept_name(cx.state, c.kept[i], name);
        status = put_compared_row(rows, pl_with_state(cx, &cx.state->kept[c.kept[i]]->is), name,
                                  c.layer, protocol, err);
    }
    if (status == PL_OK && call->n_words > 0) {
        status = put_compared_row(rows, cx, "now", c.layer, protocol, err);
    }
    PL_THEN(write_compared(call, cx, &c, rows, err));
    if (status != PL_OK) {
        json_decref(rows);
        return status;
    }
    if (c.layer != SIZE_MAX) {
        pl_json_set(call->result, "layer",
                    json_string(pl_model_layer(cx.state->source->model, c.layer)->name));
    }
    if (protocol[0] != '\0') {
        pl_json_set(call->result, "measured", json_string(protocol));
    }
    pl_json_set(call->result, "settings", rows);
    return PL_OK;
}

/* A setting a column, under its name; the methods in full above them. */
static void put_compare_text(const pl_call *call, pl_buf *out)
{
    const json_t *rows = json_object_get(call->result, "settings");
    const json_t *first = json_array_get(rows, 0);
    json_t *turned = json_array();
    json_t *shown = json_copy(call->result);
    json_t *row, *value;
    const char *key;
    size_t i;
    if (pl_compare_measures(call)) {
        pl_compare_put_rows(call, out);
        json_decref(turned);
        json_decref(shown);
        return;
    }
    if (json_array_size(rows) == 0) {
        pl_buf_puts(out, "nothing is beside the present setting any more\n");
    }
    json_array_foreach(rows, i, row)
    {
        pl_buf_printf(out, "%-12s %s\n", json_string_value(json_object_get(row, "name")),
                      json_string_value(json_object_get(row, "methods")));
    }
    json_object_foreach((json_t *)(uintptr_t)first, key, value)
    {
        if (json_is_string(value)) {
            continue;
        }
        json_t *line = json_pack("{s:s}", "number", key);
        json_array_foreach(rows, i, row)
        {
            pl_json_set(line, json_string_value(json_object_get(row, "name")),
                        json_incref(json_object_get(row, key)));
        }
        pl_json_append(turned, line);
    }
    pl_json_set(shown, "settings", turned);
    if (first != NULL) {
        pl_result_object(shown, out);
    }
    json_decref(shown);
}

static void put_compare_line(const pl_call *call, pl_buf *out)
{
    const char *file = pl_call_value(call, "file");
    if (pl_compare_measures(call)) {
        pl_compare_put_line(call, out);
    } else if (file != NULL) {
        pl_buf_printf(out, "wrote %s", file);
    } else {
        pl_buf_puts(out, "side by side; `compare` ends it, `compare all numbers=yes` tells the "
                         "numbers");
    }
}

/* On the screen they are side by side then; a layer is selected. */
static pl_status apply_compare(pl_call *call, pl_state *state, pl_error *err)
{
    compared c;
    if (pl_compare_measures(call)) {
        call->unchanged = true;
        return PL_OK;
    }
    pl_status status = read_compared(call, state, &c, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t i = 0; i < state->n_kept; i++) {
        state->compared[i] = is_in_compared(&c, i);
    }
    if (c.layer != SIZE_MAX) {
        state->layer = c.layer;
        const size_t cols = pl_model_layer(state->source->model, c.layer)->cols;
        state->channel = state->channel < cols ? state->channel : SIZE_MAX;
    }
    return PL_OK;
}

/* The table that fills while it is measured. */
static pl_status compare_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    (void)err;
    *taken = false;
    if (pl_compare_measures(call)) {
        pl_screen_add_line(screen, pl_call_value(call, "tasks") != NULL
                                       ? "view main=comparison form=tasks zoom=main"
                                       : "view main=comparison form=table zoom=main");
    }
    return PL_OK;
}

static void put_compare_help(pl_buf *out)
{
    pl_buf_puts(
        out,
        "\nWith windows=, text=, length=, protocol= or on=, or where a SETTING is a list of "
        "methods,\n"
        "every setting is solved as `solve all` does and measured on one text, a row for each:\n\n"
        "  compare \"gptq bits={3,4}\" \"hadamard; gptq bits={3,4}\" windows=20 file=t.csv\n\n"
        "A SETTING is a kept name, `now`, `all` that are kept, or in quotes methods, "
        "`activations`\n"
        "and `kv` with `;` between them; {a,b} stands for both, so that \"astro beta={1e-5,1e-4};\n"
        "gptq bits={3,4}\" is four rows; \"NAME: methods\" gives the row a name. A list begins\n"
        "without methods; calibration, and activations and cache where it does not name them, are\n"
        "the present ones. The state stays as it is, nothing is computed twice, and what was cut\n"
        "off goes on with the same command (or `resume`).\n\n"
        "\u00b1 is one standard error; \u0394 nll is the mean difference of the negative\n"
        "log-likelihood to the first row on the same tokens. Tokens of a window share their "
        "context,\n"
        "so its standard error is that of the windows' means, s / sqrt(windows), as is KL's; * "
        "marks\n"
        "differences beyond 2 of them (about 95 %, less sure for fewer than 10 windows). The\n"
        "perplexity's own \u00b1 is `perplexity`'s, over tokens, and no measure for a difference.\n"
        "bits count scales; MB is the whole model, unquantized tensors in 16 bits; s what the "
        "solves\n"
        "took; online the share of the layers' operations that transforms add at inference.\n"
        "`plot pareto`, `plot comparison form=perplexity|kl|table` draw the last rows.\n\n"
        "With on=tasks every setting is scored on published tasks as well (`help tasks`):\n\n"
        "  compare \"gptq bits={3,4}\" on=tasks tasks=arc_easy.jsonl tasks=piqa.jsonl shots=0\n\n"
        "acc, acc_norm where the task has it, and behind several tasks their mean (of acc_norm:\n"
        "with acc where a task has no other), each with its standard error; \u0394 is the "
        "difference\n"
        "to row 1 on the same items, and its \u00b1 that of the items' own differences.  CSV has "
        "a\n"
        "column for each of these numbers; `plot comparison form=tasks` draws the table.\n\n"
        "file=t.tex is a table for a paper: bits, and perplexity, \u0394 nll, KL, the tasks and "
        "the\n"
        "difference of their mean with their standard errors, in the digits that these leave.\n");
}

static void follow_compare(pl_screen *screen, const pl_call *call, pl_status how)
{
    const char *numbers = pl_call_value(call, "numbers");
    if (how == PL_OK && numbers != NULL && strcmp(numbers, "yes") == 0) {
        pl_buf text = {0};
        put_compare_text(call, &text);
        pl_screen_show_text(screen, call->text, text.data != NULL ? text.data : "");
        pl_buf_deinit(&text);
    }
    if (how == PL_OK) {
        pl_screen_follow_layer(screen);
    }
}

static const pl_key compare_keys[] = {
    {"numbers", PL_KEY_CHOICE, "no", "no|yes", "on the screen: the table, over the panes"},
    {"on", PL_KEY_CHOICE, "text", "text|tasks",
     "what every setting is measured on: a text, or tasks, too"},
    {"tasks", PL_KEY_FILES, NULL, NULL,
     "with on=tasks: score this file of a published task; may be given again"},
    {"shots", PL_KEY_INT, "0", NULL, "examples before each question of a task"},
    {"examples", PL_KEY_FILE, NULL, NULL, "the file they are drawn from"},
    {"limit", PL_KEY_INT, "0", NULL, "the first so many items of each task; 0: all"},
    {"text", PL_KEY_FILES, NULL, NULL, "measure on this text; may be given again"},
    {"protocol", PL_KEY_CHOICE, "gptq", "gptq|llama.cpp", "which targets are scored"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "20", NULL, "measure on so many windows; 0: all the text has"},
    {"sequential", PL_KEY_CHOICE, "yes", "yes|no",
     "solve each layer on what the layers before it give, as `solve all` does by itself; no: on "
     "the "
     "original model's inputs"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL,
     "write the table as .csv, .tex or .json, a setting a line"},
    {0},
};

const pl_command pl_command_compare = {
    .name = "compare",
    .positional = "[SETTING|all|LAYER] ...",
    .max_words = 64,
    .keys = compare_keys,
    .needs_model = true,
    .summary = "Kept settings and the present one: side by side on the screen (without a name no "
               "more), and their numbers; or, measured on a text, a row for each setting",
    .run = run_compare,
    .apply = apply_compare,
    .slow = pl_compare_measures,
    .unit = "settings",
    .keeps = true,
    .rebuild = PL_REBUILD_TEXTS,
    .history = PL_HISTORY_LOOK,
    .on_screen = compare_on_screen,
    .follow = follow_compare,
    .more_help = put_compare_help,
    .put_text = put_compare_text,
    .put_line = put_compare_line,
};
