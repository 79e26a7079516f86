/* 20,000 random keys and sizes on the panels, without a terminal: the keys' actions, the commands
 * they make, and everything drawn again and again on surfaces that end where their memory ends.
 *
 * PLANISH_FUZZ_SEED chooses another sequence; a failure prints the seed and the last keys. */
#include "app/command.h"
#include "tests/fuzz/made_figure.h"
#include "views/filter.h"
#include "views/help.h"
#include "views/jobs.h"
#include "views/layers.h"
#include "views/mouse.h"
#include "views/text.h"
#include "views/tour.h"
#include "views/tuner.h"
#include "views/view.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/tiny_model.h"

enum { KEYS = 20000, LAST_KEYS = 24, JOBS = 5, LOG = 7 };

typedef struct fuzz {
    pl_rng rng;
    uint64_t seed;
    pl_temp temp;
    pl_state state, undone;
    bool has_undone;
    pl_keymap *keys;
    pl_layer_row rows[64];
    pl_overview overview;
    pl_picture *picture;
    pl_solve_report plain;
    pl_figure figures[PL_DISPLAY_PANES];
    bool made[PL_DISPLAY_PANES];
    pl_screen_model model;
    pl_help_view help;
    pl_jobs_view jobs_view;
    pl_job_row jobs[JOBS];
    pl_log_line log[LOG];
    pl_surface surface;
    uint32_t last[LAST_KEYS];
    size_t count, drawn, commands, refused;
    char command[700];
} fuzz;

static size_t below(fuzz *f, size_t n)
{
    return (size_t)pl_rng_below(&f->rng, n);
}

static bool one_in(fuzz *f, size_t n)
{
    return below(f, n) == 0;
}

static _Noreturn void wrong(const fuzz *f, const char *what)
{
    fprintf(stderr, "%s after %zu keys of seed %llu; last command \"%s\", last keys", what,
            f->count, (unsigned long long)f->seed, f->command);
    for (size_t i = LAST_KEYS; i > 0; i--) {
        size_t at = f->count - i;
        if (f->count >= i) {
            fprintf(stderr, " %x", (unsigned)f->last[at % LAST_KEYS]);
        }
    }
    fprintf(stderr, "\n");
    fail();
    abort(); /* never reached: fail() jumps */
}

/* --- what there is to draw -------------------------------------------------------------------- */

static float some_size(fuzz *f)
{
    return one_in(f, 9) ? 0 : (float)fabs(pl_rng_normal(&f->rng)) * (one_in(f, 20) ? 100 : 1);
}

static float *some_sizes(fuzz *f, size_t n)
{
    float *values = malloc(n * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++) {
        values[i] = some_size(f);
    }
    return values;
}

static size_t some_rows(fuzz *f, pl_channel_row *rows, size_t cols)
{
    static const char *const tokens[] = {"", " the", "\u5b57", "<unk>", "\xf0\x9f\x98\x80"};
    size_t n = below(f, PL_PICTURE_TOP + 1);
    for (size_t i = 0; i < n; i++) {
        rows[i] = (pl_channel_row){.channel = below(f, cols),
                                   .max = (double)some_size(f),
                                   .rms = (double)some_size(f),
                                   .ratio = (double)some_size(f),
                                   .token_position = (int64_t)below(f, 5000) - 1,
                                   .token_id = (int32_t)below(f, 60)};
        snprintf(rows[i].token, sizeof rows[i].token, "%s", tokens[below(f, 5)]);
    }
    return n;
}

