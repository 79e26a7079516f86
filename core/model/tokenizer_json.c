#include "core/base/file.h"
#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_JSON = 1 << 29 };

static const char *type_member(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type != NULL ? type : "(no type)";
}

static bool is_true(const json_t *object, const char *key, bool missing)
{
    const json_t *value = json_object_get(object, key);
    return value == NULL || json_is_null(value) ? missing : json_is_true(value);
}

static pl_status unsupported(pl_error *err, const char *what, const char *name, const char *known)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED, "%s '%.80s' is not supported; supported: %s", what,
                        name, known);
}

static pl_status copy_string(const json_t *value, const char *what, char **out, size_t *size,
                             pl_error *err)
{
    if (!json_is_string(value)) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s is not a string", what);
    }
    *size = json_string_length(value);
    *out = pl_copy_bytes(json_string_value(value), *size);
    return *out != NULL ? PL_OK : pl_error_memory(err, "a tokenizer");
}

/* The next free step of a list; the list is at most PL_MAX_STEPS long. */
static pl_step *add_step(pl_step *steps, size_t *count, pl_step_kind kind, pl_error *err)
{
    if (*count == PL_MAX_STEPS) {
        (void)pl_error_set(err, PL_ERR_UNSUPPORTED, "more than %d steps in a Sequence",
                           PL_MAX_STEPS);
        return NULL;
    }
    pl_step *step = &steps[(*count)++];
    *step = (pl_step){.kind = kind};
    return step;
}

/* One normalizer, or a Sequence of them. */
static pl_status read_normalizer(const json_t *json, pl_tokenizer *t, int depth, pl_error *err)
{
    const char *type = type_member(json);
    if (json == NULL || json_is_null(json)) {
        return PL_OK;
    }
    if (strcmp(type, "Sequence") == 0 && depth < 8) {
        size_t i;
        json_t *item;
        pl_status status = PL_OK;
        json_array_foreach(json_object_get(json, "normalizers"), i, item)
        {
            PL_THEN(read_normalizer(item, t, depth + 1, err));
        }
        return status;
    }
    pl_step_kind kind = strcmp(type, "NFC") == 0       ? PL_STEP_NFC
                        : strcmp(type, "Prepend") == 0 ? PL_STEP_PREPEND
                                                       : PL_STEP_REPLACE;
    if (kind == PL_STEP_REPLACE && strcmp(type, "Replace") != 0) {
        return unsupported(err, "normalizer", type, "NFC, Prepend, Replace, Sequence");
    }
    pl_step *step = add_step(t->normalizers, &t->n_normalizers, kind, err);
    if (step == NULL) {
        return PL_ERR_UNSUPPORTED;
    }
    if (kind == PL_STEP_PREPEND) {
        return copy_string(json_object_get(json, "prepend"), "normalizer.prepend", &step->text,
                           &step->text_size, err);
    }
    if (kind == PL_STEP_NFC) {
        return PL_OK;
    }
    const json_t *literal = json_object_get(json_object_get(json, "pattern"), "String");
    if (literal == NULL) {
        return unsupported(err, "normalizer Replace with the pattern type", "Regex", "String");
    }
    pl_status status =
        copy_string(literal, "normalizer.pattern", &step->text, &step->text_size, err);
    if (status == PL_OK && step->text_size == 0) {
        status = pl_error_set(err, PL_ERR_FORMAT, "normalizer.pattern is empty");
    }
    return status != PL_OK ? status
                           : copy_string(json_object_get(json, "content"), "normalizer.content",
                                         &step->content, &step->content_size, err);
}

/* missing: the behavior where there is none; PL_SPLIT_COUNT: it is required. */
static pl_status read_behavior(const json_t *json, pl_behavior missing, pl_step *step,
                               pl_error *err)
{
    const json_t *value = json_object_get(json, "behavior");
    const char *name = json_string_value(value);
    step->behavior = value == NULL ? missing : PL_SPLIT_COUNT;
    for (size_t i = 0; i < PL_SPLIT_COUNT && name != NULL; i++) {
        if (strcmp(name, pl_behavior_names[i]) == 0) {
            step->behavior = (pl_behavior)i;
        }
    }
    return step->behavior < PL_SPLIT_COUNT
               ? PL_OK
               : unsupported(err, "Split behavior", name != NULL ? name : "(none)",
                             "Isolated, Removed, Contiguous, MergedWithPrevious, MergedWithNext");
}

