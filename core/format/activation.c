#include "core/format/activation.h"

#include "core/tensor/clones.h"
#include "core/tensor/groups.h"
#include "core/tensor/lanes.h"

#include <string.h>

PL_CLONES pl_act_range pl_act_row_range(const float *restrict x, size_t n)
{
    enum { HALF = PL_LANES / 2 };
    pl_half_lanes lows[2] = {0}, highs[2] = {0};
    size_t c = 0;
    for (; c + PL_LANES <= n; c += PL_LANES) {
        for (size_t k = 0; k < 2; k++) {
            pl_lanes_keep_least(&lows[k], x + c + k * HALF);
            pl_lanes_keep_most(&highs[k], x + c + k * HALF);
        }
    }
    float low = 0.0f, high = 0.0f;
    for (int i = 0; i < PL_LANES; i++) {
        const float l = lows[i / HALF][i % HALF], h = highs[i / HALF][i % HALF];
        low = l < low ? l : low;
        high = h > high ? h : high;
    }
    for (; c < n; c++) {
        low = x[c] < low ? x[c] : low;
        high = x[c] > high ? x[c] : high;
    }
    return (pl_act_range){low, high};
}

static void quantize_input_row(const pl_act_grid *grid, pl_act_range range, float most, float *x,
                               size_t n)
{
    if (range.lo < 0.0f || range.hi > 0.0f) {
        const pl_scaling scaling = {PL_F32, grid->scale_mode, most};
        const pl_grid_param param = pl_format_fit(grid->format, grid->bits, &scaling,
                                                  (double)range.lo, (double)range.hi, x, n);
        grid->format->round(grid->bits, param, x, n);
    }
}

pl_act_range pl_act_kept(pl_act_range own, pl_act_range share)
{
    return (pl_act_range){own.lo * share.lo, own.hi * share.hi};
}

float pl_act_farther(pl_act_range range)
{
    return (float)pl_format_farther((double)range.lo, (double)range.hi);
}

static pl_act_range row_range(const float *x, size_t n, pl_act_range share)
{
    return pl_act_kept(pl_act_row_range(x, n), share);
}

/* Groups of `width` values, each by its own range of which share.lo and share.hi are kept; all: the
 * range that scales of a whole tensor know, or NULL for the row's. */
static void quantize_groups(const pl_act_grid *grid, pl_act_range share, const pl_act_range *all,
                            size_t width, float *x, size_t rows, size_t n)
{
    if (grid->bits == 0) {
        return;
    }
    const bool whole = pl_format_of_tensor(grid->format, grid->scale_mode);
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * n;
        const float most = !whole        ? 0.0f
                           : all != NULL ? pl_act_farther(*all)
                                         : pl_act_farther(row_range(row, n, share));
        for (size_t at = 0; at < n; at += width) {
            const size_t count = n - at < width ? n - at : width;
            quantize_input_row(grid, row_range(row + at, count, share), most, row + at, count);
        }
    }
}

pl_act_range pl_act_share(const pl_act_grid *grid, const pl_act_range *clip)
{
    return (pl_act_range){(float)grid->clip * (clip != NULL ? clip->lo : 1.0f),
                          (float)grid->clip * (clip != NULL ? clip->hi : 1.0f)};
}

void pl_act_quantize(const pl_act_grid *grid, const pl_act_range *clip, float *x, size_t rows,
                     size_t n)
{
    quantize_groups(grid, pl_act_share(grid, clip), NULL, pl_group_width(n, grid->group_size), x,
                    rows, n);
}

void pl_act_quantize_fixed(const pl_act_grid *grid, pl_act_range range, float *x, size_t rows,
                           size_t n)
{
    if (grid->bits == 0) {
        return;
    }
    if (grid->group_size > 0) {
        quantize_groups(grid, (pl_act_range){1.0f, 1.0f}, &range,
                        pl_group_width(n, grid->group_size), x, rows, n);
        return;
    }
#pragma omp parallel for schedule(static) if (rows * n > 16384)
    for (size_t r = 0; r < rows; r++) {
        quantize_input_row(grid, range, pl_act_farther(range), x + r * n, n);
    }
}

void pl_act_quantize_groups(const pl_act_grid *grid, const pl_act_range *clip, size_t group_size,
                            float *x, size_t rows, size_t n)
{
    quantize_groups(grid, pl_act_share(grid, clip), NULL, pl_group_width(n, group_size), x, rows,
                    n);
}

void pl_act_put_words(const pl_act_grid *grid, pl_buf *out)
{
    pl_buf_printf(out, "%d bits, %s%s", grid->bits,
                  pl_format_is_int(grid->format) ? "symmetric " : "", grid->format->key);
    if (grid->format->modes != 0) {
        pl_buf_printf(out, " %s", pl_scale_mode_names[grid->scale_mode]);
    }
    if (grid->group_size > 0) {
        pl_buf_printf(out, ", groups of %zu", grid->group_size);
    }
}

void pl_act_format(const pl_act_grid *grid, pl_buf *out)
{
    pl_buf_printf(out, "A%d %s %d %.17g", grid->bits, grid->bits > 0 ? grid->format->key : "",
                  (int)grid->fixed, grid->clip);
    if (grid->bits > 0 && grid->group_size > 0) {
        pl_buf_printf(out, " g%zu", grid->group_size);
    }
    if (grid->bits > 0 && grid->format->modes != 0) {
        pl_buf_printf(out, " %s", pl_scale_mode_names[grid->scale_mode]);
    }
}