/* Of the selected layer, or of another one: then it is an older one. */
static void make_picture(fuzz *f)
{
    pl_picture_destroy(f->picture);
    f->picture = NULL;
    if (one_in(f, 6)) {
        return;
    }
    const pl_model *model = f->state.source->model;
    pl_picture *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->layer = one_in(f, 4) ? below(f, pl_model_layer_count(model)) : f->state.layer;
    const pl_layer *layer = pl_model_layer(model, p->layer);
    p->rows = layer->rows;
    p->cols = layer->cols;
    p->before = some_sizes(f, p->cols);
    p->solved = one_in(f, 2);
    p->preconditioned = p->solved ? some_sizes(f, p->cols) : NULL;
    p->after = p->solved && one_in(f, 2) ? some_sizes(f, p->cols) : NULL;
    p->input = one_in(f, 2) ? some_sizes(f, p->cols) : NULL;
    p->n_weights = some_rows(f, p->weights, p->cols);
    p->n_inputs = p->input != NULL ? some_rows(f, p->inputs, p->cols) : 0;
    p->group_max_before = (double)some_size(f);
    p->report = (pl_solve_report){.gap = one_in(f, 3) ? (double)NAN : (double)some_size(f),
                                  .iterations = 20,
                                  .relative_error = (double)some_size(f),
                                  .rounded_relative_error = one_in(f, 3) ? (double)NAN : 0.02,
                                  .bound = (double)some_size(f),
                                  .group_max_before = p->group_max_before,
                                  .group_max_after = (double)some_size(f)};
    p->preview_rows = p->solved && one_in(f, 3) ? 1 + below(f, p->rows) : 0;
    p->flatness_before = p->kurtosis_before = (double)some_size(f);
    p->report.flatness_weight_after = p->report.kurtosis_weight_after =
        one_in(f, 2) ? (double)NAN : (double)some_size(f);
    f->picture = p;
}

static void make_shown(fuzz *f, size_t pane)
{
    pl_shown *shown = &f->model.shown[pane];
    if (f->made[pane]) {
        pl_figure_deinit(&f->figures[pane]);
    }
    f->made[pane] = !one_in(f, 5);
    if (f->made[pane]) {
        made_figure(&f->rng, &f->figures[pane]);
    }
    shown->figure = f->made[pane] ? &f->figures[pane] : NULL;
    shown->stale = one_in(f, 3);
    shown->working = one_in(f, 3);
    shown->seconds = (double)some_size(f);
    shown->share = one_in(f, 2) ? 0 : pl_rng_uniform(&f->rng);
    shown->error = one_in(f, 6) ? "basin: out of memory for 12 directions" : NULL;
    shown->needs = one_in(f, 6) ? "c calibrates" : NULL;
}

static void make_lists(fuzz *f)
{
    static char result[] = "error: no layer is named 9.q_proj; there are 28";
    static char command[] = "method astro beta=1e-3 group_size=128 solver=admm";
    for (size_t i = 0; i < JOBS; i++) {
        f->jobs[i] = (pl_job_row){
            .line = {"calibrate", "tokens", (double)below(f, 100), 100, (double)some_size(f)},
            .id = i + 1,
            .phase = (pl_job_phase)below(f, PL_JOB_PHASE_CANCELLED + 1),
            .own = one_in(f, 2)};
    }
    for (size_t i = 0; i < LOG; i++) {
        f->log[i] = (pl_log_line){.at = 1700000000 + (int64_t)i,
                                  .seconds = one_in(f, 4) ? (double)NAN : (double)some_size(f),
                                  .ok = one_in(f, 2),
                                  .command = command,
                                  .result = result};
    }
    f->model.n_all_jobs = below(f, JOBS + 1);
    f->model.n_log = below(f, LOG + 1);
    f->model.n_jobs = below(f, PL_MAX_JOBS_SHOWN + 1);
    for (size_t i = 0; i < f->model.n_jobs; i++) {
        f->model.jobs[i] = f->jobs[i].line;
    }
}

