/* The figures of a report: each is what `plot` or `figure` would write, and says by which
 * commands. */
#include "app/commands/report_parts.h"

#include "app/commands/figure_file.h"
#include "core/state/record.h"
#include "core/study/allocation.h"
#include "core/study/comparison.h"
#include "core/study/depth.h"
#include "core/study/sensitivity.h"
#include "core/study/sweep.h"
#include "plots/caption.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What must be known for a figure, beside what its kind needs. */
enum {
    INPUTS = 1,      /* a calibration */
    SOLVED = 2,      /* the layer, or any where the figure is of all */
    TURNED = 4,      /* the layer has a transform */
    LEARNED = 8,     /* ... that is learned */
    SWEPT = 16,      /* the state's sweep, of that layer where the report is of one */
    COSTS = 32,      /* what layers cost the model */
    SEVERAL = 64,    /* results of more than one preconditioner */
    OUTPUTS = 128,   /* errors of outputs of quantized activations */
    ALLOCATED = 256, /* an allocation under the present methods */
    COMPARED = 512,  /* a measured `compare` */
};

/* A panel: what stands behind `plot KIND [LAYER]`, and what it needs. */
typedef struct panel_row {
    const char *keys;
    unsigned needs;
} panel_row;

/* In a report's order.  kind: one that this build lacks is left out. */
static const struct figure_row {
    bool of_layer;
    pl_chapter chapter;
    const char *kind;
    double height; /* inches */
    panel_row panels[PL_PART_PANELS];
} figure_rows[] = {
    {false,
     PL_CHAPTER_OUTLIERS,
     "layers",
     2.7,
     {{"side=weight", 0}, {"side=input scale=log", INPUTS}}},
    {false, PL_CHAPTER_OUTLIERS, "channels_by_block", 3.0, {{"", INPUTS}, {NULL, 0}}},
    {false, PL_CHAPTER_CHANGES, "error_by_block", 3.2, {{"form=rounded", SOLVED}, {NULL, 0}}},
    {false, PL_CHAPTER_CHANGES, "error_by_block", 3.2, {{"form=output", OUTPUTS}, {NULL, 0}}},
    {false, PL_CHAPTER_CHANGES, "error_by_block", 3.2, {{"form=kl", COSTS}, {NULL, 0}}},
    {false,
     PL_CHAPTER_CHANGES,
     "sensitivity",
     2.7,
     {{"form=blocks", COSTS}, {"form=roles", COSTS}}},
    {false, PL_CHAPTER_CHANGES, "allocation", 3.0, {{"", ALLOCATED}, {NULL, 0}}},
    {false,
     PL_CHAPTER_CHANGES,
     "comparison",
     3.2,
     {{"form=perplexity", COMPARED}, {"form=kl", COMPARED}}},
    {false, PL_CHAPTER_CHANGES, "pareto", 3.0, {{"", COMPARED}, {NULL, 0}}},
    {false, PL_CHAPTER_CHANGES, "depth", 3.2, {{"", SEVERAL | INPUTS}, {NULL, 0}}},
    {false, PL_CHAPTER_CHANGES, "sweep", 3.2, {{"", SWEPT | INPUTS}, {NULL, 0}}},
    {true,
     PL_CHAPTER_OUTLIERS,
     "channels",
     2.7,
     {{"side=weight which=before", 0}, {"side=input which=before", INPUTS}}},
    {true, PL_CHAPTER_OUTLIERS, "tokens", 3.0, {{"", INPUTS}, {NULL, 0}}},
    {true, PL_CHAPTER_OUTLIERS, "spectrum", 3.0, {{"", INPUTS}, {NULL, 0}}},
    {true, PL_CHAPTER_CHANGES, "channels", 3.2, {{"side=weight which=both", SOLVED}, {NULL, 0}}},
    {true,
     PL_CHAPTER_CHANGES,
     "histogram",
     2.7,
     {{"side=weight", 0}, {"side=input which=before", INPUTS}}},
    {true, PL_CHAPTER_CHANGES, "groups", 3.2, {{"form=scatter", SOLVED | INPUTS}, {NULL, 0}}},
    {true,
     PL_CHAPTER_CHANGES,
     "transform",
     2.7,
     {{"side=weight", TURNED | INPUTS}, {"side=input", TURNED | INPUTS}}},
    {true, PL_CHAPTER_CHANGES, "flatness", 3.0, {{"side=weight", TURNED | INPUTS}, {NULL, 0}}},
    {true, PL_CHAPTER_CHANGES, "learning", 3.0, {{"", LEARNED | INPUTS}, {NULL, 0}}},
    {true, PL_CHAPTER_CHANGES, "basin", 3.2, {{"", SOLVED | INPUTS}, {NULL, 0}}},
    {true, PL_CHAPTER_CHANGES, "sweep", 3.2, {{"", SWEPT | INPUTS}, {NULL, 0}}},
};

