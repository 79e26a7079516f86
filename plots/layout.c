#include "plots/layout.h"

#include <math.h>

enum { MAX_WANTED = 8, PASSES = 3 };

#define NAME_SHARE 0.3  /* of the page that names along an axis may take */
#define SHORT_NAME 3.2  /* text sizes: names up to that are thinned rather than turned */
#define TEXT_LARGEST 10 /* points: what journals accept at most; options->text may exceed it */

double pl_layout_width(const pl_layout *layout, double width)
{
    return fmax(1, round(width / layout->pixel)) * layout->pixel;
}

double pl_layout_snap(const pl_layout *layout, double at, double width)
{
    double pixels = fmax(1, round(width / layout->pixel));
    double half = fmod(pixels, 2) != 0 ? 0.5 : 0;
    return (round(at / layout->pixel - half) + half) * layout->pixel;
}

/* Where value lies between the ends of an axis, 0 ... 1. */
static double part_of(const pl_axis *axis, double value)
{
    double part = 0;
    if (axis->log) {
        part = value > 0 ? log(value / axis->lo) / log(axis->hi / axis->lo) : 0;
    } else {
        part = (value - axis->lo) / (axis->hi - axis->lo);
    }
    return part < 0 ? 0 : part > 1 ? 1 : part;
}

static double axis_value_at(const pl_axis *axis, double part)
{
    return axis->log ? axis->lo * pow(axis->hi / axis->lo, part)
                     : axis->lo + part * (axis->hi - axis->lo);
}

double pl_layout_at_x(const pl_layout *layout, const pl_figure *figure, double value)
{
    const pl_area *plot = &layout->plot;
    return plot->x0 + part_of(&figure->x, value) * (plot->x1 - plot->x0);
}

double pl_layout_at_y(const pl_layout *layout, const pl_figure *figure, double value)
{
    const pl_area *plot = &layout->plot;
    return plot->y1 - part_of(&figure->y, value) * (plot->y1 - plot->y0);
}

double pl_layout_at_colour(const pl_layout *layout, const pl_heat *heat, double value)
{
    const pl_area *bar = &layout->bar;
    return bar->y1 - pl_heat_part(heat, value) * (bar->y1 - bar->y0);
}

double pl_layout_x_of(const pl_layout *layout, const pl_figure *figure, double at)
{
    const pl_area *plot = &layout->plot;
    return axis_value_at(&figure->x, (at - plot->x0) / (plot->x1 - plot->x0));
}

double pl_layout_y_of(const pl_layout *layout, const pl_figure *figure, double at)
{
    const pl_area *plot = &layout->plot;
    return axis_value_at(&figure->y, (plot->y1 - at) / (plot->y1 - plot->y0));
}

bool pl_layout_x_numbers(const pl_layout *layout)
{
    return layout->numbers && !layout->options.no_x_label;
}

bool pl_layout_y_numbers(const pl_layout *layout)
{
    return layout->numbers && !layout->options.no_y_label;
}

static double between(double at, double x0, double y0, double x1, double y1)
{
    double part = (at - x0) / (x1 - x0);
    return y0 + (part < 0 ? 0 : part > 1 ? 1 : part) * (y1 - y0);
}

/* 9 and 8 pt from 5 in on, 7 and 6 pt in a column of 3.25 in, 5 pt where that is too much, 10 and
 * 9 pt on posters. */
void pl_layout_sizes(pl_layout *layout)
{
    double inches = fmin(layout->width, layout->height * 1.5) / 72;
    if (inches >= 5) {
        layout->text = between(inches, 6.5, 9, 10, TEXT_LARGEST);
    } else if (inches >= 3.25) {
        layout->text = between(inches, 3.25, 7, 5, 9);
    } else {
        layout->text = between(inches, 1, 5.5, 3.25, 7);
    }
    layout->pad = between(inches, 1, 2, 5, 5);
    layout->tick = between(inches, 1, 1.8, 5, 3.5);
    layout->scale = between(inches, 1, 0.5, 5, 1);
    double asked = layout->options.text;
    if (asked > 0) {
        double larger = asked / layout->text;
        layout->pad *= larger;
        layout->tick *= larger;
        layout->scale *= larger;
        layout->text = asked;
    }
    layout->small = fmax(5, fmin(layout->text - 1, 0.9 * layout->text));
    layout->spine = 0.8 * layout->scale;
}

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static double line_height(pl_fonts *fonts, double size)
{
    return pl_fonts_measure(fonts, "0", size, 0).height;
}

