/* plots/build.h -- what the builders of figures share: owned copies and series storage. */
#ifndef PL_PLOTS_BUILD_H
#define PL_PLOTS_BUILD_H

#include "plots/figure.h"

/* *slot: an owned copy of text, NULL copied as "".  The old text is freed. */
PL_NODISCARD pl_status pl_figure_text(char **slot, const char *text, pl_error *err);

/* Appends a series with storage for count points (count + 1 edges for PL_MARK_STEPS, count spreads
 * for PL_MARK_FAN and PL_MARK_BOX), zeroed. */
PL_NODISCARD pl_status pl_figure_add(pl_figure *figure, const char *label, pl_mark mark,
                                     pl_tone tone, size_t count, pl_series **out, pl_error *err);

/* Title and axis labels at once. */
PL_NODISCARD pl_status pl_figure_texts(pl_figure *figure, const char *title, const char *x_label,
                                       const char *y_label, pl_error *err);

/* A heat map with storage for rows x cols values, all NaN, step 1. */
PL_NODISCARD pl_status pl_figure_heat(pl_figure *figure, size_t rows, size_t cols,
                                      const char *label, pl_error *err);
/* Gives a heat map storage for pl_heat.at, all 0. */
PL_NODISCARD pl_status pl_figure_heat_several(pl_figure *figure, pl_error *err);

/* A table with every head and cell NULL (drawn empty); fill them with pl_table_head, _text and
 * _number. */
PL_NODISCARD pl_status pl_figure_table(pl_figure *figure, size_t rows, size_t cols, pl_error *err);

/* Room for n names of an axis, all NULL; fill them with pl_figure_text. */
PL_NODISCARD pl_status pl_figure_names(pl_axis *axis, size_t n, pl_error *err);

/* Adds a rule; pl_figure_fact adds a fact, dropped where there is no room for it. */
PL_NODISCARD pl_status pl_figure_rule(pl_figure *figure, double at, bool vertical,
                                      const char *label, pl_error *err);
/* Adds a vertical guide (pl_rule.guide): on paper only where guides=yes asks for it. */
PL_NODISCARD pl_status pl_figure_guide(pl_figure *figure, double at, const char *label,
                                       pl_error *err);
void pl_figure_fact(pl_figure *figure, const char *name, const char *format, ...) PL_PRINTF(3, 4);

#endif
