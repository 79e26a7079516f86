/* core/model/model.h -- an opened model: config, tokenizer, and its weights by canonical name.
 *
 * Layers are named as Hugging Face does (model.layers.15.self_attn.q_proj); GGUF's names are
 * aliases.  A "layer" here is a quantizable linear layer (embedding and lm_head are not); a "site"
 * is the set of layers that share one input: q/k/v, o, gate/up, down of one block.  In a mixture of
 * experts every expert has a gate/up and a down site of its own, which see the tokens routed to
 * it; latent attention has one of q_a (or q) and kv_a, one of q_b and one of kv_b.  Layers and
 * sites are in model order, those of a block one after the other. */
#ifndef PL_MODEL_MODEL_H
#define PL_MODEL_MODEL_H

#include "core/io/identity.h"
#include "core/model/config.h"
#include "core/model/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum pl_site_role {
    PL_SITE_QKV,
    PL_SITE_O,
    PL_SITE_GATE_UP,
    PL_SITE_DOWN,
    PL_SITE_ROLE_COUNT, /* of a plain block; where a role is asked for: none of them, or all */
    PL_SITE_LATENT,     /* the latent vectors of latent attention: q_b's input, and kv_b's */
    PL_SITE_ROLE_END,
} pl_site_role;

/* pl_layer.expert and pl_site.expert where it is no expert's number. */
#define PL_NO_EXPERT SIZE_MAX
#define PL_SHARED_EXPERT (SIZE_MAX - 1)

typedef struct pl_layer {
    const char *name;        /* "model.layers.15.self_attn.q_proj"; safe to show */
    const char *brief;       /* of a bare model: the name without what all begin with; else NULL */
    const pl_tensor *tensor; /* holds its weight [rows, cols], perhaps with rows of other layers */
    size_t first_row; /* where its rows begin in that tensor, seen as [all, cols]; above 0 only in a
                         fused one (phi3's qkv_proj and gate_up_proj, GGUF's experts) */
    const pl_tensor *keys; /* where a GGUF splits kv_b: [heads, in, rows] of keys, and `tensor` is
                              [heads, rows, in] of values; else NULL */
    const pl_tensor *bias; /* its rows begin at first_row where it is fused, too; or NULL */
    bool transposed;       /* the tensor is [cols, all rows]: gpt2's Conv1D */
    size_t slab; /* the expert's index where Hugging Face holds all experts in one tensor [experts,
                    ...] */
    size_t row_step;   /* from one of its rows to the next, from first_row on: 2 where gate and up
                          alternate, else 1 */
    size_t rows, cols; /* out, in */
    size_t block;
    pl_role role;
    size_t expert;   /* the expert's number, PL_SHARED_EXPERT or PL_NO_EXPERT */
    size_t site;     /* index of its site */
    bool needs_part; /* another layer of its block has the same last part (gpt2's two c_proj) */
    size_t unpermute_heads; /* GGUF llama q/k: heads over which its rows are stored permuted; 0:
                               they are not */
} pl_layer;

typedef struct pl_site {
    char name[128]; /* "model.layers.15.qkv"; of a bare model the inputs' (cut) */
    size_t block;
    pl_site_role role;
    size_t expert;    /* as in pl_layer */
    size_t cols;      /* width of the shared input */
    size_t layers[3]; /* indices */
    size_t n_layers;
} pl_site;

typedef struct pl_model pl_model;

/* A model made of weight matrices alone (bare.h).  weights, inputs: a .npy or .safetensors file, an
 * index, or a folder with one of the latter; inputs NULL: none.  Headers only.  PL_ERR_FORMAT names
 * two tensors and their shapes where they do not fit, or the names that were looked for where no
 * layer has inputs.  Caller owns *out. */
PL_NODISCARD pl_status pl_model_open_matrices(const char *weights, const char *inputs,
                                              pl_model **out, pl_error *err);

/* Whether pl_model_open takes a path for matrices: a .npy, or a .safetensors file that has no
 * config.json beside it. */
