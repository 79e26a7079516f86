#include "views/filter.h"

#include "core/base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_NODES = 64, MAX_DEPTH = 16, WORD = 96 };

typedef enum node_kind { AND, OR, NOT, SOLVED, NAME, COMPARE } node_kind;

typedef struct node {
    node_kind kind;
    int a, b; /* operands */
    pl_column column;
    char op[3];
    double value;
    char word[WORD]; /* NAME, in lower case */
} node;

struct pl_filter {
    node nodes[MAX_NODES];
    int count, root;
};

/* --- parsing -------------------------------------------------------------------------------- */

typedef struct parser {
    pl_filter *filter;
    const char *at;   /* behind the present token */
    char token[WORD]; /* "" at the end */
    int depth;
    pl_error *err;
} parser;

static bool is_operator(char c)
{
    return c == '>' || c == '<' || c == '=' || c == '!';
}

static pl_status advance(parser *p)
{
    const char *s = p->at + strspn(p->at, " \t");
    size_t n = 1;
    if (*s == '\0') {
        n = 0;
    } else if (is_operator(*s)) {
        n += s[1] == '=';
    } else if (*s != '(' && *s != ')') {
        n = strcspn(s, " \t()<>=!");
        /* [!a]: the operator's character belongs to a set. */
        while (s[n] == '!' && n > 0 && s[n - 1] == '[') {
            n += 1 + strcspn(s + n + 1, " \t()<>=!");
        }
    }
    if (n >= WORD) {
        return pl_error_set(p->err, PL_ERR_USAGE, "filter: a word is longer than %d bytes",
                            WORD - 1);
    }
    memcpy(p->token, s, n);
    p->token[n] = '\0';
    p->at = s + n;
    return PL_OK;
}

static pl_status expected(parser *p, const char *what)
{
    char safe[2 * WORD];
    pl_text_escape(p->token, strlen(p->token), safe, sizeof safe);
    return p->token[0] == '\0'
               ? pl_error_set(p->err, PL_ERR_USAGE, "filter: expected %s at the end", what)
               : pl_error_set(p->err, PL_ERR_USAGE, "filter: expected %s, not \"%s\"", what, safe);
}

static pl_status add_node(parser *p, const node *n, int *out)
{
    if (p->filter->count == MAX_NODES) {
        return pl_error_set(p->err, PL_ERR_USAGE, "filter: more than %d terms", MAX_NODES);
    }
    p->filter->nodes[p->filter->count] = *n;
    *out = p->filter->count++;
    return PL_OK;
}

static bool is_column(const char *word)
{
    return pl_column_find(word, strlen(word)) != PL_COLUMN_COUNT;
}

/* Behind the column's name: operator and number. */
static pl_status parse_comparison(parser *p, const char *word, int *out)
{
    node n = {.kind = COMPARE};
    pl_status status = pl_column_parse("filter", word, strlen(word), &n.column, p->err);
    if (status != PL_OK) {
        return status;
    }
    if (strcmp(p->token, "!") == 0 || !is_operator(p->token[0])) {
        return expected(p, "> >= < <= = or !=");
    }
    strcpy(n.op, p->token[1] == '=' && p->token[0] == '=' ? "=" : p->token);
    status = advance(p);
    if (status != PL_OK) {
        return status;
    }
    char *end = NULL;
    n.value = strtod(p->token, &end);
    if (end == p->token || !isfinite(n.value)) {
        return expected(p, "a number");
    }
    if (strcmp(end, "%") == 0) {
        n.value /= 100;
    } else if (*end != '\0') {
        return expected(p, "a number");
    }
    status = advance(p);
    return status == PL_OK ? add_node(p, &n, out) : status;
}

static pl_status parse_word(parser *p, int *out)
{
    char word[WORD];
    strcpy(word, p->token);
    pl_status status = advance(p);
    if (status != PL_OK) {
        return status;
    }
    if (is_operator(p->token[0]) || is_column(word)) {
        return parse_comparison(p, word, out);
    }
    size_t far = pl_text_distance(word, "solved");
    if (far > 0 && far <= 2 && strncmp("solved", word, strlen(word)) != 0) {
        /* As a name it would match no layer, and "not" it all of them, without a word. */
        char safe[2 * WORD];
        pl_text_escape(word, strlen(word), safe, sizeof safe);
        return pl_error_set(p->err, PL_ERR_USAGE, "filter: \"%s\": did you mean solved?", safe);
    }
    node n = {.kind = far == 0 ? SOLVED : NAME};
    for (size_t i = 0; word[i] != '\0'; i++) {
        n.word[i] = (char)tolower((unsigned char)word[i]);
    }
    return add_node(p, &n, out);
}

static pl_status parse_or(parser *p, int *out);

