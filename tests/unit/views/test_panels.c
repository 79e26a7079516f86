/* The whole screen, drawn on a surface: every size, no empty pane, and what the panes say. */
#include "core/state/remarks.h"
#include "views/help.h"
#include "views/layers.h"
#include "views/view.h"
#include "views/tuner.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/tiny_model.h"

typedef struct scene {
    pl_temp temp;
    pl_state state;
    pl_layer_row rows[64];
    pl_overview overview;
    pl_picture picture;
    float before[TINY_HIDDEN], after[TINY_HIDDEN];
    pl_screen_model model;
} scene;

static void put_rows(scene *s)
{
    s->picture.n_weights = 8;
    for (size_t i = 0; i < 8; i++) {
        s->picture.weights[i] = (pl_channel_row){
            .channel = i, .max = 1, .rms = 0.5, .ratio = 7, .token_position = -1, .token_id = -1};
    }
}

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
    pl_state_default_methods(&s->state);
    pl_check_ok(pl_spec_set(&s->state.slots[PL_SLOT_PRECONDITION], "beta", "3e-4", &err), err);
    s->overview = (pl_overview){pl_model_layer_count(model), s->rows};
    for (size_t i = 0; i < s->overview.n; i++) {
        s->rows[i] = pl_layer_row_empty();
        s->rows[i].number[PL_COLUMN_WEIGHT_MAX] = 1;
        s->rows[i].number[PL_COLUMN_WEIGHT_RATIO] = (double)i;
    }
    for (size_t i = 0; i < TINY_HIDDEN; i++) {
        s->before[i] = i == 7 ? 5 : 1;
        s->after[i] = 0.5f;
    }
    s->picture = (pl_picture){.rows = TINY_HIDDEN,
                              .cols = TINY_HIDDEN,
                              .before = s->before,
                              .preconditioned = s->after,
                              .solved = true,
                              .group_max_before = 2};
    s->picture.report = (pl_solve_report){.gap = 0.01,
                                          .iterations = 20,
                                          .relative_error = 1e-3,
                                          .rounded_relative_error = 2e-2,
                                          .bound = 3,
                                          .group_max_before = 2,
                                          .group_max_after = 1};
    put_rows(s);
    s->model = (pl_screen_model){.state = &s->state,
                                 .overview = &s->overview,
                                 .picture = &s->picture,
                                 .marks = PL_MARKS_BRAILLE};
    s->model.views.tuner.row = 1;
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

/* The screen as text, lines ended by newlines; wide cells and beyond-ASCII ones as '*'. */
static char *text_of(const pl_surface *surface)
{
    char *text = malloc((size_t)surface->rows * ((size_t)surface->cols + 1) + 1);
    assert_non_null(text);
    char *to = text;
    for (int y = 0; y < surface->rows; y++) {
        for (int x = 0; x < surface->cols; x++) {
            uint32_t code = surface->cells[y * surface->cols + x].code;
            *to++ = (char)(code < 0x80 && code != 0 ? code : '*');
        }
        *to++ = '\n';
    }
    *to = '\0';
    return text;
}

static char *draw(scene *s, int rows, int cols)
{
    pl_surface surface = {.ascii = s->model.marks == PL_MARKS_ASCII};
    pl_error err = {0};
    pl_check_ok(pl_surface_resize(&surface, rows, cols, &err), err);
    pl_screen_draw(&s->model, &surface, false);
    char *text = text_of(&surface);
    pl_surface_deinit(&surface);
    return text;
}

static void expect(scene *s, int rows, int cols, const char *const *words)
{
    char *text = draw(s, rows, cols);
    for (; *words != NULL; words++) {
        if (strstr(text, *words) == NULL) {
            fprintf(stderr, "%dx%d lacks \"%s\":\n%s", cols, rows, *words, text);
            fail();
        }
    }
    free(text);
}

static void test_sizes(void **state)
{
    scene *s = *state;
    for (int rows = 1; rows <= 100; rows = rows < 30 ? rows + 1 : rows + 23) {
        for (int cols = 1; cols <= 300; cols = cols < 130 ? cols + 1 : cols + 37) {
            for (pl_pane focus = 0; focus < PL_PANE_COUNT; focus++) {
                s->model.focus = focus;
                s->model.marks = (rows + cols) % 2 == 0 ? PL_MARKS_BRAILLE : PL_MARKS_ASCII;
                free(draw(s, rows, cols));
            }
        }
    }
}

