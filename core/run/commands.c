/* A state as commands (provenance) and as JSON (sessions). */
#include "core/base/json.h"
#include "core/run/state.h"

#include "core/base/file.h"
#include "core/run/origin.h"
#include "core/run/quantized.h"
#include "core/run/sweep.h"

#include <stdlib.h>
#include <string.h>

/* Quotes a word where the grammar needs it: '...' but for apostrophes, which stand in "...". */
static void put_word(pl_buf *out, const char *word)
{
    if (word[0] != '\0' && strpbrk(word, " \t\n\v\f\r;#'\"=") == NULL) {
        pl_buf_puts(out, word);
        return;
    }
    do {
        char quote = *word == '\'' ? '"' : '\'';
        size_t length = quote == '"' ? strspn(word, "'") : strcspn(word, "'");
        pl_buf_printf(out, "%c%.*s%c", quote, (int)length, word, quote);
        word += length;
    } while (*word != '\0');
}

static void put_protocol(pl_buf *out, const pl_protocol *protocol)
{
    pl_buf_printf(out, " length=%zu windows=%zu", protocol->length, protocol->windows);
    if (protocol->rows > 0) {
        pl_buf_printf(out, " rows=%zu", protocol->rows);
    }
    if (protocol->sample == PL_SAMPLE_RANDOM) {
        pl_buf_printf(out, " sample=random seed=%llu", (unsigned long long)protocol->seed);
    }
}

/* The last name of a path, also of "folder/". */
static void put_last_name(pl_buf *out, const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    pl_buf name = {0};
    pl_buf_append(&name, path + start, end - start);
    pl_buf_append(&name, "", 0);
    out->failed = out->failed || name.failed;
    if (!name.failed) {
        put_word(out, name.data);
    }
    pl_buf_deinit(&name);
}

static void put_open(const pl_source *source, pl_buf *out)
{
    if (source->demo != NULL) {
        return;
    }
    pl_buf_puts(out, "open ");
    put_last_name(out, source->path);
    if (source->inputs != NULL) {
        pl_buf_puts(out, " inputs=");
        put_last_name(out, source->inputs);
    }
    pl_buf_puts(out, "\n");
}

/* The demo calibrates itself on its own text: only another calibration has to be asked for. */
static void put_calibration(const pl_state *state, pl_buf *out)
{
    const pl_calibration *calibration = &state->calibration;
    const pl_protocol *protocol = &calibration->protocol;
    pl_buf own = {0};
    if (state->source->demo != NULL) {
        pl_path_join(&own, state->source->demo, "calibration.txt");
    }
    bool own_text = own.data != NULL && calibration->n_texts == 1 &&
                    strcmp(calibration->texts[0], own.data) == 0;
    pl_buf_deinit(&own);
    bool by_itself = own_text && protocol->length == 512 && protocol->windows == 8 &&
                     protocol->sample == PL_SAMPLE_FIRST && protocol->rows == 0;
    if (calibration->n_texts == 0 || by_itself) {
        return;
    }
    pl_buf_puts(out, "calibrate");
    for (size_t i = 0; i < calibration->n_texts && !own_text; i++) {
        pl_buf_puts(out, " text=");
        put_last_name(out, calibration->texts[i]);
    }
    put_protocol(out, protocol);
    pl_buf_puts(out, "\n");
}

static void put_slot(pl_buf *out, pl_slot slot, const pl_spec *spec, const char *glob)
{
    pl_buf_puts(out, "method ");
    if (spec->method == NULL) {
        pl_buf_printf(out, "none slot=%s", pl_slot_name(slot));
    } else {
        pl_spec_format(spec, out);
    }
    if (glob != NULL) {
        pl_buf_puts(out, " on=");
        put_word(out, glob);
    }
    pl_buf_puts(out, "\n");
}

static void put_slots(const pl_state *state, size_t only, pl_buf *out)
{
    if (only != SIZE_MAX && pl_state_is_imported(state, only)) {
        return;
    }
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec =
            only != SIZE_MAX ? pl_state_spec(state, only, slot) : &state->slots[slot];
        if (spec->method != NULL) {
            put_slot(out, slot, spec, NULL);
        }
    }
    for (size_t i = 0; only == SIZE_MAX && i < state->n_overrides; i++) {
        const pl_override *over = &state->overrides[i];
        put_slot(out, over->slot, &over->spec, over->glob);
    }
}

