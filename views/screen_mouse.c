#include "views/mouse.h"

static pl_pane pane_under(const pl_panes *panes, pl_mouse mouse)
{
    pl_pane pane = 0;
    while (pane < PL_PANE_COUNT && !pl_rect_holds(panes->panes[pane], mouse.y, mouse.x)) {
        pane++;
    }
    return pane;
}

void pl_screen_mouse(pl_screen_model *model, pl_mouse mouse, pl_intent *intent)
{
    const pl_panes panes = model->panes;
    pl_pane pane = pane_under(&panes, mouse);
    if (mouse.kind == PL_MOUSE_PRESS) {
        model->pressed = pane;
        model->views.tuner.editing = false;
        model->focus = pane < PL_PANE_COUNT ? pane : model->focus;
    } else if (mouse.kind == PL_MOUSE_DRAG || mouse.kind == PL_MOUSE_RELEASE) {
        pane = model->pressed;
    }
    if (mouse.kind == PL_MOUSE_RELEASE) {
        model->pressed = PL_PANE_COUNT;
    }
    if (pane >= PL_PANE_COUNT) {
        return;
    }
    const pl_panel *panel = pl_panel_of(pane);
    if (panel->mouse(model, panes.panes[pane], mouse, intent) && mouse.twice) {
        (void)panel->act(model, PL_ACT_ENTER, intent);
    }
}
