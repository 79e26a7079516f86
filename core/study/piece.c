#include "core/study/piece.h"

#include <stdbool.h>

/* The whole's tick: what it refuses, the part refuses at its own next one. */
static void give_way_to_owner(void *ctx)
{
    pl_piece *piece = ctx;
    if (pl_task_tick(piece->whole, NULL) != PL_OK) {
        atomic_store(&piece->task.cancel, true);
    }
}

static void tell_whole(pl_piece *piece, double share)
{
    pl_task_progress(piece->whole, piece->what, (double)piece->done + share * (double)piece->weight,
                     (double)piece->total);
}

static void take_progress(void *ctx, const char *what, double done, double total)
{
    (void)what;
    tell_whole(ctx, total > 0.0 && done < total ? done / total : 0.0);
}

void pl_piece_init(pl_piece *piece, pl_task *whole, const char *what, size_t total)
{
    *piece = (pl_piece){.whole = whole, .what = what, .total = total, .weight = 1};
    piece->task.give_way = give_way_to_owner;
    piece->task.progress = take_progress;
    piece->task.ctx = piece;
    atomic_init(&piece->task.cancel, false);
}

void pl_piece_step(pl_piece *piece)
{
    piece->done += piece->weight;
    tell_whole(piece, 0.0);
}
