#include "views/mouse.h"

bool pl_rect_holds(pl_rect rect, int y, int x)
{
    return y >= rect.y && y < rect.y + rect.h && x >= rect.x && x < rect.x + rect.w;
}

int pl_mouse_line(pl_mouse mouse, pl_rect rect, int first)
{
    const int line = mouse.y - rect.y - first;
    return line >= 0 && pl_rect_holds(rect, mouse.y, mouse.x) ? line : -1;
}

bool pl_mouse_scroll(pl_mouse mouse, size_t row, size_t *top, size_t *held)
{
    if (mouse.kind != PL_MOUSE_WHEEL_UP && mouse.kind != PL_MOUSE_WHEEL_DOWN) {
        return false;
    }
    const size_t up = *top < PL_WHEEL_LINES ? *top : PL_WHEEL_LINES;
    *top = mouse.kind == PL_MOUSE_WHEEL_UP ? *top - up : *top + PL_WHEEL_LINES;
    *held = row + 1;
    return true;
}

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
