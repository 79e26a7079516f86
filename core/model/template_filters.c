/* Filters and tests of templates. */
#include "core/model/template_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static pl_tpl_value filter_length(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    const int64_t count = pl_tpl_length(self);
    return count >= 0 ? pl_tpl_int(count)
                      : pl_tpl_fail(m, PL_ERR_FORMAT, "the length of %s", pl_tpl_kind_name(self));
}

static pl_tpl_value filter_string(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return pl_tpl_to_string(m, self);
}

static pl_tpl_value filter_list(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    pl_tpl_value made = pl_tpl_list_new(m, 0);
    const pl_tpl_value items = pl_tpl_items(m, self);
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        pl_tpl_list_add(m, made, items.as.list->items[i]);
    }
    return made;
}

static pl_tpl_value filter_int(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    const pl_tpl_value missing = args[0].kind == PL_TPL_ABSENT ? pl_tpl_int(0) : args[0];
    if (self.kind == PL_TPL_REAL && self.as.real > -9e18 && self.as.real < 9e18) {
        return pl_tpl_int((int64_t)self.as.real);
    }
    if (self.kind == PL_TPL_STRING && self.as.text.size > 0 && self.as.text.size < 24) {
        char digits[24] = {0}, *end = NULL;
        memcpy(digits, self.as.text.data, self.as.text.size);
        errno = 0;
        const long long whole = strtoll(digits, &end, 10);
        return *end == '\0' && errno == 0 ? pl_tpl_int(whole) : missing;
    }
    if (self.kind == PL_TPL_REAL) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a whole number of more than 64 bits");
    }
    return pl_tpl_is_number(self) ? pl_tpl_int(self.as.whole) : missing;
}

static pl_tpl_value filter_default(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)m;
    const bool missing =
        self.kind == PL_TPL_UNDEFINED || (pl_tpl_true(args[1]) && !pl_tpl_true(self));
    return !missing ? self : args[0].kind == PL_TPL_ABSENT ? pl_tpl_word("") : args[0];
}

static pl_tpl_value filter_replace(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return pl_tpl_replace(m, pl_tpl_to_string(m, self), pl_tpl_to_string(m, args[0]),
                          pl_tpl_to_string(m, args[1]), args[2]);
}

static pl_tpl_value end_item(pl_tpl_machine *m, pl_tpl_value self, bool last)
{
    const pl_tpl_value items = pl_tpl_items(m, self);
    const size_t count = items.as.list->count;
    return count == 0 ? pl_tpl_undefined("there is no item")
                      : items.as.list->items[last ? count - 1 : 0];
}

static pl_tpl_value filter_first(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return end_item(m, self, false);
}

static pl_tpl_value filter_last(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return end_item(m, self, true);
}

static pl_tpl_value filter_reverse(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    const pl_tpl_value none = {.kind = PL_TPL_ABSENT};
    return pl_tpl_slice(m, self.kind == PL_TPL_STRING ? self : pl_tpl_items(m, self), none, none,
                        pl_tpl_int(-1));
}

static pl_tpl_value filter_items(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    if (self.kind == PL_TPL_UNDEFINED) {
        return pl_tpl_list_new(m, 0);
    }
    return self.kind == PL_TPL_MAP && self.as.map->kind == PL_TPL_DICT
               ? pl_tpl_pairs(m, self)
               : pl_tpl_fail(m, PL_ERR_FORMAT, "the items of %s", pl_tpl_kind_name(self));
}

/* An attribute by its name, which may have dots. */
static pl_tpl_value attribute_of(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value name)
{
    if (name.kind != PL_TPL_STRING) {
        return pl_tpl_get_item(m, value, name);
    }
    for (size_t at = 0; at <= name.as.text.size && m->status == PL_OK;) {
        const char *part = name.as.text.data + at;
        const char *dot = memchr(part, '.', name.as.text.size - at);
        const size_t size = dot != NULL ? (size_t)(dot - part) : name.as.text.size - at;
        value = pl_tpl_get_item(m, value, pl_tpl_string(part, size));
        at += size + 1;
    }
    return value;
}

