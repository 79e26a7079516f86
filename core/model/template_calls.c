/* Methods of values and functions of templates, and how a call finds its parameters. */
#include "core/model/template_parts.h"

#include "core/base/python.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* ---- Calls by a table ---- */

/* The i-th word of a list of words; size 0 past the last. */
static pl_tpl_text nth_word(const char *words, size_t i)
{
    for (;;) {
        const size_t size = strcspn(words, " ");
        if (i-- == 0 || size == 0) {
            return (pl_tpl_text){words, size};
        }
        words += size + (words[size] == ' ');
    }
}

static const pl_tpl_entry *find_entry(const pl_tpl_entry *entries, pl_tpl_text name)
{
    for (; entries->name != NULL; entries++) {
        for (size_t i = 0; nth_word(entries->name, i).size > 0; i++) {
            if (pl_tpl_same_text(nth_word(entries->name, i), name)) {
                return entries;
            }
        }
    }
    return NULL;
}

static bool bind_arguments(const pl_tpl_entry *entry, const pl_tpl_arguments *args,
                           pl_tpl_value *values)
{
    size_t count = 0;
    while (nth_word(entry->parameters, count).size > 0) {
        count++;
    }
    for (size_t i = 0; i < args->count; i++) {
        size_t at = i;
        if (args->names[i].data != NULL) {
            at = 0;
            while (at < count &&
                   !pl_tpl_same_text(nth_word(entry->parameters, at), args->names[i])) {
                at++;
            }
        }
        if (at >= count || values[at].kind != PL_TPL_ABSENT) {
            return false;
        }
        values[at] = args->values[i];
    }
    for (size_t i = 0; i < entry->required; i++) {
        if (values[i].kind == PL_TPL_ABSENT) {
            return false;
        }
    }
    return true;
}

bool pl_tpl_call_entry(pl_tpl_machine *m, const pl_tpl_entry *entries, const char *what,
                       pl_tpl_text name, pl_tpl_value self, const pl_tpl_arguments *args,
                       pl_tpl_value *out)
{
    pl_tpl_value values[PL_TPL_PARAMETERS] = {{PL_TPL_ABSENT, {0}}};
    const pl_tpl_entry *entry = find_entry(entries, name);
    *out = pl_tpl_none();
    if (entry == NULL) {
        return false;
    }
    if (!bind_arguments(entry, args, values)) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "the %s %.*s takes (%s), of which it needs %zu", what,
                    (int)name.size, name.data, entry->parameters, entry->required);
        return true;
    }
    *out = entry->call(m, self, values);
    return true;
}

static pl_tpl_value unknown(pl_tpl_machine *m, const char *what, pl_tpl_text name, const char *of,
                            const pl_tpl_entry *entries)
{
    pl_buf list = {0};
    for (; entries->name != NULL; entries++) {
        pl_buf_puts(&list, list.size > 0 ? ", " : "");
        pl_buf_append(&list, entries->name, strcspn(entries->name, " "));
    }
    pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "the %s %.*s%s is not known; known: %s", what,
                (int)(name.size < 60 ? name.size : 60), name.data, of,
                list.data != NULL ? list.data : "none");
    pl_buf_deinit(&list);
    return pl_tpl_none();
}

static bool given(pl_tpl_value value)
{
    return value.kind != PL_TPL_ABSENT && value.kind != PL_TPL_NONE;
}

/* Whether it is a text; the machine fails where not. */
static bool need_text(pl_tpl_machine *m, pl_tpl_value value)
{
    if (value.kind != PL_TPL_STRING) {
        pl_tpl_fail(m, PL_ERR_FORMAT, "%s, expected a text", pl_tpl_kind_name(value));
    }
    return value.kind == PL_TPL_STRING;
}

/* ---- Texts ---- */

