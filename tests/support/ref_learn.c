#include "tests/support/ref_learn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t pl_ref_learn_offsets(const pl_ref_learn *r)
{
    return 2 * (r->samples + r->at.rows) * r->at.n + r->samples * r->at.n +
           r->at.rows * r->at.groups;
}

/* Gauss and Jordan with pivots. */
static void invert(size_t n, double *a, double *out)
{
    memset(out, 0, n * n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i * n + i] = 1.0;
    }
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;
        for (size_t r = c; r < n; r++) {
            pivot = fabs(a[r * n + c]) > fabs(a[pivot * n + c]) ? r : pivot;
        }
        for (size_t j = 0; j < n; j++) {
            double keep = a[c * n + j];
            a[c * n + j] = a[pivot * n + j];
            a[pivot * n + j] = keep;
            keep = out[c * n + j];
            out[c * n + j] = out[pivot * n + j];
            out[pivot * n + j] = keep;
        }
        const double by = a[c * n + c];
        for (size_t j = 0; j < n; j++) {
            a[c * n + j] /= by;
            out[c * n + j] /= by;
        }
        for (size_t r = 0; r < n; r++) {
            const double f = a[r * n + c];
            for (size_t j = 0; r != c && j < n; j++) {
                a[r * n + j] -= f * a[c * n + j];
                out[r * n + j] -= f * out[c * n + j];
            }
        }
    }
}

/* (I - A/2)^-1 (I + A/2), A = L - L^T. */
static void cayley(size_t n, const double *lower, double *q)
{
    double *minus = calloc(3 * n * n, sizeof *minus), *plus = minus + n * n, *back = plus + n * n;
    for (size_t i = 0; i < n; i++) {
        minus[i * n + i] = plus[i * n + i] = 1.0;
        for (size_t j = 0; j < i; j++, lower++) {
            plus[i * n + j] = minus[j * n + i] = *lower / 2.0;
            plus[j * n + i] = minus[i * n + j] = -*lower / 2.0;
        }
    }
    invert(n, minus, back);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            q[i * n + j] = 0.0;
            for (size_t k = 0; k < n; k++) {
                q[i * n + j] += back[i * n + k] * plus[k * n + j];
            }
        }
    }
    free(minus);
}

void pl_ref_learn_factor(size_t n, const double *params, double *p, double *inverse_t)
{
    const size_t lower = n * (n - 1) / 2;
    double *u = malloc(2 * n * n * sizeof *u), *v = u + n * n;
    cayley(n, params, u);
    cayley(n, params + lower, v);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            p[i * n + j] = inverse_t[i * n + j] = 0.0;
            for (size_t k = 0; k < n; k++) {
                const double d = params[2 * lower + k], uv = u[i * n + k] * v[j * n + k];
                p[i * n + j] += uv * d;
                inverse_t[i * n + j] += uv / d;
            }
        }
    }
    free(u);
}

void pl_ref_turn(const pl_flat_layout *at, const double *x, size_t rows, const double *scale,
                 const double *p1, const double *p2, double *out)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < at->n; c++) {
            double sum = 0.0;
            for (size_t k = 0; k < at->n; k++) {
                sum += x[r * at->n + k] * scale[k] * p1[k / at->n2 * at->n1 + c / at->n2] *
                       p2[k % at->n2 * at->n2 + c % at->n2];
            }
            out[r * at->n + c] = sum;
        }
    }
}

static double rounded(bool hold, double v, double *offset)
{
    if (!hold) {
        *offset = rint(v) - v;
    }
    return v + *offset;
}

/* Which end a code was clamped to; far beyond any code where it was not.  Codes at an end are
 * inside: held, they may go on. */
static const double INSIDE = 1e9;

pl_ref_ends pl_ref_ends_of(const double *x, size_t count)
{
    pl_ref_ends e = {0.0, 0.0};
    for (size_t i = 0; i < count; i++) {
        e.low = fmin(e.low, x[i]);
        e.high = fmax(e.high, x[i]);
    }
    return e;
}

