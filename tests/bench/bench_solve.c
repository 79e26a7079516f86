/* The whole of SmolLM2 solved by the program itself, Astro (20 ADMM iterations) and GPTQ, from a
 * calibration that is there: the seconds that `solve all` reports, against a minute. */
#include "tests/bench/bench.h"
#include "tests/bench/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SECONDS = 60 };

/* Runs commands on SmolLM2 and returns "seconds" of the last line that has it. */
static double run(const char *store, const char *commands)
{
    char command[4096], *line = NULL;
    size_t room = 0;
    double seconds = NAN;
    snprintf(command, sizeof command, "'%s' '%s' --json --store '%s' -c '%s'",
             getenv("PLANISH_BIN"), getenv("PLANISH_SMOLLM2"), store, commands);
    FILE *pipe = popen(command, "r");
    while (pipe != NULL && getline(&line, &room, pipe) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        const json_t *value = json_object_get(json_object_get(object, "result"), "seconds");
        seconds = json_is_number(value) ? json_number_value(value) : seconds;
        json_decref(object);
    }
    free(line);
    if (pipe == NULL || pclose(pipe) != 0) {
        bench_fail(command, NULL);
    }
    return seconds;
}

int main(void)
{
    char store[] = "/tmp/planish-bench-XXXXXX", commands[2048];
    if (!bench_have_model() || getenv("PLANISH_BIN") == NULL) {
        bench_print(json_pack("{s:s, s:s}", "bench", "solve", "skipped",
                              "needs PLANISH_BIN, PLANISH_SMOLLM2 and PLANISH_SHARED"));
        return 0;
    }
    if (mkdtemp(store) == NULL) {
        bench_fail("store", NULL);
    }
    snprintf(commands, sizeof commands,
             "calibrate text=%s/data/wikitext2-valid.txt length=512 windows=48; "
             "method astro beta=3e-4; "
             "method gptq bits=3; solve all",
             getenv("PLANISH_SHARED"));
    const double seconds = run(store, commands);
    bench_row("solve", "Astro and GPTQ of all layers, seconds over 60", seconds / MOST_SECONDS,
              BENCH_AT_MOST, 1, json_pack("{s:f}", "seconds", seconds));
    snprintf(commands, sizeof commands, "rm -rf '%s'", store);
    return system(commands) == 0 ? 0 : 1;
}