static pl_status read_split(const json_t *json, pl_step *step, pl_error *err)
{
    const json_t *pattern = json_object_get(json, "pattern");
    const json_t *regex = json_object_get(pattern, "Regex");
    step->literal = regex == NULL;
    step->invert = is_true(json, "invert", false);
    pl_status status = read_behavior(json, PL_SPLIT_COUNT, step, err);
    PL_THEN(copy_string(regex != NULL ? regex : json_object_get(pattern, "String"),
                        "pre_tokenizer.pattern", &step->text, &step->text_size, err));
    if (status == PL_OK && regex != NULL && strlen(step->text) != step->text_size) {
        status = pl_error_set(err, PL_ERR_UNSUPPORTED, "a split pattern with a NUL byte");
    }
    return status == PL_OK && regex != NULL ? pl_pattern_create(step->text, &step->pattern, err)
                                            : status;
}

static pl_status read_metaspace(const json_t *json, pl_step *step, pl_error *err)
{
    const char *scheme = json_string_value(json_object_get(json, "prepend_scheme"));
    bool always = is_true(json, "add_prefix_space", true); /* the older form */
    step->flag = is_true(json, "split", true);
    step->scheme = scheme == NULL                 ? (always ? PL_PREPEND_ALWAYS : PL_PREPEND_NEVER)
                   : strcmp(scheme, "first") == 0 ? PL_PREPEND_FIRST
                   : strcmp(scheme, "never") == 0 ? PL_PREPEND_NEVER
                                                  : PL_PREPEND_ALWAYS;
    step->text = pl_copy_bytes(" ", 1);
    step->text_size = 1;
    if (step->text == NULL) {
        return pl_error_memory(err, "a tokenizer");
    }
    pl_status status =
        copy_string(json_object_get(json, "replacement"), "pre_tokenizer.replacement",
                    &step->content, &step->content_size, err);
    if (status == PL_OK && step->content_size == 0) {
        status = pl_error_set(err, PL_ERR_FORMAT, "pre_tokenizer.replacement is empty");
    }
    return status;
}

/* One pre-tokenizer, or a Sequence of them. */
static pl_status read_pre_tokenizer(const json_t *json, pl_tokenizer *t, int depth, pl_error *err)
{
    static const char known[] = "ByteLevel, Digits, Metaspace, Punctuation, Split, Sequence";
    const char *type = type_member(json);
    if (json == NULL || json_is_null(json)) {
        return PL_OK;
    }
    if (strcmp(type, "Sequence") == 0 && depth < 8) {
        size_t i;
        json_t *item;
        pl_status status = PL_OK;
        t->nested_splits = true;
        json_array_foreach(json_object_get(json, "pretokenizers"), i, item)
        {
            PL_THEN(read_pre_tokenizer(item, t, depth + 1, err));
        }
        return status;
    }
    if (t->bpe.byte_level) { /* what comes now sees the stand-ins of the bytes */
        if (strcmp(type, "ByteLevel") == 0 || strcmp(type, "Metaspace") == 0) {
            return unsupported(err, "after ByteLevel the pre-tokenizer", type,
                               "Digits, Punctuation, Split");
        }
        for (size_t i = 0; i < t->n_splits; i++) {
            t->splits[i].mapped = t->splits[i].kind == PL_STEP_BYTES;
        }
    }
    pl_step *step = add_step(t->splits, &t->n_splits, PL_STEP_SPLIT, err);
    if (step == NULL) {
        return PL_ERR_UNSUPPORTED;
    }
    if (strcmp(type, "Split") == 0) {
        return read_split(json, step, err);
    }
    if (strcmp(type, "Digits") == 0) {
        step->kind = PL_STEP_DIGITS;
        step->flag = is_true(json, "individual_digits", false);
        return PL_OK;
    }
    if (strcmp(type, "Punctuation") == 0) {
        step->kind = PL_STEP_PUNCTUATION;
        return read_behavior(json, PL_SPLIT_ISOLATED, step, err);
    }
    if (strcmp(type, "Metaspace") == 0) {
        step->kind = PL_STEP_METASPACE;
        return read_metaspace(json, step, err);
    }
    if (strcmp(type, "ByteLevel") == 0) {
        t->bpe.byte_level = true;
        step->kind = PL_STEP_BYTES;
        step->prefix = is_true(json, "add_prefix_space", true);
        step->flag = is_true(json, "use_regex", true);
        return step->flag ? pl_pattern_create(PL_PATTERN_GPT2, &step->pattern, err) : PL_OK;
    }
    return unsupported(err, "pre-tokenizer", type, known);
}

