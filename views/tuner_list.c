/* The tuner's list: the methods of the three slots and their parameters, and the knob that turns
 * them.  Every turn is a `method` command. */
#include "views/tuner.h"

#include "views/mouse.h"
#include "views/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is turned most comes first; a transform is chosen once. */
static const pl_slot slots[] = {PL_SLOT_PRECONDITION, PL_SLOT_ROUND, PL_SLOT_TRANSFORM};

const pl_spec *pl_tuner_spec(const pl_screen_model *model, pl_slot slot)
{
    const pl_state *state = model->state;
    return state->source != NULL ? pl_state_spec(state, state->layer, slot) : &state->slots[slot];
}

size_t pl_tuner_rows(const pl_screen_model *model, pl_tuner_row rows[PL_TUNER_ROWS])
{
    size_t n = 0;
    for (size_t s = 0; s < sizeof slots / sizeof *slots; s++) {
        const pl_spec *spec = pl_tuner_spec(model, slots[s]);
        rows[n++] = (pl_tuner_row){slots[s], spec, SIZE_MAX};
        for (size_t i = 0; spec->method != NULL && i < spec->method->n_params; i++) {
            if ((pl_spec_applies(spec, i) || pl_spec_seeks(spec, i)) && !pl_spec_fixes(spec, i)) {
                rows[n++] = (pl_tuner_row){slots[s], spec, i};
            }
        }
    }
    return n;
}

double pl_tuner_value(const pl_screen_model *model, const pl_tuner_row *row)
{
    const pl_picture *picture = pl_present_picture(model);
    double value = row->spec->values[row->param];
    if (pl_spec_seeks(row->spec, row->param)) {
        const char *found = row->spec->method->params[row->param].found;
        value = (double)NAN;
        for (size_t i = 0; picture != NULL && picture->solved && pl_told(i) != NULL; i++) {
            value = strcmp(pl_told(i)->name, found) == 0 ? picture->report.told[i] : value;
        }
    }
    return value;
}

/* Whether the row is of a pair of which the other one rules. */
static bool is_overruled(const pl_tuner_row *row)
{
    const pl_method *method = row->spec->method;
    bool overruled = row->param != SIZE_MAX && pl_spec_seeks(row->spec, row->param);
    for (size_t i = 0; row->param != SIZE_MAX && i < method->n_params; i++) {
        overruled =
            overruled || (method->params[i].sought && method->params[i].sought_by == row->param &&
                          !pl_spec_seeks(row->spec, i));
    }
    return overruled;
}

/* The row that was chosen, wherever it is by now; its method's where there is none any more. */
static void stay(pl_tuner_view *view, const pl_tuner_row *rows, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const bool own = rows[i].param == view->param;
        if (rows[i].slot == view->slot && (own || rows[i].param == SIZE_MAX)) {
            found = i;
            if (own) {
                break;
            }
        }
    }
    view->row = found;
    view->param = rows[found].param;
}

void pl_tuner_follow(pl_screen_model *model)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    pl_tuner_view *view = &model->views.tuner;
    const size_t n = pl_tuner_rows(model, rows);
    if (view->chosen) {
        stay(view, rows, n);
    }
    const bool overruled = view->row < n && is_overruled(&rows[view->row]);
    const pl_slot slot = overruled ? rows[view->row].slot : rows[0].slot;
    if (view->chosen && !overruled) {
        return;
    }
    view->row = 1;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].slot == slot && rows[i].param != SIZE_MAX &&
            rows[i].param == pl_spec_telling(rows[i].spec)) {
            view->row = i;
        }
    }
}

/* The glob of the override that the selected layer's spec comes from, or NULL. */
const char *pl_tuner_glob(const pl_screen_model *model, const pl_tuner_row *row)
{
    const pl_state *state = model->state;
    for (size_t i = 0; i < state->n_overrides; i++) {
        if (row->spec == &state->overrides[i].spec) {
            return state->overrides[i].glob;
        }
    }
    return NULL;
}

static void add_glob(const pl_screen_model *model, const pl_tuner_row *row, pl_buf *out)
{
    const char *glob = pl_tuner_glob(model, row);
    if (glob != NULL) {
        pl_buf_printf(out, " on='%s'", glob);
    }
}

static bool finish_intent(pl_buf *buf, pl_intent *intent)
{
    bool fits = !buf->failed && buf->size < sizeof intent->command;
    if (fits) {
        memcpy(intent->command, buf->data, buf->size + 1);
        intent->live = true;
    }
    pl_buf_deinit(buf);
    return fits;
}

/* The row's spec with the parameter set to the text.  Turning a parameter that a solve finds fixes
 * it; one that is no longer found by a solve keeps the value found. */
