/* The panes that show views: what is drawn, which keys and clicks they take. */
#include "views/figure_view.h"
#include "views/view.h"

#include <stdio.h>

/* --- keys of the display ---------------------------------------------------------------------- */

static int count_forms(const pl_kind *kind)
{
    int n = kind != NULL && kind->forms != NULL ? 1 : 0;
    for (const char *s = n > 0 ? kind->forms : ""; *s != '\0'; s++) {
        n += *s == '|';
    }
    return n;
}

static void next_view(const pl_state *state, pl_pane pane, size_t by, pl_intent *intent)
{
    const pl_screen_view *const *views = pl_views();
    const size_t at = pl_view_place(pl_view_of(state, pane));
    snprintf(intent->command, sizeof intent->command, "view %s=%s", pl_pane_word(pane),
             views[(at + by) % pl_view_count()]->name);
}

/* " pane=second": what a `view` command names where it is not the main pane. */
static const char *pane_key(pl_pane pane)
{
    return pane == PL_PANE_SECOND ? " pane=second" : pane == PL_PANE_TABLE ? " pane=table" : "";
}

static void next_form(const pl_state *state, pl_pane pane, pl_intent *intent)
{
    const pl_kind *kind = pl_view_of(state, pane)->kind;
    int count = count_forms(kind);
    if (count > 1) {
        char name[PL_VIEW_NAME];
        pl_view_form_name(kind, (pl_view_shown_form(state, pane) + 1) % count, name);
        snprintf(intent->command, sizeof intent->command, "view%s form=%s", pane_key(pane), name);
    } else {
        intent->say = "this view has one form only";
    }
}

bool pl_display_act(const pl_screen_model *model, pl_action action, pl_intent *intent)
{
    const pl_state *state = model->state;
    const bool split = pl_display_is_split(state);
    pl_pane pane = pl_view_index(model->focus) < PL_DISPLAY_PANES ? model->focus : PL_PANE_MAIN;
    switch (action) {
    case PL_ACT_NEXT_VIEW:
        next_view(state, pane, 1, intent);
        return true;
    case PL_ACT_PREV_VIEW:
        next_view(state, pane, pl_view_count() - 1, intent);
        return true;
    case PL_ACT_FORM:
        next_form(state, pane, intent);
        return true;
    case PL_ACT_SPLIT:
        snprintf(intent->command, sizeof intent->command, "view split=%s", split ? "no" : "yes");
        /* The new pane is what one will want to turn to; a closed one cannot keep the focus. */
        intent->focus = !split                           ? (int)PL_PANE_SECOND
                        : model->focus == PL_PANE_SECOND ? (int)PL_PANE_MAIN
                                                         : -1;
        return true;
    case PL_ACT_ZOOM_PANE:
        snprintf(intent->command, sizeof intent->command, "view zoom=%s",
                 pl_zoomed_pane(state) < PL_PANE_COUNT ? "no" : pl_pane_word(model->focus));
        return true;
    default:
        return false;
    }
}

/* Order and scale: settings of the pane, where the view's figure knows them. */
static bool act_on_settings(const pl_screen_model *model, pl_pane pane, pl_action action,
                            pl_intent *intent)
{
    const pl_kind *kind = pl_view_of(model->state, pane)->kind;
    const pl_pane_view settings = pl_view_settings(model->state, pane);
    if (kind != NULL && action == PL_ACT_SORT && (kind->uses & PL_USES_ORDER) != 0) {
        snprintf(intent->command, sizeof intent->command, "view%s order=%s", pane_key(pane),
                 settings.sorted ? "index" : "sorted");
        return true;
    }
    if (kind != NULL && action == PL_ACT_LOG && (kind->uses & PL_USES_SCALE) != 0) {
        snprintf(intent->command, sizeof intent->command, "view%s scale=%s", pane_key(pane),
                 settings.log ? "linear" : "log");
        return true;
    }
    if (action == PL_ACT_SORT || action == PL_ACT_LOG) {
        intent->say =
            action == PL_ACT_SORT ? "this view has one order only" : "this view has its own scale";
        return true;
    }
    return false;
}

/* --- the three panes -------------------------------------------------------------------------- */

static void draw_pane(pl_screen_model *model, pl_surface *surface, pl_rect rect, pl_pane pane)
{
    model->shown[pl_view_index(pane)].memo.area = (pl_rect){0};
    if (pl_view_compares(model->state, pane)) {
        pl_view_compare_draw(model, surface, rect);
        return;
    }
    pl_view_of(model->state, pane)->draw(model, surface, rect, pane);
}

static bool point_at_pane(pl_screen_model *model, pl_pane pane, pl_rect rect, pl_mouse mouse,
                          pl_intent *intent)
{
    return pl_view_of(model->state, pane)->mouse(model, pane, rect, mouse, intent);
}

static bool act_pane(pl_screen_model *model, pl_pane pane, pl_action action, pl_intent *intent)
{
    const pl_screen_view *view = pl_view_of(model->state, pane);
    bool turned = (pl_view_compares(model->state, pane)
                       ? pl_figure_view_act(model, pane, action, intent, &view->kind->look)
                       : view->act(model, pane, action, intent)) ||
                  act_on_settings(model, pane, action, intent);
    if (action == PL_ACT_SORT && intent->command[0] != '\0') {
        /* Another order is another axis: what was zoomed into means nothing on it. */
        pl_pane_memo *memo = &model->shown[pl_view_index(pane)].memo;
        memo->first = memo->shown = 0;
        memo->placed = false;
    }
    if (!turned && action == PL_ACT_ENTER && pane != PL_PANE_MAIN) {
        intent->focus = PL_PANE_MAIN;
        turned = true;
    }
    return turned;
}

static void draw_main(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    draw_pane(model, surface, rect, PL_PANE_MAIN);
}

static void draw_second(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    draw_pane(model, surface, rect, PL_PANE_SECOND);
}

static void draw_table(pl_screen_model *model, pl_surface *surface, pl_rect rect)
{
    draw_pane(model, surface, rect, PL_PANE_TABLE);
}

static bool act_main(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    return act_pane(model, PL_PANE_MAIN, action, intent);
}

static bool act_second(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    return act_pane(model, PL_PANE_SECOND, action, intent);
}

static bool act_table(pl_screen_model *model, pl_action action, pl_intent *intent)
{
    return act_pane(model, PL_PANE_TABLE, action, intent);
}

static bool mouse_in_main(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent)
{
    return point_at_pane(model, PL_PANE_MAIN, rect, mouse, intent);
}

static bool mouse_in_second(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent)
{
    return point_at_pane(model, PL_PANE_SECOND, rect, mouse, intent);
}

static bool mouse_in_table(pl_screen_model *model, pl_rect rect, pl_mouse mouse, pl_intent *intent)
{
    return point_at_pane(model, PL_PANE_TABLE, rect, mouse, intent);
}

const pl_panel pl_panel_main = {.draw = draw_main, .act = act_main, .mouse = mouse_in_main};
const pl_panel pl_panel_second = {.draw = draw_second, .act = act_second, .mouse = mouse_in_second};
const pl_panel pl_panel_table = {.draw = draw_table, .act = act_table, .mouse = mouse_in_table};