/* --- ticks that fit ----------------------------------------------------------------------------
 */

/* One row of tick labels: along the axis (side by side) or across it (stacked). */
typedef struct row {
    const pl_axis *axis;
    pl_tick *ticks;
    size_t *count;
    double length; /* of the axis, points */
    double most;   /* widest label, 0: any */
    bool along;
} row;

static row x_row(const pl_figure *figure, pl_layout *layout)
{
    return (row){.axis = &figure->x,
                 .ticks = layout->x,
                 .count = &layout->n_x,
                 .length = layout->plot.x1 - layout->plot.x0,
                 .most = layout->x_most,
                 .along = !layout->upright};
}

static row y_row(const pl_figure *figure, pl_layout *layout)
{
    return (row){.axis = &figure->y,
                 .ticks = layout->y,
                 .count = &layout->n_y,
                 .length = layout->plot.y1 - layout->plot.y0,
                 .most = layout->y_most};
}

/* Whether neighbouring labels keep a gap. */
static bool labels_fit(const row *r, double size, pl_fonts *fonts)
{
    double end = -INFINITY;
    double share = r->axis->names != NULL ? 0.92 : 0.8; /* of a line's height that letters fill */
    for (size_t i = 0; i < *r->count; i++) {
        if (!r->ticks[i].major) {
            continue;
        }
        pl_extent box = pl_fonts_measure(fonts, r->ticks[i].text, size, r->most);
        double at = part_of(r->axis, r->ticks[i].at) * r->length;
        double half = (r->along ? box.width : share * box.height) / 2;
        if (at - half < end) {
            return false;
        }
        end = at + half + (r->along ? 0.7 * size : 0);
    }
    return true;
}

/* A label on every second, third ... major tick, where fewer ticks were not to be had. */
static void thin_labels(const row *r, double size, pl_fonts *fonts)
{
    for (size_t every = 2; every < PL_MAX_TICKS; every++) {
        if (labels_fit(r, size, fonts)) {
            return;
        }
        size_t k = 0;
        for (size_t i = 0; i < *r->count; i++) {
            if (r->ticks[i].major && k++ % every != 0) {
                r->ticks[i].major = false;
                r->ticks[i].text[0] = '\0';
            }
        }
    }
}

static void choose_ticks(const row *r, double size, pl_fonts *fonts)
{
    bool names = r->axis->names != NULL;
    size_t limit = names ? PL_MAX_TICKS : MAX_WANTED;
    double wanted = r->length / (size * (names ? 1.1 : r->along ? 4.5 : 3));
    size_t most = wanted < 2 ? 2 : wanted > (double)limit ? limit : (size_t)wanted;
    size_t before = 0;
    for (size_t n = most; n >= 1; n--) {
        *r->count = pl_ticks(r->axis, n, r->ticks);
        if (*r->count != before && labels_fit(r, size, fonts)) {
            return;
        }
        before = *r->count;
    }
    thin_labels(r, size, fonts);
}

static double widest(const row *r, double size, pl_fonts *fonts)
{
    double width = 0;
    for (size_t i = 0; i < *r->count; i++) {
        if (r->ticks[i].major) {
            width = fmax(width, pl_fonts_measure(fonts, r->ticks[i].text, size, r->most).width);
        }
    }
    return width;
}

