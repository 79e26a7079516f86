#include "core/base/checked.h"
#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

const char *const pl_behavior_names[PL_SPLIT_COUNT] = {
    "Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext",
};

void pl_step_deinit(pl_step *step)
{
    free(step->text);
    free(step->content);
    pl_pattern_destroy(step->pattern);
    *step = (pl_step){0};
}

pl_status pl_splitter_init(pl_splitter *splitter, pl_meter *meter, pl_error *err)
{
    *splitter = (pl_splitter){.meter = meter};
    return pl_matcher_create(&splitter->matcher, meter, err);
}

void pl_splitter_deinit(pl_splitter *splitter)
{
    pl_buf_deinit(&splitter->text);
    pl_buf_deinit(&splitter->spare);
    free(splitter->pieces.items);
    free(splitter->next.items);
    pl_matcher_destroy(splitter->matcher);
    *splitter = (pl_splitter){0};
}

static pl_status grow(pl_splitter *splitter, pl_pieces *pieces, pl_error *err)
{
    size_t capacity = pieces->capacity < 256 ? 256 : 2 * pieces->capacity;
    size_t bytes = 0;
    bool fits = pl_mul(capacity, sizeof *pieces->items, &bytes);
    if (fits) {
        pl_status status = pl_meter_take(splitter->meter, bytes / 2, bytes, err);
        if (status != PL_OK) {
            return status;
        }
    }
    pl_piece *items = fits ? realloc(pieces->items, bytes) : NULL;
    if (items == NULL) {
        return pl_error_memory(err, "the tokens of a text of this size");
    }
    pieces->items = items;
    pieces->capacity = capacity;
    return PL_OK;
}

/* Appends a piece; an empty one is dropped, as everywhere in Hugging Face's tokenizers. */
static pl_status put_piece(pl_splitter *splitter, size_t start, size_t end, pl_error *err)
{
    pl_pieces *pieces = &splitter->next;
    if (start >= end) {
        return PL_OK;
    }
    if (pieces->count == pieces->capacity) {
        pl_status status = grow(splitter, pieces, err);
        if (status != PL_OK) {
            return status;
        }
    }
    pieces->items[pieces->count++] = (pl_piece){start, end - start};
    return PL_OK;
}

/* ---- Matches ---- */

static size_t char_at(const char *text, size_t size, size_t at, int32_t *code)
{
    uint32_t point = 0;
    size_t length = pl_text_utf8_decode(text + at, text + size, &point);
    *code = (int32_t)point;
    return length > 0 ? length : 1;
}

/* The next character of a class, or run of them. */
static pl_span next_of_class(bool (*is_in)(int32_t), bool run, const char *text, size_t size,
                             size_t at)
{
    int32_t code = 0;
    size_t length = 1;
    for (; at < size; at += length) {
        length = char_at(text, size, at, &code);
        if (is_in(code)) {
            break;
        }
    }
    pl_span span = {at < size ? at : SIZE_MAX, at + length};
    while (run && span.end < size) {
        length = char_at(text, size, span.end, &code);
        if (!is_in(code)) {
            break;
        }
        span.end += length;
    }
    return span;
}

static pl_span next_literal(const pl_step *step, const char *text, size_t size, size_t at)
{
    const char *hit =
        step->text_size > 0 ? memmem(text + at, size - at, step->text, step->text_size) : NULL;
    return hit == NULL ? (pl_span){SIZE_MAX, SIZE_MAX}
                       : (pl_span){(size_t)(hit - text), (size_t)(hit - text) + step->text_size};
}

static pl_status next_match(pl_splitter *splitter, const pl_step *step, const char *text,
                            size_t size, size_t at, pl_span *out, pl_error *err)
{
    if (step->pattern != NULL) {
        return pl_pattern_next(step->pattern, splitter->matcher, text, size, at, out,
                               splitter->meter, err);
    }
    *out = step->kind == PL_STEP_DIGITS ? next_of_class(pl_is_numeric, !step->flag, text, size, at)
           : step->kind == PL_STEP_PUNCTUATION
               ? next_of_class(pl_is_punctuation, false, text, size, at)
               : next_literal(step, text, size, at);
    const size_t looked = (out->start == SIZE_MAX ? size : out->end) - at;
    return pl_meter_steps(splitter->meter, 1 + looked / 16, err);
}

/* ---- What becomes of them ---- */

