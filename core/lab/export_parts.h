/* core/lab/export_parts.h -- what the files of an export share; private to core/lab. */
#ifndef PL_LAB_EXPORT_PARTS_H
#define PL_LAB_EXPORT_PARTS_H

#include "core/base/temporary.h"
#include "core/io/packing.h"
#include "core/lab/export.h"
#include "core/lab/export_fold.h"

/* One tensor to write. */
typedef struct pl_export_item {
    char *name;
    const pl_tensor *tensor; /* where the values are, maybe among others' */
    size_t layer;            /* the first of n_layers whose rows it holds; SIZE_MAX: a copy */
    size_t n_layers;
    bool transposed;       /* the file has [in, out] of them */
    size_t together, step; /* of experts in one tensor: as in pl_named_tensor */
    size_t n_dims;
    uint64_t dims[PL_MAX_DIMS];
    size_t bias_of; /* of a copy: as in pl_named_tensor */
    float add;
    pl_stream_part part; /* of a folded model; part_of: as pl_model_stream_part has it */
    size_t part_of;
    pl_dtype dtype;
    pl_id written; /* of the values as stored, for reading back */

    /* As codes and scales, of a layout that packs: */
    bool packed;
    bool requantized;                  /* by rounding, since its own codes do not fit */
    pl_grid grid;                      /* then the grid of that; bits are the file's */
    int own_bits;                      /* of the codes as they were solved */
    bool cut;                          /* the file's groups are narrower than the grid's */
    float whole;                       /* the scale of the tensor, where its format has one */
    pl_pack_module module;             /* name: owned */
    pl_pack_part parts[PL_PACK_PARTS]; /* shapes alone */
    size_t n_parts;
    char *part_names[PL_PACK_PARTS]; /* owned */
    const char *file;                /* that holds it; borrowed from the checkpoint or a constant */
} pl_export_item;

typedef struct pl_exporter {
    pl_context cx;
    const pl_export_spec *spec;
    const pl_packing *packing; /* NULL: floats */
    pl_model *model;
    pl_checkpoint *checkpoint;
    pl_temporary made; /* the folder, until it is whole */
    pl_export_item *items;
    size_t n_items;
    pl_fold fold; /* where spec->fold */
    bool unties;  /* lm_head is the embedding in the checkpoint, and a tensor of its own in files */
    size_t group_size; /* of all packed layers, where the layout wants one; else 0 */
    pl_export_report report;
    double lost, whole;    /* squares of what requantizing lost, and of what it was given */
    pl_dtype config_dtype; /* what a loader computes in, by the configuration */
    double loaded_lost, loaded_whole; /* squares of what that loses of packed layers, and of them */
    uint64_t done, total;             /* elements, for progress */
    uint64_t need;                    /* bytes that will be written, but for what lies beside */
} pl_exporter;

uint64_t pl_export_elements(const pl_export_item *item);
pl_status pl_export_no_memory(pl_error *err);

/* Appends the commands that made what is written: of a model as it is those that open it. */
PL_NODISCARD pl_status pl_export_commands(const pl_exporter *x, pl_buf *out, pl_error *err);

/* The i-th of the layers that an item holds. */
size_t pl_export_layer(const pl_export_item *item, size_t i);

/* The layer's weights as the files are to have them, to a new matrix. */
PL_NODISCARD pl_status pl_export_weights(pl_exporter *x, size_t layer, pl_mat *out, pl_error *err);

/* --- export_codes.c: the codes of layers ------------------------------------------------------ */

/* Says of each layer's tensor whether it is packed, and how: its shapes and module.  PL_ERR_STATE
 * with a sentence where the layout cannot hold it exactly and nothing may be lost. */
PL_NODISCARD pl_status pl_export_plan_codes(pl_exporter *x, pl_error *err);

/* The codes of a packed item as its file has them; the caller's. */
PL_NODISCARD pl_status pl_export_codes(pl_exporter *x, const pl_export_item *item, pl_codes *out,
                                       pl_error *err);

/* A layer's codes as the store has them; the caller's.  *why: NULL, or why it has none, with no
 * codes. */
PL_NODISCARD pl_status pl_export_layer_codes(pl_exporter *x, size_t layer, pl_codes *out,
                                             const char **why, pl_error *err);

/* Counts what a loader loses of them that computes in the configuration's dtype. */
PL_NODISCARD pl_status pl_export_count_loaded(pl_exporter *x, const pl_codes *codes, pl_error *err);

/* The quantization_config of the plan; NULL for floats. */
PL_NODISCARD pl_status pl_export_quantization(const pl_exporter *x, json_t **out, pl_error *err);

/* --- export_gguf.c: one GGUF -------------------------------------------------------------------
 * Finds the type of each tensor; then writes them all and reads them back.  The caller frees *plan,
 * also after a failure. */
PL_NODISCARD pl_status pl_export_plan_gguf(pl_exporter *x, void **plan, pl_error *err);
PL_NODISCARD pl_status pl_export_write_gguf(pl_exporter *x, void *plan, pl_error *err);
void pl_export_free_gguf(void *plan);

/* --- export_beside.c: the files beside the weights -------------------------------------------- */

/* *path <- where the file of that name is in the model's folder, NULL where there is none; the
 * caller's to free.  PL_ERR_IO where it is a link that leaves the folder. */
PL_NODISCARD pl_status pl_export_find_beside(const pl_exporter *x, const char *name, char **path,
                                             pl_error *err);
/* Licences and notices of a Hugging Face folder; write: copies them, else looks whether it may. */
PL_NODISCARD pl_status pl_export_licences(const pl_exporter *x, bool write, pl_error *err);
/* Looks whether all that is to be copied may be, before the work. */
PL_NODISCARD pl_status pl_export_check_beside(const pl_exporter *x, pl_error *err);
/* Writes them, and what says how the weights lie. */
PL_NODISCARD pl_status pl_export_write_beside(const pl_exporter *x, pl_error *err);
/* README.md, the model card: after the weights are written. */
PL_NODISCARD pl_status pl_export_write_card(const pl_exporter *x, pl_error *err);
/* The dtype that config.json will say; float32 where it says none. */
PL_NODISCARD pl_status pl_export_config_dtype(const pl_exporter *x, pl_dtype *out, pl_error *err);
/* config.json alone, which reading packed weights back needs. */
PL_NODISCARD pl_status pl_export_write_config(const pl_exporter *x, pl_error *err);

#endif
