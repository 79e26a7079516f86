#include "app/commands/figure_file.h"

#include "app/figure_pipe.h"
#include "app/commands/parts.h"
#include "app/usage.h"
#include "app/workbench/services.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/memory.h"
#include "core/base/temporary.h"
#include "core/lab/transformed.h"
#include "core/tensor/linalg.h"
#include "plots/caption.h"
#include "plots/relief.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the file --------------------------------------------------------------------------------- */

typedef struct job {
    pl_call *call;
    pl_context cx;
    const pl_request *requests;
    const pl_figure_options *options; /* [rows * cols] */
    size_t rows, cols;
    const char *command;
    pl_figure *figures; /* [rows * cols] */
    pl_page page;
    bool fit; /* a lone table without height= */
    pl_buf commands, model, layers, methods, seed, text, threads, libraries, caption, import, swept;
    pl_buf measured; /* those of the commands that measured what is shown */
} job;

static void job_deinit(job *j)
{
    for (size_t i = 0; j->figures != NULL && i < j->rows * j->cols; i++) {
        pl_figure_deinit(&j->figures[i]);
    }
    free(j->figures);
    pl_buf *const bufs[] = {&j->commands, &j->model,  &j->layers,  &j->methods,
                            &j->seed,     &j->text,   &j->threads, &j->libraries,
                            &j->caption,  &j->import, &j->swept,   &j->measured};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        pl_buf_deinit(bufs[i]);
    }
}

static pl_status make_panels(job *j, pl_error *err)
{
    size_t count = j->rows * j->cols;
    j->figures = calloc(count, sizeof *j->figures);
    if (j->figures == NULL) {
        return pl_error_memory(err, "a result");
    }
    pl_status status = PL_OK;
    for (size_t i = 0; status == PL_OK && i < count; i++) {
        const pl_request *r = &j->requests[i];
        if ((r->kind->uses & PL_NEEDS_SOLVED) != 0 &&
            pl_state_result(j->cx.state, r->layer) == NULL) {
            return pl_error_set(err, PL_ERR_STATE, "%s %s: %s is not solved, `solve` first",
                                j->call->command->name, r->kind->name,
                                pl_model_layer(j->cx.state->source->model, r->layer)->name);
        }
        if (r->which != PL_WHICH_BOTH && (r->kind->uses & PL_USES_WHICH) != 0 &&
            pl_request_wants_result(r) && pl_state_result(j->cx.state, r->layer) == NULL) {
            return pl_error_set(err, PL_ERR_STATE,
                                "%s %s: %s is not solved: `solve` first, or which=before",
                                j->call->command->name, r->kind->name,
                                pl_model_layer(j->cx.state->source->model, r->layer)->name);
        }
        status = pl_kind_make(j->cx, r, &j->figures[i], err);
        if (status == PL_OK) {
            status = pl_figure_options_apply(&j->options[i], &j->figures[i], err);
            if (status != PL_OK) {
                pl_error_prefix(err, "%s %s: ", j->call->command->name, r->kind->name);
            }
        }
    }
    return status;
}

/* Size and resolution as given; what was not given by its default or by the preset's name. */
static void put_size(const job *j, size_t panels, pl_buf *out)
{
    const pl_call *call = j->call;
    const char *preset = pl_call_value(call, "preset");
    bool chosen = preset != NULL && strcmp(preset, "none") != 0;
    if (chosen) {
        pl_buf_printf(out, " preset=%s", preset);
    }
    const char *width = chosen ? pl_call_value(call, "width") : pl_usage_text(call, "width");
    const bool follows = chosen || panels > 1 || j->fit || pl_call_value(call, "width") != NULL;
    const char *height = follows ? pl_call_value(call, "height") : pl_usage_text(call, "height");
    if (width != NULL) {
        pl_buf_printf(out, " width=%s", width);
    }
    if (height != NULL) {
        pl_buf_printf(out, " height=%s", height);
    }
    pl_buf_printf(out, " dpi=%s\n", pl_usage_text(call, "dpi"));
}

/* Whether a panel shows what the layer's solve has made. */
static bool shows_result(const job *j, const pl_request *r)
{
    return pl_request_wants_result(r) && pl_state_result(j->cx.state, r->layer) != NULL;
}

static bool shows_inputs(const pl_request *r)
{
    return r->side == PL_SIDE_INPUT || (r->kind->uses & PL_NEEDS_INPUTS) != 0 ||
           r->settings[0] != '\0';
}

