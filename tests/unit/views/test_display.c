/* Views of the panes: the registry, what keys do in them, `view` and `select channel=`. */
#include "app/command.h"
#include "plots/build.h"
#include "views/view.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/tiny_model.h"

typedef struct scene {
    pl_temp temp;
    pl_state state;
    pl_picture picture;
    float before[TINY_HIDDEN];
    pl_screen_model model;
} scene;

static int set_up(void **state)
{
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    pl_error err = {0};
    pl_temp_init(&s->temp);
    pl_model *model = tiny_model(&s->temp, (tiny_options){0});
    pl_source *source = NULL;
    pl_check_ok(pl_source_create(model, "tiny", NULL, &source, &err), err);
    pl_state_init(&s->state);
    pl_check_ok(pl_state_set_source(&s->state, source, &err), err);
    pl_source_release(source);
    for (size_t i = 0; i < TINY_HIDDEN; i++) {
        s->before[i] = i == 7 ? 5 : i == 2 ? 3 : 1;
    }
    s->picture = (pl_picture){.rows = TINY_HIDDEN, .cols = TINY_HIDDEN, .before = s->before};
    s->picture.n_weights = 2;
    s->picture.weights[0] = (pl_channel_row){.channel = 7, .max = 5, .token_position = -1};
    s->picture.weights[1] = (pl_channel_row){.channel = 2, .max = 3, .token_position = -1};
    s->model = (pl_screen_model){.state = &s->state, .picture = &s->picture, .focus = PL_PANE_MAIN};
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    scene *s = *state;
    pl_state_deinit(&s->state);
    pl_temp_deinit(&s->temp);
    free(s);
    return 0;
}

static pl_status run(scene *s, const char *text, pl_error *err)
{
    pl_call *call = NULL;
    *err = (pl_error){0};
    pl_status status = pl_call_parse(text, &call, err);
    if (status == PL_OK) {
        status = call->command->apply(call, &s->state, err);
    }
    pl_call_destroy(call);
    return status;
}

static void check_command_refused(scene *s, const char *text, const char *part)
{
    pl_error err;
    assert_int_equal(run(s, text, &err), PL_ERR_USAGE);
    if (strstr(err.message, part) == NULL) {
        fprintf(stderr, "\"%s\" lacks \"%s\"\n", err.message, part);
        fail();
    }
}

static void accept(scene *s, const char *text)
{
    pl_error err;
    pl_check_ok(run(s, text, &err), err);
}

static pl_intent act(scene *s, pl_pane pane, pl_action action)
{
    pl_intent intent = {.focus = -1};
    s->model.focus = pane;
    if (!pl_display_act(&s->model, action, &intent)) {
        pl_panel_of(pane)->act(&s->model, action, &intent);
    }
    if (intent.mark) {
        s->state.channel = intent.channel;
    }
    return intent;
}

static void test_registry(void **state)
{
    scene *s = *state;
    /* The table of commands completes exactly these names. */
    pl_buf names = {0};
    for (const pl_screen_view *const *view = pl_views(); *view != NULL; view++) {
        pl_buf_printf(&names, "%s%s", names.size > 0 ? "|" : "", (*view)->name);
        assert_ptr_equal(pl_view_find((*view)->name), *view);
        expect_less(strlen((*view)->name), PL_VIEW_NAME);
        assert_int_equal((*view)->help[strlen((*view)->help) - 1], '.');
    }
    const pl_key *key = pl_command_find("view")->keys;
    while (strcmp(key->name, "main") != 0) {
        key++;
    }
    assert_string_equal(pl_key_choices(key), names.data);
    pl_buf_deinit(&names);
    /* Every figure that can be exported has a view. */
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        assert_non_null(pl_view_find((*kind)->name));
    }
    /* A session from elsewhere may name a view that is not here. */
    pl_display display = pl_display_of(&s->state);
    strcpy(display.panes[2].view, "nosuch");
    assert_int_equal(pl_display_set(&s->state, &display, NULL), PL_OK);
    assert_string_equal(pl_view_of(&s->state, PL_PANE_TABLE)->name, "outliers");
    assert_null(pl_view_of(&s->state, PL_PANE_TUNER));
}