static pl_spec changed_spec(const pl_screen_model *model, const pl_tuner_row *row, const char *text)
{
    pl_spec spec = *row->spec;
    const bool takes = pl_spec_seeks(&spec, row->param);
    if (pl_spec_set(&spec, spec.method->params[row->param].name, text, NULL) != PL_OK) {
        return spec; /* the command says so */
    }
    for (size_t i = 0; i < spec.method->n_params; i++) {
        const pl_tuner_row other = {row->slot, row->spec, i};
        const bool sought = !takes && pl_spec_seeks(row->spec, i);
        const double found = sought ? pl_tuner_value(model, &other) : (double)NAN;
        if (sought && !pl_spec_seeks(&spec, i) && !isnan(found)) {
            spec.values[i] = found;
        }
    }
    return spec;
}

/* `method NAME` with the parameters that differ from their defaults, and the changed one; also a
 * parameter that a solve would find otherwise. */
static bool set_text(const pl_screen_model *model, const pl_tuner_row *row, const char *text,
                     pl_intent *intent)
{
    const pl_method *method = row->spec->method;
    const pl_spec spec = changed_spec(model, row, text);
    const pl_spec usual = pl_spec_usual(&spec);
    pl_buf buf = {0};
    pl_buf_printf(&buf, "method %s", method->name);
    for (size_t i = 0; i < method->n_params; i++) {
        if (i == row->param) {
            pl_buf_printf(&buf, " %s=%s", method->params[i].name, text);
        } else if (pl_spec_is_written(&spec, i) &&
                   (spec.values[i] != usual.values[i] || method->params[i].sought ||
                    method->params[i].leads)) {
            pl_buf_printf(&buf, " %s=", method->params[i].name);
            pl_spec_format_value(&spec, i, &buf);
        }
    }
    add_glob(model, row, &buf);
    return finish_intent(&buf, intent);
}

static bool set_row_value(const pl_screen_model *model, const pl_tuner_row *row, double value,
                          pl_intent *intent)
{
    pl_spec spec = *row->spec;
    spec.values[row->param] = value;
    pl_buf text = {0};
    pl_spec_format_value(&spec, row->param, &text);
    bool set = text.data != NULL && set_text(model, row, text.data, intent);
    pl_buf_deinit(&text);
    return set;
}

/* What the positions of a logarithmic knob are counted from, and the least of them above 0. */
static double usual_value(const pl_param *param)
{
    return param->initial > 0 ? param->initial : param->maximum <= 1 ? 1e-3 : 1;
}

static double least_value(const pl_param *param)
{
    if (param->minimum > 0) {
        return param->minimum;
    }
    return param->type == PL_PARAM_INT ? 8 : usual_value(param) * 1e-3;
}

static double rounded(const pl_param *param, double value, const char *format)
{
    char text[32];
    snprintf(text, sizeof text, format, value);
    value = strtod(text, NULL);
    return param->type == PL_PARAM_INT ? round(value) : value;
}

/* The position `steps` away that is another value: whole numbers have fewer than positions. */
static double step_factor(const pl_param *param, double value, int steps)
{
    const double usual = usual_value(param);
    const double least = least_value(param);
    /* Doubled whole numbers are themselves, 1024 and not 1020. */
    const bool whole = param->type == PL_PARAM_INT && rint(param->step) >= param->step;
    if (value <= 0) {
        return steps > 0 ? least : 0;
    }
    const int way = steps > 0 ? 1 : -1;
    for (int i = 0; i < abs(steps); i++) {
        const double k = log(value / usual) / log(param->step);
        double at = way > 0 ? floor(k + 0.1) : ceil(k - 0.1);
        double next = value;
        do {
            at += way;
            next = rounded(param, usual * pow(param->step, at), whole ? "%.0f" : "%.3g");
        } while ((next - value) * way <= 0 && (way > 0 ? next < param->maximum : next > least));
        if (next < least * 0.999) {
            return param->minimum;
        }
        value = next;
    }
    return value;
}

/* The knob's positions are usual * step^k (or initial + k step), rounded to three digits but for
 * whole multiples: left undoes right, and a typed value falls in at the next position. */
double pl_tuner_step(const pl_param *param, double value, int steps)
{
    double next = value;
    if (param->type == PL_PARAM_CHOICE) {
        double count = param->maximum + 1;
        next = fmod(value + steps + 16 * count, count);
    } else if (param->logarithmic && param->step > 1) {
        next = step_factor(param, value, steps);
    } else {
        next = rounded(param, value + steps * (param->step > 0 ? param->step : 1), "%.6g");
    }
    return next < param->minimum ? param->minimum : next > param->maximum ? param->maximum : next;
}