/* Names that are too long to stand side by side read upwards. */
static bool wants_upright(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    if (figure->x.names == NULL || layout->upright || !pl_layout_x_numbers(layout)) {
        return false;
    }
    row r = x_row(figure, layout);
    *r.count = pl_ticks(r.axis, PL_MAX_TICKS, r.ticks);
    bool fits = labels_fit(&r, layout->small, fonts);
    return !fits && widest(&r, layout->small, fonts) > SHORT_NAME * layout->small;
}

/* How far the labels of the x axis reach beyond the right end of the plot. */
static double overhang(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    double most = 0;
    for (size_t i = 0; pl_layout_x_numbers(layout) && i < layout->n_x; i++) {
        if (layout->x[i].major) {
            pl_extent box =
                pl_fonts_measure(fonts, layout->x[i].text, layout->small, layout->x_most);
            double half = (layout->upright ? box.height : box.width) / 2;
            double at = pl_layout_at_x(layout, figure, layout->x[i].at);
            most = fmax(most, at + half - layout->plot.x1);
        }
    }
    return most;
}

/* --- the plot's place --------------------------------------------------------------------------
 */

/* Above the plot: title and letter in one line, then the legend's strip. */
static double space_above(pl_layout *layout, pl_fonts *fonts, double strip)
{
    const char *letter = layout->options.letter;
    bool lettered = has_text(letter) && layout->numbers;
    layout->letter =
        lettered ? pl_fonts_measure_bold(fonts, letter, layout->text).width + layout->text : 0;
    double text = line_height(fonts, layout->text);
    double small = line_height(fonts, layout->small);
    double gap = 0.6 * layout->pad;
    bool line = layout->title || lettered;
    double above = layout->pad + (line ? text + gap : layout->numbers ? 0.3 * small : 0);
    layout->strip = (pl_area){0, above, 0, above + strip};
    return above + strip;
}

/* Below the plot: ticks, numbers or names, the axis' label. */
static double space_below(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    double gap = 0.6 * layout->pad;
    double below = layout->pad + layout->tick;
    if (pl_layout_x_numbers(layout)) {
        row r = x_row(figure, layout);
        below += 0.5 * gap + (layout->upright ? widest(&r, layout->small, fonts)
                                              : line_height(fonts, layout->small));
    }
    if (layout->labels && !layout->options.no_x_label && has_text(figure->x.label)) {
        below += line_height(fonts, layout->text) + 0.3 * gap;
    }
    return below;
}

static double space_left(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    double gap = 0.6 * layout->pad;
    double left = layout->pad + layout->tick;
    if (layout->labels && !layout->options.no_y_label && has_text(figure->y.label)) {
        left += line_height(fonts, layout->text) + gap;
    }
    if (pl_layout_y_numbers(layout)) {
        row r = y_row(figure, layout);
        left += 0.5 * gap + widest(&r, layout->small, fonts);
    }
    return left;
}

/* Right of the plot: the colour bar with its ticks, numbers and label.  Its ticks are chosen here,
 * its x0 and x1 are relative to the plot. */
static double space_right(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    const pl_heat *heat = figure->heat;
    layout->bar = (pl_area){0};
    layout->n_colour = 0;
    if (heat == NULL || !layout->numbers) {
        return layout->pad;
    }
    double gap = 0.6 * layout->pad;
    pl_axis axis = {.log = heat->log, .lo = heat->lo, .hi = heat->hi};
    row r = {.axis = &axis,
             .ticks = layout->colour,
             .count = &layout->n_colour,
             .length = layout->plot.y1 - layout->plot.y0};
    choose_ticks(&r, layout->small, fonts);
    double from = 1.6 * layout->pad;
    double to = from + 1.1 * layout->small;
    layout->bar = (pl_area){from, 0, to, 0};
    double right = to + layout->tick + 0.5 * gap + widest(&r, layout->small, fonts) + layout->pad;
    if (layout->labels && has_text(heat->label)) {
        right += gap + line_height(fonts, layout->text);
    }
    return right;
}