static pl_status read_vocab(const json_t *vocab, pl_tokenizer *t, pl_error *err)
{
    if (!json_is_object(vocab) || json_object_size(vocab) == 0) {
        return pl_error_set(err, PL_ERR_FORMAT, "model.vocab is not a filled object");
    }
    json_int_t highest = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)vocab, key, value)
    {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= PL_MAX_VOCAB) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "model.vocab: the id of '%.80s' is not an integer from 0 to %d",
                                key, PL_MAX_VOCAB - 1);
        }
        highest = id > highest ? id : highest;
    }
    pl_status status = pl_vocab_reserve(&t->vocab, (size_t)highest + 1, err);
    if (status != PL_OK) {
        return status;
    }
    json_object_foreach((json_t *)vocab, key, value)
    {
        size_t id = (size_t)json_integer_value(value);
        if (t->vocab.tokens[id].present) {
            return pl_error_set(err, PL_ERR_FORMAT, "model.vocab: two tokens have the id %zu", id);
        }
        pl_vocab_set(&t->vocab, id, key, strlen(key));
    }
    return pl_vocab_index(&t->vocab, t->bpe.byte_level, err);
}

static pl_status read_merge(const json_t *merge, pl_tokenizer *t, pl_error *err)
{
    const json_t *left = json_array_get(merge, 0);
    const json_t *right = json_array_get(merge, 1);
    if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right)) {
        return pl_bpe_add(&t->bpe, &t->vocab, json_string_value(left), json_string_length(left),
                          json_string_value(right), json_string_length(right), err);
    }
    const char *text = json_string_value(merge);
    const char *blank = text != NULL ? strchr(text, ' ') : NULL;
    if (blank == NULL || strchr(blank + 1, ' ') != NULL) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "model.merges: entry %zu is neither \"a b\" nor a pair of strings",
                            t->bpe.count);
    }
    return pl_bpe_add(&t->bpe, &t->vocab, text, (size_t)(blank - text), blank + 1,
                      strlen(blank + 1), err);
}

/* The id of a token by its text as written, or -1. */
static json_int_t find_token_text(const pl_tokenizer *t, const char *text, size_t size)
{
    char raw[256];
    size_t raw_size = size;
    if (!t->bpe.byte_level) {
        return pl_vocab_find(&t->vocab, text, size);
    }
    if (size <= sizeof raw && pl_bytes_unmap(text, size, raw, &raw_size)) {
        return pl_vocab_find(&t->vocab, raw, raw_size);
    }
    return pl_tokenizer_find(t, text, size);
}

static pl_status read_unknown(const json_t *model, pl_tokenizer *t, pl_error *err)
{
    const json_t *unknown = json_object_get(model, "unk_token");
    if (!json_is_string(unknown)) {
        return PL_OK;
    }
    const char *text = json_string_value(unknown);
    t->bpe.unk = (int32_t)find_token_text(t, text, json_string_length(unknown));
    return t->bpe.unk >= 0 ? PL_OK
                           : pl_error_set(err, PL_ERR_FORMAT,
                                          "model.unk_token '%.80s' is not in the vocabulary", text);
}

static pl_status read_model(const json_t *model, pl_tokenizer *t, pl_error *err)
{
    const json_t *merges = json_object_get(model, "merges");
    const json_t *type = json_object_get(model, "type");
    if ((type != NULL || merges == NULL) && strcmp(type_member(model), "BPE") != 0) {
        return unsupported(err, "tokenizer model", type_member(model), "BPE");
    }
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 2; i++) {
        if (json_string_length(json_object_get(model, affixes[i])) > 0) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED, "model.%s is not supported", affixes[i]);
        }
    }
    if (json_number_value(json_object_get(model, "dropout")) != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED, "model.dropout is not supported");
    }
    t->bpe.byte_fallback = is_true(model, "byte_fallback", false);
    t->bpe.fuse_unk = is_true(model, "fuse_unk", false);
    t->bpe.ignore_merges = is_true(model, "ignore_merges", false);
    pl_status status = read_vocab(json_object_get(model, "vocab"), t, err);
    PL_THEN(read_unknown(model, t, err));
    if (status == PL_OK && !json_is_array(merges)) {
        status = pl_error_set(err, PL_ERR_FORMAT, "model.merges is not an array");
    }
    PL_THEN(pl_bpe_reserve(&t->bpe, json_array_size(merges), err));
    size_t i;
    json_t *merge;
    json_array_foreach(merges, i, merge)
    {
        if (status != PL_OK) {
            break;
        }
        status = read_merge(merge, t, err);
    }
    return status;
}

