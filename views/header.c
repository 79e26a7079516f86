/* The lines around the panes: header (what is open, what runs), message, footer (keys). */
#include "views/panel.h"

#include "core/model/bare.h"
#include "views/layers.h"
#include "views/text.h"
#include "views/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "calibrate 43 %  12,100 tokens/s  0:41 left" */
static void job_text(const pl_job_line *job, bool brief, char *out, size_t capacity)
{
    char seconds[PL_NUMBER_TEXT];
    pl_format_seconds(job->seconds, seconds);
    if (!(job->share > 0)) {
        snprintf(out, capacity, "%s  %s", job->name, seconds);
        return;
    }
    const double share = job->share;
    char left[PL_NUMBER_TEXT];
    char rate[PL_NUMBER_TEXT];
    pl_format_seconds(job->seconds / share - job->seconds, left);
    const double each_second = job->seconds > 0 ? job->amount / job->seconds : 0;
    if (each_second < 10) {
        snprintf(rate, sizeof rate, "%.1f", each_second); /* a slow job has a rate, too */
    } else {
        pl_format_count(each_second, rate);
    }
    if (job->seconds < 0.3) {
        snprintf(out, capacity, "%s %.0f %%", job->name, 100 * share);
    } else if (brief) {
        snprintf(out, capacity, "%s %.0f %%  %s left", job->name, 100 * share, left);
    } else {
        snprintf(out, capacity, "%s %.0f %%  %s %s/s  %s left", job->name, 100 * share, rate,
                 job->what, left);
    }
}

static int draw_jobs(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    if (model->n_jobs == 0) {
        return 0;
    }
    char text[160];
    job_text(&model->jobs[0], rect.w < 110, text, sizeof text);
    char all[240];
    if (model->n_jobs > 1) {
        snprintf(all, sizeof all, " %s  +%zu  Esc cancels ", text, model->n_jobs - 1);
    } else {
        snprintf(all, sizeof all, " %s  Esc cancels ", text);
    }
    if ((int)pl_text_width(all) > rect.w / 2) {
        snprintf(all, sizeof all, " %s ", text);
    }
    if ((int)pl_text_width(all) > rect.w * 2 / 3) {
        snprintf(all, sizeof all, " %.40s ", model->jobs[0].name);
    }
    int width = (int)pl_text_width(all);
    pl_put_right(surface, rect, 0, rect.w, PL_STYLE_BUSY | PL_REVERSE, all);
    return width;
}

static void calibration_text(const pl_screen_model *model, char *out, size_t capacity)
{
    const pl_calibration *calibration = &model->state->calibration;
    const pl_source *source = model->state->source;
    if (source != NULL && pl_model_is_bare(source->model)) {
        const char *name = pl_model_inputs_name(source->model);
        snprintf(out, capacity, "%s%s", name != NULL ? "inputs " : "no inputs",
                 name != NULL ? name : "");
        return;
    }
    if (calibration->n_texts == 0) {
        snprintf(out, capacity, "not calibrated");
        return;
    }
    char tokens[PL_NUMBER_TEXT];
    pl_format_count((double)calibration->protocol.length * (double)calibration->protocol.windows,
                    tokens);
    snprintf(out, capacity, "%s %s tokens", model->calibrated ? "calibrated" : "calibration",
             tokens);
}

void pl_header_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    pl_fill(surface, rect, PL_STYLE_BAR, ' ');
    int busy = draw_jobs(model, surface, rect);
    pl_rect rest = {rect.y, rect.x, 1, rect.w - busy};
    int col = 1 + pl_put(surface, rest, 0, 1, PL_STYLE_BAR | PL_BOLD, "planish");
    const pl_source *source = model->state->source;
    if (source == NULL) {
        pl_put_cut(surface, rest, 0, col + 2, rest.w - col - 2, PL_STYLE_BAR,
                   "no model:  :open PATH");
        return;
    }
    char calibration[64];
    calibration_text(model, calibration, sizeof calibration);
    size_t solved = pl_state_solved_count(model->state);
    char right[128];
    const char *kept = model->not_kept ? "session not kept  " : "";
    if (solved > 0) {
        snprintf(right, sizeof right, "%s%s  %zu solved ", kept, calibration, solved);
    } else {
        snprintf(right, sizeof right, "%s%s ", kept, calibration);
    }
    const pl_model *m = source->model;
    char left[256];
    snprintf(left, sizeof left, "%s%s  %zu blocks, %zu layers", pl_model_name(m),
             source->demo != NULL ? " (built-in demo)" : "", pl_model_config(m)->blocks,
             pl_model_layer_count(m));
    int right_width = (int)pl_text_width(right);
    int room = rest.w - col - 2;
    if (model->not_kept && room - right_width < 24) { /* the rest can be seen elsewhere */
        snprintf(right, sizeof right, "not kept ");
        right_width = (int)pl_text_width(right);
    }
    int most = room - right_width - 2; /* two blanks before what stands right */
    if ((int)pl_text_width(left) > most || pl_model_is_bare(m)) {
        snprintf(left, sizeof left, "%s%s  %zu layers", pl_model_name(m),
                 source->demo != NULL ? " (built-in)" : "", pl_model_layer_count(m));
    }
    if ((int)pl_text_width(left) > most) {
        snprintf(left, sizeof left, "%s", pl_model_name(m));
    }
    if (room - right_width < 24) {
        right_width = 0;
    } else {
        pl_put_right(surface, rest, 0, rest.w, PL_STYLE_BAR, right);
    }
    pl_put_cut(surface, rest, 0, col + 2, room - right_width - 1, PL_STYLE_BAR, left);
}

