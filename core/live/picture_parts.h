/* core/live/picture_parts.h -- what finished pictures and previews of them share; private to
 * core/live. */
#ifndef PL_LIVE_PICTURE_PARTS_H
#define PL_LIVE_PICTURE_PARTS_H

#include "core/live/picture.h"

/* A layer's picture without any result: of its original weights, its inputs, its pins. */
PL_NODISCARD pl_status pl_picture_base(pl_context cx, size_t layer, const pl_mat *w0,
                                       pl_picture **out, pl_error *err);

PL_NODISCARD pl_status pl_picture_copy(const pl_picture *from, pl_picture **out, pl_error *err);

/* The groups whose maxima are shown: the preconditioner's, else the rounder's; 0: whole rows. */
size_t pl_picture_group_size(const pl_state *state, size_t layer);

#endif
