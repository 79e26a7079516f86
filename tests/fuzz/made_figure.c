#include "tests/fuzz/made_figure.h"

#include "plots/build.h"
#include "tests/support/check.h"
#include "tests/support/rising.h"

#include <math.h>
#include <stdlib.h>

static size_t below(pl_rng *rng, size_t n)
{
    return (size_t)pl_rng_below(rng, n);
}

static bool one_in(pl_rng *rng, size_t n)
{
    return below(rng, n) == 0;
}

static const char *some_text(pl_rng *rng)
{
    static const char *const texts[] = {
        "",
        "channel",
        "\u03b2 = 0.0003",
        "\u5b57\u5b57\u5b57",
        "max |w| per input channel",
        "e\u0301\u0301",
        "15.self_attn.q_proj, astro beta=0.0003 > gptq bits=3 group_size=128 mse",
        "\u2212",
        " ",
        "%s%n",
        "token \u201c\xf0\x9f\x98\x80\u201d",
    };
    return texts[below(rng, sizeof texts / sizeof *texts)];
}

/* Of sizes that a figure may well have: 1e-12 ... 1e12, with zeros and ties. */
static double some_number(pl_rng *rng, bool positive)
{
    double size = pow(10.0, 8 * pl_rng_normal(rng) / 3);
    size = size < 1e-12 ? 1e-12 : size > 1e12 ? 1e12 : size;
    if (positive) {
        return size;
    }
    return one_in(rng, 8) ? 0 : one_in(rng, 2) ? size : -size;
}

static void make_names(pl_rng *rng, pl_axis *axis, size_t n)
{
    pl_error err;
    pl_check_ok(pl_figure_names(axis, n, &err), err);
    for (size_t i = 0; i < n; i++) {
        if (!one_in(rng, 9)) {
            pl_check_ok(pl_figure_text(&axis->names[i], some_text(rng), &err), err);
        }
    }
}

static void make_axis(pl_rng *rng, pl_axis *axis)
{
    pl_error err;
    pl_check_ok(pl_figure_text(&axis->label, some_text(rng), &err), err);
    axis->log = one_in(rng, 3);
    axis->lo = some_number(rng, axis->log);
    axis->hi = axis->lo + some_number(rng, true);
    while (!(axis->hi > axis->lo)) {
        axis->hi += fabs(axis->hi) + 1;
    }
    axis->whole = one_in(rng, 3);
    if (one_in(rng, 4)) {
        axis->log = false;
        axis->lo = 0;
        axis->hi = 1 + (double)below(rng, 40);
        make_names(rng, axis, 1 + below(rng, 40));
    }
}

/* Mostly within the axis. */
static double on_axis(pl_rng *rng, const pl_axis *axis)
{
    if (one_in(rng, 30)) {
        return some_number(rng, axis->log);
    }
    double share = pl_rng_uniform(rng);
    return axis->log ? axis->lo * pow(axis->hi / axis->lo, share)
                     : axis->lo + share * (axis->hi - axis->lo);
}

static void make_series(pl_rng *rng, pl_figure *figure, pl_series *series)
{
    static const size_t counts[] = {1, 2, 3, 17, 144, 2000};
    pl_error err;
    pl_check_ok(pl_figure_text(&series->label, some_text(rng), &err), err);
    series->mark = (pl_mark)below(rng, PL_MARK_BOX + 1);
    series->tone = (pl_tone)below(rng, PL_TONE_COUNT);
    series->count = counts[below(rng, sizeof counts / sizeof *counts)];
    size_t width = pl_mark_width(series->mark);
    series->x = malloc((series->count + 1) * sizeof *series->x);
    series->y = malloc(series->count * width * sizeof *series->y);
    assert_non_null(series->x);
    assert_non_null(series->y);
    for (size_t i = 0; i <= series->count; i++) {
        series->x[i] = on_axis(rng, &figure->x);
    }
    qsort(series->x, series->count + 1, sizeof *series->x, rising_doubles);
    for (size_t i = 0; i < series->count * width; i++) {
        series->y[i] = one_in(rng, 20) && i > 0 ? series->y[i - 1] : on_axis(rng, &figure->y);
    }
    for (size_t i = 0; width > 1 && i < series->count; i++) {
        qsort(series->y + i * width, width, sizeof *series->y, rising_doubles);
    }
    if (series->mark != PL_MARK_STEPS) { /* exactly as many as there may be, for the sanitizer */
        series->x = realloc(series->x, series->count * sizeof *series->x);
        assert_non_null(series->x);
    }
}

