#include "core/calib/text.h"

#include "core/base/checked.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/base/text.h"

#include <jansson.h>
#include <string.h>

enum { TEXT_LIMIT = 1 << 30 };

/* Appends one text; texts after the first are set off by a blank line. */
static pl_status append_text(pl_buf *out, const char *path, const char *text, size_t size,
                             bool *first, pl_error *err)
{
    if (size + 2 > TEXT_LIMIT - out->size) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the texts have more than 1 GiB together",
                            path);
    }
    if (!*first) {
        pl_buf_puts(out, "\n\n");
    }
    *first = false;
    pl_buf_append(out, text, size);
    return pl_buf_check(out, err);
}

static pl_status check_utf8(const char *path, const char *text, size_t size, pl_error *err)
{
    const char *end = text + size;
    const bool wide =
        size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
    if (wide) {
        return pl_error_set(err, PL_ERR_FORMAT, "%s: the text is UTF-16, expected UTF-8", path);
    }
    for (const char *at = text; at < end;) {
        size_t length = pl_text_utf8_length(at, end);
        if (length == 0) {
            return pl_error_set(err, PL_ERR_FORMAT, "%s: byte %zu (0x%02x) is not valid UTF-8",
                                path, (size_t)(at - text), (unsigned)(unsigned char)*at);
        }
        at += length;
    }
    return PL_OK;
}

/* One record; `what` and its number say where it stands. */
static pl_status append_record(pl_buf *out, const char *path, const char *what, size_t number,
                               const json_t *json, bool *first, pl_error *err)
{
    const json_t *text = json_object_get(json, "text");
    return json_is_string(text)
               ? append_text(out, path, json_string_value(text), json_string_length(text), first,
                             err)
               : pl_error_set(err, PL_ERR_FORMAT,
                              "%s: %s %zu: expected a JSON object with a string `text`", path, what,
                              number);
}

static pl_status append_line(pl_buf *out, const char *path, size_t number, const char *line,
                             size_t size, bool *first, pl_error *err)
{
    json_error_t why;
    json_t *json = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    pl_status status =
        json != NULL ? append_record(out, path, "line", number, json, first, err)
                     : pl_error_set(err, PL_ERR_FORMAT, "%s: line %zu: expected a JSON object: %s",
                                    path, number, why.text);
    json_decref(json);
    return status;
}

static pl_status append_jsonl(pl_buf *out, const char *path, const char *text, size_t size,
                              bool *first, pl_error *err)
{
    const char *end = text + size;
    size_t number = 1;
    for (const char *line = text; line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop != NULL ? stop + 1 : end;
        size_t length = (size_t)((stop != NULL ? stop : end) - line);
        size_t blank = 0;
        while (blank < length && strchr(" \t\r", line[blank]) != NULL && line[blank] != '\0') {
            blank++;
        }
        if (blank < length) {
            pl_status status = append_line(out, path, number, line, length, first, err);
            if (status != PL_OK) {
                return status;
            }
        }
        line = next;
    }
    return PL_OK;
}

/* A .json: an array of records, one record, or lines like a .jsonl's. */
static pl_status append_json(pl_buf *out, const char *path, const char *text, size_t size,
                             bool *first, pl_error *err)
{
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    pl_status status = PL_OK;
    size_t i;
    json_t *record;
    if (json_is_array(json)) {
        json_array_foreach(json, i, record)
        {
            PL_THEN(append_record(out, path, "record", i + 1, record, first, err));
        }
    } else if (json != NULL) {
        status = append_record(out, path, "record", 1, json, first, err);
    } else {
        status = append_jsonl(out, path, text, size, first, err);
    }
    json_decref(json);
    return status;
}

pl_status pl_text_read(const char *const *paths, size_t n_paths, pl_buf *out, pl_error *err)
{
    bool first = true;
    for (size_t i = 0; i < n_paths; i++) {
        char *text = NULL;
        size_t size = 0;
        pl_status status = pl_file_read_all(paths[i], TEXT_LIMIT, &text, &size, err);
        if (status != PL_OK) {
            return status;
        }
        if (pl_text_ends_nocase(paths[i], ".jsonl")) {
            status = append_jsonl(out, paths[i], text, size, &first, err);
        } else if (pl_text_ends_nocase(paths[i], ".json")) {
            status = append_json(out, paths[i], text, size, &first, err);
        } else {
            status = check_utf8(paths[i], text, size, err);
            PL_THEN(append_text(out, paths[i], text, size, &first, err));
        }
        free(text);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}

pl_status pl_text_identity(const char *const *paths, size_t n_paths, pl_id *out, pl_error *err)
{
    pl_buf text = {0};
    pl_status status = pl_text_read(paths, n_paths, &text, err);
    PL_THEN(pl_buf_check(&text, err));
    if (status == PL_OK) {
        *out = pl_id_bytes(text.data != NULL ? text.data : "", text.size);
    }
    pl_buf_deinit(&text);
    return status;
}

pl_status pl_tokens_read(const pl_tokenizer *tokenizer, const char *const *paths, size_t n_paths,
                         size_t memory, pl_tokens *out, pl_task *task, pl_error *err)
{
    *out = (pl_tokens){0};
    pl_buf text = {0};
    pl_status status = pl_text_read(paths, n_paths, &text, err);
    if (status == PL_OK) {
        const char *bytes = text.data != NULL ? text.data : "";
        out->text = pl_id_bytes(bytes, text.size);
        status = pl_tokenizer_encode(tokenizer, bytes, text.size, memory, &out->ids, &out->count,
                                     task, err);
    }
    pl_buf_deinit(&text);
    if (status != PL_OK) {
        *out = (pl_tokens){0};
    }
    return status;
}

void pl_tokens_deinit(pl_tokens *tokens)
{
    free(tokens->ids);
    *tokens = (pl_tokens){0};
}

pl_status pl_protocol_starts(const pl_protocol *protocol, size_t n_tokens, size_t *starts,
                             pl_error *err)
{
    const size_t length = protocol->length;
    const size_t windows = protocol->windows;
    if (length == 0 || windows == 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%zu windows of %zu tokens, expected at least 1 of 1", windows, length);
    }
    const size_t has = n_tokens / length;
    const bool random = protocol->sample == PL_SAMPLE_RANDOM;
    if (has < (random ? 1 : windows)) {
        return pl_error_set(err, PL_ERR_STATE,
                            "the text has %zu window%s of %zu tokens, %zu were asked", has,
                            has == 1 ? "" : "s", length, windows);
    }
    pl_rng rng;
    pl_rng_init(&rng, protocol->seed);
    for (size_t w = 0; w < windows; w++) {
        starts[w] = random ? (size_t)pl_rng_below(&rng, n_tokens - length + 1) : w * length;
    }
    return PL_OK;
}
