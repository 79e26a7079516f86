#include "plots/layout.h"

#include <math.h>

enum { MAX_WANTED = 8, PASSES = 3 };

#define NAME_SHARE 0.3  /* of the page that names along an axis take before they are set smaller */
#define LEAST_PLOT 24.0 /* points: a side of the plot beside all of its texts */
#define NAME_MOST 0.55  /* ... and may take */
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
static double axis_part(const pl_axis *axis, double value)
{
    double part = 0;
    if (axis->log) {
        part = value > 0 ? log(value / axis->lo) / log(axis->hi / axis->lo) : 0;
    } else {
        part = (value - axis->lo) / (axis->hi - axis->lo);
    }
    const double beyond = axis->cropped ? 4 : 0;
    return fmin(fmax(part, -beyond), 1 + beyond);
}

static double axis_value_at(const pl_axis *axis, double part)
{
    return axis->log ? axis->lo * pow(axis->hi / axis->lo, part)
                     : axis->lo + part * (axis->hi - axis->lo);
}

double pl_layout_at_x(const pl_layout *layout, const pl_figure *figure, double value)
{
    const pl_area *plot = &layout->plot;
    return plot->x0 + axis_part(&figure->x, value) * (plot->x1 - plot->x0);
}

double pl_layout_at_y(const pl_layout *layout, const pl_figure *figure, double value)
{
    const pl_area *plot = &layout->plot;
    return plot->y1 - axis_part(&figure->y, value) * (plot->y1 - plot->y0);
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

double pl_layout_tick_size(const pl_layout *layout, const pl_axis *axis)
{
    return axis->names != NULL ? layout->names : layout->small;
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
    double inches = layout->options.inches > 0 ? layout->options.inches
                                               : fmin(layout->width, layout->height * 1.5) / 72;
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
    layout->small = fmax(fmin(5, layout->text), fmin(layout->text - 1, 0.9 * layout->text));
    layout->names = layout->small;
    layout->spine = 0.8 * layout->scale;
}

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* --- ticks that fit ----------------------------------------------------------------------------
 */

/* One row of tick labels: along the axis (side by side) or across it (stacked). */
typedef struct row {
    const pl_axis *axis;
    pl_tick *ticks;
    size_t *count;
    double length; /* of the axis, points */
    bool along;
} row;

static row x_row(const pl_figure *figure, pl_layout *layout)
{
    return (row){.axis = &figure->x,
                 .ticks = layout->x,
                 .count = &layout->n_x,
                 .length = layout->plot.x1 - layout->plot.x0,
                 .along = !layout->upright};
}

static row y_row(const pl_figure *figure, pl_layout *layout)
{
    return (row){.axis = &figure->y,
                 .ticks = layout->y,
                 .count = &layout->n_y,
                 .length = layout->plot.y1 - layout->plot.y0};
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
        pl_extent box = pl_fonts_measure(fonts, r->ticks[i].text, size, 0);
        double at = axis_part(r->axis, r->ticks[i].at) * r->length;
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

static double widest_label(const row *r, double size, pl_fonts *fonts)
{
    double width = 0;
    for (size_t i = 0; i < *r->count; i++) {
        if (r->ticks[i].major) {
            width = fmax(width, pl_fonts_measure(fonts, r->ticks[i].text, size, 0).width);
        }
    }
    return width;
}

/* The widest of an axis' names, shown or not: other ticks leave the margins as they are. */
static double widest_name(const pl_axis *axis, double size, pl_fonts *fonts)
{
    double width = 0;
    pl_tick ticks[PL_MAX_TICKS];
    for (size_t first = 0; axis->names != NULL && first < axis->n_names; first += PL_MAX_TICKS) {
        pl_axis part = *axis;
        part.names = axis->names + first;
        part.n_names = axis->n_names - first < PL_MAX_TICKS ? axis->n_names - first : PL_MAX_TICKS;
        part.lo = -0.5;
        part.hi = (double)part.n_names;
        size_t count = pl_ticks(&part, PL_MAX_TICKS, ticks);
        for (size_t i = 0; i < count; i++) {
            width = fmax(width, pl_fonts_measure(fonts, ticks[i].text, size, 0).width);
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
    bool fits = labels_fit(&r, layout->names, fonts);
    return !fits && widest_label(&r, layout->names, fonts) > SHORT_NAME * layout->small;
}

/* How far the labels of the x axis reach beyond the right end of the plot. */
static double overhang(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts)
{
    double most = 0;
    for (size_t i = 0; pl_layout_x_numbers(layout) && i < layout->n_x; i++) {
        if (layout->x[i].major) {
            pl_extent box = pl_fonts_measure(fonts, layout->x[i].text,
                                             pl_layout_tick_size(layout, &figure->x), 0);
            double half = (layout->upright ? box.height : box.width) / 2;
            double at = pl_layout_at_x(layout, figure, layout->x[i].at);
            most = fmax(most, at + half - layout->plot.x1);
        }
    }
    return most;
}

/* --- the plot's place --------------------------------------------------------------------------
 */

/* Notes the text that needs the most room beyond what there is. */
static void note_needs(pl_layout *layout, double more, const char *text)
{
    if (more > 0 && layout->width + more > layout->needs) {
        layout->needs = layout->width + more;
        layout->too_wide = text;
    }
}

static void wrap_text(pl_layout *layout, pl_fonts *fonts, const char *text, double room,
                      size_t lines, pl_wrapped *out)
{
    pl_wrap(fonts, text, layout->text, fmax(room, 1), lines, out);
    if (out->needs > 0 && (layout->width < PL_THUMBNAIL || layout->height < PL_THUMBNAIL)) {
        *out = (pl_wrapped){0};
    }
    note_needs(layout, out->needs > 0 ? out->needs - room : 0, text);
}

/* A label beside the plot, upright: above the x label and the legend where it can be, since it
 * would lie on them; in the panel's whole height where only that holds it. */
static void wrap_beside(pl_layout *layout, pl_fonts *fonts, const char *text, double room,
                        double below, pl_wrapped *out)
{
    pl_wrap(fonts, text, layout->text, fmax(room - below, 1), 3, out);
    if (out->needs > 0) {
        wrap_text(layout, fonts, text, room, 3, out);
    }
}

/* The texts around the plot, as far as they are drawn. */
static void wrap_texts(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts,
                       const pl_strip *strip)
{
    const char *letter = layout->options.letter;
    const bool lettered = has_text(letter) && layout->numbers;
    const double across = layout->width - 2 * layout->pad;
    layout->letter =
        lettered ? pl_fonts_measure_bold(fonts, letter, layout->text).width + layout->text : 0;
    layout->heading = layout->x_label = layout->y_label = layout->bar_label = (pl_wrapped){0};
    layout->needs = 0;
    double top = layout->pad;
    if (layout->title) {
        double room = layout->width - layout->pad - fmax(layout->letter, layout->pad);
        wrap_text(layout, fonts, figure->title, room, 3, &layout->heading);
        top += layout->heading.height + 0.6 * layout->pad;
    } else if (lettered) {
        top += pl_fonts_line_height(fonts, layout->text) + 0.6 * layout->pad;
    }
    if (layout->labels && !layout->options.no_x_label && has_text(figure->x.label)) {
        wrap_text(layout, fonts, figure->x.label, across, 3, &layout->x_label);
    }
    const double down = layout->height - layout->pad - top;
    const double below = layout->x_label.height + strip->below;
    if (layout->labels && !layout->options.no_y_label && has_text(figure->y.label)) {
        wrap_beside(layout, fonts, figure->y.label, down, below, &layout->y_label);
    }
    const char *beside = figure->heat != NULL ? figure->heat->label : figure->right.label;
    if (layout->labels && has_text(beside)) {
        wrap_beside(layout, fonts, beside, down, below, &layout->bar_label);
    }
}

double pl_layout_floor(const pl_layout *layout, const pl_wrapped *label, double top)
{
    const double end = fmax(top + label->width, layout->floor);
    return fmin(end, layout->height - layout->pad);
}

/* Above the plot: title and letter. */
static double space_above(const pl_layout *layout, pl_fonts *fonts)
{
    double text =
        fmax(layout->heading.height,
             layout->letter > 0 || layout->title ? pl_fonts_line_height(fonts, layout->text) : 0);
    double small = pl_fonts_line_height(fonts, layout->small);
    double gap = 0.6 * layout->pad;
    return layout->pad + (text > 0 ? text + gap : layout->numbers ? 0.3 * small : 0);
}

/* Below the plot: ticks, numbers or names, the axis' label; without the legend's strip. */
static double space_below(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    double gap = 0.6 * layout->pad;
    double below = layout->pad + layout->tick;
    if (pl_layout_x_numbers(layout)) {
        double size = pl_layout_tick_size(layout, &figure->x);
        double names = layout->upright ? layout->wide_x : pl_fonts_line_height(fonts, size);
        note_needs(layout, names > NAME_MOST * layout->height ? names : 0, "names at the x axis");
        below += 0.5 * gap + names;
    }
    if (layout->x_label.n > 0) {
        below += layout->x_label.height + 0.3 * gap;
    }
    return below;
}

static double space_left(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    double gap = 0.6 * layout->pad;
    double left = layout->pad + layout->tick;
    if (layout->y_label.n > 0) {
        left += layout->y_label.height + gap;
    }
    if (pl_layout_y_numbers(layout)) {
        row r = y_row(figure, layout);
        double names = layout->wide_y > 0 ? layout->wide_y : widest_label(&r, layout->small, fonts);
        note_needs(layout, names > NAME_MOST * layout->width ? names : 0, "names at the y axis");
        left += 0.5 * gap + names;
    }
    return left;
}

/* Right of the plot: the right axis or the colour bar with its ticks, numbers and label.  Its ticks
 * are chosen here, the bar's x0 and x1 are relative to the plot. */
static double space_right(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts)
{
    const pl_heat *heat = figure->heat;
    layout->bar = (pl_area){0};
    layout->n_colour = 0;
    if ((heat == NULL && !pl_figure_has_right(figure)) || !layout->numbers) {
        return layout->pad;
    }
    double gap = 0.6 * layout->pad;
    pl_axis axis = figure->right;
    if (heat != NULL) {
        axis = (pl_axis){.log = heat->log, .lo = heat->lo, .hi = heat->hi};
    }
    row r = {.axis = &axis,
             .ticks = layout->colour,
             .count = &layout->n_colour,
             .length = layout->plot.y1 - layout->plot.y0};
    choose_ticks(&r, layout->small, fonts);
    double from = heat != NULL ? 1.6 * layout->pad : 0;
    double to = heat != NULL ? from + 1.1 * layout->small : 0;
    layout->bar = (pl_area){from, 0, to, 0};
    double right =
        to + layout->tick + 0.5 * gap + widest_label(&r, layout->small, fonts) + layout->pad;
    if (layout->bar_label.n > 0) {
        right += gap + layout->bar_label.height;
    }
    return right;
}

static void place_across(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts, double strip)
{
    const pl_area *least = &layout->options.margins;
    pl_area *plot = &layout->plot;
    double right = space_right(figure, layout, fonts);
    double left = space_left(figure, layout, fonts);
    double size = pl_layout_tick_size(layout, &figure->x);
    plot->x0 = fmax(left, least->x0);
    plot->x1 = fmax(layout->width - fmax(right + strip, least->x1), plot->x0 + 1);
    row r = x_row(figure, layout);
    choose_ticks(&r, size, fonts);
    double reach = overhang(figure, layout, fonts);
    double beyond = reach - (layout->width - strip - plot->x1 - 0.5 * layout->pad);
    if (beyond > 0 && plot->x1 - beyond > plot->x0 + 1) {
        plot->x1 -= beyond;
        r = x_row(figure, layout);
        choose_ticks(&r, size, fonts);
    }
    layout->y_label_x = plot->x0 - left + 0.7 * layout->pad;
    if (layout->wide_y > 0 && pl_layout_y_numbers(layout)) { /* beside the names that are shown */
        row y = y_row(figure, layout);
        layout->y_label_x += fmax(layout->wide_y - widest_label(&y, layout->names, fonts), 0);
    }
    layout->strip.x0 = plot->x1 + fmax(right, reach + 0.5 * layout->pad);
    layout->strip.x1 = layout->strip.x0 + strip;
}

/* Names along an axis that take more than their share are set smaller, down to 5 pt. */
static void shrink_names(pl_layout *layout, double wide, double share)
{
    double least = fmin(layout->names, PL_WRAP_LEAST);
    if (wide > share) {
        double part = fmax(share / wide, least / layout->names);
        layout->names *= part;
        layout->wide_x *= part;
        layout->wide_y *= part;
    }
}

static void place_box(const pl_figure *figure, pl_layout *layout, pl_fonts *fonts,
                      const pl_strip *strip)
{
    const pl_area *least = &layout->options.margins;
    pl_area *plot = &layout->plot;
    layout->upright = false;
    layout->n_x = 0;
    layout->names = layout->small;
    layout->wide_x = widest_name(&figure->x, layout->names, fonts);
    layout->wide_y = widest_name(&figure->y, layout->names, fonts);
    shrink_names(layout, layout->wide_y, NAME_SHARE * layout->width);
    wrap_texts(figure, layout, fonts, strip);
    for (int pass = 0; pass < PASSES; pass++) {
        double below = space_below(figure, layout, fonts);
        plot->y0 = fmax(space_above(layout, fonts), least->y0);
        plot->y1 = layout->height - fmax(below + strip->below, least->y1);
        plot->y1 = fmax(plot->y1, plot->y0 + 1);
        layout->x_label_y = plot->y1 + below - 0.7 * layout->pad - layout->x_label.height;
        layout->strip.y0 = plot->y1 + below - 0.4 * layout->pad;
        layout->strip.y1 = layout->strip.y0 + strip->below;
        layout->floor = layout->x_label.n > 0 ? layout->x_label_y
                        : strip->below > 0    ? layout->strip.y0
                                              : layout->height - layout->pad;
        row r = y_row(figure, layout);
        choose_ticks(&r, pl_layout_tick_size(layout, &figure->y), fonts);
        place_across(figure, layout, fonts, strip->right);
        if (!layout->upright && !wants_upright(figure, layout, fonts)) {
            /* The question may have left other ticks. */
            r = x_row(figure, layout);
            choose_ticks(&r, pl_layout_tick_size(layout, &figure->x), fonts);
            return;
        }
        layout->upright = true;
        shrink_names(layout, layout->wide_x, NAME_SHARE * layout->height);
        r = x_row(figure, layout);
        choose_ticks(&r, pl_layout_tick_size(layout, &figure->x), fonts);
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
}

void pl_layout_make(const pl_figure *figure, pl_fonts *fonts, double width, double height,
                    double pixel, const pl_draw_options *options, const pl_strip *strip,
                    pl_layout *out)
{
    static const pl_strip none;
    *out = (pl_layout){.width = width, .height = height, .pixel = pixel};
    if (options != NULL) {
        out->options = *options;
    }
    strip = strip != NULL ? strip : &none;
    pl_layout_sizes(out);
    for (int drop = 0; drop < 4; drop++) { /* on a thumbnail */
        out->title = drop < 1 && has_text(figure->title);
        out->labels = drop < 2;
        out->numbers = drop < 3;
        place_box(figure, out, fonts, strip);
        const pl_area *plot = &out->plot;
        double across = 0.4 * width - (plot->x1 - plot->x0);
        double down = (strip->below > 0 ? 0.3 : 0.4) * height - (plot->y1 - plot->y0);
        if (across <= 0 && down <= 0) {
            break;
        }
        if (width >= PL_THUMBNAIL && height >= PL_THUMBNAIL) {
            /* Nothing is left out: the plot is small, or the panel too small for it. */
            across = fmax(LEAST_PLOT - (plot->x1 - plot->x0), 0);
            down = fmax(LEAST_PLOT - (plot->y1 - plot->y0), 0);
            note_needs(out, fmax(across, down), NULL);
            break;
        }
    }
    /* A strip below goes over the whole width, one at the right is as high as the plot. */
    if (strip->below > 0) {
        out->strip.x0 = out->pad;
        out->strip.x1 = width - out->pad;
    } else if (strip->right > 0) {
        out->strip.y0 = out->plot.y0;
        out->strip.y1 = out->plot.y1;
    } else {
        out->strip = (pl_area){0};
    }
    snap_plot(out);
}
