#include "core/lab/transformed_parts.h"

#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/lab/learned.h"
#include "core/lab/rotations.h"
#include "core/lab/stream_site.h"
#include "core/lab/transform_entry.h"
#include "core/method/rotations.h"
#include "core/tensor/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char kind_transform[] = "transform";

/* --- in the store ----------------------------------------------------------------------------- */

static pl_status write_transform(pl_lab *lab, pl_id key, const pl_transform *t, pl_error *err)
{
    pl_section sections[PL_TRANSFORM_ARRAYS];
    const unsigned before = pl_memory_failures();
    json_t *about = json_object();
    const size_t count = pl_transform_sections(t, about, sections);
    pl_status status =
        about != NULL ? pl_memory_check(before, err) : pl_error_memory(err, "a transform");
    PL_THEN(pl_store_replace(pl_lab_store(lab), kind_transform, key, about, sections, count, err));
    json_decref(about);
    return status == PL_OK ? pl_store_pin(pl_lab_store(lab), kind_transform, key, err) : status;
}

/* Rows of the site's layers, up to that one where it is given. */
static size_t site_rows(pl_model *model, const pl_site *site, size_t before)
{
    size_t rows = 0;
    for (size_t i = 0; i < site->n_layers && site->layers[i] != before; i++) {
        rows += pl_model_layer(model, site->layers[i])->rows;
    }
    return rows;
}

/* One that follows from rotations of the whole model says which, and has no numbers of its own. */
static const char of_rotations[] = "rotations";

static pl_status write_reference(pl_lab *lab, pl_id key, const pl_spec *spec, pl_id rotations,
                                 pl_error *err)
{
    char hex[PL_ID_TEXT];
    pl_id_format(rotations, hex);
    json_t *about =
        json_pack("{s:s, s:s, s:s, s:I, s:b}", "kind", of_rotations, of_rotations, hex, "method",
                  spec->method->name, "seed", (json_int_t)spec->values[PL_ROTATIONS_SEED], "online",
                  spec->values[PL_ROTATIONS_ONLINE] > 0.0);
    pl_store *store = pl_lab_store(lab);
    pl_status status = about != NULL ? PL_OK : pl_error_memory(err, "a transform");
    PL_THEN(pl_store_replace(store, kind_transform, key, about, NULL, 0, err));
    json_decref(about);
    return status == PL_OK ? pl_store_pin(store, kind_transform, key, err) : status;
}

/* Whether the entry says so, and which. */
static bool is_reference(const json_t *about, pl_id *rotations)
{
    const char *kind = json_string_value(json_object_get(about, "kind"));
    return kind != NULL && strcmp(kind, of_rotations) == 0 &&
           pl_id_of_json(about, of_rotations, rotations);
}

static bool find_reference(pl_lab *lab, pl_id key, bool *found, pl_id *rotations)
{
    pl_entry *entry = NULL;
    *found = pl_store_get(pl_lab_store(lab), kind_transform, key, &entry, NULL) == PL_OK;
    const bool is = *found && is_reference(pl_entry_about(entry), rotations);
    pl_entry_close(entry);
    return is;
}

bool pl_transform_is_kept(pl_lab *lab, pl_id key)
{
    pl_id rotations = {0};
    bool found = false;
    return find_reference(lab, key, &found, &rotations) ? pl_rotations_are_kept(lab, rotations)
                                                        : found;
}

pl_status pl_transform_pin(pl_lab *lab, pl_id key, pl_error *err)
{
    pl_id rotations = {0};
    bool found = false;
    pl_status status = find_reference(lab, key, &found, &rotations)
                           ? pl_rotations_pin(lab, rotations, err)
                           : PL_OK;
    return status == PL_OK ? pl_store_pin(pl_lab_store(lab), kind_transform, key, err) : status;
}

