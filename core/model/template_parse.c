/* Tags: what stands between texts and expressions, read into a tree. */
#include "core/model/template_parts.h"

#include <stdlib.h>
#include <string.h>

/* Reads pieces up to a tag named in `ends` ("elif else endif"), and returns its name; ends NULL: up
 * to the template's end. */
static pl_tpl_text read_body(pl_tpl_reader *r, const char *ends, size_t line, pl_tpl_node **out);

static bool is_one_of(pl_tpl_text name, const char *words)
{
    while (words != NULL && *words != '\0') {
        const size_t size = strcspn(words, " ");
        if (name.size == size && memcmp(name.data, words, size) == 0) {
            return true;
        }
        words += size + (words[size] == ' ');
    }
    return false;
}

static void end_tag(pl_tpl_reader *r)
{
    pl_tpl_expect(r, PL_TOKEN_END, NULL);
}

/* A name, or several with commas between them. */
static pl_tpl_node *read_target(pl_tpl_reader *r)
{
    const bool bracket = pl_tpl_skip(r, PL_TOKEN_SIGN, "(");
    pl_tpl_node *list = pl_tpl_node_new(r, PL_NODE_LIST), **end = list ? &list->list : &r->lost;
    size_t count = 0;
    do {
        if (count > 0 && !pl_tpl_token_is(r, PL_TOKEN_NAME, NULL)) {
            break;
        }
        pl_tpl_node *name = pl_tpl_node_new(r, PL_NODE_NAME);
        const pl_tpl_text text = pl_tpl_expect_name(r);
        if (name != NULL) {
            name->name = text;
            *end = name;
            end = &name->next;
        }
        count++;
    } while (pl_tpl_skip(r, PL_TOKEN_SIGN, ","));
    if (bracket) {
        pl_tpl_expect(r, PL_TOKEN_SIGN, ")");
    }
    return count == 1 && !bracket && list != NULL ? list->list : list;
}

static void read_if(pl_tpl_reader *r, pl_tpl_node *node)
{
    const size_t line = node->line;
    for (;;) {
        node->kind = PL_NODE_IF;
        node->a = pl_tpl_tuple(r, false);
        end_tag(r);
        const pl_tpl_text end = read_body(r, "elif else endif", line, &node->list);
        if (r->status == PL_OK && pl_tpl_text_is(end, "elif")) {
            pl_tpl_node *other = pl_tpl_node_new(r, PL_NODE_IF);
            if (other != NULL) {
                node->otherwise = other;
                node = other;
                continue;
            }
        }
        end_tag(r);
        if (r->status == PL_OK && pl_tpl_text_is(end, "else")) {
            read_body(r, "endif", line, &node->otherwise);
            end_tag(r);
        }
        return;
    }
}

static void read_for(pl_tpl_reader *r, pl_tpl_node *node)
{
    node->kind = PL_NODE_FOR;
    node->a = read_target(r);
    pl_tpl_expect(r, PL_TOKEN_NAME, "in");
    node->b = pl_tpl_tuple(r, false);
    if (pl_tpl_skip(r, PL_TOKEN_NAME, "if")) {
        node->c = pl_tpl_expression(r);
    }
    if (pl_tpl_token_is(r, PL_TOKEN_NAME, "recursive")) {
        pl_tpl_refuse(r, node->line, PL_ERR_UNSUPPORTED, "a recursive loop");
    }
    end_tag(r);
    r->loops++;
    const pl_tpl_text end = read_body(r, "else endfor", node->line, &node->list);
    r->loops--;
    end_tag(r);
    if (r->status == PL_OK && pl_tpl_text_is(end, "else")) {
        read_body(r, "endfor", node->line, &node->otherwise);
        end_tag(r);
    }
}

/* The value is what the block writes. */
static void read_set_block(pl_tpl_reader *r, pl_tpl_node *node)
{
    if (pl_tpl_token_is(r, PL_TOKEN_SIGN, "|")) {
        pl_tpl_refuse(r, node->line, PL_ERR_UNSUPPORTED, "a filter of a set block");
    }
    end_tag(r);
    read_body(r, "endset", node->line, &node->list);
    end_tag(r);
}

