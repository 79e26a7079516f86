/* core/model/template_parts.h -- inside the templates; private to core/model.
 *
 * A template is read into a tree (template_lex.c, template_expr.c, template_parse.c) and the tree
 * is walked (template_run.c).  The reader or the machine keeps its first failure and then does
 * nothing more, so that callers check once, at the end, as with pl_buf.  All nodes and values live
 * in a room, which has a limit and is freed as a whole. */
#ifndef PL_MODEL_TEMPLATE_PARTS_H
#define PL_MODEL_TEMPLATE_PARTS_H

#include "core/model/template.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PL_TPL_DEPTH = 200,       /* nested expressions, tags, calls */
    PL_TPL_PARAMETERS = 6,    /* of a function */
    PL_TPL_STEPS = 2000000,   /* of a walk */
    PL_TPL_MEMORY = 64 << 20, /* bytes of a room */
    PL_TPL_OUTPUT = 16 << 20, /* bytes of the text */
    PL_TPL_SOURCE = 4 << 20,  /* bytes of a template */
};

/* ---- Memory (template_value.c) ---- */

typedef struct pl_tpl_chunk pl_tpl_chunk;

typedef struct pl_tpl_room {
    pl_tpl_chunk *chunks;
    size_t used;
    bool failed; /* no memory, or over PL_TPL_MEMORY */
} pl_tpl_room;

/* Zeroed; NULL, and failed set, where there is none. */
void *pl_tpl_room_take(pl_tpl_room *room, size_t count, size_t size);
void pl_tpl_room_free(pl_tpl_room *room);

/* ---- Values ---- */

typedef enum pl_tpl_kind {
    PL_TPL_ABSENT, /* an argument that is not given */
    PL_TPL_UNDEFINED,
    PL_TPL_NONE,
    PL_TPL_BOOL,
    PL_TPL_INT,
    PL_TPL_REAL,
    PL_TPL_STRING,
    PL_TPL_LIST, /* and a tuple */
    PL_TPL_MAP,
    PL_TPL_MACRO,
} pl_tpl_kind;

typedef struct pl_tpl_node pl_tpl_node;
typedef struct pl_tpl_list pl_tpl_list;
typedef struct pl_tpl_map pl_tpl_map;
typedef struct pl_tpl_macro pl_tpl_macro;

typedef struct pl_tpl_text {
    const char *data; /* valid UTF-8, no NUL at the end */
    size_t size;
} pl_tpl_text;

typedef struct pl_tpl_value {
    pl_tpl_kind kind;
    union {
        int64_t whole; /* BOOL (0, 1), INT */
        double real;
        pl_tpl_text text; /* STRING; UNDEFINED: why it is */
        pl_tpl_list *list;
        pl_tpl_map *map;
        pl_tpl_macro *macro;
    } as;
} pl_tpl_value;

struct pl_tpl_list {
    pl_tpl_value *items;
    size_t count, capacity;
    bool tuple;
};

typedef struct pl_tpl_pair {
    pl_tpl_value key, value;
} pl_tpl_pair;

typedef enum pl_tpl_map_kind { PL_TPL_DICT, PL_TPL_NAMESPACE, PL_TPL_LOOP } pl_tpl_map_kind;

struct pl_tpl_map {
    pl_tpl_pair *pairs;
    size_t count, capacity;
    pl_tpl_map_kind kind;
};

/* ---- The tree ---- */

