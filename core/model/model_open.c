/* Opening a path: as a model with an architecture, or as matrices. */
#include "core/io/json.h"
#include "core/model/model.h"
#include "core/model/model_parts.h"

#include <stdlib.h>

enum { MAX_CONFIG = 1 << 24 };

static pl_status read_json_config(pl_model *model, pl_error *err)
{
    pl_buf path = {0};
    char *text = NULL;
    size_t size = 0;
    pl_path_join(&path, pl_checkpoint_folder(model->checkpoint), "config.json");
    pl_status status = pl_buf_check(&path, err);
    PL_THEN(pl_file_read_all(path.data, MAX_CONFIG, &text, &size, err));
    if (status == PL_OK) {
        json_error_t why;
        json_t *json = pl_json_load(text, size, &why);
        status = json_is_object(json)
                     ? pl_config_from_json(json, path.data, &model->config, err)
                     : pl_error_set(err, PL_ERR_FORMAT, "%s: not a JSON object: line %d: %s",
                                    path.data, json == NULL ? why.line : 1,
                                    json == NULL ? why.text : "another kind of value");
        json_decref(json);
    }
    free(text);
    pl_buf_deinit(&path);
    return status;
}

static pl_status open_parts(pl_model *model, const char *path, pl_error *err)
{
    pl_buf resolved = {0};
    pl_status status = pl_hub_resolve(path, &resolved, err);
    PL_THEN(pl_checkpoint_open(resolved.data, &model->checkpoint, err));
    pl_buf_deinit(&resolved);
    PL_THEN(pl_checkpoint_container(model->checkpoint) == PL_GGUF
                ? pl_config_from_gguf(model->checkpoint, &model->config, err)
                : read_json_config(model, err));
    PL_THEN(pl_model_build_layers(model, err));
    return status == PL_OK ? pl_model_list_unread(model, err) : status;
}

pl_status pl_model_open(const char *path, pl_model **out, pl_error *err)
{
    if (pl_model_is_matrices(path)) {
        return pl_model_open_matrices(path, NULL, out, err);
    }
    pl_status status = pl_model_new(path, out, err);
    if (status == PL_OK) {
        status = open_parts(*out, path, err);
        if (status != PL_OK) {
            pl_model_close(*out);
            *out = NULL;
        }
    }
    return status;
}