/* The layer whose methods and results a panel shows. */
static size_t layer_of(const job *j, const pl_request *r)
{
    return (r->kind->uses & PL_USES_SWEEP) != 0 ? j->cx.state->sweep.layer : r->layer;
}

/* The step that a panel shows the layer's learned transform at; 0: it shows none. */
static uint64_t learned_step(const job *j, const pl_request *r)
{
    pl_id calibration = {0};
    pl_learning reached = {0};
    const pl_spec *spec = pl_state_spec(j->cx.state, r->layer, PL_SLOT_TRANSFORM);
    uint64_t step = 0;
    const bool learns = (r->kind->uses & PL_USES_LEARNING) != 0 || pl_request_turns_inputs(r);
    if (!learns || !pl_spec_is_learned(spec) ||
        pl_lab_calibration(j->cx, &calibration, NULL) != PL_OK ||
        pl_site_learning(j->cx, calibration, r->layer, &reached, NULL) != PL_OK) {
        return 0;
    }
    step = pl_learning_done(&reached) ? UINT64_MAX : reached.step;
    pl_learning_deinit(&reached);
    return step;
}

/* A panel's own commands, where no panel before it has the same. */
static void put_panel_commands(job *j, const pl_request *r)
{
    pl_buf own = {0};
    const char *before = j->measured.data;
    r->kind->commands(j->cx, r, &own);
    while (own.size > 0 && before != NULL && (before = strstr(before, own.data)) != NULL &&
           before > j->measured.data && before[-1] != '\n') {
        before++;
    }
    if (own.size > 0 && before == NULL) {
        pl_buf_append(&j->measured, own.data, own.size);
    }
    j->measured.failed = j->measured.failed || own.failed;
    pl_buf_deinit(&own);
}

/* The commands that rebuild the figure: no output path, no absolute path, no time, no host. */
static pl_status put_figure_commands(job *j, pl_error *err)
{
    const size_t count = j->rows * j->cols;
    const size_t most = count * (1 + pl_model_layer_count(j->cx.state->source->model));
    size_t *layers = calloc(most, sizeof *layers);
    bool *results = calloc(most, sizeof *results);
    uint64_t *learned = calloc(most, sizeof *learned);
    if (layers == NULL || results == NULL || learned == NULL) {
        free(layers);
        free(results);
        free(learned);
        return pl_error_memory(err, "a result");
    }
    pl_figure_needs needs = {
        .layers = layers, .n_layers = count, .results = results, .learned = learned};
    for (size_t i = 0; i < count; i++) {
        const pl_request *r = &j->requests[i];
        layers[i] = layer_of(j, r);
        results[i] = shows_result(j, r);
        learned[i] = learned_step(j, r);
        if (r->kind->layers != NULL) {
            const size_t more = r->kind->layers(j->cx.state, r, layers + needs.n_layers);
            for (size_t k = 0; k < more; k++) {
                results[needs.n_layers++] = true;
            }
        }
        needs.inputs = needs.inputs || shows_inputs(r);
        needs.methods = needs.methods || pl_request_uses_methods(r);
        needs.activations = needs.activations || (r->kind->uses & PL_USES_ACTIVATIONS) != 0;
        needs.pins = needs.pins || ((r->kind->uses & PL_USES_PINS) != 0 && r->pins);
        needs.sweep = needs.sweep || (r->kind->uses & PL_USES_SWEEP) != 0;
        needs.costs = needs.costs || pl_request_shows_costs(r);
    }
    pl_state_figure_commands(j->cx.state, &needs, &j->commands);
    for (size_t i = 0; i < count; i++) {
        const pl_request *r = &j->requests[i];
        if (r->kind->commands != NULL) {
            put_panel_commands(j, r);
        }
    }
    pl_buf_append(&j->commands, j->measured.data, j->measured.size);
    j->commands.failed = j->commands.failed || j->measured.failed;
    free(layers);
    free(results);
    free(learned);
    return PL_OK;
}

pl_status pl_figure_commands(pl_context cx, const pl_request *requests, size_t count, pl_buf *out,
                             pl_error *err)
{
    job j = {.cx = cx, .requests = requests, .rows = 1, .cols = count};
    pl_status status = put_figure_commands(&j, err);
    pl_buf_puts(out, j.commands.data != NULL ? j.commands.data : "");
    PL_THEN(pl_buf_check(&j.commands, err));
    job_deinit(&j);
    return status;
}