typedef enum pl_tpl_node_kind {
    /* expressions */
    PL_NODE_CONST,
    PL_NODE_NAME,
    PL_NODE_LIST,  /* list: items; op: whether it is a tuple */
    PL_NODE_DICT,  /* list: keys and values in turn */
    PL_NODE_ATTR,  /* a.name */
    PL_NODE_ITEM,  /* a[b] */
    PL_NODE_SLICE, /* a[b:c:d], each but a may be NULL */
    PL_NODE_CALL,  /* a(list), named arguments have a name */
    PL_NODE_FILTER,
    PL_NODE_TEST, /* op: negated */
    PL_NODE_NEGATIVE,
    PL_NODE_POSITIVE,
    PL_NODE_BINARY,  /* op: the sign, '/' twice as 'D' */
    PL_NODE_CONCAT,  /* list */
    PL_NODE_COMPARE, /* a, list: right sides, each with its op */
    PL_NODE_AND,
    PL_NODE_OR,
    PL_NODE_NOT,
    PL_NODE_CHOICE,   /* a if b else c */
    PL_NODE_ARGUMENT, /* name = a */
    /* statements */
    PL_NODE_TEXT,
    PL_NODE_OUTPUT,
    PL_NODE_IF,    /* a: list, otherwise */
    PL_NODE_FOR,   /* for a in b if c: list, otherwise */
    PL_NODE_SET,   /* a = b; without b: = what list writes */
    PL_NODE_MACRO, /* name, b: parameters, list: what it writes */
    PL_NODE_BREAK,
    PL_NODE_CONTINUE,
    PL_NODE_BODY, /* list */
} pl_tpl_node_kind;

/* The signs of comparisons. */
typedef enum pl_tpl_order {
    PL_ORDER_EQUAL,
    PL_ORDER_UNEQUAL,
    PL_ORDER_LESS,
    PL_ORDER_AT_MOST,
    PL_ORDER_GREATER,
    PL_ORDER_AT_LEAST,
    PL_ORDER_IN,
    PL_ORDER_NOT_IN,
} pl_tpl_order;

struct pl_tpl_node {
    pl_tpl_node_kind kind;
    int op; /* of an operand of COMPARE: its pl_tpl_order */
    size_t line;
    pl_tpl_text name;
    pl_tpl_value value;
    pl_tpl_node *a, *b, *c, *d, *list, *otherwise;
    pl_tpl_node *next; /* in a list */
};

struct pl_template {
    pl_tpl_room room;
    char *text;
    pl_tpl_node *body;
};

/* ---- Reading ---- */

typedef enum pl_tpl_token_kind {
    PL_TOKEN_END, /* of a tag, of an expression */
    PL_TOKEN_NAME,
    PL_TOKEN_STRING,
    PL_TOKEN_INT,
    PL_TOKEN_REAL,
    PL_TOKEN_SIGN, /* of one or two characters */
} pl_tpl_token_kind;

typedef struct pl_tpl_token {
    pl_tpl_token_kind kind;
    pl_tpl_text text; /* of a string: what it means */
    size_t line;
    int64_t whole;
    double real;
} pl_tpl_token;

typedef enum pl_tpl_piece {
    PL_PIECE_END,
    PL_PIECE_TEXT,
    PL_PIECE_OUTPUT,
    PL_PIECE_TAG
} pl_tpl_piece;

typedef struct pl_tpl_reader {
    pl_tpl_room *room;
    const char *text;
    size_t size, at, line;
    bool line_starts; /* what was read last ended a line */
    pl_tpl_piece inside;
    size_t brackets;
    pl_tpl_token token; /* the one to come */
    size_t depth, loops;
    pl_tpl_node *lost; /* where a list goes that has no node */
    pl_status status;
    pl_error *err;
} pl_tpl_reader;

/* Keeps the first failure, with the line in front. */
void pl_tpl_refuse(pl_tpl_reader *r, size_t line, pl_status code, const char *format, ...)
    PL_PRINTF(4, 5);
/* The next piece: a text that is not empty, or the begin of an expression or a tag, whose first
 * token is then the one to come. */
pl_tpl_piece pl_tpl_next_piece(pl_tpl_reader *r, pl_tpl_text *text);
/* Reads the next token of the tag into r->token.  Behind its END the next piece follows. */
void pl_tpl_next_token(pl_tpl_reader *r);

pl_tpl_node *pl_tpl_node_new(pl_tpl_reader *r, pl_tpl_node_kind kind);
bool pl_tpl_token_is(const pl_tpl_reader *r, pl_tpl_token_kind kind, const char *text);
/* Skips that token if it is the next one; whether it was. */
bool pl_tpl_skip(pl_tpl_reader *r, pl_tpl_token_kind kind, const char *text);
void pl_tpl_expect(pl_tpl_reader *r, pl_tpl_token_kind kind, const char *text);
pl_tpl_text pl_tpl_expect_name(pl_tpl_reader *r);
bool pl_tpl_text_is(pl_tpl_text text, const char *word);
/* An expression; with commas a tuple.  choices: whether `x if y else z` is one. */
pl_tpl_node *pl_tpl_expression(pl_tpl_reader *r);
pl_tpl_node *pl_tpl_tuple(pl_tpl_reader *r, bool choices);

