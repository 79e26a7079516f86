/* core/state/record.h -- what has been found out about a model, under all settings.
 *
 * Shared by all states of a source and thread-safe: layers' results by the plan they were solved
 * under, so that going back to a setting finds them, and perplexities by their setting.  Undo does
 * not touch it: it holds facts.  Results are named by their keys; nothing is read. */
#ifndef PL_STATE_RECORD_H
#define PL_STATE_RECORD_H

#include "core/state/state.h"

/* A perplexity of the solved model, or of the original alone; NaN where a number was not
 * measured. */
typedef struct pl_measurement {
    pl_id setting; /* pl_state_setting of what was measured (kept.h); zero: of the original alone */
    double perplexity, error, original, original_error, kl_mean;
    size_t solved;      /* layers solved then */
    char protocol[200]; /* "protocol=gptq length=512 windows=20 text=wiki.txt" */
} pl_measurement;

/* Notes a layer's result under the state's methods; forgotten where memory is out. */
void pl_record_solved(const pl_state *state, size_t layer, bool sequential, pl_id result);
/* The same for all results of the state. */
void pl_record_all(const pl_state *state);

/* Gives the state's layers the latest results under their present plans, where they have none, or
 * one of other activations.  Returns how many it gave. */
size_t pl_state_recall(pl_state *state);

void pl_record_measured(const pl_source *source, const pl_measurement *measured);
/* The newest measurement of a setting (NULL: any but the original) and a protocol (NULL: any);
 * false: there is none. */
bool pl_record_find(const pl_source *source, const pl_id *setting, const char *protocol,
                    pl_measurement *out);

/* The key of the last `compare`'s rows (study/comparison.h); *changes counts the calls of set.
 * false: there is none. */
void pl_record_set_comparison(const pl_source *source, pl_id key);
bool pl_record_comparison(const pl_source *source, pl_id *key, size_t *changes);

/* The perplexities, and the comparison, for sessions, and back; what cannot be read is left out. */
json_t *pl_record_to_json(const pl_source *source);
void pl_record_from_json(const pl_source *source, const json_t *list);

#endif