/* The piece in the making. */
typedef struct making {
    pl_splitter *splitter;
    pl_behavior behavior;
    size_t base; /* of the piece being cut */
    pl_span span;
    bool any, match; /* match: what came last is one */
} making;

static pl_status flush(making *m, pl_error *err)
{
    return m->any ? put_piece(m->splitter, m->base + m->span.start, m->base + m->span.end, err)
                  : PL_OK;
}

/* A match, or what lies between two; a match may be empty. */
static pl_status add_span(making *m, size_t start, size_t end, bool match, pl_error *err)
{
    bool joins = false;
    switch (m->behavior) {
    case PL_SPLIT_CONTIGUOUS:
        joins = m->match == match;
        break;
    case PL_SPLIT_PREVIOUS:
        joins = match && !m->match;
        break;
    case PL_SPLIT_NEXT:
        joins = m->match && !match;
        break;
    case PL_SPLIT_REMOVED:
        return match ? PL_OK : put_piece(m->splitter, m->base + start, m->base + end, err);
    case PL_SPLIT_ISOLATED:
    case PL_SPLIT_COUNT:
        return put_piece(m->splitter, m->base + start, m->base + end, err);
    }
    if (m->any && joins) {
        m->span.end = end;
        m->match = match;
        return PL_OK;
    }
    pl_status status = flush(m, err);
    m->span = (pl_span){start, end};
    m->any = true;
    m->match = match;
    return status;
}

/* Cuts one piece at a step's matches. */
static pl_status split_piece(pl_splitter *splitter, const pl_step *step, pl_piece piece,
                             pl_error *err)
{
    const char *text = splitter->text.data + piece.start;
    making m = {.splitter = splitter, .behavior = step->behavior, .base = piece.start};
    pl_status status = PL_OK;
    size_t done = 0;
    for (size_t at = 0; at < piece.size && status == PL_OK;) {
        pl_span found;
        status = next_match(splitter, step, text, piece.size, at, &found, err);
        if (status != PL_OK || found.start == SIZE_MAX) {
            break;
        }
        at = found.end;
        if (found.end == found.start) { /* an empty one counts, but not behind a match */
            at += at < piece.size ? pl_text_utf8_length(text + at, text + piece.size) : 1;
            if (found.end == done && done > 0) {
                continue;
            }
        }
        if (found.start > done) {
            status = add_span(&m, done, found.start, step->invert, err);
        }
        status =
            status == PL_OK ? add_span(&m, found.start, found.end, !step->invert, err) : status;
        done = found.end;
    }
    if (status == PL_OK && done < piece.size) {
        status = add_span(&m, done, piece.size, step->invert, err);
    }
    return status == PL_OK ? flush(&m, err) : status;
}

/* ---- Steps that change the text ---- */

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
        status = put_piece(splitter, start, stop, err);
        start = stop;
    }
    return status;
}

static bool starts_with(const char *text, size_t size, const char *with, size_t with_size)
{
    return size >= with_size && memcmp(text, with, with_size) == 0;
}

/* Metaspace: blanks become its content, and one goes in front. */
static pl_status put_metaspace(pl_splitter *splitter, const pl_step *step, pl_piece piece,
                               bool at_start, pl_error *err)
{
    const char *text = splitter->text.data + piece.start;
    bool blank = text[0] == ' ' || starts_with(text, piece.size, step->content, step->content_size);
    bool first = at_start && piece.start == 0;
    if (!blank &&
        (step->scheme == PL_PREPEND_ALWAYS || (step->scheme == PL_PREPEND_FIRST && first))) {
        pl_buf_append(&splitter->spare, step->content, step->content_size);
    }
    return pl_replace_all(text, piece.size, step, &splitter->spare, splitter->meter, err);
}

/* ByteLevel with add_prefix_space. */
static void put_prefixed(pl_splitter *splitter, pl_piece piece)
{
    const char *text = splitter->text.data + piece.start;
    if (text[0] != ' ') {
        pl_buf_puts(&splitter->spare, " ");
    }
    pl_buf_append(&splitter->spare, text, piece.size);
}

/* ByteLevel before other steps: they see the stand-ins of the bytes. */
static void put_mapped(pl_splitter *splitter, pl_piece piece)
{
    const char *text = splitter->text.data + piece.start;
    for (size_t i = 0; i < piece.size; i++) {
        char name[2];
        pl_buf_append(&splitter->spare, name, pl_byte_stand_in((unsigned char)text[i], name));
    }
}

