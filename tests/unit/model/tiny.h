/* tests/unit/model/tiny.h -- one tiny model with seeded weights, written as a Hugging Face folder
 * and as a GGUF file that must mean the same. */
#ifndef PL_TESTS_TINY_H
#define PL_TESTS_TINY_H

#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/temp.h"

#include "core/base/rng.h"
#include "core/io/safetensors.h"

#include <math.h>
#include <stdbool.h>

enum {
    TINY_HIDDEN = 24,
    TINY_INNER = 40,
    TINY_BLOCKS = 2,
    TINY_HEADS = 4,
    TINY_KV = 2,
    TINY_DIM = 8,
    TINY_VOCAB = 50,
    TINY_TENSORS = 3 + (9 + 7) * TINY_BLOCKS, /* with all biases */
    TINY_LARGEST = TINY_VOCAB * TINY_HIDDEN,
};

typedef struct tiny_tensor {
    char hf[80], gguf[80];
    uint64_t dims[2];
    size_t n_dims, permuted_heads, count;
    float values[TINY_LARGEST];
} tiny_tensor;

typedef struct tiny {
    tiny_tensor tensors[TINY_TENSORS];
    size_t count;
} tiny;

static inline tiny_tensor *tiny_add(tiny *t, pl_rng *rng, const char *hf, const char *gguf,
                                    uint64_t rows, uint64_t cols)
{
    tiny_tensor *x = &t->tensors[t->count++];
    memset(x, 0, sizeof *x);
    snprintf(x->hf, sizeof x->hf, "%.64s.weight", hf);
    snprintf(x->gguf, sizeof x->gguf, "%.64s.weight", gguf);
    x->n_dims = rows > 0 ? 2 : 1;
    x->dims[0] = rows > 0 ? rows : cols;
    x->dims[1] = cols;
    x->count = (size_t)((rows > 0 ? rows : 1) * cols);
    for (size_t i = 0; i < x->count; i++) {
        x->values[i] = (float)(pl_rng_normal(rng) * (rows > 0 ? 0.3 : 0.1) + (rows > 0 ? 0 : 1));
    }
    return x;
}

static inline void tiny_make(tiny *t)
{
    static const struct {
        const char *hf, *gguf;
        uint64_t rows, cols;
        size_t heads;
    } parts[] = {
        {"self_attn.q_proj", "attn_q", TINY_HEADS * TINY_DIM, TINY_HIDDEN, TINY_HEADS},
        {"self_attn.k_proj", "attn_k", TINY_KV * TINY_DIM, TINY_HIDDEN, TINY_KV},
        {"self_attn.v_proj", "attn_v", TINY_KV * TINY_DIM, TINY_HIDDEN, 0},
        {"self_attn.o_proj", "attn_output", TINY_HIDDEN, TINY_HEADS * TINY_DIM, 0},
        {"mlp.gate_proj", "ffn_gate", TINY_INNER, TINY_HIDDEN, 0},
        {"mlp.up_proj", "ffn_up", TINY_INNER, TINY_HIDDEN, 0},
        {"mlp.down_proj", "ffn_down", TINY_HIDDEN, TINY_INNER, 0},
        {"input_layernorm", "attn_norm", 0, TINY_HIDDEN, 0},
        {"post_attention_layernorm", "ffn_norm", 0, TINY_HIDDEN, 0},
    };
    pl_rng rng;
    pl_rng_init(&rng, 7);
    t->count = 0;
    tiny_add(t, &rng, "model.embed_tokens", "token_embd", TINY_VOCAB, TINY_HIDDEN);
    tiny_add(t, &rng, "lm_head", "output", TINY_VOCAB, TINY_HIDDEN);
    tiny_add(t, &rng, "model.norm", "output_norm", 0, TINY_HIDDEN);
    for (int b = 0; b < TINY_BLOCKS; b++) {
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            char hf[64];
            char gguf[64];
            snprintf(hf, sizeof hf, "model.layers.%d.%.30s", b, parts[p].hf);
            snprintf(gguf, sizeof gguf, "blk.%d.%.30s", b, parts[p].gguf);
            tiny_add(t, &rng, hf, gguf, parts[p].rows, parts[p].cols)->permuted_heads =
                parts[p].heads;
        }
    }
}

/* Biases for the projections of each block whose number in it is a set bit of `which`; the others
 * get biases of 0, or none. */
static inline void tiny_add_biases(tiny *t, unsigned which, bool zeros)
{
    pl_rng rng;
    pl_rng_init(&rng, 8);
    for (size_t b = 0; b < TINY_BLOCKS; b++) {
        for (size_t p = 0; p < 7; p++) {
            const tiny_tensor weight = t->tensors[3 + b * 9 + p];
            tiny_tensor *x = tiny_add(t, &rng, "", "", 0, weight.dims[0]);
            bool wanted = (which >> p & 1) != 0;
            if (!wanted) {
                memset(x->values, 0, sizeof x->values);
                t->count -= zeros ? 0 : 1;
            }
            snprintf(x->hf, sizeof x->hf, "%.*s.bias", (int)strlen(weight.hf) - 7, weight.hf);
            snprintf(x->gguf, sizeof x->gguf, "%.*s.bias", (int)strlen(weight.gguf) - 7,
                     weight.gguf);
            x->permuted_heads = weight.permuted_heads;
        }
    }
}