static void test_view_command(void **state)
{
    scene *s = *state;
    pl_display display;
    accept(s, "view main=histogram second=box split=yes zoom=main");
    display = pl_display_of(&s->state);
    assert_string_equal(display.panes[0].view, "histogram");
    assert_string_equal(display.panes[1].view, "box");
    assert_true(display.split);
    assert_int_equal(pl_zoomed_pane(&s->state), PL_PANE_MAIN);
    accept(s, "view zoom=no split=no main=channels order=sorted scale=log form=fan");
    display = pl_display_of(&s->state);
    assert_int_equal(pl_zoomed_pane(&s->state), PL_PANE_COUNT);
    assert_true(display.panes[0].sorted);
    assert_true(display.panes[0].log);
    assert_string_equal(display.panes[0].form, "fan");
    pl_request request;
    assert_true(pl_view_request(&s->state, PL_PANE_MAIN, &request));
    assert_true(request.sorted);
    assert_true(request.log);
    assert_int_equal(request.form, 1);
    accept(s, "view second=groups form=bars"); /* the form is that pane's */
    display = pl_display_of(&s->state);
    assert_string_equal(display.panes[1].form, "bars");
    assert_string_equal(display.panes[0].form, "fan");
    assert_true(display.split);
    accept(s, "view second=box split=no");
    display = pl_display_of(&s->state);
    assert_false(display.split);
    accept(s, "view pane=second scale=log");
    display = pl_display_of(&s->state);
    assert_true(display.panes[1].log);
    check_command_refused(s, "view main=histogramm", "did you mean histogram?");
    check_command_refused(s, "view form=pie", "expected maxima|fan, got \"pie\"");
    check_command_refused(s, "view main=histogram form=fan",
                          "expected weights|levels, got \"fan\"");
    check_command_refused(s, "view main=outliers form=fan", "outliers has only one form");
    display = pl_display_of(&s->state);
    assert_string_equal(display.panes[0].view, "channels"); /* nothing has changed */
    check_command_refused(s, "view zoom=everything", "zoom");
}

static void test_select_channel(void **state)
{
    scene *s = *state;
    accept(s, "select channel=3");
    assert_int_equal(s->state.channel, 3);
    accept(s, "select 1.q_proj");
    assert_int_equal(s->state.channel, 3);
    check_command_refused(s, "select channel=100000", "no channel 100000");
    check_command_refused(s, "select channel=x", "whole number");
    check_command_refused(s, "select", "expected LAYER or channel=N");
    accept(s, "select 0.q_proj channel=none");
    assert_int_equal(s->state.channel, SIZE_MAX);
    assert_int_equal(s->state.layer, 0);
}

static void test_keys_of_the_display(void **state)
{
    scene *s = *state;
    assert_string_equal(act(s, PL_PANE_MAIN, PL_ACT_NEXT_VIEW).command, "view main=histogram");
    assert_string_equal(act(s, PL_PANE_MAIN, PL_ACT_PREV_VIEW).command, "view main=log");
    assert_string_equal(act(s, PL_PANE_TABLE, PL_ACT_NEXT_VIEW).command, "view table=log");
    assert_string_equal(act(s, PL_PANE_LAYERS, PL_ACT_NEXT_VIEW).command, "view main=histogram");
    assert_string_equal(act(s, PL_PANE_TUNER, PL_ACT_SPLIT).command, "view split=yes");
    assert_int_equal(act(s, PL_PANE_TUNER, PL_ACT_SPLIT).focus, PL_PANE_SECOND);
    assert_string_equal(act(s, PL_PANE_TUNER, PL_ACT_ZOOM_PANE).command, "view zoom=tuner");
    assert_string_equal(act(s, PL_PANE_MAIN, PL_ACT_FORM).command, "view form=fan");
    assert_string_equal(act(s, PL_PANE_MAIN, PL_ACT_SORT).command, "view order=sorted");
    assert_string_equal(act(s, PL_PANE_MAIN, PL_ACT_LOG).command, "view scale=log");
    accept(s, "view second=channels zoom=main");
    assert_string_equal(act(s, PL_PANE_SECOND, PL_ACT_LOG).command, "view pane=second scale=log");
    assert_string_equal(act(s, PL_PANE_MAIN, PL_ACT_ZOOM_PANE).command, "view zoom=no");
}

