#include "plots/relief.h"

#include <math.h>
#include <stdlib.h>

/* Shares of the box: how far the rows go to the left and down, how far the channels go down. */
#define LEFTWARDS 0.22
#define DOWNWARDS 0.27
#define SLOPE 0.10

#define LOWEST 0.87, 0.91, 0.96 /* the floor's colour */

static pl_axis height_axis(const pl_figure *figure)
{
    return (pl_axis){.lo = figure->heat->lo, .hi = figure->heat->hi};
}

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static double widest_tick(const pl_axis *axis, size_t wanted, const pl_layout *layout,
                          pl_fonts *fonts)
{
    pl_tick ticks[PL_MAX_TICKS];
    double width = 0;
    const size_t count = pl_ticks(axis, wanted, ticks);
    for (size_t i = 0; i < count; i++) {
        width = fmax(width, pl_fonts_measure(fonts, ticks[i].text, layout->small, 0).width);
    }
    return width;
}

enum { ACROSS = 5, FORWARD = 4, UP = 5 }; /* ticks wanted */

/* What a row stands for: the number that is its name, else its own. */
static double row_value(const pl_figure *figure, size_t row)
{
    const char *name = pl_axis_name(&figure->y, row);
    char *end = NULL;
    const double value = name != NULL ? strtod(name, &end) : 0;
    return name != NULL && end != name ? value : (double)row;
}

/* The rows' numbers from the back to the front. */
static pl_axis rows_axis(const pl_figure *figure)
{
    const double back = row_value(figure, figure->heat->rows - 1), front = row_value(figure, 0);
    const double least = fmin(back, front);
    return (pl_axis){.lo = least, .hi = fmax(fmax(back, front), least + 1), .whole = true};
}

/* Where a number stands between the rows, 0 at the back ... 1 in front. */
static double share_of_row(const pl_figure *figure, double value)
{
    const size_t rows = figure->heat->rows;
    for (size_t i = 0; i + 1 < rows; i++) {
        const double from = row_value(figure, rows - 1 - i), to = row_value(figure, rows - 2 - i);
        if ((from <= value && value <= to) || (to <= value && value <= from)) {
            const double part = from < to || from > to ? (value - from) / (to - from) : 0;
            return ((double)i + part) / (double)(rows - 1);
        }
    }
    return 0;
}

pl_projection pl_relief_project(const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                                double above)
{
    const pl_axis z = height_axis(figure), y = rows_axis(figure);
    const double text = pl_fonts_line_height(fonts, layout->text);
    const double small = pl_fonts_line_height(fonts, layout->small);
    const double gap = layout->tick + 0.4 * layout->pad;
    const double left = layout->pad + (has_text(figure->heat->label) ? text + 0.3 * gap : 0) +
                        widest_tick(&z, UP, layout, fonts) + gap;
    /* Beside the floor's right edge, which leans to the left: names need little more than half. */
    const double right =
        layout->pad + fmax(0.6 * widest_tick(&y, FORWARD, layout, fonts), layout->small);
    /* The label is below the middle of an edge that falls to the right. */
    const double label = has_text(figure->x.label) ? 1.1 * text - 0.4 * SLOPE * layout->height : 0;
    const double below = layout->pad + small + gap + fmax(label, 0);
    const double wide = fmax(layout->width - left - right, 1);
    const double high = fmax(layout->height - above - below - 0.5 * layout->pad, 1);
    pl_projection p = {.across_x = (1 - LEFTWARDS) * wide,
                       .across_y = SLOPE * high,
                       .forward_x = -LEFTWARDS * wide,
                       .forward_y = DOWNWARDS * high};
    p.up = high - p.across_y - p.forward_y;
    p.x = left - p.forward_x;
    p.y = above + 0.5 * layout->pad + p.up;
    return p;
}

static void project_point(const pl_projection *p, double x, double y, double z, double *at_x,
                          double *at_y)
{
    *at_x = p->x + x * p->across_x + y * p->forward_x;
    *at_y = p->y + x * p->across_y + y * p->forward_y - z * p->up;
}

