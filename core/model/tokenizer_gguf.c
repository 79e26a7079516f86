#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tokenizer.ggml.token_type */
enum {
    TYPE_NORMAL = 1,
    TYPE_UNKNOWN = 2,
    TYPE_CONTROL = 3,
    TYPE_USER = 4,
    TYPE_UNUSED = 5,
    TYPE_BYTE = 6
};

/* spm: the model is "llama", SentencePiece's BPE; else "gpt2", byte-level BPE. */
static pl_status find_model(const json_t *metadata, bool *spm, pl_error *err)
{
    const char *model = json_string_value(json_object_get(metadata, "tokenizer.ggml.model"));
    if (model == NULL) {
        return pl_error_set(err, PL_ERR_NOT_FOUND,
                            "it holds no tokenizer (tokenizer.ggml.model is missing)");
    }
    *spm = strcmp(model, "llama") == 0;
    if (!*spm && strcmp(model, "gpt2") != 0) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "tokenizer.ggml.model '%.80s' is not supported; supported: gpt2, llama",
                            model);
    }
    return PL_OK;
}

/* A missing name is "default", as in llama.cpp. */
static pl_status find_pre(const json_t *metadata, pl_tokenizer *t, const pl_pre **out,
                          pl_error *err)
{
    const json_t *value = json_object_get(metadata, "tokenizer.ggml.pre");
    const char *name = json_is_string(value) ? json_string_value(value) : "default";
    *out = pl_pre_find(name);
    if (*out != NULL) {
        snprintf(t->pre, sizeof t->pre, "%s%s", name, value == NULL ? " (not named)" : "");
        return PL_OK;
    }
    pl_buf list = {0};
    pl_pre_list(&list);
    pl_status status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                                    "tokenizer.ggml.pre '%.80s' is not supported; supported: %s",
                                    name, list.data != NULL ? list.data : "");
    pl_buf_deinit(&list);
    return status;
}

static pl_status add_pattern(pl_tokenizer *t, const char *pattern, pl_error *err)
{
    pl_step *step = &t->splits[t->n_splits++];
    *step = (pl_step){.kind = PL_STEP_SPLIT, .text_size = strlen(pattern)};
    step->text = pl_copy_bytes(pattern, step->text_size);
    return step->text == NULL ? pl_error_memory(err, "a tokenizer")
                              : pl_pattern_create(pattern, &step->pattern, err);
}

static pl_status set_splits(pl_tokenizer *t, const pl_pre *pre, pl_error *err)
{
    pl_status status = PL_OK;
    if (pre->nfc) {
        t->normalizers[t->n_normalizers++].kind = PL_STEP_NFC;
    }
    if (pre->digits) {
        t->splits[t->n_splits++] = (pl_step){.kind = PL_STEP_DIGITS, .flag = true};
    }
    for (size_t i = 0; i < PL_MAX_PATTERNS && pre->patterns[i] != NULL && status == PL_OK; i++) {
        status = add_pattern(t, pre->patterns[i], err);
    }
    if (status == PL_OK) {
        pl_step *step = &t->splits[t->n_splits++];
        *step = (pl_step){.kind = PL_STEP_BYTES, .flag = pre->gpt2};
        status = pre->gpt2 ? pl_pattern_create(PL_PATTERN_GPT2, &step->pattern, err) : PL_OK;
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
    return PL_OK;
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
        return pl_error_memory(err, "the added tokens");
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
        return pl_error_memory(err, "the added tokens");
    }
    pl_status status = PL_OK;
    for (size_t id = 0; id < t->vocab.count && status == PL_OK; id++) {
        status = add_token(t, id, json_integer_value(json_array_get(types, id)), err);
    }
    pl_added *fitted = realloc(t->added, (t->n_added + 1) * sizeof *fitted);
    t->added = fitted != NULL ? fitted : t->added;
    return status;
}

/* missing: the format's own id where the key is not there, or -1. */
static int32_t id_of(const json_t *metadata, const char *key, const pl_tokenizer *t,
                     int32_t missing)
{
    const json_t *value = json_object_get(metadata, key);
    json_int_t id = value == NULL            ? missing
                    : json_is_integer(value) ? json_integer_value(value)
                                             : -1;
    return id >= 0 && (size_t)id < t->vocab.count ? (int32_t)id : -1;
}

/* Puts token `id` on one side of every text if the key says so; a missing key says what the kind of
 * tokenizer says (llama.cpp, llama-vocab.cpp). */
