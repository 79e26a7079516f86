/* A plot of 100,000 channels redrawn in cells, as at each move of the crosshair: stems of two
 * series at three sizes of terminal; and a heat map of 512 tokens. */
#include "tests/bench/bench.h"

#include "core/base/rng.h"
#include "plots/build.h"
#include "views/plot.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { CHANNELS = 100000, TOKENS = 512, TURNS = 40, LIMIT_MS = 16 };

static void make_channels(pl_figure *out)
{
    pl_error err = {0};
    pl_rng rng;
    float *values[2];
    pl_rng_init(&rng, 5);
    for (int s = 0; s < 2; s++) {
        values[s] = malloc(CHANNELS * sizeof *values[s]);
        if (values[s] == NULL) {
            bench_fail("memory", NULL);
        }
        for (size_t i = 0; i < CHANNELS; i++) {
            values[s][i] = (float)fabs(pl_rng_normal(&rng)) * (i % 9973 == 0 ? 30 : 1);
        }
    }
    const pl_channels_data data = {.title = "made",
                                   .y_label = "max |w|",
                                   .values = {values[0], values[1]},
                                   .labels = {"before", "after"},
                                   .tones = {PL_TONE_BEFORE, PL_TONE_AFTER},
                                   .n_series = 2,
                                   .n = CHANNELS,
                                   .median_rule = true};
    if (pl_figure_channels(&data, out, &err) != PL_OK) {
        bench_fail("figure", &err);
    }
    free(values[0]);
    free(values[1]);
}

static void make_heat(pl_figure *out)
{
    pl_error err = {0};
    pl_rng rng;
    pl_rng_init(&rng, 6);
    *out = (pl_figure){.x = {.lo = -0.5, .hi = CHANNELS / 16 - 0.5},
                       .y = {.lo = -0.5, .hi = TOKENS - 0.5}};
    if (pl_figure_texts(out, "made", "channel", "token", &err) != PL_OK ||
        pl_figure_heat(out, TOKENS, CHANNELS / 16, "|x|", &err) != PL_OK) {
        bench_fail("heat map", &err);
    }
    out->heat->lo = 0.01;
    out->heat->hi = 5;
    out->heat->log = true;
    for (size_t i = 0; i < out->heat->rows * out->heat->cols; i++) {
        out->heat->values[i] = (float)fabs(pl_rng_normal(&rng));
    }
}

/* limit_ms 0: none is set. */
static void measure(const char *what, const pl_figure *figure, int rows, int cols, int limit_ms)
{
    pl_error err = {0};
    pl_surface surface = {0};
    double ms[TURNS];
    if (pl_surface_resize(&surface, rows, cols, &err) != PL_OK) {
        bench_fail("surface", &err);
    }
    for (int i = 0; i < TURNS; i++) {
        const pl_plot_options options = {.marks = PL_MARKS_BRAILLE,
                                         .colours = 256,
                                         .crosshair = true,
                                         .cursor = (double)(i * 997)};
        double start = bench_now();
        pl_surface_clear(&surface);
        if (pl_plot_draw(figure, &options, &surface, (pl_rect){0, 0, rows, cols}, &err) != PL_OK) {
            bench_fail(what, &err);
        }
        ms[i] = 1e3 * (bench_now() - start);
    }
    double median = bench_median(ms, TURNS);
    bench_print(json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:i}", "bench", "plot", "figure", what,
                          "cols", cols, "rows", rows, "ms_median", median, "ms_p95",
                          ms[TURNS * 95 / 100], "ms_limit", limit_ms));
    pl_surface_deinit(&surface);
}

int main(void)
{
    pl_figure channels;
    pl_figure heat;
    setlocale(LC_CTYPE, "C.UTF-8");
    make_channels(&channels);
    make_heat(&heat);
    static const int sizes[][2] = {{12, 56}, {30, 150}, {60, 255}};
    for (size_t i = 0; i < 3; i++) {
        measure("100,000 channels", &channels, sizes[i][0], sizes[i][1], LIMIT_MS);
        measure("512 x 6,250 heat map", &heat, sizes[i][0], sizes[i][1], 0);
    }
    pl_figure_deinit(&channels);
    pl_figure_deinit(&heat);
    return 0;
}
