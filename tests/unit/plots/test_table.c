#include "plots/table.h"

#include "tests/support/figures.h"

static pl_layout page(double width, double height)
{
    pl_layout layout = {.width = 72 * width, .height = 72 * height, .pixel = 0.24};
    pl_layout_sizes(&layout);
    return layout;
}

static void tables_fit_their_page(void **state)
{
    (void)state;
    const double sizes[][2] = {{1, 1}, {3.25, 2.5}, {5.5, 3.4}, {3.504, 2.5}, {7.205, 5}, {10, 8}};
    const size_t rows[] = {0, 1, 8, 30, 300};
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    for (size_t k = 0; k < 30; k++) {
        pl_figure f = pl_sample_table(rows[k / 6], 5);
        pl_layout layout = page(sizes[k % 6][0], sizes[k % 6][1]);
        double widths[5];
        pl_grid grid;
        pl_table_fit(&f, &layout, fonts, widths, &grid);
        expect_at_most(5, grid.size);
        expect_at_most(grid.size, 10);
        expect_at_most(0, grid.x);
        expect_at_most(grid.x + grid.width, layout.width);
        double sum = 4 * grid.gap;
        for (size_t j = 0; j < 5; j++) {
            expect_less(0, widths[j]);
            sum += widths[j];
        }
        expect_at_most(sum, grid.width + 0.01);
        expect_at_most(grid.rows, rows[k / 6]);
        expect_at_most(grid.y + (double)(grid.rows + 1) * grid.line, layout.height);
        if (grid.rows == 0 && rows[k / 6] != 0) {
            expect_less(layout.height, 80);
        }
        pl_figure_deinit(&f);
    }
    pl_fonts_destroy(fonts);
}

static void a_page_of_its_own_height_holds_it_whole(void **state)
{
    (void)state;
    const double widths_in[] = {3.25, 5.5, 10};
    const size_t rows[] = {1, 2, 12, 24, 60};
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    for (size_t k = 0; k < 15; k++) {
        pl_figure f = pl_sample_table(rows[k % 5], 4);
        double width = widths_in[k / 5];
        double height = pl_table_natural(&f, fonts, 72 * width, 0) / 72;
        pl_layout layout = page(width, height);
        double widths[4];
        pl_grid grid;
        pl_table_fit(&f, &layout, fonts, widths, &grid);
        assert_int_equal(grid.rows, rows[k % 5]);
        double end = grid.y + ((double)grid.rows + 1.9) * grid.line;
        expect_at_most(end, layout.height);
        if (rows[k % 5] >= 4) { /* and little more */
            expect_less(0.85 * layout.height, end);
        }
        pl_figure_deinit(&f);
    }
    pl_fonts_destroy(fonts);
}

static void what_fits_is_whole_and_large(void **state)
{
    (void)state;
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_figure f = pl_sample_table(8, 5);
    pl_layout layout = page(5.5, 3.4);
    double widths[5];
    pl_grid grid;
    pl_table_fit(&f, &layout, fonts, widths, &grid);
    assert_int_equal(grid.rows, 8);
    pl_check_close(grid.size, layout.text, 0, 1e-9);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

/* Rows of pixels that are one long dark line: the rules. */
static size_t count_rules(const pl_pixels *p)
{
    size_t rules = 0;
    bool before = false;
    for (int y = 0; y < p->height; y++) {
        int dark = 0;
        for (int x = 0; x < p->width; x++) {
            dark += (pl_pixel(p, x, y) & 255) < 100 ? 1 : 0;
        }
        bool line = dark > p->width / 2;
        rules += line && !before ? 1u : 0u;
        before = line;
    }
    return rules;
}

static void three_rules_and_no_vertical_one(void **state)
{
    (void)state;
    pl_figure f = pl_sample_table(60, 5);
    pl_pixels p = pl_sample_draw(&f, 3.25, 2.5, 200, 0, 0, 0, NULL);
    assert_int_equal(count_rules(&p), 3);
    for (int x = 0; x < p.width; x++) {
        int dark = 0;
        for (int y = 0; y < p.height; y++) {
            dark += (pl_pixel(&p, x, y) & 255) < 100 ? 1 : 0;
        }
        expect_less(dark, p.height / 2);
    }
    free(p.at);
    pl_figure_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_fit_their_page),
        cmocka_unit_test(a_page_of_its_own_height_holds_it_whole),
        cmocka_unit_test(what_fits_is_whole_and_large),
        cmocka_unit_test(three_rules_and_no_vertical_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
