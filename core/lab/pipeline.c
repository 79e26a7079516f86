#include "core/lab/pipeline.h"

#include "core/base/clock.h"
#include "core/base/memory.h"
#include "core/lab/fused.h"
#include "core/lab/outputs.h"
#include "core/lab/pipeline_parts.h"
#include "core/lab/results.h"
#include "core/lab/transformed.h"
#include "core/lab/weights.h"
#include "core/metrics/followed.h"
#include "core/metrics/least_error.h"
#include "core/metrics/outliers.h"
#include "core/metrics/recon.h"
#include "core/model/bare.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a solve that no knob waits for leaves of its factors for the site's next layer, and what
 * those may take with the factor that GPTQ is about to make. */
static const size_t KEPT_BYTES = (size_t)192 << 20, ROUND_BYTES = (size_t)256 << 20;

/* Workspace of one layer's solve; everything it holds is released in work_deinit. */
typedef struct work {
    pl_context cx;
    size_t layer;
    const pl_layer *info;
    const pl_spec *transform;
    const pl_spec *precondition;
    const pl_spec *round;
    pl_id calibration;
    pl_transform *t; /* NULL without a transform */
    pl_bench bench;  /* in the coordinates of t */
    pl_mat w0;
    pl_mat turned;         /* W0 T^-T; empty without a transform */
    pl_mat preconditioned; /* empty without a preconditioner */
    pl_mat rounded;        /* empty without a rounder */
    pl_result result;      /* keys of the stored parts */
    pl_solve_report report;
    const pl_solve_watch *watch;
    const pl_qweights *codes; /* while they are made and somebody watches */
    bool thrifty;             /* no knob waits for it: memory comes before time */
    bool blind;               /* the inputs are not known, there is no calibration or it has none of
                                 the layer: no factors, no errors */
} work;

static void work_deinit(work *w)
{
    pl_lab_release(w->cx.lab, &w->bench);
    pl_transform_destroy(w->t);
    pl_mat_deinit(&w->w0);
    pl_mat_deinit(&w->turned);
    pl_mat_deinit(&w->preconditioned);
    pl_mat_deinit(&w->rounded);
}

/* What a result comes from: the version of the mathematics, weights, Gram matrix, specs. */
static pl_status result_part_key(const char *kind, const pl_spec *spec, pl_id from, pl_id *out,
                                 pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_buf text = {0};
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    pl_spec_format(spec, &text);
    status = pl_buf_check(&text, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish result 8");
        pl_hasher_text(hasher, kind);
        pl_hasher_text(hasher, text.data);
        pl_hasher_id(hasher, from);
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
    }
    pl_buf_deinit(&text);
    pl_hasher_destroy(hasher);
    return status;
}

/* The calibration that transforms are made from: the original model's inputs, as their papers have
 * it, whatever the later slots see. */
static pl_status transform_inputs(const work *w, pl_id *out, pl_error *err)
{
    *out = (pl_id){0};
    return w->transform->method != NULL && !w->blind ? pl_lab_calibration(w->cx, out, err) : PL_OK;
}

/* Identity of a layer's problem: its original weight, its site's Gram matrix and its transform.
 * Nothing is made. */