static bool is_stripped(const char *at, size_t size, pl_tpl_value characters)
{
    uint32_t code = 0;
    if (!given(characters)) {
        pl_text_utf8_decode(at, at + size, &code);
        return pl_python_is_space(code);
    }
    return memmem(characters.as.text.data, characters.as.text.size, at, size) != NULL;
}

static pl_tpl_value strip(pl_tpl_machine *m, pl_tpl_value text, pl_tpl_value characters,
                          bool before, bool behind)
{
    if (given(characters) && !need_text(m, characters)) {
        return text;
    }
    const char *at = text.as.text.data, *end = at + text.as.text.size;
    const size_t steps = given(characters) ? 1 + characters.as.text.size / 64 : 0; /* a character */
    while (before && at < end && pl_tpl_step(m, steps)) {
        const size_t size = pl_text_utf8_length(at, end);
        if (size == 0 || !is_stripped(at, size, characters)) {
            break;
        }
        at += size;
    }
    while (behind && end > at && pl_tpl_step(m, steps)) {
        const char *last = end - 1;
        while (last > at && ((unsigned char)*last & 0xc0) == 0x80) {
            last--;
        }
        if (!is_stripped(last, (size_t)(end - last), characters)) {
            break;
        }
        end = last;
    }
    return pl_tpl_string(at, (size_t)(end - at));
}

pl_tpl_value pl_tpl_replace(pl_tpl_machine *m, pl_tpl_value text, pl_tpl_value old,
                            pl_tpl_value new, pl_tpl_value count)
{
    const int64_t most = given(count) && count.kind == PL_TPL_INT ? count.as.whole : -1;
    if (!need_text(m, old) || !need_text(m, new)) {
        return text;
    }
    if (old.as.text.size == 0) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a replacement of an empty text");
    }
    pl_buf made = {0};
    const char *at = text.as.text.data, *end = at + text.as.text.size;
    for (int64_t n = 0; most < 0 || n < most; n++) {
        const char *found =
            at < end ? memmem(at, (size_t)(end - at), old.as.text.data, old.as.text.size) : NULL;
        if (found == NULL || !pl_tpl_step(m, 1 + new.as.text.size / 64)) {
            break;
        }
        pl_buf_append(&made, at, (size_t)(found - at));
        pl_buf_append(&made, new.as.text.data, new.as.text.size);
        at = found + old.as.text.size;
    }
    pl_tpl_step(m, 1 + text.as.text.size / 64);
    pl_buf_append(&made, at, (size_t)(end - at));
    return pl_tpl_from_buf(m, &made);
}

/* Letter by letter, as Unicode's simple mappings have it. */
static pl_tpl_value recase(pl_tpl_machine *m, pl_tpl_value text, bool first_upper, bool rest_upper,
                           bool words)
{
    pl_buf made = {0};
    bool first = true;
    const char *at = text.as.text.data, *end = at + text.as.text.size;
    while (at < end && pl_tpl_step(m, 1)) {
        uint32_t code = 0;
        char bytes[4];
        const size_t size = pl_text_utf8_decode(at, end, &code);
        if (size == 0) {
            break;
        }
        const int32_t upper = utf8proc_toupper((int32_t)code);
        const int32_t lower = utf8proc_tolower((int32_t)code);
        const bool letter = upper != lower;
        const bool up = first ? first_upper : rest_upper;
        pl_buf_append(&made, bytes, pl_text_utf8_encode((uint32_t)(up ? upper : lower), bytes));
        first = words ? !letter : false;
        at += size;
    }
    return pl_tpl_from_buf(m, &made);
}

pl_tpl_value pl_tpl_upper(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return recase(m, pl_tpl_to_string(m, self), true, true, false);
}

pl_tpl_value pl_tpl_lower(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return recase(m, pl_tpl_to_string(m, self), false, false, false);
}

pl_tpl_value pl_tpl_capitalize(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return recase(m, pl_tpl_to_string(m, self), true, false, false);
}

