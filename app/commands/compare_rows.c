/* compare, where it measures: each setting is a state of its own, solved and scored in turn. */
#include "app/commands/compare_rows.h"

#include "app/braces.h"
#include "app/commands/compare_tasks.h"
#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/state/kept.h"
#include "core/state/record.h"
#include "core/study/comparison.h"
#include "core/study/piece.h"
#include "plots/compared.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    char *name;    /* what its row is called */
    pl_state is;   /* the state as it would be in that setting */
    bool has_name; /* kept, or the present one: its perplexity is remembered */
    bool made;     /* measured by a pool in this call */
} setting;

typedef struct comparing {
    pl_call *call;
    pl_context cx;
    setting *settings; /* [count] */
    size_t count;
    pl_buf said; /* the command as a figure's file has it */
    pl_tokens text;
    pl_ppl_spec spec;
    bool sequential;
    pl_compare_tasks tasks;
    char measured[200];
    pl_id key; /* of the rows in the store */
} comparing;

bool pl_compare_measures(const pl_call *call)
{
    static const char *const asking[] = {"on",      "text",  "protocol",  "length",
                                         "windows", "tasks", "sequential"};
    bool measures = false;
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
        measures = measures || pl_call_value(call, asking[i]) != NULL;
    }
    for (size_t i = 0; i < call->n_words; i++) {
        measures = measures || strpbrk(call->words[i], " ;={:") != NULL;
    }
    return measures;
}

static void comparing_deinit(comparing *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->settings[i].name);
        pl_state_deinit(&c->settings[i].is);
    }
    free(c->settings);
    pl_buf_deinit(&c->said);
    pl_tokens_deinit(&c->text);
    pl_compare_tasks_deinit(&c->tasks);
}

/* --- settings from words ---------------------------------------------------------------------- */

/* Takes over what it is given. */
static pl_status push_setting(comparing *c, char *name, pl_state *is, bool has_name, pl_error *err)
{
    setting *grown = name != NULL ? realloc(c->settings, (c->count + 1) * sizeof *grown) : NULL;
    if (grown == NULL) {
        free(name);
        pl_state_deinit(is);
        return pl_error_memory(err, "a setting");
    }
    c->settings = grown;
    c->settings[c->count++] = (setting){.name = name, .is = *is, .has_name = has_name};
    return PL_OK;
}

/* "hadamard; gptq bits=4 on=*.q_proj": the methods that make `is` from a state without methods,
 * with the activations and cache of `state`. */
static void put_setting_change(const pl_state *is, const pl_state *state, pl_buf *out)
{
    pl_buf own = {0}, present = {0};
    const size_t start = out->size;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        if (is->slots[slot].method != NULL) {
            pl_buf_puts(out, out->size > start ? "; " : "");
            pl_spec_format(&is->slots[slot], out);
        }
    }
    for (size_t i = 0; i < is->n_overrides; i++) {
        const pl_override *over = &is->overrides[i];
        pl_buf_puts(out, out->size > start ? "; " : "");
        pl_state_put_method(over->slot, &over->spec, over->glob, out);
    }
    if (pl_state_import_count(is) > 0) { /* which no list of methods makes: `rebuild` says so */
        pl_buf_printf(out, "%simport all after=", out->size > start ? "; " : "");
        pl_command_quote(pl_path_name(is->imported.path), out);
    }
    pl_state_quantized_commands(is, &own);
    pl_state_quantized_commands(state, &present);
    if (own.size != present.size || (own.size > 0 && strcmp(own.data, present.data) != 0)) {
        pl_buf_printf(out, "%s%s%s", out->size > start ? "; " : "",
                      is->activations.bits == 0 ? "activations none; " : "",
                      is->kv.bits == 0 ? "kv none; " : "");
        for (size_t i = 0; i < own.size; i++) {
            pl_buf_append(out, own.data[i] == '\n' ? "; " : &own.data[i],
                          own.data[i] == '\n' ? 2 : 1);
        }
    }
    out->failed = out->failed || own.failed || present.failed;
    pl_buf_deinit(&own);
    pl_buf_deinit(&present);
}

/* A word of the command as a figure's file has it. */
static void say_word(comparing *c, const char *word)
{
    pl_buf_puts(&c->said, " ");
    pl_command_quote(word, &c->said);
}

