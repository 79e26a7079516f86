/* Expressions, by Jinja's grammar: choices, or, and, not, comparisons, + and -, ~, * / // %, signs,
 * then suffixes of a value: .name, [item], (call), |filter, is test. */
#include "core/model/template_parts.h"

#include <string.h>

pl_tpl_node *pl_tpl_node_new(pl_tpl_reader *r, pl_tpl_node_kind kind)
{
    pl_tpl_node *node = pl_tpl_room_take(r->room, 1, sizeof *node);
    if (node == NULL) {
        pl_tpl_refuse(r, r->token.line, PL_ERR_MEMORY, "no memory for the template");
        return NULL;
    }
    node->kind = kind;
    node->line = r->token.line;
    return node;
}

bool pl_tpl_text_is(pl_tpl_text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

bool pl_tpl_token_is(const pl_tpl_reader *r, pl_tpl_token_kind kind, const char *text)
{
    return r->status == PL_OK && r->token.kind == kind &&
           (text == NULL || pl_tpl_text_is(r->token.text, text));
}

bool pl_tpl_skip(pl_tpl_reader *r, pl_tpl_token_kind kind, const char *text)
{
    const bool is = pl_tpl_token_is(r, kind, text);
    if (is && kind != PL_TOKEN_END) { /* behind an end stands no token */
        pl_tpl_next_token(r);
    }
    return is;
}

static void refuse_token(pl_tpl_reader *r, const char *expected)
{
    char shown[48] = "the end of the tag";
    if (r->token.kind == PL_TOKEN_INT || r->token.kind == PL_TOKEN_REAL) {
        strcpy(shown, "a number");
    } else if (r->token.kind != PL_TOKEN_END) {
        pl_text_escape(r->token.text.data, r->token.text.size, shown, sizeof shown);
    }
    pl_tpl_refuse(r, r->token.line, PL_ERR_FORMAT, "expected %s, found %s", expected, shown);
}

void pl_tpl_expect(pl_tpl_reader *r, pl_tpl_token_kind kind, const char *text)
{
    if (!pl_tpl_skip(r, kind, text)) {
        refuse_token(r, text != NULL ? text : "the end of the tag");
    }
}

pl_tpl_text pl_tpl_expect_name(pl_tpl_reader *r)
{
    const pl_tpl_text name = r->token.text;
    if (!pl_tpl_skip(r, PL_TOKEN_NAME, NULL)) {
        refuse_token(r, "a name");
    }
    return name;
}

static bool sign(pl_tpl_reader *r, const char *text)
{
    return pl_tpl_skip(r, PL_TOKEN_SIGN, text);
}

static bool word(pl_tpl_reader *r, const char *text)
{
    return pl_tpl_skip(r, PL_TOKEN_NAME, text);
}

/* A node of two parts; the first may be NULL after a failure. */
static pl_tpl_node *join_nodes(pl_tpl_reader *r, pl_tpl_node_kind kind, pl_tpl_node *a,
                               pl_tpl_node *b)
{
    pl_tpl_node *node = pl_tpl_node_new(r, kind);
    if (node != NULL) {
        node->line = a != NULL ? a->line : node->line;
        node->a = a;
        node->b = b;
    }
    return node;
}

/* Room for the next node of a list. */
static pl_tpl_node **append(pl_tpl_node **end, pl_tpl_node *node)
{
    if (node == NULL) {
        return end;
    }
    *end = node;
    return &node->next;
}

/* ---- Literals ---- */

static pl_tpl_node *read_list(pl_tpl_reader *r)
{
    pl_tpl_node *list = pl_tpl_node_new(r, PL_NODE_LIST);
    pl_tpl_node **end = list != NULL ? &list->list : &r->lost;
    while (r->status == PL_OK && !sign(r, "]")) {
        end = append(end, pl_tpl_expression(r));
        if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, "]")) {
            pl_tpl_expect(r, PL_TOKEN_SIGN, ",");
        }
    }
    return list;
}

