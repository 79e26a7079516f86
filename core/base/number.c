#include "core/base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes "e-04" to "e-4", in place. */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    if (e == NULL) {
        return;
    }
    char *to = e + 1;
    char *from = e + 1;
    if (*from == '-') {
        to++;
    }
    from += *from == '-' || *from == '+';
    while (*from == '0' && from[1] != '\0') {
        from++;
    }
    memmove(to, from, strlen(from) + 1);
}

void pl_format_number(double value, char out[PL_NUMBER_TEXT])
{
    double size = fabs(value);
    if (isnan(value)) {
        snprintf(out, PL_NUMBER_TEXT, "-");
    } else if (isinf(value)) {
        snprintf(out, PL_NUMBER_TEXT, value > 0 ? "inf" : "-inf");
    } else if (size == 0) {
        snprintf(out, PL_NUMBER_TEXT, "0");
    } else if (size < 0.00995 || size >= 99950) {
        snprintf(out, PL_NUMBER_TEXT, "%.1e", value);
        shorten_exponent(out);
    } else {
        int digits = size >= 99.95     ? 0
                     : size >= 9.995   ? 1
                     : size >= 0.9995  ? 2
                     : size >= 0.09995 ? 3
                                       : 4;
        snprintf(out, PL_NUMBER_TEXT, "%.*f", digits, value);
    }
}

void pl_text_minus(const char *number, char *out, size_t capacity)
{
    bool negative = number[0] == '-' && number[1] != '\0';
    snprintf(out, capacity, "%s%s", negative ? "\u2212" : "", number + negative);
}

/* The decimals of a number whose last two digits are those of its error; fewer than 0: tens. */
static int decimals_of(double error)
{
    char text[PL_NUMBER_TEXT];
    snprintf(text, sizeof text, "%.1e", error);
    return 1 - atoi(strchr(text, 'e') + 1);
}

static void put_decimals(double value, int decimals, char *out, size_t capacity)
{
    char text[PL_MEASURED_TEXT];
    const double tens = pow(10, -decimals);
    if (decimals < 0) {
        snprintf(text, sizeof text, "%.0f", round(value / tens) * tens);
    } else {
        snprintf(text, sizeof text, "%.*f", decimals, value);
    }
    const bool nothing = strpbrk(text, "123456789") == NULL; /* "-0.000" */
    pl_text_minus(text + (nothing && text[0] == '-'), out, capacity);
}

void pl_format_measured(double value, double error, char out[PL_MEASURED_TEXT])
{
    enum { HALF = PL_MEASURED_TEXT / 2 - 4 };
    char number[HALF], beside[HALF];
    out[0] = '\0';
    if (isfinite(value) && isfinite(error) && error > 0 && fabs(value) < 1e15 && error < 1e15 &&
        error > 1e-15) {
        const int decimals = decimals_of(error);
        put_decimals(value, decimals, number, sizeof number);
        put_decimals(error, decimals, beside, sizeof beside);
        snprintf(out, PL_MEASURED_TEXT, "%s\u00a0±\u00a0%s", number, beside);
    } else if (!isnan(value)) {
        snprintf(number, sizeof number, "%.5g", value);
        pl_text_minus(number, out, PL_MEASURED_TEXT);
    }
}

void pl_format_change(double from, double to, char out[PL_NUMBER_TEXT])
{
    out[0] = '\0';
    double percent = from > 0 ? 100 * (to / from - 1) : NAN;
    if (!isfinite(percent)) {
        return;
    }
    if (fabs(percent) < 0.05) {
        percent = 0;
    }
    if (fabs(percent) >= 1000) {
        snprintf(out, PL_NUMBER_TEXT, ">10x");
        return;
    }
    snprintf(out, PL_NUMBER_TEXT, fabs(percent) < 9.95 ? "%+.1f %%" : "%+.0f %%", percent);
}

void pl_format_seconds(double seconds, char out[PL_NUMBER_TEXT])
{
    if (!(seconds >= 0) || seconds > 1e7) {
        snprintf(out, PL_NUMBER_TEXT, "-");
    } else if (seconds < 9.95) {
        snprintf(out, PL_NUMBER_TEXT, seconds < 0.095 && seconds > 0 ? "%.2f s" : "%.1f s",
                 seconds);
    } else if (seconds < 59.5) {
        snprintf(out, PL_NUMBER_TEXT, "%.0f s", seconds);
    } else {
        unsigned long whole = (unsigned long)(seconds + 0.5);
        if (whole < 3600) {
            snprintf(out, PL_NUMBER_TEXT, "%lu:%02lu", whole / 60, whole % 60);
        } else {
            snprintf(out, PL_NUMBER_TEXT, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60,
                     whole % 60);
        }
    }
}

void pl_format_count(double count, char out[PL_NUMBER_TEXT])
{
    char plain[32];
    snprintf(plain, sizeof plain, "%.0f", count < 1e15 ? count : 1e15);
    size_t digits = strlen(plain);
    size_t n = 0;
    for (size_t i = 0; i < digits && n + 2 < PL_NUMBER_TEXT; i++) {
        out[n++] = plain[i];
        if (digits - 1 - i > 0 && (digits - 1 - i) % 3 == 0) {
            out[n++] = ',';
        }
    }
    out[n] = '\0';
}

double pl_round_digits(double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.4g", value);
    return strtod(text, NULL);
}

void pl_format_exact(double value, char out[PL_EXACT_TEXT])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, PL_EXACT_TEXT, "%.*g", digits, value);
        const double back = strtod(out, NULL);
        const bool plain = strstr(out, "e+") == NULL || fabs(value) >= 1e15; /* 20, not 2e+01 */
        if (plain && !(back < value) && !(back > value)) {
            break;
        }
    }
}

int pl_floats_rising(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}
