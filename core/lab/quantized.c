#include "core/lab/quantized.h"

#include "core/lab/outputs.h"
#include "core/lab/results.h"
#include "core/lab/transformed_parts.h"
#include "core/lab/weights.h"
#include "core/model/bare.h"

#include <math.h>
#include <string.h>

size_t pl_quantized_layers(const pl_state *state)
{
    size_t count = 0;
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        count += pl_state_result(state, i) != NULL &&
                 pl_state_spec(state, i, PL_SLOT_ROUND)->method != NULL;
    }
    return count;
}

static const pl_spec *transform_of(const pl_state *state, size_t site)
{
    return pl_state_spec(state, pl_model_site(state->source->model, site)->layers[0],
                         PL_SLOT_TRANSFORM);
}

/* May something be made from the state's calibration that no result has: a planned transform of a
 * site without one, or a range of its inputs (a result may know none)? */
static bool asks_for_calibration(const pl_state *state)
{
    const pl_model *model = state->source->model;
    bool asks = state->activations.fixed;
    for (size_t s = 0; !asks && s < pl_model_site_count(model); s++) {
        const pl_site *site = pl_model_site(model, s);
        bool solved = false;
        for (size_t i = 0; i < site->n_layers; i++) {
            solved = solved || pl_state_result(state, site->layers[i]) != NULL;
        }
        asks = !solved && transform_of(state, s)->method != NULL;
    }
    return asks;
}

void pl_quantized_hash(const pl_state *state, pl_hasher *hasher)
{
    pl_buf text = {0};
    const bool asks = asks_for_calibration(state);
    pl_state_quantized_commands(state, &text);
    for (size_t i = 0; i < pl_model_layer_count(state->source->model); i++) {
        const pl_spec *spec = pl_state_spec(state, i, PL_SLOT_TRANSFORM);
        if (spec->method != NULL) {
            pl_spec_format(spec, &text);
        }
        if (asks && spec->method != NULL) { /* which is made for the grid of the weights, too */
            pl_rounder_format(state, i, " > ", &text);
        }
        pl_buf_puts(&text, "\n");
    }
    pl_hasher_text(hasher, text.data != NULL ? text.data : "");
    if (asks) {
        pl_hasher_id(hasher, state->calibration.known ? state->calibration.key : (pl_id){0});
    }
    pl_buf_deinit(&text);
}

static pl_context context_of(const pl_quantized *q, pl_task *task)
{
    pl_context cx = q->weights.cx;
    cx.task = task;
    return cx;
}

static pl_status need_calibration(pl_quantized *q, pl_task *task, pl_error *err)
{
    return pl_lab_calibration(context_of(q, task), &q->calibration, err);
}

/* Joins what one of the site's layers was solved with to what the ones before it were. */
static pl_status join_result(const pl_quantized *q, size_t layer, bool first, pl_quantized_site *at,
                             pl_error *err)
{
    const pl_state *state = q->weights.cx.state;
    pl_lab *lab = q->weights.cx.lab;
    pl_result parts = {0};
    pl_transform *t = NULL;
    pl_error why = {0};
    pl_status status =
        pl_result_read(lab, state, layer, *pl_state_result(state, layer), &parts, NULL, &why);
    if (status == PL_OK && parts.has_transform) {
        status = pl_transform_read(lab, state, layer, parts.transform, &t);
    }
    if (status != PL_OK) {
        return pl_result_unreadable(lab, pl_model_layer(state->source->model, layer)->name,
                                    "what it was solved with is", "solve", status, &why, err);
    }
    if (first) {
        at->transform = t;
        at->range = parts.range;
        return PL_OK;
    }
    if (!pl_transform_equal(at->transform, t)) {
        status = pl_error_set(err, PL_ERR_STATE,
                              "%s: it shares its input with other layers, but its transform is "
                              "another than theirs, so no model can quantize that input: solve "
                              "them alike (`solve all`)",
                              pl_model_layer(state->source->model, layer)->name);
    }
    /* A result that knows none has NaN there, which does not count. */
    at->range.lo = fminf(at->range.lo, parts.range.lo);
    at->range.hi = fmaxf(at->range.hi, parts.range.hi);
    pl_transform_destroy(t);
    return status;
}

/* The transform and the range that the site's layers were solved with.  *solved: some layer is. */
static pl_status read_results(const pl_quantized *q, pl_quantized_site *at, bool *solved,
                              pl_error *err)
{
    const pl_state *state = q->weights.cx.state;
    const pl_site *site = pl_model_site(state->source->model, at->site);
    pl_status status = PL_OK;
    *solved = false;
    for (size_t i = 0; status == PL_OK && i < site->n_layers; i++) {
        if (pl_state_result(state, site->layers[i]) != NULL) {
            status = join_result(q, site->layers[i], !*solved, at, err);
            *solved = true;
        }
    }
    return status;
}