/* Behind the methods, which would take an imported layer back. */
static void put_import(const pl_state *state, const char *layer, pl_buf *out)
{
    pl_buf_printf(out, "import %s after=", layer);
    put_last_name(out, state->imported.path);
    pl_buf_puts(out, "\n");
}

/* Every imported layer. */
static void put_imports(const pl_state *state, pl_buf *out)
{
    const pl_model *model = state->source->model;
    const size_t layers = pl_model_layer_count(model);
    if (pl_state_import_count(state) == layers) {
        put_import(state, "all", out);
        return;
    }
    for (size_t i = 0; i < layers; i++) {
        if (pl_state_is_imported(state, i)) {
            put_import(state, pl_model_layer(model, i)->name, out);
        }
    }
}

/* The solve of all layers in sequence, behind the imports that it saw; *imported says whether there
 * are any, which then are put. */
static void put_sequential(const pl_state *state, bool *imported, pl_buf *out)
{
    *imported = false;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        *imported = *imported || pl_state_solved_around_imports(state, i);
    }
    if (*imported) {
        put_imports(state, out);
    }
    pl_buf_puts(out, "solve all\n");
}

void pl_state_commands(const pl_state *state, bool whole, pl_buf *out)
{
    const pl_source *source = state->source;
    if (source == NULL) {
        return;
    }
    put_open(source, out);
    put_calibration(state, out);
    pl_quantized_commands(state, out);
    size_t layers = pl_model_layer_count(source->model);
    size_t solved = 0;
    size_t sequential = 0;
    size_t imported = 0;
    for (size_t i = whole ? 0 : state->layer; i < (whole ? layers : state->layer + 1); i++) {
        if (pl_state_is_imported(state, i)) {
            imported++;
        } else if (pl_state_result(state, i) != NULL) {
            solved++;
            sequential += state->solved[i].sequential;
        }
    }
    if (solved > 0) {
        put_slots(state, whole || sequential > 0 ? SIZE_MAX : state->layer, out);
    }
    bool put = false;
    if (sequential > 0) {
        put_sequential(state, &put, out);
    } else if (whole && solved == layers) {
        pl_buf_puts(out, "solve all sequential=no\n");
    }
    if (whole && imported > 0 && !put) {
        put_imports(state, out);
    } else if (imported > 0 && !put) {
        put_import(state, pl_model_layer(source->model, state->layer)->name, out);
    }
    for (size_t i = 0; i < layers && whole && (solved < layers || sequential > 0); i++) {
        if (pl_state_result(state, i) != NULL && !state->solved[i].sequential &&
            !pl_state_is_imported(state, i)) {
            pl_buf_printf(out, "solve %s\n", pl_model_layer(source->model, i)->name);
        }
    }
    pl_buf_printf(out, "select %s\n", pl_model_layer(source->model, state->layer)->name);
    if (!whole && solved > sequential) {
        pl_buf_puts(out, "solve\n");
    }
}

static bool is_needed(const pl_figure_needs *needs, size_t layer)
{
    for (size_t i = 0; i < needs->n_layers; i++) {
        if (needs->layers[i] == layer) {
            return true;
        }
    }
    return false;
}

/* Whether a panel shows the layer's result, which the commands must make then. */
static bool is_shown(const pl_state *state, const pl_figure_needs *needs, size_t layer)
{
    bool shown = false;
    for (size_t i = 0; i < needs->n_layers; i++) {
        shown = shown || (needs->layers[i] == layer && needs->results[i]);
    }
    return shown && pl_state_result(state, layer) != NULL;
}

static bool needs_calibration(const pl_state *state, const pl_figure_needs *needs)
{
    bool needed = needs->inputs || needs->pins || needs->sweep;
    for (size_t i = 0; i < needs->n_layers; i++) {
        needed = needed || is_shown(state, needs, needs->layers[i]);
    }
    return needed;
}

/* The slots as they are, the empty ones too where a baseline has filled them before. */
static void put_present_slots(const pl_state *state, size_t only, bool emptied, pl_buf *out)
{
    emptied = emptied && (only == SIZE_MAX || !pl_state_is_imported(state, only));
    for (pl_slot slot = 0; emptied && slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec =
            only != SIZE_MAX ? pl_state_spec(state, only, slot) : &state->slots[slot];
        if (spec->method == NULL) {
            put_slot(out, slot, spec, NULL);
        }
    }
    put_slots(state, only, out);
}

static bool suits_activations(const pl_spec *transform)
{
    return transform->method != NULL && transform->method->suits_activations;
}