/* Something has been computed, or begins to be. */
static void happen(fuzz *f)
{
    for (size_t i = 0; i < f->overview.n; i++) {
        const pl_id *result = pl_state_result(&f->state, i);
        f->rows[i] = pl_layer_row_empty();
        f->rows[i].problem = one_in(f, 5) ? PL_ERR_NUMERIC : PL_OK;
        f->rows[i].result = result != NULL ? *result : (pl_id){0};
        for (pl_column c = 0; c < PL_COLUMN_COUNT && one_in(f, 2); c++) {
            f->rows[i].number[c] = (double)some_size(f);
        }
    }
    make_picture(f);
    make_shown(f, below(f, PL_DISPLAY_PANES));
    make_lists(f);
    pl_screen_model *model = &f->model;
    model->picture = f->picture;
    model->overview = one_in(f, 10) ? NULL : &f->overview;
    model->stale = one_in(f, 3);
    model->calibrated = one_in(f, 2);
    model->plain = one_in(f, 2) ? &f->plain : NULL;
    model->solving = one_in(f, 3);
    model->solving_seconds = (double)some_size(f);
    model->picture_error = one_in(f, 9) ? "site 3: the store's file is damaged" : NULL;
    model->message =
        one_in(f, 2) ? "a message that is longer than the narrowest of all screens" : NULL;
    model->message_kind = (pl_message_kind)below(f, 3);
    model->message_seen = one_in(f, 2);
    model->colours = one_in(f, 3) ? 0 : one_in(f, 2) ? 8 : 256;
    model->marks = (pl_marks)below(f, PL_MARKS_ASCII + 1);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void run_command(fuzz *f, const char *text)
{
    pl_error err = {0};
    pl_call *call = NULL;
    snprintf(f->command, sizeof f->command, "%s", text);
    f->commands++;
    if (pl_call_parse(text, &call, &err) != PL_OK) {
        fprintf(stderr, "%s\n", err.message);
        wrong(f, "a key made a command that is none");
    }
    if (call->command->apply != NULL && call->command->run == NULL) {
        pl_state before;
        pl_check_ok(pl_state_copy(&before, &f->state, &err), err);
        pl_status status = call->command->apply(call, &f->state, &err);
        if (status == PL_OK) {
            if (f->has_undone) {
                pl_state_deinit(&f->undone);
            }
            f->undone = before;
            f->has_undone = true;
        } else {
            pl_state_deinit(&before);
            f->refused++;
            if (err.message[0] == '\0') {
                wrong(f, "a command failed without a sentence");
            }
        }
    }
    pl_call_destroy(call);
}

static void follow(fuzz *f, const pl_intent *intent)
{
    if (intent->focus >= 0) {
        f->model.focus = (pl_pane)intent->focus;
    }
    /* As the event loop does: made figures know nothing of the layer. */
    size_t cols = pl_model_layer(f->state.source->model, f->state.layer)->cols;
    if (intent->mark && (intent->channel < cols || intent->channel == SIZE_MAX)) {
        f->state.channel = intent->channel;
    }
    if (intent->command[0] != '\0') {
        run_command(f, intent->command);
    }
}

static void undo(fuzz *f)
{
    if (f->has_undone) { /* there and back */
        pl_state present = f->state;
        f->state = f->undone;
        f->undone = present;
    }
}

static void change_focus(fuzz *f, int by)
{
    pl_panes panes = pl_screen_panes(&f->model, f->surface.rows, f->surface.cols);
    f->model.focus = pl_panes_next(&panes, f->model.focus, by);
}

static void open_help(fuzz *f)
{
    pl_error err = {0};
    pl_check_ok(pl_help_open(&f->help, f->keys, "# Commands\nselect LAYER\n  choose\n", &err), err);
}

static void act(fuzz *f, pl_action action)
{
    pl_intent intent = {.focus = -1};
    f->model.count = one_in(f, 12) ? below(f, 10000) : 0;
    if (pl_display_act(&f->model, action, &intent) ||
        pl_panel_of(f->model.focus)->act(&f->model, action, &intent)) {
        follow(f, &intent);
    } else if (action == PL_ACT_NEXT_PANE || action == PL_ACT_PREV_PANE) {
        change_focus(f, action == PL_ACT_NEXT_PANE ? 1 : -1);
    } else if (action == PL_ACT_FILTER) {
        pl_layers_type_start(&f->model);
    } else if (action == PL_ACT_HELP) {
        open_help(f);
    } else if (action == PL_ACT_JOBS) {
        f->jobs_view = (pl_jobs_view){.open = true};
    } else if (action == PL_ACT_UNDO || action == PL_ACT_REDO) {
        undo(f);
    } else if (action == PL_ACT_SIDE) {
        run_command(f, f->state.side == PL_SIDE_WEIGHT ? "view side=input" : "view side=weight");
    } else if (action == PL_ACT_WHICH) {
        run_command(f, "view which=after");
    }
    f->model.count = 0;
}

static uint32_t some_key(fuzz *f)
{
    static const char typed[] = "0123456789.e-+>=<*[]()? qprojinut_ratioand";
    const pl_binding *rows = pl_keymap_bindings(f->keys);
    size_t n = 0;
    while (rows[n].name != NULL) {
        n++;
    }
    switch (below(f, 10)) {
    case 0:
        return (uint32_t)(unsigned char)typed[below(f, sizeof typed - 1)];
    case 1:
        return one_in(f, 2) ? PL_KEY_ESC : PL_KEY_ENTER;
    case 2:
        return one_in(f, 2) ? PL_K_NONE + (uint32_t)below(f, PL_K_RESIZE - PL_K_NONE + 1)
                            : (uint32_t)below(f, 0x3000);
    default:
        return rows[below(f, n)].key;
    }
}

static void press(fuzz *f, uint32_t key)
{
    pl_press one = {.key = key};
    pl_intent intent = {.focus = -1};
    f->last[f->count++ % LAST_KEYS] = key;
    if (f->jobs_view.open) {
        pl_jobs_key(&f->jobs_view, &f->model, one);
    } else if (f->help.open) {
        pl_help_key(&f->help, one, f->surface.rows - 3);
    } else if (f->model.views.layers.typing) {
        pl_layers_type(&f->model, one, &intent);
        follow(f, &intent);
    } else {
        const pl_panel *panel = pl_panel_of(f->model.focus);
        if (panel->type != NULL && panel->type(&f->model, one, &intent)) {
            follow(f, &intent);
        } else {
            act(f, pl_keymap_action(f->keys, key, f->model.focus));
        }
    }
}

/* Also beyond the screen's edges. */
static void use_mouse(fuzz *f)
{
    pl_intent intent = {.focus = -1};
    const pl_mouse mouse = {.kind = (pl_mouse_kind)below(f, PL_MOUSE_WHEEL_RIGHT + 1),
                            .y = (int)below(f, (size_t)f->surface.rows + 3) - 1,
                            .x = (int)below(f, (size_t)f->surface.cols + 3) - 1,
                            .twice = one_in(f, 3)};
    pl_screen_mouse(&f->model, mouse, &intent);
    follow(f, &intent);
}

/* --- what must hold --------------------------------------------------------------------------- */

static void check_state(const fuzz *f)
{
    const pl_state *state = &f->state;
    const pl_model *model = state->source->model;
    if (state->layer >= pl_model_layer_count(model)) {
        wrong(f, "no such layer is selected");
    }
    if (state->channel != SIZE_MAX && state->channel >= pl_model_layer(model, state->layer)->cols) {
        wrong(f, "a channel is marked that the layer has not");
    }
    const pl_display display = pl_display_of(state);
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        if (pl_view_find(display.panes[i].view) == NULL) {
            wrong(f, "a pane shows a view that is none");
        }
        const pl_pane_memo *memo = &f->model.shown[i].memo;
        if (!isfinite(memo->first) || !isfinite(memo->shown) || memo->shown < 0 ||
            !isfinite(memo->cursor) || !isfinite(memo->row_first) || memo->row_shown < 0) {
            wrong(f, "a view's place is no number");
        }
    }
    if (display.zoom[0] != '\0' && pl_zoomed_pane(state) == PL_PANE_COUNT) {
        wrong(f, "a pane is zoomed that is none");
    }
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(&f->model, rows);
    if (n > PL_TUNER_ROWS || f->model.focus >= PL_PANE_COUNT) {
        wrong(f, "the tuner or the focus is out of its bounds");
    }
    pl_filter *filter = NULL;
    if (pl_filter_parse(f->model.views.layers.filter, &filter, NULL) != PL_OK) {
        wrong(f, "the filter in force cannot be understood");
    }
    pl_filter_destroy(filter);
}

