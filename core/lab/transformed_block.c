/* The transforms of a block that are learned together (FlatQuant on blocks). */
#include "core/lab/transformed_parts.h"

#include "core/method/flatquant.h"
#include "core/model/bare.h"
#include "core/tensor/linalg.h"

#include <stdio.h>
#include <stdlib.h>

/* What learning a block takes: its shape, and where learning follows, its weights and inputs. */
typedef struct block_bench {
    pl_block_input in;
    char name[32];
    pl_block_layout at;
    pl_view *views;       /* [layers of the block] */
    pl_site_input *sites; /* what follows: [in.n_sites] */
    pl_grid *grids;
    pl_site_stats *stats;
    pl_block_states states;
} block_bench;

void pl_rounder_format(const pl_state *state, size_t layer, const char *before, pl_buf *out)
{
    const pl_spec *round = pl_state_spec(state, layer, PL_SLOT_ROUND);
    if (round->method == NULL) {
        return;
    }
    const pl_grid grid = pl_spec_grid(round);
    pl_buf_printf(out, "%sW%d %zu %d %d %d", before, grid.bits, grid.group_size,
                  (int)pl_format_index(grid.format), (int)grid.mse, (int)grid.scale_dtype);
    if (!pl_format_is_int(grid.format)) { /* whose places in the list stay; the others' may move */
        pl_buf_printf(out, " %s %d", grid.format->key, (int)grid.scale_mode);
    }
}

static const pl_site *site_of(const pl_block_order *o, size_t number, size_t *index)
{
    size_t first = 0;
    const pl_model *model = o->cx.state->source->model;
    (void)pl_model_block_sites(model, o->block, &first);
    *index = first + number;
    return pl_model_site(model, *index);
}

size_t pl_block_site_count(const pl_block_order *o)
{
    size_t first = 0;
    return pl_model_block_sites(o->cx.state->source->model, o->block, &first);
}

static pl_status check_block(const pl_block_order *o, pl_error *err)
{
    const pl_model *model = o->cx.state->source->model;
    size_t first = 0;
    pl_status status = pl_model_need_forward(model, "method flatquant scope=block", err);
    if (status != PL_OK) {
        return status;
    }
    if (pl_model_config(model)->kv_latent > 0 && o->cx.state->kv.bits > 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "%s scope=block learns with a cache of keys and values by heads, and "
                            "that of %s holds latent vectors: expected kv none, or scope=layer",
                            o->spec->method->name, pl_model_config(model)->architecture);
    }
    const size_t count = pl_model_block_layers(model, o->block, &first);
    for (size_t i = first; i < first + count; i++) {
        if (!pl_spec_equal(pl_state_spec(o->cx.state, i, PL_SLOT_TRANSFORM), o->spec)) {
            return pl_error_set(err, PL_ERR_STATE,
                                "%s: the transforms of a block are learned together with "
                                "scope=block, but on=GLOB gives its layers different ones",
                                pl_model_layer(model, i)->name);
        }
    }
    return PL_OK;
}

pl_status pl_block_key(const pl_block_order *o, pl_id *out, pl_error *err)
{
    const pl_state *state = o->cx.state;
    pl_hasher *hasher = NULL;
    pl_buf text = {0};
    size_t at = 0;
    pl_status status = check_block(o, err);
    if (status != PL_OK) {
        return status;
    }
    pl_spec_format(o->spec, &text);
    for (size_t site = 0; site < pl_block_site_count(o); site++) {
        pl_rounder_format(state, site_of(o, site, &at)->layers[0], "", &text);
        pl_buf_puts(&text, "\n");
    }
    pl_act_format(&state->activations, &text);
    pl_state_cache_format(state, &text);
    status = pl_buf_check(&text, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish block 2");
        pl_hasher_text(hasher, text.data);
        /* The calibration's key has the model's identity in it, weights and norms. */
        pl_hasher_id(hasher, o->calibration);
        pl_hasher_u64(hasher, o->block);
        pl_hasher_u64(hasher, (uint64_t)pl_linalg_threads());
        *out = pl_hasher_finish(hasher);
        status = pl_task_tick(o->cx.task, err);
    }
    pl_hasher_destroy(hasher);
    pl_buf_deinit(&text);
    return status;
}

pl_status pl_block_site_key(pl_id learning, size_t site, pl_id *out, pl_error *err)
{
    pl_hasher *hasher = NULL;
    pl_status status = pl_hasher_create(&hasher, err);
    if (status == PL_OK) {
        pl_hasher_text(hasher, "planish block transform 1");
        pl_hasher_id(hasher, learning);
        pl_hasher_u64(hasher, (uint64_t)site);
        *out = pl_hasher_finish(hasher);
    }
    pl_hasher_destroy(hasher);
    return status;
}

static void leave_block(const pl_block_order *o, block_bench *b)
{
    for (size_t site = 0; b->stats != NULL && site < b->in.n_sites; site++) {
        pl_site_stats_deinit(&b->stats[site]);
    }
    pl_block_layout_deinit(&b->at);
    free(b->sites);
    free(b->views);
    free(b->grids);
    free(b->stats);
    pl_tape_destroy(b->in.tape);
    pl_lab_give_states(o->cx.lab, &b->states);
}

/* Where a block's experts begin among its sites: behind attention's. */
static size_t first_expert(const pl_block_order *o, size_t count)
{
    size_t at = 0, site = 0;
    while (site < count && site_of(o, site, &at)->expert == PL_NO_EXPERT) {
        site++;
    }
    return site;
}