static double heat_part(const pl_heat *heat, double value)
{
    const double part = (value - heat->lo) / (heat->hi - heat->lo);
    return part > 0 ? fmin(part, 1) : 0; /* NaN: nothing */
}

/* The share of the way that cell i of n is at: the outer ones stand on the edges. */
static double share_at(size_t i, size_t n)
{
    return n > 1 ? (double)i / (double)(n - 1) : 0.5;
}

void pl_relief_point(const pl_projection *p, const pl_heat *heat, size_t row, size_t col, double *x,
                     double *y)
{
    const double value = (double)heat->values[row * heat->cols + col];
    project_point(p, share_at(col, heat->cols), share_at(heat->rows - 1 - row, heat->rows),
                  heat_part(heat, value), x, y);
}

static void move_pen(cairo_t *cr, const pl_projection *p, double x, double y, double z)
{
    double at_x, at_y;
    project_point(p, x, y, z, &at_x, &at_y);
    cairo_move_to(cr, at_x, at_y);
}

static void line_to(cairo_t *cr, const pl_projection *p, double x, double y, double z)
{
    double at_x, at_y;
    project_point(p, x, y, z, &at_x, &at_y);
    cairo_line_to(cr, at_x, at_y);
}

/* Low is light, high is strong: blue, then vermilion, which differ in grey, too. */
static cairo_pattern_t *height_colours(const pl_projection *p, double row)
{
    static const double stops[][4] = {{0, LOWEST},
                                      {0.12, 0.55, 0.74, 0.90},
                                      {0.4, 0.0, 0.45, 0.70},
                                      {0.75, 0.84, 0.37, 0.0},
                                      {1, 0.62, 0.13, 0.0}};
    /* From the row's base upwards: lines of one colour run along the base. */
    const double along = hypot(p->across_x, p->across_y);
    const double nx = p->across_y / along, ny = -p->across_x / along;
    const double rise = p->up * p->across_x / along;
    double x, y;
    project_point(p, 0, row, 0, &x, &y);
    cairo_pattern_t *pattern = cairo_pattern_create_linear(x, y, x + nx * rise, y + ny * rise);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        cairo_pattern_add_color_stop_rgb(pattern, stops[i][0], stops[i][1], stops[i][2],
                                         stops[i][3]);
    }
    return pattern;
}

static void draw_curtain(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         const pl_projection *p, size_t row)
{
    const pl_heat *heat = figure->heat;
    const double y = share_at(heat->rows - 1 - row, heat->rows);
    double at_x, at_y;
    move_pen(cr, p, 0, y, 0);
    for (size_t c = 0; c < heat->cols; c++) {
        pl_relief_point(p, heat, row, c, &at_x, &at_y);
        cairo_line_to(cr, at_x, at_y);
    }
    line_to(cr, p, 1, y, 0);
    cairo_close_path(cr);
    cairo_pattern_t *colours = height_colours(p, y);
    cairo_set_source(cr, colours);
    cairo_fill(cr);
    for (size_t c = 0; c < heat->cols; c++) {
        pl_relief_point(p, heat, row, c, &at_x, &at_y);
        cairo_line_to(cr, at_x, at_y);
    }
    /* The profile in a darker line of the same colours, thin where rows are many. */
    const double apart = p->forward_y / (double)heat->rows;
    cairo_set_line_width(cr, fmin(0.5 * layout->scale, fmax(0.3 * apart, 0.15)));
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke_preserve(cr);
    cairo_set_source_rgba(cr, 0, 0, 0.1, 0.45);
    cairo_stroke(cr);
    cairo_pattern_destroy(colours);
}

