/* plot: one figure, written with its provenance. */
#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/commands/sentences.h"
#include "app/draft.h"
#include "core/state/kept.h"

#include <string.h>

/* setting=NAME: the state in that kept setting to *own, which the caller deinits; its index, else
 * SIZE_MAX. */
static pl_status setting_of(const pl_call *call, const pl_state *state, pl_state *own,
                            size_t *index, pl_error *err)
{
    const char *name = pl_call_value(call, "setting");
    *own = (pl_state){0};
    *index = SIZE_MAX;
    if (name == NULL) {
        return PL_OK;
    }
    pl_status status = pl_state_find_kept(state, "plot", name, index, err);
    PL_THEN(pl_state_as(state, state->kept[*index], own, err));
    return status;
}

static pl_status run_plot(pl_call *call, pl_context cx, pl_error *err)
{
    pl_request request, row[PL_KIND_ROW];
    pl_figure_options options[PL_KIND_ROW], page;
    pl_buf command = {0};
    pl_state own;
    size_t kept = SIZE_MAX;
    pl_status status = setting_of(call, cx.state, &own, &kept, err);
    cx.state = kept != SIZE_MAX ? &own : cx.state;
    PL_THEN(pl_figure_request(call, 0, cx.state, &request, err));
    if (status != PL_OK) {
        pl_state_deinit(&own);
        return status;
    }
    pl_buf_printf(&command, "plot %s", request.kind->name);
    pl_request_keys(&request, &command);
    status = pl_figure_options_of(call, false, &page, &command, err);
    PL_THEN(pl_buf_check(&command, err));
    row[0] = request;
    const size_t panels =
        request.kind->row != NULL ? request.kind->row(cx.state, &request, row) : 1;
    for (size_t i = 0; i < panels; i++) {
        options[i] = page;
        options[i].title.given = page.title.given && panels == 1; /* a row's stands over both */
    }
    PL_THEN(pl_figure_write(call, cx, row, options, &page, 1, panels, command.data, err));
    pl_buf_deinit(&command);
    pl_state_deinit(&own);
    return status;
}

static bool plot_is_slow(const pl_call *call)
{
    const pl_kind *kind = call->n_words > 0 ? pl_kind_find(call->words[0]) : NULL;
    return kind != NULL && kind->slow;
}

#define FIELD_OF_OPTION(name, kind, whole, initial, choices, help) " " #name

static pl_status draft_plot(const pl_call *call, const pl_state *state, pl_draft *out,
                            pl_error *err)
{
    pl_request request;
    pl_page page;
    pl_buf keys = {0};
    pl_state own;
    size_t kept = SIZE_MAX;
    *out = (pl_draft){0};
    pl_status status = setting_of(call, state, &own, &kept, err);
    PL_THEN(pl_figure_request(call, 0, kept != SIZE_MAX ? &own : state, &request, err));
    if (status == PL_OK) {
        *out = (pl_draft){.request = request,
                          .kept = kept,
                          .fields = "file preset width height dpi" PL_FIGURE_OPTIONS(
                              FIELD_OF_OPTION) " caption setting"};
    }
    PL_THEN(pl_figure_page(call, 1, 1, &page, err));
    PL_THEN(pl_figure_options_of(call, false, &out->options, &keys, err));
    if (status == PL_OK) {
        out->width_in = page.width_in;
        out->height_in = page.height_in;
    }
    pl_buf_deinit(&keys);
    pl_state_deinit(&own);
    return status;
}

static const pl_key plot_keys[] = {
    {"side", PL_KEY_CHOICE, "weight", "weight|input", "weights or inputs"},
    {"which", PL_KEY_CHOICE, NULL, "before|preconditioned|after|both",
     "which weights (both = before and preconditioned; the default once the layer is solved)"},
    {"order", PL_KEY_CHOICE, "index", "index|sorted", "channels by index or by falling size"},
    {"scale", PL_KEY_CHOICE, NULL, "linear|log",
     "the value axis; flatness and envelope are log where one channel is 20 times the median"},
    {"form", PL_KEY_FORM, NULL, NULL, "which form of the figure (`help plot` lists them)"},
    {"pins", PL_KEY_CHOICE, "no", "no|yes", "kept settings and pins, too"},
    {"channel", PL_KEY_INT, NULL, NULL, "mark this input channel"},
    {"lines", PL_KEY_CHOICE, "auto", "auto|setting|role",
     "error_by_block: a line for each setting, where some are kept, or for each role"},
    {"settings", PL_KEY_TEXT, NULL, NULL,
     "error_by_block: these kept settings, now for the present one, e.g. A,B,now"},
    {"role", PL_KEY_TEXT, NULL, NULL, "error_by_block: of this role alone, e.g. down_proj"},
    {"setting", PL_KEY_TEXT, NULL, NULL, "the figure in this kept setting, not in the present one"},
    PL_PAGE_KEYS,
    PL_FIGURE_OPTIONS(PL_OPTION_KEY){0},
};

static const pl_alias plot_aliases[] = {
    {"png", "channels file=channels.png", "a figure as PNG", true},
    {"pdf", "channels file=channels.pdf", "a figure as PDF", true},
    {"svg", "channels file=channels.svg", "a figure as SVG", true},
    {"csv", "channels file=channels.csv", "the numbers of a figure", true},
    {"latex", "outliers file=outliers.tex", "a table for LaTeX (booktabs)", true},
    {0},
};

const pl_command pl_command_plot = {
    .name = "plot",
    .positional = "FIGURE [LAYER]",
    .min_words = 1,
    .max_words = 2,
    .keys = plot_keys,
    .needs_model = true,
    .summary = "Write a figure for the paper: what the view of that name shows",
    .put_line = pl_line_file,
    .run = run_plot,
    .on_screen = pl_figure_on_screen,
    .draft = draft_plot,
    .slow = plot_is_slow,
    .rebuild = PL_REBUILD_FIGURE,
    .tour = PL_TOUR_FIGURE,
    .aliases = plot_aliases,
    .more_help = pl_help_kinds,
};
