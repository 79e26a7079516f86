/* Values of templates: as Python has them. */
#include "core/model/template_parts.h"

#include "core/base/python.h"

#include <stdlib.h>
#include <string.h>

struct pl_tpl_chunk {
    pl_tpl_chunk *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *pl_tpl_room_take(pl_tpl_room *room, size_t count, size_t size)
{
    size_t bytes = 0;
    if (room->failed || __builtin_mul_overflow(count, size, &bytes) || bytes > PL_TPL_MEMORY) {
        room->failed = true;
        return NULL;
    }
    bytes = (bytes + 15) / 16 * 16;
    pl_tpl_chunk *chunk = room->chunks;
    if (chunk == NULL || chunk->size - chunk->used < bytes) {
        const size_t full = bytes > 16384 ? bytes : 16384;
        if (room->used + full > PL_TPL_MEMORY) {
            room->failed = true;
            return NULL;
        }
        chunk = calloc(1, sizeof *chunk + full);
        if (chunk == NULL) {
            room->failed = true;
            return NULL;
        }
        room->used += full;
        *chunk = (pl_tpl_chunk){.next = room->chunks, .size = full};
        room->chunks = chunk;
    }
    void *made = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return made;
}

void pl_tpl_room_free(pl_tpl_room *room)
{
    while (room->chunks != NULL) {
        pl_tpl_chunk *chunk = room->chunks;
        room->chunks = chunk->next;
        free(chunk);
    }
}

/* ---- Making ---- */

pl_tpl_value pl_tpl_undefined(const char *why)
{
    return (pl_tpl_value){.kind = PL_TPL_UNDEFINED, .as.text = {why, strlen(why)}};
}

pl_tpl_value pl_tpl_none(void)
{
    return (pl_tpl_value){.kind = PL_TPL_NONE};
}

pl_tpl_value pl_tpl_bool(bool truth)
{
    return (pl_tpl_value){.kind = PL_TPL_BOOL, .as.whole = truth};
}

pl_tpl_value pl_tpl_int(int64_t whole)
{
    return (pl_tpl_value){.kind = PL_TPL_INT, .as.whole = whole};
}

pl_tpl_value pl_tpl_string(const char *data, size_t size)
{
    return (pl_tpl_value){.kind = PL_TPL_STRING, .as.text = {data, size}};
}

pl_tpl_value pl_tpl_word(const char *word)
{
    return pl_tpl_string(word, strlen(word));
}

bool pl_tpl_same_text(pl_tpl_text a, pl_tpl_text b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

void *pl_tpl_take(pl_tpl_machine *m, size_t count, size_t size)
{
    void *made = pl_tpl_room_take(&m->room, count, size);
    if (made == NULL) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "it takes more than %d MB of memory",
                    PL_TPL_MEMORY >> 20);
    }
    return made;
}

/* items[count] with room for one more: the same, or a larger copy; NULL where there is none. */
static void *room_for_one(pl_tpl_machine *m, void *items, size_t count, size_t *capacity,
                          size_t size)
{
    if (count < *capacity) {
        return items;
    }
    const size_t more = *capacity < 4 ? 4 : 2 * *capacity;
    void *made = pl_tpl_take(m, more, size);
    if (made != NULL && count > 0) {
        memcpy(made, items, count * size);
    }
    *capacity = made != NULL ? more : *capacity;
    return made;
}

pl_tpl_value pl_tpl_from_buf(pl_tpl_machine *m, pl_buf *buf)
{
    char *kept = buf->failed ? NULL : pl_tpl_take(m, buf->size + 1, 1);
    const size_t size = kept != NULL ? buf->size : 0;
    if (buf->failed) {
        pl_tpl_fail(m, PL_ERR_MEMORY, "out of memory");
    }
    if (size > 0) {
        memcpy(kept, buf->data, size);
    }
    pl_buf_deinit(buf);
    *buf = (pl_buf){0};
    return pl_tpl_string(kept != NULL ? kept : "", size);
}

pl_tpl_value pl_tpl_list_new(pl_tpl_machine *m, size_t capacity)
{
    static pl_tpl_list none;
    pl_tpl_list *list = pl_tpl_take(m, 1, sizeof *list);
    if (list != NULL) {
        list->items = pl_tpl_take(m, capacity, sizeof *list->items);
        list->capacity = list->items != NULL ? capacity : 0;
    }
    return (pl_tpl_value){.kind = PL_TPL_LIST, .as.list = list != NULL ? list : &none};
}

void pl_tpl_list_add(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value item)
{
    pl_tpl_list *list = value.as.list;
    if (!pl_tpl_step(m, 1)) {
        return;
    }
    pl_tpl_value *items =
        room_for_one(m, list->items, list->count, &list->capacity, sizeof *list->items);
    if (items != NULL) {
        list->items = items;
        list->items[list->count++] = item;
    }
}

pl_tpl_value pl_tpl_map_new(pl_tpl_machine *m, pl_tpl_map_kind kind)
{
    static pl_tpl_map none;
    pl_tpl_map *map = pl_tpl_take(m, 1, sizeof *map);
    if (map != NULL) {
        map->kind = kind;
    }
    return (pl_tpl_value){.kind = PL_TPL_MAP, .as.map = map != NULL ? map : &none};
}

