/* info: what the open model is. */
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/report.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

#include <string.h>

/* The files that were read, without their folder, and the tensors in them that were not. */
static void put_files(json_t *result, const pl_model *model)
{
    const pl_checkpoint *checkpoint = pl_model_checkpoint(model);
    json_t *files = json_array();
    json_t *list = json_array();
    size_t kinds = 0;
    const pl_unread *unread = pl_model_unread(model, &kinds);
    for (size_t i = 0; i < pl_checkpoint_shards(checkpoint); i++) {
        const char *name = pl_path_name(pl_file_path(pl_checkpoint_shard(checkpoint, i)));
        char safe[256];
        pl_text_escape(name, strlen(name), safe, sizeof safe);
        pl_json_append(files, json_string(safe));
    }
    for (size_t i = 0; i < kinds; i++) {
        pl_json_append(list, json_pack("{s:s, s:I}", "unread", unread[i].kind, "tensors",
                                       (json_int_t)unread[i].count));
    }
    pl_json_set(result, "files", files);
    pl_json_set(result, "unread", kinds > 0 ? json_incref(list) : json_null());
    json_decref(list);
}

/* Its kind, how it cuts, BOS and the like; or why there is none. */
static void put_tokenizer(json_t *result, const pl_model *model)
{
    static const char *const keys[PL_TOKENIZER_FACTS] = {"tokenizer", "pre_tokenizer",
                                                         "special_tokens", "tokenizer_files"};
    pl_error why = {0};
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_tokenizer(model, &tokenizer, &why);
    for (size_t i = 0; i < PL_TOKENIZER_FACTS; i++) {
        pl_buf text = {0};
        if (status == PL_OK) {
            pl_tokenizer_tell(tokenizer, (pl_tokenizer_fact)i, &text);
        } else if (i == 0) {
            pl_buf_printf(&text, "none: %s", why.message);
        }
        pl_json_set(result, keys[i], text.size > 0 ? json_string(text.data) : json_null());
        pl_buf_deinit(&text);
    }
}

/* The texts of the calibration that is set. */
static void put_text_paths(json_t *result, const pl_state *state)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->calibration.n_texts; i++) {
        char safe[1024];
        const char *path = state->calibration.texts[i];
        pl_text_escape(path, strlen(path), safe, sizeof safe);
        pl_json_append(list, json_string(safe));
    }
    pl_json_set(result, "calibration_texts", list);
}

static pl_status run_info(pl_call *call, pl_context cx, pl_error *err)
{
    (void)err;
    double start = pl_clock_now();
    char processor[160];
    pl_put_info(call->result, cx.state->source->model, 0);
    put_files(call->result, cx.state->source->model);
    put_tokenizer(call->result, cx.state->source->model);
    put_text_paths(call->result, cx.state);
    pl_processor_name(processor, sizeof processor);
    pl_json_set(call->result, "kernel", json_string(pl_kernel_name()));
    pl_json_set(call->result, "threads", json_integer(pl_linalg_threads()));
    pl_json_set(call->result, "processor", json_string(processor));
    pl_json_set(call->result, "seconds", json_real(pl_clock_now() - start));
    return PL_OK;
}

const pl_command pl_command_info = {
    .name = "info",
    .positional = "",
    .keys = pl_no_keys,
    .needs_model = true,
    .of_run = "files calibration_texts kernel threads processor tokenizer_files",
    .summary = "Say what the open model is, and what computes",
    .put_line = pl_line_info,
    .run = run_info,
};
