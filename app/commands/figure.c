/* figure: a grid of panels, written with its provenance. */
#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "plots/sheet.h"

#include <stdlib.h>
#include <string.h>

/* "2x3": rows, columns. */
static pl_status read_figure_grid(const char *text, size_t panels, size_t *rows, size_t *cols,
                                  pl_error *err)
{
    bool sizes = strlen(text) == 3 && text[1] == 'x' && text[0] >= '1' &&
                 text[0] <= '0' + PL_SHEET_SIDE && text[2] >= '1' && text[2] <= '0' + PL_SHEET_SIDE;
    if (!sizes) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: grid \"%s\": expected ROWSxCOLUMNS from 1x1 to %dx%d", text,
                            PL_SHEET_SIDE, PL_SHEET_SIDE);
    }
    *rows = (size_t)(text[0] - '0');
    *cols = (size_t)(text[2] - '0');
    if (*rows * *cols != panels) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "figure: a grid of %s takes %zu panels, %zu are given", text,
                            *rows * *cols, panels);
    }
    return PL_OK;
}

/* A panel's text is what stands behind `plot`, without file and size. */
static pl_status read_panel(const char *text, const pl_state *state, pl_request *out,
                            pl_figure_options *options, pl_buf *keys, pl_error *err)
{
    static const char *const refused[] = {"file", "format", "width",  "height",
                                          "dpi",  "preset", "caption"};
    pl_buf whole = {0};
    pl_call *call = NULL;
    pl_buf_printf(&whole, "plot %s", text);
    pl_status status = pl_buf_check(&whole, err);
    PL_THEN(pl_call_parse(whole.data, &call, err));
    for (size_t i = 0; status == PL_OK && i < sizeof refused / sizeof *refused; i++) {
        if (pl_call_value(call, refused[i]) != NULL) {
            status = pl_error_set(err, PL_ERR_USAGE,
                                  "%s= belongs to the whole figure, behind its panels", refused[i]);
        }
    }
    if (status == PL_OK && pl_call_value(call, "setting") != NULL) {
        status = pl_error_set(err, PL_ERR_USAGE,
                              "setting= goes with `plot` alone: a grid shows the present setting, "
                              "`use NAME` makes a kept one that");
    }
    PL_THEN(pl_figure_request(call, 0, state, out, err));
    PL_THEN(pl_figure_options_of(call, true, options, keys, err));
    if (status != PL_OK) {
        char shown[64];
        pl_text_escape(text, strlen(text), shown, sizeof shown);
        pl_error_prefix(err, "figure: panel '%s': ", shown);
    }
    pl_call_destroy(call);
    pl_buf_deinit(&whole);
    return status;
}

static void put_panel(const pl_state *state, const pl_request *request, const char *options,
                      pl_buf *out)
{
    pl_buf panel = {0};
    pl_buf_puts(&panel, request->kind->name);
    if ((request->kind->uses & PL_USES_LAYER) != 0) {
        pl_buf_printf(&panel, " %s", pl_model_layer(state->source->model, request->layer)->name);
    }
    pl_request_keys(request, &panel);
    pl_buf_puts(&panel, options != NULL ? options : "");
    pl_buf_puts(out, " ");
    if (panel.failed || strchr(panel.data, ' ') != NULL) {
        pl_command_quote(panel.data != NULL ? panel.data : "", out);
    } else {
        pl_buf_printf(out, "'%s'", panel.data);
    }
    out->failed = out->failed || panel.failed;
    pl_buf_deinit(&panel);
}

static void put_choice(const pl_call *call, const char *key, pl_buf *out)
{
    const char *value = pl_call_value(call, key);
    if (value != NULL) {
        pl_buf_printf(out, " %s=%s", key, value);
    }
}

static pl_status run_figure(pl_call *call, pl_context cx, pl_error *err)
{
    size_t rows = 0;
    size_t cols = 0;
    size_t count = call->n_words - 1;
    pl_status status = read_figure_grid(call->words[0], count, &rows, &cols, err);
    if (status != PL_OK) {
        return status;
    }
    pl_request requests[PL_SHEET_PANELS];
    pl_figure_options *options = calloc(PL_SHEET_PANELS, sizeof *options);
    pl_figure_options page;
    pl_buf command = {0};
    if (options == NULL) {
        return pl_error_memory(err, "a figure");
    }
    pl_buf_printf(&command, "figure %zux%zu", rows, cols);
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        pl_buf keys = {0};
        status = read_panel(call->words[i + 1], cx.state, &requests[i], &options[i], &keys, err);
        if (status == PL_OK) {
            put_panel(cx.state, &requests[i], keys.data, &command);
        }
        pl_buf_deinit(&keys);
    }
    put_choice(call, "share", &command);
    put_choice(call, "letters", &command);
    PL_THEN(pl_figure_options_of(call, false, &page, &command, err));
    PL_THEN(pl_buf_check(&command, err));
    PL_THEN(pl_figure_write(call, cx, requests, options, &page, rows, cols, command.data, err));
    free(options);
    pl_buf_deinit(&command);
    return status;
}

static const pl_key figure_keys[] = {
    {"share", PL_KEY_CHOICE, "none", "none|x|y|both",
     "one x axis a column, one y axis a row: common ranges, a panel's own limits for all, "
     "labels at the edge only"},
    {"letters", PL_KEY_CHOICE, "yes", "yes|no", "a, b, ... at the panels"},
    PL_PAGE_KEYS,
    PL_FIGURE_OPTIONS(PL_OPTION_KEY){0},
};

const pl_command pl_command_figure = {
    .name = "figure",
    .positional = "ROWSxCOLUMNS \"FIGURE [LAYER] KEY=VALUE ...\" ...",
    .min_words = 2,
    .max_words = 37,
    .keys = figure_keys,
    .needs_model = true,
    .summary = "Write a grid of figures; each panel is quoted as behind `plot`",
    .put_line = pl_line_file,
    .run = run_figure,
    .on_screen = pl_figure_on_screen,
    .slow = pl_slow_always,
    .rebuild = PL_REBUILD_FIGURE,
    .tour = PL_TOUR_FIGURE,
    .more_help = pl_help_kinds,
};
