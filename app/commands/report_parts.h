/* app/commands/report_parts.h -- what a report says of a state: only what is known. */
#ifndef PL_APP_COMMANDS_REPORT_PARTS_H
#define PL_APP_COMMANDS_REPORT_PARTS_H

#include "app/command.h"
#include "core/study/layer_table.h"
#include "plots/document.h"

/* A report while it grows; worker thread. */
typedef struct pl_report_draft {
    const pl_call *call;
    pl_context cx;
    pl_paper paper;
    size_t layer;       /* SIZE_MAX: of all */
    bool inputs;        /* there is a calibration */
    pl_layer_row *rows; /* [layers of the model]; a layer's report fills only that layer's row */
    pl_document document;
    pl_buf commands; /* of the figures: "Figure 1\0commands\0..." */
} pl_report_draft;

/* A number of a layer's present result; NaN: unknown. */
double pl_report_number(const pl_report_draft *draft, size_t layer, pl_column column);

/* --- names with values ------------------------------------------------------------------------ */

enum { PL_MOST_PAIRS = 64 };

/* {0} is empty. */
typedef struct pl_pairs {
    pl_buf names[PL_MOST_PAIRS], values[PL_MOST_PAIRS];
    size_t n;
} pl_pairs;

/* Adds a number by printf's format, with a real minus sign, if it is finite. */
void pl_pair_number(pl_pairs *p, const char *name, const char *format, double value);
/* Adds them as a table and empties them; nothing where there are none. */
PL_NODISCARD pl_status pl_report_add_pairs(pl_report_draft *draft, pl_pairs *p, const char *head,
                                           const char *caption, pl_error *err);

/* "group_size" as "group size", appended. */
void pl_put_spaced(const char *name, pl_buf *out);

/* --- tables: each is added, or nothing where there is nothing to say -------------------------- */

PL_NODISCARD pl_status pl_report_setting(pl_report_draft *draft, pl_error *err);
PL_NODISCARD pl_status pl_report_results(pl_report_draft *draft, pl_error *err);
PL_NODISCARD pl_status pl_report_perplexities(pl_report_draft *draft, pl_error *err);
PL_NODISCARD pl_status pl_report_worst(pl_report_draft *draft, pl_error *err);
PL_NODISCARD pl_status pl_report_predictors(pl_report_draft *draft, pl_error *err);
PL_NODISCARD pl_status pl_report_outliers(pl_report_draft *draft, pl_side side, pl_error *err);
PL_NODISCARD pl_status pl_report_layers(pl_report_draft *draft, pl_error *err);
/* Notes and tags, of all layers or the report's layer. */
PL_NODISCARD pl_status pl_report_remarks(pl_report_draft *draft, pl_error *err);
PL_NODISCARD pl_status pl_report_makers(pl_report_draft *draft, pl_error *err);

/* The commands that measured perplexities of the present setting, appended, one a line. */
PL_NODISCARD pl_status pl_report_measuring(const pl_report_draft *draft, pl_buf *out,
                                           pl_error *err);

/* --- report_figures.c ------------------------------------------------------------------------- */

typedef enum pl_chapter { PL_CHAPTER_OUTLIERS, PL_CHAPTER_CHANGES, PL_CHAPTERS } pl_chapter;

/* The largest number of figures that a chapter may have.  pl_report_figures adds them, with their
 * commands. */
size_t pl_report_figure_count(const pl_report_draft *draft, pl_chapter chapter);
PL_NODISCARD pl_status pl_report_figures(pl_report_draft *draft, pl_chapter chapter, pl_error *err);

/* Appends the `compare` whose rows the figures show, as a line, if it ran under the present
 * calibration, activations and cache; else only the figures' own commands contain it. */
void pl_report_comparing(const pl_report_draft *draft, pl_buf *out);

/* Whether the state's sweep is of the present methods and of the report's layer or all. */
bool pl_report_is_swept(const pl_report_draft *draft);

/* Whether this report is of all layers, and bits were allocated under the present methods; the
 * command is appended to said (or NULL), without a line's end. */
bool pl_report_is_allocated(const pl_report_draft *draft, pl_buf *said);

/* The commands of all figures. */
PL_NODISCARD pl_status pl_report_figure_commands(pl_report_draft *draft, pl_error *err);

#endif
