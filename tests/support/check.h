/* tests/support/check.h -- what every test file includes: cmocka, comparisons that a NaN fails. */
#ifndef PL_TESTS_CHECK_H
#define PL_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/error.h"

/* cmocka's own casts both sides to an integer first, so that 3.7 equals 3: given a double, this one
 * does not compile, and expect_close(a, b, 0) is what compares it. */
#undef assert_int_equal
#define assert_int_equal(a, b)                                                                     \
    do {                                                                                           \
        (void)sizeof((a) % 1);                                                                     \
        (void)sizeof((b) % 1);                                                                     \
        _assert_int_equal(cast_to_largest_integral_type(a), cast_to_largest_integral_type(b),      \
                          __FILE__, __LINE__);                                                     \
    } while (0)

/* Passes when |actual - expected| <= abs_tol + rel_tol * |expected|; a NaN on either side fails. */
#define pl_check_close(actual, expected, rel_tol, abs_tol)                                         \
    pl_check_close_at((double)(actual), (double)(expected), (rel_tol), (abs_tol), #actual,         \
                      __FILE__, __LINE__)

static inline void pl_check_close_at(double actual, double expected, double rel_tol, double abs_tol,
                                     const char *text, const char *file, int line)
{
    double distance = actual > expected ? actual - expected : expected - actual;
    double size = expected < 0 ? -expected : expected;
    if (!(distance <= abs_tol + rel_tol * size)) {
        fprintf(stderr, "%s:%d: %s = %.9g is not within %g relative, %g absolute of %.9g\n", file,
                line, text, actual, rel_tol, abs_tol, expected);
        _fail(file, line);
    }
}

/* Passes when a < b (expect_at_most: a <= b), else prints both expressions and their values; a NaN
 * fails.  Integers of 64 bits are compared exactly. */
#define expect_less(a, b)                                                                          \
    expect_order_at((long double)(a), (long double)(b), false, #a, #b, __FILE__, __LINE__)
#define expect_at_most(a, b)                                                                       \
    expect_order_at((long double)(a), (long double)(b), true, #a, #b, __FILE__, __LINE__)

static inline void expect_order_at(long double a, long double b, bool equal, const char *a_text,
                                   const char *b_text, const char *file, int line)
{
    if (!(equal ? a <= b : a < b)) {
        fprintf(stderr, "%s:%d: expected %s %s %s, found %.12Lg and %.12Lg\n", file, line, a_text,
                equal ? "<=" : "<", b_text, a, b);
        _fail(file, line);
    }
}

/* Passes when |a - b| <= tolerance. */
#define expect_close(a, b, tolerance) pl_check_close(a, b, 0, tolerance)

/* Runs a call that returns pl_status and takes err; prints the sentence when it fails. */
#define pl_check_ok(call, err)                                                                     \
    do {                                                                                           \
        if ((call) != PL_OK) {                                                                     \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (err).message);                     \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/* Fails unless the sentence contains the text. */
#define pl_check_says(err, text)                                                                   \
    do {                                                                                           \
        if (strstr((err).message, (text)) == NULL) {                                               \
            fprintf(stderr, "%s:%d: \"%s\" does not say \"%s\"\n", __FILE__, __LINE__,             \
                    (err).message, (text));                                                        \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#endif
