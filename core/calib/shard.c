/* A calibration's windows in shards: each is a node of the tree that sums are made in, so that
 * whoever joins them in it gets the bytes of one pass over all windows. */
#include "core/base/checked.h"
#include "core/base/json.h"
#include "core/calib/calib_parts.h"
#include "core/calib/cross.h"

#include <stdio.h>
#include <string.h>

static const char PART[] = "part";

/* What of a shard an entry holds: the sums of one block's sites, or, as the last, the massive
 * activations of all blocks. */
static pl_id shard_part_key(pl_id calibration, size_t windows, size_t shard, size_t block)
{
    const uint64_t parts[] = {calibration.high, calibration.low, windows, shard, block, 1};
    return pl_id_bytes(parts, sizeof parts);
}

size_t pl_calib_shard_windows(const pl_protocol *protocol, size_t shards)
{
    size_t windows = 1;
    while (2 * windows * shards <= protocol->windows) {
        windows *= 2;
    }
    return windows;
}

size_t pl_calib_shard_count(const pl_protocol *protocol, size_t windows)
{
    return (protocol->windows + windows - 1) / windows;
}

/* --- a shard's run ---------------------------------------------------------------------------- */

/* The last one is there where the original model walked along. */
enum { CROSS = 5, SECTIONS = 6 };
static const char *const names[SECTIONS] = {"moments", "gram",   "histogram",
                                            "sample",  "places", "cross"};

/* The name of a site's section within its block's entry. */
static void name_section(size_t site, size_t which, char out[40])
{
    snprintf(out, 40, "%zu.%s", site, names[which]);
}

/* What of a block is to be stored: its sites come from several threads. */
typedef struct gathered {
    size_t first, sites;
    char (*names)[40];    /* [sites * SECTIONS] */
    pl_section *sections; /* [sites * SECTIONS], their data owned */
    json_t **about;       /* [sites] */
} gathered;

static void gathered_deinit(gathered *g)
{
    for (size_t i = 0; g->sections != NULL && i < g->sites * SECTIONS; i++) {
        free((void *)(uintptr_t)g->sections[i].data);
    }
    for (size_t i = 0; g->about != NULL && i < g->sites; i++) {
        json_decref(g->about[i]);
    }
    free(g->names);
    free(g->sections);
    free(g->about);
    *g = (gathered){0};
}

static pl_status gathered_init(gathered *g, const pl_model *model, size_t block, pl_error *err)
{
    *g = (gathered){0};
    g->sites = pl_model_block_sites(model, block, &g->first);
    g->names = calloc(g->sites * SECTIONS, sizeof *g->names);
    g->sections = calloc(g->sites * SECTIONS, sizeof *g->sections);
    g->about = calloc(g->sites, sizeof(json_t *));
    if (g->names == NULL || g->sections == NULL || g->about == NULL) {
        gathered_deinit(g);
        return pl_error_memory(err, "a block's sites");
    }
    return PL_OK;
}

typedef struct shard_run {
    const pl_model *model;
    gathered block;
} shard_run;

static pl_status gather_part(void *ctx, size_t site, const pl_stats_part *part, pl_error *err)
{
    shard_run *r = ctx;
    const size_t i = site - r->block.first, n = pl_model_site(r->model, site)->cols;
    const size_t sections = part->cross != NULL ? SECTIONS : CROSS;
    const void *const data[SECTIONS] = {part->moments, part->gram,   part->histogram,
                                        part->sample,  part->places, part->cross};
    const size_t bytes[SECTIONS] = {pl_stats_part_bytes(n),
                                    pl_packed_size(n) * sizeof(float),
                                    PL_HIST_BINS * sizeof(uint64_t),
                                    part->rows * n * sizeof(float),
                                    part->rows * 3 * 4,
                                    n * n * sizeof(float)};
    r->block.about[i] = json_pack("{s:I, s:I, s:I, s:f, s:I}", "site", (json_int_t)i, "level",
                                  (json_int_t)part->level, "index", (json_int_t)part->index,
                                  "tokens", part->tokens, "rows", (json_int_t)part->rows);
    bool fits = r->block.about[i] != NULL;
    for (size_t s = 0; fits && s < sections; s++) {
        void *copy = malloc(bytes[s] > 0 ? bytes[s] : 1);
        fits = copy != NULL;
        if (fits && bytes[s] > 0) {
            memcpy(copy, data[s], bytes[s]);
        }
        char *name = r->block.names[i * SECTIONS + s];
        name_section(i, s, name);
        r->block.sections[i * SECTIONS + s] = (pl_section){name, copy, fits ? bytes[s] : 0};
    }
    return fits ? PL_OK : pl_error_memory(err, "the statistics of %zu channels", n);
}