/* A session's state is read back as it was written. */
static void check_round_trip(const fuzz *f)
{
    pl_error err = {0};
    pl_state back;
    pl_state_init(&back);
    json_t *json = pl_state_to_json(&f->state);
    assert_non_null(json);
    pl_check_ok(pl_state_restore(&back, json, f->state.source, &err), err);
    json_t *again = pl_state_to_json(&back);
    if (!json_equal(json, again)) {
        wrong(f, "a state is another one when it is read back");
    }
    json_decref(json);
    json_decref(again);
    pl_state_deinit(&back);
}

static void check_cells(const fuzz *f)
{
    const pl_surface *surface = &f->surface;
    for (int i = 0; i < surface->rows * surface->cols; i++) {
        uint32_t code = surface->cells[i].code;
        bool left_is_wide = i % surface->cols > 0 && pl_char_width(surface->cells[i - 1].code) == 2;
        if (code == 0 ? !left_is_wide : code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            fprintf(stderr, "U+%04X at %d,%d, behind U+%04X\n", (unsigned)code, i / surface->cols,
                    i % surface->cols, (unsigned)(i > 0 ? surface->cells[i - 1].code : 0));
            wrong(f, "a cell holds what is no character");
        }
        if (surface->ascii && code >= 0x7f) {
            wrong(f, "a cell holds what is not ASCII");
        }
        if (pl_char_width(code) == 2 && i % surface->cols == surface->cols - 1) {
            wrong(f, "a wide character is cut by the screen's edge");
        }
        if ((surface->cells[i].style & PL_STYLE_MASK) >= PL_STYLE_COUNT) {
            wrong(f, "a cell has a style that is none");
        }
    }
}