int pl_message_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    if (model->message == NULL || model->message[0] == '\0') {
        return 0;
    }
    static const char *const prefixes[] = {"", "error: ", "warning: "};
    static const pl_style styles[] = {PL_STYLE_TEXT, PL_STYLE_ERROR, PL_STYLE_WARNING};
    char text[1000];
    snprintf(text, sizeof text, "%s%s", prefixes[model->message_kind], model->message);
    const char *rest = text;
    int row = 0;
    for (; row + 1 < rect.h && (int)pl_text_width(rest) > rect.w - 2; row++) {
        size_t next = 0;
        size_t cut = pl_text_wrap(rest, (size_t)(rect.w - 2), &next);
        char line[sizeof text];
        snprintf(line, sizeof line, "%.*s", (int)cut, rest);
        pl_put(surface, rect, row, 1, styles[model->message_kind], line);
        rest += next;
    }
    pl_put_cut(surface, rect, row, 1, rect.w - 2, styles[model->message_kind], rest);
    return row + 1;
}

/* Draws a hint if it fits before `end`; returns the column behind it. */
static int draw_hint(pl_surface *surface, pl_rect rect, int col, int end, const char *key,
                     const char *hint)
{
    int width = (int)(pl_text_width(key) + 1 + pl_text_width(hint));
    if (col + width > end) {
        return col;
    }
    col += pl_put(surface, rect, 0, col, PL_STYLE_KEY, key) + 1;
    return col + pl_put(surface, rect, 0, col, PL_STYLE_FAINT, hint) + 2;
}

/* What matters most in a pane, so that 80 columns show it; the others in the table's order. */
static const pl_action foremost[] = {
    PL_ACT_UP,        PL_ACT_LEFT, PL_ACT_ENTER, PL_ACT_SOLVE, PL_ACT_NEXT_PANE,
    PL_ACT_NEXT_VIEW, PL_ACT_FORM, PL_ACT_SIDE,  PL_ACT_UNDO,
};

/* Any view can be in any pane: a plot has the main pane's hints, a list the table's. */
static pl_pane hints_of(const pl_screen_model *model)
{
    size_t index = pl_view_index(model->focus);
    if (index >= PL_DISPLAY_PANES) {
        return model->focus;
    }
    const pl_figure *figure = model->shown[index].figure;
    bool table = figure != NULL && figure->table != NULL;
    return pl_view_of(model->state, model->focus)->figure && !table ? PL_PANE_MAIN : PL_PANE_TABLE;
}

static int draw_action(const pl_screen_model *model, pl_surface *surface, pl_rect rect, int col,
                       pl_pane pane, pl_action action, bool hinted[PL_ACT_COUNT])
{
    const pl_binding *found = NULL;
    for (const pl_binding *b = pl_keymap_bindings(model->keys); b->name != NULL; b++) {
        bool here = b->action == action && b->hint != NULL && (b->where & 1u << pane) != 0;
        found = here && found == NULL ? b : found;
    }
    if (found == NULL || hinted[action]) {
        return col;
    }
    hinted[action] = true;
    return draw_hint(surface, rect, col, rect.w - 1, found->name, found->hint);
}

void pl_footer_draw(const pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    if (model->views.tuner.editing) {
        int col = draw_hint(surface, rect, 1, rect.w, "Enter", "apply");
        draw_hint(surface, rect, col, rect.w, "Esc", "leave the value as it was");
        return;
    }
    if (model->views.layers.typing) {
        pl_layers_draw_typing(model, surface, rect);
        return;
    }
    int col = 1;
    const char *prompt = pl_keymap_key_of(model->keys, PL_ACT_PROMPT, model->focus);
    const char *help = pl_keymap_key_of(model->keys, PL_ACT_HELP, model->focus);
    const char *zoom = pl_keymap_key_of(model->keys, PL_ACT_ZOOM_PANE, model->focus);
    bool hinted[PL_ACT_COUNT] = {[PL_ACT_HELP] = true, [PL_ACT_PROMPT] = true};
    if (prompt != NULL) {
        col = draw_hint(surface, rect, col, rect.w, prompt, "command");
    }
    if (help != NULL) {
        col = draw_hint(surface, rect, col, rect.w, help, "help");
    }
    if (zoom != NULL && pl_zoomed_pane(model->state) < PL_PANE_COUNT) {
        col = draw_hint(surface, rect, col, rect.w, zoom, "all panes");
        hinted[PL_ACT_ZOOM_PANE] = true;
    }
    pl_pane pane = hints_of(model);
    for (size_t i = 0; i < sizeof foremost / sizeof *foremost; i++) {
        col = draw_action(model, surface, rect, col, pane, foremost[i], hinted);
    }
    for (const pl_binding *b = pl_keymap_bindings(model->keys); b->name != NULL; b++) {
        col = draw_action(model, surface, rect, col, pane, b->action, hinted);
    }
}
