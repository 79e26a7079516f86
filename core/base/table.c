#include "core/base/table.h"

#include "core/base/checked.h"
#include "core/base/latex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char minus[] = "\u2212";

pl_status pl_table_init(pl_table *table, size_t rows, size_t cols, pl_error *err)
{
    size_t count = 0;
    *table = (pl_table){0};
    if (pl_mul(rows, cols, &count)) {
        const size_t some = count > 0 ? count : 1;
        table->heads = calloc(cols + 1, sizeof *table->heads);
        table->cells = calloc(some, sizeof *table->cells);
        table->numbers = pl_alloc(some, sizeof *table->numbers);
        table->numeric = calloc(cols + 1, sizeof *table->numeric);
    }
    if (table->heads == NULL || table->cells == NULL || table->numbers == NULL ||
        table->numeric == NULL) {
        pl_table_deinit(table);
        return pl_error_memory(err, "a table of %zu x %zu", rows, cols);
    }
    table->rows = rows;
    table->cols = cols;
    for (size_t i = 0; i < count; i++) {
        table->numbers[i] = (double)NAN;
    }
    return PL_OK;
}

void pl_table_deinit(pl_table *table)
{
    for (size_t c = 0; c < table->cols; c++) {
        free(table->heads[c]);
    }
    for (size_t i = 0; i < table->rows * table->cols; i++) {
        free(table->cells[i]);
    }
    free(table->heads);
    free(table->cells);
    free(table->numbers);
    free(table->numeric);
    *table = (pl_table){0};
}

static pl_status set_slot(char **slot, const char *text, pl_error *err)
{
    char *copy = strdup(text != NULL ? text : "");
    if (copy == NULL) {
        return pl_error_memory(err, "a table");
    }
    free(*slot);
    *slot = copy;
    return PL_OK;
}

pl_status pl_table_head(pl_table *table, size_t col, const char *text, pl_error *err)
{
    return set_slot(&table->heads[col], text, err);
}

pl_status pl_table_text(pl_table *table, size_t row, size_t col, const char *text, pl_error *err)
{
    return set_slot(&table->cells[row * table->cols + col], text, err);
}

pl_status pl_table_number(pl_table *table, size_t row, size_t col, const char *format, double value,
                          const char *none, pl_error *err)
{
    char text[64];
    char shown[80];
    char **slot = &table->cells[row * table->cols + col];
    table->numeric[col] = true;
    table->numbers[row * table->cols + col] = value;
    if (!isfinite(value)) {
        return set_slot(slot, none, err);
    }
    snprintf(text, sizeof text, format, value);
    const size_t size = strlen(text);
    if (size > 0 && text[size - 1] == '.') {
        text[size - 1] = '\0';
    }
    snprintf(shown, sizeof shown, "%s%s", text[0] == '-' ? minus : "",
             text[0] == '-' ? text + 1 : text);
    return set_slot(slot, shown, err);
}

const char *pl_table_cell(const pl_table *table, size_t row, size_t col)
{
    const char *text = table->cells[row * table->cols + col];
    return text != NULL ? text : "";
}

const char *pl_table_head_of(const pl_table *table, size_t col)
{
    return table->heads[col] != NULL ? table->heads[col] : "";
}

/* Nothing is a dash. */
static const char *shown_at(const pl_table *table, size_t row, size_t col)
{
    const char *text = table->cells[row * table->cols + col];
    return text != NULL ? text : "-";
}

/* --- for a terminal --------------------------------------------------------------------------- */

/* Appends the text escaped; returns how many characters it has. */
static size_t put_safe(pl_buf *out, const char *text)
{
    const size_t length = pl_text_escape(text, strlen(text), NULL, 0);
    char *safe = malloc(length + 1);
    size_t width = 0;
    if (safe == NULL) {
        out->failed = true;
        return 0;
    }
    pl_text_escape(text, strlen(text), safe, length + 1);
    for (const char *c = safe; *c != '\0'; c++) {
        const bool real = strncmp(c, minus, sizeof minus - 1) == 0; /* not every terminal has it */
        width += ((unsigned char)*c & 0xc0) != 0x80;
        pl_buf_append(out, real ? "-" : c, 1);
        c += real ? sizeof minus - 2 : 0;
    }
    free(safe);
    return width;
}

static size_t width_of(const char *text)
{
    pl_buf safe = {0};
    const size_t width = put_safe(&safe, text);
    pl_buf_deinit(&safe);
    return width;
}

static size_t width_of_column(const pl_table *table, size_t col)
{
    size_t width = width_of(pl_table_head_of(table, col));
    for (size_t r = 0; r < table->rows; r++) {
        const size_t own = width_of(shown_at(table, r, col));
        width = own > width ? own : width;
    }
    return width;
}