enum { FIGURE_ROWS = sizeof figure_rows / sizeof *figure_rows };

static bool knows_any(const pl_report_draft *draft, pl_column column)
{
    bool known = false;
    for (size_t i = 0; i < pl_model_layer_count(draft->cx.state->source->model); i++) {
        known = known || isfinite(pl_report_number(draft, i, column));
    }
    return known;
}

/* Whether what the layer, or any, was solved with is known. */
static bool is_solved(const pl_report_draft *draft)
{
    return draft->layer == SIZE_MAX ? pl_state_solved_count(draft->cx.state) > 0
                                    : pl_state_result(draft->cx.state, draft->layer) != NULL;
}

/* More than one preconditioner has solved layers. */
static bool is_compared(const pl_report_draft *draft)
{
    pl_depth depth;
    size_t with = 0;
    if (pl_depth_load(draft->cx, &depth, NULL) != PL_OK) {
        return false;
    }
    for (size_t i = 0; i < depth.count; i++) {
        with += depth.settings[i].solved > 0;
    }
    pl_depth_deinit(&depth);
    return with > 1;
}

bool pl_report_is_allocated(const pl_report_draft *draft, pl_buf *said)
{
    pl_allocation_drawn drawn;
    return draft->layer == SIZE_MAX &&
           pl_allocation_last(draft->cx.lab, draft->cx.state, &drawn, said, NULL) == PL_OK;
}

static bool is_measured_beside(const pl_report_draft *draft)
{
    pl_id key = {0};
    size_t changes = 0;
    return pl_record_comparison(draft->cx.state->source, &key, &changes);
}

void pl_report_comparing(const pl_report_draft *draft, pl_buf *out)
{
    pl_buf commands = {0}, own = {0};
    json_t *rows = NULL;
    if (draft->layer == SIZE_MAX && pl_comparison_load(draft->cx.lab, draft->cx.state, "report",
                                                       &rows, &commands, NULL) == PL_OK) {
        pl_state_calibration_command(draft->cx.state, &own);
        pl_state_quantized_commands(draft->cx.state, &own);
        const bool same = !commands.failed && !own.failed && commands.size > own.size &&
                          (own.size == 0 || memcmp(commands.data, own.data, own.size) == 0);
        if (same && strchr(commands.data + own.size, '\n') == strrchr(commands.data, '\n')) {
            pl_buf_puts(out, commands.data + own.size);
        }
        out->failed = out->failed || commands.failed || own.failed;
    }
    json_decref(rows);
    pl_buf_deinit(&commands);
    pl_buf_deinit(&own);
}

bool pl_report_is_swept(const pl_report_draft *draft)
{
    const pl_sweep *sweep = &draft->cx.state->sweep;
    return sweep->set && pl_id_equal(sweep->plan, pl_sweep_plan(draft->cx.state, sweep)) &&
           (draft->layer == SIZE_MAX || (!sweep->whole && sweep->layer == draft->layer));
}

/* Losses that were measured in several ways stand in tables, with a warning. */
static bool knows_costs(const pl_report_draft *draft)
{
    const pl_context cx = draft->cx;
    return knows_any(draft, PL_COLUMN_KL) &&
           pl_sensitivity_check(cx.lab, cx.state, "report", false, NULL, NULL) == PL_OK;
}

static bool meets(const pl_report_draft *draft, unsigned needs)
{
    const size_t layer = draft->layer == SIZE_MAX ? 0 : draft->layer;
    const pl_spec *transform = pl_state_spec(draft->cx.state, layer, PL_SLOT_TRANSFORM);
    return ((needs & INPUTS) == 0 || draft->inputs) &&
           ((needs & SOLVED) == 0 || is_solved(draft)) &&
           ((needs & TURNED) == 0 || (transform->method != NULL && is_solved(draft))) &&
           ((needs & LEARNED) == 0 || (pl_spec_is_learned(transform) && is_solved(draft))) &&
           ((needs & SWEPT) == 0 || pl_report_is_swept(draft)) &&
           ((needs & COSTS) == 0 || knows_costs(draft)) &&
           ((needs & OUTPUTS) == 0 ||
            (draft->cx.state->activations.bits > 0 && knows_any(draft, PL_COLUMN_OUTPUT_ERROR))) &&
           ((needs & ALLOCATED) == 0 || pl_report_is_allocated(draft, NULL)) &&
           ((needs & COMPARED) == 0 || is_measured_beside(draft)) &&
           ((needs & SEVERAL) == 0 || is_compared(draft));
}

