/* tests/support/big_model.h -- checkpoints of the shapes of real models whose files are sparse.
 *
 * Headers, config, index and tokenizer are whole; of the data only what was asked for is written
 * (seeded float16 weights of about +-0.02), and the rest of the files are holes, which read as
 * zeros and take no room on the disk.  A 13 GB checkpoint without filled blocks is made in a few
 * milliseconds.  No test framework is needed here: tests and benches share this. */
#ifndef PL_TESTS_BIG_MODEL_H
#define PL_TESTS_BIG_MODEL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct big_shape {
    const char *name;
    size_t hidden, inner, blocks, heads, kv_heads, vocab;
    bool qwen2; /* biases on q, k and v, tied embeddings; else a llama */
} big_shape;

extern const big_shape big_llama_7b;  /* LLaMA-2 7B: 13.5 GB */
extern const big_shape big_qwen_1_5b; /* Qwen2 1.5B: 3.1 GB */

typedef struct big_options {
    size_t filled;    /* so many blocks have weights; with any, norms and embeddings have, too */
    bool whole_vocab; /* a tokenizer of shape->vocab tokens; else one of the BIG_TOKENS */
} big_options;

/* One token a character from space to '~' and the newline; embeddings of these are filled. */
enum { BIG_TOKENS = 96 };

/* Writes model-*.safetensors in shards of at most 5 GB, model.safetensors.index.json, config.json
 * and tokenizer.json into an existing folder.  False with errno set. */
bool big_model_write(const char *folder, const big_shape *shape, const big_options *options);

/* A text of `count` characters, one token each. */
bool big_text_write(const char *path, size_t count);

/* Bytes of one block's linear weights in float32; of the Gram matrices of its four sites in
 * float32, as full squares; and of the activations of a window of `length` tokens of `windows`:
 * what every linear layer of a block takes in or gives out, and the hidden states of all windows
 * and the one being run. */
double big_block_bytes(const big_shape *shape);
double big_gram_bytes(const big_shape *shape);
double big_activation_bytes(const big_shape *shape, size_t windows, size_t length);

/* Bytes of all the checkpoint's tensors. */
double big_model_bytes(const big_shape *shape);

#endif
