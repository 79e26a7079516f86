/* Settings under a name, and pins. */
#include "core/state/kept.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/state/record.h"
#include "core/state/state_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t pl_state_compared(const pl_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < state->n_kept; i++) {
        count += state->compared[i];
    }
    return count;
}

void pl_kept_name(const pl_state *state, size_t index, char out[PL_KEPT_NAME])
{
    if (state->kept[index]->name[0] != '\0') {
        snprintf(out, PL_KEPT_NAME, "%s", state->kept[index]->name);
    } else {
        snprintf(out, PL_KEPT_NAME, "%zu", index + 1);
    }
}

const pl_pin *pl_kept_pin(const pl_kept *kept, size_t layer)
{
    return kept->pins[layer].of != NULL ? &kept->pins[layer] : NULL;
}

bool pl_pin_needs_quantized(const pl_pin *pin)
{
    const pl_spec *transform = pl_state_spec(&pin->of->is, pin->layer, PL_SLOT_TRANSFORM);
    return pin->sequential || (transform->method != NULL && transform->method->suits_activations);
}

/* --- what it is ------------------------------------------------------------------------------- */

/* Each method with the parameter one looks for first; all: and those that are not as usual. */
static void put_chain(const pl_state *state, size_t layer, bool all, pl_buf *out)
{
    const size_t size = out->size;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec =
            layer != SIZE_MAX ? pl_state_spec(state, layer, slot) : &state->slots[slot];
        if (spec->method == NULL) {
            continue;
        }
        pl_buf_printf(out, "%s%s", out->size > size ? " > " : "", spec->method->name);
        const pl_spec usual = pl_spec_usual(spec);
        const size_t telling = pl_spec_telling(spec);
        for (size_t i = 0; i < spec->method->n_params; i++) {
            const bool other = spec->values[i] < usual.values[i] ||
                               spec->values[i] > usual.values[i] || spec->method->params[i].leads;
            if (i == telling || (all && other && pl_spec_is_written(spec, i))) {
                pl_buf_printf(out, " %s=", spec->method->params[i].name);
                pl_spec_format_value(spec, i, out);
            }
        }
    }
}

/* ", cache 4 bits" or ", cache 4 bits mxfp4" */
static void put_grid(const char *name, const pl_act_grid *grid, pl_buf *out)
{
    const bool own = !pl_format_is_int(grid->format);
    pl_buf_printf(out, ", %s %d bits%s%s", name, grid->bits, own ? " " : "",
                  own ? grid->format->key : "");
}

static void put_imported_name(const pl_state *state, pl_buf *out)
{
    size_t length = 0;
    const char *last = pl_path_last(state->imported.path, &length);
    pl_buf_append(out, last, length);
}

/* The methods of all layers, and which layers have others. */
static void put_methods(const pl_state *state, size_t imported, pl_buf *out)
{
    const size_t size = out->size;
    put_chain(state, SIZE_MAX, true, out);
    pl_buf_puts(out, out->size > size ? "" : "no method");
    if (state->n_overrides == 1) {
        pl_buf_printf(out, ", others on=%s", state->overrides[0].glob);
    } else if (state->n_overrides > 1) {
        pl_buf_printf(out, ", others on=%s and %zu more", state->overrides[0].glob,
                      state->n_overrides - 1);
    }
    if (imported > 0) {
        pl_buf_printf(out, ", %zu layer%s imported from ", imported, imported == 1 ? "" : "s");
        put_imported_name(state, out);
    }
}

void pl_state_label(const pl_state *state, size_t layer, pl_buf *out)
{
    const size_t size = out->size, imported = pl_state_import_count(state);
    if (layer != SIZE_MAX) {
        put_chain(state, layer, true, out);
        pl_buf_puts(out, out->size > size ? "" : "no method");
    } else if (imported > 0 && imported == pl_model_layer_count(state->source->model)) {
        pl_buf_puts(out, "import of ");
        put_imported_name(state, out);
    } else {
        put_methods(state, imported, out);
    }
    if (state->activations.bits > 0) {
        put_grid("activations", &state->activations, out);
    }
    if (state->kv.bits > 0) {
        put_grid("cache", &state->kv, out);
    }
}

