#include "core/study/sweep.h"

#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/nearest.h"
#include "core/base/number.h"
#include "core/lab/quantized.h"
#include "core/metrics/perplexity.h"
#include "core/study/measured.h"
#include "core/study/piece.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char KIND[] = "perplexity";

/* --- what is swept ---------------------------------------------------------------------------- */

/* The spec that a sweep varies: the layer's, or the general one. */
static const pl_spec *base_spec(const pl_state *state, const pl_sweep *sweep, pl_slot slot)
{
    return sweep->whole ? &state->slots[slot] : pl_state_spec(state, sweep->layer, slot);
}

static pl_status unknown_param(const pl_state *state, const pl_sweep *sweep, pl_error *err)
{
    pl_buf known = {0};
    pl_nearest near = pl_nearest_to(sweep->param);
    char hint[PL_NEAREST_HINT];
    bool any = false;
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_method *method = base_spec(state, sweep, slot)->method;
        for (size_t i = 0; method != NULL && i < method->n_params; i++) {
            const pl_param *param = &method->params[i];
            if (param->type == PL_PARAM_CHOICE) {
                continue;
            }
            pl_nearest_try(&near, param->name);
            pl_buf_printf(&known, "%s%s of %s", any ? ", " : "", param->name, method->name);
            any = true;
        }
    }
    const char *with = "astro";
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        if (pl_method_param(*m, sweep->param) != SIZE_MAX) {
            with = (*m)->name;
            break;
        }
    }
    pl_status status =
        !any ? pl_error_set(err, PL_ERR_STATE,
                            "sweep: no method with a parameter \"%s\" is set: choose one, e.g. "
                            "`method %s`",
                            sweep->param, with)
             : pl_error_set(err, PL_ERR_USAGE,
                            "sweep: no method in use has a parameter \"%s\"; there are %s%s",
                            sweep->param, known.data != NULL ? known.data : "others",
                            pl_nearest_hint(&near, " (", ")", hint));
    pl_buf_deinit(&known);
    return status;
}

static pl_status find_slot(const pl_state *state, pl_sweep *sweep, bool any_slot, pl_error *err)
{
    size_t found = 0;
    const char *names[PL_SLOT_COUNT] = {NULL};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_method *method = base_spec(state, sweep, slot)->method;
        if ((any_slot || slot == sweep->slot) && method != NULL &&
            pl_method_param(method, sweep->param) != SIZE_MAX) {
            names[found++] = method->name;
            sweep->slot = found == 1 ? slot : sweep->slot;
        }
    }
    if (found > 1) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "sweep: both %s and %s have a parameter %s: say slot=precondition or "
                            "slot=round",
                            names[0], names[1], sweep->param);
    }
    const pl_method *method = any_slot ? NULL : base_spec(state, sweep, sweep->slot)->method;
    if (found == 0 && method != NULL) {
        pl_spec spec = pl_spec_default(method);
        pl_status status = pl_spec_set(&spec, sweep->param, "", err);
        pl_error_prefix(err, "sweep: ");
        return status;
    }
    return found == 0 ? unknown_param(state, sweep, err) : PL_OK;
}

static pl_status check_param(const pl_state *state, const pl_sweep *sweep, pl_error *err)
{
    pl_spec spec = *base_spec(state, sweep, sweep->slot);
    size_t index = pl_method_param(spec.method, sweep->param);
    const pl_param *param = &spec.method->params[index];
    if (param->type == PL_PARAM_CHOICE) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "sweep: %s of %s is a choice, only a number can be swept", param->name,
                            spec.method->name);
    }
    pl_status used = pl_spec_check_used("sweep", &spec, index, err);
    if (used != PL_OK) {
        return used;
    }
    const double ends[] = {sweep->from, sweep->to};
    for (size_t i = 0; i < 2; i++) {
        pl_status status = pl_spec_set_number(&spec, sweep->param, ends[i], err);
        if (status != PL_OK) {
            pl_error_prefix(err, "sweep: ");
            return status;
        }
    }
    return PL_OK;
}

/* The values, rising and distinct, to out[PL_SWEEP_MAX]; returns how many.  Rounded to four
 * digits (whole numbers for a whole parameter), so that `method` can be given the same ones; the
 * ends are exact. */