static void draw_walls(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                       const pl_projection *p)
{
    const pl_axis z = height_axis(figure);
    pl_tick ticks[PL_MAX_TICKS];
    const size_t count = pl_ticks(&z, UP, ticks);
    move_pen(cr, p, 0, 0, 0);
    line_to(cr, p, 1, 0, 0);
    line_to(cr, p, 1, 1, 0);
    line_to(cr, p, 0, 1, 0);
    cairo_set_source_rgb(cr, LOWEST);
    cairo_fill(cr);
    cairo_set_line_width(cr, 0.5 * layout->scale);
    cairo_set_source_rgb(cr, 0.85, 0.85, 0.85);
    for (size_t i = 0; i < count; i++) {
        if (ticks[i].major) {
            const double part = heat_part(figure->heat, ticks[i].at);
            move_pen(cr, p, 0, 1, part);
            line_to(cr, p, 0, 0, part);
            line_to(cr, p, 1, 0, part);
            cairo_stroke(cr);
        }
    }
    cairo_set_source_rgb(cr, 0.6, 0.6, 0.6);
    move_pen(cr, p, 0, 0, 1);
    line_to(cr, p, 0, 0, 0);
    cairo_stroke(cr);
    move_pen(cr, p, 0, 1, 0);
    line_to(cr, p, 0, 0, 0);
    line_to(cr, p, 1, 0, 0);
    cairo_stroke(cr);
}

static void draw_tick(cairo_t *cr, const pl_layout *layout, double x, double y, double dx,
                      double dy)
{
    cairo_set_line_width(cr, pl_layout_width(layout, layout->spine));
    cairo_move_to(cr, x, y);
    cairo_line_to(cr, x + dx, y + dy);
    cairo_stroke(cr);
}

/* A label along a slope, its middle at x, y, its top there. */
static void draw_sloped(cairo_t *cr, pl_fonts *fonts, const pl_layout *layout, const char *text,
                        double x, double y, double angle)
{
    const pl_extent size = pl_fonts_measure(fonts, text, layout->text, 0);
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, angle);
    pl_fonts_draw(fonts, cr, text, layout->text, 0, -size.width / 2, 0);
    cairo_restore(cr);
}

static void draw_across(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                        pl_fonts *fonts, const pl_projection *p)
{
    pl_tick ticks[PL_MAX_TICKS];
    const size_t count = pl_ticks(&figure->x, ACROSS, ticks);
    const double last = (double)(figure->heat->cols - 1) * figure->heat->step;
    const double small = pl_fonts_line_height(fonts, layout->small);
    double x, y;
    for (size_t i = 0; i < count; i++) {
        if (ticks[i].major && ticks[i].at >= 0 && ticks[i].at <= last) {
            project_point(p, last > 0 ? ticks[i].at / last : 0.5, 1, 0, &x, &y);
            draw_tick(cr, layout, x, y, 0, layout->tick);
            const pl_extent size = pl_fonts_measure(fonts, ticks[i].text, layout->small, 0);
            pl_fonts_draw(fonts, cr, ticks[i].text, layout->small, 0, x - size.width / 2,
                          y + layout->tick + 0.1 * layout->pad);
        }
    }
    if (has_text(figure->x.label)) {
        project_point(p, 0.5, 1, 0, &x, &y);
        draw_sloped(cr, fonts, layout, figure->x.label, x,
                    y + layout->tick + small + 0.2 * layout->pad, atan2(p->across_y, p->across_x));
    }
}

/* The rows' numbers along the right edge of the floor, the label below them where the floor has
 * made room. */
static void draw_forward(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                         pl_fonts *fonts, const pl_projection *p)
{
    pl_tick ticks[PL_MAX_TICKS];
    const pl_axis axis = rows_axis(figure);
    const size_t count = pl_ticks(&axis, FORWARD, ticks);
    double x, y;
    for (size_t i = 0; i < count; i++) {
        if (ticks[i].major) {
            project_point(p, 1, share_of_row(figure, ticks[i].at), 0, &x, &y);
            draw_tick(cr, layout, x, y, layout->tick, 0);
            const pl_extent size = pl_fonts_measure(fonts, ticks[i].text, layout->small, 0);
            pl_fonts_draw(fonts, cr, ticks[i].text, layout->small, 0,
                          fmin(x + 1.4 * layout->tick, layout->width - size.width - 1),
                          y - 0.45 * size.height);
        }
    }
    if (has_text(figure->y.label)) {
        const pl_extent size = pl_fonts_measure(fonts, figure->y.label, layout->text, 0);
        project_point(p, 1, 1, 0, &x, &y);
        x = fmin(x + 4 * layout->tick, layout->width - layout->pad - size.width);
        pl_fonts_draw(fonts, cr, figure->y.label, layout->text, 0, x,
                      fmin(y + layout->tick, layout->height - layout->pad - size.height));
    }
}

