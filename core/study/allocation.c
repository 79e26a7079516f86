#include "core/study/allocation.h"

#include "core/base/checked.h"
#include "core/lab/pipeline.h"
#include "core/lab/quantized.h"
#include "core/state/record.h"
#include "core/study/piece.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct allocating {
    pl_context cx; /* the caller's */
    const pl_allocating *asked;
    pl_allocated *out;
    pl_state state; /* the copy whose bits are set */
    pl_piece piece;
    size_t choice, n_layers;
    double *errors, *layer_bits; /* [layers] of the running choice */
    pl_status noted;
} allocating;

static const char KIND[] = "allocation";
static const char SECTION[] = "curve";

/* Of a format that has one number of bits, which is not among the choices. */
static pl_status refuse_width(const pl_spec *spec, const pl_format *format, int bits, pl_error *err)
{
    char more[64] = "";
    if (!format->blocks || format->most_group_size > 0) {
        snprintf(more, sizeof more, "choices=%d with several groups=, or ", format->bits);
    }
    return pl_error_set(err, PL_ERR_USAGE,
                        "choices=%d: format=%s has one width, %d bits: expected %sa format of "
                        "several, `method %s format=int`",
                        bits, format->key, format->bits, more, spec->method->name);
}

static pl_status set_choice(pl_spec *spec, pl_choice choice, pl_error *err)
{
    const pl_format *format = pl_spec_grid(spec).format;
    char text[16];
    if (format->bits != 0 && format->bits != choice.bits) {
        return refuse_width(spec, format, choice.bits, err);
    }
    snprintf(text, sizeof text, "%d", choice.bits);
    pl_status status = pl_spec_set(spec, spec->method->params[PL_GRID_BITS].name, text, err);
    if (status == PL_OK && choice.group_size >= 0) {
        snprintf(text, sizeof text, "%d", choice.group_size);
        status = pl_spec_set(spec, spec->method->params[PL_GRID_GROUP_SIZE].name, text, err);
    }
    return status;
}

pl_status pl_allocation_set(pl_state *state, size_t layer, pl_choice choice, pl_error *err)
{
    pl_spec spec = *pl_state_spec(state, layer, PL_SLOT_ROUND);
    pl_status status = set_choice(&spec, choice, err);
    return status == PL_OK
               ? pl_state_set_override(state, PL_SLOT_ROUND,
                                       pl_model_layer(state->source->model, layer)->name, &spec,
                                       err)
               : status;
}

/* The copy, within the piece that runs. */
static pl_context context_of(allocating *a)
{
    return (pl_context){a->cx.lab, &a->state, &a->piece.task};
}

/* The choice, for every layer that has a rounder. */
static pl_status choose_for_all(pl_state *state, pl_choice choice, pl_error *err)
{
    pl_spec *general = &state->slots[PL_SLOT_ROUND];
    pl_status status = general->method != NULL ? set_choice(general, choice, err) : PL_OK;
    bool any = general->method != NULL;
    for (size_t i = 0; status == PL_OK && i < state->n_overrides; i++) {
        pl_spec spec = state->overrides[i].spec;
        if (state->overrides[i].slot == PL_SLOT_ROUND && spec.method != NULL) {
            any = true;
            status = set_choice(&spec, choice, err);
            PL_THEN(pl_state_respec(state, i, &spec, err));
        }
    }
    pl_error_prefix(err, status != PL_OK ? "allocate: " : "");
    return status == PL_OK && !any
               ? pl_error_set(
                     err, PL_ERR_STATE,
                     "allocate: no rounder is set, and bits are a rounder's: expected e.g. "
                     "`method gptq`")
               : status;
}

static void note_layer(void *ctx, size_t layer, pl_id result, const pl_solve_report *report)
{
    allocating *a = ctx;
    pl_status status = pl_state_take_result(&a->state, layer, false, result, NULL);
    a->noted = a->noted == PL_OK ? status : a->noted;
    pl_record_solved(&a->state, layer, false, result);
    a->out->results[layer * a->asked->n_choices + a->choice] = result;
    a->errors[layer] = report->rounded_relative_error;
    a->layer_bits[layer] = report->bits_per_weight;
}

