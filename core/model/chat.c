#include "core/model/chat.h"

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/json.h"
#include "core/model/template.h"
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CHAT_FILE = 1 << 26 };

/* A file of the checkpoint's folder; *text stays NULL where there is none of that name. */
static pl_status read_beside(const pl_model *model, const char *name, char **text, size_t *size,
                             pl_error *err)
{
    pl_buf path = {0};
    *text = NULL;
    pl_path_join(&path, pl_checkpoint_folder(pl_model_checkpoint((pl_model *)(uintptr_t)model)),
                 name);
    pl_status status = pl_buf_check(&path, err);
    if (status == PL_OK && access(path.data, F_OK) == 0) {
        status = pl_file_read_all(path.data, MAX_CHAT_FILE, text, size, err);
    }
    pl_buf_deinit(&path);
    return status;
}

/* The same as an object; NULL where there is no such file. */
static pl_status read_object(const pl_model *model, const char *name, json_t **out, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t why;
    *out = NULL;
    pl_status status = read_beside(model, name, &text, &size, err);
    if (text != NULL) {
        *out = pl_json_load(text, size, &why);
        if (!json_is_object(*out)) {
            status = pl_error_set(err, PL_ERR_FORMAT, "%s: not a JSON object: line %d", name,
                                  *out == NULL ? why.line : 1);
            json_decref(*out);
            *out = NULL;
        }
    }
    free(text);
    return status;
}

static bool is_gguf(pl_model *model)
{
    return pl_checkpoint_container(pl_model_checkpoint(model)) == PL_GGUF;
}

/* Of several templates, a list of names and texts, the one named default. */
static pl_status choose_template(const json_t *value, const char *where, pl_buf *out, pl_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name != NULL && strcmp(name, "default") == 0) {
            value = json_object_get(item, "template");
            break;
        }
    }
    if (!json_is_string(value)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: chat_template is neither a text nor a list of named ones with one "
                            "named default",
                            where);
    }
    pl_buf_append(out, json_string_value(value), json_string_length(value));
    return pl_buf_check(out, err);
}

static pl_status find_template(pl_model *model, const json_t *config, pl_buf *out, pl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_t *other = NULL;
    const json_t *value = NULL;
    const char *where = "tokenizer_config.json";
    pl_status status = PL_OK;
    if (is_gguf(model)) {
        where = "tokenizer.chat_template";
        value = json_object_get(pl_checkpoint_metadata(pl_model_checkpoint(model)), where);
    } else {
        status = read_beside(model, "chat_template.jinja", &text, &size, err);
        value = json_object_get(config, "chat_template");
    }
    if (status == PL_OK && text == NULL && value == NULL && !is_gguf(model)) {
        where = "chat_template.json";
        status = read_object(model, where, &other, err);
        value = json_object_get(other, "chat_template");
    }
    if (status == PL_OK && text != NULL) {
        pl_buf_append(out, text, size);
        status = pl_buf_check(out, err);
    } else if (status == PL_OK && value != NULL && !json_is_null(value)) {
        status = choose_template(value, where, out, err);
    } else if (status == PL_OK) {
        status = pl_error_set(err, PL_ERR_NOT_FOUND,
                              "%s has no chat template: expected a chat_template in "
                              "tokenizer_config.json, chat_template.jinja, or one in a GGUF",
                              pl_model_name(model));
    }
    free(text);
    json_decref(other);
    return status;
}

pl_status pl_chat_template(pl_model *model, pl_buf *out, pl_error *err)
{
    json_t *config = NULL;
    pl_status status = PL_OK;
    if (!is_gguf(model)) {
        status = read_object(model, "tokenizer_config.json", &config, err);
    }
    PL_THEN(find_template(model, config, out, err));
    json_decref(config);
    return status == PL_ERR_NOT_FOUND ? PL_OK : status;
}

