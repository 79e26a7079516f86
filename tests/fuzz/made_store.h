/* tests/fuzz/made_store.h -- a small model of matrices, solved, with every kind of entry that its
 * solves, figures and learnings leave in a store. */
#ifndef PL_TESTS_MADE_STORE_H
#define PL_TESTS_MADE_STORE_H

#include "app/front.h"

#include <stdbool.h>

/* An entry as it was made. */
typedef struct made_entry {
    char path[700], kind[32];
    pl_id key;
    char *bytes;
    size_t size;
} made_entry;

enum { MADE_ENTRIES = 64 };
typedef struct made_store {
    pl_front front; /* with the solved state, and a lab on the store */
    made_entry entries[MADE_ENTRIES];
    size_t n_entries;
} made_store;

/* Made when it is first asked for, in a folder that is the working one from then on and is removed
 * when the program ends. */
made_store *made_store_get(void);

/* Every entry as it was made, and a lab that remembers none. */
void made_store_reset(made_store *made);

/* Runs a script to its end or its first error, which must have a sentence. */
pl_status made_store_run(made_store *made, const char *script);

#endif
