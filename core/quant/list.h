/* core/quant/list.h -- which methods and which number formats there are, a line for each.
 *
 * METHOD(name): a file defines pl_method_name (method.h); users see the methods in this order.
 * FORMAT(name, key): a file defines pl_format_name (format.h); the key is the value of
 * symmetric=. */
#ifndef PL_QUANT_LIST_H
#define PL_QUANT_LIST_H

/* A build may add lines: tests/toy does. */
#ifndef PL_EXTRA_METHODS
#define PL_EXTRA_METHODS(METHOD)
#endif
#ifndef PL_EXTRA_FORMATS
#define PL_EXTRA_FORMATS(FORMAT)
#endif

#define PL_METHODS(METHOD)                                                                         \
    METHOD(smoothquant)                                                                            \
    METHOD(awq)                                                                                    \
    METHOD(hadamard)                                                                               \
    METHOD(orthogonal)                                                                             \
    METHOD(flatquant)                                                                              \
    METHOD(astro)                                                                                  \
    METHOD(magr)                                                                                   \
    METHOD(gptq)                                                                                   \
    METHOD(rtn)                                                                                    \
    PL_EXTRA_METHODS(METHOD)

#define PL_FORMATS(FORMAT)                                                                         \
    FORMAT(asymmetric, "no")                                                                       \
    FORMAT(symmetric, "yes")                                                                       \
    FORMAT(full, "full")                                                                           \
    PL_EXTRA_FORMATS(FORMAT)

#endif