/* A kept setting, or the present one, under its name. */
static pl_status add_state(comparing *c, const pl_state *from, const char *name, pl_error *err)
{
    pl_state is;
    pl_buf word = {0};
    pl_status status = pl_state_copy(&is, from, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_calibration_copy(&is.calibration, &c->cx.state->calibration, err); /* one for all */
    if (status != PL_OK) {
        pl_state_deinit(&is);
        return status;
    }
    pl_buf_printf(&word, "%s: ", name);
    put_setting_change(&is, c->cx.state, &word);
    status = pl_buf_check(&word, err);
    if (status == PL_OK) {
        say_word(c, word.data);
        status = push_setting(c, strdup(name), &is, true, err);
    } else {
        pl_state_deinit(&is);
    }
    pl_buf_deinit(&word);
    return status;
}

static pl_status add_kept(comparing *c, size_t index, pl_error *err)
{
    char name[PL_KEPT_NAME];
    pl_kept_name(c->cx.state, index, name);
    return add_state(c, &c->cx.state->kept[index]->is, name, err);
}

/* One command of a list, `method` left out or not, on the setting's state. */
static pl_status apply_part(pl_state *is, const char *text, pl_error *err)
{
    pl_call *call = NULL;
    pl_buf line = {0};
    const size_t length = strcspn(text, " \t\n");
    char *first = strndup(text, length);
    if (first == NULL) {
        return pl_error_memory(err, "a setting");
    }
    const pl_command *command = pl_command_find(first);
    free(first);
    pl_buf_printf(&line, "%s%s", command == NULL ? "method " : "", text);
    pl_status status = pl_buf_check(&line, err);
    if (status == PL_OK && command != NULL && !command->in_setting) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "`%s` is no part of a setting, expected methods, `activations` and "
                              "`kv`",
                              command->name);
    }
    PL_THEN(pl_call_parse(line.data, &call, err));
    PL_THEN(pl_call_apply(call, is, err));
    pl_call_destroy(call);
    pl_buf_deinit(&line);
    return status;
}

/* A state without methods, in which a list of them begins. */
static pl_status begin_setting(const pl_state *state, pl_state *is, pl_error *err)
{
    pl_status status = pl_state_copy(is, state, err);
    if (status == PL_OK) {
        pl_state_drop_imports(is, NULL);
        is->suggested = false;
        for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
            pl_state_drop_overrides(is, slot);
            is->slots[slot] = (pl_spec){0};
        }
    }
    return status;
}

static size_t name_length(const char *text)
{
    const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._+-");
    return length > 0 && text[length] == ':' ? length : 0;
}

/* "NAME: hadamard; gptq bits=4" or that without the name.  several: the name stands for more than
 * this one. */
static pl_status add_list(comparing *c, const char *text, bool several, pl_error *err)
{
    const size_t length = name_length(text);
    const char *script = length > 0 ? text + length + 1 : text;
    pl_state is;
    size_t parts = 0;
    pl_status status = begin_setting(c->cx.state, &is, err);
    if (status != PL_OK) {
        return status;
    }
    while (status == PL_OK) {
        char *part = NULL;
        status = pl_script_next(&script, &part, err);
        if (status != PL_OK || part == NULL) {
            break;
        }
        parts++;
        status = apply_part(&is, part, err);
        free(part);
    }
    if (status == PL_OK && parts == 0) {
        status = pl_error_set(err, PL_ERR_USAGE, "expected methods such as gptq bits=4");
    }
    if (status != PL_OK) {
        pl_state_deinit(&is);
        pl_error_prefix(err, "compare: \"%s\": ", text);
        return status;
    }
    return push_setting(c, length > 0 && !several ? strndup(text, length) : strdup(text), &is,
                        false, err);
}

static pl_status add_lists(comparing *c, const char *word, pl_error *err)
{
    char **texts = NULL;
    size_t count = 0;
    pl_status status = pl_braces_expand(word, &texts, &count, err);
    if (status != PL_OK) {
        pl_error_prefix(err, "compare: ");
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        status = add_list(c, texts[i], count > 1, err);
    }
    pl_braces_free(texts, count);
    say_word(c, word);
    return status;
}

static bool is_kept(const pl_state *state, const char *word, size_t *index)
{
    return pl_state_find_kept(state, "compare", word, index, NULL) == PL_OK;
}

