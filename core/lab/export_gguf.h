/* core/lab/export_gguf.h -- what the files of an export as GGUF share; private to core/lab. */
#ifndef PL_LAB_EXPORT_GGUF_H
#define PL_LAB_EXPORT_GGUF_H

#include "core/io/gguf_write.h"
#include "core/lab/export_parts.h"

/* A tensor to write: layers, or a copy of bytes (from a GGUF), of values, or of a vector. */
typedef struct pl_gguf_item {
    char name[64], type[16]; /* type: of a copy of bytes, as the source says it */
    size_t n_dims;
    uint64_t dims[PL_MAX_DIMS];
    const pl_tensor *tensor; /* where the values are; NULL: of a vector */
    pl_named_tensor named;   /* of a Hugging Face source */
    pl_stream_part part;     /* of a folded model; part_of: as pl_model_stream_part has it */
    size_t part_of;
    const float *vector; /* borrowed from the file below */
    size_t *layers;      /* whose rows it holds, in their order; NULL: a copy */
    size_t n_layers;
    bool left;   /* no layer in it is solved: floats as in the source */
    bool copied; /* the bytes of the source's GGUF, whatever layers they hold */
    pl_dtype dtype;
    bool rounded; /* anew: the type does not hold its codes exactly */
    uint64_t bytes;
    pl_id written; /* of a copy of values: as they read back */
} pl_gguf_item;

typedef struct pl_gguf_file {
    pl_exporter *x;
    bool from_hf;
    pl_gguf_item *items;
    size_t count;
    pl_gguf_vector vectors[2];
    pl_gguf_keys keys;
} pl_gguf_file;

/* The tensors to write and whose layers they are, from either source, and the keys. */
PL_NODISCARD pl_status pl_gguf_list(pl_gguf_file *f, pl_error *err);

/* What a Hugging Face folder tells of the model in words: its name, and of its card (README.md) the
 * author, the licence and the models it comes from, as llama.cpp's converter writes them. */
PL_NODISCARD pl_status pl_gguf_put_about(pl_gguf_file *f, pl_error *err);

/* Plans an item of a model that is written as it is (PL_WHICH_BEFORE): in the type that was asked
 * for, or the source's bytes. */
PL_NODISCARD pl_status pl_gguf_plan_original(const pl_gguf_file *f, pl_gguf_item *it,
                                             pl_error *err);

/* Of a folded model: whose numbers are others in it, and the head of one that was tied. */
PL_NODISCARD pl_status pl_gguf_fold_items(pl_gguf_file *f, pl_error *err);

/* Gives the item values in a type that holds floats, in place of the source's bytes. */
PL_NODISCARD pl_status pl_gguf_make_floats(pl_gguf_item *it, pl_dtype dtype, pl_error *err);

/* Values [count] of whole blocks in any type that is written, to out. */
void pl_gguf_encode(pl_dtype dtype, const float *values, size_t count, uint8_t *out);

uint64_t pl_gguf_elements(const pl_gguf_item *it);
size_t pl_gguf_cols(const pl_gguf_item *it);

/* Hugging Face's row that llama.cpp has at `row` of `rows`, permuted over so many heads (0: not).
 */
size_t pl_gguf_row_there(size_t rows, size_t heads, size_t row);

/* A copy of values or of a vector, encoded; and the same read back and compared. */
PL_NODISCARD pl_status pl_gguf_write_values(pl_exporter *x, pl_gguf_item *it,
                                            pl_gguf_writer *writer, pl_task *task, pl_error *err);
PL_NODISCARD pl_status pl_gguf_check_values(const pl_gguf_item *it, pl_model *written,
                                            pl_task *task, pl_error *err);

#endif
