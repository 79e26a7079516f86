/* The walk over a template's tree. */
#include "core/model/template_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Why the statements of a body end before their last one. */
typedef enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;

static flow run_list(pl_tpl_machine *m, const pl_tpl_node *node);

static void write_text(pl_tpl_machine *m, const char *data, size_t size)
{
    if (m->status == PL_OK && m->out->size + size > PL_TPL_OUTPUT) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "it writes more than %d MB", PL_TPL_OUTPUT >> 20);
    }
    if (m->status == PL_OK) {
        pl_buf_append(m->out, data, size);
    }
}

/* ---- Names ---- */

static pl_tpl_value *find_binding(pl_tpl_machine *m, const pl_tpl_frame *frame, pl_tpl_text name)
{
    for (pl_tpl_binding *b = frame->bindings; b != NULL && pl_tpl_step(m, 1); b = b->next) {
        if (pl_tpl_same_text(b->name, name)) {
            return &b->value;
        }
    }
    return NULL;
}

static pl_tpl_value *find_name(pl_tpl_machine *m, pl_tpl_text name)
{
    pl_tpl_value *found = NULL;
    for (const pl_tpl_frame *f = m->frame; f != NULL && found == NULL; f = f->outer) {
        found = find_binding(m, f, name);
    }
    return found;
}

static void bind_name(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value value)
{
    pl_tpl_value *there = find_binding(m, m->frame, name);
    if (there != NULL) {
        *there = value;
        return;
    }
    pl_tpl_binding *made = pl_tpl_take(m, 1, sizeof *made);
    if (made != NULL) {
        *made = (pl_tpl_binding){name, value, m->frame->bindings};
        m->frame->bindings = made;
    }
}

static pl_tpl_value no_such_name(pl_tpl_machine *m, pl_tpl_text name)
{
    pl_buf why = {0};
    pl_buf_printf(&why, "'%.*s' is undefined", (int)(name.size < 80 ? name.size : 80), name.data);
    pl_tpl_value made = pl_tpl_from_buf(m, &why);
    made.kind = PL_TPL_UNDEFINED;
    return made;
}

static void assign(pl_tpl_machine *m, const pl_tpl_node *target, pl_tpl_value value)
{
    if (target->kind == PL_NODE_NAME) {
        bind_name(m, target->name, value);
    } else if (target->kind == PL_NODE_ATTR) {
        const pl_tpl_value *of = find_name(m, target->a->name);
        if (of == NULL || of->kind != PL_TPL_MAP || of->as.map->kind != PL_TPL_NAMESPACE) {
            pl_tpl_fail(m, PL_ERR_FORMAT, "set of an attribute of what is no namespace");
            return;
        }
        pl_tpl_map_set(m, *of, pl_tpl_string(target->name.data, target->name.size), value);
    } else {
        const pl_tpl_value items = pl_tpl_items(m, value);
        size_t i = 0;
        for (const pl_tpl_node *n = target->list; n != NULL && i < items.as.list->count;
             n = n->next) {
            assign(m, n, items.as.list->items[i++]);
            if (n->next == NULL && i == items.as.list->count) {
                return;
            }
        }
        pl_tpl_fail(m, PL_ERR_FORMAT, "%zu values, expected as many as there are names",
                    items.as.list->count);
    }
}

/* ---- Expressions ---- */

static pl_tpl_value add_whole(pl_tpl_machine *m, int op, int64_t a, int64_t b)
{
    int64_t made = 0;
    bool over = false;
    if ((op == 'D' || op == '%') && (b == 0 || (b == -1 && a == INT64_MIN))) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "a division by %lld", (long long)b);
    }
    if (op == '+') {
        over = __builtin_add_overflow(a, b, &made);
    } else if (op == '-') {
        over = __builtin_sub_overflow(a, b, &made);
    } else if (op == '*') {
        over = __builtin_mul_overflow(a, b, &made);
    } else { /* Python rounds down, and the rest has the divisor's sign */
        const int64_t rest = a % b;
        const bool down = rest != 0 && (rest < 0) != (b < 0);
        made = op == 'D' ? a / b - down : rest + (down ? b : 0);
    }
    return over ? pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a whole number of more than 64 bits")
                : pl_tpl_int(made);
}