static size_t values_of_sweep(const pl_state *state, const pl_sweep *sweep, double *out)
{
    const pl_method *method = base_spec(state, sweep, sweep->slot)->method;
    size_t index = method != NULL ? pl_method_param(method, sweep->param) : SIZE_MAX;
    bool whole = index != SIZE_MAX && method->params[index].type == PL_PARAM_INT;
    size_t count = 0;
    for (size_t i = 0; i < sweep->points; i++) {
        double share = (double)i / (double)(sweep->points - 1);
        double value = sweep->logarithmic ? sweep->from * pow(sweep->to / sweep->from, share)
                                          : sweep->from + (sweep->to - sweep->from) * share;
        if (whole) {
            value = rint(value);
        } else if (i > 0 && i + 1 < sweep->points) {
            value = pl_round_digits(value);
        }
        value = i == 0 ? sweep->from : i + 1 == sweep->points ? sweep->to : value;
        if (count == 0 || value > out[count - 1]) {
            out[count++] = value;
        }
    }
    return count;
}

pl_status pl_sweep_check(const pl_state *state, pl_sweep *sweep, bool any_slot, pl_error *err)
{
    double values[PL_SWEEP_MAX];
    if (sweep->points < PL_SWEEP_MIN || sweep->points > PL_SWEEP_MAX) {
        return pl_error_set(err, PL_ERR_USAGE, "sweep: %zu points asked for, expected %d to %d",
                            sweep->points, PL_SWEEP_MIN, PL_SWEEP_MAX);
    }
    if (!(sweep->from < sweep->to) || (sweep->logarithmic && !(sweep->from > 0))) {
        return pl_error_set(err, PL_ERR_USAGE, "sweep: %s from %g to %g, expected a rising range%s",
                            sweep->param, sweep->from, sweep->to,
                            sweep->logarithmic ? " above 0" : "");
    }
    if (sweep->perplexity && !sweep->whole) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "sweep: perplexity=yes goes with `all`: it is a number of the whole "
                            "model");
    }
    pl_status status = find_slot(state, sweep, any_slot, err);
    PL_THEN(check_param(state, sweep, err));
    if (status == PL_OK && values_of_sweep(state, sweep, values) < PL_SWEEP_MIN) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "sweep: %s from %g to %g has a single value with four digits",
                              sweep->param, sweep->from, sweep->to);
    }
    return status;
}

double pl_sweep_present(const pl_state *state, const pl_sweep *sweep)
{
    const pl_spec *spec = base_spec(state, sweep, sweep->slot);
    size_t index = spec->method != NULL ? pl_method_param(spec->method, sweep->param) : SIZE_MAX;
    return index != SIZE_MAX && !pl_spec_seeks(spec, index) ? spec->values[index] : NAN;
}

pl_id pl_sweep_plan(const pl_state *state, const pl_sweep *sweep)
{
    const pl_spec *base = base_spec(state, sweep, sweep->slot);
    const size_t last =
        sweep->whole ? pl_model_layer_count(state->source->model) : sweep->layer + 1;
    pl_buf text = {0};
    pl_state_quantized_commands(state, &text);
    for (size_t i = sweep->whole ? 0 : sweep->layer; i < last; i++) {
        for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
            const pl_spec *own = pl_state_spec(state, i, slot);
            pl_spec spec = *own;
            if (own == base && spec.method != NULL &&
                pl_method_param(spec.method, sweep->param) != SIZE_MAX) {
                const size_t index = pl_method_param(spec.method, sweep->param);
                if (spec.method->params[index].sought) {
                    spec.values[spec.method->params[index].sought_by] = 0.0;
                }
                spec.values[index] = sweep->from;
            }
            if (spec.method != NULL) {
                pl_spec_format(&spec, &text);
            }
            pl_buf_puts(&text, "\n");
        }
    }
    const pl_id id = text.failed ? (pl_id){0} : pl_id_bytes(text.data, text.size);
    pl_buf_deinit(&text);
    return id;
}

/* --- the knee --------------------------------------------------------------------------------- */

typedef struct curve {
    double x[PL_SWEEP_MAX], y[PL_SWEEP_MAX];
    size_t index[PL_SWEEP_MAX];
    size_t count;
} curve;

