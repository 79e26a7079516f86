#include "plots/legend.h"

#include "plots/marks.h"

#include <math.h>

#define RULE_INK (6 * PL_INK_EDGE) /* texts keep off rules rather than off data */
#define SHARE 0.5 /* the largest share of the plot's width or height that a text may take */

/* The cheaper of a row of boxes; returns count if none is free of other texts. */
static size_t cheapest(const pl_ink *ink, const pl_area *boxes, size_t count)
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

bool pl_legend_place(const pl_ink *ink, double width, double height, double gap, pl_area *out)
{
    /* In twelfths across and eighths down: the corners, the middles of the edges, then the rest
     * row by row; the earlier place wins a tie. */
    static const signed char first[][2] = {{12, 0}, {0, 0},  {12, 8}, {0, 8},
                                           {6, 0},  {12, 4}, {0, 4},  {6, 8}};
    enum { FIRST = sizeof first / sizeof first[0], ACROSS = 13, DOWN = 9 };
    const pl_area *a = &ink->area;
    double room_x = a->x1 - a->x0 - width - 2 * gap;
    double room_y = a->y1 - a->y0 - height - 2 * gap;
    pl_area boxes[FIRST + ACROSS * DOWN];
    for (int i = 0; i < FIRST + ACROSS * DOWN; i++) {
        int column = i < FIRST ? first[i][0] : ACROSS - 1 - (i - FIRST) % ACROSS;
        int row = i < FIRST ? first[i][1] : (i - FIRST) / ACROSS;
        double x = a->x0 + gap + room_x * column / (ACROSS - 1);
        double y = a->y0 + gap + room_y * row / (DOWN - 1);
        /* With half the gap around it, so that it does not touch its neighbours. */
        boxes[i] = (pl_area){x - gap / 2, y - gap / 2, x + width + gap / 2, y + height + gap / 2};
    }
    size_t best = cheapest(ink, boxes, FIRST + ACROSS * DOWN);
    if (room_x < 0 || room_y < 0 || best == FIRST + ACROSS * DOWN) {
        return false;
    }
    pl_area *b = &boxes[best];
    *out = (pl_area){b->x0 + gap / 2, b->y0 + gap / 2, b->x1 - gap / 2, b->y1 - gap / 2};
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

/* A rule's line on the page. */
static pl_area rule_line(const pl_figure *figure, const pl_layout *layout, const pl_rule *rule)
{
    const pl_area *plot = &layout->plot;
    if (rule->vertical) {
        double x = pl_layout_at_x(layout, figure, rule->at);
        return (pl_area){x, plot->y0, x, plot->y1};
    }
    double y = pl_layout_at_y(layout, figure, rule->at);
    return (pl_area){plot->x0, y, plot->x1, y};
}

static void add_rule(pl_ink *ink, const pl_figure *figure, const pl_layout *layout, size_t rule,
                     double sign)
{
    pl_ink_add(ink, rule_line(figure, layout, &figure->rules[rule]), sign * RULE_INK);
}

/* White below a text, so that it reads on a line or a heat map. */
static void backing(cairo_t *cr, pl_area box, double opacity)
{
    cairo_rectangle(cr, box.x0 - 1, box.y0, box.x1 - box.x0 + 2, box.y1 - box.y0);
    cairo_set_source_rgba(cr, 1, 1, 1, opacity);
    cairo_fill(cr);
}

static bool on_axis(const pl_axis *axis, double at)
{
    return !axis->cropped || (at >= axis->lo && at <= axis->hi);
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
        if (!on_axis(&figure->x, note->x) || !on_axis(&figure->y, note->y)) {
            continue;
        }
        double x = pl_layout_at_x(layout, figure, note->x);
        double y = pl_layout_at_y(layout, figure, note->y);
        pl_extent size = pl_fonts_measure(fonts, note->text, layout->small, 0);
        double gap = radius + 0.32 * layout->small;
        double over = y - radius - size.height;
        double beside = y - size.height / 2;
        pl_area boxes[] = {{x + gap, beside, x + gap + size.width, beside + size.height},
                           {x - gap - size.width, beside, x - gap, beside + size.height},
                           {x - size.width / 2, over, x + size.width / 2, over + size.height}};
        enum { PLACES = sizeof boxes / sizeof boxes[0] };
        size_t best = cheapest(ink, boxes, PLACES);
        ring(cr, layout, x, y, radius);
        if (best < PLACES) {
            if (figure->heat != NULL) {
                backing(cr, boxes[best], 0.8);
            }
            cairo_set_source_rgb(cr, 0, 0, 0);
            pl_fonts_draw(fonts, cr, note->text, layout->small, 0, boxes[best].x0, boxes[best].y0);
            pl_ink_add(ink, boxes[best], PL_INK_TEXT);
        }
        pl_area mark = {x - radius, y - radius, x + radius, y + radius};
        pl_ink_add(ink, mark, PL_INK_TEXT);
    }
}