/* The range of the site's X T on the stored rows of the state's calibration. */
static pl_status find_site_range(pl_quantized *q, pl_quantized_site *at, pl_task *task,
                                 pl_error *err)
{
    pl_site_stats stats = {0};
    pl_status status = need_calibration(q, task, err);
    PL_THEN(pl_lab_load_site(context_of(q, task), q->calibration, at->site, PL_GRAM_NONE, true,
                             &stats, err));
    PL_THEN(pl_outputs_range(at->transform, &stats, &at->range, task, err));
    pl_site_stats_deinit(&stats);
    return status;
}

/* Fills *at for its site: as its layers were solved, or as the plan has it where none is. */
static pl_status fill_site(pl_quantized *q, pl_quantized_site *at, pl_task *task, pl_error *err)
{
    const pl_state *state = q->weights.cx.state;
    const pl_spec *spec = transform_of(state, at->site);
    bool solved = false;
    pl_id key;
    at->range = (pl_act_range){NAN, NAN};
    pl_status status = read_results(q, at, &solved, err);
    if (status == PL_OK && !solved && spec->method != NULL) {
        status = need_calibration(q, task, err);
        PL_THEN(pl_site_transform(context_of(q, task), q->calibration,
                                  pl_model_site(state->source->model, at->site)->layers[0], spec,
                                  &at->transform, &key, err));
    }
    if (status == PL_OK && state->activations.fixed && isnan(at->range.lo)) {
        status = find_site_range(q, at, task, err);
    }
    return status;
}

static void empty_site(pl_quantized_site *at)
{
    pl_transform_destroy(at->transform);
    *at = (pl_quantized_site){.site = SIZE_MAX};
}

static pl_status find_site(pl_quantized *q, size_t site, pl_quantized_site **out, pl_error *err)
{
    for (size_t i = 0; i < PL_QUANTIZED_SITES; i++) {
        if (q->sites[i].site == site) {
            *out = &q->sites[i];
            return PL_OK;
        }
    }
    pl_quantized_site *at = &q->sites[q->next];
    q->next = (q->next + 1) % PL_QUANTIZED_SITES;
    empty_site(at);
    at->site = site;
    pl_status status = fill_site(q, at, NULL, err);
    if (status != PL_OK) {
        empty_site(at);
    }
    *out = at;
    return status;
}

static pl_status quantize_input(void *ctx, size_t site, size_t window, float *x, size_t rows,
                                size_t cols, pl_error *err)
{
    (void)window;
    pl_quantized *q = ctx;
    pl_quantized_site *at = NULL;
    const pl_act_grid *grid = &q->weights.cx.state->activations;
    if (rows == 0) {
        return PL_OK;
    }
    pl_status status = find_site(q, site, &at, err);
    return status == PL_OK
               ? pl_outputs_round_trip(grid, at->transform, at->range, x, rows, cols, NULL, err)
               : status;
}

/* The transform behind which the block's keys and values are made, NULL where none turns them. */
static pl_status find_cache(pl_quantized *q, size_t block, const pl_transform **out, pl_error *err)
{
    const pl_model *model = q->weights.cx.state->source->model;
    pl_quantized_site *at = NULL;
    size_t site = 0;
    *out = NULL;
    pl_model_block_sites(model, block, &site); /* q, k and v are the first */
    const pl_spec *spec = transform_of(q->weights.cx.state, site);
    const pl_method *method = spec->method;
    if (method == NULL || !(method->turns_stream || pl_spec_is_of_block(spec))) {
        return PL_OK;
    }
    pl_status status = find_site(q, site, &at, err);
    if (status == PL_OK) {
        *out = at->transform;
    }
    return status;
}

/* The cache of latent attention has no heads, and nothing turns it. */
static bool is_latent(const pl_quantized *q)
{
    return pl_model_config(q->weights.cx.state->source->model)->kv_latent > 0;
}

static pl_status quantize_heads(const pl_quantized *q, const pl_transform *turn, float *x,
                                size_t rows, size_t cols, pl_error *err)
{
    const pl_state *state = q->weights.cx.state;
    const size_t head = is_latent(q) ? cols : pl_model_config(state->source->model)->head_dim;
    return pl_transform_quantize_heads(turn, &state->kv, state->kv_group_size, head, x, rows, cols,
                                       err);
}