static pl_status parse_term(parser *p, int *out)
{
    if (++p->depth > MAX_DEPTH) {
        return pl_error_set(p->err, PL_ERR_USAGE, "filter: nested more than %d deep", MAX_DEPTH);
    }
    pl_status status = PL_OK;
    if (strcmp(p->token, "not") == 0) {
        node n = {.kind = NOT};
        status = advance(p);
        PL_THEN(parse_term(p, &n.a));
        PL_THEN(add_node(p, &n, out));
    } else if (strcmp(p->token, "(") == 0) {
        status = advance(p);
        PL_THEN(parse_or(p, out));
        PL_THEN(strcmp(p->token, ")") == 0 ? advance(p) : expected(p, "\")\""));
    } else if (p->token[0] == '\0' || p->token[0] == ')' || is_operator(p->token[0]) ||
               strcmp(p->token, "and") == 0 || strcmp(p->token, "or") == 0) {
        status = expected(p, "a name or a column");
    } else {
        status = parse_word(p, out);
    }
    p->depth--;
    return status;
}

static pl_status parse_and(parser *p, int *out)
{
    pl_status status = parse_term(p, out);
    while (status == PL_OK && strcmp(p->token, "and") == 0) {
        node n = {.kind = AND, .a = *out};
        status = advance(p);
        PL_THEN(parse_term(p, &n.b));
        PL_THEN(add_node(p, &n, out));
    }
    return status;
}

static pl_status parse_or(parser *p, int *out)
{
    pl_status status = parse_and(p, out);
    while (status == PL_OK && strcmp(p->token, "or") == 0) {
        node n = {.kind = OR, .a = *out};
        status = advance(p);
        PL_THEN(parse_and(p, &n.b));
        PL_THEN(add_node(p, &n, out));
    }
    return status;
}

pl_status pl_filter_parse(const char *text, pl_filter **out, pl_error *err)
{
    *out = NULL;
    if (text[strspn(text, " \t")] == '\0') {
        return PL_OK;
    }
    pl_filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL) {
        return pl_error_memory(err, "a filter");
    }
    parser p = {.filter = filter, .at = text, .err = err};
    pl_status status = advance(&p);
    PL_THEN(parse_or(&p, &filter->root));
    if (status == PL_OK && p.token[0] != '\0') {
        status = expected(&p, "\"and\" or \"or\"");
    }
    if (status != PL_OK) {
        pl_filter_destroy(filter);
        return status;
    }
    *out = filter;
    return PL_OK;
}

void pl_filter_destroy(pl_filter *filter)
{
    free(filter);
}

/* --- asking --------------------------------------------------------------------------------- */

static bool matches_name(const char *pattern, const char *name)
{
    char lower[256];
    size_t n = strnlen(name, sizeof lower - 1);
    for (size_t i = 0; i < n; i++) {
        lower[i] = (char)tolower((unsigned char)name[i]);
    }
    lower[n] = '\0';
    return strpbrk(pattern, "*?[") != NULL ? pl_text_glob(pattern, lower)
                                           : strstr(lower, pattern) != NULL;
}

/* Among words with a blank between them; letters of either case. */
static bool has_tag(const char *tags, const char *tag)
{
    const size_t length = strlen(tag);
    for (const char *at = tags; at != NULL && *at != '\0';) {
        const size_t word = strcspn(at, " ");
        if (word == length && strncasecmp(at, tag, length) == 0) {
            return true;
        }
        at += word + (at[word] == ' ');
    }
    return false;
}

static bool compare(const node *n, const pl_filter_layer *layer)
{
    const double x = layer->values[n->column];
    if (isnan(x)) {
        return false;
    }
    bool equal = x >= n->value && x <= n->value;
    switch (n->op[0]) {
    case '>':
        return x > n->value || (n->op[1] == '=' && equal);
    case '<':
        return x < n->value || (n->op[1] == '=' && equal);
    case '!':
        return !equal;
    default:
        return equal;
    }
}

static bool holds(const pl_filter *filter, int at, const pl_filter_layer *layer)
{
    const node *n = &filter->nodes[at];
    switch (n->kind) {
    case AND:
        return holds(filter, n->a, layer) && holds(filter, n->b, layer);
    case OR:
        return holds(filter, n->a, layer) || holds(filter, n->b, layer);
    case NOT:
        return !holds(filter, n->a, layer);
    case SOLVED:
        return layer->solved;
    case COMPARE:
        return compare(n, layer);
    case NAME:
        break;
    }
    if (strncmp(n->word, "tag:", 4) == 0) {
        return has_tag(layer->tags, n->word + 4);
    }
    for (size_t i = 0; i < 3; i++) {
        if (layer->names[i] != NULL && matches_name(n->word, layer->names[i])) {
            return true;
        }
    }
    return false;
}

bool pl_filter_matches(const pl_filter *filter, const pl_filter_layer *layer)
{
    return filter == NULL || holds(filter, filter->root, layer);
}
