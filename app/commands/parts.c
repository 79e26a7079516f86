#include "app/commands/parts.h"

#include "app/report.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/number.h"
#include "core/model/bare.h"
#include "core/state/kept.h"
#include "core/state/record.h"
#include "plots/page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool pl_slow_always(const pl_call *call)
{
    return call != NULL;
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

pl_status pl_need_after(const pl_state *state, pl_error *err)
{
    pl_status status = pl_state_check_origin(state, false, err);
    if (status != PL_OK || pl_state_solved_count(state) > 0 || pl_state_quantizes(state)) {
        return status;
    }
    return pl_error_set(err, PL_ERR_STATE,
                        "no layer is solved with the present methods and calibration: run "
                        "`solve all` first");
}

pl_status pl_files_of_key(const pl_call *call, const char *key, const char *what,
                          const char *files[PL_MAX_TEXTS], size_t *count, pl_error *err)
{
    *count = 0;
    for (size_t i = 0; i < call->n_keys; i++) {
        if (strcmp(call->names[i], key) != 0) {
            continue;
        }
        if (*count == PL_MAX_TEXTS) {
            return pl_error_set(err, PL_ERR_USAGE, "%s: more than %d %s", call->command->name,
                                PL_MAX_TEXTS, what);
        }
        files[(*count)++] = call->values[i];
    }
    return PL_OK;
}

pl_status pl_text_files(const pl_call *call, const pl_state *state, const char *demo_file,
                        const char *files[PL_MAX_TEXTS], size_t *count, char **owned, pl_error *err)
{
    pl_status status = pl_files_of_key(call, "text", "texts", files, count, err);
    *owned = NULL;
    if (status != PL_OK || *count > 0) {
        return status;
    }
    if (state->source->demo == NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: needs text=FILE", call->command->name);
    }
    pl_buf path = {0};
    pl_path_join(&path, state->source->demo, demo_file);
    status = pl_buf_check(&path, err);
    *owned = path.data;
    files[(*count)++] = path.data;
    return status;
}

static json_t *size_or_null(size_t size)
{
    return size > 0 ? json_integer((json_int_t)size) : json_null();
}

pl_status pl_read_text(const pl_call *call, pl_context cx, pl_tokens *out, pl_error *err)
{
    const char *files[PL_MAX_TEXTS];
    size_t n = 0;
    char *owned = NULL;
    pl_status status = pl_text_files(call, cx.state, "evaluation.txt", files, &n, &owned, err);
    PL_THEN(pl_lab_own_tokens(cx, files, n, out, err));
    free(owned);
    return status;
}

pl_status pl_check_length(const pl_call *call, const pl_state *state, size_t length, pl_error *err)
{
    const size_t limit = pl_config_longest(pl_model_config(state->source->model));
    return limit > 0 && length > limit
               ? pl_error_set(err, PL_ERR_USAGE,
                              "%s: length=%zu is over the model's limit of %zu positions",
                              call->command->name, length, limit)
               : PL_OK;
}

void pl_put_setting_sentence(const pl_call *call, pl_buf *out)
{
    const json_int_t solved = json_integer_value(json_object_get(call->result, "layers_in_store"));
    if (solved > 0) {
        pl_buf_printf(out, "%lld %s of this setting %s in the store", (long long)solved,
                      solved == 1 ? "layer" : "layers", solved == 1 ? "is" : "are");
    }
}

void pl_put_setting_line(const pl_call *call, pl_buf *out)
{
    const size_t size = out->size;
    pl_put_setting_sentence(call, out);
    pl_buf_puts(out, out->size > size ? "\n" : "");
}

void pl_put_units_text(const pl_call *call, json_t *list, const char *more, pl_buf *out)
{
    const size_t n = json_array_size(json_object_get(call->result, "units"));
    json_t *shown = json_copy(call->result);
    json_object_del(shown, "units");
    json_object_del(shown, "layers_in_store");
    json_object_del(shown, "curve"); /* the figure shows it */
    pl_result_object(shown, out);
    pl_result_table(call, list, out);
    if (n > PL_UNITS_SHOWN) {
        pl_buf_printf(out, "and %zu units %s: file=NAME.csv has all\n", n - PL_UNITS_SHOWN, more);
    }
    pl_put_setting_line(call, out);
    json_decref(list);
    json_decref(shown);
}

void pl_put_first_units(const pl_call *call, pl_buf *out)
{
    const json_t *units = json_object_get(call->result, "units");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(units) && i < PL_UNITS_SHOWN; i++) {
        pl_json_append(list, json_incref(json_array_get(units, i)));
    }
    pl_put_units_text(call, list, "more", out);
}