static pl_tpl_value add_real(pl_tpl_machine *m, int op, double a, double b)
{
    double made = 0.0;
    if ((op == '/' || op == 'D' || op == '%') && !(b < 0 || b > 0)) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "a division by 0");
    }
    switch (op) {
    case '+':
        made = a + b;
        break;
    case '-':
        made = a - b;
        break;
    case '*':
        made = a * b;
        break;
    case '/':
        made = a / b;
        break;
    case 'D':
        made = floor(a / b);
        break;
    default:
        made = a - b * floor(a / b);
        break;
    }
    return (pl_tpl_value){.kind = PL_TPL_REAL, .as.real = made};
}

static pl_tpl_value repeat(pl_tpl_machine *m, pl_tpl_value text, int64_t times)
{
    pl_buf all = {0};
    for (int64_t i = 0; i < times && pl_tpl_step(m, 1 + text.as.text.size / 64); i++) {
        pl_buf_append(&all, text.as.text.data, text.as.text.size);
        if (all.size > PL_TPL_OUTPUT) {
            pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a text of more than %d MB", PL_TPL_OUTPUT >> 20);
        }
    }
    return pl_tpl_from_buf(m, &all);
}

static pl_tpl_value join_two(pl_tpl_machine *m, pl_tpl_value a, pl_tpl_value b)
{
    if (a.kind == PL_TPL_STRING) {
        pl_buf both = {0};
        pl_tpl_step(m, 1 + (a.as.text.size + b.as.text.size) / 64);
        pl_buf_append(&both, a.as.text.data, a.as.text.size);
        pl_buf_append(&both, b.as.text.data, b.as.text.size);
        return pl_tpl_from_buf(m, &both);
    }
    pl_tpl_value list = pl_tpl_list_new(m, a.as.list->count + b.as.list->count);
    list.as.list->tuple = a.as.list->tuple;
    for (size_t i = 0; i < a.as.list->count; i++) {
        pl_tpl_list_add(m, list, a.as.list->items[i]);
    }
    for (size_t i = 0; i < b.as.list->count; i++) {
        pl_tpl_list_add(m, list, b.as.list->items[i]);
    }
    return list;
}

static pl_tpl_value binary(pl_tpl_machine *m, int op, pl_tpl_value a, pl_tpl_value b)
{
    const pl_tpl_value *undefined = a.kind == PL_TPL_UNDEFINED   ? &a
                                    : b.kind == PL_TPL_UNDEFINED ? &b
                                                                 : NULL;
    if (undefined != NULL) {
        return pl_tpl_fail(m, PL_ERR_FORMAT, "%.*s", (int)undefined->as.text.size,
                           undefined->as.text.data);
    }
    if (pl_tpl_is_number(a) && pl_tpl_is_number(b)) {
        return a.kind == PL_TPL_REAL || b.kind == PL_TPL_REAL || op == '/'
                   ? add_real(m, op, pl_tpl_number(a), pl_tpl_number(b))
                   : add_whole(m, op, a.as.whole, b.as.whole);
    }
    if (op == '+' && a.kind == b.kind &&
        (a.kind == PL_TPL_STRING ||
         (a.kind == PL_TPL_LIST && a.as.list->tuple == b.as.list->tuple))) {
        return join_two(m, a, b);
    }
    if (op == '*' && a.kind == PL_TPL_STRING && b.kind == PL_TPL_INT) {
        return repeat(m, a, b.as.whole);
    }
    if (op == '*' && a.kind == PL_TPL_INT && b.kind == PL_TPL_STRING) {
        return repeat(m, b, a.as.whole);
    }
    if (op == '%' && a.kind == PL_TPL_STRING) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "the operator %% of a text");
    }
    return pl_tpl_fail(m, PL_ERR_FORMAT, "%s %s %s", pl_tpl_kind_name(a),
                       op == 'D' ? "//" : (const char[]){(char)op, '\0'}, pl_tpl_kind_name(b));
}

static bool compare_chain(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_tpl_value left = pl_tpl_eval(m, node->a);
    for (const pl_tpl_node *n = node->list; n != NULL; n = n->next) {
        const pl_tpl_value right = pl_tpl_eval(m, n->a);
        if (m->status != PL_OK || !pl_tpl_order_holds(m, (pl_tpl_order)n->op, left, right)) {
            return false;
        }
        left = right;
    }
    return m->status == PL_OK;
}

