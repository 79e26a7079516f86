#include "core/study/allocation.h"

#include "core/base/checked.h"
#include "core/lab/pipeline.h"
#include "core/state/record.h"
#include "core/study/piece.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct allocating {
    pl_lab *lab;
    const pl_allocating *asked;
    pl_allocated *out;
    pl_state state; /* the copy whose bits are set */
    pl_piece piece;
    size_t choice, n_layers;
    double *errors, *layer_bits; /* [layers] of the running choice */
    pl_status noted;
} allocating;

static pl_status set_bits(pl_spec *spec, int bits, pl_error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", bits);
    return pl_spec_set(spec, spec->method->params[PL_GRID_BITS].name, text, err);
}

pl_status pl_allocation_set(pl_state *state, size_t layer, int bits, pl_error *err)
{
    pl_spec spec = *pl_state_spec(state, layer, PL_SLOT_ROUND);
    pl_status status = set_bits(&spec, bits, err);
    return status == PL_OK
               ? pl_state_set_override(state, PL_SLOT_ROUND,
                                       pl_model_layer(state->source->model, layer)->name, &spec,
                                       err)
               : status;
}

/* The choice, for every layer that has a rounder. */
static pl_status choose_bits(allocating *a, int bits, pl_error *err)
{
    pl_state *state = &a->state;
    pl_spec *general = &state->slots[PL_SLOT_ROUND];
    pl_status status = general->method != NULL ? set_bits(general, bits, err) : PL_OK;
    bool any = general->method != NULL;
    for (size_t i = 0; status == PL_OK && i < state->n_overrides; i++) {
        pl_spec spec = state->overrides[i].spec;
        if (state->overrides[i].slot == PL_SLOT_ROUND && spec.method != NULL) {
            any = true;
            status = set_bits(&spec, bits, err);
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
    pl_status status =
        pl_state_set_result(&a->state, layer, pl_state_plan(&a->state, layer), result, NULL);
    a->noted = a->noted == PL_OK ? status : a->noted;
    pl_record_solved(&a->state, layer, false, result);
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
    return a->errors == NULL || a->layer_bits == NULL || out->units == NULL || out->loss == NULL ||
                   out->bits == NULL || out->weights == NULL || out->chosen == NULL ||
                   out->unit_of == NULL
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
    if (status == PL_OK && !a->asked->by_error) {
        status = pl_sensitivity_run(a->lab, &a->state, &a->asked->measured, ids, count, &found,
                                    &a->piece.task, err);
    }
    if (status != PL_OK) {
        return status;
    }
    for (size_t u = 0; u < out->count; u++) {
        out->weights[u] = 0.0;
        out->loss[u * k + a->choice] = a->asked->by_error ? 0.0 : found.units[u].loss.kl;
    }
    for (size_t i = 0; i < a->n_layers; i++) {
        if (out->unit_of[i] >= 0) {
            const pl_layer *info = pl_model_layer(model, i);
            const size_t u = (size_t)out->unit_of[i];
            const double n = (double)info->rows * (double)info->cols;
            out->weights[u] += n;
            out->bits[u * k + a->choice] += n * a->layer_bits[i];
            out->loss[u * k + a->choice] += a->asked->by_error ? a->errors[i] : 0.0;
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
        status = choose_bits(a, a->asked->choices[a->choice], err);
        PL_THEN(pl_solve_all(a->lab, &a->state, false, note_layer, a, &total, &a->piece.task, err));
        PL_THEN(a->noted);
        PL_THEN(take_choice(a, ids, count, err));
        pl_piece_step(&a->piece);
    }
    return status;
}

pl_status pl_allocation_run(pl_lab *lab, const pl_state *state, const pl_allocating *asked,
                            const int32_t *ids, size_t count, pl_allocated *out, pl_task *task,
                            pl_error *err)
{
    *out = (pl_allocated){0};
    allocating a = {.lab = lab,
                    .asked = asked,
                    .out = out,
                    .n_layers = pl_model_layer_count(state->source->model),
                    .noted = PL_OK};
    pl_piece_init(&a.piece, task, "choices", asked->n_choices);
    pl_status status = pl_state_copy(&a.state, state, err);
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
    }
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
    *a = (pl_allocated){0};
}
