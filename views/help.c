#include "views/help.h"

#include "core/base/text.h"
#include "views/text.h"
#include "views/topics.h"
#include "views/view.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TITLE_COLS = 46 }; /* of a text: behind a longer one no hint has room in 80 */

static pl_status open_with(pl_help_view *view, pl_buf *text, pl_error *err)
{
    pl_help_close(view);
    pl_status status = pl_buf_check(text, err);
    if (status != PL_OK) {
        pl_buf_deinit(text);
        return status;
    }
    view->text = text->data;
    view->open = true;
    return PL_OK;
}

static void add_key(const pl_binding *b, pl_buf *out)
{
    /* Two columns whatever the widths of the arrows' bytes. */
    pl_buf_printf(out, "  %s%*s%s\n", b->name, (int)(12 - pl_text_width(b->name)), "", b->help);
}

static void add_pane(const pl_keymap *keys, pl_pane pane, pl_buf *out)
{
    pl_buf_printf(out, "\n# In the pane %s\n", pl_pane_name(pane));
    for (const pl_binding *b = pl_keymap_bindings(keys); b->name != NULL; b++) {
        if (b->help != NULL && b->where != PL_EVERYWHERE && (b->where & (1u << pane)) != 0) {
            add_key(b, out);
        }
    }
}

static void add_numbers(pl_buf *out)
{
    pl_buf_puts(out, "\n# The numbers\n"
                     "  The tuner compares with the rounder alone on the original weights (\"gptq "
                     "alone\"; without a rounder: the original weights), in every row.\n");
    for (const pl_topic *t = pl_topics(); t->name != NULL; t++) {
        if (!t->rare) {
            pl_buf_printf(out, "  %s%*s%s\n", t->name, (int)(16 - pl_text_width(t->name)), "",
                          t->text);
        }
    }
    for (pl_column c = 0; c < PL_COLUMN_COUNT; c++) {
        pl_buf_printf(out, "  %-15s %s\n", pl_columns[c].name, pl_columns[c].help);
    }
}

static const char other_words[] =
    "\n# How often\n"
    "  10j           ten layers down; 5\u2192 turns by five steps; 12g goes to line 12\n"
    "                (digits in the tuner type a value)\n"
    "\n# The mouse\n"
    "  click         selects a pane, layer, row, channel or parameter; on the head of a column of\n"
    "                the layer list: orders by it, again: the other way round\n"
    "  double click  is Enter\n"
    "  wheel         scrolls; in a plot it zooms where the mouse is, with Shift it moves along\n"
    "  drag          in a plot: zooms to the range\n"
    "  Shift         with it the terminal's own selection works; :mouse no leaves it the mouse\n"
    "\n# Filter of the layers\n"
    "  q_proj        part of a name; with * ? [ ] a pattern of the whole name: 15.*\n"
    "  input_ratio > 20      > >= < <= = != with input_ratio weight_ratio weight_max gap error "
    "block\n"
    "  solved and not 0.*    and, or, not, ( )\n";

pl_status pl_help_open(pl_help_view *view, const pl_keymap *keys, const char *commands,
                       pl_error *err)
{
    pl_buf text = {0};
    pl_buf_puts(&text, "# Planish help        Esc closes, \u2191\u2193 PgUp PgDn scroll, / finds\n"
                       "\n# Everywhere\n");
    for (const pl_binding *b = pl_keymap_bindings(keys); b->name != NULL; b++) {
        if (b->help != NULL && b->where == PL_EVERYWHERE) {
            add_key(b, &text);
        }
    }
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        if (pane != PL_PANE_SECOND) {
            add_pane(keys, pane, &text);
        }
    }
    pl_buf_puts(&text, "\n# Views\n");
    for (const pl_screen_view *const *v = pl_views(); *v != NULL; v++) {
        pl_buf_printf(&text, "  %-13s %s\n", (*v)->name, (*v)->help);
    }
    add_numbers(&text);
    pl_buf_puts(&text, other_words);
    pl_buf_puts(&text, "\n# Commands, typed after the key :\n");
    pl_buf_puts(&text, commands);
    pl_buf_puts(&text, "\n");
    return open_with(view, &text, err);
}

pl_status pl_help_show(pl_help_view *view, const char *title, const char *text, pl_error *err)
{
    pl_buf buf = {0};
    pl_buf_printf(&buf, "# %s%sEsc closes, \u2191\u2193 scroll\n\n%s\n", title,
                  pl_text_width(title) > TITLE_COLS ? "\n  " : "        ", text);
    return open_with(view, &buf, err);
}

