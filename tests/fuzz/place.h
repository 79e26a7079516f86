/* tests/fuzz/place.h -- one input as a file among others that are good. */
#ifndef PL_TESTS_FUZZ_PLACE_H
#define PL_TESTS_FUZZ_PLACE_H

#include "core/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Aborts, so that a fuzzer keeps the input. */
void pl_fuzz_promise(bool kept, const char *what);
/* What fails has a sentence, and only that. */
void pl_fuzz_status(pl_status status, const pl_error *err);

/* A folder in memory, removed when the program ends. */
const char *pl_fuzz_folder(void);
/* Writes the input as a file of that folder; its path is good until the next call. */
const char *pl_fuzz_place(const char *name, const uint8_t *data, size_t size);

/* The input with a NUL behind it, cut at the first that it holds; the caller frees it. */
char *pl_fuzz_text(const uint8_t *data, size_t size);

#endif