double pl_ref_most(const double *x, size_t count, double low, double high, const pl_format *format)
{
    const pl_ref_ends e = pl_ref_ends_of(x, count);
    return pl_format_of_tensor(format, format->mode) ? fmax(e.high * high, -e.low * low) : 0.0;
}

/* Where values are not evenly spaced: the nearest of all of them. */
static void quantize_uneven(bool hold, double *x, size_t count, pl_ref_ends kept, int bits,
                            const pl_format *format, double tensor, bool clamps, double *offsets,
                            double *sides, double *ratio)
{
    const pl_grid grid = {.bits = bits, .format = format};
    const pl_scaling scaling = {PL_F32, format->mode, (float)tensor};
    const double reach = format->mode == PL_SCALE_AMAX ? fmax(kept.high, -kept.low) : 1.0;
    float levels[256];
    const size_t n = pl_grid_levels(&grid, (pl_grid_param){1.0f, 0}, levels);
    if (!hold) {
        *ratio = (double)format->fit(bits, &scaling, kept.low, kept.high).scale / reach;
    }
    const double scale = *ratio * reach;
    for (size_t i = 0; i < count; i++) {
        const double v = (clamps ? fmin(fmax(x[i], kept.low), kept.high) : x[i]) / scale;
        if (!hold) {
            size_t nearest = 0;
            for (size_t k = 1; k < n; k++) {
                nearest =
                    fabs((double)levels[k] - v) < fabs((double)levels[nearest] - v) ? k : nearest;
            }
            offsets[i] = (double)levels[nearest] - v;
            sides[i] = v < (double)levels[0]       ? (double)levels[0]
                       : v > (double)levels[n - 1] ? (double)levels[n - 1]
                                                   : INSIDE;
        }
        x[i] = scale * (sides[i] < INSIDE ? sides[i] : v + offsets[i]);
    }
}

void pl_ref_quantize(bool hold, double *x, size_t count, pl_ref_ends kept, int bits,
                     const pl_format *format, double tensor, bool clamps, double *offsets,
                     double *sides, double *zero_offset)
{
    if (format->steps == NULL) {
        quantize_uneven(hold, x, count, kept, bits, format, tensor, clamps, offsets, sides,
                        zero_offset);
        return;
    }
    const double levels = pow(2.0, bits), most = fmax(kept.high, -kept.low);
    double scale, zero = 0.0, first = -levels / 2, last = levels / 2 - 1;
    if (format == &pl_format_asymmetric) {
        scale = (kept.high - kept.low) / (levels - 1.0);
        zero = rounded(hold, -kept.low / scale, zero_offset);
        first = 0.0;
        last = levels - 1.0;
    } else {
        scale = format == &pl_format_symmetric ? most / last : 2.0 * most / (levels - 1.0);
    }
    for (size_t i = 0; i < count; i++) {
        double v = x[i];
        if (clamps) {
            v = fmin(fmax(v, kept.low), kept.high);
        }
        const double code = rounded(hold, v / scale, &offsets[i]) + zero;
        if (!hold) {
            sides[i] = code < first ? first : code > last ? last : INSIDE;
        }
        x[i] = scale * ((sides[i] < INSIDE ? sides[i] : code) - zero);
    }
}

double pl_ref_share(double p)
{
    return 1.0 / (1.0 + exp(-p));
}

