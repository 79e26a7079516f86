#include "core/model/tokenizer_parts.h"

#include "core/base/checked.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Unicode's White_Space, as the content of a class.  PCRE2's own \s also takes U+180E. */
#define SPACES                                                                                     \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"    \
    "\\x{205f}\\x{3000}"

/* Rewrites a pattern of Oniguruma's dialect (Hugging Face's) to mean the same in PCRE2. */
static void translate(const char *pattern, pl_buf *out)
{
    bool in_class = false;
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0') {
            p++;
            if (*p == 's') {
                pl_buf_puts(out, in_class ? SPACES : "[" SPACES "]");
            } else if (*p == 'S' && !in_class) {
                pl_buf_puts(out, "[^" SPACES "]");
            } else {
                pl_buf_append(out, p - 1, 2);
            }
            continue;
        }
        in_class = *p == '[' || (in_class && *p != ']');
        pl_buf_append(out, p, 1);
    }
}

static void quote(const char *text, size_t size, pl_buf *out)
{
    static const char special[] = "\\^$.|?*+()[]{}-# ";
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\0' && strchr(special, text[i]) != NULL) {
            pl_buf_puts(out, "\\");
        }
        pl_buf_append(out, text + i, 1);
    }
}

pl_status pl_step_compile(pl_step *step, const char *source, pl_error *err)
{
    pl_buf pattern = {0};
    int code = 0;
    PCRE2_SIZE at = 0;
    if (source == NULL && step->literal) {
        quote(step->text, step->text_size, &pattern);
    } else {
        source = source != NULL ? source : step->text;
        if (strstr(source, "&&") != NULL) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "the split pattern '%.200s' intersects classes with &&, which "
                                "is not supported",
                                source);
        }
        translate(source, &pattern);
    }
    pl_status status = pl_buf_check(&pattern, err);
    if (status == PL_OK) {
        step->code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size, PCRE2_UTF | PCRE2_UCP,
                                   &code, &at, NULL);
        if (step->code == NULL) {
            PCRE2_UCHAR why[128] = {0};
            pcre2_get_error_message(code, why, sizeof why);
            status = pl_error_set(
                err, PL_ERR_UNSUPPORTED, "the split pattern '%.200s' does not compile: %s at %zu",
                source != NULL ? source : step->text, (const char *)why, (size_t)at);
        } else {
            (void)pcre2_jit_compile(step->code, PCRE2_JIT_COMPLETE); /* else interpreted */
        }
    }
    pl_buf_deinit(&pattern);
    return status;
}

void pl_step_deinit(pl_step *step)
{
    free(step->text);
    free(step->content);
    pcre2_code_free(step->code);
    *step = (pl_step){0};
}

static void replace_all(const char *text, size_t size, const pl_step *step, pl_buf *out)
{
    const char *end = text + size;
    for (const char *hit; text < end; text = hit + step->text_size) {
        hit = memmem(text, (size_t)(end - text), step->text, step->text_size);
        if (hit == NULL) {
            break;
        }
        pl_buf_append(out, text, (size_t)(hit - text));
        pl_buf_append(out, step->content, step->content_size);
    }
    if (text < end) {
        pl_buf_append(out, text, (size_t)(end - text));
    }
}

/* NFC.  Text below U+0300 (lead bytes below 0xCC) is in NFC as it stands. */
static pl_status compose(const char *text, size_t size, pl_buf *out, pl_error *err)
{
    size_t plain = 0;
    while (plain < size && (unsigned char)text[plain] < 0xcc) {
        plain++;
    }
    if (plain == size) {
        pl_buf_append(out, text, size);
        return PL_OK;
    }
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size,
                                           &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (length < 0) {
        return pl_error_set(err, length == UTF8PROC_ERROR_NOMEM ? PL_ERR_MEMORY : PL_ERR_FORMAT,
                            "the text could not be normalized: %s", utf8proc_errmsg(length));
    }
    pl_buf_append(out, composed, (size_t)length);
    free(composed);
    return PL_OK;
}

pl_status pl_normalize(const pl_step *steps, size_t count, const char *text, size_t size,
                       pl_buf *out, pl_error *err)
{
    pl_buf from = {0};
    pl_status status = PL_OK;
    out->size = 0;
    pl_buf_append(out, text, size);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        const pl_step *step = &steps[i];
        pl_buf swap = from;
        from = *out;
        *out = swap;
        out->size = 0;
        if (step->kind == PL_STEP_NFC) {
            status = compose(from.data, from.size, out, err);
        } else if (step->kind == PL_STEP_REPLACE) {
            replace_all(from.data, from.size, step, out);
        } else {
            if (from.size > 0) {
                pl_buf_append(out, step->text, step->text_size);
            }
            pl_buf_append(out, from.data, from.size);
        }
        if (status == PL_OK) {
            status = pl_buf_check(from.failed ? &from : out, err);
        }
    }
    pl_buf_deinit(&from);
    return status == PL_OK ? pl_buf_check(out, err) : status;
}