static pl_status read_side(const json_t *metadata, const char *key, bool missing, int32_t id,
                           int32_t *ids, size_t *count, pl_error *err)
{
    const json_t *value = json_object_get(metadata, key);
    if (value == NULL ? !missing : !json_is_true(value)) {
        return PL_OK;
    }
    if (id < 0) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s is %s, but %s_id is no token", key,
                            value == NULL ? "true for this kind of tokenizer" : "true",
                            key + strlen("tokenizer.ggml.add_"));
    }
    ids[(*count)++] = id;
    return PL_OK;
}

/* BOS and EOS.  adds_bos: the default of the kind, which is called `kind`. */
static pl_status read_frame(const json_t *metadata, pl_tokenizer *t, bool adds_bos,
                            const char *kind, pl_error *err)
{
    pl_frame *frame = &t->frame;
    pl_status status = read_side(metadata, "tokenizer.ggml.add_bos_token", adds_bos, t->bos,
                                 frame->front, &frame->n_front, err);
    PL_THEN(read_side(metadata, "tokenizer.ggml.add_eos_token", false, t->eos, frame->back,
                      &frame->n_back, err));
    if (json_object_get(metadata, "tokenizer.ggml.add_bos_token") != NULL) {
        snprintf(t->rule, sizeof t->rule, "tokenizer.ggml.add_bos_token");
    } else {
        snprintf(t->rule, sizeof t->rule,
                 "GGUF's default for %s: tokenizer.ggml.add_bos_token is missing", kind);
    }
    return status;
}

static pl_status read_byte_level(const pl_checkpoint *checkpoint, pl_tokenizer *t, pl_error *err)
{
    const json_t *metadata = pl_checkpoint_metadata(checkpoint);
    const pl_pre *pre = NULL;
    pl_status status = find_pre(metadata, t, &pre, err);
    PL_THEN(set_splits(t, pre, err));
    PL_THEN(read_tokens(checkpoint, t, err));
    PL_THEN(pl_vocab_index(&t->vocab, true, err));
    PL_THEN(read_merges(checkpoint, t, err));
    PL_THEN(read_types(metadata, t, err));
    if (status != PL_OK) {
        return status;
    }
    t->bos = id_of(metadata, "tokenizer.ggml.bos_token_id", t, -1);
    t->eos = id_of(metadata, "tokenizer.ggml.eos_token_id", t, -1);
    return read_frame(metadata, t, pre->adds_bos, t->pre, err);
}

/* ---- SentencePiece's BPE ---- */

static json_int_t gguf_token_type(const json_t *metadata, size_t id)
{
    const json_t *types = json_object_get(metadata, "tokenizer.ggml.token_type");
    return types == NULL ? TYPE_NORMAL : json_integer_value(json_array_get(types, id));
}

/* The byte of a token written <0x00> to <0xFF>, or -1. */
static int written_byte(const char *text, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high = size == 6 ? memchr(digits, text[3], 16) : NULL;
    const char *low = size == 6 ? memchr(digits, text[4], 16) : NULL;
    return high == NULL || low == NULL || memcmp(text, "<0x", 3) != 0 || text[5] != '>'
               ? -1
               : (int)((high - digits) * 16 + (low - digits));
}

/* Tokens that merges may make: normal, unused, and user-defined ones that contain U+2581.  Other
 * user-defined ones are cut out of the text first. */
static pl_status apply_types(const json_t *metadata, pl_tokenizer *t, pl_error *err)
{
    memset(t->bpe.fallback, 0xff, sizeof t->bpe.fallback);
    for (size_t id = 0; id < t->vocab.count; id++) {
        pl_token *token = &t->vocab.tokens[id];
        const char *text = t->vocab.bytes.data + token->text;
        const json_int_t type = gguf_token_type(metadata, id);
        const int byte = written_byte(text, token->text_size);
        if (type == TYPE_BYTE && byte < 0) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "token %zu is of type byte, expected it to be written <0x00> to "
                                "<0xFF>",
                                id);
        }
        if (byte >= 0 &&
            (type == TYPE_BYTE || (type == TYPE_NORMAL && t->bpe.fallback[byte] < 0))) {
            t->bpe.fallback[byte] = (int32_t)id;
        }
        if (type == TYPE_UNKNOWN && t->bpe.unk < 0) {
            t->bpe.unk = (int32_t)id;
        }
        token->unused = type == TYPE_UNUSED;
        bool user = type == TYPE_USER && memmem(text, token->text_size, PL_METASPACE, 3) == NULL;
        token->matchable = token->text_size > 0 && type != TYPE_UNKNOWN && type != TYPE_CONTROL &&
                           type != TYPE_BYTE && !user;
    }
    int32_t unk = id_of(metadata, "tokenizer.ggml.unknown_token_id", t, -1);
    t->bpe.unk = unk >= 0 ? unk : t->bpe.unk;
    for (size_t byte = 0; byte < 256 && t->bpe.unk < 0; byte++) {
        if (t->bpe.fallback[byte] < 0) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "the tokenizer has neither an unknown token nor one for the byte "
                                "0x%02zX, expected one of them",
                                byte);
        }
    }
    t->bpe.byte_fallback = true;
    t->bpe.fuse_unk = true;
    return PL_OK;
}