static void draw_up(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    const pl_projection *p)
{
    const pl_axis z = height_axis(figure);
    pl_tick ticks[PL_MAX_TICKS];
    const size_t count = pl_ticks(&z, UP, ticks);
    double x, y, widest = 0;
    for (size_t i = 0; i < count; i++) {
        if (ticks[i].major) {
            project_point(p, 0, 1, heat_part(figure->heat, ticks[i].at), &x, &y);
            draw_tick(cr, layout, x, y, -layout->tick, 0);
            const pl_extent size = pl_fonts_measure(fonts, ticks[i].text, layout->small, 0);
            pl_fonts_draw(fonts, cr, ticks[i].text, layout->small, 0,
                          x - 1.4 * layout->tick - size.width, y - size.height / 2);
            widest = fmax(widest, size.width);
        }
    }
    if (has_text(figure->heat->label)) {
        project_point(p, 0, 1, 0.5, &x, &y);
        const double height = pl_fonts_line_height(fonts, layout->text);
        draw_sloped(cr, fonts, layout, figure->heat->label,
                    fmax(x - 2 * layout->tick - widest - height, 0.5), y, -M_PI / 2);
    }
}

static void draw_edges(cairo_t *cr, const pl_layout *layout, const pl_projection *p)
{
    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_set_line_width(cr, pl_layout_width(layout, layout->spine));
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_MITER);
    move_pen(cr, p, 0, 1, 1);
    line_to(cr, p, 0, 1, 0);
    line_to(cr, p, 1, 1, 0);
    line_to(cr, p, 1, 0, 0);
    cairo_stroke(cr);
}

/* Beside the peak that it names. */
static void draw_note(cairo_t *cr, const pl_figure *figure, const pl_layout *layout,
                      pl_fonts *fonts, const pl_projection *p, const pl_note *note)
{
    double x, y;
    const size_t col = pl_heat_col(figure->heat, note->x);
    pl_relief_point(p, figure->heat, (size_t)note->y, col, &x, &y);
    const pl_extent size = pl_fonts_measure(fonts, note->text, layout->small, 0);
    const double gap = 0.5 * layout->small;
    const bool left = x + gap + size.width > layout->width - layout->pad;
    cairo_set_source_rgb(cr, 0, 0, 0);
    pl_fonts_draw(fonts, cr, note->text, layout->small, 0, left ? x - gap - size.width : x + gap,
                  y - 0.3 * size.height);
}

void pl_relief_draw(cairo_t *cr, const pl_figure *figure, const pl_layout *layout, pl_fonts *fonts,
                    double above)
{
    const pl_projection p = pl_relief_project(figure, layout, fonts, above);
    draw_walls(cr, figure, layout, &p);
    for (size_t row = figure->heat->rows; row-- > 0;) { /* from the back */
        draw_curtain(cr, figure, layout, &p, row);
    }
    draw_edges(cr, layout, &p);
    draw_across(cr, figure, layout, fonts, &p);
    draw_forward(cr, figure, layout, fonts, &p);
    draw_up(cr, figure, layout, fonts, &p);
    for (size_t i = 0; i < figure->n_notes; i++) {
        draw_note(cr, figure, layout, fonts, &p, &figure->notes[i]);
    }
}

void pl_relief_share(pl_figure *figures, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        most = figures[i].relief ? fmax(most, figures[i].heat->hi) : most;
    }
    for (size_t i = 0; i < count; i++) {
        if (figures[i].relief) {
            figures[i].heat->hi = most;
        }
    }
}
