/* outliers: the largest channels of a layer. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/live/picture.h"

#include <stdlib.h>

static pl_status run_outliers(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                              pl_error *err)
{
    size_t layer = 0;
    size_t side = PL_SIDE_INPUT;
    size_t top = 0;
    size_t count = 0;
    pl_status status = pl_target_layer(call, state, 0, &layer, err);
    PL_THEN(pl_usage_choice(call, "side", &side, err));
    PL_THEN(pl_usage_size(call, "top", 1, 1u << 20, &top, err));
    if (status != PL_OK) {
        return status;
    }
    pl_channel_row *rows = calloc(top, sizeof *rows);
    if (rows == NULL) {
        return pl_error_memory(err, "a result");
    }
    status = pl_channel_table(lab, state, layer, (pl_side)side, top, rows, &count, task, err);
    json_t *list = json_array();
    pl_json_set(call->result, "channels", list);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_channel_row *row = &rows[i];
        bool has = row->token_position >= 0;
        bool known = has && row->token_id >= 0;
        pl_json_append(
            list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s?}", "channel",
                            (json_int_t)row->channel, "max", pl_number(row->max), "rms",
                            pl_number(row->rms), "ratio", pl_number(row->ratio), "token_position",
                            has ? json_integer(row->token_position) : json_null(), "token_id",
                            known ? json_integer(row->token_id) : json_null(), "token",
                            known ? row->token : NULL));
    }
    free(rows);
    return status;
}

static const pl_key outliers_keys[] = {
    {"side", PL_KEY_CHOICE, "input", "weight|input", "channels of the weights or of the inputs"},
    {"top", PL_KEY_INT, "8", NULL, "how many channels"},
    {0},
};

const pl_command pl_command_outliers = {
    .name = "outliers",
    .positional = "[LAYER]",
    .max_words = 1,
    .keys = outliers_keys,
    .needs_model = true,
    .summary = "The largest channels, and the tokens that cause them",
    .run = run_outliers,
};
