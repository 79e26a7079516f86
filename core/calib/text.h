/* core/calib/text.h -- texts, their tokens, and the windows a calibration or a perplexity uses. */
#ifndef PL_CALIB_TEXT_H
#define PL_CALIB_TEXT_H

#include "core/base/task.h"
#include "core/io/identity.h"
#include "core/model/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tokenized text. */
typedef struct pl_tokens {
    int32_t *ids;
    size_t count;
    pl_id text; /* identity of the text's bytes (all files, in order, joined) */
} pl_tokens;

/* paths: one or several files.  One whose name ends in .jsonl or .json, in letters of either case,
 * holds records: JSON objects with a string `text`, one a line (blank lines are skipped), or in a
 * .json also in one array.  Any other file is text as a whole, byte by byte.  Several texts are
 * joined by "\n\n".  UTF-8, at most 1 GiB together.  No BOS is added.  memory: bytes that
 * tokenizing may take, 0: no limit.  Errors name the file, and the line or the offset.  Caller
 * deinits. */
PL_NODISCARD pl_status pl_tokens_read(const pl_tokenizer *tokenizer, const char *const *paths,
                                      size_t n_paths, size_t memory, pl_tokens *out, pl_task *task,
                                      pl_error *err);
void pl_tokens_deinit(pl_tokens *tokens);

/* The joined text alone, appended to out. */
PL_NODISCARD pl_status pl_text_read(const char *const *paths, size_t n_paths, pl_buf *out,
                                    pl_error *err);

/* Its identity, as pl_tokens.text has it. */
PL_NODISCARD pl_status pl_text_identity(const char *const *paths, size_t n_paths, pl_id *out,
                                        pl_error *err);

typedef enum pl_sample { PL_SAMPLE_FIRST, PL_SAMPLE_RANDOM } pl_sample;

/* How windows are cut: `first` takes windows at 0, length, 2 length, ...; `random` draws seeded
 * starts uniformly (with repetition), as the papers do. */
typedef struct pl_protocol {
    size_t length, windows;
    pl_sample sample;
    uint64_t seed; /* random only */
    size_t rows;   /* of each site's input that are kept; 0: PL_PROTOCOL_ROWS */
} pl_protocol;

enum { PL_PROTOCOL_ROWS = 1024 };
static inline size_t pl_protocol_rows(const pl_protocol *protocol)
{
    return protocol->rows > 0 ? protocol->rows : PL_PROTOCOL_ROWS;
}

/* Start token of each window to starts[protocol->windows].  PL_ERR_STATE says how many windows
 * the text has if it has too few. */
PL_NODISCARD pl_status pl_protocol_starts(const pl_protocol *protocol, size_t n_tokens,
                                          size_t *starts, pl_error *err);

#endif
