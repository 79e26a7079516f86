/* tests/bench/program.h -- planish itself on SmolLM2, for benches of whole commands. */
#ifndef PL_TESTS_BENCH_PROGRAM_H
#define PL_TESTS_BENCH_PROGRAM_H

#include <stdbool.h>

/* Whether there are the program (PLANISH_BIN), SmolLM2 and the text to run it on; a line says that
 * `bench` is skipped where one is missing. */
bool bench_have_planish(const char *bench);

/* A new folder for a store, and its end with all that is in it. */
enum { BENCH_STORE_SIZE = 32 };
void bench_store_make(char store[BENCH_STORE_SIZE]);
void bench_store_remove(const char *store);

/* Runs the program on SmolLM2 with that store; $TEXT in the commands is WikiText-2's file.  The
 * seconds that the last of them reports; ends the bench where there are none. */
double bench_planish_seconds(const char *store, const char *commands);

#endif