static void read_set(pl_tpl_reader *r, pl_tpl_node *node)
{
    node->kind = PL_NODE_SET;
    node->a = read_target(r);
    if (node->a != NULL && node->a->kind == PL_NODE_NAME && pl_tpl_skip(r, PL_TOKEN_SIGN, ".")) {
        pl_tpl_node *attribute = pl_tpl_node_new(r, PL_NODE_ATTR);
        const pl_tpl_text name = pl_tpl_expect_name(r);
        if (attribute != NULL) {
            attribute->a = node->a;
            attribute->name = name;
            node->a = attribute;
        }
    }
    if (pl_tpl_skip(r, PL_TOKEN_SIGN, "=")) {
        node->b = pl_tpl_tuple(r, true);
        end_tag(r);
    } else {
        read_set_block(r, node);
    }
}

static void read_macro(pl_tpl_reader *r, pl_tpl_node *node)
{
    node->kind = PL_NODE_MACRO;
    node->name = pl_tpl_expect_name(r);
    pl_tpl_expect(r, PL_TOKEN_SIGN, "(");
    pl_tpl_node **end = &node->b;
    while (r->status == PL_OK && !pl_tpl_skip(r, PL_TOKEN_SIGN, ")")) {
        pl_tpl_node *parameter = pl_tpl_node_new(r, PL_NODE_ARGUMENT);
        const pl_tpl_text name = pl_tpl_expect_name(r);
        pl_tpl_node *initial = pl_tpl_skip(r, PL_TOKEN_SIGN, "=") ? pl_tpl_expression(r) : NULL;
        if (parameter != NULL) {
            parameter->name = name;
            parameter->a = initial;
            *end = parameter;
            end = &parameter->next;
        }
        if (!pl_tpl_token_is(r, PL_TOKEN_SIGN, ")")) {
            pl_tpl_expect(r, PL_TOKEN_SIGN, ",");
        }
    }
    end_tag(r);
    const size_t loops = r->loops;
    r->loops = 0;
    read_body(r, "endmacro", node->line, &node->list);
    r->loops = loops;
    pl_tpl_skip(r, PL_TOKEN_NAME, NULL);
    end_tag(r);
}

/* transformers marks what the assistant wrote by it; its text is like any other. */
static void read_generation(pl_tpl_reader *r, pl_tpl_node *node)
{
    node->kind = PL_NODE_BODY;
    end_tag(r);
    read_body(r, "endgeneration", node->line, &node->list);
    end_tag(r);
}

static void read_leave(pl_tpl_reader *r, pl_tpl_node *node)
{
    if (r->loops == 0) {
        pl_tpl_refuse(r, node->line, PL_ERR_FORMAT, "break or continue outside a loop");
    }
    end_tag(r);
}

static void read_break(pl_tpl_reader *r, pl_tpl_node *node)
{
    node->kind = PL_NODE_BREAK;
    read_leave(r, node);
}

static void read_continue(pl_tpl_reader *r, pl_tpl_node *node)
{
    node->kind = PL_NODE_CONTINUE;
    read_leave(r, node);
}

typedef struct tag_row {
    const char *name;
    void (*read)(pl_tpl_reader *r, pl_tpl_node *node);
} tag_row;

static const tag_row tags[] = {
    {"if", read_if},
    {"for", read_for},
    {"set", read_set},
    {"macro", read_macro},
    {"generation", read_generation},
    {"break", read_break},
    {"continue", read_continue},
};

static void read_tag(pl_tpl_reader *r, pl_tpl_text name, const char *ends, pl_tpl_node *node)
{
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (pl_tpl_text_is(name, tags[i].name)) {
            tags[i].read(r, node);
            return;
        }
    }
    char shown[48];
    pl_text_escape(name.data, name.size, shown, sizeof shown);
    if (ends != NULL && memcmp(shown, "end", 3) == 0) {
        pl_tpl_refuse(r, node->line, PL_ERR_FORMAT, "the tag {%% %s %%}, expected one of: %s",
                      shown, ends);
        return;
    }
    pl_tpl_refuse(r, node->line, PL_ERR_UNSUPPORTED,
                  "the tag {%% %s %%} is not supported; supported: if, for, set, macro, "
                  "generation, break, continue",
                  shown);
}

