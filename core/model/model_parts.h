/* core/model/model_parts.h -- inside an opened model; private to core/model. */
#ifndef PL_MODEL_MODEL_PARTS_H
#define PL_MODEL_MODEL_PARTS_H

#include "core/model/arch.h"
#include "core/model/model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { PL_LAYER_NAME = 64 };

/* Tensors of one block that are no layer's weight, and where its layers and sites begin. */
typedef struct pl_block_parts {
    const pl_tensor *norms[PL_NORM_COUNT]; /* NULL where the architecture has none */
    const pl_tensor *norm_biases[PL_NORM_COUNT];
    const pl_tensor *router;      /* [experts, hidden] or NULL */
    const pl_tensor *shared_gate; /* [1, hidden] or NULL */
    size_t first_layer, n_layers;
    size_t first_site, n_sites;
    size_t sites[PL_SITE_ROLE_END]; /* the first of each role; others of the role follow */
    const pl_tensor *score_bias;    /* [experts] or NULL */
    const pl_tensor *router_bias;   /* [experts] or NULL */
    const pl_tensor *sinks;         /* [heads] or NULL */
} pl_block_parts;

/* What a bare model has beside layers and sites (bare_parts.h). */
typedef struct pl_bare pl_bare;
void pl_bare_destroy(pl_bare *bare);
/* Hash of the identities of both files. */
PL_NODISCARD pl_status pl_bare_identity(pl_model *model, pl_id *out, pl_task *task, pl_error *err);

struct pl_model {
    pl_checkpoint *checkpoint;
    pl_bare *bare; /* of a model of matrices alone (bare.h), which has no blocks; or NULL */
    pl_config config;
    char *path, *name;
    pl_layer *layers; /* [n_layers], in model order */
    char (*layer_names)[PL_LAYER_NAME];
    size_t n_layers;
    pl_site *sites; /* [n_sites] */
    size_t n_sites;
    pl_block_parts *blocks;                      /* [blocks] */
    const pl_tensor *embedding, *norm, *lm_head; /* lm_head is the embedding if tied */
    const pl_tensor *positions, *norm_bias;      /* NULL where the architecture has none */

    pl_unread *unread; /* [n_unread] */
    size_t n_unread;

    /* The tokenizer is made when it is first asked for, by whichever thread asks. */
    pthread_mutex_t lock;
    bool locked_ready;
    bool tried;
    pl_tokenizer *tokenizer;
    pl_error tokenizer_error;

    pl_id id;
    atomic_bool has_id; /* id is set: the worker sets it, any thread may ask */
    pl_id *layer_ids;
    bool *has_layer_id;
};

/* A model with nothing but its path and name.  title: what a path is called in titles, escaped;
 * caller frees; NULL without memory. */
PL_NODISCARD pl_status pl_model_new(const char *path, pl_model **out, pl_error *err);
char *pl_model_title(const char *path);

/* Finds all tensors the architecture needs, checks their shapes, and fills layers and sites. */
PL_NODISCARD pl_status pl_model_build_layers(pl_model *model, pl_error *err);

/* Fills unread, of a model whose layers are built. */
PL_NODISCARD pl_status pl_model_list_unread(pl_model *model, pl_error *err);

/* Rows of a norm's gain: hidden, or of q or k heads. */
size_t pl_model_norm_size(const pl_config *config, pl_norm_role role);

/* Rows of kv_b_proj: for each head, those of its key without the dimensions that RoPE turns, and of
 * its value. */
size_t pl_model_kv_b_rows(const pl_config *config);

/* Where a path or a Hugging Face id leads: appends the file or folder to open. */
PL_NODISCARD pl_status pl_hub_resolve(const char *path, pl_buf *out, pl_error *err);

/* "[576, 1536]" of dims[count]; cut where it does not fit. */
void pl_format_shape(const uint64_t *dims, size_t count, char *out, size_t capacity);

#endif
