/* Tuning by the error on windows of the calibration that the solve did not see. */
#include "core/base/json.h"
#include "core/lab/halves.h"
#include "core/lab/pipeline.h"
#include "core/lab/solve_units.h"
#include "core/lab/weights.h"
#include "core/metrics/recon.h"
#include "core/model/bare.h"
#include "core/study/tune_parts.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct heldout {
    pl_tuner *t;
    pl_id keys[2];  /* of the calibrations to solve on and to measure on */
    double *error;  /* [layers, candidates + 1] */
    pl_id *results; /* [candidates + 1] of the running layer */
    unsigned *made; /* [candidates + 1] what of them this search has made */
    pl_piece piece;
} heldout;

/* A few rows are kept of inputs that nothing but reports asks for; a transform is made from all. */
static size_t rows_kept(const pl_state *state)
{
    bool transforms = false;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        transforms = transforms || pl_state_spec(state, i, PL_SLOT_TRANSFORM)->method != NULL;
    }
    return transforms ? pl_protocol_rows(&state->calibration.protocol) : 16;
}

static pl_status error_key(const heldout *h, size_t layer, size_t candidate, pl_id *out,
                           pl_task *task, pl_error *err)
{
    const pl_state *state = &h->t->states[candidate];
    const size_t site = pl_model_layer(state->source->model, layer)->site;
    pl_hasher *hasher = NULL;
    pl_id weight = {0};
    pl_status status = pl_model_layer_identity(state->source->model, layer, &weight, task, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish tune heldout 2 " PL_VERSION);
        pl_hasher_id(hasher, weight);
        pl_hasher_id(hasher, pl_state_plan(state, layer));
        pl_hasher_id(hasher, pl_calib_site_key(h->keys[0], site));
        pl_hasher_id(hasher, pl_calib_site_key(h->keys[1], site));
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
        pl_hasher_destroy(hasher);
    }
    return status;
}

/* The error of a result on the other half's inputs. */
static pl_status measure_error(const heldout *h, size_t layer, size_t candidate, pl_id result,
                               double *out, pl_task *task, pl_error *err)
{
    pl_tuner *t = h->t;
    const pl_state *state = &t->states[candidate];
    pl_bench bench = {0};
    pl_mat w0 = {0}, w = {0};
    pl_status status = pl_weights_make(pl_with_state(t->cx, state), layer,
                                       (pl_weights_of){.which = PL_WHICH_BEFORE}, &w0, err);
    PL_THEN(pl_weights_make(pl_with_state(t->cx, state), layer,
                            (pl_weights_of){.which = PL_WHICH_AFTER, .result = &result}, &w, err));
    PL_THEN(pl_lab_site(pl_with_state(t->cx, state), h->keys[1],
                        pl_model_layer(state->source->model, layer)->site, &bench, err));
    PL_THEN(pl_relative_error(bench.factors, pl_mat_view(&w0), pl_mat_view(&w), out, task, err));
    pl_lab_release(t->cx.lab, &bench);
    pl_mat_deinit(&w0);
    pl_mat_deinit(&w);
    return status;
}

static pl_status try_candidate(heldout *h, size_t layer, size_t candidate, pl_task *task,
                               pl_error *err)
{
    pl_tuner *t = h->t;
    double *error = &h->error[layer * t->n_states + candidate];
    pl_solve_report report;
    pl_id key = {0};
    pl_status status = error_key(h, layer, candidate, &key, task, err);
    if (status != PL_OK || pl_tune_recall(t, key, error)) {
        return status;
    }
    status = pl_solve_layer(pl_with_state(t->cx, &t->states[candidate]), layer, &report,
                            &h->results[candidate], err);
    h->made[candidate] = status == PL_OK ? report.made : 0;
    PL_THEN(measure_error(h, layer, candidate, h->results[candidate], error, task, err));
    return status == PL_OK
               ? pl_tune_keep(t, key, "a layer's error on held-out windows", *error, err)
               : status;
}

/* Results on half a calibration are only needed for their number: they are removed, also where the
 * search is cut off, which later goes on from the numbers. */
static pl_status try_layer(heldout *h, size_t layer, pl_error *err)
{
    pl_tuner *t = h->t;
    pl_status status = PL_OK;
    memset(h->made, 0, t->n_states * sizeof *h->made);
    for (size_t c = 0; status == PL_OK && c < t->n_states; c++) {
        status = try_candidate(h, layer, c, &h->piece.task, err);
        pl_piece_step(&h->piece);
    }
    for (size_t c = 0; c < t->n_states; c++) {
        const pl_status forgotten = pl_result_forget(t->cx.lab, &t->states[c], layer, h->results[c],
                                                     h->made[c], status == PL_OK ? err : NULL);
        status = status == PL_OK ? forgotten : status;
    }
    return status;
}

/* Each unit by itself: what one layer is solved to does not change another's inputs here. */
static void choose_held_out(heldout *h)
{
    pl_tuned *out = h->t->out;
    const size_t k = h->t->n_states, n = pl_model_layer_count(h->t->cx.state->source->model);
    double layers = 0.0;
    memset(out->loss, 0, out->count * k * sizeof *out->loss);
    memset(out->uniform, 0, k * sizeof *out->uniform);
    for (size_t i = 0; i < n; i++) {
        const long unit = out->unit_of[i];
        layers += unit >= 0;
        for (size_t c = 0; unit >= 0 && c < k; c++) {
            const double error = h->error[i * k + c];
            out->loss[(size_t)unit * k + c] += error / (double)out->units[unit].layers;
            out->uniform[c] += error;
        }
    }
    for (size_t c = 0; c < k; c++) {
        out->uniform[c] /= layers;
    }
    out->start = out->uniform[0];
    out->found = 0.0;
    for (size_t u = 0; u < out->count; u++) {
        out->chosen[u] = pl_tune_least(out->loss + u * k, k);
        out->found += out->loss[u * k + out->chosen[u]] * (double)out->units[u].layers / layers;
    }
}