pl_tpl_value pl_tpl_title(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return recase(m, pl_tpl_to_string(m, self), true, false, true);
}

pl_tpl_value pl_tpl_trim(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return strip(m, pl_tpl_to_string(m, self), args[0], true, true);
}

static pl_tpl_value do_lstrip(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return strip(m, self, args[0], true, false);
}

static pl_tpl_value do_rstrip(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return strip(m, self, args[0], false, true);
}

/* Words between white space; what is left behind `most` of them is one more. */
static void split_words(pl_tpl_machine *m, pl_tpl_text text, int64_t most, pl_tpl_value list)
{
    size_t at = pl_tpl_spaces_before(text.data, text.size);
    for (int64_t n = 0; at < text.size && m->status == PL_OK; n++) {
        size_t end = at;
        while (end < text.size && pl_tpl_spaces_before(text.data + end, text.size - end) == 0) {
            end += pl_text_utf8_length(text.data + end, text.data + text.size);
        }
        if (n == most) {
            end = text.size - pl_tpl_spaces_behind(text.data, text.size);
            pl_tpl_list_add(m, list, pl_tpl_string(text.data + at, end - at));
            return;
        }
        pl_tpl_list_add(m, list, pl_tpl_string(text.data + at, end - at));
        at = end + pl_tpl_spaces_before(text.data + end, text.size - end);
    }
}

static pl_tpl_value do_split(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    pl_tpl_value list = pl_tpl_list_new(m, 0);
    const int64_t most = args[1].kind == PL_TPL_INT ? args[1].as.whole : -1;
    const pl_tpl_text text = self.as.text, by = args[0].as.text;
    if (!given(args[0])) {
        split_words(m, text, most, list);
        return list;
    }
    if (!need_text(m, args[0]) || by.size == 0) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "a split by an empty text");
    }
    size_t at = 0;
    for (int64_t n = 0; most < 0 || n < most; n++) {
        const char *found =
            at < text.size ? memmem(text.data + at, text.size - at, by.data, by.size) : NULL;
        if (found == NULL || m->status != PL_OK) {
            break;
        }
        const size_t end = (size_t)(found - text.data);
        pl_tpl_list_add(m, list, pl_tpl_string(text.data + at, end - at));
        at = end + by.size;
    }
    pl_tpl_step(m, 1 + text.size / 64);
    pl_tpl_list_add(m, list, pl_tpl_string(text.data + at, text.size - at));
    return list;
}

static bool has_side(pl_tpl_machine *m, pl_tpl_text text, pl_tpl_value side, bool end)
{
    if (side.kind == PL_TPL_LIST && side.as.list->tuple) {
        bool found = false;
        for (size_t i = 0; !found && i < side.as.list->count; i++) {
            const pl_tpl_value one = side.as.list->items[i];
            found = need_text(m, one) && has_side(m, text, one, end);
        }
        return found;
    }
    const size_t size = need_text(m, side) ? side.as.text.size : SIZE_MAX;
    return size <= text.size &&
           memcmp(text.data + (end ? text.size - size : 0), side.as.text.data, size) == 0;
}

static pl_tpl_value do_startswith(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return pl_tpl_bool(has_side(m, self.as.text, args[0], false));
}

static pl_tpl_value do_endswith(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return pl_tpl_bool(has_side(m, self.as.text, args[0], true));
}

static pl_tpl_value do_replace(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    return pl_tpl_replace(m, self, args[0], args[1], args[2]);
}

static pl_tpl_value do_find(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    const pl_tpl_text text = self.as.text;
    if (!need_text(m, args[0])) {
        return self;
    }
    const char *found =
        args[0].as.text.size == 0
            ? text.data
            : memmem(text.data, text.size, args[0].as.text.data, args[0].as.text.size);
    pl_tpl_step(m, 1 + text.size / 64);
    return pl_tpl_int(
        found == NULL ? -1 : pl_tpl_length(pl_tpl_string(text.data, (size_t)(found - text.data))));
}