static inline tiny_tensor *tiny_find(tiny *t, const char *hf)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->tensors[i].hf, hf) == 0) {
            return &t->tensors[i];
        }
    }
    fail();
    return NULL;
}

/* model.safetensors and config.json in the folder.  config: NULL for the tiny model's own, else
 * further "key": value lines that replace its (each ends in a comma). */
static inline void tiny_write_hf(const tiny *t, pl_temp *temp, const char *config)
{
    pl_error err = {0};
    pl_st_entry entries[TINY_TENSORS];
    pl_st_writer *writer = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const tiny_tensor *x = &t->tensors[i];
        entries[i] = (pl_st_entry){x->hf, PL_F32, x->n_dims, x->dims};
    }
    pl_check_ok(pl_st_writer_create(pl_temp_path(temp, "model.safetensors"), entries, NULL,
                                    t->count, NULL, &writer, &err),
                err);
    for (size_t i = 0; i < t->count; i++) {
        const tiny_tensor *x = &t->tensors[pl_st_writer_order(writer, i)];
        pl_check_ok(pl_st_writer_put(writer, x->values, x->count, NULL, &err), err);
    }
    pl_check_ok(pl_st_writer_commit(writer, &err), err);
    pl_st_writer_destroy(writer);
    char json[2048];
    int size =
        snprintf(json, sizeof json,
                 "{%s\"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d,"
                 "\"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"head_dim\": %d,"
                 "\"vocab_size\": %d, \"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5,"
                 "\"rope_theta\": 10000.0}",
                 config != NULL ? config : "\"model_type\": \"llama\", ", TINY_HIDDEN, TINY_INNER,
                 TINY_BLOCKS, TINY_HEADS, TINY_KV, TINY_DIM, TINY_VOCAB);
    pl_temp_write(temp, "config.json", json, (size_t)size);
}

/* Rows in GGUF's order: row 2i + j of a head is Hugging Face's j * half + i. */
static inline void tiny_put_rows(const tiny_tensor *x, pl_buf *out)
{
    size_t cols = x->n_dims == 1 && x->permuted_heads > 0 ? 1 : (size_t)x->dims[x->n_dims - 1];
    size_t rows = x->count / cols;
    size_t head = x->permuted_heads > 0 ? rows / x->permuted_heads : 1;
    for (size_t r = 0; r < rows; r++) {
        size_t inside = r % head;
        size_t from = head > 1 ? r - inside + (inside % 2) * (head / 2) + inside / 2 : r;
        pl_buf_append(out, x->values + from * cols, cols * sizeof(float));
    }
}

/* model.gguf in the folder; divisors[TINY_DIM / 2] or NULL. */
static inline void tiny_write_gguf(const tiny *t, pl_temp *temp, const char *architecture,
                                   const float *divisors)
{
    pl_buf out = {0};
    char key[96];
    static const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {{"embedding_length", TINY_HIDDEN},
                   {"feed_forward_length", TINY_INNER},
                   {"block_count", TINY_BLOCKS},
                   {"attention.head_count", TINY_HEADS},
                   {"attention.head_count_kv", TINY_KV},
                   {"attention.key_length", TINY_DIM},
                   {"attention.value_length", TINY_DIM},
                   {"rope.dimension_count", TINY_DIM},
                   {"context_length", 64}};
    const size_t n = sizeof numbers / sizeof numbers[0];
    make_gguf(&out, 3, t->count + (divisors != NULL), n + 2);
    make_key(&out, "general.architecture", 8);
    make_text(&out, architecture);
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%s.%s", architecture, numbers[i].key);
        make_u32_key(&out, key, numbers[i].value);
    }
    const float eps = 1e-5f;
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", architecture);
    make_key(&out, key, 6);
    pl_buf_append(&out, &eps, sizeof eps);
    uint64_t offset = 0;
    for (size_t i = 0; i < t->count; i++) {
        const tiny_tensor *x = &t->tensors[i];
        const uint64_t dims[2] = {x->dims[x->n_dims - 1], x->dims[0]};
        make_info(&out, x->gguf, (uint32_t)x->n_dims, dims, 0, offset);
        offset += (x->count * sizeof(float) + 31) / 32 * 32;
    }
    if (divisors != NULL) {
        make_info(&out, "rope_freqs.weight", 1, &(uint64_t){TINY_DIM / 2}, 0, offset);
    }
    make_padding(&out, 32);
    for (size_t i = 0; i < t->count; i++) {
        tiny_put_rows(&t->tensors[i], &out);
        make_padding(&out, 32);
    }
    if (divisors != NULL) {
        pl_buf_append(&out, divisors, TINY_DIM / 2 * sizeof *divisors);
        make_padding(&out, 32);
    }
    assert_false(out.failed);
    pl_temp_write(temp, "model.gguf", out.data, out.size);
    pl_buf_deinit(&out);
}

#endif
