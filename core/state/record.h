/* core/state/record.h -- what has been found out about a model, under whatever settings.
 *
 * Shared by all states of a source and thread-safe: results of layers by the plan they were solved
 * under, so that going back to a setting takes them again, and perplexities by the setting they
 * are of.  Undo does not touch it, since it only holds what is true.  Results are named by their
 * keys; nothing is read. */
#ifndef PL_STATE_RECORD_H
#define PL_STATE_RECORD_H

#include "core/state/state.h"

/* A perplexity of the solved model, or of the original alone; NaN where a number was not measured.
 */
typedef struct pl_measurement {
    pl_id setting; /* pl_state_setting of what was measured (kept.h); zero: of the original alone */
    double perplexity, error, original, original_error, kl_mean;
    size_t solved;      /* layers solved then */
    char protocol[200]; /* "protocol=gptq length=512 windows=20 text=wiki.txt" */
} pl_measurement;

/* A layer was solved so under the state's methods.  Lack of memory only forgets it. */
void pl_record_solved(const pl_state *state, size_t layer, bool sequential, pl_id result);
/* The same of all that the state has, where it is not known yet. */
void pl_record_all(const pl_state *state);

/* Gives the state's layers the results found last under its present plans, where they have none, or
 * one of other activations.  Returns how many were given. */
size_t pl_state_recall(pl_state *state);

void pl_record_measured(const pl_source *source, const pl_measurement *measured);
/* The newest of a setting (NULL: of any but the original) and of a protocol (NULL: of any); false:
 * there is none. */
bool pl_record_find(const pl_source *source, const pl_id *setting, const char *protocol,
                    pl_measurement *out);

/* Names the rows of the last `compare` that has measured (study/comparison.h); each call counts one
 * change more.  false: there is none. */
void pl_record_set_comparison(const pl_source *source, pl_id key);
bool pl_record_comparison(const pl_source *source, pl_id *key, size_t *changes);

/* The perplexities, and the comparison, for sessions, and back; what cannot be read is left out. */
json_t *pl_record_to_json(const pl_source *source);
void pl_record_from_json(const pl_source *source, const json_t *list);

#endif