/* Whether a choice is one that goes with the others: a format has scale modes of its own. */
static bool is_allowed(const pl_spec *spec, size_t param, double value)
{
    pl_spec next = *spec;
    const pl_param *p = &spec->method->params[param];
    return pl_spec_set(&next, p->name, p->choices[(size_t)value], NULL) == PL_OK;
}

/* The next method of the slot, `none` among them. */
static bool turn_method(const pl_screen_model *model, const pl_tuner_row *row, int steps,
                        pl_intent *intent)
{
    const pl_method *next = pl_method_next(row->slot, row->spec->method, steps > 0 ? 1 : -1);
    pl_buf buf = {0};
    if (next != NULL) {
        pl_buf_printf(&buf, "method %s", next->name);
    } else {
        pl_buf_printf(&buf, "method none slot=%s", pl_slot_name(row->slot));
    }
    add_glob(model, row, &buf);
    return finish_intent(&buf, intent);
}

/* Whether what a solve has found is of the spec as it is now, not of one that was turned since. */
static bool is_found(const pl_screen_model *model, const pl_tuner_row *row)
{
    const pl_picture *picture = pl_present_picture(model);
    return picture != NULL && picture->solved && picture->preview_rows == 0 &&
           !isnan(pl_tuner_value(model, row)) &&
           pl_id_equal(model->plan, pl_state_plan(model->state, model->state->layer));
}

/* Below the least target what was found for it is kept: not before it has been found, and keys that
 * come faster than solves stop at the target. */
static double stop_at_least(const pl_screen_model *model, const pl_tuner_row *row, double value,
                            double next, pl_intent *intent)
{
    const pl_method *method = row->spec->method;
    const pl_param *param = &method->params[row->param];
    for (size_t i = 0; i < method->n_params; i++) {
        const pl_tuner_row other = {row->slot, row->spec, i};
        if (next > 0 || !pl_spec_seeks(row->spec, i) || method->params[i].sought_by != row->param ||
            !pl_can_solve(model->state)) {
            continue;
        }
        const double least = pl_tuner_step(param, 0, 1);
        if (value > least || !is_found(model, &other)) {
            intent->say = value > least ? NULL : "a solve finds it first: Space";
            return least < value ? least : value;
        }
    }
    return next;
}

bool pl_tuner_turn(pl_screen_model *model, int steps, pl_intent *intent)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    size_t at = model->views.tuner.row < n ? model->views.tuner.row : n - 1;
    const pl_tuner_row *row = &rows[at];
    if (row->param == SIZE_MAX) {
        return turn_method(model, row, steps, intent);
    }
    if (model->count > 1) {
        steps *= model->count < 1000 ? (int)model->count : 1000;
        intent->counted = true;
    }
    double value = pl_tuner_value(model, row);
    if (isnan(value)) {
        intent->say = "a solve finds it first: Space";
        return true;
    }
    const pl_param *param = &row->spec->method->params[row->param];
    double next = pl_tuner_step(param, value, steps);
    for (int i = 0; param->type == PL_PARAM_CHOICE && i < param->maximum &&
                    !is_allowed(row->spec, row->param, next);
         i++) {
        next = pl_tuner_step(param, next, steps > 0 ? 1 : -1);
    }
    next = stop_at_least(model, row, value, next, intent);
    if (next != value && set_row_value(model, row, next, intent)) {
        intent->knob = 1 + (int)row->slot * PL_MAX_PARAMS + (int)row->param;
    }
    return true;
}

/* A value that is not understood stays where it is typed, with the reason beside it. */
static bool take_value(pl_screen_model *model, const pl_tuner_row *row, pl_intent *intent)
{
    pl_tuner_view *view = &model->views.tuner;
    pl_spec spec = *row->spec;
    pl_error why = {0};
    if (pl_spec_set(&spec, spec.method->params[row->param].name, view->text, &why) != PL_OK) {
        snprintf(view->wrong, sizeof view->wrong, "%.199s", why.message);
        pl_text_trim_utf8(view->wrong);
        return false;
    }
    return set_text(model, row, view->text, intent);
}