/* And back, when all steps are done. */
static void put_unmapped(pl_splitter *splitter, pl_piece piece)
{
    const char *text = splitter->text.data + piece.start;
    for (size_t i = 0; i < piece.size;) {
        const size_t length = (unsigned char)text[i] < 0x80 ? 1 : 2;
        char byte = 0;
        size_t size = 0;
        if (pl_bytes_unmap(text + i, length, &byte, &size)) {
            pl_buf_append(&splitter->spare, &byte, size);
        }
        i += length;
    }
}

typedef enum change { TO_METASPACE, TO_PREFIXED, TO_MAPPED, TO_RAW } change;

/* The text is rebuilt piece by piece. */
static pl_status rebuild(pl_splitter *splitter, const pl_step *step, change to, bool at_start,
                         pl_error *err)
{
    pl_status status = PL_OK;
    const size_t had = splitter->spare.capacity;
    splitter->spare.size = 0;
    splitter->next.count = 0;
    for (size_t i = 0; i < splitter->pieces.count && status == PL_OK; i++) {
        const pl_piece piece = splitter->pieces.items[i];
        const size_t start = splitter->spare.size;
        if (to == TO_METASPACE) {
            status = put_metaspace(splitter, step, piece, at_start, err);
        } else if (to == TO_PREFIXED) {
            put_prefixed(splitter, piece);
        } else if (to == TO_MAPPED) {
            put_mapped(splitter, piece);
        } else {
            put_unmapped(splitter, piece);
        }
        PL_THEN(pl_buf_check(&splitter->spare, err));
        if (status == PL_OK && to == TO_METASPACE && step->flag) {
            status = cut_before(splitter, step, start, splitter->spare.size, err);
        } else if (status == PL_OK) {
            status = put_piece(splitter, start, splitter->spare.size, err);
        }
        status =
            status == PL_OK ? pl_meter_steps(splitter->meter, 1 + piece.size / 16, err) : status;
    }
    PL_THEN(pl_meter_take(splitter->meter, had, splitter->spare.capacity, err));
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

static pl_status split_all(pl_splitter *splitter, const pl_step *step, pl_error *err)
{
    pl_status status = PL_OK;
    splitter->next.count = 0;
    for (size_t k = 0; k < splitter->pieces.count && status == PL_OK; k++) {
        status = split_piece(splitter, step, splitter->pieces.items[k], err);
    }
    swap_pieces(splitter);
    return status;
}

static pl_status change_all(pl_splitter *splitter, const pl_step *step, change to, bool at_start,
                            pl_error *err)
{
    pl_status status = rebuild(splitter, step, to, at_start, err);
    swap_pieces(splitter);
    return status;
}

static pl_status run_splitter_step(pl_splitter *splitter, const pl_step *step, bool at_start,
                                   pl_error *err)
{
    if (step->kind == PL_STEP_METASPACE) {
        return change_all(splitter, step, TO_METASPACE, at_start, err);
    }
    if (step->kind != PL_STEP_BYTES) {
        return split_all(splitter, step, err);
    }
    pl_status status = PL_OK;
    if (step->prefix) {
        status = change_all(splitter, step, TO_PREFIXED, at_start, err);
    }
    if (status == PL_OK && step->pattern != NULL) {
        status = split_all(splitter, step, err);
    }
    if (status == PL_OK && step->mapped) {
        status = change_all(splitter, step, TO_MAPPED, at_start, err);
    }
    return status;
}

pl_status pl_splitter_run(pl_splitter *splitter, const pl_step *steps, size_t count,
                          const char *text, size_t size, bool at_start, pl_error *err)
{
    const size_t had = splitter->text.capacity;
    bool mapped = false;
    splitter->text.size = 0;
    splitter->next.count = 0;
    pl_buf_append(&splitter->text, text, size);
    pl_status status = pl_buf_check(&splitter->text, err);
    PL_THEN(pl_meter_take(splitter->meter, had, splitter->text.capacity, err));
    if (status == PL_OK) {
        status = put_piece(splitter, 0, size, err);
        swap_pieces(splitter);
    }
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        status = run_splitter_step(splitter, &steps[i], at_start, err);
        mapped = mapped || steps[i].mapped;
    }
    return status == PL_OK && mapped ? change_all(splitter, NULL, TO_RAW, at_start, err) : status;
}