pl_status pl_splitter_init(pl_splitter *splitter, pl_task *task, pl_error *err)
{
    *splitter = (pl_splitter){.task = task};
    splitter->match = pcre2_match_data_create(4, NULL);
    splitter->context = pcre2_match_context_create(NULL);
    splitter->stack = pcre2_jit_stack_create((size_t)1 << 15, (size_t)1 << 26, NULL);
    if (splitter->match == NULL || splitter->context == NULL) {
        return pl_error_set(err, PL_ERR_MEMORY, "no memory for splitting a text");
    }
    pcre2_set_match_limit(splitter->context, UINT32_MAX);
    pcre2_jit_stack_assign(splitter->context, NULL, splitter->stack);
    return PL_OK;
}

void pl_splitter_deinit(pl_splitter *splitter)
{
    pl_buf_deinit(&splitter->text);
    pl_buf_deinit(&splitter->spare);
    free(splitter->pieces.items);
    free(splitter->next.items);
    pcre2_match_data_free(splitter->match);
    pcre2_match_context_free(splitter->context);
    pcre2_jit_stack_free(splitter->stack);
    *splitter = (pl_splitter){0};
}

/* Appends a piece; an empty one is dropped, as everywhere in Hugging Face's tokenizers. */
static pl_status put(pl_pieces *pieces, size_t start, size_t size, pl_error *err)
{
    if (size == 0) {
        return PL_OK;
    }
    if (pieces->count == pieces->capacity) {
        size_t capacity = pieces->capacity < 256 ? 256 : 2 * pieces->capacity;
        size_t bytes = 0;
        pl_piece *items =
            pl_mul(capacity, sizeof *items, &bytes) ? realloc(pieces->items, bytes) : NULL;
        if (items == NULL) {
            return pl_error_set(err, PL_ERR_MEMORY, "no memory to tokenize a text of this size");
        }
        pieces->items = items;
        pieces->capacity = capacity;
    }
    pieces->items[pieces->count++] = (pl_piece){start, size};
    return PL_OK;
}

/* The next match in text[size] from *at; false at the end or on failure (then *status says). */
static bool next_match(pl_splitter *splitter, const pcre2_code *code, const char *text, size_t size,
                       size_t at, size_t *start, size_t *end, pl_status *status, pl_error *err)
{
    if (++splitter->since_tick >= 1u << 16) {
        splitter->since_tick = 0;
        *status = pl_task_tick(splitter->task, err);
        if (*status != PL_OK) {
            return false;
        }
    }
    int found = pcre2_match(code, (PCRE2_SPTR)text, size, at, PCRE2_NO_UTF_CHECK, splitter->match,
                            splitter->context);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
        found = pcre2_match(code, (PCRE2_SPTR)text, size, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                            splitter->match, splitter->context);
    }
    if (found == PCRE2_ERROR_NOMATCH) {
        return false;
    }
    if (found < 0) {
        PCRE2_UCHAR why[128] = {0};
        pcre2_get_error_message(found, why, sizeof why);
        *status = pl_error_set(err, PL_ERR_UNSUPPORTED,
                               "the tokenizer's split pattern could not be matched: %s",
                               (const char *)why);
        return false;
    }
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(splitter->match);
    *start = span[0];
    *end = span[1];
    return true;
}

/* Cuts one piece after a pattern's matches: each goes with the text before it, but one right after
 * another match stands alone. */
static pl_status split_merged(pl_splitter *splitter, const pl_step *step, pl_piece piece,
                              pl_error *err)
{
    const char *text = splitter->text.data + piece.start;
    pl_status status = PL_OK;
    size_t begin = 0; /* of the piece being made */
    size_t done = 0;
    bool after_match = false;
    size_t start = 0;
    size_t end = 0;
    for (size_t at = 0; at < piece.size && status == PL_OK;) {
        if (!next_match(splitter, step->code, text, piece.size, at, &start, &end, &status, err)) {
            break;
        }
        if (after_match && done > begin) {
            status = put(&splitter->next, piece.start + begin, done - begin, err);
            begin = done;
        }
        after_match = true;
        done = end;
        at = end > at ? end : end + pl_text_utf8_length(text + end, text + piece.size);
    }
    if (status == PL_OK && after_match && done > begin) {
        status = put(&splitter->next, piece.start + begin, done - begin, err);
        begin = done;
    }
    return status == PL_OK && begin < piece.size
               ? put(&splitter->next, piece.start + begin, piece.size - begin, err)
               : status;
}

/* Cuts one piece at a pattern's matches.  Matches and the text between them are pieces of their
 * own; with `removed` the matches (or, inverted, the rest) are dropped. */
