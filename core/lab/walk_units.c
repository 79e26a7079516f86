#include "core/lab/walk_units.h"

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/lab/quantized.h"

#include <stdlib.h>
#include <unistd.h>

/* A shard's walk, in a lab's list. */
struct pl_kept_walk {
    pl_kept_walk *next;
    pl_id run;
    size_t windows, shard;
    pl_calib_spec spec; /* of tokens here */
    pl_tokens tokens;
    pl_calib_walk *walk;
};

static void destroy(pl_kept_walk *kept)
{
    pl_calib_walk_destroy(kept->walk);
    pl_tokens_deinit(&kept->tokens);
    free(kept);
}

void pl_lab_drop_walks(pl_lab *lab)
{
    pl_kept_walk **list = pl_lab_kept_walks(lab, pl_lab_drop_walks);
    while (*list != NULL) {
        pl_kept_walk *next = (*list)->next;
        destroy(*list);
        *list = next;
    }
}

/* --- what a unit does ------------------------------------------------------------------------- */

/* What a unit is told. */
typedef struct told {
    pl_id run, calibration, key;
    size_t windows, shard, shards, block;
    pl_site_role role;
    bool beside;
} told;

static pl_status read_told(const json_t *what, const pl_model *model, told *out, pl_error *err)
{
    const pl_site_role *roles = NULL;
    *out = (told){.run = pl_pool_read_id(what, "run"),
                  .calibration = pl_pool_read_id(what, "calibration"),
                  .key = pl_pool_read_id(what, "key"),
                  .windows = pl_pool_read_size(what, "windows"),
                  .shard = pl_pool_read_size(what, "shard"),
                  .shards = pl_pool_read_size(what, "shards"),
                  .block = pl_pool_read_size(what, "block"),
                  .role = (pl_site_role)pl_pool_read_size(what, "role"),
                  .beside = json_is_true(json_object_get(what, "beside"))};
    const bool fits = out->windows > 0 && out->shards > 0 &&
                      out->block < pl_model_config(model)->blocks &&
                      pl_model_part_number(model, out->role) < pl_model_parts(model, &roles);
    return fits ? PL_OK : pl_error_set(err, PL_ERR_FORMAT, "solve: a part that the model has not");
}

/* Those of other solves go, and the shard's own where it is past the part. */
static pl_kept_walk *find_walk(pl_lab *lab, const told *t)
{
    pl_kept_walk *found = NULL;
    for (pl_kept_walk **at = pl_lab_kept_walks(lab, pl_lab_drop_walks); *at != NULL;) {
        pl_kept_walk *kept = *at;
        const bool own = kept->windows == t->windows && kept->shard == t->shard;
        if (!pl_id_equal(kept->run, t->run) ||
            (own && pl_calib_walk_is_past(kept->walk, t->block, t->role))) {
            *at = kept->next;
            destroy(kept);
            continue;
        }
        found = own ? kept : found;
        at = &kept->next;
    }
    return found;
}

/* The shards of a rank share its memory. */
static pl_status make_walk(pl_context cx, const told *t, pl_kept_walk **out, pl_error *err)
{
    pl_id present = {0};
    pl_kept_walk *kept = calloc(1, sizeof *kept);
    *out = NULL;
    if (kept == NULL) {
        return pl_error_memory(err, "a walk of some windows");
    }
    *kept = (pl_kept_walk){.run = t->run, .windows = t->windows, .shard = t->shard};
    pl_status status = pl_lab_calib_spec(cx, &kept->spec, &kept->tokens, err);
    PL_THEN(pl_calib_key(&kept->spec, &present, cx.task, err));
    if (status == PL_OK && !pl_id_equal(present, t->calibration)) {
        status =
            pl_error_set(err, PL_ERR_CHANGED, "solve: the model or the text is another one here");
    }
    const size_t all = kept->spec.protocol.windows, first = t->shard * t->windows;
    if (status == PL_OK && first >= all) {
        status = pl_error_set(err, PL_ERR_USAGE, "solve: shard %zu of %zu windows, of %zu there",
                              t->shard, t->windows, all);
    }
    kept->spec.memory_limit /= t->shards;
    PL_THEN(pl_calib_walk_create(&kept->spec, t->beside, &kept->walk, cx.task, err));
    if (status != PL_OK) {
        destroy(kept);
        return status;
    }
    pl_calib_walk_narrow(kept->walk, first, all - first < t->windows ? all - first : t->windows);
    kept->next = *pl_lab_kept_walks(cx.lab, pl_lab_drop_walks);
    *pl_lab_kept_walks(cx.lab, pl_lab_drop_walks) = kept;
    *out = kept;
    return PL_OK;
}