/* As in Hugging Face's tokenizers, an added token that is in the vocabulary keeps its id there,
 * whatever its entry says; any other gets the entry's id. */
static pl_status read_added_token(const json_t *json, pl_tokenizer *t, pl_error *err)
{
    const json_t *content = json_object_get(json, "content");
    const json_t *number = json_object_get(json, "id");
    json_int_t id = json_is_integer(number) ? json_integer_value(number) : -1;
    if (!json_is_string(content) || id < 0 || id >= PL_MAX_VOCAB) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "added_tokens: entry %zu needs a string content and an id from 0 to %d",
                            t->n_added, PL_MAX_VOCAB - 1);
    }
    const char *text = json_string_value(content);
    size_t size = json_string_length(content);
    json_int_t known = find_token_text(t, text, size);
    id = known >= 0 ? known : id;
    pl_status status = pl_vocab_reserve(&t->vocab, (size_t)id + 1, err);
    if (status != PL_OK || size == 0) {
        return status;
    }
    const pl_token *token = &t->vocab.tokens[id];
    if (!token->present) {
        pl_vocab_set(&t->vocab, (size_t)id, text, size);
        t->vocab.tokens[id].matchable = false;
    } else if (token->text_size != size ||
               memcmp(t->vocab.bytes.data + token->text, text, size) != 0) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "added_tokens: '%.80s' has the id %d of another token", text, (int)id);
    }
    pl_added *added = &t->added[t->n_added];
    *added = (pl_added){.size = size, .id = (int32_t)id};
    added->content = pl_copy_bytes(text, size);
    if (added->content == NULL) {
        return pl_error_memory(err, "the added tokens");
    }
    t->n_added++;
    added->special = is_true(json, "special", false);
    added->normalized = is_true(json, "normalized", !added->special);
    added->lstrip = is_true(json, "lstrip", false);
    added->rstrip = is_true(json, "rstrip", false);
    added->single_word = is_true(json, "single_word", false);
    return pl_buf_check(&t->vocab.bytes, err);
}

static pl_status read_added(const json_t *list, pl_tokenizer *t, pl_error *err)
{
    if (list == NULL || json_is_null(list)) {
        return PL_OK;
    }
    if (!json_is_array(list)) {
        return pl_error_set(err, PL_ERR_FORMAT, "added_tokens is not an array");
    }
    t->added = calloc(json_array_size(list) + 1, sizeof *t->added);
    if (t->added == NULL) {
        return pl_error_memory(err, "the added tokens");
    }
    size_t i;
    json_t *item;
    pl_status status = PL_OK;
    json_array_foreach(list, i, item)
    {
        PL_THEN(read_added_token(item, t, err));
    }
    return status;
}

/* The ids of one special token of a template. */
static pl_status read_special(const json_t *template, const char *name, const pl_tokenizer *t,
                              int32_t *ids, size_t *count, pl_error *err)
{
    const json_t *token = json_object_get(json_object_get(template, "special_tokens"), name);
    const json_t *list = json_object_get(token, "ids");
    size_t i;
    json_t *id;
    if (json_array_size(list) == 0) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "post_processor: '%.80s' has no ids in special_tokens", name);
    }
    json_array_foreach(list, i, id)
    {
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            (size_t)json_integer_value(id) >= t->vocab.count) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "post_processor: '%.80s' has no id of the vocabulary", name);
        }
        if (*count == PL_MAX_FRAME) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "post_processor: more than %d special tokens on one side of a text",
                                PL_MAX_FRAME);
        }
        ids[(*count)++] = (int32_t)json_integer_value(id);
    }
    return PL_OK;
}

/* A template for one text: special tokens, the text (A), special tokens.  Tokens of an earlier
 * template stay next to the text. */