/* The line of the focused pane's title is reversed somewhere: it is seen without colour. */
static void check_focus(const fuzz *f)
{
    pl_panes panes = pl_screen_panes(&f->model, f->surface.rows, f->surface.cols);
    pl_rect r = panes.panes[f->model.focus];
    if (panes.kind == PL_PANES_NOTICE) {
        return;
    }
    bool seen = false;
    for (int x = r.x; r.h > 0 && x < r.x + r.w; x++) {
        const pl_cell *cell = &f->surface.cells[r.y * f->surface.cols + x];
        seen = seen || (cell->style & PL_REVERSE) != 0;
    }
    if (!seen) {
        fprintf(stderr, "%dx%d, pane %d at %d,%d of %dx%d\n", f->surface.cols, f->surface.rows,
                (int)f->model.focus, r.x, r.y, r.w, r.h);
        wrong(f, "the focused pane is not seen");
    }
}

/* As the event loop does before it draws: the focus is on a pane that can be shown. */
static void settle_focus(fuzz *f)
{
    pl_pane zoom = pl_zoomed_pane(&f->state);
    pl_panes panes = pl_screen_panes(&f->model, f->surface.rows, f->surface.cols);
    if (zoom < PL_PANE_COUNT) {
        f->model.focus = zoom;
    } else if (panes.kind != PL_PANES_NOTICE && !panes.reachable[f->model.focus]) {
        f->model.focus = PL_PANE_MAIN;
    }
}