/* Whether the figure depends on how activations and cache are quantized: it shows that, or a
 * perplexity under it, or what a transform learned under it or a sequential solve has made. */
static bool needs_quantized(const pl_state *state, const pl_figure_needs *needs, bool methods,
                            size_t sequential)
{
    bool needed = needs->activations || sequential > 0 || (needs->sweep && state->sweep.perplexity);
    for (size_t i = 0; methods && i < pl_model_layer_count(state->source->model); i++) {
        if (is_needed(needs, i) || (needs->sweep && state->sweep.whole)) {
            needed = needed || suits_activations(pl_state_spec(state, i, PL_SLOT_TRANSFORM));
        }
    }
    for (size_t i = 0; i < state->n_pins && needs->pins; i++) {
        const pl_pin *pin = &state->pins[i];
        needed = needed || (is_needed(needs, pin->layer) &&
                            suits_activations(&pin->slots[PL_SLOT_TRANSFORM]));
    }
    return needed;
}

static void put_learning(const pl_state *state, size_t layer, uint64_t step, pl_buf *out)
{
    if (step == 0) {
        return;
    }
    pl_buf_printf(out, "learn %s", pl_model_layer(state->source->model, layer)->name);
    if (step < UINT64_MAX) {
        pl_buf_printf(out, " until=%llu", (unsigned long long)step);
    }
    pl_buf_puts(out, "\n");
}

void pl_state_figure_commands(const pl_state *state, const pl_figure_needs *needs, pl_buf *out)
{
    const pl_source *source = state->source;
    size_t layers = pl_model_layer_count(source->model);
    size_t solved = 0;
    size_t sequential = 0;
    size_t imported = 0;
    bool one = true;
    bool pinned = false;
    put_open(source, out);
    if (needs_calibration(state, needs)) {
        put_calibration(state, out);
    }
    for (size_t i = 0; i < layers; i++) {
        bool shown = is_shown(state, needs, i);
        if (shown && pl_state_is_imported(state, i)) {
            imported++;
        } else if (shown) {
            solved++;
            sequential += state->solved[i].sequential;
        }
        one = one && (!is_needed(needs, i) || i == needs->layers[0]);
    }
    bool whole = sequential > 0 || (needs->sweep && state->sweep.whole) || !one;
    bool methods = solved > 0 || needs->methods || needs->sweep;
    if (needs_quantized(state, needs, methods, sequential)) {
        pl_quantized_commands(state, out);
    }
    for (size_t i = 0; i < layers && needs->pins; i++) {
        size_t size = out->size;
        if (is_needed(needs, i)) {
            pl_pin_commands(state, i, out);
        }
        pinned = pinned || out->size > size;
    }
    if (methods) {
        put_present_slots(state, whole ? SIZE_MAX : needs->layers[0], pinned, out);
    }
    for (size_t i = 0; i < needs->n_layers && needs->learned != NULL; i++) {
        put_learning(state, needs->layers[i], needs->learned[i], out);
    }
    bool put = false;
    if (sequential > 0) {
        put_sequential(state, &put, out);
    }
    for (size_t i = 0; i < layers && imported > 0 && !put; i++) {
        if (is_shown(state, needs, i) && pl_state_is_imported(state, i)) {
            put_import(state, pl_model_layer(source->model, i)->name, out);
        }
    }
    for (size_t i = 0; i < layers && !one; i++) {
        if (is_shown(state, needs, i) && !state->solved[i].sequential &&
            !pl_state_is_imported(state, i)) {
            pl_buf_printf(out, "solve %s\n", pl_model_layer(source->model, i)->name);
        }
    }
    if (needs->sweep && state->sweep.set) {
        pl_sweep_command(state, out);
    }
    pl_buf_printf(out, "select %s\n", pl_model_layer(source->model, needs->layers[0])->name);
    if (one && solved > sequential) {
        pl_buf_puts(out, "solve\n");
    }
}

void pl_sweep_command(const pl_state *state, pl_buf *out)
{
    const pl_sweep *sweep = &state->sweep;
    if (!sweep->set || state->source == NULL) {
        return;
    }
    pl_buf_printf(out, "sweep %s %s=",
                  sweep->whole ? "all" : pl_model_layer(state->source->model, sweep->layer)->name,
                  sweep->param);
    char from[PL_SWEEP_NUMBER], to[PL_SWEEP_NUMBER];
    pl_sweep_number(sweep->from, from);
    pl_sweep_number(sweep->to, to);
    pl_buf_printf(out, "%s:%s:%s%zu slot=%s", from, to, sweep->logarithmic ? "log" : "lin",
                  sweep->points, pl_slot_name(sweep->slot));
    if (sweep->perplexity) {
        pl_buf_puts(out, " perplexity=yes");
        if (sweep->text[0] != '\0') {
            pl_buf_puts(out, " text=");
            put_last_name(out, sweep->text);
        }
        pl_buf_printf(out, " length=%zu windows=%zu", sweep->length, sweep->windows);
    }
    pl_buf_puts(out, "\n");
}

