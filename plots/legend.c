#include "plots/legend.h"

#include "plots/marks.h"

#include <math.h>

#define SHARE 0.5 /* the largest share of the plot's width or height that a text may take */

/* The cheaper of a row of boxes; returns count if none is free of other texts. */
static size_t cheapest(const pl_ink *ink, const pl_rect *boxes, size_t count)
{
    size_t best = count;
    double least = PL_INK_TEXT;
    for (size_t i = 0; i < count; i++) {
        double cost = pl_ink_cost(ink, boxes[i]);
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    return best;
}

bool pl_legend_place(const pl_ink *ink, double width, double height, double gap, pl_rect *out)
{
    /* In twelfths across and eighths down: the corners, the middles of the edges, then the rest
     * row by row; the earlier place wins a tie. */
    static const signed char first[][2] = {{12, 0}, {0, 0},  {12, 8}, {0, 8},
                                           {6, 0},  {12, 4}, {0, 4},  {6, 8}};
    enum { FIRST = sizeof first / sizeof first[0], ACROSS = 13, DOWN = 9 };
    const pl_rect *a = &ink->area;
    double room_x = a->x1 - a->x0 - width - 2 * gap;
    double room_y = a->y1 - a->y0 - height - 2 * gap;
    pl_rect boxes[FIRST + ACROSS * DOWN];
    for (int i = 0; i < FIRST + ACROSS * DOWN; i++) {
        int column = i < FIRST ? first[i][0] : ACROSS - 1 - (i - FIRST) % ACROSS;
        int row = i < FIRST ? first[i][1] : (i - FIRST) / ACROSS;
        double x = a->x0 + gap + room_x * column / (ACROSS - 1);
        double y = a->y0 + gap + room_y * row / (DOWN - 1);
        /* With half the gap around it, so that it does not touch its neighbours. */
        boxes[i] = (pl_rect){x - gap / 2, y - gap / 2, x + width + gap / 2, y + height + gap / 2};
    }
    size_t best = cheapest(ink, boxes, FIRST + ACROSS * DOWN);
    if (room_x < 0 || room_y < 0 || best == FIRST + ACROSS * DOWN) {
        return false;
    }
    pl_rect *b = &boxes[best];
    *out = (pl_rect){b->x0 + gap / 2, b->y0 + gap / 2, b->x1 - gap / 2, b->y1 - gap / 2};
    return true;
}

static void ring(cairo_t *cr, const pl_layout *layout, double x, double y, double radius)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, radius, 0, 2 * M_PI);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_fill_preserve(cr);
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_set_line_width(cr, 0.7 * layout->scale);
    cairo_stroke(cr);
}

static void add_rule(pl_ink *ink, const pl_figure *figure, const pl_layout *layout, size_t rule,
                     double sign)
{
    double y = pl_layout_at_y(layout, figure, figure->rules[rule].at);
    pl_ink_add(ink, (pl_rect){layout->plot.x0, y, layout->plot.x1, y}, sign * PL_INK_EDGE);
}

void pl_legend_notes(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     pl_ink *ink)
{
    double radius = 0.21 * layout->small;
    for (size_t i = 0; i < figure->n_rules; i++) {
        add_rule(ink, figure, layout, i, 1);
    }
    for (size_t i = 0; i < figure->n_notes; i++) {
        const pl_note *note = &figure->notes[i];
        double x = pl_layout_at_x(layout, figure, note->x);
        double y = pl_layout_at_y(layout, figure, note->y);
        pl_extent size = pl_fonts_measure(fonts, note->text, layout->small, 0);
        double gap = radius + 0.2 * layout->small;
        double over = y - radius - size.height;
        double beside = y - size.height / 2;
        pl_rect boxes[] = {{x + gap, beside, x + gap + size.width, beside + size.height},
                           {x - gap - size.width, beside, x - gap, beside + size.height},
                           {x - size.width / 2, over, x + size.width / 2, over + size.height}};
        enum { PLACES = sizeof boxes / sizeof boxes[0] };
        size_t best = cheapest(ink, boxes, PLACES);
        ring(cr, layout, x, y, radius);
        if (best < PLACES) {
            pl_fonts_draw(fonts, cr, note->text, layout->small, 0, boxes[best].x0, boxes[best].y0);
            pl_ink_add(ink, boxes[best], PL_INK_TEXT);
        }
        pl_rect mark = {x - radius, y - radius, x + radius, y + radius};
        pl_ink_add(ink, mark, PL_INK_TEXT);
    }
}

static void rule_label(cairo_t *cr, const pl_layout *layout, pl_fonts *fonts, pl_ink *ink,
                       const char *text, double y)
{
    pl_extent size = pl_fonts_measure(fonts, text, layout->small, 0);
    const pl_rect *plot = &layout->plot;
    double gap = 0.4 * layout->small;
    double xs[] = {plot->x1 - gap - size.width, plot->x0 + gap,
                   (plot->x0 + plot->x1 - size.width) / 2};
    pl_rect boxes[6];
    for (size_t i = 0; i < 6; i++) {
        double top = i < 3 ? y - size.height - 0.8 : y + 0.8;
        boxes[i] = (pl_rect){xs[i % 3], top, xs[i % 3] + size.width, top + size.height};
    }
    size_t best = cheapest(ink, boxes, 6);
    if (best == 6 || size.width > SHARE * (plot->x1 - plot->x0)) {
        return;
    }
    cairo_rectangle(cr, boxes[best].x0 - 1, boxes[best].y0, size.width + 2, size.height);
    cairo_set_source_rgba(cr, 1, 1, 1, 0.7);
    cairo_fill(cr);
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    pl_fonts_draw(fonts, cr, text, layout->small, 0, boxes[best].x0, boxes[best].y0);
    pl_ink_add(ink, boxes[best], PL_INK_TEXT);
}