pl_tpl_value *pl_tpl_map_get(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value key)
{
    pl_tpl_map *map = value.as.map;
    for (size_t i = 0; i < map->count && pl_tpl_step(m, 1); i++) {
        if (pl_tpl_equal(m, map->pairs[i].key, key)) {
            return &map->pairs[i].value;
        }
    }
    return NULL;
}

void pl_tpl_map_set(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value key, pl_tpl_value item)
{
    pl_tpl_map *map = value.as.map;
    pl_tpl_value *there = pl_tpl_map_get(m, value, key);
    if (there != NULL) {
        *there = item;
        return;
    }
    if (m->status != PL_OK) {
        return;
    }
    pl_tpl_pair *pairs =
        room_for_one(m, map->pairs, map->count, &map->capacity, sizeof *map->pairs);
    if (pairs != NULL) {
        map->pairs = pairs;
        map->pairs[map->count++] = (pl_tpl_pair){key, item};
    }
}

pl_tpl_value pl_tpl_from_json(pl_tpl_machine *m, const json_t *json)
{
    size_t i;
    const char *key;
    json_t *item;
    pl_tpl_value made;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        made = pl_tpl_map_new(m, PL_TPL_DICT);
        json_object_foreach((json_t *)(uintptr_t)json, key, item)
        {
            pl_tpl_map_set(m, made, pl_tpl_word(key), pl_tpl_from_json(m, item));
        }
        return made;
    case JSON_ARRAY:
        made = pl_tpl_list_new(m, json_array_size(json));
        json_array_foreach(json, i, item)
        {
            pl_tpl_list_add(m, made, pl_tpl_from_json(m, item));
        }
        return made;
    case JSON_STRING:
        return pl_tpl_string(json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return pl_tpl_int(json_integer_value(json));
    case JSON_REAL:
        return (pl_tpl_value){.kind = PL_TPL_REAL, .as.real = json_real_value(json)};
    case JSON_NULL:
        return pl_tpl_none();
    default:
        return pl_tpl_bool(json_is_true(json));
    }
}

/* ---- Asking ---- */

const char *pl_tpl_kind_name(pl_tpl_value value)
{
    switch (value.kind) {
    case PL_TPL_NONE:
        return "None";
    case PL_TPL_BOOL:
        return "bool object";
    case PL_TPL_INT:
        return "int object";
    case PL_TPL_REAL:
        return "float object";
    case PL_TPL_STRING:
        return "str object";
    case PL_TPL_LIST:
        return value.as.list->tuple ? "tuple object" : "list object";
    case PL_TPL_MAP:
        return value.as.map->kind == PL_TPL_DICT   ? "dict object"
               : value.as.map->kind == PL_TPL_LOOP ? "loop"
                                                   : "namespace";
    case PL_TPL_MACRO:
        return "macro";
    default:
        return "undefined value";
    }
}

bool pl_tpl_is_number(pl_tpl_value value)
{
    return value.kind == PL_TPL_BOOL || value.kind == PL_TPL_INT || value.kind == PL_TPL_REAL;
}

double pl_tpl_number(pl_tpl_value value)
{
    return value.kind == PL_TPL_REAL ? value.as.real : (double)value.as.whole;
}

bool pl_tpl_true(pl_tpl_value value)
{
    switch (value.kind) {
    case PL_TPL_BOOL:
    case PL_TPL_INT:
        return value.as.whole != 0;
    case PL_TPL_REAL:
        return value.as.real < 0 || value.as.real > 0;
    case PL_TPL_STRING:
        return value.as.text.size > 0;
    case PL_TPL_LIST:
        return value.as.list->count > 0;
    case PL_TPL_MAP:
        return value.as.map->count > 0 || value.as.map->kind != PL_TPL_DICT;
    case PL_TPL_MACRO:
        return true;
    default:
        return false;
    }
}