static pl_status add_word(comparing *c, const char *word, pl_error *err)
{
    size_t index = 0;
    pl_status status = PL_OK;
    if (strcmp(word, "now") == 0) {
        return add_state(c, c->cx.state, "now", err);
    }
    if (is_kept(c->cx.state, word, &index)) {
        return add_kept(c, index, err);
    }
    if (strcmp(word, "all") != 0) {
        return add_lists(c, word, err);
    }
    for (size_t i = 0; status == PL_OK && i < c->cx.state->n_kept; i++) {
        status = add_kept(c, i, err);
    }
    return status == PL_OK && c->cx.state->n_kept == 0
               ? pl_error_set(err, PL_ERR_STATE,
                              "compare: no setting is kept: `keep NAME` keeps the present one")
               : status;
}

static pl_status read_settings(comparing *c, pl_error *err)
{
    pl_status status = PL_OK;
    pl_buf_puts(&c->said, "compare");
    for (size_t i = 0; status == PL_OK && i < c->call->n_words; i++) {
        status = add_word(c, c->call->words[i], err);
    }
    if (status == PL_OK && c->count == 0) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "compare: needs settings to measure, kept names or lists of methods "
                              "such as \"hadamard; gptq bits=4\"");
    }
    if (status == PL_OK && c->count > PL_BRACES_MOST) {
        status = pl_error_set(err, PL_ERR_USAGE, "compare: %zu settings, expected at most %d",
                              c->count, PL_BRACES_MOST);
    }
    return status;
}

/* --- the text --------------------------------------------------------------------------------- */

/* What must be the same where perplexities are compared, as `perplexity` notes it. */
static pl_status read_compared_text(comparing *c, pl_error *err)
{
    const char *files[PL_MAX_TEXTS];
    size_t n = 0, protocol = 0;
    char *owned = NULL;
    pl_buf measured = {0};
    size_t sequential = 0;
    pl_status status = pl_usage_choice(c->call, "protocol", &protocol, err);
    PL_THEN(pl_usage_choice(c->call, "sequential", &sequential, err));
    c->sequential = sequential == 0;
    PL_THEN(pl_usage_size(c->call, "length", 2, 1u << 20, &c->spec.length, err));
    PL_THEN(pl_usage_size(c->call, "windows", 0, 1u << 20, &c->spec.windows, err));
    PL_THEN(pl_check_length(c->call, c->cx.state, c->spec.length, err));
    PL_THEN(pl_text_files(c->call, c->cx.state, "evaluation.txt", files, &n, &owned, err));
    PL_THEN(pl_lab_own_tokens(c->cx, files, n, &c->text, err));
    if (status == PL_OK) {
        c->spec.protocol = (pl_ppl_protocol)protocol;
        pl_put_measured(c->call, &c->spec, files, n, &measured);
        for (size_t i = 0; owned == NULL && i < n; i++) {
            pl_buf_puts(&c->said, " text=");
            pl_command_quote(pl_path_name(files[i]), &c->said);
        }
        pl_buf_printf(&c->said, "%s protocol=%s length=%zu windows=%zu\n",
                      c->sequential ? "" : " sequential=no", pl_usage_text(c->call, "protocol"),
                      c->spec.length, c->spec.windows);
        status = pl_buf_check(&measured, err);
    }
    if (status == PL_OK) {
        snprintf(c->measured, sizeof c->measured, "%s", measured.data);
    }
    pl_buf_deinit(&measured);
    free(owned);
    return status;
}

/* --- rows ------------------------------------------------------------------------------------- */

