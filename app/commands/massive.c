/* massive: activations of the residual stream. */
#include "app/commands/parts.h"
#include "app/report.h"
#include "core/base/json.h"
#include "core/model/bare.h"

#include <stdlib.h>

static pl_status run_massive(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                             pl_error *err)
{
    pl_id calibration = {0};
    pl_massive *found = NULL;
    size_t count = 0;
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_forward(state->source->model, "massive", err);
    PL_THEN(pl_lab_calibration(lab, state, &calibration, task, err));
    PL_THEN(pl_calib_load_massive(pl_lab_store(lab), calibration, &found, &count, err));
    PL_THEN(pl_model_need_tokenizer(state->source->model, &tokenizer, err));
    json_t *list = json_array();
    pl_json_set(call->result, "activations", list);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_buf text = {0};
        pl_tokenizer_show(tokenizer, found[i].token, &text);
        pl_json_append(
            list, json_pack("{s:I, s:I, s:o, s:o, s:I, s:i, s:s}", "block",
                            (json_int_t)found[i].block, "channel", (json_int_t)found[i].channel,
                            "value", pl_number((double)found[i].value), "median",
                            pl_number((double)found[i].median), "token_position",
                            (json_int_t)found[i].position, "token_id", (int)found[i].token, "token",
                            text.data != NULL ? text.data : ""));
        pl_buf_deinit(&text);
    }
    free(found);
    return status;
}

const pl_command pl_command_massive = {
    .name = "massive",
    .positional = "",
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Massive activations of the residual stream (|x| > 100 and > 1000 x its median)",
    .run = run_massive,
};