pl_id pl_state_setting(const pl_state *state)
{
    pl_buf text = {0};
    pl_state_quantized_commands(state, &text);
    const size_t n = state->source != NULL ? pl_model_layer_count(state->source->model) : 0;
    for (size_t i = 0; i < n; i++) {
        const pl_id *result = pl_state_result(state, i);
        char id[PL_ID_TEXT] = "-";
        if (result != NULL) {
            pl_id_format(*result, id);
        }
        pl_buf_puts(&text, id);
    }
    const pl_id id = text.failed ? (pl_id){0} : pl_id_bytes(text.data, text.size);
    pl_buf_deinit(&text);
    return id;
}

static pl_id identity_of(const pl_kept *kept)
{
    const pl_id parts[] = {kept->setting, pl_state_plan_sequential(&kept->is),
                           pl_id_bytes(kept->name, strlen(kept->name))};
    pl_hasher *hasher = NULL;
    if (pl_hasher_create(&hasher, NULL) != PL_OK) {
        return (pl_id){0};
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        pl_hasher_id(hasher, parts[i]);
    }
    const pl_id id = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return id;
}

/* --- making one ------------------------------------------------------------------------------- */

/* Imported layers are no result of methods. */
static pl_status fill_pins(pl_kept *kept, pl_error *err)
{
    pl_state *is = &kept->is;
    const size_t n = pl_model_layer_count(is->source->model);
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        const pl_id *result = pl_state_result(is, i);
        if (result == NULL) {
            is->solved[i] = (pl_solved){0}; /* of another plan */
        } else if (!pl_state_is_imported(is, i)) {
            pl_pin *pin = &kept->pins[i];
            *pin = (pl_pin){
                .of = kept, .layer = i, .result = *result, .sequential = is->solved[i].sequential};
            pl_buf label = {0};
            pl_buf_puts(&label, kept->name);
            if (kept->name[0] == '\0') {
                put_chain(is, i, false, &label);
            }
            status = pl_buf_check(&label, err);
            if (status == PL_OK) {
                snprintf(pin->label, sizeof pin->label, "%s", label.data);
                pl_text_trim_utf8(pin->label);
            }
            pl_buf_deinit(&label);
        }
    }
    return status;
}

static pl_status make_kept(const pl_state *state, const char *name, pl_kept **out, pl_error *err)
{
    *out = NULL;
    const size_t n = pl_model_layer_count(state->source->model);
    pl_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        return pl_error_memory(err, "a setting");
    }
    pl_count_init(&kept->count);
    snprintf(kept->name, sizeof kept->name, "%s", name);
    kept->pins = calloc(n + 1, sizeof *kept->pins);
    pl_status status = kept->pins != NULL ? PL_OK : pl_error_memory(err, "a setting");
    PL_THEN(pl_state_copy(&kept->is, state, err));
    if (status == PL_OK) {
        pl_state_drop_kept(&kept->is);
        kept->is.sweep = (pl_sweep){0};
        status = fill_pins(kept, err);
    }
    if (status != PL_OK) {
        pl_kept_release(kept);
        return status;
    }
    kept->setting = pl_state_setting(&kept->is);
    kept->id = identity_of(kept);
    pl_record_all(&kept->is);
    *out = kept;
    return PL_OK;
}

/* Takes kept over: at an index, or (n_kept) behind the others. */
static pl_status put_kept(pl_state *state, size_t at, const char *command, pl_kept *kept,
                          pl_error *err)
{
    if (at == PL_MAX_KEPT) {
        pl_kept_release(kept);
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: %d settings are kept already, `unkeep` takes one away", command,
                            PL_MAX_KEPT);
    }
    if (at == state->n_kept) {
        state->compared[state->n_kept++] = false;
    } else {
        pl_kept_release(state->kept[at]);
    }
    state->kept[at] = kept;
    return PL_OK;
}