static pl_status allocate_results(allocating *a, pl_error *err)
{
    const size_t n = a->n_layers, k = a->asked->n_choices;
    pl_allocated *out = a->out;
    a->errors = calloc(n + 1, sizeof *a->errors);
    a->layer_bits = calloc(n + 1, sizeof *a->layer_bits);
    out->units = calloc(n + 1, sizeof *out->units);
    out->loss = calloc(n * k + 1, sizeof *out->loss);
    out->bits = calloc(n * k + 1, sizeof *out->bits);
    out->weights = calloc(n + 1, sizeof *out->weights);
    out->chosen = calloc(n + 1, sizeof *out->chosen);
    out->unit_of = calloc(n + 1, sizeof *out->unit_of);
    out->results = calloc(n * k + 1, sizeof *out->results);
    return a->errors == NULL || a->layer_bits == NULL || out->units == NULL || out->loss == NULL ||
                   out->bits == NULL || out->weights == NULL || out->chosen == NULL ||
                   out->unit_of == NULL || out->results == NULL
               ? pl_error_memory(err, "an allocation of bits")
               : PL_OK;
}

/* What the units take and lose with the running choice. */
static pl_status take_choice(allocating *a, const int32_t *ids, size_t count, pl_error *err)
{
    pl_allocated *out = a->out;
    const pl_model *model = a->state.source->model;
    const size_t k = a->asked->n_choices;
    size_t unsolved = 0;
    pl_sensitivities found = {0};
    pl_status status =
        pl_find_units("allocate", &a->state, a->asked->measured.unit, a->asked->measured.glob,
                      out->unit_of, out->units, &out->count, &unsolved, err);
    PL_THEN(pl_check_rounder_units("allocate", &a->state, out->unit_of, err));
    const pl_allocating_by by = a->asked->by;
    if (status == PL_OK && by != PL_BY_ERROR) {
        status = (by == PL_BY_KL ? pl_sensitivity_run : pl_sensitivity_estimate)(
            context_of(a), &a->asked->measured, ids, count, &found, err);
    }
    if (status != PL_OK) {
        return status;
    }
    for (size_t u = 0; u < out->count; u++) {
        out->weights[u] = 0.0;
        out->loss[u * k + a->choice] = by == PL_BY_KL         ? found.units[u].loss.kl
                                       : by == PL_BY_ESTIMATE ? found.units[u].estimate
                                                              : 0.0;
    }
    for (size_t i = 0; i < a->n_layers; i++) {
        if (out->unit_of[i] >= 0) {
            const pl_layer *info = pl_model_layer(model, i);
            const size_t u = (size_t)out->unit_of[i];
            const double n = (double)info->rows * (double)info->cols;
            out->weights[u] += n;
            out->bits[u * k + a->choice] += n * a->layer_bits[i];
            out->loss[u * k + a->choice] += by == PL_BY_ERROR ? a->errors[i] : 0.0;
        }
    }
    double weights = 0.0;
    for (size_t u = 0; u < out->count; u++) {
        weights += out->weights[u];
        out->uniform_bits[a->choice] += out->bits[u * k + a->choice];
        out->uniform_loss[a->choice] += out->loss[u * k + a->choice];
        out->bits[u * k + a->choice] /= out->weights[u];
    }
    out->uniform_bits[a->choice] /= weights;
    pl_sensitivities_deinit(&found);
    return PL_OK;
}

static pl_status try_choices(allocating *a, const int32_t *ids, size_t count, pl_error *err)
{
    pl_status status = PL_OK;
    for (a->choice = 0; status == PL_OK && a->choice < a->asked->n_choices; a->choice++) {
        pl_solve_report total;
        status = choose_for_all(&a->state, a->asked->choices[a->choice], err);
        PL_THEN(pl_solve_all(context_of(a), false, note_layer, a, &total, err));
        PL_THEN(a->noted);
        PL_THEN(take_choice(a, ids, count, err));
        pl_piece_step(&a->piece);
    }
    return status;
}

/* --- what was chosen -------------------------------------------------------------------------- */

/* The original state with the chosen bits, or one choice for all units, and the results found for
 * them. */
