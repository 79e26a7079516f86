/* core/study/task_items.h -- items of the published tasks, from local files, as prompts in the very
 * words of lm-evaluation-harness (the yaml files of its version 0.4.13).
 *
 * A file is JSON lines or one JSON array, each item an object with the published field names.
 * An item is read into an object of its own:
 *   text       the prompt, to which " " and a choice or the answer is added
 *   choices    [texts] scored; absent where the model writes an answer
 *   contexts   [texts] each choice has a prompt of its own, instead of text (winogrande)
 *   gold       index of the right choice
 *   golds      [texts] any of which is right, where the model writes
 *   shot       the prompt of an example, if it is not text
 *   answer     the answer of an example
 *   task       "arc_easy"; of mmlu with its subject, "mmlu_anatomy" */
#ifndef PL_STUDY_TASK_ITEMS_H
#define PL_STUDY_TASK_ITEMS_H

#include "core/base/error.h"
#include "core/base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct pl_task_kind {
    const char *name;
    const char *fields;      /* "question:s choices:o": name and type (s, n, a, o or * for any) */
    const char *nested;      /* the same of another published layout, or NULL */
    const char *path;        /* a word in a file's path that tells it from the others, or NULL */
    const char *delimiter;   /* behind an example */
    const char *regex_words; /* "The |the |": deleted where a word begins, before answers are
                                compared; or NULL */
    bool normed;             /* acc_norm is published beside acc */
    bool first;              /* examples: the first of the subject, in order; else drawn */
    bool own_split; /* examples come from the item's split: lm-eval draws one more and removes the
                       item itself */
    json_t *(*read)(const json_t *doc, const char **expected); /* NULL: what was expected */
    /* Before all examples, appended; or NULL. */
    void (*describe)(const json_t *item, pl_buf *out);
} pl_task_kind;

/* NULL-terminated. */
const pl_task_kind *const *pl_task_kinds(void);

typedef struct pl_task_set {
    const pl_task_kind *kind;
    json_t *docs;  /* as in the file */
    json_t *items; /* the same, read */
} pl_task_set;

/* name: of the task; NULL: the fields tell it.  PL_ERR_FORMAT names the line (of a JSON array: the
 * item), the field and what was expected; PL_ERR_USAGE for a task that does not exist, and where
 * the fields fit none or several.  The caller deinits. */
PL_NODISCARD pl_status pl_task_set_read(const char *path, const char *name, pl_task_set *out,
                                        pl_error *err);
void pl_task_set_deinit(pl_task_set *set);

/* A text of an item or a document, "" where it has none of that name. */
const char *pl_task_text(const json_t *item, const char *name);

/* One of mmlu's four groups, or NULL. */
const char *pl_mmlu_group(const char *task);

/* --- task_text.c: texts as Python's str and re treat them; results appended to out
 * ------------- */

void pl_python_strip(const char *text, pl_buf *out);
size_t pl_python_rstripped(const char *text); /* bytes that rstrip() leaves */
size_t pl_python_length(const char *text);    /* code points */
void pl_python_lower(const char *text, bool capitalize, pl_buf *out);
/* hellaswag's preprocess. */
void pl_hellaswag_clean(const char *text, pl_buf *out);
/* What exact_match compares, with ignore_case and ignore_punctuation. */
void pl_exact_form(const char *text, const char *regex_words, pl_buf *out);

#endif
