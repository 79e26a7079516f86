#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* tokenizer.ggml.token_type */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER = 4 };

/* A pre-tokenizer by the name GGUF gives it. */
typedef struct gguf_pre {
    const char *name;
    const char *pattern; /* NULL: GPT-2's, by ByteLevel itself */
    bool digits;         /* each digit alone first */
    bool nfc, ignore_merges;
} gguf_pre;

static const gguf_pre pres[] = {
    {"smollm", NULL, true, false, false},
    {"gpt-2", NULL, false, false, false},
    {"llama-bpe", PL_PATTERN_LLAMA3, false, false, true},
    {"llama3", PL_PATTERN_LLAMA3, false, false, true},
    {"qwen2", PL_PATTERN_QWEN2, false, true, false},
};

static pl_status find_pre(const json_t *metadata, const gguf_pre **out, pl_error *err)
{
    const char *model = json_string_value(json_object_get(metadata, "tokenizer.ggml.model"));
    const char *pre = json_string_value(json_object_get(metadata, "tokenizer.ggml.pre"));
    if (model == NULL) {
        return pl_error_set(err, PL_ERR_NOT_FOUND,
                            "it holds no tokenizer (tokenizer.ggml.model is missing)");
    }
    if (strcmp(model, "gpt2") != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "tokenizer.ggml.model '%.80s' is not supported; supported: gpt2",
                            model);
    }
    for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++) {
        if (pre != NULL && strcmp(pre, pres[i].name) == 0) {
            *out = &pres[i];
            return PL_OK;
        }
    }
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "tokenizer.ggml.pre '%.80s' is not supported; supported: smollm, "
                        "llama-bpe, qwen2, gpt-2",
                        pre != NULL ? pre : "(missing)");
}

static pl_status set_splits(pl_tokenizer *t, const gguf_pre *pre, pl_error *err)
{
    pl_status status = PL_OK;
    if (pre->nfc) {
        t->normalizers[t->n_normalizers++].kind = PL_STEP_NFC;
    }
    if (pre->digits) {
        pl_step *step = &t->splits[t->n_splits++];
        *step = (pl_step){.kind = PL_STEP_DIGITS, .flag = true};
        status = pl_step_compile(step, "\\p{N}", err);
    }
    if (status == PL_OK && pre->pattern != NULL) {
        pl_step *step = &t->splits[t->n_splits++];
        *step = (pl_step){.kind = PL_STEP_SPLIT, .text_size = strlen(pre->pattern)};
        step->text = pl_copy_bytes(pre->pattern, step->text_size);
        status = step->text == NULL ? pl_error_set(err, PL_ERR_MEMORY, "no memory for a tokenizer")
                                    : pl_step_compile(step, NULL, err);
    }
    if (status == PL_OK) {
        pl_step *step = &t->splits[t->n_splits++];
        *step = (pl_step){.kind = PL_STEP_BYTES, .flag = pre->pattern == NULL};
        status = step->flag ? pl_step_compile(step, PL_PATTERN_GPT2, err) : PL_OK;
    }
    t->bpe.byte_level = true;
    t->bpe.ignore_merges = pre->ignore_merges;
    return status;
}

static pl_status read_tokens(const pl_checkpoint *checkpoint, pl_tokenizer *t, pl_error *err)
{
    const char *const *tokens = NULL;
    const size_t *sizes = NULL;
    size_t count = 0;
    if (!pl_checkpoint_strings(checkpoint, "tokenizer.ggml.tokens", &tokens, &sizes, &count) ||
        count == 0 || count > PL_MAX_VOCAB) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "tokenizer.ggml.tokens is not an array of 1 to %d strings",
                            PL_MAX_VOCAB);
    }
    pl_status status = pl_vocab_reserve(&t->vocab, count, err);
    if (status != PL_OK) {
        return status;
    }
    for (size_t id = 0; id < count; id++) {
        pl_vocab_set(&t->vocab, id, tokens[id], sizes[id]);
    }
    return pl_vocab_index(&t->vocab, true, err);
}

