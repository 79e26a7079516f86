#include "views/palette.h"

#include "views/fuzzy.h"
#include "views/mouse.h"
#include "views/panel.h"
#include "views/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    IN_DETAIL = 60,
    EXACT = 1 << 20,
    LABEL_COLS = 30,
    MOST_ROWS = 22,
    MOST_COLS = 110,
    WHOLE_ROWS = 2,
    WHOLE_FROM = 12
};

static char *copy_of(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

void pl_palette_add(pl_palette *palette, const pl_palette_item *item)
{
    if (palette->n == palette->capacity) {
        size_t capacity = 2 * palette->capacity + 64;
        pl_palette_item *items = realloc(palette->items, capacity * sizeof *items);
        if (items == NULL) {
            return;
        }
        palette->items = items;
        palette->capacity = capacity;
    }
    pl_palette_item *to = &palette->items[palette->n++];
    *to = *item;
    to->label = copy_of(item->label);
    to->detail = copy_of(item->detail != NULL ? item->detail : "");
    to->name = copy_of(item->name);
    to->key = copy_of(item->key);
    to->command = copy_of(item->command);
    if (to->label == NULL || to->detail == NULL) {
        free(to->label);
        free(to->detail);
        free(to->name);
        free(to->key);
        free(to->command);
        palette->n--;
    }
}

static int by_score(const void *a, const void *b)
{
    const pl_palette_found *x = a;
    const pl_palette_found *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return x->item < y->item ? -1 : x->item > y->item;
}

/* In a sentence scattered letters come by chance: there they must mostly be runs. */
static bool is_close(const char *typed, const char *text, int score)
{
    int letters = 0;
    for (const char *s = typed; *s != '\0'; s++) {
        letters += *s != ' ';
    }
    return score + (int)strnlen(text, PL_FUZZY_BYTES) >= 40 * letters;
}

static bool is_exact(const char *typed, const pl_palette_item *item)
{
    typed += strspn(typed, " :");
    return item->name != NULL && strcasecmp(typed, item->name) == 0;
}

static void search(pl_palette *palette)
{
    palette->n_found = palette->row = palette->top = 0;
    for (size_t i = 0; i < palette->n; i++) {
        const pl_palette_item *item = &palette->items[i];
        pl_palette_found found = {.item = i};
        pl_palette_found other = {.item = i, .in_detail = true};
        bool label = pl_fuzzy_match(palette->typed, item->label, &found.score, &found.hits);
        bool detail = pl_fuzzy_match(palette->typed, item->detail, &other.score, &other.hits) &&
                      is_close(palette->typed, item->detail, other.score);
        other.score -= IN_DETAIL;
        if (palette->typed[0] == '\0') {
            found.score = 0; /* in the order of the tables */
        }
        const bool exact = is_exact(palette->typed, item);
        if (!label && !detail && !exact) {
            continue;
        }
        found = label && (!detail || found.score >= other.score) ? found : other;
        found.score = exact ? EXACT : found.score;
        palette->found[palette->n_found++] = found;
    }
    qsort(palette->found, palette->n_found, sizeof *palette->found, by_score);
}

pl_status pl_palette_open(pl_palette *palette, pl_error *err)
{
    free(palette->found);
    palette->found = calloc(palette->n + 1, sizeof *palette->found);
    if (palette->found == NULL) {
        pl_palette_close(palette);
        return pl_error_memory(err, "the palette");
    }
    palette->typed[0] = '\0';
    palette->open = true;
    search(palette);
    return PL_OK;
}

void pl_palette_close(pl_palette *palette)
{
    for (size_t i = 0; i < palette->n; i++) {
        free(palette->items[i].label);
        free(palette->items[i].detail);
        free(palette->items[i].name);
        free(palette->items[i].key);
        free(palette->items[i].command);
    }
    free(palette->items);
    free(palette->found);
    *palette = (pl_palette){0};
}

/* --- keys ------------------------------------------------------------------------------------ */

static void step(pl_palette *palette, long by)
{
    long to = (long)palette->row + by;
    long last = (long)palette->n_found - 1;
    to = to > last ? last : to;
    palette->row = (size_t)(to > 0 ? to : 0);
}

const pl_palette_item *pl_palette_key(pl_palette *palette, pl_press press)
{
    size_t n = strlen(palette->typed);
    switch (press.key) {
    case PL_KEY_ESC:
    case 3:
        pl_palette_close(palette);
        return NULL;
    case PL_KEY_ENTER:
    case '\n':
        return palette->n_found > 0 ? &palette->items[palette->found[palette->row].item] : NULL;
    case PL_K_UP:
    case 'P' & 0x1f:
    case 'K' & 0x1f:
        step(palette, -1);
        return NULL;
    case PL_K_DOWN:
    case 'N' & 0x1f:
        step(palette, 1);
        return NULL;
    case PL_K_PAGE_UP:
        step(palette, -10);
        return NULL;
    case PL_K_PAGE_DOWN:
        step(palette, 10);
        return NULL;
    case PL_K_HOME:
        palette->row = 0;
        return NULL;
    case PL_K_END:
        step(palette, (long)palette->n_found);
        return NULL;
    case PL_K_BACKSPACE:
    case 127:
    case 8:
        if (n == 0) {
            return NULL;
        }
        palette->typed[n - 1] = '\0';
        break;
    case 'U' & 0x1f:
        palette->typed[0] = '\0';
        break;
    default:
        if (press.key < ' ' || press.key >= 127 || n + 1 >= sizeof palette->typed) {
            return NULL;
        }
        palette->typed[n] = (char)press.key;
        palette->typed[n + 1] = '\0';
        break;
    }
    search(palette);
    return NULL;
}

bool pl_palette_point(pl_palette *palette, pl_mouse mouse)
{
    const int line = pl_mouse_line(mouse, palette->list, 0);
    const bool there = line >= 0 && palette->top + (size_t)line < palette->n_found;
    palette->row = there ? palette->top + (size_t)line : palette->row;
    return there;
}

/* --- drawing --------------------------------------------------------------------------------- */

/* The text, its found letters bold and underlined; returns the columns it took. */
static int put_hits(pl_surface *surface, pl_rect rect, int row, int col, int columns,
                    unsigned style, const char *text, uint64_t hits)
{
    int used = pl_put_cut(surface, rect, row, col, columns, style, text);
    const char *s = text;
    int at = 0;
    while (*s != '\0' && s - text < PL_FUZZY_BYTES) {
        const char *start = s;
        uint32_t code = pl_text_next(&s);
        int width = pl_char_width(code);
        if (at + width > used - (used == columns && *s != '\0' ? 1 : 0)) {
            break; /* the ellipsis, or cut */
        }
        if ((hits >> (start - text) & 1) != 0) {
            pl_put_code(surface, rect, row, col + at, style | PL_BOLD | PL_UNDERLINE, code);
        }
        at += width;
    }
    return used;
}

static int label_columns(int cols)
{
    return cols / 2 < LABEL_COLS ? cols / 2 : LABEL_COLS;
}

int pl_palette_detail_cols(int cols)
{
    cols = cols > MOST_COLS ? MOST_COLS : cols;
    return cols - label_columns(cols) - 4;
}

static void draw_item(const pl_palette *palette, pl_surface *surface, pl_rect rect, int row,
                      size_t index)
{
    const pl_palette_found *found = &palette->found[index];
    const pl_palette_item *item = &palette->items[found->item];
    int label_cols = label_columns(rect.w);
    int key_cols = item->key != NULL ? (int)pl_text_width(item->key) + 1 : 0;
    bool chosen = index == palette->row;
    pl_put(surface, rect, row, 0, PL_STYLE_STRONG, chosen ? ">" : " ");
    put_hits(surface, rect, row, 2, label_cols, PL_STYLE_TEXT, item->label,
             found->in_detail ? 0 : found->hits);
    put_hits(surface, rect, row, 3 + label_cols, pl_palette_detail_cols(rect.w) - key_cols,
             chosen ? PL_STYLE_TEXT : PL_STYLE_FAINT, item->detail,
             found->in_detail ? found->hits : 0);
    if (item->key != NULL) {
        pl_put_right(surface, rect, row, rect.w - 1, chosen ? PL_STYLE_TEXT : PL_STYLE_KEY,
                     item->key);
    }
    if (chosen) {
        pl_mark_row(surface, rect, row, PL_REVERSE);
    }
}

/* What the chosen line says, whole, where the list cuts its end. */
static void draw_whole_detail(const pl_palette *palette, pl_surface *surface, pl_rect rect)
{
    const pl_palette_item *item = &palette->items[palette->found[palette->row].item];
    const int key_cols = item->key != NULL ? (int)pl_text_width(item->key) + 1 : 0;
    const char *text = item->detail;
    if ((int)pl_text_width(text) <= pl_palette_detail_cols(rect.w) - key_cols) {
        return;
    }
    for (int row = 0; row < rect.h && text[0] != '\0'; row++) {
        size_t next = 0;
        const size_t length = pl_text_wrap(text, (size_t)(rect.w - 4), &next);
        char line[4 * MOST_COLS + 1];
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        pl_put(surface, rect, row, 2, PL_STYLE_TEXT, line);
        text += next;
    }
}

void pl_palette_draw(pl_palette *palette, pl_surface *surface, pl_rect rect)
{
    pl_rect box = rect;
    box.w = rect.w > MOST_COLS ? MOST_COLS : rect.w;
    box.h = rect.h > MOST_ROWS ? MOST_ROWS : rect.h;
    box.x = rect.x + (rect.w - box.w) / 2;
    pl_fill(surface, box, PL_STYLE_TEXT, ' ');
    pl_rect top = {box.y, box.x, 1, box.w};
    pl_fill(surface, top, PL_STYLE_FOCUS, surface->ascii ? '=' : 0x2501);
    char title[64];
    char right[64];
    snprintf(title, sizeof title, " %s ", palette->title != NULL ? palette->title : "Palette");
    pl_put(surface, top, 0, 1, PL_STYLE_FOCUS | PL_REVERSE, title);
    snprintf(right, sizeof right, " %zu of %zu  Enter %s  Esc leaves ", palette->n_found,
             palette->n, palette->enter != NULL ? palette->enter : "does it");
    if (box.w >= 60) {
        pl_put_right(surface, top, 0, box.w - 1, PL_STYLE_FAINT, right);
    }
    int col = 1 + pl_put(surface, box, 1, 1, PL_STYLE_KEY, "> ");
    col += pl_put(surface, box, 1, col, PL_STYLE_TEXT, palette->typed);
    surface->cursor_y = box.y + 1;
    surface->cursor_x = box.x + (col < box.w ? col : box.w - 1);
    if (palette->typed[0] == '\0') {
        pl_put_cut(surface, box, 1, col + 2, box.w - col - 3, PL_STYLE_FAINT,
                   palette->hint != NULL
                       ? palette->hint
                       : "a few letters of an action, command, method, parameter or layer");
    }
    const int whole = box.h >= WHOLE_FROM ? WHOLE_ROWS : 0;
    pl_rect list = {box.y + 2, box.x, box.h - 2 - whole, box.w};
    palette->list = list;
    palette->top = pl_panel_scroll(palette->top, palette->row, palette->n_found, list.h);
    for (int row = 0; row < list.h && palette->top + (size_t)row < palette->n_found; row++) {
        draw_item(palette, surface, list, row, palette->top + (size_t)row);
    }
    if (palette->n_found > 0) {
        draw_whole_detail(palette, surface, (pl_rect){list.y + list.h, box.x, whole, box.w});
    } else {
        pl_put_cut(surface, list, 0, 2, list.w - 3, PL_STYLE_WARNING, "nothing fits");
    }
}
