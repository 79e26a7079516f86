/* core/model/bare_parts.h -- what a bare model has beside layers and sites; private to
 * core/model. */
#ifndef PL_MODEL_BARE_PARTS_H
#define PL_MODEL_BARE_PARTS_H

#include "core/model/bare.h"

typedef struct pl_bare {
    pl_checkpoint *inputs; /* NULL: weights alone */
    char *inputs_path, *inputs_name;
    char **names; /* [n_names] of the layers */
    size_t n_names;
    const pl_tensor **site_inputs; /* [sites], NULL where there are none */
    size_t seeing;                 /* layers that have inputs */
    pl_id inputs_id;
    bool has_inputs_id;
} pl_bare;

void pl_bare_destroy(pl_bare *bare);

/* find.c's two functions for a bare model. */
PL_NODISCARD pl_status pl_bare_find_layer(const pl_model *model, const char *name, size_t *index,
                                          pl_error *err);
bool pl_bare_layer_matches(const pl_model *model, size_t index, const char *glob);

/* Hash of the identities of both files. */
PL_NODISCARD pl_status pl_bare_identity(pl_model *model, pl_id *out, pl_task *task, pl_error *err);

#endif