static pl_tpl_value filter_join(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    pl_buf all = {0};
    const pl_tpl_value items = pl_tpl_items(m, self);
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        pl_tpl_value item = items.as.list->items[i];
        if (args[1].kind != PL_TPL_ABSENT) {
            item = attribute_of(m, item, args[1]);
        }
        if (i > 0) {
            pl_tpl_print(m, args[0], &all);
        }
        pl_tpl_print(m, item, &all);
    }
    return pl_tpl_from_buf(m, &all);
}

static pl_tpl_value filter_tojson(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    pl_buf text = {0};
    pl_tpl_json_style style = {.indent = args[0].kind == PL_TPL_INT ? args[0].as.whole : -1,
                               .sorted = pl_tpl_true(args[2]),
                               .colon = {": ", 2}};
    if (style.indent > 64 || (args[0].kind == PL_TPL_INT && args[0].as.whole < 0) ||
        pl_tpl_true(args[3]) ||
        (args[0].kind != PL_TPL_INT && args[0].kind != PL_TPL_ABSENT &&
         args[0].kind != PL_TPL_NONE)) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "tojson with such an indent or ensure_ascii");
    }
    style.comma = style.indent < 0 ? (pl_tpl_text){", ", 2} : (pl_tpl_text){",", 1};
    if (args[1].kind == PL_TPL_LIST && args[1].as.list->count == 2) {
        style.comma = pl_tpl_to_string(m, args[1].as.list->items[0]).as.text;
        style.colon = pl_tpl_to_string(m, args[1].as.list->items[1]).as.text;
    }
    pl_tpl_print_json(m, self, &style, 0, &text);
    return pl_tpl_from_buf(m, &text);
}

/* Lines behind the first (with first: that one, too) by so many blanks; empty ones stay empty. */
static pl_tpl_value filter_indent(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    const int64_t width = args[0].kind == PL_TPL_INT ? args[0].as.whole : 4;
    const pl_tpl_text text = pl_tpl_to_string(m, self).as.text;
    pl_buf made = {0};
    bool starts = pl_tpl_true(args[1]);
    if (width < 0 || width > 64 || (args[0].kind != PL_TPL_INT && args[0].kind != PL_TPL_ABSENT) ||
        pl_tpl_true(args[2])) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "indent with such a width or blank");
    }
    for (size_t i = 0; i < text.size && pl_tpl_step(m, 1); i++) {
        for (int64_t k = 0; starts && text.data[i] != '\n' && k < width; k++) {
            pl_buf_puts(&made, " ");
        }
        pl_buf_append(&made, text.data + i, 1);
        starts = text.data[i] == '\n';
    }
    return pl_tpl_from_buf(m, &made);
}

/* ---- Filters that choose ---- */

/* args: a test and its value, in order. */
static bool passes(pl_tpl_machine *m, pl_tpl_value item, const pl_tpl_value *args)
{
    pl_tpl_value values[] = {args[1]};
    pl_tpl_text names[] = {{0}};
    const pl_tpl_arguments given = {values, names, args[1].kind != PL_TPL_ABSENT};
    if (args[0].kind == PL_TPL_ABSENT) {
        return pl_tpl_true(item);
    }
    if (args[0].kind != PL_TPL_STRING) {
        pl_tpl_fail(m, PL_ERR_FORMAT, "%s as the name of a test", pl_tpl_kind_name(args[0]));
        return false;
    }
    return pl_tpl_test(m, args[0].as.text, item, &given);
}

