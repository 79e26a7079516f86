/* core/model/tokenizer_parts.h -- inside the tokenizer; private to core/model.
 *
 * A tokenizer is four stages, as in Hugging Face's tokenizers: added tokens are cut out of the
 * text; the rest is normalized; pre-tokenizer steps cut it into pieces; BPE merges each piece.
 * Byte-level vocabularies are kept as the raw bytes their printable stand-ins mean, so that the
 * text itself is never mapped. */
#ifndef PL_MODEL_TOKENIZER_PARTS_H
#define PL_MODEL_TOKENIZER_PARTS_H

#include "core/model/tokenizer.h"

enum { PL_MAX_VOCAB = 1 << 24, PL_MAX_STEPS = 16 };

#define PL_METASPACE "\xe2\x96\x81" /* U+2581 */

#define PL_PATTERN_GPT2                                                                            \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* ---- What one text takes: memory, time, a task's ticks (meter.c) ---- */

typedef struct pl_meter {
    pl_task *task;
    size_t steps;                   /* since the last tick */
    size_t bytes, most_bytes;       /* of memory; most 0: no limit */
    uint64_t retries, most_retries; /* what its patterns may have backtracked */
    uint64_t normal, most_normal;   /* bytes that normalizers made */
} pl_meter;

/* splits: how many steps cut the text.  most_bytes: memory it may take, 0: no limit. */
void pl_meter_init(pl_meter *meter, size_t text_size, size_t splits, size_t most_bytes,
                   pl_task *task);
/* So many small steps; ticks now and then. */
PL_NODISCARD pl_status pl_meter_steps(pl_meter *meter, size_t steps, pl_error *err);
/* A step of so many retries.  PL_ERR_UNSUPPORTED over the text's budget. */
PL_NODISCARD pl_status pl_meter_retry(pl_meter *meter, uint64_t retries, pl_error *err);
/* An allocation of had bytes has `has` now.  PL_ERR_MEMORY over the limit. */
PL_NODISCARD pl_status pl_meter_take(pl_meter *meter, size_t had, size_t has, pl_error *err);

/* ---- Vocabulary: id <-> bytes (vocab.c) ---- */

typedef struct pl_token {
    size_t text, raw;             /* offsets into the vocabulary's bytes */
    uint32_t text_size, raw_size; /* text as in the file; raw as the bytes it stands for */
    bool present;
    bool matchable; /* in the BPE vocabulary and expressible as raw bytes */
    bool unused;    /* SentencePiece's type: never a result */
} pl_token;

typedef struct pl_vocab {
    pl_token *tokens; /* [count], by id */
    size_t count;
    pl_buf bytes;
    int32_t *table; /* open addressing over raw bytes; -1 is free */
    size_t mask;
    int32_t byte_id[256]; /* the token of one raw byte, or -1 */
} pl_vocab;

/* Makes room for ids below count. */
PL_NODISCARD pl_status pl_vocab_reserve(pl_vocab *vocab, size_t count, pl_error *err);
/* Sets a token's text.  id must be below count. */
void pl_vocab_set(pl_vocab *vocab, size_t id, const char *text, size_t size);
/* Fills raw and the table for all tokens set with in_model (byte_level: mapped back to bytes). */
PL_NODISCARD pl_status pl_vocab_index(pl_vocab *vocab, bool byte_level, pl_error *err);
int32_t pl_vocab_find(const pl_vocab *vocab, const char *raw, size_t size); /* -1: none */
void pl_vocab_deinit(pl_vocab *vocab);

/* Byte-level alphabet: maps text to raw bytes at out (size at most that of text); false if a
 * character is not of the alphabet.  And the stand-in (1 or 2 bytes of UTF-8) of one byte. */
bool pl_bytes_unmap(const char *text, size_t size, char *out, size_t *out_size);
size_t pl_byte_stand_in(unsigned char byte, char out[2]);

/* ---- BPE (bpe.c) ---- */

typedef struct pl_merge {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX is free */
    int32_t rank, id;
} pl_merge;

typedef struct pl_bpe {
    int32_t *left, *right; /* [count], in order of rank, as the file lists them */
    size_t count;
    pl_merge *table;
    size_t mask;
    bool byte_level, byte_fallback, fuse_unk, ignore_merges;
    int32_t unk;           /* or -1 */
    int32_t fallback[256]; /* id of <0xXX>, or -1 */
} pl_bpe;

