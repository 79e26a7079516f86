/* Statistics and Gram matrices of a bare model's inputs, which its user has dumped. */
#include "core/calib/calib.h"

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/calib/calib_parts.h"
#include "core/model/bare.h"

#include <string.h>

/* Rows that make one partial sum: a calibration's window by default, so that the rows of one give
 * the same bytes here. */
enum { ROWS = 512 };

enum { INPUTS_VERSION = 1 };

pl_status pl_calib_inputs_key(pl_model *model, size_t sample_rows, pl_id *out, pl_task *task,
                              pl_error *err)
{
    *out = (pl_id){0};
    pl_id inputs = {0};
    pl_hasher *hasher = NULL;
    pl_status status = pl_model_inputs_identity(model, &inputs, task, err);
    PL_THEN(pl_hasher_create(&hasher, err));
    if (status != PL_OK) {
        return status;
    }
    pl_hasher_text(hasher, "inputs");
    pl_hasher_u64(hasher, INPUTS_VERSION);
    pl_hasher_id(hasher, inputs);
    pl_hasher_u64(hasher, sample_rows);
    /* Entries are named by their site's number. */
    for (size_t s = 0; s < pl_model_site_count(model); s++) {
        const pl_tensor *x = pl_model_site_inputs(model, s);
        pl_hasher_text(hasher, x != NULL ? x->name : "");
    }
    *out = pl_hasher_finish(hasher);
    pl_hasher_destroy(hasher);
    return PL_OK;
}

/* One site on its way through the rows of its inputs. */
typedef struct reading {
    pl_checkpoint *checkpoint;
    const pl_tensor *tensor;
    size_t rows, cols, keep; /* keep: rows that the sample still has to take */
    pl_rng rng;
    float *x;         /* [ROWS, cols] */
    int32_t *ids;     /* [ROWS], -1: the tokens are not known */
    uint32_t *sample; /* [ROWS], the rows kept of this piece */
    pl_stats *stats;
} reading;

/* Selection sampling, as the pass over a text does it (pass.c). */
static size_t choose_sample(reading *r, size_t first, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (r->keep > 0 && pl_rng_below(&r->rng, r->rows - first - i) < r->keep) {
            r->sample[kept++] = (uint32_t)i;
            r->keep--;
        }
    }
    return kept;
}

static pl_status read_rows(reading *r, pl_task *task, pl_error *err)
{
    pl_status status = PL_OK;
    for (size_t first = 0; status == PL_OK && first < r->rows; first += ROWS) {
        size_t count = r->rows - first < ROWS ? r->rows - first : ROWS;
        status = pl_task_tick(task, err);
        PL_THEN(pl_checkpoint_read(r->checkpoint, r->tensor, first, count, r->x, err));
        if (status == PL_OK) {
            size_t kept = choose_sample(r, first, count);
            status = pl_stats_add(r->stats, first / ROWS, r->x, count, first, r->ids, r->sample,
                                  kept, task, err);
        }
        pl_task_progress(task, "rows", (double)(first + count), (double)r->rows);
    }
    return status;
}

static pl_status prepare_reading(reading *r, size_t sample_rows, size_t memory_limit,
                                 const char *name, pl_error *err)
{
    r->rows = pl_tensor_rows(r->tensor);
    r->cols = pl_tensor_cols(r->tensor);
    r->keep = sample_rows < r->rows ? sample_rows : r->rows;
    pl_rng_init(&r->rng, 0);
    const size_t windows = (r->rows + ROWS - 1) / ROWS;
    const double need = (double)pl_stats_bytes(r->cols, windows, r->keep);
    if (memory_limit > 0 && need > (double)memory_limit) {
        return pl_error_set(err, PL_ERR_MEMORY,
                            "%s: its statistics need %.0f MB, the memory limit is %.0f MB", name,
                            need / 1e6, (double)memory_limit / 1e6);
    }
    r->x = pl_alloc(ROWS * r->cols, sizeof *r->x);
    r->ids = pl_alloc(ROWS, sizeof *r->ids);
    r->sample = pl_alloc(ROWS, sizeof *r->sample);
    if (r->x == NULL || r->ids == NULL || r->sample == NULL) {
        return pl_error_memory(err, "its inputs of %s", name);
    }
    memset(r->ids, 0xff, ROWS * sizeof *r->ids);
    return pl_stats_create(r->cols, windows, r->keep, &r->stats, err);
}

pl_status pl_calib_inputs_site(const pl_inputs_spec *spec, pl_id key, size_t site, pl_store *store,
                               pl_task *task, pl_error *err)
{
    reading r = {.checkpoint = pl_model_inputs(spec->model),
                 .tensor = pl_model_site_inputs(spec->model, site)};
    const char *name = pl_model_site(spec->model, site)->name;
    pl_site_stats stats = {0};
    pl_status status = prepare_reading(&r, spec->sample_rows, spec->memory_limit, name, err);
    PL_THEN(read_rows(&r, task, err));
    if (status == PL_OK) {
        status = pl_stats_finish(r.stats, &stats, err);
        if (status == PL_ERR_NUMERIC) {
            pl_error_prefix(err, "%s: ", name);
        }
    }
    PL_THEN(pl_calib_put_site(store, key, spec->model, site, &stats, err));
    pl_site_stats_deinit(&stats);
    pl_stats_destroy(r.stats);
    free(r.x);
    free(r.ids);
    free(r.sample);
    return status;
}

pl_status pl_calib_drop_site(pl_store *store, pl_id calibration, size_t site, pl_error *err)
{
    pl_id key = pl_calib_site_key(calibration, site);
    return pl_store_has(store, "site", key) ? pl_store_remove(store, "site", key, err) : PL_OK;
}
