/* core/io/store_parts.h -- the file format of a store entry, apart from the folder it lives in.
 *
 * A header of 64 bytes (see entry_header), a JSON table {kind, key, about, sections: [{name,
 * bytes, sum}]}, then the sections in that order, each at a multiple of 64.  The header carries its
 * own checksum and the table's, the table those of the sections; all are XXH3-128. */
#ifndef PL_IO_STORE_PARTS_H
#define PL_IO_STORE_PARTS_H

#include "core/io/store.h"

/* Opens and checks the entry file at path: everything but the sections' data. */
PL_NODISCARD pl_status pl_entry_open(const char *path, const char *kind, pl_id key, pl_entry **out,
                                     pl_error *err);

/* Writes one atomically. */
PL_NODISCARD pl_status pl_entry_write(const char *path, const char *kind, pl_id key,
                                      const json_t *about, const pl_section *sections, size_t count,
                                      pl_error *err);

/* Reads every section and tests its checksum. */
PL_NODISCARD pl_status pl_entry_verify(pl_entry *entry, pl_error *err);

#endif
