/* What quantizing inputs costs in a few formats, by all threads: beside the plain way, by codes and
 * their values, and beside a copy of the inputs, which is what memory allows. */
#include "core/format/activation.h"
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 4096, N = 1536, TURNS = 7 };

static const struct {
    const char *name;
    const pl_format *format;
    size_t width;
    double over_copy, plain; /* limits: at most, at least */
} cases[] = {
    {"int4, a range a row", &pl_format_symmetric, 0, 3.0, 0.0},
    {"MXFP4", &pl_format_mxfp4, 32, 5.0, 4.0},
    {"NVFP4", &pl_format_nvfp4, 16, 8.0, 2.5},
};

/* Each group's codes, and what they are worth. */
static void quantize_plainly(const pl_act_grid *grid, size_t width, float *x)
{
    enum { MOST = 64 };
    static const uint32_t first[MOST];
    const int16_t none = 0;
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < ROWS; r++) {
        int16_t codes[MOST];
        const pl_act_range row = pl_act_row_range(x + r * N, N);
        const pl_scaling scaling = {PL_F32, grid->scale_mode, pl_act_farther(row)};
        for (size_t c = 0; c < N; c += width) {
            float *group = x + r * N + c;
            const pl_act_range own = pl_act_row_range(group, width);
            const pl_grid_param param = pl_format_fit(grid->format, grid->bits, &scaling,
                                                      (double)own.lo, (double)own.hi, group, width);
            grid->format->encode(grid->bits, param, group, width, codes);
            grid->format->decode(&param.scale, &none, first, codes, width, group);
        }
    }
}

static void copy(const float *from, float *to)
{
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < ROWS; r++) {
        memcpy(to + r * N, from + r * N, N * sizeof *to);
    }
}

int main(void)
{
    const size_t size = (size_t)ROWS * N * sizeof(float);
    float *x = malloc(size), *y = malloc(size);
    double copies[TURNS], rounds[TURNS], plains[TURNS];
    if (x == NULL || y == NULL) {
        abort();
    }
    bench_threads();
    for (size_t i = 0; i < (size_t)ROWS * N; i++) {
        x[i] = (float)((i * 2654435761u) % 20011u) / 5000.0f - 2.0f;
    }
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const pl_act_grid grid = {.bits = 4,
                                  .format = cases[k].format,
                                  .clip = 1.0,
                                  .group_size = cases[k].width,
                                  .scale_mode = cases[k].format->mode};
        for (size_t t = 0; t < TURNS; t++) {
            const double start = bench_now();
            copy(x, y);
            const double copied = bench_now();
            pl_act_quantize(&grid, NULL, y, ROWS, N);
            const double rounded = bench_now();
            if (cases[k].width > 0) {
                copy(x, y);
            }
            const double again = bench_now();
            if (cases[k].width > 0) {
                quantize_plainly(&grid, cases[k].width, y);
            }
            copies[t] = (rounded - copied) / (copied - start);
            plains[t] = (bench_now() - again) / (rounded - copied);
            rounds[t] = rounded - copied;
        }
        char row[128];
        json_t *rate =
            json_pack("{s:f}", "values_per_second", (double)ROWS * N / bench_median(rounds, TURNS));
        snprintf(row, sizeof row, "inputs [4096, 1536] to %s, over a copy of them", cases[k].name);
        bench_row("rounding", row, bench_median(copies, TURNS), BENCH_AT_MOST, cases[k].over_copy,
                  rate);
        if (cases[k].width > 0) {
            snprintf(row, sizeof row, "inputs to %s by codes and their values, over it",
                     cases[k].name);
            bench_row("rounding", row, bench_median(plains, TURNS), BENCH_AT_LEAST, cases[k].plain,
                      NULL);
        }
    }
    free(x);
    free(y);
    return 0;
}