/* A channel selected in one view is marked in all. */
static void test_one_channel_in_all(void **state)
{
    scene *s = *state;
    act(s, PL_PANE_MAIN, PL_ACT_RIGHT); /* from the largest */
    assert_int_equal(s->state.channel, 8);
    act(s, PL_PANE_MAIN, PL_ACT_LEFT);
    act(s, PL_PANE_MAIN, PL_ACT_NEXT_PEAK);
    assert_int_equal(s->state.channel, 2);
    act(s, PL_PANE_TABLE, PL_ACT_UP); /* its row is the second */
    assert_int_equal(s->state.channel, 7);
    accept(s, "view order=sorted");
    act(s, PL_PANE_MAIN, PL_ACT_RIGHT); /* by rank */
    assert_int_equal(s->state.channel, 2);
    act(s, PL_PANE_MAIN, PL_ACT_FIRST);
    assert_int_equal(s->state.channel, 7);
    act(s, PL_PANE_MAIN, PL_ACT_LAST);
    assert_int_equal(s->state.channel, TINY_HIDDEN - 1);
}

/* --- a figure of the worker ------------------------------------------------------------------- */

static void make_tokens(pl_figure *figure)
{
    pl_error err = {0};
    *figure = (pl_figure){.x = {.lo = -0.5, .hi = TINY_HIDDEN - 0.5, .whole = true},
                          .y = {.lo = -0.5, .hi = 3.5}};
    pl_check_ok(pl_figure_texts(figure, "tokens", "channel", "token", &err), err);
    pl_check_ok(pl_figure_heat(figure, 4, TINY_HIDDEN, "max |x|", &err), err);
    pl_check_ok(pl_figure_names(&figure->y, 4, &err), err);
    for (size_t r = 0; r < 4; r++) {
        char name[16];
        snprintf(name, sizeof name, "word%zu", r);
        pl_check_ok(pl_figure_text(&figure->y.names[r], name, &err), err);
        for (size_t c = 0; c < TINY_HIDDEN; c++) {
            figure->heat->values[r * TINY_HIDDEN + c] = (float)(r == 2 && c == 5 ? 9 : 1);
        }
    }
    figure->heat->lo = 0;
    figure->heat->hi = 9;
}

static bool shows(scene *s, const char *text)
{
    pl_surface surface = {.ascii = true};
    pl_error err = {0};
    pl_check_ok(pl_surface_resize(&surface, 20, 70, &err), err);
    s->model.marks = PL_MARKS_ASCII;
    pl_panel_of(PL_PANE_MAIN)->draw(&s->model, &surface, (pl_rect){0, 0, 20, 70});
    char all[20 * 71 + 1];
    char *to = all;
    for (int i = 0; i < 20 * 70; i++) {
        *to++ = (char)(surface.cells[i].code < 0x80 ? surface.cells[i].code : '?');
        if (i % 70 == 69) {
            *to++ = '\n';
        }
    }
    *to = '\0';
    bool found = strstr(all, text) != NULL;
    if (!found) {
        fprintf(stderr, "no \"%s\" in\n%s", text, all);
    }
    pl_surface_deinit(&surface);
    return found;
}

static void test_heat_map_view(void **state)
{
    scene *s = *state;
    pl_figure figure;
    make_tokens(&figure);
    accept(s, "view main=tokens");
    s->model.shown[0].figure = &figure;
    assert_true(shows(s, "word2  channel 5: 9.00")); /* the largest, to begin with */
    act(s, PL_PANE_MAIN, PL_ACT_RIGHT);
    assert_int_equal(s->state.channel, 6);
    act(s, PL_PANE_MAIN, PL_ACT_UP);
    assert_true(shows(s, "word3  channel 6: 1.00"));
    act(s, PL_PANE_MAIN, PL_ACT_UP); /* there is none above */
    assert_true(shows(s, "word3  channel 6: 1.00"));
    accept(s, "select channel=5");
    act(s, PL_PANE_MAIN, PL_ACT_DOWN);
    assert_true(shows(s, "word2  channel 5: 9.00"));
    for (int i = 0; i < 6; i++) {
        act(s, PL_PANE_MAIN, PL_ACT_ZOOM_IN);
    }
    assert_true(shows(s, "word2  channel 5: 9.00"));
    act(s, PL_PANE_MAIN, PL_ACT_ZOOM_ALL);
    expect_close(s->model.shown[0].memo.shown, 0, 0);
    s->model.shown[0] = (pl_shown){0};
    pl_figure_deinit(&figure);
}