static bool belongs(const pl_report_draft *draft, const struct figure_row *row, pl_chapter chapter)
{
    return row->chapter == chapter && row->of_layer == (draft->layer != SIZE_MAX) &&
           pl_kind_find(row->kind) != NULL && meets(draft, row->panels[0].needs);
}

size_t pl_report_figure_count(const pl_report_draft *draft, pl_chapter chapter)
{
    size_t count = 0;
    for (size_t i = 0; i < FIGURE_ROWS; i++) {
        count += belongs(draft, &figure_rows[i], chapter);
    }
    return count;
}

/* The layer whose role a figure of all is of: that with the largest outliers. */
static size_t worst_layer(const pl_report_draft *draft)
{
    const pl_column column = draft->inputs ? PL_COLUMN_INPUT_RATIO : PL_COLUMN_WEIGHT_RATIO;
    size_t worst = 0;
    for (size_t i = 1; i < pl_model_layer_count(draft->cx.state->source->model); i++) {
        const double most = pl_report_number(draft, worst, column);
        const double value = pl_report_number(draft, i, column);
        worst = value > most || (isnan(most) && !isnan(value)) ? i : worst;
    }
    return worst;
}

/* "KIND LAYER KEYS" */
static void put_panel(const pl_report_draft *draft, const struct figure_row *row, const char *keys,
                      pl_buf *out)
{
    pl_buf_puts(out, row->kind);
    if ((pl_kind_find(row->kind)->uses & PL_USES_LAYER) != 0) {
        const size_t layer = draft->layer != SIZE_MAX ? draft->layer : worst_layer(draft);
        pl_buf_printf(out, " %s", pl_model_layer(draft->cx.state->source->model, layer)->name);
    }
    pl_buf_printf(out, "%s%s", keys[0] != '\0' ? " " : "", keys);
}

/* A figure while it is made: its panels as commands have them, as requests and as figures. */
typedef struct made {
    size_t n;
    pl_buf texts[PL_PART_PANELS];
    pl_request requests[PL_PART_PANELS];
    pl_figure figures[PL_PART_PANELS];
} made;

static pl_status make_panel(const pl_report_draft *draft, made *m, pl_error *err)
{
    const pl_figure_options none = {0};
    pl_call *call = NULL;
    pl_buf plot = {0};
    pl_buf_printf(&plot, "plot %s", m->texts[m->n].data);
    pl_status status = pl_buf_check(&plot, err);
    PL_THEN(pl_call_parse(plot.data, &call, err));
    PL_THEN(pl_figure_request(call, 0, draft->cx.state, &m->requests[m->n], err));
    PL_THEN(pl_kind_make(draft->cx, &m->requests[m->n], &m->figures[m->n], err));
    PL_THEN(pl_figure_options_apply(&none, &m->figures[m->n], err));
    m->n += status == PL_OK;
    pl_call_destroy(call);
    pl_buf_deinit(&plot);
    return status;
}

/* The command that draws it: `plot`, or `figure` for several panels. */
static void put_drawing(const pl_report_draft *draft, const struct figure_row *row, const made *m,
                        size_t number, pl_buf *out)
{
    pl_buf_puts(out, m->n == 1 ? "plot " : "figure 1x2");
    pl_buf_puts(out, m->n == 1 ? m->texts[0].data : "");
    for (size_t i = 0; i < m->n && m->n > 1; i++) {
        pl_buf_puts(out, " ");
        pl_command_quote(m->texts[i].data, out);
    }
    pl_buf_printf(out, " width=%gmm height=%gin file=figure%zu.pdf\n",
                  round(pl_document_text_width(draft->paper)), row->height, number);
}

/* A `solve` of each layer, one after the other, is `solve all sequential=no`. */
static pl_status put_short(const pl_report_draft *draft, const pl_buf *commands, pl_buf *out,
                           pl_error *err)
{
    const pl_model *model = draft->cx.state->source->model;
    pl_buf each = {0};
    for (size_t i = 0; i < pl_model_layer_count(model); i++) {
        pl_buf_printf(&each, "solve %s\n", pl_model_layer(model, i)->name);
    }
    pl_status status = pl_buf_check(&each, err);
    if (status == PL_OK) {
        const char *found = strstr(commands->data, each.data);
        const size_t before = found != NULL ? (size_t)(found - commands->data) : commands->size;
        pl_buf_append(out, commands->data, before);
        if (found != NULL) {
            pl_buf_puts(out, "solve all sequential=no\n");
            pl_buf_puts(out, found + each.size);
        }
    }
    pl_buf_deinit(&each);
    return status;
}

