/* core/tensor/clones.h -- hot loops compiled for several instruction sets, chosen when loaded.
 *
 * Only for element-wise loops and fixed-lane sums, whose results do not depend on the vector
 * width.  One array of sums a loop: GCC 12 makes vectors of that, and none, or a mess, of two in
 * one loop; where that does not do, there is lanes.h.  The sanitizers' runtimes are not ready when
 * the choice is made, so they get one copy. */
#ifndef PL_TENSOR_CLONES_H
#define PL_TENSOR_CLONES_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define PL_ONE_CLONE 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__) ||       \
    !defined(__OPTIMIZE__)
#define PL_ONE_CLONE 1
#endif

#ifdef PL_ONE_CLONE
#define PL_CLONES
#else
#define PL_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#endif

#endif