/* ---- The walk ---- */

typedef struct pl_tpl_binding {
    pl_tpl_text name;
    pl_tpl_value value;
    struct pl_tpl_binding *next;
} pl_tpl_binding;

typedef struct pl_tpl_frame {
    pl_tpl_binding *bindings;
    struct pl_tpl_frame *outer;
} pl_tpl_frame;

struct pl_tpl_macro {
    const pl_tpl_node *node;
    pl_tpl_frame *frame; /* where it was defined */
};

typedef struct pl_tpl_machine {
    pl_tpl_room room;
    pl_tpl_frame *frame;
    pl_buf *out;
    size_t steps, ticked, depth, line; /* line: of what is walked */
    time_t now;
    pl_task *task;
    pl_status status;
    pl_error *err;
} pl_tpl_machine;

/* Keeps the first failure and returns what is undefined. */
pl_tpl_value pl_tpl_fail(pl_tpl_machine *m, pl_status code, const char *format, ...)
    PL_PRINTF(3, 4);
/* Counts so many steps; false once the machine stands still. */
bool pl_tpl_step(pl_tpl_machine *m, size_t steps);
/* Before a recursive call: false, and the machine has failed, beyond PL_TPL_DEPTH. */
bool pl_tpl_enter(pl_tpl_machine *m);
void pl_tpl_leave(pl_tpl_machine *m);
pl_tpl_value pl_tpl_eval(pl_tpl_machine *m, const pl_tpl_node *node);

/* ---- Values (template_value.c, template_print.c) ---- */

/* Zeroed, of the machine's room; NULL, and the machine fails, where there is none. */
void *pl_tpl_take(pl_tpl_machine *m, size_t count, size_t size);
bool pl_tpl_same_text(pl_tpl_text a, pl_tpl_text b);

pl_tpl_value pl_tpl_undefined(const char *why);
pl_tpl_value pl_tpl_none(void);
pl_tpl_value pl_tpl_bool(bool truth);
pl_tpl_value pl_tpl_int(int64_t whole);
pl_tpl_value pl_tpl_string(const char *data, size_t size); /* borrowed */
pl_tpl_value pl_tpl_word(const char *word);                /* borrowed, NUL-terminated */
/* A copy in the room of what a buffer holds, which is emptied. */
pl_tpl_value pl_tpl_from_buf(pl_tpl_machine *m, pl_buf *buf);
pl_tpl_value pl_tpl_list_new(pl_tpl_machine *m, size_t capacity);
void pl_tpl_list_add(pl_tpl_machine *m, pl_tpl_value list, pl_tpl_value item);
pl_tpl_value pl_tpl_map_new(pl_tpl_machine *m, pl_tpl_map_kind kind);
void pl_tpl_map_set(pl_tpl_machine *m, pl_tpl_value map, pl_tpl_value key, pl_tpl_value value);
/* NULL: there is none. */
pl_tpl_value *pl_tpl_map_get(pl_tpl_machine *m, pl_tpl_value map, pl_tpl_value key);
pl_tpl_value pl_tpl_from_json(pl_tpl_machine *m, const json_t *json);

const char *pl_tpl_kind_name(pl_tpl_value value); /* as Python calls it: "str object" */
bool pl_tpl_true(pl_tpl_value value);
bool pl_tpl_is_number(pl_tpl_value value); /* BOOL, too */
double pl_tpl_number(pl_tpl_value value);
bool pl_tpl_equal(pl_tpl_machine *m, pl_tpl_value a, pl_tpl_value b);
/* < 0, 0, > 0; fails for kinds that have no order. */
int pl_tpl_compare(pl_tpl_machine *m, pl_tpl_value a, pl_tpl_value b);
bool pl_tpl_order_holds(pl_tpl_machine *m, pl_tpl_order order, pl_tpl_value a, pl_tpl_value b);