static json_t *row_json(const setting *s, const pl_compared *c, const pl_compared *first)
{
    const pl_model *model = s->is.source->model;
    double mean = NAN, error = NAN, kl = NAN, kl_error = NAN;
    pl_buf label = {0};
    json_t *row = json_object();
    pl_state_label(&s->is, SIZE_MAX, &label);
    pl_clustered_kl(c->tokens, c->scores.windows, c->targets, &kl, &kl_error);
    if (first != c) {
        pl_paired_difference(first->tokens, c->tokens, c->scores.windows, c->targets, &mean,
                             &error);
    }
    pl_json_set(row, "setting", json_string(s->name));
    pl_json_set(row, "methods", json_string(label.data != NULL ? label.data : ""));
    pl_json_set(row, "perplexity", pl_json_number(c->scores.perplexity));
    pl_json_set(row, "perplexity_error", pl_json_number(c->scores.perplexity_error));
    pl_json_set(row, "nll_difference", pl_json_number(mean));
    pl_json_set(row, "nll_difference_error", pl_json_number(error));
    pl_json_set(row, "differs",
                isfinite(mean) && isfinite(error)
                    ? json_boolean(fabs(mean) > PL_COMPARE_REAL * error)
                    : json_null());
    pl_json_set(row, "kl_mean", pl_json_number(c->scores.kl_mean));
    pl_json_set(row, "kl_error", pl_json_number(kl_error));
    pl_json_set(row, "top1_agreement", pl_json_number(c->scores.top1_agreement));
    pl_json_set(row, "bits_per_weight", pl_json_number(c->total.bits_per_weight));
    pl_json_set(row, "rounded_relative_error", pl_json_number(c->total.rounded_relative_error));
    pl_json_set(row, "worst_layer",
                c->worst != SIZE_MAX ? json_string(pl_model_layer(model, c->worst)->name)
                                     : json_null());
    pl_json_set(row, "worst_rounded_relative_error", pl_json_number(c->worst_error));
    pl_json_set(row, "seconds", pl_json_number(c->total.seconds));
    pl_json_set(row, "megabytes", pl_json_number(c->bytes / 1e6));
    pl_json_set(row, "online_inputs", json_integer((json_int_t)c->online));
    pl_json_set(row, "online_share", pl_json_number(c->online_share));
    pl_json_set(row, "layers_solved", json_integer((json_int_t)c->layers));
    pl_buf_deinit(&label);
    return row;
}

/* The commands behind which the rows can be made again, and their key. */
static pl_status say_commands(comparing *c, pl_error *err)
{
    pl_buf all = {0};
    pl_id model = {0};
    pl_state_calibration_command(c->cx.state, &all);
    pl_state_quantized_commands(c->cx.state, &all);
    pl_buf_puts(&all, c->said.data != NULL ? c->said.data : "");
    all.failed = all.failed || c->said.failed;
    pl_status status = pl_buf_check(&all, err);
    PL_THEN(pl_model_identity(c->cx.state->source->model, &model, c->cx.task, err));
    if (status == PL_OK) {
        const pl_id parts[] = {
            model, pl_id_bytes(all.data, all.size), c->cx.state->calibration.key,
            pl_perplexity_text(c->cx.state->source->model, c->text.ids, c->text.count),
            c->tasks.id};
        const size_t used = sizeof parts / sizeof *parts - (c->tasks.files.count == 0);
        c->key = pl_id_bytes(parts, used * sizeof *parts);
        pl_buf_deinit(&c->said);
        c->said = all;
        return PL_OK;
    }
    pl_buf_deinit(&all);
    return status;
}

static void put_totals(pl_call *call, const comparing *c, const pl_compared *first, size_t known)
{
    json_t *out = call->result;
    pl_json_set(out, "measured", json_string(c->measured));
    pl_json_set(out, "original_perplexity", pl_json_number(first->scores.original));
    pl_json_set(out, "original_error", pl_json_number(first->scores.original_error));
    pl_json_set(out, "tokens", json_integer((json_int_t)first->scores.tokens));
    pl_json_set(out, "windows", json_integer((json_int_t)first->scores.windows));
    pl_json_set(out, "from_store", json_integer((json_int_t)known));
}

/* Solved, and scored on the text and the tasks. */
static pl_status measure_setting(comparing *c, setting *s, pl_compared *found, json_t **tasks,
                                 pl_task *task, pl_error *err)
{
    const bool scores_tasks = c->tasks.files.count > 0;
    pl_piece piece;
    pl_piece_init(&piece, task, "parts", scores_tasks ? 2 : 1);
    pl_status status = pl_compare_setting(c->cx.lab, &s->is, c->text.ids, c->text.count, &c->spec,
                                          c->sequential, found, &piece.task, err);
    if (status == PL_OK && scores_tasks) {
        pl_piece_step(&piece);
        status = pl_compare_tasks_score(&c->tasks, (pl_context){c->cx.lab, &s->is, &piece.task},
                                        PL_WHICH_AFTER, &found->found, tasks, err);
        if (status != PL_OK) {
            pl_compared_deinit(found);
        }
    }
    if (status != PL_OK && status != PL_ERR_CANCELLED) {
        pl_error_prefix(err, "compare: \"%s\": ", s->name);
    }
    return status;
}

