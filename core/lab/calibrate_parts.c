#include "core/lab/calibrate_parts.h"

#include "core/base/json.h"

static pl_status run_shard(pl_context cx, const json_t *what, json_t *answer, pl_error *err)
{
    (void)answer;
    pl_calib_spec spec;
    pl_tokens tokens = {0};
    pl_id key = {0};
    pl_status status = pl_lab_calib_spec(cx, &spec, &tokens, err);
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

const pl_unit_kind pl_unit_calibrate = {"calibrate", "tokens", run_shard};

static pl_status join(pl_lab *lab, const pl_calib_spec *spec, pl_id key, size_t windows,
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

pl_status pl_lab_calibrate_in_parts(pl_context cx, const pl_calib_spec *spec, size_t *sites,
                                    pl_error *err)
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
                           json_pack("{s:I, s:I, s:o}", "windows", (json_int_t)windows, "shard",
                                     (json_int_t)i, "calibration", pl_pool_id(key)));
        }
    }
    status = pl_pool_run(cx, &units, err);
    json_decref(units.answers);
    return status == PL_OK ? join(cx.lab, spec, key, windows, sites, cx.task, err) : status;
}
