/* core/base/number.h -- numbers as people read them, in one line. */
#ifndef PL_BASE_NUMBER_H
#define PL_BASE_NUMBER_H

#include <stddef.h>

enum { PL_NUMBER_TEXT = 24 };

/* Three significant digits: "0.118", "41.2", "1.2e-3" (two digits with an exponent), "0"; "-" for
 * NaN.  ASCII. */
void pl_format_number(double value, char out[PL_NUMBER_TEXT]);

/* A number with a real minus, U+2212, where it is negative: beside axes, which have one, too. */
void pl_text_minus(const char *number, char *out, size_t capacity);

/* "-47 %", "+3.2 %" of the change from `from` to `to`; "" where it means nothing. */
void pl_format_change(double from, double to, char out[PL_NUMBER_TEXT]);

/* "1.396 ± 0.025": what was measured and its standard error, both in the digits that two of the
 * error leave; "1.3955", five digits, where there is no error (not finite, or 0); "" for NaN.  A
 * real minus, and blanks at which no line breaks. */
enum { PL_MEASURED_TEXT = 64 };
void pl_format_measured(double value, double error, char out[PL_MEASURED_TEXT]);

/* "0.1 s", "12 s", "3:05", "1:02:03". */
void pl_format_seconds(double seconds, char out[PL_NUMBER_TEXT]);

/* "24,576". */
void pl_format_count(double count, char out[PL_NUMBER_TEXT]);

/* The value of four significant digits: what a person can give to a command. */
double pl_round_digits(double value);

/* The shortest text that reads back to the same number: "0.0003", "1000". */
enum { PL_EXACT_TEXT = 40 };
void pl_format_exact(double value, char out[PL_EXACT_TEXT]);

/* For qsort: floats from the least to the largest. */
int pl_floats_rising(const void *a, const void *b);

#endif
