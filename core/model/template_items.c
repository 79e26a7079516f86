/* What is inside a value of a template: its length, items, attributes and slices, as in Python. */
#include "core/model/template_parts.h"

static size_t character(pl_tpl_text text, size_t at)
{
    const size_t size = pl_text_utf8_length(text.data + at, text.data + text.size);
    return size > 0 ? size : 1;
}

int64_t pl_tpl_length(pl_tpl_value value)
{
    int64_t count = 0;
    switch (value.kind) {
    case PL_TPL_STRING:
        for (size_t at = 0; at < value.as.text.size; at++) {
            count += ((unsigned char)value.as.text.data[at] & 0xc0) != 0x80;
        }
        return count;
    case PL_TPL_LIST:
        return (int64_t)value.as.list->count;
    case PL_TPL_MAP:
        return value.as.map->kind == PL_TPL_DICT ? (int64_t)value.as.map->count : -1;
    case PL_TPL_UNDEFINED:
        return 0;
    default:
        return -1;
    }
}

pl_tpl_value pl_tpl_items(pl_tpl_machine *m, pl_tpl_value value)
{
    if (value.kind == PL_TPL_LIST) {
        return value;
    }
    pl_tpl_value list = pl_tpl_list_new(m, 0);
    if (value.kind == PL_TPL_STRING) {
        for (size_t at = 0, n = 0; at < value.as.text.size && m->status == PL_OK; at += n) {
            n = character(value.as.text, at);
            pl_tpl_list_add(m, list, pl_tpl_string(value.as.text.data + at, n));
        }
    } else if (value.kind == PL_TPL_MAP && value.as.map->kind == PL_TPL_DICT) {
        for (size_t i = 0; i < value.as.map->count && m->status == PL_OK; i++) {
            pl_tpl_list_add(m, list, value.as.map->pairs[i].key);
        }
    } else if (value.kind != PL_TPL_UNDEFINED) {
        pl_tpl_fail(m, PL_ERR_FORMAT, "a loop over %s", pl_tpl_kind_name(value));
    }
    return list;
}

static pl_tpl_value no_attribute(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value key)
{
    pl_buf why = {0};
    pl_buf_printf(&why, "'%s' has no attribute ", pl_tpl_kind_name(value));
    pl_buf_puts(&why, "'");
    if (key.kind == PL_TPL_STRING) {
        pl_buf_append(&why, key.as.text.data, key.as.text.size < 64 ? key.as.text.size : 64);
    } else {
        pl_tpl_print(m, key, &why);
    }
    pl_buf_puts(&why, "'");
    pl_tpl_value made = pl_tpl_from_buf(m, &why);
    made.kind = PL_TPL_UNDEFINED;
    return made;
}

pl_tpl_value pl_tpl_get_item(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value key)
{
    if (value.kind == PL_TPL_UNDEFINED) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "%.*s", (int)value.as.text.size, value.as.text.data);
    }
    if (value.kind == PL_TPL_MAP) {
        const pl_tpl_value *there = pl_tpl_map_get(m, value, key);
        return there != NULL ? *there : no_attribute(m, value, key);
    }
    const bool sequence = value.kind == PL_TPL_LIST || value.kind == PL_TPL_STRING;
    if (!sequence || (key.kind != PL_TPL_INT && key.kind != PL_TPL_BOOL)) {
        return no_attribute(m, value, key);
    }
    const int64_t count = pl_tpl_length(value);
    int64_t at = key.as.whole + (key.as.whole < 0 ? count : 0);
    if (at < 0 || at >= count) {
        return no_attribute(m, value, key);
    }
    if (value.kind == PL_TPL_LIST) {
        return value.as.list->items[at];
    }
    pl_tpl_step(m, 1 + value.as.text.size / 64);
    size_t from = 0;
    for (; at > 0; at--) {
        from += character(value.as.text, from);
    }
    return pl_tpl_string(value.as.text.data + from, character(value.as.text, from));
}

/* A bound of a slice as an index of 0 to count (of -1 to count - 1 for a step backwards). */
static int64_t slice_bound(pl_tpl_machine *m, pl_tpl_value bound, int64_t missing, int64_t count,
                           bool back)
{
    if (bound.kind == PL_TPL_ABSENT || bound.kind == PL_TPL_NONE) {
        return missing;
    }
    if (bound.kind != PL_TPL_INT && bound.kind != PL_TPL_BOOL) {
        pl_tpl_fail(m, PL_ERR_FORMAT, "a slice from or to %s", pl_tpl_kind_name(bound));
        return 0;
    }
    int64_t at = bound.as.whole;
    at += at < 0 ? count : 0;
    const int64_t least = back ? -1 : 0, most = back ? count - 1 : count;
    return at < least ? least : at > most ? most : at;
}

pl_tpl_value pl_tpl_slice(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value start,
                          pl_tpl_value stop, pl_tpl_value step)
{
    if (value.kind != PL_TPL_LIST && value.kind != PL_TPL_STRING) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "a slice of %s", pl_tpl_kind_name(value));
    }
    const bool given = step.kind == PL_TPL_INT;
    const int64_t by = given ? step.as.whole : 1;
    if (by == 0 || by < -(1 << 30) || by > 1 << 30 ||
        (!given && step.kind != PL_TPL_ABSENT && step.kind != PL_TPL_NONE)) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "the step of a slice is no whole number but 0");
    }
    const pl_tpl_value items = pl_tpl_items(m, value);
    const int64_t count = (int64_t)items.as.list->count;
    const int64_t from = slice_bound(m, start, by > 0 ? 0 : count - 1, count, by < 0);
    const int64_t to = slice_bound(m, stop, by > 0 ? count : -1, count, by < 0);
    pl_tpl_value made = pl_tpl_list_new(m, 0);
    pl_buf text = {0};
    made.as.list->tuple = value.kind == PL_TPL_LIST && value.as.list->tuple;
    for (int64_t i = from; (by > 0 ? i < to : i > to) && m->status == PL_OK; i += by) {
        const pl_tpl_value item = items.as.list->items[i];
        if (value.kind == PL_TPL_LIST) {
            pl_tpl_list_add(m, made, item);
        } else {
            pl_buf_append(&text, item.as.text.data, item.as.text.size);
        }
    }
    return value.kind == PL_TPL_LIST ? made : pl_tpl_from_buf(m, &text);
}
