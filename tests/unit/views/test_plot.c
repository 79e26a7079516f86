/* A plot keeps every spike, whatever its marks and however many channels share a column. */
#include "views/plot.h"

#include <locale.h>
#include <stdlib.h>

#include "tests/support/check.h"

enum { ROWS = 12, COLS = 60 };

static void draw(const float *values, size_t n, pl_marks marks, bool log, pl_surface *surface)
{
    pl_error err = {0};
    pl_channels_data data = {.title = "",
                             .y_label = "",
                             .values = {values},
                             .labels = {"w"},
                             .tones = {PL_TONE_BEFORE},
                             .n_series = 1,
                             .n = n,
                             .log = log};
    pl_figure figure;
    pl_check_ok(pl_figure_channels(&data, &figure, &err), err);
    pl_check_ok(pl_surface_resize(surface, ROWS, COLS, &err), err);
    surface->ascii = marks == PL_MARKS_ASCII;
    pl_plot_options options = {.marks = marks};
    pl_check_ok(pl_plot_draw(&figure, &options, surface, (pl_rect){0, 0, ROWS, COLS}, &err), err);
    pl_figure_deinit(&figure);
}

/* Cells of a row that show data. */
static int marked(const pl_surface *surface, int row)
{
    int count = 0;
    for (int x = 0; x < COLS; x++) {
        const pl_cell *cell = &surface->cells[row * COLS + x];
        count += (cell->style & PL_STYLE_MASK) == PL_STYLE_BEFORE && cell->code != ' ';
    }
    return count;
}

static void check_spike(size_t n, size_t at, pl_marks marks)
{
    float *values = malloc(n * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++) {
        values[i] = 0.1f;
    }
    values[at] = 1;
    pl_surface surface = {0};
    draw(values, n, marks, false, &surface);
    /* The spike alone reaches the upper half. */
    for (int row = 1; row < ROWS / 2; row++) {
        assert_in_range(marked(&surface, row), 1, n < 10 ? COLS : 2);
    }
    expect_less(COLS / 2, marked(&surface, ROWS - 3));
    pl_surface_deinit(&surface);
    free(values);
}

static void test_spikes(void **state)
{
    (void)state;
    static const size_t counts[] = {3, 64, 576, 100000};
    static const pl_marks marks[] = {PL_MARKS_BRAILLE, PL_MARKS_BLOCKS, PL_MARKS_HALVES,
                                     PL_MARKS_ASCII};
    for (size_t c = 0; c < 4; c++) {
        for (size_t m = 0; m < 4; m++) {
            check_spike(counts[c], 0, marks[m]);
            check_spike(counts[c], counts[c] / 2, marks[m]);
            check_spike(counts[c], counts[c] - 1, marks[m]);
        }
    }
}

static void test_small_stays(void **state)
{
    (void)state;
    /* A value far below the largest still leaves a dot. */
    const float values[] = {1000, 0.001f, 0.001f, 0.001f};
    pl_surface surface = {0};
    draw(values, 4, PL_MARKS_BRAILLE, false, &surface);
    expect_less(COLS / 2, marked(&surface, ROWS - 3));
    draw(values, 4, PL_MARKS_BRAILLE, true, &surface);
    expect_less(0, marked(&surface, 1));
    pl_surface_deinit(&surface);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spikes),
        cmocka_unit_test(test_small_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