static size_t find_name(const pl_state *state, const char *name)
{
    size_t at = 0;
    while (at < state->n_kept && strcmp(state->kept[at]->name, name) != 0) {
        at++;
    }
    return at;
}

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._+-";
    const size_t length = strlen(name);
    return length > 0 && length < PL_KEPT_NAME && strspn(name, allowed) == length &&
           strspn(name, "0123456789") < length && strcmp(name, "now") != 0 &&
           strcmp(name, "all") != 0 && strcmp(name, "remove") != 0;
}

pl_status pl_state_keep(pl_state *state, const char *name, pl_error *err)
{
    size_t layer = 0;
    pl_kept *kept = NULL;
    if (state->source == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "keep: no model is open");
    }
    if (!is_name(name)) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "keep: \"%s\" is no name, expected up to %d letters, digits and . _ + "
                            "-, other than a number, now, all or remove",
                            name, PL_KEPT_NAME - 1);
    }
    if (pl_model_find_layer(state->source->model, name, &layer, NULL) == PL_OK) {
        return pl_error_set(err, PL_ERR_USAGE, "keep: %s is a layer's name, choose another one",
                            name);
    }
    pl_status status = make_kept(state, name, &kept, err);
    return status == PL_OK ? put_kept(state, find_name(state, name), "keep", kept, err) : status;
}

/* --- pins ------------------------------------------------------------------------------------- */

/* Whether a pin is of the same setting, and has no other result of any layer. */
static bool agrees(const pl_kept *pin, const pl_state *state)
{
    bool same = pin->name[0] == '\0' &&
                pl_id_equal(pl_state_plan_sequential(&pin->is), pl_state_plan_sequential(state));
    for (size_t i = 0; same && i < pl_model_layer_count(state->source->model); i++) {
        const pl_id *now = pl_state_result(state, i);
        const pl_pin *then = pl_kept_pin(pin, i);
        same = then == NULL || now == NULL || pl_id_equal(then->result, *now);
    }
    return same;
}

/* The pin's results and the state's. */
static pl_status join_results(const pl_kept *pin, const pl_state *state, pl_kept **out,
                              pl_error *err)
{
    pl_state both;
    *out = NULL;
    pl_status status = pl_state_copy(&both, state, err);
    for (size_t i = 0; status == PL_OK && i < pl_model_layer_count(state->source->model); i++) {
        if (pl_state_result(&both, i) == NULL && pl_kept_pin(pin, i) != NULL) {
            both.solved[i] = pin->is.solved[i];
        }
    }
    if (status == PL_OK) {
        status = make_kept(&both, "", out, err);
        pl_state_deinit(&both);
    }
    return status;
}

static pl_status add_pin(pl_state *state, const pl_state *is, pl_error *err)
{
    pl_kept *kept = NULL;
    size_t at = 0;
    while (at < state->n_kept && !agrees(state->kept[at], is)) {
        at++;
    }
    pl_status status = at < state->n_kept ? join_results(state->kept[at], is, &kept, err)
                                          : make_kept(is, "", &kept, err);
    return status == PL_OK ? put_kept(state, at, "pin", kept, err) : status;
}

pl_status pl_state_pin(pl_state *state, pl_error *err)
{
    if (state->source == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "pin: no model is open");
    }
    const char *name = pl_model_layer(state->source->model, state->layer)->name;
    if (pl_state_result(state, state->layer) == NULL) {
        return pl_error_set(err, PL_ERR_STATE, "pin: %s is not solved, `solve` first", name);
    }
    if (pl_state_is_imported(state, state->layer)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "pin: %s is imported; a baseline is a result of methods", name);
    }
    return add_pin(state, state, err);
}

/* --- finding, taking away, going back --------------------------------------------------------- */