static pl_tpl_value do_join(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    pl_buf all = {0};
    const pl_tpl_value items = pl_tpl_items(m, args[0]);
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        if (need_text(m, items.as.list->items[i])) {
            pl_buf_append(&all, self.as.text.data, i > 0 ? self.as.text.size : 0);
            pl_tpl_print(m, items.as.list->items[i], &all);
        }
    }
    return pl_tpl_from_buf(m, &all);
}

static const pl_tpl_entry text_methods[] = {
    {"strip", "chars", 0, pl_tpl_trim},
    {"lstrip", "chars", 0, do_lstrip},
    {"rstrip", "chars", 0, do_rstrip},
    {"split", "sep maxsplit", 0, do_split},
    {"startswith", "prefix", 1, do_startswith},
    {"endswith", "suffix", 1, do_endswith},
    {"replace", "old new count", 2, do_replace},
    {"upper", "", 0, pl_tpl_upper},
    {"lower", "", 0, pl_tpl_lower},
    {"capitalize", "", 0, pl_tpl_capitalize},
    {"title", "", 0, pl_tpl_title},
    {"find", "sub", 1, do_find},
    {"join", "items", 1, do_join},
    {0},
};

/* ---- Dictionaries ---- */

pl_tpl_value pl_tpl_pairs(pl_tpl_machine *m, pl_tpl_value map)
{
    pl_tpl_value list = pl_tpl_list_new(m, map.as.map->count);
    for (size_t i = 0; i < map.as.map->count && m->status == PL_OK; i++) {
        pl_tpl_value pair = pl_tpl_list_new(m, 2);
        pair.as.list->tuple = true;
        pl_tpl_list_add(m, pair, map.as.map->pairs[i].key);
        pl_tpl_list_add(m, pair, map.as.map->pairs[i].value);
        pl_tpl_list_add(m, list, pair);
    }
    return list;
}

static pl_tpl_value do_items(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return pl_tpl_pairs(m, self);
}

static pl_tpl_value do_keys(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    return pl_tpl_items(m, self);
}

static pl_tpl_value do_values(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)args;
    pl_tpl_value list = pl_tpl_list_new(m, self.as.map->count);
    for (size_t i = 0; i < self.as.map->count && m->status == PL_OK; i++) {
        pl_tpl_list_add(m, list, self.as.map->pairs[i].value);
    }
    return list;
}

static pl_tpl_value do_get(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    const pl_tpl_value *there = pl_tpl_map_get(m, self, args[0]);
    return there != NULL ? *there : args[1].kind != PL_TPL_ABSENT ? args[1] : pl_tpl_none();
}

static const pl_tpl_entry map_methods[] = {
    {"items", "", 0, do_items},
    {"keys", "", 0, do_keys},
    {"values", "", 0, do_values},
    {"get", "key default", 1, do_get},
    {0},
};

static const pl_tpl_entry no_methods[] = {{0}};

static const pl_tpl_entry *methods_of(pl_tpl_value self)
{
    return self.kind == PL_TPL_STRING                                    ? text_methods
           : self.kind == PL_TPL_MAP && self.as.map->kind == PL_TPL_DICT ? map_methods
                                                                         : no_methods;
}

bool pl_tpl_has_method(pl_tpl_value self, pl_tpl_text name)
{
    return find_entry(methods_of(self), name) != NULL;
}

pl_tpl_value pl_tpl_method(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value self,
                           const pl_tpl_arguments *args)
{
    pl_tpl_value made;
    char of[32];
    snprintf(of, sizeof of, " of %s", pl_tpl_kind_name(self));
    if (self.kind == PL_TPL_UNDEFINED) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "%.*s", (int)self.as.text.size, self.as.text.data);
    }
    return pl_tpl_call_entry(m, methods_of(self), "method", name, self, args, &made)
               ? made
               : unknown(m, "method", name, of, methods_of(self));
}