/* Room for count merges. */
PL_NODISCARD pl_status pl_bpe_reserve(pl_bpe *bpe, size_t count, pl_error *err);
/* Adds the next merge, of the tokens written a and b; names it if a part or the result is not in
 * the vocabulary. */
PL_NODISCARD pl_status pl_bpe_add(pl_bpe *bpe, const pl_vocab *vocab, const char *a, size_t a_size,
                                  const char *b, size_t b_size, pl_error *err);
/* Fills fallback[]; call when the vocabulary is indexed. */
void pl_bpe_find_fallback(pl_bpe *bpe, const pl_vocab *vocab);
void pl_bpe_deinit(pl_bpe *bpe);

/* Adds the next merge by ids (there is room for it). */
void pl_bpe_put(pl_bpe *bpe, int32_t left, int32_t right, int32_t id);

typedef struct pl_symbol {
    int32_t id; /* -1: merged away */
    int32_t prev, next;
} pl_symbol;

typedef struct pl_candidate {
    int32_t rank, position, id;
} pl_candidate;

/* Reused from piece to piece. */
typedef struct pl_bpe_work {
    pl_symbol *symbols;
    size_t symbol_capacity;
    pl_candidate *heap;
    size_t heap_size, heap_capacity;
    uint32_t *halves; /* see spm.c */
    int32_t *ids;     /* the result, appended */
    size_t count, capacity;
    struct pl_kept *kept; /* see bpe_cache.c */
    pl_meter *meter;
} pl_bpe_work;

PL_NODISCARD pl_status pl_bpe_emit(pl_bpe_work *work, int32_t id, pl_error *err);
/* Appends the ids of one piece. */
PL_NODISCARD pl_status pl_bpe_piece(const pl_bpe *bpe, const pl_vocab *vocab, const char *raw,
                                    size_t size, pl_bpe_work *work, pl_error *err);
/* The same, with the ids of short pieces kept for the next time (bpe_cache.c). */
PL_NODISCARD pl_status pl_bpe_piece_kept(const pl_bpe *bpe, const pl_vocab *vocab, const char *raw,
                                         size_t size, pl_bpe_work *work, pl_error *err);
void pl_bpe_work_deinit(pl_bpe_work *work, bool keep_ids);

/* Room for the symbols of a piece of size bytes and all the candidates its merges propose. */
PL_NODISCARD pl_status pl_bpe_work_reserve(pl_bpe_work *work, size_t size, pl_error *err);
/* The heap: least rank first, then least position. */
void pl_heap_push(pl_bpe_work *work, pl_candidate candidate);
pl_candidate pl_heap_pop(pl_bpe_work *work);

/* ---- SentencePiece's BPE, whose merges are the tokens themselves, by score (spm.c) ---- */

typedef struct pl_spm {
    int32_t *rank;   /* [vocab.count], 0 the best score, equal scores equal; NULL: not this kind */
    size_t longest;  /* bytes of the longest matchable token */
    bool words;      /* no token crosses from another character to U+2581 */
    bool has_unused; /* some matchable token is of type unused */
} pl_spm;

/* Fills spm from scores[vocab->count]; the vocabulary is indexed. */
PL_NODISCARD pl_status pl_spm_init(pl_spm *spm, const pl_vocab *vocab, const float *scores,
                                   pl_error *err);
void pl_spm_deinit(pl_spm *spm);

/* Appends the ids of a text whose blanks are U+2581 already.  bpe: unk and fallback. */
PL_NODISCARD pl_status pl_spm_encode(const pl_spm *spm, const pl_bpe *bpe, const pl_vocab *vocab,
                                     const char *text, size_t size, pl_bpe_work *work,
                                     pl_error *err);

/* The merges in order that give the same ids in Hugging Face's BPE, into an empty *out (the caller
 * deinits it); PL_ERR_UNSUPPORTED says why where there are none. */
PL_NODISCARD pl_status pl_spm_merges(const pl_spm *spm, const pl_vocab *vocab, pl_bpe *out,
                                     pl_error *err);

/* ---- Added tokens (added.c) ---- */

typedef struct pl_added {
    char *content;
    size_t size;
    int32_t id;
    bool special, normalized, lstrip, rstrip, single_word;
} pl_added;

