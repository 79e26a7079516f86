#include "plots/heat.h"
#include "plots/page.h"

#include "core/base/file.h"

#include "tests/support/figures.h"
#include "tests/support/temp.h"
#include "tests/unit/plots/one_figure.h"

/* How many pixels of the figure have the palette's brightest colour left of the colour bar, and
 * their mean place as parts of the plot. */
static size_t find_bright(const pl_figure *f, const pl_pixels *p, double dpi, double *x, double *y)
{
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_layout l;
    pl_layout_make(f, fonts, p->width * 72 / dpi, p->height * 72 / dpi, 72 / dpi, NULL, NULL, &l);
    pl_fonts_destroy(fonts);
    uint32_t bright = pl_palette_at(PL_PALETTE_VIRIDIS, 1);
    size_t count = 0;
    *x = 0;
    *y = 0;
    for (int i = 0; i < p->height; i++) {
        for (int j = 0; j < (int)(l.plot.x1 * dpi / 72); j++) {
            if (pl_pixel_near(pl_pixel(p, j, i), bright, 2)) {
                *x += (j + 0.5) * 72 / dpi;
                *y += (i + 0.5) * 72 / dpi;
                count++;
            }
        }
    }
    *x = (*x / (double)count - l.plot.x0) / (l.plot.x1 - l.plot.x0);
    *y = (l.plot.y1 - *y / (double)count) / (l.plot.y1 - l.plot.y0);
    return count;
}

static void the_brightest_cell_is_at_its_place(void **state)
{
    (void)state;
    const double dpis[] = {72, 150, 300};
    for (size_t k = 0; k < 3; k++) {
        pl_figure f = pl_sample_heat(10, 20, 7, 3);
        pl_pixels p = pl_sample_draw(&f, 3.25, 2.5, dpis[k], 0, 0, 0, NULL);
        double x;
        double y;
        size_t count = find_bright(&f, &p, dpis[k], &x, &y);
        double cell = 3.25 * 2.5 * dpis[k] * dpis[k] / 200;
        expect_less(0.3 * cell, (double)count);
        expect_less((double)count, cell);
        pl_check_close(x, 3.5 / 20, 0, 0.01);
        pl_check_close(y, 7.5 / 10, 0, 0.015);
        free(p.at);
        pl_figure_deinit(&f);
    }
}

static void one_cell_of_millions_is_drawn(void **state)
{
    (void)state;
    const size_t places[][2] = {{0, 0}, {511, 4095}, {100, 0}, {17, 2049}, {511, 0}, {300, 4094}};
    const double dpis[] = {60, 100, 130};
    pl_figure f = pl_sample_heat(512, 4096, 0, 0);
    f.heat->values[0] = 1;
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        float *cell = &f.heat->values[places[k][0] * 4096 + places[k][1]];
        *cell = 100;
        double dpi = dpis[k % 3];
        pl_pixels p = pl_sample_draw(&f, 3.25, 2.5, dpi, 0, 0, 0, NULL);
        double x;
        double y;
        size_t count = find_bright(&f, &p, dpi, &x, &y);
        expect_at_most(1, count);
        expect_at_most(count, 4);
        pl_check_close(x, ((double)places[k][1] + 0.5) / 4096, 0, 0.012);
        pl_check_close(y, ((double)places[k][0] + 0.5) / 512, 0, 0.018);
        free(p.at);
        *cell = 1;
    }
    pl_figure_deinit(&f);
}

static void thinning_puts_every_cell_somewhere(void **state)
{
    (void)state;
    enum { CELLS = 1000, MOST = 3000 };
    float cells[CELLS];
    for (size_t n = 1; n <= MOST; n = n * 7 / 4 + 1) {
        double edges[MOST + 1];
        float columns[MOST];
        for (size_t i = 0; i <= n; i++) {
            edges[i] = -0.5 + 4000.0 * (double)i / (double)n; /* step 4 */
        }
        for (size_t at = 0; at < CELLS; at += 13) {
            for (size_t i = 0; i < CELLS; i++) {
                cells[i] = i % 7 == 0 ? NAN : 1;
            }
            cells[at] = 5;
            pl_heat_thin(cells, CELLS, 1, -0.5, 4, edges, n, columns);
            size_t found = 0;
            for (size_t i = 0; i < n; i++) {
                found += columns[i] == 5 ? 1u : 0u;
            }
            expect_at_most(1, found);
            expect_at_most(found, n / CELLS + 2);
        }
    }
}

