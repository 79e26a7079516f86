#include "core/calib/calib.h"

#include "core/calib/pass.h"

#include <stdlib.h>

struct pl_calib_walk {
    pl_calib_spec spec;
    pl_pass *pass;
    size_t block; /* the present one */
};

pl_status pl_calib_walk_create(const pl_calib_spec *spec, pl_calib_walk **out, pl_task *task,
                               pl_error *err)
{
    *out = NULL;
    pl_status status = pl_task_tick(task, err);
    if (status != PL_OK) {
        return status;
    }
    pl_calib_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for a sequential calibration");
    }
    walk->spec = *spec;
    status = pl_pass_create(&walk->spec, &walk->pass, err);
    if (status != PL_OK) {
        pl_calib_walk_destroy(walk);
        return status;
    }
    *out = walk;
    return PL_OK;
}

void pl_calib_walk_destroy(pl_calib_walk *walk)
{
    if (walk != NULL) {
        pl_pass_destroy(walk->pass);
        free(walk);
    }
}

/* Embeds the windows the first time, and refuses to go past the last block. */
static pl_status prepare(pl_calib_walk *walk, pl_store *store, pl_task *task, pl_error *err)
{
    const size_t blocks = pl_model_config(walk->spec.model)->blocks;
    if (walk->block >= blocks) {
        return pl_error_set(err, PL_ERR_STATE, "the walk is past the last of %zu blocks", blocks);
    }
    if (pl_pass_started(walk->pass)) {
        return PL_OK;
    }
    return pl_pass_start(walk->pass, store != NULL ? pl_store_folder(store) : NULL, task, err);
}

typedef struct target {
    pl_store *store;
    pl_id key;
    const pl_model *model;
} target;

static pl_status store_site(void *ctx, size_t site, const pl_site_stats *stats, pl_error *err)
{
    const target *to = ctx;
    return pl_calib_put_site(to->store, to->key, to->model, site, stats, err);
}

pl_status pl_calib_walk_observe(pl_calib_walk *walk, pl_store *store, pl_id key, pl_task *task,
                                pl_error *err)
{
    target to = {.store = store, .key = key, .model = walk->spec.model};
    pl_pass_step step = {.block = walk->block, .sink = store_site, .ctx = &to};
    pl_status status = prepare(walk, store, task, err);
    if (status != PL_OK) {
        return status;
    }
    size_t first = 0;
    const size_t count = pl_model_block_sites(to.model, walk->block, &first);
    bool any = false;
    bool *want = calloc(count, sizeof *want);
    if (want == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory for a block's sites");
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        bool whole = false, damaged = false;
        status = pl_calib_verify_site(store, key, &walk->spec, first + i, &whole, &damaged, err);
        want[i] = !whole;
        any = any || !whole;
    }
    step.want = want;
    if (status == PL_OK && any) {
        status = pl_pass_block(walk->pass, &step, task, err);
    }
    free(want);
    return status;
}

pl_status pl_calib_walk_advance(pl_calib_walk *walk, const pl_hooks *hooks, pl_task *task,
                                pl_error *err)
{
    pl_status status = prepare(walk, NULL, task, err);
    if (status != PL_OK) {
        return status;
    }
    const pl_pass_step step = {.block = walk->block, .advance = true, .hooks = hooks};
    status = pl_pass_block(walk->pass, &step, task, err);
    if (status == PL_OK) {
        walk->block++;
    }
    return status;
}