static pl_tpl_value concat(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_buf all = {0};
    for (const pl_tpl_node *n = node->list; n != NULL && m->status == PL_OK; n = n->next) {
        pl_tpl_print(m, pl_tpl_eval(m, n), &all);
    }
    return pl_tpl_from_buf(m, &all);
}

static pl_tpl_value make_list(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_tpl_value list = pl_tpl_list_new(m, 0);
    list.as.list->tuple = node->op != 0;
    for (const pl_tpl_node *n = node->list; n != NULL && m->status == PL_OK; n = n->next) {
        pl_tpl_list_add(m, list, pl_tpl_eval(m, n));
    }
    return list;
}

static pl_tpl_value make_dict(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_tpl_value map = pl_tpl_map_new(m, PL_TPL_DICT);
    for (const pl_tpl_node *n = node->list; n != NULL && n->next != NULL && m->status == PL_OK;
         n = n->next->next) {
        const pl_tpl_value key = pl_tpl_eval(m, n);
        if (key.kind == PL_TPL_LIST || key.kind == PL_TPL_MAP) {
            return pl_tpl_fail(m, PL_ERR_FORMAT, "%s as a key", pl_tpl_kind_name(key));
        }
        pl_tpl_map_set(m, map, key, pl_tpl_eval(m, n->next));
    }
    return map;
}

/* ---- Calls ---- */

static pl_tpl_arguments eval_arguments(pl_tpl_machine *m, const pl_tpl_node *list)
{
    pl_tpl_arguments made = {0};
    size_t count = 0;
    for (const pl_tpl_node *n = list; n != NULL; n = n->next) {
        count++;
    }
    made.values = pl_tpl_room_take(&m->room, count, sizeof *made.values);
    made.names = pl_tpl_room_take(&m->room, count, sizeof *made.names);
    if (made.values == NULL || made.names == NULL) {
        pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "it takes too much memory");
        return (pl_tpl_arguments){0};
    }
    for (const pl_tpl_node *n = list; n != NULL && m->status == PL_OK; n = n->next) {
        made.names[made.count] = n->name;
        made.values[made.count++] = pl_tpl_eval(m, n->a);
    }
    return made;
}

/* Gives the parameters of a macro their values, in the frame that is the machine's now. */
static void bind_parameters(pl_tpl_machine *m, const pl_tpl_node *macro,
                            const pl_tpl_arguments *args)
{
    size_t used = 0, at = 0;
    for (const pl_tpl_node *p = macro->b; p != NULL && m->status == PL_OK; p = p->next, at++) {
        const pl_tpl_value *given = NULL;
        for (size_t i = 0; i < args->count; i++) {
            const bool is =
                args->names[i].data == NULL ? i == at : pl_tpl_same_text(args->names[i], p->name);
            given = is ? &args->values[i] : given;
            used += is;
        }
        bind_name(m, p->name,
                  given != NULL  ? *given
                  : p->a != NULL ? pl_tpl_eval(m, p->a)
                                 : no_such_name(m, p->name));
    }
    if (used != args->count) {
        pl_tpl_fail(m, PL_ERR_FORMAT, "the macro %.*s has no such parameters",
                    (int)macro->name.size, macro->name.data);
    }
}

static pl_tpl_value call_macro(pl_tpl_machine *m, const pl_tpl_macro *macro,
                               const pl_tpl_arguments *args)
{
    pl_buf text = {0};
    pl_buf *out = m->out;
    pl_tpl_frame *frame = m->frame;
    const size_t line = m->line;
    pl_tpl_frame inner = {.outer = macro->frame};
    if (!pl_tpl_enter(m)) {
        return pl_tpl_none();
    }
    m->frame = pl_tpl_take(m, 1, sizeof inner); /* a macro defined inside may outlive the call */
    if (m->frame != NULL) {
        *m->frame = inner;
        m->out = &text;
        bind_parameters(m, macro->node, args);
        run_list(m, macro->node->list);
    }
    m->out = out;
    m->frame = frame;
    m->line = line;
    pl_tpl_leave(m);
    return pl_tpl_from_buf(m, &text);
}