static pl_status score_layers(heldout *h, pl_error *err)
{
    const pl_tuned *out = h->t->out;
    const size_t n = pl_model_layer_count(h->t->cx.state->source->model);
    size_t tuned = 0;
    pl_status status = PL_OK;
    for (size_t i = 0; i < n; i++) {
        tuned += out->unit_of[i] >= 0;
    }
    pl_piece_init(&h->piece, h->t->cx.task, "trials", tuned * h->t->n_states);
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        if (out->unit_of[i] >= 0) {
            status = try_layer(h, i, err);
        }
    }
    return status;
}

/* Solves on the first half. */
static pl_status solve_first_half(heldout *h, pl_error *err)
{
    pl_tuner *t = h->t;
    for (size_t c = 0; c < t->n_states; c++) {
        t->states[c].calibration.key = h->keys[0];
        t->states[c].calibration.known = true;
    }
    h->error = calloc(pl_model_layer_count(t->cx.state->source->model) * t->n_states + 1,
                      sizeof *h->error);
    h->results = calloc(t->n_states + 1, sizeof *h->results);
    h->made = calloc(t->n_states + 1, sizeof *h->made);
    return h->error == NULL || h->results == NULL || h->made == NULL
               ? pl_error_memory(err, "a search")
               : PL_OK;
}

static void end(heldout *h)
{
    free(h->error);
    free(h->results);
    free(h->made);
}

/* --- by a pool -------------------------------------------------------------------------------- */

/* The candidates of a layer that the store does not have are asked for. */
static pl_status ask_for_layer(const heldout *h, size_t layer, size_t *asked, pl_error *err)
{
    pl_tuner *t = h->t;
    pl_status status = PL_OK;
    for (size_t c = 0; status == PL_OK && c < t->n_states; c++) {
        pl_id key = {0};
        status = error_key(h, layer, c, &key, t->cx.task, err);
        if (status == PL_OK && !pl_tune_has(t, key)) {
            ++*asked;
            status = pl_tune_ask(t, key, false, err);
        }
    }
    return status;
}

static pl_status try_some_layers(pl_tuner *t, const json_t *what, pl_error *err)
{
    const json_t *layers = json_object_get(what, "layers");
    heldout h = {
        .t = t, .keys = {pl_pool_read_id(what, "solved_on"), pl_pool_read_id(what, "measured_on")}};
    size_t i;
    json_t *layer;
    if (pl_id_equal(h.keys[0], (pl_id){0}) || pl_id_equal(h.keys[1], (pl_id){0})) {
        return pl_error_set(err, PL_ERR_FORMAT, "tune: no halves of a calibration to solve on");
    }
    pl_status status = solve_first_half(&h, err);
    pl_piece_init(&h.piece, t->cx.task, "trials", json_array_size(layers) * t->n_states);
    json_array_foreach(layers, i, layer)
    {
        PL_THEN(try_layer(&h, (size_t)json_integer_value(layer), err));
    }
    end(&h);
    return status;
}

static pl_status run_heldout_unit(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    (void)answer;
    return pl_tune_unit(cx, what, try_some_layers, err);
}

const pl_unit_kind pl_unit_tune_heldout = {
    .name = "tune_heldout", .counting = "trials", .whole = true, .run = run_heldout_unit};

/* The layers of an input are one unit: their candidates share its factors. */
static pl_status share_layers(const heldout *h, pl_error *err)
{
    const pl_tuner *t = h->t;
    const pl_model *model = t->cx.state->source->model;
    json_t *list = pl_pool_workers(t->cx.lab) > 1 ? json_array() : NULL;
    pl_status status = PL_OK;
    for (size_t i = 0; list != NULL && status == PL_OK && i < pl_model_layer_count(model); i++) {
        size_t asked = 0;
        if (t->out->unit_of[i] >= 0) {
            status = ask_for_layer(h, i, &asked, err);
        }
        if (asked > 0) {
            json_t *unit = pl_solve_unit_add(model, list, i, (double)asked, true);
            pl_json_set(unit, "solved_on", pl_pool_id(h->keys[0]));
            pl_json_set(unit, "measured_on", pl_pool_id(h->keys[1]));
        }
    }
    if (status != PL_OK || list == NULL) {
        json_decref(list);
        return status;
    }
    return pl_tune_run_units(h->t, &pl_unit_tune_heldout, list, t->cx.task, err);
}

/* ---------------------------------------------------------------------------------------------- */

pl_status pl_tune_heldout(pl_tuner *t, pl_error *err)
{
    pl_model *model = t->cx.state->source->model;
    heldout h = {.t = t};
    pl_status status = pl_model_need_forward(model, "by=heldout", err);
    PL_THEN(pl_lab_halves(t->cx, rows_kept(t->cx.state), h.keys, err));
    PL_THEN(solve_first_half(&h, err));
    PL_THEN(share_layers(&h, err));
    PL_THEN(score_layers(&h, err));
    if (status == PL_OK) {
        choose_held_out(&h);
    }
    end(&h);
    return status;
}
