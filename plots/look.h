/* plots/look.h -- how the screen handles a figure: what a place on its x axis means, what the
 * crosshair says there, what Enter does.  Small functions of the state, the live picture and the
 * figure; they know no terminal. */
#ifndef PL_PLOTS_LOOK_H
#define PL_PLOTS_LOOK_H

#include "core/live/picture.h"
#include "core/state/state.h"
#include "plots/figure.h"

#include <stdbool.h>
#include <stddef.h>

/* What is looked at; borrowed. */
typedef struct pl_looked {
    const pl_state *state;
    const pl_picture *picture; /* of the state's layer, or NULL */
    const pl_figure *figure;
    size_t row; /* of a heat map, under the crosshair */
} pl_looked;

typedef struct pl_figure_look {
    const char *help; /* one sentence: what the view shows, how to read it */
    bool follows;     /* the crosshair is the channel marked in all views */
    bool snaps;       /* the crosshair starts at the point next to its place */
    bool whole;       /* of the whole model: the title names no layer */
    /* The layer that the figure is of where that need not be the selected one, SIZE_MAX: all. Enter
     * selects it before its command.  NULL: the selected one. */
    size_t (*layer)(const pl_state *state);
    /* x of the marked channel or the selected item; NaN where it has none.  NULL: never. */
    double (*place)(const pl_looked *at);
    /* The channel at an x, SIZE_MAX for none.  NULL: x means no channel. */
    size_t (*channel)(const pl_looked *at, double x);
    /* Appends what the crosshair says at x; NULL: the axis' name or number there.  row: in a heat
     * map. */
    void (*say)(const pl_looked *at, double x, size_t row, pl_buf *out);
    /* Enter at x: appends a command, and sets *solves if the layer is to be solved after it.  NULL:
     * marks the channel, if there is one. */
    void (*enter)(const pl_looked *at, double x, size_t row, pl_buf *command, bool *solves);
} pl_figure_look;

/* The layer that a figure is of, SIZE_MAX: the whole model. */
size_t pl_look_layer(const pl_figure_look *look, const pl_state *state);

/* A value on the scale of an axis (log10 where that is logarithmic), and back. */
double pl_axis_to(const pl_axis *axis, double x);
double pl_axis_from(const pl_axis *axis, double t);

/* The range of a zoomed axis, on the scale of the axis. */
void pl_axis_shown(const pl_axis *axis, double first, double shown, double *lo, double *hi);

/* Point i of a series; of a bin its middle, of a spread its maximum. */
double pl_series_x(const pl_series *series, size_t i);
double pl_series_y(const pl_series *series, size_t i);

/* Index of the point of a series at, or next to, x; false if there is none. */
bool pl_series_at(const pl_series *series, const pl_axis *axis, double x, size_t *index);

/* The group of the marked channel, NaN without one.  The axis' names are the groups', or the
 * series' `at` their first channels. */
double pl_look_group_of_channel(const pl_looked *at);
/* The largest channel of the group at x, on the side that is shown; SIZE_MAX if there is none. */
size_t pl_look_channel_of_group(const pl_looked *at, double x);
/* The channels first ... last of the group at x; false where there is none. */
bool pl_look_group_at(const pl_looked *at, double x, size_t *first, size_t *last);

/* The channel whose value a heat map's cell at x shows: "channel 1229", or "channel 1229 of
 * 1228–1229" where the cell stands for several. */
void pl_look_say_cell(const pl_looked *at, const char *what, double x, size_t row, pl_buf *out);

/* The same, behind the name of the heat map's row. */
void pl_look_say_named_cell(const pl_looked *at, const char *what, double x, size_t row,
                            pl_buf *out);
/* "block 7": the axis' label and a whole number. */
void pl_look_say_number(const pl_looked *at, double x, size_t row, pl_buf *out);

/* The block of the selected layer, NaN without a model. */
double pl_look_block(const pl_looked *at);

#endif
