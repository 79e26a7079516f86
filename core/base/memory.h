/* core/base/memory.h -- reservations that failed, counted.
 *
 * A number, a word of a text or a key of an object that could not be made for lack of memory may
 * be missing from a whole whose every step went on.  Code that hands such a whole on therefore
 * asks first whether a reservation failed meanwhile: then it is an error, and is not stored. */
#ifndef PL_BASE_MEMORY_H
#define PL_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void pl_memory_failed(void);       /* counts one; any thread */
unsigned pl_memory_failures(void); /* counted so far, of all threads */

/* Peak resident bytes of this process so far. */
uint64_t pl_memory_peak(void);

/* What a session may fill by itself: three quarters of the machine's memory in bytes, 0 where its
 * size is not known. */
size_t pl_memory_share(void);

#endif
