/* What the sensitivity of every layer costs: SmolLM2, 210 layers, 4 windows of 512 tokens, each
 * layer rounded alone, over as many passes of the whole model on those windows. */
#include "tests/bench/bench.h"
#include "tests/bench/program.h"
#include "tests/bench/rows.h"

#define SET_UP "calibrate text=$TEXT length=512 windows=4; method rtn bits=3; solve all; "

enum { LAYERS = 210 };

int main(void)
{
    char store[BENCH_STORE_SIZE];
    if (!bench_have_planish("sensitivity")) {
        return 0;
    }
    bench_threads();
    bench_store_make(store);
    const double before = bench_planish_seconds(store, "perplexity text=$TEXT windows=4");
    const double all = bench_planish_seconds(store, SET_UP "sensitivity text=$TEXT windows=4");
    const double again = bench_planish_seconds(store, "perplexity text=$TEXT windows=4");
    bench_store_remove(store);
    const double pass = 0.5 * (before + again);
    bench_row("sensitivity", "sensitivity of 210 layers over 210 passes of the model",
              all / (LAYERS * pass), BENCH_AT_MOST, 0.55,
              json_pack("{s:f, s:f}", "all", all, "pass", pass));
    return 0;
}