static bool calibration_counts(const job *j)
{
    for (size_t i = 0; i < j->rows * j->cols; i++) {
        const pl_request *r = &j->requests[i];
        if (shows_inputs(r) || shows_result(j, r)) {
            return true;
        }
    }
    return false;
}

pl_status pl_figure_put_text(const char *const *paths, size_t count, pl_buf *out, pl_error *err)
{
    pl_id text = {0};
    pl_status status = pl_text_identity(paths, count, &text, err);
    if (status == PL_OK) {
        char id[PL_ID_TEXT];
        pl_id_format(text, id);
        for (size_t i = 0; i < count; i++) {
            pl_buf_printf(out, "%s ", pl_path_name(paths[i]));
        }
        pl_buf_puts(out, id);
    }
    return status;
}

/* The calibration's, and the one that a sweep's perplexities are of. */
static pl_status put_text_hashes(job *j, pl_error *err)
{
    const pl_calibration *calibration = &j->cx.state->calibration;
    const char *const swept = j->cx.state->sweep.text;
    bool sweep = false;
    for (size_t i = 0; i < j->rows * j->cols; i++) {
        sweep = sweep || (j->requests[i].kind->uses & PL_USES_SWEEP) != 0;
    }
    pl_status status = PL_OK;
    if (calibration->n_texts > 0 && calibration_counts(j)) {
        status = pl_figure_put_text((const char *const *)calibration->texts, calibration->n_texts,
                                    &j->text, err);
    }
    if (status == PL_OK && sweep && j->cx.state->sweep.perplexity && swept[0] != '\0') {
        status = pl_figure_put_text(&swept, 1, &j->swept, err);
    }
    return status;
}

static void put_import(job *j, size_t layer)
{
    const pl_imported *imported = &j->cx.state->imported;
    if (pl_state_is_imported(j->cx.state, layer) && j->import.size == 0) {
        char id[PL_ID_TEXT];
        pl_id_format(imported->id, id);
        pl_buf_printf(&j->import, "%s %s", pl_path_name(imported->path), id);
    }
}

static void put_layer_name(job *j, size_t layer, bool methods)
{
    const char *name = pl_model_layer(j->cx.state->source->model, layer)->name;
    pl_buf_printf(&j->layers, "%s%s", j->layers.size > 0 ? ", " : "", name);
    if (j->methods.size > 0 || !methods) {
        return;
    }
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        const pl_spec *spec = pl_state_spec(j->cx.state, layer, slot);
        if (spec->method != NULL) {
            pl_buf_puts(&j->methods, j->methods.size > 0 ? " > " : "");
            pl_spec_format(spec, &j->methods);
        }
    }
}

/* Whether the figure's commands name the methods of a layer. */
static bool names_methods(const job *j, size_t layer)
{
    bool named = false;
    for (size_t i = 0; i < j->rows * j->cols; i++) {
        const pl_request *r = &j->requests[i];
        named = named ||
                (layer_of(j, r) == layer && (pl_request_uses_methods(r) || shows_result(j, r) ||
                                             (r->kind->uses & PL_USES_SWEEP) != 0));
    }
    return named;
}

static pl_status gather_provenance(job *j, pl_error *err)
{
    pl_id id = {0};
    pl_model *model = j->cx.state->source->model;
    pl_status status = pl_model_identity(model, &id, j->cx.task, err);
    PL_THEN(put_figure_commands(j, err));
    pl_buf_puts(&j->commands, j->command);
    put_size(j, j->rows * j->cols, &j->commands);
    PL_THEN(put_text_hashes(j, err));
    if (status != PL_OK) {
        return status;
    }
    char text[PL_ID_TEXT];
    pl_id_format(id, text);
    pl_buf_printf(&j->model, "%s %s", pl_model_name(model), text);
    for (size_t i = 0; i < j->rows * j->cols; i++) {
        const pl_request *r = &j->requests[i];
        size_t layer = layer_of(j, r);
        size_t k = 0;
        while (k < i && layer_of(j, &j->requests[k]) != layer) {
            k++;
        }
        if (k == i) {
            put_layer_name(j, layer, names_methods(j, layer));
            put_import(j, layer);
        }
    }
    pl_buf_printf(&j->seed, "%llu", (unsigned long long)j->cx.state->calibration.protocol.seed);
    pl_buf_printf(&j->threads, "%d", pl_linalg_threads());
    pl_page_libraries(&j->libraries);
    pl_caption(j->cx.state, j->requests, j->figures, j->rows * j->cols, j->measured.data, false,
               &j->caption);
    bool failed = j->commands.failed || j->model.failed || j->layers.failed || j->methods.failed ||
                  j->text.failed || j->swept.failed || j->libraries.failed || j->caption.failed ||
                  j->import.failed;
    return failed ? pl_error_memory(err, "a result") : PL_OK;
}

