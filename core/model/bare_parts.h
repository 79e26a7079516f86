/* core/model/bare_parts.h -- what a bare model has beside layers and sites; private to
 * core/model. */
#ifndef PL_MODEL_BARE_PARTS_H
#define PL_MODEL_BARE_PARTS_H

#include "core/model/bare.h"
#include "core/model/model_parts.h"

struct pl_bare {
    pl_checkpoint *inputs; /* NULL: weights alone */
    char *inputs_path, *inputs_name;
    char **names; /* [n_names] of the layers */
    size_t n_names;
    const pl_tensor **site_inputs; /* [sites], NULL where there are none */
    size_t seeing;                 /* layers that have inputs */
    pl_id inputs_id;
    bool has_inputs_id;
};

/* find.c's two functions for a bare model. */
PL_NODISCARD pl_status pl_bare_find_layer(const pl_model *model, const char *name, size_t *index,
                                          pl_error *err);
bool pl_bare_layer_matches(const pl_model *model, size_t index, const char *glob);

#endif
