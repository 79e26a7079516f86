/* Values of templates as texts: Python's str() and repr(), and its json.dumps. */
#include "core/model/template_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shortest digits that read back as the number, as repr() writes them. */
static void print_real(double value, pl_buf *out)
{
    char digits[40];
    if (!isfinite(value)) {
        pl_buf_puts(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    int precision = 0;
    do {
        snprintf(digits, sizeof digits, "%.*e", precision, value);
    } while (strtod(digits, NULL) != value && ++precision < 17);
    const int power = atoi(strchr(digits, 'e') + 1);
    if (power < -4 || power >= 16) {
        pl_buf_append(out, digits, strcspn(digits, "e"));
        pl_buf_printf(out, "e%c%02d", power < 0 ? '-' : '+', abs(power));
        return;
    }
    const int places = precision - power;
    pl_buf_printf(out, "%.*f", places > 1 ? places : 1, value);
}

/* As repr() writes a text: escapes, and double quotes where only single ones are inside. */
static void print_quoted(pl_tpl_text text, pl_buf *out)
{
    const bool single = memchr(text.data, '\'', text.size) != NULL;
    const char quote = single && memchr(text.data, '"', text.size) == NULL ? '"' : '\'';
    pl_buf_append(out, &quote, 1);
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        const char *named = c != '\0' ? strchr("\n\t\r\\", c) : NULL;
        if (named != NULL || c == quote) {
            pl_buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c);
        } else if ((unsigned char)c < 32 || c == 127) {
            pl_buf_printf(out, "\\x%02x", (unsigned char)c);
        } else {
            pl_buf_append(out, &c, 1);
        }
    }
    pl_buf_append(out, &quote, 1);
}

static void print_inside(pl_tpl_machine *m, pl_tpl_value value, pl_buf *out);

static void print_list(pl_tpl_machine *m, const pl_tpl_list *list, pl_buf *out)
{
    pl_buf_puts(out, list->tuple ? "(" : "[");
    for (size_t i = 0; i < list->count && m->status == PL_OK; i++) {
        pl_buf_puts(out, i > 0 ? ", " : "");
        print_inside(m, list->items[i], out);
    }
    pl_buf_puts(out, list->tuple ? (list->count == 1 ? ",)" : ")") : "]");
}

static void print_map(pl_tpl_machine *m, const pl_tpl_map *map, pl_buf *out)
{
    pl_buf_puts(out, "{");
    for (size_t i = 0; i < map->count && m->status == PL_OK; i++) {
        pl_buf_puts(out, i > 0 ? ", " : "");
        print_inside(m, map->pairs[i].key, out);
        pl_buf_puts(out, ": ");
        print_inside(m, map->pairs[i].value, out);
    }
    pl_buf_puts(out, "}");
}

/* A budget for texts that are not in the room yet. */
static bool fits_budget(pl_tpl_machine *m, const pl_buf *out)
{
    if (out->size > PL_TPL_OUTPUT) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a text of more than %d MB", PL_TPL_OUTPUT >> 20);
    }
    return m->status == PL_OK;
}

static void print_inside(pl_tpl_machine *m, pl_tpl_value value, pl_buf *out)
{
    if (value.kind == PL_TPL_STRING) {
        print_quoted(value.as.text, out);
    } else if (value.kind == PL_TPL_UNDEFINED) {
        pl_buf_puts(out, "Undefined");
    } else {
        pl_tpl_print(m, value, out);
    }
}

void pl_tpl_print(pl_tpl_machine *m, pl_tpl_value value, pl_buf *out)
{
    if (!pl_tpl_step(m, 1) || !fits_budget(m, out) || !pl_tpl_enter(m)) {
        return;
    }
    switch (value.kind) {
    case PL_TPL_NONE:
        pl_buf_puts(out, "None");
        break;
    case PL_TPL_BOOL:
        pl_buf_puts(out, value.as.whole != 0 ? "True" : "False");
        break;
    case PL_TPL_INT:
        pl_buf_printf(out, "%lld", (long long)value.as.whole);
        break;
    case PL_TPL_REAL:
        print_real(value.as.real, out);
        break;
    case PL_TPL_STRING:
        pl_buf_append(out, value.as.text.data, value.as.text.size);
        break;
    case PL_TPL_LIST:
        print_list(m, value.as.list, out);
        break;
    case PL_TPL_MAP:
        if (value.as.map->kind == PL_TPL_DICT) {
            print_map(m, value.as.map, out);
            break;
        }
        /* fall through */
    case PL_TPL_MACRO:
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a %s as text", pl_tpl_kind_name(value));
        break;
    default: /* undefined: nothing */
        break;
    }
    pl_tpl_leave(m);
}

