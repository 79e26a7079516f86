/* Every mark of a figure in cells: what is extreme is drawn, in all marks and colours. */
#include "plots/build.h"
#include "views/figure_legend.h"
#include "views/plot.h"
#include "views/plot_table.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

enum { ROWS = 14, COLS = 60 };

static const pl_marks all_marks[] = {PL_MARKS_BRAILLE, PL_MARKS_BLOCKS, PL_MARKS_HALVES,
                                     PL_MARKS_ASCII};

static void start(pl_figure *figure, double x_lo, double x_hi, double y_lo, double y_hi)
{
    pl_error err = {0};
    *figure = (pl_figure){.x = {.lo = x_lo, .hi = x_hi}, .y = {.lo = y_lo, .hi = y_hi}};
    pl_check_ok(pl_figure_texts(figure, "title", "x", "y", &err), err);
}

static pl_series *add(pl_figure *figure, pl_mark mark, pl_tone tone, size_t count)
{
    pl_error err = {0};
    pl_series *series = NULL;
    pl_check_ok(pl_figure_add(figure, "series", mark, tone, count, &series, &err), err);
    return series;
}

static void draw_with(const pl_figure *figure, pl_plot_options options, pl_surface *surface)
{
    pl_error err = {0};
    pl_check_ok(pl_surface_resize(surface, ROWS, COLS, &err), err);
    surface->ascii = options.marks == PL_MARKS_ASCII;
    pl_check_ok(pl_plot_draw(figure, &options, surface, (pl_rect){0, 0, ROWS, COLS}, &err), err);
}

static void draw(const pl_figure *figure, pl_marks marks, pl_surface *surface)
{
    draw_with(figure, (pl_plot_options){.marks = marks, .colours = 256}, surface);
}

/* Cells of a row in a style. */
static int styled(const pl_surface *surface, int row, unsigned style)
{
    int n = 0;
    for (int x = 0; x < surface->cols; x++) {
        const pl_cell *cell = &surface->cells[row * surface->cols + x];
        n += (cell->style & PL_STYLE_MASK) == style && cell->code != ' ';
    }
    return n;
}

static int styled_all(const pl_surface *surface, unsigned style)
{
    int n = 0;
    for (int row = 0; row < surface->rows; row++) {
        n += styled(surface, row, style);
    }
    return n;
}

static bool contains(const pl_surface *surface, int row, const char *ascii)
{
    size_t length = strlen(ascii);
    for (int x = 0; x + (int)length <= surface->cols; x++) {
        size_t i = 0;
        while (i < length &&
               surface->cells[row * surface->cols + x + (int)i].code == (uint32_t)ascii[i]) {
            i++;
        }
        if (i == length) {
            return true;
        }
    }
    return false;
}

static bool anywhere(const pl_surface *surface, const char *ascii)
{
    for (int row = 0; row < surface->rows; row++) {
        if (contains(surface, row, ascii)) {
            return true;
        }
    }
    return false;
}

/* One spike among 100,000 points of every mark reaches the top row. */
static void check_spike(pl_mark mark, pl_marks marks)
{
    enum { N = 100000 };
    pl_figure figure;
    start(&figure, 0, N, 0, 1);
    pl_series *series = add(&figure, mark, PL_TONE_AFTER, N);
    for (size_t i = 0; i < N; i++) {
        double y = i == 54321 ? 1 : 0.1;
        series->x[i] = (double)i;
        for (size_t k = 0; k < pl_mark_width(mark); k++) {
            series->y[i * pl_mark_width(mark) + k] = k + 1 == pl_mark_width(mark) ? y : 0.1;
        }
    }
    if (mark == PL_MARK_STEPS) {
        series->x[N] = N;
    }
    pl_surface surface = {0};
    draw(&figure, marks, &surface);
    assert_in_range(styled(&surface, 0, PL_STYLE_AFTER), 1, 2);
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

static void test_spikes(void **state)
{
    (void)state;
    static const pl_mark kinds[] = {PL_MARK_LINE,   PL_MARK_STEPS, PL_MARK_STEMS,
                                    PL_MARK_POINTS, PL_MARK_FAN,   PL_MARK_BOX};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (size_t m = 0; m < 4; m++) {
            check_spike(kinds[k], all_marks[m]);
        }
    }
}

