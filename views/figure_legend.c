#include "views/figure_legend.h"

#include "plots/look.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CUT_LABEL = 16 };

typedef struct item {
    char label[128];
    char shorter[128];          /* "astro" of "astro, β = 0.0003", where no other one starts so */
    char value[112], brief[48]; /* brief: where there is little room */
    uint32_t symbol;
    unsigned style;
} item;

static void put_spread(const double *y, char *out, size_t capacity)
{
    char median[PL_NUMBER_TEXT];
    char high[PL_NUMBER_TEXT];
    char most[PL_NUMBER_TEXT];
    pl_format_number(y[3], median);
    pl_format_number(y[5], high);
    pl_format_number(y[6], most);
    snprintf(out, capacity, "median %s, 99 %% %s, max %s", median, high, most);
}

static void series_value_at(const pl_figure *figure, size_t i, double x, char *out, size_t capacity)
{
    const pl_series *series = &figure->series[i];
    size_t at = 0;
    out[0] = '\0';
    if (!pl_series_at(series, &figure->x, x, &at)) {
        return;
    }
    if (pl_mark_width(series->mark) > 1) {
        put_spread(series->y + at * PL_SPREAD, out, capacity);
        return;
    }
    char number[PL_NUMBER_TEXT];
    double y = series->y[at];
    if (figure->y.log && !(y > figure->y.lo)) {
        /* Drawn at the foot of the axis, which has no place for it: the loss at W0 is 0. */
        pl_format_number(figure->y.lo, number);
        snprintf(out, capacity, "\u2264 %s", number);
        return;
    }
    if (series->mark == PL_MARK_STEPS && y == floor(y) && y >= 0 && y < 1e9) {
        pl_format_count(y, number); /* a histogram's bin */
    } else {
        pl_format_number(y, number);
    }
    pl_text_minus(number, out, capacity);
}

/* Before and what became of it: the values belong together. */
static bool is_pair(const pl_figure *figure)
{
    const pl_series *named[2] = {NULL, NULL};
    size_t n = 0;
    for (size_t i = 0; i < figure->n_series; i++) {
        const pl_series *series = &figure->series[i];
        if (pl_series_is_named(series)) {
            if (n == 2 || pl_mark_width(series->mark) > 1) {
                return false;
            }
            named[n++] = series;
        }
    }
    return n < 2 || (named[0]->tone == PL_TONE_BEFORE && named[1]->tone < PL_TONE_EXTRA);
}

/* As it will be put, so that it is measured right. */
static void plain_text(const pl_surface *surface, char *text, size_t capacity)
{
    if (surface->ascii) {
        char copy[256];
        pl_text_to_ascii(text, copy, sizeof copy);
        snprintf(text, capacity, "%.*s", (int)capacity - 1, copy);
    }
}

static void shorten(item items[PL_FIGURE_SERIES], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memcpy(items[i].shorter, items[i].label, sizeof items[i].shorter);
        items[i].shorter[strcspn(items[i].label, ",")] = '\0';
        if (pl_text_width(items[i].shorter) > CUT_LABEL) { /* a method without its parameters */
            items[i].shorter[strcspn(items[i].shorter, " ")] = '\0';
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            size_t length = strlen(items[i].shorter);
            if (k != i && strncmp(items[k].label, items[i].label, length) == 0) {
                memcpy(items[i].shorter, items[i].label, sizeof items[i].shorter);
            }
        }
    }
}

static size_t make_items(const pl_figure *figure, const pl_plot_options *options,
                         const pl_surface *surface, item items[PL_FIGURE_SERIES])
{
    size_t n = 0;
    for (size_t i = 0; i < figure->n_series; i++) {
        if (!pl_series_is_named(&figure->series[i])) {
            continue;
        }
        item *it = &items[n];
        *it = (item){.symbol = pl_plot_symbol(figure, i, options),
                     .style = (unsigned)pl_plot_style(figure->series[i].tone) |
                              (options->stale ? PL_STALE : 0)};
        snprintf(it->label, sizeof it->label, "%s", figure->series[i].label);
        pl_text_trim_utf8(it->label);
        plain_text(surface, it->label, sizeof it->label);
        if (options->crosshair && !is_pair(figure)) {
            series_value_at(figure, i, options->cursor, it->value, sizeof it->value);
            const char *most = strstr(it->value, "max ");
            snprintf(it->brief, sizeof it->brief, "%.40s", most != NULL ? most : it->value);
        }
        n++;
    }
    shorten(items, n);
    return n;
}

/* "12: 0.603 -> 0.530". */
static void said_text(const pl_figure *figure, const pl_plot_options *options, const char *said,
                      char *out, size_t capacity)
{
    int used = snprintf(out, capacity, "%s", said);
    bool heat = figure->heat != NULL;
    bool values = options->crosshair && !heat && is_pair(figure);
    bool first = true;
    for (size_t i = 0; values && i < figure->n_series && used > 0 && (size_t)used < capacity; i++) {
        char value[112];
        series_value_at(figure, i, options->cursor, value, sizeof value);
        if (value[0] != '\0' && pl_series_is_named(&figure->series[i])) {
            used += snprintf(out + used, capacity - (size_t)used, "%s %s",
                             !first     ? " \u2192"
                             : used > 0 ? ":"
                                        : "",
                             value);
            first = false;
        }
    }
}

