/* The surface: maxima are kept on the way to what is drawn, and the peak stands where it belongs.
 */
#include "tests/unit/plots/kinds_fixture.h"
#include "tests/unit/plots/one_figure.h"

#include "plots/build.h"
#include "plots/draw.h"
#include "plots/relief.h"

#include <math.h>

enum { PAGE = 360 }; /* points and pixels */

/* Value and place of the largest |x| of the stored rows of 1.down_proj, found the plain way. */
static void find_largest(demo_lab *d, size_t layer, float *value, size_t *row, size_t *channel,
                         pl_site_stats *stats)
{
    pl_error err = {0};
    pl_id calibration = {0};
    const pl_layer *info = pl_model_layer(d->state.source->model, layer);
    pl_check_ok(pl_lab_calibration(demo_context(d), &calibration, &err), err);
    pl_check_ok(
        pl_lab_load_site(demo_context(d), calibration, info->site, PL_GRAM_NONE, true, stats, &err),
        err);
    *value = -1;
    for (size_t r = 0; r < stats->sample_rows; r++) {
        for (size_t c = 0; c < stats->n; c++) {
            if (fabsf(stats->sample[r * stats->n + c]) > *value) {
                *value = fabsf(stats->sample[r * stats->n + c]);
                *row = r;
                *channel = c;
            }
        }
    }
}

static void test_the_maximum_is_drawn(void **state)
{
    demo_lab *d = *state;
    pl_site_stats stats = {0};
    float largest = 0;
    size_t row = 0, channel = 0;
    find_largest(d, 13, &largest, &row, &channel, &stats); /* 1.down_proj: 432 channels */
    expect_less(384, stats.n);
    pl_request request = request_of(d, &pl_kind_surface);
    request.layer = 13;
    request.side = PL_SIDE_INPUT;
    request.which = PL_WHICH_BEFORE;
    pl_figure f = make_figure(d, &request);
    assert_true(f.relief);
    expect_at_most(f.heat->rows, 96);
    expect_at_most(f.heat->cols, 384);
    const size_t many = (stats.sample_rows + 95) / 96, step = (size_t)f.heat->step;
    assert_int_equal(step, 2);
    const size_t line = f.heat->rows - 1 - row / many, col = channel / step;
    /* Every cell is the largest of what it stands for, so this one is the largest of all. */
    expect_close(f.heat->values[line * f.heat->cols + col], largest, 0);
    assert_int_equal(f.heat->at[line * f.heat->cols + col], channel);
    for (size_t i = 0; i < f.heat->rows * f.heat->cols; i++) {
        const size_t r0 = (f.heat->rows - 1 - i / f.heat->cols) * many,
                     c0 = i % f.heat->cols * step;
        float most = 0;
        for (size_t r = r0; r < r0 + many && r < stats.sample_rows; r++) {
            for (size_t c = c0; c < c0 + step && c < stats.n; c++) {
                most = fmaxf(most, fabsf(stats.sample[r * stats.n + c]));
            }
        }
        expect_close(f.heat->values[i], most, 0);
    }
    expect_close(f.notes[0].x, (double)channel, 0);
    expect_close(f.notes[0].y, (double)line, 0);
    pl_check_close(strtod(f.y.names[line], NULL), stats.sample_position[row / many * many], 0, 0);

    /* On the page the peak is the whole height above the floor at its place, and there is ink. */
    pl_error err = {0};
    pl_fonts *fonts = NULL;
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, PAGE, PAGE);
    cairo_t *cr = cairo_create(page);
    pl_check_ok(draw_whole_figure(cr, &f, fonts, PAGE, PAGE, 1, &err), err);
    pl_layout layout = {.width = PAGE, .height = PAGE, .pixel = 1};
    pl_layout_sizes(&layout);
    const double above =
        pl_fonts_measure(fonts, "0", layout.text, 0).height + 1.2 * layout.pad; /* the title's */
    const pl_projection p = pl_relief_project(&f, &layout, fonts, above);
    double x = 0, y = 0;
    pl_relief_point(&p, f.heat, line, col, &x, &y);
    const double across = (double)col / (double)(f.heat->cols - 1);
    const double forward = 1 - (double)line / (double)(f.heat->rows - 1);
    pl_check_close(x, p.x + across * p.across_x + forward * p.forward_x, 0, 1e-9);
    pl_check_close(y, p.y + across * p.across_y + forward * p.forward_y - p.up, 0, 1e-9);
    cairo_surface_flush(page);
    const unsigned char *pixels = cairo_image_surface_get_data(page);
    const int stride = cairo_image_surface_get_stride(page);
    size_t inked = 0;
    for (int i = -1; i <= 1; i++) {
        uint32_t pixel = 0;
        memcpy(&pixel, pixels + ((int)y + 2) * stride + 4 * ((int)x + i), sizeof pixel);
        inked += (pixel & 0xffffff) != 0xffffff;
    }
    expect_less(0, inked);
    cairo_destroy(cr);
    cairo_surface_destroy(page);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
    pl_site_stats_deinit(&stats);
}