static bool type_value(pl_screen_model *model, pl_press press, pl_intent *intent)
{
    pl_tuner_view *view = &model->views.tuner;
    size_t length = strlen(view->text);
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    view->wrong[0] = '\0';
    if (press.key == PL_KEY_ESC) {
        view->editing = false;
    } else if (press.key == PL_K_BACKSPACE || press.key == 127 || press.key == 8) {
        if (length == 0) {
            view->editing = false;
        } else {
            view->text[length - 1] = '\0';
        }
    } else if (press.key == ('u' & 0x1f)) {
        view->text[0] = '\0';
    } else if (press.key == PL_KEY_ENTER || press.key == '\n') {
        view->editing = length > 0 && view->row < n && rows[view->row].param != SIZE_MAX &&
                        !take_value(model, &rows[view->row], intent);
    } else if (press.key == '\t' || press.key == PL_K_UP || press.key == PL_K_DOWN) {
        view->editing = false;
        return false;
    } else if (press.key > ' ' && press.key < 127 && length + 1 < sizeof view->text &&
               strchr("'\";#=", (int)press.key) == NULL) {
        view->text[length] = (char)press.key;
        view->text[length + 1] = '\0';
    }
    return true;
}

static bool is_number_start(uint32_t key)
{
    return (key >= '0' && key <= '9') || key == '.' || key == '-';
}

bool pl_tuner_type(pl_screen_model *model, pl_press press, pl_intent *intent)
{
    pl_tuner_view *view = &model->views.tuner;
    if (view->editing) {
        return type_value(model, press, intent);
    }
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    if (press.alt || view->row >= n || rows[view->row].param == SIZE_MAX ||
        !is_number_start(press.key)) {
        return false;
    }
    view->editing = true;
    snprintf(view->text, sizeof view->text, "%c", (char)press.key);
    return true;
}

static bool start_edit(pl_screen_model *model, const pl_tuner_row *row)
{
    pl_tuner_view *view = &model->views.tuner;
    if (row->param == SIZE_MAX) {
        return true;
    }
    pl_buf text = {0};
    pl_spec spec = *row->spec;
    const double value = pl_tuner_value(model, row);
    spec.values[row->param] = isnan(value) ? spec.values[row->param] : value;
    pl_spec_format_value(&spec, row->param, &text);
    snprintf(view->text, sizeof view->text, "%s", text.data != NULL ? text.data : "");
    view->editing = true;
    pl_buf_deinit(&text);
    return true;
}

static void choose_row(pl_tuner_view *view, const pl_tuner_row *rows, size_t row)
{
    view->row = row;
    view->chosen = true;
    view->slot = rows[row].slot;
    view->param = rows[row].param;
}

bool pl_tuner_act(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    pl_tuner_row rows[PL_TUNER_ROWS];
    size_t n = pl_tuner_rows(model, rows);
    pl_tuner_view *view = &model->views.tuner;
    size_t at = view->row < n ? view->row : n - 1;
    switch (action) {
    case PL_ACT_UP:
        choose_row(view, rows, at > 0 ? at - 1 : 0);
        return true;
    case PL_ACT_DOWN:
        choose_row(view, rows, at + 1 < n ? at + 1 : at);
        return true;
    case PL_ACT_PAGE_UP:
    case PL_ACT_FIRST:
        choose_row(view, rows, 0);
        return true;
    case PL_ACT_PAGE_DOWN:
    case PL_ACT_LAST:
        choose_row(view, rows, n - 1);
        return true;
    case PL_ACT_LEFT:
        return pl_tuner_turn(model, -1, intent);
    case PL_ACT_RIGHT:
        return pl_tuner_turn(model, 1, intent);
    case PL_ACT_FAR_LEFT:
        return pl_tuner_turn(model, -4, intent);
    case PL_ACT_FAR_RIGHT:
        return pl_tuner_turn(model, 4, intent);
    case PL_ACT_ENTER:
        return start_edit(model, &rows[at]);
    case PL_ACT_RESET:
        return rows[at].param == SIZE_MAX ||
               set_row_value(model, &rows[at],
                             rows[at].spec->method->params[rows[at].param].initial, intent);
    default:
        return false;
    }
}

pl_rect pl_tuner_list_rect(pl_rect rect)
{
    const int room = rect.w - 31;
    return (pl_rect){rect.y + 1, rect.x, rect.h - 1, room > 28 ? 28 : room < 18 ? 18 : room};
}

bool pl_tuner_mouse(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent)
{
    (void)intent;
    pl_tuner_view *view = &model->views.tuner;
    pl_tuner_row rows[PL_TUNER_ROWS];
    const size_t n = pl_tuner_rows(model, rows);
    const int line = pl_mouse_line(mouse, pl_tuner_list_rect(rect), 0);
    if (pl_mouse_scroll(mouse, view->row, &view->top, &view->held) ||
        mouse.kind != PL_MOUSE_PRESS || line < 0 || view->top + (size_t)line >= n) {
        return false;
    }
    choose_row(view, rows, view->top + (size_t)line);
    return true;
}
