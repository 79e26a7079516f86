#include "core/study/layer_summary.h"

#include "core/base/checked.h"
#include "core/lab/weights.h"
#include "core/metrics/outliers.h"
#include "core/model/bare.h"

#include <math.h>
#include <string.h>

static const char kind_summary[] = "summary";

/* As it lies in the store. */
typedef struct stored {
    double spread[PL_SPREAD_NUMBERS];
    double top[PL_SUMMARY_TOP];
    uint64_t channels[PL_SUMMARY_TOP];
} stored;

pl_status pl_summary_of(const float *max, size_t n, pl_layer_summary *out, pl_error *err)
{
    *out = (pl_layer_summary){0};
    float *copy = pl_alloc(n, sizeof *copy);
    if (copy == NULL) {
        return pl_error_memory(err, "the summary of a layer");
    }
    memcpy(copy, max, n * sizeof *copy);
    pl_spread(copy, n, out->spread);
    free(copy);
    size_t count = pl_top_channels(max, n, PL_SUMMARY_TOP, out->channels);
    for (size_t i = 0; count > 0 && i < PL_SUMMARY_TOP; i++) {
        out->channels[i] = out->channels[i < count ? i : count - 1];
        out->top[i] = (double)max[out->channels[i]];
    }
    out->known = count > 0;
    return PL_OK;
}

double pl_summary_ratio(const pl_layer_summary *summary)
{
    double median = summary->spread[PL_SPREAD_NUMBERS / 2];
    double max = summary->top[0];
    return median > 0 ? max / median : max > 0 ? (double)INFINITY : 1;
}

/* Key of a layer's summary: the version of its contents, and the tensor. */
static pl_status summary_key(const pl_state *state, size_t layer, pl_id *out, pl_task *task,
                             pl_error *err)
{
    pl_id weight = {0};
    pl_hasher *hasher = NULL;
    pl_status status = pl_model_layer_identity(state->source->model, layer, &weight, task, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish layer summary 1");
        pl_hasher_id(hasher, weight);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

/* False where it is absent, damaged or nonsense: then it is computed again. */
static bool read_summary(pl_lab *lab, pl_id key, size_t channels, pl_layer_summary *out)
{
    pl_entry *entry = NULL;
    stored s = {0};
    if (pl_store_get(pl_lab_store(lab), kind_summary, key, &entry, NULL) != PL_OK) {
        return false;
    }
    bool good = pl_entry_read(entry, "summary", &s, sizeof s, NULL) == PL_OK;
    pl_entry_close(entry);
    *out = (pl_layer_summary){.known = good};
    for (size_t i = 0; good && i < PL_SPREAD_NUMBERS; i++) {
        out->spread[i] = s.spread[i];
        good = isfinite(s.spread[i]) && (i == 0 || s.spread[i] >= s.spread[i - 1]);
    }
    for (size_t i = 0; good && i < PL_SUMMARY_TOP; i++) {
        out->top[i] = s.top[i];
        out->channels[i] = (size_t)s.channels[i];
        good = isfinite(s.top[i]) && s.channels[i] < channels;
    }
    return good;
}

static pl_status write_summary(pl_lab *lab, pl_id key, const char *name,
                               const pl_layer_summary *summary, pl_error *err)
{
    stored s = {0};
    memcpy(s.spread, summary->spread, sizeof s.spread);
    memcpy(s.top, summary->top, sizeof s.top);
    for (size_t i = 0; i < PL_SUMMARY_TOP; i++) {
        s.channels[i] = summary->channels[i];
    }
    json_t *about =
        json_pack("{s:s, s:s}", "holds", "channel maxima of a layer in ten numbers", "layer", name);
    if (about == NULL) {
        return pl_error_memory(err, "the summary of a layer");
    }
    pl_section section = {"summary", &s, sizeof s};
    pl_status status =
        pl_store_replace(pl_lab_store(lab), kind_summary, key, about, &section, 1, err);
    json_decref(about);
    return status;
}

static pl_status compute_summary(const pl_state *state, size_t layer, pl_layer_summary *out,
                                 pl_error *err)
{
    const pl_layer *info = pl_model_layer(state->source->model, layer);
    pl_mat w = {0};
    float *max = pl_alloc(info->cols, sizeof *max);
    const pl_weights_of before = {.which = PL_WHICH_BEFORE};
    pl_status status =
        max == NULL ? pl_error_memory(err, "the summary of a layer")
                    : pl_weights_make((pl_context){NULL, state, NULL}, layer, before, &w, err);
    if (status == PL_OK) {
        pl_column_stats(pl_mat_view(&w), max, NULL, NULL);
        status = pl_summary_of(max, info->cols, out, err);
    }
    free(max);
    pl_mat_deinit(&w);
    return status;
}

static pl_status summarize_weights(pl_context cx, size_t layer, pl_layer_summary *out,
                                   pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    pl_id key = {0};
    pl_status status = summary_key(cx.state, layer, &key, cx.task, err);
    if (status != PL_OK || read_summary(cx.lab, key, info->cols, out)) {
        return status;
    }
    *out = (pl_layer_summary){0};
    status = compute_summary(cx.state, layer, out, err);
    if (status == PL_ERR_UNSUPPORTED || status == PL_ERR_NUMERIC) {
        return PL_OK; /* stays unknown: one bad layer hides no other */
    }
    return status == PL_OK ? write_summary(cx.lab, key, info->name, out, err) : status;
}

static pl_status summarize_inputs(pl_context cx, size_t layer, pl_layer_summary *out, pl_error *err)
{
    const pl_layer *info = pl_model_layer(cx.state->source->model, layer);
    pl_site_stats stats = {0};
    pl_id calibration = {0};
    pl_status status = pl_lab_calibration(cx, &calibration, err);
    if (status == PL_OK && pl_model_is_blind(cx.state->source->model, layer)) {
        return PL_OK; /* stays unknown */
    }
    PL_THEN(pl_lab_load_site(cx, calibration, info->site, PL_GRAM_NONE, false, &stats, err));
    if (status == PL_OK && stats.n != info->cols) {
        status = pl_error_set(err, PL_ERR_FORMAT,
                              "%s: its stored input statistics are of %zu channels, expected %zu",
                              info->name, stats.n, info->cols);
    }
    PL_THEN(pl_summary_of(stats.max, stats.n, out, err));
    pl_site_stats_deinit(&stats);
    return status;
}

pl_status pl_layer_summarize(pl_context cx, size_t layer, pl_side side, pl_layer_summary *out,
                             pl_error *err)
{
    *out = (pl_layer_summary){0};
    return side == PL_SIDE_INPUT ? summarize_inputs(cx, layer, out, err)
                                 : summarize_weights(cx, layer, out, err);
}
