#include "app/braces.h"

#include "core/base/checked.h"
#include "core/base/text.h"

#include <stdlib.h>
#include <string.h>

static size_t choices_in(const char *open, const char *close)
{
    size_t count = 1;
    for (const char *s = open; s < close; s++) {
        count += *s == ',';
    }
    return count;
}

/* Checks the braces and counts what they make. */
static pl_status count_texts(const char *text, size_t *count, pl_error *err)
{
    *count = 1;
    for (const char *s = text + strcspn(text, "{}"); *s != '\0'; s += strcspn(s, "{}")) {
        const char *close = *s == '{' ? strpbrk(s + 1, "{}") : NULL;
        if (*s == '}') {
            return pl_error_set(err, PL_ERR_USAGE, "\"%s\": a } without its {", text);
        }
        if (close == NULL) {
            return pl_error_set(err, PL_ERR_USAGE, "\"%s\": a { without its }", text);
        }
        if (*close == '{') {
            return pl_error_set(err, PL_ERR_USAGE,
                                "\"%s\": braces within braces, expected {a,b} side by side", text);
        }
        *count *= choices_in(s, close);
        if (*count > PL_BRACES_MOST) {
            return pl_error_set(err, PL_ERR_USAGE, "\"%s\": stands for more than %d settings", text,
                                PL_BRACES_MOST);
        }
        s = close + 1;
    }
    return PL_OK;
}

/* The text with number `index` of all choices. */
static char *expand_one(const char *text, size_t index, size_t count)
{
    pl_buf out = {0};
    size_t left = count;
    while (*text != '\0') {
        const size_t plain = strcspn(text, "{");
        pl_buf_append(&out, text, plain);
        text += plain;
        if (*text == '\0') {
            break;
        }
        const char *close = strchr(text, '}');
        const size_t n = choices_in(text, close);
        left /= n;
        const char *choice = text + 1;
        for (size_t i = index / left % n; i > 0; i--) {
            choice = strchr(choice, ',') + 1;
        }
        pl_buf_append(&out, choice, strcspn(choice, ",}"));
        text = close + 1;
    }
    pl_buf_append(&out, "", 0);
    if (out.failed) {
        pl_buf_deinit(&out);
        return NULL;
    }
    return out.data;
}

pl_status pl_braces_expand(const char *text, char ***out, size_t *count, pl_error *err)
{
    size_t all = 0;
    *out = NULL;
    *count = 0;
    pl_status status = count_texts(text, &all, err);
    if (status != PL_OK) {
        return status;
    }
    char **texts = calloc(all, sizeof *texts);
    if (texts == NULL) {
        return pl_error_memory(err, "a setting");
    }
    for (size_t i = 0; i < all; i++) {
        texts[i] = expand_one(text, i, all);
        if (texts[i] == NULL) {
            pl_braces_free(texts, i);
            return pl_error_memory(err, "a setting");
        }
    }
    *out = texts;
    *count = all;
    return PL_OK;
}

void pl_braces_free(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}
