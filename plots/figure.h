/* plots/figure.h -- a figure as pure data: what is drawn, not how.
 *
 * The screen (views) and the paper (Cairo) draw the same pl_figure.  One file per kind of figure
 * builds one; nothing here knows Cairo or ncurses.  Thinning keeps maxima: a back end bins points
 * by pixel or cell and draws each bin's minimum and maximum, never an interpolation. */
#ifndef PL_PLOTS_FIGURE_H
#define PL_PLOTS_FIGURE_H

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/calib/stats.h"
#include "core/tensor/mat.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_mark {
    PL_MARK_LINE,  /* x[i], y[i] joined */
    PL_MARK_STEPS, /* bins: x[0..count] edges, y[0..count-1] heights */
    PL_MARK_STEMS, /* from the axis to y[i]: channel plots */
    PL_MARK_POINTS,
} pl_mark;

/* Which state of the data a series shows; fixes its colour, line style and marker everywhere. */
typedef enum pl_tone {
    PL_TONE_BEFORE,
    PL_TONE_PRECONDITIONED,
    PL_TONE_AFTER,
    PL_TONE_INPUT,
} pl_tone;

typedef struct pl_series {
    char *label; /* legend text, UTF-8 */
    pl_mark mark;
    pl_tone tone;
    size_t count;
    double *x; /* [count], PL_MARK_STEPS: [count + 1] */
    double *y; /* [count] */
} pl_series;

typedef struct pl_axis {
    char *label; /* with its unit or meaning */
    bool log;
    double lo, hi; /* data range shown; lo < hi; > 0 when log */
    bool whole;    /* only whole numbers are ticks: channel indices, ranks */
} pl_axis;

typedef struct pl_rule {
    double at; /* a horizontal reference line, e.g. 6 x the median channel maximum */
    char *label;
} pl_rule;

/* A short text beside a data point, e.g. the index of an outlier channel. */
typedef struct pl_note {
    double x, y;
    char text[24];
} pl_note;

enum { PL_FIGURE_SERIES = 8, PL_FIGURE_RULES = 2, PL_FIGURE_NOTES = 3 };

typedef struct pl_figure {
    char *title;
    pl_axis x, y;
    pl_series series[PL_FIGURE_SERIES];
    size_t n_series;
    pl_rule rules[PL_FIGURE_RULES];
    size_t n_rules;
    pl_note notes[PL_FIGURE_NOTES]; /* the largest first */
    size_t n_notes;
} pl_figure;

void pl_figure_deinit(pl_figure *figure);

/* Whether a figure can be drawn: counts within bounds, axes with lo < hi (> 0 when log), every
 * value finite.  PL_ERR_USAGE or PL_ERR_NUMERIC with a sentence that names the series or axis. */
PL_NODISCARD pl_status pl_figure_check(const pl_figure *figure, pl_error *err);

/* Tick positions of an axis and their texts, strictly rising, within [lo, hi].  Linear: 1, 2, 2.5,
 * 5 times powers of ten, about `wanted` (1 ... 10) of them; log: decades (and 2, 5 where few
 * decades; linear ones where there are fewer than two of those).  Text is plain UTF-8 with a real
 * minus U+2212; 10^n is written with superscripts (U+2070...), scientific notation outside
 * 1e-5...1e6.  Returns the count, majors and minors together; 0 for an axis that
 * pl_figure_check refuses. */
enum { PL_MAX_TICKS = 64, PL_TICK_TEXT = 40 };
typedef struct pl_tick {
    double at;
    bool major;
    char text[PL_TICK_TEXT]; /* "" for minor ones */
} pl_tick;
size_t pl_ticks(const pl_axis *axis, size_t wanted, pl_tick out[PL_MAX_TICKS]);

/* --- channels: maxima per channel, by index or sorted --------------------------------------- */

typedef struct pl_channels_data {
    const char *title;
    const char *y_label;
    const float *values[PL_FIGURE_SERIES]; /* [n] each */
    const char *labels[PL_FIGURE_SERIES];
    pl_tone tones[PL_FIGURE_SERIES];
    size_t n_series;
    size_t n;    /* channels */
    bool sorted; /* every series by its own falling value, as lines over the rank from 1 */
    bool log;    /* y */
    bool log_x;  /* sorted only */
    bool median_rule; /* draw 6 x the median of the first series, where it falls near the data */
} pl_channels_data;

/* By index: stems, the y axis from 0, and notes at up to PL_FIGURE_NOTES channels of the first
 * series above 6 x its median.  Copies what it needs.  Caller deinits out; empty on failure.
 * PL_ERR_NUMERIC if a value is not finite, PL_ERR_USAGE without series or channels. */
PL_NODISCARD pl_status pl_figure_channels(const pl_channels_data *data, pl_figure *out,
                                          pl_error *err);

/* --- histogram: distribution of weights (before, after) or inputs, log counts ---------------- */

typedef struct pl_histogram_data {
    const char *title;
    const char *x_label;
    pl_view values[PL_FIGURE_SERIES]; /* all elements counted into common bins */
    const char *labels[PL_FIGURE_SERIES];
    pl_tone tones[PL_FIGURE_SERIES];
    size_t n_series;
    size_t bins; /* 0: chosen from the data (Freedman-Diaconis, 60 ... 200); at most 4096 */
} pl_histogram_data;

/* The bins span all values of all series exactly, outliers included; every value is counted.
 * Caller deinits out; empty on failure.  PL_ERR_NUMERIC if a value is not finite, PL_ERR_USAGE
 * without series or values. */
PL_NODISCARD pl_status pl_figure_histogram(const pl_histogram_data *data, pl_figure *out,
                                           pl_error *err);

/* The same from counts over log2 bins of |x| (core/calib/stats.h): log-log, from the first to the
 * last bin that is not empty.  PL_ERR_STATE if all are. */
PL_NODISCARD pl_status pl_figure_input_histogram(const char *title,
                                                 const uint64_t counts[PL_HIST_BINS],
                                                 pl_figure *out, pl_error *err);

#endif
