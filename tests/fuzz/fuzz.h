/* tests/fuzz/fuzz.h -- one input as a file: opened, and its small tensors read. */
#ifndef PL_TESTS_FUZZ_H
#define PL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ending: ".safetensors" or ".gguf".  Aborts when a checkpoint that was opened breaks a promise. */
void pl_fuzz_open(const uint8_t *data, size_t size, const char *ending);

#endif