static void quantize_weights(pl_ref_learn *r, const double *params, double *wt, double *offsets,
                             double *sides, double *zeros)
{
    const pl_flat_layout *at = &r->at;
    double most[2] = {0.0, 0.0};
    for (size_t i = 0; r->weight_bits > 0 && i < at->rows * at->groups; i++) {
        const size_t from = i % at->groups * at->width, first = i / at->groups * at->n + from;
        const size_t count = at->n - from < at->width ? at->n - from : at->width;
        const size_t layer = i / at->groups < r->layer;
        most[layer] = fmax(
            most[layer], pl_ref_most(wt + first, count, pl_ref_share(params[at->weight_low + i]),
                                     pl_ref_share(params[at->weight_high + i]), r->weight_format));
    }
    for (size_t i = 0; r->weight_bits > 0 && i < at->rows * at->groups; i++) {
        const size_t from = i % at->groups * at->width, first = i / at->groups * at->n + from;
        const size_t count = at->n - from < at->width ? at->n - from : at->width;
        pl_ref_ends e = pl_ref_ends_of(wt + first, count);
        e.low *= pl_ref_share(params[at->weight_low + i]);
        e.high *= pl_ref_share(params[at->weight_high + i]);
        pl_ref_quantize(r->hold, wt + first, count, e, r->weight_bits, r->weight_format,
                        most[i / at->groups < r->layer], true, offsets + first, sides + first,
                        &zeros[i]);
    }
}

static void quantize_inputs(pl_ref_learn *r, const double *params, double *xt, double *offsets,
                            double *sides, double *zeros)
{
    const pl_flat_layout *at = &r->at;
    const size_t rows = r->act_fixed ? 1 : r->samples, n = r->samples * at->n / rows;
    const size_t width = r->act_group > 0 ? r->act_group : n;
    /* Groups under a range of all tokens keep their own, which clipping leaves alone. */
    const bool whole = r->act_fixed && r->act_group > 0;
    for (size_t row = 0; r->act_bits > 0 && row < rows; row++) {
        const double low = r->act_clip * pl_ref_share(params[at->input_low]);
        const double high = r->act_clip * pl_ref_share(params[at->input_high]);
        const double most = pl_ref_most(xt + row * n, n, low, high, r->act_format);
        for (size_t i = row * n; i < (row + 1) * n; i += width) {
            const size_t left = (row + 1) * n - i, count = left < width ? left : width;
            pl_ref_ends e = pl_ref_ends_of(xt + i, count);
            e.low *= whole ? 1.0 : low;
            e.high *= whole ? 1.0 : high;
            pl_ref_quantize(r->hold, xt + i, count, e, r->act_bits, r->act_format, most, false,
                            offsets + i, sides + i, &zeros[i]);
        }
    }
}

double pl_ref_learn_value(pl_ref_learn *r, const double *params)
{
    const pl_flat_layout *at = &r->at;
    const size_t n = at->n, a = at->n1 * at->n1, b = at->n2 * at->n2;
    double *all = calloc(2 * (a + b + n) + (r->samples + at->rows) * n, sizeof *all);
    double *p1 = all, *p2 = p1 + a, *g1 = p2 + b, *g2 = g1 + a, *s = g2 + b, *u = s + n;
    double *xt = u + n, *wt = xt + r->samples * n;
    double *x_offsets = r->offsets, *w_offsets = x_offsets + r->samples * n;
    double *x_sides = w_offsets + at->rows * n, *w_sides = x_sides + r->samples * n;
    double *x_zeros = w_sides + at->rows * n, *w_zeros = x_zeros + r->samples * n;
    pl_ref_learn_factor(at->n1, params + at->first, p1, g1);
    pl_ref_learn_factor(at->n2, params + at->second, p2, g2);
    for (size_t c = 0; c < n; c++) {
        s[c] = exp(params[at->scale + c]);
        u[c] = 1.0 / s[c];
    }
    pl_ref_turn(at, r->x, r->samples, s, p1, p2, xt);
    pl_ref_turn(at, r->w, at->rows, u, g1, g2, wt);
    quantize_inputs(r, params, xt, x_offsets, x_sides, x_zeros);
    quantize_weights(r, params, wt, w_offsets, w_sides, w_zeros);
    double lost = 0.0, energy = 0.0;
    for (size_t i = 0; i < r->samples; i++) {
        for (size_t j = 0; j < at->rows; j++) {
            double y = 0.0, used = 0.0;
            for (size_t k = 0; k < n; k++) {
                y += r->x[i * n + k] * r->w[j * n + k];
                used += xt[i * n + k] * wt[j * n + k];
            }
            lost += (y - used) * (y - used);
            energy += y * y;
        }
    }
    free(all);
    return lost / energy;
}