static void add_point(curve *c, double x, double y, size_t index)
{
    if (isfinite(x) && isfinite(y)) {
        c->x[c->count] = x;
        c->y[c->count] = y;
        c->index[c->count++] = index;
    }
}

static void span(const double *values, size_t count, double *lo, double *size)
{
    double hi = values[0];
    *lo = values[0];
    for (size_t i = 1; i < count; i++) {
        *lo = fmin(*lo, values[i]);
        hi = fmax(hi, values[i]);
    }
    *size = hi - *lo;
}

static size_t farthest_below(const curve *c)
{
    double x0, y0, width, height, best = 0.02;
    size_t knee = SIZE_MAX;
    if (c->count < 3) {
        return SIZE_MAX;
    }
    span(c->x, c->count, &x0, &width);
    span(c->y, c->count, &y0, &height);
    if (!(width > 0.0 && height > 0.0)) {
        return SIZE_MAX;
    }
    const size_t last = c->count - 1;
    const double dx = (c->x[last] - c->x[0]) / width, dy = (c->y[last] - c->y[0]) / height;
    const double length = hypot(dx, dy);
    for (size_t i = 1; length > 0.0 && i < last; i++) {
        double px = (c->x[i] - c->x[0]) / width, py = (c->y[i] - c->y[0]) / height;
        double below = (dy * px - dx * py) / length * (dx < 0.0 ? -1.0 : 1.0);
        if (below > best) {
            best = below;
            knee = c->index[i];
        }
    }
    return knee;
}

size_t pl_sweep_knee(const pl_sweep_point *points, size_t count, bool logarithmic)
{
    curve c = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        add_point(&c, logarithmic ? log(points[i].value) : points[i].value,
                  log(points[i].report.rounded_relative_error), i);
    }
    if (c.count < 3) {
        c.count = 0;
        for (size_t i = 0; i < count; i++) {
            add_point(&c, log(points[i].report.relative_error),
                      log(points[i].report.group_max_after), i);
        }
    }
    return farthest_below(&c);
}

/* --- running ---------------------------------------------------------------------------------- */

typedef struct work {
    pl_lab *lab;
    const pl_sweep *sweep;
    pl_state state; /* the copy whose parameter is set */
    pl_piece piece;
    pl_status noted;
    pl_tokens text; /* of the perplexity */
} work;

/* Puts the value into every spec that is swept: the layer's own, perhaps in an override, or in the
 * whole model all of the same method. */
static pl_status put_swept_value(work *w, double value, pl_error *err)
{
    const pl_sweep *sweep = w->sweep;
    pl_state *state = &w->state;
    const pl_spec *base = base_spec(state, sweep, sweep->slot);
    const pl_method *method = base->method;
    pl_status status = PL_OK;
    if (base == &state->slots[sweep->slot]) {
        status = pl_spec_set_number(&state->slots[sweep->slot], sweep->param, value, err);
    }
    for (size_t i = 0; status == PL_OK && i < state->n_overrides; i++) {
        const pl_override *over = &state->overrides[i];
        bool meant = sweep->whole ? over->slot == sweep->slot && over->spec.method == method
                                  : &over->spec == base;
        if (meant) {
            pl_spec spec = over->spec;
            status = pl_spec_set_number(&spec, sweep->param, value, err);
            PL_THEN(pl_state_respec(state, i, &spec, err));
        }
    }
    return status;
}

static void note_result(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    (void)report;
    work *w = ctx;
    pl_status status =
        pl_state_take_result(&w->state, layer, pl_solve_runs_in_sequence(&w->state), result, NULL);
    w->noted = w->noted == PL_OK ? status : w->noted;
}

static pl_status read_text(work *w, pl_error *err)
{
    const pl_sweep *sweep = w->sweep;
    pl_buf path = {0};
    if (sweep->text[0] != '\0') {
        pl_buf_puts(&path, sweep->text);
    } else if (w->state.source->demo != NULL) {
        pl_path_join(&path, w->state.source->demo, "evaluation.txt");
    } else {
        return pl_error_set(err, PL_ERR_USAGE, "sweep: perplexity=yes needs text=FILE");
    }
    const char *paths[] = {path.data};
    pl_status status = pl_buf_check(&path, err);
    PL_THEN(pl_lab_own_tokens((pl_context){w->lab, &w->state, w->piece.whole}, paths, 1, &w->text,
                              err));
    pl_buf_deinit(&path);
    return status;
}

