/* core/base/table.h -- a table of texts and numbers, written for a terminal, as CSV or as LaTeX.
 *
 * One way of writing each, for commands and figures alike.  CSV has RFC 4180's quotes, where a text
 * needs them or holds a `#`, and lines that end in \n: numpy (loadtxt with quotechar), pandas and R
 * read it.  {0} is a valid empty table. */
#ifndef PL_BASE_TABLE_H
#define PL_BASE_TABLE_H

#include "core/base/text.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_table {
    size_t rows, cols;
    char **heads;    /* [cols] with their units; NULL: "" */
    char **cells;    /* [rows, cols] as they are shown; NULL: nothing */
    double *numbers; /* [rows, cols] what a number is rounded from; NaN: none, or a text */
    bool *numeric;   /* [cols] columns of numbers, which stand to the right */
} pl_table;

/* Room for so many cells, all empty.  PL_ERR_MEMORY leaves it empty; the caller deinits. */
PL_NODISCARD pl_status pl_table_init(pl_table *table, size_t rows, size_t cols, pl_error *err);
void pl_table_deinit(pl_table *table);

/* Copies; what was there is freed. */
PL_NODISCARD pl_status pl_table_head(pl_table *table, size_t col, const char *text, pl_error *err);
PL_NODISCARD pl_status pl_table_text(pl_table *table, size_t row, size_t col, const char *text,
                                     pl_error *err);
/* Makes the column one of numbers.  format: printf's, of one double; it is shown with a real minus
 * and without the point that "%#.4g" may leave at its end.  none: shown where it is not finite. */
PL_NODISCARD pl_status pl_table_number(pl_table *table, size_t row, size_t col, const char *format,
                                       double value, const char *none, pl_error *err);

/* What a cell, or the head of a column, shows; "" where that is nothing.  Borrowed. */
const char *pl_table_cell(const pl_table *table, size_t row, size_t col);
const char *pl_table_head_of(const pl_table *table, size_t col);

/* Aligned columns; a cell with nothing is a dash.  Control characters are escaped.  columns: of the
 * terminal, 0: any number; where that is too few, columns without a value are left out, then those
 * that `least` names, "rms token_id" (NULL: none), then from the right, but never the first, as far
 * as none of them would fit; "outlier_in+of" go together; a last line says which. */
void pl_table_put_text(const pl_table *table, size_t columns, const char *least, pl_buf *out);

/* Heads and rows; numbers with nine digits, whole ones with all, what is not finite as nothing. */
void pl_table_put_csv(const pl_table *table, pl_buf *out);

/* A tabular of LaTeX's booktabs, numbers to the right as they are shown, texts that are numbers
 * ("1.396 ± 0.025"), too. */
void pl_table_put_latex(const pl_table *table, pl_buf *out);

/* One field of a CSV line, quoted where that is needed.  A real minus is written as "-". */
void pl_csv_put_text(pl_buf *out, const char *text);
void pl_csv_put_number(pl_buf *out, double value);

#endif