bool pl_is_own_key(const pl_command *command, const char *name)
{
    return pl_usage_key(command, name) != NULL;
}

/* A number in decimal notation before `end`; *text moves behind it. */
static bool take_number(const char **text, char end, double *out)
{
    char *stop = NULL;
    const size_t length = strspn(*text, "0123456789+-.eE");
    *out = strtod(*text, &stop);
    const bool read = length > 0 && stop == *text + length && *stop == end;
    *text = stop + (read && end != '\0' ? 1 : 0);
    return read;
}

bool pl_read_range(const char *text, pl_range *out)
{
    double points = 0;
    if (!take_number(&text, ':', &out->from) || !take_number(&text, ':', &out->to) ||
        (strncmp(text, "log", 3) != 0 && strncmp(text, "lin", 3) != 0)) {
        return false;
    }
    out->logarithmic = text[1] == 'o';
    text += 3;
    if (strspn(text, "0123456789") != strlen(text) || !take_number(&text, '\0', &points) ||
        points > 1e6) {
        return false;
    }
    out->points = (size_t)points;
    return true;
}

size_t pl_range_values(const pl_range *range, bool whole, double *out)
{
    size_t count = 0;
    for (size_t i = 0; i < range->points; i++) {
        const double share = range->points > 1 ? (double)i / (double)(range->points - 1) : 0.0;
        double value = range->logarithmic ? range->from * pow(range->to / range->from, share)
                                          : range->from + (range->to - range->from) * share;
        const bool end = i == 0 || i + 1 == range->points;
        value = whole    ? rint(value)
                : i == 0 ? range->from
                : end    ? range->to
                         : pl_round_digits(value);
        if (count == 0 || value > out[count - 1]) {
            out[count++] = value;
        }
    }
    return count;
}

void pl_put_info(json_t *result, const pl_model *model, double seconds)
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

json_t *pl_param_json(const pl_spec *spec, size_t index)
{
    const pl_param *param = &spec->method->params[index];
    const double value = spec->values[index];
    if (pl_spec_seeks(spec, index)) {
        return json_null(); /* a solve finds it */
    }
    switch (param->type) {
    case PL_PARAM_INT:
        return json_integer((json_int_t)value);
    case PL_PARAM_CHOICE:
        return (param->choices == pl_no_yes || param->no_yes) && value < 2.0
                   ? json_boolean(value != 0)
                   : json_string(param->choices[(size_t)value]);
    case PL_PARAM_REAL:
        break;
    }
    return pl_json_number(value);
}

static size_t kept_layers(const pl_state *state, const pl_kept *kept, size_t *first)
{
    size_t count = 0;
    for (size_t i = pl_model_layer_count(state->source->model); i > 0; i--) {
        if (pl_state_result(&kept->is, i - 1) != NULL) {
            *first = i - 1;
            count++;
        }
    }
    return count;
}

void pl_put_kept(pl_call *call, const pl_state *state, const char *key)
{
    json_t *list = json_array();
    for (size_t i = 0; i < state->n_kept; i++) {
        char name[PL_KEPT_NAME];
        size_t first = 0;
        const size_t count = kept_layers(state, state->kept[i], &first);
        pl_buf label = {0};
        pl_kept_name(state, i, name);
        pl_state_label(&state->kept[i]->is, count == 1 ? first : SIZE_MAX, &label);
        const char *layer = pl_model_layer(state->source->model, first)->name;
        pl_json_append(list, json_pack("{s:I, s:s, s:I, s:s, s:s?}", "n", (json_int_t)i + 1, "name",
                                       name, "layers", (json_int_t)count, "label",
                                       label.data != NULL ? label.data : "", "layer",
                                       count == 1 ? layer : NULL));
        pl_buf_deinit(&label);
    }
    pl_json_set(call->result, key, list);
}