static const char *item_value(const item *it, bool cut)
{
    return cut ? it->brief : it->value;
}

static const char *label_of_series(const item *it, bool cut)
{
    return cut ? it->shorter : it->label;
}

static int item_width(const item *it, bool cut)
{
    int label = (int)pl_text_width(label_of_series(it, cut));
    label = cut && label > CUT_LABEL ? CUT_LABEL : label;
    return 2 + label + (it->value[0] != '\0' ? 1 + (int)pl_text_width(item_value(it, cut)) : 0);
}

static void put_item(const item *it, bool cut, pl_surface *surface, pl_rect rect, int row, int col)
{
    pl_put_code(surface, rect, row, col, it->style, it->symbol);
    col += 2;
    col += pl_put_phrase(surface, rect, row, col, cut ? CUT_LABEL : rect.w - col, it->style,
                         label_of_series(it, cut));
    if (it->value[0] != '\0') {
        pl_put_cut(surface, rect, row, col + 1, rect.w - col - 1, PL_STYLE_CURSOR,
                   item_value(it, cut));
    }
}

static int put_facts(const pl_figure *figure, pl_surface *surface, pl_rect rect, int row)
{
    int col = 1;
    for (size_t i = 0; i < figure->n_facts; i++) {
        char name[sizeof figure->facts[i].name];
        snprintf(name, sizeof name, "%s", figure->facts[i].name);
        for (char *s = name; *s != '\0'; s++) {
            *s = *s == '_' ? ' ' : *s;
        }
        const char *text = figure->facts[i].text;
        int width = (int)(pl_text_width(name) + 1 + pl_text_width(text));
        if (col + width > rect.w - 1) {
            continue;
        }
        col += pl_put(surface, rect, row, col, PL_STYLE_FAINT, name) + 1;
        col += pl_put(surface, rect, row, col, PL_STYLE_TEXT, text) + 3;
    }
    return col > 1;
}

/* The items in as many lines as there are; what finds no place is counted at the end. */
static int put_items(const item *items, size_t n, bool cut, int taken, pl_surface *surface,
                     pl_rect rect)
{
    enum { LEAST = 7 }; /* columns in which the first item still says something */
    int row = 0;
    int col = 1;
    for (size_t i = 0; i < n; i++) {
        int end = row == 0 ? rect.w - taken : rect.w - 1;
        bool last = row + 1 == rect.h;
        int more = last && i + 1 < n ? 4 : 0; /* room to say how many are left out */
        int width = item_width(&items[i], cut);
        if (col + width + more > end && (col > 1 || row == 0) && !last) {
            row++;
            i--;
            col = 1;
            continue;
        }
        bool fits = col + width + more <= end;
        if (!fits && col == 1 && end - more - col >= LEAST) {
            pl_rect room = {rect.y, rect.x, rect.h, end - more};
            put_item(&items[i], true, surface, room, row, col); /* its largest value at least */
            col = end - more + 2;
            continue;
        }
        if (!fits) {
            char rest[24];
            int digits = snprintf(rest, sizeof rest, "+%zu", n - i);
            if (col + digits <= rect.w - taken + 1 || row > 0) {
                pl_put(surface, rect, row, col, PL_STYLE_FAINT, rest);
            }
            break;
        }
        pl_rect room = {rect.y, rect.x, rect.h, end};
        put_item(&items[i], cut, surface, room, row, col);
        col += width + 2;
    }
    return row + 1;
}

int pl_figure_legend(const pl_figure *figure, const pl_plot_options *options, const char *said,
                     bool facts, pl_surface *surface, pl_rect rect)
{
    item items[PL_FIGURE_SERIES];
    char text[240];
    said_text(figure, options, said, text, sizeof text);
    plain_text(surface, text, sizeof text);
    int width = (int)pl_text_width(text);
    int room = rect.w - 2;
    width = width < room ? width : room;
    pl_put_cut(surface, rect, 0, rect.w - 1 - width, width,
               PL_STYLE_CURSOR | (options->stale ? PL_STALE : 0), text);
    int lines = 1;
    if (figure->heat != NULL) {
        int left = rect.w - width - 4;
        int at = left >= 24 || rect.h < 2 ? 0 : 1;
        pl_plot_colour_bar(figure->heat, options, surface, rect, at, 1, at == 0 ? left : room);
        lines = at + 1;
    } else {
        size_t n = make_items(figure, options, surface, items);
        int total = 0;
        for (size_t i = 0; i < n; i++) {
            total += 2 + item_width(&items[i], false);
        }
        bool cut = total + width > rect.w * rect.h - 4 * rect.h;
        lines = put_items(items, n, cut, width + 3, surface, rect);
    }
    if (facts && lines < rect.h) {
        lines += put_facts(figure, surface, rect, lines);
    }
    return lines;
}