static pl_tpl_value call(pl_tpl_machine *m, const pl_tpl_node *node)
{
    const pl_tpl_node *of = node->a;
    pl_tpl_value callee = pl_tpl_none();
    if (of->kind == PL_NODE_ATTR) {
        const pl_tpl_value self = pl_tpl_eval(m, of->a);
        const pl_tpl_arguments args = eval_arguments(m, node->list);
        const pl_tpl_value key = pl_tpl_string(of->name.data, of->name.size);
        const pl_tpl_value *there = self.kind == PL_TPL_MAP ? pl_tpl_map_get(m, self, key) : NULL;
        m->line = node->line;
        if (m->status == PL_OK && there != NULL && there->kind == PL_TPL_MACRO) {
            return call_macro(m, there->as.macro, &args);
        }
        return m->status == PL_OK ? pl_tpl_method(m, of->name, self, &args) : pl_tpl_none();
    }
    const pl_tpl_arguments args = eval_arguments(m, node->list);
    const pl_tpl_value *bound = of->kind == PL_NODE_NAME ? find_name(m, of->name) : NULL;
    m->line = node->line;
    if (of->kind == PL_NODE_NAME && bound == NULL && m->status == PL_OK) {
        return pl_tpl_has_global(of->name)
                   ? pl_tpl_global(m, of->name, &args)
                   : pl_tpl_fail(m, PL_ERR_UNSUPPORTED,
                                 "the function %.*s is not known; known: range, dict, namespace, "
                                 "raise_exception, strftime_now",
                                 (int)of->name.size, of->name.data);
    }
    callee = bound != NULL ? *bound : pl_tpl_eval(m, of);
    if (m->status == PL_OK && callee.kind != PL_TPL_MACRO) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "a call of %s", pl_tpl_kind_name(callee));
    }
    return m->status == PL_OK ? call_macro(m, callee.as.macro, &args) : callee;
}

static pl_tpl_value attribute(pl_tpl_machine *m, const pl_tpl_node *node)
{
    const pl_tpl_value self = pl_tpl_eval(m, node->a);
    m->line = node->line;
    if (pl_tpl_has_method(self, node->name)) {
        return pl_tpl_fail(m, PL_ERR_UNSUPPORTED, "the method %.*s without a call",
                           (int)node->name.size, node->name.data);
    }
    return pl_tpl_get_item(m, self, pl_tpl_string(node->name.data, node->name.size));
}

static pl_tpl_value eval_part(pl_tpl_machine *m, const pl_tpl_node *node)
{
    return node != NULL ? pl_tpl_eval(m, node) : (pl_tpl_value){.kind = PL_TPL_ABSENT};
}

static pl_tpl_value eval_unary(pl_tpl_machine *m, const pl_tpl_node *node)
{
    const pl_tpl_value of = pl_tpl_eval(m, node->a);
    return binary(m, node->kind == PL_NODE_NEGATIVE ? '-' : '+', pl_tpl_int(0), of);
}

static pl_tpl_value eval_choice(pl_tpl_machine *m, const pl_tpl_node *node)
{
    if (pl_tpl_true(pl_tpl_eval(m, node->b))) {
        return pl_tpl_eval(m, node->a);
    }
    return node->c != NULL ? pl_tpl_eval(m, node->c)
                           : pl_tpl_undefined("an if without else gave nothing");
}

static pl_tpl_value eval_behind(pl_tpl_machine *m, const pl_tpl_node *node)
{
    const pl_tpl_value self = pl_tpl_eval(m, node->a);
    const pl_tpl_arguments args = eval_arguments(m, node->list);
    m->line = node->line;
    if (m->status != PL_OK) {
        return self;
    }
    return node->kind == PL_NODE_FILTER
               ? pl_tpl_filter(m, node->name, self, &args)
               : pl_tpl_bool(pl_tpl_test(m, node->name, self, &args) != (node->op != 0));
}