/* A layer with a bad number says so; one that is not read yet has dots. */
static void test_bad_layer(void **state)
{
    scene *s = *state;
    s->model.marks = PL_MARKS_ASCII;
    static const pl_status problems[] = {PL_OK, PL_ERR_NUMERIC, PL_ERR_UNSUPPORTED, PL_OK};
    for (size_t i = 1; i < 4; i++) {
        s->rows[i] = pl_layer_row_empty();
        s->rows[i].problem = problems[i];
    }
    char *text = draw(s, 30, 100);
    static const char *const rows[][2] = {
        {"0.k_proj ", " NaN "}, {"0.v_proj ", " - "}, {"0.o_proj ", " ... "}};
    for (size_t i = 0; i < 3; i++) {
        char *row = strstr(text, rows[i][0]);
        assert_non_null(row);
        char line[40];
        snprintf(line, sizeof line, "%.30s", row);
        assert_non_null(strstr(line, rows[i][1]));
    }
    free(text);
}

static void test_contents(void **state)
{
    scene *s = *state;
    s->model.marks = PL_MARKS_ASCII;
    expect(s, 24, 80,
           (const char *const[]){"planish", "0.q_proj", "beta", "group max", "W4 error", "-50 %",
                                 ": command", "? help", NULL});
    /* Both series are named, however narrow. */
    s->state.which = PL_WHICH_BOTH;
    expect(s, 24, 80, (const char *const[]){"' before  : precond   7: 5.00 -> 0.500", NULL});
    expect(s, 30, 100, (const char *const[]){"' before  : precond", "x median", NULL});
    expect(s, 50, 200,
           (const char *const[]){"' before  : preconditioned", "2.mlp.down_proj",
                                 "0.self_attn.q_proj", "refine", "20 iterations", NULL});
}

static void test_missing(void **state)
{
    scene *s = *state;
    s->model.marks = PL_MARKS_ASCII;
    s->state.side = PL_SIDE_INPUT;
    expect(s, 24, 80, (const char *const[]){"not calibrated", ":calibrate text=FILE", NULL});
    s->model.picture = NULL;
    expect(s, 24, 80, (const char *const[]){"reading the layer", NULL});
    s->model.picture_error = "the file is gone";
    expect(s, 24, 80, (const char *const[]){"the file is gone", NULL});
    s->model.message = "no such layer";
    s->model.message_kind = PL_MESSAGE_ERROR;
    expect(s, 24, 80, (const char *const[]){"error: no such layer", NULL});
    pl_state empty;
    pl_state_init(&empty);
    s->model.state = &empty;
    s->model.overview = NULL;
    expect(s, 24, 80, (const char *const[]){":open PATH", NULL});
    expect(s, 3, 20, (const char *const[]){"needs 44x12", "20x3", NULL});
    s->model.state = &s->state;
    pl_state_deinit(&empty);
}

static void test_uncalibrated(void **state)
{
    scene *s = *state;
    s->model.marks = PL_MARKS_ASCII;
    s->picture.preconditioned = NULL;
    s->picture.solved = false;
    s->state.which = PL_WHICH_BOTH;
    expect(s, 24, 80, (const char *const[]){"before  c calibrates", "needs :calibrate (c)", NULL});
    s->model.calibrating = true;
    s->model.solve_later = true;
    expect(s, 24, 80, (const char *const[]){"solves when calibrated", NULL});
    s->state.side = PL_SIDE_INPUT;
    expect(s, 24, 80, (const char *const[]){"calibrating;  s shows the weights", NULL});
}

static void test_long_message(void **state)
{
    scene *s = *state;
    s->model.marks = PL_MARKS_ASCII;
    char text[200] = "";
    for (int i = 0; i < 12; i++) {
        strcat(text, "many words ");
    }
    strcat(text, "the end");
    s->model.message = text;
    expect(s, 24, 80, (const char *const[]){"the end", NULL});
    /* A key gives the footer back. */
    s->model.message_seen = true;
    expect(s, 24, 80, (const char *const[]){"...", ": command", NULL});
}

/* What stands on a layer is marked behind its name, on the selected one too; a wide list shows the
 * tags themselves, and nothing of them where there are none. */