static pl_tpl_node *read_dict(pl_tpl_reader *r)
{
    pl_tpl_node *dict = pl_tpl_node_new(r, PL_NODE_DICT);
    pl_tpl_node **end = dict != NULL ? &dict->list : &r->lost;
    while (r->status == PL_OK && !sign(r, "}")) {
        end = append(end, pl_tpl_expression(r));
        pl_tpl_expect(r, PL_TOKEN_SIGN, ":");
        end = append(end, pl_tpl_expression(r));
        if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, "}")) {
            pl_tpl_expect(r, PL_TOKEN_SIGN, ",");
        }
    }
    return dict;
}

static pl_tpl_node *constant(pl_tpl_reader *r, pl_tpl_value value)
{
    pl_tpl_node *node = pl_tpl_node_new(r, PL_NODE_CONST);
    if (node != NULL) {
        node->value = value;
    }
    pl_tpl_next_token(r);
    return node;
}

/* Texts side by side are one, as in Python. */
static pl_tpl_node *read_texts(pl_tpl_reader *r)
{
    pl_tpl_text text = r->token.text;
    pl_tpl_node *node = constant(r, pl_tpl_string(text.data, text.size));
    while (node != NULL && pl_tpl_token_is(r, PL_TOKEN_STRING, NULL)) {
        const pl_tpl_text more = r->token.text;
        char *both = pl_tpl_room_take(r->room, text.size + more.size + 1, 1);
        if (both == NULL) {
            pl_tpl_refuse(r, node->line, PL_ERR_MEMORY, "no memory for the template");
            return node;
        }
        memcpy(both, text.data, text.size);
        memcpy(both + text.size, more.data, more.size);
        text = (pl_tpl_text){both, text.size + more.size};
        node->value = pl_tpl_string(text.data, text.size);
        pl_tpl_next_token(r);
    }
    return node;
}

static pl_tpl_node *read_name(pl_tpl_reader *r)
{
    const pl_tpl_text name = r->token.text;
    if (pl_tpl_text_is(name, "true") || pl_tpl_text_is(name, "True")) {
        return constant(r, pl_tpl_bool(true));
    }
    if (pl_tpl_text_is(name, "false") || pl_tpl_text_is(name, "False")) {
        return constant(r, pl_tpl_bool(false));
    }
    if (pl_tpl_text_is(name, "none") || pl_tpl_text_is(name, "None")) {
        return constant(r, pl_tpl_none());
    }
    pl_tpl_node *node = constant(r, pl_tpl_none());
    if (node != NULL) {
        node->kind = PL_NODE_NAME;
        node->name = name;
    }
    return node;
}

static pl_tpl_node *read_primary(pl_tpl_reader *r)
{
    switch (r->token.kind) {
    case PL_TOKEN_NAME:
        return read_name(r);
    case PL_TOKEN_STRING:
        return read_texts(r);
    case PL_TOKEN_INT:
        return constant(r, pl_tpl_int(r->token.whole));
    case PL_TOKEN_REAL:
        return constant(r, (pl_tpl_value){.kind = PL_TPL_REAL, .as.real = r->token.real});
    case PL_TOKEN_SIGN:
        if (sign(r, "(")) {
            pl_tpl_node *inner = pl_tpl_token_is(r, PL_TOKEN_SIGN, ")")
                                     ? join_nodes(r, PL_NODE_LIST, NULL, NULL)
                                     : pl_tpl_tuple(r, true);
            if (inner != NULL && inner->kind == PL_NODE_LIST && inner->list == NULL) {
                inner->op = 1;
            }
            pl_tpl_expect(r, PL_TOKEN_SIGN, ")");
            return inner;
        }
        if (sign(r, "[")) {
            return read_list(r);
        }
        if (sign(r, "{")) {
            return read_dict(r);
        }
        break;
    case PL_TOKEN_END:
        break;
    }
    refuse_token(r, "a value");
    return NULL;
}

/* ---- What stands behind a value ---- */

