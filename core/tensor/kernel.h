/* core/tensor/kernel.h -- which of OpenBLAS's kernels fits this processor.
 *
 * OpenBLAS chooses by a list of processor models.  For a processor newer than the library it takes
 * the oldest model's kernels, at a quarter of the speed; the processor's instruction sets tell
 * better ones.  The library reads OPENBLAS_CORETYPE only while it is loaded, so the choice belongs
 * to a program's start (app/start.c). */
#ifndef PL_TENSOR_KERNEL_H
#define PL_TENSOR_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

/* The widest vectors that the processor and the operating system offer. */
typedef enum pl_vectors {
    PL_VECTORS_OTHER,  /* less than AVX2 with FMA, or no x86-64 */
    PL_VECTORS_AVX2,   /* AVX2 and FMA */
    PL_VECTORS_AVX512, /* AVX-512 F, CD, BW, DQ and VL */
} pl_vectors;

pl_vectors pl_kernel_vectors(void);

/* The kernels in use: openblas_get_corename(), e.g. "SkylakeX".  Static. */
const char *pl_kernel_name(void);

/* The value of OPENBLAS_CORETYPE whose kernels are better on such a processor than the named ones,
 * or NULL.  A name unknown here comes from a newer library and is trusted. */
const char *pl_kernel_better(const char *name, pl_vectors vectors);

/* Do the kernels in use compute what plain loops compute?  Products, a rank-k update, a Cholesky
 * factor and triangular solves of small whole numbers, exact in any order of summation; a few
 * milliseconds.  False too where there is no memory for it. */
bool pl_kernel_is_right(void);

/* The processor's name, family and model, from the text of /proc/cpuinfo; "unknown processor"
 * where it names none. */
void pl_processor_parse(const char *cpuinfo, char *out, size_t capacity);
void pl_processor_name(char *out, size_t capacity);

#endif
