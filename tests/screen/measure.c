#include "tests/screen/measure.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/check.h"
#include "tests/support/rising.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* FNV-1a over the characters and looks of the panes. */
static uint64_t panes_hash(pl_pty *pty)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int y = 1; y < pl_pty_rows(pty) - 2; y++) {
        for (int x = 0; x < pl_pty_cols(pty); x++) {
            pl_pty_cell cell = pl_pty_cell_at(pty, y, x);
            uint64_t look = (uint64_t)(cell.fg + 1) << 32 | (uint64_t)(cell.bg + 1) << 44 |
                            (uint64_t)cell.reverse << 56 | (uint64_t)cell.bold << 57;
            hash = (hash ^ (cell.code | look)) * 0x100000001b3u;
        }
    }
    return hash;
}

/* When bytes came last is when the frame was there: hashing takes its own time. */
static void measure_one(pl_pty *pty, const char *key, double pause, pl_measure *m)
{
    uint64_t before = panes_hash(pty);
    size_t bytes = pl_pty_bytes(pty);
    double start = now_ms();
    double came = -1;
    pl_pty_feed(pty, key, strlen(key));
    while (came < 0 && now_ms() - start < 1000) {
        size_t had = pl_pty_bytes(pty);
        pl_pty_run(pty, 0.0005);
        double at = now_ms();
        if (pl_pty_bytes(pty) != had && panes_hash(pty) != before) {
            came = at - start;
        }
    }
    pl_pty_rest(pty, pause, 5 * pause);
    if (came < 0) {
        m->lost++;
        return;
    }
    m->ms[m->count] = came;
    m->bytes[m->count++] = (double)(pl_pty_bytes(pty) - bytes);
}

pl_measure pl_measure_keys(pl_pty *pty, const char *const *keys, int n_keys, int count,
                           double pause)
{
    pl_measure m = {0};
    for (int i = 0; i < count && i < PL_MEASURED; i++) {
        measure_one(pty, keys[i % n_keys], pause, &m);
    }
    return m;
}

double pl_measure_p95(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, rising_doubles);
    return values[(count * 95 + 99) / 100 - 1];
}

double pl_measure_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, rising_doubles);
    return values[count / 2];
}
