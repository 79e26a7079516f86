#include "app/commands/rebuild_compare.h"

#include "app/command.h"
#include "core/base/file.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    char *data;
    size_t size;
} bytes;

static pl_status read_bytes(const char *path, bytes *out, pl_error *err)
{
    return pl_file_read_all(path, (size_t)1 << 30, &out->data, &out->size, err);
}

/* What a figure's file holds besides its provenance: a PDF's objects before those that describe it,
 * an SVG behind its description, the lines of a table behind its comments. */
static bytes drawn_part(bytes file)
{
    const char *pdf = file.size > 5 && memcmp(file.data, "%PDF-", 5) == 0
                          ? memmem(file.data, file.size, "/Producer", 9)
                          : NULL;
    const char *svg = memmem(file.data, file.size, "</desc>", 7);
    const char *at = svg != NULL ? svg : file.data;
    const char *end = file.data + file.size;
    if (pdf != NULL) {
        return (bytes){file.data, (size_t)(pdf - file.data)};
    }
    while (end - at > 1 && (at[0] == '#' || at[0] == '%') && at[1] == ' ') {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        at = line != NULL ? line + 1 : end;
    }
    return (bytes){file.data + (at - file.data), (size_t)(end - at)};
}

static bool same_part(bytes a, bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* The name in "NAME IDENTITY". */
static bytes model_name(const pl_origin *origin)
{
    const char *line = pl_origin_value(origin, "Planish-Model");
    const char *blank = line != NULL ? strrchr(line, ' ') : NULL;
    return (bytes){(char *)(uintptr_t)line, blank != NULL ? (size_t)(blank - line) : 0};
}

/* Appends a value without the model's name: it stands behind `open`, before the identity and in the
 * caption's sentence. */
static void put_nameless(const char *key, const char *value, bytes name, pl_buf *out)
{
    static const char sentence[] = "The model is ";
    if (strcmp(key, "Planish-Model") == 0) {
        value += name.size;
    } else if (strcmp(key, "Planish-Commands") == 0 && strncmp(value, "open ", 5) == 0) {
        char *first = NULL;
        const char *next = value;
        value = pl_script_next(&next, &first, NULL) == PL_OK && *next != '\0' ? next : value;
        free(first);
    } else if (strcmp(key, "Description") == 0) {
        const char *at = strstr(value, sentence);
        const char *behind = at != NULL ? at + sizeof sentence - 1 : NULL;
        if (behind != NULL && strncmp(behind, name.data, name.size) == 0) {
            pl_buf_append(out, value, (size_t)(behind - value));
            value = behind + name.size;
        }
    }
    pl_buf_puts(out, value);
}

static bool same_but_name(const char *key, const char *a, bytes a_name, const char *b, bytes b_name)
{
    pl_buf x = {0}, y = {0};
    put_nameless(key, a, a_name, &x);
    put_nameless(key, b, b_name, &y);
    const bool same = !x.failed && !y.failed && strcmp(x.data, y.data) == 0;
    pl_buf_deinit(&x);
    pl_buf_deinit(&y);
    return same;
}

/* What `rebuild` names by itself: who made the file (compare_makers). */
static bool is_maker(const char *key)
{
    static const char *const makers[] = {"Planish-Version", "Planish-Drawing", "Planish-Libraries",
                                         "Planish-BLAS", "Planish-Threads"};
    bool found = false;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        found = found || strcmp(key, makers[i]) == 0;
    }
    return found;
}

/* Whether the provenances agree; where not, a sentence for each key. */
static bool compare_texts(const pl_origin *then, const pl_origin *now, json_t *differs)
{
    const bytes was = model_name(then), is = model_name(now);
    bool same = then->n == now->n;
    pl_buf text = {0};
    if (!same_part(was, is) && was.size > 0 && is.size > 0) {
        pl_buf_printf(&text, "the model is called %.*s in the file, %.*s here", (int)was.size,
                      was.data, (int)is.size, is.data);
        pl_json_append(differs, json_string(text.data != NULL ? text.data : ""));
    }
    for (size_t i = 0; i < then->n; i++) {
        const char *value = pl_origin_value(now, then->keys[i]);
        if (value != NULL && same_but_name(then->keys[i], then->values[i], was, value, is)) {
            continue;
        }
        same = false;
        if (is_maker(then->keys[i])) {
            continue;
        }
        text.size = 0;
        pl_buf_printf(&text, "the file's %s is another text", then->keys[i]);
        pl_json_append(differs, json_string(text.data != NULL ? text.data : ""));
    }
    same = same && !text.failed;
    pl_buf_deinit(&text);
    return same;
}

static pl_status compare_pixels(const char *a, const char *b, json_t *differs, bool *same,
                                pl_error *err)
{
    size_t pixels = 0, differ = 0;
    int largest = 0;
    pl_status status = pl_png_compare(a, b, &pixels, &differ, &largest, err);
    *same = status == PL_OK && differ == 0;
    if (status == PL_OK && differ > 0) {
        char text[160];
        snprintf(text, sizeof text, "%zu of %zu pixels differ, by at most %d of 255", differ,
                 pixels, largest);
        pl_json_append(differs, json_string(text));
    }
    return status;
}

pl_status pl_rebuild_compare(const char *figure, const pl_origin *then, const char *made,
                             json_t *differs, bool *same, pl_error *err)
{
    bytes a = {0}, b = {0};
    pl_origin now = {0};
    bool texts = false, drawing = false;
    pl_status status = read_bytes(figure, &a, err);
    PL_THEN(read_bytes(made, &b, err));
    *same = status == PL_OK && same_part(a, b);
    if (status == PL_OK && !*same) {
        status = pl_origin_read(made, &now, err);
        if (status == PL_OK) {
            texts = compare_texts(then, &now, differs);
            drawing = same_part(drawn_part(a), drawn_part(b));
        }
        if (status == PL_OK && pl_text_ends(made, ".png")) {
            status = compare_pixels(figure, made, differs, &drawing, err);
        } else if (status == PL_OK && !drawing) {
            pl_json_append(differs, json_string("the bytes of the drawing differ"));
        }
        *same = texts && drawing;
    }
    pl_origin_deinit(&now);
    free(a.data);
    free(b.data);
    return status;
}