/* Places for a rule's label: beside a vertical one from the top down, above and below a
 * horizontal one. */
enum { RULE_PLACES = 14 };

static size_t rule_places(const pl_layout *layout, pl_area line, bool vertical, pl_extent size,
                          pl_area boxes[RULE_PLACES])
{
    const pl_area *plot = &layout->plot;
    double gap = 0.4 * layout->small;
    if (vertical) {
        double room = plot->y1 - plot->y0 - size.height - 2 * gap;
        for (size_t i = 0; i < RULE_PLACES; i++) {
            double x = i % 2 == 0 ? line.x0 + gap : line.x0 - gap - size.width;
            double y = plot->y0 + gap + room * (double)(i / 2) / (RULE_PLACES / 2 - 1);
            boxes[i] = (pl_area){x, y, x + size.width, y + size.height};
        }
        return RULE_PLACES;
    }
    static const double parts[] = {1, 0, 0.5, 0.875, 0.125, 0.75, 0.25};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    double room = plot->x1 - plot->x0 - size.width - 2 * gap;
    for (size_t i = 0; i < 2 * PARTS; i++) {
        double x = plot->x0 + gap + room * parts[i % PARTS];
        double top = i < PARTS ? line.y0 - size.height - 0.8 : line.y0 + 0.8;
        boxes[i] = (pl_area){x, top, x + size.width, top + size.height};
    }
    return RULE_PLACES;
}

static void rule_label(cairo_t *cr, const pl_layout *layout, pl_fonts *fonts, pl_ink *ink,
                       const pl_rule *rule, pl_area line)
{
    pl_extent size = pl_fonts_measure(fonts, rule->label, layout->small, 0);
    const pl_area *plot = &layout->plot;
    pl_area boxes[RULE_PLACES];
    size_t places = rule_places(layout, line, rule->vertical, size, boxes);
    size_t best = cheapest(ink, boxes, places);
    if (best == places || size.width > SHARE * (plot->x1 - plot->x0)) {
        return;
    }
    cairo_save(cr); /* the backing stays off the frame's lines */
    const double frame = pl_layout_width(layout, layout->spine);
    cairo_rectangle(cr, plot->x0 + frame / 2, plot->y0 + frame / 2, plot->x1 - plot->x0 - frame,
                    plot->y1 - plot->y0 - frame);
    cairo_clip(cr);
    backing(cr, boxes[best], 0.7);
    cairo_restore(cr);
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    pl_fonts_draw(fonts, cr, rule->label, layout->small, 0, boxes[best].x0, boxes[best].y0);
    pl_ink_add(ink, boxes[best], PL_INK_TEXT);
}

static void draw_rule(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      const pl_rule *rule)
{
    static const double dashes[] = {4, 2};
    double width = pl_layout_width(layout, 0.8 * layout->spine);
    pl_area line = rule_line(figure, layout, rule);
    if (rule->vertical) {
        line.x0 = line.x1 = pl_layout_snap(layout, line.x0, width);
    } else {
        line.y0 = line.y1 = pl_layout_snap(layout, line.y0, width);
    }
    cairo_move_to(cr, line.x0, line.y0);
    cairo_line_to(cr, line.x1, line.y1);
    if (figure->heat != NULL) { /* light around dark: visible on any colour */
        cairo_set_source_rgb(cr, 1, 1, 1);
        cairo_set_line_width(cr, width + 2 * pl_layout_width(layout, 0.6 * layout->spine));
        cairo_stroke_preserve(cr);
    }
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    cairo_set_line_width(cr, width);
    cairo_set_dash(cr, dashes, 2, 0);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}

void pl_legend_rules(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     pl_ink *ink)
{
    for (size_t i = 0; i < figure->n_rules; i++) {
        const pl_rule *rule = &figure->rules[i];
        const pl_axis *axis = rule->vertical ? &figure->x : &figure->y;
        if (rule->at < axis->lo || rule->at > axis->hi) {
            continue;
        }
        draw_rule(cr, figure, layout, rule);
        if (rule->label != NULL && rule->label[0] != '\0') {
            /* Its own rule does not count: the places on both sides are alike. */
            add_rule(ink, figure, layout, i, -1);
            rule_label(cr, layout, fonts, ink, rule, rule_line(figure, layout, rule));
            add_rule(ink, figure, layout, i, 1);
        }
    }
}

