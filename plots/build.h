/* plots/build.h -- what the builders of figures share: owned copies and series storage. */
#ifndef PL_PLOTS_BUILD_H
#define PL_PLOTS_BUILD_H

#include "plots/figure.h"

/* *slot: an owned copy of text, NULL copied as "".  The old text is freed. */
PL_NODISCARD pl_status pl_figure_text(char **slot, const char *text, pl_error *err);

/* Appends a series with storage for count points (count + 1 edges for PL_MARK_STEPS), zeroed. */
PL_NODISCARD pl_status pl_figure_add(pl_figure *figure, const char *label, pl_mark mark,
                                     pl_tone tone, size_t count, pl_series **out, pl_error *err);

/* Title and axis labels at once. */
PL_NODISCARD pl_status pl_figure_texts(pl_figure *figure, const char *title, const char *x_label,
                                       const char *y_label, pl_error *err);

#endif
