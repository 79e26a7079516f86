#include "core/jobs/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double BEFORE = 0.2; /* of the bar: for what comes before the job's own unit */

static void begin_unit(pl_progress *p, const char *what)
{
    const bool own = p->unit == NULL || strcmp(p->unit, what) == 0;
    snprintf(p->what, sizeof p->what, "%s", what);
    p->base = p->share;
    /* How many passes come before is not known: each takes half of what is left for them. */
    p->span = own ? 1.0 - p->base : fmax(0.5 * (BEFORE - p->base), 0.0);
}

void pl_progress_take(pl_progress *p, const char *what, double done, double total)
{
    if (!(total > 0.0) || !(done >= 0.0)) {
        return;
    }
    const bool same = strcmp(p->what, what) == 0;
    const bool own = p->unit != NULL && strcmp(p->unit, what) == 0;
    double at = fmin(done / total, 1.0);
    if (same || own || p->what[0] == '\0' || p->done >= p->total) {
        if (!same) {
            begin_unit(p, what);
        }
        p->done = done;
        p->total = total;
    } else { /* a part of the pass's next step */
        at = fmin((p->done + at) / p->total, 1.0);
    }
    p->share = fmax(p->share, fmin(p->base + p->span * at, 1.0));
}
