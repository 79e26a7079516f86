/* A state as commands: its provenance. */
#include "core/state/state.h"

#include "core/base/file.h"
#include "core/base/number.h"
#include "core/state/kept.h"

#include <stdlib.h>
#include <string.h>

static void put_quoted_word(pl_buf *out, const char *word)
{
    pl_text_quote(word, " \t\n\v\f\r;#'\"=", out);
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
    size_t length = 0;
    const char *last = pl_path_last(path, &length);
    pl_buf name = {0};
    pl_buf_append(&name, last, length);
    pl_buf_append(&name, "", 0);
    out->failed = out->failed || name.failed;
    if (!name.failed) {
        put_quoted_word(out, name.data);
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

static bool is_own_text(const pl_state *state)
{
    const pl_calibration *calibration = &state->calibration;
    pl_buf own = {0};
    if (state->source->demo != NULL) {
        pl_path_join(&own, state->source->demo, "calibration.txt");
    }
    const bool own_text = own.data != NULL && calibration->n_texts == 1 &&
                          strcmp(calibration->texts[0], own.data) == 0;
    pl_buf_deinit(&own);
    return own_text;
}

bool pl_state_calibrates_itself(const pl_state *state)
{
    const pl_protocol *protocol = &state->calibration.protocol;
    return is_own_text(state) && protocol->length == 512 && protocol->windows == 8 &&
           protocol->sample == PL_SAMPLE_FIRST && protocol->rows == 0;
}

static void put_calibrate_command(const pl_state *state, pl_buf *out)
{
    const pl_calibration *calibration = &state->calibration;
    const bool own_text = is_own_text(state);
    if (calibration->n_texts == 0 || pl_state_calibrates_itself(state)) {
        return;
    }
    pl_buf_puts(out, "calibrate");
    for (size_t i = 0; i < calibration->n_texts && !own_text; i++) {
        pl_buf_puts(out, " text=");
        put_last_name(out, calibration->texts[i]);
    }
    put_protocol(out, &calibration->protocol);
    pl_buf_puts(out, "\n");
}

void pl_state_calibration_command(const pl_state *state, pl_buf *out)
{
    put_calibrate_command(state, out);
}

void pl_state_put_method(pl_slot slot, const pl_spec *spec, const char *glob, pl_buf *out)
{
    if (spec->method == NULL) {
        pl_buf_printf(out, "none slot=%s", pl_slot_name(slot));
    } else {
        pl_spec_format(spec, out);
    }
    if (glob != NULL) {
        pl_buf_puts(out, " on=");
        put_quoted_word(out, glob);
    }
}

static void put_slot(pl_buf *out, pl_slot slot, const pl_spec *spec, const char *glob)
{
    pl_buf_puts(out, "method ");
    pl_state_put_method(slot, spec, glob, out);
    pl_buf_puts(out, "\n");
}

const pl_slot *pl_state_slot_order(bool has_blocks)
{
    static const pl_slot orders[2][PL_SLOT_COUNT] = {
        {PL_SLOT_TRANSFORM, PL_SLOT_PRECONDITION, PL_SLOT_ROUND},
        {PL_SLOT_TRANSFORM, PL_SLOT_ROUND, PL_SLOT_PRECONDITION}};
    return orders[has_blocks];
}

/* What the commands so far may have left in the slots. */
typedef struct left {
    bool filled[PL_SLOT_COUNT];
    bool blocks; /* a rounder with blocks */
} left;

static const left NOTHING_LEFT = {0};

/* What the layer's transform is made for beside its own rounder. */
static void put_leaders(const pl_state *state, size_t layer, pl_buf *out)
{
    const pl_model *model = state->source->model;
    size_t first = 0;
    const size_t count = pl_state_transform_sites(state, layer, &first);
    const pl_spec *spec = pl_state_spec(state, layer, PL_SLOT_ROUND);
    for (size_t i = first; i < first + count; i++) {
        const size_t leader = pl_model_site(model, i)->layers[0];
        const pl_spec *its = pl_state_spec(state, leader, PL_SLOT_ROUND);
        if (leader != layer && !pl_spec_equal(its, spec)) {
            put_slot(out, PL_SLOT_ROUND, its, pl_model_layer(model, leader)->name);
        }
    }
}

/* The methods of all layers with those of their own, or (only) of one with what its transform
 * depends on; the empty slots too where something is left in them. */
static void put_slots(const pl_state *state, size_t only, const left *before, pl_buf *out)
{
    if (only != SIZE_MAX && pl_state_is_imported(state, only)) {
        return;
    }
    const pl_spec *specs[PL_SLOT_COUNT];
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        specs[slot] = only != SIZE_MAX ? pl_state_spec(state, only, slot) : &state->slots[slot];
        if (specs[slot]->method == NULL && before->filled[slot]) {
            put_slot(out, slot, specs[slot], NULL);
        }
    }
    const pl_slot *order =
        pl_state_slot_order(before->blocks || pl_spec_has_blocks(specs[PL_SLOT_ROUND]));
    for (size_t i = 0; i < PL_SLOT_COUNT; i++) {
        const pl_slot slot = order[i];
        if (specs[slot]->method != NULL) {
            put_slot(out, slot, specs[slot], NULL);
        }
    }
    for (size_t i = 0; only == SIZE_MAX && i < state->n_overrides; i++) {
        const pl_override *over = &state->overrides[i];
        put_slot(out, over->slot, &over->spec, over->glob);
    }
    if (only != SIZE_MAX) {
        put_leaders(state, only, out);
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

/* Puts the solve of all layers in sequence, after the imports that it saw; *imported: there were
 * such imports, and they are put. */
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
    put_calibrate_command(state, out);
    pl_state_quantized_commands(state, out);
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
        put_slots(state, whole || sequential > 0 ? SIZE_MAX : state->layer, &NOTHING_LEFT, out);
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

void pl_state_results_commands(const pl_state *state, pl_buf *out)
{
    const pl_model *model = state->source->model;
    const size_t layers = pl_model_layer_count(model);
    const left anything = {.filled = {true, true, true}};
    size_t alone = 0, sequential = 0;
    bool put = false;
    put_slots(state, SIZE_MAX, &anything, out);
    for (size_t i = 0; i < layers; i++) {
        const bool solved = pl_state_result(state, i) != NULL && !pl_state_is_imported(state, i);
        sequential += solved && state->solved[i].sequential;
        alone += solved && !state->solved[i].sequential;
    }
    if (sequential > 0) {
        put_sequential(state, &put, out);
    }
    if (!put && pl_state_import_count(state) > 0) {
        put_imports(state, out);
    }
    if (alone == layers) {
        pl_buf_puts(out, "solve all sequential=no\n");
        return;
    }
    for (size_t i = 0; i < layers; i++) {
        if (pl_state_result(state, i) != NULL && !pl_state_is_imported(state, i) &&
            !state->solved[i].sequential) {
            pl_buf_printf(out, "solve %s\n", pl_model_layer(model, i)->name);
        }
    }
}

/* --- of kept settings ------------------------------------------------------------------------- */

/* How activations and cache are quantized in `to`, behind what `from` says. */
static void put_quantized(const pl_state *from, const pl_state *to, pl_buf *out)
{
    pl_buf old = {0}, new = {0};
    pl_state_quantized_commands(from, &old);
    pl_state_quantized_commands(to, &new);
    const bool same = old.size == new.size && (old.size == 0 || strcmp(old.data, new.data) == 0);
    if (!same && from->activations.bits > 0 && to->activations.bits == 0) {
        pl_buf_puts(out, "activations none\n");
    }
    if (!same && from->kv.bits > 0 && to->kv.bits == 0) {
        pl_buf_puts(out, "kv none\n");
    }
    if (!same && new.data != NULL) {
        pl_buf_puts(out, new.data);
    }
    out->failed = out->failed || old.failed || new.failed;
    pl_buf_deinit(&old);
    pl_buf_deinit(&new);
}

void pl_setting_commands(const pl_state *from, const pl_state *to, pl_buf *out)
{
    put_quantized(from, to, out);
    pl_state_results_commands(to, out);
}

static void leave_slots(const pl_state *is, size_t only, left *behind)
{
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = only != SIZE_MAX ? pl_state_spec(is, only, slot) : &is->slots[slot];
        behind->filled[slot] = spec->method != NULL;
        behind->blocks = behind->blocks || (slot == PL_SLOT_ROUND && pl_spec_has_blocks(spec));
    }
    for (size_t i = 0; only == SIZE_MAX && i < is->n_overrides; i++) {
        const pl_override *over = &is->overrides[i];
        behind->filled[over->slot] = true;
        behind->blocks =
            behind->blocks || (over->slot == PL_SLOT_ROUND && pl_spec_has_blocks(&over->spec));
    }
}

/* A solve in sequence depends on what the layers before were solved with: it needs the whole
 * setting, where a layer alone needs its own methods. */
static void put_pins(const pl_state *state, size_t layer, left *behind, pl_buf *out)
{
    bool first = true, imported = false;
    for (size_t i = 0; i < state->n_kept; i++) {
        const pl_pin *pin = pl_kept_pin(state->kept[i], layer);
        if (pin == NULL) {
            continue;
        }
        const pl_state *is = &pin->of->is;
        const size_t only = pin->sequential ? SIZE_MAX : layer;
        if (first) {
            pl_buf_printf(out, "select %s\n", pl_model_layer(state->source->model, layer)->name);
            first = false;
        }
        if (pl_pin_needs_quantized(pin)) {
            put_quantized(state, is, out);
        }
        put_slots(is, only, behind, out);
        leave_slots(is, only, behind);
        if (pin->sequential) {
            put_sequential(is, &imported, out);
        } else {
            pl_buf_puts(out, "solve\n");
        }
        if (pin->of->name[0] != '\0') {
            pl_buf_printf(out, "keep %s\n", pin->of->name);
        } else {
            pl_buf_puts(out, "pin\n");
        }
        if (pl_pin_needs_quantized(pin)) {
            put_quantized(is, state, out);
        }
    }
}

void pl_pin_commands(const pl_state *state, size_t layer, pl_buf *out)
{
    left behind = NOTHING_LEFT;
    put_pins(state, layer, &behind, out);
}

/* --- of a figure ------------------------------------------------------------------------------ */

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
    bool needed = needs->inputs || needs->pins || needs->sweep || needs->costs;
    for (size_t i = 0; i < needs->n_layers; i++) {
        needed = needed || is_shown(state, needs, needs->layers[i]);
    }
    return needed;
}

static bool suits_activations(const pl_spec *transform)
{
    return transform->method != NULL && transform->method->suits_activations;
}

/* Whether the figure depends on how activations and cache are quantized: it shows that, a
 * perplexity under it, or the results of a transform learned under it or of a sequential solve. */
static bool needs_quantized(const pl_state *state, const pl_figure_needs *needs, bool methods,
                            size_t sequential)
{
    bool needed = needs->activations || needs->costs || sequential > 0 ||
                  (needs->sweep && state->sweep.perplexity);
    for (size_t i = 0; methods && i < pl_model_layer_count(state->source->model); i++) {
        if (is_needed(needs, i) || (needs->sweep && state->sweep.whole)) {
            needed = needed || suits_activations(pl_state_spec(state, i, PL_SLOT_TRANSFORM));
        }
    }
    for (size_t i = 0; i < pl_model_layer_count(state->source->model) && needs->pins; i++) {
        for (size_t k = 0; k < state->n_kept && is_needed(needs, i); k++) {
            const pl_pin *pin = pl_kept_pin(state->kept[k], i);
            needed = needed || (pin != NULL && pl_pin_needs_quantized(pin));
        }
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
    left pinned = NOTHING_LEFT;
    put_open(source, out);
    if (needs_calibration(state, needs)) {
        put_calibrate_command(state, out);
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
    bool whole = sequential > 0 || (needs->sweep && state->sweep.whole) || needs->costs || !one;
    bool methods = solved > 0 || needs->methods || needs->sweep;
    if (needs_quantized(state, needs, methods, sequential)) {
        pl_state_quantized_commands(state, out);
    }
    for (size_t i = 0; i < layers && needs->pins; i++) {
        if (is_needed(needs, i)) {
            put_pins(state, i, &pinned, out);
        }
    }
    if (methods) {
        put_slots(state, whole ? SIZE_MAX : needs->layers[0], &pinned, out);
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
        pl_state_sweep_command(state, out);
    }
    pl_buf_printf(out, "select %s\n", pl_model_layer(source->model, needs->layers[0])->name);
    if (one && solved > sequential) {
        pl_buf_puts(out, "solve\n");
    }
}

void pl_state_sweep_command(const pl_state *state, pl_buf *out)
{
    const pl_sweep *sweep = &state->sweep;
    if (!sweep->set || state->source == NULL) {
        return;
    }
    pl_buf_printf(out, "sweep %s %s=",
                  sweep->whole ? "all" : pl_model_layer(state->source->model, sweep->layer)->name,
                  sweep->param);
    char from[PL_EXACT_TEXT], to[PL_EXACT_TEXT];
    pl_format_exact(sweep->from, from);
    pl_format_exact(sweep->to, to);
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