/* The legend's measures: labels in columns, the first from the top down and then the next. */
typedef struct box {
    double most, column, row;
    double size; /* of the letters */
    double width, height;
    size_t labels, rows, columns;
    bool flows; /* one row, each entry as wide as its own label */
    bool cut;   /* a label is wider than `most` on one line */
    pl_area at;
} box;

static double swatch_width(const pl_layout *layout)
{
    return 2.2 * layout->small;
}

static double inner_gap(const pl_layout *layout)
{
    return 0.5 * layout->small;
}

/* What an entry needs beside its text. */
static double around(const pl_layout *layout)
{
    return swatch_width(layout) + 3 * inner_gap(layout);
}

/* One series of the data itself: the axes say what it is. */
static bool speaks_for_itself(const pl_figure *figure)
{
    size_t named = 0;
    bool plain = false;
    for (size_t i = 0; i < figure->n_series; i++) {
        if (pl_series_is_named(&figure->series[i])) {
            named++;
            plain =
                figure->series[i].tone == PL_TONE_BEFORE || figure->series[i].tone == PL_TONE_INPUT;
        }
    }
    return named == 1 && plain;
}

pl_legend_at pl_legend_of(const pl_figure *figure, const pl_draw_options *options)
{
    const pl_figure_options *author = options != NULL ? options->author : NULL;
    const bool asked = author != NULL && (author->legend.given || author->names.given);
    if (!asked && speaks_for_itself(figure)) {
        return PL_LEGEND_NONE;
    }
    return author != NULL ? (pl_legend_at)author->legend.index : PL_LEGEND_AUTO;
}

/* Sizes of a legend whose labels are at most `most` wide, in that many columns; longer ones go over
 * several lines. */
static box measure_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                       double most, size_t columns)
{
    box b = {.most = most, .size = layout->small};
    for (size_t i = 0; i < figure->n_series; i++) {
        if (pl_series_is_named(&figure->series[i])) {
            pl_wrapped text;
            const char *label = figure->series[i].label;
            pl_wrap(fonts, label, layout->small, most, PL_WRAP_LINES, &text);
            b.column = fmax(b.column, text.width + around(layout));
            b.row = fmax(b.row, 1.1 * text.height);
            b.cut = b.cut || text.n > 1 || text.needs > 0;
            b.size = fmin(b.size, text.size);
            b.labels++;
        }
    }
    b.rows = (b.labels + columns - 1) / columns;
    b.columns = b.rows > 0 ? (b.labels + b.rows - 1) / b.rows : 0;
    b.width = (double)b.columns * b.column;
    b.height = (double)b.rows * b.row + 1.2 * inner_gap(layout);
    return b;
}

/* A legend no wider than a share of the plot, where it hides least; false if there is no place. */
static bool fit_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    const pl_ink *ink, double share, size_t columns, box *out)
{
    const pl_area *plot = &layout->plot;
    double most = share * (plot->x1 - plot->x0) / (double)columns - around(layout);
    if (most < 3 * layout->small) {
        return false;
    }
    *out = measure_box(figure, layout, fonts, most, columns);
    const double tall = out->cut ? 0.9 : SHARE;
    return out->labels > 0 && out->height <= tall * (plot->y1 - plot->y0) &&
           pl_legend_place(ink, out->width, out->height, 0.6 * layout->small, &out->at);
}

/* Columns are set only where that hides clearly less, and labels broken only where no place holds
 * them whole. */
static bool find_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                     const pl_ink *ink, box *out)
{
    static const struct {
        double share;
        size_t columns;
    } tries[] = {{SHARE, 1}, {0.66, 1}, {0.85, 1}, {0.75, 2}, {0.9, 3}, {0.42, 1}, {0.34, 1}};
    *out = (box){0};
    double least = INFINITY;
    for (size_t i = 0; i < sizeof tries / sizeof tries[0] && (least > 0 || out->cut); i++) {
        box b;
        bool useful = tries[i].columns == 1 || figure->n_series > 3;
        if (!useful || !fit_box(figure, layout, fonts, ink, tries[i].share, tries[i].columns, &b)) {
            continue;
        }
        double cost = pl_ink_cost(ink, b.at);
        bool whole = out->labels > 0 && out->cut && !b.cut;
        bool better = cost < 0.5 * least && (out->labels == 0 || !b.cut || out->cut);
        if (whole || better) {
            least = cost;
            *out = b;
        }
    }
    return isfinite(least);
}