/* Behind "(": positional and named arguments. */
static pl_tpl_node *read_arguments(pl_tpl_reader *r)
{
    pl_tpl_node *first = NULL;
    pl_tpl_node **end = &first;
    while (r->status == PL_OK && !sign(r, ")")) {
        if (pl_tpl_token_is(r, PL_TOKEN_SIGN, "*") || pl_tpl_token_is(r, PL_TOKEN_SIGN, "**")) {
            pl_tpl_refuse(r, r->token.line, PL_ERR_UNSUPPORTED, "* before an argument");
        }
        pl_tpl_node *argument = pl_tpl_node_new(r, PL_NODE_ARGUMENT);
        pl_tpl_node *value = pl_tpl_expression(r);
        if (value != NULL && value->kind == PL_NODE_NAME && sign(r, "=")) {
            if (argument != NULL) {
                argument->name = value->name;
            }
            value = pl_tpl_expression(r);
        }
        if (argument != NULL) {
            argument->a = value;
        }
        end = append(end, argument);
        if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, ")")) {
            pl_tpl_expect(r, PL_TOKEN_SIGN, ",");
        }
    }
    return first;
}

/* Behind "[": an item, or a part by start:stop:step. */
static pl_tpl_node *read_subscript(pl_tpl_reader *r, pl_tpl_node *of)
{
    pl_tpl_node *node = join_nodes(r, PL_NODE_ITEM, of, NULL);
    pl_tpl_node *parts[3] = {NULL};
    size_t n = 0;
    if (node == NULL) {
        return NULL;
    }
    for (; r->status == PL_OK; n++) {
        if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, ":") && !pl_tpl_token_is(r, PL_TOKEN_SIGN, "]")) {
            parts[n] = pl_tpl_expression(r);
        }
        if (n == 2 || !sign(r, ":")) {
            break;
        }
        node->kind = PL_NODE_SLICE;
    }
    if (node->kind == PL_NODE_ITEM && parts[0] == NULL) {
        refuse_token(r, "an index");
    }
    node->b = parts[0];
    node->c = parts[1];
    node->d = parts[2];
    pl_tpl_expect(r, PL_TOKEN_SIGN, "]");
    return node;
}

static pl_tpl_node *read_postfix(pl_tpl_reader *r, pl_tpl_node *node)
{
    size_t links = 0;
    while (r->status == PL_OK && links++ < PL_TPL_DEPTH) {
        if (sign(r, ".")) {
            node = join_nodes(r, PL_NODE_ATTR, node, NULL);
            if (pl_tpl_token_is(r, PL_TOKEN_INT, NULL) && node != NULL) { /* x.0 is x[0] */
                node->kind = PL_NODE_ITEM;
                node->b = constant(r, pl_tpl_int(r->token.whole));
            } else if (node != NULL) {
                node->name = pl_tpl_expect_name(r);
            }
        } else if (sign(r, "[")) {
            node = read_subscript(r, node);
        } else if (sign(r, "(")) {
            node = join_nodes(r, PL_NODE_CALL, node, NULL);
            pl_tpl_node *list = read_arguments(r);
            if (node != NULL) {
                node->list = list;
            }
        } else {
            break;
        }
    }
    return node;
}

/* Whether a value stands here that a test takes without brackets: `x is divisibleby 3`. */
static bool begins_operand(const pl_tpl_reader *r)
{
    static const char *const operators[] = {"else", "or", "and", "is", "if", "not", "in"};
    switch (r->token.kind) {
    case PL_TOKEN_STRING:
    case PL_TOKEN_INT:
    case PL_TOKEN_REAL:
        return true;
    case PL_TOKEN_NAME:
        for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
            if (pl_tpl_token_is(r, PL_TOKEN_NAME, operators[i])) {
                return false;
            }
        }
        return true;
    default:
        return pl_tpl_token_is(r, PL_TOKEN_SIGN, "[") || pl_tpl_token_is(r, PL_TOKEN_SIGN, "{");
    }
}