typedef struct pl_trie_node {
    int32_t child, sibling; /* -1: none */
    int32_t added;          /* index of the token that ends here, or -1 */
    unsigned char byte;
} pl_trie_node;

typedef struct pl_trie {
    pl_trie_node *nodes;
    size_t count, capacity;
    int32_t first[256]; /* child of the root by byte */
    bool ready;
} pl_trie;

PL_NODISCARD pl_status pl_trie_add(pl_trie *trie, const char *key, size_t size, int32_t added,
                                   pl_error *err);
void pl_trie_deinit(pl_trie *trie);

typedef struct pl_found {
    size_t start, end; /* the text it takes, with stripped blanks */
    int32_t added;
} pl_found;

/* The leftmost, longest added token at or after *from; added -1: none.  *from advances past what
 * was looked at.  taken: end of the last token found (blanks before it are not taken twice). */
PL_NODISCARD pl_status pl_trie_next(const pl_trie *trie, const pl_added *added, const char *text,
                                    size_t size, size_t *from, size_t taken, pl_found *out,
                                    pl_meter *meter, pl_error *err);

/* ---- Patterns and classes of characters (pattern.c) ---- */

typedef struct pl_pattern pl_pattern; /* compiled; shared by threads */
typedef struct pl_matcher pl_matcher; /* what one thread matches with */

typedef struct pl_span {
    size_t start, end;
} pl_span;

/* A pattern that Oniguruma does not take is PL_ERR_UNSUPPORTED, named. */
PL_NODISCARD pl_status pl_pattern_create(const char *source, pl_pattern **out, pl_error *err);
void pl_pattern_destroy(pl_pattern *pattern);
PL_NODISCARD pl_status pl_matcher_create(pl_matcher **out, const pl_meter *meter, pl_error *err);
void pl_matcher_destroy(pl_matcher *matcher);

/* The next match of text[size] that begins at `at` or behind it; start SIZE_MAX: none.  Errors name
 * the retry limit, the budget of the text, or the memory. */
PL_NODISCARD pl_status pl_pattern_next(const pl_pattern *pattern, pl_matcher *matcher,
                                       const char *text, size_t size, size_t at, pl_span *out,
                                       pl_meter *meter, pl_error *err);

/* A pattern that is known to be one of the usual ones (pattern_quick.c). */
typedef struct pl_quick {
    bool known, modern; /* modern: Llama 3's and its like; else GPT-2's */
    size_t digits;      /* at most so many together */
} pl_quick;

pl_quick pl_quick_find(const char *pattern);
/* End of the match at text[at], at < size; 0 where a character beyond ASCII has a say. */
size_t pl_quick_match(const pl_quick *quick, const char *text, size_t size, size_t at);

bool pl_is_numeric(int32_t code);     /* N* */
bool pl_is_punctuation(int32_t code); /* P*, and all of ASCII's */

/* ---- Normalizers (normalize.c) and pre-tokenizers (split.c) ---- */

typedef enum pl_step_kind {
    PL_STEP_NFC,
    PL_STEP_PREPEND,     /* text */
    PL_STEP_REPLACE,     /* text by content */
    PL_STEP_SPLIT,       /* at a pattern, or at text itself */
    PL_STEP_DIGITS,      /* at numeric characters */
    PL_STEP_PUNCTUATION, /* at punctuation */
    PL_STEP_METASPACE,   /* blanks to content, one put in front, a cut before each */
    PL_STEP_BYTES,       /* ByteLevel: a blank in front if asked; its split is its own pattern */
} pl_step_kind;

typedef enum pl_scheme { PL_PREPEND_ALWAYS, PL_PREPEND_FIRST, PL_PREPEND_NEVER } pl_scheme;

/* What becomes of the matches a text is cut at. */
typedef enum pl_behavior {
    PL_SPLIT_ISOLATED, /* pieces of their own */
    PL_SPLIT_REMOVED,
    PL_SPLIT_CONTIGUOUS, /* neighbours are one piece */
    PL_SPLIT_PREVIOUS,   /* each goes with the text before it, but not right behind another */
    PL_SPLIT_NEXT,       /* and with the text behind it */
    PL_SPLIT_COUNT,
} pl_behavior;

extern const char *const pl_behavior_names[PL_SPLIT_COUNT]; /* as in tokenizer.json */

