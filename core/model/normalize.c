#include "core/model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MOST_MARKS = 4096, REPLACE_STEP = 16 };

/* Normalizers made so many bytes more. */
static pl_status count_made(pl_meter *meter, size_t bytes, pl_error *err)
{
    meter->normal += bytes;
    return meter->normal <= meter->most_normal
               ? PL_OK
               : pl_error_set(err, PL_ERR_UNSUPPORTED,
                              "the tokenizer's normalizer makes more than %llu bytes of this text",
                              (unsigned long long)meter->most_normal);
}

pl_status pl_replace_all(const char *text, size_t size, const pl_step *step, pl_buf *out,
                         pl_meter *meter, pl_error *err)
{
    const char *end = text + size;
    const size_t more =
        step->content_size > step->text_size ? step->content_size - step->text_size : 0;
    for (const char *hit; text < end; text = hit + step->text_size) {
        hit = memmem(text, (size_t)(end - text), step->text, step->text_size);
        if (hit == NULL) {
            break;
        }
        pl_status status = count_made(meter, more, err);
        PL_THEN(pl_meter_steps(meter, REPLACE_STEP, err));
        if (status == PL_OK && meter->most_bytes > 0 && out->size > meter->most_bytes) {
            status = pl_meter_take(meter, 0, out->size, err);
        }
        if (status != PL_OK) {
            return status;
        }
        pl_buf_append(out, text, (size_t)(hit - text));
        pl_buf_append(out, step->content, step->content_size);
    }
    if (text < end) {
        pl_buf_append(out, text, (size_t)(end - text));
    }
    return PL_OK;
}

/* The canonical order of marks is sorted in quadratic time: runs that no script has are refused. */
static pl_status check_marks(const char *text, size_t size, pl_error *err)
{
    size_t marks = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t length = pl_text_utf8_decode(text + i, text + size, &code);
        const bool mark =
            length > 0 && utf8proc_get_property((utf8proc_int32_t)code)->combining_class > 0;
        marks = mark ? marks + 1 : 0;
        i += length > 0 ? length : 1;
        if (marks > MOST_MARKS) {
            return pl_error_set(err, PL_ERR_UNSUPPORTED,
                                "the text has more than %d combining marks on one character",
                                MOST_MARKS);
        }
    }
    return PL_OK;
}

/* NFC.  Text below U+0300 (lead bytes below 0xCC) is in NFC as it stands. */
static pl_status compose(const char *text, size_t size, pl_buf *out, pl_meter *meter, pl_error *err)
{
    size_t plain = 0;
    while (plain < size && (unsigned char)text[plain] < 0xcc) {
        plain++;
    }
    if (plain == size) {
        pl_buf_append(out, text, size);
        return PL_OK;
    }
    /* utf8proc decomposes into code points of four bytes, and a code point into 18 at most. */
    pl_status status = check_marks(text, size, err);
    PL_THEN(pl_meter_take(meter, 0, 8 * size, err));
    if (status != PL_OK) {
        return status;
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
    return pl_meter_take(meter, 8 * size, 0, err);
}

static pl_status run_normalizer_step(const pl_step *step, const pl_buf *from, pl_buf *out,
                                     pl_meter *meter, pl_error *err)
{
    if (step->kind == PL_STEP_NFC) {
        return compose(from->data, from->size, out, meter, err);
    }
    if (step->kind == PL_STEP_REPLACE) {
        return pl_replace_all(from->data, from->size, step, out, meter, err);
    }
    pl_status status = PL_OK;
    if (from->size > 0) {
        status = count_made(meter, step->text_size, err);
        pl_buf_append(out, step->text, step->text_size);
    }
    pl_buf_append(out, from->data, from->size);
    return status;
}

pl_status pl_normalize(const pl_step *steps, size_t count, const char *text, size_t size,
                       pl_buf *out, pl_meter *meter, pl_error *err)
{
    pl_buf from = {0};
    pl_status status = PL_OK;
    size_t had = out->capacity;
    out->size = 0;
    pl_buf_append(out, text, size);
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        pl_buf swap = from;
        from = *out;
        *out = swap;
        out->size = 0;
        status = run_normalizer_step(&steps[i], &from, out, meter, err);
        PL_THEN(pl_buf_check(from.failed ? &from : out, err));
        if (status == PL_OK) {
            const size_t has = from.capacity + out->capacity;
            status = pl_meter_take(meter, had, has, err);
            had = has;
        }
    }
    const size_t spare = from.capacity;
    pl_buf_deinit(&from);
    PL_THEN(pl_meter_take(meter, spare, 0, err));
    return status == PL_OK ? pl_buf_check(out, err) : status;
}
