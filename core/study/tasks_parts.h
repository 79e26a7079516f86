/* core/study/tasks_parts.h -- what scoring choices, writing answers and a pool's units share.
 * Private to core/study. */
#ifndef PL_STUDY_TASKS_PARTS_H
#define PL_STUDY_TASKS_PARTS_H

#include "core/lab/quantized.h"
#include "core/metrics/likelihood.h"
#include "core/model/decode.h"
#include "core/study/task_examples.h"
#include "core/study/tasks.h"

enum {
    PL_TASK_WRITTEN = 16,      /* answers that are kept together */
    PL_TASK_MOST_WRITTEN = 256 /* tokens of an answer: max_gen_toks */
};

/* A prompt and a continuation as tokens, `context` of them the prompt's. */
typedef struct pl_encoded {
    int32_t *ids;
    size_t count, context;
} pl_encoded;

typedef struct pl_scorer {
    pl_task_run *run;
    pl_model *model;
    const pl_tokenizer *tokenizer;
    pl_quantized quantized;
    pl_hooks hooks;
    const pl_hooks *used; /* NULL: the original */
    pl_id common;         /* hash of what the model is */
    pl_examples examples;
    pl_encoded *pending; /* [n_pending] requests not scored yet, of items from first_item on */
    size_t n_pending, room_pending, pending_tokens, first_item;
    pl_likelihood *found; /* [n_pending] */
    pl_decoder *decoder;
    int32_t *read; /* [positions] what the decoder has read */
    size_t positions;
    float *logits;
    json_t *samples;
    json_t *plan; /* of batches as units, instead of computing them; or NULL */
} pl_scorer;

/* --- tasks_scorer.c -------------------------------------------------------------------------- */

/* How many items are to be scored. */
size_t pl_task_items(const pl_task_run *run);

/* Prepares the model to be scored; the caller calls pl_scorer_end, also after a failure. */
PL_NODISCARD pl_status pl_scorer_begin(pl_scorer *s, pl_error *err);
void pl_scorer_end(pl_scorer *s);

/* With the special tokens that the tokenizer puts before a text. */
PL_NODISCARD pl_status pl_scorer_encode(const pl_scorer *s, const char *text, size_t size,
                                        pl_encoded *out, pl_error *err);
/* Keeps the last `most` tokens. */
void pl_encoded_truncate(pl_encoded *e, size_t most);

/* Adds e to the pending requests; takes its tokens.  drop: none are pending any more. */
PL_NODISCARD pl_status pl_scorer_push(pl_scorer *s, pl_encoded *e, pl_error *err);
void pl_scorer_drop(pl_scorer *s);

/* An item's sample, without scores. */
json_t *pl_scorer_sample(const pl_scorer *s, size_t item);

/* The key of the pending requests; what the store has under it. */
PL_NODISCARD pl_status pl_scorer_key(const pl_scorer *s, pl_id *out, pl_error *err);
bool pl_scorer_recall(const pl_scorer *s, pl_id key, void *out, size_t bytes);
PL_NODISCARD pl_status pl_scorer_keep(const pl_scorer *s, pl_id key, const void *data, size_t bytes,
                                      pl_error *err);

/* Adds the pending requests to s->plan as a unit, unless the store has them; and makes them of a
 * unit's bytes the pending ones. */
PL_NODISCARD pl_status pl_scorer_plan(pl_scorer *s, pl_id key, bool writes, pl_error *err);
PL_NODISCARD pl_status pl_scorer_take_requests(pl_scorer *s, const char *bytes, size_t size,
                                               pl_error *err);

/* Counts items that the store has as known, except those that the pool has made. */
void pl_scorer_count_known(pl_scorer *s, pl_id key, size_t items);

/* --------------------------------------------------------------------------------------------- */

/* Scores the pending requests as choices (tasks.c), or (*known) finds their scores in the store:
 * kept[2 * n_pending], log-likelihood and whether it is greedy. */
PL_NODISCARD pl_status pl_scorer_score(pl_scorer *s, pl_id key, double *kept, bool *known,
                                       pl_error *err);

/* Writes answers to all items (tasks_written.c). */
PL_NODISCARD pl_status pl_scorer_write(pl_scorer *s, pl_error *err);
/* Writes some answers, or (*known) finds them in the store: ids[count, PL_TASK_MOST_WRITTEN + 1],
 * each the number of its tokens, then the tokens. */
PL_NODISCARD pl_status pl_scorer_answer(pl_scorer *s, size_t first, size_t count, pl_id key,
                                        int32_t *ids, bool *known, pl_error *err);

#endif
