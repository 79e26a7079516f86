/* core/method/method_list.h -- which methods there are, a line for each, as users see them.
 *
 * METHOD(name): a file defines pl_method_name (method.h). */
#ifndef PL_METHOD_METHOD_LIST_H
#define PL_METHOD_METHOD_LIST_H

/* A build may add lines: tests/toy does. */
#ifndef PL_EXTRA_METHODS
#define PL_EXTRA_METHODS(METHOD)
#endif

#define PL_METHODS(METHOD)                                                                         \
    METHOD(smoothquant)                                                                            \
    METHOD(awq)                                                                                    \
    METHOD(hadamard)                                                                               \
    METHOD(orthogonal)                                                                             \
    METHOD(quarot)                                                                                 \
    METHOD(kurtail)                                                                                \
    METHOD(spinquant)                                                                              \
    METHOD(flatquant)                                                                              \
    METHOD(astro)                                                                                  \
    METHOD(magr)                                                                                   \
    METHOD(gptq)                                                                                   \
    METHOD(gptaq)                                                                                  \
    METHOD(qronos)                                                                                 \
    METHOD(rtn)                                                                                    \
    PL_EXTRA_METHODS(METHOD)

#endif