/* PL_ERR_NOT_FOUND where they have gone, or are being learned anew. */
static pl_status read_reference(pl_lab *lab, pl_model *model, const pl_site *site,
                                const json_t *about, pl_transform **out)
{
    const char *name = json_string_value(json_object_get(about, "method"));
    const json_int_t seed = json_integer_value(json_object_get(about, "seed"));
    const bool online = json_is_true(json_object_get(about, "online"));
    const pl_method *method = name != NULL ? pl_method_find(name) : NULL;
    pl_learned_rotations rotations = {0};
    pl_learning steps = {0};
    pl_stream_site stream = {0};
    pl_id key = {0};
    if (!is_reference(about, &key) || method == NULL) {
        return PL_ERR_FORMAT;
    }
    pl_status status = pl_rotations_read(lab, model, key, &steps, &rotations);
    if (status == PL_OK && !pl_learning_done(&steps)) {
        status = PL_ERR_NOT_FOUND;
    }
    PL_THEN(pl_stream_site_init(model, pl_model_layer(model, site->layers[0])->site, method,
                                &stream, NULL));
    if (status == PL_OK) {
        const pl_site_input in = {.site = site->name, .n = site->cols, .stream = stream.is};
        status = pl_rotations_transform(&rotations, &in, (uint64_t)seed, online, out, NULL);
    }
    pl_stream_site_free(&stream);
    pl_learning_deinit(&steps);
    pl_learned_rotations_deinit(&rotations);
    return status;
}

static pl_status read_transform(pl_lab *lab, pl_model *model, const pl_site *site, pl_id key,
                                pl_transform **out)
{
    *out = NULL;
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(lab), kind_transform, key, &entry, NULL);
    if (status == PL_OK) {
        const json_t *about = pl_entry_about(entry);
        pl_id rotations = {0};
        status =
            is_reference(about, &rotations)
                ? read_reference(lab, model, site, about, out)
                : pl_transform_from_entry(entry, site->cols, site_rows(model, site, SIZE_MAX), out);
    }
    pl_entry_close(entry);
    return status;
}

pl_status pl_transform_read(pl_lab *lab, const pl_state *state, size_t layer, pl_id key,
                            pl_transform **out)
{
    pl_model *model = state->source->model;
    return read_transform(lab, model, pl_model_site(model, pl_model_layer(model, layer)->site), key,
                          out);
}

/* --- what it comes from ----------------------------------------------------------------------- */

static pl_status check_one_transform(const pl_state *state, const pl_site *site,
                                     const pl_spec *spec, pl_error *err)
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
    pl_stream_site stream = {0};
    pl_id rotations = {0};
    const size_t at = pl_model_layer(model, site->layers[0])->site;
    pl_spec_format(spec, &text);
    if (spec->method->suits_rounder) {
        pl_rounder_format(state, site->layers[0], " > ", &text);
    }
    if (spec->method->suits_activations) {
        pl_buf_puts(&text, " ");
        pl_act_format(&state->activations, &text);
    }
    pl_status status = pl_buf_check(&text, err);
    PL_THEN(pl_stream_site_init(model, at, spec->method, &stream, err));
    if (status == PL_OK && pl_spec_learns_rotations(spec)) {
        status = pl_rotations_key(state, calibration, spec, &rotations, task, err);
    }
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish transform 3");
        pl_hasher_text(hasher, text.data);
        pl_hasher_id(hasher, pl_calib_site_key(calibration, at));
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
    }
    if (status == PL_OK && stream.gain != NULL) {
        pl_hasher_bytes(hasher, stream.gain, site->cols * sizeof *stream.gain);
    }
    if (status == PL_OK && pl_spec_learns_rotations(spec)) {
        pl_hasher_id(hasher, rotations);
    }
    pl_stream_site_free(&stream);
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
        PL_THEN(pl_model_read_weight(model, site->layers[i], w[i].data, err));
        if (status != PL_OK) {
            return status;
        }
        views[i] = pl_mat_view(&w[i]);
        whole_range[i] = info->role == PL_ROLE_Q || info->role == PL_ROLE_K;
    }
    return PL_OK;
}

/* What is to be made, and for which site. */
typedef struct order {
    pl_context cx;
    pl_id calibration, key;
    pl_id learning; /* the key of its learning: its own, or its block's */
    size_t at;      /* the site's index */
    const pl_site *site;
    const pl_spec *spec;
} order;