/* --- what a place on an axis is --------------------------------------------------------------- */

static pl_series *add_line(pl_figure *figure, size_t count, bool at)
{
    pl_error err = {0};
    pl_series *series = NULL;
    pl_check_ok(pl_figure_add(figure, "error", PL_MARK_LINE, PL_TONE_BEFORE, count, &series, &err),
                err);
    series->at = at ? calloc(count, sizeof *series->at) : NULL;
    assert_true(!at || series->at != NULL);
    return series;
}

/* Along a Pareto curve x is no value of the parameter; beside a point of a sweep it is none that
 * was tried. */
static void test_sweep_takes_what_was_tried(void **state)
{
    scene *s = *state;
    accept(s, "method astro beta=0.0003");
    s->state.sweep = (pl_sweep){.set = true, .slot = PL_SLOT_PRECONDITION, .param = "beta"};
    accept(s, "view main=sweep");
    for (int pareto = 0; pareto < 2; pareto++) {
        pl_error err = {0};
        pl_figure figure = {.x = {.lo = pareto ? 0.1 : 1e-5, .hi = 1, .log = !pareto},
                            .y = {.lo = 0.01, .hi = 1, .log = true}};
        pl_check_ok(pl_figure_texts(&figure, "sweep", "x", "y", &err), err);
        pl_series *series = add_line(&figure, 3, pareto);
        for (size_t i = 0; i < 3; i++) {
            double value = i == 0 ? 1e-4 : i == 1 ? 4e-4 : 1e-3;
            series->x[i] = pareto ? 0.9 - 0.3 * (double)i : value;
            series->y[i] = 0.1 * (double)(i + 1);
            if (pareto) {
                series->at[i] = value;
            }
        }
        s->model.shown[0] = (pl_shown){.figure = &figure};
        if (!pareto) { /* between two points: the nearer one, with its error */
            assert_true(shows(s, "beta 0.0004"));
            assert_true(shows(s, ": 0.200"));
        } else {
            act(s, PL_PANE_MAIN, PL_ACT_FIRST);
            assert_true(shows(s, "beta 0.001"));
            act(s, PL_PANE_MAIN, PL_ACT_RIGHT);
            assert_true(shows(s, "beta 0.0004"));
        }
        pl_intent intent = act(s, PL_PANE_MAIN, PL_ACT_ENTER);
        assert_string_equal(intent.command, "method astro beta=0.0004");
        assert_string_equal(intent.select, "");
        const char *swept = pl_model_layer(s->state.source->model, 0)->name;
        s->state.layer = 1; /* the sweep stays the first layer's */
        intent = act(s, PL_PANE_MAIN, PL_ACT_ENTER);
        assert_string_equal(intent.command, "method astro beta=0.0004");
        assert_string_equal(intent.select, swept);
        s->state.layer = 0;
        s->model.shown[0] = (pl_shown){0};
        pl_figure_deinit(&figure);
    }
}

/* Over the norm of their input groups are points: the marked channel's, and the channels of one. */
static void test_groups_over_their_input(void **state)
{
    scene *s = *state;
    pl_error err = {0};
    pl_figure figure = {.x = {.lo = 1, .hi = 100, .log = true}, .y = {.lo = 0, .hi = 1}};
    pl_check_ok(pl_figure_texts(&figure, "groups", "x", "y", &err), err);
    pl_series *series = add_line(&figure, 2, true);
    for (size_t i = 0; i < 2; i++) { /* by rising norm: the second group comes first */
        series->at[i] = i == 0 ? 4 : 0;
        series->x[i] = i == 0 ? 10 : 40;
        series->y[i] = 0.5;
    }
    accept(s, "view main=groups");
    accept(s, "select channel=5");
    s->model.shown[0] = (pl_shown){.figure = &figure};
    char text[64];
    snprintf(text, sizeof text, "4-%d  input norm 10.0: 0.500", TINY_HIDDEN - 1);
    assert_true(shows(s, text));
    act(s, PL_PANE_MAIN, PL_ACT_RIGHT);
    assert_true(shows(s, "0-3  input norm 40.0"));
    pl_intent intent = act(s, PL_PANE_MAIN, PL_ACT_ENTER);
    assert_true(intent.mark);
    assert_int_equal(intent.channel, 2);
    s->model.shown[0] = (pl_shown){0};
    pl_figure_deinit(&figure);
}

