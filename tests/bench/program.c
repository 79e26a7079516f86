#include "tests/bench/program.h"

#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bench_have_planish(const char *bench)
{
    if (bench_have_model() && getenv("PLANISH_BIN") != NULL) {
        return true;
    }
    bench_print(json_pack("{s:s, s:s}", "bench", bench, "skipped",
                          "needs PLANISH_BIN, PLANISH_SMOLLM2 and PLANISH_SHARED"));
    return false;
}

void bench_store_make(char store[BENCH_STORE_SIZE])
{
    snprintf(store, BENCH_STORE_SIZE, "/tmp/planish-bench-XXXXXX");
    if (mkdtemp(store) == NULL) {
        bench_fail("store", NULL);
    }
}

void bench_store_remove(const char *store)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", store);
    if (system(command) != 0) {
        bench_fail(command, NULL);
    }
}

double bench_planish_seconds(const char *store, const char *commands)
{
    char command[4096], *line = NULL; /* lines are as long as a command has layers */
    size_t room = 0;
    double seconds = -1;
    snprintf(command, sizeof command,
             "TEXT=\"$PLANISH_SHARED/data/wikitext2-valid.txt\"; "
             "\"$PLANISH_BIN\" \"$PLANISH_SMOLLM2\" --json --store '%s' -c \"%s\"",
             store, commands);
    FILE *pipe = popen(command, "r");
    while (pipe != NULL && getline(&line, &room, pipe) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        const json_t *value = json_object_get(json_object_get(object, "result"), "seconds");
        seconds = json_is_number(value) ? json_number_value(value) : seconds;
        json_decref(object);
    }
    free(line);
    if (pipe == NULL || pclose(pipe) != 0 || seconds < 0) {
        bench_fail(commands, NULL);
    }
    return seconds;
}