/* Bytes of white space that begin or end a text. */
size_t pl_tpl_spaces_before(const char *text, size_t size);
size_t pl_tpl_spaces_behind(const char *text, size_t size);

/* As Python's str(), and as its json.dumps with ensure_ascii=False.  indent < 0: one line. */
void pl_tpl_print(pl_tpl_machine *m, pl_tpl_value value, pl_buf *out);
pl_tpl_value pl_tpl_to_string(pl_tpl_machine *m, pl_tpl_value value);
typedef struct pl_tpl_json_style {
    int64_t indent;
    bool sorted;
    pl_tpl_text comma, colon;
} pl_tpl_json_style;
void pl_tpl_print_json(pl_tpl_machine *m, pl_tpl_value value, const pl_tpl_json_style *style,
                       size_t level, pl_buf *out);

/* ---- Items (template_items.c) ---- */

/* What a loop over a value sees, as a list: items, keys or characters; fails for other kinds. */
pl_tpl_value pl_tpl_items(pl_tpl_machine *m, pl_tpl_value value);
/* Characters or items, -1 where it has no length. */
int64_t pl_tpl_length(pl_tpl_value value);
/* value.name and value[key]; undefined where there is none. */
pl_tpl_value pl_tpl_get_item(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value key);
pl_tpl_value pl_tpl_slice(pl_tpl_machine *m, pl_tpl_value value, pl_tpl_value start,
                          pl_tpl_value stop, pl_tpl_value step);

/* ---- Functions ---- */

typedef struct pl_tpl_arguments {
    pl_tpl_value *values;
    pl_tpl_text *names; /* data NULL: by position */
    size_t count;
} pl_tpl_arguments;

/* args[i]: of the i-th parameter, ABSENT where it is not given. */
typedef pl_tpl_value (*pl_tpl_function)(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args);

typedef struct pl_tpl_entry {
    const char *name;       /* "default d": all its names */
    const char *parameters; /* "old new count", "" for none */
    size_t required;
    pl_tpl_function call;
} pl_tpl_entry;

/* Calls the entry of that name; false where there is none.  what: "filter", for the sentence. */
bool pl_tpl_call_entry(pl_tpl_machine *m, const pl_tpl_entry *entries, const char *what,
                       pl_tpl_text name, pl_tpl_value self, const pl_tpl_arguments *args,
                       pl_tpl_value *out);
pl_tpl_value pl_tpl_filter(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value self,
                           const pl_tpl_arguments *args);
bool pl_tpl_test(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value self,
                 const pl_tpl_arguments *args);
pl_tpl_value pl_tpl_method(pl_tpl_machine *m, pl_tpl_text name, pl_tpl_value self,
                           const pl_tpl_arguments *args);
bool pl_tpl_has_method(pl_tpl_value self, pl_tpl_text name);
/* A function by its name alone: range, namespace ... */
pl_tpl_value pl_tpl_global(pl_tpl_machine *m, pl_tpl_text name, const pl_tpl_arguments *args);
bool pl_tpl_has_global(pl_tpl_text name);
/* Fails with a sentence that lists the entries there are. */
pl_tpl_value pl_tpl_unknown(pl_tpl_machine *m, const char *what, pl_tpl_text name,
                            const pl_tpl_entry *entries);

/* What methods and filters share (template_calls.c).  Those with args are both: a filter makes its
 * value a text first. */
pl_tpl_value pl_tpl_trim(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args);
pl_tpl_value pl_tpl_upper(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args);
pl_tpl_value pl_tpl_lower(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args);
pl_tpl_value pl_tpl_capitalize(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args);
pl_tpl_value pl_tpl_title(pl_tpl_machine *m, pl_tpl_value self, pl_tpl_value *args);
pl_tpl_value pl_tpl_replace(pl_tpl_machine *m, pl_tpl_value text, pl_tpl_value old,
                            pl_tpl_value new, pl_tpl_value count);
pl_tpl_value pl_tpl_pairs(pl_tpl_machine *m, pl_tpl_value map);

#endif