/* Settings by a pool, if there is one. */
static pl_status make_in_units(comparing *c, pl_error *err)
{
    const pl_state **rows = pl_alloc(c->count, sizeof *rows);
    bool *made = calloc(c->count + 1, sizeof *made);
    pl_status status = rows != NULL && made != NULL ? PL_OK : pl_error_memory(err, "settings");
    for (size_t i = 0; status == PL_OK && i < c->count; i++) {
        rows[i] = &c->settings[i].is;
    }
    PL_THEN(pl_compare_in_units(c->cx, rows, c->count, c->text.ids, c->text.count, &c->spec,
                                c->sequential, made, err));
    for (size_t i = 0; status == PL_OK && i < c->count; i++) {
        c->settings[i].made = made[i];
    }
    free(rows);
    free(made);
    return status;
}

static pl_status make_rows(comparing *c, json_t *rows, pl_error *err)
{
    pl_compared first = {0};
    pl_piece piece;
    json_t *original = NULL;
    bool stored = true;
    size_t known = 0, changes = 0;
    pl_id before = {0};
    (void)pl_record_comparison(c->cx.state->source, &before, &changes);
    pl_status status = pl_comparison_keep(c->cx.lab, c->cx.state, c->key, rows, c->said.data, err);
    pl_piece_init(&piece, c->cx.task, "settings", c->count);
    if (status == PL_OK && c->tasks.files.count > 0) {
        status = pl_compare_tasks_score(&c->tasks, c->cx, PL_WHICH_BEFORE, &stored, &original, err);
    }
    PL_THEN(make_in_units(c, err));
    for (size_t i = 0; status == PL_OK && i < c->count; i++) {
        setting *s = &c->settings[i];
        pl_compared found = {0};
        json_t *tasks = NULL;
        status = measure_setting(c, s, &found, &tasks, &piece.task, err);
        if (status != PL_OK) {
            break;
        }
        known += found.found && !s->made;
        json_t *row = row_json(s, &found, i > 0 ? &first : &found);
        if (tasks != NULL) {
            pl_json_set(row, "tasks", tasks);
        }
        pl_json_append(rows, row);
        if (s->has_name) {
            pl_note_measured(&s->is, c->measured, &found.scores, found.layers);
        }
        if (i == 0) {
            first = found;
        } else {
            pl_compared_deinit(&found);
        }
        status = pl_comparison_keep(c->cx.lab, c->cx.state, c->key, rows, c->said.data, err);
        pl_piece_step(&piece);
    }
    if (status == PL_OK) {
        put_totals(c->call, c, &first, known);
        if (original != NULL) {
            pl_json_set(c->call->result, "original_tasks", json_incref(original));
        }
    } else if (json_array_size(rows) == 0) {
        pl_record_set_comparison(c->cx.state->source, before); /* nothing to show of this one */
    }
    pl_compared_deinit(&first);
    json_decref(original);
    return status;
}

/* CSV has a column for each number of a task, LaTeX what a page has room for, JSON the rows as they
 * are. */
static json_t *rows_for_file(const pl_call *call, json_t *rows)
{
    const char *path = pl_call_value(call, "file");
    json_t *out = json_array();
    size_t i = 0;
    json_t *row = NULL;
    if (path == NULL || pl_text_ends(path, ".json")) {
        json_decref(out);
        return json_incref(rows);
    }
    json_array_foreach(rows, i, row)
    {
        json_t *line = NULL;
        if (pl_text_ends(path, ".tex")) {
            line = pl_compare_paper_line(row);
        } else {
            line = json_copy(row);
            pl_compare_tasks_columns(row, line);
        }
        pl_json_append(out, line);
    }
    return out;
}

/* With the commands that name no kept setting, and the model in front of them. */
static pl_status write_table_file(comparing *c, json_t *rows, pl_error *err)
{
    const pl_figure_needs nothing = {.layers = &c->cx.state->layer};
    pl_buf commands = {0};
    pl_state_figure_commands(c->cx.state, &nothing, &commands);
    pl_buf_puts(&commands, c->said.data);
    pl_status status = pl_buf_check(&commands, err);
    PL_THEN(pl_rows_write_made_by(c->call, c->cx.state, rows, commands.data, c->cx.task, err));
    pl_buf_deinit(&commands);
    return status;
}

