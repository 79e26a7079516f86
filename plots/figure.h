/* plots/figure.h -- a figure as pure data: what is drawn, not how.
 *
 * The screen (views) and the paper (Cairo) draw the same pl_figure.  One file per kind of figure
 * builds one; nothing here knows Cairo or ncurses.  Thinning keeps maxima: a back end bins points
 * by pixel or cell and draws each bin's minimum and maximum, never an interpolation. */
#ifndef PL_PLOTS_FIGURE_H
#define PL_PLOTS_FIGURE_H

#include "core/base/error.h"
#include "core/base/table.h"
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
    PL_MARK_FAN, /* spreads over x, neighbours joined: nested bands and the median's line */
    PL_MARK_BOX, /* spreads at single x: box plots, each box one unit of x wide at most */
} pl_mark;

/* A spread is PL_SPREAD numbers: minimum, 1 %, 25 %, median, 75 %, 99 %, maximum. */
enum { PL_SPREAD = 7 };

/* Which state of the data a series shows; fixes its colour, line style and marker everywhere. */
typedef enum pl_tone {
    PL_TONE_BEFORE,
    PL_TONE_PRECONDITIONED,
    PL_TONE_AFTER,
    PL_TONE_INPUT,
    PL_TONE_EXTRA, /* + 0 ... 7: pinned baselines, directions, orders */
    PL_TONE_COUNT = PL_TONE_EXTRA + 8,
} pl_tone;

typedef struct pl_series {
    char *label; /* legend text, UTF-8 */
    pl_mark mark;
    pl_tone tone;
    size_t count;
    double *x;  /* [count], PL_MARK_STEPS: [count + 1] */
    double *at; /* [count] what each point is of, where x does not say it: a sweep's value, a
                   group's first channel; or NULL */
    double *y;  /* [count]; PL_MARK_FAN and PL_MARK_BOX: [count, PL_SPREAD], each spread rising */
    bool right; /* of the figure's right axis */
    bool coloured; /* on paper in this colour, not its tone's: */
    uint32_t rgb;
} pl_series;

/* Whether a series has a label.  One without a label belongs to another one, whose points it joins.
 */
bool pl_series_is_named(const pl_series *series);

/* Numbers of y a point has: PL_SPREAD or 1. */
size_t pl_mark_width(pl_mark mark);

typedef struct pl_axis {
    char *label; /* with its unit or meaning */
    bool log;
    double lo, hi; /* data range shown; lo < hi; > 0 when log */
    bool cropped;  /* the author's range: what lies outside is not drawn */
    bool whole;    /* only whole numbers are ticks: channel indices, ranks */
    char **names;  /* [n_names] of the positions 0, 1, ...: the ticks' texts (those that fit) and
                      the crosshair's; NULL: numbers */
    size_t n_names;
    bool downward; /* the names are read from the last, which stands on top: that has a tick */
    char **more;   /* [n_names] what the crosshair says of each beside its name where there is room,
                      entries may be NULL; or NULL */
} pl_axis;

typedef struct pl_rule {
    double at; /* a reference line, e.g. 6 x the median channel maximum */
    char *label;
    bool vertical; /* at is an x; else a y */
    bool guide;    /* of work on the screen (what is set now): on paper only where asked */
} pl_rule;

/* A heat map: cell (r, c) is one unit high around y = r and step units wide, from half a unit (or
 * half a step, if that is less) left of x = c * step: c's first channel where a cell stands for
 * several, of which it shows the largest.  Sequential colours, dark is
 * low; values outside [lo, hi] have the ends' colours.  NaN: no value, drawn as background. */
typedef struct pl_heat {
    size_t rows, cols;
    double step;   /* x units a cell is wide */
    float *values; /* [rows, cols] */
    uint32_t *at;  /* [rows, cols]: the x whose value a cell shows, where one stands for several;
                      NULL: its own */
    double lo, hi; /* of the colours; > 0 when log */
    bool log;
    char *label; /* of the colour bar */
} pl_heat;

/* The left edge of column 0, and the column at an x, of which there is always one. */
double pl_heat_left(const pl_heat *heat);
size_t pl_heat_col(const pl_heat *heat, double x);

/* The x whose value cell (row, col) shows. */
double pl_heat_x(const pl_heat *heat, size_t row, size_t col);

