/* report: figures and tables of what is known, on pages. */
#include "app/commands/report_parts.h"

#include "app/commands/figure_file.h"
#include "app/commands/parts.h"
#include "app/usage.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/study/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- what is known ---------------------------------------------------------------------------- */

static pl_status gather_rows(pl_report_draft *draft, pl_error *err)
{
    const size_t n = pl_model_layer_count(draft->cx.state->source->model);
    const size_t first = draft->layer == SIZE_MAX ? 0 : draft->layer;
    const size_t count = draft->layer == SIZE_MAX ? n : 1;
    pl_id calibration = {0};
    pl_status status = PL_OK;
    draft->inputs = pl_lab_can_calibrate(draft->cx.state);
    if (draft->inputs) { /* the demo's own may have to be made */
        status = pl_lab_calibration(draft->cx, &calibration, err);
    }
    draft->rows = calloc(n + 1, sizeof *draft->rows);
    if (draft->rows == NULL) {
        return pl_error_memory(err, "a report");
    }
    for (size_t i = 0; i < n; i++) {
        draft->rows[i] = pl_layer_row_empty();
    }
    PL_THEN(pl_layer_rows(draft->cx, first, count, draft->rows + first, err));
    return status;
}

static pl_status put_report_title(pl_report_draft *draft, pl_error *err)
{
    const pl_model *model = draft->cx.state->source->model;
    pl_buf title = {0}, about = {0};
    pl_buf_puts(&title, "Report on ");
    if (draft->layer != SIZE_MAX) {
        pl_kind_layer_title(draft->cx.state, draft->layer, &title);
        pl_buf_puts(&title, " of ");
    }
    pl_buf_puts(&title, pl_model_name(model));
    pl_buf_printf(&about, "%zu of %zu linear layers solved. Made by Planish " PL_VERSION ".",
                  pl_state_solved_count(draft->cx.state), pl_model_layer_count(model));
    pl_status status = pl_buf_check(&title, err);
    PL_THEN(pl_buf_check(&about, err));
    PL_THEN(pl_document_title(&draft->document, title.data, about.data, err));
    pl_buf_deinit(&title);
    pl_buf_deinit(&about);
    return status;
}

/* --- the session's commands ------------------------------------------------------------------- */

static pl_status put_session(pl_report_draft *draft, pl_error *err)
{
    pl_buf commands = {0};
    const pl_state *state = draft->cx.state;
    pl_state_commands(state, true, &commands);
    pl_status status = pl_report_measuring(draft, &commands, err);
    pl_error why = {0};
    if (pl_sensitivity_check(draft->cx.lab, state, "report", false, NULL, &why) != PL_OK) {
        pl_lab_warn(draft->cx.lab, why.message);
    }
    pl_sensitivity_commands(draft->cx.lab, state, &commands);
    if (pl_report_is_allocated(draft, &commands)) {
        pl_buf_puts(&commands, "\n");
    }
    pl_report_comparing(draft, &commands);
    if (pl_report_is_swept(draft)) {
        pl_state_sweep_command(state, &commands);
    }
    pl_buf_printf(&commands, "report %s",
                  draft->layer == SIZE_MAX
                      ? "all"
                      : pl_model_layer(state->source->model, draft->layer)->name);
    pl_buf_printf(&commands, " paper=%s file=report.pdf\n", pl_usage_text(draft->call, "paper"));
    PL_THEN(pl_buf_check(&commands, err));
    PL_THEN(pl_document_add(&draft->document, PL_PART_SUBSECTION, "The whole session", err));
    PL_THEN(pl_document_add(&draft->document, PL_PART_TEXT,
                            "The shortest list of commands that reaches what is shown here; files "
                            "are named without their folders.",
                            err));
    PL_THEN(pl_document_add(&draft->document, PL_PART_COMMANDS, commands.data, err));
    pl_buf_deinit(&commands);
    return status;
}

/* --- chapters --------------------------------------------------------------------------------- */

static pl_status section(pl_report_draft *draft, const char *title, pl_error *err)
{
    return pl_document_add(&draft->document, PL_PART_SECTION, title, err);
}

static pl_status put_summary(pl_report_draft *draft, pl_error *err)
{
    pl_status status = section(draft, "Summary", err);
    PL_THEN(pl_report_setting(draft, err));
    if (draft->layer == SIZE_MAX) {
        PL_THEN(pl_report_perplexities(draft, err));
    }
    PL_THEN(pl_report_results(draft, err));
    if (draft->layer == SIZE_MAX) {
        PL_THEN(pl_report_worst(draft, err));
    }
    PL_THEN(pl_report_remarks(draft, err));
    return status;
}

static pl_status put_outliers(pl_report_draft *draft, pl_error *err)
{
    pl_status status = section(draft, "Outliers before quantization", err);
    PL_THEN(pl_report_outliers(draft, PL_SIDE_INPUT, err));
    PL_THEN(pl_report_outliers(draft, PL_SIDE_WEIGHT, err));
    PL_THEN(pl_report_figures(draft, PL_CHAPTER_OUTLIERS, err));
    return status;
}

static pl_status put_changes(pl_report_draft *draft, pl_error *err)
{
    const bool solved = draft->layer == SIZE_MAX
                            ? pl_state_solved_count(draft->cx.state) > 0
                            : pl_state_result(draft->cx.state, draft->layer) != NULL;
    pl_status status = PL_OK;
    if (pl_report_figure_count(draft, PL_CHAPTER_CHANGES) > 0) {
        status = section(draft, solved ? "What quantization changes" : "Distributions", err);
        PL_THEN(pl_report_figures(draft, PL_CHAPTER_CHANGES, err));
    }
    if (draft->layer == SIZE_MAX) {
        PL_THEN(pl_report_predictors(draft, err));
        PL_THEN(section(draft, "Layers", err));
        PL_THEN(pl_report_layers(draft, err));
    }
    return status;
}