bool pl_model_is_matrices(const char *path);

/* path: a folder, a .safetensors, a .safetensors.index.json, a .gguf, a .npy, or a Hugging Face id
 * `org/name` or `org/name@revision` that is in the local cache ($HF_HUB_CACHE, $HF_HOME/hub,
 * $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub): the snapshot that refs/revision
 * (main) names, or that of a revision that is a commit.  Headers only.  Checks that every tensor
 * the architecture needs is there with the shape the config implies.  A .npy, or a .safetensors
 * without a config.json beside it, is a model of matrices (bare.h).  Caller owns *out. */
PL_NODISCARD pl_status pl_model_open(const char *path, pl_model **out, pl_error *err);
void pl_model_close(pl_model *model);

const pl_config *pl_model_config(const pl_model *model);
const pl_tokenizer *pl_model_tokenizer(const pl_model *model); /* NULL if the folder has none */
/* The tokenizer, for a command that needs one; the error says why there is none. */
PL_NODISCARD pl_status pl_model_need_tokenizer(const pl_model *model, const pl_tokenizer **out,
                                               pl_error *err);
pl_checkpoint *pl_model_checkpoint(const pl_model *model);
const char *pl_model_path(const pl_model *model);    /* as given */
const char *pl_model_name(const pl_model *model);    /* file or folder name, escaped, for titles */
uint64_t pl_model_parameters(const pl_model *model); /* elements of all its tensors */

/* Tensors of the checkpoint that nothing reads, by kind: in a kind's name '*' stands for numbers
 * between dots; safe to show.  Borrowed, sorted; *count may be 0.  Without buffers that every
 * reader computes itself (rotary_emb.inv_freq). */
typedef struct pl_unread {
    char *kind;
    size_t count; /* tensors of that kind */
} pl_unread;
const pl_unread *pl_model_unread(const pl_model *model, size_t *count);

size_t pl_model_layer_count(const pl_model *model);
const pl_layer *pl_model_layer(const pl_model *model, size_t index);
size_t pl_model_site_count(const pl_model *model);
const pl_site *pl_model_site(const pl_model *model, size_t index);

/* Layers and sites of a block: the index of the first one, and how many. */
size_t pl_model_block_layers(const pl_model *model, size_t block, size_t *first);
size_t pl_model_block_sites(const pl_model *model, size_t block, size_t *first);

/* The largest number of sites in a block, and the widest input of any site. */
size_t pl_model_most_block_sites(const pl_model *model);
size_t pl_model_widest_input(const pl_model *model);

/* The site roles of the model's blocks in the order in which a block computes them: the parts of a
 * sequential walk.  Returns how many, at most PL_SITE_ROLE_END. */
size_t pl_model_parts(const pl_model *model, const pl_site_role **roles);
size_t pl_model_part_number(const pl_model *model, pl_site_role role); /* in that order */
bool pl_model_is_before(const pl_model *model, pl_site_role first, pl_site_role second);

/* Resolves a full name, a GGUF name (blk.15.attn_q), or a short form that matches one layer's
 * name at its end after a dot boundary or by block and last part ("15.q_proj", "15.down"; an
 * expert's also by its number, "15.3.down").
 * PL_ERR_NOT_FOUND names near ones; PL_ERR_USAGE if several match. */
PL_NODISCARD pl_status pl_model_find_layer(const pl_model *model, const char *name, size_t *index,
                                           pl_error *err);

/* Whether a glob names a layer: by its full name, by a short one ("15.self_attn.q_proj",
 * "15.q_proj"), or by GGUF's where the glob begins with "blk."  A list of globs,
 * "15.q_proj,*.o_proj", names what any of them names. */
bool pl_model_layer_matches(const pl_model *model, size_t index, const char *glob);

/* Decodes a layer's whole weight to out[rows, cols], rows of q and k in Hugging Face's order; or,
 * for a layer that has one, its bias to out[rows]. */
