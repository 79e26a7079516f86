#include "core/state/difference.h"

#include "core/base/file.h"

#include <string.h>

/* Behind what was said before, so that only the first has nothing in front of it. */
static void put_next(pl_buf *out, size_t start)
{
    pl_buf_puts(out, out->size > start ? "; " : "");
}

static void put_param(const pl_spec *spec, size_t param, pl_buf *out)
{
    pl_buf_printf(out, "%s=", spec->method->params[param].name);
    pl_spec_format_value(spec, param, out);
}

/* "gptq bits=4 → bits=3", "astro → magr", "no rounder → gptq". */
static void put_changed_spec(pl_slot slot, const pl_spec *from, const pl_spec *to, pl_buf *out)
{
    if (from->method == NULL || to->method == NULL || from->method != to->method) {
        const char *before = from->method != NULL ? from->method->name : "none";
        const char *after = to->method != NULL ? to->method->name : "none";
        pl_buf_printf(out, "%s → %s", before, after);
        if (from->method == NULL || to->method == NULL) {
            pl_buf_printf(out, " (%s)", pl_slot_name(slot));
        }
        return;
    }
    pl_buf_puts(out, from->method->name);
    for (size_t i = 0; i < from->method->n_params; i++) {
        pl_buf before = {0}, after = {0};
        put_param(from, i, &before);
        put_param(to, i, &after);
        if (!before.failed && !after.failed && strcmp(before.data, after.data) != 0) {
            pl_buf_printf(out, " %s → %s", before.data, after.data);
        }
        pl_buf_deinit(&before);
        pl_buf_deinit(&after);
    }
}

static bool same_override(const pl_override *a, const pl_override *b)
{
    return a->slot == b->slot && strcmp(a->glob, b->glob) == 0 && pl_spec_equal(&a->spec, &b->spec);
}

/* A list of many layers says how it begins. */
static void put_on(const char *glob, pl_buf *out)
{
    enum { MOST = 40 };
    pl_buf_printf(out, " on=%.*s%s", MOST, glob, strlen(glob) > MOST ? "..." : "");
}

/* The first override that is other: one is changed or added at a time. */
static void put_overrides(const pl_state *from, const pl_state *to, size_t start, pl_buf *out)
{
    size_t i = 0;
    while (i < from->n_overrides && i < to->n_overrides &&
           same_override(&from->overrides[i], &to->overrides[i])) {
        i++;
    }
    const pl_override *a = i < from->n_overrides ? &from->overrides[i] : NULL;
    const pl_override *b = i < to->n_overrides ? &to->overrides[i] : NULL;
    if (a == NULL && b == NULL) {
        return;
    }
    put_next(out, start);
    pl_buf_puts(out, "method ");
    if (a != NULL && b != NULL && a->slot == b->slot && strcmp(a->glob, b->glob) == 0) {
        put_changed_spec(a->slot, &a->spec, &b->spec, out);
        put_on(a->glob, out);
    } else {
        const pl_override *one = b != NULL ? b : a;
        pl_buf_puts(out, one->spec.method != NULL ? one->spec.method->name : "none");
        put_on(one->glob, out);
        pl_buf_puts(out, b != NULL ? " set" : " taken away");
    }
}

static void put_changed_methods(const pl_state *from, const pl_state *to, size_t start, pl_buf *out)
{
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        if (!pl_spec_equal(&from->slots[slot], &to->slots[slot])) {
            put_next(out, start);
            pl_buf_puts(out, "method ");
            put_changed_spec(slot, &from->slots[slot], &to->slots[slot], out);
        }
    }
    put_overrides(from, to, start, out);
}

static void put_grid(const char *name, const pl_act_grid *from, const pl_act_grid *to, size_t start,
                     pl_buf *out)
{
    pl_buf before = {0}, after = {0};
    pl_act_format(from, &before);
    pl_act_format(to, &after);
    const char *a = before.data != NULL ? before.data : "";
    const char *b = after.data != NULL ? after.data : "";
    if (strcmp(a, b) != 0) {
        put_next(out, start);
        pl_buf_printf(out, "%s %s → %s", name, from->bits > 0 ? a : "off",
                      to->bits > 0 ? b : "off");
    }
    pl_buf_deinit(&before);
    pl_buf_deinit(&after);
}