/* Each merge is "a b". */
static pl_status read_merges(const pl_checkpoint *checkpoint, pl_tokenizer *t, pl_error *err)
{
    const char *const *merges = NULL;
    const size_t *sizes = NULL;
    size_t count = 0;
    if (!pl_checkpoint_strings(checkpoint, "tokenizer.ggml.merges", &merges, &sizes, &count) ||
        count > PL_MAX_VOCAB) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "tokenizer.ggml.merges is not an array of at most %d strings",
                            PL_MAX_VOCAB);
    }
    pl_status status = pl_bpe_reserve(&t->bpe, count, err);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        const char *blank = sizes[i] > 1 ? memchr(merges[i] + 1, ' ', sizes[i] - 1) : NULL;
        if (blank == NULL) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "tokenizer.ggml.merges: entry %zu is no \"a b\"", i);
        }
        size_t left = (size_t)(blank - merges[i]);
        status =
            pl_bpe_add(&t->bpe, &t->vocab, merges[i], left, blank + 1, sizes[i] - left - 1, err);
    }
    return status;
}

static pl_status add_token(pl_tokenizer *t, size_t id, json_int_t type, pl_error *err)
{
    const pl_token *token = &t->vocab.tokens[id];
    bool kept = type == TYPE_UNKNOWN || type == TYPE_CONTROL || type == TYPE_USER;
    if (!kept || token->text_size == 0) {
        return PL_OK;
    }
    pl_added *added = &t->added[t->n_added];
    *added = (pl_added){.size = token->text_size, .id = (int32_t)id, .special = type != TYPE_USER};
    added->content = pl_copy_bytes(t->vocab.bytes.data + token->text, token->text_size);
    if (added->content == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "no memory for the added tokens");
    }
    t->n_added++;
    return PL_OK;
}

/* Tokens of type control, user-defined or unknown are found in the text before it is split. */
static pl_status read_types(const json_t *metadata, pl_tokenizer *t, pl_error *err)
{
    const json_t *types = json_object_get(metadata, "tokenizer.ggml.token_type");
    if (types == NULL) {
        return PL_OK;
    }
    if (json_array_size(types) != t->vocab.count) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "tokenizer.ggml.token_type has %zu entries, expected %zu",
                            json_array_size(types), t->vocab.count);
    }
    t->added = calloc(t->vocab.count + 1, sizeof *t->added);
    if (t->added == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "no memory for the added tokens");
    }
    pl_status status = PL_OK;
    for (size_t id = 0; id < t->vocab.count && status == PL_OK; id++) {
        status = add_token(t, id, json_integer_value(json_array_get(types, id)), err);
    }
    pl_added *fitted = realloc(t->added, (t->n_added + 1) * sizeof *fitted);
    t->added = fitted != NULL ? fitted : t->added;
    return status;
}

static int32_t id_of(const json_t *metadata, const char *key, const pl_tokenizer *t)
{
    const json_t *value = json_object_get(metadata, key);
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    return id >= 0 && (size_t)id < t->vocab.count ? (int32_t)id : -1;
}

static pl_status read_all(const pl_checkpoint *checkpoint, pl_tokenizer *t, pl_error *err)
{
    const json_t *metadata = pl_checkpoint_metadata(checkpoint);
    const gguf_pre *pre = NULL;
    pl_status status = find_pre(metadata, &pre, err);
    status = status == PL_OK ? set_splits(t, pre, err) : status;
    status = status == PL_OK ? read_tokens(checkpoint, t, err) : status;
    status = status == PL_OK ? read_merges(checkpoint, t, err) : status;
    status = status == PL_OK ? read_types(metadata, t, err) : status;
    if (status != PL_OK) {
        return status;
    }
    t->bos = id_of(metadata, "tokenizer.ggml.bos_token_id", t);
    t->eos = id_of(metadata, "tokenizer.ggml.eos_token_id", t);
    t->adds_bos = json_is_true(json_object_get(metadata, "tokenizer.ggml.add_bos_token"));
    if (t->adds_bos && t->bos < 0) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "tokenizer.ggml.add_bos_token is true, but bos_token_id is no token");
    }
    return pl_tokenizer_finish(t, err);
}

pl_status pl_tokenizer_from_gguf(const pl_checkpoint *checkpoint, pl_tokenizer **out, pl_error *err)
{
    pl_tokenizer *tokenizer = NULL;
    *out = NULL;
    pl_status status = pl_tokenizer_create(&tokenizer, err);
    if (status == PL_OK) {
        status = read_all(checkpoint, tokenizer, err);
        if (status != PL_OK) {
            const pl_file *file = pl_checkpoint_shard(checkpoint, 0);
            pl_error_prefix(err, "%s: ", pl_file_path(file));
        }
    }
    if (status == PL_OK) {
        *out = tokenizer;
    } else {
        pl_tokenizer_destroy(tokenizer);
    }
    return status;
}
