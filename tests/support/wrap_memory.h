/* tests/support/wrap_memory.h -- reservations that fail when a test says so.
 *
 * For a program linked with wrap_memory_dep: malloc, calloc, realloc, aligned_alloc, strdup and
 * strndup of Planish's own code, and what jansson and SQLite reserve, count down, and the one that
 * comes to 0 fails, or it and all that follow. */
#ifndef PL_TESTS_WRAP_MEMORY_H
#define PL_TESTS_WRAP_MEMORY_H

#include <stdbool.h>

void wrap_memory_start(void); /* before anything else: jansson and SQLite are told */

/* The n-th reservation from now on fails (n >= 1), `all`: and every later one. */
void wrap_memory_fail(long n, bool all);

/* No more failures; how many reservations there were since wrap_memory_fail. */
long wrap_memory_stop(void);

#endif
