#include "core/run/quantized.h"

#include "core/run/outputs.h"

#include <string.h>

bool pl_state_quantizes(const pl_state *state)
{
    return state->activations.bits > 0 || state->kv.bits > 0;
}

size_t pl_quantized_layers(const pl_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        count += pl_state_result(state, i) != NULL &&
                 pl_state_spec(state, i, PL_SLOT_ROUND)->method != NULL;
    }
    return count;
}

void pl_quantized_commands(const pl_state *state, pl_buf *out)
{
    const pl_act_grid *a = &state->activations, *kv = &state->kv;
    if (a->bits > 0) {
        pl_buf_printf(out, "activations bits=%d symmetric=%s clip=%.17g range=%s\n", a->bits,
                      a->asymmetric ? "no" : "yes", a->clip, a->fixed ? "tensor" : "token");
    }
    if (kv->bits > 0) {
        pl_buf_printf(out, "kv bits=%d group_size=%zu symmetric=%s\n", kv->bits,
                      state->kv_group_size, kv->asymmetric ? "no" : "yes");
    }
}

static const pl_spec *transform_of(const pl_state *state, size_t site)
{
    return pl_state_spec(state, pl_model_site(state->source->model, site)->layers[0],
                         PL_SLOT_TRANSFORM);
}

/* The largest magnitude of the site's input in the coordinates of its transform. */
static pl_status find_most(pl_quantized *q, pl_quantized_site *at, pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status = pl_lab_load_site(q->weights.lab, q->weights.state, q->calibration, at->site,
                                        PL_GRAM_NONE, true, &stats, NULL, err);
    if (status == PL_OK) {
        status = pl_outputs_range(at->transform, &stats, &at->most, NULL, err);
    }
    pl_site_stats_deinit(&stats);
    return status;
}

static pl_status find_site(pl_quantized *q, size_t site, pl_quantized_site **out, pl_error *err)
{
    const pl_state *state = q->weights.state;
    for (size_t i = 0; i < PL_QUANTIZED_SITES; i++) {
        if (q->sites[i].site == site) {
            *out = &q->sites[i];
            return PL_OK;
        }
    }
    pl_quantized_site *at = &q->sites[q->next];
    q->next = (q->next + 1) % PL_QUANTIZED_SITES;
    pl_transform_destroy(at->transform);
    *at = (pl_quantized_site){.site = SIZE_MAX};
    pl_id key;
    pl_status status = pl_site_transform(
        q->weights.lab, state, q->calibration, pl_model_site(state->source->model, site)->layers[0],
        transform_of(state, site), &at->transform, &key, NULL, err);
    if (status == PL_OK && state->activations.fixed) {
        at->site = site;
        status = find_most(q, at, err);
    }
    at->site = status == PL_OK ? site : SIZE_MAX;
    *out = at;
    return status;
}

static pl_status quantize_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                                size_t cols, pl_error *err)
{
    (void)window;
    pl_quantized *q = ctx;
    pl_quantized_site *at = NULL;
    const pl_act_grid *grid = &q->weights.state->activations;
    if (rows == 0) {
        return PL_OK;
    }
    pl_status status = find_site(q, site, &at, err);
    return status == PL_OK ? pl_outputs_round_trip(grid, at->transform, at->most, x, rows, cols,
                                                   NULL, err)
                           : status;
}

/* x[rows, kv_heads * head_dim] as rows of one head each. */
static pl_status quantize_cache(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                                pl_error *err)
{
    (void)block;
    (void)err;
    const pl_state *state = ((pl_quantized *)ctx)->weights.state;
    const size_t head = pl_model_config(state->source->model)->head_dim;
    pl_act_quantize_groups(&state->kv, state->kv_group_size, x, rows * cols / head, head);
    return PL_OK;
}

static pl_status weights_of(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const pl_hooks *plain = &((pl_quantized *)ctx)->plain;
    return plain->weight(plain->ctx, layer, out, provided, err);
}

static bool has_transform(const pl_state *state)
{
    for (size_t i = 0; i < pl_model_site_count(state->source->model); i++) {
        if (transform_of(state, i)->method != NULL) {
            return true;
        }
    }
    return false;
}

/* Makes what is not in the store yet while it can be cancelled, which a hook cannot. */
static pl_status make_transforms(pl_quantized *q, pl_task *task, pl_error *err)
{
    const pl_state *state = q->weights.state;
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < pl_model_site_count(state->source->model); i++) {
        pl_transform *t = NULL;
        pl_id key;
        status = pl_site_transform(q->weights.lab, state, q->calibration,
                                   pl_model_site(state->source->model, i)->layers[0],
                                   transform_of(state, i), &t, &key, task, err);
        pl_transform_destroy(t);
    }
    return status;
}

pl_status pl_quantized_init(pl_quantized *q, pl_lab *lab, const pl_state *state, pl_which which,
                            pl_hooks *hooks, pl_task *task, pl_error *err)
{
    *q = (pl_quantized){0};
    q->plain = pl_weights_hooks(&q->weights, lab, state, which);
    for (size_t i = 0; i < PL_QUANTIZED_SITES; i++) {
        q->sites[i].site = SIZE_MAX;
    }
    *hooks = (pl_hooks){.ctx = q, .weight = weights_of};
    if (which == PL_WHICH_BEFORE) {
        return PL_OK;
    }
    if (state->activations.bits > 0) {
        hooks->input = quantize_input;
        if (state->activations.fixed || has_transform(state)) {
            pl_status status = pl_lab_calibration(lab, state, &q->calibration, task, err);
            if (status == PL_OK) {
                status = make_transforms(q, task, err);
            }
            if (status != PL_OK) {
                return status;
            }
        }
    }
    if (state->kv.bits > 0) {
        hooks->key = quantize_cache;
        hooks->value = quantize_cache;
    }
    return PL_OK;
}

void pl_quantized_deinit(pl_quantized *q)
{
    for (size_t i = 0; i < PL_QUANTIZED_SITES; i++) {
        pl_transform_destroy(q->sites[i].transform);
        q->sites[i].transform = NULL;
    }
}
