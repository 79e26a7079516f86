#include "core/io/gguf_parts.h"

#include "core/base/json.h"
#include "core/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256 * 1024 };

pl_status pl_cursor_init(pl_cursor *cursor, pl_file *file, pl_error *err)
{
    *cursor = (pl_cursor){.file = file, .window = malloc(WINDOW)};
    return cursor->window != NULL ? PL_OK : pl_error_memory(err, "%s", pl_file_path(file));
}

void pl_cursor_deinit(pl_cursor *cursor)
{
    free(cursor->window);
    *cursor = (pl_cursor){0};
}

uint64_t pl_cursor_left(const pl_cursor *cursor)
{
    return pl_file_size(cursor->file) - cursor->offset;
}

static pl_status fill_window(pl_cursor *cursor, pl_error *err)
{
    uint64_t left = pl_cursor_left(cursor);
    size_t size = left < WINDOW ? (size_t)left : WINDOW;
    pl_status status = pl_file_read(cursor->file, cursor->offset, cursor->window, size, err);
    cursor->window_offset = cursor->offset;
    cursor->window_size = status == PL_OK ? size : 0;
    return status;
}

pl_status pl_cursor_take(pl_cursor *cursor, void *out, size_t size, const char *what, pl_error *err)
{
    if (size > pl_cursor_left(cursor)) {
        return pl_error_set(err, PL_ERR_FORMAT,
                            "%s: %.80s at byte %llu: the file ends after %llu more bytes, expected "
                            "%zu",
                            pl_file_path(cursor->file), what, (unsigned long long)cursor->offset,
                            (unsigned long long)pl_cursor_left(cursor), size);
    }
    char *to = out;
    while (size > 0) {
        uint64_t used = cursor->offset - cursor->window_offset;
        if (used >= cursor->window_size) {
            pl_status status = fill_window(cursor, err);
            if (status != PL_OK) {
                return status;
            }
            used = 0;
        }
        size_t have = cursor->window_size - (size_t)used;
        size_t now = size < have ? size : have;
        memcpy(to, cursor->window + used, now);
        to += now;
        cursor->offset += now;
        size -= now;
    }
    return PL_OK;
}

pl_status pl_cursor_string(pl_cursor *cursor, uint64_t limit, char **out, size_t *size,
                           const char *what, pl_error *err)
{
    uint64_t length = 0;
    *out = NULL;
    *size = 0;
    pl_status status = pl_cursor_take(cursor, &length, sizeof length, what, err);
    if (status != PL_OK) {
        return status;
    }
    uint64_t left = pl_cursor_left(cursor);
    if (length > limit || length > left) {
        return pl_error_set(
            err, PL_ERR_FORMAT,
            "%s: %.80s at byte %llu: a string of %llu bytes, expected at most %llu%s",
            pl_file_path(cursor->file), what, (unsigned long long)cursor->offset,
            (unsigned long long)length, (unsigned long long)(left < limit ? left : limit),
            left < limit ? " (what is left of the file)" : "");
    }
    char *text = malloc((size_t)length + 1);
    if (text == NULL) {
        return pl_error_memory(err, "%s", pl_file_path(cursor->file));
    }
    status = pl_cursor_take(cursor, text, (size_t)length, what, err);
    if (status != PL_OK) {
        free(text);
        return status;
    }
    text[length] = '\0';
    *out = text;
    *size = (size_t)length;
    return PL_OK;
}

size_t pl_gguf_value_bytes(uint32_t type)
{
    static const unsigned char bytes[PL_GGUF_VALUE_COUNT] = {
        [PL_GGUF_U8] = 1,  [PL_GGUF_I8] = 1,  [PL_GGUF_U16] = 2, [PL_GGUF_I16] = 2,
        [PL_GGUF_U32] = 4, [PL_GGUF_I32] = 4, [PL_GGUF_F32] = 4, [PL_GGUF_BOOL] = 1,
        [PL_GGUF_U64] = 8, [PL_GGUF_I64] = 8, [PL_GGUF_F64] = 8,
    };
    return type < PL_GGUF_VALUE_COUNT ? bytes[type] : 0;
}

static json_t *real_from(uint32_t type, const char *bytes)
{
    float single;
    double value;
    if (type == PL_GGUF_F32) {
        memcpy(&single, bytes, sizeof single);
        return pl_json_number((double)single);
    }
    memcpy(&value, bytes, sizeof value);
    return pl_json_number(value);
}