static void place_across(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    const pl_area *least = &layout->options.margins;
    pl_area *plot = &layout->plot;
    double right = space_right(figure, layout, fonts);
    plot->x0 = fmax(space_left(figure, layout, fonts), least->x0);
    plot->x1 = fmax(layout->width - fmax(right, least->x1), plot->x0 + 1);
    row r = x_row(figure, layout);
    choose_ticks(&r, layout->small, fonts);
    double reach = overhang(figure, layout, fonts);
    double beyond = reach - (layout->width - plot->x1 - 0.5 * layout->pad);
    if (beyond > 0 && plot->x1 - beyond > plot->x0 + 1) {
        plot->x1 -= beyond;
        r = x_row(figure, layout);
        choose_ticks(&r, layout->small, fonts);
    }
}

static void place_box(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts, double strip)
{
    const pl_area *least = &layout->options.margins;
    pl_area *plot = &layout->plot;
    layout->upright = false;
    layout->n_x = 0;
    layout->x_most = figure->x.names != NULL ? NAME_SHARE * layout->height : 0;
    layout->y_most = figure->y.names != NULL ? NAME_SHARE * layout->width : 0;
    for (int pass = 0; pass < PASSES; pass++) {
        plot->y0 = fmax(space_above(layout, fonts, strip), least->y0);
        plot->y1 = layout->height - fmax(space_below(figure, layout, fonts), least->y1);
        plot->y1 = fmax(plot->y1, plot->y0 + 1);
        row r = y_row(figure, layout);
        choose_ticks(&r, layout->small, fonts);
        place_across(figure, layout, fonts);
        if (!layout->upright && !wants_upright(figure, layout, fonts)) {
            /* The question may have left other ticks. */
            r = x_row(figure, layout);
            choose_ticks(&r, layout->small, fonts);
            return;
        }
        layout->upright = true;
        r = x_row(figure, layout);
        choose_ticks(&r, layout->small, fonts);
    }
}

static void snap_plot(pl_layout *layout)
{
    pl_area *plot = &layout->plot;
    plot->x0 = pl_layout_snap(layout, plot->x0, layout->spine);
    plot->x1 = pl_layout_snap(layout, plot->x1, layout->spine);
    plot->y0 = pl_layout_snap(layout, plot->y0, layout->spine);
    plot->y1 = pl_layout_snap(layout, plot->y1, layout->spine);
    /* On a page of a few pixels the spines may fall together. */
    plot->x1 = fmax(plot->x1, plot->x0 + layout->pixel);
    plot->y1 = fmax(plot->y1, plot->y0 + layout->pixel);
    pl_area *bar = &layout->bar;
    if (bar->x1 > bar->x0) {
        bar->x0 = pl_layout_snap(layout, plot->x1 + bar->x0, layout->spine);
        bar->x1 = pl_layout_snap(layout, plot->x1 + bar->x1, layout->spine);
        bar->y0 = plot->y0;
        bar->y1 = plot->y1;
    }
    pl_area *strip = &layout->strip;
    strip->x0 = plot->x0;
    strip->x1 = fmax(plot->x1, bar->x1);
    double height = strip->y1 - strip->y0;
    strip->y1 = plot->y0; /* margins may have moved the plot */
    strip->y0 = strip->y1 - height;
}

void pl_layout_make_with(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                         double pixel, const pl_draw_options *options, double strip, pl_layout *out)
{
    *out = (pl_layout){.width = width, .height = height, .pixel = pixel};
    if (options != NULL) {
        out->options = *options;
    }
    pl_layout_sizes(out);
    for (int drop = 0; drop < 4; drop++) {
        out->title = drop < 1 && has_text(figure->title);
        out->labels = drop < 2;
        out->numbers = drop < 3;
        place_box(figure, out, fonts, strip);
        const pl_area *plot = &out->plot;
        double down = (strip > 0 ? 0.3 : 0.4) * height;
        if (plot->x1 - plot->x0 >= 0.4 * width && plot->y1 - plot->y0 >= down) {
            break;
        }
    }
    snap_plot(out);
}

void pl_layout_make(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                    double pixel, pl_layout *out)
{
    pl_layout_make_with(figure, fonts, width, height, pixel, NULL, 0, out);
}
