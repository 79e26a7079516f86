/* outliers: the largest channels of a layer. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/study/channel_table.h"

#include <stdlib.h>

static json_t *json_of_channel(const pl_channel_row *row, const pl_token_context *context)
{
    const bool has = row->token_position >= 0;
    const bool known = has && row->token_id >= 0;
    json_t *line = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:s?}", "channel", (json_int_t)row->channel, "max",
        pl_json_number(row->max), "rms", pl_json_number(row->rms), "ratio",
        pl_json_number(row->ratio), "token_position",
        has ? json_integer(row->token_position) : json_null(), "token_id",
        known ? json_integer(row->token_id) : json_null(), "token", known ? row->token : NULL);
    if (has) {
        pl_put_token_context(line, context, (size_t)row->token_position);
    }
    return line;
}

/* Of the state's calibration, where there is one. */
static pl_status find_context(pl_context cx, pl_token_context *out, pl_error *err)
{
    pl_id calibration = {0};
    return pl_lab_is_calibrated(cx.lab, cx.state, &calibration)
               ? pl_token_context_init(cx, calibration, out, err)
               : PL_OK;
}

static pl_status list_layer(const pl_call *call, pl_context cx, pl_side side, size_t top,
                            json_t *list, pl_error *err)
{
    size_t layer = 0, count = 0;
    pl_token_context context = {0};
    pl_channel_row *rows = calloc(top, sizeof *rows);
    pl_status status = rows != NULL ? pl_target_layer(call, cx.state, 0, &layer, err)
                                    : pl_error_memory(err, "a table of channels");
    PL_THEN(pl_channel_table(cx, layer, side, top, rows, &count, err));
    PL_THEN(find_context(cx, &context, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_json_append(list, json_of_channel(&rows[i], &context));
    }
    pl_token_context_deinit(&context);
    free(rows);
    return status;
}

/* All layers: each row names its layer, and the number of inputs of the residual stream in which
 * its channel is an outlier. */
static pl_status list_all(const pl_call *call, pl_context cx, pl_side side, size_t top,
                          json_t *list, pl_error *err)
{
    size_t count = 0;
    pl_token_context context = {0};
    pl_ranked_channel *rows = calloc(top, sizeof *rows);
    pl_status status = rows == NULL ? pl_error_memory(err, "a table of channels")
                                    : pl_rank_channels(cx, side, pl_call_value(call, "on"), top,
                                                       rows, &count, err);
    PL_THEN(find_context(cx, &context, err));
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_layer *layer = pl_model_layer(cx.state->source->model, rows[i].layer);
        json_t *line = json_pack("{s:s}", "layer", layer->name);
        json_t *channel = json_of_channel(&rows[i].row, &context);
        if (json_object_update(line, channel) != 0) {
            pl_memory_failed();
        }
        json_decref(channel);
        if (side == PL_SIDE_INPUT) {
            const bool residual = rows[i].inputs > 0;
            pl_json_set(line, "outlier_in",
                        residual ? json_integer((json_int_t)rows[i].outlier_in) : json_null());
            pl_json_set(line, "of",
                        residual ? json_integer((json_int_t)rows[i].inputs) : json_null());
        }
        pl_json_append(list, line);
    }
    pl_token_context_deinit(&context);
    free(rows);
    return status;
}

static pl_status check_glob(const pl_call *call, const pl_model *model, pl_error *err)
{
    const char *glob = pl_call_value(call, "on");
    bool found = glob == NULL;
    for (size_t i = 0; !found && i < pl_model_layer_count(model); i++) {
        found = pl_model_layer_matches(model, i, glob);
    }
    return found ? PL_OK
                 : pl_error_set(err, PL_ERR_NOT_FOUND, "outliers: no layer matches on=%s", glob);
}

static pl_status run_outliers(pl_call *call, pl_context cx, pl_error *err)
{
    size_t side = PL_SIDE_INPUT, top = 0;
    const bool all = pl_call_is_of_all(call);
    json_t *list = json_array();
    pl_json_set(call->result, "channels", list);
    pl_status status = pl_usage_choice(call, "side", &side, err);
    PL_THEN(pl_usage_size(call, "top", 1, 1u << 20, &top, err));
    if (status == PL_OK && !all && pl_call_value(call, "on") != NULL) {
        status = pl_error_set(err, PL_ERR_USAGE, "outliers: on= goes with `all`");
    }
    PL_THEN(check_glob(call, cx.state->source->model, err));
    PL_THEN(pl_rows_check_file(call, err));
    PL_THEN(all ? list_all(call, cx, (pl_side)side, top, list, err)
                : list_layer(call, cx, (pl_side)side, top, list, err));
    PL_THEN(pl_rows_write(call, cx.state, list, cx.task, err));
    return status;
}

static const pl_key outliers_keys[] = {
    {"side", PL_KEY_CHOICE, "input", "weight|input", "channels of the weights or of the inputs"},
    {"top", PL_KEY_INT, "8", NULL, "how many channels"},
    {"on", PL_KEY_TEXT, NULL, NULL, "with `all`: of the layers whose name matches this glob"},
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "also as a table: .csv or .tex"},
    {0},
};

const pl_command pl_command_outliers = {
    .name = "outliers",
    .positional = "[LAYER|all]",
    .max_words = 1,
    .keys = outliers_keys,
    .needs_model = true,
    .summary = "The largest channels of a layer or of all, and the tokens that cause them",
    .least = "token_id rms token_position window window_position context outlier_in+of",
    .run = run_outliers,
    .slow = pl_call_is_of_all,
};