static pl_status write_figure(job *j, const pl_sheet *sheet, const char *file, pl_error *err)
{
    size_t width = 0;
    size_t height = 0;
    pl_provenance list[] = {
        {"Planish-Commands", j->commands.data},
        {"Planish-Model", j->model.data},
        {"Planish-Layer", j->layers.data},
        {"Planish-Methods", j->methods.data != NULL ? j->methods.data : "none"},
        {"Planish-Seed", j->seed.data},
        {"Planish-Text", j->text.data != NULL ? j->text.data : "none"},
        {"Planish-Threads", j->threads.data},
        {"Planish-Version", PL_VERSION},
        {"Planish-Drawing", PL_DRAWING},
        {"Planish-Libraries", j->libraries.data},
        {"Planish-BLAS", pl_linalg_config()},
        {"Software", "planish " PL_VERSION},
        {"Description", j->caption.data},
        {"Planish-Import", j->import.data},    /* where something is imported */
        {"Planish-Sweep-Text", j->swept.data}, /* where perplexities are swept */
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        list[count] = list[i];
        count += list[i].value != NULL;
    }
    char lacking[128];
    pl_page_lacking(lacking, sizeof lacking); /* what others drew before */
    pl_status status =
        pl_page_write_sheet(sheet, &j->page, list, count, file, &width, &height, err);
    if (status != PL_OK) {
        return status;
    }
    if (pl_page_lacking(lacking, sizeof lacking)) {
        char warning[256];
        snprintf(warning, sizeof warning,
                 "%s: the fonts of figures lack letters of \"%s\": boxes stand for them",
                 j->call->command->name, lacking);
        pl_lab_warn(j->cx.lab, warning);
    }
    char safe[1024];
    pl_text_escape(file, strlen(file), safe, sizeof safe);
    pl_json_set(j->call->result, "file", json_string(safe));
    if (width > 0) {
        pl_json_set(j->call->result, "width_px", json_integer((json_int_t)width));
        pl_json_set(j->call->result, "height_px", json_integer((json_int_t)height));
    }
    return pl_put_drawn(j->call->result, file, j->cx.state->source->model, err);
}

/* file=-: by way of a file, so that a figure that fails leaves nothing on standard output. */
static pl_status write_to_output(job *j, const pl_sheet *sheet, pl_error *err)
{
    pl_temporary folder = {0};
    pl_buf path = {0};
    pl_status status = pl_make_aside("figure", &folder, err);
    if (status == PL_OK) {
        pl_buf_printf(&path, "%s/figure.%s", folder.path, pl_usage_text(j->call, "format"));
        status = pl_buf_check(&path, err);
    }
    PL_THEN(write_figure(j, sheet, path.data, err));
    PL_THEN(pl_figure_pipe_copy(j->call->command->name, path.data, err));
    if (status == PL_OK) {
        pl_json_set(j->call->result, "file", json_string("-"));
    }
    pl_temporary_discard(&folder);
    pl_buf_deinit(&path);
    return status;
}

static pl_status put_latex_caption(job *j, pl_error *err)
{
    size_t wanted = 0;
    pl_status status = pl_usage_choice(j->call, "caption", &wanted, err);
    if (status != PL_OK || wanted == 0) {
        return status;
    }
    pl_buf latex = {0};
    pl_caption(j->cx.state, j->requests, j->figures, j->rows * j->cols, j->measured.data, true,
               &latex);
    status = pl_buf_check(&latex, err);
    if (status == PL_OK) {
        pl_json_set(j->call->result, "caption", json_stringn(j->caption.data, j->caption.size - 1));
        pl_json_set(j->call->result, "latex", json_stringn(latex.data, latex.size - 1));
    }
    pl_buf_deinit(&latex);
    return status;
}

static pl_status refuse_to_overwrite(const pl_call *call, const char *file, pl_error *err)
{
    return pl_error_set(err, PL_ERR_STATE, "%s: %s is there already; overwrite=yes replaces it",
                        call->command->name, file);
}

