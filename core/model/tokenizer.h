/* core/model/tokenizer.h -- text to token ids and back, exactly as the checkpoint's own tokenizer.
 *
 * BPE from tokenizer.json (byte-level with any split pattern that Oniguruma takes; byte fallback
 * with U+2581) and from GGUF's metadata (model "gpt2" with the pre-tokenizers llama.cpp names;
 * model "llama", SentencePiece's BPE by scores).  Added tokens are recognised in the text before
 * splitting.  No BOS is ever added by pl_tokenizer_encode. */
#ifndef PL_MODEL_TOKENIZER_H
#define PL_MODEL_TOKENIZER_H

#include "core/base/task.h"
#include "core/io/checkpoint.h"
#include "core/io/gguf_keys.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pl_tokenizer pl_tokenizer;

/* From a Hugging Face tokenizer.json.  Anything it asks for that is not supported (another model
 * type, normalizer or pre-tokenizer) is PL_ERR_UNSUPPORTED, named. */
PL_NODISCARD pl_status pl_tokenizer_from_json(const char *path, pl_tokenizer **out, pl_error *err);

/* From a checkpoint's folder as transformers' AutoTokenizer does it: tokenizer.json, and what
 * tokenizer_config.json (class, add_bos_token, add_eos_token, add_prefix_space) and
 * special_tokens_map.json make of it.  by_type: the class where there is a tokenizer_config.json,
 * but neither it nor config.json names a class; NULL: a class of no effect. */
PL_NODISCARD pl_status pl_tokenizer_from_folder(const char *folder, const char *by_type,
                                                pl_tokenizer **out, pl_error *err);

/* From a GGUF's metadata. */
PL_NODISCARD pl_status pl_tokenizer_from_gguf(const pl_checkpoint *checkpoint, pl_tokenizer **out,
                                              pl_error *err);
void pl_tokenizer_destroy(pl_tokenizer *tokenizer);

/* Ids are less than this. */
size_t pl_tokenizer_vocab_size(const pl_tokenizer *tokenizer);

enum { PL_MAX_FRAME = 8 };

/* The special tokens that stand around a text.  Protocols put them there (see metrics). */
typedef struct pl_frame {
    int32_t front[PL_MAX_FRAME], back[PL_MAX_FRAME];
    size_t n_front, n_back;
} pl_frame;

/* The frame that the files ask for: tokenizer.json's post_processor, tokenizer_config.json's class
 * and flags; GGUF's add_bos_token and add_eos_token, whose defaults are the format's, by the kind
 * of tokenizer. */
const pl_frame *pl_tokenizer_frame(const pl_tokenizer *tokenizer);

/* For `info`, safe to show: the kind of its vocabulary and merges; how it normalizes and cuts a
 * text ("NFC, Split, ByteLevel", after GGUF's name for it); the special tokens around a text; the
 * files it was read from.  Appended to out. */
typedef enum pl_tokenizer_fact {
    PL_TOKENIZER_KIND,
    PL_TOKENIZER_SPLITS,
    PL_TOKENIZER_SPECIALS,
    PL_TOKENIZER_FILES,
    PL_TOKENIZER_FACTS,
} pl_tokenizer_fact;
void pl_tokenizer_tell(const pl_tokenizer *tokenizer, pl_tokenizer_fact fact, pl_buf *out);

/* text: size bytes of UTF-8 (PL_ERR_FORMAT names the offset of the first invalid byte).  memory:
 * bytes it may take, the text and the ids counted; 0: no limit (PL_ERR_MEMORY names it).  A
 * normalizer that grows a text beyond measure and a pattern that backtracks without end are
 * PL_ERR_UNSUPPORTED, after seconds.  Caller frees *ids, an array of *count.  Linear time for long
 * texts. */
PL_NODISCARD pl_status pl_tokenizer_encode(const pl_tokenizer *tokenizer, const char *text,
                                           size_t size, size_t memory, int32_t **ids, size_t *count,
                                           pl_task *task, pl_error *err);

/* The bytes a token stands for (may be a part of a UTF-8 sequence), appended to out. */
void pl_tokenizer_decode(const pl_tokenizer *tokenizer, int32_t id, pl_buf *out);

/* The same made safe to show and valid UTF-8: escaped, U+2581 as a space. */
void pl_tokenizer_show(const pl_tokenizer *tokenizer, int32_t id, pl_buf *out);

/* The tokenizer as a Hugging Face tokenizer.json text (for the export of a GGUF).
 * PL_ERR_UNSUPPORTED names the token where SentencePiece's rules cannot be said in one. */
PL_NODISCARD pl_status pl_tokenizer_to_json(const pl_tokenizer *tokenizer, pl_buf *out,
                                            pl_error *err);

/* The tokenizer_config.json to write beside it: without one, transformers takes the class from the
 * architecture, and some of those add a BOS of their own.  Caller decrefs; NULL without memory. */
json_t *pl_tokenizer_config_to_json(const pl_tokenizer *tokenizer);

/* A tokenizer from a tokenizer.json as GGUF's keys, appended.  vocab: rows of the embedding;
 * missing tokens up to there are filled in.  bos, eos: used where the tokenizer names none; or -1.
 * PL_ERR_UNSUPPORTED says what a GGUF cannot express. */
PL_NODISCARD pl_status pl_tokenizer_to_gguf(const pl_tokenizer *tokenizer, size_t vocab,
                                            int32_t bos, int32_t eos, pl_gguf_keys *keys,
                                            pl_error *err);

/* PL_ERR_UNSUPPORTED says how b, read from a GGUF and with at least as many tokens, differs from a:
 * in tokens, merges, frame, or the ids of a text. */
PL_NODISCARD pl_status pl_tokenizer_compare(const pl_tokenizer *a, const pl_tokenizer *b,
                                            pl_error *err);

#endif