/* What a perplexity comes from: the model, the results in it, the text and its windows. */
static pl_status perplexity_key(work *w, pl_id *out, pl_error *err)
{
    pl_model *model = w->state.source->model;
    pl_hasher *hasher = NULL;
    pl_status status =
        pl_measured_begin("planish perplexity 4 gptq after", model, &hasher, &w->piece.task, err);
    if (status != PL_OK) {
        return status;
    }
    pl_hasher_id(hasher, pl_perplexity_text(model, w->text.ids, w->text.count));
    pl_hasher_u64(hasher, (uint64_t)w->sweep->length);
    pl_hasher_u64(hasher, (uint64_t)w->sweep->windows);
    pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
    pl_measured_results(hasher, &w->state);
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

static bool read_perplexity(pl_store *store, pl_id key, pl_sweep_point *point)
{
    pl_entry *entry = NULL;
    double found[2] = {NAN, NAN};
    pl_status status = pl_store_get(store, KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, "perplexity", found, sizeof found, NULL));
    pl_entry_close(entry);
    if (status != PL_OK || !isfinite(found[0])) {
        return false;
    }
    point->perplexity = found[0];
    point->perplexity_error = found[1];
    return true;
}

static pl_status write_perplexity(pl_store *store, pl_id key, const pl_sweep_point *point,
                                  pl_error *err)
{
    const double values[2] = {point->perplexity, point->perplexity_error};
    const pl_section section = {"perplexity", values, sizeof values};
    json_t *about = json_pack("{s:s, s:f, s:s}", "holds", "a perplexity and its standard error",
                              "perplexity", point->perplexity, "version", PL_VERSION);
    pl_status status = about != NULL ? pl_store_replace(store, KIND, key, about, &section, 1, err)
                                     : pl_error_memory(err, "a perplexity");
    json_decref(about);
    return status;
}

static pl_status measure_point(work *w, pl_sweep_point *point, pl_error *err)
{
    pl_id key = {0};
    pl_status status = perplexity_key(w, &key, err);
    if (status != PL_OK || read_perplexity(pl_lab_store(w->lab), key, point)) {
        return status;
    }
    pl_ppl_spec spec = {.protocol = PL_PPL_GPTQ,
                        .length = w->sweep->length,
                        .windows = w->sweep->windows,
                        .memory_limit = pl_lab_memory_limit(w->lab)};
    pl_quantized quantized;
    pl_hooks hooks;
    pl_ppl_result found = {0};
    status = pl_quantized_init(&quantized, (pl_context){w->lab, &w->state, &w->piece.task},
                               PL_WHICH_AFTER, &hooks, err);
    PL_THEN(pl_perplexity(w->state.source->model, w->text.ids, w->text.count, &spec, &hooks, false,
                          &found, &w->piece.task, err));
    pl_quantized_deinit(&quantized);
    if (status == PL_OK) {
        point->perplexity = found.perplexity;
        point->perplexity_error = found.perplexity_error;
        /* Infinite: not to be stored as JSON, and quick to find again in any case. */
        if (isfinite(found.perplexity)) {
            status = write_perplexity(pl_lab_store(w->lab), key, point, err);
        }
    }
    return status;
}

static pl_status run_point(work *w, pl_sweep_point *point, pl_error *err)
{
    pl_id result = {0};
    pl_status status = put_swept_value(w, point->value, err);
    if (status != PL_OK) {
        return status;
    }
    if (!w->sweep->whole) {
        return pl_solve_layer((pl_context){w->lab, &w->state, &w->piece.task}, w->sweep->layer,
                              &point->report, &result, err);
    }
    status =
        pl_solve_all((pl_context){w->lab, &w->state, &w->piece.task},
                     pl_solve_runs_in_sequence(&w->state), note_result, w, &point->report, err);
    PL_THEN(w->noted);
    return status == PL_OK && w->sweep->perplexity ? measure_point(w, point, err) : status;
}

/* --- by a pool ------------------------------------------------------------------------------- */