pl_status pl_state_find_kept(const pl_state *state, const char *command, const char *name,
                             size_t *index, pl_error *err)
{
    char *end = NULL;
    const unsigned long number = strtoul(name, &end, 10);
    *index = name[0] != '\0' ? find_name(state, name) : state->n_kept;
    if (*index == state->n_kept && name[0] >= '0' && name[0] <= '9' && *end == '\0' && number > 0) {
        *index = number - 1;
    }
    if (*index < state->n_kept) {
        return PL_OK;
    }
    pl_buf names = {0};
    for (size_t i = 0; i < state->n_kept; i++) {
        char known[PL_KEPT_NAME];
        pl_kept_name(state, i, known);
        pl_buf_printf(&names, "%s%s", i > 0 ? ", " : "", known);
    }
    pl_status status = pl_error_set(
        err, PL_ERR_USAGE, "%s: no setting is kept as \"%s\", %s%s", command, name,
        state->n_kept > 0 ? "there are " : "none is: `keep NAME` keeps the present one",
        names.data != NULL ? names.data : "");
    pl_buf_deinit(&names);
    return status;
}

pl_status pl_state_unpin(pl_state *state, size_t index, pl_error *err)
{
    if (index == SIZE_MAX) {
        pl_state_drop_kept(state);
        return PL_OK;
    }
    if (index >= state->n_kept) {
        return pl_error_set(err, PL_ERR_USAGE, "unpin: there is no baseline %zu, %zu are set",
                            index + 1, state->n_kept);
    }
    pl_kept_release(state->kept[index]);
    state->n_kept--;
    memmove(&state->kept[index], &state->kept[index + 1],
            (state->n_kept - index) * sizeof(pl_kept *));
    memmove(&state->compared[index], &state->compared[index + 1],
            (state->n_kept - index) * sizeof(bool));
    return PL_OK;
}

pl_status pl_state_as(const pl_state *state, const pl_kept *kept, pl_state *out, pl_error *err)
{
    pl_status status = pl_state_copy(out, &kept->is, err);
    if (status != PL_OK) {
        *out = (pl_state){0};
        return status;
    }
    out->layer = state->layer;
    out->side = state->side;
    out->which = state->which;
    out->channel = state->channel;
    pl_state_share_screen(out, state);
    out->sweep = state->sweep;
    memcpy(out->compared, state->compared, sizeof out->compared);
    for (size_t i = 0; i < state->n_kept; i++) {
        out->kept[out->n_kept++] = pl_kept_retain(state->kept[i]);
    }
    return PL_OK;
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* One word a layer, since a session records this with every change of its state: "-", or a result
 * behind a letter for its kind: an import, a solve in sequence after or before the imports, a solve
 * alone.  The plans are the setting's. */
static json_t *results_json(const pl_state *is)
{
    pl_buf text = {0};
    const bool imports = pl_state_import_count(is) > 0;
    const pl_id behind = imports ? pl_state_plan_sequential(is) : (pl_id){0};
    for (size_t i = 0; i < pl_model_layer_count(is->source->model); i++) {
        const pl_solved *solved = &is->solved[i]; /* a kept setting has none of another plan */
        char id[PL_ID_TEXT] = "";
        char kind = '-';
        if (solved->set) {
            pl_id_format(solved->result, id);
            kind = solved->imported                                ? 'i'
                   : !solved->sequential                           ? 'a'
                   : imports && !pl_id_equal(solved->plan, behind) ? 'b'
                                                                   : 's';
        }
        pl_buf_printf(&text, "%s%c%s", i > 0 ? " " : "", kind, id);
    }
    json_t *json = json_string(text.data != NULL && !text.failed ? text.data : "");
    pl_buf_deinit(&text);
    return json;
}

/* Imports first: a plan in sequence depends on them. */
static void read_results(pl_state *is, const char *text)
{
    const pl_id before = pl_state_plan_sequential(is);
    for (int turn = 0; turn < 2; turn++) {
        const pl_id behind = pl_state_plan_sequential(is);
        const char *word = text;
        for (size_t i = 0; i < pl_model_layer_count(is->source->model) && *word != '\0'; i++) {
            const size_t length = strcspn(word, " ");
            char id[PL_ID_TEXT] = "";
            pl_solved solved = {
                .set = true, .imported = *word == 'i', .sequential = *word == 's' || *word == 'b'};
            snprintf(id, sizeof id, "%.*s", (int)(length > 0 ? length - 1 : 0), word + 1);
            if (length == PL_ID_TEXT && pl_id_parse(id, &solved.result) &&
                solved.imported == (turn == 0) && (!solved.imported || is->imported.path != NULL)) {
                solved.plan = *word == 's'   ? behind
                              : *word == 'b' ? before
                              : *word == 'a' ? pl_state_plan(is, i)
                                             : (pl_id){0};
                is->solved[i] = solved;
            }
            word += length;
            word += *word == ' ';
        }
    }
}

json_t *pl_kept_to_json(const pl_state *state)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->n_kept; i++) {
        json_t *kept = pl_setting_to_json(&state->kept[i]->is);
        pl_json_set(kept, "name", json_string(state->kept[i]->name));
        pl_json_set(kept, "compared", json_boolean(state->compared[i]));
        pl_json_set(kept, "results", results_json(&state->kept[i]->is));
        pl_json_append(list, kept);
    }
    return list;
}

