/* core/lab/transform_entry.h -- transforms as sections of store entries; private to core/lab. */
#ifndef PL_LAB_TRANSFORM_ENTRY_H
#define PL_LAB_TRANSFORM_ENTRY_H

#include "core/io/store.h"
#include "core/method/transform.h"

/* Sections of the transform's arrays, borrowed from it; returns how many.  about gets the keys
 * "kind", "n" and "clip_group_size". */
size_t pl_transform_sections(const pl_transform *t, json_t *about,
                             pl_section sections[PL_TRANSFORM_ARRAYS]);

/* PL_ERR_FORMAT without a sentence where the entry is none of n channels and `rows` weight rows. */
PL_NODISCARD pl_status pl_transform_from_entry(pl_entry *entry, size_t n, size_t rows,
                                               pl_transform **out);

#endif