pl_status pl_compare_run_rows(pl_call *call, pl_context cx, pl_error *err)
{
    const double start = pl_clock_now();
    comparing c = {.call = call, .cx = cx};
    json_t *rows = json_array();
    pl_status status = pl_model_need_forward(cx.state->source->model, "compare", err);
    PL_THEN(pl_rows_check_file(call, err));
    PL_THEN(pl_state_check_origin(cx.state, false, err));
    PL_THEN(read_settings(&c, err));
    PL_THEN(pl_compare_tasks_read(call, &c.tasks, &c.said, err));
    PL_THEN(read_compared_text(&c, err));
    PL_THEN(say_commands(&c, err));
    PL_THEN(make_rows(&c, rows, err));
    if (status == PL_OK) {
        json_t *of_file = rows_for_file(call, rows);
        status = write_table_file(&c, of_file, err);
        json_decref(of_file);
    }
    if (status == PL_OK) {
        pl_json_set(call->result, "rows", json_incref(rows));
        pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    }
    json_decref(rows);
    comparing_deinit(&c);
    return status;
}

/* --- as text ---------------------------------------------------------------------------------- */

static const struct {
    const char *head, *key, *format;
} shown[] = {
    {"perplexity", "perplexity", "%#.5g"},
    {"\u00b1", "perplexity_error", "%#.2g"},
    {"\u0394 nll", "nll_difference", "%#.3g"},
    {"\u00b1 ", "nll_difference_error", "%#.2g"},
    {"KL", "kl_mean", "%#.3g"},
    {"top-1", "top1_agreement", "%.3f"},
    {"bits", "bits_per_weight", "%#.4g"},
    {"error", "rounded_relative_error", "%#.2g"},
    {"worst", "worst_rounded_relative_error", "%#.2g"},
    {"s", "seconds", "%.3g"},
    {"MB", "megabytes", "%.4g"},
    {"online", "online_share", "%.2g"},
};
enum { SHOWN = sizeof shown / sizeof *shown };

static pl_status fill_shown(const json_t *rows, pl_table *table, pl_error *err)
{
    size_t i = 0;
    const json_t *row = NULL;
    pl_status status = pl_table_init(table, json_array_size(rows), SHOWN + 2, err);
    PL_THEN(pl_table_head(table, 0, "", err));
    for (size_t k = 0; status == PL_OK && k < SHOWN; k++) {
        status = pl_table_head(table, k + 2, shown[k].head, err);
    }
    json_array_foreach(rows, i, row)
    {
        char number[24];
        snprintf(number, sizeof number, "%zu", i + 1);
        PL_THEN(pl_table_text(table, i, 0, number, err));
        PL_THEN(pl_table_text(table, i, 1,
                              json_is_true(json_object_get(row, "differs")) ? "*" : " ", err));
        for (size_t k = 0; status == PL_OK && k < SHOWN; k++) {
            status = pl_table_number(table, i, k + 2, shown[k].format,
                                     pl_json_number_of(row, shown[k].key), "", err);
        }
    }
    return status;
}

void pl_compare_put_rows(const pl_call *call, pl_buf *out)
{
    json_t *rows = json_object_get(call->result, "rows");
    json_t *rest = json_copy(call->result);
    pl_table table = {0};
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "setting"));
        const char *methods = json_string_value(json_object_get(row, "methods"));
        const bool list = !pl_compared_is_named(name);
        pl_buf_printf(out, "%3zu  %s%s%s\n", i + 1, list ? methods : name, list ? "" : ": ",
                      list ? "" : methods);
    }
    if (fill_shown(rows, &table, NULL) == PL_OK) {
        pl_table_put_text(&table, call->columns, "s MB online worst error top-1", out);
    }
    pl_buf_puts(out, "* differs from row 1 by more than 2 standard errors, over windows\n");
    if (json_object_get(rest, "original_tasks") != NULL) {
        pl_compare_tasks_put(call, out);
        pl_buf_puts(out, "* differs from row 1 by more than 2 standard errors, over items\n");
    }
    json_object_del(rest, "rows");
    json_object_del(rest, "original_tasks");
    pl_result_object(rest, out);
    json_decref(rest);
    pl_table_deinit(&table);
}

void pl_compare_put_line(const pl_call *call, pl_buf *out)
{
    const json_t *rows = json_object_get(call->result, "rows");
    size_t i = 0, differ = 0, best = 0;
    double least = INFINITY;
    const json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        const double value = pl_json_number_of(row, "perplexity");
        differ += json_is_true(json_object_get(row, "differs"));
        if (value < least) {
            least = value;
            best = i + 1;
        }
    }
    pl_buf_printf(out, "%zu settings measured, %zu differ from the first", json_array_size(rows),
                  differ);
    if (best > 0) {
        pl_buf_printf(out, "; least perplexity %.5g: row %zu", least, best);
    }
    pl_compare_tasks_put_line(call, out);
}