static pl_status make_of_rotations(const order *o, const pl_site_input *in, uint64_t until,
                                   pl_learning *reached, pl_transform **out, pl_error *err)
{
    pl_learned_rotations rotations = {0};
    pl_id key = {0};
    pl_status status =
        pl_rotations_key(o->cx.state, o->calibration, o->spec, &key, o->cx.task, err);
    PL_THEN(
        pl_rotations_learn(o->cx, o->calibration, o->spec, key, until, reached, &rotations, err));
    PL_THEN(pl_rotations_transform(&rotations, in, (uint64_t)o->spec->values[PL_ROTATIONS_SEED],
                                   o->spec->values[PL_ROTATIONS_ONLINE] > 0.0, out, err));
    pl_learned_rotations_deinit(&rotations);
    return status;
}

static pl_block_order block_of(const order *o)
{
    return (pl_block_order){o->cx, o->calibration, o->site->block, o->spec};
}

static size_t number_in_block(const order *o)
{
    size_t first = 0;
    (void)pl_model_block_sites(o->cx.state->source->model, o->site->block, &first);
    return o->at - first;
}

/* Learns the site's whole block, and keeps all of its transforms where they are whole. */
static pl_status make_block(const order *o, uint64_t until, pl_learning *reached,
                            pl_transform **out, pl_error *err)
{
    const pl_block_order block = block_of(o);
    const size_t mine = number_in_block(o);
    pl_status status = pl_block_learn(&block, o->learning, mine, until, reached, err);
    for (size_t site = 0; status == PL_OK && site < pl_block_site_count(&block); site++) {
        const bool own = site == mine;
        pl_transform *t = NULL;
        pl_id key = {0};
        if (own || pl_learning_done(reached)) {
            status = pl_block_site_key(o->learning, site, &key, err);
            PL_THEN(pl_block_reached(&block, site, reached, &t, err));
            if (status == PL_OK && pl_learning_done(reached)) {
                status = write_transform(o->cx.lab, key, t, err);
            }
        }
        *out = own && status == PL_OK ? t : *out;
        if (t != *out) {
            pl_transform_destroy(t);
        }
    }
    return status;
}

/* reached: NULL where the spec's method learns nothing. */
static pl_status make_ordered_transform(const order *o, uint64_t until, pl_learning *reached,
                                        pl_transform **out, pl_error *err)
{
    const pl_state *state = o->cx.state;
    const pl_site *site = o->site;
    const pl_spec *spec = o->spec;
    if (pl_spec_is_of_block(spec)) {
        return make_block(o, until, reached, out, err);
    }
    enum { MOST = sizeof site->layers / sizeof site->layers[0] };
    pl_mat w[MOST] = {0};
    pl_view views[MOST];
    bool whole_range[MOST];
    pl_site_stats stats = {0};
    pl_stream_site stream = {0};
    const pl_spec *round = pl_state_spec(state, site->layers[0], PL_SLOT_ROUND);
    pl_grid grid = {0};
    if (round->method != NULL) {
        grid = pl_spec_grid(round);
    }
    pl_status status = PL_OK;
    if (!spec->method->blind) {
        status = pl_lab_load_site(o->cx, o->calibration, o->at, PL_GRAM_SQUARE, true, &stats, err);
    }
    PL_THEN(read_weights(state, site, w, views, whole_range, err));
    PL_THEN(pl_stream_site_init(state->source->model, o->at, spec->method, &stream, err));
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
            .stream = stream.is,
        };
        status =
            pl_spec_learns_rotations(spec) ? make_of_rotations(o, &in, until, reached, out, err)
            : spec->method->learned
                ? pl_learned_run(o->cx.lab, o->key, spec, &in, until, reached, out, o->cx.task, err)
                : spec->method->transform(spec, &in, out, o->cx.task, err);
    }
    for (size_t i = 0; i < MOST; i++) {
        pl_mat_deinit(&w[i]);
    }
    pl_site_stats_deinit(&stats);
    pl_stream_site_free(&stream);
    return status;
}