/* One number about what is shown, for the screen's corner, the caption and the CSV's head. */
typedef struct pl_fact {
    char name[32]; /* "epsilon_rank" */
    char text[48]; /* "412 of 576" */
} pl_fact;

/* A short text beside a data point, e.g. the index of an outlier channel. */
typedef struct pl_note {
    double x, y;
    char text[24];
} pl_note;

enum { PL_FIGURE_SERIES = 12, PL_FIGURE_RULES = 4, PL_FIGURE_NOTES = 3, PL_FIGURE_FACTS = 8 };

typedef struct pl_figure {
    char *title;
    pl_axis x, y;
    pl_axis right; /* on paper: a second y axis, of the series that say so; without label: none */
    pl_series series[PL_FIGURE_SERIES];
    size_t n_series;
    pl_rule rules[PL_FIGURE_RULES];
    size_t n_rules;
    pl_note notes[PL_FIGURE_NOTES]; /* the largest first */
    size_t n_notes;
    pl_heat *heat;   /* drawn below the series, or NULL */
    bool stacked;    /* stems of a later series stand in full width before those of an earlier one:
                        parts of a sum */
    bool relief;     /* on paper the heat map stands up, its values heights from lo to hi */
    pl_table *table; /* then nothing else is drawn, and the axes mean nothing; or NULL */
    pl_fact facts[PL_FIGURE_FACTS];
    size_t n_facts;
    const char *explanation; /* of a literal's life: what the caption adds in whole sentences, so
                                that marks and symbols are understood; NULL: nothing */
    /* What it is of ("all blocks"), where the kind is of a layer and the figure is not; "": of the
     * layer. */
    char of[32];
} pl_figure;

void pl_figure_deinit(pl_figure *figure);

/* A copy of all of it.  Caller deinits out; empty on failure.  PL_ERR_USAGE for a table. */
PL_NODISCARD pl_status pl_figure_copy(const pl_figure *figure, pl_figure *out, pl_error *err);

/* Whether it has a right axis; and the figure as a series sees it, with its own axis as y:
 * borrowed, not to be deinited. */
bool pl_figure_has_right(const pl_figure *figure);
pl_figure pl_figure_for(const pl_figure *figure, const pl_series *series);

/* Whether a figure can be drawn: something in it, counts within bounds, axes with lo < hi (> 0 when
 * log), every value finite.  PL_ERR_USAGE or PL_ERR_NUMERIC with a sentence that names the series
 * or axis. */
PL_NODISCARD pl_status pl_figure_check(const pl_figure *figure, pl_error *err);

/* The name of a position; NULL: there is no such position, or the axis leaves its name out. */
const char *pl_axis_name(const pl_axis *axis, size_t position);

/* Tick positions of an axis and their texts, strictly rising, within [lo, hi].  Linear: 1, 2, 2.5,
 * 5 times powers of ten, about `wanted` (1 ... 10) of them; log: decades (and 2, 5 where few
 * decades; linear ones where there are fewer than two of those).  Text is plain UTF-8 with a real
 * minus U+2212; 10^n is written with superscripts (U+2070...), scientific notation outside
 * 1e-5...1e6.  An axis with names: every 1st, 2nd, 5th ... name so that at most `wanted`
 * (1 ... PL_MAX_TICKS) are there, their first PL_TICK_TEXT - 1 bytes.  Returns the count, majors
 * and minors together; 0 for an axis that pl_figure_check refuses. */
enum { PL_MAX_TICKS = 64, PL_TICK_TEXT = 256 };
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
    size_t n;         /* channels */
    bool sorted;      /* every series by its own falling value, as lines over the rank from 1 */
    bool log;         /* y */
    bool log_x;       /* sorted only */
    bool median_rule; /* draw 6 x the median of series `base`, where it falls near the data */
    size_t base;      /* the series whose outliers are noted, and whose median is the rule's */
    bool points[PL_FIGURE_SERIES]; /* by index: points in place of stems (pinned baselines) */
    bool mark;                     /* mark this channel by a rule, at its rank in `base` when */
    size_t channel;                /* sorted */
} pl_channels_data;

/* By index: stems, the y axis from 0, and notes at up to PL_FIGURE_NOTES channels of series `base`
 * above 6 x its median.  Copies what it needs.  Caller deinits out; empty on failure.
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