static void draw(fuzz *f)
{
    static const int edges[] = {1, 2, 11, 12, 13, 15, 16, 24, 25, 26, 40, 50, 100, 200};
    static const int widths[] = {1, 2, 43, 44, 59, 60, 79, 80, 81, 120, 199, 200, 300, 500};
    pl_error err = {0};
    int rows = one_in(f, 2) ? edges[below(f, 14)] : 1 + (int)below(f, 60);
    int cols = one_in(f, 2) ? widths[below(f, 14)] : 1 + (int)below(f, 220);
    pl_surface_deinit(&f->surface);
    pl_check_ok(pl_surface_resize(&f->surface, rows, cols, &err), err);
    f->surface.ascii = f->model.marks == PL_MARKS_ASCII;
    f->drawn++;
    settle_focus(f);
    pl_screen_draw(&f->model, &f->surface, one_in(f, 4));
    check_cells(f);
    pl_panes panes = pl_screen_panes(&f->model, rows, cols);
    if (panes.kind != PL_PANES_NOTICE && !panes.reachable[f->model.focus]) {
        wrong(f, "the focus is on a pane that cannot be shown");
    }
    check_focus(f);
    if (f->help.open) {
        pl_help_draw(&f->help, &f->surface, panes.body);
    }
    if (f->jobs_view.open && panes.kind != PL_PANES_NOTICE) {
        pl_jobs_draw(&f->jobs_view, &f->model, &f->surface, panes.body);
    }
    check_cells(f);
}

/* --- the test --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    fuzz *f = calloc(1, sizeof *f);
    assert_non_null(f);
    pl_error err = {0};
    pl_source *source = NULL;
    const char *seed = getenv("PLANISH_FUZZ_SEED");
    f->seed = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    pl_rng_init(&f->rng, f->seed);
    pl_temp_init(&f->temp);
    pl_model *model = tiny_model(&f->temp, (tiny_options){0});
    pl_check_ok(pl_source_create(model, "tiny", NULL, &source, &err), err);
    pl_state_init(&f->state);
    pl_check_ok(pl_state_set_source(&f->state, source, &err), err);
    pl_source_release(source);
    pl_state_default_methods(&f->state);
    pl_check_ok(pl_keymap_create(&f->keys, &err), err);
    f->overview = (pl_overview){pl_model_layer_count(model), f->rows};
    f->plain = (pl_solve_report){.relative_error = 0.01, .rounded_relative_error = 0.02};
    f->model = (pl_screen_model){.state = &f->state,
                                 .overview = &f->overview,
                                 .keys = f->keys,
                                 .all_jobs = f->jobs,
                                 .log = f->log};
    f->model.views.tuner.row = 1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fuzz *f = *state;
    for (size_t i = 0; i < PL_DISPLAY_PANES; i++) {
        if (f->made[i]) {
            pl_figure_deinit(&f->figures[i]);
        }
    }
    pl_picture_destroy(f->picture);
    pl_help_close(&f->help);
    pl_keymap_destroy(f->keys);
    pl_surface_deinit(&f->surface);
    if (f->has_undone) {
        pl_state_deinit(&f->undone);
    }
    pl_state_deinit(&f->state);
    pl_temp_deinit(&f->temp);
    free(f);
    return 0;
}

static void test_random_keys(void **state)
{
    fuzz *f = *state;
    happen(f);
    draw(f);
    while (f->count < KEYS) {
        press(f, some_key(f));
        if (one_in(f, 4)) {
            use_mouse(f);
        }
        check_state(f);
        if (one_in(f, 12)) {
            happen(f);
        }
        if (one_in(f, 3)) {
            draw(f);
        }
        if (one_in(f, 50)) {
            check_round_trip(f);
        }
    }
    /* Random keys must do something. */
    expect_less(KEYS / 10, f->drawn);
    expect_less(KEYS / 50, f->commands);
    expect_less(f->refused, f->commands / 4);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_keys, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