pl_tpl_value pl_tpl_to_string(pl_tpl_machine *m, pl_tpl_value value)
{
    pl_buf text = {0};
    if (value.kind == PL_TPL_STRING) {
        return value;
    }
    pl_tpl_print(m, value, &text);
    return pl_tpl_from_buf(m, &text);
}

/* ---- JSON ---- */

static void json_text(pl_tpl_text text, pl_buf *out)
{
    static const char named[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    pl_buf_puts(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        const char *found = NULL;
        for (size_t k = 0; found == NULL && k + 1 < sizeof named; k += 2) {
            found = named[k] == c ? &named[k + 1] : NULL;
        }
        if (found != NULL) {
            pl_buf_printf(out, "\\%c", *found);
        } else if ((unsigned char)c < 32) {
            pl_buf_printf(out, "\\u%04x", (unsigned char)c);
        } else {
            pl_buf_append(out, &c, 1);
        }
    }
    pl_buf_puts(out, "\"");
}

static void json_line(const pl_tpl_json_style *style, size_t level, pl_buf *out)
{
    if (style->indent >= 0) {
        pl_buf_puts(out, "\n");
        for (size_t i = 0; i < level * (size_t)style->indent; i++) {
            pl_buf_puts(out, " ");
        }
    }
}

static void json_list(pl_tpl_machine *m, const pl_tpl_list *list, const pl_tpl_json_style *style,
                      size_t level, pl_buf *out)
{
    pl_buf_puts(out, "[");
    for (size_t i = 0; i < list->count && m->status == PL_OK; i++) {
        pl_buf_append(out, style->comma.data, i > 0 ? style->comma.size : 0);
        json_line(style, level + 1, out);
        pl_tpl_print_json(m, list->items[i], style, level + 1, out);
    }
    if (list->count > 0) {
        json_line(style, level, out);
    }
    pl_buf_puts(out, "]");
}

/* The index of the pair that comes i-th. */
static size_t pair_at(pl_tpl_machine *m, const pl_tpl_map *map, size_t i, bool sorted)
{
    if (!sorted) {
        return i;
    }
    for (size_t k = 0; k < map->count && pl_tpl_step(m, map->count); k++) {
        size_t before = 0;
        for (size_t j = 0; j < map->count; j++) {
            before += pl_tpl_compare(m, map->pairs[j].key, map->pairs[k].key) < 0;
        }
        if (before == i) {
            return k;
        }
    }
    return 0;
}

static void json_map(pl_tpl_machine *m, const pl_tpl_map *map, const pl_tpl_json_style *style,
                     size_t level, pl_buf *out)
{
    pl_buf_puts(out, "{");
    for (size_t i = 0; i < map->count && m->status == PL_OK; i++) {
        const pl_tpl_pair *pair = &map->pairs[pair_at(m, map, i, style->sorted)];
        pl_buf_append(out, style->comma.data, i > 0 ? style->comma.size : 0);
        json_line(style, level + 1, out);
        if (pair->key.kind == PL_TPL_STRING) {
            json_text(pair->key.as.text, out);
        } else {
            pl_buf_puts(out, "\"");
            pl_tpl_print_json(m, pair->key, style, level + 1, out);
            pl_buf_puts(out, "\"");
        }
        pl_buf_append(out, style->colon.data, style->colon.size);
        pl_tpl_print_json(m, pair->value, style, level + 1, out);
    }
    if (map->count > 0) {
        json_line(style, level, out);
    }
    pl_buf_puts(out, "}");
}

void pl_tpl_print_json(pl_tpl_machine *m, pl_tpl_value value, const pl_tpl_json_style *style,
                       size_t level, pl_buf *out)
{
    if (!pl_tpl_step(m, 1) || !fits_budget(m, out) || !pl_tpl_enter(m)) {
        return;
    }
    if (value.kind == PL_TPL_STRING) {
        json_text(value.as.text, out);
    } else if (value.kind == PL_TPL_LIST) {
        json_list(m, value.as.list, style, level, out);
    } else if (value.kind == PL_TPL_MAP && value.as.map->kind == PL_TPL_DICT) {
        json_map(m, value.as.map, style, level, out);
    } else if (value.kind == PL_TPL_NONE) {
        pl_buf_puts(out, "null");
    } else if (value.kind == PL_TPL_BOOL) {
        pl_buf_puts(out, value.as.whole != 0 ? "true" : "false");
    } else if (value.kind == PL_TPL_INT || (value.kind == PL_TPL_REAL && isfinite(value.as.real))) {
        pl_tpl_print(m, value, out);
    } else {
        pl_tpl_fail(m, PL_ERR_FORMAT, "tojson of %s", pl_tpl_kind_name(value));
    }
    pl_tpl_leave(m);
}