static pl_status split_piece(pl_splitter *splitter, const pl_step *step, pl_piece piece,
                             pl_error *err)
{
    if (step->merged) {
        return split_merged(splitter, step, piece, err);
    }
    const char *text = splitter->text.data + piece.start;
    pl_status status = PL_OK;
    bool keep_matches = !step->removed || step->invert;
    bool keep_rest = !step->removed || !step->invert;
    size_t done = 0;
    size_t start = 0;
    size_t end = 0;
    for (size_t at = 0; at < piece.size;) {
        if (!next_match(splitter, step->code, text, piece.size, at, &start, &end, &status, err)) {
            break;
        }
        if (keep_rest && start > done) {
            status = put(&splitter->next, piece.start + done, start - done, err);
        }
        if (keep_matches && status == PL_OK) {
            status = put(&splitter->next, piece.start + start, end - start, err);
        }
        if (status != PL_OK) {
            return status;
        }
        done = end;
        at = end > at ? end : end + pl_text_utf8_length(text + end, text + piece.size);
    }
    return status != PL_OK || !keep_rest
               ? status
               : put(&splitter->next, piece.start + done, piece.size - done, err);
}

/* Cuts before each U+2581 (or whatever stands for a blank) of text[start, end). */
static pl_status cut_before(pl_splitter *splitter, const pl_step *step, size_t start, size_t end,
                            pl_error *err)
{
    const char *base = splitter->spare.data;
    pl_status status = PL_OK;
    while (status == PL_OK && start < end) {
        size_t skip =
            memcmp(base + start, step->content, step->content_size) == 0 ? step->content_size : 0;
        const char *cut = start + skip < end ? memmem(base + start + skip, end - start - skip,
                                                      step->content, step->content_size)
                                             : NULL;
        size_t stop = cut == NULL ? end : (size_t)(cut - base);
        status = put(&splitter->next, start, stop - start, err);
        start = stop;
    }
    return status;
}

static bool starts_with(const char *text, size_t size, const char *with, size_t with_size)
{
    return size >= with_size && memcmp(text, with, with_size) == 0;
}

/* Metaspace and ByteLevel's add_prefix_space change the text: it is rebuilt piece by piece. */
static pl_status rebuild(pl_splitter *splitter, const pl_step *step, bool at_start, pl_error *err)
{
    pl_status status = PL_OK;
    splitter->spare.size = 0;
    for (size_t i = 0; i < splitter->pieces.count && status == PL_OK; i++) {
        pl_piece piece = splitter->pieces.items[i];
        const char *text = splitter->text.data + piece.start;
        size_t start = splitter->spare.size;
        if (step->kind == PL_STEP_BYTES) {
            if (text[0] != ' ') {
                pl_buf_puts(&splitter->spare, " ");
            }
            pl_buf_append(&splitter->spare, text, piece.size);
        } else {
            bool blank =
                text[0] == ' ' || starts_with(text, piece.size, step->content, step->content_size);
            bool first = at_start && piece.start == 0;
            if (!blank && (step->scheme == PL_PREPEND_ALWAYS ||
                           (step->scheme == PL_PREPEND_FIRST && first))) {
                pl_buf_append(&splitter->spare, step->content, step->content_size);
            }
            replace_all(text, piece.size, step, &splitter->spare);
        }
        status = pl_buf_check(&splitter->spare, err);
        if (status == PL_OK && step->kind == PL_STEP_METASPACE && step->flag) {
            status = cut_before(splitter, step, start, splitter->spare.size, err);
        } else if (status == PL_OK) {
            status = put(&splitter->next, start, splitter->spare.size - start, err);
        }
    }
    pl_buf swap = splitter->text;
    splitter->text = splitter->spare;
    splitter->spare = swap;
    return status;
}

static void swap_pieces(pl_splitter *splitter)
{
    pl_pieces swap = splitter->pieces;
    splitter->pieces = splitter->next;
    splitter->next = swap;
}

pl_status pl_splitter_run(pl_splitter *splitter, const pl_step *steps, size_t count,
                          const char *text, size_t size, bool at_start, pl_error *err)
{
    splitter->text.size = 0;
    pl_buf_append(&splitter->text, text, size);
    splitter->pieces.count = 0;
    pl_status status = pl_buf_check(&splitter->text, err);
    if (status == PL_OK) {
        status = put(&splitter->pieces, 0, size, err);
    }
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        const pl_step *step = &steps[i];
        if (step->kind == PL_STEP_METASPACE || (step->kind == PL_STEP_BYTES && step->prefix)) {
            splitter->next.count = 0;
            status = rebuild(splitter, step, at_start, err);
            swap_pieces(splitter);
        }
        if (status == PL_OK && step->code != NULL) {
            splitter->next.count = 0;
            for (size_t k = 0; k < splitter->pieces.count && status == PL_OK; k++) {
                status = split_piece(splitter, step, splitter->pieces.items[k], err);
            }
            swap_pieces(splitter);
        }
    }
    return status;
}
