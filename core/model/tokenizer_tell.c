/* What `info` says of a tokenizer. */
#include "core/model/tokenizer.h"
#include "core/model/tokenizer_parts.h"

#include <string.h>

static void tell_kind(const pl_tokenizer *t, pl_buf *out)
{
    pl_buf_printf(out, "%s, %zu tokens",
                  t->spm.rank != NULL    ? "SentencePiece BPE"
                  : t->bpe.byte_level    ? "byte-level BPE"
                  : t->bpe.byte_fallback ? "BPE with byte fallback"
                                         : "BPE",
                  t->vocab.count);
}

static void tell_steps(const pl_step *steps, size_t count, pl_buf *out)
{
    static const char *const names[] = {"NFC",    "Prepend",     "Replace",   "Split",
                                        "Digits", "Punctuation", "Metaspace", "ByteLevel"};
    for (size_t i = 0; i < count; i++) {
        size_t same = 1; /* six Splits in turn are "6 Split" */
        while (i + same < count && steps[i + same].kind == steps[i].kind) {
            same++;
        }
        pl_buf_puts(out, out->size > 0 ? ", " : "");
        if (same > 1) {
            pl_buf_printf(out, "%zu ", same);
        }
        pl_buf_puts(out, names[steps[i].kind]);
        i += same - 1;
    }
}

static void tell_splits(const pl_tokenizer *t, pl_buf *out)
{
    pl_buf steps = {0};
    tell_steps(t->normalizers, t->n_normalizers, &steps);
    tell_steps(t->splits, t->n_splits, &steps);
    out->failed = out->failed || steps.failed;
    pl_buf_printf(out, "%s%s%s", t->pre, t->pre[0] != '\0' ? ": " : "",
                  steps.size > 0 ? steps.data : "none");
    pl_buf_deinit(&steps);
}

static void tell_side(const pl_tokenizer *t, const int32_t *ids, size_t count, const char *where,
                      pl_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        pl_buf_puts(out, i > 0 ? " " : "");
        pl_tokenizer_show(t, ids[i], out);
        pl_buf_printf(out, " (%d)", (int)ids[i]);
    }
    pl_buf_puts(out, count > 0 ? where : "");
}

static void tell_specials(const pl_tokenizer *t, pl_buf *out)
{
    const pl_frame *f = &t->frame;
    tell_side(t, f->front, f->n_front, " in front", out);
    pl_buf_puts(out, f->n_front > 0 && f->n_back > 0 ? ", " : "");
    tell_side(t, f->back, f->n_back, " behind", out);
    pl_buf_printf(out, "%s, by %s", f->n_front + f->n_back == 0 ? "none" : "", t->rule);
}

void pl_tokenizer_tell(const pl_tokenizer *tokenizer, pl_tokenizer_fact fact, pl_buf *out)
{
    switch (fact) {
    case PL_TOKENIZER_KIND:
        tell_kind(tokenizer, out);
        break;
    case PL_TOKENIZER_SPLITS:
        tell_splits(tokenizer, out);
        break;
    case PL_TOKENIZER_SPECIALS:
        tell_specials(tokenizer, out);
        break;
    case PL_TOKENIZER_FILES:
        pl_buf_puts(out, tokenizer->files);
        break;
    case PL_TOKENIZER_FACTS:
        break;
    }
}
