/* From a key that sorts the layer list to its frame, in a real pseudo-terminal: `>` goes through
 * all columns that have numbers, `o` turns the order, at 80 x 24 and, with the list alone on the
 * screen and all its columns, at 200 x 50.  SmolLM2's 210 layers, calibrated and solved by RTN, or
 * the demo's 28. */
#include "tests/bench/bench.h"
#include "tests/screen/measure.h"

#include <stdio.h>
#include <stdlib.h>

enum { SORTS = 40, LIMIT_MS = 16, TEXT = 1200 };

static void wait_for(pl_pty *pty, const char *text, double limit)
{
    const double start = bench_now();
    while (!pl_pty_shows(pty, text)) {
        if (bench_now() - start > limit) {
            fprintf(stderr, "%s", pl_pty_text(pty));
            bench_fail(text, NULL); /* is not shown */
        }
        pl_pty_run(pty, 0.01);
    }
}

static void type_line(pl_pty *pty, const char *line)
{
    char keys[TEXT];
    snprintf(keys, sizeof keys, ":%s\r", line);
    pl_pty_send(pty, keys);
}

static void measure_sorts(pl_pty *pty, const char *model, size_t layers)
{
    static const char *const column[] = {">"}, *const order[] = {"o"};
    static const struct {
        const char *const *key;
        const char *name;
    } sorts[] = {{column, "column"}, {order, "order"}};
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        pl_measure m = pl_measure_keys(pty, sorts[i].key, 1, SORTS, 0.12);
        bench_print(json_pack("{s:s, s:s, s:I, s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:i}", "bench",
                              "sort", "model", model, "layers", (json_int_t)layers, "key",
                              sorts[i].name, "cols", pl_pty_cols(pty), "rows", pl_pty_rows(pty),
                              "count", m.count, "lost", m.lost, "ms_median",
                              pl_measure_median(m.ms, m.count), "ms_p95",
                              pl_measure_p95(m.ms, m.count), "ms_limit", LIMIT_MS));
    }
}

int main(void)
{
    char folder[] = "/tmp/planish-bench-XXXXXX", line[TEXT];
    const bool real = bench_have_model();
    const char *const args[] = {real ? getenv("PLANISH_SMOLLM2") : NULL, NULL};
    if (mkdtemp(folder) == NULL) {
        bench_fail(folder, NULL);
    }
    pl_pty *pty = pl_pty_start(folder, 24, 80, "xterm-256color", "C.UTF-8", args);
    wait_for(pty, "q_proj", 30);
    type_line(pty, "tour off");
    if (real) {
        snprintf(line, sizeof line, "calibrate text=%s/data/wikitext2-valid.txt",
                 getenv("PLANISH_SHARED"));
        type_line(pty, line);
    }
    wait_for(pty, " calibrated 4,096 tokens", 600);
    type_line(pty, "method rtn bits=4; solve all sequential=no");
    wait_for(pty, real ? "210 solved" : "28 solved", 900);
    pl_pty_rest(pty, 0.5, 20);
    measure_sorts(pty, real ? "SmolLM2-135M" : "demo", real ? 210 : 28);
    pl_pty_resize(pty, 50, 200);
    pl_pty_rest(pty, 0.5, 20);
    pl_pty_send(pty, "z");
    pl_pty_rest(pty, 0.5, 20);
    measure_sorts(pty, real ? "SmolLM2-135M" : "demo", real ? 210 : 28);
    pl_pty_stop(pty);
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    return system(line) == 0 ? 0 : 1;
}
