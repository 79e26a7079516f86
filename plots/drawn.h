/* plots/drawn.h -- the weights that a figure of one layer draws: those it was asked for, and those
 * of kept settings. */
#ifndef PL_PLOTS_DRAWN_H
#define PL_PLOTS_DRAWN_H

#include "plots/kinds.h"

typedef struct pl_drawn {
    pl_which which;
    const pl_pin *pin; /* NULL: the state's own; else borrowed from the state */
    pl_tone tone;
    char label[96];
    char suffix[32]; /* its facts' names end with this: "", "_after", "_pin2" */
} pl_drawn;

/* In drawing order: before, the pins, then the state's own results. */
typedef struct pl_drawn_list {
    pl_drawn items[2 + PL_MAX_KEPT];
    size_t count; /* at least 1 */
    size_t base;  /* the item that others are compared with: before, or the state's only one */
    size_t live;  /* the state's last item; base where it has only one */
    size_t lost;  /* pins left out because the store no longer has them */
} pl_drawn_list;

/* An unsolved layer has only its original weights, under a label that says so where other ones were
 * asked for; `both` is then one series. */
void pl_drawn_find(pl_lab *lab, const pl_state *state, const pl_request *request,
                   pl_drawn_list *out);

/* The state's own weights of that kind as an item, likewise. */
void pl_drawn_set_own(const pl_state *state, const pl_request *request, pl_which which,
                      pl_drawn *out);

/* An item's weights; *w is allocated where it is empty, else reused. */
PL_NODISCARD pl_status pl_drawn_weights(pl_lab *lab, const pl_state *state, size_t layer,
                                        const pl_drawn *drawn, pl_mat *w, pl_error *err);

/* Adds the fact "pins_lost" if there are any. */
void pl_drawn_facts(const pl_drawn_list *list, pl_figure *figure);

/* The group size of the layer's methods: the preconditioner's, else the rounder's, else 128.  As
 * in commands, 0 is one group per row. */
size_t pl_drawn_group_size(const pl_state *state, size_t layer);

/* Gives an axis the groups of cols channels as names: "0–127", ... */
PL_NODISCARD pl_status pl_drawn_group_names(pl_axis *axis, size_t cols, size_t group_size,
                                            pl_error *err);

/* The layer's input statistics without the Gram matrix, for the caller to deinit; the demo
 * calibrates itself. */
PL_NODISCARD pl_status pl_drawn_inputs(pl_context cx, size_t layer, bool with_sample,
                                       pl_site_stats *out, pl_error *err);

#endif