static bool same_calibration(const pl_calibration *a, const pl_calibration *b)
{
    return a->known == b->known && pl_id_equal(a->key, b->key) &&
           a->protocol.length == b->protocol.length && a->protocol.windows == b->protocol.windows &&
           pl_calibration_same_texts(a, b);
}

static void put_calibration_brief(const pl_calibration *calibration, pl_buf *out)
{
    if (calibration->n_texts == 0) {
        pl_buf_puts(out, "none");
        return;
    }
    pl_buf_printf(out, "%s, %zu × %zu tokens", pl_path_name(calibration->texts[0]),
                  calibration->protocol.windows, calibration->protocol.length);
}

static void put_changed_count(const char *name, size_t from, size_t to, size_t start, pl_buf *out)
{
    if (from != to) {
        put_next(out, start);
        pl_buf_printf(out, "%s %zu → %zu", name, from, to);
    }
}

static bool same_sweep(const pl_sweep *a, const pl_sweep *b)
{
    return a->set == b->set &&
           (!a->set || (strcmp(a->param, b->param) == 0 && pl_id_equal(a->plan, b->plan)));
}

static const char *model_of(const pl_state *state)
{
    return state->source != NULL ? pl_model_name(state->source->model) : "none";
}

/* All that is other but what is looked at. */
static void put_changes(const pl_state *from, const pl_state *to, pl_buf *out)
{
    const size_t start = out->size;
    if (from->source != to->source && strcmp(model_of(from), model_of(to)) != 0) {
        pl_buf_printf(out, "open %s → %s", model_of(from), model_of(to));
        return; /* all else follows from it */
    }
    put_changed_methods(from, to, start, out);
    put_grid("activations", &from->activations, &to->activations, start, out);
    put_grid("kv", &from->kv, &to->kv, start, out);
    if (!same_calibration(&from->calibration, &to->calibration)) {
        put_next(out, start);
        pl_buf_puts(out, "calibration ");
        put_calibration_brief(&from->calibration, out);
        pl_buf_puts(out, " → ");
        put_calibration_brief(&to->calibration, out);
    }
    put_changed_count("imported layers", pl_state_import_count(from), pl_state_import_count(to),
                      start, out);
    put_changed_count("kept settings", from->n_kept, to->n_kept, start, out);
    put_changed_count("notes and tags", from->n_remarks, to->n_remarks, start, out);
    if (!same_sweep(&from->sweep, &to->sweep)) {
        put_next(out, start);
        pl_buf_printf(out, "sweep %s → %s", from->sweep.set ? from->sweep.param : "none",
                      to->sweep.set ? to->sweep.param : "none");
    }
    if (out->size == start) {
        put_changed_count("solved layers", from->source != NULL ? pl_state_solved_count(from) : 0,
                          to->source != NULL ? pl_state_solved_count(to) : 0, start, out);
    }
}

void pl_state_put_difference(const pl_state *from, const pl_state *to, pl_buf *out)
{
    const size_t start = out->size;
    put_changes(from, to, out);
    if (out->size == start && from->source == to->source && from->source != NULL &&
        from->layer != to->layer) {
        char before[80], after[80];
        pl_layer_short(pl_model_layer(from->source->model, from->layer), false, before,
                       sizeof before);
        pl_layer_short(pl_model_layer(to->source->model, to->layer), false, after, sizeof after);
        pl_buf_printf(out, "layer %s → %s", before, after);
    }
    pl_buf_puts(out, out->size == start ? "nothing that shows" : "");
}

void pl_state_keep_looks(pl_state *to, const pl_state *from)
{
    pl_buf changes = {0};
    put_changes(from, to, &changes);
    const bool only_looks = changes.size == 0;
    pl_buf_deinit(&changes);
    if (only_looks) {
        return;
    }
    to->side = from->side;
    to->which = from->which;
    pl_state_share_screen(to, from);
    if (to->source == from->source) {
        to->layer = from->layer;
        to->channel = from->channel;
    }
}
