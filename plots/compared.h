/* plots/compared.h -- what the figures of a comparison share: its rows and their names. */
#ifndef PL_PLOTS_COMPARED_H
#define PL_PLOTS_COMPARED_H

#include "plots/kinds.h"

#include <jansson.h>

/* The rows of the last comparison, read for a figure. */
typedef struct pl_compared_rows {
    json_t *rows;
    size_t count;
} pl_compared_rows;

PL_NODISCARD pl_status pl_compared_read(pl_lab *lab, const pl_state *state,
                                        const pl_request *request, pl_compared_rows *out,
                                        pl_error *err);
void pl_compared_free(pl_compared_rows *rows);

/* A number of a row; NaN where the row lacks it. */
double pl_compared_number(const pl_compared_rows *rows, size_t row, const char *key);

/* Whether a row's setting is a name, not a list of methods. */
bool pl_compared_is_named(const char *setting);

/* The row's name, or its methods as "Hadamard + GPTQ, W4"; appended. */
void pl_compared_label(const pl_compared_rows *rows, size_t row, pl_buf *out);

/* A row's tone where each of at most PL_COMPARED_TONES rows has its own series. */
enum { PL_COMPARED_TONES = PL_FIGURE_SERIES - 1 };
pl_tone pl_compared_tone(size_t row);

/* For pl_kind.commands. */
void pl_compared_commands(pl_context cx, const pl_request *request, pl_buf *out);

/* An axis with a little room around lo ... hi, logarithmic where they are more than 4 times apart
 * and above 0. */
void pl_compared_fit(pl_axis *axis, double lo, double hi);

/* What the crosshair says: the row's name. */
void pl_compared_say(const pl_looked *at, double x, size_t row, pl_buf *out);

#endif