static pl_status put_block(gathered *g, pl_store *store, pl_id key, pl_error *err)
{
    json_t *sites = json_array(), *about = NULL;
    size_t sections = 0;
    for (size_t i = 0; i < g->sites; i++) {
        const bool seen = g->about[i] != NULL;
        pl_json_append(sites, seen ? json_incref(g->about[i]) : json_null());
        for (size_t k = 0; seen && k < SECTIONS; k++) {
            const pl_section one = g->sections[i * SECTIONS + k];
            g->sections[i * SECTIONS + k] = (pl_section){0};
            g->sections[sections] = one;
            sections += one.name != NULL;
        }
    }
    about = json_pack("{s:s, s:o}", "holds", "what some windows of a calibration add up to",
                      "sites", sites);
    pl_status status = about != NULL && json_array_size(sites) == g->sites
                           ? pl_store_put(store, PART, key, about, g->sections, sections, err)
                           : pl_error_memory(err, "a part of a calibration");
    json_decref(about);
    return status;
}

static pl_status put_massive(const pl_pass *pass, pl_store *store, pl_id key, pl_error *err)
{
    size_t count = 0;
    const pl_massive *massive = pl_pass_massive(pass, &count);
    const pl_massive *nearest = pl_pass_nearest(pass);
    const float share = pl_pass_nearest_share(pass);
    const pl_section sections[] = {{"massive", massive, count * sizeof *massive},
                                   {"share", &share, sizeof share},
                                   {"nearest", nearest, sizeof *nearest}};
    return pl_store_put(store, PART, key, NULL, sections, nearest != NULL ? 3 : 2, err);
}

static pl_status run_shard_block(pl_pass *pass, const pl_calib_spec *spec, size_t block,
                                 pl_store *store, pl_id key, const bool *want, pl_task *task,
                                 pl_error *err)
{
    shard_run run = {.model = spec->model};
    pl_status status = gathered_init(&run.block, spec->model, block, err);
    const pl_pass_step step = {.block = block,
                               .want = want,
                               .advance = true,
                               .massive = true,
                               .progress = true,
                               .part_sink = gather_part,
                               .ctx = &run};
    PL_THEN(pl_pass_block(pass, &step, task, err));
    PL_THEN(put_block(&run.block, store, key, err));
    gathered_deinit(&run.block);
    return status;
}

pl_status pl_calib_shard_run(const pl_calib_spec *spec, pl_store *store, pl_id calibration,
                             size_t windows, size_t shard, pl_task *task, pl_error *err)
{
    const size_t first = shard * windows, all = spec->protocol.windows;
    const size_t blocks = pl_model_config(spec->model)->blocks;
    const size_t sites = pl_model_site_count(spec->model);
    if (windows == 0 || shard >= all || first >= all) {
        return pl_error_set(err, PL_ERR_USAGE, "calibrate: shard %zu of %zu windows, of %zu there",
                            shard, windows, all);
    }
    pl_pass *pass = NULL;
    bool *want = malloc(sites + 1);
    pl_status status =
        want != NULL ? pl_pass_create(spec, &pass, err) : pl_error_memory(err, "a calibration");
    if (status == PL_OK) {
        memset(want, true, sites + 1);
        pl_pass_narrow(pass, first, all - first < windows ? all - first : windows);
        status = pl_pass_start(pass, false, pl_store_folder(store), task, err);
    }
    for (size_t b = 0; status == PL_OK && b < blocks; b++) {
        status = run_shard_block(pass, spec, b, store,
                                 shard_part_key(calibration, windows, shard, b), want, task, err);
    }
    PL_THEN(put_massive(pass, store, shard_part_key(calibration, windows, shard, blocks), err));
    free(want);
    pl_pass_destroy(pass);
    return status;
}