static json_t *describe_point(const pl_sweep *s, double value)
{
    return json_pack("{s:i, s:s, s:b, s:I, s:b, s:s, s:I, s:I, s:f}", "slot", (int)s->slot, "param",
                     s->param, "whole", s->whole, "layer", (json_int_t)s->layer, "perplexity",
                     s->perplexity, "text", s->text, "length", (json_int_t)s->length, "windows",
                     (json_int_t)s->windows, "value", value);
}

static void read_text_of(const json_t *what, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(what, name));
    snprintf(out, size, "%s", text != NULL ? text : "");
}

static pl_status run_sweep_unit(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    pl_sweep sweep = {.slot = (pl_slot)pl_pool_read_size(what, "slot"),
                      .whole = json_is_true(json_object_get(what, "whole")),
                      .layer = pl_pool_read_size(what, "layer"),
                      .perplexity = json_is_true(json_object_get(what, "perplexity")),
                      .length = pl_pool_read_size(what, "length"),
                      .windows = pl_pool_read_size(what, "windows")};
    work w = {.lab = cx.lab, .sweep = &sweep, .noted = PL_OK};
    pl_sweep_point point = {.value = json_number_value(json_object_get(what, "value"))};
    (void)answer;
    read_text_of(what, "param", sweep.param, sizeof sweep.param);
    read_text_of(what, "text", sweep.text, sizeof sweep.text);
    if (sweep.slot >= PL_SLOT_COUNT ||
        sweep.layer >= pl_model_layer_count(cx.state->source->model)) {
        return pl_error_set(err, PL_ERR_USAGE, "sweep: no such slot or layer");
    }
    pl_status status = pl_state_copy(&w.state, cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    pl_piece_init(&w.piece, cx.task, "points", 1);
    if (sweep.perplexity) {
        status = read_text(&w, err);
    }
    PL_THEN(run_point(&w, &point, err));
    pl_tokens_deinit(&w.text);
    pl_state_deinit(&w.state);
    return status;
}

const pl_unit_kind pl_unit_sweep = {.name = "sweep", .counting = "points", .run = run_sweep_unit};

static pl_status run_in_units(pl_context cx, const pl_sweep *sweep, const double *values,
                              size_t count, pl_error *err)
{
    pl_units units = {.kind = &pl_unit_sweep, .list = json_array(), .total = (double)count};
    pl_id key = {0};
    if (pl_pool_workers(cx.lab) < 2 || pl_lab_find_calibration(cx, true, &key, NULL) !=
                                           PL_OK) { /* a demo calibrates itself: once, by all */
        json_decref(units.list);
        return PL_OK;
    }
    for (size_t i = 0; i < count; i++) {
        pl_json_append(units.list, describe_point(sweep, values[i]));
    }
    pl_status status = pl_pool_run(cx, &units, err);
    json_decref(units.answers);
    return status;
}

pl_status pl_sweep_run(pl_context cx, const pl_sweep *sweep, pl_sweep_result *out, pl_error *err)
{
    double values[PL_SWEEP_MAX];
    pl_sweep checked = *sweep;
    work w = {.lab = cx.lab, .sweep = &checked, .noted = PL_OK};
    *out = (pl_sweep_result){.knee = SIZE_MAX};
    pl_status status = pl_sweep_check(cx.state, &checked, false, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_state_copy(&w.state, cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    const size_t count = values_of_sweep(cx.state, &checked, values);
    pl_piece_init(&w.piece, cx.task, "points", count);
    if (checked.perplexity) {
        status = read_text(&w, err);
    }
    PL_THEN(run_in_units(cx, &checked, values, count, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        out->points[i] =
            (pl_sweep_point){.value = values[i], .perplexity = NAN, .perplexity_error = NAN};
        status = run_point(&w, &out->points[i], err);
        if (status != PL_OK && status != PL_ERR_CANCELLED) {
            pl_error_prefix(err, "sweep: %s=%g: ", checked.param, values[i]);
        }
        pl_piece_step(&w.piece);
        out->count = i + 1;
    }
    if (status == PL_OK) {
        out->knee = pl_sweep_knee(out->points, count, checked.logarithmic);
    }
    pl_tokens_deinit(&w.text);
    pl_state_deinit(&w.state);
    return status;
}