static pl_tpl_value eval_kind(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_tpl_value a;
    const pl_tpl_value *bound = NULL;
    switch (node->kind) {
    case PL_NODE_CONST:
        return node->value;
    case PL_NODE_NAME:
        bound = find_name(m, node->name);
        return bound != NULL ? *bound : no_such_name(m, node->name);
    case PL_NODE_LIST:
        return make_list(m, node);
    case PL_NODE_DICT:
        return make_dict(m, node);
    case PL_NODE_ATTR:
        return attribute(m, node);
    case PL_NODE_ITEM:
        a = pl_tpl_eval(m, node->a);
        return pl_tpl_get_item(m, a, pl_tpl_eval(m, node->b));
    case PL_NODE_SLICE:
        a = pl_tpl_eval(m, node->a);
        return pl_tpl_slice(m, a, eval_part(m, node->b), eval_part(m, node->c),
                            eval_part(m, node->d));
    case PL_NODE_CALL:
        return call(m, node);
    case PL_NODE_FILTER:
    case PL_NODE_TEST:
        return eval_behind(m, node);
    case PL_NODE_NEGATIVE:
    case PL_NODE_POSITIVE:
        return eval_unary(m, node);
    case PL_NODE_BINARY:
        a = pl_tpl_eval(m, node->a);
        return binary(m, node->op, a, pl_tpl_eval(m, node->b));
    case PL_NODE_CONCAT:
        return concat(m, node);
    case PL_NODE_COMPARE:
        return pl_tpl_bool(compare_chain(m, node));
    case PL_NODE_AND:
        a = pl_tpl_eval(m, node->a);
        return pl_tpl_true(a) ? pl_tpl_eval(m, node->b) : a;
    case PL_NODE_OR:
        a = pl_tpl_eval(m, node->a);
        return pl_tpl_true(a) ? a : pl_tpl_eval(m, node->b);
    case PL_NODE_NOT:
        return pl_tpl_bool(!pl_tpl_true(pl_tpl_eval(m, node->a)));
    case PL_NODE_CHOICE:
        return eval_choice(m, node);
    default:
        return pl_tpl_none();
    }
}

pl_tpl_value pl_tpl_eval(pl_tpl_machine *m, const pl_tpl_node *node)
{
    m->line = node->line;
    if (!pl_tpl_step(m, 1) || !pl_tpl_enter(m)) {
        return pl_tpl_none();
    }
    const pl_tpl_value made = eval_kind(m, node);
    pl_tpl_leave(m);
    return m->status == PL_OK ? made : pl_tpl_none();
}

/* ---- Statements ---- */

static void set_loop(pl_tpl_machine *m, pl_tpl_value loop, const pl_tpl_list *items, size_t i)
{
    const int64_t at = (int64_t)i, count = (int64_t)items->count;
    const pl_tpl_value none = pl_tpl_undefined("there is no item beside this one");
    pl_tpl_map_set(m, loop, pl_tpl_word("index0"), pl_tpl_int(at));
    pl_tpl_map_set(m, loop, pl_tpl_word("index"), pl_tpl_int(at + 1));
    pl_tpl_map_set(m, loop, pl_tpl_word("revindex0"), pl_tpl_int(count - at - 1));
    pl_tpl_map_set(m, loop, pl_tpl_word("revindex"), pl_tpl_int(count - at));
    pl_tpl_map_set(m, loop, pl_tpl_word("first"), pl_tpl_bool(i == 0));
    pl_tpl_map_set(m, loop, pl_tpl_word("last"), pl_tpl_bool(at + 1 == count));
    pl_tpl_map_set(m, loop, pl_tpl_word("length"), pl_tpl_int(count));
    pl_tpl_map_set(m, loop, pl_tpl_word("previtem"), i > 0 ? items->items[i - 1] : none);
    pl_tpl_map_set(m, loop, pl_tpl_word("nextitem"), at + 1 < count ? items->items[i + 1] : none);
}

/* The items for which the loop's own condition holds: only those count. */
static pl_tpl_value filter_items(pl_tpl_machine *m, const pl_tpl_node *node, pl_tpl_value items)
{
    if (node->c == NULL) {
        return items;
    }
    pl_tpl_value kept = pl_tpl_list_new(m, 0);
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        assign(m, node->a, items.as.list->items[i]);
        if (pl_tpl_true(pl_tpl_eval(m, node->c))) {
            pl_tpl_list_add(m, kept, items.as.list->items[i]);
        }
    }
    return kept;
}