static pl_tpl_value keep_items(pl_tpl_machine *m, pl_tpl_value self, const pl_tpl_value *attribute,
                               const pl_tpl_value *test, bool wanted)
{
    pl_tpl_value made = pl_tpl_list_new(m, 0);
    const pl_tpl_value items = pl_tpl_items(m, self);
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        const pl_tpl_value item = items.as.list->items[i];
        const pl_tpl_value of = attribute != NULL ? attribute_of(m, item, *attribute) : item;
        if (passes(m, of, test) == wanted) {
            pl_tpl_list_add(m, made, item);
        }
    }
    return made;
}

static pl_tpl_value filter_select(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return keep_items(m, self, NULL, args, true);
}

static pl_tpl_value filter_reject(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return keep_items(m, self, NULL, args, false);
}

static pl_tpl_value filter_selectattr(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return keep_items(m, self, &args[0], args + 1, true);
}

static pl_tpl_value filter_rejectattr(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return keep_items(m, self, &args[0], args + 1, false);
}

/* args: a filter and up to two arguments of it, or an attribute and a default. */
static pl_tpl_value filter_map(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    pl_tpl_value made = pl_tpl_list_new(m, 0);
    const pl_tpl_value items = pl_tpl_items(m, self);
    pl_tpl_text names[2] = {{0}};
    const size_t count =
        (size_t)(args[1].kind != PL_TPL_ABSENT) + (size_t)(args[2].kind != PL_TPL_ABSENT);
    const pl_tpl_arguments given = {args + 1, names, count};
    if ((args[0].kind == PL_TPL_STRING) == (args[3].kind != PL_TPL_ABSENT)) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "map, expected a filter's name or attribute=");
    }
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        pl_tpl_value item = items.as.list->items[i];
        if (args[0].kind == PL_TPL_STRING) {
            item = pl_tpl_filter(m, args[0].as.text, item, &given);
        } else {
            item = attribute_of(m, item, args[3]);
            item = item.kind == PL_TPL_UNDEFINED && args[4].kind != PL_TPL_ABSENT ? args[4] : item;
        }
        pl_tpl_list_add(m, made, item);
    }
    return made;
}

static const pl_tpl_entry filters[] = {
    {"trim", "chars", 0, pl_tpl_trim},
    {"upper", "", 0, pl_tpl_upper},
    {"lower", "", 0, pl_tpl_lower},
    {"capitalize", "", 0, pl_tpl_capitalize},
    {"title", "", 0, pl_tpl_title},
    {"length count", "", 0, filter_length},
    {"string safe", "", 0, filter_string},
    {"int", "default", 0, filter_int},
    {"list", "", 0, filter_list},
    {"first", "", 0, filter_first},
    {"last", "", 0, filter_last},
    {"reverse", "", 0, filter_reverse},
    {"items", "", 0, filter_items},
    {"default d", "default_value boolean", 0, filter_default},
    {"replace", "old new count", 2, filter_replace},
    {"join", "d attribute", 0, filter_join},
    {"tojson", "indent separators sort_keys ensure_ascii", 0, filter_tojson},
    {"indent", "width first blank", 0, filter_indent},
    {"select", "test value", 0, filter_select},
    {"reject", "test value", 0, filter_reject},
    {"selectattr", "attribute test value", 1, filter_selectattr},
    {"rejectattr", "attribute test value", 1, filter_rejectattr},
    {"map", "filter a b attribute default", 0, filter_map},
    {0},
};

pl_tpl_value pl_tpl_filter(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value self,
                           const pl_tpl_arguments *args)
{
    pl_tpl_value made;
    return pl_tpl_call_entry(m, filters, "filter", name, self, args, &made)
               ? made
               : pl_tpl_unknown(m, "filter", name, filters);
}

/* ---- Tests ---- */

#define PL_TPL_TEST(name, holds)                                                                   \
    static pl_tpl_value test_##name(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)      \
    {                                                                                              \
        (void)m;                                                                                   \
        (void)args;                                                                                \
        return pl_tpl_bool(holds);                                                                 \
    }