static pl_status take_choices(allocating *a, size_t choice, pl_error *err)
{
    const pl_allocated *out = a->out;
    pl_state fresh;
    pl_status status = pl_state_copy(&fresh, a->cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    pl_state_deinit(&a->state);
    a->state = fresh;
    for (size_t i = 0; status == PL_OK && i < a->n_layers; i++) {
        if (out->unit_of[i] >= 0) {
            const size_t c = choice != SIZE_MAX ? choice : out->chosen[out->unit_of[i]];
            status = pl_allocation_set(&a->state, i, a->asked->choices[c], err);
            PL_THEN(pl_state_take_result(&a->state, i, false,
                                         out->results[i * a->asked->n_choices + c], err));
        }
    }
    return status;
}

/* Layers that are in no unit are solved by the methods that they have and keep. */
static pl_status solve_others(allocating *a, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < a->n_layers; i++) {
        pl_solve_report report;
        pl_id result = {0};
        if (a->out->unit_of[i] < 0 && pl_layer_has_method(&a->state, i) &&
            !pl_state_is_imported(&a->state, i)) {
            status = pl_solve_layer(context_of(a), i, &report, &result, err);
            PL_THEN(pl_state_take_result(&a->state, i, false, result, err));
        }
    }
    return status;
}

static pl_status test_one(allocating *a, size_t choice, pl_error *err)
{
    pl_allocated *out = a->out;
    pl_quantized quantized;
    pl_hooks hooks;
    pl_ppl_spec spec = a->asked->test_windows;
    spec.memory_limit = pl_lab_memory_limit(a->cx.lab);
    pl_status status = take_choices(a, choice, err);
    PL_THEN(solve_others(a, err));
    if (status != PL_OK) {
        return status;
    }
    status = pl_quantized_init(&quantized, context_of(a), PL_WHICH_AFTER, &hooks, err);
    PL_THEN(pl_perplexity(a->state.source->model, a->asked->test, a->asked->n_test, &spec, &hooks,
                          true, &out->test[out->n_tested], &a->piece.task, err));
    pl_quantized_deinit(&quantized);
    out->tested[out->n_tested++] = choice;
    return status;
}

static pl_status test_outcome(allocating *a, pl_error *err)
{
    const pl_allocated *out = a->out;
    const double bits = out->found.bits;
    size_t below = SIZE_MAX, above = SIZE_MAX;
    if (a->asked->test == NULL) {
        return PL_OK;
    }
    for (size_t c = 0; c < a->asked->n_choices; c++) {
        const double has = out->uniform_bits[c];
        if (has <= bits && (below == SIZE_MAX || has > out->uniform_bits[below])) {
            below = c;
        }
        if (has >= bits && (above == SIZE_MAX || has < out->uniform_bits[above])) {
            above = c;
        }
    }
    pl_status status = test_one(a, SIZE_MAX, err);
    if (below != SIZE_MAX) {
        PL_THEN(test_one(a, below, err));
    }
    if (above != SIZE_MAX && above != below) {
        PL_THEN(test_one(a, above, err));
    }
    return status;
}

/* --- the curve in the store ------------------------------------------------------------------- */

/* The state's methods with one number of bits for all, however their settings are grouped. */
static pl_status curve_key(const pl_state *state, pl_id *out, pl_error *err)
{
    pl_state same;
    pl_status status = pl_state_copy(&same, state, err);
    if (status != PL_OK) {
        return status;
    }
    struct {
        char what[32];
        pl_id plan;
    } all = {.what = "planish allocation 1"};
    status = choose_for_all(&same, (pl_choice){.bits = 4, .group_size = -1}, err);
    PL_THEN(pl_state_give(&same, PL_SLOT_ROUND, NULL, NULL, err));
    all.plan = pl_state_plan_sequential(&same);
    *out = pl_id_bytes(&all, sizeof all);
    pl_state_deinit(&same);
    return status;
}

static pl_status write_curve(allocating *a, const pl_state *state, const pl_allocation_drawn *drawn,
                             pl_error *err)
{
    pl_id key;
    const pl_section section = {SECTION, drawn, sizeof *drawn};
    json_t *about = json_pack("{s:s, s:s, s:s?}", "holds", "an allocation of bits", "version",
                              PL_VERSION, "command", a->asked->said);
    pl_status status =
        about != NULL ? curve_key(state, &key, err) : pl_error_memory(err, "an allocation");
    PL_THEN(pl_store_replace(pl_lab_store(a->cx.lab), KIND, key, about, &section, 1, err));
    json_decref(about);
    return status;
}