bool pl_calib_shard_there(const pl_calib_spec *spec, pl_store *store, pl_id calibration,
                          size_t windows, size_t shard)
{
    bool there = true;
    for (size_t b = 0; there && b <= pl_model_config(spec->model)->blocks; b++) {
        there = pl_store_has(store, PART, shard_part_key(calibration, windows, shard, b));
    }
    return there;
}

/* --- joining ---------------------------------------------------------------------------------- */

typedef struct join {
    const pl_calib_spec *spec;
    pl_store *store;
    pl_id calibration;
    size_t windows, shards, blocks;
    bool beside;   /* the original model walked along */
    size_t *sites; /* counts those that were put */
    pl_task *task;
} join;

/* place: of the entry: a block's number, or what stands for a part of one. */
static pl_status get_part(const join *j, size_t shard, size_t place, pl_entry **out, pl_error *err)
{
    return pl_store_get(j->store, PART, shard_part_key(j->calibration, j->windows, shard, place),
                        out, err);
}

/* A section in memory of its own, of the size that it has in the entry, at most `most`. */
static pl_status read_section_whole(pl_entry *entry, const char *name, size_t most, void **out,
                                    size_t *bytes, pl_error *err)
{
    *bytes = pl_entry_section_bytes(entry, name);
    if (*bytes == SIZE_MAX || *bytes > most) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "a part of a calibration: section %s is missing or "
                            "too large",
                            name);
    }
    *out = malloc(*bytes > 0 ? *bytes : 1);
    return *out != NULL ? pl_entry_read(entry, name, *out, *bytes, err)
                        : pl_error_memory(err, "a part of a calibration");
}

/* cross: NULL where none is made. */
static pl_status add_shard(pl_entry *entry, size_t i, size_t n, size_t most_rows, pl_stats *stats,
                           pl_cross *cross, pl_error *err)
{
    const json_t *about = json_array_get(json_object_get(pl_entry_about(entry), "sites"), i);
    const json_int_t rows = json_integer_value(json_object_get(about, "rows"));
    void *data[SECTIONS] = {NULL};
    pl_status status = about != NULL && rows >= 0 && (uint64_t)rows <= most_rows
                           ? PL_OK
                           : pl_error_set(err, PL_ERR_FORMAT,
                                          "a part of a calibration: site %zu "
                                          "of the block is missing",
                                          i);
    const size_t count = status == PL_OK ? (size_t)rows : 0;
    const size_t expected[SECTIONS] = {pl_stats_part_bytes(n),
                                       pl_packed_size(n) * sizeof(float),
                                       PL_HIST_BINS * sizeof(uint64_t),
                                       count * n * sizeof(float),
                                       count * 3 * 4,
                                       n * n * sizeof(float)};
    const size_t sections = cross != NULL ? SECTIONS : CROSS;
    for (size_t s = 0; status == PL_OK && s < sections; s++) {
        char name[40];
        size_t bytes = 0;
        name_section(i, s, name);
        status = read_section_whole(entry, name, expected[s], &data[s], &bytes, err);
        if (status == PL_OK && bytes != expected[s]) {
            status = pl_error_set(err, PL_ERR_FORMAT,
                                  "a part of a calibration: section %s has %zu bytes, expected %zu",
                                  name, bytes, expected[s]);
        }
    }
    if (status == PL_OK) {
        const pl_stats_part part = {
            .level = (size_t)json_integer_value(json_object_get(about, "level")),
            .index = (size_t)json_integer_value(json_object_get(about, "index")),
            .tokens = json_number_value(json_object_get(about, "tokens")),
            .moments = data[0],
            .gram = data[1],
            .histogram = data[2],
            .sample = data[3],
            .places = data[4],
            .rows = count};
        status = pl_stats_add_part(stats, &part, err);
        if (status == PL_OK && cross != NULL) {
            status = pl_cross_add_part(cross, part.level, part.index, data[CROSS], err);
        }
    }
    for (size_t s = 0; s < SECTIONS; s++) {
        free(data[s]);
    }
    return status;
}

