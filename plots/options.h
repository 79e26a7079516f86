/* plots/options.h -- what a figure's author sets: titles, ranges, names, colours, font, sizes.
 *
 * An option is one row of PL_FIGURE_OPTIONS: `plot`, `figure` (for the page, and inside a quoted
 * panel), `rebuild`, completion, help and the provenance follow. */
#ifndef PL_PLOTS_OPTIONS_H
#define PL_PLOTS_OPTIONS_H

#include "plots/figure.h"
#include "plots/fonts.h"
#include "plots/palette.h"

#include <stdbool.h>
#include <stdint.h>

enum { PL_OPTION_TEXT = 240, PL_OPTION_NAMES = 480 };

/* The kinds of values; all zero: not given. */
typedef struct pl_option_TEXT {
    bool given;
    char text[PL_OPTION_TEXT]; /* as plots/label.h has it, "" for none */
} pl_option_TEXT;

typedef struct pl_option_RANGE {
    bool given, has_lo, has_hi;
    double lo, hi;
} pl_option_RANGE;

typedef struct pl_option_NAMES {
    bool given;
    char text[PL_OPTION_NAMES]; /* "before=W,after=Astro", as typed */
} pl_option_NAMES;

typedef struct pl_option_CHOICE {
    bool given;
    size_t index; /* among the row's choices */
} pl_option_CHOICE;

typedef struct pl_option_SIZE {
    bool given;
    double points;
} pl_option_SIZE, pl_option_WIDTH;

typedef struct pl_option_COLOURS {
    bool given;
    size_t n;
    uint32_t rgb[PL_FIGURE_SERIES]; /* of the series in order, repeated from the first */
    bool has_palette;
    pl_colormap palette; /* of a heat map */
} pl_option_COLOURS;

/* OPTION(name, kind of value, whether it is of the whole file only, default shown, choices, help);
 * the first choice is the default. */
#define PL_FIGURE_OPTIONS(OPTION)                                                                  \
    OPTION(title, TEXT, false, NULL, NULL, "title, with x^2, W_0, \\beta; '' for none")            \
    OPTION(xlabel, TEXT, false, NULL, NULL, "label of the x axis, likewise")                       \
    OPTION(ylabel, TEXT, false, NULL, NULL, "label of the y axis, likewise")                       \
    OPTION(xlim, RANGE, false, NULL, NULL, "LO:HI of the x axis; either may be left out")          \
    OPTION(ylim, RANGE, false, NULL, NULL, "LO:HI of the y axis")                                  \
    OPTION(names, NAMES, false, NULL, NULL,                                                        \
           "the legend's names, e.g. 'before=W,after=Astro' or '1=W,2=Astro'")                     \
    OPTION(legend, CHOICE, false, "auto", "auto|none|below|right|corner",                          \
           "where the legend stands; auto: in the plot where it hides nothing, else below")        \
    OPTION(colors, COLOURS, false, NULL, NULL,                                                     \
           "of the series, e.g. #4477aa,vermilion; of a heat map viridis or cividis")              \
    OPTION(text, SIZE, false, NULL, NULL, "size of labels, points (5 to 10 by the width)")         \
    OPTION(linewidth, WIDTH, false, NULL, NULL, "width of the data's lines, points")               \
    OPTION(guides, CHOICE, false, "no", "no|yes",                                                  \
           "the screen's lines of work, too: now, knee, block")                                    \
    OPTION(font, CHOICE, true, "dejavu", PL_FONT_NAMES,                                            \
           "the letters; stix, termes, liberation suit Times")                                     \
    OPTION(svgtext, CHOICE, true, "text", "text|outline",                                          \
           "letters of an SVG as text or as outlines")

typedef struct pl_figure_options {
#define PL_OPTION_MEMBER(name, kind, whole, initial, choices, help) pl_option_##kind name;
    PL_FIGURE_OPTIONS(PL_OPTION_MEMBER)
#undef PL_OPTION_MEMBER
    unsigned inherited; /* bit i: row i came from the page and is ignored where a panel has no use
                           for it */
} pl_figure_options;

/* legend= */
typedef enum pl_legend_at {
    PL_LEGEND_AUTO,
    PL_LEGEND_NONE,
    PL_LEGEND_BELOW,
    PL_LEGEND_RIGHT,
    PL_LEGEND_CORNER,
} pl_legend_at;

typedef struct pl_option_row {
    const char *name, *choices;
    bool whole; /* belongs to the whole file, not to a panel */
} pl_option_row;

/* The rows in order; NULL behind the last. */
const pl_option_row *pl_figure_option(size_t index);

/* Sets the option of a row from its text.  PL_ERR_USAGE says "xlim=3: expected ...". */
PL_NODISCARD pl_status pl_figure_option_read(pl_figure_options *options, size_t index,
                                             const char *value, pl_error *err);

/* A panel takes from the page what it does not set itself, except the title. */
void pl_figure_options_inherit(pl_figure_options *panel, const pl_figure_options *page);

/* Puts titles, labels, ranges, names and colours into a figure, and removes its guides unless
 * guides=yes is set.  PL_ERR_USAGE names a range that the figure cannot have (a log axis to 0, a
 * table) and a name of no series. */
PL_NODISCARD pl_status pl_figure_options_apply(const pl_figure_options *options, pl_figure *figure,
                                               pl_error *err);

#endif