static pl_status begin_order(pl_context cx, pl_id calibration, size_t layer, const pl_spec *spec,
                             order *out, pl_error *err)
{
    const size_t at = pl_model_layer(cx.state->source->model, layer)->site;
    const pl_site *site = pl_model_site(cx.state->source->model, at);
    *out = (order){cx, calibration, {0}, {0}, at, site, spec};
    if (pl_spec_is_of_block(spec)) {
        const pl_block_order block = block_of(out);
        pl_status status = pl_block_key(&block, &out->learning, err);
        return status == PL_OK
                   ? pl_block_site_key(out->learning, number_in_block(out), &out->key, err)
                   : status;
    }
    pl_status status = check_one_transform(cx.state, site, spec, err);
    PL_THEN(transform_key(cx.state, site, calibration, spec, &out->key, cx.task, err));
    out->learning = out->key;
    return status;
}

/* *out stays NULL where the store has no such transform of the site's shape. */
static pl_status find_whole(const order *o, pl_transform **out, pl_error *err)
{
    return read_transform(o->cx.lab, o->cx.state->source->model, o->site, o->key, out) == PL_OK
               ? pl_transform_pin(o->cx.lab, o->key, err)
               : PL_OK;
}

static pl_status read_learned_rotations(const order *o, pl_learning *learning, pl_transform **out)
{
    pl_learned_rotations rotations = {0};
    pl_stream_site stream = {0};
    pl_model *model = o->cx.state->source->model;
    pl_id key = {0};
    pl_status status = pl_rotations_key(o->cx.state, o->calibration, o->spec, &key, NULL, NULL);
    PL_THEN(pl_rotations_read(o->cx.lab, model, key, learning, out != NULL ? &rotations : NULL));
    if (status == PL_OK && out != NULL) {
        status = pl_stream_site_init(model, o->at, o->spec->method, &stream, NULL);
        const pl_site_input in = {.site = o->site->name, .n = o->site->cols, .stream = stream.is};
        PL_THEN(pl_rotations_transform(&rotations, &in,
                                       (uint64_t)o->spec->values[PL_ROTATIONS_SEED],
                                       o->spec->values[PL_ROTATIONS_ONLINE] > 0.0, out, NULL));
    }
    pl_stream_site_free(&stream);
    pl_learned_rotations_deinit(&rotations);
    return status;
}

static pl_status read_block(const order *o, pl_learning *learning, pl_transform **out)
{
    const pl_block_order block = block_of(o);
    pl_learning own = {0}, *found = learning != NULL ? learning : &own;
    pl_status status = pl_block_read(&block, o->learning, number_in_block(o), found);
    if (status == PL_OK && out != NULL) {
        /* The last step may have led nowhere, which the next one finds out. */
        status = pl_block_reached(&block, number_in_block(o), found, out, NULL);
        status = status == PL_ERR_NUMERIC ? PL_ERR_NOT_FOUND : status;
    }
    pl_learning_deinit(&own);
    return status;
}

static pl_status read_learned(const order *o, pl_learning *learning, pl_transform **out)
{
    if (pl_spec_is_of_block(o->spec)) {
        return read_block(o, learning, out);
    }
    return pl_spec_learns_rotations(o->spec)
               ? read_learned_rotations(o, learning, out)
               : pl_learned_read(o->cx.lab, o->key, o->site->cols,
                                 site_rows(o->cx.state->source->model, o->site, SIZE_MAX), learning,
                                 out);
}

/* Into the store, where it is whole. */
static pl_status keep_whole(const order *o, const pl_transform *t, pl_error *err)
{
    pl_id rotations = {0};
    if (!pl_spec_learns_rotations(o->spec)) {
        return write_transform(o->cx.lab, o->key, t, err);
    }
    pl_status status =
        pl_rotations_key(o->cx.state, o->calibration, o->spec, &rotations, NULL, err);
    return status == PL_OK ? write_reference(o->cx.lab, o->key, o->spec, rotations, err) : status;
}

/* Makes it, to step `until` where it is learned, and stores one that is whole. */
static pl_status make_and_keep(const order *o, uint64_t until, pl_learning *reached,
                               pl_transform **out, pl_error *err)
{
    pl_learning own = {0};
    pl_learning *learning = reached != NULL ? reached : &own;
    pl_status status = make_ordered_transform(o, until, learning, out, err);
    if (status == PL_OK && (!o->spec->method->learned || pl_learning_done(learning))) {
        status = keep_whole(o, *out, err);
    }
    pl_learning_deinit(&own);
    return status;
}

