#include "core/base/json.h"
#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>

static const char *token_text(const pl_tokenizer *t, int32_t id, size_t *size)
{
    const pl_token *token = &t->vocab.tokens[id];
    *size = token->text_size;
    return t->vocab.bytes.data + token->text;
}

static json_t *token_json(const pl_tokenizer *t, int32_t id)
{
    size_t size = 0;
    const char *text = token_text(t, id, &size);
    return json_stringn(text, size);
}

static json_t *write_added(const pl_tokenizer *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n_added; i++) {
        const pl_added *added = &t->added[i];
        pl_json_append(list, json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (int)added->id,
                                       "content", json_stringn(added->content, added->size),
                                       "single_word", added->single_word, "lstrip", added->lstrip,
                                       "rstrip", added->rstrip, "normalized", added->normalized,
                                       "special", added->special));
    }
    return list;
}

static json_t *write_normalizer(const pl_step *step)
{
    if (step->kind == PL_STEP_NFC) {
        return json_pack("{s:s}", "type", "NFC");
    }
    if (step->kind == PL_STEP_PREPEND) {
        return json_pack("{s:s, s:o}", "type", "Prepend", "prepend",
                         json_stringn(step->text, step->text_size));
    }
    return json_pack("{s:s, s:{s:o}, s:o}", "type", "Replace", "pattern", "String",
                     json_stringn(step->text, step->text_size), "content",
                     json_stringn(step->content, step->content_size));
}

static json_t *write_split(const pl_step *step)
{
    static const char *const schemes[] = {"always", "first", "never"};
    switch (step->kind) {
    case PL_STEP_DIGITS:
        return json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", step->flag);
    case PL_STEP_PUNCTUATION:
        return json_pack("{s:s, s:s}", "type", "Punctuation", "behavior",
                         pl_behavior_names[step->behavior]);
    case PL_STEP_METASPACE:
        return json_pack("{s:s, s:o, s:s, s:b}", "type", "Metaspace", "replacement",
                         json_stringn(step->content, step->content_size), "prepend_scheme",
                         schemes[step->scheme], "split", step->flag);
    case PL_STEP_BYTES:
        return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space",
                         step->prefix, "trim_offsets", 1, "use_regex", step->flag);
    default:
        return json_pack("{s:s, s:{s:o}, s:s, s:b}", "type", "Split", "pattern",
                         step->literal ? "String" : "Regex",
                         json_stringn(step->text, step->text_size), "behavior",
                         pl_behavior_names[step->behavior], "invert", step->invert);
    }
}

/* null for no step, the step itself for one, a Sequence for more. */
static json_t *write_steps(const pl_step *steps, size_t count, json_t *(*write)(const pl_step *),
                           const char *key)
{
    if (count < 2) {
        return count == 0 ? json_null() : write(&steps[0]);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        pl_json_append(list, write(&steps[i]));
    }
    return json_pack("{s:s, s:o}", "type", "Sequence", key, list);
}

static json_t *write_decoder(const pl_tokenizer *t)
{
    if (t->bpe.byte_level) {
        return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 1,
                         "trim_offsets", 1, "use_regex", 1);
    }
    json_t *decoder = json_pack("{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]}", "type", "Sequence",
                                "decoders", "type", "Replace", "pattern", "String", PL_METASPACE,
                                "content", " ", "type", "ByteFallback", "type", "Fuse");
    if (t->n_normalizers > 0 && t->normalizers[0].kind == PL_STEP_PREPEND) {
        pl_json_append(json_object_get(decoder, "decoders"),
                       json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start",
                                 1, "stop", 0));
    }
    return decoder;
}

/* Appends the special tokens of one side of a text to a template, and to its list of them. */
static void write_side(const pl_tokenizer *t, const int32_t *ids, size_t count, int sequence,
                       json_t *template, json_t *specials)
{
    for (size_t i = 0; i < count; i++) {
        json_t *name = token_json(t, ids[i]);
        pl_json_append(
            template, json_pack("{s:{s:O, s:i}}", "SpecialToken", "id", name, "type_id", sequence));
        pl_json_set(
            specials, json_string_value(name),
            json_pack("{s:O, s:[i], s:[O]}", "id", name, "ids", (int)ids[i], "tokens", name));
        json_decref(name);
    }
}

static void write_text(const pl_tokenizer *t, const char *text, int sequence, json_t *template,
                       json_t *specials)
{
    write_side(t, t->frame.front, t->frame.n_front, sequence, template, specials);
    pl_json_append(template,
                   json_pack("{s:{s:s, s:i}}", "Sequence", "id", text, "type_id", sequence));
    write_side(t, t->frame.back, t->frame.n_back, sequence, template, specials);
}