/* Under the methods it began with, and under those that it sets: group sizes may differ. */
static pl_status keep_curve(allocating *a, pl_error *err)
{
    const pl_allocated *out = a->out;
    pl_allocation_drawn drawn;
    memset(&drawn, 0, sizeof drawn);
    drawn.curve = out->curve;
    drawn.by = a->asked->by;
    drawn.found = out->found;
    drawn.n_uniform = a->asked->n_choices;
    memcpy(drawn.uniform, a->asked->choices, sizeof drawn.uniform);
    memcpy(drawn.uniform_bits, out->uniform_bits, sizeof drawn.uniform_bits);
    memcpy(drawn.uniform_loss, out->uniform_loss, sizeof drawn.uniform_loss);
    pl_status status = write_curve(a, a->cx.state, &drawn, err);
    PL_THEN(take_choices(a, SIZE_MAX, err));
    PL_THEN(write_curve(a, &a->state, &drawn, err));
    return status;
}

/* Whether what the store had can be drawn: counts within their arrays, and finite numbers. */
static bool is_whole(const pl_allocation_drawn *drawn)
{
    const pl_curve *curve = &drawn->curve;
    bool whole = curve->count > 0 && curve->count <= PL_CURVE_POINTS &&
                 drawn->n_uniform <= PL_MOST_CHOICES && drawn->by <= PL_BY_ESTIMATE &&
                 isfinite(drawn->found.bits) && isfinite(drawn->found.loss);
    for (size_t i = 0; whole && i < curve->count; i++) {
        whole = isfinite(curve->bits[i]) && isfinite(curve->loss[i]) && isfinite(curve->bound[i]);
    }
    return whole;
}

pl_status pl_allocation_last(pl_lab *lab, const pl_state *state, pl_allocation_drawn *out,
                             pl_buf *said, pl_error *err)
{
    pl_id key;
    pl_entry *entry = NULL;
    pl_status status = curve_key(state, &key, err);
    if (status != PL_OK) {
        return status;
    }
    status = pl_store_get(pl_lab_store(lab), KIND, key, &entry, NULL);
    PL_THEN(pl_entry_read(entry, SECTION, out, sizeof *out, NULL));
    const bool whole = status == PL_OK && is_whole(out);
    if (whole && said != NULL) {
        const json_t *command = json_object_get(pl_entry_about(entry), "command");
        pl_buf_puts(said, json_is_string(command) ? json_string_value(command) : "");
    }
    pl_entry_close(entry);
    return whole ? PL_OK
                 : pl_error_set(err, PL_ERR_STATE,
                                "nothing is allocated under the present methods: `allocate "
                                "bits=3.5`");
}

pl_status pl_allocation_run(pl_context cx, const pl_allocating *asked, const int32_t *ids,
                            size_t count, pl_allocated *out, pl_error *err)
{
    *out = (pl_allocated){0};
    allocating a = {.cx = cx,
                    .asked = asked,
                    .out = out,
                    .n_layers = pl_model_layer_count(cx.state->source->model),
                    .noted = PL_OK};
    pl_piece_init(&a.piece, cx.task, "choices", asked->n_choices);
    pl_status status = pl_state_copy(&a.state, cx.state, err);
    if (status != PL_OK) {
        return status;
    }
    status = allocate_results(&a, err);
    PL_THEN(try_choices(&a, ids, count, err));
    if (status == PL_OK) {
        const pl_knapsack sack = {.units = out->count,
                                  .choices = asked->n_choices,
                                  .weights = out->weights,
                                  .loss = out->loss,
                                  .bits = out->bits};
        status = pl_allocate(&sack, asked->average, out->chosen, &out->found, err);
        PL_THEN(pl_allocate_curve(&sack, &out->curve, err));
    }
    PL_THEN(keep_curve(&a, err));
    PL_THEN(test_outcome(&a, err));
    free(a.errors);
    free(a.layer_bits);
    pl_state_deinit(&a.state);
    if (status != PL_OK) {
        pl_allocated_deinit(out);
    }
    return status;
}

void pl_allocated_deinit(pl_allocated *a)
{
    free(a->units);
    free(a->loss);
    free(a->bits);
    free(a->weights);
    free(a->chosen);
    free(a->unit_of);
    free(a->results);
    *a = (pl_allocated){0};
}
