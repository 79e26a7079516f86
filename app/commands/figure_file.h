/* app/commands/figure_file.h -- what `plot`, `figure` and `rebuild` share: making a file with
 * provenance from words and keys. */
#ifndef PL_APP_COMMANDS_FIGURE_FILE_H
#define PL_APP_COMMANDS_FIGURE_FILE_H

#include "app/command.h"
#include "plots/kinds.h"
#include "plots/options.h"
#include "plots/page.h"

/* The keys that both `plot` and `figure` take. */
#define PL_PAGE_KEYS                                                                               \
    {"file", PL_KEY_NEW_FILE, NULL, NULL,                                                          \
     "figure: .png, .pdf, .svg; its data: .csv; a table: .csv, .tex; - stdout"},                   \
        {"format", PL_KEY_CHOICE, "png", "png|pdf|svg|csv", "of file=-"},                          \
        {"preset", PL_KEY_CHOICE, "none", "none|icml|icml2|neurips|nature|nature2|acl|acl2|slide", \
         "a venue's width: one column, or with 2 the whole page"},                                 \
        {"width", PL_KEY_LENGTH, "6.4in", NULL, "width, in or mm"},                                \
        {"height", PL_KEY_LENGTH, "4.8in", NULL, "height, in or mm (by width, preset or grid)"},   \
        {"dpi", PL_KEY_REAL, "300", NULL, "dots per inch of a PNG"},                               \
        {"overwrite", PL_KEY_CHOICE, NULL, "yes|no",                                               \
         "replace the file where it is there: the screen asks, a batch does it"},                  \
    {                                                                                              \
        "caption", PL_KEY_CHOICE, "no", "no|yes", "give the caption, too, as text and LaTeX"       \
    }

/* One key for each of the author's options (plots/options.h). */
#define PL_OPTION_KEY_TEXT PL_KEY_TEXT
#define PL_OPTION_KEY_RANGE PL_KEY_TEXT
#define PL_OPTION_KEY_NAMES PL_KEY_TEXT
#define PL_OPTION_KEY_COLOURS PL_KEY_TEXT
#define PL_OPTION_KEY_CHOICE PL_KEY_CHOICE
#define PL_OPTION_KEY_SIZE PL_KEY_REAL
#define PL_OPTION_KEY_WIDTH PL_KEY_REAL
#define PL_OPTION_KEY(name, kind, whole, initial, choices, help)                                   \
    {#name, PL_OPTION_KEY_##kind, initial, choices, help},

/* Reads the author's options from a call's keys; of_panel: refuses those of the whole file.
 * Appends them to `keys`, for the provenance. */
PL_NODISCARD pl_status pl_figure_options_of(const pl_call *call, bool of_panel,
                                            pl_figure_options *out, pl_buf *keys, pl_error *err);

/* PL_ERR_STATE where the file exists and overwrite=no. */
PL_NODISCARD pl_status pl_figure_check_overwrite(const pl_call *call, const char *file,
                                                 pl_error *err);

/* pl_command.on_screen of `plot`, `figure` and `report`: asks before it replaces a file. */
PL_NODISCARD pl_status pl_figure_on_screen(pl_screen *screen, pl_call *call, bool *taken,
                                           pl_error *err);

/* The panel that a call's words and keys describe; word `first` is the kind.  PL_ERR_USAGE names a
 * key that the kind does not use. */
PL_NODISCARD pl_status pl_figure_request(const pl_call *call, size_t first, const pl_state *state,
                                         pl_request *out, pl_error *err);

/* Size and resolution: preset=, width=, height=, dpi=.  rows and cols: of the grid. */
PL_NODISCARD pl_status pl_figure_page(const pl_call *call, size_t rows, size_t cols, pl_page *out,
                                      pl_error *err);

/* Appends the commands that make what the panels show, one a line, without the one that
 * draws them. */
PL_NODISCARD pl_status pl_figure_commands(pl_context cx, const pl_request *requests, size_t count,
                                          pl_buf *out, pl_error *err);

/* Appends the names and identity of a text, so that another text of that name is noticed. */
PL_NODISCARD pl_status pl_figure_put_text(const char *const *paths, size_t count, pl_buf *out,
                                          pl_error *err);

/* Makes the panels and writes the file of file=.  options: of each panel; page: of the whole file,
 * which the panels of a grid inherit.  command: the drawing command for the provenance, without
 * size and output.  The result gets file, width_px, height_px, and with caption=yes caption and
 * latex. */
PL_NODISCARD pl_status pl_figure_write(pl_call *call, pl_context cx, const pl_request *requests,
                                       pl_figure_options *options, const pl_figure_options *page,
                                       size_t rows, size_t cols, const char *command,
                                       pl_error *err);

#endif
