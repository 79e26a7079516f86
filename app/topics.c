#include "app/topics.h"

#include "core/base/nearest.h"
#include "plots/kinds.h"
#include "views/text.h"
#include "views/topics.h"
#include "views/view.h"

#include <ctype.h>
#include <string.h>

typedef struct asked {
    const char *name; /* NULL: all */
    void (*told)(void *ctx, const pl_explained *one);
    void *ctx;
} asked;

static char plain_letter(char c)
{
    return c == '_' || c == '-' ? ' ' : (char)tolower((unsigned char)c);
}

/* The first `length` bytes of `name` are the same word. */
static bool is_same(const char *typed, const char *name, size_t length)
{
    size_t i = 0;
    while (i < length && typed[i] != '\0' && plain_letter(typed[i]) == plain_letter(name[i])) {
        i++;
    }
    return i == length && typed[i] == '\0';
}

static void tell_topic(const asked *a, const pl_explained *one)
{
    if (a->name == NULL || is_same(a->name, one->name, strlen(one->name))) {
        a->told(a->ctx, one);
    }
}

static void tell_numbers(const asked *a)
{
    for (const pl_topic *t = pl_topics(); t->name != NULL; t++) {
        const pl_explained one = {"number", t->name, NULL, t->text, NULL};
        bool other = false; /* it is asked for under another name */
        for (const char *s = a->name != NULL ? t->also : NULL; s != NULL && !other;) {
            const size_t length = strcspn(s, "|");
            other = is_same(a->name, s, length);
            s = s[length] != '\0' ? s + length + 1 : NULL;
        }
        if (other) {
            a->told(a->ctx, &one);
        } else {
            tell_topic(a, &one);
        }
    }
}

static void tell_methods(const asked *a)
{
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        for (size_t i = 0; i < (*m)->n_params; i++) {
            const pl_param *p = &(*m)->params[i];
            tell_topic(a, &(pl_explained){"parameter", p->name, (*m)->name, p->help, p});
        }
        for (size_t i = 0; i < (*m)->n_reported; i++) {
            const pl_reported *r = &(*m)->reported[i];
            if (r->told) {
                tell_topic(a, &(pl_explained){"number", r->name, (*m)->name, r->help, NULL});
            }
        }
    }
}

void pl_topics_each(const char *name, void (*told)(void *ctx, const pl_explained *one), void *ctx)
{
    const asked a = {name, told, ctx};
    tell_numbers(&a);
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        tell_topic(&a,
                   &(pl_explained){"column", pl_columns[c].name, NULL, pl_columns[c].help, NULL});
    }
    tell_methods(&a);
    for (const pl_screen_view *const *v = pl_views(); *v != NULL; v++) {
        tell_topic(&a, &(pl_explained){"view", (*v)->name, NULL, (*v)->help, NULL});
    }
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        tell_topic(&a, &(pl_explained){"figure", (*kind)->name, NULL, (*kind)->summary, NULL});
    }
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        for (const pl_key *key = (*c)->keys; key->name != NULL; key++) {
            tell_topic(&a, &(pl_explained){"key", key->name, (*c)->name, key->help, NULL});
        }
    }
}

void pl_topics_put_numbers(pl_buf *out)
{
    enum { NAME = 14, COLUMNS = 78 };
    for (const pl_topic *t = pl_topics(); t->name != NULL; t++) {
        if (t->rare) {
            continue;
        }
        const size_t width = pl_text_width(t->name);
        pl_buf_printf(out, "  %s%*s", t->name, (int)(width < NAME - 2 ? NAME - 2 - width : 1), "");
        size_t column = width < NAME - 2 ? NAME : width + 3;
        for (const char *s = t->text; *s != '\0';) {
            size_t next = 0;
            const size_t cut = pl_text_wrap(s, COLUMNS - column, &next);
            pl_buf_printf(out, "%.*s\n%*s", (int)cut, s, s[next] != '\0' ? NAME : 0, "");
            s += next;
            column = NAME;
        }
    }
}

static void try_name(void *ctx, const pl_explained *one)
{
    pl_nearest_try(ctx, one->name);
}

pl_status pl_topics_unknown(const char *name, pl_error *err)
{
    pl_nearest near = pl_nearest_to(name);
    char hint[PL_NEAREST_HINT];
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        pl_nearest_try(&near, (*c)->name);
    }
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        pl_nearest_try(&near, (*m)->name);
    }
    pl_topics_each(NULL, try_name, &near);
    return pl_error_set(err, PL_ERR_NOT_FOUND,
                        "help: no command, method, parameter, number or view is named \"%s\"%s",
                        name, pl_nearest_hint(&near, ": ", "", hint));
}