static pl_status problem_key(work *w, pl_id calibration, pl_id *out, pl_error *err)
{
    pl_id weight = {0}, inputs = {0};
    pl_hasher *hasher = NULL;
    w->calibration = calibration;
    w->result.has_transform = w->transform->method != NULL;
    pl_status status =
        pl_model_layer_identity(w->cx.state->source->model, w->layer, &weight, w->cx.task, err);
    PL_THEN(transform_inputs(w, &inputs, err));
    PL_THEN(
        pl_site_transform_key(w->cx, inputs, w->layer, w->transform, &w->result.transform, err));
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_id(hasher, weight);
        pl_hasher_id(hasher, w->blind ? (pl_id){0} : pl_calib_site_key(calibration, w->info->site));
        if (w->result.has_transform) {
            pl_hasher_id(hasher, w->result.transform);
        }
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* Of the whole plan's result. */
static pl_status plan_key(const work *w, pl_id problem, pl_id *out, pl_error *err)
{
    pl_status status = pl_fused_key(w->cx, w->layer, &problem, err);
    return status == PL_OK ? pl_result_key(problem, w->precondition, w->round,
                                           &w->cx.state->activations, out, err)
                           : status;
}

static pl_status make_layer_transform(work *w, pl_error *err)
{
    pl_id inputs = {0}, key = {0};
    pl_status status = transform_inputs(w, &inputs, err);
    return status == PL_OK
               ? pl_site_transform(w->cx, inputs, w->layer, w->transform, &w->t, &key, err)
               : status;
}

static pl_status read_original(work *w, pl_error *err)
{
    if (w->w0.data != NULL) {
        return PL_OK;
    }
    pl_status status = pl_weights_make((pl_context){w->cx.lab, w->cx.state, NULL}, w->layer,
                                       (pl_weights_of){.which = PL_WHICH_BEFORE}, &w->w0, err);
    if (status == PL_OK && w->t != NULL) {
        status = pl_mat_copy(&w->turned, pl_mat_view(&w->w0), err);
    }
    if (status == PL_OK && w->t != NULL) {
        status = pl_layer_turn(w->cx.state, w->layer, w->t, w->turned.data, w->cx.task, err);
    }
    return status;
}

/* The original weights in the coordinates that the methods work in. */
static const pl_mat *start_of(const work *w)
{
    return w->t != NULL ? &w->turned : &w->w0;
}

/* A damaged entry, or one of another layer, is not used; what rebuilds it says so. */
static void note_damage(work *w, pl_status found)
{
    if (found == PL_ERR_FORMAT || found == PL_ERR_CHANGED) {
        pl_buf text = {0};
        pl_buf_printf(&text, "%s: a damaged result in %s was computed again", w->info->name,
                      pl_store_folder(pl_lab_store(w->cx.lab)));
        pl_lab_warn(w->cx.lab, text.data != NULL ? text.data : w->info->name);
        pl_buf_deinit(&text);
    }
}

/* Whether the result is in the store with its parts whole: they are read, since what a solve
 * reports must be there for whoever uses it.  The damage of a part is noted by its rebuilding. */
static bool is_stored(work *w, pl_id key)
{
    pl_result parts = {0};
    pl_mat scratch = {0};
    pl_status status =
        pl_result_read(w->cx.lab, w->cx.state, w->layer, key, &parts, &w->report, NULL);
    note_damage(w, status);
    PL_THEN(pl_mat_init(&scratch, w->info->rows, w->info->cols, NULL));
    if (status == PL_OK && parts.has_transform) {
        pl_transform *transform = NULL;
        status = pl_transform_read(w->cx.lab, w->cx.state, w->layer, parts.transform, &transform);
        pl_transform_destroy(transform);
    }
    if (status == PL_OK && parts.has_preconditioned) {
        status = pl_result_read_preconditioned(w->cx.lab, parts.preconditioned, NULL, &scratch,
                                               NULL, NULL);
    }
    if (status == PL_OK && parts.has_rounded) {
        status = pl_result_read_rounded(w->cx.lab, parts.rounded, NULL, &scratch, NULL, NULL);
    }
    pl_mat_deinit(&scratch);
    /* Another process that needs room must not take what this one found. */
    PL_THEN(pl_result_pin(w->cx.lab, key, &parts, NULL));
    if (status != PL_OK) {
        w->report = pl_solve_report_empty();
    }
    return status == PL_OK;
}

static void tell_rows(work *w, bool rounded, size_t first, size_t count)
{
    const pl_mat *made = rounded ? &w->rounded : &w->preconditioned;
    if (w->watch != NULL) {
        w->watch->rows(w->watch->ctx, rounded, first, count, made->data + first * made->cols);
    }
}

static void on_preconditioned(void *ctx, size_t first, size_t count)
{
    tell_rows(ctx, false, first, count);
}

static void on_rounded(void *ctx, size_t first, size_t count)
{
    work *w = ctx;
    pl_qweights part = *w->codes;
    part.rows = count;
    part.codes += first * part.cols;
    part.scales += first * part.groups;
    part.zeros += first * part.groups;
    pl_qweights_decode(&part, w->rounded.data + first * w->rounded.cols);
    tell_rows(w, true, first, count);
}

/* A wide layer keeps no matrix that it can read again. */
static bool is_lean(const work *w)
{
    return w->thrifty && w->info->cols > PL_LOWER_WHOLE;
}

static pl_status precondition(work *w, pl_id problem, pl_error *err)
{
    pl_status status =
        result_part_key("precondition", w->precondition, problem, &w->result.preconditioned, err);
    if (status != PL_OK) {
        return status;
    }
    w->result.has_preconditioned = true;
    status = pl_mat_init(&w->preconditioned, w->info->rows, w->info->cols, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_method *method = w->precondition->method;
    pl_method_report found = pl_method_report_empty();
    pl_status stored = pl_result_read_preconditioned(w->cx.lab, w->result.preconditioned, method,
                                                     &w->preconditioned, &found, NULL);
    note_damage(w, stored);
    if (stored != PL_OK) {
        const pl_rows_watch watch = {.done = on_preconditioned, .ctx = w};
        pl_layer_input in = {
            .layer = w->info->name, .factors = w->bench.factors, .w = pl_mat_view(start_of(w))};
        if (w->watch != NULL) {
            in.watch = &watch;
            in.warm = w->watch->warm;
            in.place = w->watch->place;
        }
        pl_factors_set_lean(in.factors, is_lean(w));
        status = method->precondition(w->precondition, &in, w->preconditioned.data, &found,
                                      w->cx.task, err);
        pl_factors_set_lean(in.factors, false);
        PL_THEN(pl_result_write_preconditioned(w->cx.lab, w->result.preconditioned, method,
                                               &w->preconditioned, &found, err));
        w->report.made |= PL_MADE_PRECONDITIONED;
    } else {
        tell_rows(w, false, 0, w->info->rows);
    }
    w->report.objective = found.objective;
    w->report.dual = found.dual;
    w->report.gap = found.gap;
    w->report.iterations = found.iterations > 0 ? (double)found.iterations : NAN;
    pl_method_tell(method, &found, w->report.told);
    return status;
}

static pl_status round_weights(work *w, pl_id problem, pl_error *err)
{
    const pl_mat *from = w->result.has_preconditioned ? &w->preconditioned : start_of(w);
    pl_mat clipped = {0};
    pl_id source = w->result.has_preconditioned ? w->result.preconditioned : problem;
    pl_qweights q = {0};
    const pl_method *method = w->round->method;
    pl_method_report found = pl_method_report_empty();
    pl_status status = pl_fused_key(w->cx, w->layer, &source, err);
    PL_THEN(result_part_key("round", w->round, source, &w->result.rounded, err));
    if (status != PL_OK) {
        return status;
    }
    w->result.has_rounded = true;
    status = pl_mat_init(&w->rounded, w->info->rows, w->info->cols, err);
    if (status != PL_OK) {
        return status;
    }
    pl_status stored =
        pl_result_read_rounded(w->cx.lab, w->result.rounded, method, &w->rounded, &found, NULL);
    note_damage(w, stored);
    if (stored == PL_OK) {
        pl_method_tell(method, &found, w->report.told);
        return PL_OK;
    }
    if (w->t != NULL && pl_transform_clips(w->t)) {
        status = pl_mat_copy(&clipped, pl_mat_view(from), err);
        PL_THEN(pl_layer_clip(w->cx.state, w->layer, w->t, clipped.data, w->cx.task, err));
        if (status != PL_OK) {
            pl_mat_deinit(&clipped);
            return status;
        }
        from = &clipped;
    }
    const pl_rows_watch watch = {.done = on_rounded, .ctx = w};
    pl_layer_input in = {
        .layer = w->info->name, .factors = w->bench.factors, .w = pl_mat_view(from)};
    in.watch = w->watch != NULL ? &watch : NULL;
    w->codes = &q;
    status = pl_fused_most(w->cx, w->layer, w->t, &w->bench, &in.most, err);
    PL_THEN(pl_round(w->round, &in, &q, &found, w->cx.task, err));
    if (w->thrifty) { /* the rounder's factor goes before there is one more copy of the weights */
        pl_factors_shrink(w->bench.factors, KEPT_BYTES);
    }
    if (status == PL_OK) {
        pl_qweights_decode(&q, w->rounded.data);
        status = pl_result_write_rounded(w->cx.lab, w->result.rounded, method, &q, &found, err);
        w->report.made |= PL_MADE_ROUNDED;
    }
    pl_method_tell(method, &found, w->report.told);
    pl_mat_deinit(&clipped);
    pl_qweights_deinit(&q);
    return status;
}

/* Outputs are compared in the coordinates of the layer's own: S^T W is the original there. */
static pl_status measure_outputs(work *w, pl_view handed, pl_error *err)
{
    pl_mat original = {0};
    pl_status status = PL_OK;
    if (pl_layer_outputs(w->cx.state, w->layer, w->t) != NULL) {
        status = pl_mat_copy(&original, pl_mat_view(&w->w0), err);
        PL_THEN(pl_layer_turn_outputs(w->cx.state, w->layer, w->t, original.data, w->cx.task, err));
    }
    const pl_outputs_request request = {
        .cx = w->cx,
        .calibration = w->calibration,
        .layer = w->layer,
        .transform = w->t,
        .w0 = pl_mat_view(original.data != NULL ? &original : &w->w0),
        .turned = pl_mat_view(start_of(w)),
        .used = w->result.has_rounded ? pl_mat_view(&w->rounded) : handed,
    };
    pl_outputs found = {0};
    PL_THEN(pl_outputs_measure(&request, &found, err));
    pl_mat_deinit(&original);
    w->result.range = found.range;
    w->report.function_error = found.function_error;
    w->report.condition = found.condition;
    w->report.output_error = found.output_error;
    w->report.flatness_input_before = found.before.flatness;
    w->report.flatness_input_after = found.after.flatness;
    w->report.kurtosis_input_before = found.before.kurtosis;
    w->report.kurtosis_input_after = found.after.kurtosis;
    return status;
}

/* The original weights, and what the rounder was handed: the one place where they are described. */
static void describe_weights(work *w, pl_view handed)
{
    pl_solve_report *report = &w->report;
    const pl_view original = pl_mat_view(&w->w0);
    /* A transform alone has no groups of its own. */
    const size_t group_size = pl_spec_group_size(w->precondition, w->round, PL_IMPORT_GROUP);
    const pl_tensor_numbers before = pl_describe(original);
    const bool moved = handed.data != original.data;
    const pl_tensor_numbers after = moved ? pl_describe(handed) : before;
    report->group_max_before = pl_group_max_mean(original, group_size);
    report->group_max_after =
        moved ? pl_group_max_mean(handed, group_size) : report->group_max_before;
    report->flatness_weight_before = before.flatness;
    report->flatness_weight_after = after.flatness;
    report->kurtosis_weight_before = before.kurtosis;
    report->kurtosis_weight_after = after.kurtosis;
}

/* certify=yes: the least error that the scales allow, whatever the codes. */
static pl_status measure_least(work *w, pl_view before, pl_error *err)
{
    pl_qweights q = {0};
    if (!w->result.has_rounded || !(w->round->values[PL_GRID_CERTIFY] > 0.0)) {
        return PL_OK;
    }
    pl_status status =
        pl_result_read_codes(w->cx.lab, w->result.rounded, w->info->rows, w->info->cols, &q, err);
    PL_THEN(pl_least_rounded_error(w->bench.factors, before, &q, &w->report.least_rounded_error,
                                   w->cx.task, err));
    pl_qweights_deinit(&q);
    return status;
}

/* The error against the original's output, for a rounder that minimizes that. */
static pl_status measure_followed(work *w, pl_view before, pl_error *err)
{
    pl_id own = {0};
    pl_bench original = {0};
    if (!w->result.has_rounded || !pl_solve_follows(w->cx.state, w->layer)) {
        return PL_OK;
    }
    if (pl_factors_cross(w->bench.factors) == NULL) { /* the same inputs */
        w->report.original_output_error = w->report.rounded_relative_error;
        return PL_OK;
    }
    pl_status status = pl_lab_calibration(w->cx, &own, err);
    PL_THEN(
        pl_lab_site_under(w->cx, own, w->info->site, w->t, w->result.transform, &original, err));
    PL_THEN(pl_original_output_error(w->bench.factors, original.factors, before,
                                     pl_mat_view(&w->rounded), &w->report.original_output_error,
                                     w->cx.task, err));
    pl_lab_release(w->cx.lab, &original);
    return status;
}

static pl_status measure_result(work *w, pl_error *err)
{
    pl_solve_report *report = &w->report;
    pl_view before = pl_mat_view(start_of(w));
    pl_view after = w->result.has_preconditioned ? pl_mat_view(&w->preconditioned) : before;
    const unsigned failures = pl_memory_failures();
    describe_weights(w, after);
    report->relative_error = w->blind ? NAN : 0;
    if (w->result.has_rounded) {
        const pl_grid grid = pl_spec_grid(w->round);
        report->bits_per_weight = pl_grid_bits_per_weight(&grid, w->info->rows, w->info->cols);
    }
    pl_status status = PL_OK;
    if (w->blind) {
        return pl_memory_check(failures, err);
    }
    if (w->result.has_preconditioned) {
        status = pl_relative_error(w->bench.factors, before, after, &report->relative_error,
                                   w->cx.task, err);
    }
    if (status == PL_OK && w->result.has_rounded) {
        pl_grid grid = pl_spec_grid(w->round);
        /* A clipped range is like a searched one: the theorem does not cover it. */
        report->bound = w->t != NULL && pl_transform_clips(w->t)
                            ? NAN
                            : pl_error_bound(w->bench.factors, &grid, after);
        status = pl_relative_error(w->bench.factors, before, pl_mat_view(&w->rounded),
                                   &report->rounded_relative_error, w->cx.task, err);
    }
    PL_THEN(measure_least(w, before, err));
    PL_THEN(measure_followed(w, before, err));
    PL_THEN(measure_outputs(w, after, err));
    /* A number that no memory was there for is no number that does not apply. */
    return status == PL_OK ? pl_memory_check(failures, err) : status;
}

pl_status pl_solve_no_method(const char *name, pl_error *err)
{
    return pl_error_set(
        err, PL_ERR_STATE,
        "%s: all slots, transform, precondition and round, are empty: choose a method, "
        "e.g. `method astro`",
        name);
}

bool pl_layer_has_method(const pl_state *state, size_t layer)
{
    return pl_state_spec(state, layer, PL_SLOT_TRANSFORM)->method != NULL ||
           pl_state_spec(state, layer, PL_SLOT_PRECONDITION)->method != NULL ||
           pl_state_spec(state, layer, PL_SLOT_ROUND)->method != NULL;
}

static work work_of(pl_context cx, size_t layer, pl_id calibration)
{
    const pl_state *state = cx.state;
    return (work){
        .cx = cx,
        .layer = layer,
        .info = pl_model_layer(state->source->model, layer),
        .transform = pl_state_spec(state, layer, PL_SLOT_TRANSFORM),
        .precondition = pl_state_spec(state, layer, PL_SLOT_PRECONDITION),
        .round = pl_state_spec(state, layer, PL_SLOT_ROUND),
        .result = {.range = {NAN, NAN}},
        .report = pl_solve_report_empty(),
        .blind =
            pl_model_is_blind(state->source->model, layer) || pl_id_equal(calibration, (pl_id){0}),
    };
}

bool pl_solve_is_blind(const pl_state *state, size_t layer)
{
    bool blind = pl_layer_has_method(state, layer);
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = pl_state_spec(state, layer, slot);
        blind = blind && (spec->method == NULL || pl_spec_is_blind(spec));
    }
    return blind;
}

bool pl_solve_sees_enough(const pl_state *state, size_t layer)
{
    return pl_state_is_imported(state, layer) || !pl_model_is_blind(state->source->model, layer) ||
           pl_solve_is_blind(state, layer);
}

bool pl_solve_follows(const pl_state *state, size_t layer)
{
    const pl_method *method = pl_state_spec(state, layer, PL_SLOT_ROUND)->method;
    return method != NULL && method->follows != NULL;
}

pl_status pl_solve_find(pl_context cx, size_t layer, pl_id calibration, bool *found,
                        pl_solve_report *report, pl_id *result, pl_error *err)
{
    work w = work_of(cx, layer, calibration);
    pl_id problem = {0};
    *found = false;
    *result = (pl_id){0};
    pl_status status = problem_key(&w, calibration, &problem, err);
    PL_THEN(plan_key(&w, problem, result, err));
    if (status == PL_OK) {
        *found = is_stored(&w, *result);
        *report = w.report;
    }
    work_deinit(&w);
    return status;
}

pl_status pl_solve_look(pl_context cx, size_t layer, bool *found, pl_solve_report *report,
                        pl_error *err)
{
    pl_id calibration = {0}, result = {0};
    *found = false;
    *report = pl_solve_report_empty();
    const bool known = pl_model_is_blind(cx.state->source->model, layer) ||
                       pl_lab_is_calibrated(cx.lab, cx.state, &calibration);
    return known && !pl_state_is_imported(cx.state, layer)
               ? pl_solve_find(cx, layer, calibration, found, report, &result, err)
               : PL_OK;
}

/* Hands the factors what a rounder that follows wants to know, where the inputs are not those of
 * the original model. */
static pl_status give_cross(work *w, pl_error *err)
{
    pl_id own = {0};
    float *cross = NULL;
    if (w->blind || !pl_solve_follows(w->cx.state, w->layer) ||
        !pl_lab_is_calibrated(w->cx.lab, w->cx.state, &own) || pl_id_equal(own, w->calibration) ||
        pl_factors_cross(w->bench.factors) != NULL) {
        return PL_OK;
    }
    pl_status status = pl_calib_load_cross(pl_lab_store(w->cx.lab), w->calibration,
                                           w->cx.state->source->model, w->info->site, &cross, err);
    if (status == PL_OK && w->t != NULL) {
        status = pl_transform_cross(w->t, cross, w->cx.task, err);
    }
    if (status == PL_OK) {
        return pl_factors_set_cross(w->bench.factors, cross, err);
    }
    free(cross);
    return status;
}

pl_status pl_solve_under(pl_context cx, size_t layer, pl_id calibration,
                         const pl_solve_watch *watch, pl_solve_report *report, pl_id *result,
                         pl_error *err)
{
    work w = work_of(cx, layer, calibration);
    w.watch = watch;
    if (pl_state_is_imported(cx.state, layer)) {
        *result = cx.state->solved[layer].result;
        return pl_result_report(cx.lab, cx.state, layer, *result, report, err);
    }
    if (!pl_layer_has_method(cx.state, layer)) {
        return pl_solve_no_method(w.info->name, err);
    }
    if (!pl_solve_sees_enough(cx.state, layer)) {
        return pl_model_need_inputs(cx.state->source->model, layer, err);
    }
    double start = pl_clock_now();
    pl_id problem = {0};
    pl_status status = problem_key(&w, calibration, &problem, err);
    PL_THEN(plan_key(&w, problem, result, err));
    if (status == PL_OK && is_stored(&w, *result)) {
        goto done;
    }
    PL_THEN(make_layer_transform(&w, err));
    w.thrifty = watch == NULL && !w.blind;
    if (status == PL_OK && w.thrifty) {
        pl_lab_make_room(cx.lab, cx.state, calibration, w.info->site);
    }
    if (status == PL_OK && !w.blind) {
        status = pl_lab_site_under(cx, calibration, w.info->site, w.t, w.result.transform, &w.bench,
                                   err);
    }
    PL_THEN(give_cross(&w, err));
    PL_THEN(read_original(&w, err));
    if (status == PL_OK && w.precondition->method != NULL) {
        status = precondition(&w, problem, err);
    }
    if (status == PL_OK && w.thrifty) {
        const size_t making = 2 * w.info->cols * w.info->cols * sizeof(float);
        pl_factors_shrink(w.bench.factors, ROUND_BYTES > making ? ROUND_BYTES - making : 0);
    }
    if (is_lean(&w) && w.t == NULL && w.result.has_preconditioned) {
        pl_mat_deinit(&w.w0); /* is read again: rounding does not look at it */
    }
    if (status == PL_OK && w.round->method != NULL) {
        status = round_weights(&w, problem, err);
    }
    PL_THEN(read_original(&w, err));
    PL_THEN(measure_result(&w, err));
    if (status == PL_OK) {
        w.report.seconds = pl_clock_now() - start;
        status = pl_result_write(cx.lab, cx.state, layer, *result, &w.result, &w.report, err);
        w.report.made |= PL_MADE_RESULT;
    }
done:
    if (status == PL_OK) {
        *report = w.report;
    } else if (status != PL_ERR_CANCELLED && err != NULL &&
               strstr(err->message, w.info->name) == NULL) {
        pl_error_prefix(err, "%s: ", w.info->name);
    }
    work_deinit(&w);
    return status;
}

pl_status pl_solve_layer(pl_context cx, size_t layer, pl_solve_report *report, pl_id *result,
                         pl_error *err)
{
    *report = pl_solve_report_empty();
    *result = (pl_id){0};
    pl_id calibration = {0};
    pl_status status = PL_OK;
    if (!pl_model_is_blind(cx.state->source->model, layer) &&
        !pl_state_is_imported(cx.state, layer)) {
        status =
            pl_lab_find_calibration(cx, !pl_solve_is_blind(cx.state, layer), &calibration, err);
    }
    PL_THEN(pl_solve_under(cx, layer, calibration, NULL, report, result, err));
    return status;
}

pl_status pl_result_report(pl_lab *lab, const pl_state *state, size_t layer, pl_id result,
                           pl_solve_report *out, pl_error *err)
{
    *out = pl_solve_report_empty();
    pl_error why = {0};
    pl_status status = pl_result_read(lab, state, layer, result, NULL, out, &why);
    return status == PL_OK
               ? PL_OK
               : pl_result_unreadable(lab, pl_model_layer(state->source->model, layer)->name,
                                      "its result is", "solve", status, &why, err);
}