static pl_status read_token_scores(const json_t *metadata, pl_tokenizer *t, pl_error *err)
{
    const json_t *list = json_object_get(metadata, "tokenizer.ggml.scores");
    const size_t count = t->vocab.count;
    if (json_array_size(list) != count) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "tokenizer.ggml.scores has %zu entries, expected %zu, one a token",
                            json_array_size(list), count);
    }
    float *scores = malloc(count * sizeof *scores);
    if (scores == NULL) {
        return pl_error_memory(err, "a tokenizer");
    }
    pl_status status = PL_OK;
    for (size_t id = 0; id < count && status == PL_OK; id++) {
        const json_t *score = json_array_get(list, id);
        scores[id] = (float)json_number_value(score);
        if (!json_is_number(score) || !isfinite(scores[id])) { /* null: not finite */
            status = pl_error_set(err, PL_ERR_FORMAT,
                                  "tokenizer.ggml.scores: entry %zu is not a finite number", id);
        }
    }
    PL_THEN(pl_spm_init(&t->spm, &t->vocab, scores, err));
    free(scores);
    return status;
}

/* Blanks become U+2581; one goes before each stretch of text, as llama.cpp does it and as
 * Hugging Face's conversion of Llama 2 does. */
static pl_status set_normalizers(const json_t *metadata, pl_tokenizer *t, pl_error *err)
{
    if (!json_is_false(json_object_get(metadata, "tokenizer.ggml.add_space_prefix"))) {
        t->normalizers[t->n_normalizers++] = (pl_step){
            .kind = PL_STEP_PREPEND, .text = pl_copy_bytes(PL_METASPACE, 3), .text_size = 3};
    }
    pl_step *step = &t->normalizers[t->n_normalizers++];
    *step = (pl_step){.kind = PL_STEP_REPLACE,
                      .text = pl_copy_bytes(" ", 1),
                      .text_size = 1,
                      .content = pl_copy_bytes(PL_METASPACE, 3),
                      .content_size = 3};
    t->metaspace = true;
    return t->normalizers[0].text != NULL && step->text != NULL && step->content != NULL
               ? PL_OK
               : pl_error_memory(err, "a tokenizer");
}

static pl_status read_spm(const pl_checkpoint *checkpoint, pl_tokenizer *t, pl_error *err)
{
    const json_t *metadata = pl_checkpoint_metadata(checkpoint);
    pl_status status = set_normalizers(metadata, t, err);
    PL_THEN(read_tokens(checkpoint, t, err));
    PL_THEN(read_types(metadata, t, err));
    PL_THEN(apply_types(metadata, t, err));
    PL_THEN(pl_vocab_index(&t->vocab, false, err));
    PL_THEN(read_token_scores(metadata, t, err));
    if (status != PL_OK) {
        return status;
    }
    t->bos = id_of(metadata, "tokenizer.ggml.bos_token_id", t, 1);
    t->eos = id_of(metadata, "tokenizer.ggml.eos_token_id", t, 2);
    return read_frame(metadata, t, true, "SentencePiece models", err);
}

static pl_status read_gguf_tokenizer(const pl_checkpoint *checkpoint, pl_tokenizer *t,
                                     pl_error *err)
{
    const json_t *metadata = pl_checkpoint_metadata(checkpoint);
    bool spm = false;
    pl_status status = find_model(metadata, &spm, err);
    PL_THEN(spm ? read_spm(checkpoint, t, err) : read_byte_level(checkpoint, t, err));
    if (status != PL_OK) {
        return status;
    }
    const char *file = pl_path_name(pl_file_path(pl_checkpoint_shard(checkpoint, 0)));
    pl_text_escape(file, strlen(file), t->files, sizeof t->files);
    return pl_tokenizer_finish(t, err);
}

pl_status pl_tokenizer_from_gguf(const pl_checkpoint *checkpoint, pl_tokenizer **out, pl_error *err)
{
    pl_tokenizer *tokenizer = NULL;
    *out = NULL;
    pl_status status = pl_tokenizer_create(&tokenizer, err);
    if (status == PL_OK) {
        status = read_gguf_tokenizer(checkpoint, tokenizer, err);
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