static void test_remarks(void **state)
{
    scene *s = *state;
    pl_error err = {0};
    bool changed = false;
    s->model.marks = PL_MARKS_ASCII;
    char *plain = draw(s, 30, 100);
    assert_non_null(strstr(plain, "0.k_proj       "));
    assert_null(strstr(plain, "tags"));
    free(plain);
    pl_check_ok(pl_state_tag(&s->state, 0, "later", &changed, &err), err);
    pl_check_ok(pl_state_tag(&s->state, 1, "fragile", &changed, &err), err);
    pl_check_ok(pl_state_tag(&s->state, 1, "later", &changed, &err), err);
    pl_check_ok(pl_state_set_note(&s->state, 2, "channel 5", &err), err);
    expect(s, 30, 100,
           (const char *const[]){"0.q_proj    #", "0.k_proj    #", "0.v_proj    \"", NULL});
    pl_display display = pl_display_of(&s->state);
    snprintf(display.zoom, sizeof display.zoom, "layers");
    pl_check_ok(pl_display_set(&s->state, &display, &err), err);
    expect(s, 30, 100,
           (const char *const[]){" tags ", "0.self_attn.q_proj #", " later ", " fragile later ",
                                 NULL});
    for (int cols = 44; cols < 200; cols++) {
        char *text = draw(s, 30, cols);
        assert_int_equal(strstr(text, " tags ") != NULL, cols >= 72);
        free(text);
    }
}

static void test_keys_make_commands(void **state)
{
    scene *s = *state;
    pl_intent intent = {.focus = -1};
    assert_true(pl_panel_layers.act(&s->model, PL_ACT_DOWN, &intent));
    assert_string_equal(intent.command, "select 0.k_proj");
    intent = (pl_intent){.focus = -1};
    assert_true(pl_panel_tuner.act(&s->model, PL_ACT_RIGHT, &intent));
    assert_string_equal(intent.command, "method astro beta=0.000363");
    assert_true(intent.live);
    /* A typed number starts the edit; Enter makes the command, Escape leaves. */
    intent = (pl_intent){.focus = -1};
    const char *typed = "1e-3";
    for (const char *c = typed; *c != '\0'; c++) {
        assert_true(pl_panel_tuner.type(&s->model, (pl_press){.key = (uint32_t)*c}, &intent));
    }
    assert_true(s->model.views.tuner.editing);
    assert_true(pl_panel_tuner.type(&s->model, (pl_press){.key = PL_KEY_ENTER}, &intent));
    assert_string_equal(intent.command, "method astro beta=1e-3");
    assert_false(s->model.views.tuner.editing);
    intent = (pl_intent){.focus = -1};
    assert_true(pl_panel_tuner.type(&s->model, (pl_press){.key = '5'}, &intent));
    assert_true(pl_panel_tuner.type(&s->model, (pl_press){.key = PL_KEY_ESC}, &intent));
    assert_string_equal(intent.command, "");
    assert_false(s->model.views.tuner.editing);
}

static const char *turned(scene *s, size_t row, pl_action action)
{
    static pl_intent intent;
    intent = (pl_intent){.focus = -1};
    s->model.views.tuner.row = row;
    assert_true(pl_panel_tuner.act(&s->model, action, &intent));
    return intent.command;
}

/* Beside beta stands what beta may be found by: both are turned, from where the other has come. */
static void test_second_knob(void **state)
{
    scene *s = *state;
    pl_error err;
    enum { BETA = 1, TARGET = 2, GROUP_SIZE = 3 };
    pl_spec *astro = &s->state.slots[PL_SLOT_PRECONDITION];
    for (size_t i = 0; i < PL_MAX_TOLD; i++) {
        s->picture.report.told[i] = (double)NAN;
    }
    assert_string_equal(turned(s, TARGET, PL_ACT_RIGHT), "method astro target=0.01");
    pl_check_ok(pl_spec_set(astro, "target", "0.18", &err), err);
    expect(s, 30, 100, (const char *const[]){"beta found", "0.18", NULL}); /* being found */
    assert_string_equal(turned(s, BETA, PL_ACT_RIGHT), "");
    for (size_t i = 0; pl_told(i) != NULL; i++) {
        if (strcmp(pl_told(i)->name, "beta_found") == 0) {
            s->picture.report.told[i] = 7.106e-05;
        }
    }
    expect(s, 30, 100, (const char *const[]){"beta found", "7.106e-05", "0.18", NULL});
    assert_string_equal(turned(s, TARGET, PL_ACT_RIGHT), "method astro target=0.19");
    assert_string_equal(turned(s, GROUP_SIZE, PL_ACT_RIGHT),
                        "method astro target=0.18 group_size=256");
    assert_string_equal(turned(s, BETA, PL_ACT_RIGHT), "method astro beta=7.83e-05");
    pl_check_ok(pl_spec_set(astro, "target", "0.01", &err), err);
    assert_string_equal(turned(s, TARGET, PL_ACT_LEFT), "method astro beta=7.106e-05 target=0");
}