pl_status pl_figure_check_overwrite(const pl_call *call, const char *file, pl_error *err)
{
    size_t keeps = 0;
    pl_status status = pl_usage_choice(call, "overwrite", &keeps, err);
    return status == PL_OK && keeps == 1 && access(file, F_OK) == 0
               ? refuse_to_overwrite(call, file, err)
               : status;
}

pl_status pl_figure_on_screen(pl_screen *screen, pl_call *call, bool *taken, pl_error *err)
{
    const char *file = pl_call_value(call, "file");
    *taken = false;
    if (file == NULL || pl_call_value(call, "overwrite") != NULL || access(file, F_OK) != 0) {
        return PL_OK;
    }
    *taken = true;
    if (pl_screen_is_asking(screen)) {
        return refuse_to_overwrite(call, file, err);
    }
    char safe[512];
    pl_buf question = {0}, line = {0};
    pl_text_escape(file, strlen(file), safe, sizeof safe);
    pl_buf_printf(&question, "%s is there already.  Replace it?", safe);
    pl_buf_printf(&line, "%s overwrite=yes", call->text);
    pl_status status = pl_buf_check(&question, err);
    PL_THEN(pl_buf_check(&line, err));
    if (status == PL_OK) {
        pl_screen_ask(screen, question.data, line.data);
    }
    pl_buf_deinit(&question);
    pl_buf_deinit(&line);
    return status;
}

pl_status pl_figure_write(pl_call *call, pl_context cx, const pl_request *requests,
                          pl_figure_options *options, const pl_figure_options *page, size_t rows,
                          size_t cols, const char *command, pl_error *err)
{
    static const struct {
        bool x, y;
    } shares[] = {{false, false}, {true, false}, {false, true}, {true, true}};
    const char *file = pl_call_value(call, "file");
    const unsigned before = pl_memory_failures();
    if (file == NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: needs file=PATH (.png, .pdf, .svg, .csv or .tex)",
                            call->command->name);
    }
    size_t format = 0;
    if (strcmp(file, "-") != 0 && pl_call_value(call, "format") != NULL) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: format= is of file=-; a file's name says its own: %s",
                            call->command->name, file);
    }
    job j = {.call = call,
             .cx = cx,
             .requests = requests,
             .options = options,
             .rows = rows,
             .cols = cols,
             .command = command};
    size_t share = 0;
    size_t letters = rows * cols > 1 ? 0 : 1; /* a row of `plot` has them, too */
    pl_status status = pl_figure_page(call, rows, cols, &j.page, err);
    PL_THEN(pl_figure_check_overwrite(call, file, err));
    if (status == PL_OK && rows * cols > 1) {
        status = pl_usage_choice(call, "share", &share, err);
    }
    if (status == PL_OK && rows * cols > 1) {
        status = pl_usage_choice(call, "letters", &letters, err);
    }
    for (size_t i = 0; i < rows * cols; i++) {
        pl_figure_options_inherit(&options[i], page);
    }
    PL_THEN(pl_usage_choice(call, "format", &format, err));
    PL_THEN(make_panels(&j, err));
    if (status == PL_OK && requests[0].kind->row != NULL && pl_usage_text(call, "share") == NULL) {
        pl_relief_share(j.figures, rows * cols);
    }
    j.fit = status == PL_OK && rows * cols == 1 && j.figures[0].table != NULL &&
            pl_call_value(call, "height") == NULL;
    pl_sheet sheet = {.rows = rows,
                      .cols = cols,
                      .panels = j.figures,
                      .letters = rows * cols > 1 && letters == 0,
                      .share_x = shares[share].x,
                      .share_y = shares[share].y,
                      .fit = j.fit,
                      .title = rows * cols > 1 && page->title.given ? page->title.text : NULL,
                      .options = options,
                      .font = page->font.index,
                      .outlines = page->svgtext.index != 0};
    PL_THEN(pl_sheet_share(&sheet, err));
    PL_THEN(gather_provenance(&j, err));
    PL_THEN(pl_memory_check(before, err)); /* a label may lack a word */
    if (status == PL_OK) {
        status = strcmp(file, "-") == 0 ? write_to_output(&j, &sheet, err)
                                        : write_figure(&j, &sheet, file, err);
    }
    PL_THEN(put_latex_caption(&j, err));
    job_deinit(&j);
    return status;
}