static bool read_kept(pl_state *state, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *results = json_string_value(json_object_get(json, "results"));
    pl_kept *kept = NULL;
    pl_state is;
    pl_state_init(&is);
    bool read = name != NULL && (name[0] == '\0' || is_name(name)) &&
                (name[0] == '\0' || find_name(state, name) == state->n_kept) &&
                pl_state_set_source(&is, state->source, NULL) == PL_OK &&
                pl_setting_restore(&is, json, true, NULL) == PL_OK;
    if (read && results != NULL) {
        read_results(&is, results);
    }
    read = read && make_kept(&is, name, &kept, NULL) == PL_OK;
    pl_state_deinit(&is);
    read = read && put_kept(state, state->n_kept, "keep", kept, NULL) == PL_OK;
    if (read) {
        state->compared[state->n_kept - 1] = json_is_true(json_object_get(json, "compared"));
    }
    return read;
}

/* A session of before settings had names has pins of one layer each. */
static bool read_pin(pl_state *state, const json_t *json)
{
    pl_state is;
    size_t at = 0;
    pl_id id = {0};
    const char *layer = json_string_value(json_object_get(json, "layer"));
    const char *result = json_string_value(json_object_get(json, "result"));
    if (layer == NULL || result == NULL || !pl_id_parse(result, &id) ||
        pl_model_find_layer(state->source->model, layer, &at, NULL) != PL_OK ||
        pl_state_copy(&is, state, NULL) != PL_OK) {
        return false;
    }
    pl_state_drop_imports(&is, NULL);
    bool read = true;
    pl_state_free_overrides(&is);
    for (pl_slot slot = 0; read && slot < PL_SLOT_COUNT; slot++) {
        const char *text =
            json_string_value(json_array_get(json_object_get(json, "slots"), (size_t)slot));
        pl_spec *spec = &is.slots[slot];
        read = text != NULL && pl_spec_parse("session", text, spec, NULL) == PL_OK &&
               (spec->method == NULL || spec->method->slot == slot);
    }
    memset(is.solved, 0, pl_model_layer_count(is.source->model) * sizeof *is.solved);
    const bool sequential = json_is_true(json_object_get(json, "sequential"));
    read = read && pl_state_take_result(&is, at, sequential, id, NULL) == PL_OK;
    read = read && add_pin(state, &is, NULL) == PL_OK;
    pl_state_deinit(&is);
    return read;
}

void pl_kept_from_json(pl_state *state, const json_t *list, const json_t *pins)
{
    size_t index, lost = 0;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        lost += !read_kept(state, item);
    }
    json_array_foreach(pins, index, item)
    {
        lost += !read_pin(state, item);
    }
    (void)lost; /* a session never fails over them */
}
