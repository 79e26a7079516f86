/* views/tuner.h -- what the tuner's two files share: its list of parameters (tuner_list.c) and its
 * drawing (tuner.c). */
#ifndef PL_VIEWS_TUNER_H
#define PL_VIEWS_TUNER_H

#include "views/panel.h"

/* A line of the list: a slot's method (param SIZE_MAX) or one of its parameters. */
typedef struct pl_tuner_row {
    pl_slot slot;
    const pl_spec *spec; /* of the selected layer, overrides applied; borrowed from the state */
    size_t param;
} pl_tuner_row;

enum { PL_TUNER_ROWS = PL_SLOT_COUNT * (PL_MAX_PARAMS + 1) };

/* A slot's spec for the selected layer; the general one while no model is open. */
const pl_spec *pl_tuner_spec(const pl_screen_model *model, pl_slot slot);

/* The parameter's value; if a solve finds it, the value found, NaN before that. */
double pl_tuner_value(const pl_screen_model *model, const pl_tuner_row *row);

/* The parameters that apply, and those that a solve finds, but not those that the format fixes. */
size_t pl_tuner_rows(const pl_screen_model *model, pl_tuner_row rows[PL_TUNER_ROWS]);
const char *pl_tuner_glob(const pl_screen_model *model, const pl_tuner_row *row);

/* After a change of methods: a cursor that nobody has moved goes to the strength; else it stays on
 * its parameter, or on the method if that has lost the parameter.  Where a solve now finds that
 * parameter from another one, it goes to the other one. */
void pl_tuner_follow(pl_screen_model *model);

/* The value `steps` positions of the knob away, within the parameter's range. */
double pl_tuner_step(const pl_param *param, double value, int steps);

/* Shortens "astro beta=0.001 > gptq bits=3" to "beta=0.001 > 3" or, where that is too wide, to
 * "0.001 > 3". */
void pl_short_label(const char *label, int width, char *out, size_t capacity);

bool pl_tuner_act(pl_screen_model *model, pl_action action, pl_intent *intent);
bool pl_tuner_type(pl_screen_model *model, pl_press press, pl_intent *intent);
bool pl_tuner_mouse(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent);

/* Where the list is in the pane. */
pl_rect pl_tuner_list_rect(pl_rect rect);

#endif
