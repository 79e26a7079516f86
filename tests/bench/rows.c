#include "tests/bench/rows.h"

#include "core/tensor/linalg.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void bench_row(const char *bench, const char *row, double ratio, bench_sense sense, double limit,
               json_t *more)
{
    const bool known = isfinite(ratio);
    const bool met = sense == BENCH_AT_MOST ? ratio <= limit : ratio >= limit;
    json_t *line = json_pack("{s:s, s:s, s:o, s:f, s:s, s:o}", "bench", bench, "row", row, "ratio",
                             known ? json_real(ratio) : json_null(), "limit", limit, "sense",
                             sense == BENCH_AT_MOST ? "at most" : "at least", "met",
                             known ? json_boolean(met) : json_null());
    if (more != NULL) {
        json_object_update(line, more);
        json_decref(more);
    }
    bench_print(line);
}

double bench_torch(const char *args)
{
    const char *python = getenv("PLANISH_BENCH_PYTHON"), *root = getenv("PLANISH_SOURCE_ROOT");
    char command[2048], text[64] = "";
    if (python == NULL || root == NULL) {
        return NAN;
    }
    /* With its own way to wait, not that of our start. */
    snprintf(command, sizeof command,
             "env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT "
             "'%s' '%s/tests/bench/torch_rows.py' --threads %d %s",
             python, root, pl_linalg_threads(), args);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fgets(text, sizeof text, pipe) == NULL) {
        text[0] = '\0';
    }
    if (pipe != NULL) {
        pclose(pipe);
    }
    char *end = text;
    const double seconds = strtod(text, &end);
    return end != text && seconds > 0 ? seconds : NAN;
}