static void cells_without_value_are_background(void **state)
{
    (void)state;
    pl_figure f = pl_sample_heat(4, 4, 3, 3);
    for (size_t i = 0; i < 8; i++) {
        f.heat->values[i] = NAN; /* the lower half */
    }
    pl_pixels p = pl_sample_draw(&f, 4, 4, 100, 0, 0, 0, NULL);
    size_t grey = 0;
    size_t white = 0;
    for (int y = 240; y < 320; y++) {
        for (int x = 100; x < 250; x++) {
            uint32_t c = pl_pixel(&p, x, y);
            assert_true(pl_pixel_near(c, 0x010101u * (c & 255), 1)); /* no colour */
            expect_less(190, (c & 255));
            white += (c & 255) > 250 ? 1u : 0u;
            grey += (c & 255) < 240 ? 1u : 0u;
        }
    }
    expect_less(grey, white);
    expect_less(300, grey);
    free(p.at);
    pl_figure_deinit(&f);
}

static void the_bar_shows_the_palette(void **state)
{
    (void)state;
    pl_figure f = pl_sample_heat(4, 4, 3, 3);
    pl_fonts *fonts = NULL;
    pl_error err = {0};
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    pl_draw_options options = {.palette = PL_PALETTE_CIVIDIS};
    pl_layout l;
    pl_layout_make(&f, fonts, 4 * 72, 4 * 72, 0.72, &options, NULL, &l);
    expect_less(l.plot.x1, l.bar.x0);
    expect_less(l.bar.x1, l.width);
    expect_at_most(3, l.n_colour);
    for (size_t i = 0; i < l.n_colour; i++) {
        double y = pl_layout_at_colour(&l, f.heat, l.colour[i].at);
        expect_at_most(l.bar.y0 - 1e-6, y);
        expect_at_most(y, l.bar.y1 + 1e-6);
    }
    pl_pixels p = pl_sample_draw(&f, 4, 4, 100, 0, 0, 0, &options);
    for (int i = 1; i < 10; i++) {
        double y = l.bar.y0 + (l.bar.y1 - l.bar.y0) * i / 10;
        uint32_t c = pl_pixel(&p, (int)((l.bar.x0 + l.bar.x1) / 2 / 0.72), (int)(y / 0.72));
        assert_true(pl_pixel_near(c, pl_palette_at(PL_PALETTE_CIVIDIS, 1 - i / 10.0), 4));
    }
    free(p.at);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

static void heat_maps_are_the_same_bytes_in_every_format(void **state)
{
    (void)state;
    static const char *const names[] = {"a.png", "a.pdf", "a.svg"};
    pl_temp temp;
    pl_temp_init(&temp);
    pl_figure f = pl_sample_heat(30, 100, 3, 5);
    f.heat->values[40] = NAN;
    pl_sample_series(&f, "massive", PL_MARK_POINTS, PL_TONE_AFTER, 5);
    pl_page page = {3.25, 2.5, 200};
    pl_error err = {0};
    for (size_t i = 0; i < 3; i++) {
        char *text[2] = {NULL, NULL};
        size_t size[2] = {0, 0};
        const char *path = pl_temp_path(&temp, names[i]);
        for (int k = 0; k < 2; k++) {
            pl_check_ok(write_figure_page(&f, &page, NULL, 0, path, NULL, NULL, &err), err);
            pl_check_ok(pl_file_read_all(path, 10u << 20, &text[k], &size[k], &err), err);
        }
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(text[0], text[1], size[0]);
        free(text[0]);
        free(text[1]);
    }
    pl_figure_deinit(&f);
    pl_temp_deinit(&temp);
}

/* A token's name of 90 letters: whole, smaller, on a page; in a column the width that it needs. */
static void long_names_are_drawn_or_refused(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_fonts *fonts = NULL;
    pl_area margins;
    pl_figure heat = pl_sample_heat(6, 9, 2, 3);
    char name[91];
    memset(name, '=', 90);
    name[90] = '\0';
    pl_check_ok(pl_figure_names(&heat.y, 6, &err), err);
    for (size_t i = 0; i < 6; i++) {
        pl_check_ok(pl_figure_text(&heat.y.names[i], i == 4 ? name : " the", &err), err);
    }
    pl_check_ok(pl_fonts_create(false, &fonts, &err), err);
    pl_check_ok(pl_draw_margins(&heat, fonts, 10 * 72, 6 * 72, 1, NULL, &margins, &err), err);
    expect_less(pl_fonts_measure(fonts, name, 5, 0).width, margins.x0);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 234, 176);
    cairo_t *cr = cairo_create(surface);
    assert_int_equal(draw_whole_figure(cr, &heat, fonts, 234, 176, 1, &err), PL_ERR_USAGE);
    pl_check_says(err, "names at the y axis");
    pl_check_says(err, "it needs about");
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&heat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_names_are_drawn_or_refused),
        cmocka_unit_test(the_brightest_cell_is_at_its_place),
        cmocka_unit_test(one_cell_of_millions_is_drawn),
        cmocka_unit_test(thinning_puts_every_cell_somewhere),
        cmocka_unit_test(cells_without_value_are_background),
        cmocka_unit_test(the_bar_shows_the_palette),
        cmocka_unit_test(heat_maps_are_the_same_bytes_in_every_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