void pl_put_setting_text(const pl_call *call, pl_buf *out)
{
    json_t *shown = json_copy(call->result);
    json_object_del(shown, "layers_in_store");
    pl_result_object(shown, out);
    json_decref(shown);
    pl_put_setting_line(call, out);
}

pl_status pl_asks_for_none(const pl_call *call, bool *none, pl_error *err)
{
    *none = call->n_words > 0;
    if (*none && strcmp(call->words[0], "none") != 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: found \"%s\", expected none or keys such as "
                            "bits=4",
                            call->command->name, call->words[0]);
    }
    if (*none && call->n_keys > 0) {
        return pl_error_set(err, PL_ERR_USAGE, "%s none: takes no keys", call->command->name);
    }
    return PL_OK;
}

/* What is typed, or what the format has of its own. */
static pl_status read_size_or_own(const pl_call *call, const char *key, size_t least, size_t most,
                                  bool has_own, size_t own, size_t *out, pl_error *err)
{
    *out = own;
    return has_own && pl_call_value(call, key) == NULL
               ? PL_OK
               : pl_usage_size(call, key, least, most, out, err);
}

pl_status pl_read_act_grid(const pl_call *call, pl_act_grid *out, pl_error *err)
{
    const char *who = call->command->name;
    size_t bits = 0, symmetric = 0, choice = 0, group_size = 0;
    *out = (pl_act_grid){.clip = 1.0};
    pl_status status = pl_usage_choice(call, "format", &choice, err);
    PL_THEN(pl_usage_choice(call, "symmetric", &symmetric, err));
    if (status != PL_OK) {
        return status;
    }
    const pl_format *format = pl_format_chosen(choice, symmetric);
    size_t mode = format->mode;
    if (choice > 0 && pl_call_value(call, "symmetric") != NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "%s: symmetric= has a meaning only with format=int",
                            who);
    }
    status =
        read_size_or_own(call, "bits", 2, 8, format->bits > 0, (size_t)format->bits, &bits, err);
    PL_THEN(read_size_or_own(call, "group_size", 0, 1u << 20, format->blocks, format->group_size,
                             &group_size, err));
    PL_THEN(pl_usage_choice(call, "scale_mode", &mode, err));
    PL_THEN(pl_format_check_bits(who, format, (int)bits, err));
    PL_THEN(pl_format_check_group_size(who, format, group_size, err));
    PL_THEN(pl_format_check_mode(who, format, (pl_scale_mode)mode, err));
    if (status == PL_OK && (pl_scale_mode)mode == PL_SCALE_BLOCK) {
        status =
            pl_error_set(err, PL_ERR_USAGE,
                         "%s: scale_mode=block is of weights: 128 rows and columns of a matrix "
                         "share a scale, and these come row by row",
                         who);
    }
    if (status == PL_OK && (pl_scale_mode)mode == PL_SCALE_TENSOR) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "%s: scale_mode=tensor is of weights: expected amax, the range of "
                              "each %s",
                              who,
                              strcmp(who, "activations") == 0
                                  ? "token, with range=tensor for one range of all tokens"
                                  : "head of a token");
    }
    out->bits = (int)bits;
    out->format = format;
    out->group_size = group_size;
    out->scale_mode = (pl_scale_mode)mode;
    return status;
}

/* What is said of a grid of activations or of the cache. */
static json_t *act_grid_json(const pl_act_grid *grid, size_t group_size)
{
    const bool whole = pl_format_is_int(grid->format);
    return json_pack("{s:i, s:I, s:s, s:s?, s:s?}", "bits", grid->bits, "group_size",
                     (json_int_t)group_size, "format", pl_format_choice(grid->format), "symmetric",
                     whole ? grid->format->key : NULL, "scale_mode",
                     grid->format->modes != 0 ? pl_scale_mode_names[grid->scale_mode] : NULL);
}

json_t *pl_activations_json(const pl_state *state)
{
    const pl_act_grid *a = &state->activations;
    if (a->bits == 0) {
        return json_null();
    }
    json_t *out = act_grid_json(a, a->group_size);
    pl_json_set(out, "clip", json_real(a->clip));
    pl_json_set(out, "range", json_string(a->fixed ? "tensor" : "token"));
    return out;
}

json_t *pl_kv_json(const pl_state *state)
{
    return state->kv.bits == 0 ? json_null() : act_grid_json(&state->kv, state->kv_group_size);
}

