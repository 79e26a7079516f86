#include "plots/figure.h"

#include "core/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_MAJORS = 10, MAX_DECIMALS = 15 };

/* A distance between ticks: mantissa x 10^exponent. */
typedef struct nice {
    double mantissa;
    int exponent;
} nice;

/* The i-th multiple of a step; dividing by an exact power of ten keeps 3 x 0.1 at 0.3. */
static double nice_at(nice step, double i)
{
    if (step.exponent < 0 && step.exponent > -300) {
        return i * step.mantissa / pow(10, -step.exponent);
    }
    return i * step.mantissa * pow(10, step.exponent);
}

static double first_index(double lo, double step)
{
    return ceil(lo / step - 1e-9);
}

static double count_multiples(const pl_axis *axis, double step)
{
    return floor(axis->hi / step + 1e-9) - first_index(axis->lo, step) + 1;
}

/* The finest of 1, 2, 2.5, 5 x 10^k that gives at most `wanted` ticks; one finer if that leaves
 * fewer than two. */
static nice choose_step(const pl_axis *axis, size_t wanted)
{
    static const double mantissas[] = {1, 2, 2.5, 5};
    int exponent = (int)floor(log10((axis->hi - axis->lo) / (double)wanted)) - 1;
    nice before = {0};
    for (int i = 0; i < 16; i++) {
        nice step = {mantissas[i % 4], exponent + i / 4};
        double size = nice_at(step, 1);
        if (axis->whole && size != floor(size)) {
            continue;
        }
        double count = count_multiples(axis, size);
        if (count <= (double)wanted) {
            bool finer = count < 2 && before.mantissa > 0 &&
                         count_multiples(axis, nice_at(before, 1)) <= MAX_MAJORS;
            return finer ? before : step;
        }
        before = step;
    }
    return before;
}