/* A line from corner to corner has a cell in every column, none missing. */
static void test_lines_are_joined(void **state)
{
    (void)state;
    for (size_t m = 0; m < 4; m++) {
        pl_figure figure;
        start(&figure, 1, 1000, 1e-3, 1);
        figure.x.log = figure.y.log = true;
        pl_series *series = add(&figure, PL_MARK_LINE, PL_TONE_BEFORE, 2);
        series->x[0] = 1;
        series->x[1] = 1000;
        series->y[0] = 1e-3;
        series->y[1] = 1;
        pl_surface surface = {0};
        draw(&figure, all_marks[m], &surface);
        int empty = 0;
        for (int row = 0; row < ROWS - 2; row++) {
            empty += styled(&surface, row, PL_STYLE_BEFORE) == 0;
        }
        assert_int_equal(empty, 0);
        expect_at_most(COLS - 10, styled_all(&surface, PL_STYLE_BEFORE));
        pl_surface_deinit(&surface);
        pl_figure_deinit(&figure);
    }
}

/* Rules in both directions with their labels, a note beside its point. */
static void test_rules_and_notes(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure figure;
    start(&figure, 0, 10, 0, 1);
    pl_series *series = add(&figure, PL_MARK_POINTS, PL_TONE_EXTRA, 1);
    series->x[0] = 2;
    series->y[0] = 0.9;
    pl_check_ok(pl_figure_rule(&figure, 0.5, false, "half", &err), err);
    pl_check_ok(pl_figure_rule(&figure, 7, true, "knee", &err), err);
    figure.notes[figure.n_notes++] = (pl_note){.x = 2, .y = 0.9, .text = "peak"};
    pl_surface surface = {0};
    draw(&figure, PL_MARKS_ASCII, &surface);
    assert_true(anywhere(&surface, "half"));
    assert_true(anywhere(&surface, "knee"));
    assert_true(anywhere(&surface, "peak"));
    for (int row = 1; row < ROWS - 2; row++) {
        expect_at_most(1, styled(&surface, row, PL_STYLE_RULE));
    }
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

static void test_names(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure figure;
    start(&figure, -0.5, 2.5, 0, 1);
    pl_check_ok(pl_figure_names(&figure.x, 3, &err), err);
    static const char *const names[] = {"first", "second", "third"};
    pl_series *series = add(&figure, PL_MARK_BOX, PL_TONE_BEFORE, 3);
    for (size_t i = 0; i < 3; i++) {
        pl_check_ok(pl_figure_text(&figure.x.names[i], names[i], &err), err);
        series->x[i] = (double)i;
        for (size_t k = 0; k < PL_SPREAD; k++) {
            series->y[i * PL_SPREAD + k] = 0.1 * (double)(k + 1);
        }
    }
    pl_surface surface = {0};
    draw(&figure, PL_MARKS_ASCII, &surface);
    for (size_t i = 0; i < 3; i++) {
        assert_true(contains(&surface, ROWS - 1, names[i]));
    }
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

/* --- heat maps -------------------------------------------------------------------------------- */

enum { TOKENS = 200, CHANNELS = 3000 };

static void make_heat(pl_figure *figure)
{
    pl_error err = {0};
    start(figure, -0.5, CHANNELS - 0.5, -0.5, TOKENS - 0.5);
    pl_check_ok(pl_figure_heat(figure, TOKENS, CHANNELS, "max |x|", &err), err);
    pl_heat *heat = figure->heat;
    for (size_t i = 0; i < (size_t)TOKENS * CHANNELS; i++) {
        heat->values[i] = 1;
    }
    heat->values[(size_t)(TOKENS - 1) * CHANNELS + 1500] = 100;
    heat->lo = 1;
    heat->hi = 100;
    heat->log = true;
}

/* The largest of the many cells that share a screen cell is what it shows. */
static void test_heat_keeps_the_largest(void **state)
{
    (void)state;
    pl_figure figure;
    make_heat(&figure);
    pl_surface surface = {0};
    draw(&figure, PL_MARKS_BRAILLE, &surface);
    int top = 0;
    int low = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        unsigned style = surface.cells[i].style & PL_STYLE_MASK;
        top += style == (unsigned)PL_STYLE_HEAT + PL_HEAT_LEVELS - 1;
        low += style == (unsigned)PL_STYLE_HEAT;
    }
    assert_int_equal(top, 1);
    expect_less((ROWS - 3) * (COLS - 10), low);
    draw_with(&figure, (pl_plot_options){.marks = PL_MARKS_BRAILLE, .colours = 8}, &surface);
    int block = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        block += surface.cells[i].code == 0x2588;
    }
    assert_int_equal(block, 1);
    draw_with(&figure, (pl_plot_options){.marks = PL_MARKS_ASCII, .colours = 0}, &surface);
    assert_true(contains(&surface, 0, "@"));
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

static void test_heat_gaps_and_zoom(void **state)
{
    (void)state;
    pl_figure figure;
    make_heat(&figure);
    for (size_t i = 0; i < CHANNELS; i++) {
        figure.heat->values[i] = NAN; /* the first token: the bottom row when zoomed in */
    }
    pl_figure view = figure;
    view.y.hi = 5.5;
    view.x.hi = 11.5;
    pl_surface surface = {0};
    draw(&view, PL_MARKS_BRAILLE, &surface);
    for (int x = 6; x < COLS; x++) {
        expect_less((surface.cells[(ROWS - 3) * COLS + x].style & PL_STYLE_MASK), PL_STYLE_HEAT);
        expect_at_most(PL_STYLE_HEAT, (surface.cells[2 * COLS + x].style & PL_STYLE_MASK));
    }
    /* The crosshair is on the cell that it says. */
    draw_with(&view,
              (pl_plot_options){
                  .marks = PL_MARKS_ASCII, .colours = 0, .crosshair = true, .cursor = 3, .row = 3},
              &surface);
    int reversed = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        reversed += (surface.cells[i].style & PL_REVERSE) != 0 && surface.cells[i].code == '+';
    }
    assert_int_equal(reversed, 1);
    int used = pl_plot_colour_bar(figure.heat, &(pl_plot_options){.colours = 0}, &surface,
                                  (pl_rect){0, 0, 1, COLS}, 0, 0, COLS);
    expect_less(12, used);
    assert_true(contains(&surface, 0, "max |x|"));
    assert_true(contains(&surface, 0, "100"));
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

/* --- tables and legends ----------------------------------------------------------------------- */

static void test_table(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure figure;
    start(&figure, 0, 1, 0, 1);
    pl_check_ok(pl_figure_table(&figure, 40, 3, &err), err);
    for (size_t c = 0; c < 3; c++) {
        pl_check_ok(pl_figure_text(&figure.table->heads[c], c == 0 ? "group" : "value", &err), err);
    }
    for (size_t r = 0; r < 40; r++) {
        char text[16];
        snprintf(text, sizeof text, "row%zu", r);
        pl_check_ok(pl_figure_text(&figure.table->cells[r * 3], text, &err), err);
        pl_check_ok(pl_figure_text(&figure.table->cells[r * 3 + 1], "3.25", &err), err);
    }
    pl_surface surface = {0};
    pl_check_ok(pl_surface_resize(&surface, 8, 40, &err), err);
    size_t row = 30;
    size_t top = 0;
    pl_plot_table_draw(figure.table, &row, &top, true, false, &surface, (pl_rect){0, 0, 8, 40});
    assert_true(contains(&surface, 0, "group"));
    assert_true(anywhere(&surface, "row30"));
    assert_false(anywhere(&surface, "row12"));
    row = 1000; /* a table that has become shorter */
    pl_plot_table_draw(figure.table, &row, &top, true, false, &surface, (pl_rect){0, 0, 8, 40});
    assert_int_equal(row, 39);
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

/* Twelve series: what finds no place is counted, nothing is written over. */
static void test_legend(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure figure;
    start(&figure, 0, 10, 0, 1);
    for (size_t s = 0; s < PL_FIGURE_SERIES; s++) {
        pl_series *series = add(&figure, PL_MARK_LINE, (pl_tone)(PL_TONE_EXTRA + s % 8), 3);
        for (size_t i = 0; i < 3; i++) {
            series->x[i] = (double)i;
            series->y[i] = 0.25;
        }
    }
    pl_surface surface = {.ascii = true};
    pl_plot_options options = {.marks = PL_MARKS_ASCII, .crosshair = true, .cursor = 1};
    pl_check_ok(pl_surface_resize(&surface, 6, 60, &err), err);
    int lines = pl_figure_legend(&figure, &options, "12", true, &surface, (pl_rect){0, 0, 2, 60});
    assert_int_equal(lines, 2);
    assert_true(contains(&surface, 0, "series 0.250"));
    assert_true(contains(&surface, 0, "12"));
    assert_true(contains(&surface, 1, "+"));
    assert_int_equal(styled(&surface, 2, PL_STYLE_EXTRA), 0);
    pl_figure_deinit(&figure);
    /* Before and after: one pair of values; facts below. */
    start(&figure, 0, 10, 0, 1);
    for (size_t s = 0; s < 2; s++) {
        pl_series *series = add(&figure, PL_MARK_STEMS, s == 0 ? PL_TONE_BEFORE : PL_TONE_AFTER, 2);
        series->x[1] = 1;
        series->y[1] = s == 0 ? 0.5 : 0.25;
    }
    pl_figure_fact(&figure, "epsilon_rank", "%d of %d", 4, 9);
    pl_surface_clear(&surface);
    pl_figure_legend(&figure, &options, "1", true, &surface, (pl_rect){0, 0, 2, 60});
    assert_true(contains(&surface, 0, "1: 0.500 -> 0.250"));
    assert_true(contains(&surface, 1, "epsilon rank 4 of 9"));
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

/* A long value at the crosshair in a narrow pane: nothing touches it, counts are whole, what has
 * no room is counted. */
static void test_narrow_legend(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure figure;
    start(&figure, 0, 1, 0, 9000);
    for (size_t s = 0; s < 2; s++) {
        pl_series *series = add(&figure, PL_MARK_STEPS, s == 0 ? PL_TONE_BEFORE : PL_TONE_AFTER, 1);
        free(series->label);
        series->label = strdup(s == 0 ? "before" : "astro, beta = 0.0003");
        series->x[0] = 0;
        series->x[1] = 1;
        series->y[0] = s == 0 ? 2 : 5000;
    }
    pl_surface surface = {.ascii = true};
    pl_plot_options options = {.marks = PL_MARKS_ASCII, .crosshair = true, .cursor = 0.5};
    pl_check_ok(pl_surface_resize(&surface, 4, 60, &err), err);
    for (int cols = 20; cols <= 60; cols++) {
        for (int rows = 1; rows <= 2; rows++) {
            pl_surface_clear(&surface);
            pl_figure_legend(&figure, &options, "0.455 ... 0.467", false, &surface,
                             (pl_rect){0, 0, rows, cols});
            if (cols >= 32) {
                assert_true(contains(&surface, 0, " 0.455 ... 0.467: 2 -> 5,000"));
            }
            if (rows == 2 && cols >= 34) {
                assert_true(anywhere(&surface, "before"));
                assert_true(anywhere(&surface, "astro"));
            }
        }
    }
    pl_surface_deinit(&surface);
    pl_figure_deinit(&figure);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spikes),
        cmocka_unit_test(test_lines_are_joined),
        cmocka_unit_test(test_rules_and_notes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_heat_keeps_the_largest),
        cmocka_unit_test(test_heat_gaps_and_zoom),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_legend),
        cmocka_unit_test(test_narrow_legend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
