/* app/workbench/wants.h -- what the screen will ask of the worker when it is free. */
#ifndef PL_APP_WORKBENCH_WANTS_H
#define PL_APP_WORKBENCH_WANTS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_wants {
    bool picture, calibration;
    bool solve;         /* of the selected layer */
    bool later;         /* a wanted solve waits for a calibration or a learned transform */
    size_t later_layer; /* the layer of that solve */
    bool pin;           /* pin when the running solve has ended */
} pl_wants;

/* Another model is open. */
void pl_wants_reset(pl_wants *wants, bool calibration);
void pl_wants_picture(pl_wants *wants);
void pl_wants_solve(pl_wants *wants);
void pl_wants_no_solve(pl_wants *wants);
/* The wanted solve cannot begin yet: it waits, or (false) is dropped. */
void pl_wants_postpone(pl_wants *wants, bool waits);
/* A solve of that layer waits. */
void pl_wants_later(pl_wants *wants, size_t layer);
/* What a waiting solve needs is there: it is wanted now.  also: a solve is wanted in any case. */
void pl_wants_now(pl_wants *wants, bool also);
/* The same for the waiting solve of one layer. */
void pl_wants_now_of(pl_wants *wants, size_t layer);
/* What it waits for will not come: drops it. */
void pl_wants_never(pl_wants *wants);

#endif