void pl_legend_rules(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     pl_ink *ink)
{
    static const double dashes[] = {4, 2};
    for (size_t i = 0; i < figure->n_rules; i++) {
        const pl_rule *rule = &figure->rules[i];
        if (rule->at < figure->y.lo || rule->at > figure->y.hi) {
            continue;
        }
        double width = pl_layout_width(layout, 0.8 * layout->spine);
        double y = pl_layout_snap(layout, pl_layout_at_y(layout, figure, rule->at), width);
        cairo_move_to(cr, layout->plot.x0, y);
        cairo_line_to(cr, layout->plot.x1, y);
        cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
        cairo_set_line_width(cr, width);
        cairo_set_dash(cr, dashes, 2, 0);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);
        if (rule->label != NULL && rule->label[0] != '\0') {
            /* Its own rule does not count: the places above and below are alike. */
            add_rule(ink, figure, layout, i, -1);
            rule_label(cr, layout, fonts, ink, rule->label, y);
            add_rule(ink, figure, layout, i, 1);
        }
    }
}

static bool has_label(const pl_series *series)
{
    return series->label != NULL && series->label[0] != '\0';
}

/* The legend's measures: labels of at most `most` points. */
typedef struct box {
    double most, width, row, height;
    size_t rows;
    pl_rect at;
} box;

static double swatch_width(const pl_layout *layout)
{
    return 2.2 * layout->small;
}

static double inner_gap(const pl_layout *layout)
{
    return 0.5 * layout->small;
}

/* A legend no wider than a share of the plot, where it hides least; false if there is no place. */
static bool fit_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    const pl_ink *ink, double share, box *out)
{
    const pl_rect *plot = &layout->plot;
    double inner = inner_gap(layout);
    double around = swatch_width(layout) + 3 * inner;
    *out = (box){.most = share * (plot->x1 - plot->x0) - around};
    if (out->most < 3 * layout->small) {
        return false;
    }
    for (size_t i = 0; i < figure->n_series; i++) {
        if (has_label(&figure->series[i])) {
            pl_extent size =
                pl_fonts_measure(fonts, figure->series[i].label, layout->small, out->most);
            out->width = fmax(out->width, size.width + around);
            out->row = fmax(out->row, 1.1 * size.height);
            out->rows++;
        }
    }
    out->height = (double)out->rows * out->row + 1.2 * inner;
    return out->rows > 0 && out->height <= SHARE * (plot->y1 - plot->y0) &&
           pl_legend_place(ink, out->width, out->height, 0.6 * layout->small, &out->at);
}

/* Long labels are cut only where that hides clearly less. */
static bool find_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     const pl_ink *ink, box *out)
{
    static const double shares[] = {SHARE, 0.42, 0.34};
    *out = (box){0};
    double least = INFINITY;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0] && least > 0; i++) {
        box b;
        if (!fit_box(figure, layout, fonts, ink, shares[i], &b)) {
            continue;
        }
        double cost = pl_ink_cost(ink, b.at);
        if (cost < 0.5 * least) {
            least = cost;
            *out = b;
        }
    }
    return isfinite(least);
}

static void draw_frame(cairo_t *cr, const pl_layout *layout, box *b)
{
    double line = pl_layout_width(layout, 0.5 * layout->scale);
    double width = round(b->width / layout->pixel) * layout->pixel;
    double height = round(b->height / layout->pixel) * layout->pixel;
    b->at.x0 = pl_layout_snap(layout, b->at.x0, line);
    b->at.y0 = pl_layout_snap(layout, b->at.y0, line);
    cairo_rectangle(cr, b->at.x0, b->at.y0, width, height);
    cairo_set_source_rgba(cr, 1, 1, 1, 0.8);
    cairo_fill_preserve(cr);
    cairo_set_source_rgb(cr, 0.7, 0.7, 0.7);
    cairo_set_line_width(cr, line);
    cairo_stroke(cr);
}

void pl_legend_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    pl_ink *ink)
{
    box b;
    if (!find_box(figure, layout, fonts, ink, &b)) {
        return;
    }
    draw_frame(cr, layout, &b);
    double inner = inner_gap(layout);
    double swatch = swatch_width(layout);
    double x = b.at.x0 + inner;
    double y = b.at.y0 + 0.6 * inner;
    for (size_t i = 0; i < figure->n_series; i++) {
        if (!has_label(&figure->series[i])) {
            continue;
        }
        pl_rect sample = {x, y + 0.24 * b.row, x + swatch, y + 0.76 * b.row};
        pl_marks_swatch(cr, figure, layout, i, sample);
        cairo_set_source_rgb(cr, 0, 0, 0);
        pl_fonts_draw(fonts, cr, figure->series[i].label, layout->small, b.most, x + swatch + inner,
                      y + 0.045 * b.row);
        y += b.row;
    }
    pl_ink_add(ink, b.at, PL_INK_TEXT);
}