static pl_status add_figure(pl_report_draft *draft, const struct figure_row *row, made *m,
                            pl_error *err)
{
    pl_buf caption = {0};
    pl_document *document = &draft->document;
    pl_caption_short(draft->cx.state, m->requests, m->figures, m->n, &caption);
    pl_status status = pl_buf_check(&caption, err);
    PL_THEN(pl_document_add_figure(document, m->figures, m->n, row->height, caption.data, err));
    pl_buf_deinit(&caption);
    if (status == PL_OK) {
        pl_buf commands = {0};
        status = pl_figure_commands(draft->cx, m->requests, m->n, &commands, err);
        PL_THEN(put_short(draft, &commands, &draft->commands, err));
        pl_buf_append(&draft->commands, "", 1);
        put_drawing(draft, row, m, document->figures, &draft->commands);
        pl_buf_append(&draft->commands, "", 1);
        pl_buf_deinit(&commands);
    }
    return status;
}

static pl_status try_figure(pl_report_draft *draft, const struct figure_row *row, pl_error *err)
{
    made m = {0};
    pl_error why = {0};
    pl_status status = PL_OK;
    for (size_t i = 0; i < PL_PART_PANELS && status == PL_OK; i++) {
        const panel_row *panel = &row->panels[i];
        if (panel->keys != NULL && meets(draft, panel->needs)) {
            put_panel(draft, row, panel->keys, &m.texts[m.n]);
            status = pl_buf_check(&m.texts[m.n], &why);
            PL_THEN(make_panel(draft, &m, &why));
        }
    }
    /* Nothing there to be shown: not known, and left out. */
    const bool lacks = status == PL_ERR_STATE || status == PL_ERR_UNSUPPORTED;
    if (status == PL_OK) {
        status = add_figure(draft, row, &m, err);
    } else if (lacks) {
        status = PL_OK;
    } else if (err != NULL) {
        *err = why;
    }
    for (size_t i = 0; i < PL_PART_PANELS; i++) {
        pl_buf_deinit(&m.texts[i]);
        pl_figure_deinit(&m.figures[i]);
    }
    return status;
}

pl_status pl_report_figures(pl_report_draft *draft, pl_chapter chapter, pl_error *err)
{
    pl_status status = PL_OK;
    size_t all = 1; /* and the file */
    for (pl_chapter c = 0; c < PL_CHAPTERS; c++) {
        all += pl_report_figure_count(draft, c);
    }
    for (size_t i = 0; i < FIGURE_ROWS && status == PL_OK; i++) {
        if (belongs(draft, &figure_rows[i], chapter)) {
            status = try_figure(draft, &figure_rows[i], err);
            pl_task_progress(draft->cx.task, "figures", (double)draft->document.figures,
                             (double)all);
        }
    }
    return status;
}

/* Those of a figure that begin as the figure's before do, say so. */
pl_status pl_report_figure_commands(pl_report_draft *draft, pl_error *err)
{
    pl_status status = pl_buf_check(&draft->commands, err);
    const char *at = draft->commands.data;
    const char *known[FIGURE_ROWS] = {NULL};
    for (size_t i = 0; i < draft->document.figures && status == PL_OK; i++) {
        const char *drawing = at + strlen(at) + 1;
        pl_buf text = {0}, head = {0};
        size_t same = 0;
        known[i] = at;
        while (strcmp(known[same], at) != 0) {
            same++;
        }
        if (same < i) {
            pl_buf_printf(&head, "Figure %zu, behind the commands of Figure %zu but its last",
                          i + 1, same + 1);
        } else {
            pl_buf_printf(&head, "Figure %zu", i + 1);
            pl_buf_puts(&text, at);
        }
        pl_buf_puts(&text, drawing);
        status = pl_buf_check(&head, err);
        PL_THEN(pl_buf_check(&text, err));
        PL_THEN(pl_document_add(&draft->document, PL_PART_TEXT, head.data, err));
        PL_THEN(pl_document_add(&draft->document, PL_PART_COMMANDS, text.data, err));
        pl_buf_deinit(&head);
        pl_buf_deinit(&text);
        at = drawing + strlen(drawing) + 1;
    }
    return status;
}
