/* massive: activations of the residual stream. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "core/base/json.h"
#include "core/model/bare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *json_of_massive(const pl_token_context *context, const pl_tokenizer *tokenizer,
                               const pl_massive *one)
{
    pl_buf text = {0};
    pl_tokenizer_show(tokenizer, one->token, &text);
    json_t *line =
        json_pack("{s:I, s:I, s:o, s:o, s:I, s:i, s:s}", "block", (json_int_t)one->block, "channel",
                  (json_int_t)one->channel, "value", pl_json_number((double)one->value), "median",
                  pl_json_number((double)one->median), "token_position", (json_int_t)one->position,
                  "token_id", (int)one->token, "token", text.data != NULL ? text.data : "");
    pl_put_token_context(line, context, one->position);
    pl_buf_deinit(&text);
    return line;
}

static pl_status run_massive(pl_call *call, pl_context cx, pl_error *err)
{
    pl_id calibration = {0};
    pl_massive *found = NULL, nearest = {0};
    size_t count = 0;
    bool near = false;
    pl_token_context context = {0};
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_forward(cx.state->source->model, "massive", err);
    PL_THEN(pl_lab_calibration(cx, &calibration, err));
    PL_THEN(pl_calib_load_massive(pl_lab_store(cx.lab), calibration, &found, &count, err));
    PL_THEN(pl_calib_load_nearest(pl_lab_store(cx.lab), calibration, &nearest, &near, err));
    PL_THEN(pl_model_need_tokenizer(cx.state->source->model, &tokenizer, err));
    PL_THEN(pl_token_context_init(cx, calibration, &context, err));
    json_t *list = json_array();
    pl_json_set(call->result, "thresholds",
                json_pack("{s:f, s:f}", "value", (double)PL_MASSIVE_LEAST, "median_ratio",
                          (double)PL_MASSIVE_RATIO));
    pl_json_set(call->result, "activations", list);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_json_append(list, json_of_massive(&context, tokenizer, &found[i]));
    }
    if (status == PL_OK && near) {
        json_t *line = json_of_massive(&context, tokenizer, &nearest);
        pl_json_set(line, "median_ratio",
                    pl_json_number(fabs((double)nearest.value) / (double)nearest.median));
        pl_json_set(call->result, "nearest", line);
    }
    pl_token_context_deinit(&context);
    free(found);
    return status;
}

static double get(const json_t *line, const char *key)
{
    return json_number_value(json_object_get(line, key));
}

/* "none above 1,000 × the median and 100; nearest: 312 × and 41 at block 2, channel 447, ...". */
static void put_massive(const pl_call *call, pl_buf *out)
{
    json_t *list = json_object_get(call->result, "activations");
    const json_t *nearest = json_object_get(call->result, "nearest");
    if (json_array_size(list) > 0) {
        pl_buf_printf(out, "%zu above 1,000 x the median and 100\n", json_array_size(list));
        pl_result_table(call, list, out);
        return;
    }
    pl_buf_puts(out, "none above 1,000 x the median and 100");
    if (nearest != NULL) {
        const char *words = json_string_value(json_object_get(nearest, "context"));
        pl_buf_printf(out, "; nearest: %.3g x the median and %.3g at block %.0f, channel %.0f",
                      get(nearest, "median_ratio"), fabs(get(nearest, "value")),
                      get(nearest, "block"), get(nearest, "channel"));
        if (words != NULL) {
            pl_buf_printf(out, ", token %.0f of window %.0f: %s", get(nearest, "window_position"),
                          get(nearest, "window"), words);
        }
    }
    pl_buf_puts(out, "\n");
}

const pl_command pl_command_massive = {
    .name = "massive",
    .positional = "",
    .keys = pl_no_keys,
    .needs_model = true,
    .summary = "Massive activations of the residual stream (|x| > 100 and > 1000 x its median)",
    .least = "token_id token_position token median window",
    .put_line = pl_line_massive,
    .run = run_massive,
    .put_text = put_massive,
};
