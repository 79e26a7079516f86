#include "core/run/transformed.h"

#include "core/base/checked.h"
#include "core/model/bare.h"
#include "core/tensor/linalg.h"

#include <stdlib.h>
#include <string.h>

static const char kind_transform[] = "transform";

/* --- in the store ----------------------------------------------------------------------------- */

static pl_status write_transform(pl_lab *lab, pl_id key, const pl_transform *t, pl_error *err)
{
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    pl_section sections[PL_TRANSFORM_ARRAYS];
    const size_t count = pl_transform_arrays(t, arrays);
    for (size_t i = 0; i < count; i++) {
        sections[i] = (pl_section){arrays[i].name, arrays[i].data, arrays[i].count * sizeof(float)};
    }
    json_t *about = json_pack("{s:s, s:I, s:I}", "kind", pl_transform_kind(t), "n",
                              (json_int_t)pl_transform_n(t), "clip_group_size",
                              (json_int_t)pl_transform_clip_group_size(t));
    if (about == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    pl_status status =
        pl_store_put(pl_lab_store(lab), kind_transform, key, about, sections, count, err);
    json_decref(about);
    return status == PL_OK ? pl_store_pin(pl_lab_store(lab), kind_transform, key, err) : status;
}

static const char *const array_names[] = {"scale", "q", "p1", "p2", "i1", "i2", "clip", "row_clip"};

pl_status pl_transform_read(pl_lab *lab, pl_id key, pl_transform **out)
{
    *out = NULL;
    pl_entry *entry = NULL;
    pl_transform_array arrays[PL_TRANSFORM_ARRAYS];
    float *data[PL_TRANSFORM_ARRAYS] = {0};
    size_t count = 0;
    pl_status status = pl_store_get(pl_lab_store(lab), kind_transform, key, &entry, NULL);
    for (size_t i = 0; status == PL_OK && i < sizeof array_names / sizeof *array_names; i++) {
        const size_t bytes = pl_entry_section_bytes(entry, array_names[i]);
        if (bytes == SIZE_MAX) {
            continue;
        }
        data[count] = pl_alloc(bytes, 1);
        status = data[count] == NULL
                     ? PL_ERR_MEMORY
                     : pl_entry_read(entry, array_names[i], data[count], bytes, NULL);
        arrays[count] = (pl_transform_array){array_names[i], data[count], bytes / sizeof(float)};
        count++;
    }
    if (status == PL_OK) {
        const json_t *about = pl_entry_about(entry);
        const char *kind = json_string_value(json_object_get(about, "kind"));
        const json_int_t n = json_integer_value(json_object_get(about, "n"));
        const json_int_t width = json_integer_value(json_object_get(about, "clip_group_size"));
        status = kind == NULL || n <= 0 || width < 0
                     ? PL_ERR_FORMAT
                     : pl_transform_from_arrays(kind, (size_t)n, arrays, count, (size_t)width, out,
                                                NULL);
    }
    for (size_t i = 0; i < PL_TRANSFORM_ARRAYS; i++) {
        free(data[i]);
    }
    pl_entry_close(entry);
    return status;
}

/* --- what it comes from ----------------------------------------------------------------------- */

static pl_status check_site(const pl_state *state, const pl_site *site, const pl_spec *spec,
                            pl_error *err)
{
    for (size_t i = 0; i < site->n_layers; i++) {
        const pl_spec *other = pl_state_spec(state, site->layers[i], PL_SLOT_TRANSFORM);
        const pl_spec *first = pl_state_spec(state, site->layers[0], PL_SLOT_TRANSFORM);
        if (!pl_spec_equal(other, first)) {
            return pl_error_set(err, PL_ERR_STATE,
                                "%s and %s share one input and so one transform, but on=GLOB gives "
                                "them different ones (here %s)",
                                pl_model_layer(state->source->model, site->layers[0])->name,
                                pl_model_layer(state->source->model, site->layers[i])->name,
                                spec->method->name);
        }
    }
    return PL_OK;
}

static pl_status transform_key(const pl_state *state, const pl_site *site, pl_id calibration,
                               const pl_spec *spec, pl_id *out, pl_task *task, pl_error *err)
{
    pl_model *model = state->source->model;
    pl_hasher *hasher = NULL;
    pl_buf text = {0};
    pl_spec_format(spec, &text);
    if (spec->method->suits_rounder) {
        const pl_spec *round = pl_state_spec(state, site->layers[0], PL_SLOT_ROUND);
        pl_buf_puts(&text, " > ");
        if (round->method != NULL) {
            pl_spec_format(round, &text);
        }
    }
    if (spec->method->suits_activations) {
        pl_buf_puts(&text, " ");
        pl_act_format(&state->activations, &text);
    }
    pl_status status = pl_buf_check(&text, err);
    if (status == PL_OK) {
        status = pl_hasher_create(&hasher, err);
    }
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish transform 1");
        pl_hasher_text(hasher, text.data);
        pl_hasher_id(hasher,
                     pl_calib_site_key(calibration, pl_model_layer(model, site->layers[0])->site));
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
    }
    for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
        pl_id weight = {0};
        status = pl_model_layer_identity(model, site->layers[i], &weight, task, err);
        pl_hasher_id(hasher, weight);
    }
    if (status == PL_OK) {
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    pl_buf_deinit(&text);
    return status;
}

