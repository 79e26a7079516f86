#include "core/lab/results.h"

#include "core/base/json.h"
#include "core/lab/transformed.h"
#include "core/tensor/linalg.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char kind_result[] = "result";
static const char kind_precondition[] = "precondition";
static const char kind_round[] = "round";

/* The numbers of a report, by name: one list for reading and writing.  In the row without a name
 * stand those that methods tell. */
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(pl_solve_report, name)                                                     \
    }
    FIELD(objective),
    FIELD(gap),
    FIELD(iterations),
    FIELD(dual),
    FIELD(relative_error),
    FIELD(rounded_relative_error),
    FIELD(bound),
    FIELD(group_max_before),
    FIELD(group_max_after),
    {NULL, offsetof(pl_solve_report, told)},
    FIELD(seconds),
    FIELD(function_error),
    FIELD(condition),
    FIELD(output_error),
    FIELD(flatness_weight_before),
    FIELD(flatness_weight_after),
    FIELD(flatness_input_before),
    FIELD(flatness_input_after),
    FIELD(kurtosis_weight_before),
    FIELD(kurtosis_weight_after),
    FIELD(kurtosis_input_before),
    FIELD(kurtosis_input_after),
    FIELD(original_output_error),
    FIELD(least_rounded_error),
    FIELD(bits_per_weight),
#undef FIELD
};
enum { N_FIELDS = sizeof fields / sizeof fields[0], MOST_COLS = 1 << 24 };

/* A report's numbers from or into an entry. */
static void read_report(const json_t *about, pl_solve_report *report)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        double *values = (double *)((char *)report + fields[i].offset);
        if (fields[i].name != NULL) {
            *values = pl_json_number_of(about, fields[i].name);
        }
        for (size_t t = 0; fields[i].name == NULL && pl_told(t) != NULL; t++) {
            values[t] = pl_json_number_of(about, pl_told(t)->name);
        }
    }
}

static void write_report(json_t *about, const pl_solve_report *report)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const double *values = (const double *)((const char *)report + fields[i].offset);
        if (fields[i].name != NULL) {
            pl_json_set(about, fields[i].name, pl_json_number(*values));
        }
        for (size_t t = 0; fields[i].name == NULL && pl_told(t) != NULL; t++) {
            pl_json_set(about, pl_told(t)->name, pl_json_number(values[t]));
        }
    }
}

/* The same for what a method reports of its own; method NULL: nothing. */
static void read_own(const json_t *about, const pl_method *method, pl_method_report *report)
{
    for (size_t i = 0; method != NULL && i < method->n_reported; i++) {
        report->own[i] = pl_json_number_of(about, method->reported[i].name);
    }
}

static void write_own(json_t *about, const pl_method *method, const pl_method_report *report)
{
    for (size_t i = 0; method != NULL && i < method->n_reported; i++) {
        const bool whole = method->reported[i].whole && isfinite(report->own[i]);
        pl_json_set(about, method->reported[i].name,
                    whole ? json_integer((json_int_t)report->own[i])
                          : pl_json_number(report->own[i]));
    }
}

/* Whether nothing of an entry's object was lost for lack of memory since `before`. */
static pl_status whole_entry(const json_t *about, unsigned before, pl_error *err)
{
    return about != NULL ? pl_memory_check(before, err) : pl_error_memory(err, "a result");
}

static void set_id(json_t *object, const char *name, bool has, pl_id id)
{
    char text[PL_ID_TEXT];
    pl_id_format(id, text);
    pl_json_set(object, name, has ? json_string(text) : json_null());
}

static void hash_spec(pl_hasher *hasher, const pl_spec *spec, bool *failed)
{
    pl_buf text = {0};
    if (spec->method != NULL) {
        pl_spec_format(spec, &text);
    }
    *failed = *failed || text.failed;
    pl_hasher_text(hasher, text.data != NULL ? text.data : "");
    pl_buf_deinit(&text);
}