static pl_status run_shard(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    told t;
    pl_quantized quantized;
    pl_hooks hooks;
    (void)answer;
    pl_status status = read_told(what, cx.state->source->model, &t, err);
    if (status != PL_OK) {
        return status;
    }
    pl_kept_walk *kept = find_walk(cx.lab, &t);
    if (kept == NULL) {
        status = make_walk(cx, &t, &kept, err);
    }
    pl_quantized_begin(&quantized, cx, PL_WHICH_AFTER, &hooks);
    PL_THEN(pl_calib_walk_shard(kept->walk, cx.state->source->model, pl_lab_store(cx.lab), t.key,
                                t.windows, t.shard, t.block, t.role, &hooks, cx.task, err));
    pl_quantized_deinit(&quantized);
    return status;
}

const pl_unit_kind pl_unit_walk = {
    .name = "walk", .counting = "layers", .walks = true, .run = run_shard};

/* --- asking for them -------------------------------------------------------------------------- */

/* The cut that takes the fewest windows one after another, unless a coarser one takes hardly more:
 * each shard loads the block's weights once more, and sends its sums. */
static size_t choose_windows(size_t windows, size_t workers)
{
    size_t best = 1, least = SIZE_MAX / 8, coarsest = 1;
    while (2 * coarsest < windows) {
        coarsest *= 2;
    }
    for (size_t each = coarsest; each > 0; each /= 2) {
        const size_t shards = (windows + each - 1) / each;
        const size_t rounds = (shards + workers - 1) / workers;
        if (8 * rounds * each < 7 * least) {
            least = rounds * each;
            best = each;
        }
    }
    return best;
}

static pl_status begin_share(pl_context cx, pl_walk_share *share, const pl_calib_spec *spec,
                             pl_error *err)
{
    const size_t workers = pl_pool_workers(cx.lab);
    share->off = workers < 2 || spec->protocol.windows < 2;
    if (share->off || share->count > 0) {
        return PL_OK;
    }
    const double parts[] = {pl_clock_now(), (double)getpid()};
    share->run = pl_id_bytes(parts, sizeof parts);
    share->windows = choose_windows(spec->protocol.windows, workers);
    share->count = pl_calib_shard_count(&spec->protocol, share->windows);
    share->home = malloc(share->count * sizeof *share->home);
    if (share->home == NULL) {
        return pl_error_memory(err, "the windows of a walk");
    }
    for (size_t i = 0; i < share->count; i++) {
        share->home[i] = PL_NO_HOME;
    }
    return PL_OK;
}

void pl_walk_share_deinit(pl_walk_share *share)
{
    free(share->home);
    *share = (pl_walk_share){.off = true};
}

static json_t *describe_walk_unit(pl_context cx, const pl_walk_share *share, size_t shard,
                                  pl_id calibration, pl_id key, size_t block, pl_site_role role)
{
    const size_t workers = pl_pool_workers(cx.lab);
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b}", "run", pl_pool_id(share->run),
                     "calibration", pl_pool_id(calibration), "key", pl_pool_id(key), "windows",
                     (json_int_t)share->windows, "shard", (json_int_t)shard, "shards",
                     (json_int_t)((share->count + workers - 1) / workers), "block",
                     (json_int_t)block, "role", (json_int_t)role, "beside", (int)share->beside);
}

pl_status pl_walk_in_units(pl_context cx, pl_walk_share *share, const pl_calib_spec *spec,
                           pl_id calibration, pl_id key, size_t block, pl_site_role role,
                           pl_error *err)
{
    pl_store *store = pl_lab_store(cx.lab);
    bool any = false, whole = true;
    pl_error why = {0};
    if (share->off) {
        return PL_OK;
    }
    pl_status status = begin_share(cx, share, spec, err);
    if (status != PL_OK || share->off) {
        return status;
    }
    status = pl_calib_walk_missing(spec, share->beside, store, key, block, role, &any, err);
    if (status != PL_OK || !any) {
        return status;
    }
    pl_units units = {.kind = &pl_unit_walk, .list = json_array(), .home = share->home};
    for (size_t i = 0; i < share->count; i++) {
        pl_json_append(units.list, describe_walk_unit(cx, share, i, calibration, key, block, role));
    }
    status = pl_pool_run(cx, &units, err);
    json_decref(units.answers);
    for (size_t i = 0; status == PL_OK && i < share->count; i++) {
        whole = whole && pl_calib_walk_shard_there(store, key, share->windows, i, block, role);
    }
    if (status == PL_OK && whole) {
        status = pl_calib_walk_join(spec, share->beside, store, key, share->windows, block, role,
                                    cx.task, &why);
        whole = status == PL_OK;
        status = status == PL_ERR_CANCELLED ? pl_error_set(err, status, "%s", why.message) : PL_OK;
    }
    share->off = !whole;
    return status;
}