static int compare_bytes(pl_tpl_text a, pl_tpl_text b)
{
    const size_t least = a.size < b.size ? a.size : b.size;
    const int order = least > 0 ? memcmp(a.data, b.data, least) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_numbers(pl_tpl_value a, pl_tpl_value b)
{
    if (a.kind != PL_TPL_REAL && b.kind != PL_TPL_REAL) {
        return (a.as.whole > b.as.whole) - (a.as.whole < b.as.whole);
    }
    const double x = pl_tpl_number(a), y = pl_tpl_number(b);
    return (x > y) - (x < y);
}

static bool equal_lists(pl_tpl_machine *m, const pl_tpl_list *a, const pl_tpl_list *b)
{
    bool same = a->count == b->count && a->tuple == b->tuple;
    for (size_t i = 0; same && i < a->count && m->status == PL_OK; i++) {
        same = pl_tpl_equal(m, a->items[i], b->items[i]);
    }
    return same;
}

static bool equal_maps(pl_tpl_machine *m, pl_tpl_value a, pl_tpl_value b)
{
    if (a.as.map->kind != PL_TPL_DICT || b.as.map->kind != PL_TPL_DICT) {
        return a.as.map == b.as.map;
    }
    bool same = a.as.map->count == b.as.map->count;
    for (size_t i = 0; same && i < a.as.map->count && m->status == PL_OK; i++) {
        const pl_tpl_value *there = pl_tpl_map_get(m, b, a.as.map->pairs[i].key);
        same = there != NULL && pl_tpl_equal(m, *there, a.as.map->pairs[i].value);
    }
    return same;
}

bool pl_tpl_equal(pl_tpl_machine *m, pl_tpl_value a, pl_tpl_value b)
{
    if (pl_tpl_is_number(a) && pl_tpl_is_number(b)) {
        return compare_numbers(a, b) == 0;
    }
    if (a.kind != b.kind || !pl_tpl_enter(m)) {
        return false;
    }
    bool same = true; /* none, undefined */
    if (a.kind == PL_TPL_STRING) {
        same = a.as.text.size == b.as.text.size && pl_tpl_step(m, 1 + a.as.text.size / 256) &&
               compare_bytes(a.as.text, b.as.text) == 0;
    } else if (a.kind == PL_TPL_LIST) {
        same = equal_lists(m, a.as.list, b.as.list);
    } else if (a.kind == PL_TPL_MAP) {
        same = equal_maps(m, a, b);
    } else if (a.kind == PL_TPL_MACRO) {
        same = a.as.macro == b.as.macro;
    }
    pl_tpl_leave(m);
    return same;
}

int pl_tpl_compare(pl_tpl_machine *m, pl_tpl_value a, pl_tpl_value b)
{
    if (pl_tpl_is_number(a) && pl_tpl_is_number(b)) {
        return compare_numbers(a, b);
    }
    if (a.kind == PL_TPL_STRING && b.kind == PL_TPL_STRING) {
        pl_tpl_step(m, 1 + a.as.text.size / 256);
        return compare_bytes(a.as.text, b.as.text);
    }
    pl_tpl_fail(m, PL_ERR_FORMAT, "there is no order between %s and %s", pl_tpl_kind_name(a),
                pl_tpl_kind_name(b));
    return 0;
}

static bool holds_value(pl_tpl_machine *m, pl_tpl_value whole, pl_tpl_value part)
{
    if (whole.kind == PL_TPL_STRING && part.kind == PL_TPL_STRING) {
        return pl_tpl_step(m, 1 + whole.as.text.size / 64) &&
               (part.as.text.size == 0 || memmem(whole.as.text.data, whole.as.text.size,
                                                 part.as.text.data, part.as.text.size) != NULL);
    }
    if (whole.kind == PL_TPL_MAP && whole.as.map->kind == PL_TPL_DICT) {
        return pl_tpl_map_get(m, whole, part) != NULL;
    }
    if (whole.kind == PL_TPL_LIST) {
        bool found = false;
        for (size_t i = 0; !found && i < whole.as.list->count && pl_tpl_step(m, 1); i++) {
            found = pl_tpl_equal(m, whole.as.list->items[i], part);
        }
        return found;
    }
    if (whole.kind != PL_TPL_UNDEFINED) {
        pl_tpl_fail(m, PL_ERR_FORMAT, "%s in %s", pl_tpl_kind_name(part), pl_tpl_kind_name(whole));
    }
    return false;
}

bool pl_tpl_order_holds(pl_tpl_machine *m, pl_tpl_order order, pl_tpl_value a, pl_tpl_value b)
{
    switch (order) {
    case PL_ORDER_EQUAL:
        return pl_tpl_equal(m, a, b);
    case PL_ORDER_UNEQUAL:
        return !pl_tpl_equal(m, a, b);
    case PL_ORDER_LESS:
        return pl_tpl_compare(m, a, b) < 0;
    case PL_ORDER_AT_MOST:
        return pl_tpl_compare(m, a, b) <= 0;
    case PL_ORDER_GREATER:
        return pl_tpl_compare(m, a, b) > 0;
    case PL_ORDER_AT_LEAST:
        return pl_tpl_compare(m, a, b) >= 0;
    case PL_ORDER_IN:
        return holds_value(m, b, a);
    case PL_ORDER_NOT_IN:
        return !holds_value(m, b, a);
    }
    return false;
}

/* ---- White space ---- */

size_t pl_tpl_spaces_before(const char *text, size_t size)
{
    size_t at = 0, n = 0;
    uint32_t code = 0;
    while (at < size && (n = pl_text_utf8_decode(text + at, text + size, &code)) > 0 &&
           pl_python_is_space(code)) {
        at += n;
    }
    return at;
}

size_t pl_tpl_spaces_behind(const char *text, size_t size)
{
    size_t end = size;
    while (end > 0) {
        size_t at = end - 1;
        uint32_t code = 0;
        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) {
            at--;
        }
        if (pl_text_utf8_decode(text + at, text + end, &code) == 0 || !pl_python_is_space(code)) {
            break;
        }
        end = at;
    }
    return size - end;
}