/* A special token's text, or NULL: a string, or an object with its content. */
static const char *special_text(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

/* GGUF names its special tokens by ids. */
static const struct {
    const char *name, *key;
} special_tokens[] = {
    {"bos_token", "tokenizer.ggml.bos_token_id"},
    {"eos_token", "tokenizer.ggml.eos_token_id"},
    {"unk_token", "tokenizer.ggml.unknown_token_id"},
    {"pad_token", "tokenizer.ggml.padding_token_id"},
};

static void put_specials(pl_model *model, const pl_tokenizer *t, const json_t *config,
                         const json_t *map, json_t *variables)
{
    const json_t *metadata = pl_checkpoint_metadata(pl_model_checkpoint(model));
    for (size_t i = 0; i < sizeof special_tokens / sizeof special_tokens[0]; i++) {
        const char *name = special_tokens[i].name;
        const char *text = special_text(config, name);
        text = text != NULL ? text : special_text(map, name);
        const json_t *id = is_gguf(model) ? json_object_get(metadata, special_tokens[i].key) : NULL;
        pl_buf decoded = {0};
        if (json_is_integer(id) && json_integer_value(id) <= INT32_MAX) {
            pl_tokenizer_decode(t, (int32_t)json_integer_value(id), &decoded);
            text = decoded.data;
        }
        if (text != NULL) {
            pl_json_set(variables, name, json_string(text));
        }
        pl_buf_deinit(&decoded);
    }
}

static json_t *turn(const char *role, const char *content)
{
    json_t *made = json_object();
    pl_json_set(made, "role", json_string(role));
    pl_json_set(made, "content", json_string(content));
    return made;
}

/* What transformers' apply_chat_template gives a template. */
static json_t *make_variables(const char *system, const char *user)
{
    json_t *variables = json_object(), *messages = json_array();
    if (system != NULL) {
        pl_json_append(messages, turn("system", system));
    }
    pl_json_append(messages, turn("user", user));
    pl_json_set(variables, "messages", messages);
    pl_json_set(variables, "tools", json_null());
    pl_json_set(variables, "documents", json_null());
    pl_json_set(variables, "add_generation_prompt", json_true());
    return variables;
}

pl_status pl_chat_text(pl_model *model, const char *system, const char *user, time_t now,
                       pl_buf *out, pl_task *task, pl_error *err)
{
    const pl_tokenizer *t = NULL;
    json_t *config = NULL, *map = NULL, *variables = NULL;
    pl_template *tpl = NULL;
    pl_buf source = {0};
    const unsigned failures = pl_memory_failures();
    pl_status status = pl_model_need_tokenizer(model, &t, err);
    if (!is_gguf(model)) {
        PL_THEN(read_object(model, "tokenizer_config.json", &config, err));
        PL_THEN(read_object(model, "special_tokens_map.json", &map, err));
    }
    PL_THEN(find_template(model, config, &source, err));
    PL_THEN(pl_template_parse(source.data != NULL ? source.data : "", source.size, &tpl, err));
    if (status == PL_OK) {
        variables = make_variables(system, user);
        put_specials(model, t, config, map, variables);
        status = pl_memory_check(failures, err);
    }
    PL_THEN(pl_template_render(tpl, variables, now, out, task, err));
    pl_template_destroy(tpl);
    pl_buf_deinit(&source);
    json_decref(variables);
    json_decref(config);
    json_decref(map);
    return status;
}

/* ---- Where it ends ---- */

static void add_end(int32_t *ends, size_t *count, json_int_t id)
{
    bool there = id < 0 || id > INT32_MAX || *count == PL_MAX_ENDS;
    for (size_t i = 0; i < *count; i++) {
        there = there || ends[i] == id;
    }
    if (!there) {
        ends[(*count)++] = (int32_t)id;
    }
}

static void add_value(int32_t *ends, size_t *count, const json_t *value)
{
    size_t i;
    json_t *item;
    if (json_is_integer(value)) {
        add_end(ends, count, json_integer_value(value));
    }
    json_array_foreach(value, i, item)
    {
        add_end(ends, count, json_is_integer(item) ? json_integer_value(item) : -1);
    }
}

pl_status pl_chat_ends(pl_model *model, int32_t ends[PL_MAX_ENDS], size_t *count, pl_error *err)
{
    static const char *const files[] = {"generation_config.json", "config.json"};
    const json_t *metadata = pl_checkpoint_metadata(pl_model_checkpoint(model));
    const pl_tokenizer *t = pl_model_tokenizer(model);
    json_t *json = NULL;
    pl_status status = PL_OK;
    *count = 0;
    add_end(ends, count, (json_int_t)pl_model_config(model)->eos_id);
    if (is_gguf(model)) {
        add_value(ends, count, json_object_get(metadata, "tokenizer.ggml.eos_token_id"));
        add_value(ends, count, json_object_get(metadata, "tokenizer.ggml.eot_token_id"));
        return PL_OK;
    }
    for (size_t i = 0; status == PL_OK && i < 2; i++) {
        status = read_object(model, files[i], &json, err);
        add_value(ends, count, json_object_get(json, "eos_token_id"));
        json_decref(json);
    }
    PL_THEN(read_object(model, "tokenizer_config.json", &json, err));
    const char *text = status == PL_OK ? special_text(json, "eos_token") : NULL;
    if (text != NULL && t != NULL) {
        add_end(ends, count, pl_tokenizer_find(t, text, strlen(text)));
    }
    json_decref(status == PL_OK ? json : NULL);
    return status;
}

pl_status pl_chat_pad(pl_model *model, int32_t *out, pl_error *err)
{
    const pl_tokenizer *t = pl_model_tokenizer(model);
    json_t *json = NULL;
    *out = -1;
    pl_status status = read_object(model, "tokenizer_config.json", &json, err);
    const char *text = status == PL_OK ? special_text(json, "pad_token") : NULL;
    if (text != NULL && t != NULL) {
        *out = pl_tokenizer_find(t, text, strlen(text));
    }
    json_decref(status == PL_OK ? json : NULL);
    if (status == PL_OK && *out < 0) {
        status = read_object(model, "config.json", &json, err);
        const json_t *id = json_object_get(status == PL_OK ? json : NULL, "pad_token_id");
        const json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        *out = value <= INT32_MAX ? (int32_t)value : -1;
        json_decref(status == PL_OK ? json : NULL);
    }
    return status;
}