double pl_legend_hides(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                       const pl_ink *ink)
{
    box b;
    if (!find_box(figure, layout, fonts, ink, &b)) {
        return measure_box(figure, layout, fonts, 100, 1).labels > 0 ? INFINITY : 0;
    }
    return b.cut ? INFINITY : pl_ink_cost(ink, b.at);
}

/* --- outside the plot --------------------------------------------------------------------------
 */

/* Width of all entries in one row. */
static double flow_width(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    double width = 0;
    for (size_t i = 0; i < figure->n_series; i++) {
        if (pl_series_is_named(&figure->series[i])) {
            const char *label = figure->series[i].label;
            width += pl_fonts_measure(fonts, label, layout->small, 0).width + around(layout);
        }
    }
    return width;
}

/* Below: one row, or as many columns as their labels allow whole. */
static box strip_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    double room = layout->width - 2 * layout->pad;
    double most = room - around(layout);
    if (most < 3 * layout->small) {
        return (box){0};
    }
    box b = measure_box(figure, layout, fonts, most, 1);
    if (flow_width(figure, layout, fonts) <= room) {
        b = measure_box(figure, layout, fonts, most, PL_FIGURE_SERIES);
        b.width = flow_width(figure, layout, fonts);
        b.flows = true;
    } else if (!b.cut) {
        double fitting = fmax(floor((room + 1e-6) / b.column), 1);
        b = measure_box(figure, layout, fonts, most, (size_t)fmin(fitting, PL_FIGURE_SERIES));
    }
    return b;
}

/* At the right: one column, a third of the page at most. */
static box column_box(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    return measure_box(figure, layout, fonts, 0.4 * layout->width - around(layout), 1);
}

double pl_legend_strip(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    box b = layout->numbers ? strip_box(figure, layout, fonts) : (box){0};
    return b.labels > 0 ? b.height : 0;
}

double pl_legend_column(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    return layout->numbers ? column_box(figure, layout, fonts).width : 0;
}

/* --- drawing -----------------------------------------------------------------------------------
 */

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

static void draw_entries(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         pl_fonts *fonts, const box *b)
{
    double inner = inner_gap(layout);
    double swatch = swatch_width(layout);
    double line = 1.1 * pl_fonts_measure(fonts, "0", layout->small, 0).height;
    size_t entry = 0;
    double flow = b->at.x0 + inner;
    for (size_t i = 0; i < figure->n_series; i++) {
        if (!pl_series_is_named(&figure->series[i])) {
            continue;
        }
        pl_wrapped text;
        const char *label = figure->series[i].label;
        pl_wrap(fonts, label, b->size, b->most, PL_WRAP_LINES, &text);
        double x = b->flows ? flow : b->at.x0 + inner + (double)(entry / b->rows) * b->column;
        double y = b->at.y0 + 0.6 * inner + (double)(entry % b->rows) * b->row;
        double one = fmin(line, b->row); /* the sample stands at the first line */
        pl_area sample = {x, y + 0.24 * one, x + swatch, y + 0.76 * one};
        pl_marks_swatch(cr, figure, layout, i, sample);
        cairo_set_source_rgb(cr, 0, 0, 0);
        pl_wrap_draw(fonts, cr, label, &text, x + swatch + inner, y + 0.045 * one, text.width, 0);
        flow += text.width + around(layout);
        entry++;
    }
}

/* The legend that is drawn, with its place; no labels: there is none. */
static box place_legend(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                        const pl_ink *ink)
{
    box b = {0};
    const pl_area *strip = &layout->strip;
    const pl_legend_at at = pl_legend_of(figure, &layout->options);
    if (at == PL_LEGEND_NONE || !layout->numbers) {
        return b;
    }
    if (strip->y1 > strip->y0 && strip->x1 > strip->x0) {
        const bool beside = at == PL_LEGEND_RIGHT;
        b = beside ? column_box(figure, layout, fonts) : strip_box(figure, layout, fonts);
        double x = beside ? strip->x0 : fmax((strip->x0 + strip->x1 - b.width) / 2, strip->x0 - 1);
        b.at = (pl_area){x, strip->y0, x + b.width, strip->y0 + b.height};
    } else if (!find_box(figure, layout, fonts, ink, &b)) {
        b.labels = 0;
    }
    return b;
}

void pl_legend_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    pl_ink *ink)
{
    box b = place_legend(figure, layout, fonts, ink);
    if (b.labels == 0) {
        return;
    }
    if (!(layout->strip.y1 > layout->strip.y0)) {
        draw_frame(cr, layout, &b);
        pl_ink_add(ink, b.at, PL_INK_TEXT);
    }
    draw_entries(cr, figure, layout, fonts, &b);
}
