#include "app/workbench/wants.h"

void pl_wants_reset(pl_wants *wants, bool calibration)
{
    *wants = (pl_wants){.picture = true, .calibration = calibration, .pin = wants->pin};
}

void pl_wants_picture(pl_wants *wants)
{
    wants->picture = true;
}

void pl_wants_solve(pl_wants *wants)
{
    wants->solve = true;
}

void pl_wants_no_solve(pl_wants *wants)
{
    wants->solve = false;
}

void pl_wants_postpone(pl_wants *wants, bool waits)
{
    wants->solve = false;
    wants->later = waits;
}

void pl_wants_later(pl_wants *wants, size_t layer)
{
    wants->later = true;
    wants->later_layer = layer;
}

void pl_wants_now(pl_wants *wants, bool also)
{
    wants->solve = wants->solve || wants->later || also;
    wants->later = false;
}

void pl_wants_now_of(pl_wants *wants, size_t layer)
{
    wants->solve = wants->solve || (wants->later && wants->later_layer == layer);
    wants->later = false;
}

void pl_wants_never(pl_wants *wants)
{
    wants->later = false;
}
