#include "core/calib/calib.h"

#include "core/calib/calib_parts.h"

#include <stdlib.h>

struct pl_calib_walk {
    pl_calib_spec spec;
    pl_pass *pass;
    pl_pass *original; /* NULL, or walks along with the original weights */
    size_t ran;        /* parts that all windows are through: of a block: pl_model_parts */
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
    const pl_site_role *roles = NULL;
    const size_t parts = pl_model_parts(walk->spec.model, &roles);
    pl_status status = PL_OK;
    while (status == PL_OK && walk->ran < end) {
        const bool whole = walk->ran % parts == 0 && walk->ran + parts <= end;
        const pl_pass_step step = {.block = walk->ran / parts,
                                   .advance = whole,
                                   .hooks = hooks,
                                   .parts = !whole,
                                   .run = roles[walk->ran % parts],
                                   .see = PL_SITE_ROLE_COUNT};
        status = pl_pass_block(walk->pass, &step, task, err);
        walk->ran += status != PL_OK ? 0 : whole ? parts : 1;
    }
    return status;
}

pl_status pl_walk_missing(const pl_calib_spec *spec, bool beside, pl_store *store, pl_id key,
                          size_t block, pl_site_role role, bool **want, bool *any, pl_error *err)
{
    size_t first = 0;
    const size_t count = pl_model_block_sites(spec->model, block, &first);
    pl_status status = PL_OK;
    *any = false;
    *want = calloc(count, sizeof **want);
    if (*want == NULL) {
        return pl_error_memory(err, "a block's sites");
    }
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        bool whole = false, damaged = false;
        if (pl_model_site(spec->model, first + i)->role == role) {
            status = pl_calib_verify_site(store, key, spec, first + i, &whole, &damaged, err);
            if (status == PL_OK && whole && beside && !pl_calib_has_cross(store, key, first + i)) {
                pl_id own = {0};
                status = pl_calib_key(spec, &own, NULL, err);
                /* Before the first solved layer both inputs are one, and the site is the
                 * calibration's own, which others may be reading. */
                if (status == PL_OK && !pl_id_equal(own, key)) {
                    status = pl_calib_drop_site(store, key, first + i, err);
                    whole = false;
                }
            }
            (*want)[i] = !whole;
            *any = *any || !whole;
        }
    }
    return status;
}

/* What is wanted of the part that step->block and step->see are. */
static pl_status observe(pl_calib_walk *walk, pl_pass_step step, const char *folder, pl_task *task,
                         pl_error *err)
{
    const pl_site_role *roles = NULL;
    const size_t parts = pl_model_parts(walk->spec.model, &roles);
    const size_t number = pl_model_part_number(walk->spec.model, step.see);
    const size_t part = step.block * parts + number;
    pl_status status = PL_OK;
    step.parts = true;
    step.run = PL_SITE_ROLE_COUNT;
    if (walk->ran > part) {
        return pl_error_set(err, PL_ERR_STATE, "the walk is past the layers %zu of block %zu",
                            number, step.block);
    }
    if (!pl_pass_started(walk->pass)) {
        status = pl_pass_start(walk->pass, true, folder, task, err);
    }
    if (status == PL_OK && number == 0) {
        status = run_to(walk, part, step.hooks, task, err);
    } else if (status == PL_OK) {
        /* The part before it, if it is still to run, and this one's inputs in one go. */
        status = run_to(walk, part - 1, step.hooks, task, err);
        step.run = walk->ran < part ? roles[number - 1] : PL_SITE_ROLE_COUNT;
    }
    PL_THEN(pl_pass_block(walk->pass, &step, task, err));
    walk->ran = status == PL_OK ? part : walk->ran;
    return status;
}

pl_status pl_calib_walk_observe(pl_calib_walk *walk, pl_store *store, pl_id key, size_t block,
                                pl_site_role role, const pl_hooks *hooks, pl_task *task,
                                pl_error *err)
{
    target to = {.store = store, .key = key, .model = walk->spec.model};
    bool *want = NULL, any = false;
    pl_status status = pl_walk_missing(&walk->spec, walk->original != NULL, store, key, block, role,
                                       &want, &any, err);
    if (status == PL_OK && any) {
        const pl_pass_step step = {.block = block,
                                   .see = role,
                                   .want = want,
                                   .hooks = hooks,
                                   .sink = store_site,
                                   .ctx = &to};
        status = observe(walk, step, pl_store_folder(store), task, err);
    }
    free(want);
    return status;
}

/* --- of some windows -------------------------------------------------------------------------- */

void pl_calib_walk_narrow(pl_calib_walk *walk, size_t first, size_t count)
{
    pl_pass_narrow(walk->pass, first, count);
}

bool pl_calib_walk_is_past(const pl_calib_walk *walk, size_t block, pl_site_role role)
{
    const pl_site_role *roles = NULL;
    const size_t parts = pl_model_parts(walk->spec.model, &roles);
    return walk->ran > block * parts + pl_model_part_number(walk->spec.model, role);
}

pl_status pl_walk_part(pl_calib_walk *walk, size_t block, pl_site_role role, const pl_hooks *hooks,
                       pl_part_fn sink, void *ctx, const char *folder, pl_task *task, pl_error *err)
{
    size_t first = 0;
    const size_t count = pl_model_block_sites(walk->spec.model, block, &first);
    bool *want = calloc(count, sizeof *want);
    if (want == NULL) {
        return pl_error_memory(err, "a block's sites");
    }
    for (size_t i = 0; i < count; i++) {
        want[i] = pl_model_site(walk->spec.model, first + i)->role == role;
    }
    const pl_pass_step step = {
        .block = block, .see = role, .want = want, .hooks = hooks, .part_sink = sink, .ctx = ctx};
    pl_status status = observe(walk, step, folder, task, err);
    free(want);
    return status;
}