static pl_status make_room(const pl_block_order *o, block_bench *b, pl_error *err)
{
    const size_t count = b->in.n_sites;
    size_t first;
    b->sites = calloc(count, sizeof *b->sites);
    b->views = calloc(pl_model_block_layers(o->cx.state->source->model, o->block, &first),
                      sizeof *b->views);
    b->grids = calloc(count, sizeof *b->grids);
    b->stats = calloc(count, sizeof *b->stats);
    b->in.sites = b->sites;
    return b->sites != NULL && b->views != NULL && b->grids != NULL && b->stats != NULL
               ? PL_OK
               : pl_error_memory(err, "the transforms of %s", b->name);
}

/* The shape alone, and the layout of its parameters, which follows from it.  Leave it in any case.
 */
static pl_status describe_block(const pl_block_order *o, block_bench *b, pl_error *err)
{
    const pl_state *state = o->cx.state;
    const pl_model *model = state->source->model;
    const pl_config *c = pl_model_config(model);
    const size_t count = pl_block_site_count(o);
    *b = (block_bench){0};
    snprintf(b->name, sizeof b->name, "model.layers.%zu", o->block);
    b->in = (pl_block_input){.name = b->name,
                             .n_sites = count,
                             .mixture = first_expert(o, count),
                             .latent = c->kv_latent > 0,
                             .heads = c->heads,
                             .kv_heads = c->kv_heads,
                             .head_dim = c->head_dim,
                             .kv = state->kv,
                             .kv_group_size = state->kv_group_size,
                             .hidden = c->hidden_size};
    pl_status status = make_room(o, b, err);
    pl_view *views = b->views;
    for (size_t number = 0; status == PL_OK && number < count; number++) {
        size_t at = 0;
        const pl_site *site = site_of(o, number, &at);
        const pl_spec *round = pl_state_spec(state, site->layers[0], PL_SLOT_ROUND);
        for (size_t i = 0; i < site->n_layers; i++) {
            const size_t rows = pl_model_layer(model, site->layers[i])->rows;
            views[i] = (pl_view){NULL, rows, site->cols, site->cols};
        }
        if (round->method != NULL) {
            b->grids[number] = pl_spec_grid(round);
        }
        b->sites[number] = (pl_site_input){.site = site->name,
                                           .n = site->cols,
                                           .weights = views,
                                           .n_weights = site->n_layers,
                                           .grid = round->method != NULL ? &b->grids[number] : NULL,
                                           .activations = state->activations};
        views += site->n_layers;
    }
    return status == PL_OK ? pl_block_layout_init(&b->at, &b->in, err) : status;
}

/* Weights, statistics and inputs of the described block. */
static pl_status load_block_bench(const pl_block_order *o, block_bench *b, size_t batch,
                                  pl_error *err)
{
    pl_model *model = o->cx.state->source->model;
    pl_status status = pl_lab_take_states(o->cx, o->calibration, o->block, &b->states, err);
    b->in.x = b->states.x;
    b->in.windows = b->states.windows;
    b->in.length = b->states.length;
    PL_THEN(pl_tape_create(model, b->in.length, batch < b->in.windows ? batch : b->in.windows,
                           &b->in.tape, err));
    PL_THEN(pl_tape_load(b->in.tape, o->block, o->cx.task, err));
    pl_view *view = b->views;
    for (size_t site = 0; status == PL_OK && site < b->in.n_sites; site++) {
        size_t at = 0, rows, cols;
        const float *w = pl_tape_weights(b->in.tape, site, &rows, &cols);
        (void)site_of(o, site, &at);
        for (size_t i = 0; i < b->sites[site].n_weights; i++, view++) {
            view->data = w;
            w += view->rows * cols;
        }
        status =
            pl_lab_load_site(o->cx, o->calibration, at, PL_GRAM_NONE, false, &b->stats[site], err);
        b->sites[site].max_abs = b->stats[site].max;
    }
    return status;
}

pl_status pl_block_learn(const pl_block_order *o, pl_id key, size_t site, uint64_t until,
                         pl_learning *reached, pl_error *err)
{
    block_bench b;
    *reached = (pl_learning){0};
    pl_status status = describe_block(o, &b, err);
    PL_THEN(load_block_bench(o, &b, (size_t)o->spec->values[PL_FLATQUANT_BATCH], err));
    PL_THEN(pl_learned_run_block(o->cx.lab, key, o->spec, &b.in, until, reached, o->cx.task, err));
    if (status == PL_OK) {
        reached->at = b.at.sites[site];
    }
    leave_block(o, &b);
    return status;
}

pl_status pl_block_read(const pl_block_order *o, pl_id key, size_t site, pl_learning *out)
{
    block_bench b;
    pl_status status = describe_block(o, &b, NULL);
    *out = (pl_learning){0};
    PL_THEN(pl_learned_read_block(o->cx.lab, key, &b.at, out));
    if (status == PL_OK) {
        out->at = b.at.sites[site];
    }
    leave_block(o, &b);
    return status;
}

pl_status pl_block_reached(const pl_block_order *o, size_t site, const pl_learning *reached,
                           pl_transform **out, pl_error *err)
{
    block_bench b;
    *out = NULL;
    pl_status status = describe_block(o, &b, err);
    PL_THEN(pl_block_transform(&b.at, site, reached->params, out, err));
    leave_block(o, &b);
    return status;
}