PL_NODISCARD pl_status pl_model_read_weight(pl_model *model, size_t layer, float *out,
                                            pl_error *err);
PL_NODISCARD pl_status pl_model_read_bias(pl_model *model, size_t layer, float *out, pl_error *err);

/* Columns first, first + step, ... of a tensor [in, all], or of matrix `slab` of one [.., in, all],
 * to out[count, in]: a layer's weights where a file holds them transposed. */
typedef struct pl_taken {
    size_t slab, first, step, count;
} pl_taken;
PL_NODISCARD pl_status pl_model_read_columns(pl_checkpoint *checkpoint, const pl_tensor *tensor,
                                             pl_taken columns, float *out, pl_error *err);

/* One of the model's tensors under its Hugging Face name. */
typedef struct pl_named_tensor {
    char name[96];
    const pl_tensor *tensor; /* NULL: the model has none of that name (a bias, a tied lm_head) */
    bool zeros;              /* a bias the file lacks, but Hugging Face's form of the model has */
    size_t layer;            /* the layer whose weight it is, SIZE_MAX for any other tensor */
    size_t bias_of; /* the layer whose bias it is (of a fused one the first), else SIZE_MAX */
    size_t layers;  /* how many layers from there on it holds (a fused tensor: 2 or 3) */
    /* Where one tensor [experts, in, out] holds all experts: how many of its layers are one
     * expert's (gate and up: 2, down: 1), and `layers` counts those of all experts; else 0. */
    size_t together;
    size_t step;   /* 2: their outputs alternate, 1: they follow one another */
    size_t n_dims; /* its shape under that name */
    uint64_t dims[3];
    bool transposed; /* that shape is [in, out] */
    float add;       /* added to each stored value: -1 for a gemma norm in GGUF */
    /* In llama.cpp: the name (one for all experts of a kind, which it stacks), the heads over which
     * rows are permuted (0: they are not), what it adds to Hugging Face's values. */
    char gguf[64];
    size_t gguf_heads;
    float gguf_add;
} pl_named_tensor;

/* Number i of the layers that such a tensor holds, the first of which is `first`; together: as
 * above. */
size_t pl_model_stacked(size_t first, size_t together, size_t i);

/* The tensor with Hugging Face's name for a plain model, found also inside a model with a vision
 * tower (language_model.model., model.language_model.); NULL if none. */
const pl_tensor *pl_model_tensor_by_name(const pl_checkpoint *checkpoint, const char *hf);

/* What llama.cpp calls a layer's weight or bias; of an expert, the stack of all experts of its
 * kind.  ending: ".weight" or ".bias". */
void pl_model_gguf_name(const pl_model *model, size_t layer, const char *ending, char out[64]);

/* The model's tensor number `index` under its Hugging Face name; false past the last. */
bool pl_model_named_tensor(const pl_model *model, size_t index, pl_named_tensor *out);

/* Rows [first, first + count) of a named tensor that is no layer's weight, as Hugging Face's files
 * hold it, rows and columns by its shape there (a vector is one row); zeros where the model has no
 * tensor for it. */
PL_NODISCARD pl_status pl_model_read_named(pl_model *model, const pl_named_tensor *named,
                                           size_t first, size_t count, float *out, pl_error *err);

/* Identity of a model, computed on first use (reads every byte) and kept while it is open. */
PL_NODISCARD pl_status pl_model_identity(pl_model *model, pl_id *out, pl_task *task, pl_error *err);

/* The identity if it has been computed already; else false.  Any thread. */
bool pl_model_known_identity(const pl_model *model, pl_id *out);

/* Identity of one layer's weight tensor, kept likewise. */
PL_NODISCARD pl_status pl_model_layer_identity(pl_model *model, size_t layer, pl_id *out,
                                               pl_task *task, pl_error *err);

/* "15.q_proj" (with_part false) or "15.self_attn.q_proj". */
void pl_layer_short(const pl_layer *layer, bool with_part, char *out, size_t capacity);

#endif