pl_status pl_read_columns(const pl_call *call, const char *text, pl_column columns[PL_COLUMN_COUNT],
                          size_t *count, pl_error *err)
{
    bool taken[PL_COLUMN_COUNT] = {false};
    pl_status status = PL_OK;
    *count = 0;
    if (strcmp(text, "all") == 0) {
        for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
            columns[(*count)++] = c;
        }
        return PL_OK;
    }
    for (const char *name = text; status == PL_OK; name += strcspn(name, ",") + 1) {
        pl_column column = PL_COLUMN_COUNT;
        status = pl_column_parse(call->command->name, name, strcspn(name, ","), &column, err);
        if (status == PL_OK && !taken[column]) {
            taken[column] = true;
            columns[(*count)++] = column;
        }
        if (name[strcspn(name, ",")] == '\0') {
            break;
        }
    }
    return status;
}

void pl_follow_methods(pl_screen *screen, const pl_call *call, pl_status how)
{
    (void)call;
    if (how == PL_OK) {
        pl_screen_follow_methods(screen);
    }
}

void pl_put_measured(const pl_call *call, const pl_ppl_spec *spec, const char *const *files,
                     size_t n_files, pl_buf *out)
{
    pl_buf_printf(out, "protocol=%s length=%zu windows=%zu", pl_usage_text(call, "protocol"),
                  spec->length, spec->windows);
    for (size_t i = 0; i < n_files; i++) {
        pl_buf_printf(out, " text=%s", pl_path_name(files[i]));
    }
}

static void note_measurement(const pl_state *state, pl_measurement m, const char *how)
{
    if (how != NULL && strlen(how) < sizeof m.protocol) {
        snprintf(m.protocol, sizeof m.protocol, "%s", how);
        pl_record_measured(state->source, &m);
    }
}

void pl_note_measured(const pl_state *state, const char *how, const pl_ppl_result *found,
                      size_t solved)
{
    note_measurement(state,
                     (pl_measurement){.setting = pl_state_setting(state),
                                      .perplexity = found->perplexity,
                                      .error = found->perplexity_error,
                                      .original = found->original,
                                      .original_error = found->original_error,
                                      .kl_mean = found->kl_mean,
                                      .solved = solved},
                     how);
}

void pl_note_original(const pl_state *state, const char *how, const pl_ppl_result *found)
{
    note_measurement(state,
                     (pl_measurement){.perplexity = found->perplexity,
                                      .error = found->perplexity_error,
                                      .original = found->perplexity,
                                      .original_error = found->perplexity_error,
                                      .kl_mean = (double)NAN},
                     how);
}

pl_status pl_put_drawn(json_t *result, const char *file, const pl_model *model, pl_error *err)
{
    char *bytes = NULL, id[PL_ID_TEXT];
    size_t size = 0;
    pl_buf by = {0};
    pl_buf_puts(&by, "drawing " PL_DRAWING ", ");
    pl_page_libraries(&by);
    pl_status status = pl_buf_check(&by, err);
    PL_THEN(pl_file_read_all(file, (size_t)1 << 30, &bytes, &size, err));
    if (status == PL_OK) {
        pl_id_format(pl_id_bytes(bytes, size), id);
        pl_json_set(result, "drawn",
                    json_pack("{s:s, s:s, s:s}", "identity", id, "by", by.data, "model",
                              pl_model_name(model)));
    }
    free(bytes);
    pl_buf_deinit(&by);
    return status;
}

pl_status pl_make_aside(const char *name, pl_temporary *out, pl_error *err)
{
    const char *folder = getenv("TMPDIR");
    pl_buf target = {0};
    *out = (pl_temporary){.fd = -1};
    pl_path_join(&target, folder != NULL && folder[0] == '/' ? folder : "/tmp", name);
    pl_status status = pl_buf_check(&target, err);
    PL_THEN(pl_temporary_create(target.data, true, out, err));
    if (status == PL_OK && fchmod(out->fd, S_IRWXU) != 0) {
        status = pl_error_set(err, PL_ERR_IO, "%s: cannot be made private: %s", target.data,
                              strerror(errno));
        pl_temporary_discard(out);
    }
    pl_buf_deinit(&target);
    return status;
}
