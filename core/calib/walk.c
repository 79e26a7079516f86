#include "core/calib/calib.h"

#include "core/calib/calib_parts.h"

#include <stdlib.h>

struct pl_calib_walk {
    pl_calib_spec spec;
    pl_pass *pass;
    pl_pass *original; /* NULL, or walks along with the original weights */
    size_t ran;        /* parts that all windows are through: those of a block are its site roles */
};

pl_status pl_calib_walk_create(const pl_calib_spec *spec, bool beside, pl_calib_walk **out,
                               pl_task *task, pl_error *err)
{
    *out = NULL;
    pl_status status = pl_task_tick(task, err);
    if (status != PL_OK) {
        return status;
    }
    pl_calib_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) {
        return pl_error_memory(err, "a sequential calibration");
    }
    walk->spec = *spec;
    status = pl_pass_create(&walk->spec, &walk->pass, err);
    if (status == PL_OK && beside) {
        status = pl_pass_create(&walk->spec, &walk->original, err);
    }
    if (status == PL_OK && beside) {
        status = pl_pass_compare(walk->pass, walk->original, err);
    }
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
        pl_pass_destroy(walk->original);
        free(walk);
    }
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

/* All windows through the parts before number `end`, whole blocks at once. */
static pl_status run_to(pl_calib_walk *walk, size_t end, const pl_hooks *hooks, pl_task *task,
                        pl_error *err)
{
    enum { PARTS = PL_SITE_ROLE_COUNT };
    pl_status status = PL_OK;
    while (status == PL_OK && walk->ran < end) {
        const bool whole = walk->ran % PARTS == 0 && walk->ran + PARTS <= end;
        const pl_pass_step step = {.block = walk->ran / PARTS,
                                   .advance = whole,
                                   .hooks = hooks,
                                   .parts = !whole,
                                   .run = (pl_site_role)(walk->ran % PARTS),
                                   .see = PL_SITE_ROLE_COUNT};
        status = pl_pass_block(walk->pass, &step, task, err);
        walk->ran += status != PL_OK ? 0 : whole ? PARTS : 1;
    }
    return status;
}

/* *want: [sites of the block] those of the role that the store does not hold whole. */
static pl_status find_missing(const pl_calib_walk *walk, pl_store *store, pl_id key, size_t block,
                              pl_site_role role, bool **want, bool *any, pl_error *err)
{
    size_t first = 0;
    const size_t count = pl_model_block_sites(walk->spec.model, block, &first);
    pl_status status = PL_OK;
    *any = false;
    *want = calloc(count, sizeof **want);
    if (*want == NULL) {
        return pl_error_memory(err, "a block's sites");
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        bool whole = false, damaged = false;
        if (pl_model_site(walk->spec.model, first + i)->role == role) {
            status =
                pl_calib_verify_site(store, key, &walk->spec, first + i, &whole, &damaged, err);
            if (status == PL_OK && whole && walk->original != NULL &&
                !pl_calib_has_cross(store, key, first + i)) {
                status = pl_calib_drop_site(store, key, first + i, err);
                whole = false;
            }
            (*want)[i] = !whole;
            *any = *any || !whole;
        }
    }
    return status;
}

pl_status pl_calib_walk_observe(pl_calib_walk *walk, pl_store *store, pl_id key, size_t block,
                                pl_site_role role, const pl_hooks *hooks, pl_task *task,
                                pl_error *err)
{
    const size_t part = block * PL_SITE_ROLE_COUNT + (size_t)role;
    target to = {.store = store, .key = key, .model = walk->spec.model};
    pl_pass_step step = {.block = block,
                         .hooks = hooks,
                         .sink = store_site,
                         .ctx = &to,
                         .parts = true,
                         .run = PL_SITE_ROLE_COUNT,
                         .see = role};
    bool *want = NULL, any = false;
    pl_status status = find_missing(walk, store, key, block, role, &want, &any, err);
    if (status == PL_OK && any && walk->ran > part) {
        status = pl_error_set(err, PL_ERR_STATE, "the walk is past the layers %zu of block %zu",
                              (size_t)role, block);
    }
    if (status == PL_OK && any && !pl_pass_started(walk->pass)) {
        status = pl_pass_start(walk->pass, true, pl_store_folder(store), task, err);
    }
    if (status == PL_OK && any && role == PL_SITE_QKV) {
        status = run_to(walk, part, hooks, task, err);
    } else if (status == PL_OK && any) {
        /* The part before it, if it is still to run, and this one's inputs in one go. */
        status = run_to(walk, part - 1, hooks, task, err);
        step.run = walk->ran < part ? (pl_site_role)(role - 1) : PL_SITE_ROLE_COUNT;
    }
    if (status == PL_OK && any) {
        step.want = want;
        status = pl_pass_block(walk->pass, &step, task, err);
        walk->ran = status == PL_OK ? part : walk->ran;
    }
    free(want);
    return status;
}