static pl_tpl_node *read_test(pl_tpl_reader *r, pl_tpl_node *of)
{
    pl_tpl_node *node = join_nodes(r, PL_NODE_TEST, of, NULL);
    const bool negated = word(r, "not");
    const pl_tpl_text name = pl_tpl_expect_name(r);
    pl_tpl_node *list = NULL;
    if (sign(r, "(")) {
        list = read_arguments(r);
    } else if (r->status == PL_OK && begins_operand(r)) {
        list = pl_tpl_node_new(r, PL_NODE_ARGUMENT);
        pl_tpl_node *value = read_postfix(r, read_primary(r));
        if (list != NULL) {
            list->a = value;
        }
    }
    if (node != NULL) {
        node->name = name;
        node->op = negated;
        node->list = list;
    }
    return node;
}

static pl_tpl_node *read_filter(pl_tpl_reader *r, pl_tpl_node *of)
{
    pl_tpl_node *node = join_nodes(r, PL_NODE_FILTER, of, NULL);
    const pl_tpl_text name = pl_tpl_expect_name(r);
    pl_tpl_node *list = sign(r, "(") ? read_arguments(r) : NULL;
    if (node != NULL) {
        node->name = name;
        node->list = list;
    }
    return node;
}

/* Filters, tests and calls of what they give, in any order. */
static pl_tpl_node *read_behind(pl_tpl_reader *r, pl_tpl_node *node)
{
    for (size_t links = 0; r->status == PL_OK; links++) {
        if (links > PL_TPL_DEPTH) {
            pl_tpl_refuse(r, r->token.line, PL_ERR_UNSUPPORTED, "an expression of so many parts");
        }
        if (sign(r, "|")) {
            node = read_filter(r, node);
        } else if (word(r, "is")) {
            node = read_test(r, node);
        } else {
            break;
        }
    }
    return node;
}

/* ---- Signs between values ---- */

static pl_tpl_node *read_unary(pl_tpl_reader *r, bool with_filters)
{
    pl_tpl_node *node = NULL;
    if (r->depth >= PL_TPL_DEPTH) {
        pl_tpl_refuse(r, r->token.line, PL_ERR_UNSUPPORTED, "an expression nests too deeply");
        return NULL;
    }
    r->depth++;
    if (sign(r, "-")) {
        node = join_nodes(r, PL_NODE_NEGATIVE, read_unary(r, false), NULL);
    } else if (sign(r, "+")) {
        node = join_nodes(r, PL_NODE_POSITIVE, read_unary(r, false), NULL);
    } else {
        node = read_primary(r);
    }
    node = read_postfix(r, node);
    r->depth--;
    return with_filters ? read_behind(r, node) : node;
}

static pl_tpl_node *read_products(pl_tpl_reader *r)
{
    static const char *const signs[] = {"*", "/", "//", "%"};
    static const char ops[] = "*/D%";
    pl_tpl_node *node = read_unary(r, true);
    for (bool found = true; found && r->status == PL_OK;) {
        found = false;
        if (pl_tpl_token_is(r, PL_TOKEN_SIGN, "**")) {
            pl_tpl_refuse(r, r->token.line, PL_ERR_UNSUPPORTED, "the operator **");
        }
        for (size_t i = 0; !found && i < 4; i++) {
            found = sign(r, signs[i]);
            if (found) {
                node = join_nodes(r, PL_NODE_BINARY, node, read_unary(r, true));
                if (node != NULL) {
                    node->op = ops[i];
                }
            }
        }
    }
    return node;
}

static pl_tpl_node *read_concat(pl_tpl_reader *r)
{
    pl_tpl_node *node = read_products(r);
    if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, "~")) {
        return node;
    }
    pl_tpl_node *all = join_nodes(r, PL_NODE_CONCAT, NULL, NULL);
    pl_tpl_node **end = append(all != NULL ? &all->list : &r->lost, node);
    while (sign(r, "~")) {
        end = append(end, read_products(r));
    }
    return all;
}

static pl_tpl_node *read_sums(pl_tpl_reader *r)
{
    pl_tpl_node *node = read_concat(r);
    for (;;) {
        const bool plus = sign(r, "+");
        if (!plus && !sign(r, "-")) {
            return node;
        }
        node = join_nodes(r, PL_NODE_BINARY, node, read_concat(r));
        if (node != NULL) {
            node->op = plus ? '+' : '-';
        }
    }
}

