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