static void run_for(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_tpl_frame *outer = m->frame;
    pl_tpl_frame *inner = pl_tpl_take(m, 1, sizeof *inner);
    if (inner == NULL) {
        return;
    }
    pl_tpl_value items = pl_tpl_items(m, pl_tpl_eval(m, node->b));
    *inner = (pl_tpl_frame){.outer = outer};
    m->frame = inner;
    items = filter_items(m, node, items);
    const pl_tpl_value loop = pl_tpl_map_new(m, PL_TPL_LOOP);
    for (size_t i = 0; i < items.as.list->count && m->status == PL_OK; i++) {
        inner->bindings = NULL; /* what a turn sets ends with it */
        set_loop(m, loop, items.as.list, i);
        bind_name(m, (pl_tpl_text){"loop", 4}, loop);
        assign(m, node->a, items.as.list->items[i]);
        if (run_list(m, node->list) == FLOW_BREAK) {
            break;
        }
    }
    m->frame = outer;
    if (m->status == PL_OK && items.as.list->count == 0) {
        run_list(m, node->otherwise);
    }
}

/* What a block writes, as a value. */
static pl_tpl_value run_template_block(pl_tpl_machine *m, const pl_tpl_node *list)
{
    pl_buf text = {0};
    pl_buf *out = m->out;
    pl_tpl_frame *outer = m->frame, *inner = pl_tpl_take(m, 1, sizeof *inner);
    if (inner != NULL) {
        *inner = (pl_tpl_frame){.outer = outer};
        m->frame = inner;
        m->out = &text;
        run_list(m, list);
        m->out = out;
        m->frame = outer;
    }
    return pl_tpl_from_buf(m, &text);
}

static void define_macro(pl_tpl_machine *m, const pl_tpl_node *node)
{
    pl_tpl_macro *macro = pl_tpl_take(m, 1, sizeof *macro);
    if (macro != NULL) {
        *macro = (pl_tpl_macro){node, m->frame};
        bind_name(m, node->name, (pl_tpl_value){.kind = PL_TPL_MACRO, .as.macro = macro});
    }
}

static flow run_one(pl_tpl_machine *m, const pl_tpl_node *node)
{
    switch (node->kind) {
    case PL_NODE_TEXT:
        write_text(m, node->name.data, node->name.size);
        return FLOW_ON;
    case PL_NODE_OUTPUT: {
        const pl_tpl_value text = pl_tpl_to_string(m, pl_tpl_eval(m, node->a));
        write_text(m, text.as.text.data, text.as.text.size);
        return FLOW_ON;
    }
    case PL_NODE_IF: {
        const bool holds = pl_tpl_true(pl_tpl_eval(m, node->a));
        return run_list(m, holds ? node->list : node->otherwise);
    }
    case PL_NODE_FOR:
        run_for(m, node);
        return FLOW_ON;
    case PL_NODE_SET: {
        const pl_tpl_value value =
            node->b != NULL ? pl_tpl_eval(m, node->b) : run_template_block(m, node->list);
        if (m->status == PL_OK) {
            assign(m, node->a, value);
        }
        return FLOW_ON;
    }
    case PL_NODE_MACRO:
        define_macro(m, node);
        return FLOW_ON;
    case PL_NODE_BREAK:
        return FLOW_BREAK;
    case PL_NODE_CONTINUE:
        return FLOW_CONTINUE;
    default:
        return run_list(m, node->list);
    }
}

static flow run_list(pl_tpl_machine *m, const pl_tpl_node *node)
{
    flow how = FLOW_ON;
    if (!pl_tpl_enter(m)) {
        return how;
    }
    for (; node != NULL && how == FLOW_ON && pl_tpl_step(m, 1); node = node->next) {
        m->line = node->line;
        how = run_one(m, node);
    }
    pl_tpl_leave(m);
    return how;
}

pl_status pl_template_render(const pl_template *tpl, const json_t *variables, time_t now,
                             pl_buf *out, pl_task *task, pl_error *err)
{
    pl_tpl_frame all = {0};
    pl_tpl_machine m = {.out = out, .frame = &all, .now = now, .task = task, .err = err, .line = 1};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)variables, key, value)
    {
        bind_name(&m, (pl_tpl_text){key, strlen(key)}, pl_tpl_from_json(&m, value));
    }
    run_list(&m, tpl->body);
    pl_status status = m.status;
    PL_THEN(pl_buf_check(out, err));
    pl_tpl_room_free(&m.room);
    return status;
}