pl_status pl_result_key(pl_id problem, const pl_spec *precondition, const pl_spec *round,
                        const pl_act_grid *activations, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status != PL_OK) {
        return status;
    }
    bool failed = false;
    pl_hasher_text(hasher, "planish result 8");
    pl_hasher_id(hasher, problem);
    pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
    hash_spec(hasher, precondition, &failed);
    hash_spec(hasher, round, &failed);
    if (activations->bits > 0) {
        pl_buf text = {0};
        pl_act_format(activations, &text);
        failed = failed || text.failed;
        pl_hasher_text(hasher, text.data != NULL ? text.data : "");
        pl_buf_deinit(&text);
    }
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return failed ? pl_error_memory(err, "a result") : PL_OK;
}

/* A size that an entry states, SIZE_MAX where it states none. */
static size_t stated(const json_t *about, const char *name)
{
    const json_t *value = json_object_get(about, name);
    const json_int_t size = json_is_integer(value) ? json_integer_value(value) : -1;
    return size >= 0 ? (size_t)size : SIZE_MAX;
}

/* Is the result of that key the layer's?  A session is a file, and so is an entry: what they name
 * may be another layer's, or that of a model since replaced.  PL_ERR_CHANGED with a sentence, or
 * PL_ERR_FORMAT without one where the entry does not say whose it is. */
static pl_status check_owner(const json_t *about, const pl_state *state, size_t layer, pl_id key,
                             pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    const char *name = json_string_value(json_object_get(about, "layer"));
    const size_t rows = stated(about, "rows"), cols = stated(about, "cols");
    pl_id weight = {0}, own = {0};
    if (name == NULL || rows == SIZE_MAX || cols == SIZE_MAX ||
        !pl_id_of_json(about, "weight", &weight)) {
        return PL_ERR_FORMAT;
    }
    bool same = rows == info->rows && cols == info->cols;
    /* One tensor may be met under two names: as a model's layer and as a dump of a matrix. */
    if (same && strcmp(name, info->name) != 0) {
        same = pl_model_layer_identity(state->source->model, layer, &own, NULL, NULL) == PL_OK &&
               pl_id_equal(own, weight);
    }
    if (!same) {
        char hex[PL_ID_TEXT];
        pl_id_format(key, hex);
        return pl_error_set(err, PL_ERR_CHANGED,
                            "%s [%zu, %zu]: the result %s, which it is to have, is of %s [%zu, "
                            "%zu] and is not used: solve the layer again",
                            info->name, info->rows, info->cols, hex, name, rows, cols);
    }
    return PL_OK;
}

pl_status pl_result_read(pl_lab *lab, const pl_state *state, size_t layer, pl_id key,
                         pl_result *parts, pl_solve_report *report, pl_error *err)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(lab), kind_result, key, &entry, err);
    if (status != PL_OK) {
        return status;
    }
    const json_t *about = pl_entry_about(entry);
    pl_result found = {0};
    status = check_owner(about, state, layer, key, err);
    if (status != PL_OK) {
        goto done;
    }
    found.has_transform = pl_id_of_json(about, "transform", &found.transform);
    found.has_preconditioned = pl_id_of_json(about, "preconditioned", &found.preconditioned);
    found.has_rounded = pl_id_of_json(about, "rounded", &found.rounded);
    found.range.lo = (float)pl_json_number_of(about, "input_low");
    found.range.hi = (float)pl_json_number_of(about, "input_high");
    /* A report whose parts were trimmed away is no result. */
    pl_store *store = pl_lab_store(lab);
    if ((found.has_transform && !pl_transform_is_kept(lab, found.transform)) ||
        (found.has_preconditioned &&
         !pl_store_has(store, kind_precondition, found.preconditioned)) ||
        (found.has_rounded && !pl_store_has(store, kind_round, found.rounded))) {
        status = PL_ERR_NOT_FOUND;
    }
    if (status == PL_OK && report != NULL) {
        *report = pl_solve_report_empty();
        read_report(about, report);
    }