static pl_status put_appendix(pl_report_draft *draft, pl_error *err)
{
    pl_status status = section(draft, "Appendix: how to make it again", err);
    PL_THEN(pl_report_makers(draft, err));
    PL_THEN(put_session(draft, err));
    if (draft->document.figures > 0) {
        PL_THEN(pl_document_add(&draft->document, PL_PART_SUBSECTION, "Each figure", err));
        PL_THEN(pl_report_figure_commands(draft, err));
    }
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static pl_status read_report(const pl_call *call, const pl_state *state, pl_report_draft *draft,
                             pl_error *err)
{
    const char *file = pl_call_value(call, "file");
    size_t paper = 0;
    if (file == NULL) {
        return pl_error_set(err, PL_ERR_USAGE, "report: needs file=PATH (.pdf or .html)");
    }
    pl_status status = pl_document_check_path(file, err);
    if (status != PL_OK) {
        pl_error_prefix(err, "report: file=");
    }
    PL_THEN(pl_usage_choice(call, "paper", &paper, err));
    PL_THEN(pl_figure_check_overwrite(call, file, err));
    draft->layer = SIZE_MAX;
    draft->paper = (pl_paper)paper;
    if (status == PL_OK && call->n_words > 0 && !pl_call_is_of_all(call)) {
        status = pl_model_find_layer(state->source->model, call->words[0], &draft->layer, err);
    }
    return status;
}

static void put_made(pl_call *call, const pl_report_draft *draft, const char *file, size_t pages)
{
    char safe[1024];
    pl_text_escape(file, strlen(file), safe, sizeof safe);
    pl_json_set(call->result, "file", json_string(safe));
    pl_json_set(
        call->result, "layer",
        draft->layer == SIZE_MAX
            ? json_null()
            : json_string(pl_model_layer(draft->cx.state->source->model, draft->layer)->name));
    pl_json_set(call->result, "pages", pages > 0 ? json_integer((json_int_t)pages) : json_null());
    pl_json_set(call->result, "figures", json_integer((json_int_t)draft->document.figures));
    pl_json_set(call->result, "tables", json_integer((json_int_t)draft->document.tables));
}

static pl_status run_report(pl_call *call, pl_context cx, pl_error *err)
{
    pl_report_draft draft = {.call = call, .cx = cx};
    size_t pages = 0;
    const unsigned before = pl_memory_failures();
    pl_status status = read_report(call, cx.state, &draft, err);
    PL_THEN(pl_state_check_origin(cx.state, true, err));
    PL_THEN(gather_rows(&draft, err));
    PL_THEN(put_report_title(&draft, err));
    PL_THEN(put_summary(&draft, err));
    PL_THEN(put_outliers(&draft, err));
    PL_THEN(put_changes(&draft, err));
    PL_THEN(put_appendix(&draft, err));
    PL_THEN(pl_memory_check(before, err)); /* a paragraph may lack a word */
    PL_THEN(pl_document_write(&draft.document, draft.paper, pl_call_value(call, "file"), &pages,
                              cx.task, err));
    if (status == PL_OK) {
        put_made(call, &draft, pl_call_value(call, "file"), pages);
        status =
            pl_put_drawn(call->result, pl_call_value(call, "file"), cx.state->source->model, err);
    }
    pl_document_deinit(&draft.document);
    pl_buf_deinit(&draft.commands);
    free(draft.rows);
    return status;
}

/* "wrote report.pdf: 7 pages, 5 figures, 6 tables" */
static void put_line(const pl_call *call, pl_buf *out)
{
    static const char *const counts[] = {"pages", "figures", "tables"};
    const char *before = ": ";
    pl_buf_printf(out, "wrote %s", json_string_value(json_object_get(call->result, "file")));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const double count = pl_json_number_of(call->result, counts[i]);
        if (isfinite(count)) { /* HTML has no pages */
            pl_buf_printf(out, "%s%.0f %.*s", before, count,
                          (int)strlen(counts[i]) - (count >= 0.5 && count < 1.5), counts[i]);
            before = ", ";
        }
    }
}

static void help_report(pl_buf *out)
{
    pl_buf_puts(out,
                "A report holds what is known by now and leaves out what is not: the setting in "
                "words,\nerrors and perplexities as they were measured, the outlier channels, "
                "figures with\nnumbers and captions, a table of all layers, and in an appendix "
                "the commands, texts\nand libraries that make it again. Nothing is solved for it. "
                "The same state gives the\nsame bytes.\n");
}

static const pl_key report_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL,
     "document to write: .pdf, pages; .html, one file for a browser that needs no other"},
    {"paper", PL_KEY_CHOICE, "a4", PL_PAPER_CHOICES, "the pages' size"},
    {"overwrite", PL_KEY_CHOICE, NULL, "yes|no",
     "replace the file where it is there: the screen asks, a batch does it"},
    {0},
};

static const char *const report_ready[] = {
    "all file=report.pdf",
    "the session's figures and tables on pages",
    "all file=report.html",
    "the same for a browser",
    NULL,
};

const pl_command pl_command_report = {
    .name = "report",
    .positional = "[LAYER|all]",
    .max_words = 1,
    .keys = report_keys,
    .needs_model = true,
    .summary = "Write what is known of the model, or of one layer, as a document with figures and "
               "tables",
    .put_line = put_line,
    .run = run_report,
    .on_screen = pl_figure_on_screen,
    .slow = pl_slow_always,
    .unit = "figures",
    .ready = report_ready,
    .more_help = help_report,
};