static bool has_value(const pl_table *table, size_t col)
{
    bool has = false;
    for (size_t r = 0; r < table->rows; r++) {
        has = has || (table->numeric[col] ? isfinite(table->numbers[r * table->cols + col])
                                          : pl_table_cell(table, r, col)[0] != '\0');
    }
    return has;
}

/* Width of the line; widths 0 are left out. */
static size_t width_of_line(const size_t *widths, size_t cols)
{
    size_t sum = 0, shown = 0;
    for (size_t c = 0; c < cols; c++) {
        sum += widths[c];
        shown += widths[c] > 0;
    }
    return sum + (shown > 0 ? 2 * (shown - 1) : 0);
}

/* The column whose name begins a text such as "rms outlier_in+of"; cols where there is none. */
static size_t find_least(const pl_table *table, const char *least)
{
    const size_t length = strcspn(least, " +");
    size_t col = 0;
    while (col < table->cols && (strlen(pl_table_head_of(table, col)) != length ||
                                 strncmp(pl_table_head_of(table, col), least, length) != 0)) {
        col++;
    }
    return col;
}

/* Sets the width of a column, and of the one that goes with it, to 0 or, where they have values and
 * fit, to the whole one. */
static void show_column(const pl_table *table, size_t columns, const size_t *mates,
                        const size_t *whole, size_t col, bool show, size_t *widths)
{
    const size_t both[] = {col, mates[col]};
    for (size_t i = 0; i < 2; i++) {
        widths[both[i]] = show && has_value(table, both[i]) ? whole[both[i]] : 0;
    }
    if (show && width_of_line(widths, table->cols) > columns) {
        widths[both[0]] = widths[both[1]] = 0;
    }
}

/* In which order columns go.  mates[c]: the column that goes with c, itself where none does. */
static size_t order_to_go(const pl_table *table, const char *least, size_t *order, size_t *mates)
{
    const size_t cols = table->cols;
    size_t count = 0, before = cols; /* the name that a + joins to the next */
    for (size_t c = cols; c-- > 0;) {
        mates[c] = c;
        if (c > 0 && !has_value(table, c)) {
            order[count++] = c;
        }
    }
    while (least != NULL && *least != '\0') {
        const size_t col = find_least(table, least);
        const bool known = col > 0 && col < cols;
        if (known && count < 2 * cols) {
            order[count++] = col;
        }
        if (known && before < cols) {
            mates[col] = before;
            mates[before] = col;
        }
        least += strcspn(least, " +");
        before = *least == '+' && known ? col : cols;
        least += strspn(least, " +");
    }
    for (size_t c = cols; c-- > 1;) {
        order[count++] = c;
    }
    return count;
}

/* Sets widths of columns to 0 until the line fits: one after another, and what then fits again
 * comes back, the last one first. */
static pl_status leave_out(const pl_table *table, size_t columns, const char *least, size_t *widths)
{
    const size_t cols = table->cols;
    size_t gone = 0;
    size_t *order = calloc(5 * cols + 1, sizeof *order);
    if (order == NULL) {
        return PL_ERR_MEMORY;
    }
    size_t *whole = order + 3 * cols, *mates = order + 4 * cols;
    memcpy(whole, widths, cols * sizeof *widths);
    const size_t count = order_to_go(table, least, order, mates);
    while (gone < count && width_of_line(widths, cols) > columns) {
        show_column(table, columns, mates, whole, order[gone++], false, widths);
    }
    while (gone-- > 0) {
        show_column(table, columns, mates, whole, order[gone], true, widths);
    }
    free(order);
    return PL_OK;
}

static void put_line(const pl_table *table, size_t row, const size_t *widths, pl_buf *out)
{
    for (size_t c = 0; c < table->cols; c++) {
        if (widths[c] == 0) {
            continue;
        }
        const char *text = row == SIZE_MAX ? pl_table_head_of(table, c) : shown_at(table, row, c);
        const size_t own = width_of(text);
        const int pad = own < widths[c] ? (int)(widths[c] - own) : 0;
        pl_buf_puts(out, c > 0 ? "  " : "");
        pl_buf_printf(out, "%*s", table->numeric[c] ? pad : 0, "");
        put_safe(out, text);
        pl_buf_printf(out, "%*s", table->numeric[c] ? 0 : pad, "");
    }
    pl_buf_puts(out, "\n");
}

