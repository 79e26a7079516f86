/* What an export writes: its items and their weights. */
#include "core/lab/export_parts.h"

#include "core/lab/weights.h"

pl_status pl_export_no_memory(pl_error *err)
{
    return pl_error_memory(err, "an export");
}

uint64_t pl_export_elements(const pl_export_item *it)
{
    return pl_dims_elements(it->dims, it->n_dims);
}

size_t pl_export_layer(const pl_export_item *it, size_t i)
{
    return pl_model_stacked(it->layer, it->together, i);
}

pl_status pl_export_weights(pl_exporter *x, size_t layer, pl_mat *out, pl_error *err)
{
    return x->spec->fold
               ? pl_fold_weights(&x->fold, layer, x->spec->which, out, err)
               : pl_weights_make(x->cx, layer, (pl_weights_of){.which = x->spec->which}, out, err);
}
