/* A tokenizer of a tokenizer.json as GGUF's keys (tokenizer.ggml.*): byte-level BPE under the name
 * of a pre-tokenizer that cuts as it does, or SentencePiece's BPE with scores in the order of its
 * merges.  What comes of the keys is compared when they are read back (pl_tokenizer_compare). */
#include "core/base/checked.h"
#include "core/model/tokenizer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* tokenizer.ggml.token_type */
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER = 4, UNUSED = 5, BYTE = 6 };

static pl_status refuse_tokenizer(const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "export: format=gguf: %s, which a GGUF's tokenizer cannot say", what);
}

/* --- how a text is cut ------------------------------------------------------------------------ */

static bool is_pattern(const pl_step *step, const char *pattern)
{
    return step->kind == PL_STEP_SPLIT && !step->literal && !step->invert &&
           step->behavior == PL_SPLIT_ISOLATED && strlen(pattern) == step->text_size &&
           memcmp(pattern, step->text, step->text_size) == 0;
}

/* Whether the tokenizer normalizes and cuts a text as llama.cpp's pre-tokenizer does. */
static bool cuts_as(const pl_tokenizer *t, const pl_pre *pre)
{
    size_t at = 0, patterns = 0;
    const bool nfc = t->n_normalizers == 1 && t->normalizers[0].kind == PL_STEP_NFC;
    if (t->n_normalizers != (pre->nfc ? 1 : 0) || nfc != pre->nfc ||
        t->bpe.ignore_merges != pre->ignore_merges) {
        return false;
    }
    if (pre->digits) {
        if (t->n_splits == 0 || t->splits[0].kind != PL_STEP_DIGITS || !t->splits[0].flag) {
            return false;
        }
        at++;
    }
    while (patterns < PL_MAX_PATTERNS && pre->patterns[patterns] != NULL) {
        if (at >= t->n_splits || !is_pattern(&t->splits[at], pre->patterns[patterns])) {
            return false;
        }
        at++;
        patterns++;
    }
    const pl_step *bytes = at < t->n_splits ? &t->splits[at] : NULL;
    return at + 1 == t->n_splits && bytes->kind == PL_STEP_BYTES && !bytes->prefix &&
           bytes->flag == pre->gpt2;
}

/* The first name under which llama.cpp cuts so, to out; false: there is none. */
static bool find_pre(const pl_tokenizer *t, char out[48])
{
    const pl_pre *pre = NULL;
    for (size_t i = 0; (pre = pl_pre_at(i)) != NULL; i++) {
        if (cuts_as(t, pre)) {
            snprintf(out, 48, "%.*s", (int)strcspn(pre->names, " "), pre->names);
            return true;
        }
    }
    return false;
}

static bool is_text(const char *text, size_t size, const char *is)
{
    return size == strlen(is) && memcmp(text, is, size) == 0;
}

/* Blanks become U+2581, perhaps with one more before each stretch of text (*prefix); SentencePiece
 * knows no other way. */