static size_t row_of(const pl_screen_model *model, const char *param)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    const size_t n = pl_tuner_rows(model, rows);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].slot == PL_SLOT_ROUND && rows[i].param != SIZE_MAX &&
            strcmp(rows[i].spec->method->params[rows[i].param].name, param) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* What a format fixes is no knob; the cursor stays on its parameter when rows before it go. */
static void test_fixed_by_the_format(void **state)
{
    scene *s = *state;
    pl_error err;
    pl_intent intent;
    pl_spec *round = &s->state.slots[PL_SLOT_ROUND];
    *round = pl_spec_default(pl_method_find("rtn"));
    assert_int_not_equal(row_of(&s->model, "bits"), SIZE_MAX);
    while (s->model.views.tuner.row != row_of(&s->model, "format")) {
        const size_t before = s->model.views.tuner.row;
        assert_true(pl_panel_tuner.act(&s->model, PL_ACT_DOWN, &intent));
        assert_int_equal(s->model.views.tuner.row, before + 1);
    }
    pl_check_ok(pl_spec_set(round, "format", "nvfp4", &err), err);
    pl_tuner_follow(&s->model);
    assert_int_equal(row_of(&s->model, "bits"), SIZE_MAX);
    assert_int_equal(row_of(&s->model, "group_size"), SIZE_MAX);
    assert_int_equal(s->model.views.tuner.row, row_of(&s->model, "format"));
    pl_check_ok(pl_spec_set(round, "format", "nf4", &err), err);
    pl_tuner_follow(&s->model);
    assert_int_equal(row_of(&s->model, "bits"), SIZE_MAX);
    assert_int_not_equal(row_of(&s->model, "group_size"), SIZE_MAX); /* powers of two */
    assert_int_equal(s->model.views.tuner.row, row_of(&s->model, "format"));
    /* A row that is gone leaves the cursor on its method. */
    assert_true(pl_panel_tuner.act(&s->model, PL_ACT_UP, &intent));
    *round = (pl_spec){0};
    pl_tuner_follow(&s->model);
    pl_tuner_row rows[PL_TUNER_ROWS];
    expect_less(s->model.views.tuner.row, pl_tuner_rows(&s->model, rows));
    assert_int_equal(rows[s->model.views.tuner.row].slot, PL_SLOT_ROUND);
    assert_int_equal(rows[s->model.views.tuner.row].param, SIZE_MAX);
}

/* Red is explained: how much worse than the rounder alone, why, and where it would be least. */
static void test_too_strong(void **state)
{
    scene *s = *state;
    pl_solve_report plain = pl_solve_report_empty();
    s->model.plain = &plain;
    plain.rounded_relative_error = 0.02;
    char *text = draw(s, 50, 200);
    assert_null(strstr(text, "that of gptq alone"));
    free(text);
    s->picture.report.rounded_relative_error = 0.054;
    expect(s, 50, 200,
           (const char *const[]){"W4 error is 2.7 * that of gptq alone: the strength is too high",
                                 NULL});
    s->model.best_strength = 3e-5;
    expect(s, 50, 200, (const char *const[]){"smallest error near 3.0e-5", NULL});
    expect(s, 24, 80,
           (const char *const[]){"W4 error 2.7 * gptq's alone:", "too strong; least near 3.0e-5",
                                 "gap", NULL});
    s->state.slots[PL_SLOT_TRANSFORM] = pl_spec_default(pl_method_find("hadamard"));
    text = draw(s, 50, 200); /* which of the two it is, nobody knows */
    assert_null(strstr(text, "the strength is too high"));
    free(text);
}