static pl_status read_template(const json_t *json, pl_tokenizer *t, pl_error *err)
{
    const json_t *single = json_object_get(json, "single");
    const pl_frame inner = t->frame;
    pl_frame *frame = &t->frame;
    pl_status status = PL_OK;
    bool after = false;
    size_t i;
    json_t *piece;
    *frame = (pl_frame){0};
    json_array_foreach(single, i, piece)
    {
        const json_t *special = json_object_get(piece, "SpecialToken");
        const char *name = json_string_value(json_object_get(special, "id"));
        const char *text =
            json_string_value(json_object_get(json_object_get(piece, "Sequence"), "id"));
        if (name != NULL && status == PL_OK) {
            status = read_special(json, name, t, after ? frame->back : frame->front,
                                  after ? &frame->n_back : &frame->n_front, err);
        } else if (text != NULL && strcmp(text, "A") == 0 && !after &&
                   frame->n_front + inner.n_front <= PL_MAX_FRAME && inner.n_back <= PL_MAX_FRAME) {
            memcpy(frame->front + frame->n_front, inner.front, sizeof(int32_t) * inner.n_front);
            frame->n_front += inner.n_front;
            memcpy(frame->back, inner.back, sizeof(int32_t) * inner.n_back);
            frame->n_back = inner.n_back;
            after = true;
        } else if (status == PL_OK) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "post_processor.single: entry %zu is neither a special token nor "
                                "the one text A",
                                i);
        }
    }
    return status != PL_OK || after
               ? status
               : pl_error_set(err, PL_ERR_FORMAT,
                              "post_processor.single is not an array that holds the text A");
}

/* Of post-processors only this is of interest: the special tokens around a text. */
static pl_status read_post_processor(const json_t *json, pl_tokenizer *t, int depth, pl_error *err)
{
    const char *type = type_member(json);
    if (json == NULL || json_is_null(json) || strcmp(type, "ByteLevel") == 0) {
        return PL_OK;
    }
    if (strcmp(type, "Sequence") == 0 && depth < 8) {
        size_t i;
        json_t *item;
        pl_status status = PL_OK;
        json_array_foreach(json_object_get(json, "processors"), i, item)
        {
            PL_THEN(read_post_processor(item, t, depth + 1, err));
        }
        return status;
    }
    if (strcmp(type, "TemplateProcessing") != 0) {
        return unsupported(err, "post-processor", type, "ByteLevel, TemplateProcessing, Sequence");
    }
    return read_template(json, t, err);
}

static bool has_metaspace(const pl_tokenizer *t)
{
    bool found = false;
    for (size_t i = 0; i < t->n_normalizers; i++) {
        const pl_step *step = &t->normalizers[i];
        found = found || (step->kind == PL_STEP_REPLACE && strcmp(step->text, " ") == 0 &&
                          strcmp(step->content, PL_METASPACE) == 0);
    }
    for (size_t i = 0; i < t->n_splits; i++) {
        found = found || (t->splits[i].kind == PL_STEP_METASPACE &&
                          strcmp(t->splits[i].content, PL_METASPACE) == 0);
    }
    return found;
}

static pl_status read_json_tokenizer(const json_t *json, pl_tokenizer *t, pl_error *err)
{
    pl_status status = read_normalizer(json_object_get(json, "normalizer"), t, 0, err);
    PL_THEN(read_pre_tokenizer(json_object_get(json, "pre_tokenizer"), t, 0, err));
    PL_THEN(read_model(json_object_get(json, "model"), t, err));
    PL_THEN(read_added(json_object_get(json, "added_tokens"), t, err));
    PL_THEN(read_post_processor(json_object_get(json, "post_processor"), t, 0, err));
    t->metaspace = status == PL_OK && has_metaspace(t);
    t->bos = t->frame.n_front > 0 ? t->frame.front[0] : -1;
    snprintf(t->rule, sizeof t->rule, "tokenizer.json's post_processor");
    snprintf(t->files, sizeof t->files, "tokenizer.json");
    return status == PL_OK ? pl_tokenizer_finish(t, err) : status;
}

pl_status pl_tokenizer_from_json(const char *path, pl_tokenizer **out, pl_error *err)
{
    *out = NULL;
    char *text = NULL;
    size_t size = 0;
    json_t *json = NULL;
    json_error_t why;
    pl_tokenizer *tokenizer = NULL;
    pl_status status = pl_file_read_all(path, MAX_JSON, &text, &size, err);
    if (status != PL_OK) {
        return status;
    }
    json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    free(text);
    if (!json_is_object(json)) {
        status = pl_error_set(err, PL_ERR_FORMAT, "%s: not a JSON object: line %d: %s", path,
                              json == NULL ? why.line : 1,
                              json == NULL ? why.text : "another kind of value");
        goto done;
    }
    status = pl_tokenizer_create(&tokenizer, err);
    if (status == PL_OK) {
        status = read_json_tokenizer(json, tokenizer, err);
        if (status != PL_OK) {
            pl_error_prefix(err, "%s: ", path);
        }
    }
done:
    json_decref(json);
    if (status == PL_OK) {
        *out = tokenizer;
    } else {
        pl_tokenizer_destroy(tokenizer);
    }
    return status;
}