static json_t *spec_json(pl_slot slot, const pl_spec *spec, const char *glob)
{
    pl_buf text = {0};
    if (spec->method != NULL) {
        pl_spec_format(spec, &text);
    }
    json_t *json = json_pack("{s:s, s:s, s:s?}", "slot", pl_slot_name(slot), "spec",
                             text.data != NULL ? text.data : "", "on", glob);
    pl_buf_deinit(&text);
    return json;
}

static json_t *solved_json(const pl_state *state)
{
    json_t *list = json_array();
    size_t n = state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
    for (size_t i = 0; i < n && state->solved != NULL; i++) {
        const pl_solved *solved = &state->solved[i];
        if (!solved->set && !solved->foreign) {
            continue;
        }
        char plan[PL_ID_TEXT];
        char result[PL_ID_TEXT];
        pl_id_format(solved->plan, plan);
        pl_id_format(solved->result, result);
        pl_json_append(list, json_pack("[s, s, s, b, b, b]",
                                       pl_model_layer(state->source->model, i)->name, plan, result,
                                       (int)solved->sequential, (int)solved->imported,
                                       (int)solved->foreign));
    }
    return list;
}

static json_t *grid_json(const pl_act_grid *grid, size_t group_size)
{
    return json_pack("{s:i, s:s?, s:b, s:f, s:I}", "bits", grid->bits, "format",
                     grid->format != NULL ? grid->format->key : NULL, "fixed", (int)grid->fixed,
                     "clip", grid->clip, "group_size", (json_int_t)group_size);
}

/* What is missing or not understood is off. */
static pl_act_grid grid_of(const json_t *json, size_t *group_size)
{
    const json_int_t bits = json_integer_value(json_object_get(json, "bits"));
    const json_int_t width = json_integer_value(json_object_get(json, "group_size"));
    const double clip = json_number_value(json_object_get(json, "clip"));
    const char *key = json_string_value(json_object_get(json, "format"));
    /* Sessions written before there was a table of formats say whether there is a zero point. */
    const pl_format *format = key != NULL ? pl_format_find(key)
                              : json_is_true(json_object_get(json, "asymmetric"))
                                  ? &pl_format_asymmetric
                                  : &pl_format_symmetric;
    *group_size = width > 0 ? (size_t)width : 0;
    if (bits < 2 || bits > 8 || format == NULL || !(clip > 0.0 && clip <= 1.0)) {
        return (pl_act_grid){0};
    }
    return (pl_act_grid){.bits = (int)bits,
                         .format = format,
                         .fixed = json_is_true(json_object_get(json, "fixed")),
                         .clip = clip};
}

static json_t *state_json(const pl_state *state)
{
    const pl_calibration *calibration = &state->calibration;
    json_t *texts = json_array();
    for (size_t i = 0; i < calibration->n_texts; i++) {
        pl_json_append(texts, json_string(calibration->texts[i]));
    }
    char key[PL_ID_TEXT] = "";
    if (calibration->known) {
        pl_id_format(calibration->key, key);
    }
    json_t *slots = json_array();
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        pl_json_append(slots, spec_json(slot, &state->slots[slot], NULL));
    }
    for (size_t i = 0; i < state->n_overrides; i++) {
        const pl_override *over = &state->overrides[i];
        pl_json_append(slots, spec_json(over->slot, &over->spec, over->glob));
    }
    const pl_source *source = state->source;
    const pl_protocol *protocol = &calibration->protocol;
    char imported[PL_ID_TEXT] = "";
    pl_id_format(state->imported.id, imported);
    return json_pack(
        "{s:i, s:s?, s:s?, s:s?, s:s, s:{s:o, s:I, s:I, s:i, s:I, s:I, s:s}, s:o, s:o, "
        "s:s?, s:i, s:i, s:o, s:o, s:o, s:o, s:b}",
        "version", 1, "model", source != NULL ? source->path : NULL, "inputs",
        source != NULL ? source->inputs : NULL, "import", state->imported.path, "import_id",
        imported, "calibration", "texts", texts, "length", (json_int_t)protocol->length, "windows",
        (json_int_t)protocol->windows, "sample", (int)protocol->sample, "seed",
        (json_int_t)protocol->seed, "rows", (json_int_t)protocol->rows, "key", key, "slots", slots,
        "solved", solved_json(state), "layer",
        source != NULL ? pl_model_layer(source->model, state->layer)->name : NULL, "side",
        (int)state->side, "which", (int)state->which, "display", pl_display_to_json(state),
        "activations", grid_json(&state->activations, 0), "kv",
        grid_json(&state->kv, state->kv_group_size), "origin",
        source != NULL ? pl_origin_json(source) : json_null(), "suggested",
        (int)state->suggested);
}