static pl_status handed(pl_status status, pl_transform **out)
{
    if (status != PL_OK) {
        pl_transform_destroy(*out);
        *out = NULL;
    }
    return status;
}

pl_status pl_site_transform(pl_context cx, pl_id calibration, size_t layer, const pl_spec *spec,
                            pl_transform **out, pl_id *key, pl_error *err)
{
    *out = NULL;
    *key = (pl_id){0};
    if (spec->method == NULL) {
        return PL_OK;
    }
    order o;
    pl_status status = begin_order(cx, calibration, layer, spec, &o, err);
    if (status == PL_OK) {
        *key = o.key;
        status = find_whole(&o, out, err);
    }
    if (status == PL_OK && *out == NULL) {
        status = make_and_keep(&o, PL_LEARN_ALL, NULL, out, err);
    }
    return handed(status, out);
}

pl_status pl_site_transform_key(pl_context cx, pl_id calibration, size_t layer, const pl_spec *spec,
                                pl_id *out, pl_error *err)
{
    order o = {0};
    pl_status status =
        spec->method != NULL ? begin_order(cx, calibration, layer, spec, &o, err) : PL_OK;
    *out = o.key;
    return status;
}

pl_status pl_site_transform_now(pl_context cx, pl_id calibration, size_t layer, const pl_spec *spec,
                                pl_transform **out, pl_id *key, pl_error *err)
{
    if (!pl_spec_is_learned(spec)) {
        return pl_site_transform(cx, calibration, layer, spec, out, key, err);
    }
    *out = NULL;
    order o;
    pl_status status = begin_order(cx, calibration, layer, spec, &o, err);
    if (status == PL_OK) {
        *key = o.key;
        status = find_whole(&o, out, err);
    }
    if (status == PL_OK && *out == NULL) {
        status = read_learned(&o, NULL, out);
        status = status == PL_ERR_NOT_FOUND ? PL_OK : status;
    }
    return handed(status, out);
}

/* The layer's own spec, which must be one that is learned. */
static pl_status begin_learning(pl_context cx, pl_id calibration, size_t layer, order *out,
                                pl_error *err)
{
    const pl_spec *spec = pl_state_spec(cx.state, layer, PL_SLOT_TRANSFORM);
    if (!pl_spec_is_learned(spec)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "%s: its transform is %s, which is not learned: set method flatquant, "
                            "kurtail or spinquant",
                            pl_model_layer(cx.state->source->model, layer)->name,
                            spec->method != NULL ? spec->method->name : "none");
    }
    return begin_order(cx, calibration, layer, spec, out, err);
}

pl_status pl_site_learn(pl_context cx, pl_id calibration, size_t layer, uint64_t until,
                        pl_learning *reached, pl_error *err)
{
    *reached = (pl_learning){0};
    order o;
    pl_transform *t = NULL;
    pl_status status = begin_learning(cx, calibration, layer, &o, err);
    if (status == PL_OK && read_learned(&o, reached, NULL) == PL_OK &&
        (pl_learning_done(reached) ? pl_store_has(pl_lab_store(cx.lab), kind_transform, o.key)
                                   : reached->step >= until)) {
        return PL_OK;
    }
    pl_learning_deinit(reached);
    PL_THEN(make_and_keep(&o, until, reached, &t, err));
    pl_transform_destroy(t);
    return status;
}

pl_status pl_site_learning(pl_context cx, pl_id calibration, size_t layer, pl_learning *reached,
                           pl_error *err)
{
    *reached = (pl_learning){0};
    order o;
    pl_status status = begin_learning(cx, calibration, layer, &o, err);
    /* Of a mere start, which `cost` makes, no step is known. */
    if (status == PL_OK &&
        (read_learned(&o, reached, NULL) != PL_OK || !isfinite(reached->losses[0]))) {
        pl_learning_deinit(reached);
        status = pl_error_set(err, PL_ERR_STATE,
                              "%s: its transform has not been learned yet: `learn` does it",
                              pl_model_layer(cx.state->source->model, layer)->name);
    }
    return status;
}

