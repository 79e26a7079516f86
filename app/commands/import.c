/* import: another checkpoint's weights as the model's "after". */
#include "app/commands/parts.h"
#include "app/report.h"
#include "app/source.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/lab/import.h"

#include <string.h>

static bool removes_imports(const pl_call *call)
{
    return call->n_words > 0 && strcmp(call->words[0], "none") == 0;
}

/* The layer named, or SIZE_MAX for all. */
static pl_status asked_layer(const pl_call *call, const pl_state *state, size_t *only,
                             pl_error *err)
{
    *only = SIZE_MAX;
    if (call->n_words == 0 || strcmp(call->words[0], "all") == 0) {
        return PL_OK;
    }
    return pl_model_find_layer(state->source->model, call->words[0], only, err);
}

static void put_import_report(json_t *result, const char *path, const pl_import_report *report,
                              pl_id id)
{
    char text[PL_ID_TEXT], safe[1024];
    pl_id_format(id, text);
    pl_text_escape(path, strlen(path), safe, sizeof safe);
    pl_json_set(result, "after", json_string(safe));
    pl_json_set(result, "layers", json_integer((json_int_t)report->layers));
    pl_json_set(result, "missing", json_integer((json_int_t)report->missing));
    pl_json_set(result, "same", json_integer((json_int_t)report->same));
    pl_json_set(result, "others_differ", json_integer((json_int_t)report->others));
    pl_json_set(result, "relative_error", pl_json_number(report->relative_error));
    pl_json_set(result, "group_max_before", pl_json_number(report->group_max_before));
    pl_json_set(result, "group_max_after", pl_json_number(report->group_max_after));
    pl_json_set(result, "id", json_string(text));
    pl_json_set(result, "seconds", json_real(report->seconds));
}

static void warn_of_others(pl_lab *lab, const pl_import_report *report)
{
    if (report->others > 0) {
        pl_buf text = {0};
        pl_buf_printf(&text,
                      "%zu %s that %s no linear layer (%s%s) %s there; which=after keeps the "
                      "model's own",
                      report->others, report->others == 1 ? "tensor" : "tensors",
                      report->others == 1 ? "is" : "are", report->other,
                      report->others == 1 ? "" : ", ...",
                      report->others == 1 ? "differs" : "differ");
        pl_lab_warn(lab, text.data != NULL ? text.data : "other tensors differ");
        pl_buf_deinit(&text);
    }
}

static pl_status run_import(pl_call *call, pl_context cx, pl_error *err)
{
    const char *path = pl_call_value(call, "after");
    if (removes_imports(call)) {
        return path == NULL ? PL_OK
                            : pl_error_set(err, PL_ERR_USAGE, "import none: takes no after=");
    }
    if (path == NULL || path[0] == '\0') {
        return pl_error_set(err, PL_ERR_USAGE,
                            "import: needs after=CHECKPOINT (a folder, .safetensors or .gguf)");
    }
    size_t only = SIZE_MAX;
    pl_import *import = NULL;
    pl_import_report report = {0};
    pl_collector c = {.call = call, .state = cx.state, .err = err};
    pl_status status = asked_layer(call, cx.state, &only, err);
    PL_THEN(pl_import_open(cx.state, path, &import, cx.task, err));
    PL_THEN(pl_import_layers(cx, import, only, pl_collect_result, &c, &report, err));
    PL_THEN(c.status);
    if (status == PL_OK) {
        put_import_report(call->result, path, &report, pl_import_id(import));
        warn_of_others(cx.lab, &report);
    }
    pl_import_close(import);
    return status;
}

static pl_status apply_import(pl_call *call, pl_state *state, pl_error *err)
{
    if (removes_imports(call)) {
        pl_json_set(call->result, "removed",
                    json_integer((json_int_t)pl_state_import_count(state)));
        pl_state_drop_imports(state, NULL);
        return PL_OK;
    }
    pl_id id = {0};
    const char *text = json_string_value(json_object_get(call->result, "id"));
    pl_buf path = {0};
    pl_put_absolute(pl_call_value(call, "after"), &path);
    while (path.size > 1 && path.data[path.size - 1] == '/') {
        path.data[--path.size] = '\0'; /* provenance names it by its last name */
    }
    pl_status status = pl_buf_check(&path, err);
    if (status == PL_OK && (text == NULL || !pl_id_parse(text, &id))) {
        status = pl_error_set(err, PL_ERR_STATE, "import: nothing was imported");
    }
    PL_THEN(pl_state_set_import(state, path.data, id, err));
    for (size_t i = 0; status == PL_OK && i < call->n_solved; i++) {
        status = pl_state_import_layer(state, call->solved[i].layer, call->solved[i].result, err);
    }
    pl_buf_deinit(&path);
    return status;
}

static const pl_key import_keys[] = {
    {"after", PL_KEY_FILE, NULL, NULL,
     "a checkpoint of the same layers: a folder, .safetensors or .gguf"},
    {0},
};

const pl_command pl_command_import = {
    .name = "import",
    .positional = "[LAYER|all|none]",
    .max_words = 1,
    .keys = import_keys,
    .needs_model = true,
    .of_run = "after",
    .summary = "Take another checkpoint's weights as the layers' result, instead of their methods",
    .run = run_import,
    .apply = apply_import,
    .slow = pl_call_is_of_all,
    .unit = "layers",
    .rebuild = PL_REBUILD_CHECKPOINT,
};