/* A record that lacks something would restore another state. */
json_t *pl_state_to_json(const pl_state *state)
{
    const unsigned before = pl_memory_failures();
    json_t *json = state_json(state);
    if (pl_memory_failures() != before) {
        json_decref(json);
        return NULL;
    }
    return json;
}

pl_status pl_spec_parse(const char *text, pl_spec *spec, pl_error *err)
{
    *spec = (pl_spec){0};
    char *copy = strdup(text);
    if (copy == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    char *rest = NULL;
    char *word = strtok_r(copy, " ", &rest);
    pl_status status = PL_OK;
    if (word != NULL) {
        const pl_method *method = pl_method_find(word);
        if (method == NULL) {
            status = pl_error_set(err, PL_ERR_FORMAT, "session: no method is named \"%s\"", word);
        } else {
            *spec = pl_spec_default(method);
        }
    }
    while (status == PL_OK && word != NULL && (word = strtok_r(NULL, " ", &rest)) != NULL) {
        char *equals = strchr(word, '=');
        if (equals == NULL) {
            status =
                pl_error_set(err, PL_ERR_FORMAT, "session: expected key=value, found \"%s\"", word);
        } else {
            *equals = '\0';
            status = pl_spec_set(spec, word, equals + 1, err);
        }
    }
    free(copy);
    return status;
}

static pl_status restore_slots(pl_state *state, const json_t *slots, pl_error *err)
{
    size_t index;
    json_t *item;
    json_array_foreach(slots, index, item)
    {
        const char *slot_name = json_string_value(json_object_get(item, "slot"));
        const char *text = json_string_value(json_object_get(item, "spec"));
        const char *glob = json_string_value(json_object_get(item, "on"));
        pl_slot slot = 0;
        while (slot < PL_SLOT_COUNT &&
               (slot_name == NULL || strcmp(pl_slot_name(slot), slot_name) != 0)) {
            slot++;
        }
        if (slot == PL_SLOT_COUNT || text == NULL) {
            return pl_error_set(err, PL_ERR_FORMAT, "session: slot %zu is not readable", index);
        }
        pl_spec spec;
        pl_status status = pl_spec_parse(text, &spec, err);
        if (status != PL_OK) {
            return status;
        }
        if (glob == NULL) {
            state->slots[slot] = spec;
        } else if (state->n_overrides < PL_MAX_OVERRIDES) {
            pl_override *over = &state->overrides[state->n_overrides];
            over->glob = strdup(glob);
            if (over->glob == NULL) {
                return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
            }
            over->slot = slot;
            over->spec = spec;
            state->n_overrides++;
        }
    }
    return PL_OK;
}

static pl_status restore_calibration(pl_state *state, const json_t *json, pl_error *err)
{
    const char *texts[PL_MAX_TEXTS];
    size_t n = 0;
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(json, "texts"), index, item)
    {
        if (n < PL_MAX_TEXTS && json_is_string(item)) {
            texts[n++] = json_string_value(item);
        }
    }
    pl_protocol protocol = {
        .length = (size_t)json_integer_value(json_object_get(json, "length")),
        .windows = (size_t)json_integer_value(json_object_get(json, "windows")),
        .sample = json_integer_value(json_object_get(json, "sample")) == PL_SAMPLE_RANDOM
                      ? PL_SAMPLE_RANDOM
                      : PL_SAMPLE_FIRST,
        .seed = (uint64_t)json_integer_value(json_object_get(json, "seed")),
        .rows = (size_t)json_integer_value(json_object_get(json, "rows")),
    };
    if (protocol.length < 2 || protocol.windows < 1 || protocol.rows > PL_MOST_ROWS) {
        return pl_error_set(err, PL_ERR_FORMAT, "session: the calibration's windows are missing");
    }
    /* The demo's own text is found again where this build keeps it. */
    if (state->source->demo != NULL && n == 1 &&
        strcmp(pl_path_name(texts[0]), "calibration.txt") == 0) {
        state->calibration.protocol = protocol;
    } else {
        pl_status status = pl_calibration_set(&state->calibration, texts, n, &protocol, err);
        if (status != PL_OK) {
            return status;
        }
    }
    const char *key = json_string_value(json_object_get(json, "key"));
    state->calibration.known = key != NULL && pl_id_parse(key, &state->calibration.key);
    return PL_OK;
}