pl_status pl_site_learning_due(pl_context cx, size_t layer, bool *due, pl_error *err)
{
    const pl_spec *spec = pl_state_spec(cx.state, layer, PL_SLOT_TRANSFORM);
    pl_id calibration = {0};
    order o;
    *due = pl_spec_is_learned(spec);
    if (!*due || !pl_lab_is_calibrated(cx.lab, cx.state, &calibration)) {
        return PL_OK;
    }
    pl_status status = begin_order(cx, calibration, layer, spec, &o, err);
    *due = status == PL_OK && !pl_store_has(pl_lab_store(cx.lab), kind_transform, o.key);
    return status;
}

pl_status pl_site_forget(pl_context cx, pl_id calibration, size_t layer, pl_error *err)
{
    order o;
    pl_status status = begin_learning(cx, calibration, layer, &o, err);
    if (status == PL_OK && pl_spec_learns_rotations(o.spec)) {
        pl_id rotations = {0};
        status = pl_rotations_key(cx.state, calibration, o.spec, &rotations, cx.task, err);
        PL_THEN(pl_rotations_forget(cx.lab, rotations, err));
    } else if (status == PL_OK) {
        status = pl_learned_forget(cx.lab, o.learning, err);
    }
    const bool whole = status == PL_OK && pl_spec_is_of_block(o.spec);
    size_t sites = 1;
    if (whole) {
        const pl_block_order block = block_of(&o);
        sites = pl_block_site_count(&block);
    }
    for (size_t site = 0; status == PL_OK && site < sites; site++) {
        pl_id key = o.key;
        if (whole) {
            status = pl_block_site_key(o.learning, site, &key, err);
        }
        if (status == PL_OK && pl_store_has(pl_lab_store(cx.lab), kind_transform, key)) {
            status = pl_store_remove(pl_lab_store(cx.lab), kind_transform, key, err);
        }
    }
    return status;
}

pl_status pl_layer_clip(const pl_state *state, size_t layer, const pl_transform *t, float *w,
                        pl_task *task, pl_error *err)
{
    const size_t rows = pl_model_layer(state->source->model, layer)->rows;
    if (!pl_transform_clips(t)) {
        return PL_OK;
    }
    pl_status status = pl_layer_turn_outputs_back(state, layer, t, w, task, err);
    if (status == PL_OK) {
        pl_transform_clip_weights(t, pl_site_first_row(state, layer), w, rows);
        status = pl_layer_turn_outputs(state, layer, t, w, task, err);
    }
    return status;
}

size_t pl_site_first_row(const pl_state *state, size_t layer)
{
    pl_model *model = state->source->model;
    return site_rows(model, pl_model_site(model, pl_model_layer(model, layer)->site), layer);
}

/* The layer's place among those of its site. */
static size_t member_of(const pl_state *state, size_t layer)
{
    const pl_model *model = state->source->model;
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    size_t member = 0;
    while (member < site->n_layers && site->layers[member] != layer) {
        member++;
    }
    return member;
}

const pl_transform *pl_layer_outputs(const pl_state *state, size_t layer, const pl_transform *t)
{
    return t != NULL ? pl_transform_outputs(t, member_of(state, layer)) : NULL;
}

pl_status pl_layer_turn_outputs(const pl_state *state, size_t layer, const pl_transform *t,
                                float *w, pl_task *task, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    return pl_transform_outputs_weights(t, member_of(state, layer), w, info->rows, info->cols, task,
                                        err);
}

pl_status pl_layer_turn_outputs_back(const pl_state *state, size_t layer, const pl_transform *t,
                                     float *w, pl_task *task, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    return pl_transform_outputs_weights_back(t, member_of(state, layer), w, info->rows, info->cols,
                                             task, err);
}

pl_status pl_layer_turn(const pl_state *state, size_t layer, const pl_transform *t, float *w,
                        pl_task *task, pl_error *err)
{
    const size_t rows = pl_model_layer(state->source->model, layer)->rows;
    pl_status status = pl_transform_weights(t, w, rows, task, err);
    return status == PL_OK ? pl_layer_turn_outputs(state, layer, t, w, task, err) : status;
}

pl_status pl_layer_turn_back(const pl_state *state, size_t layer, const pl_transform *t, float *w,
                             pl_task *task, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_status status = pl_layer_turn_outputs_back(state, layer, t, w, task, err);
    return status == PL_OK ? pl_transform_weights_back(t, w, info->rows, task, err) : status;
}
