/* tokenizer_config.json: the class of transformers' AutoTokenizer and its flags.  Some classes
 * make the post-processor anew from add_bos_token and add_eos_token, whatever tokenizer.json says;
 * all others leave it and do not look at the flags (transformers 4.53, *_fast.py).  Where there is
 * no such file, tokenizer.json alone rules: a class guessed from the model's type would take its
 * own default tokens. */
#include "core/base/file.h"
#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CONFIG = 1 << 26 };

/* A class that makes its own post-processor. */
typedef struct bos_class {
    const char *name;      /* without "Fast" */
    bool adds_bos;         /* where add_bos_token is not given */
    bool own_prefix;       /* add_prefix_space says nothing about tokenizer.json's ByteLevel */
    const char *bos, *eos; /* where the files name none */
} bos_class;

static const bos_class classes[] = {
    {"LlamaTokenizer", true, true, "<s>", "</s>"},
    {"CodeLlamaTokenizer", true, false, "<s>", "</s>"},
    {"GemmaTokenizer", true, false, "<bos>", "<eos>"},
    {"CohereTokenizer", true, false, "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"},
    {"GPTNeoXTokenizer", false, false, "<|endoftext|>", "<|endoftext|>"},
};

static const bos_class *find_class(const char *name)
{
    size_t size = name != NULL ? strlen(name) : 0;
    size -= size > 4 && strcmp(name + size - 4, "Fast") == 0 ? 4 : 0;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strlen(classes[i].name) == size && memcmp(classes[i].name, name, size) == 0) {
            return &classes[i];
        }
    }
    return NULL;
}

typedef struct reader {
    const char *folder;
    json_t *config;   /* tokenizer_config.json, or NULL */
    json_t *specials; /* special_tokens_map.json, where it counts, or NULL */
    pl_tokenizer *t;
} reader;

/* A JSON object of the folder, NULL where there is no such file.  Reads integers as reals, since a
 * model_max_length of 1e30 is often written out. */
static pl_status read_object(const reader *r, const char *name, json_t **out, pl_error *err)
{
    pl_buf path = {0};
    char *text = NULL;
    size_t size = 0;
    json_error_t why;
    *out = NULL;
    pl_path_join(&path, r->folder, name);
    pl_status status = pl_buf_check(&path, err);
    if (status == PL_OK && access(path.data, F_OK) == 0) {
        status = pl_file_read_all(path.data, MAX_CONFIG, &text, &size, err);
        if (status == PL_OK) {
            *out = json_loadb(text, size, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &why);
        }
        if (status == PL_OK && !json_is_object(*out)) {
            status = pl_error_set(err, PL_ERR_FORMAT, "%s: not a JSON object: line %d: %s",
                                  path.data, *out == NULL ? why.line : 1,
                                  *out == NULL ? why.text : "another kind of value");
            json_decref(*out);
            *out = NULL;
        }
        char *files = r->t->files;
        const size_t used = strlen(files);
        snprintf(files + used, sizeof r->t->files - used, ", %s", name);
    }
    free(text);
    pl_buf_deinit(&path);
    return status;
}

/* The files' own words for a special token: a string, or an object with its content. */
static const json_t *token_text(const json_t *value)
{
    return json_is_object(value) ? json_object_get(value, "content") : value;
}

/* Appends the special token `key` to ids[*count].  *missing: the word is the class's default, and
 * the vocabulary lacks it. */
static pl_status add_special(const reader *r, const char *key, const char *fallback, int32_t *ids,
                             size_t *count, bool *missing, pl_error *err)
{
    const json_t *named = json_object_get(r->config, key);
    const json_t *mapped = json_object_get(r->specials, key);
    const json_t *value = token_text(mapped != NULL ? mapped : named);
    const bool by_class = mapped == NULL && named == NULL;
    if (!by_class && !json_is_string(value)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s/tokenizer_config.json: add_%s is true, but %s is no token",
                            r->folder, key, key);
    }
    const char *text = by_class ? fallback : json_string_value(value);
    const size_t size = by_class ? strlen(fallback) : json_string_length(value);
    const int32_t id = pl_tokenizer_find(r->t, text, size);
    if (id >= 0) {
        ids[(*count)++] = id;
        return PL_OK;
    }
    if (by_class) {
        *missing = true;
        return PL_OK;
    }
    char shown[80];
    pl_text_escape(text, size, shown, sizeof shown);
    return pl_error_set(err, PL_ERR_FORMAT,
                        "%s/tokenizer_config.json: %s '%s' is not in the vocabulary", r->folder,
                        key, shown);
}

