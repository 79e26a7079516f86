/* The keys of a GGUF that tell in words what a model is: from the card of its Hugging Face folder,
 * as llama.cpp's converter takes them (ggml-org/llama.cpp gguf-py/gguf/metadata.py). */
#include "core/base/text.h"
#include "core/lab/export_gguf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stretch of a text. */
typedef struct span {
    const char *text;
    size_t size;
} span;

static span trimmed(span s)
{
    while (s.size > 0 && isspace((unsigned char)s.text[0])) {
        s = (span){s.text + 1, s.size - 1};
    }
    while (s.size > 0 && isspace((unsigned char)s.text[s.size - 1])) {
        s.size--;
    }
    return s;
}

/* Without blanks and quotes around it. */
static span bare(span s)
{
    s = trimmed(s);
    const char first = s.size > 1 ? s.text[0] : '\0';
    const bool quoted = (first == '"' || first == '\'') && s.text[s.size - 1] == first;
    return quoted ? (span){s.text + 1, s.size - 2} : s;
}

static bool next_line(span *rest, span *line)
{
    const char *end = rest->size > 0 ? memchr(rest->text, '\n', rest->size) : NULL;
    const size_t size = end != NULL ? (size_t)(end - rest->text) : rest->size;
    const bool there = rest->size > 0;
    *line = (span){rest->text, size};
    *rest = (span){rest->text + size, rest->size - size};
    if (end != NULL) {
        *rest = (span){rest->text + 1, rest->size - 1};
    }
    return there;
}