static bool is_sentencepiece(const pl_tokenizer *t, bool *prefix)
{
    const size_t n = t->n_normalizers;
    const pl_step *last = n > 0 ? &t->normalizers[n - 1] : NULL;
    *prefix = n == 2 && t->normalizers[0].kind == PL_STEP_PREPEND &&
              is_text(t->normalizers[0].text, t->normalizers[0].text_size, PL_METASPACE);
    bool is = (n == 1 || *prefix) && last->kind == PL_STEP_REPLACE &&
              is_text(last->text, last->text_size, " ") &&
              is_text(last->content, last->content_size, PL_METASPACE);
    for (size_t i = 0; i < t->n_splits; i++) { /* at blanks, of which none is left */
        is = is && t->splits[i].kind == PL_STEP_SPLIT && t->splits[i].literal &&
             is_text(t->splits[i].text, t->splits[i].text_size, " ");
    }
    return is && !t->bpe.byte_level && !t->bpe.ignore_merges;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static int32_t type_of_token(const pl_tokenizer *t, size_t id)
{
    if (id >= t->vocab.count || !t->vocab.tokens[id].present) {
        return UNUSED;
    }
    const int32_t added = t->added_of[id];
    if (!t->bpe.byte_level && (int32_t)id == t->bpe.unk) {
        return UNKNOWN;
    }
    for (size_t b = 0; b < 256 && t->bpe.byte_fallback; b++) {
        if (t->bpe.fallback[b] == (int32_t)id) {
            return BYTE;
        }
    }
    return added < 0 ? NORMAL : t->added[added].special ? CONTROL : USER;
}

static void put_tokens(const pl_tokenizer *t, size_t count, pl_gguf_keys *keys)
{
    pl_gguf_put_array(keys, "tokenizer.ggml.tokens", PL_GGUF_TEXTS, count);
    for (size_t id = 0; id < count; id++) {
        char pad[32];
        const bool there = id < t->vocab.count && t->vocab.tokens[id].present;
        if (there) {
            const pl_token *token = &t->vocab.tokens[id];
            pl_gguf_element_text(keys, t->vocab.bytes.data + token->text, token->text_size);
        } else {
            snprintf(pad, sizeof pad, "[PAD%zu]", id);
            pl_gguf_element_text(keys, pad, strlen(pad));
        }
    }
    pl_gguf_put_array(keys, "tokenizer.ggml.token_type", PL_GGUF_I32S, count);
    for (size_t id = 0; id < count; id++) {
        pl_gguf_element_i32(keys, type_of_token(t, id));
    }
}

static pl_status put_merges(const pl_tokenizer *t, pl_gguf_keys *keys, pl_error *err)
{
    pl_buf merge = {0};
    pl_gguf_put_array(keys, "tokenizer.ggml.merges", PL_GGUF_TEXTS, t->bpe.count);
    for (size_t i = 0; i < t->bpe.count; i++) {
        const pl_token *left = &t->vocab.tokens[t->bpe.left[i]];
        const pl_token *right = &t->vocab.tokens[t->bpe.right[i]];
        merge.size = 0;
        pl_buf_append(&merge, t->vocab.bytes.data + left->text, left->text_size);
        pl_buf_append(&merge, " ", 1);
        pl_buf_append(&merge, t->vocab.bytes.data + right->text, right->text_size);
        pl_gguf_element_text(keys, merge.data != NULL ? merge.data : "", merge.size);
    }
    pl_status status = pl_buf_check(&merge, err);
    pl_buf_deinit(&merge);
    return status;
}

/* The token that a merge makes, or -1. */
static int32_t merged(const pl_tokenizer *t, size_t merge, pl_buf *work)
{
    const pl_token *left = &t->vocab.tokens[t->bpe.left[merge]];
    const pl_token *right = &t->vocab.tokens[t->bpe.right[merge]];
    work->size = 0;
    pl_buf_append(work, t->vocab.bytes.data + left->raw, left->raw_size);
    pl_buf_append(work, t->vocab.bytes.data + right->raw, right->raw_size);
    return work->data == NULL ? -1 : pl_vocab_find(&t->vocab, work->data, work->size);
}

/* SentencePiece merges by the score of the merged token: minus the place of its merges in the list.
 * Tokens whose merges are interleaved share one score, as they did before.  A token that no merge
 * makes gets the lowest score. */
static pl_status put_scores(const pl_tokenizer *t, size_t count, pl_gguf_keys *keys, pl_error *err)
{
    pl_buf work = {0};
    size_t *last = calloc(t->vocab.count + 1, sizeof *last);
    int32_t *makes = calloc(t->bpe.count + 1, sizeof *makes);
    float *scores = pl_alloc(count + 1, sizeof *scores);
    pl_status status = last == NULL || makes == NULL || scores == NULL
                           ? pl_error_memory(err, "the scores of %zu tokens", count)
                           : PL_OK;
    for (size_t id = 0; status == PL_OK && id < count; id++) {
        scores[id] = -1e9f;
    }
    for (size_t i = 0; status == PL_OK && i < t->bpe.count; i++) {
        makes[i] = merged(t, i, &work);
        last[makes[i] >= 0 ? (size_t)makes[i] : t->vocab.count] = i;
    }
    PL_THEN(pl_buf_check(&work, err));
    size_t group = 0, end = 0;
    for (size_t i = 0; status == PL_OK && i < t->bpe.count; i++) {
        if (makes[i] < 0 || (size_t)makes[i] >= count) {
            continue;
        }
        group += i > end;
        end = last[makes[i]] > end ? last[makes[i]] : end;
        scores[makes[i]] = -(float)group;
    }
    pl_gguf_put_array(keys, "tokenizer.ggml.scores", PL_GGUF_F32S, count);
    for (size_t id = 0; status == PL_OK && id < count; id++) {
        pl_gguf_element_f32(keys, scores[id]);
    }
    pl_buf_deinit(&work);
    free(last);
    free(makes);
    free(scores);
    return status;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void put_id(pl_gguf_keys *keys, const char *key, int32_t id)
{
    if (id >= 0) {
        pl_gguf_put_u32(keys, key, (uint32_t)id);
    }
}

/* What stands around a text, by BOS and EOS. */
static pl_status put_frame(const pl_tokenizer *t, int32_t bos, int32_t eos, pl_gguf_keys *keys,
                           pl_error *err)
{
    const pl_frame *frame = &t->frame;
    bos = frame->n_front > 0 ? frame->front[0] : t->bos >= 0 ? t->bos : bos;
    eos = frame->n_back > 0 ? frame->back[0] : t->eos >= 0 ? t->eos : eos;
    if (frame->n_front > 1 || frame->n_back > 1) {
        return refuse_tokenizer(
            "the tokenizer puts other tokens than one BOS and one EOS around a text", err);
    }
    put_id(keys, "tokenizer.ggml.bos_token_id", bos);
    put_id(keys, "tokenizer.ggml.eos_token_id", eos);
    put_id(keys, "tokenizer.ggml.unknown_token_id", t->bpe.unk);
    pl_gguf_put_bool(keys, "tokenizer.ggml.add_bos_token", frame->n_front > 0);
    pl_gguf_put_bool(keys, "tokenizer.ggml.add_eos_token", frame->n_back > 0);
    return PL_OK;
}

pl_status pl_tokenizer_to_gguf(const pl_tokenizer *t, size_t vocab, int32_t bos, int32_t eos,
                               pl_gguf_keys *keys, pl_error *err)
{
    char pre[48] = "default";
    bool prefix = false;
    const bool spm = is_sentencepiece(t, &prefix);
    if (!spm && (!t->bpe.byte_level || !find_pre(t, pre))) {
        return refuse_tokenizer(
            "the tokenizer normalizes and cuts a text as none of llama.cpp's does", err);
    }
    for (size_t i = 0; i < t->n_added; i++) {
        const pl_added *added = &t->added[i];
        if (added->lstrip || added->rstrip || added->single_word) {
            return refuse_tokenizer(
                "an added token takes blanks beside it (lstrip, rstrip, single_word)", err);
        }
    }
    if (vocab < t->vocab.count) {
        return refuse_tokenizer("the tokenizer has more tokens than the embedding has rows", err);
    }
    const char *model = spm ? "llama" : "gpt2";
    pl_gguf_put_text(keys, "tokenizer.ggml.model", model, strlen(model));
    pl_gguf_put_text(keys, "tokenizer.ggml.pre", pre, strlen(pre));
    put_tokens(t, vocab, keys);
    pl_status status = spm ? put_scores(t, vocab, keys, err) : put_merges(t, keys, err);
    PL_THEN(put_frame(t, bos, eos, keys, err));
    pl_gguf_put_bool(keys, "tokenizer.ggml.add_space_prefix", spm && prefix);
    PL_THEN(pl_buf_check(&keys->bytes, err));
    return status;
}

/* --- reading back ----------------------------------------------------------------------------- */

static pl_status differs(const char *what, pl_error *err)
{
    return pl_error_set(err, PL_ERR_UNSUPPORTED,
                        "export: format=gguf: the tokenizer reads back with other %s", what);
}

static pl_status compare_merges(const pl_tokenizer *a, const pl_tokenizer *b, pl_error *err)
{
    pl_bpe made = {0};
    const pl_bpe *of_b = b->spm.rank != NULL ? &made : &b->bpe;
    pl_status status = b->spm.rank != NULL ? pl_spm_merges(&b->spm, &b->vocab, &made, err) : PL_OK;
    bool same = status == PL_OK && a->bpe.count == of_b->count;
    for (size_t i = 0; same && i < a->bpe.count; i++) {
        same = a->bpe.left[i] == of_b->left[i] && a->bpe.right[i] == of_b->right[i];
    }
    pl_bpe_deinit(&made);
    return status == PL_OK && !same ? differs("merges", err) : status;
}

pl_status pl_tokenizer_compare(const pl_tokenizer *a, const pl_tokenizer *b, pl_error *err)
{
    static const char text[] =
        "The model's 1,024 weights: 3.14 caf\xc3\xa9, it's  WE'LL don't\tx\n\n  y \xe4\xbd\xa0\xe5"
        "\xa5\xbd \xf0\x9f\x99\x82 na\xc3\xafve_code(x)!= 0;\r\n   z ";
    int32_t *ids[2] = {NULL, NULL};
    size_t counts[2] = {0};
    const pl_tokenizer *const both[2] = {a, b};
    if (memcmp(&a->frame, &b->frame, sizeof a->frame) != 0) {
        return differs("tokens around a text", err);
    }
    for (size_t id = 0; id < a->vocab.count; id++) {
        const pl_token *x = &a->vocab.tokens[id], *y = &b->vocab.tokens[id];
        if (x->present && (x->text_size != y->text_size ||
                           memcmp(a->vocab.bytes.data + x->text, b->vocab.bytes.data + y->text,
                                  x->text_size) != 0)) {
            return differs("tokens", err);
        }
    }
    pl_status status = compare_merges(a, b, err);
    for (size_t i = 0; status == PL_OK && i < 2; i++) {
        status =
            pl_tokenizer_encode(both[i], text, sizeof text - 1, 0, &ids[i], &counts[i], NULL, err);
    }
    if (status == PL_OK &&
        (counts[0] != counts[1] || memcmp(ids[0], ids[1], counts[0] * sizeof *ids[0]) != 0)) {
        status = differs("ids of a text", err);
    }
    free(ids[0]);
    free(ids[1]);
    return status;
}