/* Two rows of nine columns: the one in front is a wall of this height, the one at the back has a
 * peak. */
static void draw_two_rows(float wall, float peak, unsigned char out[PAGE * PAGE * 4])
{
    pl_figure f = {.relief = true};
    pl_error err = {0};
    pl_fonts *fonts = NULL;
    pl_check_ok(pl_figure_heat(&f, 2, 9, "|X|", &err), err);
    for (size_t i = 0; i < 18; i++) {
        f.heat->values[i] = i < 9 ? wall : i == 12 ? peak : 0;
    }
    f.heat->hi = 1;
    f.x = (pl_axis){.lo = -0.5, .hi = 8.5};
    f.y = (pl_axis){.lo = -0.5, .hi = 1.5};
    pl_check_ok(pl_fonts_create(true, &fonts, &err), err);
    cairo_surface_t *page =
        cairo_image_surface_create_for_data(out, CAIRO_FORMAT_RGB24, PAGE, PAGE, 4 * PAGE);
    cairo_t *cr = cairo_create(page);
    pl_check_ok(draw_whole_figure(cr, &f, fonts, PAGE, PAGE, 1, &err), err);
    cairo_destroy(cr);
    cairo_surface_destroy(page);
    pl_fonts_destroy(fonts);
    pl_figure_deinit(&f);
}

/* A low peak behind a high wall leaves no trace; behind nothing, or higher, it does. */
static void test_rows_hide_those_behind(void **state)
{
    (void)state;
    static unsigned char without[PAGE * PAGE * 4], with[PAGE * PAGE * 4];
    draw_two_rows(1, 0, without);
    draw_two_rows(1, 0.3f, with);
    assert_memory_equal(without, with, sizeof with);
    draw_two_rows(1, 1, with);
    assert_int_not_equal(memcmp(without, with, sizeof with), 0);
    draw_two_rows(0, 0, without);
    draw_two_rows(0, 0.3f, with);
    assert_int_not_equal(memcmp(without, with, sizeof with), 0);
}

static void test_one_height(void **state)
{
    (void)state;
    pl_error err = {0};
    pl_figure both[2] = {{.relief = true}, {.relief = true}};
    for (size_t i = 0; i < 2; i++) {
        pl_check_ok(pl_figure_heat(&both[i], 1, 1, "|X|", &err), err);
        both[i].heat->hi = i == 0 ? 3 : 7;
    }
    pl_relief_share(both, 2);
    expect_close(both[0].heat->hi, 7, 0);
    expect_close(both[1].heat->hi, 7, 0);
    pl_figure_deinit(&both[0]);
    pl_figure_deinit(&both[1]);
}

static void test_panels_of_a_row(void **state)
{
    demo_lab *d = *state;
    pl_request row[PL_KIND_ROW], request = request_of(d, &pl_kind_surface);
    pl_error err = {0};
    assert_int_equal(pl_kind_surface.row(&d->state, &request, row), 2);
    assert_int_equal(row[0].which, PL_WHICH_BEFORE);
    assert_int_equal(row[1].which, PL_WHICH_PRECONDITIONED);
    request.which = PL_WHICH_AFTER;
    assert_int_equal(pl_kind_surface.row(&d->state, &request, row), 1);
    assert_int_equal(row[0].which, PL_WHICH_AFTER);
    request.side = PL_SIDE_INPUT;
    pl_figure f;
    assert_int_equal(pl_kind_make(demo_context(d), &request, &f, &err), PL_ERR_STATE);
    pl_check_says(err, "has no transform that its input goes through: `method hadamard`, or "
                       "which=before");
    request.which = PL_WHICH_BOTH; /* nothing behind it: one panel */
    assert_int_equal(pl_kind_surface.row(&d->state, &request, row), 1);
    assert_int_equal(row[0].which, PL_WHICH_BEFORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_maximum_is_drawn),
        cmocka_unit_test(test_rows_hide_those_behind),
        cmocka_unit_test(test_one_height),
        cmocka_unit_test(test_panels_of_a_row),
    };
    return cmocka_run_group_tests(tests, kinds_setup, kinds_teardown);
}