static bool is_text(span s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

/* What stands between the first two lines of three dashes. */
static span front_matter(span card)
{
    span line, rest = card;
    if (!next_line(&rest, &line) || !is_text(trimmed(line), "---")) {
        return (span){0};
    }
    const char *first = rest.text;
    while (next_line(&rest, &line)) {
        if (is_text(trimmed(line), "---")) {
            return (span){first, (size_t)(line.text - first)};
        }
    }
    return (span){0};
}

/* The index-th value of a key at the margin: `key: value`, `key: [a, b]`, or a list of `- a` below
 * it.  Empty where there is none; what else YAML has (blocks of lines, mappings) is not read. */
static span matter_value(span matter, const char *key, size_t index)
{
    const size_t length = strlen(key);
    span line, rest = matter;
    while (next_line(&rest, &line)) {
        const bool found =
            line.size > length && memcmp(line.text, key, length) == 0 && line.text[length] == ':';
        if (!found) {
            continue;
        }
        span value = trimmed((span){line.text + length + 1, line.size - length - 1});
        if (value.size > 0 && value.text[0] == '[') {
            value = (span){value.text + 1, value.size - 1};
            for (size_t i = 0; value.size > 0; i++) {
                const size_t end = strcspn(value.text, ",]\n");
                const size_t size = end < value.size ? end : value.size;
                if (i == index) {
                    return bare((span){value.text, size});
                }
                const size_t past = size < value.size ? size + 1 : size;
                const bool last = size == value.size || value.text[size] != ',';
                value = last ? (span){0} : (span){value.text + past, value.size - past};
            }
            return (span){0};
        }
        const bool block = value.size > 0 && (value.text[0] == '|' || value.text[0] == '>');
        if (value.size > 0) {
            return index == 0 && !block ? bare(value) : (span){0};
        }
        for (size_t i = 0; next_line(&rest, &line); i++) {
            const span item = trimmed(line);
            if (item.size < 2 || item.text[0] != '-' || item.text[1] != ' ') {
                break;
            }
            if (i == index) {
                return bare((span){item.text + 2, item.size - 2});
            }
        }
        return (span){0};
    }
    return (span){0};
}

/* "smollm2-135M" as "Smollm2 135M": words of lower case begin with a capital, but for versions and
 * numbers. */
static void put_title_words(span words, pl_buf *out)
{
    words = trimmed(words);
    for (size_t i = 0; i < words.size;) {
        size_t end = i;
        bool upper = false, lower = false;
        while (end < words.size && words.text[end] != '-' && words.text[end] != ' ') {
            upper = upper || isupper((unsigned char)words.text[end]);
            lower = lower || islower((unsigned char)words.text[end]);
            end++;
        }
        const char *word = words.text + i;
        const bool version =
            isdigit((unsigned char)word[0]) ||
            (word[0] == 'v' && end > i + 1 && strspn(word + 1, "0123456789.") >= end - i - 1);
        if (end > i && out->size > 0) {
            pl_buf_puts(out, " ");
        }
        bool inside = false;
        for (size_t c = i; c < end; c++) {
            const unsigned char letter = (unsigned char)words.text[c];
            const char now =
                lower && !upper && !version && !inside ? (char)toupper(letter) : (char)letter;
            pl_buf_append(out, &now, 1);
            inside = isalpha(letter) != 0;
        }
        i = end + 1;
    }
}

static void put_span(pl_gguf_keys *keys, const char *key, span value)
{
    if (value.size > 0) {
        pl_gguf_put_text(keys, key, value.text, value.size);
    }
}

static pl_status put_title_key(pl_gguf_keys *keys, size_t base, const char *what, span words,
                               pl_error *err)
{
    char key[64];
    pl_buf title = {0};
    snprintf(key, sizeof key, "general.base_model.%zu.%s", base, what);
    put_title_words(words, &title);
    pl_status status = pl_buf_check(&title, err);
    if (status == PL_OK && title.size > 0) {
        pl_gguf_put_text(keys, key, title.data, title.size);
    }
    pl_buf_deinit(&title);
    return status;
}

/* organization/name on Hugging Face; anything else is a name. */
static pl_status put_base(pl_gguf_keys *keys, size_t base, span id, pl_error *err)
{
    static const char site[] = "https://huggingface.co/";
    const char *slash = memchr(id.text, '/', id.size);
    const size_t before = slash != NULL ? (size_t)(slash - id.text) : 0;
    if (slash == NULL || memchr(id.text, ':', id.size) != NULL) {
        return put_title_key(keys, base, "name", id, err);
    }
    char key[64];
    pl_buf url = {0};
    snprintf(key, sizeof key, "general.base_model.%zu.repo_url", base);
    pl_buf_puts(&url, site);
    pl_buf_append(&url, id.text, id.size);
    pl_status status = pl_buf_check(&url, err);
    PL_THEN(put_title_key(keys, base, "name", (span){slash + 1, id.size - before - 1}, err));
    PL_THEN(put_title_key(keys, base, "organization", (span){id.text, before}, err));
    if (status == PL_OK) {
        pl_gguf_put_text(keys, key, url.data, url.size);
    }
    pl_buf_deinit(&url);
    return status;
}

static pl_status put_card(pl_gguf_file *f, span matter, pl_error *err)
{
    enum { MOST_BASES = 16 };
    const char *own = pl_model_name(f->x->model);
    const span name = matter_value(matter, "model_name", 0);
    pl_status status = PL_OK;
    uint32_t bases = 0;
    put_span(&f->keys, "general.name", name.size > 0 ? name : (span){own, strlen(own)});
    put_span(&f->keys, "general.author", matter_value(matter, "model_creator", 0));
    put_span(&f->keys, "general.license", matter_value(matter, "license", 0));
    put_span(&f->keys, "general.license.name", matter_value(matter, "license_name", 0));
    put_span(&f->keys, "general.license.link", matter_value(matter, "license_link", 0));
    while (bases < MOST_BASES && matter_value(matter, "base_model", bases).size > 0) {
        bases++;
    }
    if (bases > 0) {
        pl_gguf_put_u32(&f->keys, "general.base_model.count", bases);
    }
    for (uint32_t i = 0; status == PL_OK && i < bases; i++) {
        status = put_base(&f->keys, i, matter_value(matter, "base_model", i), err);
    }
    return status;
}

pl_status pl_gguf_put_about(pl_gguf_file *f, pl_error *err)
{
    char *path = NULL, *text = NULL;
    size_t size = 0;
    pl_status status = pl_export_find_beside(f->x, "README.md", &path, err);
    if (status == PL_OK && path != NULL) {
        status = pl_file_read_all(path, (size_t)1 << 26, &text, &size, err);
    }
    PL_THEN(put_card(f, front_matter((span){text, text != NULL ? size : 0}), err));
    free(text);
    free(path);
    return status;
}