void pl_table_put_text(const pl_table *table, size_t columns, const char *least, pl_buf *out)
{
    size_t *widths = calloc(table->cols + 1, sizeof *widths), hidden = 0;
    if (widths == NULL) {
        out->failed = true;
        return;
    }
    for (size_t c = 0; c < table->cols; c++) {
        widths[c] = width_of_column(table, c);
    }
    if (columns > 0 && leave_out(table, columns, least, widths) != PL_OK) {
        out->failed = true;
    }
    for (size_t r = 0; r <= table->rows; r++) {
        put_line(table, r == 0 ? SIZE_MAX : r - 1, widths, out);
    }
    for (size_t c = 0; c < table->cols; c++) {
        if (widths[c] == 0 && pl_table_head_of(table, c)[0] != '\0') {
            pl_buf_puts(out, hidden++ == 0 ? "(wider than the terminal: without " : ", ");
            put_safe(out, pl_table_head_of(table, c));
        }
    }
    pl_buf_puts(out, hidden > 0 ? ")\n" : "");
    free(widths);
}

/* --- CSV -------------------------------------------------------------------------------------- */

void pl_csv_put_text(pl_buf *out, const char *text)
{
    const bool quoted = text != NULL && strpbrk(text, ",\"#\r\n") != NULL;
    pl_buf_puts(out, quoted ? "\"" : "");
    for (const char *c = text != NULL ? text : ""; *c != '\0'; c++) {
        if (strncmp(c, minus, sizeof minus - 1) == 0) {
            pl_buf_puts(out, "-");
            c += sizeof minus - 2;
        } else {
            pl_buf_append(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
        }
    }
    pl_buf_puts(out, quoted ? "\"" : "");
}

void pl_csv_put_number(pl_buf *out, double value)
{
    if (isfinite(value)) {
        const bool whole = floor(value) == value && fabs(value) < 1e15;
        pl_buf_printf(out, whole ? "%.0f" : "%.9g", value);
    }
}

void pl_table_put_csv(const pl_table *table, pl_buf *out)
{
    for (size_t row = 0; row <= table->rows; row++) {
        for (size_t col = 0; col < table->cols; col++) {
            pl_buf_puts(out, col > 0 ? "," : "");
            if (row == 0) {
                pl_csv_put_text(out, pl_table_head_of(table, col));
            } else if (table->numeric[col]) {
                pl_csv_put_number(out, table->numbers[(row - 1) * table->cols + col]);
            } else {
                pl_csv_put_text(out, pl_table_cell(table, row - 1, col));
            }
        }
        pl_buf_puts(out, "\n");
    }
}

/* --- LaTeX ------------------------------------------------------------------------------------ */

/* "1.2e-05" as $1.2 \times 10^{-5}$. */
static void put_latex_number(pl_buf *out, const char *text)
{
    const char *e = strchr(text, 'e');
    if (e == NULL || (e[1] != '-' && e[1] != '+')) {
        pl_latex_put(out, text);
        return;
    }
    const char *digits = e + 2 + strspn(e + 2, "0");
    pl_buf mantissa = {0};
    pl_buf_append(&mantissa, text, (size_t)(e - text));
    pl_latex_put(out, mantissa.data != NULL ? mantissa.data : "");
    pl_buf_printf(out, " $\\times 10^{%s%s}$", e[1] == '-' ? "-" : "", digits);
    out->failed = out->failed || mantissa.failed;
    pl_buf_deinit(&mantissa);
}

static bool is_number(const char *text)
{
    char *end = NULL;
    text += strncmp(text, "\u2212", 3) == 0 ? 3 : 0; /* a real minus */
    strtod(text, &end);
    return (end != text && *end == '\0') || strstr(text, "±") != NULL;
}

/* Whether the texts of a column are numbers, with their errors or without, or dashes. */
static bool column_has_numbers(const pl_table *table, size_t col)
{
    bool any = false, all = true;
    for (size_t row = 0; row < table->rows; row++) {
        const char *text = pl_table_cell(table, row, col);
        const bool number = is_number(text);
        any = any || number;
        all = all && (number || text[0] == '\0' || strcmp(text, "-") == 0);
    }
    return any && all;
}

void pl_table_put_latex(const pl_table *table, pl_buf *out)
{
    pl_buf_puts(out, "\\begin{tabular}{");
    for (size_t col = 0; col < table->cols; col++) {
        pl_buf_puts(out, table->numeric[col] || column_has_numbers(table, col) ? "r" : "l");
    }
    pl_buf_puts(out, "}\n\\toprule\n");
    for (size_t row = 0; row <= table->rows; row++) {
        for (size_t col = 0; col < table->cols; col++) {
            pl_buf_puts(out, col > 0 ? " & " : "");
            if (row > 0 && table->numeric[col]) {
                put_latex_number(out, pl_table_cell(table, row - 1, col));
            } else {
                pl_latex_put(out, row == 0 ? pl_table_head_of(table, col)
                                           : pl_table_cell(table, row - 1, col));
            }
        }
        pl_buf_puts(out, row == 0 ? " \\\\\n\\midrule\n" : " \\\\\n");
    }
    pl_buf_puts(out, "\\bottomrule\n\\end{tabular}\n");
}