/* Only a missing flag takes the class's default: null is false, as in Python. */
static bool flag(const json_t *config, const char *key, bool missing)
{
    const json_t *value = json_object_get(config, key);
    return value == NULL ? missing : json_is_true(value);
}

static pl_status apply_class(const reader *r, const bos_class *class, const char *where,
                             pl_error *err)
{
    pl_frame frame = {0};
    bool missing = false;
    const bool bos = flag(r->config, "add_bos_token", class->adds_bos);
    const bool eos = flag(r->config, "add_eos_token", false);
    pl_status status = PL_OK;
    if (bos) {
        status =
            add_special(r, "bos_token", class->bos, frame.front, &frame.n_front, &missing, err);
    }
    if (status == PL_OK && eos) {
        status = add_special(r, "eos_token", class->eos, frame.back, &frame.n_back, &missing, err);
    }
    if (status != PL_OK) {
        return status;
    }
    if (missing) { /* transformers would make a token that the model has no embedding for */
        snprintf(r->t->rule, sizeof r->t->rule,
                 "tokenizer.json's post_processor (%s's own '%s' is not in the vocabulary)",
                 class->name, class->bos);
        return PL_OK;
    }
    r->t->frame = frame;
    snprintf(r->t->rule, sizeof r->t->rule, "add_bos_token %s, add_eos_token %s of %s, from %s",
             bos ? "true" : "false", eos ? "true" : "false", class->name, where);
    return PL_OK;
}

/* A ByteLevel that is the whole pre-tokenizer takes add_prefix_space from the config. */
static void apply_prefix(const reader *r, const bos_class *class)
{
    pl_step *step = &r->t->splits[0];
    if (r->t->n_splits == 1 && step->kind == PL_STEP_BYTES && !r->t->nested_splits &&
        !(class != NULL && class->own_prefix)) {
        step->prefix = flag(r->config, "add_prefix_space", false);
    }
}

static pl_status apply(reader *r, const char *by_type, pl_error *err)
{
    json_t *model = NULL;
    const char *where = "tokenizer_config.json";
    const char *name = json_string_value(json_object_get(r->config, "tokenizer_class"));
    pl_status status = PL_OK;
    if (name == NULL) {
        where = "config.json";
        status = read_object(r, where, &model, err);
        name = json_string_value(json_object_get(model, "tokenizer_class"));
        name = name != NULL ? name : by_type;
    }
    const bos_class *class = find_class(name);
    if (status == PL_OK) {
        apply_prefix(r, class);
        status = class != NULL ? apply_class(r, class, where, err) : PL_OK;
    }
    json_decref(model);
    return status;
}

pl_status pl_tokenizer_from_folder(const char *folder, const char *by_type, pl_tokenizer **out,
                                   pl_error *err)
{
    reader r = {.folder = folder};
    pl_buf path = {0};
    *out = NULL;
    pl_path_join(&path, folder, "tokenizer.json");
    pl_status status = pl_buf_check(&path, err);
    PL_THEN(pl_tokenizer_from_json(path.data, &r.t, err));
    PL_THEN(read_object(&r, "tokenizer_config.json", &r.config, err));
    /* The older file counts only where the newer form of the other one is not used. */
    if (status == PL_OK && json_object_get(r.config, "added_tokens_decoder") == NULL) {
        status = read_object(&r, "special_tokens_map.json", &r.specials, err);
    }
    if (status == PL_OK && r.config != NULL) {
        status = apply(&r, by_type, err);
    }
    pl_buf_deinit(&path);
    json_decref(r.config);
    json_decref(r.specials);
    if (status == PL_OK) {
        *out = r.t;
    } else {
        pl_tokenizer_destroy(r.t);
    }
    return status;
}
