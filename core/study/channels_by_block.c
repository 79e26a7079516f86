#include "core/study/channels_by_block.h"

#include "core/base/checked.h"
#include "core/metrics/outliers.h"
#include "core/model/bare.h"

#include <math.h>
#include <stdlib.h>

bool pl_reads_residual(const pl_model *model, size_t layer)
{
    const pl_site *site = pl_model_site(model, pl_model_layer(model, layer)->site);
    return (site->role == PL_SITE_QKV || site->role == PL_SITE_GATE_UP) &&
           site->cols == pl_model_config(model)->hidden_size;
}

void pl_channels_by_block_deinit(pl_channels_by_block *table)
{
    free(table->max);
    free(table->ratio);
    free(table->outlier_in);
    *table = (pl_channels_by_block){0};
}

static pl_status add_site(pl_context cx, pl_id calibration, const pl_layer *layer,
                          pl_channels_by_block *out, pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status =
        pl_lab_load_site(cx, calibration, layer->site, PL_GRAM_NONE, false, &stats, err);
    if (status == PL_OK) {
        const double median = pl_median(stats.max, stats.n);
        float *max = out->max + layer->block * out->n, *ratio = out->ratio + layer->block * out->n;
        for (size_t c = 0; c < out->n && median > 0.0; c++) {
            /* NaN loses: a block without such an input so far. */
            max[c] = fmaxf(max[c], stats.max[c]);
            ratio[c] = fmaxf(ratio[c], (float)((double)stats.max[c] / median));
        }
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status reserve_maxima(const pl_model *model, pl_channels_by_block *out, pl_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        const size_t block = pl_model_layer(model, i)->block;
        out->blocks = block + 1 > out->blocks ? block + 1 : out->blocks;
    }
    out->n = pl_model_config(model)->hidden_size;
    if (pl_mul(out->blocks, out->n, &count)) {
        out->max = pl_alloc(count, sizeof *out->max);
        out->ratio = pl_alloc(count, sizeof *out->ratio);
        out->outlier_in = calloc(out->n + 1, sizeof *out->outlier_in);
    }
    if (out->max == NULL || out->ratio == NULL || out->outlier_in == NULL) {
        return pl_error_memory(err, "%zu x %zu channels", out->blocks, out->n);
    }
    for (size_t i = 0; i < count; i++) {
        out->max[i] = out->ratio[i] = NAN;
    }
    return PL_OK;
}

static void count_outliers(pl_channels_by_block *out)
{
    for (size_t b = 0; b < out->blocks; b++) {
        const float *ratio = out->ratio + b * out->n;
        out->known += isnan(ratio[0]) ? 0 : 1;
        for (size_t c = 0; c < out->n; c++) {
            out->outlier_in[c] += (double)ratio[c] > PL_OUTLIER_FACTOR;
        }
    }
}

pl_status pl_channels_by_block_load(pl_context cx, pl_id calibration, pl_channels_by_block *out,
                                    pl_error *err)
{
    const pl_model *model = cx.state->source->model;
    size_t site = SIZE_MAX;
    *out = (pl_channels_by_block){0};
    pl_status status = pl_model_is_bare(model) ? PL_OK : reserve_maxima(model, out, err);
    for (size_t i = 0; status == PL_OK && out->n > 0 && i < pl_model_layer_count(model); i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        if (layer->site != site && pl_reads_residual(model, i)) {
            site = layer->site;
            status = add_site(cx, calibration, layer, out, err);
        }
        PL_THEN(pl_task_tick(cx.task, err));
    }
    if (status == PL_OK && out->n > 0) {
        count_outliers(out);
    }
    if (status == PL_OK && out->known == 0) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "channels_by_block: no layer of %s reads the residual stream",
                              pl_model_name(model));
    }
    if (status != PL_OK) {
        pl_channels_by_block_deinit(out);
    }
    return status;
}

size_t pl_channels_in_many(const pl_channels_by_block *table, size_t most, size_t *out)
{
    size_t found = 0;
    for (size_t c = 0; c < table->n; c++) {
        if (table->outlier_in[c] < 2 || 4 * table->outlier_in[c] < table->known) {
            continue;
        }
        size_t at = found < most ? found : most;
        for (; at > 0 && table->outlier_in[c] > table->outlier_in[out[at - 1]]; at--) {
            if (at < most) {
                out[at] = out[at - 1];
            }
        }
        if (at < most) {
            out[at] = c;
        }
        found++;
    }
    return found;
}