done:
    if (parts != NULL) {
        *parts = found;
    }
    pl_entry_close(entry);
    return status;
}

pl_status pl_result_write(pl_lab *lab, const pl_state *state, size_t layer, pl_id key,
                          const pl_result *parts, const pl_solve_report *report, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_id weight = {0};
    pl_status status = pl_model_layer_identity(state->source->model, layer, &weight, NULL, err);
    if (status != PL_OK) {
        return status;
    }
    const unsigned before = pl_memory_failures();
    json_t *about = json_pack("{s:s, s:I, s:I}", "layer", info->name, "rows",
                              (json_int_t)info->rows, "cols", (json_int_t)info->cols);
    set_id(about, "weight", true, weight);
    write_report(about, report);
    set_id(about, "transform", parts->has_transform, parts->transform);
    set_id(about, "preconditioned", parts->has_preconditioned, parts->preconditioned);
    set_id(about, "rounded", parts->has_rounded, parts->rounded);
    pl_json_set(about, "input_low", pl_json_number((double)parts->range.lo));
    pl_json_set(about, "input_high", pl_json_number((double)parts->range.hi));
    pl_json_set(about, "version", json_string(PL_VERSION));
    pl_json_set(about, "threads", json_integer(pl_linalg_threads()));
    pl_json_set(about, "blas", json_string(pl_linalg_config()));
    pl_store *store = pl_lab_store(lab);
    status = whole_entry(about, before, err);
    /* A stale report (its parts were trimmed) would be kept by put. */
    PL_THEN(pl_store_replace(store, kind_result, key, about, NULL, 0, err));
    json_decref(about);
    return status == PL_OK ? pl_result_pin(lab, key, parts, err) : status;
}

pl_status pl_result_pin(pl_lab *lab, pl_id key, const pl_result *parts, pl_error *err)
{
    pl_store *store = pl_lab_store(lab);
    pl_status status = pl_store_pin(store, kind_result, key, err);
    if (status == PL_OK && parts->has_transform) {
        status = pl_transform_pin(lab, parts->transform, err);
    }
    if (status == PL_OK && parts->has_preconditioned) {
        status = pl_store_pin(store, kind_precondition, parts->preconditioned, err);
    }
    if (status == PL_OK && parts->has_rounded) {
        status = pl_store_pin(store, kind_round, parts->rounded, err);
    }
    return status;
}

/* Does the entry hold a matrix of w's shape?  PL_ERR_CHANGED with a sentence where it holds
 * another, PL_ERR_FORMAT without one where it does not say. */
static pl_status check_shape(const pl_entry *entry, pl_id key, const pl_mat *w, pl_error *err)
{
    const size_t rows = stated(pl_entry_about(entry), "rows");
    const size_t cols = stated(pl_entry_about(entry), "cols");
    char hex[PL_ID_TEXT];
    if (rows == w->rows && cols == w->cols) {
        return PL_OK;
    }
    if (rows == SIZE_MAX || cols == SIZE_MAX) {
        return PL_ERR_FORMAT;
    }
    pl_id_format(key, hex);
    return pl_error_set(err, PL_ERR_CHANGED,
                        "the stored matrix %s is [%zu, %zu], expected [%zu, %zu]; it is not used: "
                        "solve the layer again",
                        hex, rows, cols, w->rows, w->cols);
}

static pl_status check_result_finite(const pl_mat *w)
{
    return pl_view_first_nonfinite(pl_mat_view(w)) == w->rows * w->cols ? PL_OK : PL_ERR_FORMAT;
}