static void test_sorting(void **state)
{
    scene *s = *state;
    pl_layers_view *view = &s->model.views.layers;
    pl_intent intent = {.focus = -1};
    /* Turned, model order becomes that of the bar: falling weight ratios, then rising. */
    pl_panel_layers.act(&s->model, PL_ACT_SORT, &intent);
    assert_true(view->sorted);
    assert_int_equal(view->column, PL_COLUMN_WEIGHT_RATIO);
    pl_panel_layers.act(&s->model, PL_ACT_FIRST, &intent);
    assert_string_equal(intent.command, "select 2.down_proj");
    pl_panel_layers.act(&s->model, PL_ACT_SORT, &intent);
    pl_panel_layers.act(&s->model, PL_ACT_LAST, &intent);
    assert_string_equal(intent.command, "select 2.down_proj");
    /* Only what is known can be chosen; model order stands between the last and the first. */
    pl_panel_layers.act(&s->model, PL_ACT_COLUMN_AFTER, &intent);
    assert_int_equal(view->column, PL_COLUMN_WEIGHT_MAX);
    assert_false(view->rising);
    pl_panel_layers.act(&s->model, PL_ACT_COLUMN_AFTER, &intent);
    assert_false(view->sorted);
    pl_panel_layers.act(&s->model, PL_ACT_COLUMN_BEFORE, &intent);
    assert_int_equal(view->column, PL_COLUMN_WEIGHT_MAX);
    /* A solution's numbers count while the layer's result is the one they are of. */
    s->rows[3].number[PL_COLUMN_GAP] = 0.5;
    pl_panel_layers.act(&s->model, PL_ACT_COLUMN_AFTER, &intent);
    assert_false(view->sorted);
}

/* `/` starts empty; up recalls the filter before. */
static void test_filter_is_recalled(void **state)
{
    scene *s = *state;
    pl_intent intent = {.focus = -1};
    pl_layers_view *view = &s->model.views.layers;
    pl_error err = {0};
    pl_check_ok(pl_layers_filter(&s->model, "q_proj", &err), err);
    pl_layers_type_start(&s->model);
    assert_string_equal(view->typed, "");
    assert_string_equal(view->filter, "");
    pl_layers_type(&s->model, (pl_press){.key = PL_K_UP}, &intent);
    assert_string_equal(view->typed, "q_proj");
    assert_string_equal(view->filter, "q_proj");
    pl_layers_type(&s->model, (pl_press){.key = PL_KEY_ESC}, &intent);
    assert_string_equal(view->filter, "");
    assert_false(view->typing);
    /* What cannot be understood is said, and the line goes on. */
    pl_layers_type_start(&s->model);
    for (const char *c = "eror > 1"; *c != '\0'; c++) {
        pl_layers_type(&s->model, (pl_press){.key = (uint32_t)*c}, &intent);
    }
    assert_string_equal(view->wrong, "no column is named \"eror\": did you mean error?");
    pl_layers_type(&s->model, (pl_press){.key = PL_KEY_ENTER}, &intent);
    assert_true(view->typing);
    pl_layers_type(&s->model, (pl_press){.key = 'U' & 0x1f}, &intent);
    assert_string_equal(view->wrong, "");
    pl_layers_type(&s->model, (pl_press){.key = PL_KEY_ESC}, &intent);
}

static void test_help(void **state)
{
    (void)state;
    pl_help_view help = {0};
    pl_error err = {0};
    pl_check_ok(pl_help_open(&help, NULL, "  solve [LAYER|all]\n", &err), err);
    assert_non_null(strstr(help.text, "help"));
    assert_non_null(strstr(help.text, "solve [LAYER|all]"));
    for (const pl_binding *b = pl_bindings(); b->name != NULL; b++) {
        assert_true(b->help == NULL || strstr(help.text, b->help) != NULL);
    }
    pl_surface surface = {0};
    for (int rows = 1; rows < 30; rows += 7) {
        pl_check_ok(pl_surface_resize(&surface, rows, 40, &err), err);
        pl_help_key(&help, (pl_press){.key = 'G'}, rows);
        pl_help_draw(&help, &surface, (pl_rect){0, 0, rows, 40});
    }
    pl_help_key(&help, (pl_press){.key = PL_KEY_ESC}, 10);
    assert_false(help.open);
    /* Nothing is cut off: a long line goes on below, behind its first gap. */
    pl_check_ok(pl_help_show(&help, "title", "  key   what it does\nlast", &err), err);
    pl_check_ok(pl_surface_resize(&surface, 12, 20, &err), err);
    pl_help_draw(&help, &surface, (pl_rect){0, 0, 12, 20});
    char *text = text_of(&surface);
    assert_non_null(strstr(text, "\n   key   what it    \n         does       \n last "));
    free(text);
    pl_help_close(&help);
    pl_surface_deinit(&surface);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        SCENE(test_sizes),
        SCENE(test_bad_layer),
        SCENE(test_contents),
        SCENE(test_remarks),
        SCENE(test_missing),
        SCENE(test_keys_make_commands),
        SCENE(test_second_knob),
        SCENE(test_fixed_by_the_format),
        SCENE(test_too_strong),
        SCENE(test_sorting),
        SCENE(test_filter_is_recalled),
        SCENE(test_help),
        SCENE(test_uncalibrated),
        SCENE(test_long_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