static json_t *write_post_processor(const pl_tokenizer *t)
{
    if (t->frame.n_front + t->frame.n_back == 0) {
        return json_null();
    }
    json_t *single = json_array(), *pair = json_array(), *specials = json_object();
    write_text(t, "A", 0, single, specials);
    write_text(t, "A", 0, pair, specials);
    write_text(t, "B", 1, pair, specials);
    return json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair",
                     pair, "special_tokens", specials);
}

/* Added tokens that were not in the model's vocabulary stay out of it; SentencePiece's all belong
 * to it. */
static pl_status write_vocab(const pl_tokenizer *t, json_t *vocab, pl_error *err)
{
    for (size_t id = 0; id < t->vocab.count; id++) {
        size_t size = 0;
        const char *text = token_text(t, (int32_t)id, &size);
        if (!t->vocab.tokens[id].present ||
            (t->spm.rank == NULL && !t->vocab.tokens[id].matchable && t->added_of[id] >= 0)) {
            continue;
        }
        if (t->spm.rank != NULL && t->vocab.tokens[id].matchable &&
            pl_vocab_find(&t->vocab, text, size) != (int32_t)id) {
            continue; /* written twice: the one found is kept */
        }
        if (json_object_setn_new(vocab, text, size, json_integer((json_int_t)id)) != 0) {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "token %zu is not valid UTF-8, so it cannot be written as JSON",
                                id);
        }
    }
    return PL_OK;
}

static pl_status write_model(const pl_tokenizer *t, json_t **out, pl_error *err)
{
    json_t *vocab = json_object();
    json_t *merges = json_array();
    pl_bpe made = {0};
    const pl_bpe *bpe = t->spm.rank != NULL ? &made : &t->bpe;
    pl_status status = write_vocab(t, vocab, err);
    if (status == PL_OK && t->spm.rank != NULL) {
        status = pl_spm_merges(&t->spm, &t->vocab, &made, err);
    }
    for (size_t i = 0; i < bpe->count; i++) {
        pl_json_append(
            merges, json_pack("[o, o]", token_json(t, bpe->left[i]), token_json(t, bpe->right[i])));
    }
    pl_bpe_deinit(&made);
    json_t *unk = t->bpe.unk >= 0 ? token_json(t, t->bpe.unk) : json_null();
    *out = json_pack("{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout",
                     "unk_token", unk, "continuing_subword_prefix", "end_of_word_suffix",
                     "fuse_unk", t->bpe.fuse_unk, "byte_fallback", t->bpe.byte_fallback,
                     "ignore_merges", t->bpe.ignore_merges, "vocab", vocab, "merges", merges);
    if (status == PL_OK && *out == NULL) {
        status = pl_error_memory(err, "a written tokenizer");
    }
    return status;
}

pl_status pl_tokenizer_to_json(const pl_tokenizer *tokenizer, pl_buf *out, pl_error *err)
{
    const unsigned before = pl_memory_failures();
    json_t *model = NULL;
    pl_status status = write_model(tokenizer, &model, err);
    if (status != PL_OK) {
        json_decref(model);
        return status;
    }
    json_t *whole =
        json_pack("{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:o}", "version", "1.0", "truncation",
                  "padding", "added_tokens", write_added(tokenizer), "normalizer",
                  write_steps(tokenizer->normalizers, tokenizer->n_normalizers, write_normalizer,
                              "normalizers"),
                  "pre_tokenizer",
                  write_steps(tokenizer->splits, tokenizer->n_splits, write_split, "pretokenizers"),
                  "post_processor", write_post_processor(tokenizer), "decoder",
                  write_decoder(tokenizer), "model", model);
    char *text = whole != NULL ? pl_json_text(whole, JSON_INDENT(1)) : NULL;
    json_decref(whole);
    if (text == NULL || pl_memory_failures() != before) {
        free(text);
        return pl_error_set(err, PL_ERR_FORMAT,
                            "the tokenizer cannot be written as JSON (a token is not UTF-8)");
    }
    pl_buf_puts(out, text);
    free(text);
    return pl_buf_check(out, err);
}

/* The text of a special token, or null. */
static json_t *special_json(const pl_tokenizer *t, int32_t id)
{
    return id >= 0 ? token_json(t, id) : json_null();
}

json_t *pl_tokenizer_config_to_json(const pl_tokenizer *tokenizer)
{
    return json_pack("{s:s, s:o, s:o, s:b, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                     "bos_token", special_json(tokenizer, tokenizer->bos), "eos_token",
                     special_json(tokenizer, tokenizer->eos), "add_prefix_space", 0,
                     "clean_up_tokenization_spaces", 0);
}
