#include "tests/arrows/statics.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 20000, MANY = 3, NAME = 64, PATH = 96 };

typedef struct entry {
    char name[NAME], path[PATH];
} entry;

struct pl_statics {
    size_t count;
    entry entries[MOST];
};

pl_statics *pl_statics_create(void)
{
    return calloc(1, sizeof(pl_statics));
}

void pl_statics_destroy(pl_statics *statics)
{
    free(statics);
}

/* Where the parameters of a function begin that a line at `text` defines or declares; NULL: it is
 * none. */
static const char *find_parameters(const char *text)
{
    static const char attribute[] = "__attribute__";
    const char *at = text + strcspn(text, "(=;{");
    if (*at == '(' && (size_t)(at - text) > strlen(attribute) &&
        strncmp(at - strlen(attribute), attribute, strlen(attribute)) == 0) {
        at += strcspn(at, ")");
        at += strspn(at, ")");
        at += strcspn(at, "(=;{");
    }
    return *at == '(' ? at : NULL;
}

static void note_static(pl_statics *statics, const char *path, const char *name, size_t length)
{
    entry new = {{0}, {0}};
    if (length == 0 || length >= NAME || strlen(path) >= PATH || statics->count == MOST) {
        return;
    }
    memcpy(new.name, name, length);
    memcpy(new.path, path, strlen(path));
    for (size_t i = 0; i < statics->count; i++) {
        if (memcmp(&statics->entries[i], &new, sizeof new) == 0) {
            return;
        }
    }
    statics->entries[statics->count++] = new;
}

void pl_statics_add(pl_statics *statics, const char *path, const char *text)
{
    static const char word[] = "static ";
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        const char *end = at == text || at[-1] == '\n' ? find_parameters(at) : NULL;
        if (end == NULL) {
            continue;
        }
        const char *name = end;
        while (isalnum((unsigned char)name[-1]) || name[-1] == '_') {
            name--;
        }
        note_static(statics, path, name, (size_t)(end - name));
    }
}

size_t pl_statics_find(const pl_statics *statics, pl_buf *out)
{
    size_t found = 0;
    for (size_t i = 0; i < statics->count; i++) {
        const char *name = statics->entries[i].name;
        size_t before = 0, all = 0;
        for (size_t j = 0; j < statics->count; j++) {
            const bool same = strcmp(statics->entries[j].name, name) == 0;
            before += same && j < i;
            all += same;
        }
        if (before > 0 || all < MANY) {
            continue;
        }
        pl_buf_printf(out, "%s: a static of ", name);
        for (size_t j = i; j < statics->count; j++) {
            if (strcmp(statics->entries[j].name, name) == 0) {
                pl_buf_printf(out, "%s%s", j > i ? ", " : "", statics->entries[j].path);
            }
        }
        pl_buf_puts(out, "\n");
        found++;
    }
    return found;
}