/* --- making ----------------------------------------------------------------------------------- */

static pl_status read_weights(const pl_state *state, const pl_site *site, pl_mat *w, pl_view *views,
                              bool *whole_range, pl_error *err)
{
    pl_model *model = state->source->model;
    for (size_t i = 0; i < site->n_layers; i++) {
        const pl_layer *info = pl_model_layer(model, site->layers[i]);
        pl_status status = pl_mat_init(&w[i], info->rows, info->cols, err);
        if (status == PL_OK) {
            status = pl_model_read_weight(model, site->layers[i], w[i].data, err);
        }
        if (status != PL_OK) {
            return status;
        }
        views[i] = pl_mat_view(&w[i]);
        whole_range[i] = info->role == PL_ROLE_Q || info->role == PL_ROLE_K;
    }
    return PL_OK;
}

static pl_status make_transform(pl_lab *lab, const pl_state *state, pl_id calibration,
                                const pl_site *site, size_t at, const pl_spec *spec,
                                pl_transform **out, pl_task *task, pl_error *err)
{
    enum { MOST = sizeof site->layers / sizeof site->layers[0] };
    pl_mat w[MOST] = {0};
    pl_view views[MOST];
    bool whole_range[MOST];
    pl_site_stats stats = {0};
    const pl_spec *round = pl_state_spec(state, site->layers[0], PL_SLOT_ROUND);
    pl_grid grid = {0};
    if (round->method != NULL) {
        grid = pl_spec_grid(round);
    }
    pl_status status = pl_lab_load_site(lab, state, calibration, at, true, true, &stats, task, err);
    if (status == PL_OK) {
        status = read_weights(state, site, w, views, whole_range, err);
    }
    if (status == PL_OK) {
        const pl_site_input in = {
            .site = site->name,
            .n = site->cols,
            .weights = views,
            .n_weights = site->n_layers,
            .whole_range = whole_range,
            .gram = stats.gram,
            .max_abs = stats.max,
            .mean_abs = stats.mean_abs,
            .sample = {stats.sample, stats.sample_rows, site->cols, site->cols},
            .grid = round->method != NULL ? &grid : NULL,
            .activations = state->activations,
        };
        status = spec->method->transform(spec, &in, out, task, err);
    }
    for (size_t i = 0; i < MOST; i++) {
        pl_mat_deinit(&w[i]);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

pl_status pl_site_transform(pl_lab *lab, const pl_state *state, pl_id calibration, size_t layer,
                            const pl_spec *spec, pl_transform **out, pl_id *key, pl_task *task,
                            pl_error *err)
{
    *out = NULL;
    *key = (pl_id){0};
    if (spec->method == NULL) {
        return PL_OK;
    }
    const size_t at = pl_model_layer(state->source->model, layer)->site;
    const pl_site *site = pl_model_site(state->source->model, at);
    pl_status status = check_site(state, site, spec, err);
    if (status == PL_OK) {
        status = transform_key(state, site, calibration, spec, key, task, err);
    }
    if (status == PL_OK && pl_transform_read(lab, *key, out) == PL_OK) {
        if (pl_transform_n(*out) == site->cols) {
            return pl_store_pin(pl_lab_store(lab), kind_transform, *key, err);
        }
        pl_transform_destroy(*out);
        *out = NULL;
    }
    if (status == PL_OK) {
        status = make_transform(lab, state, calibration, site, at, spec, out, task, err);
    }
    if (status == PL_OK) {
        status = write_transform(lab, *key, *out, err);
    }
    if (status != PL_OK) {
        pl_transform_destroy(*out);
        *out = NULL;
    }
    return status;
}

size_t pl_site_first_row(const pl_state *state, size_t layer)
{
    pl_model *model = state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    size_t first = 0;
    for (size_t i = 0; i < site->n_layers && site->layers[i] != layer; i++) {
        first += pl_model_layer(model, site->layers[i])->rows;
    }
    return first;
}
