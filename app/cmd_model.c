/* open, info, layers, tokenize. */
#include "app/demo.h"
#include "app/handlers.h"
#include "app/usage.h"
#include "core/run/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

json_t *pl_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

double pl_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void pl_put_absolute(const char *path, pl_buf *out)
{
    char *here = path[0] != '/' && access(path, F_OK) == 0 ? getcwd(NULL, 0) : NULL;
    if (here != NULL) {
        pl_path_join(out, here, path);
    } else {
        pl_buf_puts(out, path);
    }
    free(here);
}

pl_status pl_target_layer(const pl_call *call, const pl_state *state, size_t position,
                          size_t *layer, pl_error *err)
{
    if (call->n_words <= position) {
        *layer = state->layer;
        return PL_OK;
    }
    return pl_model_find_layer(state->source->model, call->words[position], layer, err);
}

static void put_info(json_t *result, const pl_model *model, double seconds)
{
    const pl_config *config = pl_model_config(model);
    char safe[160];
    pl_text_escape(config->architecture, strlen(config->architecture), safe, sizeof safe);
    json_object_set_new(result, "architecture", json_string(safe));
    json_object_set_new(result, "blocks", json_integer((json_int_t)config->blocks));
    json_object_set_new(result, "hidden_size", json_integer((json_int_t)config->hidden_size));
    json_object_set_new(result, "vocab_size", json_integer((json_int_t)config->vocab_size));
    json_object_set_new(result, "parameters", json_integer((json_int_t)pl_model_parameters(model)));
    json_object_set_new(result, "file_bytes",
                        json_integer((json_int_t)pl_checkpoint_bytes(pl_model_checkpoint(model))));
    json_object_set_new(result, "seconds", json_real(seconds));
}

pl_status pl_run_open(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                      pl_error *err)
{
    (void)state;
    (void)lab;
    (void)task;
    double start = pl_now();
    pl_buf demo = {0};
    pl_model *model = NULL;
    const char *path = call->n_words > 0 ? call->words[0] : NULL;
    pl_status status = PL_OK;
    if (path == NULL) {
        status = pl_demo_folder(&demo, err);
    }
    if (status == PL_OK) {
        status = pl_model_open(path != NULL ? path : demo.data, &model, err);
    }
    if (status == PL_OK) {
        put_info(call->result, model, pl_now() - start);
        pl_buf whole = {0};
        if (path != NULL) {
            pl_put_absolute(path, &whole);
        }
        status = pl_source_create(model, whole.failed ? path : whole.data, demo.data, &call->source,
                                  err);
        pl_buf_deinit(&whole);
    }
    pl_buf_deinit(&demo);
    return status;
}

pl_status pl_apply_open(pl_call *call, pl_state *state, pl_error *err)
{
    return pl_state_set_source(state, call->source, err);
}

pl_status pl_run_info(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                      pl_error *err)
{
    (void)lab;
    (void)task;
    (void)err;
    double start = pl_now();
    put_info(call->result, state->source->model, 0);
    json_object_set_new(call->result, "seconds", json_real(pl_now() - start));
    return PL_OK;
}

pl_status pl_run_layers(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                        pl_error *err)
{
    pl_model *model = state->source->model;
    size_t n = pl_model_layer_count(model);
    json_t *list = json_array();
    json_object_set_new(call->result, "layers", list);
    pl_layer_score *scores = calloc(n + 1, sizeof *scores);
    if (scores == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    pl_status status = pl_layer_scores(lab, state, 0, n, scores, task, err);
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "name", layer->name, "rows",
                            (json_int_t)layer->rows, "cols", (json_int_t)layer->cols, "weight_max",
                            pl_number((double)scores[i].weight_max), "weight_ratio",
                            pl_number((double)scores[i].weight_ratio), "input_ratio",
                            pl_number((double)scores[i].input_ratio)));
        if (pl_model_config(model)->experts > 0) { /* not every layer sees every token */
            json_object_set_new(json_array_get(list, i), "tokens",
                                pl_number(pl_lab_site_tokens(lab, state, layer->site)));
        }
    }
    free(scores);
    return status;
}

pl_status pl_text_files(const pl_call *call, const pl_state *state, const char *demo_file,
                        const char *files[PL_MAX_TEXTS], size_t *count, char **owned, pl_error *err)
{
    *owned = NULL;
    *count = 0;
    for (size_t i = 0; i < call->n_keys; i++) {
        if (strcmp(call->names[i], "text") != 0) {
            continue;
        }
        if (*count == PL_MAX_TEXTS) {
            return pl_error_set(err, PL_ERR_USAGE, "%s: more than %d texts", call->command->name,
                                PL_MAX_TEXTS);
        }
        files[(*count)++] = call->values[i];
    }
    if (*count > 0) {
        return PL_OK;
    }
    if (state->source->demo == NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: needs text=FILE", call->command->name);
    }
    pl_buf path = {0};
    pl_path_join(&path, state->source->demo, demo_file);
    pl_status status = pl_buf_check(&path, err);
    *owned = path.data;
    files[(*count)++] = path.data;
    return status;
}

pl_status pl_run_tokenize(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                          pl_error *err)
{
    const char *files[PL_MAX_TEXTS];
    size_t n_files = 0;
    char *owned = NULL;
    size_t limit = SIZE_MAX;
    const pl_tokens *tokens = NULL;
    pl_status status = pl_usage_size(call, "limit", 0, SIZE_MAX, &limit, err);
    if (status == PL_OK) {
        status = pl_text_files(call, state, "evaluation.txt", files, &n_files, &owned, err);
    }
    if (status == PL_OK) {
        status = pl_lab_tokens(lab, state, files, n_files, &tokens, task, err);
    }
    if (status == PL_OK) {
        json_t *ids = json_array();
        for (size_t i = 0; i < tokens->count && i < limit; i++) {
            json_array_append_new(ids, json_integer(tokens->ids[i]));
        }
        json_object_set_new(call->result, "count", json_integer((json_int_t)tokens->count));
        json_object_set_new(call->result, "ids", ids);
    }
    free(owned);
    return status;
}