void pl_help_close(pl_help_view *view)
{
    free(view->text);
    *view = (pl_help_view){0};
}

/* Where the lines go on that a long one is broken into: behind its first wide gap. */
static int hang_of(const char *line)
{
    const char *s = line + strspn(line, " ");
    const char *gap = strstr(s, "  ");
    if (gap == NULL) {
        return (int)(s - line);
    }
    gap += strspn(gap, " ");
    char head[512];
    snprintf(head, sizeof head, "%.*s", (int)(gap - line), line);
    return (int)pl_text_width(head);
}

/* Marks where the word that was looked for comes in a row that has been drawn. */
static void mark_word(const pl_help_view *view, pl_surface *surface, pl_rect rect, int row, int col,
                      unsigned style, const char *part)
{
    size_t length = strlen(view->word);
    for (const char *s = part; length > 0 && (s = strcasestr(s, view->word)) != NULL; s += length) {
        char before[512];
        char found[sizeof view->word];
        snprintf(before, sizeof before, "%.*s", (int)(s - part), part);
        snprintf(found, sizeof found, "%.*s", (int)length, s);
        pl_put(surface, rect, row, col + (int)pl_text_width(before), style | PL_REVERSE, found);
    }
}

/* Draws one line of the text, broken where it must be, from row `row` of the rectangle, which may
 * be above or below it; returns how many rows that took. */
static int draw_help_line(const pl_help_view *view, pl_surface *surface, pl_rect rect, int row,
                          char *text)
{
    bool heading = text[0] == '#';
    unsigned style = heading ? PL_STYLE_TITLE : PL_STYLE_TEXT;
    const char *rest = text + (heading ? 2 : 0);
    int hang = hang_of(rest);
    hang = hang < rect.w / 2 ? hang : 2;
    int rows = 0;
    do {
        int col = 1 + (rows > 0 ? hang : 0);
        size_t next = 0;
        size_t cut = pl_text_wrap(rest, (size_t)(rect.w > col + 1 ? rect.w - col - 1 : 1), &next);
        if (row + rows >= 0 && row + rows < rect.h) {
            char part[512];
            snprintf(part, sizeof part, "%.*s", (int)cut, rest);
            pl_put(surface, rect, row + rows, col, style, part);
            mark_word(view, surface, rect, row + rows, col, style, part);
        }
        rest += next;
        rows++;
        if (cut == 0) {
            break; /* not even one character fits */
        }
    } while (*rest != '\0');
    return rows;
}

/* Draws the text from its row `top` on; returns how many rows it has. */
static size_t draw_text(const pl_help_view *view, pl_surface *surface, pl_rect rect)
{
    int row = 0;
    for (const char *s = view->text; *s != '\0';) {
        size_t length = strcspn(s, "\n");
        char text[512];
        size_t size = length < sizeof text - 1 ? length : sizeof text - 1;
        memcpy(text, s, size);
        text[size] = '\0';
        pl_text_trim_utf8(text);
        row += draw_help_line(view, surface, rect, row - (int)view->top, text);
        s += length + (s[length] == '\n');
    }
    return (size_t)row;
}

/* The row at which the line that holds the word begins, the first below `from` (back: the last
 * above it); SIZE_MAX if there is none. */
static size_t find_word(const pl_help_view *view, size_t from, bool back)
{
    pl_surface none = {0};
    pl_rect rect = {0, 0, 0, view->width};
    size_t row = 0;
    size_t found = SIZE_MAX;
    for (const char *s = view->text; *s != '\0';) {
        size_t length = strcspn(s, "\n");
        char text[512];
        size_t size = length < sizeof text - 1 ? length : sizeof text - 1;
        memcpy(text, s, size);
        text[size] = '\0';
        pl_text_trim_utf8(text);
        bool here = strcasestr(text, view->word) != NULL;
        if (here && back && row < from) {
            found = row;
        } else if (here && !back && row > from) {
            return row;
        }
        row += (size_t)draw_help_line(view, &none, rect, -1000000, text);
        s += length + (s[length] == '\n');
    }
    return found;
}

static void go_to_word(pl_help_view *view, size_t from, bool back)
{
    size_t row = view->word[0] != '\0' ? find_word(view, from, back) : SIZE_MAX;
    view->not_found = row == SIZE_MAX && view->word[0] != '\0';
    view->top = row != SIZE_MAX ? row : view->top;
}