json_t *pl_gguf_scalar(uint32_t type, const char *bytes)
{
    if (type == PL_GGUF_F32 || type == PL_GGUF_F64) {
        return real_from(type, bytes);
    }
    uint64_t bits = 0;
    const size_t size = pl_gguf_value_bytes(type);
    memcpy(&bits, bytes, size);
    switch (type) {
    case PL_GGUF_BOOL:
        return bits > 1 ? NULL : json_boolean(bits == 1);
    case PL_GGUF_I8:
        return json_integer((int8_t)bits);
    case PL_GGUF_I16:
        return json_integer((int16_t)bits);
    case PL_GGUF_I32:
        return json_integer((int32_t)bits);
    case PL_GGUF_U64:
        return bits > INT64_MAX ? json_real((double)bits) : json_integer((json_int_t)bits);
    default:
        return json_integer((json_int_t)bits);
    }
}

json_t *pl_gguf_text(const char *bytes, size_t size)
{
    json_t *text = json_stringn(bytes, size); /* NULL for invalid UTF-8 */
    if (text != NULL) {
        return text;
    }
    size_t length = pl_text_escape(bytes, size, NULL, 0);
    char *escaped = malloc(length + 1);
    if (escaped == NULL) {
        return NULL;
    }
    pl_text_escape(bytes, size, escaped, length + 1);
    text = json_stringn(escaped, length);
    free(escaped);
    return text;
}

/* ggml's numbers; the ids left out were withdrawn.  Q8_1 and Q8_K never reach a file. */
static const pl_gguf_type types[] = {
    [0] = {"F32", PL_F32, 1, 4},
    [1] = {"F16", PL_F16, 1, 2},
    [2] = {"Q4_0", PL_Q4_0, 32, 18},
    [3] = {"Q4_1", PL_Q4_1, 32, 20},
    [6] = {"Q5_0", PL_Q5_0, 32, 22},
    [7] = {"Q5_1", PL_Q5_1, 32, 24},
    [8] = {"Q8_0", PL_Q8_0, 32, 34},
    [9] = {"Q8_1", PL_DTYPE_OTHER, 0, 0},
    [10] = {"Q2_K", PL_Q2_K, 256, 84},
    [11] = {"Q3_K", PL_Q3_K, 256, 110},
    [12] = {"Q4_K", PL_Q4_K, 256, 144},
    [13] = {"Q5_K", PL_Q5_K, 256, 176},
    [14] = {"Q6_K", PL_Q6_K, 256, 210},
    [15] = {"Q8_K", PL_DTYPE_OTHER, 0, 0},
    [16] = {"IQ2_XXS", PL_DTYPE_OTHER, 256, 66},
    [17] = {"IQ2_XS", PL_DTYPE_OTHER, 256, 74},
    [18] = {"IQ3_XXS", PL_DTYPE_OTHER, 256, 98},
    [19] = {"IQ1_S", PL_DTYPE_OTHER, 256, 50},
    [20] = {"IQ4_NL", PL_DTYPE_OTHER, 32, 18},
    [21] = {"IQ3_S", PL_DTYPE_OTHER, 256, 110},
    [22] = {"IQ2_S", PL_DTYPE_OTHER, 256, 82},
    [23] = {"IQ4_XS", PL_DTYPE_OTHER, 256, 136},
    [24] = {"I8", PL_DTYPE_OTHER, 1, 1},
    [25] = {"I16", PL_DTYPE_OTHER, 1, 2},
    [26] = {"I32", PL_DTYPE_OTHER, 1, 4},
    [27] = {"I64", PL_DTYPE_OTHER, 1, 8},
    [28] = {"F64", PL_DTYPE_OTHER, 1, 8},
    [29] = {"IQ1_M", PL_DTYPE_OTHER, 256, 56},
    [30] = {"BF16", PL_BF16, 1, 2},
    [34] = {"TQ1_0", PL_DTYPE_OTHER, 256, 54},
    [35] = {"TQ2_0", PL_DTYPE_OTHER, 256, 66},
    [39] = {"MXFP4", PL_MXFP4, 32, 17},
};

pl_gguf_type pl_gguf_type_of(uint32_t id)
{
    if (id < sizeof types / sizeof types[0] && types[id].name != NULL) {
        return types[id];
    }
    return (pl_gguf_type){.dtype = PL_DTYPE_OTHER};
}

bool pl_gguf_type_find(const char *name, uint32_t *id)
{
    for (uint32_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].name != NULL && strcmp(types[i].name, name) == 0) {
            *id = i;
            return true;
        }
    }
    return false;
}