/* Before the solved layers, of which some may be imported. */
static pl_status restore_import(pl_state *state, const json_t *json, pl_error *err)
{
    const char *path = json_string_value(json_object_get(json, "import"));
    const char *text = json_string_value(json_object_get(json, "import_id"));
    pl_id id = {0};
    return path != NULL && text != NULL && pl_id_parse(text, &id)
               ? pl_state_set_import(state, path, id, err)
               : PL_OK;
}

/* same: the model is the one that the results are of. */
static void restore_solved(pl_state *state, const json_t *list, bool same)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *name = json_string_value(json_array_get(item, 0));
        const char *plan = json_string_value(json_array_get(item, 1));
        const char *result = json_string_value(json_array_get(item, 2));
        size_t layer = 0;
        pl_solved solved = {.set = true,
                            .sequential = json_is_true(json_array_get(item, 3)),
                            .imported = json_is_true(json_array_get(item, 4))};
        const bool from_somewhere = !solved.imported || !same || state->imported.path != NULL;
        if (from_somewhere && name != NULL && plan != NULL && result != NULL &&
            pl_id_parse(plan, &solved.plan) && pl_id_parse(result, &solved.result) &&
            pl_model_find_layer(state->source->model, name, &layer, NULL) == PL_OK) {
            const bool foreign = !same || json_is_true(json_array_get(item, 5));
            state->solved[layer] = foreign ? (pl_solved){.foreign = true} : solved;
        }
    }
}

/* A session of before there was a suggestion, in which nobody has named a method, has it, too. */
static void restore_suggestion(pl_state *state, const json_t *suggested)
{
    bool empty = state->n_overrides == 0;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        empty = empty && state->slots[slot].method == NULL;
    }
    if (suggested == NULL && empty) {
        pl_state_default_methods(state);
    }
    state->suggested = state->suggested || json_is_true(suggested);
}

pl_status pl_state_restore(pl_state *state, const json_t *json, pl_source *source, pl_error *err)
{
    pl_state_init(state);
    if (json_integer_value(json_object_get(json, "version")) != 1) {
        return pl_error_set(err, PL_ERR_FORMAT, "session: expected a state of version 1");
    }
    pl_status status = pl_state_set_source(state, source, err);
    if (status == PL_OK) {
        status = restore_slots(state, json_object_get(json, "slots"), err);
    }
    if (status == PL_OK) {
        restore_suggestion(state, json_object_get(json, "suggested"));
        status = restore_calibration(state, json_object_get(json, "calibration"), err);
    }
    bool same = false;
    if (status == PL_OK) {
        status = pl_origin_check(source, json_object_get(json, "origin"), &same, err);
    }
    if (status == PL_OK && same) {
        status = restore_import(state, json, err);
    }
    if (status != PL_OK) {
        pl_state_deinit(state);
        return status;
    }
    state->calibration.foreign = state->calibration.known && !same;
    state->calibration.known = state->calibration.known && same;
    restore_solved(state, json_object_get(json, "solved"), same);
    const char *layer = json_string_value(json_object_get(json, "layer"));
    if (layer == NULL || pl_model_find_layer(source->model, layer, &state->layer, NULL) != PL_OK) {
        state->layer = 0;
    }
    json_int_t side = json_integer_value(json_object_get(json, "side"));
    json_int_t which = json_integer_value(json_object_get(json, "which"));
    state->side = side == PL_SIDE_INPUT ? PL_SIDE_INPUT : PL_SIDE_WEIGHT;
    state->which = which >= 0 && which <= PL_WHICH_BOTH ? (pl_which)which : PL_WHICH_BOTH;
    pl_display_from_json(state, json_object_get(json, "display"));
    state->n_pins = same ? state->n_pins : 0;
    size_t unused = 0;
    state->activations = grid_of(json_object_get(json, "activations"), &unused);
    state->kv = grid_of(json_object_get(json, "kv"), &state->kv_group_size);
    return PL_OK;
}
