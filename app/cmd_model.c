/* open, info, layers, tokenize. */
#include "app/demo.h"
#include "app/handlers.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/model/bare.h"
#include "core/run/picture.h"
#include "core/tensor/kernel.h"
#include "core/tensor/linalg.h"

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

/* Weights that found no inputs though there is a file of them: a slip in the names is seen. */
static void warn_unpaired(const pl_model *model, pl_lab *lab)
{
    size_t blind = 0, first = 0;
    for (size_t i = 0; pl_model_inputs(model) != NULL && i < pl_model_layer_count(model); i++) {
        if (pl_model_is_blind(model, i)) {
            first = blind++ == 0 ? i : first;
        }
    }
    if (blind > 0) {
        pl_buf text = {0};
        pl_buf_printf(&text, "%zu of %zu weights (%s%s) have no inputs in %s", blind,
                      pl_model_layer_count(model), pl_model_layer(model, first)->name,
                      blind > 1 ? ", ..." : "", pl_model_inputs_name(model));
        pl_lab_warn(lab, text.data != NULL ? text.data : "weights without inputs");
        pl_buf_deinit(&text);
    }
}

/* "12 tensors ... are read by nothing: blk.*.attn_q.bias (3), ..." */
static void warn_unread(const pl_model *model, pl_lab *lab)
{
    const size_t shown = 5;
    size_t kinds = 0, all = 0;
    const pl_unread *unread = pl_model_unread(model, &kinds);
    pl_buf text = {0};
    for (size_t i = 0; i < kinds; i++) {
        all += unread[i].count;
    }
    if (all == 0 || pl_model_is_bare(model)) { /* matrices stand alone */
        return;
    }
    pl_buf_printf(&text, "%zu tensor%s of %s %s read by nothing: ", all, all > 1 ? "s" : "",
                  pl_model_name(model), all > 1 ? "are" : "is");
    for (size_t i = 0; i < kinds && i < shown; i++) {
        pl_buf_printf(&text, unread[i].count > 1 ? "%s%s (%zu)" : "%s%s", i > 0 ? ", " : "",
                      unread[i].kind, unread[i].count);
    }
    pl_buf_puts(&text, kinds > shown ? ", ... (`info` names all)" : "");
    pl_lab_warn(lab, text.data != NULL ? text.data : "tensors are read by nothing");
    pl_buf_deinit(&text);
}

static json_t *size_or_null(size_t size)
{
    return size > 0 ? json_integer((json_int_t)size) : json_null();
}

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

static void put_info(json_t *result, const pl_model *model, double seconds)
{
    const pl_config *config = pl_model_config(model);
    char safe[160];
    size_t seeing = 0;
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        seeing += !pl_model_is_blind(model, i);
    }
    pl_text_escape(config->architecture, strlen(config->architecture), safe, sizeof safe);
    pl_json_set(result, "architecture", json_string(safe));
    pl_json_set(result, "blocks", size_or_null(config->blocks));
    pl_json_set(result, "hidden_size", size_or_null(config->hidden_size));
    pl_json_set(result, "vocab_size", size_or_null(config->vocab_size));
    pl_json_set(result, "layers", json_integer((json_int_t)pl_model_layer_count(model)));
    pl_json_set(result, "layers_with_inputs",
                pl_model_is_bare(model) ? json_integer((json_int_t)seeing) : json_null());
    pl_json_set(result, "parameters", json_integer((json_int_t)pl_model_parameters(model)));
    pl_json_set(result, "file_bytes",
                json_integer((json_int_t)pl_checkpoint_bytes(pl_model_checkpoint(model))));
    pl_json_set(result, "seconds", json_real(seconds));
}

pl_status pl_open_source(const char *path, const char *inputs, pl_source **out, pl_error *err)
{
    pl_buf demo = {0};
    pl_buf whole = {0};
    pl_model *model = NULL;
    *out = NULL;
    pl_status status = path == NULL ? pl_demo_folder(&demo, err) : PL_OK;
    if (status == PL_OK) {
        status = inputs != NULL
                     ? pl_model_open_matrices(path, inputs, &model, err)
                     : pl_model_open(path != NULL ? path : demo.data, &model, err);
    }
    if (status == PL_OK) {
        if (path != NULL) {
            pl_put_absolute(path, &whole);
        }
        status = pl_source_create(model, whole.failed ? path : whole.data, demo.data, out, err);
    }
    if (status == PL_OK && inputs != NULL) {
        whole.size = 0;
        pl_put_absolute(inputs, &whole);
        status = pl_source_set_inputs(*out, whole.failed ? inputs : whole.data, err);
        if (status != PL_OK) {
            pl_source_release(*out);
            *out = NULL;
        }
    }
    pl_buf_deinit(&whole);
    pl_buf_deinit(&demo);
    return status;
}

pl_status pl_run_open(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                      pl_error *err)
{
    (void)state;
    (void)task;
    double start = pl_now();
    const char *path = call->n_words > 0 ? call->words[0] : NULL;
    const char *inputs = pl_call_value(call, "inputs");
    if (path == NULL && inputs != NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "open: inputs= goes with a file of weights: open W.safetensors "
                            "inputs=X.safetensors");
    }
    pl_status status = pl_open_source(path, inputs, &call->source, err);
    if (status == PL_OK) {
        put_info(call->result, call->source->model, pl_now() - start);
        warn_unpaired(call->source->model, lab);
        const char *note = pl_checkpoint_note(pl_model_checkpoint(call->source->model));
        if (note != NULL) {
            pl_lab_warn(lab, note);
        }
        warn_unread(call->source->model, lab);
    }
    return status;
}

pl_status pl_apply_open(pl_call *call, pl_state *state, pl_error *err)
{
    return pl_state_set_source(state, call->source, err);
}