pl_status pl_result_read_preconditioned(pl_lab *lab, pl_id key, const pl_method *method, pl_mat *w,
                                        pl_method_report *report, pl_error *err)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(lab), kind_precondition, key, &entry, err);
    PL_THEN(check_shape(entry, key, w, err));
    PL_THEN(pl_entry_read(entry, "w", w->data, w->rows * w->cols * sizeof(float), err));
    PL_THEN(check_result_finite(w));
    if (status == PL_OK && report != NULL) {
        const json_t *about = pl_entry_about(entry);
        *report = (pl_method_report){
            .objective = pl_json_number_of(about, "objective"),
            .dual = pl_json_number_of(about, "dual"),
            .gap = pl_json_number_of(about, "gap"),
            .worst_row_gap = pl_json_number_of(about, "worst_row_gap"),
            .worst_row = (size_t)json_integer_value(json_object_get(about, "worst_row")),
            .iterations = (int)json_integer_value(json_object_get(about, "iterations")),
        };
        read_own(about, method, report);
    }
    pl_entry_close(entry);
    return status;
}

pl_status pl_result_write_preconditioned(pl_lab *lab, pl_id key, const pl_method *method,
                                         const pl_mat *w, const pl_method_report *report,
                                         pl_error *err)
{
    const unsigned before = pl_memory_failures();
    json_t *about =
        json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:i}", "rows", (json_int_t)w->rows, "cols",
                  (json_int_t)w->cols, "objective", pl_json_number(report->objective), "dual",
                  pl_json_number(report->dual), "gap", pl_json_number(report->gap), "worst_row_gap",
                  pl_json_number(report->worst_row_gap), "worst_row", (json_int_t)report->worst_row,
                  "iterations", report->iterations);
    write_own(about, method, report);
    const pl_section section = {"w", w->data, w->rows * w->cols * sizeof(float)};
    pl_status status = whole_entry(about, before, err);
    PL_THEN(pl_store_replace(pl_lab_store(lab), kind_precondition, key, about, &section, 1, err));
    json_decref(about);
    return status;
}

static json_t *grid_json(const pl_grid *grid)
{
    return json_pack("{s:i, s:I, s:s, s:b, s:i, s:s, s:f}", "bits", grid->bits, "group_size",
                     (json_int_t)grid->group_size, "format", grid->format->key, "mse",
                     (int)grid->mse, "scale_dtype", (int)grid->scale_dtype, "scale_mode",
                     pl_scale_mode_names[grid->scale_mode], "most", (double)grid->most);
}

/* Any number may stand in a file: a grid that is none has bits 0.  What entries of before do not
 * state is 0. */
static pl_grid grid_of(const json_t *json)
{
    const size_t group_size = stated(json, "group_size");
    const json_int_t bits = json_integer_value(json_object_get(json, "bits"));
    const char *key = json_string_value(json_object_get(json, "format"));
    const pl_format *format = key != NULL ? pl_format_find(key) : NULL;
    const double most = json_number_value(json_object_get(json, "most"));
    if (bits < 2 || bits > 8 || group_size > MOST_COLS || format == NULL || !(most >= 0.0) ||
        most > (double)FLT_MAX) {
        return (pl_grid){0};
    }
    return (pl_grid){
        .most = (float)most,
        .scale_mode = pl_scale_mode_find(json_string_value(json_object_get(json, "scale_mode"))),
        .bits = (int)bits,
        .group_size = group_size,
        .format = format,
        .mse = json_is_true(json_object_get(json, "mse")),
        .scale_dtype = (pl_dtype)json_integer_value(json_object_get(json, "scale_dtype")),
    };
}

static pl_status read_codes(pl_entry *entry, pl_id key, const pl_mat *w, pl_qweights *q,
                            pl_error *err)
{
    const pl_grid grid = grid_of(json_object_get(pl_entry_about(entry), "grid"));
    pl_status status = check_shape(entry, key, w, err);
    if (status == PL_OK && grid.bits == 0) {
        status = PL_ERR_FORMAT;
    }
    PL_THEN(pl_qweights_init(q, &grid, w->rows, w->cols, err));
    const size_t codes = w->rows * w->cols;
    const size_t params = w->rows * q->groups;
    PL_THEN(pl_entry_read(entry, "codes", q->codes, codes * sizeof *q->codes, err));
    PL_THEN(pl_entry_read(entry, "scales", q->scales, params * sizeof *q->scales, err));
    PL_THEN(pl_entry_read(entry, "zeros", q->zeros, params * sizeof *q->zeros, err));
    PL_THEN(pl_entry_read(entry, "group_of", q->group_of, w->cols * sizeof *q->group_of, err));
    for (size_t c = 0; status == PL_OK && c < w->cols; c++) {
        status = q->group_of[c] < q->groups ? PL_OK : PL_ERR_FORMAT;
    }
    return status;
}

