/* core/io/packing.h -- layers as codes and scales in safetensors: the layouts of
 * compressed-tensors, GPTQ and AWQ, read and written.
 *
 * A layout is one file that defines a pl_packing and one line in packing_list.h.  A checkpoint
 * shows a packed layer as one tensor [out, in] of its plain name, which pl_checkpoint_read
 * dequantizes; the tensors it is made of are not shown.  The layouts to the bit:
 * vllm-project/compressed-tensors compressors/pack_quantized, ModelCloud/GPTQModel
 * nn_modules/qlinear, casper-hansen/AutoAWQ modules/linear/gemm.py. */
#ifndef PL_IO_PACKING_H
#define PL_IO_PACKING_H

#include "core/io/checkpoint.h"
#include "core/io/packing_list.h"

/* A layer's weights: w[r, c] = scales[r, g] * (codes[r, c] - zeros[r, g]) in float32, with
 * g = group_of[c]; of floats scales[r, g] * values[codes[r, c]].  Codes have 0 to 2^bits - 1; {0}
 * is empty. */
typedef struct pl_codes {
    int bits;
    size_t rows, cols, groups;
    size_t group_size;    /* columns that share a scale; cols where a row has one group */
    size_t block_rows;    /* rows that share their scales by the grid; 0 and 1: none */
    bool symmetric;       /* every zero is 2^(bits-1) */
    bool in_order;        /* group_of[c] = c / group_size */
    pl_dtype scale_dtype; /* holds the scales exactly */
    uint8_t *codes;       /* [rows, cols] */
    float *scales;        /* [rows, groups] */
    int16_t *zeros;       /* [rows, groups] */
    uint32_t *group_of;   /* [cols] */
    const float *values;  /* [2^bits] of codes that are floats, maybe the table; else NULL */
    float table[256];
    uint8_t *stored; /* [rows, groups], of codes that are floats: the scales as they are stored, */
    float whole;     /* over this, which is stored once */
} pl_codes;

/* Storage for rows, cols and groups, all 0. */
PL_NODISCARD pl_status pl_codes_init(pl_codes *codes, size_t rows, size_t cols, size_t groups,
                                     pl_error *err);
void pl_codes_deinit(pl_codes *codes);

/* Rows [first, first + count) to out[count, cols]. */
void pl_codes_decode(const pl_codes *codes, size_t first, size_t count, float *out);

/* Whether one scale is that of all weights. */
bool pl_codes_one_scale(const pl_codes *codes);

/* Cuts the groups into groups of `size` columns, for a file that holds no others: each becomes
 * several with the same scale.  size divides `cols` and the number of columns of each group. */
PL_NODISCARD pl_status pl_codes_split(pl_codes *codes, size_t size, pl_error *err);

/* How codes that do not fill a word of 32 bits evenly (3, 5, 6 and 7 bits) lie in it. */
typedef enum pl_pack_order {
    PL_PACK_DENSE,  /* one after the other, also across words (compressed-tensors 0.17 and later) */
    PL_PACK_PADDED, /* as many as a word holds whole (compressed-tensors up to 0.16) */
} pl_pack_order;

/* A tensor of a packed layer.  dtype: the file's word ("I32", "F16", ...). */
typedef struct pl_pack_part {
    const char *ending; /* behind the layer's name */
    const char *dtype;
    size_t n_dims;
    uint64_t dims[2];
    void
        *data; /* as it lies in the file; the caller's to free; NULL where only shapes are wanted */
} pl_pack_part;

enum { PL_PACK_PARTS = 5 };

uint64_t pl_pack_part_bytes(const pl_pack_part *part);

/* What a configuration says of one linear layer. */
typedef struct pl_pack_module {
    const char *name; /* without ".weight" */
    bool packed;      /* else it holds floats, and nothing below is said */
    int bits;
    bool symmetric, in_order, one_group;
    bool one_scale; /* pl_codes_one_scale */
    bool by_block;  /* pl_codes.block_rows > 1 */
    size_t group_size;
} pl_pack_module;

typedef struct pl_packed pl_packed;

typedef struct pl_packing {
    const char *name;
    const char *about;    /* for a person: who loads it */
    unsigned bits;        /* bit b: it holds codes of b bits */
    const char *element;  /* the number format of its codes (core/format), NULL: integers */
    bool orders;          /* it has both of pl_pack_order */
    bool one_group_size;  /* all layers have groups of one size */
    const char *file;     /* a file of its own that holds the configuration, too; or NULL */
    bool act_order;       /* it holds groups that are not contiguous */
    pl_dtype scale_dtype; /* in which it stores scales; PL_DTYPE_OTHER: in their own */
    /* The number of a scale that is stored as a byte, over `whole`; NULL: scales are floats. */
    float (*stored_scale)(unsigned stored, float whole);
    /* A sentence of why these codes do not fit, though bits, scales and groups do (out % 8, a zero
     * point of 0); NULL: no such condition. */
    const char *(*misfit)(const pl_codes *codes);
    /* The layer's tensors: shapes, with data where `fill`. */
    pl_status (*pack)(const pl_codes *codes, pl_pack_order order, bool fill,
                      pl_pack_part parts[PL_PACK_PARTS], size_t *count, pl_error *err);
    /* The quantization_config of a model; NULL without memory. */
    json_t *(*config)(const pl_pack_module *modules, size_t count, pl_pack_order order);

    /* --- reading --- */
    const char *method;                 /* quant_method of its configurations */
    const char *endings[PL_PACK_PARTS]; /* that of the codes first */
    size_t needed;                      /* how many of them a layer must have */
    /* Whether the tensors are of this layout, by their dtypes and shapes; fills the packed layer's
     * numbers.  config: quantization_config, or NULL. */
    bool (*open)(pl_checkpoint *checkpoint, const json_t *config, pl_packed *packed);
    bool keeps_stem; /* the layer's name is what stands before the endings, without ".weight" */
    /* Rows [first, first + count) to out, where all at once would be too much; NULL: unpack. */
    pl_status (*read)(pl_checkpoint *checkpoint, const pl_packed *packed, size_t first,
                      size_t count, float *out, pl_error *err);
    /* data[i]: bytes of the i-th ending's tensor, NULL where there is none. */
    pl_status (*unpack)(const pl_packed *packed, void *const data[PL_PACK_PARTS], pl_codes *out,
                        pl_error *err);
} pl_packing;

#define PL_PACKING_ONE(name, key) +1
enum {
    PL_PACKING_COUNT = 0 PL_PACKINGS(PL_PACKING_ONE),                  /* written and read */
    PL_PACKING_ALL = PL_PACKING_COUNT PL_READ_PACKINGS(PL_PACKING_ONE) /* those only read behind */
};
#undef PL_PACKING_ONE

const pl_packing *pl_packing_at(size_t index);

/* "|compressed-tensors|gptq...", behind the other choices of a command's key. */
#define PL_PACKING_WORD(name, key) "|" key
#define PL_PACKING_WORDS PL_PACKINGS(PL_PACKING_WORD)

/* Whether a model's quantization_config speaks of a layout that is read here.  *what (may be NULL):
 * what in it is not, "transform_config", or NULL. */
bool pl_packing_reads(const json_t *config, const char **what);

#endif