static void make_heat(pl_rng *rng, pl_figure *figure)
{
    pl_error err;
    size_t rows = 1 + below(rng, 70);
    size_t cols = 1 + below(rng, 300);
    pl_check_ok(pl_figure_heat(figure, rows, cols, some_text(rng), &err), err);
    pl_heat *heat = figure->heat;
    heat->log = one_in(rng, 2);
    heat->lo = some_number(rng, heat->log);
    heat->hi = heat->lo + fabs(heat->lo) + some_number(rng, true);
    heat->step = one_in(rng, 2) ? 1 : (double)(1 + below(rng, 9));
    for (size_t i = 0; i < rows * cols; i++) {
        heat->values[i] = one_in(rng, 9) ? NAN : (float)(heat->lo * 2 * pl_rng_uniform(rng));
    }
    figure->x.log = figure->y.log = false;
    figure->x.lo = -0.5;
    figure->x.hi = (double)cols * heat->step;
    figure->y.lo = -0.5;
    figure->y.hi = (double)rows - 0.5;
}

static void make_table(pl_rng *rng, pl_figure *figure)
{
    pl_error err;
    pl_check_ok(pl_figure_table(figure, below(rng, 60), 1 + below(rng, 9), &err), err);
    pl_table *table = figure->table;
    for (size_t i = 0; i < table->cols; i++) {
        pl_check_ok(pl_figure_text(&table->heads[i], some_text(rng), &err), err);
    }
    for (size_t i = 0; i < table->rows * table->cols; i++) {
        pl_check_ok(pl_figure_text(&table->cells[i], some_text(rng), &err), err);
    }
}

static void make_once(pl_rng *rng, pl_figure *out)
{
    pl_error err;
    *out = (pl_figure){0};
    pl_check_ok(pl_figure_text(&out->title, some_text(rng), &err), err);
    make_axis(rng, &out->x);
    make_axis(rng, &out->y);
    size_t kind = below(rng, 8);
    if (kind == 0) {
        make_table(rng, out);
    } else if (kind == 1) {
        make_heat(rng, out);
    }
    size_t n = kind == 0 ? 0 : kind == 1 ? below(rng, 2) : 1 + below(rng, PL_FIGURE_SERIES);
    for (size_t i = 0; i < n; i++) {
        make_series(rng, out, &out->series[out->n_series++]);
    }
    for (size_t i = below(rng, PL_FIGURE_RULES + 1); i > 0; i--) {
        bool vertical = one_in(rng, 2);
        double at = on_axis(rng, vertical ? &out->x : &out->y);
        pl_check_ok(pl_figure_rule(out, at, vertical, some_text(rng), &err), err);
    }
    for (size_t i = below(rng, PL_FIGURE_NOTES + 1); i > 0; i--) {
        pl_note *note = &out->notes[out->n_notes++];
        note->x = on_axis(rng, &out->x);
        note->y = on_axis(rng, &out->y);
        snprintf(note->text, sizeof note->text, "%zu", below(rng, 100000));
    }
    for (size_t i = below(rng, PL_FIGURE_FACTS + 1); i > 0; i--) {
        pl_figure_fact(out, some_text(rng), "%s", some_text(rng));
    }
}

void made_figure(pl_rng *rng, pl_figure *out)
{
    for (int tries = 0; tries < 200; tries++) {
        make_once(rng, out);
        if (pl_figure_check(out, NULL) == PL_OK) {
            return;
        }
        pl_figure_deinit(out);
    }
    fail(); /* hardly any made figure can be drawn: the check or this file is wrong */
}