pl_status pl_result_read_rounded(pl_lab *lab, pl_id key, const pl_method *method, pl_mat *w,
                                 pl_method_report *report, pl_error *err)
{
    pl_entry *entry = NULL;
    pl_qweights q = {0};
    pl_status status = pl_store_get(pl_lab_store(lab), kind_round, key, &entry, err);
    PL_THEN(read_codes(entry, key, w, &q, err));
    if (status == PL_OK) {
        pl_qweights_decode(&q, w->data);
        status = check_result_finite(w);
    }
    if (status == PL_OK && report != NULL) {
        read_own(pl_entry_about(entry), method, report);
    }
    pl_qweights_deinit(&q);
    pl_entry_close(entry);
    return status;
}

pl_status pl_result_read_codes(pl_lab *lab, pl_id key, size_t rows, size_t cols, pl_qweights *out,
                               pl_error *err)
{
    const pl_mat shape = {.rows = rows, .cols = cols};
    pl_entry *entry = NULL;
    *out = (pl_qweights){0};
    pl_status status = pl_store_get(pl_lab_store(lab), kind_round, key, &entry, err);
    PL_THEN(read_codes(entry, key, &shape, out, err));
    if (status != PL_OK) {
        pl_qweights_deinit(out);
    }
    if (status == PL_ERR_FORMAT || status == PL_ERR_NOT_FOUND) { /* others have a sentence */
        status = pl_error_set(err, status, "a damaged or missing result in %s: solve again",
                              pl_store_folder(pl_lab_store(lab)));
    }
    pl_entry_close(entry);
    return status;
}

pl_status pl_result_read_grid(pl_lab *lab, pl_id key, pl_grid *out, pl_error *err)
{
    pl_entry *entry = NULL;
    pl_status status = pl_store_get(pl_lab_store(lab), kind_round, key, &entry, err);
    *out = (pl_grid){0};
    if (status == PL_OK) {
        *out = grid_of(json_object_get(pl_entry_about(entry), "grid"));
        status = out->bits == 0 ? PL_ERR_FORMAT : PL_OK;
    }
    pl_entry_close(entry);
    return status;
}

pl_status pl_result_write_rounded(pl_lab *lab, pl_id key, const pl_method *method,
                                  const pl_qweights *q, const pl_method_report *report,
                                  pl_error *err)
{
    const unsigned before = pl_memory_failures();
    json_t *about = json_pack("{s:I, s:I, s:o}", "rows", (json_int_t)q->rows, "cols",
                              (json_int_t)q->cols, "grid", grid_json(&q->grid));
    write_own(about, method, report);
    const size_t params = q->rows * q->groups;
    const pl_section sections[] = {
        {"codes", q->codes, q->rows * q->cols * sizeof *q->codes},
        {"scales", q->scales, params * sizeof *q->scales},
        {"zeros", q->zeros, params * sizeof *q->zeros},
        {"group_of", q->group_of, q->cols * sizeof *q->group_of},
    };
    pl_status status = whole_entry(about, before, err);
    PL_THEN(pl_store_replace(pl_lab_store(lab), kind_round, key, about, sections,
                             sizeof sections / sizeof sections[0], err));
    json_decref(about);
    return status;
}

/* From the coordinates of the result's transform to the original ones. */
static pl_status turn_back_result(pl_lab *lab, const pl_state *state, size_t layer,
                                  const pl_result *parts, pl_mat *w, pl_error *err)
{
    pl_transform *t = NULL;
    if (!parts->has_transform) {
        return PL_OK;
    }
    pl_status status = pl_transform_read(lab, state, layer, parts->transform, &t);
    PL_THEN(pl_layer_turn_back(state, layer, t, w->data, NULL, err));
    pl_transform_destroy(t);
    return status;
}