static pl_tpl_text read_body(pl_tpl_reader *r, const char *ends, size_t line, pl_tpl_node **out)
{
    pl_tpl_text text = {"", 0};
    if (++r->depth > PL_TPL_DEPTH) {
        pl_tpl_refuse(r, line, PL_ERR_UNSUPPORTED, "tags nest too deeply");
    }
    while (r->status == PL_OK) {
        const pl_tpl_piece piece = pl_tpl_next_piece(r, &text);
        if (piece == PL_PIECE_END || r->status != PL_OK) {
            break;
        }
        pl_tpl_node *node =
            pl_tpl_node_new(r, piece == PL_PIECE_TEXT ? PL_NODE_TEXT : PL_NODE_OUTPUT);
        if (node == NULL) {
            break;
        }
        if (piece == PL_PIECE_TEXT) {
            node->name = text;
        } else if (piece == PL_PIECE_OUTPUT) {
            node->a = pl_tpl_tuple(r, true);
            end_tag(r);
        } else {
            const pl_tpl_text name = pl_tpl_expect_name(r);
            if (is_one_of(name, ends)) {
                r->depth--;
                return name;
            }
            if (r->status == PL_OK) {
                read_tag(r, name, ends, node);
            }
        }
        *out = node;
        out = &node->next;
    }
    if (ends != NULL) {
        pl_tpl_refuse(r, line, PL_ERR_FORMAT, "a tag has no end, expected one of: %s", ends);
    }
    r->depth--;
    return (pl_tpl_text){"", 0};
}

/* The text with \n as the only end of a line, and without the last one. */
static size_t copy_text(char *out, const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r') {
            out[n++] = '\n';
            i += i + 1 < size && text[i + 1] == '\n';
        } else {
            out[n++] = text[i];
        }
    }
    n -= n > 0 && out[n - 1] == '\n';
    return n;
}

static pl_status check_text(const char *text, size_t size, pl_error *err)
{
    if (size > PL_TPL_SOURCE) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "the chat template has %zu bytes, expected at most %d", size,
                            PL_TPL_SOURCE);
    }
    for (size_t at = 0; at < size;) {
        const size_t length = pl_text_utf8_length(text + at, text + size);
        if (length == 0 || text[at] == '\0') {
            return pl_error_set(err, PL_ERR_FORMAT,
                                "the chat template is not valid UTF-8 at byte %zu", at);
        }
        at += length;
    }
    return PL_OK;
}

pl_status pl_template_parse(const char *text, size_t size, pl_template **out, pl_error *err)
{
    *out = NULL;
    pl_status status = check_text(text, size, err);
    if (status != PL_OK) {
        return status;
    }
    pl_template *tpl = calloc(1, sizeof *tpl);
    char *copy = malloc(size + 1);
    if (tpl == NULL || copy == NULL) {
        free(tpl);
        free(copy);
        return pl_error_memory(err, "a chat template");
    }
    tpl->text = copy;
    pl_tpl_reader r = {
        .room = &tpl->room, .text = copy, .line = 1, .line_starts = true, .err = err};
    r.size = copy_text(copy, text, size);
    read_body(&r, NULL, 1, &tpl->body);
    if (r.status == PL_OK && tpl->room.failed) {
        r.status = pl_error_memory(err, "a chat template");
    }
    if (r.status != PL_OK) {
        pl_template_destroy(tpl);
        return r.status;
    }
    *out = tpl;
    return PL_OK;
}

void pl_template_destroy(pl_template *tpl)
{
    if (tpl != NULL) {
        pl_tpl_room_free(&tpl->room);
        free(tpl->text);
        free(tpl);
    }
}