/* The comparison that comes, or -1. */
static int read_order(pl_tpl_reader *r)
{
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};
    for (int i = 0; i < 6; i++) {
        if (sign(r, signs[i])) {
            return i;
        }
    }
    if (word(r, "in")) {
        return PL_ORDER_IN;
    }
    if (word(r, "not")) {
        pl_tpl_expect(r, PL_TOKEN_NAME, "in");
        return PL_ORDER_NOT_IN;
    }
    return -1;
}

static pl_tpl_node *read_comparison(pl_tpl_reader *r)
{
    pl_tpl_node *node = read_sums(r);
    int order = read_order(r);
    if (order < 0) {
        return node;
    }
    pl_tpl_node *all = join_nodes(r, PL_NODE_COMPARE, node, NULL);
    pl_tpl_node **end = all != NULL ? &all->list : &r->lost;
    for (; order >= 0 && r->status == PL_OK; order = read_order(r)) {
        pl_tpl_node *side = pl_tpl_node_new(r, PL_NODE_ARGUMENT);
        if (side != NULL) {
            side->op = order;
            side->a = read_sums(r);
        }
        end = append(end, side);
    }
    return all;
}

static pl_tpl_node *read_not(pl_tpl_reader *r)
{
    size_t nots = 0;
    while (word(r, "not")) {
        nots++;
    }
    pl_tpl_node *node = read_comparison(r);
    for (nots = nots > 2 ? 2 - nots % 2 : nots; nots > 0; nots--) {
        node = join_nodes(r, PL_NODE_NOT, node, NULL);
    }
    return node;
}

static pl_tpl_node *read_and(pl_tpl_reader *r)
{
    pl_tpl_node *node = read_not(r);
    while (word(r, "and")) {
        node = join_nodes(r, PL_NODE_AND, node, read_not(r));
    }
    return node;
}

static pl_tpl_node *read_or(pl_tpl_reader *r)
{
    pl_tpl_node *node = read_and(r);
    while (word(r, "or")) {
        node = join_nodes(r, PL_NODE_OR, node, read_and(r));
    }
    return node;
}

static pl_tpl_node *read_choice(pl_tpl_reader *r, bool choices)
{
    if (r->depth >= PL_TPL_DEPTH) {
        pl_tpl_refuse(r, r->token.line, PL_ERR_UNSUPPORTED, "an expression nests too deeply");
        return NULL;
    }
    r->depth++;
    pl_tpl_node *node = read_or(r);
    while (choices && word(r, "if")) {
        pl_tpl_node *condition = read_or(r);
        node = join_nodes(r, PL_NODE_CHOICE, node, condition);
        pl_tpl_node *otherwise = word(r, "else") ? read_choice(r, true) : NULL;
        if (node != NULL) {
            node->c = otherwise;
        }
    }
    r->depth--;
    return node;
}

pl_tpl_node *pl_tpl_expression(pl_tpl_reader *r)
{
    return read_choice(r, true);
}

pl_tpl_node *pl_tpl_tuple(pl_tpl_reader *r, bool choices)
{
    pl_tpl_node *first = read_choice(r, choices);
    if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, ",")) {
        return first;
    }
    pl_tpl_node *tuple = join_nodes(r, PL_NODE_LIST, NULL, NULL);
    if (tuple == NULL) {
        return NULL;
    }
    pl_tpl_node **end = append(&tuple->list, first);
    tuple->op = 1;
    while (sign(r, ",")) {
        if (pl_tpl_token_is(r, PL_TOKEN_END, NULL) || pl_tpl_token_is(r, PL_TOKEN_SIGN, ")") ||
            pl_tpl_token_is(r, PL_TOKEN_SIGN, "=") || pl_tpl_token_is(r, PL_TOKEN_NAME, "in")) {
            break;
        }
        end = append(end, read_choice(r, choices));
    }
    return tuple;
}