pl_status pl_result_weights(pl_lab *lab, const pl_state *state, size_t layer, pl_id key,
                            pl_which which, bool turned, float *out, int *provided, pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_mat w = {.data = out, .rows = info->rows, .cols = info->cols};
    pl_result parts = {0};
    pl_error why = {0};
    const unsigned before = pl_memory_failures();
    *provided = 0;
    pl_status status = pl_result_read(lab, state, layer, key, &parts, NULL, &why);
    const bool rounded = which != PL_WHICH_PRECONDITIONED && parts.has_rounded;
    if (status == PL_OK && !rounded && !parts.has_preconditioned) {
        return PL_OK;
    }
    PL_THEN(rounded
                ? pl_result_read_rounded(lab, parts.rounded, NULL, &w, NULL, &why)
                : pl_result_read_preconditioned(lab, parts.preconditioned, NULL, &w, NULL, &why));
    if (!turned) {
        PL_THEN(turn_back_result(lab, state, layer, &parts, &w, &why));
    }
    if (status == PL_OK) {
        *provided = 1;
        return PL_OK;
    }
    if (status == PL_ERR_MEMORY || pl_memory_failures() != before) {
        return pl_error_memory(err, "its solved weights of %s", info->name);
    }
    if (status == PL_ERR_FORMAT || status == PL_ERR_NOT_FOUND) {
        /* The report must not outlive its parts, or solving again would only find it again. */
        pl_status removed = pl_store_remove(pl_lab_store(lab), kind_result, key, NULL);
        (void)removed;
    }
    return pl_result_unreadable(lab, info->name, "its solved weights are", "solve", status, &why,
                                err);
}

pl_status pl_result_unreadable(pl_lab *lab, const char *layer, const char *what, const char *remedy,
                               pl_status status, const pl_error *why, pl_error *err)
{
    if (status == PL_ERR_FORMAT || status == PL_ERR_NOT_FOUND) {
        return pl_error_set(err, PL_ERR_NOT_FOUND,
                            "%s: %s no longer whole in the store %s: %s again", layer, what,
                            pl_store_folder(pl_lab_store(lab)), remedy);
    }
    if (why->code == PL_OK) {
        return status == PL_ERR_MEMORY
                   ? pl_error_memory(err, "what is read of %s", layer)
                   : pl_error_set(err, status, "%s: %s not to be read now", layer, what);
    }
    const bool named = strstr(why->message, layer) != NULL;
    return pl_error_set(err, status, "%s%s%s", named ? "" : layer, named ? "" : ": ", why->message);
}

pl_status pl_result_forget(pl_lab *lab, const pl_state *state, size_t layer, pl_id result,
                           unsigned made, pl_error *err)
{
    pl_store *store = pl_lab_store(lab);
    pl_entry *entry = NULL;
    pl_id part = {0};
    if ((made & PL_MADE_RESULT) == 0 ||
        pl_store_get(store, kind_result, result, &entry, NULL) != PL_OK) {
        return PL_OK; /* it is another's, or has gone */
    }
    const json_t *about = pl_entry_about(entry);
    pl_status status = check_owner(about, state, layer, result, err);
    if (status == PL_OK && (made & PL_MADE_PRECONDITIONED) != 0 &&
        pl_id_of_json(about, "preconditioned", &part)) {
        status = pl_store_remove(store, kind_precondition, part, err);
    }
    if (status == PL_OK && (made & PL_MADE_ROUNDED) != 0 &&
        pl_id_of_json(about, "rounded", &part)) {
        status = pl_store_remove(store, kind_round, part, err);
    }
    pl_entry_close(entry);
    return status == PL_OK ? pl_store_remove(store, kind_result, result, err) : status;
}