static pl_status join_site(const join *j, size_t place, size_t i, size_t site, pl_error *err)
{
    const pl_protocol *p = &j->spec->protocol;
    const pl_site *about = pl_model_site(j->spec->model, site);
    const size_t total = p->windows * p->length;
    const size_t rows = j->spec->sample_rows < total ? j->spec->sample_rows : total;
    pl_stats *stats = NULL;
    pl_cross *cross = NULL;
    pl_site_stats made = {0};
    pl_status status = pl_stats_create(about->cols, p->windows, rows, &stats, err);
    if (status == PL_OK && j->beside) {
        status = pl_cross_create(about->cols, p->windows, &cross, err);
    }
    for (size_t shard = 0; status == PL_OK && shard < j->shards; shard++) {
        pl_entry *entry = NULL;
        status = pl_task_tick(j->task, err);
        PL_THEN(get_part(j, shard, place, &entry, err));
        PL_THEN(add_shard(entry, i, about->cols, rows, stats, cross, err));
        pl_entry_close(entry);
    }
    PL_THEN(pl_stats_finish_packed(stats, &made, err));
    if (status == PL_ERR_NUMERIC) {
        pl_error_prefix(err, "%s: ", about->name);
    }
    if (status == PL_OK && cross != NULL) {
        made.cross = pl_cross_take(cross, made.tokens);
    }
    PL_THEN(pl_calib_put_site(j->store, j->calibration, j->spec->model, site, &made, err));
    *j->sites += status == PL_OK;
    pl_site_stats_deinit(&made);
    pl_stats_destroy(stats);
    pl_cross_destroy(cross);
    return status;
}

static pl_status join_sites(const join *j, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t b = 0; status == PL_OK && b < j->blocks; b++) {
        size_t first = 0;
        const size_t count = pl_model_block_sites(j->spec->model, b, &first);
        for (size_t i = 0; status == PL_OK && i < count; i++) {
            bool whole = false, damaged = false;
            status = pl_calib_verify_site(j->store, j->calibration, j->spec, first + i, &whole,
                                          &damaged, err);
            if (status == PL_OK && !whole) {
                status = join_site(j, b, i, first + i, err);
            }
        }
    }
    return status;
}

/* One shard's massive activations, and what came nearest. */
typedef struct found {
    pl_massive *list;
    size_t count, at;
} found;

static pl_status read_found(const join *j, size_t shard, found *out, pl_massive *nearest,
                            float *best, pl_error *err)
{
    pl_entry *entry = NULL;
    void *list = NULL;
    size_t bytes = 0;
    float share = 0;
    pl_massive own;
    pl_status status = get_part(j, shard, j->blocks, &entry, err);
    PL_THEN(read_section_whole(entry, "massive", PL_PASS_MASSIVE * sizeof own, &list, &bytes, err));
    PL_THEN(pl_entry_read(entry, "share", &share, sizeof share, err));
    if (status == PL_OK && share > 0.0f) {
        status = pl_entry_read(entry, "nearest", &own, sizeof own, err);
        /* Of equal ones the first that a pass over all windows meets. */
        if (status == PL_OK &&
            (share > *best || (!(share < *best) && own.block < nearest->block))) {
            *nearest = own;
            *best = share;
        }
    }
    pl_entry_close(entry);
    out->list = list;
    out->count = bytes / sizeof own;
    return status;
}

/* In the order of one pass: block by block, of each the windows. */
static size_t merge_found(found *of, size_t shards, size_t blocks, pl_massive *out)
{
    size_t count = 0;
    for (size_t b = 0; b < blocks; b++) {
        for (size_t s = 0; s < shards; s++) {
            while (of[s].at < of[s].count && of[s].list[of[s].at].block == b) {
                if (count < PL_PASS_MASSIVE) {
                    out[count++] = of[s].list[of[s].at];
                }
                of[s].at++;
            }
        }
    }
    return count;
}