PL_TPL_TEST(defined, self.kind != PL_TPL_UNDEFINED)
PL_TPL_TEST(undefined, self.kind == PL_TPL_UNDEFINED)
PL_TPL_TEST(none, self.kind == PL_TPL_NONE)
PL_TPL_TEST(string, self.kind == PL_TPL_STRING)
PL_TPL_TEST(mapping, self.kind == PL_TPL_MAP && self.as.map->kind == PL_TPL_DICT)
PL_TPL_TEST(iterable, self.kind == PL_TPL_STRING || self.kind == PL_TPL_LIST ||
                          self.kind == PL_TPL_UNDEFINED ||
                          (self.kind == PL_TPL_MAP && self.as.map->kind != PL_TPL_NAMESPACE))
PL_TPL_TEST(sequence, self.kind == PL_TPL_STRING || self.kind == PL_TPL_LIST ||
                          self.kind == PL_TPL_UNDEFINED ||
                          (self.kind == PL_TPL_MAP && self.as.map->kind == PL_TPL_DICT))
PL_TPL_TEST(boolean, self.kind == PL_TPL_BOOL)
PL_TPL_TEST(integer, self.kind == PL_TPL_INT)
PL_TPL_TEST(float, self.kind == PL_TPL_REAL)
PL_TPL_TEST(number, pl_tpl_is_number(self))
PL_TPL_TEST(true, self.kind == PL_TPL_BOOL && self.as.whole != 0)
PL_TPL_TEST(false, self.kind == PL_TPL_BOOL && self.as.whole == 0)
PL_TPL_TEST(odd, self.kind == PL_TPL_INT && self.as.whole % 2 != 0)
PL_TPL_TEST(even, self.kind == PL_TPL_INT && self.as.whole % 2 == 0)
PL_TPL_TEST(eq, pl_tpl_order_holds(m, PL_ORDER_EQUAL, self, args[0]))
PL_TPL_TEST(ne, pl_tpl_order_holds(m, PL_ORDER_UNEQUAL, self, args[0]))
PL_TPL_TEST(lt, pl_tpl_order_holds(m, PL_ORDER_LESS, self, args[0]))
PL_TPL_TEST(le, pl_tpl_order_holds(m, PL_ORDER_AT_MOST, self, args[0]))
PL_TPL_TEST(gt, pl_tpl_order_holds(m, PL_ORDER_GREATER, self, args[0]))
PL_TPL_TEST(ge, pl_tpl_order_holds(m, PL_ORDER_AT_LEAST, self, args[0]))
PL_TPL_TEST(in, pl_tpl_order_holds(m, PL_ORDER_IN, self, args[0]))

static pl_tpl_value test_divisible(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    if (self.kind != PL_TPL_INT || args[0].kind != PL_TPL_INT || args[0].as.whole == 0) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "divisibleby of %s by %s", pl_tpl_kind_name(self),
                           pl_tpl_kind_name(args[0]));
    }
    return pl_tpl_bool(args[0].as.whole == -1 || self.as.whole % args[0].as.whole == 0);
}

static const pl_tpl_entry tests[] = {
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"none None", "", 0, test_none},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"iterable", "", 0, test_iterable},
    {"sequence", "", 0, test_sequence},
    {"boolean", "", 0, test_boolean},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"number", "", 0, test_number},
    {"true", "", 0, test_true},
    {"false", "", 0, test_false},
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisible},
    {"equalto eq ==", "other", 1, test_eq},
    {"ne !=", "other", 1, test_ne},
    {"lt lessthan <", "other", 1, test_lt},
    {"le <=", "other", 1, test_le},
    {"gt greaterthan >", "other", 1, test_gt},
    {"ge >=", "other", 1, test_ge},
    {"in", "seq", 1, test_in},
    {0},
};

bool pl_tpl_test(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value self,
                 const pl_tpl_arguments *args)
{
    pl_tpl_value made;
    if (!pl_tpl_call_entry(m, tests, "test", name, self, args, &made)) {
        pl_tpl_unknown(m, "test", name, tests);
    }
    return pl_tpl_true(made);
}