/* The largest weight of the marked channel may be a negative one. */
static void test_histogram_marks_with_sign(void **state)
{
    scene *s = *state;
    pl_error err = {0};
    pl_figure figure = {.x = {.lo = -8, .hi = 8}, .y = {.lo = 0.5, .hi = 10, .log = true}};
    float extreme[TINY_HIDDEN] = {[7] = -5};
    pl_check_ok(pl_figure_texts(&figure, "histogram", "x", "y", &err), err);
    pl_series *series = NULL;
    pl_check_ok(pl_figure_add(&figure, "before", PL_MARK_STEPS, PL_TONE_BEFORE, 4, &series, &err),
                err);
    for (size_t i = 0; i < 5; i++) {
        series->x[i] = -8 + 4 * (double)i;
        if (i < 4) {
            series->y[i] = 3;
        }
    }
    s->picture.extreme = extreme;
    accept(s, "view main=histogram");
    accept(s, "select channel=7");
    s->model.shown[0] = (pl_shown){.figure = &figure};
    assert_true(shows(s, "-8.0 ... -4.0: 3"));
    s->model.shown[0] = (pl_shown){0};
    pl_figure_deinit(&figure);
}

/* Any view can be in any pane: the footer says what the arrows do in this one. */
static void test_footer_follows_the_view(void **state)
{
    scene *s = *state;
    static const struct {
        const char *view;
        const char *says;
    } cases[] = {{"view table=histogram", "crosshair"}, {"view table=outliers", "strength"}};
    pl_error err = {0};
    pl_surface surface = {.ascii = true};
    pl_check_ok(pl_surface_resize(&surface, 1, 80, &err), err);
    s->model.focus = PL_PANE_TABLE;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[81] = "";
        accept(s, cases[i].view);
        pl_surface_clear(&surface);
        pl_footer_draw(&s->model, &surface, (pl_rect){0, 0, 1, 80});
        for (int c = 0; c < 80; c++) {
            line[c] = (char)(surface.cells[c].code < 0x80 ? surface.cells[c].code : '?');
        }
        assert_non_null(strstr(line, cases[i].says));
        assert_non_null(strstr(line, "Tab pane"));
        assert_non_null(strstr(line, "Space solve"));
    }
    pl_surface_deinit(&surface);
}

static void test_what_is_missing(void **state)
{
    scene *s = *state;
    accept(s, "view main=histogram");
    assert_true(shows(s, "computing"));
    s->model.shown[0].needs = "not calibrated:  c calibrates";
    assert_true(shows(s, "c calibrates"));
    s->model.shown[0] = (pl_shown){.error = "the file is gone"};
    assert_true(shows(s, "the file is gone"));
    s->model.shown[0] = (pl_shown){.working = true, .seconds = 2, .share = 0.25};
    assert_true(shows(s, "computing  25 %  2.0 s"));
    s->model.shown[0] = (pl_shown){0};
    accept(s, "view main=log");
    assert_true(shows(s, "no command has run yet"));
    pl_log_line line = {.seconds = 0.5, .ok = true, .command = "solve", .result = "gap 0.8 %"};
    s->model.log = &line;
    s->model.n_log = 1;
    assert_true(shows(s, "0.5 s  solve  gap 0.8 %"));
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        SCENE(test_registry),
        SCENE(test_view_command),
        SCENE(test_select_channel),
        SCENE(test_keys_of_the_display),
        SCENE(test_one_channel_in_all),
        SCENE(test_heat_map_view),
        SCENE(test_what_is_missing),
        SCENE(test_sweep_takes_what_was_tried),
        SCENE(test_groups_over_their_input),
        SCENE(test_histogram_marks_with_sign),
        SCENE(test_footer_follows_the_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