static pl_status join_massive(const join *j, pl_error *err)
{
    pl_massive nearest = {0};
    float best = 0;
    size_t most = 0;
    found *of = calloc(j->shards, sizeof *of);
    pl_status status = of != NULL ? PL_OK : pl_error_memory(err, "the massive activations");
    for (size_t s = 0; status == PL_OK && s < j->shards; s++) {
        status = read_found(j, s, &of[s], &nearest, &best, err);
        most += of[s].count;
    }
    pl_massive *all = status == PL_OK ? pl_alloc(most, sizeof *all) : NULL;
    if (status == PL_OK && all == NULL) {
        status = pl_error_memory(err, "the massive activations");
    }
    if (status == PL_OK) {
        const size_t count = merge_found(of, j->shards, j->blocks, all);
        status = pl_calib_put_whole(j->store, j->calibration, j->spec, all, count,
                                    best > 0.0f ? &nearest : NULL, err);
    }
    for (size_t s = 0; of != NULL && s < j->shards; s++) {
        free(of[s].list);
    }
    free(of);
    free(all);
    return status;
}

pl_status pl_calib_shards_join(const pl_calib_spec *spec, pl_store *store, pl_id calibration,
                               size_t windows, size_t *sites, pl_task *task, pl_error *err)
{
    const join j = {.spec = spec,
                    .store = store,
                    .calibration = calibration,
                    .windows = windows,
                    .shards = pl_calib_shard_count(&spec->protocol, windows),
                    .blocks = pl_model_config(spec->model)->blocks,
                    .sites = sites,
                    .task = task};
    *sites = 0;
    pl_status status = join_sites(&j, err);
    PL_THEN(join_massive(&j, err));
    for (size_t s = 0; status == PL_OK && s < j.shards; s++) {
        for (size_t b = 0; status == PL_OK && b <= j.blocks; b++) {
            status = pl_store_remove(store, PART, shard_part_key(calibration, windows, s, b), err);
        }
    }
    return status;
}

/* --- a walk's parts --------------------------------------------------------------------------- */

/* Behind all blocks of a calibration under the same key. */
static size_t site_place(size_t block, pl_site_role role)
{
    return ((size_t)1 << 32) + block * PL_SITE_ROLE_END + (size_t)role;
}

pl_status pl_calib_walk_missing(const pl_calib_spec *spec, bool beside, pl_store *store, pl_id key,
                                size_t block, pl_site_role role, bool *any, pl_error *err)
{
    bool *want = NULL;
    const pl_status status =
        pl_walk_missing(spec, beside, store, key, block, role, &want, any, err);
    free(want);
    return status;
}

pl_status pl_calib_walk_shard(pl_calib_walk *walk, const pl_model *model, pl_store *store,
                              pl_id key, size_t windows, size_t shard, size_t block,
                              pl_site_role role, const pl_hooks *hooks, pl_task *task,
                              pl_error *err)
{
    shard_run run = {.model = model};
    pl_status status = gathered_init(&run.block, model, block, err);
    PL_THEN(pl_walk_part(walk, block, role, hooks, gather_part, &run, pl_store_folder(store), task,
                         err));
    PL_THEN(put_block(&run.block, store,
                      shard_part_key(key, windows, shard, site_place(block, role)), err));
    gathered_deinit(&run.block);
    return status;
}

bool pl_calib_walk_shard_there(pl_store *store, pl_id key, size_t windows, size_t shard,
                               size_t block, pl_site_role role)
{
    return pl_store_has(store, PART, shard_part_key(key, windows, shard, site_place(block, role)));
}

pl_status pl_calib_walk_join(const pl_calib_spec *spec, bool beside, pl_store *store, pl_id key,
                             size_t windows, size_t block, pl_site_role role, pl_task *task,
                             pl_error *err)
{
    size_t made = 0, first = 0;
    bool *want = NULL, any = false;
    const join j = {.spec = spec,
                    .store = store,
                    .calibration = key,
                    .windows = windows,
                    .shards = pl_calib_shard_count(&spec->protocol, windows),
                    .beside = beside,
                    .sites = &made,
                    .task = task};
    const size_t place = site_place(block, role);
    const size_t count = pl_model_block_sites(spec->model, block, &first);
    pl_status status = pl_walk_missing(spec, beside, store, key, block, role, &want, &any, err);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        if (want[i]) {
            status = join_site(&j, place, i, first + i, err);
        }
    }
    for (size_t s = 0; status == PL_OK && s < j.shards; s++) {
        status = pl_store_remove(store, PART, shard_part_key(key, windows, s, place), err);
    }
    free(want);
    return status;
}
