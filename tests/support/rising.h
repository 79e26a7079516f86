/* tests/support/rising.h -- qsort's order of numbers, the least first. */
#ifndef PL_TESTS_RISING_H
#define PL_TESTS_RISING_H

static inline int rising_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline int rising_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

#endif