/* ---- Functions ---- */

static pl_tpl_value do_range(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)self;
    for (size_t i = 0; i < 3; i++) {
        if (args[i].kind != PL_TPL_ABSENT && args[i].kind != PL_TPL_INT) {
            return pl_tpl_fail(m, PL_ERR_FORMAT, "range of %s", pl_tpl_kind_name(args[i]));
        }
    }
    const bool two = args[1].kind == PL_TPL_INT;
    const int64_t from = two ? args[0].as.whole : 0, to = two ? args[1].as.whole : args[0].as.whole;
    const int64_t by = args[2].kind == PL_TPL_INT ? args[2].as.whole : 1;
    pl_tpl_value list = pl_tpl_list_new(m, 0);
    if (by == 0) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "range by steps of 0");
    }
    for (int64_t i = from; (by > 0 ? i < to : i > to) && m->status == PL_OK;) {
        pl_tpl_list_add(m, list, pl_tpl_int(i));
        if (__builtin_add_overflow(i, by, &i)) {
            break;
        }
    }
    return list;
}

static pl_tpl_value do_raise(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)self;
    const pl_tpl_value text = pl_tpl_to_string(m, args[0]);
    return pl_tpl_fail(m, PL_ERR_USAGE, "the template refuses this chat: %.*s",
                       (int)(text.as.text.size < 400 ? text.as.text.size : 400), text.as.text.data);
}

static pl_tpl_value do_strftime(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args)
{
    (void)self;
    char format[128], made[512];
    struct tm local;
    if (!need_text(m, args[0]) || args[0].as.text.size >= sizeof format ||
        localtime_r(&m->now, &local) == NULL) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "strftime_now with such a format");
    }
    memcpy(format, args[0].as.text.data, args[0].as.text.size);
    format[args[0].as.text.size] = '\0';
    pl_buf text = {0};
    pl_buf_append(&text, made, strftime(made, sizeof made, format, &local));
    return pl_tpl_from_buf(m, &text);
}

static const pl_tpl_entry functions[] = {
    {"range", "start stop step", 1, do_range},
    {"raise_exception", "message", 1, do_raise},
    {"strftime_now", "format", 1, do_strftime},
    {0},
};

/* Those that take any names. */
static const struct {
    const char *name;
    pl_tpl_map_kind kind;
} makers[] = {{"dict", PL_TPL_DICT}, {"namespace", PL_TPL_NAMESPACE}};

bool pl_tpl_has_global(pl_tpl_text name)
{
    return find_entry(functions, name) != NULL || pl_tpl_text_is(name, makers[0].name) ||
           pl_tpl_text_is(name, makers[1].name);
}

pl_tpl_value pl_tpl_global(pl_tpl_machine *m, pl_tpl_text name, const pl_tpl_arguments *args)
{
    pl_tpl_value made = pl_tpl_none();
    for (size_t i = 0; i < 2; i++) {
        if (!pl_tpl_text_is(name, makers[i].name)) {
            continue;
        }
        made = pl_tpl_map_new(m, makers[i].kind);
        for (size_t k = 0; k < args->count && m->status == PL_OK; k++) {
            const pl_tpl_text key = args->names[k];
            if (key.data == NULL) {
                return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "%s of an argument without a name",
                                   makers[i].name);
            }
            pl_tpl_map_set(m, made, pl_tpl_string(key.data, key.size), args->values[k]);
        }
        return made;
    }
    pl_tpl_call_entry(m, functions, "function", name, pl_tpl_none(), args, &made);
    return made;
}

/* ---- What filters and tests share with them ---- */

pl_tpl_value pl_tpl_unknown(pl_tpl_machine *m, const char *what, pl_tpl_text name,
                            const pl_tpl_entry *entries)
{
    return unknown(m, what, name, "", entries);
}