static pl_status quantize_keys(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                               pl_error *err)
{
    const pl_transform *t = NULL;
    if (is_latent(ctx)) {
        return quantize_heads(ctx, NULL, x, rows, cols, err);
    }
    pl_status status = find_cache(ctx, block, &t, err);
    return status == PL_OK
               ? quantize_heads(ctx, t != NULL ? pl_transform_keys(t) : NULL, x, rows, cols, err)
               : status;
}

static pl_status quantize_values(void *ctx, size_t block, float *x, size_t rows, size_t cols,
                                 pl_error *err)
{
    const pl_quantized *q = ctx;
    const pl_model *model = q->weights.cx.state->source->model;
    const pl_transform *t = NULL;
    size_t first = 0;
    if (is_latent(q)) {
        return quantize_heads(q, NULL, x, rows, cols, err);
    }
    pl_status status = find_cache(ctx, block, &t, err);
    pl_model_block_layers(model, block, &first);
    return status == PL_OK
               ? quantize_heads(q, pl_layer_outputs(q->weights.cx.state, first + PL_ROLE_V, t), x,
                                rows, cols, err)
               : status;
}

static pl_status plain_weight(void *ctx, size_t layer, float *out, int *provided, pl_error *err)
{
    const pl_hooks *plain = &((pl_quantized *)ctx)->plain;
    return plain->weight(plain->ctx, layer, out, provided, err);
}

/* Makes what is not in the store yet, and meets what cannot be, while it can be cancelled, which a
 * hook cannot.  A site without stored rows has no range of all tokens. */
static pl_status prepare_sites(pl_quantized *q, pl_task *task, pl_error *err)
{
    const pl_model *model = q->weights.cx.state->source->model;
    const bool fixed = q->weights.cx.state->activations.fixed;
    pl_status status = PL_OK;
    size_t rangeless = 0, first = 0;
    for (size_t i = 0; status == PL_OK && i < pl_model_site_count(model); i++) {
        pl_quantized_site at = {.site = i};
        status = pl_task_tick(task, err);
        PL_THEN(fill_site(q, &at, task, err));
        if (status == PL_OK && fixed && !(at.range.lo < at.range.hi)) {
            first = rangeless++ == 0 ? i : first;
        }
        empty_site(&at);
    }
    if (status == PL_OK && rangeless > 0) {
        pl_buf text = {0};
        pl_buf_printf(&text,
                      "%zu %s without stored rows that give a range=tensor (%s) stay in full "
                      "precision: calibrate with more windows or rows",
                      rangeless, rangeless == 1 ? "input" : "inputs",
                      pl_model_site(model, first)->name);
        pl_lab_warn(q->weights.cx.lab, text.data != NULL ? text.data : "inputs without a range");
        pl_buf_deinit(&text);
    }
    return status;
}

/* Whether the cache's coordinates are those of a transform, which may have to be made first. */
static bool turns_cache(const pl_quantized *q)
{
    const pl_state *state = q->weights.cx.state;
    bool turns = false;
    for (size_t i = 0; state->kv.bits > 0 && i < pl_model_site_count(state->source->model); i++) {
        turns = turns || pl_spec_is_of_block(transform_of(state, i));
    }
    return turns;
}

void pl_quantized_begin(pl_quantized *q, pl_context cx, pl_which which, pl_hooks *hooks)
{
    *q = (pl_quantized){0};
    q->plain = pl_weights_hooks(&q->weights, cx, which);
    for (size_t i = 0; i < PL_QUANTIZED_SITES; i++) {
        q->sites[i].site = SIZE_MAX;
    }
    *hooks = (pl_hooks){.ctx = q, .weight = plain_weight};
    if (which == PL_WHICH_BEFORE) {
        return;
    }
    if (cx.state->activations.bits > 0) {
        hooks->input = quantize_input;
    }
    if (cx.state->kv.bits > 0) {
        hooks->key = quantize_keys;
        hooks->value = quantize_values;
    }
}

pl_status pl_quantized_init(pl_quantized *q, pl_context cx, pl_which which, pl_hooks *hooks,
                            pl_error *err)
{
    pl_quantized_begin(q, cx, which, hooks);
    if (hooks->key != NULL) {
        pl_status able = pl_model_need_forward(cx.state->source->model, "kv", err);
        if (able != PL_OK) {
            return able;
        }
    }
    return hooks->input != NULL || turns_cache(q) ? prepare_sites(q, cx.task, err) : PL_OK;
}

void pl_quantized_deinit(pl_quantized *q)
{
    for (size_t i = 0; i < PL_QUANTIZED_SITES; i++) {
        empty_site(&q->sites[i]);
    }
}