typedef struct pl_step {
    pl_step_kind kind;
    char *text, *content;
    size_t text_size, content_size;
    bool literal; /* the pattern was given as a String */
    bool invert;  /* what is between matches counts as them */
    pl_behavior behavior;
    bool flag;   /* digits: each alone; metaspace: split; bytes: use_regex */
    bool prefix; /* bytes: add_prefix_space */
    bool mapped; /* bytes: further steps cut the stand-ins of the bytes */
    pl_scheme scheme;
    pl_pattern *pattern;
} pl_step;

/* One piece of the text being cut. */
typedef struct pl_piece {
    size_t start, size;
} pl_piece;

typedef struct pl_pieces {
    pl_piece *items;
    size_t count, capacity;
} pl_pieces;

void pl_step_deinit(pl_step *step);

/* Every match of step->text becomes step->content.  PL_ERR_UNSUPPORTED over the meter's budget. */
PL_NODISCARD pl_status pl_replace_all(const char *text, size_t size, const pl_step *step,
                                      pl_buf *out, pl_meter *meter, pl_error *err);
/* Normalizes text[size] into out (emptied first). */
PL_NODISCARD pl_status pl_normalize(const pl_step *steps, size_t count, const char *text,
                                    size_t size, pl_buf *out, pl_meter *meter, pl_error *err);

typedef struct pl_splitter {
    pl_buf text, spare; /* the text that pieces point into, and the one being rebuilt */
    pl_pieces pieces, next;
    pl_matcher *matcher;
    pl_meter *meter;
} pl_splitter;

PL_NODISCARD pl_status pl_splitter_init(pl_splitter *splitter, pl_meter *meter, pl_error *err);
void pl_splitter_deinit(pl_splitter *splitter);
/* Cuts text[size] into splitter->pieces of splitter->text.  at_start: the text begins the whole. */
PL_NODISCARD pl_status pl_splitter_run(pl_splitter *splitter, const pl_step *steps, size_t count,
                                       const char *text, size_t size, bool at_start, pl_error *err);

/* ---- The pre-tokenizers GGUF names (tokenizer_pre.c) ---- */

enum { PL_MAX_PATTERNS = 6 };

typedef struct pl_pre {
    const char *names;                     /* with blanks between */
    bool digits;                           /* each digit alone first */
    const char *patterns[PL_MAX_PATTERNS]; /* then each cuts what the one before it made */
    bool gpt2;                             /* and ByteLevel cuts by its own pattern */
    bool nfc, ignore_merges;
    bool adds_bos; /* where add_bos_token is missing */
} pl_pre;

const pl_pre *pl_pre_find(const char *name); /* NULL: none */
const pl_pre *pl_pre_at(size_t index);       /* of the table; NULL past its end */
void pl_pre_list(pl_buf *out);               /* all names */

/* ---- The whole ---- */

struct pl_tokenizer {
    pl_vocab vocab;
    pl_bpe bpe;
    pl_spm spm;
    pl_added *added;
    size_t n_added;
    int32_t *added_of; /* [vocab.count] index into added, or -1 */
    pl_trie raw_trie, normalized_trie;
    pl_step normalizers[PL_MAX_STEPS];
    size_t n_normalizers;
    pl_step splits[PL_MAX_STEPS];
    size_t n_splits;
    bool nested_splits; /* they stand in a Sequence */
    bool metaspace;     /* U+2581 stands for a blank */
    pl_frame frame;
    char rule[160];   /* what ruled it */
    char files[96];   /* names of the files it was read from */
    char pre[48];     /* GGUF's name of its pre-tokenizer, as safe to show */
    int32_t bos, eos; /* -1: not known */
};

PL_NODISCARD pl_status pl_tokenizer_create(pl_tokenizer **out, pl_error *err);
/* Indexes what the readers have filled in: added tokens, tries, byte tokens. */
PL_NODISCARD pl_status pl_tokenizer_finish(pl_tokenizer *tokenizer, pl_error *err);
/* The id of a token by its text as written, or -1. */
int32_t pl_tokenizer_find(const pl_tokenizer *tokenizer, const char *text, size_t size);
/* Copies of size bytes, NUL-terminated; NULL when memory is out. */
char *pl_copy_bytes(const char *bytes, size_t size);

#endif
