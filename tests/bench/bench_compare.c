/* What `compare` of 12 settings costs over the solves and perplexities that it must do, each by its
 * own commands, and the calibrations that are in its store at the end: SmolLM2, 2 windows of 128
 * tokens for the inputs, 2 for the perplexities.  The commands' sum has one calibration, made
 * before them. */
#include "tests/bench/bench.h"
#include "tests/bench/program.h"
#include "tests/bench/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALIBRATE "calibrate text=$TEXT windows=2 length=128"
#define MEASURE "text=$TEXT windows=2 length=128"

static const char *const precondition[] = {"", "method hadamard; ", "method smoothquant; "};
static const char *const rounders[] = {"rtn bits=3", "rtn bits=4", "gptq bits=3", "gptq bits=4"};
enum { BEFORE = 3, ROUNDERS = 4 };

/* Of each of the 12, in a program of its own, on the calibration of the store. */
static double apart(const char *store)
{
    double sum = bench_planish_seconds(store, CALIBRATE);
    for (size_t i = 0; i < (size_t)BEFORE * ROUNDERS; i++) {
        char commands[512], solve[256];
        snprintf(solve, sizeof solve, CALIBRATE "; %smethod %s; solve all",
                 precondition[i / ROUNDERS], rounders[i % ROUNDERS]);
        snprintf(commands, sizeof commands, "%s; perplexity which=after " MEASURE, solve);
        sum += bench_planish_seconds(store, solve);
        sum += bench_planish_seconds(store, commands); /* its solve is in the store */
    }
    return sum;
}

static double together(const char *store)
{
    return bench_planish_seconds(
        store, CALIBRATE "; compare '{rtn,gptq} bits={3,4}' 'hadamard; {rtn,gptq} bits={3,4}' "
                         "'smoothquant; {rtn,gptq} bits={3,4}' " MEASURE);
}

static double entries(const char *store, const char *kind)
{
    char command[128];
    double count = -1;
    snprintf(command, sizeof command, "ls '%s/%s' | wc -l", store, kind);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fscanf(pipe, "%lf", &count) != 1 || pclose(pipe) != 0) {
        bench_fail(command, NULL);
    }
    return count;
}

int main(void)
{
    char one[BENCH_STORE_SIZE], other[BENCH_STORE_SIZE];
    if (!bench_have_planish("compare")) {
        return 0;
    }
    bench_threads();
    bench_store_make(one);
    bench_store_make(other);
    const double sum = apart(one), all = together(other);
    const double calibrations = entries(other, "calib"), measured = entries(other, "scores");
    bench_store_remove(one);
    bench_store_remove(other);
    bench_row("compare", "calibrations of a comparison of 12 settings", calibrations, BENCH_AT_MOST,
              1.0, json_pack("{s:f}", "settings", measured));
    bench_row("compare", "12 settings compared over their solves and perplexities one by one",
              all / sum, BENCH_AT_MOST, 1.1, json_pack("{s:f, s:f}", "compare", all, "apart", sum));
    return 0;
}