static void put_superscript(char *out, size_t size, int n)
{
    static const char *const digits[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                         "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    char plain[16];
    snprintf(plain, sizeof plain, "%d", n);
    size_t used = 0;
    for (const char *c = plain; *c != '\0'; c++) {
        const char *glyph = *c == '-' ? "\u207b" : digits[*c - '0'];
        size_t length = strlen(glyph);
        if (used + length < size) {
            memcpy(out + used, glyph, length);
            used += length;
        }
    }
    out[used] = '\0';
}

/* value with that many decimals, times 10^exponent if exponent is not 0. */
static void put_tick_number(char out[PL_TICK_TEXT], double value, int decimals, int exponent)
{
    if (value == 0) {
        snprintf(out, PL_TICK_TEXT, "0");
        return;
    }
    char power[24] = "";
    if (exponent != 0) {
        put_superscript(power, sizeof power, exponent);
        int low = exponent < -300 ? -300 : exponent; /* 10^-320 has few digits, 10^320 none */
        value = value / pow(10, low) / pow(10, exponent - low);
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.*f", decimals < 0 ? 0 : decimals, fabs(value));
    snprintf(out, PL_TICK_TEXT, "%s%s%s%s", value < 0 ? "\u2212" : "", digits,
             exponent != 0 ? "\u00d710" : "", power);
}

static int decimal_exponent(double value)
{
    return (int)floor(log10(fabs(value)) + 1e-12);
}

/* A name, of which no token is longer than a tick's text. */
static void put_tick_name(char out[PL_TICK_TEXT], const char *name)
{
    snprintf(out, PL_TICK_TEXT, "%s", name != NULL ? name : "");
    pl_text_trim_utf8(out);
}

static bool is_scientific(double largest)
{
    return largest > 1e6 * (1 + 1e-9) || largest < 1e-5 * (1 - 1e-9);
}

static void add_tick(pl_tick out[PL_MAX_TICKS], size_t *count, double at, bool major)
{
    bool rising = *count == 0 || at > out[*count - 1].at;
    if (rising && *count < PL_MAX_TICKS) {
        out[*count] = (pl_tick){.at = at, .major = major};
        (*count)++;
    }
}

/* How many minor intervals a step has. */
static int minor_parts(nice step, bool whole)
{
    int parts = step.mantissa == 2 ? 4 : 5;
    if (!whole) {
        return parts;
    }
    double size = nice_at(step, 1);
    while (parts > 1 && fmod(size, parts) != 0) {
        parts--;
    }
    return parts;
}

static size_t linear_ticks(const pl_axis *axis, size_t wanted, pl_tick out[PL_MAX_TICKS])
{
    nice step = choose_step(axis, wanted);
    if (step.mantissa == 0) {
        return 0;
    }
    double size = nice_at(step, 1);
    int parts = minor_parts(step, axis->whole);
    size_t count = 0;
    double first = first_index(axis->lo, size);
    for (int k = -1; k <= MAX_MAJORS + 1; k++) {
        double i = first + k;
        for (int part = 0; part < parts; part++) {
            double at = nice_at(step, i) + size * part / parts;
            bool major = part == 0;
            /* A rounding error must not lose the tick at either end. */
            at = major && k == 0 && at < axis->lo ? axis->lo : at;
            at = major && at > axis->hi && at - axis->hi < 1e-6 * size ? axis->hi : at;
            if (at >= axis->lo && at <= axis->hi) {
                add_tick(out, &count, at, major);
            }
        }
    }
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        largest = out[i].major ? fmax(largest, fabs(out[i].at)) : largest;
    }
    int exponent = largest > 0 && is_scientific(largest) ? decimal_exponent(largest) : 0;
    int decimals = exponent - step.exponent + (step.mantissa == 2.5 ? 1 : 0);
    decimals = decimals > MAX_DECIMALS ? MAX_DECIMALS : decimals;
    for (size_t i = 0; i < count; i++) {
        if (out[i].major) {
            /* Where rounding left 1e-17 instead of 0. */
            double at = fabs(out[i].at) < 1e-9 * size ? 0 : out[i].at;
            put_tick_number(out[i].text, at, decimals, exponent);
        }
    }
    return count;
}

/* Text of m x 10^d on a log axis. */
static void put_log(char out[PL_TICK_TEXT], int m, int d, bool powers)
{
    if (powers) {
        char power[24];
        put_superscript(power, sizeof power, d);
        snprintf(out, PL_TICK_TEXT, "10%s", power);
        return;
    }
    nice one = {m, d};
    double value = nice_at(one, 1);
    put_tick_number(out, value, is_scientific(value) ? 0 : -d, is_scientific(value) ? d : 0);
}

/* Majors at 1 (and 2, 5 if `fine`) in each decade that `stride` divides, minors between. */
static size_t log_ticks_by(const pl_axis *axis, int stride, bool fine, bool minors,
                           pl_tick out[PL_MAX_TICKS])
{
    size_t count = 0;
    int last = (int)floor(log10(axis->hi)) + 1;
    for (int d = (int)floor(log10(axis->lo)) - 1; d <= last; d++) {
        for (int m = 1; m < 10; m++) {
            bool whole = d % stride == 0;
            bool major = m == 1 ? whole : fine && (m == 2 || m == 5);
            double at = nice_at((nice){m, d}, 1);
            bool shown = major || (stride > 1 ? m == 1 : minors);
            if (!shown || at < axis->lo || at > axis->hi) {
                continue;
            }
            size_t at_count = count;
            add_tick(out, &count, at, major);
            if (major && count > at_count) {
                put_log(out[at_count].text, m, d, !fine);
            }
        }
    }
    return count;
}

static size_t count_majors(const pl_tick *ticks, size_t count)
{
    size_t majors = 0;
    for (size_t i = 0; i < count; i++) {
        majors += ticks[i].major ? 1u : 0u;
    }
    return majors;
}

static size_t log_ticks(const pl_axis *axis, size_t wanted, pl_tick out[PL_MAX_TICKS])
{
    double decades = log10(axis->hi) - log10(axis->lo);
    if (decades < 3) {
        size_t count = log_ticks_by(axis, 1, true, true, out);
        size_t majors = count_majors(out, count);
        if (majors < 2) {
            return linear_ticks(axis, wanted, out);
        }
        bool crowded = majors > wanted + 1;
        bool two = floor(log10(axis->hi)) - ceil(log10(axis->lo)) >= 1;
        return crowded && two ? log_ticks_by(axis, 1, false, true, out) : count;
    }
    int stride = (int)ceil((decades + 1e-9) / (double)wanted);
    /* Decades with eight minors each must fit PL_MAX_TICKS. */
    return log_ticks_by(axis, stride, false, decades < 6, out);
}

/* Every 1st, 2nd, 5th, 10th ... name, so that at most `wanted` are shown. */
static size_t name_ticks(const pl_axis *axis, size_t wanted, pl_tick out[PL_MAX_TICKS])
{
    double first = fmax(ceil(axis->lo - 1e-9), 0);
    double last = fmin(floor(axis->hi + 1e-9), (double)axis->n_names - 1);
    if (!(first <= last)) {
        return 0;
    }
    wanted = wanted < PL_MAX_TICKS ? wanted : PL_MAX_TICKS;
    static const size_t steps[] = {1, 2, 5};
    size_t stride = 1;
    size_t ten = 1;
    for (size_t i = 1;
         floor(last / (double)stride) - ceil(first / (double)stride) >= (double)wanted; i++) {
        ten *= i % 3 == 0 ? 10 : 1;
        stride = steps[i % 3] * ten;
    }
    size_t count = 0;
    const size_t anchor = axis->downward ? (axis->n_names - 1) % stride : 0;
    for (size_t i = anchor; i <= (size_t)last && count < PL_MAX_TICKS; i += stride) {
        if ((double)i < first) {
            continue;
        }
        out[count] = (pl_tick){.at = (double)i, .major = true};
        put_tick_name(out[count].text, axis->names[i]);
        count++;
    }
    return count;
}

size_t pl_ticks(const pl_axis *axis, size_t wanted, pl_tick out[PL_MAX_TICKS])
{
    if (!isfinite(axis->lo) || !isfinite(axis->hi) || !(axis->lo < axis->hi) ||
        !isfinite(axis->hi - axis->lo) || (axis->log && axis->lo <= 0)) {
        return 0;
    }
    if (axis->names != NULL) {
        return name_ticks(axis, wanted < 1 ? 1 : wanted, out);
    }
    wanted = wanted < 1 ? 1 : wanted > MAX_MAJORS ? MAX_MAJORS : wanted;
    return axis->log ? log_ticks(axis, wanted, out) : linear_ticks(axis, wanted, out);
}
