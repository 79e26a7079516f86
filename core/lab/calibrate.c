#include "core/lab/calibrate.h"

#include "core/base/json.h"
#include "core/lab/half_spec.h"
#include "core/model/bare.h"

static pl_status run_shard(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    (void)answer;
    pl_calib_spec spec;
    pl_tokens tokens = {0};
    pl_id key = {0};
    const size_t half = pl_pool_read_size(what, "half"); /* from 1; 0: the whole */
    pl_status status = half > 0 ? pl_lab_half_spec(cx, half - 1, pl_pool_read_size(what, "rows"),
                                                   &spec, &tokens, err)
                                : pl_lab_calib_spec(cx, &spec, &tokens, err);
    PL_THEN(pl_calib_key(&spec, &key, cx.task, err));
    if (status == PL_OK && !pl_id_equal(key, pl_pool_read_id(what, "calibration"))) {
        status = pl_error_set(err, PL_ERR_CHANGED,
                              "calibrate: the model or the text is another one here");
    }
    PL_THEN(pl_calib_shard_run(&spec, pl_lab_store(cx.lab), key, pl_pool_read_size(what, "windows"),
                               pl_pool_read_size(what, "shard"), cx.task, err));
    pl_tokens_deinit(&tokens);
    return status;
}

const pl_unit_kind pl_unit_calibrate = {
    .name = "calibrate", .counting = "tokens", .run = run_shard};

static pl_status join_shards(pl_lab *lab, const pl_calib_spec *spec, pl_id key, size_t windows,
                             size_t *sites, pl_task *task, pl_error *err)
{
    pl_store *store = pl_lab_store(lab);
    for (size_t i = 0; i < pl_calib_shard_count(&spec->protocol, windows); i++) {
        if (!pl_calib_shard_there(spec, store, key, windows, i)) {
            return PL_OK;
        }
    }
    pl_error why = {0};
    const pl_status status = pl_calib_shards_join(spec, store, key, windows, sites, task, &why);
    return status == PL_ERR_CANCELLED ? pl_error_set(err, status, "%s", why.message) : PL_OK;
}

pl_status pl_lab_calibrate_in_parts(pl_context cx, const pl_calib_spec *spec,
                                    const pl_calib_half *half, size_t *sites, pl_error *err)
{
    /* Each worker has more than one, so that the last ones end together. */
    enum { EACH = 2 };
    const size_t workers = pl_pool_workers(cx.lab);
    const double total = (double)spec->protocol.windows * (double)spec->protocol.length;
    pl_id key = {0};
    *sites = 0;
    if (workers < 2 || spec->protocol.windows < 2) {
        return PL_OK;
    }
    const size_t windows = pl_calib_shard_windows(&spec->protocol, EACH * workers);
    pl_status status = pl_calib_key(spec, &key, cx.task, err);
    if (status != PL_OK || pl_calib_complete(pl_lab_store(cx.lab), key, spec->model)) {
        return status;
    }
    pl_units units = {.kind = &pl_unit_calibrate, .list = json_array(), .total = total};
    for (size_t i = 0; i < pl_calib_shard_count(&spec->protocol, windows); i++) {
        if (!pl_calib_shard_there(spec, pl_lab_store(cx.lab), key, windows, i)) {
            pl_json_append(units.list,
                           json_pack("{s:I, s:I, s:o, s:I, s:I}", "windows", (json_int_t)windows,
                                     "shard", (json_int_t)i, "calibration", pl_pool_id(key), "half",
                                     (json_int_t)(half != NULL ? half->half + 1 : 0), "rows",
                                     (json_int_t)(half != NULL ? half->rows : 0)));
        }
    }
    status = pl_pool_run(cx, &units, err);
    json_decref(units.answers);
    return status == PL_OK ? join_shards(cx.lab, spec, key, windows, sites, cx.task, err) : status;
}

pl_status pl_lab_calibrate(pl_context cx, pl_id *key, pl_calib_report *report, pl_error *err)
{
    if (pl_model_inputs(cx.state->source->model) != NULL) {
        if (report != NULL) {
            *report = (pl_calib_report){0};
        }
        return pl_calib_inputs_key(cx.state->source->model, PL_CALIB_SAMPLE_ROWS, key, cx.task,
                                   err);
    }
    pl_calib_spec spec;
    pl_tokens tokens = {0};
    pl_status status = pl_lab_calib_spec(cx, &spec, &tokens, err);
    if (status != PL_OK) {
        return status;
    }
    pl_calib_report local = {0};
    size_t made = 0;
    status = pl_lab_calibrate_in_parts(cx, &spec, NULL, &made, err);
    PL_THEN(pl_calib_run(&spec, pl_lab_store(cx.lab), key, &local, cx.task, err));
    if (status == PL_OK && made <= local.sites_found) { /* by the pool, in parts */
        local.sites_found -= made;
        local.sites_computed += made;
    }
    pl_tokens_deinit(&tokens);
    if (status == PL_OK && local.sites_rebuilt > 0) {
        pl_buf text = {0};
        pl_buf_printf(&text, "%zu damaged %s of the calibration in %s computed again",
                      local.sites_rebuilt, local.sites_rebuilt == 1 ? "entry" : "entries",
                      pl_store_folder(pl_lab_store(cx.lab)));
        pl_lab_warn(cx.lab, text.data != NULL ? text.data : "damaged entries computed again");
        pl_buf_deinit(&text);
    }
    PL_THEN(pl_store_trim(pl_lab_store(cx.lab), err));
    if (report != NULL) {
        *report = local;
    }
    return status;
}
