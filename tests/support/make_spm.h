/* tests/support/make_spm.h -- GGUF files that hold nothing but a SentencePiece vocabulary. */
#ifndef PL_TESTS_MAKE_SPM_H
#define PL_TESTS_MAKE_SPM_H

#include "core/model/tokenizer.h"
#include "tests/support/check.h"
#include "tests/support/make_files.h"
#include "tests/support/temp.h"

enum { SPM_NORMAL = 1, SPM_UNKNOWN, SPM_CONTROL, SPM_USER, SPM_UNUSED, SPM_BYTE };

typedef struct spm_token {
    const char *text;
    float score;
    uint32_t type;
} spm_token;

typedef struct spm_file {
    const spm_token *tokens;
    size_t count;
    size_t types, scores; /* entries written; count unless a test asks for another number */
    int prefix, bos;      /* add_space_prefix, add_bos_token: -1 for no such key */
} spm_file;

/* The keys of the vocabulary, and how many there are. */
static inline uint64_t spm_keys(const spm_file *f)
{
    return 6u + (f->prefix >= 0 ? 1u : 0u) + (f->bos >= 0 ? 1u : 0u);
}

static inline void make_spm_keys(pl_buf *out, const spm_file *f)
{
    make_key(out, "tokenizer.ggml.model", 8);
    make_text(out, "llama");
    make_u32_key(out, "tokenizer.ggml.bos_token_id", 1);
    make_u32_key(out, "tokenizer.ggml.eos_token_id", 2);
    make_key(out, "tokenizer.ggml.tokens", 9);
    make_u32(out, 8);
    make_u64(out, f->count);
    for (size_t i = 0; i < f->count; i++) {
        make_text(out, f->tokens[i].text);
    }
    make_key(out, "tokenizer.ggml.scores", 9);
    make_u32(out, 6);
    make_u64(out, f->scores);
    for (size_t i = 0; i < f->scores; i++) {
        pl_buf_append(out, &f->tokens[i].score, sizeof f->tokens[i].score);
    }
    make_key(out, "tokenizer.ggml.token_type", 9);
    make_u32(out, 5);
    make_u64(out, f->types);
    for (size_t i = 0; i < f->types; i++) {
        make_u32(out, f->tokens[i].type);
    }
    if (f->prefix >= 0) {
        make_key(out, "tokenizer.ggml.add_space_prefix", 7);
        pl_buf_append(out, f->prefix != 0 ? "\1" : "\0", 1);
    }
    if (f->bos >= 0) {
        make_key(out, "tokenizer.ggml.add_bos_token", 7);
        pl_buf_append(out, f->bos != 0 ? "\1" : "\0", 1);
    }
}

/* Writes the file and reads its tokenizer. */
static inline pl_status read_spm(pl_temp *temp, const spm_file *f, pl_tokenizer **out,
                                 pl_error *err)
{
    pl_buf bytes = {0};
    pl_checkpoint *checkpoint = NULL;
    make_gguf(&bytes, 3, 0, spm_keys(f));
    make_spm_keys(&bytes, f);
    make_padding(&bytes, 32);
    memset(err, 0, sizeof *err);
    pl_check_ok(
        pl_checkpoint_open(pl_temp_write(temp, "s.gguf", bytes.data, bytes.size), &checkpoint, err),
        *err);
    pl_status status = pl_tokenizer_from_gguf(checkpoint, out, err);
    pl_checkpoint_close(checkpoint);
    pl_buf_deinit(&bytes);
    return status;
}

#endif