/* Its kind, how it cuts, BOS and the like; or why there is none. */
static void put_tokenizer(json_t *result, const pl_model *model)
{
    static const char *const keys[PL_TOKENIZER_FACTS] = {
        "tokenizer", "pre_tokenizer", "special_tokens", "tokenizer_files"};
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
static void put_texts(json_t *result, const pl_state *state)
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

pl_status pl_run_info(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                      pl_error *err)
{
    (void)lab;
    (void)task;
    (void)err;
    double start = pl_now();
    char processor[160];
    put_info(call->result, state->source->model, 0);
    put_files(call->result, state->source->model);
    put_tokenizer(call->result, state->source->model);
    put_texts(call->result, state);
    pl_processor_name(processor, sizeof processor);
    pl_json_set(call->result, "kernel", json_string(pl_kernel_name()));
    pl_json_set(call->result, "threads", json_integer(pl_linalg_threads()));
    pl_json_set(call->result, "processor", json_string(processor));
    pl_json_set(call->result, "seconds", json_real(pl_now() - start));
    return PL_OK;
}

/* "astro > gptq", "import": what a solved layer was solved with; null for others. */
static const char of_another_model[] = "of another model";

static void put_method_of(json_t *line, const pl_state *state, size_t layer)
{
    pl_buf text = {0};
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT && pl_state_result(state, layer) != NULL; slot++) {
        const pl_spec *spec = pl_state_spec(state, layer, slot);
        if (spec->method != NULL) {
            pl_buf_printf(&text, "%s%s", text.size > 0 ? " > " : "", spec->method->name);
        }
    }
    if (pl_state_is_foreign(state, layer)) {
        pl_buf_puts(&text, of_another_model);
    }
    pl_json_set(line, "method", text.size > 0 ? json_string(text.data) : json_null());
    pl_buf_deinit(&text);
}

/* What rounding has cost and takes; null for a layer that is not solved or not rounded. */
static void put_quality_of(json_t *line, pl_lab *lab, const pl_state *state, size_t layer)
{
    const pl_id *result = pl_state_result(state, layer);
    pl_solve_report report = pl_solve_report_empty();
    if (result != NULL && pl_result_report(lab, state, layer, *result, &report, NULL) != PL_OK) {
        report = pl_solve_report_empty();
    }
    pl_json_set(line, "sqnr", pl_number(pl_report_sqnr(&report)));
    pl_json_set(line, "bits_per_weight", pl_number(report.bits_per_weight));
}

/* Why a layer's weight cannot be read; the first few of a file are told. */
static void warn_problem(pl_lab *lab, pl_model *model, size_t layer, size_t before)
{
    const size_t told = 3;
    const pl_layer *info = pl_model_layer(model, layer);
    pl_mat w = {0};
    pl_error why = {0};
    pl_status status = pl_mat_init(&w, info->rows, info->cols, &why);
    if (status == PL_OK && before < told) {
        status = pl_model_read_weight(model, layer, w.data, &why);
    }
    if (status != PL_OK) {
        pl_lab_warn(lab, why.message);
    } else if (before == told) {
        pl_lab_warn(lab, "more layers cannot be read");
    }
    pl_mat_deinit(&w);
}

pl_status pl_run_layers(pl_call *call, const pl_state *state, pl_lab *lab, pl_task *task,
                        pl_error *err)
{
    pl_model *model = state->source->model;
    size_t n = pl_model_layer_count(model);
    json_t *list = json_array();
    pl_json_set(call->result, "layers", list);
    pl_layer_score *scores = calloc(n + 1, sizeof *scores);
    if (scores == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "out of memory");
    }
    pl_id calibration = {0};
    size_t problems = 0;
    pl_status status = PL_OK;
    if (pl_model_inputs(model) != NULL) { /* given inputs need no `calibrate` */
        status = pl_lab_calibration(lab, state, &calibration, task, err);
    }
    if (status == PL_OK) {
        status = pl_layer_scores(lab, state, 0, n, scores, task, err);
    }
    for (size_t i = 0; status == PL_OK && i < n; i++) {
        const pl_layer *layer = pl_model_layer(model, i);
        pl_json_append(list,
                       json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "name", layer->name, "rows",
                                 (json_int_t)layer->rows, "cols", (json_int_t)layer->cols,
                                 "weight_max", pl_number((double)scores[i].weight_max),
                                 "weight_ratio", pl_number((double)scores[i].weight_ratio),
                                 "input_ratio", pl_number((double)scores[i].input_ratio)));
        if (scores[i].problem == PL_ERR_NUMERIC) {
            warn_problem(lab, model, i, problems++);
        }
        put_method_of(json_array_get(list, i), state, i);
        put_quality_of(json_array_get(list, i), lab, state, i);
        if (pl_model_config(model)->experts > 0) { /* not every layer sees every token */
            pl_json_set(json_array_get(list, i), "tokens",
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
    const pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_model_need_tokenizer(state->source->model, &tokenizer, err);
    if (status == PL_OK) {
        status = pl_usage_size(call, "limit", 0, SIZE_MAX, &limit, err);
    }
    if (status == PL_OK) {
        status = pl_text_files(call, state, "evaluation.txt", files, &n_files, &owned, err);
    }
    if (status == PL_OK) {
        status = pl_lab_tokens(lab, state, files, n_files, &tokens, task, err);
    }
    if (status == PL_OK) {
        json_t *ids = json_array();
        for (size_t i = 0; i < tokens->count && i < limit; i++) {
            pl_json_append(ids, json_integer(tokens->ids[i]));
        }
        pl_json_set(call->result, "count", json_integer((json_int_t)tokens->count));
        pl_json_set(call->result, "ids", ids);
    }
    free(owned);
    return status;
}
