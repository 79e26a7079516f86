#include "core/calib/calib.h"

#include "core/base/clock.h"
#include "core/calib/calib_parts.h"

#include <stdlib.h>
#include <time.h>

/* Raised whenever the numbers of a calibration of the same inputs change. */
enum { CALIB_VERSION = 4 };

pl_status pl_calib_key(const pl_calib_spec *spec, pl_id *out, pl_task *task, pl_error *err)
{
    *out = (pl_id){0};
    pl_id model, config;
    pl_hasher *hasher = NULL;
    pl_status status = pl_model_identity(spec->model, &model, task, err);
    PL_THEN(pl_config_identity(pl_model_config(spec->model), &config, err));
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status != PL_OK) {
        return status;
    }
    const pl_protocol *p = &spec->protocol;
    const bool random = p->sample == PL_SAMPLE_RANDOM;
    pl_hasher_text(hasher, "calibration");
    pl_hasher_u64(hasher, CALIB_VERSION);
    pl_hasher_id(hasher, model);
    pl_hasher_id(hasher, config);
    pl_hasher_id(hasher, spec->tokens->text);
    /* The tokenizer is no tensor of the model: the ids stand for it. */
    pl_hasher_id(hasher,
                 pl_id_bytes(spec->tokens->ids, spec->tokens->count * sizeof *spec->tokens->ids));
    pl_hasher_u64(hasher, p->length);
    pl_hasher_u64(hasher, p->windows);
    pl_hasher_text(hasher, random ? "random" : "first");
    pl_hasher_u64(hasher, random ? p->seed : 0);
    pl_hasher_u64(hasher, spec->sample_rows);
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

/* What a run writes to and counts. */
typedef struct run {
    const pl_calib_spec *spec;
    pl_store *store;
    pl_id key;
    bool *missing; /* [sites] */
    pl_calib_report *report;
} run;

static pl_status store_site(void *ctx, size_t site, const pl_site_stats *stats, pl_error *err)
{
    run *r = ctx;
    pl_status status = pl_calib_put_site(r->store, r->key, r->spec->model, site, stats, err);
    if (status == PL_OK) {
#pragma omp atomic
        r->report->sites_computed++;
    }
    return status;
}

/* What is in the store already.  *blocks: how many blocks must be run. */
static pl_status take_stock(run *r, bool *whole, size_t *blocks, pl_task *task, pl_error *err)
{
    const pl_model *model = r->spec->model;
    *blocks = 0;
    for (size_t s = 0; s < pl_model_site_count(model); s++) {
        bool found = false, damaged = false;
        pl_status status = pl_task_tick(task, err);
        PL_THEN(pl_calib_verify_site(r->store, r->key, r->spec, s, &found, &damaged, err));
        if (status != PL_OK) {
            return status;
        }
        r->missing[s] = !found;
        r->report->sites_found += found ? 1 : 0;
        r->report->sites_rebuilt += damaged ? 1 : 0;
        const size_t block = pl_model_site(model, s)->block;
        if (!found && block + 1 > *blocks) {
            *blocks = block + 1;
        }
    }
    bool damaged = false;
    pl_status status = pl_calib_verify_whole(r->store, r->key, whole, &damaged, err);
    r->report->sites_rebuilt += damaged ? 1 : 0;
    if (status == PL_OK && !*whole) {
        *blocks = pl_model_config(model)->blocks;
    }
    return status;
}

static pl_status run_blocks(run *r, pl_pass *pass, bool whole, size_t blocks, pl_task *task,
                            pl_error *err)
{
    const pl_model *model = r->spec->model;
    for (size_t b = 0; b < blocks; b++) {
        pl_pass_step step = {.block = b,
                             .advance = true,
                             .massive = !whole,
                             .progress = true,
                             .sink = store_site,
                             .ctx = r};
        size_t first = 0;
        (void)pl_model_block_sites(model, b, &first);
        step.want = r->missing + first;
        pl_status status = pl_pass_block(pass, &step, task, err);
        if (status != PL_OK) {
            return status;
        }
    }
    if (whole) {
        return PL_OK;
    }
    size_t count = 0;
    const pl_massive *massive = pl_pass_massive(pass, &count);
    return pl_calib_put_whole(r->store, r->key, r->spec, massive, count, pl_pass_nearest(pass),
                              err);
}

pl_status pl_calib_run(const pl_calib_spec *spec, pl_store *store, pl_id *key,
                       pl_calib_report *report, pl_task *task, pl_error *err)
{
    const double begin = pl_clock_now();
    pl_calib_report mine;
    run r = {.spec = spec, .store = store, .report = report != NULL ? report : &mine};
    *r.report = (pl_calib_report){0};
    *key = (pl_id){0};
    pl_pass *pass = NULL;
    bool whole = false;
    size_t blocks = 0;
    pl_status status = pl_pass_create(spec, &pass, err);
    PL_THEN(pl_calib_key(spec, &r.key, task, err));
    if (status != PL_OK) {
        goto done;
    }
    r.missing = calloc(pl_model_site_count(spec->model), sizeof *r.missing);
    if (r.missing == NULL) {
        status = pl_error_memory(err, "a calibration");
        goto done;
    }
    status = take_stock(&r, &whole, &blocks, task, err);
    if (status == PL_OK && blocks > 0) {
        status = pl_pass_start(pass, false, pl_store_folder(store), task, err);
    }
    PL_THEN(run_blocks(&r, pass, whole, blocks, task, err));
    if (status == PL_OK) {
        *key = r.key;
        r.report->tokens = spec->protocol.windows * spec->protocol.length;
    }
done:
    r.report->seconds = pl_clock_now() - begin;
    free(r.missing);
    pl_pass_destroy(pass);
    return status;
}