/* In the last row, where its text leaves room; else an arrow in the column that no text reaches. */
static void put_more(pl_surface *surface, pl_rect rect)
{
    const char *more = surface->ascii ? " more v " : " more \u2193 ";
    const int width = (int)pl_text_width(more);
    const pl_cell *row =
        surface->cells + (size_t)(rect.y + rect.h - 1) * (size_t)surface->cols + (size_t)rect.x;
    bool room = rect.h > 0 && rect.w > width;
    for (int x = rect.w - 1 - width; room && x < rect.w; x++) {
        room = row[x].code == ' ';
    }
    pl_put_right(surface, rect, rect.h - 1, room ? rect.w - 1 : rect.w, PL_STYLE_FAINT,
                 room             ? more
                 : surface->ascii ? "v"
                                  : "\u2193");
}

void pl_help_draw(pl_help_view *view, pl_surface *surface, pl_rect rect)
{
    pl_fill(surface, rect, PL_STYLE_TEXT, ' ');
    view->width = rect.w;
    size_t lines = draw_text(view, surface, (pl_rect){rect.y, rect.x, 0, rect.w});
    size_t most = lines > (size_t)rect.h ? lines - (size_t)rect.h : 0;
    view->top = view->top < most ? view->top : most;
    draw_text(view, surface, rect);
    if (view->typing) {
        pl_rect line = {rect.y + rect.h - 1, rect.x, 1, rect.w};
        pl_fill(surface, line, PL_STYLE_TEXT, ' ');
        int col = pl_put(surface, line, 0, 1, PL_STYLE_KEY, "/");
        col += 1 + pl_put(surface, line, 0, 1 + col, PL_STYLE_TEXT, view->word);
        surface->cursor_y = line.y;
        surface->cursor_x = line.x + (col < line.w ? col : line.w - 1);
    } else if (view->top < most) {
        put_more(surface, rect);
    }
    if (view->not_found) {
        pl_put_right(surface, rect, rect.h - 1, rect.w - 1, PL_STYLE_WARNING, " not found ");
    }
}

/* Every letter typed goes on from the page's first row. */
static void type_word(pl_help_view *view, pl_press press)
{
    size_t n = strlen(view->word);
    if (press.key == PL_KEY_ESC || press.key == 3) {
        view->typing = view->not_found = false;
        view->word[0] = '\0';
        return;
    }
    if (press.key == PL_KEY_ENTER || press.key == '\n') {
        view->typing = false;
        return;
    }
    if ((press.key == PL_K_BACKSPACE || press.key == 127 || press.key == 8) && n > 0) {
        view->word[n - 1] = '\0';
    } else if (press.key >= ' ' && press.key < 127 && n + 1 < sizeof view->word) {
        view->word[n] = (char)press.key;
        view->word[n + 1] = '\0';
    }
    go_to_word(view, view->top > 0 ? view->top - 1 : 0, false);
}

void pl_help_key(pl_help_view *view, pl_press press, int page)
{
    size_t step = page > 2 ? (size_t)page - 1 : 1;
    if (view->typing) {
        type_word(view, press);
        return;
    }
    switch (press.key) {
    case '/':
        view->typing = true;
        view->not_found = false;
        view->word[0] = '\0';
        break;
    case 'n':
        go_to_word(view, view->top, false);
        break;
    case 'N':
        go_to_word(view, view->top, true);
        break;
    case PL_KEY_ESC:
    case 'q':
    case '?':
    case 3:
    case PL_K_F1:
        pl_help_close(view);
        break;
    case PL_K_UP:
    case 'k':
        view->top -= view->top > 0;
        break;
    case PL_K_DOWN:
    case 'j':
    case PL_KEY_ENTER:
        view->top += view->top < SIZE_MAX;
        break;
    case PL_K_PAGE_UP:
    case 2:
        view->top = view->top > step ? view->top - step : 0;
        break;
    case PL_K_PAGE_DOWN:
    case ' ':
    case 6:
        view->top = view->top < SIZE_MAX - step ? view->top + step : SIZE_MAX;
        break;
    case PL_K_HOME:
    case 'g':
        view->top = 0;
        break;
    case PL_K_END:
    case 'G':
        view->top = SIZE_MAX; /* drawing finds the last page */
        break;
    default:
        break;
    }
}
