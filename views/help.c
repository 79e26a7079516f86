#include "views/help.h"

#include "core/base/text.h"
#include "views/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void add_pane(pl_pane pane, pl_buf *out)
{
    pl_buf_printf(out, "\n# In the pane %s\n", pl_pane_name(pane));
    for (const pl_binding *b = pl_bindings(); b->name != NULL; b++) {
        if (b->help != NULL && b->where != PL_EVERYWHERE && (b->where & (1u << pane)) != 0) {
            add_key(b, out);
        }
    }
}

static const char numbers[] =
    "\n# The numbers\n"
    "  \u00d7 median    largest channel maximum over the median channel maximum\n"
    "  group max   mean over all groups of all rows of the largest |w| of the group\n"
    "  error       tr((W-W0) G (W-W0)') / tr(W0 G W0') of the preconditioned weights\n"
    "  W3 error    the same after rounding to 3 bits; before: the rounder alone\n"
    "  bound       Theorem 4.5 of Astro on the output error, in the units of XW'\n"
    "  gap         (P - D) / P: how far the solve can still be from the optimum\n"
    "  calibrated  tokens the input statistics and Gram matrices were taken from\n";

pl_status pl_help_open(pl_help_view *view, const char *commands, pl_error *err)
{
    pl_buf text = {0};
    pl_buf_puts(&text, "# Planish help        Esc closes, \u2191\u2193 PgUp PgDn scroll\n"
                       "\n# Everywhere\n");
    for (const pl_binding *b = pl_bindings(); b->name != NULL; b++) {
        if (b->help != NULL && b->where == PL_EVERYWHERE) {
            add_key(b, &text);
        }
    }
    for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
        add_pane(pane, &text);
    }
    pl_buf_puts(&text, numbers);
    pl_buf_puts(&text, "\n# Commands, typed after the key :\n");
    pl_buf_puts(&text, commands);
    pl_buf_puts(&text, "\n");
    return open_with(view, &text, err);
}

pl_status pl_help_show(pl_help_view *view, const char *title, const char *text, pl_error *err)
{
    pl_buf buf = {0};
    pl_buf_printf(&buf, "# %s        Esc closes, \u2191\u2193 scroll\n\n%s\n", title, text);
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

/* Draws one line of the text, broken where it must be, from row `row` of the rectangle, which may
 * be above or below it; returns how many rows that took. */
static int draw_line(pl_surface *surface, pl_rect rect, int row, char *text)
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
        row += draw_line(surface, rect, row - (int)view->top, text);
        s += length + (s[length] == '\n');
    }
    return (size_t)row;
}

void pl_help_draw(pl_help_view *view, pl_surface *surface, pl_rect rect)
{
    pl_fill(surface, rect, PL_STYLE_TEXT, ' ');
    size_t lines = draw_text(view, surface, (pl_rect){rect.y, rect.x, 0, rect.w});
    size_t most = lines > (size_t)rect.h ? lines - (size_t)rect.h : 0;
    view->top = view->top < most ? view->top : most;
    draw_text(view, surface, rect);
    if (view->top < most) {
        pl_put_right(surface, rect, rect.h - 1, rect.w - 1, PL_STYLE_FAINT,
                     surface->ascii ? " more v " : " more \u2193 ");
    }
}

void pl_help_key(pl_help_view *view, pl_press press, int page)
{
    size_t step = page > 2 ? (size_t)page - 1 : 1;
    switch (press.key) {
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
